package client

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const maxTries = 4

// A server that asks for more than this is reported to the user instead.
const maxWait = 2 * time.Minute

// A connection that broke after this long broke because the server gave the
// request up (the Gene manager does after 15 s): asking the same again meets
// the same limit.
const hopeless = 10 * time.Second

// backoff is exponential with full jitter.
type backoff struct {
	base, cap time.Duration
	rand      func() float64
}

var defaultBackoff = backoff{base: 300 * time.Millisecond, cap: 10 * time.Second, rand: rand.Float64}

// delay is a random time between 0 and base·2^(try-1), at most cap.
func (b backoff) delay(try int) time.Duration {
	top := b.base << min(max(try-1, 0), 16)
	if top > b.cap || top <= 0 {
		top = b.cap
	}
	return time.Duration(b.rand() * float64(top))
}

func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// retryAfter tells whether a failed try is worth another, and after how long.
// Actions never are.
func (c *Client) retryAfter(err error, acts bool, try int, took time.Duration) (time.Duration, bool) {
	if acts || try >= maxTries {
		return 0, false
	}
	wait := c.backoff.delay(try)
	var se *StatusError
	if errors.As(err, &se) {
		switch se.Code {
		case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		default:
			return 0, false
		}
		if se.RetryAfter > maxWait {
			return 0, false
		}
		// Jitter on top, so that all who were turned away do not come back at once.
		if se.RetryAfter > 0 {
			wait = se.RetryAfter + wait/4
		}
		return wait, true
	}
	var te *TransportError
	if !errors.As(err, &te) || took >= hopeless {
		return 0, false
	}
	var dns *net.DNSError
	var adv *advice
	switch {
	case errors.Is(te, context.Canceled), errors.Is(te, context.DeadlineExceeded), errors.As(te, &adv):
		return 0, false
	case errors.As(te, &dns):
		return wait, dns.IsTemporary && !dns.IsNotFound
	case isTimeout(te):
		return 0, false
	}
	var op *net.OpError
	if errors.Is(te, io.EOF) || errors.Is(te, io.ErrUnexpectedEOF) || errors.As(te, &op) || errors.Is(te, syscall.ECONNRESET) || strings.Contains(te.Error(), "closed the connection") {
		return wait, true
	}
	return 0, false
}

func retryAfterOf(h http.Header, now time.Time) time.Duration {
	return ParseRetryAfter(h.Get("Retry-After"), now)
}

// ParseRetryAfter reads a Retry-After value, seconds or an HTTP date, as the
// time to wait from now: 0 when there is none, it is past or makes no sense;
// at most 24 hours.
func ParseRetryAfter(v string, now time.Time) time.Duration {
	const most = 24 * time.Hour
	v = strings.TrimSpace(v)
	if v == "" {
		return 0
	}
	if n, err := strconv.ParseFloat(v, 64); err == nil {
		switch {
		case !(n > 0): // also NaN
			return 0
		case n >= most.Seconds():
			return most
		}
		return time.Duration(n * float64(time.Second))
	}
	t, err := http.ParseTime(v)
	if err != nil {
		return 0
	}
	return min(max(t.Sub(now), 0), most)
}
