package ruleconvert

import (
	"fmt"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/edrctl/edrctl/internal/sigma"
)

// pattern is values that become one regular expression.
type pattern struct {
	parts []part
	exact string // the only value, where it is one that is compared whole and with case
}

// part is one value.
type part struct {
	start, end bool // it is at the start, at the end of the text
	fold, dot  bool // case does not count; . is any character
	body       string
	own        bool // an expression of the rule's author
}

func (p *pattern) add(v *sigma.Value) error {
	switch v.Kind {
	case sigma.ValueRegexp:
		body, err := onOneLine(v.Regexp)
		if err != nil {
			return err
		}
		p.parts = append(p.parts, part{body: body, own: true})
		return nil
	case sigma.ValueNumber:
		body, err := numberPattern(v.Number)
		if err != nil {
			return err
		}
		p.parts = append(p.parts, part{start: true, end: true, fold: true, body: body})
		return nil
	case sigma.ValueCIDR:
		body, err := networkPattern(v.Network)
		if err != nil {
			return err
		}
		p.parts = append(p.parts, part{start: true, fold: true, body: body})
		return nil
	case sigma.ValueTime:
		return refuse("it compares a part of a time, which Gene cannot")
	}
	if lit, ok := v.Literal(); ok && v.Cased && len(p.parts) == 0 && !strings.ContainsFunc(lit, unicode.IsControl) && utf8.ValidString(lit) {
		p.exact = "=" + lit
	} else {
		p.exact = ""
	}
	one, err := textPart(v)
	p.parts = append(p.parts, one)
	return err
}

func textPart(v *sigma.Value) (part, error) {
	out := part{start: true, end: true, fold: !v.Cased}
	segs := v.Glob
	if len(segs) > 1 && len(segs[0]) == 1 && segs[0][0] == "" {
		out.start, segs = false, segs[1:]
	}
	if n := len(segs); len(v.Glob) > 1 && n > 0 && len(segs[n-1]) == 1 && segs[n-1][0] == "" {
		out.end, segs = false, segs[:n-1]
	}
	var b strings.Builder
	for i, seg := range segs {
		if i > 0 {
			b.WriteString(".*")
			out.dot = true
		}
		for j, lit := range seg {
			if j > 0 {
				b.WriteByte('.')
				out.dot = true
			}
			if !utf8.ValidString(lit) {
				return out, errBytes
			}
			b.WriteString(quoted(lit))
		}
	}
	out.body = b.String()
	return out, nil
}

// quoted writes a literal for a regular expression of one line.
func quoted(lit string) string {
	var b strings.Builder
	for _, r := range regexp.QuoteMeta(lit) {
		if unicode.IsControl(r) {
			fmt.Fprintf(&b, `\x{%x}`, r)
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

// onOneLine escapes the control characters of an expression.
func onOneLine(expr string) (string, error) {
	if !utf8.ValidString(expr) {
		return "", errBytes
	}
	if !strings.ContainsFunc(expr, unicode.IsControl) {
		return expr, nil
	}
	if strings.Contains(expr, `\`) && strings.Contains(expr, `\Q`) {
		return "", refuse("its regular expression quotes control characters, which a rule of Gene cannot hold")
	}
	var b strings.Builder
	for i, r := range expr {
		switch {
		case !unicode.IsControl(r):
			b.WriteRune(r)
		case strings.HasSuffix(expr[:i], `\`):
			return "", refuse("its regular expression escapes a control character, which a rule of Gene cannot hold")
		default:
			fmt.Fprintf(&b, `\x{%x}`, r)
		}
	}
	return b.String(), nil
}

// operation writes the match: an expression that one of the values matches.
func (p *pattern) operation() operation {
	if len(p.parts) == 1 && p.exact != "" {
		return operation{"=", p.exact[1:]}
	}
	first := p.parts[0]
	same, dot, empty := true, false, false
	for _, x := range p.parts {
		same = same && x.start == first.start && x.end == first.end && x.fold == first.fold && !x.own
		dot = dot || x.dot
		empty = empty || x.body == "" && !x.start && !x.end
	}
	switch {
	case empty: // any value will do
		return operation{"~=", ".*"}
	case first.own && len(p.parts) == 1:
		return operation{"~=", first.body}
	}
	flags, open, shut := "", "", ""
	if same {
		flags = flagsOf(first.fold, dot)
		open, shut = anchor(first.start, "^"), anchor(first.end, "$")
	}
	var bodies []string
	for _, x := range p.parts {
		switch {
		case same:
			bodies = append(bodies, x.body)
		case x.own:
			bodies = append(bodies, "(?:"+x.body+")")
		default:
			body := anchor(x.start, "^") + x.body + anchor(x.end, "$")
			if f := flagsOf(x.fold, x.dot); f != "" {
				body = "(?:" + f + body + ")"
			}
			bodies = append(bodies, body)
		}
	}
	body := strings.Join(bodies, "|")
	if same && (len(bodies) > 1 || strings.Contains(body, "|")) && open+shut != "" {
		body = "(?:" + body + ")"
	}
	return operation{"~=", flags + open + body + shut}
}

func anchor(is bool, sign string) string {
	if is {
		return sign
	}
	return ""
}

func flagsOf(fold, dot bool) string {
	switch {
	case fold && dot:
		return "(?is)"
	case fold:
		return "(?i)"
	case dot:
		return "(?s)"
	}
	return ""
}

// numberPattern matches a number as events write it: in decimal, or as 0x….
func numberPattern(n string) (string, error) {
	i, err := strconv.ParseInt(n, 10, 64)
	switch {
	case err != nil:
		return "", refuse("it compares with the number %s, which is not a whole number", n)
	case i < 0:
		return "-0*" + n[1:], nil
	}
	return fmt.Sprintf("0*(?:%d|0x0*%x)", i, i), nil
}

// networkPattern matches the addresses of a network, as they are written.
func networkPattern(net netip.Prefix) (string, error) {
	addr, bits := net.Addr(), net.Bits()
	if addr.Is4() {
		b := addr.As4()
		out := make([]string, 0, 4)
		for _, octet := range b {
			switch {
			case bits >= 8:
				out = append(out, strconv.Itoa(int(octet)))
			case bits <= 0:
				out = append(out, `\d{1,3}`)
			default:
				var all []string
				for n := int(octet); n < int(octet)+1<<(8-bits); n++ {
					all = append(all, strconv.Itoa(n))
				}
				out = append(out, "(?:"+strings.Join(all, "|")+")")
			}
			bits -= 8
		}
		return `(?:::ffff:)?` + strings.Join(out, `\.`) + "$", nil
	}
	b := addr.As16()
	switch first := int(b[0])<<8 | int(b[1]); {
	case bits == 128 && addr == netip.IPv6Loopback():
		return `(?:::1|0{1,4}(?::0{1,4}){6}:0{0,3}1)$`, nil
	case bits <= 16 && first >= 0x1000:
		var s strings.Builder
		for i := range 4 {
			digit := first >> (12 - 4*i) & 15
			switch left := bits - 4*i; {
			case left >= 4:
				fmt.Fprintf(&s, "%x", digit)
			case left <= 0:
				s.WriteString("[0-9a-f]")
			default:
				s.WriteByte('[')
				for n := digit; n < digit+1<<(4-left); n++ {
					fmt.Fprintf(&s, "%x", n)
				}
				s.WriteByte(']')
			}
		}
		return s.String() + ":", nil
	}
	return "", refuse("it asks for the network %s, whose addresses are written in too many ways for a rule of Gene", net)
}
