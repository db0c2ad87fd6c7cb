package ioc

import (
	"net/netip"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/edrctl/edrctl/internal/model"
)

// Matcher looks for all indicators of a list at once: one pass over an event,
// whatever the number of indicators. Hashes, names and addresses are looked
// up in tables, domains by their suffixes, ranges by prefix length.
type Matcher struct {
	exact   [len(typeNames)]map[string]int32
	ips     map[netip.Addr]int32
	cidrs   map[netip.Prefix]int32
	lengths []int // prefix lengths in use: IPv4 0-32, IPv6 100-228
	texts   bool  // URLs or e-mail addresses are looked for in command lines
	lower   []byte
}

// NewMatcher builds the tables. The indices Match yields are those of the list
// given here. A Matcher is for one goroutine.
func NewMatcher(list []Indicator) *Matcher {
	m := &Matcher{ips: map[netip.Addr]int32{}, cidrs: map[netip.Prefix]int32{}}
	for i, ind := range list {
		switch ind.Type {
		case IPv4, IPv6:
			if a, err := netip.ParseAddr(ind.Value); err == nil {
				m.ips[a] = int32(i)
			}
		case CIDR:
			if p, err := netip.ParsePrefix(ind.Value); err == nil {
				m.cidrs[p] = int32(i)
				if l := lengthKey(p); !slices.Contains(m.lengths, l) {
					m.lengths = append(m.lengths, l)
				}
			}
		default:
			if m.exact[ind.Type] == nil {
				m.exact[ind.Type] = map[string]int32{}
			}
			m.exact[ind.Type][strings.ToLower(ind.Value)] = int32(i)
		}
	}
	m.texts = m.exact[URL] != nil || m.exact[Email] != nil || m.exact[Domain] != nil || len(m.ips)+len(m.cidrs) > 0
	return m
}

func lengthKey(p netip.Prefix) int {
	if p.Addr().Is4() {
		return p.Bits()
	}
	return 100 + p.Bits()
}

// Found is where in an event an indicator was seen.
type Found struct {
	Indicator int            // index into the list
	Process   *model.Process // the process it is, or that did it
	File      *model.File    // the file it is, for files that are no process
}

// Match yields every indicator an event shows, each with where; the same one
// may come more than once when it shows in several places.
func (m *Matcher) Match(e *model.Event, yield func(Found)) {
	m.process(e.Process, e.Process, yield)
	m.process(e.Target, e.Target, yield)
	if f := e.File; f != nil {
		at := Found{Process: e.Process, File: f}
		m.hashes(f.Hash, at, yield)
		m.path(f.Path, at, yield)
		m.path(f.OldPath, at, yield)
		if f.Name != "" && model.BaseName(f.Path) != f.Name {
			m.find(FileName, f.Name, at, yield)
		}
	}
	if d := e.Module; d != nil {
		at := Found{Process: e.Process, File: &model.File{Path: d.Path, Name: model.BaseName(d.Path), Hash: d.Hash}}
		m.hashes(d.Hash, at, yield)
		m.path(d.Path, at, yield)
	}
	at := Found{Process: e.Process}
	if e.URL != "" { // a download: where it came from is told of the file
		at.File = e.File
	}
	if n := e.Network; n != nil {
		m.endpoint(n.Source, at, yield)
		m.endpoint(n.Destination, at, yield)
	}
	if e.DNS != nil {
		m.name(e.DNS.Question.Name, at, yield)
		for _, a := range e.DNS.Answers {
			m.address(a.Data, at, yield)
			m.name(a.Data, at, yield)
		}
	}
	if e.Script != nil && m.texts {
		m.text(e.Script.Text, at, yield)
	}
	if e.URL != "" && m.texts {
		m.text(e.URL, at, yield)
	}
}

func (m *Matcher) process(p, actor *model.Process, yield func(Found)) {
	if p == nil {
		return
	}
	at := Found{Process: actor}
	m.hashes(p.Hash, at, yield)
	m.path(p.Path, at, yield)
	name := p.Name
	if name == "" {
		name = model.BaseName(p.Path)
	}
	m.find(ProcessName, name, at, yield)
	if p.Path == "" {
		m.find(FileName, name, at, yield)
	}
	if m.texts {
		m.text(p.CommandLine, at, yield)
	}
}

func (m *Matcher) hashes(h *model.Hash, at Found, yield func(Found)) {
	if h == nil {
		return
	}
	m.find(MD5, h.MD5, at, yield)
	m.find(SHA1, h.SHA1, at, yield)
	m.find(SHA256, h.SHA256, at, yield)
	m.find(Imphash, h.Imphash, at, yield)
}

func (m *Matcher) path(p string, at Found, yield func(Found)) {
	if p == "" {
		return
	}
	m.find(FilePath, p, at, yield)
	m.find(FileName, model.BaseName(p), at, yield)
}

func (m *Matcher) endpoint(e *model.Endpoint, at Found, yield func(Found)) {
	if e == nil {
		return
	}
	m.address(e.IP, at, yield)
	m.name(e.Domain, at, yield)
}

// find looks one value up, in any case, without allocating.
func (m *Matcher) find(t Type, value string, at Found, yield func(Found)) {
	table := m.exact[t]
	if len(table) == 0 || value == "" {
		return
	}
	if i, ok := table[string(m.fold(value))]; ok {
		at.Indicator = int(i)
		yield(at)
	}
}

// fold lower-cases into the Matcher's own buffer.
func (m *Matcher) fold(s string) []byte {
	m.lower = m.lower[:0]
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c >= utf8.RuneSelf {
			m.lower = append(m.lower[:0], strings.ToLower(s)...)
			return m.lower
		}
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		m.lower = append(m.lower, c)
	}
	return m.lower
}

// name looks a host name up: itself and every parent domain of it.
func (m *Matcher) name(host string, at Found, yield func(Found)) {
	table := m.exact[Domain]
	if len(table) == 0 || host == "" {
		return
	}
	b := m.fold(strings.TrimSuffix(host, "."))
	for {
		if i, ok := table[string(b)]; ok {
			at.Indicator = int(i)
			yield(at)
		}
		dot := slices.Index(b, '.')
		if dot < 0 {
			return
		}
		b = b[dot+1:]
	}
}

func (m *Matcher) address(ip string, at Found, yield func(Found)) {
	if ip == "" || len(m.ips)+len(m.cidrs) == 0 {
		return
	}
	a, err := netip.ParseAddr(ip)
	if err != nil {
		return
	}
	a = a.Unmap().WithZone("")
	if i, ok := m.ips[a]; ok {
		at.Indicator = int(i)
		yield(at)
	}
	for _, l := range m.lengths {
		bits := l
		if a.Is6() != (l >= 100) {
			continue
		}
		if l >= 100 {
			bits = l - 100
		}
		p, err := a.Prefix(bits)
		if err != nil {
			continue
		}
		if i, ok := m.cidrs[p]; ok {
			at.Indicator = int(i)
			yield(at)
		}
	}
}

// text looks for URLs (and the hosts in them) and e-mail addresses among the
// words of a command line.
func (m *Matcher) text(s string, at Found, yield func(Found)) {
	whole := s
	for {
		i := strings.Index(s, "://")
		if i < 0 {
			break
		}
		start := i
		for start > 0 && isScheme(s[start-1]) {
			start--
		}
		end := i + 3
		for end < len(s) && strings.IndexByte(" \t\r\n\"'`<>|)],;", s[end]) < 0 {
			end++
		}
		m.url(s[start:end], at, yield)
		s = s[end:]
	}
	if table := m.exact[Email]; len(table) > 0 && strings.Contains(whole, "@") {
		for _, word := range strings.FieldsFunc(whole, func(r rune) bool { return strings.ContainsRune(" \t\r\n\"'<>,;:=()", r) }) {
			if strings.Contains(word, "@") {
				m.find(Email, word, at, yield)
			}
		}
	}
}

func isScheme(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '+' || c == '-' || c == '.'
}

func (m *Matcher) url(u string, at Found, yield func(Found)) {
	if table := m.exact[URL]; len(table) > 0 {
		full := string(m.fold(u))
		_, bare, _ := strings.Cut(full, "://")
		for _, form := range [...]string{full, strings.TrimSuffix(full, "/"), full + "/", bare, strings.TrimSuffix(bare, "/")} {
			if i, ok := table[form]; ok {
				at.Indicator = int(i)
				yield(at)
				break
			}
		}
	}
	_, host, _ := strings.Cut(u, "://")
	if i := strings.IndexAny(host, "/?#"); i >= 0 {
		host = host[:i]
	}
	if i := strings.LastIndexByte(host, '@'); i >= 0 {
		host = host[i+1:]
	}
	if h, _, ok := strings.Cut(host, ":"); ok && !strings.HasPrefix(host, "[") {
		host = h
	}
	m.address(strings.Trim(host, "[]"), at, yield)
	m.name(host, at, yield)
}
