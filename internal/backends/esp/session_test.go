package esp_test

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/backends/esp/fake"
	"github.com/edrctl/edrctl/internal/client"
)

// keep gives a driver a place for its secrets.
type keep struct {
	mu  sync.Mutex
	has map[string]string
}

func (k *keep) into(o *backends.Options) {
	old := o.Secret
	o.Secret = func(ctx context.Context, name string) (string, error) {
		k.mu.Lock()
		defer k.mu.Unlock()
		if v := k.has[name]; v != "" {
			return v, nil
		}
		return old(ctx, name)
	}
	o.SaveSecret = func(_ context.Context, name, value string) (bool, error) {
		k.mu.Lock()
		defer k.mu.Unlock()
		k.has[name] = value
		return true, nil
	}
}

func small() *fake.Data {
	return &fake.Data{Users: users(), Hosts: []fake.Host{{ID: 1, Identifier: "AAAA-1", Name: "one", Platform: "windows", OSName: "Windows", Online: true}}}
}

func TestSessionIsKeptAndUsedAgain(t *testing.T) {
	srv := fake.New(small(), fake.Options{})
	url, k := serve(t, srv), &keep{has: map[string]string{}}
	for range 2 {
		d := newDriver(t, url, k.into)
		if _, err := d.HostCounts(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if n := srv.Calls()["auth.login"]; n != 1 {
		t.Errorf("%d logins, want 1", n)
	}
	if k.has["session"] == "" {
		t.Error("the session was not kept")
	}
}

func TestExpiredSessionIsRenewedOnce(t *testing.T) {
	var offset atomic.Int64
	srv := fake.New(small(), fake.Options{Now: func() time.Time { return time.Now().Add(time.Duration(offset.Load())) }})
	k := &keep{has: map[string]string{}}
	d := newDriver(t, serve(t, srv), k.into)
	if _, err := d.HostCounts(t.Context()); err != nil {
		t.Fatal(err)
	}
	before := k.has["session"]
	offset.Store(int64(8 * 24 * time.Hour))
	var wg sync.WaitGroup
	for range 4 { // callers at once share one login
		wg.Go(func() {
			if _, err := d.HostCounts(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := srv.Calls()["auth.login"]; n != 2 {
		t.Errorf("%d logins, want 2", n)
	}
	if k.has["session"] == before {
		t.Error("the dead session is still kept")
	}
}

// A logout and a login in one second give the same, dead token: the driver
// waits a second and logs in again.
func TestSameSecondTrap(t *testing.T) {
	srv := fake.New(small(), fake.Options{})
	url, k := serve(t, srv), &keep{has: map[string]string{}}
	for time.Now().Nanosecond() > 400_000_000 {
		time.Sleep(10 * time.Millisecond)
	}
	if err := newDriver(t, url, k.into).Login(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := newDriver(t, url, k.into).Logout(t.Context()); err != nil {
		t.Fatal(err)
	}
	if k.has["session"] != "" {
		t.Fatal("the session is kept after logging out")
	}
	d := newDriver(t, url, k.into)
	if err := d.Login(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := d.HostCounts(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := srv.Calls()["auth.login"]; n < 2 || n > 4 {
		t.Errorf("%d logins", n)
	}
}

func TestWrongPassword(t *testing.T) {
	data := small()
	data.Users[0].Password = "other"
	_, err := newDriver(t, serve(t, fake.New(data, fake.Options{})), nil).HostCounts(t.Context())
	if backends.KindOf(err) != backends.KindAuth || strings.Contains(err.Error(), password) {
		t.Errorf("got %v", err)
	}
}

func TestBasePathIsFound(t *testing.T) {
	for _, edition := range []string{fake.CE2, fake.CE3, fake.Enterprise} {
		srv := fake.New(small(), fake.Options{Edition: edition})
		url, state := serve(t, srv), t.TempDir()
		for run := range 2 {
			d := newDriver(t, url, func(o *backends.Options) { o.StateDir = state })
			if _, err := d.HostCounts(t.Context()); err != nil {
				t.Fatalf("%s: %v", edition, err)
			}
			if n := srv.Calls()["404"]; edition == fake.CE2 && n != 1 {
				t.Errorf("run %d: %d requests to a wrong base, want 1 in all: the base is remembered", run, n)
			}
		}
	}
	// A session from before needs no probe; a wrong base is found out from the 404.
	srv := fake.New(small(), fake.Options{Edition: fake.CE2})
	url, k := serve(t, srv), &keep{has: map[string]string{}}
	if err := newDriver(t, url, k.into).Login(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := newDriver(t, url, k.into).HostCounts(t.Context()); err != nil {
		t.Error(err)
	}
	if n := srv.Calls()["auth.login"]; n != 1 {
		t.Errorf("%d logins, want 1", n)
	}
	// Given in the config, nothing is probed; a URL that names it works too.
	for _, change := range []func(*backends.Options){
		func(o *backends.Options) { o.Settings["base_path"] = "services/api/v1/" },
		func(o *backends.Options) { o.Client.BaseURL = url + "/services/api/v1/" },
	} {
		if _, err := newDriver(t, url, change).HostCounts(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

func TestOtherProduct(t *testing.T) {
	site := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		w.Header().Set("Server", "Apache")
		_, _ = w.Write([]byte("<!doctype html><title>It works</title>"))
	})
	_, err := newDriver(t, serve(t, site), nil).Check(t.Context())
	if backends.KindOf(err) != backends.KindMalformed || !strings.Contains(err.Error(), "Apache") || strings.Contains(err.Error(), "<") {
		t.Errorf("got %v", err)
	}
}

func TestCheck(t *testing.T) {
	for edition, version := range map[string]string{fake.CE2: "community", fake.CE3: "community 3.5 or later", fake.Enterprise: "enterprise"} {
		h, err := newDriver(t, serve(t, fake.New(small(), fake.Options{Edition: edition})), nil).Check(t.Context())
		if err != nil || h.Version != version || !h.HasClock || h.ClockOffset.Abs() > 2*time.Second || len(h.Credentials) != 1 || !h.Credentials[0].OK {
			t.Errorf("%s: %+v, %v", edition, h, err)
		}
	}
}

// Nothing a run prints may show the password or the token.
func TestNoSecretInTheWireLog(t *testing.T) {
	var log syncLog
	k := &keep{has: map[string]string{}}
	srv := fake.New(small(), fake.Options{})
	d := newDriver(t, serve(t, srv), func(o *backends.Options) {
		k.into(o)
		o.Client.Debug = &log
		o.Client.Redactor = client.NewRedactor()
	})
	if _, err := d.HostCounts(t.Context()); err != nil {
		t.Fatal(err)
	}
	text := log.String()
	if text == "" || strings.Contains(text, password) || strings.Contains(text, k.has["session"]) {
		t.Errorf("the log is empty or shows a secret:\n%s", text)
	}
}

type syncLog struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *syncLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *syncLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
