package esp_test

import (
	"testing"

	"github.com/edrctl/edrctl/internal/backends/conformance"
	"github.com/edrctl/edrctl/internal/demo"
)

var harness = conformance.Harness{Backend: "esp", Start: demo.One}

func TestConformance(t *testing.T) { conformance.Run(t, harness) }

func TestConformanceHunt(t *testing.T) { conformance.RunHunt(t, harness) }

func TestConformanceTree(t *testing.T) { conformance.RunTree(t, harness) }

func TestConformanceCalls(t *testing.T) { conformance.RunCalls(t, harness) }
