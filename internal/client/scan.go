package client

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/bits"
)

const (
	scanBuffer = 64 << 10
	// maxElement limits one element of an array and one member outside it.
	maxElement = 16 << 20
)

// scanner reads JSON values from a stream. It holds them to the grammar of
// RFC 8259, as strictly as encoding/json's Valid, and to nothing more: bytes
// that are not UTF-8 and repeated names pass, for they do not lose records.
//
// It exists because reading events is the program's main work: it goes through
// the bytes once, eight at a time inside strings, and copies only what lies
// across the end of the buffer.
type scanner struct {
	r    io.Reader
	buf  []byte
	pos  int   // next byte
	end  int   // end of what was read
	keep int   // first byte that must stay in the buffer; -1: none
	base int64 // offset of buf[0] in the stream
	err  error // what r ended with
	max  int
}

func newScanner(r io.Reader) *scanner {
	return &scanner{r: r, buf: make([]byte, scanBuffer), keep: -1, max: maxElement}
}

var (
	errCut     = errors.New("it was cut")
	errTooDeep = fmt.Errorf("it is nested deeper than %d", maxDepth)
)

// more reads at least one byte. What lies before pos, or before keep, is
// dropped; pos and keep move along.
func (s *scanner) more() error {
	from := s.pos
	if s.keep >= 0 {
		from = s.keep
		if s.end-s.keep >= s.max {
			return fmt.Errorf("a value at byte %d is longer than %s", s.base+int64(s.keep), size(int64(s.max)))
		}
	}
	if from > 0 {
		copy(s.buf, s.buf[from:s.end])
		s.base += int64(from)
		s.pos -= from
		s.end -= from
		if s.keep >= 0 {
			s.keep = 0
		}
	}
	if s.end == len(s.buf) {
		grown := make([]byte, 2*len(s.buf))
		copy(grown, s.buf[:s.end])
		s.buf = grown
	}
	for range 100 {
		if s.err != nil {
			break
		}
		n, err := s.r.Read(s.buf[s.end:])
		if n < 0 || n > len(s.buf)-s.end {
			return errors.New("the reader is broken")
		}
		s.end += n
		s.err = err
		if n > 0 {
			return nil
		}
	}
	switch s.err {
	case nil:
		s.err = io.ErrNoProgress
		return s.err
	case io.EOF:
		return errCut
	}
	return s.err
}

// space moves to the next byte that is not white space; io.EOF at the end of
// the stream.
func (s *scanner) space() error {
	for {
		for ; s.pos < s.end; s.pos++ {
			switch s.buf[s.pos] {
			case ' ', '\t', '\r', '\n':
			default:
				return nil
			}
		}
		if err := s.more(); err != nil {
			if err == errCut {
				return io.EOF
			}
			return err
		}
	}
}

// peek is the next byte that is not white space; the end is errCut.
func (s *scanner) peek() (byte, error) {
	if s.pos < s.end && s.buf[s.pos] > ' ' {
		return s.buf[s.pos], nil
	}
	if err := s.space(); err != nil {
		if err == io.EOF {
			err = errCut
		}
		return 0, err
	}
	return s.buf[s.pos], nil
}

func (s *scanner) bad(i int) error {
	return fmt.Errorf("not JSON at byte %d", s.base+int64(i))
}

// what the grammar expects next
const (
	wantValue = iota
	wantFirstElement
	wantFirstName
	wantName
	wantColon
	wantComma
)

// value moves over one value. Its bytes are buf[keep:pos] when the caller set
// keep to the place of its first byte before.
func (s *scanner) value() error {
	var objects [maxDepth/64 + 1]uint64 // a bit a level: object or array
	depth := 0
	state := wantValue
	i := s.pos
	buf := s.buf[:s.end]

	for {
		if i >= len(buf) {
			s.pos = i
			if err := s.more(); err != nil {
				return err
			}
			i, buf = s.pos, s.buf[:s.end]
		}
		c := buf[i]
		if c <= ' ' {
			if c != ' ' && c != '\n' && c != '\r' && c != '\t' {
				return s.bad(i)
			}
			i++
			continue
		}
		ended := false
		switch state {
		case wantComma:
			object := objects[depth>>6]>>(depth&63)&1 == 1
			switch {
			case c == ',' && object:
				state = wantName
			case c == ',':
				state = wantValue
			case c == '}' && object, c == ']' && !object:
				depth--
				ended = true
			default:
				return s.bad(i)
			}
			i++
		case wantColon:
			if c != ':' {
				return s.bad(i)
			}
			i++
			state = wantValue
		case wantFirstName, wantName:
			if c == '}' && state == wantFirstName {
				i++
				depth--
				ended = true
				break
			}
			if c != '"' {
				return s.bad(i)
			}
			s.pos = i + 1
			if err := s.str(); err != nil {
				return err
			}
			i, buf = s.pos, s.buf[:s.end]
			state = wantColon
		default:
			switch {
			case c == '"':
				s.pos = i + 1
				if err := s.str(); err != nil {
					return err
				}
				i, buf = s.pos, s.buf[:s.end]
				ended = true
			case c == '{' || c == '[':
				if depth++; depth > maxDepth {
					return errTooDeep
				}
				if c == '{' {
					objects[depth>>6] |= 1 << (depth & 63)
					state = wantFirstName
				} else {
					objects[depth>>6] &^= 1 << (depth & 63)
					state = wantFirstElement
				}
				i++
			case c == ']' && state == wantFirstElement:
				i++
				depth--
				ended = true
			default:
				s.pos = i
				if err := s.scalar(c); err != nil {
					return err
				}
				i, buf = s.pos, s.buf[:s.end]
				ended = true
			}
		}
		if ended {
			if depth == 0 {
				s.pos = i
				return nil
			}
			state = wantComma
		}
	}
}

const (
	ones   = 0x0101010101010101
	highs  = 0x8080808080808080
	quotes = '"' * ones
	slashs = '\\' * ones
	spaces = ' ' * ones
)

// str moves over the rest of a string whose opening quote was passed.
func (s *scanner) str() error {
	i := s.pos
	buf := s.buf[:s.end]
	for {
		for i+8 <= len(buf) {
			w := binary.LittleEndian.Uint64(buf[i:])
			q, b := w^quotes, w^slashs
			// The lowest bit set is exact: it marks the first quote,
			// backslash or control character.
			m := ((q-ones)&^q | (b-ones)&^b | (w-spaces)&^w) & highs
			if m != 0 {
				i += bits.TrailingZeros64(m) >> 3
				break
			}
			i += 8
		}
		for i < len(buf) {
			c := buf[i]
			if c == '"' {
				s.pos = i + 1
				return nil
			}
			if c == '\\' || c < ' ' {
				break
			}
			i++
		}
		s.pos = i
		if i >= len(buf) {
			if err := s.more(); err != nil {
				return err
			}
			i, buf = s.pos, s.buf[:s.end]
			continue
		}
		switch c := buf[i]; {
		case c < ' ':
			return s.bad(i)
		case c == '\\':
			if err := s.escape(); err != nil {
				return err
			}
			i, buf = s.pos, s.buf[:s.end]
		}
	}
}

// escape moves over a backslash and what belongs to it.
func (s *scanner) escape() error {
	if err := s.have(2); err != nil {
		return err
	}
	switch s.buf[s.pos+1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		s.pos += 2
		return nil
	case 'u':
		if err := s.have(6); err != nil {
			return err
		}
		for k := 2; k < 6; k++ {
			switch c := s.buf[s.pos+k]; {
			case c >= '0' && c <= '9', c >= 'a' && c <= 'f', c >= 'A' && c <= 'F':
			default:
				return s.bad(s.pos + k)
			}
		}
		s.pos += 6
		return nil
	}
	return s.bad(s.pos + 1)
}

// have makes sure that n bytes from pos are in the buffer.
func (s *scanner) have(n int) error {
	for s.end-s.pos < n {
		if err := s.more(); err != nil {
			return err
		}
	}
	return nil
}

func (s *scanner) scalar(c byte) error {
	switch c {
	case 't':
		return s.word("true")
	case 'f':
		return s.word("false")
	case 'n':
		return s.word("null")
	}
	return s.number()
}

func (s *scanner) word(w string) error {
	for k := 0; k < len(w); k++ {
		if err := s.have(k + 1); err != nil {
			return err
		}
		if s.buf[s.pos+k] != w[k] {
			return s.bad(s.pos + k)
		}
	}
	s.pos += len(w)
	return nil
}

// next is the byte at pos, 0 at the end of the stream: a number at top level
// may end there.
func (s *scanner) next() (byte, error) {
	if s.pos < s.end {
		return s.buf[s.pos], nil
	}
	switch err := s.more(); err {
	case nil:
		return s.buf[s.pos], nil
	case errCut:
		return 0, nil
	default:
		return 0, err
	}
}

func (s *scanner) digits() (int, error) {
	n := 0
	for {
		c, err := s.next()
		if err != nil || c < '0' || c > '9' {
			return n, err
		}
		s.pos++
		n++
	}
}

func (s *scanner) number() error {
	c, err := s.next()
	if err != nil {
		return err
	}
	if c == '-' {
		s.pos++
		if c, err = s.next(); err != nil {
			return err
		}
	}
	if c == '0' {
		s.pos++
	} else if n, err := s.digits(); err != nil || n == 0 {
		return s.numberErr(err)
	}
	if c, err = s.next(); err != nil {
		return err
	}
	if c == '.' {
		s.pos++
		if n, err := s.digits(); err != nil || n == 0 {
			return s.numberErr(err)
		}
		if c, err = s.next(); err != nil {
			return err
		}
	}
	if c == 'e' || c == 'E' {
		s.pos++
		if c, err = s.next(); err != nil {
			return err
		}
		if c == '+' || c == '-' {
			s.pos++
		}
		if n, err := s.digits(); err != nil || n == 0 {
			return s.numberErr(err)
		}
	}
	return nil
}

func (s *scanner) numberErr(err error) error {
	if err != nil {
		return err
	}
	if s.pos >= s.end && s.err == io.EOF {
		return errCut
	}
	return s.bad(s.pos)
}
