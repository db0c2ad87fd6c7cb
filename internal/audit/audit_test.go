package audit_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/edrctl/edrctl/internal/audit"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv("AUDIT_TEST_DIR"); dir != "" {
		j := open(dir)
		for i := range 40 {
			if err := j.Append(audit.Record{Verb: "isolate", Action: fmt.Sprint(i), Phase: audit.PhaseIntent}); err != nil {
				panic(err)
			}
		}
		return
	}
	os.Exit(m.Run())
}

func open(dir string) *audit.Journal {
	return audit.Open(dir, audit.Who{User: "ana", Host: "desk", PID: os.Getpid(), Command: "edrctl respond …", Case: "IR-1"}, time.Now)
}

func write(t *testing.T, dir string, n int) {
	t.Helper()
	j := open(dir)
	for i := range n {
		r := audit.Record{Verb: "kill", Profile: "p", Targets: []audit.Target{{Host: "h<&>", PID: int64(i), Path: strings.Repeat("x", rand.IntN(9000))}}}
		if err := j.Append(r); err != nil {
			t.Fatal(err)
		}
	}
}

func verify(t *testing.T, dir string) audit.Report {
	t.Helper()
	r, err := audit.Verify(dir)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestChain(t *testing.T) {
	dir := t.TempDir()
	if r := verify(t, dir); !r.OK || r.Records != 0 {
		t.Errorf("no journal: %+v", r)
	}
	write(t, dir, 12)
	if r := verify(t, dir); !r.OK || r.Records != 12 || len(r.Findings) != 0 {
		t.Errorf("%+v", r)
	}
	info, err := os.Stat(audit.Path(dir))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info.Mode(), err)
	}
	for l := range audit.Lines(dir) {
		if l.Record.User != "ana" || l.Record.Case != "IR-1" || l.Record.Time.Location() != time.UTC {
			t.Errorf("%+v", l.Record)
		}
	}
}

func TestTampering(t *testing.T) {
	lines := func(b []byte) [][]byte { return bytes.SplitAfter(bytes.TrimSuffix(b, []byte("\n")), []byte("\n")) }
	for name, c := range map[string]struct {
		change func([]byte) []byte
		line   int
	}{
		"changed": {func(b []byte) []byte {
			l := lines(b)
			l[5] = bytes.Replace(l[5], []byte("kill"), []byte("KILL"), 1)
			return bytes.Join(l, nil)
		}, 7},
		"removed":       {func(b []byte) []byte { l := lines(b); return bytes.Join(append(l[:4:4], l[5:]...), nil) }, 5},
		"swapped":       {func(b []byte) []byte { l := lines(b); l[2], l[3] = l[3], l[2]; return bytes.Join(l, nil) }, 3},
		"end cut":       {func(b []byte) []byte { l := lines(b); return bytes.Join(l[:7], nil) }, 7},
		"first removed": {func(b []byte) []byte { l := lines(b); return bytes.Join(l[1:], nil) }, 1},
		"made invalid":  {func(b []byte) []byte { l := lines(b); l[4] = []byte("x\n"); return bytes.Join(l, nil) }, 5},
		"all removed":   {func([]byte) []byte { return nil }, 0},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			write(t, dir, 10)
			b, err := os.ReadFile(audit.Path(dir))
			if err != nil {
				t.Fatal(err)
			}
			changed := c.change(b)
			if err := os.WriteFile(audit.Path(dir), changed, 0o600); err != nil {
				t.Fatal(err)
			}
			r := verify(t, dir)
			if r.OK {
				t.Fatalf("not found: %+v", r)
			}
			if c.line > 0 && r.Findings[0].Line != c.line {
				t.Errorf("line %d named, want %d: %+v", r.Findings[0].Line, c.line, r.Findings)
			}
		})
	}
}

// A crash at any byte of the last write is reported, healed by the next
// write, and never taken for tampering.
func TestTornWriteHeals(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, 3)
	whole, err := os.ReadFile(audit.Path(dir))
	if err != nil {
		t.Fatal(err)
	}
	before := bytes.LastIndexByte(whole[:len(whole)-1], '\n') + 1
	for _, cut := range []int{before + 1, before + 20, len(whole) - 2, len(whole) - 1} {
		if err := os.WriteFile(audit.Path(dir), whole[:cut], 0o600); err != nil {
			t.Fatal(err)
		}
		// The head is written after the line: a crash leaves it one behind.
		torn := t.TempDir()
		copyHead(t, dir, torn, whole[:before])
		if err := os.WriteFile(audit.Path(torn), whole[:cut], 0o600); err != nil {
			t.Fatal(err)
		}
		r := verify(t, torn)
		if !r.OK || len(r.Findings) != 1 {
			t.Errorf("cut at %d: %+v", cut-before, r)
		}
		write(t, torn, 2)
		if r = verify(t, torn); !r.OK {
			t.Errorf("cut at %d, after two more writes: %+v", cut-before, r)
		}
		write(t, torn, 1)
		if r = verify(t, torn); !r.OK {
			t.Errorf("cut at %d, after three: %+v", cut-before, r)
		}
	}
}

// copyHead puts the head that belongs to the journal lines into dir.
func copyHead(t *testing.T, from, to string, lines []byte) {
	t.Helper()
	if err := os.WriteFile(audit.Path(to), lines, 0o600); err != nil {
		t.Fatal(err)
	}
	last := lines[bytes.LastIndexByte(lines[:len(lines)-1], '\n')+1 : len(lines)-1]
	h, ok, err := audit.ReadHead(from)
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	head := fmt.Sprintf(`{"seq":%d,"hash":"%x"}`, h.Seq-1, sha256.Sum256(last))
	if err := os.WriteFile(filepath.Join(to, "audit.head"), []byte(head), 0o600); err != nil {
		t.Fatal(err)
	}
}

// A truncation is reported for ever: an ordinary record written afterwards does
// not hide it, wherever the cut was and whether or not the head is left.
func TestTruncationStaysVisible(t *testing.T) {
	for name, cut := range map[string]func(t *testing.T, dir string){
		"last three records":    func(t *testing.T, dir string) { truncate(t, dir, 7, 0) },
		"last record":           func(t *testing.T, dir string) { truncate(t, dir, 9, 0) },
		"inside a record":       func(t *testing.T, dir string) { truncate(t, dir, 7, 20) },
		"whole file":            func(t *testing.T, dir string) { truncate(t, dir, 0, 0) },
		"file removed":          func(t *testing.T, dir string) { remove(t, audit.Path(dir)) },
		"all but one, and head": func(t *testing.T, dir string) { truncate(t, dir, 1, 0); remove(t, filepath.Join(dir, "audit.head")) },
		"end and head":          func(t *testing.T, dir string) { truncate(t, dir, 7, 0); remove(t, filepath.Join(dir, "audit.head")) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			write(t, dir, 10)
			cut(t, dir)
			if r := verify(t, dir); r.OK {
				t.Fatal("the cut itself is not found")
			}
			for range 2 {
				write(t, dir, 2)
				if r := verify(t, dir); r.OK {
					t.Fatalf("hidden by what was written after: %+v", r)
				}
			}
			fatal := 0
			for _, f := range verify(t, dir).Findings {
				if f.Fatal {
					fatal++
				}
			}
			if fatal != 1 {
				t.Errorf("%d findings for one cut", fatal)
			}
		})
	}
}

// A program that is killed after its line and before the head, again and again,
// leaves an honest journal.
func TestKilledBeforeTheHead(t *testing.T) {
	dir := t.TempDir()
	for range 4 {
		head, err := os.ReadFile(filepath.Join(dir, "audit.head"))
		write(t, dir, 1)
		if err == nil {
			if err := os.WriteFile(filepath.Join(dir, "audit.head"), head, 0o600); err != nil {
				t.Fatal(err)
			}
		} else if err := os.WriteFile(filepath.Join(dir, "audit.head"), []byte(`{"seq":0,"hash":"`+strings.Repeat("0", 64)+`"}`), 0o600); err != nil {
			t.Fatal(err)
		}
		if r := verify(t, dir); !r.OK {
			t.Fatalf("%+v", r)
		}
	}
}

func truncate(t *testing.T, dir string, lines, more int) {
	t.Helper()
	b, err := os.ReadFile(audit.Path(dir))
	if err != nil {
		t.Fatal(err)
	}
	keep := 0
	for range lines {
		keep += bytes.IndexByte(b[keep:], '\n') + 1
	}
	if err := os.Truncate(audit.Path(dir), int64(keep+more)); err != nil {
		t.Fatal(err)
	}
}

func remove(t *testing.T, path string) {
	t.Helper()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
}

// A hash kept elsewhere finds a journal that was replaced whole, head and all.
func TestAnchor(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, 5)
	h, ok, err := audit.ReadHead(dir)
	if err != nil || !ok || h.Seq != 5 || h.Time.IsZero() {
		t.Fatal(h, ok, err)
	}
	write(t, dir, 3)
	if r, err := audit.Verify(dir, strings.ToUpper(h.Hash)); err != nil || !r.OK {
		t.Errorf("%+v %v", r, err)
	}
	remove(t, audit.Path(dir))
	remove(t, filepath.Join(dir, "audit.head"))
	write(t, dir, 8)
	if r := verify(t, dir); !r.OK {
		t.Errorf("without an anchor nothing shows: %+v", r)
	}
	if r, err := audit.Verify(dir, h.Hash); err != nil || r.OK {
		t.Errorf("%+v %v", r, err)
	}
}

// A line without end costs no more memory than the longest record.
func TestEndlessLine(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, 2)
	f, err := os.OpenFile(audit.Path(dir), os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	const size = 256 << 20
	if err := errors.Join(f.Truncate(size), f.Close()); err != nil {
		t.Fatal(err)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if r := verify(t, dir); len(r.Findings) == 0 {
		t.Errorf("%+v", r)
	}
	runtime.ReadMemStats(&after)
	if held := after.TotalAlloc - before.TotalAlloc; held > 128<<20 {
		t.Errorf("%d MB were allocated for one line", held>>20)
	}
}

func TestProcessesShareOneChain(t *testing.T) {
	dir := t.TempDir()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			cmd := exec.Command(exe)
			cmd.Env = append(os.Environ(), "AUDIT_TEST_DIR="+dir)
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%v: %s", err, out)
			}
		})
	}
	wg.Wait()
	if r := verify(t, dir); !r.OK || r.Records != 120 {
		t.Errorf("%+v", r)
	}
}

func TestUnwritable(t *testing.T) {
	file := t.TempDir() + "/file"
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := open(file + "/sub").Append(audit.Record{}); err == nil || !strings.HasPrefix(err.Error(), "cannot write the audit journal") {
		t.Errorf("%v", err)
	}
}

func FuzzVerify(f *testing.F) {
	f.Add([]byte("{}\n"))
	f.Add([]byte(`{"seq":1,"prev":""}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		dir := t.TempDir()
		if err := os.WriteFile(audit.Path(dir), data, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := audit.Verify(dir); err != nil {
			t.Fatal(err)
		}
		if err := open(dir).Append(audit.Record{}); err != nil {
			t.Fatal(err)
		}
	})
}
