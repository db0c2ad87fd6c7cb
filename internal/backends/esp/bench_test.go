package esp_test

import (
	"testing"
	"time"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/backends/esp"
)

// BenchmarkRow is one row of 15 to a normalised event.
func BenchmarkRow(b *testing.B) {
	row := []byte(`{"id": 33, "name": "win_file_events", "timestamp": "22-11-2026 02:19:20", "action": "added", "columns": {"eid": "DD17ADC9-1955-4C71-A187-A63DE59D493C", "md5": "0000000000000000000000000000001a", "pid": "3000", "uid": "NT AUTHORITY\\SYSTEM", "time": "1795313960", "action": "FILE_WRITE", "hashed": "1", "sha256": "000000000000000000000000000000000000000000000000000000000000001a", "eventid": "1", "pe_file": "NO", "utc_time": "Sun Nov 22 02:19:20 2026 UTC", "target_path": "C:\\Users\\Public\\drop26.bin", "process_guid": "58E0F090-D62C-11EA-8283-02F7A50E7DFE", "process_name": "C:\\Windows\\System32\\WindowsPowerShell\\v1.0\\powershell.exe"}, "node_id": 2, "uuid": "464b2dc5-2d62-4e8a-ae13-e4b782d73433", "status": 0, "task_id": null, "hostname": "EC2AMAZ-2RJ1BIF", "host_identifier": "EC2CE2E2-3D74-1248-2FA9-23F2E960ED42"}`)
	b.SetBytes(int64(len(row)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := esp.ReadRow(row); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkEvents reads 50,000 events through the fake, server included.
func BenchmarkEvents(b *testing.B) {
	const n = 50_000
	data := small()
	data.Results = rows(n)
	d := newDriver(b, serve(b, fakeAt(data)), at)
	b.ReportAllocs()
	for b.Loop() {
		l, err := d.Events(b.Context(), backends.Query{Since: anchor.Add(-24 * time.Hour), Until: anchor})
		if err != nil {
			b.Fatal(err)
		}
		got := 0
		for _, err := range l.Seq {
			if err != nil {
				b.Fatal(err)
			}
			got++
		}
		if got != n {
			b.Fatal(got)
		}
	}
	b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "events/s")
}
