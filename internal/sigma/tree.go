package sigma

import (
	"net/netip"
	"strconv"
)

// NodeOp is what a Node does.
type NodeOp uint8

// The operations of a Node.
const (
	NodeTest NodeOp = iota
	NodeAnd
	NodeOr
	NodeNot
)

// Node is a part of a rule's condition, for whoever writes the rule in another
// language. What a condition names twice is the same Node.
type Node struct {
	Op        NodeOp
	Kids      []*Node // the operands; of NodeNot one
	Selection string  // the selection that the node is the whole of
	Test      *FieldTest
}

// FieldTest is one field of a selection with its values. A field that is
// absent is null and equals nothing; Negate turns the answer round.
type FieldTest struct {
	Field  string // "" = keywords: any text of the event
	All    bool   // every value has to match, not one
	Negate bool
	Null   bool // matches a field that is absent
	Exists *bool
	Ref    *FieldRef
	Values []Value

	leaf *leaf
}

// FieldRef is the other field of a comparison of two fields.
type FieldRef struct {
	Field string
	Equal bool // not a part of it
	Cased bool
}

// ValueKind is how a Value is compared.
type ValueKind uint8

// The kinds of a Value.
const (
	ValueText ValueKind = iota
	ValueRegexp
	ValueCIDR
	ValueNumber
	ValueTime // a part of a time
)

// Value is one value of a FieldTest.
type Value struct {
	Kind  ValueKind
	Cased bool
	// Glob is a text: its parts between the stars, each of literals with one
	// character that may be any between two of them. Without Cased it is in
	// lower case.
	Glob    [][]string
	Regexp  string
	Network netip.Prefix
	Number  string
	Compare string // of a number: = < <= > >=
}

// Literal gives a text without wildcards.
func (v *Value) Literal() (string, bool) {
	if v.Kind != ValueText || len(v.Glob) != 1 || len(v.Glob[0]) != 1 {
		return "", false
	}
	return v.Glob[0][0], true
}

// On evaluates the test on the only value of its field.
func (t *FieldTest) On(text string, there bool) bool {
	l := t.leaf
	switch {
	case l.exists != nil:
		return there == *l.exists != l.negate
	case !there:
		return l.null != l.negate
	}
	return (&node{leaf: l}).eval1(&value{raw: text})
}

// Condition gives the condition of a rule over single events; nil for a
// correlation.
func (r *Rule) Condition() *Node {
	if r.condition == nil {
		return nil
	}
	b := treeBuilder{names: map[*expr]string{}, nodes: map[*expr]*Node{}}
	for _, s := range r.selections {
		b.names[s.body] = s.name
	}
	return b.node(r.condition)
}

type treeBuilder struct {
	names map[*expr]string
	nodes map[*expr]*Node
}

func (b *treeBuilder) node(e *expr) *Node {
	if n, ok := b.nodes[e]; ok {
		return n
	}
	n := &Node{Selection: b.names[e]}
	b.nodes[e] = n
	if e.op == opLeaf {
		n.Test = e.leaf.test()
		return n
	}
	n.Op = map[op]NodeOp{opAnd: NodeAnd, opOr: NodeOr, opNot: NodeNot}[e.op]
	for _, kid := range e.kids {
		n.Kids = append(n.Kids, b.node(kid))
	}
	return n
}

func (l *leaf) test() *FieldTest {
	t := &FieldTest{Field: l.field, All: l.all, Negate: l.negate, Null: l.null, Exists: l.exists, leaf: l}
	if l.ref != nil {
		t.Ref = &FieldRef{Field: l.ref.field, Equal: l.ref.how == textEqual, Cased: l.ref.cased}
	}
	for i := range l.tests {
		t.Values = append(t.Values, l.tests[i].value())
	}
	return t
}

func (t *test) value() Value {
	switch {
	case t.kind == testRegexp:
		return Value{Kind: ValueRegexp, Cased: true, Regexp: t.re.String()}
	case t.kind == testCIDR:
		return Value{Kind: ValueCIDR, Network: t.net}
	case t.part != "":
		return Value{Kind: ValueTime}
	case t.kind == testNumber:
		v := Value{Kind: ValueNumber, Number: strconv.FormatFloat(t.num.f, 'f', -1, 64), Compare: compareSigns[t.cmp]}
		if t.num.whole {
			v.Number = strconv.FormatInt(t.num.i, 10)
		}
		return v
	}
	return Value{Kind: ValueText, Cased: t.text.cased, Glob: t.text.segments()}
}

var compareSigns = [...]string{cmpEqual: "=", cmpLess: "<", cmpLessEqual: "<=", cmpGreater: ">", cmpGreaterEqual: ">=", cmpNotEqual: "!="}

// segments gives the parts of a text between its stars.
func (t *text) segments() [][]string {
	none := []string{""}
	switch lit := []string{t.lit}; t.kind {
	case textEqual:
		return [][]string{lit}
	case textPrefix:
		return [][]string{lit, none}
	case textSuffix:
		return [][]string{none, lit}
	case textContains:
		return [][]string{none, lit, none}
	case textAny:
		return [][]string{none, none}
	}
	out := make([][]string, len(t.glob))
	for i, s := range t.glob {
		out[i] = s
	}
	return out
}
