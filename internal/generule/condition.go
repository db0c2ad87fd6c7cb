package generule

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/edrctl/edrctl/internal/lazyregexp"
)

// Condition is the tree of a rule's condition; nil is the empty one, which
// always holds.
type Condition struct {
	op     string // "name", "not", "and", "or"; "gap" where the operator is missing
	name   string
	kids   []*Condition
	closed bool // it is in parentheses
}

var condToken = lazyregexp.New(`^(?:\s+|\$\w+|\(|\)|!|&&|\|\||(?:and|AND|or|OR)\b)`)

// ParseCondition reads a condition: $name joined with and/AND/&&, or/OR/||,
// ! and parentheses. Between parentheses `and` binds closer than `or` here;
// nothing says that every engine does so, and Check warns of such mixtures.
func ParseCondition(s string) (*Condition, error) {
	if strings.TrimSpace(s) == "" {
		return nil, nil
	}
	p := &condParser{}
	for rest := s; rest != ""; {
		t := condToken.FindString(rest)
		if t == "" {
			return nil, fmt.Errorf("%q is none of $name and or ! ( )", clip(rest))
		}
		rest = rest[len(t):]
		if t = strings.TrimSpace(t); t != "" {
			p.tokens = append(p.tokens, t)
		}
	}
	c, err := p.or(0)
	if err != nil {
		return nil, err
	}
	if t := p.peek(); t != "" {
		return nil, fmt.Errorf("%s is not expected there", t)
	}
	return c, nil
}

func clip(s string) string {
	r := []rune(s)
	if len(r) > 20 {
		return string(r[:20]) + "…"
	}
	return s
}

type condParser struct {
	tokens []string
	at     int
}

func (p *condParser) peek() string {
	if p.at < len(p.tokens) {
		return p.tokens[p.at]
	}
	return ""
}

// or reads alternatives of conjunctions.
func (p *condParser) or(depth int) (*Condition, error) {
	return p.list("or", []string{"or", "OR", "||"}, func() (*Condition, error) {
		return p.list("and", []string{"and", "AND", "&&"}, func() (*Condition, error) {
			c, err := p.unary(depth)
			if err != nil || !strings.HasPrefix(p.peek(), "$") {
				return c, err
			}
			// Engines load `$a $b or $c`; what they make of it nobody says.
			gap := &Condition{op: "gap", kids: []*Condition{c}}
			for err == nil && strings.HasPrefix(p.peek(), "$") {
				c, err = p.unary(depth)
				gap.kids = append(gap.kids, c)
			}
			return gap, err
		})
	})
}

func (p *condParser) list(op string, words []string, next func() (*Condition, error)) (*Condition, error) {
	c, err := next()
	if err != nil {
		return nil, err
	}
	kids := []*Condition{c}
	for slices.Contains(words, p.peek()) {
		p.at++
		k, err := next()
		if err != nil {
			return nil, err
		}
		kids = append(kids, k)
	}
	if len(kids) == 1 {
		return c, nil
	}
	return &Condition{op: op, kids: kids}, nil
}

func (p *condParser) unary(depth int) (*Condition, error) {
	not := false
	for p.peek() == "!" {
		p.at++
		not = !not
	}
	var c *Condition
	switch t := p.peek(); {
	case t == "":
		return nil, errors.New("it ends too early")
	case t == "(":
		if depth >= maxDepth {
			return nil, errors.New("its parentheses are nested too deeply")
		}
		p.at++
		var err error
		if c, err = p.or(depth + 1); err != nil {
			return nil, err
		}
		if p.peek() != ")" {
			return nil, errors.New("a parenthesis is not closed")
		}
		p.at++
		c.closed = true
	case t[0] == '$':
		p.at++
		c = &Condition{op: "name", name: t}
	default:
		return nil, fmt.Errorf("%s is not expected there", t)
	}
	if not {
		c = &Condition{op: "not", kids: []*Condition{c}}
	}
	return c, nil
}

func (c *Condition) names(into map[string]bool) {
	if c == nil {
		return
	}
	if c.op == "name" {
		into[c.name] = true
	}
	for _, k := range c.kids {
		k.names(into)
	}
}

// On evaluates the condition; of gives the truth of a match.
func (c *Condition) On(of func(name string) Truth) Truth {
	if c == nil {
		return Yes
	}
	switch c.op {
	case "name":
		return of(c.name)
	case "gap":
		return Unknown
	case "not":
		switch c.kids[0].On(of) {
		case Yes:
			return No
		case No:
			return Yes
		}
		return Unknown
	case "and":
		out := Yes
		for _, k := range c.kids {
			switch k.On(of) {
			case No:
				return No
			case Unknown:
				out = Unknown
			}
		}
		return out
	}
	out := No
	for _, k := range c.kids {
		switch k.On(of) {
		case Yes:
			return Yes
		case Unknown:
			out = Unknown
		}
	}
	return out
}

// mixed tells whether and and or are mixed without parentheses,
// as in `$a and $b or $c`.
func (c *Condition) mixed() bool {
	if c == nil {
		return false
	}
	for _, k := range c.kids {
		if c.op == "or" && k.op == "and" && !k.closed || k.mixed() {
			return true
		}
	}
	return false
}

// gap tells whether an operator is missing somewhere.
func (c *Condition) gap() bool {
	return c != nil && (c.op == "gap" || slices.ContainsFunc(c.kids, (*Condition).gap))
}
