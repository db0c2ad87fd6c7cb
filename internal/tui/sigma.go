package tui

import (
	"cmp"
	"context"
	"errors"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/edrctl/edrctl/internal/filter"
	"github.com/edrctl/edrctl/internal/hunt"
	"github.com/edrctl/edrctl/internal/model"
	"github.com/edrctl/edrctl/internal/ops"
	"github.com/edrctl/edrctl/internal/safetext"
	"github.com/edrctl/edrctl/internal/shellquote"
	"github.com/edrctl/edrctl/internal/tui/keys"
	"github.com/edrctl/edrctl/internal/tui/theme"
)

// sigmaView is one hunt with Sigma rules: its progress, its hits, and the
// details of the selected one.
type sigmaView struct {
	*listView[*model.SigmaHit]
	ask      sigmaAsk
	rules    *hunt.SigmaRules
	sum      hunt.SigmaSummary
	finished bool
	stopped  bool
	began    time.Time // zero: not begun
	stop     context.CancelFunc
}

func newSigma(s *shell, ask sigmaAsk, rules *hunt.SigmaRules) *sigmaView {
	v := &sigmaView{ask: ask, rules: rules}
	v.listView = newList("sigma "+model.BaseName(ask.path), "", "hit", sigmaColumns(s))
	v.sort, v.down, v.index = "level", true, map[string]int{}
	v.since, v.until = ask.since, ask.until
	v.note = "no hits so far"
	v.enter = func(s *shell, h *model.SigmaHit) tea.Cmd {
		if len(h.Refs) == 0 {
			s.warn("no event of this hit is known")
			return nil
		}
		return s.push(newSigmaEvents(s, h))
	}
	return v
}

// request asks for the events the rules are matched against.
func (v *sigmaView) request() (ops.Request, error) {
	var req ops.Request
	req.Since, req.Until = v.ask.since, v.ask.until
	if len(v.ask.hosts) == 0 {
		return req, nil
	}
	names := make([]string, len(v.ask.hosts))
	for i, h := range v.ask.hosts {
		names[i] = "=" + h
	}
	return req, req.Filter.Add(filter.Host, names...)
}

type sigmaDone struct {
	hits []*model.SigmaHit
	sum  hunt.SigmaSummary
	err  error
}

func (v *sigmaView) open(s *shell) tea.Cmd {
	if !v.began.IsZero() {
		return nil
	}
	v.began = s.now()
	s.app.hunts = append(s.app.hunts, v)
	v.ctx, v.stop = context.WithCancel(s.ctx) // it continues when its view is left
	id, gen := v.id, v.gen
	q := hunt.Sigma{Rules: v.rules.Rules, Span: hunt.Span{Since: v.ask.since, Until: v.ask.until, Began: v.began}}
	return s.do(v, "hunting", func(ctx context.Context) any {
		var end sigmaDone
		var last time.Time
		q.Progress = func(sum hunt.SigmaSummary) {
			if time.Since(last) < pumpEvery {
				return
			}
			last = time.Now()
			s.pump.put(answer{view: id, gen: gen, msg: sum}, 1)
		}
		q.Seen = func(h *model.SigmaHit) {
			s.pump.put(answer{view: id, gen: gen, msg: batchIn[*model.SigmaHit]{[]*model.SigmaHit{h}}}, 1)
		}
		if q.Request, end.err = v.request(); end.err == nil {
			end.hits, end.sum, end.err = s.svc.HuntSigma(ctx, q)
		}
		// The end goes the way the hits went, so that it comes last.
		s.pump.put(answer{view: id, gen: gen, msg: end}, 1)
		return nil
	})
}

func (v *sigmaView) update(s *shell, msg any) tea.Cmd {
	switch m := msg.(type) {
	case hunt.SigmaSummary:
		if !v.finished {
			v.sum = m
		}
	case batchIn[*model.SigmaHit]:
		if !v.finished {
			v.take(m.rows)
		}
	case nil:
	case sigmaDone:
		v.end(s, m)
	case failed:
		v.end(s, sigmaDone{hits: v.all, sum: v.sum, err: m.err})
	default:
		return v.listView.update(s, msg)
	}
	return nil
}

// end takes the result; what was shown early is in it, complete.
func (v *sigmaView) end(s *shell, m sigmaDone) {
	v.finished, v.loaded = true, true
	v.sum, v.outcomes = m.sum, m.sum.Outcomes
	v.note = "no hits"
	v.stop()
	v.all, v.index = nil, map[string]int{}
	v.take(m.hits)
	for _, o := range m.sum.Outcomes {
		if ops.NeedsLogin(o.Err) {
			s.requireLogin(o.Profile, o.Err)
		}
	}
	switch {
	case v.stopped:
		v.note = "stopped before anything was found"
		s.notify(safetext.Sprintf("the hunt was stopped: %s so far", count(len(v.all), "hit")))
	case m.err != nil:
		v.err = m.err
		if !errors.Is(m.err, context.Canceled) {
			s.fail("the hunt", m.err)
		}
	default:
		s.notify(safetext.Sprintf("the hunt is over: %s", count(len(v.all), "hit")))
	}
}

func (v *sigmaView) halt(s *shell) {
	if v.finished || v.stop == nil {
		s.warn("it is over")
		return
	}
	v.stopped = true
	v.stop()
	s.warn("stopping…")
}

func (v *sigmaView) scopes() []keys.Scope { return []keys.Scope{keys.Hunts, keys.List, keys.Views} }

func (v *sigmaView) key(s *shell, a keys.Action, key string) (tea.Cmd, bool) {
	switch a {
	case keys.Stop:
		v.halt(s)
		return nil, true
	case keys.Right:
		if h, ok := v.table.Current(); ok {
			return s.push(newRecord(h)), true
		}
	case keys.Back:
		if cmd, handled := v.listView.key(s, a, key); handled {
			return cmd, true
		}
		if !v.finished && !v.stopped {
			v.halt(s) // the next one leaves
			return nil, true
		}
		return nil, false
	}
	return v.listView.key(s, a, key)
}

func (v *sigmaView) hints(s *shell) []hint {
	off := ""
	if v.table.Len() == 0 {
		off = "nothing is selected"
	}
	list := []hint{{action: keys.Open, off: off, short: "events"}, {action: keys.Tree, off: off}, {action: keys.Right, off: off, short: "details"}, {action: keys.Host, off: off}}
	if !v.finished {
		return append([]hint{{action: keys.Back, short: "stop"}}, list...)
	}
	return append(list, hint{action: keys.SortNext}, hint{action: keys.Back})
}

func (v *sigmaView) command(*shell) string {
	words := []string{"edrctl", "hunt", "sigma", shellquote.Arg(v.ask.path)}
	if v.ask.least != model.SeverityUnknown {
		words = append(words, "--level-min "+string(v.ask.least))
	}
	for _, h := range v.ask.hosts {
		words = append(words, shellquote.Flag("host", "="+h))
	}
	return strings.Join(words, " ") + " --since " + v.ask.since.UTC().Format(time.RFC3339) + untilFlag(v.ask.until)
}

func (v *sigmaView) found() int      { return len(v.all) }
func (v *sigmaView) subject() string { return v.label }

func (v *sigmaView) state(t *theme.Theme) (theme.Style, safetext.Display) {
	switch {
	case !v.finished:
		return t.Accent, "running"
	case v.stopped:
		return t.Warn, "stopped"
	case v.err != nil:
		return t.Err, "failed"
	}
	return t.Dim, "done"
}

// newSigmaEvents is the events of a hit that are known by reference.
func newSigmaEvents(s *shell, h *model.SigmaHit) *listView[*model.Event] {
	v := newList("events of "+cmp.Or(h.Rule.Title, h.Rule.ID), "", "event", eventColumns(s))
	v.since, v.until = h.First.Time, h.Last.Add(time.Millisecond)
	v.sort, v.down = "time", true
	if h.Count > len(h.Refs) {
		v.head = func(s *shell, w int, _ []*model.Event) string {
			return text(s.theme.Dim, safetext.Sprintf(" %d of %s events that matched", len(h.Refs), thousands(h.Count))).fit(s.theme, w, "")
		}
	}
	v.cmd = func(*shell) string {
		return shellquote.Join("edrctl events get", h.Refs...)
	}
	v.read = func(ctx context.Context, s *shell, each func(*model.Event) bool) ([]ops.Outcome, error) {
		var req ops.Request
		req.Since, req.Until = v.since, v.until
		if name := hostName(h.Host); name != "" {
			if err := req.Filter.Add(filter.Host, "="+name); err != nil {
				return nil, err
			}
		}
		return s.svc.EventsOf(ctx, h.Refs, req, each), nil
	}
	return v
}
