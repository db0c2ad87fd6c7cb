package fake

import (
	"encoding/json"
	"slices"
	"strings"
)

// matcher is a compiled group of conditions; nil matches everything.
type matcher struct {
	test  func(Columns) bool
	text  string // for the cache
	every bool
}

func (m *matcher) all() bool { return m == nil || m.every }

func (m *matcher) match(c Columns) bool { return m.all() || m.test(c) }

// crashText is a failure that is a 500.
const crashText = "\x00"

var searchable = []string{"md5", "sha256", "domain_name", "ja3_md5", "process_guid", "parent_process_guid", "target_path", "target_name", "process_name", "remote_address"}

// parseConditions compiles what 12, 15 and 34 take; only limits the columns
// (15, 34). failed is the text of the failure (§14).
func parseConditions(v json.RawMessage, only bool) (m *matcher, failed string) {
	var node map[string]json.RawMessage
	if json.Unmarshal(v, &node) != nil {
		return nil, "'rules'"
	}
	test, every, failed := compile(node, only, 0)
	if failed != "" {
		return nil, failed
	}
	return &matcher{test: test, text: string(v), every: every}, ""
}

func compile(node map[string]json.RawMessage, only bool, depth int) (test func(Columns) bool, every bool, failed string) {
	rules, sent := node["rules"]
	if !sent || depth > 64 {
		return nil, false, "'rules'"
	}
	var list []map[string]json.RawMessage
	if json.Unmarshal(rules, &list) != nil || len(list) == 0 {
		return nil, false, "A group contains no rules"
	}
	condition := strings.ToUpper(argText(node["condition"]))
	if condition != "AND" && condition != "OR" {
		return nil, false, "Unknown condition: " + argText(node["condition"])
	}
	var tests []func(Columns) bool
	empty, present := map[string]bool{}, map[string]bool{}
	for _, r := range list {
		if _, nested := r["rules"]; nested {
			t, _, failed := compile(r, only, depth+1)
			if failed != "" {
				return nil, false, failed
			}
			tests = append(tests, t)
			continue
		}
		field, op := argText(r["field"]), argText(r["operator"])
		if _, sent := r["operator"]; !sent {
			return nil, false, "'operator'"
		}
		raw, sent := r["value"]
		if !sent {
			return nil, false, "'value'"
		}
		value := argText(raw)
		if field == "column" {
			var pair []string
			if json.Unmarshal(raw, &pair) == nil && len(pair) == 2 {
				field, value = pair[0], pair[1]
				op = strings.TrimPrefix(op, "column_")
			}
		}
		if only && !slices.Contains(searchable, field) {
			return nil, false, "Unsupported column '" + field + "'"
		}
		if only && value == "" {
			return nil, false, "Value should be provided!"
		}
		t, failed := operator(field, op, value)
		if failed != "" {
			return nil, false, failed
		}
		switch op {
		case "is_empty":
			empty[field] = true
		case "is_not_empty":
			present[field] = true
		}
		tests = append(tests, t)
	}
	if condition == "OR" {
		for f := range empty {
			every = every || present[f]
		}
		return func(c Columns) bool {
			for _, t := range tests {
				if t(c) {
					return true
				}
			}
			return false
		}, every, ""
	}
	return func(c Columns) bool {
		for _, t := range tests {
			if !t(c) {
				return false
			}
		}
		return true
	}, false, ""
}

func operator(field, op, value string) (func(Columns) bool, string) {
	switch op {
	case "equal":
		return func(c Columns) bool { v, ok := c.Get(field); return ok && v == value }, ""
	case "not_equal":
		return func(c Columns) bool { v, ok := c.Get(field); return ok && v != value }, ""
	case "contains":
		return func(c Columns) bool { v, ok := c.Get(field); return ok && ilike(value, v) }, ""
	case "not_contains":
		return func(c Columns) bool { v, ok := c.Get(field); return ok && !ilike(value, v) }, ""
	case "is_empty":
		return func(c Columns) bool { _, ok := c.Get(field); return !ok }, ""
	case "is_not_empty":
		return func(c Columns) bool { _, ok := c.Get(field); return ok }, ""
	case "begins_with", "not_begins_with", "ends_with", "not_ends_with":
		return func(Columns) bool { return false }, "" // they ask another table
	case "less", "less_or_equal", "greater", "greater_or_equal":
		return nil, crashText
	}
	return nil, "Unsupported operator: " + op
}

// ilike is ILIKE '%pattern%': % any run, _ any character, \ the escape.
func ilike(pattern, value string) bool {
	type elem struct {
		r   rune
		any bool // one character
		run bool
	}
	pat := []elem{{run: true}}
	esc := false
	for _, r := range strings.ToLower(pattern) {
		switch {
		case esc:
			pat, esc = append(pat, elem{r: r}), false
		case r == '\\':
			esc = true
		case r == '%':
			pat = append(pat, elem{run: true})
		case r == '_':
			pat = append(pat, elem{any: true})
		default:
			pat = append(pat, elem{r: r})
		}
	}
	pat = append(pat, elem{run: true})
	val := []rune(strings.ToLower(value))
	p, v, star, mark := 0, 0, -1, 0
	for v < len(val) {
		switch {
		case p < len(pat) && pat[p].run:
			star, mark = p, v
			p++
		case p < len(pat) && (pat[p].any || pat[p].r == val[v]):
			p++
			v++
		case star >= 0:
			mark++
			p, v = star+1, mark
		default:
			return false
		}
	}
	for p < len(pat) && pat[p].run {
		p++
	}
	return p == len(pat)
}

// equals matches rows whose column is one of the values, exactly.
func equals(column string, values []string) *matcher {
	return &matcher{text: "=" + column + "\x00" + strings.Join(values, "\x00"), test: func(c Columns) bool {
		v, ok := c.Get(column)
		return ok && slices.Contains(values, v)
	}}
}
