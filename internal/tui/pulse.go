package tui

import (
	"cmp"
	"slices"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/edrctl/edrctl/internal/model"
	"github.com/edrctl/edrctl/internal/safetext"
	"github.com/edrctl/edrctl/internal/shellquote"
	"github.com/edrctl/edrctl/internal/tui/attack"
	"github.com/edrctl/edrctl/internal/tui/keys"
	"github.com/edrctl/edrctl/internal/tui/theme"
	"github.com/edrctl/edrctl/internal/tui/ui"
)

// pulseView is the whole window at a glance: what comes in, how bad, where.
// Every line of it opens the alerts behind it.
type pulseView struct {
	viewCore
	at      uint64
	minute  int64
	hours   []int // up to until, over span
	until   time.Time
	span    time.Duration
	rows    []pulseRow // every line that can be opened, in order
	cursor  int
	scroll  int
	tactics map[string]int
	made    bool
	counted time.Time
	lineOf  []int
}

// pulseRow is one line: a heading without match.
type pulseRow struct {
	label safetext.Display
	n     int
	sev   [6]int
	worst model.Severity
	panel string
	match func(*model.Alert) bool
	title string
	flags string
}

func newPulse() *pulseView { return &pulseView{} }

func (v *pulseView) title() string                        { return "pulse" }
func (v *pulseView) name() string                         { return "pulse" }
func (v *pulseView) command(*shell) string                { return "edrctl alerts count --by host" }
func (v *pulseView) arrived(*shell, []*row, bool) tea.Cmd { return nil }
func (v *pulseView) scopes() []keys.Scope                 { return nil }

const topN = 5

func (v *pulseView) make(s *shell) {
	now := s.now()
	minute := now.Unix() / 60
	if v.made && v.minute == minute {
		// While much comes in, a glance a second is enough.
		late := len(s.store.all) > inlineRows && now.Sub(v.counted) < time.Second
		s.app.soon = s.app.soon || late && v.at != s.store.version
		if late || v.at == s.store.version {
			return
		}
	}
	v.counted = now
	v.made, v.at, v.minute = true, s.store.version, minute
	v.until, v.span = now, s.app.opt.Window
	if s.app.opt.Archive {
		v.until, v.span = s.store.reach(now)
	}
	v.hours = s.store.arrivals(v.until, v.span, 24)
	type tally map[string]*pulseRow
	backends, hosts, rules, techniques := tally{}, tally{}, tally{}, tally{}
	v.tactics = map[string]int{}
	add := func(t tally, panel, key string, a *model.Alert, match func(*model.Alert) bool, flags string) {
		r := t[key]
		if r == nil {
			label := key
			if label == "" {
				label = "(none)"
			}
			r = &pulseRow{label: ui.Text(label), panel: panel, match: match, title: label, flags: flags, worst: model.SeverityUnknown}
			t[key] = r
		}
		r.n++
		r.sev[a.Severity.Rank()]++
		if a.Severity.Rank() > r.worst.Rank() {
			r.worst = a.Severity
		}
	}
	for _, row := range s.store.all {
		a := row.a
		profile := a.Profile
		add(backends, "profiles", profile, a, func(x *model.Alert) bool { return x.Profile == profile }, "-p "+shellquote.Arg(profile))
		h := hostName(a.Host)
		add(hosts, "hosts", h, a, func(x *model.Alert) bool { return hostName(x.Host) == h }, shellquote.Flag("host", "="+h))
		rule := ruleName(a)
		add(rules, "rules", rule, a, func(x *model.Alert) bool { return ruleName(x) == rule }, shellquote.Flag("rule", "="+rule))
		seen := map[string]bool{}
		for _, t := range groupNames(a, "technique") {
			if t == "(none)" {
				continue
			}
			add(techniques, "techniques", t, a, func(x *model.Alert) bool { return slices.Contains(groupNames(x, "technique"), t) }, "")
		}
		for _, x := range a.Attack {
			for _, tac := range tacticsOf(x) {
				if !seen[tac] {
					seen[tac] = true
					v.tactics[tac]++
				}
			}
		}
	}
	v.rows = v.rows[:0]
	take := func(t tally, n int) {
		list := make([]*pulseRow, 0, len(t))
		for _, r := range t {
			list = append(list, r)
		}
		slices.SortFunc(list, func(a, b *pulseRow) int {
			return cmp.Or(cmp.Compare(b.n, a.n), cmp.Compare(a.label, b.label))
		})
		for _, r := range list[:min(n, len(list))] {
			v.rows = append(v.rows, *r)
		}
	}
	take(backends, 12)
	take(hosts, topN)
	take(rules, topN)
	for _, tac := range attack.Tactics {
		if n := v.tactics[tac.Short]; n > 0 {
			short := tac.Short
			v.rows = append(v.rows, pulseRow{
				label: safetext.Display(tac.Name), n: n, panel: "tactics", title: tac.Name, worst: model.SeverityUnknown,
				match: func(x *model.Alert) bool {
					return slices.ContainsFunc(x.Attack, func(y model.Attack) bool { return slices.Contains(tacticsOf(y), short) })
				},
			})
		}
	}
	take(techniques, topN)
	v.cursor = max(0, min(v.cursor, len(v.rows)-1))
}

func (v *pulseView) Len() int     { return len(v.rows) }
func (v *pulseView) Page() int    { return 10 }
func (v *pulseView) Move(n int)   { v.Select(v.cursor + n) }
func (v *pulseView) Select(i int) { v.cursor = max(0, min(i, len(v.rows)-1)) }

func (v *pulseView) key(s *shell, a keys.Action, _ string) (tea.Cmd, bool) {
	v.make(s)
	if moveKey(v, a) {
		return nil, true
	}
	switch a {
	case keys.NextPane:
		if len(v.rows) == 0 {
			return nil, true
		}
		panel := v.rows[v.cursor].panel
		for i := range v.rows {
			at := (v.cursor + i) % len(v.rows)
			if v.rows[at].panel != panel {
				v.cursor = at
				break
			}
		}
	case keys.Open, keys.Right:
		if v.cursor < len(v.rows) {
			r := v.rows[v.cursor]
			return s.push(newAlertsOf(s, scope{title: r.title, match: r.match, flags: r.flags})), true
		}
	default:
		return nil, false
	}
	return nil, true
}

func (v *pulseView) mouse(s *shell, m mouse) tea.Cmd {
	switch {
	case m.wheel != 0:
		v.Move(m.wheel / 3)
	case m.click:
		for i, y := range v.lineOf {
			if y == m.y {
				same := v.cursor == i
				v.cursor = i
				if m.double || same {
					cmd, _ := v.key(s, keys.Open, "")
					return cmd
				}
			}
		}
	}
	return nil
}

func (v *pulseView) hints(*shell) []hint {
	return []hint{{action: keys.Open, short: "alerts"}, {action: keys.NextPane}, {action: keys.Back}}
}

func (v *pulseView) status(s *shell) safetext.Display {
	return safetext.Sprintf("%s, %s", count(len(s.store.all), "alert"), strings.TrimPrefix(s.app.reach(), "the "))
}

func (v *pulseView) draw(s *shell, w, h int) []string {
	v.make(s)
	t := s.theme
	var lines []string
	put := func(st theme.Style, d safetext.Display) {
		lines = append(lines, ui.NewLine(t, w, "").Space(1).Put(st, d).String())
	}

	// Arrivals: a bar an hour, two lines high where there is room.
	title, from, until := "ALERTS PER HOUR, "+strings.ToUpper(strings.TrimPrefix(s.app.reach(), "the ")), "15:04", "now"
	if s.app.opt.Archive {
		title, from, until = "ALERTS OVER TIME", "2006-01-02 15:04", v.until.In(s.zone).Format("2006-01-02 15:04")
	}
	put(t.Head, safetext.Display(title))
	top, sum := 0, 0
	for _, n := range v.hours {
		top, sum = max(top, n), sum+n
	}
	each := max(1, min(4, (w-14)/24))
	height := 1
	if h >= 30 {
		height = 3
	}
	for k := height; k > 0; k-- {
		l := ui.NewLine(t, w, "").Space(1)
		for _, n := range v.hours {
			level := 0
			if top > 0 {
				level = (n*height*len(t.Glyphs.Spark) + top - 1) / top
			}
			level -= (k - 1) * len(t.Glyphs.Spark)
			g := " "
			if level > 0 {
				g = t.Glyphs.Spark[min(level, len(t.Glyphs.Spark))-1]
			}
			l.Glyph(t.Accent, strings.Repeat(g, each))
		}
		if k == height {
			l.Put(t.Dim, safetext.Sprintf("  most %d", top))
		}
		lines = append(lines, l.String())
	}
	from = v.until.Add(-v.span).In(s.zone).Format(from)
	lines = append(lines, ui.NewLine(t, w, "").Space(1).Put(t.Dim, safetext.Display(from)).Space(max(1, 24*each-len(from)-len(until)-1)).Put(t.Dim, safetext.Display(until)).String())

	// The tactics as a strip of heat, in the order of an intrusion.
	if h >= 18 {
		l := ui.NewLine(t, w, "").Space(1)
		most := 0
		for _, n := range v.tactics {
			most = max(most, n)
		}
		cell := max(3, min(8, (w-2)/len(attack.Tactics)-1))
		for _, tac := range attack.Tactics {
			n := v.tactics[tac.Short]
			st := t.Dim
			switch {
			case n == 0:
			case n*3 >= most*2:
				st = t.Severity(model.SeverityCritical)
			case n*3 >= most:
				st = t.Severity(model.SeverityMedium)
			default:
				st = t.Severity(model.SeverityLow)
			}
			label := safetext.Display(tacticLetters(tac.Short))
			if cell >= 6 {
				label += safetext.Sprintf(" %d", n)
			}
			l.Cell(st, label, cell, false).Space(1)
		}
		lines = append(lines, l.String())
	}

	begin := len(lines)
	// Panels of lines that open; on a wide screen in two columns.
	var body []string
	v.lineOf = make([]int, len(v.rows))
	panel := ""
	for i, r := range v.rows {
		if r.panel != panel {
			panel = r.panel
			body = append(body, ui.NewLine(t, w, "").Space(1).Put(t.Head, safetext.Display(strings.ToUpper(panel))).String())
		}
		ground := theme.Style("")
		if i == v.cursor {
			ground = t.Selected
		}
		l := ui.NewLine(t, w, ground).Space(2)
		l.Cell("", r.label, min(34, max(12, w/3)), false).Space(1)
		l.Cell(t.Bold, safetext.Sprintf("%d", r.n), 6, true).Space(2)
		if r.panel != "tactics" {
			for _, sev := range []model.Severity{model.SeverityCritical, model.SeverityHigh, model.SeverityMedium, model.SeverityLow} {
				n := r.sev[sev.Rank()]
				if w >= 70 {
					l.Cell(t.Severity(sev), safetext.Sprintf("%s %d", theme.Letters(sev), n), 9, false)
				} else if w >= 50 {
					l.Cell(t.Severity(sev), safetext.Sprintf("%s%d", theme.Letters(sev)[:1], n), 5, false)
				}
			}
		}
		if room := l.Left() - 2; room > 8 && len(v.rows) > 0 {
			biggest := 1
			for _, o := range v.rows {
				if o.panel == r.panel {
					biggest = max(biggest, o.n)
				}
			}
			width := min(room, 40)
			l.Glyph(t.Accent, strings.Repeat(t.Glyphs.Full, max(1, r.n*width/biggest)))
		}
		v.lineOf[i] = len(body)
		body = append(body, l.String())
	}
	room := h - begin
	if v.cursor < len(v.lineOf) {
		at := v.lineOf[v.cursor]
		if at-v.scroll >= room {
			v.scroll = at - room + 1
		}
		if at < v.scroll+1 {
			v.scroll = max(0, at-1)
		}
	}
	v.scroll = max(0, min(v.scroll, len(body)-room))
	for i := range v.lineOf {
		v.lineOf[i] += begin - v.scroll
	}
	if len(body) > 0 {
		lines = append(lines, body[v.scroll:min(len(body), v.scroll+room)]...)
	} else {
		put(t.Dim, "no alerts yet")
	}
	_ = sum
	return lines
}

// tacticLetters are three letters of a tactic.
func tacticLetters(short string) string {
	switch short {
	case "resource-development":
		return "RES"
	case "reconnaissance":
		return "REC"
	case "command-and-control":
		return "C2 "
	case "privilege-escalation":
		return "PRV"
	case "defense-evasion":
		return "EVA"
	case "credential-access":
		return "CRD"
	case "lateral-movement":
		return "LAT"
	case "initial-access":
		return "INI"
	}
	return strings.ToUpper(short[:3])
}
