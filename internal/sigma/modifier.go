package sigma

import (
	"encoding/base64"
	"net/netip"
	"regexp"
	"regexp/syntax"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// scalar is one value of a rule as YAML gives it.
type scalar struct {
	line int
	text string
	null bool
	num  *number
}

// building is a leaf while its modifiers are applied in their order.
type building struct {
	leaf
	line   int
	values []building1
	re     string // the flags of the regular expressions, with "r"
	cased  bool
	cidr   bool
	cmp    *compare
	part   string
	places Placeholders
}

// building1 is one value on its way.
type building1 struct {
	scalar
	wild wild
}

// modifiers lists all that there are, with what each does.
var modifiers = map[string]func(*building) *fault{
	"contains":     func(b *building) *fault { return b.around(textContains) },
	"startswith":   func(b *building) *fault { return b.around(textPrefix) },
	"endswith":     func(b *building) *fault { return b.around(textSuffix) },
	"all":          func(b *building) *fault { b.all = true; return nil },
	"cased":        func(b *building) *fault { b.cased = true; return nil },
	"exists":       (*building).setExists,
	"neq":          func(b *building) *fault { b.negate = true; return nil },
	"re":           (*building).setRegexp,
	"i":            func(b *building) *fault { return b.flag("i") },
	"m":            func(b *building) *fault { return b.flag("m") },
	"s":            func(b *building) *fault { return b.flag("s") },
	"windash":      func(b *building) *fault { return b.multiply(windash) },
	"base64":       func(b *building) *fault { return b.encode(encode64) },
	"base64offset": func(b *building) *fault { return b.encode(encode64Offset) },
	"wide":         func(b *building) *fault { return b.recode(false, false) },
	"utf16le":      func(b *building) *fault { return b.recode(false, false) },
	"utf16be":      func(b *building) *fault { return b.recode(true, false) },
	"utf16":        func(b *building) *fault { return b.recode(false, true) },
	"cidr":         func(b *building) *fault { b.cidr = true; return nil },
	"lt":           func(b *building) *fault { return b.compare(cmpLess) },
	"lte":          func(b *building) *fault { return b.compare(cmpLessEqual) },
	"gt":           func(b *building) *fault { return b.compare(cmpGreater) },
	"gte":          func(b *building) *fault { return b.compare(cmpGreaterEqual) },
	"fieldref":     (*building).setRef,
	"expand":       func(b *building) *fault { return b.multiply(b.places.expand) },
	"minute":       func(b *building) *fault { b.part = "minute"; return nil },
	"hour":         func(b *building) *fault { b.part = "hour"; return nil },
	"day":          func(b *building) *fault { b.part = "day"; return nil },
	"week":         func(b *building) *fault { b.part = "week"; return nil },
	"month":        func(b *building) *fault { b.part = "month"; return nil },
	"year":         func(b *building) *fault { b.part = "year"; return nil },
}

// makeLeaf reads one member of a selection: field|modifier…: value or values.
func makeLeaf(line int, key string, values []scalar, places Placeholders) (*leaf, *fault) {
	b := building{line: line, places: places}
	field, mods, _ := strings.Cut(key, "|")
	b.field = field
	for _, v := range values {
		if len(v.text) > maxValue {
			return nil, faultf(v.line, "%s: a value is longer than %d bytes", key, maxValue)
		}
		b.values = append(b.values, building1{v, parseWild(v.text)})
	}
	if len(values) == 0 {
		return nil, faultf(line, "%s: has no value", key)
	}
	if mods != "" {
		for _, mod := range strings.Split(mods, "|") {
			apply, ok := modifiers[mod]
			if !ok {
				return nil, faultf(line, "%s: there is no modifier %q", key, mod)
			}
			if err := apply(&b); err != nil {
				return nil, faultf(line, "%s: %s: %s", key, mod, err.reason)
			}
		}
	}
	l, err := b.finish()
	if err != nil {
		return nil, faultf(line, "%s: %s", key, err.reason)
	}
	l.key = leafKey(key, values)
	return l, nil
}

func leafKey(key string, values []scalar) string {
	var b strings.Builder
	b.WriteString(key)
	for _, v := range values {
		b.WriteByte(0)
		switch {
		case v.null:
			b.WriteByte('n')
		case v.num != nil:
			b.WriteByte('#')
		}
		b.WriteString(v.text)
	}
	return b.String()
}

// strings gives an error for values that cannot be text.
func (b *building) noNull() *fault {
	for _, v := range b.values {
		if v.null {
			return faultf(0, "null has no text")
		}
	}
	return nil
}

func (b *building) around(how textKind) *fault {
	if err := b.noNull(); err != nil {
		return err
	}
	if b.ref != nil {
		b.ref.how = how
		return nil
	}
	for i := range b.values {
		v := &b.values[i]
		v.num = nil
		switch {
		case b.re != "" && how == textPrefix:
			v.text = "^(?:" + v.text + ")"
		case b.re != "" && how == textSuffix:
			v.text = "(?:" + v.text + ")$"
		}
		if how != textPrefix {
			v.wild = v.wild.starBefore()
		}
		if how != textSuffix {
			v.wild = v.wild.starAfter()
		}
	}
	return nil
}

func (b *building) setExists() *fault {
	if len(b.values) != 1 {
		return faultf(0, "wants one value, true or false")
	}
	var want bool
	switch strings.ToLower(b.values[0].text) {
	case "true", "yes", "on":
		want = true
	case "false", "no", "off":
	default:
		return faultf(0, "%q is neither true nor false", b.values[0].text)
	}
	b.exists = &want
	return nil
}

func (b *building) setRegexp() *fault {
	if b.re == "" {
		b.re = "r"
	}
	return b.noNull()
}

func (b *building) flag(f string) *fault {
	if b.re == "" {
		return faultf(0, "is a flag of the modifier re, which has to come first")
	}
	b.re += f
	return nil
}

func (b *building) compare(c compare) *fault {
	if b.cmp != nil {
		return faultf(0, "there is another comparison already")
	}
	b.cmp = &c
	return nil
}

func (b *building) setRef() *fault {
	if len(b.values) != 1 || b.values[0].null || b.values[0].text == "" {
		return faultf(0, "wants the name of one field")
	}
	b.ref = &fieldRef{field: b.values[0].text}
	return nil
}

// multiply replaces each value by those that a function makes of it.
func (b *building) multiply(f func(wild) ([]wild, *fault)) *fault {
	if err := b.noNull(); err != nil {
		return err
	}
	var out []building1
	for _, v := range b.values {
		many, err := f(v.wild)
		if err != nil {
			return err
		}
		if len(out)+len(many) > maxValues {
			return faultf(0, "gives more than %d values", maxValues)
		}
		for _, w := range many {
			next := v
			next.wild, next.num = w, nil
			if b.re != "" {
				next.text, _ = w.plain()
			}
			out = append(out, next)
		}
	}
	b.values = out
	return nil
}

// encode is multiply for values without wildcards.
func (b *building) encode(f func(string) []string) *fault {
	return b.multiply(func(w wild) ([]wild, *fault) {
		s, ok := w.plain()
		if !ok {
			return nil, faultf(0, "a value with wildcards cannot be encoded")
		}
		var out []wild
		for _, e := range f(s) {
			out = append(out, literal(e))
		}
		return out, nil
	})
}

func encode64(s string) []string { return []string{base64.StdEncoding.EncodeToString([]byte(s))} }

// encode64Offset gives what stays the same of a text wherever it is in a
// longer one that is encoded.
func encode64Offset(s string) []string {
	starts, ends := [3]int{0, 2, 3}, [3]int{0, 3, 2}
	var out []string
	for i := range 3 {
		e := base64.StdEncoding.EncodeToString([]byte(strings.Repeat(" ", i) + s))
		end := len(e) - ends[(len(s)+i)%3]
		if starts[i] < end {
			out = append(out, e[starts[i]:end])
		}
	}
	return out
}

func (b *building) recode(big, mark bool) *fault {
	return b.multiply(func(w wild) ([]wild, *fault) {
		out := make(wild, 0, len(w)+1)
		if mark {
			out = append(out, piece{lit: "\xff\xfe"})
		}
		for _, p := range w {
			if p.kind == 0 {
				p.lit = encode16(p.lit, big)
			}
			out = append(out, p)
		}
		return []wild{out}, nil
	})
}

func encode16(s string, big bool) string {
	var out []byte
	for _, u := range utf16.Encode([]rune(s)) {
		if big {
			out = append(out, byte(u>>8), byte(u))
		} else {
			out = append(out, byte(u), byte(u>>8))
		}
	}
	return string(out)
}

var dashes = []string{"-", "/", "–", "—", "―"}

// windash gives the value with each dash that begins a word in its five
// spellings.
func windash(w wild) ([]wild, *fault) {
	out := []wild{nil}
	var before rune // what comes before the piece
	for _, p := range w {
		if p.kind != 0 {
			for i := range out {
				out[i] = append(out[i][:len(out[i]):len(out[i])], p)
			}
			before = 0
			continue
		}
		cut, rest := 0, p.lit
		for i, r := range p.lit {
			next, _ := utf8.DecodeRuneInString(p.lit[i+utf8.RuneLen(r):])
			if strings.ContainsRune("-/–—―", r) && !isWord(before) && isWord(next) {
				if len(out)*len(dashes) > 3125 {
					return nil, faultf(0, "a value has more than five dashes")
				}
				out = spell(out, p.lit[cut:i])
				cut = i + utf8.RuneLen(r)
				rest = p.lit[cut:]
			}
			before = r
		}
		for i := range out {
			out[i] = appendLit(out[i], rest)
		}
	}
	return out, nil
}

// spell adds a literal and then a dash in each spelling.
func spell(values []wild, lit string) []wild {
	var out []wild
	for _, v := range values {
		for _, d := range dashes {
			out = append(out, appendLit(v, lit+d))
		}
	}
	return out
}

func appendLit(w wild, lit string) wild {
	if lit == "" {
		return w
	}
	out := append(wild(nil), w...)
	if n := len(out); n > 0 && out[n-1].kind == 0 {
		out[n-1].lit += lit
		return out
	}
	return append(out, piece{lit: lit})
}

func isWord(r rune) bool {
	return r == '_' || '0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || r > 0x7f && r != utf8.RuneError && !strings.ContainsRune("–—―", r)
}

// finish makes the leaf of what the modifiers left.
func (b *building) finish() (*leaf, *fault) {
	l := &b.leaf
	switch {
	case b.field == "" && (b.exists != nil || b.ref != nil || b.cmp != nil || b.part != ""):
		return nil, faultf(0, "needs the name of a field")
	case b.exists != nil:
		if b.re != "" || b.ref != nil || b.cidr || b.cmp != nil || b.part != "" {
			return nil, faultf(0, "exists does not go with the other modifiers")
		}
		return l, nil
	case b.ref != nil:
		if b.re != "" || b.cidr || b.cmp != nil || b.part != "" {
			return nil, faultf(0, "fieldref does not go with the other modifiers")
		}
		b.ref.cased = b.cased
		return l, nil
	}
	for i := range b.values {
		v := &b.values[i]
		if v.null {
			if b.re != "" || b.cidr || b.cmp != nil || b.part != "" || b.cased || b.field == "" {
				return nil, faultf(0, "null takes no modifier and needs a field")
			}
			l.null = true
			continue
		}
		t, err := b.test(v)
		if err != nil {
			return nil, err
		}
		l.tests = append(l.tests, t)
	}
	return l, nil
}

func (b *building) test(v *building1) (test, *fault) {
	switch {
	case b.re != "" && (b.cidr || b.cmp != nil || b.part != ""), b.cidr && (b.cmp != nil || b.part != ""):
		return test{}, faultf(0, "its modifiers exclude each other")
	case b.re != "":
		return regexpTest(v.text, b.re[1:])
	case b.cidr:
		return cidrTest(v.text)
	case b.cmp != nil || b.part != "":
		n := v.num
		if n == nil {
			read, ok := readNumber(v.text)
			if !ok {
				return test{}, faultf(0, "%q is not a number", v.text)
			}
			n = &read
		}
		t := test{kind: testNumber, num: *n, part: b.part}
		if b.cmp != nil {
			t.cmp = *b.cmp
		}
		t.text.lit = "\x00" // a comparison, or the part of a time: never equal as text
		return t, nil
	case v.num != nil && b.field != "":
		t := test{kind: testNumber, num: *v.num}
		t.text.lit = lower(v.text)
		return t, nil
	}
	w := v.wild
	if b.field == "" {
		w = w.starBefore().starAfter()
	}
	return test{kind: testText, text: compileText(w, b.cased)}, nil
}

func cidrTest(s string) (test, *fault) {
	net, err := netip.ParsePrefix(s)
	if err != nil {
		addr, err := netip.ParseAddr(s)
		if err != nil {
			return test{}, faultf(0, "%q is not a network such as 10.0.0.0/8", s)
		}
		net = netip.PrefixFrom(addr, addr.BitLen())
	}
	if a := net.Addr(); a.Is4In6() && net.Bits() >= 96 {
		net = netip.PrefixFrom(a.Unmap(), net.Bits()-96)
	}
	return test{kind: testCIDR, net: net.Masked()}, nil
}

// Bounds of a regular expression: its bytes, and its steps when all that it
// repeats is written out.
const (
	maxRegexp  = 1 << 13
	maxProgram = 50_000
)

func regexpTest(pattern, flags string) (test, *fault) {
	if len(pattern) > maxRegexp {
		return test{}, faultf(0, "the regular expression is longer than %d bytes", maxRegexp)
	}
	if flags != "" {
		pattern = "(?" + flags + ")" + pattern
	}
	tree, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return test{}, faultf(0, "the regular expression cannot be used: %s", strings.TrimPrefix(err.Error(), "error parsing regexp: "))
	}
	if regexpSize(tree, 0) > maxProgram {
		return test{}, faultf(0, "the regular expression repeats too much")
	}
	re, err := regexp.Compile(pattern)
	if err != nil {
		return test{}, faultf(0, "the regular expression cannot be used")
	}
	return test{kind: testRegexp, re: re, lits: literalsOf(tree.Simplify(), 0)}, nil
}
