package client_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/edrctl/edrctl/internal/client"
)

// The header's arrival is what is timed: not the body, however long it takes.
func TestTimingIsOfTheHeader(t *testing.T) {
	const think = 50 * time.Millisecond
	release := make(chan struct{})
	srv := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		time.Sleep(think) // the server's own time counts as the round trip
		w.(http.Flusher).Flush()
		<-release
		_, _ = w.Write([]byte("[]"))
	})
	c := newClient(t, srv.URL, nil)
	s, err := c.Open(t.Context(), client.Call{Path: "/"})
	if err != nil {
		t.Fatal(err)
	}
	header := time.Now()
	defer s.Body.Close()
	close(release)
	if s.Arrived.After(header) || s.Arrived.IsZero() || s.RoundTrip < think/2 {
		t.Errorf("arrived %v before the header was there, after a round trip of %v", header.Sub(s.Arrived), s.RoundTrip)
	}
	reply, err := c.Do(t.Context(), client.Call{Path: "/"})
	if err != nil {
		t.Fatal(err)
	}
	if reply.Arrived.After(time.Now()) || reply.RoundTrip < think/2 || reply.RoundTrip > reply.Elapsed {
		t.Errorf("a reply: %+v in %v", reply.Timing, reply.Elapsed)
	}
}

func TestClockOffset(t *testing.T) {
	arrived := time.Date(2026, 11, 22, 12, 0, 30, 0, time.UTC)
	for _, tc := range []struct {
		date, age string
		want      time.Duration
		ok        bool
	}{
		{"Sun, 22 Nov 2026 12:00:30 GMT", "", time.Second / 2, true},
		{"Sun, 22 Nov 2026 12:00:00 GMT", "", -29500 * time.Millisecond, true},
		{"Sun, 22 Nov 2026 13:00:29 GMT", "", time.Hour - time.Second/2, true},
		{"Sun, 22 Nov 2026 11:00:00 GMT", "3600", 0, false}, // the copy of a cache
		{"", "", 0, false},
		{"yesterday", "", 0, false},
	} {
		h := http.Header{}
		h.Set("Date", tc.date)
		if tc.age != "" {
			h.Set("Age", tc.age)
		}
		if got, ok := (client.Timing{Arrived: arrived}).ClockOffset(h); got != tc.want || ok != tc.ok {
			t.Errorf("%q: %v %v, want %v %v", tc.date, got, ok, tc.want, tc.ok)
		}
	}
	if _, ok := (client.Timing{}).ClockOffset(http.Header{"Date": {"Sun, 22 Nov 2026 12:00:30 GMT"}}); ok {
		t.Error("an answer that never arrived tells the time")
	}
}
