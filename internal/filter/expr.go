package filter

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/edrctl/edrctl/internal/model"
	"github.com/edrctl/edrctl/internal/suggest"
)

// Expr is a filter written on one line, as --where and the filter line of the
// terminal interface take it.
//
//	severity>=high host~FIN,HR (process=cmd.exe or process=pwsh.exe) !user=SYSTEM "two words"
//
// Parts side by side must all hold; or, parentheses and ! do what they say.
// field=value compares the whole value (with * and ? as in a file name),
// field~value looks for the text anywhere, a,b means either; what is in quotes
// is taken as it is; ~word finds the letters in this order; a word alone is
// looked for in any text of the record; @name is a saved filter.
type Expr struct {
	Filter Filter

	source string
	uses   []use
}

// use is a field an expression compares, and where it is written.
type use struct {
	name string
	at   int
}

// ExprError says what is wrong with an expression, and where.
type ExprError struct {
	Column int // of the first wrong character, from 1
	Why    string
}

func (e *ExprError) Error() string { return fmt.Sprintf("column %d: %s", e.Column, e.Why) }

// Saved are the filters of the configuration by name.
type Saved map[string]string

// aliases are short names for fields.
var aliases = map[string]string{
	"sev": "severity", "proc": "process", "cmd": "command-line", "cmdline": "command-line",
	"text": "search", "reg": "registry", "attack": "technique",
}

// bounds are the fields that compare by size or from a closed set, and that
// only alerts and rules have.
var bounds = []string{"severity", "score", "status"}

// ExprNames lists every name an expression takes on the left.
func ExprNames() []string {
	out := slices.Clone(bounds)
	for _, f := range Fields {
		out = append(out, string(f))
	}
	for _, f := range exprOnly {
		out = append(out, string(f))
	}
	slices.Sort(out)
	return out
}

// String is the expression as it was written.
func (e Expr) String() string { return e.source }

// Empty tells whether e matches everything.
func (e Expr) Empty() bool { return e.Filter.Empty() }

// Match tells whether e holds for a record (those Filter.Match takes).
func (e Expr) Match(record any) bool { return e.Filter.Match(record) }

// Require makes f demand what e says as well.
func (f *Filter) Require(e Expr) {
	var c All
	for _, t := range e.Filter.Terms {
		c = append(c, t)
	}
	if v := e.Filter.ScoreMin; v != nil {
		c = append(c, scoreCond{">=", *v})
	}
	if v := e.Filter.ScoreMax; v != nil {
		c = append(c, scoreCond{"<=", *v})
	}
	if v := e.Filter.Severity; len(v) > 0 {
		c = append(c, severityCond{"=", v})
	}
	if v := e.Filter.SeverityMin; v != "" {
		c = append(c, severityCond{">=", []model.Severity{v}})
	}
	if v := e.Filter.Status; len(v) > 0 {
		c = append(c, statusCond{v})
	}
	f.require(append(c, e.Filter.Where...))
}

// Only refuses an expression that compares a field the records do not have.
func (e Expr) Only(what string, has func(name string) bool) error {
	for _, u := range e.uses {
		if !has(u.name) {
			return e.errorAt(u.at, fmt.Sprintf("%s have no %s", what, u.name))
		}
	}
	return nil
}

func (e Expr) errorAt(at int, why string) error {
	return &ExprError{Column: utf8.RuneCountInString(e.source[:min(at, len(e.source))]) + 1, Why: why}
}

// ParseExpr reads an expression; saved are the filters that @name means. An
// error is an *ExprError.
func ParseExpr(s string, saved Saved) (Expr, error) {
	p := exprParser{Expr: Expr{source: strings.Trim(s, blanks)}, saved: saved}
	c, err := p.parse()
	if err != nil {
		return p.Expr, err
	}
	p.Filter.require(c)
	return p.Expr, nil
}

// blanks separate the parts of a line.
const blanks = " \t\n\r\f\v"

// maxExprDepth bounds parentheses, and saved filters that name each other.
const maxExprDepth = 64

type exprParser struct {
	Expr
	saved Saved
	pos   int
	depth int
	names []string // of the saved filters this text is part of
}

func (p *exprParser) fail(at int, format string, args ...any) error {
	return p.errorAt(at, fmt.Sprintf(format, args...))
}

func (p *exprParser) parse() (Cond, error) {
	if p.blank(); p.pos == len(p.source) {
		return All{}, nil
	}
	c, err := p.either()
	if err == nil && p.pos < len(p.source) {
		err = p.fail(p.pos, "a ) without its (")
	}
	return c, err
}

// either reads parts joined by or.
func (p *exprParser) either() (Cond, error) {
	if p.depth++; p.depth > maxExprDepth {
		return nil, p.fail(p.pos, "too many parentheses")
	}
	defer func() { p.depth-- }()
	var list Any
	for {
		c, err := p.all()
		if err != nil {
			return nil, err
		}
		list = append(list, c)
		if !p.keyword("or") {
			return simpler(list), nil
		}
	}
}

// simpler joins alternatives of one field to one term, which a server may
// know how to answer.
func simpler(list Any) Cond {
	if len(list) == 1 {
		return list[0]
	}
	first, ok := list[0].(Term)
	if !ok {
		return list
	}
	joined := Term{Field: first.Field}
	for _, c := range list {
		t, ok := c.(Term)
		if !ok || t.Field != joined.Field {
			return list
		}
		joined.Any = append(joined.Any, t.Any...)
	}
	return joined
}

// all reads parts that stand side by side.
func (p *exprParser) all() (Cond, error) {
	var list All
	for {
		p.blank()
		switch {
		case p.pos == len(p.source) || p.source[p.pos] == ')' || p.atKeyword("or"):
			if len(list) == 0 {
				return nil, p.fail(p.pos, "a part is missing here")
			}
			if len(list) == 1 {
				return list[0], nil
			}
			return list, nil
		case len(list) > 0 && p.keyword("and"):
			if p.blank(); p.pos == len(p.source) || p.source[p.pos] == ')' {
				return nil, p.fail(p.pos, "a part is missing here")
			}
		}
		c, err := p.one()
		if err != nil {
			return nil, err
		}
		if inner, ok := c.(All); ok { // parentheses that change nothing
			list = append(list, inner...)
			continue
		}
		list = append(list, c)
	}
}

// one reads a part: a negation, a group, a saved filter, or a comparison.
func (p *exprParser) one() (Cond, error) {
	at := p.pos
	switch c := p.source[p.pos]; {
	case c == '!':
		p.pos++
		if p.pos == len(p.source) || strings.IndexByte(blanks+")", p.source[p.pos]) >= 0 {
			return nil, p.fail(at, "! negates the part that follows it, and none does")
		}
		return p.not()
	case p.keyword("not"):
		if p.blank(); p.pos == len(p.source) {
			return nil, p.fail(at, "not negates the part that follows it, and none does")
		}
		return p.not()
	case c == '(':
		p.pos++
		inner, err := p.either()
		if err != nil {
			return nil, err
		}
		if p.pos == len(p.source) {
			return nil, p.fail(at, "this ( is not closed")
		}
		p.pos++
		return inner, nil
	case c == '@':
		return p.named()
	case c == '~':
		p.pos++
		v, err := p.value(false)
		if err == nil && v.text == "" {
			err = p.fail(at, "~ needs the letters to look for")
		}
		return fuzzy(strings.ToLower(v.text)), err
	}
	return p.comparison()
}

func (p *exprParser) not() (Cond, error) {
	if p.depth++; p.depth > maxExprDepth {
		return nil, p.fail(p.pos, "too many negations")
	}
	defer func() { p.depth-- }()
	c, err := p.one()
	if inner, twice := c.(Not); twice {
		return inner.Cond, err
	}
	return Not{c}, err
}

// named reads @name.
func (p *exprParser) named() (Cond, error) {
	at := p.pos
	p.pos++
	for p.pos < len(p.source) && strings.IndexByte(blanks+"()", p.source[p.pos]) < 0 {
		p.pos++
	}
	name := p.source[at+1 : p.pos]
	text, ok := p.saved[name]
	switch {
	case !ok:
		known := make([]string, 0, len(p.saved))
		for n := range p.saved {
			known = append(known, n)
		}
		slices.Sort(known)
		if s := suggest.Nearest(name, known); s != "" {
			return nil, p.fail(at, "unknown filter @%s; did you mean @%s?", name, s)
		}
		return nil, p.fail(at, "unknown filter @%s; saved filters are under filters: in the configuration", name)
	case slices.Contains(p.names, name):
		return nil, p.fail(at, "the saved filter @%s uses itself", name)
	}
	inner := exprParser{Expr: Expr{source: strings.Trim(text, blanks)}, saved: p.saved, depth: p.depth, names: append(slices.Clone(p.names), name)}
	c, err := inner.parse()
	var wrong *ExprError
	if errors.As(err, &wrong) {
		err = p.fail(at, "the saved filter @%s is wrong at %s", name, err)
	}
	for _, u := range inner.uses {
		p.uses = append(p.uses, use{u.name, at})
	}
	return c, err
}

// comparison reads name, operator and values, or a word.
func (p *exprParser) comparison() (Cond, error) {
	at := p.pos
	name, op := p.operator()
	if op == "" {
		return p.word()
	}
	name = strings.ReplaceAll(strings.ToLower(name), "_", "-")
	if full, ok := aliases[name]; ok {
		name = full
	}
	if !slices.Contains(ExprNames(), name) {
		if s := suggest.Nearest(name, ExprNames()); s != "" {
			return nil, p.fail(at, "unknown field %q; did you mean %s?", name, s)
		}
		return nil, p.fail(at, `unknown field %q; "edrctl help filters" lists them`, name)
	}
	p.uses = append(p.uses, use{name, at})
	values, err := p.values(name, op)
	if err != nil {
		return nil, err
	}
	plain, negated := strings.CutPrefix(op, "!")
	var c Cond
	switch name {
	case "severity":
		c, err = p.severity(at, plain, values)
	case "score":
		c, err = p.score(at, plain, values)
	case "status":
		c, err = p.status(at, plain, values)
	default:
		c, err = p.term(at, Field(name), plain, values)
	}
	if err == nil && negated {
		c = Not{c}
	}
	return c, err
}

// operator reads a name and the operator behind it; without one nothing is read.
func (p *exprParser) operator() (name, op string) {
	end := p.pos
	for end < len(p.source) && nameByte(p.source[end]) {
		end++
	}
	if end == p.pos {
		return "", ""
	}
	for _, o := range [...]string{"!=", "!~", ">=", "<=", "==", "=", "~", ">", "<"} {
		if strings.HasPrefix(p.source[end:], o) {
			name, p.pos = p.source[p.pos:end], end+len(o)
			if o == "==" {
				o = "="
			}
			return name, o
		}
	}
	return "", ""
}

func nameByte(c byte) bool {
	return c == '-' || c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

// exprText is a value as it was written.
type exprText struct {
	text   string
	at     int
	quoted bool // a part of it, so that it is not empty by mistake
	wild   bool // it has a * or ? outside of quotes
	mixed  bool // and one inside
}

// values reads what follows an operator: one or more, separated by commas.
func (p *exprParser) values(name, op string) ([]exprText, error) {
	var out []exprText
	start := p.pos
	for {
		v, err := p.value(true)
		if err != nil {
			return nil, err
		}
		if v.text != "" {
			out = append(out, v)
		}
		if p.pos == len(p.source) || p.source[p.pos] != ',' {
			break
		}
		p.pos++
	}
	if len(out) == 0 {
		return nil, p.fail(start, "%s%s needs a value", name, op)
	}
	return out, nil
}

// value reads to the next blank or ) outside of quotes, and in a list to the
// next comma. A ) belongs to the value when its ( does. Inside quotes \" is a
// quote and \\ a backslash; any other backslash is one, so that Windows paths
// can be typed.
func (p *exprParser) value(list bool) (exprText, error) {
	v := exprText{at: p.pos}
	var b strings.Builder
	open, openAt, inside, literal := false, 0, 0, false
	for ; p.pos < len(p.source); p.pos++ {
		c := p.source[p.pos]
		switch {
		case open && c == '\\' && p.pos+1 < len(p.source) && (p.source[p.pos+1] == '"' || p.source[p.pos+1] == '\\'):
			p.pos++
			b.WriteByte(p.source[p.pos])
			continue
		case c == '"':
			open, openAt, v.quoted = !open, p.pos, true
			continue
		case open:
			literal = literal || c == '*' || c == '?'
			b.WriteByte(c)
			continue
		case strings.IndexByte(blanks, c) >= 0, list && c == ',', c == ')' && inside == 0:
			v.text, v.mixed = b.String(), v.wild && literal
			return v, nil
		case c == '(':
			inside++
		case c == ')':
			inside--
		case c == '*' || c == '?':
			v.wild = true
		}
		b.WriteByte(c)
	}
	if open {
		return v, p.fail(openAt, `this " is not closed`)
	}
	v.text, v.mixed = b.String(), v.wild && literal
	return v, nil
}

// word reads a text that is looked for in the whole record.
func (p *exprParser) word() (Cond, error) {
	v, err := p.value(false)
	if err != nil {
		return nil, err
	}
	if v.text == "" {
		return nil, p.fail(v.at, "an empty text matches nothing")
	}
	return p.term(v.at, Search, "~", []exprText{v})
}

func (p *exprParser) term(at int, f Field, op string, values []exprText) (Cond, error) {
	if op != "=" && op != "~" {
		return nil, p.fail(at, "%s takes = (the whole value) or ~ (contains), not %s", f, op)
	}
	t := Term{Field: f}
	for _, v := range values {
		pattern, err := v.pattern(f, op)
		if err != nil {
			return nil, p.fail(v.at, "invalid %s %q: %s", f, v.text, err)
		}
		t.Any = append(t.Any, pattern)
	}
	return t, nil
}

// pattern makes a value what the flag of the field would make of it.
func (v exprText) pattern(f Field, op string) (Pattern, error) {
	if v.mixed {
		return Pattern{}, errors.New("wildcards are either all in quotes or all outside")
	}
	if !v.quoted && (strings.HasPrefix(v.text, "!") || strings.HasPrefix(v.text, "=")) {
		return Pattern{}, fmt.Errorf("write !%s%s%s to exclude, and quote a value that begins with %c", f, op, v.text[1:], v.text[0])
	}
	p := Pattern{Text: v.text}
	switch {
	case v.wild && op == "~":
		p.Text, p.Mode = "*"+strings.Trim(v.text, "*")+"*", Glob
	case v.wild:
		p.Mode = Glob
	case op == "=" && f != IP: // a prefix of addresses is not text
		p.Mode = Exact
	}
	err := p.complete(f)
	return p, err
}

func (p *exprParser) severity(at int, op string, values []exprText) (Cond, error) {
	c := severityCond{op: op}
	if op == "~" {
		c.op = "="
	}
	for _, v := range values {
		s, err := ParseSeverity(v.text)
		if err != nil {
			return nil, p.fail(v.at, "invalid severity %q: %s", v.text, err)
		}
		c.list = append(c.list, s)
	}
	if len(c.list) > 1 && c.op != "=" {
		return nil, p.fail(at, "severity%s takes one value", op)
	}
	return c, nil
}

func (p *exprParser) score(at int, op string, values []exprText) (Cond, error) {
	if op == "~" {
		return nil, p.fail(at, "score takes = >= > <= <, not ~")
	}
	n, err := strconv.ParseFloat(values[0].text, 64)
	if err != nil || !(n >= 0 && n <= 10) || len(values) > 1 {
		return nil, p.fail(values[0].at, "invalid score %q: want one number from 0 to 10", values[0].text)
	}
	return scoreCond{op, n}, nil
}

func (p *exprParser) status(at int, op string, values []exprText) (Cond, error) {
	if op != "=" && op != "~" {
		return nil, p.fail(at, "status takes =, not %s", op)
	}
	var c statusCond
	for _, v := range values {
		s, err := ParseStatus(v.text)
		if err != nil {
			return nil, p.fail(v.at, "invalid status %q: %s", v.text, err)
		}
		c.list = append(c.list, s)
	}
	return c, nil
}

// ParseSeverity reads a severity; the error suggests the nearest.
func ParseSeverity(s string) (model.Severity, error) {
	v, ok := model.ParseSeverity(strings.TrimSpace(s))
	if !ok {
		return "", unknown("severity", s, model.Severities)
	}
	return v, nil
}

// ParseStatus reads a status; the error suggests the nearest.
func ParseStatus(s string) (model.Status, error) {
	v, ok := model.ParseStatus(strings.TrimSpace(s))
	if !ok {
		return "", unknown("status", s, model.Statuses)
	}
	return v, nil
}

func (p *exprParser) blank() {
	for p.pos < len(p.source) && strings.IndexByte(blanks, p.source[p.pos]) >= 0 {
		p.pos++
	}
}

// atKeyword tells whether a keyword of the language is here, alone.
func (p *exprParser) atKeyword(word string) bool {
	rest := p.source[p.pos:]
	if len(rest) < len(word) || !strings.EqualFold(rest[:len(word)], word) {
		return false
	}
	return len(rest) == len(word) || strings.IndexByte(blanks+"()", rest[len(word)]) >= 0
}

func (p *exprParser) keyword(word string) bool {
	if !p.atKeyword(word) {
		return false
	}
	p.pos += len(word)
	return true
}
