package guards

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/backends/esp/wire"
)

// canonical is a value as a text to compare: members in order, no blanks.
func canonical(v any) string {
	if raw, ok := v.(json.RawMessage); ok {
		var parsed any
		d := json.NewDecoder(bytes.NewReader(raw))
		d.UseNumber()
		if d.Decode(&parsed) == nil {
			v = parsed
		}
	}
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return string(b)
}

// oneLine shows a value in a summary: short, on one line.
func oneLine(v any) string {
	var s string
	switch t := v.(type) {
	case nil:
		return "none"
	case string:
		if s = t; s == "" || strings.ContainsAny(s, " \t\r\n;,") {
			s = fmt.Sprintf("%q", t)
		}
	case map[string]any, []any:
		s = canonical(t)
	default:
		s = backends.Text(t)
	}
	if s == "" {
		return "none"
	}
	if r := []rune(s); len(r) > 80 {
		s = string(r[:80]) + "…"
	}
	return s
}

// changes lists "member: old → new", in the order of names.
func changes(names []string, old, now map[string]any) []string {
	var out []string
	for _, n := range names {
		a, b := old[n], now[n]
		if canonical(a) == canonical(b) || blank(a) && blank(b) {
			continue
		}
		out = append(out, n+": "+oneLine(a)+" → "+oneLine(b))
	}
	return out
}

// blank tells what counts as not set.
func blank(v any) bool {
	switch t := v.(type) {
	case nil:
		return true
	case string:
		return t == ""
	case []any:
		return len(t) == 0
	case map[string]any:
		return len(t) == 0
	}
	return false
}

// csvText joins what an answer gives as a list and the call takes as text.
func csvText(v any) (string, error) {
	switch t := v.(type) {
	case nil:
		return "", nil
	case string:
		return t, nil
	case []any:
		var parts []string
		for _, e := range t {
			s := backends.Text(e)
			if strings.Contains(s, ",") {
				return "", fmt.Errorf("%q holds a comma and cannot be sent in a list with commas: it would become two", s)
			}
			parts = append(parts, s)
		}
		return strings.Join(parts, ","), nil
	}
	return "", fmt.Errorf("it is neither a list nor a text")
}

// csvList splits a text with commas; blanks around them do not count.
func csvList(s string) []string { return wire.SplitCSV(s) }

func sameSet(a, b string) bool {
	x, y := wire.SplitCSV(a), wire.SplitCSV(b)
	slices.Sort(x)
	slices.Sort(y)
	return slices.Equal(slices.Compact(x), slices.Compact(y))
}

func keysOf[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// ShortList lists names, cut after a few.
func ShortList(names []string) string {
	const show = 12
	if len(names) > show {
		return strings.Join(names[:show], ", ") + fmt.Sprintf(" and %d more", len(names)-show)
	}
	return strings.Join(names, ", ")
}

func mapsClone(m map[string]any) map[string]any {
	out := make(map[string]any, len(m))
	for k, v := range m {
		out[k] = v
	}
	return out
}
