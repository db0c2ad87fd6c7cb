package backends

import (
	"context"
	"time"

	"github.com/edrctl/edrctl/internal/model"
)

// HuntWhere is where an indicator type is searched on a backend.
type HuntWhere string

// The places.
const (
	HuntServer HuntWhere = "server" // asked of the server: Hunt
	HuntLocal  HuntWhere = "local"  // the events of the window are fetched and matched here, once for all
	HuntNone   HuntWhere = "none"   // cannot be searched
)

// HuntMode is how a backend searches one indicator type.
type HuntMode struct {
	Where HuntWhere
	Why   string // for none: why not; else what to know, for example that only the actor's hash is compared
	Chunk int    // values one request takes; 0 = 1 (server only)
	// Most is how many values are worth asking for one by one; of more the
	// events of the window are fetched once and matched here. 0 = any number
	// (server only, and only where events can be searched).
	Most int
}

// HuntQuery asks for one type's values, at most Chunk of them.
type HuntQuery struct {
	Type   string // name of an ioc.Type: md5 sha1 sha256 imphash ipv4 ipv6 cidr domain url file_name file_path process_name email
	Values []string
	Since  time.Time
	Until  time.Time // zero: no end, as in Query
	Raw    bool
}

// The optional interfaces of hunting.
type (
	// IndicatorHunter searches indicators on its server. What it does not
	// mention is searched locally when the backend is an EventSearcher.
	IndicatorHunter interface {
		HuntModes() map[string]HuntMode
		// Hunt yields an observation a record: the indicator, host and what
		// is known of process, file, times, evidence (event or alert ids).
		Hunt(ctx context.Context, q HuntQuery) (Listing[*model.Hit], error)
	}
	// TreeExpander reads the family of one process.
	TreeExpander interface {
		// Ancestors gives what is known above a process, root first, direct
		// parent last; none is not an error.
		Ancestors(ctx context.Context, p ProcessRef) ([]*model.Process, error)
		// Children gives a page of the direct children.
		Children(ctx context.Context, p ProcessRef, cursor string) (ProcessPage, error)
	}
	// ProcessGetter finds one process by its id (model.Process.ID or UID).
	ProcessGetter interface {
		Process(ctx context.Context, id string, near time.Time) (*model.Process, error)
	}
	// LiveQuerier runs a query on the hosts themselves (ESP).
	LiveQuerier interface {
		// LiveQuery sends sql once and yields rows as hosts answer, until
		// every host has or ctx ends. It is never sent twice.
		LiveQuery(ctx context.Context, q LiveQuery) (*LiveRun, error)
		// Schema gives tables and their columns.
		Schema(ctx context.Context) (map[string][]Column, error)
	}
)

// ProcessRef names a process for TreeExpander.
type ProcessRef struct {
	UID     string
	PID     int64
	Path    string
	Host    *model.Host
	Started time.Time // zero: unknown
	Alert   *model.Alert
}

// ProcessPage is a page of children.
type ProcessPage struct {
	Processes []*model.Process
	Events    []*model.Event // events of the parent met on the way
	Next      string         // "" = that was all
	Remaining int            // after this page; -1 = some, unknown how many
	Self      *model.Process // the process asked about, when it was found by pid and its id is known now
}

// Column is a column of a table that can be queried live.
type Column struct {
	Name string `json:"name"`
	Type string `json:"type"`
}

// LiveQuery is a query for hosts.
type LiveQuery struct {
	SQL   string
	Hosts []string // host ids
	Tags  []string
	All   bool
}

// LiveRun is a query on its way.
type LiveRun struct {
	ID      string
	Targets []*model.Host // who was asked and can answer
	// Answers yields one answer a host; the error ends the sequence. ctx of
	// LiveQuery bounds it.
	Answers func(yield func(*LiveAnswer, error) bool)
}

// LiveAnswer is what one host answered.
type LiveAnswer struct {
	Host   *model.Host      `json:"host"`
	Rows   []map[string]any `json:"rows"`
	Status int              `json:"status"` // 0 = the query ran
	Error  string           `json:"error,omitempty"`
}
