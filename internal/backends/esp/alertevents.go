package esp

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/client"
	"github.com/edrctl/edrctl/internal/model"
)

// AlertEvents lists the events behind an alert: those the server aggregated
// into it (95), and, where the edition has the route, those of the same host
// within 30 s around it (94).
func (d *Driver) AlertEvents(ctx context.Context, id string, q backends.Query) (backends.Listing[*model.Event], error) {
	what := "cannot list the events of alert " + id
	var l backends.Listing[*model.Event]
	if !isNumber(id) {
		return l, &backends.Error{Kind: backends.KindNotFound, What: "no alert " + id, Why: "alert ids of ESP are numbers"}
	}
	p := "/alerts/" + id
	l.Plan = backends.Plan{Residual: q.Filter, Requests: []string{
		d.describe(http.MethodGet, p, nil),
		d.describe(http.MethodPost, p+"/alerted_events", struct{}{}),
		d.describe(http.MethodPost, p+"/alerted_events", pagedQuery{QueryName: "…", Limit: eventPage}) + " …",
		d.describe(http.MethodGet, p+"/events", nil),
	}}
	l.Seq = func(yield func(*model.Event, error) bool) {
		events, err := d.alertEvents(ctx, what, id, q.Raw)
		if err != nil {
			yield(nil, err)
			return
		}
		for _, e := range events {
			if !q.Since.IsZero() && e.Time.Before(q.Since) || !q.Until.IsZero() && !e.Time.Before(q.Until) {
				continue
			}
			if !yield(e, nil) {
				return
			}
		}
	}
	return l, nil
}

type pagedQuery struct {
	QueryName string `json:"query_name,omitempty"`
	Start     int    `json:"start"`
	Limit     int    `json:"limit"`
}

// maxAlertEvents bounds what one alert may bring: it is sorted in memory.
const maxAlertEvents = 100_000

func (d *Driver) alertEvents(ctx context.Context, what, id string, raw bool) ([]*model.Event, error) {
	alert, err := d.Alert(ctx, id, false)
	if err != nil {
		return nil, err
	}
	var out []*model.Event
	seen := map[string]bool{}
	add := func(r *row) {
		if alert.Host != nil {
			r.hostID, r.hostname = alert.Host.ID, alert.Host.Name
		}
		e := r.event(raw)
		if !seen[e.ID] {
			seen[e.ID] = true
			e.AlertID = id
			out = append(out, e)
		}
	}
	queries, err := d.alertedQueries(ctx, what, id)
	if err != nil {
		return nil, err
	}
	for _, query := range queries {
		if strings.ContainsRune(query, '\'') {
			return nil, backends.Malformed(what, "the server names a query it cannot be asked for")
		}
		err := offsetPages(ctx, what, eventPage, func(ctx context.Context, start, limit int) (*page, error) {
			return d.askPage(ctx, what, "/alerts/"+id+"/alerted_events", pagedQuery{QueryName: query, Start: start, Limit: limit})
		}, func(v []byte) (bool, error) {
			r := row{table: query}
			if err := new(rowReader).read(v, &r); err != nil {
				return false, malformed(what, err)
			}
			r.table, r.id = query, 0 // the number counts alerted events, not results
			add(&r)
			if len(out) > maxAlertEvents {
				return false, backends.Malformed(what, "more than "+strconv.Itoa(maxAlertEvents)+" events belong to it")
			}
			return true, nil
		})
		if err != nil {
			return nil, err
		}
	}
	if err := d.eventsAround(ctx, what, id, add); err != nil {
		return nil, err
	}
	slices.SortStableFunc(out, func(a, b *model.Event) int { return b.Time.Compare(a.Time.Time) })
	return out, nil
}

// alertedQueries names the queries with aggregated events (95 without a name).
func (d *Driver) alertedQueries(ctx context.Context, what, id string) ([]string, error) {
	p, err := d.askPage(ctx, what, "/alerts/"+id+"/alerted_events", struct{}{})
	if err != nil {
		return nil, err
	}
	var out []string
	for _, g := range p.Groups {
		var c wireQueryCount
		if err := json.Unmarshal(g, &c); err != nil {
			return nil, malformed(what, err)
		}
		if n := firstOf(string(c.QueryName), string(c.Name)); n != "" {
			out = append(out, n)
		}
	}
	return out, nil
}

// eventsAround reads 94; editions without the route simply have none.
func (d *Driver) eventsAround(ctx context.Context, what, id string, add func(*row)) error {
	if d.noAlertEvents.Load() {
		return nil
	}
	a, err := d.ask(ctx, what, "/alerts/"+id+"/events", client.Call{})
	if backends.KindOf(err) == backends.KindUnsupported {
		d.noAlertEvents.Store(true)
		return nil
	}
	if err != nil {
		return err
	}
	if kindOf(a.Data) != '{' {
		return nil
	}
	err = eachMember(a.Data, func(name string, v []byte) error {
		if name != "schedule_query_data_list_obj" || kindOf(v) != '[' {
			return nil // the list is null when the alerted row has no time
		}
		return eachElement(v, func(v []byte) error {
			var g struct {
				Name string            `json:"name"`
				Data []json.RawMessage `json:"data"`
			}
			if err := json.Unmarshal(v, &g); err != nil {
				return err
			}
			for _, cols := range g.Data {
				r := row{table: g.Name}
				if err := new(rowReader).readCells(cols, &r); err != nil {
					return err
				}
				add(&r)
			}
			return nil
		})
	})
	if err != nil {
		return malformed(what, err)
	}
	return nil
}
