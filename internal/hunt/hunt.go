package hunt

import (
	"time"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/ioc"
	"github.com/edrctl/edrctl/internal/model"
)

// Hunt asks every selected profile whether it has seen any of a list of
// indicators.
type Hunt struct {
	List       *ioc.List
	Common     bool // the well-known harmless values, too
	Span       Span
	Now        time.Time // when Run is called; with it, hosts whose hits are stamped later are named in the summary
	Raw        bool
	Checkpoint *Checkpoint // nil: the hunt cannot be resumed
	Explain    func(profile string, p backends.Plan)
	Progress   func(Progress) // called from several goroutines, one at a time
	// OnHit is called for each hit when it is first found, one call at a time; its
	// count and times are then what is known so far. What Run returns at the
	// end replaces it by Key. A hit of an earlier run, read from the checkpoint,
	// is reported again.
	OnHit func(*model.Hit)
}
