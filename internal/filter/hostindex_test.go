package filter_test

import (
	"slices"
	"testing"

	"github.com/edrctl/edrctl/internal/filter"
	"github.com/edrctl/edrctl/internal/model"
)

// What the index finds is what comparing each host finds.
func TestAnIndexFindsWhatComparingFinds(t *testing.T) {
	words := []string{"", "77", "WS-1", "ws-1", "WS-1.corp.example", `CORP\WS-1`, `corp.example\ws-1`, "lab/77", "ÄRGER", "ärger", "ſtraße", "STRASSE", "KELVIN", "Kelvin", "İst", "10.0.0.1", "a.b"}
	var hosts []*model.Host
	for _, id := range words {
		for _, name := range words {
			for _, domain := range []string{"", "corp.example", "LAB"} {
				hosts = append(hosts, &model.Host{Origin: model.Origin{ID: id, Ref: "lab/" + id}, Name: name, Domain: domain})
			}
		}
	}
	index := filter.IndexHosts(hosts)
	for _, operand := range words {
		var want []*model.Host
		for _, h := range hosts {
			if filter.IsHost(operand, h) {
				want = append(want, h)
			}
		}
		if got := index.Find(operand); !slices.Equal(got, want) {
			t.Errorf("%q: %d hosts, want %d", operand, len(got), len(want))
		}
	}
}
