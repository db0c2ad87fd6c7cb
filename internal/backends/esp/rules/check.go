// Package rules is ESP's language of conditions: what searches are narrowed
// with, what the server's rules mean, and how a rule is tried without it.
package rules

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp/syntax"
	"slices"
	"strconv"
	"strings"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/backends/esp/wire"
)

// The server takes conditions that can never be true and says success
// (docs/wire/esp.md §14). They are refused here, with how to write them right.

// ruleFields are what a rule can look at; every column is one of "column".
var ruleFields = []string{"query_name", "action", "host_identifier", "timestamp", "column"}

// rowActions are the values of the field action.
var rowActions = []string{"added", "removed", "snapshot"}

// The operators of rules, by what they do with the value.
var (
	equalOperators   = []string{"equal", "not_equal"}
	textOperators    = []string{"contains", "not_contains", "begins_with", "not_begins_with", "ends_with", "not_ends_with"}
	patternOperators = []string{"matches_regex", "not_matches_regex", "matches_wildcard", "not_matches_wildcard"}
	numberOperators  = []string{"less", "less_or_equal", "greater", "greater_or_equal"}
	emptyOperators   = []string{"is_empty", "is_not_empty"}
	ruleOperators    = slices.Concat(equalOperators, textOperators, patternOperators, numberOperators, emptyOperators, []string{"is_ascii"})
)

// numericColumns hold numbers in every table: text is never found in them.
var numericColumns = []string{
	"pid", "ppid", "parent_pid", "uid", "gid", "euid", "egid", "eventid", "port", "local_port", "remote_port", "size", "time", "uptime",
	"protocol", "family", "inode", "start_time", "atime", "mtime", "ctime",
}

// maxConditionDepth bounds what is read of a tree of conditions.
const maxConditionDepth = 32

// conditionError is a condition that cannot work, and how it is written right.
type conditionError struct{ at, why, hint string }

func (e *conditionError) Error() string {
	if e.at == "" {
		return e.why
	}
	return e.at + ": " + e.why
}

// ruleChecker walks the conditions of a rule.
type ruleChecker struct {
	warnings []string
}

func (c *ruleChecker) warn(at, format string, a ...any) {
	w := fmt.Sprintf(format, a...)
	if at != "" {
		w = at + ": " + w
	}
	c.warnings = append(c.warnings, w)
}

// Check checks the conditions of a rule (61, 62): out are the same
// conditions with what the vendor's console wants next to them filled in.
// Warnings are of conditions that work and may surprise. An error is a
// condition the server refuses, or one it takes and that can never be true.
func Check(conditions any) (out map[string]any, warnings []string, err error) {
	c := &ruleChecker{}
	out, err = c.group(conditions, "conditions", 0)
	if err != nil {
		return nil, nil, err
	}
	return out, c.warnings, nil
}

// GroupHint shows a group of conditions.
const GroupHint = `a group is {"condition":"AND","rules":[{"field":"column","operator":"column_contains","value":["path","\\Temp\\"]}]}`

func (c *ruleChecker) group(v any, at string, depth int) (map[string]any, error) {
	m, ok := v.(map[string]any)
	switch {
	case !ok:
		return nil, &conditionError{at, "a group of conditions is an object with condition and rules", GroupHint}
	case depth > maxConditionDepth:
		return nil, &conditionError{at, "groups stand in groups more than " + strconv.Itoa(maxConditionDepth) + " deep", ""}
	}
	word, _ := m["condition"].(string)
	if up := strings.ToUpper(word); up != "AND" && up != "OR" {
		return nil, &conditionError{at, fmt.Sprintf("condition is AND or OR, not %q", word), GroupHint}
	}
	rules, ok := m["rules"].([]any)
	if !ok || len(rules) == 0 {
		return nil, &conditionError{at, "a group needs at least one rule", GroupHint}
	}
	out := maps.Clone(m)
	list := make([]any, len(rules))
	same := map[string]string{} // what "equal" asks of each field, in an AND
	for i, r := range rules {
		here := fmt.Sprintf("%s.rules[%d]", at, i)
		leaf, ok := r.(map[string]any)
		if !ok {
			return nil, &conditionError{here, "a rule is an object with field, operator and value", GroupHint}
		}
		if _, nested := leaf["rules"]; nested {
			inner, err := c.group(leaf, here, depth+1)
			if err != nil {
				return nil, err
			}
			list[i] = inner
			continue
		}
		checked, err := c.leaf(leaf, here)
		if err != nil {
			return nil, err
		}
		list[i] = checked
		if strings.EqualFold(word, "AND") {
			if key, want, ok := equality(checked); ok {
				if other, twice := same[key]; twice && !strings.EqualFold(other, want) {
					return nil, &conditionError{here, fmt.Sprintf("%s would have to be %q and %q at once: it can never be true", key, other, want), "put alternatives in a group with \"condition\":\"OR\""}
				}
				same[key] = want
			}
		}
	}
	out["rules"] = list
	if _, given := out["valid"]; !given {
		out["valid"] = true
	}
	return out, nil
}

// equality gives what an equal test asks of which field.
func equality(leaf map[string]any) (key, want string, ok bool) {
	switch leaf["operator"] {
	case "equal":
		return backends.Text(leaf["field"]), backends.Text(leaf["value"]), true
	case "column_equal":
		if pair, isPair := leaf["value"].([]any); isPair && len(pair) == 2 {
			return "column " + backends.Text(pair[0]), backends.Text(pair[1]), true
		}
	}
	return "", "", false
}

func (c *ruleChecker) leaf(m map[string]any, at string) (map[string]any, error) {
	field, _ := m["field"].(string)
	op, _ := m["operator"].(string)
	value, given := m["value"]
	switch {
	case field == "":
		return nil, &conditionError{at, "it has no field", "a field is one of " + strings.Join(ruleFields, " ")}
	case op == "":
		return nil, &conditionError{at, "it has no operator", "an operator is one of " + strings.Join(ruleOperators, " ")}
	case !slices.Contains(ruleFields, field):
		return nil, &conditionError{at,
			fmt.Sprintf("no rule can look at a field %q: the server takes it, and the rule never fires", field),
			"a column is tested like this: " + columnForm(field, op, value)}
	}
	base, prefixed := strings.CutPrefix(op, "column_")
	switch {
	case field == "column" && !prefixed:
		return nil, &conditionError{at, fmt.Sprintf("the operator %s on a column lacks its prefix column_: the server takes it, and the rule never fires", op), "write " + columnForm("", op, value)}
	case field != "column" && prefixed:
		return nil, &conditionError{at, fmt.Sprintf("the operator %s is for the field column, not for %s", op, field), "write the operator " + base}
	case base == "matches_phish_tank":
		return nil, &conditionError{at, "matches_phish_tank is never true", ""}
	case !slices.Contains(ruleOperators, base):
		return nil, &conditionError{at, fmt.Sprintf("the server knows no operator %q", op), operatorHint(base, prefixed)}
	case !given || value == nil:
		return nil, &conditionError{at, "it has no value", "is_empty and is_not_empty need one too: any text"}
	}
	out := maps.Clone(m)
	column, text := field, ""
	if field == "column" {
		pair, ok := value.([]any)
		if !ok || len(pair) != 2 {
			return nil, &conditionError{at, "the value of a column's test is a list of two: the column and the value", "write " + columnForm("", op, value)}
		}
		column, ok = pair[0].(string)
		if !ok || strings.TrimSpace(column) == "" {
			return nil, &conditionError{at, "the first of the two values is the name of the column", "write " + columnForm("", op, pair[1])}
		}
		if text, ok = plain(pair[1]); !ok {
			return nil, &conditionError{at, "the second of the two values is a text", "write " + columnForm(column, op, "…")}
		}
	} else {
		var ok bool
		if text, ok = plain(value); !ok {
			return nil, &conditionError{at, "the value of " + field + " is a text", ""}
		}
		if text == "" && slices.Contains(emptyOperators, base) {
			text = "-" // the server wants a value and does not look at it
			out["value"] = text
		}
	}
	if text == "" && !slices.Contains(emptyOperators, base) {
		return nil, &conditionError{at, "the value is empty", "to find what is empty write the operator is_empty, what is not is_not_empty"}
	}
	if err := c.meaning(at, field, column, base, text); err != nil {
		return nil, err
	}
	for name, def := range map[string]string{"id": field, "type": "string", "input": "text"} {
		if _, given := out[name]; !given {
			out[name] = def
		}
	}
	return out, nil
}

// meaning refuses what is well written and can never be true.
func (c *ruleChecker) meaning(at, field, column, op, text string) error {
	wordy := slices.Contains(textOperators, op) || slices.Contains(patternOperators, op)
	switch {
	case field == "timestamp" && wordy:
		return &conditionError{at, "timestamp is a number: " + op + " never matches it", "compare it with less, greater or equal"}
	case wordy && isPythonNumber(text):
		return &conditionError{at, fmt.Sprintf("%s %q never matches: the server makes a number of it, and finds no text in numbers", op, text), "for a number write equal; for a part of a text write a longer one, or matches_wildcard *" + text + "* with a letter in it"}
	case slices.Contains(numberOperators, op) && !isPythonNumber(text):
		return &conditionError{at, fmt.Sprintf("%s compares numbers, and %q is none: it never matches", op, text), ""}
	}
	if field == "action" && slices.Contains(equalOperators, op) && !slices.ContainsFunc(rowActions, func(a string) bool { return strings.EqualFold(a, text) }) {
		if op == "equal" {
			return &conditionError{at, fmt.Sprintf("action is that of the row, one of %s, and never %q", strings.Join(rowActions, " "), text), "the column called action is tested like this: " + columnForm("action", "equal", text)}
		}
		c.warn(at, "action is one of %s: not_equal %q is always true", strings.Join(rowActions, " "), text)
	}
	switch op {
	case "is_ascii":
		c.warn(at, "is_ascii means the opposite on this server: it is true when the value has a character that is not ASCII")
	case "matches_regex", "not_matches_regex":
		unsure, err := pythonPattern(text)
		if err != nil {
			return &conditionError{at, fmt.Sprintf("the pattern %q is not a regular expression: %v", text, err), "the server takes it, and the rule never fires"}
		}
		if unsure != "" {
			c.warn(at, "the pattern could not be checked here: %s", unsure)
		}
		if strings.HasPrefix(text, "^") {
			c.warn(at, "a pattern is tried at the start of the value only, with ^ or without; it minds capitals")
		} else if !strings.HasPrefix(text, ".*") && !strings.HasPrefix(text, "(?s).*") && !strings.HasPrefix(text, "(?i).*") {
			c.warn(at, "a pattern is tried at the start of the value only: write .*%s to find it anywhere; it minds capitals", text)
		}
	}
	if wordy && field == "column" && slices.Contains(numericColumns, column) {
		c.warn(at, "%s usually holds a number, in which no text is found", column)
	}
	return nil
}

// columnForm writes the test of a column as it should be.
func columnForm(column, op string, value any) string {
	text := "…"
	switch v := value.(type) {
	case string:
		text = v
	case []any:
		if len(v) == 2 {
			if column == "" {
				column = backends.Text(v[0])
			}
			text = backends.Text(v[1])
		} else if len(v) > 0 {
			text = backends.Text(v[len(v)-1])
		}
	case json.Number, float64, bool:
		text = backends.Text(v)
	}
	if column == "" {
		column = "path"
	}
	b, err := json.Marshal(wire.Object{{Name: "field", Value: "column"}, {Name: "operator", Value: "column_" + strings.TrimPrefix(op, "column_")}, {Name: "value", Value: []string{column, text}}})
	if err != nil {
		return ""
	}
	return string(b)
}

func operatorHint(op string, column bool) string {
	prefix := ""
	if column {
		prefix = "column_"
	}
	switch op {
	case "in", "not_in":
		return "put one " + prefix + "equal for each value in a group with \"condition\":\"OR\""
	case "between", "not_between":
		return "write " + prefix + "greater_or_equal and " + prefix + "less_or_equal in a group with \"condition\":\"AND\""
	case "is_null", "is_not_null":
		return "write " + prefix + "is_empty or " + prefix + "is_not_empty"
	}
	return "an operator is one of " + strings.Join(ruleOperators, " ")
}

// plain gives a value that is a text or a number.
func plain(v any) (string, bool) {
	switch t := v.(type) {
	case string:
		return t, true
	case json.Number, float64, int, int64:
		return backends.Text(t), true
	}
	return "", false
}

// isPythonNumber tells what the server turns into a number before it looks.
func isPythonNumber(s string) bool {
	s = strings.TrimSpace(s)
	if s == "" || len(s) > 400 {
		return false
	}
	digits := strings.TrimLeft(s, "+-")
	if len(s)-len(digits) > 1 || strings.Trim(digits, "0123456789.eE+-") != "" || digits == "" || digits[0] > '9' {
		return false
	}
	_, err := strconv.ParseFloat(s, 64)
	return err == nil || errors.Is(err, strconv.ErrRange)
}

// pythonPattern checks a regular expression of Python's with Go's reader. What
// Go does not know and Python does cannot be judged: unsure says what. What
// Go knows and Python does not is an error.
func pythonPattern(p string) (unsure string, err error) {
	if len(p) > 10_000 {
		return "it is very long", nil
	}
	for i := 0; i < len(p); i++ {
		for _, known := range []string{"(?=", "(?!", "(?<=", "(?<!", "(?P=", "(?#", "(?("} {
			if strings.HasPrefix(p[i:], known) {
				unsure = "it uses " + known + "…, which is known to the server's language only"
			}
		}
		if p[i] == '(' && strings.HasPrefix(p[i:], "(?<") && !strings.HasPrefix(p[i:], "(?<=") && !strings.HasPrefix(p[i:], "(?<!") {
			return "", errors.New("a named group is written (?P<name>…)")
		}
		if p[i] != '\\' || i+1 >= len(p) {
			continue
		}
		i++
		switch c := p[i]; {
		case strings.IndexByte("AbBdDsSwWafnrtvx", c) >= 0, c < 'A', c > 'Z' && c < 'a', c > 'z':
		case c == 'Z', c == 'u', c == 'U', c == 'N':
			unsure = `it has \` + string(c)
		default:
			return "", fmt.Errorf(`bad escape \%c`, c)
		}
		if c := p[i]; c >= '1' && c <= '9' {
			unsure = "it refers back to a group"
		}
	}
	if strings.Contains(p, "[[:") {
		unsure = "[[: is not a class of characters to the server"
	}
	if unsure != "" {
		return unsure, nil
	}
	_, perr := syntax.Parse(p, syntax.Perl)
	if perr == nil {
		return "", nil
	}
	var se *syntax.Error
	if !errors.As(perr, &se) {
		return "it cannot be read here", nil
	}
	switch se.Code {
	case syntax.ErrInvalidPerlOp, syntax.ErrMissingRepeatArgument:
		if strings.HasPrefix(se.Expr, "(?") {
			for _, flag := range []string{"(?a", "(?L", "(?u", "(?x", "(?i", "(?m", "(?s"} {
				if strings.HasPrefix(se.Expr, flag) {
					return "it uses " + flag + "…, which is known to the server's language only", nil
				}
			}
		}
	case syntax.ErrInvalidRepeatSize, syntax.ErrLarge, syntax.ErrNestingDepth:
		return "it repeats more than can be judged here", nil
	}
	return "", errors.New(string(se.Code) + ": " + se.Expr)
}

// CheckSearch checks the conditions of a search (12, 15, 34): only limits the
// columns, as 15 and 34 do.
func CheckSearch(conditions any, only bool) error {
	return checkSearch(conditions, "conditions", only, 0)
}

func checkSearch(v any, at string, only bool, depth int) error {
	m, ok := v.(map[string]any)
	if !ok || depth > maxConditionDepth {
		return &conditionError{at, "a group of conditions is an object with condition and rules", searchHint}
	}
	word, _ := m["condition"].(string)
	if up := strings.ToUpper(word); up != "AND" && up != "OR" {
		return &conditionError{at, fmt.Sprintf("condition is AND or OR, not %q", word), searchHint}
	}
	rules, ok := m["rules"].([]any)
	if !ok || len(rules) == 0 {
		return &conditionError{at, "a group needs at least one rule", searchHint}
	}
	for i, r := range rules {
		here := fmt.Sprintf("%s.rules[%d]", at, i)
		leaf, ok := r.(map[string]any)
		if !ok {
			return &conditionError{here, "a rule is an object with field, operator and value", searchHint}
		}
		if _, nested := leaf["rules"]; nested {
			if err := checkSearch(leaf, here, only, depth+1); err != nil {
				return err
			}
			continue
		}
		field, _ := leaf["field"].(string)
		op, _ := leaf["operator"].(string)
		value := leaf["value"]
		if pair, isPair := value.([]any); field == "column" && isPair && len(pair) == 2 {
			field, value = backends.Text(pair[0]), pair[1]
			op = strings.TrimPrefix(op, "column_")
		}
		text, isText := plain(value)
		switch {
		case field == "":
			return &conditionError{here, "it has no field", searchHint}
		case only && !slices.Contains(searchColumns, field):
			return &conditionError{here, fmt.Sprintf("the server searches no column %q", field), "one of " + strings.Join(searchColumns, " ")}
		case slices.Contains(numberOperators, op):
			return &conditionError{here, "the search compares no numbers: the server fails over " + op, ""}
		case strings.HasPrefix(op, "begins_with"), strings.HasPrefix(op, "ends_with"), strings.HasPrefix(op, "not_begins_with"), strings.HasPrefix(op, "not_ends_with"):
			return &conditionError{here, "the server takes " + op + " in a search and looks in another table: it never finds anything", "write contains; % and _ in it stand for any text and any character"}
		case !slices.Contains([]string{"equal", "not_equal", "contains", "not_contains", "is_empty", "is_not_empty"}, op):
			return &conditionError{here, fmt.Sprintf("the search has no operator %q", op), "one of equal not_equal contains not_contains is_empty is_not_empty"}
		case !isText:
			return &conditionError{here, "it has no value, or one that is not text", "is_empty and is_not_empty need one too: any text"}
		case text == "" && only:
			return &conditionError{here, "the value is empty", "to find what is absent write is_empty with any value"}
		}
	}
	return nil
}

const searchHint = `a group is {"condition":"AND","rules":[{"field":"md5","operator":"equal","value":"…"}]}`

// RefusalError makes an error of kind Invalid of a condition that cannot work.
func RefusalError(what string, err error) error {
	e := &backends.Error{Kind: backends.KindInvalid, What: what, Why: err.Error(), Err: err}
	var ce *conditionError
	if errors.As(err, &ce) {
		e.Hint = ce.hint
	}
	return e
}
