package change

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"time"

	"github.com/edrctl/edrctl/internal/audit"
	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/model"
)

// grace is how long a request that was sent may continue after an
// interruption, so that its answer is not lost for want of a second.
const grace = 3 * time.Second

// Run is how a plan is carried out.
type Run struct {
	Case    string
	Comment string
	Wait    time.Duration // how long each action is followed; 0 = not at all, negative = to its end
	Update  func(Update)  // gets every state, one call at a time; may be nil
}

// Update is a step that came further.
type Update struct {
	Step   *Step
	Action *model.Action
	Note   string // something to know: what a lookup found
}

// execution is one run of Execute.
type execution struct {
	*Actor
	opt    Run
	plan   *Plan
	mu     sync.Mutex // around Update
	broken error      // the journal cannot be written: nothing more is sent
}

// attempt is the one execution of a step, from its check to its outcome.
type attempt struct {
	*execution
	step   *Step
	action *model.Action
	driver backends.Changer
	sentAt time.Time
	sent   sync.Once // that it was sent is recorded once
}

// Execute carries out an approved plan. Each step is sent at most once; hosts
// are worked on in parallel, the steps of one host in their order.
func (a *Actor) Execute(ctx context.Context, p *Plan, run Run) *Result {
	x := &execution{Actor: a, opt: run, plan: p}
	outcomes := make([]outcome, len(p.Steps))
	sem := make(chan struct{}, parallel)
	var wg sync.WaitGroup
	for _, queue := range queues(p.Steps) {
		wg.Go(func() {
			sem <- struct{}{}
			defer func() { <-sem }()
			for _, i := range queue {
				s := p.Steps[i]
				outcomes[i] = (&attempt{execution: x, step: s, action: s.newAction()}).run(ctx)
			}
		})
	}
	wg.Wait()
	return newResult(p.Verb, run.Case, outcomes)
}

// queues gives the indices of steps that run one after the other: those of
// one host, and the calls of one server.
func queues(steps []*Step) [][]int {
	at := map[string]int{}
	var out [][]int
	for i, s := range steps {
		key := fmt.Sprint(i)
		switch {
		case s.Profile != "" && s.Change.Host != nil:
			key = s.Profile + "/" + hostKey(s.Change.Host)
		case s.Profile != "" && s.Change.Call != nil:
			key = s.Profile + "/"
		}
		n, known := at[key]
		if !known {
			n = len(out)
			at[key] = n
			out = append(out, nil)
		}
		out[n] = append(out[n], i)
	}
	return out
}

// run takes the step from its check to its outcome.
func (t *attempt) run(ctx context.Context) outcome {
	s, act := t.step, t.action
	var err error
	if t.driver, err = t.ready(ctx, t.plan, s); err != nil {
		return t.fail(err)
	}
	switch {
	case s.Preview.Nothing != "":
		act.NativeState = s.Preview.Nothing
		t.report("")
		if s.Undoes != "" && s.Nothing == "" { // what it was to take back is not in force any more
			if err := t.recordGone(s, s.Preview.Nothing); err != nil {
				return t.fail(err)
			}
		}
		return outcome{action: act, skipped: true}
	case s.Preview.NotReady != "" && !s.Change.Queue:
		e := &backends.Error{Kind: backends.KindUnavailable, What: s.Name() + " was skipped", Why: s.Preview.NotReady, Hint: "--queue sends it all the same"}
		act.State, act.NativeState, act.Error = model.ActionSkipped, s.Preview.NotReady, e.Error()
		if err := t.record(audit.PhaseOutcome); err != nil {
			return t.fail(err)
		}
		t.report("")
		return outcome{action: act, err: s.inProfile(e), skipped: true}
	}
	if err := ctx.Err(); err != nil {
		return t.fail(fmt.Errorf("%s: it was not sent: %w", s.Name(), err))
	}
	inFlight.Store(s.Action, true)
	defer inFlight.Delete(s.Action)
	if err := t.record(audit.PhaseIntent); err != nil {
		return t.fail(fmt.Errorf("%s: it was not sent: %w", s.Name(), err))
	}
	return t.send(ctx)
}

// fail ends a step that was not sent.
func (t *attempt) fail(err error) outcome {
	t.action.State, t.action.Error = model.ActionFailed, backends.InWords(err.Error())
	t.report("")
	return outcome{action: t.action, err: err}
}

// send applies the change, once, and follows it.
func (t *attempt) send(ctx context.Context) outcome {
	act := t.action
	t.sentAt = t.now()
	act.RequestedAt, act.State = model.At(t.sentAt), model.ActionSent
	t.report("")
	var until time.Time // the wait is one, whoever waits: the driver or we
	if t.opt.Wait >= 0 {
		until = time.Now().Add(t.opt.Wait)
	}
	t.step.Change.Until = until

	got, err := t.apply(ctx)
	note, err := t.assess(ctx, got, err)
	if err == nil && !act.State.Final() {
		t.recordSent()
		t.report(note)
		note = ""
		follow(ctx, t.driver, act, t.opt.Wait, until, t.take)
	}
	return t.finish(note, err)
}

// apply hands the change to the driver. An interruption leaves it a moment to
// read the answer.
func (t *attempt) apply(ctx context.Context) (*model.Action, error) {
	ctx, cancel := withGrace(ctx)
	defer cancel()
	got, err := t.driver.Apply(ctx, t.step.Change, func(u *model.Action) {
		if u != nil {
			t.take(u)
		}
	})
	if got != nil {
		t.step.merge(t.action, got)
	}
	return got, err
}

// take takes over what the driver says on the way, and reports it.
func (t *attempt) take(u *model.Action) {
	t.mu.Lock()
	t.step.merge(t.action, u)
	t.mu.Unlock()
	if nativeID(t.action) != "" {
		t.recordSent()
	}
	t.report("")
}

// assess says what the driver's answer means, and looks up what it leaves open.
func (t *attempt) assess(ctx context.Context, got *model.Action, err error) (note string, _ error) {
	act := t.action
	switch {
	case err == nil && got == nil:
		err = &backends.Error{Kind: backends.KindAmbiguous, What: "cannot tell what became of it", Why: "the driver gave no action"}
		return t.resolve(ctx, err)
	case backends.KindOf(err) == backends.KindAmbiguous || act.State == model.ActionAmbiguous:
		return t.resolve(ctx, err)
	case err != nil && got != nil && (act.State == model.ActionDone || !got.State.Final() && got.State != ""):
		return err.Error(), nil // it was taken; what failed is following or checking it
	case err == nil && t.step.Spec.Sync && !act.State.Final():
		t.recordSent()
		return t.resolve(ctx, errOnlyAccepted) // the server only said yes: done is what was seen
	case err != nil:
		act.State, act.Error = model.ActionFailed, backends.InWords(err.Error())
	}
	return "", err
}

// resolve looks up an ambiguous change.
func (t *attempt) resolve(ctx context.Context, cause error) (note string, err error) {
	t.action.State = model.ActionAmbiguous
	return lookUp(ctx, t.driver, t.step, t.action, t.sentAt, cause)
}

// finish records and reports how the step ended.
func (t *attempt) finish(note string, err error) outcome {
	s, act := t.step, t.action
	if err != nil && act.Error == "" {
		act.Error = backends.InWords(err.Error())
	}
	if act.State.Final() && act.FinishedAt.IsZero() {
		act.FinishedAt = model.At(t.now())
	}
	if err != nil {
		err = s.inProfile(err)
	}
	if jerr := t.record(audit.PhaseOutcome); jerr != nil {
		err = errors.Join(err, fmt.Errorf("%s: it was sent (%s), but the outcome is not in the journal: %w", s.Name(), act.State, jerr))
	}
	t.report(note)
	return outcome{action: act, err: err, skipped: err == nil && act.Details[backends.DetailNothing] != ""}
}

// report gives a copy of the action to the caller, one call at a time.
func (t *attempt) report(note string) {
	if t.opt.Update == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	c := *t.action
	c.Details = maps.Clone(t.action.Details)
	t.opt.Update(Update{Step: t.step, Action: &c, Note: note})
}

// record writes the action down. After a failed intent nothing more is sent.
func (t *attempt) record(phase audit.Phase) error {
	t.mu.Lock()
	if phase == audit.PhaseIntent && t.broken != nil {
		defer t.mu.Unlock()
		return t.broken
	}
	r := t.auditRecord(t.step, t.action, phase, t.opt.Case, t.opt.Comment)
	t.mu.Unlock()
	err := t.Journal.Append(r)
	if err != nil {
		t.mu.Lock()
		t.broken = err
		t.mu.Unlock()
	}
	return err
}

// recordSent records, once, that the change was sent. A journal that cannot be
// written is reported with the outcome.
func (t *attempt) recordSent() { t.sent.Do(func() { _ = t.record(audit.PhaseSent) }) }

// withGrace is ctx, ending grace after ctx does.
func withGrace(ctx context.Context) (context.Context, context.CancelFunc) {
	out, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		t := time.AfterFunc(grace, func() { cancel(ctx.Err()) })
		context.AfterFunc(out, func() { t.Stop() })
	})
	return out, func() { stop(); cancel(nil) }
}
