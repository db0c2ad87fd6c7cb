package jsonwalk

import (
	"errors"
	"fmt"
	"io"
)

// Limits of Elements.
const (
	chunk      = 256 << 10 // read at once
	MaxElement = 32 << 20  // one element, or one other member
)

// Elements reads a document of the form {"…": …, name: [element, …], …} from
// r in one pass and with constant memory. It calls element with a walker that
// is on each element of the array called name, which it must take as a
// whole (an element is offered again, from its beginning, when the input read
// so far ends inside it: element must not act before it knows that the walker
// has no error), and member with the bytes of every other member. A null in
// the array's place means no elements.
//
// Errors: what element or member return; what r returns; ErrShort (wrapped)
// when the input ends inside the document; *SyntaxError (wrapped) when it is
// no such document, or when anything but blanks follows it.
func Elements(r io.Reader, name string, element func(*Walker) error, member func(name string, value []byte) error) error {
	s := &stream{r: r, buf: make([]byte, 0, chunk)}
	if err := s.value(func(w *Walker) error {
		if !openOnly(w, '{') {
			w.Fail("an object was expected")
		}
		return nil
	}); err != nil {
		return err
	}
	found := false
	for first := true; ; {
		more, err := s.next('}', &first)
		if err != nil {
			return err
		}
		if !more {
			break
		}
		var key string
		var isArray bool
		if err := s.value(func(w *Walker) error {
			key = string(w.Key())
			isArray = w.Peek() == '[' && key == name
			if isArray {
				openOnly(w, '[')
			}
			return nil
		}); err != nil {
			return err
		}
		if isArray {
			found = true
			if err := s.array(element); err != nil {
				return err
			}
			continue
		}
		var raw []byte
		if err := s.value(func(w *Walker) error { raw = w.Raw(); return nil }); err != nil {
			return err
		}
		if key == name && string(raw) == "null" {
			found = true
			continue
		}
		if member != nil {
			if err := member(key, raw); err != nil {
				return err
			}
		}
	}
	if !found {
		return s.wrap(&SyntaxError{Offset: int(s.base) + s.pos, Why: fmt.Sprintf("there is no array %q", name)})
	}
	return s.end()
}

// openOnly takes an opening byte without counting depth: its end is looked
// for by stream itself.
func openOnly(w *Walker, open byte) bool {
	if w.Peek() != open || w.err != nil {
		return false
	}
	w.pos++
	return true
}

// stream is a window on the input that slides forwards.
type stream struct {
	r    io.Reader
	buf  []byte
	pos  int
	base int64 // bytes given up before buf
	eof  bool
	w    Walker
}

func (s *stream) wrap(err error) error {
	return fmt.Errorf("after %d bytes: %w", s.base+int64(s.pos), err)
}

// more reads until as much again is there as lay unread, or the input ends:
// what is walked again and again doubles each time, so that a value that
// comes in drops costs no more than twice its length.
func (s *stream) more() error {
	if s.eof {
		return s.wrap(ErrShort)
	}
	for want := 2 * (len(s.buf) - s.pos); ; {
		if err := s.fill(); err != nil {
			return err
		}
		if s.eof || len(s.buf)-s.pos >= want {
			return nil
		}
	}
}

// fill reads once, keeping what lies at and after pos.
func (s *stream) fill() error {
	if s.pos > 0 {
		n := copy(s.buf, s.buf[s.pos:])
		s.buf = s.buf[:n]
		s.base += int64(s.pos)
		s.pos = 0
	}
	if len(s.buf) == cap(s.buf) {
		if cap(s.buf) >= MaxElement {
			return s.wrap(&SyntaxError{Why: "one value is too long"})
		}
		grown := make([]byte, len(s.buf), 2*cap(s.buf))
		copy(grown, s.buf)
		s.buf = grown
	}
	for range 100 {
		n, err := s.r.Read(s.buf[len(s.buf):cap(s.buf)])
		s.buf = s.buf[:len(s.buf)+n]
		if errors.Is(err, io.EOF) {
			s.eof = true
			return nil
		}
		if err != nil {
			return err
		}
		if n > 0 {
			return nil
		}
	}
	return io.ErrNoProgress
}

// value runs take at the position and moves over what it took; when the
// input ends inside, it reads more and runs take again.
func (s *stream) value(take func(*Walker) error) error {
	for {
		s.w.Reset(s.buf[s.pos:])
		err := take(&s.w)
		switch {
		case s.w.err == nil:
			s.pos += s.w.pos
			return err
		case errors.Is(s.w.err, ErrShort):
			if err := s.more(); err != nil {
				return err
			}
		default:
			return s.wrap(s.w.err)
		}
	}
}

// next is Walker.Next over the stream.
func (s *stream) next(closing byte, first *bool) (more bool, err error) {
	was := *first
	err = s.value(func(w *Walker) error {
		*first = was
		more = w.Next(closing, first)
		return nil
	})
	return more, err
}

func (s *stream) array(element func(*Walker) error) error {
	for first := true; ; {
		more, err := s.next(']', &first)
		if err != nil {
			return err
		}
		if !more {
			return nil
		}
		if err := s.value(element); err != nil {
			return err
		}
	}
}

// end makes sure that nothing follows the document.
func (s *stream) end() error {
	for {
		s.w.Reset(s.buf[s.pos:])
		if !s.w.AtEnd() {
			return s.wrap(&SyntaxError{Offset: s.w.pos, Why: "something follows the document"})
		}
		if s.pos += s.w.pos; s.eof {
			return nil
		}
		if err := s.fill(); err != nil {
			return err
		}
	}
}
