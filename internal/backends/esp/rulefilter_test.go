package esp_test

import (
	"strings"
	"testing"
	"time"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/backends/esp/fake"
	"github.com/edrctl/edrctl/internal/filter"
)

// The server looks into rule names only when source "rule" is sent with the
// searchterm: without it --rule would find nothing.
func TestRuleFilterFindsAlerts(t *testing.T) {
	alert := func(id, rule int, source string) fake.Alert {
		return fake.Alert{ID: id, Time: anchor.Add(-time.Minute), RuleID: rule, Severity: "WARNING", Type: source, Source: source,
			NodeID: 1, QueryName: "ports", Entry: fake.Columns{{K: "pid", V: "1"}}}
	}
	data := &fake.Data{
		Users:  users(),
		Hosts:  []fake.Host{{ID: 1, Name: "ws-1", Identifier: "58E0F736-D62C-11EA-8283-02F7A50E7DFE"}},
		Rules:  []fake.Rule{{ID: 7, Name: "dns tunnel"}, {ID: 8, Name: "new service"}},
		Alerts: []fake.Alert{alert(1, 7, "rule"), alert(2, 8, "rule"), alert(3, 7, "rule"), alert(4, 0, "ioc")},
	}
	d := newDriver(t, serve(t, fakeAt(data)), func(o *backends.Options) { o.Now = func() time.Time { return anchor } })
	for text, want := range map[string]int{"dns": 2, "=DNS tunnel": 2, "!dns": 2, "dns*": 2, "nothing": 0} {
		q := backends.Query{Since: anchor.Add(-time.Hour), Until: anchor}
		if err := q.Filter.Add(filter.Rule, text); err != nil {
			t.Fatal(err)
		}
		l, err := d.Alerts(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		list, err := collect(l.Seq)
		got := 0
		for _, a := range list {
			if l.Plan.Residual.Match(a) {
				got++
			}
		}
		if err != nil || got != want {
			t.Errorf("--rule %q finds %d alerts (%v), want %d", text, got, err, want)
		}
		pushed := strings.Contains(strings.Join(l.Plan.Requests, "\n"), `"searchterm"`)
		if strings.ContainsAny(text, "!*") == pushed {
			t.Errorf("--rule %q: searchterm is sent: %v", text, pushed)
		}
	}
}
