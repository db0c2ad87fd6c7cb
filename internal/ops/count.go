package ops

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/model"
)

// AlertCountKeys is what alerts count --by takes.
var AlertCountKeys = []string{"rule", "host", "severity", "source", "backend", "status"}

// EventCountKeys is what events count --by takes.
var EventCountKeys = []string{"kind", "host", "user", "process", "path", "rule", "backend"}

// alertKey gives the bucket of an alert.
func alertKey(by string) func(*model.Alert) string {
	return map[string]func(*model.Alert) string{
		"rule": func(a *model.Alert) string {
			if a.Rule != nil {
				return cmp.Or(a.Rule.Name, a.Rule.ID)
			}
			return a.Title
		},
		"host":     func(a *model.Alert) string { return hostName(a) },
		"severity": func(a *model.Alert) string { return string(a.Severity) },
		"source":   func(a *model.Alert) string { return a.Source },
		"backend":  func(a *model.Alert) string { return a.Backend },
		"status":   func(a *model.Alert) string { return string(a.Status) },
	}[by]
}

func eventKey(by string) func(*model.Event) string {
	return map[string]func(*model.Event) string{
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
		"rule": func(e *model.Event) string {
			if e.Detection == nil {
				return ""
			}
			return strings.Join(e.Detection.Rules, ", ")
		},
		"backend": func(e *model.Event) string { return e.Backend },
	}[by]
}

// CountAlerts counts the alerts of all profiles by one key, most first.
func (f *Fleet) CountAlerts(ctx context.Context, req Request, by string) ([]model.Count, []Outcome) {
	st := f.Alerts(ctx, unlimited(req))
	return tally(st, alertKey(by)), st.Outcomes()
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
	if d, err := capability[backends.EventCounter](s, ""); err == nil && by != "backend" {
		counts, err := d.CountEvents(ctx, req.Query, by)
		if !errors.Is(err, backends.ErrCountLocally) {
			o.Err = err
			return counts, o
		}
	}
	st := (&Fleet{Sources: []*Source{s}}).Events(ctx, req)
	counts := tally(st, eventKey(by))
	return counts, st.Outcomes()[0]
}

func unlimited(req Request) Request {
	req.Limit, req.Raw, req.Sort = 0, false, ""
	return req
}

func tally[T model.Record](st *Stream[T], key func(T) string) []model.Count {
	total := map[string]int{}
	for r := range st.Records() {
		total[key(r)]++
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
