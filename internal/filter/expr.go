package filter

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/edrctl/edrctl/internal/model"
)

// Expr is a filter written on one line, as the terminal interface takes it:
// the shared filters of the command line by their names, the alert bounds, and
// words. All parts must match.
//
//	severity>=high host~FIN process=cmd.exe !user=SYSTEM ~mimi "two words"
//
// field=value compares whole values (with * and ? as in a file name),
// field~value looks for the text anywhere, a,b means either; ! in front of a
// part turns it round; ~word finds the letters in this order; a word alone is
// looked for in any text of the record.
type Expr struct {
	Filter Filter // the parts every record type shares; a driver may be given these

	source string
	parts  []part
}

// part is one thing that must (or must not) hold.
type part struct {
	not   bool
	match func(record any) bool
}

// exprFields are the names an expression knows beside Fields: what is compared
// here only, never by a server.
var exprFields = map[string]func(any) []string{
	"backend":   func(r any) []string { return origin(r, func(o *model.Origin) string { return o.Backend }) },
	"profile":   func(r any) []string { return origin(r, func(o *model.Origin) string { return o.Profile }) },
	"ref":       func(r any) []string { return origin(r, func(o *model.Origin) string { return o.Ref }) },
	"title":     titles,
	"technique": techniques,
	"tactic":    tactics,
	"source":    sources,
}

// aliases are short names for fields.
var aliases = map[string]string{
	"sev": "severity", "proc": "process", "cmd": "command-line", "cmdline": "command-line",
	"command_line": "command-line", "text": "search", "reg": "registry", "attack": "technique",
}

// ExprNames lists every name an expression takes on the left, for completion.
func ExprNames() []string {
	out := []string{"severity", "score", "status"}
	for _, f := range Fields {
		out = append(out, string(f))
	}
	for n := range exprFields {
		out = append(out, n)
	}
	slices.Sort(out)
	return out
}

// String is the expression as it was written.
func (e Expr) String() string { return e.source }

// Empty tells whether e matches everything.
func (e Expr) Empty() bool { return e.Filter.Empty() && len(e.parts) == 0 }

// Match tells whether all parts hold for a record (those Filter.Match takes).
func (e Expr) Match(record any) bool {
	if !e.Filter.Match(record) {
		return false
	}
	for _, p := range e.parts {
		if p.match(record) == p.not {
			return false
		}
	}
	return true
}

// ParseExpr reads an expression. Its errors are one line for the one who types.
func ParseExpr(s string) (Expr, error) {
	e := Expr{source: strings.Trim(s, blanks)}
	tokens, err := exprTokens(s)
	if err != nil {
		return e, err
	}
	for _, t := range tokens {
		if err := e.add(t); err != nil {
			return e, err
		}
	}
	return e, nil
}

// token is one part of the line: raw, or with quotes around (a part of) it.
type token struct {
	text   string
	quoted int // byte offset in text from which on the text was quoted; -1: nowhere
}

// blanks separate the parts of a line.
const blanks = " \t\n\r\f\v"

// exprTokens splits at white space outside double quotes. Inside quotes \" is
// a quote and \\ a backslash; any other backslash stands for itself, so that
// Windows paths can be typed.
func exprTokens(s string) ([]token, error) {
	var out []token
	var b strings.Builder
	at, in, open := -1, false, false
	flush := func() {
		if in {
			out = append(out, token{b.String(), at})
		}
		b.Reset()
		at, in = -1, false
	}
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case open && c == '\\' && i+1 < len(s) && (s[i+1] == '"' || s[i+1] == '\\'):
			i++
			b.WriteByte(s[i])
		case c == '"':
			open = !open
			if at < 0 {
				at = b.Len()
			}
			in = true
		case !open && strings.IndexByte(blanks, c) >= 0:
			flush()
		default:
			b.WriteByte(c)
			in = true
		}
	}
	if open {
		return nil, errors.New(`a " is not closed`)
	}
	flush()
	return out, nil
}

func (e *Expr) add(t token) error {
	text := t.text
	not := false
	if strings.HasPrefix(text, "!") && t.quoted != 0 {
		not, text = true, text[1:]
		t.quoted--
		if text == "" {
			return errors.New("! turns round what follows it, and nothing does")
		}
	}
	name, op, value := splitTerm(text, t.quoted)
	if op == "" || name == "" {
		return e.word(text, t.quoted == 0, not)
	}
	if full, ok := aliases[name]; ok {
		name = full
	}
	if value == "" {
		return fmt.Errorf("%s%s needs a value", name, op)
	}
	switch name {
	case "severity":
		return e.severity(op, value, not)
	case "score":
		return e.score(op, value, not)
	case "status":
		return e.status(op, value, not)
	}
	if op != "=" && op != "~" {
		return fmt.Errorf("%s takes = (the whole value) or ~ (contains), not %s", name, op)
	}
	if values, ok := exprFields[name]; ok {
		return e.local(values, op, value, not)
	}
	field := Field(name)
	if !slices.Contains(Fields, field) {
		return fmt.Errorf("%q is no field: one of %s", name, strings.Join(ExprNames(), " "))
	}
	var f Filter
	var given []string
	for _, v := range strings.Split(value, ",") {
		if v == "" {
			continue
		}
		given = append(given, patternText(field, op, v))
	}
	if len(given) == 0 {
		return fmt.Errorf("%s%s needs a value", name, op)
	}
	term := Term{Field: field}
	for _, v := range given {
		p, err := Parse(field, v)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if op == "~" && p.Mode == Glob && !strings.ContainsAny(v, "*?") {
			p.Mode = Contains
		}
		term.Any = append(term.Any, p)
	}
	f.Terms = []Term{term}
	e.take(f, not)
	return nil
}

// patternText writes a value as the flags take it: = makes it the whole value
// unless it holds wildcards, ~ contains.
func patternText(f Field, op, v string) string {
	if op == "~" {
		if strings.ContainsAny(v, "*?") {
			return "*" + strings.Trim(v, "*") + "*"
		}
		return v
	}
	switch f {
	case KindOf, Port, IP, Hash:
		return v
	}
	if strings.ContainsAny(v, "*?") {
		return v
	}
	return "=" + v
}

// take adds a filter, or its opposite.
func (e *Expr) take(f Filter, not bool) {
	if not {
		e.parts = append(e.parts, part{true, func(r any) bool { return f.Match(r) }})
		return
	}
	e.Filter.Terms = append(e.Filter.Terms, f.Terms...)
}

// splitTerm finds name, operator and value. An operator inside quotes is text.
func splitTerm(text string, quoted int) (name, op, value string) {
	for i := 0; i < len(text); i++ {
		if quoted >= 0 && i >= quoted {
			return "", "", ""
		}
		c := text[i]
		switch {
		case c == '=' || c == '~':
			op = string(c)
		case (c == '>' || c == '<') && i+1 < len(text) && text[i+1] == '=':
			op = text[i : i+2]
		case c == '>' || c == '<':
			op = string(c)
		case c == '-' || c == '_' || c < 0x80 && (unicode.IsLetter(rune(c)) || unicode.IsDigit(rune(c))):
			continue
		default:
			return "", "", ""
		}
		return strings.ToLower(text[:i]), op, text[i+len(op):]
	}
	return "", "", ""
}

func (e *Expr) word(text string, quoted, not bool) error {
	if strings.HasPrefix(text, "~") && !quoted {
		want := strings.ToLower(text[1:])
		if want == "" {
			return errors.New("~ needs the letters to look for")
		}
		e.parts = append(e.parts, part{not, func(r any) bool { return fuzzyRecord(want, r) }})
		return nil
	}
	if text == "" {
		return nil
	}
	p := Pattern{Text: text, lower: strings.ToLower(text)}
	if strings.ContainsAny(text, "*?") && !quoted {
		p.Text = "*" + strings.Trim(text, "*") + "*"
		p.lower, p.Mode = strings.ToLower(p.Text), Glob
	}
	e.take(Filter{Terms: []Term{{Field: Search, Any: []Pattern{p}}}}, not)
	return nil
}

func (e *Expr) severity(op, value string, not bool) error {
	var list []model.Severity
	for _, v := range strings.Split(value, ",") {
		s, ok := model.ParseSeverity(v)
		if !ok {
			return fmt.Errorf("%q is no severity: one of %s", v, joinNames(model.Severities))
		}
		list = append(list, s)
	}
	if len(list) > 1 && op != "=" && op != "~" {
		return fmt.Errorf("severity%s takes one value", op)
	}
	at := list[0].Rank()
	holds := map[string]func(int) bool{
		">=": func(r int) bool { return r >= at }, ">": func(r int) bool { return r > at },
		"<=": func(r int) bool { return r <= at }, "<": func(r int) bool { return r < at },
	}[op]
	switch {
	case op == ">=" && !not && e.Filter.SeverityMin == "":
		e.Filter.SeverityMin = list[0]
	case holds == nil && !not && len(e.Filter.Severity) == 0:
		e.Filter.Severity = list
	case holds == nil:
		e.parts = append(e.parts, part{not, func(r any) bool {
			s, ok := severityOf(r)
			return ok && slices.Contains(list, s)
		}})
	default:
		e.parts = append(e.parts, part{not, func(r any) bool {
			s, ok := severityOf(r)
			return ok && holds(s.Rank())
		}})
	}
	return nil
}

func (e *Expr) score(op, value string, not bool) error {
	n, err := strconv.ParseFloat(value, 64)
	if err != nil || !(n >= 0 && n <= 10) {
		return fmt.Errorf("%q is no score: 0 to 10", value)
	}
	holds, ok := map[string]func(float64) bool{
		">=": func(v float64) bool { return v >= n }, ">": func(v float64) bool { return v > n },
		"<=": func(v float64) bool { return v <= n }, "<": func(v float64) bool { return v < n },
		"=": func(v float64) bool { return v == n },
	}[op]
	if !ok {
		return fmt.Errorf("score takes = >= > <= <, not %s", op)
	}
	switch {
	case op == ">=" && !not && e.Filter.ScoreMin == nil:
		e.Filter.ScoreMin = &n
	case op == "<=" && !not && e.Filter.ScoreMax == nil:
		e.Filter.ScoreMax = &n
	default:
		e.parts = append(e.parts, part{not, func(r any) bool {
			a, ok := r.(*model.Alert)
			return ok && a.Score != nil && holds(*a.Score)
		}})
	}
	return nil
}

func (e *Expr) status(op, value string, not bool) error {
	if op != "=" && op != "~" {
		return fmt.Errorf("status takes =, not %s", op)
	}
	var list []model.Status
	for _, v := range strings.Split(value, ",") {
		s, ok := model.ParseStatus(v)
		if !ok {
			return fmt.Errorf("%q is no status: one of %s", v, joinNames(model.Statuses))
		}
		list = append(list, s)
	}
	if !not && len(e.Filter.Status) == 0 {
		e.Filter.Status = list
		return nil
	}
	e.parts = append(e.parts, part{not, func(r any) bool {
		a, ok := r.(*model.Alert)
		return ok && slices.Contains(list, a.Status)
	}})
	return nil
}

// local is a part compared here only.
func (e *Expr) local(values func(any) []string, op, value string, not bool) error {
	var list []Pattern
	for _, v := range strings.Split(value, ",") {
		if v == "" {
			continue
		}
		p, err := Parse(Search, patternText(Search, op, v))
		if err != nil {
			return err
		}
		list = append(list, p)
	}
	if len(list) == 0 {
		return errors.New("a value is missing")
	}
	e.parts = append(e.parts, part{not, func(r any) bool {
		for _, v := range values(r) {
			for _, p := range list {
				if p.Match(Search, v) {
					return true
				}
			}
		}
		return false
	}})
	return nil
}

func severityOf(r any) (model.Severity, bool) {
	switch v := r.(type) {
	case *model.Alert:
		return v.Severity, true
	case *model.Rule:
		return v.Severity, true
	}
	return "", false
}

func origin(r any, get func(*model.Origin) string) []string {
	if rec, ok := r.(model.Record); ok {
		return []string{get(rec.GetOrigin())}
	}
	return nil
}

func titles(r any) []string {
	switch v := r.(type) {
	case *model.Alert:
		return []string{v.Title}
	case *model.Event:
		return []string{v.Summary, v.Action}
	case *model.Rule:
		return []string{v.Name}
	case *model.Host:
		return []string{v.Name}
	case *model.Process:
		return []string{v.Name}
	}
	return nil
}

func sources(r any) []string {
	if a, ok := r.(*model.Alert); ok {
		return []string{a.Source}
	}
	return nil
}

func attacksOf(r any) []model.Attack {
	switch v := r.(type) {
	case *model.Alert:
		return v.Attack
	case *model.Rule:
		return v.Attack
	case *model.Event:
		if v.Detection != nil {
			return v.Detection.Attack
		}
	}
	return nil
}

func techniques(r any) []string {
	var out []string
	for _, a := range attacksOf(r) {
		out = append(out, a.Technique.ID, a.Technique.Name)
		// T1059 finds its sub-techniques too.
		if up, _, sub := strings.Cut(a.Technique.ID, "."); sub {
			out = append(out, up)
		}
	}
	return out
}

func tactics(r any) []string {
	var out []string
	for _, a := range attacksOf(r) {
		out = append(out, a.Tactic)
	}
	return out
}

// fuzzyRecord tells whether one short text of the record has the letters of
// want in order. Long texts would match anything and are left out.
func fuzzyRecord(want string, r any) bool {
	found := false
	for _, f := range []Field{Host, User, Process, Rule, File, Domain} {
		Values(f, r, func(v string) bool {
			found = len(v) <= 200 && Fuzzy(want, v)
			return !found
		})
		if found {
			return true
		}
	}
	return slices.ContainsFunc(titles(r), func(v string) bool { return Fuzzy(want, v) })
}

// Fuzzy tells whether the letters of want, in lower case, stand in s in this
// order, with anything between them.
func Fuzzy(want, s string) bool {
	w := []rune(want)
	i := 0
	for _, r := range strings.ToLower(s) {
		if i < len(w) && r == w[i] {
			i++
		}
	}
	return i == len(w)
}

func joinNames[T ~string](list []T) string {
	out := make([]string, len(list))
	for i, v := range list {
		out[i] = string(v)
	}
	return strings.Join(out, " ")
}
