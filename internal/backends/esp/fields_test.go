package esp_test

import (
	"testing"

	"github.com/edrctl/edrctl/internal/backends/conformance"
)

func TestFields(t *testing.T) { conformance.RunFields(t, harness, nil, false) }
