package download

import (
	"archive/zip"
	"bufio"
	"compress/flate"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"math"
	"os"
	"time"

	"github.com/edrctl/edrctl/internal/safetext"
)

// SamplePassword is what people who exchange malware samples expect.
const SamplePassword = "infected"

// The form of the encryption is WinZip's AE-2 with AES-256, which 7-Zip, WinZip
// and libarchive read: method 99, the real one in extra field 0x9901; salt,
// two bytes that tell a wrong password at once, the deflated file in AES-CTR
// with a little-endian counter, ten bytes of HMAC-SHA1.
const (
	aesMethod  = 99
	aesExtra   = 0x9901
	aesKey     = 32
	aesSalt    = 16
	aesMAC     = 10
	aesRounds  = 1000
	flagCrypt  = 0x1
	flagStream = 0x8 // sizes follow the content
	flagUTF8   = 0x800
)

// zip keeps the part in an encrypted archive, and takes the part away.
func (s *saver) zip(ctx context.Context, m Manifest) (z *Zip, err error) {
	in, err := s.root.Open(s.part())
	if err != nil {
		return nil, err
	}
	defer in.Close()
	tmp := s.final() + ".part"
	if err := s.root.Remove(tmp); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	out, err := s.root.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	sum := sha256.New()
	counted := &counter{w: io.MultiWriter(out, sum)}
	buffered := bufio.NewWriterSize(counted, 1<<16)
	err = WriteZip(buffered, safetext.FileName(s.job.Name), s.job.Zip, m.Downloaded.Time, &ctxReader{ctx, in})
	if err == nil {
		err = buffered.Flush()
	}
	if err == nil {
		err = out.Chmod(fileMode)
	}
	if err == nil {
		err = out.Sync()
	}
	if err = errors.Join(err, out.Close()); err == nil {
		err = s.publish(tmp, s.final())
	}
	if err != nil {
		return nil, errors.Join(err, s.root.Remove(tmp))
	}
	return &Zip{Encryption: "AES-256 (WinZip AE-2)", Member: safetext.FileName(s.job.Name), Size: counted.n, SHA256: hex.EncodeToString(sum.Sum(nil))}, s.root.Remove(s.part())
}

// WriteZip writes a zip of one encrypted member.
func WriteZip(w io.Writer, member, password string, modified time.Time, content io.Reader) error {
	var salt [aesSalt]byte
	_, _ = rand.Read(salt[:]) // never fails
	key, mac, check, err := zipKeys(password, salt[:])
	if err != nil {
		return err
	}
	extra := binary.LittleEndian.AppendUint16(nil, aesExtra)
	extra = binary.LittleEndian.AppendUint16(extra, 7)
	extra = append(extra, 2, 0, 'A', 'E', 3) // AE-2; strength 3 = 256 bits
	extra = binary.LittleEndian.AppendUint16(extra, zip.Deflate)
	date, clock := dosTime(modified)
	fh := &zip.FileHeader{
		Name: member, Method: aesMethod, Flags: flagCrypt | flagStream | flagUTF8, Extra: extra, ReaderVersion: 51, CreatorVersion: 51,
		ModifiedDate: date, ModifiedTime: clock, //nolint:staticcheck // a raw member has no other place for it
	}
	z := zip.NewWriter(w)
	raw, err := z.CreateRaw(fh)
	if err != nil {
		return err
	}
	out := &counter{w: raw}
	if _, err := out.Write(append(salt[:], check...)); err != nil {
		return err
	}
	enc, err := newAESWriter(out, key, mac)
	if err != nil {
		return err
	}
	comp, err := flate.NewWriter(enc, flate.BestSpeed)
	if err != nil {
		return err
	}
	size, err := io.Copy(comp, content)
	if err != nil {
		return err
	}
	if err := comp.Close(); err != nil {
		return err
	}
	if _, err := out.Write(enc.mac.Sum(nil)[:aesMAC]); err != nil {
		return err
	}
	// The sizes are read when the member is closed, by Close.
	fh.CompressedSize64, fh.UncompressedSize64 = uint64(out.n), uint64(size)
	fh.CompressedSize, fh.UncompressedSize = uint32(min(out.n, math.MaxUint32)), uint32(min(size, math.MaxUint32)) //nolint:staticcheck // the raw form is written from these
	return z.Close()
}

func zipKeys(password string, salt []byte) (key, mac, check []byte, err error) {
	b, err := pbkdf2.Key(sha1.New, password, salt, aesRounds, 2*aesKey+2)
	if err != nil {
		return nil, nil, nil, err
	}
	return b[:aesKey], b[aesKey : 2*aesKey], b[2*aesKey:], nil
}

func dosTime(t time.Time) (date, clock uint16) {
	t = t.UTC()
	if t.Year() < 1980 || t.Year() > 2107 {
		return 1<<5 | 1, 0
	}
	return uint16(t.Day() + int(t.Month())<<5 + (t.Year()-1980)<<9), uint16(t.Second()/2 + t.Minute()<<5 + t.Hour()<<11)
}

// aesWriter encrypts in CTR mode with WinZip's counter and authenticates what
// it writes.
type aesWriter struct {
	w      io.Writer
	stream *littleCTR
	mac    hash.Hash
	buf    []byte
}

func newAESWriter(w io.Writer, key, mac []byte) (*aesWriter, error) {
	b, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return &aesWriter{w: w, stream: &littleCTR{block: b}, mac: hmac.New(sha1.New, mac)}, nil
}

func (a *aesWriter) Write(p []byte) (int, error) {
	if cap(a.buf) < len(p) {
		a.buf = make([]byte, len(p))
	}
	out := a.buf[:len(p)]
	a.stream.XORKeyStream(out, p)
	_, _ = a.mac.Write(out) // never fails
	return a.w.Write(out)
}

// littleCTR is CTR with a counter that counts from 1, its lowest byte first.
type littleCTR struct {
	block cipher.Block
	n     uint64
	key   [aes.BlockSize]byte
	used  int // of key; 0 = none is left
}

func (c *littleCTR) XORKeyStream(dst, src []byte) {
	for i := range src {
		if c.used == 0 {
			var ctr [aes.BlockSize]byte
			c.n++
			binary.LittleEndian.PutUint64(ctr[:], c.n)
			c.block.Encrypt(c.key[:], ctr[:])
		}
		dst[i] = src[i] ^ c.key[c.used]
		c.used = (c.used + 1) % aes.BlockSize
	}
}

type counter struct {
	w io.Writer
	n int64
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}

// ctxReader ends with its context.
type ctxReader struct {
	ctx context.Context
	r   io.Reader
}

func (c *ctxReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}
