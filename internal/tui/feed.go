package tui

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/edrctl/edrctl/internal/model"
	"github.com/edrctl/edrctl/internal/ops"
)

// pumpEvery bounds how often live data reaches the screen.
const pumpEvery = 100 * time.Millisecond

// pumpMsg is what came since the last one, in order.
type pumpMsg []any

// pump batches everything that arrives by itself. Sources put from their own
// goroutines; one command at a time waits for the next batch. Putting blocks
// while the screen is far behind, so memory stays flat.
type pump struct {
	mu    sync.Mutex
	items []any
	size  int
	room  *sync.Cond
	ready chan struct{}
	last  time.Time
	shut  bool
}

// pumpRoom is how many records may wait for the screen.
const pumpRoom = 20_000

func newPump() *pump {
	p := &pump{ready: make(chan struct{}, 1)}
	p.room = sync.NewCond(&p.mu)
	return p
}

// put adds an item that counts as n records; false when the screen has gone.
func (p *pump) put(item any, n int) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.size > pumpRoom && !p.shut {
		p.room.Wait()
	}
	if p.shut {
		return false
	}
	p.items = append(p.items, item)
	p.size += n
	select {
	case p.ready <- struct{}{}:
	default:
	}
	return true
}

func (p *pump) take() pumpMsg {
	p.mu.Lock()
	defer p.mu.Unlock()
	items := p.items
	p.items, p.size = nil, 0
	p.room.Broadcast()
	return items
}

func (p *pump) close() {
	p.mu.Lock()
	p.shut = true
	p.mu.Unlock()
	p.room.Broadcast()
}

// next waits for the next batch.
func (p *pump) next(ctx context.Context) tea.Cmd {
	return func() tea.Msg {
		select {
		case <-p.ready:
		case <-ctx.Done():
			return nil
		}
		if wait := pumpEvery - time.Since(p.last); wait > 0 {
			t := time.NewTimer(wait)
			defer t.Stop()
			select {
			case <-t.C:
			case <-ctx.Done():
				return nil
			}
		}
		p.last = time.Now()
		return p.take()
	}
}

// healthState is how a profile is doing.
type healthState uint8

const (
	healthReading healthState = iota // the first look is under way
	healthLive
	healthRefreshing
	healthStale // it answered before, and does not now
	healthError // it has not answered
	healthSaved // a replay
)

// health is the line of one profile.
type health struct {
	state healthState
	since time.Time // of the last good answer, for stale
	err   error
}

// text is what the header says of a profile.
func (h health) text(now time.Time) string {
	switch h.state {
	case healthReading:
		return "reading"
	case healthLive:
		return "live"
	case healthRefreshing:
		return "refreshing"
	case healthStale:
		return "stale " + age(now.Sub(h.since))
	case healthSaved:
		return "saved"
	}
	if ops.NeedsLogin(h.err) {
		return "login"
	}
	if ops.Unable(h.err) {
		return "unable"
	}
	return "error"
}

// age is a duration in one unit.
func age(d time.Duration) string {
	switch {
	case d < 0:
		return "0 s"
	case d < 90*time.Second:
		return fmt.Sprintf("%d s", int(d/time.Second))
	case d < 90*time.Minute:
		return fmt.Sprintf("%d min", int(d/time.Minute))
	case d < 36*time.Hour:
		return fmt.Sprintf("%d h", int(d/time.Hour))
	}
	return fmt.Sprintf("%d d", int(d/(24*time.Hour)))
}

// What feeders put into the pump.
type (
	alertsIn struct {
		alerts []*model.Alert
		fresh  bool
		again  bool // this feeder has given what the window holds before
		gen    int
	}
	healthIn struct {
		profile string
		health  health
		gen     int
	}
)

const (
	feedBatch   = 256
	retryFirst  = time.Second
	retryAtMost = 30 * time.Second
)

// feeder keeps one profile's alerts coming: first what the window holds, then
// what is new, for ever; what fails is reported and retried.
type feeder struct {
	svc     Service
	profile string
	pump    *pump
	window  time.Duration
	every   time.Duration
	now     func() time.Time
	gen     int
	good    atomic.Int64 // when it last answered, in nanoseconds; 0 = never
	listed  bool         // the window has been read through once
}

func (f *feeder) report(state healthState, err error) {
	f.pump.put(healthIn{f.profile, health{state, time.Unix(0, f.good.Load()), err}, f.gen}, 1)
}

func (f *feeder) answered() { f.good.Store(f.now().UnixNano()) }

func (f *feeder) never() bool { return f.good.Load() == 0 }

func (f *feeder) run(ctx context.Context) {
	defer func() {
		if p := recover(); p != nil {
			f.report(healthError, fmt.Errorf("reading stopped: %v", p))
		}
	}()
	wait := retryFirst
	for ctx.Err() == nil {
		err := f.once(ctx)
		if ctx.Err() != nil {
			return
		}
		state := healthError
		if !f.never() {
			state = healthStale
		}
		f.report(state, err)
		if ops.Hopeless(err) {
			return // until the user asks for a refresh
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
		}
		wait = min(2*wait, retryAtMost)
		if state == healthStale {
			wait = retryFirst
		}
	}
}

// once reads the window, then follows; it returns when that breaks.
func (f *feeder) once(ctx context.Context) error {
	if f.never() {
		f.report(healthReading, nil)
	} else {
		f.report(healthRefreshing, nil)
	}
	started := f.now()
	var req ops.Request
	req.Since = started.Add(-f.window)
	var batch []*model.Alert
	flush := func(fresh bool) bool {
		if len(batch) == 0 {
			return true
		}
		b := batch
		batch = nil
		return f.pump.put(alertsIn{b, fresh, f.listed && !fresh, f.gen}, len(b))
	}
	began := time.Now()
	err := f.svc.ListAlerts(ctx, f.profile, req, func(a *model.Alert) bool {
		batch = append(batch, a)
		if len(batch) >= feedBatch || time.Since(began) > pumpEvery {
			began = time.Now()
			return flush(false)
		}
		return true
	})
	flush(false)
	if err != nil {
		return err
	}
	f.listed = true
	f.answered()
	f.report(healthLive, nil)

	var w ops.Watch
	w.Since = started.Add(-time.Minute)
	w.Interval, w.Now = f.every, f.now
	w.Trouble = func(_ string, err error) {
		if err == nil {
			f.answered()
			f.report(healthLive, nil)
			return
		}
		f.report(healthStale, err)
	}
	// A burst is put together for a moment; a lone alert passes at once.
	in := make(chan *model.Alert, feedBatch)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for a := range in {
			batch = append(batch, a)
			for more := true; more && len(batch) < feedBatch; {
				select {
				case b, ok := <-in:
					if !ok {
						more = false
						break
					}
					batch = append(batch, b)
				default:
					more = false
				}
			}
			f.answered()
			if !flush(true) {
				for range in { // nobody looks any more: let the watcher end
				}
				return
			}
		}
	}()
	err = f.svc.WatchAlerts(ctx, f.profile, w, func(a *model.Alert) bool {
		select {
		case in <- a:
			return true
		case <-ctx.Done():
			return false
		}
	})
	close(in)
	<-done
	return err
}
