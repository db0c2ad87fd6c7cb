package wire

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

// Text is a string that may also be null or a number; surrounding blanks are
// dropped. Anything else reads as "".
type Text string

// UnmarshalJSONFrom reads one value.
func (t *Text) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	switch dec.PeekKind() {
	case '"':
		tok, err := dec.ReadToken()
		if err != nil {
			return err
		}
		*t = Text(strings.TrimSpace(tok.String()))
		return nil
	case '0':
		tok, err := dec.ReadToken()
		if err != nil {
			return err
		}
		*t = Text(tok.String())
		return nil
	}
	*t = ""
	return dec.SkipValue()
}

// Exact is a text whose blanks are part of it: a command line, a path, the
// name of a program. One that ends in a blank is another than the one that
// does not, and some intruders count on it. Blanks alone read as "".
type Exact string

// UnmarshalJSONFrom reads one value.
func (e *Exact) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	if dec.PeekKind() != '"' {
		return (*Text)(e).UnmarshalJSONFrom(dec)
	}
	tok, err := dec.ReadToken()
	if err != nil {
		return err
	}
	*e = exactly(tok.String())
	return nil
}

func exactly(s string) Exact {
	if strings.TrimSpace(s) == "" {
		return ""
	}
	return Exact(s)
}

// Int is an integer that may also be null or a string of digits. A number
// with a fraction is cut; one out of range or not a number at all is absent.
type Int struct {
	N   int64
	Set bool
}

// UnmarshalJSONFrom reads one value.
func (w *Int) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	*w = Int{}
	switch dec.PeekKind() {
	case '"', '0':
		tok, err := dec.ReadToken()
		if err != nil {
			return err
		}
		w.N, w.Set = parseInt(strings.TrimSpace(tok.String()))
		return nil
	}
	return dec.SkipValue()
}

func parseInt(s string) (int64, bool) {
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		return n, true
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || !(f > -9e15 && f < 9e15) {
		return 0, false
	}
	return int64(f), true
}

// Flag is a bool that may also be null, a number or a word.
type Flag struct{ On, set bool }

// UnmarshalJSONFrom reads one value.
func (f *Flag) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	*f = Flag{}
	switch dec.PeekKind() {
	case 't', 'f', '"', '0':
		tok, err := dec.ReadToken()
		if err != nil {
			return err
		}
		on, err := strconv.ParseBool(strings.ToLower(strings.TrimSpace(tok.String())))
		f.On, f.set = on, err == nil
		return nil
	}
	return dec.SkipValue()
}

// Ptr gives the value for an optional field of the model.
func (f Flag) Ptr() *bool {
	if !f.set {
		return nil
	}
	return &f.On
}

// Texts is a list of strings that may also be null or a single string.
type Texts []string

// UnmarshalJSONFrom reads one value; members that are not strings are left out.
func (l *Texts) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	*l = nil
	switch dec.PeekKind() {
	case '"':
		var t Text
		if err := t.UnmarshalJSONFrom(dec); err != nil {
			return err
		}
		if t != "" {
			*l = Texts{string(t)}
		}
		return nil
	case '[':
		if _, err := dec.ReadToken(); err != nil {
			return err
		}
		for dec.PeekKind() != ']' {
			var t Text
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

// Object is a JSON object that may be missing, null or, in the other shape of
// the same key, something else; only an object is read.
type Object[T any] struct{ V *T }

// UnmarshalJSONFrom reads one value.
func (o *Object[T]) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	o.V = nil
	if dec.PeekKind() != '{' {
		return dec.SkipValue()
	}
	o.V = new(T)
	return json.UnmarshalDecode(dec, o.V)
}

// List is an array of objects that may be missing or null; members that are
// no objects are left out.
type List[T any] []T

// UnmarshalJSONFrom reads one value.
func (l *List[T]) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	*l = nil
	if dec.PeekKind() != '[' {
		return dec.SkipValue()
	}
	if _, err := dec.ReadToken(); err != nil {
		return err
	}
	for dec.PeekKind() != ']' {
		var o Object[T]
		if err := o.UnmarshalJSONFrom(dec); err != nil {
			return err
		}
		if o.V != nil {
			*l = append(*l, *o.V)
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

// Decode reads one JSON value into a wire type.
func Decode(b []byte, into any) error { return json.Unmarshal(b, into, lenient) }

// Number writes an id, "" for none: 0 and null are none.
func Number(w Int) string {
	if !w.Set || w.N == 0 {
		return ""
	}
	return strconv.FormatInt(w.N, 10)
}

// First is the first of its arguments that is there, an empty one when none
// is: every block of an answer may be null.
func First[T any](of ...*T) *T {
	for _, v := range of {
		if v != nil {
			return v
		}
	}
	return new(T)
}
