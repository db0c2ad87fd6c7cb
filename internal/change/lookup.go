package change

import (
	"context"
	"errors"
	"maps"
	"time"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/model"
)

// lookUp bounds the read-back of a change whose answer was lost.
const (
	lookUp      = 20 * time.Second
	lookUpLeast = 5 * time.Second // when the wait is over
)

// errOnlyAccepted is a change that the server took without describing what it
// did: success is what servers also answer for what they did not do.
var errOnlyAccepted = errors.New("the server accepted it without saying what it did")

// Details of an action that was looked up: why, and what the look showed. The
// journal keeps them, and tells by them that done was not the server's word.
const (
	detailDoubt = "doubt"
	detailFound = "found_out"
)

// readBack looks up, by reading only, a change whose answer was lost or says
// nothing. It never sends it again. The error is nil when it was found.
func (a *Acts) readBack(ctx context.Context, s *Step, act *model.Action, sent time.Time, cause error) (note string, err error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lookTime(s.Change.Until))
	defer cancel()
	why := "its answer was lost"
	if cause != nil {
		why = backends.InWords(cause.Error())
	}
	addDetail(act, detailDoubt, why)
	lost := func(note string) (string, error) {
		addDetail(act, detailFound, note)
		return note, &backends.Error{
			Kind: backends.KindAmbiguous, What: "cannot tell whether " + Words(s.Change.Verb) + " was carried out", Why: why + "; " + note,
			Hint: "it was not sent again; edrctl respond get looks again",
		}
	}
	finder, ok := s.driver.(backends.ActionFinder)
	if !ok {
		return lost("this backend cannot be asked what became of it: look at the host before sending it again")
	}
	found, err := finder.FindAction(ctx, s.Change, sent)
	switch {
	case backends.KindOf(err) == backends.KindUnsupported:
		return lost("nothing can tell by reading what became of it: look at what it was to change before sending it again")
	case err != nil:
		return lost("looking it up failed: " + backends.InWords(err.Error()))
	case found == nil:
		return lost("a look at the backend shows no trace of it")
	}
	s.merge(act, found)
	if act.State == model.ActionAmbiguous || act.State == "" {
		act.State = model.ActionSent
	}
	note = "a look at the backend found it: " + string(act.State)
	addDetail(act, detailFound, note)
	if errors.Is(cause, errOnlyAccepted) {
		return "", nil // nothing was lost: nobody needs to be told
	}
	return "the answer was lost, and " + note, nil
}

// lookTime is how long a look may take: what became of a change is looked up
// also when nobody waits any longer, but then quickly.
func lookTime(until time.Time) time.Duration {
	if until.IsZero() {
		return lookUp
	}
	return min(lookUp, max(time.Until(until), lookUpLeast))
}

// addDetail sets a detail on a copy of the map: reports share the old one.
func addDetail(act *model.Action, name, value string) {
	act.Details = maps.Clone(act.Details)
	if act.Details == nil {
		act.Details = map[string]string{}
	}
	act.Details[name] = value
}
