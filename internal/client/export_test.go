package client

import (
	"context"
	"sync"
	"time"
)

// Clock stands for the time that waits take; tests read what was waited.
type Clock struct {
	mu    sync.Mutex
	now   time.Time
	Waits []time.Duration
}

// FakeClock replaces a client's clock: waits end at once and are noted.
func FakeClock(c *Client) *Clock {
	k := &Clock{now: time.Now()}
	c.sleep = func(ctx context.Context, d time.Duration) error {
		k.mu.Lock()
		defer k.mu.Unlock()
		k.now = k.now.Add(d)
		k.Waits = append(k.Waits, d)
		return ctx.Err()
	}
	c.pacer.now = func() time.Time {
		k.mu.Lock()
		defer k.mu.Unlock()
		return k.now
	}
	return k
}

// SetMaxJitter makes every back-off the longest it can be.
func SetMaxJitter(c *Client) { c.backoff.rand = func() float64 { return 1 } }

var HTMLPage = htmlPage

// Dump is what the wire log and errors show of b.
func Dump(r *Redactor, b []byte, most int, cut bool) []byte { return r.dump(b, most, cut) }

// SetMaxMessageWire makes giving up a message without end quick.
func SetMaxMessageWire(n int64) (restore func()) {
	old := maxMessageWire
	maxMessageWire = n
	return func() { maxMessageWire = old }
}
