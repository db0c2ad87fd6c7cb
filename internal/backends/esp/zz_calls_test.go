package esp_test
import ("testing";"github.com/edrctl/edrctl/internal/backends/conformance";"github.com/edrctl/edrctl/internal/demo")
func TestZZ(t *testing.T){ conformance.RunCalls(t, conformance.Harness{Backend:"esp", Start: demo.One}) }
