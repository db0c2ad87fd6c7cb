package tuitest

import (
	"context"
	"fmt"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/charmbracelet/x/ansi"

	"github.com/edrctl/edrctl/internal/tui"
)

// Driver presses keys and reads the screen. Commands are run as the program
// would, and every frame is held to be exactly as wide and high as the
// terminal, without a control character.
type Driver struct {
	t       testing.TB
	App     *tui.App
	svc     tui.Service
	clock   atomic.Int64 // nanoseconds after Now
	w, h    int
	msgs    chan tea.Msg
	running int
	Quit    bool
	Copied  string
	frame   string
}

// Start opens a session of w×h on a service. o may be nil.
func Start(t testing.TB, svc tui.Service, w, h int, change func(*tui.Options)) *Driver {
	t.Helper()
	d := &Driver{t: t, svc: svc, w: w, h: h, msgs: make(chan tea.Msg, 1024)}
	o := tui.Options{Service: svc, Manual: true, Zone: time.UTC, Now: func() time.Time { return Now.Add(time.Duration(d.clock.Load())) }}
	if change != nil {
		change(&o)
	}
	app, err := tui.New(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	d.App = app
	t.Cleanup(app.Close)
	d.run(app.Init())
	d.Resize(w, h)
	return d.WaitIdle()
}

// Fake is the service, when it is one.
func (d *Driver) Fake() *Fake {
	f, _ := d.svc.(*Fake)
	return f
}

// run starts a command; what it answers comes with WaitIdle.
func (d *Driver) run(cmd tea.Cmd) {
	if cmd == nil {
		return
	}
	d.running++
	go func() { d.msgs <- cmd() }()
}

// handle gives one message to the program.
func (d *Driver) handle(msg tea.Msg) {
	switch m := msg.(type) {
	case nil:
	case tea.BatchMsg:
		for _, c := range m {
			d.run(c)
		}
	case tea.QuitMsg:
		d.Quit = true
	default:
		v := reflect.New(reflect.TypeOf(msg)).Elem()
		v.Set(reflect.ValueOf(msg))
		switch v.Type().String() {
		case "tea.setClipboardMsg":
			d.Copied = fmt.Sprint(msg)
			return
		case "tea.execMsg":
			// What takes the terminal over is run to its end, and answers.
			d.msgs <- runExec(v)
			d.running++
			return
		case "tea.sequenceMsg":
			for i := range v.Len() {
				d.run(v.Index(i).Interface().(tea.Cmd))
			}
			return
		}
		_, cmd := d.App.Update(msg)
		d.run(cmd)
	}
}

// runExec runs the command of a tea.ExecProcess.
func runExec(m reflect.Value) tea.Msg {
	cmd, fn := readable(m.FieldByName("cmd")), readable(m.FieldByName("fn"))
	err := cmd.Interface().(tea.ExecCommand).Run()
	return fn.Interface().(tea.ExecCallback)(err)
}

// readable is a field of another package's struct that is not exported.
func readable(v reflect.Value) reflect.Value {
	c := reflect.New(v.Type()).Elem()
	c.Set(reflect.NewAt(v.Type(), v.Addr().UnsafePointer()).Elem())
	return c
}

// Step takes in what is there without waiting for more.
func (d *Driver) Step() bool {
	did := false
	for {
		select {
		case msg := <-d.msgs:
			d.running--
			d.handle(msg)
			did = true
			continue
		default:
		}
		cmd, more := d.App.Drain()
		d.run(cmd)
		if !more {
			break
		}
		did = true
	}
	d.draw()
	return did
}

// WaitIdle waits until nothing is under way any more.
func (d *Driver) WaitIdle() *Driver {
	d.t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for quiet := 0; quiet < 3; {
		if d.Step() || d.running > 0 || d.App.Reading() {
			quiet = 0
		} else {
			quiet++
		}
		if time.Now().After(deadline) {
			d.t.Fatalf("the screen does not come to rest (%d commands run):\n%s", d.running, d.Text())
		}
		time.Sleep(time.Millisecond)
	}
	return d
}

// Wait waits until the screen shows a text.
func (d *Driver) Wait(text string) *Driver {
	d.t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for {
		d.Step()
		if strings.Contains(d.Text(), text) {
			return d
		}
		if time.Now().After(deadline) {
			d.t.Fatalf("%q never came:\n%s", text, d.Text())
		}
		time.Sleep(time.Millisecond)
	}
}

// named are keys with a name.
var named = map[string]tea.Key{
	"enter": {Code: tea.KeyEnter}, "esc": {Code: tea.KeyEscape}, "tab": {Code: tea.KeyTab}, "shift+tab": {Code: tea.KeyTab, Mod: tea.ModShift},
	"space": {Code: tea.KeySpace, Text: " "}, "up": {Code: tea.KeyUp}, "down": {Code: tea.KeyDown}, "left": {Code: tea.KeyLeft}, "right": {Code: tea.KeyRight},
	"pgup": {Code: tea.KeyPgUp}, "pgdown": {Code: tea.KeyPgDown}, "home": {Code: tea.KeyHome}, "end": {Code: tea.KeyEnd},
	"backspace": {Code: tea.KeyBackspace}, "delete": {Code: tea.KeyDelete}, "f1": {Code: tea.KeyF1},
}

// Key makes the message of a key by its name.
func Key(name string) tea.KeyPressMsg {
	if k, ok := named[name]; ok {
		return tea.KeyPressMsg(k)
	}
	if c, ok := strings.CutPrefix(name, "ctrl+"); ok {
		return tea.KeyPressMsg{Code: []rune(c)[0], Mod: tea.ModCtrl}
	}
	if c, ok := strings.CutPrefix(name, "alt+"); ok {
		return tea.KeyPressMsg{Code: []rune(c)[0], Mod: tea.ModAlt}
	}
	return tea.KeyPressMsg{Code: []rune(name)[0], Text: name}
}

// Press presses keys one after the other, and waits until all is done.
func (d *Driver) Press(names ...string) *Driver {
	d.t.Helper()
	for _, n := range names {
		d.handle(Key(n))
		d.WaitIdle()
	}
	return d
}

// Type types a text letter by letter.
func (d *Driver) Type(text string) *Driver {
	d.t.Helper()
	for _, r := range text {
		if r == ' ' {
			d.handle(Key("space"))
			continue
		}
		d.handle(tea.KeyPressMsg{Code: r, Text: string(r)})
	}
	return d.WaitIdle()
}

// Go opens a view through the palette.
func (d *Driver) Go(line string) *Driver {
	d.t.Helper()
	return d.Press(":").Type(line).Press("enter")
}

// Pass lets time pass.
func (d *Driver) Pass(by time.Duration) *Driver {
	d.clock.Add(int64(by))
	d.draw()
	return d
}

// NoWait given to Send: it does not wait for what the message sets off.
const NoWait How = true

// How says what Send does after the keys.
type How bool

// Send gives any message.
func (d *Driver) Send(msg tea.Msg, how ...How) *Driver {
	d.t.Helper()
	d.handle(msg)
	if len(how) > 0 {
		d.Step()
		return d
	}
	return d.WaitIdle()
}

// Poke gives any message without waiting for what it starts.
func (d *Driver) Poke(msg tea.Msg) *Driver {
	d.t.Helper()
	d.handle(msg)
	d.Step()
	return d
}

// Size is the size of the terminal.
func (d *Driver) Size() (w, h int) { return d.w, d.h }

// Resize changes the size of the terminal.
func (d *Driver) Resize(w, h int) *Driver {
	d.w, d.h = w, h
	d.handle(tea.WindowSizeMsg{Width: w, Height: h})
	d.draw()
	return d
}

// draw draws a frame and checks its shape.
func (d *Driver) draw() {
	d.t.Helper()
	d.frame = d.App.View().Content
	if err := Check(d.frame, d.w, d.h); err != nil {
		d.t.Fatalf("%v\n%s", err, ansi.Strip(d.frame))
	}
}

// Check holds a frame to its size, and to be free of control characters but
// our own styles.
func Check(frame string, w, h int) error {
	if w <= 0 || h <= 0 {
		return nil
	}
	lines := strings.Split(frame, "\n")
	if len(lines) != h {
		return fmt.Errorf("%d lines, not %d", len(lines), h)
	}
	for i, line := range lines {
		if n := ansi.StringWidth(line); n != w {
			return fmt.Errorf("line %d is %d wide, not %d: %q", i, n, w, line)
		}
		if n := ansi.StringWidthWc(line); n != w {
			return fmt.Errorf("line %d is %d wide by the other way of counting, not %d: %q", i, n, w, line)
		}
		plain := ansi.Strip(line)
		for _, r := range plain {
			if r < 0x20 || r >= 0x7f && r < 0xa0 || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 {
				return fmt.Errorf("line %d has the control character %U: %q", i, r, line)
			}
		}
		for rest := line; ; {
			at := strings.IndexByte(rest, 0x1b)
			if at < 0 {
				break
			}
			rest = rest[at+1:]
			end := strings.IndexByte(rest, 'm')
			if !strings.HasPrefix(rest, "[") || end < 0 || strings.Trim(rest[1:end], "0123456789;:") != "" {
				return fmt.Errorf("line %d has a sequence that is not a style: %q", i, line)
			}
			rest = rest[end+1:]
		}
	}
	return nil
}

// Text is the screen without styles.
func (d *Driver) Text() string { return ansi.Strip(d.frame) }

// Frame is the screen with its styles.
func (d *Driver) Frame() string { return d.frame }

// See fails unless the screen shows all texts.
func (d *Driver) See(texts ...string) *Driver {
	d.t.Helper()
	for _, s := range texts {
		if !strings.Contains(d.Text(), s) {
			d.t.Fatalf("%q is not on the screen:\n%s", s, d.Text())
		}
	}
	return d
}

// Miss fails when the screen shows one of the texts.
func (d *Driver) Miss(texts ...string) *Driver {
	d.t.Helper()
	for _, s := range texts {
		if strings.Contains(d.Text(), s) {
			d.t.Fatalf("%q is on the screen:\n%s", s, d.Text())
		}
	}
	return d
}

// Line is the first line that contains a text.
func (d *Driver) Line(text string) string {
	for _, l := range strings.Split(d.Text(), "\n") {
		if strings.Contains(l, text) {
			return l
		}
	}
	return ""
}
