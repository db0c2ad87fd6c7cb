package conformance

import (
	"slices"
	"strings"
	"testing"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/filter"
	"github.com/edrctl/edrctl/internal/model"
	"github.com/edrctl/edrctl/internal/story"
)

// pushes: a filter is sent to the server exactly where a row of the driver
// says so, with its witness; what no witness shows is compared again here, and
// a server that does not look at it gives the right list all the same.
func (h Harness) pushes(t *testing.T) {
	b, err := backends.Lookup(h.Backend)
	if err != nil {
		t.Fatal(err)
	}
	rows := b.Pushes()
	readings := h.readings(t)
	for _, p := range rows {
		switch {
		case !slices.ContainsFunc(readings, func(r reading) bool { return r.name == p.List }):
			t.Errorf("%s --%s: the driver has no such list", p.List, p.Filter)
		case p.Sent == "" || p.Witness == "" || p.Takes == nil:
			t.Errorf("%s --%s: the row says too little: %+v", p.List, p.Filter, p)
		case p.Witness == backends.Assumed && (p.Exact || p.Loses == ""):
			t.Errorf("%s --%s is assumed: it cannot be exact, and the row says why nothing is lost", p.List, p.Filter)
		}
	}
	e := h.open(t, story.Quiet, func(o *backends.Options) { o.Client.Debug = nil })
	for _, r := range readings {
		if h.skip(t, r.name) {
			continue
		}
		own := slices.DeleteFunc(slices.Clone(rows), func(p backends.Push) bool { return p.List != r.name })
		t.Run(r.name, func(t *testing.T) { e.pushes(t, h, r, own) })
	}
}

func (e *env) pushes(t *testing.T, h Harness, r reading, rows []backends.Push) {
	q, all := e.everything(t, r)
	window := e.window()
	bare, refused := r.open(t.Context(), e.driver, window)
	tried := map[int]filter.Filter{}
	for _, f := range singles(t, r, all) {
		window.Filter = f
		l, err := r.open(t.Context(), e.driver, window)
		if err != nil && refused == nil {
			t.Errorf("%s: %v", f.String(), err)
			continue
		}
		// A list that demands a filter takes what its server can be asked for.
		sent := refused != nil && err == nil || refused == nil && !slices.Equal(l.Plan.Requests, bare.Plan.Requests)
		claimed, exact := false, false
		for i, p := range rows {
			if !p.Takes(f) {
				continue
			}
			claimed, exact = true, exact || p.Exact
			if n := matching(f, all); n > 0 && n < len(all) || tried[i].Empty() {
				tried[i] = f
			}
		}
		if sent != claimed {
			t.Errorf("%s is sent: %v, a row says so: %v\nplan %q", f.String(), sent, claimed, l.Plan.Requests)
		}
		if l.Plan.Residual.String() != f.String() && !exact && len(l.Plan.Requests) > 0 {
			t.Errorf("%s is not compared again, and no row is exact: %s is left", f.String(), l.Plan.Residual.String())
		}
	}
	for i, p := range rows {
		f, ok := tried[i]
		if !ok {
			t.Errorf("--%s: the row takes no filter", p.Filter)
			continue
		}
		if h.Ignore != nil && !p.Exact {
			e.wire.ignoring(h.Ignore)
			e.compare(t, t, r, q, f, all)
			e.wire.ignoring(nil)
		}
	}
	if refused == nil {
		e.unsent(t, r, rows, all)
	}
}

// unsent: a filter without a row changes nothing of what is on the wire.
func (e *env) unsent(t *testing.T, r reading, rows []backends.Push, all []model.Record) {
	q := e.window()
	asked := func() []string {
		e.wire.take()
		if _, _, err := e.list(t.Context(), r, q); err != nil {
			t.Fatal(err)
		}
		var out []string
		for _, s := range e.wire.take() {
			out = append(out, s.method+" "+s.uri+" "+string(s.body))
		}
		slices.Sort(out)
		return out
	}
	bare := asked()
	for _, f := range singles(t, r, all) {
		if len(f.Terms) != 1 || len(q.Filter.Get(f.Terms[0].Field)) > 0 {
			continue
		}
		field := string(f.Terms[0].Field)
		if !slices.ContainsFunc(rows, func(p backends.Push) bool { return p.Filter == field }) {
			q.Filter.Terms = append(q.Filter.Terms, f.Terms...)
		}
	}
	if got := asked(); !slices.Equal(bare, got) {
		t.Errorf("%s changes what is sent, and no row says so:\nwithout %s\nwith    %s", q.Filter.String(), strings.Join(bare, "\n"), strings.Join(got, "\n"))
	}
}

func matching(f filter.Filter, all []model.Record) (n int) {
	for _, rec := range all {
		if f.Match(rec) {
			n++
		}
	}
	return n
}

// singles are filters of one flag: values of the records in every form, values
// nothing has, and for alerts the bounds.
func singles(t *testing.T, r reading, all []model.Record) (out []filter.Filter) {
	t.Helper()
	values := valuesOf(all)
	for _, field := range filter.Fields {
		vals := spread(values[field], 4)
		switch field {
		case filter.Hash:
			vals = append(vals, strings.Repeat("e", 32), strings.Repeat("e", 40), strings.Repeat("e", 64))
		case filter.IP:
			vals = append(vals, "192.0.2.199", "2001:db8:ffff::199")
		case filter.Port:
			vals = append(vals, "65000")
		case filter.KindOf:
			for _, k := range model.Kinds {
				vals = append(vals, string(k))
			}
		default:
			vals = append(vals, "zz-nobody-has-this", "nobody-has-this.example", `ZZ\nobody`)
		}
		for _, v := range vals {
			for _, text := range variants(field, v) {
				var f filter.Filter
				if len(text) < 400 && f.Add(field, text) == nil {
					out = append(out, f)
				}
			}
		}
	}
	if r.name != "alerts" {
		return out
	}
	low, high := 4.5, 7.0
	return append(out, filter.Filter{ScoreMin: &high}, filter.Filter{ScoreMax: &low}, filter.Filter{SeverityMin: model.SeverityHigh},
		filter.Filter{Severity: []model.Severity{model.SeverityMedium}}, filter.Filter{Status: []model.Status{model.StatusOpen}},
		filter.Filter{Status: []model.Status{model.StatusClosed}}, filter.Filter{Status: []model.Status{model.StatusOpen, model.StatusClosed}},
		filter.Filter{Status: []model.Status{model.StatusDismissed}})
}
