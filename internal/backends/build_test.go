package backends_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/edrctl/edrctl/internal/backends"
)

func TestBuildRefusesWhatDoesNotFit(t *testing.T) {
	op := backends.Operation{
		Name: "things.set", Method: "POST", Path: "/things/{id}", Mutates: true, Body: "json",
		Params: []backends.Param{
			{Name: "id", In: "path", Type: "int", Required: true},
			{Name: "kind", In: "query", Type: "string", Enum: []string{"a", "b"}},
			{Name: "on", In: "body", Type: "bool"},
			{Name: "list", In: "body", Type: "array"},
			{Name: "spec", In: "body", Type: "object"},
			{Name: "X-Since", In: "header", Type: "time"},
		},
	}
	for _, tt := range []struct{ name, args, wrong string }{
		{"missing", `{}`, "id is missing"},
		{"no number", `{"id":"x"}`, `invalid id "x": want a whole number`},
		{"fraction", `{"id":1.5}`, "want a whole number"},
		{"enum", `{"id":1,"kind":"c"}`, `"c": want one of a, b`},
		{"bool", `{"id":1,"on":"yes"}`, "want true or false"},
		{"array", `{"id":1,"list":"[1"}`, "invalid list: not valid JSON"},
		{"object", `{"id":1,"spec":"[1]"}`, "want a JSON object"},
		{"trailing", `{"id":1,"spec":"{} {}"}`, "unexpected text after the JSON"},
		{"time", `{"id":1,"X-Since":"yesterday"}`, "want a time such as"},
		{"unknown", `{"id":1,"other":1}`, "there is no parameter other"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var args map[string]any
			d := json.NewDecoder(strings.NewReader(tt.args))
			d.UseNumber()
			if err := d.Decode(&args); err != nil {
				t.Fatal(err)
			}
			_, err := backends.Build(backends.Call{Op: op, Args: args})
			if err == nil || !strings.Contains(err.Error(), tt.wrong) || backends.KindOf(err) != backends.KindInvalid {
				t.Fatalf("got %v, want %q", err, tt.wrong)
			}
		})
	}
	got, err := backends.Build(backends.Call{Op: op, Args: map[string]any{"id": "7", "kind": "a", "on": "true", "list": "x, y", "spec": `{"n":9007199254740993}`}})
	if err != nil {
		t.Fatal(err)
	}
	body, _ := json.Marshal(got.JSON)
	if got.Path != "/things/7" || got.Query.Get("kind") != "a" || string(body) != `{"list":["x","y"],"on":true,"spec":{"n":9007199254740993}}` || !got.Acts {
		t.Fatalf("%+v %s", got, body)
	}
}

func TestMatchOperationPrefersTheWord(t *testing.T) {
	catalog := []backends.Operation{
		{Name: "get", Method: "GET", Path: "/rules/{id}"},
		{Name: "save", Method: "GET", Path: "/rules/save", Mutates: true},
	}
	for path, want := range map[string]string{"/rules/save": "save", "rules/save": "save", "/rules/9": "get", "/rules/a%2Fb": "get", "/rules": "", "/rules/": "", "/rules/9/x": ""} {
		op, args, ok := backends.MatchOperation(catalog, "get", path)
		if op.Name != want || ok != (want != "") {
			t.Errorf("%s: %q %v %v", path, op.Name, args, ok)
		}
	}
}
