package esp

import (
	"bytes"
	"context"
	"errors"
	"iter"
	"sync"

	"github.com/edrctl/edrctl/internal/backends"
)

// Page sizes. The servers name no upper limit; these keep one page in a few
// megabytes.
const (
	eventPage = 1000
	alertPage = 500
	listPage  = 500
)

// pageMode is what "start" means to a server (docs/wire/esp.md §6).
type pageMode uint8

const (
	modeUnknown pageMode = iota
	modeOffset           // how many rows to skip: 2.x and, by its text, enterprise 3.0
	modeCursor           // the smallest id already read: 3.5.1
)

// pageModes remembers for the life of a driver what was found out.
type pageModes struct {
	mu       sync.Mutex
	activity pageMode
}

func (m *pageModes) init(edition string) {
	switch edition {
	case EditionCE2:
		m.activity = modeOffset
	case EditionCE3, EditionCE4:
		m.activity = modeCursor
	}
}

func (m *pageModes) get() pageMode {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.activity
}

func (m *pageModes) set(v pageMode) {
	m.mu.Lock()
	m.activity = v
	m.mu.Unlock()
}

// resultPager reads all pages of stored results, whatever "start" means, and
// yields each row once in the server's order (newest first).
type resultPager struct {
	what  string
	fetch func(ctx context.Context, start int64) (*page, error)
	// prepare gives the row what the answer does not repeat: table, host.
	prepare func(*row)
	// mode is what is known before; learned is told what is found out.
	mode    pageMode
	learned func(pageMode)
	// byID: the edition shows in the rows themselves, an id means cursor (30).
	byID bool
	// ahead fetches the next page while this one is used.
	ahead bool
}

type fetched struct {
	p   *page
	err error
}

// rows yields the rows; the pointer is valid until the next step.
func (pg resultPager) rows(ctx context.Context) iter.Seq2[*row, error] {
	return func(yield func(*row, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		var next chan fetched
		defer func() {
			cancel()
			if next != nil {
				<-next
			}
		}()
		get := func(start int64) (*page, error) {
			if next == nil {
				return pg.fetch(ctx, start)
			}
			f := <-next
			next = nil
			return f.p, f.err
		}

		var (
			rr         rowReader
			start      int64
			seen       int64
			lastID     int64 // smallest id yielded; 0 = none yet
			prevCount  int64 = -1
			prevRows   int64
			trial      bool // this request tries the cursor
			idle       int  // pages without a new row
			fallback   map[string]bool
			mode       = pg.mode
			pageOfRows []row
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
					mode, start = modeOffset, seen
					if pg.learned != nil {
						pg.learned(mode)
					}
					continue
				}
				mode = modeCursor
				if pg.learned != nil {
					pg.learned(mode)
				}
			}
			if n == 0 {
				return
			}
			pageOfRows = pageOfRows[:0]
			falling := true
			prev := int64(0)
			for _, v := range p.Rows {
				r := row{}
				if pg.prepare != nil {
					pg.prepare(&r)
				}
				if err := rr.read(v, &r); err != nil {
					yield(nil, malformed(pg.what, err))
					return
				}
				if r.id <= 0 || prev > 0 && r.id >= prev {
					falling = false
				}
				prev = r.id
				pageOfRows = append(pageOfRows, r)
			}
			if mode == modeUnknown && (!falling || pg.byID && prev <= 0) || mode == modeCursor && !falling && pageOfRows[0].id <= 0 {
				mode = modeOffset
			} else if pg.byID && mode == modeUnknown && falling {
				mode = modeCursor
			}

			// What to ask for next, before the rows are used.
			seen += n
			bottom := pageOfRows[n-1].id
			done := false
			switch {
			case mode == modeCursor && !pg.byID:
				done = p.Count >= 0 && n >= p.Count // the count is of the remaining rows
				start = bottom
			case mode == modeCursor:
				done = p.Count >= 0 && seen >= p.Count
				start = bottom
			case mode == modeOffset:
				done = p.Count >= 0 && seen >= p.Count
				start = seen
			default:
				done = p.Count >= 0 && n >= p.Count
				start, trial = bottom, !done
				prevCount, prevRows = p.Count, n
			}
			if mode == modeCursor && lastID > 0 && bottom >= lastID {
				yield(nil, backends.Malformed(pg.what, "the server's pages do not advance"))
				return
			}
			if !done && pg.ahead {
				next = make(chan fetched, 1)
				go func(ch chan<- fetched, at int64) {
					p, err := pg.fetch(ctx, at)
					ch <- fetched{p, err}
				}(next, start)
			}

			fresh := 0
			for i := range pageOfRows {
				r := &pageOfRows[i]
				switch {
				case falling && r.id > 0:
					if lastID > 0 && r.id >= lastID {
						continue // a page that moved while it was read
					}
					lastID = r.id
				default:
					if fallback == nil {
						fallback = map[string]bool{}
					}
					key := r.eventID()
					if r.id <= 0 && !isGUID(r.cells.eid) {
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
				yield(nil, backends.Malformed(pg.what, "the server's pages do not advance"))
				return
			}
		}
	}
}

// cursorWorked judges the first page asked for with an id as start: with a
// cursor the count shrinks by what was read and the ids go on falling; as an
// offset the count stays, or the page lies behind the end.
func cursorWorked(p *page, prevCount, prevRows, lastID int64, rr *rowReader) bool {
	if len(p.Rows) == 0 {
		return prevCount < 0
	}
	if p.Count >= 0 && prevCount >= 0 {
		return p.Count <= prevCount-prevRows
	}
	var r row
	return rr.read(p.Rows[0], &r) == nil && r.id > 0 && r.id < lastID
}

// errEnough ends a list from within fetch: what follows is not wanted.
var errEnough = errors.New("enough")

// offsetPages reads the pages of a list by offset. fetch gives one page; each
// is called with every row once, and says whether to go on. A list that is
// shorter than the server counts is read again, as every list (backends.Tally).
func offsetPages(ctx context.Context, what string, limit int, fetch func(ctx context.Context, start, limit int) (*page, error), each func(row []byte) (more bool, err error)) error {
	t := backends.NewTally(what)
	for t.Pass() {
		if more, err := offsetPass(ctx, what, limit, t, fetch, each); err != nil || !more {
			return err
		}
	}
	return t.Err()
}

// offsetPass reads all pages once; more is false when the rest is not wanted.
func offsetPass(ctx context.Context, what string, limit int, t *backends.Tally, fetch func(ctx context.Context, start, limit int) (*page, error), each func(row []byte) (more bool, err error)) (more bool, err error) {
	start, prevCount := 0, int64(-1)
	var first []byte // row of the page before
	for {
		if err := ctx.Err(); err != nil {
			return false, err
		}
		p, err := fetch(ctx, start, limit)
		if errors.Is(err, errEnough) {
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
	_ = eachMember(row, func(name string, v []byte) error {
		if name == "id" {
			id = scalar(v)
		}
		return nil
	})
	return id
}
