package conformance

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/filter"
	"github.com/edrctl/edrctl/internal/model"
)

// valuesOf collects, for each shared filter, values that occur in records:
// different ones, spread over the whole listing.
func valuesOf(all []model.Record) map[filter.Field][]string {
	const most = 40
	out := map[filter.Field][]string{}
	for _, f := range filter.Fields {
		seen := map[string]bool{}
		step := max(len(all)/200, 1)
		for i := 0; i < len(all) && len(out[f]) < most; i += step {
			n := 0
			filter.Values(f, all[i], func(v string) bool {
				if !seen[v] {
					seen[v] = true
					out[f] = append(out[f], v)
					n++
				}
				return n < 3
			})
		}
	}
	return out
}

// variants are the ways to write a filter that matches v: exact, in another
// case, as a part, and with wildcards.
func variants(f filter.Field, v string) []string {
	out := []string{"=" + v, "=" + strings.ToUpper(v), strings.ToLower(v)}
	switch f {
	case filter.KindOf, filter.Port:
		return []string{v}
	case filter.IP:
		out = append(out, v+"/24", v+"/16")
	}
	r := []rune(v)
	if n := len(r); n >= 4 {
		out = append(out, string(r[1:n-1]), string(r[n/2:]), "*"+string(r[n/2:]), string(r[:n/2])+"*", string(r[:1])+"*"+string(r[n-1:]), string(r[:2])+"?"+string(r[3:]))
	}
	return out
}

// compare holds one filter to local evaluation over the unfiltered listing.
func (e *env) compare(t interface {
	Errorf(string, ...any)
	Helper()
}, ctx testing.TB, r reading, q backends.Query, f filter.Filter, all []model.Record) {
	t.Helper()
	merged := f
	merged.Terms = append(append([]filter.Term(nil), q.Filter.Terms...), f.Terms...)
	if e.known(ctx.Context(), r, q, merged) {
		return
	}
	q.Filter = merged
	got, plan, err := e.list(ctx.Context(), r, q)
	if err != nil {
		t.Errorf("%s: %v", f.String(), err)
		return
	}
	var want []model.Record
	for _, rec := range all {
		if merged.Match(rec) {
			want = append(want, rec)
		}
	}
	if d := same(want, got); d != "" {
		t.Errorf("%s: the server's part and the residual (%s) differ from local evaluation: %s\nplan %q", f.String(), plan.Residual.String(), d, plan.Requests)
	}
}

// oneOf: of filters that change nothing of what is sent, one of so many is read.
const oneOf = 4

// known tells that a filter needs no list of its own: its plan sends what the
// plan without it does and leaves all of it to the caller, so that the records
// are those of the whole list. Some are read all the same.
func (e *env) known(ctx context.Context, r reading, q backends.Query, merged filter.Filter) bool {
	bare, err1 := r.open(ctx, e.driver, q)
	q.Filter = merged
	l, err2 := r.open(ctx, e.driver, q)
	if err1 != nil || err2 != nil || l.Plan.Residual.String() != merged.String() || !slices.Equal(l.Plan.Requests, bare.Plan.Requests) {
		return false
	}
	e.alike++
	return e.alike%oneOf != 1
}

// filters holds every field in every mode to local evaluation.
func (e *env) filters(t *testing.T, r reading, q backends.Query, all []model.Record) {
	values := valuesOf(all)
	n := 0
	for _, f := range filter.Fields {
		vals := values[f]
		// Values from all over the listing, and one that is hard to quote; each
		// in some of the ways, all of them in every way.
		chosen := spread(vals, 4)
		for _, v := range vals {
			if strings.ContainsAny(v, "'\"%\\ ;<") || !ascii(v) {
				chosen = append(chosen, v)
				break
			}
		}
		for i, v := range chosen {
			for j, text := range variants(f, v) {
				var flt filter.Filter
				if i > 0 && (i+j)%3 > 0 || utf8.RuneCountInString(text) > 400 || flt.Add(f, text) != nil {
					continue
				}
				if n++; n%thin == 0 {
					e.compare(t, t, r, q, flt, all)
				}
			}
		}
		// One that nothing matches.
		var none filter.Filter
		if none.Add(f, "=zz-nobody-has-this") == nil {
			e.compare(t, t, r, q, none, all)
		}
	}
	e.expressions(t, r, q, all, values)
	if r.name == "alerts" {
		e.bounds(t, r, q, all)
	}
}

// expressions holds what excludes and what joins alternatives to local
// evaluation: a server may be asked for a term only where every match needs it.
func (e *env) expressions(t *testing.T, r reading, q backends.Query, all []model.Record, values map[filter.Field][]string) {
	n := 0
	for i, f := range filter.Fields {
		other := filter.Fields[(i+1)%len(filter.Fields)]
		for _, flt := range joined(t, f, spread(values[f], 3), other, values[other][:min(1, len(values[other]))]) {
			if n++; n%thin == 0 {
				e.compare(t, t, r, q, flt, all)
			}
		}
	}
}

// joined are filters over the values of a field that exclude or have
// alternatives: by flags, and by expressions.
func joined(t *testing.T, f filter.Field, vals []string, other filter.Field, others []string) (out []filter.Filter) {
	flags := func(texts ...string) {
		var flt filter.Filter
		if flt.Add(f, texts...) == nil {
			out = append(out, flt)
		}
	}
	where := func(format string, args ...any) {
		source := fmt.Sprintf(format, args...)
		x, err := filter.ParseExpr(source, nil)
		if err != nil {
			t.Errorf("%s: %v", source, err)
			return
		}
		var flt filter.Filter
		flt.Require(x)
		out = append(out, flt)
	}
	if len(vals) == 0 {
		return nil
	}
	first, last := vals[0], vals[len(vals)-1]
	flags("!="+first, "!="+last)
	flags("="+first, "!="+last)
	flags("="+first, "="+last)
	a, b := term(f, first), term(f, last)
	where("not %s", a)
	where("%s or %s", a, b)
	where("not (%s or not %s)", a, b)
	where("%s and not %s", b, a)
	if r := []rune(last); len(r) >= 4 && f != filter.KindOf && f != filter.Port && f != filter.IP {
		part := string(r[1 : len(r)-1])
		flags("!" + part)
		flags("!" + string(r[:2]) + "*")
		where("%s~%s or %s", f, quoted(part), a)
		where("not %s~%s", f, quoted(part))
		if f != filter.Hash { // in quotes * and ? are letters like others
			where("%s~%s", f, quoted("*"))
			where("%s~%s", f, quoted(string(r[:1])+"?"))
		}
	}
	if f == filter.IP {
		flags("!" + last + "/24")
		flags(last + "-" + last)
		if i := strings.LastIndexByte(last, '.'); i > 0 {
			flags(last[:i+1])
			flags("!" + last[:i+1])
		}
	}
	if len(others) > 0 {
		where("%s or %s", a, term(other, others[0]))
		where("not (%s %s)", a, term(other, others[0]))
	}
	return out
}

func term(f filter.Field, v string) string { return string(f) + "=" + quoted(v) }

// quoted writes a text as an expression takes it, wildcards meaning themselves.
func quoted(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}

// spread picks n of a list, from its beginning to its end.
func spread(list []string, n int) []string {
	if len(list) <= n {
		return append([]string(nil), list...)
	}
	out := make([]string, n)
	for i := range out {
		out[i] = list[i*(len(list)-1)/(n-1)]
	}
	return out
}

func ascii(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r < 0x20 || r > 0x7e }) < 0
}

// bounds holds the filters only alerts have to local evaluation.
func (e *env) bounds(t *testing.T, r reading, q backends.Query, all []model.Record) {
	num := func(v float64) *float64 { return &v }
	for _, f := range []filter.Filter{
		{ScoreMin: num(0)}, {ScoreMin: num(1)}, {ScoreMin: num(5)}, {ScoreMin: num(4.5)}, {ScoreMin: num(10)}, {ScoreMin: num(11)},
		{ScoreMax: num(4)}, {ScoreMax: num(0)}, {ScoreMax: num(9.9)}, {ScoreMin: num(3), ScoreMax: num(7)}, {ScoreMin: num(8), ScoreMax: num(2)},
		{ScoreMin: num(5), IncludeUnscored: true},
		{Severity: []model.Severity{model.SeverityHigh}}, {Severity: []model.Severity{model.SeverityLow, model.SeverityCritical}},
		{Severity: []model.Severity{model.SeverityUnknown}}, {SeverityMin: model.SeverityMedium}, {SeverityMin: model.SeverityCritical},
		{Status: []model.Status{model.StatusOpen}}, {Status: []model.Status{model.StatusClosed, model.StatusDismissed}},
		{Status: []model.Status{model.StatusUnknown}}, {ScoreMin: num(5), Status: []model.Status{model.StatusOpen}, SeverityMin: model.SeverityHigh},
	} {
		e.compare(t, t, r, q, f, all)
	}
	five := q
	five.Filter.ScoreMin = num(5)
	if got, _, err := e.list(t.Context(), r, five); err != nil || len(got) < 3 {
		t.Errorf("--score-min 5 gives %d alerts (%v); the intrusion has at least 3", len(got), err)
	}
}

// randomFilters holds filters of several terms and values to local evaluation.
func (e *env) randomFilters(t *testing.T, r reading, q backends.Query, all []model.Record) {
	values := valuesOf(all)
	var usable []filter.Field
	for _, f := range filter.Fields {
		if len(values[f]) > 0 {
			usable = append(usable, f)
		}
	}
	if len(usable) == 0 {
		t.Skip("the records have no value any filter looks at")
	}
	rapid.Check(t, func(rt *rapid.T) {
		var flt filter.Filter
		for range rapid.IntRange(1, 3).Draw(rt, "terms") {
			f := rapid.SampledFrom(usable).Draw(rt, "field")
			var texts []string
			for range rapid.IntRange(1, 3).Draw(rt, "values") {
				text := rapid.SampledFrom(variants(f, rapid.SampledFrom(values[f]).Draw(rt, "value"))).Draw(rt, "text")
				if _, err := filter.Parse(f, text); err == nil && len(text) < 400 {
					texts = append(texts, text)
				}
			}
			if flt.Add(f, texts...) != nil {
				rt.Skip()
			}
		}
		if r.name == "alerts" && rapid.Bool().Draw(rt, "bounds") {
			score := rapid.Float64Range(0, 10).Draw(rt, "score")
			flt.ScoreMin = &score
		}
		e.compare(rt, t, r, q, flt, all)
	})
}
