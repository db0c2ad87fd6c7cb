package gene

import (
	"context"
	"errors"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/backends/gene/wire"
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
	keep      keep
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
	f.event = normalise(d, ep, f.keep)
	if d.Fired() {
		f.alert = alertOf(d, f.event)
	}
	return errFound
}

// find looks for an event through the logs of all endpoints, newest first.
func (d *Driver) find(ctx context.Context, id string, alerts bool, k keep, back time.Duration) (*finder, error) {
	s, err := d.sweepFor(ctx, backends.Query{Since: d.now().Add(-back), Raw: k.raw, Log: k.log}, alerts)
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
	found := &finder{id: id, keep: k, endpoints: s.endpoints}
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
