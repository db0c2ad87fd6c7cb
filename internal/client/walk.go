package client

import (
	"errors"
	"io"
	"iter"
	"strings"

	"github.com/edrctl/edrctl/internal/client/jsonwalk"
)

// Walk is Array for elements of which there are millions: read makes of each
// one what the sequence gives, walking its bytes where they were received, so
// that they are passed over once. read must take the element as a whole. An
// element that ends outside of what was received so far is read again from its
// beginning, so read must not act on what it reads. An error that read gives
// for a whole element ends the sequence as it is.
func Walk[T any](r io.Reader, at string, read func(*jsonwalk.Walker) (T, error), other func(name string, value []byte) error) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var item, none T
		w := &walker{s: newScanner(r), at: at, other: other, walk: &elementWalk{
			read: func(j *jsonwalk.Walker) (err error) { item, err = read(j); return err },
			give: func() bool { return yield(item, nil) },
		}}
		if at != "" {
			w.path = strings.Split(at, ".")
		}
		if err := w.document(); err != nil && !errors.Is(err, errStop) {
			yield(none, typed(r, err))
		}
	}
}

// elementWalk reads elements with a walker.
type elementWalk struct {
	json jsonwalk.Walker
	read func(*jsonwalk.Walker) error
	give func() bool
}

// ahead reads the element ahead if what was received holds all of it. What
// the walker cannot read is left to the scanner, which knows what is wrong.
func (e *elementWalk) ahead(s *scanner) (done bool, err error) {
	e.json.Reset(s.buf[s.pos:s.end])
	err = e.read(&e.json)
	if e.json.Err() != nil {
		return false, nil
	}
	s.pos += e.json.Offset()
	return true, e.end(err)
}

// whole reads an element that the scanner has passed over.
func (e *elementWalk) whole(v []byte) error {
	if c := v[0]; c == '-' || c >= '0' && c <= '9' {
		v = append(v, ' ') // to a walker, a number continues until something else comes
	}
	e.json.Reset(v)
	err := e.read(&e.json)
	if err == nil {
		err = e.json.Err()
	}
	return e.end(err)
}

func (e *elementWalk) end(err error) error {
	if err != nil {
		return otherError{err}
	}
	if !e.give() {
		return errStop
	}
	return nil
}
