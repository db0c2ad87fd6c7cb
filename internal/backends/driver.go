// Package backends is the contract between edrctl and the products it talks
// to: a small core interface, optional interfaces of one or two methods found
// by type assertion, capabilities derived from them, error kinds, and the
// registry of drivers.
package backends

import (
	"context"
	"iter"
	"net/http"
	"time"

	"github.com/edrctl/edrctl/internal/client"
	"github.com/edrctl/edrctl/internal/filter"
	"github.com/edrctl/edrctl/internal/model"
)

// Driver is the core every backend implements. A constructor does no I/O;
// the first request is made by the first call that needs one.
type Driver interface {
	// Backend is the registered name: cwatch, carbonblack, gene, esp.
	Backend() string
	// Check reaches the server with the configured credentials.
	Check(ctx context.Context) (Health, error)
	Close() error
}

// Health is what Check found.
type Health struct {
	Product     string        // "Gene (WHIDS) manager", "EclecticIQ ESP", ...
	Version     string        // what could be found out; "" when the server does not tell
	ClockOffset time.Duration // server minus local, by the header of one answer
	HasClock    bool          // whether the server told its time
	RoundTrip   time.Duration // of that answer: the offset may be wrong by half of it
	Credentials []CredentialCheck
	Notes       []string // what a user should know: degraded features, surprises
}

// ReadClock takes the server's clock from an answer, if it tells it. Now is
// the present by the clock to compare it with.
func (h *Health) ReadClock(header http.Header, t client.Timing, now time.Time) {
	if !t.Arrived.IsZero() {
		t.Arrived = now.Add(-time.Since(t.Arrived))
	}
	if offset, ok := t.ClockOffset(header); ok {
		h.ClockOffset, h.HasClock, h.RoundTrip = offset, true, t.RoundTrip
	}
}

// CredentialCheck is the result for one secret.
type CredentialCheck struct {
	Name    string // secret name, for example live_response_key
	Present bool
	OK      bool
	Note    string
}

// Query asks for records. A driver yields newest first (or sets Settled in its
// Listing), each id once, all of [Since, Until), or with a zero Until all
// from Since on, what is stamped later than now included; filtered at least as
// far as Plan says; it never yields a
// part of the answer as if it were the whole: what could not be read ends the
// sequence with an error.
type Query struct {
	Filter filter.Filter
	Since  time.Time
	Until  time.Time
	Limit  int // how many the user wants after filtering; 0 = all. A hint: the caller stops pulling
	// After, of an ArrivalNumberer: what reached the server after this number,
	// whatever time it carries. Since then bounds only how old it may be in
	// the server's own steps, and zero is as old as one question reaches.
	After  int64
	Native string // the vendor's own query language (--query); "" = none
	Raw    bool   // keep the vendor's JSON in Raw
	Log    bool   // of events: keep the fields of the log record in Event.Log, where the product has them
	Follow bool   // the caller asks again: what is still being written is not waited for
	Brief  bool   // of hosts: ids and names are enough, a driver may leave out what costs a request each
	// AnyOrder tells that newest first is not needed: a hint that spares a
	// driver the sorting.
	AnyOrder bool
}

// Ahead is how far beyond the present a query without an end asks where a
// server wants one; a server that takes less is asked for what it takes.
const Ahead = 366 * 24 * time.Hour

// Plan says how a query is answered, without asking the server.
type Plan struct {
	Requests []string      // the exact vendor queries: METHOD path?query [body]; with … where later pages follow
	Residual filter.Filter // what the server cannot do: the caller evaluates it on every record
	Notes    []string      // limits worth knowing
}

// Listing is a plan and the records it will give. Iterating sends the
// requests. An error ends the sequence.
type Listing[T any] struct {
	Plan Plan
	Seq  iter.Seq2[T, error]
	// Settled is set when Seq follows the server's order, which is not newest
	// first; the caller sorts. Asked between two records, it gives the time
	// that no record still to come is expected to reach; zero while unknown.
	Settled func() time.Time
}

// The optional interfaces. What a driver can do is what it implements.
type (
	// AlertLister lists alerts.
	AlertLister interface {
		Alerts(ctx context.Context, q Query) (Listing[*model.Alert], error)
	}
	// AlertGetter reads one alert by its id.
	AlertGetter interface {
		Alert(ctx context.Context, id string, raw bool) (*model.Alert, error)
	}
	// AlertEventLister lists the events behind one alert.
	AlertEventLister interface {
		AlertEvents(ctx context.Context, id string, q Query) (Listing[*model.Event], error)
	}
	// AlertWatcher pushes alerts as they arrive. The caller fills gaps with
	// Alerts after a break; Watch returns when the stream ends or ctx does.
	AlertWatcher interface {
		WatchAlerts(ctx context.Context, q Query) (Listing[*model.Alert], error)
	}
	// EventSearcher searches events.
	EventSearcher interface {
		Events(ctx context.Context, q Query) (Listing[*model.Event], error)
	}
	// EventGetter reads one event by its id.
	EventGetter interface {
		Event(ctx context.Context, id string, raw bool) (*model.Event, error)
	}
	// EventCounter counts on the server. It returns ErrCountLocally (see
	// errors.go) for a field or filter the server cannot count exactly.
	EventCounter interface {
		CountEvents(ctx context.Context, q Query, by string) ([]model.Count, error)
	}
	// EventWatcher pushes events as they arrive, like AlertWatcher.
	EventWatcher interface {
		WatchEvents(ctx context.Context, q Query) (Listing[*model.Event], error)
	}
	// ArrivalNumberer numbers events in the order in which they reach its
	// server; a Query's After takes such a number.
	ArrivalNumberer interface {
		LastArrival(ctx context.Context) (int64, error)
	}
	// HostLister lists endpoints; the time window does not apply.
	HostLister interface {
		Hosts(ctx context.Context, q Query) (Listing[*model.Host], error)
	}
	// RemovedHostLister lists the endpoints that the server keeps although they
	// were taken out of service. They may be missing from Hosts.
	RemovedHostLister interface {
		RemovedHosts(ctx context.Context, q Query) (Listing[*model.Host], error)
	}
	// HostGetter reads one endpoint by its id.
	HostGetter interface {
		Host(ctx context.Context, id string, raw bool) (*model.Host, error)
	}
	// ProcessLister lists processes.
	ProcessLister interface {
		Processes(ctx context.Context, q Query) (Listing[*model.Process], error)
	}
	// HashInspector tells verdict, names and hosts of a hash.
	HashInspector interface {
		InspectHash(ctx context.Context, hash string) (*model.HashInfo, error)
	}
	// RuleLister lists detection rules; the time window does not apply.
	RuleLister interface {
		Rules(ctx context.Context, q Query) (Listing[*model.Rule], error)
	}
	// RuleGetter reads one rule by id or exact name.
	RuleGetter interface {
		Rule(ctx context.Context, id string, raw bool) (*model.Rule, error)
	}
	// Reporter gives what the backend thinks of hosts; host "" is all.
	Reporter interface {
		Reports(ctx context.Context, host string, q Query) (Listing[*model.Report], error)
	}
	// CarveLister lists files collected on the server.
	CarveLister interface {
		Carves(ctx context.Context, q Query) (Listing[*model.Carve], error)
	}
	// SessionKeeper logs in where a session is needed (ESP).
	SessionKeeper interface {
		Login(ctx context.Context) error
		Logout(ctx context.Context) error
	}
)
