package ops_test

import (
	"bytes"
	"context"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/model"
	"github.com/edrctl/edrctl/internal/ops"
	"github.com/edrctl/edrctl/internal/ptree"
)

// seer is a driver with a list of events.
type seer struct{ events []*model.Event }

func (*seer) Backend() string                                { return "seer" }
func (*seer) Check(context.Context) (backends.Health, error) { return backends.Health{}, nil }
func (*seer) Close() error                                   { return nil }

func (s *seer) Events(_ context.Context, q backends.Query) (backends.Listing[*model.Event], error) {
	return backends.Listing[*model.Event]{Seq: func(yield func(*model.Event, error) bool) {
		for _, e := range s.events {
			if e.Time.Before(q.Since) || !q.Until.IsZero() && !e.Time.Before(q.Until) {
				continue
			}
			c := *e
			if !yield(&c, nil) {
				return
			}
		}
	}}, nil
}

// clan is a driver that knows one family and pages its children one by one.
type clan struct {
	*seer
	fails error
	pages int
}

var clanHost = &model.Host{Name: "ws"}

func clanProcess(uid string, pid int64, parent string) *model.Process {
	p := &model.Process{UID: uid, PID: pid, Name: uid + ".exe", Path: `C:\` + uid + ".exe", Started: model.At(epoch.Add(time.Duration(pid) * time.Second))}
	if parent != "" {
		p.Parent = &model.ParentProcess{UID: parent}
	}
	return p
}

func clanBirth(id, child string, pid int64) *model.Event {
	return &model.Event{
		Origin: model.Origin{ID: id}, Time: model.At(epoch.Add(time.Duration(pid) * time.Second)), Kind: model.KindProcessStart, Host: clanHost,
		Process: clanProcess("shell", 20, ""), Target: clanProcess(child, pid, "shell"),
	}
}

func (c *clan) Alert(context.Context, string, bool) (*model.Alert, error) {
	return &model.Alert{Origin: model.Origin{ID: "a"}, Title: "Bad", Time: model.At(epoch.Add(time.Minute)), Host: clanHost, Process: clanProcess("shell", 20, "")}, nil
}

func (c *clan) Ancestors(context.Context, backends.ProcessRef) ([]*model.Process, error) {
	root, up := clanProcess("", 1, ""), clanProcess("", 2, "")
	root.Name, root.Path, up.Name, up.Path = "init", "init", "login", "login"
	return []*model.Process{root, up}, nil
}

func (c *clan) Children(_ context.Context, p backends.ProcessRef, cursor string) (backends.ProcessPage, error) {
	c.pages++
	switch {
	case c.fails != nil:
		return backends.ProcessPage{}, c.fails
	case p.UID != "shell":
		return backends.ProcessPage{}, nil
	case cursor == "":
		return backends.ProcessPage{Processes: []*model.Process{clanProcess("one", 31, "shell")}, Events: []*model.Event{clanBirth("e1", "one", 31)}, Next: "2", Remaining: 1}, nil
	}
	return backends.ProcessPage{Processes: []*model.Process{clanProcess("two", 32, "shell")}, Events: []*model.Event{clanBirth("e2", "two", 32)}}, nil
}

// A tree joins ancestors, children of every page and the events around; an
// event met twice counts once, and a failure leaves what is known.
func TestTree(t *testing.T) {
	for _, fails := range []error{nil, &backends.Error{Kind: backends.KindUnavailable, What: "gone"}} {
		c := &clan{seer: &seer{events: []*model.Event{clanBirth("e2", "two", 32), clanBirth("e1", "one", 31)}}, fails: fails}
		res, err := fleet(c).Tree(t.Context(), ops.TreeQuery{Kind: ops.TreeOfAlert, Ref: "a", Until: epoch, Window: time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		if err := res.Tree.WriteText(&b, ptree.Style{}); err != nil {
			t.Fatal(err)
		}
		want := strings.Join([]string{
			"init (1) [not seen itself]", "`- login (2) [not seen itself]", "   `- shell.exe (20)  ! Bad  [process_start 2]  C:\\shell.exe  <- asked for",
			"      |- one.exe (31)  C:\\one.exe", "      `- two.exe (32)  C:\\two.exe", "",
		}, "\n")
		if b.String() != want {
			t.Errorf("%v:\n%s\nwant\n%s", fails, b.String(), want)
		}
		if failed := res.Outcomes[0].Err != nil; failed != (fails != nil) {
			t.Errorf("%+v", res.Outcomes)
		}
		if res.Focus == nil || res.Focus.Process.UID != "shell" {
			t.Errorf("%+v", res.Focus)
		}
	}
}

// family is a driver of one tree: children come two a page.
type family struct {
	*seer
	kids  map[string][]string
	asked []string
	fails error
}

func (f *family) Alert(context.Context, string, bool) (*model.Alert, error) {
	return (&clan{}).Alert(nil, "", false) //nolint:staticcheck // the context is not used
}

func (f *family) Ancestors(context.Context, backends.ProcessRef) ([]*model.Process, error) {
	return []*model.Process{clanProcess("init", 1, ""), clanProcess("login", 2, "init")}, nil
}

func (f *family) Children(_ context.Context, p backends.ProcessRef, cursor string) (backends.ProcessPage, error) {
	f.asked = append(f.asked, p.UID+cursor)
	if f.fails != nil {
		return backends.ProcessPage{}, f.fails
	}
	at := len(cursor)
	list := f.kids[p.UID]
	var page backends.ProcessPage
	for i := at; i < len(list) && i < at+2; i++ {
		page.Processes = append(page.Processes, clanProcess(list[i], int64(30+i), p.UID))
	}
	if at+2 < len(list) {
		page.Next, page.Remaining = cursor+"++", len(list)-at-2
	}
	return page, nil
}

func treeText(t *testing.T, res *ops.TreeResult) string {
	t.Helper()
	var b bytes.Buffer
	if err := res.Tree.WriteText(&b, ptree.Style{}); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// A paged tree asks for one page, and for more only what is opened, where it
// is; a node met again is the same node.
func TestTreePage(t *testing.T) {
	fam := &family{seer: &seer{}, kids: map[string][]string{
		"shell": {"a", "b", "c", "d", "e"}, "login": {"shell", "other"}, "b": {"deep"},
	}}
	res, err := fleet(fam).Tree(t.Context(), ops.TreeQuery{Kind: ops.TreeOfAlert, Ref: "a", Until: epoch.Add(time.Hour), Window: time.Hour, Paged: true})
	if err != nil {
		t.Fatal(err)
	}
	if got := treeText(t, res); !strings.Contains(got, "... 3 more") || !slices.Equal(fam.asked, []string{"shell"}) {
		t.Fatalf("asked %v\n%s", fam.asked, got)
	}
	node := func(uid string) *ptree.Node { return res.Tree.Find("p0", uid) }
	if res.Unread(node("shell")) || !res.Unread(node("a")) || !res.Unread(node("login")) {
		t.Fatal("what was asked for is not told")
	}
	more := func(uid string, all bool) {
		t.Helper()
		before := node(uid)
		next, err := res.More(t.Context(), ops.More{Node: before, All: all})
		if err != nil {
			t.Fatal(err)
		}
		if m := next.Tree.Match(before); m == nil || m.Process.UID != uid {
			t.Fatalf("%s is lost", uid)
		}
		res = next
	}
	more("shell", false)
	if got := treeText(t, res); !strings.Contains(got, "... 1 more") || !strings.Contains(got, "d.exe") {
		t.Fatalf("%s", got)
	}
	more("shell", false)
	if got := treeText(t, res); strings.Contains(got, "more") || !strings.Contains(got, "e.exe") {
		t.Fatalf("%s", got)
	}
	before := len(fam.asked)
	more("shell", false) // there is no more to ask for
	if len(fam.asked) != before {
		t.Fatalf("asked again: %v", fam.asked)
	}
	more("login", false)
	if got := treeText(t, res); strings.Count(got, "shell.exe (") != 1 || !strings.Contains(got, "other.exe") {
		t.Fatalf("the same process is there twice:\n%s", got)
	}
	more("shell", true)
	if got := treeText(t, res); !strings.Contains(got, "deep.exe") || res.Unread(node("deep")) {
		t.Fatalf("not everything below was read: %v\n%s", fam.asked, got)
	}
	fam.fails = &backends.Error{Kind: backends.KindUnavailable, What: "gone"}
	more("other", false)
	if len(res.Outcomes) != 1 || res.Outcomes[0].Err == nil {
		t.Fatalf("the failure is not told: %+v", res.Outcomes)
	}
}

// A backend that knows no families finds children among the process starts
// of the host.
func TestTreePageOfEvents(t *testing.T) {
	var events []*model.Event
	for i := range 450 {
		e := clanBirth("x"+strconv.Itoa(i), "kid"+strconv.Itoa(i), int64(100+i))
		e.Process.Host = clanHost
		events = append([]*model.Event{e}, events...)
	}
	s := &alertSeer{&seer{events: events}}
	res, err := fleet(s).Tree(t.Context(), ops.TreeQuery{Kind: ops.TreeOfAlert, Ref: "a", Until: epoch.Add(2 * time.Hour), Window: time.Second, Paged: true})
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []int{200, 400, 450, 450} {
		if res, err = res.More(t.Context(), ops.More{Node: res.Tree.Match(res.Focus)}); err != nil {
			t.Fatal(err)
		}
		missing := res.Focus.Missing
		if got := len(res.Focus.Children); got != want || (missing != 0) != (want < 450) {
			t.Fatalf("page %d: %d children, %d missing: %+v", i+1, got, missing, res.Outcomes)
		}
	}
}

type alertSeer struct{ *seer }

func (s *alertSeer) Alert(context.Context, string, bool) (*model.Alert, error) {
	return (&clan{}).Alert(nil, "", false) //nolint:staticcheck // the context is not used
}

// namesake is a clan whose alerts tell of their process by pid alone, and
// whose children are found by the id that is looked up for it.
type namesake struct{ *clan }

func (c namesake) Alert(context.Context, string, bool) (*model.Alert, error) {
	a, err := c.clan.Alert(context.Background(), "", false)
	a.Process = &model.Process{PID: 20, Path: a.Process.Path, Name: a.Process.Name}
	return a, err
}

func (c namesake) Children(ctx context.Context, p backends.ProcessRef, cursor string) (backends.ProcessPage, error) {
	asked := p.UID
	p.UID = "shell"
	page, err := c.clan.Children(ctx, p, cursor)
	if asked == "" && err == nil {
		page.Self = clanProcess("shell", 20, "")
	}
	return page, err
}

// A process that its alert tells by pid alone is once in its tree, above
// what it started.
func TestTreeOfAProcessKnownByPID(t *testing.T) {
	c := namesake{&clan{seer: &seer{events: []*model.Event{clanBirth("e1", "one", 31)}}}}
	res, err := fleet(c).Tree(t.Context(), ops.TreeQuery{Kind: ops.TreeOfAlert, Ref: "a", Until: epoch, Window: time.Hour, Unrelated: true})
	if err != nil {
		t.Fatal(err)
	}
	shells := 0
	res.Tree.Walk(func(n *ptree.Node, _ int) bool {
		if n.Process.PID == 20 {
			shells++
		}
		return true
	})
	if f := res.Focus; shells != 1 || f == nil || f.Process.UID != "shell" || len(f.Alerts) != 1 || len(f.Children) != 2 || f.Parent == nil {
		t.Errorf("%d times in the tree; the focus is %+v", shells, res.Focus)
	}
}
