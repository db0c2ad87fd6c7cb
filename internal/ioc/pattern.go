package ioc

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync"
)

// Rule is a pattern of which more than one comparison must hold, so that it is
// evaluated on whole events.
type Rule struct {
	Text    string
	Refused string // why it cannot be evaluated; "" when it can
	expr    *expr
}

// expr is a pattern: a comparison, or several joined.
type expr struct {
	op      byte // '&', '|', or 0 for a comparison
	kids    []*expr
	cmp     *comparison
	refused string // why it cannot be decided, though its parts could
}

// comparison is one test of a property.
type comparison struct {
	path   string // file:hashes.'SHA-256', as written
	key    string // normalised: file:hashes.sha256
	op     string // = != < > <= >= IN LIKE MATCHES ISSUBSET ISSUPERSET EXISTS
	values []string
	not    bool
	re     *regexp.Regexp
}

// ParsePattern reads a STIX pattern. Observations joined by OR are
// alternatives; what joins several observations is refused by name: an
// indicator that means more must not be hunted as if it meant less.
func ParsePattern(pattern string) (*expr, error) { //nolint:revive // callers need only its methods
	p := stixParser{text: pattern}
	p.advance()
	e, err := p.sequence(0)
	if err != nil {
		return nil, err
	}
	if p.tok != "" || p.quoted {
		return nil, p.unsupported()
	}
	return e, p.err
}

type stixParser struct {
	text   string
	pos    int
	tok    string // "" at the end
	quoted bool
	err    error
}

// advance reads the next token: a bracket, a comma, an operator, a quoted
// string or a word (an object path with its quoted parts).
func (p *stixParser) advance() {
	for p.pos < len(p.text) && strings.IndexByte(" \t\r\n", p.text[p.pos]) >= 0 {
		p.pos++
	}
	p.quoted = false
	if p.pos >= len(p.text) {
		p.tok = ""
		return
	}
	start := p.pos
	switch c := p.text[p.pos]; {
	case strings.IndexByte("[](),", c) >= 0:
		p.pos++
		p.tok = p.text[start:p.pos]
	case strings.IndexByte("=!<>", c) >= 0:
		for p.pos < len(p.text) && strings.IndexByte("=!<>", p.text[p.pos]) >= 0 {
			p.pos++
		}
		p.tok = p.text[start:p.pos]
	case c == '\'':
		p.tok, p.quoted = p.quotedText(), true
	default:
		p.word(start)
	}
}

func (p *stixParser) word(start int) {
	for p.pos < len(p.text) && strings.IndexByte(" \t\r\n()],=!<>", p.text[p.pos]) < 0 {
		switch p.text[p.pos] {
		case '\'':
			p.quotedText()
			continue
		case '[': // an index such as [0] or [*]
			if end := strings.IndexByte(p.text[p.pos:], ']'); end > 0 {
				p.pos += end
			}
		}
		p.pos++
	}
	if p.pos == start { // a sign that begins nothing
		p.pos++
	}
	p.tok = p.text[start:p.pos]
}

// quotedText reads from a quote to its end; \' and \\ are escapes.
func (p *stixParser) quotedText() string {
	var b strings.Builder
	for p.pos++; p.pos < len(p.text); p.pos++ {
		switch c := p.text[p.pos]; {
		case c == '\\' && p.pos+1 < len(p.text):
			p.pos++
			b.WriteByte(p.text[p.pos])
		case c == '\'':
			p.pos++
			return b.String()
		default:
			b.WriteByte(c)
		}
	}
	p.err = errors.New("the pattern has a string that does not end")
	return b.String()
}

func (p *stixParser) unsupported() error {
	if p.err != nil {
		return p.err
	}
	if p.tok == "" {
		return errors.New("the pattern ends too early")
	}
	return fmt.Errorf("the pattern uses %s, which is not supported", p.tok)
}

func (p *stixParser) is(tok string) bool { return !p.quoted && strings.EqualFold(p.tok, tok) }

func (p *stixParser) expect(tok string) error {
	if !p.is(tok) {
		return p.unsupported()
	}
	p.advance()
	return p.err
}

// comparisons reads comparisons joined by OR; AND binds closer.
func (p *stixParser) comparisons(depth int) (*expr, error) {
	out := &expr{op: '|'}
	for {
		all := &expr{op: '&'}
		for {
			e, err := p.operand(depth)
			if err != nil {
				return nil, err
			}
			all.kids = append(all.kids, e)
			if !p.is("AND") {
				break
			}
			p.advance()
		}
		out.kids = append(out.kids, all.simplified())
		if !p.is("OR") {
			return out.simplified(), p.err
		}
		p.advance()
	}
}

func (p *stixParser) operand(depth int) (*expr, error) {
	if depth > maxDepth {
		return nil, errors.New("the pattern is nested too deep")
	}
	if p.is("(") {
		p.advance()
		e, err := p.comparisons(depth + 1)
		if err != nil {
			return nil, err
		}
		return e, p.expect(")")
	}
	return p.comparison()
}

// simplified drops joins of one, and flattens joins of the same kind.
func (e *expr) simplified() *expr {
	var kids []*expr
	for _, k := range e.kids {
		if k.op == e.op && k.cmp == nil && k.refused == "" {
			kids = append(kids, k.kids...)
		} else {
			kids = append(kids, k)
		}
	}
	if len(kids) == 1 {
		return kids[0]
	}
	return &expr{op: e.op, kids: kids}
}

var operators = sync.OnceValue(func() map[string]bool {
	return map[string]bool{"=": true, "==": true, "!=": true, "<>": true, "<": true, ">": true, "<=": true, ">=": true, "LIKE": true, "MATCHES": true, "ISSUBSET": true, "ISSUPERSET": true, "IN": true}
})

func (p *stixParser) comparison() (*expr, error) {
	c := &comparison{}
	// NOT may stand in front of the path, of EXISTS, or of the operator.
	for p.is("NOT") {
		c.not = !c.not
		p.advance()
	}
	if p.is("EXISTS") {
		p.advance()
		c.op = "EXISTS"
	}
	if p.quoted || !strings.Contains(p.tok, ":") {
		return nil, p.unsupported()
	}
	c.path, c.key = p.tok, stixKey(p.tok)
	p.advance()
	if c.op == "EXISTS" {
		return &expr{cmp: c}, p.err
	}
	if p.is("NOT") {
		c.not = !c.not
		p.advance()
	}
	op := strings.ToUpper(p.tok)
	if p.quoted || !operators()[op] {
		return nil, p.unsupported()
	}
	switch op {
	case "==":
		op = "="
	case "<>":
		op = "!="
	}
	c.op = op
	p.advance()
	if op == "IN" {
		if err := p.set(c); err != nil {
			return nil, err
		}
		return &expr{cmp: c}, p.err
	}
	if !p.constant(c) {
		return nil, p.unsupported()
	}
	if op == "MATCHES" {
		re, err := regexp.Compile(c.values[0])
		if err != nil || len(c.values[0]) > 4096 {
			return nil, fmt.Errorf("the pattern has a regular expression that cannot be read: %s", c.values[0])
		}
		c.re = re
	}
	return &expr{cmp: c}, p.err
}

// set reads ('a', 'b').
func (p *stixParser) set(c *comparison) error {
	if err := p.expect("("); err != nil {
		return err
	}
	for {
		if !p.constant(c) {
			return p.unsupported()
		}
		if !p.is(",") {
			break
		}
		p.advance()
	}
	return p.expect(")")
}

// constant reads a string, a number or a word such as true; t'…', h'…' and
// b'…' are refused with their letter.
func (p *stixParser) constant(c *comparison) bool {
	if !p.quoted && (p.tok == "" || strings.IndexByte("[](),=!<>", p.tok[0]) >= 0 || strings.IndexByte(p.tok, '\'') >= 0) {
		return false
	}
	c.values = append(c.values, p.tok)
	p.advance()
	return true
}

// stixKey folds the spellings of an object path.
func stixKey(path string) string {
	object, property, _ := strings.Cut(path, ":")
	property = strings.ToLower(strings.NewReplacer("'", "", `"`, "").Replace(property))
	for _, p := range [...][2]string{{"hashes.sha-1", "hashes.sha1"}, {"hashes.sha-256", "hashes.sha256"}, {"hashes.sha-512", "hashes.sha512"}, {"hashes.sha_1", "hashes.sha1"}, {"hashes.sha_256", "hashes.sha256"}} {
		property = strings.Replace(property, p[0], p[1], 1)
	}
	return strings.ToLower(object) + ":" + property
}

// stixTypes are the types of the paths that name a thing by itself.
var stixTypes = sync.OnceValue(func() map[string]Type {
	return map[string]Type{
		"file:hashes.md5": MD5, "file:hashes.sha1": SHA1, "file:hashes.sha256": SHA256, "file:hashes.sha512": SHA512, "file:hashes.imphash": Imphash,
		"file:name": FileName, "ipv4-addr:value": IPv4, "ipv6-addr:value": IPv6, "domain-name:value": Domain, "url:value": URL,
		"email-addr:value": Email, "email-message:from_ref.value": Email, "email-message:sender_ref.value": Email, "email-message:to_refs[*].value": Email, "email-message:to_refs[0].value": Email,
		"process:name": ProcessName, "process:image_ref.name": FileName, "process:binary_ref.name": FileName, "process:binary_ref.hashes.md5": MD5, "process:binary_ref.hashes.sha1": SHA1,
		"process:binary_ref.hashes.sha256": SHA256, "process:image_ref.hashes.md5": MD5, "process:image_ref.hashes.sha256": SHA256, "process:image_ref.hashes.sha1": SHA1,
		"network-traffic:dst_ref.value": Domain, "network-traffic:src_ref.value": Domain, "windows-registry-key:key": Registry,
		"artifact:hashes.md5": MD5, "artifact:hashes.sha1": SHA1, "artifact:hashes.sha256": SHA256,
		"mutex:name": Mutex, "network-traffic:extensions.http-request-ext.request_header.user-agent": UserAgent,
		"domain-name:resolves_to_refs[*].value": IPv4, "email-message:body_multipart[*].body_raw_ref.name": FileName, "email-message:body_multipart[0].body_raw_ref.name": FileName,
		"x509-certificate:serial_number": Certificate, "autonomous-system:number": ASN, "directory:path": FilePath, "file:path": FilePath, "vulnerability:name": CVE,
	}
})

// alternatives are the expressions any of which is enough.
func (e *expr) alternatives() []*expr {
	if e.op == '|' {
		return e.kids
	}
	return []*expr{e}
}

// plain gives the indicators of a comparison that is enough by itself; nil
// when the expression is more than that.
func (e *expr) plain() []value {
	if e.refused != "" {
		return nil
	}
	if e.op == '&' {
		return e.plainTraffic()
	}
	if e.cmp == nil || e.cmp.not {
		return nil
	}
	return e.cmp.plain()
}

func (c *comparison) plain() []value {
	t, known := stixTypes()[c.key]
	if !known || c.not {
		return nil
	}
	switch {
	case c.op == "=" || c.op == "IN":
	case c.op == "ISSUBSET" && (t.IsAddress() || t == Domain):
	default:
		return nil
	}
	var out []value
	for _, text := range c.values {
		b, ok := bare(text)
		if !ok {
			continue
		}
		vs, err := readValue(b, t)
		if err != nil {
			continue
		}
		if t == FileName && len(vs) > 0 && vs[0].typ == FilePath {
			vs[0].typ = FilePath
		}
		out = append(out, vs...)
	}
	return out
}

// plainTraffic reads what exporters write for one address: its kind, the
// address, and perhaps the port.
func (e *expr) plainTraffic() []value {
	var out []value
	port := uint16(0)
	for _, k := range e.kids {
		c := k.cmp
		switch {
		case c == nil || c.not:
			return nil
		case c.op == "=" && (c.key == "network-traffic:dst_ref.type" || c.key == "network-traffic:src_ref.type"):
		case c.op == "=" && c.key == "network-traffic:dst_port":
			p, ok := portOf(c.values[0])
			if !ok {
				return nil
			}
			port = p
		case c.key == "network-traffic:dst_ref.value" || c.key == "network-traffic:src_ref.value":
			vs := c.plain()
			if vs == nil || out != nil {
				return nil
			}
			out = vs
		default:
			return nil
		}
	}
	for i := range out {
		out[i].port = port
	}
	return out
}

// leaves are the values an expression compares for equality, whatever else it asks.
func (e *expr) leaves(out []value) []value {
	if e.cmp != nil {
		return append(out, e.cmp.plain()...)
	}
	for _, k := range e.kids {
		out = k.leaves(out)
	}
	return out
}
