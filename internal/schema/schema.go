// Package schema says what the fields of the records mean that edrctl prints as JSON,
// for people and as JSON Schema (draft 2020-12).
package schema

import (
	"encoding/json"
	"reflect"
	"strings"
	"time"

	"github.com/edrctl/edrctl/internal/model"
)

// Kind is a type of record that commands print.
type Kind struct {
	Name, Text string
	typ        reflect.Type
}

// Kinds lists all, in the order of the documentation.
var Kinds = []Kind{
	{"alert", "A detection, as an analyst triages it", reflect.TypeFor[model.Alert]()},
	{"event", "One observed action on a host", reflect.TypeFor[model.Event]()},
	{"process", "A process, known by its stable uid", reflect.TypeFor[model.Process]()},
	{"host", "An endpoint", reflect.TypeFor[model.Host]()},
	{"rule", "A detection rule of a product", reflect.TypeFor[model.Rule]()},
	{"hit", "An indicator that was seen: one for each indicator, host, and process or file", reflect.TypeFor[model.Hit]()},
	{"sigma_hit", "A Sigma rule that matched: one for each rule and host (hunt sigma)", reflect.TypeFor[model.SigmaHit]()},
	{"hash", "What a product knows about a file hash", reflect.TypeFor[model.HashInfo]()},
	{"action", "Something that was asked of a product", reflect.TypeFor[model.Action]()},
	{"carve", "A file collected, or being collected, from a host", reflect.TypeFor[model.Carve]()},
	{"report", "What a product thinks of a host over a span of time", reflect.TypeFor[model.Report]()},
	{"count", "One value of a count, and how often it occurred", reflect.TypeFor[model.Count]()},
}

// Lookup finds a kind by its name.
func Lookup(name string) (Kind, bool) {
	for _, k := range Kinds {
		if k.Name == name {
			return k, true
		}
	}
	return Kind{}, false
}

// Field is one field of a kind.
type Field struct {
	Name        string   `json:"name"` // dotted, as --columns takes it
	Type        string   `json:"type"` // string, integer, number, boolean, time, object, any, or array of one of them
	Description string   `json:"description"`
	Values      []string `json:"values,omitempty"` // of a closed set
}

// Fields lists the fields of a kind with those of the objects inside, in the order in
// which they are written. A type inside itself is not entered again.
func (k Kind) Fields() []Field {
	var out []Field
	walk(k.typ, "", nil, &out)
	return out
}

func walk(t reflect.Type, prefix string, path []reflect.Type, out *[]Field) {
	for _, p := range path {
		if p == t {
			return
		}
	}
	path = append(path, t)
	for f := range members(t) {
		typ, inner := typeName(f.typ)
		*out = append(*out, Field{Name: prefix + f.name, Type: typ, Description: describe(f.owner, f.name), Values: values(elem(f.typ))})
		if inner != nil {
			walk(inner, prefix+f.name+".", path, out)
		}
	}
}

// jsonField is a field as JSON has it.
type jsonField struct {
	owner string // name of the struct that declares it
	name  string
	typ   reflect.Type
}

// members gives the fields of a struct, those of embedded ones included.
func members(t reflect.Type) func(yield func(jsonField) bool) {
	return func(yield func(jsonField) bool) { visit(t, yield) }
}

func visit(t reflect.Type, yield func(jsonField) bool) bool {
	for i := range t.NumField() {
		f := t.Field(i)
		if f.Anonymous {
			if !visit(f.Type, yield) {
				return false
			}
			continue
		}
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name != "" && name != "-" && !yield(jsonField{t.Name(), name, f.Type}) {
			return false
		}
	}
	return true
}

// elem is what a pointer or a slice is of.
func elem(t reflect.Type) reflect.Type {
	if t == reflect.TypeFor[json.RawMessage]() {
		return t
	}
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	return t
}

// typeName names a type, and gives the struct inside it, if there is one.
func typeName(t reflect.Type) (name string, inner reflect.Type) {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.Kind() == reflect.Slice && t != reflect.TypeFor[json.RawMessage]() {
		name, inner = typeName(t.Elem())
		return "array of " + name, inner
	}
	switch name := primitive(t); name {
	case "object":
		if t.Kind() == reflect.Struct {
			return name, t
		}
		return name, nil
	default:
		return name, nil
	}
}

func primitive(t reflect.Type) string {
	switch t {
	case reflect.TypeFor[model.Time](), reflect.TypeFor[time.Time]():
		return "time"
	case reflect.TypeFor[json.RawMessage]():
		return "any"
	}
	switch t.Kind() {
	case reflect.String:
		return "string"
	case reflect.Bool:
		return "boolean"
	case reflect.Float64:
		return "number"
	case reflect.Struct, reflect.Map:
		return "object"
	}
	return "integer"
}

func describe(owner, name string) string {
	general := ""
	for _, m := range meanings {
		switch m.field {
		case owner + "." + name:
			return m.text
		case name:
			general = m.text
		}
	}
	return general
}

// values lists the closed set that a type stands for.
func values(t reflect.Type) []string {
	switch t {
	case reflect.TypeFor[model.Severity]():
		return texts(model.Severities)
	case reflect.TypeFor[model.Status]():
		return texts(model.Statuses)
	case reflect.TypeFor[model.Verdict]():
		return texts([]model.Verdict{model.VerdictTruePositive, model.VerdictFalsePositive, model.VerdictUnknown})
	case reflect.TypeFor[model.Kind]():
		return texts(model.Kinds)
	case reflect.TypeFor[model.CarveState]():
		return texts([]model.CarveState{model.CarveRequested, model.CarveRunning, model.CarveComplete, model.CarveFailed})
	case reflect.TypeFor[model.ActionState]():
		return texts(model.ActionStates)
	}
	return nil
}

func texts[T ~string](in []T) []string {
	out := make([]string, len(in))
	for i, v := range in {
		out[i] = string(v)
	}
	return out
}
