package conformance

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/client"
	"github.com/edrctl/edrctl/internal/model"
	"github.com/edrctl/edrctl/internal/story"
)

// ChangeCase is one change RunChange tries. Make gives it for a server that
// was just started: the ids in it are looked up there.
type ChangeCase struct {
	Name string
	Make func(t *testing.T, d backends.Driver) backends.Change
	// Fewer: a request may be left out when the one before has done it all.
	Fewer bool
}

// RunChange holds a driver that changes things to the rules of changing: a
// preview changes nothing and tells exactly what is sent; each of its
// requests is sent at most once, whatever happens; what may have happened is
// ambiguous, and what did not is not; a success that the server only claims is
// not done. Harness.Skip takes "change/<name>" and "change/<name>/<fault>".
func RunChange(t *testing.T, h Harness, cases []ChangeCase) {
	t.Helper()
	if h.Retention == 0 {
		h.Retention = 80 * time.Hour
	}
	probe := h.open(t, story.Quiet, nil)
	d, ok := probe.driver.(backends.Changer)
	if !ok {
		t.Fatal("the driver changes nothing")
	}
	tried := map[string]bool{}
	for _, c := range cases {
		if h.skip(t, "change/"+c.Name) {
			continue
		}
		t.Run(c.Name, func(t *testing.T) {
			tried[c.Make(t, probe.driver).Verb] = true
			h.change(t, c)
			for _, f := range changeFaults {
				if !h.skip(t, "change/"+c.Name+"/"+f.spec) {
					h.changeUnder(t, c, f)
				}
			}
			if !h.skip(t, "change/"+c.Name+"/"+withoutEffect) {
				h.changeClaimed(t, c)
			}
		})
	}
	for _, v := range d.Verbs() {
		if !tried[v.Verb] && v.Verb != backends.VerbCall && !h.skip(t, "change/"+v.Verb) {
			t.Errorf("%s is offered, but no case tries it", v.Verb)
		}
		if v.How == "" {
			t.Errorf("%s: nobody says how", v.Verb)
		}
	}
	_, err := d.Preview(t.Context(), backends.Change{Verb: "no.such.verb"})
	probe.kindIn(t, "previewing a verb nobody has", err, backends.KindUnsupported)
	_, err = d.Apply(t.Context(), backends.Change{Verb: "no.such.verb"}, nil)
	probe.kindIn(t, "a verb nobody has", err, backends.KindUnsupported)
}

// change: preview, then apply, without a fault.
func (h Harness) change(t *testing.T, c ChangeCase) {
	t.Helper()
	e := h.open(t, story.Quiet, nil)
	d := e.driver.(backends.Changer)
	ch := c.Make(t, e.driver)
	e.wire.take()
	pv, err := d.Preview(t.Context(), ch)
	if err != nil {
		t.Fatalf("preview: %v", err)
	}
	if len(pv.Requests) == 0 || pv.Summary == "" || pv.Nothing != "" || pv.NotReady != "" {
		t.Fatalf("preview: %+v", pv)
	}
	e.noSecret(t, "the preview", strings.Join(append(pv.Requests, pv.Summary), "\n"))
	if n := sentOf(pv, e.wire.take()); slices.Max(n) > 0 {
		t.Fatalf("the preview sent what it shows: %v", pv.Requests)
	}
	var states []model.ActionState
	act, err := d.Apply(t.Context(), ch, func(a *model.Action) { states = append(states, a.State) })
	if err != nil || act == nil {
		t.Fatalf("apply: %+v, %v", act, err)
	}
	if act.State == model.ActionAmbiguous || act.State == model.ActionFailed || len(states) == 0 {
		t.Errorf("it is %s after %v", act.State, states)
	}
	for i, n := range sentOf(pv, e.wire.take()) {
		if n != 1 && !(c.Fewer && i > 0 && n == 0) {
			t.Errorf("%s was sent %d times", pv.Requests[i], n)
		}
	}
	if f, ok := e.driver.(backends.ActionFinder); ok {
		found, err := f.FindAction(t.Context(), ch, e.now)
		if err != nil || found == nil {
			t.Errorf("what was done is not found by looking: %+v, %v", found, err)
		}
	}
}

// sentOf counts how often each request of a preview is among those recorded.
func sentOf(pv backends.Preview, log []request) []int {
	out := make([]int, max(len(pv.Requests), 1))
	for i, line := range pv.Requests {
		for _, r := range log {
			if planned(line, r) {
				out[i]++
			}
		}
	}
	return out
}

// changeFault is a fault on the first changing request, and what may be reported.
type changeFault struct {
	spec  string
	kinds []backends.ErrorKind
	done  bool // the server has carried the request out
}

var changeFaults = []changeFault{
	{"reset-before", []backends.ErrorKind{backends.KindAmbiguous}, false},
	{"reset-after", []backends.ErrorKind{backends.KindAmbiguous}, true},
	{"500", []backends.ErrorKind{backends.KindAmbiguous}, false},
	{"503:retry-after=0,body=html", []backends.ErrorKind{backends.KindAmbiguous}, false},
	{"429:retry-after=0", []backends.ErrorKind{backends.KindRateLimited}, false},
	{"403", []backends.ErrorKind{backends.KindForbidden}, false},
	{"hang", []backends.ErrorKind{backends.KindAmbiguous}, false},
}

// changeUnder applies a change whose first request meets a fault.
func (h Harness) changeUnder(t *testing.T, c ChangeCase, f changeFault) {
	t.Helper()
	e := h.open(t, story.Quiet, func(o *backends.Options) {
		if f.spec == "hang" {
			o.Client.Timeout = 400 * time.Millisecond
		}
		o.Client.Rate = client.Rate{PerSecond: 1000}
	})
	d := e.driver.(backends.Changer)
	ch := c.Make(t, e.driver)
	pv, err := d.Preview(t.Context(), ch)
	if err != nil || len(pv.Requests) == 0 {
		t.Fatalf("preview: %+v, %v", pv, err)
	}
	e.wire.take()
	e.wire.injectFault(t, h.Backend, f.spec+scopeOf(pv.Requests[0]))
	ctx, stop := context.WithTimeout(t.Context(), 20*time.Second)
	act, err := d.Apply(ctx, ch, nil)
	stop()
	e.wire.injectFault(t, h.Backend, "")
	if err == nil {
		t.Errorf("%s: no error, and the action is %+v", f.spec, act)
	} else {
		e.kindIn(t, f.spec, err, f.kinds...)
	}
	ambiguous := backends.KindOf(err) == backends.KindAmbiguous
	if act != nil && (act.State == model.ActionAmbiguous) != ambiguous || ambiguous && act == nil {
		t.Errorf("%s: the action is %+v, the error %v", f.spec, act, err)
	}
	sent := sentOf(pv, e.wire.take())
	if sent[0] != 1 {
		t.Errorf("%s: %s was sent %d times", f.spec, pv.Requests[0], sent[0])
	}
	for i, n := range sent[1:] {
		if n > 0 {
			t.Errorf("%s: %s was sent after the failure", f.spec, pv.Requests[i+1])
		}
	}
	if finder, ok := e.driver.(backends.ActionFinder); ok && ambiguous {
		found, err := finder.FindAction(t.Context(), ch, e.now)
		switch {
		case err != nil:
			t.Errorf("%s: looking it up: %v", f.spec, err)
		case found != nil && found.State != model.ActionFailed && !f.done: // "it was not sent" is true
			t.Errorf("%s: found, though the server never saw it: %+v", f.spec, found)
		case found == nil && f.done && len(pv.Requests) == 1:
			t.Errorf("%s: it was carried out, and is not found", f.spec)
		}
		if n := slices.Max(sentOf(pv, e.wire.take())); n > 0 {
			t.Errorf("%s: looking sent it again", f.spec)
		}
	}
}

// withoutEffect is the fault of a server that says yes and does nothing.
const withoutEffect = "200 without effect"

// bareSuccess is what each product answers when it says yes and no more.
var bareSuccess = map[string]string{
	"carbonblack": `{"success":true,"message":"Success"}`,
	"cwatch":      "",
	"esp":         `{"status":"success","message":"Successfully done"}`,
	"gene":        `{"data":null,"error":"","message":"OK"}`,
}

// changeClaimed applies a change whose requests the server answers with
// success without carrying them out. Neither the driver nor a look at the
// backend may call it done: only what was seen or described is.
func (h Harness) changeClaimed(t *testing.T, c ChangeCase) {
	t.Helper()
	e := h.open(t, story.Quiet, func(o *backends.Options) {
		o.Client.Timeout = 2 * time.Second
		o.Client.Rate = client.Rate{PerSecond: 1000}
	})
	d := e.driver.(backends.Changer)
	ch := c.Make(t, e.driver)
	pv, err := d.Preview(t.Context(), ch)
	if err != nil || len(pv.Requests) == 0 {
		t.Fatalf("preview: %+v, %v", pv, err)
	}
	e.wire.answerSuccess(h.Backend, func(r request) bool {
		return slices.ContainsFunc(pv.Requests, func(line string) bool { return planned(line, r) })
	})
	ctx, stop := context.WithTimeout(t.Context(), 20*time.Second)
	defer stop()
	act, err := d.Apply(ctx, ch, nil)
	if act != nil && act.State == model.ActionDone {
		t.Errorf("%s: it is done although nothing happened: %+v", withoutEffect, act)
	}
	spec, _ := backends.VerbOf(d, ch.Verb)
	looks := err == nil && spec.Sync || backends.KindOf(err) == backends.KindAmbiguous
	if finder, ok := e.driver.(backends.ActionFinder); ok && looks {
		if found, _ := finder.FindAction(ctx, ch, e.now); found != nil && found.State == model.ActionDone {
			t.Errorf("%s: a look finds it done although nothing happened: %+v", withoutEffect, found)
		}
	}
}

// scopeOf narrows a fault to one request, as far as a SPEC can say it.
func scopeOf(line string) string {
	method, rest, _ := strings.Cut(line, " ")
	path, _, _ := strings.Cut(rest, "?")
	path, _, _ = strings.Cut(path, " ")
	if strings.ContainsAny(path, "@;:,%…") {
		return "@" + method
	}
	return "@" + method + "@" + path
}
