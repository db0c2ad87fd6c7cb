package gene

import (
	"context"
	"iter"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/model"
)

// Events gives the events of all endpoints, newest first.
func (d *Driver) Events(ctx context.Context, q backends.Query) (backends.Listing[*model.Event], error) {
	if err := refuseNative(q); err != nil {
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

// Event reads one event by its id: first among the detections, of which there
// are few, then in the logs of the last week.
func (d *Driver) Event(ctx context.Context, id string, raw bool) (*model.Event, error) {
	what, k := "cannot read event "+id, keep{raw: raw}
	f, err := d.find(ctx, id, true, k, alertLookBack)
	if err != nil {
		return nil, d.fail(what, err)
	}
	if f.event == nil {
		if f, err = d.find(ctx, id, false, k, eventLookBack); err != nil {
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
