package tui_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/edrctl/edrctl/internal/model"
	"github.com/edrctl/edrctl/internal/ops"
	"github.com/edrctl/edrctl/internal/ptree"
	"github.com/edrctl/edrctl/internal/tui"
	"github.com/edrctl/edrctl/internal/tui/tuitest"
)

// sharedTree is a tree of one process that cWatch and Gene saw, each with its
// own ids.
func sharedTree() *ops.TreeResult {
	var b ptree.Builder
	at := model.At(tuitest.Now.Add(-10 * time.Minute))
	for _, profile := range []string{"cw", "ge"} {
		host := &model.Host{Origin: model.Origin{ID: profile + "-host", Ref: profile + "/" + profile + "-host", Profile: profile}, Name: "FIN-WS-014"}
		b.AddProcess(profile, &model.Process{UID: profile + "-uid", PID: 8120, Name: "rundll32.exe", Path: `C:\Windows\rundll32.exe`, Started: at}, host)
	}
	res := &ops.TreeResult{Tree: b.Build()}
	res.Focus = res.Tree.Find("ge", "ge-uid")
	res.Focus.Focus = true
	return res
}

// What is done to a process two products saw goes to the one that can do it:
// the one the tree was opened from first, and tab takes another, which is
// said. The ids are those of the product that is asked.
func TestActsOnWhatTwoProductsSaw(t *testing.T) {
	f := tuitest.Shift()
	f.TreeResult = sharedTree()
	a := &actor{fake: f, cannot: map[string]string{"ge": "kill", "cw": "scan"}}
	d := tuitest.Start(t, f, 120, 40, func(o *tui.Options) { o.Actor = a })
	d.Press("t").See("rundll32.exe (8120) ←", "seen by cw, ge")
	asked := func(key string, more ...string) (tui.Order, string) {
		t.Helper()
		d.Press("x").Pass(2 * second)
		d.Press(more...)
		d.Press(key)
		o := a.orders[len(a.orders)-1]
		d.Press("esc")
		return o, fmt.Sprint(o.Verb, " ", o.Records[0].GetOrigin().Profile, " ", model.HostOf(o.Records[0]).Ref, " ", o.Records[0].(*model.Process).UID)
	}
	for _, c := range []struct {
		key, want string
		tabs      []string
	}{
		{"i", "isolate ge ge/ge-host ge-uid", nil},
		{"k", "kill cw cw/cw-host cw-uid", nil},
		{"enter", "isolate cw cw/cw-host cw-uid", []string{"tab"}}, // the menu opens on isolate
		{"enter", "isolate ge ge/ge-host ge-uid", []string{"tab", "tab"}},
		{"enter", "isolate cw cw/cw-host cw-uid", []string{"left"}},
	} {
		if _, got := asked(c.key, c.tabs...); got != c.want {
			t.Errorf("%v %s: %s, want %s", c.tabs, c.key, got, c.want)
		}
	}
	d.Press("x").See("isolate from the network  ge (tab: cw)", "as ge does it", "kill the process  cw  as cw does it", "scan for malware  ge")
	d.Press("tab").See("isolate from the network  cw (tab: ge)").Press("esc")
	// None can: every reason is given.
	a.cannot = map[string]string{"ge": "isolate", "cw": "isolate"}
	d.Press("x").See("cannot: ge does not offer it; cannot: cw").Press("esc")
	// The record of the process acts the same way.
	a.cannot = map[string]string{"ge": "kill"}
	d.Press("y").See("seen by", "ge, cw")
	if _, got := asked("k"); got != "kill cw cw/cw-host cw-uid" {
		t.Errorf("of the record: %s", got)
	}
}

// A host two products watch: each action goes to the one that can do it.
func TestActsOnAHostTwoProductsWatch(t *testing.T) {
	f := tuitest.Shift()
	a := &actor{fake: f, cannot: map[string]string{"ge": "isolate"}}
	for _, h := range f.HostList {
		if h.Name == "FIN-WS-014" {
			twin := *h
			twin.Origin = model.Origin{ID: "77", Ref: "cw/77", Profile: "cw", Backend: "cwatch"}
			f.HostList = append(f.HostList, &twin)
			break
		}
	}
	d := tuitest.Start(t, f, 120, 40, func(o *tui.Options) { o.Actor = a })
	d.Press("H").See("cw/77", "ge/h-FIN-WS-014").Press("x").See("isolate from the network  cw", "kill a process by its pid  ge").Pass(2 * second).Press("i")
	if o := a.orders[0]; o.Records[0].GetOrigin().Ref != "cw/77" {
		t.Errorf("it went to %s", o.Records[0].GetOrigin().Ref)
	}
}

// On the smallest screen what will be isolated is seen together with the field
// its name is typed into, whatever else is shown; and a list that is cut says
// so.
func TestSmallestScreenSaysWhatIsIsolated(t *testing.T) {
	d, a := acting(t)
	d.Resize(40, 12).Press("j", "x").See("↓ 9 more").Miss("↑").Press("down", "down", "down", "down", "down", "down", "down", "down").See("↑ 1 more", "↓ 8 more").Press("esc")
	d.Press("x", "i").Pass(2 * second)
	for range 2 { // with the requests hidden, and shown
		for i := range 6 {
			d.See("isolate: SRV-DB-02", "│   SRV-DB-02")
			switch i {
			case 3: // after cancel, comment and case
				d.See("type SRV-DB-02 to confirm", "name").Type("x").See("name", "x")
			case 4:
				d.See("[ Cancel ] [", "[ isolate ]").Press("enter")
			}
			d.Press("tab").Pass(second)
		}
	}
	if d.See("[ Cancel ] ["); len(a.sent) != 0 {
		t.Fatalf("sent %v", a.sent)
	}
}

// A picture that stands still still tells how long ago things were.
func TestAgesMoveOn(t *testing.T) {
	d, _ := start(t, 80, 24)
	d.Press("H").See("2026-11-22 02:59:20 UTC (4").Pass(3 * time.Minute).See("2026-11-22 02:59:20 UTC (3 min ago)").Pass(2 * time.Minute).See("UTC (5 min ago)")
}

// Of several records, the menu says to how many it can be done.
func TestMenuSaysToHowMany(t *testing.T) {
	d, a := acting(t)
	a.cannot = map[string]string{"ge": "isolate"}
	d.Press("g", "space", "space", "space", "x").See("act on 3 selected", "isolate from the network  2 of 3: as c").Press("esc")
	a.cannot = map[string]string{"ge": "kill", "cb": "kill", "cw": "kill"}
	d.Press("x").See("kill the process  cannot: ge does not")
}
