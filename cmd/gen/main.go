// Command gen writes what is generated from the program itself, between its
// markers or as whole files: tables of what the drivers can, the reference of the
// command tree. CI runs it and fails when the tree then differs.
//
//	gen manuals DIR    writes the manual pages, for a release
package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	cmdbackends "github.com/edrctl/edrctl/cmd/backends"
	"github.com/edrctl/edrctl/internal/backends"
	_ "github.com/edrctl/edrctl/internal/backends/all"
	"github.com/edrctl/edrctl/internal/change"
	"github.com/edrctl/edrctl/internal/hunt"
	"github.com/edrctl/edrctl/internal/ioc"
)

func main() {
	var err error
	switch args := os.Args[1:]; {
	case len(args) == 0:
		err = run()
	case len(args) == 2 && args[0] == "manuals":
		err = manuals(args[1])
	default:
		err = errors.New("want no arguments, or: manuals DIR")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}

func run() error {
	if err := completions(); err != nil {
		return err
	}
	matrix, err := capabilityMatrix()
	if err != nil {
		return err
	}
	if err := replace("docs/backends/README.md", "capabilities", matrix); err != nil {
		return err
	}
	table, how, err := verbTable()
	if err != nil {
		return err
	}
	if err := replace("docs/response.md", "verbs", table); err != nil {
		return err
	}
	if err := replace("docs/response.md", "how", how); err != nil {
		return err
	}
	table, notes, err := huntTable()
	if err != nil {
		return err
	}
	if err := replace("docs/hunting.md", "hunting", table); err != nil {
		return err
	}
	if err := replace("docs/hunting.md", "hunting-notes", notes); err != nil {
		return err
	}
	if err := replace("docs/backends/pushdown.md", "pushes", pushTables()); err != nil {
		return err
	}
	if err := replace("docs/backends/fields.md", "fields", fieldTables()); err != nil {
		return err
	}
	if err := pictures("docs/img"); err != nil {
		return err
	}
	mapping, err := mappingTables()
	if err != nil {
		return err
	}
	if err := replace("docs/formats.md", "mapping", mapping); err != nil {
		return err
	}
	if err := reference(); err != nil {
		return err
	}
	if err := schemas(); err != nil {
		return err
	}
	return notices()
}

// huntTable is a row an indicator type, a column a product; and what to know
// of each.
func huntTable() (table, notes string, err error) {
	var t, n strings.Builder
	t.WriteString("| indicator |")
	line := "| --- |"
	modes := map[string]map[string]backends.HuntMode{}
	for _, b := range backends.All() {
		fmt.Fprintf(&t, " %s |", b.Title)
		line += " --- |"
		d, err := b.Blank()
		if err != nil {
			return "", "", err
		}
		modes[b.Name] = hunt.Modes(d)
		if err := d.Close(); err != nil {
			return "", "", err
		}
	}
	t.WriteString("\n" + line + "\n")
	words := map[backends.HuntWhere]string{backends.HuntServer: "server", backends.HuntLocal: "here", backends.HuntNone: "–"}
	for _, typ := range ioc.Types {
		fmt.Fprintf(&t, "| `%s` |", typ)
		for _, b := range backends.All() {
			fmt.Fprintf(&t, " %s |", words[modes[b.Name][typ.String()].Where])
		}
		t.WriteByte('\n')
	}
	for _, b := range backends.All() {
		fmt.Fprintf(&n, "### %s\n\n", b.Title)
		for _, typ := range ioc.Types {
			m := modes[b.Name][typ.String()]
			if m.Why == "" {
				continue
			}
			fmt.Fprintf(&n, "- `%s` (%s): %s\n", typ, words[m.Where], m.Why)
		}
		if strings.HasSuffix(n.String(), "\n\n") {
			n.WriteString("Nothing beyond the table.\n")
		}
		n.WriteByte('\n')
	}
	return t.String(), strings.TrimSuffix(n.String(), "\n"), nil
}

// verbTable has a row per verb and a column per product; and also, how each
// product does each.
func verbTable() (table, how string, err error) {
	cells := map[string]map[string]backends.VerbSpec{}
	var all []backends.Backend
	for _, b := range backends.All() {
		d, err := b.Blank()
		if err != nil {
			return "", "", err
		}
		all = append(all, b)
		cells[b.Name] = map[string]backends.VerbSpec{}
		if c, ok := d.(backends.Changer); ok {
			for _, v := range c.Verbs() {
				cells[b.Name][v.Verb] = v
			}
		}
		if err := d.Close(); err != nil {
			return "", "", err
		}
	}
	var t, h strings.Builder
	t.WriteString("| command |")
	line := "| --- |"
	for _, b := range all {
		fmt.Fprintf(&t, " %s |", b.Title)
		line += " --- |"
	}
	t.WriteString("\n" + line + "\n")
	for _, verb := range backends.AllVerbs {
		fmt.Fprintf(&t, "| `%s` |", change.Command(verb))
		for _, b := range all {
			c, ok := cells[b.Name][verb]
			switch {
			case !ok:
				t.WriteString(" – |")
				continue
			case c.Sync:
				t.WriteString(" sync")
			default:
				t.WriteString(" queued")
			}
			if c.Inverse != "" {
				t.WriteString(", undo " + c.Inverse)
			}
			t.WriteString(" |")
		}
		t.WriteByte('\n')
	}
	for _, b := range all {
		if len(cells[b.Name]) == 0 {
			continue
		}
		fmt.Fprintf(&h, "\n### %s\n\n", b.Title)
		for _, verb := range backends.AllVerbs {
			c, ok := cells[b.Name][verb]
			if !ok {
				continue
			}
			needs := ""
			if len(c.Needs) > 0 {
				needs = " Needs " + strings.Join(c.Needs, ", ") + "."
			}
			fmt.Fprintf(&h, "- `%s`: %s.%s\n", change.Command(verb), strings.TrimSuffix(c.How, "."), needs)
		}
	}
	return t.String(), strings.TrimPrefix(h.String(), "\n"), nil
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
