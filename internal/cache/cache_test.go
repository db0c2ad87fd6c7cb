package cache_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/edrctl/edrctl/internal/cache"
)

func TestPutGet(t *testing.T) {
	dir := t.TempDir()
	c := cache.In(dir)
	if got := c.Get("p", "alerts"); got != nil {
		t.Errorf("%v", got)
	}
	if err := c.Put("../p", "alerts", []cache.Entry{{Word: "p/1", Help: "a title"}}); err != nil {
		t.Fatal(err)
	}
	if got := c.Get("../p", "alerts"); len(got) != 1 || got[0].Help != "a title" {
		t.Errorf("%v", got)
	}
	files, err := filepath.Glob(dir + "/complete/*")
	if err != nil || len(files) != 1 {
		t.Fatalf("%v %v: a profile's name must not leave the folder", files, err)
	}
	if err := os.WriteFile(files[0], []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := c.Get("../p", "alerts"); got != nil {
		t.Errorf("a broken file gave %v", got)
	}
}
