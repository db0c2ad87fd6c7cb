package esp_test

import (
	"strings"
	"testing"
	"time"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/backends/esp/fake"
)

// An alert of the server's indicators is titled by the value that matched and
// names the entry, not by another column of the row.
func TestIndicatorAlertNamesItsEntry(t *testing.T) {
	data := estate()
	data.Alerts = []fake.Alert{{
		ID: 1, Time: anchor.Add(-time.Minute), Severity: "WARNING", Type: "Threat Intel", Source: "ioc", NodeID: 1, QueryName: "win_socket_events",
		Entry: fake.Columns{{K: "action", V: "SOCKET_CONNECT"}, {K: "path", V: `C:\x.exe`}, {K: "target_path", V: `C:\y.txt`}, {K: "remote_address", V: "192.0.2.2"}},
	}}
	d := newDriver(t, serve(t, fakeAt(data)), at)
	l, err := d.Alerts(t.Context(), backends.Query{Since: anchor.Add(-time.Hour), Until: anchor})
	if err != nil {
		t.Fatal(err)
	}
	got, err := collect(l.Seq)
	if err != nil || len(got) != 1 || got[0].Title != "Indicator match: 192.0.2.2 (bad_ip)" || !strings.Contains(got[0].Description, "bad_ip") {
		t.Fatalf("%+v, %v", got, err)
	}
	if a, err := d.Alert(t.Context(), "1", false); err != nil || a.Title != got[0].Title {
		t.Errorf("%+v, %v", a, err)
	}
}
