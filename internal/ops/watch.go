package ops

import (
	"context"
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
	Now      func() time.Time
	// Trouble is told when a profile stops answering, and with a nil error
	// when it does again. It is called from several goroutines, one at a time.
	Trouble func(profile string, err error)
}

// Records that reach the server late carry an older time than what was seen
// before them; each poll looks back this far again.
const lookBehind = 2 * time.Minute

// backOff bounds between two tries of a profile that fails.
const (
	backOffMin = time.Second
	backOffMax = 30 * time.Second
)

// WatchAlerts yields the alerts of the window, oldest first, then every new
// one as it arrives, each once, until ctx ends or yield returns false.
func (f *Fleet) WatchAlerts(ctx context.Context, w Watch, yield func(*model.Alert) bool) error {
	return watch(ctx, f, w, yield,
		func(ctx context.Context, one *Fleet, req Request) *Stream[*model.Alert] { return one.Alerts(ctx, req) },
		func(ctx context.Context, s *Source, q backends.Query) (backends.Listing[*model.Alert], error) {
			d, err := capability[backends.AlertWatcher](s, "cannot push alerts")
			if err != nil {
				return backends.Listing[*model.Alert]{}, err
			}
			return d.WatchAlerts(ctx, q)
		})
}

// WatchEvents is WatchAlerts for events.
func (f *Fleet) WatchEvents(ctx context.Context, w Watch, yield func(*model.Event) bool) error {
	return watch(ctx, f, w, yield,
		func(ctx context.Context, one *Fleet, req Request) *Stream[*model.Event] { return one.Events(ctx, req) },
		func(ctx context.Context, s *Source, q backends.Query) (backends.Listing[*model.Event], error) {
			d, err := capability[backends.EventWatcher](s, "cannot push events")
			if err != nil {
				return backends.Listing[*model.Event]{}, err
			}
			return d.WatchEvents(ctx, q)
		})
}

func watch[T model.Record](ctx context.Context, f *Fleet, w Watch, yield func(T) bool,
	read func(context.Context, *Fleet, Request) *Stream[T], push opener[T]) error {
	if w.Interval <= 0 {
		w.Interval = 5 * time.Second
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
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
	followers := make([]*follower[T], len(f.Sources))
	for i, s := range f.Sources {
		followers[i] = &follower[T]{source: s, watch: w, read: read, push: push, trouble: trouble, seen: newSeen(), to: fresh}
	}
	first := read(ctx, f, w.Request)
	var backlog []T
	for r := range first.Records() {
		backlog = append(backlog, r)
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	slices.Reverse(backlog)
	for _, r := range backlog {
		for _, fo := range followers {
			if fo.source.Profile == r.GetOrigin().Profile {
				fo.note(r)
			}
		}
		if !yield(r) {
			return nil
		}
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
	for {
		select {
		case r := <-fresh:
			if !yield(r) {
				return nil
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
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
	latest    time.Time
	failing   bool
	streaming bool
}

// safetyPoll is how often a profile whose stream is open is polled all the same.
const safetyPoll = 30 * time.Second

func (f *follower[T]) note(r T) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	t := model.TimeOf(r)
	if t.After(f.latest) {
		f.latest = t.Time
	}
	return f.seen.add(r.GetOrigin().ID, t.Time)
}

func (f *follower[T]) offer(ctx context.Context, r T) bool {
	if !f.note(r) {
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
	for {
		select {
		case <-time.After(pause):
		case <-poke:
		case <-ctx.Done():
			return
		}
		err := f.poll(ctx)
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
			pause = max(pause, safetyPoll)
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
func (f *follower[T]) poll(ctx context.Context) error {
	req := f.watch.Request
	req.Until, req.Limit, req.Explain = f.watch.Now(), 0, nil
	f.mu.Lock()
	if !f.latest.IsZero() && f.latest.Add(-lookBehind).After(req.Since) {
		req.Since = f.latest.Add(-lookBehind)
	}
	f.mu.Unlock()
	st := f.read(ctx, &Fleet{Sources: []*Source{f.source}}, req)
	var fresh []T
	for r := range st.Records() {
		fresh = append(fresh, r)
	}
	slices.Reverse(fresh)
	for _, r := range fresh {
		if !f.offer(ctx, r) {
			return ctx.Err()
		}
	}
	f.mu.Lock()
	f.seen.forget(f.latest.Add(-2 * lookBehind))
	f.mu.Unlock()
	return st.Outcomes()[0].Err
}

// follow keeps the pushed stream open, where there is one.
func (f *follower[T]) follow(ctx context.Context, poke chan<- struct{}) {
	wait := backOffMin
	for ctx.Err() == nil {
		listing, err := f.push(ctx, f.source, f.watch.Query)
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
		f.source.stampRecord(r)
		if !f.offer(ctx, r) {
			return ctx.Err()
		}
	}
	return ctx.Err()
}

// seen remembers the ids of a sliding window of time.
type seen struct{ ids map[string]time.Time }

func newSeen() *seen { return &seen{ids: map[string]time.Time{}} }

func (s *seen) add(id string, t time.Time) bool {
	if _, dup := s.ids[id]; dup {
		return false
	}
	s.ids[id] = t
	return true
}

func (s *seen) forget(before time.Time) {
	for id, t := range s.ids {
		if t.Before(before) {
			delete(s.ids, id)
		}
	}
}
