package cwatch

import (
	"bytes"
	"context"
	"errors"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/backends/cwatch/rules"
	"github.com/edrctl/edrctl/internal/backends/cwatch/wire"
	"github.com/edrctl/edrctl/internal/client"
	"github.com/edrctl/edrctl/internal/client/spill"
	"github.com/edrctl/edrctl/internal/filter"
	"github.com/edrctl/edrctl/internal/model"
)

const (
	alertsFail = "cannot list alerts"
	// lookBack is how far an alert is searched for by its id.
	lookBackNear = 30 * 24 * time.Hour
	lookBackFar  = 400 * 24 * time.Hour
)

// Alerts lists alerts from q.Since on (the API knows no upper end) and keeps
// those of the window. A second request asks for the dismissed ones alone:
// an item does not say whether it was dismissed, only the filter knows.
func (d *Driver) Alerts(ctx context.Context, q backends.Query) (backends.Listing[*model.Alert], error) {
	var l backends.Listing[*model.Alert]
	if q.Native != "" {
		return l, backends.Unsupported(product, "a query of its own for alerts", "use the filters; --query works with events list")
	}
	since, until := d.window(q)
	scores := pushScores(q.Filter)
	l.Plan.Residual = q.Filter
	ask := d.alertCalls(since, scores, q.Filter.Status)
	for _, c := range ask.calls() {
		l.Plan.Requests = append(l.Plan.Requests, d.client.Describe(c))
	}
	l.Plan.Notes = append(l.Plan.Notes, "the API has no upper time bound, pages or order for alerts: the end of the window and the order are applied here")
	if ask.dismissed != nil && ask.all != nil {
		l.Plan.Notes = append(l.Plan.Notes, "an alert does not say that it was dismissed: the dismissed ones are asked for apart")
	}
	l.Seq = func(yield func(*model.Alert, error) bool) {
		st := alertStore{d: d, since: since, until: until, sorter: spill.Sorter{File: spill.In(d.opt.StateDir)}}
		defer st.sorter.File.Close()
		if err := st.read(ctx, ask); err != nil {
			yield(nil, backends.FromClient(alertsFail, err))
			return
		}
		for a, err := range st.alerts(q.Raw) {
			if err != nil {
				yield(nil, backends.FromClient(alertsFail, err))
				return
			}
			if !yield(a, nil) {
				return
			}
		}
	}
	return l, nil
}

// scorePush is the score part of a filter as the server takes it.
type scorePush struct{ lo, hi int }

// pushScores turns the score bounds into scoreMin and scoreMax, whole numbers
// and always sent (docs/formats.md 8.1). Nobody has shown that the server
// takes them as inclusive: they are one wider than asked for, and compared
// again here. Alerts without a score are kept out of the server's hands where
// they are wanted.
func pushScores(f filter.Filter) scorePush {
	all := scorePush{0, 10}
	lo, hi := 0.0, 10.0
	if v := f.ScoreMin; v != nil {
		lo = math.Ceil(*v)
	}
	if v := f.ScoreMax; v != nil {
		hi = math.Floor(*v)
	}
	if f.IncludeUnscored && lo > 0 {
		return all
	}
	if !(lo <= hi) || lo > 10 || hi < 0 { // nothing can match; the server may refuse such a range
		return all
	}
	// Scores above the scale are read as 10: a bound of 10 or more is none.
	p := scorePush{int(max(lo, 0)), int(min(hi, 10))}
	sevLo, sevHi := severityRange(f)
	if sevLo <= p.hi && sevHi >= p.lo {
		p = scorePush{max(p.lo, sevLo), min(p.hi, sevHi)}
	}
	return scorePush{max(p.lo-1, 0), min(p.hi+1, 10)}
}

// severityRange gives the scores that can have the wanted severities.
func severityRange(f filter.Filter) (lo, hi int) {
	wanted := func(s model.Severity) bool {
		return s.Rank() >= f.SeverityMin.Rank() && (len(f.Severity) == 0 || slices.Contains(f.Severity, s))
	}
	lo, hi = 11, -1
	if wanted(model.SeverityUnknown) {
		return 0, 10
	}
	for n := 0; n <= 10; n++ {
		if wanted(model.ScoreNumber(model.ScaleCWatch, float64(n)).Severity) {
			lo, hi = min(lo, n), max(hi, n)
		}
	}
	if hi < lo {
		return 0, 10
	}
	return lo, min(hi+1, 10) // a fraction belongs to the band below it
}

// alertRequests are the requests of one listing.
type alertRequests struct{ all, dismissed *client.Call }

func (a alertRequests) calls() (out []client.Call) {
	for _, c := range []*client.Call{a.all, a.dismissed} {
		if c != nil {
			out = append(out, *c)
		}
	}
	return out
}

func (d *Driver) alertCalls(since time.Time, s scorePush, status []model.Status) (ask alertRequests) {
	call := func(dismissed bool) *client.Call {
		v := url.Values{
			"alertTime": {strconv.FormatInt(d.unit.Floor(since), 10)},
			"scoreMin":  {strconv.Itoa(s.lo)},
			"scoreMax":  {strconv.Itoa(s.hi)},
		}
		if dismissed {
			v.Set("dismissed", "true")
		}
		return &client.Call{Path: "/alert", Query: v}
	}
	if !one(status, model.StatusDismissed) {
		ask.all = call(false)
	}
	if !one(status, model.StatusOpen) {
		ask.dismissed = call(true)
	}
	return ask
}

// warnMadeUpOnce says once a run that this server's alerts have no ids.
func (d *Driver) warnMadeUpOnce() {
	d.madeUp.Do(func() {
		d.warn("cWatch gave alerts without an id: their ids are made up from endpoint, time and content, and cannot be used to close or dismiss them")
	})
}

// Alert reads one alert: the API has no route for it, so it is looked for in
// the listing, from the time its made-up id carries or back over 30, then
// 400 days.
func (d *Driver) Alert(ctx context.Context, id string, raw bool) (*model.Alert, error) {
	const what = "cannot read the alert"
	now := d.opt.Clock()
	starts := []time.Time{now.Add(-lookBackNear), now.Add(-lookBackFar)}
	if n, ok := wire.IsMadeUp(id); ok {
		if t := wire.Epoch(n); !t.IsZero() {
			starts = []time.Time{t.Add(-time.Second)}
		}
	}
	for _, since := range starts {
		a, err := d.findAlert(ctx, id, since, raw)
		if err != nil {
			return nil, backends.FromClient(what, err)
		}
		if a != nil {
			return a, nil
		}
	}
	e := backends.NotFound("alert", id)
	e.Hint = "cWatch has no lookup by id: its alerts of the last 400 days were searched"
	return nil, e
}

func (d *Driver) findAlert(ctx context.Context, id string, since time.Time, raw bool) (*model.Alert, error) {
	ask := d.alertCalls(since, scorePush{lo: 0, hi: 10}, nil)
	found := make([]*model.Alert, 2)
	ignored := false
	read := func(call client.Call, into **model.Alert, active *bool) error {
		var r reader
		return d.elements(ctx, call, "items", func(b []byte) error {
			var w wire.Alert
			if w.Decode(b) != nil {
				return errRow("alert")
			}
			if v, ok := wire.Bool(w.Active); ok && v && active != nil {
				*active = true
			}
			native := w.NativeID()
			if native != id && (native != "" || w.MadeUpID() != id) {
				return nil
			}
			a, madeUp, err := r.alert(b, raw)
			if err != nil {
				return errRow("alert")
			}
			if madeUp {
				d.warnMadeUpOnce()
			}
			*into = a
			return nil
		})
	}
	if err := read(*ask.all, &found[0], nil); err != nil {
		return nil, err
	}
	if found[0] != nil && found[0].Status == model.StatusOpen {
		return found[0], nil
	}
	if err := read(*ask.dismissed, &found[1], &ignored); err != nil {
		var status *client.StatusError
		if errors.As(err, &status) && status.Code == http.StatusBadRequest {
			return found[0], nil
		}
		return nil, err
	}
	if a := found[1]; a != nil {
		if !ignored && a.Status != model.StatusOpen {
			a.Status = model.StatusDismissed
		}
		return a, nil
	}
	return found[0], nil
}

// embeddedPrefix marks the id of an event that is known from its alert only.
const embeddedPrefix = "alert:"

// AlertEvents gives the event behind an alert: the row of /events it came
// from, or where that is not found the event as the alert holds it.
func (d *Driver) AlertEvents(ctx context.Context, id string, q backends.Query) (backends.Listing[*model.Event], error) {
	const what = "cannot list the alert's events"
	var l backends.Listing[*model.Event]
	now := d.opt.Clock()
	l.Plan = backends.Plan{Residual: q.Filter, Notes: []string{"a cWatch alert holds the one event it was raised for"}}
	for _, c := range d.alertCalls(now.Add(-lookBackNear), scorePush{lo: 0, hi: 10}, nil).calls()[:1] {
		l.Plan.Requests = append(l.Plan.Requests, d.client.Describe(c), "GET /events … around its time")
	}
	l.Seq = func(yield func(*model.Event, error) bool) {
		embedded, err := d.embeddedEvent(ctx, id, q.Raw)
		if err != nil {
			if backends.KindOf(err) == backends.KindNotFound {
				if _, aerr := d.Alert(ctx, id, false); aerr == nil {
					return // the alert is there, its event is not
				}
			}
			yield(nil, backends.FromClient(what, err))
			return
		}
		row, err := d.rowOf(ctx, embedded, q.Raw)
		if err != nil {
			yield(nil, backends.FromClient(what, err))
			return
		}
		if row == nil {
			row = embedded
		}
		row.AlertID = id
		yield(row, nil)
	}
	return l, nil
}

// embeddedEvent reads the event an alert holds.
func (d *Driver) embeddedEvent(ctx context.Context, alertID string, raw bool) (*model.Event, error) {
	a, err := d.Alert(ctx, alertID, true)
	if err != nil {
		return nil, err
	}
	var w wire.Alert
	var ew wire.Event
	var r reader
	if w.Decode(a.Raw) != nil || w.Event == nil || ew.DecodeEmbedded(w.Event) != nil {
		return nil, backends.NotFound("event of alert", alertID)
	}
	if ew.Endpoint == nil {
		ew.Endpoint = w.Endpoint
	}
	e := r.normaliseEvent(&ew)
	e.ID, e.AlertID = embeddedPrefix+alertID, alertID
	if e.Time.IsZero() {
		e.Time = a.Time
	}
	if e.Host == nil {
		e.Host = a.Host
	}
	if raw {
		e.Raw = bytes.Clone(w.Event)
	}
	return e, nil
}

// rowOf finds the row of /events an alert's event came from: the same
// process, the same kind, the same instant.
func (d *Driver) rowOf(ctx context.Context, e *model.Event, raw bool) (*model.Event, error) {
	if e.Time.IsZero() || e.Process == nil || e.Process.UID == "" {
		return nil, nil
	}
	q := ""
	if e.Process.Hash != nil && rules.IsHex(e.Process.Hash.SHA1) {
		q = "process_hash = '" + e.Process.Hash.SHA1 + "'"
	}
	s := (&scan{d: d, since: e.Time.Add(-time.Second), until: e.Time.Add(time.Second), raw: raw, size: pageSize, lazy: true}).with(q)
	for row, err := range s.merged(ctx, []string{q}) {
		if err != nil {
			if backends.KindOf(err) == backends.KindInvalid {
				return nil, nil
			}
			return nil, err
		}
		if sameEvent(row, e) {
			return row, nil
		}
	}
	return nil, nil
}

func sameEvent(a, b *model.Event) bool {
	target := func(e *model.Event) string {
		if e.Target == nil {
			return ""
		}
		return e.Target.UID + "\x00" + e.Target.CommandLine + "\x00" + e.Target.Path
	}
	return a.Process != nil && a.Process.UID == b.Process.UID && a.Kind == b.Kind && a.Time.Equal(b.Time.Time) && target(a) == target(b)
}
