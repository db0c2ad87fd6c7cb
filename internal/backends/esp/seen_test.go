package esp_test

import (
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/backends/esp/fake"
	"github.com/edrctl/edrctl/internal/model"
)

// idle answers changing requests with a success and does nothing while on.
func idle(data func() *fake.Data, o fake.Options, on *atomic.Bool) http.Handler {
	srv := fake.New(data(), o)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		changes := r.Method != http.MethodGet && (r.Method != http.MethodPost || strings.HasSuffix(r.URL.Path, "/tags"))
		if changes && on.Load() {
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write([]byte(`{"status":"success","message":"done"}`))
			return
		}
		srv.ServeHTTP(w, r)
	})
}

// A success without an effect is not done; with one it is.
func TestDoneMeansSeen(t *testing.T) {
	data := func() *fake.Data {
		d := estate()
		d.Alerts = []fake.Alert{{ID: 1, Time: anchor.Add(-time.Minute), RuleID: 7, Severity: "WARNING", Type: "rule", Source: "rule", NodeID: 1, QueryName: "ports", Entry: fake.Columns{{K: "pid", V: "1"}}}}
		return d
	}
	host := &model.Host{Name: "WIN-1"}
	host.ID = hostW
	for _, c := range []backends.Change{
		{Verb: backends.VerbHostTag, Host: host, Tags: []string{"new"}}, {Verb: backends.VerbHostUntag, Host: host, Tags: []string{"finance"}},
		{Verb: backends.VerbHostRemove, Host: host}, {Verb: backends.VerbHostDelete, Host: host},
		{Verb: backends.VerbAlertClose, AlertID: "1", Verdict: model.VerdictTruePositive},
	} {
		for _, off := range []bool{true, false} {
			var on atomic.Bool
			on.Store(off)
			d := newDriver(t, serve(t, idle(data, fake.Options{Edition: fake.CE3, Now: func() time.Time { return anchor }}, &on)), at)
			if a, err := d.Apply(t.Context(), c, nil); err != nil || a.State != model.ActionSent {
				t.Errorf("%s: %+v, %v", c.Verb, a, err)
			}
			seen, err := d.FindAction(t.Context(), c, anchor)
			if err != nil || (seen == nil) != off || seen != nil && seen.State != model.ActionDone {
				t.Errorf("%s, effect %v: %+v, %v", c.Verb, !off, seen, err)
			}
		}
	}
	var on atomic.Bool
	on.Store(true)
	k := &desk{t: t, d: newDriver(t, serve(t, idle(data, fake.Options{Edition: fake.CE3, Now: func() time.Time { return anchor }}, &on)), at)}
	if _, a, err := k.do("hosts.tags.add", `{"host":"WIN-1","tag":"new"}`); a == nil || a.State != model.ActionAmbiguous || backends.KindOf(err) != backends.KindAmbiguous {
		t.Errorf("a call without effect: %+v, %v", a, err)
	}
}
