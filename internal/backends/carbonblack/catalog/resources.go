package catalog

import "github.com/edrctl/edrctl/internal/backends"

// Resources are the nouns by which Carbon Black is administered.
func Resources() []backends.Resource {
	policyColumns := []string{"id", "name", "priorityLevel", "systemPolicy", "description"}
	return []backends.Resource{
		{
			Noun: "policies", Title: "what sensors allow, block and quarantine; a device has one policy", ID: "id", Columns: policyColumns,
			Verbs: []backends.ResourceVerb{
				{Name: "list", Op: "policies.list"},
				{Name: "get", Op: "policies.get", Operands: []string{"policyId"}, Example: "6520"},
				{Name: "add", Op: "policies.create", From: "policyInfo", Columns: []string{"id", "message"}, Short: "Create a policy from a file"},
				{Name: "update", Op: "policies.replace", Operands: []string{"policyId"}, From: "policyInfo", Short: "Replace a policy; what the file leaves out stays as it is"},
				{Name: "delete", Op: "policies.delete", Operands: []string{"policyId"}, Example: "6522 --dry-run"},
				{Name: "assign", Op: "devices.policy", Operands: []string{"policyId", "deviceId..."}, Example: "6521 218616 --dry-run", Short: "Move devices to a policy"},
			},
		},
		{
			Noun: "policies rules", Title: "what a policy denies, terminates or lets pass", ID: "id",
			Verbs: []backends.ResourceVerb{
				{Name: "add", Op: "policies.rules.add", Operands: []string{"policyId"}, From: "ruleInfo", Columns: []string{"id", "message"}, Short: "Add a rule to a policy, from a file"},
				{Name: "update", Op: "policies.rules.replace", Operands: []string{"policyId", "ruleId"}, From: "ruleInfo", Short: "Replace a rule of a policy"},
				{Name: "delete", Op: "policies.rules.delete", Operands: []string{"policyId", "ruleId..."}, Short: "Delete rules of a policy"},
			},
		},
		{
			Noun: "sessions", Title: "live response sessions, each open on one device", ID: "id", Columns: []string{"id", "sensor_id", "status", "hostname", "address"},
			Verbs: []backends.ResourceVerb{
				{Name: "list", Op: "live.sessions.list"},
				{Name: "get", Op: "live.sessions.get", Operands: []string{"sessionId"}, Example: "1"},
				{Name: "close", Op: "live.sessions.close", Operands: []string{"session_id..."}, Example: "1 --dry-run", Fixed: map[string]any{"status": "CLOSE"}, Short: "Close sessions, and the others of their devices"},
			},
		},
	}
}
