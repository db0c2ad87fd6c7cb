package esp

import (
	"context"
	"errors"
	"iter"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/backends/esp/reply"
	"github.com/edrctl/edrctl/internal/backends/esp/rules"
	"github.com/edrctl/edrctl/internal/backends/esp/wire"
	"github.com/edrctl/edrctl/internal/client"
	"github.com/edrctl/edrctl/internal/filter"
	"github.com/edrctl/edrctl/internal/model"
)

// maxHostSearches is how many hosts are asked for one by one; more are read
// as one stream and filtered here.
const maxHostSearches = 4

// lateBy is how much later than the event the agent may report it: the
// server's window is over the time of the report.
const lateBy = time.Hour

// Events searches the stored results of all hosts (15). Rows of state tables
// are of kind inventory. --query takes the name of a scheduled query or the
// vendor's own conditions.
func (d *Driver) Events(ctx context.Context, q backends.Query) (backends.Listing[*model.Event], error) {
	var none backends.Listing[*model.Event]
	nat, err := rules.ParseQuery(q.Native)
	if err != nil {
		return none, err
	}
	s := d.search(q, nat)
	if q.After == 0 {
		s.byDay()
	}
	l := backends.Listing[*model.Event]{Plan: s.plan()}
	settled := func() time.Time { return s.settled }
	rows := s.rows(ctx)
	switch {
	case q.After > 0 || q.Limit > 0: // the caller holds what it wants of them
		l.Settled = settled
	case !q.AnyOrder:
		rows = d.newestFirst(s.what, rows, settled)
	}
	l.Seq = func(yield func(*model.Event, error) bool) {
		for r, err := range rows {
			if err != nil {
				yield(nil, err)
				return
			}
			if !yield(eventOf(r, q.Raw), nil) {
				return
			}
		}
	}
	return l, nil
}

// search is one question to the stored results.
type search struct {
	d            *Driver
	what         string
	q            backends.Query
	since, until time.Time
	req          wire.ActivityRequest
	windows      []wire.Window
	settled      time.Time // no row still to come is as new as this
	// column and file make it a search for a file of values (13) instead of
	// one by conditions.
	column string
	file   []byte
}

func (d *Driver) search(q backends.Query, nat rules.Query) *search {
	s := &search{d: d, what: "cannot search events", q: q, since: d.arrivedSince(q), until: q.Until}
	g := rules.Narrow(q.Filter)
	if nat.Conditions != nil {
		if len(q.Filter.Get(filter.Hash))+len(q.Filter.Get(filter.Domain)) > 0 {
			g = rules.AllOf(*nat.Conditions, g)
		} else {
			g = *nat.Conditions
		}
	}
	s.req = wire.ActivityRequest{Conditions: g, QueryName: nat.QueryName, Limit: reply.EventPage, Type: 2}
	s.windows = d.reported(s.since, s.until)
	return s
}

// reported are the windows of the server's time that hold what happened in
// [since, until).
func (d *Driver) reported(since, until time.Time) []wire.Window {
	return d.withAhead(until, wire.Windows(since, d.reportedUntil(until), false))
}

// withAhead puts a window beyond today before others whose end is open: a host
// whose clock is ahead reports from there.
func (d *Driver) withAhead(until time.Time, list []wire.Window) []wire.Window {
	if !until.IsZero() || len(list) > 0 && list[0].Open {
		return list
	}
	return append([]wire.Window{{Date: d.o.Clock().UTC().Add(30 * wire.Day).Format(time.DateOnly), Duration: 4}}, list...)
}

func (d *Driver) reportedUntil(until time.Time) time.Time {
	now := d.o.Clock()
	if until.IsZero() {
		return now.Add(time.Nanosecond)
	}
	switch late := until.Add(lateBy); {
	case late.Before(now):
		return late
	case until.Before(now):
		return now
	}
	return until
}

// byDay asks for the same span day by day, where that is not too many days.
func (s *search) byDay() *search {
	if list := wire.Days(s.since, s.d.reportedUntil(s.until)); list != nil {
		s.windows = s.d.withAhead(s.until, list)
	}
	return s
}

// call is the request of one page: 13 with a file of values, else 15.
func (s *search) call(r wire.ActivityRequest) (path string, c client.Call) {
	if s.column == "" {
		return "/activity/search", client.Call{Method: http.MethodPost, JSON: r, Reads: true}
	}
	c = client.Call{Method: http.MethodPost, Reads: true}
	field := func(name, value string) {
		c.Parts = append(c.Parts, client.Part{Name: name, Body: []byte(value)})
	}
	field("indicator_type", s.column) // "type" is the direction of the date here
	if r.HostIdentifier != "" {
		field("host_identifier", r.HostIdentifier)
	}
	field("start", strconv.FormatInt(r.Start, 10))
	field("limit", strconv.Itoa(r.Limit))
	field("duration", strconv.Itoa(r.Duration))
	field("date", r.Date)
	field("type", strconv.Itoa(r.Type))
	c.Parts = append(c.Parts, indicatorFile(s.file))
	return "/indicators/upload", c
}

func (s *search) plan() backends.Plan {
	p := backends.Plan{Residual: s.q.Filter}
	req := s.req
	if len(s.q.Filter.Get(filter.Host)) > 0 {
		limit := reply.ListPage
		p.Requests = append(p.Requests, s.d.session.Describe(http.MethodPost, "/hosts", wire.ListRequest{Start: new(int), Limit: &limit})+" …")
		req.HostIdentifier = "…"
		p.Notes = append(p.Notes, "the search is sent for each matching host, or once without host_identifier when more than "+strconv.Itoa(maxHostSearches)+" match")
	}
	for i, w := range s.windows {
		if i == 3 && len(s.windows) > 4 {
			p.Requests = append(p.Requests, "… and "+strconv.Itoa(len(s.windows)-3)+" windows more")
			break
		}
		req.Date, req.Duration = w.Date, w.Duration
		p.Requests = append(p.Requests, s.d.session.DescribeCall(s.call(req))+" …")
	}
	p.Notes = append(p.Notes, "the server's windows are whole days of the time results were reported; the exact time is compared here")
	return p
}

// rows yields the rows of the window, each once, in the server's order: by
// arrival within a window of the server. A host that was offline delivers old
// rows under new ids, so nothing within a window is newest first.
func (s *search) rows(ctx context.Context) iter.Seq2[*wire.Row, error] {
	return func(yield func(*wire.Row, error) bool) {
		hosts, named, err := s.d.matchHosts(ctx, s.what, s.q.Filter)
		if err != nil {
			yield(nil, err)
			return
		}
		switch {
		case named && len(hosts) == 0:
			return
		case !named || len(hosts) > maxHostSearches:
			hosts = []*model.Host{nil} // one stream of all hosts
		}
		recent := newRecent(4096)
		for r, err := range s.stored(ctx, hosts) {
			if err != nil {
				yield(nil, err)
				return
			}
			// One event matched by two scheduled queries is stored twice.
			if wire.IsGUID(r.Cells.EID) && !recent.add(r.Cells.EID) {
				continue
			}
			if !yield(r, nil) {
				return
			}
		}
	}
}

// stored yields the rows of some hosts; nil is all of them. A server without
// activity search is read result log by result log.
func (s *search) stored(ctx context.Context, hosts []*model.Host) iter.Seq2[*wire.Row, error] {
	return func(yield func(*wire.Row, error) bool) {
		sent := false
		for r, err := range s.activity(ctx, hosts) {
			if err != nil && !sent && withoutSearch(err) {
				for r, err := range s.logs(ctx, hosts) {
					if !yield(r, err) {
						return
					}
				}
				return
			}
			sent = true
			if !yield(r, err) {
				return
			}
		}
	}
}

func withoutSearch(err error) bool {
	var be *backends.Error
	return errors.As(err, &be) && (be.Kind == backends.KindUnsupported || strings.Contains(be.Why, "Unsupported operator"))
}

// activity reads 15 window after window, in each host after host. What a
// window holds was reported by its end, so it happened before that, give or
// take a clock.
func (s *search) activity(ctx context.Context, hosts []*model.Host) iter.Seq2[*wire.Row, error] {
	return func(yield func(*wire.Row, error) bool) {
		for i, w := range s.windows {
			if i > 0 {
				s.settled = w.End().Add(lateBy)
			}
			for _, h := range hosts {
				for r, err := range s.window(ctx, w, h) {
					if err != nil {
						yield(nil, err)
						return
					}
					if i > 0 && parseTime(r.Timestamp).Equal(w.End()) {
						continue // both bounds are inclusive: the window before had it
					}
					if after := s.q.After; after > 0 {
						if r.ID <= after {
							break // rows come with falling ids
						}
						if !yield(r, nil) {
							return
						}
						continue
					}
					if s.within(r) && !yield(r, nil) {
						return
					}
				}
			}
		}
	}
}

// window reads all pages of one window for one host, or for all.
func (s *search) window(ctx context.Context, w wire.Window, h *model.Host) iter.Seq2[*wire.Row, error] {
	req := s.req
	req.Date, req.Duration = w.Date, w.Duration
	if h != nil {
		req.HostIdentifier = h.ID
	}
	return reply.Pager{
		What: s.what, Mode: s.d.pages.Get(), Learned: s.d.pages.Set, Ahead: true,
		Fetch: func(ctx context.Context, start int64) (*reply.Page, error) {
			r := req
			r.Start = start
			path, call := s.call(r)
			return s.d.session.SendPage(ctx, s.what, path, call)
		},
	}.Rows(ctx)
}

// within compares the row's own time with the window asked for.
func (s *search) within(r *wire.Row) bool {
	t := timeOf(r, kindOfRow(r.Table, r.Action, &r.Cells))
	if t.IsZero() {
		return s.since.IsZero()
	}
	return !t.Before(s.since) && (s.until.IsZero() || t.Before(s.until))
}

// logs reads the result logs of hosts query by query (29, 30): every query a
// host has results of, merged by time.
func (s *search) logs(ctx context.Context, hosts []*model.Host) iter.Seq2[*wire.Row, error] {
	return func(yield func(*wire.Row, error) bool) {
		if _, ok := s.req.Conditions.(rules.Group); ok && s.q.Native != "" && s.req.QueryName == "" {
			yield(nil, &backends.Error{Kind: backends.KindUnsupported, What: s.what, Why: "this server has no activity search, so it takes no conditions"})
			return
		}
		if len(hosts) == 1 && hosts[0] == nil {
			if err := s.d.loadHosts(ctx, s.what, true); err != nil {
				yield(nil, err)
				return
			}
			s.d.hosts.mu.Lock()
			hosts = append([]*model.Host(nil), s.d.hosts.list...)
			s.d.hosts.mu.Unlock()
		}
		var each []iter.Seq2[*wire.Row, error]
		for _, h := range hosts {
			names, err := s.d.resultNames(ctx, s.what, h.ID)
			if err != nil {
				yield(nil, err)
				return
			}
			for _, n := range names {
				if s.req.QueryName == "" || s.req.QueryName == n {
					each = append(each, s.log(ctx, h, n))
				}
			}
		}
		for r, err := range mergeRows(each) {
			if !yield(r, err) {
				return
			}
		}
	}
}

// log reads one result log. Within one log of one host rows arrive in the
// order they were made, so reading ends a margin before the window begins.
func (s *search) log(ctx context.Context, h *model.Host, query string) iter.Seq2[*wire.Row, error] {
	return func(yield func(*wire.Row, error) bool) {
		for r, err := range s.d.recent(ctx, s.what, h, query, "") {
			if err != nil {
				yield(nil, err)
				return
			}
			if t := parseTime(r.Timestamp); !t.IsZero() && t.Before(s.since.Add(-lateBy)) {
				return
			}
			if s.within(r) && !yield(r, nil) {
				return
			}
		}
	}
}

// recent reads all rows of one result log of one host (30), newest first.
// The server pastes its texts into SQL: a quote is refused here (§17, 30).
func (d *Driver) recent(ctx context.Context, what string, h *model.Host, query, term string) iter.Seq2[*wire.Row, error] {
	if strings.ContainsRune(query+term, '\'') {
		return func(yield func(*wire.Row, error) bool) {
			yield(nil, backends.Invalid(what, "the server cannot take a single quote in a query name or search text"))
		}
	}
	return reply.Pager{
		What: what, ByID: true,
		Prepare: func(r *wire.Row) { r.Table, r.HostID, r.Hostname = query, h.ID, h.Name },
		Fetch: func(ctx context.Context, start int64) (*reply.Page, error) {
			return d.session.AskPage(ctx, what, "/hosts/recent_activity", wire.RecentRequest{
				HostIdentifier: h.ID, QueryName: query, Start: start, Limit: reply.EventPage, SearchTerm: term,
			})
		},
	}.Rows(ctx)
}

// resultNames lists the queries a host has results of (29).
func (d *Driver) resultNames(ctx context.Context, what, hostID string) ([]string, error) {
	p, err := d.session.AskPage(ctx, what, "/hosts/recent_activity/count", wire.HostRequest{HostIdentifier: hostID})
	if err != nil {
		return nil, err
	}
	var out []string
	for _, g := range append(p.Groups, p.Rows...) {
		err := wire.EachMember(g, func(name string, v []byte) error {
			if s := wire.Scalar(v); name == "name" && s != "" {
				out = append(out, s)
			}
			return nil
		})
		if err != nil {
			return nil, reply.Malformed(what, err)
		}
	}
	return out, nil
}

// Event reads one event: by the agent's event id through the search over all
// tables (12), by the server's result id through the cursor of 15.
func (d *Driver) Event(ctx context.Context, id string, raw bool) (*model.Event, error) {
	what := "cannot read event " + id
	var r *wire.Row
	var err error
	switch {
	case wire.IsGUID(id):
		r, err = d.eventByEID(ctx, what, id)
	case wire.IsNumber(id):
		r, err = d.eventByResult(ctx, what, id)
	default:
		return nil, &backends.Error{Kind: backends.KindNotFound, What: "no event " + id,
			Why: "an event of ESP is known by the agent's event id or the server's result id", Hint: "events list -o id shows them"}
	}
	if err != nil {
		return nil, err
	}
	if r == nil {
		return nil, backends.NotFound("event", id)
	}
	return eventOf(r, raw), nil
}

func (d *Driver) eventByEID(ctx context.Context, what, id string) (*wire.Row, error) {
	g := rules.AnyOf(rules.Cond("eid", "equal", id))
	p, err := d.session.AskPage(ctx, what, "/search", wire.SearchRequest{Conditions: g})
	if err != nil {
		return nil, err
	}
	for _, hit := range p.Groups {
		h, err := reply.ReadHuntHost(what, hit)
		if err != nil {
			return nil, err
		}
		for _, query := range h.Queries {
			start, limit := 0, 1
			rows, err := d.session.AskPage(ctx, what, "/search", wire.SearchRequest{
				Conditions: g, HostIdentifier: string(h.HostIdentifier), QueryName: string(query.QueryName), Start: &start, Limit: &limit,
			})
			if err != nil {
				return nil, err
			}
			for _, v := range rows.Rows {
				r := &wire.Row{Table: string(query.QueryName), HostID: string(h.HostIdentifier), Hostname: string(h.Hostname)}
				if err := new(wire.RowReader).ReadCells(v, r); err != nil {
					return nil, reply.Malformed(what, err)
				}
				if strings.EqualFold(r.Cells.EID, id) {
					return r, nil
				}
			}
		}
	}
	return nil, nil
}

func (d *Driver) eventByResult(ctx context.Context, what, id string) (*wire.Row, error) {
	n, err := strconv.ParseInt(id, 10, 64)
	if err != nil || n <= 0 {
		return nil, nil
	}
	now := d.o.Clock()
	for _, w := range d.withAhead(time.Time{}, wire.Windows(now.Add(-120*wire.Day), now, false)) {
		req := wire.ActivityRequest{Conditions: rules.Everything(), Limit: 1, Type: 2, Date: w.Date, Duration: w.Duration, Start: n + 1}
		p, err := d.session.AskPage(ctx, what, "/activity/search", req)
		if err != nil {
			return nil, err
		}
		if len(p.Rows) == 0 {
			continue
		}
		var r wire.Row
		if err := new(wire.RowReader).Read(p.Rows[0], &r); err != nil {
			return nil, reply.Malformed(what, err)
		}
		if r.ID == n {
			return &r, nil
		}
	}
	if d.pages.Get() == reply.ModeOffset {
		return nil, backends.Unsupported("this edition of ESP", what, "it finds no result by number; an event with an event id of the agent can be read")
	}
	return nil, nil
}

// recentIDs is a set that forgets its oldest members.
type recentIDs struct {
	set  map[string]struct{}
	ring []string
	next int
}

func newRecent(n int) *recentIDs {
	return &recentIDs{set: make(map[string]struct{}, n), ring: make([]string, n)}
}

// add reports false when s is in the set already.
func (r *recentIDs) add(s string) bool {
	if _, dup := r.set[s]; dup {
		return false
	}
	if old := r.ring[r.next]; old != "" {
		delete(r.set, old)
	}
	r.ring[r.next] = s
	r.next = (r.next + 1) % len(r.ring)
	r.set[s] = struct{}{}
	return true
}

// The server numbers rows as they reach it and gives them by falling number
// (recordings 015b, 015c): a host that was offline delivers old rows under
// new ids. So the id, not the time, tells a follower what it has not seen.

// arrivalWindow is how far back one question reaches: thirty days, of which
// the last is not over.
const arrivalWindow = 28 * wire.Day

// LastArrival is the id of the row that reached the server last.
func (d *Driver) LastArrival(ctx context.Context) (last int64, err error) {
	s := d.search(backends.Query{Since: d.o.Clock().Add(-arrivalWindow)}, rules.Query{})
	s.what = "cannot follow events"
	s.req.Limit = 2
	for _, w := range s.windows {
		n := 0
		for r, err := range s.window(ctx, w, nil) {
			if err != nil {
				return 0, err
			}
			last = max(last, r.ID)
			// The third row is of a second page, which shows what start means.
			if n++; n == 3 || d.pages.Get() == reply.ModeCursor {
				break
			}
		}
	}
	if d.pages.Get() != reply.ModeCursor || last <= 0 {
		return 0, backends.Unsupported("ESP", s.what, "this server does not give rows by their id")
	}
	return last, nil
}

// arrivedSince is the beginning of the windows that a query by number asks for.
func (d *Driver) arrivedSince(q backends.Query) time.Time {
	if q.After > 0 && q.Since.IsZero() {
		return d.o.Clock().Add(-arrivalWindow)
	}
	return q.Since
}

var _ backends.ArrivalNumberer = (*Driver)(nil)

// mergeRows merges rows by the time they are shown with.
func mergeRows(seqs []iter.Seq2[*wire.Row, error]) iter.Seq2[*wire.Row, error] {
	return reply.Merge(seqs, func(r *wire.Row) time.Time {
		return timeOf(r, kindOfRow(r.Table, r.Action, &r.Cells)).Time
	})
}
