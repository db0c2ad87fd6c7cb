package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/edrctl/edrctl/internal/client/jsonwalk"
)

// EachMember walks the one JSON object in body and hands every member to f;
// the value is a part of body. Anything but exactly one complete object is an
// error. Text that is not UTF-8 and repeated names are not: endpoints write
// what they like into the database, and one row must not hide a page.
func EachMember(body []byte, f func(name string, value []byte) error) error {
	var w jsonwalk.Walker
	w.Reset(body)
	if !w.Enter('{') {
		return WrongKind(&w, "an object")
	}
	for first := true; w.Next('}', &first); {
		name := string(w.Key())
		v := w.Raw()
		if w.Err() != nil {
			break
		}
		if err := f(name, v); err != nil {
			return err
		}
	}
	return Closed(&w)
}

// EachElement walks the one JSON array in body.
func EachElement(body []byte, f func(value []byte) error) error {
	var w jsonwalk.Walker
	w.Reset(body)
	if !w.Enter('[') {
		return WrongKind(&w, "a list")
	}
	for first := true; w.Next(']', &first); {
		v := w.Raw()
		if w.Err() != nil {
			break
		}
		if err := f(v); err != nil {
			return err
		}
	}
	return Closed(&w)
}

// WrongKind is the error of a value that is something else than was expected.
func WrongKind(w *jsonwalk.Walker, want string) error {
	if err := w.Err(); err != nil {
		return err
	}
	return errors.New("JSON without " + want + " where one was expected")
}

// Closed checks that the document ends where its value does.
func Closed(w *jsonwalk.Walker) error {
	if err := w.Err(); err != nil {
		return err
	}
	if !w.AtEnd() {
		return errors.New("something follows the JSON document")
	}
	return w.Err()
}

// KindOf is the kind of a JSON value: its first byte, '0' for any number, 0 for no value.
func KindOf(v []byte) byte {
	v = bytes.TrimSpace(v)
	if len(v) == 0 {
		return 0
	}
	if c := v[0]; c == '-' || c >= '0' && c <= '9' {
		return '0'
	}
	return v[0]
}

// ErrorText finds the reason in the body of an error status; HTML gives "".
func ErrorText(body []byte) string {
	if KindOf(body) != '{' {
		return ""
	}
	var msg string
	var fields []string
	err := EachMember(body, func(name string, v []byte) error {
		switch name {
		case "message":
			msg = MessageText(v)
		case "errors":
			if KindOf(v) == '{' {
				return EachMember(v, func(field string, why []byte) error {
					fields = append(fields, field+": "+Scalar(why))
					return nil
				})
			}
		}
		return nil
	})
	if err != nil {
		return ""
	}
	if len(fields) > 0 {
		return strings.Join(fields, "; ")
	}
	return msg
}

// MessageText reads "message": a string, an object that nests it again,
// or an object field -> reason (CE 4.0).
func MessageText(v []byte) string {
	if KindOf(v) != '{' {
		return Scalar(v)
	}
	var parts []string
	err := EachMember(v, func(name string, inner []byte) error {
		text := MessageText(inner)
		if name != "message" && text != "" {
			text = name + ": " + text
		}
		if text != "" {
			parts = append(parts, text)
		}
		return nil
	})
	if err != nil {
		return ""
	}
	return strings.Join(parts, "; ")
}

// Scalar is the text of a JSON value: the string's content, "" for null,
// the literal otherwise.
func Scalar(v []byte) string {
	v = bytes.TrimSpace(v)
	switch KindOf(v) {
	case 0, 'n':
		return ""
	case '"':
		return unquote(v)
	}
	return string(v)
}

func unquote(v []byte) string {
	var w jsonwalk.Walker
	w.Reset(v)
	return string(w.AppendString(nil))
}

// TakeElements reads the list at the walker; its elements are parts of the body.
func TakeElements(w *jsonwalk.Walker) [][]byte {
	var out [][]byte
	if !w.Enter('[') {
		return nil
	}
	for first := true; w.Next(']', &first); {
		v := w.Raw()
		if w.Err() != nil {
			return nil
		}
		out = append(out, v)
	}
	return out
}

// Number reads a number, def when it is none.
func Number(v []byte, def int64) int64 {
	s := Scalar(v)
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		return n
	}
	if f, err := strconv.ParseFloat(s, 64); err == nil && f > -1e15 && f < 1e15 {
		return int64(f)
	}
	return def
}

// Members reads a JSON object for editing.
func Members(v []byte) (map[string]any, error) {
	d := json.NewDecoder(bytes.NewReader(v))
	d.UseNumber()
	var m map[string]any
	if err := d.Decode(&m); err != nil || m == nil {
		return nil, fmt.Errorf("the answer carries no object")
	}
	return m, nil
}
