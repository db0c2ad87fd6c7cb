package main

import (
	"bytes"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"
)

// manuals writes a manual page (man(7) macros) for each command into dir. No date
// is in them: two runs give the same bytes.
func manuals(dir string) error {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return err
	}
	root := tree()
	pages := map[string][]byte{}
	for _, c := range visible(root) {
		pages[manName(c)+".1"] = manPage(c)
	}
	return writeAll(dir, ".1", pages)
}

func manName(c *cobra.Command) string { return strings.ReplaceAll(c.CommandPath(), " ", "-") }

func manPage(c *cobra.Command) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, ".\\\" Written by `go run ./cmd/gen`; changes here are lost.\n.TH \"%s\" \"1\" \"\" \"edrctl\" \"edrctl manual\"\n", strings.ToUpper(manName(c)))
	fmt.Fprintf(&b, ".SH NAME\n%s \\- %s\n", roff(manName(c)), roff(c.Short))
	fmt.Fprintf(&b, ".SH SYNOPSIS\n.nf\n%s\n.fi\n", roffLines(synopsis(c)))
	text := c.Long
	if text == "" {
		text = c.Short + "."
	}
	b.WriteString(".SH DESCRIPTION\n")
	for i, p := range strings.Split(strings.TrimSpace(text), "\n\n") {
		if i > 0 {
			b.WriteString(".PP\n")
		}
		if strings.Contains("\n"+p, "\n  ") {
			b.WriteString(".nf\n" + roffLines(p) + "\n.fi\n")
		} else {
			b.WriteString(roffLines(p) + "\n")
		}
	}
	if kids := visible(c)[1:]; len(kids) > 0 {
		b.WriteString(".SH COMMANDS\n")
		for _, k := range kids {
			if k.Parent() == c {
				fmt.Fprintf(&b, ".TP\n\\fB%s\\fR(1)\n%s\n", roff(manName(k)), roffLines(k.Short))
			}
		}
	}
	manOptions(&b, "OPTIONS", options(c.NonInheritedFlags()))
	if !c.HasParent() {
		for _, t := range topics(c) {
			fmt.Fprintf(&b, ".SH %s\n%s.\n.PP\n.nf\n%s\n.fi\n", strings.ToUpper(strings.ReplaceAll(t.Name(), "-", " ")), roffLines(t.Short), roffLines(t.Long))
		}
	}
	if list := examples(c); len(list) > 0 {
		b.WriteString(".SH EXAMPLES\n.nf\n")
		for _, e := range list {
			b.WriteString(roffLines("$ "+e) + "\n")
		}
		b.WriteString(".fi\n")
	}
	if p := c.Parent(); p != nil {
		see := []string{"\\fBedrctl\\fR(1)"}
		if p.HasParent() {
			see = append(see, "\\fB"+roff(manName(p))+"\\fR(1)")
		}
		fmt.Fprintf(&b, ".SH SEE ALSO\nThe options of every command, the exit codes and the environment are in \\fBedrctl\\fR(1).\n.PP\n%s\n", strings.Join(see, ", "))
	}
	return b.Bytes()
}

func manOptions(b *bytes.Buffer, title string, list []option) {
	if len(list) == 0 {
		return
	}
	fmt.Fprintf(b, ".SH %s\n", title)
	for _, o := range list {
		text := o.help
		if o.def != "" {
			text += " (default " + o.def + ")"
		}
		if len(o.env) > 0 {
			text += " [" + strings.Join(o.env, ", ") + "]"
		}
		fmt.Fprintf(b, ".TP\n\\fB%s\\fR\n%s\n", roff(o.words()), roffLines(text))
	}
}

var roffEscapes = strings.NewReplacer(`\`, `\e`, "-", `\-`, "'", `\(aq`, "`", "\\(ga", "^", `\(ha`, "~", `\(ti`)

// roff makes text safe inside a line of a manual.
func roff(s string) string { return roffEscapes.Replace(s) }

// roffLines does so line by line: a line that begins with a dot or a quote
// would be a request, and a blank one a paragraph.
func roffLines(s string) string {
	lines := strings.Split(strings.TrimRight(s, "\n"), "\n")
	for i, l := range lines {
		l = roff(l)
		switch {
		case strings.HasPrefix(l, "."):
			l = `\&` + l
		case strings.TrimSpace(l) == "":
			l = ".sp"
		}
		lines[i] = l
	}
	return strings.Join(lines, "\n")
}
