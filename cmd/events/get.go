package events

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/edrctl/edrctl/cmd/cmdutil"
	"github.com/edrctl/edrctl/internal/model"
	"github.com/edrctl/edrctl/internal/ops"
	"github.com/edrctl/edrctl/internal/output"
)

func newGet(f *cmdutil.Factory) *cobra.Command {
	return &cobra.Command{
		Use:     "get REF…",
		Short:   "Show one or more events",
		Example: `$ edrctl events get cb/a5a92a3f9ca511e9b9ce6d2a8ee1d3c5 --raw -o json`,
		Args:    cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, refs []string) error {
			return cmdutil.GetEach(cmd.Context(), f, refs, output.KindEvent,
				func(ctx context.Context, fleet *ops.Fleet, ref string) (model.Record, error) {
					return fleet.Event(ctx, ref, f.Flags.Raw)
				})
		},
	}
}
