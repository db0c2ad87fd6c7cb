package ops

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/filter"
	"github.com/edrctl/edrctl/internal/model"
	"github.com/edrctl/edrctl/internal/shellquote"
	"github.com/edrctl/edrctl/internal/suggest"
)

// maxSuggested bounds the unknown hosts of one command that get suggestions:
// each is compared with every host there is.
const maxSuggested = 10

// HostFinder finds the hosts that operands name, with one listing a profile.
type HostFinder struct {
	Fleet     *Fleet
	raw       bool
	Many      bool // operands: ids are looked up in the listing before their server is asked for each
	Removed   RemovedHosts
	listings  map[bool]*hostListing // of removed hosts, and of the others
	suggested int
}

// hostListing is what one listing of every profile gave.
type hostListing struct {
	hosts  []*model.Host
	index  *filter.HostIndex
	failed error
}

// RemovedHosts says whether an operand may name a host that was removed.
type RemovedHosts uint8

// When an operand may name a removed host.
const (
	RemovedNever RemovedHosts = iota // by its id only
	RemovedToo                       // when no other host has the name
	RemovedFirst                     // before the others: to have it back
)

// One finds the one host of an operand. Where several profiles know it, it is
// the one whose profile can do what is asked; can nil is every profile.
func (r *HostFinder) One(ctx context.Context, operand string, can func(*Source) bool) (*Source, *model.Host, error) {
	found, err := r.all(ctx, operand)
	if err != nil {
		return nil, nil, err
	}
	if able := r.able(found, can); len(able) > 0 {
		found = able
	} else {
		found = found[:1] // none can: the answer of one says so, and what it can do instead
	}
	if len(found) > 1 {
		return nil, nil, severalHosts(operand, found)
	}
	s, _, err := r.Fleet.Resolve(found[0].Ref)
	return s, found[0], err
}

func (r *HostFinder) able(hosts []*model.Host, can func(*Source) bool) []*model.Host {
	if can == nil {
		return hosts
	}
	var out []*model.Host
	for _, h := range hosts {
		if s, _, err := r.Fleet.Resolve(h.Ref); err == nil && can(s) {
			out = append(out, h)
		}
	}
	return out
}

// all finds every host an operand names: at least one, or an error. A ref is
// the host with that id. Anything else may be an id or a name, and where one
// host's name is another's id nobody can tell which is meant.
func (r *HostFinder) all(ctx context.Context, operand string) ([]*model.Host, error) {
	s, id, err := r.Fleet.Resolve(operand)
	if err != nil {
		return r.byName(ctx, nil, operand, nil)
	}
	if r.Many {
		if found := r.listed(ctx, s, id, id != operand); len(found) > 0 {
			return found, nil
		}
	}
	direct, err := get(r.Fleet, s.Profile+"/"+id, "cannot get a host", func(d backends.HostGetter, id string) (*model.Host, error) {
		return d.Host(ctx, id, r.raw)
	})
	kind := backends.KindOf(err)
	if err != nil && kind != backends.KindNotFound && kind != backends.KindUnsupported && kind != backends.KindInvalid {
		return nil, err
	}
	if err != nil {
		direct = nil
	}
	if isRef := id != operand; isRef && direct != nil && direct.ID == id {
		return []*model.Host{direct}, nil
	}
	found, nerr := r.byName(ctx, s, id, direct)
	if nerr != nil && kind == backends.KindUnsupported && backends.KindOf(nerr) == backends.KindNotFound {
		nerr = err
	}
	return found, nerr
}

// listed finds the hosts of a profile that an operand names beyond doubt, from
// the listing alone: a ref by its id, anything else where it is an id or a name
// but not the id of one host and the name of another.
func (r *HostFinder) listed(ctx context.Context, s *Source, id string, isRef bool) []*model.Host {
	l := r.list(ctx, false)
	if l.failed != nil || r.Removed == RemovedFirst {
		return nil
	}
	var byID, found []*model.Host
	for _, h := range l.index.Find(id) {
		if h.Profile != s.Profile {
			continue
		}
		found = append(found, h)
		if h.ID == id {
			byID = append(byID, h)
		}
	}
	if isRef && len(byID) == 1 {
		return byID
	}
	if len(byID) > 0 && len(byID) < len(found) {
		return nil
	}
	return found
}

// byName finds the hosts an operand names in one profile or in all; direct is
// the one its server gives for it as an id, if there is one.
func (r *HostFinder) byName(ctx context.Context, in *Source, operand string, direct *model.Host) ([]*model.Host, error) {
	var found []*model.Host
	if direct != nil {
		found = append(found, direct)
	}
	for _, removed := range r.order(direct) {
		l := r.list(ctx, removed)
		if l.failed != nil {
			return nil, l.failed
		}
		for _, h := range l.index.Find(operand) {
			if (in == nil || h.Profile == in.Profile) && (direct == nil || h.ID != direct.ID) {
				found = append(found, h)
			}
		}
		if len(found) > 0 {
			break
		}
	}
	if len(found) == 0 {
		return nil, r.unknown(ctx, in, operand)
	}
	byID := func(h *model.Host) bool { return h.ID == operand && !strings.EqualFold(h.Name, operand) }
	if slices.ContainsFunc(found, byID) && !allOf(found, byID) {
		return nil, severalHosts(operand, found)
	}
	return found, nil
}

func allOf[T any](list []T, is func(T) bool) bool {
	return !slices.ContainsFunc(list, func(v T) bool { return !is(v) })
}

// order is in which listings a name is looked for: the first that has it is
// the answer.
func (r *HostFinder) order(direct *model.Host) []bool {
	switch {
	case r.Removed == RemovedNever || direct != nil:
		return []bool{false}
	case r.Removed == RemovedFirst:
		return []bool{true, false}
	}
	return []bool{false, true}
}

// list reads the hosts of all profiles, once.
func (r *HostFinder) list(ctx context.Context, removed bool) *hostListing {
	if l := r.listings[removed]; l != nil {
		return l
	}
	read := r.Fleet.Hosts
	if removed {
		read = r.Fleet.RemovedHosts
	}
	st := read(ctx, Request{Query: backends.Query{Raw: r.raw, Brief: true}})
	l := &hostListing{hosts: slices.Collect(st.Records())}
	l.index = filter.IndexHosts(l.hosts)
	for _, o := range st.Outcomes() {
		// An unanswered profile may hold a second host of this name.
		if o.Err != nil && backends.KindOf(o.Err) != backends.KindUnsupported && l.failed == nil {
			l.failed = &ProfileError{o.Profile, o.Err}
		}
	}
	if r.listings == nil {
		r.listings = map[bool]*hostListing{}
	}
	r.listings[removed] = l
	return l
}

// unknown says that no profile knows a host, and that it was removed or which
// names are near.
func (r *HostFinder) unknown(ctx context.Context, in *Source, operand string) error {
	e := backends.NotFound("host", operand)
	if r.suggested++; r.suggested > maxSuggested {
		return e
	}
	here := func(h *model.Host) bool { return in == nil || h.Profile == in.Profile }
	if l := r.list(ctx, true); l.failed == nil {
		for _, h := range l.index.Find(operand) {
			if here(h) {
				e.Hint = "it was removed: " + shellquote.Join("edrctl hosts enable", h.Ref) + " takes it back"
				return e
			}
		}
	}
	names := map[string]bool{}
	for _, l := range r.listings {
		for _, h := range l.hosts {
			if here(h) && h.Name != "" {
				names[h.Name] = true
			}
		}
	}
	if near := nearestNames(operand, slices.Sorted(maps.Keys(names)), 3); len(near) > 0 {
		e.Hint = "did you mean " + strings.Join(near, " or ") + "?"
	}
	return e
}

// nearestNames gives up to n of the names that word is most likely meant to be.
func nearestNames(word string, names []string, n int) []string {
	var out []string
	for range n {
		near := suggest.Nearest(word, names)
		if near == "" {
			break
		}
		out = append(out, near)
		names = slices.DeleteFunc(names, func(name string) bool { return name == near })
	}
	return out
}

// severalHosts says which hosts an operand fits.
func severalHosts(operand string, found []*model.Host) error {
	refs := make([]string, len(found))
	for i, h := range found {
		refs[i] = h.Ref
	}
	e := backends.Invalid("which host is "+operand, "it fits "+strings.Join(refs, " and "))
	e.Hint = "give the ref of the one you mean"
	return e
}

// Host reads one host by ref, id or name. A name that fits two hosts is an
// error naming both.
func (f *Fleet) Host(ctx context.Context, operand string, raw bool) (*model.Host, error) {
	_, h, err := f.hostFor(ctx, operand, raw, nil)
	return h, err
}

// HostFor is Host for what only some profiles can do: where several know the
// name, it is the host of the one that has the capability D.
func HostFor[D any](ctx context.Context, f *Fleet, operand string) (*Source, *model.Host, error) {
	return f.hostFor(ctx, operand, false, func(s *Source) bool {
		d, err := s.Driver()
		_, ok := d.(D)
		return err != nil || ok
	})
}

func (f *Fleet) hostFor(ctx context.Context, operand string, raw bool, can func(*Source) bool) (*Source, *model.Host, error) {
	operand, err := f.completeHost(ctx, operand)
	if err != nil {
		return nil, nil, err
	}
	s, h, err := (&HostFinder{Fleet: f, raw: raw}).One(ctx, operand, can)
	if err != nil {
		return nil, nil, err
	}
	h, err = f.fresh(ctx, h, raw)
	return s, h, err
}

// HostsNamed reads every host that an operand names: one machine may be known
// to several products.
func (f *Fleet) HostsNamed(ctx context.Context, operand string, raw bool) ([]*model.Host, error) {
	operand, err := f.completeHost(ctx, operand)
	if err != nil {
		return nil, err
	}
	found, err := (&HostFinder{Fleet: f, raw: raw, Removed: RemovedToo}).all(ctx, operand)
	if err != nil {
		return nil, err
	}
	for i, h := range found {
		if found[i], err = f.fresh(ctx, h, raw); err != nil {
			return nil, err
		}
	}
	return found, nil
}

// fresh reads a host that a listing gave, where its backend can.
func (f *Fleet) fresh(ctx context.Context, h *model.Host, raw bool) (*model.Host, error) {
	full, err := get(f, h.Ref, "cannot get a host", func(d backends.HostGetter, id string) (*model.Host, error) {
		return d.Host(ctx, id, raw)
	})
	if backends.KindOf(err) == backends.KindUnsupported {
		return h, nil
	}
	return full, err
}

// Host finds one host of a profile, by id or name.
func (s *Source) Host(ctx context.Context, operand string) (*model.Host, error) {
	_, h, err := (&HostFinder{Fleet: &Fleet{Sources: []*Source{s}}}).One(ctx, s.Profile+"/"+operand, nil)
	return h, err
}
