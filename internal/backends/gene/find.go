package gene

import (
	"context"
	"errors"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/backends/gene/wire"
	"github.com/edrctl/edrctl/internal/client"
	"github.com/edrctl/edrctl/internal/model"
)

// How far back a record is looked for by its id: the manager cannot be asked
// for one, its logs have to be read (docs/formats.md 9).
const (
	alertLookBack = 90 * 24 * time.Hour
	eventLookBack = 7 * 24 * time.Hour
)

var errFound = errors.New("found")

// finder is a sink that keeps the one event with an id.
type finder struct {
	id        string
	raw       bool
	endpoints []endpoint

	mu    sync.Mutex
	event *model.Event
	alert *model.Alert
}

func (f *finder) begin() {}

func (f *finder) mark() func() { return func() {} }

func (f *finder) size() int { return 0 }

func (f *finder) narrow(time.Duration) {}

func (f *finder) add(d *wire.EventDecoder, place int) error {
	if d.Get(wire.FieldHash) != f.id {
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	var ep endpoint
	if place >= 0 {
		ep = f.endpoints[place]
	}
	f.event = normalise(d, ep, f.raw)
	if d.Fired() {
		f.alert = alertOf(d, f.event)
	}
	return errFound
}

// find looks for an event through the logs of all endpoints, newest first.
func (d *Driver) find(ctx context.Context, id string, alerts, raw bool, back time.Duration) (*finder, error) {
	s, err := d.sweepFor(ctx, backends.Query{Since: d.now().Add(-back)}, alerts)
	if err != nil || len(s.endpoints) == 0 {
		return &finder{}, err
	}
	f, err := d.probe(ctx, s.endpoints[0].UUID)
	if err != nil {
		return nil, err
	}
	size := 2 * firstEvents
	if alerts {
		size = firstAlerts
	}
	found := &finder{id: id, raw: raw, endpoints: s.endpoints}
	for hi := s.until; hi.After(s.since) && found.event == nil; {
		lo := s.lower(f, hi, size)
		group, gctx := errgroup.WithContext(ctx)
		group.SetLimit(concurrent)
		for _, r := range s.readers(f) {
			group.Go(func() error { return r.read(gctx, lo, hi, found) })
		}
		if err := group.Wait(); err != nil && !errors.Is(err, errFound) {
			return nil, err
		}
		hi, size = lo, min(size*step, widest)
	}
	return found, nil
}

// Alert reads one alert: id is the hash the manager gave its event, or the
// SHA-1 of the event where it gave none.
func (d *Driver) Alert(ctx context.Context, id string, raw bool) (*model.Alert, error) {
	f, err := d.find(ctx, id, true, raw, alertLookBack)
	if err != nil {
		return nil, d.fail("cannot read alert "+id, err)
	}
	if f.alert == nil {
		e := backends.NotFound("alert", id)
		e.Hint = "the detections of the last 90 days were searched"
		return nil, e
	}
	return f.alert, nil
}

// AlertEvents gives the event behind an alert: on this backend an alert is an
// event on which rules fired.
func (d *Driver) AlertEvents(ctx context.Context, id string, q backends.Query) (backends.Listing[*model.Event], error) {
	plan := d.plan(backends.Query{Since: d.now().Add(-alertLookBack)}, routeDetections)
	plan.Residual = q.Filter
	return backends.Listing[*model.Event]{Plan: plan, Seq: func(yield func(*model.Event, error) bool) {
		f, err := d.find(ctx, id, true, q.Raw, alertLookBack)
		switch {
		case err != nil:
			yield(nil, d.fail("cannot read the events of alert "+id, err))
		case f.event == nil:
			yield(nil, backends.NotFound("alert", id))
		default:
			yield(f.event, nil)
		}
	}}, nil
}

// Event reads one event by its id: first among the detections, of which there
// are few, then in the logs of the last week.
func (d *Driver) Event(ctx context.Context, id string, raw bool) (*model.Event, error) {
	what := "cannot read event " + id
	f, err := d.find(ctx, id, true, raw, alertLookBack)
	if err != nil {
		return nil, d.fail(what, err)
	}
	if f.event == nil {
		if f, err = d.find(ctx, id, false, raw, eventLookBack); err != nil {
			return nil, d.fail(what, err)
		}
	}
	if f.event == nil {
		e := backends.NotFound("event", id)
		e.Hint = "the detections of the last 90 days and the logs of the last 7 days were searched; use `events list` for older ones"
		return nil, e
	}
	return f.event, nil
}

// describe shows a plain read.
func (d *Driver) describe(path string) string { return d.c.Describe(client.Call{Path: path}) }
