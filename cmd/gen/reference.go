package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/edrctl/edrctl/internal/backends"
)

const referenceDir = "docs/reference"

// generated is the first line of every file that is generated completely.
const generated = "<!-- Written by `go run ./cmd/gen` from the program; changes here are lost. -->\n"

// reference writes a page for each command, and the list of them.
func reference() error {
	root := tree()
	can, err := abilities()
	if err != nil {
		return err
	}
	pages := map[string][]byte{}
	for _, c := range visible(root) {
		pages[pageOf(c)] = commandPage(c, can)
	}
	pages["README.md"] = referenceIndex(root)
	return writeAll(referenceDir, ".md", pages)
}

func pageOf(c *cobra.Command) string {
	return strings.ReplaceAll(c.CommandPath(), " ", "-") + ".md"
}

func referenceIndex(root *cobra.Command) []byte {
	var b bytes.Buffer
	b.WriteString(generated)
	b.WriteString("\n# Reference\n\nEvery command, as `--help` shows it. The flags every command takes are on the page of\n[edrctl](edrctl.md) itself.\n\n| command | what it does |\n| --- | --- |\n")
	for _, c := range visible(root) {
		fmt.Fprintf(&b, "| [`%s`](%s) | %s |\n", c.CommandPath(), pageOf(c), cell(c.Short))
	}
	return b.Bytes()
}

func commandPage(c *cobra.Command, can able) []byte {
	var b bytes.Buffer
	b.WriteString(generated)
	text := c.Long
	if text == "" {
		text = c.Short + "."
	}
	fmt.Fprintf(&b, "\n# %s\n\n%s\n", c.CommandPath(), longText(text))
	fmt.Fprintf(&b, "\n```text\n%s\n```\n", synopsis(c))
	if len(c.Aliases) > 0 {
		fmt.Fprintf(&b, "\nAlso written: `%s`.\n", strings.Join(c.Aliases, "`, `"))
	}
	if kids := visible(c)[1:]; len(kids) > 0 {
		b.WriteString("\n## Commands\n\n")
		for _, k := range kids {
			if k.Parent() == c {
				fmt.Fprintf(&b, "- [`%s`](%s): %s\n", k.CommandPath(), pageOf(k), prose(k.Short))
			}
		}
	}
	if list := examples(c); len(list) > 0 {
		b.WriteString("\n## Examples\n\n```console\n")
		for _, e := range list {
			b.WriteString("$ " + e + "\n")
		}
		b.WriteString("```\n")
	}
	if yes, no := can.of(c); yes != nil {
		b.WriteString("\n## Products\n\n")
		fmt.Fprintf(&b, "Works on: %s.", titles(yes))
		if len(no) > 0 {
			fmt.Fprintf(&b, " Not on: %s; there it is exit 5, or a warning and exit 3 where others answered.", titles(no))
		}
		b.WriteString("\n")
	}
	own := options(c.NonInheritedFlags())
	if len(own) > 0 {
		title := "Flags"
		if !c.HasParent() {
			title = "Flags of every command"
		}
		fmt.Fprintf(&b, "\n## %s\n\n%s", title, optionTable(own))
	}
	if c.HasParent() {
		b.WriteString("\nBeside these, [the flags of every command](edrctl.md#flags-of-every-command).\n")
	}
	if c.Runnable() && !c.HasSubCommands() {
		b.WriteString("\nExit codes: [docs/exit-codes.md](../exit-codes.md).\n")
	}
	if p := c.Parent(); p != nil {
		fmt.Fprintf(&b, "\nUp: [%s](%s)\n", p.CommandPath(), pageOf(p))
	}
	return b.Bytes()
}

func optionTable(list []option) string {
	var b strings.Builder
	b.WriteString("| flag | what it does | default | environment |\n| --- | --- | --- | --- |\n")
	for _, o := range list {
		def, env := "", ""
		if o.def != "" {
			def = "`" + strings.ReplaceAll(o.def, "|", "\\|") + "`"
		}
		if len(o.env) > 0 {
			env = "`" + strings.Join(o.env, "`, `") + "`"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", strings.ReplaceAll(o.words(), "|", "\\|"), cell(o.help), def, env)
	}
	return b.String()
}

// titles names products in running text.
func titles(names []string) string {
	var out []string
	for _, b := range backends.All() {
		for _, n := range names {
			if n == b.Name {
				out = append(out, b.Title)
			}
		}
	}
	return strings.Join(out, ", ")
}

var markdown = strings.NewReplacer(`\`, `\\`, "<", `\<`, "*", `\*`, "`", "\\`", "[", `\[`, "]", `\]`)

// prose makes text of the program plain text of a page.
func prose(s string) string { return markdown.Replace(s) }

func cell(s string) string { return strings.ReplaceAll(prose(s), "|", `\|`) }

// longText keeps the paragraphs of a help text; one with indented lines is a
// table or a picture and stays as it is.
func longText(s string) string {
	var out []string
	for _, p := range strings.Split(strings.TrimSpace(s), "\n\n") {
		if strings.Contains("\n"+p, "\n  ") {
			out = append(out, "```text\n"+p+"\n```")
		} else {
			out = append(out, prose(p))
		}
	}
	return strings.Join(out, "\n\n")
}

// writeAll makes a folder hold exactly these files among those of a suffix: a
// command that is gone takes its page with it.
func writeAll(dir, suffix string, files map[string][]byte) error {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return err
	}
	old, err := filepath.Glob(filepath.Join(dir, "*"+suffix))
	if err != nil {
		return err
	}
	for _, f := range old {
		if _, keep := files[filepath.Base(f)]; !keep {
			if err := os.Remove(f); err != nil {
				return err
			}
		}
	}
	for name, text := range files {
		path := filepath.Join(dir, name)
		if before, err := os.ReadFile(path); err == nil && bytes.Equal(before, text) {
			continue
		}
		if err := os.WriteFile(path, text, 0o644); err != nil {
			return err
		}
	}
	return nil
}
