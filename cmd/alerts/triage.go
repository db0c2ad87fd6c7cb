package alerts

import (
	"context"
	"encoding/json"
	"io"

	"github.com/spf13/cobra"

	"github.com/edrctl/edrctl/cmd/cmdutil"
	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/change"
	"github.com/edrctl/edrctl/internal/model"
)

// triage builds a verb that changes alerts.
func triage(f *cmdutil.Factory, use, short, long, example, verb string, withVerdict bool) *cobra.Command {
	var flags cmdutil.ActFlags
	var verdict string
	cmd := &cobra.Command{
		Use: use, Short: short, Long: long, Example: example,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c := backends.Change{Verb: verb}
			switch verdict {
			case "":
			case "true-positive":
				c.Verdict = model.VerdictTruePositive
			case "false-positive":
				c.Verdict = model.VerdictFalsePositive
			default:
				return cmdutil.Usagef("invalid --verdict %q: want true-positive or false-positive", verdict)
			}
			refs, err := cmdutil.ReadRefs(f, args)
			if err != nil {
				return err
			}
			return cmdutil.RunOrder(cmd.Context(), f, cmdutil.Order{Flags: &flags, Refs: refs, Items: func(_ context.Context, acts *change.Actor) ([]change.Item, error) {
				return change.AlertItems(acts.Fleet, refs, c), nil
			}})
		},
	}
	if withVerdict {
		cmd.Flags().StringVar(&verdict, "verdict", "", "what it was: true-positive or false-positive")
		_ = cmd.RegisterFlagCompletionFunc("verdict", cobra.FixedCompletions([]string{"true-positive", "false-positive"}, cobra.ShellCompDirectiveNoFileComp))
	}
	flags.Add(cmd, f)
	return cmd
}

const fromPipe = `A REF of - reads references from standard input, one a line: alerts list -o id
writes them so. Without a terminal --yes is needed. Exit 3 when some failed.`

func newClose(f *cmdutil.Factory) *cobra.Command {
	return triage(f, "close REF…|-", "Close alerts, with a verdict where the backend takes one", fromPipe,
		`$ edrctl alerts close prod-cw/8812 --verdict true-positive --comment 'IR-2231, host reimaged'
$ edrctl alerts list --rule 'Backup*' -o id | edrctl alerts close - --verdict false-positive --yes`,
		backends.VerbAlertClose, true)
}

func newDismiss(f *cmdutil.Factory) *cobra.Command {
	return triage(f, "dismiss REF…|-", "Dismiss alerts: seen, and of no interest", fromPipe,
		`$ edrctl alerts dismiss prod-cw/8812 prod-cw/8813 --verdict false-positive`, backends.VerbAlertDismiss, true)
}

func newReopen(f *cmdutil.Factory) *cobra.Command {
	return triage(f, "reopen REF…|-", "Open closed alerts again", fromPipe, `$ edrctl alerts reopen prod-esp/93855`, backends.VerbAlertReopen, false)
}

// maxBody bounds what alerts create reads.
const maxBody = 4 << 20

func newCreate(f *cmdutil.Factory) *cobra.Command {
	var flags cmdutil.ActFlags
	var file string
	cmd := &cobra.Command{
		Use:   "create -f FILE|-",
		Short: "Create alerts from JSON, in the backend's own form (cWatch)",
		Long: `Create alerts from JSON, in the backend's own form (cWatch): one object, or an array
of them. Every object is one alert and one request.`,
		Example: `$ edrctl -p prod-cw alerts create -f alert.json --dry-run`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if file == "" {
				return cmdutil.Usagef("missing file: -f FILE, or -f - for standard input")
			}
			bodies, err := readBodies(f, file)
			if err != nil {
				return err
			}
			return cmdutil.RunOrder(cmd.Context(), f, cmdutil.Order{Flags: &flags, Made: madeAlert, Items: func(_ context.Context, acts *change.Actor) ([]change.Item, error) {
				if len(acts.Fleet.Sources) != 1 {
					return nil, cmdutil.Usagef("an alert is created on one backend: choose the profile with -p")
				}
				var items []change.Item
				for _, b := range bodies {
					items = append(items, change.ProfileItems(acts.Fleet, backends.Change{Verb: backends.VerbAlertCreate, Body: b})...)
				}
				return items, nil
			}})
		},
	}
	cmd.Flags().StringVarP(&file, "file", "f", "", "JSON file; - is standard input")
	flags.Add(cmd, f)
	return cmd
}

func madeAlert(a *model.Action) string {
	if a.Target == nil || a.Target.AlertID == "" {
		return ""
	}
	return a.Profile + "/" + a.Target.AlertID
}

// readBodies reads one JSON object, or an array of objects.
func readBodies(f *cmdutil.Factory, name string) ([]json.RawMessage, error) {
	r, err := f.ReadText(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = r.Close() }() // only read from
	data, err := io.ReadAll(io.LimitReader(r, maxBody+1))
	switch {
	case err != nil:
		return nil, cmdutil.Usagef("cannot read %s: %w", name, err)
	case len(data) > maxBody:
		return nil, cmdutil.Usagef("%s is larger than %d MiB", name, maxBody>>20)
	}
	var list []json.RawMessage
	if json.Unmarshal(data, &list) != nil {
		list = []json.RawMessage{data}
	}
	for _, b := range list {
		var object map[string]json.RawMessage
		if err := json.Unmarshal(b, &object); err != nil {
			return nil, cmdutil.Usagef("%s is not a JSON object: %w", name, err)
		}
	}
	if len(list) == 0 {
		return nil, cmdutil.Usagef("%s holds no alert", name)
	}
	return list, nil
}
