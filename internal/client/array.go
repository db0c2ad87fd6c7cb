package client

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"
)

// Array gives the elements of the JSON array at the dotted path `at` ("" is
// the document itself, "data", "data.results"), one at a time with constant
// memory. null there, or on the way there, is an array without elements.
//
// A member "error" or "errors" that says something makes the document no answer,
// whatever array is nearby: the sequence ends with *MalformedError,
// unless other has given an error of its own for it.
//
// Every other member of the objects on the way is given to other (which may be
// nil) with its dotted name ("error", "data.count") and its JSON, before or
// after the elements as the document has it; so is the value at `at` when it
// is not an array, or the members of a document that should be one. An error
// of other ends the sequence with that error.
//
// An element has the grammar of JSON (as json.Valid), at most 16 MiB and at
// most 512 levels; repeated names and bytes that are not UTF-8 pass. Anything
// else, an array or document that does not close, text after it, another kind
// of value at `at` or none at all ends the sequence with *MalformedError, and
// what the reader failed with, with that. The element is valid until the next
// step.
func Array(r io.Reader, at string, other func(name string, value []byte) error) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		w := &walker{s: newScanner(r), at: at, other: other, yield: yield}
		if at != "" {
			w.path = strings.Split(at, ".")
		}
		if err := w.document(); err != nil && !errors.Is(err, errStop) {
			yield(nil, typed(r, err))
		}
	}
}

// Lines gives the values of a stream of JSON documents, one a line or not
// (NDJSON). A last value that was cut ends it with *MalformedError. Limits and
// lifetime are those of Array.
func Lines(r io.Reader) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		s := newScanner(r)
		w := &walker{s: s, yield: yield}
		err := w.begin()
		for end := int64(-1); err == nil; end = s.base + int64(s.pos) {
			if err = s.space(); err == io.EOF {
				return
			}
			if err == nil && s.base+int64(s.pos) == end {
				err = docError{s.bad(s.pos).Error()} // two values without white space between
			}
			if err == nil {
				err = w.element(false)
			}
		}
		if !errors.Is(err, errStop) {
			yield(nil, typed(r, err))
		}
	}
}

var errStop = errors.New("stopped")

// otherError carries an error of the caller past typed.
type otherError struct{ error }

type walker struct {
	s     *scanner
	at    string
	path  []string
	other func(string, []byte) error
	yield func([]byte, error) bool
	walk  *elementWalk // instead of yield: elements are walked where they lie
	found bool
	wrong string // what is at `at` instead of an array
	fault string // what a member "error" next to the array says
}

// typed names the request an error belongs to and makes what is the
// document's fault a *MalformedError.
func typed(r io.Reader, err error) error {
	var oe otherError
	if errors.As(err, &oe) {
		return oe.error
	}
	var me *MalformedError
	var te *TransportError
	if errors.As(err, &me) || errors.As(err, &te) {
		return err
	}
	var at where
	if w, ok := r.(interface{ where() where }); ok {
		at = w.where()
	}
	var doc docError
	switch {
	case errors.As(err, &doc):
		return at.malformed(doc.why, nil)
	case errors.Is(err, io.ErrUnexpectedEOF):
		return at.malformed("the JSON was cut", err)
	}
	return err
}

// docError is a fault of the document, as opposed to one of the reader.
type docError struct{ why string }

func (d docError) Error() string { return d.why }

// of makes a scanner's error the document's, unless the reader failed.
func (w *walker) of(err error) error {
	switch {
	case err == nil:
		return nil
	case err == w.s.err && err != io.EOF:
		return err
	case err == errCut, err == io.EOF:
		return docError{"the JSON was cut"}
	case errors.Is(err, errTooDeep):
		return docError{"the JSON is nested deeper than " + fmt.Sprint(maxDepth)}
	}
	return docError{err.Error()}
}

// begin looks at how the document starts.
func (w *walker) begin() error {
	s := w.s
	err := s.have(1)
	if err == nil && s.buf[s.pos] == utf8BOM[0] {
		if err = s.have(3); err == nil && bytes.HasPrefix(s.buf[s.pos:s.end], utf8BOM) {
			s.pos += 3
		}
	}
	if err == nil {
		err = s.space()
	}
	if err == errCut || err == io.EOF {
		return nil
	}
	if err != nil {
		return w.of(err)
	}
	if s.buf[s.pos] == '<' {
		s.keep = s.pos
		for s.end-s.pos < 4<<10 && s.more() == nil {
		}
		if what := htmlPage(s.buf[s.pos:s.end], "", nil); what != "" {
			return docError{what + " instead of JSON"}
		}
	}
	return nil
}

func (w *walker) document() error {
	s := w.s
	if err := w.begin(); err != nil {
		return err
	}
	if err := s.space(); err == io.EOF {
		return docError{"the answer is empty"}
	} else if err != nil {
		return w.of(err)
	}
	if err := w.descend(0, ""); err != nil {
		return err
	}
	if err := s.space(); err == nil {
		return docError{fmt.Sprintf("text after the JSON document at byte %d", s.base+int64(s.pos))}
	} else if err != io.EOF {
		return w.of(err)
	}
	switch {
	case w.wrong != "" && !w.found:
		return docError{w.wrong}
	case !w.found:
		return docError{fmt.Sprintf("the JSON has no member %q", w.at)}
	case w.fault != "":
		return docError{"the answer contradicts itself: it has a list and an error (" + w.fault + ")"}
	}
	return nil
}

// descend goes down the path; name is the dotted name of the value ahead.
func (w *walker) descend(level int, name string) error {
	c, err := w.s.peek()
	if err != nil {
		return w.of(err)
	}
	here := level == len(w.path)
	switch {
	case c == 'n':
		w.found = true
		return w.of(w.s.value())
	case here && c == '[':
		w.found = true
		return w.elements()
	case !here && c == '{':
		return w.members(level, name)
	case here && c == '{' && level == 0:
		w.wrong = "the JSON is an object, not an array"
		return w.members(-1, "")
	}
	w.wrong = fmt.Sprintf("the JSON is %s, not an array", kindOf(c))
	if name != "" {
		w.wrong = fmt.Sprintf("member %q is %s", name, kindOf(c))
		if here {
			w.wrong += ", not an array"
		}
	}
	return w.give(name)
}

func kindOf(c byte) string {
	switch c {
	case '{':
		return "an object"
	case '[':
		return "an array"
	case '"':
		return "a string"
	case 't', 'f':
		return "a boolean"
	case 'n':
		return "null"
	}
	return "a number"
}

// elements yields what the array ahead holds.
func (w *walker) elements() error {
	s := w.s
	s.pos++ // [
	c, err := s.peek()
	if err != nil {
		return w.of(err)
	}
	if c == ']' {
		s.pos++
		return nil
	}
	for {
		if err := w.element(true); err != nil {
			return err
		}
		if c, err = s.peek(); err != nil {
			return w.of(err)
		}
		s.pos++
		switch c {
		case ',':
			if _, err = s.peek(); err != nil {
				return w.of(err)
			}
		case ']':
			return nil
		default:
			return w.of(s.bad(s.pos - 1))
		}
	}
}

// element yields the value ahead. A number at the very end of the stream is
// whole only outside an array: inside, digits may be missing.
func (w *walker) element(inArray bool) error {
	if w.walk != nil {
		if done, err := w.walk.ahead(w.s); done {
			return err
		}
	}
	v, err := w.bytes()
	if err != nil {
		return err
	}
	if last := v[len(v)-1]; inArray && w.s.pos == w.s.end && last >= '0' && last <= '9' && (v[0] == '-' || v[0] >= '0' && v[0] <= '9') {
		return w.of(errCut)
	}
	if w.walk != nil {
		return w.walk.whole(v)
	}
	if !w.yield(v, nil) {
		return errStop
	}
	return nil
}

// bytes is the value ahead, white space passed before.
func (w *walker) bytes() ([]byte, error) {
	s := w.s
	s.keep = s.pos
	err := s.value()
	from := s.keep
	s.keep = -1
	if err != nil {
		return nil, w.of(err)
	}
	if s.pos-from > s.max {
		return nil, docError{fmt.Sprintf("a value at byte %d is longer than %s", s.base+int64(from), size(int64(s.max)))}
	}
	return s.buf[from:s.pos:s.pos], nil
}

// give hands the value ahead to other; without one it is only passed over.
func (w *walker) give(name string) error {
	if w.other == nil && !namesError(name) {
		return w.of(w.s.value())
	}
	v, err := w.bytes()
	if err != nil {
		return err
	}
	if w.other != nil {
		if err := w.other(name, v); err != nil {
			return otherError{err}
		}
	}
	if namesError(name) && saysSomething(v) {
		w.fault = printable(v, 160)
	}
	return nil
}

func namesError(name string) bool {
	last := name[strings.LastIndexByte(name, '.')+1:]
	return strings.EqualFold(last, "error") || strings.EqualFold(last, "errors")
}

// saysSomething tells whether a value is more than an empty one of its kind.
func saysSomething(v []byte) bool {
	switch strings.Join(strings.Fields(string(v)), "") {
	case "null", "false", "0", `""`, "[]", "{}":
		return false
	}
	return true
}

// members goes through the object ahead. level -1: no member is on the path.
func (w *walker) members(level int, prefix string) error {
	s := w.s
	s.pos++ // {
	c, err := s.peek()
	if err != nil {
		return w.of(err)
	}
	if c == '}' {
		s.pos++
		return nil
	}
	for {
		if c != '"' {
			return w.of(s.bad(s.pos))
		}
		raw, err := w.bytes()
		if err != nil {
			return err
		}
		key := nameOf(raw)
		name := key
		if prefix != "" {
			name = prefix + "." + key
		}
		if c, err = s.peek(); err != nil {
			return w.of(err)
		}
		if c != ':' {
			return w.of(s.bad(s.pos))
		}
		s.pos++
		if _, err = s.peek(); err != nil {
			return w.of(err)
		}
		if level >= 0 && key == w.path[level] {
			err = w.descend(level+1, name)
		} else {
			err = w.give(name)
		}
		if err != nil {
			return err
		}
		if c, err = s.peek(); err != nil {
			return w.of(err)
		}
		s.pos++
		switch c {
		case '}':
			return nil
		case ',':
			if c, err = s.peek(); err != nil {
				return w.of(err)
			}
		default:
			return w.of(s.bad(s.pos - 1))
		}
	}
}

// nameOf decodes a member's name.
func nameOf(raw []byte) string {
	if !bytes.ContainsRune(raw, '\\') {
		return string(raw[1 : len(raw)-1])
	}
	var s string
	if json.Unmarshal(raw, &s) != nil {
		return string(raw[1 : len(raw)-1])
	}
	return s
}
