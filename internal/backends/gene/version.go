package gene

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/backends/gene/wire"
	"github.com/edrctl/edrctl/internal/client"
)

// Releases that differ in what may be asked of them.
const (
	beta2 = "v1.8.0-beta.2"
	beta3 = "v1.8.0-beta.3"
)

// probe finds out once whether the manager has /detections or /alerts, and
// whether it gives everybody's logs to whoever asks for one. uuid is an
// endpoint of the list.
func (d *Driver) probe(ctx context.Context, uuid string) (flavour, error) {
	f := d.flavour()
	if f.path == "" {
		f.path = routeDetections
		at := d.now().UTC().Truncate(time.Second)
		_, err := d.c.Do(ctx, client.Call{Path: "/endpoints/" + uuid + "/" + routeDetections, Query: wire.LogQuery(at, at.Add(time.Second), 0)})
		if isStatus(err, http.StatusNotFound) {
			f.path = routeAlerts
		} else if err != nil {
			return flavour{}, err
		}
	}
	if !f.sharedLogsKnown {
		f.sharedLogsKnown = true
		if f.json && !f.systemInfo { // beta.2 to beta.6
			later, err := d.sinceBeta4(ctx)
			if err != nil {
				return flavour{}, err
			}
			f.sharedLogs = !later
		}
	}
	d.verMu.Lock()
	defer d.verMu.Unlock()
	d.ver.path, d.ver.sharedLogs, d.ver.sharedLogsKnown = f.path, f.sharedLogs, f.sharedLogsKnown
	return d.ver, nil
}

// sinceBeta4 tells beta.4 and later from beta.2 and beta.3. They have /iocs;
// where it is missing, a proxy may hide it, so the name of the key decides:
// the older two refuse one under the new name (recorded of beta.2). Taken for
// older, a manager would be asked for one endpoint's events only.
func (d *Driver) sinceBeta4(ctx context.Context) (bool, error) {
	has, err := d.exists(ctx, "/iocs", url.Values{"uuid": {nilUUID}})
	if has || err != nil {
		return has, err
	}
	_, err = d.c.Do(context.WithValue(ctx, newKeyOnly{}, true), client.Call{Path: "/stats"})
	if isStatus(err, http.StatusForbidden) {
		return false, nil
	}
	return err == nil, err
}

// exists tells whether the manager has a route. Only those that change
// nothing are asked for.
func (d *Driver) exists(ctx context.Context, path string, q url.Values) (bool, error) {
	_, err := d.c.Do(ctx, client.Call{Path: path, Query: q})
	if isStatus(err, http.StatusNotFound) {
		return false, nil
	}
	return err == nil, err
}

// Check reaches the manager, tells its version as far as it can be found out
// with safe requests (docs/wire/gene.md 0), and looks for the lock-up of trap 4.
func (d *Driver) Check(ctx context.Context) (backends.Health, error) {
	const what = "cannot reach the manager"
	health := backends.Health{Product: "Gene (WHIDS) manager", Credentials: []backends.CredentialCheck{{Name: secretKey}}}
	if _, err := d.secret(ctx); err != nil {
		health.Credentials[0].Note = err.Error()
		return health, d.fail(what, err)
	}
	cred := &health.Credentials[0]
	cred.Present = true
	var st wire.Stats
	reply, err := d.get(ctx, "/stats", nil, &st)
	if err != nil {
		if isStatus(err, http.StatusForbidden) {
			cred.Note = "refused"
		}
		return health, d.fail(what, err)
	}
	cred.OK = true
	health.ReadClock(reply.Header, reply.Timing, d.now())
	list, err := d.endpoints(ctx, false)
	if err != nil {
		return health, d.fail("cannot list endpoints", err)
	}
	if health.Version, err = d.version(ctx, list); err != nil {
		return health, d.fail("cannot find out the version", err)
	}
	if n := int(st.Endpoints); n > len(list) {
		health.Notes = append(health.Notes, "the manager counts more endpoints than it lists: phantoms made by requests with unknown UUIDs")
	}
	f := d.flavour()
	if f.legacy() {
		health.Notes = append(health.Notes,
			"this version reads whole days of logs at a time and has no paging: large windows are slow",
			"this version has no event streams: watching polls")
	}
	if health.Version == beta2 {
		health.Notes = append(health.Notes, "this version forgets an endpoint's key when it is looked up without showkey=true by another client")
	}
	return health, nil
}

// version tells the release by the routes that exist. None of the requests
// changes anything or reads a secret.
func (d *Driver) version(ctx context.Context, list []endpoint) (string, error) {
	f := d.flavour()
	if !f.json {
		uuid := nilUUID
		if len(list) > 0 {
			uuid = list[0].UUID
		}
		f, err := d.probe(ctx, uuid)
		if err != nil {
			return "", err
		}
		if f.path == routeDetections {
			return "v1.8.0-beta.1", nil
		}
		artifacts, err := d.exists(ctx, "/endpoints/"+uuid+"/artifacts", nil)
		if err != nil {
			return "", err
		}
		if artifacts {
			return "v1.8.0-beta", nil
		}
		return "v1.7.0", nil
	}
	tools, err := d.exists(ctx, "/endpoints/windows/sysmon/binary", nil)
	switch {
	case err != nil:
		return "", err
	case tools:
		return "v1.8.0-beta.7 or later", nil
	}
	later, err := d.sinceBeta4(ctx)
	switch {
	case err != nil:
		return "", err
	case later:
		return "v1.8.0-beta.4 to beta.6", nil
	case f.criticality:
		return beta3, nil
	}
	uuid := nilUUID // these managers remember no UUID that was asked for
	if len(list) > 0 {
		uuid = list[0].UUID
	}
	archive, err := d.exists(ctx, "/endpoints/"+uuid+"/report/archive", url.Values{"last": {"1s"}})
	switch {
	case err != nil:
		return "", err
	case archive:
		return beta3, nil
	}
	return beta2, nil
}

// dialect finds out by safe requests which rules the manager takes
// (docs/wire/gene.md 0).
func (d *Driver) dialect(ctx context.Context) (dialect, error) {
	d.verMu.Lock()
	known := d.ver.rules
	d.verMu.Unlock()
	if known != nil {
		return *known, nil
	}
	list, err := d.endpoints(ctx, false)
	if err != nil {
		return dialect{}, err
	}
	v, err := d.version(ctx, list)
	if err != nil {
		return dialect{}, err
	}
	f := d.flavour()
	out := dialect{array: strings.Contains(v, "beta.7"), schema2: f.json, actions: v != "v1.7.0"}
	d.verMu.Lock()
	d.ver.rules = &out
	d.verMu.Unlock()
	return out, nil
}
