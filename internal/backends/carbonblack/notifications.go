package carbonblack

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/backends/carbonblack/catalog"
	"github.com/edrctl/edrctl/internal/backends/carbonblack/wire"
	"github.com/edrctl/edrctl/internal/client"
	"github.com/edrctl/edrctl/internal/model"
)

const (
	whatDrain = "cannot read the notification queue"
	// maxBatch bounds one answer of the queue, and maxBatches one visit: the
	// size of a batch is not documented (§12).
	maxBatch   = 64 << 20
	maxBatches = 1000
)

// notificationAlerts lists alerts from the SIEM key's queue and from what
// earlier runs took out of it. Whatever comes is on disk before the first
// alert is given, because the server hands it out once.
func (d *Driver) notificationAlerts(ctx context.Context, q backends.Query) (backends.Listing[*model.Alert], error) {
	if err := d.spool.usable(); err != nil {
		return backends.Listing[*model.Alert]{}, err
	}
	w := d.window(q)
	l := backends.Listing[*model.Alert]{Plan: backends.Plan{
		Requests: []string{d.client.Describe(client.Call{Path: catalog.Base + "/notification"}) + " until the queue is empty"},
		Residual: q.Filter,
		Notes: []string{
			"the queue gives each alert once: another tool that reads with the same SIEM key will not see these",
			"alerts are kept in " + d.spool.path + " and read back from there",
		},
	}}
	l.Seq = func(yield func(*model.Alert, error) bool) {
		drainErr := d.drain(ctx)
		alerts, err := d.spooledAlerts(q.Raw)
		if err != nil {
			yield(nil, err)
			return
		}
		for _, a := range alerts {
			if w.holds(a.Time) && !yield(a, nil) {
				return
			}
		}
		if drainErr != nil {
			yield(nil, backends.FromClient(whatDrain, drainErr))
		}
	}
	return l, nil
}

// drain empties the queue into the spool. A batch that was cut on its way is
// lost on the server: its whole elements go to the spool like any other, the
// broken rest to a file next to it, and the error says so.
func (d *Driver) drain(ctx context.Context) error {
	if _, _, err := d.keyFor(ctx, catalog.RouteNotification); err != nil {
		return err
	}
	for range maxBatches {
		n, err := d.drainOnce(ctx)
		if err != nil || n == 0 {
			return err
		}
	}
	return &backends.Error{Kind: backends.KindPartial, Why: "the queue does not come to an end; what was read is kept"}
}

func (d *Driver) drainOnce(ctx context.Context) (int, error) {
	stream, err := d.client.Open(ctx, client.Call{Path: catalog.Base + "/notification", Acts: true})
	if err != nil {
		return 0, d.explain(ctx, whatDrain, catalog.RouteNotification, true, err)
	}
	body, readErr := io.ReadAll(io.LimitReader(stream.Body, maxBatch+1))
	stream.Body.Close()
	if readErr == nil && len(body) > maxBatch {
		readErr = backends.Malformed(whatDrain, "the batch is larger than 64 MiB")
	}
	if readErr == nil && len(bytes.TrimSpace(body)) == 0 {
		return 0, nil // 204
	}
	var env wire.Envelope
	var got [][]byte
	var parseErr error
	for element, err := range client.Array(bytes.NewReader(body), "notifications", env.Member) {
		if err != nil {
			parseErr = err
			break
		}
		got = append(got, slices.Clone(element))
	}
	if err := d.spool.add(got); err != nil {
		return 0, err
	}
	if err := refused(&env); err != nil && len(got) == 0 {
		return 0, err
	}
	if err := errors.Join(readErr, parseErr); err != nil {
		out := &backends.Error{Kind: backends.KindMalformed, What: whatDrain, Err: err,
			Why: "an answer was cut or is not what it should be, and the server gives it only once"}
		if kept := d.spool.reject(body); kept != "" {
			out.Hint = "what arrived of it is in " + kept
		}
		return len(got), out
	}
	return len(got), nil
}

// spooledAlerts gives every alert that was ever taken from the queue, newest
// first, each once: the same incident notified again replaces the earlier one.
func (d *Driver) spooledAlerts(raw bool) ([]*model.Alert, error) {
	byID := map[string]*model.Alert{}
	err := d.spool.each(func(line []byte) {
		var n wire.Notification
		if err := wire.Decode(line, &n); err != nil {
			d.warn("a line of " + d.spool.path + " is not a notification and was left out")
			return
		}
		a := notificationAlert(&n, line)
		if raw {
			a.Raw = slices.Clone(line)
		}
		if have := byID[a.ID]; have == nil || !a.Time.Before(have.Time.Time) {
			byID[a.ID] = a
		}
	})
	if err != nil {
		return nil, &backends.Error{Kind: backends.KindOther, What: "cannot read back the alerts kept in " + d.spool.path, Why: err.Error(), Err: err}
	}
	out := make([]*model.Alert, 0, len(byID))
	for _, a := range byID {
		out = append(out, a)
	}
	slices.SortFunc(out, func(a, b *model.Alert) int {
		if c := b.Time.Compare(a.Time.Time); c != 0 {
			return c
		}
		return bytes.Compare([]byte(a.ID), []byte(b.ID))
	})
	return out, nil
}

// spooledAlert finds one alert among the spooled; nil when it is not there.
func (d *Driver) spooledAlert(id string, raw bool) (*model.Alert, error) {
	if err := d.spool.usable(); err != nil {
		return nil, err
	}
	all, err := d.spooledAlerts(raw)
	if err != nil {
		return nil, err
	}
	for _, a := range all {
		if a.ID == id {
			return a, nil
		}
	}
	return nil, nil
}

func (d *Driver) warn(line string) {
	if d.opt.Warn != nil {
		d.opt.Warn(line)
	}
}
