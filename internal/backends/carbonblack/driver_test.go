package carbonblack_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/backends/carbonblack"
	"github.com/edrctl/edrctl/internal/backends/carbonblack/fake"
	"github.com/edrctl/edrctl/internal/client"
	"github.com/edrctl/edrctl/internal/faults"
	"github.com/edrctl/edrctl/internal/filter"
	"github.com/edrctl/edrctl/internal/model"
)

// recorder keeps the queries a server was asked.
type recorder struct {
	http.Handler
	mu   sync.Mutex
	seen []*http.Request
}

func (r *recorder) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	r.mu.Lock()
	r.seen = append(r.seen, q.Clone(context.Background()))
	r.mu.Unlock()
	r.Handler.ServeHTTP(w, q)
}

func TestEventsEachOnceNewestFirst(t *testing.T) {
	for _, tc := range []struct {
		name string
		opt  func(*fake.Options)
		n    int
		step time.Duration
	}{
		{"one page", nil, 50, time.Minute},
		{"rows capped by the server", func(o *fake.Options) { o.RowsCap = 7 }, 100, time.Minute},
		{"null past the ceiling", func(o *fake.Options) { o.Ceiling, o.RowsCap = 30, 8 }, 200, time.Minute},
		{"ceiling on a page border", func(o *fake.Options) { o.Ceiling, o.RowsCap = 32, 8 }, 64, time.Minute},
		{"several events in one millisecond", func(o *fake.Options) { o.Ceiling, o.RowsCap = 20, 5 }, 150, 200 * time.Microsecond},
		{"overestimated total", func(o *fake.Options) { o.Overestimate, o.RowsCap = 5, 9 }, 100, time.Minute},
		{"overestimated total and ceiling", func(o *fake.Options) { o.Overestimate, o.Ceiling, o.RowsCap = 5, 30, 9 }, 100, time.Minute},
		{"three windows of two weeks", func(o *fake.Options) { o.RowsCap = 25 }, 150, 6 * time.Hour},
	} {
		t.Run(tc.name, func(t *testing.T) {
			o := fakeOptions()
			if tc.opt != nil {
				tc.opt(&o)
			}
			rec := &recorder{Handler: fake.New(fleet(tc.n, tc.step), o)}
			d := open(t, rec, config{})
			l, err := d.Events(t.Context(), backends.Query{Since: now.Add(-time.Duration(tc.n+1) * tc.step), Until: now})
			if err != nil {
				t.Fatal(err)
			}
			got, err := collect(l.Seq)
			if err != nil {
				t.Fatal(err)
			}
			if len(got) != tc.n {
				t.Errorf("%d events, want %d", len(got), tc.n)
			}
			ids := map[string]bool{}
			for i, e := range got {
				if ids[e.ID] {
					t.Fatalf("event %s twice", e.ID)
				}
				ids[e.ID] = true
				if i > 0 && e.Time.After(got[i-1].Time.Time) {
					t.Fatalf("event %d is newer than the one before", i)
				}
			}
			for _, r := range rec.seen {
				q := r.URL.Query()
				if q.Has("searchWindow") || q.Get("start") == "" || q.Get("start") == "0" {
					t.Errorf("asked %s", r.URL)
				}
				from, err1 := time.Parse("2006-01-02T15:04:05.000Z", q.Get("startTime"))
				to, err2 := time.Parse("2006-01-02T15:04:05.000Z", q.Get("endTime"))
				if err1 != nil || err2 != nil || to.Sub(from) > 14*24*time.Hour {
					t.Errorf("window of %s", r.URL)
				}
			}
		})
	}
}

func TestMoreThanTheCeilingInOneMillisecondIsAnError(t *testing.T) {
	o := fakeOptions()
	o.Ceiling = 120
	d := open(t, fake.New(fleet(300, time.Nanosecond), o), config{})
	l, _ := d.Events(t.Context(), backends.Query{Since: now.Add(-time.Hour), Until: now.Add(time.Second)})
	if got, err := collect(l.Seq); backends.KindOf(err) != backends.KindPartial {
		t.Fatalf("%d of 300 events: %v", len(got), err)
	}
}

func TestPushDownAgreesWithTheEvaluator(t *testing.T) {
	d := open(t, fake.New(fleet(400, time.Minute), fakeOptions()), config{})
	window := backends.Query{Since: now.Add(-24 * time.Hour), Until: now}
	l, _ := d.Events(t.Context(), window)
	all, err := collect(l.Seq)
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		terms    []string
		sent     []string // parameters that must be in the request
		residual int      // terms left
	}{
		{[]string{"host", "=ws-1"}, []string{"hostName=ws-1"}, 1},
		{[]string{"host", "=WS-3"}, []string{"hostName=WS-3"}, 1}, // known as CORP\WS-3 to the server
		{[]string{"host", "ws-1"}, nil, 1},
		{[]string{"host", "=100"}, nil, 1}, // an id
		{[]string{"host", "*-1*"}, nil, 1},
		{[]string{"host", "=nobody"}, []string{"hostName=nobody"}, 1},
		{[]string{"kind", "process_start"}, []string{"eventType=CREATE_PROCESS"}, 1},
		{[]string{"kind", "network_connect"}, []string{"eventType=NETWORK"}, 1},
		{[]string{"kind", "registry_set"}, []string{"eventType=REGISTRY_ACCESS"}, 1},
		{[]string{"kind", "dns_query"}, nil, 0},
		{[]string{"kind", "other"}, nil, 1},
		{[]string{"hash", shaOf(3)}, nil, 1},
		{[]string{"hash", shaOf(77)}, nil, 1},
		{[]string{"process", "=proc1.exe"}, nil, 1},
		{[]string{"process", "child"}, nil, 1},
		{[]string{"ip", "203.0.113.9"}, nil, 1},
		{[]string{"ip", "192.0.2.0/24"}, nil, 1},
		{[]string{"user", "user2"}, nil, 1},
		{[]string{"domain", "evil.example"}, nil, 1},
		{[]string{"port", "443"}, nil, 1},
		{[]string{"file", "dropped"}, nil, 1},
		{[]string{"host", "=ws-10", "kind", "file_create"}, []string{"hostName=ws-10", "eventType=FILE_CREATE"}, 2},
		{[]string{"search", "LSASS"}, nil, 1},
	} {
		t.Run(strings.Join(tc.terms, " "), func(t *testing.T) {
			q := window
			q.Filter = where(t, tc.terms...)
			l, err := d.Events(t.Context(), q)
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range tc.sent {
				if len(l.Plan.Requests) == 0 || !strings.Contains(l.Plan.Requests[0], p) {
					t.Errorf("request %q lacks %s", l.Plan.Requests, p)
				}
			}
			for _, p := range []string{"sha256Hash", "ipAddress", "applicationName", "ownerName"} {
				if len(l.Plan.Requests) > 0 && strings.Contains(l.Plan.Requests[0], p) {
					t.Errorf("%s would lose matches: %s", p, l.Plan.Requests[0])
				}
			}
			if len(l.Plan.Residual.Terms) != tc.residual {
				t.Errorf("residual %q", l.Plan.Residual)
			}
			got, err := collect(l.Seq)
			if err != nil {
				t.Fatal(err)
			}
			var have, want []string
			for _, e := range got {
				if l.Plan.Residual.Match(e) {
					have = append(have, e.ID)
				}
			}
			for _, e := range all {
				if q.Filter.Match(e) {
					want = append(want, e.ID)
				}
			}
			if !slices.Equal(have, want) {
				t.Errorf("%d events, %d by local evaluation", len(have), len(want))
			}
		})
	}
}

func TestNativeQuery(t *testing.T) {
	d := open(t, fake.New(fleet(100, time.Minute), fakeOptions()), config{})
	l, err := d.Events(t.Context(), backends.Query{Native: "applicationName=PROC1.exe&eventType=NETWORK"})
	if err != nil {
		t.Fatal(err)
	}
	got, err := collect(l.Seq)
	if err != nil || len(got) == 0 {
		t.Fatal(len(got), err)
	}
	for _, bad := range []string{"start=2", "searchWindow=1d", "nope=1", "hostName=a&hostName=b", "%zz"} {
		if _, err := d.Events(t.Context(), backends.Query{Native: bad}); backends.KindOf(err) != backends.KindInvalid {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestEventDetailInBothShapes(t *testing.T) {
	for _, list := range []bool{false, true} {
		o := fakeOptions()
		o.ListShapeDetail = list
		data := fleet(36, time.Minute)
		d := open(t, fake.New(data, o), config{})
		id := data.Alerts[0].Events[0].ID
		e, err := d.Event(t.Context(), id, true)
		if err != nil {
			t.Fatal(err)
		}
		if e.Process == nil || e.Process.Hash == nil || e.Process.Hash.SHA256 != shaOf(0) || e.Detection == nil || e.Detection.Score == nil || len(e.Raw) == 0 {
			t.Errorf("list shape %v: %+v", list, e)
		}
		_, err = d.Event(t.Context(), data.Events.Event(3).ID, false)
		if backends.KindOf(err) != backends.KindNotFound || !strings.Contains(err.Error(), "alert-related") {
			t.Errorf("an event without alert: %v", err)
		}
	}
}

func TestAlertsFromEvents(t *testing.T) {
	data := fleet(400, time.Minute)
	srv := fake.New(data, fakeOptions())
	d := open(t, srv, config{})
	l, err := d.Alerts(t.Context(), backends.Query{Since: now.Add(-24 * time.Hour), Until: now, Raw: true})
	if err != nil {
		t.Fatal(err)
	}
	got, err := collect(l.Seq)
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != len(data.Alerts) {
		t.Errorf("%d alerts, want %d", len(got), len(data.Alerts))
	}
	for i, a := range got {
		if i > 0 && a.Time.After(got[i-1].Time.Time) {
			t.Error("not newest first")
		}
		if a.Score == nil || *a.Score < 1 || a.Severity == model.SeverityUnknown || a.Host == nil || a.Process == nil || a.Title == "" {
			t.Errorf("alert %+v", a)
		}
		if bytes.Contains(a.Raw, []byte("ACTIVATESECRET")) {
			t.Error("a device secret in raw")
		}
	}
	calls := srv.Calls()
	if calls["GET /notification"] != 0 || calls["GET /auditlogs"] != 0 {
		t.Errorf("a read-once queue was read: %v", calls)
	}
	if calls["GET /alert/{id}"] != len(data.Alerts) {
		t.Errorf("calls %v", calls)
	}

	one, err := d.Alert(t.Context(), got[0].ID, false)
	if err != nil || one.ID != got[0].ID {
		t.Fatal(one, err)
	}
	el, _ := d.AlertEvents(t.Context(), got[0].ID, backends.Query{Raw: true})
	events, err := collect(el.Seq)
	if err != nil || len(events) != one.EventCount || len(events[0].Raw) == 0 || events[0].AlertID != one.ID {
		t.Errorf("%d events: %v", len(events), err)
	}
	if _, err := d.Alert(t.Context(), "NO/SUCH ?#", false); backends.KindOf(err) != backends.KindNotFound {
		t.Errorf("unknown alert: %v", err)
	}

	q := backends.Query{Since: now.Add(-24 * time.Hour), Until: now, Filter: where(t, "host", "=WS-3")}
	l, _ = d.Alerts(t.Context(), q)
	mine, err := collect(l.Seq)
	if err != nil {
		t.Fatal(err)
	}
	want := 0
	for _, a := range got {
		if q.Filter.Match(a) {
			want++
		}
	}
	have := 0
	for _, a := range mine {
		if l.Plan.Residual.Match(a) {
			have++
		}
	}
	if have != want || want == 0 {
		t.Errorf("%d alerts on WS-3, want %d", have, want)
	}
}

// A detail that fails for a while is read again; a server that stays down is
// left alone after a few.
// The alerts of an incomplete list of events are given, and that it is one.
func TestAlertsOfPagesThatRepeat(t *testing.T) {
	repeat, err := faults.Parse("moving-pages=repeat")
	if err != nil {
		t.Fatal(err)
	}
	o := fakeOptions()
	o.Conduct = repeat.Conduct(carbonblack.Name)
	d := open(t, fake.New(fleet(400, time.Minute), o), config{})
	found := 0
	for back := 0; back < 30 && found == 0; back++ {
		l, err := d.Alerts(t.Context(), backends.Query{Since: now.Add(-24 * time.Hour), Until: now.Add(-time.Duration(back) * time.Minute)})
		if err != nil {
			t.Fatal(err)
		}
		for a, err := range l.Seq {
			if a != nil {
				found++
			} else if backends.KindOf(err) != backends.KindPartial {
				t.Fatal(err)
			}
		}
	}
	if found == 0 {
		t.Error("what the first pages hold is not given")
	}
}

func TestAlertDetailsFail(t *testing.T) {
	data := fleet(400, time.Minute)
	srv := fake.New(data, fakeOptions())
	for _, tc := range []struct {
		name string
		down func(n int) bool // the n-th request for a detail
		want int              // alerts
		most int              // requests for details
	}{
		{"the first five", func(n int) bool { return n < 5 }, len(data.Alerts), len(data.Alerts) + 8},
		{"all of them", func(int) bool { return true }, 0, 40},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var n atomic.Int32
			d := open(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if strings.Contains(r.URL.Path, "/alert/") && tc.down(int(n.Add(1)-1)) {
					w.WriteHeader(http.StatusServiceUnavailable)
					return
				}
				srv.ServeHTTP(w, r)
			}), config{})
			l, _ := d.Alerts(t.Context(), backends.Query{Since: now.Add(-24 * time.Hour), Until: now})
			got, err := collect(l.Seq)
			if len(got) != tc.want || (err == nil) != (tc.want > 0) || err != nil && backends.KindOf(err) != backends.KindUnavailable {
				t.Errorf("%d alerts: %v", len(got), err)
			}
			if int(n.Load()) > tc.most {
				t.Errorf("%d requests for details", n.Load())
			}
		})
	}
}

// An alert that the server no longer has, and an event with a score but no
// incident, are still shown.
func TestAlertsWithoutDetail(t *testing.T) {
	data := fleet(36, time.Minute)
	data.Alerts = data.Alerts[1:]
	events := data.Events.(fake.Slice)
	events[5].Score = 4
	d := open(t, fake.New(data, fakeOptions()), config{})
	l, _ := d.Alerts(t.Context(), backends.Query{Since: now.Add(-24 * time.Hour), Until: now})
	got, err := collect(l.Seq)
	if err != nil {
		t.Fatal(err)
	}
	ids := map[string]bool{}
	for _, a := range got {
		ids[a.ID] = true
		if a.Score == nil {
			t.Errorf("%s has no score", a.ID)
		}
	}
	if !ids["INC00000"] || !ids["event:"+events[5].ID] {
		t.Errorf("alerts %v", ids)
	}
}

func TestNotificationsAreSpooledFirst(t *testing.T) {
	data := fleet(400, time.Minute)
	srv := fake.New(data, fakeOptions())
	dir := t.TempDir()
	conf := config{stateDir: dir, settings: map[string]string{"alert_source": "notifications"}}
	q := backends.Query{Since: now.Add(-24 * time.Hour), Until: now}
	list := func() []*model.Alert {
		l, err := open(t, srv, conf).Alerts(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		got, err := collect(l.Seq)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	// A reader that stops at once loses nothing.
	l, _ := open(t, srv, conf).Alerts(t.Context(), q)
	for range l.Seq {
		break
	}
	first, second := list(), list()
	if len(first) != len(data.Notifications) || len(second) != len(first) {
		t.Fatalf("%d then %d alerts, want %d", len(first), len(second), len(data.Notifications))
	}
	seen := map[string]bool{}
	for _, a := range first {
		if seen[a.ID] {
			t.Errorf("%s twice", a.ID)
		}
		seen[a.ID] = true
	}
	if a, err := open(t, srv, conf).Alert(t.Context(), first[0].ID, true); err != nil || a.Source != "THREAT" || len(a.Raw) == 0 {
		t.Errorf("from the spool: %+v, %v", a, err)
	}
	if _, err := open(t, srv, config{settings: conf.settings}).Alerts(t.Context(), q); backends.KindOf(err) != backends.KindInvalid {
		t.Errorf("without a state directory: %v", err)
	}
	if n := srv.Calls()["GET /event"]; n != 0 {
		t.Errorf("%d event searches", n)
	}
}

// A batch cut on its way: its whole elements are kept, the rest too, and the
// answer is an error.
func TestCutNotificationBatchIsKept(t *testing.T) {
	body := `{"success":true,"notifications":[{"type":"THREAT","eventTime":1795000000000,"threatInfo":{"incidentId":"AAA","score":3}},{"type":"THR`
	calls := 0
	d := open(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		calls++
		w.Header().Set("Content-Type", "application/json")
		if calls > 1 {
			_, _ = w.Write([]byte(`{"notifications":[],"success":true}`))
			return
		}
		_, _ = w.Write([]byte(body))
	}), config{stateDir: t.TempDir(), settings: map[string]string{"alert_source": "notifications"}})
	l, _ := d.Alerts(t.Context(), backends.Query{Since: time.UnixMilli(1), Until: now.Add(10000 * time.Hour)})
	got, err := collect(l.Seq)
	if backends.KindOf(err) != backends.KindMalformed || len(got) != 1 || got[0].ID != "AAA" {
		t.Fatalf("%d alerts, %v", len(got), err)
	}
	if calls != 1 {
		t.Errorf("the queue was read %d times", calls)
	}
	if again, err := collect(l.Seq); err != nil || len(again) != 1 {
		t.Errorf("later: %d alerts, %v", len(again), err)
	}
}

// What a device whose clock is ahead did is in the list of processes and in a
// hunt when the window has no end; the day beyond now is asked for only then.
func TestProcessesAndHuntsReachAheadOfNow(t *testing.T) {
	for _, fault := range []string{"early=26h:host=WS-1", ""} {
		spec, err := faults.Parse(fault)
		if err != nil {
			t.Fatal(err)
		}
		opt := fakeOptions()
		opt.Conduct = spec.Conduct(carbonblack.Name)
		data := fleet(300, time.Minute)
		events := data.Events.(fake.Slice)
		for i := range events {
			if fault != "" && events[i].Device.Name == "WS-1" {
				events[i].Time += (26 * time.Hour).Milliseconds()
			}
		}
		slices.SortStableFunc(events, func(a, b fake.Event) int { return cmp.Compare(a.Time, b.Time) })
		rec := &recorder{Handler: fake.New(data, opt)}
		d := open(t, rec, config{settings: map[string]string{"hunt": "actor"}})
		processes := func(until time.Time) (onWS1 int) {
			l, err := d.Processes(t.Context(), backends.Query{Since: now.Add(-2 * time.Hour), Until: until, Filter: where(t, "host", "*")})
			if err != nil {
				t.Fatal(err)
			}
			all, err := collect(l.Seq)
			if err != nil || len(all) == 0 {
				t.Fatal(len(all), err)
			}
			for _, p := range all {
				if p.Host.Name == "WS-1" {
					onWS1++
				}
			}
			return onWS1
		}
		hits := func(until time.Time) int {
			l, err := d.Hunt(t.Context(), backends.HuntQuery{Type: "sha256", Values: []string{shaOf(1)}, Since: now.Add(time.Minute), Until: until})
			if err != nil {
				t.Fatal(err)
			}
			all, err := collect(l.Seq)
			if err != nil {
				t.Fatal(err)
			}
			return len(all)
		}
		closed, asked := processes(now), len(rec.seen)
		open := processes(time.Time{})
		more := len(rec.seen) - 2*asked
		if fault == "" {
			if open != closed || more != 1 || hits(time.Time{}) != 0 {
				t.Errorf("no clock is ahead: %d processes, %d with an end; %d more requests", open, closed, more)
			}
			continue
		}
		if closed != 0 || open == 0 {
			t.Errorf("%d processes of the host whose clock is ahead, %d when the window ends now", open, closed)
		}
		if hits(time.Time{}) == 0 || hits(now.Add(2*time.Minute)) != 0 {
			t.Errorf("%d hits without an end, %d with", hits(time.Time{}), hits(now.Add(2*time.Minute)))
		}
	}
}

func TestProcesses(t *testing.T) {
	data := fleet(3000, time.Minute)
	rec := &recorder{Handler: fake.New(data, fakeOptions())}
	d := open(t, rec, config{})
	window := backends.Query{Since: now.Add(-49 * time.Hour), Until: now}
	if _, err := d.Processes(t.Context(), window); backends.KindOf(err) != backends.KindInvalid {
		t.Errorf("without a filter: %v", err)
	}
	everywhere := window
	everywhere.Filter = where(t, "host", "*")
	l, _ := d.Processes(t.Context(), everywhere)
	all, err := collect(l.Seq)
	if err != nil || len(all) == 0 {
		t.Fatal(len(all), err)
	}
	seen := map[string]bool{}
	total := 0
	for _, p := range all {
		if seen[p.UID] || p.Host == nil || p.Host.ID == "" || !strings.HasPrefix(p.UID, p.Host.ID+":") || p.Started.IsZero() {
			t.Errorf("process %+v", p)
		}
		seen[p.UID] = true
		total += p.EventCount
	}
	if total != 49*60 {
		t.Errorf("%d events counted, want %d", total, 49*60)
	}
	for _, terms := range [][]string{
		{"host", "ws-1"}, {"host", "=ws-1"}, {"host", "WS-3"}, {"host", "103"}, {"ip", "10.0.0.2"}, {"ip", "192.0.2.7"}, {"ip", "10.0.0.0/30"},
		{"host", "*", "hash", shaOf(2)}, {"host", "*", "process", "=proc3.exe"}, {"host", "*", "process", "proc3"}, {"host", "*", "user", "user1"},
	} {
		q := window
		q.Filter = where(t, terms...)
		l, err := d.Processes(t.Context(), q)
		if err != nil {
			t.Fatal(terms, err)
		}
		got, err := collect(l.Seq)
		if err != nil {
			t.Fatal(terms, err)
		}
		var have, want []string
		for _, p := range got {
			if l.Plan.Residual.Match(p) {
				have = append(have, p.UID)
			}
		}
		for _, p := range all {
			if q.Filter.Match(p) {
				want = append(want, p.UID)
			}
		}
		slices.Sort(have)
		slices.Sort(want)
		if !slices.Equal(have, want) {
			t.Errorf("%v: %v, by local evaluation %v", terms, have, want)
		}
	}
	q := window
	q.Filter = where(t, "hash", strings.ToUpper(shaOf(2)))
	l, _ = d.Processes(t.Context(), q)
	if got, err := collect(l.Seq); err != nil || len(got) == 0 || got[0].Host != nil {
		t.Errorf("by hash alone: %d, %v", len(got), err)
	}
	for _, r := range rec.seen {
		if !strings.HasSuffix(r.URL.Path, "/process") {
			continue
		}
		v := r.URL.Query()
		from, _ := time.Parse(time.RFC3339, v.Get("startTime"))
		to, _ := time.Parse(time.RFC3339, v.Get("endTime"))
		if to.Sub(from) > 24*time.Hour || v.Get("rows") != "5000" {
			t.Errorf("asked %s", r.URL)
		}
	}
}

func TestHosts(t *testing.T) {
	o := fakeOptions()
	o.RowsCap = 3
	d := open(t, fake.New(fleet(1, time.Minute), o), config{})
	l, _ := d.Hosts(t.Context(), backends.Query{Raw: true})
	got, err := collect(l.Seq)
	if err != nil || len(got) != 4 {
		t.Fatal(len(got), err)
	}
	for i, h := range got {
		if bytes.Contains(h.Raw, []byte("SECRET")) || !json.Valid(h.Raw) || !bytes.Contains(h.Raw, []byte(`"sensorStates"`)) {
			t.Errorf("raw %s", h.Raw)
		}
		if h.Online == nil || *h.Online != (i < 2) {
			t.Errorf("%s online %v", h.Name, h.Online)
		}
		if h.Isolated == nil || *h.Isolated || len(h.MAC) != 1 || h.OS.Platform == "" || h.Policy.Name != "Standard" {
			t.Errorf("%+v", h)
		}
	}
	if h := got[2]; h.Name != "WS-3" || h.Domain != "CORP" {
		t.Errorf("name %q domain %q", h.Name, h.Domain)
	}
	h, err := d.Host(t.Context(), "101", true)
	if err != nil || h.Name != "ws-10" || bytes.Contains(h.Raw, []byte("SECRET")) {
		t.Errorf("%+v %v", h, err)
	}
	for _, id := range []string{"999", "ws-1", "-1", "1e3"} {
		if _, err := d.Host(t.Context(), id, false); backends.KindOf(err) != backends.KindNotFound {
			t.Errorf("%s: %v", id, err)
		}
	}
}

func TestRemovedHostsAreTheDeregisteredOnes(t *testing.T) {
	data := fleet(1, time.Minute)
	data.Devices[1].Status, data.Devices[3].Status, data.Devices[2].Status = "DEREGISTERED", "UNINSTALLED", "BYPASS"
	d := open(t, fake.New(data, fakeOptions()), config{})
	l, err := d.RemovedHosts(t.Context(), backends.Query{})
	if err != nil {
		t.Fatal(err)
	}
	got, err := collect(l.Seq)
	names := []string{}
	for _, h := range got {
		names = append(names, h.Name+" "+h.State)
	}
	slices.Sort(names)
	if err != nil || !slices.Equal(names, []string{"mac-4 UNINSTALLED", "ws-10 DEREGISTERED"}) {
		t.Errorf("%q %v", names, err)
	}
}

func TestHash(t *testing.T) {
	d := open(t, fake.New(fleet(100, time.Hour), fakeOptions()), config{})
	info, err := d.InspectHash(t.Context(), strings.ToUpper(shaOf(1)))
	if err != nil || info.Verdict != "malicious" || info.Native != "KNOWN_MALWARE" || len(info.Hosts) != 4 || len(info.Names) != 1 || !info.First.Before(info.Last.Time) {
		t.Errorf("%+v %v", info, err)
	}
	if info, err := d.InspectHash(t.Context(), shaOf(4000)); err != nil || info.Verdict != "absent" {
		t.Errorf("%+v %v", info, err)
	}
	if _, err := d.InspectHash(t.Context(), "d41d8cd98f00b204e9800998ecf8427e"); backends.KindOf(err) != backends.KindInvalid {
		t.Errorf("md5: %v", err)
	}
}

func TestKeysByRoute(t *testing.T) {
	srv := fake.New(fleet(10, time.Minute), fakeOptions())
	events := func(d *carbonblack.Driver) error {
		l, err := d.Events(t.Context(), backends.Query{})
		if err != nil {
			return err
		}
		_, err = collect(l.Seq)
		return err
	}
	hosts := func(d *carbonblack.Driver) error {
		l, err := d.Hosts(t.Context(), backends.Query{})
		if err != nil {
			return err
		}
		_, err = collect(l.Seq)
		return err
	}
	before := len(srv.Calls())
	err := events(open(t, srv, config{secrets: map[string]string{"live_response_key": liveKey}}))
	if backends.KindOf(err) != backends.KindAuth || !strings.Contains(err.Error(), "type API") || len(srv.Calls()) != before {
		t.Errorf("missing: %v, calls %v", err, srv.Calls())
	}
	if err := hosts(open(t, srv, config{secrets: map[string]string{"live_response_key": liveKey}})); err != nil {
		t.Errorf("a live response key reads devices: %v", err)
	}
	wrong := open(t, srv, config{secrets: map[string]string{"api_key": siemKey}})
	err = events(wrong)
	var e *backends.Error
	if backends.KindOf(err) != backends.KindAuth {
		t.Fatalf("wrong type: %v", err)
	} else if e = err.(*backends.Error); !strings.Contains(e.Hint, "type API") {
		t.Errorf("hint %q", e.Hint)
	}
	for _, s := range []string{err.Error(), e.Hint} {
		if strings.Contains(s, "SECRETVALUE") {
			t.Errorf("a secret in %q", s)
		}
	}
	for _, bad := range []string{"nosplit", "/id", "secret/", "a b/c"} {
		if err := events(open(t, srv, config{secrets: map[string]string{"api_key": bad}})); backends.KindOf(err) != backends.KindAuth || strings.Contains(err.Error(), bad+" ") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestBaseURL(t *testing.T) {
	srv := fake.New(fleet(3, time.Minute), fakeOptions())
	for _, suffix := range []string{"", "/", "/integrationServices", "/integrationServices/", "/integrationServices/v3", "/integrationservices/V3//"} {
		d := open(t, srv, config{base: suffix})
		if _, err := d.Host(t.Context(), "100", false); err != nil {
			t.Errorf("%q: %v", suffix, err)
		}
	}
	if _, err := carbonblack.New(backends.Options{Client: client.Config{BaseURL: "defense.example.org"}}); backends.KindOf(err) != backends.KindInvalid {
		t.Errorf("without a scheme: %v", err)
	}
}

func TestCheck(t *testing.T) {
	srv := fake.New(fleet(3, time.Minute), fakeOptions())
	h, err := open(t, srv, config{}).Check(t.Context())
	if err != nil || !h.HasClock || len(h.Credentials) != 3 || !h.Credentials[0].OK || !h.Credentials[1].OK || !strings.HasPrefix(h.Credentials[2].Note, "not tried") {
		t.Errorf("%+v %v", h, err)
	}
	if srv.Calls()["GET /notification"] != 0 {
		t.Error("the check drained the queue")
	}
	if _, err := open(t, srv, config{secrets: map[string]string{"api_key": "bad/key"}}).Check(t.Context()); backends.KindOf(err) != backends.KindAuth {
		t.Errorf("bad key: %v", err)
	}
	o := fakeOptions()
	o.SwitchedOff = []string{"device"}
	h, err = open(t, fake.New(fleet(3, time.Minute), o), config{}).Check(t.Context())
	if err != nil || len(h.Notes) == 0 || !strings.Contains(h.Notes[0], "no longer serves v3 devices") {
		t.Errorf("%+v %v", h, err)
	}
}

// Every way an answer can be broken or refused is an error, never a short list.
func TestBrokenAnswers(t *testing.T) {
	good := `{"success":true,"message":"Success","totalResults":3,"results":[{"eventId":"a","eventTime":1795348800000},{"eventId":"b","eventTime":1795348700000}`
	for _, tc := range []struct {
		name, body string
		code       int
		want       backends.ErrorKind
		text       string
	}{
		{"cut in the list", good, 200, backends.KindMalformed, ""},
		{"cut after the list", good + `]`, 200, backends.KindMalformed, ""},
		{"trailing", good + `],"x":1}{}`, 200, backends.KindMalformed, ""},
		{"not an object", `[1,2]`, 200, backends.KindMalformed, ""},
		{"element is not an object", `{"success":true,"totalResults":1,"results":[7]}`, 200, backends.KindMalformed, ""},
		{"no results", `{"success":true,"totalResults":1}`, 200, backends.KindMalformed, ""},
		{"html", `<html><body>login</body></html>`, 200, backends.KindMalformed, ""},
		{"success false", `{"success":false,"message":"Invalid search window","results":null}`, 200, backends.KindOther, "Invalid search window"},
		{"success false without results", `{"success":false,"message":"nope"}`, 200, backends.KindOther, "nope"},
		{"errorMessage", `{"errorMessage":"broken","results":[]}`, 200, backends.KindOther, "broken"},
		{"null but a total", `{"success":true,"totalResults":5,"results":null}`, 200, backends.KindMalformed, "gives none"},
		{"bad request", `{"success":false,"message":"Invalid search window"}`, 400, backends.KindInvalid, "Invalid search window"},
		{"switched off", `{}`, 404, backends.KindUnsupported, "no longer serves v3 events"},
		{"gone", ``, 410, backends.KindUnsupported, "no longer serves v3 events"},
		{"forbidden", `{}`, 403, backends.KindForbidden, "refused"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			d := open(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				w.WriteHeader(tc.code)
				_, _ = w.Write([]byte(tc.body))
			}), config{})
			l, err := d.Events(t.Context(), backends.Query{Since: now.Add(-time.Hour), Until: now})
			if err != nil {
				t.Fatal(err)
			}
			_, err = collect(l.Seq)
			if backends.KindOf(err) != tc.want || err == nil || !strings.Contains(err.Error(), tc.text) {
				t.Errorf("kind %d: %v", backends.KindOf(err), err)
			}
		})
	}
}

func TestNoContentIsNone(t *testing.T) {
	d := open(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }), config{})
	l, _ := d.Events(t.Context(), backends.Query{})
	if got, err := collect(l.Seq); err != nil || len(got) != 0 {
		t.Error(got, err)
	}
}

func TestConstructorDoesNoIO(t *testing.T) {
	b, err := backends.Lookup(carbonblack.Name)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Blank(); err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, op := range b.Catalog() {
		if names[op.Name] || op.Method == "" || !strings.HasPrefix(op.Path, "/integrationServices/v3/") || op.Summary == "" || op.Key == "" || op.Section == "" {
			t.Errorf("%+v", op)
		}
		names[op.Name] = true
		for _, part := range strings.Split(op.Path, "/") {
			if name, ok := strings.CutPrefix(part, "{"); ok {
				name = strings.TrimSuffix(name, "}")
				if !slices.ContainsFunc(op.Params, func(p backends.Param) bool { return p.Name == name && p.In == "path" && p.Required }) {
					t.Errorf("%s: no parameter %s", op.Name, name)
				}
			}
		}
	}
	if len(names) != 32 {
		t.Errorf("%d operations", len(names))
	}
}

func TestCancel(t *testing.T) {
	block := make(chan struct{})
	srv := httptest.NewUnstartedServer(nil)
	srv.Close()
	d := open(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-r.Context().Done():
		case <-block:
		}
	}), config{})
	t.Cleanup(func() { close(block) })
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	began := time.Now()
	l, _ := d.Events(ctx, backends.Query{Filter: filter.Filter{}})
	_, err := collect(l.Seq)
	if err == nil || time.Since(began) > 150*time.Millisecond {
		t.Errorf("%v after %v", err, time.Since(began))
	}
}
