package ops_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/edrctl/edrctl/internal/backends"
	_ "github.com/edrctl/edrctl/internal/backends/all"
	"github.com/edrctl/edrctl/internal/client"
	"github.com/edrctl/edrctl/internal/demo"
	"github.com/edrctl/edrctl/internal/model"
	"github.com/edrctl/edrctl/internal/ops"
)

// Records given by a list, by a watch that was there before them, and by
// their ids are the same ones, whatever is wrong with their times and pages.
func TestListWatchAndGetAgree(t *testing.T) {
	for i, backend := range demo.Backends {
		draw := rand.New(rand.NewPCG(10, uint64(i)))
		minutes := func(least, most int) string { return fmt.Sprintf("%dm", least+draw.IntN(most-least)) }
		specs := []string{
			"late=" + minutes(5, 50),
			"early=" + minutes(30, 180),
			"moving-pages=order",
			"late=" + minutes(5, 50) + ";early=" + minutes(30, 180) + ":host=FIN-WS-014;moving-pages=order",
		}
		if backend == "esp" { // the others' alerts have no state that decides on the list they are in
			specs = append(specs, "moving-pages=resolve")
		}
		for _, spec := range specs {
			steps := []time.Duration{}
			for range 3 {
				steps = append(steps, time.Duration(5+draw.IntN(10))*time.Minute)
			}
			t.Run(backend+"/"+spec, func(t *testing.T) {
				t.Parallel()
				t.Run("alerts", func(t *testing.T) {
					agree(t, openLab(t, backend, spec), steps, 6*time.Hour, (*ops.Fleet).Alerts, (*ops.Fleet).WatchAlerts,
						func(ctx context.Context, f *ops.Fleet, ref string) (*model.Alert, error) {
							return f.Alert(ctx, ref, false, false)
						})
				})
				t.Run("events", func(t *testing.T) {
					l := openLab(t, backend, spec)
					l.alertsOnly = backend == "carbonblack"
					agree(t, l, steps, 2*time.Hour, (*ops.Fleet).Events, (*ops.Fleet).WatchEvents,
						func(ctx context.Context, f *ops.Fleet, ref string) (*model.Event, error) {
							return f.Event(ctx, ref, false)
						})
				})
			})
		}
	}
}

// The ways pages move that leave a list with gaps, where a fake acts them out.
var gapped = map[string][]string{
	"cwatch": {"repeat"}, "carbonblack": {"repeat", "none"}, "gene": {"repeat"}, "esp": {"repeat", "none"},
}

// Where pages move so that records cannot be had, neither a list nor a watch
// gives one twice or one that is not there, and both say that some are missing.
func TestListAndWatchSayWhatPagesKeepBack(t *testing.T) {
	for _, backend := range demo.Backends {
		t.Run(backend, func(t *testing.T) {
			t.Parallel()
			still := openLab(t, backend, "")
			for _, way := range gapped[backend] {
				spec := "moving-pages=" + way
				t.Run(way+"/alerts", func(t *testing.T) {
					gaps(t, still, openLab(t, backend, spec), 6*time.Hour, (*ops.Fleet).Alerts, (*ops.Fleet).WatchAlerts)
				})
				t.Run(way+"/events", func(t *testing.T) {
					gaps(t, still, openLab(t, backend, spec), time.Hour, (*ops.Fleet).Events, (*ops.Fleet).WatchEvents)
				})
			}
		})
	}
}

func gaps[T model.Record](t *testing.T, still, l *lab, window time.Duration,
	list func(*ops.Fleet, context.Context, ops.Request) *ops.Stream[T],
	watch func(*ops.Fleet, context.Context, ops.Watch, func(T) bool) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	req := ops.Request{Query: backends.Query{Since: l.begin.Add(-window)}}
	there := map[string]bool{}
	for _, ref := range readAll(t, ctx, still.fleet, req, list) {
		there[ref] = true
	}
	seen := func(what string, shown map[string]bool, r T) {
		ref := r.GetOrigin().Ref
		if shown[ref] || !there[ref] {
			t.Errorf("the %s gives %s: before %v, there %v", what, ref, shown[ref], there[ref])
		}
		shown[ref] = true
	}
	listed := map[string]bool{}
	st := list(l.fleet, ctx, req)
	for r := range st.Records() {
		seen("list", listed, r)
	}
	if err := st.Outcomes()[0].Err; len(listed) < len(there) && backends.KindOf(err) != backends.KindPartial {
		t.Errorf("%d of %d records are listed: %v", len(listed), len(there), err)
	}
	profileWatchState, reported := map[string]bool{}, make(chan error, 1)
	w := ops.Watch{Request: req, Interval: 20 * time.Millisecond, LookBack: window, LookBackInterval: 40 * time.Millisecond, Now: l.now}
	w.Trouble = func(_ string, err error) {
		if err != nil {
			select {
			case reported <- err:
				cancel()
			default:
			}
		}
	}
	err := watch(l.fleet, ctx, w, func(r T) bool {
		seen("watch", profileWatchState, r)
		return len(profileWatchState) < len(there)
	})
	select {
	case <-reported:
	default:
		if len(profileWatchState) < len(there) {
			t.Errorf("%d of %d records are watched, and nothing says so: %v", len(profileWatchState), len(there), err)
		}
	}
}

// lab is one product's fake, its driver and the clock of both.
type lab struct {
	fleet *ops.Fleet
	begin time.Time
	later atomic.Int64
	// alertsOnly: the server shows the detail of events only that belong to an
	// alert (Carbon Black v3).
	alertsOnly bool
}

func (l *lab) now() time.Time { return l.begin.Add(time.Duration(l.later.Load())) }

func openLab(t *testing.T, backend, spec string) *lab {
	t.Helper()
	l := &lab{begin: epoch.Add(12 * time.Hour)}
	url, secrets, settings, stop, err := demo.Faulty(spec)(context.Background(), backend, l.now, 1, nil)
	if err != nil {
		t.Fatal(err)
	}
	b, err := backends.Lookup(backend)
	if err != nil {
		t.Fatal(err)
	}
	d, err := b.New(backends.Options{
		Profile: "lab", Settings: settings, Now: l.now, StateDir: t.TempDir(), Warn: func(string) {},
		Client: client.Config{BaseURL: url, Proxy: "none", RetryBase: time.Millisecond, Rate: client.Rate{PerSecond: 100_000}},
		Secret: func(_ context.Context, name string) (string, error) { return secrets[name], nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	l.fleet = fleet(d)
	t.Cleanup(func() { _ = d.Close(); _ = stop() })
	return l
}

// agree watches while the clock continues by steps, then compares.
func agree[T model.Record](t *testing.T, l *lab, steps []time.Duration, window time.Duration,
	list func(*ops.Fleet, context.Context, ops.Request) *ops.Stream[T],
	watch func(*ops.Fleet, context.Context, ops.Watch, func(T) bool) error,
	get func(context.Context, *ops.Fleet, string) (T, error)) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	req := ops.Request{Query: backends.Query{Since: l.begin.Add(-window)}}
	came, ended := make(chan string, 1<<16), make(chan error, 1)
	go func() {
		w := ops.Watch{Request: req, Interval: 50 * time.Millisecond, LookBack: window, LookBackInterval: 100 * time.Millisecond, Now: l.now}
		ended <- watch(l.fleet, ctx, w, func(r T) bool { came <- r.GetOrigin().Ref; return true })
	}()
	shown := map[string]int{}
	next := func() bool {
		select {
		case ref := <-came:
			shown[ref]++
			return true
		case <-ctx.Done():
			return false
		}
	}
	if !next() {
		t.Fatal("the watch shows nothing of what was there")
	}
	for _, by := range steps {
		l.later.Add(int64(by))
	}
	listed := readAll(t, ctx, l.fleet, req, list)
	missing := func() (refs []string) {
		for _, ref := range listed {
			if shown[ref] == 0 {
				refs = append(refs, ref)
			}
		}
		return refs
	}
	for len(missing()) > 0 && next() {
	}
	if refs := missing(); len(refs) > 0 {
		t.Errorf("%d of %d listed records were not watched: %v", len(refs), len(listed), refs[:min(3, len(refs))])
	}
	for ref, n := range shown {
		if n > 1 {
			t.Errorf("%s was shown %d times", ref, n)
		}
		if !slices.Contains(listed, ref) {
			t.Errorf("%s was shown and is not listed", ref)
		}
	}
	for i := 0; i < len(listed); i += 1 + len(listed)/3 {
		r, err := get(ctx, l.fleet, listed[i])
		if l.alertsOnly && backends.KindOf(err) == backends.KindNotFound {
			continue
		}
		if err != nil || r.GetOrigin().Ref != listed[i] {
			t.Errorf("%s is listed and cannot be read: %v", listed[i], err)
		}
	}
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("the watch ended with %v", err)
	}
}

// whole reads a list; what says that it is partial is read again.
func readAll[T model.Record](t *testing.T, ctx context.Context, f *ops.Fleet, req ops.Request, list func(*ops.Fleet, context.Context, ops.Request) *ops.Stream[T]) []string {
	t.Helper()
	refs := map[string]bool{}
	for range 20 {
		st := list(f, ctx, req)
		for r := range st.Records() {
			refs[r.GetOrigin().Ref] = true
		}
		err := st.Outcomes()[0].Err
		if err == nil {
			break
		}
		if backends.KindOf(err) != backends.KindPartial {
			t.Fatal(err)
		}
	}
	out := []string{}
	for ref := range refs {
		out = append(out, ref)
	}
	slices.Sort(out)
	if len(out) == 0 {
		t.Fatal("nothing is listed")
	}
	return out
}
