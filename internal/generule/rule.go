// Package generule is the rule language of the Gene engine (docs/wire/gene.md 10):
// it reads rules of schema 1 and 2, finds here what an engine would refuse or
// silently drop, turns one schema into the other where nothing is lost, and
// tells which rules would fire on an event. It asks no server.
package generule

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// Schema2 is what managers since v1.8.0-beta.2 want in Meta.Schema.
const Schema2 = "2.0.0"

const (
	maxRules = 100_000
	maxDepth = 64 // of a condition's parentheses
)

// Rule is a Gene rule of either schema.
type Rule struct {
	Name      string
	Tags      []string
	Meta      Meta
	Matches   []string
	Condition string
	Actions   []string

	has map[string]bool // members of Meta that were given, by lower-case name
}

// Meta says which events a rule looks at, and what it means when it fires.
// Schema 1 has EventIDs, Channels and Traces; schema 2 Events and Schema.
type Meta struct {
	EventIDs    []int64            `json:"EventIDs"`
	Channels    []string           `json:"Channels"`
	Events      map[string][]int64 `json:"Events"` // channel → event ids, empty = all; an empty map = every event
	Computers   []string           `json:"Computers"`
	Traces      []string           `json:"Traces"`
	ATTACK      []Attack           `json:"ATTACK"`
	Criticality int                `json:"Criticality"`
	Disable     bool               `json:"Disable"`
	Filter      bool               `json:"Filter"`
	Schema      string             `json:"Schema"`
}

// Attack is a technique of ATT&CK.
type Attack struct {
	ID          string `json:"ID"`
	Tactic      string `json:"Tactic"`
	Description string `json:"Description,omitempty"`
	Reference   string `json:"Reference"`
}

var (
	ruleFields = []string{"Name", "Tags", "Meta", "Matches", "Condition", "Actions"}
	metaFields = []string{"EventIDs", "Channels", "Events", "Computers", "Traces", "ATTACK", "Criticality", "Disable", "Filter", "Schema"}
)

// Parsed is a rule as it was read, with what is wrong with it.
type Parsed struct {
	Rule
	Warnings []string // it would be taken, but not as it was probably meant
	Errors   []string // an engine would refuse it
}

// Parse reads rules: objects one after the other (a Gene rule file), one
// object, or an array of them. The error means that the text is neither;
// what is wrong with one rule is in its Errors.
func Parse(text []byte) ([]*Parsed, error) {
	dec := json.NewDecoder(bytes.NewReader(bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))))
	var out []*Parsed
	for {
		var doc json.RawMessage
		err := dec.Decode(&doc)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("after %d rules, at byte %d: it is not JSON", len(out), dec.InputOffset())
		}
		docs := []json.RawMessage{doc}
		if doc[0] == '[' {
			docs = nil
			if err := json.Unmarshal(doc, &docs); err != nil {
				return nil, fmt.Errorf("after %d rules: not an array", len(out))
			}
		}
		for _, d := range docs {
			if len(d) == 0 || d[0] != '{' {
				return nil, fmt.Errorf("rule %d is not an object", len(out)+1)
			}
			if len(out) == maxRules {
				return nil, fmt.Errorf("more than %d rules", maxRules)
			}
			out = append(out, parse(d))
		}
	}
	if len(out) == 0 {
		return nil, errors.New("there is no rule in it")
	}
	byName := map[string]bool{}
	for _, p := range out {
		if p.Name != "" && byName[p.Name] {
			p.Errors = append(p.Errors, "an earlier rule has this name")
		}
		byName[p.Name] = true
	}
	return out, nil
}

func parse(doc []byte) *Parsed {
	p := &Parsed{}
	if err := json.Unmarshal(doc, &p.Rule); err != nil {
		why := "it is not of the shape of a rule"
		var te *json.UnmarshalTypeError
		if errors.As(err, &te) && te.Field != "" {
			kind, _, _ := strings.Cut(te.Value, " ")
			why = fmt.Sprintf("%s cannot be a %s", te.Field, kind)
		}
		p.Errors = append(p.Errors, why)
		return p
	}
	p.has = map[string]bool{}
	for _, m := range members(doc) {
		if !known(ruleFields, m.name) {
			p.Warnings = append(p.Warnings, fmt.Sprintf("a rule has no field %q: the manager silently drops it", m.name))
		}
		if strings.EqualFold(m.name, "Meta") {
			for _, mm := range members(m.value) {
				if !known(metaFields, mm.name) {
					p.Warnings = append(p.Warnings, fmt.Sprintf("Meta has no field %q: the manager silently drops it", mm.name))
				}
				p.has[strings.ToLower(mm.name)] = true
			}
		}
	}
	p.check()
	return p
}

type member struct {
	name  string
	value json.RawMessage
}

// members gives the members of an object in their order; nil for what is none.
func members(doc []byte) []member {
	dec := json.NewDecoder(bytes.NewReader(doc))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return nil
	}
	var out []member
	for dec.More() {
		t, err := dec.Token()
		name, ok := t.(string)
		if err != nil || !ok {
			return nil
		}
		var v json.RawMessage
		if dec.Decode(&v) != nil {
			return nil
		}
		out = append(out, member{name, v})
	}
	return out
}

func known(fields []string, name string) bool {
	return slices.ContainsFunc(fields, func(f string) bool { return strings.EqualFold(f, name) })
}

// Check finds what is wrong with a rule that was not parsed from text.
func (r Rule) Check() (problems, warnings []string) {
	p := Parsed{Rule: r}
	p.check()
	return p.Errors, p.Warnings
}

func (p *Parsed) check() {
	bad := func(format string, args ...any) { p.Errors = append(p.Errors, fmt.Sprintf(format, args...)) }
	warn := func(format string, args ...any) { p.Warnings = append(p.Warnings, fmt.Sprintf(format, args...)) }
	if strings.TrimSpace(p.Name) == "" {
		bad("it has no name: the manager would take it under the empty one")
	}
	if strings.ContainsFunc(p.Name, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		warn("its name holds a control character")
	}
	if p.Meta.Disable {
		warn("Disable is true: the manager takes it, and neither runs nor lists it")
	}
	if c := p.Meta.Criticality; c < 0 || c > 10 {
		warn("criticality %d: managers bound it to 10", c)
	}
	switch v := p.Version(); {
	case p.Meta.Schema != "" && v == 0:
		bad("invalid Schema %q: want a version such as 2.0.0", p.Meta.Schema)
	case v == 2 && (len(p.Meta.EventIDs) > 0 || len(p.Meta.Channels) > 0):
		bad("EventIDs and Channels are of schema 1, Events and Schema of schema 2: a manager reads one and drops the other, so the rule would look at other events than meant")
	}
	names := map[string]bool{}
	for _, m := range p.Matches {
		parsed, err := ParseMatch(m)
		if err != nil {
			bad("match %q: %s", m, err)
			continue
		}
		if names[parsed.Name] {
			warn("%s is defined twice: the later one counts", parsed.Name)
		}
		names[parsed.Name] = true
		if parsed.Note != "" {
			warn("%s: %s", parsed.Name, parsed.Note)
		}
		if parsed.Container != "" {
			warn("%s needs container %s: on a manager without it the rule is loaded and disabled", parsed.Name, parsed.Container)
		}
	}
	cond, err := ParseCondition(p.Condition)
	if err != nil {
		bad("condition: %s", err)
		return
	}
	if cond.gap() {
		warn("the condition lacks an operator between two names: engines load it, and nobody says what it means")
	}
	if cond.mixed() {
		warn("the condition mixes and and or without parentheses: say which belongs together")
	}
	used := map[string]bool{}
	cond.names(used)
	for _, n := range slices.Sorted(maps.Keys(used)) {
		if !names[n] {
			bad("condition: no match is called %s", n)
		}
	}
	for _, n := range slices.Sorted(maps.Keys(names)) {
		if !used[n] {
			warn("%s is not used in the condition", n)
		}
	}
}

// Version is the schema of a rule: 1, 2, or 0 for a Schema that is not a version.
// A rule that says nothing of events and nothing of its schema is of both, and 1.
func (r Rule) Version() int {
	if s := r.Meta.Schema; s != "" {
		var major, minor, patch int
		if n, err := fmt.Sscanf(s, "%d.%d.%d", &major, &minor, &patch); err != nil || n != 3 || major < 0 || minor < 0 || patch < 0 ||
			fmt.Sprintf("%d.%d.%d", major, minor, patch) != s {
			return 0
		}
		if major >= 2 {
			return 2
		}
		return 1
	}
	if len(r.Meta.Events) > 0 || r.has["events"] {
		return 2
	}
	return 1
}

// To2 gives the rule as managers since v1.8.0-beta.2 want it, and what was
// done to it. It fails where a rule of schema 1 has no equal.
func (r Rule) To2() (Rule, []string, error) {
	var notes []string
	if r.Version() == 2 {
		if r.Meta.Schema == "" {
			r.Meta.Schema = Schema2
			notes = append(notes, `"Schema": "2.0.0" is added: without it the manager refuses the rule, or every later start of its engine fails`)
		}
		return r, notes, nil
	}
	ids, channels := r.Meta.EventIDs, r.Meta.Channels
	switch {
	case len(channels) > 0:
		r.Meta.Events = map[string][]int64{}
		for _, c := range channels {
			r.Meta.Events[c] = append([]int64{}, ids...)
		}
		notes = append(notes, "converted from schema 1 to 2: EventIDs and Channels became Events")
	case len(ids) > 0:
		return r, nil, errors.New("schema 1 names event ids of every channel, which schema 2 cannot: name its Channels")
	case r.Meta.Schema == "":
		notes = append(notes, `"Schema": "2.0.0" is added`)
	}
	if len(r.Meta.Traces) > 0 {
		notes = append(notes, "Traces are left out: schema 2 has none")
	}
	r.Meta.EventIDs, r.Meta.Channels, r.Meta.Traces, r.Meta.Schema = nil, nil, nil, Schema2
	return r, notes, nil
}

// To1 gives the rule as managers up to v1.8.0-beta.1 want it.
func (r Rule) To1() (Rule, []string, error) {
	if r.Version() == 1 {
		r.Meta.Schema = ""
		return r, nil, nil
	}
	var ids []int64
	first := true
	for _, c := range slices.Sorted(maps.Keys(r.Meta.Events)) {
		list := slices.Clone(r.Meta.Events[c])
		slices.Sort(list)
		list = slices.Compact(list)
		if !first && !slices.Equal(list, ids) {
			return r, nil, errors.New("its channels have different event ids, which schema 1 cannot say: make it a rule for each channel")
		}
		ids, first = list, false
	}
	r.Meta.EventIDs, r.Meta.Channels = ids, slices.Sorted(maps.Keys(r.Meta.Events))
	r.Meta.Events, r.Meta.Schema = nil, ""
	return r, []string{"converted from schema 2 to 1: Events became EventIDs and Channels"}, nil
}

// JSON writes the rule as a manager of its schema takes it; actions tells
// whether that knows Actions.
func (r Rule) JSON(actions bool) []byte {
	meta := fields{}
	if r.Meta.Schema != "" {
		meta.put("Events", r.Meta.Events)
	} else {
		meta.put("EventIDs", orEmpty(r.Meta.EventIDs))
		meta.put("Channels", orEmpty(r.Meta.Channels))
		if len(r.Meta.Traces) > 0 {
			meta.put("Traces", r.Meta.Traces)
		}
	}
	meta.put("Computers", orEmpty(r.Meta.Computers))
	if len(r.Meta.ATTACK) > 0 {
		meta.put("ATTACK", r.Meta.ATTACK)
	}
	meta.put("Criticality", r.Meta.Criticality)
	meta.put("Disable", r.Meta.Disable)
	meta.put("Filter", r.Meta.Filter)
	if r.Meta.Schema != "" {
		meta.put("Schema", r.Meta.Schema)
	}
	out := fields{}
	out.put("Name", r.Name)
	out.put("Tags", orEmpty(r.Tags))
	out.raw("Meta", meta.done())
	out.put("Matches", orEmpty(r.Matches))
	out.put("Condition", r.Condition)
	if actions {
		out.put("Actions", orEmpty(r.Actions))
	}
	return out.done()
}

func orEmpty[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}

// fields is an object written in order.
type fields struct{ b bytes.Buffer }

func (f *fields) put(name string, v any) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(v) // texts, numbers and lists of them only
	f.raw(name, bytes.TrimSpace(b.Bytes()))
}

func (f *fields) raw(name string, v []byte) {
	if f.b.Len() == 0 {
		f.b.WriteByte('{')
	} else {
		f.b.WriteByte(',')
	}
	f.b.WriteString(`"` + name + `":`)
	f.b.Write(v)
}

func (f *fields) done() []byte {
	f.b.WriteByte('}')
	return f.b.Bytes()
}
