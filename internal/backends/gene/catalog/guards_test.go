package catalog

import (
	"testing"

	"github.com/edrctl/edrctl/internal/backends"
)

// A name in a table that no operation has guards nothing.
func TestGuardsNameOperations(t *testing.T) {
	ops := Operations()
	for _, name := range findable {
		if op, ok := backends.OperationNamed(ops, name); !ok || !op.Mutates {
			t.Errorf("%s is not an operation that changes something", name)
		}
	}
	logs, byEndpoint := 0, 0
	for _, op := range ops {
		if IsLog(op) {
			logs++
		}
		if ByEndpoint(op) {
			byEndpoint++
		}
		if (IsLog(op) || ByEndpoint(op)) && op.Mutates {
			t.Errorf("%s changes something", op.Name)
		}
	}
	if logs != 3 || byEndpoint != 2 {
		t.Errorf("%d logs, %d keyed by endpoint", logs, byEndpoint)
	}
}
