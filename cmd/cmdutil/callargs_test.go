package cmdutil_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/edrctl/edrctl/cmd/cmdutil"
	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/iostreams"
)

func TestFlagName(t *testing.T) {
	for in, want := range map[string]string{
		"host_identifier": "host-identifier", "processPath": "process-path", "endpointIDs": "endpoint-ids", "policyID": "policy-id",
		"sha256Hash": "sha256-hash", "edr-customerid": "edr-customerid", "q": "q", "command-line": "command-line", "IBMxForceKey": "ib-mx-force-key",
		"OSName": "os-name", "alertTime": "alert-time", "smtpPort": "smtp-port",
	} {
		if got := cmdutil.FlagName(in); got != want {
			t.Errorf("%s is --%s, want --%s", in, got, want)
		}
		if again := cmdutil.FlagName(cmdutil.FlagName(in)); again != want {
			t.Errorf("%s changes when it is written as a flag: %s", in, again)
		}
	}
}

func factory(t testing.TB) *cmdutil.Factory {
	t.Helper()
	ios, in, _, _ := iostreams.Test()
	in.WriteString("from-stdin\n")
	return cmdutil.NewFactory(ios, &cmdutil.GlobalFlags{}, func(string) string { return "" })
}

var op = backends.Operation{Name: "things.add", Method: "POST", Path: "/things/{id}", Body: "json", Mutates: true, Params: []backends.Param{
	{Name: "id", In: "path", Type: "int", Required: true},
	{Name: "os_name", In: "body", Type: "array"},
	{Name: "data", In: "body", Type: "object"},
	{Name: "any", In: "body", Type: "json"},
	{Name: "on", In: "body", Type: "bool"},
	{Name: "password", In: "body", Type: "string", Secret: true},
	{Name: "output", In: "body", Type: "string"},
	{Name: "kind", In: "body", Type: "string", Enum: []string{"a", "b"}},
	{Name: "upload", In: "file", Type: "file"},
}}

func TestParamFlags(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "x.json")
	if err := os.WriteFile(file, []byte(`{"n": 1}`), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		line string
		want map[string]any
		err  string
	}{
		{"--id 7 --on", map[string]any{"id": int64(7), "on": true}, ""},
		{"--os_name a,b --os-name c", map[string]any{"os_name": []any{"a", "b", "c"}}, ""},
		{`--os-name ["a,b"]`, map[string]any{"os_name": []any{"a,b"}}, ""},
		{"--data @" + file, map[string]any{"data": map[string]any{"n": json.Number("1")}}, ""},
		{`--any "C:\\"`, map[string]any{"any": `"C:\\"`}, ""},
		{"--upload " + file, map[string]any{"upload": backends.File{Name: "x.json", Content: []byte(`{"n": 1}`)}}, ""},
		{"--upload @" + file, map[string]any{"upload": backends.File{Name: "x.json", Content: []byte(`{"n": 1}`)}}, ""},
		{"--password -", map[string]any{"password": "from-stdin"}, ""},
		{"--param-output x", map[string]any{"output": "x"}, ""},
		{"--id seven", nil, `invalid --id "seven": want a whole number`},
		{"--id 1 --id 2", nil, "--id is given 2 times"},
		{"--kind c", nil, `invalid --kind "c": want one of a, b`},
		{"--any nonsense", nil, "invalid --any: not valid JSON"},
		{"--data [1]", nil, "want a JSON object"},
		{"--upload " + dir, nil, "it is a folder"},
		{"--upload /no/such/file", nil, "cannot read /no/such/file"},
	} {
		cmd := &cobra.Command{Use: "x"}
		flags := cmdutil.NewParamFlags(cmd, factory(t), op.Params, func(name string) bool { return name == "output" })
		if err := cmd.ParseFlags(strings.Fields(c.line)); err != nil {
			t.Errorf("%s: %v", c.line, err)
			continue
		}
		got, err := flags.Args(op)
		switch {
		case c.err == "" && err != nil:
			t.Errorf("%s: %v", c.line, err)
		case c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err) || cmdutil.CodeOf(err) != cmdutil.ExitUsage):
			t.Errorf("%s: %v, want %s", c.line, err, c.err)
		case c.err == "" && !reflect.DeepEqual(got, c.want):
			t.Errorf("%s: %#v, want %#v", c.line, got, c.want)
		}
	}
}

func TestParseFields(t *testing.T) {
	for _, c := range []struct {
		text, typed []string
		open        bool
		want        map[string]any
		err         string
	}{
		{[]string{"id=7", "kind=a=b"}, nil, false, nil, `"a=b": want one of`},
		{[]string{"id=7"}, []string{`data={"a":1}`}, false, map[string]any{"id": int64(7), "data": map[string]any{"a": json.Number("1")}}, ""},
		{nil, []string{`kind="a"`}, false, map[string]any{"kind": "a"}, ""},
		{[]string{"os-name=x", "os_name=y"}, nil, false, map[string]any{"os_name": []any{"x", "y"}}, ""},
		{nil, []string{"data=nope"}, false, nil, "is not JSON"},
		{[]string{"new=1"}, nil, false, nil, `no parameter "new"`},
		{[]string{"new=1"}, []string{"n=[1]"}, true, map[string]any{"new": "1", "n": "[1]"}, ""},
		{[]string{"id"}, nil, false, nil, "want NAME=VALUE"},
		{[]string{"id=1"}, []string{"id=2"}, false, nil, "given 2 times"},
	} {
		o, got := op, map[string]any{}
		err := factory(t).ParseFields(&o, got, c.text, c.typed, c.open)
		switch {
		case c.err == "" && err != nil:
			t.Errorf("%v %v: %v", c.text, c.typed, err)
		case c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)):
			t.Errorf("%v %v: %v, want %s", c.text, c.typed, err, c.err)
		case c.err == "" && !reflect.DeepEqual(got, c.want):
			t.Errorf("%v %v: %#v", c.text, c.typed, got)
		}
		if len(op.Params) != 9 {
			t.Fatal("the catalogue was changed")
		}
	}
}

// Whatever is typed as fields: no panic, and what is taken makes a request or
// an error that says why.
func FuzzFields(f *testing.F) {
	f.Add("id=7", `data={"a":1}`)
	f.Add("x", "=")
	f.Add("os_name=a,b", "any=\"\u001b\"")
	f.Add("password=s3cr3t-s3cr3t", "on=true")
	f.Fuzz(func(t *testing.T, text, typed string) {
		if strings.Contains(text+typed, "=@") || strings.Contains(text, "upload") || strings.Contains(typed, "upload") {
			return // reads files
		}
		o, args := op, map[string]any{}
		if factory(t).ParseFields(&o, args, []string{text}, []string{typed}, true) != nil {
			return
		}
		c := backends.Call{Op: o, Args: args}
		shown, err := backends.Build(c.Masked())
		if err != nil {
			return
		}
		b, err := json.Marshal(shown.JSON)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range c.Secrets() {
			if len(s) > 8 && strings.Contains(string(b), s) && !strings.Contains(text, s+"=") {
				t.Errorf("%q is shown: %s", s, b)
			}
		}
	})
}
