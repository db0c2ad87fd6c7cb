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

// endpoints reads the list, which is the truth even where single lookups are
// wrong (traps 1 and 2). Entries without a UUID are phantoms and are left out.
// The list never carries a key on managers that can hide it; where it does,
// the key is masked from then on and never leaves this function.
func (d *Driver) endpoints(ctx context.Context, raw bool) ([]endpoint, error) {
	var docs []json.RawMessage
	var reply *client.Reply
	err := d.serialised(ctx, func() (err error) {
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
		d.sanitize(&ep, doc, raw)
		list = append(list, ep)
	}
	// The newest managers list in no order.
	slices.SortStableFunc(list, func(a, b endpoint) int {
		if c := strings.Compare(strings.ToLower(a.Hostname), strings.ToLower(b.Hostname)); c != 0 {
			return c
		}
		return strings.Compare(a.UUID, b.UUID)
	})
	d.learnVersion(reply.Header, list)
	return list, nil
}

// sanitize prepares an endpoint just read: no secret stays in it.
func (d *Driver) sanitize(ep *endpoint, doc []byte, raw bool) {
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

// learnVersion notes what the list told about the manager's version.
func (d *Driver) learnVersion(h http.Header, list []endpoint) {
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

// endpoint finds one endpoint in the list, and compares what the lookup by
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
	err = d.serialised(ctx, func() error {
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
	d.sanitize(&one, doc, raw)
	return one, nil
}

func (d *Driver) lookUp(ctx context.Context, what, id string) (endpoint, error) {
	list, err := d.endpoints(ctx, false)
	if err != nil {
		return endpoint{}, d.fail(what, err)
	}
	var found []endpoint
	for _, ep := range list {
		if ep.UUID == id {
			return ep, nil
		}
		if strings.EqualFold(ep.UUID, id) || ep.Hostname != "" && strings.EqualFold(ep.Hostname, id) {
			found = append(found, ep)
		}
	}
	switch len(found) {
	case 0:
		return endpoint{}, backends.NotFound("endpoint", id)
	case 1:
		return found[0], nil
	}
	return endpoint{}, backends.Invalid(what, fmt.Sprintf("%d endpoints are called %s: use the UUID", len(found), id))
}

// listed finds an endpoint in the list.
func (d *Driver) listed(ctx context.Context, uuid string) (endpoint, error) {
	list, err := d.endpoints(ctx, false)
	if err != nil {
		return endpoint{}, err
	}
	for _, ep := range list {
		if ep.UUID == uuid {
			return ep, nil
		}
	}
	return endpoint{}, backends.NotFound("endpoint", uuid)
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

// filterEndpoints leaves the endpoints a host filter asks for. An endpoint whose name the
// manager does not know (managers before the database forget names at a
// restart) has to be asked.
func filterEndpoints(all []endpoint, match func(*model.Host) bool) []endpoint {
	return slices.DeleteFunc(slices.Clone(all), func(ep endpoint) bool {
		return ep.Hostname != "" && !match(&model.Host{Origin: model.Origin{ID: ep.UUID}, Name: ep.Hostname})
	})
}
