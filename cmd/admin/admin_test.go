package admin_test

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/edrctl/edrctl/cmd/admin"
	"github.com/edrctl/edrctl/cmd/cmdutil"
	"github.com/edrctl/edrctl/internal/backends"
	_ "github.com/edrctl/edrctl/internal/backends/all"
	"github.com/edrctl/edrctl/internal/iostreams"
)

func tree(t testing.TB, args []string) *cobra.Command {
	t.Helper()
	f := cmdutil.NewFactory(iostreams.System(os.Getenv), &cmdutil.GlobalFlags{}, os.Getenv)
	f.Args = args
	root := &cobra.Command{Use: "edrctl"}
	root.AddGroup(&cobra.Group{ID: "admin", Title: "Administer:"})
	f.Flags.Bind(root.PersistentFlags(), os.Getenv)
	admin.Add(root, f, "admin")
	return root
}

// Every resource of every backend names operations and parameters that are
// there, and becomes a command.
func TestResources(t *testing.T) {
	root := tree(t, nil)
	verbs := 0
	for _, b := range backends.All() {
		if b.Resources == nil {
			continue
		}
		catalog := b.Catalog()
		for _, r := range b.Resources() {
			if r.Noun == "" || r.Title == "" || len(r.Verbs) == 0 {
				t.Errorf("%s: %+v says too little", b.Name, r)
			}
			for _, v := range r.Verbs {
				verbs++
				name := b.Name + ": " + r.Noun + " " + v.Name
				op, ok := backends.OperationNamed(catalog, v.Op)
				if !ok {
					t.Errorf("%s: there is no operation %s", name, v.Op)
					continue
				}
				for k, o := range v.Operands {
					o, repeated := strings.CutSuffix(o, "...")
					if _, ok := op.Param(o); !ok {
						t.Errorf("%s: operand %s is not a parameter of %s", name, o, op.Name)
					}
					if repeated && k != len(v.Operands)-1 {
						t.Errorf("%s: only the last operand can be repeated", name)
					}
				}
				for p, val := range v.Fixed {
					param, ok := op.Param(p)
					if !ok {
						t.Errorf("%s: %s is not a parameter of %s", name, p, op.Name)
					} else if _, err := param.Value(val); err != nil {
						t.Errorf("%s: %s: %v", name, p, err)
					}
				}
				if _, ok := op.Param(v.From); v.From != "" && !ok {
					t.Errorf("%s: %s is not a parameter of %s", name, v.From, op.Name)
				}
				words := append(strings.Fields(r.Noun), v.Name)
				c, rest, err := root.Find(words)
				if err != nil || len(rest) > 0 && !strings.HasPrefix(c.CommandPath(), "edrctl "+r.Noun) {
					t.Errorf("%s is not a command: %v %v", name, c.CommandPath(), err)
				}
			}
		}
	}
	t.Logf("%d verbs", verbs)
}

// Every command tells what it does, on whom, with an example that names a
// profile of the demo, and its flags are words with a help.
func TestHelp(t *testing.T) {
	var walk func(*cobra.Command)
	walk = func(c *cobra.Command) {
		for _, k := range c.Commands() {
			walk(k)
		}
		if c.HasSubCommands() || !c.HasParent() {
			return
		}
		path := c.CommandPath()
		if c.Short == "" || c.Long == "" || !strings.Contains(c.Example, "-p demo-") {
			t.Errorf("%s: its help says too little: %q %q", path, c.Short, c.Example)
		}
		c.Flags().VisitAll(func(fl *pflag.Flag) {
			if strings.ContainsAny(fl.Name, "_. ") || strings.ToLower(fl.Name) != fl.Name {
				t.Errorf("%s: --%s is not a flag of edrctl", path, fl.Name)
			}
		})
	}
	walk(tree(t, nil))
}

// A start makes only the verbs that its command line can mean.
func TestLazy(t *testing.T) {
	nounsOf := func(args []string) (out []*cobra.Command) { // below admin, and their earlier spellings
		for _, c := range tree(t, args).Commands() {
			if c.Name() == "admin" {
				out = append(out, c.Commands()...)
			} else {
				out = append(out, c)
			}
		}
		return out
	}
	count := func(args []string) (nouns, verbs int) {
		for _, c := range nounsOf(args) {
			nouns++
			verbs += len(c.Commands())
		}
		return nouns, verbs
	}
	nouns, verbs := count(nil)
	n, v := count([]string{"version"})
	if n != nouns || v != 0 || verbs < 20 {
		t.Errorf("%d nouns and %d verbs of %d and %d", n, v, nouns, verbs)
	}
	if _, v := count([]string{"users", "list"}); v == 0 || v >= verbs {
		t.Errorf("%d verbs for users", v)
	}
	var names []string
	for _, c := range nounsOf([]string{"help", "users"}) {
		if c.HasSubCommands() {
			names = append(names, c.CommandPath())
		}
	}
	if !slices.Equal(names, []string{"edrctl admin users", "edrctl users"}) {
		t.Errorf("%v", names)
	}
}

func BenchmarkAdd(b *testing.B) {
	for b.Loop() {
		tree(b, []string{"version"})
	}
}
