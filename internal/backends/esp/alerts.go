package esp

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"iter"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/backends/esp/reply"
	"github.com/edrctl/edrctl/internal/backends/esp/wire"
	"github.com/edrctl/edrctl/internal/client"
	"github.com/edrctl/edrctl/internal/filter"
	"github.com/edrctl/edrctl/internal/model"
)

// Alerts lists the alerts of all sources (89), open and resolved ones merged.
func (d *Driver) Alerts(ctx context.Context, q backends.Query) (backends.Listing[*model.Alert], error) {
	if q.Native != "" {
		return backends.Listing[*model.Alert]{}, backends.Unsupported("ESP", "cannot list alerts with --query", "use the filters; events list takes --query")
	}
	s := d.alertSearch(q)
	l := backends.Listing[*model.Alert]{Plan: s.plan()}
	l.Seq = s.run(ctx)
	return l, nil
}

type alertSearch struct {
	d            *Driver
	what         string
	q            backends.Query
	since, until time.Time
	resolved     []bool // which of the two lists
	term         string
	windows      []wire.Window
	residual     filter.Filter
}

func (d *Driver) alertSearch(q backends.Query) *alertSearch {
	s := &alertSearch{d: d, what: "cannot list alerts", q: q, since: q.Since, until: q.Until, residual: q.Filter}
	wants := func(list ...model.Status) bool {
		return len(q.Filter.Status) == 0 || slices.ContainsFunc(list, func(v model.Status) bool { return slices.Contains(q.Filter.Status, v) })
	}
	// The list of open alerts holds all that is not resolved.
	if wants(model.StatusOpen, model.StatusUnknown) {
		s.resolved = append(s.resolved, false)
	}
	if wants(model.StatusClosed) {
		s.resolved = append(s.resolved, true)
		if len(s.resolved) == 1 {
			s.residual.Status = nil // "closed" and "resolved" are the same
		}
	}
	s.term = alertTerm(q.Filter)
	until := s.until
	if until.IsZero() {
		until = d.o.Clock().Add(time.Nanosecond)
	}
	s.windows = d.withAhead(s.until, wire.Windows(s.since, until, true))
	return s
}

func (s *alertSearch) request(resolved bool, w wire.Window) wire.AlertsRequest {
	r := wire.AlertsRequest{Resolved: resolved, Limit: reply.AlertPage}
	if s.term != "" {
		r.Source, r.SearchTerm = sourceRule, s.term
	}
	if s.q.Limit > 0 && s.q.Limit < reply.AlertPage && s.residual.Empty() {
		r.Limit = max(s.q.Limit, 10)
	}
	if !w.Open && !resolved { // the server ignores the window of resolved alerts
		r.Date, r.Duration, r.Type = w.Date, w.Duration, 2
	}
	return r
}

func (s *alertSearch) plan() backends.Plan {
	p := backends.Plan{Residual: s.residual}
	named := len(s.q.Filter.Get(filter.Host)) > 0
	for _, resolved := range s.resolved {
		for _, w := range s.windows {
			req := s.request(resolved, w)
			if named {
				req.HostIdentifier = "…"
			}
			p.Requests = append(p.Requests, s.d.session.Describe(http.MethodPost, "/alerts", req)+" …")
			if resolved {
				break // one list, newest first, read until it is too old
			}
		}
	}
	if named {
		p.Notes = append(p.Notes, "host_identifier is sent when exactly one host matches --host")
	}
	if len(s.resolved) > 0 {
		limit := reply.ListPage
		p.Requests = append(p.Requests, s.d.session.Describe(http.MethodPost, "/hosts", wire.ListRequest{Start: new(int), Limit: &limit})+" …",
			s.d.session.Describe(http.MethodPost, "/rules", wire.ListRequest{Start: new(int), Limit: &limit, AlertsCount: model.Ptr(true)})+" …")
	} else {
		p.Notes = append(p.Notes, "an alert of ESP is open or resolved: no request is needed")
	}
	if s.q.Filter.ScoreMin != nil || s.q.Filter.ScoreMax != nil || len(s.q.Filter.Severity) > 0 || s.q.Filter.SeverityMin != "" {
		p.Notes = append(p.Notes, "ESP has no severity parameter: INFO 1, LOW 3, WARNING 5, HIGH 8, CRITICAL 9 are compared here")
	}
	return p
}

func (s *alertSearch) run(ctx context.Context) iter.Seq2[*model.Alert, error] {
	return func(yield func(*model.Alert, error) bool) {
		if len(s.resolved) == 0 {
			return
		}
		host := ""
		if hosts, named, err := s.d.matchHosts(ctx, s.what, s.q.Filter); err != nil {
			yield(nil, err)
			return
		} else if named && len(hosts) == 0 {
			return
		} else if named && len(hosts) == 1 {
			host = hosts[0].ID
		}
		// Hosts and rules complete each alert; they are read next to the first page.
		ctx, cancel := context.WithCancel(ctx)
		var failed error
		read := make(chan struct{})
		go func() {
			defer close(read)
			failed = s.d.loadSides(ctx, s.what)
		}()
		defer func() {
			cancel()
			<-read
		}()
		ready := func() error {
			<-read
			return failed
		}
		var lists []iter.Seq2[*model.Alert, error]
		seen := map[string]bool{}
		for _, resolved := range s.resolved {
			lists = append(lists, s.list(ctx, resolved, host, ready, seen))
		}
		reply.Merge(lists, func(a *model.Alert) time.Time { return a.Time.Time })(yield)
	}
}

// loadSides reads what alerts refer to by number: hosts and rules.
func (d *Driver) loadSides(ctx context.Context, what string) error {
	if err := d.loadHosts(ctx, what, false); err != nil {
		return err
	}
	return d.loadRules(ctx, what)
}

// list yields one of the two lists. seen is shared: an alert resolved while
// both are read is in both.
func (s *alertSearch) list(ctx context.Context, resolved bool, host string, ready func() error, seen map[string]bool) iter.Seq2[*model.Alert, error] {
	return func(yield func(*model.Alert, error) bool) {
		for _, w := range s.windows {
			req := s.request(resolved, w)
			req.HostIdentifier = host
			stopped, old, inPage := false, 0, 0
			err := reply.OffsetPages(ctx, s.what, req.Limit, func(ctx context.Context, start, limit int) (*reply.Page, error) {
				if start > 0 && old == inPage {
					return nil, reply.ErrEnough // newest first, and the whole last page was too old
				}
				old, inPage = 0, 0
				r := req
				r.Start, r.Limit = start, limit
				p, err := s.d.session.AskPage(ctx, s.what, "/alerts", r)
				if err == nil {
					err = ready()
				}
				return p, err
			}, func(v []byte) (bool, error) {
				inPage++
				a, err := s.d.alert(ctx, s.what, v, "", s.q.Raw)
				if err != nil {
					return false, err
				}
				if a.Time.Before(s.since) {
					old++
					return true, nil
				}
				if !s.until.IsZero() && !a.Time.Before(s.until) || seen[a.ID] {
					return true, nil
				}
				seen[a.ID] = true
				stopped = !yield(a, nil)
				return !stopped, nil
			})
			if stopped {
				return
			}
			if err != nil {
				yield(nil, err)
				return
			}
			if resolved {
				return
			}
		}
	}
}

// Alert reads one alert, with its rule: 91 tells whether it is there and in
// which list, the list (89) has its verdict and how many events it stands for.
func (d *Driver) Alert(ctx context.Context, id string, raw bool) (*model.Alert, error) {
	if !wire.IsNumber(id) {
		return nil, &backends.Error{Kind: backends.KindNotFound, What: "no alert " + id, Why: "alert ids of ESP are numbers"}
	}
	what := "cannot read alert " + id
	a, err := d.session.Ask(ctx, what, "/alerts/"+id, client.Call{})
	if err != nil {
		return nil, err
	}
	if wire.KindOf(a.Data) != '{' {
		return nil, backends.Malformed(what, "the answer carries no alert")
	}
	row, err := d.alertRow(ctx, what, id, a.Data)
	if err != nil {
		return nil, err
	}
	if err := d.loadSides(ctx, what); err != nil {
		return nil, err
	}
	return d.alert(ctx, what, row, id, raw)
}

// alertRow gives an alert as the list shows it, or detail when the list does
// not have it.
func (d *Driver) alertRow(ctx context.Context, what, id string, detail []byte) ([]byte, error) {
	var w wire.Alert
	if err := json.Unmarshal(detail, &w); err != nil {
		return nil, reply.Malformed(what, err)
	}
	n, err := strconv.ParseInt(id, 10, 64)
	if err != nil {
		return detail, nil
	}
	req := wire.AlertsRequest{Resolved: strings.EqualFold(string(w.Status), "RESOLVED"), Limit: 10, EventIDs: []int64{n}}
	p, err := d.session.AskPage(ctx, what, "/alerts", req)
	if err != nil {
		return nil, err
	}
	for _, v := range p.Rows {
		var row wire.Alert
		if json.Unmarshal(v, &row) == nil && string(row.ID) == id {
			return v, nil
		}
	}
	return detail, nil
}

// alert is the normalised alert of 89 or, with its id given, of 91.
func (d *Driver) alert(ctx context.Context, what string, v []byte, id string, raw bool) (*model.Alert, error) {
	var w wire.Alert
	if err := json.Unmarshal(v, &w); err != nil {
		return nil, reply.Malformed(what, err)
	}
	a := alertOf(&w)
	if a.ID = wire.FirstOf(a.ID, id); a.ID == "" {
		return nil, backends.Malformed(what, "an alert without an id")
	}
	host, err := d.hostOf(ctx, what, string(w.NodeID), string(w.Hostname))
	if err != nil {
		return nil, err
	}
	a.Host = host
	fillRule(a, &w, d.ruleByID)
	entry, err := fillEntry(a, &w)
	if err != nil {
		return nil, reply.Malformed(what, err)
	}
	if a.Title == "" {
		a.Title = sourceTitle(a)
		if strings.EqualFold(a.Source, sourceIOC) && entry != nil {
			d.nameIndicator(ctx, a, &entry.Cells)
		}
	}
	if raw {
		a.Raw = append(json.RawMessage(nil), v...)
	}
	return a, nil
}

// fillRule names the rule and, from the rules known, what it stands for.
func fillRule(a *model.Alert, w *wire.Alert, byID func(string) *model.Rule) {
	var ref wire.RuleRef
	if wire.KindOf(w.Rule) == '{' && json.Unmarshal(w.Rule, &ref) != nil {
		ref = wire.RuleRef{}
	}
	id := wire.FirstOf(string(ref.ID), string(w.RuleID))
	known := byID(id)
	if id == "" && ref.Name == "" {
		return
	}
	a.Rule = &model.Named{ID: id, Name: string(ref.Name)}
	a.Description = string(ref.Description)
	if known != nil {
		a.Rule.Name = wire.FirstOf(a.Rule.Name, known.Name)
		a.Description = wire.FirstOf(a.Description, known.Description)
		a.Attack = known.Attack
	}
	a.Title = a.Rule.Name
}

// AlertCounts gives the open alerts of each source (88).
func (d *Driver) AlertCounts(ctx context.Context) (map[string]int, error) {
	const what = "cannot count alerts"
	a, err := d.session.Ask(ctx, what, "/alerts/count_by_source", client.Call{Query: map[string][]string{"resolved": {"false"}}})
	if err != nil {
		return nil, err
	}
	var data struct {
		Sources []wire.QueryCount `json:"alert_source"`
	}
	if wire.KindOf(a.Data) != '{' || json.Unmarshal(a.Data, &data) != nil {
		return nil, backends.Malformed(what, "the answer carries no counts")
	}
	out := map[string]int{}
	for _, s := range data.Sources {
		out[string(s.Name)] = int(s.Count)
	}
	return out, nil
}

// AlertEvents lists the events behind an alert: those the server aggregated
// into it (95), and, where the edition has the route, those of the same host
// within 30 s around it (94).
func (d *Driver) AlertEvents(ctx context.Context, id string, q backends.Query) (backends.Listing[*model.Event], error) {
	what := "cannot list the events of alert " + id
	var l backends.Listing[*model.Event]
	if !wire.IsNumber(id) {
		return l, &backends.Error{Kind: backends.KindNotFound, What: "no alert " + id, Why: "alert ids of ESP are numbers"}
	}
	p := "/alerts/" + id
	l.Plan = backends.Plan{Residual: q.Filter, Requests: []string{
		d.session.Describe(http.MethodGet, p, nil),
		d.session.Describe(http.MethodPost, p+"/alerted_events", struct{}{}),
		d.session.Describe(http.MethodPost, p+"/alerted_events", wire.PagedQuery{QueryName: "…", Limit: reply.EventPage}) + " …",
		d.session.Describe(http.MethodGet, p+"/events", nil),
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

// maxAlertEvents bounds what one alert may bring: it is sorted in memory.
const maxAlertEvents = 100_000

func (d *Driver) alertEvents(ctx context.Context, what, id string, raw bool) ([]*model.Event, error) {
	alert, err := d.Alert(ctx, id, false)
	if err != nil {
		return nil, err
	}
	var out []*model.Event
	seen := map[string]bool{}
	add := func(r *wire.Row) {
		if alert.Host != nil {
			r.HostID, r.Hostname = alert.Host.ID, alert.Host.Name
		}
		e := eventOf(r, raw)
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
		err := reply.OffsetPages(ctx, what, reply.EventPage, func(ctx context.Context, start, limit int) (*reply.Page, error) {
			return d.session.AskPage(ctx, what, "/alerts/"+id+"/alerted_events", wire.PagedQuery{QueryName: query, Start: start, Limit: limit})
		}, func(v []byte) (bool, error) {
			r := wire.Row{Table: query}
			if err := new(wire.RowReader).Read(v, &r); err != nil {
				return false, reply.Malformed(what, err)
			}
			r.Table, r.ID = query, 0 // the number counts alerted events, not results
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
	p, err := d.session.AskPage(ctx, what, "/alerts/"+id+"/alerted_events", struct{}{})
	if err != nil {
		return nil, err
	}
	var out []string
	for _, g := range p.Groups {
		var c wire.QueryCount
		if err := json.Unmarshal(g, &c); err != nil {
			return nil, reply.Malformed(what, err)
		}
		if n := wire.FirstOf(string(c.QueryName), string(c.Name)); n != "" {
			out = append(out, n)
		}
	}
	return out, nil
}

// eventsAround reads 94; editions without the route simply have none.
func (d *Driver) eventsAround(ctx context.Context, what, id string, add func(*wire.Row)) error {
	if d.noAlertEvents.Load() {
		return nil
	}
	a, err := d.session.Ask(ctx, what, "/alerts/"+id+"/events", client.Call{})
	if backends.KindOf(err) == backends.KindUnsupported {
		d.noAlertEvents.Store(true)
		return nil
	}
	if err != nil {
		return err
	}
	if wire.KindOf(a.Data) != '{' {
		return nil
	}
	err = wire.EachMember(a.Data, func(name string, v []byte) error {
		if name != "schedule_query_data_list_obj" || wire.KindOf(v) != '[' {
			return nil // the list is null when the alerted row has no time
		}
		return wire.EachElement(v, func(v []byte) error {
			var g struct {
				Name string            `json:"name"`
				Data []json.RawMessage `json:"data"`
			}
			if err := json.Unmarshal(v, &g); err != nil {
				return err
			}
			for _, cols := range g.Data {
				r := wire.Row{Table: g.Name}
				if err := new(wire.RowReader).ReadCells(cols, &r); err != nil {
					return err
				}
				add(&r)
			}
			return nil
		})
	})
	if err != nil {
		return reply.Malformed(what, err)
	}
	return nil
}

func init() { backends.RegisterExports(exports...) }

// exports: stored results of scheduled queries, alerts and hosts. Hosts never
// keep their JSON: it has the key of the agent.
var exports = []backends.Export{
	{
		Name: "esp result",
		Is: func(d backends.Document) bool {
			return d.Has("columns") && !d.Has("hostIdentifier") && !d.Has("unixTime") && (d.Has("node_id") || d.Has("host_identifier") || d.Has("hostname") || d.Has("timestamp") && d.Has("action"))
		},
		Read: func(document []byte, q backends.Query) ([]model.Record, error) {
			var r wire.Row
			if err := new(wire.RowReader).Read(document, &r); err != nil {
				return nil, backends.Malformed("", err.Error())
			}
			return []model.Record{eventOf(&r, q.Raw)}, nil
		},
	},
	{
		Name: "esp alert",
		Is: func(d backends.Document) bool {
			return d.Has("severity") && d.Has("created_at") && (d.Has("alerted_entry") || d.Has("message") && d.Has("source") && d.Has("query_name"))
		},
		Read: readAlert,
	},
	{
		Name: "esp host",
		Is: func(d backends.Document) bool {
			return d.Has("host_identifier") && d.Has("os_info")
		},
		Read: func(document []byte, _ backends.Query) ([]model.Record, error) {
			var h wire.Host
			if err := json.Unmarshal(document, &h); err != nil {
				return nil, backends.Malformed("", "a host is not of the promised shape")
			}
			return []model.Record{hostModel(&h)}, nil
		},
	},
}

// readAlert reads an alert of a list or of a detail; the rule is known as far
// as the alert names it.
func readAlert(document []byte, q backends.Query) ([]model.Record, error) {
	var w wire.Alert
	if err := json.Unmarshal(document, &w); err != nil {
		return nil, backends.Malformed("", "an alert is not of the promised shape")
	}
	a := alertOf(&w)
	if a.ID == "" { // a detail is asked for by its id, which it does not repeat
		sum := sha256.Sum256(document)
		a.ID = "x" + hex.EncodeToString(sum[:10])
	}
	if w.NodeID != "" || w.Hostname != "" {
		a.Host = &model.Host{Name: string(w.Hostname)}
		a.Host.ID = string(w.NodeID)
	}
	fillRule(a, &w, func(string) *model.Rule { return nil })
	if _, err := fillEntry(a, &w); err != nil {
		return nil, backends.Malformed("", "the row of an alert is not of the promised shape")
	}
	if a.Title == "" {
		a.Title = sourceTitle(a)
	}
	if q.Raw {
		a.Raw = slices.Clone(document)
	}
	return []model.Record{a}, nil
}
