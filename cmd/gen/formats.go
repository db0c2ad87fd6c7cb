package main

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/edrctl/edrctl/internal/iostreams"
	"github.com/edrctl/edrctl/internal/model"
	"github.com/edrctl/edrctl/internal/output"
)

// The tables of the mapping are not written down anywhere: a full record is
// converted, one field is changed, and what then differs in the document is
// where that field goes.

// mappingTables are the tables for docs/formats.md.
func mappingTables() (string, error) {
	var b strings.Builder
	kinds, err := kindTable()
	if err != nil {
		return "", err
	}
	b.WriteString("### What an event becomes\n\n" + kinds)
	for _, r := range []struct {
		title string
		kind  output.Kind
		recs  []any
	}{
		{"Alert", output.KindAlert, []any{filled[model.Alert]()}},
		{"Event", output.KindEvent, events()},
		{"Host", output.KindHost, []any{filled[model.Host]()}},
		{"Process", output.KindProcess, []any{filled[model.Process]()}},
		{"Hit", output.KindHit, hits()},
		{"Action", output.NewKind[model.Action]("action", nil, nil), actions()},
	} {
		table, err := mappingTable(r.kind, r.recs)
		if err != nil {
			return "", fmt.Errorf("%s: %w", r.title, err)
		}
		fmt.Fprintf(&b, "\n### %s\n\n%s", r.title, table)
	}
	verbs, err := verbDocuments()
	if err != nil {
		return "", err
	}
	b.WriteString("\n### What an action becomes\n\n" + verbs)
	return b.String(), nil
}

var mappingNow = time.Date(2026, 11, 22, 2, 5, 0, 0, time.UTC)

// document gives the leaves of a record's document: their paths and values.
func document(kind output.Kind, format string, rec any) (map[string]string, map[string]any, error) {
	io, _, out, _ := iostreams.Test()
	w, err := output.New(io, output.Options{Format: format, Kind: kind, Now: func() time.Time { return mappingNow }})
	if err != nil {
		return nil, nil, err
	}
	if err := w.Write(rec); err != nil {
		return nil, nil, err
	}
	if err := w.Close(); err != nil {
		return nil, nil, err
	}
	var doc map[string]any
	if err := json.Unmarshal(out.Bytes(), &doc); err != nil {
		return nil, nil, err
	}
	leaves := map[string]string{}
	flatten("", doc, leaves)
	return leaves, doc, nil
}

func flatten(path string, v any, out map[string]string) {
	switch x := v.(type) {
	case map[string]any:
		for k, v := range x {
			flatten(strings.TrimPrefix(path+"."+k, "."), v, out)
		}
	case []any:
		for _, v := range x {
			flatten(path+"[]", v, out)
		}
	default:
		path = strings.TrimSuffix(path, "[]")
		out[path] += fmt.Sprintf("%v\x00", v)
	}
}

// mappingTable changes each field of the records in turn.
func mappingTable(kind output.Kind, recs []any) (string, error) {
	var order []string
	to := map[string]map[string][]string{} // field, format, paths
	for _, rec := range recs {
		for _, f := range fieldsOf(reflect.TypeOf(rec).Elem(), nil, "") {
			if to[f.name] == nil {
				to[f.name] = map[string][]string{}
				order = append(order, f.name)
			}
			for _, format := range []string{output.FormatECS, output.FormatOCSF} {
				paths, err := changes(kind, format, rec, f)
				if err != nil {
					return "", err
				}
				for _, p := range paths {
					if !slices.Contains(to[f.name][format], p) {
						to[f.name][format] = append(to[f.name][format], p)
					}
				}
			}
		}
	}
	var b strings.Builder
	b.WriteString("| field | ECS | OCSF |\n| --- | --- | --- |\n")
	for _, name := range order {
		last := name[strings.LastIndexByte(name, '.')+1:]
		switch {
		case last == "raw", name == "kind", name == "verb": // event.original and raw_data; the tables of kinds and commands
			continue
		case len(to[name][output.FormatECS])+len(to[name][output.FormatOCSF]) == 0 && (strings.Contains(name, "host.") || strings.Contains(name, "parent.")):
			continue // told by the records of hosts, and by the ancestors
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", name, pathList(to[name][output.FormatECS]), pathList(to[name][output.FormatOCSF]))
	}
	return b.String(), nil
}

func pathList(paths []string) string {
	if len(paths) == 0 {
		return "–"
	}
	slices.Sort(paths)
	return "`" + strings.Join(paths, "` `") + "`"
}

// changes lists the leaves that differ when a field has another value.
func changes(kind output.Kind, format string, rec any, f modelField) ([]string, error) {
	before, doc, err := document(kind, format, rec)
	if err != nil {
		return nil, err
	}
	for _, other := range []func(reflect.Value) bool{vary, clear} {
		twin := deepCopy(rec)
		v, ok := f.in(reflect.ValueOf(twin).Elem())
		if !ok || !other(v) {
			continue
		}
		after, changed, err := document(kind, format, twin)
		if err != nil {
			return nil, err
		}
		if doc["class_uid"] != changed["class_uid"] {
			continue // another class says nothing about one field
		}
		var out []string
		for p := range before {
			if before[p] != after[p] {
				out = append(out, p)
			}
		}
		for p := range after {
			if _, had := before[p]; !had {
				out = append(out, p)
			}
		}
		if len(out) > 0 {
			return out, nil
		}
	}
	return nil, nil
}

// modelField is a leaf of a record's type.
type modelField struct {
	name  string
	index []int // fields and, for -1, the first element of a list
}

var leafTypes = []reflect.Type{reflect.TypeFor[model.Time](), reflect.TypeFor[json.RawMessage](), reflect.TypeFor[map[string]string]()}

// inner are members that a document writes the same way everywhere:
// one level of each is enough.
var inner = []string{"parent.", "ancestors", "process.host", "target.host", "process.event_count", "target.event_count", "events", "raw", "answer", "details", "target.parent"}

func fieldsOf(t reflect.Type, index []int, prefix string) []modelField {
	var out []modelField
	for i := range t.NumField() {
		sf := t.Field(i)
		name, _, _ := strings.Cut(sf.Tag.Get("json"), ",")
		at := append(slices.Clone(index), i)
		ft := sf.Type
		for ft.Kind() == reflect.Pointer || ft.Kind() == reflect.Slice && ft.Elem().Kind() != reflect.Uint8 {
			if ft.Kind() == reflect.Slice {
				at = append(at, -1)
				name += "[]"
			}
			ft = ft.Elem()
		}
		full := strings.TrimPrefix(prefix+"."+name, ".")
		if sf.Anonymous {
			full = prefix
		}
		if slices.ContainsFunc(inner, func(s string) bool { return full == s || strings.HasPrefix(full, s) }) && strings.Count(full, ".") > 0 || full == "raw" || full == "answer" || full == "details" || strings.HasPrefix(full, "ancestors") || strings.HasPrefix(full, "events") {
			continue
		}
		switch {
		case ft.Kind() == reflect.Struct && !slices.Contains(leafTypes, ft):
			if strings.Count(full, ".") > 3 || sf.Anonymous && prefix != "" && !strings.HasSuffix(prefix, "host") {
				continue
			}
			out = append(out, fieldsOf(ft, at, full)...)
		case slices.Contains([]string{"ref", "profile", "backend"}, name) && prefix != "":
		default:
			out = append(out, modelField{full, at})
		}
	}
	return out
}

// in finds the field in a record.
func (f modelField) in(v reflect.Value) (reflect.Value, bool) {
	for _, i := range f.index {
		for v.Kind() == reflect.Pointer {
			if v.IsNil() {
				return v, false
			}
			v = v.Elem()
		}
		if i < 0 {
			if v.Len() == 0 {
				return v, false
			}
			v = v.Index(0)
			continue
		}
		v = v.Field(i)
	}
	return v, true
}

func deepCopy(rec any) any {
	b, err := json.Marshal(rec)
	if err != nil {
		panic(err) // a programming error: records marshal
	}
	out := reflect.New(reflect.TypeOf(rec).Elem())
	if err := json.Unmarshal(b, out.Interface()); err != nil {
		panic(err)
	}
	return out.Interface()
}
