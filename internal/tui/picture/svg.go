package picture

import (
	"cmp"
	"fmt"
	"html"
	"slices"
	"strconv"
	"strings"

	"github.com/charmbracelet/x/ansi"
)

// Sizes of a cell and of what is around the screen, in user units.
const (
	cellW, cellH = 8.4, 18.0
	fontSize     = 14.0
	baseline     = 13.4 // below the top of a cell
	pad          = 12.0
	bar          = 30.0 // the title bar of the window
)

// Colours of the window. The frame brings its own for everything that means
// something.
const (
	ground  = "#14181f"
	barFill = "#1c222c"
	edge    = "#2b3240"
	ink     = "#d7dce5"
	quiet   = "#7d8696"
)

// style is the look of a cell.
type style struct {
	fg, bg                               string
	bold, faint, italic, under, inverted bool
}

// run is text of one look on one line.
type run struct {
	st   style
	kind kind
	x, w int
	text string
}

// SVG draws a frame as a window with a title. Every piece of text is stretched
// to the cells it takes, and blocks and lines are drawn as shapes, so that the
// picture is the same whatever monospaced font there is.
func SVG(frame, title string) string {
	lines := strings.Split(frame, "\n")
	cols := 0
	rows := make([][]run, len(lines))
	for y, l := range lines {
		cols = max(cols, ansi.StringWidth(l))
		rows[y] = runs(l)
	}
	width, height := float64(cols)*cellW+2*pad, float64(len(lines))*cellH+bar+2*pad
	var body strings.Builder
	p := &palette{}
	for y, row := range rows {
		top := bar + pad + float64(y)*cellH
		for _, r := range row {
			fill(&body, p, r, top)
		}
		for _, r := range row {
			write(&body, p, r, top)
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %s %s" width="%s" height="%s" role="img" aria-label="%s" xml:space="preserve">`+"\n",
		num(width), num(height), num(width), num(height), html.EscapeString(title))
	fmt.Fprintf(&b, "<style>text{font:%spx ui-monospace,\"SF Mono\",Menlo,\"Cascadia Mono\",\"DejaVu Sans Mono\",\"Liberation Mono\",Consolas,monospace;white-space:pre}.b{font-weight:700}.i{font-style:italic}.u{text-decoration:underline}.f{opacity:.6}", num(fontSize))
	b.WriteString(p.css())
	b.WriteString("</style>\n")
	fmt.Fprintf(&b, `<rect x=".5" y=".5" width="%s" height="%s" rx="9" fill="%s" stroke="%s"/>`+"\n", num(width-1), num(height-1), ground, edge)
	fmt.Fprintf(&b, `<path d="M1 %s V9.5 A8.5 8.5 0 0 1 9.5 1 H%s A8.5 8.5 0 0 1 %s 9.5 V%s Z" fill="%s"/>`+"\n", num(bar), num(width-9.5), num(width-1), num(bar), barFill)
	for i, c := range []string{"#ff5f57", "#febc2e", "#28c840"} {
		fmt.Fprintf(&b, `<circle cx="%s" cy="%s" r="5.5" fill="%s"/>`, num(pad+8+float64(i)*19), num(bar/2), c)
	}
	fmt.Fprintf(&b, "\n"+`<text x="%s" y="%s" text-anchor="middle" fill="%s">%s</text>`+"\n", num(width/2), num(bar/2+4.8), quiet, html.EscapeString(title))
	b.WriteString(body.String())
	b.WriteString("</svg>\n")
	return b.String()
}

// num writes a number short, and the same on every machine.
func num(f float64) string {
	s := strconv.FormatFloat(f, 'f', 2, 64)
	return strings.TrimSuffix(strings.TrimRight(s, "0"), ".")
}

// palette gives each colour a class.
type palette struct{ colours []string }

func (p *palette) class(c string) string {
	i := slices.Index(p.colours, c)
	if i < 0 {
		i = len(p.colours)
		p.colours = append(p.colours, c)
	}
	return "c" + strconv.Itoa(i)
}

func (p *palette) css() string {
	var b strings.Builder
	for i, c := range p.colours {
		fmt.Fprintf(&b, ".c%d{fill:%s}", i, c)
	}
	return b.String()
}

// runs reads a line of a frame.
func runs(line string) []run {
	var out []run
	var st style
	x := 0
	state := byte(0)
	parser := ansi.NewParser()
	for line != "" {
		seq, w, n, next := ansi.GraphemeWidth.DecodeSequenceInString(line, state, parser)
		state, line = next, line[n:]
		if w == 0 {
			if params, ok := strings.CutPrefix(seq, "\x1b["); ok && strings.HasSuffix(params, "m") {
				st.apply(strings.TrimSuffix(params, "m"))
			}
			continue
		}
		k := kindOf(seq)
		if n := len(out) - 1; n >= 0 && k != sign && out[n].kind == k && out[n].st == st && out[n].x+out[n].w == x {
			out[n].text += seq
			out[n].w += w
		} else {
			out = append(out, run{st, k, x, w, seq})
		}
		x += w
	}
	return out
}

// kind is how a cell is put into the picture.
type kind uint8

const (
	plain  kind = iota // letters, which every font has and makes equally wide
	shaped             // drawn
	sign               // from whatever font has it: alone in its cells
)

func kindOf(cell string) kind {
	switch {
	case len(cell) == 1:
		return plain
	case draw(cell, 0, 0, 1) != "":
		return shaped
	}
	return sign
}

func (s *style) apply(params string) {
	p := strings.FieldsFunc(params, func(r rune) bool { return r == ';' || r == ':' })
	if len(p) == 0 {
		*s = style{}
	}
	for i := 0; i < len(p); i++ {
		n, _ := strconv.Atoi(p[i])
		switch {
		case n == 0:
			*s = style{}
		case n == 1:
			s.bold = true
		case n == 2:
			s.faint = true
		case n == 3:
			s.italic = true
		case n == 4:
			s.under = true
		case n == 7:
			s.inverted = true
		case (n == 38 || n == 48) && i+4 < len(p) && p[i+1] == "2":
			var rgb [3]int
			for k := range rgb {
				rgb[k], _ = strconv.Atoi(p[i+2+k])
			}
			c := fmt.Sprintf("#%02x%02x%02x", rgb[0], rgb[1], rgb[2])
			if n == 38 {
				s.fg = c
			} else {
				s.bg = c
			}
			i += 4
		case n >= 30 && n <= 37:
			s.fg = basic[n-30]
		case n >= 90 && n <= 97:
			s.fg = basic[n-90+8]
		case n >= 40 && n <= 47:
			s.bg = basic[n-40]
		case n >= 100 && n <= 107:
			s.bg = basic[n-100+8]
		case n == 39:
			s.fg = ""
		case n == 49:
			s.bg = ""
		}
	}
}

// basic are sixteen colours as many terminals have them.
var basic = [16]string{
	"#3b4252", "#e06c75", "#98c379", "#e5c07b", "#61afef", "#c678dd", "#56b6c2", "#c8ccd4",
	"#6b7280", "#ff7b72", "#7ee787", "#f2cc60", "#79c0ff", "#ff6ac1", "#56d4dd", "#ffffff",
}

// colours of a look, after it was inverted.
func (s style) colours() (fg, bg string) {
	fg, bg = cmp.Or(s.fg, ink), s.bg
	if s.inverted {
		return cmp.Or(bg, ground), fg
	}
	return fg, bg
}

// fill draws the ground of a run.
func fill(b *strings.Builder, p *palette, r run, top float64) {
	_, bg := r.st.colours()
	if bg == "" {
		return
	}
	// A hair wider than the cells, so that no gap shows between two runs.
	fmt.Fprintf(b, `<rect class="%s" x="%s" y="%s" width="%s" height="%s"/>`+"\n", p.class(bg), num(pad+float64(r.x)*cellW), num(top), num(float64(r.w)*cellW+.15), num(cellH+.15))
}

// write draws the text of a run.
func write(b *strings.Builder, p *palette, r run, top float64) {
	fg, _ := r.st.colours()
	x := pad + float64(r.x)*cellW
	if r.kind == shaped {
		d := ""
		cells := []rune(r.text)
		for i := 0; i < len(cells); {
			n := i + 1
			for n < len(cells) && cells[n] == cells[i] && (cells[i] == '─' || cells[i] >= '▁' && cells[i] <= '█') {
				n++
			}
			// A row of the same sign is one long shape.
			d += draw(string(cells[i]), x+float64(i)*cellW, top, n-i)
			i = n
		}
		fmt.Fprintf(b, "<path class=\"%s\" d=\"%s\"/>\n", p.class(fg), d)
		return
	}
	class := p.class(fg)
	for _, a := range []struct {
		on bool
		c  string
	}{{r.st.bold, "b"}, {r.st.italic, "i"}, {r.st.under, "u"}, {r.st.faint, "f"}} {
		if a.on {
			class += " " + a.c
		}
	}
	// Words far apart are separate elements: not every viewer keeps spaces.
	for at := 0; at < len(r.text); {
		text := r.text[at:]
		lead := len(text) - len(strings.TrimLeft(text, " "))
		text = text[lead:]
		if i := strings.Index(text, "  "); i >= 0 {
			text = text[:i]
		}
		if trimmed := strings.TrimRight(text, " "); trimmed != "" {
			fmt.Fprintf(b, `<text class="%s" x="%s" y="%s" textLength="%s" lengthAdjust="spacingAndGlyphs">%s</text>`+"\n",
				class, num(x+float64(at+lead)*cellW), num(top+baseline), num(float64(ansi.StringWidth(trimmed))*cellW), html.EscapeString(trimmed))
		}
		at += lead + len(text)
	}
}

// arms are the lines of a box sign: up, right, down, left.
var arms = map[rune][4]bool{
	'─': {false, true, false, true}, '│': {true, false, true, false},
	'├': {true, true, true, false}, '└': {true, true, false, false},
	'┤': {true, false, true, true}, '┬': {false, true, true, true}, '┴': {true, true, false, true}, '┼': {true, true, true, true},
}

// draw is the path of n blocks or lines from x, y on; "" for anything else. Only
// blocks and horizontal lines join.
func draw(s string, x, y float64, n int) string {
	r := []rune(s)
	if len(r) != 1 {
		return ""
	}
	box := func(x, y, w, h float64) string {
		return fmt.Sprintf("M%s %sh%sv%sh%sz", num(x), num(y), num(w), num(h), num(-w))
	}
	const line = 1.2
	mx, my := x+cellW/2, y+cellH/2
	w := float64(n) * cellW
	switch c := r[0]; {
	case c >= '▁' && c <= '█': // eighths from below
		h := cellH * float64(c-'▁'+1) / 8
		return box(x, y+cellH-h, w+.1, h+.1)
	case c >= '▉' && c <= '▏': // eighths from the left
		return box(x, y, cellW*float64('▏'-c+1)/8, cellH)
	case c == '░':
		return box(x+1.2, y+cellH/2-1, cellW-2.4, 2)
	case c == '╭' || c == '╮' || c == '╰' || c == '╯':
		toX, toY := x+cellW, y+cellH // the ends of the two arms
		if c == '╮' || c == '╯' {
			toX = x
		}
		if c == '╰' || c == '╯' {
			toY = y
		}
		sx, sy := 1.0, 1.0
		if toX == x {
			sx = -1
		}
		if toY == y {
			sy = -1
		}
		const k = cellW / 2 // of the corner
		half := line / 2
		sweep, back := 0, 1
		if sx*sy > 0 {
			sweep, back = 1, 0
		}
		// From the vertical arm round to the horizontal one, and back inside.
		return fmt.Sprintf("M%s %sV%sA%s %s 0 0 %d %s %sH%sV%sH%sA%s %s 0 0 %d %s %sV%sz",
			num(mx-sx*half), num(toY), num(my+sy*(k-half)), num(k), num(k), sweep, num(mx-sx*half+sx*k), num(my-sy*half),
			num(toX), num(my+sy*half), num(mx+sx*half+sx*(k-line)), num(k-line), num(k-line), back, num(mx+sx*half), num(my+sy*half+sy*(k-line)), num(toY))
	default:
		a, ok := arms[c]
		if !ok {
			return ""
		}
		d := ""
		if a[0] || a[2] {
			from, to := my-line/2, my+line/2
			if a[0] {
				from = y
			}
			if a[2] {
				to = y + cellH
			}
			d += box(mx-line/2, from, line, to-from)
		}
		if a[1] || a[3] {
			from, to := mx-line/2, mx+line/2
			if a[3] {
				from = x
			}
			if a[1] {
				to = x + w
			}
			d += box(from, my-line/2, to-from, line)
		}
		return d
	}
}
