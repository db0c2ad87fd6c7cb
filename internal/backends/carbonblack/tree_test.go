package carbonblack_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/backends/carbonblack/fake"
	"github.com/edrctl/edrctl/internal/model"
)

// dynasty is a device on which a service starts a shell, the shell two
// children with the same pid one after the other, and another device of the
// same name does likewise.
func dynasty() *fake.Data {
	d := fleet(0, time.Minute)
	d.Devices[1].Name = d.Devices[0].Name
	ids := 0
	proc := func(pid int64, name string, started time.Time) fake.Proc {
		return fake.Proc{PID: pid, PrivatePID: fmt.Sprintf("%d-%d-1", pid, started.UnixMilli()), Name: name, CommandLine: name + " -x"}
	}
	app := func(n int, name string) fake.App {
		return fake.App{Name: name, Path: `C:\bin\` + name, SHA256: shaOf(n), Reputation: "NOT_LISTED"}
	}
	var events fake.Slice
	for _, dev := range []*fake.Device{&d.Devices[0], &d.Devices[1]} {
		at := func(m int) time.Time { return now.Add(time.Duration(m-300) * time.Minute) }
		boot, svc, sh := proc(4, "boot.exe", at(-5000)), proc(500, "svc.exe", at(-4000)), proc(900, "sh.exe", at(0))
		one, two := proc(1234, "one.exe", at(10)), proc(1234, "two.exe", at(200))
		add := func(m int, e fake.Event) {
			ids++
			e.ID, e.Time, e.Created, e.Device, e.User = fmt.Sprintf("%032x", ids), at(m).UnixMilli(), at(m).UnixMilli(), dev, `CORP\u`
			events = append(events, e)
		}
		add(-4000, fake.Event{Type: "CREATE_PROCESS", Process: boot, Target: svc, App: app(1, "boot.exe"), TargetApp: app(2, "svc.exe")})
		add(0, fake.Event{Type: "CREATE_PROCESS", Process: svc, Parent: boot, Target: sh, App: app(2, "svc.exe"), TargetApp: app(3, "sh.exe")})
		add(10, fake.Event{Type: "CREATE_PROCESS", Process: sh, Parent: svc, Target: one, App: app(3, "sh.exe"), TargetApp: app(4, "one.exe")})
		add(11, fake.Event{Type: "NETWORK", Process: one, Parent: sh, App: app(4, "one.exe"), PeerIP: "203.0.113.9", SourceIP: "10.0.0.1", DestIP: "203.0.113.9"})
		add(200, fake.Event{Type: "CREATE_PROCESS", Process: sh, Parent: svc, Target: two, App: app(3, "sh.exe"), TargetApp: app(5, "two.exe")})
	}
	// Oldest first, as the server keeps them.
	for i := 1; i < len(events); i++ {
		for j := i; j > 0 && events[j].Time < events[j-1].Time; j-- {
			events[j], events[j-1] = events[j-1], events[j]
		}
	}
	d.Events = events
	return d
}

func names(list []*model.Process) string {
	var out []string
	for _, p := range list {
		out = append(out, p.Name)
	}
	return strings.Join(out, " ")
}

func TestTree(t *testing.T) {
	d := open(t, fake.New(dynasty(), fakeOptions()), config{})
	ctx := t.Context()
	uid := func(pid int64, m int) string {
		return fmt.Sprintf("100:%d-%d-1", pid, now.Add(time.Duration(m-300)*time.Minute).UnixMilli())
	}
	host := &model.Host{Origin: model.Origin{ID: "100"}, Name: "WS-1"}
	up, err := d.Ancestors(ctx, backends.ProcessRef{UID: uid(1234, 200), Host: host})
	if err != nil || names(up) != "boot.exe svc.exe sh.exe" {
		t.Fatalf("%s %v", names(up), err)
	}
	for _, p := range up[1:] {
		if !strings.HasPrefix(p.UID, "100:") || p.Parent == nil || p.Hash == nil {
			t.Errorf("%+v", p)
		}
	}
	page, err := d.Children(ctx, backends.ProcessRef{UID: uid(900, 0), Host: host}, "")
	if err != nil || names(page.Processes) != "one.exe two.exe" || page.Next != "" {
		t.Fatalf("%s %v", names(page.Processes), err)
	}
	for _, p := range page.Processes {
		if p.PID != 1234 || p.Parent.UID != uid(900, 0) || p.Host == nil || p.Started.IsZero() {
			t.Errorf("%+v", p)
		}
	}
	// Pids are used again: each of the two is itself, and has no children.
	for m, name := range map[int]string{10: "one.exe", 200: "two.exe"} {
		p, err := d.Process(ctx, uid(1234, m), now)
		if err != nil || p.Name != name || p.UID != uid(1234, m) || p.Parent == nil || p.Parent.Name != "sh.exe" {
			t.Errorf("%+v %v", p, err)
		}
		page, err := d.Children(ctx, backends.ProcessRef{UID: uid(1234, m), Host: host}, "")
		if err != nil || len(page.Processes) != 0 {
			t.Errorf("%s has children %s %v", name, names(page.Processes), err)
		}
	}
	for _, id := range []string{"", "x", "100:", "100:77-1790000000000-1", "999:1-1-1", "1234"} {
		if _, err := d.Process(ctx, id, now); backends.KindOf(err) != backends.KindNotFound {
			t.Errorf("%q: %v", id, err)
		}
	}
}

// A tree asks the server for the starts of a device once, not once a process.
func TestTreeIsReadOnce(t *testing.T) {
	s := fake.New(dynasty(), fakeOptions())
	d := open(t, s, config{})
	host := &model.Host{Origin: model.Origin{ID: "100"}, Name: "WS-1"}
	for i := range 50 {
		ref := backends.ProcessRef{UID: fmt.Sprintf("100:%d-%d-1", 100+i, now.Add(-time.Hour).UnixMilli()), Host: host}
		if _, err := d.Children(t.Context(), ref, ""); err != nil {
			t.Fatal(err)
		}
	}
	if n := s.Calls()["GET /event"]; n > 3 {
		t.Errorf("%d requests", n)
	}
}

// A parent that names itself, or a circle of parents, ends.
func TestCircularAncestors(t *testing.T) {
	data := fleet(0, time.Minute)
	at := now.Add(-time.Hour)
	a := fake.Proc{PID: 1, PrivatePID: fmt.Sprintf("1-%d-1", at.UnixMilli()), Name: "a"}
	b := fake.Proc{PID: 2, PrivatePID: fmt.Sprintf("2-%d-1", at.UnixMilli()), Name: "b"}
	for i, pair := range [][2]fake.Proc{{a, b}, {b, a}, {a, a}} {
		data.Events = append(sliceOf(data.Events), fake.Event{ID: fmt.Sprintf("%032x", i+1), Time: at.UnixMilli(), Type: "NETWORK", Device: &data.Devices[0], Process: pair[0], Parent: pair[1]})
	}
	d := open(t, fake.New(data, fakeOptions()), config{})
	up, err := d.Ancestors(t.Context(), backends.ProcessRef{UID: "100:" + a.PrivatePID, Host: &model.Host{Name: "WS-1"}})
	if err != nil || len(up) > 2 {
		t.Errorf("%s %v", names(up), err)
	}
}

func sliceOf(e fake.Events) fake.Slice {
	s, _ := e.(fake.Slice)
	return s
}

func TestHuntOfTheActor(t *testing.T) {
	s := fake.New(fleet(60, time.Minute), fakeOptions())
	d := open(t, s, config{settings: map[string]string{"hunt": "actor"}})
	modes := d.HuntModes()
	if modes["sha256"].Where != backends.HuntServer || modes["process_name"].Where != backends.HuntServer || modes["ipv4"].Where != backends.HuntLocal || modes["sha1"].Where != backends.HuntNone {
		t.Fatalf("%+v", modes)
	}
	for kind, value := range map[string]string{"sha256": strings.ToUpper(shaOf(2)), "process_name": "PROC2.exe"} {
		l, err := d.Hunt(t.Context(), backends.HuntQuery{Type: kind, Values: []string{value}, Since: now.Add(-2 * time.Hour), Until: now})
		if err != nil || len(l.Plan.Requests) != 1 || !strings.Contains(l.Plan.Requests[0], strings.ToLower(value)) || len(l.Plan.Notes) == 0 {
			t.Fatalf("%+v %v", l.Plan, err)
		}
		hits, err := collect(l.Seq)
		if err != nil || len(hits) != 12 {
			t.Fatalf("%s: %d hits, %v", kind, len(hits), err)
		}
		for _, h := range hits {
			if h.Process.Hash.SHA256 != shaOf(2) || h.Host == nil || len(h.Evidence) != 1 || h.Verdict != "malicious" || h.Indicator.Value != value {
				t.Errorf("%+v", h)
			}
		}
	}
	// What was only dropped is what this way does not find, and why the other is the default.
	l, err := d.Hunt(t.Context(), backends.HuntQuery{Type: "sha256", Values: []string{shaOf(77)}, Since: now.Add(-2 * time.Hour), Until: now})
	if err != nil {
		t.Fatal(err)
	}
	if hits, err := collect(l.Seq); err != nil || len(hits) != 0 {
		t.Errorf("%v %v", hits, err)
	}
	if _, err := d.Hunt(t.Context(), backends.HuntQuery{Type: "ipv4", Values: []string{"203.0.113.9"}}); backends.KindOf(err) != backends.KindUnsupported {
		t.Errorf("%v", err)
	}
	if _, err := d.Hunt(t.Context(), backends.HuntQuery{Type: "sha256", Values: []string{"abc"}}); backends.KindOf(err) != backends.KindInvalid {
		t.Errorf("%v", err)
	}
	plain := open(t, s, config{}).HuntModes()
	if plain["sha256"].Where != backends.HuntLocal || plain["process_name"].Where != backends.HuntLocal {
		t.Errorf("%+v", plain)
	}
	for kind, m := range plain {
		if m.Why == "" {
			t.Errorf("%s: nobody says why", kind)
		}
	}
}

// A memory dump in progress is reported, and can be cancelled.
func TestCancelCommand(t *testing.T) {
	cancelled := make(chan struct{})
	d := open(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		status := "in progress"
		select {
		case <-cancelled:
			status = "cancelled"
		default:
		}
		switch {
		case r.Method == "PUT" && strings.HasSuffix(r.URL.Path, "/command/3"):
			close(cancelled)
			status = "cancelled"
		case !strings.Contains(r.URL.Path, "/command"):
			_, _ = w.Write([]byte(`{"id":"1:100","sensor_id":100,"status":"active","supported_commands":["memdump","get file","delete file"]}`))
			return
		}
		_, _ = fmt.Fprintf(w, `{"id":3,"session_id":"1:100","sensor_id":100,"name":"memdump","status":%q,"percentdone":40}`, status)
	}), config{})
	c := backends.Change{Verb: backends.VerbMemdump, Host: &model.Host{Origin: model.Origin{ID: "100"}}}
	var natives []string
	act, err := d.Apply(t.Context(), c, func(a *model.Action) {
		natives = append(natives, a.NativeState)
		if a.ID != "" && a.State == model.ActionRunning {
			one := backends.Change{Verb: backends.VerbCancel, ActionID: a.ID}
			pv, err := d.Preview(t.Context(), one)
			if err != nil || len(pv.Requests) != 1 || pv.Requests[0] != `PUT /integrationServices/v3/cblr/session/1:100/command/3 {"cmdid":3}` {
				t.Errorf("%+v %v", pv, err)
			}
			if act, err := d.Apply(t.Context(), one, nil); err != nil || act.State != model.ActionSent { // a look tells
				t.Errorf("%+v %v", act, err)
			}
			if found, err := d.FindAction(t.Context(), one, now); err != nil || found == nil || found.State != model.ActionDone {
				t.Errorf("%+v %v", found, err)
			}
		}
	})
	if err == nil || act.State != model.ActionCancelled || !strings.Contains(strings.Join(natives, "|"), "40% dumped") {
		t.Errorf("%+v %v %q", act, err, natives)
	}
	for _, id := range []string{"", "lr.", "lr.1:100", "lr.../../x.3", "lr.a/b.3", "policy.1.2", "lr.1:100.-1"} {
		if _, err := d.Preview(t.Context(), backends.Change{Verb: backends.VerbCancel, ActionID: id}); backends.KindOf(err) != backends.KindInvalid {
			t.Errorf("%q: %v", id, err)
		}
	}
}

func TestUnsupportedCommand(t *testing.T) {
	d := open(t, answer([]byte(`{"id":"1:100","sensor_id":100,"status":"ACTIVE","supported_commands":["get file"]}`)), config{})
	act, err := d.Apply(t.Context(), backends.Change{Verb: backends.VerbDeleteFile, Host: &model.Host{Origin: model.Origin{ID: "100"}}, Path: "/x"}, nil)
	if backends.KindOf(err) != backends.KindUnsupported || act.State != model.ActionFailed {
		t.Errorf("%+v %v", act, err)
	}
}

// Whatever a server calls things, no request leaves the paths of the API, and
// nothing panics.
func FuzzLiveAnswers(f *testing.F) {
	f.Add(`{"id":"1:100","status":"ACTIVE"}`, `{"id":1,"status":"complete","file_id":7,"processes":[{"pid":601,"path":"x"}]}`, "1:100.1.7")
	f.Add(`{"id":"../../x","status":"ACTIVE"}`, `{"id":-1}`, "../../x.1.1")
	f.Add(`{"id":5,"status":1}`, `{"id":"0","status":"error","result_code":"x"}`, "...")
	f.Fuzz(func(t *testing.T, session, command, id string) {
		d := open(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if !strings.HasPrefix(r.URL.Path, "/integrationServices/v3/") || slices.Contains(strings.Split(r.URL.Path, "/"), "..") {
				t.Errorf("asked for %s", r.URL.Path)
			}
			w.Header().Set("Content-Type", "application/json")
			if strings.Contains(r.URL.Path, "/command") {
				_, _ = w.Write([]byte(command))
				return
			}
			_, _ = w.Write([]byte(session))
		}), config{})
		host := &model.Host{Origin: model.Origin{ID: "100"}}
		for _, c := range []backends.Change{
			{Verb: backends.VerbKill, Host: host, PID: 601, Timeout: 20 * time.Millisecond},
			{Verb: backends.VerbCarve, Host: host, Path: id, Timeout: 20 * time.Millisecond},
		} {
			ctx, cancel := contextFor(t, 300*time.Millisecond)
			act, err := d.Apply(ctx, c, nil)
			if err != nil {
				_, _ = d.FindAction(ctx, c, now)
			} else if act == nil {
				t.Error("no action and no error")
			}
			cancel()
		}
		ctx, cancel := contextFor(t, 300*time.Millisecond)
		defer cancel()
		_, _ = d.Carve(ctx, id)
		_, _ = d.Action(ctx, "lr."+id)
		_, _ = d.Action(ctx, "policy."+id)
		_ = d.Close()
	})
}
