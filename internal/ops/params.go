package ops

import (
	"fmt"
	"net/netip"
	"strings"
)

// What people write for the parameters of a change, read the same way by the
// command line and by the screen. The errors say what is wrong with the text.

// BlockTarget reads ADDRESS, ADDRESS:PORT, [IPv6]:PORT, a network, or else the
// path or name of a program.
func BlockTarget(s string) (address string, port int, program string, err error) {
	if ap, err := netip.ParseAddrPort(s); err == nil {
		if ap.Port() == 0 {
			return "", 0, "", fmt.Errorf("%q: port 0 is none", s)
		}
		return ap.Addr().Unmap().String(), int(ap.Port()), "", nil
	}
	if a, err := netip.ParseAddr(strings.Trim(s, "[]")); err == nil {
		return a.Unmap().String(), 0, "", nil
	}
	if p, err := netip.ParsePrefix(s); err == nil {
		return p.Masked().String(), 0, "", nil
	}
	looksLikeAddress := strings.Trim(s, "0123456789.:/") == ""
	switch {
	case strings.TrimSpace(s) == "":
		return "", 0, "", fmt.Errorf("say which ADDRESS or PROGRAM")
	case looksLikeAddress:
		return "", 0, "", fmt.Errorf("%q is no address", s)
	}
	return "", 0, s, nil
}

// SplitCommand reads a line as the arguments of a command: words, and texts in
// single or double quotes. A backslash stands for itself, for in paths it does;
// only before a double quote inside double quotes it makes that quote a letter.
func SplitCommand(line string) ([]string, error) {
	var out []string
	var word strings.Builder
	in := rune(0)    // the quote one is inside of
	began := false   // a word, which may be empty: ""
	escaped := false // the last rune was a backslash in double quotes
	for _, r := range line {
		switch {
		case escaped:
			escaped = false
			if r != '"' {
				word.WriteRune('\\')
			}
			if r == '\\' {
				escaped = true
				continue
			}
			word.WriteRune(r)
		case in == '"' && r == '\\':
			escaped = true
		case in != 0 && r == in:
			in = 0
		case in != 0:
			word.WriteRune(r)
		case r == '"' || r == '\'':
			in, began = r, true
		case r == ' ' || r == '\t':
			if began {
				out = append(out, word.String())
				word.Reset()
				began = false
			}
		default:
			word.WriteRune(r)
			began = true
		}
	}
	if in != 0 {
		return nil, fmt.Errorf("the quote %c is not closed", in)
	}
	if began {
		out = append(out, word.String())
	}
	return out, nil
}
