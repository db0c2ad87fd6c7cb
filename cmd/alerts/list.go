package alerts

import (
	"github.com/spf13/cobra"

	"github.com/edrctl/edrctl/cmd/cmdutil"
	"github.com/edrctl/edrctl/internal/filter"
	"github.com/edrctl/edrctl/internal/output"
)

// alertFilters leaves out the one shared filter that alerts have no value for.
func addFlags(cmd *cobra.Command, flags *cmdutil.ListFlags) {
	flags.AddTime(cmd)
	flags.AddAlertBounds(cmd)
	flags.AddFilters(cmd, filter.KindOf)
}

func newList(f *cmdutil.Factory) *cobra.Command {
	var flags cmdutil.ListFlags
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the alerts of all selected profiles, newest first",
		Example: `$ edrctl alerts list --score-min 5
$ edrctl alerts list -p all --since 7d --severity high,critical --sort risk
$ edrctl alerts list --host FIN-WS-014 -o json | jq '.[].title'`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			req, err := flags.Request(f)
			if err != nil {
				return err
			}
			w, err := f.Printer(cmd.Context(), output.KindAlert)
			if err != nil {
				return err
			}
			fleet, err := f.Fleet(cmd.Context())
			if err != nil {
				return err
			}
			return cmdutil.PrintStream(cmd.Context(), f, w, fleet.Alerts(cmd.Context(), req), req, "alerts")
		},
	}
	addFlags(cmd, &flags)
	flags.AddLimit(cmd)
	return cmd
}
