// Package events holds the commands on events.
package events

import (
	"github.com/spf13/cobra"

	"github.com/edrctl/edrctl/cmd/cmdutil"
	"github.com/edrctl/edrctl/internal/ops"
)

// New builds `edrctl events`.
func New(f *cmdutil.Factory) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "events",
		Short: "Search, read, count and follow events",
		Args:  cobra.NoArgs,
		RunE:  cmdutil.ShowHelp,
	}
	cmd.AddCommand(newList(f), newGet(f), newCount(f), newWatch(f), cmdutil.NewTree(f, ops.TreeOfEvent, "an event"))
	return cmd
}
