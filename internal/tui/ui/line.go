// Package ui holds the widgets of the terminal interface: lines that are
// exactly as wide as they must be, a virtual table and a virtual tree. They
// know styles and texts, and nothing of alerts.
package ui

import (
	"strings"
	"unicode/utf8"

	"github.com/charmbracelet/x/ansi"

	"github.com/edrctl/edrctl/internal/safetext"
	"github.com/edrctl/edrctl/internal/tui/theme"
)

// Text makes foreign text safe for a cell. Beside what safetext escapes,
// every cluster that terminals disagree about (some draw it one column wide,
// some two) is shown as escapes: one such cluster would push a whole row.
func Text(s string) safetext.Display {
	return sure(safetext.Text(s))
}

// sure is d with what terminals disagree about escaped; most texts have none.
// It is the last gate: a control character that passed for text, from an
// enumeration nobody checked for example, ends here.
func sure(d safetext.Display) safetext.Display {
	high := false
	for i := range len(d) {
		switch c := d[i]; {
		case c < ' ' || c == 0x7f:
			return agreed(safetext.Text(string(d)))
		case c >= utf8.RuneSelf:
			high = true
		}
	}
	if high {
		return agreed(d)
	}
	return d
}

func agreed(d safetext.Display) safetext.Display {
	s := string(d)
	var b strings.Builder
	state := byte(0)
	changed := false
	for len(s) > 0 {
		seq, w, n, next := ansi.GraphemeWidth.DecodeSequenceInString(s, state, nil)
		if n <= 0 {
			break
		}
		state = next
		if len(seq) > 1 && w != ansi.WcWidth.StringWidth(seq) || w == 0 || joins(seq, w) {
			changed = true
			for _, r := range seq {
				if r < utf8.RuneSelf {
					b.WriteRune(r)
				} else {
					b.WriteString(escapeRune(r))
				}
			}
		} else {
			b.WriteString(seq)
		}
		s = s[n:]
	}
	if !changed {
		return d
	}
	return safetext.Display(b.String())
}

// Typed is a text that is being typed, parted at the cursor: no sign of it
// joins with its neighbour, so that the parts are as wide as the whole.
func Typed(text []rune, cursor int) (before, after safetext.Display) {
	joined := make([]bool, len(text))
	s, state, at := string(text), byte(0), 0
	for len(s) > 0 {
		seq, _, n, next := ansi.GraphemeWidth.DecodeSequenceInString(s, state, nil)
		if n <= 0 {
			break
		}
		state = next
		k := utf8.RuneCountInString(seq)
		for i := at; i < min(at+k, len(text)) && k > 1; i++ {
			joined[i] = true
		}
		at += k
		s = s[n:]
	}
	show := func(from, to int) safetext.Display {
		var b strings.Builder
		for i := from; i < to; i++ {
			if r := text[i]; joined[i] && r >= utf8.RuneSelf {
				b.WriteString(escapeRune(r))
			} else {
				b.WriteRune(r)
			}
		}
		return Text(b.String())
	}
	return show(0, cursor), show(cursor, len(text))
}

// joins tells whether a cluster makes one with a letter before or behind it:
// signs that are spaces only in front of nothing, and prefixes.
func joins(seq string, w int) bool {
	return seq[0] >= utf8.RuneSelf && (ansi.StringWidth("x"+seq) != 1+w || ansi.StringWidth(seq+"x") != w+1)
}

func escapeRune(r rune) string {
	const digits = "0123456789abcdef"
	var out []byte
	for r > 0 {
		out = append([]byte{digits[r&15]}, out...)
		r >>= 4
	}
	return `\u{` + string(out) + "}"
}

// Width is how many columns d takes.
func Width(d safetext.Display) int {
	for i := range len(d) {
		if d[i] >= utf8.RuneSelf {
			return ansi.StringWidth(string(d))
		}
	}
	return len(d)
}

// Cut shortens d to w columns; the cut shows.
func Cut(d safetext.Display, w int, mark string) safetext.Display {
	if w <= 0 {
		return ""
	}
	if Width(d) <= w {
		return d
	}
	if ansi.StringWidth(mark) > w {
		mark = ""
	}
	return safetext.Display(ansi.Truncate(string(d), w, mark))
}

// CutMiddle shortens d to w columns by leaving out its middle, so that the
// ends of paths and references stay.
func CutMiddle(d safetext.Display, w int, mark string) safetext.Display {
	full := Width(d)
	if full <= w || w < 5 {
		return Cut(d, w, mark)
	}
	room := w - ansi.StringWidth(mark)
	head := room / 2
	s := string(d)
	return safetext.Display(ansi.Truncate(s, head, "") + mark + ansi.TruncateLeft(s, full-(room-head), ""))
}

// Line builds one line of exactly w columns.
type Line struct {
	t    *theme.Theme
	base theme.Style
	b    strings.Builder
	at   int
	w    int
	tail rune // the last one written
}

// NewLine begins a line of w columns on a ground.
func NewLine(t *theme.Theme, w int, base theme.Style) *Line {
	l := &Line{t: t, base: base, w: max(w, 0)}
	l.b.Grow(w + 64)
	return l
}

// Left is how many columns are still free.
func (l *Line) Left() int { return l.w - l.at }

// Put writes d as far as it fits; a cut shows.
func (l *Line) Put(st theme.Style, d safetext.Display) *Line {
	if d = l.apart(sure(d)); l.t.ASCII {
		d = d.ASCII()
	}
	return l.put(st, d)
}

func (l *Line) put(st theme.Style, d safetext.Display) *Line {
	w := Width(d)
	if w > l.Left() {
		d = Cut(d, l.Left(), l.t.Glyphs.Ellipsis)
		w = Width(d)
	}
	if w == 0 {
		return l
	}
	if l.base == "" && st == "" {
		l.b.WriteString(string(d))
	} else {
		l.b.WriteString(string(l.base))
		l.b.WriteString(string(st))
		l.b.WriteString(string(d))
		l.b.WriteString(reset)
	}
	l.at += w
	l.tail, _ = utf8.DecodeLastRuneInString(string(d))
	return l
}

// apart keeps d from joining what precedes it: two pieces that are sure
// alone can make one cluster, of another width, where they meet.
func (l *Line) apart(d safetext.Display) safetext.Display {
	if d == "" || l.tail == 0 || d[0] < utf8.RuneSelf && l.tail < utf8.RuneSelf {
		return d
	}
	before := string(l.tail)
	if both := before + string(d); ansi.StringWidth(both) == ansi.StringWidth(before)+Width(d) && ansi.StringWidthWc(both) == ansi.StringWidthWc(before)+ansi.StringWidthWc(string(d)) {
		return d
	}
	r, n := utf8.DecodeRuneInString(string(d))
	if r < utf8.RuneSelf {
		return " " + d // what precedes it joins anything
	}
	return safetext.Display(escapeRune(r)) + d[n:]
}

const reset = "\x1b[m"

// Glyph writes one of the theme's own signs.
func (l *Line) Glyph(st theme.Style, g string) *Line { return l.put(st, safetext.Display(g)) }

// Cell writes d into exactly w columns, cut or padded, and a space behind it.
func (l *Line) Cell(st theme.Style, d safetext.Display, w int, right bool) *Line {
	if d = l.apart(sure(d)); l.t.ASCII {
		d = d.ASCII()
	}
	w = min(w, l.Left())
	d = Cut(d, w, l.t.Glyphs.Ellipsis)
	pad := w - Width(d)
	if right {
		l.Space(pad)
	}
	l.put(st, d)
	if !right {
		l.Space(pad)
	}
	return l
}

var spaces = strings.Repeat(" ", 256)

// Space writes n spaces of the ground.
func (l *Line) Space(n int) *Line {
	n = min(n, l.Left())
	for n > 0 {
		k := min(n, len(spaces))
		l.put("", safetext.Display(spaces[:k]))
		n -= k
	}
	return l
}

// To fills up to a column.
func (l *Line) To(col int) *Line { return l.Space(col - l.at) }

// Raw writes a finished piece known to be w columns wide.
func (l *Line) Raw(s string, w int) *Line {
	if w > l.Left() {
		s = ansi.Truncate(s, l.Left(), "")
		w = ansi.StringWidth(s)
	}
	l.b.WriteString(s)
	l.at += w
	l.tail = 0
	return l
}

// String is the whole line, padded.
func (l *Line) String() string {
	l.Space(l.Left())
	return l.b.String()
}

// Piece is what was written so far, not padded.
func (l *Line) Piece() string { return l.b.String() }

// Blank is an empty line.
func Blank(w int) string { return strings.Repeat(" ", max(w, 0)) }

// Fill makes lines exactly h lines of w columns.
func Fill(lines []string, w, h int) []string {
	if len(lines) > h {
		lines = lines[:max(h, 0)]
	}
	for len(lines) < h {
		lines = append(lines, Blank(w))
	}
	return lines
}

// Overlay draws box over lines with its left upper corner at x, y.
func Overlay(lines, box []string, x, y, boxWidth, w int) {
	for i, b := range box {
		if y+i < 0 || y+i >= len(lines) {
			continue
		}
		old := lines[y+i]
		left := ansi.Truncate(old, x, "")
		left += Blank(x - ansi.StringWidth(left))
		right := ansi.TruncateLeft(old, x+boxWidth, "")
		right = Blank(w-x-boxWidth-ansi.StringWidth(right)) + right
		lines[y+i] = left + reset + b + reset + right
	}
}

// Wrap breaks d into lines of w columns at spaces where there are some.
func Wrap(d safetext.Display, w int) []safetext.Display {
	if w <= 0 {
		return nil
	}
	var out []safetext.Display
	for _, para := range strings.Split(string(d), "\n") {
		s := strings.TrimRight(para, " ")
		if s == "" {
			out = append(out, "")
			continue
		}
		for s != "" {
			if Width(safetext.Display(s)) <= w {
				out = append(out, safetext.Display(s))
				break
			}
			head := ansi.Truncate(s, w, "")
			if head == "" { // a wide rune, one column: it is left out
				_, n := utf8.DecodeRuneInString(s)
				s = s[n:]
				continue
			}
			if i := strings.LastIndexByte(head, ' '); i > len(head)/2 {
				head = head[:i]
			}
			out = append(out, safetext.Display(strings.TrimRight(head, " ")))
			s = strings.TrimLeft(s[len(head):], " ")
		}
	}
	return out
}

// CutLeft shortens d to w columns from its left end.
func CutLeft(d safetext.Display, w int) safetext.Display {
	full := Width(d)
	if full <= w {
		return d
	}
	return safetext.Display(ansi.TruncateLeft(string(d), full-max(w, 0), ""))
}

// Rule is a horizontal line.
func Rule(t *theme.Theme, w int) string {
	return NewLine(t, w, "").Glyph(t.Border, strings.Repeat(t.Glyphs.Horiz, max(w, 0))).String()
}
