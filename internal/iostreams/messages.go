package iostreams

import (
	"fmt"

	"github.com/edrctl/edrctl/internal/safetext"
)

// Note writes one line for the user on standard error; nothing with --quiet.
func (s *Streams) Note(line safetext.Display) {
	if !s.quiet {
		s.errLine("", "", line)
	}
}

// Warn writes one warning line on standard error, also with --quiet.
func (s *Streams) Warn(line safetext.Display) { s.errLine("warning: ", "33", line) }

// Error writes one error line, prefixed with the program's name, and the hint
// below it when there is one.
func (s *Streams) Error(line, hint safetext.Display) {
	s.errLine("edrctl: ", "1;31", line)
	if hint != "" {
		s.errLine("hint: ", "36", hint)
	}
}

func (s *Streams) errLine(label, sgr string, line safetext.Display) {
	if sgr != "" && s.ErrColor() {
		label = "\x1b[" + sgr + "m" + label + "\x1b[0m"
	}
	_, _ = fmt.Fprintf(s.ErrOut, "%s%s\n", label, s.Show(line))
}

// Palette colours text for one stream; without colour it changes nothing.
type Palette struct{ on bool }

// OutPalette is the palette of standard output.
func (s *Streams) OutPalette() Palette { return Palette{s.OutColor()} }

// ErrPalette is the palette of standard error.
func (s *Streams) ErrPalette() Palette { return Palette{s.ErrColor()} }

// On tells whether the palette colours at all.
func (p Palette) On() bool { return p.on }

// SGR wraps text, which must be safe already, in a select-graphic-rendition
// sequence such as "1;31".
func (p Palette) SGR(sgr, text string) string {
	if !p.on || sgr == "" || text == "" {
		return text
	}
	return "\x1b[" + sgr + "m" + text + "\x1b[0m"
}

// Bold makes text bold.
func (p Palette) Bold(text string) string { return p.SGR("1", text) }

// Dim makes text faint.
func (p Palette) Dim(text string) string { return p.SGR("2", text) }

// Red makes text red.
func (p Palette) Red(text string) string { return p.SGR("31", text) }

// Green makes text green.
func (p Palette) Green(text string) string { return p.SGR("32", text) }

// Yellow makes text yellow.
func (p Palette) Yellow(text string) string { return p.SGR("33", text) }

// Blue makes text blue.
func (p Palette) Blue(text string) string { return p.SGR("34", text) }

// Cyan makes text cyan.
func (p Palette) Cyan(text string) string { return p.SGR("36", text) }
