package alerts

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
		Short: "List alerts, oldest first, then follow new ones, each once",
		Long: `List alerts, oldest first, then follow new ones as they arrive, each once.
Piped, it writes ndjson. Backends that push are followed live; the others are
polled. When a profile stops answering, stderr says so and edrctl retries; what was
missed is read when it is back. Ctrl-C ends it.`,
		Example: `$ edrctl alerts watch --score-min 5
$ edrctl alerts watch --since 1h -o ocsf | vector --config siem.toml`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			w, err := cmdutil.NewWatch(f, &flags, wf)
			if err != nil {
				return err
			}
			out, err := f.WatchPrinter(cmd.Context(), output.KindAlert)
			if err != nil {
				return err
			}
			fleet, err := f.Fleet(cmd.Context())
			if err != nil {
				return err
			}
			defer f.LookForHosts(cmd.Context(), w.Filter)()
			return cmdutil.PrintWatch(cmd.Context(), f, out, func(ctx context.Context, yield func(*model.Alert) bool) error {
				return fleet.WatchAlerts(ctx, w, yield)
			})
		},
	}
	addFlags(cmd, &flags)
	wf.Add(cmd, "24h")
	return cmd
}
