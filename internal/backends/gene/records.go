package gene

import (
	"bytes"
	"encoding/json"
	"net/url"
	"slices"
)

func eventHash(e json.RawMessage) string {
	var doc struct {
		Event struct {
			EdrData struct {
				Event struct{ Hash string }
			}
		}
	}
	_ = json.Unmarshal(e, &doc) // what has none has none
	return doc.Event.EdrData.Event.Hash
}

// elements gives the records of data: of a list its elements, of an object
// keyed by endpoint (reports, artifacts of all) each entry. list tells that it
// was a list.
func elements(data json.RawMessage, byEndpoint bool) (out []json.RawMessage, list bool, err error) {
	data = bytes.TrimSpace(data)
	switch {
	case len(data) == 0 || string(data) == "null":
		return nil, false, nil
	case data[0] == '[':
		if err := json.Unmarshal(data, &out); err != nil {
			return nil, true, &malformedError{Why: "data of the answer is no list"}
		}
		return out, true, nil
	case byEndpoint:
		var by map[string]json.RawMessage
		if err := json.Unmarshal(data, &by); err != nil {
			return nil, false, &malformedError{Why: "data of the answer is no object"}
		}
		names := make([]string, 0, len(by))
		for name := range by {
			names = append(names, name)
		}
		slices.Sort(names)
		for _, name := range names {
			sets, isList, err := elements(by[name], false)
			if err != nil {
				return nil, false, err
			}
			for _, s := range sets {
				if isList || !bytes.Contains(s, []byte(`"identifier"`)) {
					s = named("endpoint", name, s)
				}
				out = append(out, s)
			}
		}
		return out, false, nil
	}
	return []json.RawMessage{data}, false, nil
}

// named puts a member in front of an object.
func named(member, value string, object json.RawMessage) json.RawMessage {
	if len(object) < 2 || object[0] != '{' {
		return object
	}
	v, _ := json.Marshal(value)
	out := append([]byte(`{"`+member+`":`), v...)
	if rest := bytes.TrimSpace(object[1:]); rest[0] != '}' {
		out = append(out, ',')
	}
	return append(out, object[1:]...)
}

func queryOf(pairs ...string) url.Values {
	q := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			q.Set(pairs[i], pairs[i+1])
		}
	}
	return q
}

// firstValue is the first envelope of an answer, which may hold two (trap 20).
func firstValue(body []byte) json.RawMessage {
	var v json.RawMessage
	_ = json.NewDecoder(bytes.NewReader(body)).Decode(&v) // it was decoded before
	return v
}
