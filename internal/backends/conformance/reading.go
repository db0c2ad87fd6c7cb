package conformance

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"reflect"
	"testing"
	"time"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/filter"
	"github.com/edrctl/edrctl/internal/model"
)

// reading is one way to list records, whatever their type.
type reading struct {
	name  string
	timed bool // the window applies, and records have times
	open  func(ctx context.Context, d backends.Driver, q backends.Query) (backends.Listing[model.Record], error)
	get   func(ctx context.Context, d backends.Driver, id string, raw bool) (model.Record, error) // nil: cannot
}

func erase[T model.Record](l backends.Listing[T], err error) (backends.Listing[model.Record], error) {
	out := backends.Listing[model.Record]{Plan: l.Plan}
	if l.Seq != nil {
		out.Seq = func(yield func(model.Record, error) bool) {
			for r, err := range l.Seq {
				if !yield(r, err) {
					return
				}
			}
		}
	}
	return out, err
}

// readings finds what the driver can list.
func (h Harness) readings(t *testing.T) []reading {
	b, err := backends.Lookup(h.Backend)
	if err != nil {
		t.Fatal(err)
	}
	d, err := b.Blank()
	if err != nil {
		t.Fatalf("a driver cannot be built without a server: %v", err)
	}
	defer d.Close()
	var out []reading
	type (
		query = backends.Query
		ctx   = context.Context
		drv   = backends.Driver
		list  = backends.Listing[model.Record]
	)
	if _, ok := d.(backends.AlertLister); ok {
		r := reading{name: "alerts", timed: true, open: func(c ctx, d drv, q query) (list, error) {
			return erase(d.(backends.AlertLister).Alerts(c, q))
		}}
		if _, ok := d.(backends.AlertGetter); ok {
			r.get = func(c ctx, d drv, id string, raw bool) (model.Record, error) {
				return got(d.(backends.AlertGetter).Alert(c, id, raw))
			}
		}
		out = append(out, r)
	}
	if _, ok := d.(backends.EventSearcher); ok {
		r := reading{name: "events", timed: true, open: func(c ctx, d drv, q query) (list, error) {
			return erase(d.(backends.EventSearcher).Events(c, q))
		}}
		if _, ok := d.(backends.EventGetter); ok {
			r.get = func(c ctx, d drv, id string, raw bool) (model.Record, error) {
				return got(d.(backends.EventGetter).Event(c, id, raw))
			}
		}
		out = append(out, r)
	}
	if _, ok := d.(backends.HostLister); ok {
		r := reading{name: "hosts", open: func(c ctx, d drv, q query) (list, error) {
			return erase(d.(backends.HostLister).Hosts(c, q))
		}}
		if _, ok := d.(backends.HostGetter); ok {
			r.get = func(c ctx, d drv, id string, raw bool) (model.Record, error) {
				return got(d.(backends.HostGetter).Host(c, id, raw))
			}
		}
		out = append(out, r)
	}
	if _, ok := d.(backends.ProcessLister); ok {
		out = append(out, reading{name: "processes", open: func(c ctx, d drv, q query) (list, error) {
			return erase(d.(backends.ProcessLister).Processes(c, q))
		}})
	}
	if _, ok := d.(backends.RuleLister); ok {
		r := reading{name: "rules", open: func(c ctx, d drv, q query) (list, error) {
			return erase(d.(backends.RuleLister).Rules(c, q))
		}}
		if _, ok := d.(backends.RuleGetter); ok {
			r.get = func(c ctx, d drv, id string, raw bool) (model.Record, error) {
				return got(d.(backends.RuleGetter).Rule(c, id, raw))
			}
		}
		out = append(out, r)
	}
	if _, ok := d.(backends.Reporter); ok {
		out = append(out, reading{name: "reports", open: func(c ctx, d drv, q query) (list, error) {
			return erase(d.(backends.Reporter).Reports(c, "", q))
		}})
	}
	if _, ok := d.(backends.CarveLister); ok {
		out = append(out, reading{name: "carves", open: func(c ctx, d drv, q query) (list, error) {
			return erase(d.(backends.CarveLister).Carves(c, q))
		}})
	}
	return out
}

// got avoids a typed nil inside the interface.
func got[T model.Record](r T, err error) (model.Record, error) {
	if err != nil {
		return nil, err
	}
	return r, nil
}

// list runs a listing to its end and applies the residual, as the callers of
// drivers do.
func (e *env) list(ctx context.Context, r reading, q backends.Query) ([]model.Record, backends.Plan, error) {
	l, err := r.open(ctx, e.driver, q)
	if err != nil {
		return nil, l.Plan, err
	}
	var out []model.Record
	for rec, err := range l.Seq {
		if err != nil {
			return out, l.Plan, err
		}
		if l.Plan.Residual.Match(rec) {
			out = append(out, rec)
		}
	}
	return out, l.Plan, nil
}

// begin reads a listing up to its first record.
func (e *env) begin(ctx context.Context, r reading, q backends.Query) error {
	l, err := r.open(ctx, e.driver, q)
	if err != nil {
		return err
	}
	for _, err := range l.Seq {
		return err
	}
	return nil
}

// base is a query the reading answers with much: unfiltered, or, where the
// product demands a filter, one for the host with the most to tell.
func (e *env) base(t testing.TB, r reading) backends.Query {
	t.Helper()
	q := e.window()
	err := e.begin(t.Context(), r, q)
	switch backends.KindOf(err) {
	case backends.KindInvalid, backends.KindUnsupported:
	default:
		return q
	}
	e.goodError(t, r.name+" without a filter", err)
	hl, ok := e.driver.(backends.HostLister)
	if !ok {
		t.Fatalf("%s demand a filter and there is no host to ask for: %v", r.name, err)
	}
	most := -1
	var best backends.Query
	for h := range records(t, hl.Hosts, e.window()) {
		try := e.window()
		// Products that demand a filter also bound the window.
		try.Since = e.now.Add(-23 * time.Hour)
		if err := try.Filter.Add(filter.Host, "="+h.Name); err != nil {
			continue
		}
		if l, _, err := e.list(t.Context(), r, try); err == nil && len(l) > most {
			most, best = len(l), try
		}
	}
	if most < 1 {
		t.Fatalf("%s are refused without a filter (%v) and empty with one for a host", r.name, err)
	}
	return best
}

func records[T model.Record](t testing.TB, open func(context.Context, backends.Query) (backends.Listing[T], error), q backends.Query) iter.Seq[T] {
	return func(yield func(T) bool) {
		l, err := open(t.Context(), q)
		if err != nil {
			t.Errorf("listing: %v", err)
			return
		}
		for r, err := range l.Seq {
			if err != nil {
				t.Errorf("listing: %v", err)
				return
			}
			if l.Plan.Residual.Match(r) && !yield(r) {
				return
			}
		}
	}
}

// key identifies a record: its id, or for the few types without one (process
// rows of some products) what tells it apart.
func key(r model.Record) string {
	if id := r.GetOrigin().ID; id != "" {
		return id
	}
	if p, ok := r.(*model.Process); ok && p.UID != "" {
		return p.UID
	}
	if p, ok := r.(*model.Report); ok && p.Host != nil {
		return cmp.Or(p.Host.ID, p.Host.Name) + p.Start.String()
	}
	return ""
}

func keys(list []model.Record) map[string]int {
	out := make(map[string]int, len(list))
	for _, r := range list {
		out[key(r)]++
	}
	return out
}

// same explains how two sets of records differ; "" when they do not.
func same(want, got []model.Record) string {
	w, g := keys(want), keys(got)
	if reflect.DeepEqual(w, g) {
		return ""
	}
	var missing, extra []string
	for k, n := range w {
		if g[k] < n {
			missing = append(missing, k)
		}
	}
	for k, n := range g {
		if w[k] < n {
			extra = append(extra, k)
		}
	}
	return fmt.Sprintf("want %d records, got %d; missing %d %.6q, too many %d %.6q", len(want), len(got), len(missing), head(missing), len(extra), head(extra))
}

func head(list []string) []string { return list[:min(len(list), 4)] }
