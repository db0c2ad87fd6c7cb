package esp_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/backends/conformance"
	"github.com/edrctl/edrctl/internal/backends/esp/fake"
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

func TestOneAddressHasOneSpelling(t *testing.T) {
	data := small()
	var list fake.List
	for i, ip := range conformance.Spellings {
		at := anchor.Add(-time.Duration(10-i) * time.Minute)
		list = append(list, fake.Result{ID: int64(1 + i), Name: "win_socket_events", Time: at, Action: "added", NodeID: 1, Columns: fake.Columns{
			{K: "eid", V: fmt.Sprintf("00000000-0000-0000-0000-%012d", i)}, {K: "action", V: "SOCKET_CONNECT"}, {K: "time", V: fmt.Sprint(at.Unix())}, {K: "remote_address", V: ip},
		}})
	}
	data.Results = list
	conformance.OneAddress(t, newDriver(t, serve(t, fakeAt(data)), at), backends.Query{Since: anchor.Add(-time.Hour), Until: anchor})
}
