package output

import (
	"bytes"
	"encoding/json"
	"math"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/edrctl/edrctl/internal/model"
	"github.com/edrctl/edrctl/internal/safetext"
)

// The primitives of AppendJSON. Objects are built by appending to dst; sep
// knows from the last byte whether a comma is due, as no value ends in '{'.

func sep(dst []byte) []byte {
	if dst[len(dst)-1] != '{' {
		return append(dst, ',')
	}
	return dst
}

// Each of the following writes `"key":value`, and nothing for the value that
// omitempty leaves out. key comes with its quotes and colon.

func member(dst []byte, key string) []byte { return append(sep(dst), key...) }

func strField[S ~string](dst []byte, key string, v S) []byte {
	if v == "" {
		return dst
	}
	return appendString(member(dst, key), string(v))
}

func intField[I ~int | ~int64](dst []byte, key string, v I) []byte {
	if v == 0 {
		return dst
	}
	return strconv.AppendInt(member(dst, key), int64(v), 10)
}

func intPtr(dst []byte, key string, v *int) []byte {
	if v == nil {
		return dst
	}
	return strconv.AppendInt(member(dst, key), int64(*v), 10)
}

func floatPtr(dst []byte, key string, v *float64) []byte {
	if v == nil {
		return dst
	}
	return appendFloat(member(dst, key), *v)
}

func boolPtr(dst []byte, key string, v *bool) []byte {
	if v == nil {
		return dst
	}
	return strconv.AppendBool(member(dst, key), *v)
}

func timeField(dst []byte, key string, v model.Time) []byte {
	if v.IsZero() {
		return dst
	}
	return append(appendTime(append(member(dst, key), '"'), v), '"')
}

func strsField(dst []byte, key string, v []string) []byte {
	if len(v) == 0 {
		return dst
	}
	dst = append(member(dst, key), '[')
	for i, s := range v {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendString(dst, s)
	}
	return append(dst, ']')
}

func objField[T any](dst []byte, key string, v *T, f func([]byte, *T) []byte) []byte {
	if v == nil {
		return dst
	}
	return append(f(append(member(dst, key), '{'), v), '}')
}

func objsField[T any](dst []byte, key string, v []T, f func([]byte, *T) []byte) []byte {
	if len(v) == 0 {
		return dst
	}
	dst = append(member(dst, key), '[')
	for i := range v {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(f(append(dst, '{'), &v[i]), '}')
	}
	return append(dst, ']')
}

func ptrsField[T any](dst []byte, key string, v []*T, f func([]byte, *T) []byte) []byte {
	if len(v) == 0 {
		return dst
	}
	dst = append(member(dst, key), '[')
	for i, p := range v {
		if i > 0 {
			dst = append(dst, ',')
		}
		if p == nil {
			dst = append(dst, "null"...)
			continue
		}
		dst = append(f(append(dst, '{'), p), '}')
	}
	return append(dst, ']')
}

// rawField writes the vendor's JSON without insignificant white space. What is
// not JSON is kept as a string, so that one bad record never breaks a stream.
func rawField(dst []byte, v json.RawMessage) []byte {
	if len(v) == 0 {
		return dst
	}
	dst = member(dst, `"raw":`)
	var b bytes.Buffer
	b.Grow(len(v))
	if err := json.Compact(&b, v); err != nil {
		return appendString(dst, string(v))
	}
	return appendEscaped(dst, b.Bytes())
}

// appendTime is model.Time.AppendFormat for the years RFC 3339 can write,
// several times as fast.
func appendTime(dst []byte, t model.Time) []byte {
	u := t.UTC()
	y, mo, d := u.Date()
	if y < 0 || y > 9999 {
		return t.AppendFormat(dst)
	}
	h, mi, s := u.Clock()
	dst = append(dst, byte('0'+y/1000), byte('0'+y/100%10), byte('0'+y/10%10), byte('0'+y%10), '-')
	dst = append(append2(dst, int(mo)), '-')
	dst = append(append2(dst, d), 'T')
	dst = append(append2(dst, h), ':')
	dst = append(append2(dst, mi), ':')
	dst = append(append2(dst, s), '.')
	ms := u.Nanosecond() / int(time.Millisecond)
	return append(append2(append(dst, byte('0'+ms/100)), ms%100), 'Z')
}

func append2(dst []byte, n int) []byte { return append(dst, byte('0'+n/10), byte('0'+n%10)) }

// appendFloat writes as ECMAScript and encoding/json do; what JSON has no
// number for is null.
func appendFloat(dst []byte, f float64) []byte {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return append(dst, "null"...)
	}
	if i := int64(f); float64(i) == f && i > -1e15 && i < 1e15 && (i != 0 || !math.Signbit(f)) {
		return strconv.AppendInt(dst, i, 10)
	}
	format := byte('f')
	if a := math.Abs(f); a != 0 && (a < 1e-6 || a >= 1e21) {
		format = 'e'
	}
	dst = strconv.AppendFloat(dst, f, format, -1, 64)
	if n := len(dst); format == 'e' && n >= 4 && dst[n-4] == 'e' && dst[n-3] == '-' && dst[n-2] == '0' {
		dst[n-2] = dst[n-1] // e-09 is written e-9
		dst = dst[:n-1]
	}
	return dst
}

// jsonSafe tells which ASCII bytes stand for themselves in a JSON string.
var jsonSafe = func() (t [256]bool) {
	for c := 0x20; c < 0x7F; c++ {
		t[c] = c != '"' && c != '\\'
	}
	return t
}()

const hexDigits = "0123456789abcdef"

// appendString writes s as a JSON string. Beyond what JSON asks for, it writes
// DEL, C1 and invisible characters as \uXXXX: the text stays the same, and no
// raw control reaches a terminal. Invalid UTF-8 becomes U+FFFD.
func appendString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if jsonSafe[c] {
			i++
			continue
		}
		if c >= utf8.RuneSelf {
			r, size := utf8.DecodeRuneInString(s[i:])
			if (r != utf8.RuneError || size > 1) && !safetext.Hidden(r) {
				i += size
				continue
			}
			dst = append(dst, s[start:i]...)
			dst = appendU(dst, r)
			i += size
			start = i
			continue
		}
		dst = append(dst, s[start:i]...)
		switch c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\b':
			dst = append(dst, '\\', 'b')
		case '\f':
			dst = append(dst, '\\', 'f')
		case '\n':
			dst = append(dst, '\\', 'n')
		case '\r':
			dst = append(dst, '\\', 'r')
		case '\t':
			dst = append(dst, '\\', 't')
		default:
			dst = appendU(dst, rune(c))
		}
		i++
		start = i
	}
	return append(append(dst, s[start:]...), '"')
}

// appendU writes r as \uXXXX, or as two of them.
func appendU(dst []byte, r rune) []byte {
	if r > 0xFFFF {
		r -= 0x10000
		dst = appendU(dst, 0xD800+r>>10)
		r = 0xDC00 + r&0x3FF
	}
	return append(dst, '\\', 'u', hexDigits[r>>12&15], hexDigits[r>>8&15], hexDigits[r>>4&15], hexDigits[r&15])
}

// appendEscaped copies JSON that another encoder wrote, escaping the invisible
// characters in its strings as appendString does. In valid JSON they can be
// nowhere else.
func appendEscaped(dst, src []byte) []byte {
	start := 0
	for i := 0; i < len(src); {
		c := src[i]
		if c < 0x7F {
			i++
			continue
		}
		r, size := rune(c), 1
		if c >= utf8.RuneSelf {
			r, size = utf8.DecodeRune(src[i:])
			if (r != utf8.RuneError || size > 1) && !safetext.Hidden(r) {
				i += size
				continue
			}
		}
		dst = append(dst, src[start:i]...)
		dst = appendU(dst, r)
		i += size
		start = i
	}
	return append(dst, src[start:]...)
}

// appendIndent writes compact JSON over several lines, two spaces a level,
// like json.Indent; prefix starts every line but the first.
func appendIndent(dst, src []byte, prefix string) []byte {
	depth := 0
	newline := func() {
		dst = append(append(dst, '\n'), prefix...)
		for range depth {
			dst = append(dst, ' ', ' ')
		}
	}
	for i := 0; i < len(src); i++ {
		switch c := src[i]; c {
		case '"':
			n := stringEnd(src, i)
			dst = append(dst, src[i:n]...)
			i = n - 1
		case '{', '[':
			dst = append(dst, c)
			if i+1 < len(src) && (src[i+1] == '}' || src[i+1] == ']') {
				dst = append(dst, src[i+1])
				i++
				continue
			}
			depth++
			newline()
		case '}', ']':
			depth--
			newline()
			dst = append(dst, c)
		case ',':
			dst = append(dst, c)
			newline()
		case ':':
			dst = append(dst, ':', ' ')
		default:
			dst = append(dst, c)
		}
	}
	return dst
}

// stringEnd is the index after the JSON string that starts at src[i].
func stringEnd(src []byte, i int) int {
	for i++; i < len(src); i++ {
		switch src[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(src)
}
