// Package processes holds the commands on processes.
package processes

import (
	"github.com/spf13/cobra"

	"github.com/edrctl/edrctl/cmd/cmdutil"
	"github.com/edrctl/edrctl/internal/filter"
	"github.com/edrctl/edrctl/internal/ops"
	"github.com/edrctl/edrctl/internal/output"
)

// New builds `edrctl processes`.
func New(f *cmdutil.Factory) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "processes",
		Short: "List processes, and show their trees",
		Args:  cobra.NoArgs,
		RunE:  cmdutil.ShowHelp,
	}
	cmd.AddCommand(newList(f), cmdutil.NewTree(f, ops.TreeOfProcess, "a process"))
	return cmd
}

func newList(f *cmdutil.Factory) *cobra.Command {
	var flags cmdutil.ListFlags
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List processes seen by all selected profiles, latest started first",
		Long: `List processes seen by all selected profiles, latest started first. Carbon
Black needs a filter (--host, --process, --hash or --ip) and looks back a day
at a time.`,
		Example: `$ edrctl processes list --host FIN-WS-014 --since 2h
$ edrctl processes list --process powershell.exe -o json | jq '.[].command_line'`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			req, err := flags.Request(f)
			if err != nil {
				return err
			}
			w, err := f.Printer(cmd.Context(), output.KindProcess)
			if err != nil {
				return err
			}
			fleet, err := f.Fleet(cmd.Context())
			if err != nil {
				return err
			}
			return cmdutil.PrintStream(cmd.Context(), f, w, fleet.Processes(cmd.Context(), req), req, "processes")
		},
	}
	flags.AddTime(cmd)
	flags.AddFilters(cmd, filter.Port, filter.Domain, filter.File, filter.Registry, filter.Rule, filter.KindOf)
	flags.AddLimit(cmd)
	return cmd
}
