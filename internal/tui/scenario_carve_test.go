package tui_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/edrctl/edrctl/internal/tui/tuitest"
)

// Carve and verify: a file of the alert's host is asked for, brought to a
// chosen folder, its hash shown and checked; later the file is checked again.
func TestCarveAndVerify(t *testing.T) {
	d, a := acting(t)
	d.Press("x").See("get a file").Press("g").See("get a file", "FIN-WS-014", `C:\Windows\System32\rundll32.exe`)
	d.Press("ctrl+u").Press("enter").Pass(second).Press("enter").See("a path is missing")
	d.Press("up", "up").Type(`C:\Users\Public\d.dll`).Press("enter", "enter").See("on 1 target", "[ Cancel ]")
	if got := a.orders[len(a.orders)-1]; got.Verb != "carve" || got.Params.Path != `C:\Users\Public\d.dll` {
		t.Fatalf("%+v", got)
	}
	d.Pass(2*second).Press("left").Pass(second).Press("enter").See("1 done", "d downloads it").Pass(2 * second).Press("d")
	d.See("download", "folder").Press("ctrl+u").Type("/tmp/case-2231").Press("tab", "right", "tab", "tab").Pass(second).Press("enter")
	d.See("download to /tmp/case-2231", "/tmp/case-2231/d.dll", strings.Repeat("3f79bb7b", 8), "verified: 18.0 KiB")
	if want := "fetch ge/c1 to /tmp/case-2231 zip=infected"; !slices.Contains(a.sent, want) {
		t.Fatalf("%q", a.sent)
	}
	d.Press("c")
	if d.Copied != strings.Repeat("3f79bb7b", 8) {
		t.Fatalf("copied %q", d.Copied)
	}
	d.Pass(2*second).Press("enter").Go("carves").See("verified", "3f79bb7b3f7")
	d.Press("x").See("verify the saved file").Press("v").See("/tmp/case-2231/d.dll").Press("tab", "tab").Pass(second).Press("enter").See("there is no file").Press("esc")
	a.changed = "the sha256 is another"
	d.Press("x", "v", "ctrl+u").Type("scenario_carve_test.go").Press("enter").Pass(second).Press("enter").See("it was changed: the sha256 is another").Press("esc")
}

// A download that is hidden continues, shows in the list, and fails with its
// reason; one that is stopped says so.
func TestHiddenDownload(t *testing.T) {
	d, a := acting(t)
	a.slow = 100 * time.Millisecond
	d.Go("carves").Press("x", "d").Press("tab", "tab", "tab").Pass(second)
	d.Send(tuitest.Key("enter"), tuitest.NoWait).Wait("49%").Send(tuitest.Key("esc"), tuitest.NoWait).See("continues", "49%")
	d.WaitIdle().See("1 file downloaded and verified", "verified")
	a.fetchErr = errors.New("the file is not what its hash says")
	d.Pass(5 * second)
	d.Press("x", "d").Press("tab", "tab", "tab").Pass(second).Press("enter").See("not what its hash says").Press("esc").See("failed")
	a.fetchErr, a.slow = nil, time.Minute
	d.Press("x", "d").Press("tab", "tab", "tab").Pass(second).Send(tuitest.Key("enter"), tuitest.NoWait).Wait("49%").Press("X").See("stopped; the next download")
}
