package gene_test

import (
	"testing"

	"github.com/edrctl/edrctl/internal/backends/conformance"
	"github.com/edrctl/edrctl/internal/demo"
)

func TestConformance(t *testing.T) {
	conformance.Run(t, conformance.Harness{Backend: "gene", Start: demo.One})
}
