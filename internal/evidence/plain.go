package evidence

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/klauspost/compress/zstd"
)

// Limits on what is unpacked: a file of evidence compresses twenty times, an
// odd one a hundred; a bomb a thousand and more.
const (
	maxUnpacked = 256 << 30 // of one file
	maxRatio    = 1000
	ratioFree   = 64 << 20 // so much may come of however little
)

// decompress undoes gzip and zstd, told by their magic numbers; also one in
// the other.
func decompress(r io.Reader) (io.Reader, error) {
	for range 3 {
		br := bufio.NewReaderSize(r, 64<<10)
		head, err := br.Peek(4)
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, err
		}
		packed := &counter{r: br}
		switch {
		case bytes.HasPrefix(head, []byte{0x1f, 0x8b}):
			z, err := gzip.NewReader(packed)
			if err != nil {
				return nil, errors.New("damaged gzip: its header cannot be read")
			}
			r = &unpacked{r: z, packed: packed, what: "gzip"}
		case bytes.Equal(head, []byte{0x28, 0xb5, 0x2f, 0xfd}):
			z, err := zstd.NewReader(packed, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(128<<20), zstd.WithDecoderMaxMemory(256<<20))
			if err != nil {
				return nil, errors.New("damaged zstd: its header cannot be read")
			}
			r = &unpacked{r: z, packed: packed, what: "zstd", close: z.Close}
		default:
			return br, nil
		}
	}
	return nil, errors.New("compressed more than three times")
}

type counter struct {
	r io.Reader
	n int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

// unpacked is what comes out of a decoder, within the limits.
type unpacked struct {
	r      io.Reader
	packed *counter
	n      int64
	what   string
	close  func()
}

func (u *unpacked) Read(p []byte) (int, error) {
	n, err := u.r.Read(p)
	u.n += int64(n)
	if bomb := tooMuch(u.n, u.packed.n); bomb != nil {
		return 0, bomb
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return n, fmt.Errorf("damaged %s after %d bytes of its content: %w", u.what, u.n, err)
	}
	return n, err
}

func (u *unpacked) Close() error {
	if u.close != nil {
		u.close()
	}
	return nil
}

// tooMuch says when what was unpacked can be no honest file.
func tooMuch(out, in int64) error {
	switch {
	case out > maxUnpacked:
		return fmt.Errorf("it unpacks to more than %d GiB", maxUnpacked>>30)
	case out > ratioFree && out/maxRatio > in:
		return fmt.Errorf("it unpacks to more than %d times its size: a decompression bomb", maxRatio)
	}
	return nil
}

// encodingOf tells a text that is not UTF-8, or begins with a byte order mark,
// and gives what turns it into plain UTF-8.
func encodingOf(head []byte) func(io.Reader) io.Reader {
	switch {
	case bytes.HasPrefix(head, []byte{0xef, 0xbb, 0xbf}):
		return func(r io.Reader) io.Reader { return skip(r, 3) }
	case bytes.HasPrefix(head, []byte{0xff, 0xfe}):
		return func(r io.Reader) io.Reader { return &wide{r: skip(r, 2), order: binary.LittleEndian} }
	case bytes.HasPrefix(head, []byte{0xfe, 0xff}):
		return func(r io.Reader) io.Reader { return &wide{r: skip(r, 2), order: binary.BigEndian} }
	case len(head) >= 4 && head[0] != 0 && head[1] == 0 && head[2] != 0 && head[3] == 0:
		return func(r io.Reader) io.Reader { return &wide{r: r, order: binary.LittleEndian} }
	case len(head) >= 4 && head[0] == 0 && head[1] != 0 && head[2] == 0 && head[3] != 0:
		return func(r io.Reader) io.Reader { return &wide{r: r, order: binary.BigEndian} }
	}
	return nil
}

func skip(r io.Reader, n int) io.Reader {
	_, _ = io.CopyN(io.Discard, r, int64(n)) // the caller has seen them
	return r
}

// wide turns UTF-16 into UTF-8.
type wide struct {
	r     io.Reader
	order binary.ByteOrder
	in    [4096]byte
	have  int
	out   []byte
	high  rune // the first half of a pair
	err   error
}

func (w *wide) Read(p []byte) (int, error) {
	for len(w.out) == 0 {
		if w.err != nil {
			return 0, w.err
		}
		w.fill()
	}
	n := copy(p, w.out)
	w.out = w.out[n:]
	return n, nil
}

func (w *wide) fill() {
	n, err := w.r.Read(w.in[w.have:])
	w.have += n
	var out []byte
	i := 0
	for ; i+1 < w.have; i += 2 {
		r := rune(w.order.Uint16(w.in[i:]))
		switch {
		case w.high != 0:
			if pair := utf16.DecodeRune(w.high, r); pair != utf8.RuneError {
				r = pair
			} else {
				out = utf8.AppendRune(out, utf8.RuneError)
			}
			w.high = 0
			if utf16.IsSurrogate(r) {
				r = utf8.RuneError
			}
		case utf16.IsSurrogate(r):
			w.high = r
			continue
		}
		out = utf8.AppendRune(out, r)
	}
	w.have = copy(w.in[:], w.in[i:w.have])
	if err != nil {
		w.err = err
		if w.high != 0 || w.have != 0 {
			out = utf8.AppendRune(out, utf8.RuneError)
		}
	}
	w.out = out
}

// magics name files that have no records in them.
var magics = []struct{ magic, what string }{
	{"\xd4\xc3\xb2\xa1", "a packet capture (pcap)"}, {"\xa1\xb2\xc3\xd4", "a packet capture (pcap)"},
	{"\x4d\x3c\xb2\xa1", "a packet capture (pcap)"}, {"\x0a\x0d\x0d\x0a", "a packet capture (pcapng)"},
	{"MZ", "a Windows program"}, {"\x7fELF", "a Linux program"}, {"\xcf\xfa\xed\xfe", "a macOS program"},
	{"%PDF", "a PDF"}, {"\x89PNG", "an image"}, {"\xff\xd8\xff", "an image"}, {"regf", "a registry hive"},
	{"SQLite format 3", "an SQLite database"}, {"PK\x03\x04", "a zip archive"}, {"7z\xbc\xaf\x27\x1c", "a 7z archive: unpack it first"},
	{"Rar!", "a RAR archive: unpack it first"}, {"BZh", "a bzip2 file: unpack it first"}, {"\xfd7zXZ", "an xz file: unpack it first"},
	{"ElfFile\x00", "a Windows event log"}, {"\x00\x05\x16\x07", "a resource fork of macOS"},
}

// binaryKind names what is not text; "" is text.
func binaryKind(head []byte) string {
	for _, m := range magics {
		if bytes.HasPrefix(head, []byte(m.magic)) && (len(m.magic) > 3 || bytes.IndexByte(head, 0) >= 0 || m.magic[0] >= 0x7f) {
			return m.what
		}
	}
	if bytes.IndexByte(head, 0) >= 0 {
		return "a binary file"
	}
	return ""
}
