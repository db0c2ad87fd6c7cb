package backends_test

import (
	"encoding/json"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/edrctl/edrctl/internal/backends"
)

var secretOp = backends.Operation{Name: "keys.set", Method: "POST", Path: "/keys", Body: "json", Mutates: true, Params: []backends.Param{
	{Name: "name", In: "body", Type: "string"},
	{Name: "password", In: "body", Type: "string", Secret: true},
	{Name: "more", In: "body", Type: "object", Secret: true},
	{Name: "file", In: "file", Type: "file", Secret: true},
}}

func TestMasked(t *testing.T) {
	for _, c := range []backends.Call{
		{Op: secretOp, Args: map[string]any{"name": "n", "password": "s3cr3t-one", "more": map[string]any{"k": "s3cr3t-two"}}},
		{Op: secretOp, Body: []byte(`{"name":"n","password":"s3cr3t-one","more":{"k":"s3cr3t-two"}}`)},
		{Op: secretOp, Body: []byte(`"s3cr3t-one s3cr3t-two`)},
	} {
		call, err := backends.Build(c.Masked())
		if err != nil {
			t.Fatal(err)
		}
		b := call.Body
		if call.JSON != nil {
			if b, err = json.Marshal(call.JSON); err != nil {
				t.Fatal(err)
			}
		}
		if strings.Contains(string(b), "s3cr3t") || !strings.Contains(string(b), "redacted") {
			t.Errorf("masked: %s", b)
		}
		if c.Body == nil && len(c.Secrets()) != 2 || c.Body != nil && json.Valid(c.Body) && c.Secrets()[0] != "s3cr3t-one" {
			t.Errorf("secrets: %q", c.Secrets())
		}
		plain, err := backends.Build(c)
		if b, _ := json.Marshal(plain.JSON); err != nil || c.Body == nil && !strings.Contains(string(b), "s3cr3t-one") {
			t.Errorf("the call itself was changed: %s %v", b, err)
		}
	}
}

func TestRecords(t *testing.T) {
	for _, c := range []struct {
		body, list string
		want       string // records joined by |
		fails      bool
	}{
		{`[1,{"a":2}]`, "", `1|{"a":2}`, false},
		{` {"items":[1,2],"n":2}`, "items", `1|2`, false},
		{`{"items":null}`, "items", ``, false},
		{"\n [1,2]", "-", `1|2`, false},
		{`{"a":1}`, "-", `{"a":1}`, false},
		{`"text"`, "-", `"text"`, false},
		{``, "-", ``, false},
		{`{"a":1`, "-", ``, true},
		{`[1,2`, "-", `1`, true},
		{`{"items":[1`, "items", ``, true},
		{`{"other":[]}`, "items", ``, true},
		{`<html>`, "", ``, true},
	} {
		var got []string
		failed := false
		for r, err := range backends.Records(iotest.OneByteReader(strings.NewReader(c.body)), c.list, nil) {
			if err != nil {
				failed = true
				break
			}
			got = append(got, string(r))
		}
		if strings.Join(got, "|") != c.want || failed != c.fails {
			t.Errorf("%q at %q: %q, failed %v", c.body, c.list, got, failed)
		}
	}
	for _, err := range backends.Records(iotest.ErrReader(io.ErrUnexpectedEOF), "-", nil) {
		if err == nil {
			t.Error("no error")
		}
	}
}

func TestAnswerJSON(t *testing.T) {
	for in, want := range map[string]string{
		"": "", " \n": "", `{"a":1}`: `{"a":1}`, "\xef\xbb\xbf[1]": "[1]", "done": `"done"`, "\xff": "\"\uFFFD\"", "<p>": `"\u003cp\u003e"`,
	} {
		if got := string(backends.AnswerJSON([]byte(in))); got != want {
			t.Errorf("%q: %s, want %s", in, got, want)
		}
	}
}

func FuzzRecords(f *testing.F) {
	f.Add([]byte(`{"items":[1,2]}`), "items")
	f.Add([]byte(` [1,2`), "-")
	f.Fuzz(func(t *testing.T, body []byte, list string) {
		for r, err := range backends.Records(strings.NewReader(string(body)), list, nil) {
			if err == nil && !json.Valid(r) {
				t.Errorf("a record is not JSON: %q", r)
			}
		}
	})
}
