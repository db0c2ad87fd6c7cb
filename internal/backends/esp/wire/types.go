package wire

import (
	"encoding/json"

	"github.com/edrctl/edrctl/internal/client/flex"
)

// The vendor's own types (docs/wire/esp.md §17). Numbers and strings change places
// between editions, so scalars are read leniently; members that are a list in
// one edition and an object in another stay raw and are read where used.

// Alert is a row of 89, or the one alert of 91.
type Alert struct {
	ID           flex.String     `json:"id"`
	QueryName    flex.String     `json:"query_name"`
	RuleID       flex.String     `json:"rule_id"`
	NodeID       flex.String     `json:"node_id"`
	Severity     json.RawMessage `json:"severity"` // null is not the same as ""
	Type         flex.String     `json:"type"`
	Source       flex.String     `json:"source"`
	Status       flex.String     `json:"status"`
	Verdict      flex.String     `json:"verdict"`
	Comment      flex.String     `json:"comment"`
	CreatedAt    flex.String     `json:"created_at"`
	ResultUID    flex.String     `json:"result_log_uid"`
	AggregatedN  flex.Int        `json:"aggregated_events_count"`
	AlertedEntry json.RawMessage `json:"alerted_entry"` // list
	Message      json.RawMessage `json:"message"`       // detail
	SourceData   json.RawMessage `json:"source_data"`
	Hostname     flex.String     `json:"hostname"`
	Platform     flex.String     `json:"platform"`
	Rule         json.RawMessage `json:"rule"`
}

// RuleRef is the rule an alert names.
type RuleRef struct {
	ID          flex.String `json:"id"`
	Name        flex.String `json:"name"`
	Description flex.String `json:"description"`
}

// Rule is a row of 59, or the one rule of 60.
type Rule struct {
	ID          flex.String     `json:"id"`
	Name        flex.String     `json:"name"`
	Description flex.String     `json:"description"`
	Severity    flex.String     `json:"severity"`
	Status      flex.String     `json:"status"`
	Type        flex.String     `json:"type"`
	Platform    flex.String     `json:"platform"`
	Tactics     json.RawMessage `json:"tactics"`
	TechniqueID flex.String     `json:"technique_id"`
	Conditions  json.RawMessage `json:"conditions"`
	UpdatedAt   flex.String     `json:"updated_at"`
}

// Carve is a row of 43.
type Carve struct {
	ID        flex.String `json:"id"`
	NodeID    flex.String `json:"node_id"`
	SessionID flex.String `json:"session_id"`
	CarveGUID flex.String `json:"carve_guid"`
	Size      flex.Int    `json:"carve_size"`
	Archive   flex.String `json:"archive"`
	Status    flex.String `json:"status"`
	CreatedAt flex.String `json:"created_at"`
	Hostname  flex.String `json:"hostname"`
}

// StatusLog is a line of an agent's own log (26).
type StatusLog struct {
	Line     flex.Int    `json:"line"`
	Message  flex.String `json:"message"`
	Severity flex.Int    `json:"severity"`
	Filename flex.String `json:"filename"`
	Created  flex.String `json:"created"`
	Version  flex.String `json:"version"`
}

// QueryCount is how many rows a query has, or how many alerts a source.
type QueryCount struct {
	QueryName flex.String `json:"query_name"`
	Name      flex.String `json:"name"`
	Count     flex.Int    `json:"count"`
}

// HuntHost is a host that has rows of what was asked for (9, 10, 12).
type HuntHost struct {
	Hostname       flex.String  `json:"hostname"`
	HostIdentifier flex.String  `json:"host_identifier"`
	Queries        []QueryCount `json:"queries"`
}

// IOC is an entry of the server's indicators (52).
type IOC struct {
	Type      flex.String     `json:"type"`
	Severity  flex.String     `json:"severity"`
	IntelType flex.String     `json:"intel_type"`
	Values    json.RawMessage `json:"values"` // csv string; anything else is ignored as the server does
}

// The requests that only read. Members are pointers or omitempty where the
// server tells "absent" from a value.

// ListRequest asks for a page of hosts, rules, carves or actions.
type ListRequest struct {
	Start          *int   `json:"start,omitempty"`
	Limit          *int   `json:"limit,omitempty"`
	SearchTerm     string `json:"searchterm,omitempty"`
	HostIdentifier string `json:"host_identifier,omitempty"`
	Enabled        *bool  `json:"enabled,omitempty"`
	AlertsCount    *bool  `json:"alerts_count,omitempty"`
	QueryName      string `json:"query_name,omitempty"`
}

// AlertsRequest is 89.
type AlertsRequest struct {
	Source         string  `json:"source,omitempty"`
	Resolved       bool    `json:"resolved"`
	Start          int     `json:"start"`
	Limit          int     `json:"limit"`
	SearchTerm     string  `json:"searchterm,omitempty"`
	EventIDs       []int64 `json:"event_ids,omitempty"` // of alerts
	Duration       int     `json:"duration,omitempty"`
	Date           string  `json:"date,omitempty"`
	Type           int     `json:"type,omitempty"`
	HostIdentifier string  `json:"host_identifier,omitempty"`
}

// ActivityRequest is 15.
type ActivityRequest struct {
	Conditions     any    `json:"conditions"`
	HostIdentifier string `json:"host_identifier,omitempty"`
	QueryName      string `json:"query_name,omitempty"`
	Start          int64  `json:"start"`
	Limit          int    `json:"limit"`
	Duration       int    `json:"duration"`
	Date           string `json:"date"`
	Type           int    `json:"type"`
}

// RecentRequest is 30.
type RecentRequest struct {
	HostIdentifier string `json:"host_identifier"`
	QueryName      string `json:"query_name"`
	Start          int64  `json:"start"`
	Limit          int    `json:"limit"`
	SearchTerm     string `json:"searchterm,omitempty"`
}

// HuntRequest is 10.
type HuntRequest struct {
	Indicators     string `json:"indicators"`
	Type           string `json:"type"`
	HostIdentifier string `json:"host_identifier,omitempty"`
	QueryName      string `json:"query_name,omitempty"`
	Start          *int   `json:"start,omitempty"`
	Limit          *int   `json:"limit,omitempty"`
}

// SearchRequest is 12.
type SearchRequest struct {
	Conditions     any    `json:"conditions"`
	HostIdentifier string `json:"host_identifier,omitempty"`
	QueryName      string `json:"query_name,omitempty"`
	Start          *int   `json:"start,omitempty"`
	Limit          *int   `json:"limit,omitempty"`
}

// HostRequest names one host.
type HostRequest struct {
	HostIdentifier string `json:"host_identifier"`
}

// PagedQuery is 95 for one query.
type PagedQuery struct {
	QueryName string `json:"query_name,omitempty"`
	Start     int    `json:"start"`
	Limit     int    `json:"limit"`
}

// ViewRequest is 101.
type ViewRequest struct {
	Start    int   `json:"start"`
	Limit    int   `json:"limit"`
	OpenC2ID int64 `json:"openc2_id"`
}

// TagRequest names a tag.
type TagRequest struct {
	Tag string `json:"tag"`
}

// SessionRequest names a carve by its session.
type SessionRequest struct {
	SessionID string `json:"session_id"`
}

// CarveQueryRequest is 45.
type CarveQueryRequest struct {
	QueryID        string `json:"query_id"`
	HostIdentifier string `json:"host_identifier"`
}

// CarveObject takes the one carve of 45: an object, or the list around it
// that the vendor's document shows.
func CarveObject(data []byte) (out []byte) {
	switch KindOf(data) {
	case '[':
		_ = EachElement(data, func(v []byte) error {
			if out == nil {
				out = v
			}
			return nil
		})
	case '{':
		out = data
		_ = EachMember(data, func(name string, v []byte) error {
			if name == "results" && KindOf(v) == '[' {
				out = CarveObject(v)
			}
			return nil
		})
	}
	return out
}
