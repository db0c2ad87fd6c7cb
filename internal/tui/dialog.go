package tui

import (
	"context"
	"fmt"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/edrctl/edrctl/internal/model"
	"github.com/edrctl/edrctl/internal/ops"
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
	graceQuiet  = 425 * time.Millisecond
	graceAtMost = 1500 * time.Millisecond
)

// grace swallows keys in flight.
type grace struct{ from, last time.Time }

func (g *grace) begin(now time.Time) { g.from, g.last = now, now }

// swallow tells whether a key comes too early to be an answer.
func (g *grace) swallow(now time.Time) bool {
	early := now.Sub(g.last) < graceQuiet && now.Sub(g.from) < graceAtMost
	g.last = now
	return early
}

// frameBox draws a border with a title around lines.
func frameBox(t *theme.Theme, title safetext.Display, st theme.Style, lines []string, w int) []string {
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
	bottom := ui.NewLine(t, w, "").Glyph(t.Border, g.BL+strings.Repeat(g.Horiz, w-2)+g.BR)
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
	if s.app.opt.Replay != "" {
		s.warn("a replay changes nothing: acting is off")
		return nil
	}
	all := true
	for _, p := range s.svc.Profiles() {
		all = all && p.ReadOnly
	}
	if all {
		s.warn("read-only: acting is off")
		return nil
	}
	about := ui.Text(refOf(records[0]))
	if h := hostOf(records[0]); h != nil {
		about = ui.Text(hostName(h))
	}
	if a, ok := records[0].(*model.Alert); ok {
		about = ui.Text(a.Title)
	}
	if len(records) > 1 {
		about = safetext.Display(fmt.Sprintf("%d selected", len(records)))
	}
	actor, profiles := s.actor, s.svc.Profiles()
	return s.ask(func(context.Context) any { return menuRead{about, choices(actor, records, profiles)} })
}

// ask runs something whose answer is not a view's.
func (s *shell) ask(f func(ctx context.Context) any) tea.Cmd {
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
	cursor int
	grace  grace
}

func (d *menuDialog) opened(s *shell) {
	d.grace.begin(s.now())
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
	case "enter":
		if d.grace.swallow(s.now()) {
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
	a := newActDialog(s, c)
	s.dialog(a)
	return true, a.plan(s)
}

func (d *menuDialog) draw(s *shell, maxW, maxH int) ([]string, int, int, int) {
	t := s.theme
	w := min(maxW, 76)
	var lines []string
	first := max(0, d.cursor-(maxH-3)+1)
	for i := first; i < len(d.choices) && len(lines) < maxH-2; i++ {
		c := d.choices[i]
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
		if l.Left() > 8 && tail != "" {
			l.Space(2).Put(t.Dim, safetext.Text(tail))
		}
		lines = append(lines, l.String())
	}
	return frameBox(t, "act on "+d.about, t.Title, lines, w), w, -1, 0
}

// Fields and buttons of an actDialog, in the order of Tab.
const (
	atCancel = iota
	atComment
	atCase
	atTyped
	atRequests
	atGo
	atEnd
)

// actDialog plans one action, shows it, asks, carries it out and shows how it
// went. It never sends twice.
type actDialog struct {
	c        choice
	plan_    *ops.Plan
	err      error
	comment  editor
	caseID   editor
	typed    editor
	at       int
	requests bool
	grace    grace
	running  bool
	result   *ops.Result
	states   map[string]string // by action id, while it runs
	began    time.Time
	scroll   int
}

func newActDialog(s *shell, c choice) *actDialog {
	d := &actDialog{c: c, states: map[string]string{}, at: atCancel}
	d.caseID.set(s.app.caseID)
	return d
}

func (d *actDialog) opened(s *shell) { d.grace.begin(s.now()) }

type (
	planRead struct {
		d    *actDialog
		plan *ops.Plan
		err  error
	}
	stepIn struct {
		d        *actDialog
		id, text string
	}
	actDone struct {
		d   *actDialog
		res *ops.Result
	}
)

func (d *actDialog) plan(s *shell) tea.Cmd {
	o := Order{Verb: d.c.verb, Records: d.c.records}
	actor := s.actor
	d.began = s.now()
	return s.ask(func(ctx context.Context) any {
		p, err := actor.Plan(ctx, o)
		return planRead{d, p, err}
	})
}

func (d *actDialog) take(s *shell, msg any) (tea.Cmd, bool) {
	switch m := msg.(type) {
	case planRead:
		if m.d != d {
			return nil, false
		}
		d.plan_, d.err = m.plan, m.err
		d.grace.begin(s.now()) // what was typed while waiting was for something else
		return nil, true
	case stepIn:
		if m.d != d {
			return nil, false
		}
		d.states[m.id] = m.text
		return nil, true
	case actDone:
		if m.d != d {
			return nil, false
		}
		d.running, d.result = false, m.res
		d.grace.begin(s.now())
		return nil, true
	}
	return nil, false
}

// outcome is one line of how it went.
func (d *actDialog) outcome() safetext.Display {
	r := d.result
	if r == nil {
		return safetext.Text(d.c.label + " goes on; :actions shows it")
	}
	parts := []string{}
	put := func(n int, what string) {
		if n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, what))
		}
	}
	put(len(r.Succeeded), "done")
	put(len(r.Pending), "under way")
	put(len(r.Skipped), "nothing to do")
	put(len(r.Failed), "failed")
	return safetext.Text(d.c.label + ": " + strings.Join(parts, ", "))
}

func (d *actDialog) needTyped() string {
	if d.plan_ == nil {
		return ""
	}
	if w := d.plan_.Typed(); w != "" {
		return w
	}
	if n := d.plan_.Hosts(); n > ops.FreeHosts {
		return fmt.Sprintf("%d hosts", n)
	}
	return ""
}

// blocked says why the action cannot be sent as things stand.
func (d *actDialog) blocked() string {
	switch {
	case d.plan_ == nil:
		return "it is being looked at"
	case d.plan_.Sendable() == 0:
		return "there is nothing that can be sent"
	case d.needTyped() != "" && !strings.EqualFold(strings.TrimSpace(d.typed.value()), d.needTyped()):
		return "type " + d.needTyped() + " first"
	}
	return ""
}

func (d *actDialog) field() *editor {
	switch d.at {
	case atComment:
		return &d.comment
	case atCase:
		return &d.caseID
	case atTyped:
		return &d.typed
	}
	return nil
}

func (d *actDialog) move(by int) {
	for {
		d.at = (d.at + by + atEnd) % atEnd
		if d.at == atTyped && d.needTyped() == "" {
			continue
		}
		return
	}
}

func (d *actDialog) paste(s *shell, text string) {
	if d.at == atTyped {
		s.warn("the name must be typed")
		return
	}
	if f := d.field(); f != nil {
		f.paste(strings.TrimSpace(text))
	}
}

func (d *actDialog) key(s *shell, name string, k tea.KeyPressMsg) (bool, tea.Cmd) {
	if name == "esc" || name == "ctrl+c" {
		return true, nil
	}
	if d.result != nil || d.err != nil {
		switch name {
		case "enter", "q", "space":
			if d.grace.swallow(s.now()) {
				return false, nil
			}
			return true, nil
		case "down", "j":
			d.scroll++
		case "up", "k":
			d.scroll = max(0, d.scroll-1)
		}
		return false, nil
	}
	if d.running {
		return false, nil
	}
	if d.grace.swallow(s.now()) {
		return false, nil
	}
	if d.plan_ == nil {
		return name == "enter" && d.at == atCancel, nil
	}
	switch name {
	case "tab", "down":
		d.move(1)
		return false, nil
	case "shift+tab", "up":
		d.move(-1)
		return false, nil
	case "enter":
		switch d.at {
		case atCancel:
			return true, nil
		case atRequests:
			d.requests = !d.requests
		case atGo:
			return false, d.send(s)
		default:
			d.move(1)
		}
		return false, nil
	}
	if f := d.field(); f != nil {
		f.key(k)
		return false, nil
	}
	switch name {
	case "left", "h", "right", "l":
		switch d.at {
		case atCancel:
			d.at = atGo
		case atGo:
			d.at = atCancel
		}
	case "space":
		if d.at == atRequests {
			d.requests = !d.requests
		}
	}
	return false, nil
}

// send carries the plan out, once.
func (d *actDialog) send(s *shell) tea.Cmd {
	if why := d.blocked(); why != "" {
		s.warn(safetext.Text(why))
		return nil
	}
	if d.running || d.result != nil {
		return nil
	}
	if err := d.plan_.Approve(d.plan_.Hosts()); err != nil {
		d.err = err
		return nil
	}
	d.running = true
	d.began = s.now()
	s.app.caseID = strings.TrimSpace(d.caseID.value())
	for _, st := range d.plan_.Steps {
		st.Change.Comment = strings.TrimSpace(d.comment.value())
	}
	plan, actor, pump := d.plan_, s.actor, s.pump
	run := ops.Run{Case: s.app.caseID, Comment: strings.TrimSpace(d.comment.value()), Wait: 30 * time.Second}
	run.Update = func(u ops.Update) {
		text := string(u.Action.State)
		if u.Action.NativeState != "" {
			text += " (" + u.Action.NativeState + ")"
		}
		if u.Note != "" {
			text += " " + u.Note
		}
		pump.put(answer{msg: stepIn{d, u.Step.Action, text}}, 1)
	}
	return s.ask(func(ctx context.Context) any { return actDone{d, actor.Execute(ctx, plan, run)} })
}

func (d *actDialog) draw(s *shell, maxW, maxH int) ([]string, int, int, int) {
	t := s.theme
	w := min(maxW, 88)
	inner := w - 4
	cx, cy := -1, 0
	var lines []string
	put := func(st theme.Style, text safetext.Display) {
		for _, part := range ui.Wrap(text, inner) {
			lines = append(lines, ui.NewLine(t, inner, "").Put(st, part).String())
		}
	}
	// The target stands in the title too: it must be seen at any size.
	title := safetext.Text(d.c.label)
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
		put(t.Dim, "enter closes")
	case d.plan_ == nil:
		put(t.Dim, safetext.Sprintf("looking at what it would do… %s", age(s.now().Sub(d.began))))
		put(t.Dim, "esc cancels; nothing was sent")
	case d.result != nil:
		put(t.Bold, d.outcome())
		d.results(s, put)
		put("", "")
		put(t.Dim, "enter closes")
	default:
		d.targets(s, put, max(2, maxH-12))
		if d.running {
			put("", "")
			put(t.Accent, safetext.Sprintf("sent; waiting %s (esc hides this, the action goes on)", age(s.now().Sub(d.began))))
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
			}
			lines = append(lines, l.String())
		}
		put("", "")
		field(atComment, "comment", &d.comment)
		field(atCase, "case", &d.caseID)
		if n := d.needTyped(); n != "" {
			put(t.DialogDanger, safetext.Sprintf("type %s to go on:", n))
			field(atTyped, "name", &d.typed)
		}
		if d.requests {
			for _, st := range d.plan_.Steps {
				for _, r := range st.Preview.Requests {
					put(t.Dim, "  "+safetext.Text(r))
				}
			}
		}
		put("", "")
		l := ui.NewLine(t, inner, "")
		button := func(at int, label safetext.Display, st theme.Style) {
			if d.at == at {
				st = t.DialogButton
			}
			l.Put(st, "[ "+label+" ]").Space(2)
		}
		button(atCancel, "Cancel", "")
		request := safetext.Display("Requests")
		if d.requests {
			request = "Hide"
		}
		button(atRequests, request, t.Dim)
		go_ := t.DialogDanger
		if d.blocked() != "" {
			go_ = t.KeyOff
		}
		word, _, _ := strings.Cut(d.c.label, " ")
		button(atGo, safetext.Text(word), go_)
		lines = append(lines, l.String())
		if why := d.blocked(); why != "" && d.at == atGo {
			put(t.Warn, safetext.Text(why))
		}
	}
	if room := maxH - 2; len(lines) > room {
		from := len(lines) - room
		if d.result != nil || d.err != nil {
			from = min(d.scroll, from)
			d.scroll = from
		}
		lines = lines[from : from+room]
		cy -= from
	}
	st := t.Title
	if d.c.danger {
		st = t.DialogDanger
	}
	return frameBox(t, title, st, lines, w), w, cx, cy
}

// targets lists what it is on, what it would do, and what cannot be.
func (d *actDialog) targets(s *shell, put func(theme.Style, safetext.Display), most int) {
	t := s.theme
	p := d.plan_
	put(t.Bold, safetext.Sprintf("on %s%s", count(p.Sendable(), "target"), map[bool]string{true: fmt.Sprintf(", %d left out", len(p.Steps)-p.Sendable())}[p.Sendable() < len(p.Steps)]))
	for i, st := range p.Steps {
		if i == most {
			put(t.Dim, safetext.Sprintf("… and %d more", len(p.Steps)-i))
			break
		}
		line := "  " + st.Name()
		if st.Source != nil {
			line += " (" + st.Source.Profile + ")"
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
	} else if p.Sendable() > 0 {
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
