package schema

import (
	"encoding/json"
	"reflect"
)

// object is a JSON object whose members are written in alphabetical order.
type object = map[string]any

// JSONSchema is the schema of one record of the kind. Fields may be added in later
// versions, so a reader must take what it does not know.
func (k Kind) JSONSchema() map[string]any {
	defs := object{}
	root := definition(k.typ, defs)
	root["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	root["$id"] = "https://github.com/edrctl/edrctl/blob/main/docs/schema/v1/" + k.Name + ".json"
	root["title"] = k.Name
	root["description"] = k.Text
	// A kind inside itself, as the parent of a process, is read from the definitions.
	if len(defs) > 0 {
		root["$defs"] = defs
	}
	return root
}

// definition is the schema of a struct; the structs inside go into defs.
func definition(t reflect.Type, defs object) object {
	properties := object{}
	for f := range members(t) {
		p := property(f.typ, defs)
		if text := describe(f.owner, f.name); text != "" {
			p["description"] = text
		}
		properties[f.name] = p
	}
	return object{"type": "object", "properties": properties}
}

func property(t reflect.Type, defs object) object {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.Kind() == reflect.Slice && t != reflect.TypeFor[json.RawMessage]() {
		return object{"type": "array", "items": property(t.Elem(), defs)}
	}
	switch typ := primitive(t); {
	case typ == "any":
		return object{}
	case typ == "time":
		return object{"type": "string", "format": "date-time"}
	case t.Kind() == reflect.Map:
		return object{"type": "object", "additionalProperties": property(t.Elem(), defs)}
	case typ == "object":
		if defs[t.Name()] == nil {
			defs[t.Name()] = object{} // it may hold itself
			defs[t.Name()] = definition(t, defs)
		}
		return object{"$ref": "#/$defs/" + t.Name()}
	default:
		p := object{"type": typ}
		if set := values(t); set != nil {
			p["enum"] = set
		}
		return p
	}
}
