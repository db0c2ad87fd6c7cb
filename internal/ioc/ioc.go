// Package ioc reads lists of indicators of compromise: plain lines, CSV with
// a header, STIX 2.1 bundles and MISP events. Values are refanged, normalised
// and de-duplicated, each kept with the place it came from. What is no
// indicator is reported with its place; nothing is dropped in silence.
package ioc

import (
	"fmt"
	"hash/maphash"
	"net/netip"
	"net/url"
	"strings"
)

// Type is what an indicator identifies.
type Type uint8

// The types.
const (
	None Type = iota
	MD5
	SHA1
	SHA256
	Imphash
	IPv4
	IPv6
	CIDR
	Domain
	URL
	FileName
	FilePath
	ProcessName
	Email
)

// Types lists all, in the order tables show them.
var Types = []Type{MD5, SHA1, SHA256, Imphash, IPv4, IPv6, CIDR, Domain, URL, FileName, FilePath, ProcessName, Email}

var typeNames = [...]string{"", "md5", "sha1", "sha256", "imphash", "ipv4", "ipv6", "cidr", "domain", "url", "file_name", "file_path", "process_name", "email"}

// String is the name used in output, for example "sha256".
func (t Type) String() string { return typeNames[t] }

// MarshalText writes the name.
func (t Type) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// UnmarshalText reads the name.
func (t *Type) UnmarshalText(b []byte) error {
	got, ok := ParseType(string(b))
	if !ok {
		return fmt.Errorf("%q is no indicator type", b)
	}
	*t = got
	return nil
}

// IsHash tells whether t is one of the hashes.
func (t Type) IsHash() bool { return t >= MD5 && t <= Imphash }

// IsAddress tells whether t is an address or a range of them.
func (t Type) IsAddress() bool { return t >= IPv4 && t <= CIDR }

// typeWords are the words people, CSV headers and MISP use for types.
var typeWords = map[string]Type{
	"md5": MD5, "sha1": SHA1, "sha-1": SHA1, "sha256": SHA256, "sha-256": SHA256, "imphash": Imphash,
	"ip": IPv4, "ipv4": IPv4, "ipv6": IPv6, "ip-src": IPv4, "ip-dst": IPv4, "address": IPv4, "ip_address": IPv4, "ipv4-addr": IPv4, "ipv6-addr": IPv6,
	"cidr": CIDR, "network": CIDR, "subnet": CIDR,
	"domain": Domain, "hostname": Domain, "host": Domain, "fqdn": Domain, "domain-name": Domain, "domain_name": Domain,
	"url": URL, "uri": URL, "link": URL,
	"file": FileName, "filename": FileName, "file_name": FileName, "file-name": FileName, "name": FileName,
	"path": FilePath, "filepath": FilePath, "file_path": FilePath, "file-path": FilePath,
	"process": ProcessName, "process_name": ProcessName, "processname": ProcessName, "process-name": ProcessName, "image": ProcessName,
	"email": Email, "e-mail": Email, "mail": Email, "email-src": Email, "email-dst": Email, "email-addr": Email,
}

// ParseType reads a type's name, or one of the words in use for it.
func ParseType(s string) (Type, bool) {
	t, ok := typeWords[strings.ToLower(strings.TrimSpace(s))]
	return t, ok
}

// Indicator is one thing to look for.
type Indicator struct {
	Value  string // normalised: lower-case hash, canonical address, refanged URL …
	Object string // STIX id or MISP uuid it came from; "" for lines
	Line   int32  // line of the source; 0 when it has none
	Source uint16 // index into List.Sources
	Type   Type
}

// String is type:value, as a plain list may write it.
func (i Indicator) String() string { return i.Type.String() + ":" + i.Value }

// Problem is a place of a source that could not be used.
type Problem struct {
	Source string
	Line   int
	Object string
	Text   string // what stands there, cut
	Why    string
}

func (p Problem) String() string {
	place := p.Source
	if p.Line > 0 {
		place += fmt.Sprintf(":%d", p.Line)
	}
	if p.Object != "" {
		place += " " + p.Object
	}
	if p.Text == "" {
		return place + ": " + p.Why
	}
	return fmt.Sprintf("%s: %q: %s", place, p.Text, p.Why)
}

// List is what was read, each indicator once.
type List struct {
	Indicators []Indicator
	Sources    []string
	Problems   []Problem
	Duplicates int // how many were there already

	seen map[uint64]int32 // hash of type and value → 1 + index of the newest with it
	next []int32          // 1 + index of the one before with the same hash
	seed maphash.Seed
	text arena
}

// NewList makes an empty list.
func NewList() *List {
	return &List{seen: map[uint64]int32{}, seed: maphash.MakeSeed()}
}

// Place says where an indicator came from.
func (l *List) Place(i Indicator) string {
	if int(i.Source) >= len(l.Sources) {
		return ""
	}
	switch {
	case i.Object != "":
		return l.Sources[i.Source] + " " + i.Object
	case i.Line > 0:
		return fmt.Sprintf("%s:%d", l.Sources[i.Source], i.Line)
	}
	return l.Sources[i.Source]
}

// add keeps an indicator unless it is there already.
func (l *List) add(i Indicator) {
	var h maphash.Hash
	h.SetSeed(l.seed)
	_ = h.WriteByte(byte(i.Type)) // a maphash never fails
	_, _ = h.WriteString(i.Value)
	sum := h.Sum64()
	for at := l.seen[sum]; at > 0; at = l.next[at-1] {
		if o := l.Indicators[at-1]; o.Type == i.Type && o.Value == i.Value {
			l.Duplicates++
			return
		}
	}
	i.Value = l.text.keep(i.Value)
	l.Indicators = append(l.Indicators, i)
	l.next = append(l.next, l.seen[sum])
	l.seen[sum] = int32(len(l.Indicators))
}

// Put adds an indicator that was parsed already, from a source of its own.
func (l *List) Put(t Type, value, source string) {
	if len(l.Sources) >= maxSources {
		return
	}
	l.Sources = append(l.Sources, source)
	l.add(Indicator{Type: t, Value: value, Source: uint16(len(l.Sources) - 1)})
}

// arena keeps many short strings in few large blocks.
type arena struct{ block []byte }

func (a *arena) keep(s string) string {
	if len(s) > 1<<12 {
		return strings.Clone(s)
	}
	if len(a.block)+len(s) > cap(a.block) {
		a.block = make([]byte, 0, 1<<18)
	}
	start := len(a.block)
	a.block = append(a.block, s...)
	return bytesAsString(a.block[start:])
}

// Parse reads one value. want narrows what it may be; None finds out. The
// error says why it is no indicator.
func Parse(text string, want Type) (Type, string, error) {
	s, ok := bare(text)
	if !ok {
		return None, "", fmt.Errorf("is wrapped too often to be read")
	}
	if s == "" {
		return None, "", fmt.Errorf("is empty")
	}
	if len(s) > 1<<14 {
		return None, "", fmt.Errorf("is longer than any indicator")
	}
	if want == None {
		if word, rest, ok := strings.Cut(s, ":"); ok && !strings.HasPrefix(rest, "//") {
			if t, known := ParseType(word); known && strings.TrimSpace(rest) != "" {
				return Parse(rest, t)
			}
		}
		return classify(s)
	}
	return as(s, want)
}

// maxWraps is how often a value may be quoted or defanged over itself.
const maxWraps = 8

// bare takes blanks, quotes and defanging off until nothing changes any more,
// so that what was read once reads the same again.
func bare(text string) (string, bool) {
	for range maxWraps {
		s := strings.Trim(strings.TrimSpace(Refang(text)), "\"'`")
		if s == text {
			return s, true
		}
		text = s
	}
	return "", false
}

// as reads s as what it is said to be. An address may be of either kind, or a range.
func as(s string, want Type) (Type, string, error) {
	switch want {
	case MD5, SHA1, SHA256, Imphash:
		h := strings.ToLower(s)
		if !isHex(h) || len(h) != hashLen[want] {
			return None, "", fmt.Errorf("is no %s: %d hex digits are needed", want, hashLen[want])
		}
		return want, h, nil
	case IPv4, IPv6, CIDR:
		if t, v, ok := address(s); ok {
			return t, v, nil
		}
		return None, "", fmt.Errorf("is no address")
	case Domain:
		if t, v, ok := address(s); ok {
			return t, v, nil // lists of hosts hold addresses too
		}
		if v, ok := domain(s); ok {
			return Domain, v, nil
		}
		return None, "", fmt.Errorf("is no domain name")
	case URL:
		if v, ok := address2url(s); ok {
			return URL, v, nil
		}
		if v, ok := bareURL(s); ok {
			return URL, v, nil
		}
		return None, "", fmt.Errorf("is no URL")
	case Email:
		if v, ok := email(s); ok {
			return Email, v, nil
		}
		return None, "", fmt.Errorf("is no e-mail address")
	case FileName, ProcessName:
		if strings.ContainsAny(s, `/\`) {
			if want == FileName {
				return FilePath, s, nil
			}
			return None, "", fmt.Errorf("is a path, not a process name")
		}
		return want, s, nil
	case FilePath:
		return FilePath, s, nil
	}
	return None, "", fmt.Errorf("is of no known type")
}

var hashLen = map[Type]int{MD5: 32, SHA1: 40, SHA256: 64, Imphash: 32}

func classify(s string) (Type, string, error) {
	lower := strings.ToLower(s)
	if isHex(lower) && len(lower) >= 24 {
		switch len(lower) {
		case 32:
			return MD5, lower, nil
		case 40:
			return SHA1, lower, nil
		case 64:
			return SHA256, lower, nil
		}
		return None, "", fmt.Errorf("has %d hex digits: a hash has 32 (md5), 40 (sha1) or 64 (sha256)", len(lower))
	}
	if t, v, ok := address(s); ok {
		return t, v, nil
	}
	if strings.Contains(s, "://") {
		if v, ok := address2url(s); ok {
			return URL, v, nil
		}
		return None, "", fmt.Errorf("is no URL")
	}
	if v, ok := email(s); ok {
		return Email, v, nil
	}
	if isPath(s) {
		return FilePath, s, nil
	}
	if strings.ContainsAny(s, " \t") {
		return None, "", fmt.Errorf("is no indicator; write file:, path: or process: before a name with blanks")
	}
	if v, ok := bareURL(s); ok {
		return URL, v, nil
	}
	if i := strings.LastIndexByte(s, '.'); i > 0 && !strings.Contains(s, "/") && fileExtensions[lower[i+1:]] {
		return FileName, s, nil
	}
	if v, ok := domain(s); ok {
		return Domain, v, nil
	}
	return None, "", fmt.Errorf("is no indicator")
}

func isHex(s string) bool {
	for i := 0; i < len(s); i++ {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return s != ""
}

func address(s string) (Type, string, bool) {
	s = strings.Trim(s, "[]")
	if a, err := netip.ParseAddr(s); err == nil {
		a = a.Unmap().WithZone("")
		if a.Is4() {
			return IPv4, a.String(), true
		}
		return IPv6, a.String(), true
	}
	if p, err := netip.ParsePrefix(s); err == nil {
		p = p.Masked()
		if p.IsSingleIP() {
			return address(p.Addr().String())
		}
		return CIDR, p.String(), true
	}
	// 192.0.2.1:443 is the address; the port narrows what a hunt cannot narrow.
	if ap, err := netip.ParseAddrPort(s); err == nil && ap.Addr().Is4() {
		return IPv4, ap.Addr().String(), true
	}
	return None, "", false
}

func address2url(s string) (string, bool) {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.Scheme == "" {
		return "", false
	}
	u.Scheme, u.Host = strings.ToLower(u.Scheme), strings.ToLower(u.Host)
	return u.String(), true
}

// bareURL reads a host and a path without a scheme.
func bareURL(s string) (string, bool) {
	host, rest, ok := strings.Cut(s, "/")
	if !ok {
		return "", false
	}
	if host, ok = domain(host); !ok {
		return "", false
	}
	// The host stands as it is; the rest is escaped as in any URL.
	v, ok := address2url("http://h/" + rest)
	return host + strings.TrimPrefix(v, "http://h"), ok
}

func email(s string) (string, bool) {
	local, host, ok := strings.Cut(s, "@")
	if !ok || local == "" || strings.ContainsAny(local, " \t/\\:<>\"") {
		return "", false
	}
	host, ok = domain(host)
	return strings.ToLower(local) + "@" + host, ok
}

// domain checks and lower-cases a host name with at least one dot.
func domain(s string) (string, bool) {
	s = strings.ToLower(strings.TrimSuffix(strings.TrimPrefix(s, "*."), "."))
	if len(s) > 253 || !strings.Contains(s, ".") {
		return "", false
	}
	labels := strings.Split(s, ".")
	for _, l := range labels {
		if l == "" || len(l) > 63 || l[0] == '-' || l[len(l)-1] == '-' {
			return "", false
		}
		for _, r := range l {
			if r < 0x80 && !(r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-' || r == '_') {
				return "", false
			}
			if r < 0xa1 && r >= 0x80 || r == '\ufffd' {
				return "", false
			}
		}
	}
	top := labels[len(labels)-1]
	return s, len(top) >= 2 && (top[0] < '0' || top[0] > '9')
}

func isPath(s string) bool {
	if strings.Contains(s, `\`) || strings.HasPrefix(s, "/") || strings.HasPrefix(s, "~/") || strings.HasPrefix(s, "%") && strings.Count(s, "%") > 1 {
		return true
	}
	return len(s) > 2 && s[1] == ':' && (s[2] == '/' || s[2] == '\\')
}

// fileExtensions tells file names from domain names. Endings that are
// top-level domains in real use (com, sh, pl, py, app …) are left out: write
// file: before such a name.
var fileExtensions = func() map[string]bool {
	m := map[string]bool{}
	for _, e := range strings.Fields(`exe dll sys scr bat cmd ps1 psm1 psd1 vbs vbe js jse wsf wsh hta lnk pif cpl ocx
		doc docm docx dot dotm xls xlsm xlsx xlsb xll ppt pptm pptx rtf pdf one msi msp msix jar class war iso img vhd vhdx
		rar 7z zip gz tar bz2 xz cab tmp dat bin elf so dylib dmg pkg dmp log txt csv json xml yml yaml ini cfg conf inf reg
		php asp aspx jsp html htm eml msg chm url ico png jpg jpeg gif bmp db sqlite kdbx key pem crt pfx ovpn rdp`) {
		m[e] = true
	}
	return m
}()
