package tui

import (
	"cmp"
	"strings"

	"github.com/edrctl/edrctl/internal/model"
	"github.com/edrctl/edrctl/internal/ops"
	"github.com/edrctl/edrctl/internal/safetext"
	"github.com/edrctl/edrctl/internal/tui/theme"
	"github.com/edrctl/edrctl/internal/tui/ui"
)

func sigmaColumns(s *shell) []ui.Column[*model.SigmaHit] {
	title := textColumn("rule", "RULE", 30, 14, 100, func(h *model.SigmaHit) string { return cmp.Or(h.Rule.Title, h.Rule.ID) }, nil)
	title.Flex = true
	return []ui.Column[*model.SigmaHit]{
		{ID: "level", Title: "SEV", Width: 4, Min: 4, Prio: 98, Down: true,
			Cell: func(t *theme.Theme, h *model.SigmaHit, _ int) (theme.Style, safetext.Display) {
				return t.Severity(h.Rule.Level), safetext.Display(theme.Letters(h.Rule.Level))
			},
			Compare: func(a, b *model.SigmaHit) int {
				return cmp.Or(cmp.Compare(a.Rule.Level.Rank(), b.Rule.Level.Rank()), a.Last.Compare(b.Last.Time))
			}},
		title,
		textColumn("host", "HOST", 14, 9, 95, func(h *model.SigmaHit) string { return hostName(h.Host) }, nil),
		{ID: "count", Title: "SEEN", Width: 6, Right: true, Prio: 85, Down: true,
			Cell: func(t *theme.Theme, h *model.SigmaHit, _ int) (theme.Style, safetext.Display) {
				return t.Dim, safetext.Display(thousands(h.Count))
			},
			Compare: func(a, b *model.SigmaHit) int { return cmp.Compare(a.Count, b.Count) }},
		timeColumn(s, "first", "FIRST", func(h *model.SigmaHit) model.Time { return h.First }),
		timeColumn(s, "last", "LAST", func(h *model.SigmaHit) model.Time { return h.Last }),
		textColumn("technique", "ATT&CK", 10, 9, 70, techniqueIDs, dim[*model.SigmaHit]),
		backendColumn[*model.SigmaHit](s),
	}
}

func techniqueIDs(h *model.SigmaHit) string {
	var ids []string
	for _, a := range h.Attack {
		if a.Technique.ID != "" {
			ids = append(ids, a.Technique.ID)
		}
	}
	return strings.Join(ids, " ")
}

// sigmaPane is how many lines the details of a hit take; none on a screen that
// has no room for them.
func sigmaPane(h int) int {
	if h < 16 {
		return 0
	}
	return min(h*2/5, 15)
}

func (v *sigmaView) draw(s *shell, w, h int) []string {
	t := s.theme
	pane := sigmaPane(h)
	lines := []string{v.progressLine(s, w)}
	rows := h - 2
	if pane > 0 {
		rows -= pane + 1
	}
	lines = append(lines, v.listView.draw(s, w, rows)...)
	if pane > 0 {
		lines = append(lines, ui.Rule(t, w))
		lines = append(lines, v.details(s, w, pane)...)
	}
	return append(lines, v.rulesLine(s, w))
}

// progressLine is how far the hunt is, and on what.
func (v *sigmaView) progressLine(s *shell, w int) string {
	t := s.theme
	l := ui.NewLine(t, w, "").Space(1)
	hits := t.Dim
	if len(v.all) > 0 {
		hits = t.Err
	}
	switch st, state := v.state(t); {
	case !v.finished:
		s.app.soon = true
		l.Glyph(t.Accent, t.SpinnerAt(s.now().UnixMilli())).Space(1)
		l.Put("", safetext.Sprintf("%s events", thousands(v.sum.Events))).Put(hits, safetext.Sprintf("  %s", count(len(v.all), "hit")))
		l.Put(t.Dim, safetext.Sprintf("  %s", age(s.now().Sub(v.began))))
	case v.stopped || v.err != nil:
		l.Put(st, state).Put(hits, safetext.Sprintf(", %s", count(len(v.all), "hit")))
	default:
		l.Put(hits, safetext.Display(count(len(v.all), "hit")))
	}
	l.Put(t.Dim, "  in events "+s.spanText(v.ask.since, v.ask.until))
	switch n := len(v.ask.hosts); n {
	case 0:
		l.Put(t.Dim, ", all hosts")
	case 1:
		l.Put(t.Dim, ", "+ui.Text(v.ask.hosts[0]))
	default:
		l.Put(t.Dim, safetext.Sprintf(", %s", count(n, "host")))
	}
	for _, o := range v.outcomes {
		if o.Err != nil && !ops.Unable(o.Err) {
			l.Put(t.Err, safetext.Sprintf("  %s failed", o.Profile))
		} else if o.Err != nil {
			l.Put(t.Warn, safetext.Sprintf("  %s has no events", o.Profile))
		}
	}
	return l.String()
}

// rulesLine is what became of the rules.
func (v *sigmaView) rulesLine(s *shell, w int) string {
	t := s.theme
	l := ui.NewLine(t, w, "").Space(1)
	l.Put(t.Dim, safetext.Display(count(len(v.rules.Rules), "rule")))
	if v.finished {
		l.Put(t.Dim, safetext.Sprintf(" on %s events, evaluated %s times", thousands(v.sum.Events), thousands(v.sum.Evaluated)))
	}
	for _, x := range []struct {
		n    int
		what safetext.Display
	}{{len(v.rules.Refused), " refused"}, {v.rules.Never, " can never match here"}} {
		st := t.Dim
		if x.n > 0 {
			st = t.Warn
		}
		l.Put(t.Dim, " · ").Put(st, safetext.Display(thousands(x.n))+x.what)
	}
	return l.String()
}

// details is the card of the selected hit.
func (v *sigmaView) details(s *shell, w, h int) []string {
	r, ok := v.table.Current()
	if !ok {
		return ui.Fill(nil, w, h)
	}
	c := &detailWriter{s: s, w: w - 2}
	c.sigmaHit(r, v.rules.Description(r))
	lines := make([]string, 0, h)
	for _, p := range c.lines {
		if len(lines) == h {
			break
		}
		lines = append(lines, " "+p.fit(s.theme, w-2, "")+" ")
	}
	return ui.Fill(lines, w, h)
}

// describe is what the author of a hit's rule says about it.
func (s *shell) describe(h *model.SigmaHit) string {
	for _, x := range s.app.hunts {
		if v, ok := x.(*sigmaView); ok {
			if d := v.rules.Description(h); d != "" {
				return d
			}
		}
	}
	return ""
}

// sigmaHit writes all that is known of a hit.
func (c *detailWriter) sigmaHit(h *model.SigmaHit, description string) {
	t := c.s.theme
	level := safetext.Text(string(h.Rule.Level))
	if h.Score != nil {
		level += safetext.Sprintf(" %.0f/10", *h.Score)
	}
	c.lines = append(c.lines, para{{t.Severity(h.Rule.Level), level}, {"", "  "}, {t.Bold, ui.Text(cmp.Or(h.Rule.Title, h.Rule.ID))}})
	c.field("matched", ui.Text(strings.Join(h.Matched, ", ")), "")
	for _, g := range h.Group {
		c.field(ui.Cut(ui.Text(g.Field), labelWidth-1, t.Glyphs.Ellipsis), ui.Text(g.Value), "")
	}
	c.field("host", hostLine(h.Host), "")
	seen := safetext.Sprintf("%s times, ", thousands(h.Count)) + c.s.clock(h.First, 11)
	if h.Count == 1 {
		seen = "once, " + c.s.moment(h.First)
	} else if !h.Last.IsZero() {
		seen += " to " + c.s.clock(h.Last, 11)
	}
	c.field("seen", seen, "")
	for i, a := range h.Attack {
		label := safetext.Display("technique")
		if i > 0 {
			label = ""
		}
		c.field(label, ui.Text(techniqueName(a)), t.Accent)
	}
	c.field("about", ui.Text(description), "")
	c.field("author", ui.Text(h.Rule.Author), t.Dim)
	c.field("tags", ui.Text(strings.Join(h.Rule.Tags, ", ")), t.Dim)
	c.field("events", ui.Text(strings.Join(h.Refs, ", ")), t.Dim)
	c.field("rule", ui.Text(strings.TrimSpace(h.Rule.ID+" "+h.Rule.Status)), t.Dim)
}
