package reply

import (
	"bytes"
	"context"
	"errors"
	"iter"
	"sync"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/backends/esp/wire"
)

// Page sizes. The servers name no upper limit; these keep one page in a few
// megabytes.
const (
	EventPage = 1000
	AlertPage = 500
	ListPage  = 500
)

// PageMode is what "start" means to a server (docs/wire/esp.md §6).
type PageMode uint8

// The ways servers page.
const (
	modeUnknown PageMode = iota
	ModeOffset           // how many rows to skip: 2.x and, by its text, enterprise 3.0
	ModeCursor           // the smallest id already read: 3.5.1
)

// PageModes remembers for the life of a driver what was found out.
type PageModes struct {
	mu       sync.Mutex
	activity PageMode
}

// Init takes what the edition tells.
func (m *PageModes) Init(edition string) {
	switch edition {
	case wire.EditionCE2:
		m.activity = ModeOffset
	case wire.EditionCE3, wire.EditionCE4:
		m.activity = ModeCursor
	}
}

// Get is what is known of activity search.
func (m *PageModes) Get() PageMode {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.activity
}

// Set keeps what was found out of activity search.
func (m *PageModes) Set(v PageMode) {
	m.mu.Lock()
	m.activity = v
	m.mu.Unlock()
}

// Pager reads all pages of stored results, whatever "start" means, and
// yields each row once in the server's order (newest first).
type Pager struct {
	What  string
	Fetch func(ctx context.Context, start int64) (*Page, error)
	// Prepare gives the row what the answer does not repeat: table, host.
	Prepare func(*wire.Row)
	// Mode is what is known before; learned receives what is found out.
	Mode    PageMode
	Learned func(PageMode)
	// ByID: the edition shows in the rows themselves, an id means cursor (30).
	ByID bool
	// Ahead fetches the next page while this one is used.
	Ahead bool
}

type fetched struct {
	p   *Page
	err error
}

// Rows yields the rows; the pointer is valid until the next step.
func (pg Pager) Rows(ctx context.Context) iter.Seq2[*wire.Row, error] {
	return func(yield func(*wire.Row, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		var next chan fetched
		defer func() {
			cancel()
			if next != nil {
				<-next
			}
		}()
		get := func(start int64) (*Page, error) {
			if next == nil {
				return pg.Fetch(ctx, start)
			}
			f := <-next
			next = nil
			return f.p, f.err
		}

		var (
			rr         wire.RowReader
			start      int64
			seen       int64
			lastID     int64 // smallest id yielded; 0 = none yet
			prevCount  int64 = -1
			prevRows   int64
			trial      bool // this request tries the cursor
			idle       int  // pages without a new row
			fallback   map[string]bool
			mode       = pg.Mode
			pageOfRows []wire.Row
		)
		for {
			p, err := get(start)
			if err != nil {
				yield(nil, err)
				return
			}
			n := int64(len(p.Rows))
			if trial {
				trial = false
				if !cursorWorked(p, prevCount, prevRows, lastID, &rr) {
					mode, start = ModeOffset, seen
					if pg.Learned != nil {
						pg.Learned(mode)
					}
					continue
				}
				mode = ModeCursor
				if pg.Learned != nil {
					pg.Learned(mode)
				}
			}
			if n == 0 {
				return
			}
			pageOfRows = pageOfRows[:0]
			falling := true
			prev := int64(0)
			for _, v := range p.Rows {
				r := wire.Row{}
				if pg.Prepare != nil {
					pg.Prepare(&r)
				}
				if err := rr.Read(v, &r); err != nil {
					yield(nil, Malformed(pg.What, err))
					return
				}
				if r.ID <= 0 || prev > 0 && r.ID >= prev {
					falling = false
				}
				prev = r.ID
				pageOfRows = append(pageOfRows, r)
			}
			if mode == modeUnknown && (!falling || pg.ByID && prev <= 0) || mode == ModeCursor && !falling && pageOfRows[0].ID <= 0 {
				mode = ModeOffset
			} else if pg.ByID && mode == modeUnknown && falling {
				mode = ModeCursor
			}

			// What to ask for next, before the rows are used.
			seen += n
			bottom := pageOfRows[n-1].ID
			done := false
			switch {
			case mode == ModeCursor && !pg.ByID:
				done = p.Count >= 0 && n >= p.Count // the count is of the remaining rows
				start = bottom
			case mode == ModeCursor:
				done = p.Count >= 0 && seen >= p.Count
				start = bottom
			case mode == ModeOffset:
				done = p.Count >= 0 && seen >= p.Count
				start = seen
			default:
				done = p.Count >= 0 && n >= p.Count
				start, trial = bottom, !done
				prevCount, prevRows = p.Count, n
			}
			if mode == ModeCursor && lastID > 0 && bottom >= lastID {
				yield(nil, backends.Malformed(pg.What, "the server's pages do not advance"))
				return
			}
			if !done && pg.Ahead {
				next = make(chan fetched, 1)
				go func(ch chan<- fetched, at int64) {
					p, err := pg.Fetch(ctx, at)
					ch <- fetched{p, err}
				}(next, start)
			}

			fresh := 0
			for i := range pageOfRows {
				r := &pageOfRows[i]
				switch {
				case falling && r.ID > 0:
					if lastID > 0 && r.ID >= lastID {
						continue // a page that moved while it was read
					}
					lastID = r.ID
				default:
					if fallback == nil {
						fallback = map[string]bool{}
					}
					key := r.EventID()
					if r.ID <= 0 && !wire.IsGUID(r.Cells.EID) {
						break // no identity at all: two equal rows are two rows
					}
					if fallback[key] {
						continue
					}
					fallback[key] = true
				}
				fresh++
				if !yield(r, nil) {
					return
				}
			}
			if done {
				return
			}
			if fresh > 0 {
				idle = 0
			} else if idle++; idle >= 3 {
				yield(nil, backends.Malformed(pg.What, "the server's pages do not advance"))
				return
			}
		}
	}
}

// cursorWorked judges the first page asked for with an id as start: with a
// cursor the count shrinks by what was read and the ids go on falling; as an
// offset the count stays, or the page lies behind the end.
func cursorWorked(p *Page, prevCount, prevRows, lastID int64, rr *wire.RowReader) bool {
	if len(p.Rows) == 0 {
		return prevCount < 0
	}
	if p.Count >= 0 && prevCount >= 0 {
		return p.Count <= prevCount-prevRows
	}
	var r wire.Row
	return rr.Read(p.Rows[0], &r) == nil && r.ID > 0 && r.ID < lastID
}

// ErrEnough ends a list from within fetch: what follows is not wanted.
var ErrEnough = errors.New("enough")

// OffsetPages reads the pages of a list by offset. fetch gives one page; each
// is called with every row once, and says whether to go on. A list that is
// shorter than the server counts is read again, as every list (backends.Tally).
func OffsetPages(ctx context.Context, what string, limit int, fetch func(ctx context.Context, start, limit int) (*Page, error), each func(row []byte) (more bool, err error)) error {
	t := backends.NewTally(what)
	for t.Pass() {
		if more, err := offsetPass(ctx, what, limit, t, fetch, each); err != nil || !more {
			return err
		}
	}
	return t.Err()
}

// offsetPass reads all pages once; more is false when the rest is not wanted.
func offsetPass(ctx context.Context, what string, limit int, t *backends.Tally, fetch func(ctx context.Context, start, limit int) (*Page, error), each func(row []byte) (more bool, err error)) (more bool, err error) {
	start, prevCount := 0, int64(-1)
	var first []byte // row of the page before
	for {
		if err := ctx.Err(); err != nil {
			return false, err
		}
		p, err := fetch(ctx, start, limit)
		if errors.Is(err, ErrEnough) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		t.Count(p.Count)
		if len(p.Rows) > 0 {
			if first != nil && bytes.Equal(first, p.Rows[0]) {
				// The server does not look at start. A page that was not full
				// was everything; a full one says nothing about the rest.
				if len(p.Rows) < limit || p.Count >= 0 {
					return true, nil
				}
				return false, backends.Malformed(what, "the server's pages do not advance")
			}
			first = p.Rows[0]
		}
		for _, v := range p.Rows {
			if !t.Add(rowID(v)) {
				continue
			}
			if more, err := each(v); err != nil || !more {
				return false, err
			}
		}
		n := len(p.Rows)
		if n == 0 {
			return true, nil
		}
		next := start + n
		if prevCount >= 0 && p.Count >= 0 && p.Count < prevCount {
			next = max(next-int(prevCount-p.Count), start+1)
		}
		if p.Count > 0 && int64(start+n) >= p.Count && (n < limit || int64(start+n) == p.Count) {
			return true, nil
		}
		if n > limit {
			// The server ignored start and limit and gave everything.
			return true, nil
		}
		prevCount, start = p.Count, next
	}
}

// rowID is the id of a row of a list, "" when it has none.
func rowID(row []byte) (id string) {
	_ = wire.EachMember(row, func(name string, v []byte) error {
		if name == "id" {
			id = wire.Scalar(v)
		}
		return nil
	})
	return id
}
