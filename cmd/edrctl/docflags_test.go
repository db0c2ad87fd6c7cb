package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/edrctl/edrctl/cmd/cli"
	"github.com/edrctl/edrctl/cmd/cmdutil"
	"github.com/edrctl/edrctl/internal/iostreams"
)

func commandTree() *cobra.Command {
	streams, _, _, _ := iostreams.Test()
	root := cli.NewRoot(cmdutil.NewFactory(streams, &cmdutil.GlobalFlags{}, func(string) string { return "" }))
	root.InitDefaultCompletionCmd()
	return root
}

func everyCommand(c *cobra.Command, f func(*cobra.Command)) {
	f(c)
	for _, k := range c.Commands() {
		if k.IsAvailableCommand() && k.Name() != "help" {
			everyCommand(k, f)
		}
	}
}

func readDoc(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(docRoot, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// Every flag says what it does and is in the reference; every command has
// its page and its manual, and an example in its help or on a page.
func TestDocsCoverTheTree(t *testing.T) {
	shown := map[string]bool{} // commands the pages show
	root := commandTree()
	for _, name := range pages(t) {
		if isReference(name) {
			continue
		}
		for _, b := range readPage(t, name).blocks {
			text := strings.Join(b.text, "\n")
			for _, l := range strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune("\n|;&()`", r) }) {
				if _, args, ok := strings.Cut(" "+l, " edrctl "); ok {
					if c, _, err := root.Find(words(args)); err == nil {
						shown[c.CommandPath()] = true
					}
				}
			}
		}
	}
	commands, flags := 0, 0
	everyCommand(root, func(c *cobra.Command) {
		commands++
		page := "docs/reference/" + strings.ReplaceAll(c.CommandPath(), " ", "-") + ".md"
		text := readDoc(t, page)
		if c.Short == "" {
			t.Errorf("%s does not say what it does", c.CommandPath())
		}
		c.NonInheritedFlags().VisitAll(func(f *pflag.Flag) {
			if f.Hidden || f.Name == "help" {
				return
			}
			flags++
			if f.Usage == "" {
				t.Errorf("%s --%s has no help", c.CommandPath(), f.Name)
			}
			if !strings.Contains(text, "--"+f.Name) {
				t.Errorf("%s does not have --%s (go run ./cmd/gen)", page, f.Name)
			}
		})
		if !c.HasSubCommands() && c.Example == "" && !shown[c.CommandPath()] && c.Parent().Name() != "completion" {
			t.Errorf("%s has no example, neither in its help nor on a page", c.CommandPath())
		}
	})
	t.Logf("%d commands and %d flags are in the reference; %d commands are shown on the pages", commands, flags, len(shown))
}

// words splits a command line as far as finding its command needs: flags and
// their values are left out.
func words(line string) []string {
	var out []string
	fields := strings.Fields(line)
	for i := 0; i < len(fields); i++ {
		if f := fields[i]; strings.HasPrefix(f, "-") {
			if slices.Contains([]string{"-p", "-o", "--config", "--jq", "--tz", "--columns", "--timeout"}, f) {
				i++
			}
			continue
		}
		out = append(out, fields[i])
	}
	return out
}

var variable = regexp.MustCompile(`"(EDRCTL_[A-Z_]+|XDG_[A-Z_]+|NO_COLOR|CLICOLOR[A-Z_]*|COLUMNS)"`)

// Every variable the program reads is on the page of the environment.
func TestDocsCoverTheEnvironment(t *testing.T) {
	page := readDoc(t, "docs/environment.md")
	found := map[string]bool{}
	for _, dir := range []string{"cmd", "internal"} {
		err := filepath.WalkDir(filepath.Join(docRoot, dir), func(path string, e fs.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") || strings.Contains(path, "cmd/gen/") {
				return err
			}
			text, err := os.ReadFile(path)
			for _, m := range variable.FindAllStringSubmatch(string(text), -1) {
				found[m[1]] = true
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for name := range found {
		if strings.HasSuffix(name, "_") { // a prefix: EDRCTL_<PROFILE>_<SECRET>
			name += "<"
		}
		if !strings.Contains(page, "`"+name) {
			t.Errorf("docs/environment.md does not have %s", name)
		}
	}
	if len(found) < 8 {
		t.Errorf("only %d variables were found: %v", len(found), found)
	}
	t.Logf("%d variables", len(found))
}

// Every exit code is on its page, and no other.
func TestDocsCoverTheExitCodes(t *testing.T) {
	page := readDoc(t, "docs/exit-codes.md")
	var codes []int
	for _, m := range regexp.MustCompile(`(?m)^\| (\d+) \|`).FindAllStringSubmatch(page, -1) {
		n, err := strconv.Atoi(m[1])
		if err != nil {
			t.Fatal(err)
		}
		codes = append(codes, n)
	}
	want := []int{
		cmdutil.ExitOK, cmdutil.ExitFailure, cmdutil.ExitUsage, cmdutil.ExitPartial, cmdutil.ExitAuth, cmdutil.ExitUnsupported, cmdutil.ExitNotFound,
		cmdutil.ExitRefused, cmdutil.ExitPending, cmdutil.ExitFound, cmdutil.ExitInterrupted,
	}
	if !slices.Equal(codes, want) {
		t.Errorf("docs/exit-codes.md has %v, the program %v", codes, want)
	}
}
