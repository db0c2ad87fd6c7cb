// Package demo serves the made-up intrusion the demo profiles read.
package demo

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/edrctl/edrctl/cmd/cmdutil"
	"github.com/edrctl/edrctl/cmd/tui"
	"github.com/edrctl/edrctl/internal/audit"
	"github.com/edrctl/edrctl/internal/demo"
)

// New builds `edrctl demo`.
func New(f *cmdutil.Factory) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "A made-up intrusion over four products, to learn and to test with",
		Long: `The profiles demo-cwatch, demo-carbonblack, demo-gene and demo-esp, and demo for
all four, always exist. Each is the product's own wire protocol, served by
edrctl itself on a loopback port; nothing leaves the machine. What you change
in the demo stays until edrctl demo reset, and is written to a journal of the
demo, never to the one that is evidence: edrctl audit list -p demo reads it.

edrctl demo alone opens the terminal interface on all four, for a first look.`,
		Example: `$ edrctl demo
$ edrctl -p demo alerts list --score-min 5
$ edrctl demo serve --scale 10 --port-base 8100`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return look(cmd, f) },
	}
	cmd.AddCommand(newServe(f), newReset(f))
	return cmd
}

// look opens the terminal interface on the demo, and on nothing else: a
// profile of the environment is not what was asked for.
func look(cmd *cobra.Command, f *cmdutil.Factory) error {
	if !f.IO.StdinTTY() || !f.IO.StdoutTTY() {
		return &cmdutil.UsageError{
			Err:  errors.New("demo alone opens the terminal interface, which needs a terminal on standard input and output"),
			Hint: "without one try: edrctl -p demo alerts list; or a subcommand: edrctl demo --help",
		}
	}
	for _, name := range strings.Split(f.Flags.Profile, ",") {
		if _, ok := demo.Virtual(name); ok {
			continue
		}
		if fl := cmd.Flag("profile"); fl != nil && fl.Changed {
			return cmdutil.Usagef("-p %s: demo shows profiles of the demo only; for others: edrctl tui -p %s", name, name)
		}
		f.Flags.Profile = "demo"
		break
	}
	return tui.Open(cmd.Context(), f)
}

func newServe(f *cmdutil.Factory) *cobra.Command {
	var o demo.Options
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run the four servers in the foreground, and print how to reach them",
		Long: `Run the four servers in the foreground until Ctrl-C, and print their URLs and
keys as a configuration on stdout. --scale N makes N times as many events
around the same intrusion. --faults SPEC makes the servers misbehave:
` + demo.FaultsHelp,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.Scale < 1 || o.Scale > 10000 {
				return cmdutil.Usagef("--scale: %d is not between 1 and 10000", o.Scale)
			}
			o.Now = f.Now
			d, err := demo.Start(cmd.Context(), o)
			if err != nil {
				return &cmdutil.UsageError{Err: err}
			}
			defer func() { f.Debugf(d.Close()) }()
			if _, err := fmt.Fprint(f.IO.Out, demo.Config(d)); err != nil {
				return err
			}
			if err := f.IO.Flush(); err != nil {
				return err
			}
			f.Note("serving until Ctrl-C")
			<-cmd.Context().Done()
			return nil
		},
	}
	cmd.Flags().IntVar(&o.Scale, "scale", 1, "times as many events")
	cmd.Flags().IntVar(&o.PortBase, "port-base", 0, "first of four ports on 127.0.0.1 (default: free ones)")
	cmd.Flags().StringVar(&o.Faults, "faults", "", "misbehaviour, for example '429:retry-after=1,every=3'")
	return cmd
}

func newReset(f *cmdutil.Factory) *cobra.Command {
	return &cobra.Command{
		Use:   "reset",
		Short: "Forget what was changed in the demo, and start over",
		Long: `Forget what was changed in the demo, and start over. The demo's own journal is
moved to a folder named by the time, below the one it was in.`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			paths, err := f.Paths()
			if err != nil {
				return err
			}
			if err := demo.Reset(paths.State); err != nil {
				return err
			}
			dir := demo.JournalDir(paths.State)
			kept, err := audit.Archive(dir, f.Now())
			if err != nil {
				return err
			}
			f.Note("the demo starts over")
			if kept {
				f.Note("its journal was moved to a folder below %s", dir)
			}
			return nil
		},
	}
}
