package change_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/edrctl/edrctl/internal/audit"
	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/change"
	"github.com/edrctl/edrctl/internal/model"
	"github.com/edrctl/edrctl/internal/ops"
)

// acting is a driver in memory that changes things, with a fault a host.
type acting struct {
	mu       sync.Mutex
	hosts    []*model.Host
	fault    map[string]string // host id → what goes wrong
	sent     map[string]int    // verb host → requests that left
	effects  map[string]int    // verb host → times it was carried out
	actions  map[string]*model.Action
	polls    map[string]int
	previews int
	before   func(c backends.Change) // in Apply, before anything
}

func newActing(n int) *acting {
	a := &acting{fault: map[string]string{}, sent: map[string]int{}, effects: map[string]int{}, actions: map[string]*model.Action{}, polls: map[string]int{}}
	for i := range n {
		a.hosts = append(a.hosts, &model.Host{Origin: model.Origin{ID: fmt.Sprintf("h%d", i)}, Name: fmt.Sprintf("HOST-%d", i), Online: model.Ptr(true)})
	}
	return a
}

func (a *acting) Backend() string                                { return "acting" }
func (a *acting) Check(context.Context) (backends.Health, error) { return backends.Health{}, nil }
func (a *acting) Close() error                                   { return nil }

func (a *acting) Hosts(context.Context, backends.Query) (backends.Listing[*model.Host], error) {
	return backends.Listing[*model.Host]{Seq: func(yield func(*model.Host, error) bool) {
		for _, h := range a.hosts {
			c := *h
			if !yield(&c, nil) {
				return
			}
		}
	}}, nil
}

func (a *acting) Host(_ context.Context, id string, _ bool) (*model.Host, error) {
	for _, h := range a.hosts {
		if h.ID == id {
			c := *h
			return &c, nil
		}
	}
	return nil, backends.NotFound("host", id)
}

func (a *acting) Alert(_ context.Context, id string, _ bool) (*model.Alert, error) {
	return &model.Alert{
		Origin: model.Origin{ID: id}, Host: &model.Host{Name: "HOST-1"},
		Process: &model.Process{PID: 4711, Path: `C:\Users\Public\d.exe`},
	}, nil
}

func (a *acting) Verbs() []backends.VerbSpec {
	return []backends.VerbSpec{
		{Verb: backends.VerbKill, Needs: []string{"pid"}},
		{Verb: backends.VerbIsolate, Inverse: backends.VerbRelease},
		{Verb: backends.VerbRelease, Inverse: backends.VerbIsolate},
		{Verb: backends.VerbBlock, Needs: []string{"address|program"}, Inverse: backends.VerbUnblock},
		{Verb: backends.VerbUnblock},
		{Verb: backends.VerbAlertClose},
		{Verb: backends.VerbHostRemove, Sync: true, Inverse: backends.VerbHostEnable},
		{Verb: backends.VerbCancel},
	}
}

func key(c backends.Change) string {
	if c.Host == nil {
		return c.Verb + " " + c.AlertID + c.ActionID
	}
	return c.Verb + " " + c.Host.ID
}

func (a *acting) Preview(_ context.Context, c backends.Change) (backends.Preview, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.previews++
	pv := backends.Preview{Requests: []string{"POST /" + key(c) + " secret-token"}, Summary: "does it"}
	if c.Host == nil {
		return pv, nil
	}
	switch a.fault[c.Host.ID] {
	case "offline":
		pv.NotReady = "the host is offline"
	case "already":
		pv.Nothing = "it is so already"
	case "no preview":
		return pv, &backends.Error{Kind: backends.KindUnavailable, What: "cannot look"}
	}
	return pv, nil
}

func (a *acting) Apply(ctx context.Context, c backends.Change, update func(*model.Action)) (*model.Action, error) {
	if a.before != nil {
		a.before(c)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	k := key(c)
	fault := ""
	if c.Host != nil {
		fault = a.fault[c.Host.ID]
	}
	if fault == "refused connection" {
		return nil, &backends.Error{Kind: backends.KindUnavailable, What: "cannot reach it"}
	}
	a.sent[k]++
	lost := &backends.Error{Kind: backends.KindAmbiguous, What: "cannot do it", Why: "connection reset"}
	switch fault {
	case "429":
		return nil, &backends.Error{Kind: backends.KindRateLimited, What: "cannot do it", Why: "429"}
	case "403":
		return nil, &backends.Error{Kind: backends.KindForbidden, What: "cannot do it", Why: "403"}
	case "reset before", "500 before":
		return nil, lost
	case "200 without effect":
		return &model.Action{State: model.ActionSent, NativeState: "Success"}, nil
	}
	a.effects[k]++
	act := &model.Action{Origin: model.Origin{ID: "native-" + k}, Verb: c.Verb, State: model.ActionSent, Details: map[string]string{"former_policy": "Servers"}}
	a.actions[act.ID] = act
	switch fault {
	case "reset after", "no finder answer":
		return &model.Action{State: model.ActionAmbiguous}, lost
	case "state only":
		return &model.Action{State: model.ActionAmbiguous}, nil
	case "nothing given":
		return nil, nil
	case "changed meanwhile":
		return &model.Action{State: model.ActionDone, Details: map[string]string{backends.DetailNothing: "it is so already"}}, nil
	case "200":
		return &model.Action{State: model.ActionSent, NativeState: "Success"}, nil
	case "sync":
		act.State = model.ActionDone
		return act, nil
	case "fails":
		act.State, act.Error = model.ActionFailed, "access denied on the host"
		return act, nil
	}
	update(act)
	act.State = model.ActionRunning
	update(act)
	return act, ctx.Err()
}

func (a *acting) Action(_ context.Context, id string) (*model.Action, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.polls[id]++
	act := a.actions[id]
	if act == nil {
		return nil, backends.NotFound("action", id)
	}
	c := *act
	_, host, _ := strings.Cut(id, " ")
	switch {
	case a.fault[host] == "slow" && a.polls[id] < 1000:
		c.State = model.ActionRunning
	case a.polls[id] == 1:
		return nil, &backends.Error{Kind: backends.KindUnavailable, What: "busy"}
	case a.polls[id] < 4:
		c.State = model.ActionRunning
	default:
		c.State, c.Stdout, c.ExitCode = model.ActionDone, "done", model.Ptr(int64(0))
	}
	return &c, nil
}

func (a *acting) FindAction(_ context.Context, c backends.Change, _ time.Time) (*model.Action, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if c.Host != nil && a.fault[c.Host.ID] == "no finder answer" {
		return nil, &backends.Error{Kind: backends.KindUnavailable, What: "cannot look"}
	}
	act := a.actions["native-"+key(c)]
	if act == nil {
		return nil, nil
	}
	found := *act
	found.State = model.ActionSent
	if spec, _ := backends.VerbOf(a, c.Verb); spec.Sync {
		found.State = model.ActionDone
	}
	return &found, nil
}

func (a *acting) Actions(context.Context, backends.Query) (backends.Listing[*model.Action], error) {
	return backends.Listing[*model.Action]{Seq: func(yield func(*model.Action, error) bool) {
		a.mu.Lock()
		defer a.mu.Unlock()
		for _, id := range slices.Sorted(maps.Keys(a.actions)) {
			c := *a.actions[id]
			if !yield(&c, nil) {
				return
			}
		}
	}}, nil
}

func actsOn(t *testing.T, f *ops.Fleet) *change.Actor {
	t.Helper()
	dir := t.TempDir()
	host, _ := os.Hostname()
	return &change.Actor{
		Fleet: f, Ledger: &change.Ledger{Dir: dir}, Journal: audit.Open(dir, audit.Who{User: "ana", Host: host, PID: os.Getpid()}, time.Now),
		Redact: func(s string) string { return strings.ReplaceAll(s, "secret-token", "***") },
	}
}

func hostsOf(n int) []string {
	var out []string
	for i := range n {
		out = append(out, fmt.Sprintf("HOST-%d", i))
	}
	return out
}

// order resolves, plans, approves and executes.
func order(t *testing.T, a *change.Actor, c backends.Change, names []string, run change.Run) *change.Result {
	t.Helper()
	items, err := change.HostItems(t.Context(), a.Fleet, names, c)
	if err != nil {
		t.Fatal(err)
	}
	p := a.Plan(t.Context(), items)
	if err := p.Approve(100); err != nil {
		t.Fatal(err)
	}
	return a.Execute(t.Context(), p, run)
}

func verified(t *testing.T, a *change.Actor) {
	t.Helper()
	rep, err := audit.Verify(a.Ledger.Dir)
	if err != nil || !rep.OK {
		t.Errorf("the journal: %+v %v", rep, err)
	}
}

// Whatever goes wrong, a change is carried out at most once, and told as it is.
func TestExactlyOnce(t *testing.T) {
	for fault, want := range map[string]struct {
		set     string
		state   model.ActionState
		sent    int
		effects int
		note    string
	}{
		"":                   {"succeeded", model.ActionDone, 1, 1, ""},
		"sync":               {"succeeded", model.ActionDone, 1, 1, ""},
		"slow":               {"pending", model.ActionRunning, 1, 1, ""},
		"fails":              {"failed", model.ActionFailed, 1, 1, ""},
		"refused connection": {"failed", model.ActionFailed, 0, 0, ""},
		"429":                {"failed", model.ActionFailed, 1, 0, ""},
		"403":                {"failed", model.ActionFailed, 1, 0, ""},
		"reset before":       {"failed", model.ActionAmbiguous, 1, 0, "no trace"},
		"500 before":         {"failed", model.ActionAmbiguous, 1, 0, "no trace"},
		"reset after":        {"succeeded", model.ActionDone, 1, 1, ""},
		"no finder answer":   {"failed", model.ActionAmbiguous, 1, 1, "looking it up failed"},
		"state only":         {"succeeded", model.ActionDone, 1, 1, ""},
		"nothing given":      {"succeeded", model.ActionDone, 1, 1, ""},
		"offline":            {"skipped", model.ActionSkipped, 0, 0, ""},
		"already":            {"skipped", "", 0, 0, ""},
		"no preview":         {"failed", model.ActionFailed, 0, 0, ""},
	} {
		t.Run(fault, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := newActing(1)
				d.fault["h0"] = fault
				a := actsOn(t, fleet(d))
				var notes []string
				res := order(t, a, backends.Change{Verb: backends.VerbIsolate}, hostsOf(1), change.Run{Wait: time.Minute, Update: func(u change.Update) {
					if u.Note != "" {
						notes = append(notes, u.Note)
					}
				}})
				sets := map[string][]*model.Action{"succeeded": res.Succeeded, "failed": res.Failed, "pending": res.Pending, "skipped": res.Skipped}
				if len(sets[want.set]) != 1 || len(res.All()) != 1 {
					t.Fatalf("not in %s: %+v %v", want.set, res, res.Errs())
				}
				act := sets[want.set][0]
				if act.State != want.state {
					t.Errorf("state %s, want %s (%s)", act.State, want.state, act.Error)
				}
				if d.sent["isolate h0"] != want.sent || d.effects["isolate h0"] != want.effects {
					t.Errorf("sent %d, effects %d", d.sent["isolate h0"], d.effects["isolate h0"])
				}
				if want.note != "" && !strings.Contains(strings.Join(notes, "\n"), want.note) {
					t.Errorf("notes %q", notes)
				}
				if want.effects > 0 && want.state == model.ActionDone && act.Details["native_id"] != "native-isolate h0" {
					t.Errorf("details %v", act.Details)
				}
				verified(t, a)
				list, err := a.Ledger.Entries()
				if err != nil {
					t.Fatal(err)
				}
				if want.sent == 0 && fault != "refused connection" && fault != "offline" {
					if len(list) != 0 {
						t.Errorf("journaled: %+v", list[0])
					}
					return
				}
				if len(list) != 1 || list[0].State != act.State || list[0].Ref() != act.Ref {
					t.Errorf("journaled: %+v, shown %+v", list, act)
				}
				b, _ := os.ReadFile(audit.Path(a.Ledger.Dir))
				if strings.Contains(string(b), "secret-token") {
					t.Error("a secret is in the journal")
				}
			})
		})
	}
}

type deaf struct{ after int }

func (d *deaf) Append(audit.Record) error {
	if d.after--; d.after < 0 {
		return errors.New("disk full")
	}
	return nil
}

func TestWithoutJournalNothingIsSent(t *testing.T) {
	d := newActing(3)
	a := actsOn(t, fleet(d))
	a.Journal = &deaf{}
	res := order(t, a, backends.Change{Verb: backends.VerbIsolate}, hostsOf(3), change.Run{})
	if len(res.Failed) != 3 || len(d.sent) != 0 {
		t.Errorf("%+v sent %v", res, d.sent)
	}
	// It breaks between intent and outcome: the answer is still told, and nothing more is sent.
	a.Journal = &deaf{after: 1}
	d.fault["h0"] = "sync"
	res = order(t, a, backends.Change{Verb: backends.VerbIsolate}, hostsOf(1), change.Run{})
	if len(res.Succeeded) != 1 || d.sent["isolate h0"] != 1 {
		t.Errorf("%+v sent %v", res, d.sent)
	}
}

func TestPolicy(t *testing.T) {
	d := newActing(12)
	f := fleet(d)
	a := actsOn(t, f)
	items, err := change.HostItems(t.Context(), f, append(hostsOf(12), "host-3", "p0/h4", "h5"), backends.Change{Verb: backends.VerbIsolate})
	if err != nil || len(items) != 12 {
		t.Fatalf("%d %v", len(items), err)
	}
	p := a.Plan(t.Context(), items)
	if err := p.Approve(0); backends.KindOf(err) != backends.KindRefused || !strings.Contains(err.Error(), "12 hosts") {
		t.Errorf("%v", err)
	}
	if res := a.Execute(t.Context(), p, change.Run{}); len(res.Failed) != 12 || len(d.sent) != 0 {
		t.Errorf("an unapproved plan was sent: %v", d.sent)
	}
	if got := p.Typed(); got != "12 hosts" {
		t.Errorf("typed %q", got)
	}
	if err := p.Approve(12); err != nil {
		t.Error(err)
	}
	f.Sources[0].ReadOnly = true
	if err := a.Plan(t.Context(), items).Approve(12); backends.KindOf(err) != backends.KindRefused || !strings.Contains(err.Error(), "p0") {
		t.Errorf("%v", err)
	}
	if len(d.sent) != 0 {
		t.Errorf("sent %v", d.sent)
	}
}

func TestTargets(t *testing.T) {
	one, two := newActing(3), newActing(2)
	f := fleet(one, two, mute{})
	if _, err := change.HostItems(t.Context(), f, []string{"HOST-0"}, backends.Change{Verb: backends.VerbKill}); backends.KindOf(err) != backends.KindInvalid ||
		!strings.Contains(err.Error(), "p0/h0 and p1/h0") {
		t.Errorf("%v", err)
	}
	items, err := change.HostItems(t.Context(), f, []string{"p1/h0", "host-2", "nobody", "p0/HOST-0"}, backends.Change{Verb: backends.VerbKill, PID: 1})
	if err != nil || len(items) != 4 || items[0].Profile != "p1" || items[1].Change.Host.Ref != "p0/h2" ||
		backends.KindOf(items[2].Err) != backends.KindNotFound || items[3].Change.Host.ID != "h0" {
		t.Errorf("%+v %v", items, err)
	}
	from, err := change.ReadFromAlert(t.Context(), f, "p0/a1")
	if err != nil || from.Host.Ref != "p0/h1" || from.PID != 4711 || from.Path != `C:\Users\Public\d.exe` {
		t.Errorf("%+v %v", from, err)
	}
	p := actsOn(t, f).Plan(t.Context(), append(items, change.NewItem(f.Sources[2], "", backends.Change{Verb: backends.VerbKill})))
	if e := p.Steps[4].Err; backends.KindOf(e) != backends.KindUnsupported {
		t.Errorf("%v", e)
	}
	names, err := change.ReadNames(strings.NewReader("\ufeffHOST-1\n# no\n\n  p1/h0\tx\r\n"))
	if err != nil || !slices.Equal(names, []string{"HOST-1", "p1/h0"}) {
		t.Errorf("%q %v", names, err)
	}
	for path, want := range map[string]bool{`C:\Windows\System32\cmd.exe`: true, `c:/users/x/a.exe`: false, "/usr/bin/curl": true, "/home/x/curl": false, "/tmp/a": false} {
		if change.SystemPath(path) != want {
			t.Errorf("%s: %v", path, !want)
		}
	}
}

func TestUndoAndInForce(t *testing.T) {
	d := newActing(2)
	d.fault["h0"], d.fault["h1"] = "sync", "sync"
	a := actsOn(t, fleet(d))
	iso := order(t, a, backends.Change{Verb: backends.VerbIsolate}, hostsOf(2), change.Run{Case: "IR-1"})
	order(t, a, backends.Change{Verb: backends.VerbBlock, Address: "203.0.113.9", Port: 443}, hostsOf(1), change.Run{})
	force, err := a.Ledger.InForce(false)
	if err != nil || len(force) != 3 || force[0].By != "ana" || force[0].Case != "IR-1" || force[2].What != "203.0.113.9:443" {
		t.Fatalf("%+v %v", force, err)
	}
	// undo hands the driver what it remembered.
	var got *model.Action
	d.before = func(c backends.Change) { got = c.Undo }
	p := a.Plan(t.Context(), a.UndoItems(t.Context(), []string{iso.Succeeded[0].Ref}))
	if err := errors.Join(p.Steps[0].Err, p.Approve(0)); err != nil {
		t.Fatal(err)
	}
	if res := a.Execute(t.Context(), p, change.Run{}); len(res.Succeeded) != 1 || res.Verb != backends.VerbRelease {
		t.Fatalf("%+v", res)
	}
	if got == nil || got.ID != "native-isolate h0" || got.Details["former_policy"] != "Servers" {
		t.Errorf("undo got %+v", got)
	}
	// So does a plain release.
	got = nil
	order(t, a, backends.Change{Verb: backends.VerbRelease}, []string{"HOST-1"}, change.Run{})
	if got == nil || got.ID != "native-isolate h1" {
		t.Errorf("release got %+v", got)
	}
	if force, err = a.Ledger.InForce(false); err != nil || len(force) != 1 || force[0].Verb != "block" {
		t.Errorf("%+v %v", force, err)
	}
	again := a.UndoItems(t.Context(), []string{iso.Succeeded[0].Ref})
	if p := a.Plan(t.Context(), again); p.Sendable() != 0 || !strings.Contains(p.Steps[0].Blocked(), "was taken back by") {
		t.Errorf("%+v", p.Steps[0])
	}
	if items := a.UndoItems(t.Context(), []string{"p0/act-unknown"}); backends.KindOf(items[0].Err) != backends.KindNotFound {
		t.Errorf("%v", items[0].Err)
	}
	verified(t, a)
}

func TestLookUpAfterwards(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newActing(3)
		d.fault["h0"], d.fault["h1"] = "slow", "no finder answer"
		a := actsOn(t, fleet(d))
		res := order(t, a, backends.Change{Verb: backends.VerbKill, PID: 1}, hostsOf(3), change.Run{Wait: time.Second})
		if len(res.Pending) != 2 || len(res.Failed) != 1 {
			t.Fatalf("%+v", res)
		}
		delete(d.fault, "h0")
		delete(d.fault, "h1")
		for _, act := range append(res.Pending, res.Failed...) {
			got, err := a.Action(t.Context(), act.Ref, -1, nil)
			if err != nil || got.State != model.ActionDone || got.Stdout != "done" || got.Host.Name != act.Host.Name {
				t.Errorf("%s: %+v %v", act.Host.Name, got, err)
			}
		}
		if d.sent["kill h1"] != 1 {
			t.Errorf("sent %v", d.sent)
		}
		d.actions["foreign"] = &model.Action{Origin: model.Origin{ID: "foreign"}, Verb: "scan", State: model.ActionDone}
		list, outcomes, _, err := a.Actions(t.Context(), change.ActionQuery{})
		if err != nil || outcomes[0].Err != nil || len(list) != 4 {
			t.Fatalf("%+v %v", list, err)
		}
		for _, act := range list {
			if act.Ref == "" || act.ID != "foreign" && !strings.HasPrefix(act.ID, "act-") {
				t.Errorf("%+v", act)
			}
		}
		verified(t, a)
	})
}

// A preview that is old is looked at again; what has changed is not sent.
func TestOldPreview(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newActing(2)
		d.fault["h0"], d.fault["h1"] = "sync", "sync"
		a := actsOn(t, fleet(d))
		items, err := change.HostItems(t.Context(), a.Fleet, hostsOf(2), backends.Change{Verb: backends.VerbIsolate})
		if err != nil {
			t.Fatal(err)
		}
		p := a.Plan(t.Context(), items)
		_ = p.Approve(0)
		time.Sleep(5 * time.Minute)
		d.hosts[0].Name = "SOMEBODY-ELSE"
		d.fault["h1"] = "already"
		res := a.Execute(t.Context(), p, change.Run{})
		if len(res.Failed) != 1 || len(res.Skipped) != 1 || len(d.sent) != 0 {
			t.Errorf("%+v %v", res, d.sent)
		}
	})
}

// Ctrl-C sends nothing more, and lets what was sent come to an answer.
func TestInterrupted(t *testing.T) {
	d := newActing(1)
	a := actsOn(t, fleet(d))
	ctx, cancel := context.WithCancel(t.Context())
	d.before = func(backends.Change) { cancel() }
	var items []change.Item
	for i := range 4 { // one host: one after the other
		items = append(items, change.NewItem(a.Fleet.Sources[0], "", backends.Change{Verb: backends.VerbKill, PID: int64(i + 1), Host: d.hosts[0]}))
	}
	p := a.Plan(ctx, items)
	_ = p.Approve(0)
	res := a.Execute(ctx, p, change.Run{Wait: -1})
	if d.sent["kill h0"] != 1 || len(res.Pending) != 1 || len(res.Failed) != 3 {
		t.Errorf("sent %v: %+v", d.sent, res)
	}
	verified(t, a)
}

// carving adds collected files.
type carving struct {
	*acting
	content []byte
	ready   int // reads until it is complete
}

func (c *carving) Carve(_ context.Context, id string) (*model.Carve, error) {
	out := &model.Carve{Origin: model.Origin{ID: id}, Host: c.hosts[0], Path: "/etc/passwd", Name: "../../x", State: model.CarveRunning, Size: int64(len(c.content))}
	if c.ready--; c.ready < 0 {
		out.State = model.CarveComplete
	}
	return out, nil
}

func (c *carving) Download(_ context.Context, _ string, offset int64, w io.Writer) (int64, bool, error) {
	n, err := w.Write(c.content[offset:])
	return int64(n), offset > 0, err
}

func TestFetch(t *testing.T) {
	d := &carving{acting: newActing(1), content: []byte("root:x"), ready: 1}
	a := actsOn(t, fleet(d))
	dir := t.TempDir()
	got, err := a.Fetch(t.Context(), "p0/7", change.Fetch{Dir: dir, Wait: time.Minute, User: "ana"})
	if err != nil || got.Carve.SavedTo != got.Saved.Path || got.Saved.Name != "_.__.._x" && strings.ContainsAny(got.Saved.Name, "/") || got.Carve.SHA256 == "" {
		t.Errorf("%+v %v", got, err)
	}
	d.ready = 1000
	var pending *change.PendingError
	if _, err := a.Fetch(t.Context(), "p0/7", change.Fetch{Dir: dir}); !errors.As(err, &pending) {
		t.Errorf("%v", err)
	}
	n := 0
	for l := range audit.Lines(a.Ledger.Dir) {
		if l.Record.Verb == "carve.download" && l.Record.Details["sha256"] != "" {
			n++
		}
	}
	if n != 1 {
		t.Errorf("%d downloads are journaled", n)
	}
}

func FuzzLedger(f *testing.F) {
	f.Add([]byte(`{"seq":1,"action":"act-1","profile":"p","verb":"isolate","phase":"intent","details":{"change":"{\"host_id\":\"h\"}","inverse":"release"}}` + "\n"))
	f.Add([]byte(`{"seq":1,"action":"a","phase":"outcome","state":"done","details":{"exit_code":"x","driver.k":"v"}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		l := &change.Ledger{Dir: t.TempDir()}
		if err := os.WriteFile(audit.Path(l.Dir), data, 0o600); err != nil {
			t.Fatal(err)
		}
		list, err := l.Entries()
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range list {
			_, _ = e.Action(), e.Reverse(&ops.Source{Profile: "p"}, nil)
		}
		if _, err := l.InForce(true); err != nil {
			t.Fatal(err)
		}
	})
}

func FuzzReadNames(f *testing.F) {
	f.Add([]byte("\xef\xbb\xbfHOST\n#x\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		names, err := change.ReadNames(strings.NewReader(string(data)))
		for _, n := range names {
			if n == "" || err == nil && strings.ContainsAny(n, "\n\t") {
				t.Errorf("%q", n)
			}
		}
	})
}
