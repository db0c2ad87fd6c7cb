package alerts

import (
	"github.com/spf13/cobra"

	"github.com/edrctl/edrctl/cmd/cmdutil"
	"github.com/edrctl/edrctl/internal/ops"
)

func newCount(f *cmdutil.Factory) *cobra.Command {
	var flags cmdutil.ListFlags
	var by string
	cmd := &cobra.Command{
		Use:   "count --by KEY",
		Short: "Count alerts by rule, host, severity, source, backend or status",
		Example: `$ edrctl alerts count --by rule --since 7d
$ edrctl alerts count --by host --severity critical -o json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			req, err := flags.Request(f)
			if err != nil {
				return err
			}
			if err := cmdutil.CheckBy(by, ops.AlertCountKeys); err != nil {
				return err
			}
			fleet, err := f.Fleet(cmd.Context())
			if err != nil {
				return err
			}
			counts, outcomes := fleet.CountAlerts(cmd.Context(), req, by)
			if len(counts) == 0 || len(req.Filter.HostPatterns()) > 1 {
				f.NoteUnknownHosts(cmd.Context(), req.Filter)
			}
			return cmdutil.PrintCounts(cmd.Context(), f, counts, outcomes)
		},
	}
	addFlags(cmd, &flags)
	cmdutil.AddBy(cmd, &by, "rule", ops.AlertCountKeys)
	return cmd
}
