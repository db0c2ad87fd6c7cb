// Package catalog lists the operations of the manager's admin API as data, and the
// nouns by which edrctl administers it.
package catalog

import (
	"github.com/edrctl/edrctl/internal/backends"
)

// The releases the catalogue names, as the vendor numbers them.
const (
	relBeta  = "v1.8.0-beta"
	relBeta1 = "v1.8.0-beta.1"
	relBeta2 = "v1.8.0-beta.2"
	relBeta3 = "v1.8.0-beta.3"
	relBeta4 = "v1.8.0-beta.4"
	relBeta6 = "v1.8.0-beta.6"
	relBeta7 = "v1.8.0-beta.7"

	beyond = "beyond the document"
)

type (
	op    = backends.Operation
	param = backends.Param
)

func in(where, name, kind, help string) param {
	return param{Name: name, In: where, Type: kind, Help: help}
}

func query(name, kind, help string) param { return in("query", name, kind, help) }
func body(name, kind, help string) param  { return in("body", name, kind, help) }

func local(name, kind, help string) param { return in("local", name, kind, help) }

func secretly(p param) param { p.Secret = true; return p }

func required(p param) param { p.Required = true; return p }

func choice(p param, values ...string) param { p.Enum = values; return p }

var (
	pUUID    = required(in("path", "uuid", "string", "UUID of the endpoint, or its name when only one has it"))
	pUser    = required(in("path", "uuid", "string", "UUID of the user, or the identifier"))
	pOS      = choice(required(in("path", "os", "string", "operating system")), "windows")
	pShowKey = query("showkey", "bool", "show the endpoint's key; needed on v1.8.0-beta.2, which otherwise erases it")

	// Both names of every time parameter: managers ignore what they do not know.
	logParams = []param{
		pUUID,
		query("start", "time", "begin, exclusive, UTC (up to v1.8.0-beta.4; always with stop)"),
		query("stop", "time", "end, exclusive, UTC (up to v1.8.0-beta.4)"),
		query("since", "time", "begin, exclusive (v1.8.0-beta.5 and later)"),
		query("until", "time", "end, exclusive (v1.8.0-beta.5 and later; never without since)"),
		query("pivot", "time", "middle of the window; not together with start and stop"),
		query("delta", "string", "Go duration to both sides of pivot, 10m when absent"),
		query("last", "string", "Go duration or Nd (v1.8.0-beta.2 and later)"),
		query("limit", "int", "events a page, 1000 when absent, at most 10000 (v1.8.0-beta.1 and later)"),
		query("skip", "int", "stored events to jump over; pages may overlap (v1.8.0-beta.1 and later)"),
	}
	iocParams = []param{
		query("uuid", "string", "UUID of the indicator"),
		query("guuid", "string", "UUID of its group"),
		query("source", "string", "where it comes from"),
		query("value", "string", "its value"),
		choice(query("type", "string", "its type"), "md5", "sha1", "sha256", "imphash", "domain", "hostname", "ip-dst"),
	}
)

// Operations lists every operation of the admin API, of the vendor's document
// (doc/apis.md of v1.8.0-beta) and of the newest manager. Sections are those
// headings, or `beyond` for what it does not describe.
func Operations() []backends.Operation {
	var out []backends.Operation
	for _, part := range [][]op{statsOps, endpointOps, commandOps, logOps, reportOps, artifactOps, ruleOps, userOps, iocOps, configOps, toolOps, streamOps} {
		out = append(out, part...)
	}
	return out
}

var statsOps = []op{
	{Name: "stats.get", Method: "GET", Path: "/stats", Summary: "Number of endpoints and rules", Section: "Stats"},
}

var endpointOps = []op{
	{Name: "endpoints.list", Method: "GET", Path: "/endpoints", Summary: "All endpoints", Section: "Endpoints", Hides: []string{"data.*.key"}, Params: []param{
		pShowKey,
		query("group", "string", "only this group (v1.8.0-beta.2 and later)"),
		query("status", "string", "only this status (v1.8.0-beta.2 and later)"),
		query("criticality", "int", "at least (v1.8.0-beta.3 and later)"),
	}},
	{Name: "endpoints.create", Method: "PUT", Path: "/endpoints", Summary: "Make an endpoint; UUID and key are the server's, and v1.7.0 forgets it at a restart", Section: "Endpoints", Mutates: true},
	{Name: "endpoints.get", Method: "GET", Path: "/endpoints/{uuid}", Summary: "Show one endpoint", Section: "Endpoints", Hides: []string{"data.key"}, Params: []param{pUUID, pShowKey}},
	{Name: "endpoints.update", Method: "POST", Path: "/endpoints/{uuid}", Summary: "Change group, status or criticality, or make a new key", Section: beyond, Since: relBeta2, Mutates: true, Hides: []string{"data.key"},
		Danger: "the agent with the old key is locked out", DangerWith: []string{"newkey"}, Params: []param{
			pUUID, pShowKey, query("newkey", "bool", "make a new key: the agent with the old one is locked out"),
			body("status", "string", "cannot be cleared"), body("group", "string", "cannot be cleared"),
			body("criticality", "int", "0 to 10 (v1.8.0-beta.3 and later)"),
		}},
	{Name: "endpoints.delete", Method: "DELETE", Path: "/endpoints/{uuid}", Summary: "Delete an endpoint; its logs stay", Section: beyond, Mutates: true, Hides: []string{"data.key"},
		Danger: "permanently deletes the endpoint and its key; managers up to v1.8.0-beta.6 afterwards answer for the wrong endpoint until they are restarted", Params: []param{pUUID, pShowKey}},
}

var commandOps = []op{
	{Name: "command.get", Method: "GET", Path: "/endpoints/{uuid}/command", Summary: "The endpoint's command and how far it is", Section: "Commands", Params: []param{
		pUUID, query("wait", "bool", "answer when it has completed; lost after 15 s (v1.8.0-beta and later)"),
	}},
	{Name: "command.field", Method: "GET", Path: "/endpoints/{uuid}/command/{field}", Summary: "One part of the command's result", Section: "Commands", Params: []param{
		pUUID, choice(required(in("path", "field", "string", "which part")), "stdout", "stderr", "error", "completed", "files", "fetch"),
	}},
	{Name: "command.send", Method: "POST", Path: "/endpoints/{uuid}/command", Summary: "Run a command on the endpoint; it replaces the one before", Section: "Commands", Mutates: true, Hides: []string{"data.key", "data.config"},
		Danger: "runs on the endpoint as SYSTEM; compare uuid in the answer with the endpoint you meant", Params: []param{
			pUUID, body("command-line", "string", "words are split as by a shell; backslashes outside single quotes are lost"),
			body("fetch-files", "array", "paths on the endpoint"), body("drop-files", "array", "paths on the manager's own disk"),
			body("timeout", "int", "nanoseconds"),
		}},
}

var logOps = []op{
	{Name: "logs.list", Method: "GET", Path: "/endpoints/{uuid}/logs", Summary: "All events of an endpoint", Section: "Logs", Paging: "skip", Params: logParams},
	{Name: "alerts.list", Method: "GET", Path: "/endpoints/{uuid}/alerts", Summary: "Events on which rules fired", Section: "Alerts", Until: relBeta, Params: logParams},
	{Name: "detections.list", Method: "GET", Path: "/endpoints/{uuid}/detections", Summary: "Events on which rules fired", Section: beyond, Since: relBeta1, Paging: "skip", Params: logParams},
}

var reportOps = []op{
	{Name: "reports.list", Method: "GET", Path: "/endpoints/reports", Summary: "Reports of all endpoints", Section: "Reports"},
	{Name: "reports.get", Method: "GET", Path: "/endpoints/{uuid}/report", Summary: "Report of one endpoint", Section: "Reports", Params: []param{pUUID}},
	{Name: "reports.delete", Method: "DELETE", Path: "/endpoints/{uuid}/report", Summary: "Start the endpoint's report over", Section: "Reports", Mutates: true,
		Danger: "empties the report; v1.8.0-beta.3 and later archive it, older ones lose it", Params: []param{pUUID}},
	{Name: "reports.archive", Method: "GET", Path: "/endpoints/{uuid}/report/archive", Summary: "Reports deleted before, oldest first", Section: beyond, Since: relBeta3, Params: []param{
		pUUID, query("since", "time", "begin; the last 24 h when absent"), query("until", "time", "end"),
		query("last", "string", "Go duration or Nd"), query("limit", "int", "0 = all; keeps the oldest"),
	}},
}

var artifactOps = []op{
	{Name: "artifacts.list", Method: "GET", Path: "/endpoints/{uuid}/artifacts", Summary: "Files collected from an endpoint", Section: "Artifacts", Since: relBeta, Params: []param{
		pUUID, query("since", "time", "modified after (v1.8.0-beta.1 and later)"),
	}},
	{Name: "artifacts.all", Method: "GET", Path: "/endpoints/artifacts", Summary: "Files collected from all endpoints", Section: beyond, Since: relBeta2, Params: []param{
		query("since", "time", "modified after"),
	}},
	{Name: "artifacts.get", Method: "GET", Path: "/endpoints/{uuid}/artifacts/{guid}/{hash}/{file}", Summary: "Show one collected file", Section: "Artifacts", Since: relBeta, Returns: "binary", Params: []param{
		pUUID, required(in("path", "guid", "string", "process GUID without braces")), required(in("path", "hash", "string", "event hash")),
		required(in("path", "file", "string", "file name")),
		query("raw", "bool", "the bytes themselves, not base64 in JSON"), query("gunzip", "bool", "unpacked first"),
	}},
}

var ruleOps = []op{
	{Name: "rules.list", Method: "GET", Path: "/rules", Summary: "Detection rules", Section: "Rules", Params: []param{
		query("name", "string", "Go regular expression on the name, unanchored; a wrong one kills the connection of older managers"),
		query("filters", "bool", "only filter rules (v1.8.0-beta.1 and later)"),
	}},
	{Name: "rules.add", Method: "POST", Path: "/rules", Summary: "Add or update rules: objects one after the other up to v1.8.0-beta.6, an array since v1.8.0-beta.7", Section: "Rules", Mutates: true, Body: "raw",
		Danger: "permanently replaces rules of the same name", DangerWith: []string{"update"}, Params: []param{
			query("update", "bool", "replace rules of the same name"), required(body("rules", "json", "the rules: an array, or one object")),
			local("activate", "bool", "up to v1.8.0-beta.6, also save and reload, in the order that loses nothing"),
		}},
	{Name: "rules.delete", Method: "DELETE", Path: "/rules", Summary: "Delete a rule by its exact name", Section: "Rules", Mutates: true, Danger: "permanently deletes the rule", Params: []param{
		required(query("name", "string", "exact name of the rule")), local("activate", "bool", "up to v1.8.0-beta.6, also reload"),
	}},
	{Name: "rules.save", Method: "GET", Path: "/rules/save", Summary: "Write the rules to the manager's disk", Section: "Rules", Until: relBeta6, Mutates: true,
		Danger: "a GET that acts: also writes rules that were refused, and brings a deleted one back when called before a reload"},
	{Name: "rules.reload", Method: "GET", Path: "/rules/reload", Summary: "Restart the engine with the rules on disk", Section: "Rules", Until: relBeta6, Mutates: true,
		Danger: "a GET that acts: rules that were not saved are lost and all reports are emptied"},
}

var userOps = []op{
	{Name: "users.list", Method: "GET", Path: "/users", Summary: "Users of the admin API, with their keys", Section: beyond, Since: relBeta3, Hides: []string{"data.*.key"}},
	{Name: "users.create", Method: "PUT", Path: "/users", Summary: "Make a user", Section: beyond, Since: relBeta3, Mutates: true, Params: []param{
		required(query("identifier", "string", "name of the user")),
	}},
	{Name: "users.add", Method: "POST", Path: "/users", Summary: "Make a user from an object", Section: beyond, Since: relBeta3, Mutates: true, Params: []param{
		required(body("identifier", "string", "name of the user")), body("uuid", "string", "made when absent"),
		secretly(body("key", "string", "key of the user; made when absent")), body("group", "string", "group of the user"), body("description", "string", "what the user is for"),
	}},
	{Name: "users.get", Method: "GET", Path: "/users/{uuid}", Summary: "One user, with the key", Section: beyond, Since: relBeta3, Hides: []string{"data.key"}, Params: []param{pUser}},
	{Name: "users.update", Method: "POST", Path: "/users/{uuid}", Summary: "Change a user", Section: beyond, Since: relBeta3, Mutates: true, Hides: []string{"data.key"},
		Danger: "the old key of the user stops working", DangerWith: []string{"newkey", "key"}, Params: []param{
			pUser, query("newkey", "bool", "make a new key, shown this once"), secretly(body("key", "string", "the new key")), body("group", "string", "cannot be cleared"), body("description", "string", "cannot be cleared"),
		}},
	{Name: "users.delete", Method: "DELETE", Path: "/users/{uuid}", Summary: "Delete a user", Section: beyond, Since: relBeta3, Mutates: true, Hides: []string{"data.key"},
		Danger: "permanently deletes the user and its key", Params: []param{pUser}},
}

var iocOps = []op{
	{Name: "iocs.list", Method: "GET", Path: "/iocs", Summary: "Indicators; any of the criteria", Section: beyond, Since: relBeta4, Params: iocParams},
	{Name: "iocs.add", Method: "POST", Path: "/iocs", Summary: "Add indicators: an array, all or nothing; the same uuid replaces", Section: beyond, Since: relBeta4, Mutates: true, Body: "raw", Params: []param{
		required(body("iocs", "array", "indicators: values, or JSON objects of value, type, source, guuid, uuid")),
		local("source", "string", "where those come from that do not say it"), local("guuid", "string", "group of those that do not say it; made of the source when absent"),
		choice(local("type", "string", "type of those that do not say it; told from the value when absent"), "md5", "sha1", "sha256", "imphash", "domain", "hostname", "ip-dst"),
	}},
	{Name: "iocs.delete", Method: "DELETE", Path: "/iocs", Summary: "Delete indicators that match all the criteria", Section: beyond, Since: relBeta4, Mutates: true, Danger: "permanently deletes the indicators", Params: iocParams},
}

var (
	pFormat       = choice(query("format", "string", "json when absent"), "toml")
	pSysmonFormat = choice(query("format", "string", "json when absent"), "xml")
)

var configOps = []op{
	{Name: "config.get", Method: "GET", Path: "/endpoints/{uuid}/config", Summary: "Configuration of the agent, with its key", Section: beyond, Since: relBeta7, Hides: []string{"data.forwarder.manager.endpoint-key", "data.forwarder.manager.server-key"}, Params: []param{pUUID, pFormat}},
	{Name: "config.set", Method: "POST", Path: "/endpoints/{uuid}/config", Summary: "Replace the configuration of the agent", Section: beyond, Since: relBeta7, Mutates: true, Body: "raw",
		Danger: "the agent takes it over; an empty body is an empty configuration", Params: []param{pUUID, pFormat, required(body("config", "json", "the configuration")),
			local("replace", "bool", "what it does not say is made empty; else it stays as it is"),
		}, Hides: []string{"data.forwarder.manager.endpoint-key", "data.forwarder.manager.server-key"}},
	{Name: "config.delete", Method: "DELETE", Path: "/endpoints/{uuid}/config", Summary: "Forget the configuration; the agent sends its own again", Section: beyond, Since: relBeta7, Mutates: true,
		Danger: "permanently deletes the stored configuration", Params: []param{pUUID}},
	{Name: "sysmon.config.get", Method: "GET", Path: "/endpoints/{os}/sysmon/config", Summary: "Sysmon configuration", Section: beyond, Since: relBeta7, Params: []param{
		pOS, required(query("version", "string", "schema version")), pSysmonFormat, query("raw", "bool", "the XML itself"),
	}},
	{Name: "sysmon.config.set", Method: "POST", Path: "/endpoints/{os}/sysmon/config", Summary: "Store a Sysmon configuration", Section: beyond, Since: relBeta7, Mutates: true, Body: "raw",
		Danger: "agents install it", Params: []param{pOS, pSysmonFormat, required(body("config", "string", "the configuration"))}},
	{Name: "sysmon.config.delete", Method: "DELETE", Path: "/endpoints/{os}/sysmon/config", Summary: "Delete a Sysmon configuration", Section: beyond, Since: relBeta7, Mutates: true, Danger: "permanently deletes the configuration", Params: []param{
		pOS, required(query("version", "string", "schema version")),
	}},
}

// toolOps are the same for both tools.
var toolOps = append(tool("sysmon"), tool("osqueryi")...)

func tool(name string) []op {
	path := "/endpoints/{os}/" + name + "/binary"
	return []op{
		{Name: name + ".binary.get", Method: "GET", Path: path, Summary: "The stored " + name + " binary: hashes, and content on demand", Section: beyond, Since: relBeta7, Params: []param{
			pOS, query("binary", "bool", "with the content, base64"),
		}},
		{Name: name + ".binary.set", Method: "POST", Path: path, Summary: "Store a " + name + " binary", Section: beyond, Since: relBeta7, Mutates: true, Body: "raw",
			Danger: "agents install and run it", Params: []param{pOS, required(in("file", "binary", "file", "the program"))}},
		{Name: name + ".binary.delete", Method: "DELETE", Path: path, Summary: "Delete the " + name + " binary", Section: beyond, Since: relBeta7, Mutates: true, Danger: "permanently deletes the program", Params: []param{pOS}},
	}
}

var streamOps = []op{
	{Name: "stream.events", Method: "GET", Path: "/stream/events", Summary: "Events of all endpoints as they arrive", Section: beyond, Since: relBeta2, Returns: "websocket"},
	{Name: "stream.detections", Method: "GET", Path: "/stream/detections", Summary: "Detections of all endpoints as they arrive", Section: beyond, Since: relBeta2, Returns: "websocket"},
}
