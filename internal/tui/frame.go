package tui

import (
	"strings"

	tea "charm.land/bubbletea/v2"

	"github.com/charmbracelet/x/ansi"

	"github.com/edrctl/edrctl/internal/safetext"
	"github.com/edrctl/edrctl/internal/tui/ui"
)

func (a *App) small() bool { return a.w < minWidth || a.h < minHeight }

// View draws the frame: exactly h lines, each exactly w columns wide.
func (a *App) View() (v tea.View) {
	defer a.guard(func() {
		v = tea.NewView("")
		v.AltScreen = true
		// A frame cannot end the session: the next message does.
		go a.s.pump.put(healthIn{}, 0)
	})
	if a.broken != nil {
		return v
	}
	v = tea.NewView(a.frame())
	v.AltScreen = true
	v.MouseMode = tea.MouseModeCellMotion
	v.ReportFocus = true
	if !a.quitting {
		v.WindowTitle = a.windowTitle()
	}
	if a.cursorX >= 0 && (a.prompt != nil || len(a.dialogs) > 0) && !a.small() {
		v.Cursor = tea.NewCursor(a.cursorX, a.cursorY)
	}
	if done, of := a.progress(); of > 0 {
		v.ProgressBar = tea.NewProgressBar(tea.ProgressBarDefault, done*100/of)
	}
	return v
}

// progress of the top view, when it knows one.
func (a *App) progress() (done, of int) {
	if p, ok := a.top().(interface{ progress() (int, int) }); ok {
		return p.progress()
	}
	return 0, 0
}

// windowTitle is our own words only: names from an endpoint never reach it.
func (a *App) windowTitle() string {
	t := "edrctl"
	if v := a.top(); v != nil && v.name() != "" {
		t += " " + v.name()
	}
	if home, ok := a.stackHome(); ok && home.unseen > 0 {
		t += " (" + count(home.unseen, "new") + ")"
	}
	return t
}

func (a *App) stackHome() (*alertsView, bool) {
	if len(a.stack) == 0 {
		return nil, false
	}
	v, ok := a.stack[0].(*alertsView)
	return v, ok
}

// frame draws everything.
func (a *App) frame() string {
	a.cursorX = -1
	a.soon = len(a.dialogs) > 0
	if a.w <= 0 || a.h <= 0 {
		return ""
	}
	if a.small() {
		return a.tooSmall()
	}
	lines := make([]string, 0, a.h)
	lines = append(lines, a.header())
	if v := a.top(); v != nil {
		c := v.core()
		c.w, c.h = a.w, a.h-2
		lines = append(lines, ui.Fill(v.draw(a.s, a.w, a.h-2), a.w, a.h-2)...)
	}
	lines = ui.Fill(lines, a.w, a.h-1)
	if a.prompt != nil {
		line, cursor, above := a.prompt.draw(a.s, a.w)
		for i, s := range above {
			if y := len(lines) - len(above) + i; y > 0 {
				lines[y] = s
			}
		}
		lines = append(lines, line)
		a.cursorX, a.cursorY = min(cursor, a.w-1), a.h-1
	} else {
		lines = append(lines, a.footer())
	}
	for _, d := range a.dialogs {
		box, w, cx, cy := d.draw(a.s, a.w-2, a.h-2)
		x, y := (a.w-w)/2, max(0, (a.h-len(box))/2)
		ui.Overlay(lines, box, x, y, w, a.w)
		if cx >= 0 {
			a.cursorX, a.cursorY = x+cx, y+cy
		}
	}
	for i, s := range lines {
		// The last word on width: whatever a view did, the frame keeps its size.
		if w := ansi.StringWidth(s); w != a.w {
			lines[i] = ansi.Truncate(s, a.w, "") + ui.Blank(a.w-min(w, a.w))
			if w2 := ansi.StringWidth(lines[i]); w2 < a.w {
				lines[i] += ui.Blank(a.w - w2)
			}
		}
	}
	a.lines = lines
	return strings.Join(lines, "\n")
}

func (a *App) tooSmall() string {
	lines := make([]string, 0, a.h)
	text := []safetext.Display{
		"too small", safetext.Sprintf("%dx%d; needs %dx%d", a.w, a.h, minWidth, minHeight), "q quits",
	}
	top := max(0, (a.h-len(text))/2)
	for y := range a.h {
		l := ui.NewLine(a.s.theme, a.w, "")
		if i := y - top; i >= 0 && i < len(text) {
			l.Space((a.w - ui.Width(text[i])) / 2)
			l.Put(a.s.theme.Warn, text[i])
		}
		lines = append(lines, l.String())
	}
	return strings.Join(lines, "\n")
}
