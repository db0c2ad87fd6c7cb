package files

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/evidence"
	"github.com/edrctl/edrctl/internal/model"
)

// hostKey is what a host is known by in files: its name, which all records
// have, before ids, which only some have.
func hostKey(h *model.Host) string {
	if h.Name != "" {
		return strings.ToLower(h.Name)
	}
	return h.ID
}

// learn adds what one record knows of a host.
func learn(known, h *model.Host) {
	set := func(a *string, b string) {
		if *a == "" {
			*a = b
		}
	}
	set(&known.Name, h.Name)
	set(&known.Domain, h.Domain)
	set(&known.User, h.User)
	set(&known.AgentVersion, h.AgentVersion)
	set(&known.State, h.State)
	if known.OS == nil || known.OS.Name == "" && h.OS != nil && h.OS.Name != "" {
		known.OS = h.OS
	}
	known.IP = union(known.IP, h.IP)
	known.MAC = union(known.MAC, h.MAC)
	known.Tags = union(known.Tags, h.Tags)
	if known.Isolated == nil {
		known.Isolated = h.Isolated
	}
	if known.Policy == nil {
		known.Policy = h.Policy
	}
	if h.LastSeen.After(known.LastSeen.Time) {
		known.LastSeen = h.LastSeen
	}
}

// maxValues bounds what is gathered of one host.
const maxValues = 64

func union(a, b []string) []string {
	for _, s := range b {
		if len(a) < maxValues && !slices.Contains(a, s) {
			a = append(a[:len(a):len(a)], s)
		}
	}
	return a
}

// Hosts gives the hosts that the records name, by name.
func (d *Driver) Hosts(ctx context.Context, q backends.Query) (backends.Listing[*model.Host], error) {
	x, err := d.start(ctx, q)
	if err != nil {
		return backends.Listing[*model.Host]{}, err
	}
	plan := d.plan(x, q)
	plan.Notes = append(plan.Notes, "hosts are made of the records of the files")
	return backends.Listing[*model.Host]{Plan: plan, Seq: func(yield func(*model.Host, error) bool) {
		all := x.hosts()
		if err := d.countAlerts(ctx, x, all); err != nil {
			yield(nil, err)
			return
		}
		for _, key := range slices.Sorted(maps.Keys(all)) {
			if !yield(all[key], nil) {
				return
			}
		}
		if err := x.broken(); err != nil {
			yield(nil, err)
		}
	}}, nil
}

// hosts merges what the files know of each host.
func (x *index) hosts() map[string]*model.Host {
	all := map[string]*model.Host{}
	for _, f := range x.list() {
		f.mu.Lock()
		for key, h := range f.hosts {
			if all[key] == nil {
				all[key] = &model.Host{Origin: model.Origin{ID: key}, AlertCount: model.Ptr(0)}
			}
			learn(all[key], h)
		}
		f.mu.Unlock()
	}
	return all
}

func (d *Driver) countAlerts(ctx context.Context, x *index, all map[string]*model.Host) error {
	for r, err := range x.read(ctx, x.all(kindAlert), evidence.Options{Zone: d.zone}) {
		if err != nil {
			if backends.KindOf(err) == backends.KindPartial {
				return nil
			}
			return err
		}
		if h := model.HostOf(r); h != nil && all[hostKey(h)] != nil {
			*all[hostKey(h)].AlertCount++
		}
	}
	return nil
}

// Host gives one host by its id, which is its name in lower case.
func (d *Driver) Host(ctx context.Context, id string, _ bool) (*model.Host, error) {
	x, err := d.indexed(ctx, false)
	if err != nil {
		return nil, err
	}
	all := x.hosts()
	h := all[strings.ToLower(id)]
	if h == nil {
		return nil, backends.NotFound("host", id)
	}
	return h, d.countAlerts(ctx, x, all)
}
