package fake

import (
	"math/rand/v2"
	"net/http"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/edrctl/edrctl/internal/faults"
)

func (c *call) logs()   { c.events(c.s.byEndpoint, c.s.everything) }
func (c *call) alerts() { c.events(c.s.detections, c.s.all) }

// events answers both log routes: of is the events of each endpoint, all of
// everybody.
func (c *call) events(of [][]int32, all []int32) {
	s := c.s
	if s.is(Beta2) && s.opt.NoLogs {
		c.fail("failed to search events: open /var/lib/whids/data/logs/events: no such file or directory")
		return
	}
	list := all // beta.2 ignores the UUID (trap 10)
	if !s.is(Beta2) {
		list = nil // an unknown UUID is not an error
		s.mu.Lock()
		for _, m := range s.st.Endpoints {
			if m.UUID == c.uuid && m.Source >= 0 {
				list = of[m.Source]
			}
		}
		s.mu.Unlock()
	}
	list = s.arrived(list)
	lo, hi, fault := c.window()
	if fault != "" {
		c.fail(fault)
		return
	}
	if s.etw() {
		c.paged(list, lo, hi)
		return
	}
	c.whole(list, lo, hi)
}

// arrival is when an event reached the manager.
func (s *Server) arrival(m Meta) time.Time {
	return m.Time.Add(s.opt.Conduct.Lag(s.data.Endpoints[m.Endpoint].Hostname))
}

// arrived leaves out the events that have not arrived yet.
func (s *Server) arrived(list []int32) []int32 {
	now := s.opt.Now()
	if s.opt.Conduct.Skewed() {
		return slices.DeleteFunc(slices.Clone(list), func(i int32) bool { return s.arrival(s.data.Log.Meta(int(i))).After(now) })
	}
	return list[:sort.Search(len(list), func(i int) bool { return s.data.Log.Meta(int(list[i])).Time.After(now) })]
}

const (
	badTime     = "Failed to parse %s parameter, it must be RFC3339 formated"
	badDuration = "Failed to parse %s parameter, it must be a valid Go time.Duration format"
)

func bad(format, name string) string { return strings.Replace(format, "%s", name, 1) }

// window reads the time parameters as this version understands them.
func (c *call) window() (lo, hi time.Time, fault string) {
	s := c.s
	now := s.opt.Now()
	first, second := "start", "stop"
	if s.is(Head) {
		first, second = "since", "until"
	}
	since, till, pivot := c.get(first), c.get(second), c.get("pivot")
	if s.ver <= 1 && (since != "" || till != "") && pivot != "" {
		return lo, hi, "Incompatible parameters, specify either start/stop or pivot/delta parameters"
	}
	parse := func(name, text string, into *time.Time) bool {
		if text == "" {
			return true
		}
		t, err := time.Parse(time.RFC3339, text)
		if err != nil {
			fault = bad(badTime, name)
		}
		*into = t
		return err == nil
	}
	var at time.Time
	if !parse("start", since, &lo) || !parse("stop", till, &hi) || !parse("pivot", pivot, &at) {
		return lo, hi, fault
	}
	last := c.get("last")
	switch {
	case s.etw() && last != "":
		d, ok := days(last)
		if !ok {
			return lo, hi, bad(badDuration, "last")
		}
		if d < 0 {
			return lo, hi, "Start date must be before stop date"
		}
		return now.Add(-d), now, ""
	case pivot != "" || c.get("delta") != "":
		delta := 10 * time.Minute
		if text := c.get("delta"); text != "" {
			d, err := time.ParseDuration(text)
			if err != nil {
				return lo, hi, bad(badDuration, "delta")
			}
			delta = d
		}
		return at.Add(-delta), at.Add(delta), ""
	case since == "" && till == "":
		back := time.Hour
		if s.is(V170) {
			back = 24 * time.Hour
		}
		return now.Add(-back), now, ""
	case s.is(Head) && since == "":
		panic(http.ErrAbortHandler) // until alone: 37 s of work, then nothing (trap 7)
	case s.etw() && till == "":
		hi = now
	}
	if !lo.Before(hi) {
		return lo, hi, "Start date must be before stop date"
	}
	return lo, hi, ""
}

// days reads a Go duration, or whole days ("2d", and "1d12h" as one day).
func days(s string) (time.Duration, bool) {
	if d, err := time.ParseDuration(s); err == nil {
		return d, true
	}
	n, _, ok := strings.Cut(s, "d")
	v, err := strconv.Atoi(n)
	return time.Duration(v) * 24 * time.Hour, ok && err == nil
}

// whole answers as v1.7.0 and v1.8.0-beta do: the day files from the calendar
// day of start (in its own offset) on, in arrival order, until the first
// event later than stop. Their walk begins no later than their own today: a
// start beyond it finds nothing.
func (c *call) whole(list []int32, lo, hi time.Time) {
	meta := func(i int) Meta { return c.s.data.Log.Meta(int(list[i])) }
	year, month, day := lo.Date() // in the offset given (trap 8)
	begin := time.Date(year, month, day, 0, 0, 0, 0, time.UTC)
	if begin.After(c.s.opt.Now()) {
		c.give(nil)
		return
	}
	from := sort.Search(len(list), func(i int) bool { return !meta(i).Time.Before(begin) })
	var hits []int32
	for i := from; i < len(list); i++ {
		t := meta(i).Time
		if t.After(hi) {
			break
		}
		if t.After(lo) && t.Before(hi) {
			hits = append(hits, list[i])
		}
	}
	c.give(hits)
}

// paged answers as beta.1 and later do: limit and skip, where skip counts
// stored events from the beginning of the hour chunk since lies in, before the
// time filter, so that pages overlap (trap 9). Of moving pages a manager that
// ignores skip is acted out, and another order in every answer; its answers
// count nothing, so that none given cannot be distinguished from none there, and its
// alerts have no state that a colleague could change.
func (c *call) paged(list []int32, lo, hi time.Time) {
	limit, skip := 1000, 0
	if text := c.get("limit"); text != "" {
		if n, err := strconv.Atoi(text); err == nil {
			limit = min(n, 10000)
		}
	}
	if text := c.get("skip"); text != "" {
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			c.fail("Failed to parse skip parameter: strconv.ParseInt: parsing " + strconv.Quote(text) + ": invalid syntax")
			return
		}
		skip = int(max(n, 0))
	}
	if c.s.opt.Conduct.Moves(faults.PagesRepeat) {
		skip = 0
	}
	meta := func(i int) Meta { return c.s.data.Log.Meta(int(list[i])) }
	chunk := lo.UTC().Truncate(time.Hour)
	end := hi.UTC().Truncate(time.Hour).Add(time.Hour)
	from := sort.Search(len(list), func(i int) bool { return !meta(i).Time.Before(chunk) })
	var hits []int32
	for i := from + skip; i < len(list) && len(hits) < limit; i++ {
		t := meta(i).Time
		if !t.Before(end) {
			break
		}
		if t.After(lo) && t.Before(hi) {
			hits = append(hits, list[i])
		}
	}
	slices.SortStableFunc(hits, func(a, b int32) int {
		return c.s.data.Log.Meta(int(a)).Time.Compare(c.s.data.Log.Meta(int(b)).Time)
	})
	c.give(hits)
}

// give writes the events. The real server builds the answer in memory and is
// cut off after 15 s; here CutEvents says when.
func (c *call) give(hits []int32) {
	s := c.s
	if busy := s.opt.Conduct.BusyDay; busy > 0 && len(hits) > busy {
		<-c.r.Context().Done() // still reading when the client gives up
		panic(http.ErrAbortHandler)
	}
	limit := s.opt.CutEvents
	if limit > 0 && len(hits) > 2*limit {
		panic(http.ErrAbortHandler)
	}
	if s.opt.Conduct.Moves(faults.PagesOrder) {
		hits = slices.Clone(hits)
		rand.Shuffle(len(hits), func(a, b int) { hits[a], hits[b] = hits[b], hits[a] })
	}
	c.header()
	out := make([]byte, 0, 96<<10)
	out = append(out, `{"data":[`...)
	var e Event
	for n, i := range hits {
		if n > 0 {
			out = append(out, ',')
		}
		if limit > 0 && n == limit {
			_, _ = c.w.Write(out[:len(out)-20])
			panic(http.ErrAbortHandler)
		}
		out = s.append(out, int(i), &e)
		if len(out) > 64<<10 {
			if _, err := c.w.Write(out); err != nil {
				return
			}
			out = out[:0]
		}
	}
	out = append(out, `],"message":"OK","error":""}`...)
	_, _ = c.w.Write(out)
}

// append renders event i in this version's format.
func (s *Server) append(out []byte, i int, e *Event) []byte {
	m := s.data.Log.Meta(i)
	s.data.Log.Fill(i, e)
	if s.opt.Conduct.RandomOrder {
		e.Signatures = slices.Clone(e.Signatures)
		rand.Shuffle(len(e.Signatures), func(a, b int) { e.Signatures[a], e.Signatures[b] = e.Signatures[b], e.Signatures[a] })
	}
	if s.etw() {
		return appendETW(out, e, m, &s.data.Endpoints[m.Endpoint], s.is(Head))
	}
	return appendLegacy(out, e, m, s.is(Beta))
}
