// Package carbonblack drives Carbon Black Endpoint Standard (Cb Defense) by its
// REST API v3: events, processes, alerts and devices. What the server really
// does, and every trap named in the comments, is docs/wire/carbonblack.md.
package carbonblack

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/backends/carbonblack/catalog"
	"github.com/edrctl/edrctl/internal/backends/carbonblack/wire"
	"github.com/edrctl/edrctl/internal/client"
	"github.com/edrctl/edrctl/internal/lazyregexp"
)

// Name is the registered name.
const Name = "carbonblack"

const (
	retention    = 30 * 24 * time.Hour // how long the server keeps events (§3)
	onlineWithin = 15 * time.Minute    // contact newer than this means online (§11.6)
)

func init() {
	backends.Register(backends.Backend{
		Name:  Name,
		Title: "Carbon Black Endpoint Standard (API v3)",
		Secrets: []backends.SecretSpec{
			{Name: catalog.KeyAPI, Required: true, Help: "API secret key and API id of a key of type API, as SECRET/ID"},
			{Name: catalog.KeySIEM, Help: "SECRET/ID of a key of type SIEM; only for alert_source: notifications"},
			{Name: catalog.KeyLiveResponse, Help: "SECRET/ID of a key of type LIVE_RESPONSE; for respond and carve"},
		},
		Keys: []backends.KeySpec{
			{Name: "quarantine_policy", Help: "name or id of the policy that isolates a device"},
			{Name: "alert_source", Enum: []string{"events", "notifications"},
				Help: "where alerts are listed from: events (default, reads only) or notifications (empties the SIEM key's queue)"},
			{Name: settingHunt, Enum: []string{huntAll, huntActor},
				Help: "what hunts for SHA-256 and process names look at: all (default: every event of the window is fetched and compared) or actor (the server is asked, and finds the acting process only)"},
		},
		Limits: backends.Limits{
			PageSize: catalog.EventRows, Cap: resultCeiling, MaxWindow: eventWindow, LookBack: retention,
			Precision: time.Millisecond, Concurrent: concurrent,
		},
		New:       New,
		Catalog:   catalog.Operations,
		Resources: catalog.Resources,
		Pushes:    pushes,
		Fields:    fields,
	})
}

// The vendor limits by address, with a sliding window of about 1,000 requests
// in 5 minutes, and bans who continues after a 429 (§3.2). A burst is allowed,
// so the pace is held by Retry-After and by never asking widely at once.
const (
	concurrent = 4
	perSecond  = 20
	burst      = 100 // a tenth of what the vendor's example allows in five minutes
)

// Driver talks to one Carbon Black server. It is safe for use by several
// goroutines.
type Driver struct {
	opt      backends.Options
	client   *client.Client
	redactor *client.Redactor

	mu   sync.Mutex
	keys map[string]string

	cache      alertCache
	spool      *spool // nil unless alerts come from notifications
	live       sessions
	unresolved unresolvedChanges
	starts     startCache
}

// New builds a driver; it does no I/O.
func New(o backends.Options) (backends.Driver, error) {
	base, err := cleanBase(o.Client.BaseURL)
	if err != nil {
		return nil, err
	}
	o.Client.BaseURL = base
	if o.Client.Redactor == nil {
		o.Client.Redactor = client.NewRedactor()
	}
	d := &Driver{opt: o, redactor: o.Client.Redactor, keys: map[string]string{}}
	if o.Settings["alert_source"] == "notifications" {
		d.spool = newSpool(o.StateDir, o.Profile)
	}
	d.client, err = client.New(o.Client, client.Options{
		Authorize: d.authorize,
		Rate:      client.Rate{PerSecond: perSecond, Burst: burst, Concurrent: concurrent},
	})
	if err != nil {
		return nil, err
	}
	return d, nil
}

var apiSuffix = lazyregexp.New(`(?i)(/integrationServices(/v3)?)?/*$`)

// cleanBase takes off what users paste with the host: a trailing slash and
// /integrationServices[/v3] (§2).
func cleanBase(base string) (string, error) {
	b := strings.TrimSpace(base)
	if !strings.HasPrefix(strings.ToLower(b), "http://") && !strings.HasPrefix(strings.ToLower(b), "https://") {
		return "", backends.Invalid("cannot use the url of the profile",
			fmt.Sprintf("%q does not begin with https://", base))
	}
	return apiSuffix.ReplaceAllString(strings.TrimRight(b, "/"), ""), nil
}

// Backend is the registered name.
func (d *Driver) Backend() string { return Name }

// Close ends the live response sessions. Connections belong to the transport.
func (d *Driver) Close() error {
	d.closeSessions()
	return nil
}

// Check asks for one device with each key that may read devices. The SIEM key
// is not tried: its only route hands every alert out once.
func (d *Driver) Check(ctx context.Context) (backends.Health, error) {
	h := backends.Health{Product: "Carbon Black Endpoint Standard", Version: "v3"}
	var firstErr error
	answered := false
	for _, name := range []string{catalog.KeyAPI, catalog.KeyLiveResponse} {
		c := backends.CredentialCheck{Name: name}
		if _, err := d.key(ctx, name); err != nil {
			c.Note = err.Error()
			if name == catalog.KeyAPI {
				firstErr = err
			}
			h.Credentials = append(h.Credentials, c)
			continue
		}
		c.Present = true
		began := d.opt.Clock()
		reply, err := d.get(withKey(ctx, name), "cannot reach Carbon Black", catalog.RouteDevice, "/device", wire.FirstRow(), nil)
		if name == catalog.KeyAPI && backends.KindOf(err) == backends.KindUnsupported {
			// Devices and events were switched off at different times (§0).
			h.Notes = append(h.Notes, err.Error())
			q := wire.FirstRow()
			wire.SetWindow(q, began.Add(-time.Hour).UnixMilli(), began.UnixMilli())
			reply, err = d.get(ctx, "cannot reach Carbon Black", catalog.RouteEvent, "/event", q, nil)
		}
		c.OK = err == nil
		if err != nil {
			c.Note = err.Error()
			if firstErr == nil && name == catalog.KeyAPI {
				firstErr = err
			}
		} else {
			answered = true
			h.ReadClock(reply.Header, reply.Timing, d.opt.Clock())
		}
		h.Credentials = append(h.Credentials, c)
	}
	c := backends.CredentialCheck{Name: catalog.KeySIEM}
	if _, err := d.key(ctx, catalog.KeySIEM); err == nil {
		// OK says no more than that it is there and of the right form.
		c.Present, c.OK = true, true
		c.Note = "not tried: reading the notification queue would empty it"
	} else {
		c.Note = err.Error()
	}
	h.Credentials = append(h.Credentials, c)
	if !answered && firstErr != nil {
		return h, firstErr
	}
	return h, nil
}

// What this driver can do, held by the compiler.
var (
	_ backends.Driver           = (*Driver)(nil)
	_ backends.AlertLister      = (*Driver)(nil)
	_ backends.AlertGetter      = (*Driver)(nil)
	_ backends.AlertEventLister = (*Driver)(nil)
	_ backends.EventSearcher    = (*Driver)(nil)
	_ backends.EventGetter      = (*Driver)(nil)
	_ backends.HostLister       = (*Driver)(nil)
	_ backends.HostGetter       = (*Driver)(nil)
	_ backends.ProcessLister    = (*Driver)(nil)
	_ backends.HashInspector    = (*Driver)(nil)
)
