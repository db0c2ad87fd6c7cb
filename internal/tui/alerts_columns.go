package tui

import (
	"cmp"
	"strings"
	"unicode/utf8"

	"github.com/edrctl/edrctl/internal/model"
	"github.com/edrctl/edrctl/internal/safetext"
	"github.com/edrctl/edrctl/internal/tui/theme"
	"github.com/edrctl/edrctl/internal/tui/ui"
)

// compareFold compares without regard to case, and makes no copies of what
// most texts are: ASCII.
func compareFold(a, b string) int {
	for i := range min(len(a), len(b)) {
		x, y := a[i], b[i]
		if x >= utf8.RuneSelf || y >= utf8.RuneSelf {
			return cmp.Compare(strings.ToLower(a), strings.ToLower(b))
		}
		if x != y {
			if 'A' <= x && x <= 'Z' {
				x += 'a' - 'A'
			}
			if 'A' <= y && y <= 'Z' {
				y += 'a' - 'A'
			}
			if x != y {
				return cmp.Compare(x, y)
			}
		}
	}
	return cmp.Compare(len(a), len(b))
}

func alertColumns(s *shell) []ui.Column[*row] {
	compareText := func(get func(*model.Alert) string) func(a, b *row) int {
		return func(a, b *row) int { return compareFold(get(a.a), get(b.a)) }
	}
	return []ui.Column[*row]{
		{ID: "time", Title: "TIME", Width: 8, Min: 5, Prio: 90, Down: true,
			Cell: func(t *theme.Theme, r *row, w int) (theme.Style, safetext.Display) {
				return t.Dim, s.clock(r.a.Time, w)
			},
			Compare: func(a, b *row) int { return a.a.Time.Compare(b.a.Time.Time) }},
		{ID: "risk", Title: "SCORE", Width: 8, Min: 2, Prio: 80, Down: true,
			Cell: func(t *theme.Theme, r *row, w int) (theme.Style, safetext.Display) {
				return scoreCell(t, r.a, w)
			},
			Compare: func(a, b *row) int { return cmp.Compare(riskOf(a.a), riskOf(b.a)) }},
		{ID: "severity", Title: "SEV", Width: 4, Min: 4, Prio: 95, Down: true,
			Cell: func(t *theme.Theme, r *row, _ int) (theme.Style, safetext.Display) {
				return t.Severity(r.a.Severity), safetext.Display(theme.Letters(r.a.Severity))
			},
			Compare: func(a, b *row) int { return cmp.Compare(a.a.Severity.Rank(), b.a.Severity.Rank()) }},
		{ID: "backend", Title: "BACKEND", Width: 7, Prio: 40,
			Cell: func(t *theme.Theme, r *row, _ int) (theme.Style, safetext.Display) {
				return t.Dim, backendCell(s, r.a)
			},
			Compare: compareText(func(a *model.Alert) string { return a.Backend })},
		{ID: "host", Title: "HOST", Width: 14, Min: 10, Prio: 85,
			Cell:    func(_ *theme.Theme, r *row, _ int) (theme.Style, safetext.Display) { return "", r.text().host },
			Compare: compareText(func(a *model.Alert) string { return hostName(a.Host) })},
		{ID: "user", Title: "USER", Width: 12, Min: 8, Prio: 30,
			Cell:    func(t *theme.Theme, r *row, _ int) (theme.Style, safetext.Display) { return t.Dim, r.text().user },
			Compare: compareText(func(a *model.Alert) string { return userName(a.User) })},
		{ID: "title", Title: "TITLE", Width: 30, Min: 12, Prio: 100, Flex: true,
			Cell:    func(_ *theme.Theme, r *row, _ int) (theme.Style, safetext.Display) { return "", r.text().title },
			Compare: compareText(func(a *model.Alert) string { return a.Title })},
		{ID: "process", Title: "PROCESS", Width: 15, Min: 12, Prio: 20,
			Cell:    func(t *theme.Theme, r *row, _ int) (theme.Style, safetext.Display) { return t.Dim, r.text().process },
			Compare: compareText(func(a *model.Alert) string { return processName(a.Process) })},
		{ID: "status", Title: "STATUS", Width: 9, Min: 6, Prio: 10,
			Cell: func(t *theme.Theme, r *row, _ int) (theme.Style, safetext.Display) {
				if r.a.Status == model.StatusUnknown {
					return "", ""
				}
				return statusStyle(t, r.a.Status), ui.Text(string(r.a.Status))
			},
			Compare: compareText(func(a *model.Alert) string { return string(a.Status) })},
	}
}

func groupColumns(s *shell) []ui.Column[*group] {
	return []ui.Column[*group]{
		{ID: "n", Title: "ALERTS", Width: 6, Right: true, Prio: 90,
			Cell: func(t *theme.Theme, g *group, _ int) (theme.Style, safetext.Display) {
				return t.Bold, safetext.Sprintf("%d", g.n)
			}},
		{ID: "worst", Title: "WORST", Width: 5, Prio: 80,
			Cell: func(t *theme.Theme, g *group, _ int) (theme.Style, safetext.Display) {
				return t.Severity(g.worst), safetext.Display(theme.Letters(g.worst))
			}},
		{ID: "name", Title: "GROUP", Width: 30, Min: 12, Flex: true, Prio: 100,
			Cell: func(_ *theme.Theme, g *group, w int) (theme.Style, safetext.Display) {
				if g.name == "" {
					return "", "(none)"
				}
				return "", ui.Text(g.name)
			}},
		{ID: "split", Title: "C/H/M/L", Width: 15, Prio: 50,
			Cell: func(t *theme.Theme, g *group, _ int) (theme.Style, safetext.Display) {
				return t.Dim, safetext.Sprintf("%d/%d/%d/%d", g.sev[5], g.sev[4], g.sev[3], g.sev[2])
			}},
		{ID: "hosts", Title: "HOSTS", Width: 5, Right: true, Prio: 40,
			Cell: func(t *theme.Theme, g *group, _ int) (theme.Style, safetext.Display) {
				return t.Dim, safetext.Sprintf("%d", len(g.hosts))
			}},
		{ID: "newest", Title: "NEWEST", Width: 8, Prio: 60,
			Cell: func(t *theme.Theme, g *group, w int) (theme.Style, safetext.Display) {
				return t.Dim, s.clock(g.newest, w)
			}},
	}
}

func scoreCell(t *theme.Theme, a *model.Alert, w int) (theme.Style, safetext.Display) {
	st := t.Severity(a.Severity)
	if a.Score == nil {
		return t.Dim, " -"
	}
	d := safetext.Sprintf("%2.0f", *a.Score)
	if w >= 7 {
		d += safetext.Display(" " + bar(t, *a.Score, 5))
	}
	return st, d
}

func statusStyle(t *theme.Theme, st model.Status) theme.Style {
	switch st {
	case model.StatusOpen:
		return t.Accent
	case model.StatusClosed, model.StatusDismissed:
		return t.OK
	}
	return t.Dim
}

func backendCell(s *shell, a *model.Alert) safetext.Display {
	for _, p := range s.svc.Profiles() {
		if p.Name == a.Profile {
			return ui.Text(s.app.profileLabel(p))
		}
	}
	return ui.Text(a.Backend)
}
