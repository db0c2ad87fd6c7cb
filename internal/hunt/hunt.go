package hunt

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/ioc"
	"github.com/edrctl/edrctl/internal/model"
	"github.com/edrctl/edrctl/internal/ops"
)

// Hunt asks every selected profile whether it has seen any of a list of
// indicators.
type Hunt struct {
	List       *ioc.List
	Common     bool // the well-known harmless values, too
	Span       Span
	Now        time.Time // when Run is called; with it, hosts whose hits are stamped later are named in the summary
	Raw        bool
	Checkpoint *Checkpoint // nil: the hunt is not kept
	Explain    func(profile string, p backends.Plan)
	Progress   func(Progress) // called from several goroutines, one at a time
	// Seen receives each hit when it is first met, one call at a time; its
	// count and times are then what is known so far. What Run returns at the
	// end replaces it by Key. A hit of an earlier, kept run is reported again.
	Seen func(*model.Hit)
}

// Progress is how far a hunt is.
type Progress struct {
	Done, Units int // requests' worth of work, over all profiles
	Events      int // scanned locally so far
	Hits        int
	Elapsed     time.Duration
}

// Summary is what a hunt did.
type Summary struct {
	Indicators int             `json:"indicators"`
	Hits       int             `json:"hits"`
	Profiles   []SourceSummary `json:"profiles"`
}

// SourceSummary is what a hunt did on one profile.
type SourceSummary struct {
	Profile    string       `json:"profile"`
	Backend    string       `json:"backend"`
	Server     int          `json:"searched_on_server"` // indicators
	Local      int          `json:"searched_locally"`
	Events     int          `json:"events_scanned,omitempty"`
	Hits       int          `json:"hits"`
	Unsearched []Unsearched `json:"not_searchable,omitempty"`
	Notes      []string     `json:"notes,omitempty"`
	Err        error        `json:"-"`

	// Ahead names the hosts whose hits are stamped later than now.
	Ahead map[string]time.Duration `json:"-"`
}

// Unsearched is indicators a profile cannot search.
type Unsearched struct {
	Type  string `json:"type"`
	Count int    `json:"count"`
	Why   string `json:"why"`
}

// unit is one piece of a hunt: it is done whole or not at all.
type unit struct {
	name string
	kind string // of a server's unit: the indicators' type
	size int    // how many
	run  func(ctx context.Context, see func(*model.Hit)) error
}

// Run hunts on all profiles at once. Hits come joined, one for each indicator,
// host and process or file of a profile, the latest seen first.
func Run(ctx context.Context, f *ops.Fleet, h Hunt) ([]*model.Hit, Summary) {
	r := &run{Hunt: h, start: time.Now()}
	r.indicators = h.List.Hunted(h.Common)
	sum := Summary{Indicators: len(r.indicators), Profiles: make([]SourceSummary, len(f.Sources))}
	perSource := make([]map[string]*model.Hit, len(f.Sources))
	units := make([][]unit, len(f.Sources))
	for i, s := range f.Sources {
		sum.Profiles[i] = SourceSummary{Profile: s.Profile, Backend: s.Backend}
		units[i] = r.plan(s, &sum.Profiles[i])
		r.progress.Units += len(units[i])
	}
	var wg sync.WaitGroup
	for i, s := range f.Sources {
		wg.Go(func() { perSource[i] = r.source(ctx, s, units[i], &sum.Profiles[i]) })
	}
	wg.Wait()
	var hits []*model.Hit
	for i := range perSource {
		sum.Profiles[i].Hits = len(perSource[i])
		var out ops.Outcome
		for _, k := range slices.Sorted(maps.Keys(perSource[i])) {
			hits = append(hits, perSource[i][k])
			if !h.Now.IsZero() && h.Span.Until.IsZero() {
				out.NoteAhead(perSource[i][k], h.Now.Add(time.Since(r.start)))
			}
		}
		sum.Profiles[i].Ahead = out.Ahead
	}
	slices.SortStableFunc(hits, func(a, b *model.Hit) int { return b.Last.Compare(a.Last.Time) })
	sum.Hits = len(hits)
	return hits, sum
}

type run struct {
	Hunt
	start      time.Time
	indicators []ioc.Indicator // those of the list that are hunted

	mu       sync.Mutex
	progress Progress
}

// plan sorts the indicators into what the server is asked, what is matched
// here, and what cannot be searched.
func (r *run) plan(s *ops.Source, out *SourceSummary) []unit {
	d, err := s.Driver()
	if err != nil {
		out.Err = err
		return nil
	}
	hunter, _ := d.(backends.IndicatorHunter)
	searcher, _ := d.(backends.EventSearcher)
	modes := Modes(d)
	byType := map[ioc.Type][]int{}
	var local []int
	for i, ind := range r.indicators {
		// What the server knows nothing of, a port or a whole pattern, is compared here.
		if (ind.Port != 0 || ind.Rule != 0) && searcher != nil {
			local = append(local, i)
			continue
		}
		if ind.Rule != 0 {
			out.Unsearched = append(out.Unsearched, Unsearched{Type: ioc.Pattern.String(), Count: 1, Why: s.Backend + " has no events to search"})
			continue
		}
		byType[ind.Type] = append(byType[ind.Type], i)
	}
	out.Local = len(local)
	var units []unit
	for _, t := range ioc.Types {
		list := byType[t]
		if len(list) == 0 {
			continue
		}
		mode := modes[t.String()]
		if mode.Where == backends.HuntServer && mode.Most > 0 && len(list) > mode.Most && searcher != nil {
			mode = backends.HuntMode{Where: backends.HuntLocal, Why: fmt.Sprintf(
				"more than %d are matched here over all events of the window, for the server would have to be asked for each", mode.Most)}
		}
		if mode.Why != "" && mode.Where != backends.HuntNone {
			out.Notes = append(out.Notes, t.String()+": "+mode.Why)
		}
		switch mode.Where {
		case backends.HuntServer:
			out.Server += len(list)
			for part := range slices.Chunk(list, max(mode.Chunk, 1)) {
				units = append(units, r.serverUnit(s, hunter, t, part))
			}
		case backends.HuntLocal:
			out.Local += len(list)
			local = append(local, list...)
		default:
			out.Unsearched = append(out.Unsearched, Unsearched{Type: t.String(), Count: len(list), Why: mode.Why})
		}
	}
	if len(local) > 0 {
		units = append(units, r.scanUnits(s, searcher, local, out)...)
	}
	return units
}

// Modes says where a driver's backend searches each indicator type: as the
// driver says, else in its events.
func Modes(d backends.Driver) map[string]backends.HuntMode {
	var own map[string]backends.HuntMode
	if h, ok := d.(backends.IndicatorHunter); ok {
		own = h.HuntModes()
	}
	_, searches := d.(backends.EventSearcher)
	out := map[string]backends.HuntMode{}
	for _, t := range ioc.Types {
		mode, known := own[t.String()]
		if !known {
			mode = usualModes[t]
		}
		if mode.Where == "" {
			mode.Where = backends.HuntLocal
		}
		if mode.Where == backends.HuntLocal && !searches {
			mode = backends.HuntMode{Where: backends.HuntNone, Why: d.Backend() + " has no events to search"}
		}
		out[t.String()] = mode
	}
	return out
}

// usualModes are of the types that no server searches.
var usualModes = map[ioc.Type]backends.HuntMode{
	ioc.SHA512:      {Where: backends.HuntLocal, Why: "hashes of images, files and modules are compared here"},
	ioc.PathPattern: {Where: backends.HuntLocal, Why: "paths of images, targets, files and modules are compared with the pattern here"},
	ioc.Registry:    {Where: backends.HuntLocal, Why: "keys and values of registry events are compared here, all below a key included"},
	ioc.Pipe:        {Where: backends.HuntLocal, Why: "names of pipes in events are compared here"},
	ioc.Pattern:     {Where: backends.HuntLocal, Why: "the pattern is evaluated here, on whole events"},
}

// ModeOf says where one indicator is searched on a driver's backend.
func ModeOf(modes map[string]backends.HuntMode, ind ioc.Indicator, rules []*ioc.Rule) backends.HuntMode {
	switch mode := modes[ind.Type.String()]; {
	case !ind.Type.Huntable():
		return backends.HuntMode{Where: backends.HuntNone, Why: "no event carries a " + ind.Type.String()}
	case ind.Rule > 0 && int(ind.Rule) <= len(rules) && rules[ind.Rule-1].Refused != "":
		return backends.HuntMode{Where: backends.HuntNone, Why: rules[ind.Rule-1].Refused}
	case mode.Where == backends.HuntNone:
		return mode
	case ind.Rule > 0:
		return backends.HuntMode{Where: backends.HuntLocal, Why: "a part of a pattern, which is evaluated here, on whole events"}
	case ind.Port != 0:
		return backends.HuntMode{Where: backends.HuntLocal, Why: "listed with a port, which is compared here"}
	default:
		return mode
	}
}

// serverUnit asks the server for one chunk of one type.
func (r *run) serverUnit(s *ops.Source, d backends.IndicatorHunter, t ioc.Type, part []int) unit {
	first := r.indicators[part[0]]
	return unit{
		name: fmt.Sprintf("%s|%s|%d|%s", s.Profile, t, len(part), first.Value),
		kind: t.String(), size: len(part),
		run: func(ctx context.Context, see func(*model.Hit)) error {
			q := backends.HuntQuery{Type: t.String(), Since: r.Span.Since, Until: r.Span.Until, Raw: r.Raw}
			place := map[string]ioc.Indicator{}
			for _, i := range part {
				ind := r.indicators[i]
				q.Values = append(q.Values, ind.Value)
				place[strings.ToLower(ind.Value)] = ind
			}
			listing, err := d.Hunt(ctx, q)
			if err != nil {
				return err
			}
			r.explain(s, listing.Plan)
			for h, err := range listing.Seq {
				if err != nil {
					return err
				}
				h.Indicator.Type = t.String()
				of := place[strings.ToLower(h.Indicator.Value)]
				h.Indicator.Source, h.Indicator.Group = r.List.Place(of), int(of.Group)
				see(h)
			}
			return nil
		},
	}
}

// scanUnits fetch the events of the window once and match all local
// indicators together; a hunt that is kept does it an hour at a time.
func (r *run) scanUnits(s *ops.Source, d backends.EventSearcher, list []int, out *SourceSummary) []unit {
	indicators := make([]ioc.Indicator, len(list))
	for i, at := range list {
		indicators[i] = r.indicators[at]
	}
	var matcher *ioc.Matcher
	var units []unit
	for _, w := range r.Span.steps(r.Checkpoint != nil) {
		units = append(units, unit{
			name: w.unit(s.Profile),
			run: func(ctx context.Context, see func(*model.Hit)) error {
				if matcher == nil {
					matcher = ioc.NewMatcher(indicators, r.List.Rules...) // units of one profile run one after the other
				}
				listing, err := d.Events(ctx, backends.Query{Since: w.Since, Until: w.Until})
				if err != nil {
					return err
				}
				r.explain(s, listing.Plan)
				n := 0
				defer func() { r.scanned(out, n) }()
				for e, err := range listing.Seq {
					if err != nil {
						return err
					}
					r.match(s, matcher, indicators, e, see)
					if n++; n == 1024 {
						r.scanned(out, n)
						n = 0
					}
				}
				return ctx.Err()
			},
		})
	}
	return units
}

// match turns what the matcher finds in one event into hits, each thing once.
func (r *run) match(s *ops.Source, m *ioc.Matcher, indicators []ioc.Indicator, e *model.Event, see func(*model.Hit)) {
	var seen []string
	m.Match(e, func(found ioc.Found) {
		ind := indicators[found.Indicator]
		h := &model.Hit{
			Indicator: model.HitIndicator{Type: ind.Type.String(), Value: ind.Value, Source: r.List.Place(ind), Group: int(ind.Group)},
			Host:      e.Host, Process: brief(found.Process), File: found.File,
			First: e.Time, Last: e.Time, Count: 1,
		}
		if e.ID != "" {
			h.Evidence = []string{s.Profile + "/" + e.ID}
		}
		// What a process is thought of applies to its image, not of a file or
		// an address it used.
		if p := found.Process; p != nil && p.Reputation != nil && found.File == nil && isImage(ind.Type) {
			h.Verdict = p.Reputation.Verdict
		}
		// Other hashes of the same sample are reported, too: the strongest names the hit.
		if k := h.Key() + ind.String(); !slices.Contains(seen, k) {
			seen = append(seen, k)
			see(h)
		}
	})
}

func isImage(t ioc.Type) bool {
	return t.IsHash() || t == ioc.FileName || t == ioc.FilePath || t == ioc.ProcessName
}

// brief is a process as a hit names it.
func brief(p *model.Process) *model.Process {
	if p == nil {
		return nil
	}
	return &model.Process{
		UID: p.UID, PID: p.PID, Name: cmp.Or(p.Name, model.BaseName(p.Path)), Path: p.Path,
		CommandLine: p.CommandLine, Hash: p.Hash, User: p.User,
	}
}

func (r *run) explain(s *ops.Source, p backends.Plan) {
	if r.Explain == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.Explain(s.Profile, p)
}

func (r *run) scanned(out *SourceSummary, n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	out.Events += n
	r.progress.Events += n
	r.report()
}

// report reports progress; the lock is held.
func (r *run) report() {
	if r.Progress != nil {
		r.progress.Elapsed = time.Since(r.start)
		r.Progress(r.progress)
	}
}

// source does the units of one profile, one after the other. Hits of a unit
// count when the whole unit is done; with a checkpoint they are on disk then.
func (r *run) source(ctx context.Context, s *ops.Source, units []unit, out *SourceSummary) map[string]*model.Hit {
	all := map[string]*model.Hit{}
	for _, u := range units {
		kept, done := r.Checkpoint.done(u.name)
		hits := kept.Hits
		if !done {
			if ctx.Err() != nil {
				out.Err = cmp.Or(out.Err, ctx.Err())
				return all
			}
			found := map[string]*model.Hit{}
			err := u.run(ctx, func(h *model.Hit) {
				if k := h.Key(); found[k] == nil && all[k] == nil {
					r.seen(s, h)
				}
				join(found, h)
			})
			if err != nil {
				if k := backends.KindOf(err); u.kind != "" && (k == backends.KindUnsupported || k == backends.KindInvalid) {
					// These values cannot be asked for; the others can.
					r.leaveOut(out, u, err)
					continue
				}
				out.Err = err
				// What was seen before the failure was seen: it is shown, and
				// the failure says that there may be more.
				r.take(s, all, slices.Collect(maps.Values(found)))
				return all
			}
			for _, k := range slices.Sorted(maps.Keys(found)) {
				hits = append(hits, found[k])
			}
			if err := r.Checkpoint.record(checkpointUnit{Unit: u.name, Hits: hits}); err != nil {
				out.Err = err
				return all
			}
		}
		if done {
			for _, h := range hits {
				if all[h.Key()] == nil {
					r.seen(s, h)
				}
			}
		}
		r.take(s, all, hits)
		r.mu.Lock()
		r.progress.Done++
		r.report()
		r.mu.Unlock()
	}
	return all
}

// leaveOut notes that the indicators of a unit cannot be searched.
func (r *run) leaveOut(out *SourceSummary, u unit, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.progress.Done++
	r.report()
	out.Server -= u.size
	why := err.Error()
	for i := range out.Unsearched {
		if o := &out.Unsearched[i]; o.Type == u.kind && o.Why == why {
			o.Count += u.size
			return
		}
	}
	out.Unsearched = append(out.Unsearched, Unsearched{Type: u.kind, Count: u.size, Why: why})
}

func (r *run) take(s *ops.Source, all map[string]*model.Hit, hits []*model.Hit) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, h := range hits {
		s.StampRecord(h)
		for i, e := range h.Evidence {
			if !strings.HasPrefix(e, s.Profile+"/") {
				h.Evidence[i] = s.Profile + "/" + e
			}
		}
		before := len(all)
		h.ID = hitID(h.Key())
		join(all, h)
		r.progress.Hits += len(all) - before
	}
}

// seen tells of a hit on the way, as a copy: the hunt continues joining its own.
func (r *run) seen(s *ops.Source, h *model.Hit) {
	if r.Seen == nil {
		return
	}
	c := *h
	c.ID = hitID(h.Key())
	c.Evidence = slices.Clone(h.Evidence)
	if h.Host != nil { // stamping writes to it
		host := *h.Host
		c.Host = &host
	}
	s.StampRecord(&c)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.Seen(&c)
}

func join(into map[string]*model.Hit, h *model.Hit) {
	k := h.Key()
	if old := into[k]; old != nil {
		old.Merge(h)
		return
	}
	into[k] = h
}

// hitID is stable between hunts: the same indicator seen as the same thing.
func hitID(key string) string {
	sum := sha256.Sum256([]byte(key))
	return "hit-" + hex.EncodeToString(sum[:8])
}
