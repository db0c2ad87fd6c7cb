package sigma

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"sort"
	"strings"
	"sync"
)

// Loaded is what was read from the paths that a user named.
type Loaded struct {
	Rules    []*Rule
	Problems []*RuleError
	Files    int
	Others   int // YAML documents that are not Sigma
}

// Bounds of an archive.
const (
	maxMembers = 200_000
	maxArchive = 1 << 30 // bytes unpacked
)

// source is one file of rules, with its text.
type source struct {
	name string
	data []byte
}

// Load reads rules from files, folders, and zip and tar.gz archives; "-" is
// standard input. An error is a path that cannot be read; what is wrong in a
// file is a RuleError. Filters are applied and correlations linked.
func Load(paths []string, stdin io.Reader, opts Options) (*Loaded, error) {
	var parsed []Parsed
	var mu sync.Mutex
	work := make(chan struct {
		at  int
		src source
	}, 64)
	var wg sync.WaitGroup
	for range max(runtime.GOMAXPROCS(0), 1) {
		wg.Go(func() {
			for w := range work {
				p := Parse(w.src.name, w.src.data, opts)
				mu.Lock()
				for len(parsed) <= w.at {
					parsed = append(parsed, Parsed{})
				}
				parsed[w.at] = p
				mu.Unlock()
			}
		})
	}
	out := &Loaded{}
	seen := map[string]bool{}
	err := eachSource(paths, stdin, func(s source) {
		if seen[s.name] {
			return
		}
		seen[s.name] = true
		work <- struct {
			at  int
			src source
		}{out.Files, s}
		out.Files++
	})
	close(work)
	wg.Wait()
	if err != nil {
		return nil, err
	}
	out.finish(parsed)
	return out, nil
}

func (l *Loaded) finish(parsed []Parsed) {
	var filters []*Filter
	for _, p := range parsed {
		l.Rules = append(l.Rules, p.Rules...)
		l.Problems = append(l.Problems, p.Problems...)
		l.Others += p.Others
		filters = append(filters, p.Filters...)
	}
	ApplyFilters(l.Rules, filters)
	var problems []*RuleError
	l.Rules, problems = Link(l.Rules)
	l.Problems = append(l.Problems, problems...)
}

func eachSource(paths []string, stdin io.Reader, yield func(source)) error {
	for _, path := range paths {
		if path == "-" {
			data, err := readAll("standard input", stdin)
			if err != nil {
				return err
			}
			yield(source{"-", data})
			continue
		}
		info, err := os.Stat(path)
		if err != nil {
			return fmt.Errorf("%s: %s", path, why(err))
		}
		if info.IsDir() {
			err = eachInFolder(path, yield)
		} else {
			err = eachInFile(path, yield)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// why says what an operating system answered, without its path.
func why(err error) string {
	var p *fs.PathError
	if errors.As(err, &p) {
		err = p.Err
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "no such file or folder"
	case errors.Is(err, fs.ErrPermission):
		return "permission denied"
	}
	return err.Error()
}

func isRuleFile(name string) bool {
	switch strings.ToLower(filepath.Ext(name)) {
	case ".yml", ".yaml":
		return !strings.HasPrefix(filepath.Base(name), ".")
	}
	return false
}

func eachInFolder(dir string, yield func(source)) error {
	var names []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return fmt.Errorf("%s: %s", path, why(err))
		}
		if d.IsDir() && path != dir && strings.HasPrefix(d.Name(), ".") {
			return filepath.SkipDir
		}
		if d.Type().IsRegular() && isRuleFile(path) {
			names = append(names, path)
		}
		return nil
	})
	if err != nil {
		return err
	}
	sort.Strings(names)
	for _, name := range names {
		if err := eachInFile(name, yield); err != nil {
			return err
		}
	}
	return nil
}

func eachInFile(path string, yield func(source)) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("%s: %s", path, why(err))
	}
	defer f.Close()
	var head [4]byte
	n, _ := io.ReadFull(f, head[:])
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		if n > 0 {
			return fmt.Errorf("%s: want a file, not a pipe", path)
		}
		return fmt.Errorf("%s: %s", path, why(err))
	}
	switch {
	case n == 4 && string(head[:2]) == "PK":
		info, err := f.Stat()
		if err != nil {
			return fmt.Errorf("%s: %s", path, why(err))
		}
		return eachInZip(path, f, info.Size(), yield)
	case n >= 2 && head[0] == 0x1f && head[1] == 0x8b:
		return eachInGzip(path, f, yield)
	}
	data, err := readAll(path, f)
	if err != nil {
		return err
	}
	if isTar(data) {
		return eachInTar(path, bytes.NewReader(data), yield)
	}
	yield(source{path, data})
	return nil
}

// readAll reads a file up to a little more than Parse takes.
func readAll(name string, r io.Reader) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("%s: %s", name, why(err))
	}
	return data, nil
}

func isTar(data []byte) bool { return len(data) > 262 && string(data[257:262]) == "ustar" }

func eachInGzip(path string, f io.Reader, yield func(source)) error {
	z, err := gzip.NewReader(f)
	if err != nil {
		return fmt.Errorf("%s: is damaged: not a gzip file", path)
	}
	head := make([]byte, 512)
	n, _ := io.ReadFull(z, head)
	rest := io.MultiReader(bytes.NewReader(head[:n]), z)
	if isTar(head[:n]) {
		return eachInTar(path, rest, yield)
	}
	data, err := readAll(path, rest)
	if err != nil {
		return fmt.Errorf("%s: is damaged", path)
	}
	yield(source{path, data})
	return nil
}

func eachInTar(path string, r io.Reader, yield func(source)) error {
	limited := &io.LimitedReader{R: r, N: maxArchive}
	tr := tar.NewReader(limited)
	for range maxMembers {
		h, err := tr.Next()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil && limited.N <= 0:
			return fmt.Errorf("%s: unpacks to more than 1 GiB", path)
		case err != nil:
			return fmt.Errorf("%s: is damaged", path)
		}
		if h.Typeflag != tar.TypeReg || !isRuleFile(h.Name) {
			continue
		}
		data, err := readAll(path+"/"+h.Name, tr)
		if err != nil {
			return fmt.Errorf("%s: is damaged", path)
		}
		yield(source{path + "/" + h.Name, data})
	}
	return fmt.Errorf("%s: has more than %d files", path, maxMembers)
}

func eachInZip(path string, f io.ReaderAt, size int64, yield func(source)) error {
	z, err := zip.NewReader(f, size)
	if err != nil {
		return fmt.Errorf("%s: is damaged: not a zip file", path)
	}
	if len(z.File) > maxMembers {
		return fmt.Errorf("%s: has more than %d files", path, maxMembers)
	}
	left := int64(maxArchive)
	for _, m := range z.File {
		if m.FileInfo().IsDir() || !isRuleFile(m.Name) {
			continue
		}
		r, err := m.Open()
		if err != nil {
			return fmt.Errorf("%s/%s: is damaged", path, m.Name)
		}
		data, err := readAll(path+"/"+m.Name, r)
		r.Close()
		if err != nil {
			return fmt.Errorf("%s/%s: is damaged", path, m.Name)
		}
		if left -= int64(len(data)); left < 0 {
			return fmt.Errorf("%s: unpacks to more than 1 GiB", path)
		}
		yield(source{path + "/" + m.Name, data})
	}
	return nil
}
