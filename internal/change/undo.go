package change

import (
	"context"
	"fmt"
	"strings"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/model"
	"github.com/edrctl/edrctl/internal/ops"
)

// UndoItems gives the items that take the named actions back, with their
// hosts read again.
func (a *Actor) UndoItems(ctx context.Context, refs []string) []Item {
	return a.entryItems(refs, func(s *ops.Source, e *Entry) Item {
		it := e.Reverse(s, nil)
		if it.Err == nil {
			it.Change.Host, it.Err = a.hostOf(ctx, s, e)
		}
		return it
	})
}

// CancelItems gives the items that cancel the named actions.
func (a *Actor) CancelItems(ctx context.Context, refs []string) []Item {
	return a.entryItems(refs, func(s *ops.Source, e *Entry) Item {
		it := NewItem(s, e.Ref(), backends.Change{Verb: backends.VerbCancel, ActionID: e.NativeID, Undo: e.forDriver()})
		switch {
		case e.Final():
			it.Err = backends.Invalid("nothing to cancel", e.Ref()+" is "+string(e.State))
		case e.NativeID == "":
			it.Err = backends.Invalid("cannot cancel "+e.Ref(), "the backend's id of it is not known; edrctl respond get looks it up")
		default:
			it.Change.Host, it.Err = a.hostOf(ctx, s, e)
		}
		return it
	})
}

// RecordItems gives the items that change the backend's record of the named
// actions (action.delete).
func (a *Actor) RecordItems(ctx context.Context, refs []string, verb string) []Item {
	return a.entryItems(refs, func(s *ops.Source, e *Entry) Item {
		it := NewItem(s, e.Ref(), backends.Change{Verb: verb, ActionID: e.NativeID, Undo: e.forDriver()})
		if e.NativeID == "" {
			it.Err = backends.Invalid("cannot find the record of "+e.Ref(), "the backend's id of it is not known")
			return it
		}
		it.Change.Host, it.Err = a.hostOf(ctx, s, e)
		return it
	})
}

// Reverse gives the item that takes an action of the journal back. host is
// its host as it is now, nil where the action has none.
func (e *Entry) Reverse(s *ops.Source, host *model.Host) Item {
	it := NewItem(s, e.Ref(), e.Change())
	it.Undoes = e.ID
	switch {
	case e.Verb == "":
		it.Err = backends.Invalid("cannot undo "+e.Ref(), "it is not in the journal of this machine, which keeps what undoing needs")
	case e.Inverse == "":
		it.Err = backends.Invalid("cannot undo "+e.Ref(), fmt.Sprintf("what %s did cannot be taken back", Words(e.Verb)))
	case e.UndoneBy != "":
		it.Nothing = e.Ref() + " was taken back by " + e.Profile + "/" + e.UndoneBy
	case e.Gone != "":
		it.Nothing = e.Ref() + " is not in force any more: " + e.Gone
	case !e.mayBeInForce():
		it.Nothing = fmt.Sprintf("%s is %s: it changed nothing", e.Ref(), e.State)
	}
	it.Change.Verb, it.Change.Comment = e.Inverse, ""
	it.Change.Undo = e.forDriver()
	if host != nil {
		it.Change.Host = host
	}
	return it
}

func (a *Actor) hostOf(ctx context.Context, s *ops.Source, e *Entry) (*model.Host, error) {
	h := e.host()
	if h == nil {
		return nil, nil
	}
	fresh, err := s.Host(ctx, hostKey(h))
	return fresh, err
}

// entryItems resolves references of actions; one the journal does not know is
// handed to the backend under its own id.
func (a *Actor) entryItems(refs []string, build func(*ops.Source, *Entry) Item) []Item {
	var items []Item
	for _, ref := range refs {
		e, err := a.Ledger.Get(ref)
		var s *ops.Source
		if err == nil {
			s, err = a.source(e.Profile)
		} else if backends.KindOf(err) == backends.KindNotFound {
			var id string
			var rerr error
			if s, id, rerr = a.Fleet.Resolve(ref); rerr == nil && !strings.HasPrefix(id, "act-") {
				e, err = &Entry{ID: id, NativeID: id, Profile: s.Profile, Backend: s.Backend}, nil
			}
		}
		if err != nil {
			items = append(items, Item{Label: ref, Err: err})
			continue
		}
		items = append(items, build(s, e))
	}
	return items
}
