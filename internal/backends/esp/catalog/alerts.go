// Package catalog lists every operation of ESP's API, and the resources made
// of them, as data.
package catalog

import (
	"github.com/edrctl/edrctl/internal/backends"
)

// alertsOperations are the blueprint alerts (docs/wire/esp.md §17).
var alertsOperations = []backends.Operation{
	{
		Name: "alerts.count", Method: "GET", Path: "/alerts/count_by_source",
		Summary: "Alert counts by source", Section: "88 alerts",
		Params: []backends.Param{
			{Name: "resolved", In: "query", Type: "bool"},
			{Name: "duration", In: "query", Type: "int", Enum: []string{"1", "2", "3", "4"}, Default: "3", Help: "1 hour, 2 day, 3 week, 4 thirty days"},
			{Name: "type", In: "query", Type: "int", Enum: []string{"1", "2"}, Default: "2", Help: "1 from, 2 until date"},
			{Name: "date", In: "query", Type: "string", Help: "YYYY-MM-DD; without it time is not looked at"},
			{Name: "host_identifier", In: "query", Type: "string"},
			{Name: "rule_id", In: "query", Type: "int"},
		},
	},
	{
		Name: "alerts.list", Method: "POST", Path: "/alerts",
		Summary: "List alerts", Section: "89 alerts", Paging: "offset", Body: "json",
		Params: []backends.Param{
			{Name: "start", In: "body", Type: "int", Default: "0"},
			{Name: "limit", In: "body", Type: "int", Default: "10"},
			{Name: "source", In: "body", Type: "string", Enum: []string{"virustotal", "rule", "ibmxforce", "alienvault", "ioc"}},
			{Name: "searchterm", In: "body", Type: "string", Help: "case-insensitive part of the text"},
			{Name: "resolved", In: "body", Type: "bool", Default: "false"},
			{Name: "event_ids", In: "body", Type: "array", Help: "alert ids"},
			{Name: "duration", In: "body", Type: "int", Enum: []string{"1", "2", "3", "4"}, Default: "3", Help: "1 hour, 2 day, 3 week, 4 thirty days"},
			{Name: "type", In: "body", Type: "int", Enum: []string{"1", "2"}, Default: "2", Help: "1 from, 2 until date"},
			{Name: "date", In: "body", Type: "string", Help: "YYYY-MM-DD; without it time is not looked at"},
			{Name: "host_identifier", In: "body", Type: "string"},
			{Name: "query_name", In: "body", Type: "string", Help: "name of a scheduled query"},
			{Name: "rule_id", In: "body", Type: "int"},
			{Name: "events_count", In: "body", Type: "bool", Default: "true", Help: "false leaves aggregated_events_count out; 3.5.1+"},
		},
	},
	{
		Name: "alerts.resolve", Method: "PUT", Path: "/alerts",
		Summary: "Resolve / re-open alerts", Section: "90 alerts", Body: "json", Mutates: true,
		Params: []backends.Param{
			{Name: "resolve", In: "body", Type: "bool", Help: "true resolves, false opens again; required"},
			{Name: "alert_ids", In: "body", Type: "array", Required: true, Help: "array of integers"},
			{Name: "verdict", In: "body", Type: "bool", Help: "3.5.1: required with resolve=true; true = true positive"},
			{Name: "comment", In: "body", Type: "string", Help: "3.5.1+"},
		},
	},
	{
		Name: "alerts.get", Method: "GET", Path: "/alerts/{alert_id}",
		Summary: "Show one alert", Section: "91 alerts",
		Params: []backends.Param{
			{Name: "alert_id", In: "path", Type: "int", Required: true},
		},
	},
	{
		Name: "alerts.export", Method: "POST", Path: "/alerts/alert_source/export",
		Summary: "Export alerts (CSV)", Section: "92 alerts", Body: "json", Returns: "csv",
		Params: []backends.Param{
			{Name: "source", In: "body", Type: "string", Required: true, Enum: []string{"virustotal", "rule", "ibmxforce", "alienvault", "ioc"}},
			{Name: "duration", In: "body", Type: "int", Enum: []string{"1", "2", "3", "4"}, Default: "3", Help: "1 hour, 2 day, 3 week, 4 thirty days"},
			{Name: "type", In: "body", Type: "int", Enum: []string{"1", "2"}, Default: "2", Help: "1 from, 2 until date"},
			{Name: "date", In: "body", Type: "string", Help: "YYYY-MM-DD; without it time is not looked at"},
			{Name: "host_identifier", In: "body", Type: "string"},
			{Name: "rule_id", In: "body", Type: "int"},
			{Name: "event_ids", In: "body", Type: "array", Help: "alert ids"},
		},
	},
	{
		Name: "alerts.graph", Method: "GET", Path: "/alerts/graph",
		Summary: "Alerts time line", Section: "93 alerts", Since: "enterprise",
		Params: []backends.Param{
			{Name: "source", In: "query", Type: "string", Required: true, Help: "alert source"},
			{Name: "duration", In: "query", Type: "int", Default: "3", Help: "1-4"},
			{Name: "date", In: "query", Type: "string", Help: "YYYY-MM-DD; without it time is not looked at"},
			{Name: "type", In: "query", Type: "int", Default: "2", Help: "1 or 2"},
			{Name: "host_identifier", In: "query", Type: "string"},
			{Name: "rule_id", In: "query", Type: "int"},
		},
	},
	{
		Name: "alerts.events", Method: "GET", Path: "/alerts/{alert_id}/events",
		Summary: "Events around an alert", Section: "94 alerts", Since: "enterprise",
		Params: []backends.Param{
			{Name: "alert_id", In: "path", Type: "int", Required: true},
		},
	},
	{
		Name: "alerts.alerted_events", Method: "POST", Path: "/alerts/{alert_id}/alerted_events",
		Summary: "Aggregated events of an alert", Section: "95 alerts", Paging: "offset", Body: "json",
		Params: []backends.Param{
			{Name: "alert_id", In: "path", Type: "int", Required: true},
			{Name: "query_name", In: "body", Type: "string", Help: "name of a scheduled query"},
			{Name: "start", In: "body", Type: "int", Default: "0"},
			{Name: "limit", In: "body", Type: "int", Default: "10"},
			{Name: "searchterm", In: "body", Type: "string", Help: "case-insensitive part of the text"},
			{Name: "column_name", In: "body", Type: "string", Help: "with column_value"},
			{Name: "column_value", In: "body", Type: "string", Help: "csv list, exact match"},
		},
	},
	{
		Name: "alerts.process", Method: "POST", Path: "/alerts/process",
		Summary: "Process tree root", Section: "96 alerts", Since: "enterprise", Body: "json",
		Params: []backends.Param{
			{Name: "process_guid", In: "body", Type: "string", Required: true},
			{Name: "node_id", In: "body", Type: "int", Required: true},
			{Name: "alert_id", In: "body", Type: "string"},
		},
	},
	{
		Name: "alerts.process.children", Method: "POST", Path: "/alerts/process/child",
		Summary: "Process tree children", Section: "97 alerts", Since: "enterprise", Body: "json",
		Params: []backends.Param{
			{Name: "process_guid", In: "body", Type: "string", Required: true},
			{Name: "action", In: "body", Type: "string", Required: true, Help: "group name of 96"},
			{Name: "node_id", In: "body", Type: "int", Required: true},
			{Name: "last_time", In: "body", Type: "string", Help: "value of the page before"},
		},
	},
	{
		Name: "alerts.state", Method: "GET", Path: "/alerts/{alert_id}/state",
		Summary: "State of the alerted host", Section: "98 alerts", Since: "enterprise",
		Params: []backends.Param{
			{Name: "alert_id", In: "path", Type: "int", Required: true},
		},
	},
	{
		Name: "alerts.alerted_events.export", Method: "GET", Path: "/alerts/{alert_id}/alerted_events/export",
		Summary: "Export aggregated events (CSV)", Section: "99 alerts", Returns: "csv",
		Params: []backends.Param{
			{Name: "alert_id", In: "path", Type: "int", Required: true},
			{Name: "query_name", In: "query", Type: "string", Required: true, Help: "name of a scheduled query"},
			{Name: "searchterm", In: "query", Type: "string", Help: "case-insensitive part of the text"},
			{Name: "column_name", In: "query", Type: "string", Help: "with column_value"},
			{Name: "column_value", In: "query", Type: "string", Help: "csv list, exact match"},
		},
	},
}
