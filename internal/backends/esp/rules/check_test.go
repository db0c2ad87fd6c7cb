package rules_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/edrctl/edrctl/internal/backends/esp/rules"
)

func conditions(t testing.TB, text string) any {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		t.Fatal(err)
	}
	return v
}

// Conditions that work, in every form the server takes.
func TestCheckRuleTakes(t *testing.T) {
	leaf := func(field, op, value string) string {
		return `{"condition":"and","rules":[{"field":"` + field + `","operator":"` + op + `","value":` + value + `}]}`
	}
	for _, text := range []string{
		leaf("column", "column_equal", `["pid",4444]`), leaf("column", "column_equal", `["pid","4444"]`), leaf("column", "column_less", `["pid","4444"]`),
		leaf("column", "column_contains", `["path","\\\\Temp"]`), leaf("column", "column_is_empty", `["path",""]`), leaf("column", "column_matches_wildcard", `["path","*x?"]`),
		leaf("column", "column_matches_regex", `["path",".*\\\\Temp\\\\.*"]`), leaf("column", "column_matches_regex", `["path","(?P<a>x)(?P=a)"]`), leaf("column", "column_not_matches_regex", `["path","a\\Z"]`),
		leaf("query_name", "begins_with", `"win_"`), leaf("action", "equal", `"ADDED"`), leaf("action", "not_equal", `"removed"`), leaf("timestamp", "greater", `1596557041`),
		leaf("host_identifier", "equal", `"EC2"`), leaf("query_name", "is_not_empty", `""`),
		`{"condition":"OR","rules":[` + leaf("query_name", "equal", `"a"`) + `,{"field":"query_name","operator":"equal","value":"b"}],"valid":true}`,
	} {
		out, _, err := rules.Check(conditions(t, text))
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if again, _, err := rules.Check(out); err != nil || len(again) != len(out) {
			t.Errorf("%s: what comes out is not taken: %v", text, err)
		}
	}
}

func TestPythonPattern(t *testing.T) {
	for p, want := range map[string]string{
		"evil": "ok", `.*\\.exe$`: "ok", "[a-z]+": "ok", "(": "bad", "a**": "bad", "[z-a]": "bad", `\pL`: "bad", `\Qx\E`: "bad", "(?<n>x)": "bad", `a\`: "bad", `\z`: "bad",
		"(?=x)": "unsure", "(?!x)": "unsure", "(?<=x)y": "unsure", "(?<!x)y": "unsure", `(a)\1`: "unsure", "(?P=n)": "unsure", "x{2000}": "unsure", "(?x) a": "unsure", "[[:alpha:]]": "unsure",
	} {
		unsure, err := rules.PythonPattern(p)
		got := "ok"
		if err != nil {
			got = "bad"
		} else if unsure != "" {
			got = "unsure"
		}
		if got != want {
			t.Errorf("%q is %s (%s, %v), want %s", p, got, unsure, err, want)
		}
	}
}

// The checkers take anything; what CheckRule lets pass it lets pass again, and
// holds nothing of what can never fire.
func FuzzCheckRule(f *testing.F) {
	f.Add(`{"condition":"AND","rules":[{"field":"column","operator":"column_contains","value":["path","\\Temp\\"]}]}`)
	f.Add(`{"condition":"AND","rules":[{"field":"path","operator":"equal","value":"x"}]}`)
	f.Add(`{"condition":"OR","rules":[{"field":"column","operator":"equal","value":["pid",1]},{"field":"timestamp","operator":"less","value":"x"}]}`)
	f.Add(`{"condition":"AND","rules":[{"rules":[]}]}`)
	f.Add(`{"condition":"AND","rules":[{"field":"column","operator":"column_matches_regex","value":["a","(?P<x>"]}]}`)
	f.Fuzz(func(t *testing.T, text string) {
		d := json.NewDecoder(strings.NewReader(text))
		d.UseNumber()
		var v any
		if d.Decode(&v) != nil {
			return
		}
		_ = rules.CheckSearch(v, true)
		_ = rules.CheckSearch(v, false)
		out, _, err := rules.Check(v)
		if err != nil {
			return
		}
		if _, _, err := rules.Check(out); err != nil {
			t.Errorf("taken once, refused after: %v", err)
		}
		b, err := json.Marshal(out)
		if err != nil {
			t.Fatal(err)
		}
		var each func(v any)
		each = func(v any) {
			m, _ := v.(map[string]any)
			if inner, nested := m["rules"].([]any); nested {
				if len(inner) == 0 {
					t.Errorf("an empty group passed: %s", b)
				}
				for _, r := range inner {
					each(r)
				}
				return
			}
			field, op := m["field"], m["operator"]
			if field == "column" && !strings.HasPrefix(op.(string), "column_") || m["value"] == nil {
				t.Errorf("%v %v passed: %s", field, op, b)
			}
		}
		each(out)
	})
}
