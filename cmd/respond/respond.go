// Package respond holds the commands that act on endpoints.
package respond

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/edrctl/edrctl/cmd/cmdutil"
	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/change"
)

// New builds `edrctl respond`.
func New(f *cmdutil.Factory) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "respond",
		Short: "Act on endpoints: kill, delete, isolate, run, block, scan",
		Long: `Act on endpoints. edrctl shows what an action does and asks first (--yes skips the
question, and is required without a terminal), records it in the audit journal
before and after, and sends it once: when the answer is lost, edrctl looks up what
happened and never sends again. --dry-run shows the exact requests and sends none.
HOST is a ref, an id or a name; a name that matches two hosts is an error.`,
		Args: cobra.NoArgs,
		RunE: cmdutil.ShowHelp,
	}
	cmd.AddCommand(
		newKill(f), newDeleteFile(f), newRun(f), newScript(f), newIsolate(f), newRelease(f), newBlock(f, false), newBlock(f, true), newScan(f), newRestart(f),
		newList(f), newGet(f), newWait(f), newCancel(f), newUndo(f), newForget(f), earlier(newForget(f), "delete"),
	)
	return cmd
}

// earlier hides a command under the name it had before.
func earlier(cmd *cobra.Command, name string) *cobra.Command {
	_, operands, _ := strings.Cut(cmd.Use, " ")
	cmd.Use, cmd.Hidden = name+" "+operands, true
	return cmd
}

// targets says which hosts a verb is on.
type targets struct {
	flags cmdutil.ActFlags
	args  []string // hosts of the command line
	alert func(c *backends.Change, a *change.FromAlert) error
}

// order makes the order of a verb on hosts.
func (t *targets) order(f *cmdutil.Factory, base backends.Change) (cmdutil.Order, error) {
	o := cmdutil.Order{Flags: &t.flags}
	if t.flags.FromAlert != "" {
		if len(t.args) > 0 || t.flags.HostsFile != "" {
			return o, cmdutil.Usagef("--from-alert names the host: give no other")
		}
		o.Refs = []string{t.flags.FromAlert}
		o.Items = func(ctx context.Context, acts *change.Actor) ([]change.Item, error) {
			a, err := change.ReadFromAlert(ctx, acts.Fleet, t.flags.FromAlert)
			if err != nil {
				return nil, err
			}
			c := base
			c.Host = a.Host
			if t.alert != nil {
				if err := t.alert(&c, a); err != nil {
					return nil, err
				}
			}
			return []change.Item{change.NewItem(a.Source, t.flags.FromAlert, c)}, nil
		}
		return o, nil
	}
	names, err := t.flags.ReadHosts(f, t.args)
	if err != nil {
		return o, err
	}
	if len(names) == 0 {
		return o, cmdutil.Usagef("missing HOST: give it, --hosts-file or --from-alert")
	}
	o.Refs = names
	o.Items = func(ctx context.Context, acts *change.Actor) ([]change.Item, error) {
		return change.HostItems(ctx, acts.Fleet, names, base)
	}
	return o, nil
}

func (t *targets) run(ctx context.Context, f *cmdutil.Factory, base backends.Change) error {
	o, err := t.order(f, base)
	if err != nil {
		return err
	}
	return cmdutil.RunOrder(ctx, f, o)
}

// add adds the flags of an action on hosts.
func (t *targets) add(cmd *cobra.Command, f *cmdutil.Factory) {
	t.flags.Add(cmd, f)
	t.flags.AddHosts(cmd, true)
	t.flags.AddWait(cmd)
}

// hostAnd splits operands HOST VALUE… where HOST may come from a flag.
func (t *targets) hostAnd(args []string, values string) ([]string, error) {
	if t.flags.HostsFile != "" || t.flags.FromAlert != "" {
		return args, nil
	}
	if len(args) == 0 {
		return nil, cmdutil.Usagef("missing HOST and %s", values)
	}
	t.args = args[:1]
	return args[1:], nil
}

func one(args []string, what string) (string, error) {
	switch len(args) {
	case 1:
		return args[0], nil
	case 0:
		return "", cmdutil.Usagef("missing %s", what)
	}
	return "", cmdutil.Usagef("unexpected %[2]q: give one %[1]s at a time", what, args[1])
}

func notes(lines ...string) string { return strings.Join(lines, "\n") }

func fromAlertNote(what string) string {
	return fmt.Sprintf("With --from-alert the host%s is taken from the alert.", what)
}
