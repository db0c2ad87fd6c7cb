package client

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"
	"golang.org/x/time/rate"
)

// Pacers holds one pacer for each server of the run, so that all clients of a
// server share its pace.
type Pacers struct {
	mu sync.Mutex
	m  map[string]*pacer
}

// NewPacers makes an empty set.
func NewPacers() *Pacers { return &Pacers{m: map[string]*pacer{}} }

// slots is the weight all requests of a server may hold together. A request
// of a client that allows n at once weighs slots/n, so clients with different
// settings share one semaphore.
const slots = 1 << 20

// get finds or makes the pacer of scheme://host. The strictest rate asked for
// holds for all.
func (p *Pacers) get(key string, r Rate) (*pacer, int64) {
	if r.Concurrent <= 0 {
		r.Concurrent = defaultConcurrent
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.m[key]
	if s == nil {
		s = &pacer{key: key, lim: rate.NewLimiter(rate.Inf, 1), sem: semaphore.NewWeighted(slots), now: time.Now}
		p.m[key] = s
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if l := rate.Limit(r.PerSecond); l > 0 && l < s.lim.Limit() {
		// A new limiter, as one that was without limit has no tokens for a burst.
		s.lim = rate.NewLimiter(l, max(1, int(r.PerSecond), r.Burst))
	}
	return s, max(1, slots/int64(r.Concurrent))
}

type pacer struct {
	key string
	lim *rate.Limiter
	sem *semaphore.Weighted
	now func() time.Time

	mu    sync.Mutex
	until time.Time
}

// pause keeps every request of the server back for d.
func (p *pacer) pause(d time.Duration) {
	if d <= 0 {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if t := p.now().Add(d); t.After(p.until) {
		p.until = t
	}
}

func (p *pacer) paused() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.until.Sub(p.now())
}

// acquire waits for a turn. The returned function gives the slot back and may
// be called more than once.
func (p *pacer) acquire(ctx context.Context, weight int64, sleep func(context.Context, time.Duration) error) (func(), error) {
	if err := p.sem.Acquire(ctx, weight); err != nil {
		return nil, err
	}
	var once sync.Once
	release := func() { once.Do(func() { p.sem.Release(weight) }) }
	for {
		d := p.paused()
		if d <= 0 {
			break
		}
		if deadline, ok := ctx.Deadline(); d > maxWait || ok && time.Until(deadline) <= d {
			release()
			return nil, pausedError(d)
		}
		if err := sleep(ctx, d); err != nil {
			release()
			return nil, err
		}
	}
	p.mu.Lock()
	lim := p.lim
	p.mu.Unlock()
	if err := lim.Wait(ctx); err != nil {
		release()
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, fmt.Errorf("the server's pace of %g requests a second leaves no time for this one: %w", float64(lim.Limit()), context.DeadlineExceeded)
	}
	return release, nil
}

// pausedError stands for the 429 that asked for the pause.
type pausedError time.Duration

func (e pausedError) Error() string {
	return fmt.Sprintf("the server asked to wait %s more (%d)", time.Duration(e).Round(time.Second), http.StatusTooManyRequests)
}
