package tui

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/edrctl/edrctl/internal/model"
	"github.com/edrctl/edrctl/internal/safetext"
	"github.com/edrctl/edrctl/internal/tui/theme"
	"github.com/edrctl/edrctl/internal/tui/ui"
)

// dialog is a box over everything that takes the keys until it closes.
type dialog interface {
	opened(s *shell)
	key(s *shell, name string, k tea.KeyPressMsg) (closed bool, cmd tea.Cmd)
	draw(s *shell, maxW, maxH int) (box []string, w, cursorX, cursorY int)
}

// A dialog that opens by itself swallows keys until they have paused this
// long: what was typed for the list behind must not answer it.
const (
	gracePeriodQuiet = 425 * time.Millisecond
	gracePeriodMax   = 1500 * time.Millisecond
)

// gracePeriod ignores keys that were typed before the dialog opened.
type gracePeriod struct{ from, last time.Time }

func (g *gracePeriod) begin(now time.Time) { g.from, g.last = now, now }

// swallow reports whether a key comes too early to be an answer.
func (g *gracePeriod) swallow(now time.Time) bool {
	early := now.Sub(g.last) < gracePeriodQuiet && now.Sub(g.from) < gracePeriodMax
	g.last = now
	return early
}

// outside is how many lines of a box are above and below what it shows.
type outside struct{ above, below int }

// fit cuts lines to the room of a box. The first ones that are pinned stay,
// of the others the last, but so that the lines from focus to upTo are among
// them; focus -1 is none. shift is how far the others moved up.
func fit(lines []string, pinned, room, focus, upTo int) (shown []string, shift int, out outside) {
	over := len(lines) - room
	if over <= 0 {
		return lines, 0, out
	}
	pinned = max(0, min(pinned, room-2))
	shift = over
	if focus >= 0 {
		shift = max(min(shift, focus-pinned), upTo+1-room, 0)
	}
	out = outside{shift, over - shift}
	return slices.Concat(lines[:pinned], lines[pinned+shift:len(lines)-out.below]), shift, out
}

// frameBox draws a border with a title around lines; its lower edge says when
// there are more lines than are shown.
func frameBox(t *theme.Theme, title safetext.Display, st theme.Style, lines []string, w int, more outside) []string {
	g := t.Glyphs
	inner := w - 4
	top := ui.NewLine(t, w, "").Glyph(t.Border, g.TL+g.Horiz+" ").Put(st, ui.Cut(title, inner-2, g.Ellipsis)).Space(1)
	top.Glyph(t.Border, strings.Repeat(g.Horiz, max(0, top.Left()-1))).Glyph(t.Border, g.TR)
	out := []string{top.String()}
	for _, s := range lines {
		l := ui.NewLine(t, w, "").Glyph(t.Border, g.Vert).Space(1)
		l.Raw(s, inner).Space(1).Glyph(t.Border, g.Vert)
		out = append(out, l.String())
	}
	bottom, edge := ui.NewLine(t, w, ""), g.BL
	for _, m := range []struct {
		n    int
		mark string
	}{{more.above, g.Up}, {more.below, g.Down}} {
		if m.n > 0 {
			bottom.Glyph(t.Border, edge+g.Horiz).Space(1).Glyph(t.Warn, m.mark).Put(t.Warn, safetext.Sprintf(" %d more ", m.n))
			edge = ""
		}
	}
	bottom.Glyph(t.Border, edge+strings.Repeat(g.Horiz, max(0, bottom.Left()-1-len(edge)/len(g.BL)))+g.BR)
	return append(out, bottom.String())
}

// menuRead is the action menu, looked up.
type menuRead struct {
	about   safetext.Display
	choices []choice
}

// openActions opens the menu of what can be done to the selection.
func (s *shell) openActions(v view) tea.Cmd {
	records := v.selection()
	if len(records) == 0 {
		s.warn("nothing is selected to act on")
		return nil
	}
	// Files can be brought here whatever may not be changed there.
	if _, reads := records[0].(*model.Carve); !reads || s.app.opt.Replay != "" {
		if why := s.actingOff(); why != "" {
			s.warn(why)
			return nil
		}
	}
	about := aboutRecords(records)
	if a, ok := records[0].(*model.Alert); ok && len(records) == 1 {
		about = ui.Text(a.Title)
	}
	actor, twins := s.actor, []model.Record(nil)
	if x, ok := v.(interface{ others() []model.Record }); ok {
		twins = x.others()
	}
	return s.runAsync(func(context.Context) any { return menuRead{about, choices(actor, records, twins)} })
}

// actingOff says why nothing at all can be changed here, "" when something can.
func (s *shell) actingOff() safetext.Display {
	if s.app.opt.Replay != "" {
		return "a replay changes nothing: acting is off"
	}
	for _, p := range s.svc.Profiles() {
		if !p.ReadOnly {
			return ""
		}
	}
	return "read-only: acting is off"
}

// runAsync runs something whose answer is not a view's.
func (s *shell) runAsync(f func(ctx context.Context) any) tea.Cmd {
	ctx := s.ctx
	return func() (msg tea.Msg) {
		defer func() {
			if p := recover(); p != nil {
				msg = answer{msg: failed{"the action", fmt.Errorf("it broke: %v", p)}}
			}
		}()
		return answer{msg: f(ctx)}
	}
}

func (s *shell) openMenu(m menuRead) {
	if len(s.app.dialogs) > 0 || len(m.choices) == 0 {
		return
	}
	s.dialog(&menuDialog{menuRead: m})
}

// menuDialog lists what can be done.
type menuDialog struct {
	menuRead
	cursor      int
	first       int // line shown
	gracePeriod gracePeriod
}

func (d *menuDialog) opened(s *shell) {
	d.gracePeriod.begin(s.now())
	for i, c := range d.choices {
		if c.off == "" {
			d.cursor = i
			break
		}
	}
}

func (d *menuDialog) key(s *shell, name string, _ tea.KeyPressMsg) (bool, tea.Cmd) {
	switch name {
	case "esc", "q", "ctrl+c", "x":
		return true, nil
	case "up", "k":
		if name == "up" || d.choice("k") < 0 || d.choices[d.choice("k")].off != "" {
			d.cursor = max(0, d.cursor-1)
			return false, nil
		}
	case "down", "j":
		d.cursor = min(len(d.choices)-1, d.cursor+1)
		return false, nil
	case "tab", "right":
		d.choices[d.cursor].turn(1)
		return false, nil
	case "shift+tab", "left":
		d.choices[d.cursor].turn(-1)
		return false, nil
	case "enter":
		if d.gracePeriod.swallow(s.now()) {
			return false, nil
		}
		return d.take(s, d.cursor)
	}
	if i := d.choice(name); i >= 0 {
		d.cursor = i
		return d.take(s, i)
	}
	return false, nil
}

func (d *menuDialog) choice(key string) int {
	for i, c := range d.choices {
		if c.key == key {
			return i
		}
	}
	return -1
}

func (d *menuDialog) take(s *shell, i int) (bool, tea.Cmd) {
	c := d.choices[i]
	if c.off != "" {
		s.warn(safetext.Text(c.off))
		return false, nil
	}
	if c.ask {
		s.dialog(newForm(s, c))
		return true, nil
	}
	a := newActDialog(s, c)
	s.dialog(a)
	return true, a.plan(s)
}

func (d *menuDialog) draw(s *shell, maxW, maxH int) ([]string, int, int, int) {
	t := s.theme
	w := min(maxW, 76)
	lines := make([]string, 0, len(d.choices))
	for i, c := range d.choices {
		ground := theme.Style("")
		if i == d.cursor {
			ground = t.Selected
		}
		ks, ls := t.Key, theme.Style("")
		if c.danger {
			ls = t.Err
		}
		tail := c.how
		if c.off != "" {
			ks, ls, tail = t.KeyOff, t.KeyOff, c.off
		}
		l := ui.NewLine(t, w-4, ground).Cell(ks, safetext.Display(c.key), 2, false)
		l.Put(ls, safetext.Display(c.label))
		if len(c.ways) > 0 { // whom it goes to must be seen before it is chosen
			l.Put(t.Accent, "  "+safetext.Text(c.profile()))
			if len(c.ways) > 1 && i == d.cursor {
				l.Put(t.Key, safetext.Sprintf(" (tab: %s)", d.other(c)))
			}
		}
		if l.Left() > 8 && tail != "" {
			l.Space(2).Put(t.Dim, safetext.Text(tail))
		}
		lines = append(lines, l.String())
	}
	room := max(1, maxH-2)
	first := max(0, min(max(d.first, d.cursor-room+1), d.cursor, len(lines)-room))
	last := min(len(lines), first+room)
	d.first = first
	return frameBox(t, "act on "+d.about, t.Title, lines[first:last], w, outside{first, len(lines) - last}), w, -1, 0
}

// other names the profile tab goes to.
func (d *menuDialog) other(c choice) string {
	c.turn(1)
	return c.profile()
}
