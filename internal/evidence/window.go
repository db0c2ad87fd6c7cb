package evidence

import (
	"bytes"
	"errors"
	"io"
)

// maxRecord is the longest line or document that is read.
const maxRecord = 32 << 20

// window is a piece of a text that slides forwards over it.
type window struct {
	r    io.Reader
	buf  []byte
	pos  int   // of what is not taken yet
	base int64 // bytes given up before buf
	line int   // of pos, from 1
	eof  bool
	err  error // of r
}

func newWindow(r io.Reader) *window {
	return &window{r: r, buf: make([]byte, 0, 256<<10), line: 1}
}

func (w *window) rest() []byte  { return w.buf[w.pos:] }
func (w *window) offset() int64 { return w.base + int64(w.pos) }

// more reads on. It reports false when there is no more, or no room for it.
func (w *window) more() bool {
	if w.eof {
		return false
	}
	if w.pos > 0 && (w.pos == len(w.buf) || len(w.buf) == cap(w.buf)) {
		n := copy(w.buf, w.buf[w.pos:])
		w.buf, w.base, w.pos = w.buf[:n], w.base+int64(w.pos), 0
	}
	if len(w.buf) == cap(w.buf) {
		if cap(w.buf) >= maxRecord {
			return false
		}
		grown := make([]byte, len(w.buf), 2*cap(w.buf))
		copy(grown, w.buf)
		w.buf = grown
	}
	for range 100 {
		n, err := w.r.Read(w.buf[len(w.buf):cap(w.buf)])
		w.buf = w.buf[:len(w.buf)+n]
		if err != nil {
			w.eof = true
			if !errors.Is(err, io.EOF) {
				w.err = err
			}
			return n > 0
		}
		if n > 0 {
			return true
		}
	}
	w.eof, w.err = true, io.ErrNoProgress
	return false
}

// take moves over n bytes.
func (w *window) take(n int) {
	w.line += bytes.Count(w.buf[w.pos:w.pos+n], []byte{'\n'})
	w.pos += n
}

// blanks moves over white space. It reports false at the end of the text.
func (w *window) blanks() bool {
	for {
		for i, c := range w.rest() {
			if c != ' ' && c != '\t' && c != '\r' && c != '\n' {
				w.take(i)
				return true
			}
		}
		w.take(len(w.rest()))
		if !w.more() {
			return false
		}
	}
}

// peek gives at least n bytes, fewer only near the end of the text.
// A whole line is enough: there is no more yet where the text is still being
// written.
func (w *window) peek(n int) []byte {
	const magic = 16
	for len(w.rest()) < n && (len(w.rest()) < magic || bytes.IndexByte(w.rest(), '\n') < 0) && w.more() {
	}
	return w.rest()
}

// head gives what is there at the beginning: at least n bytes or a line, at
// most 64 KiB. Of a stream that grows slowly no more is waited for.
func (w *window) head(n int) []byte {
	for len(w.rest()) < n && bytes.IndexByte(w.rest(), '\n') < 0 && w.more() {
	}
	return w.rest()[:min(len(w.rest()), 64<<10)]
}

// thisLine gives the line at the position with its end, without taking it. It
// reports false when the line is longer than a record may be.
func (w *window) thisLine() ([]byte, bool) {
	from := 0
	for {
		rest := w.rest()
		if i := bytes.IndexByte(rest[from:], '\n'); i >= 0 {
			return rest[:from+i+1], true
		}
		from = len(rest)
		if !w.more() {
			return w.rest(), w.eof
		}
	}
}

// skipLine moves behind the end of the line, however long it is.
func (w *window) skipLine() {
	for {
		rest := w.rest()
		if i := bytes.IndexByte(rest, '\n'); i >= 0 {
			w.take(i + 1)
			return
		}
		w.take(len(rest))
		if !w.more() {
			return
		}
	}
}

func trimEnd(line []byte) []byte { return bytes.TrimRight(line, "\r\n") }
