package cwatch_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/backends/cwatch/fake"
	"github.com/edrctl/edrctl/internal/model"
)

const instant = "2006-01-02T15:04:05.000Z"

// lineageData: shell (pid 50) started many children, one of which has children
// of its own; the same pid is used on another host and again later.
func lineageData(children int) *fake.Data {
	root := fake.Node{PID: 4, CreationTime: anchor.Add(-20 * time.Hour).Format(instant), Path: `C:\Windows\smss.exe`}
	shellBorn := anchor.Add(-10 * time.Hour)
	shellNode := fake.Node{PID: 50, CreationTime: shellBorn.Format(instant), Path: `C:\shell.exe`}
	n := 0
	actor := func(at time.Time, id string, pid int64, path string, born time.Time, tree []fake.Node, host int64, child *fake.Child) *fake.Event {
		n++
		return &fake.Event{
			ID: fmt.Sprintf("1559%08d", n), Timestamp: at.UnixMilli(), EventTime: at.Format(instant), BaseType: 1, Group: 1, EndpointID: host, Device: fmt.Sprintf("HOST-%d", host),
			InstanceID: id, PID: pid, Path: path, CreationTime: born.Format(instant), ParentTree: tree, Child: child, UserName: "alice", Verdict: 1,
		}
	}
	child := func(id string, pid int64) *fake.Child {
		return &fake.Child{ChildInstanceID: id, ChildPID: pid, ChildPath: `C:\child.exe`, ChildCommandLine: "child " + id[36:], ChildVerdict: 2, ChildIsSigned: true}
	}
	shell, later, other := sha(50), sha(51), sha(52)
	d := &fake.Data{Customer: 1042}
	rows := []*fake.Event{
		actor(shellBorn, sha(4), 4, `C:\Windows\smss.exe`, anchor.Add(-20*time.Hour), nil, 1, &fake.Child{ChildInstanceID: shell, ChildPID: 50, ChildPath: `C:\shell.exe`, ChildCommandLine: "shell -x"}),
		actor(anchor.Add(-4*time.Hour), other, 50, `C:\shell.exe`, shellBorn, []fake.Node{root}, 2, child(sha(999), 70)),
		actor(anchor.Add(-1*time.Hour), later, 50, `C:\other.exe`, anchor.Add(-2*time.Hour), []fake.Node{root}, 1, child(sha(998), 71)),
		actor(anchor.Add(-3*time.Hour), sha(1000), 60, `C:\child.exe`, anchor.Add(-9*time.Hour), []fake.Node{root, shellNode}, 1, child(sha(997), 72)),
	}
	for i := range children {
		rows = append(rows, actor(shellBorn.Add(time.Duration(i/7)*time.Second), shell, 50, `C:\shell.exe`, shellBorn, []fake.Node{root}, 1, child(sha(1000+i), int64(60+i))))
	}
	d.Events = fake.NewEventList(rows)
	d.Processes = []fake.Process{{ID: shell, PID: 50, Name: "shell.exe", Path: `C:\shell.exe`, Device: "HOST-1", User: "alice", Hash: sha(3)}, {PID: 9, Name: "noid.exe", Path: `C:\noid.exe`, Device: "HOST-1"}}
	return d
}

func names(list []*model.Process) string {
	var out []string
	for _, p := range list {
		id := p.UID
		if id != "" {
			id = id[36:]
		}
		out = append(out, fmt.Sprintf("%s/%d/%s", p.Name, p.PID, id))
	}
	return strings.Join(out, " ")
}

func TestAncestors(t *testing.T) {
	r := newRig(t, lineageData(3), fake.Options{}, nil, nil)
	x := r.Driver.(backends.TreeExpander)
	for name, tc := range map[string]struct {
		ref  backends.ProcessRef
		want string
	}{
		"from its start, with the parent's id": {backends.ProcessRef{UID: sha(1001), PID: 61}, "smss.exe/4/ shell.exe/50/" + sha(50)[36:]},
		"with its start known":                 {backends.ProcessRef{UID: sha(50), PID: 50, Started: anchor.Add(-10 * time.Hour)}, "smss.exe/4/" + sha(4)[36:]},
		"from what it did":                     {backends.ProcessRef{UID: sha(51), PID: 50}, "smss.exe/4/"},
		"of a root":                            {backends.ProcessRef{UID: sha(4), PID: 4}, ""},
		"unknown":                              {backends.ProcessRef{UID: sha(12345), PID: 5}, ""},
		"without anything":                     {backends.ProcessRef{}, ""},
		"by pid, image and host":               {backends.ProcessRef{PID: 50, Path: `c:\SHELL.exe`, Host: &model.Host{Name: "host-1"}}, "smss.exe/4/" + sha(4)[36:]},
		"from the alert": {backends.ProcessRef{UID: sha(777), PID: 77, Alert: &model.Alert{
			Process: &model.Process{UID: sha(777)}, Ancestors: []*model.Process{{Name: "a.exe", PID: 1}},
		}}, "a.exe/1/"},
	} {
		got, err := x.Ancestors(t.Context(), tc.ref)
		if err != nil || names(got) != tc.want {
			t.Errorf("%s: %s, %v", name, names(got), err)
		}
	}
}

func TestChildren(t *testing.T) {
	const many = 1203
	r := newRig(t, lineageData(many), fake.Options{}, nil, nil)
	x := r.Driver.(backends.TreeExpander)
	ref := backends.ProcessRef{UID: sha(50), PID: 50, Started: anchor.Add(-10 * time.Hour)}
	seen := map[string]bool{}
	events, pages := 0, 0
	for cursor := ""; ; {
		page, err := x.Children(t.Context(), ref, cursor)
		if err != nil {
			t.Fatal(err)
		}
		pages++
		events += len(page.Events)
		for _, p := range page.Processes {
			if seen[p.UID] || p.Parent.UID != sha(50) || p.Started.IsZero() || p.Host.Name != "HOST-1" || p.CommandLine == "" {
				t.Fatalf("%+v", p)
			}
			seen[p.UID] = true
		}
		if cursor = page.Next; cursor == "" {
			break
		}
		if page.Remaining != -1 {
			t.Errorf("%d remain", page.Remaining)
		}
	}
	if len(seen) != many || events != many || pages < 3 {
		t.Errorf("%d children, %d events, %d pages", len(seen), events, pages)
	}
	// Other processes of that pid have other children, and most have none.
	for uid, want := range map[string]int{sha(51): 1, sha(52): 1, sha(1000): 1, sha(1001): 0, sha(4): 1} {
		pid := map[string]int64{sha(51): 50, sha(52): 50, sha(1000): 60, sha(1001): 61, sha(4): 4}[uid]
		page, err := x.Children(t.Context(), backends.ProcessRef{UID: uid, PID: pid}, "")
		if err != nil || len(page.Processes) != want {
			t.Errorf("%s: %d children, %v", uid, len(page.Processes), err)
		}
	}
	if _, err := x.Children(t.Context(), ref, "x"); backends.KindOf(err) != backends.KindInvalid {
		t.Errorf("%v", err)
	}
}

func TestProcessByID(t *testing.T) {
	r := newRig(t, lineageData(3), fake.Options{}, nil, nil)
	g := r.Driver.(backends.ProcessGetter)
	p, err := g.Process(t.Context(), sha(50), anchor)
	if err != nil || p.ID != sha(50) || p.UID != sha(50) || p.PID != 50 || p.CommandLine != "shell -x" || p.Parent == nil || p.Parent.UID != sha(4) ||
		!p.Started.Equal(anchor.Add(-10*time.Hour)) || p.Host.ID != "1" || p.Hash == nil || p.User.Name != "alice" {
		t.Errorf("%+v, %v", p, err)
	}
	// Not in the list: found in events, as a child and as an actor.
	p, err = g.Process(t.Context(), sha(1001), time.Time{})
	if err != nil || p.PID != 61 || p.Parent.UID != sha(50) || p.Reputation.Verdict != "malicious" || !*p.Signed || p.Started.IsZero() {
		t.Errorf("%+v, %v", p, err)
	}
	p, err = g.Process(t.Context(), sha(51), anchor.Add(time.Hour))
	if err != nil || p.Name != "other.exe" || !p.Started.Equal(anchor.Add(-2*time.Hour)) || p.Parent.PID != 4 {
		t.Errorf("%+v, %v", p, err)
	}
	// One without an id of its own is known by what it is.
	p, err = g.Process(t.Context(), `HOST-1/9/C:\noid.exe`, anchor)
	if err != nil || p.PID != 9 || p.Host.Name != "HOST-1" {
		t.Errorf("%+v, %v", p, err)
	}
	for _, id := range []string{sha(54321), "nonsense"} {
		if _, err := g.Process(t.Context(), id, anchor); backends.KindOf(err) != backends.KindNotFound {
			t.Errorf("%s: %v", id, err)
		}
	}
	if _, err := g.Process(t.Context(), "", anchor); backends.KindOf(err) != backends.KindInvalid {
		t.Errorf("%v", err)
	}
}
