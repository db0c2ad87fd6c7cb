package conformance

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/client"
	"github.com/edrctl/edrctl/internal/story"
)

// RunCalls holds a driver that reaches its vendor's whole API to the rules of
// raw calls: what reads answers, under a fault with a clean error and never
// short; what changes something is previewed exactly, sent exactly once under
// every fault, and ambiguous when it may have happened; no secret anywhere.
// Valid calls are in samples/<backend>.json.
func RunCalls(t *testing.T, h Harness) {
	t.Helper()
	samples, err := Samples(h.Backend, h.Version)
	if err != nil {
		t.Fatal(err)
	}
	b, err := backends.Lookup(h.Backend)
	if err != nil {
		t.Fatal(err)
	}
	e := h.open(t, story.Quiet, func(o *backends.Options) { o.Client.Rate = client.Rate{PerSecond: 10_000, Concurrent: 8} })
	api, ok := e.driver.(backends.Caller)
	if !ok {
		t.Fatal("the driver is not a Caller")
	}
	catalog := b.Catalog()
	given := maps.Clone(e.options.Settings)
	maps.Copy(given, e.secrets)
	r := &Resolver{Samples: samples, Now: e.now, Given: given, Do: func(op string, args map[string]any, input string) ([]byte, error) {
		return doCall(t.Context(), e.driver, catalog, op, args, input)
	}}
	for _, op := range Ordered(catalog, samples) {
		if h.skip(t, "calls/"+op.Name) {
			continue
		}
		s, ok := samples[op.Name]
		if !ok {
			t.Errorf("%s has no sample: nothing tries it", op.Name)
			continue
		}
		if s.Skip != "" {
			t.Logf("%s is not tried: %s", op.Name, s.Skip)
			continue
		}
		args, input, err := r.Args(op.Name)
		if err != nil {
			t.Errorf("%s: %v", op.Name, err)
			continue
		}
		c := sampleCall(op, args, input)
		switch {
		case s.Fails != "":
		case op.Mutates:
			h.mutating(t, e, c)
		case op.Returns == "websocket":
		default:
			h.readingCall(t, e, api, c)
		}
	}
	for name := range samples {
		if _, ok := backends.OperationNamed(catalog, name); !ok {
			t.Errorf("the sample %s is of no operation", name)
		}
	}
	h.badCalls(t, e, api, catalog)
}

// sampleCall is the call of a resolved sample.
func sampleCall(op backends.Operation, args map[string]any, input string) backends.Call {
	c := backends.Call{Op: op, Args: map[string]any{}}
	for name, v := range args {
		if f, ok := v.(SampleFile); ok {
			v = backends.File{Name: f.Name, Content: []byte(f.Content)}
		}
		c.Args[name] = v
	}
	if input != "" {
		c.Body = []byte(input)
	}
	return c
}

// doCall sends a call whatever it is, for what other calls rest on.
func doCall(ctx context.Context, d backends.Driver, catalog []backends.Operation, name string, args map[string]any, input string) ([]byte, error) {
	op, ok := backends.OperationNamed(catalog, name)
	if !ok {
		return nil, fmt.Errorf("there is no operation %s", name)
	}
	c := sampleCall(op, args, input)
	if !op.Mutates {
		a, err := d.(backends.Caller).Call(ctx, c)
		if err != nil {
			return nil, err
		}
		defer a.Body.Close()
		return io.ReadAll(a.Body)
	}
	act, err := d.(backends.Changer).Apply(ctx, backends.Change{Verb: backends.VerbCall, Call: &c}, nil)
	if err != nil {
		return nil, err
	}
	return act.Answer, nil
}

// cutFaults corrupt the answer of a read so that the driver must say so.
var cutFaults = []string{"cut=50%", "cut=50%:clean", "403"}

// readingCall reads an operation whole, and under faults.
func (h Harness) readingCall(t *testing.T, e *env, api backends.Caller, c backends.Call) {
	t.Helper()
	read := func() ([]byte, error) {
		ctx, stop := context.WithTimeout(t.Context(), 20*time.Second)
		defer stop()
		a, err := api.Call(ctx, c)
		if err != nil {
			return nil, err
		}
		body, err := io.ReadAll(a.Body)
		if cerr := a.Body.Close(); err == nil {
			err = cerr
		}
		return body, err
	}
	name := c.Op.Name
	e.wire.take()
	whole, err := read()
	if err != nil {
		t.Errorf("%s: %v", name, err)
		return
	}
	asJSON := c.Op.Returns == "" || c.Op.Returns == "json"
	if asJSON && !json.Valid(whole) {
		t.Errorf("%s: the answer is not JSON: %.200s", name, whole)
	}
	if n := e.wire.take(); len(n) == 0 {
		t.Errorf("%s: nothing was asked", name)
	}
	if asJSON {
		n := 0
		for item, err := range api.Items(t.Context(), c) {
			if err != nil {
				t.Errorf("%s: its records: %v", name, err)
				break
			}
			if !json.Valid(item) {
				t.Errorf("%s: a record is not JSON: %.200s", name, item)
			}
			if n++; n >= 50 {
				break
			}
		}
	}
	for _, spec := range cutFaults {
		if len(whole) < 2 && spec != "403" || !asJSON && strings.HasSuffix(spec, "clean") {
			continue // nothing there could be cut, or told to be
		}
		e.wire.injectFault(t, h.Backend, spec)
		got, err := read()
		e.wire.injectFault(t, h.Backend, "")
		switch {
		case err == nil && asJSON && json.Valid(got):
			t.Errorf("%s under %s: an answer of %d bytes and no error (%d when whole)", name, spec, len(got), len(whole))
		case err == nil && !asJSON:
			t.Errorf("%s under %s: %d bytes and no error", name, spec, len(got))
		case err != nil:
			var own *backends.Error
			if errors.As(err, &own) {
				e.goodError(t, name+" under "+spec, err)
			} else {
				e.noSecret(t, name+" under "+spec, err.Error())
			}
		}
	}
}

// callFaults are the faults of a changing call, and what may be reported.
var callFaults = []changeFault{
	{"reset-after", []backends.ErrorKind{backends.KindAmbiguous}, true},
	{"500", []backends.ErrorKind{backends.KindAmbiguous}, false},
	{"429:retry-after=0", []backends.ErrorKind{backends.KindRateLimited}, false},
	{"403", []backends.ErrorKind{backends.KindForbidden, backends.KindAuth}, false},
}

// mutating previews a call and sends it under each fault: once.
func (h Harness) mutating(t *testing.T, e *env, c backends.Call) {
	t.Helper()
	d := e.driver.(backends.Changer)
	name := c.Op.Name
	ch := backends.Change{Verb: backends.VerbCall, Call: &c}
	e.wire.take()
	pv, err := d.Preview(t.Context(), ch)
	switch {
	case err != nil:
		t.Errorf("%s: preview: %v", name, err)
		return
	case pv.Nothing != "":
		t.Logf("%s: there is nothing to do: %s", name, pv.Nothing)
		return
	case len(pv.Requests) == 0 || pv.Summary == "":
		t.Errorf("%s: the preview says nothing: %+v", name, pv)
		return
	case c.Danger() != "" && len(pv.Warnings) == 0:
		t.Errorf("%s is dangerous, and its preview does not warn", name)
	}
	e.noSecret(t, name+": the preview", strings.Join(append(pv.Requests, pv.Summary), "\n"))
	if sent := changing(e.wire.take(), pv); sent > 0 {
		t.Errorf("%s: the preview sent what it shows: %v", name, pv.Requests)
	}
	for _, f := range callFaults {
		if h.Skip["calls/"+name+"/"+f.spec] != "" {
			continue
		}
		e.wire.take()
		e.wire.injectFault(t, h.Backend, f.spec+scopeOf(pv.Requests[len(pv.Requests)-1]))
		ctx, stop := context.WithTimeout(t.Context(), 20*time.Second)
		act, err := d.Apply(ctx, ch, nil)
		stop()
		e.wire.injectFault(t, h.Backend, "")
		sent := changing(e.wire.take(), pv)
		if err != nil {
			e.goodError(t, name+" under "+f.spec, err)
		}
		if sent > len(pv.Requests) {
			t.Errorf("%s under %s: sent %d times (%v)", name, f.spec, sent, pv.Requests)
		}
		if sent == 0 {
			continue // the server was read first, and refused there
		}
		switch {
		case err == nil:
			t.Errorf("%s under %s: no error, and the action is %+v", name, f.spec, act)
		case backends.KindOf(err) == backends.KindAmbiguous && act == nil:
			t.Errorf("%s under %s: ambiguous, and no action", name, f.spec)
		}
		e.kindIn(t, name+" under "+f.spec, err, f.kinds...)
	}
}

// changing counts the requests of a preview among those recorded, by method
// and path.
func changing(log []request, pv backends.Preview) int {
	n := 0
	for _, line := range pv.Requests {
		method, rest, _ := strings.Cut(line, " ")
		path, _, _ := strings.Cut(rest, " ")
		path, _, _ = strings.Cut(path, "?")
		for _, r := range log {
			uri, _, _ := strings.Cut(r.uri, "?")
			if r.method == method && uri == path {
				n++
			}
		}
	}
	return n
}

// badCalls: what is wrong is refused before anything is sent.
func (h Harness) badCalls(t *testing.T, e *env, api backends.Caller, catalog []backends.Operation) {
	t.Helper()
	for _, op := range catalog {
		for _, c := range []backends.Call{
			{Op: op, Args: map[string]any{"no such parameter": "x"}},
			{Op: op, Args: withoutRequired(op)},
		} {
			if c.Args == nil {
				continue
			}
			e.wire.take()
			var err error
			if op.Mutates {
				_, err = e.driver.(backends.Changer).Apply(t.Context(), backends.Change{Verb: backends.VerbCall, Call: &c}, nil)
			} else {
				var a *backends.Answer
				if a, err = api.Call(t.Context(), c); err == nil {
					_ = a.Body.Close() // it should not be there at all
				}
			}
			if err == nil {
				t.Errorf("%s with %v: no error", op.Name, c.Args)
				continue
			}
			e.kindIn(t, fmt.Sprintf("%s with %v", op.Name, c.Args), err, backends.KindInvalid, backends.KindUnsupported)
			for _, r := range e.wire.take() {
				if _, _, same := backends.MatchOperation([]backends.Operation{op}, r.method, strings.SplitN(r.uri, "?", 2)[0]); same && op.Mutates {
					t.Errorf("%s with %v: it was sent: %s %s", op.Name, c.Args, r.method, r.uri)
				}
			}
		}
	}
	read, changes := backends.Adhoc("GET", "/"), backends.Adhoc("POST", "/")
	if a, err := api.Call(t.Context(), backends.Call{Op: changes}); err == nil {
		_ = a.Body.Close()
		t.Errorf("Call sent %+v", changes)
	}
	_ = read
}

// withoutRequired is an argument list that lacks what an operation needs, nil
// when it needs nothing.
func withoutRequired(op backends.Operation) map[string]any {
	for _, p := range op.Params {
		if p.Required && p.Default == "" {
			return map[string]any{}
		}
	}
	return nil
}
