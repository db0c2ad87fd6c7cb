package download_test

import (
	"archive/zip"
	"bytes"
	"compress/flate"
	"crypto/aes"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/sha1"
	"encoding/binary"
	"io"
	"testing"
)

// decrypt reads a WinZip AE-2 member as its specification has it.
func decrypt(t *testing.T, raw []byte, password string) []byte {
	t.Helper()
	z, err := zip.NewReader(bytes.NewReader(raw), int64(len(raw)))
	if err != nil || len(z.File) != 1 {
		t.Fatalf("%v", err)
	}
	f := z.File[0]
	if f.Method != 99 || f.Flags&1 == 0 || !bytes.Equal(f.Extra, []byte{0x01, 0x99, 7, 0, 2, 0, 'A', 'E', 3, 8, 0}) {
		t.Fatalf("method %d flags %x extra %x", f.Method, f.Flags, f.Extra)
	}
	r, err := f.OpenRaw()
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	keys, err := pbkdf2.Key(sha1.New, password, b[:16], 1000, 66)
	if err != nil || !bytes.Equal(keys[64:], b[16:18]) {
		t.Fatalf("the password check differs: %v", err)
	}
	body, mac := b[18:len(b)-10], b[len(b)-10:]
	h := hmac.New(sha1.New, keys[32:64])
	h.Write(body)
	if !bytes.Equal(h.Sum(nil)[:10], mac) {
		t.Fatal("the authentication code differs")
	}
	block, err := aes.NewCipher(keys[:32])
	if err != nil {
		t.Fatal(err)
	}
	out := make([]byte, len(body))
	for i := 0; i < len(body); i += 16 {
		var ctr, key [16]byte
		binary.LittleEndian.PutUint64(ctr[:], uint64(i/16+1))
		block.Encrypt(key[:], ctr[:])
		for j := i; j < min(i+16, len(body)); j++ {
			out[j] = body[j] ^ key[j-i]
		}
	}
	plain, err := io.ReadAll(flate.NewReader(bytes.NewReader(out)))
	if err != nil {
		t.Fatal(err)
	}
	if uint64(len(plain)) != f.UncompressedSize64 {
		t.Errorf("size %d, header says %d", len(plain), f.UncompressedSize64)
	}
	return plain
}
