package carbonblack_test

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/backends/carbonblack"
	"github.com/edrctl/edrctl/internal/model"
)

// everything is a window that every recording lies in.
var everything = backends.Query{Since: time.UnixMilli(1_400_000_000_000), Until: time.UnixMilli(1_600_000_000_000), Raw: true}

// onePage serves a recorded list as its first page and null after it, to the
// window it lies in and nothing to the others.
func onePage(t *testing.T, name string) *carbonblack.Driver {
	body := recording(t, name)
	var doc struct {
		Results []struct {
			EventTime int64 `json:"eventTime"`
		} `json:"results"`
	}
	if err := json.Unmarshal(body, &doc); err != nil {
		t.Fatal(err)
	}
	return open(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		q := r.URL.Query()
		from, _ := time.Parse(time.RFC3339, q.Get("startTime"))
		to, _ := time.Parse(time.RFC3339, q.Get("endTime"))
		if len(doc.Results) > 0 && doc.Results[0].EventTime > 0 {
			if at := time.UnixMilli(doc.Results[0].EventTime); at.Before(from) || !at.Before(to) {
				_, _ = w.Write([]byte(`{"success":true,"totalResults":0,"results":[]}`))
				return
			}
		}
		if q.Get("start") != "1" {
			_, _ = w.Write([]byte(`{"success":true,"totalResults":319,"results":null}`))
			return
		}
		_, _ = w.Write(body)
	}), config{})
}

func TestRecordedEventLists(t *testing.T) {
	for _, tc := range []struct {
		name  string
		check func(*testing.T, *model.Event)
	}{
		{"event_list.seed.json", func(t *testing.T, e *model.Event) {
			is(t, "kind", e.Kind, model.KindAPICall)
			is(t, "time", e.Time.String(), "2017-03-27T12:29:28.036Z")
			is(t, "host", e.Host.Name+" "+e.Host.ID+" "+e.Host.Policy.Name+" "+e.Host.OS.Version, "WIN-EK5MJ5DQC3Q 218616 Restrictive_Windows_Workstation Server 2012 R2 x64")
			is(t, "uid", e.Process.UID, "218616:2872-1490617768004-974")
			is(t, "started", e.Process.Started.String(), "2017-03-27T12:29:28.004Z")
			is(t, "user", e.User.Domain+`\`+e.User.Name, `NT AUTHORITY\SYSTEM`)
			is(t, "target", e.Target.Name+" "+e.Target.UID+" "+e.Target.Path, `GoogleUpdate.exe 218616:2468-1490617768051-975 C:\Program Files (x86)\Google\Update\GoogleUpdate.exe`)
			is(t, "parent", e.Process.Parent.Path+" "+e.Process.Parent.UID, `C:\Windows\System32\svchost.exe 218616:772-1489763380982-18`)
			is(t, "reputation", *e.Process.Reputation, model.Reputation{Verdict: "safe", Native: "TRUSTED_WHITE_LIST"})
			is(t, "summary", e.Summary, `The application "taskeng.exe" successfully attempted to invoke the application "C:\Program Files (x86)\Google\Update\GoogleUpdate.exe".`)
			is(t, "network", e.Network == nil, true)
			is(t, "action", e.Action, "SYSTEM_API_CALL CreateProcessW")
			is(t, "alert", e.AlertID+"", "")
			is(t, "detection", e.Detection == nil, true)
		}},
		{"event_list.fixture2020.json", func(t *testing.T, e *model.Event) {
			is(t, "kind", e.Kind, model.KindAPICall)
			is(t, "started", e.Process.Started.String(), "2020-08-26T18:08:43.231Z")
			is(t, "policy", *e.Host.Policy, model.Named{ID: "11200", Name: "policy-restrictive"})
			is(t, "network", e.Network == nil, true) // only the device's own address
		}},
		{"event_list.soar2018.recomposed.json", func(t *testing.T, e *model.Event) {
			// The private pid of this one was put together by hand and lies in the future.
			is(t, "started", e.Process.Started.String(), model.FromMillis(1522884889399-47).String())
			is(t, "kind", e.Kind, model.KindAPICall)
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			d := onePage(t, tc.name)
			l, err := d.Events(t.Context(), everything)
			if err != nil {
				t.Fatal(err)
			}
			got, err := collect(l.Seq)
			if err != nil || len(got) != 1 {
				t.Fatalf("%d events, %v", len(got), err)
			}
			if !json.Valid(got[0].Raw) {
				t.Error("raw is not JSON")
			}
			tc.check(t, got[0])
		})
	}
}

func TestRecordedEventDetails(t *testing.T) {
	for name, check := range map[string]func(*testing.T, *model.Event){
		"event_detail.seed.json": func(t *testing.T, e *model.Event) {
			is(t, "hash", e.Process.Hash.SHA256, "74b9cf472d5008e00735482f084f886eaa201248d6e87ab6b1990e3670bd6693")
			is(t, "target", e.Target.Hash.SHA256, "52fc3aa9f704300041e486e57fe863218e4cdf4c8eee05ca6b99a296efee5737")
			is(t, "parent", e.Process.Parent.Name, "svchost.exe")
		},
		"event_detail.fixture2020.json": func(t *testing.T, e *model.Event) { is(t, "id", e.ID != "", true) },
		"event_detail.network.soar2018.recomposed.json": func(t *testing.T, e *model.Event) {
			is(t, "kind", e.Kind, model.KindNetworkConnect)
			is(t, "transport", e.Network.Transport+" "+e.Network.Direction, "tcp egress")
			is(t, "destination", *e.Network.Destination, model.Endpoint{IP: "10.10.10.10", Port: 443, Domain: "cdn.onenote.net"})
			is(t, "source", *e.Network.Source, model.Endpoint{IP: "10.10.10.10", Port: 51038})
			is(t, "parent", e.Process.Parent == nil, true)
			is(t, "started", e.Process.Started.String(), "2018-03-08T14:49:26.761Z")
		},
	} {
		t.Run(name, func(t *testing.T) {
			e, err := open(t, answer(recording(t, name)), config{}).Event(t.Context(), "x", true)
			if err != nil {
				t.Fatal(err)
			}
			check(t, e)
		})
	}
}

func TestRecordedAlerts(t *testing.T) {
	d := open(t, answer(recording(t, "alert_detail.seed.json")), config{})
	a, err := d.Alert(t.Context(), "JSPJCU9K", true)
	if err != nil {
		t.Fatal(err)
	}
	is(t, "id", a.ID, "JSPJCU9K")
	is(t, "score", *a.Score, 5)
	is(t, "severity", a.Severity, model.SeverityMedium)
	is(t, "risk", *a.Risk, 64)
	is(t, "time", a.Time.String(), model.FromMillis(1488230650998).String())
	is(t, "title", a.Title, "The application Payload.class invoked another application (uname).")
	is(t, "policy", *a.Policy, model.Named{ID: "2141", Name: "default"})
	is(t, "host", a.Host.Name+" "+a.Host.OS.Platform, "ProjectManagementMac darwin")
	is(t, "process", a.Process.Path+" "+a.Process.UID, "/Applications/Safari.app/Contents/MacOS/Safari 218609:233")
	is(t, "parent", a.Ancestors[0].Path+" "+a.Ancestors[0].UID, "/sbin/launchd 218609:146")
	is(t, "child", a.Target.Path+" "+a.Target.Hash.SHA256, "/Library/Internet Plug-Ins/JavaAppletPlugin.plugin/Contents/Home/lib/jspawnhelper 41b6c19f1e6b30fd1bb0f89684ba1f8aaf2b7abf751a8fdd4def069ef21e699e")
	is(t, "tactic", a.Attack[0].Tactic, "execution")
	is(t, "category", a.Category, "INSTALL_RUN")
	is(t, "indicator", a.Indicators[0], model.Indicator{Name: "Payload.class", Value: "RUN_SYSTEM_APP", Type: "ttp"})
	is(t, "link harvested", slices.ContainsFunc(a.Indicators, func(i model.Indicator) bool {
		return i.Type == "sha256" && i.Name == "jspawnhelper" && strings.HasPrefix(i.Value, "41b6")
	}), true)
	is(t, "status", a.Status, model.StatusUnknown)
	if !strings.Contains(a.Description, "MEDIUM") || strings.Contains(a.Description, "<") {
		t.Errorf("description %q", a.Description)
	}

	a, err = open(t, answer(recording(t, "alert_detail.soar2018.recomposed.json")), config{}).Alert(t.Context(), "N9MSZL9A", false)
	if err != nil {
		t.Fatal(err)
	}
	is(t, "score", *a.Score, 1)
	is(t, "started", a.Process.Started.String(), model.FromMillis(1523523204431).String())
	l, _ := open(t, answer(recording(t, "alert_detail.soar2018.recomposed.json")), config{}).AlertEvents(t.Context(), "N9MSZL9A", backends.Query{Raw: true})
	events, err := collect(l.Seq)
	if err != nil || len(events) != 1 {
		t.Fatal(len(events), err)
	}
	is(t, "file", events[0].File.Path, "/Users/opswat/Desktop/s3_mac 5/New Folder With Items/fdb072460a164710980a0b6f3685c364")
	is(t, "file hash", events[0].File.Hash.SHA256, "830b77d2eb109fd8119ec8f95f656ef110fc67ffe2702352e17447ae308d2a40")
}

func TestRecordedProcesses(t *testing.T) {
	for name, want := range map[string]int{"process_list.seed.json": 1, "process_list.soar2018.recomposed.json": 2} {
		q := everything
		q.Since, q.Until = now.Add(-time.Hour), now
		q.Filter = where(t, "process", "=any", "hash", strings.Repeat("a", 64))
		l, err := open(t, answer(recording(t, name)), config{}).Processes(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		got, err := collect(l.Seq)
		if err != nil || len(got) != want {
			t.Fatalf("%s: %d, %v", name, len(got), err)
		}
		if name == "process_list.seed.json" {
			is(t, "started", got[0].Started.String(), "2017-03-10T21:24:42.476Z")
			is(t, "events", got[0].EventCount, 252)
		}
	}
}

// A device list with gaps is not a reason to keep back the processes of the
// devices it names: they are given, and the list says that it is incomplete.
func TestProcessesOfAnIncompleteDeviceList(t *testing.T) {
	devices, processes := answer(recording(t, "device_list.json")), answer(recording(t, "process_list.soar2018.recomposed.json"))
	d := open(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/device") {
			devices.ServeHTTP(w, r)
			return
		}
		processes.ServeHTTP(w, r)
	}), config{})
	l, err := d.Processes(t.Context(), backends.Query{Since: now.Add(-time.Hour), Until: now, Filter: where(t, "host", "*")})
	if err != nil {
		t.Fatal(err)
	}
	got, err := collect(l.Seq)
	if backends.KindOf(err) != backends.KindPartial || len(got) != 6 {
		t.Errorf("%d processes, want 2 of each of the 3 named devices; %v", len(got), err)
	}
}

func TestRecordedDevices(t *testing.T) {
	for name, want := range map[string]int{"device_list.json": 3 /* two rows were given one id when names were removed */, "device_list.by_hostname.json": 1} {
		l, _ := open(t, answer(recording(t, name)), config{}).Hosts(t.Context(), backends.Query{Raw: true})
		got, err := collect(l.Seq)
		short := name == "device_list.json"
		if short != (backends.KindOf(err) == backends.KindPartial) || !short && err != nil || len(got) != want {
			t.Fatalf("%s: %d, %v", name, len(got), err)
		}
		for _, h := range got {
			if strings.Contains(string(h.Raw), "uninstallCode") || strings.Contains(string(h.Raw), `"activationCode"`) || !strings.Contains(string(h.Raw), "vulnScore") {
				t.Errorf("raw of %s: %s", h.Name, h.Raw)
			}
			if h.Online == nil || *h.Online {
				t.Errorf("%s is online", h.Name)
			}
		}
	}
	detail := answer(recording(t, "device_detail.json"))
	h, err := open(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/device") { // the list does not have it
			_, _ = w.Write([]byte(`{"success":true,"message":"Success","totalResults":0,"results":[]}`))
			return
		}
		detail.ServeHTTP(w, r)
	}), config{}).Host(t.Context(), "12345", true)
	if err != nil {
		t.Fatal(err)
	}
	is(t, "host", h.Name+" "+h.OS.Version+" "+h.Policy.Name+" "+h.State, "WIN-A1B2C3D4E5F Server 2012 R2 x64 Windows_Workstation REGISTERED")
	is(t, "mac", len(h.MAC), 0)
}

func TestRecordedNotifications(t *testing.T) {
	for _, tc := range []struct {
		name  string
		id    string // "" = the only one
		check func(*testing.T, *model.Alert)
	}{
		{"notification_list.json", "event:EV1", func(t *testing.T, a *model.Alert) {
			is(t, "unscored", a.Score == nil, true)
			is(t, "verdict", a.Process.Reputation.Verdict, "malicious")
		}},
		{"notification_list.json", "WNEXFKQ7-000049d4-00001ef0-00000000-1d4ed58a5f07dbf-j0MkcneCQXy1fIbhber6rw-565660", func(t *testing.T, a *model.Alert) {
			is(t, "score", *a.Score, 1)
			is(t, "status", a.Status, model.StatusOpen)
			is(t, "indicator", a.Indicators[0].Type, "report")
			is(t, "process", a.Process.Path, `c:\windows\system32\windowspowershell\v1.0\powershell.exe`)
		}},
		{"notification_list.json", "Z7NG6", func(t *testing.T, a *model.Alert) {
			is(t, "id", a.ID, "Z7NG6")
			is(t, "score", *a.Score, 7)
			is(t, "severity", a.Severity, model.SeverityHigh)
			is(t, "source", a.Source, "THREAT")
			is(t, "policy", a.Policy.Name, "default")
		}},
		{"notification_policy_action.real.json", "", func(t *testing.T, a *model.Alert) {
			is(t, "unscored", a.Score == nil, true)
			is(t, "severity", a.Severity, model.SeverityUnknown)
			is(t, "process", a.Process.Name, "svchost.exe")
			is(t, "source", a.Source, "POLICY_ACTION")
		}},
		{"notification_threat.soar2018.recomposed.json", "", func(t *testing.T, a *model.Alert) {
			is(t, "id", a.ID, "38AW1VQY")
			is(t, "rule", a.Rule.Name, "Global Alert Notification")
			is(t, "ip", a.Host.IP[0], "192.168.1.2")
		}},
		{"notification_list.empty.synthetic.json", "", nil},
	} {
		t.Run(tc.name+" "+tc.id, func(t *testing.T) {
			body := recording(t, tc.name)
			calls := 0
			d := open(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if calls++; calls > 1 {
					body = []byte(`{"notifications":[],"success":true,"message":"Success"}`)
				}
				answer(body).ServeHTTP(w, r)
			}), config{stateDir: t.TempDir(), settings: map[string]string{"alert_source": "notifications"}})
			l, err := d.Alerts(t.Context(), everything)
			if err != nil {
				t.Fatal(err)
			}
			got, err := collect(l.Seq)
			if err != nil {
				t.Fatal(err)
			}
			if tc.check == nil {
				is(t, "alerts", len(got), 0)
				return
			}
			if len(got) == 0 {
				t.Fatal("no alert")
			}
			for _, a := range got {
				if a.ID == tc.id || tc.id == "" {
					tc.check(t, a)
					return
				}
			}
			t.Fatalf("no alert %s", tc.id)
		})
	}
}

func TestRecordedErrors(t *testing.T) {
	for name, want := range map[string]struct {
		code int
		kind backends.ErrorKind
		text string
	}{
		"error_400.synthetic.json": {400, backends.KindInvalid, "Invalid search window"},
		"error_401.synthetic.json": {401, backends.KindAuth, "401"},
		"error_404.synthetic.json": {404, backends.KindUnsupported, "no longer serves"},
		// Past the ceiling on the first page: there are results and none are given.
		"event_list.past_100k.synthetic.json": {200, backends.KindMalformed, "250000"},
	} {
		body := recording(t, name)
		d := open(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(want.code)
			_, _ = w.Write(body)
		}), config{})
		l, _ := d.Events(t.Context(), backends.Query{Since: now.Add(-time.Hour), Until: now})
		_, err := collect(l.Seq)
		if backends.KindOf(err) != want.kind || !strings.Contains(err.Error(), want.text) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// laterUse are the recordings no read command asks for: live response, policies
// and device moves belong to respond and carve, audit records are read once.
var laterUse = []string{"cblr_", "policy_", "request.", "device_patch.", "auditlogs."}

func TestEveryRecordingIsAccountedFor(t *testing.T) {
	recording(t, "event_list.seed.json") // skips without recordings
	self, err := os.ReadFile("recordings_test.go")
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(os.Getenv("EDRCTL_SHARED"), "recordings", "carbonblack", "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	replayed, later := 0, 0
	for _, f := range files {
		name := filepath.Base(f)
		switch {
		case strings.Contains(string(self), `"`+name+`"`):
			replayed++
		case slices.ContainsFunc(laterUse, func(p string) bool { return strings.HasPrefix(name, p) }):
			later++
		default:
			t.Errorf("%s is neither replayed nor left for later", name)
		}
	}
	t.Logf("%d recordings replayed, %d are of commands that act", replayed, later)
}

func is[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}
