package esp

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/domainname"
	"github.com/edrctl/edrctl/internal/filter"
)

// group and leaf are the conditions of 12, 15 and 34 (docs/wire/esp.md §14).
type group struct {
	Condition string `json:"condition"` // AND, OR
	Rules     []any  `json:"rules"`
	Valid     bool   `json:"valid"`
}

type leaf struct {
	ID       string `json:"id"`
	Field    string `json:"field"`
	Type     string `json:"type"`
	Input    string `json:"input"`
	Operator string `json:"operator"`
	Value    string `json:"value"`
}

func cond(field, operator, value string) leaf {
	return leaf{ID: field, Field: field, Type: "string", Input: "text", Operator: operator, Value: value}
}

func anyOf(rules ...any) group { return group{Condition: "OR", Rules: rules, Valid: true} }
func allOf(rules ...any) group { return group{Condition: "AND", Rules: rules, Valid: true} }

// everything matches each row: the server wants conditions, and a key is
// either there or not. The value is not looked at but must not be empty.
func everything() group {
	return anyOf(cond("process_guid", "is_empty", "-"), cond("process_guid", "is_not_empty", "-"))
}

// Columns activity search takes (§14); everything else is refused.
var searchColumns = []string{
	"md5", "sha256", "domain_name", "ja3_md5", "process_guid", "parent_process_guid",
	"target_path", "target_name", "process_name", "remote_address",
}

// narrow compiles what of the filter the search can narrow with. The server
// never decides: every term stays in the residual, because a row has a
// column wherever the agent put it and the model looks at it only where it
// means something. A term is used only when no row it matches can be lost.
func narrow(f filter.Filter) group {
	var all []any
	for _, t := range f.Terms {
		switch t.Field {
		case filter.Hash:
			if g, ok := narrowHash(t); ok {
				all = append(all, g)
			}
		case filter.Domain:
			if g, ok := narrowDomain(t); ok {
				all = append(all, g)
			}
		}
	}
	switch len(all) {
	case 0:
		return everything()
	case 1:
		if g, ok := all[0].(group); ok {
			return g
		}
	}
	return allOf(all...)
}

// narrowHash: an MD5 or SHA-256 can only stand in the column of its length;
// SHA-1 and parts of hashes cannot be asked for.
func narrowHash(t filter.Term) (group, bool) {
	var rules []any
	for _, p := range t.Any {
		if !p.IsExact() || !isHex(p.Text) {
			return group{}, false
		}
		switch len(p.Text) {
		case 32:
			rules = append(rules, cond("md5", "contains", strings.ToLower(p.Text)))
		case 64:
			rules = append(rules, cond("sha256", "contains", strings.ToLower(p.Text)))
		default:
			return group{}, false
		}
	}
	return anyOf(rules...), true
}

// narrowDomain: a name stands in domain_name, or, in rows without that
// column, in the URL of a connection.
func narrowDomain(t filter.Term) (group, bool) {
	var rules []any
	for _, p := range t.Any {
		p.Text = strings.TrimRight(p.Text, ".") // of the root; the column may lack it
		s, ok := likeText(p)
		if !ok || domainname.International(p.Text) {
			return group{}, false
		}
		rules = append(rules, cond("domain_name", "contains", s))
	}
	rules = append(rules, allOf(cond("domain_name", "is_empty", "-"), cond("remote_address", "is_not_empty", "-")))
	return anyOf(rules...), true
}

func isHex(s string) bool {
	for i := range len(s) {
		switch c := s[i]; {
		case c >= '0' && c <= '9', c >= 'a' && c <= 'f', c >= 'A' && c <= 'F':
		default:
			return false
		}
	}
	return s != ""
}

// likeText turns a pattern into text for a case-insensitive substring search
// that matches at least what the pattern does. The server takes % and _ as
// wildcards and \ as their escape, so a backslash becomes _ (any character).
// Text beyond ASCII is not pushed: case means something else to the server.
func likeText(p filter.Pattern) (string, bool) {
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

// native is what --query says: the name of a scheduled query, or conditions
// as the vendor's search takes them.
type native struct {
	queryName  string
	conditions *group
}

func parseNative(s string) (native, error) {
	const what = "cannot read --query"
	s = strings.TrimSpace(s)
	switch {
	case s == "":
		return native{}, nil
	case kindOf([]byte(s)) == '{':
		var raw any
		if err := json.Unmarshal([]byte(s), &raw); err != nil {
			return native{}, backends.Invalid(what, "the conditions are not JSON: "+short(err.Error()))
		}
		g, err := checkConditions(raw, 0)
		if err != nil {
			return native{}, backends.Invalid(what, err.Error())
		}
		return native{conditions: &g}, nil
	case strings.ContainsAny(s, "'\"\\ \t\r\n"):
		return native{}, &backends.Error{Kind: backends.KindInvalid, What: what,
			Why:  "it is neither the name of a scheduled query nor conditions in JSON",
			Hint: `for example --query win_file_events, or --query '{"condition":"AND","rules":[{"field":"md5","operator":"equal","value":"…"}]}'`}
	}
	return native{queryName: s}, nil
}

// checkConditions refuses what the server would refuse, and what it accepts
// and answers wrongly: begins_with and its kin ask another table and never
// find anything, comparisons are a 500 (§14).
func checkConditions(v any, depth int) (group, error) {
	m, ok := v.(map[string]any)
	if !ok || depth > 16 {
		return group{}, fmt.Errorf("a group of conditions is an object with condition and rules")
	}
	g := group{Valid: true}
	g.Condition, _ = m["condition"].(string)
	if up := strings.ToUpper(g.Condition); up != "AND" && up != "OR" {
		return group{}, fmt.Errorf("condition is AND or OR, not %q", g.Condition)
	}
	rules, _ := m["rules"].([]any)
	if len(rules) == 0 {
		return group{}, fmt.Errorf("a group needs at least one rule")
	}
	for _, r := range rules {
		rm, ok := r.(map[string]any)
		if !ok {
			return group{}, fmt.Errorf("a rule is an object")
		}
		if _, nested := rm["rules"]; nested {
			inner, err := checkConditions(r, depth+1)
			if err != nil {
				return group{}, err
			}
			g.Rules = append(g.Rules, inner)
			continue
		}
		field, _ := rm["field"].(string)
		op, _ := rm["operator"].(string)
		value, _ := rm["value"].(string)
		if !has(searchColumns, field) {
			return group{}, fmt.Errorf("the server searches no column %q: one of %s", field, strings.Join(searchColumns, " "))
		}
		switch op {
		case "equal", "not_equal", "contains", "not_contains":
			if value == "" {
				return group{}, fmt.Errorf("the rule on %s needs a value", field)
			}
		case "is_empty", "is_not_empty":
			if value == "" {
				value = "-"
			}
		default:
			return group{}, fmt.Errorf("the search has no operator %q: one of equal not_equal contains not_contains is_empty is_not_empty", op)
		}
		g.Rules = append(g.Rules, cond(field, op, value))
	}
	return g, nil
}
