package tui_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/x/exp/golden"

	"github.com/edrctl/edrctl/internal/tui"
	"github.com/edrctl/edrctl/internal/tui/tuitest"
)

// pictures are every view and dialog, and how to get there.
var pictures = []struct {
	name string
	get  func(d *tuitest.Driver)
}{
	{"alerts", func(*tuitest.Driver) {}},
	{"alerts-below", func(d *tuitest.Driver) { d.Press("P") }},
	{"alerts-filter", func(d *tuitest.Driver) { d.Press("/").Type("host~WS") }},
	{"alerts-marked", func(d *tuitest.Driver) { d.Press("space", "space", "j") }},
	{"groups", func(d *tuitest.Driver) { d.Press("z") }},
	{"alert", func(d *tuitest.Driver) { d.Press("enter") }},
	{"tree", func(d *tuitest.Driver) { d.Press("t") }},
	{"tree-page", func(d *tuitest.Driver) { d.Press("t", "l") }},
	{"tree-search", func(d *tuitest.Driver) { d.Press("t", "e", "/").Type("cmd") }},
	{"events", func(d *tuitest.Driver) { d.Press("e") }},
	{"event", func(d *tuitest.Driver) { d.Press("e", "j", "enter") }},
	{"raw", func(d *tuitest.Driver) { d.Press("y") }},
	{"hosts", func(d *tuitest.Driver) { d.Go("hosts") }},
	{"host", func(d *tuitest.Driver) { d.Press("H") }},
	{"processes", func(d *tuitest.Driver) { d.Go("processes") }},
	{"hash", func(d *tuitest.Driver) { d.Press("o") }},
	{"hunt", func(d *tuitest.Driver) { d.Press("I", "enter") }},
	{"hunt-running", func(d *tuitest.Driver) {
		d.Fake().HuntGate = make(chan struct{})
		d.Press("I").Send(tuitest.Key("enter"), tuitest.NoWait).Wait("1 of 2")
		d.Wait("1 hit")
	}},
	{"sigma-form", func(d *tuitest.Driver) { d.Press("S").Type("testdata/sigma/rules") }},
	{"sigma", func(d *tuitest.Driver) {
		d.Press("S").Type("testdata/sigma/rules").Pass(second).Press("up", "enter", "j")
	}},
	{"hunts", func(d *tuitest.Driver) { d.Press("I", "enter", "esc").Go("hunts") }},
	{"pulse", func(d *tuitest.Driver) { d.Go("pulse") }},
	{"actions", func(d *tuitest.Driver) { d.Go("actions") }},
	{"action", func(d *tuitest.Driver) { d.Go("actions").Press("enter") }},
	{"in-force", func(d *tuitest.Driver) { d.Go("in-force") }},
	{"carves", func(d *tuitest.Driver) { d.Go("carves") }},
	{"profiles", func(d *tuitest.Driver) { d.Go("profiles") }},
	{"help", func(d *tuitest.Driver) { d.Press("?") }},
	{"palette", func(d *tuitest.Driver) { d.Press(":").Type("h").Press("tab") }},
	{"menu", func(d *tuitest.Driver) { d.Press("j", "x") }},
	{"menu-host", func(d *tuitest.Driver) { d.Go("hosts").Press("x") }},
	{"menu-carve", func(d *tuitest.Driver) { d.Go("carves").Press("x") }},
	{"menu-action", func(d *tuitest.Driver) { d.Go("actions").Press("x") }},
	{"run", func(d *tuitest.Driver) { d.Press("x", "R").Type(`cmd /c "dir C:\Users"`) }},
	{"script", func(d *tuitest.Driver) {
		d.Press("x", "S").Type("/no/such.ps1").Press("up").Pass(second).Press("enter")
	}},
	{"block", func(d *tuitest.Driver) { d.Press("x", "b").Type("203.0.113.9:443").Press("tab", "right") }},
	{"scan", func(d *tuitest.Driver) { d.Press("x", "s", "right", "right", "tab") }},
	{"kill", func(d *tuitest.Driver) { d.Go("hosts").Press("x", "k").Type("8120") }},
	{"delete-file", func(d *tuitest.Driver) {
		d.Press("x", "D").Type(`C:\Users\Public\d.dll`).Press("enter").Pass(second).Press("enter")
	}},
	{"tag", func(d *tuitest.Driver) { d.Go("hosts").Press("x", "T").Type("vip, ir-2231") }},
	{"edit", func(d *tuitest.Driver) { d.Go("hosts").Press("x", "e").Press("up").Pass(second).Press("enter") }},
	{"requests", func(d *tuitest.Driver) {
		d.Press("j", "x", "i").Pass(2*second).Press("left", "up").Pass(second).Press("enter")
	}},
	{"download", func(d *tuitest.Driver) { d.Go("carves").Press("x", "d") }},
	{"downloading", func(d *tuitest.Driver) {
		d.Go("carves").Press("x", "d", "up").Pass(second).Press("enter")
	}},
	{"verify", func(d *tuitest.Driver) {
		d.Go("carves").Press("x", "v").Type("golden_test.go").Press("up").Pass(second).Press("enter")
	}},
	{"login", func(d *tuitest.Driver) {
		waitForWatchers(d)
		d.Fake().Fail("es", tuitest.Refused("esp", "the session has expired"))
		d.Wait("Later")
	}},
	{"isolate", func(d *tuitest.Driver) { d.Press("j", "x", "i") }},
	{"dismiss", func(d *tuitest.Driver) { d.Press("j", "space", "space", "x", "d") }},
	{"dismissed", func(d *tuitest.Driver) {
		d.Press("j", "space", "space", "x", "d").Pass(second).Press("tab").Pass(second).Type("noise").Press("shift+tab", "left").Press("enter")
	}},
}

func TestPictures(t *testing.T) {
	for _, size := range [][2]int{{80, 24}, {120, 40}, {40, 12}} {
		for _, look := range []string{"plain", "dark", "light"} {
			for _, p := range pictures {
				t.Run(fmt.Sprintf("%s-%dx%d-%s", p.name, size[0], size[1], look), func(t *testing.T) {
					t.Parallel() // most of it is waiting
					f := tuitest.Shift()
					d := tuitest.Start(t, f, size[0], size[1], func(o *tui.Options) {
						o.NoColor = look == "plain"
						light := look == "light"
						o.Light = &light
						o.Actor = &actor{fake: f}
					})
					p.get(d)
					d.Pass(5 * second)
					if look == "plain" {
						golden.RequireEqual(t, []byte(d.Text()+"\n"))
						return
					}
					// With styles, only the styles are compared; the text
					// is in the plain picture.
					golden.RequireEqual(t, []byte(styles(d.Frame())))
				})
			}
		}
	}
}

// waitForWatchers waits until every profile is followed.
func waitForWatchers(d *tuitest.Driver) {
	for d.Fake().Watched() < 4 {
		time.Sleep(time.Millisecond)
	}
}

// styles writes a frame with its styles readable.
func styles(frame string) string {
	return strings.ReplaceAll(frame, "\x1b", "␛") + "\n"
}
