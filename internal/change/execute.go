package change

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/edrctl/edrctl/internal/audit"
	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/model"
	"github.com/edrctl/edrctl/internal/ops"
)

// parallel is how many hosts are worked on at once.
const parallel = 8

// grace is how long a request that was sent may go on after an interruption,
// so that its answer is not lost for want of a second.
const grace = 3 * time.Second

// Run is how a plan is carried out.
type Run struct {
	Case    string
	Comment string
	Wait    time.Duration // how long each action is followed; 0 = not at all, negative = to its end
	Update  func(Update)  // told of every state, one call at a time; may be nil
}

// Update is a step that came further.
type Update struct {
	Step   *Step
	Action *model.Action
	Note   string // something to know: what a read-back found
}

// Result is how every step ended. The lists are never nil.
type Result struct {
	Verb      string          `json:"verb"`
	Case      string          `json:"case,omitempty"`
	Succeeded []*model.Action `json:"succeeded"`
	Failed    []*model.Action `json:"failed"`  // ambiguous ones too
	Pending   []*model.Action `json:"pending"` // sent, and not ended when the wait did
	Skipped   []*model.Action `json:"skipped"` // there was nothing to do, or the host could not take it

	errs   []error // of Failed, in the same order
	missed []error // of those skipped that were to be done
}

// All gives every action, in the order of the sets.
func (r *Result) All() []*model.Action {
	out := append([]*model.Action{}, r.Succeeded...)
	out = append(out, r.Pending...)
	out = append(out, r.Skipped...)
	return append(out, r.Failed...)
}

// Errs gives the errors of Failed, in the same order.
func (r *Result) Errs() []error { return r.errs }

// Problems gives why not everything that was wanted was done: the errors of
// Failed, and of those skipped because the host could not take it.
func (r *Result) Problems() []error { return append(slices.Clone(r.errs), r.missed...) }

// execution is one run of Execute.
type execution struct {
	acts   *Acts
	run    Run
	plan   *Plan
	mu     sync.Mutex // around Update
	broken error      // the journal cannot be written: nothing more is sent
}

// outcome is how one step ended.
type outcome struct {
	action  *model.Action
	err     error
	skipped bool
}

// Execute carries out an approved plan. Each step is sent at most once; hosts
// are worked on in parallel, the steps of one host in their order.
func (a *Acts) Execute(ctx context.Context, p *Plan, run Run) *Result {
	x := &execution{acts: a, run: run, plan: p}
	ends := make([]outcome, len(p.Steps))
	groups := map[string][]int{}
	var order []string
	for i, s := range p.Steps {
		key := fmt.Sprint(i)
		switch {
		case s.Source != nil && s.Change.Host != nil:
			key = s.Source.Profile + "/" + hostKey(s.Change.Host)
		case s.Source != nil && s.Change.Call != nil:
			key = s.Source.Profile + "/" // the calls of one server in the order they were given
		}
		if groups[key] == nil {
			order = append(order, key)
		}
		groups[key] = append(groups[key], i)
	}
	sem := make(chan struct{}, parallel)
	var wg sync.WaitGroup
	for _, key := range order {
		wg.Go(func() {
			sem <- struct{}{}
			defer func() { <-sem }()
			for _, i := range groups[key] {
				ends[i] = x.step(ctx, p.Steps[i])
			}
		})
	}
	wg.Wait()
	res := &Result{Verb: p.Verb(), Case: run.Case, Succeeded: []*model.Action{}, Failed: []*model.Action{}, Pending: []*model.Action{}, Skipped: []*model.Action{}}
	for _, e := range ends {
		switch {
		case e.skipped:
			res.Skipped = append(res.Skipped, e.action)
			if e.err != nil {
				res.missed = append(res.missed, e.err)
			}
		case e.action.State == model.ActionDone:
			res.Succeeded = append(res.Succeeded, e.action)
		case !e.action.State.Final() && e.err == nil:
			res.Pending = append(res.Pending, e.action)
		default:
			if e.err == nil {
				e.err = errors.New(orElse(e.action.Error, "it ended as "+string(e.action.State)))
			}
			res.Failed = append(res.Failed, e.action)
			res.errs = append(res.errs, e.err)
		}
	}
	return res
}

// step carries out one step.
func (x *execution) step(ctx context.Context, s *Step) outcome {
	act := s.blank()
	fail := func(err error) outcome {
		act.State, act.Error = model.ActionFailed, backends.InWords(err.Error())
		x.tell(s, act, "")
		return outcome{action: act, err: err}
	}
	if s.Err != nil {
		return fail(s.Err)
	}
	if !x.plan.approved {
		return fail(&backends.Error{Kind: backends.KindRefused, What: "nothing was sent", Why: "it was not approved"})
	}
	if x.acts.now().Sub(x.plan.made) > planAge {
		if err := x.acts.lookAgain(ctx, s); err != nil {
			return fail(err)
		}
	}
	switch {
	case s.Preview.Nothing != "":
		act.NativeState = s.Preview.Nothing
		x.tell(s, act, "")
		if s.Undoes != "" && s.Nothing == "" {
			if err := x.acts.noteGone(s, s.Preview.Nothing); err != nil {
				return fail(err)
			}
		}
		return outcome{action: act, skipped: true}
	case s.Preview.NotReady != "" && !s.Change.Queue:
		e := &backends.Error{Kind: backends.KindUnavailable, What: s.Name() + " was skipped", Why: s.Preview.NotReady, Hint: "--queue sends it all the same"}
		act.State, act.NativeState, act.Error = model.ActionSkipped, s.Preview.NotReady, e.Error()
		if err := x.record(s, act, audit.PhaseOutcome); err != nil {
			return fail(err)
		}
		x.tell(s, act, "")
		return outcome{action: act, err: ops.InProfile(s.Source, e), skipped: true}
	}
	if err := ctx.Err(); err != nil {
		return fail(fmt.Errorf("%s: it was not sent: %w", s.Name(), err))
	}
	inFlight.Store(s.Action, true)
	defer inFlight.Delete(s.Action)
	if err := x.record(s, act, audit.PhaseIntent); err != nil {
		return fail(fmt.Errorf("%s: it was not sent: %w", s.Name(), err))
	}
	return x.send(ctx, s, act)
}

// send applies the change, once, and follows it.
func (x *execution) send(ctx context.Context, s *Step, act *model.Action) outcome {
	sentAt := x.acts.now()
	act.RequestedAt, act.State = model.At(sentAt), model.ActionSent
	x.tell(s, act, "")

	var once sync.Once
	noteSent := func() {
		once.Do(func() { _ = x.record(s, act, audit.PhaseSent) }) // a journal that broke is told at the outcome
	}
	var until time.Time // the wait is one, whoever waits: the driver or we
	if x.run.Wait >= 0 {
		until = time.Now().Add(x.run.Wait)
	}
	s.Change.Until = until
	applied, cancel := lingering(ctx)
	defer cancel()
	got, err := s.driver.Apply(applied, s.Change, func(u *model.Action) {
		if u == nil {
			return
		}
		x.mu.Lock()
		s.merge(act, u)
		x.mu.Unlock()
		if nativeID(act) != "" {
			noteSent()
		}
		x.tell(s, act, "")
	})
	if got != nil {
		s.merge(act, got)
	}
	note := ""
	switch kind := backends.KindOf(err); {
	case err == nil && got == nil:
		act.State = model.ActionAmbiguous
		err = &backends.Error{Kind: backends.KindAmbiguous, What: "cannot tell what became of it", Why: "the driver gave no action"}
		note, err = x.acts.readBack(ctx, s, act, sentAt, err)
	case kind == backends.KindAmbiguous || err == nil && act.State == model.ActionAmbiguous || err != nil && act.State == model.ActionAmbiguous:
		act.State = model.ActionAmbiguous
		note, err = x.acts.readBack(ctx, s, act, sentAt, err)
	case err != nil && got != nil && (act.State == model.ActionDone || !got.State.Final() && got.State != ""):
		// It was taken; what failed is following or checking it.
		note, err = err.Error(), nil
	case err == nil && s.Spec.Sync && !act.State.Final():
		// The server only said yes: done is what was seen.
		noteSent()
		act.State = model.ActionAmbiguous
		note, err = x.acts.readBack(ctx, s, act, sentAt, errOnlyAccepted)
	case err != nil:
		act.State, act.Error = model.ActionFailed, backends.InWords(err.Error())
	}
	if err == nil && !act.State.Final() {
		noteSent()
		x.tell(s, act, note)
		err = x.follow(ctx, s, act, until)
		note = ""
	}
	if err != nil && act.Error == "" {
		act.Error = backends.InWords(err.Error())
	}
	if act.State.Final() && act.FinishedAt.IsZero() {
		act.FinishedAt = model.At(x.acts.now())
	}
	if err != nil {
		err = ops.InProfile(s.Source, err)
	}
	if jerr := x.record(s, act, audit.PhaseOutcome); jerr != nil {
		err = errors.Join(err, fmt.Errorf("%s: it was sent (%s), but the outcome is not in the journal: %w", s.Name(), act.State, jerr))
	}
	x.tell(s, act, note)
	return outcome{action: act, err: err, skipped: err == nil && act.Details[backends.DetailNothing] != ""}
}

// follow polls an action until it ends, the wait is over or nobody waits any
// more. Only the action's own failure is an error.
func (x *execution) follow(ctx context.Context, s *Step, act *model.Action, until time.Time) error {
	poller, ok := s.driver.(backends.ActionPoller)
	wait := x.run.Wait
	if !until.IsZero() {
		wait = max(time.Until(until), 0)
	}
	if !ok || wait == 0 || nativeID(act) == "" {
		return nil
	}
	return poll(ctx, poller, nativeID(act), wait, func(u *model.Action) {
		s.merge(act, u)
		x.tell(s, act, "")
	})
}

// lingering is ctx, ending grace after ctx does.
func lingering(ctx context.Context) (context.Context, context.CancelFunc) {
	out, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		t := time.AfterFunc(grace, func() { cancel(ctx.Err()) })
		context.AfterFunc(out, func() { t.Stop() })
	})
	return out, func() { stop(); cancel(nil) }
}

// tell reports a copy of the action, one call at a time.
func (x *execution) tell(s *Step, act *model.Action, note string) {
	if x.run.Update == nil {
		return
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	c := *act
	c.Details = maps.Clone(act.Details)
	x.run.Update(Update{Step: s, Action: &c, Note: note})
}

// record writes the action down. After a failed intent nothing more is sent.
func (x *execution) record(s *Step, act *model.Action, phase audit.Phase) error {
	x.mu.Lock()
	if phase == audit.PhaseIntent && x.broken != nil {
		defer x.mu.Unlock()
		return x.broken
	}
	r := x.acts.entry(s, act, phase, x.run)
	x.mu.Unlock()
	err := x.acts.Journal.Append(r)
	if err != nil {
		x.mu.Lock()
		x.broken = err
		x.mu.Unlock()
	}
	return err
}
