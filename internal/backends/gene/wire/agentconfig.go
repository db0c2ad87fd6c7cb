package wire

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strings"
)

// isMasked tells a value that stands for a key: what a masked configuration
// holds in its place.
func isMasked(s string) bool { return s == "***" || s == "[redacted]" }

// DecodeObject reads a JSON object; its numbers stay as they are written.
func DecodeObject(text []byte) (map[string]any, error) {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	var out map[string]any
	err := dec.Decode(&out)
	return out, err
}

// CanonicalJSON writes a decoded value so that equal values are equal texts.
func CanonicalJSON(v any) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(v) // it was decoded from JSON
	return bytes.TrimSpace(b.Bytes())
}

// MergeConfig puts want over has; whole leaves nothing of has but the keys that
// are masked in want.
func MergeConfig(has, want map[string]any, whole bool) map[string]any {
	out := map[string]any{}
	if !whole {
		maps.Copy(out, has)
	}
	for k, v := range want {
		old := has[k]
		switch t := v.(type) {
		case map[string]any:
			om, _ := old.(map[string]any)
			v = MergeConfig(om, t, whole)
		case string:
			if isMasked(t) && old != nil {
				v = old
			}
		}
		out[k] = v
	}
	return out
}

// FindMaskedKey gives the dotted name of the first member that is masked.
func FindMaskedKey(v any, path string) string {
	switch t := v.(type) {
	case string:
		if isMasked(t) {
			return path
		}
	case map[string]any:
		for _, k := range slices.Sorted(maps.Keys(t)) {
			if p := FindMaskedKey(t[k], strings.TrimPrefix(path+"."+k, ".")); p != "" {
				return p
			}
		}
	}
	return ""
}

// ChangedSettings names the settings that differ, dotted.
func ChangedSettings(path string, a, b any, out []string) []string {
	am, aok := a.(map[string]any)
	bm, bok := b.(map[string]any)
	if aok && bok {
		names := map[string]bool{}
		for k := range am {
			names[k] = true
		}
		for k := range bm {
			names[k] = true
		}
		for _, k := range slices.Sorted(maps.Keys(names)) {
			out = ChangedSettings(strings.TrimPrefix(path+"."+k, "."), am[k], bm[k], out)
		}
		return out
	}
	if !bytes.Equal(CanonicalJSON(a), CanonicalJSON(b)) {
		out = append(out, path)
	}
	return out
}
