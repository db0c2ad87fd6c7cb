package ruleconvert

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/edrctl/edrctl/internal/model"
	"github.com/edrctl/edrctl/internal/sigma"
)

// espColumns is the columns of ESP's rows of started programs.
var espColumns = map[string]string{"Image": "path", "CommandLine": "cmdline", "ParentImage": "parent_path"}

// ESP's conditions are groups of tests of the columns of a row.
type espGroup struct {
	Condition string `json:"condition"`
	Rules     []any  `json:"rules"`
	Valid     bool   `json:"valid"`
}

type espTest struct {
	ID       string   `json:"id"`
	Field    string   `json:"field"`
	Type     string   `json:"type"`
	Input    string   `json:"input"`
	Operator string   `json:"operator"`
	Value    []string `json:"value"`
}

type espRule struct {
	Name        string   `json:"name"`
	Description string   `json:"description"`
	Conditions  espGroup `json:"conditions"`
	Severity    string   `json:"severity"`
	Type        string   `json:"type"`
	Tactics     string   `json:"tactics,omitempty"`
	TechniqueID string   `json:"technique_id,omitempty"`
	Platform    string   `json:"platform"`
}

// ESP writes a rule of conditions. The server's rules look at rows of osquery,
// whose columns are known for started programs on Windows.
func ESP(r *sigma.Rule, _ Options) ([]byte, error) {
	if err := single(r); err != nil {
		return nil, err
	}
	if (r.LogSource != sigma.LogSource{Product: "windows", Category: "process_creation"}) {
		return nil, refuse("ESP's columns are known for windows/process_creation only, and the rule is for %s", r.LogSource)
	}
	body, err := espNode(r.Condition())
	if err != nil {
		return nil, err
	}
	out := espRule{
		Name: oneLine(r.Title), Description: espDescription(r), Platform: "windows", Severity: espSeverity(r.Level), Type: "DEFAULT",
		Conditions: espGroup{"AND", []any{espColumn("action", "equal", "PROC_CREATE"), body}, true},
	}
	var techniques, tactics []string
	for _, a := range r.Attack() {
		id, _, _ := strings.Cut(a.Technique.ID, ".") // the server refuses sub-techniques
		techniques, tactics = append(techniques, id), append(tactics, a.Tactic)
	}
	if out.TechniqueID, out.Tactics = csv(techniques), csv(tactics); out.TechniqueID != "" {
		out.Type = "MITRE"
	}
	return json.Marshal(out)
}

func csv(list []string) string {
	slices.Sort(list)
	return strings.Join(slices.DeleteFunc(slices.Compact(list), func(s string) bool { return s == "" }), ",")
}

func espSeverity(level model.Severity) string {
	switch level {
	case model.SeverityCritical, model.SeverityHigh:
		return "CRITICAL"
	case model.SeverityMedium:
		return "WARNING"
	}
	return "INFO"
}

func espDescription(r *sigma.Rule) string {
	parts := []string{oneLine(r.Description)}
	for _, f := range [...]struct{ name, value string }{{"Sigma rule", r.ID}, {"author", r.Author}, {"license", r.License}} {
		if f.value != "" {
			parts = append(parts, f.name+": "+oneLine(f.value))
		}
	}
	return strings.TrimSpace(strings.Join(parts, " · "))
}

func espColumn(column, operator, value string) espTest {
	return espTest{"column", "column", "string", "text", "column_" + operator, []string{column, value}}
}

func espNode(n *sigma.Node) (any, error) {
	switch n.Op {
	case sigma.NodeTest:
		return espField(n.Test)
	case sigma.NodeNot:
		return nil, refuse("it negates, and ESP's negated operators are false of a column that is absent or a number")
	}
	g := espGroup{Condition: "AND", Valid: true}
	if n.Op == sigma.NodeOr {
		g.Condition = "OR"
	}
	for _, kid := range n.Kids {
		k, err := espNode(kid)
		if err != nil {
			return nil, err
		}
		g.Rules = append(g.Rules, k)
	}
	return g, nil
}

func espField(t *sigma.FieldTest) (any, error) {
	column := espColumns[t.Field]
	switch {
	case t.Field == "":
		return nil, refuse("it looks for keywords in the whole event, and ESP looks at columns by their names")
	case column == "":
		return nil, refuse("ESP's rows of started programs have no column for %s", t.Field)
	case t.Negate || t.Null || t.Exists != nil || t.Ref != nil:
		return nil, refuse("%s is negated, null or compared with a field, which ESP's operators cannot do exactly", t.Field)
	}
	g := espGroup{Condition: "OR", Valid: true}
	if t.All {
		g.Condition = "AND"
	}
	for i := range t.Values {
		test, err := espValue(t.Field, column, &t.Values[i])
		if err != nil {
			return nil, err
		}
		g.Rules = append(g.Rules, test)
	}
	return g, nil
}

// numberRunes is what the server's numbers are written with: on a column that
// is one, operators on texts are false.
const numberRunes = "0123456789+-._ \teEinfatyINFATY"

func espValue(field, column string, v *sigma.Value) (any, error) {
	switch {
	case v.Kind != sigma.ValueText:
		return nil, refuse("%s is compared with an expression, a network or a number, which ESP's operators do otherwise", field)
	case v.Cased:
		return nil, refuse("%s is compared with case, and ESP's operators ignore it", field)
	}
	var b strings.Builder
	for i, seg := range v.Glob {
		if i > 0 {
			b.WriteByte('*')
		}
		for j, lit := range seg {
			if j > 0 {
				b.WriteByte('?')
			}
			b.WriteString(strings.NewReplacer("[", "[[]", "*", "[*]", "?", "[?]").Replace(lit))
		}
	}
	glob, literals := b.String(), ""
	for _, seg := range v.Glob {
		literals += strings.Join(seg, "")
	}
	switch {
	case strings.ContainsFunc(literals, func(r rune) bool { return r < ' ' || r >= 0x7f }):
		return nil, refuse("%s is compared with characters beyond ASCII, in which the server ignores case otherwise", field)
	case strings.Trim(literals, numberRunes) == "":
		return nil, refuse("%s is compared with %q, which ESP could read as a number", field, literals)
	}
	segs := v.Glob
	plain := func(i int) bool { return len(segs[i]) == 1 }
	blank := func(i int) bool { return plain(i) && segs[i][0] == "" }
	switch n := len(segs); {
	case n == 1 && plain(0):
		return espColumn(column, "equal", literals), nil
	case n == 2 && plain(0) && blank(1):
		return espColumn(column, "begins_with", literals), nil
	case n == 2 && blank(0) && plain(1):
		return espColumn(column, "ends_with", literals), nil
	case n == 3 && blank(0) && plain(1) && blank(2):
		return espColumn(column, "contains", literals), nil
	}
	return espColumn(column, "matches_wildcard", glob), nil
}
