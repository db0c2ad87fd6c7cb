// Package iostreams owns standard input, output and error, and everything
// known about them: whether each is a terminal, its width, colour, what its
// locale can show, whether we may ask a question. Nothing else in the program
// touches the os.Std* files.
//
// No terminal is ever queried: facts come from the environment and from the
// operating system, so a command starts at once on a terminal that does not
// answer.
package iostreams

import (
	"bytes"
	"io"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/term"

	"github.com/edrctl/edrctl/internal/safetext"
)

// Streams are the three standard streams of a run.
//
// Out is for data only and is buffered: it reaches the reader when the
// program pauses, when the buffer is full, and on Flush or Close. ErrOut takes
// everything else.
type Streams struct {
	In     io.Reader
	Out    io.Writer
	ErrOut io.Writer

	out      *writer    // behind Out, nil in tests
	raw      *os.File   // the real stdin, for passwords; nil in tests
	outRaw   fder       // the real stdout, for its size
	errRaw   fder       // the real stderr
	mu       sync.Mutex // guards progress and what is on the error terminal
	callers  sync.Mutex // behind Lock
	progress *Progress

	inTTY, outTTY, errTTY bool
	plain                 bool // a console without escape sequences
	color                 ColorMode
	getenv                func(string) string
	width                 int // 0: find out
	unicode               bool
	quiet                 bool
	noInput               atomic.Bool // the screen turns it on and off while others read it
	lines                 *lineReader
	password              func() (string, error) // tests
}

type fder interface{ Fd() uintptr }

// ColorMode is the value of --color.
type ColorMode string

// The colour modes.
const (
	ColorAuto   ColorMode = "auto"
	ColorAlways ColorMode = "always"
	ColorNever  ColorMode = "never"
)

// System gives the streams of this process; getenv is normally os.Getenv.
// Writing to a closed pipe no longer kills the process: Out returns an error
// that is ErrClosedPipe.
func System(getenv func(string) string) *Streams {
	catchBrokenPipe()
	s := &Streams{
		In: os.Stdin, raw: os.Stdin, outRaw: os.Stdout, errRaw: os.Stderr,
		inTTY:  term.IsTerminal(int(os.Stdin.Fd())),
		outTTY: term.IsTerminal(int(os.Stdout.Fd())),
		errTTY: term.IsTerminal(int(os.Stderr.Fd())),
		color:  ColorAuto, getenv: getenv, unicode: unicodeLocale(getenv, runtime.GOOS),
	}
	s.plain = s.outTTY && !understandsEscapes(os.Stdout) || s.errTTY && !understandsEscapes(os.Stderr)
	s.out = newWriter(os.Stdout, s.beforeOutput)
	s.Out = s.out
	s.ErrOut = &errWriter{s: s, w: os.Stderr}
	return s
}

// Test gives streams over buffers: no terminals, 80 columns, Unicode, an empty
// environment. Out is not buffered. Writers are safe for several goroutines.
func Test() (s *Streams, in, out, errOut *bytes.Buffer) {
	in, out, errOut = &bytes.Buffer{}, &bytes.Buffer{}, &bytes.Buffer{}
	s = &Streams{In: in, color: ColorAuto, getenv: func(string) string { return "" }, width: 80, unicode: true}
	s.Out = &lockedWriter{s: s, w: out}
	s.ErrOut = &errWriter{s: s, w: errOut}
	return s, in, out, errOut
}

// SetTTY says which streams are terminals, for tests.
func (s *Streams) SetTTY(in, out, errOut bool) { s.inTTY, s.outTTY, s.errTTY = in, out, errOut }

// SetWidth fixes the width in columns; 0 finds it out again.
func (s *Streams) SetWidth(n int) { s.width = n }

// SetUnicode says whether the terminal can show more than ASCII.
func (s *Streams) SetUnicode(on bool) { s.unicode = on }

// SetEnv replaces the environment, for tests.
func (s *Streams) SetEnv(getenv func(string) string) {
	s.getenv = getenv
	s.unicode = unicodeLocale(getenv, "linux")
}

// SetPassword answers password prompts, for tests.
func (s *Streams) SetPassword(f func() (string, error)) { s.password = f }

// SetColor applies --color.
func (s *Streams) SetColor(m ColorMode) { s.color = m }

// SetQuiet applies --quiet: no progress, no notices. Warnings and errors stay.
func (s *Streams) SetQuiet(on bool) { s.quiet = on }

// SetNoInput applies --no-input: every prompt is refused.
func (s *Streams) SetNoInput(on bool) { s.noInput.Store(on) }

// Quiet tells whether --quiet was given.
func (s *Streams) Quiet() bool { return s.quiet }

// StdinTTY tells whether standard input is a terminal.
func (s *Streams) StdinTTY() bool { return s.inTTY }

// StdoutTTY tells whether standard output is a terminal.
func (s *Streams) StdoutTTY() bool { return s.outTTY }

// StderrTTY tells whether standard error is a terminal.
func (s *Streams) StderrTTY() bool { return s.errTTY }

// Unicode tells whether box drawing and the like can be shown.
func (s *Streams) Unicode() bool { return s.unicode }

// Show prepares d for what the locale can show.
func (s *Streams) Show(d safetext.Display) string {
	if s.unicode {
		return string(d)
	}
	return string(d.ASCII())
}

// OutWidth is the number of columns of standard output: COLUMNS, else the
// terminal's, else 80.
func (s *Streams) OutWidth() int { return s.widthOf(s.outRaw) }

// ErrWidth is the number of columns of standard error.
func (s *Streams) ErrWidth() int { return s.widthOf(s.errRaw) }

func (s *Streams) widthOf(f fder) int {
	if s.width > 0 {
		return s.width
	}
	if n, err := strconv.Atoi(s.getenv("COLUMNS")); err == nil && n > 0 && n <= 10000 {
		return n
	}
	if f != nil {
		if w, _, err := term.GetSize(int(f.Fd())); err == nil && w > 0 {
			return w
		}
	}
	return 80
}

// OutColor tells whether standard output gets colour.
func (s *Streams) OutColor() bool { return s.colorFor(s.outTTY) }

// ErrColor tells whether standard error gets colour.
func (s *Streams) ErrColor() bool { return s.colorFor(s.errTTY) }

// colorFor decides in this order: --color, NO_COLOR, CLICOLOR_FORCE, not a
// terminal, TERM=dumb, CLICOLOR=0.
func (s *Streams) colorFor(tty bool) bool {
	switch s.color {
	case ColorAlways:
		return true
	case ColorNever:
		return false
	}
	if s.getenv("NO_COLOR") != "" {
		return false
	}
	if f := s.getenv("CLICOLOR_FORCE"); f != "" && f != "0" {
		return true
	}
	return tty && !s.plain && s.getenv("TERM") != "dumb" && s.getenv("CLICOLOR") != "0"
}

// Lock keeps messages of several goroutines apart; it locks nothing inside.
func (s *Streams) Lock() { s.callers.Lock() }

// Unlock ends Lock.
func (s *Streams) Unlock() { s.callers.Unlock() }

// ClearProgress takes the progress line off the terminal until its next Set.
func (s *Streams) ClearProgress() { s.clearProgress(false) }

// Flush writes what Out holds.
func (s *Streams) Flush() error {
	if s.out == nil {
		return nil
	}
	return s.out.Flush()
}

// Close clears the progress line and flushes. The error of a broken pipe is
// returned too (ErrClosedPipe); the caller treats it as success.
func (s *Streams) Close() error {
	s.clearProgress(true)
	if s.out == nil {
		return nil
	}
	return s.out.Close()
}

// CloseWithin is Close for an interrupted run: it waits at most d, as a reader
// that has stopped reading would hold it for ever.
func (s *Streams) CloseWithin(d time.Duration) error {
	done := make(chan error, 1)
	go func() { done <- s.Close() }()
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case err := <-done:
		return err
	case <-t.C:
		return ErrClosedPipe
	}
}

// beforeOutput takes the progress line off a shared terminal before data goes
// to it.
func (s *Streams) beforeOutput() {
	if s.outTTY {
		s.clearProgress(false)
	}
}

func (s *Streams) clearProgress(forGood bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.progress.clear()
	if forGood && s.progress != nil {
		s.progress.done = true
		s.progress = nil
	}
}

// unicodeLocale reads the locale as POSIX orders it. Windows consoles and
// macOS terminals are Unicode without saying so.
func unicodeLocale(getenv func(string) string, goos string) bool {
	if getenv("TERM") == "dumb" {
		return false
	}
	for _, k := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if v := strings.ToUpper(getenv(k)); v != "" {
			return strings.Contains(v, "UTF-8") || strings.Contains(v, "UTF8")
		}
	}
	return goos == "windows" || goos == "darwin"
}
