package change

import (
	"context"
)

// CheckInForce finds out, by the preview of undoing it, what of all that the
// journal takes to be in force is not there any more, and writes it down.
// Nothing is sent. What cannot be looked at stays as it is; why is given to
// trouble.
func (a *Actor) CheckInForce(ctx context.Context, all bool, trouble func(error)) error {
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
			if err := a.recordGone(s, s.Preview.Nothing); err != nil {
				return err
			}
		}
	}
	return nil
}
