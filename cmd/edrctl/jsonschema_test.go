package main

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/edrctl/edrctl/internal/schema"
)

// jsonSchema validates as far as the published schemas go, and more strictly: a
// member that the schema does not have is an error.
type jsonSchema struct{ root map[string]any }

func publishedSchema(t *testing.T, kind string) jsonSchema {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "..", "docs", "schema", "v1", kind+".json"))
	if err != nil {
		t.Fatalf("%v (go run ./cmd/gen writes it)", err)
	}
	var s jsonSchema
	if err := json.Unmarshal(b, &s.root); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s jsonSchema) check(at string, rule map[string]any, v any) error {
	if ref, ok := rule["$ref"].(string); ok {
		rule = s.root["$defs"].(map[string]any)[strings.TrimPrefix(ref, "#/$defs/")].(map[string]any)
	}
	if set, ok := rule["enum"].([]any); ok && !slices.Contains(set, v) {
		return fmt.Errorf("%s: %v is not one of %v", at, v, set)
	}
	ok := true
	switch rule["type"] {
	case "string":
		var text string
		if text, ok = v.(string); ok && rule["format"] == "date-time" {
			_, err := time.Parse("2006-01-02T15:04:05.000Z", text)
			ok = err == nil
		}
	case "boolean":
		_, ok = v.(bool)
	case "number", "integer":
		var n float64
		n, ok = v.(float64)
		ok = ok && (rule["type"] == "number" || n == math.Trunc(n))
	case "array":
		list, is := v.([]any)
		ok = is
		for i, e := range list {
			if err := s.check(fmt.Sprintf("%s[%d]", at, i), rule["items"].(map[string]any), e); err != nil {
				return err
			}
		}
	case "object":
		members, is := v.(map[string]any)
		ok = is
		properties, _ := rule["properties"].(map[string]any)
		for name, value := range members {
			inner, known := properties[name].(map[string]any)
			if !known {
				if inner, known = rule["additionalProperties"].(map[string]any); !known {
					return fmt.Errorf("%s.%s is not in the schema", at, name)
				}
			}
			if err := s.check(at+"."+name, inner, value); err != nil {
				return err
			}
		}
	}
	if !ok {
		return fmt.Errorf("%s: %v is not of type %v", at, v, rule["type"])
	}
	return nil
}

// What commands print as JSON is what the published schemas describe.
func TestPublishedSchemas(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "")
	seen := map[string]bool{}
	rule := filepath.Join(t.TempDir(), "rule.yml")
	writeFile(t, rule, "title: A program\nid: 5f1b4a1e-0c9d-4a46-9d6c-0d6c0a4a5c10\nlevel: high\ntags: [attack.execution, attack.t1059.001]\nlogsource: {category: process_creation, product: windows}\ndetection:\n  selection: {Image|endswith: .exe}\n  condition: selection\n")
	for _, c := range []struct{ kind, command string }{
		{"sigma_hit", "hunt sigma " + rule + " --since 8d"},
		{"alert", "alerts list --since 8d --raw"}, {"event", "events list --since 2d"}, {"host", "hosts list --raw"},
		{"process", "processes list --since 1d --host SRV-DB-02"}, {"rule", "rules list"}, {"hit", "hunt ip 203.0.113.66 --since 8d"},
		{"report", "hosts report -p demo-gene-served"}, {"count", "alerts count --by host --since 8d"}, {"carve", "carve list -p demo-esp-served"},
		{"action", "respond run build-07 --yes --case IR-1 -- id"}, {"action", "respond isolate SRV-DB-02 --yes --case IR-1"}, {"action", "respond list"},
	} {
		t.Run(c.command, func(t *testing.T) {
			args := strings.Fields(c.command)
			at := slices.Index(args, "--")
			if at < 0 {
				at = len(args)
			}
			if !strings.Contains(c.command, " -p ") {
				args = slices.Insert(args, at, "-p", "all")
			}
			r := w.run(slices.Insert(args, at, "-o", "ndjson")...)
			if r.code != 0 && r.code != 3 {
				t.Fatalf("exit %d: %s", r.code, r.errOut)
			}
			s := publishedSchema(t, c.kind)
			n := 0
			for line := range strings.Lines(r.out) {
				var v any
				if err := json.Unmarshal([]byte(line), &v); err != nil {
					t.Fatal(err)
				}
				if err := s.check(c.kind, s.root, v); err != nil {
					t.Fatalf("%v\nin %.600s", err, line)
				}
				n++
			}
			if n == 0 && c.command != "carve list -p demo-esp-served" {
				t.Fatalf("nothing was printed: %s", r.errOut)
			}
			seen[c.kind] = true
		})
	}
	for _, k := range schema.Kinds {
		if !seen[k.Name] && k.Name != "hash" {
			t.Errorf("no command prints %s here", k.Name)
		}
	}
}

func TestSchemaRefuses(t *testing.T) {
	s := publishedSchema(t, "alert")
	for _, bad := range []string{
		`{"score":"7"}`, `{"severity":"bad"}`, `{"time":"2026-11-22T02:03:04Z"}`, `{"scores":7}`, `{"attack":{}}`, `{"risk":7.5}`, `{"host":{"online":"yes"}}`, `{"process":{"parent":{"pid":"1"}}}`,
	} {
		var v any
		if err := json.Unmarshal([]byte(bad), &v); err != nil {
			t.Fatal(err)
		}
		if s.check("alert", s.root, v) == nil {
			t.Errorf("%s passes", bad)
		}
	}
}
