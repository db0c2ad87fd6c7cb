package main

import (
	"bytes"
	"os"
	"path/filepath"

	"github.com/edrctl/edrctl/cmd/completion"
)

// completions writes the scripts of the shells to completions/, where packages
// take them from.
func completions() error {
	const dir = "completions"
	for _, s := range completion.Shells {
		var b bytes.Buffer
		if err := completion.Write(&b, s.Name); err != nil {
			return err
		}
		path := filepath.Join(dir, s.File)
		if old, err := os.ReadFile(path); err == nil && bytes.Equal(old, b.Bytes()) {
			continue
		}
		if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
			return err
		}
	}
	return nil
}
