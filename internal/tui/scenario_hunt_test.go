package tui_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/edrctl/edrctl/internal/tui/tuitest"
)

// Hunt from the selection: hits appear as they come, the hunt continues
// when its view is left, and the end replaces what was shown early.
func TestHuntFromSelection(t *testing.T) {
	d, f := start(t, 120, 30)
	f.HuntGate = make(chan struct{})
	d.Press("I").See("hunt ", "3f79bb7b")
	d.Send(tuitest.Key("enter"), tuitest.NoWait).Wait("1 hit")
	d.See("1 of 2 requests", "FIN-WS-014", "rundll32.exe", "X stop").Miss("build-07")
	d.Send(tuitest.Key("esc"), tuitest.NoWait).See("29 alerts")
	close(f.HuntGate)
	d.WaitIdle().See("the hunt is over: 2 hits")
	d.Go("hunts").See("2 hits").Press("j", "enter").See("1 indicator, 2 hits", "build-07")
	d.Press("enter").See("indicator").Press("esc", "esc")
	if got := strings.Join(f.Asked, "\n"); !strings.Contains(got, "hunt typed 3f79bb7b") {
		t.Fatal(got)
	}
}

// A hunt is stopped; what was found stays.
func TestHuntIsStopped(t *testing.T) {
	d, f := start(t, 120, 30)
	f.HuntGate = make(chan struct{})
	d.Press("I").Send(tuitest.Key("enter"), tuitest.NoWait).Wait("1 hit")
	d.Press("X").See("stopped, 1 hit", "FIN-WS-014").Press("X").See("it is over")
	d.Go("hunts").See("stopped", "1 hit")
}

// A hunt from a file; one that cannot be read says so.
func TestHuntFromFile(t *testing.T) {
	d, f := start(t, 120, 30)
	name := filepath.Join(t.TempDir(), "iocs.txt")
	if err := os.WriteFile(name, []byte("1.2.3.4\nevil[.]example\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	d.Go("hunt @" + name).Press("enter").See("2 indicators, 2 hits")
	if got := strings.Join(f.Asked, "\n"); !strings.Contains(got, "1.2.3.4 evil[.]example") {
		t.Fatal(got)
	}
	d.Press("C")
	if !strings.HasPrefix(d.Copied, "edrctl hunt ioc -f ") {
		t.Fatalf("copied %q", d.Copied)
	}
	d.Go("hunt @/no/such/file").Press("enter").See("no such file")
}
