package tuitest

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/edrctl/edrctl/internal/hunt"
	"github.com/edrctl/edrctl/internal/model"
	"github.com/edrctl/edrctl/internal/ops"
)

// sigmaFolder holds the rules of tests; nothing else is read.
const sigmaFolder = "testdata/sigma"

// LoadSigma reads rules below testdata/sigma.
func (f *Fake) LoadSigma(path string, least model.Severity) (*hunt.SigmaRules, error) {
	f.note("rules %s %s", path, least)
	if !strings.HasPrefix(path, sigmaFolder) {
		return nil, fmt.Errorf("cannot read rules: %s: no such file or folder", path)
	}
	var backends []string
	for _, p := range f.List {
		backends = append(backends, p.Backend)
	}
	return hunt.LoadSigmaRules(path, least, backends)
}

// HuntSigma matches rules against EventList.
func (f *Fake) HuntSigma(ctx context.Context, h hunt.Sigma) ([]*model.SigmaHit, hunt.SigmaSummary, error) {
	f.note("sigma %s", h.Request.Filter)
	hits, sum, err := hunt.MatchSigma(h, func(yield func(*model.Event) bool) {
		for _, e := range f.EventList {
			own := *e // the hunt writes to it, views read it
			if h.Request.Filter.Match(e) && !yield(&own) {
				return
			}
		}
	})
	if f.SigmaGate != nil {
		select {
		case <-f.SigmaGate:
		case <-ctx.Done():
		}
	}
	sum.Outcomes = f.outcomes()
	if err == nil {
		err = f.wait(ctx)
	}
	return hits, sum, err
}

// EventsOf gives the events of EventList with the references.
func (f *Fake) EventsOf(ctx context.Context, refs []string, _ ops.Request, each func(*model.Event) bool) []ops.Outcome {
	f.note("events of %s", strings.Join(refs, " "))
	_ = f.wait(ctx)
	for _, e := range f.EventList {
		if slices.Contains(refs, e.Ref) && !each(e) {
			break
		}
	}
	return f.outcomes()
}
