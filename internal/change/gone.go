package change

import (
	"context"

	"github.com/edrctl/edrctl/internal/audit"
)

// What an action did may end without us: somebody released the host in the
// console. The journal learns it when undoing finds nothing to undo, or when
// the host is looked at.

// noteGone writes down that what s would take back is not there any more.
func (a *Acts) noteGone(s *Step, why string) error {
	list, err := a.Ledger.Entries()
	if err != nil {
		return err
	}
	for _, e := range list {
		// One that is on its way may come into force yet.
		if e.ID == s.Undoes && e.Profile == s.Source.Profile && e.mayBeInForce() && e.State.Final() {
			return a.Journal.Append(audit.Record{
				Action: e.ID, Profile: e.Profile, Backend: e.Backend, Verb: e.Verb, Phase: audit.PhaseOutcome, Case: e.Case, State: string(e.State),
				Targets: []audit.Target{e.target}, Details: map[string]string{detailGone: a.redact(why)},
			})
		}
	}
	return nil
}

// CheckInForce finds out, by the preview of undoing it, what of all that the
// journal takes to be in force is not there any more, and writes it down.
// Nothing is sent. What cannot be looked at stays as it is; why is given to
// trouble.
func (a *Acts) CheckInForce(ctx context.Context, all bool, trouble func(error)) error {
	list, err := a.Ledger.InForce(all)
	if err != nil {
		return err
	}
	var refs []string
	for _, x := range list {
		if _, err := a.source(x.Profile); err == nil { // else of a profile that is not selected
			refs = append(refs, x.Action)
		}
	}
	for _, s := range a.Plan(ctx, a.UndoItems(ctx, refs)).Steps {
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case s.Err != nil:
			trouble(s.Err)
		case s.Preview.Nothing != "" && s.Nothing == "":
			if err := a.noteGone(s, s.Preview.Nothing); err != nil {
				return err
			}
		}
	}
	return nil
}
