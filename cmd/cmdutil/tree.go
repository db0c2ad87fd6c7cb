package cmdutil

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/edrctl/edrctl/internal/ops"
	"github.com/edrctl/edrctl/internal/output"
	"github.com/edrctl/edrctl/internal/ptree"
)

var kindTree = output.NewKind[ptree.Nested]("process", []output.Column{
	{Name: "name", Min: 8}, {Name: "pid", As: output.AsNumber}, {Name: "command_line", Min: 16},
}, nil)

// NewTree builds the tree command of a noun.
func NewTree(f *Factory, kind ops.TreeKind, noun string) *cobra.Command {
	var window, since, until string
	var whole bool
	cmd := &cobra.Command{
		Use:   "tree REF",
		Short: "Show the process tree around " + noun,
		Long: `Show the process tree around ` + noun + `: its ancestors, everything below it, and
what has alerts on it, from every selected profile that saw the host. Children
that were not read, and processes only known from their children, are shown as
such. -o text (default), json (nested) or dot (Graphviz).`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return runTree(cmd.Context(), f, kind, output.FromWord(args[0]), window, since, until, whole)
		},
	}
	cmd.Flags().StringVar(&window, "window", "1h", "take in events and alerts this far before and after")
	cmd.Flags().BoolVar(&whole, "whole", false, "keep what is not related")
	if kind == ops.TreeOfProcess {
		cmd.Flags().StringVar(&since, "since", defaultSince, "start of where the process is looked for: a duration back from now, RFC 3339, or a date")
		cmd.Flags().StringVar(&until, "until", "now", "end of where the process is looked for")
	}
	return cmd
}

func runTree(ctx context.Context, f *Factory, kind ops.TreeKind, ref, window, since, until string, whole bool) error {
	format := f.Flags.Output
	switch format {
	case "", "text", "table", "wide", "json", "ndjson", "yaml", "dot":
	default:
		return Usagef("-o %s: a tree is text, json, yaml or dot", format)
	}
	q := ops.TreeQuery{Kind: kind, Ref: ref, Until: f.Now(), Unrelated: whole}
	var err error
	if q.Window, err = ParseDuration(window); err != nil {
		return Usagef("invalid --window %w", err)
	}
	if since != "" {
		zone, err := f.Zone()
		if err != nil {
			return err
		}
		if since == defaultSince && f.OnlyArchives() {
			q.Since = time.Time{}
		} else if q.Since, err = ParseTime(since, f.Now(), zone); err != nil {
			return Usagef("invalid --since %w", err)
		}
		if q.Until, err = ParseTime(until, f.Now(), zone); err != nil {
			return Usagef("invalid --until %w", err)
		}
	}
	var w output.Writer
	if text := format == "" || format == "text" || format == "table" || format == "wide"; (!text && format != "dot") || f.Flags.JQ != "" || f.Flags.Template != "" {
		if w, err = f.Printer(ctx, kindTree); err != nil {
			return err
		}
	}
	fleet, err := f.treeFleet(ctx, ref)
	if err != nil {
		return err
	}
	bar := f.IO.StartProgress()
	bar.Set("building the tree")
	start := time.Now()
	res, err := fleet.Tree(ctx, q)
	bar.Done()
	if err != nil {
		if ctx.Err() != nil {
			return err
		}
		f.ReportError(err)
		return &ExitError{codeOfNothing(err)}
	}
	switch {
	case w != nil:
		err = writeNested(w, res.Tree)
	case format == "dot":
		err = res.Tree.WriteDOT(f.IO.Out)
	default:
		style := ptree.Style{Unicode: f.IO.Unicode(), Sources: len(fleet.Sources) > 1}
		if f.IO.StdoutTTY() {
			style.Width = f.IO.OutWidth()
		}
		err = res.Tree.WriteText(f.IO.Out, style)
	}
	if err != nil {
		return IgnoreClosed(err)
	}
	if f.IO.StdoutTTY() && !f.IO.Quiet() {
		f.Note("%d processes · %d ms", res.Tree.Count, time.Since(start).Milliseconds())
	}
	return f.Finish(ctx, res.Outcomes)
}

func writeNested(w output.Writer, t *ptree.Tree) error {
	nested := t.Nest()
	if len(nested) == 1 {
		return w.One(nested[0])
	}
	for _, n := range nested {
		if err := w.Write(n); err != nil {
			return err
		}
	}
	return w.Close()
}

// treeFleet is the selected profiles with the one the reference names: a tree
// joins what all of them saw.
func (f *Factory) treeFleet(ctx context.Context, ref string) (*ops.Fleet, error) {
	if f.Flags.Profile != "" {
		return f.Fleet(ctx)
	}
	return f.FleetFor(ctx, []string{ref})
}
