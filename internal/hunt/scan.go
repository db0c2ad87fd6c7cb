package hunt

import (
	"cmp"
	"context"
	"slices"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/ioc"
	"github.com/edrctl/edrctl/internal/model"
	"github.com/edrctl/edrctl/internal/ops"
)

// scanUnits fetch the events of the window once and compare all local
// indicators with them; a hunt with a checkpoint does it an hour at a time.
func (r *run) scanUnits(s *ops.Source, d backends.EventSearcher, list []int, out *SourceSummary) []unit {
	indicators := make([]ioc.Indicator, len(list))
	for i, at := range list {
		indicators[i] = r.indicators[at]
	}
	var matcher *ioc.Matcher
	var units []unit
	for _, w := range r.Span.steps(r.Checkpoint != nil) {
		units = append(units, unit{
			name: w.unit(s.Profile),
			run: func(ctx context.Context, emit func(*model.Hit)) error {
				if matcher == nil {
					matcher = ioc.NewMatcher(indicators, r.List.Rules...) // units of one profile run one after the other
				}
				listing, err := d.Events(ctx, backends.Query{Since: w.Since, Until: w.Until})
				if err != nil {
					return err
				}
				r.explain(s, listing.Plan)
				n := 0
				defer func() { r.scanned(out, n) }()
				for e, err := range listing.Seq {
					if err != nil {
						return err
					}
					r.match(s, matcher, indicators, e, emit)
					if n++; n == 1024 {
						r.scanned(out, n)
						n = 0
					}
				}
				return ctx.Err()
			},
		})
	}
	return units
}

// match turns what the matcher finds in one event into hits, each thing once.
func (r *run) match(s *ops.Source, m *ioc.Matcher, indicators []ioc.Indicator, e *model.Event, emit func(*model.Hit)) {
	var seen []string
	m.Match(e, func(found ioc.Found) {
		ind := indicators[found.Indicator]
		h := &model.Hit{
			Indicator: model.HitIndicator{Type: ind.Type.String(), Value: ind.Value, Source: r.List.Place(ind), Group: int(ind.Group)},
			Host:      e.Host, Process: briefProcess(found.Process), File: found.File,
			First: e.Time, Last: e.Time, Count: 1,
		}
		if e.ID != "" {
			h.Evidence = []string{s.Profile + "/" + e.ID}
		}
		// The reputation of a process is that of its image, not of a file or
		// an address it used.
		if p := found.Process; p != nil && p.Reputation != nil && found.File == nil && isImage(ind.Type) {
			h.Verdict = p.Reputation.Verdict
		}
		// Other hashes of the same sample match too: the strongest names the hit.
		if k := h.Key() + ind.String(); !slices.Contains(seen, k) {
			seen = append(seen, k)
			emit(h)
		}
	})
}

func isImage(t ioc.Type) bool {
	return t.IsHash() || t == ioc.FileName || t == ioc.FilePath || t == ioc.ProcessName
}

// briefProcess is a process as a hit names it.
func briefProcess(p *model.Process) *model.Process {
	if p == nil {
		return nil
	}
	return &model.Process{
		UID: p.UID, PID: p.PID, Name: cmp.Or(p.Name, model.BaseName(p.Path)), Path: p.Path,
		CommandLine: p.CommandLine, Hash: p.Hash, User: p.User,
	}
}
