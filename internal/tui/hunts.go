package tui

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/edrctl/edrctl/internal/hunt"
	"github.com/edrctl/edrctl/internal/model"
	"github.com/edrctl/edrctl/internal/ops"
	"github.com/edrctl/edrctl/internal/safetext"
	"github.com/edrctl/edrctl/internal/shellquote"
	"github.com/edrctl/edrctl/internal/tui/keys"
	"github.com/edrctl/edrctl/internal/tui/theme"
	"github.com/edrctl/edrctl/internal/tui/ui"
)

// huntsView starts hunts and lists those of this session.
type huntsView struct {
	viewCore
	cursor int
}

func newHunts() *huntsView { return &huntsView{} }

func (v *huntsView) title() string         { return "hunts" }
func (v *huntsView) name() string          { return "hunts" }
func (v *huntsView) Len() int              { return 0 }
func (v *huntsView) command(*shell) string { return "edrctl hunt ioc -f FILE" }

func (v *huntsView) key(s *shell, a keys.Action, _ string) (tea.Cmd, bool) {
	hunts := s.app.hunts
	switch a {
	case keys.Up:
		v.cursor = max(0, v.cursor-1)
	case keys.Down:
		v.cursor = min(len(hunts), v.cursor+1)
	case keys.Open, keys.Right:
		if v.cursor == 0 {
			s.huntPrompt("")
			return nil, true
		}
		if i := len(hunts) - v.cursor; i >= 0 {
			h := hunts[i]
			s.ids++
			s.show(h)
			return nil, true
		}
	case keys.Hunt:
		s.huntPrompt("")
	case keys.Stop:
		if i := len(hunts) - v.cursor; v.cursor > 0 && i >= 0 {
			hunts[i].halt(s)
		}
	default:
		return nil, false
	}
	return nil, true
}

func (v *huntsView) scopes() []keys.Scope { return []keys.Scope{keys.Hunts, keys.Views} }

func (v *huntsView) hints(*shell) []hint {
	return []hint{{action: keys.Open}, {action: keys.Hunt, short: "new hunt"}, {action: keys.Stop}, {action: keys.Back}}
}

// hunted is a hunt of the session: it continues when its view is left.
type hunted interface {
	view
	halt(s *shell)
	state(t *theme.Theme) (theme.Style, safetext.Display) // in one word
	found() int                                           // hits
	subject() string                                      // what is hunted
}

func (v *huntsView) draw(s *shell, w, _ int) []string {
	t := s.theme
	v.cursor = min(v.cursor, len(s.app.hunts))
	lines := []string{ui.NewLine(t, w, "").Space(1).Put(t.Head, "HUNTS OF THIS SESSION").String()}
	add := func(i int, draw func(l *ui.Line)) {
		ground := theme.Style("")
		if i == v.cursor {
			ground = t.Selected
		}
		l := ui.NewLine(t, w, ground).Space(2)
		draw(l)
		lines = append(lines, l.String())
	}
	add(0, func(l *ui.Line) { l.Put(t.Accent, "+ new hunt: indicators, or the name of a file") })
	for i := range s.app.hunts {
		h := s.app.hunts[len(s.app.hunts)-1-i]
		add(i+1, func(l *ui.Line) {
			st, state := h.state(t)
			l.Cell(st, state, 8, false).Space(1)
			hits := t.Dim
			if h.found() > 0 {
				hits = t.Err
			}
			l.Cell(hits, safetext.Display(count(h.found(), "hit")), 9, false).Space(1)
			l.Put("", ui.Text(h.subject()))
		})
	}
	return lines
}

// huntView is one hunt: its progress, and its hits.
type huntView struct {
	*listView[*model.Hit]
	text     string // indicators; or the name of a file
	file     bool
	about    string
	prog     hunt.Progress
	sum      hunt.Summary
	problems []string
	finished bool
	err      error
	started  time.Time
	ended    time.Time
	stop     context.CancelFunc
	stopped  bool
}

func newHunt(text, about string) *huntView {
	v := &huntView{text: text, about: about}
	return v
}

func (v *huntView) found() int {
	if v.listView == nil {
		return 0
	}
	return len(v.all)
}

func (v *huntView) subject() string { return v.about }

func (v *huntView) state(t *theme.Theme) (theme.Style, safetext.Display) {
	switch {
	case v.stopped && v.finished:
		return t.Warn, "stopped"
	case v.err != nil:
		return t.Err, "failed"
	case !v.finished:
		return t.Accent, safetext.Sprintf("%d/%d", v.prog.Done, v.prog.Units)
	}
	return t.Dim, "done"
}

func (v *huntView) core() *viewCore {
	if v.listView == nil {
		v.listView = &listView[*model.Hit]{}
	}
	return &v.viewCore
}

func (v *huntView) title() string { return "hunt " + v.about }
func (v *huntView) name() string  { return "" }

func (v *huntView) progress() (int, int) {
	if v.finished {
		return 0, 0
	}
	return v.prog.Done, max(v.prog.Units, 1)
}

// show opens a view that was open before, with what it has.
func (s *shell) show(v view) {
	a := s.app
	a.last = a.stack
	a.stack = append(a.stack[:len(a.stack):len(a.stack)], v)
}

func (v *huntView) open(s *shell) tea.Cmd {
	if v.finished {
		return nil
	}
	core := v.viewCore
	v.listView = newList("hunt "+v.about, "", "hit", hitColumns(s))
	v.viewCore = core
	v.index = map[string]int{}
	v.started = s.now()
	v.note = "no hits so far"
	if !slices.Contains(s.app.hunts, hunted(v)) {
		s.app.hunts = append(s.app.hunts, v)
	}
	// A hunt continues when its view is left: it belongs to the session.
	v.ctx, v.stop = context.WithCancel(s.ctx)
	id, gen := v.id, v.gen
	span := hunt.Span{Since: s.now().Add(-s.app.opt.Window), Began: s.now()}
	text, file := v.text, v.file
	return s.do(v, "hunting", func(ctx context.Context) any {
		var r io.Reader = strings.NewReader(text)
		name := "typed"
		if file {
			b, err := os.ReadFile(text)
			if err != nil {
				return huntDone{err: err}
			}
			r, name = bytes.NewReader(b), text
		}
		last := time.Time{}
		res, err := s.svc.Hunt(ctx, r, name, span, HuntObserver{
			Progress: func(p hunt.Progress) {
				if time.Since(last) < pumpEvery && p.Done > 1 {
					return
				}
				last = time.Now()
				s.pump.put(answer{view: id, gen: gen, msg: p}, 1)
			},
			OnHit: func(h *model.Hit) { s.pump.put(answer{view: id, gen: gen, msg: hitSeen{h}}, 1) },
		})
		// The end goes the way the hits went, so that it comes last.
		s.pump.put(answer{view: id, gen: gen, msg: huntDone{res, err}}, 1)
		return nil
	})
}

// hitSeen is a hit on the way; the end of the hunt replaces it.
type hitSeen struct{ h *model.Hit }

type huntDone struct {
	res HuntResult
	err error
}

func (v *huntView) update(s *shell, msg any) tea.Cmd {
	switch m := msg.(type) {
	case hunt.Progress:
		if !v.finished {
			v.prog = m
		}
	case hitSeen:
		if !v.finished {
			v.take([]*model.Hit{m.h})
		}
	case nil:
	case huntDone:
		v.finished, v.loaded, v.ended = true, true, s.now()
		v.err, v.sum, v.problems = m.err, m.res.Summary, m.res.Problems
		v.listView.err = m.err
		v.note = "no hits"
		if m.res.Hits != nil || m.err == nil {
			v.all, v.index = nil, map[string]int{} // what was shown early is in it, complete
		}
		v.take(m.res.Hits)
		v.stop()
		for _, p := range m.res.Summary.Profiles {
			if ops.NeedsLogin(p.Err) {
				s.requireLogin(p.Profile, p.Err)
			}
		}
		switch {
		case v.stopped:
			v.note = "stopped before anything was found"
			s.notify(safetext.Sprintf("the hunt was stopped: %s so far", count(len(v.all), "hit")))
		case m.err != nil && !errors.Is(m.err, context.Canceled):
			s.fail("the hunt", m.err)
		case m.err == nil:
			s.notify(safetext.Sprintf("the hunt is over: %s", count(len(m.res.Hits), "hit")))
		}
	default:
		return v.listView.update(s, msg)
	}
	return nil
}

func (v *huntView) scopes() []keys.Scope { return []keys.Scope{keys.Hunts, keys.List, keys.Views} }

func (v *huntView) key(s *shell, a keys.Action, key string) (tea.Cmd, bool) {
	if a == keys.Stop {
		v.halt(s)
		return nil, true
	}
	return v.listView.key(s, a, key)
}

// halt stops a hunt; what was found stays.
func (v *huntView) halt(s *shell) {
	if v.finished || v.stop == nil {
		s.warn("it is over")
		return
	}
	v.stopped = true
	v.stop()
	s.warn("stopping…")
}

func (v *huntView) hints(s *shell) []hint {
	stop := hint{action: keys.Stop}
	if v.finished {
		stop.off = "it is over"
	}
	if v.finished {
		return append(v.listView.hints(s), stop)
	}
	return append([]hint{{action: keys.Open}, stop}, v.listView.hints(s)...)
}

func (v *huntView) command(*shell) string {
	if v.file {
		return "edrctl hunt ioc -f " + shellquote.Arg(v.text)
	}
	return "printf '%s\\n' " + shellquote.Arg(v.text) + " | edrctl hunt ioc -f -"
}

func (v *huntView) draw(s *shell, w, h int) []string {
	t := s.theme
	l := ui.NewLine(t, w, "").Space(1)
	if !v.finished {
		share := 0.0
		if v.prog.Units > 0 {
			share = float64(v.prog.Done) / float64(v.prog.Units)
		}
		l.Glyph(t.Accent, meter(t, share, min(24, w/4))).Space(1)
		l.Put("", safetext.Sprintf("%d of %s", v.prog.Done, count(v.prog.Units, "request")))
		l.Put(map[bool]theme.Style{true: t.Err, false: t.Dim}[len(v.all) > 0], safetext.Sprintf("  %s", count(len(v.all), "hit")))
		if v.prog.Events > 0 {
			l.Put(t.Dim, safetext.Sprintf("  %s searched", count(v.prog.Events, "event")))
		}
		l.Put(t.Dim, safetext.Sprintf("  %s", age(s.now().Sub(v.started))))
	} else {
		switch {
		case v.stopped:
			l.Put(t.Warn, safetext.Sprintf("stopped, %s", count(len(v.all), "hit")))
		case v.err != nil:
			l.Put(t.Err, safetext.Sprintf("failed, %s", count(len(v.all), "hit")))
		default:
			l.Put("", safetext.Sprintf("%s, %s", count(v.sum.Indicators, "indicator"), count(len(v.all), "hit")))
		}
		for _, p := range v.sum.Profiles {
			st := t.Dim
			note := safetext.Sprintf("  %s %d", p.Profile, p.Hits)
			if p.Err != nil {
				st, note = t.Err, safetext.Sprintf("  %s failed", p.Profile)
			} else if len(p.Unsearched) > 0 {
				st = t.Warn
				note += safetext.Sprintf(" (%s not searchable)", count(len(p.Unsearched), "type"))
			}
			l.Put(st, note)
		}
		if len(v.problems) > 0 {
			l.Put(t.Warn, safetext.Sprintf("  %s", model.Amount(len(v.problems), "line is not an indicator", "lines are not indicators")))
		}
	}
	lines := []string{l.String()}
	return append(lines, v.listView.draw(s, w, h-1)...)
}

func (v *huntView) mouse(s *shell, m mouse) tea.Cmd {
	m.y--
	return v.listView.mouse(s, m)
}

func hitColumns(s *shell) []ui.Column[*model.Hit] {
	value := textColumn("value", "INDICATOR", 30, 14, 100, func(h *model.Hit) string { return h.Indicator.Value }, nil)
	value.Flex = true
	return []ui.Column[*model.Hit]{
		timeColumn(s, "last", "LAST", func(h *model.Hit) model.Time { return h.Last }),
		textColumn("type", "TYPE", 9, 6, 70, func(h *model.Hit) string { return h.Indicator.Type }, dim[*model.Hit]),
		value,
		textColumn("host", "HOST", 14, 9, 95, func(h *model.Hit) string { return hostName(h.Host) }, nil),
		textColumn("process", "PROCESS", 16, 10, 80, func(h *model.Hit) string {
			if h.Process != nil {
				return processName(h.Process)
			}
			if h.File != nil {
				return cmp.Or(h.File.Name, model.BaseName(h.File.Path))
			}
			return ""
		}, dim[*model.Hit]),
		{ID: "count", Title: "SEEN", Width: 5, Right: true, Prio: 60, Down: true,
			Cell: func(t *theme.Theme, h *model.Hit, _ int) (theme.Style, safetext.Display) {
				return t.Dim, safetext.Sprintf("%d", h.Count)
			},
			Compare: func(a, b *model.Hit) int { return cmp.Compare(a.Count, b.Count) }},
		backendColumn[*model.Hit](s),
		textColumn("source", "LISTED IN", 14, 10, 10, func(h *model.Hit) string { return h.Indicator.Source }, dim[*model.Hit]),
	}
}

// huntPrompt asks for indicators, or for the name of a file of them.
func (s *shell) huntPrompt(value string) {
	p := newPrompt("hunt ", value)
	p.hint = "indicators (defanged is fine), or @file"
	p.done = func(s *shell, line string, ok bool) (tea.Cmd, bool) {
		line = strings.TrimSpace(line)
		if !ok || line == "" {
			return nil, false
		}
		if name, isFile := strings.CutPrefix(line, "@"); isFile {
			v := newHunt(name, name)
			v.file = true
			return s.push(v), false
		}
		fields := strings.Fields(strings.ReplaceAll(line, ",", " "))
		about := fields[0]
		if len(fields) > 1 {
			about = count(len(fields), "indicator")
		}
		return s.push(newHunt(strings.Join(fields, "\n"), about)), false
	}
	s.prompt(p)
}

// huntSelection hunts the indicators of the selected records, after showing
// them.
func (s *shell) huntSelection(records []model.Record) {
	list := indicatorsOf(records)
	if len(list) == 0 {
		s.warn(missing(keys.Hunt))
		return
	}
	const most = 50
	if len(list) > most {
		list = list[:most]
	}
	s.huntPrompt(strings.Join(list, " "))
}

// indicatorsOf are the hashes, addresses and names worth looking for.
func indicatorsOf(records []model.Record) []string {
	var out []string
	add := func(v string) {
		if v != "" && !strings.ContainsAny(v, " \t\r\n,") && !slices.Contains(out, v) {
			out = append(out, v)
		}
	}
	for _, r := range records {
		add(hashOf(r))
		switch x := r.(type) {
		case *model.Alert:
			for _, i := range x.Indicators {
				switch i.Type {
				case "md5", "sha1", "sha256", "sha512", "ip", "ipv4", "ipv6", "domain", "url":
					add(i.Value)
				}
			}
		case *model.Event:
			if x.DNS != nil {
				add(x.DNS.Question.Name)
			}
			if x.Network != nil && x.Network.Destination != nil {
				add(cmp.Or(x.Network.Destination.Domain, x.Network.Destination.IP))
			}
		case *model.Hit:
			add(x.Indicator.Value)
		}
	}
	return out
}
