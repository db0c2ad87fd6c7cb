// Package sigma reads Sigma rules (specification 2.1) and matches them against
// events.
//
// Rules are read by Load, compiled to an Engine and matched by Matchers: an
// Engine never changes and is shared, a Matcher belongs to one goroutine. What
// a rule asks that cannot be answered is a RuleError when it is loaded; matching
// cannot fail.
//
// An event finds its rules in three steps: its log sources select a class of
// rules; an index of literals, of which each rule needs one, selects the
// candidates; only those are evaluated.
package sigma
