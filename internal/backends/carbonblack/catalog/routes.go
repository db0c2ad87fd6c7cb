package catalog

import "strings"

// Base is before every path.
const Base = "/integrationServices/v3"

// Route is one resource of the API: the key types it takes, best first (§1,
// §4), and whether a 404 on it means that the server has switched it off.
type Route struct {
	Noun string
	Keys []string
}

// The resources of the API.
var (
	RouteEvent        = Route{"events", []string{KeyAPI}}
	RouteProcess      = Route{"processes", []string{KeyAPI}}
	RouteAlert        = Route{"alerts", []string{KeyAPI}}
	RouteNotification = Route{"notifications", []string{KeySIEM}}
	routeAudit        = Route{"audit logs", []string{KeyAPI}}
	RouteDevice       = Route{"devices", []string{KeyAPI, KeyLiveResponse}}
	RoutePolicy       = Route{"policies", []string{KeyAPI}}
	RouteLive         = Route{"live response", []string{KeyLiveResponse}}
)

// routes by the first part of the path.
var routes = map[string]Route{
	"event": RouteEvent, "process": RouteProcess, "alert": RouteAlert,
	"notification": RouteNotification, "auditlogs": routeAudit,
	"device": RouteDevice, "policy": RoutePolicy, "cblr": RouteLive,
}

// KeyTypes are the vendor's names of the secrets.
var KeyTypes = map[string]string{KeyAPI: "API", KeySIEM: "SIEM", KeyLiveResponse: "LIVE_RESPONSE"}

// RouteOf finds the route of a request path; what is not known takes an API key.
func RouteOf(path string) Route {
	_, rest, ok := strings.Cut(path, Base+"/")
	if !ok {
		return Route{"the API", []string{KeyAPI}}
	}
	head, _, _ := strings.Cut(rest, "/")
	if r, ok := routes[head]; ok {
		return r
	}
	return Route{head, []string{KeyAPI}}
}

// KeyTypesOf names the key types that a route takes.
func KeyTypesOf(r Route) string {
	var out []string
	for _, k := range r.Keys {
		out = append(out, KeyTypes[k])
	}
	return strings.Join(out, " or ")
}

// The secrets: one for each key type of the vendor, each "SECRET/ID" (§1).
const (
	KeyAPI          = "api_key"
	KeySIEM         = "siem_key"
	KeyLiveResponse = "live_response_key"
)
