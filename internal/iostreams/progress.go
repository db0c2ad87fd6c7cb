package iostreams

import (
	"io"
	"strings"
	"time"

	"github.com/charmbracelet/x/ansi"

	"github.com/edrctl/edrctl/internal/safetext"
)

const (
	progressDelay = 300 * time.Millisecond // quick commands show none
	progressEvery = 100 * time.Millisecond
)

// Progress is one line on standard error that says how far something is. It
// shows only on a terminal, not with --quiet, not before 300 ms, at most ten
// times a second, and disappears before anything else is written.
type Progress struct {
	s     *Streams
	w     io.Writer // the error stream below errWriter
	start time.Time
	last  time.Time
	shown bool
	done  bool
}

// StartProgress begins a progress line. There is one at a time: a new one
// takes the place of the old. It never returns nil.
func (s *Streams) StartProgress() *Progress {
	p := &Progress{s: s, start: time.Now()}
	if e, ok := s.ErrOut.(*errWriter); ok {
		p.w = e.w
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.progress.clear()
	if s.progress != nil {
		s.progress.done = true
	}
	if !s.errTTY || s.quiet || p.w == nil || s.plain || s.getenv("TERM") == "dumb" {
		p.done = true
		return p
	}
	s.progress = p
	return p
}

// Set shows text, cut to the width, when it is time to. Calling it often is cheap.
func (p *Progress) Set(text safetext.Display) {
	p.s.mu.Lock()
	defer p.s.mu.Unlock()
	if p.done {
		return
	}
	now := time.Now()
	if now.Sub(p.start) < progressDelay || now.Sub(p.last) < progressEvery {
		return
	}
	p.last, p.shown = now, true
	line := ansi.Truncate(p.s.Show(text), max(p.s.ErrWidth()-1, 1), "…")
	if !p.s.unicode {
		line = strings.ReplaceAll(line, "…", "~")
	}
	_, _ = io.WriteString(p.w, "\r"+line+"\x1b[K")
}

// Done removes the line.
func (p *Progress) Done() {
	p.s.mu.Lock()
	defer p.s.mu.Unlock()
	p.clear()
	p.done = true
	if p.s.progress == p {
		p.s.progress = nil
	}
}

// clear takes the line off the terminal; s.mu is held. A nil Progress is fine.
func (p *Progress) clear() {
	if p == nil || !p.shown {
		return
	}
	p.shown = false
	_, _ = io.WriteString(p.w, "\r\x1b[K")
}
