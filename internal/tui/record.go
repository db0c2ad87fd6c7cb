package tui

import (
	"cmp"
	"context"
	"errors"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/edrctl/edrctl/internal/change"
	"github.com/edrctl/edrctl/internal/filter"
	"github.com/edrctl/edrctl/internal/model"
	"github.com/edrctl/edrctl/internal/ops"
	"github.com/edrctl/edrctl/internal/safetext"
	"github.com/edrctl/edrctl/internal/shellquote"
	"github.com/edrctl/edrctl/internal/tui/attack"
	"github.com/edrctl/edrctl/internal/tui/keys"
	"github.com/edrctl/edrctl/internal/tui/theme"
	"github.com/edrctl/edrctl/internal/tui/ui"
)

// recordView shows one record whole: an alert with its chain and the events
// behind it, or an event, a process, a hit.
type recordView struct {
	viewCore
	page
	r       model.Record
	also    []model.Record // the same as other profiles know it
	events  []*model.Event
	evDone  bool
	evErr   error
	around  bool            // the events are those around it: none are linked to it
	history []*model.Action // what was done about it, newest first
	histErr error
	madeFor int   // width the lines were made for
	madeAt  int64 // and the second
	theme   *theme.Theme
}

func newAlert(a *model.Alert) *recordView            { return &recordView{r: a, page: page{at: -1}} }
func newRecord(r model.Record) *recordView           { return &recordView{r: r, page: page{at: -1}} }
func (v *recordView) scopes() []keys.Scope           { return []keys.Scope{keys.Alert, keys.Views} }
func (v *recordView) selection() []model.Record      { return []model.Record{v.r} }
func (v *recordView) others() []model.Record         { return v.also }
func (v *recordView) status(*shell) safetext.Display { return v.page.status() }

func (v *recordView) title() string {
	switch r := v.r.(type) {
	case *model.Alert:
		return cmp.Or(r.Title, r.ID)
	case *model.Event:
		return string(r.Kind)
	case *model.Process:
		return cmp.Or(processName(r), "process")
	case *model.Hit:
		return r.Indicator.Value
	case *model.SigmaHit:
		return cmp.Or(r.Rule.Title, r.Rule.ID)
	case *model.Carve:
		return cmp.Or(model.BaseName(r.Path), "carve")
	case *model.Action:
		return change.Words(r.Verb)
	}
	return refOf(v.r)
}

type alertRead struct {
	a   *model.Alert
	err error
}

type eventsRead struct {
	list   []*model.Event
	around bool
	err    error
}

// historyRead is what was done about an alert.
type historyRead struct {
	list []*model.Action
	err  error
}

// nearEvents is how far around an alert events are shown when none are linked
// to it, and how many.
const (
	nearEvents     = time.Minute
	mostNearEvents = 40
)

// eventsBehind reads the events an alert was made of or, where the backend
// links none, those of its host around its time.
func eventsBehind(ctx context.Context, s *shell, a *model.Alert) eventsRead {
	var out eventsRead
	out.err = s.svc.AlertEvents(ctx, a.Ref, func(e *model.Event) bool {
		out.list = append(out.list, e)
		return len(out.list) < maxBehind
	})
	name := hostName(a.Host)
	if len(out.list) > 0 || out.err != nil && !ops.Unable(out.err) || name == "" || a.Time.IsZero() {
		return out
	}
	near := eventsRead{around: true}
	var req ops.Request
	req.Since, req.Until = a.Time.Add(-nearEvents), a.Time.Add(nearEvents)
	if err := req.Filter.Add(filter.Host, "="+name); err != nil {
		return out
	}
	for _, o := range s.svc.Events(ctx, req, func(e *model.Event) bool {
		if e.Profile == a.Profile || a.Profile == "" {
			near.list = append(near.list, e)
		}
		return len(near.list) < mostNearEvents
	}) {
		if o.Profile == a.Profile && o.Err != nil {
			near.err = o.Err
		}
	}
	if len(near.list) == 0 && near.err != nil {
		return out
	}
	return near
}

// triageOf reads what the journal knows was done about an alert.
func triageOf(ctx context.Context, s *shell, a *model.Alert) historyRead {
	list, err := s.actor.History(ctx, a)
	return historyRead{list, err}
}

// maxBehind bounds the events shown behind one alert.
const maxBehind = 500

func (v *recordView) open(s *shell) tea.Cmd {
	a, ok := v.r.(*model.Alert)
	if !ok {
		return nil
	}
	v.events, v.evDone = nil, false
	return tea.Batch(
		s.do(v, "reading the alert", func(ctx context.Context) any {
			full, err := s.svc.Alert(ctx, a.Ref)
			return alertRead{full, err}
		}),
		s.do(v, "reading its events", func(ctx context.Context) any {
			return eventsBehind(ctx, s, a)
		}),
		s.do(v, "reading what was done about it", func(ctx context.Context) any { return triageOf(ctx, s, a) }))
}

func (v *recordView) update(s *shell, msg any) tea.Cmd {
	switch m := msg.(type) {
	case alertRead:
		if m.err == nil && m.a != nil {
			v.r = m.a
		} else if m.err != nil && !ops.Unable(m.err) && !errors.Is(m.err, context.Canceled) {
			s.fail("reading the alert", m.err)
		}
	case eventsRead:
		v.events, v.evErr, v.around, v.evDone = m.list, m.err, m.around, true
	case historyRead:
		v.history, v.histErr = m.list, m.err
	case failed:
		s.fail(m.what, m.err)
	}
	v.madeFor = 0
	return nil
}

func (v *recordView) make(s *shell, w int) {
	at := s.now().Unix() // it tells how long ago things were
	if v.madeFor == w && v.theme == s.theme && v.madeAt == at {
		return
	}
	v.madeFor, v.theme, v.madeAt = w, s.theme, at
	c := &detailWriter{s: s, w: w}
	switch r := v.r.(type) {
	case *model.Alert:
		v.alert(c, r)
	case *model.Event:
		eventDetails(c, r)
	case *model.Process:
		c.process(r)
		if len(v.also) > 0 {
			also := make([]string, len(v.also))
			for i, x := range v.also {
				also[i] = x.GetOrigin().Profile
			}
			c.field("seen by", ui.Text(strings.Join(append([]string{r.Profile}, also...), ", ")), s.theme.Dim)
		}
		if q := r.Parent; q != nil {
			c.section("parent")
			c.process(&model.Process{UID: q.UID, PID: q.PID, Name: q.Name, Path: q.Path, CommandLine: q.CommandLine})
		}
		c.field("host", hostLine(r.Host), "")
	case *model.Hit:
		c.field("indicator", ui.Text(r.Indicator.Type+" "+r.Indicator.Value), s.theme.Warn)
		c.field("listed", ui.Text(r.Indicator.Source), "")
		c.field("host", hostLine(r.Host), "")
		c.field("first", s.moment(r.First), "")
		c.field("last", s.moment(r.Last), "")
		c.field("seen", safetext.Sprintf("%d times", r.Count), "")
		c.field("verdict", ui.Text(r.Verdict), "")
		c.field("note", ui.Text(r.Note), "")
		if r.Process != nil {
			c.section("process")
			c.process(r.Process)
		}
		if r.File != nil {
			c.section("file")
			c.field("path", ui.Text(r.File.Path), "")
			c.hash(r.File.Hash)
		}
		if len(r.Evidence) > 0 {
			c.section("evidence")
			for _, e := range r.Evidence {
				c.wrap("", ui.Text(e))
			}
		}
	case *model.SigmaHit:
		c.sigmaHit(r, s.describe(r))
	case *model.Action:
		c.field("action", safetext.Text(change.Words(r.Verb)), s.theme.Bold)
		c.field("state", safetext.Text(strings.TrimSpace(string(r.State)+" "+r.NativeState)), "")
		c.field("host", hostLine(r.Host), "")
		if x := r.Target; x != nil {
			c.field("on", ui.Text(x.String()), "")
		}
		if inForce(r) {
			c.field("in force", "yes: x undoes it", s.theme.Warn)
		}
		for _, k := range []string{"user", "case", "comment", "summary", "undoes", "undone_by"} {
			c.field(safetext.Text(strings.ReplaceAll(k, "_", " ")), ui.Text(r.Details[k]), "")
		}
		c.field("asked", s.moment(r.RequestedAt), "")
		c.field("finished", s.moment(r.FinishedAt), "")
		c.field("undo with", safetext.Text(r.Inverse), "")
		c.field("note", ui.Text(r.Error), s.theme.Warn)
		c.field("id", ui.Text(r.Ref), s.theme.Dim)
		if r.Stdout != "" || r.Stderr != "" {
			c.section("output")
			for _, d := range ui.Wrap(safetext.Lines(r.Stdout+r.Stderr), w) {
				c.lines = append(c.lines, text("", ui.Text(string(d))))
			}
		}
	case *model.Carve:
		c.field("path", ui.Text(r.Path), "")
		c.field("host", hostLine(r.Host), "")
		c.field("state", safetext.Text(string(r.State)), "")
		c.field("size", safetext.Sprintf("%d bytes", r.Size), "")
		c.field("created", s.moment(r.Created), "")
		sum, path := r.SHA256, r.SavedTo
		if got := s.app.work.saved[r.Ref]; got != nil {
			sum, path = got.Saved.Hashes.SHA256, got.Saved.Path
		}
		c.field("sha256", ui.Text(sum), "")
		c.field("saved to", ui.Text(path), "")
		switch share, what := s.carveProgress(r); {
		case what != "":
			c.field("download", what, "")
		case share >= 0:
			c.field("progress", safetext.Display(meter(s.theme, share, 20))+safetext.Sprintf(" %.0f%%", share*100), s.theme.Accent)
		}
	}
	if cmd := v.command(s); cmd != "" {
		c.section("the same on the command line")
		c.wrap(s.theme.Dim, ui.Text(cmd))
	}
	v.lines = c.lines
}

func (v *recordView) alert(c *detailWriter, a *model.Alert) {
	t := c.s.theme
	c.alertHead(a)
	for _, x := range a.Attack {
		if k, ok := attack.Find(x.Technique.ID); ok && k.Revoked {
			c.wrap(t.Warn, safetext.Sprintf("%s was revoked by MITRE; the rule is older than that", k.ID))
		}
	}
	c.chain(a)
	if a.Process != nil {
		c.section("process")
		c.process(a.Process)
	}
	if a.Target != nil {
		c.section("target")
		c.process(a.Target)
	}
	if len(a.Indicators) > 0 {
		c.section("indicators")
		for _, i := range a.Indicators {
			c.field(ui.Cut(ui.Text(cmp.Or(i.Type, "other")), labelWidth-1, t.Glyphs.Ellipsis), ui.Text(strings.TrimSpace(i.Value)), "")
		}
	}
	if v.around {
		c.section(safetext.Sprintf("events around it, %s before and after (e shows more)", age(nearEvents)))
	} else {
		c.section("events behind it")
	}
	switch {
	case !v.evDone:
		c.wrap(t.Dim, "reading…")
	case v.evErr != nil && ops.Unable(v.evErr):
		c.wrap(t.Dim, "this backend does not link alerts to events; e shows those around it")
	case v.evErr != nil:
		c.wrap(t.Err, safetext.Text(v.evErr.Error()))
	case len(v.events) == 0:
		c.wrap(t.Dim, "none")
	}
	for _, e := range v.events {
		c.lines = append(c.lines, para{
			{t.Dim, c.s.clock(e.Time, 8) + "  "}, {t.Accent, pad(ui.Text(string(e.Kind)), 16) + " "}, {"", eventSummary(e)},
		})
	}
	c.section("triage")
	state := string(a.Status)
	if a.StatusNative != "" && !strings.EqualFold(a.StatusNative, state) {
		state += " (" + a.StatusNative + ")"
	}
	c.field("status", ui.Text(state), statusStyle(t, a.Status))
	if a.Verdict != "" {
		c.field("verdict", safetext.Text(strings.ReplaceAll(string(a.Verdict), "_", " ")), "")
	}
	for _, h := range v.history {
		c.lines = append(c.lines, triageLine(c.s, h))
		if why := cmp.Or(h.Details["comment"], h.Error); why != "" {
			c.wrap(t.Dim, "  "+ui.Text(why))
		}
	}
	switch {
	case v.histErr != nil && !errors.Is(v.histErr, errNoActing):
		c.wrap(t.Warn, safetext.Text("what was done about it is not known: "+v.histErr.Error()))
	case len(v.history) == 0:
		c.wrap(t.Dim, "nothing was done about it from here")
	}
	if a.URL != "" {
		c.field("console", ui.Text(a.URL), t.Dim)
	}
}

// triageLine is one thing that was done about an alert: when, what, how it
// went, by whom and for which case.
func triageLine(s *shell, a *model.Action) para {
	t := s.theme
	st, mark := t.OK, t.Glyphs.Check
	switch {
	case !a.State.Final():
		st, mark = t.Accent, t.Glyphs.HalfDot
	case a.State != model.ActionDone:
		st, mark = t.Err, t.Glyphs.Cross
	}
	p := para{{t.Dim, s.clock(a.RequestedAt, 11) + "  "}, {st, safetext.Display(mark + " ")}, {"", safetext.Text(change.Words(a.Verb))}}
	if a.State != model.ActionDone {
		p = append(p, span{st, safetext.Text(" " + string(a.State))})
	}
	if inForce(a) {
		p = append(p, span{t.Warn, " in force"})
	}
	if who := a.Details["user"]; who != "" {
		p = append(p, span{t.Dim, " by " + ui.Text(who)})
	}
	if id := a.Details["case"]; id != "" {
		p = append(p, span{t.Dim, " for " + ui.Text(id)})
	}
	return p
}

func (v *recordView) command(*shell) string {
	show := func(command string) string { return shellquote.Join(command, refOf(v.r)) }
	switch r := v.r.(type) {
	case *model.Alert:
		return show("edrctl alerts get")
	case *model.Event:
		return show("edrctl events get")
	case *model.Host:
		return show("edrctl hosts get")
	case *model.Process:
		if r.ID != "" {
			return show("edrctl processes tree")
		}
	case *model.Action:
		return show("edrctl respond get")
	case *model.Carve:
		return show("edrctl carve download")
	}
	return ""
}

func (v *recordView) key(s *shell, a keys.Action, _ string) (tea.Cmd, bool) {
	if v.page.key(s, a) {
		return nil, true
	}
	switch a {
	case keys.Tree, keys.Events, keys.Host, keys.Pivot, keys.Raw:
		return drill(s, a, v.r), true
	case keys.Open:
		if treeFor(v.r) != nil {
			return drill(s, keys.Tree, v.r), true
		}
		return nil, true
	case keys.Hunt:
		s.huntSelection(v.selection())
		return nil, true
	}
	return nil, false
}

func (v *recordView) mouse(_ *shell, m mouse) tea.Cmd {
	v.wheel(m)
	return nil
}

func (v *recordView) hints(*shell) []hint {
	off := func(ok bool, why string) string {
		if ok {
			return ""
		}
		return why
	}
	return []hint{
		{action: keys.Tree, off: off(treeFor(v.r) != nil, "no process")}, {action: keys.Events},
		{action: keys.Act}, {action: keys.Pivot, off: off(hashOf(v.r) != "", "no hash")},
		{action: keys.Host, off: off(hostOf(v.r) != nil, "no host")}, {action: keys.Raw}, {action: keys.Back},
	}
}

func (v *recordView) draw(s *shell, w, h int) []string {
	v.make(s, w-4)
	lines := v.page.draw(s.theme, w-4, h)
	for i := range lines {
		lines[i] = "  " + lines[i] + "  "
	}
	return lines
}
