package tui

import (
	"context"
	"slices"

	"github.com/edrctl/edrctl/internal/hunt"
	"github.com/edrctl/edrctl/internal/model"
	"github.com/edrctl/edrctl/internal/ops"
)

func (s fleet) LoadSigma(path string, least model.Severity) (*hunt.SigmaRules, error) {
	return loadSigma(path, least, s.Profiles())
}

func loadSigma(path string, least model.Severity, profiles []Profile) (*hunt.SigmaRules, error) {
	backends := make([]string, len(profiles))
	for i, p := range profiles {
		backends[i] = p.Backend
	}
	return hunt.LoadSigmaRules(path, least, backends)
}

func (s fleet) HuntSigma(ctx context.Context, h hunt.Sigma) ([]*model.SigmaHit, hunt.SigmaSummary, error) {
	hits, sum, err := hunt.RunSigma(ctx, s.f, h)
	if err == nil {
		err = ctx.Err()
	}
	return hits, sum, err
}

// EventsOf asks for each event by its reference. Not every server can give one
// that way: the others are looked for among the events of the time.
func (s fleet) EventsOf(ctx context.Context, refs []string, req ops.Request, each func(*model.Event) bool) []ops.Outcome {
	var left []string
	for _, ref := range refs {
		e, err := s.f.Event(ctx, ref, false)
		switch {
		case err != nil:
			left = append(left, ref)
		case !each(e):
			return nil
		}
	}
	if len(left) == 0 {
		return nil
	}
	return drain(s.f.Events(ctx, req), func(e *model.Event) bool {
		i := slices.Index(left, e.Ref)
		if i < 0 {
			return true
		}
		left = slices.Delete(left, i, i+1)
		return each(e) && len(left) > 0
	})
}

func (r *replay) LoadSigma(path string, least model.Severity) (*hunt.SigmaRules, error) {
	return loadSigma(path, least, r.profiles)
}

// HuntSigma matches the saved events.
func (r *replay) HuntSigma(ctx context.Context, h hunt.Sigma) ([]*model.SigmaHit, hunt.SigmaSummary, error) {
	var outcomes []ops.Outcome
	hits, sum, err := hunt.MatchSigma(h, func(yield func(*model.Event) bool) {
		outcomes = r.Events(ctx, h.Request, func(e *model.Event) bool {
			own := *e // the hunt writes to it, the views read it
			return ctx.Err() == nil && yield(&own)
		})
	})
	sum.Outcomes = outcomes
	if err == nil {
		err = ctx.Err()
	}
	return hits, sum, err
}

func (r *replay) EventsOf(ctx context.Context, refs []string, _ ops.Request, each func(*model.Event) bool) []ops.Outcome {
	for _, e := range r.events {
		if slices.Contains(refs, e.Ref) && !each(e) {
			break
		}
	}
	return outcomesOf(r.profiles, ctx.Err())
}
