package conformance

import (
	"testing"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/story"
)

// movingPages: whatever pages do while they are read, a list is whole or says
// that it is not; and no record comes twice.
func (h Harness) movingPages(t *testing.T) {
	if h.Faulty == nil {
		t.Skip("the harness has no faults of records")
	}
	// Pages of three records make hundreds of requests of the events of the story alone.
	quiet := func(h Harness) *env {
		return h.open(t, story.Quiet, func(o *backends.Options) { o.Client.Debug = nil })
	}
	still := quiet(h)
	whole := map[string][]string{}
	for _, way := range []string{"order", "resolve", "repeat", "none"} {
		if h.skip(t, "moving pages/"+way) {
			continue
		}
		faulty := h
		faulty.Start = h.Faulty("moving-pages=" + way)
		e := quiet(faulty)
		for _, r := range h.readings(t) {
			if h.skip(t, r.name) {
				continue
			}
			t.Run(way+"/"+r.name, func(t *testing.T) {
				want, ok := whole[r.name]
				if !ok {
					want = ids(t, still, r, nil)
					whole[r.name] = want
				}
				var kind backends.ErrorKind
				got := ids(t, e, r, &kind)
				seen := map[string]bool{}
				for _, id := range got {
					if seen[id] {
						t.Errorf("%s comes twice", id)
					}
					seen[id] = true
				}
				if len(got) < len(want) && kind != backends.KindPartial {
					t.Errorf("%d of %d records, and no error that says so (kind %v)", len(got), len(want), kind)
				}
			})
		}
	}
}

// ids reads a list; kind takes the kind of its error, nil expects none.
func ids(t *testing.T, e *env, r reading, kind *backends.ErrorKind) []string {
	t.Helper()
	q := e.window()
	l, err := r.open(t.Context(), e.driver, q)
	if backends.KindOf(err) == backends.KindInvalid || backends.KindOf(err) == backends.KindUnsupported {
		t.Skip("needs a filter: ", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for rec, err := range l.Seq {
		switch {
		case err != nil && kind == nil:
			t.Fatal(err)
		case err != nil:
			*kind = backends.KindOf(err)
			return out
		}
		out = append(out, key(rec))
	}
	return out
}
