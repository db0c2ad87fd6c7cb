// Package gene is the driver for the Gene EDR manager (0xrawsec/whids) from
// v1.7.0 to the newest (v1.8.0-beta.7 and later): one code path that sends
// what every version understands and finds out the rest from the answers.
// The truth about the servers is docs/wire/gene.md; section and trap numbers in
// comments are its own.
package gene

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/backends/gene/catalog"
	"github.com/edrctl/edrctl/internal/backends/gene/wire"
	"github.com/edrctl/edrctl/internal/client"
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
		Fields:    fields,
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
	// managers up permanently (trap 4).
	reads chan struct{}

	verMu   sync.Mutex
	ver     flavour
	warns   sync.Map // texts already told to the user
	session session  // what this run has sent
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

// newKeyOnly marks the context of a request that sends the key under its new
// name only.
type newKeyOnly struct{}

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
func (d *Driver) warn(text string) { d.warnOnce(text, text) }

// warnOnce warns of a kind of thing once a driver, whatever the text.
func (d *Driver) warnOnce(kind, text string) {
	if _, told := d.warns.LoadOrStore(kind, true); !told && d.o.Warn != nil {
		d.o.Warn(text)
	}
}

// flavour is what is known so far.
func (d *Driver) flavour() flavour {
	d.verMu.Lock()
	defer d.verMu.Unlock()
	return d.ver
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
