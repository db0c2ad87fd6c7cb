package carbonblack

import (
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/backends/carbonblack/catalog"
	"github.com/edrctl/edrctl/internal/filter"
)

// eventPush is the part of a query that /event can do.
type eventPush struct {
	q        url.Values
	residual filter.Filter
	notes    []string
	host     *filter.Term // pushed as hostName
	none     bool         // no event of this backend can match: nothing is asked
	sure     int          // terms that every event of the answer should match
}

// nativeParams are the parameters --query may set; the others are the driver's.
var nativeParams = []string{
	"hostName", "hostNameExact", "ownerName", "ownerNameExact", "ipAddress", "sha256Hash", "applicationName", "eventType",
}

// pushEvents splits a filter for /event (§5.1). The server's parameters say
// less than most filters do: ipAddress is the address of the device, not of
// the peer, and sha256Hash and applicationName look at the acting process
// only, while --ip, --hash and --process look at the target, the file and both
// ends of a connection too. Those would lose matches and stay local.
func pushEvents(q backends.Query) (eventPush, error) {
	p := eventPush{q: url.Values{}}
	if q.Native != "" {
		native, err := parseNative(q.Native)
		if err != nil {
			return p, err
		}
		p.q = native
	}
	local := map[filter.Field]string{
		filter.IP:      "ipAddress is the device's own address only",
		filter.Hash:    "sha256Hash is the acting process only",
		filter.Process: "applicationName is the acting process only",
		filter.User:    "ownerName is the owner of the device",
	}
	p.residual = q.Filter.Split(func(t filter.Term) bool {
		switch t.Field {
		case filter.Host:
			if name, ok := exactHost(t); ok && !p.q.Has("hostName") && !p.q.Has("hostNameExact") {
				p.q.Set("hostName", name)
				p.host = &t
				p.sure++
				return false // no recording shows how the server compares: it is compared again
			}
			p.note("--host is compared after fetching: hostName of /event is a whole name, so only one --host =NAME can be sent")
		case filter.KindOf:
			eventType, exact, none := eventTypeOf(t)
			if none {
				p.none = true
				p.note("Carbon Black v3 has no events of the kind asked for: nothing is requested")
				return true
			}
			if eventType == "" || p.q.Has("eventType") {
				return false
			}
			p.q.Set("eventType", eventType)
			if exact {
				p.sure++
			}
			return false
		default:
			if why, ok := local[t.Field]; ok {
				p.note(fmt.Sprintf("--%s is compared after fetching: on the server %s", t.Field, why))
			}
		}
		return false
	})
	return p, nil
}

func (p *eventPush) note(s string) {
	if !slices.Contains(p.notes, s) {
		p.notes = append(p.notes, s)
	}
}

// exactHost gives the name of a term that the server's hostName equals: one
// pattern, =NAME. A number may be a device id, which hostName is not, and the
// console may know NAME.DOMAIN as DOMAIN\NAME or as NAME. A literal * or ? is
// not sent: nobody documents that the server takes it as a letter.
func exactHost(t filter.Term) (string, bool) {
	if len(t.Any) != 1 || !t.Any[0].IsExact() || isDigits(t.Any[0].Text) || t.Any[0].Qualified() || strings.ContainsAny(t.Any[0].Text, "*?") {
		return "", false
	}
	return t.Any[0].Text, true
}

func parseNative(s string) (url.Values, error) {
	q, err := url.ParseQuery(strings.TrimPrefix(s, "?"))
	if err != nil {
		return nil, backends.Invalid("cannot use --query", err.Error())
	}
	for name, values := range q {
		if !slices.Contains(nativeParams, name) {
			return nil, backends.Invalid("cannot use --query",
				fmt.Sprintf("%q is not a filter of /event: one of %s, as in applicationName=cmd.exe&eventType=NETWORK", name, strings.Join(nativeParams, " ")))
		}
		if len(values) != 1 {
			return nil, backends.Invalid("cannot use --query", fmt.Sprintf("%q is given more than once", name))
		}
		if name == "sha256Hash" || name == "applicationName" {
			q.Set(name, strings.ToLower(values[0])) // the server compares lower case only
		}
	}
	return q, nil
}

// rows asks for no more than the user wants when every event should count.
func (p eventPush) rows(q backends.Query) int {
	others := q.Filter
	others.Terms = nil
	if q.Limit > 0 && q.Limit < catalog.EventRows && p.sure == len(q.Filter.Terms) && others.Empty() {
		return q.Limit
	}
	return catalog.EventRows
}
