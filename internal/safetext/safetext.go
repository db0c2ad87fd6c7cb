// Package safetext makes text that somebody else wrote safe to show.
//
// Command lines, file names, host names, rule names and server messages may
// all be written by an attacker. Display is the only string type that tables,
// TUI cells, prompts and error lines accept; Text and Lines make one, and show
// whatever could move the cursor, hide, reorder or forge text as a visible
// escape instead. FileName does the same for names that reach the disk.
package safetext

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Display is text that can be written to a terminal as it is: valid UTF-8
// without control, format, bidi or otherwise invisible characters. A constant
// of the program converts by itself; everything else goes through Text, Lines
// or Sprintf.
type Display string

// maxMarks is how many combining marks one letter keeps. Natural orthographies
// need at most four; more of them paint over the lines above and below.
const maxMarks = 4

// Text makes s safe for one line. Every C0 control, including TAB, CR and LF,
// becomes its control picture (␛ ␉ ␍ ␊), a C1 control or a byte that is not
// UTF-8 becomes \x9b, any other unsafe rune \u{202e}. Clean text comes back
// unchanged and without an allocation, so Text(string(Text(s))) == Text(s).
func Text(s string) Display {
	i := cleanASCII(s)
	if i == len(s) {
		return Display(s)
	}
	return Display(escape(s, i, false))
}

// Lines is Text for a text of several lines: LF stays, CR LF becomes LF and a
// TAB four spaces.
func Lines(s string) Display {
	i := cleanASCII(s)
	if i == len(s) {
		return Display(s)
	}
	return Display(escape(s, i, true))
}

// Sprintf formats like fmt.Sprintf and makes the whole safe for one line.
func Sprintf(format string, args ...any) Display {
	return Text(fmt.Sprintf(format, args...))
}

// Join puts sep between parts.
func Join(sep Display, parts ...Display) Display {
	if len(parts) == 1 {
		return parts[0]
	}
	var b strings.Builder
	for i, p := range parts {
		if i > 0 {
			b.WriteString(string(sep))
		}
		b.WriteString(string(p))
	}
	return Display(b.String())
}

// punctuation is what the program's own texts use beyond ASCII, and how a
// terminal without Unicode shows it.
var punctuation = map[rune]string{
	'…': "...", '·': "-", '–': "-", '—': "-", '→': "->", '←': "<-", '▸': ">", '◀': "<",
	'‘': "'", '’': "'", '“': `"`, '”': `"`, '•': "*", '×': "x", '✓': "ok",
}

// ASCII writes d for a terminal that cannot show Unicode: common punctuation
// as ASCII does it, control pictures as \x1b, any other rune as \u{e9}.
func (d Display) ASCII() Display {
	i := 0
	for i < len(d) && d[i] < utf8.RuneSelf {
		i++
	}
	if i == len(d) {
		return d
	}
	b := append(make([]byte, 0, len(d)+16), d[:i]...)
	for _, r := range d[i:] {
		switch {
		case r < utf8.RuneSelf:
			b = append(b, byte(r))
		case r >= 0x2400 && r <= 0x241F:
			b = appendByteEscape(b, byte(r-0x2400))
		case r == 0x2421:
			b = appendByteEscape(b, 0x7F)
		default:
			if p, ok := punctuation[r]; ok {
				b = append(b, p...)
			} else {
				b = appendRuneEscape(b, r)
			}
		}
	}
	return Display(b)
}

// cleanASCII is the length of the prefix of s that is printable ASCII.
func cleanASCII(s string) int {
	for i := 0; i < len(s); i++ {
		if c := s[i]; c < 0x20 || c >= 0x7F {
			return i
		}
	}
	return len(s)
}

// escape writes s safely, knowing that s[:start] is printable ASCII. It keeps
// s itself as long as nothing has to be changed.
func escape(s string, start int, multiline bool) string {
	var b []byte // nil while the output is s[:i]
	var prev rune
	marks, overflow := 0, false
	if start > 0 {
		prev = rune(s[start-1])
	}
	for i := start; i < len(s); {
		r, size := rune(s[i]), 1
		if r >= utf8.RuneSelf {
			r, size = utf8.DecodeRuneInString(s[i:])
		}
		keep := false
		switch {
		case r == utf8.RuneError && size == 1:
		case r == '\n' && multiline:
			keep = true
		case isMark(r):
			if overflow || marks >= maxMarks || prev == 0 || prev == '\n' {
				overflow = marks >= maxMarks || overflow
			} else {
				keep = true
			}
		case Plain(r):
			keep = true
		default:
			keep = inEmoji(prev, r, s[i+size:])
		}
		if keep {
			if b != nil {
				b = append(b, s[i:i+size]...)
			}
			if isMark(r) {
				marks++
			} else {
				marks, overflow = 0, false
			}
			// A mark keeps prev, so that an emoji with a keycap or a skin
			// tone is still known as one.
			if !isMark(r) {
				prev = r
			}
			i += size
			continue
		}
		if b == nil {
			b = append(make([]byte, 0, len(s)+32), s[:i]...)
		}
		n := len(b)
		b, size = appendEscape(b, s[i:], r, size, multiline)
		if len(b) > n {
			prev = rune(b[len(b)-1])
			if prev >= utf8.RuneSelf { // a control picture
				prev = 0x2400
			}
		}
		if !isMark(r) {
			marks, overflow = 0, false
		}
		i += size
	}
	if b == nil {
		return s
	}
	return string(b)
}

// appendEscape shows the rune r (of size bytes) at the start of s and tells
// how many bytes of s that used up.
func appendEscape(b []byte, s string, r rune, size int, multiline bool) ([]byte, int) {
	switch {
	case r == utf8.RuneError && size == 1:
		// A surrogate written as three bytes (WTF-8, CESU-8) is shown as one.
		if len(s) >= 3 && s[0] == 0xED && s[1] >= 0xA0 && s[1] <= 0xBF && s[2] >= 0x80 && s[2] <= 0xBF {
			return appendRuneEscape(b, 0xD000|rune(s[1]&0x3F)<<6|rune(s[2]&0x3F)), 3
		}
		return appendByteEscape(b, s[0]), 1
	case multiline && r == '\t':
		return append(b, "    "...), 1
	case multiline && r == '\r' && len(s) > 1 && s[1] == '\n':
		return b, 1
	case r < 0x20:
		return utf8.AppendRune(b, 0x2400+r), size
	case r == 0x7F:
		return utf8.AppendRune(b, 0x2421), size
	case r < 0xA0:
		return appendByteEscape(b, byte(r)), size
	}
	return appendRuneEscape(b, r), size
}

const hexDigits = "0123456789abcdef"

func appendByteEscape(b []byte, c byte) []byte {
	return append(b, '\\', 'x', hexDigits[c>>4], hexDigits[c&15])
}

func appendRuneEscape(b []byte, r rune) []byte {
	return fmt.Appendf(b, `\u{%x}`, r)
}

// Plain tells whether r may appear anywhere in a Display. Combining marks are
// not plain: how many are allowed depends on what is before them.
func Plain(r rune) bool {
	if r < utf8.RuneSelf {
		return r >= 0x20 && r != 0x7F
	}
	if Hidden(r) || isMark(r) {
		return false
	}
	switch r {
	case 0xA0, 0x202F, 0x3000: // the spaces real text uses
		return true
	case utf8.RuneError:
		return true
	case 0xFFFC: // object replacement
		return false
	}
	return unicode.IsPrint(r)
}

// Hidden tells whether r is a control, or a character that shows nothing and
// changes how others look: C0, DEL, C1, bidi controls, zero-width characters,
// variation selectors, tags, fillers, line and paragraph separators,
// interlinear annotation and noncharacters. JSON output escapes exactly these.
func Hidden(r rune) bool {
	if r < 0x300 {
		return r < 0x20 || r >= 0x7F && r < 0xA0 || r == 0xAD
	}
	switch {
	case r < 0x2000:
		switch {
		case r == 0x34F, r == 0x61C, r == 0x70F, r == 0x8E2,
			r >= 0x600 && r <= 0x605, r == 0x6DD, r == 0x890, r == 0x891,
			r == 0x115F, r == 0x1160, r == 0x17B4, r == 0x17B5,
			r >= 0x180B && r <= 0x180F:
			return true
		}
		return false
	case r <= 0x206F:
		return r >= 0x200B && r <= 0x200F || r >= 0x2028 && r <= 0x202E || r >= 0x2060
	case r < 0xD800:
		return r == 0x2800 || r == 0x3164
	case r <= 0xDFFF:
		return true
	case r >= 0xFE00 && r <= 0xFE0F, r == 0xFEFF, r == 0xFFA0,
		r >= 0xFFF0 && r <= 0xFFFB, r >= 0xFDD0 && r <= 0xFDEF, r&0xFFFE == 0xFFFE:
		return true
	case r >= 0xE0000 && r <= 0xE0FFF: // tags, variation selectors, reserved ignorables
		return true
	case r > 0xFFFF:
		return unicode.Is(unicode.Cf, r)
	}
	return false
}

func isMark(r rune) bool {
	return r >= 0x300 && !Hidden(r) && unicode.In(r, unicode.Mn, unicode.Me, unicode.Mc)
}

// inEmoji allows the joiners an emoji is made of where they belong to one: a
// presentation selector after a symbol or in a keycap, and the zero-width
// joiner between two symbols.
func inEmoji(prev, r rune, rest string) bool {
	switch r {
	case 0xFE0F, 0xFE0E:
		if isEmoji(prev) {
			return true
		}
		next, _ := utf8.DecodeRuneInString(rest)
		return next == 0x20E3 && (prev >= '0' && prev <= '9' || prev == '#' || prev == '*')
	case 0x200D:
		next, _ := utf8.DecodeRuneInString(rest)
		return (isEmoji(prev) || prev == 0xFE0F) && isEmoji(next) && Plain(next)
	}
	return false
}

func isEmoji(r rune) bool {
	switch {
	case r >= 0x1F000 && r <= 0x1FAFF, r >= 0x2600 && r <= 0x27BF, r >= 0x2300 && r <= 0x23FF,
		r >= 0x2B00 && r <= 0x2BFF, r >= 0x2190 && r <= 0x21FF, r >= 0x25A0 && r <= 0x25FF:
		return true
	}
	switch r {
	case 0xA9, 0xAE, 0x203C, 0x2049, 0x2122, 0x2139, 0x24C2, 0x2934, 0x2935, 0x3030, 0x303D, 0x3297, 0x3299:
		return true
	}
	return false
}
