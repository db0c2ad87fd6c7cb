package files

import (
	"context"
	"slices"
	"strings"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/evidence"
	"github.com/edrctl/edrctl/internal/model"
)

// What the driver can do, held by the compiler.
var (
	_ backends.AlertLister      = (*Driver)(nil)
	_ backends.AlertGetter      = (*Driver)(nil)
	_ backends.AlertEventLister = (*Driver)(nil)
	_ backends.EventSearcher    = (*Driver)(nil)
	_ backends.EventGetter      = (*Driver)(nil)
	_ backends.HostLister       = (*Driver)(nil)
	_ backends.HostGetter       = (*Driver)(nil)
	_ backends.ProcessLister    = (*Driver)(nil)
	_ backends.ProcessGetter    = (*Driver)(nil)
	_ backends.AlertWatcher     = (*Driver)(nil)
	_ backends.EventWatcher     = (*Driver)(nil)
)

// plan says that everything is filtered here, and what was read.
func (d *Driver) plan(x *index, q backends.Query) backends.Plan {
	return backends.Plan{Residual: q.Filter, Notes: x.summary()}
}

func (d *Driver) options(q backends.Query) evidence.Options {
	return evidence.Options{Zone: d.zone, Log: q.Log, Raw: q.Raw}
}

// start reads the files before a list.
func (d *Driver) start(ctx context.Context, q backends.Query) (*index, error) {
	if q.Native != "" {
		return nil, backends.Unsupported(Name, "cannot take --query", "files have no query language: use the filters or --where")
	}
	return d.indexed(ctx, q.Follow)
}

// listing gives the records of a kind in the window.
func listing[T model.Record](ctx context.Context, d *Driver, q backends.Query, k kind) (backends.Listing[T], error) {
	x, err := d.start(ctx, q)
	if err != nil {
		return backends.Listing[T]{}, err
	}
	places := x.window(k, q.Since, q.Until)
	return backends.Listing[T]{Plan: d.plan(x, q), Seq: func(yield func(T, error) bool) {
		for r, err := range x.read(ctx, places, d.options(q)) {
			t, _ := r.(T)
			if !yield(t, err) {
				return
			}
		}
	}}, nil
}

// Events gives the events of the files, newest first.
func (d *Driver) Events(ctx context.Context, q backends.Query) (backends.Listing[*model.Event], error) {
	return listing[*model.Event](ctx, d, q, kindEvent)
}

// Alerts gives the records that are detections, newest first.
func (d *Driver) Alerts(ctx context.Context, q backends.Query) (backends.Listing[*model.Alert], error) {
	return listing[*model.Alert](ctx, d, q, kindAlert)
}

// Event reads one event by its id.
func (d *Driver) Event(ctx context.Context, id string, raw bool) (*model.Event, error) {
	return one[*model.Event](ctx, d, kindEvent, "event", id, raw)
}

// Alert reads one alert by its id.
func (d *Driver) Alert(ctx context.Context, id string, raw bool) (*model.Alert, error) {
	return one[*model.Alert](ctx, d, kindAlert, "alert", id, raw)
}

// one reads the record with an id.
func one[T model.Record](ctx context.Context, d *Driver, k kind, noun, id string, raw bool) (T, error) {
	var zero T
	x, err := d.indexed(ctx, false)
	if err != nil {
		return zero, err
	}
	records, err := x.portion(ctx, x.find(k, id), evidence.Options{Zone: d.zone, Raw: raw})
	if err != nil {
		return zero, err
	}
	for _, r := range records {
		if t, ok := r.(T); ok && r.GetOrigin().ID == id {
			return t, nil
		}
	}
	return zero, backends.NotFound(noun, id)
}

// AlertEvents gives the events behind an alert: the record that is the
// detection, and those that the alert names.
func (d *Driver) AlertEvents(ctx context.Context, id string, q backends.Query) (backends.Listing[*model.Event], error) {
	x, err := d.start(ctx, q)
	if err != nil {
		return backends.Listing[*model.Event]{}, err
	}
	a, err := d.Alert(ctx, id, false)
	if err != nil {
		return backends.Listing[*model.Event]{}, err
	}
	named := map[uint64]bool{}
	for _, id := range a.EventIDs {
		named[backends.Hash64(id[strings.LastIndexByte(id, '/')+1:])] = true
	}
	at := x.find(kindAlert, id)
	var places []entry
	for _, e := range x.all(kindEvent) {
		if named[e.id] || slices.ContainsFunc(at, func(a entry) bool { return a.file == e.file && a.off == e.off }) {
			places = append(places, e)
		}
	}
	return backends.Listing[*model.Event]{Plan: d.plan(x, q), Seq: func(yield func(*model.Event, error) bool) {
		for r, err := range x.read(ctx, places, d.options(q)) {
			e, _ := r.(*model.Event)
			if e != nil && e.AlertID == "" {
				e.AlertID = id
			}
			if !yield(e, err) {
				return
			}
		}
	}}, nil
}
