package tui_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/edrctl/edrctl/internal/model"
	"github.com/edrctl/edrctl/internal/ops"
	"github.com/edrctl/edrctl/internal/tui"
	"github.com/edrctl/edrctl/internal/tui/tuitest"
)

const second = time.Second

// actor is an Actor that sends nothing, and counts what it would have sent.
type actor struct {
	fake *tuitest.Fake
	mu   sync.Mutex
	sent []string
	slow time.Duration
}

func (a *actor) Can(profile, verb string) (string, error) {
	if profile == "es" && verb == "isolate" {
		return "", errors.New("cannot isolate: esp does not offer it")
	}
	return "as " + profile + " does it", nil
}

func (a *actor) Plan(_ context.Context, o tui.Order) (*ops.Plan, error) {
	p := &ops.Plan{}
	seen := map[string]bool{}
	for i, r := range o.Records {
		s := &ops.Step{Action: "act-" + string(rune('a'+i))}
		s.Change.Verb = o.Verb
		s.Label = r.GetOrigin().Ref
		if strings.HasPrefix(o.Verb, "alert.") {
			s.Change.AlertID = r.GetOrigin().ID
		} else {
			s.Change.Host = model.HostOf(r)
			if h, ok := r.(*model.Host); ok {
				s.Change.Host = h
			}
			if seen[s.Change.Host.Name] {
				continue
			}
			seen[s.Change.Host.Name] = true
		}
		s.Preview.Summary = "moves it to the policy \"Quarantine\""
		s.Preview.Requests = []string{"POST /device/218616/policy {\"policy\":\"Quarantine\"}"}
		s.Preview.Reversible = true
		p.Steps = append(p.Steps, s)
	}
	return p, nil
}

func (a *actor) Execute(ctx context.Context, p *ops.Plan, run ops.Run) *ops.Result {
	a.mu.Lock()
	defer a.mu.Unlock()
	res := &ops.Result{Verb: p.Verb()}
	for _, s := range p.Steps {
		a.sent = append(a.sent, s.Change.Verb+" "+s.Name()+" case="+run.Case+" comment="+run.Comment)
		act := &model.Action{Origin: model.Origin{ID: s.Action, Ref: s.Action}, Verb: s.Change.Verb, Host: s.Change.Host, State: model.ActionDone}
		if s.Change.AlertID != "" {
			act.Target = &model.ActionTarget{AlertID: s.Change.AlertID}
		}
		run.Update(ops.Update{Step: s, Action: act})
		res.Succeeded = append(res.Succeeded, act)
	}
	select {
	case <-time.After(a.slow):
	case <-ctx.Done():
	}
	return res
}

func (a *actor) Actions(context.Context, time.Time) ([]*model.Action, []ops.Outcome, error) {
	return []*model.Action{{
		Origin: model.Origin{ID: "act-19f2", Ref: "cb/act-19f2", Profile: "cb", Backend: "carbonblack"}, Verb: "isolate",
		Host: &model.Host{Name: "SRV-DB-02"}, State: model.ActionDone, RequestedAt: model.At(tuitest.Now.Add(-4 * time.Minute)), Reversible: true, Inverse: "release",
	}}, nil, nil
}

func acting(t *testing.T) (*tuitest.Driver, *actor) {
	t.Helper()
	f := tuitest.Shift()
	a := &actor{fake: f}
	return tuitest.Start(t, f, 120, 40, func(o *tui.Options) { o.Actor = a }), a
}

// Isolating asks for the name of the host, typed.
func TestIsolateTyped(t *testing.T) {
	d, a := acting(t)
	d.Press("j", "x").See("act on powershell.exe injected", "isolate from the network").Press("i")
	d.See("on 1 target", "SRV-DB-02", "type SRV-DB-02 to go on", "[ Cancel ]", "it can be undone")
	// Keys in flight answer nothing.
	d.Press("enter", "enter").See("[ Cancel ]")
	// Enter on what has the focus first: Cancel.
	d.Pass(2 * second).Press("enter").Miss("[ Cancel ]")
	if len(a.sent) != 0 {
		t.Fatalf("sent %v", a.sent)
	}
	d.Press("x", "i").Pass(2 * second).Press("left").Pass(second).Press("enter")
	d.See("type SRV-DB-02 first")
	d.Press("tab").See("[ Cancel ]").Pass(second).Press("tab").Pass(second).Type("triage").Press("tab").Pass(second).Type("IR-2231").Press("tab").Pass(second)
	d.Send(pasteOf("SRV-DB-02")).See("must be typed").Type("srv-db-02").Press("tab").Pass(second).Press("enter").See("POST /device/218616/policy")
	d.Press("tab").Pass(second).Press("enter").See("1 done", "SRV-DB-02")
	if want := []string{"isolate SRV-DB-02 case=IR-2231 comment=triage"}; !slices.Equal(a.sent, want) {
		t.Fatalf("sent %q, want %q", a.sent, want)
	}
	d.Press("enter").Pass(2 * second).Press("enter").Miss("1 done")
}

// Bulk dismissal shows how each alert fared, and sends each once.
func TestBulkDismiss(t *testing.T) {
	d, a := acting(t)
	d.Press("space", "space", "space", "x").See("3 selected").Press("d").See("on 3 targets").Pass(2*second).Press("left").Pass(second).Press("enter", "enter", "enter")
	d.See("3 done", "5f1c", "JSPJ", "8812")
	if len(a.sent) != 3 {
		t.Fatalf("sent %q", a.sent)
	}
}

// What cannot be done stands there with its reason, and does nothing.
func TestDisabledSaysWhy(t *testing.T) {
	d, a := acting(t)
	d.Press("/").Type("curl").Press("enter", "x").See("esp does not offer it").Press("i").See("esp does not offer it").Press("esc").Miss("act on")
	if len(a.sent) != 0 {
		t.Fatal(a.sent)
	}
}

// The list of actions leads to undo.
func TestActionsUndo(t *testing.T) {
	d, _ := acting(t)
	d.Go("actions").See("isolate", "done", "SRV-DB-02", "release").Press("x").See("undo").Press("enter")
	d.Pass(second).Press("enter").See("undo")
}

// A dialog that is hidden while the action is under way does not stop it.
func TestHiddenActionGoesOn(t *testing.T) {
	d, a := acting(t)
	a.slow = 50 * time.Millisecond
	d.Press("x", "c").Pass(2 * second).Press("left").Pass(second)
	d.App.Update(tuitest.Key("left"))
	d.App.Update(tuitest.Key("left"))
	d.Send(tuitest.Key("enter"))
	d.Press("esc").Settle()
	if len(a.sent) != 1 {
		t.Fatal(a.sent)
	}
}
