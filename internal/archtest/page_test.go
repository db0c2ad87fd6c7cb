package archtest

import (
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestArchitecturePage: docs/architecture.md names every package of internal/
// and of a driver, and every path that it names exists.
func TestArchitecturePage(t *testing.T) {
	root := filepath.Join("..", "..")
	page, err := os.ReadFile(filepath.Join(root, "docs", "architecture.md"))
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, m := range regexp.MustCompile("`((?:cmd|internal)/[\\w./]*)`").FindAllStringSubmatch(string(page), -1) {
		named := m[1]
		if strings.Contains(named, "NAME") || strings.Contains(named, "NOUN") {
			continue
		}
		n++
		if _, err := os.Stat(filepath.Join(root, named)); err != nil {
			t.Errorf("docs/architecture.md names %s, which does not exist", named)
		}
	}
	if n < 40 {
		t.Errorf("only %d paths found", n)
	}
	dirs, err := fs.Glob(os.DirFS(root), "internal/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range dirs {
		if info, err := os.Stat(filepath.Join(root, dir)); err != nil || !info.IsDir() {
			continue
		}
		if !strings.Contains(string(page), "`"+dir+"`") {
			t.Errorf("docs/architecture.md does not name %s", dir)
		}
	}
	drivers, err := fs.Glob(os.DirFS(root), "internal/backends/*/*/*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range drivers {
		room := path.Base(path.Dir(file))
		if !strings.Contains(string(page), "/"+room+"`") && !strings.Contains(string(page), "`"+room+"`") && room != "samples" {
			t.Errorf("docs/architecture.md does not name %s", path.Dir(file))
		}
	}
}
