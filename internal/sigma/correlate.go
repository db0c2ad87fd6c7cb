package sigma

import (
	"sort"
	"strings"
	"time"
)

// Correlator collects the matches that correlations are over and gives their
// hits at the end of a pass: events may come in any order.
type Correlator struct {
	corrs []*Rule            // the inner ones first
	wants map[*Rule][]string // the fields of a match that some correlation asks for
	seen  map[*Rule][]match1
	texts map[string]string
	byKey map[string]*Rule
}

// match1 is one match: of a rule over events, or of a correlation.
type match1 struct {
	from, at int64 // Unix nanoseconds of its first and last event
	values   []string
	refs     []string
	count    int
}

const (
	absent  = "\x00" // as the value of a field
	maxRefs = 5
)

// Correlated is one hit of a correlation.
type Correlated struct {
	Rule        *Rule
	First, Last time.Time
	Count       int // of events
	Refs        []string
	Group       map[string]string // the fields of group-by
	Host        string            // where the group is of one host
}

// NewCorrelator makes a correlator of linked rules; nil when none correlates.
func NewCorrelator(rules []*Rule) *Correlator {
	c := &Correlator{wants: map[*Rule][]string{}, seen: map[*Rule][]match1{}, texts: map[string]string{}, byKey: map[string]*Rule{}}
	done := map[*Rule]bool{}
	var visit func(r *Rule)
	visit = func(r *Rule) {
		if r.corr == nil || done[r] {
			return
		}
		done[r] = true
		for _, child := range r.corr.rules {
			visit(child)
		}
		c.corrs = append(c.corrs, r)
	}
	for _, r := range rules {
		visit(r)
	}
	if len(c.corrs) == 0 {
		return nil
	}
	for i := len(c.corrs) - 1; i >= 0; i-- {
		r := c.corrs[i]
		for _, child := range r.corr.rules {
			c.byKey[child.Key()] = child
			for _, fields := range [][]string{r.corr.groupBy, r.corr.fields, c.wants[r]} {
				for _, f := range fields {
					c.want(child, r.corr.fieldOf(f, child))
				}
			}
		}
	}
	return c
}

func (c *Correlator) want(r *Rule, field string) {
	for _, f := range c.wants[r] {
		if f == field {
			return
		}
	}
	c.wants[r] = append(c.wants[r], field)
}

// needs reports whether matches of the rule matter here.
func (c *Correlator) needs(r *Rule) bool {
	for _, corr := range c.corrs {
		for _, child := range corr.corr.rules {
			if child == r {
				return true
			}
		}
	}
	return false
}

// Needed gives the rules whose matches have to be added.
func (c *Correlator) Needed(rules []*Rule) map[*Rule]bool {
	out := map[*Rule]bool{}
	for _, r := range rules {
		if r.corr == nil && c.needs(r) {
			out[r] = true
		}
	}
	return out
}

// Observation is one match of a rule, as a correlator needs it. It can be kept
// as JSON for another correlator of the same rules.
type Observation struct {
	Rule   string    `json:"rule"`
	At     time.Time `json:"at"`
	Ref    string    `json:"ref"`
	Values []string  `json:"values,omitempty"`
}

// Observe gives what is needed of one match; get gives the fields of its event.
func (c *Correlator) Observe(r *Rule, at time.Time, ref string, get func(field string) (string, bool)) Observation {
	o := Observation{Rule: r.Key(), At: at, Ref: ref}
	for _, f := range c.wants[r] {
		v, ok := get(f)
		if !ok {
			v = absent
		}
		o.Values = append(o.Values, c.intern(v))
	}
	return o
}

// Add adds one match.
func (c *Correlator) Add(o Observation) {
	r := c.byKey[o.Rule]
	if r == nil || len(o.Values) != len(c.wants[r]) {
		return // of other rules
	}
	at := o.At.UnixNano()
	c.seen[r] = append(c.seen[r], match1{from: at, at: at, values: o.Values, refs: []string{o.Ref}, count: 1})
}

// intern keeps one copy of each value: most repeat.
func (c *Correlator) intern(s string) string {
	if v, ok := c.texts[s]; ok {
		return v
	}
	s = strings.Clone(s)
	c.texts[s] = s
	return s
}

// Finish gives the hits of all correlations.
func (c *Correlator) Finish() []Correlated {
	var out []Correlated
	for _, r := range c.corrs {
		for _, g := range c.groups(r) {
			for _, h := range r.corr.windows(g.items) {
				m, hit := c.hit(r, g, h)
				c.seen[r] = append(c.seen[r], m)
				out = append(out, hit)
			}
		}
	}
	return out
}

// group is the matches that agree in the fields of group-by.
type group struct {
	values []string
	items  []item
}

// item is a match in its place of a correlation.
type item struct {
	*match1
	rule  *Rule
	step  int    // of the rule in the list of the correlation
	value string // what is counted
	num   number // what is summed
}

func (c *Correlator) groups(r *Rule) []*group {
	byKey := map[string]*group{}
	var order []*group
	for step, child := range r.corr.rules {
		group1 := c.columns(r, child, r.corr.groupBy)
		counted := c.columns(r, child, r.corr.fields)
		seen := c.seen[child]
		for i := range seen {
			m := &seen[i]
			values, ok := pick(m, group1)
			if !ok {
				continue
			}
			it := item{match1: m, rule: child, step: step}
			if !it.fill(r.corr, counted) {
				continue
			}
			key := lower(strings.Join(values, "\x01"))
			g := byKey[key]
			if g == nil {
				g = &group{values: values}
				byKey[key] = g
				order = append(order, g)
			}
			g.items = append(g.items, it)
		}
	}
	for _, g := range order {
		sort.SliceStable(g.items, func(i, j int) bool {
			a, b := &g.items[i], &g.items[j]
			if a.at != b.at {
				return a.at < b.at
			}
			return a.step < b.step
		})
	}
	return order
}

// fill sets what the correlation counts; false when the match has none of it.
func (it *item) fill(c *Correlation, counted []int) bool {
	switch c.kind {
	case temporal:
		it.value = string(rune(it.step))
	case valueCount, valueSum, valueAvg:
		values, ok := pick(it.match1, counted)
		if !ok {
			return false
		}
		it.value = lower(strings.Join(values, "\x01"))
		if c.kind != valueCount {
			it.num, ok = readNumber(values[0])
			return ok
		}
	}
	return true
}

// columns gives where the fields stand in the values of a rule's matches.
func (c *Correlator) columns(r, child *Rule, fields []string) []int {
	var out []int
	for _, f := range fields {
		name := r.corr.fieldOf(f, child)
		for i, w := range c.wants[child] {
			if w == name {
				out = append(out, i)
				break
			}
		}
	}
	return out
}

func pick(m *match1, columns []int) ([]string, bool) {
	out := make([]string, len(columns))
	for i, c := range columns {
		if out[i] = m.values[c]; out[i] == absent {
			return nil, false
		}
	}
	return out, true
}

// hit makes a match of a correlation, for outer ones, and what is reported.
func (c *Correlator) hit(r *Rule, g *group, items []item) (match1, Correlated) {
	first, last := items[0], items[len(items)-1]
	m := match1{from: first.from, at: last.at}
	for _, it := range items {
		m.from = min(m.from, it.from)
		m.count += it.count
		for _, ref := range it.refs {
			if len(m.refs) < maxRefs {
				m.refs = append(m.refs, ref)
			}
		}
	}
	for _, want := range c.wants[r] {
		m.values = append(m.values, c.valueOf(r, g, last, want))
	}
	hit := Correlated{Rule: r, First: time.Unix(0, m.from).UTC(), Last: time.Unix(0, m.at).UTC(), Count: m.count, Refs: m.refs, Group: map[string]string{}}
	for i, f := range r.corr.groupBy {
		hit.Group[f] = g.values[i]
		if groupsByHost(f) || groupsByHost(r.corr.fieldOf(f, last.rule)) {
			hit.Host = g.values[i]
		}
	}
	return m, hit
}

// valueOf gives a field of a correlation's hit: what it is grouped by, or what
// its last event has.
func (c *Correlator) valueOf(r *Rule, g *group, last item, field string) string {
	for i, f := range r.corr.groupBy {
		if f == field {
			return g.values[i]
		}
	}
	if at := c.columns(r, last.rule, []string{field}); len(at) == 1 {
		return last.values[at[0]]
	}
	return absent
}

// windows gives the runs of matches, in the order of their times, that fulfil
// the condition within the time span. No match is in two of them.
func (c *Correlation) windows(items []item) [][]item {
	switch {
	case c.kind == temporalOrdered:
		return c.ordered(items)
	case c.risingOnly():
		return c.sliding(items)
	}
	return c.anchored(items)
}

// sliding looks at every window of the time span.
func (c *Correlation) sliding(items []item) [][]item {
	var out [][]item
	t := newTally(c)
	start := 0
	for j := 0; j < len(items); j++ {
		t.add(&items[j])
		for items[j].at-items[start].at > int64(c.span) {
			t.drop(&items[start])
			start++
		}
		if !c.holds(t.number()) {
			continue
		}
		end := j + 1
		for end < len(items) && items[end].at-items[start].at <= int64(c.span) {
			end++
		}
		out = append(out, items[start:end])
		t, start, j = newTally(c), end, end-1
	}
	return out
}

// anchored looks at the window that begins with the first match, then at the
// one that begins with the first match after it, and so on: a condition with
// an upper bound holds for nearly any part of a window.
func (c *Correlation) anchored(items []item) [][]item {
	var out [][]item
	for start := 0; start < len(items); {
		t := newTally(c)
		end := start
		for end < len(items) && items[end].at-items[start].at <= int64(c.span) {
			t.add(&items[end])
			end++
		}
		if c.holds(t.number()) {
			out = append(out, items[start:end])
		}
		start = end
	}
	return out
}

// tally is what a correlation counts in a window.
type tally struct {
	kind   string
	events int
	values map[string]int
	sum    float64
}

func newTally(c *Correlation) *tally { return &tally{kind: c.kind, values: map[string]int{}} }

func (t *tally) add(it *item) {
	t.events++
	t.sum += it.num.f
	if t.kind == valueCount || t.kind == temporal {
		t.values[it.value]++
	}
}

func (t *tally) drop(it *item) {
	t.events--
	t.sum -= it.num.f
	if t.kind == valueCount || t.kind == temporal {
		if t.values[it.value]--; t.values[it.value] == 0 {
			delete(t.values, it.value)
		}
	}
}

func (t *tally) number() number {
	n := t.events
	switch t.kind {
	case valueCount, temporal:
		n = len(t.values)
	case valueSum:
		return number{f: t.sum}
	case valueAvg:
		return number{f: t.sum / float64(max(t.events, 1))}
	}
	return number{whole: true, i: int64(n), f: float64(n)}
}

// chain is the latest way to have seen the first rules in their order.
type chain struct {
	item  *item
	prev  *chain
	start int64
}

// ordered gives the runs in which each rule of the list was seen after the one
// before it. One match is one step of a run.
func (c *Correlation) ordered(items []item) [][]item {
	var out [][]item
	best := make([]*chain, len(c.rules))
	for i := range items {
		it := &items[i]
		next := &chain{item: it, start: it.from}
		if it.step > 0 {
			prev := best[it.step-1]
			if prev == nil || prev.item.refs != nil && it.refs != nil && prev.item.at == it.at && prev.item.refs[0] == it.refs[0] {
				continue
			}
			next.prev, next.start = prev, prev.start
		}
		if old := best[it.step]; old == nil || next.start >= old.start {
			best[it.step] = next
		}
		last := best[len(best)-1]
		if it.step != len(best)-1 || last == nil || last.item != it || it.at-last.start > int64(c.span) {
			continue
		}
		run := make([]item, len(best))
		for k, at := len(best)-1, last; at != nil; k, at = k-1, at.prev {
			run[k] = *at.item
		}
		out = append(out, run)
		clear(best)
	}
	return out
}
