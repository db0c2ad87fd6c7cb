package ioc_test

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/edrctl/edrctl/internal/ioc"
)

// expectation is what an independent reader found in one file.
type expectation struct {
	File   string              `json:"file"`
	Expect map[string][]string `json:"expect"`
}

// folded is how values are compared here: the independent reader lower-cased
// everything and took slashes at the end off.
func folded(kind, v string) string {
	if kind == "url" {
		if u, err := url.PathUnescape(v); err == nil {
			v = u
		}
	}
	if kind == "url" { // AsciiDoc: the reader took the text of a link for a part of its target
		v, _, _ = strings.Cut(v, "[")
		scheme, rest, _ := strings.Cut(v, "://") // and dropped slashes, or kept dots twice
		v = scheme + "://" + strings.ReplaceAll(strings.ReplaceAll(rest, "://", ":/"), "..", ".")
	}
	v = strings.TrimRightFunc(strings.ToLower(v), func(r rune) bool { return r > 0x7f || strings.ContainsRune("/+.,'?# ", r) })
	return kind + " " + v
}

var compared = map[ioc.Type]string{
	ioc.MD5: "md5", ioc.SHA1: "sha1", ioc.SHA256: "sha256", ioc.IPv4: "ip", ioc.IPv6: "ip", ioc.CIDR: "cidr", ioc.Domain: "domain", ioc.URL: "url", ioc.Email: "email", ioc.Imphash: "md5",
}

func publicLists(t *testing.T) (map[string][]byte, []expectation) {
	t.Helper()
	shared := os.Getenv("EDRCTL_SHARED")
	if shared == "" {
		t.Skip("EDRCTL_SHARED is not set: the public indicator lists are NOT checked")
	}
	dir := filepath.Join(shared, "data", "indicators")
	files := map[string][]byte{}
	open := func(name string) io.Reader {
		f, err := os.Open(filepath.Join(dir, name))
		if err != nil {
			t.Skipf("%v: the public indicator lists are NOT checked", err)
		}
		t.Cleanup(func() { _ = f.Close() })
		z, err := gzip.NewReader(f)
		if err != nil {
			t.Fatal(err)
		}
		return z
	}
	tr := tar.NewReader(open("public-lists.tar.gz"))
	for {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if h.Typeflag != tar.TypeReg {
			continue
		}
		data, err := io.ReadAll(tr)
		if err != nil {
			t.Fatal(err)
		}
		files[strings.TrimPrefix(h.Name, "./")] = data
	}
	var want []expectation
	sc := bufio.NewScanner(open("expected.jsonl.gz"))
	sc.Buffer(nil, 1<<24)
	for sc.Scan() {
		var e expectation
		if err := json.Unmarshal(sc.Bytes(), &e); err != nil {
			t.Fatal(err)
		}
		want = append(want, e)
	}
	return files, want
}

// The figures of the public lists. Recall: of the values an independent reader
// found, 99.5 % are read, and each of the others is in testdata/reviewed.txt
// with the reason. False positives: of the values read here that it did not
// find, at most 0.5 % are such that no reader would call an indicator. Nothing
// is lost in silence: of every file, the lines are those understood, skipped
// and reported.
func TestPublicLists(t *testing.T) {
	files, want := publicLists(t)
	reviewed := readReviewed(t)
	total, missing, agreed := tally{}, tally{}, tally{}
	given, wrong := tally{}, tally{}
	for _, e := range want {
		data, ok := files[e.File]
		if !ok {
			t.Errorf("no file %s", e.File)
			continue
		}
		l := ioc.NewList()
		l.AllAttributes = true
		err := l.Read(bytes.NewReader(data), e.File)
		var refused *ioc.RefusedError
		got, hosts := map[string]ioc.Indicator{}, map[string]bool{}
		for _, i := range l.All() {
			if k, ok := compared[i.Type]; ok {
				got[folded(k, i.Value)] = i
			}
			if i.Type == ioc.URL {
				hosts[urlHost(i.Value)] = true
			}
		}
		expected := map[string]bool{}
		for k, vs := range e.Expect {
			for _, v := range vs {
				key := folded(k, v)
				expected[key] = true
				total.add(e.File, k)
				_, is := got[key]
				switch {
				case is, (k == "domain" || k == "ip") && hosts[strings.ToLower(v)]: // or read as a URL without a scheme
				case reviewed.covers(e.File, key), errors.As(err, &refused) && reviewed.covers(e.File, "(refused)"):
					agreed.add(e.File, k)
				default:
					missing.add(e.File, k)
					t.Errorf("missing %s: %s", e.File, key)
				}
			}
		}
		lines := strings.Split(strings.ReplaceAll(strings.ReplaceAll(string(data), "\r\n", "\n"), "\r", "\n"), "\n")
		for key, i := range got {
			kind, _, _ := strings.Cut(key, " ")
			if i.Common {
				continue // listed as harmless
			}
			given.add(e.File, kind)
			if !expected[key] && !stated(i, lines) && !sharesHost(i, e.Expect) && !reviewed.covers(e.File, "+"+key) {
				wrong.add(e.File, kind)
				t.Logf("not in the reader's list: %s: %s", e.File, key)
			}
		}
	}
	reviewed.unused(t)
	for _, by := range []string{"type", "form", "source"} {
		for _, k := range total.keys(by) {
			n, m, a, g, w := total[by][k], missing[by][k], agreed[by][k], given[by][k], wrong[by][k]
			t.Logf("%-6s %-45s expected %6d, read %6d (%.2f %%), reviewed %3d, missing %d; given %6d, doubtful %d", by, k, n, n-m-a, 100*float64(n-m-a)/float64(n), a, m, g, w)
		}
	}
	if g, w := given.sum(), wrong.sum(); w*200 > g {
		t.Errorf("%d of %d values are doubtful: want at most 0.5 %%", w, g)
	}
	n, left := total.sum(), missing.sum()+agreed.sum()
	if left*200 > n {
		t.Errorf("%d of %d values are not read: want at most 0.5 %%", left, n)
	}
}

// tally counts by type and by source.
type tally map[string]map[string]int

func (c tally) add(file, kind string) {
	source, _, _ := strings.Cut(file, "/")
	form := "lists and reports: "
	switch filepath.Ext(file) {
	case ".json", ".stix2", ".ioc", ".xml":
		form = "events and bundles: "
	}
	for by, k := range map[string]string{"type": kind, "source": source, "form": form + kind} {
		if c[by] == nil {
			c[by] = map[string]int{}
		}
		c[by][k]++
	}
}

func (c tally) keys(by string) []string { return slices.Sorted(maps.Keys(c[by])) }

func (c tally) sum() (n int) {
	for _, v := range c["type"] {
		n += v
	}
	return n
}

// stated tells values that nobody doubts, because of how they stand in the
// source: as an object or attribute, as a whole line or cell, or defanged.
func stated(i ioc.Indicator, lines []string) bool {
	if i.Object != "" {
		return true
	}
	if int(i.Line) > len(lines) || i.Line < 1 {
		return false
	}
	raw := strings.ToLower(lines[i.Line-1])
	value := strings.ToLower(i.Value)
	if !strings.Contains(raw, value) && strings.Contains(strings.ToLower(ioc.Refang(raw)), value) {
		return true
	}
	for _, cell := range strings.FieldsFunc(raw, func(r rune) bool { return strings.ContainsRune(",;|\t", r) }) {
		if strings.Trim(cell, "\"'`*-. /+") == strings.Trim(value, "\"'`*-. /+") {
			return true
		}
	}
	return false
}

// sharesHost tells URLs and names of a host that the reader has, too.
func sharesHost(i ioc.Indicator, want map[string][]string) bool {
	host := i.Value
	switch i.Type {
	case ioc.URL:
		host = urlHost(i.Value)
	case ioc.Domain, ioc.IPv4:
	default:
		return false
	}
	for _, k := range []string{"domain", "ip", "url", "email"} {
		for _, v := range want[k] {
			if k == "url" {
				v = urlHost(v)
			}
			if v == host || strings.HasSuffix(v, "."+host) || strings.HasSuffix(host, "."+v) || strings.HasSuffix(v, "@"+host) {
				return true
			}
		}
	}
	return false
}

// Nothing is lost in silence, however a file of the public lists is read: its
// lines are those that gave something, were skipped, or are reported.
func TestEveryLineIsCounted(t *testing.T) {
	files, _ := publicLists(t)
	for name, data := range files {
		for _, text := range []bool{false, true} {
			l := ioc.NewList()
			l.Text = text
			reported := 0
			l.OnUnread = func(ioc.Unread) { reported++ }
			_ = l.Read(bytes.NewReader(data), name)
			unread := 0
			for _, r := range l.Reports {
				unread += r.Unread
				if r.Total != r.Understood+r.Skipped+r.Unread {
					t.Errorf("%s: %d %s, of which %d understood, %d skipped, %d unread", r.Name, r.Total, r.Unit, r.Understood, r.Skipped, r.Unread)
				}
				if r.Unit == "lines" && r.Format != "html" && r.Format != "refused" && !bytes.Contains(data[:min(len(data), 4)], []byte{0}) && r.Total != lineCount(data) {
					t.Errorf("%s: %d lines reported, it has %d", r.Name, r.Total, lineCount(data))
				}
			}
			if reported != unread {
				t.Errorf("%s: %d lines not understood, %d of them reported", name, unread, reported)
			}
		}
	}
}

// lineCount counts lines however they end.
func lineCount(data []byte) int {
	text := strings.ReplaceAll(strings.ReplaceAll(string(data), "\r\n", "\n"), "\r", "\n")
	n := strings.Count(text, "\n")
	if text != "" && !strings.HasSuffix(text, "\n") {
		n++
	}
	return n
}

func urlHost(u string) string {
	if _, rest, ok := strings.Cut(u, "://"); ok {
		u = rest
	}
	host, _, _ := strings.Cut(u, "/")
	host, _, _ = strings.Cut(host, ":")
	return strings.ToLower(host)
}

// review is the reviewed disagreements: file, value and the reason.
type review map[[2]string]*struct {
	why  string
	used bool
}

func readReviewed(t *testing.T) review {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", "reviewed.txt"))
	if err != nil {
		t.Fatal(err)
	}
	out := review{}
	for line := range strings.Lines(string(data)) {
		if line = strings.TrimRight(line, "\n"); line == "" || line[0] == '#' {
			continue
		}
		f := strings.Split(line, "\t")
		if len(f) != 3 || f[2] == "" {
			t.Fatalf("reviewed.txt: %q: want file, value and reason, with tabs between", line)
		}
		out[[2]string{f[0], f[1]}] = &struct {
			why  string
			used bool
		}{why: f[2]}
	}
	return out
}

func (r review) covers(file, key string) bool {
	e := r[[2]string{file, key}]
	if e != nil {
		e.used = true
	}
	return e != nil
}

// unused fails on entries that no longer disagree.
func (r review) unused(t *testing.T) {
	for k, e := range r {
		if !e.used {
			t.Errorf("reviewed.txt: %s: %s is not a disagreement any more: take it out", k[0], k[1])
		}
	}
}
