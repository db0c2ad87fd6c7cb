package guards

import (
	"context"
	"net/netip"
	"slices"
	"strings"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/backends/esp/reply"
	"github.com/edrctl/edrctl/internal/backends/esp/response"
	"github.com/edrctl/edrctl/internal/backends/esp/wire"
	"github.com/edrctl/edrctl/internal/model"
)

// indicatorSet is one entry of the server's own indicators (52, 53).
type indicatorSet struct {
	Type, Severity string
	Values         []string
	more           map[string]any // what else it carries
}

// demoIndicators is what an empty database shows: three entries that are
// nobody's (§17.52), told from kept ones by their missing intel_type.
var demoIndicators = map[string]string{
	"test-intel_ipv4": "3.30.1.15,3.30.1.16", "test-intel_domain_name": "unknown.com,slackabc.com", "test-intel_md5": "3h8dk0sksm0,9sd772ndd80",
}

// indicatorsNow reads the set that a call would replace: entries of other
// feeds stay as they are. demo tells that the database is empty.
func (g *Call) indicatorsNow(ctx context.Context) (sets map[string]indicatorSet, order []string, demo bool, err error) {
	a, err := g.read(ctx, "iocs.list", nil)
	if err != nil {
		return nil, nil, false, err
	}
	sets = map[string]indicatorSet{}
	if a.Data == nil {
		return sets, nil, false, nil
	}
	kept, shown := 0, 0
	err = wire.EachMember(a.Data, func(name string, v []byte) error {
		m, err := wire.Members(v)
		if err != nil {
			return err
		}
		shown++
		if feed := backends.Text(m["intel_type"]); feed != "" {
			kept++
			if feed != "self" {
				return nil
			}
		}
		s, err := readSet(m)
		if err != nil {
			return err
		}
		if _, twice := sets[name]; !twice {
			order = append(order, name)
		}
		sets[name] = s
		return nil
	})
	if err != nil {
		return nil, nil, false, reply.Malformed(g.What, err)
	}
	demo = kept == 0 && shown == len(demoIndicators)
	for name, values := range demoIndicators {
		demo = demo && strings.Join(sets[name].Values, ",") == values
	}
	if demo {
		return map[string]indicatorSet{}, nil, true, nil
	}
	return sets, order, false, nil
}

func readSet(m map[string]any) (indicatorSet, error) {
	s := indicatorSet{Type: backends.Text(m["type"]), Severity: backends.Text(m["severity"]), more: map[string]any{}}
	switch v := m["values"].(type) {
	case nil:
	case string:
		s.Values = csvList(v)
	case []any: // the call takes a text; a list is dropped in silence
		for _, e := range v {
			text := strings.TrimSpace(backends.Text(e))
			if strings.Contains(text, ",") {
				return s, response.Invalid("the value " + oneLine(text) + " holds a comma")
			}
			if text != "" {
				s.Values = append(s.Values, text)
			}
		}
	default:
		return s, response.Invalid("values is neither a text nor a list")
	}
	for k, v := range m {
		if !slices.Contains([]string{"type", "severity", "values", "intel_type", "name"}, k) {
			s.more[k] = v
		}
	}
	return s, nil
}

func (s indicatorSet) wire() map[string]any {
	out := map[string]any{"type": s.Type, "severity": s.Severity, "intel_type": "self", "values": strings.Join(s.Values, ",")}
	for k, v := range s.more {
		out[k] = v
	}
	return out
}

func wireSets(sets map[string]indicatorSet) map[string]any {
	out := map[string]any{}
	for n, s := range sets {
		out[n] = s.wire()
	}
	return out
}

// guardIOCs makes an addition, or a removal, of a call that replaces
// everything: what is there is read, changed, and sent as a whole.
//
//	data            entries to add; values join those of an entry of the name
//	name, type, severity, values   the same for one entry
//	remove [values] takes the entry away, or only values of it
//	replace true    sends data as it is: everything else is lost
func guardIOCs(ctx context.Context, g *Call) error {
	adds, err := g.givenSets()
	if err != nil {
		return err
	}
	remove := g.text("remove")
	replace := g.text("replace") == "true"
	switch {
	case remove == "" && len(adds) == 0:
		e := g.invalid("it names no indicator")
		e.Hint = `for example edrctl iocs add bad-ips --type remote_address --values 192.0.2.1,192.0.2.2`
		return e
	case remove != "" && (replace || len(g.mapArg("data")) > 0):
		return g.invalid("add and remove in two calls")
	}
	sets, order, demo, err := g.indicatorsNow(ctx)
	if err != nil {
		return err
	}
	if demo {
		g.warn("the server has no indicators yet: the three it lists (test-intel_…) are its demo set and are not kept")
	}
	before := wireSets(sets)
	merged := map[string]indicatorSet{}
	for n, s := range sets {
		s.Values = slices.Clone(s.Values)
		merged[n] = s
	}
	switch {
	case remove != "":
		err = g.removeSet(merged, remove, csvList(g.text("values")))
	case replace:
		for _, n := range order {
			if _, kept := adds[n]; !kept {
				g.warn("%s is lost: %s of type %s", n, model.Amount(len(sets[n].Values), "indicator", "indicators"), sets[n].Type)
			}
		}
		merged, err = adds, nil
		g.Preview.Summary = "replaces all indicators: " + model.Amount(len(before), "entry", "entries") + " by " + model.Amount(len(adds), "entry", "entries")
	default:
		err = g.addSets(merged, adds)
	}
	if err != nil {
		return err
	}
	if len(merged) == 0 {
		return &backends.Error{
			Kind: backends.KindInvalid, What: g.What, Why: "nothing would remain, and the server keeps the old indicators when it is sent none",
			Hint: "add another indicator first",
		}
	}
	for _, n := range []string{"name", "type", "severity", "values", "remove", "replace"} {
		delete(g.args, n) // they are ours
	}
	g.args["data"] = wireSets(merged)
	if canonical(g.args["data"]) == canonical(before) {
		g.Preview.Nothing = "the indicators are so already"
		if g.Preview.Summary == "" {
			g.Preview.Summary = "changes nothing"
		}
	}
	basis := func(ctx context.Context) (string, error) {
		now, _, _, err := g.indicatorsNow(ctx)
		return canonical(wireSets(now)), err
	}
	g.Basis, g.Found = basis, canonical(before)
	g.warn("%s", between)
	want := canonical(wireSets(merged))
	g.Done = func(ctx context.Context) (bool, error) {
		now, err := basis(ctx)
		return now == want, err
	}
	g.MustVerify = true // entries the server cannot read are dropped in silence
	return nil
}

func (g *Call) mapArg(name string) map[string]any {
	m, _ := g.args[name].(map[string]any)
	return m
}

// givenSets reads what is to be added.
func (g *Call) givenSets() (map[string]indicatorSet, error) {
	out := map[string]indicatorSet{}
	for name, v := range g.mapArg("data") {
		m, ok := v.(map[string]any)
		if !ok {
			return nil, g.invalid("data: %s is not an entry {type, severity, values}", oneLine(name))
		}
		s, err := readSet(m)
		if err != nil {
			return nil, g.invalid("data: %s: %v", oneLine(name), err)
		}
		out[name] = s
	}
	if name := g.text("name"); name != "" {
		if _, twice := out[name]; twice {
			return nil, g.invalid("%s is given twice", oneLine(name))
		}
		out[name] = indicatorSet{Type: g.text("type"), Severity: g.text("severity"), Values: csvList(g.text("values"))}
	} else if g.text("remove") == "" && (g.has("type") || g.has("severity") || g.has("values")) {
		return nil, g.invalid("type, severity and values are of the entry name, which is missing")
	}
	for name, s := range out {
		if strings.TrimSpace(name) == "" {
			return nil, g.invalid("an entry has no name")
		}
		if len(s.Values) == 0 {
			return nil, g.invalid("%s has no values: the server would drop it in silence", oneLine(name))
		}
		if s.Severity != "" && !slices.Contains([]string{"INFO", "LOW", "WARNING", "MEDIUM", "HIGH", "CRITICAL"}, s.Severity) {
			return nil, g.invalid("%s: severity %q is none of INFO LOW WARNING CRITICAL", oneLine(name), s.Severity)
		}
		var odd []string
		for _, v := range s.Values {
			if !fitsType(s.Type, v) {
				odd = append(odd, v)
			}
		}
		if len(odd) > 0 {
			g.warn("%s: no %s: %s; indicators are compared with the column as they are", oneLine(name), s.Type, ShortList(odd))
		}
	}
	return out, nil
}

// fitsType tells whether a value can stand in the column of its type.
func fitsType(kind, v string) bool {
	switch kind {
	case "remote_address":
		_, err := netip.ParseAddr(v)
		return err == nil
	case "md5":
		return len(v) == 32 && wire.IsHex(v)
	case "sha256":
		return len(v) == 64 && wire.IsHex(v)
	case "domain_name":
		return strings.Contains(v, ".") && !strings.ContainsAny(v, "/: ")
	}
	return true
}

func (g *Call) addSets(into, adds map[string]indicatorSet) error {
	var told []string
	for _, name := range keysOf(adds) {
		add := adds[name]
		old, is := into[name]
		if !is {
			if add.Type == "" {
				return g.invalid("%s needs a type: remote_address, domain_name, md5, sha256 or the name of another column", oneLine(name))
			}
			if add.Severity == "" {
				add.Severity = "WARNING"
			}
			add.Values = slices.Clone(add.Values)
			into[name] = dedupe(add)
			told = append(told, name+" ("+model.Amount(len(into[name].Values), "indicator", "indicators")+", "+add.Type+")")
			continue
		}
		if add.Type != "" && add.Type != old.Type {
			e := g.invalid("%s is there, of type %s: an entry has one type", oneLine(name), old.Type)
			e.Hint = "give the new ones another name, or remove the entry first"
			return e
		}
		n := len(old.Values)
		old.Values = append(old.Values, add.Values...)
		was := old.Severity
		if add.Severity != "" {
			old.Severity = add.Severity
		}
		into[name] = dedupe(old)
		text := name + " (" + model.Amount(len(into[name].Values)-n, "new indicator", "new indicators") + " to " + model.Amount(n, "there", "there")
		if was != old.Severity {
			text += ", severity: " + was + " → " + old.Severity
		}
		told = append(told, text+")")
	}
	g.Preview.Summary = "adds to the indicators: " + ShortList(told) + "; " + model.Amount(len(into), "entry", "entries") + " in all"
	return nil
}

func dedupe(s indicatorSet) indicatorSet {
	seen := map[string]bool{}
	s.Values = slices.DeleteFunc(s.Values, func(v string) bool {
		if seen[v] {
			return true
		}
		seen[v] = true
		return false
	})
	return s
}

func (g *Call) removeSet(from map[string]indicatorSet, name string, values []string) error {
	s, is := from[name]
	if !is {
		e := backends.NotFound("indicator entry", name)
		if len(from) > 0 {
			e.Hint = "there are: " + ShortList(keysOf(from))
		}
		return e
	}
	if len(values) == 0 {
		delete(from, name)
		g.Preview.Summary = "removes " + name + " with its " + model.Amount(len(s.Values), "indicator", "indicators") + "; " + model.Amount(len(from), "entry", "entries") + " remain"
		return nil
	}
	for _, v := range values {
		if !slices.Contains(s.Values, v) {
			return backends.NotFound("indicator", v+" in "+name)
		}
	}
	s.Values = slices.DeleteFunc(s.Values, func(v string) bool { return slices.Contains(values, v) })
	g.Preview.Summary = "removes " + ShortList(values) + " from " + name + "; " + model.Amount(len(s.Values), "indicator remains", "indicators remain")
	if len(s.Values) == 0 {
		delete(from, name)
		g.Preview.Summary = "removes " + ShortList(values) + ", the last of " + name + ", and the entry"
		return nil
	}
	from[name] = s
	return nil
}
