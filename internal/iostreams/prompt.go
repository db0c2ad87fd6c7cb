package iostreams

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"

	"golang.org/x/term"

	"github.com/edrctl/edrctl/internal/safetext"
)

// ErrNoPrompt says that a question was needed and could not be asked: no
// terminal, or --no-input.
var ErrNoPrompt = errors.New("cannot ask: this is not a terminal")

var errNoInput = fmt.Errorf("%w (or --no-input was given)", ErrNoPrompt)

// CanPrompt tells whether a question can be asked: standard input and standard
// error are terminals and --no-input was not given.
func (s *Streams) CanPrompt() bool { return s.inTTY && s.errTTY && !s.noInput.Load() }

// Confirm asks a yes/no question; Enter alone, end of input and anything but
// y or yes is no.
func (s *Streams) Confirm(ctx context.Context, question safetext.Display) (bool, error) {
	answer, err := s.Ask(ctx, question+" [y/N]: ")
	if err != nil {
		return false, err
	}
	switch strings.ToLower(answer) {
	case "y", "yes":
		return true, nil
	}
	return false, nil
}

// ConfirmTyped asks for a word to be typed; only exactly that word is yes.
func (s *Streams) ConfirmTyped(ctx context.Context, question safetext.Display, word string) (bool, error) {
	if word == "" {
		return s.Confirm(ctx, question)
	}
	answer, err := s.Ask(ctx, question+" ")
	return err == nil && (answer == word || answer == string(safetext.Text(word))), err
}

// Ask reads one line, without the spaces around it. End of input is an empty
// answer.
func (s *Streams) Ask(ctx context.Context, prompt safetext.Display) (string, error) {
	if !s.CanPrompt() {
		return "", errNoInput
	}
	if _, err := io.WriteString(s.ErrOut, s.Show(prompt)); err != nil {
		return "", err
	}
	s.mu.Lock()
	if s.lines == nil {
		s.lines = &lineReader{r: bufio.NewReader(s.In)}
	}
	r := s.lines
	s.mu.Unlock()
	line, err := r.read(ctx)
	if errors.Is(err, io.EOF) || ctx.Err() != nil {
		_, _ = io.WriteString(s.ErrOut, "\n")
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return "", err
	}
	return strings.TrimSpace(line), nil
}

// Password reads a secret without echo. When ctx ends, the terminal's echo is
// put back before the call returns.
func (s *Streams) Password(ctx context.Context, prompt safetext.Display) (string, error) {
	if !s.CanPrompt() {
		return "", errNoInput
	}
	read := s.password
	restore := func() {}
	if read == nil {
		if s.raw == nil {
			return "", errNoInput
		}
		fd := int(s.raw.Fd())
		state, err := term.GetState(fd)
		if err != nil {
			return "", fmt.Errorf("cannot read the terminal's state: %w", err)
		}
		// Off before the question is there: what is sent at once is an
		// answer too, and must not be shown.
		if err := echoOff(fd); err != nil {
			return "", fmt.Errorf("cannot turn the terminal's echo off: %w", err)
		}
		restore = func() { _ = term.Restore(fd, state) }
		read = func() (string, error) {
			if err := awaitLine(ctx, fd); err != nil {
				return "", err
			}
			b, err := term.ReadPassword(fd)
			return string(b), err
		}
	}
	defer restore()
	if _, err := io.WriteString(s.ErrOut, s.Show(prompt)); err != nil {
		return "", err
	}
	type result struct {
		text string
		err  error
	}
	done := make(chan result, 1)
	go func() {
		text, err := read()
		done <- result{text, err}
	}()
	defer func() { _, _ = io.WriteString(s.ErrOut, "\n") }()
	select {
	case r := <-done:
		if errors.Is(r.err, io.EOF) {
			return "", nil
		}
		return r.text, r.err
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

// lineReader reads lines in the background, so that a question ends when its
// context does; a line that comes too late answers the next question only if
// that one is still waiting for the same read.
type lineReader struct {
	mu      sync.Mutex
	r       *bufio.Reader
	pending chan lineResult
}

type lineResult struct {
	line string
	err  error
}

// maxAnswer bounds what one answer may hold in memory.
const maxAnswer = 64 << 10

func (l *lineReader) read(ctx context.Context) (string, error) {
	l.mu.Lock()
	if l.pending == nil {
		c := make(chan lineResult, 1)
		l.pending = c
		go func() {
			line, err := readLine(l.r)
			c <- lineResult{line, err}
		}()
	}
	c := l.pending
	l.mu.Unlock()
	select {
	case r := <-c:
		l.mu.Lock()
		l.pending = nil
		l.mu.Unlock()
		return r.line, r.err
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

func readLine(r *bufio.Reader) (string, error) {
	var b strings.Builder
	for {
		c, err := r.ReadByte()
		if err != nil {
			return b.String(), err
		}
		if c == '\n' {
			return b.String(), nil
		}
		if b.Len() >= maxAnswer {
			return "", errors.New("the answer is too long")
		}
		b.WriteByte(c)
	}
}
