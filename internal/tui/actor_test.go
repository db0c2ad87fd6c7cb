package tui_test

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/edrctl/edrctl/internal/change"
	"github.com/edrctl/edrctl/internal/download"
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

	orders   []tui.Order
	fetchErr error
	changed  string // what checking a file finds
	notReady string
	fails    string            // id of an alert that cannot be changed
	cannot   map[string]string // verb of what a profile cannot do
}

func (a *actor) Can(profile, verb string) (string, error) {
	if a.cannot[profile] == verb {
		return "", errors.New("cannot: " + profile + " does not offer it")
	}
	if profile == "es" && verb == "isolate" {
		return "", errors.New("cannot isolate: esp does not offer it")
	}
	return "as " + profile + " does it", nil
}

func (a *actor) Plan(_ context.Context, o tui.Order) (*change.Plan, error) {
	a.mu.Lock()
	a.orders = append(a.orders, o)
	a.mu.Unlock()
	p := &change.Plan{Verb: o.Verb}
	seen := map[string]bool{}
	for i, r := range o.Records {
		s := &change.Step{Action: "act-" + string(rune('a'+i))}
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
		s.Preview.NotReady = a.notReady
		p.Steps = append(p.Steps, s)
	}
	return p, nil
}

func (a *actor) Execute(ctx context.Context, p *change.Plan, run change.Run) *change.Result {
	a.mu.Lock()
	defer a.mu.Unlock()
	res := &change.Result{Verb: p.Verb}
	for _, s := range p.Steps {
		a.sent = append(a.sent, s.Change.Verb+" "+s.Name()+" case="+run.Case+" comment="+run.Comment)
		act := &model.Action{Origin: model.Origin{ID: s.Action, Ref: s.Action}, Verb: s.Change.Verb, Host: s.Change.Host, State: model.ActionDone}
		if s.Change.AlertID != "" {
			act.Target = &model.ActionTarget{AlertID: s.Change.AlertID}
		}
		if s.Change.AlertID != "" && s.Change.AlertID == a.fails {
			act.State, act.Error = model.ActionFailed, "it was closed by someone else"
			run.Update(change.Update{Step: s, Action: act})
			res.Failed = append(res.Failed, act)
			continue
		}
		if s.Change.Verb == "carve" {
			act.Profile, act.Files = "ge", []string{"c1"}
		}
		run.Update(change.Update{Step: s, Action: act})
		res.Succeeded = append(res.Succeeded, act)
	}
	select {
	case <-time.After(a.slow):
	case <-ctx.Done():
	}
	return res
}

func (a *actor) History(_ context.Context, about *model.Alert) ([]*model.Action, error) {
	if about.ID != "8812" {
		return nil, nil
	}
	return []*model.Action{{
		Origin: model.Origin{ID: "act-77aa", Ref: "cw/act-77aa", Profile: "cw"}, Verb: "alert.dismiss", State: model.ActionDone, RequestedAt: model.At(tuitest.Now.Add(-10 * time.Minute)),
		Target: &model.ActionTarget{AlertID: "8812"}, Details: map[string]string{"user": "k.ivanova", "case": "IR-2231", "comment": "an administrator at work"},
	}}, nil
}

func (a *actor) InForce(context.Context) ([]*change.InForce, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if slices.ContainsFunc(a.sent, func(s string) bool { return strings.HasPrefix(s, "undo ") }) {
		return nil, nil
	}
	return []*change.InForce{{
		Action: "cb/act-19f2", Profile: "cb", Backend: "carbonblack", Verb: "isolate", Host: "SRV-DB-02", Since: model.At(tuitest.Now.Add(-4 * time.Minute)),
		By: "k.ivanova", State: "done", Undo: "edrctl respond undo cb/act-19f2",
	}}, nil
}

func (a *actor) Fetch(ctx context.Context, ref string, o change.Fetch) (*change.Fetched, error) {
	a.mu.Lock()
	a.sent = append(a.sent, "fetch "+ref+" to "+o.Dir+" zip="+o.Zip)
	a.mu.Unlock()
	c := &model.Carve{Origin: model.Origin{ID: "c1", Ref: ref, Profile: "ge"}, Host: &model.Host{Name: "FIN-WS-014"}, Path: `C:\Users\Public\d.dll`, Size: 18432}
	o.Update(c)
	o.Progress(c, 9000, 18432)
	select {
	case <-time.After(a.slow):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if a.fetchErr != nil {
		return nil, a.fetchErr
	}
	sum := strings.Repeat("3f79bb7b", 8)
	c.SHA256, c.SavedTo = sum, o.Dir+"/d.dll"
	return &change.Fetched{Carve: c, Saved: saved(c.SavedTo, sum)}, nil
}

func (a *actor) Check(_ context.Context, path string) (*change.Checked, error) {
	return &change.Checked{File: path, OK: a.changed == "", Why: a.changed, SHA256: strings.Repeat("3f79bb7b", 8), Size: 18432, Host: "FIN-WS-014", Path: `C:\Users\Public\d.dll`}, nil
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

// What cannot be done is listed with its reason, and does nothing.
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
	d.Go("in-force").See("isolate", "in force 1", "SRV-DB-02", "release").Press("x").See("undo").Press("u").See("undo: SRV-DB-02")
	// After it, the list behind tells how it is now.
	d.Pass(2*second).Press("left").Pass(second).Press("enter").See("1 done").Pass(2*second).Press("enter").See("in force 0", "nothing is isolated or blocked").Miss("● 02:56")
	d.Go("actions").See("in force 0", "done").Press("enter").See("edrctl respond get cb/act-19f2")
}

// A dialog that is hidden while the action is under way does not stop it.
func TestHiddenActionGoesOn(t *testing.T) {
	d, a := acting(t)
	a.slow = 50 * time.Millisecond
	d.Press("x", "c").Pass(2 * second).Press("left").Pass(second)
	d.App.Update(tuitest.Key("left"))
	d.App.Update(tuitest.Key("left"))
	d.Send(tuitest.Key("enter"))
	d.Press("esc").WaitIdle()
	if len(a.sent) != 1 {
		t.Fatal(a.sent)
	}
}

// saved is a file that was brought here.
func saved(path, sha256 string) *download.Saved {
	return &download.Saved{Name: filepath.Base(path), Path: path, Manifest: path + ".json", Size: 18432, Hashes: download.Hashes{SHA256: sha256}}
}
