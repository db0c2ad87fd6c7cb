// Package flex has scalar types for members whose JSON type the vendors'
// references leave open or their servers change between releases: a number in
// one answer, a string in the next. Decoding accepts every value that can be
// converted; null and the empty string are the zero value. They encode as
// their plain kind.
package flex

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// String takes a string, the digits of a number as they were written, or
// true/false.
type String string

// Int takes an integer, a number with a fraction (which is dropped), either
// of them in a string, or true/false as 1/0. What does not fit 64 bits is an
// error.
type Int int64

// Float takes a number, one in a string, or true/false as 1/0.
type Float float64

// Bool takes true/false, a number (0 is false), or one of them in a string,
// also yes/no and on/off, in any case.
type Bool bool

// scalar takes JSON apart: text is the decoded string or the literal.
func scalar(b []byte) (text string, null bool, err error) {
	b = bytes.TrimSpace(b)
	if len(b) == 0 {
		return "", false, errors.New("flex: no JSON value")
	}
	switch b[0] {
	case 'n':
		return "", true, nil
	case '"':
		err := json.Unmarshal(b, &text)
		return text, false, err
	case '{', '[':
		return "", false, mismatch(b)
	}
	return string(b), false, nil
}

// mismatch names the kind of what cannot be converted, never the value.
func mismatch(b []byte) error {
	kind := "value"
	switch b[0] {
	case '{':
		kind = "object"
	case '[':
		kind = "array"
	}
	return errors.New("flex: a JSON " + kind + " where a single value is expected")
}

// UnmarshalJSON implements json.Unmarshaler.
func (s *String) UnmarshalJSON(b []byte) error {
	text, _, err := scalar(b)
	if err != nil {
		return err
	}
	*s = String(text)
	return nil
}

// UnmarshalJSON implements json.Unmarshaler.
func (i *Int) UnmarshalJSON(b []byte) error {
	text, null, err := scalar(b)
	if err != nil {
		return err
	}
	text = strings.TrimSpace(text)
	if null || text == "" {
		*i = 0
		return nil
	}
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		*i = Int(n)
		return nil
	}
	f, err := number(text)
	if err != nil {
		return err
	}
	f = math.Trunc(f)
	if f < math.MinInt64 || f >= math.MaxInt64 {
		return fmt.Errorf("flex: a number does not fit 64 bits")
	}
	*i = Int(f)
	return nil
}

// UnmarshalJSON implements json.Unmarshaler.
func (f *Float) UnmarshalJSON(b []byte) error {
	text, null, err := scalar(b)
	if err != nil {
		return err
	}
	text = strings.TrimSpace(text)
	if null || text == "" {
		*f = 0
		return nil
	}
	v, err := number(text)
	if err != nil {
		return err
	}
	*f = Float(v)
	return nil
}

// UnmarshalJSON implements json.Unmarshaler.
func (v *Bool) UnmarshalJSON(b []byte) error {
	text, null, err := scalar(b)
	if err != nil {
		return err
	}
	text = strings.ToLower(strings.TrimSpace(text))
	if null {
		text = ""
	}
	switch text {
	case "true", "yes", "on", "y", "t":
		*v = true
		return nil
	case "", "false", "no", "off", "n", "f":
		*v = false
		return nil
	}
	f, err := number(text)
	if err != nil {
		return err
	}
	*v = f != 0
	return nil
}

// number parses decimal text. Go's own parser also takes hex, underscores,
// NaN and Inf, which no backend writes and no JSON can give back.
func number(text string) (float64, error) {
	switch strings.ToLower(text) {
	case "true":
		return 1, nil
	case "false":
		return 0, nil
	}
	if strings.Trim(text, "0123456789.+-eE") != "" {
		return 0, errors.New("flex: a text that is not a number")
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsInf(f, 0) || math.IsNaN(f) {
		return 0, errors.New("flex: a text that is not a number")
	}
	return f, nil
}

// MarshalJSON writes a Float that JSON has no number for as null.
func (f Float) MarshalJSON() ([]byte, error) {
	if v := float64(f); math.IsNaN(v) || math.IsInf(v, 0) {
		return []byte("null"), nil
	}
	return json.Marshal(float64(f))
}
