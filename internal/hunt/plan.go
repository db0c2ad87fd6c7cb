package hunt

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/ioc"
	"github.com/edrctl/edrctl/internal/model"
	"github.com/edrctl/edrctl/internal/ops"
)

// plan divides the indicators into those the server searches, those compared
// here, and those that cannot be searched.
func (r *run) plan(s *ops.Source, out *SourceSummary) []unit {
	d, err := s.Driver()
	if err != nil {
		out.Err = err
		return nil
	}
	hunter, _ := d.(backends.IndicatorHunter)
	searcher, _ := d.(backends.EventSearcher)
	modes := Modes(d)
	byType := map[ioc.Type][]int{}
	var local []int
	for i, ind := range r.indicators {
		// What the server knows nothing of, a port or a pattern, is compared here.
		if (ind.Port != 0 || ind.Rule != 0) && searcher != nil {
			local = append(local, i)
			continue
		}
		if ind.Rule != 0 {
			out.Unsearched = append(out.Unsearched, Unsearched{Type: ioc.Pattern.String(), Count: 1, Why: s.Backend + " has no events to search"})
			continue
		}
		byType[ind.Type] = append(byType[ind.Type], i)
	}
	out.Local = len(local)
	var units []unit
	for _, t := range ioc.Types {
		list := byType[t]
		if len(list) == 0 {
			continue
		}
		mode := modes[t.String()]
		if mode.Where == backends.HuntServer && mode.Most > 0 && len(list) > mode.Most && searcher != nil {
			mode = backends.HuntMode{Where: backends.HuntLocal, Why: fmt.Sprintf(
				"more than %d are matched here over all events of the window, for the server would have to be asked for each", mode.Most)}
		}
		if mode.Why != "" && mode.Where != backends.HuntNone {
			out.Notes = append(out.Notes, t.String()+": "+mode.Why)
		}
		switch mode.Where {
		case backends.HuntServer:
			out.Server += len(list)
			for part := range slices.Chunk(list, max(mode.Chunk, 1)) {
				units = append(units, r.serverUnit(s, hunter, t, part))
			}
		case backends.HuntLocal:
			out.Local += len(list)
			local = append(local, list...)
		default:
			out.Unsearched = append(out.Unsearched, Unsearched{Type: t.String(), Count: len(list), Why: mode.Why})
		}
	}
	if len(local) > 0 {
		units = append(units, r.scanUnits(s, searcher, local, out)...)
	}
	return units
}

// serverUnit asks the server for one chunk of one type.
func (r *run) serverUnit(s *ops.Source, d backends.IndicatorHunter, t ioc.Type, part []int) unit {
	first := r.indicators[part[0]]
	return unit{
		name: fmt.Sprintf("%s|%s|%d|%s", s.Profile, t, len(part), first.Value),
		kind: t.String(), size: len(part),
		run: func(ctx context.Context, emit func(*model.Hit)) error {
			q := backends.HuntQuery{Type: t.String(), Since: r.Span.Since, Until: r.Span.Until, Raw: r.Raw}
			place := map[string]ioc.Indicator{}
			for _, i := range part {
				ind := r.indicators[i]
				q.Values = append(q.Values, ind.Value)
				place[strings.ToLower(ind.Value)] = ind
			}
			listing, err := d.Hunt(ctx, q)
			if err != nil {
				return err
			}
			r.explain(s, listing.Plan)
			for h, err := range listing.Seq {
				if err != nil {
					return err
				}
				h.Indicator.Type = t.String()
				of := place[strings.ToLower(h.Indicator.Value)]
				h.Indicator.Source, h.Indicator.Group = r.List.Place(of), int(of.Group)
				emit(h)
			}
			return nil
		},
	}
}
