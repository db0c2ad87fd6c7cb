package tui

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/edrctl/edrctl/internal/change"
	"github.com/edrctl/edrctl/internal/model"
	"github.com/edrctl/edrctl/internal/safetext"
)

// Fields and buttons of an actDialog, in the order of Tab.
const (
	atCancel = iota
	atComment
	atCase
	atTyped
	atQueue
	atRequests
	atGo
	atEnd
)

// actDialog plans one action, shows it, asks, carries it out and shows how it
// went. It never sends twice.
type actDialog struct {
	c           choice
	params      Params
	form        *formDialog // beneath, where the parameters were asked for
	queue       bool        // send it also to hosts that are not ready
	plan_       *change.Plan
	err         error
	comment     editor
	caseID      editor
	typed       editor
	at          int
	requests    bool
	gracePeriod gracePeriod
	running     bool
	result      *change.Result
	states      map[string]string // by action id, while it runs
	began       time.Time
	scroll      int
}

func newActDialog(s *shell, c choice) *actDialog {
	d := &actDialog{c: c, states: map[string]string{}, at: atCancel}
	d.caseID.set(s.app.caseID)
	return d
}

func (d *actDialog) opened(s *shell) { d.gracePeriod.begin(s.now()) }

type (
	planRead struct {
		d    *actDialog
		plan *change.Plan
		err  error
	}
	stepIn struct {
		d        *actDialog
		id, text string
	}
	actDone struct {
		d   *actDialog
		res *change.Result
	}
)

func (d *actDialog) plan(s *shell) tea.Cmd {
	if d.c.verdict != "" {
		d.params.Verdict = d.c.verdict
	}
	o := Order{Verb: d.c.verb, Records: d.c.records, Params: d.params}
	actor := s.actor
	d.began = s.now()
	return s.runAsync(func(ctx context.Context) any {
		p, err := actor.Plan(ctx, o)
		return planRead{d, p, err}
	})
}

func (d *actDialog) take(s *shell, msg any) bool {
	switch m := msg.(type) {
	case planRead:
		if m.d != d {
			return false
		}
		d.plan_, d.err = m.plan, m.err
		s.requireLoginFor(m.err)
		d.gracePeriod.begin(s.now()) // what was typed while waiting was for something else
		return true
	case stepIn:
		if m.d != d {
			return false
		}
		d.states[m.id] = m.text
		return true
	case actDone:
		if m.d != d {
			return false
		}
		d.running, d.result = false, m.res
		d.gracePeriod.begin(s.now())
		return true
	}
	return false
}

// outcome is one line of how it went.
func (d *actDialog) outcome() safetext.Display {
	r := d.result
	if r == nil {
		return safetext.Text(d.c.label + " continues; :actions shows it")
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
	if n := d.plan_.Hosts(); n > change.FreeHosts {
		return fmt.Sprintf("%d hosts", n)
	}
	return ""
}

// blocked says why the action cannot be sent now.
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
		if d.at == atTyped && d.needTyped() == "" || d.at == atQueue && !d.canQueue() {
			continue
		}
		return
	}
}

// canQueue tells whether a host cannot take it now, but could later.
func (d *actDialog) canQueue() bool {
	for _, st := range d.plan_.Steps {
		if st.Preview.NotReady != "" && st.Err == nil {
			return true
		}
	}
	return false
}

func (d *actDialog) setQueue(on bool) {
	d.queue = on
	for _, st := range d.plan_.Steps {
		st.Change.Queue = on
	}
}

// shut closes the form beneath too: it was answered.
func (d *actDialog) shut(s *shell) {
	if d.form != nil {
		s.app.dialogs = slices.DeleteFunc(s.app.dialogs, func(x dialog) bool { return x == dialog(d.form) })
		d.form = nil
	}
}

// after reads again what the action may have changed in the view behind.
func (d *actDialog) after(s *shell) tea.Cmd {
	if d.result == nil {
		return nil
	}
	v := s.app.top()
	switch v.(type) {
	case *hostView, *recordView:
		return s.refresh(v)
	}
	switch v.name() {
	case "actions", "carves", "hosts":
		return s.refresh(v)
	}
	return nil
}

// collected are the references of the files the action brought to the server.
func (d *actDialog) collected() []string {
	var out []string
	if d.result == nil {
		return nil
	}
	for _, a := range slices.Concat(d.result.Succeeded, d.result.Pending) {
		for _, id := range a.Files {
			out = append(out, a.Profile+"/"+id)
		}
	}
	return out
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
		if d.result != nil || d.running {
			d.shut(s)
		}
		return true, d.after(s)
	}
	if d.result != nil || d.err != nil {
		switch name {
		case "enter", "q", "space":
			if d.gracePeriod.swallow(s.now()) {
				return false, nil
			}
			if d.result != nil {
				d.shut(s)
			}
			return true, d.after(s)
		case "d":
			if refs := d.collected(); len(refs) > 0 {
				d.shut(s)
				c := choice{verb: verbFetch, label: "download"}
				for _, ref := range refs {
					c.records = append(c.records, &model.Carve{Origin: model.Origin{Ref: ref}})
				}
				s.dialog(newForm(s, c))
				return true, nil
			}
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
	if d.gracePeriod.swallow(s.now()) {
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
		case atQueue:
			d.setQueue(!d.queue)
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
		switch d.at {
		case atRequests:
			d.requests = !d.requests
		case atQueue:
			d.setQueue(!d.queue)
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
	run := change.Run{Case: s.app.caseID, Comment: strings.TrimSpace(d.comment.value()), Wait: 2 * time.Minute}
	run.Update = func(u change.Update) {
		text := string(u.Action.State)
		if u.Action.NativeState != "" {
			text += " (" + u.Action.NativeState + ")"
		}
		if u.Note != "" {
			text += " " + u.Note
		}
		pump.put(answer{msg: stepIn{d, u.Step.Action, text}}, 1)
	}
	return s.runAsync(func(ctx context.Context) any { return actDone{d, actor.Execute(ctx, plan, run)} })
}
