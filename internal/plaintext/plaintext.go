// Package plaintext reads text as editors and shells write it: UTF-8 with or
// without a byte order mark, and UTF-16, which Windows PowerShell writes when
// output is redirected.
package plaintext

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"io"
	"unicode/utf16"
	"unicode/utf8"
)

// Reader gives the text of r as UTF-8 without a byte order mark. Text that is
// neither marked nor UTF-16 of ASCII passes unchanged.
func Reader(r io.Reader) io.Reader { return &reader{in: bufio.NewReader(r)} }

// Bytes is Reader over what is in memory.
func Bytes(text []byte) []byte {
	out, err := io.ReadAll(Reader(bytes.NewReader(text)))
	if err != nil {
		return text // memory cannot fail to be read
	}
	return out
}

type reader struct {
	in    *bufio.Reader
	order binary.ByteOrder // of UTF-16; nil = the bytes are UTF-8
	known bool
	ready []byte // decoded and not yet read
	err   error
}

func (r *reader) Read(p []byte) (int, error) {
	if !r.known {
		r.known = true
		r.detect()
	}
	if r.order == nil {
		return r.in.Read(p)
	}
	for len(r.ready) == 0 {
		if r.err != nil {
			return 0, r.err
		}
		r.decode()
	}
	n := copy(p, r.ready)
	r.ready = r.ready[n:]
	return n, nil
}

// detect finds the encoding from how the text begins, and skips the mark.
func (r *reader) detect() {
	head, _ := r.in.Peek(3) // a shorter text is what it is
	mark := 0
	switch {
	case bytes.HasPrefix(head, []byte("\xef\xbb\xbf")):
		mark = 3
	case bytes.HasPrefix(head, []byte("\xff\xfe")):
		mark, r.order = 2, binary.LittleEndian
	case bytes.HasPrefix(head, []byte("\xfe\xff")):
		mark, r.order = 2, binary.BigEndian
	case len(head) >= 2 && head[0] != 0 && head[1] == 0:
		r.order = binary.LittleEndian
	case len(head) >= 2 && head[0] == 0 && head[1] != 0:
		r.order = binary.BigEndian
	}
	_, _ = r.in.Discard(mark) // peeked above
}

// decode reads at least one character.
func (r *reader) decode() {
	const most = 2048
	r.ready = r.ready[:0]
	for n := 0; n < most && r.err == nil; n++ {
		if n > 0 && r.in.Buffered() < 4 {
			return // what is there is given before more is waited for
		}
		c, ok := r.unit()
		if !ok {
			return
		}
		if utf16.IsSurrogate(c) {
			low, ok := r.unit()
			if !ok {
				c = utf8.RuneError
			} else {
				c = utf16.DecodeRune(c, low)
			}
		}
		r.ready = utf8.AppendRune(r.ready, c)
	}
}

func (r *reader) unit() (rune, bool) {
	var b [2]byte
	n, err := io.ReadFull(r.in, b[:])
	if err == io.ErrUnexpectedEOF {
		err = io.EOF // an odd byte at the end is not a character
	}
	if r.err = err; n < 2 {
		return 0, false
	}
	return rune(r.order.Uint16(b[:])), true
}
