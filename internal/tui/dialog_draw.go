package tui

import (
	"fmt"
	"strings"

	"github.com/edrctl/edrctl/internal/model"
	"github.com/edrctl/edrctl/internal/ops"
	"github.com/edrctl/edrctl/internal/safetext"
	"github.com/edrctl/edrctl/internal/tui/theme"
	"github.com/edrctl/edrctl/internal/tui/ui"
)

func (d *actDialog) draw(s *shell, maxW, maxH int) ([]string, int, int, int) {
	t := s.theme
	w := min(maxW, 88)
	inner := w - 4
	cx, cy := -1, 0
	var lines []string
	pinned, focus, upTo := 0, -1, -1 // lines that stay, and those that must be seen too
	small := maxH < 14               // no room to breathe: what matters stays
	put := func(st theme.Style, text safetext.Display) {
		if small && text == "" {
			return
		}
		for _, part := range ui.Wrap(text, inner) {
			lines = append(lines, ui.NewLine(t, inner, "").Put(st, part).String())
		}
	}
	// The target is in the title too: it must be seen at any size.
	word, _, _ := strings.Cut(d.c.label, " ")
	title := safetext.Text(d.c.label)
	if small || maxW < 60 {
		title = safetext.Text(word)
	}
	if d.plan_ != nil {
		if n := len(d.plan_.Steps); n == 1 {
			title += ": " + ui.Text(d.plan_.Steps[0].Name())
		} else {
			title += safetext.Sprintf(": %s", count(n, "target"))
		}
	}
	switch {
	case d.err != nil:
		put(t.Err, safetext.Text(d.err.Error()))
		if a := ops.Advice(d.err); a != "" {
			put(t.Dim, safetext.Text(a))
		}
		put("", "")
		put(t.Dim, map[bool]safetext.Display{true: "enter closes", false: "enter goes back to what was typed"}[d.form == nil])
	case d.plan_ == nil:
		put(t.Dim, safetext.Sprintf("looking at what it would do… %s", age(s.now().Sub(d.began))))
		put(t.Dim, "esc cancels; nothing was sent")
	case d.result != nil:
		put(t.Bold, d.outcome())
		d.results(s, put)
		put("", "")
		if n := len(d.collected()); n > 0 {
			put(t.Key, safetext.Sprintf("d downloads %s", map[bool]string{true: "it", false: fmt.Sprintf("the %d files", n)}[n == 1]))
		}
		put(t.Dim, "enter closes")
	default:
		d.targets(s, put, max(2, maxH-12))
		pinned = d.named(inner) // what it is done to stays in sight
		if d.running {
			put("", "")
			put(t.Accent, safetext.Sprintf("sent; waiting %s (esc hides this, the action continues)", age(s.now().Sub(d.began))))
			break
		}
		field := func(at int, label safetext.Display, e *editor) {
			l := ui.NewLine(t, inner, "")
			st := t.Dim
			if d.at == at {
				st = t.Key
			}
			l.Cell(st, label, min(16, inner/3), false).Space(1)
			lead := inner - l.Left()
			c := e.draw(l, t.Input)
			if d.at == at {
				cx, cy = 2+lead+c, 1+len(lines)
				focus, upTo = len(lines), len(lines)
			}
			lines = append(lines, l.String())
		}
		put("", "")
		field(atComment, "comment", &d.comment)
		field(atCase, "case", &d.caseID)
		if n := d.needTyped(); n != "" {
			asked := len(lines)
			put(t.DialogDanger, safetext.Sprintf("type %s to confirm:", n))
			field(atTyped, "name", &d.typed)
			if d.at == atTyped {
				focus = asked
			}
		}
		if d.canQueue() {
			mark, st := t.Glyphs.Ring, t.Dim
			if d.queue {
				mark = t.Glyphs.Check
			}
			if d.at == atQueue {
				st = t.Key
			}
			put(st, safetext.Display(mark)+" also to hosts that are not ready, for when they are")
		}
		if d.requests {
			for _, st := range d.plan_.Steps {
				for _, r := range st.Preview.Requests {
					put(t.Dim, "  "+safetext.Text(r))
				}
			}
		}
		put("", "")
		l, gap := ui.NewLine(t, inner, ""), 2
		if inner < 44 {
			gap = 1
		}
		button := func(at int, label safetext.Display, st theme.Style) {
			if d.at == at {
				st = t.DialogButton
			}
			l.Put(st, "[ "+label+" ]").Space(gap)
		}
		button(atCancel, "Cancel", "")
		request := safetext.Display("Requests")
		if gap == 1 {
			request = "Request" // the last button whole, on 40 columns
		}
		if d.requests {
			request = "Hide"
		}
		button(atRequests, request, t.Dim)
		go_ := t.DialogDanger
		if d.blocked() != "" {
			go_ = t.KeyOff
		}
		button(atGo, safetext.Text(word), go_)
		lines = append(lines, l.String())
		if why := d.blocked(); why != "" && d.at == atGo {
			put(t.Warn, safetext.Text(why))
		}
	}
	room := maxH - 2
	if d.result != nil || d.err != nil {
		d.scroll = max(0, min(d.scroll, len(lines)-room))
		focus, upTo = d.scroll, d.scroll
	}
	shown, shift, out := fit(lines, pinned, room, focus, upTo)
	cy -= shift
	st := t.Title
	if d.c.danger {
		st = t.DialogDanger
	}
	return frameBox(t, title, st, shown, w, out), w, cx, cy
}

// named is how many lines, from the first, say what it is done to: one target
// whole, or how many and the first of them.
func (d *actDialog) named(inner int) int {
	if len(d.plan_.Steps) != 1 {
		return 2
	}
	st := d.plan_.Steps[0]
	line := "  " + st.Name()
	if st.Profile != "" {
		line += " (" + st.Profile + ")"
	}
	return len(ui.Wrap(safetext.Text(line), inner))
}

// targets lists what it is on, what it would do, and what cannot be.
func (d *actDialog) targets(s *shell, put func(theme.Style, safetext.Display), most int) {
	t := s.theme
	p := d.plan_
	if most > 2 || len(p.Steps) > 1 {
		put(t.Bold, safetext.Sprintf("on %s%s", count(p.Sendable(), "target"), map[bool]string{true: fmt.Sprintf(", %d left out", len(p.Steps)-p.Sendable())}[p.Sendable() < len(p.Steps)]))
	}
	for i, st := range p.Steps {
		if i == most {
			put(t.Dim, safetext.Sprintf("… and %d more", len(p.Steps)-i))
			break
		}
		line := "  " + st.Name()
		if st.Profile != "" {
			line += " (" + st.Profile + ")"
		}
		look := theme.Style("")
		switch {
		case d.states[st.Action] != "":
			line += "  " + d.states[st.Action]
			look = t.Accent
		case st.Blocked() != "":
			line += "  left out: " + st.Blocked()
			look = t.Warn
		case st.Preview.Summary != "":
			line += "  " + st.Preview.Summary
		}
		put(look, safetext.Text(line))
		for _, wr := range st.Preview.Warnings {
			put(t.Warn, safetext.Text("    "+wr))
		}
	}
	reversible := false
	for _, st := range p.Steps {
		reversible = reversible || st.Preview.Reversible
	}
	if reversible {
		put(t.Dim, "it can be undone from :actions")
	} else if p.Sendable() > 0 && d.c.verb != verbCarve && d.c.verb != verbScan && d.c.verb != verbMemdump {
		put(t.Warn, "it cannot be undone")
	}
}

func (d *actDialog) results(s *shell, put func(theme.Style, safetext.Display)) {
	t := s.theme
	r := d.result
	one := func(st theme.Style, mark string, a *model.Action, why string) {
		name := a.Ref
		if a.Host != nil {
			name = hostName(a.Host)
		} else if a.Target != nil && a.Target.AlertID != "" {
			name = a.Target.AlertID
		}
		line := "  " + mark + " " + name
		if why != "" {
			line += "  " + why
		} else if a.NativeState != "" {
			line += "  " + a.NativeState
		}
		put(st, safetext.Text(line))
	}
	for i, a := range r.Failed {
		why := a.Error
		if errs := r.Errs(); i < len(errs) {
			why = errs[i].Error()
		}
		one(t.Err, t.Glyphs.Cross, a, why)
	}
	for _, a := range r.Succeeded {
		one(t.OK, t.Glyphs.Check, a, "")
	}
	for _, a := range r.Pending {
		one(t.Accent, t.Glyphs.HalfDot, a, string(a.State))
	}
	for _, a := range r.Skipped {
		one(t.Dim, t.Glyphs.Ring, a, "")
	}
}
