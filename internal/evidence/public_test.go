package evidence

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/edrctl/edrctl/internal/model"
)

func shared(t testing.TB, name ...string) string {
	t.Helper()
	root := os.Getenv("EDRCTL_SHARED")
	if root == "" {
		t.Skip("SKIPPED: public evidence: set EDRCTL_SHARED to the folder that holds data/")
	}
	return filepath.Join(append([]string{root, "data"}, name...)...)
}

// readAll reads every source and gives the items by source.
func readAll(t testing.TB, o Options, paths ...string) map[string][]Item {
	t.Helper()
	sources, err := Files(paths)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string][]Item{}
	for _, s := range sources {
		r, err := s.Open()
		if err != nil {
			t.Fatal(err)
		}
		out[s.Name] = nil
		for it, err := range Read(context.Background(), s.Name, r, o) {
			if err != nil {
				t.Errorf("%s: %v", s.Name, err)
				break
			}
			out[s.Name] = append(out[s.Name], it)
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}
	return out
}

// Every line of the 44 public archives is a record with the kind that its
// channel and event id have; the packet captures in them are named as such.
func TestPublicArchives(t *testing.T) {
	kinds := map[string]map[model.Kind]int{}
	counts := map[string]int{}
	for name, items := range readAll(t, Options{Log: true}, shared(t, "evidence", "otrf.tar")) {
		for _, it := range items {
			switch {
			case it.Err != nil && (strings.HasSuffix(name, ".cap") || strings.HasSuffix(name, ".pcapng")):
				counts["captures"]++
			case it.Err != nil:
				t.Errorf("%s:%d: %v", name, it.Line, it.Err)
			case it.Alert != nil:
				counts["alerts"]++
			default:
				counts[it.Format]++
				e := it.Event
				if e.Time.IsZero() || e.ID == "" || e.Summary == "" || it.Format == "flat" && (e.Host.Name == "" || e.Log.EventID == 0) {
					t.Fatalf("%s:%d: %+v", name, it.Line, e)
				}
				if y := e.Time.Year(); y < 2020 || y > 2022 {
					t.Fatalf("%s:%d: time %v of %s", name, it.Line, e.Time, e.Log.Text)
				}
				if it.Local {
					counts["local"]++
				}
				key := fmt.Sprint(e.Log.Channel, " ", e.Log.EventID)
				if kinds[key] == nil {
					kinds[key] = map[model.Kind]int{}
				}
				kinds[key][e.Kind]++
			}
		}
	}
	want := map[string]int{"flat": 26182, "auditd": 3, "captures": 16, "local": 250}
	if !maps.Equal(counts, want) {
		t.Errorf("records %v, want %v", counts, want)
	}
	for key, kind := range publicKinds {
		if got := kinds[key]; len(got) != 1 || got[kind] == 0 {
			t.Errorf("%s: %v, want %s", key, got, kind)
		}
	}
}

// publicKinds are the kinds of what the archives hold, by channel and id.
var publicKinds = map[string]model.Kind{
	"Microsoft-Windows-Sysmon/Operational 1": model.KindProcessStart, "Microsoft-Windows-Sysmon/Operational 2": model.KindFileWrite, "Microsoft-Windows-Sysmon/Operational 3": model.KindNetworkConnect,
	"Microsoft-Windows-Sysmon/Operational 5": model.KindProcessEnd, "Microsoft-Windows-Sysmon/Operational 7": model.KindModuleLoad, "Microsoft-Windows-Sysmon/Operational 8": model.KindProcessInject,
	"Microsoft-Windows-Sysmon/Operational 9": model.KindRawRead, "Microsoft-Windows-Sysmon/Operational 10": model.KindProcessAccess, "Microsoft-Windows-Sysmon/Operational 11": model.KindFileCreate,
	"Microsoft-Windows-Sysmon/Operational 13": model.KindRegistrySet, "Microsoft-Windows-Sysmon/Operational 17": model.KindPipeCreate, "Microsoft-Windows-Sysmon/Operational 18": model.KindPipeConnect,
	"Microsoft-Windows-Sysmon/Operational 22": model.KindDNSQuery, "Microsoft-Windows-Sysmon/Operational 23": model.KindFileDelete, "Microsoft-Windows-Sysmon/Operational 24": model.KindClipboard,
	"Microsoft-Windows-Sysmon/Operational 26": model.KindFileDelete, "Microsoft-Windows-PowerShell/Operational 4103": model.KindScriptBlock, "Microsoft-Windows-PowerShell/Operational 4104": model.KindScriptBlock,
	"Windows PowerShell 800": model.KindScriptBlock, "Microsoft-Windows-TaskScheduler/Operational 106": model.KindTaskChange, "Microsoft-Windows-WMI-Activity/Operational 5857": model.KindWMI,
	"System 104": model.KindLogCleared, "Security 1102": model.KindLogCleared, "Security 4624": model.KindLogon,
	"Security 4625": model.KindLogonFailed, "Security 4634": model.KindLogoff, "Security 4648": model.KindLogon,
	"Security 4672": model.KindPrivilege, "Security 4688": model.KindProcessStart, "Security 4689": model.KindProcessEnd,
	"Security 4698": model.KindTaskChange, "Security 4742": model.KindAccountChange, "Security 4768": model.KindLogon,
	"Security 5140": model.KindShareAccess, "Security 5145": model.KindShareAccess, "Security 5156": model.KindNetworkConnect,
	"Security 5158": model.KindNetworkListen, "security 4688": model.KindProcessStart, "auditd 0": model.KindProcessStart,
}

// The regression cases of a public rule set: documents pretty-printed, some
// files with several of them. All are Windows records that name their channel.
func TestPublicDocuments(t *testing.T) {
	n := 0
	for name, items := range readAll(t, Options{Log: true}, shared(t, "sigma", "sigma-regression.tar.gz")) {
		if !strings.HasSuffix(name, ".json") {
			continue
		}
		for _, it := range items {
			if it.Err != nil || it.Format != "windows" {
				t.Errorf("%s:%d: %s %v", name, it.Line, it.Format, it.Err)
				continue
			}
			if e := it.Event; e != nil {
				n++
				if e.Log.EventID == 0 || e.Log.Channel == "" || e.Host.Name == "" || len(e.Log.Data) == 0 || e.Time.IsZero() || it.Local {
					t.Errorf("%s:%d: %+v", name, it.Line, e.Log)
				}
			}
		}
		if len(items) == 0 {
			t.Errorf("%s: nothing read", name)
		}
	}
	if n < 106 {
		t.Errorf("%d records", n)
	}
	t.Log(n, "records")
}
