package gene_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/edrctl/edrctl/internal/backends/gene/fake"
	"github.com/edrctl/edrctl/internal/faults"
)

// Trap 10a: the signatures of an event come in another order at each call.
// The title, the rule and the lists made of them stay the same.
func TestSignaturesAreInOneOrder(t *testing.T) {
	log := &memLog{}
	for i := range 40 {
		log.put(fake.Meta{Time: now.Add(-time.Duration(i) * time.Minute), Detection: true}, fake.Event{
			EventID: 1, Signatures: []string{"Suspicious", "DumpLsass", "Builtin:Canary", "Mimikatz"}, Criticality: 8,
		})
	}
	data := &fake.Data{Endpoints: machines(), Log: log}
	for _, v := range []string{fake.Beta2, fake.Beta3} {
		d, _, _ := start(t, data, fake.Options{Version: v, Conduct: faults.Conduct{RandomOrder: true}})
		l, err := d.Alerts(t.Context(), day(2*time.Hour))
		alerts := collect(t, l, err)
		if len(alerts) != 40 {
			t.Fatalf("%s: %d alerts", v, len(alerts))
		}
		for _, a := range alerts {
			if a.Title != "Builtin:Canary, DumpLsass, Mimikatz, Suspicious" || a.Rule.Name != "Builtin:Canary" || a.Indicators[3].Value != "Suspicious" {
				t.Fatalf("%s: title %q, rule %q", v, a.Title, a.Rule.Name)
			}
		}
		e, err := d.Event(t.Context(), alerts[0].ID, false)
		if err != nil || !slices.IsSorted(e.Detection.Rules) || len(e.Detection.Rules) != 4 {
			t.Errorf("%s: %+v %v", v, e, err)
		}
	}
}

// doctor's note on forgotten keys is true of beta.2 alone.
func TestForgottenKeysAreOfBeta2(t *testing.T) {
	for v, want := range map[string]bool{fake.Beta2: true, fake.Beta3: false, fake.Head: false} {
		for _, n := range []int{3, 0} {
			data := &fake.Data{Endpoints: machines()[:n], Log: &memLog{}}
			d, _, _ := start(t, data, fake.Options{Version: v})
			h, err := d.Check(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if h.Version != v && v != fake.Head {
				t.Errorf("%s with %d endpoints is taken for %s", v, n, h.Version)
			}
			got := slices.ContainsFunc(h.Notes, func(s string) bool { return strings.Contains(s, "forgets an endpoint's key") })
			if got != want {
				t.Errorf("%s with %d endpoints: notes %q", v, n, h.Notes)
			}
		}
	}
}
