package generule

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"strings"
)

// Event is what rules look at.
type Event struct {
	Channel  string
	EventID  int64
	Computer string
	Data     map[string]string // EventData
	Fired    []string          // rules the manager says fired on it
}

type wireEvent struct {
	System struct {
		Channel  string          `json:"Channel"`
		Computer string          `json:"Computer"`
		EventID  json.RawMessage `json:"EventID"`
	} `json:"System"`
	EventData map[string]json.RawMessage `json:"EventData"`
	GeneInfo  *wireHit                   `json:"GeneInfo"`
	Detection *wireHit                   `json:"Detection"`
}

type wireHit struct {
	Signature []string `json:"Signature"`
}

// ReadEvent reads an event as the manager gives it, {"Event": {…}}, or a
// record of edrctl that has it as raw (-o ndjson --raw).
func ReadEvent(doc []byte) (Event, error) {
	var in struct {
		Event *wireEvent      `json:"Event"`
		Raw   json.RawMessage `json:"raw"`
	}
	if err := json.Unmarshal(doc, &in); err != nil {
		return Event{}, errors.New("not a JSON object of an event")
	}
	if in.Event == nil && len(in.Raw) > 0 && !bytes.Equal(doc, in.Raw) {
		var raw struct {
			Event *wireEvent `json:"Event"`
		}
		if err := json.Unmarshal(in.Raw, &raw); err != nil {
			return Event{}, errors.New("its raw is not an event of Gene")
		}
		in.Event = raw.Event
	}
	if in.Event == nil {
		return Event{}, errors.New(`it has no "Event", and no "raw" with one: events list --raw -o ndjson gives such`)
	}
	w := in.Event
	id, err := strconv.ParseInt(strings.Trim(string(w.System.EventID), `"`), 10, 64)
	if err != nil {
		return Event{}, errors.New("its EventID is not a number")
	}
	e := Event{Channel: w.System.Channel, EventID: id, Computer: w.System.Computer, Data: make(map[string]string, len(w.EventData))}
	for k, v := range w.EventData {
		var s string
		if json.Unmarshal(v, &s) != nil {
			s = string(v)
		}
		e.Data[k] = s
	}
	for _, h := range []*wireHit{w.GeneInfo, w.Detection} {
		if h != nil {
			e.Fired = append(e.Fired, h.Signature...)
		}
	}
	return e, nil
}

// Engine tells which of some rules would fire.
type Engine struct{ rules []compiled }

type compiled struct {
	rule    Rule
	matches map[string]*Match
	cond    *Condition
}

// NewEngine takes the rules that have no errors and are not disabled.
func NewEngine(rules []*Parsed) *Engine {
	e := &Engine{}
	for _, p := range rules {
		if len(p.Errors) > 0 || p.Meta.Disable {
			continue
		}
		c := compiled{rule: p.Rule, matches: map[string]*Match{}}
		for _, m := range p.Matches {
			if parsed, err := ParseMatch(m); err == nil {
				c.matches[parsed.Name] = parsed
			}
		}
		var err error
		if c.cond, err = ParseCondition(p.Condition); err == nil {
			e.rules = append(e.rules, c)
		}
	}
	return e
}

// Verdict is a rule on an event.
type Verdict struct {
	Rule   string
	Fires  Truth
	Filter bool
}

// On gives the rules that fire on an event, or may.
func (e *Engine) On(ev Event) []Verdict {
	var out []Verdict
	for _, c := range e.rules {
		if !c.rule.looksAt(ev) {
			continue
		}
		t := c.cond.On(func(name string) Truth {
			if m := c.matches[name]; m != nil {
				return m.On(ev.Data)
			}
			return No
		})
		if t != No {
			out = append(out, Verdict{Rule: c.rule.Name, Fires: t, Filter: c.rule.Meta.Filter})
		}
	}
	return out
}

// looksAt tells whether a rule is for events of this channel, id and computer.
func (r Rule) looksAt(ev Event) bool {
	m := r.Meta
	if len(m.Computers) > 0 && !slices.Contains(m.Computers, ev.Computer) {
		return false
	}
	if r.Version() == 2 {
		ids, ok := m.Events[ev.Channel]
		return len(m.Events) == 0 || ok && (len(ids) == 0 || slices.Contains(ids, ev.EventID))
	}
	return (len(m.Channels) == 0 || slices.Contains(m.Channels, ev.Channel)) && (len(m.EventIDs) == 0 || slices.Contains(m.EventIDs, ev.EventID))
}
