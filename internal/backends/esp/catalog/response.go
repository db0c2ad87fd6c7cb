package catalog

import (
	"github.com/edrctl/edrctl/internal/backends"
)

// responseOperations are the blueprints response and defender-management (docs/wire/esp.md §17).
var responseOperations = []backends.Operation{
	{
		Name: "response.list", Method: "POST", Path: "/response",
		Summary: "List response actions", Section: "100 response", Since: "enterprise", Paging: "offset", Body: "json",
		Params: []backends.Param{
			{Name: "start", In: "body", Type: "int", Default: "0", Help: "offset"},
			{Name: "limit", In: "body", Type: "int", Default: "10"},
			{Name: "searchterm", In: "body", Type: "string"},
		},
	},
	{
		Name: "response.view", Method: "POST", Path: "/response/view",
		Summary: "Actions per host", Section: "101 response", Since: "enterprise", Paging: "offset", Body: "json",
		Params: []backends.Param{
			{Name: "start", In: "body", Type: "int", Default: "0", Help: "offset"},
			{Name: "limit", In: "body", Type: "int", Default: "10"},
			{Name: "openc2_id", In: "body", Type: "int", Required: true},
			{Name: "searchterm", In: "body", Type: "string"},
		},
	},
	{
		Name: "response.export", Method: "POST", Path: "/response/export",
		Summary: "Export actions (CSV)", Section: "102 response", Since: "enterprise", Returns: "csv",
	},
	{
		Name: "response.get", Method: "GET", Path: "/response/{command_id}",
		Summary: "Show one command", Section: "103 response", Since: "enterprise",
		Params: []backends.Param{
			{Name: "command_id", In: "path", Type: "string", Required: true},
		},
	},
	{
		Name: "response.status", Method: "POST", Path: "/response/status",
		Summary: "Response status of a host", Section: "104 response", Since: "enterprise", Body: "json",
		Params: []backends.Param{
			{Name: "host_identifier", In: "body", Type: "string", Required: true, Help: "or node_id"},
			{Name: "node_id", In: "body", Type: "int"},
		},
	},
	{
		Name: "response.restart_agent", Method: "POST", Path: "/response/restart-agent",
		Summary: "Restart agent", Section: "105 response", Since: "enterprise", Body: "json", Mutates: true,
		Danger: "restarts the agent on the hosts",
		Params: []backends.Param{
			{Name: "host_identifier", In: "body", Type: "string", Required: true, Help: "one or more, separated by commas"},
		},
	},
	{
		Name: "response.add", Method: "POST", Path: "/response/add",
		Summary: "Add file/process/network action", Section: "106 response", Since: "enterprise", Body: "json", Mutates: true,
		Danger: "acts on endpoints: deletes files, stops processes, changes the firewall",
		Params: []backends.Param{
			{Name: "action", In: "body", Type: "string", Required: true, Enum: []string{"delete", "stop", "contain"}},
			{Name: "actuator_id", In: "body", Type: "string", Required: true, Help: "host identifiers, separated by commas"},
			{Name: "target", In: "body", Type: "string", Required: true, Enum: []string{"file", "process", "ip_connection"}},
			{Name: "file_name", In: "body", Type: "string", Help: "file: this and/or file_hash; full path"},
			{Name: "file_hash", In: "body", Type: "string", Help: "file; md5"},
			{Name: "process_name", In: "body", Type: "string", Help: "process: this and/or pid"},
			{Name: "pid", In: "body", Type: "string", Help: "process; decimal string"},
			{Name: "rule_name", In: "body", Type: "string", Help: "ip_connection"},
			{Name: "rule_group", In: "body", Type: "string", Help: "contain"},
			{Name: "rule_description", In: "body", Type: "string", Help: "shown in the console"},
			{Name: "src_port", In: "body", Type: "string", Help: "contain; \"\" = any"},
			{Name: "dst_port", In: "body", Type: "string", Help: "contain; \"\" = any"},
			{Name: "dst_addr", In: "body", Type: "string", Help: "contain; \"\" or * = any"},
			{Name: "application", In: "body", Type: "string", Help: "contain; path, \"\" = any"},
			{Name: "direction", In: "body", Type: "string", Enum: []string{"1", "2"}, Help: "contain; 1 in, 2 out"},
			{Name: "layer4_protocol", In: "body", Type: "string", Enum: []string{"6", "17", "256"}, Help: "contain; 6 TCP, 17 UDP, 256 any"},
			{Name: "tags", In: "body", Type: "string", Help: "separated by commas, instead of actuator_id"},
			{Name: "os_name", In: "body", Type: "string", Help: "separated by commas, instead of actuator_id"},
		},
	},
	{
		Name: "response.script", Method: "POST", Path: "/response/custom-action",
		Summary: "Add script action", Section: "107 response", Since: "enterprise", Body: "json", Mutates: true,
		Danger: "runs a script on endpoints",
		Params: []backends.Param{
			{Name: "host_identifier", In: "body", Type: "string", Required: true, Help: "one or more, separated by commas"},
			{Name: "content", In: "body", Type: "string", Help: "this or file; script text"},
			{Name: "file_type", In: "body", Type: "string", Required: true, Help: "\"1\" bat, \"2\" PowerShell, \"3\" shell"},
			{Name: "save_script", In: "body", Type: "string", Enum: []string{"true", "false"}, Help: "with script_name"},
			{Name: "script_name", In: "body", Type: "string", Help: "with save_script"},
			{Name: "params", In: "body", Type: "string", Help: "arguments of the script"},
		},
	},
	{
		Name: "response.delete", Method: "DELETE", Path: "/response/{openc2_id}/delete",
		Summary: "Delete the record of an action", Section: "108 response", Since: "enterprise", Mutates: true,
		Danger: "deletes the record of the action and undoes nothing",
		Params: []backends.Param{
			{Name: "openc2_id", In: "path", Type: "int", Required: true},
		},
	},
	{
		Name: "response.cancel", Method: "POST", Path: "/response/cancel",
		Summary: "Cancel command", Section: "109 response", Since: "enterprise", Body: "json", Mutates: true,
		Params: []backends.Param{
			{Name: "command_id", In: "body", Type: "string", Required: true, Help: "32 hex"},
		},
	},
	{
		Name: "response.live", Method: "POST", Path: "/response/live_response",
		Summary: "Add live response", Section: "110 response", Since: "enterprise", Body: "json", Mutates: true,
		Danger: "runs a script on endpoints",
		Params: []backends.Param{
			{Name: "host_identifier", In: "body", Type: "string", Required: true, Help: "one or more, separated by commas"},
			{Name: "content", In: "body", Type: "string", Help: "this or file"},
			{Name: "file", In: "file", Type: "file", Help: "a script file instead of content"},
			{Name: "file_type", In: "body", Type: "string", Required: true, Help: "\"1\" bat, \"2\" PowerShell, \"3\" shell"},
			{Name: "save_script", In: "body", Type: "string", Enum: []string{"true", "false"}, Help: "with script_name"},
			{Name: "script_name", In: "body", Type: "string"},
			{Name: "params", In: "body", Type: "string", Help: "arguments of the script"},
		},
	},
	{
		Name: "response.status.all", Method: "GET", Path: "/response/status/all",
		Summary: "Response status of all hosts", Section: "111 response", Since: "enterprise",
	},
	{
		Name: "defender.scan", Method: "POST", Path: "/defender-management/scan-now",
		Summary: "Defender: scan now", Section: "112 defender-management", Since: "enterprise", Body: "json", Mutates: true,
		Danger: "starts a scan on endpoints",
		Params: []backends.Param{
			{Name: "host_identifier", In: "body", Type: "string", Required: true, Help: "one or more, separated by commas"},
			{Name: "scan_type", In: "body", Type: "int", Required: true, Enum: []string{"1", "2", "3"}, Help: "1 quick, 2 full, 3 of file_path"},
			{Name: "file_path", In: "body", Type: "string", Help: "scan_type 3; path to scan"},
		},
	},
	{
		Name: "defender.exclusions", Method: "POST", Path: "/defender-management/configure",
		Summary: "Defender: exclusions", Section: "113 defender-management", Since: "enterprise", Body: "json", Mutates: true,
		Params: []backends.Param{
			{Name: "host_identifier", In: "body", Type: "string", Required: true, Help: "one or more, separated by commas"},
			{Name: "action", In: "body", Type: "string", Required: true, Enum: []string{"add", "remove"}},
			{Name: "file_type", In: "body", Type: "string", Help: "extension, .txt"},
			{Name: "path", In: "body", Type: "string"},
			{Name: "process", In: "body", Type: "string"},
		},
	},
	{
		Name: "defender.schedule", Method: "POST", Path: "/defender-management/schedule-scan",
		Summary: "Defender: schedule scan", Section: "114 defender-management", Since: "enterprise", Body: "json", Mutates: true,
		Danger: "changes the scan schedule of endpoints",
		Params: []backends.Param{
			{Name: "host_identifier", In: "body", Type: "string", Required: true, Help: "one or more, separated by commas"},
			{Name: "scan_type", In: "body", Type: "int", Required: true, Enum: []string{"1", "2"}, Help: "1 quick, 2 full"},
			{Name: "time", In: "body", Type: "string", Required: true, Help: "hh:mm:0"},
			{Name: "scan_day", In: "body", Type: "int", Help: "scan_type 2; 0 every day, 1 Sunday .. 7 Saturday, 8 never"},
		},
	},
	{
		Name: "defender.update", Method: "POST", Path: "/defender-management/check-update",
		Summary: "Defender: update signatures", Section: "115 defender-management", Since: "enterprise", Body: "json", Mutates: true,
		Params: []backends.Param{
			{Name: "host_identifier", In: "body", Type: "string", Required: true, Help: "one or more, separated by commas"},
		},
	},
	{
		Name: "defender.settings", Method: "POST", Path: "/defender-management/current-settings",
		Summary: "Defender: current settings", Section: "116 defender-management", Since: "enterprise", Body: "json", Mutates: true,
		Params: []backends.Param{
			{Name: "host_identifier", In: "body", Type: "string", Required: true, Help: "one or more, separated by commas"},
		},
	},
	{
		Name: "defender.status", Method: "POST", Path: "/defender-management/computer-status",
		Summary: "Defender: computer status", Section: "117 defender-management", Since: "enterprise", Body: "json", Mutates: true,
		Params: []backends.Param{
			{Name: "host_identifier", In: "body", Type: "string", Required: true, Help: "one or more, separated by commas"},
		},
	},
	{
		Name: "defender.quarantine.list", Method: "POST", Path: "/defender-management/get-quarantine",
		Summary: "Defender: quarantine list", Section: "118 defender-management", Since: "enterprise", Body: "json", Mutates: true,
		Params: []backends.Param{
			{Name: "host_identifier", In: "body", Type: "string", Required: true, Help: "one or more, separated by commas"},
		},
	},
	{
		Name: "defender.refresh", Method: "POST", Path: "/defender-management/status_refresh",
		Summary: "Defender: refresh status", Section: "119 defender-management", Since: "enterprise", Body: "json", Mutates: true,
		Params: []backends.Param{
			{Name: "host_identifier", In: "body", Type: "string", Required: true, Help: "one or more, separated by commas"},
		},
	},
	{
		Name: "defender.quarantine.carve", Method: "POST", Path: "/defender-management/quarantine_file/carve",
		Summary: "Defender: carve a quarantined file", Section: "120 defender-management", Since: "enterprise", Body: "json", Mutates: true,
		Params: []backends.Param{
			{Name: "host_identifier", In: "body", Type: "string", Required: true, Help: "one or more, separated by commas"},
			{Name: "path", In: "body", Type: "string", Required: true, Help: "path of the quarantined item"},
		},
	},
}
