package rules_test

import (
	"encoding/json"
	"testing"

	"github.com/edrctl/edrctl/internal/backends/esp/rules"
)

// What the server's rules do with a row (docs/wire/esp.md §14).
func TestRuleTrial(t *testing.T) {
	const row = `{"id":9,"name":"win_process_events","timestamp":"22-11-2026 02:29:07","action":"added","hostname":"W","columns":{"path":"C:\\Temp\\Évil.exe","pid":"4444","cmdline":"","name":"a[1].exe"}}`
	column := func(op, name, value string) string {
		b, _ := json.Marshal(map[string]any{"field": "column", "operator": "column_" + op, "value": []string{name, value}})
		return string(b)
	}
	field := func(name, op, value string) string {
		b, _ := json.Marshal(map[string]string{"field": name, "operator": op, "value": value})
		return string(b)
	}
	for _, tt := range []struct {
		leaf, want string
	}{
		{column("contains", "path", `\TEMP\`), "yes"}, {column("not_contains", "path", "nope"), "yes"}, {column("contains", "pid", "a"), "no"}, {column("not_contains", "pid", "a"), "no"},
		{column("equal", "pid", "4444.0"), "yes"}, {column("equal", "path", `c:\temp\évil.exe`), "yes"}, {column("not_equal", "pid", "1"), "yes"}, {column("equal", "nope", "x"), "no"},
		{column("begins_with", "path", "c:"), "yes"}, {column("ends_with", "path", ".EXE"), "yes"}, {column("not_ends_with", "path", ".exe"), "no"},
		{column("is_empty", "cmdline", "-"), "yes"}, {column("is_empty", "nope", "-"), "no"}, {column("is_not_empty", "nope", "-"), "yes"}, {column("is_not_empty", "cmdline", "-"), "no"},
		{column("less", "pid", "5000"), "yes"}, {column("greater_or_equal", "pid", "4445"), "no"}, {column("greater", "path", "1"), "no"},
		{column("matches_regex", "path", "Temp"), "no"}, {column("matches_regex", "path", `.*Temp`), "yes"}, {column("matches_regex", "path", `C:\\temp`), "no"}, {column("matches_regex", "path", `(?=C)C`), "unsure"},
		{column("matches_wildcard", "path", `c:\*\?vil.exe`), "yes"}, {column("matches_wildcard", "name", "a[[]1].exe"), "yes"}, {column("matches_wildcard", "name", "[!b]*"), "yes"}, {column("matches_wildcard", "path", "temp"), "no"},
		{column("is_ascii", "path", "x"), "yes"}, {column("is_ascii", "name", "x"), "no"},
		{field("query_name", "begins_with", "WIN_"), "yes"}, {field("action", "equal", "removed"), "no"}, {field("host_identifier", "equal", "x"), "unsure"},
		{field("timestamp", "greater", "1795314546"), "yes"}, {field("timestamp", "less", "1795314548"), "yes"},
	} {
		for _, doc := range []string{row, `{"ref":"t/9","raw":` + row + `}`} {
			trial, err := rules.ReadTrial([]byte(`{"name":"r","conditions":{"condition":"AND","rules":[` + tt.leaf + `]}}`))
			if err != nil || len(trial.Errors) > 0 {
				t.Fatalf("%s: %v %v", tt.leaf, err, trial.Errors)
			}
			fires, sure, err := trial.On([]byte(doc))
			got := map[bool]string{true: "yes", false: "no"}[fires]
			if !sure {
				got = "unsure"
			}
			if err != nil || got != tt.want {
				t.Errorf("%s: %s, %v, want %s", tt.leaf, got, err, tt.want)
			}
		}
	}
	trial, err := rules.ReadTrial([]byte(`{"name":"r","conditions":{"condition":"OR","rules":[` + column("equal", "pid", "1") + `,` + field("host_identifier", "equal", "x") + `]}}`))
	if err != nil {
		t.Fatal(err)
	}
	if fires, sure, err := trial.On([]byte(row)); !fires || sure || err != nil {
		t.Errorf("an OR of no and unsure: %v %v %v", fires, sure, err)
	}
	if _, _, err := trial.On([]byte(`{"a":1}`)); err == nil {
		t.Error("what is not a row was judged")
	}
	if bad, err := rules.ReadTrial([]byte(`{"name":"r","conditions":{"condition":"AND","rules":[{"field":"path","operator":"equal","value":"x"}]}}`)); err != nil || len(bad.Errors) != 1 || bad.On != nil {
		t.Errorf("%+v %v", bad, err)
	}
}

// Any rule on any row: no panic, and a rule that is taken judges every row.
func FuzzRuleTrial(f *testing.F) {
	f.Add(`{"name":"r","conditions":{"condition":"AND","rules":[{"field":"column","operator":"column_contains","value":["path","\\Temp\\"]}]}}`, `{"name":"q","columns":{"path":"x"}}`)
	f.Add(`{"name":"r","conditions":{"condition":"OR","rules":[{"field":"column","operator":"column_matches_wildcard","value":["a","[!]]*["]}]}}`, `{"raw":{"columns":{"a":"b"}}}`)
	f.Fuzz(func(t *testing.T, rule, row string) {
		trial, err := rules.ReadTrial([]byte(rule))
		if err != nil || trial.On == nil {
			return
		}
		_, _, _ = trial.On([]byte(row))
	})
}
