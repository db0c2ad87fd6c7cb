package hunt

import (
	"time"
)

// Progress is how far a hunt is.
type Progress struct {
	Done, Units int // requests' worth of work, over all profiles
	Events      int // scanned locally so far
	Hits        int
	Elapsed     time.Duration
}

// Summary is what a hunt did.
type Summary struct {
	Indicators int             `json:"indicators"`
	Hits       int             `json:"hits"`
	Profiles   []SourceSummary `json:"profiles"`
}

// SourceSummary is what a hunt did on one profile.
type SourceSummary struct {
	Profile    string       `json:"profile"`
	Backend    string       `json:"backend"`
	Server     int          `json:"searched_on_server"` // indicators
	Local      int          `json:"searched_locally"`
	Events     int          `json:"events_scanned,omitempty"`
	Hits       int          `json:"hits"`
	Unsearched []Unsearched `json:"not_searchable,omitempty"`
	Notes      []string     `json:"notes,omitempty"`
	Err        error        `json:"-"`

	// Ahead names the hosts whose hits are stamped later than now.
	Ahead map[string]time.Duration `json:"-"`
}

// Unsearched is indicators a profile cannot search.
type Unsearched struct {
	Type  string `json:"type"`
	Count int    `json:"count"`
	Why   string `json:"why"`
}
