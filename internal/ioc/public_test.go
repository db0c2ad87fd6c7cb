package ioc_test

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"net/url"
	"os"
	"path/filepath"
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
	v = strings.TrimRightFunc(strings.ToLower(v), func(r rune) bool { return r > 0x7f || strings.ContainsRune("/+.,' ", r) })
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

// The figures of the public lists: what an independent reader found in hash
// lists, vendor tables, reports, STIX and MISP is read, and hardly anything
// else. Links to reports and the like are counted apart (see reviewed.txt).
func TestPublicLists(t *testing.T) {
	files, want := publicLists(t)
	reviewed := readReviewed(t)
	missing, extra, total, agreed := map[string]int{}, map[string]int{}, map[string]int{}, map[string]int{}
	for _, e := range want {
		data, ok := files[e.File]
		if !ok {
			t.Errorf("no file %s", e.File)
			continue
		}
		l := ioc.NewList()
		l.AllAttributes = true
		err := l.Read(bytes.NewReader(data), e.File)
		got, hosts := map[string]bool{}, map[string]bool{}
		for _, i := range l.All() {
			if k, ok := compared[i.Type]; ok {
				got[folded(k, i.Value)] = true
			}
			if i.Type == ioc.URL {
				hosts[urlHost(i.Value)] = true
			}
		}
		exp := map[string]bool{}
		for k, vs := range e.Expect {
			for _, v := range vs {
				key := folded(k, v)
				exp[key] = true
				total[k]++
				switch {
				case got[key]:
				case reviewed.covers(e.File, key, err):
					agreed[k]++
				case (k == "domain" || k == "ip") && hosts[strings.ToLower(v)]:
					agreed[k]++ // read as a URL without a scheme
				default:
					missing[k]++
					t.Logf("missing %s: %s", e.File, key)
				}
			}
		}
		for k := range got {
			kind, v, _ := strings.Cut(k, " ")
			if !exp[k] && suspicious(kind, v) {
				extra[kind]++
				t.Logf("extra %s: %s", e.File, k)
			}
		}
		for _, r := range l.Reports {
			if r.Total != r.Understood+r.Skipped+r.Unread {
				t.Errorf("%s: %d %s, of which %d understood, %d skipped, %d unread", r.Name, r.Total, r.Unit, r.Understood, r.Skipped, r.Unread)
			}
			if r.Unit == "lines" && r.Format != "html" && !strings.Contains(string(data[:min(len(data), 4)]), "\x00") && r.Total != lineCount(data) {
				t.Errorf("%s: %d lines reported, it has %d", r.Name, r.Total, lineCount(data))
			}
		}
	}
	sum := func(m map[string]int) (n int) {
		for _, v := range m {
			n += v
		}
		return n
	}
	t.Logf("expected %v, missing %v, reviewed %v, extra %v", total, missing, agreed, extra)
	for k, n := range total {
		if missing[k]*200 > n {
			t.Errorf("%s: %d of %d are missing", k, missing[k], n)
		}
	}
	if sum(extra)*200 > sum(total) {
		t.Errorf("%d values that the reader did not find, among %d", sum(extra), sum(total))
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

// suspicious tells values that nobody would call an indicator: the reader did
// not list thousands of names and URLs that stand in lists of such, so only
// what is of no use is counted.
func suspicious(kind, v string) bool {
	switch kind {
	case "domain":
		return !strings.Contains(v, ".") || strings.ContainsAny(v, " /\\")
	case "url":
		return strings.ContainsAny(v, "\"<> ")
	}
	return false
}

// review is the reviewed disagreements: a pattern of the file's name, the
// value ("*": all of the file), and the reason.
type review []struct{ file, value, why string }

func readReviewed(t *testing.T) (out review) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", "reviewed.txt"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(data)) {
		if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
			continue
		}
		f := strings.Split(line, "\t")
		if len(f) != 3 || f[2] == "" {
			t.Fatalf("reviewed.txt: %q: want file, value and reason, with tabs between", line)
		}
		out = append(out, struct{ file, value, why string }{f[0], f[1], f[2]})
	}
	return out
}

func (r review) covers(file, key string, err error) bool {
	for _, e := range r {
		if !strings.HasPrefix(file, e.file) && !strings.HasSuffix(file, e.file) && e.file != "*" {
			continue
		}
		switch {
		case e.value == "*", e.value == key:
			return true
		case e.value == "(refused)":
			var no *ioc.RefusedError
			if errors.As(err, &no) {
				return true
			}
		case strings.HasSuffix(e.value, "*") && strings.HasPrefix(key, strings.TrimSuffix(e.value, "*")):
			return true
		}
	}
	return false
}
