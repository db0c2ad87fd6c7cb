package hunt

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/model"
	"github.com/edrctl/edrctl/internal/ops"
)

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
		wg.Go(func() { perSource[i] = r.runProfile(ctx, s, units[i], &sum.Profiles[i]) })
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

// runProfile runs the units of one profile, one after the other. Hits of a unit
// count when all of the unit is done; with a checkpoint they are on disk then.
func (r *run) runProfile(ctx context.Context, s *ops.Source, units []unit, out *SourceSummary) map[string]*model.Hit {
	all := map[string]*model.Hit{}
	for _, u := range units {
		saved, done := r.Checkpoint.done(u.name)
		hits := saved.Hits
		if done {
			for _, h := range hits {
				if all[h.Key()] == nil {
					r.reportHit(s, h)
				}
			}
		} else {
			if ctx.Err() != nil {
				out.Err = cmp.Or(out.Err, ctx.Err())
				return all
			}
			var err error
			hits, err = r.runUnit(ctx, s, u, all)
			if k := backends.KindOf(err); err != nil && u.kind != "" && (k == backends.KindUnsupported || k == backends.KindInvalid) {
				// The server cannot search these values; it can search the others.
				r.skipUnit(out, u, err)
				continue
			}
			if err != nil {
				out.Err = err
				// What was found before the failure is shown, and the failure
				// says that there may be more.
				r.addHits(s, all, hits)
				return all
			}
			if err := r.Checkpoint.record(checkpointUnit{Unit: u.name, Hits: hits}); err != nil {
				out.Err = err
				return all
			}
		}
		r.addHits(s, all, hits)
		r.unitDone()
	}
	return all
}

// runUnit runs one unit and gives its hits, joined and in the order of their
// keys; with an error, those found before it. known are the profile's hits of
// former units.
func (r *run) runUnit(ctx context.Context, s *ops.Source, u unit, known map[string]*model.Hit) ([]*model.Hit, error) {
	found := map[string]*model.Hit{}
	err := u.run(ctx, func(h *model.Hit) {
		if k := h.Key(); found[k] == nil && known[k] == nil {
			r.reportHit(s, h)
		}
		join(found, h)
	})
	var hits []*model.Hit
	for _, k := range slices.Sorted(maps.Keys(found)) {
		hits = append(hits, found[k])
	}
	return hits, err
}

// skipUnit notes that the indicators of a unit cannot be searched.
func (r *run) skipUnit(out *SourceSummary, u unit, err error) {
	r.unitDone()
	r.mu.Lock()
	defer r.mu.Unlock()
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
