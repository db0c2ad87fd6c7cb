package esp_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/backends/esp/fake"
	"github.com/edrctl/edrctl/internal/model"
)

// TestReplayCalls sends every recorded change the way of `edrctl api`: behind
// its guard, which reads from a server of ours, while the change itself meets
// the recorded answer. What goes out holds all that was recorded, once; what
// comes back is what the recording says.
func TestReplayCalls(t *testing.T) {
	sent, refusedHere := 0, map[string]int{}
	for _, x := range exchanges(t) {
		path := strings.TrimPrefix(strings.SplitN(x.Request.URL, "?", 2)[0], "/esp-ui/services/api/v1")
		o, in, ok := findOperation(x.Request.Method, path)
		if _, listed := notDriven[x.N]; !ok || !o.Mutates || listed {
			continue
		}
		t.Run(x.N+"-"+x.Name, func(t *testing.T) {
			want := argsOf(t, x, in)
			back := fake.New(recordedEstate(), fake.Options{})
			rp := &replayer{t: t, status: x.Response.Status, header: x.Response.Headers, body: x.answer(t)}
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Method == o.Method && strings.HasSuffix(r.URL.Path, path) {
					rp.ServeHTTP(w, r)
					return
				}
				back.ServeHTTP(w, r)
			}))
			defer srv.Close()
			d := newDriver(t, srv.URL, nil)
			a, err := d.Apply(t.Context(), backends.Change{Verb: backends.VerbCall, Call: &backends.Call{Op: o, Args: in}}, nil)
			if len(rp.sent) == 0 {
				switch kind := backends.KindOf(err); {
				case err == nil && a.State == model.ActionDone: // it is so already
				case kind != backends.KindInvalid && kind != backends.KindNotFound && kind != backends.KindUnsupported && kind != backends.KindAuth && kind != backends.KindUnavailable && kind != backends.KindMalformed:
					t.Errorf("nothing was sent: %v", err)
				}
				refusedHere[o.Name]++
				t.Logf("not sent: %v", err)
				return
			}
			sent++
			if len(rp.sent) != 1 {
				t.Errorf("sent %d times", len(rp.sent))
			}
			got := rp.sent[0]
			for name, v := range want.args {
				if name == "conditions" || name == "data" || name == "queries" {
					continue // completed by the guard; its own tests look at them
				}
				if g := fmt.Sprint(asServerReads(got.args[name])); g != fmt.Sprint(asServerReads(v)) {
					t.Errorf("%s is %v, and was %v", name, g, v)
				}
			}
			failed := strings.Contains(strings.ToLower(string(rp.body)), `"status": "failure"`) || x.Response.Status >= 400
			switch {
			case failed && (err == nil || a.State != model.ActionFailed && a.State != model.ActionAmbiguous):
				t.Errorf("the server refused it, and it is %+v, %v", a, err)
			case !failed && err != nil && !strings.Contains(err.Error(), "the server says success, and") && !strings.Contains(err.Error(), "left out"):
				t.Errorf("the server took it: %v", err) // what our server keeps is not changed by a recording
			case !failed && err != nil && a.State == model.ActionDone:
				t.Errorf("it is %+v, and no effect was seen: %v", a, err)
			case !failed && err == nil && string(a.Answer) != strings.TrimSpace(string(rp.body)):
				t.Errorf("answer %s", a.Answer)
			}
		})
	}
	t.Logf("%d recorded changes sent behind their guards; not sent: %v", sent, refusedHere)
	if sent < 45 {
		t.Errorf("only %d were sent", sent)
	}
}

// recordedEstate is a server with what the recorded one had.
func recordedEstate() *fake.Data {
	d := estate()
	d.Users[0].Password = password
	d.Hosts = append(d.Hosts[:1],
		fake.Host{ID: 2, Identifier: "ec2306bc-dcf7-a1f9-3ade-ced9b00d49fb", Name: "ip-172-31-16-229", OSName: "Ubuntu", Platform: "ubuntu", Online: true, Tags: []string{"finance"}},
		fake.Host{ID: 3, Identifier: "DELETE-ME", Name: "DELETE-ME", OSName: "Ubuntu", Platform: "ubuntu"})
	d.Hosts[0].Tags = []string{"demo"}
	d.Rules = append(d.Rules, fake.Rule{ID: 1, Name: "before", Severity: "INFO", Conditions: okConditions, Updated: anchor})
	d.Queries = append(d.Queries, fake.Query{ID: 50, Name: "before", SQL: "select 1;", Interval: 5, Tags: []string{"ops", "finance", "sales"}})
	d.Packs = append(d.Packs, fake.Pack{ID: 9, Name: "process_query_pack", Tags: []string{"ops"}})
	d.Configs = append(d.Configs, fake.Config{ID: 4, Name: "before", Platform: "linux", Queries: `{"process_events":{"interval":10,"status":true},"osquery_info":{"interval":86400,"status":true}}`, Conditions: `{}`})
	d.Carves = []fake.Carve{{ID: 1, NodeID: 2, SessionID: "LIRK2AYGXW", GUID: "g", Content: []byte("x"), Size: 1, BlockSize: 1, Status: "COMPLETED", Created: anchor}}
	d.Yara["test.yara"] = "rule t {}"
	d.Tables = append(d.Tables, fake.Table{Name: "users"}, fake.Table{Name: "carves"})
	d.Tags = []string{"test"}
	return d
}

// TestReplayReads reads every recorded answer of an operation as records.
func TestReplayReads(t *testing.T) {
	records := 0
	for _, x := range exchanges(t) {
		path := strings.TrimPrefix(strings.SplitN(x.Request.URL, "?", 2)[0], "/esp-ui/services/api/v1")
		o, in, ok := findOperation(x.Request.Method, path)
		if _, listed := notDriven[x.N]; !ok || o.Mutates || listed || x.Response.Status != 200 {
			continue
		}
		t.Run(x.N+"-"+x.Name, func(t *testing.T) {
			argsOf(t, x, in)
			delete(in, "start")
			body := x.answer(t)
			pages := 0
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				switch {
				case strings.HasSuffix(r.URL.Path, "/login") && o.Name != "auth.login":
					w.Header().Set("Content-Type", "application/json")
					_, _ = io.WriteString(w, `{"token":"t"}`)
				case r.Header.Get("X-Access-Token") == "" && o.Name != "auth.login":
					w.WriteHeader(http.StatusUnauthorized)
					_, _ = io.WriteString(w, `{"message":{"message":"no"}}`)
				case pages > 0 && strings.HasSuffix(r.URL.Path, path):
					w.Header().Set("Content-Type", "application/json")
					_, _ = io.WriteString(w, `{"status":"success","message":"","data":{"count":0,"results":[]}}`)
				default:
					pages++
					w.Header().Set("Content-Type", x.Response.Headers["Content-Type"])
					_, _ = w.Write(body)
				}
			}))
			defer srv.Close()
			n := 0
			for v, err := range newDriver(t, srv.URL, nil).Items(t.Context(), backends.Call{Op: o, Args: in}) {
				if err != nil {
					failure := strings.Contains(strings.ToLower(string(body)), `"status": "failure"`) || o.Returns == "binary"
					if k := backends.KindOf(err); !failure && k != backends.KindInvalid && k != backends.KindNotFound && k != backends.KindPartial /* one page of a longer list */ {
						t.Errorf("%v", err)
					}
					return
				}
				if v[0] != '{' {
					t.Errorf("a record is not an object: %.100s", v)
				}
				n++
			}
			records += n
		})
	}
	t.Logf("%d records", records)
	if records < 100 {
		t.Errorf("only %d records", records)
	}
}
