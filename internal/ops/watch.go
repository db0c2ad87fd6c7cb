package ops

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/model"
)

// Watch is how a list is followed.
type Watch struct {
	Request
	Interval time.Duration // between two polls where the backend does not push; default 5 s
	// LookBack is how far back the records are read again, at a slower pace, for
	// those that reach a server late; default 24 h for alerts, 1 h for events.
	LookBack time.Duration
	// LookBackInterval is how often it is read; default 25 s: a late record shows within 30 s.
	LookBackInterval time.Duration
	// Saved is what Save was given last: the watch continues there. Save is
	// called when records were yielded, never before them; nil keeps nothing.
	Saved []byte
	Save  func(state []byte) error
	Now   func() time.Time
	// Trouble is called when a profile stops answering, and with a nil error
	// when it does again. It is called from several goroutines, one at a time.
	Trouble func(profile string, err error)
}

// Each poll looks back this far again; what comes later than that is found by
// reading the whole look-back, at its own pace: a late record shows within 30 s.
const (
	pollOverlap             = 2 * time.Minute
	defaultLookBackInterval = 25 * time.Second
	maxLookBackRecords      = 200_000 // records of one look-back
)

// backOff bounds between two tries of a profile that fails.
const (
	backOffMin = time.Second
	backOffMax = 30 * time.Second
)

// WatchAlerts yields the alerts of the window, oldest first, then every new
// one as it arrives, each once, until ctx ends or yield returns false.
func (f *Fleet) WatchAlerts(ctx context.Context, w Watch, yield func(*model.Alert) bool) error {
	w.LookBack = cmp.Or(w.LookBack, 24*time.Hour)
	return watch(ctx, f, w, "alerts", yield,
		func(ctx context.Context, one *Fleet, req Request) *Stream[*model.Alert] { return one.Alerts(ctx, req) },
		func(ctx context.Context, s *Source, q backends.Query) (backends.Listing[*model.Alert], error) {
			d, err := Capability[backends.AlertWatcher](s, "cannot push alerts")
			if err != nil {
				return backends.Listing[*model.Alert]{}, err
			}
			return d.WatchAlerts(ctx, q)
		})
}

// WatchEvents is WatchAlerts for events.
func (f *Fleet) WatchEvents(ctx context.Context, w Watch, yield func(*model.Event) bool) error {
	w.LookBack = cmp.Or(w.LookBack, time.Hour)
	return watch(ctx, f, w, "events", yield,
		func(ctx context.Context, one *Fleet, req Request) *Stream[*model.Event] { return one.Events(ctx, req) },
		func(ctx context.Context, s *Source, q backends.Query) (backends.Listing[*model.Event], error) {
			d, err := Capability[backends.EventWatcher](s, "cannot push events")
			if err != nil {
				return backends.Listing[*model.Event]{}, err
			}
			return d.WatchEvents(ctx, q)
		})
}

func watch[T model.Record](ctx context.Context, f *Fleet, w Watch, kind string, yield func(T) bool,
	read func(context.Context, *Fleet, Request) *Stream[T], push opener[T]) error {
	if w.Interval <= 0 {
		w.Interval = 5 * time.Second
	}
	if w.LookBackInterval <= 0 {
		w.LookBackInterval = defaultLookBackInterval
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	saved, err := readWatchState(w.Saved, kind)
	if err != nil {
		return err
	}
	fresh := make(chan T)
	var wg sync.WaitGroup
	var mu sync.Mutex
	trouble := func(profile string, err error) {
		mu.Lock()
		defer mu.Unlock()
		if w.Trouble != nil {
			w.Trouble(profile, err)
		}
	}

	// What is there already comes first, merged over all profiles.
	// The look-back is read with it, so that what is there before the start is known.
	followers := make([]*follower[T], len(f.Sources))
	of := map[string]*follower[T]{}
	started := w.Now()
	req := w.Request
	req.Follow = true
	for i, s := range f.Sources {
		fo := &follower[T]{source: s, watch: w, read: read, push: push, trouble: trouble, seen: newSeenSet(), pending: map[uint64]bool{}, to: fresh, shown: w.Since}
		fo.resume(saved[s.Profile])
		fo.arrivals = arrivalsOf(ctx, s, kind, saved[s.Profile].After, started)
		followers[i], of[s.Profile] = fo, fo
		req.Since = earlier(req.Since, earlier(fo.shown, started.Add(-w.LookBack)))
	}
	states := &stateWriter{kind: kind, write: w.Save, snapshot: func() map[string]profileWatchState {
		out := map[string]profileWatchState{}
		for _, fo := range followers {
			out[fo.source.Profile] = fo.snapshot()
		}
		return out
	}}
	first := read(ctx, f, req)
	var backlog []T
	for r := range first.Records() {
		fo := of[r.GetOrigin().Profile]
		if isNew := fo.note(r, started); isNew && fo.shows(r) {
			backlog = append(backlog, r)
		} else {
			fo.delivered(r)
		}
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	slices.Reverse(backlog)
	for _, r := range backlog {
		if !yield(r) {
			return states.save()
		}
		of[r.GetOrigin().Profile].delivered(r)
	}
	alive := 0
	for i, o := range first.Outcomes() {
		// Asking again cannot help a profile that is not able or not allowed.
		switch backends.KindOf(o.Err) {
		case backends.KindUnsupported, backends.KindAuth, backends.KindForbidden, backends.KindInvalid:
			trouble(o.Profile, o.Err)
			continue
		}
		alive++
		followers[i].failing = o.Err != nil
		if o.Err == nil {
			followers[i].known, followers[i].scannedAt = true, started
		}
		if o.Err != nil {
			trouble(o.Profile, o.Err)
		}
		wg.Go(func() { followers[i].run(ctx) })
	}
	if alive == 0 {
		return &AllFailedError{first.Outcomes()}
	}
	defer wg.Wait()
	defer stop()
	if err := states.save(); err != nil {
		return err
	}
	tick := time.NewTicker(saveInterval)
	defer tick.Stop()
	for {
		select {
		case r := <-fresh:
			if !yield(r) {
				return states.save()
			}
			of[r.GetOrigin().Profile].delivered(r)
		case <-tick.C:
			if err := states.save(); err != nil {
				return err
			}
		case <-ctx.Done():
			if err := states.save(); err != nil {
				return err
			}
			return ctx.Err()
		}
	}
}

// earlier gives the earlier of two times; the zero time is the earliest.
func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// AllFailedError says that no profile answered.
type AllFailedError struct{ Outcomes []Outcome }

func (e *AllFailedError) Error() string { return "no profile answered" }

// Unwrap gives every profile's own error.
func (e *AllFailedError) Unwrap() []error {
	var errs []error
	for _, o := range e.Outcomes {
		errs = append(errs, o.Err)
	}
	return errs
}

// follower follows one profile. It polls; where the backend pushes, the
// stream brings records at once and the poll, then rarer, fills the gaps: the
// one between the last look and an opened stream, and whatever a broken
// stream missed. Both offer to the same memory of what was seen.
type follower[T model.Record] struct {
	source  *Source
	watch   Watch
	read    func(context.Context, *Fleet, Request) *Stream[T]
	push    opener[T]
	trouble func(string, error)
	to      chan<- T

	mu        sync.Mutex
	seen      *seen
	arrivals  arrivals
	pending   map[uint64]bool // offered and not yet yielded
	latest    time.Time
	shown     time.Time // what is older was there before the watch, until known
	known     bool      // the look-back was read once: all that is not seen is new
	scannedAt time.Time // when the last complete look began
	bounded   bool      // a look-back that held too much was reported
	failing   bool
	streaming bool
}

// note remembers a record and reports whether it is new. It is forgotten when
// no look-back from now on can hold it.
func (f *follower[T]) note(r T, now time.Time) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	t := model.TimeOf(r)
	if t.After(f.latest) {
		f.latest = t.Time
	}
	until := now
	if t.After(now) {
		until = t.Time
	}
	h := backends.Hash64(r.GetOrigin().ID)
	if !f.seen.add(h, until) {
		return false
	}
	f.pending[h] = true
	return true
}

// delivered says that a record was yielded, or is not to be.
func (f *follower[T]) delivered(r T) {
	f.mu.Lock()
	delete(f.pending, backends.Hash64(r.GetOrigin().ID))
	f.mu.Unlock()
}

// shows tells whether a new record is one of the watch: until the look-back
// was read once, what is older than the window was there before.
func (f *follower[T]) shows(r T) bool {
	t := model.TimeOf(r)
	return f.known || t.IsZero() || !t.Before(f.shown)
}

func (f *follower[T]) offer(ctx context.Context, r T) bool {
	if !f.note(r, f.watch.Now()) {
		return true
	}
	if !f.shows(r) {
		f.delivered(r)
		return true
	}
	select {
	case f.to <- r:
		return true
	case <-ctx.Done():
		return false
	}
}

func (f *follower[T]) run(ctx context.Context) {
	poke := make(chan struct{}, 1)
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() { f.follow(ctx, poke) })
	wait := backOffMin
	pause := f.watch.Interval
	next := time.Now().Add(f.watch.LookBackInterval)
	for {
		select {
		case <-time.After(pause):
		case <-poke:
		case <-ctx.Done():
			return
		}
		began := time.Now()
		deep := !began.Before(next) || !f.known
		err := f.poll(ctx, deep)
		if deep {
			// A server that takes long is left alone as long again.
			next = began.Add(max(f.watch.LookBackInterval, 2*time.Since(began)))
		}
		if ctx.Err() != nil {
			return
		}
		f.report(err)
		if err != nil {
			pause = wait
			wait = min(2*wait, backOffMax)
			continue
		}
		wait, pause = backOffMin, f.watch.Interval
		f.mu.Lock()
		if f.streaming {
			pause = max(pause, f.watch.LookBackInterval)
		}
		f.mu.Unlock()
	}
}

// report tells of trouble once when it begins and once when it ends.
func (f *follower[T]) report(err error) {
	f.mu.Lock()
	changed := f.failing != (err != nil)
	f.failing = err != nil
	f.mu.Unlock()
	if changed {
		f.trouble(f.source.Profile, err)
	}
}

// poll reads what came since the last look and offers it, oldest first. What
// was read before an error is good; the next poll reads the rest.
func (f *follower[T]) poll(ctx context.Context, deep bool) error {
	now := f.watch.Now()
	req := f.watch.Request
	req.Until, req.Limit, req.Explain = time.Time{}, 0, nil
	req.Follow, req.DefaultSince = true, false
	back := now.Add(-f.watch.LookBack)
	if err := f.number(ctx, deep, now); err != nil {
		return err
	}
	f.mu.Lock()
	after := int64(0)
	if f.known {
		after = f.arrivals.from()
	}
	req.After = after
	switch {
	case after > 0 && deep:
		req.Since = time.Time{}
	case !f.known:
		req.Since = earlier(f.shown, back)
	case deep:
		req.Since = back
	default: // the newest record may be stamped ahead
		req.Since = earlier(now, f.latest).Add(-pollOverlap)
		if f.latest.IsZero() || req.Since.Before(back) {
			req.Since = back
		}
	}
	f.mu.Unlock()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	st := f.read(ctx, &Fleet{Sources: []*Source{f.source}}, req)
	var fresh []T
	n, cut := 0, false
	for r := range st.Records() {
		if n++; n > maxLookBackRecords {
			cut = true
			break
		}
		f.mu.Lock()
		have := f.seen.has(backends.Hash64(r.GetOrigin().ID))
		f.mu.Unlock()
		if !have {
			fresh = append(fresh, r)
		}
	}
	if cut && !f.bounded {
		f.bounded = true
		f.trouble(f.source.Profile, &backends.Error{Kind: backends.KindPartial, What: "the look-back is cut",
			Why:  fmt.Sprintf("it holds more than %d records: what reaches the server later than the newest of them is missed", maxLookBackRecords),
			Hint: "give a shorter --look-back, or filter"})
	}
	slices.Reverse(fresh)
	for _, r := range fresh {
		if !f.offer(ctx, r) {
			return ctx.Err()
		}
	}
	err := st.Outcomes()[0].Err
	f.mu.Lock()
	defer f.mu.Unlock()
	forget := now.Add(-f.watch.LookBack - 2*pollOverlap)
	if err == nil {
		f.arrivals.again = false
	}
	if after > 0 {
		forget = earlier(forget, f.arrivals.marks[0].at.Add(-pollOverlap))
		if err == nil && deep {
			f.arrivals.expire(now)
		}
	}
	f.seen.forget(forget)
	if err == nil && (deep || f.known) {
		f.known, f.scannedAt = true, now
	}
	return err
}

// number asks where a server that numbers what arrives is, before a deep look.
func (f *follower[T]) number(ctx context.Context, deep bool, now time.Time) error {
	f.mu.Lock()
	a := f.arrivals
	a.marks = slices.Clone(a.marks)
	f.mu.Unlock()
	if a.numberer == nil || !deep {
		return nil
	}
	if err := a.advance(ctx, now); err != nil {
		return err
	}
	f.mu.Lock()
	f.arrivals = a
	f.mu.Unlock()
	return nil
}

// follow keeps the pushed stream open, where there is one.
func (f *follower[T]) follow(ctx context.Context, poke chan<- struct{}) {
	wait := backOffMin
	for ctx.Err() == nil {
		q, any := f.source.own(f.watch.Query, nil)
		if !any {
			return
		}
		listing, err := f.push(ctx, f.source, q)
		if backends.KindOf(err) == backends.KindUnsupported {
			return
		}
		if err == nil {
			began := time.Now()
			err = f.stream(ctx, listing, poke)
			if backends.KindOf(err) == backends.KindUnsupported {
				return
			}
			if time.Since(began) > backOffMax {
				wait = backOffMin
			}
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
		}
		wait = min(2*wait, backOffMax)
	}
}

func (f *follower[T]) stream(ctx context.Context, listing backends.Listing[T], poke chan<- struct{}) error {
	// One look shortly after the stream opened reads what fell between.
	look := time.AfterFunc(backOffMin, func() {
		f.mu.Lock()
		f.streaming = true
		f.mu.Unlock()
		select {
		case poke <- struct{}{}:
		default:
		}
	})
	defer func() {
		look.Stop()
		f.mu.Lock()
		f.streaming = false
		f.mu.Unlock()
	}()
	for r, err := range listing.Seq {
		if err != nil {
			return err
		}
		if !listing.Plan.Residual.Match(r) {
			continue
		}
		f.source.StampRecord(r)
		if !f.offer(ctx, r) {
			return ctx.Err()
		}
	}
	return ctx.Err()
}
