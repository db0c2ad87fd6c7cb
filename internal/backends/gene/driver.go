// Package gene is the driver for the Gene EDR manager (0xrawsec/whids) from
// v1.7.0 to the newest (v1.8.0-beta.7 and later): one code path that sends
// what every version understands and finds out the rest from the answers.
// The truth about the servers is docs/wire/gene.md; section and trap numbers in
// comments are its own.
package gene

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/backends/gene/catalog"
	"github.com/edrctl/edrctl/internal/backends/gene/wire"
	"github.com/edrctl/edrctl/internal/client"
	"github.com/edrctl/edrctl/internal/model"
)

// Name is the registered name.
const Name = "gene"

const (
	secretKey   = "api_key"
	idleConn    = 10 * time.Second // the manager closes idle connections after 15 s
	concurrent  = 4                // requests for logs at once
	onlineAfter = time.Minute      // agents poll every few seconds
)

func init() {
	backends.Register(backends.Backend{
		Name:       Name,
		Title:      "Gene (WHIDS) manager",
		DefaultURL: "https://localhost:1520",
		Secrets:    []backends.SecretSpec{{Name: secretKey, Help: "key of an admin API user of the manager", Required: true}},
		Limits: backends.Limits{
			PageSize: wire.PageLimit, Precision: 100 * time.Nanosecond, Push: true, Concurrent: concurrent,
		},
		New:       New,
		Catalog:   catalog.Operations,
		Resources: catalog.Resources,
		Pushes:    pushes,
	})
}

// Driver talks to one manager. It is safe for concurrent use.
type Driver struct {
	o        backends.Options
	c        *client.Client
	redactor *client.Redactor

	keyMu sync.Mutex
	key   string

	// reads serialises the routes whose parallel use can lock the newest
	// managers up for good (trap 4).
	reads chan struct{}

	verMu sync.Mutex
	ver   flavour
	warns sync.Map // texts already told to the user
	hands hands    // what this run has sent
}

// New builds a driver. It does no I/O.
func New(o backends.Options) (backends.Driver, error) {
	d := &Driver{o: o, redactor: o.Client.Redactor, reads: make(chan struct{}, 1)}
	if d.redactor == nil {
		d.redactor = client.NewRedactor()
		o.Client.Redactor = d.redactor
	}
	c, err := client.New(o.Client, client.Options{
		Authorize: d.authorize,
		Rate:      client.Rate{Concurrent: concurrent},
		IdleConn:  idleConn,
	})
	if err != nil {
		return nil, err
	}
	d.c = c
	return d, nil
}

// Backend is "gene".
func (d *Driver) Backend() string { return Name }

// Close frees the connections.
func (d *Driver) Close() error { return d.c.Close() }

// authorize sends the key under both names: managers up to beta.3 know one,
// later ones the other, and each ignores what it does not know (docs/wire/gene.md 0).
func (d *Driver) authorize(ctx context.Context, r *http.Request) error {
	key, err := d.secret(ctx)
	if err != nil {
		return err
	}
	if ctx.Value(newKeyOnly{}) == nil {
		r.Header.Set("Api-Key", key)
	}
	r.Header.Set("X-Api-Key", key)
	return nil
}

func (d *Driver) secret(ctx context.Context) (string, error) {
	d.keyMu.Lock()
	defer d.keyMu.Unlock()
	if d.key != "" {
		return d.key, nil
	}
	if d.o.Secret == nil {
		return "", &backends.Error{Kind: backends.KindAuth, Why: "no " + secretKey + " is set", Hint: "run: edrctl auth login -p " + d.o.Profile}
	}
	key, err := d.o.Secret(ctx, secretKey)
	if err != nil {
		return "", err
	}
	key = strings.TrimSpace(key)
	if key == "" || strings.ContainsAny(key, "\r\n") {
		return "", &backends.Error{Kind: backends.KindAuth, Why: "the " + secretKey + " is empty or has a line break", Hint: "run: edrctl auth login -p " + d.o.Profile}
	}
	d.redactor.Add(key)
	d.key = key
	return key, nil
}

func (d *Driver) now() time.Time { return d.o.Clock() }

// warn tells the user something once a driver.
func (d *Driver) warn(text string) { d.once(text, text) }

// repeatedEvents is the kind of a warning.
const repeatedEvents = "repeated events"

// once warns of a kind of thing once a driver, whatever the text.
func (d *Driver) once(kind, text string) {
	if _, told := d.warns.LoadOrStore(kind, true); !told && d.o.Warn != nil {
		d.o.Warn(text)
	}
}

// alone runs f while no other read of the endpoint and report routes is under
// way (trap 4), and tells a locked-up manager from one that is away.
func (d *Driver) alone(ctx context.Context, f func() error) error {
	select {
	case d.reads <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	err := f()
	<-d.reads
	if err == nil || !isTimeout(err) || ctx.Err() != nil {
		return err
	}
	probe, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	if _, serr := d.c.Do(probe, client.Call{Path: "/stats"}); serr == nil {
		return &backends.Error{
			Kind: backends.KindUnavailable, Err: err,
			Why:  "the manager answers /stats but not this: it has locked itself up",
			Hint: "restart the manager; endpoints, reports and the agents hang until then",
		}
	}
	return err
}

func isTimeout(err error) bool {
	var t interface{ Timeout() bool }
	return errors.As(err, &t) && t.Timeout() || errors.Is(err, context.DeadlineExceeded)
}

// fail makes the error a caller gets: what could not be done, and why.
func (d *Driver) fail(what string, err error) error {
	if err == nil {
		return nil
	}
	var own *backends.Error
	if errors.As(err, &own) {
		return backends.FromClient(what, err)
	}
	var malformed *wire.MalformedError
	if errors.As(err, &malformed) {
		return &backends.Error{Kind: backends.KindMalformed, What: what, Why: malformed.Why, Err: err}
	}
	var said *wire.AnswerError
	if errors.As(err, &said) {
		e := &backends.Error{What: what, Why: "the manager says: " + d.redactor.String(said.Text), Err: err}
		if said.UnknownEndpoint() {
			e.Kind = backends.KindNotFound
		}
		return e
	}
	var status *client.StatusError
	if errors.As(err, &status) {
		e := &backends.Error{What: what, Why: status.Error(), Err: err}
		switch status.Code {
		case http.StatusForbidden:
			e.Kind = backends.KindAuth
			e.Why = "403 from " + status.Host + ": the " + secretKey + " was refused"
			e.Hint = "set the key of an admin API user: edrctl auth login -p " + d.o.Profile
			return e
		case http.StatusNotFound:
			e.Kind = backends.KindMalformed
			e.Why = "404 from " + status.Host + ": this does not look like the admin API of a Gene (WHIDS) manager"
			e.Hint = "check url in the profile: the admin API's port (1520 unless configured otherwise), no path"
			return e
		}
	}
	return backends.FromClient(what, err)
}

// wanted leaves the endpoints a host filter asks for. An endpoint whose name the
// manager does not know (managers before the database forget names at a
// restart) has to be asked.
func wanted(all []endpoint, match func(*model.Host) bool) []endpoint {
	return slices.DeleteFunc(slices.Clone(all), func(ep endpoint) bool {
		return ep.Hostname != "" && !match(&model.Host{Origin: model.Origin{ID: ep.UUID}, Name: ep.Hostname})
	})
}

// What the driver can do, held by the compiler.
var (
	_ backends.Driver           = (*Driver)(nil)
	_ backends.AlertLister      = (*Driver)(nil)
	_ backends.AlertGetter      = (*Driver)(nil)
	_ backends.AlertEventLister = (*Driver)(nil)
	_ backends.AlertWatcher     = (*Driver)(nil)
	_ backends.EventSearcher    = (*Driver)(nil)
	_ backends.EventGetter      = (*Driver)(nil)
	_ backends.EventWatcher     = (*Driver)(nil)
	_ backends.HostLister       = (*Driver)(nil)
	_ backends.HostGetter       = (*Driver)(nil)
	_ backends.ProcessLister    = (*Driver)(nil)
	_ backends.RuleLister       = (*Driver)(nil)
	_ backends.RuleGetter       = (*Driver)(nil)
	_ backends.Reporter         = (*Driver)(nil)
	_ backends.CarveLister      = (*Driver)(nil)
	_ backends.Caller           = (*Driver)(nil)
)
