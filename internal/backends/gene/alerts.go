package gene

import (
	"context"
	"iter"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/model"
)

// Alerts gives the detections of all endpoints, newest first. Only events
// with a signature are alerts.
func (d *Driver) Alerts(ctx context.Context, q backends.Query) (backends.Listing[*model.Alert], error) {
	if err := refuseNative(q); err != nil {
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

// Alert reads one alert: id is the hash the manager gave its event, or the
// SHA-1 of the event where it gave none.
func (d *Driver) Alert(ctx context.Context, id string, raw bool) (*model.Alert, error) {
	f, err := d.find(ctx, id, true, keep{raw: raw}, alertLookBack)
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
		f, err := d.find(ctx, id, true, keepOf(q), alertLookBack)
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
