package fake

import (
	"strconv"
	"unicode/utf8"
)

// js appends JSON: the events of a page are written straight to the answer.
type js struct {
	b    []byte
	more bool // a comma is due
}

func (j *js) comma() {
	if j.more {
		j.b = append(j.b, ',')
	}
	j.more = true
}

func (j *js) key(k string) {
	j.comma()
	j.b = append(j.b, '"')
	j.b = append(j.b, k...)
	j.b = append(j.b, '"', ':')
}

// open begins an object; k is "" for an element of an array.
func (j *js) open(k string) {
	if k == "" {
		j.comma()
	} else {
		j.key(k)
	}
	j.b = append(j.b, '{')
	j.more = false
}

func (j *js) close() {
	j.b = append(j.b, '}')
	j.more = true
}

// str writes a string, null for "".
func (j *js) str(k, v string) {
	j.key(k)
	if v == "" {
		j.b = append(j.b, "null"...)
		return
	}
	j.b = quote(j.b, v)
}

// text writes a string, "" included.
func (j *js) text(k, v string) {
	j.key(k)
	j.b = quote(j.b, v)
}

func (j *js) num(k string, v int64) {
	j.key(k)
	j.b = strconv.AppendInt(j.b, v, 10)
}

// opt writes a number, null for 0.
func (j *js) opt(k string, v int64) {
	if v == 0 {
		j.null(k)
		return
	}
	j.num(k, v)
}

// digits writes a number as a string, null for 0, as ports are.
func (j *js) digits(k string, v int) {
	if v == 0 {
		j.null(k)
		return
	}
	j.text(k, strconv.Itoa(v))
}

func (j *js) float(k string, v float64) {
	j.key(k)
	j.b = strconv.AppendFloat(j.b, v, 'f', -1, 64)
}

func (j *js) bool(k string, v bool) {
	j.key(k)
	j.b = strconv.AppendBool(j.b, v)
}

func (j *js) null(keys ...string) {
	for _, k := range keys {
		j.key(k)
		j.b = append(j.b, "null"...)
	}
}

func (j *js) strs(k string, v []string) {
	j.key(k)
	if v == nil {
		j.b = append(j.b, "null"...)
		return
	}
	j.b = append(j.b, '[')
	for i, s := range v {
		if i > 0 {
			j.b = append(j.b, ',')
		}
		j.b = quote(j.b, s)
	}
	j.b = append(j.b, ']')
}

const hexDigits = "0123456789abcdef"

// quote appends s as a JSON string; invalid UTF-8 becomes U+FFFD.
func quote(b []byte, s string) []byte {
	b = append(b, '"')
	from := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= 0x20 && c != '"' && c != '\\' && c < utf8.RuneSelf {
			i++
			continue
		}
		if c >= utf8.RuneSelf {
			r, n := utf8.DecodeRuneInString(s[i:])
			if r != utf8.RuneError || n > 1 {
				i += n
				continue
			}
			b = append(append(b, s[from:i]...), "\ufffd"...)
		} else {
			b = append(b, s[from:i]...)
			switch c {
			case '"', '\\':
				b = append(b, '\\', c)
			case '\n':
				b = append(b, '\\', 'n')
			case '\r':
				b = append(b, '\\', 'r')
			case '\t':
				b = append(b, '\\', 't')
			default:
				b = append(b, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
			}
		}
		i++
		from = i
	}
	return append(append(b, s[from:]...), '"')
}
