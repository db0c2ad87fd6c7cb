package auth_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A password that the server refuses is not kept, and the one that was kept
// before stays; one that cannot be checked is kept only with --no-check.
func TestLoginChecksBeforeItKeeps(t *testing.T) {
	p := newPlace(t, "")
	kept := func() bool {
		found := false
		_ = filepath.WalkDir(p.home, func(path string, _ os.DirEntry, _ error) error {
			b, err := os.ReadFile(path)
			found = found || err == nil && strings.Contains(string(b), "wrong-One-1!")
			return nil
		})
		return found
	}
	login := func(password string, more ...string) (int, string) {
		code, _, e := p.run(password+"\n", append([]string{"auth", "login", "--stdin", "--insecure-storage"}, more...)...)
		return code, e
	}
	if code, e := login("wrong-One-1!"); code != 4 || kept() || !strings.Contains(e, "nothing was kept") {
		t.Errorf("refused: exit %d, kept %v: %s", code, kept(), e)
	}
	if code, e := login(oldPassword); code != 0 || !strings.Contains(e, "kept in") {
		t.Errorf("taken: exit %d: %s", code, e)
	}
	if code, e := login("wrong-One-1!"); code != 4 || kept() {
		t.Errorf("refused after one that works: exit %d: %s", code, e)
	}
	if code, _, e := p.run("", "hosts", "list"); code != 0 {
		t.Errorf("the one that works is gone: exit %d: %s", code, e)
	}
	if code, e := login("wrong-One-1!", "--no-check"); code != 0 || !kept() {
		t.Errorf("--no-check: exit %d, kept %v: %s", code, kept(), e)
	}
}
