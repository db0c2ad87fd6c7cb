// Command gen writes what is generated from the program itself, between its
// markers: the capability matrix of the README. CI runs it and fails when the
// tree then differs.
package main

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strings"

	cmdbackends "github.com/edrctl/edrctl/cmd/backends"
	"github.com/edrctl/edrctl/internal/backends"
	_ "github.com/edrctl/edrctl/internal/backends/all"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}

func run() error {
	matrix, err := capabilityMatrix()
	if err != nil {
		return err
	}
	return replace("README.md", "capabilities", matrix)
}

// capabilityMatrix is a Markdown table: a row a capability, a column a product.
func capabilityMatrix() (string, error) {
	rows, err := cmdbackends.Matrix()
	if err != nil {
		return "", err
	}
	var b strings.Builder
	b.WriteString("| command |")
	line := "| --- |"
	for _, x := range backends.All() {
		fmt.Fprintf(&b, " %s |", x.Title)
		line += " :-: |"
	}
	b.WriteString("\n" + line + "\n")
	for _, r := range rows {
		fmt.Fprintf(&b, "| `%s` |", strings.Join(r.Commands, "`, `"))
		for _, x := range backends.All() {
			if slices.Contains(r.Backends, x.Name) {
				b.WriteString(" yes |")
			} else {
				b.WriteString(" – |")
			}
		}
		b.WriteByte('\n')
	}
	b.WriteString("| operations in the catalogue |")
	for _, x := range backends.All() {
		fmt.Fprintf(&b, " %d |", len(x.Catalog()))
	}
	b.WriteByte('\n')
	return b.String(), nil
}

// replace puts text between the markers of that name in a file.
func replace(file, name, text string) error {
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	begin, end := []byte("<!-- generated: "+name+" -->\n"), []byte("<!-- end: "+name+" -->")
	i, j := bytes.Index(data, begin), bytes.Index(data, end)
	if i < 0 || j < i {
		return fmt.Errorf("%s has no place for %s", file, name)
	}
	out := slices.Concat(data[:i+len(begin)], []byte(text), data[j:])
	if bytes.Equal(out, data) {
		return nil
	}
	return os.WriteFile(file, out, 0o644)
}
