// Package esp is the driver for EclecticIQ ESP (PolyLogyx), community
// editions 2.1 to 4.0 and enterprise 3.0. The truth about the servers is
// docs/wire/esp.md; numbers in comments such as "89" are its endpoint numbers.
package esp

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/backends/esp/catalog"
	"github.com/edrctl/edrctl/internal/backends/esp/guards"
	"github.com/edrctl/edrctl/internal/backends/esp/reply"
	"github.com/edrctl/edrctl/internal/backends/esp/response"
	"github.com/edrctl/edrctl/internal/backends/esp/session"
	"github.com/edrctl/edrctl/internal/backends/esp/wire"
	"github.com/edrctl/edrctl/internal/client"
	"github.com/edrctl/edrctl/internal/model"
)

// Name is the registered name.
const Name = "esp"

func init() {
	backends.Register(backends.Backend{
		Name:  Name,
		Title: "EclecticIQ ESP (PolyLogyx)",
		Secrets: []backends.SecretSpec{
			{Name: "password", Help: "password of the profile's username", Required: true},
			{Name: "session", Help: "session token, kept by edrctl itself for 7 days", Session: true},
		},
		Keys: []backends.KeySpec{
			{Name: "username", Help: "user name (or e-mail address) to log in with", Required: true},
			{Name: "edition", Help: "what the server is; found out when absent", Enum: []string{wire.EditionCE2, wire.EditionCE3, wire.EditionCE4, wire.EditionEnterprise}},
			{Name: "base_path", Help: "path of the API, default /esp-ui/services/api/v1, then /services/api/v1"},
		},
		Limits: backends.Limits{
			PageSize: reply.EventPage, MaxWindow: 30 * wire.Day, LookBack: 60 * wire.Day,
			Precision: time.Second, Concurrent: 4,
		},
		New:       New,
		Catalog:   catalog.Operations,
		Resources: catalog.Resources,
		Pushes:    pushes,
		Fields:    fields,
	})
}

// Driver talks to one ESP server as one user.
type Driver struct {
	o        backends.Options
	c        *client.Client
	redactor *client.Redactor
	session  *session.Session

	hosts hostDirectory
	rules ruleCache

	indicators indicatorCache

	noAlertEvents atomic.Bool
	carveMu       sync.Mutex
	carveRows     map[string]int // query id -> files that matched, as the socket told
	pages         reply.PageModes

	callMu sync.Mutex
	calls  map[*backends.Call]*guards.Call // previewed, by the call they belong to
}

// indicatorCache knows which entry of the server's indicators has a value.
type indicatorCache struct {
	mu     sync.Mutex
	read   bool
	byText map[string]string // column, 0, value -> name of the entry
}

// hostDirectory knows the hosts by node id: alerts and carves name a host only by
// that number, everything else by its identifier.
type hostDirectory struct {
	mu     sync.Mutex
	byNode map[string]*model.Host
	list   []*model.Host
	loaded bool
	all    bool // removed hosts as well
}

// ruleCache knows the rules by number, for what alerts do not repeat.
type ruleCache struct {
	mu     sync.Mutex
	byID   map[string]*model.Rule
	loaded bool
}

// New builds a driver. It does no I/O.
func New(o backends.Options) (backends.Driver, error) {
	if o.Client.Redactor == nil {
		o.Client.Redactor = client.NewRedactor()
	}
	s, err := session.New(o)
	if err != nil {
		return nil, err
	}
	d := &Driver{o: o, c: s.Client(), redactor: o.Client.Redactor, session: s}
	d.pages.Init(o.Settings["edition"])
	return d, nil
}

// Backend is "esp".
func (d *Driver) Backend() string { return Name }

// Close forgets nothing on the server: the session is kept for the next run.
func (d *Driver) Close() error { return d.c.Close() }

// Check finds the API, logs in if there is no session, and asks for the host
// counts (25), the cheapest call that needs both.
func (d *Driver) Check(ctx context.Context) (backends.Health, error) {
	const what = "cannot reach ESP"
	h := backends.Health{Product: "EclecticIQ ESP"}
	d.session.RecallBase()
	if err := d.session.Probe(ctx); err != nil {
		return h, err
	}
	rep, err := d.session.Do(ctx, what, "/hosts/count", client.Call{})
	if err == nil {
		_, err = reply.ParseAnswer(what, rep)
	}
	cred := backends.CredentialCheck{Name: "password", Present: true, OK: err == nil}
	if k := backends.KindOf(err); err != nil {
		if k == backends.KindAuth || k == backends.KindForbidden {
			var be *backends.Error
			if errors.As(err, &be) {
				cred.Note = be.Why
			}
			h.Credentials = append(h.Credentials, cred)
		}
		return h, err
	}
	h.Credentials = append(h.Credentials, cred)
	h.ReadClock(rep.Header, rep.Timing, d.o.Clock())
	h.Version, h.Notes = d.findVersion(ctx)
	h.Notes = append(h.Notes, d.session.LoginNotes()...)
	return h, nil
}

// findVersion tells what can be found out: no route names the version, so it
// is read from which routes exist (§1, §18).
func (d *Driver) findVersion(ctx context.Context) (string, []string) {
	const what = "cannot find the version"
	exists := func(p string) bool {
		_, err := d.session.Ask(ctx, what, p, client.Call{})
		return err == nil
	}
	switch {
	case exists("/response/status/all"):
		return "enterprise", nil
	case exists("/index"):
		return "community 3.5 or later", []string{"this edition has no response actions, alert graphs and process trees"}
	}
	return "community", []string{"this edition has no response actions, alert graphs and process trees"}
}

var (
	_ backends.Driver           = (*Driver)(nil)
	_ backends.SessionKeeper    = (*Driver)(nil)
	_ backends.AlertLister      = (*Driver)(nil)
	_ backends.AlertGetter      = (*Driver)(nil)
	_ backends.AlertEventLister = (*Driver)(nil)
	_ backends.EventSearcher    = (*Driver)(nil)
	_ backends.EventGetter      = (*Driver)(nil)
	_ backends.HostLister       = (*Driver)(nil)
	_ backends.HostGetter       = (*Driver)(nil)
	_ backends.ProcessLister    = (*Driver)(nil)
	_ backends.RuleLister       = (*Driver)(nil)
	_ backends.RuleGetter       = (*Driver)(nil)
	_ backends.HashInspector    = (*Driver)(nil)
	_ backends.CarveLister      = (*Driver)(nil)
	_ backends.IndicatorHunter  = (*Driver)(nil)
	_ backends.LiveQuerier      = (*Driver)(nil)
	_ backends.TreeExpander     = (*Driver)(nil)
	_ backends.ProcessGetter    = (*Driver)(nil)
	_ backends.Changer          = (*Driver)(nil)
	_ backends.ActionPoller     = (*Driver)(nil)
	_ backends.ActionLister     = (*Driver)(nil)
	_ backends.ActionFinder     = (*Driver)(nil)
	_ backends.Carver           = (*Driver)(nil)
	_ backends.Caller           = (*Driver)(nil)
	_ backends.RuleReader       = (*Driver)(nil)
)

// Login gets a new session, checks that the server takes it, and keeps it.
func (d *Driver) Login(ctx context.Context) error { return d.session.Login(ctx) }

// Logout ends the session on the server and drops it here.
func (d *Driver) Logout(ctx context.Context) error { return d.session.Logout(ctx) }

// Verify reports whether a password is that of the profile's user.
func (d *Driver) Verify(ctx context.Context, password string) (bool, error) {
	return d.session.Verify(ctx, password)
}

// order is one changing request. It is sent once, whatever happens.
type order struct {
	method, path string
	body         any
}

func (o order) call() client.Call { return client.Call{Method: o.method, JSON: o.body, Acts: true} }

// act sends an order.
func (d *Driver) act(ctx context.Context, what string, o order) (*reply.Answer, error) {
	return d.session.Send(ctx, what, o.path, o.call())
}

// verb is one thing ESP can change: what is sent for it, what is read before,
// and what the answers mean.
type verb struct {
	backends.VerbSpec
	enterprise bool // needs the response routes 100-120
	windows    bool // works on Windows agents only
	orders     func(d *Driver, c backends.Change) ([]order, error)
	// preview fills in the preview by reading only.
	preview func(ctx context.Context, d *Driver, c backends.Change, p *backends.Preview) error
	// readAnswer reads the answer of each order into the action; nil: it says nothing.
	readAnswer func(d *Driver, a *reply.Answer, act *model.Action)
	// follow follows what was sent, when all was taken.
	follow func(ctx context.Context, d *Driver, c backends.Change, act *model.Action, update func(*model.Action)) error
	// find looks up what became of it; nil: among the response actions.
	find func(ctx context.Context, d *Driver, c backends.Change, sent time.Time) (*model.Action, error)
}

// verbs is everything, in the order it is shown; respond.go fills it.
var verbs []verb

func verbNamed(name string) *verb {
	for i := range verbs {
		if verbs[i].Verb == name {
			return &verbs[i]
		}
	}
	return nil
}

func (d *Driver) verbOf(c backends.Change) (*verb, []order, error) {
	what := response.What(c)
	v := verbNamed(c.Verb)
	if v == nil {
		return nil, nil, backends.Unsupported("ESP", what, "")
	}
	needsHost := slices.Contains(v.Needs, "host")
	switch {
	case needsHost && (c.Host == nil || c.Host.ID == ""):
		return nil, nil, backends.Invalid(what, "the host is missing")
	case needsHost && strings.ContainsAny(c.Host.ID, ",\r\n"):
		// A comma would make it a list of hosts.
		return nil, nil, backends.Invalid(what, "the host's identifier is none")
	case v.windows && c.Host.OS != nil && c.Host.OS.Platform != "" && c.Host.OS.Platform != "windows":
		return nil, nil, &backends.Error{Kind: backends.KindUnsupported, What: what, Why: "ESP does it on Windows only, and this host is " + c.Host.OS.Platform}
	}
	orders, err := v.orders(d, c)
	if err != nil {
		var be *backends.Error
		if errors.As(err, &be) && be.What == "" {
			be.What = what
		}
		return nil, nil, err
	}
	return v, orders, nil
}

// doneAction is the action of a change found to have happened.
func (d *Driver) doneAction(native string) *model.Action {
	return &model.Action{State: model.ActionDone, NativeState: native, FinishedAt: model.At(d.o.Clock())}
}

// explainUnsupported says what an edition without response routes can do instead.
func (d *Driver) explainUnsupported(err error) error {
	var be *backends.Error
	if errors.As(err, &be) && be.Kind == backends.KindUnsupported {
		be.Why = "this edition of ESP has no response actions"
		var can []string
		for _, v := range verbs {
			if !v.enterprise {
				can = append(can, v.Verb)
			}
		}
		be.Hint = "it can do: " + strings.Join(can, ", ") + ", and live queries"
	}
	return err
}

// clockSlack is how far the server's clock may be behind ours when something
// is looked up by when it was made.
const clockSlack = 2 * time.Minute
