package conformance

import (
	"slices"
	"testing"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/filter"
	"github.com/edrctl/edrctl/internal/ioc"
	"github.com/edrctl/edrctl/internal/model"
)

// Spellings are one address as products write it: the test plants an event
// for each, with it as the destination.
var Spellings = []string{"2001:db8::1", "2001:0db8:0:0::1", "2001:0DB8:0000:0000:0000:0000:0000:0001"}

// OneAddress holds a driver to it that the planted events are shown with one
// address, and found by any spelling of it, by a filter and by a hunt.
func OneAddress(t *testing.T, d backends.Driver, q backends.Query) {
	t.Helper()
	for _, spelled := range Spellings {
		q.Filter = filter.Filter{}
		if err := q.Filter.Add(filter.IP, spelled); err != nil {
			t.Fatal(err)
		}
		l, err := d.(backends.EventSearcher).Events(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		kind, value, err := ioc.Parse(spelled, ioc.None)
		if err != nil {
			t.Fatal(err)
		}
		hunt := ioc.NewMatcher([]ioc.Indicator{{Type: kind, Value: value}})
		var shown []string
		hits := 0
		for e, err := range l.Seq {
			if err != nil {
				t.Fatal(err)
			}
			if !l.Plan.Residual.Match(e) {
				continue
			}
			shown = append(shown, e.Network.Destination.IP)
			hunt.Match(e, func(ioc.Found) { hits++ })
		}
		if !slices.Equal(shown, []string{"2001:db8::1", "2001:db8::1", "2001:db8::1"}) || hits != len(shown) {
			t.Errorf("--ip %s: %q, %d hits", spelled, shown, hits)
		}
		hunter, ok := d.(backends.IndicatorHunter)
		if !ok || hunter.HuntModes()[kind.String()].Where != backends.HuntServer {
			continue
		}
		found, err := hunter.Hunt(t.Context(), backends.HuntQuery{Type: kind.String(), Values: []string{value}, Since: q.Since, Until: q.Until})
		if err != nil {
			t.Fatal(err)
		}
		var seen []*model.Hit
		for h, err := range found.Seq {
			if err != nil {
				t.Fatal(err)
			}
			seen = append(seen, h)
		}
		if len(seen) < 2 { // servers that compare text are asked in short and in full
			t.Errorf("hunting %s: %d hits", spelled, len(seen))
		}
	}
}
