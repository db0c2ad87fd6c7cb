package gene_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/backends/gene"
	"github.com/edrctl/edrctl/internal/backends/gene/catalog"
	"github.com/edrctl/edrctl/internal/backends/gene/fake"
	"github.com/edrctl/edrctl/internal/client"
	"github.com/edrctl/edrctl/internal/faults"
)

func day(d time.Duration) backends.Query {
	return backends.Query{Since: now.Add(-d), Until: now.Add(time.Second)}
}

// Trap 6: the 15 s limit cuts the answer, or there is none; the window is
// halved and nothing is lost.
func TestWindowsAreHalved(t *testing.T) {
	t.Parallel() // it mostly waits
	for _, cut := range []int{40, 300, 3000} {
		each(t, func(t *testing.T, v string) {
			d, warned, f := start(t, busy(5000, 5*time.Hour), fake.Options{Version: v, CutEvents: cut})
			l, err := d.Events(t.Context(), day(6*time.Hour))
			got := collect(t, l, err)
			if len(got) != 5000 {
				t.Fatalf("%d events, want 5000", len(got))
			}
			seen := map[string]bool{}
			for _, e := range got {
				if seen[e.ID] {
					t.Fatalf("%s twice", e.ID)
				}
				seen[e.ID] = true
			}
			if v == fake.V170 && cut == 300 && !warned.has("late") {
				t.Errorf("no word about events that may be missing: %v", warned.text)
			}
			t.Logf("%d requests", f.Calls()["GET /endpoints/{uuid}/logs"])
		})
	}
}

// Connections that break now and then are not limit: windows do not shrink
// because of them, and nothing is lost.
func TestAccidentsAreNoLimit(t *testing.T) {
	f := fake.New(busy(500, 72*time.Hour), fake.Options{Key: testKey, Now: clock})
	for _, spec := range []string{"", "cut=60%:nth=2", "503:every=3", "reset-before:every=4", "reset-after:every=4", "reset-before:every=2"} {
		s, err := faults.Parse(spec)
		if err != nil {
			t.Fatal(err)
		}
		var n atomic.Int32
		in := s.Wrap(gene.Name, f)
		d, _ := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			n.Add(1)
			in.ServeHTTP(w, r)
		}))
		l, err := d.Events(t.Context(), day(80*time.Hour))
		if got := collect(t, l, err); len(got) != 500 || n.Load() > 80 {
			t.Errorf("%s: %d events in %d requests", spec, len(got), n.Load())
		}
	}
}

// When even a second cannot be answered, that is an error, never a short list.
func TestHopelessWindow(t *testing.T) {
	t.Parallel() // it mostly waits
	each(t, func(t *testing.T, v string) {
		d, _, _ := start(t, busy(600, 100*time.Millisecond), fake.Options{Version: v, CutEvents: 3})
		l, err := d.Events(t.Context(), day(time.Minute))
		got, err := drain(l, err)
		if backends.KindOf(err) != backends.KindUnavailable || !strings.Contains(err.Error(), "even for one second") || len(got) != 0 {
			t.Errorf("%d events, %v", len(got), err)
		}
	})
}

// Trap 8 and docs/wire/gene.md 6: events that arrived late lie behind newer ones,
// and older managers stop reading at the first event later than stop.
func TestLateEventsAreNotLost(t *testing.T) {
	log := &memLog{}
	noon := now.Truncate(24 * time.Hour).Add(-12 * time.Hour) // yesterday, 12:00
	for i, hours := range []int{3, -1, 4, -2, 0, -12, 11} {
		log.put(fake.Meta{Time: noon.Add(time.Duration(hours) * time.Hour)}, fake.Event{Computer: "ALPHA", EventID: 1, RecordID: i + 1,
			Data: []fake.KV{{K: "Image", V: "a"}, {K: "ProcessId", V: fmt.Sprint(i + 1)}}})
	}
	data := &fake.Data{Endpoints: machines(), Log: log}
	each(t, func(t *testing.T, v string) {
		d, _, _ := start(t, data, fake.Options{Version: v})
		l, err := d.Events(t.Context(), backends.Query{Since: noon.Add(-3 * time.Hour), Until: noon.Add(2 * time.Hour)})
		if got := collect(t, l, err); len(got) != 3 {
			t.Errorf("%d events, want the 3 at -2 h, -1 h and 0", len(got))
		}
		// Bounds: from inclusive, to exclusive, midnight included; other zones mean the same instants.
		zone := time.FixedZone("x", 2*3600)
		l, err = d.Events(t.Context(), backends.Query{Since: noon.Add(-12 * time.Hour).In(zone), Until: noon.Add(11 * time.Hour).In(zone)})
		if got := collect(t, l, err); len(got) != 6 {
			t.Errorf("%d events, want 6", len(got))
		}
	})
}

// Trap 9: full pages are continued; what comes twice is dropped.
func TestPaging(t *testing.T) {
	t.Parallel()                               // it mostly waits
	data := busy(24_000, 900*time.Millisecond) // one second holds many pages
	for _, v := range []string{fake.Beta2, fake.Head} {
		d, _, f := start(t, data, fake.Options{Version: v})
		l, err := d.Events(t.Context(), day(time.Hour))
		if got := collect(t, l, err); len(got) != 24_000 {
			t.Errorf("%s: %d events, want 24000", v, len(got))
		}
		if n := f.Calls()["GET /endpoints/{uuid}/logs"]; n < 4 {
			t.Errorf("%s: only %d requests", v, n)
		}
	}
}

// Trap 10: beta.2 answers with everybody's events; each is reported once, of its
// own endpoint. (TestEventsEveryVersion counts them.) An empty store is empty.
func TestEmptyStoreOfBeta2(t *testing.T) {
	d, _, _ := start(t, busy(10, time.Hour), fake.Options{Version: fake.Beta2, NoLogs: true})
	l, err := d.Events(t.Context(), day(time.Hour))
	if got := collect(t, l, err); len(got) != 0 {
		t.Errorf("%d events", len(got))
	}
}

// Trap 1: after a DELETE older managers answer for the wrong endpoint.
func TestIndexBug(t *testing.T) {
	t.Parallel() // it mostly waits
	for _, v := range []string{fake.V170, fake.Beta, fake.Beta2} {
		f := fake.New(busy(100, time.Hour), fake.Options{Version: v, Key: testKey, Now: clock})
		srv := httptest.NewServer(f)
		defer srv.Close()
		send(t, "DELETE", srv.URL+"/endpoints/"+uuid1+"?showkey=true")
		d, warned := open(t, srv.URL)
		h, err := d.Host(t.Context(), uuid2, false)
		if err != nil || h.ID != uuid2 || h.Name != "BRAVO" {
			t.Errorf("%s: %+v %v", v, h, err)
		}
		if !warned.has("its index is wrong") || !warned.has(uuid3) {
			t.Errorf("%s: no alarm: %v", v, warned.text)
		}
		// The last one makes the manager panic: no answer at all.
		d2, warned2 := open(t, srv.URL)
		if h, err := d2.Host(t.Context(), uuid3, false); err != nil || h.ID != uuid3 || !warned2.has("its index is wrong") {
			t.Errorf("%s: %+v %v %v", v, h, err, warned2.text)
		}
	}
}

func send(t *testing.T, method, u string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, u, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Api-Key", testKey)
	req.Header.Set("X-Api-Key", testKey)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
}

// Trap 2: phantoms are left out, and looking for an unknown host never makes one.
func TestPhantoms(t *testing.T) {
	f := fake.New(busy(100, time.Hour), fake.Options{Key: testKey, Now: clock})
	srv := httptest.NewServer(f)
	defer srv.Close()
	d, _ := open(t, srv.URL)
	for range 3 {
		if _, err := d.Host(t.Context(), "9f0c7d52-1111-4222-8333-444455556666", false); backends.KindOf(err) != backends.KindNotFound {
			t.Fatal(err)
		}
	}
	if n := f.Calls()["GET /endpoints/{uuid}"]; n != 0 {
		t.Errorf("%d lookups of a UUID that is not in the list", n)
	}
	for range 2 {
		send(t, "GET", srv.URL+"/endpoints/9f0c7d52-1111-4222-8333-444455556666")
	}
	req, _ := http.NewRequestWithContext(t.Context(), "POST", srv.URL+"/endpoints/9f0c7d52-1111-4222-8333-444455556666/command", strings.NewReader(`{"command-line":"whoami"}`))
	req.Header.Set("X-Api-Key", testKey)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	l, err := d.Hosts(t.Context(), backends.Query{})
	if got := collect(t, l, err); len(got) != 3 {
		t.Errorf("%d hosts, want 3 without the phantom", len(got))
	}
	health, err := d.Check(t.Context())
	if err != nil || len(health.Notes) == 0 || !strings.Contains(health.Notes[0], "phantom") {
		t.Errorf("%+v %v", health, err)
	}
}

// Trap 3: beta.2 keeps the keys of endpoints that were looked at.
func TestKeysSurvive(t *testing.T) {
	f := fake.New(busy(10, time.Hour), fake.Options{Version: fake.Beta2, Key: testKey, Now: clock})
	srv := httptest.NewServer(f)
	defer srv.Close()
	before, _ := f.State()
	d, _ := open(t, srv.URL)
	for _, id := range []string{uuid1, uuid2, uuid3} {
		if _, err := d.Host(t.Context(), id, true); err != nil {
			t.Fatal(err)
		}
	}
	l, err := d.Hosts(t.Context(), backends.Query{})
	collect(t, l, err)
	if after, _ := f.State(); string(after) != string(before) {
		t.Error("reading changed the manager")
	}
}

// Trap 4: the routes that can lock the manager up are never read at once, and
// a locked-up manager is recognised.
func TestNoParallelReads(t *testing.T) {
	f := fake.New(busy(500, time.Hour), fake.Options{Key: testKey, Now: clock})
	guarded := regexp.MustCompile(`^/endpoints(/reports|/[0-9a-f-]{36}(/report)?)?$`)
	var busyNow, most atomic.Int32
	d, _ := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if guarded.MatchString(r.URL.Path) {
			if n := busyNow.Add(1); n > most.Load() {
				most.Store(n)
			}
			defer busyNow.Add(-1)
			time.Sleep(5 * time.Millisecond)
		}
		f.ServeHTTP(w, r)
	}))
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() { l, err := d.Hosts(t.Context(), backends.Query{}); collect(t, l, err) })
		wg.Go(func() { l, err := d.Events(t.Context(), day(time.Hour)); collect(t, l, err) })
		wg.Go(func() { _, _ = d.Host(t.Context(), uuid1, false) })
		wg.Go(func() { l, err := d.Reports(t.Context(), "", backends.Query{}); collect(t, l, err) })
	}
	wg.Wait()
	if most.Load() != 1 {
		t.Errorf("%d reads of guarded routes at once", most.Load())
	}
}

func TestLockedUpManager(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/stats" {
			_, _ = w.Write([]byte(`{"data":{"endpoint-count":1,"rule-count":1}` + ok))
			return
		}
		select {
		case <-r.Context().Done():
		case <-time.After(5 * time.Second):
		}
	}))
	t.Cleanup(srv.Close)
	d, err := gene.New(backends.Options{
		Client: client.Config{BaseURL: srv.URL, Timeout: 200 * time.Millisecond},
		Secret: func(context.Context, string) (string, error) { return testKey, nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = d.Close() }()
	_, err = d.Check(t.Context())
	var own *backends.Error
	if !errors.As(err, &own) || own.Kind != backends.KindUnavailable || !strings.Contains(own.Hint, "restart the manager") {
		t.Errorf("%v", err)
	}
}

// The requests carry both names of everything, in UTC, with both ends.
func TestRequestsFitEveryVersion(t *testing.T) {
	var mu sync.Mutex
	var logs []url.Values
	f := fake.New(busy(100, time.Hour), fake.Options{Key: testKey, Now: clock})
	d, _ := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/logs") {
			mu.Lock()
			logs = append(logs, r.URL.Query())
			mu.Unlock()
		}
		if r.URL.Path != "/stats" && r.Header.Get("Api-Key") != testKey || r.Header.Get("X-Api-Key") != testKey {
			t.Errorf("%s: keys %v", r.URL, r.Header)
		}
		f.ServeHTTP(w, r)
	}))
	l, err := d.Events(t.Context(), day(2*time.Hour))
	collect(t, l, err)
	for _, q := range logs {
		if q.Get("start") == "" || q.Get("start") != q.Get("since") || q.Get("stop") == "" || q.Get("stop") != q.Get("until") || q.Get("limit") != "10000" ||
			!strings.HasSuffix(q.Get("since"), "Z") || q.Has("pivot") || q.Has("delta") || q.Has("last") {
			t.Errorf("query %v", q)
		}
	}
	if len(l.Plan.Requests) < 2 || strings.Contains(strings.Join(l.Plan.Requests, " "), testKey) {
		t.Errorf("plan %v", l.Plan.Requests)
	}
}

// A cut, garbled or foreign answer is an error, never a short list.
func TestFaultyAnswers(t *testing.T) {
	for name, body := range map[string]string{
		"cut":        `{"data":[{"Event":{"System":{"EventID":1}}},{"Event":{"Sys`,
		"no end":     `{"data":[{"Event":{"System":{"EventID":1}}}]`,
		"no error":   `{"data":[]}`,
		"trailing":   `{"data":[],"message":"OK","error":""}x`,
		"html":       `<html><body>login</body></html>`,
		"null event": `{"data":[null],"message":"OK","error":""}`,
		"no event":   `{"data":[{}],"message":"OK","error":""}`,
		"number":     `7`,
		"empty":      ``,
		"not array":  `{"data":{"a":1},"message":"OK","error":""}`,
		"late error": `{"data":[{"Event":{"System":{"EventID":1}}}],"message":"NOK","error":"disk on fire"}`,
	} {
		t.Run(name, func(t *testing.T) {
			d, _ := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				switch {
				case r.URL.Path == "/endpoints":
					_, _ = w.Write([]byte(`{"data":[{"uuid":"` + uuid1 + `","hostname":"A","group":""}]` + ok))
				default:
					_, _ = w.Write([]byte(body))
				}
			}))
			l, err := d.Events(t.Context(), day(time.Second))
			got, err := drain(l, err)
			if err == nil || len(got) != 0 {
				t.Errorf("%d events, %v", len(got), err)
			}
			lr, err := d.Rules(t.Context(), backends.Query{})
			if rules, err := drain(lr, err); err == nil && name != "not array" && name != "no event" {
				t.Errorf("%d rules, %v", len(rules), err)
			}
		})
	}
}

// A wrong key says which secret was refused, and never shows it.
func TestWrongKey(t *testing.T) {
	each(t, func(t *testing.T, v string) {
		srv := httptest.NewServer(fake.New(busy(10, time.Hour), fake.Options{Version: v, Key: "another"}))
		defer srv.Close()
		d, _ := open(t, srv.URL)
		l, err := d.Events(t.Context(), day(time.Hour))
		_, err = drain(l, err)
		if backends.KindOf(err) != backends.KindAuth || !strings.Contains(err.Error(), "api_key") || strings.Contains(err.Error(), testKey) {
			t.Error(err)
		}
	})
}

// Not a Gene manager at all.
func TestOtherProduct(t *testing.T) {
	d, _ := serve(t, http.NotFoundHandler())
	if _, err := d.Check(t.Context()); backends.KindOf(err) != backends.KindMalformed || !strings.Contains(err.Error(), "does not look like") {
		t.Error(err)
	}
}

// Every route of the fake is in the catalogue, and the other way round.
func TestCatalogIsServed(t *testing.T) {
	src, err := os.ReadFile("fake/server.go")
	if err != nil {
		t.Fatal(err)
	}
	served := map[string]bool{}
	for _, m := range regexp.MustCompile(`at\(.*?, "(/[^"]*)", .*handlers\{(.*)\}\)`).FindAllStringSubmatch(string(src), -1) {
		for _, method := range regexp.MustCompile(`"([A-Z]+)":`).FindAllStringSubmatch(m[2], -1) {
			path := m[1]
			if strings.Contains(path, "{tool}") {
				served[method[1]+" "+strings.Replace(path, "{tool}", "sysmon", 1)] = true
				path = strings.Replace(path, "{tool}", "osqueryi", 1)
			}
			served[method[1]+" "+path] = true
		}
	}
	names := map[string]bool{}
	for _, op := range catalog.Operations() {
		if names[op.Name] {
			t.Errorf("%s twice", op.Name)
		}
		names[op.Name] = true
		if !served[op.Method+" "+op.Path] {
			t.Errorf("%s: the fake does not serve %s %s", op.Name, op.Method, op.Path)
		}
		delete(served, op.Method+" "+op.Path)
		for _, p := range op.Params {
			if p.In == "path" && !strings.Contains(op.Path, "{"+p.Name+"}") {
				t.Errorf("%s: no {%s} in %s", op.Name, p.Name, op.Path)
			}
		}
		for _, name := range regexp.MustCompile(`\{(\w+)\}`).FindAllStringSubmatch(op.Path, -1) {
			if !slices.ContainsFunc(op.Params, func(p backends.Param) bool { return p.Name == name[1] && p.In == "path" && p.Required }) {
				t.Errorf("%s: path parameter %s is not described", op.Name, name[1])
			}
		}
		if strings.HasPrefix(op.Path, "/rules/") && (!op.Mutates || op.Danger == "") {
			t.Errorf("%s acts although GET", op.Name)
		}
	}
	for left := range served {
		t.Errorf("%s is served but not in the catalogue", left)
	}
	t.Logf("%d operations", len(names))
}
