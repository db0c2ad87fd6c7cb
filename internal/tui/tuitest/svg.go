package tuitest

import (
	"fmt"
	"html"
	"strconv"
	"strings"

	"github.com/charmbracelet/x/ansi"
)

// SVG draws a frame as a picture for the documentation.
func SVG(frame string) string {
	const cw, lh = 8.4, 18
	lines := strings.Split(frame, "\n")
	width := 0
	for _, l := range lines {
		width = max(width, ansi.StringWidth(l))
	}
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %.0f %d" font-family="ui-monospace,SFMono-Regular,Menlo,Consolas,monospace" font-size="14">`+"\n", float64(width)*cw+16, len(lines)*lh+16)
	b.WriteString(`<rect width="100%" height="100%" rx="6" fill="#14181f"/>` + "\n")
	for y, line := range lines {
		x := 0
		var st look
		for line != "" {
			if strings.HasPrefix(line, "\x1b[") {
				end := strings.IndexByte(line, 'm')
				if end < 0 {
					break
				}
				st.apply(line[2:end])
				line = line[end+1:]
				continue
			}
			n := strings.IndexByte(line, 0x1b)
			if n < 0 {
				n = len(line)
			}
			text := line[:n]
			line = line[n:]
			w := ansi.StringWidth(text)
			st.draw(&b, text, 8+float64(x)*cw, float64(y*lh+8), float64(w)*cw, lh)
			x += w
		}
	}
	b.WriteString("</svg>\n")
	return b.String()
}

type look struct {
	fg, bg                   string
	bold, underline, reverse bool
}

func (s *look) apply(params string) {
	p := strings.FieldsFunc(params, func(r rune) bool { return r == ';' || r == ':' })
	if len(p) == 0 {
		*s = look{}
	}
	for i := 0; i < len(p); i++ {
		n, _ := strconv.Atoi(p[i])
		switch {
		case n == 0:
			*s = look{}
		case n == 1:
			s.bold = true
		case n == 4:
			s.underline = true
		case n == 7:
			s.reverse = true
		case (n == 38 || n == 48) && i+4 < len(p) && p[i+1] == "2":
			r, _ := strconv.Atoi(p[i+2])
			g, _ := strconv.Atoi(p[i+3])
			bl, _ := strconv.Atoi(p[i+4])
			c := fmt.Sprintf("#%02x%02x%02x", r, g, bl)
			if n == 38 {
				s.fg = c
			} else {
				s.bg = c
			}
			i += 4
		}
	}
}

func (s *look) draw(b *strings.Builder, text string, x, y, w, h float64) {
	fg, bg := s.fg, s.bg
	if fg == "" {
		fg = "#d7dce5"
	}
	if s.reverse {
		if bg == "" {
			bg = "#14181f"
		}
		fg, bg = bg, fg
	}
	if bg != "" {
		fmt.Fprintf(b, `<rect x="%.1f" y="%.0f" width="%.1f" height="%.0f" fill="%s"/>`, x, y, w, h, bg)
	}
	if strings.TrimSpace(text) == "" {
		if bg != "" {
			b.WriteByte('\n')
		}
		return
	}
	lead := len(text) - len(strings.TrimLeft(text, " "))
	x += float64(lead) * 8.4
	trimmed := strings.TrimRight(text[lead:], " ")
	w = float64(ansi.StringWidth(trimmed)) * 8.4
	attrs := ""
	if s.bold {
		attrs = ` font-weight="bold"`
	}
	if s.underline {
		attrs += ` text-decoration="underline"`
	}
	fmt.Fprintf(b, `<text x="%.1f" y="%.0f" textLength="%.1f" xml:space="preserve" fill="%s"%s>%s</text>`+"\n", x, y+h-5, w, fg, attrs, html.EscapeString(trimmed))
}
