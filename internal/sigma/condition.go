package sigma

import (
	"strings"
)

// op is what a node of an expression does.
type op uint8

const (
	opLeaf op = iota
	opAnd
	opOr
	opNot
)

// expr is a condition over leaves. Selections that a condition names twice are
// the same node.
type expr struct {
	op   op
	kids []*expr
	leaf *leaf
}

func join(o op, kids []*expr) *expr {
	if len(kids) == 1 {
		return kids[0]
	}
	return &expr{op: o, kids: kids}
}

// Bounds of one rule. They are far above what any known rule needs.
const (
	maxDepth     = 200     // parentheses and negations of a condition, lists in lists of a selection
	maxCondition = 1 << 16 // bytes
	maxValues    = 50_000  // of a rule, after modifiers have multiplied them
	maxValue     = 1 << 16 // bytes of one value
)

// parser reads one condition.
type parser struct {
	words    []string
	pos      int
	depth    int
	found    map[string]*expr
	names    []string // of the selections, in the order of the file
	negated  bool
	reported []string
}

// parseCondition reads a condition over the given selections; reported are the
// names of those that it does not negate.
func parseCondition(text string, sels []selection) (e *expr, reported []string, err *fault) {
	if len(text) > maxCondition {
		return nil, nil, faultf(0, "the condition is longer than %d bytes", maxCondition)
	}
	p := parser{found: map[string]*expr{}}
	if p.words, err = conditionWords(text); err != nil {
		return nil, nil, err
	}
	for _, s := range sels {
		p.found[s.name] = s.body
		p.names = append(p.names, s.name)
	}
	if e, err = p.or(); err != nil {
		return nil, nil, err
	}
	if p.pos < len(p.words) {
		return nil, nil, faultf(0, "condition: unexpected %q", p.words[p.pos])
	}
	return e, p.reported, nil
}

// conditionWords splits a condition into names, operators and parentheses.
func conditionWords(text string) ([]string, *fault) {
	var words []string
	for i := 0; i < len(text); {
		switch c := text[i]; {
		case c == ' ' || c == '\t' || c == '\n' || c == '\r':
			i++
		case c == '(' || c == ')':
			words = append(words, text[i:i+1])
			i++
		case c == '|':
			return nil, faultf(0, "condition: aggregations after a | are not part of Sigma 2: use a correlation rule")
		default:
			start := i
			for i < len(text) && !strings.ContainsRune(" \t\r\n()|", rune(text[i])) {
				i++
			}
			words = append(words, text[start:i])
		}
	}
	return words, nil
}

// operator reports whether the next word is an operator; a selection of the
// same name comes first.
func (p *parser) operator(word string) bool {
	if p.pos >= len(p.words) || !strings.EqualFold(p.words[p.pos], word) {
		return false
	}
	_, name := p.found[p.words[p.pos]]
	return !name
}

func (p *parser) or() (*expr, *fault)  { return p.chain(opOr, "or", p.and) }
func (p *parser) and() (*expr, *fault) { return p.chain(opAnd, "and", p.not) }

func (p *parser) chain(o op, word string, next func() (*expr, *fault)) (*expr, *fault) {
	first, err := next()
	if err != nil {
		return nil, err
	}
	kids := []*expr{first}
	for p.operator(word) {
		p.pos++
		kid, err := next()
		if err != nil {
			return nil, err
		}
		kids = append(kids, kid)
	}
	return join(o, kids), nil
}

func (p *parser) not() (*expr, *fault) {
	if p.depth++; p.depth > maxDepth {
		return nil, faultf(0, "condition: nested deeper than %d levels", maxDepth)
	}
	defer func() { p.depth-- }()
	if !p.operator("not") {
		return p.term()
	}
	p.pos++
	p.negated = !p.negated
	e, err := p.not()
	p.negated = !p.negated
	if err != nil {
		return nil, err
	}
	return &expr{op: opNot, kids: []*expr{e}}, nil
}

func (p *parser) term() (*expr, *fault) {
	if p.pos >= len(p.words) {
		return nil, faultf(0, "condition: ends where a selection is expected")
	}
	word := p.words[p.pos]
	if word == "(" {
		p.pos++
		e, err := p.or()
		if err != nil {
			return nil, err
		}
		if p.pos >= len(p.words) || p.words[p.pos] != ")" {
			return nil, faultf(0, "condition: a parenthesis is not closed")
		}
		p.pos++
		return e, nil
	}
	if p.pos+1 < len(p.words) && strings.EqualFold(p.words[p.pos+1], "of") {
		return p.quantified()
	}
	e, ok := p.found[word]
	if !ok {
		return nil, faultf(0, "condition: there is no selection %q", word)
	}
	p.pos++
	p.report(word)
	return e, nil
}

// quantified reads "1 of X", "any of X" and "all of X".
func (p *parser) quantified() (*expr, *fault) {
	o := opOr
	switch how := strings.ToLower(p.words[p.pos]); how {
	case "1", "any":
	case "all":
		o = opAnd
	default:
		return nil, faultf(0, "condition: %q of: want 1, any or all", how)
	}
	if p.pos+2 >= len(p.words) {
		return nil, faultf(0, "condition: ends after \"of\"")
	}
	pattern := p.words[p.pos+2]
	p.pos += 3
	var kids []*expr
	for _, name := range p.names {
		if strings.EqualFold(pattern, "them") && p.found[pattern] == nil {
			if strings.HasPrefix(name, "_") {
				continue
			}
		} else if !nameMatches(pattern, name) {
			continue
		}
		kids = append(kids, p.found[name])
		p.report(name)
	}
	if len(kids) == 0 {
		return nil, faultf(0, "condition: no selection matches %q", pattern)
	}
	return join(o, kids), nil
}

func (p *parser) report(name string) {
	if p.negated {
		return
	}
	for _, r := range p.reported {
		if r == name {
			return
		}
	}
	p.reported = append(p.reported, name)
}

// nameMatches matches a name against a pattern with * at any place.
func nameMatches(pattern, name string) bool {
	parts := strings.Split(pattern, "*")
	if len(parts) == 1 {
		return pattern == name
	}
	last := len(parts) - 1
	rest, ok := strings.CutPrefix(name, parts[0])
	if !ok {
		return false
	}
	for _, part := range parts[1:last] {
		i := strings.Index(rest, part)
		if i < 0 {
			return false
		}
		rest = rest[i+len(part):]
	}
	return strings.HasSuffix(rest, parts[last])
}
