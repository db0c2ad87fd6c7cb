package wire

import (
	"bytes"
	"encoding/json"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
)

func isNull(v []byte) bool { return len(v) == 4 && v[0] == 'n' }

// Text reads a string, number or boolean as text; everything else is "".
func Text(v []byte) string {
	if len(v) == 0 {
		return ""
	}
	switch v[0] {
	case '"':
		return unquote(v)
	case '{', '[', 'n':
		return ""
	}
	if v[0] == '-' || '0' <= v[0] && v[0] <= '9' {
		return number(string(v))
	}
	return string(v)
}

// number keeps a number as it was written, except that a whole one loses its
// fraction and exponent: an id of 30001.0 is 30001.
func number(s string) string {
	if !strings.ContainsAny(s, ".eE") {
		return s
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || f != math.Trunc(f) || math.Abs(f) > 1<<53 {
		return s
	}
	return strconv.FormatInt(int64(f), 10)
}

func unquote(v []byte) string {
	if len(v) < 2 || v[len(v)-1] != '"' {
		return ""
	}
	in := v[1 : len(v)-1]
	first := bytes.IndexByte(in, '\\')
	if first < 0 {
		if utf8.Valid(in) {
			return string(in)
		}
		return strings.ToValidUTF8(string(in), "\ufffd")
	}
	out := make([]byte, 0, len(in))
	for i := 0; i < len(in); i++ {
		c := in[i]
		if c != '\\' {
			out = append(out, c)
			continue
		}
		if i++; i >= len(in) {
			return ""
		}
		switch in[i] {
		case '"', '\\', '/':
			out = append(out, in[i])
		case 'b':
			out = append(out, '\b')
		case 'f':
			out = append(out, '\f')
		case 'n':
			out = append(out, '\n')
		case 'r':
			out = append(out, '\r')
		case 't':
			out = append(out, '\t')
		default: // \u and its surrogates are rare: the library knows them
			var s string
			if json.Unmarshal(v, &s) != nil {
				return ""
			}
			return s
		}
	}
	if !utf8.Valid(out) {
		return strings.ToValidUTF8(string(out), "\ufffd")
	}
	return string(out)
}

// Int reads a whole number, or a string that holds one.
func Int(v []byte) (int64, bool) {
	s := Scalar(v)
	if s == "" {
		return 0, false
	}
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		return n, true
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || f != math.Trunc(f) || math.Abs(f) > 1<<53 {
		return 0, false
	}
	return int64(f), true
}

// Float reads a number, or a string that holds one.
func Float(v []byte) (float64, bool) {
	f, err := strconv.ParseFloat(Scalar(v), 64)
	return f, err == nil && !math.IsNaN(f) && !math.IsInf(f, 0)
}

// Bool reads true, false, 0, 1 and the same as strings.
func Bool(v []byte) (value, ok bool) {
	switch strings.ToLower(Scalar(v)) {
	case "true", "1":
		return true, true
	case "false", "0":
		return false, true
	}
	return false, false
}

// Scalar is the text of a string, number or boolean without white space.
func Scalar(v []byte) string {
	if len(v) > 0 && v[0] == '"' {
		return strings.TrimSpace(unquote(v))
	}
	if len(v) == 0 || v[0] == '{' || v[0] == '[' || v[0] == 'n' {
		return ""
	}
	return string(v)
}
