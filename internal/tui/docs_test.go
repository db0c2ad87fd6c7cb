package tui_test

import (
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/edrctl/edrctl/internal/tui"
	"github.com/edrctl/edrctl/internal/tui/tuitest"
)

// The pictures of docs/tui.md are frames of the program; a change of the
// program that is not in them fails here.
func TestDocsPictures(t *testing.T) {
	dir := filepath.Join("..", "..", "docs", "img")
	update := flag.Lookup("update") != nil && flag.Lookup("update").Value.String() == "true"
	for name, get := range map[string]func(d *tuitest.Driver){
		"tui-alerts":  func(*tuitest.Driver) {},
		"tui-tree":    func(d *tuitest.Driver) { d.Press("t") },
		"tui-pulse":   func(d *tuitest.Driver) { d.Go("pulse") },
		"tui-isolate": func(d *tuitest.Driver) { d.Press("j", "x", "i") },
	} {
		f := tuitest.Shift()
		d := tuitest.Start(t, f, 120, 30, func(o *tui.Options) {
			dark := false
			o.Light = &dark
			o.Actor = &actor{fake: f}
		})
		get(d)
		path := filepath.Join(dir, name+".svg")
		got := tuitest.SVG(d.Frame())
		if update {
			if err := os.MkdirAll(dir, 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if string(want) != got {
			t.Errorf("%s is not what the program shows: go test ./internal/tui -run Docs -update", path)
		}
	}
}
