package gene

import (
	"context"
	"errors"
	"iter"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/client"
	"github.com/edrctl/edrctl/internal/filter"
	"github.com/edrctl/edrctl/internal/model"
)

const (
	defaultWindow = 24 * time.Hour      // what a query without a beginning means
	firstEvents   = time.Hour           // the first window asked for events
	firstAlerts   = 24 * time.Hour      // and for alerts, which are few
	widest        = 30 * 24 * time.Hour // a window never grows beyond
	wantEvents    = 2500                // events a window should hold, over all endpoints
	wantPer       = 50                  // and more for each endpoint, to pay for its request
	tooDense      = 5                   // times as many, and the window is given up for a narrower one
	step          = 8                   // windows grow and shrink by at most
)

// sweep walks a span of time backwards in windows, each read from all
// endpoints and given out newest first. What a window holds decides how wide
// the next one is, so that memory stays bounded whatever the span.
type sweep struct {
	d         *Driver
	endpoints []endpoint
	alerts    bool
	raw       bool
	since     time.Time
	until     time.Time
}

// span reads the bounds of a query.
func (d *Driver) span(q backends.Query) (since, until time.Time) {
	since, until = q.Since, q.Until
	if until.IsZero() {
		until = d.now()
	}
	if since.IsZero() {
		since = until.Add(-defaultWindow)
	}
	return since.UTC(), until.UTC()
}

// window is one step of a sweep that has been read.
type window struct {
	entries []entry
	err     error
}

// each gives every event or alert of the sweep, newest first. The next window
// is read while the second half of one is given out: who stops early has
// asked for nothing more. It returns when yield says false, or with the first
// error.
func (s *sweep) each(ctx context.Context, yield func(*model.Event, *model.Alert) bool) error {
	if len(s.endpoints) == 0 || !s.since.Before(s.until) {
		return nil
	}
	f, err := s.d.probe(ctx, s.endpoints[0].UUID)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	windows, ready := make(chan window), make(chan struct{}, 1)
	var done sync.WaitGroup
	done.Go(func() {
		defer close(windows)
		s.produce(ctx, f, windows, ready)
	})
	defer done.Wait()
	defer cancel()
	for w := range windows {
		if w.err != nil {
			return w.err
		}
		half := len(w.entries) / 2
		if len(w.entries) == 0 {
			ready <- struct{}{}
		}
		for i := range w.entries {
			if i == half && i > 0 {
				ready <- struct{}{}
			}
			ev, al, err := w.entries[i].reveal()
			if err != nil {
				return err
			}
			if !yield(ev, al) {
				return nil
			}
		}
		if len(w.entries) == 1 {
			ready <- struct{}{}
		}
	}
	return ctx.Err()
}

func (s *sweep) produce(ctx context.Context, f flavour, out chan<- window, ready <-chan struct{}) {
	size, want := firstEvents, int64(wantEvents+wantPer*len(s.endpoints))
	if s.alerts {
		size = firstAlerts
	}
	ceiling := widest
	hi := s.until
	for hi.After(s.since) {
		lo, most := s.lower(f, hi, size), want*tooDense
		if f.legacy() || hi.Sub(lo) <= smallestWindow {
			most = 0
		}
		shared := &room{most: most}
		entries, err := s.load(ctx, f, lo, hi, shared)
		if errors.Is(err, errDense) {
			size = max(hi.Sub(lo)/step, smallestWindow)
			continue
		}
		w := window{entries: entries, err: err}
		select {
		case out <- w:
		case <-ctx.Done():
			return
		}
		if err != nil {
			return
		}
		size = hi.Sub(lo)
		factor := float64(step)
		if total := shared.total.Load(); total > 0 {
			factor = min(max(float64(want)/float64(total), 1.0/step), step)
		}
		// What the server could not answer is not asked again; it is tried
		// with a little more each time.
		size = time.Duration(float64(size) * factor)
		if limit := time.Duration(shared.widest.Load()); limit > 0 {
			ceiling = limit
		}
		if ceiling += ceiling / 8; shared.total.Load() < want/2 {
			ceiling *= 2 // the log has become thin
		}
		ceiling = min(ceiling, widest)
		size = min(max(size, smallestWindow), ceiling)
		hi = lo
		select {
		case <-ready:
		case <-ctx.Done():
			return
		}
	}
}

// lower is where the window that ends at hi begins. On managers that read
// whole days a window is made of whole days, too (wire/gene.md 6).
func (s *sweep) lower(f flavour, hi time.Time, size time.Duration) time.Time {
	lo := hi.Add(-size)
	if f.legacy() {
		day := hi.Add(-time.Nanosecond).Truncate(24 * time.Hour)
		if lo = lo.Truncate(24 * time.Hour); lo.After(day) || size <= 24*time.Hour {
			lo = day
		}
	}
	if lo.Before(s.since) {
		lo = s.since
	}
	return lo
}

// load reads [lo, hi) of every endpoint.
func (s *sweep) load(ctx context.Context, f flavour, lo, hi time.Time, shared *room) ([]entry, error) {
	route := routeLogs
	if s.alerts {
		route = f.path
	}
	batches := make([]*batch, len(s.endpoints))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(concurrent)
	for i := range s.endpoints {
		b := &batch{raw: s.raw, alerts: s.alerts, room: shared}
		batches[i] = b
		r := logReader{d: s.d, ep: s.endpoints[i], route: route, legacy: f.legacy()}
		group.Go(func() error { return r.read(ctx, lo, hi, b) })
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return merge(batches)
}

// sweepFor lists the endpoints a query asks for.
func (d *Driver) sweepFor(ctx context.Context, q backends.Query, alerts bool) (*sweep, error) {
	list, err := d.endpoints(ctx, false)
	if err != nil {
		return nil, err
	}
	since, until := d.span(q)
	return &sweep{
		d: d, endpoints: wanted(list, hostFilter(q.Filter)), alerts: alerts, raw: q.Raw, since: since, until: until,
	}, nil
}

// plan says how logs are asked. Host filters choose the endpoints; they are
// checked again on what comes back, as everything else is.
func (d *Driver) plan(q backends.Query, route string) backends.Plan {
	since, until := d.span(q)
	p := backends.Plan{
		Requests: []string{
			d.c.Describe(client.Call{Path: "/endpoints"}),
			d.c.Describe(client.Call{Path: "/endpoints/…/" + route, Query: logQuery(since, until, 0)}),
		},
		Residual: q.Filter,
		Notes:    []string{"asked of every endpoint, in windows of time from the newest to the oldest; the manager filters by time only"},
	}
	if len(q.Filter.Get(filter.Host)) > 0 {
		p.Notes = append(p.Notes, "--host: only endpoints whose name or UUID matches are asked, and those without a known name")
	}
	return p
}

func native(q backends.Query) error {
	if q.Native != "" {
		return backends.Unsupported(Name, "cannot pass --query through", "the manager has no query language; use the shared filters")
	}
	return nil
}

// Events gives the events of all endpoints, newest first.
func (d *Driver) Events(ctx context.Context, q backends.Query) (backends.Listing[*model.Event], error) {
	if err := native(q); err != nil {
		return backends.Listing[*model.Event]{}, err
	}
	return backends.Listing[*model.Event]{Plan: d.plan(q, routeLogs), Seq: d.eventSeq(ctx, q)}, nil
}

func (d *Driver) eventSeq(ctx context.Context, q backends.Query) iter.Seq2[*model.Event, error] {
	return func(yield func(*model.Event, error) bool) {
		const what = "cannot list events"
		s, err := d.sweepFor(ctx, q, false)
		if err != nil {
			yield(nil, d.fail(what, err))
			return
		}
		stopped := false
		err = s.each(ctx, func(e *model.Event, _ *model.Alert) bool {
			stopped = !yield(e, nil)
			return !stopped
		})
		if err != nil && !stopped {
			yield(nil, d.fail(what, err))
		}
	}
}

// Alerts gives the detections of all endpoints, newest first. Only events
// with a signature are alerts.
func (d *Driver) Alerts(ctx context.Context, q backends.Query) (backends.Listing[*model.Alert], error) {
	if err := native(q); err != nil {
		return backends.Listing[*model.Alert]{}, err
	}
	return backends.Listing[*model.Alert]{Plan: d.plan(q, routeDetections), Seq: d.alertSeq(ctx, q)}, nil
}

func (d *Driver) alertSeq(ctx context.Context, q backends.Query) iter.Seq2[*model.Alert, error] {
	return func(yield func(*model.Alert, error) bool) {
		const what = "cannot list alerts"
		s, err := d.sweepFor(ctx, q, true)
		if err != nil {
			yield(nil, d.fail(what, err))
			return
		}
		stopped := false
		err = s.each(ctx, func(_ *model.Event, a *model.Alert) bool {
			stopped = !yield(a, nil)
			return !stopped
		})
		if err != nil && !stopped {
			yield(nil, d.fail(what, err))
		}
	}
}
