package gene

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strings"
)

// hiddenKey tells a value that stands for a key: what a masked configuration
// holds in its place.
func hiddenKey(s string) bool { return s == "***" || s == "[redacted]" }

func jsonObject(text []byte) (map[string]any, error) {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	var out map[string]any
	err := dec.Decode(&out)
	return out, err
}

func canonical(v any) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(v) // it was decoded from JSON
	return bytes.TrimSpace(b.Bytes())
}

// deepMerge puts want over has; whole leaves nothing of has but the keys that
// are masked in want.
func deepMerge(has, want map[string]any, whole bool) map[string]any {
	out := map[string]any{}
	if !whole {
		maps.Copy(out, has)
	}
	for k, v := range want {
		old := has[k]
		switch t := v.(type) {
		case map[string]any:
			om, _ := old.(map[string]any)
			v = deepMerge(om, t, whole)
		case string:
			if hiddenKey(t) && old != nil {
				v = old
			}
		}
		out[k] = v
	}
	return out
}

func findMask(v any, path string) string {
	switch t := v.(type) {
	case string:
		if hiddenKey(t) {
			return path
		}
	case map[string]any:
		for _, k := range slices.Sorted(maps.Keys(t)) {
			if p := findMask(t[k], strings.TrimPrefix(path+"."+k, ".")); p != "" {
				return p
			}
		}
	}
	return ""
}

// changes names the settings that differ, dotted.
func changes(path string, a, b any, out []string) []string {
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
			out = changes(strings.TrimPrefix(path+"."+k, "."), am[k], bm[k], out)
		}
		return out
	}
	if !bytes.Equal(canonical(a), canonical(b)) {
		out = append(out, path)
	}
	return out
}
