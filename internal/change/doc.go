// Package change holds everything that changes a backend. There is one path:
//
//	plan (plan.go)        reads targets and previews each step, sends nothing
//	approve (approve.go)  applies the policy that needs no answer
//	execute (execute.go)  sends each step at most once, and records it
//	follow (follow.go)    reads an action until it ends
//	look up (lookup.go)   finds out what became of a change without an answer
//
// The command line and the TUI share it. Showing the plan and getting a yes is
// theirs. A plan is a value: it holds no connection, and can be written to a
// file and read back.
//
// Files refer to files below them only, in this order (a test in
// internal/archtest holds it):
//
//	inforce                         what changed without edrctl
//	actions, fetch, undo            reading, collecting and undoing actions
//	execute
//	approve, follow, lookup, result
//	plan, targets
//	journal                         records of a step
//	actor                           how a step reaches its profile
//	ledger                          the journal as a list of actions
//	journaled                       what the journal keeps of a change
//	step                            what a step is
//	params, words                   reading parameters, naming verbs
//
// It builds on the fan-out of package ops, which does not know it.
package change
