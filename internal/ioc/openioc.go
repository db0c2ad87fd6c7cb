package ioc

import (
	"regexp"
	"strings"
	"sync"
)

// OpenIOC joins items by AND and OR, to any depth. An item below OR only is an
// indicator by itself; a group joined by AND, and an item that is negated, is
// evaluated as a whole on one event, like a STIX pattern.

// iocTest is how an item compares.
type iocTest struct {
	condition string
	negate    bool
}

// iocGroup is an Indicator element that is being read.
type iocGroup struct {
	all   bool // AND
	inAll bool // below an AND, or one itself
	kids  []*expr
	texts []string // of its items
	items int
	at    place
}

func (x *xmlReader) open(all bool) {
	g := &iocGroup{all: all, inAll: all}
	if n := len(x.groups); n > 0 {
		g.inAll = all || x.groups[n-1].inAll
	}
	x.groups = append(x.groups, g)
}

// close ends a group: it becomes a part of the one around it, or a rule.
func (x *xmlReader) close(line int) {
	n := len(x.groups)
	if n == 0 {
		return
	}
	g := x.groups[n-1]
	x.groups = x.groups[:n-1]
	if len(g.kids) == 0 {
		return
	}
	op, word := byte('|'), " OR "
	if g.all {
		op, word = '&', " AND "
	}
	e, text := (&expr{op: op, kids: g.kids}).simplified(), strings.Join(g.texts, word)
	if n > 1 && x.groups[n-2].inAll {
		up := x.groups[n-2]
		up.kids, up.texts, up.items = append(up.kids, e), append(up.texts, "("+text+")"), up.items+g.items
		if up.at == (place{}) {
			up.at = g.at
		}
		return
	}
	if g.at.line == 0 {
		g.at.line = line
	}
	x.book(e, text, g.items, g.at)
}

// book adds a rule, and counts its items.
func (x *xmlReader) book(e *expr, text string, items int, at place) {
	why := x.expression(e, text, at)
	for range items {
		if why == "" {
			x.count(gaveIndicator, at, "", "")
		} else {
			x.count(gaveNothing, at, text, why)
		}
	}
}

// iocItem reads one item.
func (x *xmlReader) iocItem(text string, at place) {
	condition, not := strings.CutSuffix(strings.ToLower(x.test.condition), "not")
	not = not != x.test.negate
	var g *iocGroup
	if n := len(x.groups); n > 0 && x.groups[n-1].inAll {
		g = x.groups[n-1]
	}
	if g == nil && !not {
		x.single(text, at)
		return
	}
	e := iocExpr(x.search, condition, text, not)
	said := strings.TrimSpace(x.search + " " + x.test.condition + " " + text)
	if not {
		said = "NOT " + said
	}
	if g == nil {
		x.book(e, said, 1, at)
		return
	}
	if g.at == (place{}) {
		g.at = at
	}
	g.kids, g.texts, g.items = append(g.kids, e), append(g.texts, said), g.items+1
}

// iocKeys are the properties of events that OpenIOC's terms stand for: by the
// type of what they name, or by the end of the term.
var (
	iocKeys = sync.OnceValue(func() map[Type]string {
		return map[Type]string{
			MD5: "file:hashes.md5", SHA1: "file:hashes.sha1", SHA256: "file:hashes.sha256", Imphash: "file:hashes.imphash", FileName: "file:name", FilePath: "file:path",
			Domain: "domain-name:value", IPv4: "ipv4-addr:value", URL: "url:value", Registry: "windows-registry-key:key", ProcessName: "process:name", CommandLine: "process:command_line",
		}
	})
	iocTerms = [...][2]string{
		{"fileitem/sizeinbytes", "file:size"}, {"registryitem/text", "windows-registry-key:values[*].data"}, {"registryitem/value", "windows-registry-key:values[*].data"},
		{"registryitem/valuename", "windows-registry-key:values[*].name"}, {"portitem/remoteport", "network-traffic:dst_port"}, {"portitem/localport", "network-traffic:src_port"},
		{"processitem/pid", "process:pid"},
	}
)

// iocExpr is the comparison of an item. Text in the middle of another one is
// matched as a pattern; a whole name, address or hash is compared as such.
func iocExpr(search, condition, text string, not bool) *expr {
	t := openIOCType(search)
	c := &comparison{path: search, key: iocKeys()[t], not: not, op: "=", values: []string{text}}
	for _, k := range iocTerms {
		if strings.HasSuffix(strings.ToLower(search), k[0]) {
			c.key = k[1]
		}
	}
	if c.key == "" || strings.HasSuffix(strings.ToLower(search), "originalfilename") || strings.HasSuffix(strings.ToLower(search), "internalname") {
		c.key = "openioc:" + search // no event has it
	}
	pattern := "(?i)" + regexp.QuoteMeta(text)
	switch condition {
	case "", "is":
		return &expr{cmp: c}
	case "contains":
		if (t.IsHash() || t.IsAddress() || t == Domain) && c.plain() != nil {
			return &expr{cmp: c}
		}
	case "starts-with":
		pattern = "(?i)^" + regexp.QuoteMeta(text)
	case "ends-with":
		pattern = "(?i)" + regexp.QuoteMeta(text) + "$"
	case "matches":
		pattern = text
	case "greater-than":
		c.op = ">"
		return &expr{cmp: c}
	case "less-than":
		c.op = "<"
		return &expr{cmp: c}
	default:
		return &expr{cmp: c, refused: "the item compares with " + condition + ", which is not supported"}
	}
	re, err := regexp.Compile(pattern)
	if err != nil || len(pattern) > 4096 {
		return &expr{cmp: c, refused: "the item has a regular expression that cannot be read: " + cut(text)}
	}
	c.op, c.re = "MATCHES", re
	return &expr{cmp: c}
}

// openIOCTypes are the things that OpenIOC compares, by the end of the term.
var openIOCTypes = []struct {
	suffix string
	typ    Type
}{
	{"md5sum", MD5}, {"sha1sum", SHA1}, {"sha256sum", SHA256}, {"imphash", Imphash}, {"filename", FileName}, {"originalfilename", FileName}, {"internalname", FileName}, {"fullpath", FilePath}, {"filepath", FilePath},
	{"dnsentryitem/host", Domain}, {"recordname", Domain}, {"network/dns", Domain}, {"hostname", Domain}, {"remoteip", IPv4}, {"localip", IPv4}, {"ipv4address", IPv4}, {"ipinfo", IPv4}, {"recorddata/ipv4address", IPv4},
	{"network/uri", URL}, {"url", URL}, {"useragent", UserAgent}, {"registryitem/path", Registry}, {"registryitem/keypath", Registry}, {"regpath", Registry}, {"email/from", Email}, {"processitem/name", ProcessName}, {"processitem/path", FilePath},
	{"handle/name", Mutex}, {"mutex", Mutex}, {"serviceitem/name", Service}, {"servicedll", FilePath}, {"serviceitem/path", FilePath}, {"arguments", CommandLine}, {"driveritem/drivername", FileName},
	{"moduleitem/name", FileName}, {"pipe", Pipe}, {"attachment/name", FileName},
}

// openIOCType is the type of what a term names.
func openIOCType(search string) Type {
	term := strings.ToLower(search)
	for _, t := range openIOCTypes {
		if strings.HasSuffix(term, t.suffix) {
			return t.typ
		}
	}
	return None
}

// single reads an item that is enough by itself: a term and its content.
func (x *xmlReader) single(text string, at place) {
	want := openIOCType(x.search)
	why := "compares " + x.search + ", which no event has"
	if want != None {
		b, ok := bare(text)
		if ok {
			if vs, err := readValue(b, want); err == nil && x.take(at, 0, 0, vs...) {
				x.count(gaveIndicator, at, "", "")
				return
			}
		}
		why = "cannot be read as " + want.String()
	} else if x.search == "" {
		why = whyNothing
	}
	fs := scan(text, scanField, nil)
	if len(fs) > 0 && want != None {
		if o, _ := x.addFound(fs, at, text); o == gaveIndicator {
			x.count(o, at, "", "")
			return
		}
	}
	x.count(gaveNothing, at, text, why)
}
