package gene_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/backends/gene/catalog"
)

// notCalls are the recorded exchanges that no operation has.
func notCall(e *exchange) string {
	switch {
	case e.Response.Status == 200 && len(e.body) == 0:
		return "the recording has no body"
	case !slices.Contains([]string{"GET", "POST", "PUT", "DELETE"}, e.Request.Method):
		return "a method of no operation"
	case e.path != "/stats" && strings.HasSuffix(e.path, "/"), strings.Contains(e.path, "//"):
		return "a path of no operation"
	case strings.HasPrefix(e.path, "/stream/"):
		return "a stream that was asked for without an upgrade: TestReplay"
	case strings.Contains(e.Name, "gzip-request"):
		return "a request that was compressed, which the driver never sends"
	case e.Response.Status == 400 || e.Response.Status == 431 || e.Response.Status == 301 || e.Response.Status == 500:
		return "a fault of the transport: headers, gzip, redirects"
	}
	return ""
}

// TestReplayCalls sends every recorded request, reading or changing, by the
// operation it belongs to, and holds the driver to the recorded answer: given
// as it came, or the error it is. What the guards keep back was refused by the
// manager, or did harm there (harmful).
func TestReplayCalls(t *testing.T) {
	var mu sync.Mutex
	count := map[string]int{}
	note := func(what string) {
		mu.Lock()
		defer mu.Unlock()
		count[what]++
	}
	all := exchanges(t)
	catalog := catalog.Operations()
	t.Run("all", func(t *testing.T) {
		for _, e := range all {
			reason := notCall(e)
			op, args, ok := backends.MatchOperation(catalog, e.Request.Method, e.path)
			if reason == "" && !ok {
				reason = "a path of no operation"
			}
			if reason != "" {
				note("not driven: " + reason)
				continue
			}
			c := backends.Call{Op: op, Args: args}
			for name, values := range e.q {
				if p, known := op.Param(name); known {
					if _, err := p.Value(values[0]); err == nil {
						c.Args[name] = values[0]
					}
				}
			}
			if op.Mutates && len(e.sent()) > 0 {
				c.Body = e.sent()
			}
			t.Run(e.set+"/"+e.N+"-"+e.Name, func(t *testing.T) {
				t.Parallel()
				note(replayCall(t, e, c))
			})
		}
	})
	total := 0
	for what, n := range count {
		t.Logf("%4d %s", n, what)
		total += n
	}
	if total != len(all) || count["answered as recorded"]+count["failed as recorded"] < 500 {
		t.Errorf("%d of %d recorded exchanges: %v", total, len(all), count)
	}
}

// harmful are the requests that the manager took and should not have: their
// guards keep them back.
var harmful = []string{
	"rules-post-no-name", "rules-post-empty", "rules-post-empty-array", "iocs-post-empty", "iocs-delete-no-criteria",
	"users-post-bad-uuid-replaced", "config-post-empty", "endpoint-post-empty",
	// These do nothing there, and say so here.
	"rules-delete-no-name", "rules-delete-regex", "rules-delete-again",
}

// unasked are readings that the manager answers with something else than was
// asked, silently, or that keep it busy for minutes.
var unasked = []string{
	"logs-since-and-pivot", "detections-since-and-pivot", "logs-delta-only", "alerts-delta-only", "detections-delta-only", "logs-stop-only", "alerts-stop-only",
	"logs-last-1d12h", "detections-last-1d12h", "logs-last-0", "detections-last-0", "logs-limit-0", "detections-limit-0",
	"logs-limit-negative", "detections-limit-negative", "rules-bad-regex",
}

// known is the manager's state around an exchange: what its answer says was
// there.
type known struct {
	*replayed
	mu    sync.Mutex
	acted []string
	body  []byte
	query url.Values
}

func (k *known) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	e := k.e
	acts := r.Method != http.MethodGet || r.URL.Path == "/rules/save" || r.URL.Path == "/rules/reload"
	if acts {
		b, _ := io.ReadAll(r.Body)
		k.mu.Lock()
		k.acted = append(k.acted, r.Method+" "+r.URL.Path)
		k.body, k.query = b, r.URL.Query()
		k.mu.Unlock()
	}
	if r.Method == e.Request.Method && r.URL.Path == e.path {
		k.replayed.ServeHTTP(w, r)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	head := strings.HasPrefix(e.set, "head")
	if head || e.set == "v1.8.0-beta.2" {
		w.Header().Set("Content-Type", "application/json")
	}
	var env struct{ Data json.RawMessage }
	_ = json.Unmarshal(e.body, &env)
	give := func(data string) { _, _ = io.WriteString(w, `{"data":`+data+ok) }
	deleted := "[]"
	if e.Request.Method == http.MethodDelete && len(env.Data) > 0 && env.Data[0] == '[' {
		deleted = string(env.Data)
	}
	last := r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:]
	switch {
	case acts:
		http.Error(w, "nothing else may be sent", http.StatusTeapot)
	case r.URL.Path == "/endpoints":
		give(`[{"uuid":"` + k.uuid + `","hostname":"X","last-connection":"0001-01-01T00:00:00Z"}]`)
	case r.URL.Path == "/stats" || strings.HasSuffix(r.URL.Path, "/detections") || strings.HasSuffix(r.URL.Path, "/alerts"):
		k.replayed.ServeHTTP(w, r)
	case r.URL.Path == "/rules":
		give(deleted)
	case r.URL.Path == "/users" && head:
		list := `{"uuid":"00000000-0000-4000-8000-000000000001","identifier":"root","key":"k"}`
		if id := strings.TrimPrefix(e.path, "/users/"); id != e.path {
			list += `,{"uuid":"` + id + `","identifier":"recorded","key":"k2"}`
		}
		give("[" + list + "]")
	case r.URL.Path == "/iocs" && head:
		give(deleted)
	case strings.HasSuffix(r.URL.Path, "/artifacts") && e.set != "v1.7.0" && !strings.HasPrefix(e.set, "v1.7.0"):
		give("[]")
	case strings.HasSuffix(r.URL.Path, "/binary") && head, strings.HasSuffix(r.URL.Path, "/sysmon/config") && head:
		if e.Request.Method == http.MethodDelete && string(env.Data) != "null" {
			give(`{}`)
			return
		}
		_, _ = io.WriteString(w, `{"data":null,"message":"NOK","error":"no object found"}`)
	case last == "config" && head:
		give(`{"logfile":"before.log"}`)
	case last == "command":
		give("null")
	case last == "report":
		give(`{"identifier":"` + k.uuid + `","alert-count":1}`)
	case r.URL.Path == "/endpoints/"+k.uuid:
		give(`{"uuid":"` + k.uuid + `","hostname":"X"}`)
	default:
		http.Error(w, "404 page not found", http.StatusNotFound)
	}
}

func replayCall(t *testing.T, e *exchange, c backends.Call) string {
	h := &known{replayed: &replayed{e: e, uuid: uuid1}}
	if m := onEndpoint.FindStringSubmatch(e.path); m != nil {
		h.uuid = m[1]
	}
	srv := httptest.NewServer(h)
	defer srv.Close()
	d, _ := open(t, srv.URL)
	said := failure(e.body)
	wantErr := e.Response.Status != 200 || said
	var got []byte
	var err error
	if c.Op.Mutates {
		act, aerr := d.Apply(t.Context(), changeOf(c), nil)
		if err = aerr; act != nil {
			got = act.Answer
		}
		if err == nil && len(h.acted) == 0 {
			return "nothing to do, as the manager keeps it already"
		}
	} else {
		a, cerr := d.Call(t.Context(), c)
		if err = cerr; err == nil {
			got, err = io.ReadAll(a.Body)
			_ = a.Body.Close()
		}
	}
	if err != nil && c.Op.Mutates && len(h.acted) == 0 {
		if !wantErr && !slices.Contains(harmful, e.Name) {
			t.Errorf("kept back, and the manager took it: %v", err)
		}
		return "kept back by a guard"
	}
	if len(h.acted) > 1 {
		t.Errorf("sent %v", h.acted)
	}
	switch {
	case err != nil && !wantErr:
		if k := backends.KindOf(err); !c.Op.Mutates && (k == backends.KindInvalid || k == backends.KindNotFound) {
			if !slices.Contains(unasked, e.Name) {
				t.Errorf("not asked: %v", err)
			}
			return "a reading that is not asked for"
		}
		if strings.Contains(e.set, "bug") || strings.Contains(err.Error(), "ANOTHER ENDPOINT") || strings.Contains(err.Error(), "index is wrong") {
			return "the alarm of a wrong index" // trap 1: recorded so
		}
		t.Errorf("%v", err)
	case err == nil && wantErr:
		t.Errorf("no error: the answer was %d %.200s", e.Response.Status, e.body)
	case err != nil:
		return "failed as recorded"
	case c.Op.Returns != "binary" && string(got) != string(e.body) && !sameJSON(got, e.body):
		t.Errorf("given is %.300s, recorded %.300s", got, e.body)
	}
	if c.Op.Mutates && c.Op.Name != "rules.add" && c.Op.Name != "config.set" && c.Op.Name != "iocs.add" && len(c.Body) > 0 && !sameJSON(h.body, c.Body) && string(h.body) != strings.TrimSpace(string(c.Body)) {
		t.Errorf("sent %.300s, recorded %.300s", h.body, c.Body)
	}
	return "answered as recorded"
}

// failure tells whether an answer with status 200 says that it failed, in any
// of its envelopes.
func failure(body []byte) bool {
	dec := json.NewDecoder(strings.NewReader(string(body)))
	for {
		var env struct{ Error string }
		if dec.Decode(&env) != nil {
			return false
		}
		if env.Error != "" {
			return true
		}
	}
}

func sameJSON(a, b []byte) bool {
	var x, y any
	if json.Unmarshal(a, &x) != nil || json.Unmarshal(b, &y) != nil {
		return false
	}
	p, _ := json.Marshal(x)
	q, _ := json.Marshal(y)
	return string(p) == string(q)
}
