// Package hosts holds the commands on endpoints.
package hosts

import (
	"context"
	"slices"

	"github.com/spf13/cobra"

	"github.com/edrctl/edrctl/cmd/cmdutil"
	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/filter"
	"github.com/edrctl/edrctl/internal/model"
	"github.com/edrctl/edrctl/internal/ops"
	"github.com/edrctl/edrctl/internal/output"
)

// New builds `edrctl hosts`.
func New(f *cmdutil.Factory) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "hosts",
		Short: "List, read and manage endpoints, and read reports about them",
		Args:  cobra.NoArgs,
		RunE:  cmdutil.ShowHelp,
	}
	cmd.AddCommand(newList(f), newGet(f), newReport(f), newTag(f, false), newTag(f, true), newAdd(f), newEdit(f), newRemove(f), newEnable(f), newDelete(f))
	return cmd
}

// notForHosts are the shared filters that hosts have no value for.
var notForHosts = []filter.Field{
	filter.Process, filter.Path, filter.CommandLine, filter.Hash, filter.Port,
	filter.Domain, filter.File, filter.Registry, filter.Rule, filter.KindOf, filter.ProcessUID,
}

func newList(f *cmdutil.Factory) *cobra.Command {
	var flags cmdutil.ListFlags
	var removed bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the endpoints of all selected profiles, by name",
		Long: `List the endpoints of all selected profiles, by name. With --removed, list those that
a backend keeps although they were taken out of service (ESP: removed hosts, which
"edrctl hosts enable" takes back; Carbon Black: devices whose sensor was deregistered).`,
		Example: `$ edrctl hosts list --host 'FIN-*'
$ edrctl hosts list -p all -o json | jq '.[] | select(.online == false) | .name'
$ edrctl -p prod-esp hosts list --removed`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			req, err := flags.Request(f)
			if err != nil {
				return err
			}
			w, err := f.Printer(cmd.Context(), output.KindHost)
			if err != nil {
				return err
			}
			fleet, err := f.Fleet(cmd.Context())
			if err != nil {
				return err
			}
			if removed {
				return cmdutil.PrintStream(cmd.Context(), f, w, fleet.RemovedHosts(cmd.Context(), req), req, "removed hosts")
			}
			return cmdutil.PrintStream(cmd.Context(), f, w, fleet.Hosts(cmd.Context(), req), req, "hosts")
		},
	}
	cmd.Flags().BoolVar(&removed, "removed", false, "list the hosts that were taken out of service instead of the others")
	flags.AddFilters(cmd, notForHosts...)
	flags.AddLimit(cmd)
	return cmd
}

func newGet(f *cmdutil.Factory) *cobra.Command {
	return &cobra.Command{
		Use:     "get HOST…",
		Short:   "Show one or more endpoints, by ref, id or name",
		Example: `$ edrctl hosts get FIN-WS-014`,
		Args:    cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, refs []string) error {
			return cmdutil.GetEvery(cmd.Context(), f, refs, output.KindHost,
				func(ctx context.Context, fleet *ops.Fleet, ref string) ([]model.Record, error) {
					hosts, err := fleet.HostsNamed(ctx, ref, f.Flags.Raw)
					out := make([]model.Record, len(hosts))
					for i, h := range hosts {
						out[i] = h
					}
					return out, err
				})
		},
	}
}

func newReport(f *cmdutil.Factory) *cobra.Command {
	var flags cmdutil.ListFlags
	cmd := &cobra.Command{
		Use:   "report [HOST]",
		Short: "Show what the backends report about their endpoints",
		Long: `Show what the backends report about their endpoints. The report score is the
backend's own: it has no upper bound, is relative to the other endpoints, and is
not comparable with an alert's score.`,
		Example: `$ edrctl hosts report
$ edrctl hosts report FIN-WS-014 -o json`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx := cmd.Context()
			req, err := flags.Request(f)
			if err != nil {
				return err
			}
			w, err := f.Printer(cmd.Context(), output.KindReport)
			if err != nil {
				return err
			}
			hosts, err := cmdutil.ReadOperands(f, args)
			if err != nil {
				return err
			}
			fleet, err := f.FleetFor(ctx, hosts)
			if err != nil {
				return err
			}
			id := ""
			if len(hosts) == 1 {
				s, h, err := ops.HostFor[backends.Reporter](ctx, fleet, hosts[0])
				if err != nil {
					return err
				}
				id, fleet = h.ID, &ops.Fleet{Sources: []*ops.Source{s}}
			}
			return cmdutil.PrintStream(ctx, f, w, fleet.Reports(ctx, id, req), req, "reports")
		},
	}
	flags.AddTime(cmd)
	flags.AddFilters(cmd, append(slices.DeleteFunc(slices.Clone(notForHosts), func(f filter.Field) bool { return f == filter.Rule }), filter.User, filter.IP)...)
	flags.AddLimit(cmd)
	return cmd
}
