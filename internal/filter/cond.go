package filter

import (
	"slices"
	"strconv"
	"strings"

	"github.com/edrctl/edrctl/internal/model"
)

// Cond is a condition on a record, as a filter expression says it: a Term, a
// bound, or All, Any and Not of others.
type Cond interface {
	match(record any) bool
	write(b *strings.Builder, inner bool) // inner: among others, so that parentheses may be needed
	mapTerms(func(Term) Cond) Cond
}

type (
	// All holds when each of its conditions does.
	All []Cond
	// Any holds when one of its conditions does.
	Any []Cond
	// Not holds when its condition does not.
	Not struct{ Cond Cond }
)

// What only alerts and rules have.
type (
	severityCond struct {
		op   string
		list []model.Severity
	}
	scoreCond struct {
		op string
		n  float64
	}
	statusCond struct{ list []model.Status }
)

// fuzzy finds letters in this order in one of the short texts of a record.
type fuzzy string

// constant is a condition that was decided before any record was read.
type constant bool

// Text writes a condition as an expression that reads back as the same.
func Text(c Cond) string {
	var b strings.Builder
	c.write(&b, false)
	return b.String()
}

func (a All) match(r any) bool {
	return !slices.ContainsFunc(a, func(c Cond) bool { return !c.match(r) })
}

func (a Any) match(r any) bool {
	return slices.ContainsFunc(a, func(c Cond) bool { return c.match(r) })
}

func (n Not) match(r any) bool { return !n.Cond.match(r) }

func (c constant) match(any) bool { return bool(c) }

func (f fuzzy) match(r any) bool { return fuzzyRecord(string(f), r) }

func (c severityCond) match(r any) bool {
	s, ok := severityOf(r)
	if !ok {
		return false
	}
	if c.op == "=" {
		return slices.Contains(c.list, s)
	}
	return compares(c.op, float64(s.Rank()), float64(c.list[0].Rank()))
}

// An alert without a score passes what a score of 0 would pass, as with
// --score-min.
func (c scoreCond) match(r any) bool {
	s, ok := scoreOf(r)
	if !ok {
		return false
	}
	if s == nil {
		return compares(c.op, 0, c.n)
	}
	return compares(c.op, *s, c.n)
}

func (c statusCond) match(r any) bool {
	a, ok := r.(*model.Alert)
	return ok && slices.Contains(c.list, a.Status)
}

func compares(op string, v, n float64) bool {
	switch op {
	case ">=":
		return v >= n
	case ">":
		return v > n
	case "<=":
		return v <= n
	case "<":
		return v < n
	}
	return v == n
}

func (a All) write(b *strings.Builder, inner bool) { join(b, a, " ", inner) }
func (a Any) write(b *strings.Builder, inner bool) { join(b, a, " or ", inner) }

func join(b *strings.Builder, list []Cond, sep string, inner bool) {
	inner = inner && len(list) != 1
	if inner {
		b.WriteByte('(')
	}
	for i, c := range list {
		if i > 0 {
			b.WriteString(sep)
		}
		c.write(b, len(list) > 1)
	}
	if inner {
		b.WriteByte(')')
	}
}

func (n Not) write(b *strings.Builder, _ bool) {
	b.WriteByte('!')
	if _, twice := n.Cond.(Not); twice {
		b.WriteByte('(')
		defer b.WriteByte(')')
	}
	n.Cond.write(b, true)
}

func (c constant) write(b *strings.Builder, _ bool) { b.WriteString(strconv.FormatBool(bool(c))) }

func (f fuzzy) write(b *strings.Builder, _ bool) { b.WriteString("~" + exprQuoted(string(f))) }

func (c severityCond) write(b *strings.Builder, _ bool) {
	b.WriteString("severity" + c.op + joinNames(c.list, ","))
}

func (c scoreCond) write(b *strings.Builder, _ bool) {
	b.WriteString("score" + c.op + strconv.FormatFloat(c.n, 'g', -1, 64))
}

func (c statusCond) write(b *strings.Builder, _ bool) {
	b.WriteString("status=" + joinNames(c.list, ","))
}

// write puts patterns of one operator behind one name: host=a,b.
func (t Term) write(b *strings.Builder, inner bool) {
	if p := t.Any; t.Field == Search && len(p) == 1 && p[0].Mode == Contains {
		b.WriteString(exprWord(p[0].Text))
		return
	}
	mixed := slices.ContainsFunc(t.Any, func(p Pattern) bool { return exprOp(p) != exprOp(t.Any[0]) })
	if mixed && inner {
		b.WriteByte('(')
		defer b.WriteByte(')')
	}
	for i, p := range t.Any {
		switch {
		case i == 0:
			b.WriteString(string(t.Field) + exprOp(p))
		case exprOp(p) == exprOp(t.Any[i-1]):
			b.WriteByte(',')
		default:
			b.WriteString(" or " + string(t.Field) + exprOp(p))
		}
		b.WriteString(exprValue(p))
	}
}

func exprOp(p Pattern) string {
	if p.Mode == Contains {
		return "~"
	}
	return "="
}

// exprValue writes the value of a pattern; wildcards are outside the quotes.
func exprValue(p Pattern) string {
	if p.Mode != Glob {
		return exprQuoted(p.Text)
	}
	var b strings.Builder
	for rest := p.Text; rest != ""; {
		i := strings.IndexAny(rest, "*?")
		if i < 0 {
			i = len(rest)
		}
		if i > 0 {
			b.WriteString(exprQuoted(rest[:i]))
			rest = rest[i:]
			continue
		}
		b.WriteByte(rest[0])
		rest = rest[1:]
	}
	return b.String()
}

// exprWord writes a word that is looked for in any text.
func exprWord(s string) string {
	switch strings.ToLower(s) {
	case "and", "or", "not":
		return `"` + s + `"`
	}
	return exprQuoted(s)
}

// exprQuoted writes a text bare where it cannot mean anything else.
func exprQuoted(s string) string {
	plain := s != "" && strings.IndexFunc(s, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune(`._-:/\`, r))
	}) < 0
	if plain {
		return s
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}

func (a All) mapTerms(f func(Term) Cond) Cond {
	out := make(All, len(a))
	for i, c := range a {
		out[i] = c.mapTerms(f)
	}
	return out
}

func (a Any) mapTerms(f func(Term) Cond) Cond {
	out := make(Any, len(a))
	for i, c := range a {
		out[i] = c.mapTerms(f)
	}
	return out
}

func (n Not) mapTerms(f func(Term) Cond) Cond        { return Not{n.Cond.mapTerms(f)} }
func (t Term) mapTerms(f func(Term) Cond) Cond       { return f(t) }
func (c constant) mapTerms(func(Term) Cond) Cond     { return c }
func (f fuzzy) mapTerms(func(Term) Cond) Cond        { return f }
func (c severityCond) mapTerms(func(Term) Cond) Cond { return c }
func (c scoreCond) mapTerms(func(Term) Cond) Cond    { return c }
func (c statusCond) mapTerms(func(Term) Cond) Cond   { return c }

// require adds conditions that must hold as well: what a flag could say goes
// where a driver finds it, so that it is pushed as if it were one.
func (f *Filter) require(c Cond) {
	switch c := c.(type) {
	case All:
		for _, one := range c {
			f.require(one)
		}
		return
	case Term:
		f.Terms = append(f.Terms, c)
		return
	case severityCond:
		switch {
		case c.op == "=" && len(f.Severity) == 0:
			f.Severity = c.list
			return
		case c.op == ">=" && f.SeverityMin == "":
			f.SeverityMin = c.list[0]
			return
		}
	case scoreCond:
		switch {
		case c.op == ">=" && f.ScoreMin == nil:
			f.ScoreMin = &c.n
			return
		case c.op == "<=" && f.ScoreMax == nil:
			f.ScoreMax = &c.n
			return
		}
	case statusCond:
		if len(f.Status) == 0 {
			f.Status = c.list
			return
		}
	}
	f.Where = append(f.Where, c)
}

func joinNames[T ~string](list []T, sep string) string {
	out := make([]string, len(list))
	for i, v := range list {
		out[i] = string(v)
	}
	return strings.Join(out, sep)
}
