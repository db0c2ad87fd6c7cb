package output_test

import (
	"bytes"
	"encoding/json"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/edrctl/edrctl/internal/iostreams"
	"github.com/edrctl/edrctl/internal/output"
)

func TestCopyJSON(t *testing.T) {
	for _, c := range []struct {
		name, in, want string
		how            output.Copy
		fails          bool
	}{
		{"as it is", " {\"a\" : 1.50,\n\"a\":2}\n", " {\"a\" : 1.50,\n\"a\":2}\n", output.Copy{}, false},
		{"one value", `"x"`, `"x"`, output.Copy{}, false},
		{"cut", `{"a":[1,2`, `{"a":[1,2`, output.Copy{}, true},
		{"nothing", ``, ``, output.Copy{}, true},
		{"more behind it", `{} {}`, `{} {}`, output.Copy{}, true},
		{"a page", `<html>`, `<html>`, output.Copy{}, true},
		{"indented", `{"b":[1,{}],"a":"x"}`, "{\n  \"b\": [\n    1,\n    {}\n  ],\n  \"a\": \"x\"\n}\n", output.Copy{Indent: true}, false},
		{"invisible characters", "[\"a\u202eb\u009b\"]", "[\n  \"a\\u202eb\\u009b\"\n]\n", output.Copy{Indent: true}, false},
		{"a member", `{"a":{"key":"k","n":1},"key":"x"}`, `{"a":{"key":"***","n":1},"key":"x"}` + "\n", output.Copy{Hide: []string{"a.key"}}, false},
		{"of every element", `{"d":[{"key":"k"},{"key":{"x":1}},{"n":"k"}]}`, `{"d":[{"key":"***"},{"key":"***"},{"n":"k"}]}` + "\n", output.Copy{Hide: []string{"d.*.key"}}, false},
		{"of every member", `{"d":{"x":{"key":"k"},"y":{"key":""}}}`, `{"d":{"x":{"key":"***"},"y":{"key":""}}}` + "\n", output.Copy{Hide: []string{"d.*.key"}}, false},
		{"an element", `[["k"],["k"]]`, `[["***"],["***"]]` + "\n", output.Copy{Hide: []string{"*.*"}}, false},
		{"null stays", `{"key":null}`, `{"key":null}` + "\n", output.Copy{Hide: []string{"key"}}, false},
		{"hidden and cut", `{"key":"abc`, ``, output.Copy{Hide: []string{"key"}}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			var out bytes.Buffer
			err := output.CopyJSON(&out, iotest.OneByteReader(strings.NewReader(c.in)), c.how)
			if (err != nil) != c.fails {
				t.Fatalf("error %v", err)
			}
			if !c.fails && out.String() != c.want {
				t.Errorf("got  %q\nwant %q", out.String(), c.want)
			}
			if strings.Contains(out.String(), "abc") {
				t.Errorf("a hidden value is shown: %q", out.String())
			}
		})
	}
}

func FuzzCopyJSON(f *testing.F) {
	f.Add([]byte(`{"data":[{"key":"s3cr3t","n":1}]}`))
	f.Add([]byte(`[[[`))
	f.Fuzz(func(t *testing.T, in []byte) {
		var plain, pretty, masked bytes.Buffer
		err := output.CopyJSON(&plain, bytes.NewReader(in), output.Copy{})
		perr := output.CopyJSON(&pretty, bytes.NewReader(in), output.Copy{Indent: true})
		merr := output.CopyJSON(&masked, bytes.NewReader(in), output.Copy{Hide: []string{"data.*.key", "*.*"}})
		if (err == nil) != (perr == nil) || (err == nil) != (merr == nil) {
			t.Fatalf("%v, %v, %v", err, perr, merr)
		}
		if err == nil && !bytes.Equal(plain.Bytes(), in) {
			t.Errorf("not as it was: %q", plain.Bytes())
		}
		for _, b := range pretty.Bytes() {
			if b == 0x1b || b == 0x7f {
				t.Fatalf("a control character: %q", pretty.Bytes())
			}
		}
		if perr == nil && !json.Valid(pretty.Bytes()) {
			t.Errorf("no JSON: %q", pretty.Bytes())
		}
	})
}

func TestCopyText(t *testing.T) {
	var out bytes.Buffer
	in := "name,path\r\nx,\x1b[31mred\xe2\x80\xaee\n" + strings.Repeat("ö", 40_000) + "\xff"
	if err := output.CopyText(&out, iotest.HalfReader(strings.NewReader(in))); err != nil {
		t.Fatal(err)
	}
	if s := out.String(); strings.ContainsAny(s, "\x1b\r") || !strings.Contains(s, strings.Repeat("ö", 40_000)) || !strings.Contains(s, `\xff`) {
		t.Errorf("%.120q … %q", s, s[len(s)-10:])
	}
	if err := output.CopyText(io.Discard, iotest.ErrReader(io.ErrUnexpectedEOF)); err == nil {
		t.Error("no error")
	}
}

func TestDocuments(t *testing.T) {
	kind := output.NewDocumentKind("user", "uuid", []output.Column{{Name: "name"}, {Name: "group.name"}, {Name: "tags"}, {Name: "n"}}, nil)
	docs := []*output.Document{
		{JSON: json.RawMessage(`{"name":"a\u001b","group":{"name":"g"},"tags":["x","y"],"uuid":"u-1","n":-1}`)},
		{JSON: json.RawMessage(`{"name":"=b","uuid":7}`), Profile: "lab"},
		{JSON: json.RawMessage(`"text"`), Profile: "lab"},
	}
	for format, want := range map[string]string{
		"":       "a␛\tg\tx, y\t-1\n=b\t\t\t\n\t\t\t\n",
		"id":     "u-1\nlab/7\nlab/text\n",
		"ndjson": `{"name":"a\u001b","group":{"name":"g"},"tags":["x","y"],"uuid":"u-1","n":-1}` + "\n" + `{"profile":"lab","name":"=b","uuid":7}` + "\n" + `{"profile":"lab","value":"text"}` + "\n",
		"csv":    "name,group.name,tags,n\r\na␛,g,\"x, y\",-1\r\n'=b,,,\r\n,,,\r\n",
	} {
		ios, _, out, _ := iostreams.Test()
		w, err := output.New(ios, output.Options{Format: format, Kind: kind})
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range docs {
			if err := w.Write(d); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		if out.String() != want {
			t.Errorf("-o %s\ngot  %q\nwant %q", format, out.String(), want)
		}
	}
}
