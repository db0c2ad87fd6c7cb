package wire

import (
	"encoding/json"
	"fmt"
	"slices"
)

// jsonKind is a JSON type of the vendor's schema.
type jsonKind uint8

const (
	aText jsonKind = iota
	anInt
	aFlag
	anObject
	aList
)

func (k jsonKind) String() string {
	return [...]string{"a string", "a whole number", "true or false", "an object", "an array"}[k]
}

// schemaField is a member of the schema; of an object or of a list's objects the
// members are in of.
type schemaField struct {
	kind jsonKind
	of   map[string]schemaField
}

func fields(kind jsonKind, names ...string) map[string]schemaField {
	out := map[string]schemaField{}
	for _, n := range names {
		out[n] = schemaField{kind: kind}
	}
	return out
}

func merged(parts ...map[string]schemaField) map[string]schemaField {
	out := map[string]schemaField{}
	for _, p := range parts {
		for k, v := range p {
			out[k] = v
		}
	}
	return out
}

// AlertSchema is what POST /alert takes for one alert (docs/wire/cwatch.md 3.5).
var AlertSchema = merged(
	fields(anInt, "timestamp", "endpointID", "expirationDate", "status", "type"),
	fields(aFlag, "isActive", "userVerdict"),
	fields(aText, "alertName", "processHash", "processPath", "device", "user"),
	map[string]schemaField{"data": {anObject, merged(
		fields(aText, "childProcess", "policyName", "processInstanceID"),
		fields(anInt, "score", "policyID"),
		map[string]schemaField{"event": {anObject, merged(
			fields(aText, "eventTime", "adaptiveEventType", "childPrcsInstanceID", "childPrcsPath", "childPrcsCmdLine", "childPrcsHash"),
			fields(anInt, "eventGroup", "baseEventType", "endpointID", "customerID", "childPrcsPID", "childPrcsElevationType", "childPrcsVerdict"),
			fields(aFlag, "childPrcsIsSigned", "childPrcsIsPacked"),
			map[string]schemaField{"process": {anObject, merged(
				processFields,
				fields(aText, "prcsInstanceID", "prcsDeviceName", "prcsLoggedOnUser"),
				map[string]schemaField{"prcsParentTree": {aList, processFields}},
			)}},
		)}},
	)}},
)

var processFields = merged(
	fields(aText, "prcsCreationTime", "prcsUserName", "prcsUserDomain", "prcsPath", "prcsHash"),
	fields(anInt, "prcsPID", "prcsVerdict"),
)

// Conforms says what of o is not as the schema has it, "" when all is.
func Conforms(at string, o map[string]any, schema map[string]schemaField) string {
	names := make([]string, 0, len(o))
	for name := range o {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		v, place := o[name], at+name
		f, known := schema[name]
		if !known {
			return fmt.Sprintf("%s is not a member cWatch's API knows", place)
		}
		ok := false
		switch v := v.(type) {
		case string:
			ok = f.kind == aText
		case bool:
			ok = f.kind == aFlag
		case json.Number:
			_, err := v.Int64()
			ok = f.kind == anInt && err == nil
		case map[string]any:
			if ok = f.kind == anObject; ok {
				if why := Conforms(place+".", v, f.of); why != "" {
					return why
				}
			}
		case []any:
			ok = f.kind == aList
			for i, item := range v {
				inner, is := item.(map[string]any)
				if !is {
					return fmt.Sprintf("%s[%d] must be an object", place, i)
				}
				if why := Conforms(fmt.Sprintf("%s[%d].", place, i), inner, f.of); why != "" {
					return why
				}
			}
		}
		if !ok {
			return fmt.Sprintf("%s must be %s", place, f.kind)
		}
	}
	return ""
}
