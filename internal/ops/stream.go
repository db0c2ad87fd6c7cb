package ops

import (
	"cmp"
	"container/heap"
	"context"
	"iter"
	"slices"
	"sync"
	"time"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/model"
)

// Request is what a list command asks of every selected profile.
type Request struct {
	backends.Query
	// Sort is a SortKey's name with an optional leading "-" or "+"; "" keeps
	// the order of the type (newest first; hosts, rules and reports by name).
	Sort string
	// Now is the present of the request: without an Until, hosts whose records
	// are stamped later are named in the outcomes. Zero names none.
	Now time.Time
	// DefaultLimit tells that the user gave no limit: what it cuts is reported.
	DefaultLimit bool
	// DefaultSince tells that the user gave no beginning: an archive is asked
	// for all it has.
	DefaultSince bool
	// Explain receives every profile's plan before its first record.
	Explain func(profile string, p backends.Plan)
}

// Stream is one merged answer. Records must be iterated (once) before
// Outcomes and Cut mean anything.
type Stream[T model.Record] struct {
	seq      iter.Seq[T]
	outcomes []Outcome
	cut      bool
	unseen   hostNames
}

// Records gives the merged records in order. It ends early when ctx does.
func (s *Stream[T]) Records() iter.Seq[T] { return s.seq }

// Outcomes tells how every profile did, in the order of the profiles.
func (s *Stream[T]) Outcomes() []Outcome { return s.outcomes }

// Cut tells whether the limit left records out.
func (s *Stream[T]) Cut() bool { return s.cut }

// buffered is how far one profile may run ahead of the merge.
const buffered = 256

// opener asks one driver for its listing.
type opener[T model.Record] func(ctx context.Context, s *Source, q backends.Query) (backends.Listing[T], error)

// list asks every source at once and merges what they answer: the residual
// filter is applied in each source's own goroutine, records come out in
// order, and a source that fails ends with its error while the others go on.
func list[T model.Record](ctx context.Context, f *Fleet, req Request, ordered bool, open opener[T]) *Stream[T] {
	out := &Stream[T]{outcomes: make([]Outcome, len(f.Sources))}
	for i, s := range f.Sources {
		out.outcomes[i] = Outcome{Profile: s.Profile, Backend: s.Backend}
	}
	profiles := f.names()
	out.unseen = unseenHosts(req.Filter)
	compare, custom := comparer(req.Sort)
	out.seq = func(yield func(T) bool) {
		outer := ctx
		ctx, stop := context.WithCancel(outer)
		var wg sync.WaitGroup
		defer wg.Wait()
		defer stop()

		feeds := make([]chan T, len(f.Sources))
		var explain sync.Mutex
		for i, s := range f.Sources {
			feeds[i] = make(chan T, buffered)
			wg.Go(func() {
				defer close(feeds[i])
				o := &out.outcomes[i]
				start := time.Now()
				o.Err = feed(ctx, s, profiles, req, ordered && !custom, o, &explain, open, feeds[i])
				o.Elapsed = time.Since(start)
				if ctx.Err() != nil && outer.Err() == nil {
					o.Err = nil // nobody wanted more: the end of a limit is not a failure
				}
			})
		}
		var records iter.Seq[T]
		if ordered && !custom {
			records = merge(ctx, feeds)
		} else {
			keep := 0
			if req.Limit > 0 {
				keep = req.Limit + 1
			}
			records = collect(ctx, feeds, compare, keep)
		}
		n := 0
		for r := range records {
			if req.Limit > 0 && n == req.Limit {
				out.cut = true
				return
			}
			n++
			out.unseen.see(r)
			if !yield(r) {
				return
			}
		}
	}
	return out
}

// feed pulls one source's records, filters and stamps them, and sorts them
// when the merge needs an order that the source does not have.
func feed[T model.Record](ctx context.Context, s *Source, profiles []string, req Request, ordered bool, o *Outcome, explain *sync.Mutex, open opener[T], to chan<- T) error {
	q, any := s.own(req.Query, profiles)
	if !any {
		o.Plan.Notes = []string{"no record of this profile can match: nothing is asked"}
		if req.Explain != nil {
			explain.Lock()
			req.Explain(s.Profile, o.Plan)
			explain.Unlock()
		}
		return nil
	}
	if b, err := backends.Lookup(s.Backend); req.DefaultSince && err == nil && b.Archive {
		q.Since = time.Time{}
	}
	q.AnyOrder = q.AnyOrder || !ordered
	listing, err := open(ctx, s, q)
	if err != nil {
		return err
	}
	o.Plan = listing.Plan
	if req.Explain != nil {
		explain.Lock()
		req.Explain(s.Profile, listing.Plan)
		explain.Unlock()
	}
	records := matching(s, listing)
	if !q.AnyOrder && listing.Settled != nil {
		records = newestFirst(records, req.Limit, listing.Settled)
	}
	began := time.Now()
	for r, err := range records {
		if err != nil {
			return err
		}
		if !req.Now.IsZero() && req.Until.IsZero() {
			o.NoteAhead(r, req.Now.Add(time.Since(began)))
		}
		select {
		case to <- r:
			o.Count++
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return ctx.Err()
}

// matching gives the records of a listing that pass its residual, stamped.
func matching[T model.Record](s *Source, l backends.Listing[T]) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		residual := l.Plan.Residual
		all, early := residual.Empty(), residual.NeedsRef()
		for r, err := range l.Seq {
			if err != nil {
				yield(r, err)
				return
			}
			if early {
				s.StampRecord(r)
			}
			if !all && !residual.Match(r) {
				continue
			}
			s.StampRecord(r)
			if !yield(r, nil) {
				return
			}
		}
	}
}

// merge gives the records of feeds that are each newest first as one
// sequence, newest first; equal times keep the order of the profiles.
func merge[T model.Record](ctx context.Context, feeds []chan T) iter.Seq[T] {
	return func(yield func(T) bool) {
		h := make(heads[T], 0, len(feeds))
		pull := func(i int) (T, bool) {
			select {
			case r, ok := <-feeds[i]:
				return r, ok
			case <-ctx.Done():
				var zero T
				return zero, false
			}
		}
		for i := range feeds {
			if r, ok := pull(i); ok {
				h = append(h, head[T]{r, model.TimeOf(r), i})
			}
		}
		heap.Init(&h)
		for len(h) > 0 && ctx.Err() == nil {
			top := h[0]
			if !yield(top.record) {
				return
			}
			if r, ok := pull(top.feed); ok {
				h[0] = head[T]{r, model.TimeOf(r), top.feed}
				heap.Fix(&h, 0)
			} else {
				heap.Pop(&h)
			}
		}
	}
}

type head[T any] struct {
	record T
	time   model.Time
	feed   int
}

type heads[T any] []head[T]

func (h heads[T]) Len() int { return len(h) }
func (h heads[T]) Less(i, j int) bool {
	if c := h[i].time.Compare(h[j].time.Time); c != 0 {
		return c > 0
	}
	return h[i].feed < h[j].feed
}
func (h heads[T]) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *heads[T]) Push(x any)   { *h = append(*h, x.(head[T])) }
func (h *heads[T]) Pop() any {
	old := *h
	x := old[len(old)-1]
	*h = old[:len(old)-1]
	return x
}

// collect reads everything and sorts it; with keep > 0 only the first keep
// records are held.
func collect[T model.Record](ctx context.Context, feeds []chan T, compare func(a, b model.Record) int, keep int) iter.Seq[T] {
	return func(yield func(T) bool) {
		var mu sync.Mutex
		var all []T
		by := func(a, b T) int { return compare(a, b) }
		trim := func() {
			slices.SortStableFunc(all, by)
			if keep > 0 && len(all) > keep {
				clear(all[keep:])
				all = all[:keep]
			}
		}
		var wg sync.WaitGroup
		for _, f := range feeds {
			wg.Go(func() {
				for r := range f {
					mu.Lock()
					all = append(all, r)
					if keep > 0 && len(all) >= 4*keep+1024 {
						trim()
					}
					mu.Unlock()
				}
			})
		}
		wg.Wait()
		trim()
		for _, r := range all {
			if ctx.Err() != nil || !yield(r) {
				return
			}
		}
	}
}

// byTimeThenRef orders newest first and makes ties stable between runs.
func byTimeThenRef(a, b model.Record) int {
	if c := model.TimeOf(b).Compare(model.TimeOf(a).Time); c != 0 {
		return c
	}
	return cmp.Compare(a.GetOrigin().Ref, b.GetOrigin().Ref)
}
