package sigma

import (
	"archive/tar"
	"archive/zip"
	"compress/gzip"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestLoadReadsFilesFoldersAndArchives(t *testing.T) {
	dir := t.TempDir()
	rule := func(id string) []byte {
		return []byte(strings.Replace(ruleText("s: {Image: a}\ncondition: s"), "0001", id, 1))
	}
	write := func(name string, data []byte) string {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	write("rules/b.yml", rule("b"))
	write("rules/a/a.yaml", rule("a"))
	write("rules/.git/hidden.yml", rule("hidden"))
	write("rules/readme.md", []byte("# no rule"))
	single := write("single.txt", rule("single"))

	var z strings.Builder
	zw := zip.NewWriter(&z)
	f, _ := zw.Create("x/z.yml")
	f.Write(rule("z"))
	zw.Close()
	zipped := write("rules.zip", []byte(z.String()))

	var g strings.Builder
	gw := gzip.NewWriter(&g)
	tw := tar.NewWriter(gw)
	tw.WriteHeader(&tar.Header{Name: "x/t.yml", Mode: 0o600, Size: int64(len(rule("t")))})
	tw.Write(rule("t"))
	tw.Close()
	gw.Close()
	tarred := write("rules.tar.gz", []byte(g.String()))

	l, err := Load([]string{filepath.Join(dir, "rules"), single, zipped, tarred, "-", single}, strings.NewReader(string(rule("stdin"))), Options{})
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, r := range l.Rules {
		ids = append(ids, r.ID)
	}
	if got := strings.Join(ids, " "); got != "a b single z t stdin" || len(l.Problems) != 0 {
		t.Errorf("%s, problems %v", got, l.Problems)
	}
	if r := l.Rules[4]; r.File != tarred+"/x/t.yml" || r.Line != 1 {
		t.Errorf("%s:%d", r.File, r.Line)
	}
	for path, want := range map[string]string{
		filepath.Join(dir, "none.yml"):                       "no such file or folder",
		write("cut.zip", []byte(z.String()[:20])):            "is damaged",
		write("cut.tar.gz", []byte(g.String()[:g.Len()-20])): "is damaged",
	} {
		if _, err := Load([]string{path}, nil, Options{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", path, err, want)
		}
	}
}
