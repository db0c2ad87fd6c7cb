package tui

import (
	"slices"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/edrctl/edrctl/internal/safetext"
	"github.com/edrctl/edrctl/internal/tui/keys"
)

func (a *App) key(k tea.KeyPressMsg) tea.Cmd {
	name := k.String()
	if k.Code == tea.KeySpace && k.Mod == 0 {
		name = "space"
	}
	if a.small() {
		if name == "q" || name == "ctrl+c" {
			return a.quit()
		}
		return nil
	}
	if a.prompt != nil {
		return a.prompt.key(a.s, k)
	}
	if n := len(a.dialogs); n > 0 {
		d := a.dialogs[n-1]
		closed, cmd := d.key(a.s, name, k)
		if closed {
			a.dialogs = slices.DeleteFunc(a.dialogs, func(x dialog) bool { return x == d })
		}
		return cmd
	}
	v := a.top()
	if v == nil {
		return nil
	}
	act, _ := a.s.keys.Find(name, v.scopes()...)
	if cmd, handled := v.key(a.s, act, name); handled {
		return cmd
	}
	switch act {
	case keys.ForceQuit:
		return a.quit()
	case keys.Quit:
		if !a.pop() {
			return a.quit()
		}
	case keys.Back:
		a.pop()
	case keys.Help:
		if _, already := v.(*helpView); !already {
			return a.s.push(newHelp(v))
		}
	case keys.Palette:
		a.s.openPalette()
	case keys.LastView:
		return a.swap()
	case keys.Refresh:
		return a.s.refresh(v)
	case keys.Suspend:
		return tea.Suspend
	case keys.Act:
		return a.s.openActions(v)
	case keys.Sigma:
		a.s.openSigma(v, "")
	case keys.Copy:
		if sel := v.selection(); len(sel) > 0 {
			refs := make([]string, len(sel))
			for i, r := range sel {
				refs[i] = refOf(r)
			}
			return a.s.copy(strings.Join(refs, "\n"), count(len(refs), "reference"))
		}
		a.s.warn("nothing is selected")
	case keys.CopyCmd:
		return a.s.copy(v.command(a.s), "the command")
	case "":
	default:
		if why := missing(act); why != "" {
			a.s.warn(why)
		}
	}
	return nil
}

// missing says why a key does nothing here.
func missing(act keys.Action) safetext.Display {
	switch act {
	case keys.Tree:
		return "no process here to show a tree of"
	case keys.Events:
		return "no host or process here to show events of"
	case keys.Host:
		return "no host here"
	case keys.Pivot:
		return "no file hash here"
	case keys.Hunt:
		return "no indicators here to hunt"
	case keys.Raw:
		return "no single record here to show"
	}
	return ""
}

func (a *App) quit() tea.Cmd {
	a.quitting = true
	return tea.Quit
}

func (a *App) paste(text string) tea.Cmd {
	if a.prompt != nil {
		a.prompt.edit.paste(strings.TrimSpace(text))
		a.prompt.chosen = -1
		return a.prompt.edited(a.s)
	}
	if n := len(a.dialogs); n > 0 {
		if p, ok := a.dialogs[n-1].(paster); ok {
			p.paste(a.s, text)
		}
		return nil
	}
	// A paste is never keys.
	a.s.warn("nothing here takes a paste; : or / opens a line")
	return nil
}

type paster interface{ paste(s *shell, text string) }

func (a *App) mouse(m tea.MouseMsg) tea.Cmd {
	if a.small() || len(a.dialogs) > 0 {
		return nil
	}
	v := a.top()
	if v == nil {
		return nil
	}
	ev := m.Mouse()
	out := mouse{x: ev.X, y: ev.Y - 1}
	switch m.(type) {
	case tea.MouseWheelMsg:
		switch ev.Button {
		case tea.MouseWheelUp:
			out.wheel = -3
		case tea.MouseWheelDown:
			out.wheel = 3
		default:
			return nil
		}
	case tea.MouseClickMsg:
		if ev.Button != tea.MouseLeft {
			return nil
		}
		if a.prompt != nil {
			return nil
		}
		if ev.Y == 0 {
			a.clickCrumb(ev.X)
			return nil
		}
		now := a.s.now()
		out.click = true
		out.double = now.Sub(a.click.at) < 400*time.Millisecond && a.click.x == ev.X && a.click.y == ev.Y
		a.click.at, a.click.x, a.click.y = now, ev.X, ev.Y
		if out.double {
			a.click.at = time.Time{}
		}
	case tea.MouseMotionMsg:
		if ev.Button != tea.MouseLeft {
			return nil
		}
		out.drag = true
	case tea.MouseReleaseMsg:
		out.end = true
	}
	if out.y < 0 || out.y >= a.h-2 {
		if !out.end {
			return nil
		}
	}
	return v.mouse(a.s, out)
}

func (a *App) clickCrumb(x int) {
	at := 0
	for i, end := range a.crumbEnds() {
		if x >= at && x < end {
			for len(a.stack) > i+1 {
				a.pop()
			}
			return
		}
		at = end
	}
}
