package carbonblack

import (
	"context"
	"fmt"
	"hash/maphash"
	"io"
	"iter"
	"net/url"
	"time"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/backends/carbonblack/catalog"
	"github.com/edrctl/edrctl/internal/backends/carbonblack/wire"
	"github.com/edrctl/edrctl/internal/client"
	"github.com/edrctl/edrctl/internal/client/jsonwalk"
)

const (
	eventWindow   = 14 * 24 * time.Hour // longest startTime..endTime of /event
	resultCeiling = 100_000             // past it results is null (§3)
)

// scanned is an element of an event list.
type scanned interface{ Key() (id string, ms int64) }

// span is a time window in epoch milliseconds, end exclusive.
type span struct{ from, to int64 }

// spans cuts a window into pieces of at most step, newest first.
func (s span) split(step time.Duration) []span {
	var out []span
	for hi := s.to; hi > s.from; {
		lo := max(s.from, hi-step.Milliseconds())
		out = append(out, span{lo, hi})
		hi = lo
	}
	return out
}

// at divides a window whose end is open into what is up to now and what lies
// ahead of it.
func (s span) at(now time.Time) (past, ahead span) {
	mid := max(s.from, min(s.to, now.UnixMilli()))
	return span{s.from, mid}, span{mid, s.to}
}

// window is what a query asks for: an open end lies as far ahead as one window
// of the server reaches, an open beginning is the server's retention. Milliseconds are widened, never cut.
func (d *Driver) window(q backends.Query) span {
	since, until := q.Since, q.Until
	now := until
	if until.IsZero() {
		now = d.opt.Clock()
		until = now.Add(eventWindow)
	}
	if since.IsZero() {
		since = now.Add(-retention)
	}
	to := until.UnixMilli()
	if until.Nanosecond()%int(time.Millisecond) != 0 {
		to++
	}
	return span{since.UnixMilli(), to}
}

// scan reads every event of a window, newest first, each once. Windows longer
// than two weeks are asked for in pieces; past 100,000 results, where the
// server gives null, the window is narrowed to what is older than the last
// event and asked for again, so that nothing is lost (§3). An answer that
// cannot be completed ends the sequence with an error.
func scan[T scanned](ctx context.Context, d *Driver, what string, q url.Values, w span, rows int, read func(*jsonwalk.Walker) (T, error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		s := scanner[T]{d: d, what: what, q: q, whole: w, rows: rows, read: read, yield: yield, seen: newRecent(2 * catalog.EventRows)}
		for _, piece := range w.split(eventWindow) {
			s.again = false
			for again := true; again; {
				if piece, again = s.pass(ctx, piece); s.stopped {
					return
				}
			}
		}
	}
}

type scanner[T scanned] struct {
	d       *Driver
	what    string
	q       url.Values
	whole   span
	rows    int
	read    func(*jsonwalk.Walker) (T, error)
	yield   func(T, error) bool
	seen    *recent
	stopped bool
	again   bool // the window was read a second time, because pages moved
	capped  int  // results of the pass before, when it ended at a ceiling
}

// minCeiling is how many results a server gives at least before it stops;
// two windows that end at the same number above it have met its ceiling.
const minCeiling = 100

func (s *scanner[T]) fail(err error) {
	var none T
	s.yield(none, err)
	s.stopped = true
}

// pass pages through one window. again reports that the server stopped at its
// ceiling, and gives the window that is left.
func (s *scanner[T]) pass(ctx context.Context, w span) (left span, again bool) {
	q := cloneQuery(s.q)
	wire.SetWindow(q, w.from, w.to)
	received, fresh, oldest := 0, 0, int64(0)
	once, repeated, counted := newRecent(2*catalog.EventRows), 0, int64(-1)
	for {
		var p page
		for item, err := range s.page(ctx, q, received+1, &p) {
			if err != nil {
				s.fail(err)
				return span{}, false
			}
			id, ms := item.Key()
			if id != "" && !once.add(id) {
				repeated++
			}
			if ms > 0 && (oldest == 0 || ms < oldest) {
				oldest = ms
			}
			if id != "" && !s.seen.add(id) {
				continue
			}
			fresh++
			// Both ends are kept here: whether the server's are inclusive is not documented.
			if ms > 0 && (ms < s.whole.from || ms >= s.whole.to) {
				continue
			}
			if !s.yield(item, nil) {
				s.stopped = true
				return span{}, false
			}
		}
		received += p.received
		if counted < 0 {
			counted = p.Total
		}
		short := received == 0 && counted > 0 && !p.null ||
			repeated > 0 && int64(received) >= p.Total && int64(received-repeated) < counted
		switch {
		case short && !s.again: // pages moved while they were read
			s.again = true
			return w, true
		case short:
			s.fail(&backends.Error{Kind: backends.KindPartial, What: s.what,
				Why: fmt.Sprintf("the list is incomplete: the server counts %d records and gave %d", counted, received-repeated)})
			return span{}, false
		case p.received == 0 && !p.null:
			return span{}, false // the total was an overestimate
		case p.received == 0 && p.Total <= int64(received):
			return span{}, false // null for "none"
		case p.received == 0, received >= resultCeiling:
			return s.narrow(w, received, fresh, oldest, p.Total)
		case p.Total > 0 && int64(received) >= p.Total:
			return span{}, false
		}
	}
}

// page reads one page of events, each where its bytes were received.
func (s *scanner[T]) page(ctx context.Context, q url.Values, start int, info *page) iter.Seq2[T, error] {
	read := func(w *jsonwalk.Walker) (T, error) {
		item, err := s.read(w)
		if err != nil {
			err = backends.Malformed(s.what, "an event is not the JSON it should be: "+err.Error())
		}
		return item, err
	}
	return pageOf(ctx, s.d, s.what, catalog.RouteEvent, "/event", q, start, s.rows, info, func(body io.Reader) iter.Seq2[T, error] {
		return client.Walk(body, "results", read, info.Member)
	})
}

// narrow walks the end of the window back to the oldest event that was given.
func (s *scanner[T]) narrow(w span, received, fresh int, oldest, total int64) (span, bool) {
	again := received == s.capped && received >= minCeiling || received >= resultCeiling
	s.capped = received
	switch {
	case received == 0:
		s.fail(backends.Malformed(s.what, fmt.Sprintf("the server says there are %d results and gives none", total)))
	case oldest > 0 && oldest < w.from:
		// The server gave what was not asked for: there is nothing older to ask for.
	case oldest > 0 && oldest+1 < w.to:
		return span{w.from, oldest + 1}, true
	case fresh > 0 && !again:
		return w, true // again, to tell a ceiling from an overestimate
	case fresh == 0 && !again:
		// Only what was there already: the total was an overestimate.
	default:
		s.fail(&backends.Error{
			Kind: backends.KindPartial, What: s.what,
			Why:  fmt.Sprintf("the server gives no more than %d results and the rest cannot be told apart by time", received),
			Hint: "narrow the question, for example with --host =NAME or --kind",
		})
	}
	return span{}, false
}

// recent remembers the last ids, to drop those that a shifting page or an
// overlapping window gives twice, in memory that does not grow.
type recent struct {
	seed     maphash.Seed
	cap      int
	now, old map[uint64]struct{}
}

func newRecent(n int) *recent {
	return &recent{seed: maphash.MakeSeed(), cap: n, now: map[uint64]struct{}{}}
}

// add reports whether id is new.
func (r *recent) add(id string) bool {
	h := maphash.String(r.seed, id)
	if _, ok := r.now[h]; ok {
		return false
	}
	_, old := r.old[h]
	if len(r.now) >= r.cap {
		r.now, r.old = make(map[uint64]struct{}, r.cap), r.now
	}
	r.now[h] = struct{}{}
	return !old
}
