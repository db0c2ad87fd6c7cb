package cmdutil

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/edrctl/edrctl/internal/iostreams"
	"github.com/edrctl/edrctl/internal/model"
	"github.com/edrctl/edrctl/internal/ops"
	"github.com/edrctl/edrctl/internal/output"
)

// PrintStream writes a merged answer as it comes, then tells on stderr how it
// went: what failed, what the limit cut, and for people a line of summary.
func PrintStream[T model.Record](ctx context.Context, f *Factory, w output.Writer, st *ops.Stream[T], req ops.Request, noun string) error {
	start := f.Now()
	n := 0
	var werr error
	for r := range st.Records() {
		if werr = w.Write(r); werr != nil {
			break
		}
		n++
	}
	if werr != nil {
		if iostreams.IsBrokenPipe(werr) {
			return nil
		}
		return werr
	}
	err := f.Settle(ctx, st.Outcomes())
	if err != nil && CodeOf(err) != ExitPartial {
		w.Abort()
		return err
	}
	if cerr := w.Close(); cerr != nil && !iostreams.IsBrokenPipe(cerr) {
		return cerr
	}
	if st.Cut() {
		f.Note("%s: only the first %d are shown; --limit 0 shows all", noun, req.Limit)
	}
	if f.TableOnTerminal() {
		f.Note("%s", summary(n, noun, req, st.Outcomes(), f.Now().Sub(start)))
	}
	return err
}

// summary is the line under a table: how many, of what, from whom, how fast.
func summary(n int, noun string, req ops.Request, outcomes []ops.Outcome, took time.Duration) string {
	var b strings.Builder
	if n == 1 {
		noun = strings.TrimSuffix(noun, "s")
	}
	fmt.Fprintf(&b, "%d %s", n, noun)
	if n == 0 {
		b.Reset()
		fmt.Fprintf(&b, "no %s", noun)
	}
	if s := req.Filter.String(); s != "" {
		b.WriteString(", " + s)
	}
	if !req.Since.IsZero() {
		fmt.Fprintf(&b, ", %s to %s", req.Since.Local().Format("2006-01-02 15:04"), req.Until.Local().Format("15:04"))
	}
	b.WriteString(" ·")
	for _, o := range outcomes {
		if o.Err == nil {
			b.WriteString(" " + o.Profile)
		}
	}
	fmt.Fprintf(&b, " · %d ms", took.Milliseconds())
	return b.String()
}
