package evidence

import (
	"bufio"
	"bytes"
	"io"
)

// Plain gives the text in which an Item's Offset counts: r without compression
// and encoding. same tells that this is r as it is. A record may be read again
// from its offset; of a table, behind the part before its first record.
func Plain(r io.Reader) (plain io.ReadCloser, same bool, err error) {
	first := bufio.NewReaderSize(r, 64<<10)
	head, _ := first.Peek(4)
	same = !bytes.HasPrefix(head, []byte{0x1f, 0x8b}) && !bytes.Equal(head, []byte{0x28, 0xb5, 0x2f, 0xfd})
	out, err := decompress(first)
	if err != nil {
		return nil, false, err
	}
	var closer io.Closer = io.NopCloser(nil)
	if c, ok := out.(io.Closer); ok {
		closer = c
	}
	text := bufio.NewReaderSize(out, 64<<10)
	out = text
	if head, _ := text.Peek(8); !isBinary(head) {
		if enc := encodingOf(head); enc != nil {
			out, same = enc(text), false
		}
	}
	return struct {
		io.Reader
		io.Closer
	}{out, closer}, same, nil
}

func isBinary(head []byte) bool {
	for _, b := range binaries {
		if bytes.HasPrefix(head, []byte(b.Magic)) {
			return true
		}
	}
	return false
}

// Table tells whether records of a format may be the rows of a table, which
// mean nothing without the header before the first one.
func Table(format string) bool { return format == "defender" || format == "edrctl-csv" }
