package gene

import (
	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/filter"
)

// pushes are the filters that are sent: a manager knows the time, the endpoint
// in the route, and the names of rules.
func pushes() []backends.Push {
	out := []backends.Push{{
		List: "rules", Filter: "rule", Sent: "`name`, a regular expression",
		Witness: "recordings 262 to 265 of the newest manager: `/rules?name=…`", Takes: backends.Takes(filter.Rule, nil),
	}}
	for _, list := range []string{"alerts", "events", "processes", "carves"} {
		out = append(out, backends.Push{
			List: list, Filter: "host", Sent: "only matching endpoints are asked",
			Witness: "recordings of every version: the route names the endpoint", Takes: backends.Takes(filter.Host, nil),
		})
	}
	return out
}
