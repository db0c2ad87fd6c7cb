package gene_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/backends/gene"
	"github.com/edrctl/edrctl/internal/backends/gene/fake"
	"github.com/edrctl/edrctl/internal/client"
	"github.com/edrctl/edrctl/internal/model"
)

// ticking is a clock that begins at now and continues.
func ticking() func() time.Time {
	begin := time.Now()
	return func() time.Time { return now.Add(time.Since(begin)) }
}

func lab() *fake.Data {
	big := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
	return &fake.Data{Endpoints: machines(), Log: &memLog{}, Files: map[string]map[string][]byte{
		"ALPHA": {`C:\a.txt`: []byte("alpha"), `C:\empty`: {}, `C:\big.bin`: big, "C:\\it's \"ö\".bin": []byte("odd")},
		"BRAVO": {`C:\a.txt`: []byte("bravo")},
	}}
}

// tap records what a server is asked, and can answer in its place.
type tap struct {
	http.Handler
	mu      sync.Mutex
	seen    []string // METHOD target
	bodies  []string
	instead func(w http.ResponseWriter, r *http.Request) bool
}

func (p *tap) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	r.Body = io.NopCloser(bytes.NewReader(body))
	p.mu.Lock()
	p.seen, p.bodies = append(p.seen, r.Method+" "+r.URL.RequestURI()), append(p.bodies, string(body))
	instead := p.instead
	p.mu.Unlock()
	if instead != nil && instead(w, r) {
		return
	}
	p.Handler.ServeHTTP(w, r)
}

// count counts requests that begin so.
func (p *tap) count(prefix string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := 0
	for _, s := range p.seen {
		if strings.HasPrefix(s, prefix) {
			n++
		}
	}
	return n
}

func (p *tap) last(prefix string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := len(p.seen) - 1; i >= 0; i-- {
		if strings.HasPrefix(p.seen[i], prefix) {
			return p.bodies[i]
		}
	}
	return ""
}

// tapped serves data as one version of the manager, behind a tap.
func tapped(t testing.TB, data *fake.Data, opt fake.Options) (*gene.Driver, *told, *tap) {
	t.Helper()
	opt.Key = testKey
	if opt.Now == nil {
		opt.Now = ticking()
	}
	if opt.AgentDelay == 0 {
		opt.AgentDelay = 20 * time.Millisecond
	}
	f := fake.New(data, opt)
	t.Cleanup(f.Close)
	p := &tap{Handler: f}
	srv := httptest.NewServer(p)
	t.Cleanup(srv.Close)
	d, warned := quick(t, srv.URL)
	return d, warned, p
}

// quick is a driver that does not wait long before it reads again.
func quick(t testing.TB, url string) (*gene.Driver, *told) {
	t.Helper()
	warned := &told{}
	d, err := gene.New(backends.Options{
		Profile: "lab", Client: client.Config{BaseURL: url, Timeout: 10 * time.Second, RetryBase: time.Millisecond},
		Secret: func(context.Context, string) (string, error) { return testKey, nil },
		Now:    clock, Warn: warned.add,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	return d.(*gene.Driver), warned
}

func named(name string) *model.Host {
	for _, m := range machines() {
		if m.Hostname == name {
			return &model.Host{Origin: model.Origin{ID: m.UUID}, Name: name}
		}
	}
	return nil
}

// done applies a change and follows it to its end.
func done(t testing.TB, d *gene.Driver, c backends.Change) *model.Action {
	t.Helper()
	a, err := d.Apply(t.Context(), c, nil)
	if err != nil {
		t.Fatal(err)
	}
	return finished(t, d, a)
}

func finished(t testing.TB, d *gene.Driver, a *model.Action) *model.Action {
	t.Helper()
	for range 200 {
		got, err := d.Action(t.Context(), a.ID)
		if err != nil {
			t.Fatal(err)
		}
		if got.State.Final() {
			return got
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Fatalf("%s never ends", a.ID)
	return nil
}

func run(words ...string) backends.Change {
	return backends.Change{Verb: backends.VerbRun, Host: named("ALPHA"), Command: words}
}
