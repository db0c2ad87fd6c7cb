package sigma

import (
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// leaf is one field of a selection with its values: the least thing that is
// true or false of an event.
type leaf struct {
	field  string // "" = keywords: any text of the event
	key    string // leaves with the same key are the same
	all    bool   // every test has to match, not one
	negate bool
	null   bool // matches a field that is absent or null
	exists *bool
	ref    *fieldRef
	tests  []test
}

// fieldRef compares the field with another one of the event.
type fieldRef struct {
	field string
	how   textKind
	cased bool
}

func (r *fieldRef) match(a, b *value) bool {
	x, y := a.fold(), b.fold()
	if r.cased {
		x, y = a.raw, b.raw
	}
	switch r.how {
	case textPrefix:
		return strings.HasPrefix(x, y)
	case textSuffix:
		return strings.HasSuffix(x, y)
	case textContains:
		return strings.Contains(x, y)
	}
	return x == y
}

type testKind uint8

const (
	testText testKind = iota
	testRegexp
	testCIDR
	testNumber
)

// test is one value of a leaf.
type test struct {
	kind testKind
	text text
	re   *regexp.Regexp
	lits []string // of re, in lower case: one of them is in whatever matches; nil = unknown
	net  netip.Prefix
	num  number
	cmp  compare
	part string // minute … year: of a time
}

func (t *test) match(v *value) bool {
	switch t.kind {
	case testText:
		return t.text.match(v)
	case testRegexp:
		return t.re.MatchString(v.raw)
	case testCIDR:
		addr, err := netip.ParseAddr(strings.TrimSpace(v.raw))
		return err == nil && t.net.Contains(addr.Unmap().WithZone(""))
	}
	if t.part != "" {
		at, ok := readTime(v.raw)
		return ok && t.cmp.holds(timePart(at, t.part).order(t.num))
	}
	if t.cmp == cmpEqual && v.fold() == t.text.lit {
		return true
	}
	n, ok := readNumber(v.raw)
	return ok && t.cmp.holds(n.order(t.num))
}

type compare uint8

const (
	cmpEqual compare = iota
	cmpLess
	cmpLessEqual
	cmpGreater
	cmpGreaterEqual
	cmpNotEqual
)

var compares = map[string]compare{
	"lt": cmpLess, "lte": cmpLessEqual, "gt": cmpGreater, "gte": cmpGreaterEqual, "eq": cmpEqual, "neq": cmpNotEqual,
}

func (c compare) holds(order int) bool {
	switch c {
	case cmpLess:
		return order < 0
	case cmpLessEqual:
		return order <= 0
	case cmpGreater:
		return order > 0
	case cmpGreaterEqual:
		return order >= 0
	case cmpNotEqual:
		return order != 0
	}
	return order == 0
}

// number is a whole number, or any other.
type number struct {
	whole bool
	i     int64
	f     float64
}

// readNumber reads what events write for numbers: decimal, or 0x….
func readNumber(s string) (number, bool) {
	s = strings.TrimSpace(s)
	if s == "" || len(s) > 64 || s[0] != '-' && s[0] != '+' && s[0] != '.' && (s[0] < '0' || s[0] > '9') {
		return number{}, false
	}
	base := 10
	digits := s
	if len(s) > 2 && s[0] == '0' && (s[1] == 'x' || s[1] == 'X') {
		base, digits = 16, s[2:]
	}
	if i, err := strconv.ParseInt(digits, base, 64); err == nil {
		return number{whole: true, i: i, f: float64(i)}, true
	}
	if base == 16 {
		u, err := strconv.ParseUint(digits, base, 64)
		return number{f: float64(u)}, err == nil
	}
	f, err := strconv.ParseFloat(s, 64)
	return number{f: f}, err == nil && f == f
}

func (n number) order(m number) int {
	switch {
	case n.whole && m.whole && n.i < m.i, !(n.whole && m.whole) && n.f < m.f:
		return -1
	case n.whole && m.whole && n.i == m.i, !(n.whole && m.whole) && n.f == m.f:
		return 0
	}
	return 1
}

var timeLayouts = []string{
	time.RFC3339Nano, "2006-01-02 15:04:05.999999999", "2006-01-02T15:04:05.999999999", "2006-01-02 15:04:05Z07:00",
	"2006/01/02 15:04:05", "2006-01-02 15:04", "2006-01-02T15:04", "2006-01-02",
}

// readTime reads a time as it is written: zones are not converted.
func readTime(s string) (time.Time, bool) {
	s = strings.TrimSpace(s)
	if len(s) < 10 || len(s) > 64 {
		return time.Time{}, false
	}
	for _, layout := range timeLayouts {
		if t, err := time.Parse(layout, s); err == nil {
			return t, true
		}
	}
	return time.Time{}, false
}

func timePart(t time.Time, part string) number {
	var n int
	switch part {
	case "minute":
		n = t.Minute()
	case "hour":
		n = t.Hour()
	case "day":
		n = t.Day()
	case "week":
		_, n = t.ISOWeek()
	case "month":
		n = int(t.Month())
	case "year":
		n = t.Year()
	}
	return number{whole: true, i: int64(n), f: float64(n)}
}
