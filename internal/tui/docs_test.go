package tui_test

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"
)

// The pictures of docs/tui.md are made by cmd/gen, which CI runs; here: the
// page shows all of them, and none that is not there.
func TestDocsShowThePictures(t *testing.T) {
	docs := filepath.Join("..", "..", "docs")
	page, err := os.ReadFile(filepath.Join(docs, "tui.md"))
	if err != nil {
		t.Fatal(err)
	}
	shown := map[string]bool{}
	for _, m := range regexp.MustCompile(`\]\((img/tui-[a-z0-9-]+\.svg)\)`).FindAllSubmatch(page, -1) {
		shown[filepath.Base(string(m[1]))] = true
	}
	made, err := filepath.Glob(filepath.Join(docs, "img", "tui-*.svg"))
	if err != nil || len(made) < 7 {
		t.Fatalf("%d pictures, %v", len(made), err)
	}
	for _, path := range made {
		if !shown[filepath.Base(path)] {
			t.Errorf("docs/tui.md does not show %s", path)
		}
		delete(shown, filepath.Base(path))
	}
	for name := range shown {
		t.Errorf("docs/tui.md shows %s, which is not there", name)
	}
}
