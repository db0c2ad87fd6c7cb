package events

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/edrctl/edrctl/cmd/cmdutil"
	"github.com/edrctl/edrctl/internal/model"
	"github.com/edrctl/edrctl/internal/output"
)

func newWatch(f *cmdutil.Factory) *cobra.Command {
	var flags cmdutil.ListFlags
	var wf cmdutil.WatchFlags
	cmd := &cobra.Command{
		Use:   "watch",
		Short: "List events, oldest first, then follow new ones, each once",
		Example: `$ edrctl events watch --since 1m --kind process_start
$ edrctl events watch --since 1m --host HR-LT-221 | jq -r .summary`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !cmd.Flags().Changed("since") && flags.Around == "" {
				flags.Since = "5m" // nobody wants a day of events before a live view
			}
			w, err := cmdutil.NewWatch(f, &flags, wf)
			if err != nil {
				return err
			}
			out, err := f.WatchPrinter(cmd.Context(), output.KindEvent)
			if err != nil {
				return err
			}
			fleet, err := f.Fleet(cmd.Context())
			if err != nil {
				return err
			}
			defer f.LookForHosts(cmd.Context(), w.Filter)()
			return cmdutil.PrintWatch(cmd.Context(), f, out, func(ctx context.Context, yield func(*model.Event) bool) error {
				return fleet.WatchEvents(ctx, w, yield)
			})
		},
	}
	addFlags(cmd, &flags)
	wf.Add(cmd, "1h")
	return cmd
}
