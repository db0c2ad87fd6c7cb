package catalog

import (
	"github.com/edrctl/edrctl/internal/backends"
)

// rulesOperations are the blueprints rules, queries, packs and configs (docs/wire/esp.md §17).
var rulesOperations = []backends.Operation{
	{
		Name: "rules.list", Method: "POST", Path: "/rules",
		Summary: "List rules", Section: "59 rules", Paging: "offset", Body: "json",
		Params: []backends.Param{
			{Name: "start", In: "body", Type: "int"},
			{Name: "limit", In: "body", Type: "int"},
			{Name: "searchterm", In: "body", Type: "string", Help: "case-insensitive part of the text"},
			{Name: "alerts_count", In: "body", Type: "bool", Default: "true"},
		},
	},
	{
		Name: "rules.get", Method: "GET", Path: "/rules/{rule_id}",
		Summary: "Show one rule", Section: "60 rules",
		Params: []backends.Param{
			{Name: "rule_id", In: "path", Type: "int", Required: true},
		},
	},
	{
		Name: "rules.set", Method: "POST", Path: "/rules/{rule_id}",
		Summary: "Change a rule", Section: "61 rules", Body: "json", Mutates: true,
		Danger: "the server resets every field that is left out; edrctl reads the rule and sends the whole",
		Params: []backends.Param{
			{Name: "rule_id", In: "path", Type: "int", Required: true},
			{Name: "alerters", In: "body", Type: "string", Help: "csv of debug,rsyslog,email"},
			{Name: "name", In: "body", Type: "string"},
			{Name: "description", In: "body", Type: "string"},
			{Name: "conditions", In: "body", Type: "object", Help: "a group {condition, rules}"},
			{Name: "recon_queries", In: "body", Type: "array", Help: "array (JSON list of query names); stored as JSON text"},
			{Name: "severity", In: "body", Type: "string", Enum: []string{"WARNING", "INFO", "CRITICAL", "low", "info", "medium", "high", "critical"}, Help: "capitals up to 3.5, small letters in 4.0"},
			{Name: "status", In: "body", Type: "string", Enum: []string{"ACTIVE", "INACTIVE"}},
			{Name: "type", In: "body", Type: "string", Enum: []string{"MITRE", "DEFAULT"}},
			{Name: "tactics", In: "body", Type: "string", Help: "separated by commas"},
			{Name: "technique_id", In: "body", Type: "string", Help: "csv of T1ddd"},
			{Name: "platform", In: "body", Type: "string", Help: "all windows linux darwin; 3.5.1+"},
			{Name: "alert_description", In: "body", Type: "bool", Help: "copy description into the alert; 3.5.1+"},
		},
	},
	{
		Name: "rules.add", Method: "POST", Path: "/rules/add",
		Summary: "Add a rule", Section: "62 rules", Body: "json", Mutates: true,
		Params: []backends.Param{
			{Name: "alerters", In: "body", Type: "string", Help: "csv of debug,rsyslog,email"},
			{Name: "name", In: "body", Type: "string", Required: true},
			{Name: "description", In: "body", Type: "string"},
			{Name: "conditions", In: "body", Type: "object", Required: true, Help: "a group {condition, rules}"},
			{Name: "recon_queries", In: "body", Type: "array", Help: "array (JSON list of query names); stored as JSON text"},
			{Name: "severity", In: "body", Type: "string", Enum: []string{"WARNING", "INFO", "CRITICAL", "low", "info", "medium", "high", "critical"}, Help: "capitals up to 3.5, small letters in 4.0"},
			{Name: "status", In: "body", Type: "string", Enum: []string{"ACTIVE", "INACTIVE"}},
			{Name: "type", In: "body", Type: "string", Enum: []string{"MITRE", "DEFAULT"}},
			{Name: "tactics", In: "body", Type: "string", Help: "separated by commas"},
			{Name: "technique_id", In: "body", Type: "string", Help: "csv of T1ddd"},
			{Name: "platform", In: "body", Type: "string", Default: "all", Help: "3.5.1+"},
			{Name: "alert_description", In: "body", Type: "bool", Default: "false", Help: "copy description into the alert; 3.5.1+"},
		},
	},
	{
		Name: "rules.tactics", Method: "POST", Path: "/rules/tactics",
		Summary: "Tactics of techniques", Section: "63 rules", Body: "json",
		Params: []backends.Param{
			{Name: "technique_ids", In: "body", Type: "string", Required: true, Help: "separated by commas"},
		},
	},
	{
		Name: "queries.list", Method: "POST", Path: "/queries",
		Summary: "List queries", Section: "64 queries", Paging: "offset", Body: "json",
		Params: []backends.Param{
			{Name: "start", In: "body", Type: "int"},
			{Name: "limit", In: "body", Type: "int"},
			{Name: "searchterm", In: "body", Type: "string", Help: "case-insensitive part of the text"},
		},
	},
	{
		Name: "queries.packed", Method: "POST", Path: "/queries/packed",
		Summary: "List packed queries", Section: "65 queries", Paging: "offset", Body: "json",
		Params: []backends.Param{
			{Name: "start", In: "body", Type: "int"},
			{Name: "limit", In: "body", Type: "int"},
			{Name: "searchterm", In: "body", Type: "string", Help: "case-insensitive part of the text"},
		},
	},
	{
		Name: "queries.get", Method: "GET", Path: "/queries/{query_id}",
		Summary: "Show one query", Section: "66 queries",
		Params: []backends.Param{
			{Name: "query_id", In: "path", Type: "int", Required: true},
		},
	},
	{
		Name: "queries.add", Method: "POST", Path: "/queries/add",
		Summary: "Add a query", Section: "67 queries", Body: "json", Mutates: true,
		Params: []backends.Param{
			{Name: "name", In: "body", Type: "string", Required: true},
			{Name: "query", In: "body", Type: "string", Required: true, Help: "SQL"},
			{Name: "interval", In: "body", Type: "int", Required: true, Help: "seconds, > 0"},
			{Name: "tags", In: "body", Type: "string", Help: "separated by commas"},
			{Name: "platform", In: "body", Type: "string", Enum: []string{"all", "windows", "linux", "darwin", "freebsd", "posix"}},
			{Name: "version", In: "body", Type: "string"},
			{Name: "description", In: "body", Type: "string"},
			{Name: "value", In: "body", Type: "string"},
			{Name: "snapshot", In: "body", Type: "string", Enum: []string{"true", "false"}, Default: "true", Help: "the word true or false"},
			{Name: "packs", In: "body", Type: "string", Help: "csv of pack names"},
		},
	},
	{
		Name: "queries.set", Method: "POST", Path: "/queries/{query_id}",
		Summary: "Change a query", Section: "68 queries", Body: "json", Mutates: true,
		Danger: "the server resets every field that is left out, packs and tags too; edrctl reads the query and sends the whole",
		Params: []backends.Param{
			{Name: "query_id", In: "path", Type: "int", Required: true},
			{Name: "name", In: "body", Type: "string"},
			{Name: "query", In: "body", Type: "string", Help: "SQL"},
			{Name: "interval", In: "body", Type: "int", Help: "seconds, > 0"},
			{Name: "tags", In: "body", Type: "string", Help: "separated by commas"},
			{Name: "platform", In: "body", Type: "string", Enum: []string{"all", "windows", "linux", "darwin", "freebsd", "posix"}},
			{Name: "version", In: "body", Type: "string"},
			{Name: "description", In: "body", Type: "string"},
			{Name: "value", In: "body", Type: "string"},
			{Name: "snapshot", In: "body", Type: "string", Enum: []string{"true", "false"}, Help: "the word true or false"},
			{Name: "packs", In: "body", Type: "string", Help: "csv of pack names"},
		},
	},
	{
		Name: "queries.tags.list", Method: "GET", Path: "/queries/{query_id}/tags",
		Summary: "Tags of a query", Section: "69 queries",
		Params: []backends.Param{
			{Name: "query_id", In: "path", Type: "int", Required: true},
		},
	},
	{
		Name: "queries.tags.add", Method: "POST", Path: "/queries/{query_id}/tags",
		Summary: "Tag a query", Section: "70 queries", Body: "json", Mutates: true, Makes: []string{"tag"},
		Params: []backends.Param{
			{Name: "query_id", In: "path", Type: "int", Required: true},
			{Name: "tag", In: "body", Type: "string", Required: true},
		},
	},
	{
		Name: "queries.tags.remove", Method: "DELETE", Path: "/queries/{query_id}/tags",
		Summary: "Untag a query", Section: "71 queries", Body: "json", Mutates: true,
		Params: []backends.Param{
			{Name: "query_id", In: "path", Type: "int", Required: true},
			{Name: "tag", In: "body", Type: "string", Required: true},
		},
	},
	{
		Name: "queries.delete", Method: "DELETE", Path: "/queries/{query}/delete",
		Summary: "Delete a query", Section: "72 queries", Mutates: true,
		Danger: "deletes the query and ends its schedule",
		Params: []backends.Param{
			{Name: "query", In: "path", Type: "string", Required: true, Help: "query id or name"},
		},
	},
	{
		Name: "packs.list", Method: "POST", Path: "/packs",
		Summary: "List packs", Section: "73 packs", Paging: "offset", Body: "json",
		Params: []backends.Param{
			{Name: "start", In: "body", Type: "int"},
			{Name: "limit", In: "body", Type: "int"},
			{Name: "searchterm", In: "body", Type: "string", Help: "case-insensitive part of the text"},
		},
	},
	{
		Name: "packs.get", Method: "GET", Path: "/packs/{pack_id}",
		Summary: "Show one pack", Section: "74 packs",
		Params: []backends.Param{
			{Name: "pack_id", In: "path", Type: "int", Required: true},
		},
	},
	{
		Name: "packs.add", Method: "POST", Path: "/packs/add",
		Summary: "Add a pack", Section: "75 packs", Body: "json", Mutates: true,
		Params: []backends.Param{
			{Name: "tags", In: "body", Type: "string", Help: "separated by commas; those of a pack that is there are kept when none are given"},
			{Name: "name", In: "body", Type: "string", Required: true},
			{Name: "queries", In: "body", Type: "object", Required: true, Help: "map name -> {query, interval, platform, version, description, value, snapshot}"},
			{Name: "category", In: "body", Type: "string", Enum: []string{"Intrusion Detection", "Monitoring", "Compliance and Management", "Forensics and Incident Response", "General", "Others"}},
			{Name: "platform", In: "body", Type: "string", Enum: []string{"windows", "linux", "darwin"}},
			{Name: "version", In: "body", Type: "string"},
			{Name: "description", In: "body", Type: "string"},
			{Name: "shard", In: "body", Type: "int"},
		},
	},
	{
		Name: "packs.tags.list", Method: "GET", Path: "/packs/{pack}/tags",
		Summary: "Tags of a pack", Section: "76 packs",
		Params: []backends.Param{
			{Name: "pack", In: "path", Type: "string", Required: true, Help: "pack id or name"},
		},
	},
	{
		Name: "packs.tags.add", Method: "POST", Path: "/packs/{pack}/tags",
		Summary: "Tag a pack", Section: "77 packs", Body: "json", Mutates: true, Makes: []string{"tag"},
		Params: []backends.Param{
			{Name: "pack", In: "path", Type: "string", Required: true, Help: "pack id or name"},
			{Name: "tag", In: "body", Type: "string", Required: true},
		},
	},
	{
		Name: "packs.tags.remove", Method: "DELETE", Path: "/packs/{pack}/tags",
		Summary: "Untag a pack", Section: "78 packs", Body: "json", Mutates: true,
		Params: []backends.Param{
			{Name: "pack", In: "path", Type: "string", Required: true, Help: "pack id or name"},
			{Name: "tag", In: "body", Type: "string", Required: true},
		},
	},
	{
		Name: "packs.delete", Method: "DELETE", Path: "/packs/{pack}/delete",
		Summary: "Delete a pack", Section: "79 packs", Mutates: true,
		Danger: "deletes the pack",
		Params: []backends.Param{
			{Name: "pack", In: "path", Type: "string", Required: true, Help: "pack id or name"},
		},
	},
	{
		Name: "packs.upload", Method: "POST", Path: "/packs/upload",
		Summary: "Upload a pack", Section: "80 packs", Body: "multipart", Mutates: true,
		Params: []backends.Param{
			{Name: "file", In: "file", Type: "file", Required: true, Help: ".json or .conf"},
			{Name: "category", In: "body", Type: "string", Enum: []string{"Intrusion Detection", "Monitoring", "Compliance and Management", "Forensics and Incident Response", "General", "Others"}},
		},
	},
	{
		Name: "configs.add", Method: "POST", Path: "/configs",
		Summary: "Add an agent configuration", Section: "81 configs", Since: "ce3", Body: "json", Mutates: true,
		Params: []backends.Param{
			{Name: "name", In: "body", Type: "string", Required: true},
			{Name: "filters", In: "body", Type: "object"},
			{Name: "queries", In: "body", Type: "object", Help: "map name -> {query?, interval, status}"},
			{Name: "platform", In: "body", Type: "string", Required: true, Enum: []string{"linux", "windows", "darwin"}},
			{Name: "conditions", In: "body", Type: "object", Help: "{\"hostname\":{\"value\":\"*x*\"},\"os_name\":{\"value\":\"*x*\"}}; {} by default"},
			{Name: "description", In: "body", Type: "string"},
		},
	},
	{
		Name: "configs.list", Method: "GET", Path: "/configs",
		Summary: "List agent configurations", Section: "82 configs", Since: "ce3",
	},
	{
		Name: "configs.get", Method: "GET", Path: "/configs/{config_id}",
		Summary: "Show an agent configuration", Section: "83 configs", Since: "ce3",
		Params: []backends.Param{
			{Name: "config_id", In: "path", Type: "int", Required: true},
		},
	},
	{
		Name: "configs.set", Method: "PUT", Path: "/configs/{config_id}",
		Summary: "Change an agent configuration", Section: "84 configs", Since: "ce3", Body: "json", Mutates: true,
		Danger: "changes what the agents of its hosts record",
		Params: []backends.Param{
			{Name: "config_id", In: "path", Type: "int", Required: true},
			{Name: "filters", In: "body", Type: "object"},
			{Name: "queries", In: "body", Type: "object", Help: "map name -> {interval, status} of queries that are in it"},
			{Name: "name", In: "body", Type: "string"},
			{Name: "conditions", In: "body", Type: "object", Help: "kept when left out"},
			{Name: "description", In: "body", Type: "string"},
		},
	},
	{
		Name: "configs.delete", Method: "DELETE", Path: "/configs/{config_id}",
		Summary: "Delete an agent configuration", Section: "85 configs", Since: "ce3", Mutates: true,
		Danger: "deletes the configuration; its hosts fall back to the default",
		Params: []backends.Param{
			{Name: "config_id", In: "path", Type: "int", Required: true},
		},
	},
	{
		Name: "configs.assign", Method: "PUT", Path: "/configs/{config_id}/assign",
		Summary: "Assign an agent configuration to hosts", Section: "86 configs", Since: "ce3", Body: "json", Mutates: true,
		Danger: "changes what the agents of the hosts record",
		Params: []backends.Param{
			{Name: "config_id", In: "path", Type: "int", Required: true},
			{Name: "host_identifiers", In: "body", Type: "string", Help: "separated by commas"},
			{Name: "tags", In: "body", Type: "string", Help: "separated by commas"},
		},
	},
	{
		Name: "configs.hosts", Method: "GET", Path: "/configs/{config_id}/hosts",
		Summary: "List the hosts of an agent configuration", Section: "87 configs", Since: "ce3",
		Params: []backends.Param{
			{Name: "config_id", In: "path", Type: "int", Required: true},
		},
	},
}
