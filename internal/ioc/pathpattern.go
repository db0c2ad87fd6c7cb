package ioc

import "strings"

// path reads a path; one with wildcards, variables or placeholders is a
// pattern. The server of a network path counts, too.
func path(s string) []value {
	s = strings.TrimPrefix(s, "file:///")
	out := []value{{typ: FilePath, text: s}}
	if strings.ContainsAny(s, "*?~%$<[{") && compilePath(s) != nil {
		out[0].typ = PathPattern
	}
	if strings.HasPrefix(s, `\\`) {
		return append(out, uncServer(s[2:])...)
	}
	return out
}

// uncServer reads the server of SERVER\share, SERVER@80\share and SERVER@SSL\share.
func uncServer(s string) []value {
	s = strings.TrimLeft(s, `\`)
	i := strings.IndexByte(s, '\\')
	if i < 0 {
		return nil
	}
	host, port := s[:i], uint16(0)
	if at := strings.IndexByte(host, '@'); at > 0 {
		rest := strings.TrimPrefix(strings.ToUpper(host[at+1:]), "SSL@")
		port, _ = portOf(rest)
		host = host[:at]
	}
	if t, v, _, ok := address(host); ok && t != CIDR {
		return []value{{typ: t, text: v, port: port}}
	}
	if d, ok := domain(host); ok && knownSuffix(d) && !isSuffix(d) {
		return []value{{typ: Domain, text: d, port: port}}
	}
	return nil
}

// pathRule matches paths. Wildcards, variables and placeholders stand for any
// text within one folder, a variable at the start for any folder in front.
type pathRule struct {
	parts []string // lower case, literal text between the gaps
	gaps  []gap    // gaps[i] is before parts[i]; one more at the end
	index string   // the last folder or file name, when it is literal: what a table can find it by
}

type gap uint8

const (
	gapNone gap = iota
	gapOne      // ? : one character
	gapName     // * : any characters but separators
	gapAny      // a variable at the start, or **: any characters
)

// compilePath gives the rule of a path; nil when it is literal.
func compilePath(s string) *pathRule {
	var r pathRule
	var lit strings.Builder
	pattern := false
	next := gapNone
	flush := func(g gap) {
		if lit.Len() == 0 && len(r.parts) > 0 || lit.Len() == 0 && next != gapNone {
			if next == gapOne && g == gapOne {
				g = gapName
			}
			next = max(next, g)
			return
		}
		if lit.Len() > 0 || g != gapNone {
			if lit.Len() > 0 {
				r.parts, r.gaps = append(r.parts, strings.ToLower(lit.String())), append(r.gaps, next)
				lit.Reset()
			}
			next = g
		}
	}
	for i := 0; i < len(s); {
		n, g := placeholder(s, i)
		if n == 0 {
			if s[i] == '/' && strings.ContainsRune(s, '\\') {
				lit.WriteByte('\\')
			} else {
				lit.WriteByte(s[i])
			}
			i++
			continue
		}
		pattern = true
		flush(g)
		i += n
	}
	flush(gapNone)
	if !pattern || len(r.parts) == 0 {
		return nil
	}
	r.gaps = append(r.gaps, next)
	if lit := r.parts[len(r.parts)-1]; next == gapNone {
		if i := strings.LastIndexAny(lit, `\/`); i >= 0 && i < len(lit)-1 {
			r.index = lit[i+1:]
		}
	}
	return &r
}

// placeholder reads what stands for something else at s[i:].
func placeholder(s string, i int) (n int, g gap) {
	switch c := s[i]; c {
	case '*':
		if strings.HasPrefix(s[i:], "**") {
			return 2, gapAny
		}
		return 1, gapName
	case '?':
		if strings.HasPrefix(s, `\\?\`) && i == 2 {
			return 0, gapNone
		}
		return 1, gapOne
	case '~':
		if i == 0 && len(s) > 1 && (s[1] == '/' || s[1] == '\\') {
			return 1, gapAny
		}
	case '%':
		if k := strings.IndexByte(s[i+1:], '%'); k > 0 && k < 40 && !strings.ContainsAny(s[i+1:i+1+k], `\/`) {
			if i == 0 {
				return k + 2, gapAny
			}
			return k + 2, gapName
		}
	case '$':
		if len(s) > i+5 && strings.EqualFold(s[i:i+5], "$env:") || strings.HasPrefix(s[i:], "$HOME") {
			k := strings.IndexAny(s[i+5:], `\/`)
			if k >= 0 {
				return 5 + k, gapAny
			}
		}
	case '<', '[', '{':
		end := strings.IndexByte(s[i:], map[byte]byte{'<': '>', '[': ']', '{': '}'}[c])
		if end < 2 || strings.ContainsAny(s[i:i+end], `\/`) {
			return 0, gapNone
		}
		inner := s[i+1 : i+end]
		if c == '<' || isPlaceholderWord(inner) {
			if i == 0 {
				return end + 1, gapAny
			}
			return end + 1, gapName
		}
	}
	return 0, gapNone
}

// isPlaceholderWord tells [username] and {random} from folders that have brackets in their name.
func isPlaceholderWord(s string) bool {
	w := strings.ToLower(s)
	for _, known := range [...]string{"user", "name", "random", "guid", "sid", "version", "redacted", "folder", "dir", "number", "digit", "date", "drive", "path", "host", "domain", "char", "string", "computer", "system", "appdata", "temp", "xx", "id", "variable", "profile", "install"} {
		if strings.Contains(w, known) && !strings.ContainsAny(w, "0123456789") {
			return true
		}
	}
	return false
}

// match tells whether a path, in lower case, fits. It follows all ways at
// once, so that no pattern makes it slow.
func (r *pathRule) match(p string) bool {
	from := []int{0} // where the part before may have ended, ascending
	for n, lit := range r.parts {
		var to []int
		for at := 0; ; {
			i := strings.Index(p[at:], lit)
			if i < 0 {
				break
			}
			if begin := at + i; reaches(p, from, begin, r.gaps[n]) {
				to = append(to, begin+len(lit))
			}
			at += i + 1
		}
		if from = to; len(from) == 0 {
			return false
		}
	}
	return reaches(p, from, len(p), r.gaps[len(r.parts)])
}

// reaches tells whether a gap leads from one of the ends to a place.
func reaches(p string, ends []int, to int, g gap) bool {
	for k := len(ends) - 1; k >= 0; k-- {
		end := ends[k]
		switch {
		case end > to:
			continue
		case g == gapAny:
			return true
		case g == gapNone && end == to, g == gapOne && end+1 == to:
			return true
		case g == gapName:
			return !strings.ContainsAny(p[end:to], `\/`)
		case end+1 < to:
			return false
		}
	}
	return false
}
