package catalog

import (
	"github.com/edrctl/edrctl/internal/backends"
)

var (
	queryColumns  = []string{"id", "name", "interval", "platform", "snapshot", "tags", "packs", "sql"}
	packColumns   = []string{"id", "name", "category", "tags", "description"}
	configColumns = []string{"id", "platform", "name", "is_default", "description", "conditions"}
	hostColumns   = []string{"id", "display_name", "host_identifier", "last_ip", "is_active", "tags"}
)

// Resources is what is administered on an ESP server. Everything else of its
// API is reached by `edrctl api`, behind the same guards.
func Resources() []backends.Resource {
	return []backends.Resource{
		{
			Noun: "rules", Title: "detection rules", ID: "id",
			Verbs: []backends.ResourceVerb{
				{Name: "add", Op: "rules.add", Columns: []string{"id", "message"}, Example: "-f rule.json --dry-run", Short: "Add a rule; conditions that could never fire are refused"},
				{Name: "update", Op: "rules.set", Columns: []string{"id", "name", "severity", "status"}, Operands: []string{"rule_id"}, Example: "102 --severity CRITICAL --dry-run", Short: "Change members of a rule; the others are kept"},
				{Name: "tactics", Op: "rules.tactics", Columns: []string{"tactics", "description"}, Operands: []string{"technique_ids"}, Example: "T1059,T1003", Short: "Tactics of ATT&CK techniques (the server asks MITRE)"},
			},
		},
		{
			Noun: "iocs", Title: "the IoC store of a server", ID: "name", Columns: []string{"name", "type", "severity", "values", "intel_type"},
			Verbs: []backends.ResourceVerb{
				{Name: "list", Op: "iocs.list"},
				{Name: "add", Op: "iocs.add", Columns: []string{"name", "message"}, Operands: []string{"name"}, From: "data", Example: "bad-ips --type remote_address --values 192.0.2.1,192.0.2.2 --dry-run", Short: "Add indicators, to an entry of the name or a new one; nothing else is lost"},
				{Name: "remove", Op: "iocs.add", Operands: []string{"remove"}, Example: "intel-2_md5 --dry-run", Short: "Remove an entry, or with --values some of its indicators; nothing else is lost"},
			},
		},
		{
			Noun: "queries", Title: "scheduled queries", ID: "id", Columns: queryColumns,
			Verbs: []backends.ResourceVerb{
				{Name: "list", Op: "queries.list"},
				{Name: "packed", Op: "queries.packed", Short: "List the queries that are in a pack"},
				{Name: "get", Op: "queries.get", Operands: []string{"query_id"}, Example: "1"},
				{Name: "add", Op: "queries.add", Columns: []string{"id", "message"}, Operands: []string{"name"}, Example: "ports --query 'select * from listening_ports;' --interval 3600 --dry-run"},
				{Name: "update", Op: "queries.set", Operands: []string{"query_id"}, Example: "1 --interval 60 --dry-run", Short: "Change members of a query; the others are kept"},
				{Name: "delete", Op: "queries.delete", Operands: []string{"query..."}, Example: "win_file_events --dry-run"},
			},
		},
		{
			Noun: "queries tags", Title: "tags of a scheduled query", ID: "tag", Columns: []string{"tag"},
			Verbs: []backends.ResourceVerb{
				{Name: "list", Op: "queries.tags.list", Operands: []string{"query_id"}, Example: "1"},
				{Name: "add", Op: "queries.tags.add", Columns: []string{"tag", "message"}, Operands: []string{"query_id", "tag..."}, Example: "1 servers --dry-run"},
				{Name: "remove", Op: "queries.tags.remove", Operands: []string{"query_id", "tag..."}, Example: "1 servers --dry-run"},
			},
		},
		{
			Noun: "packs", Title: "query packs", ID: "id", Columns: packColumns,
			Verbs: []backends.ResourceVerb{
				{Name: "list", Op: "packs.list"},
				{Name: "get", Op: "packs.get", Operands: []string{"pack_id"}, Example: "1"},
				{Name: "add", Op: "packs.add", Columns: []string{"id", "message"}, Operands: []string{"name"}, Example: "doors -f pack.json --dry-run", Short: "Add a pack, or queries to a pack of the name"},
				{Name: "upload", Op: "packs.upload", Columns: []string{"id", "message"}, From: "file", Example: "-f doors.json --category Monitoring --dry-run", Short: "Upload an osquery pack file (.json, .conf)"},
				{Name: "delete", Op: "packs.delete", Operands: []string{"pack..."}, Example: "all-events-pack --dry-run"},
			},
		},
		{
			Noun: "packs tags", Title: "tags of a pack", ID: "tag", Columns: []string{"tag"},
			Verbs: []backends.ResourceVerb{
				{Name: "list", Op: "packs.tags.list", Operands: []string{"pack"}, Example: "all-events-pack"},
				{Name: "add", Op: "packs.tags.add", Columns: []string{"tag", "message"}, Operands: []string{"pack", "tag..."}, Example: "all-events-pack servers --dry-run"},
				{Name: "remove", Op: "packs.tags.remove", Operands: []string{"pack", "tag..."}, Example: "all-events-pack servers --dry-run"},
			},
		},
		{
			Noun: "configs", Title: "agent configurations", ID: "id", Columns: configColumns,
			Verbs: []backends.ResourceVerb{
				{Name: "list", Op: "configs.list", Short: "List agent configurations"},
				{Name: "get", Op: "configs.get", Operands: []string{"config_id"}, Example: "1", Short: "Show an agent configuration"},
				{Name: "add", Op: "configs.add", Columns: []string{"id", "message"}, Operands: []string{"name"}, Example: "web --platform linux --conditions '{\"hostname\":{\"value\":\"*web*\"}}' --queries '{\"process_events\":{\"query\":\"select * from process_events;\",\"interval\":10,\"status\":true}}' --dry-run"},
				{Name: "update", Op: "configs.set", Operands: []string{"config_id"}, Example: "1 --queries '{\"process_events\":{\"interval\":60}}' --dry-run", Short: "Change a configuration; of queries interval and status"},
				{Name: "delete", Op: "configs.delete", Operands: []string{"config_id..."}, Example: "4 --dry-run", Short: "Delete a configuration; its hosts fall back to the default"},
				{Name: "assign", Op: "configs.assign", Operands: []string{"config_id", "host_identifiers"}, Example: "1 web-03,git-01 --dry-run", Short: "Give a configuration to hosts, or with --tags to those that carry one"},
				{Name: "hosts", Op: "configs.hosts", Operands: []string{"config_id"}, Example: "1", Columns: hostColumns, Short: "List the hosts that run a configuration"},
			},
		},
		{
			Noun: "tags", Title: "tags of hosts, packs and queries", ID: "value", Columns: []string{"value", "nodes", "packs", "queries"},
			Verbs: []backends.ResourceVerb{
				{Name: "list", Op: "tags.list"},
				{Name: "add", Op: "tags.add", Columns: []string{"value", "message"}, Operands: []string{"tag..."}, Example: "servers --dry-run"},
				{Name: "delete", Op: "tags.delete", Operands: []string{"tag..."}, Example: "web --dry-run", Short: "Delete a tag; what carries it is shown first"},
				{Name: "tagged", Op: "tags.tagged", Operands: []string{"tags"}, Example: "web", Columns: []string{"kind", "id", "name"}, Short: "Show what carries a tag"},
			},
		},
		{
			Noun: "yara", Title: "YARA files", ID: "name", Columns: []string{"name", "platforms"},
			Verbs: []backends.ResourceVerb{
				{Name: "list", Op: "yara.list"},
				{Name: "view", Op: "yara.view", Operands: []string{"file_name"}, Example: "packed.yara --jq .content", Columns: []string{"name", "content"}},
				{Name: "add", Op: "yara.add", Columns: []string{"name", "message"}, From: "file", Example: "-f look.yara --platform windows,linux --dry-run", Short: "Upload a YARA file (.yar, .yara)"},
				{Name: "delete", Op: "yara.delete", Operands: []string{"file_name..."}, Example: "packed.yara --dry-run"},
			},
		},
		{
			Noun: "schema", Title: "the tables that osquery can query", ID: "name", Columns: []string{"name", "platform", "description"},
			Verbs: []backends.ResourceVerb{
				{Name: "list", Op: "schema.list", Fixed: map[string]any{"export_type": "json"}, Short: "List the tables with their columns"},
				{Name: "get", Op: "schema.get", Operands: []string{"table"}, Example: "processes", Columns: []string{"name", "sql"}},
			},
		},
		{
			Noun: "hosts config", Title: "the configuration of an agent", Columns: []string{"options", "queries", "packs", "filters"},
			Verbs: []backends.ResourceVerb{
				{Name: "get", Op: "hosts.config", Operands: []string{"host_identifier"}, Short: "Show the whole configuration the agent of a host runs", Example: "web-03"},
				{Name: "extra", Op: "hosts.additional_config", Operands: []string{"host_identifier"}, Columns: []string{"queries", "packs", "tags"}, Short: "Show queries, packs and tags a host has in addition to its configuration", Example: "web-03"},
			},
		},
		{
			Noun: "hosts results", Title: "the stored query results of a host", ID: "name", Columns: []string{"name", "count"},
			Verbs: []backends.ResourceVerb{
				{Name: "count", Op: "hosts.activity.count", Operands: []string{"host_identifier"}, Short: "Count the stored results of a host, by query", Example: "web-03"},
				{Name: "list", Op: "hosts.activity", Operands: []string{"host_identifier", "query_name"}, Columns: []string{"timestamp", "action", "columns"}, Short: "List the stored results of a query on a host", Example: "web-03 process_events"},
			},
		},
		{
			Noun: "hosts logs", Title: "the logs of agents", Columns: []string{"created", "severity", "filename", "line", "message"},
			Verbs: []backends.ResourceVerb{
				{Name: "list", Op: "hosts.status_logs", Operands: []string{"host_identifier"}, Short: "List what the agent of a host logged", Example: "web-03"},
			},
		},
		{
			Noun: "stats", Title: "server statistics",
			Verbs: []backends.ResourceVerb{
				{Name: "dashboard", Op: "dashboard.get", Columns: []string{"alert_data", "distribution_and_status", "purge_duration"}, Short: "Show what the console's first page shows"},
				{Name: "hosts", Op: "hosts.count", Columns: []string{"windows", "linux", "darwin"}, Short: "Count hosts by platform and state"},
				{Name: "alerts", Op: "alerts.count", Columns: []string{"alert_source"}, Short: "Count alerts by source"},
				{Name: "host", Op: "hosts.alerts.distribution", Operands: []string{"host"}, Example: "build-07", Columns: []string{"sources", "rules"}, Short: "Count the alerts of a host by source and rule"},
			},
		},
		{
			Noun: "settings", Title: "platform settings", Columns: []string{"purge_data_duration", "alert_aggregation_duration", "sso_enable"},
			Verbs: []backends.ResourceVerb{
				{Name: "show", Op: "settings.get"},
				{Name: "set", Op: "settings.set", Example: "--purge-data-duration 90 --dry-run", Short: "Change settings; a shorter purge duration deletes stored results"},
			},
		},
		{
			Noun: "settings email", Title: "e-mail settings", Columns: []string{"email", "smtpAddress", "smtpPort", "emailRecipients", "use_ssl", "use_tls"},
			Verbs: []backends.ResourceVerb{
				{Name: "show", Op: "email.get"},
				{Name: "set", Op: "email.set", Short: "Change the e-mail settings; the server sends a test mail"},
				{Name: "test", Op: "email.test", Short: "Send a test mail, keep nothing"},
			},
		},
		{
			Noun: "settings keys", Title: "keys of threat intelligence services", Columns: []string{"virustotal", "ibmxforce", "alienvault"},
			Verbs: []backends.ResourceVerb{
				{Name: "show", Op: "threatintel.keys.get"},
				{Name: "set", Op: "threatintel.keys.set"},
			},
		},
		{
			Noun: "settings engines", Title: "VirusTotal engines that count", Columns: []string{"min_match_count", "vt_scan_retention_period", "av_engines"},
			Verbs: []backends.ResourceVerb{
				{Name: "show", Op: "virustotal.engines.get"},
				{Name: "set", Op: "virustotal.engines.set"},
			},
		},
		{
			Noun: "defender", Title: "Windows Defender on endpoints, enterprise edition only", Columns: []string{"openc2_id", "message"},
			Verbs: []backends.ResourceVerb{
				{Name: "scan", Op: "defender.scan", Operands: []string{"host_identifier"}, Example: "SRV-APP-03 --scan-type 1 --dry-run", Short: "Scan hosts now"},
				{Name: "exclusions", Op: "defender.exclusions", Operands: []string{"host_identifier"}, Example: `SRV-APP-03 --action add --path C:\build --dry-run`, Short: "Add or remove what Defender does not look at"},
				{Name: "schedule", Op: "defender.schedule", Operands: []string{"host_identifier"}, Example: "SRV-APP-03 --scan-type 2 --time 10:30 --scan-day 1 --dry-run", Short: "Set when Defender scans"},
				{Name: "update", Op: "defender.update", Operands: []string{"host_identifier"}, Example: "SRV-APP-03 --dry-run", Short: "Update the signatures"},
				{Name: "settings", Op: "defender.settings", Operands: []string{"host_identifier"}, Example: "SRV-APP-03 --dry-run", Short: "Ask hosts for the settings of Defender; respond get shows what they say"},
				{Name: "status", Op: "defender.status", Operands: []string{"host_identifier"}, Example: "SRV-APP-03 --dry-run", Short: "Ask hosts for the state of Defender; respond get shows what they say"},
				{Name: "refresh", Op: "defender.refresh", Operands: []string{"host_identifier"}, Example: "SRV-APP-03 --dry-run", Short: "Have the state of Defender read again; the host's record shows it later"},
				{Name: "quarantine", Op: "defender.quarantine.list", Operands: []string{"host_identifier"}, Example: "SRV-APP-03 --dry-run", Short: "Ask hosts for what is in quarantine; respond get shows what they say"},
				{Name: "carve", Op: "defender.quarantine.carve", Operands: []string{"host_identifier", "path"}, Example: `SRV-APP-03 C:\Users\Public\a.exe --dry-run`, Short: "Collect a file from the quarantine; carve list shows it later"},
			},
		},
		{
			Noun: "results", Title: "stored query results",
			Verbs: []backends.ResourceVerb{
				{Name: "delete", Op: "results.delete", Operands: []string{"days_of_data"}, Example: "90 --dry-run", Short: "Delete what is older than so many days, of all hosts (editions up to 3.0)"},
			},
		},
		{
			Noun: "exports", Title: "CSV exports",
			Verbs: []backends.ResourceVerb{
				{Name: "hosts", Op: "hosts.export", Columns: []string{"Host Name", "Host Identifier", "State", "Health", "Platform"}},
				{Name: "alerts", Op: "alerts.export", Operands: []string{"source"}, Example: "rule", Columns: []string{"created_at", "severity", "query_name", "status", "verdict"}},
				{Name: "results", Op: "results.export", Operands: []string{"host_identifier", "query_name"}, Example: "web-03 process_events"},
				{Name: "search", Op: "hosts.search.export", Operands: []string{"host_identifier", "query_name"}, Example: "web-03 process_events", From: "conditions"},
				{Name: "hunt", Op: "hunt.export", Operands: []string{"host_identifier", "query_name"}, Example: "web-03 process_events --type remote_address -f feed.txt", From: "file"},
				{Name: "indicators", Op: "indicators.export", From: "file", Example: "--indicator-type remote_address --date 2026-11-01 -f feed.txt"},
				{Name: "alert-events", Op: "alerts.alerted_events.export", Operands: []string{"alert_id"}},
				{Name: "actions", Op: "response.export"},
				{Name: "status-logs", Op: "hosts.status_logs.export", Operands: []string{"host_identifier"}, Example: "web-03", Columns: []string{"task_id"}, Short: "Have the logs of a host's agent made into a file on the server"},
			},
		},
	}
}
