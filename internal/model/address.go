package model

import (
	"net/netip"
	"strings"
)

// Address is an IP address in the one form in which it is shown and compared
// as text: IPv6 in short, small letters, and an IPv4 address that was written
// as an IPv6 one as IPv4. What is none comes back as it is.
func Address(s string) string {
	if strings.IndexByte(s, ':') < 0 {
		return s // IPv4 has one spelling
	}
	a, err := netip.ParseAddr(s)
	if err != nil {
		return s
	}
	if short := a.Unmap().String(); short != s {
		return short
	}
	return s
}
