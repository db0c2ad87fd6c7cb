package evidence

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// Source is one file, or one member of an archive, which is named
// ARCHIVE!MEMBER.
type Source struct {
	Name    string
	Size    int64 // as it lies there; -1 when unknown
	ModTime time.Time
	Open    func() (io.ReadCloser, error)
}

// Limits of archives.
const (
	maxMembers  = 100_000
	maxArchives = 3         // one in another
	maxInner    = 512 << 20 // an archive in an archive is held in memory
)

// Stdin is what the path "-" reads.
var Stdin io.Reader = os.Stdin //nolint:forbidigo // drivers have no streams

// Files walks paths (files, folders, globs, "-" for standard input) and gives
// every file and every member of an archive, by name. Nothing of an archive is
// written anywhere. Hidden files, and what macOS puts into archives, are left
// out, unless named.
func Files(paths []string) ([]Source, error) {
	var out []Source
	for _, p := range paths {
		found, err := expand(p)
		if err != nil {
			return nil, err
		}
		for _, f := range found {
			if out, err = appendFile(out, f); err != nil {
				return nil, err
			}
		}
	}
	return out, nil
}

// expand gives the files that a path stands for.
func expand(path string) ([]string, error) {
	if path == "-" {
		return []string{path}, nil
	}
	info, err := os.Stat(path)
	if err != nil {
		matches, globErr := filepath.Glob(path)
		if globErr != nil || len(matches) == 0 {
			return nil, notReadable(path, err)
		}
		var out []string
		for _, m := range matches {
			more, err := expand(m)
			if err != nil {
				return nil, err
			}
			out = append(out, more...)
		}
		return out, nil
	}
	if !info.IsDir() {
		return []string{path}, nil
	}
	var out []string
	err = filepath.WalkDir(path, func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return notReadable(name, err)
		case name != path && strings.HasPrefix(d.Name(), "."):
			if d.IsDir() {
				return fs.SkipDir
			}
		case d.Type().IsRegular():
			out = append(out, name)
		case d.Type()&fs.ModeSymlink != 0: // to a file; folders are not followed: they may be circles
			if t, err := os.Stat(name); err == nil && t.Mode().IsRegular() {
				out = append(out, name)
			}
		}
		return nil
	})
	slices.Sort(out)
	return out, err
}

func notReadable(path string, err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("cannot read %s: there is no such file", path)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("cannot read %s: permission denied", path)
	}
	var pe *fs.PathError
	if errors.As(err, &pe) {
		err = pe.Err
	}
	return fmt.Errorf("cannot read %s: %w", path, err)
}

func appendFile(out []Source, path string) ([]Source, error) {
	if path == "-" {
		return append(out, Source{Name: "-", Size: -1, Open: func() (io.ReadCloser, error) { return io.NopCloser(Stdin), nil }}), nil
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, notReadable(path, err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, notReadable(path, err)
	}
	src := Source{Name: path, Size: info.Size(), ModTime: info.ModTime(), Open: func() (io.ReadCloser, error) {
		f, err := os.Open(path)
		if err != nil {
			return nil, notReadable(path, err)
		}
		return f, nil
	}}
	if !info.Mode().IsRegular() {
		return append(out, src), nil
	}
	at := openerAt(func() (io.ReaderAt, io.Closer, error) {
		f, err := os.Open(path)
		return f, f, err
	})
	return appendMembers(out, src, at, 0)
}

// openerAt opens a file to be read anywhere.
type openerAt func() (io.ReaderAt, io.Closer, error)

// appendMembers gives the members of src if it is an archive, else src.
func appendMembers(out []Source, src Source, at openerAt, depth int) ([]Source, error) {
	r, closer, err := at()
	if err != nil {
		return nil, notReadable(src.Name, err)
	}
	defer closer.Close()
	head := make([]byte, 512)
	n, err := r.ReadAt(head, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, notReadable(src.Name, err)
	}
	head = head[:n]
	kind := archiveKind(head)
	if kind == "" && (bytes.HasPrefix(head, []byte{0x1f, 0x8b}) || bytes.HasPrefix(head, []byte{0x28, 0xb5, 0x2f, 0xfd})) {
		if inner, _ := innerHead(src); archiveKind(inner) == "tar" {
			kind = "tar"
		}
	}
	if kind != "" && depth == maxArchives {
		return nil, fmt.Errorf("cannot read %s: archives lie %d deep in each other", src.Name, maxArchives+1)
	}
	switch kind {
	case "zip":
		return appendZip(out, src, at, r, depth)
	case "tar":
		return appendTar(out, src, depth)
	}
	return append(out, src), nil
}

func archiveKind(head []byte) string {
	switch {
	case bytes.HasPrefix(head, []byte("PK\x03\x04")), bytes.HasPrefix(head, []byte("PK\x05\x06")):
		return "zip"
	case len(head) >= 262 && string(head[257:262]) == "ustar":
		return "tar"
	}
	return ""
}

// innerHead is the beginning of what is compressed.
func innerHead(src Source) ([]byte, error) {
	rc, err := src.Open()
	if err != nil {
		return nil, err
	}
	defer rc.Close()
	r, err := decompress(rc)
	if err != nil {
		return nil, err
	}
	if c, ok := r.(io.Closer); ok {
		defer c.Close()
	}
	head := make([]byte, 512)
	n, err := io.ReadFull(r, head)
	return head[:n], err
}

// unwanted tells what archives hold besides evidence.
func unwanted(name string) bool {
	base := name[strings.LastIndexByte(name, '/')+1:]
	return strings.HasSuffix(name, "/") || strings.HasPrefix(base, "._") || base == ".DS_Store" || strings.HasPrefix(name, "__MACOSX/") || strings.Contains(name, "/__MACOSX/")
}

func appendZip(out []Source, src Source, at openerAt, r io.ReaderAt, depth int) ([]Source, error) {
	z, err := zip.NewReader(r, src.Size)
	if err != nil {
		return nil, fmt.Errorf("cannot read %s: damaged zip archive", src.Name)
	}
	if len(z.File) > maxMembers {
		return nil, fmt.Errorf("cannot read %s: an archive of %d members; %d are read at most", src.Name, len(z.File), maxMembers)
	}
	for i, f := range z.File {
		if f.FileInfo().IsDir() || unwanted(f.Name) {
			continue
		}
		member := Source{Name: src.Name + "!" + f.Name, Size: int64(min(f.UncompressedSize64, 1<<62)), ModTime: f.Modified, Open: func() (io.ReadCloser, error) {
			return openZipMember(src, at, i)
		}}
		if out, err = appendMember(out, member, depth); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func openZipMember(src Source, at openerAt, i int) (io.ReadCloser, error) {
	r, closer, err := at()
	if err != nil {
		return nil, notReadable(src.Name, err)
	}
	z, err := zip.NewReader(r, src.Size)
	if err != nil || i >= len(z.File) {
		_ = closer.Close()
		return nil, fmt.Errorf("cannot read %s: it changed while it was read", src.Name)
	}
	f := z.File[i]
	name := src.Name + "!" + f.Name
	if f.Flags&1 != 0 {
		_ = closer.Close()
		return nil, fmt.Errorf("cannot read %s: it is encrypted: unpack it first", name)
	}
	rc, err := f.Open()
	if err != nil {
		_ = closer.Close()
		return nil, fmt.Errorf("cannot read %s: a compression that is not known: unpack it first", name)
	}
	return &memberReader{Reader: &unpacked{r: rc, packed: &counter{n: int64(min(f.CompressedSize64, 1<<62))}, what: "zip archive"}, close: func() error { return errors.Join(rc.Close(), closer.Close()) }}, nil
}

type memberReader struct {
	io.Reader
	close func() error
}

func (m *memberReader) Close() error { return m.close() }

// appendMember adds a member, or its own members when it is an archive.
func appendMember(out []Source, m Source, depth int) ([]Source, error) {
	if len(out) > maxMembers {
		return nil, fmt.Errorf("cannot read %s: more than %d files", m.Name, maxMembers)
	}
	rc, err := m.Open()
	if err != nil {
		return append(out, m), nil // told when it is read
	}
	head := make([]byte, 512)
	n, _ := io.ReadFull(rc, head)
	kind := archiveKind(head[:n])
	if kind == "" {
		_ = rc.Close()
		return append(out, m), nil
	}
	all, err := io.ReadAll(io.LimitReader(io.MultiReader(bytes.NewReader(head[:n]), rc), maxInner+1))
	_ = rc.Close()
	if err != nil {
		return append(out, m), nil //nolint:nilerr // told when it is read
	}
	if len(all) > maxInner {
		return nil, fmt.Errorf("cannot read %s: an archive of more than %d MiB inside an archive: unpack it first", m.Name, maxInner>>20)
	}
	src := Source{Name: m.Name, Size: int64(len(all)), ModTime: m.ModTime, Open: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(all)), nil }}
	at := func() (io.ReaderAt, io.Closer, error) { return bytes.NewReader(all), io.NopCloser(nil), nil }
	return appendMembers(out, src, at, depth+1)
}

// tarPass reads a tar from its beginning; opening the members in their order
// continues with one pass instead of starting over for each.
type tarPass struct {
	mu   sync.Mutex
	src  Source
	rest *tarReader // of a pass that was left after member next-1
	next int
}

type tarReader struct {
	tar   *tar.Reader
	close func() error
}

func openTar(src Source) (*tarReader, error) {
	rc, err := src.Open()
	if err != nil {
		return nil, err
	}
	r, err := decompress(rc)
	if err != nil {
		_ = rc.Close()
		return nil, fmt.Errorf("cannot read %s: %w", src.Name, err)
	}
	return &tarReader{tar: tar.NewReader(r), close: func() error {
		if c, ok := r.(io.Closer); ok {
			_ = c.Close()
		}
		return rc.Close()
	}}, nil
}

func appendTar(out []Source, src Source, depth int) ([]Source, error) {
	t, err := openTar(src)
	if err != nil {
		return nil, err
	}
	defer t.close() //nolint:errcheck // read only
	pass := &tarPass{src: src}
	for i := 0; ; i++ {
		h, err := t.tar.Next()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, fmt.Errorf("cannot read %s: damaged tar archive", src.Name)
		}
		if i > maxMembers {
			return nil, fmt.Errorf("cannot read %s: an archive of more than %d members", src.Name, maxMembers)
		}
		if h.Typeflag != tar.TypeReg || unwanted(h.Name) {
			continue
		}
		m := Source{Name: src.Name + "!" + h.Name, Size: h.Size, ModTime: h.ModTime, Open: func() (io.ReadCloser, error) { return pass.open(i) }}
		head := make([]byte, 512)
		n, _ := io.ReadFull(t.tar, head)
		if archiveKind(head[:n]) == "" {
			out = append(out, m)
			continue
		}
		if out, err = appendMember(out, m, depth); err != nil {
			return nil, err
		}
	}
}

// open gives member i.
func (p *tarPass) open(i int) (io.ReadCloser, error) {
	p.mu.Lock()
	t, at := p.rest, p.next
	p.rest = nil
	p.mu.Unlock()
	if t != nil && at > i {
		_ = t.close()
		t = nil
	}
	if t == nil {
		var err error
		if t, err = openTar(p.src); err != nil {
			return nil, err
		}
		at = 0
	}
	for ; ; at++ {
		if _, err := t.tar.Next(); err != nil {
			_ = t.close()
			return nil, fmt.Errorf("cannot read %s: damaged tar archive, or it changed while it was read", p.src.Name)
		}
		if at == i {
			break
		}
	}
	return &memberReader{Reader: t.tar, close: func() error {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.rest != nil {
			return t.close()
		}
		p.rest, p.next = t, i+1
		return nil
	}}, nil
}
