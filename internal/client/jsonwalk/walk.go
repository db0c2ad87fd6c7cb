// Package jsonwalk reads JSON that lies in memory, forwards, without
// reflection and without building anything the caller did not ask for. It is
// for the few documents of which there are millions (log events): a caller
// walks the members it knows, skips the rest, and copies the strings it wants
// into its own buffer.
//
// It is strict about structure (a value that does not close, a missing comma,
// a raw control character in a string are errors) and lenient about types:
// the caller checks which kind of value is where.
package jsonwalk

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"unicode/utf16"
	"unicode/utf8"
)

// ErrShort says that the input ends inside a value: more bytes may complete it.
var ErrShort = errors.New("the JSON ends inside a value")

// SyntaxError says that the input is not JSON.
type SyntaxError struct {
	Offset int // in the walker's buffer
	Why    string
}

func (e *SyntaxError) Error() string { return fmt.Sprintf("%s at byte %d", e.Why, e.Offset) }

// MaxDepth is how deep values may nest.
const MaxDepth = 256

// Walker is a position in a buffer. The first error sticks: every later call
// does nothing and says false or nothing, so that a caller looks at Err once.
type Walker struct {
	buf   []byte
	pos   int
	depth int
	err   error
}

// Reset puts the walker at the beginning of buf.
func (w *Walker) Reset(buf []byte) { *w = Walker{buf: buf} }

// Err is the first error met.
func (w *Walker) Err() error { return w.err }

// Offset is the position in the buffer.
func (w *Walker) Offset() int { return w.pos }

// Since gives the bytes taken since offset from.
func (w *Walker) Since(from int) []byte { return w.buf[from:w.pos] }

// Fail records an error of the caller's own at this position.
func (w *Walker) Fail(why string) {
	if w.err == nil {
		w.err = &SyntaxError{Offset: w.pos, Why: why}
	}
}

func (w *Walker) short() {
	if w.err == nil {
		w.err = ErrShort
	}
}

// Peek skips blanks and gives the first byte of what follows, without taking
// it; 0 at the end of the input, which is an error.
func (w *Walker) Peek() byte {
	if w.err != nil {
		return 0
	}
	for w.pos < len(w.buf) {
		switch c := w.buf[w.pos]; c {
		case ' ', '\t', '\r', '\n':
			w.pos++
		default:
			return c
		}
	}
	w.short()
	return 0
}

// AtEnd tells whether only blanks follow. It is not an error either way.
func (w *Walker) AtEnd() bool {
	for w.err == nil && w.pos < len(w.buf) {
		switch w.buf[w.pos] {
		case ' ', '\t', '\r', '\n':
			w.pos++
		default:
			return false
		}
	}
	return true
}

// Enter takes the opening byte of an object '{' or an array '['. It reports
// false, without an error and without moving, when another value is there.
func (w *Walker) Enter(open byte) bool {
	if w.Peek() != open || w.err != nil {
		return false
	}
	if w.depth++; w.depth > MaxDepth {
		w.Fail("values nest too deeply")
		return false
	}
	w.pos++
	return true
}

// Next moves to the next member or element of the object or array that close
// ('}' or ']') ends; first is true for the call right after Enter. It reports
// false after the closing byte, or on an error.
func (w *Walker) Next(closing byte, first *bool) bool {
	c := w.Peek()
	if w.err != nil {
		return false
	}
	if c == closing {
		w.pos++
		w.depth--
		return false
	}
	if *first {
		*first = false
		return true
	}
	if c != ',' {
		w.Fail("a comma or the end of the value is missing")
		return false
	}
	w.pos++
	if c := w.Peek(); c == closing {
		w.Fail("there is a comma before the end of the value")
	}
	return w.err == nil
}

// Key takes a member's name and the colon. The bytes are valid until the
// buffer changes.
func (w *Walker) Key() []byte {
	raw, escaped := w.rawString()
	if w.Peek() != ':' {
		w.Fail("a colon is missing")
	}
	if w.err != nil {
		return nil
	}
	w.pos++
	switch {
	case escaped:
		return w.unescape(nil, raw)
	case !utf8.Valid(raw):
		return appendValid(nil, raw)
	}
	return raw
}

// AppendString takes a string and appends its text, always valid UTF-8.
func (w *Walker) AppendString(dst []byte) []byte {
	raw, escaped := w.rawString()
	if w.err != nil {
		return dst
	}
	if escaped {
		return w.unescape(dst, raw)
	}
	return appendValid(dst, raw)
}

// AppendScalar takes a string, number, true or false and appends its text;
// null appends nothing. It reports false after skipping an object or array.
func (w *Walker) AppendScalar(dst []byte) ([]byte, bool) {
	switch c := w.Peek(); {
	case c == '"':
		return w.AppendString(dst), w.err == nil
	case c == '{' || c == '[':
		w.Skip()
		return dst, false
	case c == 'n':
		w.Skip()
		return dst, w.err == nil
	}
	raw := w.Raw()
	return append(dst, raw...), w.err == nil
}

// Raw takes any value and gives its bytes unchanged.
func (w *Walker) Raw() []byte {
	w.Peek()
	from := w.pos
	w.Skip()
	if w.err != nil {
		return nil
	}
	return w.buf[from:w.pos]
}

// Skip takes any value.
func (w *Walker) Skip() {
	switch c := w.Peek(); {
	case w.err != nil:
	case c == '"':
		w.rawString()
	case c == '{':
		if !w.Enter('{') {
			return
		}
		for first := true; w.Next('}', &first); {
			w.rawString()
			if w.Peek() != ':' {
				w.Fail("a colon is missing")
				return
			}
			w.pos++
			w.Skip()
		}
	case c == '[':
		if !w.Enter('[') {
			return
		}
		for first := true; w.Next(']', &first); {
			w.Skip()
		}
	case c == 't':
		w.literal("true")
	case c == 'f':
		w.literal("false")
	case c == 'n':
		w.literal("null")
	default:
		w.number()
	}
}

func (w *Walker) literal(text string) {
	rest := w.buf[w.pos:]
	switch {
	case len(rest) >= len(text):
		if string(rest[:len(text)]) != text {
			w.Fail("this is not a JSON value")
			return
		}
		w.pos += len(text)
	case text[:len(rest)] == string(rest):
		w.short()
	default:
		w.Fail("this is not a JSON value")
	}
}

// number takes a number. One that ends with the buffer may continue beyond it.
func (w *Walker) number() {
	from := w.pos
	digits := false
	for w.pos < len(w.buf) {
		switch c := w.buf[w.pos]; {
		case c >= '0' && c <= '9':
			digits = true
		case c == '-' || c == '+' || c == '.' || c == 'e' || c == 'E':
		default:
			if !digits || !validNumber(w.buf[from:w.pos]) {
				w.pos = from
				w.Fail("this is not a JSON value")
			}
			return
		}
		w.pos++
	}
	w.short()
}

func validNumber(b []byte) bool {
	i := 0
	if i < len(b) && b[i] == '-' {
		i++
	}
	from := i
	for i < len(b) && b[i] >= '0' && b[i] <= '9' {
		i++
	}
	if i == from || i-from > 1 && b[from] == '0' {
		return false
	}
	if i < len(b) && b[i] == '.' {
		i++
		from = i
		for i < len(b) && b[i] >= '0' && b[i] <= '9' {
			i++
		}
		if i == from {
			return false
		}
	}
	if i < len(b) && (b[i] == 'e' || b[i] == 'E') {
		i++
		if i < len(b) && (b[i] == '+' || b[i] == '-') {
			i++
		}
		from = i
		for i < len(b) && b[i] >= '0' && b[i] <= '9' {
			i++
		}
		if i == from {
			return false
		}
	}
	return i == len(b)
}

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// special marks the bytes of v that end a run of plain text: the quote, the
// backslash and control characters. The lowest marked byte is exact.
func special(v uint64) uint64 {
	quote := v ^ '"'*ones
	slash := v ^ '\\'*ones
	return ((quote-ones)&^quote | (slash-ones)&^slash | (v-0x20*ones)&^v) & highs
}

// rawString takes a string and gives what is between the quotes, and
// whether there are escapes in it. The escapes are checked.
func (w *Walker) rawString() (raw []byte, escaped bool) {
	if w.Peek() != '"' {
		w.Fail("a string was expected")
		return nil, false
	}
	if w.err != nil {
		return nil, false
	}
	b := w.buf
	i := w.pos + 1
	from := i
	for {
		for i+8 <= len(b) {
			if m := special(binary.LittleEndian.Uint64(b[i:])); m != 0 {
				i += trailingBytes(m)
				break
			}
			i += 8
		}
		if i >= len(b) {
			w.short()
			return nil, false
		}
		switch c := b[i]; {
		case c == '"':
			w.pos = i + 1
			return b[from:i], escaped
		case c == '\\':
			escaped = true
			if i+1 >= len(b) {
				w.short()
				return nil, false
			}
			switch b[i+1] {
			case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
				i += 2
			case 'u':
				if i+6 > len(b) {
					w.short()
					return nil, false
				}
				if _, ok := hex4(b[i+2 : i+6]); !ok {
					w.pos = i
					w.Fail("a wrong escape in a string")
					return nil, false
				}
				i += 6
			default:
				w.pos = i
				w.Fail("a wrong escape in a string")
				return nil, false
			}
		case c < 0x20:
			w.pos = i
			w.Fail("a control character in a string")
			return nil, false
		default:
			i++
		}
	}
}

func trailingBytes(m uint64) int {
	n := 0
	for m&0xff == 0 {
		m >>= 8
		n++
	}
	return n
}

func hex4(b []byte) (rune, bool) {
	var r rune
	for _, c := range b[:4] {
		switch {
		case c >= '0' && c <= '9':
			r = r<<4 | rune(c-'0')
		case c >= 'a' && c <= 'f':
			r = r<<4 | rune(c-'a'+10)
		case c >= 'A' && c <= 'F':
			r = r<<4 | rune(c-'A'+10)
		default:
			return 0, false
		}
	}
	return r, true
}

// unescape appends the text of a raw string whose escapes were checked.
func (w *Walker) unescape(dst, raw []byte) []byte {
	for len(raw) > 0 {
		i := bytes.IndexByte(raw, '\\')
		if i < 0 {
			return appendValid(dst, raw)
		}
		dst = appendValid(dst, raw[:i])
		c := raw[i+1]
		raw = raw[i+2:]
		switch c {
		case 'b':
			dst = append(dst, '\b')
		case 'f':
			dst = append(dst, '\f')
		case 'n':
			dst = append(dst, '\n')
		case 'r':
			dst = append(dst, '\r')
		case 't':
			dst = append(dst, '\t')
		case 'u':
			r, _ := hex4(raw)
			raw = raw[4:]
			if utf16.IsSurrogate(r) {
				high := r
				r = utf8.RuneError // a lone half
				if len(raw) >= 6 && raw[0] == '\\' && raw[1] == 'u' {
					low, _ := hex4(raw[2:])
					if pair := utf16.DecodeRune(high, low); pair != utf8.RuneError {
						r, raw = pair, raw[6:]
					}
				}
			}
			dst = utf8.AppendRune(dst, r)
		default:
			dst = append(dst, c)
		}
	}
	return dst
}

// appendValid appends text, with the replacement character for what is not UTF-8.
func appendValid(dst, text []byte) []byte {
	if utf8.Valid(text) {
		return append(dst, text...)
	}
	for len(text) > 0 {
		r, n := utf8.DecodeRune(text)
		dst = utf8.AppendRune(dst, r)
		text = text[n:]
	}
	return dst
}
