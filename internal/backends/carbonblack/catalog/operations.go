// Package catalog lists the operations of API v3 as data: what they take, which
// key they need, and the nouns by which edrctl administers a server.
package catalog

import (
	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/backends/carbonblack/wire"
)

// The sections of the vendor's document, and what is known of v3 next to it
// (docs/wire/carbonblack.md §4, §8, §9).
const (
	secEvents    = "Events"
	secProcesses = "Find Processes"
	secAlerts    = "Alerts"
	secOther     = "docs/wire/carbonblack.md §4"
	secPolicies  = "docs/wire/carbonblack.md §8.3"
	secLive      = "docs/wire/carbonblack.md §9"
)

const (
	readOnce     = "the server hands each record out once: what this reads, no other tool will see"
	movesDevice  = "moves the device to another policy, which may isolate it or take it out of isolation"
	policyChange = "changes what is allowed and blocked on every device of the policy"
	runsOnDevice = "opens a way to act on the device itself"
)

func path(name, typ, help string) backends.Param {
	return backends.Param{Name: name, In: "path", Type: typ, Required: true, Help: help}
}

func query(name, typ, help string) backends.Param {
	return backends.Param{Name: name, In: "query", Type: typ, Help: help}
}

func body(name, typ string, required bool, help string) backends.Param {
	return backends.Param{Name: name, In: "body", Type: typ, Required: required, Help: help}
}

// device filters that events, processes and devices share.
func deviceFilters() []backends.Param {
	return []backends.Param{
		query("hostName", "string", "device name, case-insensitive; a part of it on /process"),
		query("hostNameExact", "string", "device name, exact"),
		query("ownerName", "string", "owner of the device, case-insensitive"),
		query("ownerNameExact", "string", "owner of the device, exact"),
		query("ipAddress", "string", "internal or external address of the device itself"),
	}
}

func paging(rows string) []backends.Param {
	return []backends.Param{
		{Name: "start", In: "query", Type: "int", Default: "1", Help: "first row, counted from 1"},
		{Name: "rows", In: "query", Type: "int", Help: rows},
	}
}

func window(enum []string, most string) []backends.Param {
	return []backends.Param{
		{Name: "searchWindow", In: "query", Type: "string", Enum: enum, Default: "1d", Help: "time back from now; not together with startTime"},
		query("startTime", "time", "RFC 3339; together with endTime, at most "+most+" apart"),
		query("endTime", "time", "RFC 3339; together with startTime"),
	}
}

func join(lists ...[]backends.Param) []backends.Param {
	var out []backends.Param
	for _, l := range lists {
		out = append(out, l...)
	}
	return out
}

// Operations lists every operation of API v3: the four of the vendor's document
// first, then the rest that working clients use.
func Operations() []backends.Operation {
	hash := query("sha256Hash", "string", "SHA-256 of the acting process, lower case")
	app := query("applicationName", "string", "name of the acting process, lower case")
	deviceID := path("deviceId", "int", "device id")
	policyID := path("policyId", "int", "policy id")
	ruleID := path("ruleId", "int", "rule id")
	session := path("sessionId", "string", "session id, as 1:2468")
	command := path("commandId", "int", "command id, from 0")
	file := path("fileId", "int", "file id")
	policyInfo := body("policyInfo", "object", true, "name, description, priorityLevel, version 2, policy{rules, sensorSettings, avSettings, …}; with id when replacing")
	ruleInfo := body("ruleInfo", "object", true, "id, required, action, operation, application{type, value}")

	ops := []backends.Operation{
		{Name: "events.list", Method: "GET", Path: "/event", Summary: "Find events", Section: secEvents, Key: KeyAPI, Paging: "one-based",
			Params: join(deviceFilters(), []backends.Param{hash, app,
				{Name: "eventType", In: "query", Type: "string", Help: "one event type",
					Enum: []string{wire.TypeNetwork, wire.TypeFileCreate, wire.TypeRegistry, wire.TypeAPICall, wire.TypeCreateProcess, wire.TypeDataAccess, wire.TypeInjectCode}}},
				window([]string{"3h", "1d", "1w", "2w"}, "2 weeks"), paging("rows, up to 10000"))},
		{Name: "events.get", Method: "GET", Path: "/event/{eventId}", Summary: "Read one event that belongs to an alert", Section: secEvents, Key: KeyAPI,
			Params: []backends.Param{path("eventId", "string", "32 hex digits")}},
		{Name: "processes.list", Method: "GET", Path: "/process", Summary: "Find processes by device, owner, address, hash or name (one of them is required)",
			Section: secProcesses, Key: KeyAPI, Paging: "one-based",
			Params: join(deviceFilters(), []backends.Param{hash, app}, window([]string{"3h", "1d"}, "1 day"), paging("rows, 100 unless given, up to 5000"))},
		{Name: "alerts.get", Method: "GET", Path: "/alert/{incidentId}", Summary: "Read an alert with its events", Section: secAlerts, Key: KeyAPI,
			Params: []backends.Param{path("incidentId", "string", "incident id")}},

		{Name: "notifications.drain", Method: "GET", Path: "/notification", Summary: "Take the queued alerts of the SIEM key", Section: secOther, Key: KeySIEM, Mutates: true, Danger: readOnce},
		{Name: "auditlogs.drain", Method: "GET", Path: "/auditlogs", Summary: "Take the queued audit records", Section: secOther, Key: KeyAPI, Mutates: true, Danger: readOnce},

		{Name: "devices.list", Method: "GET", Path: "/device", Summary: "List devices", Section: secOther, Key: KeyAPI, Paging: "one-based",
			Hides:  []string{"results.*.activationCode", "results.*.uninstallCode"},
			Params: join(deviceFilters(), paging("rows; the most is not documented"))},
		{Name: "devices.get", Method: "GET", Path: "/device/{deviceId}", Summary: "Read a device", Section: secOther, Key: KeyAPI, Params: []backends.Param{deviceID},
			Hides: []string{"deviceInfo.activationCode", "deviceInfo.uninstallCode"}},
		{Name: "devices.policy", Method: "PATCH", Path: "/device/{deviceId}", Summary: "Move a device to a policy", Section: secOther, Key: KeyAPI, Mutates: true, Danger: movesDevice,
			Hides:  []string{"deviceInfo.activationCode", "deviceInfo.uninstallCode"},
			Params: []backends.Param{deviceID, body("policyId", "int", false, "policy by id; this or policyName"), body("policyName", "string", false, "policy by name")}},

		{Name: "policies.list", Method: "GET", Path: "/policy", Summary: "List policies", Section: secPolicies, Key: KeyAPI},
		{Name: "policies.create", Method: "POST", Path: "/policy", Summary: "Create a policy", Section: secPolicies, Key: KeyAPI, Mutates: true, Params: []backends.Param{policyInfo}},
		{Name: "policies.get", Method: "GET", Path: "/policy/{policyId}", Summary: "Read a policy", Section: secPolicies, Key: KeyAPI, Params: []backends.Param{policyID}},
		{Name: "policies.replace", Method: "PUT", Path: "/policy/{policyId}", Summary: "Replace a policy", Section: secPolicies, Key: KeyAPI, Mutates: true, Danger: policyChange,
			Params: []backends.Param{policyID, policyInfo}},
		{Name: "policies.delete", Method: "DELETE", Path: "/policy/{policyId}", Summary: "Delete a policy", Section: secPolicies, Key: KeyAPI, Mutates: true, Danger: policyChange,
			Params: []backends.Param{policyID}},
		{Name: "policies.rules.add", Method: "POST", Path: "/policy/{policyId}/rule", Summary: "Add a rule to a policy", Section: secPolicies, Key: KeyAPI, Mutates: true,
			Params: []backends.Param{policyID, ruleInfo}},
		{Name: "policies.rules.replace", Method: "PUT", Path: "/policy/{policyId}/rule/{ruleId}", Summary: "Replace a rule of a policy", Section: secPolicies, Key: KeyAPI, Mutates: true, Danger: policyChange,
			Params: []backends.Param{policyID, ruleID, ruleInfo}},
		{Name: "policies.rules.delete", Method: "DELETE", Path: "/policy/{policyId}/rule/{ruleId}", Summary: "Delete a rule of a policy", Section: secPolicies, Key: KeyAPI, Mutates: true, Danger: policyChange,
			Params: []backends.Param{policyID, ruleID}},

		{Name: "live.sessions.open", Method: "POST", Path: "/cblr/session/{deviceId}", Summary: "Open a live response session", Section: secLive, Mutates: true,
			Params: []backends.Param{deviceID, body("sensor_id", "int", false, "the device id again; it is filled in")}},
		{Name: "live.sessions.get", Method: "GET", Path: "/cblr/session/{sessionId}", Summary: "Read a session", Section: secLive, Params: []backends.Param{session}},
		{Name: "live.sessions.list", Method: "GET", Path: "/cblr/session", Summary: "List sessions (405 on some servers)", Section: secLive},
		{Name: "live.sessions.keepalive", Method: "GET", Path: "/cblr/session/{sessionId}/keepalive", Summary: "Keep a session open", Section: secLive, Mutates: true, Params: []backends.Param{session}},
		{Name: "live.sessions.close", Method: "PUT", Path: "/cblr/session", Summary: "Close a session, and the others of its device", Section: secLive, Mutates: true,
			Params: []backends.Param{body("session_id", "string", true, "session id"),
				{Name: "status", In: "body", Type: "string", Required: true, Default: "CLOSE", Enum: []string{"CLOSE"}}}},
		{Name: "live.commands.issue", Method: "POST", Path: "/cblr/session/{sessionId}/command", Summary: "Run a command in a session", Section: secLive, Mutates: true, Danger: runsOnDevice,
			Params: []backends.Param{session,
				body("session_id", "string", false, "the session id again; it is filled in"),
				{Name: "name", In: "body", Type: "string", Required: true, Help: "command", Enum: []string{
					"kill", "process list", "create process", "directory list", "create directory", "delete file", "get file", "put file", "memdump",
					"reg enum key", "reg query value", "reg set value", "reg create key", "reg delete key", "reg delete value"}},
				body("object", "json", false, "what the command works on: pid, path, command line or key"),
				body("wait", "bool", false, "create process: wait for its end"),
				body("working_directory", "string", false, "create process"),
				body("output_file", "string", false, "create process: where its output goes"),
				body("offset", "int", false, "get file: first byte"),
				body("get_count", "int", false, "get file: number of bytes"),
				body("file_id", "int", false, "put file: id of the upload"),
				body("compress", "bool", false, "memdump: as zip"),
				body("overwrite", "bool", false, "reg set value"),
				body("value_type", "string", false, "reg set value"),
				body("value_data", "json", false, "reg set value")}},
		{Name: "live.commands.list", Method: "GET", Path: "/cblr/session/{sessionId}/command", Summary: "List the commands of a session", Section: secLive, Params: []backends.Param{session}},
		{Name: "live.commands.get", Method: "GET", Path: "/cblr/session/{sessionId}/command/{commandId}", Summary: "Read a command and its result", Section: secLive,
			Params: []backends.Param{session, command}},
		{Name: "live.commands.cancel", Method: "PUT", Path: "/cblr/session/{sessionId}/command/{commandId}", Summary: "Cancel a command", Section: secLive, Mutates: true,
			Params: []backends.Param{session, command, body("cmdid", "int", false, "the command id again; it is filled in")}},
		{Name: "live.files.upload", Method: "POST", Path: "/cblr/session/{sessionId}/file", Summary: "Upload a file for put file", Section: secLive, Mutates: true, Body: "multipart",
			Params: []backends.Param{session, {Name: "file", In: "file", Type: "file", Required: true, Help: "the file"}}},
		{Name: "live.files.list", Method: "GET", Path: "/cblr/session/{sessionId}/file", Summary: "List the files of a session", Section: secLive, Params: []backends.Param{session}},
		{Name: "live.files.get", Method: "GET", Path: "/cblr/session/{sessionId}/file/{fileId}", Summary: "Read a file's size and progress", Section: secLive, Params: []backends.Param{session, file}},
		{Name: "live.files.delete", Method: "DELETE", Path: "/cblr/session/{sessionId}/file/{fileId}", Summary: "Delete a file from the server", Section: secLive, Mutates: true, Danger: "permanently deletes the file from the session",
			Params: []backends.Param{session, file}},
		{Name: "live.files.content", Method: "GET", Path: "/cblr/session/{sessionId}/file/{fileId}/content", Summary: "Download a file", Section: secLive, Returns: "binary",
			Params: []backends.Param{session, file}},
		{Name: "live.archive", Method: "GET", Path: "/cblr/session/{sessionId}/archive", Summary: "Download the files of a session as zip", Section: secLive, Returns: "binary",
			Params: []backends.Param{session}},
	}
	for i := range ops {
		ops[i].Path = Base + ops[i].Path
		if ops[i].Key == "" {
			ops[i].Key = KeyLiveResponse
		}
	}
	return ops
}
