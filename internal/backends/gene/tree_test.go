package gene_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/backends/gene"
	"github.com/edrctl/edrctl/internal/backends/gene/fake"
)

// guidAt is a Sysmon GUID of a process that was started at a time.
func guidAt(at time.Time, n int) string {
	u := uint32(at.Unix())
	return fmt.Sprintf("515cd0d1-%04x-%04x-%04x-%012x", u&0xffff, u>>16, 0x4400, n)
}

// What Sysmon writes into its GUIDs is the start: so it is in the real file.
func TestStartInGUID(t *testing.T) {
	n := 0
	for _, line := range realEvents(t) {
		var e struct {
			Event struct {
				EventData map[string]any
				System    struct{ EventID any }
			}
		}
		if json.Unmarshal(line, &e) != nil || fmt.Sprint(e.Event.System.EventID) != "1" {
			continue
		}
		guid := strings.Trim(fmt.Sprint(e.Event.EventData["ProcessGuid"]), "{}")
		at, err := time.Parse("2006-01-02 15:04:05.999", fmt.Sprint(e.Event.EventData["UtcTime"]))
		if err != nil {
			continue
		}
		got, ok := gene.StartOf(guid, at)
		if !ok || got.Sub(at).Abs() > 10*time.Second {
			t.Errorf("%s: %v, the event says %v", guid, got, at)
		}
		n++
	}
	if n == 0 {
		t.Fatal("no process was started in the real file")
	}
	t.Logf("%d processes", n)
}

func TestProcess(t *testing.T) {
	each(t, func(t *testing.T, v string) {
		log := &memLog{}
		start := func(at time.Time, guid string, endpoint int) {
			log.put(fake.Meta{Time: at, Endpoint: endpoint}, fake.Event{Computer: "ALPHA", EventID: 1, Data: []fake.KV{
				{K: "Image", V: `C:\Windows\x.exe`}, {K: "ProcessGuid", V: "{" + guid + "}"}, {K: "ProcessId", V: "77"},
				{K: "UtcTime", V: at.Format("2006-01-02 15:04:05.000")},
			}})
		}
		old, recent := now.Add(-40*24*time.Hour), now.Add(-30*time.Hour)
		far, near, made := guidAt(old, 1), guidAt(recent, 2), "515cd0d1-0000-0000-4400-000000000003"
		start(old, far, 0)
		start(recent, near, 1)
		start(recent.Add(time.Minute), made, 1)
		d, _, f := startLog(t, log, v)
		for _, guid := range []string{far, near, made} {
			p, err := d.Process(t.Context(), guid, now)
			if err != nil || p.UID != guid || p.PID != 77 || p.Started.IsZero() || p.Host == nil {
				t.Errorf("%s: %+v, %v", guid, p, err)
			}
		}
		before := f.Calls()["GET /endpoints/{uuid}/logs"]
		for _, id := range []string{"", "x", "../..", strings.Repeat("0", 40)} {
			if _, err := d.Process(t.Context(), id, now); backends.KindOf(err) != backends.KindNotFound {
				t.Errorf("%q: %v", id, err)
			}
		}
		if f.Calls()["GET /endpoints/{uuid}/logs"] != before {
			t.Error("logs were read for what is not an id")
		}
	})
}

func startLog(t *testing.T, log fake.Log, version string) (*gene.Driver, *told, *fake.Server) {
	t.Helper()
	return start(t, &fake.Data{Endpoints: machines(), Log: log}, fake.Options{Version: version})
}
