// Package cache keeps what lists have shown, per profile, for completion: the
// words a command takes and what they mean. It holds no secret and may be
// deleted at any time; a cache that is damaged, foreign or cannot be written
// is an empty one, never a failure of a command.
//
// A list is one text file: a line that names the format, then a line an entry,
// its fields between tabs. A shell waits for the answer while somebody holds
// the Tab key, and this reads ten thousand entries in a few milliseconds.
package cache

import (
	"cmp"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/edrctl/edrctl/internal/atomicfile"
)

// Entry is a word to complete, with what it means.
type Entry struct {
	Word string // what is typed: a ref, an id, a name
	Name string // what else it is known by: a host's name, an alert's title
	Host string // the host it belongs to, for what has one
	Help string // what it means
	Time int64  // when it was, or was last seen, in Unix seconds; 0 = unknown
}

// Cache is a folder of lists.
type Cache struct{ dir string }

// In gives the cache in dir; nothing is read yet. With "" there is none.
func In(dir string) Cache { return Cache{dir} }

const (
	format     = "edrctl completion 1"
	maxEntries = 10_000  // of one list
	maxFile    = 4 << 20 // bytes of one list
	maxWord    = 256     // bytes of a word; a longer one is left out: half a word is a wrong one
	maxText    = 160     // bytes of a name or a help; a longer one is cut
)

// file is where a list is kept. Every byte of a name that could mean anything
// to a file system is written as %XX, so that no two names share a file and
// none leaves the folder.
func (c Cache) file(profile, kind string) string {
	return filepath.Join(c.dir, "complete", escape(profile)+"."+escape(kind)+".tsv")
}

func escape(name string) string {
	var b strings.Builder
	for i := range len(name) {
		switch ch := name[i]; {
		case ch >= 'a' && ch <= 'z', ch >= '0' && ch <= '9', ch == '-', ch == '_':
			b.WriteByte(ch)
		default: // capitals too: some file systems do not tell them apart
			const hex = "0123456789abcdef"
			b.Write([]byte{'%', hex[ch>>4], hex[ch&15]})
		}
	}
	return b.String()
}

// Put replaces a list. Of two entries with the same word the first stays.
func (c Cache) Put(profile, kind string, entries []Entry) error {
	return c.write(profile, kind, clean(entries))
}

// Add puts entries before those the list has. Of two with the same word the
// later one stays, by their times; the list is cut where it is too long, its
// oldest first. When nothing is new, nothing is written.
func (c Cache) Add(profile, kind string, entries []Entry) error {
	entries = clean(entries)
	if len(entries) == 0 {
		return nil
	}
	old := c.Get(profile, kind)
	at := make(map[string]int, len(old))
	for i, e := range old {
		if _, dup := at[e.Word]; !dup {
			at[e.Word] = i
		}
	}
	var fresh []Entry
	changed := false
	for _, e := range entries {
		i, known := at[e.Word]
		switch {
		case !known:
			fresh = append(fresh, e)
		case e.Time >= old[i].Time && e != old[i]:
			old[i], changed = e, true
		}
	}
	if len(fresh) == 0 && !changed {
		return nil
	}
	all := slices.Concat(fresh, old)
	if len(all) > maxEntries {
		slices.SortStableFunc(all, func(a, b Entry) int { return cmp.Compare(b.Time, a.Time) })
		all = all[:maxEntries]
	}
	return c.write(profile, kind, all)
}

// clean gives entries fit for the file, each word once.
func clean(entries []Entry) []Entry {
	out := make([]Entry, 0, min(len(entries), maxEntries))
	seen := make(map[string]bool, cap(out))
	for _, e := range entries {
		if e.Word == "" || len(e.Word) > maxWord || line(e.Word, maxWord) != e.Word || seen[e.Word] {
			continue
		}
		if len(out) == maxEntries {
			break
		}
		seen[e.Word] = true
		e.Name, e.Host, e.Help = line(e.Name, maxText), line(e.Host, maxText), line(e.Help, maxText)
		out = append(out, e)
	}
	return out
}

// line makes s one printable line of at most limit bytes.
func line(s string, limit int) string {
	plain := len(s) <= limit
	for i := 0; plain && i < len(s); i++ {
		plain = s[i] >= ' ' && s[i] < 0x7F
	}
	if plain {
		return s
	}
	s = strings.Map(func(r rune) rune {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, s[:min(len(s), 4*limit)])
	if len(s) > limit {
		cut := limit
		for cut > 0 && !utf8.RuneStart(s[cut]) {
			cut--
		}
		s = s[:cut]
	}
	return s
}

func (c Cache) write(profile, kind string, entries []Entry) error {
	if c.dir == "" {
		return nil
	}
	var b strings.Builder
	b.WriteString(format + "\n")
	for _, e := range entries {
		b.WriteString(e.Word)
		b.WriteByte('\t')
		b.WriteString(strconv.FormatInt(e.Time, 10))
		for _, f := range []string{e.Name, e.Host, e.Help} {
			b.WriteByte('\t')
			b.WriteString(f)
		}
		b.WriteByte('\n')
		if b.Len() > maxFile-4*maxWord {
			break
		}
	}
	return replace(c.file(profile, kind), b.String())
}

// replace writes a temporary file and renames it: a reader sees the old list or
// the new one. It does not wait for the disk, as package atomicfile does: a
// list lost in a power cut costs one Tab, and the wait would be felt each time.
func replace(path, data string) error {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, atomicfile.DirMode); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, ".new-*") // mode 0600
	if err != nil {
		return err
	}
	_, err = f.WriteString(data)
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}

// Get gives a list, nil when there is none that can be read. Lines that are
// none of ours are left out, and so is whatever was cut.
func (c Cache) Get(profile, kind string) []Entry {
	if c.dir == "" {
		return nil
	}
	f, err := os.Open(c.file(profile, kind))
	if err != nil {
		return nil
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return nil // a pipe would wait for ever
	}
	var text strings.Builder
	text.Grow(int(min(info.Size(), maxFile)) + 1)
	if _, err := io.Copy(&text, io.LimitReader(f, maxFile)); err != nil {
		return nil
	}
	return Parse(text.String())
}

// Parse reads the text of a list.
func Parse(text string) []Entry {
	rest, ok := strings.CutPrefix(text, format+"\n")
	if !ok {
		return nil
	}
	var out []Entry
	for len(out) < maxEntries {
		row, more, whole := strings.Cut(rest, "\n")
		if !whole {
			return out
		}
		rest = more
		if e, ok := parseRow(row); ok {
			if out == nil {
				out = make([]Entry, 0, min(maxEntries, 1+strings.Count(rest, "\n")))
			}
			out = append(out, e)
		}
	}
	return out
}

func parseRow(row string) (Entry, bool) {
	var e Entry
	var when string
	ok := true
	for _, to := range []*string{&e.Word, &when, &e.Name, &e.Host} {
		if !ok {
			return e, false
		}
		*to, row, ok = strings.Cut(row, "\t")
	}
	e.Help = row
	if !ok || strings.Contains(row, "\t") || e.Word == "" || len(e.Word) > maxWord || line(e.Word, maxWord) != e.Word {
		return e, false
	}
	t, err := strconv.ParseInt(when, 10, 64)
	if err != nil {
		return e, false
	}
	e.Time = t
	e.Name, e.Host, e.Help = line(e.Name, maxText), line(e.Host, maxText), line(e.Help, maxText)
	return e, true
}
