package tui

import (
	"strings"

	tea "charm.land/bubbletea/v2"

	"github.com/edrctl/edrctl/internal/safetext"
	"github.com/edrctl/edrctl/internal/tui/keys"
	"github.com/edrctl/edrctl/internal/tui/theme"
	"github.com/edrctl/edrctl/internal/tui/ui"
)

// span is a piece of a line with one look.
type span struct {
	st theme.Style
	d  safetext.Display
}

// para is one line of a document before it is fitted to a width.
type para []span

func text(st theme.Style, d safetext.Display) para { return para{{st, d}} }

func (p para) plain() string {
	var b strings.Builder
	for _, s := range p {
		b.WriteString(string(s.d))
	}
	return b.String()
}

// fit draws p on one line.
func (p para) fit(t *theme.Theme, w int, ground theme.Style) string {
	l := ui.NewLine(t, w, ground)
	for _, s := range p {
		l.Put(s.st, s.d)
	}
	return l.String()
}

// page is a document one scrolls through and searches.
type page struct {
	lines  []para
	top    int
	height int
	find   string
	at     int // line of the current match; -1: none
}

func (p *page) Len() int     { return len(p.lines) }
func (p *page) Page() int    { return max(1, p.height) }
func (p *page) Move(n int)   { p.top += n; p.clamp() }
func (p *page) Select(i int) { p.top = i; p.clamp() }
func (p *page) clamp()       { p.top = max(0, min(p.top, len(p.lines)-max(1, p.height))) }

// search goes to the next line (by = 1) or the one before (-1) that contains
// what is looked for; from tells where to begin.
func (p *page) search(from, by int) bool {
	want := strings.ToLower(p.find)
	if want == "" {
		return false
	}
	n := len(p.lines)
	for i := range n {
		at := ((from+by*i)%n + n) % n
		if strings.Contains(strings.ToLower(p.lines[at].plain()), want) {
			p.at = at
			if at < p.top || at >= p.top+p.height {
				p.top = at - p.height/3
				p.clamp()
			}
			return true
		}
	}
	p.at = -1
	return false
}

func (p *page) matches() int {
	n := 0
	want := strings.ToLower(p.find)
	for _, l := range p.lines {
		if want != "" && strings.Contains(strings.ToLower(l.plain()), want) {
			n++
		}
	}
	return n
}

// key does movement and search.
func (p *page) key(s *shell, a keys.Action) bool {
	if moveKey(p, a) {
		return true
	}
	switch a {
	case keys.Filter:
		pr := newPrompt("search ", p.find)
		before := p.top
		pr.changed = func(_ *shell, v string) (tea.Cmd, error) {
			p.find = v
			p.search(p.top, 1)
			return nil, nil
		}
		pr.done = func(s *shell, v string, ok bool) (tea.Cmd, bool) {
			if !ok {
				p.find, p.top, p.at = "", before, -1
				return nil, false
			}
			if v != "" && !p.search(p.top, 1) {
				s.warn("not found")
			}
			return nil, false
		}
		s.prompt(pr)
	case keys.NextMatch, keys.PrevMatch:
		by := 1
		if a == keys.PrevMatch {
			by = -1
		}
		if p.find == "" {
			s.warn("/ searches")
		} else if !p.search(p.at+by, by) {
			s.warn("not found")
		}
	case keys.Back:
		if p.find == "" {
			return false
		}
		p.find, p.at = "", -1
	default:
		return false
	}
	return true
}

func (p *page) draw(t *theme.Theme, w, h int) []string {
	p.height = h
	p.clamp()
	want := strings.ToLower(p.find)
	lines := make([]string, 0, h)
	for i := p.top; i < min(len(p.lines), p.top+h); i++ {
		ground := theme.Style("")
		if i == p.at && want != "" {
			ground = t.Selected
		}
		lines = append(lines, highlight(p.lines[i], want, t).fit(t, w, ground))
	}
	return ui.Fill(lines, w, h)
}

// highlight marks what was looked for.
func highlight(p para, want string, t *theme.Theme) para {
	if want == "" {
		return p
	}
	var out para
	for _, s := range p {
		rest := s.d
		for {
			i := strings.Index(strings.ToLower(string(rest)), want)
			if i < 0 || i+len(want) > len(rest) {
				break
			}
			out = append(out, span{s.st, rest[:i]}, span{t.Match, rest[i : i+len(want)]})
			rest = rest[i+len(want):]
		}
		out = append(out, span{s.st, rest})
	}
	return out
}

func (p *page) wheel(m mouse) {
	if m.wheel != 0 {
		p.Move(m.wheel)
	}
}

func (p *page) status() safetext.Display {
	if p.find != "" {
		return safetext.Sprintf("%s of %q", count(p.matches(), "line"), p.find)
	}
	if len(p.lines) <= p.height {
		return ""
	}
	return safetext.Sprintf("%d–%d of %d", p.top+1, min(len(p.lines), p.top+p.height), len(p.lines))
}
