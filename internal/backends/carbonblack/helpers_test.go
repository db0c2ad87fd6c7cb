package carbonblack_test

import (
	"cmp"
	"context"
	"fmt"
	"io/fs"
	"iter"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/backends/carbonblack"
	"github.com/edrctl/edrctl/internal/backends/carbonblack/fake"
	"github.com/edrctl/edrctl/internal/client"
	"github.com/edrctl/edrctl/internal/filter"
	"github.com/edrctl/edrctl/internal/recordings"
)

var now = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

const (
	apiKey  = "APISECRETVALUE/APIID"
	siemKey = "SIEMSECRETVALUE/SIEMID"
	liveKey = "LIVESECRETVALUE/LIVEID"
)

func fakeOptions() fake.Options {
	return fake.Options{Now: func() time.Time { return now }, APIKey: apiKey, SIEMKey: siemKey, LiveResponseKey: liveKey}
}

// config is a driver's profile in a test.
type config struct {
	secrets  map[string]string
	settings map[string]string
	stateDir string
	base     string // appended to the server's URL
	warn     func(string)
	timeout  time.Duration // 0 = 5 s
}

var allKeys = map[string]string{"api_key": apiKey, "siem_key": siemKey, "live_response_key": liveKey}

func open(t testing.TB, h http.Handler, c config) *carbonblack.Driver {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	if c.secrets == nil {
		c.secrets = allKeys
	}
	d, err := carbonblack.New(backends.Options{
		Profile:  "test",
		Client:   client.Config{BaseURL: srv.URL + c.base, Timeout: cmp.Or(c.timeout, 5*time.Second), Rate: client.Rate{PerSecond: 10_000, Concurrent: 4}},
		Settings: c.settings,
		Secret: func(_ context.Context, name string) (string, error) {
			if s := c.secrets[name]; s != "" {
				return s, nil
			}
			return "", &backends.Error{Kind: backends.KindAuth, Why: "set EDRCTL_TEST_" + strings.ToUpper(name)}
		},
		Now: func() time.Time { return now }, StateDir: c.stateDir, Warn: c.warn,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	return d.(*carbonblack.Driver)
}

// collect reads a sequence to its end or its error.
func collect[T any](seq iter.Seq2[T, error]) ([]T, error) {
	var out []T
	for v, err := range seq {
		if err != nil {
			return out, err
		}
		out = append(out, v)
	}
	return out, nil
}

func where(t testing.TB, pairs ...string) filter.Filter {
	t.Helper()
	var f filter.Filter
	for i := 0; i < len(pairs); i += 2 {
		if err := f.Add(filter.Field(pairs[i]), pairs[i+1]); err != nil {
			t.Fatal(err)
		}
	}
	return f
}

// recording reads a recorded body.
func recording(t testing.TB, name string) []byte {
	t.Helper()
	b, err := fs.ReadFile(recordings.Of("carbonblack"), name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// answer serves one body to every request.
func answer(body []byte) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(body)
	})
}

var shaOf = func(n int) string { return fmt.Sprintf("%064x", 0xabc000+n) }

// fleet is a small organisation: n events, one every step back from now, over
// four devices, some of them in the alerts.
func fleet(n int, step time.Duration) *fake.Data {
	d := &fake.Data{OrgID: 7, OrgName: "corp.example", Policies: []fake.Policy{
		{ID: 1, Name: "Standard", LiveResponse: true}, {ID: 2, Name: "Quarantine", Quarantine: true, LiveResponse: true},
	}}
	names := []string{"WS-1", "ws-10", `CORP\WS-3`, "mac-4"}
	for i, name := range names {
		dev := fake.Device{
			ID: int64(100 + i), Name: name, Type: "WINDOWS", OSVersion: "Windows 10 x64 ", SensorVersion: "3.6", Status: "REGISTERED",
			InternalIP: fmt.Sprintf("10.0.0.%d", i+1), ExternalIP: "192.0.2.7", MAC: fmt.Sprintf("0050569a000%d", i),
			Email: fmt.Sprintf(`CORP\user%d`, i), PolicyID: 1, TargetPriority: "HIGH", LastContact: now.Add(-time.Duration(i) * 10 * time.Minute).UnixMilli(),
			Registered: now.Add(-1000 * time.Hour).UnixMilli(), LiveResponse: true, UninstallCode: "UNINSTALLSECRET", ActivationCode: "ACTIVATESECRET",
		}
		if i == 3 {
			dev.Type, dev.OSVersion = "MAC", "MAC OS X 10.15"
		}
		d.Devices = append(d.Devices, dev)
	}
	types := []string{"CREATE_PROCESS", "NETWORK", "FILE_CREATE", "REGISTRY_ACCESS", "SYSTEM_API_CALL", "DATA_ACCESS", "INJECT_CODE"}
	alerts := map[string]*fake.Alert{}
	events := make(fake.Slice, n)
	for i := range events {
		at := now.Add(-time.Duration(n-i) * step)
		dev := &d.Devices[i%4]
		e := fake.Event{
			ID: fmt.Sprintf("%032x", i+1), Time: at.UnixMilli(), Created: at.UnixMilli() + 5000, Type: types[i%7], Device: dev,
			User: `CORP\user` + fmt.Sprint(i%4), Started: at.UnixMilli() - 60_000,
			Process: fake.Proc{PID: int64(1000 + i%5), PrivatePID: fmt.Sprintf("%d-%d-%d", 1000+i%5, now.Add(-48*time.Hour).UnixMilli(), i%5), Name: "proc.exe", CommandLine: "proc.exe --n"},
			Parent:  fake.Proc{PID: 4, PrivatePID: "4-132429389232310730-0", Name: "services.exe"},
			App:     fake.App{Name: fmt.Sprintf("proc%d.exe", i%5), Path: fmt.Sprintf(`C:\bin\proc%d.exe`, i%5), SHA256: shaOf(i % 5), Reputation: "KNOWN_MALWARE"},
			TTPs:    []string{"MITRE_T1003_001_LSASS_MEMORY"},
			Short:   `The application "<share><link hash="` + shaOf(i%5) + `">proc.exe</link></share>" did something.`,
			Long:    `The application "<share><link hash="` + shaOf(i%5) + `">C:\bin\proc.exe</link></share>" did something.`,
		}
		switch e.Type {
		case "NETWORK":
			e.SourceIP, e.SourcePort, e.DestIP, e.DestPort, e.PeerIP, e.PeerFQDN, e.Service = dev.InternalIP, 50_000, "203.0.113.9", 443, "203.0.113.9", "evil.example", "TCP/443"
		case "FILE_CREATE":
			e.TargetApp = fake.App{Name: "dropped.bin", Path: `C:\Temp\dropped.bin`, SHA256: shaOf(77)}
		case "CREATE_PROCESS":
			e.Target = fake.Proc{PID: 9, PrivatePID: "9-1790000000000-1", Name: "child.exe", CommandLine: "child.exe"}
			e.TargetApp = fake.App{Name: `C:\bin\child.exe`, SHA256: shaOf(78)}
		case "REGISTRY_ACCESS":
			e.Registry = `\REGISTRY\MACHINE\SOFTWARE\Run\x`
		}
		if i%7 == 0 {
			id := fmt.Sprintf("INC%05d", i/35)
			if a := alerts[id]; a == nil || a.Device == dev {
				e.Incident, e.Score, e.Stage = id, int64(1+i/35%10), "INSTALL_RUN"
				if a == nil {
					alerts[id] = &fake.Alert{Incident: id, ThreatID: id, Score: e.Score, Summary: "Summary " + id, Time: e.Time, Device: dev,
						Indicators: []fake.Indicator{{App: "proc.exe", TTP: "MALWARE_APP", SHA256: e.App.SHA256}}}
				}
				alerts[id].Events = append(alerts[id].Events, e)
			}
		}
		events[i] = e
	}
	d.Events = events
	for i := range (n + 34) / 35 {
		if a := alerts[fmt.Sprintf("INC%05d", i)]; a != nil {
			d.Alerts = append(d.Alerts, *a)
			d.Notifications = append(d.Notifications, fake.Notification{Time: a.Time, Body: fmt.Appendf(nil,
				`{"type":"THREAT","eventTime":%d,"threatInfo":{"incidentId":%q,"score":%d,"summary":"s","indicators":[]},"deviceInfo":{"deviceId":%d,"deviceName":"CORP\\x"}}`, a.Time, a.Incident, a.Score, a.Device.ID)})
		}
	}
	return d
}

func contextFor(t testing.TB, d time.Duration) (context.Context, context.CancelFunc) {
	t.Helper()
	return context.WithTimeout(context.Background(), d)
}
