package respond

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"github.com/edrctl/edrctl/cmd/cmdutil"
	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/change"
	"github.com/edrctl/edrctl/internal/iostreams"
	"github.com/edrctl/edrctl/internal/model"
	"github.com/edrctl/edrctl/internal/ops"
	"github.com/edrctl/edrctl/internal/safetext"
)

func newList(f *cmdutil.Factory) *cobra.Command {
	var q change.ActionQuery
	var since, until string
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List actions: those of this machine's journal and those the backends remember",
		Example: `$ edrctl respond list --since 7d
$ edrctl respond list --state ambiguous -o id | xargs edrctl respond get`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx := cmd.Context()
			zone, err := f.Zone()
			if err != nil {
				return err
			}
			if q.Since, err = cmdutil.ParseTime(since, f.Now(), zone); err != nil {
				return cmdutil.Usagef("invalid --since %w", err)
			}
			if until != "" {
				if q.Until, err = cmdutil.ParseTime(until, f.Now(), zone); err != nil {
					return cmdutil.Usagef("invalid --until %w", err)
				}
			}
			if err := cmdutil.OneOfEach("state", q.State, cmdutil.States()); err != nil {
				return err
			}
			if err := cmdutil.OneOfEach("verb", q.Verbs, backends.AllVerbs); err != nil {
				return err
			}
			q.Raw = f.Flags.Raw
			byDefault := !cmd.Flags().Changed("limit") && f.TableOnTerminal()
			if byDefault {
				q.Limit = cmdutil.DefaultLimit
			}
			w, err := f.Printer(ctx, cmdutil.KindAction)
			if err != nil {
				return err
			}
			fleet, err := f.Fleet(ctx)
			if err != nil {
				return err
			}
			acts, err := f.Actor(fleet, "")
			if err != nil {
				return err
			}
			list, outcomes, cut, err := acts.Actions(ctx, q)
			if err != nil {
				return err
			}
			err = f.Finish(ctx, outcomes)
			if err != nil && cmdutil.CodeOf(err) != cmdutil.ExitPartial {
				return err
			}
			for _, a := range list {
				if werr := w.Write(a); werr != nil {
					return cmdutil.IgnoreClosed(werr)
				}
			}
			if werr := w.Close(); werr != nil {
				return cmdutil.IgnoreClosed(werr)
			}
			f.NoteCut("actions", cut && byDefault)
			return err
		},
	}
	fs := cmd.Flags()
	fs.StringVar(&since, "since", "30d", "from when: a duration back from now, RFC 3339, or a date")
	fs.StringVar(&until, "until", "", "until when")
	fs.IntVar(&q.Limit, "limit", 0, "how many at most (100 on a terminal, else all)")
	cmdutil.StringSlice(fs, &q.Verbs, "verb", "only these verbs")
	cmdutil.StringSlice(fs, &q.State, "state", "only these states: "+strings.Join(cmdutil.States(), " "))
	cmdutil.StringSlice(fs, &q.Hosts, "host", "only on these hosts")
	fs.StringVar(&q.Case, "case", "", "only of this case")
	return cmd
}

func newGet(f *cmdutil.Factory) *cobra.Command {
	return &cobra.Command{
		Use:   "get ACTION-REF…",
		Short: "Show how actions are doing, looking up those whose outcome is unknown",
		Long: `Show how actions are doing. One whose outcome is unknown (its answer was lost, or
edrctl ended before it came) is looked up by reading, never sent again.`,
		Example: `$ edrctl respond get cb/act-19f2mk7q`,
		Args:    cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, refs []string) error {
			return show(cmd.Context(), f, refs, "0")
		},
	}
}

func newWait(f *cmdutil.Factory) *cobra.Command {
	var flags cmdutil.ActFlags
	cmd := &cobra.Command{
		Use:     "wait ACTION-REF…",
		Short:   "Follow actions to their end; exit 8 when they are still under way after --wait",
		Example: `$ edrctl respond wait prod-esp/act-7hq2mk9a --wait 10m`,
		Args:    cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, refs []string) error {
			if !cmd.Flags().Changed("wait") {
				flags.Wait = "end"
			}
			return show(cmd.Context(), f, refs, flags.Wait)
		},
	}
	flags.AddWait(cmd)
	cmd.Flags().Lookup("wait").DefValue = "to the end"
	return cmd
}

// show reads, and follows, actions.
func show(ctx context.Context, f *cmdutil.Factory, args []string, wait string) error {
	d, err := (&cmdutil.ActFlags{Wait: wait}).WaitTime()
	if err != nil {
		return err
	}
	pending, failed, count := false, false, 0
	left := cmdutil.Countdown(d)
	err = cmdutil.GetEach(ctx, f, args, cmdutil.KindAction, func(ctx context.Context, fleet *ops.Fleet, ref string) (model.Record, error) {
		count++
		acts, err := f.Actor(fleet, "")
		if err != nil {
			return nil, err
		}
		bar := f.IO.StartProgress()
		defer bar.Done()
		a, err := acts.Action(ctx, ref, left(), func(a *model.Action) { bar.Set(progress(f.IO, a)) })
		if err != nil {
			return nil, err
		}
		pending = pending || !a.State.Final()
		failed = failed || a.State.Final() && a.State != model.ActionDone
		return a, nil
	})
	switch {
	case err != nil || wait == "0":
		return err
	case pending:
		return &cmdutil.ExitError{Code: cmdutil.ExitPending}
	case failed && count > 1:
		return &cmdutil.ExitError{Code: cmdutil.ExitPartial}
	case failed:
		return &cmdutil.ExitError{Code: cmdutil.ExitFailure}
	}
	return nil
}

func progress(_ *iostreams.Streams, a *model.Action) safetext.Display {
	name := a.Ref
	if a.Host != nil && a.Host.Name != "" {
		name = a.Host.Name
	}
	return safetext.Sprintf("%s: %s %s %s", name, a.Verb, a.State, a.NativeState)
}

// onActions builds a verb that changes actions.
func onActions(f *cmdutil.Factory, use, short, long, example string, items func(ctx context.Context, acts *change.Actor, refs []string) []change.Item) *cobra.Command {
	var flags cmdutil.ActFlags
	cmd := &cobra.Command{
		Use: use + " ACTION-REF…", Short: short, Long: long, Example: example,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			refs, err := cmdutil.ReadRefs(f, args)
			if err != nil {
				return err
			}
			return cmdutil.RunOrder(cmd.Context(), f, cmdutil.Order{Flags: &flags, Refs: refs, Items: func(ctx context.Context, acts *change.Actor) ([]change.Item, error) {
				return items(ctx, acts, refs), nil
			}})
		},
	}
	flags.Add(cmd, f)
	flags.AddWait(cmd)
	cmd.Flags().IntVar(&flags.MaxHosts, "max-hosts", change.FreeHosts, "how many hosts this may be on")
	return cmd
}

func newCancel(f *cmdutil.Factory) *cobra.Command {
	return onActions(f, "cancel", "Cancel actions that did not run yet, where the backend can", "", `$ edrctl respond cancel prod-esp/act-7hq2mk9a`,
		func(ctx context.Context, acts *change.Actor, refs []string) []change.Item {
			return acts.CancelItems(ctx, refs)
		})
}

func newUndo(f *cmdutil.Factory) *cobra.Command {
	return onActions(f, "undo", "Take actions back: release what was isolated, unblock what was blocked",
		`Take actions back, with what the journal remembers of how it was before. What can be
taken back: edrctl audit in-force --all.`, `$ edrctl respond undo cb/act-19f2mk7q`,
		func(ctx context.Context, acts *change.Actor, refs []string) []change.Item {
			return acts.UndoItems(ctx, refs)
		})
}

// newForget was called delete, which reads as if it deleted from endpoints.
func newForget(f *cmdutil.Factory) *cobra.Command {
	return onActions(f, "forget", "Delete the backend's record of actions", "The action itself stays as it is, and so does the audit journal.",
		`$ edrctl respond forget prod-esp/act-7hq2mk9a`,
		func(ctx context.Context, acts *change.Actor, refs []string) []change.Item {
			return acts.RecordItems(ctx, refs, backends.VerbActionDelete)
		})
}
