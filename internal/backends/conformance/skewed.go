package conformance

import (
	"slices"
	"testing"
	"time"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/ioc"
	"github.com/edrctl/edrctl/internal/model"
	"github.com/edrctl/edrctl/internal/story"
)

// skewed: what is stamped later than now, because a clock is ahead, is listed
// when the window has no end, can be read by its id, and is left out by an end.
func (h Harness) skewed(t *testing.T) {
	if h.Faulty == nil {
		t.Skip("the harness has no faults of records")
	}
	faulty := h
	faulty.Start = h.Faulty("early=26h")
	e := faulty.open(t, story.Quiet, nil)
	for _, r := range h.readings(t) {
		if !r.timed || h.skip(t, r.name) || h.skip(t, r.name+"/skewed") {
			continue
		}
		t.Run(r.name, func(t *testing.T) {
			q := e.window()
			q.Since, q.Until = e.now.Add(-2*time.Hour), time.Time{}
			ahead := map[string]bool{}
			for _, rec := range e.records(t, r, q) {
				if model.TimeOf(rec).After(e.now) {
					ahead[key(rec)] = true
				}
			}
			if len(ahead) == 0 {
				t.Fatal("no record that is stamped later than now")
			}
			q.Until = e.now
			for _, rec := range e.records(t, r, q) {
				if ahead[key(rec)] {
					t.Errorf("%s is listed although the window ends now", key(rec))
				}
			}
			if r.name == "events" {
				e.huntSkewed(t)
			}
			if r.get == nil || h.skip(t, r.name+"/get ahead") {
				return
			}
			n := 0
			for id := range ahead {
				if n++; n > 3 {
					break
				}
				if rec, err := r.get(t.Context(), e.driver, id, false); err != nil || rec.GetOrigin().ID != id {
					t.Errorf("%s is listed and cannot be read: %v", id, err)
				}
			}
		})
	}
}

// huntSkewed: what the server searches itself reaches as far as its lists: of
// each type, a value that an event ahead shows is hunted without an end.
func (e *env) huntSkewed(t *testing.T) {
	d, ok := e.driver.(backends.IndicatorHunter)
	if !ok {
		return
	}
	q := e.window()
	q.Since, q.Until = e.now.Add(time.Minute), time.Time{}
	var events []*model.Event
	for ev := range records(t, e.driver.(backends.EventSearcher).Events, q) {
		events = append(events, ev)
	}
	for _, kind := range ioc.Types {
		mode := d.HuntModes()[kind.String()]
		values := valuesIn(kind, events)
		if mode.Where != backends.HuntServer || len(values) == 0 {
			continue
		}
		hq := backends.HuntQuery{Type: kind.String(), Values: values[:1], Since: q.Since}
		hits := e.hunt(t, d, hq)
		if !slices.ContainsFunc(hits, func(h *model.Hit) bool { return h.Last.After(e.now) }) {
			t.Errorf("%s %s: %d hits, none of what is stamped later than now", kind, values[0], len(hits))
		}
		hq.Since, hq.Until = e.now.Add(-2*time.Hour), e.now
		for _, h := range e.hunt(t, d, hq) {
			if h.Last.After(e.now) {
				t.Errorf("%s %s: a hit of %v for a window that ends now", kind, values[0], h.Last)
			}
		}
	}
}

// records reads a whole list.
func (e *env) records(t *testing.T, r reading, q backends.Query) []model.Record {
	t.Helper()
	l, err := r.open(t.Context(), e.driver, q)
	if err != nil {
		t.Fatal(err)
	}
	var out []model.Record
	for rec, err := range l.Seq {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, rec)
	}
	return out
}
