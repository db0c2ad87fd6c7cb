package fake

import (
	"math"
	"slices"
	"strconv"
	"time"
)

type reportDoc struct {
	Identifier   string         `json:"identifier"`
	AlertCount   int            `json:"alert-count"`
	BySignature  map[string]int `json:"count-by-signature"`
	Signatures   []string       `json:"signatures"`
	Techniques   []string       `json:"techniques"`
	Tactics      []string       `json:"tactics"`
	SigCount     int            `json:"signature-count"`
	SumAlert     int            `json:"sum-alert-criticality"`
	AvgAlert     float64        `json:"avg-alert-criticality"`
	StdAlert     float64        `json:"std-dev-alert-criticality"`
	SumRule      int            `json:"sum-rule-criticality"`
	AvgSig       float64        `json:"avg-signature-criticality"`
	StdSig       float64        `json:"std-dev-signature-criticality"`
	Diversity    float64        `json:"signature-diversity"`
	Uniq         int            `json:"count-uniq-signatures"`
	SigMetric    int            `json:"signature-criticality-metric"`
	AlertMetric  int            `json:"alert-criticality-metric"`
	Score        int            `json:"score"`
	BoundedScore *float64       `json:"bounded-score,omitempty"`
	Start        time.Time      `json:"start-time"`
	Median       time.Time      `json:"median-time"`
	Stop         time.Time      `json:"stop-time"`
}

type archived struct {
	reportDoc
	At time.Time `json:"archived-time"`
}

// report counts the alerts of an endpoint since its report was emptied; nil
// when there are none. The caller holds the lock.
func (s *Server) report(m *machine) *reportDoc {
	if m.Source < 0 || m.UUID == "" || s.data.Log == nil {
		return nil
	}
	since := s.st.Reports[m.UUID]
	r := &reportDoc{Identifier: m.UUID, BySignature: map[string]int{}}
	rules := map[string]int{}
	var e Event
	for _, i := range s.arrived(s.detections[m.Source]) {
		meta := s.data.Log.Meta(int(i))
		if !meta.Time.After(since) {
			continue
		}
		s.data.Log.Fill(int(i), &e)
		if len(e.Signatures) == 0 {
			continue
		}
		if r.AlertCount == 0 || meta.Time.Before(r.Start) {
			r.Start = meta.Time.UTC()
		}
		if meta.Time.After(r.Stop) {
			r.Stop = meta.Time.UTC()
		}
		r.AlertCount++
		r.SumAlert += e.Criticality
		for _, sig := range e.Signatures {
			r.BySignature[sig]++
			rules[sig] = e.Criticality
			if !slices.Contains(r.Signatures, sig) {
				r.Signatures = append(r.Signatures, sig)
			}
		}
		r.SigCount += len(e.Signatures)
		for _, a := range e.Attack {
			if !slices.Contains(r.Techniques, a.ID) {
				r.Techniques = append(r.Techniques, a.ID)
			}
			if !slices.Contains(r.Tactics, a.Tactic) {
				r.Tactics = append(r.Tactics, a.Tactic)
			}
		}
	}
	if r.AlertCount == 0 {
		return nil
	}
	for sig, crit := range rules {
		r.SumRule += crit * r.BySignature[sig]
	}
	r.Uniq = len(r.Signatures)
	r.AvgAlert = round2(float64(r.SumAlert) / float64(r.AlertCount))
	r.AvgSig = round2(float64(r.SumRule) / float64(max(r.SigCount, 1)))
	r.Diversity = round2(100 * float64(r.Uniq) / float64(max(len(s.st.Live), 1)))
	r.SigMetric = int(r.AvgSig * float64(r.Uniq))
	r.AlertMetric = int(r.AvgAlert * 100)
	r.Score = r.SigMetric + r.AlertMetric
	r.Median = r.Start.Add(r.Stop.Sub(r.Start) / 2)
	if s.etw() {
		b := math.Min(100, round2(float64(r.Score)/10))
		r.BoundedScore = &b
	}
	return r
}

func round2(f float64) float64 { return math.Round(f*100) / 100 }

func (c *call) getReport() {
	s := c.s
	s.mu.Lock()
	defer s.mu.Unlock()
	if m := c.find(false); m != nil {
		c.ok(s.report(m))
	}
}

func (c *call) listReports() {
	s := c.s
	s.mu.Lock()
	defer s.mu.Unlock()
	out := map[string]*reportDoc{}
	for _, m := range s.st.Endpoints {
		out[m.UUID] = s.report(m)
	}
	c.ok(out)
}

func (c *call) deleteReport() {
	s := c.s
	s.mu.Lock()
	defer s.mu.Unlock()
	m := c.find(false)
	if m == nil {
		return
	}
	r := s.report(m)
	if r == nil && s.is(Head) {
		c.fail("No report to delete")
		return
	}
	now := s.opt.Now()
	s.st.Reports[key(m)] = now
	if r != nil && s.is(Head) {
		s.st.Archive[m.UUID] = append(s.st.Archive[m.UUID], archived{reportDoc: *r, At: now.UTC()})
	}
	c.ok(r)
}

// emptyReports is what a reload of the rules does (docs/wire/gene.md 8).
func (s *Server) emptyReports() {
	now := s.opt.Now()
	for _, m := range s.st.Endpoints {
		s.st.Reports[key(m)] = now
	}
}

func (c *call) archive() {
	s := c.s
	s.mu.Lock()
	defer s.mu.Unlock()
	m := c.find(false)
	if m == nil {
		return
	}
	now := s.opt.Now()
	lo, hi := now.Add(-24*time.Hour), now
	limit := uint64(0)
	for _, p := range []struct {
		name string
		into *time.Time
	}{{"since", &lo}, {"until", &hi}} {
		if text := c.get(p.name); text != "" {
			t, err := time.Parse(time.RFC3339, text)
			if err != nil {
				c.fail("Failed to parse " + p.name + " parameter: " + err.Error())
				return
			}
			*p.into = t
		}
	}
	if text := c.get("last"); text != "" {
		d, ok := days(text)
		if !ok {
			c.fail("Failed to parse last parameter: invalid duration format")
			return
		}
		lo = now.Add(-d)
	}
	if text := c.get("limit"); text != "" {
		n, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			c.fail("Failed to parse limit parameter: " + err.Error())
			return
		}
		limit = n
	}
	out := []archived{}
	for _, a := range s.st.Archive[key(m)] {
		if !a.At.Before(lo) && !a.At.After(hi) && (limit == 0 || uint64(len(out)) < limit) {
			out = append(out, a)
		}
	}
	c.ok(out)
}
