package carbonblack

import (
	"strings"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/backends/carbonblack/wire"
	"github.com/edrctl/edrctl/internal/filter"
)

// pushes are the filters that are sent. What /event and /process say of a
// parameter is the vendor's word, which no recording shows at work: all but
// the device of /process, whose rows name none, is compared again here.
func pushes() []backends.Push {
	const (
		document = "the API document: "
		wholly   = document + `"filter on hostnames case insensitive"; a name without its domain is asked for again`
	)
	host := backends.Takes(filter.Host, func(t filter.Term) bool { _, ok := exactHost(t); return ok })
	return []backends.Push{
		{List: "events", Filter: "host", Form: "`=NAME`, one, without a domain", Sent: "`hostName`", Witness: wholly, Takes: host},
		{List: "events", Filter: "kind", Form: "kinds of one event type", Sent: "`eventType`", Witness: document + "the list of event types",
			Takes: backends.Takes(filter.KindOf, func(t filter.Term) bool {
				eventType, _, none := eventTypeOf(t)
				return eventType != "" || none
			})},
		{List: "alerts", Filter: "host", Form: "`=NAME`, one, without a domain", Sent: "`hostName` of `/event`", Witness: wholly, Takes: host},
		{List: "hosts", Filter: "ip", Form: "one IPv4 address", Sent: "`ipAddress`", Witness: document + `"a given external or internal IP address"`,
			Takes: backends.Takes(filter.IP, deviceAddress)},
		{List: "processes", Filter: "host", Sent: "`hostNameExact` of each matching device", Exact: true, Witness: document + `"filter on the exact hostname"`,
			Takes: backends.Takes(filter.Host, nil)},
		{List: "processes", Filter: "ip", Sent: "`hostNameExact` of each matching device", Exact: true, Witness: document + `"filter on the exact hostname"`,
			Takes: backends.Takes(filter.IP, nil)},
		{List: "processes", Filter: "hash", Form: "whole SHA-256", Sent: "`sha256Hash`", Witness: document + `"filter on process's sha256 hash"`,
			Takes: backends.Takes(filter.Hash, wholeSHA256)},
		{List: "processes", Filter: "process", Form: "`=NAME`", Sent: "`applicationName`, in lower case", Witness: document + `"filter on process's application name"`,
			Takes: backends.Takes(filter.Process, namesOnly)},
	}
}

func wholeSHA256(t filter.Term) bool {
	return allOf(t, func(p filter.Pattern) bool { return wire.IsSHA256(strings.ToLower(p.Text)) })
}

func namesOnly(t filter.Term) bool { return allOf(t, filter.Pattern.IsExact) }

// deviceAddress: only IPv4 has one way to be written.
func deviceAddress(t filter.Term) bool {
	if len(t.Any) != 1 {
		return false
	}
	p, ok := t.Any[0].Prefix()
	return ok && p.IsSingleIP() && p.Addr().Is4()
}
