package atomicfile_test

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/edrctl/edrctl/internal/atomicfile"
)

func TestWrite(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "new", "deeper", "f")
	for _, want := range []string{"one", "two, longer", ""} {
		if err := atomicfile.Write(path, []byte(want)); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(path)
		if err != nil || string(got) != want {
			t.Fatalf("read %q, %v; want %q", got, err, want)
		}
	}
	left, _ := os.ReadDir(filepath.Dir(path))
	if len(left) != 1 {
		t.Errorf("temporary files were left: %v", left)
	}
	if runtime.GOOS != "windows" {
		if info, _ := os.Stat(path); info.Mode().Perm() != 0o600 {
			t.Errorf("file mode is %v", info.Mode())
		}
		if info, _ := os.Stat(filepath.Dir(path)); info.Mode().Perm() != 0o700 {
			t.Errorf("folder mode is %v", info.Mode())
		}
	}
}

func TestWriteFollowsLinks(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("symbolic links need a privilege on Windows")
	}
	dir := t.TempDir()
	real, link := filepath.Join(dir, "dotfiles", "real"), filepath.Join(dir, "link")
	if err := os.Symlink(filepath.Join("dotfiles", "real"), link); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"made through a dangling link", "replaced"} {
		if err := atomicfile.Write(link, []byte(want)); err != nil {
			t.Fatal(err)
		}
		if got, _ := os.ReadFile(real); string(got) != want {
			t.Errorf("the target holds %q, want %q", got, want)
		}
	}
	if info, _ := os.Lstat(link); info.Mode()&os.ModeSymlink == 0 {
		t.Error("the link was replaced by a file")
	}
	loop := filepath.Join(dir, "loop")
	if err := os.Symlink("loop", loop); err != nil {
		t.Fatal(err)
	}
	if err := atomicfile.Write(loop, nil); err == nil {
		t.Error("a link to itself was written")
	}
	if err := atomicfile.Write(dir, nil); err == nil {
		t.Error("a folder was overwritten")
	}
}
