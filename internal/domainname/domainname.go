// Package domainname compares DNS names however they are written: in any case,
// with or without the dot of the root, and with their own letters or as xn--.
package domainname

import (
	"strings"

	"golang.org/x/net/idna"
)

// lookup maps as browsers and resolvers do: letters are folded, ß stays.
var lookup = idna.New(idna.MapForLookup(), idna.Transitional(false), idna.StrictDomainName(false))

// Canonical gives the one form of a name: its own letters in lower case,
// without the dot of the root. Two names are one domain when their canonical
// forms are equal. An invalid name is only lowercased.
func Canonical(name string) string {
	if International(name) {
		if u, err := lookup.ToUnicode(name); err == nil && u != "" {
			name = u
		}
	}
	if bare := strings.TrimRight(name, "."); bare != "" {
		name = bare
	}
	return strings.ToLower(name)
}

// ASCII gives the form that goes over the wire: xn-- where it is needed.
func ASCII(name string) string {
	name = Canonical(name)
	if !International(name) {
		return name
	}
	if a, err := lookup.ToASCII(name); err == nil && a != "" {
		return a
	}
	return name
}

// International tells whether a name has a second way to be written: it has
// letters beyond ASCII, or a label that begins with xn--.
func International(name string) bool {
	for i := 0; i < len(name); i++ {
		switch c := name[i]; {
		case c >= 0x80:
			return true
		case (c == 'x' || c == 'X') && i+4 <= len(name) && strings.EqualFold(name[i:i+4], "xn--"):
			return true
		}
	}
	return false
}
