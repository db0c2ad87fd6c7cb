package tui_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/edrctl/edrctl/internal/model"
	"github.com/edrctl/edrctl/internal/tui"
	"github.com/edrctl/edrctl/internal/tui/keys"
	"github.com/edrctl/edrctl/internal/tui/tuitest"
)

// chance decides what happens next: at random, or as the fuzzer writes it.
type chance interface{ IntN(n int) int }

// tape is chance from bytes; past the end everything is 0.
type tape struct{ b []byte }

func (t *tape) IntN(n int) int {
	v := 0
	for m := n - 1; m > 0; m >>= 8 {
		if len(t.b) == 0 {
			return v % n
		}
		v, t.b = v<<8|int(t.b[0]), t.b[1:]
	}
	return v % n
}

// nasty are texts that have broken terminals, tables and parsers before.
var nasty = []string{
	tuitest.Hostile,
	"", " ", "\x00", "\x1b", "\x1b[", "\x1b]52;c;ZXZpbA==\a", "\x1b[?1049l\x1b[2J\x1b[H", "\x1bP+q\x1b\\", "\x1b_G\x1b\\", "\x1b[6n", "\u009b2J", "\u009d0;t\u009c",
	"\r\n\t\v\f\b\x7f", "a\rb", "line\nline\nline", strings.Repeat("\n", 50),
	"\u202e\u202d\u202a\u202b\u202c\u2066\u2067\u2068\u2069\u200e\u200f\u061c", // bidi
	"\u200b\u200c\u200d\u2060\ufeff\u00ad\u034f\u115f\u3164\uffa0",             // nothing to see
	"e" + strings.Repeat("\u0301", 400), "\u0301\u0301", "\u0e33\u0eb3", "\u1100\u1161\u11a8",
	"日本語テキスト", "ｆｕｌｌ", "한국어", "ﷺ", "𒐫", "꧅", "\u2028\u2029",
	"👩‍👩‍👧‍👦", "🏳️‍🌈", "🇪🇺🇺", "👍🏽", "❤️", "☎︎", "1️⃣", "🧑🏿‍❤️‍💋‍🧑🏻", "\U000e0067\U000e0062\U000e007f", "\ufe0f", "\ufe0e",
	"\xff\xfe\xfd", "\xc3", "\xe2\x82", "\xed\xa0\x80", "\xf4\x90\x80\x80", "ok\xc0\x80ok",
	"\ue000\uf8ff", "\U0010ffff", "\ufffd", "±→█▏│├", "ẞßŉǰΐİı", "Ⱥⱥ", "ﬁ",
	strings.Repeat("W", 300), strings.Repeat("日", 300), strings.Repeat("ab ", 700), strings.Repeat("\x1b[31m", 90), strings.Repeat("👩‍👩‍👧", 80),
	"C:\\Windows\\" + strings.Repeat("d\\", 200) + "x.exe", `{"a":["` + "\x1b" + `"]}`, "<script>&amp;", "'; DROP", "$(reboot)", "%s%n%!d(MISSING)", "=1+1",
}

// text is a nasty text, or several together; now and then a huge one.
func text(r chance) string {
	s := nasty[r.IntN(len(nasty))]
	switch r.IntN(8) {
	case 0:
		s += nasty[r.IntN(len(nasty))]
	case 1:
		if r.IntN(24) == 0 {
			s = strings.Repeat(s+"x", 1+20_000/(len(s)+1))
		}
	}
	return s
}

// moment is a time nobody expects.
func moment(r chance) model.Time {
	switch r.IntN(8) {
	case 0:
		return model.Time{}
	case 1:
		return model.At(time.Date([]int{-5000, 0, 1, 1601, 1969, 2262, 9999, 60000}[r.IntN(8)], 1, 1, 0, 0, 0, 0, time.UTC))
	}
	return model.At(tuitest.Now.Add(time.Duration(r.IntN(4000)-2000) * time.Minute))
}

func nastyProcess(r chance) *model.Process {
	if r.IntN(6) == 0 {
		return nil
	}
	p := &model.Process{
		UID: text(r), PID: int64(r.IntN(1<<16)) - 1<<15, Name: text(r), Path: text(r), CommandLine: text(r), WorkingDirectory: text(r),
		Started: moment(r), Ended: moment(r), Integrity: text(r),
	}
	switch r.IntN(3) {
	case 0:
		p.Parent = &model.ParentProcess{UID: text(r), PID: 1, Name: text(r)}
		p.User = &model.User{Name: text(r), Domain: text(r)}
	case 1:
		p.Hash = &model.Hash{MD5: text(r), SHA256: text(r)}
	}
	return p
}

func nastyHost(r chance) *model.Host {
	if r.IntN(6) == 0 {
		return nil
	}
	profile := tuitest.Profiles[r.IntN(4)]
	on := r.IntN(2) == 0
	return &model.Host{
		Origin: model.Origin{ID: text(r), Ref: profile.Name + "/" + text(r), Profile: profile.Name, Backend: profile.Backend},
		Name:   text(r), Domain: text(r), IP: []string{text(r), text(r)}, MAC: []string{text(r)}, User: text(r), AgentVersion: text(r), State: text(r),
		OS: &model.OS{Name: text(r), Version: text(r)}, LastSeen: moment(r), Online: &on, Isolated: &on, Tags: []string{text(r)},
	}
}

func nastyAlert(r chance, n int) *model.Alert {
	profile := tuitest.Profiles[r.IntN(4)].Name
	a := tuitest.Alert(profile, fmt.Sprint("m", n%40), text(r), text(r), text(r), float64(r.IntN(11)), r.IntN(2000))
	a.Description, a.StatusNative, a.Category, a.Source, a.URL = text(r), text(r), text(r), text(r), text(r)
	a.Time, a.Host, a.Process, a.Target = moment(r), nastyHost(r), nastyProcess(r), nastyProcess(r)
	switch r.IntN(4) {
	case 0:
		a.User, a.Score, a.Risk, a.Severity = nil, nil, nil, model.Severity(text(r))
	case 1:
		a.Rule = &model.Named{ID: text(r), Name: text(r)}
		a.Attack = []model.Attack{{Technique: model.Named{ID: text(r), Name: text(r)}, Tactic: text(r)}, {Technique: model.Named{ID: "T1003.001"}}}
		a.Indicators = []model.Indicator{{Name: text(r), Value: text(r), Type: text(r)}}
	case 2:
		for range r.IntN(5) {
			if p := nastyProcess(r); p != nil {
				a.Ancestors = append(a.Ancestors, p)
			}
		}
		a.Raw = []byte(`{"k":"` + "\\u001b" + `","t":[1,2,{"x":null}]}`)
	}
	return a
}

func nastyEvent(r chance, n int) *model.Event {
	kinds := []model.Kind{model.KindProcessStart, model.KindProcessAccess, model.KindDNSQuery, model.KindNetworkConnect, model.KindFileCreate, model.Kind(text(r))}
	profile := tuitest.Profiles[r.IntN(4)]
	e := &model.Event{
		Origin: model.Origin{ID: fmt.Sprint("x", n), Ref: fmt.Sprint(profile.Name, "/x", n), Profile: profile.Name, Backend: profile.Backend},
		Time:   moment(r), Kind: kinds[r.IntN(len(kinds))], Action: text(r), Summary: text(r), AlertID: "m1",
		Host: nastyHost(r), Process: nastyProcess(r), Target: nastyProcess(r), Tags: []string{text(r)},
	}
	switch r.IntN(5) {
	case 0:
		e.File = &model.File{Path: text(r), OldPath: text(r), Hash: &model.Hash{SHA1: text(r)}}
	case 1:
		e.Network = &model.Network{Direction: text(r), Transport: text(r), Destination: &model.Endpoint{IP: text(r), Port: -1, Domain: text(r)}}
	case 2:
		e.DNS = &model.DNS{Question: model.DNSQuestion{Name: text(r), Type: text(r)}}
	case 3:
		e.Registry = &model.Registry{Path: text(r), Value: text(r), Data: text(r)}
	case 4:
		e.Detection = &model.Detection{Rules: []string{text(r), text(r)}}
	}
	return e
}

// nastyShift is the made-up shift with hostile records of every kind among its
// own.
func nastyShift(r chance) *tuitest.Fake {
	f := tuitest.Shift()
	for n := range r.IntN(6) {
		f.AlertList = append(f.AlertList, nastyAlert(r, n))
	}
	for n := range r.IntN(6) {
		f.EventList = append(f.EventList, nastyEvent(r, n))
	}
	for range r.IntN(4) {
		if h := nastyHost(r); h != nil {
			f.HostList = append(f.HostList, h)
		}
		if p := nastyProcess(r); p != nil {
			f.ProcList = append(f.ProcList, p)
		}
		f.CarveList = append(f.CarveList, &model.Carve{
			Origin: model.Origin{ID: text(r), Ref: "ge/" + text(r), Profile: "ge"}, Host: nastyHost(r), Path: text(r), Size: int64(r.IntN(1 << 30)), State: model.CarveState(text(r)),
			Progress: model.Ptr(float64(r.IntN(9)) - 3), Created: moment(r), Name: text(r), SavedTo: text(r),
		})
		f.HitList = append(f.HitList, &model.Hit{
			Origin: model.Origin{Profile: "cw"}, Indicator: model.HitIndicator{Type: text(r), Value: text(r), Source: text(r)},
			Host: nastyHost(r), Process: nastyProcess(r), First: moment(r), Last: moment(r), Count: r.IntN(9), Verdict: text(r), Note: text(r),
		})
	}
	return f
}

// monkeyKeys are all keys that mean something, but those that write files or
// leave for the shell; and letters.
var monkeyKeys = func() []string {
	m, err := keys.New(nil)
	if err != nil {
		panic(err)
	}
	list := []string{"é", "日", "~", "!", "=", "\"", "delete", "backspace", "ctrl+w", "ctrl+k", "alt+b", "f1", "i", "d", "k", "y"}
	for _, b := range m.All() {
		if b.Action != keys.Export && b.Action != keys.Suspend && b.Action != keys.Quit && b.Action != keys.ForceQuit {
			list = append(list, b.Keys...)
		}
	}
	// What opens and leaves comes more often.
	return append(list, "enter", "enter", "enter", "enter", "esc", "esc", "x", "x", "tab", "j", "j", "q")
}()

// monkey does one random thing.
func monkey(d *tuitest.Driver, f *tuitest.Fake, r chance, n int) {
	w, h := d.Size()
	at := func() (x, y int) { return r.IntN(w+4) - 2, r.IntN(h+4) - 2 }
	switch r.IntN(20) {
	case 0:
		switch r.IntN(4) {
		case 0:
			d.Resize(r.IntN(6), r.IntN(6))
		case 1:
			d.Resize(36+r.IntN(12), 8+r.IntN(12))
		default:
			d.Resize(r.IntN(260), r.IntN(90))
		}
	case 1:
		x, y := at()
		d.Poke(tea.MouseClickMsg{X: x, Y: y, Button: tea.MouseButton(r.IntN(5))})
	case 2:
		x, y := at()
		d.Poke(tea.MouseWheelMsg{X: x, Y: y, Button: []tea.MouseButton{tea.MouseWheelDown, tea.MouseWheelUp, tea.MouseWheelLeft}[r.IntN(3)]})
	case 3:
		x, y := at()
		d.Poke(tea.MouseMotionMsg{X: x, Y: y, Button: tea.MouseLeft})
		d.Poke(tea.MouseReleaseMsg{X: x, Y: y, Button: tea.MouseLeft})
	case 4:
		d.Poke(tea.PasteMsg{Content: text(r)})
	case 5:
		f.Push(nastyAlert(r, n))
	case 6:
		d.Pass(time.Duration(r.IntN(4000)) * time.Millisecond)
	case 7:
		views := tui.ViewNames()
		d.Go(views[r.IntN(len(views))])
	case 8:
		lines := []string{"host~", "severity>=high", "!user=", "~", `"`, "score>=", "cmd~", "status=open", "\\", "time"}
		d.Poke(tuitest.Key("/"))
		for _, c := range lines[r.IntN(len(lines))] + text(r) {
			d.Poke(tea.KeyPressMsg{Code: c, Text: string(c)})
			if len(d.Text()) == 0 || r.IntN(40) == 0 {
				break
			}
		}
	case 9:
		var err error
		if r.IntN(2) == 0 {
			err = fmt.Errorf("cannot: %s", text(r))
		}
		f.Fail(tuitest.Profiles[r.IntN(4)].Name, err)
	case 10:
		d.WaitIdle() // whatever is under way comes to its end
	default:
		d.Poke(tuitest.Key(monkeyKeys[r.IntN(len(monkeyKeys))]))
	}
}

// TestMonkey plays for a moment, and as long as EDRCTL_SOAK says; FuzzMonkey as
// long as one lets it. No panic, no control character, and every line of every
// frame exactly as wide as the terminal, of both ways of counting (the driver
// checks).
func TestMonkey(t *testing.T) {
	over := time.Now().Add(soak(t))
	for seed := uint64(1); seed < 4 || time.Now().Before(over); seed++ {
		play(t, rand.New(rand.NewPCG(seed, 2)), func(step int) bool { return step < 300 })
	}
}

func FuzzMonkey(f *testing.F) {
	for seed := range uint64(12) {
		r := rand.New(rand.NewPCG(seed, 7))
		b := make([]byte, 200+100*seed)
		for i := range b {
			b[i] = byte(r.IntN(256))
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r := &tape{b[:min(len(b), 2000)]}
		play(t, r, func(int) bool { return len(r.b) > 0 })
	})
}

func play(t *testing.T, r chance, more func(step int) bool) {
	t.Chdir(t.TempDir())
	var f *tuitest.Fake
	open := func() *tuitest.Driver {
		f = nastyShift(r)
		return tuitest.Start(t, f, 100, 30, func(o *tui.Options) {
			o.Actor = &actor{fake: f}
			o.NoColor, o.ASCII = r.IntN(3) == 0, r.IntN(3) == 0
			o.MaxAlerts = 20 + r.IntN(50)
		})
	}
	d := open()
	for i := 0; more(i); i++ {
		if d.Quit {
			d.App.Close()
			d = open()
		}
		monkey(d, f, r, i)
	}
	d.WaitIdle()
	d.App.Close()
}

// soak is how long the long tests run, from EDRCTL_SOAK; 0: the short form.
func soak(t testing.TB) time.Duration {
	v := os.Getenv("EDRCTL_SOAK")
	if v == "" {
		return 0
	}
	d, err := time.ParseDuration(v)
	if err != nil {
		t.Fatalf("EDRCTL_SOAK: %v", err)
	}
	return d
}
