package cwatch_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/backends/cwatch/fake"
	"github.com/edrctl/edrctl/internal/faults"
	"github.com/edrctl/edrctl/internal/model"
	"github.com/edrctl/edrctl/internal/recordings"
)

// changes gives the changing requests a rig saw.
func (r *rig) changes() (out []string) {
	for _, q := range r.requests() {
		if !strings.HasPrefix(q, "GET ") {
			out = append(out, q)
		}
	}
	return out
}

func (r *rig) changer() backends.Changer { return r.Driver.(backends.Changer) }

const (
	openAlert   = "AW000000000000000003" // alertData: i%3 == 0 is active
	goneAlert   = "AW000000000000000004" // dismissed
	closedAlert = "AW000000000000000005"
)

func newAlertBody(name string) []byte {
	return fmt.Appendf(nil, `{"timestamp":%d,"endpointID":30001,"alertName":%q,"isActive":true,"data":{"score":7,"event":{"baseEventType":1,"process":{"prcsPID":4,"prcsParentTree":[{"prcsPID":1}]}}}}`,
		anchor.Add(-time.Minute).UnixMilli(), name)
}

// Each verb sends what the reference says, once, and the alert is as wanted.
func TestTriageRequests(t *testing.T) {
	id := "/alert/" + openAlert
	for name, tc := range map[string]struct {
		c    backends.Change
		want []string
		is   func(fake.Alert) bool
	}{
		"close": {backends.Change{Verb: "alert.close", AlertID: openAlert}, []string{"PUT " + id + "/close"}, func(a fake.Alert) bool { return !a.IsActive && !a.Dismissed }},
		"close, true positive": {
			backends.Change{Verb: "alert.close", AlertID: openAlert, Verdict: model.VerdictTruePositive, Comment: "IR-7: reimaged & back ü"},
			[]string{"PUT " + id + "/close?feedback=IR-7%3A+reimaged+%26+back+%C3%BC&userVerdict=true"},
			func(a fake.Alert) bool {
				return !a.IsActive && *a.UserVerdict && a.Feedback == "IR-7: reimaged & back ü"
			},
		},
		"close, false positive": {
			backends.Change{Verb: "alert.close", AlertID: openAlert, Verdict: model.VerdictFalsePositive},
			[]string{"PUT " + id + "/close?userVerdict=false"}, func(a fake.Alert) bool { return !a.IsActive && !*a.UserVerdict && !a.FalsePositive },
		},
		"dismiss": {
			backends.Change{Verb: "alert.dismiss", AlertID: openAlert, Comment: "kept in the journal"},
			[]string{"PUT /alert/dismiss/" + openAlert}, func(a fake.Alert) bool { return a.Dismissed && a.Feedback == "" },
		},
		"dismiss, false positive": {
			backends.Change{Verb: "alert.dismiss", AlertID: openAlert, Verdict: model.VerdictFalsePositive, Comment: "backup"},
			[]string{"PUT " + id + "/report-false-positive?feedback=backup&userVerdict=false", "PUT /alert/dismiss/" + openAlert},
			func(a fake.Alert) bool {
				return a.Dismissed && a.FalsePositive && a.Feedback == "backup" && !*a.UserVerdict
			},
		},
	} {
		data := alertData(30)
		data.Alerts[3].UserVerdict = nil
		r := newRig(t, data, fake.Options{}, nil, nil)
		pv, err := r.changer().Preview(t.Context(), tc.c)
		if err != nil || !slices.Equal(pv.Requests, tc.want) || pv.Nothing != "" || pv.Summary == "" || pv.Reversible {
			t.Errorf("%s: %+v, %v", name, pv, err)
		}
		if got := r.changes(); len(got) != 0 {
			t.Errorf("%s: the preview sent %q", name, got)
		}
		var states []model.ActionState
		act, err := r.changer().Apply(t.Context(), tc.c, func(a *model.Action) { states = append(states, a.State) })
		if err != nil || act.State != model.ActionDone || act.Details["read back"] != "the listing shows it" || act.Target.AlertID != openAlert {
			t.Errorf("%s: %+v, %v", name, act, err)
		}
		if !slices.Equal(states, []model.ActionState{model.ActionSent, model.ActionDone}) {
			t.Errorf("%s: told %v", name, states)
		}
		if got := r.changes(); !slices.Equal(got, tc.want) {
			t.Errorf("%s: sent %q", name, got)
		}
		if a, ok := r.fake.Find(openAlert); !ok || !tc.is(a) {
			t.Errorf("%s: the alert is %+v", name, a)
		}
		pv, err = r.changer().Preview(t.Context(), tc.c)
		if err != nil || pv.Nothing == "" {
			t.Errorf("%s again: %+v, %v", name, pv, err)
		}
		if found, err := r.Driver.(backends.ActionFinder).FindAction(t.Context(), tc.c, anchor); err != nil || found == nil || found.State != model.ActionDone {
			t.Errorf("%s: looked up: %+v, %v", name, found, err)
		}
	}
}

// A server whose report of a false positive dismisses the alert is not asked
// to dismiss it again.
func TestSecondRequestIsLeftOut(t *testing.T) {
	data := alertData(30)
	r := newRig(t, data, fake.Options{}, nil, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			if strings.HasSuffix(req.URL.Path, "/report-false-positive") {
				also := req.Clone(req.Context())
				also.URL.Path, also.URL.RawQuery = "/alert/dismiss/"+openAlert, ""
				next.ServeHTTP(discard{http.Header{}}, also)
			}
			next.ServeHTTP(w, req)
		})
	})
	act, err := r.changer().Apply(t.Context(), backends.Change{Verb: "alert.dismiss", AlertID: openAlert, Verdict: model.VerdictFalsePositive}, nil)
	if err != nil || act.State != model.ActionDone || act.Details["left out"] == "" || len(r.changes()) != 1 {
		t.Errorf("%+v, %v, %q", act, err, r.changes())
	}
}

type discard struct{ h http.Header }

func (d discard) Header() http.Header         { return d.h }
func (d discard) Write(b []byte) (int, error) { return len(b), nil }
func (d discard) WriteHeader(int)             {}

// What cannot be done is refused before anything changing is sent.
func TestTriageRefusals(t *testing.T) {
	r := newRig(t, alertData(30), fake.Options{}, nil, nil)
	for name, tc := range map[string]struct {
		c    backends.Change
		kind backends.ErrorKind
		why  string
	}{
		"reopen":                 {backends.Change{Verb: "alert.reopen", AlertID: closedAlert}, backends.KindUnsupported, "reopen"},
		"kill":                   {backends.Change{Verb: "kill", PID: 4}, backends.KindUnsupported, "does not offer"},
		"no id":                  {backends.Change{Verb: "alert.close"}, backends.KindInvalid, "no alert"},
		"an id that is a verb":   {backends.Change{Verb: "alert.close", AlertID: "dismiss"}, backends.KindInvalid, "something else"},
		"an id that climbs":      {backends.Change{Verb: "alert.close", AlertID: ".."}, backends.KindInvalid, "something else"},
		"an id with a line":      {backends.Change{Verb: "alert.close", AlertID: "a\nb"}, backends.KindInvalid, "something else"},
		"nobody's id":            {backends.Change{Verb: "alert.close", AlertID: "AWnobody"}, backends.KindNotFound, "AWnobody"},
		"dismiss, true positive": {backends.Change{Verb: "alert.dismiss", AlertID: openAlert, Verdict: model.VerdictTruePositive}, backends.KindInvalid, "false positive"},
		"odd verdict":            {backends.Change{Verb: "alert.close", AlertID: openAlert, Verdict: "maybe"}, backends.KindInvalid, "not a verdict"},
	} {
		_, err := r.changer().Preview(t.Context(), tc.c)
		if backends.KindOf(err) != tc.kind || !strings.Contains(err.Error(), tc.why) {
			t.Errorf("%s: preview: %v", name, err)
		}
		if _, err := r.changer().Apply(t.Context(), tc.c, nil); backends.KindOf(err) != tc.kind {
			t.Errorf("%s: apply: %v", name, err)
		}
	}
	for name, c := range map[string]backends.Change{
		"closed": {Verb: "alert.close", AlertID: closedAlert}, "dismissed": {Verb: "alert.dismiss", AlertID: goneAlert},
	} {
		if pv, err := r.changer().Preview(t.Context(), c); err != nil || !strings.Contains(pv.Nothing, name) {
			t.Errorf("%s: %+v, %v", name, pv, err)
		}
	}
	if got := r.changes(); len(got) != 0 {
		t.Errorf("sent %q", got)
	}
}

// Ids that are ours are refused with the reason, by preview and by apply.
func TestMadeUpIDsAreRefused(t *testing.T) {
	for _, opt := range []fake.Options{{AlertID: fake.AlertIDNone}, {DocumentedOnly: true}} {
		r := newRig(t, alertData(9), opt, nil, nil)
		_, rows, err := r.alerts(day())
		if err != nil {
			t.Fatal(err)
		}
		c := backends.Change{Verb: "alert.close", AlertID: rows[0].ID}
		_, err = r.changer().Preview(t.Context(), c)
		_, aerr := r.changer().Apply(t.Context(), c, nil)
		for _, err := range []error{err, aerr} {
			var e *backends.Error
			if !errors.As(err, &e) || e.Kind != backends.KindUnsupported || !strings.Contains(e.Error(), "without an id") || e.Hint == "" {
				t.Errorf("%v", err)
			}
		}
		if got := r.changes(); len(got) != 0 {
			t.Errorf("sent %q", got)
		}
	}
}

// Fifty alerts are looked at with the requests of one.
func TestPreviewsShareOneReading(t *testing.T) {
	r := newRig(t, alertData(150), fake.Options{}, nil, nil)
	for i := range 50 {
		if _, err := r.changer().Preview(t.Context(), backends.Change{Verb: "alert.close", AlertID: fmt.Sprintf("AW%018d", i*3)}); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(r.requests()); n != 2 {
		t.Errorf("%d requests", n)
	}
}

// Whatever happens on the way, nothing is sent twice; what may have happened
// is ambiguous, and a look tells what did.
func TestNothingIsSentTwice(t *testing.T) {
	for spec, want := range map[string]struct {
		kind  backends.ErrorKind
		found bool
	}{
		"reset-before@PUT": {backends.KindAmbiguous, false}, "reset-after@PUT": {backends.KindAmbiguous, true},
		"500@PUT": {backends.KindAmbiguous, false}, "502@PUT": {backends.KindAmbiguous, false}, "503:body=html@PUT": {backends.KindAmbiguous, false},
		"429:retry-after=0@PUT": {backends.KindRateLimited, false}, "hang@PUT": {backends.KindAmbiguous, false}, "html@PUT": {backends.KindAmbiguous, false},
		"400@PUT": {backends.KindInvalid, false}, "404@PUT": {backends.KindNotFound, false}, "403@PUT": {backends.KindForbidden, false},
		"expired-token@PUT": {backends.KindAuth, false},
		"reset-before@POST": {backends.KindAmbiguous, false}, "reset-after@POST": {backends.KindAmbiguous, true},
		"503@POST": {backends.KindAmbiguous, false}, "429:retry-after=0@POST": {backends.KindRateLimited, false}, "hang@POST": {backends.KindAmbiguous, false},
	} {
		s, err := faults.Parse(spec)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range []backends.Change{
			{Verb: "alert.close", AlertID: openAlert}, {Verb: "alert.dismiss", AlertID: openAlert},
			{Verb: "alert.dismiss", AlertID: openAlert, Verdict: model.VerdictFalsePositive}, {Verb: "alert.create", Body: newAlertBody("Lost")},
		} {
			if (c.Verb == "alert.create") != strings.HasSuffix(spec, "POST") {
				continue
			}
			r := newRig(t, alertData(30), fake.Options{}, nil, func(next http.Handler) http.Handler { return s.Wrap("cwatch", next) })
			ctx, stop := t.Context(), func() {}
			if strings.HasPrefix(spec, "hang") {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(t.Context(), 300*time.Millisecond)
				stop = cancel
			}
			act, err := r.changer().Apply(ctx, c, nil)
			stop()
			if backends.KindOf(err) != want.kind {
				t.Errorf("%s, %s: %v", spec, c.Verb, err)
			}
			if state := map[bool]model.ActionState{true: model.ActionAmbiguous, false: model.ActionFailed}[want.kind == backends.KindAmbiguous]; act == nil || act.State != state || act.Error == "" {
				t.Errorf("%s, %s: %+v", spec, c.Verb, act)
			}
			if got := r.changes(); len(got) != 1 {
				t.Errorf("%s, %s: sent %q", spec, c.Verb, got)
			}
			// Two requests are done when both were: the first alone is not it.
			done := want.found && (c.Verdict == "" || c.Verb == "alert.create")
			found, err := r.Driver.(backends.ActionFinder).FindAction(t.Context(), c, anchor)
			if err != nil || (found != nil) != done {
				t.Errorf("%s, %s: looked up %+v, %v", spec, c.Verb, found, err)
			}
			for route, n := range r.fake.Calls() {
				if n != 1 {
					t.Errorf("%s: %s acted %d times", spec, route, n)
				}
			}
		}
	}
}

func TestCreate(t *testing.T) {
	r := newRig(t, alertData(5), fake.Options{}, nil, nil)
	for name, body := range map[string]string{
		"one": string(newAlertBody("One")), "list": "[" + string(newAlertBody("Two")) + "," + string(newAlertBody("Three")) + "]",
		"vendor's own": `{"alerts":[` + string(newAlertBody("Four")) + `]}`,
	} {
		c := backends.Change{Verb: "alert.create", Body: []byte(body)}
		pv, err := r.changer().Preview(t.Context(), c)
		if err != nil || len(pv.Requests) != 1 || !strings.HasPrefix(pv.Requests[0], `POST /alert {"alerts":[{`) || pv.Nothing != "" {
			t.Errorf("%s: %+v, %v", name, pv, err)
		}
		act, err := r.changer().Apply(t.Context(), c, nil)
		if err != nil || act.State != model.ActionDone || act.Details["read back"] != "the listing shows it" {
			t.Errorf("%s: %+v, %v", name, act, err)
		}
		if pv, err := r.changer().Preview(t.Context(), c); err != nil || pv.Nothing == "" {
			t.Errorf("%s again: %+v, %v", name, pv, err)
		}
	}
	if n := r.fake.Calls()[fake.RouteCreate]; n != 3 {
		t.Errorf("%d requests", n)
	}
	_, rows, err := r.alerts(day())
	if err != nil || len(rows) != 9 {
		t.Errorf("%d alerts, %v", len(rows), err)
	}
}

// What the schema does not have is refused here, with the member's name.
func TestCreateRefusals(t *testing.T) {
	ms := anchor.UnixMilli()
	full := func(more string) string {
		return fmt.Sprintf(`{"timestamp":%d,"endpointID":1,"alertName":"x"%s}`, ms, more)
	}
	r := newRig(t, alertData(5), fake.Options{}, nil, nil)
	for body, why := range map[string]string{
		``: "not JSON", `nonsense`: "not JSON", `7`: "neither", `[]`: "no alert", `{"alerts":{}}`: "array", `{"alerts":[],"x":1}`: "nothing but",
		`[1]`: "object", full("") + "x": "not JSON", full(`,"colour":1`): "colour", full(`,"data":{"event":{"process":{"prcsName":"x"}}}`): "data.event.process.prcsName",
		full(`,"data":{"score":"7"}`): "data.score must be a whole number", full(`,"data":{"score":11}`): "0 to 10", full(`,"isActive":"yes"`): "isActive must be true or false",
		full(`,"data":{"event":{"process":{"prcsParentTree":[1]}}}`): "prcsParentTree[0]", full(`,"user":null`): "user must be",
		full(`,"status":1.5`):              "status must be a whole number",
		`{"endpointID":1,"alertName":"x"}`: "timestamp is missing", `{"timestamp":5,"endpointID":1,"alertName":""}`: "alertName is missing",
		`{"timestamp":1559293200,"endpointID":1,"alertName":"x"}`: "ms", "[" + full("") + "," + full("") + "]": "twice",
	} {
		c := backends.Change{Verb: "alert.create", Body: []byte(body)}
		_, err := r.changer().Preview(t.Context(), c)
		if backends.KindOf(err) != backends.KindInvalid || !strings.Contains(err.Error(), why) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", body, err)
		}
		if _, err := r.changer().Apply(t.Context(), c, nil); backends.KindOf(err) != backends.KindInvalid {
			t.Errorf("%s: %v", body, err)
		}
	}
	if n := len(r.requests()); n != 0 {
		t.Errorf("%d requests", n)
	}
}

// The vendor's own example of the request is taken, but for its placeholder
// of a time.
func TestCreateTakesTheVendorsExample(t *testing.T) {
	b, err := fs.ReadFile(recordings.Of("cwatch"), "alert_create.request.seed.json")
	if err != nil {
		t.Fatal(err)
	}
	r := newRig(t, alertData(1), fake.Options{}, nil, nil)
	body := strings.Replace(string(b), `"timestamp": 0`, fmt.Sprintf(`"timestamp": %d`, anchor.UnixMilli()), 1)
	pv, err := r.changer().Preview(t.Context(), backends.Change{Verb: "alert.create", Body: []byte(body)})
	if err != nil || pv.Summary == "" {
		t.Errorf("%+v, %v", pv, err)
	}
}

func FuzzCreate(f *testing.F) {
	f.Add(newAlertBody("x"))
	f.Add([]byte(`[{"data":{"event":[]}}]`))
	f.Add([]byte(`{"alerts":[{"timestamp":1e400}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		r := fuzzDriver(t)
		ctx, stop := context.WithCancel(t.Context())
		stop() // nothing is to be sent
		pv, err := r.(backends.Changer).Preview(ctx, backends.Change{Verb: "alert.create", Body: b})
		if err == nil || strings.ContainsAny(err.Error(), "\n\r") {
			t.Fatalf("%+v, %v", pv, err)
		}
	})
}

func fuzzDriver(t testing.TB) backends.Driver {
	b, err := backends.Lookup("cwatch")
	if err != nil {
		t.Fatal(err)
	}
	d, err := b.Blank()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	return d
}
