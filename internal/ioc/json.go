package ioc

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// maxDepth is how deep a JSON source may nest where this package walks it.
const maxDepth = 64

// readJSON reads a STIX bundle or MISP events. Both are walked token by token
// to the arrays that matter, so a bundle of any size takes little memory.
func (l *List) readJSON(br *bufio.Reader, name string) error {
	dec := json.NewDecoder(br)
	kind := ""
	if err := l.walk(dec, name, nil, &kind); err != nil {
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return fmt.Errorf("the JSON ends too early")
		}
		return fmt.Errorf("broken JSON: %w", err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return fmt.Errorf("broken JSON: text after its end")
	}
	if kind == "" {
		return fmt.Errorf("this JSON is neither a STIX 2.1 bundle nor a MISP event")
	}
	return nil
}

// walk reads one value. Elements of `objects` are STIX, of `Attribute` MISP.
func (l *List) walk(dec *json.Decoder, name string, path []string, kind *string) error {
	if len(path) > maxDepth {
		return errors.New("nested too deep")
	}
	tok, err := dec.Token()
	if err != nil {
		return err
	}
	switch tok {
	case json.Delim('{'):
		for dec.More() {
			key, err := dec.Token()
			if err != nil {
				return err
			}
			k, _ := key.(string)
			if err := l.member(dec, name, append(path, k), kind); err != nil {
				return err
			}
		}
		_, err = dec.Token()
	case json.Delim('['):
		for dec.More() {
			if err := l.walk(dec, name, append(path, "["), kind); err != nil {
				return err
			}
		}
		_, err = dec.Token()
	}
	return err
}

func (l *List) member(dec *json.Decoder, name string, path []string, kind *string) error {
	switch key := path[len(path)-1]; {
	case key == "objects" && len(path) == 1:
		*kind = "stix"
		return elements(dec, func(o *stixObject) { l.takeSTIX(name, o) })
	case key == "Attribute":
		*kind = "misp"
		return elements(dec, func(a *mispAttribute) { l.takeAttribute(name, a) })
	case key == "Event":
		*kind = "misp"
	}
	return l.walk(dec, name, path, kind)
}

// elements decodes an array one element at a time; null is an empty one.
func elements[T any](dec *json.Decoder, take func(*T)) error {
	tok, err := dec.Token()
	if err != nil {
		return err
	}
	if tok == nil {
		return nil
	}
	if tok != json.Delim('[') {
		return errors.New("an array is missing where the format has one")
	}
	for dec.More() {
		var raw json.RawMessage
		if err := dec.Decode(&raw); err != nil {
			return err
		}
		var v T
		if err := json.Unmarshal(raw, &v); err != nil {
			var typeErr *json.UnmarshalTypeError
			if !errors.As(err, &typeErr) {
				return err
			}
		}
		take(&v)
	}
	_, err = dec.Token()
	return err
}

type mispAttribute struct {
	UUID    string `json:"uuid"`
	Type    string `json:"type"`
	Value   string `json:"value"`
	ToIDS   *bool  `json:"to_ids"`
	Deleted bool   `json:"deleted"`
}

func (l *List) takeAttribute(name string, a *mispAttribute) {
	switch {
	case a.Deleted:
		l.problem(name, 0, a.UUID, a.Value, "is deleted in MISP: left out")
	case a.ToIDS != nil && !*a.ToIDS:
		l.problem(name, 0, a.UUID, a.Value, "is not meant for detection (to_ids is false): left out")
	default:
		l.takeMISP(name, strings.ToLower(a.Type), a.Value, 0, a.UUID)
	}
}

// takeMISP reads a value by its MISP type; a composite (filename|sha256,
// ip-dst|port, domain|ip) is each of its usable parts.
func (l *List) takeMISP(name, kind, value string, line int, object string) {
	kinds, values := strings.Split(kind, "|"), []string{value}
	if len(kinds) > 1 {
		values = strings.SplitN(value, "|", len(kinds))
	}
	if len(kinds) != len(values) {
		l.problem(name, line, object, value, "does not fit its type "+kind)
		return
	}
	found := false
	for i, k := range kinds {
		if k == "port" {
			continue
		}
		if t, ok := typeWords[k]; ok {
			l.take(name, values[i], t, line, object)
			found = true
		}
	}
	if !found {
		l.problem(name, line, object, value, "is of type "+kind+", which cannot be hunted")
	}
}
