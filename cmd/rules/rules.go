// Package rules holds the commands on detection rules.
package rules

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/edrctl/edrctl/cmd/cmdutil"
	"github.com/edrctl/edrctl/internal/filter"
	"github.com/edrctl/edrctl/internal/model"
	"github.com/edrctl/edrctl/internal/ops"
	"github.com/edrctl/edrctl/internal/output"
)

// New builds `edrctl rules`.
func New(f *cmdutil.Factory) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "rules",
		Short: "List, read, test, convert and change the detection rules kept by the backends",
		Args:  cobra.NoArgs,
		RunE:  cmdutil.ShowHelp,
	}
	cmd.AddCommand(newList(f), newGet(f), newTest(f), newConvert(f))
	return cmd
}

func newList(f *cmdutil.Factory) *cobra.Command {
	var flags cmdutil.ListFlags
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List the detection rules of the selected profiles, by name",
		Example: `$ edrctl rules list -p lab --rule '*Lsass*'`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			req, err := flags.Request(f)
			if err != nil {
				return err
			}
			w, err := f.Printer(cmd.Context(), output.KindRule)
			if err != nil {
				return err
			}
			fleet, err := f.Fleet(cmd.Context())
			if err != nil {
				return err
			}
			return cmdutil.PrintStream(cmd.Context(), f, w, fleet.Rules(cmd.Context(), req), req, "rules")
		},
	}
	flags.Rated = true
	flags.AddFilters(cmd,
		filter.Host, filter.User, filter.Process, filter.Path, filter.CommandLine, filter.Hash,
		filter.IP, filter.Port, filter.Domain, filter.File, filter.Registry, filter.KindOf, filter.ProcessUID)
	flags.AddLimit(cmd)
	return cmd
}

func newGet(f *cmdutil.Factory) *cobra.Command {
	return &cobra.Command{
		Use:     "get REF…",
		Short:   "Show one or more rules, by ref, id or exact name",
		Example: `$ edrctl rules get lab/HeurLsassAccess --raw -o json | jq '.[].raw'`,
		Args:    cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, refs []string) error {
			return cmdutil.GetEach(cmd.Context(), f, refs, output.KindRule,
				func(ctx context.Context, fleet *ops.Fleet, ref string) (model.Record, error) {
					return fleet.Rule(ctx, ref, f.Flags.Raw)
				})
		},
	}
}
