package catalog

import (
	"github.com/edrctl/edrctl/internal/backends"
)

// hostsOperations are the blueprints hosts, carves and distributed (docs/wire/esp.md §17).
var hostsOperations = []backends.Operation{
	{
		Name: "hosts.export", Method: "GET", Path: "/hosts/export",
		Summary: "Export hosts (CSV)", Section: "21 hosts", Returns: "csv",
	},
	{
		Name: "hosts.list", Method: "POST", Path: "/hosts",
		Summary: "List hosts", Section: "22 hosts", Paging: "offset", Body: "json",
		Params: []backends.Param{
			{Name: "status", In: "body", Type: "bool", Help: "true online, false offline"},
			{Name: "platform", In: "body", Type: "string", Enum: []string{"windows", "linux", "darwin"}},
			{Name: "searchterm", In: "body", Type: "string", Help: "case-insensitive part of the text"},
			{Name: "start", In: "body", Type: "int"},
			{Name: "limit", In: "body", Type: "int"},
			{Name: "enabled", In: "body", Type: "bool", Default: "true", Help: "false lists removed hosts"},
			{Name: "alerts_count", In: "body", Type: "bool", Default: "true", Help: "false leaves alerts_count out"},
		},
	},
	{
		Name: "hosts.get", Method: "GET", Path: "/hosts/{host}",
		Summary: "Show one host", Section: "23 hosts",
		Hides: []string{"data.node_key"},
		Params: []backends.Param{
			{Name: "host", In: "path", Type: "string", Required: true, Help: "host identifier or node id"},
		},
	},
	{
		Name: "hosts.alerts.distribution", Method: "GET", Path: "/hosts/{host}/alerts/distribution",
		Summary: "Alerts distribution of a host", Section: "24 hosts",
		Params: []backends.Param{
			{Name: "host", In: "path", Type: "string", Required: true, Help: "host identifier or node id"},
		},
	},
	{
		Name: "hosts.count", Method: "GET", Path: "/hosts/count",
		Summary: "Host counts", Section: "25 hosts",
	},
	{
		Name: "hosts.status_logs", Method: "POST", Path: "/hosts/status_logs",
		Summary: "Status logs", Section: "26 hosts", Paging: "offset", Body: "json",
		Params: []backends.Param{
			{Name: "host_identifier", In: "body", Type: "string"},
			{Name: "node_id", In: "body", Type: "int", Help: "instead of host_identifier"},
			{Name: "start", In: "body", Type: "int"},
			{Name: "limit", In: "body", Type: "int"},
			{Name: "searchterm", In: "body", Type: "string", Help: "case-insensitive part of the text"},
		},
	},
	{
		Name: "hosts.additional_config", Method: "POST", Path: "/hosts/additional_config",
		Summary: "Additional config", Section: "27 hosts", Body: "json",
		Params: []backends.Param{
			{Name: "host_identifier", In: "body", Type: "string"},
			{Name: "node_id", In: "body", Type: "int", Help: "instead of host_identifier"},
		},
	},
	{
		Name: "hosts.config", Method: "POST", Path: "/hosts/config",
		Summary: "Full config of a host", Section: "28 hosts", Body: "json",
		Params: []backends.Param{
			{Name: "host_identifier", In: "body", Type: "string"},
			{Name: "node_id", In: "body", Type: "int", Help: "instead of host_identifier"},
		},
	},
	{
		Name: "hosts.activity.count", Method: "POST", Path: "/hosts/recent_activity/count",
		Summary: "Result counts per query", Section: "29 hosts", Body: "json",
		Params: []backends.Param{
			{Name: "host_identifier", In: "body", Type: "string"},
			{Name: "node_id", In: "body", Type: "int", Help: "instead of host_identifier"},
		},
	},
	{
		Name: "hosts.activity", Method: "POST", Path: "/hosts/recent_activity",
		Summary: "Results of a query", Section: "30 hosts", Paging: "id-cursor", Body: "json",
		Params: []backends.Param{
			{Name: "host_identifier", In: "body", Type: "string"},
			{Name: "node_id", In: "body", Type: "int", Help: "instead of host_identifier"},
			{Name: "query_name", In: "body", Type: "string", Required: true, Help: "name of a scheduled query"},
			{Name: "start", In: "body", Type: "int", Default: "0", Help: "offset, or the smallest id read (3.5)"},
			{Name: "limit", In: "body", Type: "int", Default: "10"},
			{Name: "searchterm", In: "body", Type: "string", Help: "case-insensitive part of the text"},
			{Name: "column_name", In: "body", Type: "string", Help: "with column_value"},
			{Name: "column_value", In: "body", Type: "string", Help: "csv list, exact match"},
		},
	},
	{
		Name: "hosts.tags.list", Method: "GET", Path: "/hosts/{host}/tags",
		Summary: "Tags of a host", Section: "31 hosts",
		Params: []backends.Param{
			{Name: "host", In: "path", Type: "string", Required: true, Help: "host identifier or node id"},
		},
	},
	{
		Name: "hosts.tags.add", Method: "POST", Path: "/hosts/{host}/tags",
		Summary: "Tag a host", Section: "32 hosts", Body: "json", Mutates: true, Makes: []string{"tag"},
		Params: []backends.Param{
			{Name: "host", In: "path", Type: "string", Required: true, Help: "host identifier or node id"},
			{Name: "tag", In: "body", Type: "string", Required: true},
		},
	},
	{
		Name: "hosts.tags.remove", Method: "DELETE", Path: "/hosts/{host}/tags",
		Summary: "Untag a host", Section: "33 hosts", Body: "json", Mutates: true,
		Params: []backends.Param{
			{Name: "host", In: "path", Type: "string", Required: true, Help: "host identifier or node id"},
			{Name: "tag", In: "body", Type: "string", Required: true},
		},
	},
	{
		Name: "hosts.search.export", Method: "POST", Path: "/hosts/search/export",
		Summary: "Export search results (CSV)", Section: "34 hosts", Body: "json", Returns: "csv",
		Params: []backends.Param{
			{Name: "conditions", In: "body", Type: "object", Help: "a group {condition, rules}"},
			{Name: "host_identifier", In: "body", Type: "string"},
			{Name: "query_name", In: "body", Type: "string", Required: true, Help: "name of a scheduled query"},
			{Name: "node_id", In: "body", Type: "int", Help: "instead of host_identifier"},
			{Name: "column_name", In: "body", Type: "string", Help: "with column_value"},
			{Name: "column_value", In: "body", Type: "string", Help: "csv list, exact match"},
		},
	},
	{
		Name: "hosts.delete", Method: "DELETE", Path: "/hosts/{host}/delete",
		Summary: "Permanently delete a host", Section: "35 hosts", Mutates: true,
		Danger: "permanently deletes the host and its data",
		Params: []backends.Param{
			{Name: "host", In: "path", Type: "string", Required: true, Help: "host identifier or node id"},
		},
	},
	{
		Name: "hosts.remove", Method: "PUT", Path: "/hosts/{host}/delete",
		Summary: "Remove (disable) a host", Section: "36 hosts", Mutates: true,
		Hides: []string{"data.node_key"},
		Params: []backends.Param{
			{Name: "host", In: "path", Type: "string", Required: true, Help: "host identifier or node id"},
		},
	},
	{
		Name: "hosts.enable", Method: "PUT", Path: "/hosts/{host}/enable",
		Summary: "Enable a removed host", Section: "37 hosts", Mutates: true,
		Params: []backends.Param{
			{Name: "host", In: "path", Type: "string", Required: true, Help: "host identifier or node id"},
		},
	},
	{
		Name: "hosts.status_logs.export", Method: "POST", Path: "/hosts/status_log/export",
		Summary: "Export status logs (async)", Section: "38 hosts", Since: "ce3", Body: "json",
		Params: []backends.Param{
			{Name: "host_identifier", In: "body", Type: "string"},
			{Name: "node_id", In: "body", Type: "int", Help: "instead of host_identifier"},
			{Name: "searchterm", In: "body", Type: "string", Help: "case-insensitive part of the text"},
		},
	},
	{
		Name: "carves.list", Method: "POST", Path: "/carves",
		Summary: "List carves", Section: "43 carves", Paging: "offset", Body: "json",
		Params: []backends.Param{
			{Name: "host_identifier", In: "body", Type: "string", Help: "limits to one host"},
			{Name: "start", In: "body", Type: "int", Default: "0"},
			{Name: "limit", In: "body", Type: "int", Default: "10"},
			{Name: "searchterm", In: "body", Type: "string", Help: "case-insensitive part of the text"},
		},
	},
	{
		Name: "carves.download", Method: "GET", Path: "/carves/download/{session_id}",
		Summary: "Download a carve", Section: "44 carves", Returns: "binary",
		Params: []backends.Param{
			{Name: "session_id", In: "path", Type: "string", Required: true},
		},
	},
	{
		Name: "carves.query", Method: "POST", Path: "/carves/query",
		Summary: "Carve of a live query", Section: "45 carves", Body: "json",
		Params: []backends.Param{
			{Name: "query_id", In: "body", Type: "string", Required: true, Help: "as string"},
			{Name: "host_identifier", In: "body", Type: "string", Required: true},
		},
	},
	{
		Name: "carves.delete", Method: "POST", Path: "/carves/delete",
		Summary: "Delete a carve", Section: "46 carves", Body: "json", Mutates: true,
		Danger: "permanently deletes the collected file",
		Params: []backends.Param{
			{Name: "session_id", In: "body", Type: "string", Required: true},
		},
	},
	{
		Name: "distributed.add", Method: "POST", Path: "/distributed/add",
		Summary: "Send a live query", Section: "47 distributed", Body: "json", Mutates: true,
		Danger: "runs on endpoints; without nodes, tags or os_name old editions send it to all hosts",
		Params: []backends.Param{
			{Name: "query", In: "body", Type: "string", Required: true, Help: "osquery SQL"},
			{Name: "tags", In: "body", Type: "string", Help: "separated by commas"},
			{Name: "nodes", In: "body", Type: "string", Help: "csv of host_identifier (or node_key), no blanks"},
			{Name: "os_name", In: "body", Type: "array", Help: "JSON array of os_info.name; 3.5.1+"},
			{Name: "description", In: "body", Type: "string"},
			{Name: "all_hosts", In: "local", Type: "bool", Help: "true: every host that is online, by name"},
		},
	},
}
