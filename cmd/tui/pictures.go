package tui

import (
	"context"
	"fmt"

	"github.com/edrctl/edrctl/cmd/cmdutil"
	"github.com/edrctl/edrctl/internal/tui/picture"
)

// Picture is one frame of the program for the documentation.
type Picture struct {
	Name string // of the file, without .svg
	SVG  string
}

// shot is how a picture is come by: the keys pressed from the start.
type shot struct {
	name, title string
	w, h        int
	keys        func(s *picture.Session) error
}

func press(keys ...string) func(*picture.Session) error {
	return func(s *picture.Session) error { return s.Press(keys...) }
}

func goTo(view string, keys ...string) func(*picture.Session) error {
	return func(s *picture.Session) error {
		if err := s.Press(":"); err != nil {
			return err
		}
		if err := s.Type(view); err != nil {
			return err
		}
		return s.Press(append([]string{"enter"}, keys...)...)
	}
}

var shots = []shot{
	{"tui-alerts", "edrctl -p demo tui", 120, 32, press("j")},
	{"tui-alert", "edrctl -p demo tui", 120, 40, press("enter")},
	{"tui-tree", "edrctl -p demo tui", 120, 20, press("t", "g", "e", "G")},
	{"tui-isolate", "edrctl -p demo tui", 120, 32, press("x", "i")},
	{"tui-pulse", "edrctl -p demo tui", 120, 36, goTo("pulse")},
	{"tui-hosts", "edrctl -p demo tui", 120, 24, goTo("hosts")},
	{"tui-small", "edrctl -p demo tui", 40, 12, press()},
}

// Pictures runs the interface over the profiles of f, with its clock, and
// draws what docs/tui.md shows.
func Pictures(ctx context.Context, f *cmdutil.Factory) ([]Picture, error) {
	opt, err := prepare(ctx, f, options{since: "24h", interval: "5s", theme: "dark"})
	if err != nil {
		return nil, err
	}
	var out []Picture
	for _, x := range shots {
		s, err := picture.Open(ctx, opt, x.w, x.h)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", x.name, err)
		}
		err = x.keys(s)
		frame := s.Frame()
		s.Close()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", x.name, err)
		}
		out = append(out, Picture{x.name, picture.SVG(frame, x.title)})
	}
	return out, nil
}
