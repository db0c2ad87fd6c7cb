package ops

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/model"
)

// AlertCountKeys is what alerts count --by takes.
var AlertCountKeys = []string{"rule", "host", "severity", "source", "backend", "status"}

// EventCountKeys is what events count --by takes.
var EventCountKeys = []string{"kind", "host", "user", "process", "path", "rule", "backend"}

// alertKeys gives the buckets of an alert: one, but of rules as many as fired.
func alertKeys(by string) func(*model.Alert) []string {
	if by == "rule" {
		return alertRules
	}
	return one(map[string]func(*model.Alert) string{
		"host":     func(a *model.Alert) string { return hostName(a) },
		"severity": func(a *model.Alert) string { return string(a.Severity) },
		"source":   func(a *model.Alert) string { return a.Source },
		"backend":  func(a *model.Alert) string { return a.Backend },
		"status":   func(a *model.Alert) string { return string(a.Status) },
	}[by])
}

// alertRules are the rules that fired: an alert of several signatures is
// counted under each of them.
func alertRules(a *model.Alert) []string {
	var rules []string
	for _, i := range a.Indicators {
		if (i.Type == "signature" || i.Type == "rule") && !slices.Contains(rules, i.Value) {
			rules = append(rules, i.Value)
		}
	}
	switch {
	case len(rules) > 0:
		return rules
	case a.Rule != nil:
		return []string{cmp.Or(a.Rule.Name, a.Rule.ID)}
	}
	return []string{a.Title}
}

// one makes buckets of a single key.
func one[T any](key func(T) string) func(T) []string {
	return func(r T) []string { return []string{key(r)} }
}

// eventKeys gives the buckets of an event, as alertKeys does.
func eventKeys(by string) func(*model.Event) []string {
	if by == "rule" {
		return func(e *model.Event) []string {
			if e.Detection == nil || len(e.Detection.Rules) == 0 {
				return []string{""}
			}
			return slices.Compact(slices.Sorted(slices.Values(e.Detection.Rules)))
		}
	}
	return one(map[string]func(*model.Event) string{
		"kind": func(e *model.Event) string { return string(e.Kind) },
		"host": func(e *model.Event) string { return hostName(e) },
		"user": func(e *model.Event) string {
			switch {
			case e.User != nil:
				return e.User.Name
			case e.Process != nil && e.Process.User != nil:
				return e.Process.User.Name
			}
			return ""
		},
		"process": func(e *model.Event) string {
			if e.Process == nil {
				return ""
			}
			return e.Process.Name
		},
		"path": func(e *model.Event) string {
			if e.Process == nil {
				return ""
			}
			return e.Process.Path
		},
		"backend": func(e *model.Event) string { return e.Backend },
	}[by])
}

// CountAlerts counts the alerts of all profiles by one key, most first.
func (f *Fleet) CountAlerts(ctx context.Context, req Request, by string) ([]model.Count, []Outcome) {
	st := f.Alerts(ctx, unlimited(req))
	return tally(st, alertKeys(by)), st.Outcomes()
}

// CountEvents counts the events of all profiles by one key, most first. A
// backend that counts exactly on its server is asked to; the others' events
// are counted as they stream by.
func (f *Fleet) CountEvents(ctx context.Context, req Request, by string) ([]model.Count, []Outcome) {
	outcomes := make([]Outcome, len(f.Sources))
	parts := make([][]model.Count, len(f.Sources))
	var wg sync.WaitGroup
	for i, s := range f.Sources {
		wg.Go(func() {
			start := time.Now()
			parts[i], outcomes[i] = s.countEvents(ctx, unlimited(req), by)
			outcomes[i].Elapsed = time.Since(start)
		})
	}
	wg.Wait()
	total := map[string]int{}
	for _, p := range parts {
		for _, c := range p {
			total[c.Value] += c.Count
		}
	}
	return ranked(total), outcomes
}

func (s *Source) countEvents(ctx context.Context, req Request, by string) ([]model.Count, Outcome) {
	o := Outcome{Profile: s.Profile, Backend: s.Backend}
	if d, err := Capability[backends.EventCounter](s, ""); err == nil && by != "backend" {
		q, any := s.own(req.Query, nil)
		if !any {
			return nil, o
		}
		counts, err := d.CountEvents(ctx, q, by)
		if !errors.Is(err, backends.ErrCountLocally) {
			o.Err = err
			return counts, o
		}
	}
	st := (&Fleet{Sources: []*Source{s}}).Events(ctx, req)
	counts := tally(st, eventKeys(by))
	return counts, st.Outcomes()[0]
}

func unlimited(req Request) Request {
	req.Limit, req.Raw, req.Sort, req.AnyOrder = 0, false, "", true
	return req
}

func tally[T model.Record](st *Stream[T], keys func(T) []string) []model.Count {
	total := map[string]int{}
	for r := range st.Records() {
		for _, key := range keys(r) {
			total[key]++
		}
	}
	return ranked(total)
}

func ranked(total map[string]int) []model.Count {
	out := make([]model.Count, 0, len(total))
	for v, n := range total {
		out = append(out, model.Count{Value: v, Count: n})
	}
	slices.SortFunc(out, func(a, b model.Count) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Value, b.Value))
	})
	return out
}
