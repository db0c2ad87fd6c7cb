package docschema

import (
	"encoding/csv"
	"fmt"
	"math"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"
)

// ECS is the Elastic Common Schema: its fields with their types.
type ECS struct{ fields map[string]field }

type field struct {
	typ   string
	array bool
}

// kinds are the event types ECS expects in each category of the documents
// edrctl writes (the schema's own page of allowed values).
var kinds = map[string][]string{
	"api":                 {"access", "admin", "allowed", "change", "creation", "deletion", "denied", "end", "info", "start", "user"},
	"authentication":      {"end", "info", "start"},
	"configuration":       {"access", "change", "creation", "deletion", "info"},
	"driver":              {"change", "end", "info", "start"},
	"file":                {"access", "change", "creation", "deletion", "info"},
	"host":                {"access", "change", "end", "info", "start"},
	"iam":                 {"admin", "change", "creation", "deletion", "group", "info", "user"},
	"intrusion_detection": {"allowed", "denied", "info"},
	"library":             {"start"},
	"malware":             {"info"},
	"network":             {"access", "allowed", "connection", "denied", "end", "info", "protocol", "start"},
	"process":             {"access", "change", "end", "info", "start"},
	"registry":            {"access", "change", "creation", "deletion"},
	"session":             {"end", "info", "start"},
	"threat":              {"indicator"},
}

// LoadECS reads the published list of fields, a CSV.
func LoadECS(file string) (*ECS, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // only read from
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		return nil, err
	}
	s := &ECS{map[string]field{}}
	for _, r := range rows[1:] {
		s.fields[r[3]] = field{r[4], r[6] == "array"}
	}
	return s, nil
}

// Check gives what is wrong with a decoded document.
func (s *ECS) Check(doc map[string]any) []string {
	var out []string
	s.walk("", doc, &out)
	event, _ := doc["event"].(map[string]any)
	categories, _ := event["category"].([]any)
	types, _ := event["type"].([]any)
	if len(categories) == 0 || len(types) == 0 {
		return append(out, "event.category or event.type is missing")
	}
	for _, t := range types {
		if !slices.ContainsFunc(categories, func(c any) bool { return slices.Contains(kinds[fmt.Sprint(c)], fmt.Sprint(t)) }) {
			out = append(out, fmt.Sprintf("event.type %v is none of the category %v", t, categories))
		}
	}
	return out
}

func (s *ECS) walk(prefix string, v any, out *[]string) {
	if prefix == "labels" || prefix == "edrctl" {
		return
	}
	if m, ok := v.(map[string]any); ok && s.fields[prefix].typ != "flattened" {
		for k, x := range m {
			s.walk(strings.TrimPrefix(prefix+"."+k, "."), x, out)
		}
		return
	}
	def, ok := s.fields[prefix]
	if !ok {
		*out = append(*out, prefix+" is not an ECS field")
		return
	}
	list, isList := v.([]any)
	if isList != def.array {
		*out = append(*out, fmt.Sprintf("%s: array %v, want %v", prefix, isList, def.array))
	}
	if !isList {
		list = []any{v}
	}
	for _, x := range list {
		if m, ok := x.(map[string]any); ok && def.typ == "object" { // its members are fields of their own
			for k, v := range m {
				s.walk(prefix+"."+k, v, out)
			}
			continue
		}
		if !def.fits(x) {
			*out = append(*out, fmt.Sprintf("%s is %T %v, want %s", prefix, x, x, def.typ))
		}
	}
}

func (f field) fits(x any) bool {
	switch f.typ {
	case "long":
		n, ok := x.(float64)
		return ok && n == math.Trunc(n)
	case "float":
		_, ok := x.(float64)
		return ok
	case "boolean":
		_, ok := x.(bool)
		return ok
	case "ip":
		_, err := netip.ParseAddr(fmt.Sprint(x))
		return err == nil
	case "date":
		_, err := time.Parse(time.RFC3339Nano, fmt.Sprint(x))
		return err == nil
	}
	_, ok := x.(string)
	return ok
}
