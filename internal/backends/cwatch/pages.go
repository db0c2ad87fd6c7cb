package cwatch

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/backends/cwatch/rules"
	"github.com/edrctl/edrctl/internal/backends/cwatch/wire"
	"github.com/edrctl/edrctl/internal/client"
	"github.com/edrctl/edrctl/internal/model"
)

// Paging of /events is a reading of an undocumented rule (docs/wire/cwatch.md 6):
// the next page is asked for by the id of the last event received. The page
// size a server really gives, its order, and whether it honours the key at
// all are unproved, so nothing here takes a short page for the last one:
//
//   - the end is an answer without events;
//   - a first page in falling time is taken as the server's order and passed
//     on as it comes;
//   - any other order, or a key that leads back to events already seen, turns
//     to time slices small enough to be read whole and sorted.
const (
	pageSize     = 1000
	smallPage    = 20      // enough rows to see the server's order
	maxPage      = 100_000 // rows in one answer that asked for pageSize
	sliceRows    = 8_000   // rows a slice may hold before it is halved
	smallestPage = 10      // no server's page is smaller: fewer rows are all there are
)

// scan is one query over one window.
type scan struct {
	d            *Driver
	since, until time.Time
	raw          bool
	size         int
	lazy         bool

	q        []string // ways to write the query, the one in use first
	accepted bool     // the server took q[0]
	read     reader
	seen     *recent
	largest  int // rows of the fullest page so far
}

func (s *scan) with(q string) *scan {
	return &scan{
		d: s.d, since: s.since, until: s.until, raw: s.raw, size: s.size, lazy: s.lazy,
		q: rules.Variants(q), seen: newRecent(),
	}
}

func (s *scan) call(w span, q, nextKey string) client.Call {
	v := url.Values{
		"from_time": {strconv.FormatInt(w.from, 10)},
		"to_time":   {strconv.FormatInt(w.to, 10)},
		"page_size": {strconv.Itoa(s.size)},
	}
	if q != "" {
		v.Set("q", q)
	}
	if nextKey != "" {
		v.Set("next_key", nextKey)
		v.Set("is_next", "true")
	}
	return client.Call{Path: "/events", Query: v}
}

// page reads one page, in the server's order, and gives the key of the next
// one; "" when the last event has no id of its own.
func (s *scan) page(ctx context.Context, w span, nextKey string) (rows []*model.Event, key string, err error) {
	for {
		rows, key, err = s.tryPage(ctx, s.call(w, s.q[0], nextKey))
		var status *client.StatusError
		switch {
		case err == nil:
			s.accepted = true
			s.largest = max(s.largest, len(rows))
			return rows, key, nil
		case s.q[0] == "" || !errors.As(err, &status) || status.Code != http.StatusBadRequest:
			return nil, "", err
		case s.accepted || len(s.q) == 1:
			return nil, "", refused(s.q[0], err)
		}
		s.q = s.q[1:]
	}
}

// refused is the error for a query the server does not take.
func refused(q string, err error) error {
	return &backends.Error{
		Kind: backends.KindInvalid, What: searchFails, Why: "the server refuses the query q=" + q, Err: err,
		Hint: "cWatch's language is: field op value AND ...; no OR, NOT or parentheses; text in single quotes",
	}
}

func (s *scan) tryPage(ctx context.Context, call client.Call) (rows []*model.Event, key string, err error) {
	var last wire.Event
	err = s.d.elements(ctx, call, "", func(b []byte) error {
		if len(rows) >= maxPage {
			return backends.Malformed("", "a page of "+strconv.Itoa(s.size)+" events does not end")
		}
		if last.Decode(b) != nil {
			return errRow("event")
		}
		e := s.read.normaliseEvent(&last)
		key = e.ID
		s.read.finish(e, &last, b, s.raw)
		rows = append(rows, e)
		return nil
	})
	if err != nil {
		return nil, "", err
	}
	return rows, key, nil
}

// run reads the whole window and hands it on, newest first.
func (s *scan) run(ctx context.Context, emit func([]*model.Event) error) error {
	w := s.span()
	if w.to <= w.from {
		return nil
	}
	rows, key, err := s.page(ctx, w, "")
	if err != nil || len(rows) == 0 {
		return err
	}
	if !newestComeFirst(rows) {
		return s.slice(ctx, w, rows, key, emit)
	}
	used := map[string]bool{}
	last := time.Time{}
	for {
		if t := oldest(rows); !t.IsZero() && (last.IsZero() || t.Before(last)) {
			last = t
		}
		fresh := s.fresh(rows)
		if len(fresh) == 0 || key == "" || used[key] {
			// The key leads nowhere new: go on by time, below what is known.
			if err := emit(fresh); err != nil {
				return err
			}
			if len(rows) < smallestPage || last.IsZero() {
				return s.cannotAdvance(rows)
			}
			w.to = min(w.to, s.d.unit.Ceil(last))
			return s.slice(ctx, w, nil, "", emit)
		}
		if err := emit(fresh); err != nil {
			return err
		}
		used[key] = true
		if rows, key, err = s.page(ctx, w, key); err != nil || len(rows) == 0 {
			return err
		}
	}
}

// cannotAdvance judges a server that cannot be paged and gave few rows: they are all
// there are, unless there are as many as no server would stop at.
func (s *scan) cannotAdvance(rows []*model.Event) error {
	if len(rows) < smallestPage {
		return nil
	}
	return s.partial()
}

func (s *scan) partial() error {
	return &backends.Error{
		Kind: backends.KindPartial, What: searchFails,
		Why:  "the server repeats a page instead of giving the next one, and more events share one instant than a page holds",
		Hint: "narrow the search with filters",
	}
}

// slice reads a span whole and hands it on sorted; a span that holds too
// much, or whose paging leads back, is halved, the newer half first. head is
// its first page when that was read already.
func (s *scan) slice(ctx context.Context, w span, head []*model.Event, key string, emit func([]*model.Event) error) error {
	all, complete, err := s.gather(ctx, w, head, key)
	if err != nil {
		return err
	}
	if complete {
		slices.SortStableFunc(all, newestFirst)
		return emit(s.fresh(all))
	}
	if w.to-w.from <= 1 {
		return s.partial()
	}
	mid := w.from + (w.to-w.from)/2
	if err := s.slice(ctx, span{mid, w.to}, nil, "", emit); err != nil {
		return err
	}
	return s.slice(ctx, span{w.from, mid}, nil, "", emit)
}

// gather reads all pages of a span; complete is false when it gave up.
func (s *scan) gather(ctx context.Context, w span, rows []*model.Event, key string) (all []*model.Event, complete bool, err error) {
	if rows == nil {
		if rows, key, err = s.page(ctx, w, ""); err != nil {
			return nil, false, err
		}
	}
	seen := map[string]bool{}
	for len(rows) > 0 {
		fresh := 0
		for _, e := range rows {
			if !seen[e.ID] {
				seen[e.ID] = true
				all = append(all, e)
				fresh++
			}
		}
		if fresh == 0 || key == "" {
			return all, len(all) < s.largest || len(all) < smallestPage, nil
		}
		if len(all) > sliceRows && w.to-w.from > 1 {
			return nil, false, nil
		}
		if len(all) > maxPage {
			return nil, false, s.partial()
		}
		if rows, key, err = s.page(ctx, w, key); err != nil {
			return nil, false, err
		}
	}
	return all, true, nil
}

// fresh drops events already handed on and sorts the rest.
func (s *scan) fresh(rows []*model.Event) []*model.Event {
	out := rows[:0:0]
	for _, e := range rows {
		if s.seen.add(e.ID) {
			out = append(out, e)
		}
	}
	if !slices.IsSortedFunc(out, newestFirst) {
		slices.SortStableFunc(out, newestFirst)
	}
	return out
}

// newestComeFirst reports whether rows come newest first, by the time they happened or
// by the time they arrived at the server.
func newestComeFirst(rows []*model.Event) bool {
	happened, arrived := true, true
	for i := 1; i < len(rows); i++ {
		happened = happened && !rows[i].Time.After(rows[i-1].Time.Time)
		arrived = arrived && !rows[i].Ingested.After(rows[i-1].Ingested.Time)
	}
	return happened || arrived
}

// recent remembers the ids of at least the last recentIDs events. Pages and
// slices overlap only at their edges, so a long listing needs no more, and
// its memory stays flat.
type recent struct{ young, old map[string]struct{} }

const recentIDs = 2 * sliceRows

func newRecent() *recent { return &recent{young: map[string]struct{}{}} }

// add remembers id and reports whether it is new.
func (r *recent) add(id string) bool {
	if _, ok := r.young[id]; ok {
		return false
	}
	if _, ok := r.old[id]; ok {
		return false
	}
	if len(r.young) >= recentIDs {
		r.young, r.old = make(map[string]struct{}, recentIDs), r.young
	}
	r.young[id] = struct{}{}
	return true
}
