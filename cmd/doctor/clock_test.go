package doctor

import (
	"testing"
	"time"

	"github.com/edrctl/edrctl/internal/backends"
)

func TestClockIsOff(t *testing.T) {
	for _, tc := range []struct {
		off, trip time.Duration
		known     bool
		want      bool
	}{
		{0, 0, true, false},
		{5 * time.Second, 0, true, false},
		{6 * time.Second, 100 * time.Millisecond, true, true},
		{-6 * time.Second, 100 * time.Millisecond, true, true},
		{-6 * time.Second, 11 * time.Second, true, true},
		{-6 * time.Second, 13 * time.Second, true, false}, // a slow first answer explains it
		{6 * time.Second, 13 * time.Second, true, false},
		{time.Hour, 13 * time.Second, true, true},
		{time.Hour, 0, false, false},
	} {
		h := backends.Health{ClockOffset: tc.off, RoundTrip: tc.trip, HasClock: tc.known}
		if got := clockIsOff(h); got != tc.want {
			t.Errorf("%v off after a round trip of %v (known: %v): %v, want %v", tc.off, tc.trip, tc.known, got, tc.want)
		}
	}
}
