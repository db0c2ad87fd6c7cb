package sigma

// Filter is a Sigma filter: a condition that is added, with and, to the rules
// that it names.
type Filter struct {
	Rule
	rules []string
	any   bool
}

func readFilter(r *Rule, m mapping, opts Options) (*Filter, *fault) {
	f := &Filter{Rule: *r, rules: m.texts("rules")}
	node, line := m.get("rules")
	if node == nil || len(f.rules) == 0 {
		return nil, faultf(line, "filter: names no rules")
	}
	f.any = len(f.rules) == 1 && f.rules[0] == "any"
	return f, f.readDetection(mapping{m.without("rules")}, opts)
}

// applies reports whether the filter is for a rule.
func (f *Filter) applies(r *Rule) bool {
	if r.corr != nil || f.LogSource != (LogSource{}) && f.LogSource != r.LogSource {
		return false
	}
	if f.any {
		return true
	}
	for _, name := range f.rules {
		if name == r.ID && r.ID != "" || name == r.Name && r.Name != "" {
			return true
		}
	}
	return false
}

// ApplyFilters adds each filter to the rules that it is for.
func ApplyFilters(rules []*Rule, filters []*Filter) {
	for _, f := range filters {
		for _, r := range rules {
			if f.applies(r) {
				r.condition = &expr{op: opAnd, kids: []*expr{r.condition, f.condition}}
			}
		}
	}
}
