package tui

import (
	"context"
	"io"

	"github.com/edrctl/edrctl/internal/hunt"
	"github.com/edrctl/edrctl/internal/model"
	"github.com/edrctl/edrctl/internal/ops"
)

// Profile is one selected profile as the screen names it.
type Profile struct {
	Name     string
	Backend  string
	ReadOnly bool
}

// Service is what the screen asks: the use cases of the fleet, or a replay of
// what was saved from them. Every call may take long and is made from a
// command, never from Update.
type Service interface {
	Profiles() []Profile
	// ListAlerts gives what one profile has in the window, newest first.
	ListAlerts(ctx context.Context, profile string, req ops.Request, each func(*model.Alert) bool) error
	// WatchAlerts follows one profile until ctx ends.
	WatchAlerts(ctx context.Context, profile string, w ops.Watch, each func(*model.Alert) bool) error
	Alert(ctx context.Context, ref string) (*model.Alert, error)
	AlertEvents(ctx context.Context, ref string, each func(*model.Event) bool) error
	Events(ctx context.Context, req ops.Request, each func(*model.Event) bool) []ops.Outcome
	Hosts(ctx context.Context, req ops.Request, each func(*model.Host) bool) []ops.Outcome
	Processes(ctx context.Context, req ops.Request, each func(*model.Process) bool) []ops.Outcome
	Carves(ctx context.Context, req ops.Request, each func(*model.Carve) bool) []ops.Outcome
	HashInfo(ctx context.Context, hash string, each func(*model.HashInfo) bool) []ops.Outcome
	Tree(ctx context.Context, q ops.TreeQuery) (*ops.TreeResult, error)
	// Hunt reads indicators from r (named name) and searches every
	// profile. observer receives each hit as it is found; the result has all of them.
	Hunt(ctx context.Context, r io.Reader, name string, span hunt.Span, observer HuntObserver) (HuntResult, error)
	// LoadSigma reads Sigma rules of a level and up from a file, folder or archive.
	LoadSigma(path string, least model.Severity) (*hunt.SigmaRules, error)
	// HuntSigma matches rules against the events of every profile.
	HuntSigma(ctx context.Context, h hunt.Sigma) ([]*model.SigmaHit, hunt.SigmaSummary, error)
	// EventsOf gives the events with these references, which are among those
	// that req asks for.
	EventsOf(ctx context.Context, refs []string, req ops.Request, each func(*model.Event) bool) []ops.Outcome
}

// HuntObserver receives the progress of a hunt, one call at a time.
type HuntObserver struct {
	Progress func(hunt.Progress)
	OnHit    func(*model.Hit)
}

// HuntResult is a finished hunt.
type HuntResult struct {
	Hits     []*model.Hit
	Summary  hunt.Summary
	Problems []string // lines that are not indicators
}

// fleet is the Service over the selected profiles.
type fleet struct{ f *ops.Fleet }

// NewService gives the fleet as the screen asks it.
func NewService(f *ops.Fleet) Service { return fleet{f} }

func (s fleet) Profiles() []Profile {
	out := make([]Profile, len(s.f.Sources))
	for i, src := range s.f.Sources {
		out[i] = Profile{src.Profile, src.Backend, src.ReadOnly}
	}
	return out
}

// Renew makes a profile look its secrets up again.
func (s fleet) Renew(profile string) { s.f.Renew(profile) }

func (s fleet) one(profile string) *ops.Fleet {
	for _, src := range s.f.Sources {
		if src.Profile == profile {
			return &ops.Fleet{Sources: []*ops.Source{src}}
		}
	}
	return &ops.Fleet{}
}

func drain[T model.Record](st *ops.Stream[T], each func(T) bool) []ops.Outcome {
	for r := range st.Records() {
		if !each(r) {
			break
		}
	}
	return st.Outcomes()
}

func (s fleet) ListAlerts(ctx context.Context, profile string, req ops.Request, each func(*model.Alert) bool) error {
	for _, o := range drain(s.one(profile).Alerts(ctx, req), each) {
		return o.Err
	}
	return nil
}

func (s fleet) WatchAlerts(ctx context.Context, profile string, w ops.Watch, each func(*model.Alert) bool) error {
	return s.one(profile).WatchAlerts(ctx, w, each)
}

func (s fleet) Alert(ctx context.Context, ref string) (*model.Alert, error) {
	return s.f.Alert(ctx, ref, true, false)
}

func (s fleet) AlertEvents(ctx context.Context, ref string, each func(*model.Event) bool) error {
	src, id, err := s.f.Resolve(ref)
	if err != nil {
		return err
	}
	for _, o := range drain(s.f.AlertEvents(ctx, src, id, ops.Request{}), each) {
		return o.Err
	}
	return nil
}

func (s fleet) Events(ctx context.Context, req ops.Request, each func(*model.Event) bool) []ops.Outcome {
	return drain(s.f.Events(ctx, req), each)
}

func (s fleet) Hosts(ctx context.Context, req ops.Request, each func(*model.Host) bool) []ops.Outcome {
	return drain(s.f.Hosts(ctx, req), each)
}

func (s fleet) Processes(ctx context.Context, req ops.Request, each func(*model.Process) bool) []ops.Outcome {
	return drain(s.f.Processes(ctx, req), each)
}

func (s fleet) Carves(ctx context.Context, req ops.Request, each func(*model.Carve) bool) []ops.Outcome {
	return drain(s.f.Carves(ctx, req), each)
}

func (s fleet) HashInfo(ctx context.Context, hash string, each func(*model.HashInfo) bool) []ops.Outcome {
	return drain(s.f.HashInfo(ctx, hash), each)
}

func (s fleet) Tree(ctx context.Context, q ops.TreeQuery) (*ops.TreeResult, error) {
	return s.f.Tree(ctx, q)
}

func (s fleet) Hunt(ctx context.Context, r io.Reader, name string, span hunt.Span, observer HuntObserver) (HuntResult, error) {
	list, problems, err := hunt.ReadIndicators(r, name)
	if err != nil {
		return HuntResult{}, err
	}
	hits, sum := hunt.Run(ctx, s.f, hunt.Hunt{List: list, Span: span, Progress: observer.Progress, OnHit: observer.OnHit})
	return HuntResult{hits, sum, problems}, ctx.Err()
}
