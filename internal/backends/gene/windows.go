package gene

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/backends/gene/wire"
	"github.com/edrctl/edrctl/internal/client"
	"github.com/edrctl/edrctl/internal/client/spill"
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
	keep      keep
	limited   bool // a few of the newest are wanted, not all
	since     time.Time
	until     time.Time
	present   time.Time // what lies beyond is read in one window: little is stamped ahead
}

// span reads the bounds of a query.
func (d *Driver) span(q backends.Query) (since, until time.Time) {
	since, until = q.Since, q.Until
	now := until
	if until.IsZero() {
		now = d.now()
		until = now.Add(backends.Ahead)
	}
	if since.IsZero() {
		since = now.Add(-defaultWindow)
	}
	return since.UTC(), until.UTC()
}

// present is where the open end of a query begins; zero when it has an end.
func (d *Driver) present(q backends.Query) time.Time {
	if !q.Until.IsZero() {
		return time.Time{}
	}
	return d.now().UTC()
}

// window is one step of a sweep that has been read.
type window struct {
	events *eventSorter
	err    error
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
	repeated := 0
	defer func() {
		if repeated > 0 {
			s.d.warnOnce(repeatedEvents, fmt.Sprintf("the manager lists events more than once (equal Hash): each is given once, %d repetitions are left out", repeated))
		}
	}()
	defer done.Wait()
	defer cancel()
	for w := range windows {
		if w.err != nil {
			return w.err
		}
		more, err := w.emit(ready, yield)
		repeated += w.events.repeated
		if err != nil || !more {
			return err
		}
	}
	return ctx.Err()
}

// emit gives out a window and says when half of it has been taken. It tells
// whether yield wants more.
func (w window) emit(ready chan<- struct{}, yield func(*model.Event, *model.Alert) bool) (more bool, err error) {
	defer w.events.stored.File.Close()
	given, half, signalled, stopped := 0, w.events.total/2, false, false
	err = w.events.each(func(e *model.Event, a *model.Alert) bool {
		if !yield(e, a) {
			stopped = true
			return false
		}
		if given++; !signalled && given >= half {
			signalled = true
			ready <- struct{}{}
		}
		return true
	})
	if !signalled && err == nil && !stopped {
		ready <- struct{}{}
	}
	return !stopped, err
}

func (s *sweep) produce(ctx context.Context, f flavour, out chan<- window, ready <-chan struct{}) {
	size, want := firstEvents, wantEvents+wantPer*len(s.endpoints)
	if s.alerts {
		size = firstAlerts
	}
	ceiling := widest
	hi := s.until
	for hi.After(s.since) {
		lo, most := s.lower(f, hi, size), want*tooDense
		ahead := lo.Equal(s.present)
		if f.legacy() || ahead || hi.Sub(lo) <= smallestWindow {
			most = 0
		}
		p, err := s.load(ctx, f, lo, hi, most)
		if errors.Is(err, errTooMany) {
			size = max(hi.Sub(lo)/step, smallestWindow)
			continue
		}
		select {
		case out <- window{events: p, err: err}:
		case <-ctx.Done():
			if err == nil {
				p.stored.File.Close()
			}
			return
		}
		if err != nil {
			return
		}
		if ahead {
			if hi = lo; !s.waitReady(ctx, ready) {
				return
			}
			continue
		}
		size, ceiling = s.nextSize(f, hi.Sub(lo), ceiling, want, p)
		if hi = lo; !s.waitReady(ctx, ready) {
			return
		}
	}
}

// waitReady until the next window is wanted; it reports false when none is.
func (s *sweep) waitReady(ctx context.Context, ready <-chan struct{}) bool {
	select {
	case <-ready:
		return true
	case <-ctx.Done():
		return false
	}
}

// nextSize is how wide the next window should be, and how wide one may grow.
func (s *sweep) nextSize(f flavour, size, ceiling time.Duration, want int, p *eventSorter) (next, most time.Duration) {
	factor := float64(step)
	if p.total > 0 && !f.legacy() {
		factor = min(max(float64(want)/float64(p.total), 1.0/step), step)
	}
	// What the server could not answer is not asked again; it is tried
	// with a little more each time.
	size = time.Duration(float64(size) * factor)
	if p.widest > 0 {
		ceiling = p.widest
	}
	if ceiling += ceiling / 8; p.total < want/2 {
		ceiling *= 2 // the log has become thin
	}
	ceiling = min(ceiling, widest)
	return min(max(size, smallestWindow), ceiling), ceiling
}

// lower is where the window that ends at hi begins. Managers that read whole
// days give everything to the end of the day, whatever is asked (docs/wire/gene.md
// 6): a window is made of whole days there, too. Only when a few records are
// wanted the newest part of a day is asked for first, which such a manager can
// answer in a fraction of the time.
func (s *sweep) lower(f flavour, hi time.Time, size time.Duration) time.Time {
	if !s.present.IsZero() && s.present.After(s.since) && hi.After(s.present) {
		return s.present
	}
	lo := hi.Add(-size)
	if f.legacy() {
		day := hi.Add(-time.Nanosecond).Truncate(24 * time.Hour)
		switch lo = lo.Truncate(24 * time.Hour); {
		case s.limited && hi.Add(-size).After(day):
			lo = hi.Add(-size)
		case lo.After(day) || size <= 24*time.Hour:
			lo = day
		}
	}
	if lo.Before(s.since) {
		lo = s.since
	}
	return lo
}

// readers read a window of every endpoint: one each, or one for all.
func (s *sweep) readers(f flavour) []*logReader {
	route := routeLogs
	if s.alerts {
		route = f.path
	}
	r := logReader{d: s.d, endpoints: s.endpoints, route: route, legacy: f.legacy(), verbatim: s.keep.log}
	if f.sharedLogs {
		r.places = make(map[string]int, len(s.endpoints))
		for i, ep := range s.endpoints {
			r.places[ep.UUID] = i
		}
		return []*logReader{&r}
	}
	out := make([]*logReader, len(s.endpoints))
	for i := range out {
		one := r
		one.place, out[i] = i, &one
	}
	return out
}

// load reads [lo, hi) of every endpoint. The caller closes the sorter's spill file.
func (s *sweep) load(ctx context.Context, f flavour, lo, hi time.Time, most int) (*eventSorter, error) {
	p := &eventSorter{keep: s.keep, alerts: s.alerts, endpoints: s.endpoints, most: most,
		stored: spill.Sorter{File: spill.In(s.d.o.StateDir)}}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(concurrent)
	for _, r := range s.readers(f) {
		group.Go(func() error { return r.read(ctx, lo, hi, &sorterInput{eventSorter: p}) })
	}
	if err := group.Wait(); err != nil {
		p.stored.File.Close()
		return nil, err
	}
	return p, nil
}

// sweepFor lists the endpoints a query asks for.
func (d *Driver) sweepFor(ctx context.Context, q backends.Query, alerts bool) (*sweep, error) {
	list, err := d.endpoints(ctx, false)
	if err != nil {
		return nil, err
	}
	since, until := d.span(q)
	return &sweep{
		d: d, endpoints: filterEndpoints(list, hostFilter(q.Filter)), alerts: alerts, keep: keepOf(q), limited: q.Limit > 0, since: since, until: until, present: d.present(q),
	}, nil
}

// plan says how logs are asked. Host filters choose the endpoints; they are
// checked again on what comes back, as everything else is.
func (d *Driver) plan(q backends.Query, route string) backends.Plan {
	since, until := d.span(q)
	p := backends.Plan{
		Requests: []string{
			d.c.Describe(client.Call{Path: "/endpoints"}),
			d.ofEach(q.Filter, route, wire.LogQuery(since, until, 0)),
		},
		Residual: q.Filter,
		Notes:    []string{"asked of every endpoint, in windows of time from the newest to the oldest; the manager filters by time only"},
	}
	if len(q.Filter.Get(filter.Host)) > 0 {
		p.Notes = append(p.Notes, "--host: only endpoints whose name or UUID matches are asked, and those without a known name")
	}
	return p
}

// ofEach describes what is asked of every endpoint that the host filters leave.
func (d *Driver) ofEach(f filter.Filter, route string, query url.Values) string {
	line := d.c.Describe(client.Call{Path: "/endpoints/…/" + route, Query: query})
	if len(f.Get(filter.Host)) > 0 {
		line = strings.Replace(line, "/…/", "/{--host}/", 1)
	}
	return line
}

func refuseNative(q backends.Query) error {
	if q.Native != "" {
		return backends.Unsupported(Name, "cannot pass --query through", "the manager has no query language; use the shared filters")
	}
	return nil
}

// repeatedEvents is the kind of a warning.
const repeatedEvents = "repeated events"
