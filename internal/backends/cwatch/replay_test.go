package cwatch_test

import (
	"encoding/json"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/model"
	"github.com/edrctl/edrctl/internal/recordings"
)

// replay is a driver before a server that gives recorded bodies.
func replay(t *testing.T, bodies map[string]string) backends.Driver {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name, ok := bodies[r.URL.Path]
		if !ok {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		if r.URL.Query().Has("next_key") || r.URL.Query().Get("dismissed") == "true" {
			if r.URL.Path == "/alert" {
				_, _ = w.Write([]byte(`{"items":[]}`))
			} else {
				_, _ = w.Write([]byte("[]"))
			}
			return
		}
		b, err := fs.ReadFile(recordings.Of("cwatch"), name)
		if err != nil {
			t.Error(err)
		}
		_, _ = w.Write(b)
	}))
	t.Cleanup(srv.Close)
	return newDriver(t, srv.URL, nil, nil)
}

var recorded = backends.Query{Since: time.Date(2019, 5, 1, 0, 0, 0, 0, time.UTC), Until: time.Date(2019, 7, 1, 0, 0, 0, 0, time.UTC), Raw: true}

func TestReplayEvents(t *testing.T) {
	d := replay(t, map[string]string{"/events": "events_list.all_groups.synthetic.json", "/events/detail": "events_detail.synthetic.json"})
	l, err := d.(backends.EventSearcher).Events(t.Context(), recorded)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := collect(l)
	if err != nil || len(rows) != 6 {
		t.Fatalf("%d events, %v", len(rows), err)
	}
	kinds := []model.Kind{model.KindProcessStart, model.KindFileWrite, model.KindNetworkConnect, model.KindRegistrySet, model.KindProcessAccess, model.KindFileDownload}
	for i, e := range rows {
		if e.Kind != kinds[i] || e.Host.ID != "30001" || e.Host.Name != "WKS-0042" || e.User.Name != "alice" || e.User.Domain != "EXAMPLE" {
			t.Errorf("%d: %+v", i, e)
		}
		p := e.Process
		if p.PID != 7228 || p.Name != "Explorer.EXE" || p.Reputation.Verdict != "safe" || p.Parent.Name != "userinit.exe" || p.Parent.PID != 7840 {
			t.Errorf("%d: actor %+v", i, p)
		}
		if e.Time.String() != "2019-05-31T09:00:00.123Z" || !json.Valid(e.Raw) {
			t.Errorf("%d: time %s", i, e.Time)
		}
	}
	c := rows[0].Target
	if c.Name != "SearchFilterHost.exe" || c.Elevation != "default" || !*c.Signed || *c.Packed || c.Parent.PID != 7228 || c.CommandLine == "" {
		t.Errorf("child %+v", c)
	}
	if f := rows[1].File; f.Name != "sample.PDF" || f.Hash.SHA1 == "" || rows[1].Tags[0] != "66666666-7777-4888-8999-aaaaaaaaaaaa" {
		t.Errorf("file %+v", f)
	}
	if n := rows[2].Network; n.Transport != "tcp" || n.Source.Port != 51038 || n.Destination.IP != "93.184.216.34" {
		t.Errorf("network %+v", n)
	}
	if r := rows[3].Registry; r.Value != "updater" || !strings.HasPrefix(r.Path, "HKEY_CURRENT_USER") || r.Data == "" {
		t.Errorf("registry %+v", r)
	}
	if rows[4].Target.Name != "lsass.exe" {
		t.Errorf("target %+v", rows[4].Target)
	}
	if rows[5].Network.Destination.Domain != "example.test" || rows[5].File.Name != "tool.zip" {
		t.Errorf("download %+v", rows[5])
	}
	e, err := d.(backends.EventGetter).Event(t.Context(), "1559293200123000001", false)
	if err != nil || e.Raw != nil || e.Target == nil {
		t.Errorf("%+v, %v", e, err)
	}
}

func TestReplayAlerts(t *testing.T) {
	for name, made := range map[string]bool{"alert_list.documented_fields.synthetic.json": true, "alert_list.with_post_fields.synthetic.json": false} {
		d := replay(t, map[string]string{"/alert": name})
		l, err := d.(backends.AlertLister).Alerts(t.Context(), recorded)
		if err != nil {
			t.Fatal(err)
		}
		rows, err := collect(l)
		if err != nil || len(rows) != 1 {
			t.Fatalf("%s: %d alerts, %v", name, len(rows), err)
		}
		a := rows[0]
		if *a.Score != 5 || *a.Risk != 52 || a.Severity != model.SeverityMedium || a.Status != model.StatusOpen || a.Verdict != model.VerdictUnknown {
			t.Errorf("%s: %+v", name, a)
		}
		if len(a.Ancestors) != 2 || a.Ancestors[0].Name != "winlogon.exe" || a.Ancestors[1].Parent.Name != "winlogon.exe" || a.Process.Parent.Name != "userinit.exe" {
			t.Errorf("%s: ancestors %+v", name, a.Ancestors)
		}
		if a.Target.Name != "powershell.exe" || a.Target.CommandLine == "" || a.Policy.ID != "77" || a.Host.Name != "WKS-0042" || a.Host.ID != "30001" {
			t.Errorf("%s: %+v", name, a)
		}
		if a.Rule.ID != "11111111-2222-4333-8444-555555555555" || a.User.Domain != "EXAMPLE" || a.Time.String() != "2019-05-31T09:00:00.123Z" {
			t.Errorf("%s: %+v %+v", name, a.Rule, a.User)
		}
		if made {
			if !strings.HasPrefix(a.ID, "30001-1559293200123-") || a.Title != "Comodo Recommended Security Policy" {
				t.Errorf("%s: id %s title %s", name, a.ID, a.Title)
			}
		} else if a.ID != "AWsL0cZkq3xY7oVt1b2c" || a.Title != "Suspicious Powershell Flag" || a.StatusNative != "0" {
			t.Errorf("%s: id %s title %s", name, a.ID, a.Title)
		}
	}
}

// The document's own samples hold placeholders; they are read without a
// guess and without an error.
func TestReplaySeeds(t *testing.T) {
	d := replay(t, map[string]string{
		"/alert": "alert_list.seed.json", "/events": "events_list.seed.json", "/endpoint": "endpoint_list.seed.json",
		"/process": "process_list.seed.json", "/hash/verdict": "hash_verdict.seed.json", "/hash/name": "hash_name.seed.json",
		"/hash/seenon": "hash_seenon.seed.json", "/events/detail": "events_detail.seed.json",
	})
	l, _ := d.(backends.AlertLister).Alerts(t.Context(), recorded)
	alerts, err := collect(l)
	if err != nil || len(alerts) != 1 || alerts[0].Score != nil || alerts[0].Severity != model.SeverityUnknown || !alerts[0].Time.IsZero() {
		t.Errorf("%+v, %v", alerts, err)
	}
	le, _ := d.(backends.EventSearcher).Events(t.Context(), recorded)
	events, err := collect(le)
	if err != nil || len(events) != 1 || events[0].Kind != model.KindOther || !events[0].Time.IsZero() {
		t.Errorf("%+v, %v", events, err)
	}
	if e, err := d.(backends.EventGetter).Event(t.Context(), "string", false); err != nil || e.ID != "string" {
		t.Errorf("%+v, %v", e, err)
	}
	lh, _ := d.(backends.HostLister).Hosts(t.Context(), recorded)
	if hosts, err := collect(lh); err != nil || len(hosts) != 1 || hosts[0].Online != nil {
		t.Errorf("%+v, %v", hosts, err)
	}
	lp, _ := d.(backends.ProcessLister).Processes(t.Context(), recorded)
	if ps, err := collect(lp); err != nil || len(ps) != 1 || ps[0].UID != "string" {
		t.Errorf("%+v, %v", ps, err)
	}
	info, err := d.(backends.HashInspector).InspectHash(t.Context(), sha(1))
	if err != nil || info.Verdict != "absent" || info.Names[0] != "string" || info.Hosts[0].ID != "0" {
		t.Errorf("%+v, %v", info, err)
	}
}

func TestReplayInventory(t *testing.T) {
	d := replay(t, map[string]string{"/endpoint": "endpoint_list.synthetic.json", "/process": "process_list.synthetic.json", "/hash/verdict": "hash_verdict.malware.synthetic.json", "/hash/name": "hash_name.seed.json", "/hash/seenon": "hash_seenon.seed.json"})
	if h, err := d.(backends.HostGetter).Host(t.Context(), "30002", false); err != nil || h.Name != "HR-LAPTOP-7" || h.State != "disconnected" || *h.Online {
		t.Errorf("%+v, %v", h, err)
	}
	lp, _ := d.(backends.ProcessLister).Processes(t.Context(), recorded)
	if ps, err := collect(lp); err != nil || len(ps) != 1 || ps[0].PID != 7228 || ps[0].Host.Name != "WKS-0042" {
		t.Errorf("%+v, %v", ps, err)
	}
	if info, err := d.(backends.HashInspector).InspectHash(t.Context(), "ebd1da3e01948ede7f733b900c689f5ca7ef6dd9"); err != nil || info.Verdict != "malicious" {
		t.Errorf("%+v, %v", info, err)
	}
}

func TestReplayAggregations(t *testing.T) {
	for _, name := range []string{"events_aggregations.named_key.synthetic.json", "events_aggregations.value_key.synthetic.json"} {
		d := replay(t, map[string]string{"/events/aggregations": name})
		got, err := d.(backends.EventCounter).CountEvents(t.Context(), recorded, "user")
		if err != nil || len(got) != 2 || got[0] != (model.Count{Value: "alice", Count: 120}) {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
}

// Every recording is used by a replay, or named here with the reason.
func TestRecordingsAreUsed(t *testing.T) {
	unused := map[string]string{
		"alert_create.request.seed.json": "a request that changes something",
		"alert_update.request.seed.json": "a request that changes every alert",
		"events_aggregations.seed.json":  "its one bucket is a placeholder: count 0 of \"string\"",
	}
	source, err := os.ReadFile("replay_test.go")
	if err != nil {
		t.Fatal(err)
	}
	files, err := fs.ReadDir(recordings.Of("cwatch"), ".")
	if err != nil {
		t.Fatal(err)
	}
	used := 0
	for _, f := range files {
		if unused[f.Name()] != "" {
			continue
		}
		if !strings.Contains(string(source), f.Name()) {
			t.Errorf("%s is neither replayed nor excused", f.Name())
		}
		used++
	}
	t.Logf("%d recordings replayed, %d not: %v", used, len(unused), unused)
}
