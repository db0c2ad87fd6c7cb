package filter

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"unicode"

	"github.com/edrctl/edrctl/internal/domainname"
	"github.com/edrctl/edrctl/internal/ioc"
	"github.com/edrctl/edrctl/internal/model"
	"github.com/edrctl/edrctl/internal/suggest"
)

// Mode is how a pattern compares.
type Mode uint8

// The modes.
const (
	Contains Mode = iota // case-insensitive substring
	Exact                // "=text": case-insensitive equality
	Glob                 // with * or ?: case-insensitive, anchored
)

// Pattern is one value of a filter flag.
type Pattern struct {
	Text string // trimmed and refanged, without a leading ! or =
	Mode Mode
	Not  bool // "!text": what matches is left out

	whole bool // Exact by its field, not by a =
	lower string
	addrs addrs         // field IP: the addresses it stands for
	port  int           // field Port
	host  qualifiedHost // field Host: NAME.DOMAIN or DOMAIN\NAME
	other string        // field Search: the other way to write a domain's name
}

// String is the pattern as it is typed.
func (p Pattern) String() string {
	s := p.Text
	if p.Mode == Exact && (!p.whole || strings.HasPrefix(s, "=") || strings.HasPrefix(s, "!")) {
		s = "=" + s
	}
	if p.Not {
		s = "!" + s
	}
	return s
}

// Parse reads one value of a flag: text, =text, a wildcard, and ! in front of
// either. The error says what is wanted; the caller names the flag and the
// value.
func Parse(f Field, s string) (Pattern, error) {
	var p Pattern
	text := strings.TrimSpace(s)
	if rest, ok := strings.CutPrefix(text, "!"); ok {
		p.Not, text = true, strings.TrimSpace(rest)
	}
	if rest, ok := strings.CutPrefix(text, "="); ok {
		p.Mode, text = Exact, strings.TrimSpace(rest)
	} else if strings.ContainsAny(text, "*?") {
		p.Mode = Glob
	}
	p.Text = text
	err := p.complete(f)
	return p, err
}

// complete checks a pattern for its field and prepares what Match needs.
func (p *Pattern) complete(f Field) error {
	p.Text = strings.TrimSpace(refang(f, p.Mode, p.Text))
	if p.Text == "" {
		return errors.New("an empty value matches nothing")
	}
	var err error
	switch f {
	case KindOf:
		err = p.kind()
	case Port:
		p.port, err = strconv.Atoi(p.Text)
		p.Mode, p.whole = Exact, true
		if err != nil || p.port < 1 || p.port > 65535 {
			err = errors.New("want a whole number from 1 to 65535")
		}
	case IP:
		err = p.address()
	case ProcessUID:
		p.Mode, p.whole = Exact, true
	case Hash:
		err = p.hash()
	case Domain:
		err = p.domain()
	case Host:
		p.host = qualified(p.Text, p.Mode)
	}
	if err != nil {
		return err
	}
	p.lower = strings.ToLower(p.Text)
	if f == Search && p.Mode != Glob && domainname.International(p.Text) {
		p.other = otherForm(p.lower)
	}
	return nil
}

// refang undoes how addresses are made harmless in reports. In texts that may
// hold such brackets themselves only where nothing exact is asked for.
func refang(f Field, m Mode, s string) string {
	switch {
	case strings.ContainsFunc(s, unicode.IsControl): // a script's lines, perhaps, and no address
	case f == IP, f == Domain, f == Host, f == Search && m == Contains:
		return ioc.Refang(s)
	}
	return s
}

func (p *Pattern) kind() error {
	k, ok := model.ParseKind(p.Text)
	if !ok {
		return unknown("kind", p.Text, model.Kinds)
	}
	p.Text, p.Mode, p.whole = string(k), Exact, true
	return nil
}

// unknown says that a word is none of a closed set, and which one was meant.
func unknown[T ~string](what, word string, known []T) error {
	names := make([]string, len(known))
	for i, k := range known {
		names[i] = string(k)
	}
	if s := suggest.Nearest(word, names); s != "" {
		return fmt.Errorf("unknown %s; did you mean %s?", what, s)
	}
	if len(names) > 12 {
		return fmt.Errorf(`unknown %s; "edrctl help filters" lists them`, what)
	}
	return fmt.Errorf("unknown %s; want one of %s", what, strings.Join(names, " "))
}

const wantHash = "want hexadecimal digits: a complete md5, sha1, sha256 or sha512, or a part of one"

func (p *Pattern) hash() error {
	p.Text = strings.ToLower(p.Text)
	whole := isHash(p.Text)
	switch {
	case strings.Trim(p.Text, "0123456789abcdef*?") != "" || p.Mode != Glob && strings.ContainsAny(p.Text, "*?"):
		return errors.New(wantHash)
	case whole:
		p.Mode, p.whole = Exact, true
	case p.Mode == Exact, len(strings.ReplaceAll(p.Text, "*", "")) > 64: // a part of a SHA-512 is shorter than the hashes one mistypes
		return fmt.Errorf("has %d digits: an md5 has 32, a sha1 40, a sha256 64, a sha512 128", len(p.Text))
	}
	return nil
}

// domain puts a name in its one form; a URL stands for its host.
func (p *Pattern) domain() error {
	if strings.ContainsFunc(p.Text, unicode.IsControl) {
		return errors.New("a domain has no control characters")
	}
	if _, rest, ok := strings.Cut(p.Text, "://"); ok {
		host, _, _ := strings.Cut(rest, "/")
		if i := strings.LastIndexByte(host, '@'); i >= 0 {
			host = host[i+1:]
		}
		host, _, _ = strings.Cut(host, ":")
		if host != "" {
			p.Text = host
		}
	}
	switch {
	case p.Mode == Exact:
		p.Text = domainname.Canonical(p.Text)
	case domainname.International(p.Text):
		// The dot at the end of a part is meant.
		end := strings.HasSuffix(p.Text, ".")
		if p.Text = domainname.Canonical(p.Text); end {
			p.Text += "."
		}
	}
	if p.Text != strings.TrimSpace(p.Text) || p.Text == "" || p.Mode != Exact && strings.ContainsAny(p.Text[:1], "=!") {
		return errors.New("it begins with characters that cannot be seen")
	}
	return nil
}

// otherForm gives a text with the name of a domain in its other spelling, ""
// when it has none.
func otherForm(lower string) string {
	for _, s := range [...]string{domainname.ASCII(lower), domainname.Canonical(lower)} {
		if s != lower && s != strings.TrimRight(lower, ".") {
			return s
		}
	}
	return ""
}

// IsExact tells whether p compares by (case-insensitive) equality.
func (p Pattern) IsExact() bool { return p.Mode == Exact }

// Prefix gives the address or CIDR an IP pattern stands for; a range of
// addresses has none.
func (p Pattern) Prefix() (netip.Prefix, bool) { return p.addrs.prefix, p.addrs.prefix.IsValid() }

// PortNumber gives the number a Port pattern stands for.
func (p Pattern) PortNumber() int { return p.port }

// Match tells whether a value of field f matches. It leaves Not to the caller.
func (p Pattern) Match(f Field, value string) bool {
	switch f {
	case IP:
		return p.matchAddress(value)
	case Port:
		return value == strconv.Itoa(p.port)
	case Domain:
		value = p.domainValue(value)
	case Search:
		if p.other != "" && p.matchOther(value) {
			return true
		}
	}
	switch p.Mode {
	case Exact:
		return strings.EqualFold(value, p.Text)
	case Glob:
		return globFold(p.lower, value)
	}
	return containsFold(value, p.lower)
}

// domainValue is a recorded name in the form of the pattern.
func (p Pattern) domainValue(value string) string {
	if domainname.International(value) {
		value = domainname.Canonical(value)
	} else if strings.HasSuffix(value, ".") {
		value = strings.TrimRight(value, ".")
	}
	if p.Mode == Contains && strings.HasSuffix(p.lower, ".") {
		value += "." // evil.example. is a part of evil.example
	}
	return value
}

func (p Pattern) matchOther(value string) bool {
	if p.Mode == Exact {
		return strings.EqualFold(value, p.other)
	}
	return containsFold(value, p.other)
}

// globFold matches * (any run) and ? (any one rune), case-insensitively,
// over the whole value, in linear memory and without back-tracking blow-up.
func globFold(pattern, value string) bool {
	pat, val := []rune(pattern), []rune(strings.ToLower(value))
	p, v, star, mark := 0, 0, -1, 0
	for v < len(val) {
		switch {
		case p < len(pat) && pat[p] == '*':
			star, mark = p, v
			p++
		case p < len(pat) && (pat[p] == '?' || pat[p] == val[v]):
			p++
			v++
		case star >= 0:
			mark++
			p, v = star+1, mark
		default:
			return false
		}
	}
	for p < len(pat) && pat[p] == '*' {
		p++
	}
	return p == len(pat)
}

// containsFold avoids an allocation for the common ASCII case.
func containsFold(s, lower string) bool {
	if len(lower) == 0 {
		return true
	}
	for i := 0; i < len(s); i++ {
		if s[i] >= 0x80 {
			return strings.Contains(strings.ToLower(s), lower)
		}
	}
	for i := 0; i+len(lower) <= len(s); i++ {
		j := 0
		for j < len(lower) && lowerASCII(s[i+j]) == lower[j] {
			j++
		}
		if j == len(lower) {
			return true
		}
	}
	return false
}

func lowerASCII(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}

func isHash(s string) bool {
	switch len(s) {
	case 32, 40, 64, 128:
	default:
		return false
	}
	return strings.IndexFunc(s, func(r rune) bool {
		return !(r >= '0' && r <= '9' || r >= 'a' && r <= 'f')
	}) < 0
}
