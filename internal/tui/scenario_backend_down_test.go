package tui_test

import (
	"errors"
	"testing"
	"time"

	"github.com/edrctl/edrctl/internal/tui/tuitest"
)

// A backend goes down and comes back; what is on the screen stays.
func TestBackendDownAndBack(t *testing.T) {
	d, f := start(t, 120, 30)
	waitFor(t, func() bool { return f.Watched() == 4 })
	f.Fail("cb", errors.New("connection refused"))
	d.Wait("carbon ◐").See("29 alerts", "SRV-DB-02")
	d.Pass(40 * time.Second).See("stale 40 s")
	f.Fail("cb", nil)
	d.Wait("carbon ● live").See("29 alerts")
}

// All profiles down: it opens, and shows it.
func TestAllDown(t *testing.T) {
	f := tuitest.Shift()
	f.AlertList = nil
	for _, p := range f.List {
		f.Fail(p.Name, errors.New("no route to host"))
	}
	d := tuitest.Start(t, f, 80, 24, nil)
	d.See("✗", "no profile has answered", "no route to host")
}
