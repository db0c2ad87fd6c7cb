package catalog

import (
	"github.com/edrctl/edrctl/internal/backends"
)

// generalOperations are the blueprints general, dashboard and email, and the downloads (docs/wire/esp.md §17).
var generalOperations = []backends.Operation{
	{
		Name: "downloads.get", Method: "GET", Path: "/downloads/{path}",
		Summary: "Download a server file", Section: "0 downloads", Returns: "binary",
		Params: []backends.Param{
			{Name: "path", In: "path", Type: "string", Required: true},
		},
	},
	{
		Name: "auth.login", Method: "POST", Path: "/login",
		Summary: "Log in", Section: "1 general", Body: "json",
		Hides: []string{"token", "x-access-token"},
		Params: []backends.Param{
			{Name: "username", In: "body", Type: "string", Help: "or the e-mail address; that of the profile by default"},
			{Name: "password", In: "body", Type: "string", Required: true, Secret: true},
		},
	},
	{
		Name: "auth.password.change", Method: "POST", Path: "/management/changepw",
		Summary: "Change password", Section: "2 general", Body: "json", Mutates: true,
		Danger: "ends every session of the user",
		Params: []backends.Param{
			{Name: "old_password", In: "body", Type: "string", Required: true, Secret: true},
			{Name: "new_password", In: "body", Type: "string", Required: true, Secret: true},
			{Name: "confirm_new_password", In: "body", Type: "string", Secret: true, Help: "new_password again; edrctl sends it by itself"},
		},
	},
	{
		Name: "auth.password.verify", Method: "POST", Path: "/management/verifypw",
		Summary: "Verify password", Section: "3 general", Since: "ce3", Body: "json",
		Params: []backends.Param{
			{Name: "password", In: "body", Type: "string", Required: true, Secret: true},
		},
	},
	{
		Name: "auth.logout", Method: "POST", Path: "/logout",
		Summary: "Log out", Section: "4 general", Mutates: true,
	},
	{
		Name: "threatintel.keys.set", Method: "POST", Path: "/management/apikeys",
		Summary: "Set the keys of threat intelligence services", Section: "5 general", Body: "json", Mutates: true,
		Danger: "replaces the keys in use",
		Hides:  []string{"data.*.key", "data.*.pass"},
		Params: []backends.Param{
			{Name: "vt_key", In: "body", Type: "string", Secret: true, Help: "VirusTotal"},
			{Name: "IBMxForceKey", In: "body", Type: "string", Secret: true, Help: "only together with IBMxForcePass"},
			{Name: "IBMxForcePass", In: "body", Type: "string", Secret: true},
			{Name: "otx_key", In: "body", Type: "string", Secret: true, Help: "AlienVault OTX"},
		},
	},
	{
		Name: "threatintel.keys.get", Method: "GET", Path: "/management/apikeys",
		Summary: "View the keys of threat intelligence services", Section: "6 general",
		Hides: []string{"data.*.key", "data.*.pass"},
	},
	{
		Name: "virustotal.engines.get", Method: "GET", Path: "/management/virustotal/av_engine",
		Summary: "View VirusTotal engines", Section: "7 general",
	},
	{
		Name: "virustotal.engines.set", Method: "POST", Path: "/management/virustotal/av_engine",
		Summary: "Set VirusTotal engines", Section: "8 general", Body: "json", Mutates: true,
		Danger: "replaces the engines in use",
		Params: []backends.Param{
			{Name: "min_match_count", In: "body", Type: "int"},
			{Name: "vt_scan_retention_period", In: "body", Type: "int", Help: "3.5.1+"},
			{Name: "av_engines", In: "body", Type: "object", Help: "map engine -> {\"status\": boolean}"},
		},
	},
	{
		Name: "hunt.upload", Method: "POST", Path: "/hunt-upload",
		Summary: "Hunt by indicator file", Section: "9 general", Paging: "offset", Body: "multipart",
		Params: []backends.Param{
			{Name: "file", In: "file", Type: "file", Required: true, Help: "one indicator per line"},
			{Name: "type", In: "body", Type: "string", Required: true, Enum: []string{"md5", "sha256", "domain_name", "ja3_md5", "process_guid", "parent_process_guid", "target_path", "target_name", "process_name", "remote_address"}},
			{Name: "host_identifier", In: "body", Type: "string"},
			{Name: "query_name", In: "body", Type: "string", Help: "name of a scheduled query"},
			{Name: "start", In: "body", Type: "int", Default: "0"},
			{Name: "limit", In: "body", Type: "int", Default: "100"},
		},
	},
	{
		Name: "hunt.indicators", Method: "POST", Path: "/indicators/hunt",
		Summary: "Hunt by indicator list", Section: "10 general", Paging: "offset", Body: "json",
		Params: []backends.Param{
			{Name: "indicators", In: "body", Type: "string", Required: true, Help: "csv string"},
			{Name: "type", In: "body", Type: "string", Required: true, Enum: []string{"md5", "sha256", "domain_name", "ja3_md5", "process_guid", "parent_process_guid", "target_path", "target_name", "process_name", "remote_address"}},
			{Name: "host_identifier", In: "body", Type: "string"},
			{Name: "query_name", In: "body", Type: "string", Help: "name of a scheduled query"},
			{Name: "start", In: "body", Type: "int", Default: "0"},
			{Name: "limit", In: "body", Type: "int", Default: "100"},
		},
	},
	{
		Name: "hunt.export", Method: "POST", Path: "/hunt-upload/export",
		Summary: "Export hunt results (CSV)", Section: "11 general", Body: "multipart", Returns: "csv",
		Params: []backends.Param{
			{Name: "file", In: "file", Type: "file", Required: true},
			{Name: "type", In: "body", Type: "string", Required: true, Enum: []string{"md5", "sha256", "domain_name", "ja3_md5", "process_guid", "parent_process_guid", "target_path", "target_name", "process_name", "remote_address"}},
			{Name: "host_identifier", In: "body", Type: "string", Required: true},
			{Name: "query_name", In: "body", Type: "string", Required: true, Help: "name of a scheduled query"},
		},
	},
	{
		Name: "search.run", Method: "POST", Path: "/search",
		Summary: "Search by conditions", Section: "12 general", Paging: "offset", Body: "json",
		Params: []backends.Param{
			{Name: "conditions", In: "body", Type: "object", Required: true, Help: "a group {condition, rules}"},
			{Name: "host_identifier", In: "body", Type: "string"},
			{Name: "query_name", In: "body", Type: "string", Help: "name of a scheduled query"},
			{Name: "start", In: "body", Type: "int"},
			{Name: "limit", In: "body", Type: "int"},
		},
	},
	{
		Name: "indicators.search", Method: "POST", Path: "/indicators/upload",
		Summary: "Indicator search in a time window", Section: "13 general", Paging: "id-cursor", Body: "multipart",
		Params: []backends.Param{
			{Name: "file", In: "file", Type: "file", Required: true},
			{Name: "indicator_type", In: "body", Type: "string", Required: true, Enum: []string{"md5", "sha256", "domain_name", "ja3_md5", "process_guid", "parent_process_guid", "target_path", "target_name", "process_name", "remote_address"}},
			{Name: "host_identifier", In: "body", Type: "string"},
			{Name: "query_name", In: "body", Type: "string", Help: "name of a scheduled query"},
			{Name: "start", In: "body", Type: "int", Default: "0", Help: "offset, or the smallest id read (3.5)"},
			{Name: "limit", In: "body", Type: "int", Default: "100"},
			{Name: "duration", In: "body", Type: "int", Enum: []string{"1", "2", "3", "4"}, Default: "3", Help: "1 hour, 2 day, 3 week, 4 thirty days"},
			{Name: "type", In: "body", Type: "int", Enum: []string{"1", "2"}, Default: "2", Help: "1 from, 2 until date"},
			{Name: "date", In: "body", Type: "string", Help: "YYYY-MM-DD; always give it: the default is the day the server started"},
		},
	},
	{
		Name: "indicators.export", Method: "POST", Path: "/indicators/upload/export",
		Summary: "Export an indicator search (CSV)", Section: "14 general", Body: "multipart", Returns: "csv",
		Params: []backends.Param{
			{Name: "file", In: "file", Type: "file", Required: true},
			{Name: "indicator_type", In: "body", Type: "string", Required: true, Enum: []string{"md5", "sha256", "domain_name", "ja3_md5", "process_guid", "parent_process_guid", "target_path", "target_name", "process_name", "remote_address"}},
			{Name: "host_identifier", In: "body", Type: "string"},
			{Name: "query_name", In: "body", Type: "string", Help: "name of a scheduled query"},
			{Name: "duration", In: "body", Type: "int", Enum: []string{"1", "2", "3", "4"}, Default: "3", Help: "1 hour, 2 day, 3 week, 4 thirty days"},
			{Name: "type", In: "body", Type: "int", Enum: []string{"1", "2"}, Default: "2", Help: "1 from, 2 until date"},
			{Name: "date", In: "body", Type: "string", Help: "YYYY-MM-DD; always give it: the default is the day the server started"},
		},
	},
	{
		Name: "activity.search", Method: "POST", Path: "/activity/search",
		Summary: "Activity search", Section: "15 general", Paging: "id-cursor", Body: "json",
		Params: []backends.Param{
			{Name: "conditions", In: "body", Type: "object", Required: true, Help: "a group {condition, rules}"},
			{Name: "host_identifier", In: "body", Type: "string"},
			{Name: "query_name", In: "body", Type: "string", Help: "name of a scheduled query"},
			{Name: "start", In: "body", Type: "int", Default: "0", Help: "offset, or the smallest id read (3.5)"},
			{Name: "limit", In: "body", Type: "int", Default: "100"},
			{Name: "duration", In: "body", Type: "int", Enum: []string{"1", "2", "3", "4"}, Default: "3", Help: "1 hour, 2 day, 3 week, 4 thirty days"},
			{Name: "type", In: "body", Type: "int", Enum: []string{"1", "2"}, Default: "2", Help: "1 from, 2 until date"},
			{Name: "date", In: "body", Type: "string", Help: "YYYY-MM-DD; always give it: the default is the day the server started"},
		},
	},
	{
		Name: "results.delete", Method: "POST", Path: "/queryresult/delete",
		Summary: "Delete stored query results", Section: "16 general", Until: "ce2", Body: "json", Mutates: true,
		Danger: "permanently deletes stored results",
		Params: []backends.Param{
			{Name: "days_of_data", In: "body", Type: "int", Required: true},
		},
	},
	{
		Name: "settings.get", Method: "GET", Path: "/management/settings",
		Summary: "View platform settings", Section: "17 general",
	},
	{
		Name: "settings.set", Method: "PUT", Path: "/management/settings",
		Summary: "Update platform settings", Section: "18 general", Body: "json", Mutates: true,
		Danger: "a shorter purge duration permanently deletes stored results",
		Params: []backends.Param{
			{Name: "purge_data_duration", In: "body", Type: "string", Help: "days; integer in 2.x, text in 3.5.1"},
			{Name: "alert_aggregation_duration", In: "body", Type: "string", Help: "seconds; same"},
			{Name: "sso_enable", In: "body", Type: "string", Enum: []string{"true", "false"}, Help: "3.5.1+"},
			{Name: "sso_configuration", In: "body", Type: "object", Help: "3.5.1+"},
		},
	},
	{
		Name: "results.export", Method: "POST", Path: "/schedule_query/export",
		Summary: "Export scheduled query results (CSV)", Section: "19 general", Body: "json", Returns: "csv",
		Params: []backends.Param{
			{Name: "query_name", In: "body", Type: "string", Required: true, Help: "name of a scheduled query"},
			{Name: "host_identifier", In: "body", Type: "string", Required: true},
		},
	},
	{
		Name: "dashboard.get", Method: "GET", Path: "/dashboard",
		Summary: "Dashboard", Section: "20 dashboard",
	},
	{
		Name: "email.set", Method: "POST", Path: "/email/configure",
		Summary: "Configure e-mail", Section: "54 email", Body: "json", Mutates: true,
		Danger: "sends a test mail and replaces the settings",
		Hides:  []string{"data.password"},
		Params: []backends.Param{
			{Name: "email", In: "body", Type: "string", Help: "sender; what is left out is taken from the settings there are"},
			{Name: "smtpPort", In: "body", Type: "string"},
			{Name: "smtpAddress", In: "body", Type: "string"},
			{Name: "password", In: "body", Type: "string", Required: true, Secret: true, Help: "of the mail account; wanted every time"},
			{Name: "emailRecipients", In: "body", Type: "string", Help: "separated by commas"},
			{Name: "use_ssl", In: "body", Type: "bool", Default: "false"},
			{Name: "use_tls", In: "body", Type: "bool", Default: "false"},
		},
	},
	{
		Name: "email.get", Method: "GET", Path: "/email/configure",
		Summary: "View email settings", Section: "55 email",
		Hides: []string{"data.password"},
	},
	{
		Name: "email.test", Method: "POST", Path: "/email/test",
		Summary: "Send a test e-mail", Section: "56 email", Body: "json", Mutates: true,
		Params: []backends.Param{
			{Name: "email", In: "body", Type: "string", Help: "sender; what is left out is taken from the settings there are"},
			{Name: "smtpPort", In: "body", Type: "string"},
			{Name: "smtpAddress", In: "body", Type: "string"},
			{Name: "password", In: "body", Type: "string", Required: true, Secret: true, Help: "of the mail account; wanted every time"},
			{Name: "emailRecipients", In: "body", Type: "string", Help: "separated by commas"},
			{Name: "use_ssl", In: "body", Type: "bool", Default: "false"},
			{Name: "use_tls", In: "body", Type: "bool", Default: "false"},
		},
	},
}
