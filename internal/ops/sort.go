package ops

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/edrctl/edrctl/internal/model"
)

// sortKeys are the values of --sort: each compares ascending.
var sortKeys = map[string]func(a, b model.Record) int{
	"time":     func(a, b model.Record) int { return model.TimeOf(a).Compare(model.TimeOf(b).Time) },
	"score":    func(a, b model.Record) int { return cmp.Compare(scoreOf(a), scoreOf(b)) },
	"severity": func(a, b model.Record) int { return cmp.Compare(severityOf(a), severityOf(b)) },
	"risk":     func(a, b model.Record) int { return cmp.Compare(riskOf(a), riskOf(b)) },
	"host":     func(a, b model.Record) int { return compareFold(hostName(a), hostName(b)) },
	"title":    func(a, b model.Record) int { return compareFold(titleOf(a), titleOf(b)) },
	"name":     func(a, b model.Record) int { return compareFold(titleOf(a), titleOf(b)) },
	"backend":  func(a, b model.Record) int { return cmp.Compare(a.GetOrigin().Backend, b.GetOrigin().Backend) },
	"profile":  func(a, b model.Record) int { return cmp.Compare(a.GetOrigin().Profile, b.GetOrigin().Profile) },
	"id":       func(a, b model.Record) int { return cmp.Compare(a.GetOrigin().ID, b.GetOrigin().ID) },
}

// ascending are the keys whose natural order is upwards; the others show the
// largest first.
var ascending = map[string]bool{"host": true, "title": true, "name": true, "backend": true, "profile": true, "id": true}

// SortKeys lists what --sort takes.
func SortKeys() []string { return slices.Sorted(maps.Keys(sortKeys)) }

// ValidSort tells whether --sort takes key (with or without its sign).
func ValidSort(key string) bool {
	_, ok := sortKeys[strings.TrimLeft(key, "+-")]
	return key == "" || ok
}

// comparer gives the order for --sort, and whether it differs from newest
// first. "-key" turns the natural direction of a key round, "+key" is
// ascending.
func comparer(key string) (compare func(a, b model.Record) int, custom bool) {
	name := strings.TrimLeft(key, "+-")
	by, ok := sortKeys[name]
	if !ok || key == "time" {
		return byTimeThenRef, false
	}
	up := ascending[name]
	switch key[0] {
	case '+':
		up = true
	case '-':
		up = !up
	}
	return func(a, b model.Record) int {
		c := by(a, b)
		if !up {
			c = -c
		}
		if c == 0 {
			return byTimeThenRef(a, b)
		}
		return c
	}, true
}

func compareFold(a, b string) int { return cmp.Compare(strings.ToLower(a), strings.ToLower(b)) }

func scoreOf(r model.Record) float64 {
	switch v := r.(type) {
	case *model.Alert:
		if v.Score != nil {
			return *v.Score
		}
	case *model.Host:
		if v.ReportScore != nil {
			return *v.ReportScore
		}
	case *model.Report:
		return v.Score
	case *model.Rule:
		if v.Score != nil {
			return *v.Score
		}
	}
	return -1
}

func severityOf(r model.Record) int {
	switch v := r.(type) {
	case *model.Alert:
		return v.Severity.Rank()
	case *model.Rule:
		return v.Severity.Rank()
	}
	return 0
}

func riskOf(r model.Record) int {
	if a, ok := r.(*model.Alert); ok && a.Risk != nil {
		return *a.Risk
	}
	return -1
}

func hostName(r model.Record) string {
	if h, ok := r.(*model.Host); ok {
		return h.Name
	}
	if h := model.HostOf(r); h != nil {
		return h.Name
	}
	return ""
}

func titleOf(r model.Record) string {
	switch v := r.(type) {
	case *model.Alert:
		return v.Title
	case *model.Event:
		return string(v.Kind)
	case *model.Process:
		return v.Name
	case *model.Host:
		return v.Name
	case *model.Rule:
		return v.Name
	case *model.Carve:
		return v.Name
	}
	return hostName(r)
}
