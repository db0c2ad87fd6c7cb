package cache_test

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/edrctl/edrctl/internal/cache"
)

func files(t *testing.T, dir string) []string {
	t.Helper()
	out, err := filepath.Glob(filepath.Join(dir, "complete", "*"))
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestPutGet(t *testing.T) {
	dir := t.TempDir()
	c := cache.In(dir)
	if got := c.Get("p", "alert"); got != nil {
		t.Errorf("%v", got)
	}
	want := []cache.Entry{{Word: "p/1", Name: "a title", Host: "H", Help: "9 critical", Time: 17}}
	if err := c.Put("../p", "alert", append(want, cache.Entry{Word: "p/1", Help: "again"})); err != nil {
		t.Fatal(err)
	}
	if got := c.Get("../p", "alert"); !reflect.DeepEqual(got, want) {
		t.Errorf("%+v", got)
	}
	list := files(t, dir)
	if len(list) != 1 {
		t.Fatalf("%v: a profile's name must not leave the folder", list)
	}
	if runtime.GOOS != "windows" {
		for path, mode := range map[string]os.FileMode{list[0]: 0o600, filepath.Dir(list[0]): 0o700} {
			if info, err := os.Stat(path); err != nil || info.Mode().Perm() != mode {
				t.Errorf("%s: %v %v, want %v", path, info.Mode(), err, mode)
			}
		}
	}
}

// Names that a file system might take for one another are two lists.
func TestNamesDoNotMeet(t *testing.T) {
	c := cache.In(t.TempDir())
	names := []string{"a/b", "a_b", "A_B", "a.b", "a%2fb", "..", ".", "", "a:b", `a\b`, "a b", "ä"}
	for _, n := range names {
		if err := c.Put(n, "k", []cache.Entry{{Word: "w", Help: n}}); err != nil {
			t.Fatal(err)
		}
	}
	for _, n := range names {
		if got := c.Get(n, "k"); len(got) != 1 || got[0].Help != n {
			t.Errorf("%q: %v", n, got)
		}
	}
}

func TestAdd(t *testing.T) {
	dir := t.TempDir()
	c := cache.In(dir)
	add := func(e ...cache.Entry) {
		t.Helper()
		if err := c.Add("p", "host", e); err != nil {
			t.Fatal(err)
		}
	}
	add(cache.Entry{Word: "a", Time: 5, Help: "full"}, cache.Entry{Word: "b", Time: 5})
	add(cache.Entry{Word: "c", Time: 9}, cache.Entry{Word: "a", Time: 4, Help: "older"}, cache.Entry{Word: "b", Time: 6})
	want := []cache.Entry{{Word: "c", Time: 9}, {Word: "a", Time: 5, Help: "full"}, {Word: "b", Time: 6}}
	if got := c.Get("p", "host"); !reflect.DeepEqual(got, want) {
		t.Errorf("%+v", got)
	}
	past := time.Unix(1, 0)
	if err := os.Chtimes(files(t, dir)[0], past, past); err != nil {
		t.Fatal(err)
	}
	add(want...)
	if info, err := os.Stat(files(t, dir)[0]); err != nil || !info.ModTime().Equal(past) {
		t.Errorf("the file was written although nothing was new")
	}
}

// A list has a bound; what is oldest goes.
func TestBound(t *testing.T) {
	dir := t.TempDir()
	c := cache.In(dir)
	for i := range 3 {
		var list []cache.Entry
		for j := range 6000 {
			list = append(list, cache.Entry{Word: fmt.Sprintf("p/%d-%d", i, j), Time: int64(i*10_000 + j), Name: strings.Repeat("é", 500)})
		}
		if err := c.Add("p", "alert", list); err != nil {
			t.Fatal(err)
		}
	}
	got := c.Get("p", "alert")
	if len(got) != 10_000 || got[0].Time != 25_999 || got[len(got)-1].Time < 5_999 {
		t.Errorf("%d entries, times %d to %d", len(got), got[0].Time, got[len(got)-1].Time)
	}
	info, err := os.Stat(files(t, dir)[0])
	if err != nil || info.Size() > 4<<20 {
		t.Errorf("%v %v", info.Size(), err)
	}
	if len(files(t, dir)) != 1 {
		t.Errorf("%v", files(t, dir))
	}
}

// What cannot be read is an empty list, what cannot be written an error the
// caller may drop; nobody waits for a pipe.
func TestUnusable(t *testing.T) {
	dir := t.TempDir()
	c := cache.In(dir)
	if err := c.Put("p", "k", []cache.Entry{{Word: "w"}}); err != nil {
		t.Fatal(err)
	}
	name := files(t, dir)[0]
	for _, damage := range []string{"", "{", "edrctl completion 2\nw\t0\t\t\t\n", "\x00\xff", "edrctl completion 1\nw\t0\t\t\t", "edrctl completion 1\nw\n\tx\n\n"} {
		if err := os.WriteFile(name, []byte(damage), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := c.Get("p", "k"); got != nil {
			t.Errorf("%q gave %v", damage, got)
		}
	}
	if err := os.Remove(name); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(name, 0o700); err != nil {
		t.Fatal(err)
	}
	if got := c.Get("p", "k"); got != nil {
		t.Errorf("%v", got)
	}
	if c.Add("p", "k", []cache.Entry{{Word: "w"}}) == nil {
		t.Error("a folder was overwritten")
	}
	flat := filepath.Join(dir, "file")
	if err := os.WriteFile(flat, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if cache.In(flat).Put("p", "k", []cache.Entry{{Word: "w"}}) == nil {
		t.Error("a file was taken for a folder")
	}
	if err := cache.In("").Put("p", "k", []cache.Entry{{Word: "w"}}); err != nil || cache.In("").Get("p", "k") != nil {
		t.Error("no cache is an empty one")
	}
}

// FuzzParse: whatever is in a file, what is read is words and lines fit to
// be printed, and writing them gives them back.
func FuzzParse(f *testing.F) {
	f.Add("edrctl completion 1\np/1\t17\ttitle\thost\thelp\np/2\t0\t\t\t\n")
	f.Add("edrctl completion 1\np/1\t17\tti\x1b]0;x\atle\tho\u202est\t$(id)`id`\n")
	f.Add("edrctl completion 1\np/1\t99999999999999999999\t\t\t\n\t\t\t\t\n")
	f.Add("edrctl completion 1\n" + strings.Repeat("x", 300) + "\t0\t\t\t\nw\t0\t\t\t\t\t\n")
	f.Add("[]")
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, text string) {
		got := cache.Parse(text)
		for _, e := range got {
			for _, s := range []string{e.Word, e.Name, e.Host, e.Help} {
				if !utf8.ValidString(s) || strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) || len(s) > 256 {
					t.Fatalf("%q", s)
				}
			}
			if e.Word == "" {
				t.Fatal("an empty word")
			}
		}
		c := cache.In(dir)
		if err := c.Put("p", "k", got); err != nil {
			t.Fatal(err)
		}
		back := c.Get("p", "k")
		seen := map[string]bool{}
		var want []cache.Entry
		for _, e := range got {
			if !seen[e.Word] {
				want = append(want, e)
			}
			seen[e.Word] = true
		}
		if !reflect.DeepEqual(back, want) {
			t.Fatalf("%+v\n%+v", back, want)
		}
	})
}

func BenchmarkGet10k(b *testing.B) {
	c := cache.In(b.TempDir())
	var list []cache.Entry
	for i := range 10_000 {
		list = append(list, cache.Entry{Word: fmt.Sprintf("prod-esp/%08d", i), Name: "LSASS memory read by rundll32", Host: "FIN-WS-014", Help: "9 critical FIN-WS-014 LSASS memory read by rundll32", Time: int64(i)})
	}
	if err := c.Put("p", "alert", list); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if len(c.Get("p", "alert")) != 10_000 {
			b.Fatal("short")
		}
	}
}
