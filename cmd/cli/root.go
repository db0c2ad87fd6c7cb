package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/edrctl/edrctl/cmd/admin"
	"github.com/edrctl/edrctl/cmd/alerts"
	"github.com/edrctl/edrctl/cmd/api"
	"github.com/edrctl/edrctl/cmd/audit"
	"github.com/edrctl/edrctl/cmd/auth"
	"github.com/edrctl/edrctl/cmd/backends"
	"github.com/edrctl/edrctl/cmd/carve"
	"github.com/edrctl/edrctl/cmd/cmdutil"
	"github.com/edrctl/edrctl/cmd/completion"
	"github.com/edrctl/edrctl/cmd/demo"
	"github.com/edrctl/edrctl/cmd/doctor"
	"github.com/edrctl/edrctl/cmd/events"
	"github.com/edrctl/edrctl/cmd/explain"
	"github.com/edrctl/edrctl/cmd/hosts"
	"github.com/edrctl/edrctl/cmd/hunt"
	"github.com/edrctl/edrctl/cmd/processes"
	"github.com/edrctl/edrctl/cmd/profile"
	"github.com/edrctl/edrctl/cmd/respond"
	"github.com/edrctl/edrctl/cmd/rules"
	"github.com/edrctl/edrctl/cmd/tui"
	"github.com/edrctl/edrctl/cmd/version"
	"github.com/edrctl/edrctl/internal/iostreams"
	"github.com/edrctl/edrctl/internal/shellquote"
)

const (
	groupRead  = "read"
	groupAct   = "act"
	groupAdmin = "admin"
	groupSetup = "setup"
)

// NewRoot builds the whole command tree. Nothing is read or dialled.
func NewRoot(f *cmdutil.Factory) *cobra.Command {
	root := &cobra.Command{
		Use:   "edrctl",
		Short: "Alerts, events, hunts and response over several EDR products at once",
		Long: `One command line for analysts who work across several EDR products: cWatch EDR,
Carbon Black v3, the Gene (WHIDS) manager and EclecticIQ ESP answer as one.`,
		Example: `$ edrctl -p demo alerts list --score-min 5
$ edrctl alerts list -p all --since 7d -o json | jq '.[].title'
$ edrctl doctor`,
		Args:          cobra.ArbitraryArgs,
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			if show, err := cmd.Flags().GetBool("version"); err == nil && show {
				_, err := fmt.Fprintln(f.IO.Out, version.Get().String())
				return cmdutil.IgnoreClosed(err)
			}
			if len(args) == 0 {
				return cmd.Help()
			}
			return unknownCommand(cmd, args[0])
		},
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error { return prepare(cmd, f) },
	}
	f.Flags.Bind(root.PersistentFlags(), f.Getenv)
	root.SetFlagErrorFunc(usage)
	root.SetOut(f.IO.Out)
	root.SetErr(f.IO.ErrOut)
	root.CompletionOptions.DisableDefaultCmd = true
	root.AddGroup(&cobra.Group{ID: groupRead, Title: "Look:"}, &cobra.Group{ID: groupAct, Title: "Act:"},
		&cobra.Group{ID: groupAdmin, Title: "Administer:"}, &cobra.Group{ID: groupSetup, Title: "Set up:"})
	add := func(group string, cmds ...*cobra.Command) {
		for _, c := range cmds {
			c.GroupID = group
			root.AddCommand(c)
		}
	}
	add(groupRead, alerts.New(f), events.New(f), hosts.New(f), processes.New(f), rules.New(f), hunt.New(f), tui.New(f))
	add(groupAct, respond.New(f), carve.New(f), api.New(f), audit.New(f))
	add(groupSetup, auth.New(f), profile.New(f), backends.New(f), explain.New(f), doctor.New(f), demo.New(f), completion.New(f), version.New(f))
	admin.Add(root, f, groupAdmin)
	// Not cobra's own: its template keeps every method of every type in the binary.
	root.Flags().Bool("version", false, "version for edrctl")
	root.SetHelpCommand(newHelp(root))
	root.SetHelpCommandGroupID(groupSetup)
	root.AddCommand(helpTopics()...)
	check(root)
	cmdutil.AddCompletions(root, f, f.Args)
	return root
}

// shorten gives the verbs of a noun the short names of other tools.
func shorten(noun *cobra.Command) {
	for _, short := range []struct{ alias, verb string }{{"ls", "list"}, {"rm", "delete"}, {"rm", "remove"}} {
		c := named(noun, short.verb)
		if short.alias == "rm" && named(noun, "delete") != nil && named(noun, "remove") != nil {
			continue // one can be undone and the other not: that takes a whole word
		}
		if c != nil && c.IsAvailableCommand() && named(noun, short.alias) == nil {
			c.Aliases = append(c.Aliases, short.alias)
		}
	}
}

// check makes every noun refuse what is not a verb of it, and every argument
// error a usage error.
func check(cmd *cobra.Command) {
	for _, c := range cmd.Commands() {
		check(c)
	}
	shorten(cmd)
	args := cmd.Args
	if args == nil || cmd.Parent() == nil {
		return
	}
	cmd.Args = func(c *cobra.Command, given []string) error {
		if c.HasSubCommands() && len(given) > 0 {
			return unknownCommand(c, given[0])
		}
		if err := args(c, given); err != nil {
			return badArguments(c, given, err)
		}
		return nil
	}
}

// prepare checks the global flags before any command runs.
func prepare(cmd *cobra.Command, f *cmdutil.Factory) error {
	g := f.Flags
	switch iostreams.ColorMode(g.Color) {
	case iostreams.ColorAuto, iostreams.ColorAlways, iostreams.ColorNever:
		f.IO.SetColor(iostreams.ColorMode(g.Color))
	default:
		return cmdutil.NoneOf("color", g.Color, []string{"auto", "always", "never"})
	}
	if g.Shell != "" {
		sh, ok := shellquote.Parse(g.Shell)
		if !ok {
			return cmdutil.Usagef("invalid --shell %q: want %s", g.Shell, strings.Join(shellquote.Names, " or "))
		}
		shellquote.Use(sh)
	}
	if err := f.UseFrom(cmd.Flags().Changed("profile")); err != nil {
		return err
	}
	if why := cmdutil.BadZone(f.Getenv("TZ")); why != "" && g.TZ == "" {
		f.Warn("%s", why)
	}
	f.IO.SetQuiet(g.Quiet)
	f.IO.SetNoInput(g.NoInput)
	ctx, _, err := f.Context(cmd.Context()) // the process ends with the command, and the timer with it
	if err != nil {
		return err
	}
	cmd.SetContext(ctx)
	return nil
}

func flagSets(cmd *cobra.Command) []*pflag.FlagSet {
	return []*pflag.FlagSet{cmd.LocalFlags(), cmd.InheritedFlags()}
}

func flagNames(fs *pflag.FlagSet) []string {
	var out []string
	fs.VisitAll(func(f *pflag.Flag) { out = append(out, f.Name) })
	return out
}
