package schema

import (
	"reflect"
	"strings"
)

// UnusedMeanings lists what is described and does not exist.
func UnusedMeanings() (unused []string) {
	declared := map[string]bool{}
	for _, k := range Kinds {
		declare(k, declared)
	}
	for _, m := range meanings {
		if !declared[m.field] {
			unused = append(unused, m.field)
		}
	}
	return unused
}

func declare(k Kind, declared map[string]bool) {
	var all []Field
	walk(k.typ, "", nil, &all)
	for _, f := range all {
		declared[f.Name[strings.LastIndexByte(f.Name, '.')+1:]] = true
	}
	for t := range structs(k.typ, map[reflect.Type]bool{}) {
		for f := range members(t) {
			declared[f.owner+"."+f.name] = true
		}
	}
}

// structs gives a struct and all inside it.
func structs(t reflect.Type, seen map[reflect.Type]bool) map[reflect.Type]bool {
	if seen[t] {
		return seen
	}
	seen[t] = true
	for f := range members(t) {
		if _, inner := typeName(f.typ); inner != nil {
			structs(inner, seen)
		}
	}
	return seen
}
