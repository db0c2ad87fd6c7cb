package events

import (
	"github.com/spf13/cobra"

	"github.com/edrctl/edrctl/cmd/cmdutil"
	"github.com/edrctl/edrctl/internal/output"
)

func addFlags(cmd *cobra.Command, flags *cmdutil.ListFlags) {
	flags.AddTime(cmd)
	flags.AddFilters(cmd)
	flags.AddNative(cmd)
}

func newList(f *cmdutil.Factory) *cobra.Command {
	var flags cmdutil.ListFlags
	cmd := &cobra.Command{
		Use:   "list",
		Short: "Search the events of all selected profiles, newest first",
		Example: `$ edrctl events list --host FIN-WS-014 --kind process_start --since 2h
$ edrctl events list --command-line '*-enc*' --explain
$ edrctl events list -p prod-cw --query "base_event_type = 'Create Process'"
$ edrctl events list --since 7d -o ndjson | duckdb -c "select kind, count(*) from read_json('/dev/stdin') group by 1"`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			req, err := flags.Request(f)
			if err != nil {
				return err
			}
			w, err := f.Printer(cmd.Context(), output.KindEvent)
			if err != nil {
				return err
			}
			fleet, err := f.Fleet(cmd.Context())
			if err != nil {
				return err
			}
			return cmdutil.PrintStream(cmd.Context(), f, w, fleet.Events(cmd.Context(), req), req, "events")
		},
	}
	addFlags(cmd, &flags)
	flags.AddLimit(cmd)
	return cmd
}
