package download_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/edrctl/edrctl/internal/download"
)

func content(n int) []byte {
	b := make([]byte, n)
	r := rand.NewChaCha8([32]byte{1})
	_, _ = r.Read(b)
	return b
}

// from serves b; resumable or not; failing after some bytes of a call.
func from(b []byte, resumable bool, failAfter int) download.Source {
	return func(_ context.Context, offset int64, w io.Writer) (int64, bool, error) {
		resumed := offset > 0
		if offset > 0 && !resumable {
			t := w.(interface {
				io.Seeker
				Truncate(int64) error
			})
			if err := t.Truncate(0); err != nil {
				return 0, false, err
			}
			if _, err := t.Seek(0, io.SeekStart); err != nil {
				return 0, false, err
			}
			offset, resumed = 0, false
		}
		rest := b[offset:]
		if failAfter > 0 && len(rest) > failAfter {
			n, err := w.Write(rest[:failAfter])
			return int64(n), resumed, errors.Join(err, errors.New("connection lost"))
		}
		n, err := io.CopyBuffer(struct{ io.Writer }{w}, bytes.NewReader(rest), make([]byte, 7777))
		return n, resumed, err
	}
}

func job(name string, b []byte) download.Job {
	return download.Job{
		Name: name, Identity: "p/" + name, Size: int64(len(b)), Now: func() time.Time { return time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC) },
		Manifest: download.Manifest{Carve: "p/" + name, Profile: "p", Backend: "esp", Host: "build-07", Path: "/etc/" + name, User: "ana"},
	}
}

func sha(b []byte) string { s := sha256.Sum256(b); return hex.EncodeToString(s[:]) }

func names(t *testing.T, dir string) []string {
	t.Helper()
	var out []string
	err := filepath.WalkDir(dir, func(p string, d os.DirEntry, err error) error {
		if err == nil && p != dir {
			rel, _ := filepath.Rel(dir, p)
			out = append(out, rel)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestSave(t *testing.T) {
	for _, size := range []int{0, 1, 1000, 256 << 10, 3<<20 + 17} {
		dir := filepath.Join(t.TempDir(), "new")
		b := content(size)
		j := job("passwd.tar", b)
		sum := md5.Sum(b)
		j.Hashes.MD5 = strings.ToUpper(hex.EncodeToString(sum[:]))
		got, err := download.Save(t.Context(), dir, j, from(b, true, 0))
		if err != nil {
			t.Fatal(err)
		}
		if got.Hashes.SHA256 != sha(b) || got.Size != int64(size) {
			t.Errorf("%d: %+v", size, got)
		}
		back, err := os.ReadFile(got.Path)
		if err != nil || !bytes.Equal(back, b) {
			t.Errorf("%d: the file differs: %v", size, err)
		}
		if info, _ := os.Stat(got.Path); info.Mode().Perm() != 0o400 {
			t.Errorf("mode %v", info.Mode())
		}
		if n := names(t, dir); !slices.Equal(n, []string{"passwd.tar", "passwd.tar.json"}) {
			t.Errorf("left: %v", n)
		}
		v, err := download.Verify(t.Context(), got.Path)
		if err != nil || !v.OK || v.Host != "build-07" {
			t.Errorf("%+v %v", v, err)
		}
	}
}

// versioned is from with a version that the server names.
func versioned(version string, from download.Source) download.Source {
	return func(ctx context.Context, offset int64, w io.Writer) (int64, bool, error) {
		v := w.(interface {
			Version() string
			SetVersion(string) error
		})
		if offset > 0 && v.Version() != version {
			return 0, false, errors.New("a part of another version is continued")
		}
		if err := v.SetVersion(version); err != nil {
			return 0, false, err
		}
		return from(ctx, offset, w)
	}
}

// A part is continued in a later run when the server names the version that it
// is of, or a hash will tell at the end; otherwise the file comes whole again.
func TestResume(t *testing.T) {
	b := content(1 << 20)
	same := func(f download.Source) download.Source { return f }
	etag := func(f download.Source) download.Source { return versioned(`"1"`, f) }
	for _, tt := range []struct {
		name      string
		source    func(download.Source) download.Source
		hash      string
		resumable bool
		resumed   int64
	}{
		{"the server names the version", etag, "", true, 400_000},
		{"the vendor knows the hash", same, sha(b), true, 400_000},
		{"nobody knows", same, "", true, 0},
		{"the server cannot resume", etag, "", false, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			j := job("dump", b)
			j.Hashes.SHA256 = tt.hash
			_, err := download.Save(t.Context(), dir, j, tt.source(from(b, tt.resumable, 400_000)))
			var e *download.Error
			if !errors.As(err, &e) || e.Part == "" {
				t.Fatalf("%v", err)
			}
			if n := names(t, dir); !slices.Equal(n, []string{"dump.part", "dump.part.json"}) {
				t.Fatalf("left: %v", n)
			}
			got, err := download.Save(t.Context(), dir, j, tt.source(from(b, tt.resumable, 0)))
			if err != nil || got.Hashes.SHA256 != sha(b) {
				t.Fatalf("%+v %v", got, err)
			}
			if got.Resumed != tt.resumed {
				t.Errorf("resumed %d, want %d", got.Resumed, tt.resumed)
			}
		})
	}
}

// A file that changed between two runs, with a server that says so by nothing
// but the hash, is never saved as whole.
func TestChangedBetweenRuns(t *testing.T) {
	dir := t.TempDir()
	old, now := content(1<<20), bytes.Repeat([]byte("x"), 1<<20)
	j := job("dump", old)
	j.Hashes.SHA256 = sha(now)
	if _, err := download.Save(t.Context(), dir, j, from(old, true, 400_000)); err == nil {
		t.Fatal("no error")
	}
	if _, err := download.Save(t.Context(), dir, j, from(now, true, 0)); !errors.Is(err, download.ErrWrongContent) {
		t.Fatalf("two versions were mixed: %v", err)
	}
	got, err := download.Save(t.Context(), dir, j, from(now, true, 0))
	if err != nil || got.Hashes.SHA256 != sha(now) {
		t.Fatalf("%+v %v", got, err)
	}
}

// A part of another file is neither resumed nor touched.
func TestAnotherFilesPart(t *testing.T) {
	dir := t.TempDir()
	a, b := content(5000), content(6000)
	ja := job("x", a)
	if _, err := download.Save(t.Context(), dir, ja, from(a, true, 100)); err == nil {
		t.Fatal("no error")
	}
	jb := job("x", b)
	jb.Identity = "p/other"
	got, err := download.Save(t.Context(), dir, jb, from(b, true, 0))
	if err != nil || got.Name != "x-2" {
		t.Fatalf("%+v %v", got, err)
	}
	got, err = download.Save(t.Context(), dir, ja, from(a, true, 0))
	if err != nil || got.Name != "x" || got.Hashes.SHA256 != sha(a) {
		t.Fatalf("%+v %v", got, err)
	}
}

func TestNeverOverAnExistingFile(t *testing.T) {
	dir := t.TempDir()
	for _, n := range []string{"x.bin", "x-2.bin.json", "x-3.bin.part"} {
		if err := os.WriteFile(filepath.Join(dir, n), []byte("mine"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("/etc/passwd", filepath.Join(dir, "x-4.bin")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/tmp/elsewhere", filepath.Join(dir, "x-5.bin.part.json")); err != nil {
		t.Fatal(err)
	}
	got, err := download.Save(t.Context(), dir, job("x.bin", []byte("theirs")), from([]byte("theirs"), true, 0))
	if err != nil || got.Name != "x-6.bin" {
		t.Fatalf("%+v %v", got, err)
	}
	for _, n := range []string{"x.bin", "x-2.bin.json", "x-3.bin.part"} {
		if b, _ := os.ReadFile(filepath.Join(dir, n)); string(b) != "mine" {
			t.Errorf("%s is now %q", n, b)
		}
	}
}

func TestWrongContentGetsNoName(t *testing.T) {
	b := content(1000)
	for name, change := range map[string]func(*download.Job){
		"longer":   func(j *download.Job) { j.Size = 999 },
		"sha256":   func(j *download.Job) { j.Hashes.SHA256 = strings.Repeat("0", 64) },
		"md5":      func(j *download.Job) { j.Hashes.MD5 = strings.Repeat("0", 32) },
		"too long": func(j *download.Job) { j.Size = 0 },
	} {
		dir := t.TempDir()
		j := job("x", b)
		change(&j)
		if _, err := download.Save(t.Context(), dir, j, from(b, true, 0)); !errors.Is(err, download.ErrWrongContent) {
			t.Errorf("%s: %v", name, err)
		}
		if n := names(t, dir); len(n) != 0 {
			t.Errorf("%s: left %v", name, n)
		}
	}
	// A file that ends early may get its rest later.
	dir := t.TempDir()
	j := job("x", b)
	j.Size = 1001
	if _, err := download.Save(t.Context(), dir, j, from(b, true, 0)); !errors.Is(err, download.ErrWrongContent) {
		t.Errorf("short: %v", err)
	}
	if n := names(t, dir); slices.Contains(n, "x") {
		t.Errorf("left %v", n)
	}
}

func TestNoRoom(t *testing.T) {
	j := job("x", nil)
	j.Size = 1 << 60
	called := false
	_, err := download.Save(t.Context(), t.TempDir(), j, func(context.Context, int64, io.Writer) (int64, bool, error) {
		called = true
		return 0, false, nil
	})
	if !errors.Is(err, download.ErrNoRoom) || called {
		t.Errorf("%v, asked: %v", err, called)
	}
}

func TestHostileNames(t *testing.T) {
	for _, name := range []string{"../../x", "/etc/cron.d/x", `C:\Windows\x`, "a\x1b[2Jb\x00c", "..", "", strings.Repeat("ä", 400), "NUL", "x\u202egpj.exe", "-rf"} {
		dir := filepath.Join(t.TempDir(), "in")
		got, err := download.Save(t.Context(), dir, job(name, []byte("x")), from([]byte("x"), true, 0))
		if err != nil {
			t.Errorf("%q: %v", name, err)
			continue
		}
		if filepath.Dir(got.Path) != dir || len(names(t, filepath.Dir(dir))) != 3 {
			t.Errorf("%q: %s %v", name, got.Path, names(t, filepath.Dir(dir)))
		}
		if v, err := download.Verify(t.Context(), got.Manifest); err != nil || !v.OK {
			t.Errorf("%q: %+v %v", name, v, err)
		}
	}
}

func TestVerifyFindsChanges(t *testing.T) {
	dir := t.TempDir()
	b := content(5000)
	got, err := download.Save(t.Context(), dir, job("x", b), from(b, true, 0))
	if err != nil {
		t.Fatal(err)
	}
	b[17] ^= 1
	if err := errors.Join(os.Chmod(got.Path, 0o600), os.WriteFile(got.Path, b, 0o600)); err != nil {
		t.Fatal(err)
	}
	if v, err := download.Verify(t.Context(), got.Path); err != nil || v.OK || !strings.Contains(v.Why, "sha256") {
		t.Errorf("%+v %v", v, err)
	}
	_ = os.Remove(got.Path)
	if v, err := download.Verify(t.Context(), got.Path); err != nil || v.OK || v.Why != "the file is not there" {
		t.Errorf("%+v %v", v, err)
	}
}

// python3 with only its standard library reads what WinZip's format says; here
// the archive is opened by an own reader of the specification, and by 7-Zip
// where there is one.
func TestZip(t *testing.T) {
	dir := t.TempDir()
	b := append(bytes.Repeat([]byte("MZ evil "), 50_000), content(100_001)...)
	j := job("evil.exe", b)
	j.Zip = download.SamplePassword
	got, err := download.Save(t.Context(), dir, j, from(b, true, 0))
	if err != nil {
		t.Fatal(err)
	}
	if n := names(t, dir); !slices.Equal(n, []string{"evil.exe.zip", "evil.exe.zip.json"}) {
		t.Errorf("left %v", n)
	}
	raw, err := os.ReadFile(got.Path)
	if err != nil || bytes.Contains(raw, []byte("MZ evil MZ evil")) {
		t.Errorf("not encrypted: %v", err)
	}
	if back := decrypt(t, raw, download.SamplePassword); !bytes.Equal(back, b) {
		t.Error("another content came back")
	}
	v, err := download.Verify(t.Context(), got.Path)
	if err != nil || !v.OK || v.SHA256 != sha(b) {
		t.Errorf("%+v %v", v, err)
	}
	if exe, err := exec.LookPath("7z"); err == nil {
		if out, err := exec.Command(exe, "t", "-pinfected", got.Path).CombinedOutput(); err != nil {
			t.Errorf("7z: %v %s", err, out)
		}
	}
}

func tarOf(t *testing.T, members ...tar.Header) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, h := range members {
		body := "content of " + h.Name
		h.Mode = 0o4777
		if h.Typeflag == 0 || h.Typeflag == tar.TypeReg {
			h.Typeflag, h.Size = tar.TypeReg, int64(len(body))
		}
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if h.Typeflag == tar.TypeReg {
			_, _ = io.WriteString(w, body)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestExtractHostileTar(t *testing.T) {
	plain := tarOf(t,
		tar.Header{Name: "etc/passwd"},
		tar.Header{Name: "/etc/shadow"},
		tar.Header{Name: `C:\Windows\evil.dll`},
		tar.Header{Name: "../../escape"},
		tar.Header{Name: `..\..\escape`},
		tar.Header{Name: "link", Typeflag: tar.TypeSymlink, Linkname: "/etc"},
		tar.Header{Name: "link/through"},
		tar.Header{Name: "hard", Typeflag: tar.TypeLink, Linkname: "../../../etc/passwd"},
		tar.Header{Name: "pipe", Typeflag: tar.TypeFifo},
		tar.Header{Name: "etc/passwd"},
		tar.Header{Name: "etc/passwd/below"},
		tar.Header{Name: "a\x1b[31m\u202e/b"},
		tar.Header{Name: strings.Repeat("d/", 100) + "deep"},
	)
	var gz bytes.Buffer
	w := gzip.NewWriter(&gz)
	_, _ = w.Write(plain)
	_ = w.Close()
	enc, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	for kind, data := range map[string][]byte{"tar": plain, "tar.gz": gz.Bytes(), "tar.zst": enc.EncodeAll(plain, nil)} {
		top := t.TempDir()
		file := filepath.Join(top, "in", "carve."+kind)
		if err := errors.Join(os.Mkdir(filepath.Dir(file), 0o700), os.WriteFile(file, data, 0o400)); err != nil {
			t.Fatal(err)
		}
		out, err := download.Extract(t.Context(), file, download.Limits{})
		if err != nil {
			t.Fatalf("%s: %v", kind, err)
		}
		want := []string{"etc/passwd", "etc/shadow", "C_/Windows/evil.dll", "link/through", "etc/passwd-2"}
		if !slices.Equal(out.Files[:5], want) || len(out.Files) != 6 || len(out.Skipped) != 7 {
			t.Errorf("%s: %q skipped %q", kind, out.Files, out.Skipped)
		}
		for _, n := range names(t, top) {
			info, err := os.Lstat(filepath.Join(top, n))
			if err != nil || !info.Mode().IsRegular() && !info.IsDir() || info.Mode()&(os.ModeSetuid|0o111) != 0 && !info.IsDir() {
				t.Errorf("%s: %s %v", kind, n, info.Mode())
			}
			if !strings.HasPrefix(n, "in") {
				t.Errorf("%s: %s escaped", kind, n)
			}
		}
		if _, err := download.Extract(t.Context(), file, download.Limits{}); !errors.Is(err, os.ErrExist) {
			t.Errorf("%s: again: %v", kind, err)
		}
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func TestBombs(t *testing.T) {
	var gz bytes.Buffer
	w := gzip.NewWriter(&gz)
	_, _ = io.CopyN(w, zeros{}, 300<<20)
	_ = w.Close()
	many := make([]tar.Header, 60)
	for i := range many {
		many[i].Name = fmt.Sprint(i)
	}
	for name, c := range map[string]struct {
		data   []byte
		limits download.Limits
	}{
		"ratio": {gz.Bytes(), download.Limits{}},
		"bytes": {gz.Bytes(), download.Limits{Bytes: 1 << 20}},
		"files": {tarOf(t, many...), download.Limits{Files: 50}},
	} {
		dir := t.TempDir()
		file := filepath.Join(dir, "x")
		if err := os.WriteFile(file, c.data, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := download.Extract(t.Context(), file, c.limits); name != "ratio" && !errors.Is(err, download.ErrBomb) {
			t.Errorf("%s: %v", name, err)
		} else if name == "ratio" && err != nil && !errors.Is(err, download.ErrBomb) {
			t.Errorf("%s: %v", name, err)
		} else if err != nil && len(names(t, dir)) != 1 {
			t.Errorf("%s: left %v", name, names(t, dir))
		}
	}
}

func TestExtractGzipFile(t *testing.T) {
	dir := t.TempDir()
	var gz bytes.Buffer
	w := gzip.NewWriter(&gz)
	_, _ = io.WriteString(w, "hello")
	_ = w.Close()
	file := filepath.Join(dir, "dump.raw.gz")
	if err := os.WriteFile(file, gz.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := download.Extract(t.Context(), file, download.Limits{})
	if err != nil || !slices.Equal(out.Files, []string{"dump.raw"}) {
		t.Fatalf("%+v %v", out, err)
	}
	if err := os.WriteFile(file+"x", gz.Bytes()[:gz.Len()-6], 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := download.Extract(t.Context(), file+"x", download.Limits{}); err == nil {
		t.Error("a cut archive unpacks without an error")
	}
	if err := os.WriteFile(file+"y", []byte("MZ"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := download.Extract(t.Context(), file+"y", download.Limits{}); !errors.Is(err, download.ErrNotArchive) {
		t.Errorf("%v", err)
	}
}

func FuzzExtract(f *testing.F) {
	f.Add([]byte{0x1f, 0x8b, 8, 0})
	f.Add([]byte{0x28, 0xb5, 0x2f, 0xfd, 0})
	f.Add(append(make([]byte, 257), "ustar\x0000"...))
	f.Fuzz(func(t *testing.T, data []byte) {
		top := t.TempDir()
		file := filepath.Join(top, "in", "f")
		if err := errors.Join(os.Mkdir(filepath.Dir(file), 0o700), os.WriteFile(file, data, 0o600)); err != nil {
			t.Fatal(err)
		}
		_, _ = download.Extract(t.Context(), file, download.Limits{Bytes: 1 << 20, Files: 100})
		for _, n := range names(t, top) {
			if info, err := os.Lstat(filepath.Join(top, n)); err != nil || info.Mode()&os.ModeSymlink != 0 || n != "in" && n != "in/f" && !strings.HasPrefix(n, "in/f.d") {
				t.Errorf("%q", n)
			}
		}
	})
}

func FuzzManifest(f *testing.F) {
	f.Add([]byte(`{"format":"edrctl-carve/1","file":"x","size":1}`))
	f.Add([]byte(`{"format":"edrctl-carve/1","file":"../x"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "x.json"), data, 0o600); err != nil {
			t.Fatal(err)
		}
		if v, err := download.Verify(t.Context(), filepath.Join(dir, "x.json")); err == nil && v.OK {
			t.Errorf("%q is accepted", data)
		}
	})
}

func BenchmarkSave(b *testing.B) {
	data := content(64 << 20)
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		dir := b.TempDir()
		if _, err := download.Save(b.Context(), dir, job("x", data), from(data, true, 0)); err != nil {
			b.Fatal(err)
		}
	}
}
