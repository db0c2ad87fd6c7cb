package schema_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/edrctl/edrctl/internal/schema"
)

func TestEveryFieldHasAMeaning(t *testing.T) {
	for _, k := range schema.Kinds {
		for _, f := range k.Fields() {
			if f.Description == "" {
				t.Errorf("%s.%s has no description", k.Name, f.Name)
			}
			if strings.HasSuffix(f.Description, ".") || strings.ToUpper(f.Description[:1]) == f.Description[:1] && f.Description[1] >= 'a' && f.Description[1] <= 'z' && !strings.HasPrefix(f.Description, "Gene") && !strings.HasPrefix(f.Description, "Windows") {
				t.Errorf("%s.%s: %q begins with a capital or ends with a full stop", k.Name, f.Name, f.Description)
			}
		}
	}
}

func TestFields(t *testing.T) {
	alert, _ := schema.Lookup("alert")
	for name, want := range map[string]string{
		"score": "number", "severity": "string", "time": "time", "attack": "array of object", "attack.technique.id": "string",
		"process.parent.pid": "integer", "raw": "any", "host.online": "boolean", "host.ip": "array of string", "events.dns.answers.data": "string",
	} {
		i := slices.IndexFunc(alert.Fields(), func(f schema.Field) bool { return f.Name == name })
		if i < 0 || alert.Fields()[i].Type != want {
			t.Errorf("alert.%s: %d, want %s", name, i, want)
		}
	}
}

func TestMeaningsHaveFields(t *testing.T) {
	for _, unused := range schema.UnusedMeanings() {
		t.Errorf("%s is described and no kind has it", unused)
	}
}
