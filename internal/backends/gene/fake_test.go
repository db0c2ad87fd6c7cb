package gene_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/edrctl/edrctl/internal/backends/gene/fake"
)

// TestFakeRefusesAsRecorded sends the recorded requests that were refused to
// the fake and compares status, content type and words.
func TestFakeRefusesAsRecorded(t *testing.T) {
	servers := map[string]*httptest.Server{}
	versions := map[string]string{"v1.7.0": fake.V170, "v1.7.0-quoting": fake.V170, "v1.8.0-beta": fake.Beta, "v1.8.0-beta.2": fake.Beta2, "head-44a57e6": fake.Head}
	main := map[string]string{fake.Head: "a5c0bd86-6ea4-471d-8942-67faddb080c8", fake.V170: uuid1, fake.Beta: uuid1, fake.Beta2: uuid1}
	guid := "515cd0d1-ab35-60e4-827c-000000004e00"
	for name, v := range versions {
		hash := map[string]string{fake.Head: "f7f8ff469c846b5dafe2bf25682ba16ebc748bd0", fake.Beta: "7a64ce0c2f72ef3baf3b78c3fff7f378", fake.Beta2: "a1ae8c390d5f9d6fca08d333f1eef030"}[v]
		data := &fake.Data{
			Endpoints: []fake.Endpoint{{UUID: main[v], Hostname: "DESKTOP-LLOYD", Online: true}, {UUID: uuid2}},
			Log:       &memLog{},
			Rules: []fake.Rule{
				{Name: "EdrctlTestRule", Channel: sysmon, EventIDs: []int{1}}, {Name: "EdrctlTestRule2", Channel: sysmon, EventIDs: []int{1}},
			},
			Artifacts: []fake.Artifact{
				{Endpoint: 0, ProcessGUID: guid, EventHash: hash, Name: "two chunks.bin", Content: []byte(strings.Repeat("A", 2000)), Time: now.Add(-time.Hour)},
				{Endpoint: 0, ProcessGUID: guid, EventHash: hash, Name: "plain name with space.txt", Content: []byte("hello\n"), Time: now.Add(-time.Hour)},
			},
		}
		f := fake.New(data, fake.Options{Version: v, Key: testKey, Now: clock, AgentDelay: time.Hour})
		servers[name] = httptest.NewServer(f)
		defer servers[name].Close()
		// The fields of a command were asked for when there was one.
		req, _ := http.NewRequestWithContext(t.Context(), "POST", servers[name].URL+"/endpoints/"+main[v]+"/command", strings.NewReader(`{"command-line":"whoami"}`))
		req.Header.Set("Api-Key", testKey)
		req.Header.Set("X-Api-Key", testKey)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
	}
	// What depends on what had happened before on the recorded manager, or is
	// told apart by other tests.
	elsewhere := regexp.MustCompile(`plain-http|none-yet|logs-none|artifacts-none|artifacts-endpoint-without|-dup|-again|final|after|broken|wait|index|user|iocs|endpoint-get-malformed|sysmon-config-post-bad|delete-unknown|until-only|bad-key|accept-gzip|existing|no-name|` +
		`schema1|accept|rules-delete|report-delete|command-field-(stdout|stderr|error)|criticality-string`)
	compared := 0
	for _, e := range exchanges(t) {
		srv := servers[e.set]
		if srv == nil || elsewhere.MatchString(e.Name) || e.Response.Status == 0 {
			continue
		}
		var env struct{ Error *string }
		_ = json.Unmarshal(e.body, &env)
		if e.Response.Status == 200 && (env.Error == nil || *env.Error == "") {
			continue
		}
		req, err := http.NewRequestWithContext(t.Context(), e.Request.Method, srv.URL+e.Request.URL, bytes.NewReader(e.sent()))
		if err != nil {
			continue
		}
		for k, v := range e.sentHeaders() {
			switch {
			case strings.EqualFold(k, "Api-Key"), strings.EqualFold(k, "X-Api-Key"):
				req.Header.Set(k, testKey)
			case k == "Content-Encoding":
				req.Header.Set(k, v)
			}
		}
		resp, err := http.DefaultTransport.RoundTrip(req)
		if err != nil {
			t.Errorf("%s/%s: %v", e.set, e.Name, err)
			continue
		}
		got, _ := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		compared++
		if resp.StatusCode != e.Response.Status {
			t.Errorf("%s/%s: %d %.120s, recorded %d", e.set, e.Name, resp.StatusCode, got, e.Response.Status)
			continue
		}
		if e.Response.Status == 301 {
			continue
		}
		if ct := resp.Header.Get("Content-Type"); ct != e.Response.Headers["Content-Type"] {
			t.Errorf("%s/%s: content type %q, recorded %q", e.set, e.Name, ct, e.Response.Headers["Content-Type"])
		}
		if string(got) != string(e.body) {
			t.Errorf("%s/%s:\n got      %.300q\n recorded %.300q", e.set, e.Name, got, e.body)
		}
	}
	if t.Logf("%d refusals compared", compared); compared < 140 {
		t.Error("too few")
	}
}

// TestFakeSplitsCommands holds the fake's command line to the recorded ones.
func TestFakeSplitsCommands(t *testing.T) {
	f := fake.New(&fake.Data{Endpoints: []fake.Endpoint{{UUID: uuid2}}, Log: &memLog{}}, fake.Options{Version: fake.V170, Key: testKey, Now: clock})
	srv := httptest.NewServer(f)
	defer srv.Close()
	type answer struct {
		Data struct {
			Command struct {
				Name string
				Args []string
			}
		}
	}
	n := 0
	for _, e := range exchanges(t) {
		if e.set != "v1.7.0-quoting" || e.Request.Method != "POST" {
			continue
		}
		var want, got answer
		if err := json.Unmarshal(e.body, &want); err != nil {
			t.Fatal(err)
		}
		req, _ := http.NewRequestWithContext(t.Context(), "POST", srv.URL+e.Request.URL, bytes.NewReader(e.sent()))
		req.Header.Set("Api-Key", testKey)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		b, _ := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		_ = json.Unmarshal(b, &got)
		n++
		if w, g := want.Data.Command, got.Data.Command; w.Name != g.Name || strings.Join(w.Args, "|") != strings.Join(g.Args, "|") || (w.Args == nil) != (g.Args == nil) {
			t.Errorf("%s: %q %q, recorded %q %q", e.Name, g.Name, g.Args, w.Name, w.Args)
		}
	}
	if n != 15 {
		t.Errorf("%d command lines", n)
	}
}

// TestFakeState: what clients change is kept, and put back in another run.
func TestFakeState(t *testing.T) {
	each(t, func(t *testing.T, v string) {
		data := busy(10, time.Hour)
		f := fake.New(data, fake.Options{Version: v, Key: testKey, Now: clock})
		srv := httptest.NewServer(f)
		defer srv.Close()
		send(t, "PUT", srv.URL+"/endpoints")
		send(t, "DELETE", srv.URL+"/endpoints/"+uuid3+"?showkey=true")
		kept, err := f.State()
		if err != nil {
			t.Fatal(err)
		}
		g := fake.New(data, fake.Options{Version: v, Key: testKey, Now: clock})
		if err := g.Restore(kept); err != nil {
			t.Fatal(err)
		}
		again, _ := g.State()
		if string(again) != string(kept) {
			t.Errorf("%s\n%s", kept, again)
		}
		if err := g.Restore([]byte(`{"endpoints":[null]}`)); err == nil {
			t.Error("nonsense is restored")
		}
		if err := g.Restore([]byte(`{`)); err == nil {
			t.Error("a cut state is restored")
		}
	})
}
