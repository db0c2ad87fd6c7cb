package sigma

// Choose keeps the rules that are wanted, and those that a wanted correlation
// is over.
func Choose(rules []*Rule, wanted func(*Rule) bool) []*Rule {
	keep := map[*Rule]bool{}
	for _, rule := range rules {
		if wanted(rule) {
			keep[rule] = true
			for _, base := range rule.Bases() {
				keep[base] = true
			}
		}
	}
	var out []*Rule
	for _, rule := range rules {
		if keep[rule] {
			out = append(out, rule)
		}
	}
	return out
}
