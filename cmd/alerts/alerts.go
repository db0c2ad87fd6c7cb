// Package alerts holds the commands on alerts.
package alerts

import (
	"github.com/spf13/cobra"

	"github.com/edrctl/edrctl/cmd/cmdutil"
	"github.com/edrctl/edrctl/internal/ops"
)

// New builds `edrctl alerts`.
func New(f *cmdutil.Factory) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "alerts",
		Short: "List, read, count, follow and triage alerts",
		Args:  cobra.NoArgs,
		RunE:  cmdutil.ShowHelp,
	}
	cmd.AddCommand(newList(f), newGet(f), newCount(f), newWatch(f), cmdutil.NewTree(f, ops.TreeOfAlert, "an alert"))
	cmd.AddCommand(newClose(f), newDismiss(f), newReopen(f), newCreate(f))
	return cmd
}
