package main

import (
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/edrctl/edrctl/cmd/cli"
	"github.com/edrctl/edrctl/cmd/cmdutil"
	"github.com/edrctl/edrctl/internal/iostreams"
)

// goism is text of Go's libraries that says nothing to a user.
var goism = regexp.MustCompile(`strconv\.|invalid syntax|json: |yaml: |template: template|unmarshal|context (deadline|canceled)|arg\(s\)|flag\(s\)|flag needs|shorthand|unknown command ".*" for ".* (list|get)"|no such file or directory|parse "|runtime error|%!|<nil>`)

// badValues are wrong for some flag or other; a flag that takes any text takes
// them, and the profile that does not exist ends the command.
var badValues = []string{"eleven", "99999999999999999999", "[[{{("}

// Every flag with a wrong value, and every command with no operand and with too
// many: what comes out is the program's own language.
func TestNoGoErrorReachesAUser(t *testing.T) {
	if raceBuilt {
		t.Skip("SKIPPED: under the race detector, for time; CI runs it without")
	}
	env := map[string]string{"HOME": t.TempDir(), "TZ": "UTC"}
	run := func(args ...string) (int, string) {
		io, _, out, errOut := iostreams.Test()
		code := cli.Main(args, io, func(k string) string { return env[k] })
		return code, out.String() + errOut.String()
	}
	checked := 0
	check := func(args ...string) {
		t.Helper()
		checked++
		code, text := run(args...)
		if m := goism.FindString(text); m != "" || code != 0 && !regexp.MustCompile(`^(warning: .*\n)*edrctl: `).MatchString(text) {
			t.Errorf("edrctl %q: exit %d, %q:\n%s", args, code, m, text)
		}
	}
	io, _, _, _ := iostreams.Test()
	root := cli.NewRoot(cmdutil.NewFactory(io, &cmdutil.GlobalFlags{}, func(k string) string { return env[k] }))
	global := func(fl *pflag.Flag) bool { return root.PersistentFlags().Lookup(fl.Name) != nil }
	root.PersistentFlags().VisitAll(func(fl *pflag.Flag) {
		for _, v := range badValues {
			if fl.Name == "output" || fl.Name == "config" || fl.Value.Type() != "string" {
				check("alerts", "list", "--"+fl.Name+"="+v)
			} else {
				check("alerts", "list", "-p", "nosuch", "--"+fl.Name+"="+v)
			}
		}
		check("alerts", "list", "--"+fl.Name)
	})
	seen := map[string]bool{}
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		for _, sub := range c.Commands() {
			walk(sub)
		}
		path := strings.Fields(c.CommandPath())[1:]
		if !c.Runnable() || len(path) == 0 || c.HasSubCommands() || sweepSkips[path[0]] {
			return
		}
		with := func(more ...string) []string {
			return append(append(append([]string{}, path...), "-p", "nosuch"), more...)
		}
		check(with()...)
		check(with("a", "b", "c", "d")...)
		c.LocalFlags().VisitAll(func(fl *pflag.Flag) {
			key := fl.Name + " " + fl.Value.Type() + " " + fl.Usage // one implementation
			if global(fl) || fl.Name == "help" || seen[key] {
				return
			}
			seen[key] = true
			kinds := badValues
			if fl.Value.Type() != "string" {
				kinds = badValues[:2]
			}
			for _, v := range kinds {
				check(with("x", "--"+fl.Name+"="+v)...)
			}
		})
	}
	walk(root)
	if checked < 300 {
		t.Errorf("only %d command lines were tried", checked)
	}
}

// sweepSkips run without a profile: they would serve, draw or write.
var sweepSkips = map[string]bool{"demo": true, "tui": true, "completion": true, "help": true, "profile": true, "auth": true}
