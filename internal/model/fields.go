package model

import (
	"reflect"
	"slices"
	"strings"
	"time"
)

// Fields lists the dotted JSON names of a record type, in the order they are
// written, for validation, completion and documentation of --columns. Slices
// of objects are named by the slice alone. Recursion stops at a type already
// on the path.
func Fields(t reflect.Type) []string {
	var out []string
	walkFields(t, "", nil, &out)
	return out
}

var timeType = reflect.TypeFor[Time]()

func walkFields(t reflect.Type, prefix string, path []reflect.Type, out *[]string) {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if slices.Contains(path, t) {
		return
	}
	path = append(path, t)
	for i := range t.NumField() {
		f := t.Field(i)
		if f.Anonymous {
			walkFields(f.Type, prefix, path, out)
			continue
		}
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "" || name == "-" {
			continue
		}
		ft := f.Type
		for ft.Kind() == reflect.Pointer {
			ft = ft.Elem()
		}
		*out = append(*out, prefix+name)
		if ft.Kind() == reflect.Struct && ft != timeType && ft != reflect.TypeFor[time.Time]() {
			walkFields(ft, prefix+name+".", path, out)
		}
	}
}
