package tui_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/edrctl/edrctl/internal/model"
	"github.com/edrctl/edrctl/internal/tui"
	"github.com/edrctl/edrctl/internal/tui/keys"
	"github.com/edrctl/edrctl/internal/tui/tuitest"
)

func start(t *testing.T, w, h int) (*tuitest.Driver, *tuitest.Fake) {
	t.Helper()
	f := tuitest.Shift()
	return tuitest.Start(t, f, w, h, nil), f
}

// Hostile text is shown, escaped, everywhere; the driver checks every frame.
func TestHostileText(t *testing.T) {
	d, _ := start(t, 160, 50)
	d.Press("/").Type("evil").Press("enter").See("1 alert", `evil␛[2J`)
	d.Press("enter").See("␛]0;owned").Press("esc", "t").See(`a␍b.exe`).Press("esc", "H").See("␛[31m221")
	d.Resize(40, 12).Resize(300, 90).Resize(80, 24)
}

// Filters, quick filters, groups, sort and marks.
func TestFilterAndGroup(t *testing.T) {
	d, _ := start(t, 120, 40)
	d.Press("/").Type("severity>=high").Press("enter").See("3 alerts", "filter: severity>=high").Press("esc").See("29 alerts")
	d.Press("/").Type("severity>=hgh").See("did you mean high?").Press("esc").See("29 alerts")
	d.Press("2").See("3 alerts").Press("0").See("29 alerts")
	d.Press("b").See("backend=cwatch").Press("b", "b", "b", "b").See("29 alerts")
	d.Press("s").See("status=open").Press("esc").See("29 alerts")
	d.Press("g", "f").See("host=FIN-WS-014", "1 alert").Press("f").See("29 alerts")
	d.Press("z").See("alerts by host", "WS-000").Press("enter").See("alerts by host: FIN-WS-014", "1 alert").Press("esc", "z").See("by rule", "admin tool").Press("z").See("by technique", "T1055").Press("z").See("29 alerts")
	d.Press("space", "space").See("2 marked").Press("j", "V").See("4 marked").Press("esc").Miss("marked").Press("ctrl+a").See("29 marked").Press("esc")
	d.Press(">").See("sort: severity").Press("R").See("severity ↑").Go("sort host").See("sort: host").Go("sort nothing").See("no column").Press("esc", "esc")
	d.Go("alerts ~lsmr").See("1 alert")
}

// An alert that changes keeps its place under the cursor.
func TestChangedAlert(t *testing.T) {
	d, f := start(t, 120, 30)
	waitFor(t, func() bool { return f.Watched() == 4 })
	d.Press("j").See("8/10 high")
	closed := *f.AlertList[1]
	closed.Status = model.StatusClosed
	f.Push(&closed)
	d.Wait("8/10 high · closed").See("29 alerts")
	if l := d.Line("SRV-DB-02"); !strings.Contains(l, "✓") {
		t.Fatalf("%q", l)
	}
}

// An expired login: the reason is shown, and the view stays.
func TestProfiles(t *testing.T) {
	d, f := start(t, 120, 30)
	waitFor(t, func() bool { return f.Watched() == 4 })
	f.Fail("cb", errors.New("connection refused"))
	d.Wait("carbon ◐").Go("profiles").See("connection refused", "carbonblack").Press("j", "enter").See("needs no login").Press("esc").See("SRV-DB-02")
}

func TestListsAndCarves(t *testing.T) {
	d, _ := start(t, 120, 30)
	d.Go("hosts").See("online 4", "offline 1", "isolated 1", "FIN-WS-014").Press("/").Type("host~fin").Press("enter").See("1 of 6 hosts").Press("enter").See("FIN-WS-014", "1 alert in the last 24 h").Press("enter").See("alerts of FIN-WS-014", "LSASS").Press("esc", "t").See("rundll32.exe").Press("esc", "e").See("6 events").Press("esc", "esc", "esc", "esc")
	d.Go("carves").See("42%", "complete", "18.0 KiB").Press("enter").See("sha256")
	d.Go("events kind=dns_query").See("1 event", "telemetry.msedge-cdn")
	d.Go("processes").See("3 processes")
	d.Go("host FIN-WS-014").See("FIN-WS-014").Go("nonsense").See("unknown view or command")
}

// A click selects, two open, the wheel scrolls, a title sorts, the border moves.
func TestMouse(t *testing.T) {
	d, _ := start(t, 120, 30)
	click := func(x, y int) { d.Send(tea.MouseClickMsg{X: x, Y: y, Button: tea.MouseLeft}) }
	click(20, 5)
	click(20, 5)
	d.See("alerts ▸ powershell.exe injected into spoolsv").Press("esc")
	d.Send(tea.MouseWheelMsg{X: 5, Y: 10, Button: tea.MouseWheelDown}).Send(tea.MouseWheelMsg{X: 5, Y: 10, Button: tea.MouseWheelUp})
	click(5, 3)
	d.See("sort: time")
	at := strings.Index(strings.Split(d.Text(), "\n")[6], "│")
	col := len([]rune(strings.Split(d.Text(), "\n")[6][:at]))
	click(col, 6)
	d.Send(tea.MouseMotionMsg{X: 60, Y: 6, Button: tea.MouseLeft}).Send(tea.MouseReleaseMsg{X: 60, Y: 6, Button: tea.MouseLeft})
	moved := []rune(strings.Split(d.Text(), "\n")[6])
	if !strings.Contains(string(moved[58:63]), "│") {
		t.Fatalf("the border was not moved to 60:\n%s", d.Text())
	}
	d.Press("enter")
	click(12, 0)
	d.See("29 alerts")
}

func TestPasteIsNeverKeys(t *testing.T) {
	d, _ := start(t, 80, 24)
	d.Send(tea.PasteMsg{Content: "q\nx"}).See("takes a paste")
	if d.Quit {
		t.Fatal("a paste quit")
	}
	d.Press("/").Send(tea.PasteMsg{Content: " lsass\x1b[2J\n"}).See("lsass")
}

func TestTooSmall(t *testing.T) {
	d, _ := start(t, 39, 11)
	d.See("too small", "39x11").Resize(40, 12).See("alerts")
}

func TestReplay(t *testing.T) {
	lines := `{"id":"1","ref":"p/1","profile":"p","backend":"gene","time":"2026-11-22T02:51:07.000Z","title":"saved alert","score":9,"severity":"critical","host":{"name":"H1"},"process":{"uid":"u1","pid":4,"name":"x.exe"}}
{"id":"e1","profile":"p","backend":"gene","time":"2026-11-22T02:51:00.000Z","kind":"dns_query","host":{"name":"H1"},"process":{"uid":"u1","pid":4,"name":"x.exe"},"dns":{"question":{"name":"bad.example"}}}
`
	svc, latest, span, err := tui.Replay(strings.NewReader(lines), "shift.ndjson")
	if err != nil {
		t.Fatal(err)
	}
	d := tuitest.Start(t, svc, 120, 30, func(o *tui.Options) {
		o.Replay, o.Window = "shift.ndjson", span
		o.Now = func() time.Time { return latest }
	})
	d.See("REPLAY", "saved alert", "1 alert").Press("x").See("acting is off").Press("t").See("x.exe").Press("enter").See("bad.example")
	for _, bad := range []string{"", "{", `{"x":1}`, "[]", `{"title":"no id"}`, "null"} {
		if _, _, _, err := tui.Replay(strings.NewReader(bad), "f"); !errors.Is(err, tui.ErrReplay) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestRebinding(t *testing.T) {
	m, err := keys.New(map[string][]string{"pulse-not": {"a"}})
	var be *keys.BindError
	if !errors.As(err, &be) || m != nil {
		t.Fatalf("%v", err)
	}
	for name, list := range map[string][]string{"quit": {"j"}, "down": {"esc"}, "up": {"hyper+q"}, "tree": {"e"}} {
		if _, err := keys.New(map[string][]string{name: list}); !errors.As(err, &be) || be.Name != name {
			t.Errorf("%s %v: %v", name, list, err)
		}
	}
	m, err = keys.New(map[string][]string{"tree": {"T"}, "quit": {"Q"}})
	if err != nil {
		t.Fatal(err)
	}
	d := tuitest.Start(t, tuitest.Shift(), 120, 30, func(o *tui.Options) { o.Keys = m })
	d.See("T tree").Press("q").See("29 alerts").Press("T").See("tree rundll32.exe").Press("Q", "Q")
	if !d.Quit {
		t.Fatal("Q does not quit")
	}
}

// What is under way when a view is left reaches nobody, and its context ends.
func TestLateAnswersAreDropped(t *testing.T) {
	f := tuitest.Shift()
	d := tuitest.Start(t, f, 120, 30, nil)
	f.Slow = 30 * time.Millisecond
	d.Send(tuitest.Key("t"))
	d.Press("esc").See("29 alerts").Miss("▸ tree")
}

func TestStateIsRemembered(t *testing.T) {
	f := tuitest.Shift()
	d := tuitest.Start(t, f, 120, 30, nil)
	d.Press(">", "p").Press("/").Type("host~WS").Press("enter")
	b, err := tui.States{"x": d.App.State()}.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	again := tui.ParseStates(b)["x"]
	d = tuitest.Start(t, f, 120, 30, func(o *tui.Options) { o.State = again })
	d.See("sort: severity", "filter: host~WS").Miss("│")
	if len(tui.ParseStates([]byte("garbage"))) != 0 {
		t.Fatal("garbage is not a state")
	}
}

func TestStartElsewhere(t *testing.T) {
	d := tuitest.Start(t, tuitest.Shift(), 120, 30, func(o *tui.Options) { o.View, o.Filter = "hosts", "host~FIN" })
	d.See("▸ hosts", "1 of 6 hosts")
	d = tuitest.Start(t, tuitest.Shift(), 120, 30, func(o *tui.Options) { o.View, o.Ref = "tree", "ge/5f1c" })
	d.See("rundll32.exe (8120)")
}

func pasteOf(s string) tea.Msg { return tea.PasteMsg{Content: s} }

func lineOf(d *tuitest.Driver, text string) int {
	before, _, _ := strings.Cut(d.Text(), text)
	return strings.Count(before, "\n")
}

func waitFor(t *testing.T, ok func() bool) {
	t.Helper()
	for range 2000 {
		if ok() {
			return
		}
		time.Sleep(time.Millisecond)
	}
	t.Fatal("it never came")
}
