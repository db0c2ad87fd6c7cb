//go:build unix

package tui_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/edrctl/edrctl/internal/tui/tuitest"
)

// keyToFrame presses a key n times and gives the slowest of a hundred; the
// middle one where other tests share the machine (EDRCTL_SOAK is not set).
func keyToFrame(t *testing.T, d *tuitest.Driver, n int, keys ...string) time.Duration {
	t.Helper()
	if soak(t) == 0 {
		n = max(6, n/4) // the middle one needs no more
	}
	took := make([]time.Duration, n)
	for i := range took {
		key := tuitest.Key(keys[i%len(keys)])
		began := time.Now()
		d.App.Update(key)
		d.App.View()
		took[i] = time.Since(began)
	}
	slices.Sort(took)
	if soak(t) == 0 {
		return took[n/2]
	}
	return took[n*99/100]
}

// TestKeysAnswer holds every kind of key to a frame: 16 ms with 10,000 alerts,
// 33 ms with 100,000.
func TestKeysAnswer(t *testing.T) {
	sizes := map[int]time.Duration{10_000: 16 * time.Millisecond, 100_000: 33 * time.Millisecond}
	if raced {
		sizes = map[int]time.Duration{2_000: 0}
	}
	for n, budget := range sizes {
		t.Run(fmt.Sprint(n, " alerts"), func(t *testing.T) {
			f := tuitest.Shift()
			f.AlertList = tuitest.Burst(n)
			d := tuitest.Start(t, f, 160, 50, nil).See(fmt.Sprint(n, " alerts"))
			for _, x := range []struct {
				what  string
				times int
				keys  []string
			}{
				{"one line", 300, []string{"j", "j", "k"}},
				{"a page, the ends", 100, []string{"pgdown", "G", "pgup", "g", "ctrl+d"}},
				{"marks", 100, []string{"space", "j", "V"}},
				{"all marked, none", 10, []string{"ctrl+a"}},
				{"another order", 10, []string{">", "R"}},
				{"a filter by severity", 10, []string{"1", "0"}},
				{"the preview", 20, []string{"P", "p", "{", "}"}},
			} {
				within(t, x.what, keyToFrame(t, d, x.times, x.keys...), budget)
				d.WaitIdle()
			}
			// What a key starts comes back as a message, which must not hold
			// the next key up either.
			for _, key := range []string{"z", "z", "z", "z"} {
				d.Press(key)
			}
			began := time.Now()
			d.Press("/").Type("host~WS-0001").Press("enter").WaitIdle().See(" alerts").WaitIdle()
			t.Logf("a filter typed, start to end: %v", time.Since(began).Round(time.Millisecond))
		})
	}
}

// TestTreeAnswers: a tree of 100,000 processes opens in 100 ms, and a key moves
// in it in 16 ms.
func TestTreeAnswers(t *testing.T) {
	n := 100_000
	if raced {
		n = 5_000
	}
	f := tuitest.Shift()
	f.TreeResult = bigTree(n)
	d := tuitest.Start(t, f, 160, 50, nil)
	began := time.Now()
	d.Press("t").See(fmt.Sprint(n, " processes"))
	within(t, "opening", time.Since(began), 100*time.Millisecond)
	within(t, "a key", keyToFrame(t, d, 300, "j", "j", "j", "ctrl+d", "k", "ctrl+u"), 16*time.Millisecond)
	within(t, "closed and opened at the root", keyToFrame(t, d, 10, "g", "space"), 33*time.Millisecond)
}
