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
// up in tables, domains by their suffixes, ranges by prefix length; path
// patterns by the name at their end, rules by a value they must show.
type Matcher struct {
	exact    [numTypes]map[string]int32 // 1 + index of the first with the value
	next     []int32                    // 1 + index of the next with the same value
	list     []Indicator
	ips      map[netip.Addr]int32
	cidrs    map[netip.Prefix]int32
	lengths  []int // prefix lengths in use: IPv4 0-32, IPv6 100-228
	paths    map[string][]pathEntry
	anyPath  []pathEntry
	rules    []*Rule
	always   []int32 // indices of rules that no table finds
	registry []registryEntry
	texts    bool // URLs or e-mail addresses are looked for in command lines
	lower    []byte
	event    *model.Event
	decided  map[int32]bool // rules evaluated on this event
}

type pathEntry struct {
	rule *pathRule
	at   int32
}

type registryEntry struct {
	key string // lower case, without the hive of a user
	at  int32
}

// NewMatcher builds the tables. The indices Match yields are those of the list
// given here. rules are those of the List the indicators come from. A Matcher
// is for one goroutine.
func NewMatcher(list []Indicator, rules ...*Rule) *Matcher {
	m := &Matcher{ips: map[netip.Addr]int32{}, cidrs: map[netip.Prefix]int32{}, next: make([]int32, len(list)), list: list, rules: rules, paths: map[string][]pathEntry{}}
	anchored := map[int32]bool{}
	for i, ind := range list {
		if ind.Rule > 0 {
			m.addRule(int32(i), ind, anchored) // #nosec G115 -- lists are shorter
			continue
		}
		m.index(int32(i), ind.Type, ind.Value) // #nosec G115 -- lists are shorter
	}
	m.texts = m.exact[URL] != nil || m.exact[Email] != nil || m.exact[Domain] != nil || len(m.ips)+len(m.cidrs) > 0
	return m
}

// addRule makes the first value of a rule stand for it.
func (m *Matcher) addRule(i int32, ind Indicator, seen map[int32]bool) {
	if seen[ind.Rule] || int(ind.Rule) > len(m.rules) {
		return
	}
	seen[ind.Rule] = true
	rule := m.rules[ind.Rule-1]
	if rule.Refused != "" {
		return
	}
	anchors := rule.expr.anchors()
	if len(anchors) == 0 {
		m.always = append(m.always, i)
		return
	}
	for _, a := range anchors {
		m.anchor(i, a)
	}
}

// anchor puts a rule's value into the tables; several values may lead to it,
// so each gets an entry of its own at the end of the list.
func (m *Matcher) anchor(i int32, a value) {
	m.next = append(m.next, 0)
	m.list = append(m.list[:len(m.list):len(m.list)], m.list[i])
	at := int32(len(m.list) - 1) // #nosec G115 -- lists are shorter
	m.list[at].Common = false
	m.list[at].Line = -1 - i // leads back to the rule's own index
	m.list[at].Object = leads
	m.index(at, a.typ, a.text)
}

const leads = "\x00rule"

func (m *Matcher) index(i int32, t Type, v string) {
	switch t {
	case IPv4, IPv6:
		if a, err := netip.ParseAddr(v); err == nil {
			m.next[i], m.ips[a] = m.ips[a], i+1
		}
	case CIDR:
		if p, err := netip.ParsePrefix(v); err == nil {
			m.next[i], m.cidrs[p] = m.cidrs[p], i+1
			if l := lengthKey(p); !slices.Contains(m.lengths, l) {
				m.lengths = append(m.lengths, l)
			}
		}
	case PathPattern:
		rule := compilePath(v)
		switch {
		case rule == nil:
			m.put(FilePath, i, strings.ToLower(v))
		case rule.index != "":
			m.paths[rule.index] = append(m.paths[rule.index], pathEntry{rule, i})
		default:
			m.anyPath = append(m.anyPath, pathEntry{rule, i})
		}
	case Registry:
		m.registry = append(m.registry, registryEntry{registryKey(v), i})
	case Pipe:
		m.put(Pipe, i, strings.ToLower(strings.TrimPrefix(v, `\`)))
	case URL:
		m.put(URL, i, urlKey(v))
	case Pattern:
	default:
		m.put(t, i, strings.ToLower(v))
	}
}

func (m *Matcher) put(t Type, i int32, key string) {
	if m.exact[t] == nil {
		m.exact[t] = map[string]int32{}
	}
	m.next[i], m.exact[t][key] = m.exact[t][key], i+1
}

// urlKey is how URLs are compared: without case, credentials and a slash at
// the end. One without a scheme is found under any.
func urlKey(u string) string {
	u = strings.ToLower(u)
	scheme, rest, ok := strings.Cut(u, "://")
	if !ok {
		scheme, rest = "", u
	}
	end := strings.IndexAny(rest, "/?#")
	if end < 0 {
		end = len(rest)
	}
	host := rest[strings.LastIndexByte(rest[:end], '@')+1 : end]
	switch {
	case scheme == "http":
		host = strings.TrimSuffix(host, ":80")
	case scheme == "https":
		host = strings.TrimSuffix(host, ":443")
	}
	rest = strings.TrimSuffix(host+rest[end:], "/")
	if scheme == "" {
		return rest
	}
	return scheme + "://" + rest
}

// registryKey is how keys are compared: without case, and without the user
// whose hive it is.
func registryKey(s string) string {
	if v, ok := registry(s); ok {
		s = v
	}
	s = strings.ToLower(strings.TrimSuffix(s, `\`))
	for _, hive := range [...]string{`hkcu\`, `hku\`} {
		if rest, ok := strings.CutPrefix(s, hive); ok {
			if sid, below, cut := strings.Cut(rest, `\`); cut && (strings.HasPrefix(sid, "s-1-") || sid == ".default") {
				return `hkcu\` + below
			}
			return `hkcu\` + rest
		}
	}
	if rest, ok := strings.CutPrefix(s, `hkcr\`); ok {
		return `hklm\software\classes\` + rest
	}
	return strings.Replace(s, `\currentcontrolset\`, `\controlset001\`, 1)
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
	File      *model.File    // the file it is, for files that are not a process
}

// Match yields every indicator an event shows, each with where; the same one
// may come more than once when it shows in several places.
func (m *Matcher) Match(e *model.Event, yield func(Found)) {
	m.event = e
	clear(m.decided)
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
	if e.URL != "" { // a download: where it came from is reported of the file
		at.File = e.File
	}
	if n := e.Network; n != nil {
		m.endpoint(n.Source, at, yield)
		m.endpoint(n.Destination, at, yield)
	}
	if e.DNS != nil {
		m.name(e.DNS.Question.Name, 0, at, yield)
		for _, a := range e.DNS.Answers {
			m.address(a.Data, 0, at, yield)
			m.name(a.Data, 0, at, yield)
		}
	}
	if e.Script != nil && m.texts {
		m.text(e.Script.Text, at, yield)
	}
	if e.Pipe != nil && len(m.exact[Pipe]) > 0 {
		m.find(Pipe, pipe(e.Pipe.Name)[1:], at, yield)
	}
	if e.Registry != nil {
		m.key(e.Registry, at, yield)
	}
	if e.URL != "" && m.texts {
		m.text(e.URL, at, yield)
	}
	for _, i := range m.always {
		at.Indicator = int(i)
		if m.holds(m.list[i].Rule) {
			yield(at)
		}
	}
}

// holds evaluates a rule once an event.
func (m *Matcher) holds(rule int32) bool {
	if ok, done := m.decided[rule]; done {
		return ok
	}
	ok := m.rules[rule-1].expr.holds(m.event)
	if m.decided == nil {
		m.decided = map[int32]bool{}
	}
	m.decided[rule] = ok
	return ok
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
	m.find(SHA512, h.SHA512, at, yield)
	m.find(Imphash, h.Imphash, at, yield)
}

func (m *Matcher) path(p string, at Found, yield func(Found)) {
	if p == "" {
		return
	}
	m.find(FilePath, p, at, yield)
	m.find(FileName, model.BaseName(p), at, yield)
	if len(m.paths)+len(m.anyPath) == 0 {
		return
	}
	low := strings.ToLower(p)
	for _, list := range [...][]pathEntry{m.paths[model.BaseName(low)], m.anyPath} {
		for _, e := range list {
			if e.rule.match(low) {
				m.one(e.at, 0, at, yield)
			}
		}
	}
}

// key looks a registry key up: itself, the value in it, and all below it.
func (m *Matcher) key(r *model.Registry, at Found, yield func(Found)) {
	if len(m.registry) == 0 || r.Path == "" {
		return
	}
	key := registryKey(r.Path)
	with := key
	if r.Value != "" {
		with += `\` + strings.ToLower(r.Value)
	}
	for _, e := range m.registry {
		if below(with, e.key) || below(key, e.key) {
			m.one(e.at, 0, at, yield)
		}
	}
}

func below(key, top string) bool {
	return strings.HasPrefix(key, top) && (len(key) == len(top) || key[len(top)] == '\\')
}

func (m *Matcher) endpoint(e *model.Endpoint, at Found, yield func(Found)) {
	if e == nil {
		return
	}
	m.address(e.IP, e.Port, at, yield)
	m.name(e.Domain, e.Port, at, yield)
}

// one yields an indicator, when its port and its rule hold, too. A port is
// compared when both have one.
func (m *Matcher) one(i int32, port int, at Found, yield func(Found)) {
	ind := &m.list[i]
	if ind.Port != 0 && port != 0 && int(ind.Port) != port && ind.Rule == 0 {
		return
	}
	at.Indicator = int(i)
	if ind.Object == leads {
		if !m.holds(ind.Rule) {
			return
		}
		at.Indicator = int(-1 - ind.Line)
	}
	yield(at)
}

// chain yields all indicators with the value that was found.
func (m *Matcher) chain(i int32, port int, at Found, yield func(Found)) {
	for ; i > 0; i = m.next[i-1] {
		m.one(i-1, port, at, yield)
	}
}

// find looks one value up, in any case, without allocating.
func (m *Matcher) find(t Type, value string, at Found, yield func(Found)) {
	table := m.exact[t]
	if len(table) == 0 || value == "" {
		return
	}
	m.chain(table[string(m.fold(value))], 0, at, yield)
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

// name looks a host name up: itself and every parent domain of it. Names in
// other scripts are looked up in the form DNS has them.
func (m *Matcher) name(host string, port int, at Found, yield func(Found)) {
	table := m.exact[Domain]
	if len(table) == 0 || host == "" {
		return
	}
	b := m.fold(strings.TrimSuffix(host, "."))
	for _, c := range b {
		if c >= utf8.RuneSelf {
			if d, ok := domain(host); ok {
				b = append(m.lower[:0], d...)
			}
			break
		}
	}
	for {
		m.chain(table[string(b)], port, at, yield)
		dot := slices.Index(b, '.')
		if dot < 0 {
			return
		}
		b = b[dot+1:]
	}
}

func (m *Matcher) address(ip string, port int, at Found, yield func(Found)) {
	if ip == "" || len(m.ips)+len(m.cidrs) == 0 {
		return
	}
	a, err := netip.ParseAddr(ip)
	if err != nil {
		return
	}
	a = a.Unmap().WithZone("")
	m.chain(m.ips[a], port, at, yield)
	for _, l := range m.lengths {
		bits := l
		if a.Is6() != (l >= 100) {
			continue
		}
		if l >= 100 {
			bits = l - 100
		}
		if p, err := a.Prefix(bits); err == nil {
			m.chain(m.cidrs[p], port, at, yield)
		}
	}
}

// text looks for URLs (and the hosts in them) and e-mail addresses among the
// words of a command line.
func (m *Matcher) text(s string, at Found, yield func(Found)) {
	line := s
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
		if strings.HasPrefix(s[end:], "[") { // an IPv6 host
			end += strings.IndexByte(s[end:], ']') + 1
		}
		for end < len(s) && strings.IndexByte(" \t\r\n\"'`<>|)],;", s[end]) < 0 {
			end++
		}
		m.url(s[start:end], at, yield)
		s = s[end:]
	}
	if table := m.exact[Email]; len(table) > 0 && strings.Contains(line, "@") {
		for _, word := range strings.FieldsFunc(line, func(r rune) bool { return strings.ContainsRune(" \t\r\n\"'<>,;:=()", r) }) {
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
		key := urlKey(u)
		m.chain(table[key], 0, at, yield)
		if _, bare, ok := strings.Cut(key, "://"); ok {
			m.chain(table[bare], 0, at, yield)
		}
	}
	_, host, _ := strings.Cut(u, "://")
	if i := strings.IndexAny(host, "/?#"); i >= 0 {
		host = host[:i]
	}
	if i := strings.LastIndexByte(host, '@'); i >= 0 {
		host = host[i+1:]
	}
	port := 0
	if h, p := splitPort(host); p != "" {
		n, _ := portOf(p[1:])
		host, port = h, int(n)
	}
	m.address(strings.Trim(host, "[]"), port, at, yield)
	m.name(host, port, at, yield)
}
