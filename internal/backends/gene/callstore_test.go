package gene_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/backends/gene"
	"github.com/edrctl/edrctl/internal/backends/gene/fake"
)

func items(t testing.TB, d *gene.Driver, c backends.Call) []map[string]any {
	t.Helper()
	var out []map[string]any
	for item, err := range d.Items(t.Context(), c) {
		if err != nil {
			t.Fatal(err)
		}
		var m map[string]any
		if err := json.Unmarshal(item, &m); err != nil {
			t.Fatal(err)
		}
		out = append(out, m)
	}
	return out
}

// Indicators are added once however often they are given, checked before, and
// what is removed is read and shown first.
func TestIOCs(t *testing.T) {
	d, _, p := tapped(t, lab(), fake.Options{})
	add := func(iocs any, source string) (backends.Preview, error) {
		pv, _, err := apply(t, d, callOf(t, "iocs.add", "iocs", iocs, "source", source))
		return pv, err
	}
	if _, err := add([]any{"evil.example", "198.51.100.7", "D41D8CD98F00B204E9800998ECF8427E"}, "IR-1"); err != nil {
		t.Fatal(err)
	}
	list := items(t, d, callOf(t, "iocs.list"))
	if len(list) != 3 || list[2]["value"] != "d41d8cd98f00b204e9800998ecf8427e" || list[1]["type"] != "ip-dst" {
		t.Fatalf("%v", list)
	}
	if pv, err := add([]any{"198.51.100.7", "evil.example"}, "IR-1"); err != nil || pv.Nothing == "" {
		t.Errorf("again: %+v %v", pv, err)
	}
	if pv, err := add([]any{"198.51.100.7", "other.example"}, "IR-1"); err != nil || !strings.Contains(pv.Summary, "1 of them already") {
		t.Errorf("one more: %+v %v", pv, err)
	}
	for _, bad := range []any{"nonsense", []any{"x y"}, `[{"value":"abc","type":"md5"}]`, `[{"value":"x.example","type":"url"}]`, `[{"value":"x.example","tpye":"domain"}]`, `[{"value":"x.example","uuid":"1"}]`} {
		if _, err := add(bad, "IR-1"); backends.KindOf(err) != backends.KindInvalid {
			t.Errorf("%v: %v", bad, err)
		}
	}
	if _, err := add([]any{"y.example"}, ""); backends.KindOf(err) != backends.KindInvalid {
		t.Errorf("without a source: %v", err)
	}
	if n := p.count("POST /iocs"); n != 2 {
		t.Errorf("posted %d times", n)
	}
	remove := func(pairs ...any) (backends.Preview, error) {
		pv, _, err := apply(t, d, callOf(t, "iocs.delete", pairs...))
		return pv, err
	}
	if _, err := remove(); backends.KindOf(err) != backends.KindInvalid {
		t.Errorf("without criteria: %v", err)
	}
	if pv, err := remove("value", "nothing.example"); err != nil || pv.Nothing == "" {
		t.Errorf("%+v %v", pv, err)
	}
	if pv, err := remove("value", "D41D8CD98F00B204E9800998ECF8427E"); err != nil || !strings.Contains(pv.Summary, "deletes 1 of the 4") {
		t.Errorf("%+v %v", pv, err)
	}
	if pv, err := remove("source", "IR-1", "type", "domain"); err != nil || !strings.Contains(pv.Summary, "deletes 2 of the 3") {
		t.Errorf("%+v %v", pv, err)
	}
	if list := items(t, d, callOf(t, "iocs.list")); len(list) != 1 {
		t.Errorf("%v", list)
	}
}

// Users: no second of a name, never the last one, a warning for oneself, and
// nothing that the manager would leave as it is.
func TestUsers(t *testing.T) {
	d, _, p := tapped(t, lab(), fake.Options{})
	if _, _, err := apply(t, d, callOf(t, "users.delete", "uuid", "admin")); backends.KindOf(err) != backends.KindRefused {
		t.Errorf("the last user: %v", err)
	}
	_, a, err := apply(t, d, callOf(t, "users.add", "identifier", "alice", "group", "soc"))
	if err != nil || !strings.Contains(string(a.Answer), `"key":"`) {
		t.Fatalf("%v %+v", err, a)
	}
	if _, _, err := apply(t, d, callOf(t, "users.create", "identifier", "alice")); backends.KindOf(err) != backends.KindInvalid {
		t.Errorf("a second alice: %v", err)
	}
	if got := answerOf(t, d, callOf(t, "users.get", "uuid", "alice")); got["group"] != "soc" {
		t.Errorf("%v", got)
	}
	for _, bad := range [][]any{{}, {"group", ""}} {
		if _, _, err := apply(t, d, callOf(t, "users.update", append([]any{"uuid", "alice"}, bad...)...)); backends.KindOf(err) != backends.KindInvalid {
			t.Errorf("%v: %v", bad, err)
		}
	}
	if pv, _, err := apply(t, d, callOf(t, "users.update", "uuid", "alice", "group", "soc")); err != nil || pv.Nothing == "" {
		t.Errorf("%+v %v", pv, err)
	}
	if pv, _, err := apply(t, d, callOf(t, "users.update", "uuid", "alice", "description", "x", "newkey", true)); err != nil || !strings.Contains(pv.Summary, "a new key") || !slices.Contains(pv.Warnings, "the old key of the user stops working") {
		t.Errorf("%+v %v", pv, err)
	}
	pv, err := d.Preview(t.Context(), changeOf(callOf(t, "users.delete", "uuid", "admin")))
	if err != nil || !strings.Contains(strings.Join(pv.Warnings, "\n"), "whose key this profile uses") {
		t.Errorf("%+v %v", pv, err)
	}
	if _, _, err := apply(t, d, callOf(t, "users.delete", "uuid", "alice")); err != nil {
		t.Error(err)
	}
	if n := p.count("DELETE /users"); n != 1 {
		t.Errorf("deleted %d", n)
	}
	old, _, _ := tapped(t, lab(), fake.Options{Version: fake.Beta})
	if _, err := old.Call(t.Context(), callOf(t, "users.list")); backends.KindOf(err) != backends.KindUnsupported || !strings.Contains(err.Error(), "does not have it") {
		t.Errorf("on an older manager: %v", err)
	}
}

// An agent's configuration keeps what is not given, and its keys, also when
// what is given was masked.
func TestAgentConfig(t *testing.T) {
	d, _, p := tapped(t, lab(), fake.Options{})
	before := answerOf(t, d, callOf(t, "config.get", "uuid", "ALPHA"))
	key := dig(before, "forwarder", "manager", "endpoint-key")
	set := func(body string, pairs ...any) (backends.Preview, error) {
		c := callOf(t, "config.set", append([]any{"uuid", "ALPHA"}, pairs...)...)
		c.Body = []byte(body)
		pv, _, err := apply(t, d, c)
		return pv, err
	}
	pv, err := set(`{"criticality-treshold":9,"forwarder":{"manager":{"endpoint-key":"***","port":1600}}}`)
	if err != nil || !strings.Contains(pv.Summary, "changes 2 settings") {
		t.Fatalf("%+v %v", pv, err)
	}
	if strings.Contains(strings.Join(pv.Requests, ""), key) {
		t.Error("the preview shows the key")
	}
	after := answerOf(t, d, callOf(t, "config.get", "uuid", "ALPHA"))
	if dig(after, "forwarder", "manager", "endpoint-key") != key || dig(after, "forwarder", "manager", "port") != "1600" || dig(after, "logfile") != dig(before, "logfile") {
		t.Errorf("%v", after)
	}
	if pv, err := set(`{"criticality-treshold":9}`); err != nil || pv.Nothing == "" {
		t.Errorf("again: %+v %v", pv, err)
	}
	for _, bad := range []string{" ", "{}", "[]", "nope", `{"new":{"some-key":"***"}}`} {
		if _, err := set(bad); backends.KindOf(err) != backends.KindInvalid {
			t.Errorf("%s: %v", bad, err)
		}
	}
	if _, err := set("endpoint-key = \"***\"", "format", "toml"); backends.KindOf(err) != backends.KindInvalid {
		t.Errorf("masked toml: %v", err)
	}
	pv, err = set(`{"criticality-treshold":1}`, "replace", true)
	if err != nil || !strings.Contains(strings.Join(pv.Warnings, "\n"), "forwarder is not in it") {
		t.Errorf("%+v %v", pv, err)
	}
	if p.count("POST /endpoints/") != 2 {
		t.Errorf("sent %d", p.count("POST /endpoints/"))
	}
	if _, err := set(`{"a":1}`, "uuid", "nobody"); backends.KindOf(err) != backends.KindNotFound {
		t.Errorf("%v", err)
	}
}

// Reading calls: what the servers do badly when they are asked is never asked.
func TestCallReads(t *testing.T) {
	each(t, func(t *testing.T, v string) {
		d, _, p := tapped(t, busy(50, time.Hour), fake.Options{Version: v})
		// An unknown endpoint is not asked for: newer managers would make a phantom of it.
		if _, err := d.Call(t.Context(), callOf(t, "endpoints.get", "uuid", "14039547-90dc-4bc9-833a-5b9bcbe52b97")); backends.KindOf(err) != backends.KindNotFound {
			t.Errorf("%v", err)
		}
		if p.count("GET /endpoints/14039547") != 0 {
			t.Error("an unknown endpoint was asked for")
		}
		a, err := d.Call(t.Context(), callOf(t, "endpoints.get", "uuid", "alpha"))
		if err != nil {
			t.Fatal(err)
		}
		_ = a.Body.Close()
		if p.count("GET /endpoints/"+uuid1+"?showkey=true") == 0 {
			t.Error("one endpoint was read without showkey")
		}
		name := "detections.list"
		if v == fake.V170 || v == fake.Beta {
			name = "alerts.list"
		}
		for _, bad := range [][]any{
			{"until", now.Format(time.RFC3339)}, {"delta", "10m"}, {"pivot", now.Format(time.RFC3339), "since", now.Format(time.RFC3339)}, {"last", "0s"},
			{"last", "1h", "since", now.Format(time.RFC3339)}, {"since", now.Format(time.RFC3339), "until", now.Add(-time.Hour).Format(time.RFC3339)},
			{"since", now.Format(time.RFC3339), "start", now.Add(-time.Hour).Format(time.RFC3339)}, {"limit", "20000"}, {"limit", "0"},
		} {
			if _, err := d.Call(t.Context(), callOf(t, name, append([]any{"uuid", uuid1}, bad...)...)); backends.KindOf(err) != backends.KindInvalid {
				t.Errorf("%v: %v", bad, err)
			}
		}
		for _, good := range [][]any{
			{"last", "2h"}, {"since", now.Add(-2 * time.Hour).Format(time.RFC3339)}, {"pivot", now.Format(time.RFC3339), "delta", "2h"},
			{"since", now.Add(-2 * time.Hour).In(time.FixedZone("", 7200)).Format(time.RFC3339), "limit", "2"},
		} {
			got := items(t, d, callOf(t, name, append([]any{"uuid", uuid1}, good...)...))
			for i := range got {
				if got[i]["Event"] == nil {
					t.Errorf("%v: %v", good, got[i])
				}
			}
			if len(got) != 0 && len(got) < 2 || len(got) > 10 {
				t.Errorf("%v: %d records", good, len(got))
			}
		}
		for _, name := range []string{"users.list", "iocs.list"} {
			_, err := d.Call(t.Context(), callOf(t, name))
			if (err != nil) != (v != fake.Head) || err != nil && backends.KindOf(err) != backends.KindUnsupported {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}

// Answers of another endpoint, errors with status 200 and two envelopes are
// errors of raw calls, too.
func TestCallAnswers(t *testing.T) {
	for _, tc := range []struct{ name, path, reply string }{
		{"endpoints.get", "/endpoints/" + uuid1, `{"data":{"uuid":"` + uuid2 + `"},"message":"OK","error":""}`},
		{"command.get", "/endpoints/" + uuid1 + "/command", `{"data":null,"message":"NOK","error":"no"}`},
		{"command.get", "/endpoints/" + uuid1 + "/command", `{"data":null,"message":"OK","error":""}{"data":null,"message":"NOK","error":"late"}`},
		{"stats.get", "/stats", `{"endpoint-count":1}`},
		{"stats.get", "/stats", `<html>`},
		{"rules.list", "/rules", `{"data":[{"Name":"a"}`},
	} {
		d, _, p := tapped(t, lab(), fake.Options{})
		p.instead = func(w http.ResponseWriter, r *http.Request) bool {
			if r.URL.Path != tc.path {
				return false
			}
			_, _ = w.Write([]byte(tc.reply))
			return true
		}
		c := callOf(t, tc.name)
		if strings.Contains(tc.path, uuid1) {
			c.Args["uuid"] = uuid1
		}
		if _, err := d.Call(t.Context(), c); err == nil {
			t.Errorf("%s: %s is not an error", tc.name, tc.reply)
		}
		for _, err := range d.Items(t.Context(), c) {
			if err == nil {
				t.Errorf("%s: %s gives records", tc.name, tc.reply)
			}
		}
	}
}
