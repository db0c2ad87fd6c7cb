package catalog

import (
	"slices"

	"github.com/edrctl/edrctl/internal/backends"
)

// Operations is every operation of the vendor's document: 120 under the API
// base, and the download of server files next to it.
func Operations() []backends.Operation {
	return slices.Concat(generalOperations, hostsOperations, contentOperations, rulesOperations, alertsOperations, responseOperations)
}
