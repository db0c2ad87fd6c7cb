package esp_test

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/filter"
	"github.com/edrctl/edrctl/internal/model"
)

// recorded is a server that answers a route with the recorded bodies in
// order, then with an empty page.
type recorded struct {
	mu     sync.Mutex
	bodies map[string][][]byte // "POST /alerts" -> bodies
	asked  []string
}

const emptyPage = `{"status": "success", "message": "", "data": {"count": 0, "results": []}}`

func (s *recorded) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b, _ := io.ReadAll(r.Body)
	path := strings.TrimPrefix(r.URL.Path, "/esp-ui/services/api/v1")
	w.Header().Set("Content-Type", "application/json")
	if path == "/login" {
		_, _ = io.WriteString(w, `{"token":"T"}`)
		return
	}
	if r.Header.Get("X-Access-Token") == "" {
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = io.WriteString(w, `{"message": {"message": "Request did not contain valid API key!"}}`)
		return
	}
	key := r.Method + " " + path
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, key+" "+string(b))
	list := s.bodies[key]
	if len(list) == 0 {
		_, _ = io.WriteString(w, emptyPage)
		return
	}
	if len(list) > 1 {
		s.bodies[key] = list[1:]
	} else if strings.HasPrefix(key, "POST") {
		s.bodies[key] = nil
	}
	_, _ = w.Write(list[0])
}

// record loads exchanges by number into a server.
func record(t *testing.T, routes map[string][]string) *recorded {
	t.Helper()
	byN := map[string]*exchange{}
	for _, x := range exchanges(t) {
		byN[x.N+" "+x.Name] = x
	}
	s := &recorded{bodies: map[string][][]byte{}}
	for route, names := range routes {
		for _, n := range names {
			x := byN[n]
			if x == nil {
				t.Fatalf("no exchange %q", n)
			}
			s.bodies[route] = append(s.bodies[route], x.answer(t))
		}
	}
	return s
}

var recordedWindow = backends.Query{Since: time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC), Until: time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC), Raw: true}

func at(d *backends.Options) { d.Now = func() time.Time { return anchor } }

func TestRecordedAlerts(t *testing.T) {
	s := record(t, map[string][]string{
		"POST /alerts": {"089b alerts-all"}, "POST /hosts": {"022b hosts-empty-body"}, "POST /rules": {"059 rules"},
	})
	d := newDriver(t, serve(t, s), at)
	l, err := d.Alerts(t.Context(), recordedWindow)
	if err != nil {
		t.Fatal(err)
	}
	got, err := collect(l.Seq)
	if err != nil || len(got) != 1 {
		t.Fatalf("%d alerts, %v", len(got), err)
	}
	a := got[0]
	check(t, map[string][2]any{
		"id": {a.ID, "1"}, "time": {a.Time.String(), "2026-11-22T02:29:07.000Z"}, "title": {a.Title, "test_process_rule"},
		"score": {*a.Score, 5.0}, "severity": {a.Severity, model.SeverityMedium}, "risk": {*a.Risk, 52}, "native": {a.ScoreNative.Label, "WARNING"},
		"status": {a.Status, model.StatusOpen}, "verdict": {a.Verdict, model.VerdictUnknown}, "source": {a.Source, "rule"}, "category": {a.Category, "rule"},
		"rule": {*a.Rule, model.Named{ID: "1", Name: "test_process_rule"}}, "host id": {a.Host.ID, "EC2CE2E2-3D74-1248-2FA9-23F2E960ED42"}, "host": {a.Host.Name, "EC2AMAZ-2RJ1BIF"},
		"user": {*a.User, model.User{Name: "SYSTEM", Domain: "NT AUTHORITY"}}, "pid": {a.Process.PID, int64(3000)}, "name": {a.Process.Name, "powershell.exe"},
		"cmdline": {a.Process.CommandLine, "powershell -enc AAAA"}, "uid": {a.Process.UID, "58E0F090-D62C-11EA-8283-02F7A50E7DFE"},
		"parent": {a.Process.Parent.Name, "svchost.exe"}, "ancestors": {len(a.Ancestors), 1}, "events": {a.EventCount, 3}, "event id": {a.EventIDs[0], "3E13F688-3306-4E2C-999C-BF7C1BFBB6DA"},
		"technique": {len(a.Attack) > 0, true}, "description": {a.Description, "powershell started"}, "raw": {json.Valid(a.Raw), true},
	})
}

func TestRecordedAlertDetailAndEvents(t *testing.T) {
	s := record(t, map[string][]string{
		"GET /alerts/1": {"091 alert"}, "POST /hosts": {"022b hosts-empty-body"}, "POST /rules": {"059 rules"},
		"POST /alerts/1/alerted_events": {"095b alerted-events-no-query", "095c alerted-events-search"},
		"GET /alerts/1/events":          {"094 alert-events.fn"},
	})
	d := newDriver(t, serve(t, s), at)
	a, err := d.Alert(t.Context(), "1", true)
	if err != nil {
		t.Fatal(err)
	}
	check(t, map[string][2]any{
		"id": {a.ID, "1"}, "second": {a.Time.Truncate(time.Second).Format(time.DateTime), "2026-11-22 02:29:07"},
		"process": {a.Process.PID, int64(3000)}, "score": {*a.Score, 5.0}, "host": {a.Host.ID, "EC2CE2E2-3D74-1248-2FA9-23F2E960ED42"},
	})
	l, err := d.AlertEvents(t.Context(), "1", backends.Query{})
	if err != nil {
		t.Fatal(err)
	}
	events, err := collect(l.Seq)
	if err != nil {
		t.Fatal(err)
	}
	kinds := map[model.Kind]int{}
	for i, e := range events {
		kinds[e.Kind]++
		if e.AlertID != "1" || e.Host == nil || e.Host.Name == "" {
			t.Errorf("event %s: alert %q, host %v", e.ID, e.AlertID, e.Host)
		}
		if i > 0 && e.Time.After(events[i-1].Time.Time) {
			t.Errorf("event %s is newer than the one before", e.ID)
		}
	}
	if kinds[model.KindProcessStart] < 5 || kinds[model.KindFileWrite] != 27 || kinds[model.KindNetworkConnect] != 3 || kinds[model.KindDNSQuery] != 1 {
		t.Errorf("kinds: %v", kinds)
	}
}

// The two pages of 015 follow each other by id cursor.
func TestRecordedActivityPages(t *testing.T) {
	s := record(t, map[string][]string{"POST /activity/search": {"015b activity-search-no-filter", "015c activity-search-next-cursor"}})
	d := newDriver(t, serve(t, s), at)
	q := recordedWindow
	q.Native = `{"condition":"OR","rules":[{"field":"process_name","operator":"contains","value":"powershell"}]}`
	l, err := d.Events(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	got, err := collect(l.Seq)
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != 6 || got[0].Kind != model.KindNetworkConnect || got[5].Kind != model.KindFileWrite {
		t.Fatalf("%d events: %v", len(got), got)
	}
	e := got[0]
	check(t, map[string][2]any{
		"id": {e.ID, "F2AE3C52-30CD-42E1-9198-DAEF9579FD57"}, "ip": {e.Network.Destination.IP, "3.30.1.17"}, "port": {e.Network.Destination.Port, 443},
		"source": {e.Network.Source.IP, "172.31.0.9"}, "transport": {e.Network.Transport, "tcp"}, "process": {e.Process.Name, "powershell.exe"},
		"host": {e.Host.ID, "EC2CE2E2-3D74-1248-2FA9-23F2E960ED42"}, "time": {e.Time.String(), "2026-11-22T02:19:28.000Z"},
	})
	if !strings.Contains(s.asked[1], `"start":34`) {
		t.Errorf("the second request is not at the cursor: %s", s.asked[1])
	}
}

func TestRecordedHostsRulesCarvesSchema(t *testing.T) {
	s := record(t, map[string][]string{
		"POST /hosts": {"022b hosts-empty-body"}, "GET /hosts/2": {"023 host-by-id"}, "GET /hosts/count": {"025 hosts-count"}, "POST /rules": {"059 rules"},
		"GET /rules/1": {"060 rule"}, "POST /carves": {"043b carves-all"}, "GET /schema": {"057b schema-json"}, "GET /schema/etc_hosts": {"058 schema-table"},
		"POST /hosts/status_logs": {"026 status-logs"}, "GET /alerts/count_by_source": {"088b alerts-count-by-source-qs"},
		"POST /indicators/hunt": {"010 indicators-hunt", "010b indicators-hunt-host"}, "GET /iocs": {"052 iocs-default"},
	})
	d := newDriver(t, serve(t, s), at)
	ctx := t.Context()
	hl, err := d.Hosts(ctx, backends.Query{})
	if err != nil {
		t.Fatal(err)
	}
	hosts, err := collect(hl.Seq)
	if err != nil || len(hosts) != 2 {
		t.Fatalf("%d hosts, %v", len(hosts), err)
	}
	h, err := d.Host(ctx, "2", true)
	if err != nil || strings.Contains(string(mustJSON(t, h.Raw)), "nope") {
		t.Fatal(err)
	}
	check(t, map[string][2]any{
		"id": {h.ID, "EC2CE2E2-3D74-1248-2FA9-23F2E960ED42"}, "os": {h.OS.Platform, "windows"}, "agent": {h.AgentVersion, "4.7.0"},
		"seen": {h.LastSeen.String(), "2026-11-22T02:30:05.502Z"}, "ip": {h.IP[0], "127.0.0.1"}, "name": {h.Name, "EC2AMAZ-2RJ1BIF"},
	})
	counts, err := d.HostCounts(ctx)
	if err != nil || counts["windows"].Online != 1 || counts["linux"].Online != 1 {
		t.Errorf("counts %v, %v", counts, err)
	}
	r, err := d.Rule(ctx, "1", false)
	if err != nil || r.Name != "test_process_rule" || len(r.Attack) == 0 || !*r.Enabled {
		t.Errorf("rule %v, %v", r, err)
	}
	rl, _ := d.Rules(ctx, backends.Query{})
	if rules, err := collect(rl.Seq); err != nil || len(rules) != 1 {
		t.Errorf("rules %v, %v", rules, err)
	}
	cl, _ := d.Carves(ctx, backends.Query{})
	carves, err := collect(cl.Seq)
	if err != nil || len(carves) != 1 || carves[0].State != model.CarveComplete || carves[0].ID != "LIRK2AYGXW" || carves[0].Size != 645120 {
		t.Errorf("carves %v, %v", carves, err)
	}
	schema, err := d.Tables(ctx)
	if err != nil || len(schema) < 200 || schema["etc_hosts"][0].Name != "address" {
		t.Errorf("schema of %d tables, %v", len(schema), err)
	}
	if cols, err := d.TableSchema(ctx, "etc_hosts"); err != nil || len(cols) != 2 || cols[1].Type != "TEXT" {
		t.Errorf("columns %v, %v", cols, err)
	}
	// The recording holds the first page of three: two of them, and that one is missing.
	if logs, err := d.StatusLogs(ctx, "EC2CE2E2", 0); backends.KindOf(err) != backends.KindPartial || len(logs) != 2 || logs[0].Level != "warning" {
		t.Errorf("status logs %v, %v", logs, err)
	}
	if n, err := d.AlertCounts(ctx); err != nil || n["rule"] != 1 || len(n) != 5 {
		t.Errorf("alert counts %v, %v", n, err)
	}
	info, err := d.InspectHash(ctx, "00000000000000000000000000000005")
	if err != nil || info.Verdict != "unknown" || len(info.Hosts) != 1 || len(info.Names) != 1 || info.Names[0] != `C:\Users\Public\drop05.bin` {
		t.Errorf("hash %+v, %v", info, err)
	}
}

// Filters on recorded alerts mean what the evaluator says.
func TestRecordedAlertFilters(t *testing.T) {
	five, six := 5.0, 6.0
	for name, tc := range map[string]struct {
		f    filter.Filter
		want int
	}{
		"score 5": {filter.Filter{ScoreMin: &five}, 1}, "score 6": {filter.Filter{ScoreMin: &six}, 0},
		"closed": {filter.Filter{Status: []model.Status{model.StatusClosed}}, 0}, "dismissed": {filter.Filter{Status: []model.Status{model.StatusDismissed}}, 0},
	} {
		s := record(t, map[string][]string{"POST /alerts": {"089b alerts-all"}, "POST /hosts": {"022b hosts-empty-body"}, "POST /rules": {"059 rules"}})
		if name == "closed" {
			s.bodies["POST /alerts"] = nil
		}
		d := newDriver(t, serve(t, s), at)
		q := recordedWindow
		q.Filter = tc.f
		l, err := d.Alerts(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		all, err := collect(l.Seq)
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for _, a := range all {
			if l.Plan.Residual.Match(a) {
				n++
			}
		}
		if n != tc.want {
			t.Errorf("%s: %d alerts, want %d", name, n, tc.want)
		}
		if name == "dismissed" && len(s.asked) > 0 {
			t.Errorf("a status ESP does not have was asked for: %v", s.asked)
		}
	}
}

func check(t *testing.T, facts map[string][2]any) {
	t.Helper()
	for name, f := range facts {
		if f[0] != f[1] {
			t.Errorf("%s: got %v, want %v", name, f[0], f[1])
		}
	}
}

func mustJSON(t *testing.T, b []byte) []byte {
	t.Helper()
	if !json.Valid(b) {
		t.Fatalf("no JSON: %.80q", b)
	}
	return b
}
