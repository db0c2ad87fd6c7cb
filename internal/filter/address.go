package filter

import (
	"errors"
	"net/netip"
	"strconv"
	"strings"
)

// addrs is what an IP pattern stands for: an address or CIDR, or a range.
type addrs struct {
	prefix   netip.Prefix
	from, to netip.Addr
}

var errAddress = errors.New("want an address, a CIDR (10.0.0.0/8), a range (10.0.0.1-10.0.0.9) or a prefix (10.1.)")

// address reads an address, CIDR, range or prefix. What is left are wildcards
// in the text of an address.
func (p *Pattern) address() error {
	text := p.Text
	if from, to, ok := strings.Cut(text, "-"); ok {
		return p.addressRange(strings.TrimSpace(from), strings.TrimSpace(to))
	}
	if a, err := netip.ParseAddr(strings.Trim(text, "[]")); err == nil {
		a = plain(a)
		p.addrs.prefix, p.Mode, p.whole = netip.PrefixFrom(a, a.BitLen()), Exact, true
		return nil
	}
	if pre, err := netip.ParsePrefix(text); err == nil {
		if a := pre.Addr(); a.Is4In6() && pre.Bits() >= 96 {
			pre = netip.PrefixFrom(a.Unmap(), pre.Bits()-96)
		}
		p.addrs.prefix, p.Mode, p.whole = pre.Masked(), Exact, true
		return nil
	}
	if pre, ok := addressPrefix(text); ok && p.Mode != Exact {
		p.addrs.prefix, p.Mode, p.whole = pre, Exact, true
		return nil
	}
	if p.Mode == Glob && strings.Trim(text, "0123456789abcdefABCDEF.:*?") == "" {
		return nil
	}
	return errAddress
}

func (p *Pattern) addressRange(from, to string) error {
	a, err := netip.ParseAddr(from)
	b, err2 := netip.ParseAddr(to)
	if err != nil || err2 != nil {
		return errAddress
	}
	a, b = plain(a), plain(b)
	switch {
	case a.BitLen() != b.BitLen():
		return errors.New("both ends of a range are of one kind, IPv4 or IPv6")
	case b.Less(a):
		return errors.New("the range ends before it begins")
	}
	p.addrs.from, p.addrs.to, p.Mode, p.whole = a, b, Exact, true
	return nil
}

// plain drops what does not belong to the value of an address: the zone, and
// that an IPv4 address was written as an IPv6 one.
func plain(a netip.Addr) netip.Addr { return a.Unmap().WithZone("") }

// addressPrefix reads 10.1. and 10.1 and 10.1.*, and 2001:db8: likewise.
func addressPrefix(text string) (netip.Prefix, bool) {
	sep, most, base, bits := ".", 4, 10, 8
	if strings.Contains(text, ":") {
		sep, most, base, bits = ":", 8, 16, 16
	}
	for strings.HasSuffix(text, sep+"*") {
		text = strings.TrimSuffix(text, "*")
		if strings.HasSuffix(text, "*"+sep) {
			text = strings.TrimSuffix(text, sep)
		}
	}
	dotted := strings.HasSuffix(text, sep)
	parts := strings.Split(strings.TrimSuffix(text, sep), sep)
	if len(parts) >= most || len(parts) == 1 && !dotted {
		return netip.Prefix{}, false
	}
	raw := make([]byte, most*bits/8)
	for i, s := range parts {
		n, err := strconv.ParseUint(s, base, bits)
		if err != nil || len(s) > 4 || s[0] == '+' {
			return netip.Prefix{}, false
		}
		if bits == 8 {
			raw[i] = byte(n)
		} else {
			raw[2*i], raw[2*i+1] = byte(n>>8), byte(n)
		}
	}
	a, _ := netip.AddrFromSlice(raw)
	return netip.PrefixFrom(a, len(parts)*bits), true
}

// matchAddress compares by value: an address is one address however it is
// written.
func (p Pattern) matchAddress(value string) bool {
	a, err := netip.ParseAddr(value)
	if err != nil {
		return p.Mode == Glob && globFold(p.lower, value)
	}
	a = plain(a)
	switch {
	case p.addrs.prefix.IsValid():
		return p.addrs.prefix.Contains(a)
	case p.addrs.from.IsValid():
		return p.addrs.from.BitLen() == a.BitLen() && !a.Less(p.addrs.from) && !p.addrs.to.Less(a)
	}
	return globFold(p.lower, a.String())
}
