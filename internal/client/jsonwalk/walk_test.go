package jsonwalk_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/edrctl/edrctl/internal/client/jsonwalk"
)

// read takes a whole document apart and puts it together again.
func read(w *jsonwalk.Walker) any {
	switch w.Peek() {
	case '{':
		m := map[string]any{}
		if !w.Enter('{') {
			return nil
		}
		for first := true; w.Next('}', &first); {
			k := string(w.Key())
			m[k] = read(w)
		}
		return m
	case '[':
		l := []any{}
		if !w.Enter('[') {
			return nil
		}
		for first := true; w.Next(']', &first); {
			l = append(l, read(w))
		}
		return l
	case '"':
		return string(w.AppendString(nil))
	}
	raw := string(w.Raw())
	switch raw {
	case "true":
		return true
	case "false":
		return false
	case "null":
		return nil
	}
	return json.Number(raw)
}

func walk(doc []byte) (any, error) {
	var w jsonwalk.Walker
	// Whole documents end; a number at the end needs to know that it does.
	w.Reset(append(bytes.Clone(doc), ' '))
	v := read(&w)
	if w.Err() != nil {
		return nil, w.Err()
	}
	if !w.AtEnd() {
		return nil, errors.New("something follows")
	}
	return v, nil
}

// FuzzWalk holds the walker against encoding/json: the same documents are
// JSON, and they say the same.
func FuzzWalk(f *testing.F) {
	for _, s := range []string{
		`{"a":[1,2.5e-3,true,null,"x\u00e9\ud83d\ude00\ud800 \n"],"b":{"c":"\\\"/"}}`, `[]`, `{}`, `"`, `[1,]`, `{"a":1,}`, `01`, `-`, `1.`, `nul`, `tru`,
		"\"\x01\"", "\"\xff\xfe\"", `"\u12"`, `"\x"`, `[[[[`, `{"a" 1}`, `{1:2}`, "\"long string without any escape at all, 8 bytes at a time\"",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, doc []byte) {
		got, err := walk(doc)
		dec := json.NewDecoder(bytes.NewReader(doc))
		dec.UseNumber()
		var want any
		wantErr := dec.Decode(&want)
		if wantErr == nil {
			if _, err := dec.Token(); err != io.EOF {
				wantErr = errors.New("something follows")
			}
		}
		if (err == nil) != (wantErr == nil) {
			if err != nil && strings.Contains(err.Error(), "too deeply") {
				return
			}
			t.Fatalf("%q: %v, encoding/json: %v", doc, err, wantErr)
		}
		if err == nil && fmt.Sprintf("%#v", got) != fmt.Sprintf("%#v", want) {
			t.Fatalf("%q: %#v, want %#v", doc, got, want)
		}
		var w jsonwalk.Walker
		w.Reset(doc)
		w.Skip() // must not panic, whatever it is
	})
}

func elements(r io.Reader) (list []string, members map[string]string, err error) {
	members = map[string]string{}
	err = jsonwalk.Elements(r, "data", func(w *jsonwalk.Walker) error {
		raw := w.Raw()
		if w.Err() == nil {
			list = append(list, string(raw))
		}
		return nil
	}, func(name string, value []byte) error {
		members[name] = string(value)
		return nil
	})
	return list, members, err
}

func TestElements(t *testing.T) {
	big := `"` + strings.Repeat("x", 600<<10) + `"`
	doc := ` {"a":1, "data" : [1, {"b":[2]}, ` + big + `, null ] ,"error":"e\"","n":-1.5} `
	for name, r := range map[string]io.Reader{
		"whole":       strings.NewReader(doc),
		"byte a time": iotest.OneByteReader(strings.NewReader(doc)),
		"half":        iotest.HalfReader(strings.NewReader(doc)),
		"data+EOF":    iotest.DataErrReader(strings.NewReader(doc)),
	} {
		list, members, err := elements(r)
		if err != nil || len(list) != 4 || list[1] != `{"b":[2]}` || list[2] != big || members["error"] != `"e\""` || members["n"] != "-1.5" || members["a"] != "1" {
			t.Errorf("%s: %d elements, %v, %v", name, len(list), members, err)
		}
	}
	if list, _, err := elements(strings.NewReader(`{"data":null,"error":""}`)); err != nil || len(list) != 0 {
		t.Errorf("null: %v %v", list, err)
	}
}

// Every shorter beginning of a document is short, never a shorter list.
func TestElementsCut(t *testing.T) {
	doc := `{"data":[{"a":"b\u0041"},[1,2],true],"message":"OK","error":""}`
	for n := range doc {
		_, _, err := elements(strings.NewReader(doc[:n]))
		if !errors.Is(err, jsonwalk.ErrShort) {
			t.Errorf("%q: %v, want ErrShort", doc[:n], err)
		}
	}
	boom := errors.New("boom")
	if _, _, err := elements(io.MultiReader(strings.NewReader(doc[:20]), iotest.ErrReader(boom))); !errors.Is(err, boom) {
		t.Errorf("a read error: %v", err)
	}
}

func TestElementsWrong(t *testing.T) {
	for _, doc := range []string{`[1]`, `{"data":5,"error":""}`, `{"error":""}`, `{"data":[1 2]}`, `{"data":[]}x`, `{"data":[]}{"data":[]}`, `<html>`, `{"data":[1,]}`} {
		_, _, err := elements(strings.NewReader(doc))
		var syntax *jsonwalk.SyntaxError
		if !errors.As(err, &syntax) {
			t.Errorf("%s: %v, want a syntax error", doc, err)
		}
	}
	deep := `{"data":[` + strings.Repeat("[", 100_000) + `]}`
	if _, _, err := elements(strings.NewReader(deep)); err == nil {
		t.Error("endless nesting is not an error")
	}
	boom := errors.New("boom")
	err := jsonwalk.Elements(strings.NewReader(`{"data":[1]}`), "data", func(w *jsonwalk.Walker) error { w.Skip(); return boom }, nil)
	if !errors.Is(err, boom) {
		t.Errorf("the caller's error: %v", err)
	}
}
