package sigma

import (
	"sync"
)

// Engine is a set of rules, compiled. It does not change and may be shared.
type Engine struct {
	rules    []*compiled
	fields   map[string]int32 // the fields that rules name; 0 is the keywords
	names    []string
	leaves   []int32 // how many leaves each field has
	mu       sync.Mutex
	classes  map[classKey]*class
	bySource map[string]*class // classes with the same rules are one
}

// compiled is a rule in an engine.
type compiled struct {
	rule *Rule
	cond *node
	sels []namedNode
}

type namedNode struct {
	name string
	node *node
}

// node is an expr whose leaves are numbered.
type node struct {
	op    op
	kids  []*node
	leaf  *leaf
	field int32
	ref   int32 // the other field of a fieldref
	id    int32 // of the leaf, within its field
}

// Compile makes an engine of the rules that are over single events; the
// correlations among them are the business of a Correlator.
func Compile(rules []*Rule) *Engine {
	e := &Engine{fields: map[string]int32{"": 0}, names: []string{""}, leaves: []int32{0}, classes: map[classKey]*class{}, bySource: map[string]*class{}}
	c := compiler{engine: e, leaves: map[string]*node{}}
	for _, r := range rules {
		if r.corr != nil {
			continue
		}
		c.exprs = map[*expr]*node{}
		out := &compiled{rule: r, cond: c.compile(r.condition)}
		for _, name := range r.reported {
			for _, s := range r.selections {
				if s.name == name {
					out.sels = append(out.sels, namedNode{name, c.compile(s.body)})
				}
			}
		}
		e.rules = append(e.rules, out)
	}
	return e
}

// Rules gives the number of rules.
func (e *Engine) Rules() int { return len(e.rules) }

type compiler struct {
	engine *Engine
	leaves map[string]*node
	exprs  map[*expr]*node // of one rule
}

func (c *compiler) compile(x *expr) *node {
	if n, ok := c.exprs[x]; ok {
		return n
	}
	var n *node
	if x.op == opLeaf {
		n = c.leaf(x.leaf)
	} else {
		n = &node{op: x.op, kids: make([]*node, len(x.kids))}
		for i, kid := range x.kids {
			n.kids[i] = c.compile(kid)
		}
	}
	c.exprs[x] = n
	return n
}

// leaf gives leaves that are the same one number, and with it one memory of
// what they said about a value.
func (c *compiler) leaf(l *leaf) *node {
	if n, ok := c.leaves[l.key]; ok {
		return n
	}
	n := &node{op: opLeaf, leaf: l, field: c.field(l.field)}
	n.id = c.engine.leaves[n.field]
	c.engine.leaves[n.field]++
	if l.ref != nil {
		n.ref = c.field(l.ref.field)
	}
	c.leaves[l.key] = n
	return n
}

func (c *compiler) field(name string) int32 {
	id, ok := c.engine.fields[name]
	if !ok {
		id = int32(len(c.engine.names))
		c.engine.fields[name] = id
		c.engine.names = append(c.engine.names, name)
		c.engine.leaves = append(c.engine.leaves, 0)
	}
	return id
}

// truth is what is known of a condition before the values are.
type truth struct{ canBeTrue, canBeFalse bool }

var either = truth{true, true}

// judge says what a condition can be when some leaves are known.
func (n *node) judge(known func(*node) truth) truth {
	switch n.op {
	case opLeaf:
		return known(n)
	case opNot:
		t := n.kids[0].judge(known)
		return truth{t.canBeFalse, t.canBeTrue}
	case opAnd:
		out := truth{true, false}
		for _, kid := range n.kids {
			t := kid.judge(known)
			out.canBeTrue = out.canBeTrue && t.canBeTrue
			out.canBeFalse = out.canBeFalse || t.canBeFalse
		}
		return out
	}
	out := truth{false, true}
	for _, kid := range n.kids {
		t := kid.judge(known)
		out.canBeTrue = out.canBeTrue || t.canBeTrue
		out.canBeFalse = out.canBeFalse && t.canBeFalse
	}
	return out
}

// class returns the rules for events of one source, compiled when the first
// one comes.
func (e *Engine) class(key classKey) *class {
	e.mu.Lock()
	defer e.mu.Unlock()
	if c, ok := e.classes[key]; ok {
		return c
	}
	if len(e.classes) >= maxClasses {
		clear(e.classes)
	}
	c := e.newClass(key)
	e.classes[key] = c
	return c
}

// maxClasses bounds what is kept of sources: a hostile log has any number.
const maxClasses = 4096
