package gene

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/backends/gene/wire"
	"github.com/edrctl/edrctl/internal/client"
	"github.com/edrctl/edrctl/internal/filter"
	"github.com/edrctl/edrctl/internal/model"
)

// endpoint is an endpoint of the manager, with what all of its events share.
type endpoint struct {
	wire.Endpoint

	os           *model.OS
	ips          []string
	agentVersion string
	raw          json.RawMessage // without secrets, when it was asked for
}

// byUUID is an endpoint of which nothing but the UUID is known.
func byUUID(uuid string) endpoint { return endpoint{Endpoint: wire.Endpoint{UUID: uuid}} }

// endpoints reads the list, which is the truth even where single look-ups are
// wrong (traps 1 and 2). Entries without a UUID are phantoms and are left out.
// The list never carries a key on managers that can hide it; where it does,
// the key is masked from then on and never leaves this function.
func (d *Driver) endpoints(ctx context.Context, raw bool) ([]endpoint, error) {
	var docs []json.RawMessage
	var reply *client.Reply
	err := d.alone(ctx, func() (err error) {
		reply, err = d.get(ctx, "/endpoints", nil, &docs)
		return err
	})
	if err != nil {
		return nil, err
	}
	list := make([]endpoint, 0, len(docs))
	for _, doc := range docs {
		var ep endpoint
		if err := json.Unmarshal(doc, &ep); err != nil {
			return nil, backends.Malformed("", "an entry of the list of endpoints is not of the promised shape")
		}
		if ep.UUID == "" {
			continue
		}
		d.take(&ep, doc, raw)
		list = append(list, ep)
	}
	// The newest managers list in no order.
	slices.SortStableFunc(list, func(a, b endpoint) int {
		if c := strings.Compare(strings.ToLower(a.Hostname), strings.ToLower(b.Hostname)); c != 0 {
			return c
		}
		return strings.Compare(a.UUID, b.UUID)
	})
	d.learn(reply.Header, list)
	return list, nil
}

// take prepares an endpoint just read: no secret stays in it.
func (d *Driver) take(ep *endpoint, doc []byte, raw bool) {
	if ep.Key != "" {
		d.redactor.Add(ep.Key)
		ep.Key = ""
	}
	if raw {
		ep.raw = wire.WithoutSecrets(doc)
	}
	if ep.IP != "" {
		ep.ips = []string{model.Address(ep.IP)}
	}
	si := ep.SystemInfo
	if si == nil {
		return
	}
	if si.EDR != nil {
		ep.agentVersion = string(si.EDR.Version)
	}
	os := &model.OS{Name: string(si.OS.Product), Version: string(si.OS.Version), Platform: strings.ToLower(string(si.OS.Name))}
	if os.Name == "" {
		os.Name = string(si.OS.Name)
	}
	if os.Version == "" {
		os.Version = string(si.OS.Build)
	}
	if *os != (model.OS{}) {
		ep.os = os
	}
}

func (d *Driver) host(ep endpoint) *model.Host {
	h := &model.Host{
		Origin: model.Origin{ID: ep.UUID}, Name: ep.Hostname, IP: ep.ips, OS: ep.os,
		AgentVersion: ep.agentVersion, State: ep.Status, Raw: ep.raw,
	}
	if ep.Group != nil && *ep.Group != "" {
		h.Tags = []string{*ep.Group}
	}
	if t, ok := wire.ParseTime(ep.LastConnection); ok {
		h.LastSeen = model.At(t)
		h.Online = model.Ptr(d.now().Sub(t) < onlineAfter)
	} else {
		h.Online = model.Ptr(false)
	}
	return h
}

// Hosts lists the endpoints, by name. The report score and the number of
// alerts come from the reports; a manager that cannot give those is no error.
func (d *Driver) Hosts(ctx context.Context, q backends.Query) (backends.Listing[*model.Host], error) {
	const what = "cannot list hosts"
	plan := backends.Plan{
		Requests: []string{d.c.Describe(client.Call{Path: "/endpoints"}), d.c.Describe(client.Call{Path: "/endpoints/reports"})},
		Residual: q.Filter,
	}
	return backends.Listing[*model.Host]{Plan: plan, Seq: func(yield func(*model.Host, error) bool) {
		list, err := d.endpoints(ctx, q.Raw)
		if err != nil {
			yield(nil, d.fail(what, err))
			return
		}
		reports, err := d.reports(ctx)
		if err != nil {
			if ctx.Err() != nil {
				yield(nil, d.fail(what, err))
				return
			}
			d.warn("the reports could not be read, report_score and alert_count are missing: " + err.Error())
		}
		for _, ep := range list {
			h := d.host(ep)
			withReport(h, reports[ep.UUID])
			if !yield(h, nil) {
				return
			}
		}
	}}, nil
}

func withReport(h *model.Host, r *wire.Report) {
	if r == nil {
		return
	}
	h.ReportScore = model.Ptr(float64(r.Score))
	h.AlertCount = model.Ptr(int(r.AlertCount))
}

// Host reads one endpoint by its UUID, or by its name when only one has it.
func (d *Driver) Host(ctx context.Context, id string, raw bool) (*model.Host, error) {
	what := "cannot read host " + id
	ep, err := d.endpoint(ctx, id, raw)
	if err != nil {
		return nil, d.fail(what, err)
	}
	h := d.host(ep)
	var r *wire.Report
	err = d.alone(ctx, func() error {
		_, err := d.get(ctx, "/endpoints/"+ep.UUID+"/report", nil, &r)
		return err
	})
	switch {
	case err == nil && r != nil && r.Identifier != ep.UUID:
		d.warnIndex(ep.UUID, r.Identifier)
	case err == nil:
		withReport(h, r)
	case ctx.Err() != nil:
		return nil, d.fail(what, err)
	default:
		d.warn("the report of " + ep.UUID + " could not be read: " + err.Error())
	}
	return h, nil
}

// endpoint finds one endpoint in the list, and compares what the look-up by
// UUID says: a manager that answers for another endpoint (trap 1) would also
// give commands to that other endpoint.
func (d *Driver) endpoint(ctx context.Context, id string, raw bool) (endpoint, error) {
	list, err := d.endpoints(ctx, raw)
	if err != nil {
		return endpoint{}, err
	}
	var found []endpoint
	for _, ep := range list {
		if ep.UUID == id {
			found = []endpoint{ep}
			break
		}
		if strings.EqualFold(ep.UUID, id) || strings.EqualFold(ep.Hostname, id) {
			found = append(found, ep)
		}
	}
	switch len(found) {
	case 0:
		return endpoint{}, backends.NotFound("host", id)
	case 1:
	default:
		return endpoint{}, backends.Invalid("", fmt.Sprintf("%d endpoints are called %s: use the UUID", len(found), id))
	}
	ep := found[0]
	q := url.Values{}
	if d.flavour().needsShowKey {
		q.Set("showkey", "true") // trap 3: without it beta.2 forgets the key
	}
	var doc json.RawMessage
	err = d.alone(ctx, func() error {
		_, err := d.get(ctx, "/endpoints/"+ep.UUID, q, &doc)
		return err
	})
	var one endpoint
	if err == nil && doc != nil {
		err = json.Unmarshal(doc, &one)
	}
	switch {
	case ctx.Err() != nil:
		return endpoint{}, ctx.Err()
	case err != nil && !isAnswer(err) && !isCut(err):
		return endpoint{}, err
	case err != nil, one.UUID != ep.UUID:
		d.warnIndex(ep.UUID, one.UUID)
		return ep, nil
	}
	d.take(&one, doc, raw)
	return one, nil
}

// warnIndex raises the alarm of trap 1.
func (d *Driver) warnIndex(asked, got string) {
	if got == "" {
		got = "nobody"
	}
	d.warn(fmt.Sprintf("the manager answered for %s when asked for endpoint %s: its index is wrong since an endpoint was deleted. "+
		"Restart it before you send any command: commands would reach the wrong machine", got, asked))
}

// hostFilter makes a predicate of the host filters: they choose which endpoints
// are asked. They stay in the residual, for endpoints without a known name and
// events forwarded from other computers.
func hostFilter(f filter.Filter) func(*model.Host) bool {
	only := filter.Filter{Terms: f.Get(filter.Host)}
	return func(h *model.Host) bool { return only.Match(h) }
}

// learn notes what the list told about the manager's version.
func (d *Driver) learn(h http.Header, list []endpoint) {
	d.verMu.Lock()
	defer d.verMu.Unlock()
	d.ver.json = strings.HasPrefix(h.Get("Content-Type"), "application/json")
	if d.ver.json && d.ver.path == "" {
		d.ver.path = routeDetections // since beta.1, and JSON is so labelled since beta.2
	}
	if len(list) > 0 {
		d.ver.needsShowKey = list[0].Group != nil && list[0].Criticality == nil
		d.ver.systemInfo = slices.ContainsFunc(list, func(e endpoint) bool { return e.SystemInfo != nil || e.LastEvent != "" })
		d.ver.criticality = list[0].Criticality != nil
	} else {
		d.ver.needsShowKey = d.ver.json
	}
}
