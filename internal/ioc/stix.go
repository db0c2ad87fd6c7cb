package ioc

import (
	"fmt"
	"strings"
)

type stixObject struct {
	Type        string `json:"type"`
	ID          string `json:"id"`
	Pattern     string `json:"pattern"`
	PatternType string `json:"pattern_type"`
	Revoked     bool   `json:"revoked"`
}

// takeSTIX reads the pattern of an indicator object; other objects carry none.
func (l *List) takeSTIX(name string, o *stixObject) {
	if o.Type != "indicator" {
		return
	}
	switch {
	case o.Revoked:
		l.problem(name, 0, o.ID, "", "is revoked: left out")
		return
	case o.PatternType != "" && o.PatternType != "stix":
		l.problem(name, 0, o.ID, "", fmt.Sprintf("its pattern is written in %s, not in STIX", o.PatternType))
		return
	}
	terms, err := ParsePattern(o.Pattern)
	if err != nil {
		l.problem(name, 0, o.ID, o.Pattern, err.Error())
		return
	}
	for _, t := range terms {
		if t.Type == None {
			l.problem(name, 0, o.ID, t.Path+" = '"+t.Value+"'", "cannot be hunted")
			continue
		}
		l.take(name, t.Value, t.Type, 0, o.ID)
	}
}

// Term is one comparison of a STIX pattern.
type Term struct {
	Path  string // for example file:hashes.'SHA-256'
	Type  Type   // None when the path is of no type edrctl hunts
	Value string
}

// ParsePattern gives the comparisons of a STIX 2.1 pattern: = and IN (and
// ISSUBSET of addresses), joined by AND and OR. Anything else (NOT, LIKE,
// MATCHES, FOLLOWEDBY, qualifiers) is an error naming it: an indicator that
// meant more must not be hunted as if it meant less.
func ParsePattern(pattern string) ([]Term, error) {
	p := stixParser{text: pattern}
	p.advance()
	var out []Term
	terms, err := p.observations(0)
	if err != nil {
		return nil, err
	}
	out = append(out, terms...)
	if p.tok != "" {
		return nil, p.unsupported()
	}
	return out, nil
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
	p.err = fmt.Errorf("the pattern has a string that does not end")
	return b.String()
}

func (p *stixParser) unsupported() error {
	if p.err != nil {
		return p.err
	}
	if p.tok == "" {
		return fmt.Errorf("the pattern ends too early")
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

func (p *stixParser) observations(depth int) ([]Term, error) {
	return p.joined(depth, func() ([]Term, error) {
		if p.is("(") {
			p.advance()
			terms, err := p.observations(depth + 1)
			if err != nil {
				return nil, err
			}
			return terms, p.expect(")")
		}
		if err := p.expect("["); err != nil {
			return nil, err
		}
		terms, err := p.comparisons(depth)
		if err != nil {
			return nil, err
		}
		return terms, p.expect("]")
	})
}

func (p *stixParser) comparisons(depth int) ([]Term, error) {
	return p.joined(depth, func() ([]Term, error) {
		if p.is("(") {
			p.advance()
			terms, err := p.comparisons(depth + 1)
			if err != nil {
				return nil, err
			}
			return terms, p.expect(")")
		}
		return p.comparison()
	})
}

// joined reads one or more parts with AND or OR between them.
func (p *stixParser) joined(depth int, part func() ([]Term, error)) ([]Term, error) {
	if depth > maxDepth {
		return nil, fmt.Errorf("the pattern is nested too deep")
	}
	var out []Term
	for {
		terms, err := part()
		if err != nil {
			return nil, err
		}
		out = append(out, terms...)
		if !p.is("AND") && !p.is("OR") {
			return out, nil
		}
		p.advance()
	}
}

func (p *stixParser) comparison() ([]Term, error) {
	path := p.tok
	if p.quoted || !strings.Contains(path, ":") {
		return nil, p.unsupported()
	}
	p.advance()
	kind := stixType(path)
	var values []string
	switch {
	case p.is("="), p.is("ISSUBSET") && kind.IsAddress():
		p.advance()
		if !p.quoted {
			return nil, p.unsupported()
		}
		values = append(values, p.tok)
		p.advance()
	case p.is("IN"):
		p.advance()
		if err := p.expect("("); err != nil {
			return nil, err
		}
		for {
			if !p.quoted {
				return nil, p.unsupported()
			}
			values = append(values, p.tok)
			p.advance()
			if !p.is(",") {
				break
			}
			p.advance()
		}
		if err := p.expect(")"); err != nil {
			return nil, err
		}
	default:
		return nil, p.unsupported()
	}
	out := make([]Term, len(values))
	for i, v := range values {
		out[i] = Term{Path: path, Type: kind, Value: v}
	}
	return out, p.err
}

// stixType is the type of what a STIX object path names.
func stixType(path string) Type {
	object, property, _ := strings.Cut(path, ":")
	property = strings.ToLower(strings.ReplaceAll(property, "'", ""))
	switch strings.ToLower(object) {
	case "file":
		switch property {
		case "hashes.md5":
			return MD5
		case "hashes.sha-1", "hashes.sha1":
			return SHA1
		case "hashes.sha-256", "hashes.sha256":
			return SHA256
		case "hashes.imphash":
			return Imphash
		case "name":
			return FileName
		}
	case "ipv4-addr", "ipv6-addr":
		if property == "value" {
			return IPv4 // Parse tells v4, v6 and ranges apart
		}
	case "domain-name":
		if property == "value" {
			return Domain
		}
	case "url":
		if property == "value" {
			return URL
		}
	case "email-addr":
		if property == "value" {
			return Email
		}
	case "process":
		if property == "name" {
			return ProcessName
		}
	case "network-traffic":
		if property == "dst_ref.value" || property == "src_ref.value" {
			return Domain // a name or an address
		}
	}
	return None
}
