package cwatch

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Rows are read with a small scanner instead of struct decoding: the answer
// was checked to be JSON when it was cut into elements, half a million rows
// have to pass in seconds, and every scalar is of an unsettled type (numbers
// as strings, ids as numbers). One value that cannot be converted is absent;
// the rest of the row stays (docs/formats.md 1.4).

var errScan = errors.New("not a JSON value of the expected shape")

// maxDepth limits nesting; the documents go six deep.
const maxDepth = 256

// scanObject gives every member of the object in b, in order: the key
// decoded, the value as it stands.
func scanObject(b []byte, member func(key, value []byte)) error {
	i := skipSpace(b, 0)
	if i >= len(b) || b[i] != '{' {
		return errScan
	}
	i = skipSpace(b, i+1)
	if i < len(b) && b[i] == '}' {
		return nil
	}
	for {
		if i >= len(b) || b[i] != '"' {
			return errScan
		}
		end := skipString(b, i)
		if end < 0 {
			return errScan
		}
		key := b[i+1 : end-1]
		if bytes.IndexByte(key, '\\') >= 0 {
			key = []byte(text(b[i:end]))
		}
		i = skipSpace(b, end)
		if i >= len(b) || b[i] != ':' {
			return errScan
		}
		i = skipSpace(b, i+1)
		end = skipValue(b, i)
		if end < 0 {
			return errScan
		}
		member(key, b[i:end])
		i = skipSpace(b, end)
		if i >= len(b) {
			return errScan
		}
		switch b[i] {
		case ',':
			i = skipSpace(b, i+1)
		case '}':
			return nil
		default:
			return errScan
		}
	}
}

// scanArray gives every element of the array in b.
func scanArray(b []byte, element func(value []byte)) error {
	i := skipSpace(b, 0)
	if i >= len(b) || b[i] != '[' {
		return errScan
	}
	i = skipSpace(b, i+1)
	if i < len(b) && b[i] == ']' {
		return nil
	}
	for {
		end := skipValue(b, i)
		if end < 0 {
			return errScan
		}
		element(b[i:end])
		i = skipSpace(b, end)
		if i >= len(b) {
			return errScan
		}
		switch b[i] {
		case ',':
			i = skipSpace(b, i+1)
		case ']':
			return nil
		default:
			return errScan
		}
	}
}

func skipSpace(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\n' || b[i] == '\t' || b[i] == '\r') {
		i++
	}
	return i
}

// skipString gives the index after the string that starts at i, or -1.
func skipString(b []byte, i int) int {
	for i++; i < len(b); i++ {
		j := bytes.IndexByte(b[i:], '"')
		if j < 0 {
			return -1
		}
		i += j
		slashes := 0
		for k := i - 1; k >= 0 && b[k] == '\\'; k-- {
			slashes++
		}
		if slashes%2 == 0 {
			return i + 1
		}
	}
	return -1
}

// skipValue gives the index after the value that starts at i, or -1.
func skipValue(b []byte, i int) int {
	if i >= len(b) {
		return -1
	}
	switch b[i] {
	case '"':
		return skipString(b, i)
	case '{', '[':
		depth := 0
		for i < len(b) {
			switch b[i] {
			case '"':
				if i = skipString(b, i); i < 0 {
					return -1
				}
				continue
			case '{', '[':
				if depth++; depth > maxDepth {
					return -1
				}
			case '}', ']':
				if depth--; depth == 0 {
					return i + 1
				}
			}
			i++
		}
		return -1
	}
	start := i
	for i < len(b) {
		switch b[i] {
		case ',', '}', ']', ' ', '\n', '\t', '\r', ':', '"', '{', '[':
			if i == start {
				return -1
			}
			return i
		}
		i++
	}
	return i
}

func isNull(v []byte) bool { return len(v) == 4 && v[0] == 'n' }

// text reads a string, number or boolean as text; everything else is "".
func text(v []byte) string {
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

// whole reads a whole number, or a string that holds one.
func whole(v []byte) (int64, bool) {
	s := scalar(v)
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

// decimal reads a number, or a string that holds one.
func decimal(v []byte) (float64, bool) {
	f, err := strconv.ParseFloat(scalar(v), 64)
	return f, err == nil && !math.IsNaN(f) && !math.IsInf(f, 0)
}

// boolean reads true, false, 0, 1 and the same as strings.
func boolean(v []byte) (value, ok bool) {
	switch strings.ToLower(scalar(v)) {
	case "true", "1":
		return true, true
	case "false", "0":
		return false, true
	}
	return false, false
}

// scalar is the text of a string, number or boolean without white space.
func scalar(v []byte) string {
	if len(v) > 0 && v[0] == '"' {
		return strings.TrimSpace(unquote(v))
	}
	if len(v) == 0 || v[0] == '{' || v[0] == '[' || v[0] == 'n' {
		return ""
	}
	return string(v)
}

// reader keeps the texts that come again and again (hosts, users, images,
// hashes), so that a long listing does not hold a copy for each row.
type reader struct{ seen map[string]string }

const maxSeen = 8192

// shared reads a text that is likely to come again.
func (r *reader) shared(v []byte) string {
	if len(v) > 512 {
		return text(v)
	}
	if s, ok := r.seen[string(v)]; ok {
		return s
	}
	s := text(v)
	if r.seen == nil || len(r.seen) >= maxSeen {
		r.seen = make(map[string]string, 64)
	}
	r.seen[string(v)] = s
	return s
}
