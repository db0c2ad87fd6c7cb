package backends

import "github.com/edrctl/edrctl/internal/filter"

// Push is one filter that a driver sends to its server. The rows of a driver
// are the whole truth of what it sends: the conformance suite asks for every
// filter and holds the plan against them, and docs/backends/pushdown.md is
// written from them.
type Push struct {
	List    string // alerts, events, hosts, processes, rules, carves
	Filter  string // the flag, without --
	Form    string // which forms of it are sent; "" = all
	Sent    string // how the server is asked
	Exact   bool   // the server's answer is the filter's: it is not compared again here
	Witness string // the recording or document that shows how the server compares, or Assumed
	// Loses says why no matching record can be left out although the witness
	// is Assumed: what the driver does when the server means something else.
	Loses string
	// Takes tells whether a filter of this one flag is sent.
	Takes func(filter.Filter) bool
}

// Assumed is the witness of a push that neither an answer of a real server nor
// the vendor's document shows. It is never exact.
const Assumed = "assumed"

// Takes makes a predicate of filters of one about terms.
func Takes(field filter.Field, takes func(filter.Term) bool) func(filter.Filter) bool {
	return func(f filter.Filter) bool {
		for _, t := range f.Get(field) {
			if takes == nil || takes(t) {
				return true
			}
		}
		return false
	}
}
