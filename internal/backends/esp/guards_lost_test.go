package esp_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/backends/esp/fake"
	"github.com/edrctl/edrctl/internal/model"
)

// lossy loses the answer of the first changing request.
func lossy(srv http.Handler, path string) (http.Handler, *atomic.Int32) {
	var sent atomic.Int32
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, path) && r.Method != http.MethodGet {
			sent.Add(1)
			srv.ServeHTTP(httptest.NewRecorder(), r)
			panic(http.ErrAbortHandler)
		}
		srv.ServeHTTP(w, r)
	}), &sent
}

// An answer that is lost: one request, an ambiguous end, and a look that finds
// what became of it.
func TestLostCalls(t *testing.T) {
	for _, tt := range []struct{ op, path, args string }{
		{"iocs.add", "/iocs/add", `{"name":"mine","type":"md5","values":"` + strings.Repeat("d", 32) + `"}`},
		{"rules.add", "/rules/add", `{"name":"new","conditions":` + okConditions + `}`},
		{"rules.set", "/rules/7", `{"rule_id":7,"severity":"INFO","description":"other"}`},
		{"queries.add", "/queries/add", `{"name":"new","query":"select 1;","interval":5}`},
		{"queries.set", "/queries/5", `{"query_id":5,"interval":7}`},
		{"queries.delete", "/delete", `{"query":"ports"}`},
		{"queries.tags.add", "/tags", `{"query_id":5,"tag":"new"}`},
		{"packs.add", "/packs/add", `{"name":"new","queries":{"a":{"query":"select 1;","interval":5}}}`},
		{"packs.delete", "/delete", `{"pack":"base"}`},
		{"tags.add", "/tags/add", `{"tag":"new"}`},
		{"tags.delete", "/tags/delete", `{"tag":"finance"}`},
		{"yara.add", "/yara/add", `{"file":{"name":"n.yara","text":"rule n {}"},"platform":"linux"}`},
		{"yara.delete", "/yara/delete", `{"file_name":"there.yara","platform":"linux"}`},
		{"configs.add", "/configs", `{"name":"n","platform":"linux","queries":{"process_events":{"interval":10,"status":true}}}`},
		{"configs.set", "/configs/2", `{"config_id":2,"description":"n"}`},
		{"configs.delete", "/configs/2", `{"config_id":2}`},
		{"configs.assign", "/assign", `{"config_id":2,"host_identifiers":"web-1"}`},
		{"settings.set", "/management/settings", `{"alert_aggregation_duration":"90"}`},
		{"virustotal.engines.set", "/av_engine", `{"av_engines":{"Bkav":{"status":true}}}`},
		{"threatintel.keys.set", "/management/apikeys", `{"vt_key":"0123456789abcdef"}`},
		{"email.set", "/email/configure", `{"email":"a@b.c","smtpAddress":"mail.b.c","smtpPort":"25","password":"mail-secret","emailRecipients":"x@b.c"}`},
		{"hosts.tags.add", "/tags", `{"host":"WIN-1","tag":"new"}`},
		{"hosts.remove", "/delete", `{"host":"WIN-1"}`},
		{"hosts.delete", "/delete", `{"host":"WIN-1"}`},
	} {
		t.Run(tt.op, func(t *testing.T) {
			h, sent := lossy(fake.New(estate(), fake.Options{}), tt.path)
			k := &desk{t: t, d: newDriver(t, serve(t, h), nil)}
			c := k.change(tt.op, tt.args)
			if _, err := k.d.Preview(t.Context(), c); err != nil {
				t.Fatal(err)
			}
			a, err := k.d.Apply(t.Context(), c, nil)
			if backends.KindOf(err) != backends.KindAmbiguous || a == nil || a.State != model.ActionAmbiguous || sent.Load() != 1 {
				t.Fatalf("%+v, %v, sent %d times", a, err, sent.Load())
			}
			found, err := k.d.FindAction(t.Context(), c, anchor)
			if err != nil || found == nil || found.State != model.ActionDone || sent.Load() != 1 {
				t.Errorf("looking for it: %+v, %v, sent %d times", found, err, sent.Load())
			}
		})
	}
	h, _ := lossy(fake.New(estate(), fake.Options{}), "/email/test")
	k := &desk{t: t, d: newDriver(t, serve(t, h), nil)}
	c := k.change("email.test", `{"email":"a@b.c","smtpAddress":"mail.b.c","smtpPort":"25","password":"mail-secret","emailRecipients":"x@b.c"}`)
	if _, err := k.d.Apply(t.Context(), c, nil); backends.KindOf(err) != backends.KindAmbiguous {
		t.Errorf("%v", err)
	}
	if a, err := k.d.FindAction(t.Context(), c, anchor); err == nil {
		t.Errorf("of a mail nothing can be read, and the look says %+v", a)
	}
}

// A server that lost the SQL answers 500 and keeps half a configuration, which
// its list hides: the look finds it by id and says how to remove it.
func TestHalfMadeConfiguration(t *testing.T) {
	srv := fake.New(estate(), fake.Options{})
	k := &desk{t: t, d: newDriver(t, serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/configs") {
			b, _ := io.ReadAll(r.Body)
			b = []byte(strings.Replace(string(b), `"query":"select 1;"`, `"shard":1`, 1))
			r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(b)), int64(len(b))
		}
		srv.ServeHTTP(w, r)
	})), nil)}
	c := k.change("configs.add", `{"name":"n","platform":"linux","queries":{"process_events":{"interval":10,"status":true}}}`)
	if _, err := k.d.Preview(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	if a, err := k.d.Apply(t.Context(), c, nil); err == nil {
		t.Fatalf("%+v", a)
	}
	_, err := k.d.FindAction(t.Context(), c, anchor)
	var be *backends.Error
	if !errors.As(err, &be) || !strings.Contains(be.Why, "configuration 3 without its queries") || !strings.Contains(be.Hint, "configs delete 3") {
		t.Fatalf("%v", err)
	}
	if _, a, err := k.do("configs.delete", `{"config_id":3}`); err != nil || a.State != model.ActionDone {
		t.Errorf("%+v, %v", a, err)
	}
}

// What is so already is not sent.
func TestNothingToDo(t *testing.T) {
	k := newDesk(t, fake.CE3)
	for name, text := range map[string]string{
		"rules.set": `{"rule_id":7,"severity":"WARNING"}`, "queries.set": `{"query_id":5,"tags":"sales,finance"}`, "iocs.add": `{"name":"bad_ip","values":"192.0.2.1"}`,
		"tags.delete": `{"tag":"nobody"}`, "tags.add": `{"tag":"web"}`, "settings.set": `{"purge_data_duration":60}`, "hosts.enable": `{"host":"WIN-1"}`,
		"configs.set": `{"config_id":2,"description":"web servers"}`, "queries.tags.remove": `{"query_id":5,"tag":"none"}`,
	} {
		p, a, err := k.do(name, text)
		if err != nil || p.Nothing == "" || a.State != model.ActionDone || k.srv.Calls()[name] != 0 {
			t.Errorf("%s: %+v %+v %v, sent %d times", name, p, a, err, k.srv.Calls()[name])
		}
	}
}

// After these no session is left: it is forgotten here too.
func TestLogoutCall(t *testing.T) {
	k := newDesk(t, fake.CE3)
	if _, _, err := k.do("auth.logout", `{}`); err != nil {
		t.Fatal(err)
	}
	if k.read("hosts.count", `{}`) == nil || k.srv.Calls()["auth.login"] < 2 {
		t.Errorf("%v", k.srv.Calls())
	}
}

func TestPasswordCall(t *testing.T) {
	k := newDesk(t, fake.CE3)
	text := `{"old_password":"` + password + `","new_password":"Better-word-2!"}`
	c := k.change("auth.password.change", text)
	p, err := k.d.Preview(t.Context(), c)
	if err != nil || strings.Contains(fmt.Sprint(p), "Better-word") || strings.Contains(fmt.Sprint(p), password) {
		t.Fatalf("%v %v", p, err)
	}
	if _, err := k.d.Apply(t.Context(), c, nil); err != nil {
		t.Fatal(err)
	}
	if ok, err := k.d.Verify(t.Context(), "Better-word-2!"); !ok || err != nil {
		t.Errorf("%v %v", ok, err)
	}
	if ok, err := k.d.Verify(t.Context(), password); ok || err != nil {
		t.Errorf("the old one: %v %v", ok, err)
	}
	k = newDesk(t, fake.CE3)
	if _, _, err := k.do("auth.password.change", `{"old_password":"wrong","new_password":"Better-word-2!"}`); backends.KindOf(err) != backends.KindAuth || k.srv.Calls()["auth.password.change"] != 0 {
		t.Errorf("a wrong old password: %v", err)
	}
}

// A role without the right gets that answer, and nothing happens twice.
func TestAnalystMayNot(t *testing.T) {
	srv := fake.New(estate(), fake.Options{})
	d := newDriver(t, serve(t, srv), func(o *backends.Options) { o.Settings["username"] = "anna" })
	k := &desk{t: t, d: d, srv: srv}
	_, a, err := k.do("iocs.add", `{"name":"mine","type":"md5","values":"x"}`)
	if backends.KindOf(err) != backends.KindForbidden || a.State != model.ActionFailed || srv.Calls()["iocs.add"] != 1 {
		t.Errorf("%+v %v", a, err)
	}
}
