package cmdutil

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/edrctl/edrctl/internal/atomicfile"
	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/iostreams"
	"github.com/edrctl/edrctl/internal/model"
	"github.com/edrctl/edrctl/internal/ops"
	"github.com/edrctl/edrctl/internal/output"
)

// ShowHelp is the RunE of a noun without a verb.
func ShowHelp(cmd *cobra.Command, _ []string) error { return cmd.Help() }

// GetEach reads the things that the operands name, "-" being those of standard
// input. One that cannot be read is an error line, and the others continue.
// For scripts the answer is a list, however many operands there are.
func GetEach(ctx context.Context, f *Factory, operands []string, kind output.Kind,
	read func(context.Context, *ops.Fleet, string) (model.Record, error)) error {
	return GetEvery(ctx, f, operands, kind, func(ctx context.Context, fleet *ops.Fleet, ref string) ([]model.Record, error) {
		r, err := read(ctx, fleet, ref)
		return []model.Record{r}, err
	})
}

// GetEvery is GetEach for operands that may name several records.
func GetEvery(ctx context.Context, f *Factory, operands []string, kind output.Kind,
	read func(context.Context, *ops.Fleet, string) ([]model.Record, error)) error {
	w, err := f.Printer(ctx, kind)
	if err != nil {
		return err
	}
	refs, err := ReadOperands(f, operands)
	if err != nil {
		return err
	}
	if len(refs) == 0 {
		return IgnoreClosed(w.Close())
	}
	fleet, err := f.FleetFor(ctx, refs)
	if err != nil {
		return err
	}
	var first error
	var got []model.Record
	for _, ref := range refs {
		r, err := read(ctx, fleet, ref)
		if err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			f.ReportError(err)
			if first == nil {
				first = err
			}
			continue
		}
		got = append(got, r...)
	}
	if len(got) == 0 {
		return &ExitError{codeOfNothing(first)}
	}
	if len(refs) == 1 && len(got) == 1 && f.ForPeople() {
		err = w.One(got[0])
	} else {
		for _, r := range got {
			if err = w.Write(r); err != nil {
				break
			}
		}
		if err == nil {
			err = w.Close()
		}
	}
	if err != nil && !iostreams.IsBrokenPipe(err) {
		return err
	}
	if first != nil {
		return &ExitError{ExitPartial}
	}
	return nil
}

// AddBy adds --by.
func AddBy(cmd *cobra.Command, by *string, fallback string, keys []string) {
	cmd.Flags().StringVar(by, "by", fallback, "what to count by: "+strings.Join(keys, " "))
	complete(cmd, "by", keys)
}

// CheckBy checks --by.
func CheckBy(by string, keys []string) error {
	if !slices.Contains(keys, by) {
		return NoneOf("by", by, keys)
	}
	return nil
}

// PrintCounts writes counts, and tells how the profiles did.
func PrintCounts(ctx context.Context, f *Factory, counts []model.Count, outcomes []ops.Outcome) error {
	w, err := f.Printer(ctx, output.KindCount)
	if err != nil {
		return err
	}
	err = f.Finish(ctx, outcomes)
	if err != nil && CodeOf(err) != ExitPartial {
		return err
	}
	for i := range counts {
		if werr := w.Write(&counts[i]); werr != nil {
			return IgnoreClosed(werr)
		}
	}
	if werr := w.Close(); werr != nil {
		return IgnoreClosed(werr)
	}
	return err
}

// IgnoreClosed makes success of a reader behind our pipe that has gone away.
func IgnoreClosed(err error) error {
	if iostreams.IsBrokenPipe(err) {
		return nil
	}
	return err
}

// WatchFlags are the flags of what follows.
type WatchFlags struct{ Interval, LookBack, State string }

// Add adds --interval, --look-back and --state.
func (w *WatchFlags) Add(cmd *cobra.Command, lookBack string) {
	cmd.Flags().StringVar(&w.Interval, "interval", "5s", "how often a backend that does not push is asked")
	cmd.Flags().StringVar(&w.LookBack, "look-back", lookBack, "how far back records are read again for those that reach the server late")
	cmd.Flags().StringVar(&w.State, "state", "", "`FILE` that remembers what was shown: a watch started again continues there")
}

// readState reads what a former watch kept; a file that is not there is empty.
func (f *Factory) readState(name string) ([]byte, error) {
	if _, err := os.Stat(name); errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	r, err := f.ReadText(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = r.Close() }() // only read from
	b, err := io.ReadAll(r)
	if err != nil {
		return nil, Usagef("cannot read %s", name)
	}
	return b, nil
}

// NewWatch reads the flags of a watch command.
func NewWatch(f *Factory, flags *ListFlags, wf WatchFlags) (ops.Watch, error) {
	req, err := flags.Request(f)
	if err != nil {
		return ops.Watch{}, err
	}
	d, err := ParseDuration(wf.Interval)
	if err != nil {
		return ops.Watch{}, Usagef("invalid --interval %w", err)
	}
	back, err := ParseDuration(wf.LookBack)
	if err != nil {
		return ops.Watch{}, Usagef("invalid --look-back %w", err)
	}
	var saved []byte
	var keep func([]byte) error
	if wf.State != "" {
		if saved, err = f.readState(wf.State); err != nil {
			return ops.Watch{}, err
		}
		keep = func(b []byte) error { return atomicfile.Write(wf.State, b) }
	}
	req.Limit = 0
	return ops.Watch{Request: req, Interval: d, LookBack: back, Saved: saved, Save: keep, Now: f.Now, Trouble: func(profile string, err error) {
		switch {
		case backends.KindOf(err) == backends.KindUnsupported:
			f.leaveOut([]ops.Outcome{{Profile: profile, Err: err}, {}})
		case err != nil:
			f.ReportError(&ops.ProfileError{Profile: profile, Err: err})
		default:
			f.Note("%s: answers again", profile)
		}
	}}, nil
}

// WatchPrinter is Printer for what has no end: ndjson when it is piped and no
// format was asked for.
func (f *Factory) WatchPrinter(ctx context.Context, kind output.Kind) (output.Writer, error) {
	if f.Flags.Output == "" && f.Flags.Template == "" && !f.IO.StdoutTTY() {
		f.Flags.Output = "ndjson"
	}
	return f.Printer(ctx, kind)
}

// PrintWatch writes records as they arrive.
// They end when nobody reads standard output any more, even if nothing comes.
func PrintWatch[T model.Record](ctx context.Context, f *Factory, w output.Writer, follow func(ctx context.Context, yield func(T) bool) error) error {
	ctx, stop := f.IO.WhileRead(ctx)
	defer stop()
	var werr error
	err := follow(ctx, func(r T) bool {
		if werr = w.Write(r); werr == nil {
			werr = w.Flush()
		}
		return werr == nil
	})
	if werr != nil {
		return IgnoreClosed(werr)
	}
	if errors.Is(context.Cause(ctx), iostreams.ErrReaderGone) {
		return nil
	}
	var all *ops.AllFailedError
	if errors.As(err, &all) {
		return &ExitError{CodeOf(all.Outcomes[0].Err)}
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		if cerr := w.Close(); cerr != nil {
			return IgnoreClosed(cerr)
		}
		if errors.Is(err, context.DeadlineExceeded) {
			return nil // --timeout is how a script ends a watch
		}
	}
	return err
}
