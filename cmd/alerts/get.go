package alerts

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/edrctl/edrctl/cmd/cmdutil"
	"github.com/edrctl/edrctl/internal/model"
	"github.com/edrctl/edrctl/internal/ops"
	"github.com/edrctl/edrctl/internal/output"
)

func newGet(f *cmdutil.Factory) *cobra.Command {
	var events bool
	cmd := &cobra.Command{
		Use:   "get REF…",
		Short: "Show one or more alerts",
		Example: `$ edrctl alerts get prod-cw/8812
$ edrctl alerts list --score-min 8 -o id | xargs edrctl alerts get --events -o json`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, refs []string) error {
			return cmdutil.GetEach(cmd.Context(), f, refs, output.KindAlert,
				func(ctx context.Context, fleet *ops.Fleet, ref string) (model.Record, error) {
					return fleet.Alert(ctx, ref, f.Flags.Raw, events)
				})
		},
	}
	cmd.Flags().BoolVar(&events, "events", false, "with the events behind each alert")
	return cmd
}
