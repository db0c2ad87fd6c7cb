package esp

import (
	"encoding/json"

	"github.com/edrctl/edrctl/internal/client/flex"
)

// The vendor's own types (docs/wire/esp.md §17). Numbers and strings change places
// between editions, so scalars are read leniently; members that are a list in
// one edition and an object in another stay raw and are read where used.

type wireAlert struct {
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

type wireRuleRef struct {
	ID          flex.String `json:"id"`
	Name        flex.String `json:"name"`
	Description flex.String `json:"description"`
}

type wireHost struct {
	ID             flex.String     `json:"id"`
	DisplayName    flex.String     `json:"display_name"`
	HostIdentifier flex.String     `json:"host_identifier"`
	OSInfo         json.RawMessage `json:"os_info"`
	NodeInfo       json.RawMessage `json:"node_info"`
	NetworkInfo    json.RawMessage `json:"network_info"` // list of interfaces, or {}
	HostDetails    json.RawMessage `json:"host_details"`
	Tags           json.RawMessage `json:"tags"`
	LastIP         flex.String     `json:"last_ip"`
	Platform       flex.String     `json:"platform"`
	IsActive       *flex.Bool      `json:"is_active"`
	AlertsCount    *flex.Int       `json:"alerts_count"`
	LastCheckin    flex.String     `json:"last_checkin"`
}

type wireOS struct {
	Name     flex.String `json:"name"`
	Version  flex.String `json:"version"`
	Platform flex.String `json:"platform"`
}

type wireRule struct {
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

type wireCarve struct {
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

type wireStatusLog struct {
	Line     flex.Int    `json:"line"`
	Message  flex.String `json:"message"`
	Severity flex.Int    `json:"severity"`
	Filename flex.String `json:"filename"`
	Created  flex.String `json:"created"`
	Version  flex.String `json:"version"`
}

type wireQueryCount struct {
	QueryName flex.String `json:"query_name"`
	Name      flex.String `json:"name"`
	Count     flex.Int    `json:"count"`
}

type wireHuntHost struct {
	Hostname       flex.String      `json:"hostname"`
	HostIdentifier flex.String      `json:"host_identifier"`
	Queries        []wireQueryCount `json:"queries"`
}

type wireIOC struct {
	Type      flex.String     `json:"type"`
	Severity  flex.String     `json:"severity"`
	IntelType flex.String     `json:"intel_type"`
	Values    json.RawMessage `json:"values"` // csv string; anything else is ignored as the server does
}

// The requests that only read. Members are pointers or omitempty where the
// server tells "absent" from a value.

type listRequest struct {
	Start          *int   `json:"start,omitempty"`
	Limit          *int   `json:"limit,omitempty"`
	SearchTerm     string `json:"searchterm,omitempty"`
	HostIdentifier string `json:"host_identifier,omitempty"`
	Enabled        *bool  `json:"enabled,omitempty"`
	AlertsCount    *bool  `json:"alerts_count,omitempty"`
	QueryName      string `json:"query_name,omitempty"`
}

type alertsRequest struct {
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

type activityRequest struct {
	Conditions     any    `json:"conditions"`
	HostIdentifier string `json:"host_identifier,omitempty"`
	QueryName      string `json:"query_name,omitempty"`
	Start          int64  `json:"start"`
	Limit          int    `json:"limit"`
	Duration       int    `json:"duration"`
	Date           string `json:"date"`
	Type           int    `json:"type"`
}

type recentRequest struct {
	HostIdentifier string `json:"host_identifier"`
	QueryName      string `json:"query_name"`
	Start          int64  `json:"start"`
	Limit          int    `json:"limit"`
	SearchTerm     string `json:"searchterm,omitempty"`
}

type huntRequest struct {
	Indicators     string `json:"indicators"`
	Type           string `json:"type"`
	HostIdentifier string `json:"host_identifier,omitempty"`
	QueryName      string `json:"query_name,omitempty"`
	Start          *int   `json:"start,omitempty"`
	Limit          *int   `json:"limit,omitempty"`
}

type searchRequest struct {
	Conditions     any    `json:"conditions"`
	HostIdentifier string `json:"host_identifier,omitempty"`
	QueryName      string `json:"query_name,omitempty"`
	Start          *int   `json:"start,omitempty"`
	Limit          *int   `json:"limit,omitempty"`
}

type hostRequest struct {
	HostIdentifier string `json:"host_identifier"`
}
