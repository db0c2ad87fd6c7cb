package wire

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
)

func FuzzScan(f *testing.F) {
	for _, s := range []string{`{}`, `{"a":1}`, `{"a":"\\\"","b":[{"c":null}],"a":2}`, `{"\u0061":"\ud800"}`, `{"a":`, `[1,{"x":"]"}]`, "{\"a\":\"\xff\"}"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		got := map[string][]byte{}
		err := EachMember(b, func(k, v []byte) { got[string(k)] = v })
		_ = EachElement(b, func([]byte) {})
		var want map[string]json.RawMessage
		if !json.Valid(b) || json.Unmarshal(b, &want) != nil || want == nil {
			return
		}
		if err != nil {
			t.Fatalf("%q: %v", b, err)
		}
		for k, v := range want {
			if strings.ContainsRune(k, '\ufffd') {
				continue
			}
			if !bytes.Equal(bytes.TrimSpace(got[k]), bytes.TrimSpace(v)) {
				t.Fatalf("%q: %q is %q, want %q", b, k, got[k], v)
			}
			var s string
			if v[0] == '"' && json.Unmarshal(v, &s) == nil && !strings.ContainsRune(s, '\ufffd') && Text(got[k]) != s {
				t.Fatalf("%q reads %q", v, Text(got[k]))
			}
		}
	})
}
