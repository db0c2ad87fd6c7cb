package iostreams

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"
)

const (
	outBuffer = 64 << 10
	// idle is how long data may wait in the buffer for more to come: too short
	// for a person to see, long enough to gather a burst into one write.
	idle = 15 * time.Millisecond
)

// writer is a buffered writer that empties itself when nobody writes, so that
// `alerts watch | jq` sees each record at once while a bulk listing still goes
// out in large blocks.
type writer struct {
	mu     sync.Mutex
	w      io.Writer
	before func()
	buf    []byte
	timer  *time.Timer
	armed  bool
	err    error
}

func newWriter(w io.Writer, before func()) *writer {
	return &writer{w: w, before: before, buf: make([]byte, 0, outBuffer)}
}

func (w *writer) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err != nil {
		return 0, w.err
	}
	if len(w.buf)+len(p) > cap(w.buf) {
		if err := w.flush(); err != nil {
			return 0, err
		}
	}
	if len(p) >= cap(w.buf) {
		w.before()
		n, err := w.w.Write(p)
		w.err = named(err)
		return n, w.err
	}
	w.buf = append(w.buf, p...)
	if !w.armed {
		w.armed = true
		if w.timer == nil {
			w.timer = time.AfterFunc(idle, w.tick)
		} else {
			w.timer.Reset(idle)
		}
	}
	return len(p), nil
}

// WriteString keeps io.WriteString from copying twice.
func (w *writer) WriteString(s string) (int, error) { return w.Write([]byte(s)) }

func (w *writer) tick() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.armed = false
	_ = w.flush() // the next Write or Close reports it
}

// Flush writes what is held.
func (w *writer) Flush() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.flush()
}

// Close flushes and stops the timer. Later writes still work, unbuffered in
// effect, so that a late message is not lost.
func (w *writer) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.timer != nil {
		w.timer.Stop()
		w.armed = false
	}
	return w.flush()
}

func (w *writer) flush() error {
	if w.err != nil {
		return w.err
	}
	if len(w.buf) == 0 {
		return nil
	}
	w.before()
	_, err := w.w.Write(w.buf)
	w.err = named(err)
	w.buf = w.buf[:0]
	return w.err
}

// errWriter is standard error: not buffered, and never in the middle of a
// progress line or before data that was written earlier to the same terminal.
type errWriter struct {
	s *Streams
	w io.Writer
}

func (e *errWriter) Write(p []byte) (int, error) {
	if e.s.out != nil && e.s.outTTY {
		_ = e.s.out.Flush()
	}
	e.s.mu.Lock()
	defer e.s.mu.Unlock()
	e.s.progress.clear()
	return e.w.Write(p)
}

// lockedWriter is standard output of tests.
type lockedWriter struct {
	s *Streams
	w io.Writer
}

func (l *lockedWriter) Write(p []byte) (int, error) {
	l.s.mu.Lock()
	defer l.s.mu.Unlock()
	if l.s.outTTY {
		l.s.progress.clear()
	}
	return l.w.Write(p)
}

// ErrClosedPipe says that the reader of our output has gone away
// (`edrctl … | head`). That is success: the command stops quietly.
var ErrClosedPipe = errors.New("the reader of the output has gone away")

// IsBrokenPipe tells whether err is ErrClosedPipe or the system's word for it.
func IsBrokenPipe(err error) bool {
	return errors.Is(err, ErrClosedPipe) || errors.Is(err, io.ErrClosedPipe) || errors.Is(err, os.ErrClosed) || isBrokenPipe(err)
}

// named makes every broken pipe an ErrClosedPipe.
func named(err error) error {
	if err != nil && IsBrokenPipe(err) {
		return fmt.Errorf("%w: %w", ErrClosedPipe, err)
	}
	return err
}
