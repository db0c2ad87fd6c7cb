package change

import (
	"strings"
	"time"

	"github.com/edrctl/edrctl/internal/audit"
	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/ops"
)

// Recorder is where changes are written down: *audit.Journal.
type Recorder interface {
	Append(r audit.Record) error
}

// Actor is the one path of everything that changes a backend:
//
//	items (targets.go) → Plan (reads only) → Approve (policy) → Execute
//
// Execute journals the intent, sends exactly once, looks up what became of a
// change whose answer was lost, follows it and journals the outcome. It asks
// nobody anything: showing the plan and getting a yes is the caller's.
type Actor struct {
	Fleet   *ops.Fleet
	Journal Recorder
	Ledger  *Ledger             // what the journal remembers
	Redact  func(string) string // masks secrets in what is journaled; nil = nothing is masked
	Now     func() time.Time    // nil = time.Now
}

func (a *Actor) now() time.Time {
	if a.Now != nil {
		return a.Now()
	}
	return time.Now()
}

// source finds the profile of an item.
func (a *Actor) source(profile string) (*ops.Source, error) {
	for _, s := range a.Fleet.Sources {
		if s.Profile == profile {
			return s, nil
		}
	}
	return nil, backends.Invalid("cannot reach profile "+profile, "it is not among the selected ones")
}

// changer finds the driver of a verb, or says what its backend can do instead.
func changer(s *ops.Source, verb string) (backends.Changer, backends.VerbSpec, error) {
	d, err := s.Driver()
	if err != nil {
		return nil, backends.VerbSpec{}, err
	}
	c, ok := d.(backends.Changer)
	if ok {
		if spec, can := backends.VerbOf(c, verb); can {
			return c, spec, nil
		}
	}
	var can []string
	if ok {
		for _, v := range c.Verbs() {
			can = append(can, Command(v.Verb))
		}
	}
	hint := s.Backend + " changes nothing: " + ops.Instead(s.Backend, d)
	if len(can) > 0 {
		hint = s.Backend + " can do: " + strings.Join(can, ", ")
	}
	return nil, backends.VerbSpec{}, backends.Unsupported(s.Backend, "cannot "+Words(verb), hint)
}
