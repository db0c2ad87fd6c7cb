package ioc

import (
	"strings"
	"unsafe"
)

// The marks that stand for defanged signs while a text is read: a value that
// was defanged was meant as an indicator.
const (
	markDot   = '\x01'
	markAt    = '\x02'
	markColon = '\x03'
)

// Refang turns the ways people defuse addresses back: hxxp, [.], (dot), [at].
func Refang(s string) string {
	if !mayBeDefanged(s) {
		return s
	}
	return unmark(markDefanged(s))
}

var unmarker = strings.NewReplacer(string(markDot), ".", string(markAt), "@", string(markColon), ":")

func unmark(s string) string {
	if !strings.ContainsAny(s, "\x01\x02\x03") {
		return s
	}
	return unmarker.Replace(s)
}

// isDefanged tells whether a marked text has a mark in it.
func isDefanged(s string) bool { return strings.ContainsAny(s, "\x01\x02\x03") }

// mayBeDefanged is the quick look before the thorough one.
func mayBeDefanged(s string) bool {
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '[', '(', '{', '<', '*', '\x01', '\x02', '\x03':
			return true
		case '\\':
			if i+1 < len(s) && (s[i+1] == '.' || s[i+1] == '\\' && i > 0 && s[i-1] == ':') { // evil\.com, http:\\evil.com
				return true
			}
		case 'x', 'X':
			if i+1 < len(s) && (s[i+1] == 'x' || s[i+1] == 'X' || s[i+1] == 'p' || s[i+1] == 'P') {
				return true
			}
		case 'm', 'M':
			if i+3 < len(s) && strings.EqualFold(s[i:i+4], "meow") {
				return true
			}
		case 'd', 'D', 'a', 'A':
			if i > 0 && i+2 < len(s) && s[i-1] == ' ' && (strings.EqualFold(s[i:i+3], "dot") || strings.EqualFold(s[i:i+3], "at ")) {
				return true
			}
		}
	}
	return false
}

// markDefanged refangs, leaving marks in the place of what was defanged.
func markDefanged(s string) string {
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); {
		if n, put := bracketed(s[i:]); n > 0 {
			if strings.IndexByte("\x01\x02\x03", put[0]) >= 0 {
				b = trimBlanks(b, s, i, n)
				if i > 0 && s[i-1] == ' ' && i+n+1 < len(s) && s[i+n] == ' ' && isAlnum(s[i+n+1]) {
					n++ // a blank on both sides belongs to the sign
				}
			}
			b = append(b, put...)
			i += n
			continue
		}
		c := s[i]
		switch {
		case c == '\\' && i+1 < len(s) && s[i+1] == '.' && i > 0 && isAlnum(s[i-1]) && i+2 < len(s) && isAlnum(s[i+2]):
			b = append(b, markDot)
			i += 2
			continue
		case c <= '\x03' && c > 0:
			b = append(b, ' ') // nobody's text brings marks of its own
			i++
			continue
		case isLetter(c) && (i == 0 || !isAlnum(s[i-1])):
			if n, put := scheme(s[i:]); n > 0 {
				b = append(b, put...)
				i += n
				continue
			}
		case c == ' ':
			if n, mark := spelled(s, i); n > 0 {
				b = append(b, mark)
				i += n
				continue
			}
		}
		b = append(b, c)
		i++
	}
	return string(b)
}

// trimBlanks drops the blanks before a bracketed sign: "evil [.] com".
func trimBlanks(b []byte, s string, at, n int) []byte {
	if at > 0 && s[at-1] == ' ' && at+n < len(s) {
		for len(b) > 0 && b[len(b)-1] == ' ' {
			b = b[:len(b)-1]
		}
	}
	return b
}

// bracketed reads [.], ( dot ), {:}, [://], <.> and the like at the start of s.
func bracketed(s string) (n int, put string) {
	if len(s) < 3 {
		return 0, ""
	}
	var closing byte
	switch s[0] {
	case '[':
		closing = ']'
	case '(':
		closing = ')'
	case '{':
		closing = '}'
	case '<':
		closing = '>'
	default:
		return 0, ""
	}
	end := strings.IndexByte(s[:min(len(s), 9)], closing)
	if end < 2 {
		return 0, ""
	}
	switch inner := strings.TrimSpace(s[1:end]); {
	case inner == "." || inner == "," || equalWord(inner, "dot") || equalWord(inner, "punto") || equalWord(inner, "d0t") || equalWord(inner, "punkt"):
		put = string(markDot)
	case inner == "@" || equalWord(inner, "at"):
		put = string(markAt)
	case inner == ":":
		put = string(markColon)
	case inner == "://":
		put = string(markColon) + "//"
	case inner == "//":
		put = "//"
	case inner == "/":
		put = "/"
	default:
		return 0, ""
	}
	n = end + 1
	// "evil[.] com" and "evil [ . ] com"
	if put == string(markDot) || put == string(markAt) {
		if n+1 < len(s) && s[n] == ' ' && isAlnum(s[n+1]) && sameWord(s[n+1:]) {
			n++
		}
		if n < len(s) && s[n] == '.' { // evil[.].com
			n++
		}
	}
	return n, put
}

// sameWord tells whether what comes behind "[.] " reads as the next label of a
// name, not as the next word: it is short and lower-case, or has a dot.
func sameWord(s string) bool {
	end := strings.IndexAny(s, " \t,;)")
	if end < 0 {
		end = len(s)
	}
	w := s[:end]
	return strings.ContainsAny(w, "./[(") || len(w) <= 6 && w == strings.ToLower(w)
}

func equalWord(s, word string) bool { return strings.EqualFold(s, word) }

// scheme reads a defused scheme at the start of s: hxxp, hxxps, h**p, meow, fxp.
func scheme(s string) (n int, put string) {
	end := 0
	for end < len(s) && end < 8 && (isLetter(s[end]) || s[end] == '*' || s[end] == '?') {
		end++
	}
	word := strings.ToLower(s[:end])
	rest := s[end:]
	sep := 0
	switch {
	case strings.HasPrefix(rest, "://"):
		sep = 3
	case strings.HasPrefix(rest, "[:]//"), strings.HasPrefix(rest, "(:)//"), strings.HasPrefix(rest, "{:}//"):
		sep = 5
	case strings.HasPrefix(rest, "[://]"), strings.HasPrefix(rest, "(://)"), strings.HasPrefix(rest, ":[//]"), strings.HasPrefix(rest, ":(//)"):
		sep = 5
	case strings.HasPrefix(rest, ":///"):
		sep = 4
	case strings.HasPrefix(rest, "[:]\\\\"), strings.HasPrefix(rest, "[:]/\\"):
		sep = 5
	case strings.HasPrefix(rest, "[:/]/"), strings.HasPrefix(rest, "[:]/["):
		sep = 5
	case strings.HasPrefix(rest, "]://"), strings.HasPrefix(rest, "_://"):
		sep = 4
	case strings.HasPrefix(rest, ":\\\\") && len(rest) > 3 && isAlnum(rest[3]):
		sep = 3
	case strings.HasPrefix(rest, ":/") && len(rest) > 2 && isAlnum(rest[2]) && strings.ContainsAny(word, "x*"):
		sep = 2
	case strings.HasPrefix(rest, " :// "):
		sep = 5
	case strings.HasPrefix(rest, ": //"):
		sep = 4
	default:
		return 0, ""
	}
	defused := rest[:sep] != "://"
	switch word {
	case "hxxp", "hxp", "htxp", "hxtp", "h**p", "hxxxp", "xxxx", "hxxx", "httx", "h??p", "meow", "hyyp", "hzzp", "xxp", "ttp", "hkkp", "xhttp", "httpx":
		word, defused = "http", true
	case "hxxps", "hxps", "htxps", "hxtps", "h**ps", "hxxxps", "hxxxx", "meows", "hyyps", "hzzps", "xxps", "h??ps", "hkkps", "hxxpx", "httxs":
		word, defused = "https", true
	case "fxp", "fxxp", "f*p", "fxtp":
		word, defused = "ftp", true
	case "fxps":
		word, defused = "ftps", true
	case "http", "https", "ftp", "ftps", "tcp", "udp", "ws", "wss", "sftp", "smb", "ldap", "rtsp":
	default:
		return 0, ""
	}
	if !defused {
		return 0, ""
	}
	return end + sep, word + string(markColon) + "//"
}

// spelled reads " dot ", " DOT " and " at " between two words of a name.
func spelled(s string, i int) (n int, mark byte) {
	for _, w := range [...]struct {
		word string
		mark byte
	}{{" dot ", markDot}, {" DOT ", markDot}, {" [dot] ", markDot}} {
		if len(s)-i > len(w.word) && s[i:i+len(w.word)] == w.word && i > 0 && isAlnum(s[i-1]) && isAlnum(s[i+len(w.word)]) {
			// "connect the dot com" is rare; a label on both sides is what names have
			if w.word != " dot " || label(s, i) {
				return len(w.word), w.mark
			}
		}
	}
	return 0, 0
}

// label tells whether the words around " dot " could be labels of a name: the
// one behind it is a top-level domain or is followed by another dot.
func label(s string, i int) bool {
	rest := s[i+len(" dot "):]
	end := strings.IndexFunc(rest, func(r rune) bool { return r > 0x7f || !isAlnum(byte(r)) && r != '-' })
	if end < 0 {
		end = len(rest)
	}
	return strings.HasPrefix(rest[end:], " dot ") || knownSuffix("x."+strings.ToLower(rest[:end]))
}

func isAlnum(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}

func isLetter(c byte) bool { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' }

// bytesAsString shares the bytes of an arena block, which are never changed.
func bytesAsString(b []byte) string {
	return unsafe.String(unsafe.SliceData(b), len(b))
}
