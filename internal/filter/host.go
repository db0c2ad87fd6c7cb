package filter

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/edrctl/edrctl/internal/model"
)

// qualifiedHost is a host named with its domain, NAME.DOMAIN or DOMAIN\NAME.
type qualifiedHost struct{ name, domain string }

func qualified(text string, m Mode) qualifiedHost {
	if m == Glob {
		return qualifiedHost{}
	}
	if i := strings.LastIndexByte(text, '\\'); i > 0 && i+1 < len(text) {
		return qualifiedHost{text[i+1:], text[:i]}
	}
	if _, err := netip.ParseAddr(text); err == nil {
		return qualifiedHost{}
	}
	if name, domain, ok := strings.Cut(text, "."); ok && name != "" && domain != "" {
		return qualifiedHost{name, domain}
	}
	return qualifiedHost{}
}

// Qualified tells whether a Host pattern says more than a name or an id: it
// may name the domain too. No server compares that as edrctl does.
func (p Pattern) Qualified() bool { return strings.ContainsAny(p.Text, `.\`) }

// matchHost compares a Host pattern with a host: its name, its id, and where
// the pattern names a domain, both.
func (p Pattern) matchHost(h *model.Host) bool {
	if h.Name != "" && p.Match(Host, h.Name) || h.ID != "" && p.Match(Host, h.ID) {
		return true
	}
	if h.Ref != "" && p.Mode != Glob && p.Text == h.Ref { // where no profile was asked: see ForProfile
		return true
	}
	if !p.Qualified() {
		return false
	}
	if q := p.host; q.name != "" && q.is(h) {
		return true
	}
	return h.Domain != "" && p.Mode != Exact && (p.Match(Host, h.Domain+`\`+h.Name) || p.Match(Host, h.Name+"."+h.Domain))
}

// is tells whether q and h can be one machine: the same name, and no domain
// that says otherwise. A NetBIOS domain is the first label of the DNS one.
func (q qualifiedHost) is(h *model.Host) bool {
	own := qualified(h.Name, Exact)
	if own.name == "" {
		own.name = h.Name
	}
	if h.Domain != "" {
		own.domain = h.Domain
	}
	return strings.EqualFold(own.name, q.name) && (own.domain == "" || sameDomain(own.domain, q.domain))
}

func sameDomain(a, b string) bool {
	if strings.EqualFold(a, b) {
		return true
	}
	first, _, long := strings.Cut(a, ".")
	other, _, longToo := strings.Cut(b, ".")
	return long != longToo && strings.EqualFold(first, other)
}

// IsHost tells whether an operand names h: by its id, its ref, its name, or
// its name with its domain.
func IsHost(operand string, h *model.Host) bool {
	if operand == "" {
		return false
	}
	if operand == h.ID || operand == h.Ref || strings.EqualFold(operand, h.Name) {
		return true
	}
	q := qualified(operand, Exact)
	return q.name != "" && q.is(h)
}

// HostIndex finds hosts by what names them without comparing each: thousands
// of operands are looked up in thousands of hosts.
type HostIndex struct {
	hosts []*model.Host
	named map[string][]int // positions in hosts, by id, ref, folded name and folded name without its domain
}

// IndexHosts makes an index of hosts, which keep their order.
func IndexHosts(hosts []*model.Host) *HostIndex {
	x := &HostIndex{hosts: hosts, named: make(map[string][]int, 2*len(hosts))}
	for i, h := range hosts {
		for _, key := range []string{h.ID, h.Ref, foldHost(h.Name), foldHost(qualified(h.Name, Exact).name)} {
			if at := x.named[key]; key != "" && (len(at) == 0 || at[len(at)-1] != i) {
				x.named[key] = append(at, i)
			}
		}
	}
	return x
}

// Find gives every host that operand names, as IsHost tells it, in their order.
func (x *HostIndex) Find(operand string) []*model.Host {
	var at []int
	for _, key := range []string{operand, foldHost(operand), foldHost(qualified(operand, Exact).name)} {
		at = append(at, x.named[key]...)
	}
	slices.Sort(at)
	var out []*model.Host
	for _, i := range slices.Compact(at) {
		if IsHost(operand, x.hosts[i]) {
			out = append(out, x.hosts[i])
		}
	}
	return out
}

// foldHost gives one key for all that strings.EqualFold takes for equal.
func foldHost(name string) string { return strings.ToLower(strings.ToUpper(name)) }
