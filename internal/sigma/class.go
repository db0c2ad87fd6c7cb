package sigma

import (
	"math"
	"strconv"
	"strings"
)

// class is the rules that apply to events of one source, with the index that
// finds the candidates among them.
type class struct {
	rules   []*compiled
	always  []int32 // the rules without a literal that they need
	indexes []*index
	byField []*index // by field, nil where nothing is indexed
	uses    []bool   // by field: a rule names it
}

func (e *Engine) newClass(key classKey) *class {
	src := key.sources()
	eventID := strconv.Itoa(key.EventID)
	known := func(n *node) truth {
		if n.leaf.field == "EventID" && key.isLog() && !n.leaf.null && n.leaf.exists == nil && n.leaf.ref == nil {
			ok := n.eval1(&value{raw: eventID})
			return truth{ok, !ok}
		}
		return either
	}
	var rules []*compiled
	var ids strings.Builder
	for i, r := range e.rules {
		if src.has(r.rule.LogSource) && r.cond.judge(known).canBeTrue {
			rules = append(rules, r)
			ids.WriteString(strconv.Itoa(i))
			ids.WriteByte(' ')
		}
	}
	if c, ok := e.bySource[ids.String()]; ok {
		return c
	}
	c := &class{rules: rules, byField: make([]*index, len(e.names)), uses: make([]bool, len(e.names))}
	c.build()
	if len(e.bySource) >= maxClasses {
		clear(e.bySource)
	}
	e.bySource[ids.String()] = c
	return c
}

// triggerKind is how the value of a field is looked up.
type triggerKind uint8

const (
	byContains triggerKind = iota
	byEqual
	byLastPart // what follows the last slash or backslash
)

// trigger is a literal; one of those of a rule has to be there before the rule
// can match.
type trigger struct {
	field int32
	kind  triggerKind
	lit   string
}

// build chooses for each rule the literals that are needed, the rarest, and
// makes the indexes of them.
func (c *class) build() {
	uses := map[trigger]int{}
	for _, r := range c.rules {
		r.cond.eachTrigger(func(t trigger) { uses[t]++ })
		r.cond.mark(c.uses)
	}
	cost := func(t trigger) float64 {
		n := float64(len(t.lit))
		base := 40 / (n * n * n)
		switch t.kind {
		case byEqual:
			base = 0.001
		case byLastPart:
			base = 0.002
			if t.lit == "" {
				base = 2
			}
		default:
			if n < 4 {
				base += 2
			}
		}
		return base * (1 + 0.3*float64(uses[t]))
	}
	for i, r := range c.rules {
		needed, price := r.cond.needed(cost)
		if math.IsInf(price, 1) {
			c.always = append(c.always, int32(i))
			continue
		}
		for _, t := range needed {
			c.indexOf(t.field).add(t, int32(i))
		}
	}
	for _, x := range c.indexes {
		x.build()
	}
}

func (c *class) indexOf(field int32) *index {
	if x := c.byField[field]; x != nil {
		return x
	}
	x := newIndex(field)
	c.byField[field] = x
	c.indexes = append(c.indexes, x)
	return x
}

// mark notes the fields that a condition names.
func (n *node) mark(uses []bool) {
	if n.op == opLeaf {
		uses[n.field] = true
		if n.leaf.ref != nil {
			uses[n.ref] = true
		}
	}
	for _, kid := range n.kids {
		kid.mark(uses)
	}
}

func (n *node) eachTrigger(f func(trigger)) {
	if n.op == opLeaf {
		for i := range n.leaf.tests {
			for _, t := range n.triggers(&n.leaf.tests[i]) {
				f(t)
			}
		}
		return
	}
	if n.op != opNot {
		for _, kid := range n.kids {
			kid.eachTrigger(f)
		}
	}
}

// needed gives literals of which one has to be in the event for the node to be
// true, and what looking for them costs; infinite when there are none.
func (n *node) needed(cost func(trigger) float64) ([]trigger, float64) {
	switch n.op {
	case opLeaf:
		return n.neededByLeaf(cost)
	case opAnd:
		var best []trigger
		price := math.Inf(1)
		for _, kid := range n.kids {
			if t, p := kid.needed(cost); p < price {
				best, price = t, p
			}
		}
		return best, price
	case opOr:
		var all []trigger
		price := 0.0
		for _, kid := range n.kids {
			t, p := kid.needed(cost)
			all, price = append(all, t...), price+p
			if math.IsInf(price, 1) {
				return nil, price
			}
		}
		return all, price
	}
	return nil, math.Inf(1)
}

func (n *node) neededByLeaf(cost func(trigger) float64) ([]trigger, float64) {
	l := n.leaf
	if l.negate || l.null || l.exists != nil || l.ref != nil || len(l.tests) == 0 {
		return nil, math.Inf(1)
	}
	var all []trigger
	price := 0.0
	if l.all {
		price = math.Inf(1)
	}
	for i := range l.tests {
		ts := n.triggers(&l.tests[i])
		p := 0.0
		for _, t := range ts {
			p += cost(t)
		}
		if len(ts) == 0 {
			p = math.Inf(1)
		}
		switch {
		case !l.all:
			all, price = append(all, ts...), price+p
		case p < price:
			all, price = ts, p
		}
	}
	if math.IsInf(price, 1) {
		return nil, price
	}
	return all, price
}

// triggers gives literals of which one is in every value that passes a test.
func (n *node) triggers(t *test) []trigger {
	switch t.kind {
	case testRegexp:
		var out []trigger
		for _, lit := range t.lits {
			out = append(out, trigger{n.field, byContains, lit})
		}
		return out
	case testText:
		if lit, kind, ok := t.text.needed(); ok {
			return []trigger{{n.field, kind, lit}}
		}
	}
	return nil
}

// needed gives a literal that is in every text that matches, in lower case.
func (t *text) needed() (lit string, kind triggerKind, ok bool) {
	switch t.kind {
	case textEqual:
		return lower(t.lit), byEqual, valid(t.lit)
	case textSuffix:
		low := lower(t.lit)
		if i := strings.LastIndexAny(low, `\/`); i >= 0 && valid(low) {
			return low[i+1:], byLastPart, true
		}
		return low, byContains, len(low) >= 2 && valid(low)
	case textPrefix, textContains:
		low := lower(t.lit)
		return low, byContains, len(low) >= 2 && valid(low)
	case textGlob:
		best := ""
		for _, seg := range t.glob {
			for _, l := range seg {
				if len(l) > len(best) {
					best = l
				}
			}
		}
		low := lower(best)
		return low, byContains, len(low) >= 2 && valid(low)
	}
	return "", 0, false
}
