package gene_test

import (
	"slices"
	"testing"
	"time"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/backends/gene/fake"
	"github.com/edrctl/edrctl/internal/filter"
)

// TestFiltersEveryVersion holds what a version's server sees of the filters to
// local evaluation: which endpoints are asked, and what of their answers stays
// (beta.2 gives everybody's). Plan's residual is evaluated as the caller does.
func TestFiltersEveryVersion(t *testing.T) {
	data := busy(600, 5*time.Hour)
	each(t, func(t *testing.T, v string) {
		d, _, _ := start(t, data, fake.Options{Version: v})
		q := backends.Query{Since: now.Add(-6 * time.Hour), Until: now.Add(time.Second)}
		l, err := d.Events(t.Context(), q)
		all := collect(t, l, err)
		la, err := d.Alerts(t.Context(), q)
		alerts := collect(t, la, err)
		if len(all) != 600 || len(alerts) != 60 {
			t.Fatalf("%d events, %d alerts", len(all), len(alerts))
		}
		for _, terms := range [][2]string{
			{"host", "=ALPHA.corp.example"}, {"host", "=alpha"}, {"host", "alph"}, {"host", "*VO"}, {"host", "=BRAVO"}, {"host", uuid2}, {"host", "=nobody"}, {"host", "?RAVO"},
			{"process", "explorer.exe"}, {"path", `*\explorer.exe`}, {"file", "file1*"}, {"rule", "Rule1"}, {"kind", "file_create"}, {"search", "file59"}, {"user", "=nobody"},
		} {
			var f filter.Filter
			if err := f.Add(filter.Field(terms[0]), terms[1]); err != nil {
				t.Fatal(err)
			}
			narrow := q
			narrow.Filter = f
			var want, got []string
			for _, e := range all {
				if f.Match(e) {
					want = append(want, e.ID)
				}
			}
			l, err := d.Events(t.Context(), narrow)
			for _, e := range collect(t, l, err) {
				if l.Plan.Residual.Match(e) {
					got = append(got, e.ID)
				}
			}
			if !slices.Equal(want, got) {
				t.Errorf("events %s=%s: %d records, want %d", terms[0], terms[1], len(got), len(want))
			}
			want, got = nil, nil
			for _, a := range alerts {
				if f.Match(a) {
					want = append(want, a.ID)
				}
			}
			la, err := d.Alerts(t.Context(), narrow)
			for _, a := range collect(t, la, err) {
				if la.Plan.Residual.Match(a) {
					got = append(got, a.ID)
				}
			}
			if !slices.Equal(want, got) {
				t.Errorf("alerts %s=%s: %d records, want %d", terms[0], terms[1], len(got), len(want))
			}
		}
	})
}
