package change

import (
	"time"

	"github.com/edrctl/edrctl/internal/audit"
	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/ops"
)

// Recorder is where changes are written down: *audit.Journal.
type Recorder interface {
	Append(r audit.Record) error
}

// Acts is the one path of everything that changes a backend:
//
//	items (targets.go) → Plan (reads only) → Approve (policy) → Execute
//
// Execute journals the intent, sends exactly once, looks up what became of a
// change whose answer was lost, follows it and journals the outcome. It asks
// nobody anything: showing the plan and getting a yes is the caller's.
type Acts struct {
	Fleet   *ops.Fleet
	Journal Recorder
	Ledger  *Ledger             // what the journal remembers
	Redact  func(string) string // masks secrets in what is journaled; nil = nothing is masked
	Now     func() time.Time    // nil = time.Now
}

func (a *Acts) now() time.Time {
	if a.Now != nil {
		return a.Now()
	}
	return time.Now()
}

func (a *Acts) redact(s string) string {
	if a.Redact == nil {
		return s
	}
	return a.Redact(s)
}

func (a *Acts) source(profile string) (*ops.Source, error) {
	for _, s := range a.Fleet.Sources {
		if s.Profile == profile {
			return s, nil
		}
	}
	return nil, backends.Invalid("cannot reach profile "+profile, "it is not among the selected ones")
}
