package backends

// RuleReader knows a backend's rule language without asking the server.
type RuleReader interface {
	// ReadRule reads a rule as the backend's rules.add takes it. What is wrong
	// with it is in the trial; the error is of what is not a rule at all.
	ReadRule(rule []byte) (RuleTrial, error)
}

// RuleTrial is a rule that was read, to be tried on events.
type RuleTrial struct {
	Name     string
	Errors   []string // why it can never work, each with how to write it
	Warnings []string
	// On tells whether the rule fires on an event, given in the vendor's JSON
	// (model.Event.Raw); sure is false when only the server can tell. nil when
	// the rule has errors.
	On func(raw []byte) (fires, sure bool, err error)
}
