package esp

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/backends/esp/reply"
	"github.com/edrctl/edrctl/internal/backends/esp/wire"
	"github.com/edrctl/edrctl/internal/client"
	"github.com/edrctl/edrctl/internal/filter"
	"github.com/edrctl/edrctl/internal/model"
	"golang.org/x/sync/errgroup"
)

// Hosts lists the hosts (22). Removed hosts are not among them, as in the
// vendor's console.
func (d *Driver) Hosts(ctx context.Context, q backends.Query) (backends.Listing[*model.Host], error) {
	return d.hostList(ctx, "cannot list hosts", q, wire.ListRequest{}), nil
}

// RemovedHosts lists the hosts that were removed and are not deleted (22).
func (d *Driver) RemovedHosts(ctx context.Context, q backends.Query) (backends.Listing[*model.Host], error) {
	return d.hostList(ctx, "cannot list removed hosts", q, wire.ListRequest{Enabled: new(bool)}), nil
}

func (d *Driver) hostList(ctx context.Context, what string, q backends.Query, req wire.ListRequest) backends.Listing[*model.Host] {
	limit := reply.ListPage
	req.Start, req.Limit, req.SearchTerm = new(int), &limit, hostSearch(q.Filter)
	l := backends.Listing[*model.Host]{Plan: backends.Plan{
		Requests: []string{d.session.Describe(http.MethodPost, "/hosts", req) + " …"},
		Residual: q.Filter,
	}}
	l.Seq = func(yield func(*model.Host, error) bool) {
		seen := map[string]bool{}
		stopped := false
		var batch []*model.Host
		named := filter.Filter{Terms: q.Filter.Get(filter.Host)}
		give := func() error {
			defer func() { batch = batch[:0] }()
			if !q.Brief {
				wanted := slices.DeleteFunc(slices.Clone(batch), func(h *model.Host) bool { return !named.Match(h) })
				if err := d.complete(ctx, what, wanted); err != nil {
					return err
				}
			}
			for _, m := range batch {
				if stopped = !yield(m, nil); stopped {
					return nil
				}
			}
			return nil
		}
		err := d.eachHost(ctx, what, req, func(h *wire.Host, raw []byte) (bool, error) {
			m := listedHost(req, h)
			if seen[m.ID] {
				return true, nil
			}
			seen[m.ID] = true
			if q.Raw {
				m.Raw = json.RawMessage(raw)
			}
			batch = append(batch, m)
			if len(batch) < hostBatch {
				return true, nil
			}
			err := give()
			return err == nil && !stopped, err
		})
		if err == nil && !stopped {
			err = give()
		}
		if err != nil && !stopped {
			yield(nil, err)
		}
	}
	return l
}

// listedHost is a host of the list that was asked for: a removed host is served no
// longer, whether or not its agent still asks.
func listedHost(r wire.ListRequest, h *wire.Host) *model.Host {
	m := hostModel(h)
	if r.Enabled != nil && !*r.Enabled {
		m.State = "removed"
	}
	return m
}

// hostBatch is how many hosts are completed before they are given.
const hostBatch = 64

// complete adds to hosts of the list (22) what only the host itself (23) has:
// last check-in, interfaces, version of the agent. A host that is gone by now
// stays as it was listed.
func (d *Driver) complete(ctx context.Context, what string, hosts []*model.Host) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(4)
	for _, h := range hosts {
		group.Go(func() error {
			one, err := d.hostDetail(ctx, what, h.ID)
			if backends.KindOf(err) == backends.KindNotFound {
				return nil
			}
			if err == nil {
				fillHost(h, one)
			}
			return err
		})
	}
	return group.Wait()
}

// eachHost reads all pages of 22; start and limit page only together.
func (d *Driver) eachHost(ctx context.Context, what string, req wire.ListRequest, each func(*wire.Host, []byte) (bool, error)) error {
	return reply.OffsetPages(ctx, what, reply.ListPage, func(ctx context.Context, start, limit int) (*reply.Page, error) {
		req.Start, req.Limit = &start, &limit
		return d.session.AskPage(ctx, what, "/hosts", req)
	}, func(v []byte) (bool, error) {
		var h wire.Host
		if err := json.Unmarshal(v, &h); err != nil {
			return false, reply.Malformed(what, err)
		}
		return each(&h, v)
	})
}

// Host reads one host by identifier or node id: 23, and what only the list
// (22) has, whether it is online, its tags and its alerts.
func (d *Driver) Host(ctx context.Context, id string, raw bool) (*model.Host, error) {
	what := "cannot read host " + id
	if id == "" {
		return nil, backends.Invalid(what, "the id is empty")
	}
	one, err := d.hostDetail(ctx, what, id)
	if err != nil {
		return nil, err
	}
	for _, enabled := range []bool{true, false} {
		m, err := d.listed(ctx, what, one, wire.ListRequest{Enabled: &enabled})
		if err != nil {
			return nil, err
		}
		if m != nil {
			m.Raw = one.Raw
			fillHost(m, one)
			one = m
			break
		}
	}
	if !raw {
		one.Raw = nil
	}
	return one, nil
}

// hostDetail reads a host as 23 shows it, with its JSON.
func (d *Driver) hostDetail(ctx context.Context, what, id string) (*model.Host, error) {
	a, err := d.session.Ask(ctx, what, "/hosts/"+url.PathEscape(id), client.Call{})
	if err != nil {
		if backends.KindOf(err) == backends.KindUnsupported {
			return nil, backends.NotFound("host", id)
		}
		return nil, err
	}
	var h wire.Host
	if wire.KindOf(a.Data) != '{' {
		return nil, backends.Malformed(what, "the answer carries no host")
	}
	if err := json.Unmarshal(a.Data, &h); err != nil {
		return nil, reply.Malformed(what, err)
	}
	m := hostModel(&h)
	m.Raw = a.Data
	return m, nil
}

// fillHost completes a host of the list by the host itself.
func fillHost(h, one *model.Host) {
	h.LastSeen, h.MAC, h.AgentVersion = one.LastSeen, one.MAC, one.AgentVersion
	for _, ip := range one.IP {
		if !wire.Has(h.IP, ip) {
			h.IP = append(h.IP, ip)
		}
	}
	if h.OS == nil {
		h.OS = one.OS
	}
}

// hostModel is the normalised host (docs/formats.md §5). node_key, a secret of
// the agent, is never read.
func hostModel(h *wire.Host) *model.Host {
	m := &model.Host{Name: h.Name()}
	m.ID = h.Identifier()
	var os wire.OS
	if wire.KindOf(h.OSInfo) == '{' && json.Unmarshal(h.OSInfo, &os) == nil {
		m.OS = &model.OS{Name: string(os.Name), Version: string(os.Version), Platform: platform(wire.FirstOf(string(os.Platform), string(h.Platform)))}
		if *m.OS == (model.OS{}) {
			m.OS = nil
		}
	}
	m.IP, m.MAC = addresses(h.NetworkInfo)
	if ip := model.Address(string(h.LastIP)); ip != "" && !wire.Has(m.IP, ip) {
		m.IP = append([]string{ip}, m.IP...)
	}
	m.Tags = wire.Strings(h.Tags)
	m.LastSeen = parseTime(string(h.LastCheckin))
	if h.IsActive != nil {
		m.Online = model.Ptr(bool(*h.IsActive))
		m.State = "offline"
		if *m.Online {
			m.State = "online"
		}
	}
	if h.AlertsCount != nil {
		m.AlertCount = model.Ptr(int(*h.AlertsCount))
	}
	if wire.KindOf(h.HostDetails) == '{' {
		_ = wire.EachMember(h.HostDetails, func(name string, v []byte) error {
			if name == "osquery_version" {
				m.AgentVersion = wire.Scalar(v)
			}
			return nil
		})
	}
	return m
}

// platform brings the agent's word (ubuntu, rhel, …) to the three platforms.
func platform(s string) string {
	switch s {
	case "", "windows", "darwin":
		return s
	}
	return "linux"
}

// addresses reads network_info: a list of interfaces, or an object that is
// empty or holds one interface (§17, 23).
func addresses(v []byte) (ips, macs []string) {
	one := func(v []byte) error {
		if wire.KindOf(v) != '{' {
			return nil
		}
		return wire.EachMember(v, func(name string, v []byte) error {
			switch s := wire.Scalar(v); {
			case s == "":
			case name == "address":
				if s = model.Address(s); !wire.Has(ips, s) {
					ips = append(ips, s)
				}
			case name == "mac" && !wire.Has(macs, s):
				macs = append(macs, s)
			}
			return nil
		})
	}
	switch wire.KindOf(v) {
	case '[':
		_ = wire.EachElement(v, one)
	case '{':
		_ = one(v)
	}
	return ips, macs
}

// load reads the hosts once; removed hosts too when all is true.
func (d *Driver) loadHosts(ctx context.Context, what string, all bool) error {
	d.hosts.mu.Lock()
	defer d.hosts.mu.Unlock()
	if d.hosts.loaded && (d.hosts.all || !all) {
		return nil
	}
	read := func(req wire.ListRequest) error {
		return d.eachHost(ctx, what, req, func(h *wire.Host, _ []byte) (bool, error) {
			m := &model.Host{Name: string(h.DisplayName)}
			m.ID = wire.FirstOf(string(h.HostIdentifier), string(h.ID))
			if m.Name == "" {
				m.Name = m.ID
			}
			if d.hosts.byNode == nil {
				d.hosts.byNode = map[string]*model.Host{}
			}
			if d.hosts.byNode[string(h.ID)] == nil {
				d.hosts.byNode[string(h.ID)] = m
				d.hosts.list = append(d.hosts.list, m)
			}
			return true, nil
		})
	}
	if !d.hosts.loaded {
		if err := read(wire.ListRequest{}); err != nil {
			return err
		}
		d.hosts.loaded = true
	}
	if all && !d.hosts.all {
		no := false
		if err := read(wire.ListRequest{Enabled: &no}); err != nil {
			return err
		}
		d.hosts.all = true
	}
	return nil
}

// hostOf gives the host of a node id: the identifier other answers use, or
// the node id itself for a host that was deleted.
func (d *Driver) hostOf(ctx context.Context, what, node, name string) (*model.Host, error) {
	if node == "" && name == "" {
		return nil, nil
	}
	for _, all := range []bool{false, true} {
		if err := d.loadHosts(ctx, what, all); err != nil {
			return nil, err
		}
		d.hosts.mu.Lock()
		h := d.hosts.byNode[node]
		d.hosts.mu.Unlock()
		if h != nil {
			m := &model.Host{Name: wire.FirstOf(name, h.Name)}
			m.ID = h.ID
			return m, nil
		}
		if node == "" {
			break
		}
	}
	m := &model.Host{Name: name}
	m.ID = node
	return m, nil
}

// matchHosts gives the hosts the host terms of f select, removed ones
// included; ok is false when f names no host.
func (d *Driver) matchHosts(ctx context.Context, what string, f filter.Filter) (hosts []*model.Host, ok bool, err error) {
	terms := f.Get(filter.Host)
	if len(terms) == 0 {
		return nil, false, nil
	}
	if err := d.loadHosts(ctx, what, true); err != nil {
		return nil, true, err
	}
	only := filter.Filter{Terms: terms}
	d.hosts.mu.Lock()
	defer d.hosts.mu.Unlock()
	for _, h := range d.hosts.list {
		if only.Match(h) {
			hosts = append(hosts, h)
		}
	}
	return hosts, true, nil
}

// HostCounts gives the online and offline hosts of each platform (25).
func (d *Driver) HostCounts(ctx context.Context) (map[string]HostCount, error) {
	const what = "cannot count hosts"
	a, err := d.session.Ask(ctx, what, "/hosts/count", client.Call{})
	if err != nil {
		return nil, err
	}
	out := map[string]HostCount{}
	if wire.KindOf(a.Data) != '{' {
		return nil, backends.Malformed(what, "the answer carries no counts")
	}
	err = wire.EachMember(a.Data, func(name string, v []byte) error {
		var c HostCount
		if wire.KindOf(v) != '{' {
			return nil
		}
		err := wire.EachMember(v, func(state string, n []byte) error {
			switch state {
			case "online":
				c.Online = int(wire.Number(n, 0))
			case "offline":
				c.Offline = int(wire.Number(n, 0))
			}
			return nil
		})
		out[name] = c
		return err
	})
	if err != nil {
		return nil, reply.Malformed(what, err)
	}
	return out, nil
}

// HostCount is how many hosts of a platform checked in within 300 s, and how
// many did not.
type HostCount struct{ Online, Offline int }

// hostNamed finds the identifier of a host of the directory, and how many
// there are of its name.
func (d *Driver) hostNamed(name string) (id string, n int) {
	d.hosts.mu.Lock()
	defer d.hosts.mu.Unlock()
	for _, h := range d.hosts.list {
		if h.ID == name {
			return h.ID, 1
		}
		if strings.EqualFold(h.Name, name) {
			id = h.ID
			n++
		}
	}
	return id, n
}

// isRemoved tells in which of the two lists a host is (22); known is
// false when in none.
func (d *Driver) isRemoved(ctx context.Context, what string, h *model.Host) (removed, known bool, err error) {
	for _, enabled := range []bool{true, false} {
		found, err := d.listed(ctx, what, h, wire.ListRequest{Enabled: &enabled})
		if err != nil {
			return false, false, err
		}
		if found != nil {
			return !enabled, true, nil
		}
	}
	return false, false, nil
}

// listed finds a host in the list of hosts (22), which alone tells whether it
// is online; nil when it is not there.
func (d *Driver) listed(ctx context.Context, what string, h *model.Host, req wire.ListRequest) (*model.Host, error) {
	req.SearchTerm = h.Name
	if h.Name == h.ID || strings.ContainsAny(h.Name, `%_\'`) {
		req.SearchTerm = ""
	}
	var found *model.Host
	err := d.eachHost(ctx, what, req, func(w *wire.Host, _ []byte) (bool, error) {
		if m := listedHost(req, w); m.ID == h.ID {
			found = m
		}
		return found == nil, nil
	})
	return found, err
}
