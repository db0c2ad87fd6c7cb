package catalog

import (
	"slices"

	"github.com/edrctl/edrctl/internal/backends"
)

// IsLog tells the operations that read an endpoint's log, which need a window
// of time.
func IsLog(op backends.Operation) bool {
	return op.Name == "logs.list" || op.Name == "alerts.list" || op.Name == "detections.list"
}

// ByEndpoint tells the operations whose data is an object keyed by endpoint.
func ByEndpoint(op backends.Operation) bool {
	return op.Name == "reports.list" || op.Name == "artifacts.all"
}

// findable are the operations of which a look at the manager tells whether
// they were carried out: their plan would then do nothing, or what was to be
// deleted is not there.
var findable = []string{
	"rules.add", "rules.delete", "iocs.add", "iocs.delete", "users.create", "users.add", "users.update", "users.delete", "config.set", "config.delete",
	"sysmon.config.delete", "sysmon.binary.set", "sysmon.binary.delete", "osqueryi.binary.set", "osqueryi.binary.delete",
	"endpoints.update", "endpoints.delete", "reports.delete",
}

// Findable tells whether a look at the manager tells what became of an
// operation.
func Findable(name string) bool { return slices.Contains(findable, name) }
