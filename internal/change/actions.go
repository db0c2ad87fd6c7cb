package change

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/edrctl/edrctl/internal/audit"
	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/model"
	"github.com/edrctl/edrctl/internal/ops"
)

// ActionQuery selects actions for Actions.
type ActionQuery struct {
	Since time.Time
	Until time.Time
	Limit int
	Verbs []string
	State []string
	Hosts []string // parts of names, or ids
	Case  string
	Raw   bool
}

func (q ActionQuery) match(a *model.Action) bool {
	t := a.RequestedAt.Time
	switch {
	case !q.Since.IsZero() && !t.IsZero() && t.Before(q.Since), !q.Until.IsZero() && !t.Before(q.Until):
		return false
	case len(q.Verbs) > 0 && !slices.Contains(q.Verbs, a.Verb), len(q.State) > 0 && !slices.Contains(q.State, string(a.State)):
		return false
	case q.Case != "" && a.Details["case"] != q.Case:
		return false
	case len(q.Hosts) == 0:
		return true
	case a.Host == nil:
		return false
	}
	return slices.ContainsFunc(q.Hosts, func(h string) bool {
		return a.Host.ID == h || a.Host.Ref == h || strings.Contains(strings.ToLower(a.Host.Name), strings.ToLower(h))
	})
}

// Actions lists what the journal knows of the selected profiles together with
// what their backends remember, newest first. What both know is once,
// with our reference and the backend's state.
func (a *Actor) Actions(ctx context.Context, q ActionQuery) (list []*model.Action, outcomes []ops.Outcome, cut bool, err error) {
	entries, err := a.Ledger.Entries()
	if err != nil {
		return nil, nil, false, err
	}
	outcomes = make([]ops.Outcome, len(a.Fleet.Sources))
	found := make([][]*model.Action, len(a.Fleet.Sources))
	var wg sync.WaitGroup
	for i, s := range a.Fleet.Sources {
		outcomes[i] = ops.Outcome{Profile: s.Profile, Backend: s.Backend}
		wg.Go(func() {
			start := time.Now()
			found[i], outcomes[i].Err = actionsOf(ctx, s, entries, q)
			outcomes[i].Count, outcomes[i].Elapsed = len(found[i]), time.Since(start)
		})
	}
	wg.Wait()
	list = slices.Concat(found...)
	slices.SortStableFunc(list, func(x, y *model.Action) int { return y.RequestedAt.Compare(x.RequestedAt.Time) })
	if q.Limit > 0 && len(list) > q.Limit {
		list, cut = list[:q.Limit], true
	}
	return list, outcomes, cut, nil
}

// actions merges journal and backend of one profile. What the journal knows
// is given also when the backend does not answer.
func actionsOf(ctx context.Context, s *ops.Source, entries []*Entry, q ActionQuery) ([]*model.Action, error) {
	var out []*model.Action
	byNative := map[string]*model.Action{}
	for _, e := range entries {
		if e.Profile != s.Profile {
			continue
		}
		act := e.Action()
		out = append(out, act)
		if e.NativeID != "" {
			byNative[e.NativeID] = act
		}
	}
	err := remembered(ctx, s, q, func(u *model.Action) {
		if known := byNative[u.ID]; known != nil {
			step := &Step{Item: NewItem(s, "", backends.Change{Verb: known.Verb})}
			native := known.NativeState
			step.merge(known, u)
			known.NativeState = cmp.Or(known.NativeState, native)
			return
		}
		s.StampRecord(u)
		out = append(out, u)
	})
	return slices.DeleteFunc(out, func(act *model.Action) bool { return !q.match(act) }), err
}

func remembered(ctx context.Context, s *ops.Source, q ActionQuery, give func(*model.Action)) error {
	d, err := s.Driver()
	if err != nil {
		return err
	}
	lister, ok := d.(backends.ActionLister)
	if !ok {
		return nil
	}
	listing, err := lister.Actions(ctx, backends.Query{Since: q.Since, Until: q.Until, Raw: q.Raw})
	if err != nil {
		return err
	}
	for u, err := range listing.Seq {
		if err != nil {
			return err
		}
		give(u)
	}
	return nil
}

// Action reads how an action is doing: one of the journal (act-…) or one only
// its backend knows. wait follows it like Run.Wait; update receives every
// state. What is found out about one of the journal is written there.
func (a *Actor) Action(ctx context.Context, ref string, wait time.Duration, update func(*model.Action)) (*model.Action, error) {
	if update == nil {
		update = func(*model.Action) {}
	}
	e, err := a.Ledger.Get(ref)
	if backends.KindOf(err) == backends.KindNotFound {
		return a.foreign(ctx, ref, wait, update, err)
	}
	if err != nil {
		return nil, err
	}
	act := e.Action()
	s, err := a.source(e.Profile)
	if err != nil {
		return nil, err
	}
	if e.Final() {
		if nativeID(act) != "" {
			a.refresh(ctx, s, act)
		}
		return act, nil
	}
	d, err := s.Driver()
	if err != nil {
		return nil, ops.InProfile(s, err)
	}
	c, ok := d.(backends.Changer)
	if !ok {
		return act, nil
	}
	step := &Step{Item: NewItem(s, ref, e.Change()), Action: e.ID}
	step.Undoes = e.Undoes
	step.Preview.Inverse = e.Inverse
	if h := step.Change.Host; h != nil && h.ID != "" {
		fresh, herr := s.Host(ctx, h.ID)
		if herr == nil {
			step.Change.Host, act.Host = fresh, fresh
		}
	}
	before := act.State
	var missed error
	if nativeID(act) == "" && act.State == model.ActionAmbiguous {
		var note string
		note, missed = lookUp(ctx, c, step, act, e.Requested, errors.New(cmp.Or(e.Error, "edrctl ended before the outcome was written")))
		act.Error = ""
		if missed != nil {
			act.Error = note
		}
	}
	update(act)
	if p, ok := d.(backends.ActionPoller); ok && nativeID(act) != "" && (!act.State.Final() || act.State == model.ActionAmbiguous) {
		u, perr := p.Action(ctx, nativeID(act))
		if perr == nil && u != nil {
			step.merge(act, u)
			update(act)
		} else if perr != nil && wait == 0 {
			missed = ops.InProfile(s, perr)
		}
		if !act.State.Final() && wait != 0 {
			poll(ctx, p, nativeID(act), wait, func(u *model.Action) {
				step.merge(act, u)
				update(act)
			})
		}
	}
	if act.State != before {
		if act.State.Final() && act.FinishedAt.IsZero() {
			act.FinishedAt = model.At(a.now())
		}
		if err := a.Journal.Append(a.auditRecord(step, act, audit.PhaseOutcome, e.Case, "")); err != nil {
			return act, err
		}
	}
	if act.State == model.ActionAmbiguous {
		return act, nil // its Error says what the lookup showed
	}
	return act, missed
}

// refresh asks for what the journal does not keep of an action that is over:
// its output. That the backend has forgotten it is not a failure.
func (a *Actor) refresh(ctx context.Context, s *ops.Source, act *model.Action) {
	d, err := s.Driver()
	if err != nil {
		return
	}
	p, ok := d.(backends.ActionPoller)
	if !ok {
		return
	}
	if u, err := p.Action(ctx, nativeID(act)); err == nil && u != nil {
		native, fin := act.NativeState, act.FinishedAt
		(&Step{Item: NewItem(s, "", backends.Change{})}).merge(act, u)
		act.NativeState = cmp.Or(act.NativeState, native)
		if act.FinishedAt.IsZero() {
			act.FinishedAt = fin
		}
	}
}

// foreign reads an action that is not in the journal.
func (a *Actor) foreign(ctx context.Context, ref string, wait time.Duration, update func(*model.Action), notFound error) (*model.Action, error) {
	s, id, err := a.Fleet.Resolve(ref)
	if err != nil {
		return nil, err
	}
	if strings.HasPrefix(id, "act-") {
		return nil, notFound
	}
	p, err := ops.Capability[backends.ActionPoller](s, "cannot read an action")
	if err != nil {
		return nil, ops.InProfile(s, err)
	}
	act, err := p.Action(ctx, id)
	if err != nil {
		return nil, ops.InProfile(s, err)
	}
	s.StampRecord(act)
	update(act)
	if !act.State.Final() && wait != 0 {
		poll(ctx, p, id, wait, func(u *model.Action) {
			act = u
			s.StampRecord(act)
			update(act)
		})
	}
	return act, nil
}
