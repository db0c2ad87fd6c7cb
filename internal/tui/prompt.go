package tui

import (
	"unicode"

	tea "charm.land/bubbletea/v2"

	"github.com/edrctl/edrctl/internal/safetext"
	"github.com/edrctl/edrctl/internal/tui/theme"
	"github.com/edrctl/edrctl/internal/tui/ui"
)

// editor edits one line of text.
type editor struct {
	text []rune
	at   int
}

// editorLimit bounds what can be typed or pasted.
const editorLimit = 4096

func newEditor(value string) editor {
	var e editor
	e.set(value)
	return e
}

func (e *editor) value() string { return string(e.text) }

func (e *editor) set(v string) {
	e.text = []rune(v)
	e.at = len(e.text)
}

func (e *editor) atEnd() bool { return e.at >= len(e.text) }

// word is where the word before (by = -1) or behind (1) the cursor ends.
func (e *editor) word(by int) int {
	i := e.at
	in := func(k int) bool { return k >= 0 && k < len(e.text) && e.text[k] != ' ' }
	if by < 0 {
		for i > 0 && !in(i-1) {
			i--
		}
		for i > 0 && in(i-1) {
			i--
		}
		return i
	}
	for i < len(e.text) && !in(i) {
		i++
	}
	for i < len(e.text) && in(i) {
		i++
	}
	return i
}

// key edits, with the keys of a shell.
func (e *editor) key(k tea.KeyPressMsg) {
	cut := func(from, to int) {
		e.text = append(e.text[:from:from], e.text[to:]...)
		e.at = from
	}
	switch k.String() {
	case "left", "ctrl+b":
		e.at = max(0, e.at-1)
	case "right", "ctrl+f":
		e.at = min(len(e.text), e.at+1)
	case "home", "ctrl+a":
		e.at = 0
	case "end", "ctrl+e":
		e.at = len(e.text)
	case "alt+b", "ctrl+left", "alt+left":
		e.at = e.word(-1)
	case "alt+f", "ctrl+right", "alt+right":
		e.at = e.word(1)
	case "backspace", "ctrl+h":
		if e.at > 0 {
			cut(e.at-1, e.at)
		}
	case "delete", "ctrl+d":
		if e.at < len(e.text) {
			at := e.at
			cut(at, at+1)
		}
	case "ctrl+w", "alt+backspace":
		cut(e.word(-1), e.at)
	case "ctrl+u":
		cut(0, e.at)
	case "ctrl+k":
		e.text = e.text[:e.at:e.at]
	default:
		if k.Text != "" {
			e.paste(k.Text)
		}
	}
}

// paste inserts text; line ends and controls become spaces.
func (e *editor) paste(text string) {
	var in []rune
	for _, r := range text {
		if unicode.IsControl(r) {
			r = ' '
		}
		in = append(in, r)
	}
	if room := editorLimit - len(e.text); len(in) > room {
		in = in[:max(0, room)]
	}
	out := make([]rune, 0, len(e.text)+len(in))
	out = append(append(append(out, e.text[:e.at]...), in...), e.text[e.at:]...)
	e.text = out
	e.at += len(in)
}

// draw writes the text into the rest of l, scrolled so that the cursor is
// seen, and tells at which column of that rest it is.
func (e *editor) draw(l *ui.Line, st theme.Style) (cursor int) {
	before, after := ui.Typed(e.text, e.at)
	room := l.Left() - 1
	start := l.Left()
	before = ui.CutLeft(before, room)
	l.Put(st, before)
	cursor = start - l.Left()
	l.Put(st, after)
	return cursor
}

// prompt is the line at the bottom that takes text.
type prompt struct {
	label   safetext.Display
	edit    editor
	hint    safetext.Display
	err     safetext.Display
	changed func(s *shell, v string) (tea.Cmd, error) // after every key; nil: nothing
	done    func(s *shell, v string, ok bool) (cmd tea.Cmd, stay bool)
	suggest func(v string) []string // completions, best first
	chosen  int                     // among them; -1: none
	history []string
	histAt  int
}

func newPrompt(label safetext.Display, value string) *prompt {
	return &prompt{label: label, edit: newEditor(value), chosen: -1, histAt: -1}
}

func (p *prompt) suggestions() []string {
	if p.suggest == nil {
		return nil
	}
	return p.suggest(p.edit.value())
}

func (p *prompt) key(s *shell, k tea.KeyPressMsg) tea.Cmd {
	switch k.String() {
	case "esc", "ctrl+c":
		s.app.prompt = nil
		cmd, _ := p.done(s, p.edit.value(), false)
		return cmd
	case "enter":
		v := p.edit.value()
		if list := p.suggestions(); p.chosen >= 0 && p.chosen < len(list) {
			v = list[p.chosen]
			p.edit.set(v)
			p.chosen = -1
		}
		s.app.prompt = nil
		cmd, stay := p.done(s, v, true)
		if stay {
			s.app.prompt = p
		}
		return cmd
	case "tab", "down", "ctrl+n":
		if n := len(p.suggestions()); n > 0 {
			p.chosen = (p.chosen + 1) % n
			return nil
		}
		if k.String() == "down" {
			return p.recall(s, -1)
		}
	case "shift+tab", "up", "ctrl+p":
		if n := len(p.suggestions()); n > 0 {
			p.chosen = (p.chosen - 1 + n) % n
			return nil
		}
		if k.String() == "up" {
			return p.recall(s, 1)
		}
	case "right":
		if list := p.suggestions(); len(list) > 0 && p.edit.atEnd() {
			p.edit.set(list[max(p.chosen, 0)])
			p.chosen = -1
			return p.edited(s)
		}
	}
	p.edit.key(k)
	p.chosen = -1
	return p.edited(s)
}

func (p *prompt) recall(s *shell, by int) tea.Cmd {
	if len(p.history) == 0 {
		return nil
	}
	p.histAt = max(-1, min(p.histAt+by, len(p.history)-1))
	if p.histAt < 0 {
		p.edit.set("")
	} else {
		p.edit.set(p.history[len(p.history)-1-p.histAt])
	}
	return p.edited(s)
}

func (p *prompt) edited(s *shell) tea.Cmd {
	if p.changed == nil {
		return nil
	}
	cmd, err := p.changed(s, p.edit.value())
	p.err = ""
	if err != nil {
		p.err = safetext.Text(err.Error())
	}
	return cmd
}

// draw draws the line and, above it, suggestions.
func (p *prompt) draw(s *shell, w int) (line string, cursor int, above []string) {
	l := ui.NewLine(s.theme, w, "")
	l.Put(s.theme.Key, p.label)
	lead := w - l.Left()
	tail := p.hint
	style := s.theme.Dim
	if p.err != "" {
		tail, style = p.err, s.theme.Err
	}
	room := ui.Width(ui.Text(p.edit.value())) + 2
	cursor = lead + p.edit.draw(l, "")
	if left := l.Left() - 2; left > 12 && tail != "" && room < w-lead-12 {
		l.Space(2)
		l.Put(style, ui.Cut(tail, left, s.theme.Glyphs.Ellipsis))
	} else if p.err != "" {
		above = append(above, ui.NewLine(s.theme, w, "").Put(s.theme.Err, p.err).String())
	}
	list := p.suggestions()
	if len(list) > 0 && p.chosen < 0 && len(list) > 8 {
		list = list[:8]
	}
	first := 0
	if p.chosen >= 8 {
		first = p.chosen - 7
	}
	for i := first; i < min(len(list), first+8); i++ {
		ground := s.theme.SelectedDim
		if s.theme.Depth == 0 || s.theme.Depth == 1 {
			ground = ""
		}
		mark := "  "
		if i == p.chosen {
			ground, mark = s.theme.Selected, s.theme.Glyphs.Right+" "
		}
		above = append(above, ui.NewLine(s.theme, w, ground).Glyph("", mark).Put("", safetext.Text(list[i])).String())
	}
	return l.String(), cursor, above
}
