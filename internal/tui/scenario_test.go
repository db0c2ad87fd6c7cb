package tui_test

import (
	"errors"
	"os"
	"path/filepath"
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

// First look: the worst first, every profile's health, and the way around.
func TestFirstLook(t *testing.T) {
	d, _ := start(t, 120, 40)
	d.See("edrctl ▸ alerts", "cwatch ● live", "carbon ● live", "gene ● live", "esp ● live", "CRIT 1", "last hour", "sort: risk ↓", "29 alerts")
	if l := d.Line("FIN-WS-014"); !strings.Contains(l, "CRIT") || strings.Index(d.Text(), "FIN-WS-014") > strings.Index(d.Text(), "SRV-DB-02") {
		t.Fatalf("the worst is not first:\n%s", d.Text())
	}
	d.Press("?").See("edrctl ▸ alerts ▸ help", "EVERYWHERE", "ALERTS", "only critical alerts").Press("esc").See("29 alerts")
	d.Press(":").Type("pul").See("pulse").Press("tab", "enter").See("ALERTS PER HOUR", "PROFILES", "CRD 1")
	d.Press("-").See("29 alerts").Press("-").See("ALERTS PER HOUR").Press("esc", "q")
	if !d.Quit {
		t.Fatal("q at the first view does not quit")
	}
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
	d.Press("/").Type("severity>=hgh").See("no severity").Press("esc").See("29 alerts")
	d.Press("2").See("3 alerts").Press("0").See("29 alerts")
	d.Press("b").See("backend=cwatch").Press("b", "b", "b", "b").See("29 alerts")
	d.Press("s").See("status=open").Press("esc").See("29 alerts")
	d.Press("g", "f").See("host=FIN-WS-014", "1 alert").Press("f").See("29 alerts")
	d.Press("z").See("alerts by host", "WS-000").Press("enter").See("alerts by host: FIN-WS-014", "1 alert").Press("esc", "z").See("by rule", "admin tool").Press("z").See("by technique", "T1055").Press("z").See("29 alerts")
	d.Press("space", "space").See("2 marked").Press("j", "V").See("4 marked").Press("esc").Miss("marked").Press("ctrl+a").See("29 marked").Press("esc")
	d.Press(">").See("sort: severity").Press("S").See("severity ↑").Go("sort host").See("sort: host").Go("sort nothing").See("no column").Press("esc", "esc")
	d.Go("alerts ~lsmr").See("1 alert")
}

// Triage of a burst: new alerts are marked and move nothing.
func TestBurstMovesNothing(t *testing.T) {
	d, f := start(t, 120, 30)
	d.Press("j", "j")
	before := d.Line("HR-LT-221")
	at := lineOf(d, "HR-LT-221")
	for i := range 300 {
		f.Push(tuitest.Alert(tuitest.Profiles[i%4].Name, "burst"+string(rune('a'+i%26))+strings.Repeat("x", i/26), "New and worse", "WS-9", "u", 10, 0))
	}
	d.Wait("329 alerts").See("300 new")
	if l := d.Line("HR-LT-221"); l != before || lineOf(d, "HR-LT-221") != at {
		t.Fatalf("the line under the cursor moved:\n%q\n%q", before, l)
	}
	d.Press("enter").See("edrctl ▸ alerts ▸ Remote Powershell Execution").Press("esc", "g").See("New and worse")
	d.Press("w").See("HELD")
	f.Push(tuitest.Alert("cw", "late", "While held", "WS-9", "u", 10, 0))
	d.Pass(5 * time.Second).Wait("1 new held").Miss("While held").Press("w").Pass(5 * time.Second).See("330 alerts")
}

// Drilldown to the root cause.
func TestDrilldown(t *testing.T) {
	d, f := start(t, 120, 40)
	d.Press("enter").See("10/10 critical", "T1003.001 LSASS Memory", "T1093", "revoked", "events behind it", "process_access").Press("G").See("edrctl alerts get ge/5f1c")
	d.Press("t").See("tree rundll32.exe", "WINWORD.EXE", "powershell.exe", "rundll32.exe (8120) ←", "dns 1", "CRIT 10")
	d.Press("u").Press("enter").See("events o", "shell.exe", "file_create").Press("enter").See(`C:\Users\Public\d.dll`).Press("esc", "esc")
	d.Press("/").Type("winword").Press("enter").See("1 hit").Press("esc")
	d.Press("G", "o").See("VERDICT", "malicious", "HR-LT-221").Press("esc")
	d.Press("_", "+", "h", "l", "space", "space")
	if !strings.Contains(strings.Join(f.Asked, "\n"), "tree ge/5f1c") {
		t.Fatalf("asked: %v", f.Asked)
	}
	d.Press("C")
	if d.Copied != "edrctl alerts tree ge/5f1c" {
		t.Fatalf("copied %q", d.Copied)
	}
	out := filepath.Join(t.TempDir(), "tree.json")
	d.Press("E", "ctrl+u").Type(out).Press("enter").See("written to")
	b, err := os.ReadFile(out)
	if err != nil || !strings.Contains(string(b), "rundll32.exe") {
		t.Fatalf("%v %s", err, b)
	}
	d.Pass(5*time.Second).Press("esc", "y").See(`host:`).Press("/").Type("8120").Press("enter").See("hit")
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

// An expired login: the reason is told, and the view stays.
func TestProfiles(t *testing.T) {
	d, f := start(t, 120, 30)
	waitFor(t, func() bool { return f.Watched() == 4 })
	f.Fail("cb", errors.New("connection refused"))
	d.Wait("carbon ◐").Go("profiles").See("connection refused", "carbonblack").Press("j", "enter").See("needs no login").Press("esc").See("SRV-DB-02")
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

// Read-only: RO in the header, and acting is refused.
func TestReadOnly(t *testing.T) {
	f := tuitest.Shift()
	f.List = append([]tui.Profile{}, f.List...)
	for i := range f.List {
		f.List[i].ReadOnly = true
	}
	d := tuitest.Start(t, f, 120, 30, nil)
	d.See(" RO ").Press("x").See("read-only: acting is off")
}

// A hunt from the selection.
func TestHunt(t *testing.T) {
	d, f := start(t, 120, 30)
	d.Press("I").See("hunt ", "3f79bb7b").Press("enter").See("1 indicator, 1 hit", "FIN-WS-014", "rundll32.exe")
	d.Press("enter").See("indicator", "sha256").Press("esc", "esc")
	if got := strings.Join(f.Asked, "\n"); !strings.Contains(got, "hunt typed 3f79bb7b") {
		t.Fatal(got)
	}
	d.Go("hunts").See("1 hit").Press("j", "enter").See("1 indicator, 1 hit")
	name := filepath.Join(t.TempDir(), "iocs.txt")
	if err := os.WriteFile(name, []byte("1.2.3.4\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	d.Go("hunt @" + name).Press("enter").See("1 hit").Go("hunt @/no/such/file").Press("enter").See("no such file")
}

func TestListsAndCarves(t *testing.T) {
	d, _ := start(t, 120, 30)
	d.Go("hosts").See("online 4", "offline 1", "isolated 1", "FIN-WS-014").Press("/").Type("host~fin").Press("enter").See("1 of 6 hosts").Press("enter").See("FIN-WS-014", "1 alert in the last 24 h").Press("enter").See("alerts of FIN-WS-014", "LSASS").Press("esc", "t").See("rundll32.exe").Press("esc", "e").See("6 events").Press("esc", "esc", "esc", "esc")
	d.Go("carves").See("42%", "complete", "18.0 KiB").Press("enter").See("sha256")
	d.Go("events kind=dns_query").See("1 event", "telemetry.msedge-cdn")
	d.Go("processes").See("3 processes")
	d.Go("host FIN-WS-014").See("FIN-WS-014").Go("nonsense").See("no view or command")
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
		t.Fatal("garbage is no state")
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
