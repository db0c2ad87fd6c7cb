package carbonblack

import (
	"cmp"
	"context"
	"iter"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"golang.org/x/sync/errgroup"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/backends/carbonblack/catalog"
	"github.com/edrctl/edrctl/internal/backends/carbonblack/wire"
	"github.com/edrctl/edrctl/internal/client"
	"github.com/edrctl/edrctl/internal/client/jsonwalk"
	"github.com/edrctl/edrctl/internal/filter"
	"github.com/edrctl/edrctl/internal/model"
)

const (
	whatAlerts = "cannot list alerts"
	whatAlert  = "cannot read the alert"

	// eventAlertPrefix marks the id of an alert that has no incident: an event
	// with a score, known by its event id.
	eventAlertPrefix = "event:"

	// alertDelay is how much later than its events an alert may be dated: 14
	// minutes in the recordings. Events this much before a window are looked at.
	alertDelay = time.Hour
)

// Alerts lists alerts. API v3 has no list of them: they are found among the
// events, which disturbs nothing, and each is read by its incident (§7.2 b).
// Only with alert_source: notifications in the profile is the SIEM key's
// queue read, which hands every alert out once (§7.2 a).
func (d *Driver) Alerts(ctx context.Context, q backends.Query) (backends.Listing[*model.Alert], error) {
	if d.spool != nil {
		return d.notificationAlerts(ctx, q)
	}
	if q.Native != "" {
		return backends.Listing[*model.Alert]{}, backends.Unsupported("Carbon Black v3", "cannot use --query for alerts", "use --query with events list")
	}
	query := url.Values{}
	var host *filter.Term
	for _, t := range q.Filter.Get(filter.Host) {
		// Narrows only: an alert is about one device, and so are its events.
		if name, ok := exactHost(t); ok && host == nil {
			query.Set("hostName", name)
			host = &t
		}
	}
	w := d.window(q)
	wide := span{w.from - alertDelay.Milliseconds(), w.to}
	l := backends.Listing[*model.Alert]{Plan: backends.Plan{
		Residual: q.Filter,
		Requests: append(d.describeWindows("/event", query, wide.split(eventWindow), catalog.EventRows),
			d.client.Describe(client.Call{Path: catalog.Base + "/alert/INCIDENT"})+" for each incident found"),
		Notes: []string{"API v3 lists no alerts: they are gathered from the events of the window, and none is read before all of them are seen"},
	}}
	l.Seq = func(yield func(*model.Alert, error) bool) {
		found, gaps := d.incidents(ctx, query, host, wide)
		if gaps != nil && backends.KindOf(gaps) != backends.KindPartial {
			yield(nil, backends.FromClient(whatAlerts, gaps))
			return
		}
		alerts, err := d.readAlerts(ctx, found, q.Raw)
		err = cmp.Or(err, gaps) // of an incomplete list come those that its events show
		sortAlerts(alerts)
		for _, a := range alerts {
			if !w.holds(a.Time) {
				continue
			}
			if !yield(a, nil) {
				return
			}
		}
		if err != nil {
			yield(nil, backends.FromClient(whatAlerts, err))
		}
	}
	return l, nil
}

// holds reports whether an instant is in the window; no instant always is.
func (s span) holds(t model.Time) bool {
	if t.IsZero() {
		return true
	}
	ms := t.UnixMilli()
	return ms >= s.from && ms < s.to
}

func sortAlerts(alerts []*model.Alert) {
	slices.SortStableFunc(alerts, func(a, b *model.Alert) int { return b.Time.Compare(a.Time.Time) })
}

// incident is an alert as its events show it, newest first.
type incident struct {
	id     string
	events []wire.EventHead
	newest []byte // JSON of the newest event
}

// incidents scans the events of a window for those that belong to an alert.
func (d *Driver) incidents(ctx context.Context, q url.Values, host *filter.Term, w span) ([]*incident, error) {
	found, any, err := d.gather(ctx, q, w)
	if err != nil || any || host == nil {
		return found, err
	}
	full, ok, err := d.qualifiedHost(ctx, q)
	if err != nil || !ok {
		return nil, err
	}
	found, _, err = d.gather(ctx, full, w)
	return found, err
}

func (d *Driver) gather(ctx context.Context, q url.Values, w span) (found []*incident, any bool, err error) {
	byID := map[string]*incident{}
	for e, err := range scan(ctx, d, whatAlerts, q, w, catalog.EventRows, readHead()) {
		if err != nil {
			return found, any, err
		}
		any = true
		id := string(e.IncidentID)
		if id == "" {
			if e.AlertScore.N <= 0 {
				continue
			}
			id = eventAlertPrefix + string(e.EventID)
		}
		in := byID[id]
		if in == nil {
			in = &incident{id: id, newest: e.Raw}
			byID[id] = in
			found = append(found, in)
		}
		e.Raw = nil
		in.events = append(in.events, *e)
	}
	return found, any, nil
}

// readHead reads what reports whether an event belongs to an alert, and keeps
// the event itself only then.
func readHead() func(*jsonwalk.Walker) (*wire.EventHead, error) {
	var r wire.EventReader
	return func(w *jsonwalk.Walker) (*wire.EventHead, error) {
		from := w.Offset()
		e := new(wire.EventHead)
		if r.WalkHead(w, e); w.Err() != nil {
			return nil, w.Err()
		}
		if e.IncidentID != "" || e.AlertScore.N > 0 {
			e.Raw = slices.Clone(w.Since(from))
		}
		return e, nil
	}
}

// mostFailed is how many details may fail before the others are not asked for
// any more: a server in trouble is left alone.
const mostFailed = 3

// readAlerts reads the detail of each incident, a few at a time; the few that
// fail because the server was not available are asked for again, one by
// one. An incident that the server no longer has, or an alert without one, is
// put together from its events. An error is returned with what could be read.
func (d *Driver) readAlerts(ctx context.Context, found []*incident, raw bool) ([]*model.Alert, error) {
	out := make([]*model.Alert, len(found))
	errs := make([]error, len(found))
	var failed atomic.Int32
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(concurrent)
	for i, in := range found {
		g.Go(func() error {
			if out[i], errs[i] = d.readIncident(gctx, in, raw); errs[i] == nil {
				return nil
			}
			switch backends.KindOf(errs[i]) {
			case backends.KindAuth, backends.KindForbidden, backends.KindRateLimited:
				return errs[i] // the others would fare no better
			}
			if failed.Add(1) > mostFailed {
				return errs[i]
			}
			return nil
		})
	}
	err := g.Wait()
	for i := range found {
		if err != nil {
			break
		}
		if backends.KindOf(errs[i]) == backends.KindUnavailable {
			out[i], errs[i] = d.readIncident(ctx, found[i], raw)
			err = errs[i]
		}
	}
	for _, e := range errs {
		if err == nil {
			err = e
		}
	}
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	return slices.DeleteFunc(out, func(a *model.Alert) bool { return a == nil }), err
}

func (d *Driver) readIncident(ctx context.Context, in *incident, raw bool) (*model.Alert, error) {
	if !strings.HasPrefix(in.id, eventAlertPrefix) {
		now := d.opt.Clock()
		if !raw {
			if body := d.cache.get(in, now); body != nil {
				w := new(wire.Alert)
				if err := wire.Decode(body, w); err == nil {
					return alertOf(w, in.id), nil
				}
			}
		}
		w, body, err := d.wireAlert(ctx, in.id)
		if err == nil {
			d.cache.put(in, now, body)
			return finishAlert(w, body, in.id, raw)
		}
		if backends.KindOf(err) != backends.KindNotFound {
			return nil, err
		}
	}
	var e wire.Event
	if err := wire.Decode(in.newest, &e); err != nil {
		return nil, backends.Malformed(whatAlerts, err.Error())
	}
	a := alertFromEvent(in.id, &e, in.events)
	if raw {
		a.Raw = in.newest
	}
	return a, nil
}

// Alert reads one alert by its incident id.
func (d *Driver) Alert(ctx context.Context, id string, raw bool) (*model.Alert, error) {
	if d.spool != nil {
		a, err := d.spooledAlert(id, raw)
		if a != nil || err != nil {
			return a, err
		}
	}
	if event, ok := strings.CutPrefix(id, eventAlertPrefix); ok {
		e, body, err := d.eventInfo(ctx, event)
		if err != nil {
			return nil, err
		}
		a := alertFromEvent(id, e, []wire.EventHead{{EventID: e.EventID}})
		if raw {
			a.Raw = body
		}
		return a, nil
	}
	return d.alertDetail(ctx, id, raw)
}

func (d *Driver) alertDetail(ctx context.Context, id string, raw bool) (*model.Alert, error) {
	w, body, err := d.wireAlert(ctx, id)
	if err != nil {
		return nil, err
	}
	return finishAlert(w, body, id, raw)
}

func finishAlert(w *wire.Alert, body []byte, id string, raw bool) (*model.Alert, error) {
	a := alertOf(w, id)
	if raw {
		var err error
		if a.Raw, err = wire.WithoutMembers(body, wire.DeviceSecrets); err != nil {
			return nil, backends.Malformed(whatAlert, err.Error())
		}
	}
	return a, nil
}

// wireAlert asks for an alert. Ids have no fixed form: they are escaped, not
// checked (§7.1).
func (d *Driver) wireAlert(ctx context.Context, id string) (*wire.Alert, []byte, error) {
	if strings.TrimSpace(id) == "" {
		return nil, nil, backends.Invalid(whatAlert, "the id is empty")
	}
	w := new(wire.Alert)
	reply, err := d.get(ctx, whatAlert, catalog.RouteAlert, "/alert/"+url.PathEscape(id), nil, w)
	if err != nil {
		if backends.KindOf(err) == backends.KindNotFound {
			e := backends.NotFound("alert", id)
			e.Hint = "alerts are known by their incident id, as in edrctl alerts list -o id"
			e.Err = err
			return nil, nil, e
		}
		return nil, nil, err
	}
	if w.ThreatInfo.V == nil && len(w.Events) == 0 {
		return nil, nil, backends.Malformed(whatAlert, "the answer has neither threatInfo nor events")
	}
	return w, reply.Body, nil
}

// AlertEvents lists the events behind an alert, newest first.
func (d *Driver) AlertEvents(ctx context.Context, id string, q backends.Query) (backends.Listing[*model.Event], error) {
	var request string
	var read func() iter.Seq2[*model.Event, error]
	if event, ok := strings.CutPrefix(id, eventAlertPrefix); ok {
		request = "/event/" + url.PathEscape(event)
		read = func() iter.Seq2[*model.Event, error] {
			return func(yield func(*model.Event, error) bool) {
				yield(d.Event(ctx, event, q.Raw))
			}
		}
	} else {
		request = "/alert/" + url.PathEscape(id)
		read = func() iter.Seq2[*model.Event, error] { return d.alertEvents(ctx, id, q.Raw) }
	}
	l := backends.Listing[*model.Event]{Plan: backends.Plan{
		Requests: []string{d.client.Describe(client.Call{Path: catalog.Base + request})},
		Residual: q.Filter,
	}}
	l.Seq = func(yield func(*model.Event, error) bool) {
		for e, err := range read() {
			if err != nil {
				yield(nil, err)
				return
			}
			if !e.Time.IsZero() && (!q.Since.IsZero() && e.Time.Before(q.Since) || !q.Until.IsZero() && !e.Time.Before(q.Until)) {
				continue
			}
			if !yield(e, nil) {
				return
			}
		}
	}
	return l, nil
}

func (d *Driver) alertEvents(ctx context.Context, id string, raw bool) iter.Seq2[*model.Event, error] {
	return func(yield func(*model.Event, error) bool) {
		w, body, err := d.wireAlert(ctx, id)
		if err != nil {
			yield(nil, err)
			return
		}
		var raws struct {
			Events []jsontext.Value `json:"events"`
		}
		if raw {
			// Of another shape than an array of objects: then there are no events either.
			if wire.Decode(body, &raws) != nil || len(raws.Events) != len(w.Events) {
				raws.Events = nil
			}
		}
		host := alertHost(wire.First(w.DeviceInfo.V))
		threat := wire.First(w.ThreatInfo.V)
		var out []*model.Event
		seen := map[string]bool{}
		for i := range w.Events {
			e := alertEvent(&w.Events[i], host)
			if e.ID != "" && seen[e.ID] {
				continue
			}
			seen[e.ID] = true
			e.AlertID = cmp.Or(string(threat.IncidentID), id)
			if raws.Events != nil {
				e.Raw = []byte(raws.Events[i])
			}
			out = append(out, e)
		}
		slices.SortStableFunc(out, func(a, b *model.Event) int { return b.Time.Compare(a.Time.Time) })
		for _, e := range out {
			if !yield(e, nil) {
				return
			}
		}
	}
}

const (
	cacheFor   = 2 * time.Minute
	cacheBytes = 16 << 20
)

// alertCache keeps the details of alerts for a short while: following alerts
// asks for the same ones over and over, and the vendor bans who asks more than
// about 1,000 times in 5 minutes (§3.2). An alert that got another event is
// asked for again at once.
type alertCache struct {
	mu      sync.Mutex
	entries map[string]cachedAlert
	bytes   int
}

type cachedAlert struct {
	events int
	newest string
	at     time.Time
	body   []byte
}

// get gives the kept detail of an incident, nil when it must be asked for.
func (c *alertCache) get(in *incident, now time.Time) []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	k, ok := c.entries[in.id]
	if !ok || k.events != len(in.events) || k.newest != in.newestID() || now.Sub(k.at) > cacheFor || now.Before(k.at) {
		return nil
	}
	return k.body
}

// put keeps a detail; when there is no room all others are forgotten.
func (c *alertCache) put(in *incident, now time.Time, body []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.entries == nil || c.bytes+len(body) > cacheBytes {
		c.entries, c.bytes = map[string]cachedAlert{}, 0
	}
	if len(body) > cacheBytes/4 {
		return
	}
	c.bytes += len(body) - len(c.entries[in.id].body)
	c.entries[in.id] = cachedAlert{len(in.events), in.newestID(), now, body}
}

func (in *incident) newestID() string {
	if len(in.events) == 0 {
		return ""
	}
	return string(in.events[0].EventID)
}
