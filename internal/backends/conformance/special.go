package conformance

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/client"
	"github.com/edrctl/edrctl/internal/model"
)

// constructor: building a driver, and asking it for plans, reaches nothing;
// neither does closing it, twice.
func (h Harness) constructor(t *testing.T) {
	asked := 0
	e := h.open(t, 1, func(o *backends.Options) {
		secret := o.Secret
		o.Secret = func(ctx context.Context, name string) (string, error) {
			asked++
			return secret(ctx, name)
		}
	})
	if e.driver.Backend() != h.Backend {
		t.Errorf("Backend() is %q", e.driver.Backend())
	}
	for _, r := range h.readings(t) {
		l, err := r.open(t.Context(), e.driver, e.window())
		if err != nil && backends.KindOf(err) != backends.KindInvalid && backends.KindOf(err) != backends.KindUnsupported {
			t.Errorf("planning %s: %v", r.name, err)
		}
		if err == nil && l.Seq == nil {
			t.Errorf("%s: neither an error nor a sequence", r.name)
		}
	}
	if n := e.wire.count(); n > 0 {
		t.Errorf("%d requests before anything was read: %v", n, e.wire.take())
	}
	if asked > 0 {
		t.Errorf("secrets were looked up %d times before anything was read", asked)
	}
	if err := e.driver.Close(); err != nil {
		t.Errorf("closing: %v", err)
	}
}

// credentials: right ones are found right, wrong ones and missing ones end in
// the right kind of error, and none of them is ever shown.
func (h Harness) credentials(t *testing.T) {
	e := h.open(t, 1, nil)
	health, err := e.driver.Check(t.Context())
	if err != nil {
		t.Fatalf("Check with the right credentials: %v", err)
	}
	if health.Product == "" || len(health.Credentials) == 0 {
		t.Errorf("Check found %+v", health)
	}
	for _, c := range health.Credentials {
		if c.Present && !c.OK && !strings.HasPrefix(c.Note, "not tried") {
			t.Errorf("the right %s is found wrong: %s", c.Name, c.Note)
		}
	}
	if health.HasClock && health.ClockOffset.Abs() > time.Minute {
		t.Errorf("clock offset %v", health.ClockOffset)
	}

	wrong := h.open(t, 1, func(o *backends.Options) {
		o.Secret = func(_ context.Context, name string) (string, error) {
			if strings.HasSuffix(name, "_key") && h.Backend == "carbonblack" {
				return "WRONGSECRET1234567890/WRONGID123", nil
			}
			return "wrong-secret-0123456789-wrong", nil
		}
		o.SaveSecret = nil
	})
	wrong.secrets = map[string]string{"wrong one": "wrong-secret-0123456789-wrong", "wrong pair": "WRONGSECRET1234567890"}
	_, err = wrong.driver.Check(t.Context())
	wrong.kindIn(t, "Check with wrong credentials", err, backends.KindAuth, backends.KindForbidden)
	missing := h.open(t, 1, func(o *backends.Options) {
		o.Secret = func(_ context.Context, name string) (string, error) {
			return "", &backends.Error{Kind: backends.KindAuth, Why: "no " + name + " is set", Hint: "set it"}
		}
	})
	for _, r := range h.readings(t) {
		q := wrong.window()
		_, _, err := wrong.list(t.Context(), r, q)
		if k := backends.KindOf(err); k == backends.KindInvalid || k == backends.KindUnsupported {
			continue // refused before the credentials mattered
		}
		wrong.kindIn(t, r.name+" with wrong credentials", err, backends.KindAuth, backends.KindForbidden)
		_, _, err = missing.list(t.Context(), r, q)
		missing.kindIn(t, r.name+" without credentials", err, backends.KindAuth)
		var own *backends.Error
		if errors.As(err, &own) && own.Hint == "" {
			t.Errorf("%s without credentials: the hint what to set is lost", r.name)
		}
	}

	// A server that is not there at all.
	gone := h.open(t, 1, func(o *backends.Options) { o.Client = client.Config{BaseURL: "http://127.0.0.1:1", Proxy: "none"} })
	ctx, stop := context.WithTimeout(t.Context(), 30*time.Second)
	defer stop()
	_, err = gone.driver.Check(ctx)
	gone.kindIn(t, "Check of a server that is not there", err, backends.KindUnavailable)
}

// plans: what --explain prints is what is sent.
func (h Harness) plans(t *testing.T) {
	for _, r := range h.readings(t) {
		t.Run(r.name, func(t *testing.T) {
			if h.skip(t, r.name+"/plan") {
				return
			}
			e := h.open(t, 1, nil)
			q := e.base(t, r)
			e.wire.take()
			_, plan, err := e.list(t.Context(), r, q)
			if err != nil {
				t.Fatal(err)
			}
			sent := e.wire.take()
			if len(plan.Requests) == 0 {
				t.Fatal("the plan names no request")
			}
			e.noSecret(t, "the plan", strings.Join(append(plan.Requests, plan.Notes...), "\n"))
			for _, line := range plan.Requests {
				if strings.ContainsAny(line, "\n\r\x1b") {
					t.Errorf("a plan line is not one clean line: %q", line)
				}
			}
			for _, s := range sent {
				if planned(plan.Requests[0], s) {
					return
				}
			}
			var lines []string
			for _, s := range sent {
				lines = append(lines, s.method+" "+s.uri+" "+string(s.body[:min(len(s.body), 200)]))
			}
			t.Errorf("the plan begins with\n  %s\nbut sent was\n  %s", plan.Requests[0], strings.Join(lines[:min(len(lines), 6)], "\n  "))
		})
	}
}

// special holds the capabilities that do not list records to their rules.
func (h Harness) special(t *testing.T) {
	e := h.open(t, 1, nil)
	if d, ok := e.driver.(backends.EventCounter); ok && !h.skip(t, "count") {
		t.Run("count", func(t *testing.T) { e.counts(t, d) })
	}
	if d, ok := e.driver.(backends.AlertEventLister); ok && !h.skip(t, "alert events") {
		t.Run("alert events", func(t *testing.T) { e.alertEvents(t, d) })
	}
	if d, ok := e.driver.(backends.HashInspector); ok && !h.skip(t, "hash") {
		t.Run("hash", func(t *testing.T) { e.hashes(t, d) })
	}
	if d, ok := e.driver.(backends.AlertWatcher); ok && !h.skip(t, "watch alerts") {
		t.Run("watch alerts", func(t *testing.T) {
			watch(t, e, func(ctx context.Context) (backends.Listing[*model.Alert], error) {
				return d.WatchAlerts(ctx, e.window())
			})
		})
	}
	if d, ok := e.driver.(backends.EventWatcher); ok && !h.skip(t, "watch events") {
		t.Run("watch events", func(t *testing.T) {
			watch(t, e, func(ctx context.Context) (backends.Listing[*model.Event], error) {
				return d.WatchEvents(ctx, e.window())
			})
		})
	}
	if d, ok := e.driver.(backends.SessionKeeper); ok && !h.skip(t, "session") {
		t.Run("session", func(t *testing.T) { e.session(t, d) })
	}
}

// counts: a count on the server is the count of the records.
func (e *env) counts(t *testing.T, d backends.EventCounter) {
	s, ok := e.driver.(backends.EventSearcher)
	if !ok {
		t.Fatal("events can be counted but not searched")
	}
	q := e.window()
	key := map[string]func(*model.Event) string{
		"kind": func(e *model.Event) string { return string(e.Kind) },
		"host": func(e *model.Event) string { return e.Host.Name },
		"user": func(e *model.Event) string {
			switch {
			case e.User != nil:
				return e.User.Name
			case e.Process != nil && e.Process.User != nil:
				return e.Process.User.Name
			}
			return ""
		},
		"path": func(e *model.Event) string {
			if e.Process == nil {
				return ""
			}
			return e.Process.Path
		},
	}
	for by, f := range key {
		got, err := d.CountEvents(t.Context(), q, by)
		if errors.Is(err, backends.ErrCountLocally) {
			t.Logf("%s is counted locally", by)
			continue
		}
		if err != nil {
			t.Errorf("counting by %s: %v", by, err)
			continue
		}
		want := map[string]int{}
		for ev := range records(t, s.Events, q) {
			want[f(ev)]++
		}
		sum := map[string]int{}
		for _, c := range got {
			sum[c.Value] += c.Count
		}
		for v, n := range want {
			if sum[v] != n {
				t.Errorf("by %s: %q is %d times there, counted %d", by, v, n, sum[v])
			}
		}
		if len(sum) > len(want) {
			t.Errorf("by %s: %d values counted, %d are there", by, len(sum), len(want))
		}
	}
	if _, err := d.CountEvents(t.Context(), q, "no such field"); !errors.Is(err, backends.ErrCountLocally) && backends.KindOf(err) != backends.KindInvalid {
		t.Errorf("counting by something unknown: %v", err)
	}
}

// alertEvents: the events behind an alert, each once, on its host.
func (e *env) alertEvents(t *testing.T, d backends.AlertEventLister) {
	l, ok := e.driver.(backends.AlertLister)
	if !ok {
		t.Fatal("events of alerts without alerts")
	}
	found, n := 0, 0
	for a := range records(t, l.Alerts, e.window()) {
		if n++; n%7 != 1 {
			continue
		}
		seen := map[string]bool{}
		for ev := range records(t, func(ctx context.Context, q backends.Query) (backends.Listing[*model.Event], error) {
			return d.AlertEvents(ctx, a.ID, q)
		}, e.window()) {
			found++
			if ev.ID == "" || seen[ev.ID] {
				t.Errorf("alert %s: event id %q is empty or comes twice", a.ID, ev.ID)
			}
			seen[ev.ID] = true
			if ev.Host != nil && a.Host != nil && !strings.EqualFold(ev.Host.Name, a.Host.Name) {
				t.Errorf("alert %s on %s: event %s is of %s", a.ID, a.Host.Name, ev.ID, ev.Host.Name)
			}
		}
	}
	if found == 0 {
		t.Error("no alert has an event")
	}
	ll, err := d.AlertEvents(t.Context(), "no-such-alert-999999999", e.window())
	if err == nil {
		for _, err = range ll.Seq {
			break
		}
	}
	if err != nil {
		e.kindIn(t, "events of an alert nobody has", err, backends.KindNotFound, backends.KindInvalid)
	}
}

// hashes: a hash of the intrusion is known, one of nothing is not.
func (e *env) hashes(t *testing.T, d backends.HashInspector) {
	s, ok := e.driver.(backends.EventSearcher)
	if !ok {
		t.Skip("no events to take hashes from")
	}
	tried := 0
	for ev := range records(t, s.Events, e.window()) {
		p := ev.Process
		if p == nil || p.Hash == nil {
			continue
		}
		h := p.Hash.SHA256
		if h == "" || e.driver.Backend() == "cwatch" {
			h = p.Hash.SHA1
		}
		if h == "" {
			continue
		}
		info, err := d.InspectHash(t.Context(), h)
		if err != nil {
			t.Fatalf("hash %s: %v", h, err)
		}
		if !strings.EqualFold(info.Hash, h) || len(info.Names)+len(info.Hosts) == 0 {
			t.Errorf("hash %s of an event: %+v", h, info)
		}
		if tried++; tried == 3 {
			break
		}
	}
	if tried == 0 {
		t.Error("no event has a hash")
	}
	for _, h := range []string{strings.Repeat("0", 40), strings.Repeat("0", 64), strings.Repeat("0", 32), "zz", ""} {
		info, err := d.InspectHash(t.Context(), h)
		if err != nil {
			e.kindIn(t, "hash "+h, err, backends.KindNotFound, backends.KindInvalid, backends.KindUnsupported)
		} else if info.Verdict == "malicious" || len(info.Hosts) > 0 {
			t.Errorf("hash %s, which nothing has: %+v", h, info)
		}
	}
}

// watch: what arrives is pushed, each once; a caller who gives up is free at once.
func watch[T model.Record](t *testing.T, e *env, open func(context.Context) (backends.Listing[T], error)) {
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	l, err := open(ctx)
	if err != nil {
		t.Fatal(err)
	}
	arrived := make(chan T)
	done := make(chan error, 1)
	go func() {
		for r, err := range l.Seq {
			if err != nil {
				done <- err
				return
			}
			arrived <- r
		}
		done <- nil
	}()
	time.Sleep(150 * time.Millisecond) // let the stream open
	begin := e.now.Add(time.Duration(e.wire.ahead.Load()))
	seen := map[string]bool{}
	deadline := time.After(10 * time.Second)
	for len(seen) < 3 {
		e.wire.ahead.Add(int64(4 * time.Minute))
		select {
		case r := <-arrived:
			id := r.GetOrigin().ID
			if id == "" || seen[id] {
				t.Fatalf("%q was pushed twice or has no id", id)
			}
			seen[id] = true
			if model.TimeOf(r).Before(begin.Add(-time.Minute)) {
				t.Errorf("%s of %v was pushed; the watch began at %v", id, model.TimeOf(r), begin)
			}
		case err := <-done:
			t.Fatalf("the stream ended: %v", err)
		case <-time.After(300 * time.Millisecond):
		case <-deadline:
			t.Fatalf("only %d records were pushed", len(seen))
		}
	}
	stop()
	cancelled := time.Now()
	for {
		select {
		case <-arrived:
			continue
		case err := <-done:
			if took := time.Since(cancelled); took > 100*time.Millisecond {
				t.Errorf("%v from the cancellation to the end", took)
			}
			if err != nil && !errors.Is(err, context.Canceled) {
				t.Errorf("the cancelled stream ended with %v", err)
			}
			return
		case <-time.After(5 * time.Second):
			t.Fatal("the stream does not end")
		}
	}
}

// session: log in, use it, log out, use it again (which logs in again).
func (e *env) session(t *testing.T, d backends.SessionKeeper) {
	l, ok := e.driver.(backends.HostLister)
	if !ok {
		t.Skip("nothing to use a session for")
	}
	use := func(when string) {
		t.Helper()
		n := 0
		for range records(t, l.Hosts, e.window()) {
			n++
		}
		if n == 0 {
			t.Errorf("%s: no hosts", when)
		}
	}
	if err := d.Login(t.Context()); err != nil {
		t.Fatalf("logging in: %v", err)
	}
	use("logged in")
	if err := d.Logout(t.Context()); err != nil {
		t.Fatalf("logging out: %v", err)
	}
	e.wire.ahead.Add(int64(2 * time.Second)) // the same second would give the same, dead token
	use("logged out")
}
