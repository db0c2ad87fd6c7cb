// Package picture runs the terminal interface without a terminal and draws
// its frames as pictures, for the documentation. The clock is the caller's, so
// that the same data give the same picture every time.
package picture

import (
	"context"
	"fmt"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/charmbracelet/x/ansi"

	"github.com/edrctl/edrctl/internal/tui"
)

// idleTimeout is how long a screen may take to come to rest.
const idleTimeout = 30 * time.Second

// Session is a terminal interface with nobody in front of it.
type Session struct {
	app     *tui.App
	w, h    int
	msgs    chan tea.Msg
	running int
	end     chan struct{}
}

// Open opens the interface at w×h and waits until everything has been read.
// Nothing ticks; o.Now is the time it shows.
func Open(ctx context.Context, o tui.Options, w, h int) (*Session, error) {
	o.Manual = true
	app, err := tui.New(ctx, o)
	if err != nil {
		return nil, err
	}
	s := &Session{app: app, w: w, h: h, msgs: make(chan tea.Msg, 64), end: make(chan struct{})}
	s.start(app.Init())
	s.take(tea.WindowSizeMsg{Width: w, Height: h})
	if err := s.waitIdle(); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// Close ends what runs behind the screen.
func (s *Session) Close() {
	close(s.end)
	s.app.Close()
}

func (s *Session) start(cmd tea.Cmd) {
	if cmd == nil {
		return
	}
	s.running++
	go func() {
		select {
		case s.msgs <- cmd():
		case <-s.end:
		}
	}()
}

func (s *Session) take(msg tea.Msg) {
	switch m := msg.(type) {
	case nil:
	case tea.BatchMsg:
		for _, c := range m {
			s.start(c)
		}
	default:
		_, cmd := s.app.Update(msg)
		s.start(cmd)
	}
}

// waitIdle takes in what comes until nothing is under way any more.
func (s *Session) waitIdle() error {
	over := time.After(idleTimeout)
	for calm := 0; calm < 20; {
		select {
		case msg := <-s.msgs:
			s.running--
			s.take(msg)
			calm = 0
			continue
		case <-over:
			return fmt.Errorf("the screen does not come to rest:\n%s", ansi.Strip(s.Frame()))
		case <-time.After(2 * time.Millisecond):
		}
		cmd, more := s.app.Drain()
		s.start(cmd)
		if more || s.running > 0 || s.app.Reading() {
			calm = 0
		} else {
			calm++
		}
	}
	return nil
}

var named = map[string]rune{
	"enter": tea.KeyEnter, "esc": tea.KeyEscape, "tab": tea.KeyTab, "up": tea.KeyUp, "down": tea.KeyDown, "right": tea.KeyRight, "left": tea.KeyLeft,
}

// Press presses keys, by name or as themselves.
func (s *Session) Press(keys ...string) error {
	for _, k := range keys {
		if code, ok := named[k]; ok {
			s.take(tea.KeyPressMsg{Code: code})
		} else {
			s.take(tea.KeyPressMsg{Code: []rune(k)[0], Text: k})
		}
		if err := s.waitIdle(); err != nil {
			return err
		}
	}
	return nil
}

// Type types a line, letter by letter.
func (s *Session) Type(line string) error {
	for _, r := range line {
		s.take(tea.KeyPressMsg{Code: r, Text: string(r)})
	}
	return s.waitIdle()
}

// Frame is what the terminal would show.
func (s *Session) Frame() string { return s.app.View().Content }
