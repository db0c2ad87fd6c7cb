package catalog

import "github.com/edrctl/edrctl/internal/backends"

type verb = backends.ResourceVerb

// Resources are the nouns by which this manager is administered.
func Resources() []backends.Resource {
	fixed := func(pairs ...any) map[string]any {
		out := map[string]any{}
		for i := 0; i+1 < len(pairs); i += 2 {
			out[pairs[i].(string)] = pairs[i+1]
		}
		return out
	}
	return []backends.Resource{
		{Noun: "rules", Title: "detection and filter rules of the Gene engine", ID: "Name", Columns: []string{"Name", "Meta.Criticality", "Meta.Filter", "Tags", "Condition"}, Verbs: []verb{
			{Name: "add", Op: "rules.add", From: "rules", Fixed: fixed("update", false, "activate", true), Example: "-f rules.gen --dry-run",
				Short: "Add rules and put them to use, saving and reloading where the manager needs it"},
			{Name: "update", Op: "rules.add", From: "rules", Fixed: fixed("update", true, "activate", true), Example: "-f rules.gen --dry-run",
				Short: "Replace rules of the same names, and put them to use"},
			{Name: "delete", Op: "rules.delete", Operands: []string{"name..."}, Fixed: fixed("activate", true), Example: "HeurLsassAccess --dry-run",
				Short: "Delete rules by their exact names, and stop using them"},
			{Name: "save", Op: "rules.save", Short: "Write the rules to the manager's disk, unless it shows one it refused"},
			{Name: "reload", Op: "rules.reload", Short: "Restart the engine with the rules on the manager's disk"},
		}},
		{Noun: "iocs", Title: "the IoC store of a server", ID: "value", Columns: []string{"value", "type", "source", "guuid", "uuid"}, Verbs: []verb{
			{Name: "list", Op: "iocs.list", Short: "List the indicators; any of the criteria is enough"},
			{Name: "add", Op: "iocs.add", Operands: []string{"iocs..."}, From: "iocs", Example: "evil.example 198.51.100.7 --source IR-2231 --dry-run",
				Short: "Add indicators; what the store has already is left alone"},
			{Name: "remove", Op: "iocs.delete", Operands: []string{"value..."}, Example: "evil.example --source IR-2231 --dry-run",
				Short: "Remove indicators that match all the criteria; they are read and shown first"},
		}},
		{Noun: "users", Title: "users of the admin API", ID: "uuid", Columns: []string{"identifier", "group", "description", "uuid", "key"}, Verbs: []verb{
			{Name: "list", Op: "users.list", Short: "List the users; their keys are masked"},
			{Name: "get", Op: "users.get", Operands: []string{"uuid..."}, Short: "Show users; their keys are masked", Example: "admin"},
			{Name: "add", Op: "users.add", Operands: []string{"identifier"}, Short: "Make a user; the key is shown this once", Example: "alice --group soc --dry-run"},
			{Name: "update", Op: "users.update", Operands: []string{"uuid"}, Short: "Change a user's group, description or key", Example: "alice --description 'first line' --dry-run"},
			{Name: "delete", Op: "users.delete", Operands: []string{"uuid..."}, Short: "Delete users; never the last one", Example: "alice --dry-run"},
		}},
		{Noun: "hosts config", Title: "the configuration of an agent", Verbs: []verb{
			{Name: "get", Op: "config.get", Operands: []string{"uuid"}, Short: "Show the configuration of an agent; its keys are masked", Example: "FIN-WS-014"},
			{Name: "set", Op: "config.set", Operands: []string{"uuid"}, From: "config", Short: "Change the configuration of an agent; members that the file omits are kept", Example: "FIN-WS-014 -f config.json --dry-run"},
			{Name: "delete", Op: "config.delete", Operands: []string{"uuid..."}, Short: "Forget the configuration of an agent, which sends its own again", Example: "FIN-WS-014 --dry-run"},
		}},
		{Noun: "hosts command", Title: "the command of an endpoint", ID: "uuid", Columns: []string{"name", "args", "completed", "sent", "error", "uuid"}, Verbs: []verb{
			{Name: "get", Op: "command.get", Operands: []string{"uuid"}, Short: "Show the command an endpoint has, and how far it is", Example: "FIN-WS-014"},
		}},
		{Noun: "hosts reports", Title: "alert reports of endpoints", ID: "identifier",
			Columns: []string{"identifier", "alert-count", "score", "bounded-score", "signatures", "start-time", "stop-time"}, Verbs: []verb{
				{Name: "list", Op: "reports.list", Short: "List the reports of all endpoints"},
				{Name: "archive", Op: "reports.archive", Operands: []string{"uuid"}, Short: "List the reports an endpoint had before, oldest first", Example: "FIN-WS-014 --last 7d"},
				{Name: "reset", Op: "reports.delete", Operands: []string{"uuid..."}, Short: "Reset the report of endpoints", Example: "FIN-WS-014 --dry-run"},
			}},
		{Noun: "sysmon", Title: "the Sysmon program and configuration that agents install", Verbs: []verb{
			{Name: "config", Op: "sysmon.config.get", Operands: []string{"version"}, Fixed: fixed("os", "windows"), Short: "Show a Sysmon configuration, by its schema version", Example: "4.70"},
			{Name: "set-config", Op: "sysmon.config.set", From: "config", Fixed: fixed("os", "windows"), Short: "Store a Sysmon configuration, XML or JSON, which agents install", Example: "-f sysmonconfig.xml --dry-run"},
			{Name: "delete-config", Op: "sysmon.config.delete", Operands: []string{"version"}, Fixed: fixed("os", "windows"), Short: "Delete a Sysmon configuration", Example: "4.70 --dry-run"},
			{Name: "binary", Op: "sysmon.binary.get", Fixed: fixed("os", "windows"), Columns: toolColumns, Short: "Show the Sysmon program that agents install"},
			{Name: "set-binary", Op: "sysmon.binary.set", From: "binary", Fixed: fixed("os", "windows"), Columns: toolColumns, Short: "Store the Sysmon program, which agents install and run", Example: "-f Sysmon64.exe --dry-run"},
			{Name: "delete-binary", Op: "sysmon.binary.delete", Fixed: fixed("os", "windows"), Columns: toolColumns, Short: "Delete the Sysmon program"},
		}},
		{Noun: "osquery", Title: "the osquery program that agents install", Columns: toolColumns, Verbs: []verb{
			{Name: "binary", Op: "osqueryi.binary.get", Fixed: fixed("os", "windows"), Short: "Show the osqueryi program that agents install"},
			{Name: "set-binary", Op: "osqueryi.binary.set", From: "binary", Fixed: fixed("os", "windows"), Short: "Store the osqueryi program, which agents install and run", Example: "-f osqueryi.exe --dry-run"},
			{Name: "delete-binary", Op: "osqueryi.binary.delete", Fixed: fixed("os", "windows"), Short: "Delete the osqueryi program"},
		}},
		{Noun: "stats", Title: "server statistics", Columns: []string{"endpoint-count", "rule-count"}, Verbs: []verb{
			{Name: "get", Op: "stats.get", Short: "Count endpoints and rules"},
		}},
	}
}

var toolColumns = []string{"name", "os", "metadata.sha256", "uuid"}
