package gene_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/backends/gene"
	"github.com/edrctl/edrctl/internal/backends/gene/fake"
	"github.com/edrctl/edrctl/internal/client"
)

// impatient is a driver that waits as long for a silent server.
func impatient(t testing.TB, url string, patience time.Duration) *gene.Driver {
	t.Helper()
	d, err := gene.New(backends.Options{
		Client: client.Config{BaseURL: url, Timeout: patience, RetryBase: time.Millisecond},
		Secret: func(context.Context, string) (string, error) { return testKey, nil },
		Now:    clock,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	return d.(*gene.Driver)
}

// overloaded answers for a log of at most so many events; for more it works
// until the client has given up.
func overloaded(data *fake.Data, version string, most int) (http.Handler, func() int) {
	f := fake.New(data, fake.Options{Version: version, Key: testKey, Now: clock})
	var mu sync.Mutex
	silent := 0
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/logs") {
			from, _ := time.Parse(time.RFC3339, r.URL.Query().Get("start"))
			to, _ := time.Parse(time.RFC3339, r.URL.Query().Get("stop"))
			n := 0
			for i := range data.Log.Len() {
				if at := data.Log.Meta(i).Time; at.After(from) && at.Before(to) {
					n++
				}
			}
			if n > most {
				mu.Lock()
				silent++
				mu.Unlock()
				<-r.Context().Done()
				return
			}
		}
		f.ServeHTTP(w, r)
	}), func() int { mu.Lock(); defer mu.Unlock(); return silent }
}

// A manager that works on a whole day longer than the client waits: a limited
// list asks for the newest hour first, and never for the day.
func TestNewestHourFirst(t *testing.T) {
	for _, v := range []string{fake.V170, fake.Beta} {
		h, silent := overloaded(busy(2400, 12*time.Hour), v, 250)
		srv := httptest.NewServer(h)
		defer srv.Close()
		q := day(24 * time.Hour)
		q.Limit = 20
		l, err := impatient(t, srv.URL, 300*time.Millisecond).Events(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		n, last := 0, now.Add(time.Hour)
		for e, err := range l.Seq {
			if err != nil {
				t.Fatal(err)
			}
			if e.Time.After(last) || now.Sub(e.Time.Time) > time.Hour {
				t.Fatalf("%s: event %d of %v", v, n, e.Time)
			}
			last = e.Time.Time
			if n++; n == 20 {
				break
			}
		}
		if n != 20 || silent() != 0 {
			t.Errorf("%s: %d events, %d requests without an answer", v, n, silent())
		}
	}
}

// A limited list on a manager of whole days loses no event that arrived late,
// and continues to older parts of the day and to the days before.
func TestFewWantedLosesNone(t *testing.T) {
	log := &memLog{}
	for i, minutes := range []int{-30, -50, -20, -200, -10, -400, -5, -1500, -1600, -650} {
		log.put(fake.Meta{Time: now.Add(time.Duration(minutes) * time.Minute)}, fake.Event{Computer: "ALPHA", EventID: 1, RecordID: i + 1,
			Data: []fake.KV{{K: "Image", V: "a"}, {K: "ProcessId", V: fmt.Sprint(i + 1)}}})
	}
	each(t, func(t *testing.T, v string) {
		d, _, _ := start(t, &fake.Data{Endpoints: machines(), Log: log}, fake.Options{Version: v})
		q := day(48 * time.Hour)
		q.Limit = 1000
		l, err := d.Events(t.Context(), q)
		if got := collect(t, l, err); len(got) != 10 {
			t.Errorf("%d events, want 10", len(got))
		}
	})
}

// The client's own time-out halves a window as the server's does.
func TestTimeoutHalves(t *testing.T) {
	t.Parallel() // it mostly waits
	for _, v := range []string{fake.V170, fake.Head} {
		h, silent := overloaded(busy(1000, 5*time.Hour), v, 300)
		srv := httptest.NewServer(h)
		defer srv.Close()
		l, err := impatient(t, srv.URL, 300*time.Millisecond).Events(t.Context(), day(6*time.Hour))
		if got := collect(t, l, err); len(got) != 1000 || v == fake.V170 && silent() == 0 {
			t.Errorf("%s: %d events, %d requests without an answer", v, len(got), silent())
		}
	}
}

// A manager that answers nothing at all is not asked for ever smaller windows.
func TestHangIsNoBusyDay(t *testing.T) {
	t.Parallel() // it mostly waits
	h, silent := overloaded(busy(100, 5*time.Hour), fake.V170, -1)
	srv := httptest.NewServer(h)
	defer srv.Close()
	l, err := impatient(t, srv.URL, 100*time.Millisecond).Events(t.Context(), day(6*time.Hour))
	_, err = drain(l, err)
	if err == nil || !strings.Contains(err.Error(), "no data from the server within") || silent() > 2*3 {
		t.Errorf("%v after %d requests", err, silent())
	}
}

// Beta.2 and beta.3 give everybody's events whatever UUID is asked: one
// request a window serves all endpoints, and each event keeps its own.
func TestEverybodyIsAskedOnce(t *testing.T) {
	data := busy(400, 20*time.Hour)
	for v, uuids := range map[string]int{fake.Beta2: 1, fake.Beta3: 1, fake.Head: 3} {
		d, _, p := tapped(t, data, fake.Options{Version: v, Now: clock})
		l, err := d.Events(t.Context(), day(24*time.Hour))
		got := collect(t, l, err)
		hosts := map[string]int{}
		for _, e := range got {
			hosts[e.Host.Name+" "+e.Host.ID]++
		}
		if len(got) != 400 || hosts["ALPHA "+uuid1] != 200 || hosts["BRAVO "+uuid2] != 200 {
			t.Errorf("%s: %d events: %v", v, len(got), hosts)
		}
		asked := 0
		for _, id := range []string{uuid1, uuid2, uuid3} {
			if p.count("GET /endpoints/"+id+"/logs") > 0 {
				asked++
			}
		}
		if asked != uuids {
			t.Errorf("%s: the logs of %d endpoints were asked for, want %d", v, asked, uuids)
		}
		// A host filter leaves the others out.
		q := day(24 * time.Hour)
		if err := q.Filter.Add("host", "=BRAVO"); err != nil {
			t.Fatal(err)
		}
		l, err = d.Events(t.Context(), q)
		if got := collect(t, l, err); len(got) != 200 {
			t.Errorf("%s: %d events of BRAVO", v, len(got))
		}
		if e, err := d.Event(t.Context(), got[7].ID, false); err != nil || e.Host.ID != got[7].Host.ID {
			t.Errorf("%s: %+v %v", v, e, err)
		}
	}
}

// A manager of beta.4 or later whose /iocs a proxy hides is not taken for one
// that gives everybody's events: each endpoint is asked for its own.
func TestHiddenIoCsLoseNobodysEvents(t *testing.T) {
	f := fake.New(busy(400, 20*time.Hour), fake.Options{Key: testKey, Now: clock})
	d, _ := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/iocs") || strings.HasPrefix(r.URL.Path, "/endpoints/windows") {
			http.NotFound(w, r)
			return
		}
		f.ServeHTTP(w, r)
	}))
	l, err := d.Events(t.Context(), day(24*time.Hour))
	hosts := map[string]int{}
	for _, e := range collect(t, l, err) {
		hosts[e.Host.Name]++
	}
	if hosts["ALPHA"] != 200 || hosts["BRAVO"] != 200 {
		t.Errorf("events of %v", hosts)
	}
	if h, err := d.Check(t.Context()); err != nil || h.Version != "v1.8.0-beta.4 to beta.6" {
		t.Errorf("taken for %q, %v", h.Version, err)
	}
}

// Events of equal Hash are given once, and one notice says how many were not.
func TestRepeatedEventsAreTold(t *testing.T) {
	data := busy(50, 20*time.Hour)
	log := data.Log.(*memLog)
	for i := range 3 {
		log.put(log.meta[10*i], log.events[10*i])
	}
	for _, v := range []string{fake.Beta2, fake.Head} {
		d, warned, _ := start(t, data, fake.Options{Version: v})
		for range 2 {
			l, err := d.Events(t.Context(), day(24*time.Hour))
			if got := collect(t, l, err); len(got) != 50 {
				t.Errorf("%s: %d events, want 50", v, len(got))
			}
		}
		if !warned.has("3 repetitions") || len(warned.text) != 1 {
			t.Errorf("%s: told %q", v, warned.text)
		}
	}
	// What pages show twice because they overlap is not a repetition.
	d, warned, _ := start(t, busy(24_000, 900*time.Millisecond), fake.Options{Version: fake.Head})
	l, err := d.Events(t.Context(), day(time.Hour))
	if got := collect(t, l, err); len(got) != 24_000 || len(warned.text) != 0 {
		t.Errorf("%d events, told %q", len(got), warned.text)
	}
}

// A day goes through a file nobody else can read, and the file is gone
// afterwards, also when the list is given up. Without a place for it the day
// is held in memory.
func TestSpool(t *testing.T) {
	data := busy(9000, 11*time.Hour)
	srv := httptest.NewServer(fake.New(data, fake.Options{Version: fake.V170, Key: testKey, Now: clock}))
	defer srv.Close()
	nowhere := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(nowhere, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	var want string
	for _, dir := range []string{t.TempDir(), "", nowhere} {
		d, err := gene.New(backends.Options{
			Client: client.Config{BaseURL: srv.URL}, Now: clock, StateDir: dir,
			Secret: func(context.Context, string) (string, error) { return testKey, nil },
		})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = d.Close() }()
		q := day(24 * time.Hour)
		q.Raw = true
		l, err := d.(*gene.Driver).Events(t.Context(), q)
		var all strings.Builder
		for i, e := range collect(t, l, err) {
			if i > 0 {
				all.WriteByte('\n')
			}
			all.WriteString(e.ID + " " + e.Time.String() + " " + e.Summary + string(e.Raw))
		}
		if want == "" {
			want = all.String()
		}
		if n := strings.Count(all.String(), "\n") + 1; n != 9000 || all.String() != want {
			t.Errorf("%q: %d events, or others than elsewhere", dir, n)
		}
		for range l.Seq { // and again, given up at once
			break
		}
		left, _ := filepath.Glob(filepath.Join(dir, "spool", "*"))
		if len(left) != 0 {
			t.Errorf("%q: left behind: %v", dir, left)
		}
	}
}
