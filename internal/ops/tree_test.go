package ops_test

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/model"
	"github.com/edrctl/edrctl/internal/ops"
	"github.com/edrctl/edrctl/internal/ptree"
)

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
