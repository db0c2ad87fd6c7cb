// Package hunt asks every profile whether it has seen something.
package hunt

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/edrctl/edrctl/cmd/cmdutil"
	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/hunt"
	"github.com/edrctl/edrctl/internal/ioc"
	"github.com/edrctl/edrctl/internal/model"
	"github.com/edrctl/edrctl/internal/ops"
	"github.com/edrctl/edrctl/internal/output"
	"github.com/edrctl/edrctl/internal/safetext"
)

// New builds `edrctl hunt`.
func New(f *cmdutil.Factory) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "hunt",
		Short: "Ask every profile whether it has seen an indicator or what a Sigma rule describes, or its hosts a query",
		Args:  cobra.NoArgs,
		RunE:  cmdutil.ShowHelp,
	}
	cmd.AddCommand(newIOC(f), newHash(f), newQuery(f), newSigma(f))
	for _, v := range []struct {
		use, short, example string
		types               []ioc.Type
	}{
		{"ip ADDRESS…", "Hunt addresses and CIDR ranges", "$ edrctl hunt ip 203.0.113.7 198.51.100.0/24 --since 7d", []ioc.Type{ioc.IPv4, ioc.IPv6, ioc.CIDR}},
		{"domain NAME…", "Hunt domain names, with their subdomains", "$ edrctl hunt domain 'evil[.]example' --since 7d", []ioc.Type{ioc.Domain}},
		{"file NAME|PATH…", "Hunt file names and paths", `$ edrctl hunt file d.dll 'C:\Users\Public\stage.ps1'`, []ioc.Type{ioc.FileName, ioc.FilePath}},
	} {
		cmd.AddCommand(newValues(f, v.use, v.short, v.example, v.types))
	}
	return cmd
}

// flags are what the hunts share.
type flags struct {
	list      cmdutil.ListFlags
	failOnHit bool
	explain   bool
	common    bool // well-known harmless values of lists are hunted, too
}

func (h *flags) add(cmd *cobra.Command) {
	h.list.AddTime(cmd)
	h.list.Bind(cmd)
	cmd.Flags().BoolVar(&h.failOnHit, "fail-on-hit", false, "exit 9 on a match")
	cmd.Flags().BoolVar(&h.explain, "explain", false, "print on stderr what each server is asked and what is matched here")
}

// run hunts, writes the hits and tells on stderr what was searched where.
func (h *flags) run(ctx context.Context, f *cmdutil.Factory, list *ioc.List, keep func(*ops.Fleet, *hunt.Hunt) error) error {
	hits, outcomes, err := h.hunt(ctx, f, list, keep)
	if err != nil {
		return err
	}
	w, err := f.Printer(ctx, output.KindHit)
	if err != nil {
		return err
	}
	return h.print(ctx, f, w, outcomes, len(hits), func(write func(any) error) error {
		for _, hit := range hits {
			if err := write(hit); err != nil {
				return err
			}
		}
		return nil
	})
}

func (h *flags) print(ctx context.Context, f *cmdutil.Factory, w output.Writer, outcomes []ops.Outcome, found int, each func(write func(any) error) error) error {
	err := f.Finish(ctx, outcomes)
	if err != nil && cmdutil.CodeOf(err) != cmdutil.ExitPartial && found == 0 {
		w.Abort()
		return err
	}
	if werr := each(w.Write); werr != nil {
		return cmdutil.IgnoreClosed(werr)
	}
	if werr := w.Close(); werr != nil {
		return cmdutil.IgnoreClosed(werr)
	}
	if h.failOnHit && found > 0 {
		return &cmdutil.ExitError{Code: cmdutil.ExitFound}
	}
	return err
}

// hunt runs the hunt and says on stderr what was searched where.
func (h *flags) hunt(ctx context.Context, f *cmdutil.Factory, list *ioc.List, keep func(*ops.Fleet, *hunt.Hunt) error) ([]*model.Hit, []ops.Outcome, error) {
	req, err := h.list.Request(f)
	if err != nil {
		return nil, nil, err
	}
	fleet, err := f.Fleet(ctx)
	if err != nil {
		return nil, nil, err
	}
	now := f.Now()
	q := hunt.Hunt{List: list, Common: h.common, Raw: req.Raw, Now: now, Span: hunt.Span{Since: req.Since, Until: req.Until, Began: now}}
	if h.explain {
		q.Explain = f.ExplainHunt
	}
	if keep != nil {
		if err := keep(fleet, &q); err != nil {
			return nil, nil, err
		}
		defer func() { f.Debugf(q.Checkpoint.Close()) }()
	}
	bar := f.IO.StartProgress()
	last := "" // what was found last: on a terminal it is seen as it comes
	q.OnHit = func(h *model.Hit) { last = hitLine(h) }
	q.Progress = func(p hunt.Progress) {
		bar.Set(safetext.Text(progressLine(list.Len(), len(fleet.Sources), p) + last))
	}
	hits, sum := hunt.Run(ctx, fleet, q)
	bar.Done()
	if ctx.Err() != nil && !errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return nil, nil, ctx.Err()
	}
	if err := nothingSearched(sum); err != nil {
		return nil, nil, err
	}
	var outcomes []ops.Outcome
	for _, p := range sum.Profiles {
		explain := h.explain || len(p.Unsearched) > 0 || p.Err != nil
		if explain {
			f.Note("%s", sourceLine(p))
		}
		for _, u := range p.Unsearched {
			f.Warn("%s: %d %s not searchable: %s", p.Profile, u.Count, u.Type, u.Why)
		}
		for _, n := range p.Notes {
			if explain {
				f.Note("%s: %s", p.Profile, n)
			}
		}
		outcomes = append(outcomes, ops.Outcome{Profile: p.Profile, Backend: p.Backend, Err: p.Err, Count: p.Hits, Ahead: p.Ahead})
	}
	from := "the beginning"
	if !q.Span.Since.IsZero() {
		from = q.Span.Since.Format(time.RFC3339)
	}
	f.Note("%s, %s, %s to %s", model.Amount(sum.Indicators, "indicator"), model.Amount(sum.Hits, "hit"), from, q.Span.End().Format(time.RFC3339))
	return hits, outcomes, nil
}

// nothingSearched is an error when no profile could search for anything that
// was asked: no hits would then read as "not seen".
func nothingSearched(sum hunt.Summary) error {
	e := &backends.Error{Kind: backends.KindUnsupported, What: "nothing was searched"}
	for _, p := range sum.Profiles {
		if p.Err != nil || p.Server+p.Local > 0 || len(p.Unsearched) == 0 {
			return nil
		}
		for _, u := range p.Unsearched {
			if why := u.Type + ": " + u.Why; !strings.Contains(e.Why, why) {
				e.Why += "; " + p.Profile + ", " + why
			}
		}
	}
	if e.Why == "" {
		return nil
	}
	e.Why = strings.TrimPrefix(e.Why, "; ")
	e.Hint = "choose other profiles with -p, or hunt another kind of indicator"
	return e
}

// progressLine shows indicators × backends, the rate and the time left.
func progressLine(indicators, sources int, p hunt.Progress) string {
	line := fmt.Sprintf("hunting %s on %s: %d of %s", model.Amount(indicators, "indicator"), model.Amount(sources, "backend"), p.Done, model.Amount(p.Units, "part"))
	if p.Events > 0 {
		line += ", " + model.Amount(p.Events, "event")
		if s := p.Elapsed.Seconds(); s >= 1 {
			line += fmt.Sprintf(" (%.0f/s)", float64(p.Events)/s)
		}
	}
	line += ", " + model.Amount(p.Hits, "hit")
	if p.Done > 0 && p.Done < p.Units {
		left := p.Elapsed / time.Duration(p.Done) * time.Duration(p.Units-p.Done)
		line += fmt.Sprintf(", about %s left", left.Round(time.Second))
	}
	return line
}

// hitLine names a hit in a few words.
func hitLine(h *model.Hit) string {
	line := ", the last: " + h.Indicator.Value
	if h.Host != nil && h.Host.Name != "" {
		line += " on " + h.Host.Name
	}
	return line
}

func sourceLine(p hunt.SourceSummary) string {
	var parts []string
	if p.Server > 0 {
		parts = append(parts, fmt.Sprintf("%d searched on the server", p.Server))
	}
	if p.Local > 0 {
		parts = append(parts, fmt.Sprintf("%d matched here over %s", p.Local, model.Amount(p.Events, "event")))
	}
	if len(parts) == 0 {
		parts = append(parts, "nothing searched")
	}
	if p.Err != nil {
		parts = append(parts, "not finished")
	}
	return fmt.Sprintf("%s: %s, %s", p.Profile, strings.Join(parts, ", "), model.Amount(p.Hits, "hit"))
}

func names(types []ioc.Type) []string {
	var out []string
	for _, t := range types {
		out = append(out, t.String())
	}
	return out
}

// parse reads operands of the given types.
func parse(values []string, types []ioc.Type) (*ioc.List, error) {
	list := ioc.NewList()
	for i, v := range values {
		want := types[0]
		if slices.Contains(types, ioc.MD5) {
			want = ioc.None
		}
		if types[0] == ioc.FileName && strings.ContainsAny(v, `/\`) {
			want = ioc.FilePath
		}
		t, value, err := ioc.Parse(v, want)
		switch {
		case err == nil && slices.Contains(types, t):
		case err == nil || err.Error() == ioc.NotIndicator:
			return nil, cmdutil.Usagef("invalid indicator %q: want %s", v, cmdutil.OneOf(names(types)))
		default:
			return nil, cmdutil.Usagef("invalid indicator %q: %w", v, err)
		}
		list.Put(t, value, "argument "+fmt.Sprint(i+1))
	}
	return list, nil
}

func newValues(f *cmdutil.Factory, use, short, example string, types []ioc.Type) *cobra.Command {
	var h flags
	cmd := &cobra.Command{
		Use: use, Short: short, Example: example,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			list, err := parse(args, types)
			if err != nil {
				return err
			}
			h.common = true // who names one value means it
			return h.run(cmd.Context(), f, list, nil)
		},
	}
	h.add(cmd)
	return cmd
}
