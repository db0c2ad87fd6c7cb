package iostreams

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/charmbracelet/x/ansi"
)

// Live is a block of lines on standard error that is drawn again as things go
// on. It shows only on a terminal and not with --quiet.
type Live struct {
	s     *Streams
	w     io.Writer
	drawn int // lines on the terminal
	last  time.Time
}

// StartLive begins a block; nil lines are drawn yet. It never returns nil.
func (s *Streams) StartLive() *Live {
	l := &Live{s: s}
	e, ok := s.ErrOut.(*errWriter)
	if ok && s.errTTY && !s.quiet && !s.plain && s.getenv("TERM") != "dumb" {
		l.w = e.w
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.progress.clear()
	return l
}

// On tells whether the block shows at all.
func (l *Live) On() bool { return l.w != nil }

// Set draws lines, which must be safe already (they may be coloured), in the
// place of those before, at most ten times a second unless now.
func (l *Live) Set(lines []string, now bool) {
	if l.w == nil || !now && time.Since(l.last) < progressEvery {
		return
	}
	l.last = time.Now()
	l.s.mu.Lock()
	defer l.s.mu.Unlock()
	width := max(l.s.ErrWidth()-1, 1)
	var b strings.Builder
	if l.drawn > 0 {
		fmt.Fprintf(&b, "\x1b[%dA\r", l.drawn)
	}
	for _, line := range lines {
		b.WriteString(ansi.Truncate(line, width, "…") + "\x1b[K\n")
	}
	b.WriteString("\x1b[J")
	l.drawn = len(lines)
	_, _ = io.WriteString(l.w, b.String())
}

// Clear takes the block off the terminal.
func (l *Live) Clear() {
	if l.drawn > 0 {
		l.Set(nil, true)
	}
}
