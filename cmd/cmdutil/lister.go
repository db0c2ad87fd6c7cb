package cmdutil

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/edrctl/edrctl/internal/iostreams"
	"github.com/edrctl/edrctl/internal/model"
	"github.com/edrctl/edrctl/internal/ops"
	"github.com/edrctl/edrctl/internal/output"
	"github.com/edrctl/edrctl/internal/safetext"
)

// PrintStream writes a merged answer as it comes, then tells on stderr how it
// went: what failed, what the limit cut, and for people a line of summary.
func PrintStream[T model.Record](ctx context.Context, f *Factory, w output.Writer, st *ops.Stream[T], req ops.Request, noun string) error {
	start := f.Now()
	var count atomic.Int64
	stop := f.waiting(len(st.Outcomes()), noun, &count)
	var werr error
	for r := range st.Records() {
		if werr = w.Write(r); werr != nil {
			break
		}
		count.Add(1)
	}
	stop()
	n := int(count.Load())
	if werr != nil {
		if iostreams.IsBrokenPipe(werr) {
			return nil
		}
		return werr
	}
	err := f.Finish(ctx, st.Outcomes())
	if err != nil && CodeOf(err) != ExitPartial {
		w.Abort()
		return err
	}
	if cerr := w.Close(); cerr != nil && !iostreams.IsBrokenPipe(cerr) {
		return cerr
	}
	f.NoteCut(noun, st.Cut() && req.DefaultLimit)
	f.noteUnknownHosts(st.UnknownHosts(ctx, f.fleet))
	if f.TableOnTerminal() {
		f.Note("%s", summary(n, noun, req, st.Outcomes(), start, f.Now()))
	}
	return err
}

// NoteCut reports what the default limit left out. A limit that the user gave
// needs no notice.
func (f *Factory) NoteCut(noun string, cut bool) {
	if cut {
		f.Note("%s: only the first %d are shown; --limit 0 shows all", noun, DefaultLimit)
	}
}

// waiting shows on a terminal that something is still being read: how many
// profiles were asked, how much has come, for how long.
func (f *Factory) waiting(profiles int, noun string, count *atomic.Int64) (stop func()) {
	if !f.IO.StderrTTY() || f.Flags.Quiet {
		return func() {}
	}
	bar := f.IO.StartProgress()
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		began := time.Now()
		tick := time.NewTicker(200 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				bar.Set(safetext.Text(fmt.Sprintf("asking %s: %d %s, %.0f s", model.Amount(profiles, "profile"), count.Load(), noun, time.Since(began).Seconds())))
			case <-done:
				return
			}
		}
	})
	return func() {
		close(done)
		wg.Wait()
		bar.Done()
	}
}

// summary is the line under a table: how many, of what, from whom, how fast.
func summary(n int, noun string, req ops.Request, outcomes []ops.Outcome, start, now time.Time) string {
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
		b.WriteString(", " + span(req.Since, req.Until, start))
	}
	b.WriteString(" ·")
	for _, o := range outcomes {
		if o.Err == nil {
			b.WriteString(" " + o.Profile)
		}
	}
	fmt.Fprintf(&b, " · %d ms", now.Sub(start).Milliseconds())
	return b.String()
}

// span says which time was looked at: "last 24h", or both ends.
func span(since, until, start time.Time) string {
	if until.IsZero() {
		until = start
	}
	if d := start.Sub(until); d >= 0 && d < time.Minute {
		d := until.Sub(since)
		// The start of the window was reckoned a moment before the listing began.
		s := d.Round(time.Second).String()
		if d > 10*time.Minute {
			s = d.Round(time.Minute).String()
		}
		s = strings.TrimSuffix(strings.TrimSuffix(s, "0s"), "0m")
		return "last " + s
	}
	const layout = "2006-01-02 15:04:05"
	return since.Local().Format(layout) + " to " + until.Local().Format(layout)
}
