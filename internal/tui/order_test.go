package tui_test

import (
	"context"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/change"
	"github.com/edrctl/edrctl/internal/model"
	"github.com/edrctl/edrctl/internal/ops"
	"github.com/edrctl/edrctl/internal/tui"
)

// ward is a driver that has one host, can do everything, and keeps what it is
// asked to preview.
type ward struct {
	takes []string
	seen  []backends.Change
}

func (*ward) Backend() string                                { return "ward" }
func (*ward) Check(context.Context) (backends.Health, error) { return backends.Health{}, nil }
func (*ward) Close() error                                   { return nil }

func (*ward) Host(_ context.Context, id string, _ bool) (*model.Host, error) {
	if id != "h1" {
		return nil, backends.NotFound("host", id)
	}
	return &model.Host{Origin: model.Origin{ID: "h1", Ref: "p/h1", Profile: "p"}, Name: "WS-1"}, nil
}

func (w *ward) Verbs() []backends.VerbSpec {
	var out []backends.VerbSpec
	for _, v := range backends.AllVerbs {
		out = append(out, backends.VerbSpec{Verb: v, Takes: w.takes})
	}
	return out
}

func (w *ward) Preview(_ context.Context, c backends.Change) (backends.Preview, error) {
	w.seen = append(w.seen, c)
	return backends.Preview{Summary: "x"}, nil
}

func (*ward) Apply(context.Context, backends.Change, func(*model.Action)) (*model.Action, error) {
	panic("nothing is applied by a preview")
}

// What the form was given arrives in the driver as it is; what a backend does
// not take is refused before anything is sent.
func TestOrdersReachTheDriver(t *testing.T) {
	script := filepath.Join(t.TempDir(), "collect.ps1")
	if err := os.WriteFile(script, []byte("Get-Process\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	host := &model.Host{Origin: model.Origin{ID: "h1", Ref: "p/h1", Profile: "p"}, Name: "WS-1"}
	alert := &model.Alert{Origin: model.Origin{ID: "a1", Ref: "p/a1", Profile: "p"}, Host: host, Process: &model.Process{PID: 8120, Path: `C:\Windows\System32\rundll32.exe`}}
	proc := &model.Process{Origin: model.Origin{Profile: "p"}, Host: host, PID: 77, Path: `C:\Users\Public\x.exe`}
	for name, c := range map[string]struct {
		order tui.Order
		takes []string
		check func(c backends.Change) bool
		bad   string
	}{
		"kill by pid":       {tui.Order{Verb: "kill", Records: []model.Record{host}, Params: tui.Params{PID: 5, Path: "x"}}, nil, func(c backends.Change) bool { return c.PID == 5 && c.Path == "x" && c.Host.Name == "WS-1" }, ""},
		"kill of a process": {tui.Order{Verb: "kill", Records: []model.Record{proc, proc}}, nil, func(c backends.Change) bool { return c.PID == 77 && c.Path == proc.Path }, ""},
		"another file":      {tui.Order{Verb: "delete-file", Records: []model.Record{alert}, Params: tui.Params{Path: `C:\d.dll`}}, nil, func(c backends.Change) bool { return c.Path == `C:\d.dll` && c.PID == 0 }, ""},
		"the system's own":  {tui.Order{Verb: "delete-file", Records: []model.Record{alert}}, nil, nil, "operating system's own"},
		"run": {tui.Order{Verb: "run", Records: []model.Record{host}, Params: tui.Params{Command: []string{"a b", "c"}, For: time.Minute}}, []string{"timeout"}, func(c backends.Change) bool {
			return slices.Equal(c.Command, []string{"a b", "c"}) && c.Timeout == time.Minute
		}, ""},
		"no timeout": {tui.Order{Verb: "run", Records: []model.Record{host}, Params: tui.Params{Command: []string{"a"}, For: time.Minute}}, nil, nil, "takes no timeout"},
		"script": {tui.Order{Verb: "script", Records: []model.Record{host}, Params: tui.Params{Script: script, Arguments: "-v"}}, []string{"params"}, func(c backends.Change) bool {
			return c.Script.Name == "collect.ps1" && string(c.Script.Content) == "Get-Process\n" && c.Params["params"] == "-v"
		}, ""},
		"no arguments": {tui.Order{Verb: "script", Records: []model.Record{host}, Params: tui.Params{Script: script, Arguments: "-v"}}, nil, nil, "takes no params"},
		"no script":    {tui.Order{Verb: "script", Records: []model.Record{host}, Params: tui.Params{Script: script + "x"}}, nil, nil, "no such file"},
		"block": {tui.Order{Verb: "block", Records: []model.Record{host}, Params: tui.Params{Address: "1.2.3.4", Port: 443, More: map[string]string{"direction": "in"}}}, []string{"direction"}, func(c backends.Change) bool {
			return c.Address == "1.2.3.4" && c.Port == 443 && c.Params["direction"] == "in"
		}, ""},
		"scan":        {tui.Order{Verb: "scan", Records: []model.Record{host}, Params: tui.Params{Scan: "custom", Path: "/x"}}, nil, func(c backends.Change) bool { return c.Scan == "custom" && c.Path == "/x" }, ""},
		"tag":         {tui.Order{Verb: "host.tag", Records: []model.Record{host}, Params: tui.Params{Tags: []string{"a", "b"}}}, nil, func(c backends.Change) bool { return reflect.DeepEqual(c.Tags, []string{"a", "b"}) }, ""},
		"edit":        {tui.Order{Verb: "host.edit", Records: []model.Record{host}, Params: tui.Params{More: map[string]string{"status": "x"}}}, []string{"group|status|criticality"}, func(c backends.Change) bool { return c.Params["status"] == "x" }, ""},
		"verdict":     {tui.Order{Verb: "alert.close", Records: []model.Record{alert}, Params: tui.Params{Verdict: model.VerdictTruePositive}}, []string{"verdict"}, func(c backends.Change) bool { return c.AlertID == "a1" && c.Verdict == model.VerdictTruePositive }, ""},
		"no words":    {tui.Order{Verb: "alert.close", Records: []model.Record{alert}, Params: tui.Params{Verdict: model.VerdictTruePositive}}, nil, nil, "takes no verdict"},
		"of a server": {tui.Order{Verb: "carve.delete", Records: []model.Record{&model.Carve{Origin: model.Origin{ID: "c9", Ref: "p/c9"}}}}, nil, func(c backends.Change) bool { return c.CarveID == "c9" }, ""},
		"no host":     {tui.Order{Verb: "isolate", Records: []model.Record{&model.Host{Origin: model.Origin{ID: "h2", Ref: "p/h2", Profile: "p"}}}}, nil, nil, "no host h2"},
	} {
		w := &ward{takes: c.takes}
		fleet := &ops.Fleet{Sources: []*ops.Source{ops.NewSource("p", "ward", false, func() (backends.Driver, error) { return w, nil })}}
		a := tui.NewActor(&change.Actor{Fleet: fleet, Ledger: &change.Ledger{Dir: t.TempDir()}})
		p, err := a.Plan(t.Context(), c.order)
		why := ""
		switch {
		case err != nil:
			why = err.Error()
		case p.Steps[0].Blocked() != "":
			why = p.Steps[0].Blocked()
		}
		if c.bad != "" {
			if !strings.Contains(why, c.bad) || p != nil && p.Sendable() != 0 {
				t.Errorf("%s: %q, want %q", name, why, c.bad)
			}
			continue
		}
		if why != "" || len(p.Steps) != 1 || len(w.seen) != 1 || !c.check(w.seen[0]) {
			t.Errorf("%s: %s: %d steps, %+v", name, why, len(p.Steps), w.seen)
		}
	}
}

// Every field of a form is checked before anything is looked at.
func TestFormsCheckTheirFields(t *testing.T) {
	d, a := acting(t)
	last := func() tui.Params { return a.orders[len(a.orders)-1].Params }
	form := func(key string) { d.Press("x", key).Pass(second) }
	// seen is that the preview came; both dialogs are closed after it.
	seen := func(title string, ok func(tui.Params) bool) {
		t.Helper()
		d.See(title + ": build-07")
		if p := last(); !ok(p) {
			t.Fatalf("%s: %+v", title, p)
		}
		d.Press("esc", "esc").Miss("[ Cancel ]")
	}
	d.Go("hosts")
	form("k")
	d.Press("shift+tab", "enter").See(`invalid PID ""`).Press("tab").Type("12a").Press("up", "enter").See(`invalid PID "12a"`).Press("tab", "backspace", "up", "enter")
	seen("kill a process by its pid", func(p tui.Params) bool { return p.PID == 12 && p.Path == "" })
	form("R")
	d.Type(`a "b`).Press("shift+tab", "enter").See("the quote").Press("tab").Type(`c"`).Press("tab").Type("soon").Press("tab", "tab", "enter").See("invalid time").Press("up", "up", "ctrl+u").Type("90s").Press("down", "down", "enter").See("run a command: build-07")
	// What was typed is still there when one comes back from the preview.
	d.Press("esc").See(`a "bc"`, "90s").Press("enter")
	seen("run a command", func(p tui.Params) bool {
		return slices.Equal(p.Command, []string{"a", "bc"}) && p.For == 90*time.Second
	})
	form("b")
	d.Type("999.1.1.1").Press("shift+tab", "enter").See("address").Press("tab", "ctrl+u").Type("nc.exe").Press("down", "right", "down", "right", "right", "down", "down", "enter")
	seen("block an address or program", func(p tui.Params) bool {
		return p.Program == "nc.exe" && p.More["direction"] == "in" && p.More["protocol"] == "udp"
	})
	form("s")
	d.Press("left", "shift+tab", "enter").See("a custom scan takes a path").Press("tab", "tab").Type("/tmp").Press("down", "down", "enter")
	seen("scan for malware", func(p tui.Params) bool { return p.Scan == "custom" && p.Path == "/tmp" })
	form("T")
	d.Type(" , ").Press("shift+tab", "enter").See("tags are missing").Press("tab").Type("a, b,a").Press("shift+tab", "enter")
	seen("tag", func(p tui.Params) bool { return slices.Equal(p.Tags, []string{"a", "b"}) })
	form("e")
	d.Press("down", "down").Type("11").Press("down", "down", "enter").See("from 0 to 10").Press("up", "up", "backspace", "down", "down", "enter")
	seen("edit group, status, criticality", func(p tui.Params) bool { return p.More["criticality"] == "1" && len(p.More) == 1 })
	// A host that is not ready can be sent to for later, when one says so.
	a.notReady = "the host is offline"
	form("a")
	d.See("the host is offline", "also to hosts that are not ready", "left out").Pass(second).Press("right", "enter").See("nothing that can be sent")
	d.Pass(second).Press("up", "up").Pass(second).Press("space").Miss("left out").Pass(second).Press("down", "down").Pass(second).Press("enter").See("1 done")
	if want := "restart-agent build-07 case= comment="; !slices.Contains(a.sent, want) {
		t.Fatalf("%q", a.sent)
	}
	d.Pass(2 * second).Press("enter").Miss("1 done")
	if len(a.sent) != 1 {
		t.Fatalf("previews sent something: %q", a.sent)
	}
}
