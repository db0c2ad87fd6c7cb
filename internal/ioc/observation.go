package ioc

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// The observation operators of STIX patterns. A hunt looks at one event at a
// time, so alternatives (OR), qualifiers that one event answers (START … STOP,
// WITHIN, REPEATS 1 TIMES) and brackets are evaluated; what needs several
// events is refused by name, alternative by alternative.

// sequence reads observations joined by FOLLOWEDBY, which binds least.
func (p *stixParser) sequence(depth int) (*expr, error) {
	return p.joined(depth, "FOLLOWEDBY", p.either)
}

// either reads observations joined by OR: any of them is enough.
func (p *stixParser) either(depth int) (*expr, error) {
	out := &expr{op: '|'}
	for {
		e, err := p.joined(depth, "AND", p.qualified)
		if err != nil {
			return nil, err
		}
		out.kids = append(out.kids, e)
		if !p.is("OR") {
			return out.simplified(), p.err
		}
		p.advance()
	}
}

// joined reads observations that op joins; two of them cannot be decided.
func (p *stixParser) joined(depth int, op string, next func(int) (*expr, error)) (*expr, error) {
	out := &expr{op: '&'}
	for {
		e, err := next(depth)
		if err != nil {
			return nil, err
		}
		out.kids = append(out.kids, e)
		if !p.is(op) {
			break
		}
		p.advance()
	}
	if len(out.kids) == 1 {
		return out.kids[0], p.err
	}
	out.refused = fmt.Sprintf("the pattern joins observations with %s: its parts show in several events, and a hunt looks at one at a time; hunt its values by themselves", op)
	return out, p.err
}

// qualified reads an observation and the qualifiers behind it.
func (p *stixParser) qualified(depth int) (*expr, error) {
	e, err := p.observation(depth)
	for err == nil {
		switch {
		case p.is("WITHIN"):
			p.advance()
			err = p.unit("SECONDS", nil) // one event is within any time
		case p.is("REPEATS"):
			p.advance()
			times := ""
			if err = p.unit("TIMES", &times); err == nil && times != "1" {
				e = &expr{op: '&', kids: []*expr{e}, refused: "the pattern uses REPEATS: how often something shows is not counted while hunting; the hit's count tells it"}
			}
		case p.is("START"):
			e, err = p.during(e)
		default:
			return e, p.err
		}
	}
	return nil, err
}

// unit reads "5 SECONDS" and "3 TIMES".
func (p *stixParser) unit(unit string, number *string) error {
	if p.quoted || strings.Trim(p.tok, "0123456789.") != "" || p.tok == "" {
		return p.unsupported()
	}
	if number != nil {
		*number = p.tok
	}
	p.advance()
	return p.expect(unit)
}

// eventTime is how times are compared: as text of one width.
const eventTime = "2006-01-02T15:04:05.000000000Z"

// during reads START t'…' STOP t'…': the event was at or behind the one and
// before the other.
func (p *stixParser) during(e *expr) (*expr, error) {
	out := &expr{op: '&', kids: []*expr{e}}
	for _, bound := range [...]struct{ word, op string }{{"START", ">="}, {"STOP", "<"}} {
		if err := p.expect(bound.word); err != nil {
			return nil, err
		}
		at, err := time.Parse(time.RFC3339Nano, strings.TrimSuffix(strings.TrimPrefix(strings.TrimPrefix(p.tok, "t"), "'"), "'"))
		if err != nil {
			return nil, fmt.Errorf("the pattern has a time that cannot be read: %s", p.tok)
		}
		p.advance()
		out.kids = append(out.kids, &expr{cmp: &comparison{path: "event:time", key: "event:time", op: bound.op, values: []string{at.UTC().Format(eventTime)}}})
	}
	return out, p.err
}

// observation reads [ … ] or ( … ).
func (p *stixParser) observation(depth int) (*expr, error) {
	if depth > maxDepth {
		return nil, errors.New("the pattern is nested too deep")
	}
	if p.is("(") {
		p.advance()
		e, err := p.sequence(depth + 1)
		if err != nil {
			return nil, err
		}
		return e, p.expect(")")
	}
	if err := p.expect("["); err != nil {
		return nil, err
	}
	e, err := p.comparisons(depth + 1)
	if err != nil {
		return nil, err
	}
	return e, p.expect("]")
}
