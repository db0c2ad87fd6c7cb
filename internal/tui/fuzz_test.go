package tui_test

import (
	"math/rand/v2"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/edrctl/edrctl/internal/model"
	"github.com/edrctl/edrctl/internal/tui"
	"github.com/edrctl/edrctl/internal/tui/tuitest"
)

// anyKeys are the keys a monkey presses: all that mean something, and text.
var anyKeys = []string{
	"j", "k", "g", "G", "h", "l", "up", "down", "left", "right", "pgup", "pgdown", "ctrl+u", "ctrl+d", "home", "end",
	"enter", "enter", "enter", "esc", "tab", "shift+tab", "space", "V", "ctrl+a", ">", "<", "S", "c", "C", "?", ":", "-", "r", "x", "x",
	"1", "2", "3", "0", "b", "f", "s", "z", "p", "P", "{", "}", "w", "t", "e", "H", "o", "I", "y", "+", "_", "u", "/", "n", "N",
	"i", "d", "a", "m", "~", "!", "=", "\"", "é", "日", "backspace", "ctrl+w", "ctrl+k", "delete", "alt+b",
}

// monkey does one random thing.
func monkey(d *tuitest.Driver, f *tuitest.Fake, r *rand.Rand, n int) {
	switch r.IntN(14) {
	case 0:
		d.Resize(r.IntN(220), r.IntN(70))
	case 1:
		d.Send(tea.MouseClickMsg{X: r.IntN(140), Y: r.IntN(45), Button: tea.MouseLeft})
	case 2:
		b := tea.MouseWheelDown
		if r.IntN(2) == 0 {
			b = tea.MouseWheelUp
		}
		d.Send(tea.MouseWheelMsg{X: r.IntN(140), Y: r.IntN(45), Button: b})
	case 3:
		d.Send(tea.MouseMotionMsg{X: r.IntN(140), Y: r.IntN(45), Button: tea.MouseLeft})
		d.Send(tea.MouseReleaseMsg{X: r.IntN(140), Y: r.IntN(45), Button: tea.MouseLeft})
	case 4:
		texts := []string{tuitest.Hostile, "host~x", "", "\x00\x1b[A", "日本語"}
		d.Send(tea.PasteMsg{Content: texts[r.IntN(len(texts))]})
	case 5:
		a := tuitest.Alert(tuitest.Profiles[r.IntN(4)].Name, "m"+string(rune('a'+n%26))+string(rune('a'+n/26%26)), tuitest.Hostile, "H", "u", float64(r.IntN(11)), r.IntN(2000))
		if r.IntN(3) == 0 {
			a.Process = &model.Process{PID: -1, Name: tuitest.Hostile}
			a.Host, a.User, a.Score = nil, nil, nil
		}
		f.Push(a)
	case 6:
		d.Pass(time.Duration(r.IntN(4000)) * time.Millisecond)
	default:
		d.Press(anyKeys[r.IntN(len(anyKeys))])
	}
}

// TestMonkey plays for a moment; FuzzMonkey as long as one lets it. No panic,
// and every frame exactly as wide and high as the terminal (the driver checks).
func TestMonkey(t *testing.T) {
	steps := 1500
	if testing.Short() {
		steps = 300
	}
	play(t, rand.New(rand.NewPCG(1, 2)), steps)
}

func FuzzMonkey(f *testing.F) {
	f.Add(uint64(1), uint64(1))
	f.Add(uint64(7), uint64(42))
	f.Fuzz(func(t *testing.T, a, b uint64) { play(t, rand.New(rand.NewPCG(a, b)), 120) })
}

func play(t *testing.T, r *rand.Rand, steps int) {
	f := tuitest.Shift()
	t.Chdir(t.TempDir())
	open := func() *tuitest.Driver {
		return tuitest.Start(t, f, 100, 30, func(o *tui.Options) {
			o.Actor = &actor{fake: f}
			o.NoColor, o.ASCII = r.IntN(3) == 0, r.IntN(3) == 0
		})
	}
	d := open()
	for i := range steps {
		if d.Quit {
			d.App.Close()
			d = open()
		}
		monkey(d, f, r, i)
	}
}
