// Package tuitest drives the terminal interface in tests: a service made of
// plain data, and a fluent driver that presses keys and reads the screen.
package tuitest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/edrctl/edrctl/internal/hunt"
	"github.com/edrctl/edrctl/internal/model"
	"github.com/edrctl/edrctl/internal/ops"
	"github.com/edrctl/edrctl/internal/ptree"
	"github.com/edrctl/edrctl/internal/tui"
)

// Now is what time it is in tests.
var Now = time.Date(2026, 11, 22, 3, 0, 0, 0, time.UTC)

// Fake is a service over data. Its fields are set before it is used; Push and
// Fail may be called at any time.
type Fake struct {
	List       []tui.Profile
	AlertList  []*model.Alert
	EventList  []*model.Event
	HostList   []*model.Host
	CarveList  []*model.Carve
	ProcList   []*model.Process
	HitList    []*model.Hit
	TreeResult *ops.TreeResult
	Kids       map[string][]*model.Process // by the parent's uid: what a tree reads a page at a time
	HuntGate   chan struct{}               // when set: a hunt shows half of its hits, and ends when this is closed
	SigmaGate  chan struct{}               // when set: a hunt with Sigma rules ends when this is closed
	Slow       time.Duration               // before every answer

	mu    sync.Mutex
	fail  map[string]error
	reads map[string]error // of everything but alerts
	renew []string
	live  map[string][]chan *model.Alert
	Asked []string // what was asked, in order
}

func (f *Fake) note(format string, args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.Asked = append(f.Asked, fmt.Sprintf(format, args...))
}

// Fail makes a profile fail from now on; nil makes it well.
func (f *Fake) Fail(profile string, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.fail == nil {
		f.fail = map[string]error{}
	}
	f.fail[profile] = err
	if err != nil {
		for _, ch := range f.live[profile] {
			close(ch)
		}
		delete(f.live, profile)
	}
}

// FailReads makes a profile fail at everything but its alerts; nil makes it well.
func (f *Fake) FailReads(profile string, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.reads = map[string]error{profile: err}
}

// Renew records which profile was logged in to.
func (f *Fake) Renew(profile string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.renew = append(f.renew, profile)
}

// Renewed are the profiles that were logged in to.
func (f *Fake) Renewed() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]string{}, f.renew...)
}

// Count tells how often something was asked.
func (f *Fake) Count(what string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := 0
	for _, a := range f.Asked {
		if strings.HasPrefix(a, what) {
			n++
		}
	}
	return n
}

// Refused is the error of a login that is not accepted.
func Refused(backend, why string) error { return ops.Refused(backend, why) }

// Push sends an alert to whoever watches its profile.
func (f *Fake) Push(a *model.Alert) {
	f.mu.Lock()
	chans := append([]chan *model.Alert{}, f.live[a.Profile]...)
	f.AlertList = append([]*model.Alert{a}, f.AlertList...)
	f.mu.Unlock()
	for _, ch := range chans {
		ch <- a
	}
}

// Watched tells how many profiles are being followed.
func (f *Fake) Watched() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := 0
	for _, c := range f.live {
		if len(c) > 0 {
			n++
		}
	}
	return n
}

func (f *Fake) err(profile string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.fail[profile]
}

func (f *Fake) wait(ctx context.Context) error {
	if f.Slow == 0 {
		return ctx.Err()
	}
	select {
	case <-time.After(f.Slow):
		return ctx.Err()
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Profiles gives List.
func (f *Fake) Profiles() []tui.Profile { return f.List }

// ListAlerts gives the alerts of one profile, newest first, then the error it was set
// to fail with.
func (f *Fake) ListAlerts(ctx context.Context, profile string, _ ops.Request, each func(*model.Alert) bool) error {
	if err := f.wait(ctx); err != nil {
		return err
	}
	f.mu.Lock()
	list := append([]*model.Alert{}, f.AlertList...)
	f.mu.Unlock()
	for _, a := range list {
		if a.Profile == profile && !each(a) {
			return ctx.Err()
		}
	}
	return f.err(profile)
}

// WatchAlerts gives what is pushed for a profile until it is cut off.
func (f *Fake) WatchAlerts(ctx context.Context, profile string, _ ops.Watch, each func(*model.Alert) bool) error {
	ch := make(chan *model.Alert, 1024)
	f.mu.Lock()
	if f.live == nil {
		f.live = map[string][]chan *model.Alert{}
	}
	f.live[profile] = append(f.live[profile], ch)
	f.mu.Unlock()
	for {
		select {
		case a, ok := <-ch:
			if !ok {
				return f.err(profile)
			}
			if !each(a) {
				return nil
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// ErrNone says that there is no such thing.
var ErrNone = errors.New("there is no such thing")

// Alert finds an alert in AlertList by its reference.
func (f *Fake) Alert(ctx context.Context, ref string) (*model.Alert, error) {
	f.note("alert %s", ref)
	if err := f.wait(ctx); err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, a := range f.AlertList {
		if a.Ref == ref {
			return a, nil
		}
	}
	return nil, ErrNone
}

// AlertEvents gives the events of EventList that belong to an alert.
func (f *Fake) AlertEvents(ctx context.Context, ref string, each func(*model.Event) bool) error {
	for _, e := range f.EventList {
		if e.Profile+"/"+e.AlertID == ref && !each(e) {
			break
		}
	}
	return f.wait(ctx)
}

func outcomes(list []tui.Profile) []ops.Outcome {
	out := make([]ops.Outcome, len(list))
	for i, p := range list {
		out[i] = ops.Outcome{Profile: p.Name, Backend: p.Backend}
	}
	return out
}

func (f *Fake) outcomes() []ops.Outcome {
	out := outcomes(f.List)
	for i := range out {
		out[i].Err = f.err(out[i].Profile)
		f.mu.Lock()
		if err := f.reads[out[i].Profile]; err != nil {
			out[i].Err = err
		}
		f.mu.Unlock()
	}
	return out
}

// Events gives the events of EventList that match.
func (f *Fake) Events(ctx context.Context, req ops.Request, each func(*model.Event) bool) []ops.Outcome {
	f.note("events %s", req.Filter)
	_ = f.wait(ctx)
	for _, e := range f.EventList {
		if req.Filter.Match(e) && !each(e) {
			break
		}
	}
	return f.outcomes()
}

// Hosts gives the hosts of HostList that match.
func (f *Fake) Hosts(ctx context.Context, req ops.Request, each func(*model.Host) bool) []ops.Outcome {
	f.note("hosts")
	_ = f.wait(ctx)
	for _, h := range f.HostList {
		if req.Filter.Match(h) && !each(h) {
			break
		}
	}
	return f.outcomes()
}

// Processes gives the processes of ProcList that match.
func (f *Fake) Processes(ctx context.Context, req ops.Request, each func(*model.Process) bool) []ops.Outcome {
	_ = f.wait(ctx)
	for _, p := range f.ProcList {
		if req.Filter.Match(p) && !each(p) {
			break
		}
	}
	return f.outcomes()
}

// Carves gives CarveList.
func (f *Fake) Carves(ctx context.Context, _ ops.Request, each func(*model.Carve) bool) []ops.Outcome {
	_ = f.wait(ctx)
	for _, c := range f.CarveList {
		if !each(c) {
			break
		}
	}
	return f.outcomes()
}

// HashInfo says the same of every hash: malicious, on two hosts.
func (f *Fake) HashInfo(ctx context.Context, hash string, each func(*model.HashInfo) bool) []ops.Outcome {
	_ = f.wait(ctx)
	f.note("hash %s", hash)
	each(&model.HashInfo{
		Origin: model.Origin{ID: hash, Profile: "cw"}, Hash: hash, Verdict: "malicious", Names: []string{"d.dll"},
		Hosts: []*model.Host{{Name: "FIN-WS-014"}, {Name: "HR-LT-221"}},
	})
	return f.outcomes()
}

// Tree gives TreeResult or, without one, a tree built of the alerts and events,
// about the alert with the reference.
func (f *Fake) Tree(ctx context.Context, q ops.TreeQuery) (*ops.TreeResult, error) {
	f.note("tree %s", q.Ref)
	if err := f.wait(ctx); err != nil {
		return nil, err
	}
	if f.TreeResult != nil {
		return f.TreeResult, nil
	}
	var b ptree.Builder
	var focus *ptree.Node
	for _, a := range f.AlertList {
		if n := b.AddAlert(a.Profile, a); n != nil && a.Ref == q.Ref {
			n.Focus, focus = true, n
		}
	}
	if focus == nil {
		return nil, ErrNone
	}
	for _, e := range f.EventList {
		b.AddEvent(e.Profile, e)
	}
	if f.Kids == nil {
		return &ops.TreeResult{Tree: b.Build(), Focus: focus}, nil
	}
	g := &growing{f: f, b: &b, focus: focus, read: map[string]int{}}
	return g.result(), nil
}

// growing is a tree that is read as it is opened, kidsPage children at a time.
type growing struct {
	f     *Fake
	b     *ptree.Builder
	focus *ptree.Node
	read  map[string]int // children read, by uid
}

const kidsPage = 2

func (g *growing) result() *ops.TreeResult {
	read := map[string]int{}
	for k, n := range g.read {
		read[k] = n
	}
	res := &ops.TreeResult{Tree: g.b.Clone().Build(), More: g.more}
	res.Focus = res.Tree.Match(g.focus)
	res.Unread = func(n *ptree.Node) bool {
		_, asked := read[n.Process.UID]
		return !asked && n.Process.UID != ""
	}
	return res
}

func (g *growing) more(ctx context.Context, m ops.More) (*ops.TreeResult, error) {
	if err := g.f.wait(ctx); err != nil {
		return nil, err
	}
	queue := []string{m.Node.Process.UID}
	if m.All {
		(&ptree.Tree{Roots: m.Node.Children}).Walk(func(n *ptree.Node, _ int) bool {
			queue = append(queue, n.Process.UID)
			return true
		})
	}
	for ; len(queue) > 0; queue = queue[1:] {
		uid := queue[0]
		g.f.note("children %s from %d", uid, g.read[uid])
		kids := g.f.Kids[uid]
		end := min(g.read[uid]+kidsPage, len(kids))
		if m.All {
			end = len(kids)
		}
		for _, p := range kids[g.read[uid]:end] {
			g.b.AddProcess("ge", p, g.focus.Process.Host)
			if m.All {
				queue = append(queue, p.UID)
			}
		}
		g.read[uid] = end
		g.b.AddMissing("ge", uid, len(kids)-end)
	}
	return g.result(), nil
}

// Hunt reads the indicators, reports half of the work as done and gives HitList.
func (f *Fake) Hunt(ctx context.Context, r io.Reader, name string, _ hunt.Span, observer tui.HuntObserver) (tui.HuntResult, error) {
	b, err := io.ReadAll(r)
	if err != nil {
		return tui.HuntResult{}, err
	}
	f.note("hunt %s %s", name, strings.Join(strings.Fields(string(b)), " "))
	observer.Progress(hunt.Progress{Done: 1, Units: 2})
	for _, h := range f.HitList[:(len(f.HitList)+1)/2] {
		early := *h
		early.Count = 1
		observer.OnHit(&early)
	}
	if f.HuntGate != nil {
		select {
		case <-f.HuntGate:
		case <-ctx.Done():
			return tui.HuntResult{}, ctx.Err()
		}
	}
	if err := f.wait(ctx); err != nil {
		return tui.HuntResult{}, err
	}
	return tui.HuntResult{
		Hits:    f.HitList,
		Summary: hunt.Summary{Indicators: len(strings.Fields(string(b))), Hits: len(f.HitList), Profiles: []hunt.SourceSummary{{Profile: "cw", Backend: "cwatch", Hits: len(f.HitList)}}},
	}, nil
}
