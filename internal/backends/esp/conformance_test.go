package esp_test

import (
	"testing"

	"github.com/edrctl/edrctl/internal/backends/conformance"
	"github.com/edrctl/edrctl/internal/demo"
)

var harness = conformance.Harness{Backend: "esp", Start: demo.One, Faulty: demo.Faulty}

func TestConformance(t *testing.T) { conformance.Run(t, harness) }

func TestConformanceHunt(t *testing.T) { conformance.RunHunt(t, harness) }

func TestConformanceTree(t *testing.T) { conformance.RunTree(t, harness) }

func TestConformanceCalls(t *testing.T) {
	h := harness
	h.Skip = map[string]string{
		// The server's clock stands still here, and a token is a function of
		// user and second: after these no new session can be had.
		"calls/auth.logout":          "ends every session; TestLogoutCall drives it",
		"calls/auth.password.change": "ends every session; TestPasswordCall drives it",
	}
	conformance.RunCalls(t, h)
}
