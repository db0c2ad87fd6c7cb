package ioc

import (
	"net/netip"
	"strings"
	"sync"

	"golang.org/x/net/publicsuffix"

	"github.com/edrctl/edrctl/internal/domainname"
)

// domain checks a host name with at least one dot and gives it in lower case,
// in the form DNS has it: names in other scripts as xn--.
func domain(s string) (string, bool) {
	s = strings.TrimSuffix(strings.TrimPrefix(s, "*."), ".")
	ascii := true
	upper := false
	for i := 0; i < len(s); i++ {
		if s[i] >= 0x80 {
			ascii = false
			break
		}
		upper = upper || s[i] >= 'A' && s[i] <= 'Z'
	}
	if !ascii {
		if strings.ContainsAny(s, "\ufffd") {
			return "", false
		}
		s = domainname.ASCII(s)
	}
	if upper || !ascii {
		s = strings.ToLower(s)
	}
	if len(s) > 253 || len(s) < 4 {
		return "", false
	}
	labels, start := 0, 0
	for i := 0; i <= len(s); i++ {
		if i < len(s) && s[i] != '.' {
			if c := s[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '_' {
				return "", false
			}
			continue
		}
		l := s[start:i]
		if l == "" || len(l) > 63 || l[0] == '-' || l[len(l)-1] == '-' {
			return "", false
		}
		labels++
		if i < len(s) {
			start = i + 1
		}
	}
	top := s[start:]
	return s, labels > 1 && len(top) >= 2 && (top[0] < '0' || top[0] > '9') && strings.IndexByte(top, '_') < 0
}

// moreSuffixes are top-level names outside of the public list that indicators have:
// reserved ones, overlay networks and alternative roots.
var moreSuffixes = sync.OnceValue(func() map[string]bool {
	return map[string]bool{
		"example": true, "test": true, "invalid": true, "local": true, "localhost": true, "lan": true, "internal": true, "corp": true, "home": true,
		"onion": true, "i2p": true, "bit": true, "bazar": true, "coin": true, "emc": true, "eth": true, "crypto": true,
		"loki": true, "intranet": true, "localdomain": true, "alt": true, "fur": true, "chan": true, "libre": true, "geek": true, "oss": true, "null": true,
	}
})

// knownSuffix tells whether a normalised name ends in a suffix that exists.
func knownSuffix(name string) bool {
	i := strings.LastIndexByte(name, '.')
	top := name[i+1:]
	switch top {
	case "com", "net", "org", "ru", "info", "xyz", "top", "online", "site", "de", "cn", "club", "biz", "eu", "tk", "pw", "us":
		return true
	}
	if moreSuffixes()[top] {
		return true
	}
	_, icann := publicsuffix.PublicSuffix("x." + top)
	return icann
}

// isSuffix tells a name that is a public suffix itself: co.uk, or pages.dev,
// below which anybody has names.
func isSuffix(name string) bool {
	suffix, _ := publicsuffix.PublicSuffix(name)
	return suffix == name && strings.IndexByte(name, '.') > 0
}

// address reads an address, a range, or an address with a port.
func address(s string) (t Type, value string, port uint16, ok bool) {
	if len(s) < 2 || len(s) > 64 || !mayBeAddress(s) {
		return None, "", 0, false
	}
	if inner, found := strings.CutPrefix(s, "["); found {
		if in, rest, cut := strings.Cut(inner, "]"); cut && (rest == "" || rest[0] == ':') {
			if rest != "" {
				if port, ok = portOf(rest[1:]); !ok {
					return None, "", 0, false
				}
			}
			s = in
		}
	}
	if a, err := netip.ParseAddr(s); err == nil {
		t, value = addr(a)
		return t, value, port, true
	}
	if strings.IndexByte(s, '/') > 0 {
		if p, err := netip.ParsePrefix(s); err == nil {
			p = unmapPrefix(p).Masked()
			if p.IsSingleIP() {
				t, value = addr(p.Addr())
				return t, value, 0, true
			}
			return CIDR, p.String(), 0, true
		}
		return None, "", 0, false
	}
	if host, p, found := strings.Cut(s, ":"); found {
		if a, err := netip.ParseAddr(host); err == nil && a.Is4() {
			if port, ok = portOf(p); ok {
				return IPv4, a.String(), port, true
			}
		}
	}
	if rest, found := strings.CutSuffix(s, ".*"); found { // 192.0.2.*
		bits := 24
		for strings.HasSuffix(rest, ".*") {
			rest, bits = rest[:len(rest)-2], bits-8
		}
		if a, err := netip.ParseAddr(rest + strings.Repeat(".0", (32-bits)/8)); err == nil && bits > 0 {
			return CIDR, netip.PrefixFrom(a, bits).Masked().String(), 0, true
		}
	}
	return None, "", 0, false
}

func unmapPrefix(p netip.Prefix) netip.Prefix {
	if p.Addr().Is4In6() && p.Bits() >= 96 {
		return netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
	}
	return p
}

// mayBeAddress is the quick look: digits and dots, or hex digits and colons.
func mayBeAddress(s string) bool {
	dots, colons := 0, 0
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '.':
			dots++
		case c == ':':
			colons++
		case c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F' || c == '[' || c == ']' || c == '/' || c == '*':
		case c == '%':
			return colons >= 2 // a zone
		default:
			return false
		}
	}
	return dots >= 3 || colons >= 2
}

func addr(a netip.Addr) (Type, string) {
	a = a.Unmap().WithZone("")
	if a.Is4() {
		return IPv4, a.String()
	}
	return IPv6, a.String()
}

func portOf(s string) (uint16, bool) {
	n := 0
	for i := 0; i < len(s); i++ {
		if s[i] < '0' || s[i] > '9' || i == 5 {
			return 0, false
		}
		n = n*10 + int(s[i]-'0')
	}
	return uint16(n), len(s) > 0 && n > 0 && n < 1<<16 // #nosec G115 -- checked here
}

// addressRange reads FIRST-LAST (or 192.0.2.10-20) as the CIDRs that cover it exactly.
func addressRange(s string) []netip.Prefix {
	first, last, ok := strings.Cut(s, "-")
	if !ok {
		if first, last, ok = strings.Cut(s, "–"); !ok {
			return nil
		}
	}
	first, last = strings.TrimSpace(first), strings.TrimSpace(last)
	if !mayBeAddress(first) {
		return nil
	}
	a, err := netip.ParseAddr(first)
	if err != nil {
		return nil
	}
	if a.Is4() && strings.IndexByte(last, '.') < 0 {
		last = first[:strings.LastIndexByte(first, '.')+1] + last
	}
	b, err := netip.ParseAddr(last)
	if err != nil || a.BitLen() != b.BitLen() || b.Less(a) {
		return nil
	}
	return cover(a.Unmap().WithZone(""), b.Unmap().WithZone(""))
}

// cover gives the fewest prefixes that hold the addresses from a to b and no other.
func cover(a, b netip.Addr) []netip.Prefix {
	var out []netip.Prefix
	for {
		bits := a.BitLen()
		for bits > 0 {
			p := netip.PrefixFrom(a, bits-1)
			if p.Masked().Addr() != a || b.Less(lastOf(p)) {
				break
			}
			bits--
		}
		p := netip.PrefixFrom(a, bits)
		out = append(out, p)
		last := lastOf(p)
		if last == b || !last.Less(b) {
			return out
		}
		a = last.Next()
	}
}

// lastOf is the last address of a prefix.
func lastOf(p netip.Prefix) netip.Addr {
	raw := p.Masked().Addr().AsSlice()
	for i := p.Bits(); i < len(raw)*8; i++ {
		raw[i/8] |= 1 << (7 - i%8)
	}
	a, _ := netip.AddrFromSlice(raw)
	return a
}

// normalURL lower-cases scheme and host, and leaves the rest as it was
// written. A URL without a scheme stays without.
func normalURL(s string) (string, bool) {
	scheme, rest, found := strings.Cut(s, "://")
	if !found {
		rest, scheme = s, ""
	} else if !isSchemeName(scheme) {
		return "", false
	}
	rest = strings.TrimLeft(rest, "/")
	end := strings.IndexAny(rest, "/?#")
	if end < 0 {
		end = len(rest)
	}
	authority, tail := rest[:end], rest[end:]
	tail, _, _ = strings.Cut(tail, "<")  // a placeholder: what is in front of it is the URL
	tail = strings.TrimRight(tail, "?#") // an empty query is none
	if strings.IndexFunc(s, func(r rune) bool { return r <= ' ' || r == 0x7f || r == '\ufffd' }) >= 0 {
		return "", false
	}
	user := ""
	if i := strings.LastIndexByte(authority, '@'); i >= 0 {
		user, authority = authority[:i+1], authority[i+1:]
	}
	host, port := splitPort(authority)
	name, ok := urlHost(host, found)
	if !ok || !found && tail == "" {
		return "", false
	}
	if found {
		scheme = strings.ToLower(scheme) + "://"
	}
	return scheme + user + name + port + tail, true
}

// splitPort cuts :443 off a host; the port keeps its colon.
func splitPort(s string) (host, port string) {
	i := strings.LastIndexByte(s, ':')
	if i < 0 || strings.HasSuffix(s, "]") || strings.Count(s, ":") > 1 && s[0] != '[' {
		return s, ""
	}
	return s[:i], s[i:]
}

// urlHost is a host as URLs have it. With a scheme in front a single label will do.
func urlHost(host string, withScheme bool) (string, bool) {
	if host == "" {
		return "", false
	}
	if host[0] == '[' {
		t, v, _, ok := address(host)
		return "[" + v + "]", ok && t == IPv6
	}
	if t, v, _, ok := address(host); ok {
		return v, t == IPv4
	}
	if v, ok := domain(host); ok {
		return v, withScheme || knownSuffix(v)
	}
	// Names of internal servers, masked names, names with a placeholder.
	if withScheme && !strings.ContainsAny(host, " \t\"<>\\^`|'();,") && strings.IndexFunc(host, func(r rune) bool { return r < 0x80 && isAlnum(byte(r)) }) >= 0 {
		return strings.ToLower(host), true
	}
	return "", false
}

func isSchemeName(s string) bool {
	if s == "" || len(s) > 16 || !isLetter(s[0]) {
		return false
	}
	for i := 0; i < len(s); i++ {
		if !isScheme(s[i]) {
			return false
		}
	}
	return true
}

// hostOf is the host of a normalised URL, without port and credentials.
func hostOf(u string) string {
	if _, rest, ok := strings.Cut(u, "://"); ok {
		u = rest
	}
	if i := strings.IndexAny(u, "/?#"); i >= 0 {
		u = u[:i]
	}
	if i := strings.LastIndexByte(u, '@'); i >= 0 {
		u = u[i+1:]
	}
	host, _ := splitPort(u)
	return strings.Trim(host, "[]")
}

func email(s string) (string, bool) {
	s = strings.TrimPrefix(strings.TrimPrefix(s, "mailto:"), "MAILTO:")
	local, host, ok := strings.Cut(s, "@")
	if !ok || local == "" || len(local) > 64 || strings.ContainsAny(local, " \t/\\:<>\"()[],;|=`") || strings.IndexFunc(local, func(r rune) bool { return r < ' ' }) >= 0 {
		return "", false
	}
	host, ok = domain(host)
	return strings.ToLower(local) + "@" + host, ok && knownSuffix(host)
}
