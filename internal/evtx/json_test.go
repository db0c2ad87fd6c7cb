package evtx

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"testing"
)

func itoa(n int) string { return strconv.Itoa(n) }

func decodeAny(t *testing.T, raw json.RawMessage) any {
	t.Helper()
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		t.Fatal(err)
	}
	return v
}

// flatten names each leaf by its path; attributes as if they were elements.
func flatten(into map[string]string, path string, v any) {
	switch v := v.(type) {
	case map[string]any:
		for k, v := range v {
			switch {
			case k == "#attributes":
				flatten(into, path, v)
			case path == "":
				flatten(into, k, v)
			default:
				flatten(into, path+"/"+k, v)
			}
		}
	case nil:
	default:
		into[path] = fmt.Sprint(v)
	}
}

// leaves gives name and text of each leaf in the order of the document.
func leaves(t *testing.T, into *[]plainField, dec *json.Decoder, name string) {
	t.Helper()
	dec.UseNumber()
	tok, err := dec.Token()
	if err != nil {
		t.Fatal(err)
	}
	d, ok := tok.(json.Delim)
	switch {
	case !ok && tok == nil:
		*into = append(*into, plainField{Name: name})
	case !ok:
		*into = append(*into, plainField{Name: name, Value: fmt.Sprint(tok)})
	default:
		for dec.More() {
			child := name
			if d == '{' {
				key, _ := dec.Token()
				child = key.(string)
			}
			if child == "#attributes" {
				var skip any
				if err := dec.Decode(&skip); err != nil {
					t.Fatal(err)
				}
				continue
			}
			leaves(t, into, dec, child)
		}
		_, _ = dec.Token()
	}
}
