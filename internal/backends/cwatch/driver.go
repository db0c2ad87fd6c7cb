// Package cwatch is the driver of Comodo cWatch EDR (API v0.0.2, also served
// as Dragon Platform and Xcitium EDR). The facts it rests on, and how sure
// each one is, stand in docs/wire/cwatch.md.
package cwatch

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/backends/cwatch/catalog"
	"github.com/edrctl/edrctl/internal/backends/cwatch/wire"
	"github.com/edrctl/edrctl/internal/client"
	"github.com/edrctl/edrctl/internal/model"
)

const (
	backendName = "cwatch"
	defaultURL  = "https://api.cwatchedr.com"
	product     = "Comodo cWatch EDR"
)

func init() {
	backends.Register(backends.Backend{
		Name: backendName, Title: product, DefaultURL: defaultURL,
		Secrets: []backends.SecretSpec{{Name: "token", Help: "access token, sent as Bearer", Required: true}},
		Keys: []backends.KeySpec{
			{Name: "customer_id", Help: "customer to act for (header edr-customerid); needed by tokens that see several", Number: true},
			{Name: "time_unit", Help: "unit of the server's integer times; default ms", Enum: []string{"ms", "s"}},
		},
		Limits:  backends.Limits{PageSize: pageSize, Precision: time.Millisecond, Concurrent: 4},
		New:     New,
		Catalog: catalog.Operations,
		Pushes:  pushes,
		Fields:  fields,
	})
}

// Driver reads one cWatch server. It is safe for concurrent use.
type Driver struct {
	opt      backends.Options
	client   *client.Client
	redactor *client.Redactor
	customer string
	unit     wire.Unit

	mu    sync.Mutex
	token string
	tilde tilde // what the server's ~ was found to mean

	madeUp sync.Once // the user was warned about made-up alert ids
	triage triageCache
}

// New builds a driver; it does no I/O.
func New(o backends.Options) (backends.Driver, error) {
	d := &Driver{opt: o, unit: wire.Millis}
	switch u := o.Settings["time_unit"]; u {
	case "", "ms":
	case "s":
		d.unit = wire.Seconds
	default:
		return nil, backends.Invalid(fmt.Sprintf("time_unit %q", u), "must be ms or s")
	}
	if c := strings.TrimSpace(o.Settings["customer_id"]); c != "" {
		if n, err := strconv.ParseInt(c, 10, 64); err != nil || n < 0 {
			return nil, backends.Invalid(fmt.Sprintf("customer_id %q", c), "must be a whole number")
		}
		d.customer = c
	}
	cfg := o.Client
	if cfg.BaseURL == "" {
		cfg.BaseURL = defaultURL
	}
	if cfg.Redactor == nil {
		cfg.Redactor = client.NewRedactor()
	}
	d.redactor = cfg.Redactor
	c, err := client.New(cfg, client.Options{
		Authorize: d.authorize,
		Rate:      client.Rate{Concurrent: 4},
	})
	if err != nil {
		return nil, err
	}
	d.client = c
	return d, nil
}

// Backend is "cwatch".
func (d *Driver) Backend() string { return backendName }

// Close drops idle connections; the API has no sessions.
func (d *Driver) Close() error { return d.client.Close() }

func (d *Driver) warn(line string) {
	if d.opt.Warn != nil {
		d.opt.Warn(line)
	}
}

// window gives the instants of q; an absent end lies beyond every clock that
// is ahead, an absent start is the beginning of what the vendor could hold.
func (d *Driver) window(q backends.Query) (since, until time.Time) {
	since, until = q.Since, q.Until
	if until.IsZero() {
		until = d.opt.Clock().Add(backends.Ahead)
	}
	if since.IsZero() {
		since = time.Unix(1, 0)
	}
	return since.UTC(), until.UTC()
}

// inWindow reports whether t belongs to [since, until). A record without a time
// cannot be judged and is kept.
func inWindow(t model.Time, since, until time.Time) bool {
	return t.IsZero() || !t.Before(since) && t.Before(until)
}

// Check reads one event of the last hour: the smallest call that needs the
// token, and the one whose times show the server's unit.
func (d *Driver) Check(ctx context.Context) (backends.Health, error) {
	const what = "cannot reach " + product
	h := backends.Health{Product: product, Version: "API v0.0.2"}
	cred := backends.CredentialCheck{Name: "token"}
	if _, err := d.accessToken(ctx); err != nil {
		h.Credentials = append(h.Credentials, cred)
		return h, backends.FromClient(what, err)
	}
	cred.Present = true
	before := d.opt.Clock()
	rows, answer, err := d.sample(ctx, d.unit, before)
	h.ReadClock(answer.Header, answer.Timing, d.opt.Clock())
	if err != nil {
		err = backends.FromClient(what, err)
		if k := backends.KindOf(err); k == backends.KindAuth || k == backends.KindForbidden {
			cred.Note = "refused"
			h.Notes = append(h.Notes, "the server refuses the token")
		}
		h.Credentials = append(h.Credentials, cred)
		return h, err
	}
	cred.OK = true
	h.Credentials = append(h.Credentials, cred)
	h.Notes = append(h.Notes, d.unitNote(ctx, rows, before)...)
	if d.customer == "" {
		h.Notes = append(h.Notes, "no customer_id is set; tokens that see several customers need one")
	}
	return h, nil
}

// sample reads a few events of the hour before now, asked for in unit u.
func (d *Driver) sample(ctx context.Context, u wire.Unit, now time.Time) (rows []*model.Event, answer client.Stream, err error) {
	v := url.Values{
		"from_time": {strconv.FormatInt(u.Floor(now.Add(-time.Hour)), 10)},
		"to_time":   {strconv.FormatInt(u.Ceil(now), 10)},
		"page_size": {"5"},
	}
	stream, err := d.client.Open(ctx, client.Call{Path: "/events", Query: v})
	if err != nil {
		var status *client.StatusError
		if errors.As(err, &status) {
			answer.Header, answer.Timing = status.Header, status.Timing
		}
		return nil, answer, err
	}
	defer stream.Body.Close()
	var r reader
	for b, err := range client.Array(stream.Body, "", nil) {
		if err != nil {
			return nil, *stream, err
		}
		e, err := r.event(b, false)
		if err != nil {
			return nil, *stream, errRow("event")
		}
		if rows = append(rows, e); len(rows) >= pageSize {
			break
		}
	}
	return rows, *stream, nil
}

// unitNote reports when the configured time unit looks wrong (docs/wire/cwatch.md
// 5: a wrong one fails silently).
func (d *Driver) unitNote(ctx context.Context, rows []*model.Event, now time.Time) []string {
	recent := func(rows []*model.Event) bool {
		for _, e := range rows {
			if e.Ingested.After(now.Add(-2*time.Hour)) || e.Time.After(now.Add(-2*time.Hour)) {
				return true
			}
		}
		return false
	}
	if recent(rows) {
		return nil
	}
	hint := fmt.Sprintf("the server seems to count time in %s: set time_unit: %[1]s in the profile", d.unit.Other())
	if len(rows) > 0 {
		return []string{"asked for the last hour, the server answered with older events: " + hint}
	}
	other, _, err := d.sample(ctx, d.unit.Other(), now)
	if err == nil && recent(other) {
		return []string{hint}
	}
	return []string{"no event in the last hour: the time unit could not be checked"}
}

// The optional interfaces this driver implements.
var (
	_ backends.Driver           = (*Driver)(nil)
	_ backends.AlertLister      = (*Driver)(nil)
	_ backends.AlertGetter      = (*Driver)(nil)
	_ backends.AlertEventLister = (*Driver)(nil)
	_ backends.EventSearcher    = (*Driver)(nil)
	_ backends.EventGetter      = (*Driver)(nil)
	_ backends.EventCounter     = (*Driver)(nil)
	_ backends.HostLister       = (*Driver)(nil)
	_ backends.HostGetter       = (*Driver)(nil)
	_ backends.ProcessLister    = (*Driver)(nil)
	_ backends.HashInspector    = (*Driver)(nil)
	_ backends.IndicatorHunter  = (*Driver)(nil)
	_ backends.TreeExpander     = (*Driver)(nil)
	_ backends.ProcessGetter    = (*Driver)(nil)
	_ backends.Changer          = (*Driver)(nil)
	_ backends.ActionFinder     = (*Driver)(nil)
)
