package cwatch_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/backends/cwatch/fake"
	"github.com/edrctl/edrctl/internal/model"
)

// whatever a server does with order, keys and page sizes, a search gives
// every event once, newest first.
func TestEventsUnderEveryPaging(t *testing.T) {
	for name, opt := range map[string]fake.Options{
		"as read":          {},
		"small pages":      {PageCap: 37},
		"ascending":        {Ascending: true, PageCap: 100},
		"shuffled":         {Shuffled: true, PageCap: 100},
		"key ignored":      {IgnoreNextKey: true, PageCap: 50},
		"key ignored, asc": {IgnoreNextKey: true, Ascending: true, PageCap: 50},
		"key included":     {InclusiveKey: true, PageCap: 50},
		"numeric ids":      {NumericIDs: true, PageCap: 50},
	} {
		t.Run(name, func(t *testing.T) {
			const n = 2345
			r := newRig(t, eventData(n), opt, nil, nil)
			_, rows, err := r.events(day())
			if err != nil {
				t.Fatal(err)
			}
			checkOrder(t, rows)
			if len(rows) != n {
				t.Fatalf("%d events of %d", len(rows), n)
			}
		})
	}
	t.Run("seconds", func(t *testing.T) {
		r := newRig(t, eventData(500), fake.Options{Seconds: true, PageCap: 100}, map[string]string{"time_unit": "s"}, nil)
		_, rows, err := r.events(day())
		if err != nil || len(rows) != 500 {
			t.Fatalf("%d events, %v", len(rows), err)
		}
		if got := rows[0].Ingested.Unix(); got != anchor.Unix()-1 {
			t.Errorf("ingested %d", got)
		}
	})
}

func checkOrder(t *testing.T, rows []*model.Event) {
	t.Helper()
	seen := map[string]bool{}
	for i, e := range rows {
		if seen[e.ID] {
			t.Fatalf("%s came twice", e.ID)
		}
		seen[e.ID] = true
		if i > 0 && e.Time.After(rows[i-1].Time.Time) {
			t.Fatalf("row %d is newer than the one before", i)
		}
	}
}

func TestEventsWindowAndLimit(t *testing.T) {
	r := newRig(t, eventData(600), fake.Options{}, nil, nil)
	q := backends.Query{Since: anchor.Add(-100 * time.Second), Until: anchor.Add(-50 * time.Second)}
	_, rows, err := r.events(q)
	if err != nil || len(rows) != 50 {
		t.Fatalf("%d events, %v", len(rows), err)
	}
	before := len(r.requests())
	q = day()
	q.Limit = 5
	l, err := r.Driver.(backends.EventSearcher).Events(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, err := range l.Seq {
		if err != nil {
			t.Fatal(err)
		}
		if n++; n == 5 {
			break
		}
	}
	if got := len(r.requests()) - before; got != 1 {
		t.Errorf("%d requests for five events", got)
	}
}

// A filter gives what the evaluator gives over everything, whatever the
// server can do, also when its ~ is not what was hoped.
func TestEventFilters(t *testing.T) {
	filters := [][]string{
		{"host", "wks-0042"}, {"host", "30003"}, {"host", "=30001"}, {"host", "WKS*"}, {"host", "dc|hr-"},
		{"user", "ALICE"}, {"user", `example\bo`}, {"user", "=bob"}, {"process", "cmd"}, {"process", "explorer.exe"},
		{"process", "lsass"}, {"path", `C:\Windows\*`}, {"path", `o'brien`}, {"path", "ürük"}, {"command-line", "-x 12"},
		{"hash", sha(3)}, {"hash", sha(3) + "|" + sha(6)}, {"hash", strings.ToUpper(sha(2))}, {"hash", "abc0003"},
		{"hash", strings.Repeat("a", 64)}, {"ip", "93.184.216.3"}, {"ip", "93.184.216.0/30"}, {"ip", "10.0.0.1|93.184.216.1"},
		{"port", "443"}, {"port", "1025"}, {"domain", "dl1.example"}, {"file", "f3.pdf"}, {"file", "tool.zip"},
		{"registry", "updater"}, {"registry", "v3"}, {"kind", "process_start"}, {"kind", "file_copy|device_access"},
		{"kind", "dns_query"}, {"kind", "other"}, {"kind", "file_copy", "host", "dc01"}, {"search", "lsass"},
		{"kind", "network_connect", "port", "443", "ip", "93.184.216.2"}, {"rule", "nothing"},
		{"kind", "process_start|network_connect", "process", "cmd", "user", "alice"},
	}
	data := eventData(900)
	for name, opt := range map[string]fake.Options{
		"contains": {PageCap: 100}, "wildcard": {Tilde: fake.TildeWildcard}, "case": {Tilde: fake.TildeCaseSensitive},
		"typo": {MisspeltType: true}, "doubled": {DoubledBackslash: true},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, data, opt, nil, nil)
			_, all, err := r.events(day())
			if err != nil {
				t.Fatal(err)
			}
			for _, terms := range filters {
				q := with(t, day(), terms...)
				var want []string
				for _, e := range all {
					if q.Filter.Match(e) {
						want = append(want, e.ID)
					}
				}
				plan, rows, err := r.events(q)
				if err != nil {
					t.Fatalf("%v: %v", terms, err)
				}
				checkOrder(t, rows)
				rows = slices.DeleteFunc(rows, func(e *model.Event) bool { return !plan.Residual.Match(e) })
				if got := ids(rows); !slices.Equal(sorted(got), sorted(want)) {
					t.Errorf("%v: %d events, want %d; plan %v", terms, len(got), len(want), plan.Requests)
				}
			}
		})
	}
}

func sorted(s []string) []string {
	s = slices.Clone(s)
	slices.Sort(s)
	return s
}

// The server's ~ is used once it has shown what it means, and not otherwise.
func TestTildeIsProved(t *testing.T) {
	for name, tc := range map[string]struct {
		opt  fake.Options
		used bool
	}{
		"contains": {fake.Options{}, true}, "wildcard": {fake.Options{Tilde: fake.TildeWildcard}, false}, "case": {fake.Options{Tilde: fake.TildeCaseSensitive}, false},
	} {
		r := newRig(t, eventData(300), tc.opt, nil, nil)
		for range 2 {
			if _, _, err := r.events(with(t, day(), "host", "wks-0042")); err != nil {
				t.Fatal(err)
			}
		}
		used, probes := false, 0
		for _, a := range r.requests() {
			used = used || strings.Contains(a, "process_device_name+~")
			if strings.Contains(a, "process_path+~") {
				probes++
			}
		}
		if used != tc.used || probes != 1 {
			t.Errorf("%s: used %v, %d probes", name, used, probes)
		}
	}
}

func TestNativeQuery(t *testing.T) {
	r := newRig(t, eventData(300), fake.Options{DoubledBackslash: true}, nil, nil)
	q := day()
	q.Native = `process_path = 'C:\Windows\System32\cmd.exe' AND base_event_type = 'Create Process'`
	_, rows, err := r.events(q)
	if err != nil || len(rows) == 0 {
		t.Fatalf("%d events, %v", len(rows), err)
	}
	for _, bad := range []string{"process_path ~ 'a' OR id = '1'", "nonsense", "endpoint_id = 1"} {
		q.Native = bad
		_, _, err := r.events(q)
		if backends.KindOf(err) != backends.KindInvalid || !strings.Contains(err.Error(), bad) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestEventGet(t *testing.T) {
	r := newRig(t, eventData(30), fake.Options{}, nil, nil)
	get := r.Driver.(backends.EventGetter)
	e, err := get.Event(t.Context(), "1559293200000003", true)
	if err != nil || e.ID != "1559293200000003" || len(e.Raw) == 0 {
		t.Fatalf("%+v, %v", e, err)
	}
	if _, err := get.Event(t.Context(), "77", false); backends.KindOf(err) != backends.KindNotFound {
		t.Errorf("unknown: %v", err)
	}
	if _, err := get.Event(t.Context(), "1,2", false); backends.KindOf(err) != backends.KindInvalid {
		t.Errorf("two: %v", err)
	}
}

func TestCountEvents(t *testing.T) {
	for name, opt := range map[string]fake.Options{"value": {}, "named": {NamedBuckets: true}} {
		r := newRig(t, eventData(220), opt, nil, nil)
		count := r.Driver.(backends.EventCounter)
		got, err := count.CountEvents(t.Context(), day(), "host")
		if err != nil || len(got) != 4 || got[0].Count != 55 {
			t.Errorf("%s host: %v, %v", name, got, err)
		}
		got, err = count.CountEvents(t.Context(), with(t, day(), "ip", "93.184.216.1"), "kind")
		if err != backends.ErrCountLocally {
			t.Errorf("%s two queries: %v, %v", name, got, err)
		}
		if got, err = count.CountEvents(t.Context(), with(t, day(), "kind", "network_connect"), "kind"); err != backends.ErrCountLocally {
			t.Errorf("%s kind: %v, %v", name, got, err)
		}
		for _, by := range []string{"rule", "backend"} {
			if _, err := count.CountEvents(t.Context(), day(), by); err != backends.ErrCountLocally {
				t.Errorf("%s %s: %v", name, by, err)
			}
		}
		if _, err := count.CountEvents(t.Context(), with(t, day(), "search", "x"), "host"); err != backends.ErrCountLocally {
			t.Errorf("%s residual: %v", name, err)
		}
	}
	r := newRig(t, eventData(220), fake.Options{BucketCap: 10}, nil, nil)
	if _, err := r.Driver.(backends.EventCounter).CountEvents(t.Context(), day(), "kind"); err != backends.ErrCountLocally {
		t.Errorf("cut buckets: %v", err)
	}
}

func TestNothingBeforeFirstUse(t *testing.T) {
	r := newRig(t, eventData(3), fake.Options{}, nil, nil)
	l, err := r.Driver.(backends.EventSearcher).Events(t.Context(), with(t, day(), "host", "wks", "kind", "file_copy"))
	if err != nil || len(r.requests()) != 0 {
		t.Fatalf("%v, asked %v", err, r.requests())
	}
	if len(l.Plan.Requests) != 6 || !strings.Contains(l.Plan.Requests[0], "/events?") {
		t.Errorf("%q", l.Plan.Requests)
	}
}

// A broken answer is an error, never a short list.
func TestBrokenAnswers(t *testing.T) {
	cut := func(w http.ResponseWriter, body string) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(body))
	}
	for name, tc := range map[string]struct {
		body, kind string
		status     int
		want       backends.ErrorKind
	}{
		"cut":        {body: `[{"id":"1"},{"id":`, want: backends.KindMalformed},
		"open":       {body: `[{"id":"1"}`, want: backends.KindMalformed},
		"not object": {body: `[{"id":"1"},7]`, want: backends.KindMalformed},
		"empty":      {body: ``, want: backends.KindMalformed},
		"page":       {body: `<html>login</html>`, kind: "text/html", want: backends.KindMalformed},
		"auth":       {status: 401, want: backends.KindAuth},
		"forbidden":  {status: 403, want: backends.KindForbidden},
		"bad":        {status: 400, want: backends.KindInvalid},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, eventData(0), fake.Options{}, nil, func(http.Handler) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
					if tc.kind != "" {
						w.Header().Set("Content-Type", tc.kind)
					}
					if tc.status != 0 {
						w.WriteHeader(tc.status)
						return
					}
					cut(w, tc.body)
				})
			})
			check := func(what string, err error) {
				t.Helper()
				if backends.KindOf(err) != tc.want {
					t.Errorf("%s: kind %d, %v", what, backends.KindOf(err), err)
				}
				if err != nil && strings.Contains(err.Error(), token) {
					t.Errorf("%s: the token is in the error", what)
				}
			}
			_, _, err := r.events(with(t, day(), "kind", "process_start"))
			check("events", err)
			_, _, err = r.alerts(day())
			if tc.body == "" || !strings.HasPrefix(tc.body, "[") {
				check("alerts", err)
			} else if err == nil {
				t.Error("alerts: no error")
			}
			l, _ := r.Driver.(backends.ProcessLister).Processes(t.Context(), day())
			_, err = collect(l)
			check("processes", err)
		})
	}
}
