package change

import (
	"cmp"
	"errors"
	"slices"

	"github.com/edrctl/edrctl/internal/model"
)

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

// outcome is how one step ended.
type outcome struct {
	action  *model.Action
	err     error
	skipped bool
}

// newResult sorts outcomes into the sets.
func newResult(verb, incident string, outcomes []outcome) *Result {
	r := &Result{Verb: verb, Case: incident, Succeeded: []*model.Action{}, Failed: []*model.Action{}, Pending: []*model.Action{}, Skipped: []*model.Action{}}
	for _, o := range outcomes {
		switch {
		case o.skipped:
			r.Skipped = append(r.Skipped, o.action)
			if o.err != nil {
				r.missed = append(r.missed, o.err)
			}
		case o.action.State == model.ActionDone:
			r.Succeeded = append(r.Succeeded, o.action)
		case !o.action.State.Final() && o.err == nil:
			r.Pending = append(r.Pending, o.action)
		default:
			if o.err == nil {
				o.err = errors.New(cmp.Or(o.action.Error, "it ended as "+string(o.action.State)))
			}
			r.Failed = append(r.Failed, o.action)
			r.errs = append(r.errs, o.err)
		}
	}
	return r
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
