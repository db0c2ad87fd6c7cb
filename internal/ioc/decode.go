package ioc

import (
	"archive/zip"
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"strings"

	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"
)

// Limits of packed sources.
const (
	maxPacked  = 512 << 20 // of a zip, which is read into memory
	maxRatio   = 300       // unpacked against packed, beyond the first megabytes
	maxMembers = 20_000
	maxNesting = 3
	freeRatio  = 16 << 20
)

// headSize is how much of a text decides what it is.
const headSize = 1 << 16

// decode unpacks a source and gives each text in it, as UTF-8, with its
// beginning.
func decode(src io.Reader, name string, nesting int, text func(br *bufio.Reader, name string) error) error {
	br := bufio.NewReaderSize(src, headSize)
	head, err := peek(br)
	if err != nil {
		return err
	}
	switch {
	case bytes.HasPrefix(head, []byte("\x1f\x8b")):
		if nesting >= maxNesting {
			return errors.New("is packed too many times over")
		}
		zr, err := gzip.NewReader(br)
		if err != nil {
			return errors.New("broken gzip data")
		}
		inner := strings.TrimSuffix(name, ".gz")
		left := int64(maxUnpacked)
		return unpackError(decode(&limitReader{src: zr, left: &left}, inner, nesting+1, text))
	case bytes.HasPrefix(head, []byte("PK\x03\x04")):
		if nesting >= maxNesting {
			return errors.New("is packed too many times over")
		}
		return decodeZip(br, name, nesting, text)
	case bytes.HasPrefix(head, []byte("\xef\xbb\xbf")):
		_, _ = br.Discard(3)
	case bytes.HasPrefix(head, []byte("\xff\xfe")), bytes.HasPrefix(head, []byte("\xfe\xff")), looksUTF16(head) != 0:
		order := unicode.LittleEndian
		if bytes.HasPrefix(head, []byte("\xfe\xff")) || looksUTF16(head) == 'B' {
			order = unicode.BigEndian
		}
		br = bufio.NewReaderSize(transform.NewReader(br, unicode.UTF16(order, unicode.UseBOM).NewDecoder()), headSize)
	}
	return text(br, name)
}

func peek(br *bufio.Reader) ([]byte, error) {
	head, err := br.Peek(headSize)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, bufio.ErrBufferFull) {
		return nil, err
	}
	return head, nil
}

// looksUTF16 tells UTF-16 without a mark by where its NULs are: 'L', 'B', or 0.
func looksUTF16(head []byte) byte {
	head = head[:min(len(head), 512)&^1]
	if len(head) < 4 {
		return 0
	}
	even, odd := 0, 0
	for i, c := range head {
		if c == 0 {
			if i%2 == 0 {
				even++
			} else {
				odd++
			}
		}
	}
	switch half := len(head) / 2; {
	case odd*10 > half*8 && even == 0:
		return 'L'
	case even*10 > half*8 && odd == 0:
		return 'B'
	}
	return 0
}

var errRatio = errors.New("unpacks to far more than it is: not read")

// maxUnpacked is the most that one packed source may unpack to.
const maxUnpacked = 4 << 30

func unpackError(err error) error {
	if errors.Is(err, gzip.ErrChecksum) || errors.Is(err, gzip.ErrHeader) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("broken gzip data")
	}
	return err
}

// decodeZip reads all members of an archive. Office documents are archives,
// too, and are refused.
func decodeZip(br *bufio.Reader, name string, nesting int, text func(br *bufio.Reader, name string) error) error {
	data, err := io.ReadAll(io.LimitReader(br, maxPacked+1))
	if err != nil {
		return err
	}
	if len(data) > maxPacked {
		return fmt.Errorf("is larger than %d MB packed: unpack it and give the files", maxPacked>>20)
	}
	z, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return errors.New("broken zip archive")
	}
	for _, f := range z.File {
		switch {
		case f.Name == "[Content_Types].xml":
			return &RefusedError{Name: name, Kind: "an Office document", Do: "save it as CSV or text: libreoffice --headless --convert-to csv " + quoteName(name)}
		case f.Name == "META-INF/MANIFEST.MF":
			return &RefusedError{Name: name, Kind: "a Java archive or Android package", Do: "hunt its hash"}
		case f.Name == "mimetype":
			return &RefusedError{Name: name, Kind: "an OpenDocument file", Do: "save it as CSV or text: libreoffice --headless --convert-to csv " + quoteName(name)}
		}
	}
	if len(z.File) > maxMembers {
		return fmt.Errorf("has more than %d members: unpack it and give the files", maxMembers)
	}
	left := max(int64(len(data))*maxRatio, freeRatio)
	var errs []error
	for _, f := range z.File {
		if f.FileInfo().IsDir() || strings.HasPrefix(f.Name, "__MACOSX/") {
			continue
		}
		inner := name + ":" + f.Name
		r, err := f.Open()
		if err != nil {
			if errors.Is(err, zip.ErrAlgorithm) || f.Flags&1 != 0 {
				err = errors.New("is packed in a way that is not supported: unpack it and give the files")
			}
			errs = append(errs, fmt.Errorf("%s: %w", inner, err))
			continue
		}
		if f.Flags&1 != 0 {
			errs = append(errs, fmt.Errorf("%s: is encrypted: unpack it with its password and give the files", inner))
			continue
		}
		limited := &limitReader{src: r, left: &left}
		if err := decode(limited, inner, nesting+1, text); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", inner, err))
		}
		_ = r.Close()
		if left <= 0 {
			return errors.Join(append(errs, errRatio)...)
		}
	}
	return errors.Join(errs...)
}

// limitReader ends a member when the whole archive has given too much.
type limitReader struct {
	src  io.Reader
	left *int64
}

func (l *limitReader) Read(p []byte) (int, error) {
	if *l.left <= 0 {
		return 0, errRatio
	}
	n, err := l.src.Read(p)
	*l.left -= int64(n)
	return n, err
}
