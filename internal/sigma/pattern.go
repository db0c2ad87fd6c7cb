package sigma

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// wild is the value of a rule between its parsing and its compilation: bytes,
// and wildcards between them.
type wild []piece

// piece is a literal, or one wildcard.
type piece struct {
	lit  string
	kind byte // 0 literal, '*', '?', '%' placeholder named lit
}

// parseWild reads a value with its wildcards. A backslash escapes a wildcard
// or a backslash, and is itself before anything else.
func parseWild(s string) wild {
	var w wild
	lit := make([]byte, 0, len(s))
	flush := func() {
		if len(lit) > 0 {
			w = append(w, piece{lit: string(lit)})
			lit = lit[:0]
		}
	}
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c == '\\' && i+1 < len(s) && (s[i+1] == '*' || s[i+1] == '?' || s[i+1] == '\\') {
			i++
			lit = append(lit, s[i])
			continue
		}
		if c == '*' || c == '?' {
			flush()
			w = append(w, piece{kind: c})
			continue
		}
		lit = append(lit, c)
	}
	flush()
	return w
}

func literal(s string) wild {
	if s == "" {
		return nil
	}
	return wild{{lit: s}}
}

// plain gives the value as a string; false when it has wildcards.
func (w wild) plain() (string, bool) {
	switch {
	case len(w) == 0:
		return "", true
	case len(w) == 1 && w[0].kind == 0:
		return w[0].lit, true
	}
	var b strings.Builder
	for _, p := range w {
		if p.kind != 0 {
			return "", false
		}
		b.WriteString(p.lit)
	}
	return b.String(), true
}

func (w wild) startsWithStar() bool { return len(w) > 0 && w[0].kind == '*' }
func (w wild) endsWithStar() bool   { return len(w) > 0 && w[len(w)-1].kind == '*' }

func (w wild) starBefore() wild {
	if w.startsWithStar() {
		return w
	}
	return append(wild{{kind: '*'}}, w...)
}

func (w wild) starAfter() wild {
	if w.endsWithStar() {
		return w
	}
	return append(w[:len(w):len(w)], piece{kind: '*'})
}

// textKind is how a text is compared.
type textKind uint8

const (
	textEqual textKind = iota
	textPrefix
	textSuffix
	textContains
	textGlob
	textAny // matches whatever is there
)

// text is a compiled value: what it has to hold.
type text struct {
	kind  textKind
	cased bool
	lit   string
	glob  []segment // of textGlob: the parts between the stars
}

// segment is a part of a glob without stars: literals with one ? between each
// two of them.
type segment []string

// compileText makes the fastest comparison of a value.
func compileText(w wild, cased bool) text {
	t := text{cased: cased}
	var segs []segment
	cur := segment{""}
	stars := 0
	for _, p := range w {
		lit := p.lit
		if !cased {
			lit = lower(lit)
		}
		switch p.kind {
		case '*':
			segs = append(segs, cur)
			cur = segment{""}
			stars++
		case '?':
			cur = append(cur, "")
		default:
			cur[len(cur)-1] += lit
		}
	}
	segs = append(segs, cur)
	simple := func(i int) bool { return len(segs[i]) == 1 }
	switch {
	case stars == 0 && simple(0):
		t.kind, t.lit = textEqual, segs[0][0]
	case stars == 1 && simple(0) && simple(1) && segs[0][0] == "" && segs[1][0] == "":
		t.kind = textAny
	case stars == 1 && simple(0) && simple(1) && segs[1][0] == "":
		t.kind, t.lit = textPrefix, segs[0][0]
	case stars == 1 && simple(0) && simple(1) && segs[0][0] == "":
		t.kind, t.lit = textSuffix, segs[1][0]
	case stars == 2 && simple(0) && simple(1) && simple(2) && segs[0][0] == "" && segs[2][0] == "":
		if t.kind, t.lit = textContains, segs[1][0]; t.lit == "" {
			t.kind = textAny
		}
	default:
		t.kind, t.glob = textGlob, segs
	}
	return t
}

func (t *text) match(v *value) bool {
	s := v.raw
	if !t.cased {
		s = v.fold()
	}
	switch t.kind {
	case textEqual:
		return s == t.lit
	case textPrefix:
		return strings.HasPrefix(s, t.lit)
	case textSuffix:
		return strings.HasSuffix(s, t.lit)
	case textContains:
		return strings.Contains(s, t.lit)
	case textAny:
		return true
	}
	return matchGlob(t.glob, s)
}

// matchGlob matches the segments with anything between them; the first is at
// the start and the last at the end.
func matchGlob(segs []segment, s string) bool {
	pos := segs[0].matchAt(s, 0)
	if pos < 0 {
		return false
	}
	if len(segs) == 1 {
		return pos == len(s)
	}
	for _, seg := range segs[1 : len(segs)-1] {
		if pos = seg.find(s, pos); pos < 0 {
			return false
		}
	}
	return segs[len(segs)-1].endsAt(s, pos)
}

// matchAt matches at a position and gives where the match ends, or -1.
func (seg segment) matchAt(s string, pos int) int {
	for i, lit := range seg {
		if i > 0 {
			if pos >= len(s) {
				return -1
			}
			_, n := utf8.DecodeRuneInString(s[pos:])
			pos += n
		}
		if !strings.HasPrefix(s[pos:], lit) {
			return -1
		}
		pos += len(lit)
	}
	return pos
}

// find gives the end of the first match from a position on, or -1.
func (seg segment) find(s string, pos int) int {
	for pos <= len(s) {
		if seg[0] != "" {
			i := strings.Index(s[pos:], seg[0])
			if i < 0 {
				return -1
			}
			pos += i
		}
		if end := seg.matchAt(s, pos); end >= 0 {
			return end
		}
		if pos >= len(s) {
			return -1
		}
		_, n := utf8.DecodeRuneInString(s[pos:])
		pos += n
	}
	return -1
}

// endsAt reports whether the segment matches at the end of s, not before from.
func (seg segment) endsAt(s string, from int) bool {
	end := len(s)
	for i := len(seg) - 1; i >= 0; i-- {
		if !strings.HasSuffix(s[from:end], seg[i]) {
			return false
		}
		end -= len(seg[i])
		if i > 0 {
			if end <= from {
				return false
			}
			_, n := utf8.DecodeLastRuneInString(s[from:end])
			end -= n
		}
	}
	return true
}

// MatchText compares a text, without case, with a value that may have
// wildcards.
func MatchText(pattern, s string) bool {
	t := compileText(parseWild(pattern), false)
	return t.match(&value{raw: s})
}

// lower folds case rune by rune. Bytes that are not UTF-8 stay as they are.
func lower(s string) string {
	ascii, change := true, false
	for i := range len(s) {
		c := s[i]
		ascii = ascii && c < utf8.RuneSelf
		change = change || 'A' <= c && c <= 'Z'
	}
	if ascii {
		if !change {
			return s
		}
		b := make([]byte, len(s))
		for i := range len(s) {
			c := s[i]
			if 'A' <= c && c <= 'Z' {
				c += 'a' - 'A'
			}
			b[i] = c
		}
		return string(b)
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && n == 1 {
			b = append(b, s[i])
		} else {
			b = utf8.AppendRune(b, unicode.ToLower(r))
		}
		i += n
	}
	return string(b)
}
