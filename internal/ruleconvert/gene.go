package ruleconvert

import (
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/edrctl/edrctl/internal/generule"
	"github.com/edrctl/edrctl/internal/model"
	"github.com/edrctl/edrctl/internal/sigma"
)

// Gene writes a rule for the Gene engine. The log source becomes the channels
// and event ids that the rule looks at; a test of a field becomes a match.
func Gene(r *sigma.Rule, opts Options) ([]byte, error) {
	if err := single(r); err != nil {
		return nil, err
	}
	events, w, err := geneEvents(r)
	if err != nil {
		return nil, err
	}
	score := 0
	if s := r.Score(); s != nil {
		score = int(*s)
	}
	out := generule.Rule{
		Name: oneLine(r.Title), Tags: geneTags(r), Matches: w.matches, Condition: w.condition,
		Meta: generule.Meta{Events: events, Schema: generule.Schema2, Criticality: score, ATTACK: geneAttack(r.Attack())},
	}
	if opts.GeneSchema == 1 {
		if out, _, err = out.To1(); err != nil {
			return nil, refuse("in schema 1 %s", strings.TrimPrefix(err.Error(), "its "))
		}
	}
	if problems, _ := out.Check(); len(problems) > 0 {
		return nil, refuse("Gene would not take it: %s", strings.Join(problems, "; "))
	}
	return out.JSON(false), nil
}

// geneTags keeps what a rule of Gene has no field for. A licence as that of
// the public set wants the author to be named.
func geneTags(r *sigma.Rule) []string {
	tags := []string{"sigma"}
	for _, f := range [...]struct{ name, value string }{{"id", r.ID}, {"status", r.Status}, {"author", r.Author}, {"license", r.License}} {
		if v := oneLine(f.value); v != "" {
			tags = append(tags, "sigma-"+f.name+": "+v)
		}
	}
	for _, t := range r.Tags {
		if !strings.HasPrefix(strings.ToLower(t), "attack.") {
			tags = append(tags, oneLine(t))
		}
	}
	return tags
}

func geneAttack(list []model.Attack) []generule.Attack {
	var out []generule.Attack
	for _, a := range list {
		if a.Technique.ID == "" {
			continue
		}
		out = append(out, generule.Attack{
			ID: a.Technique.ID, Tactic: a.Tactic,
			Reference: "https://attack.mitre.org/techniques/" + strings.ReplaceAll(a.Technique.ID, ".", "/"),
		})
	}
	return out
}

// userData is the services whose events carry UserData instead of EventData:
// matches do not look there.
var userData = []string{
	"applocker", "capi2", "printservice-admin", "printservice-operational", "terminalservices-localsessionmanager", "wmi",
}

// headFields are in the head of an event: matches do not look there.
var headFields = []string{"Provider_Name", "Computer"}

// geneEvents gives the channels and event ids of a rule and what is left of
// its condition there. It has to be the same for all of them.
func geneEvents(r *sigma.Rule) (map[string][]int64, *geneWriter, error) {
	logs := r.LogSource.WindowsLogs()
	switch {
	case r.LogSource.Product != "" && r.LogSource.Product != "windows":
		return nil, nil, refuse("Gene watches Windows only, and the rule is for %s", r.LogSource.Product)
	case len(logs) == 0:
		return nil, nil, refuse("no event log of Windows is known for the log source %s", r.LogSource)
	case slices.Contains(userData, r.LogSource.Service):
		return nil, nil, refuse("Gene looks at EventData only, and events of %s have UserData", r.LogSource.Service)
	}
	condition := r.Condition()
	mentioned, err := eventIDs(condition)
	if err != nil {
		return nil, nil, err
	}
	events := map[string][]int64{}
	var found *geneWriter
	for _, channel := range slices.Sorted(maps.Keys(logs)) {
		ids := logs[channel]
		whole := len(ids) == 0
		if whole {
			ids = append(slices.Clone(mentioned), otherID(mentioned))
		}
		for i, id := range ids {
			left := simplify(condition, knownHead(channel, id))
			other := whole && i == len(ids)-1
			if left == never {
				continue
			}
			if other && len(mentioned) > 0 {
				return nil, nil, refuse("it is for all event ids but some, and a rule of Gene names those that it is for")
			}
			w, err := writeGene(left)
			if err != nil {
				return nil, nil, err
			}
			if found != nil && !found.same(w) {
				return nil, nil, refuse("its condition differs from one event id to the other, and a rule of Gene has one for all")
			}
			found = w
			if other {
				events[channel] = []int64{}
			} else {
				events[channel] = append(events[channel], int64(id))
			}
		}
	}
	if found == nil {
		return nil, nil, refuse("its condition is true of no event of the log source %s", r.LogSource)
	}
	return events, found, nil
}

// eventIDs gives the event ids that a condition names.
func eventIDs(condition *sigma.Node) ([]int, error) {
	var out []int
	var err error
	eachTest(condition, func(t *sigma.FieldTest) {
		if t.Field != "EventID" {
			return
		}
		for _, v := range t.Values {
			text, plain := v.Literal()
			if v.Kind == sigma.ValueNumber && v.Compare == "=" {
				text, plain = v.Number, true
			}
			id, bad := strconv.Atoi(text)
			if !plain || bad != nil {
				err = refuse("it asks for event ids by more than their numbers, and a rule of Gene names them")
				continue
			}
			out = append(out, id)
		}
	})
	slices.Sort(out)
	return slices.Compact(out), err
}

// otherID gives an event id that is none of the list.
func otherID(ids []int) int {
	id := 1
	for slices.Contains(ids, id) {
		id++
	}
	return id
}

// knownHead tells what is known of an event by its channel and id.
func knownHead(channel string, id int) func(*sigma.FieldTest) (is, ok bool) {
	return func(t *sigma.FieldTest) (is, ok bool) {
		switch {
		case t.Ref != nil:
			return false, false
		case t.Field == "EventID":
			return t.On(strconv.Itoa(id), true), true
		case t.Field == "Channel":
			return t.On(channel, true), true
		}
		return false, false
	}
}

// geneWriter writes the matches and the condition of one rule.
type geneWriter struct {
	matches   []string
	condition string

	names map[string]bool
	done  map[*sigma.Node]fragment
}

func (w *geneWriter) same(o *geneWriter) bool {
	return w.condition == o.condition && slices.Equal(w.matches, o.matches)
}

func writeGene(n *sigma.Node) (*geneWriter, error) {
	w := &geneWriter{names: map[string]bool{}, done: map[*sigma.Node]fragment{}}
	if n == always {
		return w, nil // no condition always holds
	}
	f, err := w.node(n, "match")
	if err != nil {
		return nil, err
	}
	w.condition = f.text
	return w, nil
}

// fragment is a piece of a condition; op joins its parts, "" = it is one.
type fragment struct{ op, text string }

func (f fragment) in(op string) string {
	if f.op == "" || f.op == op {
		return f.text
	}
	return "(" + f.text + ")"
}

func joined(op string, parts []fragment) fragment {
	if len(parts) == 1 {
		return parts[0]
	}
	texts := make([]string, len(parts))
	for i, p := range parts {
		texts[i] = p.in(op)
	}
	return fragment{op, strings.Join(texts, " "+op+" ")}
}

func negated(f fragment) fragment {
	if f.op == "" && f.text[0] == '!' {
		return fragment{"", f.text[1:]}
	}
	return fragment{"", "!" + f.in("!")}
}

func (w *geneWriter) node(n *sigma.Node, name string) (fragment, error) {
	if f, ok := w.done[n]; ok {
		return f, nil
	}
	if n.Selection != "" {
		name = n.Selection
	}
	f, err := w.write(n, name)
	w.done[n] = f
	return f, err
}

func (w *geneWriter) write(n *sigma.Node, name string) (fragment, error) {
	if n.Op == sigma.NodeTest {
		return w.test(n.Test, name)
	}
	var kids []fragment
	for _, kid := range n.Kids {
		f, err := w.node(kid, name)
		if err != nil {
			return fragment{}, err
		}
		kids = append(kids, f)
	}
	switch n.Op {
	case sigma.NodeNot:
		return negated(kids[0]), nil
	case sigma.NodeAnd:
		return joined("and", kids), nil
	}
	return joined("or", kids), nil
}

// test writes one field with its values. A match on a field that is absent is
// false, as a test of Sigma is; what is true of it is the negation of a match.
func (w *geneWriter) test(t *sigma.FieldTest, name string) (fragment, error) {
	field, err := geneField(t)
	if err != nil {
		return fragment{}, err
	}
	is := func(op, value string) fragment { return w.match(name, field+" "+op+" '"+value+"'") }
	there := func() fragment { return is("~=", ".*") }
	var f fragment
	switch {
	case t.Exists != nil:
		if f = there(); !*t.Exists {
			f = negated(f)
		}
	case t.Ref != nil:
		if !t.Ref.Equal || !t.Ref.Cased {
			return f, refuse("%s is compared with %s without case or in part, and Gene compares two fields exactly", t.Field, t.Ref.Field)
		}
		other, err := geneField(&sigma.FieldTest{Field: t.Ref.Field})
		if err != nil {
			return f, err
		}
		f = w.match(name, field+" = @"+other)
	case len(t.Values) == 0:
		f = negated(there())
	default:
		tests, err := geneTests(t)
		if err != nil {
			return f, err
		}
		var all []fragment
		for _, m := range tests {
			all = append(all, is(m.op, m.value))
		}
		f = joined(map[bool]string{true: "and", false: "or"}[t.All], all)
		if t.Null {
			f = joined("or", []fragment{negated(there()), f})
		}
	}
	if t.Negate {
		f = negated(f)
	}
	return f, nil
}

// match adds a match under a name that is not taken.
func (w *geneWriter) match(name, body string) fragment {
	base := strings.Map(func(r rune) rune {
		if r == '_' || '0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' {
			return r
		}
		return '_'
	}, name)
	unique := "$" + base
	for i := 2; w.names[unique]; i++ {
		unique = "$" + base + "_" + strconv.Itoa(i)
	}
	w.names[unique] = true
	w.matches = append(w.matches, unique+": "+body)
	return fragment{"", unique}
}

// geneField writes the name of a field.
func geneField(t *sigma.FieldTest) (string, error) {
	switch f := t.Field; {
	case f == "":
		return "", refuse("it looks for keywords in the whole event, and Gene looks at fields by their names")
	case slices.Contains(headFields, f):
		return "", refuse("it asks for %s, which is in the head of an event, and Gene looks at EventData only", f)
	case strings.ContainsFunc(f, func(r rune) bool { return r < ' ' || r == '"' }):
		return "", refuse("Gene cannot write the field %q", f)
	case strings.Trim(f, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") == "":
		return f, nil
	default:
		return `"` + f + `"`, nil
	}
}

// operation is the operator of a match and its value.
type operation struct{ op, value string }

var errBytes = errors.New("bytes outside UTF-8")

// geneTests writes the values of a test: one match for all that are texts, or
// for each where every one has to match.
func geneTests(t *sigma.FieldTest) ([]operation, error) {
	var out []operation
	var p pattern
	for i := range t.Values {
		v := &t.Values[i]
		if v.Kind == sigma.ValueNumber && v.Compare != "=" {
			out = append(out, operation{v.Compare, v.Number})
			continue
		}
		if err := p.add(v); err != nil {
			if errors.Is(err, errBytes) {
				return nil, refuse("%s is compared with bytes outside UTF-8, which a rule of Gene cannot hold", t.Field)
			}
			return nil, err
		}
		if t.All {
			out = append(out, p.operation())
			p = pattern{}
		}
	}
	if !t.All && len(p.parts) > 0 {
		out = append(out, p.operation())
	}
	return out, nil
}
