package spill

import (
	"bytes"
	"math/rand/v2"
	"os"
	"runtime"
	"strconv"
	"testing"
)

// Records come back newest first, whole, whether they fit in memory, lie in a
// file, or no file may be written.
func TestSorter(t *testing.T) {
	for name, n := range map[string]int{"in memory": 500, "in a file": 30_000} {
		for where, dir := range map[string]string{"": t.TempDir(), ", no file": ""} {
			t.Run(name+where, func(t *testing.T) {
				f := &File{Dir: dir}
				defer f.Close()
				s := Sorter{File: f}
				data := bytes.Repeat([]byte("0123456789"), 30)
				for _, i := range rand.Perm(n) {
					if err := s.Add(Record{At: int64(i / 3), ID: strconv.Itoa(i), Tag: uint64(i), Data: data[:i%len(data)]}); err != nil {
						t.Fatal(err)
					}
				}
				given, last := 0, Record{At: int64(n)}
				for r, err := range s.All() {
					i := int(r.Tag)
					switch {
					case err != nil:
						t.Fatal(err)
					case r.ID != strconv.Itoa(i) || r.At != int64(i/3) || !bytes.Equal(r.Data, data[:i%len(data)]):
						t.Fatalf("record %d came back as %+v", i, r)
					case r.At > last.At || r.At == last.At && r.ID <= last.ID:
						t.Fatalf("%d %s comes after %d %s", r.At, r.ID, last.At, last.ID)
					}
					last = Record{At: r.At, ID: r.ID}
					given++
				}
				if given != n {
					t.Errorf("%d records of %d", given, n)
				}
			})
		}
	}
}

// What is newer than a time is given, the rest stays and is merged with what
// comes later.
func TestSorterInParts(t *testing.T) {
	f := In(t.TempDir())
	defer f.Close()
	s := Sorter{File: f}
	var got []int64
	take := func(at int64) {
		for r, err := range s.Since(at) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, r.At)
		}
	}
	const day = 20_000
	payload := make([]byte, 100)
	for d := 5; d > 0; d-- {
		for _, i := range rand.Perm(day) { // a tenth of each day belongs to the one before
			if err := s.Add(Record{At: int64(d*day - day/10 + i - day), ID: "x", Data: payload}); err != nil {
				t.Fatal(err)
			}
		}
		take(int64(d*day - day))
	}
	take(-1 << 63)
	if len(got) != 5*day {
		t.Errorf("%d records of %d", len(got), 5*day)
	}
	for i := 1; i < len(got); i++ {
		if got[i] > got[i-1] {
			t.Fatalf("%d comes after %d", got[i], got[i-1])
		}
	}
}

// 60 MB of records take a few MB, and nobody else can open the file.
func TestSorterIsFlat(t *testing.T) {
	dir := t.TempDir()
	f := &File{Dir: dir}
	defer f.Close()
	s := Sorter{File: f}
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before, data := heap(), make([]byte, 1000)
	for i := range 60_000 {
		if err := s.Add(Record{At: int64(i ^ 0x155), ID: strconv.Itoa(i), Data: data}); err != nil {
			t.Fatal(err)
		}
	}
	if grown := int64(heap()-before) >> 20; grown > 8 {
		t.Errorf("60 MB of records take %d MiB", grown)
	}
	if files, err := os.ReadDir(dir); err != nil || runtime.GOOS != "windows" && len(files) > 0 {
		t.Errorf("the file has a name: %v, %v", files, err)
	}
	if st, err := f.file.Stat(); err != nil || runtime.GOOS != "windows" && st.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", st.Mode(), err)
	}
	f.Close()
}
