package hosts

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/edrctl/edrctl/cmd/cmdutil"
	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/change"
	"github.com/edrctl/edrctl/internal/model"
	"github.com/edrctl/edrctl/internal/safetext"
)

func newTag(f *cmdutil.Factory, remove bool) *cobra.Command {
	var flags cmdutil.ActFlags
	verb, use, short := backends.VerbHostTag, "tag", "Put tags on an endpoint"
	if remove {
		verb, use, short = backends.VerbHostUntag, "untag", "Take tags off an endpoint"
	}
	cmd := &cobra.Command{
		Use: use + " HOST TAG…", Short: short,
		Long: short + `. With --hosts-file the endpoints come from a file, and every operand is a tag.`,
		Example: `$ edrctl hosts ` + use + ` build-07 ir-2231 contained
$ edrctl hosts ` + use + ` --hosts-file hosts.txt --yes ir-2231`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			var hosts []string
			if flags.HostsFile == "" {
				hosts, args = args[:1], args[1:]
			}
			for _, t := range args {
				if strings.TrimSpace(t) == "" {
					return cmdutil.Usagef("a tag is empty")
				}
			}
			if len(args) == 0 {
				return cmdutil.Usagef("missing TAG")
			}
			return onHosts(cmd.Context(), f, &flags, hosts, backends.Change{Verb: verb, Tags: args})
		},
	}
	flags.Add(cmd, f)
	flags.AddHosts(cmd, false)
	return cmd
}

func onHosts(ctx context.Context, f *cmdutil.Factory, flags *cmdutil.ActFlags, args []string, c backends.Change) error {
	names, err := flags.ReadHosts(f, args)
	if err != nil {
		return err
	}
	if len(names) == 0 {
		return cmdutil.Usagef("missing HOST: give it or --hosts-file")
	}
	return cmdutil.RunOrder(ctx, f, cmdutil.Order{Flags: flags, Refs: names, Items: func(ctx context.Context, acts *change.Actor) ([]change.Item, error) {
		return change.HostItems(ctx, acts.Fleet, names, c)
	}})
}

func newHostsVerb(f *cmdutil.Factory, verb, use, short, long string) *cobra.Command {
	var flags cmdutil.ActFlags
	cmd := &cobra.Command{
		Use: use + " HOST…", Short: short, Long: long,
		Example: `$ edrctl hosts ` + use + ` build-07 --dry-run`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return onHosts(cmd.Context(), f, &flags, args, backends.Change{Verb: verb})
		},
	}
	flags.Add(cmd, f)
	flags.AddHosts(cmd, false)
	if verb == backends.VerbHostDelete {
		flags.AddDanger(cmd)
	}
	return cmd
}

func newAdd(f *cmdutil.Factory) *cobra.Command {
	var flags cmdutil.ActFlags
	var params map[string]string
	cmd := &cobra.Command{
		Use:   "add [NAME]",
		Short: "Add an endpoint to a backend (Gene)",
		Long: `Add an endpoint to a backend. Gene makes the key with which its agent will report;
reference and key are written once, and the journal does not keep the key.`,
		Example: `$ edrctl -p lab hosts add --yes -o json`,
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c := backends.Change{Verb: backends.VerbHostAdd, Params: params}
			if len(args) == 1 {
				c.Host = &model.Host{Name: args[0]}
			}
			return cmdutil.RunOrder(cmd.Context(), f, cmdutil.Order{Flags: &flags, Print: printAdded(f), Made: madeHost, Items: func(_ context.Context, acts *change.Actor) ([]change.Item, error) {
				if len(acts.Fleet.Sources) != 1 {
					return nil, cmdutil.Usagef("an endpoint is added to one backend: choose the profile with -p")
				}
				return change.ProfileItems(acts.Fleet, c), nil
			}})
		},
	}
	cmd.Flags().StringToStringVar(&params, "set", nil, "what else the backend takes: NAME=VALUE")
	flags.Add(cmd, f)
	return cmd
}

// printAdded writes the reference of each endpoint that was made and the key
// its agent needs, which is shown this once.
func printAdded(f *cmdutil.Factory) func(*change.Result) error {
	return func(res *change.Result) error {
		for _, a := range res.Succeeded {
			ref := madeHost(a)
			if ref == "" {
				ref = a.Ref
			}
			if _, err := fmt.Fprintf(f.IO.Out, "%s\t%s\n", safetext.Text(ref), safetext.Text(a.Details["key"])); err != nil {
				return err
			}
		}
		return nil
	}
}

func madeHost(a *model.Action) string {
	if a.Host == nil {
		return ""
	}
	return a.Host.Ref
}

func newEdit(f *cmdutil.Factory) *cobra.Command {
	var flags cmdutil.ActFlags
	var params map[string]string
	cmd := &cobra.Command{
		Use:     "edit HOST…",
		Short:   "Set what a backend keeps of endpoints by hand (Gene: group, status, criticality)",
		Example: `$ edrctl -p lab hosts edit FIN-WS-014 --set status=investigating --set criticality=9`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(params) == 0 {
				return cmdutil.Usagef("say what to set: --set NAME=VALUE")
			}
			return onHosts(cmd.Context(), f, &flags, args, backends.Change{Verb: backends.VerbHostEdit, Params: params})
		},
	}
	cmd.Flags().StringToStringVar(&params, "set", nil, "what to set: NAME=VALUE")
	flags.Add(cmd, f)
	flags.AddHosts(cmd, false)
	return cmd
}

func newRemove(f *cmdutil.Factory) *cobra.Command {
	return newHostsVerb(f, backends.VerbHostRemove, "remove", "Take endpoints out of service; they can be enabled again where the backend can",
		"Take endpoints out of service. edrctl hosts enable brings them back where the backend can.")
}

func newEnable(f *cmdutil.Factory) *cobra.Command {
	return newHostsVerb(f, backends.VerbHostEnable, "enable", "Bring removed endpoints back into service",
		`Bring removed endpoints back into service. "edrctl hosts list --removed" lists them.`)
}

func newDelete(f *cmdutil.Factory) *cobra.Command {
	return newHostsVerb(f, backends.VerbHostDelete, "delete", "Permanently delete endpoints and what the backend keeps of them",
		"Permanently delete endpoints and what the backend keeps of them. The agents stay installed.")
}
