package sigma

import (
	"slices"
	"strings"

	"github.com/edrctl/edrctl/internal/model"
)

// Record is an event as rules see it.
type Record struct {
	Key    Source
	Fields []model.LogField // in any order; a name may come more than once
	Text   string           // of the whole event, for keywords; "" = the values of its fields
	Host   string
}

// Get gives the first value of a field.
func (r *Record) Get(field string) (string, bool) {
	for i := range r.Fields {
		if r.Fields[i].Name == field {
			return r.Fields[i].Value, true
		}
	}
	if r.Host != "" && groupsByHost(field) {
		return r.Host, true
	}
	return "", false
}

// Match is a rule that matches an event.
type Match struct {
	Rule *Rule
	c    *compiled
}

// Matcher matches events, one at a time.
type Matcher struct {
	engine *Engine
	states map[classKey]*state
	byRule map[*class]*state
	values int // that the states remember
	block  []value
	slots  []slot
	gen    uint32
	state  *state
	rec    *Record
	loaded uint32 // the generation whose texts are loaded
	out    []Match
	cand   []int32

	Evaluated int // rules that were evaluated: what the index let through
}

// value is the value of a field, and what is known of it.
type value struct {
	raw    string
	low    string // of raw, once folded
	folded bool
	rules  []int32  // whose literals are in it
	said   []uint64 // by leaf: two bits, known and true
}

// fold gives the value in lower case.
func (v *value) fold() string {
	if !v.folded {
		v.low, v.folded = lower(v.raw), true
	}
	return v.low
}

// slot is what the event has in one field.
type slot struct {
	gen  uint32
	one  *value
	more []*value
}

// state is a class as one matcher sees it: the values that it met.
type state struct {
	class *class
	order []place // where the fields of the last event were
	known []map[string]*value
	seen  []uint32 // by rule: the generation that has it as a candidate
}

type place struct {
	name string
	id   int32 // -1: no rule names it
}

// What a matcher remembers. Values that are longer do not repeat.
const (
	maxKnown = 1 << 14
	maxLong  = 1 << 10
)

// NewMatcher makes a matcher for one goroutine.
func (e *Engine) NewMatcher() *Matcher {
	return &Matcher{engine: e, states: map[classKey]*state{}, byRule: map[*class]*state{}, slots: make([]slot, len(e.names))}
}

// Match gives the rules that match an event, in their order. The result is
// good until the next call.
func (m *Matcher) Match(r *Record) []Match {
	m.out = m.out[:0]
	s := m.stateOf(r.Key)
	c := s.class
	if len(c.rules) == 0 {
		return nil
	}
	m.state, m.rec = s, r
	if m.gen++; m.gen == 0 {
		clear(m.slots)
		clear(s.seen)
		m.gen = 1
	}
	m.load(r)
	m.cand = append(m.cand[:0], c.always...)
	for _, x := range c.indexes {
		if x.field == 0 {
			m.loadTexts()
		}
		sl := &m.slots[x.field]
		if sl.gen != m.gen || sl.one == nil {
			continue
		}
		m.candidates(s, sl.one.rules)
		for _, v := range sl.more {
			m.candidates(s, v.rules)
		}
	}
	m.Evaluated += len(m.cand)
	for _, i := range m.cand {
		if m.eval(c.rules[i].cond) {
			m.out = append(m.out, Match{c.rules[i].rule, c.rules[i]})
		}
	}
	return m.out
}

// Selections gives the names of the selections that matched, of those that the
// condition asks for. It is about the event that was matched last.
func (m *Matcher) Selections(match Match) []string {
	var out []string
	for _, s := range match.c.sels {
		if m.eval(s.node) {
			out = append(out, s.name)
		}
	}
	return out
}

func (m *Matcher) stateOf(src Source) *state {
	key := src
	if s, ok := m.states[key]; ok {
		return s
	}
	c := m.engine.class(key)
	s := m.byRule[c]
	if s == nil {
		s = &state{class: c, known: make([]map[string]*value, len(m.slots)), seen: make([]uint32, len(c.rules))}
		if len(m.byRule) >= maxClasses {
			clear(m.byRule)
			clear(m.states)
			m.values = 0
		}
		m.byRule[c] = s
	}
	m.states[key] = s
	return s
}

func (m *Matcher) candidates(s *state, rules []int32) {
	for _, i := range rules {
		if s.seen[i] != m.gen {
			s.seen[i] = m.gen
			m.cand = append(m.cand, i)
		}
	}
}

// load puts the fields of an event into their slots.
func (m *Matcher) load(r *Record) {
	s := m.state
	for i := range r.Fields {
		f := &r.Fields[i]
		if i >= len(s.order) {
			s.order = append(s.order, m.place(f.Name))
		} else if s.order[i].name != f.Name {
			s.order[i] = m.place(f.Name)
		}
		id := s.order[i].id
		if id < 0 {
			continue
		}
		m.put(id, m.valueOf(id, f.Value))
	}
}

func (m *Matcher) place(name string) place {
	id, ok := m.engine.fields[name]
	if !ok || id == 0 || !m.state.class.uses[id] {
		id = -1
	}
	return place{name, id}
}

func (m *Matcher) put(id int32, v *value) {
	sl := &m.slots[id]
	if sl.gen != m.gen {
		sl.gen, sl.one, sl.more = m.gen, v, nil
		return
	}
	sl.more = append(sl.more, v)
}

// valueOf gives what is known of a value, and learns it when it is new.
func (m *Matcher) valueOf(id int32, raw string) *value {
	s := m.state
	known := s.known[id]
	if v, ok := known[raw]; ok {
		return v
	}
	if len(raw) <= maxLong {
		raw = strings.Clone(raw) // it may be part of a large buffer
	}
	v := m.newValue(raw)
	if x := s.class.byField[id]; x != nil {
		v.rules = x.find(v.fold(), nil)
		if len(v.rules) > 1 {
			slices.Sort(v.rules)
			v.rules = slices.Compact(v.rules)
		}
	}
	if len(raw) > maxLong {
		return v
	}
	if m.values++; m.values > maxKnown {
		m.forget()
		known = nil
	}
	if known == nil {
		known = map[string]*value{}
		s.known[id] = known
	}
	known[raw] = v
	return v
}

// newValue takes values from blocks: one allocation for many.
func (m *Matcher) newValue(raw string) *value {
	if len(m.block) == 0 {
		m.block = make([]value, 32)
	}
	v := &m.block[0]
	m.block = m.block[1:]
	v.raw = raw
	return v
}

func (m *Matcher) forget() {
	m.values = 0
	for _, s := range m.byRule {
		clear(s.known)
	}
}

// loadTexts puts the texts that keywords are looked for in into slot 0.
func (m *Matcher) loadTexts() {
	if m.loaded == m.gen {
		return
	}
	m.loaded = m.gen
	if m.rec.Text != "" {
		m.put(0, m.valueOf(0, m.rec.Text))
		return
	}
	for i := range m.rec.Fields {
		m.put(0, m.valueOf(0, m.rec.Fields[i].Value))
	}
}

func (m *Matcher) eval(n *node) bool {
	switch n.op {
	case opLeaf:
		return m.leaf(n)
	case opNot:
		return !m.eval(n.kids[0])
	case opAnd:
		for _, kid := range n.kids {
			if !m.eval(kid) {
				return false
			}
		}
		return true
	}
	for _, kid := range n.kids {
		if m.eval(kid) {
			return true
		}
	}
	return false
}

// leaf evaluates one field. A field that is absent is null, and equals
// nothing.
func (m *Matcher) leaf(n *node) bool {
	if n.field == 0 {
		m.loadTexts()
	}
	sl := &m.slots[n.field]
	there := sl.gen == m.gen
	l := n.leaf
	switch {
	case l.exists != nil:
		return there == *l.exists != l.negate
	case !there:
		return l.null != l.negate
	case l.ref != nil:
		return m.refers(n, sl) != l.negate
	case len(sl.more) == 0:
		return m.says(n, sl.one)
	}
	return n.evalMany(sl) != l.negate
}

// says gives what a leaf says about a value, from memory when it can.
func (m *Matcher) says(n *node, v *value) bool {
	word, shift := n.id/32, uint(n.id%32)*2
	if v.said == nil {
		v.said = make([]uint64, (m.engine.leaves[n.field]+31)/32)
	}
	if bits := v.said[word] >> shift; bits&1 != 0 {
		return bits&2 != 0
	}
	ok := n.eval1(v)
	v.said[word] |= 1 << shift
	if ok {
		v.said[word] |= 2 << shift
	}
	return ok
}

// eval1 evaluates a leaf on the only value of its field.
func (n *node) eval1(v *value) bool {
	l := n.leaf
	ok := l.all && len(l.tests) > 0
	for i := range l.tests {
		if ok = l.tests[i].match(v); ok != l.all {
			break
		}
	}
	return ok != l.negate
}

// evalMany evaluates a leaf on several values: each test has to match one of
// them.
func (n *node) evalMany(sl *slot) bool {
	l := n.leaf
	ok := l.all && len(l.tests) > 0
	for i := range l.tests {
		t := &l.tests[i]
		ok = t.match(sl.one) || slices.ContainsFunc(sl.more, t.match)
		if ok != l.all {
			break
		}
	}
	return ok
}

// refers compares the values of two fields.
func (m *Matcher) refers(n *node, sl *slot) bool {
	other := &m.slots[n.ref]
	if other.gen != m.gen {
		return false
	}
	for _, a := range append([]*value{sl.one}, sl.more...) {
		for _, b := range append([]*value{other.one}, other.more...) {
			if n.leaf.ref.match(a, b) {
				return true
			}
		}
	}
	return false
}
