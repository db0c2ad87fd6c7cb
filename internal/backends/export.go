package backends

import (
	"slices"

	"github.com/edrctl/edrctl/internal/model"
)

// Export is a form in which a product's records lie in files: what its API
// answers or its streams send, saved. The driver that knows the product's JSON
// reads it there too.
type Export struct {
	Name string
	// Is tells whether a document is a record of this form, and of no other.
	Is func(Document) bool
	// Read gives what the document says; q says what to keep.
	Read func(document []byte, q Query) ([]model.Record, error)
}

// Document is a JSON document before it is decoded.
type Document interface {
	Has(path string) bool // a value that is not null at names joined by dots
}

var exports []Export // guarded by mu

// RegisterExports adds the forms of a product; each driver calls it in an init.
func RegisterExports(list ...Export) {
	mu.Lock()
	defer mu.Unlock()
	exports = append(exports, list...)
}

// Exports gives the forms of all products.
func Exports() []Export {
	mu.RLock()
	defer mu.RUnlock()
	return slices.Clone(exports)
}
