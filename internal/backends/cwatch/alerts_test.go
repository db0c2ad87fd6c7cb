package cwatch_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/backends/cwatch/fake"
	"github.com/edrctl/edrctl/internal/model"
)

func alertIDs(rows []*model.Alert) []string {
	out := make([]string, len(rows))
	for i, a := range rows {
		out[i] = a.ID
	}
	return out
}

func TestAlertsNewestFirst(t *testing.T) {
	for name, opt := range map[string]fake.Options{
		"id": {}, "alertID": {AlertID: "alertID"}, "alertId": {AlertID: "alertId"}, "_id": {AlertID: "_id"}, "uuid": {AlertID: "uuid"},
		"in data": {AlertID: fake.AlertIDData},
	} {
		r := newRig(t, alertData(200), opt, nil, nil)
		q := backends.Query{Since: anchor.Add(-150 * time.Minute), Until: anchor.Add(-50 * time.Minute)}
		_, rows, err := r.alerts(q)
		if err != nil {
			t.Fatal(err)
		}
		if len(rows) != 100 || !strings.HasPrefix(rows[0].ID, "AW0") {
			t.Fatalf("%s: %d alerts, first %q", name, len(rows), rows[0].ID)
		}
		if !slices.IsSortedFunc(rows, func(a, b *model.Alert) int { return b.Time.Compare(a.Time.Time) }) {
			t.Errorf("%s: not newest first", name)
		}
	}
}

func TestAlertStatus(t *testing.T) {
	for name, opt := range map[string]fake.Options{"honoured": {}, "ignored": {IgnoreDismissed: true}} {
		r := newRig(t, alertData(90), opt, nil, nil)
		_, rows, err := r.alerts(day())
		if err != nil {
			t.Fatal(err)
		}
		got := map[model.Status]int{}
		for _, a := range rows {
			got[a.Status]++
		}
		want := map[model.Status]int{model.StatusOpen: 30, model.StatusDismissed: 30, model.StatusClosed: 30}
		if opt.IgnoreDismissed {
			want = map[model.Status]int{model.StatusOpen: 30, model.StatusClosed: 60}
		}
		for s, n := range want {
			if got[s] != n {
				t.Errorf("%s: %d %s, want %d", name, got[s], s, n)
			}
		}
		q := day()
		q.Filter.Status = []model.Status{model.StatusDismissed}
		plan, rows, err := r.alerts(q)
		if err != nil || len(plan.Requests) != 1 || !strings.Contains(plan.Requests[0], "dismissed=true") {
			t.Fatalf("%v, %v", plan.Requests, err)
		}
		n := 0
		for _, a := range rows {
			if plan.Residual.Match(a) {
				n++
			}
		}
		if n != want[model.StatusDismissed] {
			t.Errorf("%s: %d dismissed", name, n)
		}
	}
}

func TestAlertScores(t *testing.T) {
	data := alertData(110)
	data.Alerts[5].Data.Score = nil
	r := newRig(t, data, fake.Options{}, nil, nil)
	_, all, err := r.alerts(day())
	if err != nil {
		t.Fatal(err)
	}
	p := func(v float64) *float64 { return &v }
	for _, tc := range []struct {
		lo, hi   *float64
		unscored bool
		min      model.Severity
		sev      []model.Severity
		ask      string // one wider: whether bounds are inclusive is not shown
	}{
		{ask: "scoreMax=10&scoreMin=0"},
		{lo: p(5), ask: "scoreMax=10&scoreMin=4"},
		{lo: p(4.2), hi: p(7.9), ask: "scoreMax=8&scoreMin=4"},
		{lo: p(0), hi: p(10), ask: "scoreMax=10&scoreMin=0"},
		{lo: p(-3), hi: p(99), ask: "scoreMax=10&scoreMin=0"},
		{lo: p(11), ask: "scoreMax=10&scoreMin=0"},
		{hi: p(-1), ask: "scoreMax=10&scoreMin=0"},
		{lo: p(4.2), hi: p(4.8), ask: "scoreMax=10&scoreMin=0"},
		{lo: p(7), hi: p(3), ask: "scoreMax=10&scoreMin=0"},
		{lo: p(5), unscored: true, ask: "scoreMax=10&scoreMin=0"},
		{min: model.SeverityHigh, ask: "scoreMax=10&scoreMin=6"},
		{sev: []model.Severity{model.SeverityMedium}, ask: "scoreMax=8&scoreMin=3"},
		{sev: []model.Severity{model.SeverityUnknown}, ask: "scoreMax=10&scoreMin=0"},
	} {
		q := day()
		q.Filter.ScoreMin, q.Filter.ScoreMax, q.Filter.IncludeUnscored = tc.lo, tc.hi, tc.unscored
		q.Filter.SeverityMin, q.Filter.Severity = tc.min, tc.sev
		for _, limit := range []int{0, 7} {
			q.Limit = limit
			plan, rows, err := r.alerts(q)
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(plan.Requests[0], tc.ask) || plan.Residual.String() != q.Filter.String() {
				t.Errorf("%+v: asked %s, residual %v", tc, plan.Requests[0], plan.Residual)
			}
			rows = slices.DeleteFunc(rows, func(a *model.Alert) bool { return !plan.Residual.Match(a) })
			var want []string
			for _, a := range all {
				if q.Filter.Match(a) {
					want = append(want, a.ID)
				}
			}
			if limit > 0 {
				want, rows = want[:min(limit, len(want))], rows[:min(limit, len(rows))]
			}
			if got := alertIDs(rows); !slices.Equal(got, want) {
				t.Errorf("%+v limit %d: %d alerts, want %d", tc, limit, len(got), len(want))
			}
		}
	}
}

func TestAlertWithoutID(t *testing.T) {
	for _, opt := range []fake.Options{{AlertID: fake.AlertIDNone}, {DocumentedOnly: true}} {
		r := newRig(t, alertData(20), opt, nil, nil)
		_, rows, err := r.alerts(day())
		if err != nil || len(rows) != 20 {
			t.Fatalf("%d alerts, %v", len(rows), err)
		}
		if len(r.warns) != 1 || !strings.Contains(r.warns[0], "made up") {
			t.Errorf("warned %q", r.warns)
		}
		_, again, _ := r.alerts(day())
		if !slices.Equal(alertIDs(rows), alertIDs(again)) {
			t.Error("made-up ids change")
		}
		for _, a := range rows {
			got, err := r.Driver.(backends.AlertGetter).Alert(t.Context(), a.ID, true)
			if err != nil || got.ID != a.ID || got.Status != a.Status || len(got.Raw) == 0 {
				t.Fatalf("%s: %+v, %v", a.ID, got, err)
			}
		}
	}
}

func TestAlertGet(t *testing.T) {
	r := newRig(t, alertData(60), fake.Options{}, nil, nil)
	get := r.Driver.(backends.AlertGetter)
	a, err := get.Alert(t.Context(), "AW000000000000000004", false)
	if err != nil || a.Status != model.StatusDismissed || a.Title != "Alert 4" || a.Raw != nil {
		t.Fatalf("%+v, %v", a, err)
	}
	if _, err := get.Alert(t.Context(), "nope", false); backends.KindOf(err) != backends.KindNotFound {
		t.Errorf("unknown: %v", err)
	}
	l, err := r.Driver.(backends.AlertEventLister).AlertEvents(t.Context(), "AW000000000000000004", backends.Query{Raw: true})
	if err != nil {
		t.Fatal(err)
	}
	events, err := collect(l)
	if err != nil || len(events) != 1 || events[0].AlertID != a.ID || events[0].Kind != model.KindProcessStart || len(events[0].Raw) == 0 {
		t.Fatalf("%+v, %v", events, err)
	}
	if e, err := r.Driver.(backends.EventGetter).Event(t.Context(), events[0].ID, false); err != nil || e.AlertID != a.ID {
		t.Errorf("%+v, %v", e, err)
	}
}

// The event of an alert is the row of /events it came from, when it is there.
func TestAlertEventsFindTheRow(t *testing.T) {
	data := alertData(1)
	row := manyEvents(1)[0]
	a := &data.Alerts[0]
	a.Data.Event.EventTime, a.Data.Event.Process.InstanceID, a.Data.Event.Process.Hash = row.EventTime, row.InstanceID, row.Hash
	a.Data.Event.ChildInstanceID, a.Data.Event.ChildCmdLine, a.Data.Event.ChildPath = row.ChildInstanceID, row.ChildCommandLine, row.ChildPath
	data.Events = fake.NewEventList([]*fake.Event{row})
	r := newRig(t, data, fake.Options{}, nil, nil)
	l, _ := r.Driver.(backends.AlertEventLister).AlertEvents(t.Context(), a.ID, backends.Query{})
	events, err := collect(l)
	if err != nil || len(events) != 1 || events[0].ID != row.ID || events[0].AlertID != a.ID {
		t.Fatalf("%+v, %v", events, err)
	}
}

func inventory() *fake.Data {
	d := eventData(30)
	d.Endpoints = []fake.Endpoint{
		{ID: 30001, Name: "WKS-0042", Version: "2.5.1.0", OS: "Windows 10 x64", LoggedOn: `EXAMPLE\alice`, Status: "online"},
		{ID: 30002, Name: "HR-LAPTOP-7", Version: "1.9.0.470", OS: "Windows 7 x64", Status: "disconnected"},
	}
	d.Processes = []fake.Process{
		{ID: sha(1), PID: 7, Name: "cmd.exe", Path: `C:\cmd.exe`, Device: "WKS-0042", User: `EXAMPLE\alice`, Hash: sha(2)},
		{ID: sha(3), PID: 8, Name: "x.exe", Path: `C:\x.exe`, Device: "HR-LAPTOP-7", User: "SYSTEM", Hash: sha(4)},
	}
	d.Files = map[string]fake.File{sha(2): {Verdict: 2, Names: []string{"cmd.exe", "evil.exe"}, Endpoints: []int64{30001, 30002, 30009}}}
	return d
}

func TestHosts(t *testing.T) {
	for _, opt := range []fake.Options{{}, {IntEndpointID: true}, {RepeatedIDs: true}} {
		r := newRig(t, inventory(), opt, nil, nil)
		l, _ := r.Driver.(backends.HostLister).Hosts(t.Context(), backends.Query{Raw: true})
		hosts, err := collect(l)
		if err != nil || len(hosts) != 2 || hosts[0].ID != "30001" || !*hosts[0].Online || *hosts[1].Online || hosts[0].OS.Platform != "windows" {
			t.Fatalf("%+v, %v", hosts, err)
		}
		get := r.Driver.(backends.HostGetter)
		if h, err := get.Host(t.Context(), "30002", false); err != nil || h.Name != "HR-LAPTOP-7" {
			t.Errorf("%+v, %v", h, err)
		}
		for _, id := range []string{"9", "WKS-0042", ""} {
			if _, err := get.Host(t.Context(), id, false); backends.KindOf(err) != backends.KindNotFound {
				t.Errorf("%q: %v", id, err)
			}
		}
		info, err := r.Driver.(backends.HashInspector).InspectHash(t.Context(), strings.ToUpper(sha(2)))
		if err != nil || info.Verdict != "malicious" || info.Native != "2" || len(info.Names) != 2 || len(info.Hosts) != 3 {
			t.Fatalf("%+v, %v", info, err)
		}
		if info.Hosts[1].Name != "HR-LAPTOP-7" || info.Hosts[2].ID != "30009" {
			t.Errorf("%+v", info.Hosts)
		}
	}
}

func TestHashesAreSHA1(t *testing.T) {
	r := newRig(t, inventory(), fake.Options{}, nil, nil)
	for hash, why := range map[string]string{strings.Repeat("a", 32): "MD5", strings.Repeat("a", 64): "SHA-256", "xyz": "40 hex"} {
		_, err := r.Driver.(backends.HashInspector).InspectHash(t.Context(), hash)
		if backends.KindOf(err) != backends.KindInvalid || !strings.Contains(err.Error(), why) {
			t.Errorf("%s: %v", hash, err)
		}
	}
	if n := len(r.requests()); n != 0 {
		t.Errorf("%d requests", n)
	}
}

func TestProcesses(t *testing.T) {
	r := newRig(t, inventory(), fake.Options{}, nil, nil)
	for want, terms := range map[int][]string{2: nil, 1: {"hash", sha(4)}} {
		q := with(t, day(), terms...)
		l, err := r.Driver.(backends.ProcessLister).Processes(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		rows, err := collect(l)
		if err != nil || len(rows) != want || l.Plan.Residual.String() != q.Filter.String() {
			t.Errorf("%v: %+v, %v", terms, rows, err)
		}
	}
	l, _ := r.Driver.(backends.ProcessLister).Processes(t.Context(), with(t, day(), "host", "wks", "hash", strings.Repeat("a", 64)))
	if rows, err := collect(l); err != nil || len(rows) != 0 || len(l.Plan.Requests) != 0 {
		t.Errorf("%+v, %v, %v", rows, err, l.Plan.Requests)
	}
}

// Nobody has shown how the server writes hashes, nor that it overlooks case.
func TestHashesInCapitals(t *testing.T) {
	data := inventory()
	sum := strings.Repeat("ab", 20)
	data.Processes[1].Hash = strings.ToUpper(sum)
	events := manyEvents(30)
	events[7].Hash = strings.ToUpper(sum)
	data.Events = fake.NewEventList(events)
	r := newRig(t, data, fake.Options{}, nil, nil)
	l, err := r.Driver.(backends.ProcessLister).Processes(t.Context(), with(t, day(), "hash", sum))
	if err != nil {
		t.Fatal(err)
	}
	if rows, err := collect(l); err != nil || len(rows) != 1 || !l.Plan.Residual.Match(rows[0]) {
		t.Errorf("processes: %+v, %v", rows, err)
	}
	plan, rows, err := r.events(with(t, day(), "hash", sum))
	if err != nil || len(rows) != 1 || !plan.Residual.Match(rows[0]) {
		t.Errorf("events: %+v, %v", rows, err)
	}
}

func TestCheck(t *testing.T) {
	r := newRig(t, eventData(30), fake.Options{}, map[string]string{"customer_id": "1042"}, nil)
	h, err := r.Check(t.Context())
	if err != nil || !h.HasClock || h.ClockOffset.Abs() > 2*time.Second || !h.Credentials[0].OK || len(h.Notes) != 0 {
		t.Errorf("%+v, %v", h, err)
	}
	for name, tc := range map[string]struct {
		opt      fake.Options
		settings map[string]string
		want     string
	}{
		"server counts seconds": {fake.Options{Seconds: true}, nil, "time_unit: s"},
		"server counts ms":      {fake.Options{}, map[string]string{"time_unit": "s"}, "time_unit: ms"},
	} {
		r := newRig(t, eventData(30), tc.opt, tc.settings, nil)
		h, err := r.Check(t.Context())
		if err != nil || !strings.Contains(strings.Join(h.Notes, "\n"), tc.want) {
			t.Errorf("%s: %q, %v", name, h.Notes, err)
		}
	}
	r = newRig(t, eventData(3), fake.Options{Token: "another"}, nil, nil)
	if h, err := r.Check(t.Context()); backends.KindOf(err) != backends.KindAuth || h.Credentials[0].OK || !h.Credentials[0].Present {
		t.Errorf("%+v, %v", h, err)
	}
}

// Every call carries token and customer.
func TestHeaders(t *testing.T) {
	var bad []string
	r := newRig(t, inventory(), fake.Options{RequireCustomer: true}, map[string]string{"customer_id": "1042"}, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			if req.Header.Get("edr-customerid") != "1042" || req.Header.Get("Authorization") != "Bearer "+token {
				bad = append(bad, req.URL.Path)
			}
			next.ServeHTTP(w, req)
		})
	})
	if _, _, err := r.events(day()); err != nil {
		t.Error(err)
	}
	if _, _, err := r.alerts(day()); err != nil {
		t.Error(err)
	}
	if _, err := r.Driver.(backends.HashInspector).InspectHash(t.Context(), sha(2)); err != nil {
		t.Error(err)
	}
	if len(bad) > 0 {
		t.Errorf("without headers: %v", bad)
	}
}

// An answer that contradicts itself loses nothing: the same alert twice is one,
// the same id with another content is another record. What is dismissed is
// given as that, once.
func TestAlertsThatContradictThemselves(t *testing.T) {
	item := func(id, rule string) string {
		return fmt.Sprintf(`{"alertID":%q,"alertTime":%d,"alertName":%q,"score":5}`, id, anchor.Add(-time.Hour).UnixMilli(), rule)
	}
	r := newRig(t, alertData(1), fake.Options{}, nil, func(http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			items := []string{item("a", "one"), item("b", "one"), item("a", "one"), item("a", "two"), item("c", "one")}
			if r.URL.Query().Get("dismissed") == "true" {
				items = []string{item("c", "one")}
			}
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprintf(w, `{"items":[%s]}`, strings.Join(items, ","))
		})
	})
	_, rows, err := r.alerts(day())
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]int{}
	for _, a := range rows {
		got[a.ID]++
		if (a.Status == model.StatusDismissed) != (a.ID == "c") {
			t.Errorf("%s is %s", a.ID, a.Status)
		}
	}
	if got["a"] != 2 || got["b"] != 1 || got["c"] != 1 {
		t.Errorf("alerts: %v, want a twice, b and c once", got)
	}
}

// An error with an empty list is an error, not an empty list.
func TestAlertsErrorBesideAList(t *testing.T) {
	r := newRig(t, alertData(1), fake.Options{}, nil, func(http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write([]byte(`{"error":"the index is not available","items":[]}`))
		})
	})
	if _, rows, err := r.alerts(day()); err == nil || !strings.Contains(err.Error(), "the index is not available") {
		t.Errorf("%d alerts, %v", len(rows), err)
	}
}
