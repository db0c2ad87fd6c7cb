package sigma

import (
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// Correlation is the part of a rule that is over the matches of other rules.
type Correlation struct {
	kind     string
	line     int
	names    []string // of the rules, as written
	rules    []*Rule
	groupBy  []string
	span     time.Duration
	conds    []bound
	fields   []string                     // whose values are counted
	aliases  map[string]map[string]string // alias → rule → field
	generate bool
}

// bound is one part of the condition.
type bound struct {
	cmp compare
	num number
}

// The kinds of correlation.
const (
	eventCount      = "event_count"
	valueCount      = "value_count"
	valueSum        = "value_sum"
	valueAvg        = "value_avg"
	temporal        = "temporal"
	temporalOrdered = "temporal_ordered"
)

func readCorrelation(m mapping) (*Correlation, *fault) {
	if m.node.Kind != yaml.MappingNode {
		return nil, faultf(m.node.Line, "correlation: want a mapping")
	}
	if err := m.unique(); err != nil {
		return nil, err
	}
	c := &Correlation{kind: m.text("type"), line: m.node.Line, names: m.texts("rules"), groupBy: m.texts("group-by"), generate: m.text("generate") == "true"}
	_, line := m.get("type")
	switch c.kind {
	case eventCount, valueCount, valueSum, valueAvg, temporal, temporalOrdered:
	case "value_percentile":
		return c, faultf(line, "correlation.type: the specification does not say over what a percentile is taken: value_percentile is not supported")
	default:
		return c, faultf(line, "correlation.type: there is no type %q", c.kind)
	}
	if len(c.names) == 0 {
		return c, faultf(c.line, "correlation: names no rules")
	}
	if len(c.names) > 1000 {
		return c, faultf(c.line, "correlation: names more than 1000 rules")
	}
	if err := c.readSpan(m); err != nil {
		return c, err
	}
	if err := c.readAliases(m); err != nil {
		return c, err
	}
	return c, c.readConditions(m)
}

func (c *Correlation) readSpan(m mapping) *fault {
	text := m.text("timespan")
	_, line := m.get("timespan")
	if text == "" {
		return faultf(line, "correlation: has no timespan")
	}
	units := map[byte]time.Duration{'s': time.Second, 'm': time.Minute, 'h': time.Hour, 'd': 24 * time.Hour}
	unit := units[text[len(text)-1]]
	n, ok := readNumber(text[:len(text)-1])
	if unit == 0 || !ok || !n.whole || n.i <= 0 || n.i > int64(100*365*24*time.Hour/unit) {
		return faultf(line, "correlation.timespan: %q is not a number with s, m, h or d", text)
	}
	c.span = time.Duration(n.i) * unit
	return nil
}

func (c *Correlation) readAliases(m mapping) *fault {
	node, line := m.get("aliases")
	if node == nil {
		return nil
	}
	if node.Kind != yaml.MappingNode {
		return faultf(line, "correlation.aliases: want a mapping")
	}
	c.aliases = map[string]map[string]string{}
	for i := 0; i+1 < len(node.Content); i += 2 {
		name, of := node.Content[i], node.Content[i+1]
		if of.Kind != yaml.MappingNode {
			return faultf(of.Line, "correlation.aliases.%s: want a mapping of rules to fields", name.Value)
		}
		fields := map[string]string{}
		for j := 0; j+1 < len(of.Content); j += 2 {
			fields[of.Content[j].Value] = of.Content[j+1].Value
		}
		c.aliases[name.Value] = fields
	}
	return nil
}

func (c *Correlation) readConditions(m mapping) *fault {
	node, line := m.get("condition")
	if node != nil && node.Kind != yaml.MappingNode {
		return faultf(line, "correlation.condition: want a mapping such as gte: 10")
	}
	for i := 0; node != nil && i+1 < len(node.Content); i += 2 {
		key, value := node.Content[i], node.Content[i+1]
		if key.Value == "field" {
			c.fields = mapping{node}.texts("field")
			continue
		}
		cmp, ok := compares[key.Value]
		if !ok {
			return faultf(key.Line, "correlation.condition: there is no comparison %q", key.Value)
		}
		n, ok := readNumber(value.Value)
		if !ok {
			return faultf(value.Line, "correlation.condition.%s: %q is not a number", key.Value, value.Value)
		}
		c.conds = append(c.conds, bound{cmp, n})
	}
	return c.check(line)
}

// check finds what is missing, and fills in the condition of the types that
// can do without.
func (c *Correlation) check(line int) *fault {
	all := number{whole: true, i: int64(len(c.names)), f: float64(len(c.names))}
	switch c.kind {
	case temporal, temporalOrdered:
		if len(c.conds) == 0 {
			c.conds = []bound{{cmpGreaterEqual, all}}
		}
		if c.kind == temporalOrdered && (len(c.conds) != 1 || !c.conds[0].cmp.holds(0) || c.conds[0].num.order(all) != 0) {
			return faultf(line, "correlation.condition: an ordered correlation is of all of its rules, not of some of them")
		}
		return nil
	case eventCount:
	default:
		if len(c.fields) == 0 {
			return faultf(line, "correlation.condition: %s needs a field", c.kind)
		}
		if c.kind != valueCount && len(c.fields) != 1 {
			return faultf(line, "correlation.condition: %s is of one field", c.kind)
		}
	}
	if len(c.conds) == 0 {
		return faultf(line, "correlation: %s needs a condition such as gte: 10", c.kind)
	}
	return nil
}

func (c *Correlation) holds(n number) bool {
	for _, b := range c.conds {
		if !b.cmp.holds(n.order(b.num)) {
			return false
		}
	}
	return true
}

// risingOnly reports whether more events can only fulfil the condition.
func (c *Correlation) risingOnly() bool {
	for _, b := range c.conds {
		if b.cmp != cmpGreater && b.cmp != cmpGreaterEqual {
			return false
		}
	}
	return true
}

// fieldOf gives what a field of the correlation is called in the matches of a
// rule.
func (c *Correlation) fieldOf(name string, r *Rule) string {
	if of, ok := c.aliases[name]; ok {
		for _, key := range []string{r.Name, r.ID} {
			if f, ok := of[key]; ok && key != "" {
				return f
			}
		}
	}
	return name
}

// Link connects correlations to the rules that they name, and gives the rules
// that can be used and the problems of the others.
func Link(rules []*Rule) ([]*Rule, []*RuleError) {
	byName := map[string]*Rule{}
	for _, r := range rules {
		for _, name := range []string{r.ID, r.Name} {
			if _, taken := byName[name]; !taken && name != "" {
				byName[name] = r
			}
		}
	}
	state := map[*Rule]int{} // 1 being visited, 2 good, 3 bad
	var problems []*RuleError
	var visit func(r *Rule, depth int) bool
	visit = func(r *Rule, depth int) bool {
		if r.corr == nil {
			return true
		}
		switch state[r] {
		case 1:
			return false
		case 2, 3:
			return state[r] == 2
		}
		state[r] = 1
		reason := ""
		r.corr.rules = r.corr.rules[:0]
		for _, name := range r.corr.names {
			child, ok := byName[name]
			switch {
			case !ok:
				reason = "correlation: the rule " + name + " is not among those that were loaded"
			case depth > maxDepth || !visit(child, depth+1):
				reason = "correlation: the rule " + name + " leads back to itself or was refused"
			default:
				r.corr.rules = append(r.corr.rules, child)
				continue
			}
			break
		}
		state[r] = 2
		if reason != "" {
			state[r] = 3
			problems = append(problems, &RuleError{File: r.File, Line: r.corr.line, Rule: r.Key(), Reason: reason})
		}
		return reason == ""
	}
	good := rules[:0:0]
	for _, r := range rules {
		if visit(r, 0) {
			good = append(good, r)
		}
	}
	return good, problems
}

// Bases gives the rules that a correlation is over, those of its inner
// correlations included.
func (r *Rule) Bases() []*Rule {
	var out []*Rule
	seen := map[*Rule]bool{r: true}
	var visit func(r *Rule)
	visit = func(r *Rule) {
		if r.corr == nil {
			return
		}
		for _, child := range r.corr.rules {
			if !seen[child] {
				seen[child] = true
				out = append(out, child)
				visit(child)
			}
		}
	}
	visit(r)
	return out
}

// Reported reports which rules are hits of their own: not those that are there
// for a correlation only.
func Reported(rules []*Rule) map[*Rule]bool {
	out := make(map[*Rule]bool, len(rules))
	hidden := map[*Rule]bool{}
	for _, r := range rules {
		if r.corr == nil {
			continue
		}
		for _, child := range r.corr.rules {
			if r.corr.generate {
				out[child] = true
			} else {
				hidden[child] = true
			}
		}
	}
	for _, r := range rules {
		out[r] = out[r] || !hidden[r]
	}
	return out
}

// groupsByHost reports whether a field names the host of an event.
func groupsByHost(field string) bool {
	switch strings.ToLower(field) {
	case "computer", "computername", "hostname", "host", "host.name":
		return true
	}
	return false
}
