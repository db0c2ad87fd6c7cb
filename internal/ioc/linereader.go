package ioc

import (
	"bytes"
	"errors"
	"io"
	"unicode/utf8"
)

var errTooLong = errors.New("line too long")

// lineReader cuts a text into lines that end with LF, CR or both. A line is
// valid until the next one is read.
type lineReader struct {
	src        io.Reader
	buf        []byte
	start, end int
	feed       int // where the next LF is, when it is at or behind start; -1 unknown
	line       int
	skipping   bool
	eof        bool
}

func newLineReader(src io.Reader) *lineReader {
	return &lineReader{src: src, buf: make([]byte, 1<<16), feed: -1}
}

// next gives a line without its end, and its number. errTooLong comes with the
// beginning of a line that is longer than any indicator.
func (l *lineReader) next() (string, int, error) {
	for {
		if l.feed < l.start {
			l.feed = -1
			if i := bytes.IndexByte(l.buf[l.start:l.end], '\n'); i >= 0 {
				l.feed = l.start + i
			}
		}
		limit := l.end
		if l.feed >= 0 {
			limit = l.feed
		}
		at, width := limit, 1
		if i := bytes.IndexByte(l.buf[l.start:limit], '\r'); i >= 0 {
			at = l.start + i
			if at+1 == l.feed {
				width = 2
			}
		}
		if at < l.end && (at+1 < l.end || l.buf[at] == '\n' || l.eof) || l.eof && at == l.end && l.start < l.end {
			text := l.buf[l.start:at]
			l.start = min(at+width, l.end)
			l.line++
			if l.skipping {
				l.skipping = false
				continue
			}
			return validText(text), l.line, nil
		}
		if l.eof {
			return "", l.line, io.EOF
		}
		if err := l.fill(); err != nil {
			if errors.Is(err, errTooLong) {
				text := string(l.buf[:80])
				l.start, l.end, l.feed = 0, 0, -1
				l.line++
				l.skipping = true
				l.line-- // it is counted when its end is found
				return text, l.line + 1, err
			}
			return "", l.line, err
		}
	}
}

// fill reads more, behind what is not used up yet.
func (l *lineReader) fill() error {
	if l.skipping {
		l.start = l.end
	}
	copy(l.buf, l.buf[l.start:l.end])
	l.end, l.start, l.feed = l.end-l.start, 0, -1
	if l.end == len(l.buf) {
		if len(l.buf) >= maxLine {
			return errTooLong
		}
		l.buf = append(l.buf, make([]byte, len(l.buf))...)
	}
	for range 100 {
		n, err := l.src.Read(l.buf[l.end:])
		l.end += n
		if errors.Is(err, io.EOF) {
			l.eof = true
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

// validText is a line as UTF-8; other bytes are read as Latin-1.
func validText(b []byte) string {
	if utf8.Valid(b) {
		return bytesAsString(b)
	}
	out := make([]rune, len(b))
	for i, c := range b {
		out[i] = rune(c)
	}
	return string(out)
}
