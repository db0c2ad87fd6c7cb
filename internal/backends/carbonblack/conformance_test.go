package carbonblack_test

import (
	"testing"

	"github.com/edrctl/edrctl/internal/backends/carbonblack"
	"github.com/edrctl/edrctl/internal/backends/conformance"
	"github.com/edrctl/edrctl/internal/client"
	"github.com/edrctl/edrctl/internal/demo"
)

func TestConformance(t *testing.T) {
	conformance.Run(t, conformance.Harness{
		Backend: carbonblack.Name, Start: demo.One,
		Rate: client.Rate{PerSecond: 10_000, Concurrent: 4},
	})
}
