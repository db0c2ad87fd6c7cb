package files

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/evtx/evtxtest"
)

// An index is used again for the same file only: content counts, not just
// name, size and time.
func TestTheIndexOfAFileIsKept(t *testing.T) {
	dir, cache := t.TempDir(), t.TempDir()
	path := filepath.Join(dir, "a.evtx")
	log := evtxtest.File(starts(3000, time.Second)...)
	if len(log) < minKept {
		t.Fatalf("%d bytes are not worth keeping", len(log))
	}
	when := day
	put := func(b []byte) {
		t.Helper()
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, when, when); err != nil {
			t.Fatal(err)
		}
	}
	put(log)
	list := func() (n int, first, notes string) {
		t.Helper()
		d, err := New(backends.Options{Settings: map[string]string{KeyPath: dir}, CacheDir: cache})
		if err != nil {
			t.Fatal(err)
		}
		defer d.Close()
		l, err := d.(*Driver).Events(t.Context(), backends.Query{})
		if err != nil {
			t.Fatal(err)
		}
		for e, err := range l.Seq {
			if err != nil {
				t.Fatal(err)
			}
			if n++; n == 1 {
				first = e.Process.CommandLine
			}
		}
		return n, first, strings.Join(l.Plan.Notes, "\n")
	}
	n, first, notes := list()
	all, err := filepath.Glob(filepath.Join(cache, "evidence", "*.idx"))
	if err != nil || len(all) != 1 || n != 3000 {
		t.Fatal(err, all, n)
	}

	// What is kept is what is used: a mark in it shows.
	data, err := os.ReadFile(all[0])
	if err != nil {
		t.Fatal(err)
	}
	size := binary.LittleEndian.Uint32(data)
	var have kept
	if err := json.Unmarshal(data[4:4+size], &have); err != nil {
		t.Fatal(err)
	}
	have.Samples = []string{"a mark"}
	head, err := json.Marshal(have)
	if err != nil {
		t.Fatal(err)
	}
	marked := append(binary.LittleEndian.AppendUint32(nil, uint32(len(head))), head...)
	if err := os.WriteFile(all[0], append(marked, data[4+size:]...), 0o600); err != nil {
		t.Fatal(err)
	}
	again, sameFirst, marks := list()
	if again != n || sameFirst != first || !strings.Contains(marks, "a mark") || strings.Contains(notes, "a mark") {
		t.Errorf("%d events, %q, %s", again, sameFirst, marks)
	}

	// Another content of the same name, size and time is read.
	put(bytes.ReplaceAll(log, []byte("e\x00c\x00h\x00o\x00 \x002\x009\x009\x009\x00"), []byte("e\x00c\x00h\x00o\x00 \x00o\x00t\x00h\x00e\x00")))
	if _, first, notes := list(); !strings.HasSuffix(first, "othe") || strings.Contains(notes, "a mark") {
		t.Errorf("%q, %s", first, notes)
	}

	// A damaged one is made again.
	put(log)
	if err := os.WriteFile(all[0], []byte{9, 9, 9, 9, 9}, 0o600); err != nil {
		t.Fatal(err)
	}
	if n, _, _ := list(); n != 3000 {
		t.Errorf("%d events", n)
	}
}
