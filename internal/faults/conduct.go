package faults

import (
	"slices"
	"strings"
	"time"
)

// Conduct is what is wrong with the records of one server: the fakes act it
// out where the data are. The zero Conduct is a server as it should be.
type Conduct struct {
	pages       []string
	skews       []skew
	BusyDay     int  // events an answer may read before it takes too long; 0 = any number
	PageMost    int  // records of one page, where pages move: so that short lists have several
	RandomOrder bool // signatures of a detection come in any order
}

type skew struct {
	host string // "" = every host
	by   time.Duration
}

// The ways pages move.
const (
	PagesOrder   = "order"   // every answer has an order of its own
	PagesResolve = "resolve" // a colleague resolves the alerts of each page that was read
	PagesRepeat  = "repeat"  // every page is the first
	PagesNone    = "none"    // records are counted, and none is given
)

var pageMoves = []string{PagesOrder, PagesResolve, PagesRepeat, PagesNone}

// conduct tells whether the fault is one of the records.
func (r *rule) conduct() bool { return r.kind >= late }

// Conduct gives the faults of the records of a backend.
func (s Spec) Conduct(backend string) Conduct {
	var c Conduct
	for i := range s.rules {
		r := &s.rules[i]
		if r.backend != "" && r.backend != backend {
			continue
		}
		switch r.kind {
		case late:
			c.skews = append(c.skews, skew{r.host, r.delay})
		case early:
			c.skews = append(c.skews, skew{r.host, -r.delay})
		case movingPages:
			moves := []string{r.pages}
			if r.pages == "" {
				moves = []string{PagesOrder, PagesResolve}
			}
			c.pages, c.PageMost = append(c.pages, moves...), 3
		case busyDay:
			c.BusyDay = r.events
		case randomOrder:
			c.RandomOrder = true
		}
	}
	return c
}

// Moves tells whether pages move in this way.
func (c Conduct) Moves(way string) bool { return slices.Contains(c.pages, way) }

// Skewed tells whether any record reaches the server at another time than the
// one it carries.
func (c Conduct) Skewed() bool { return len(c.skews) > 0 }

// Lag is how long after its own time a record of a host reaches the server;
// negative when the host's clock is ahead. The last fault that names the host
// counts, else the last for all.
func (c Conduct) Lag(host string) time.Duration {
	var all time.Duration
	for i := len(c.skews) - 1; i >= 0; i-- {
		if s := c.skews[i]; s.host != "" && strings.EqualFold(s.host, host) {
			return s.by
		} else if s.host == "" && all == 0 {
			all = s.by
		}
	}
	return all
}

// Ahead is how far ahead of the server's clock a record may be stamped.
func (c Conduct) Ahead() time.Duration {
	var most time.Duration
	for _, s := range c.skews {
		most = max(most, -s.by)
	}
	return most
}
