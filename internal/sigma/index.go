package sigma

import (
	"sort"
	"strings"
	"unicode/utf8"
)

func valid(s string) bool { return utf8.ValidString(s) }

// index finds in the value of one field the literals that rules need. A
// literal of four bytes and more is found by one of its quadruples, the one
// that fewest literals have: a bitmap says for each quadruple of a value
// whether it can be one of them.
type index struct {
	field  int32
	equal  map[string][]int32
	last   map[string][]int32
	inside map[string][]int32 // contains, before build
	short  []needle           // of less than four bytes
	bits   []uint64
	shift  uint
	table  map[uint32][]needle
}

// needle is a literal with the rules that need it.
type needle struct {
	lit   string
	at    int // of its quadruple
	rules []int32
}

func newIndex(field int32) *index {
	return &index{field: field, equal: map[string][]int32{}, last: map[string][]int32{}, inside: map[string][]int32{}}
}

func (x *index) add(t trigger, rule int32) {
	into := x.inside
	switch t.kind {
	case byEqual:
		into = x.equal
	case byLastPart:
		into = x.last
	}
	if rules := into[t.lit]; len(rules) == 0 || rules[len(rules)-1] != rule {
		into[t.lit] = append(rules, rule)
	}
}

func quad(s string, i int) uint32 {
	return uint32(s[i]) | uint32(s[i+1])<<8 | uint32(s[i+2])<<16 | uint32(s[i+3])<<24
}

func (x *index) hash(q uint32) uint32 { return q * 0x9E3779B1 >> x.shift }

func (x *index) build() {
	lits := make([]string, 0, len(x.inside))
	counts := map[uint32]int{}
	for lit := range x.inside {
		lits = append(lits, lit)
		for i := 0; i+4 <= len(lit); i++ {
			counts[quad(lit, i)]++
		}
	}
	sort.Strings(lits)
	bits := uint(12)
	for bits < 18 && 1<<bits < 32*len(lits) {
		bits++
	}
	x.shift = 32 - bits
	x.bits = make([]uint64, 1<<bits/64)
	x.table = make(map[uint32][]needle, len(lits))
	for _, lit := range lits {
		n := needle{lit: lit, rules: x.inside[lit]}
		if len(lit) < 4 {
			x.short = append(x.short, n)
			continue
		}
		for i := 1; i+4 <= len(lit); i++ {
			if rarer(counts, lit, i, n.at) {
				n.at = i
			}
		}
		q := quad(lit, n.at)
		h := x.hash(q)
		x.bits[h/64] |= 1 << (h % 64)
		x.table[q] = append(x.table[q], n)
	}
	x.inside = nil
}

// rarer compares two quadruples of a literal: fewer literals have it, then
// fewer of its bytes are blanks and letters.
func rarer(counts map[uint32]int, lit string, i, j int) bool {
	a, b := counts[quad(lit, i)], counts[quad(lit, j)]
	if a != b {
		return a < b
	}
	return common(lit[i:i+4]) < common(lit[j:j+4])
}

func common(s string) int {
	n := 0
	for i := range len(s) {
		if strings.IndexByte(` etaoinsr\.`, s[i]) >= 0 {
			n++
		}
	}
	return n
}

// find adds the rules of which a literal is in the value.
func (x *index) find(low string, out []int32) []int32 {
	if len(x.equal) > 0 {
		out = append(out, x.equal[low]...)
	}
	if len(x.last) > 0 {
		out = append(out, x.last[low[strings.LastIndexAny(low, `\/`)+1:]]...)
	}
	for i := range x.short {
		if strings.Contains(low, x.short[i].lit) {
			out = append(out, x.short[i].rules...)
		}
	}
	if len(x.table) == 0 || len(low) < 4 {
		return out
	}
	bits, shift := x.bits, x.shift
	q := uint32(low[0])<<8 | uint32(low[1])<<16 | uint32(low[2])<<24
	for i := 3; i < len(low); i++ {
		q = q>>8 | uint32(low[i])<<24
		h := q * 0x9E3779B1 >> shift
		if bits[h/64]&(1<<(h%64)) == 0 {
			continue
		}
		out = x.verify(low, i-3, q, out)
	}
	return out
}

// verify looks at the literals whose quadruple is at a place of the value.
func (x *index) verify(low string, at int, q uint32, out []int32) []int32 {
	needles := x.table[q]
	for k := range needles {
		n := &needles[k]
		start := at - n.at
		if start >= 0 && strings.HasPrefix(low[start:], n.lit) {
			out = append(out, n.rules...)
		}
	}
	return out
}
