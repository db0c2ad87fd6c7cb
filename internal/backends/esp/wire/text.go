package wire

import (
	"strconv"
	"strings"
)

// ContainsAny reports whether s contains one of the texts.
func ContainsAny(s string, list ...string) bool {
	for _, x := range list {
		if strings.Contains(s, x) {
			return true
		}
	}
	return false
}

// Short keeps a server's text to one line of a sensible length; it is not
// made safe to print, the caller's Display type does that.
func Short(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	if len(s) > 300 {
		s = strings.ToValidUTF8(s[:300], "") + "…"
	}
	return s
}

// IsNull tells the texts the agents write for "nothing".
func IsNull(b []byte) bool {
	switch string(b) {
	case "", "null", "NULL", "NA":
		return true
	}
	return false
}

// IsHex reports whether s consists of hex digits.
func IsHex(s string) bool {
	for i := range len(s) {
		switch c := s[i]; {
		case c >= '0' && c <= '9', c >= 'a' && c <= 'f', c >= 'A' && c <= 'F':
		default:
			return false
		}
	}
	return s != ""
}

// Strings reads a list of strings, or a csv string.
func Strings(v []byte) []string {
	var out []string
	switch KindOf(v) {
	case '[':
		_ = EachElement(v, func(v []byte) error {
			if s := Scalar(v); s != "" {
				out = append(out, s)
			}
			return nil
		})
	case '"':
		out = SplitCSV(Scalar(v))
	}
	return out
}

// Has reports whether s is in the list.
func Has(list []string, s string) bool {
	for _, x := range list {
		if x == s {
			return true
		}
	}
	return false
}

// SplitCSV splits a list with commas; blanks around its parts do not count.
func SplitCSV(s string) []string {
	var out []string
	for _, part := range strings.Split(s, ",") {
		if part = strings.TrimSpace(part); part != "" {
			out = append(out, part)
		}
	}
	return out
}

// IsTrue reads a boolean, whichever way the edition writes it.
func IsTrue(v []byte) bool {
	s := strings.ToLower(Scalar(v))
	return s == "true" || s == "1"
}

// IsGUID reports whether s is a GUID without braces.
func IsGUID(s string) bool {
	if len(s) != 36 {
		return false
	}
	for i := range len(s) {
		switch c := s[i]; {
		case i == 8 || i == 13 || i == 18 || i == 23:
			if c != '-' {
				return false
			}
		case c >= '0' && c <= '9', c >= 'a' && c <= 'f', c >= 'A' && c <= 'F':
		default:
			return false
		}
	}
	return true
}

// IsDigits reports whether s consists of decimal digits.
func IsDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

// IsNumber tells whether s can be one of the server's own numbers.
func IsNumber(s string) bool { return IsDigits(s) && len(s) <= 18 }

// PID reads a process id, 0 for none.
func PID(s string) int64 {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 0 {
		return 0
	}
	return n
}

// TrimGUID drops the braces around a GUID.
func TrimGUID(s string) string { return strings.Trim(s, "{}") }

// FirstOf is the first text that is not empty.
func FirstOf(list ...string) string {
	for _, s := range list {
		if s != "" {
			return s
		}
	}
	return ""
}

// DomainName drops the dot the agent writes before a name.
func DomainName(s string) string { return strings.Trim(s, ".") }

// Port reads a port, 0 for none.
func Port(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil || n < 0 || n > 65535 {
		return 0
	}
	return n
}
