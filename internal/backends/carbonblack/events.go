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
	"github.com/edrctl/edrctl/internal/client"
	"github.com/edrctl/edrctl/internal/filter"
	"github.com/edrctl/edrctl/internal/model"
)

const whatEvents = "cannot list events"

// eventPush is the part of a query that /event can do.
type eventPush struct {
	q        url.Values
	residual filter.Filter
	notes    []string
	host     *filter.Term // pushed as hostName
	none     bool         // no event of this backend can match: nothing is asked
	sure     int          // terms that every event of the answer should match
}

// nativeParams are the parameters --query may set; the others are the driver's.
var nativeParams = []string{
	"hostName", "hostNameExact", "ownerName", "ownerNameExact", "ipAddress", "sha256Hash", "applicationName", "eventType",
}

// pushEvents splits a filter for /event (§5.1). The server's parameters say
// less than most filters do: ipAddress is the address of the device, not of
// the peer, and sha256Hash and applicationName look at the acting process
// only, while --ip, --hash and --process look at the target, the file and both
// ends of a connection too. Those would lose matches and stay local.
func pushEvents(q backends.Query) (eventPush, error) {
	p := eventPush{q: url.Values{}}
	if q.Native != "" {
		native, err := parseNative(q.Native)
		if err != nil {
			return p, err
		}
		p.q = native
	}
	local := map[filter.Field]string{
		filter.IP:      "ipAddress is the device's own address only",
		filter.Hash:    "sha256Hash is the acting process only",
		filter.Process: "applicationName is the acting process only",
		filter.User:    "ownerName is the owner of the device",
	}
	p.residual = q.Filter.Split(func(t filter.Term) bool {
		switch t.Field {
		case filter.Host:
			if name, ok := exactHost(t); ok && !p.q.Has("hostName") && !p.q.Has("hostNameExact") {
				p.q.Set("hostName", name)
				p.host = &t
				p.sure++
				return false // no recording shows how the server compares: it is compared again
			}
			p.note("--host is compared after fetching: hostName of /event is a whole name, so only one --host =NAME can be sent")
		case filter.KindOf:
			eventType, exact, none := eventTypeOf(t)
			if none {
				p.none = true
				p.note("Carbon Black v3 has no events of the kind asked for: nothing is requested")
				return true
			}
			if eventType == "" || p.q.Has("eventType") {
				return false
			}
			p.q.Set("eventType", eventType)
			if exact {
				p.sure++
			}
			return false
		default:
			if why, ok := local[t.Field]; ok {
				p.note(fmt.Sprintf("--%s is compared after fetching: on the server %s", t.Field, why))
			}
		}
		return false
	})
	return p, nil
}

func (p *eventPush) note(s string) {
	if !slices.Contains(p.notes, s) {
		p.notes = append(p.notes, s)
	}
}

// exactHost gives the name of a term that the server's hostName equals: one
// pattern, =NAME. A number may be a device id, which hostName is not, and the
// console may know NAME.DOMAIN as DOMAIN\NAME or as NAME. A literal * or ? is
// not sent: nobody documents that the server takes it as a letter.
func exactHost(t filter.Term) (string, bool) {
	if len(t.Any) != 1 || !t.Any[0].IsExact() || isDigits(t.Any[0].Text) || t.Any[0].Qualified() || strings.ContainsAny(t.Any[0].Text, "*?") {
		return "", false
	}
	return t.Any[0].Text, true
}

func parseNative(s string) (url.Values, error) {
	q, err := url.ParseQuery(strings.TrimPrefix(s, "?"))
	if err != nil {
		return nil, backends.Invalid("cannot use --query", err.Error())
	}
	for name, values := range q {
		if !slices.Contains(nativeParams, name) {
			return nil, backends.Invalid("cannot use --query",
				fmt.Sprintf("%q is no filter of /event: one of %s, as in applicationName=cmd.exe&eventType=NETWORK", name, strings.Join(nativeParams, " ")))
		}
		if len(values) != 1 {
			return nil, backends.Invalid("cannot use --query", fmt.Sprintf("%q is given more than once", name))
		}
		if name == "sha256Hash" || name == "applicationName" {
			q.Set(name, strings.ToLower(values[0])) // the server compares lower case only
		}
	}
	return q, nil
}

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
		setWindow(one, w.from, w.to)
		one.Set("start", "1")
		one.Set("rows", strconv.Itoa(rows))
		out = append(out, d.client.Describe(client.Call{Path: apiBase + path, Query: one})+" …")
	}
	return out
}

// rows asks for no more than the user wants when every event should count.
func (p eventPush) rows(q backends.Query) int {
	others := q.Filter
	others.Terms = nil
	if q.Limit > 0 && q.Limit < eventRows && p.sure == len(q.Filter.Terms) && others.Empty() {
		return q.Limit
	}
	return eventRows
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
		for e, err := range scan(ctx, d, whatEvents, q, w, eventRows, readEvent(raw)) {
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

func (e foundEvent) key() (string, int64) { return e.ID, e.ms }

func readEvent(raw bool) func([]byte) (foundEvent, error) {
	r := new(eventReader)
	return func(b []byte) (foundEvent, error) {
		var e wireEvent
		if err := r.event(b, &e); err != nil {
			return foundEvent{}, err
		}
		out := foundEvent{e.event(), e.EventTime.n}
		if raw {
			out.Raw = slices.Clone(b)
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
	out := e.event()
	if out.ID == "" {
		out.ID = id
	}
	if raw {
		out.Raw = body
	}
	return out, nil
}

// eventInfo reads an event's detail in either of its shapes, and its JSON.
func (d *Driver) eventInfo(ctx context.Context, id string) (*wireEvent, []byte, error) {
	const what = "cannot read the event"
	if strings.TrimSpace(id) == "" {
		return nil, nil, backends.Invalid(what, "the id is empty")
	}
	var doc struct {
		EventInfo jsontext.Value `json:"eventInfo"`
	}
	if _, err := d.get(ctx, what, routeEvent, "/event/"+url.PathEscape(id), nil, &doc); err != nil {
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
	var e wireEvent
	if err := decode(doc.EventInfo, &e); err != nil {
		return nil, nil, backends.Malformed(what, err.Error())
	}
	return &e, doc.EventInfo, nil
}
