package change

import (
	"context"
	"errors"
	"time"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/model"
)

// How long the lookup of an unresolved change may take.
const (
	lookUpMost  = 20 * time.Second
	lookUpLeast = 5 * time.Second // when the wait is over
)

// errOnlyAccepted is a change that the server took without describing what it
// did: success is what servers also answer for what they did not do.
var errOnlyAccepted = errors.New("the server accepted it without saying what it did")

// Details of an action that was looked up: why, and what the lookup showed.
// The journal keeps them: they show that done was not the server's word.
const (
	detailDoubt = "doubt"
	detailFound = "found_out"
)

// lookUp looks up, by reading only, a change whose answer was lost or says
// nothing. It never sends it again. The error is nil when it was found.
func lookUp(ctx context.Context, driver backends.Changer, s *Step, act *model.Action, sent time.Time, cause error) (note string, err error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lookTime(s.Change.Until))
	defer cancel()
	why := "its answer was lost"
	if cause != nil {
		why = backends.InWords(cause.Error())
	}
	addDetail(act, detailDoubt, why)
	unresolved := func(note string) (string, error) {
		addDetail(act, detailFound, note)
		return note, &backends.Error{
			Kind: backends.KindAmbiguous, What: "cannot tell whether " + Words(s.Change.Verb) + " was carried out", Why: why + "; " + note,
			Hint: "it was not sent again; edrctl respond get looks again",
		}
	}
	finder, ok := driver.(backends.ActionFinder)
	if !ok {
		return unresolved("this backend cannot be asked what became of it: look at the host before sending it again")
	}
	found, err := finder.FindAction(ctx, s.Change, sent)
	switch {
	case backends.KindOf(err) == backends.KindUnsupported:
		return unresolved("nothing can tell by reading what became of it: look at what it was to change before sending it again")
	case err != nil:
		return unresolved("looking it up failed: " + backends.InWords(err.Error()))
	case found == nil:
		return unresolved("a look at the backend shows no trace of it")
	}
	s.merge(act, found)
	if act.State == model.ActionAmbiguous || act.State == "" {
		act.State = model.ActionSent
	}
	note = "a look at the backend found it: " + string(act.State)
	addDetail(act, detailFound, note)
	if errors.Is(cause, errOnlyAccepted) {
		return "", nil // nothing was lost: there is nothing to report
	}
	return "the answer was lost, and " + note, nil
}

// lookTime is how long a lookup may take: what became of a change is looked up
// also when nobody waits any longer, but then quickly.
func lookTime(until time.Time) time.Duration {
	if until.IsZero() {
		return lookUpMost
	}
	return min(lookUpMost, max(time.Until(until), lookUpLeast))
}
