package conformance

import (
	"strings"
	"testing"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/model"
)

// What the table says wrongly is found, in both directions.
func TestCompareFields(t *testing.T) {
	seen := observed{}
	seen.add(t, &model.Event{Kind: model.KindDNSQuery, Summary: "a", DNS: &model.DNS{Question: model.DNSQuestion{Name: "a.example"}}})
	seen.add(t, &model.Event{Kind: model.KindDNSQuery, DNS: &model.DNS{Question: model.DNSQuestion{Name: "b.example"}}})
	seen.add(t, &model.Event{Kind: model.KindAMSI})
	row := func(always, sometimes string) backends.Fields {
		return backends.Fields{Record: "event", Kind: model.KindDNSQuery, Always: always, Sometimes: sometimes}
	}
	amsi := backends.Fields{Record: "event", Kind: model.KindAMSI, Always: "kind"}
	for _, c := range []struct {
		table   []backends.Fields
		partial bool
		want    string
	}{
		{[]backends.Fields{row("kind dns.question.name", "summary"), amsi}, false, ""},
		{[]backends.Fields{row("kind dns.question.name summary", ""), amsi}, true, "summary always; 1 of 2"},
		{[]backends.Fields{row("kind dns.question.name", "summary tags"), amsi}, false, "tags sometimes; none of 2"},
		{[]backends.Fields{row("kind dns.question.name", "summary tags"), amsi}, true, ""},
		{[]backends.Fields{row("kind", "summary"), amsi}, true, "dns.question.name is filled"},
		{[]backends.Fields{row("kind dns.question.name", "summary")}, true, "event amsi: such records"},
		{[]backends.Fields{row("kind dns.question.name", "summary"), amsi, {Record: "host"}}, false, "host: fields.go has it"},
	} {
		got := strings.Join(seen.compare(backends.Backend{Fields: c.table}, c.partial), "\n")
		if c.want == "" && got != "" || !strings.Contains(got, c.want) {
			t.Errorf("%+v:\n%s\nwant %q", c.table, got, c.want)
		}
	}
}
