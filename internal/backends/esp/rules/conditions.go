package rules

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/backends/esp/wire"
	"github.com/edrctl/edrctl/internal/domainname"
	"github.com/edrctl/edrctl/internal/filter"
)

// Group and Leaf are the conditions of 12, 15 and 34 (docs/wire/esp.md §14).
type Group struct {
	Condition string `json:"condition"` // AND, OR
	Rules     []any  `json:"rules"`
	Valid     bool   `json:"valid"`
}

// Leaf is one comparison.
type Leaf struct {
	ID       string `json:"id"`
	Field    string `json:"field"`
	Type     string `json:"type"`
	Input    string `json:"input"`
	Operator string `json:"operator"`
	Value    string `json:"value"`
}

// Cond is one condition on a column.
func Cond(field, operator, value string) Leaf {
	return Leaf{ID: field, Field: field, Type: "string", Input: "text", Operator: operator, Value: value}
}

// AnyOf matches what one of the rules matches.
func AnyOf(rules ...any) Group { return Group{Condition: "OR", Rules: rules, Valid: true} }

// AllOf holds where all of the rules do.
func AllOf(rules ...any) Group { return Group{Condition: "AND", Rules: rules, Valid: true} }

// Everything matches each row: the server wants conditions, and a key is
// either there or not. The value is not looked at but must not be empty.
func Everything() Group {
	return AnyOf(Cond("process_guid", "is_empty", "-"), Cond("process_guid", "is_not_empty", "-"))
}

// Columns activity search takes (§14); everything else is refused.
var searchColumns = []string{
	"md5", "sha256", "domain_name", "ja3_md5", "process_guid", "parent_process_guid",
	"target_path", "target_name", "process_name", "remote_address",
}

// Narrow compiles what of the filter the search can narrow with. The server
// never decides: every term stays in the residual, because a row has a
// column wherever the agent put it and the model looks at it only where it
// means something. A term is used only when no row it matches can be lost.
func Narrow(f filter.Filter) Group {
	var all []any
	for _, t := range f.Terms {
		switch t.Field {
		case filter.Hash:
			if g, ok := NarrowHash(t); ok {
				all = append(all, g)
			}
		case filter.Domain:
			if g, ok := NarrowDomain(t); ok {
				all = append(all, g)
			}
		}
	}
	switch len(all) {
	case 0:
		return Everything()
	case 1:
		if g, ok := all[0].(Group); ok {
			return g
		}
	}
	return AllOf(all...)
}

// NarrowHash asks for a hash: an MD5 or SHA-256 can only stand in the column of its length;
// SHA-1 and parts of hashes cannot be asked for.
func NarrowHash(t filter.Term) (Group, bool) {
	var rules []any
	for _, p := range t.Any {
		if !p.IsExact() || !wire.IsHex(p.Text) {
			return Group{}, false
		}
		switch len(p.Text) {
		case 32:
			rules = append(rules, Cond("md5", "contains", strings.ToLower(p.Text)))
		case 64:
			rules = append(rules, Cond("sha256", "contains", strings.ToLower(p.Text)))
		default:
			return Group{}, false
		}
	}
	return AnyOf(rules...), true
}

// NarrowDomain asks for a name: it is in domain_name, or, in rows without that
// column, in the URL of a connection.
func NarrowDomain(t filter.Term) (Group, bool) {
	var rules []any
	for _, p := range t.Any {
		p.Text = strings.TrimRight(p.Text, ".") // of the root; the column may lack it
		s, ok := LikeText(p)
		if !ok || domainname.International(p.Text) {
			return Group{}, false
		}
		rules = append(rules, Cond("domain_name", "contains", s))
	}
	rules = append(rules, AllOf(Cond("domain_name", "is_empty", "-"), Cond("remote_address", "is_not_empty", "-")))
	return AnyOf(rules...), true
}

// LikeText turns a pattern into text for a case-insensitive substring search
// that matches at least what the pattern does. The server takes % and _ as
// wildcards and \ as their escape, so a backslash becomes _ (any character).
// Text beyond ASCII is not pushed: case means something else to the server.
func LikeText(p filter.Pattern) (string, bool) {
	var b strings.Builder
	for i := range len(p.Text) {
		switch c := p.Text[i]; {
		case c >= 0x80 || c < 0x20 || c == 0x7f:
			return "", false
		case c == '\\' || c == '\'':
			b.WriteByte('_')
		case p.Mode == filter.Glob && c == '*':
			b.WriteByte('%')
		case p.Mode == filter.Glob && c == '?':
			// One rune to the evaluator, one character to the server.
			b.WriteByte('_')
		default:
			b.WriteByte(c)
		}
	}
	return b.String(), b.Len() > 0
}

// Query is what --query says: the name of a scheduled query, or conditions
// as the vendor's search takes them.
type Query struct {
	QueryName  string
	Conditions *Group
}

// ParseQuery reads what --query says.
func ParseQuery(s string) (Query, error) {
	const what = "cannot read --query"
	s = strings.TrimSpace(s)
	switch {
	case s == "":
		return Query{}, nil
	case wire.KindOf([]byte(s)) == '{':
		var raw any
		if err := json.Unmarshal([]byte(s), &raw); err != nil {
			return Query{}, backends.Invalid(what, "the conditions are not JSON: "+wire.Short(err.Error()))
		}
		g, err := checkConditions(raw, 0)
		if err != nil {
			return Query{}, backends.Invalid(what, err.Error())
		}
		return Query{Conditions: &g}, nil
	case strings.ContainsAny(s, "'\"\\ \t\r\n"):
		return Query{}, &backends.Error{Kind: backends.KindInvalid, What: what,
			Why:  "it is neither the name of a scheduled query nor conditions in JSON",
			Hint: `for example --query win_file_events, or --query '{"condition":"AND","rules":[{"field":"md5","operator":"equal","value":"…"}]}'`}
	}
	return Query{QueryName: s}, nil
}

// checkConditions refuses what the server would refuse, and what it accepts
// and answers wrongly: begins_with and its kin ask another table and never
// find anything, comparisons are a 500 (§14).
func checkConditions(v any, depth int) (Group, error) {
	m, ok := v.(map[string]any)
	if !ok || depth > 16 {
		return Group{}, fmt.Errorf("a group of conditions is an object with condition and rules")
	}
	g := Group{Valid: true}
	g.Condition, _ = m["condition"].(string)
	if up := strings.ToUpper(g.Condition); up != "AND" && up != "OR" {
		return Group{}, fmt.Errorf("condition is AND or OR, not %q", g.Condition)
	}
	rules, _ := m["rules"].([]any)
	if len(rules) == 0 {
		return Group{}, fmt.Errorf("a group needs at least one rule")
	}
	for _, r := range rules {
		rm, ok := r.(map[string]any)
		if !ok {
			return Group{}, fmt.Errorf("a rule is an object")
		}
		if _, nested := rm["rules"]; nested {
			inner, err := checkConditions(r, depth+1)
			if err != nil {
				return Group{}, err
			}
			g.Rules = append(g.Rules, inner)
			continue
		}
		field, _ := rm["field"].(string)
		op, _ := rm["operator"].(string)
		value, _ := rm["value"].(string)
		if !wire.Has(searchColumns, field) {
			return Group{}, fmt.Errorf("the server searches no column %q: one of %s", field, strings.Join(searchColumns, " "))
		}
		switch op {
		case "equal", "not_equal", "contains", "not_contains":
			if value == "" {
				return Group{}, fmt.Errorf("the rule on %s needs a value", field)
			}
		case "is_empty", "is_not_empty":
			if value == "" {
				value = "-"
			}
		default:
			return Group{}, fmt.Errorf("the search has no operator %q: one of equal not_equal contains not_contains is_empty is_not_empty", op)
		}
		g.Rules = append(g.Rules, Cond(field, op, value))
	}
	return g, nil
}
