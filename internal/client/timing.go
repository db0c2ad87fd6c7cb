package client

import (
	"net/http"
	"sync/atomic"
	"time"
)

// Timing is when the header of an answer arrived and how long after the
// request was written: what the answer's Date can be compared with. How long
// the body took, or the connection before, does not count.
type Timing struct {
	Arrived   time.Time
	RoundTrip time.Duration
}

// ClockOffset is how far the server's clock is ahead of this machine's, by
// the Date of the answer's header. It may be wrong by half the round trip. It
// is not known when a cache answered, whose Date is the age of its copy.
func (t Timing) ClockOffset(h http.Header) (offset time.Duration, ok bool) {
	date, err := http.ParseTime(h.Get("Date"))
	if err != nil || t.Arrived.IsZero() || h.Get("Age") != "" {
		return 0, false
	}
	// Date is cut to the second: its middle is the best guess.
	return date.Add(time.Second / 2).Sub(t.Arrived), true
}

// stopwatch times one try of a call.
type stopwatch struct{ written atomic.Pointer[time.Time] }

func (s *stopwatch) wrote() {
	now := time.Now()
	s.written.Store(&now)
}

// stop gives the timing of an answer whose header arrived now, to a request
// that began at began if nobody saw it being written.
func (s *stopwatch) stop(began time.Time) Timing {
	now := time.Now()
	if w := s.written.Load(); w != nil && w.After(began) {
		began = *w
	}
	return Timing{now, now.Sub(began)}
}
