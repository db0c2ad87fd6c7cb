package wire

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"io"
	"strings"
	"testing"
)

func extractAll(doc []byte) (rest []byte, files map[string]string, err error) {
	bufs := map[string]*bytes.Buffer{}
	x := newFileExtractor(bytes.NewReader(doc), func(_, path string) io.Writer {
		bufs[path] = &bytes.Buffer{}
		return bufs[path]
	})
	rest, err = x.run()
	files = map[string]string{}
	for p, b := range bufs {
		files[p] = b.String()
	}
	return rest, files, err
}

func TestExtractFiles(t *testing.T) {
	for name, c := range map[string]struct {
		doc   string
		files map[string]string
		fails bool
	}{
		"plain":          {`{"data":{"uuid":"u","fetch":{"C:\\a":{"uuid":"f","data":"YWI=","error":""}}}}`, map[string]string{`C:\a`: "ab"}, false},
		"escaped slash":  {`{"data":{"fetch":{"a":{"data":"\/\/\/\/"}}}}`, map[string]string{"a": "\xff\xff\xff"}, false},
		"null":           {`{"data":{"fetch":{"a":{"data":null}}}}`, map[string]string{}, false},
		"elsewhere":      {`{"data":{"drop":[{"data":"YWI="}],"stdout":"YWI="},"fetch":{"a":{"data":"YWI="}}}`, map[string]string{}, false},
		"path of data":   {`{"data":{"fetch":{"data":{"data":"YWI="}}}}`, map[string]string{"data": "ab"}, false},
		"in an array":    {`{"data":{"fetch":{"a":[{"data":"YWI="}]}}}`, map[string]string{}, false},
		"not base64":     {`{"data":{"fetch":{"a":{"data":"a!b"}}}}`, nil, true},
		"cut base64":     {`{"data":{"fetch":{"a":{"data":"YWI"}}}}`, nil, true},
		"after the end":  {`{"data":{"fetch":{"a":{"data":"YWI=YWI="}}}}`, nil, true},
		"cut":            {`{"data":{"fetch":{"a":{"data":"YWI=`, nil, true},
		"twice":          {`{"data":{"fetch":{"a":{"data":"YWI="},"a":{"data":"YWI="}}}}`, nil, true},
		"other escape":   {`{"data":{"fetch":{"a":{"data":"\u0041AAA"}}}}`, nil, true},
		"deep":           {strings.Repeat("[", 600), nil, true},
		"closed too far": {`}`, nil, true},
	} {
		rest, files, err := extractAll([]byte(c.doc))
		if c.fails {
			if err == nil {
				t.Errorf("%s: %s, %v", name, rest, files)
			}
			continue
		}
		if err != nil || len(files) != len(c.files) || !json.Valid(rest) {
			t.Errorf("%s: %s, %v, %v", name, rest, files, err)
		}
		for p, want := range c.files {
			if files[p] != want {
				t.Errorf("%s: %q holds %q", name, p, files[p])
			}
		}
	}
}

// FuzzExtractFiles: no document makes it fail in another way than with an error,
// and what it passes on is the document without its files.
func FuzzExtractFiles(f *testing.F) {
	f.Add([]byte(`{"data":{"uuid":"u","fetch":{"C:\\a":{"uuid":"f","data":"YWI=","error":""}}},"message":"OK","error":""}`))
	f.Add([]byte(`{"data":{"fetch":{"a":{"data":"\/\/"}}}}`))
	f.Add([]byte(`[{"data":["\"",{}]}]`))
	f.Fuzz(func(t *testing.T, doc []byte) {
		rest, files, err := extractAll(doc)
		if err != nil {
			return
		}
		if len(files) == 0 && !bytes.Equal(rest, doc) {
			t.Fatalf("%q became %q", doc, rest)
		}
		if !json.Valid(doc) {
			return // whoever decodes the rest says so, or the file held what JSON cannot
		}
		if !json.Valid(rest) {
			t.Fatalf("%q became %q", doc, rest)
		}
		var want struct {
			Data struct {
				Fetch map[string]struct{ Data json.RawMessage }
			}
		}
		if json.Unmarshal(doc, &want) != nil {
			return
		}
		for p, content := range files {
			w, ok := want.Data.Fetch[p]
			if !ok {
				continue // a member that a later one of the same name hides
			}
			var text string
			if json.Unmarshal(w.Data, &text) != nil {
				continue
			}
			if b, err := base64.StdEncoding.DecodeString(text); err == nil && string(b) != content && text != "" {
				t.Fatalf("%q holds %q, want %q", p, content, b)
			}
		}
	})
}
