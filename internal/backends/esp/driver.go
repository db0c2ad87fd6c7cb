// Package esp is the driver for EclecticIQ ESP (PolyLogyx), community
// editions 2.1 to 4.0 and enterprise 3.0. The truth about the servers is
// docs/wire/esp.md; numbers in comments such as "89" are its endpoint numbers.
package esp

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/backends/esp/catalog"
	"github.com/edrctl/edrctl/internal/backends/esp/guards"
	"github.com/edrctl/edrctl/internal/backends/esp/reply"
	"github.com/edrctl/edrctl/internal/backends/esp/wire"
	"github.com/edrctl/edrctl/internal/client"
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
	session  session
	probeMu  sync.Mutex
	recall   sync.Once
	notes    []string // what the last login told; under session.loginMu

	hosts directory
	rules ruleBook

	indicators indicatorBook

	noAlertEvents atomic.Bool
	carveMu       sync.Mutex
	carveRows     map[string]int // query id -> files that matched, as the socket told
	pages         reply.PageModes

	callMu sync.Mutex
	calls  map[*backends.Call]*guards.Call // previewed, by the call they belong to
}

// New builds a driver. It does no I/O.
func New(o backends.Options) (backends.Driver, error) {
	d := &Driver{o: o, redactor: o.Client.Redactor}
	if d.redactor == nil {
		d.redactor = client.NewRedactor()
		o.Client.Redactor = d.redactor
	}
	base, prefix, err := splitBase(o.Client.BaseURL)
	if err != nil {
		return nil, err
	}
	o.Client.BaseURL = base
	d.session.base = wire.BasePaths[0]
	switch {
	case o.Settings["base_path"] != "":
		d.session.base, d.session.baseKnown = "/"+strings.Trim(o.Settings["base_path"], "/"), true
	case prefix != "":
		d.session.base, d.session.baseKnown = prefix, true
	case o.Settings["edition"] == wire.EditionCE2:
		d.session.base = wire.BasePaths[1]
	}
	d.pages.Init(o.Settings["edition"])
	c, err := client.New(o.Client, client.Options{
		Authorize: d.authorize,
		Rate:      client.Rate{Concurrent: 4},
	})
	if err != nil {
		return nil, err
	}
	d.c = c
	return d, nil
}

// splitBase takes the API base off a URL that names it, and the console's
// path off one copied from a browser (https://host/esp-ui/).
func splitBase(raw string) (server, prefix string, err error) {
	u, err := url.Parse(raw)
	if err != nil {
		return "", "", backends.Invalid("the profile's url", "it is not a URL")
	}
	p := strings.TrimRight(u.Path, "/")
	if i := strings.Index(p, "/services/api/"); i >= 0 || strings.HasPrefix(p, "/services/api/") {
		prefix, p = p, ""
	} else if strings.HasPrefix(p, "/esp-ui") {
		p = ""
	}
	u.Path, u.RawPath, u.RawQuery, u.Fragment = p, "", "", ""
	return u.String(), prefix, nil
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
	d.recallBase()
	if err := d.probe(ctx); err != nil {
		return h, err
	}
	rep, err := d.do(ctx, what, "/hosts/count", client.Call{})
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
	d.session.loginMu.Lock()
	h.Notes = append(h.Notes, d.notes...)
	d.session.loginMu.Unlock()
	return h, nil
}

// findVersion tells what can be found out: no route names the version, so it
// is read from which routes exist (§1, §18).
func (d *Driver) findVersion(ctx context.Context) (string, []string) {
	const what = "cannot find the version"
	exists := func(p string) bool {
		_, err := d.ask(ctx, what, p, client.Call{})
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
