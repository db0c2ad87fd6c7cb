// Package ruleconvert turns Sigma rules into rules of the products, where the
// product's rule means the same; what would be lost is a RefusalError.
package ruleconvert

import (
	"fmt"
	"slices"
	"strings"

	"github.com/edrctl/edrctl/internal/sigma"
)

// RefusalError is why a rule has no equal in the language of a product.
type RefusalError struct{ Reason string }

func (r *RefusalError) Error() string { return r.Reason }

func refuse(format string, args ...any) *RefusalError {
	return &RefusalError{fmt.Sprintf(format, args...)}
}

// Options are what a product's rules are written for.
type Options struct {
	GeneSchema int // 1 or 2
}

// Targets are the backends that rules are converted for, by their names.
var Targets = map[string]func(*sigma.Rule, Options) ([]byte, error){
	"esp": ESP, "gene": Gene,
}

// Names gives the names of the targets.
func Names() []string {
	var out []string
	for name := range Targets {
		out = append(out, name)
	}
	slices.Sort(out)
	return out
}

// single refuses what no product's rules can do.
func single(r *sigma.Rule) error {
	if r.IsCorrelation() {
		return refuse("it counts the matches of other rules, and a rule there sees one event at a time")
	}
	return nil
}

// oneLine is a text without line breaks and repeated blanks.
func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// The constants that parts of a condition become when they are known.
var (
	always = &sigma.Node{Op: sigma.NodeAnd}
	never  = &sigma.Node{Op: sigma.NodeOr}
)

// simplify gives a condition in which the known tests are replaced by what
// they are. What does not change stays the same node.
func simplify(n *sigma.Node, known func(*sigma.FieldTest) (is, ok bool)) *sigma.Node {
	switch n.Op {
	case sigma.NodeTest:
		is, ok := known(n.Test)
		switch {
		case !ok:
			return n
		case is:
			return always
		}
		return never
	case sigma.NodeNot:
		switch kid := simplify(n.Kids[0], known); kid {
		case always:
			return never
		case never:
			return always
		case n.Kids[0]:
			return n
		default:
			return &sigma.Node{Op: sigma.NodeNot, Kids: []*sigma.Node{kid}, Selection: n.Selection}
		}
	}
	neutral, final := always, never
	if n.Op == sigma.NodeOr {
		neutral, final = never, always
	}
	var kids []*sigma.Node
	same := true
	for _, kid := range n.Kids {
		k := simplify(kid, known)
		if k == final {
			return final
		}
		same = same && k == kid
		if k != neutral {
			kids = append(kids, k)
		}
	}
	switch {
	case same:
		return n
	case len(kids) == 0:
		return neutral
	}
	return &sigma.Node{Op: n.Op, Kids: kids, Selection: n.Selection}
}

// eachTest visits the tests of a condition, those that it names twice too.
func eachTest(n *sigma.Node, visit func(*sigma.FieldTest)) {
	if n.Op == sigma.NodeTest {
		visit(n.Test)
	}
	for _, kid := range n.Kids {
		eachTest(kid, visit)
	}
}
