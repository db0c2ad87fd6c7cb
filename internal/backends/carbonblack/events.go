package carbonblack

import (
	"context"
	"fmt"
	"iter"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/backends/carbonblack/catalog"
	"github.com/edrctl/edrctl/internal/backends/carbonblack/wire"
	"github.com/edrctl/edrctl/internal/client"
	"github.com/edrctl/edrctl/internal/client/jsonwalk"
	"github.com/edrctl/edrctl/internal/filter"
	"github.com/edrctl/edrctl/internal/model"
)

const whatEvents = "cannot list events"

// describeWindows gives the first request of each window, for --explain.
func (d *Driver) describeWindows(path string, q url.Values, pieces []span, rows int) []string {
	const most = 6
	var out []string
	for i, w := range pieces {
		if i == most {
			out = append(out, fmt.Sprintf("… and %d more windows", len(pieces)-most))
			break
		}
		one := cloneQuery(q)
		wire.SetWindow(one, w.from, w.to)
		one.Set("start", "1")
		one.Set("rows", strconv.Itoa(rows))
		out = append(out, d.client.Describe(client.Call{Path: catalog.Base + path, Query: one})+" …")
	}
	return out
}

// Events searches events by time and filter.
func (d *Driver) Events(ctx context.Context, q backends.Query) (backends.Listing[*model.Event], error) {
	p, err := pushEvents(q)
	if err != nil {
		return backends.Listing[*model.Event]{}, err
	}
	w := d.window(q)
	rows := p.rows(q)
	l := backends.Listing[*model.Event]{Plan: backends.Plan{Residual: p.residual, Notes: p.notes}}
	if p.none {
		l.Seq = func(func(*model.Event, error) bool) {}
		return l, nil
	}
	l.Plan.Requests = d.describeWindows("/event", p.q, w.split(eventWindow), rows)
	l.Seq = d.eventSeq(ctx, p, w, rows, q.Raw)
	return l, nil
}

// eventSeq asks for the events. The console may know a host as DOMAIN\NAME,
// which hostName=NAME does not find: when nothing came back, the device list
// tells, and the question is asked again by the whole name.
func (d *Driver) eventSeq(ctx context.Context, p eventPush, w span, rows int, raw bool) iter.Seq2[*model.Event, error] {
	return func(yield func(*model.Event, error) bool) {
		any := false
		for e, err := range scan(ctx, d, whatEvents, p.q, w, rows, readEvent(raw)) {
			any = true
			if err != nil {
				yield(nil, err)
				return
			}
			if !yield(e.Event, nil) {
				return
			}
		}
		if any || p.host == nil {
			return
		}
		q, ok, err := d.qualifiedHost(ctx, p.q)
		if err != nil {
			yield(nil, backends.FromClient(whatEvents, err))
			return
		}
		if !ok {
			return
		}
		own := filter.Filter{Terms: []filter.Term{*p.host}}
		for e, err := range scan(ctx, d, whatEvents, q, w, catalog.EventRows, readEvent(raw)) {
			if err != nil {
				yield(nil, err)
				return
			}
			if own.Match(e.Event) && !yield(e.Event, nil) {
				return
			}
		}
	}
}

// qualifiedHost rewrites hostName=NAME to the DOMAIN\NAME that the device list
// has for it; with several of them no host is asked for at all. ok is false
// when the list has none, or when this server has no device list any more.
func (d *Driver) qualifiedHost(ctx context.Context, q url.Values) (out url.Values, ok bool, err error) {
	name := q.Get("hostName")
	var full []string
	for dev, err := range d.devices(ctx, "cannot look up the host", url.Values{}) {
		if backends.KindOf(err) == backends.KindUnsupported {
			return nil, false, nil
		}
		if err != nil {
			return nil, false, err
		}
		domain, base := deviceName(string(dev.Name))
		if domain != "" && strings.EqualFold(base, name) && !slices.Contains(full, string(dev.Name)) {
			full = append(full, string(dev.Name))
		}
	}
	if len(full) == 0 {
		return nil, false, nil
	}
	out = cloneQuery(q)
	out.Del("hostName")
	if len(full) == 1 {
		out.Set("hostName", full[0])
	}
	return out, true, nil
}

// foundEvent is an event with what paging needs of it.
type foundEvent struct {
	*model.Event
	ms int64
}

func (e foundEvent) Key() (string, int64) { return e.ID, e.ms }

func readEvent(raw bool) func(*jsonwalk.Walker) (foundEvent, error) {
	var r wire.EventReader
	var n eventNormaliser
	var e wire.Event
	return func(w *jsonwalk.Walker) (foundEvent, error) {
		from := w.Offset()
		if r.Walk(w, &e); w.Err() != nil {
			return foundEvent{}, w.Err()
		}
		out := foundEvent{n.event(&e), e.EventTime.N}
		if raw {
			out.Raw = slices.Clone(w.Since(from))
		}
		return out, nil
	}
}

// Event reads one event. The server shows only those that belong to an alert.
func (d *Driver) Event(ctx context.Context, id string, raw bool) (*model.Event, error) {
	e, body, err := d.eventInfo(ctx, id)
	if err != nil {
		return nil, err
	}
	out := eventOf(e)
	if out.ID == "" {
		out.ID = id
	}
	if raw {
		out.Raw = body
	}
	return out, nil
}

// eventInfo reads an event's detail in either of its shapes, and its JSON.
func (d *Driver) eventInfo(ctx context.Context, id string) (*wire.Event, []byte, error) {
	const what = "cannot read the event"
	if strings.TrimSpace(id) == "" {
		return nil, nil, backends.Invalid(what, "the id is empty")
	}
	var doc struct {
		EventInfo jsontext.Value `json:"eventInfo"`
	}
	if _, err := d.get(ctx, what, catalog.RouteEvent, "/event/"+url.PathEscape(id), nil, &doc); err != nil {
		if backends.KindOf(err) == backends.KindNotFound {
			e := backends.NotFound("event", id)
			e.Why = "or it belongs to no alert: Carbon Black v3 shows the detail of alert-related events only"
			e.Hint = "edrctl events list finds every event, with the same fields"
			e.Err = err
			return nil, nil, e
		}
		return nil, nil, err
	}
	if doc.EventInfo.Kind() != '{' {
		return nil, nil, backends.Malformed(what, "the answer has no eventInfo")
	}
	var e wire.Event
	if err := wire.Decode(doc.EventInfo, &e); err != nil {
		return nil, nil, backends.Malformed(what, err.Error())
	}
	return &e, doc.EventInfo, nil
}
