package cwatch

import (
	"context"
	"fmt"
	"iter"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/backends/cwatch/rules"
	"github.com/edrctl/edrctl/internal/client"
	"github.com/edrctl/edrctl/internal/model"
)

const (
	searchFails  = "cannot search events"
	noteCapitals = "a hash is asked for in capitals as well when nothing is found in small letters"
)

// Events searches /events.
func (d *Driver) Events(ctx context.Context, q backends.Query) (backends.Listing[*model.Event], error) {
	since, until := d.window(q)
	s := rules.Compile(q)
	size := pageSize
	if q.Limit > 0 && s.Sure {
		size = min(max(q.Limit, smallPage), pageSize)
	}
	scan := scan{d: d, since: since, until: until, raw: q.Raw, size: size, lazy: q.Limit > 0}
	l := backends.Listing[*model.Event]{Plan: backends.Plan{Residual: s.Residual, Notes: s.Notes}}
	if s.Nothing {
		l.Seq = func(func(*model.Event, error) bool) {}
		return l, nil
	}
	asked := s.Exact
	if s.Narrow != nil {
		asked = s.Narrow
		probe := scan
		probe.size = smallPage
		l.Plan.Requests = append(l.Plan.Requests, d.client.Describe(probe.call(scan.span(), s.Exact[0], "")),
			d.client.Describe(probe.call(scan.span(), "id = '…' AND process_path ~ '…'", "")))
		l.Plan.Notes = append(l.Plan.Notes, "the ~ terms only narrow: they are used after one event has shown (the first two requests) that the server reads ~ as a case-insensitive \"contains\"; else it is asked for "+describeQueries(s.Exact))
	}
	if len(asked) > 1 {
		l.Plan.Notes = append(l.Plan.Notes, fmt.Sprintf("q knows no OR: %d queries, merged by time, each event once", len(asked)))
	}
	if len(s.Hashes) > 0 {
		l.Plan.Notes = append(l.Plan.Notes, noteCapitals)
	}
	for _, one := range asked {
		l.Plan.Requests = append(l.Plan.Requests, d.client.Describe(scan.call(scan.span(), one, ""))+"&next_key=…")
	}
	l.Seq = func(yield func(*model.Event, error) bool) {
		queries := s.Exact
		if s.Narrow != nil {
			means, err := d.tildeContains(ctx, &scan, s.Exact)
			if err != nil {
				yield(nil, backends.FromClient(searchFails, err))
				return
			}
			if means {
				queries = s.Narrow
			}
		}
		for _, queries := range [][]string{queries, rules.Capitals(queries, s.Hashes)} {
			found := false
			for e, err := range scan.merged(ctx, queries) {
				if err != nil {
					yield(nil, backends.FromClient(searchFails, err))
					return
				}
				found = true
				if inWindow(e.Time, since, until) && !yield(e, nil) {
					return
				}
			}
			if found {
				return
			}
		}
	}
	return l, nil
}

// describeQueries names queries for people.
func describeQueries(queries []string) string {
	if len(queries) == 1 && queries[0] == "" {
		return "everything in the window"
	}
	return "q=" + strings.Join(queries, " | q=")
}

// merged runs every query and merges their answers, newest first, each event
// once.
func (s *scan) merged(ctx context.Context, queries []string) iter.Seq2[*model.Event, error] {
	return func(yield func(*model.Event, error) bool) {
		feeds := make([]*feed, len(queries))
		for i, q := range queries {
			feeds[i] = startFeed(ctx, s.lazy, s.with(q).run)
		}
		defer func() {
			for _, f := range feeds {
				f.stop()
			}
		}()
		var once *recent
		if len(feeds) > 1 {
			once = newRecent()
		}
		for {
			var best *feed
			for _, f := range feeds {
				e, err := f.head()
				if err != nil {
					yield(nil, err)
					return
				}
				if e != nil && (best == nil || e.Time.After(best.rows[best.at].Time.Time)) {
					best = f
				}
			}
			if best == nil {
				return
			}
			e := best.rows[best.at]
			best.rows[best.at] = nil
			best.at++
			if once != nil && !once.add(e.ID) {
				continue
			}
			if !yield(e, nil) {
				return
			}
		}
	}
}

// feed runs one query on its own goroutine, so that a page is fetched and
// read while the one before is used. A lazy feed fetches only on demand.
type feed struct {
	cancel context.CancelFunc
	pages  chan []*model.Event
	demand chan struct{}
	lazy   bool

	failed error // read when pages is closed
	rows   []*model.Event
	at     int
	done   bool
}

func startFeed(ctx context.Context, lazy bool, run func(ctx context.Context, emit func([]*model.Event) error) error) *feed {
	ctx, cancel := context.WithCancel(ctx)
	f := &feed{cancel: cancel, pages: make(chan []*model.Event), demand: make(chan struct{}, 1), lazy: lazy}
	go func() {
		defer close(f.pages)
		f.failed = run(ctx, func(rows []*model.Event) error {
			if len(rows) == 0 {
				return nil
			}
			select {
			case f.pages <- rows:
			case <-ctx.Done():
				return ctx.Err()
			}
			if !lazy {
				return nil
			}
			select {
			case <-f.demand:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		})
	}()
	return f
}

// head is the next event, nil at the end.
func (f *feed) head() (*model.Event, error) {
	for f.at >= len(f.rows) {
		if f.done {
			return nil, f.failed
		}
		if f.lazy && f.rows != nil {
			f.demand <- struct{}{}
		}
		rows, more := <-f.pages
		f.rows, f.at, f.done = rows, 0, !more
	}
	return f.rows[f.at], nil
}

// stop ends the goroutine and waits for it.
func (f *feed) stop() {
	f.cancel()
	for range f.pages {
	}
}

// tilde is what is known of the server's ~ operator.
type tilde uint8

const (
	tildeUnknown tilde = iota
	tildeContains
	tildeOther
)

// tildeContains finds out once a run whether ~ is a case-insensitive
// "contains": it takes one event of the window and asks for it by its id and
// the inside of a word of its image path with the case turned over. Nothing
// but "contains" gives it back. Without an event to try on it stays unknown.
func (d *Driver) tildeContains(ctx context.Context, s *scan, queries []string) (bool, error) {
	d.mu.Lock()
	known := d.tilde
	d.mu.Unlock()
	if known != tildeUnknown {
		return known == tildeContains, nil
	}
	means := tildeUnknown
	for _, q := range []string{queries[0], ""} {
		probe := s.with(q)
		probe.size = smallPage
		rows, _, err := probe.page(ctx, s.span(), "")
		if err != nil {
			return false, err
		}
		for _, e := range rows {
			inner := swapCaseOfWord(e)
			id, err := rules.Quote(e.ID)
			if inner == "" || err != nil {
				continue
			}
			try := s.with("id = " + id + " AND process_path ~ '" + inner + "'")
			try.size = smallPage
			got, _, err := try.page(ctx, s.span(), "")
			if err != nil && backends.KindOf(err) != backends.KindInvalid {
				return false, err
			}
			means = tildeOther
			if slices.ContainsFunc(got, func(g *model.Event) bool { return g.ID == e.ID }) {
				means = tildeContains
			}
			break
		}
		if means != tildeUnknown || q == "" {
			break
		}
	}
	d.mu.Lock()
	d.tilde = means
	d.mu.Unlock()
	return means == tildeContains, nil
}

// swapCaseOfWord is the longest word of an event's image path without its first
// and last character, upper and lower case exchanged.
func swapCaseOfWord(e *model.Event) string {
	if e.Process == nil {
		return ""
	}
	best := ""
	for _, w := range strings.FieldsFunc(e.Process.Path, func(r rune) bool { return !rules.IsPlain(r) }) {
		if len(w) > len(best) {
			best = w
		}
	}
	if len(best) < 4 || strings.Trim(best[1:len(best)-1], "0123456789") == "" {
		return ""
	}
	return strings.Map(func(r rune) rune {
		switch {
		case 'a' <= r && r <= 'z':
			return r - 'a' + 'A'
		case 'A' <= r && r <= 'Z':
			return r - 'A' + 'a'
		}
		return r
	}, best[1:len(best)-1])
}

// Event reads one event. An id of an alert's own event ("alert:" and the
// alert's id) is read from the alert.
func (d *Driver) Event(ctx context.Context, id string, raw bool) (*model.Event, error) {
	const what = "cannot read the event"
	if alert, ok := strings.CutPrefix(id, embeddedPrefix); ok {
		return d.embeddedEvent(ctx, alert, raw)
	}
	if id == "" || strings.ContainsAny(id, ", ") {
		return nil, backends.Invalid("event id "+strconv.Quote(id), "cWatch ids have no comma or space")
	}
	var found *model.Event
	var r reader
	call := client.Call{Path: "/events/detail", Query: url.Values{"ids": {id}}}
	err := d.elements(ctx, call, "", func(b []byte) error {
		e, err := r.event(b, raw)
		if err != nil {
			return errRow("event")
		}
		if e.ID == id {
			found = e
		}
		return nil
	})
	switch {
	case err != nil:
		err = backends.FromClient(what, err)
		if k := backends.KindOf(err); k == backends.KindInvalid || k == backends.KindNotFound {
			return nil, backends.NotFound("event", id)
		}
		return nil, err
	case found == nil:
		return nil, backends.NotFound("event", id)
	}
	return found, nil
}

// newestFirst orders by time, keeping the server's order where it is equal.
func newestFirst(a, b *model.Event) int { return b.Time.Compare(a.Time.Time) }

// span is a window in the server's unit, both ends asked for.
type span struct{ from, to int64 }

func (s *scan) span() span {
	return span{s.d.unit.Floor(s.since), s.d.unit.Ceil(s.until)}
}

// oldest gives the time of the oldest of rows that has one.
func oldest(rows []*model.Event) (t time.Time) {
	for _, e := range rows {
		if !e.Time.IsZero() && (t.IsZero() || e.Time.Before(t)) {
			t = e.Time.Time
		}
	}
	return t
}
