package download

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/klauspost/compress/zstd"

	"github.com/edrctl/edrctl/internal/safetext"
)

// Limits bound what is unpacked, so that a small archive cannot fill a disk.
type Limits struct {
	Bytes int64 // of all members; 0 = 64 GiB
	Files int   // 0 = 100,000
	Ratio int64 // unpacked bytes a packed one, once more than 64 MiB came; 0 = 1000
}

const ratioFrom = 64 << 20

func (l Limits) orDefault() Limits {
	if l.Bytes <= 0 {
		l.Bytes = 64 << 30
	}
	if l.Files <= 0 {
		l.Files = 100_000
	}
	if l.Ratio <= 0 {
		l.Ratio = 1000
	}
	return l
}

// Extracted is what came out of an archive.
type Extracted struct {
	Dir     string   // folder, or "" for a single file
	Files   []string // paths below Dir, or the single file's name
	Bytes   int64
	Skipped []Skipped // members that are not plain files below the folder
}

// Skipped is a member that was not unpacked, and why.
type Skipped struct {
	Name string
	Why  string
}

// Errors of Extract.
var (
	ErrNotArchive = errors.New("not a tar, gzip or zstd file")
	ErrBomb       = errors.New("it unpacks to more than is allowed")
)

// Extract unpacks a tar, gzip or zstd file (or a tar inside one of these) into
// a new folder next to it, FILE.d. Only plain files and folders come out, each
// inside the folder and never over another file; Skipped lists the rest.
// On an error the folder is taken away again.
func Extract(ctx context.Context, file string, limits Limits) (*Extracted, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	x := &extractor{ctx: ctx, limits: limits.orDefault(), packed: &counted{r: f}, out: &Extracted{}}
	r, kind, done, err := unpack(bufio.NewReaderSize(x.packed, 1<<16))
	if err != nil {
		return nil, err
	}
	defer done()
	head, _ := r.Peek(512) // a short file is judged by what there is
	isTar := len(head) > 262 && string(head[257:262]) == "ustar"
	if !isTar && kind == "" {
		return nil, ErrNotArchive
	}
	x.out.Dir = file + ".d"
	if err := os.Mkdir(x.out.Dir, 0o700); err != nil {
		return nil, err
	}
	if x.root, err = os.OpenRoot(x.out.Dir); err != nil {
		return nil, err
	}
	defer x.root.Close()
	if isTar {
		err = x.tar(r)
	} else {
		base := filepath.Base(file)
		name := strings.TrimSuffix(strings.TrimSuffix(base, ".gz"), ".zst")
		err = x.write([]string{safetext.FileName(name)}, r)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("cannot unpack %s: %w", filepath.Base(file), err), x.clear())
	}
	return x.out, nil
}

// clear takes the folder away with its files, which are read-only: Windows
// removes none of those.
func (x *extractor) clear() error {
	for _, name := range x.out.Files {
		if err := x.root.Chmod(name, 0o600); err != nil {
			return err
		}
	}
	if err := x.root.Close(); err != nil {
		return err
	}
	return os.RemoveAll(x.out.Dir)
}

// unpack opens the compression, if there is one.
func unpack(r *bufio.Reader) (out *bufio.Reader, kind string, done func(), err error) {
	head, _ := r.Peek(4) // a short file is judged by what there is
	switch {
	case bytes.HasPrefix(head, []byte{0x1f, 0x8b}):
		z, err := gzip.NewReader(r)
		if err != nil {
			return nil, "", nil, err
		}
		return bufio.NewReaderSize(z, 1<<16), "gzip", func() { _ = z.Close() }, nil
	case bytes.HasPrefix(head, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		z, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(128<<20))
		if err != nil {
			return nil, "", nil, err
		}
		return bufio.NewReaderSize(z, 1<<16), "zstd", z.Close, nil
	}
	return r, "", func() {}, nil
}

type extractor struct {
	ctx    context.Context
	limits Limits
	packed *counted
	root   *os.Root
	out    *Extracted
}

type counted struct {
	r io.Reader
	n int64
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

func (x *extractor) tar(r io.Reader) error {
	t := tar.NewReader(&bounded{x: x, r: r})
	for n := 0; ; n++ {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil && !errors.Is(err, tar.ErrInsecurePath) {
			return err
		}
		if n >= x.limits.Files {
			return fmt.Errorf("%w: it has more than %d members", ErrBomb, x.limits.Files)
		}
		if h.Typeflag == tar.TypeXGlobalHeader {
			continue
		}
		parts, why := place(h.Name)
		switch {
		case h.Typeflag == tar.TypeDir && why == "":
			continue // folders are made for the files in them
		case h.Typeflag == tar.TypeSymlink || h.Typeflag == tar.TypeLink:
			why = "a link to " + h.Linkname
		case h.Typeflag != tar.TypeReg && h.Typeflag != 0 && why == "":
			why = "no plain file"
		}
		if why != "" {
			x.out.Skipped = append(x.out.Skipped, Skipped{h.Name, why})
			continue
		}
		if err := x.write(parts, t); err != nil {
			return err
		}
	}
}

// maxDepth bounds how deep folders go.
const maxDepth = 64

// place turns a member's name into path elements inside the folder, or says
// why it has no place there. ESP's agents pack full paths of the endpoint:
// an absolute name, or one with a drive, is put below the folder as if it
// were relative (docs/wire/esp.md section 12).
func place(name string) (parts []string, why string) {
	n := strings.ReplaceAll(name, `\`, "/")
	for p := range strings.SplitSeq(n, "/") {
		switch p {
		case "", ".":
			continue
		case "..":
			return nil, "it leads out of the folder"
		}
		parts = append(parts, safetext.FileName(p))
	}
	switch {
	case len(parts) == 0:
		return nil, "it has no name"
	case len(parts) > maxDepth:
		return nil, "it lies too deep"
	}
	return parts, ""
}

// write writes one file, under a free name.
func (x *extractor) write(parts []string, r io.Reader) error {
	dir := path.Join(parts[:len(parts)-1]...)
	if dir != "" {
		if err := x.root.MkdirAll(dir, 0o700); err != nil {
			x.out.Skipped = append(x.out.Skipped, Skipped{path.Join(parts...), "its folder cannot be made: " + err.Error()})
			return nil
		}
	}
	base := parts[len(parts)-1]
	ext := path.Ext(base)
	stem := strings.TrimSuffix(base, ext)
	var f *os.File
	var name string
	for i := 1; ; i++ {
		name = path.Join(dir, base)
		if i > 1 {
			name = path.Join(dir, fmt.Sprintf("%s-%d%s", stem, i, ext))
		}
		var err error
		f, err = x.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if errors.Is(err, fs.ErrExist) && i < maxSameName {
			continue
		}
		if err != nil {
			return err
		}
		break
	}
	_, err := io.Copy(f, &bounded{x: x, r: r, count: true})
	if err == nil {
		err = f.Chmod(fileMode)
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	x.out.Files = append(x.out.Files, name)
	return nil
}

// bounded ends with the context, or when the archive unpacks to too much.
// What count is set on is added up.
type bounded struct {
	x     *extractor
	r     io.Reader
	count bool
	seen  int64
}

func (b *bounded) Read(p []byte) (int, error) {
	if err := b.x.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := b.r.Read(p)
	b.seen += int64(n)
	total := b.seen
	if b.count {
		b.x.out.Bytes += int64(n)
		total = b.x.out.Bytes
	}
	switch {
	case total > b.x.limits.Bytes+int64(b.x.limits.Files)*2048 || b.count && total > b.x.limits.Bytes:
		return n, fmt.Errorf("%w: more than %d bytes", ErrBomb, b.x.limits.Bytes)
	case total > ratioFrom && total/b.x.limits.Ratio > b.x.packed.n:
		return n, fmt.Errorf("%w: more than %d times its size", ErrBomb, b.x.limits.Ratio)
	}
	return n, err
}
