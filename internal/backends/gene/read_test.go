package gene_test

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/backends/gene/fake"
	"github.com/edrctl/edrctl/internal/filter"
	"github.com/edrctl/edrctl/internal/model"
)

// each runs f on every version the fake can be.
func each(t *testing.T, f func(t *testing.T, version string)) {
	for _, v := range fake.Versions {
		t.Run(v, func(t *testing.T) { f(t, v) })
	}
}

func TestEventsEveryVersion(t *testing.T) {
	const n = 16_000
	data := busy(n, 20*time.Hour)
	each(t, func(t *testing.T, v string) {
		d, _, _ := start(t, data, fake.Options{Version: v})
		l, err := d.Events(t.Context(), backends.Query{Since: now.Add(-48 * time.Hour), Until: now.Add(time.Second)})
		events := collect(t, l, err)
		if len(events) != n {
			t.Fatalf("%d events, want %d", len(events), n)
		}
		ids := map[string]bool{}
		var times []time.Time
		hosts := map[string]int{}
		for _, e := range events {
			if ids[e.ID] {
				t.Fatalf("event %s came twice", e.ID)
			}
			ids[e.ID] = true
			times = append(times, e.Time.Time)
			hosts[e.Host.Name+"|"+e.Host.Domain+"|"+e.Host.ID]++
			if e.Kind != model.KindFileCreate || !strings.HasPrefix(e.File.Path, `C:\Users\a\file`) || e.Process.UID == "" {
				t.Fatalf("event %+v", e)
			}
		}
		newestFirst(t, times)
		if hosts["ALPHA|corp.example|"+uuid1] != n/2 || hosts["BRAVO||"+uuid2] != n/2 {
			t.Errorf("hosts %v", hosts)
		}
	})
}

func TestAlertsEveryVersion(t *testing.T) {
	data := busy(3000, 70*time.Hour)
	each(t, func(t *testing.T, v string) {
		d, _, f := start(t, data, fake.Options{Version: v})
		l, err := d.Alerts(t.Context(), backends.Query{Since: now.Add(-71 * time.Hour), Until: now, Raw: true})
		alerts := collect(t, l, err)
		if len(alerts) != 300 {
			t.Fatalf("%d alerts, want 300", len(alerts))
		}
		var times []time.Time
		for _, a := range alerts {
			times = append(times, a.Time.Time)
			if a.Score == nil || a.Title == "" || a.Rule.Name != a.Title || len(a.Attack) != 1 || a.Attack[0].Technique.ID != "T1105" || len(a.Raw) == 0 || a.ID == "" {
				t.Fatalf("alert %+v", a)
			}
		}
		newestFirst(t, times)
		one, err := d.Alert(t.Context(), alerts[7].ID, true)
		if err != nil || one.ID != alerts[7].ID || !one.Time.Equal(alerts[7].Time.Time) {
			t.Errorf("Alert: %v %v", one, err)
		}
		if _, err := d.Alert(t.Context(), strings.Repeat("ab", 20), false); backends.KindOf(err) != backends.KindNotFound {
			t.Errorf("an unknown alert: %v", err)
		}
		ev := collect(t, mustListing(d.AlertEvents(t.Context(), alerts[9].ID, backends.Query{})), nil)
		if len(ev) != 1 || ev[0].AlertID != alerts[9].ID || ev[0].ID != alerts[9].ID {
			t.Errorf("AlertEvents: %v", ev)
		}
		calls := f.Calls()
		if v == fake.V170 || v == fake.Beta {
			if calls["GET /endpoints/{uuid}/alerts"] == 0 {
				t.Errorf("calls %v", calls)
			}
		} else if calls["GET /endpoints/{uuid}/detections"] == 0 {
			t.Errorf("calls %v", calls)
		}
	})
}

func mustListing[T any](l backends.Listing[T], err error) backends.Listing[T] {
	if err != nil {
		panic(err)
	}
	return l
}

func TestEventByID(t *testing.T) {
	data := busy(500, 5*time.Hour)
	each(t, func(t *testing.T, v string) {
		d, _, _ := start(t, data, fake.Options{Version: v})
		l, err := d.Events(t.Context(), backends.Query{Since: now.Add(-10 * time.Hour), Until: now})
		events := collect(t, l, err)
		for _, i := range []int{0, 123, 499} {
			e, err := d.Event(t.Context(), events[i].ID, true)
			if err != nil || e.ID != events[i].ID || len(e.Raw) == 0 {
				t.Errorf("event %d: %v %v", i, e, err)
			}
		}
		if _, err := d.Event(t.Context(), "nope", false); backends.KindOf(err) != backends.KindNotFound {
			t.Errorf("an unknown event: %v", err)
		}
	})
}

func TestHostFilterNarrows(t *testing.T) {
	data := busy(2000, 3*time.Hour)
	each(t, func(t *testing.T, v string) {
		d, _, _ := start(t, data, fake.Options{Version: v})
		var q backends.Query
		q.Since, q.Until = now.Add(-4*time.Hour), now
		if err := q.Filter.Add(filter.Host, "bravo"); err != nil {
			t.Fatal(err)
		}
		l, err := d.Events(t.Context(), q)
		got := collect(t, l, err)
		if len(got) != 1000 {
			t.Fatalf("%d events of BRAVO, want 1000", len(got))
		}
		for _, e := range got {
			if !l.Plan.Residual.Match(e) {
				t.Fatalf("the residual refuses %+v", e.Host)
			}
		}
	})
}

func TestHosts(t *testing.T) {
	data := busy(1000, 3*time.Hour)
	each(t, func(t *testing.T, v string) {
		d, _, _ := start(t, data, fake.Options{Version: v})
		l, err := d.Hosts(t.Context(), backends.Query{Raw: true})
		hosts := collect(t, l, err)
		if len(hosts) != 3 {
			t.Fatalf("%d hosts", len(hosts))
		}
		a, b, c := hosts[0], hosts[1], hosts[2]
		if a.ID != uuid1 || a.Name != "ALPHA" || a.Online == nil || !*a.Online {
			t.Errorf("host %+v", a)
		}
		if *b.Online || b.LastSeen.IsZero() || *c.Online || !c.LastSeen.IsZero() || c.ReportScore != nil {
			t.Errorf("hosts %+v %+v", b, c)
		}
		for _, h := range hosts {
			if strings.Contains(string(h.Raw), `"key"`) || len(h.Raw) == 0 {
				t.Errorf("raw %s", h.Raw)
			}
		}
		if v == fake.Head && (a.OS == nil || a.OS.Name != "Windows 10 Pro" || a.AgentVersion != "1.8.0") {
			t.Errorf("os %+v %q", a.OS, a.AgentVersion)
		}
		for _, id := range []string{uuid2, "bravo", strings.ToUpper(uuid2)} {
			one, err := d.Host(t.Context(), id, true)
			if err != nil || one.ID != uuid2 || strings.Contains(string(one.Raw), `"key"`) {
				t.Errorf("Host %s: %+v %v", id, one, err)
			}
		}
		if _, err := d.Host(t.Context(), "nobody", false); backends.KindOf(err) != backends.KindNotFound {
			t.Errorf("an unknown host: %v", err)
		}
	})
}

func TestReports(t *testing.T) {
	data := busy(1000, 3*time.Hour)
	each(t, func(t *testing.T, v string) {
		d, _, _ := start(t, data, fake.Options{Version: v})
		l, err := d.Reports(t.Context(), "", backends.Query{Raw: true})
		all := collect(t, l, err)
		if len(all) != 1 || all[0].AlertCount != 100 || all[0].Host.Name != "BRAVO" || all[0].Score <= 10 || len(all[0].Signatures) != 3 || all[0].Start.IsZero() {
			t.Fatalf("reports %+v", all)
		}
		l, err = d.Reports(t.Context(), "bravo", backends.Query{})
		if one := collect(t, l, err); len(one) != 1 || one[0].Score != all[0].Score {
			t.Errorf("report %+v", one)
		}
		l, err = d.Reports(t.Context(), "ALPHA", backends.Query{})
		if none := collect(t, l, err); len(none) != 0 {
			t.Errorf("report %+v", none)
		}
	})
}

func TestProcesses(t *testing.T) {
	data := busy(1000, 3*time.Hour)
	log := data.Log.(*memLog)
	log.put(fake.Meta{Time: now.Add(-time.Minute), Endpoint: 0}, fake.Event{Computer: "ALPHA", EventID: 1, Data: []fake.KV{
		{K: "CommandLine", V: `cmd.exe /c "x"`}, {K: "CurrentDirectory", V: `C:\`},
		{K: "Hashes", V: "SHA1=" + strings.Repeat("A", 40) + ",MD5=" + strings.Repeat("B", 32)},
		{K: "Image", V: `C:\Windows\System32\cmd.exe`}, {K: "IntegrityLevel", V: "High"},
		{K: "ParentImage", V: `C:\Windows\explorer.exe`}, {K: "ParentProcessGuid", V: "{515cd0d1-00f6-6040-4400-000000000001}"}, {K: "ParentProcessId", V: "101"},
		{K: "ProcessGuid", V: "{515cd0d1-1111-6040-4400-000000000001}"}, {K: "ProcessId", V: "7777"},
		{K: "User", V: `CORP\alice`}, {K: "UtcTime", V: now.Add(-time.Minute).Format("2006-01-02 15:04:05.000")},
	}})
	log.put(fake.Meta{Time: now.Add(-30 * time.Second), Endpoint: 0}, fake.Event{Computer: "ALPHA", EventID: 5, Data: []fake.KV{
		{K: "Image", V: `C:\Windows\System32\cmd.exe`}, {K: "ProcessGuid", V: "{515cd0d1-1111-6040-4400-000000000001}"}, {K: "ProcessId", V: "7777"},
	}})
	each(t, func(t *testing.T, v string) {
		d, _, _ := start(t, data, fake.Options{Version: v})
		l, err := d.Processes(t.Context(), backends.Query{Since: now.Add(-4 * time.Hour), Until: now})
		got := collect(t, l, err)
		if len(got) != 51 {
			t.Fatalf("%d processes, want 51", len(got))
		}
		p := got[0]
		if p.UID != "515cd0d1-1111-6040-4400-000000000001" || p.PID != 7777 || p.CommandLine != `cmd.exe /c "x"` ||
			p.Ended.IsZero() || p.Started.IsZero() || p.EventCount != 2 || p.User.Domain != "CORP" || p.Hash.SHA1 != strings.Repeat("a", 40) ||
			p.Parent.PID != 101 || p.Parent.Name != "explorer.exe" || p.Integrity != "High" || p.Host.Name != "ALPHA" {
			t.Errorf("process %+v %+v", p, p.Parent)
		}
	})
}

func TestRules(t *testing.T) {
	data := &fake.Data{Endpoints: machines(), Rules: []fake.Rule{
		{Name: "Bad[Name", Channel: sysmon, EventIDs: []int{1}, Criticality: 8, Condition: "$a", Matches: []string{"$a: Image = 'x'"}, Attack: []fake.Attack{{ID: "T1003", Tactic: "credential-access"}}},
		{Name: "Another", Tags: []string{"x"}, Channel: sysmon, EventIDs: []int{10}, Criticality: 3},
		{Name: "KeepAll", Channel: sysmon, Filter: true},
	}}
	each(t, func(t *testing.T, v string) {
		d, _, _ := start(t, data, fake.Options{Version: v})
		l, err := d.Rules(t.Context(), backends.Query{Raw: true})
		rules := collect(t, l, err)
		if len(rules) != 3 || rules[0].Name != "Another" || rules[1].Name != "Bad[Name" || rules[2].Type != "filter" || rules[2].Score != nil {
			t.Fatalf("rules %+v", rules)
		}
		if r := rules[1]; *r.Score != 8 || r.Severity != model.SeverityHigh || r.Attack[0].Technique.ID != "T1003" || r.Condition != "$a" || !*r.Enabled || len(r.Raw) == 0 {
			t.Errorf("rule %+v", r)
		}
		r, err := d.Rule(t.Context(), "Bad[Name", false)
		if err != nil || r.Name != "Bad[Name" {
			t.Errorf("Rule: %v %v", r, err)
		}
		if _, err := d.Rule(t.Context(), "Bad", false); backends.KindOf(err) != backends.KindNotFound {
			t.Errorf("a part of a name: %v", err)
		}
		for _, pattern := range []string{"bad[", "=bad[name", "bad*name", "B?d[Name"} {
			var q backends.Query
			if err := q.Filter.Add(filter.Rule, pattern); err != nil {
				t.Fatal(err)
			}
			l, err := d.Rules(t.Context(), q)
			if got := collect(t, l, err); len(got) != 1 || got[0].Name != "Bad[Name" {
				t.Errorf("--rule %s: %v", pattern, got)
			}
		}
	})
}

func TestArtifacts(t *testing.T) {
	at := now.Add(-time.Hour)
	guid := "515cd0d1-9064-60e4-577c-000000004e00"
	data := &fake.Data{Endpoints: machines(), Artifacts: []fake.Artifact{
		{Endpoint: 0, ProcessGUID: guid, EventHash: strings.Repeat("ab", 16), Name: "event.json.gz", Content: []byte("x"), Time: at},
		{Endpoint: 0, ProcessGUID: guid, EventHash: strings.Repeat("ab", 16), Name: "two words.bin", Content: []byte("yy"), Time: at.Add(time.Minute)},
	}}
	each(t, func(t *testing.T, v string) {
		d, _, _ := start(t, data, fake.Options{Version: v})
		l, err := d.Carves(t.Context(), backends.Query{Raw: true})
		got, err := drain(l, err)
		if v == fake.V170 {
			if backends.KindOf(err) != backends.KindUnsupported {
				t.Fatalf("v1.7.0 has no artifacts: %v", err)
			}
			return
		}
		if err != nil || len(got) != 2 {
			t.Fatalf("%v %v", got, err)
		}
		if got[0].Host.Name != "ALPHA" || got[0].State != model.CarveComplete || !strings.HasPrefix(got[0].ID, uuid1+"/"+guid+"/") {
			t.Errorf("carve %+v", got[0])
		}
		if v == fake.Head && (got[0].Name != "two words.bin" || got[0].Size != 2 || !got[0].Created.Equal(at.Add(time.Minute))) {
			t.Errorf("carve %+v", got[0])
		}
	})
}

func TestWatch(t *testing.T) {
	t.Parallel() // it mostly waits
	data := busy(100, time.Hour)
	log := data.Log.(*memLog)
	for i := range 5 {
		e := fake.Event{Computer: "ALPHA", EventID: 22, Data: []fake.KV{{K: "Image", V: `C:\a.exe`}, {K: "QueryName", V: strings.Repeat("x", 6000*(i%2)) + "q.example"}, {K: "ProcessId", V: "5"}}}
		if i == 3 {
			e.Signatures, e.Criticality = []string{"Late"}, 9
		}
		log.put(fake.Meta{Time: now.Add(time.Duration(i+1) * 300 * time.Millisecond), Endpoint: 0, Detection: i == 3}, e)
	}
	each(t, func(t *testing.T, v string) {
		var began atomic.Pointer[time.Time]
		restart := func() { t := time.Now(); began.Store(&t) }
		restart()
		ticking := func() time.Time { return now.Add(time.Since(*began.Load())) }
		d, _, _ := start(t, data, fake.Options{Version: v, Now: ticking})
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		l, err := d.WatchEvents(ctx, backends.Query{Raw: true, Log: true})
		if err != nil {
			t.Fatal(err)
		}
		var got []*model.Event
		for e, err := range l.Seq {
			if err != nil {
				if (v == fake.V170 || v == fake.Beta) && backends.KindOf(err) == backends.KindUnsupported {
					return
				}
				t.Fatal(err)
			}
			if got = append(got, e); len(got) == 4 {
				break
			}
		}
		if len(got) != 4 || got[0].Host.ID != uuid1 || got[0].Kind != model.KindDNSQuery || len(got[1].DNS.Question.Name) != 6009 {
			t.Fatalf("%d events: %+v", len(got), got)
		}
		for _, e := range got {
			checkRecord(t, e, e.Raw)
		}
		if v == fake.Beta2 || v == fake.Head {
			restart()
			la, err := d.WatchAlerts(ctx, backends.Query{})
			if err != nil {
				t.Fatal(err)
			}
			for a, err := range la.Seq {
				if err != nil || a.Title != "Late" || *a.Score != 9 {
					t.Fatalf("%+v %v", a, err)
				}
				break
			}
		}
	})
}

func TestCheck(t *testing.T) {
	want := map[string]string{fake.V170: "v1.7.0", fake.Beta: "v1.8.0-beta", fake.Beta2: "v1.8.0-beta.2", fake.Head: "v1.8.0-beta.7 or later"}
	each(t, func(t *testing.T, v string) {
		d, _, f := start(t, busy(10, time.Hour), fake.Options{Version: v})
		h, err := d.Check(t.Context())
		if err != nil || h.Version != want[v] || !h.HasClock || len(h.Credentials) != 1 || !h.Credentials[0].OK {
			t.Errorf("%+v %v", h, err)
		}
		for call := range f.Calls() {
			if !strings.HasPrefix(call, "GET ") || strings.Contains(call, "/users") || strings.Contains(call, "/rules/") {
				t.Errorf("Check called %s", call)
			}
		}
	})
}
