package gene

import (
	"context"
	"net/http"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/backends/gene/wire"
	"github.com/edrctl/edrctl/internal/client/jsonwalk"
	"github.com/edrctl/edrctl/internal/model"
)

// maxMessage is more than any event: agents' posts are cut at 64 KiB a line.
const maxMessage = 1 << 20

// WatchEvents gives the events of all endpoints as they arrive, over the
// manager's event stream (beta.2 and later). Nothing is kept for later: the
// caller reads what fell into a gap with Events. Older managers: Unsupported.
func (d *Driver) WatchEvents(ctx context.Context, q backends.Query) (backends.Listing[*model.Event], error) {
	if err := refuseNative(q); err != nil {
		return backends.Listing[*model.Event]{}, err
	}
	const path, what = "/stream/events", "cannot follow events"
	return backends.Listing[*model.Event]{Plan: d.streamPlan(q, path), Seq: func(yield func(*model.Event, error) bool) {
		stopped := false
		err := d.follow(ctx, path, what, q.Log, func(dec *wire.EventDecoder, ep endpoint) bool {
			stopped = !yield(normalise(dec, ep, keepOf(q)), nil)
			return !stopped
		})
		if err != nil && !stopped {
			yield(nil, d.fail(what, err))
		}
	}}, nil
}

// WatchAlerts is WatchEvents for detections.
func (d *Driver) WatchAlerts(ctx context.Context, q backends.Query) (backends.Listing[*model.Alert], error) {
	if err := refuseNative(q); err != nil {
		return backends.Listing[*model.Alert]{}, err
	}
	const path, what = "/stream/detections", "cannot follow alerts"
	return backends.Listing[*model.Alert]{Plan: d.streamPlan(q, path), Seq: func(yield func(*model.Alert, error) bool) {
		stopped := false
		err := d.follow(ctx, path, what, q.Log, func(dec *wire.EventDecoder, ep endpoint) bool {
			if !dec.Fired() {
				return true
			}
			stopped = !yield(alertOf(dec, normalise(dec, ep, keepOf(q))), nil)
			return !stopped
		})
		if err != nil && !stopped {
			yield(nil, d.fail(what, err))
		}
	}}, nil
}

func (d *Driver) streamPlan(q backends.Query, path string) backends.Plan {
	return backends.Plan{Requests: []string{d.describe(path)}, Residual: q.Filter, Notes: []string{"WebSocket"}}
}

// follow reads the messages of a stream until it breaks, ctx ends or take
// says false.
func (d *Driver) follow(ctx context.Context, path, what string, verbatim bool, take func(*wire.EventDecoder, endpoint) bool) error {
	list, err := d.endpoints(ctx, false)
	if err != nil {
		return err
	}
	known := make(map[string]endpoint, len(list))
	for _, ep := range list {
		known[ep.UUID] = ep
	}
	if !d.flavour().json {
		return backends.Unsupported(Name, what+" as they arrive", "managers before v1.8.0-beta.2 have no streams; poll instead")
	}
	conn, err := d.c.Dial(ctx, path, nil, nil)
	if err != nil {
		if isStatus(err, http.StatusNotFound) {
			return backends.Unsupported(Name, what+" as they arrive", "managers before v1.8.0-beta.2 have no streams; poll instead")
		}
		return err
	}
	defer func() { _ = conn.CloseNow() }()
	conn.SetReadLimit(maxMessage)
	dec := &wire.EventDecoder{Verbatim: verbatim}
	for {
		_, msg, err := conn.Read(ctx)
		if err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return &backends.Error{Kind: backends.KindUnavailable, Why: "the stream ended", Err: err}
		}
		var w jsonwalk.Walker
		w.Reset(msg)
		if dec.Walk(&w); w.Err() != nil {
			return backends.Malformed("", "a message of the stream is not an event")
		}
		dec.Finish()
		if !take(dec, known[dec.Get(wire.FieldEndpointUUID)]) {
			return nil
		}
	}
}
