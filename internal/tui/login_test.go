package tui

import (
	"context"
	"errors"
	"io"
	"os/exec"
	"sync/atomic"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/edrctl/edrctl/internal/hunt"
	"github.com/edrctl/edrctl/internal/model"
	"github.com/edrctl/edrctl/internal/ops"
)

// idle is a Service without anything.
type idle struct{}

func (idle) Profiles() []Profile { return []Profile{{Name: "p", Backend: "gene"}} }
func (idle) ListAlerts(context.Context, string, ops.Request, func(*model.Alert) bool) error {
	return nil
}
func (idle) WatchAlerts(ctx context.Context, _ string, _ ops.Watch, _ func(*model.Alert) bool) error {
	<-ctx.Done()
	return ctx.Err()
}
func (idle) Alert(context.Context, string) (*model.Alert, error)                { return nil, errNotSaved }
func (idle) AlertEvents(context.Context, string, func(*model.Event) bool) error { return nil }
func (idle) Events(context.Context, ops.Request, func(*model.Event) bool) []ops.Outcome {
	return nil
}
func (idle) Hosts(context.Context, ops.Request, func(*model.Host) bool) []ops.Outcome { return nil }
func (idle) Processes(context.Context, ops.Request, func(*model.Process) bool) []ops.Outcome {
	return nil
}
func (idle) Carves(context.Context, ops.Request, func(*model.Carve) bool) []ops.Outcome { return nil }
func (idle) HashInfo(context.Context, string, func(*model.HashInfo) bool) []ops.Outcome { return nil }
func (idle) Tree(context.Context, ops.TreeQuery) (*ops.TreeResult, error)               { return nil, errNotSaved }
func (idle) LoadSigma(string, model.Severity) (*hunt.SigmaRules, error)                 { return nil, errNotSaved }
func (idle) HuntSigma(context.Context, hunt.Sigma) ([]*model.SigmaHit, hunt.SigmaSummary, error) {
	return nil, hunt.SigmaSummary{}, nil
}
func (idle) EventsOf(context.Context, []string, ops.Request, func(*model.Event) bool) []ops.Outcome {
	return nil
}
func (idle) Hunt(context.Context, io.Reader, string, hunt.Span, HuntObserver) (HuntResult, error) {
	return HuntResult{}, nil
}

// Logging in again: keys in flight do not answer, Later is the default, and
// only Log in runs the login.
func TestLoginDialog(t *testing.T) {
	var passed atomic.Int64
	pass := func(by time.Duration) { passed.Add(int64(by)) }
	ran := 0
	a, err := New(t.Context(), Options{
		Service: idle{}, Manual: true, Now: func() time.Time { return time.Unix(1_800_000_000, passed.Load()) },
		Login: func(string) *exec.Cmd { ran++; return exec.Command("true") },
	})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	a.Init()
	a.Update(tea.WindowSizeMsg{Width: 80, Height: 24})
	press := func(code rune) { a.Update(tea.KeyPressMsg{Code: code}) }
	again := func() {
		a.dialogs = nil
		a.s.dialog(&loginDialog{profile: "p", err: errors.New("the session has expired")})
	}
	again()
	press(tea.KeyEnter)
	if len(a.dialogs) != 1 {
		t.Fatal("a key in flight answered")
	}
	pass(2 * time.Second)
	press(tea.KeyEnter)
	if len(a.dialogs) != 0 || ran != 0 {
		t.Fatal("the default is not Later")
	}
	again()
	pass(2 * time.Second)
	press(tea.KeyTab)
	pass(time.Second)
	press(tea.KeyEnter)
	if ran != 1 || len(a.dialogs) != 0 {
		t.Fatalf("ran %d", ran)
	}
	a.Update(answer{msg: loggedIn{profile: "p"}})
	if a.top() == nil || a.top().name() != "alerts" {
		t.Fatal("the view was lost")
	}
}

// The store lets the oldest go when it is full, and counts them.
func TestStoreIsBounded(t *testing.T) {
	s := newStore()
	at := time.Unix(1_800_000_000, 0)
	batch := make([]*model.Alert, 0, 1000)
	for i := range maxAlerts + 5000 {
		id := at.Add(time.Duration(i) * time.Second).Format(time.RFC3339)
		batch = append(batch, &model.Alert{Origin: model.Origin{Ref: "p/" + id}, Time: model.At(at.Add(time.Duration(i) * time.Second))})
		if len(batch) == cap(batch) {
			s.add(batch, true, false)
			batch = make([]*model.Alert, 0, 1000)
		}
	}
	s.add(batch, true, false)
	if len(s.all) > maxAlerts || len(s.all) != len(s.byRef) || s.dropped == 0 || len(s.all)+s.dropped != maxAlerts+5000 {
		t.Fatalf("%d rows, %d refs, %d dropped", len(s.all), len(s.byRef), s.dropped)
	}
	if s.all[0].a.Time.Before(at.Add(5000 * time.Second)) {
		t.Fatal("not the oldest went")
	}
}
