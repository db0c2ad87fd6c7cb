package main

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	cmdbackends "github.com/edrctl/edrctl/cmd/backends"
	"github.com/edrctl/edrctl/cmd/cli"
	"github.com/edrctl/edrctl/cmd/cmdutil"
	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/change"
	"github.com/edrctl/edrctl/internal/iostreams"
)

// tree is the command tree as a user with an empty environment has it: the
// defaults of flags are then the program's own.
func tree() *cobra.Command {
	io, _, _, _ := iostreams.Test()
	root := cli.NewRoot(cmdutil.NewFactory(io, &cmdutil.GlobalFlags{}, func(string) string { return "" }))
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	return root
}

// visible lists the commands below c that users see, c first, in the order of
// their names. Pages of help that are not commands are left out.
func visible(c *cobra.Command) []*cobra.Command {
	out := []*cobra.Command{c}
	kids := slices.Clone(c.Commands())
	slices.SortFunc(kids, func(a, b *cobra.Command) int { return strings.Compare(a.Name(), b.Name()) })
	for _, k := range kids {
		if k.IsAvailableCommand() && k.Name() != "help" {
			out = append(out, visible(k)...)
		}
	}
	return out
}

// topics lists the pages of help that are not commands.
func topics(root *cobra.Command) []*cobra.Command {
	var out []*cobra.Command
	for _, k := range root.Commands() {
		if k.IsAdditionalHelpTopicCommand() {
			out = append(out, k)
		}
	}
	return out
}

// option is a flag as reference and manual show it.
type option struct {
	name, short, value, def, help string
	env                           []string
}

var envOf = regexp.MustCompile(` ?\[([A-Z][A-Z0-9_]*(?:, [A-Z][A-Z0-9_]*)*)\]`)

func options(fs *pflag.FlagSet) []option {
	var out []option
	fs.VisitAll(func(f *pflag.Flag) {
		if f.Hidden || f.Name == "help" {
			return
		}
		value, help := pflag.UnquoteUsage(f)
		if t := f.Value.Type(); value == t && (t == "stringArray" || t == "stringSlice") || value == "strings" {
			value, help = "string", help+" (may repeat)"
		}
		o := option{name: f.Name, short: f.Shorthand, value: value, help: help}
		if m := envOf.FindStringSubmatch(help); m != nil {
			o.env = strings.Split(m[1], ", ")
			o.help = strings.Replace(help, m[0], "", 1)
		}
		switch f.DefValue {
		case "", "false", "0", "[]", "0s":
		default:
			o.def = f.DefValue
		}
		if f.NoOptDefVal != "" && f.Value.Type() != "bool" {
			o.value = "[=" + value + "]"
		}
		out = append(out, o)
	})
	return out
}

// words are the flag's names as they are typed.
func (o option) words() string {
	s := "--" + o.name
	if o.short != "" {
		s = "-" + o.short + ", " + s
	}
	if strings.HasPrefix(o.value, "[") {
		return s + o.value
	}
	return strings.TrimSpace(s + " " + o.value)
}

// examples are the command lines of a command's help, without the prompt.
func examples(c *cobra.Command) []string {
	var out []string
	for line := range strings.Lines(c.Example) {
		line = strings.TrimRight(line, "\n")
		if cmd, ok := strings.CutPrefix(strings.TrimSpace(line), "$ "); ok {
			out = append(out, cmd)
		} else if len(out) > 0 && strings.TrimSpace(line) != "" {
			out[len(out)-1] += "\n" + line
		}
	}
	return out
}

// able tells which products have what a command asks for: nil when the
// command is not of products at all.
type able map[string][]string

// abilities reads the drivers: the matrix of reads, and the verbs of changes.
func abilities() (able, error) {
	out := able{}
	rows, err := cmdbackends.Matrix()
	if err != nil {
		return nil, err
	}
	for _, r := range rows {
		for _, c := range r.Commands {
			if _, note, _ := strings.Cut(c, " ("); note != "" {
				continue // a way of doing it, not the command
			}
			if _, flag, _ := strings.Cut(c, " --"); flag != "" {
				continue
			}
			out[c] = r.Backends
		}
	}
	for _, b := range backends.All() {
		d, err := b.Blank()
		if err != nil {
			return nil, err
		}
		c, ok := d.(backends.Changer)
		if !ok {
			continue
		}
		for _, v := range c.Verbs() {
			if name := change.Command(v.Verb); !slices.Contains(out[name], b.Name) {
				out[name] = append(out[name], b.Name)
			}
		}
		if err := d.Close(); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (a able) of(c *cobra.Command) (can, cannot []string) {
	path := strings.TrimPrefix(c.CommandPath(), "edrctl ")
	can = a[path]
	if can == nil {
		return nil, nil
	}
	for _, b := range backends.All() {
		if !slices.Contains(can, b.Name) {
			cannot = append(cannot, b.Name)
		}
	}
	return can, cannot
}

// synopsis is how a command is called, as its help says.
func synopsis(c *cobra.Command) string {
	if _, operands, _ := strings.Cut(c.Use, " "); c.Runnable() && (!c.HasSubCommands() || operands != "") {
		return c.UseLine()
	}
	return fmt.Sprintf("%s COMMAND", c.CommandPath())
}
