// Package conformance is the suite every driver passes: it drives a driver
// against its fake with the standard intrusion and holds each capability it
// finds by type assertion to the same rules (design.md section 3).
//
// A driver's test is:
//
//	func TestConformance(t *testing.T) {
//		conformance.Run(t, conformance.Harness{Backend: "gene", Start: demo.One})
//	}
package conformance

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/client"
	"github.com/edrctl/edrctl/internal/faults"
)

// Starter serves the standard intrusion as one backend until stop is called.
// now is the server's clock, scale the amount of noise; wrap is between
// the network and the server. It gives what a profile would hold.
type Starter = func(ctx context.Context, backend string, now func() time.Time, scale int, wrap func(http.Handler) http.Handler) (
	url string, secrets, settings map[string]string, stop func() error, err error)

// Harness is what the suite needs to know about a driver.
type Harness struct {
	Backend string
	Version string // of the product, where its samples differ; "" = the newest
	Start   Starter
	// Faulty gives the same server with a SPEC of package faults.
	Faulty func(spec string) Starter
	// Settings are added to those of the server's profile.
	Settings map[string]string
	// Retention is how far back the suite asks; default 80 h, all of the story.
	Retention time.Duration
	// PagingScale makes listings of several pages; default 40.
	PagingScale int
	// Rate overrides the driver's own pace, as a profile may: the suite asks
	// more in a minute than a vendor's limit allows in five.
	Rate client.Rate
	// Ignore takes out of a request every filter that the server may evaluate
	// otherwise than we think; the suite then holds lists to the right records.
	// nil: the server's reading of its filters is recorded.
	Ignore func(*http.Request)
	// Skip names rules that do not hold for this product, with the reason:
	// "<reading>/<rule>", for example "processes/filters", or a whole reading
	// ("carves") that one version of the product does not have. It is logged.
	Skip map[string]string
}

// Run holds the driver to every rule, as subtests.
func Run(t *testing.T, h Harness) {
	t.Helper()
	if h.Retention == 0 {
		h.Retention = 80 * time.Hour
	}
	if h.PagingScale == 0 {
		h.PagingScale = 40
	}
	if _, err := backends.Lookup(h.Backend); err != nil {
		t.Fatal(err)
	}
	ignore := goleak.IgnoreCurrent()
	// One group, so that all its parallel parts are over before goroutines are counted.
	t.Run("rules", func(t *testing.T) {
		t.Run("constructor", func(t *testing.T) { t.Parallel(); h.constructor(t) })
		t.Run("credentials", func(t *testing.T) { t.Parallel(); h.credentials(t) })
		t.Run("pushes", func(t *testing.T) { t.Parallel(); h.pushes(t) })
		t.Run("plans", func(t *testing.T) { t.Parallel(); h.plans(t) })
		t.Run("special", func(t *testing.T) { t.Parallel(); h.special(t) })
		t.Run("skewed", func(t *testing.T) { t.Parallel(); h.skewed(t) })
		t.Run("moving pages", func(t *testing.T) { t.Parallel(); h.movingPages(t) })
		for _, r := range h.readings(t) {
			t.Run(r.name, func(t *testing.T) {
				t.Parallel()
				h.reading(t, r)
			})
		}
	})
	if err := goleak.Find(ignore); err != nil {
		t.Errorf("goroutines are left: %v", err)
	}
}

// skip tells whether the harness excuses a rule, and says so.
func (h Harness) skip(t *testing.T, rule string) bool {
	t.Helper()
	why, ok := h.Skip[rule]
	if ok {
		t.Logf("%s is not held to: %s", rule, why)
	}
	return ok
}

// env is one running server and a driver for it.
type env struct {
	driver  backends.Driver
	now     time.Time // the clock of both stands still here
	since   time.Time
	secrets map[string]string
	debug   *syncBuffer
	warned  *syncBuffer
	wire    *wire
	alike   int // filters compared that change nothing of what is sent
	options backends.Options
}

// open starts a server and builds a driver; both end with t.
func (h Harness) open(t testing.TB, scale int, change func(*backends.Options)) *env {
	t.Helper()
	e := &env{now: time.Now().UTC().Truncate(time.Millisecond), wire: &wire{}, debug: &syncBuffer{}, warned: &syncBuffer{}}
	// The window ends after now: records of this very millisecond are in it.
	e.since = e.now.Add(-h.Retention)
	clock := func() time.Time { return e.now.Add(time.Duration(e.wire.ahead.Load())) }
	url, secrets, settings, stop, err := h.Start(context.Background(), h.Backend, clock, scale, e.wire.wrap)
	if err != nil {
		t.Fatalf("starting the server: %v", err)
	}
	e.secrets = secrets
	kept := map[string]string{}
	var mu sync.Mutex
	all := map[string]string{}
	for k, v := range settings {
		all[k] = v
	}
	for k, v := range h.Settings {
		all[k] = v
	}
	e.options = backends.Options{
		Profile:  "conformance",
		Client:   client.Config{BaseURL: url, Proxy: "none", Rate: h.Rate, RetryBase: 2 * time.Millisecond, Debug: e.debug, Warn: e.warned.line},
		Settings: all,
		Secret: func(_ context.Context, name string) (string, error) {
			mu.Lock()
			defer mu.Unlock()
			if v, ok := kept[name]; ok {
				return v, nil
			}
			if v, ok := secrets[name]; ok {
				return v, nil
			}
			return "", &backends.Error{Kind: backends.KindAuth, Why: "no secret " + name}
		},
		SaveSecret: func(_ context.Context, name, value string) (bool, error) {
			mu.Lock()
			defer mu.Unlock()
			kept[name] = value
			return false, nil
		},
		Now: clock, StateDir: t.TempDir(), Warn: e.warned.line,
	}
	if change != nil {
		change(&e.options)
	}
	b, err := backends.Lookup(h.Backend)
	if err != nil {
		t.Fatal(err)
	}
	e.driver, err = b.New(e.options)
	if err != nil {
		t.Fatalf("building the driver: %v", err)
	}
	t.Cleanup(func() {
		if err := e.driver.Close(); err != nil {
			t.Errorf("closing the driver: %v", err)
		}
		if err := stop(); err != nil {
			t.Errorf("stopping the server: %v", err)
		}
		e.noSecret(t, "the debug log", e.debug.String())
		e.noSecret(t, "warnings", e.warned.String())
	})
	return e
}

// renew replaces the driver by a new one, which remembers nothing.
func (e *env) renew(t testing.TB) {
	t.Helper()
	if err := e.driver.Close(); err != nil {
		t.Errorf("closing the driver: %v", err)
	}
	b, err := backends.Lookup(e.driver.Backend())
	if err != nil {
		t.Fatal(err)
	}
	if e.driver, err = b.New(e.options); err != nil {
		t.Fatal(err)
	}
}

// window is the query for everything the story holds up to now.
func (e *env) window() backends.Query {
	return backends.Query{Since: e.since, Until: e.now.Add(time.Second)}
}

// noSecret fails when a secret of the server, or a part of a paired one,
// is in text.
func (e *env) noSecret(t testing.TB, where, text string) {
	t.Helper()
	for name, v := range e.secrets {
		for _, s := range append(strings.Split(v, "/"), v) {
			if len(s) >= 8 && strings.Contains(text, s) {
				i := strings.Index(text, s)
				t.Errorf("%s holds the secret %s: …%s…", where, name, strings.ReplaceAll(text[max(0, i-60):i], s, "")+"<HERE>")
				return
			}
		}
	}
}

// wire sits before the server: it counts and records requests, and corrupts
// answers when a fault is set.
type wire struct {
	ahead atomic.Int64 // how far the clock moved on

	mu    sync.Mutex
	log   []request
	fault http.Handler        // nil = none
	blind func(*http.Request) // what it takes out of a request; nil = nothing
	edit  func([]byte) []byte
}

type request struct {
	method, uri string
	body        []byte
}

func (w *wire) wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		rec := request{method: r.Method, uri: r.URL.RequestURI()}
		if r.Header.Get("Upgrade") == "" {
			rec.body = readBody(r)
		}
		w.mu.Lock()
		w.log = append(w.log, rec)
		h, edit, blind := w.fault, w.edit, w.blind
		w.mu.Unlock()
		if blind != nil {
			blind(r)
		}
		switch {
		case h != nil:
			ctx := context.WithValue(r.Context(), nextKey{}, next)
			h.ServeHTTP(rw, r.WithContext(ctx))
		case edit != nil && r.Header.Get("Upgrade") == "":
			editAnswer(rw, r, next, edit)
		default:
			next.ServeHTTP(rw, r)
		}
	})
}

type nextKey struct{}

// spoil applies a fault SPEC from now on; "" ends it. It gives the injector.
func (w *wire) injectFault(t testing.TB, backend, spec string) *faults.Injector {
	t.Helper()
	s, err := faults.Parse(spec)
	if err != nil {
		t.Fatal(err)
	}
	in := s.New(backend)
	h := in.Wrap(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		r.Context().Value(nextKey{}).(http.Handler).ServeHTTP(rw, r)
	}))
	w.mu.Lock()
	defer w.mu.Unlock()
	w.fault = h
	if s.Empty() {
		w.fault = nil
	}
	return in
}

// answerSuccess answers the chosen requests with a bare success; none of them
// reaches the server.
func (w *wire) answerSuccess(backend string, chosen func(request) bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.fault = http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if !chosen(request{method: r.Method, uri: r.URL.RequestURI(), body: readBody(r)}) {
			r.Context().Value(nextKey{}).(http.Handler).ServeHTTP(rw, r)
			return
		}
		rw.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(rw, bareSuccess[backend])
	})
}

func (w *wire) editing(f func([]byte) []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.edit = f
}

func (w *wire) ignoring(f func(*http.Request)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.blind = f
}

// take gives the requests recorded since the last time.
func (w *wire) take() []request {
	w.mu.Lock()
	defer w.mu.Unlock()
	out := w.log
	w.log = nil
	return out
}

func (w *wire) count() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.log)
}

// syncBuffer is a bytes.Buffer for several writers.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) line(msg string) { _, _ = s.Write([]byte(msg + "\n")) }

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// kindIn fails unless err is an *backends.Error of one of the kinds, said in
// one line without a web page or a secret.
func (e *env) kindIn(t testing.TB, what string, err error, kinds ...backends.ErrorKind) {
	t.Helper()
	if err == nil {
		t.Errorf("%s: no error, want one", what)
		return
	}
	e.goodError(t, what, err)
	if k := backends.KindOf(err); !slices.Contains(kinds, k) {
		t.Errorf("%s: an error of kind %d, want one of %v: %v", what, k, kinds, err)
	}
}

// goodError holds an error to the rules of all errors.
func (e *env) goodError(t testing.TB, what string, err error) {
	t.Helper()
	text := err.Error()
	var own *backends.Error
	if !errors.As(err, &own) {
		t.Errorf("%s: the error is not a *backends.Error but %T: %v", what, err, err)
	} else {
		if own.What == "" {
			t.Errorf("%s: the error does not say what could not be done: %v", what, err)
		}
		text += own.Hint
	}
	if strings.ContainsAny(text, "\n\r\x1b") || strings.Contains(strings.ToLower(text), "<html") {
		t.Errorf("%s: the error is not one clean line: %q", what, text)
	}
	e.noSecret(t, what+": the error", text)
}
