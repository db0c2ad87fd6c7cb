package plaintext

import (
	"encoding/binary"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf16"
)

func encode(order binary.AppendByteOrder, mark bool, s string) string {
	if mark {
		s = "\ufeff" + s
	}
	var out []byte
	for _, u := range utf16.Encode([]rune(s)) {
		out = order.AppendUint16(out, u)
	}
	return string(out)
}

func TestEncodings(t *testing.T) {
	const text = "FIN-WS-014\r\nbücher.example\n𝔘nicode 日本\n"
	for name, in := range map[string]string{
		"utf-8":              text,
		"utf-8 with a mark":  "\ufeff" + text,
		"utf-16le":           encode(binary.LittleEndian, true, text),
		"utf-16be":           encode(binary.BigEndian, true, text),
		"utf-16le, no mark":  encode(binary.LittleEndian, false, text),
		"utf-16be, no mark":  encode(binary.BigEndian, false, text),
		"utf-16le, odd byte": encode(binary.LittleEndian, true, text) + "x",
	} {
		if got := string(Bytes([]byte(in))); got != text {
			t.Errorf("%s: %q", name, got)
		}
		got, err := io.ReadAll(iotest.OneByteReader(Reader(iotest.OneByteReader(strings.NewReader(in)))))
		if err != nil || string(got) != text {
			t.Errorf("%s, byte by byte: %q, %v", name, got, err)
		}
	}
	long := strings.Repeat("ab\U0001F600", 5000)
	if got := string(Bytes([]byte(encode(binary.LittleEndian, true, long)))); got != long {
		t.Errorf("%d bytes of %d", len(got), len(long))
	}
	for _, s := range []string{"", "a", "\xff", "\x00\x01\x02"[:1], "ab"} {
		if got := string(Bytes([]byte(s))); got != s {
			t.Errorf("%q became %q", s, got)
		}
	}
	_, err := io.ReadAll(Reader(iotest.ErrReader(io.ErrClosedPipe)))
	if err != io.ErrClosedPipe {
		t.Errorf("a failure of reading became %v", err)
	}
}
