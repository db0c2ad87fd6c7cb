package conformance

import (
	"testing"
	"time"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/model"
)

// skewed: what is stamped later than now, because a clock is ahead, is listed
// when the window has no end, can be read by its id, and is left out by an end.
func (h Harness) skewed(t *testing.T) {
	if h.Faulty == nil {
		t.Skip("the harness has no faults of records")
	}
	faulty := h
	faulty.Start = h.Faulty("early=26h")
	e := faulty.open(t, 1, nil)
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
