package hunt

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/edrctl/edrctl/internal/model"
	"github.com/edrctl/edrctl/internal/ops"
	"github.com/edrctl/edrctl/internal/sigma"
)

// Sigma matches Sigma rules against the events of all selected profiles, in
// one pass.
type Sigma struct {
	Rules      []*sigma.Rule
	Request    ops.Request
	Span       Span
	Checkpoint *Checkpoint              // nil: the hunt is not kept
	Event      func(*model.Event) error // told of each event that matches; not with a checkpoint
	Progress   func(SigmaSummary)       // told now and then
	Seen       func(*model.SigmaHit)    // told of a hit that is new, and each time its count has doubled; keeps what it gets
}

// SigmaSummary is what a hunt with rules did.
type SigmaSummary struct {
	Events    int // that were read
	Evaluated int // rules that an index could not rule out for an event
	Hits      int
	Fulfilled int // correlations, which are hits too
	Outcomes  []ops.Outcome
}

// SigmaID identifies a hunt by its rules, filters and profiles.
func SigmaID(rules []*sigma.Rule, req ops.Request, f *ops.Fleet) string {
	h := sha256.New()
	for _, s := range f.Sources {
		fmt.Fprintf(h, "%s\x00%s\x00", s.Profile, s.Backend)
	}
	fmt.Fprintf(h, "%s\x00%s\x00", req.Filter.String(), req.Native)
	for _, r := range rules {
		r.Fingerprint(h)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// RunSigma hunts. Hits come one for each rule and host of a profile, the
// latest seen first. The error is one of Event or of the checkpoint.
func RunSigma(ctx context.Context, f *ops.Fleet, h Sigma) ([]*model.SigmaHit, SigmaSummary, error) {
	r := newSigmaRun(h)
	for _, s := range f.Sources {
		r.backends[s.Profile] = s.Backend
	}
	r.Request.Log = true
	var err error
	if h.Checkpoint == nil {
		err = r.whole(ctx, f)
	} else {
		err = r.inSteps(ctx, f)
	}
	return r.finish(), r.sum, err
}

// MatchSigma hunts in events that are at hand. It writes to them.
func MatchSigma(h Sigma, events iter.Seq[*model.Event]) ([]*model.SigmaHit, SigmaSummary, error) {
	r := newSigmaRun(h)
	found, err := r.matchAll(events)
	r.take(found)
	return r.finish(), r.sum, err
}

func newSigmaRun(h Sigma) *sigmaRun {
	engine := sigma.Compile(h.Rules)
	r := &sigmaRun{Sigma: h, matcher: engine.NewMatcher(), reported: sigma.Reported(h.Rules), backends: map[string]string{}, all: map[string]*model.SigmaHit{}}
	if r.correlator = sigma.NewCorrelator(h.Rules); r.correlator != nil {
		r.needed = r.correlator.Needed(h.Rules)
	}
	return r
}

func (r *sigmaRun) finish() []*model.SigmaHit {
	r.sum.Evaluated = r.matcher.Evaluated
	hits := r.hits()
	r.sum.Hits = len(hits)
	return hits
}

type sigmaRun struct {
	Sigma
	matcher    *sigma.Matcher
	correlator *sigma.Correlator
	reported   map[*sigma.Rule]bool
	needed     map[*sigma.Rule]bool
	backends   map[string]string // by profile
	record     sigma.Record
	all        map[string]*model.SigmaHit
	sum        SigmaSummary
}

// whole asks all profiles at once.
func (r *sigmaRun) whole(ctx context.Context, f *ops.Fleet) error {
	found, outcomes, err := r.read(ctx, f, r.Request)
	r.sum.Outcomes = outcomes
	r.take(found)
	return err
}

// inSteps asks one profile after the other, an hour at a time, and keeps what
// is done.
func (r *sigmaRun) inSteps(ctx context.Context, f *ops.Fleet) error {
	for _, s := range f.Sources {
		one := &ops.Fleet{Sources: []*ops.Source{s}}
		out := ops.Outcome{Profile: s.Profile, Backend: s.Backend}
		for _, step := range r.Span.steps(true) {
			unit, done := r.Checkpoint.done(step.unit(s.Profile))
			if done {
				r.take(unit.Sigma)
				continue
			}
			req := r.Request
			req.Since, req.Until, req.DefaultSince = step.Since, step.Until, false
			found, outcomes, err := r.read(ctx, one, req)
			r.take(found)
			out.Count += outcomes[0].Count
			for host, by := range outcomes[0].Ahead {
				if out.Ahead == nil {
					out.Ahead = map[string]time.Duration{}
				}
				out.Ahead[host] = max(out.Ahead[host], by)
			}
			if out.Err = outcomes[0].Err; out.Err != nil || err != nil {
				break
			}
			if err := r.Checkpoint.record(checkpointUnit{Unit: step.unit(s.Profile), Sigma: found}); err != nil {
				return err
			}
		}
		r.sum.Outcomes = append(r.sum.Outcomes, out)
		if ctx.Err() != nil {
			break
		}
	}
	return nil
}

// read matches the events of one question.
func (r *sigmaRun) read(ctx context.Context, f *ops.Fleet, req ops.Request) (*sigmaFound, []ops.Outcome, error) {
	stream := f.Events(ctx, req)
	found, err := r.matchAll(stream.Records())
	return found, stream.Outcomes(), err
}

func (r *sigmaRun) matchAll(events iter.Seq[*model.Event]) (*sigmaFound, error) {
	found := &sigmaFound{}
	hits := map[string]*model.SigmaHit{}
	var err error
	for e := range events {
		if r.sum.Events++; r.sum.Events%1024 == 0 {
			r.tell(len(hits))
		}
		if err = r.match(e, found, hits); err != nil {
			break
		}
	}
	for _, key := range slices.Sorted(maps.Keys(hits)) {
		found.Hits = append(found.Hits, hits[key])
	}
	return found, err
}

func (r *sigmaRun) tell(more int) {
	if r.Progress != nil {
		r.sum.Hits = len(r.all) + more
		r.Progress(r.sum)
	}
}

// match adds the rules that match an event to what was found.
func (r *sigmaRun) match(e *model.Event, found *sigmaFound, hits map[string]*model.SigmaHit) error {
	r.record.FromEvent(e)
	e.Sigma = nil
	for _, m := range r.matcher.Match(&r.record) {
		if r.needed[m.Rule] {
			found.Observed = append(found.Observed, r.correlator.Observe(m.Rule, e.Time.Time, e.Ref, r.record.Get))
		}
		if !r.reported[m.Rule] {
			continue
		}
		if r.Event != nil {
			e.Sigma = append(e.Sigma, model.SigmaMatch{ID: m.Rule.ID, Title: m.Rule.Title, Level: m.Rule.Level})
		}
		h := newSigmaHit(m.Rule)
		h.Profile, h.Backend = e.Profile, e.Backend
		if e.Host != nil {
			host := *e.Host // the event's memory is not kept
			h.Host = &host
		}
		h.First, h.Last, h.Count = e.Time, e.Time, 1
		if e.Ref != "" {
			h.Refs = []string{e.Ref}
		}
		h.Matched = r.matcher.Selections(m)
		r.seen(joinSigma(hits, h))
	}
	if len(e.Sigma) > 0 {
		return r.Event(e)
	}
	return nil
}

// seen tells of a hit while events are still read: once for each power of two,
// so that a rule that matches everything costs no more than others.
func (r *sigmaRun) seen(h *model.SigmaHit) {
	if r.Seen == nil || h.Count&(h.Count-1) != 0 {
		return
	}
	told := *h
	told.Refs, told.Matched = slices.Clone(h.Refs), slices.Clone(h.Matched)
	r.Seen(&told)
}

func newSigmaHit(rule *sigma.Rule) *model.SigmaHit {
	return &model.SigmaHit{
		Rule:   model.SigmaRule{ID: rule.ID, Title: rule.Title, Level: rule.Level, Status: rule.Status, Author: rule.Author, Tags: rule.Tags},
		Attack: rule.Attack(), Score: rule.Score(),
	}
}

// joinSigma joins what is found of the same rule on the same host, and gives
// the hit that has it all.
func joinSigma(into map[string]*model.SigmaHit, h *model.SigmaHit) *model.SigmaHit {
	key := cmp.Or(h.Rule.ID, h.Rule.Title) + "\x00" + h.Profile + "\x00"
	if h.Host != nil {
		key += cmp.Or(h.Host.ID, strings.ToLower(h.Host.Name))
	}
	if old := into[key]; old != nil {
		old.Merge(h)
		return old
	}
	sum := sha256.Sum256([]byte(key))
	h.ID = "sigma-" + hex.EncodeToString(sum[:8])
	h.Ref = h.Profile + "/" + h.ID
	into[key] = h
	return h
}

func (r *sigmaRun) take(found *sigmaFound) {
	if found == nil {
		return
	}
	for _, h := range found.Hits {
		joinSigma(r.all, h)
	}
	if r.correlator != nil {
		for _, o := range found.Observed {
			r.correlator.Add(o)
		}
	}
	r.tell(0)
}

// hits gives what was found, with the correlations, the latest first.
func (r *sigmaRun) hits() []*model.SigmaHit {
	var out []*model.SigmaHit
	for _, key := range slices.Sorted(maps.Keys(r.all)) {
		out = append(out, r.all[key])
	}
	if r.correlator != nil {
		for _, c := range r.correlator.Finish() {
			if r.reported[c.Rule] {
				out = append(out, r.correlated(c))
				r.sum.Fulfilled++
			}
		}
	}
	slices.SortStableFunc(out, func(a, b *model.SigmaHit) int { return b.Last.Compare(a.Last.Time) })
	return out
}

// correlated is a correlation that was fulfilled. It is of one profile when
// all of the events that it names are.
func (r *sigmaRun) correlated(c sigma.Correlated) *model.SigmaHit {
	h := newSigmaHit(c.Rule)
	h.First, h.Last, h.Count, h.Refs = model.At(c.First), model.At(c.Last), c.Count, c.Refs
	if c.Host != "" {
		h.Host = &model.Host{Name: c.Host}
	}
	for _, field := range slices.Sorted(maps.Keys(c.Group)) {
		h.Group = append(h.Group, model.SigmaGroup{Field: field, Value: c.Group[field]})
	}
	for i, ref := range c.Refs {
		profile, _, _ := strings.Cut(ref, "/")
		if i > 0 && profile != h.Profile {
			h.Profile = ""
			break
		}
		h.Profile = profile
	}
	h.Backend = r.backends[h.Profile]
	sum := sha256.Sum256(fmt.Appendf(nil, "%s\x00%v\x00%v", c.Rule.Key(), h.Group, c.First))
	h.ID = "sigma-" + hex.EncodeToString(sum[:8])
	if h.Profile != "" {
		h.Ref = h.Profile + "/" + h.ID
	}
	return h
}
