package filter

import (
	"net/netip"
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
