package archtest

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestWirePagesExist: sources cite the notes about the servers, and every page they
// cite is there.
func TestWirePagesExist(t *testing.T) {
	cited := regexp.MustCompile(`[\w./-]*wire/\w+\.md`)
	root := filepath.Join("..", "..")
	n := 0
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "wire_test.go") {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, page := range cited.FindAllString(string(data), -1) {
			n++
			if _, err := os.Stat(filepath.Join(root, page)); err != nil {
				t.Errorf("%s cites %s, which is not there", path, page)
			}
		}
		return nil
	})
	if err != nil || n < 50 {
		t.Fatalf("%d citations, %v", n, err)
	}
}
