package wire

import (
	"bytes"
	"encoding/json"
	"net/url"
	"slices"
)

// EventHash is the hash the manager gave an event, "" when it gave none.
func EventHash(e json.RawMessage) string {
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

// Records gives the records of data: of a list its elements, of an object
// keyed by endpoint (reports, artifacts of all) each entry. list tells that it
// was a list.
func Records(data json.RawMessage, byEndpoint bool) (out []json.RawMessage, list bool, err error) {
	data = bytes.TrimSpace(data)
	switch {
	case len(data) == 0 || string(data) == "null":
		return nil, false, nil
	case data[0] == '[':
		if err := json.Unmarshal(data, &out); err != nil {
			return nil, true, &MalformedError{Why: "data of the answer is not a list"}
		}
		return out, true, nil
	case byEndpoint:
		var by map[string]json.RawMessage
		if err := json.Unmarshal(data, &by); err != nil {
			return nil, false, &MalformedError{Why: "data of the answer is not an object"}
		}
		names := make([]string, 0, len(by))
		for name := range by {
			names = append(names, name)
		}
		slices.Sort(names)
		for _, name := range names {
			sets, isList, err := Records(by[name], false)
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

// QueryOf makes a query of names and values, and leaves out those without a
// value.
func QueryOf(pairs ...string) url.Values {
	q := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			q.Set(pairs[i], pairs[i+1])
		}
	}
	return q
}

// FirstEnvelope is the first envelope of an answer, which may hold two (trap 20).
func FirstEnvelope(body []byte) json.RawMessage {
	var v json.RawMessage
	_ = json.NewDecoder(bytes.NewReader(body)).Decode(&v) // it was decoded before
	return v
}
