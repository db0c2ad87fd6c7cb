package carbonblack

import (
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// The leaves of the wire types. Every leaf of this API may be null, strings
// carry stray blanks, and ports are strings (docs/wire/carbonblack.md §3, §5.2), so
// a leaf of another type than the expected one is converted where that makes
// sense and is absent otherwise; only broken JSON is an error.

// text is a string that may also be null or a number; surrounding blanks are
// dropped. Anything else reads as "".
type text string

// UnmarshalJSONFrom reads one value.
func (t *text) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	switch dec.PeekKind() {
	case '"':
		tok, err := dec.ReadToken()
		if err != nil {
			return err
		}
		*t = text(strings.TrimSpace(tok.String()))
		return nil
	case '0':
		tok, err := dec.ReadToken()
		if err != nil {
			return err
		}
		*t = text(tok.String())
		return nil
	}
	*t = ""
	return dec.SkipValue()
}

// exact is a text whose blanks are part of it: a command line, a path, the
// name of a program. One that ends in a blank is another than the one that
// does not, and some intruders count on it. Blanks alone read as "".
type exact string

// UnmarshalJSONFrom reads one value.
func (e *exact) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	if dec.PeekKind() != '"' {
		return (*text)(e).UnmarshalJSONFrom(dec)
	}
	tok, err := dec.ReadToken()
	if err != nil {
		return err
	}
	*e = exactly(tok.String())
	return nil
}

func exactly(s string) exact {
	if strings.TrimSpace(s) == "" {
		return ""
	}
	return exact(s)
}

// whole is an integer that may also be null or a string of digits. A number
// with a fraction is cut; one out of range or not a number at all is absent.
type whole struct {
	n   int64
	set bool
}

// UnmarshalJSONFrom reads one value.
func (w *whole) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	*w = whole{}
	switch dec.PeekKind() {
	case '"', '0':
		tok, err := dec.ReadToken()
		if err != nil {
			return err
		}
		w.n, w.set = parseWhole(strings.TrimSpace(tok.String()))
		return nil
	}
	return dec.SkipValue()
}

func parseWhole(s string) (int64, bool) {
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		return n, true
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || !(f > -9e15 && f < 9e15) {
		return 0, false
	}
	return int64(f), true
}

// flag is a bool that may also be null, a number or a word.
type flag struct{ on, set bool }

// UnmarshalJSONFrom reads one value.
func (f *flag) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	*f = flag{}
	switch dec.PeekKind() {
	case 't', 'f', '"', '0':
		tok, err := dec.ReadToken()
		if err != nil {
			return err
		}
		on, err := strconv.ParseBool(strings.ToLower(strings.TrimSpace(tok.String())))
		f.on, f.set = on, err == nil
		return nil
	}
	return dec.SkipValue()
}

// ptr gives the value for an optional field of the model.
func (f flag) ptr() *bool {
	if !f.set {
		return nil
	}
	return &f.on
}

// texts is a list of strings that may also be null or a single string.
type texts []string

// UnmarshalJSONFrom reads one value; members that are no strings are left out.
func (l *texts) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	*l = nil
	switch dec.PeekKind() {
	case '"':
		var t text
		if err := t.UnmarshalJSONFrom(dec); err != nil {
			return err
		}
		if t != "" {
			*l = texts{string(t)}
		}
		return nil
	case '[':
		if _, err := dec.ReadToken(); err != nil {
			return err
		}
		for dec.PeekKind() != ']' {
			var t text
			if err := t.UnmarshalJSONFrom(dec); err != nil {
				return err
			}
			if t != "" {
				*l = append(*l, string(t))
			}
		}
		_, err := dec.ReadToken()
		return err
	}
	return dec.SkipValue()
}

// object is a JSON object that may be missing, null or, in the other shape of
// the same key, something else; only an object is read.
type object[T any] struct{ v *T }

// UnmarshalJSONFrom reads one value.
func (o *object[T]) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	o.v = nil
	if dec.PeekKind() != '{' {
		return dec.SkipValue()
	}
	o.v = new(T)
	return json.UnmarshalDecode(dec, o.v)
}

// list is an array of objects that may be missing or null; members that are
// no objects are left out.
type list[T any] []T

// UnmarshalJSONFrom reads one value.
func (l *list[T]) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	*l = nil
	if dec.PeekKind() != '[' {
		return dec.SkipValue()
	}
	if _, err := dec.ReadToken(); err != nil {
		return err
	}
	for dec.PeekKind() != ']' {
		var o object[T]
		if err := o.UnmarshalJSONFrom(dec); err != nil {
			return err
		}
		if o.v != nil {
			*l = append(*l, *o.v)
		}
	}
	_, err := dec.ReadToken()
	return err
}

// lenient accepts what old sensors and gateways write: invalid UTF-8 in
// command lines and the same member twice (the last one counts).
var lenient = json.JoinOptions(
	jsontext.AllowInvalidUTF8(true),
	jsontext.AllowDuplicateNames(true),
)

// decode reads one JSON value into a wire type.
func decode(b []byte, into any) error { return json.Unmarshal(b, into, lenient) }

func number(w whole) string {
	if !w.set || w.n == 0 {
		return ""
	}
	return strconv.FormatInt(w.n, 10)
}

// first is the first of its arguments that is there, an empty one when none
// is: every block of an answer may be null.
func first[T any](of ...*T) *T {
	for _, v := range of {
		if v != nil {
			return v
		}
	}
	return new(T)
}
