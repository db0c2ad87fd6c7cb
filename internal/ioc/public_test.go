package ioc_test

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
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

func TestDevCompare(t *testing.T) {
	files, want := publicLists(t)
	out, _ := os.Create("/tmp/ioc-diff.txt")
	defer out.Close()
	missing, extra, total := map[string]int{}, map[string]int{}, map[string]int{}
	for _, e := range want {
		data, ok := files[e.File]
		if !ok {
			t.Errorf("no file %s", e.File)
			continue
		}
		l := ioc.NewList()
		l.AllAttributes = true
		err := l.Read(bytes.NewReader(data), e.File)
		got := map[string]string{}
		for _, i := range l.All() {
			if k, ok := compared[i.Type]; ok {
				got[folded(k, i.Value)] = l.Place(i)
			}
		}
		exp := map[string]bool{}
		for k, vs := range e.Expect {
			for _, v := range vs {
				key := folded(k, v)
				exp[key] = true
				total[k]++
				if _, ok := got[key]; !ok {
					missing[k]++
					fmt.Fprintf(out, "MISSING\t%s\t%s\t%v\n", e.File, key, err)
				}
			}
		}
		var keys []string
		for k := range got {
			if !exp[k] {
				keys = append(keys, k)
			}
		}
		slices.Sort(keys)
		for _, k := range keys {
			kind, _, _ := strings.Cut(k, " ")
			extra[kind]++
			fmt.Fprintf(out, "EXTRA\t%s\t%s\t%s\n", e.File, k, got[k])
		}
		for _, r := range l.Reports {
			if r.Total != r.Understood+r.Skipped+r.Unread {
				t.Errorf("%+v", r)
			}
		}
	}
	fmt.Println("total", total)
	fmt.Println("missing", missing)
	fmt.Println("extra", extra)
}
