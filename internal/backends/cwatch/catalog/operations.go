// Package catalog lists the operations of cWatch's API as data.
package catalog

import "github.com/edrctl/edrctl/internal/backends"

// Operations lists all 14 operations of the API (docs/wire/cwatch.md 2).
func Operations() []backends.Operation {
	return []backends.Operation{
		{
			Name: "processes.list", Method: "GET", Path: "/process", Section: "Get Processes",
			Summary: "Processes by their own properties or those of their events",
			Params: []backends.Param{
				query("process_hash", "string", "SHA-1 of the image"),
				query("process_user", "string", "owner"),
				query("process_name", "string", "image name"),
				query("pid", "int", "process id"),
				query("file_hash", "string", "SHA-1 of a file the process created or changed"),
				query("file_name", "string", "name of a file the process created or changed"),
				query("destination_ip", "string", "IPv4 address the process talked to"),
				query("device_name", "string", "endpoint it ran on"),
			},
		},
		{
			Name: "endpoints.list", Method: "GET", Path: "/endpoint", Section: "Get Endpoints",
			Summary: "Endpoints, by name, id or status",
			Params: []backends.Param{
				query("device_name", "string", "endpoint name"),
				query("endpointIDs", "array", "endpoint ids, separated by commas"),
				enum(query("status", "string", "agent status"), "online", "offline", "disconnected"),
			},
		},
		{
			Name: "hash.verdict", Method: "GET", Path: "/hash/verdict", Section: "Get Verdict",
			Summary: "Verdict of a file: 0 absent, 1 safe, 2 malware, 3 unknown",
			Params:  []backends.Param{required(query("hash", "string", "SHA-1"))},
		},
		{
			Name: "hash.name", Method: "GET", Path: "/hash/name", Section: "Get File Names",
			Summary: "Names a file was seen under",
			Params:  []backends.Param{required(query("hash", "string", "SHA-1"))},
		},
		{
			Name: "hash.seenon", Method: "GET", Path: "/hash/seenon", Section: "Get Seen On Devices",
			Summary: "Ids of the endpoints a file was seen on",
			Params:  []backends.Param{required(query("hash", "string", "SHA-1"))},
		},
		{
			Name: "alerts.list", Method: "GET", Path: "/alert", Section: "Get Alerts",
			Summary: "Alerts since a time, within a range of scores",
			Params: []backends.Param{
				required(query("alertTime", "int", "lower end of the time, in the server's unit (ms by default)")),
				withDefault(required(query("scoreMin", "int", "lowest score, 0 to 10")), "0"),
				withDefault(required(query("scoreMax", "int", "highest score, 0 to 10")), "10"),
				query("endpointID", "int", "endpoint"),
				query("search", "string", "free text"),
				query("processPath", "string", "image path of the acting process"),
				query("user", "string", "owner of the acting process"),
				enum(query("dismissed", "string", "dismissed ones, the others, or null for both"), "true", "false", "null"),
				query("status", "int", "alert status; the numbers are not published"),
				query("policyID", "int", "policy"),
			},
		},
		{
			Name: "alerts.create", Method: "POST", Path: "/alert", Section: "Post Alerts", Mutates: true,
			Summary: "Creates alerts",
			Params: []backends.Param{
				customer(),
				required(backends.Param{Name: "alerts", In: "body", Type: "array", Help: "alert objects: timestamp, endpointID, alertName, data, ..."}),
			},
			Body: "json", Returns: "empty",
		},
		{
			Name: "alerts.update", Method: "PUT", Path: "/alert", Section: "Update Alerts", Mutates: true,
			Summary: "Sets verdict and status of alerts it does not name",
			Danger:  "the request names no alert: it may change every alert of the customer",
			Params: []backends.Param{
				customer(),
				{Name: "userVerdict", In: "body", Type: "bool", Help: "true: true positive"},
				{Name: "status", In: "body", Type: "int", Help: "alert status; the numbers are not published"},
			},
			Body: "json", Returns: "empty",
		},
		{
			Name: "alerts.dismiss", Method: "PUT", Path: "/alert/dismiss/{alertID}", Section: "Dismiss Alerts", Mutates: true,
			Summary: "Dismisses one alert",
			Params:  []backends.Param{customer(), alertID()},
			Returns: "empty",
		},
		{
			Name: "alerts.report-false-positive", Method: "PUT", Path: "/alert/{alertID}/report-false-positive", Section: "Report False Positive", Mutates: true,
			Summary: "Reports one alert as a false positive",
			Params:  []backends.Param{customer(), alertID(), query("userVerdict", "bool", "false: false positive"), query("feedback", "string", "comment")},
			Returns: "empty",
		},
		{
			Name: "alerts.close", Method: "PUT", Path: "/alert/{alertID}/close", Section: "Close Positive", Mutates: true,
			Summary: "Closes one alert",
			Params:  []backends.Param{customer(), alertID(), query("userVerdict", "bool", "true: true positive"), query("feedback", "string", "comment")},
			Returns: "empty",
		},
		{
			Name: "events.search", Method: "GET", Path: "/events", Section: "Get Events", Paging: "next_key",
			Summary: "Events of a time span, by a query",
			Params: append(window(),
				query("page_size", "int", "events a page"),
				query("q", "string", "field op value AND ...; see docs/wire/cwatch.md 7")),
		},
		{
			Name: "events.detail", Method: "GET", Path: "/events/detail", Section: "Get Events Detail",
			Summary: "Events by their ids",
			Params:  []backends.Param{customer(), required(query("ids", "string", "event ids, separated by commas"))},
		},
		{
			Name: "events.aggregations", Method: "GET", Path: "/events/aggregations", Section: "Get Count Of Events",
			Summary: "Counts of events by one field",
			Params: append(window(),
				enum(required(query("field", "string", "what to count by")),
					"PROCESS_USER_NAME", "PROCESS_PATH", "PROCESS_DEVICE_NAME", "BASE_EVENT_TYPE", "ADAPTIVE_EVENT_TYPE"),
				query("q", "string", "field op value AND ...; see docs/wire/cwatch.md 7")),
		},
	}
}

func query(name, kind, help string) backends.Param {
	return backends.Param{Name: name, In: "query", Type: kind, Help: help}
}

func required(p backends.Param) backends.Param {
	p.Required = true
	return p
}

func withDefault(p backends.Param, value string) backends.Param {
	p.Default = value
	return p
}

func enum(p backends.Param, values ...string) backends.Param {
	p.Enum = values
	return p
}

func customer() backends.Param {
	return backends.Param{Name: "edr-customerid", In: "header", Type: "int", Help: "customer to act for; the profile's customer_id by default"}
}

func alertID() backends.Param {
	return backends.Param{Name: "alertID", In: "path", Type: "string", Required: true, Help: "alert id"}
}

func window() []backends.Param {
	return []backends.Param{
		customer(),
		query("from_time", "int", "start, in the server's unit (ms by default)"),
		query("to_time", "int", "end, in the server's unit"),
		query("next_key", "string", "id of the last event received"),
		query("prev_key", "string", "id of the first event received"),
		query("is_next", "bool", "true with next_key, false with prev_key"),
	}
}
