//go:build unix

package tui_test

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/charmbracelet/x/ansi"

	"github.com/edrctl/edrctl/internal/model"
	"github.com/edrctl/edrctl/internal/ops"
	"github.com/edrctl/edrctl/internal/tui"
	"github.com/edrctl/edrctl/internal/tui/tuitest"
)

// within fails when a time is over its budget: the budget itself when the
// figures are taken (EDRCTL_SOAK), four times as much where other tests share
// the machine, nothing under the race detector.
func within(t testing.TB, what string, took, budget time.Duration) {
	t.Helper()
	t.Logf("%s: %v", what, took.Round(10*time.Microsecond))
	if soak(t) == 0 {
		budget *= 4
	}
	if !raced && took > budget {
		t.Errorf("%s took %v, over %v", what, took, budget)
	}
}

// flood is a service on which new alerts never end: rate a second over all
// profiles, made on the fly, each different.
type flood struct {
	*tuitest.Fake
	rate   int
	made   atomic.Int64
	halted chan struct{}
	before []*model.Alert // there when it begins
}

func (f *flood) ListAlerts(_ context.Context, profile string, _ ops.Request, each func(*model.Alert) bool) error {
	for _, a := range f.before {
		if a.Profile == profile && !each(a) {
			break
		}
	}
	return nil
}

func (f *flood) WatchAlerts(ctx context.Context, profile string, _ ops.Watch, each func(*model.Alert) bool) error {
	began := time.Now()
	t := time.NewTicker(5 * time.Millisecond)
	defer t.Stop()
	for n := 0; ; {
		select {
		case <-t.C:
		case <-f.halted:
			<-ctx.Done()
			return ctx.Err()
		case <-ctx.Done():
			return ctx.Err()
		}
		for due := int(time.Since(began).Seconds() * float64(f.rate) / float64(len(f.List))); n < due; n++ {
			id := fmt.Sprint(n)
			a := tuitest.Alert(profile, id, "Burst alert "+id+" of rule "+id[max(0, len(id)-2):], fmt.Sprint("WS-", n%1500), fmt.Sprint("user", n%300), float64(n%97)/10, 0)
			a.Time = model.At(time.Now())
			a.Process = &model.Process{UID: id, PID: int64(n % 9000), Name: fmt.Sprintf("proc%d.exe", n%50), CommandLine: "proc.exe --run " + strings.Repeat(id, 12)}
			if !each(a) {
				return nil
			}
			f.made.Add(1)
		}
	}
}

// loop is what bubbletea does with a model: messages one after the other, a
// frame after each, commands in goroutines. It counts what it does.
type loop struct {
	t       testing.TB
	app     *tui.App
	msgs    chan any
	end     chan struct{}
	batches int // updates with live data
	updates int
	frames  []time.Duration // from a key to its frame
	frame   string
	w, h    int
}

type pressed struct {
	at  time.Time
	key tea.KeyPressMsg
}

func newLoop(t testing.TB, o tui.Options, w, h int) *loop {
	t.Helper()
	app, err := tui.New(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	l := &loop{t: t, app: app, msgs: make(chan any, 64), end: make(chan struct{}), w: w, h: h}
	t.Cleanup(func() { close(l.end); app.Close() })
	l.run(app.Init())
	l.take(tea.WindowSizeMsg{Width: w, Height: h})
	return l
}

func (l *loop) run(cmd tea.Cmd) {
	if cmd == nil {
		return
	}
	go func() {
		if m := cmd(); m != nil {
			select {
			case l.msgs <- m:
			case <-l.end:
			}
		}
	}()
}

func (l *loop) take(m any) {
	switch x := m.(type) {
	case tea.BatchMsg:
		for _, c := range x {
			l.run(c)
		}
		return
	case pressed:
		_, cmd := l.app.Update(x.key)
		l.draw()
		l.frames = append(l.frames, time.Since(x.at))
		l.run(cmd)
	default:
		if strings.HasSuffix(fmt.Sprintf("%T", m), "pumpMsg") {
			l.batches++
		}
		_, cmd := l.app.Update(m)
		l.draw()
		l.run(cmd)
	}
	l.updates++
}

func (l *loop) draw() { l.frame = l.app.View().Content }

// play continues until the time is over, pressing a key now and then.
func (l *loop) play(d time.Duration, keys ...string) {
	over := time.After(d)
	press := time.NewTicker(20 * time.Millisecond)
	defer press.Stop()
	if len(keys) == 0 {
		press.Stop()
	}
	for i := 0; ; {
		select {
		case m := <-l.msgs:
			l.take(m)
		case at := <-press.C:
			// The key was struck when the ticker fired, whatever kept us since.
			l.take(pressed{at, tuitest.Key(keys[i%len(keys)])})
			i++
		case <-over:
			return
		}
	}
}

func (l *loop) p99() time.Duration {
	slices.Sort(l.frames)
	return l.frames[len(l.frames)*99/100]
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func cpu(t testing.TB) time.Duration {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		t.Fatal(err)
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// TestFlood: 5,000 new alerts a second stay live, every one is counted, memory
// is flat and keys answer. With EDRCTL_SOAK=60s it runs that long with all the
// rows a session holds, and tells the figures of docs/performance.md.
func TestFlood(t *testing.T) {
	const rate = 5000
	// The store is full before the second look at the heap.
	first, second, third, keep := 500*time.Millisecond, 750*time.Millisecond, 1250*time.Millisecond, 4000
	if long := soak(t); long > 0 {
		first, second, third, keep = long/6, long/3, long/2, 100_000
	}
	f := &flood{Fake: tuitest.Shift(), rate: rate, halted: make(chan struct{})}
	l := newLoop(t, tui.Options{Service: f, Zone: time.UTC, MaxAlerts: keep}, 160, 50)
	began, used := time.Now(), cpu(t)
	keys := []string{"j", "j", "j", "k", "down", "up"}
	l.play(first, keys...)
	early := heap()
	l.play(second, keys...)
	before := heap()
	l.play(third, keys...)
	after := heap()
	took, used := time.Since(began), cpu(t)-used
	t.Logf("%d alerts in %v: %d batches, %.0f %% of one core (the making of the alerts included)", f.made.Load(), took.Round(time.Millisecond), l.batches, 100*used.Seconds()/took.Seconds())
	const mib = 1 << 20
	t.Logf("heap after %v: %.1f MiB, after %v: %.1f MiB, after %v: %.1f MiB", first, float64(early)/mib, first+second, float64(before)/mib, first+second+third, float64(after)/mib)

	if most := int(took/(100*time.Millisecond)) + 2; l.batches > most {
		t.Errorf("%d updates in %v: more than ten a second", l.batches, took)
	}
	if raced {
		if l.batches < 3 {
			t.Errorf("%d updates in %v: not live", l.batches, took)
		}
	} else if least := int(took / (250 * time.Millisecond)); l.batches < least {
		t.Errorf("%d updates in %v: not live", l.batches, took)
	}
	budget := 16 * time.Millisecond
	if keep >= 100_000 {
		budget = 33 * time.Millisecond
	}
	within(t, "from a key to its frame, the slowest of a hundred", l.p99(), budget)
	if after > before+before/4+4*mib {
		t.Errorf("the heap grew from %d to %d bytes", before, after)
	}

	close(f.halted)
	for deadline := time.Now().Add(20 * time.Second); ; l.play(50 * time.Millisecond) {
		stored, dropped := l.app.StoredAlerts()
		if int64(stored+dropped) == f.made.Load() {
			if stored > keep {
				t.Errorf("%d alerts are held, over %d", stored, keep)
			}
			if !raced && dropped == 0 {
				t.Error("nothing was dropped: the test shows nothing")
			}
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d alerts made, %d held, %d dropped", f.made.Load(), stored, dropped)
		}
	}
	if text := ansi.Strip(l.frame); !strings.Contains(text, " dropped") {
		t.Errorf("the screen does not say that alerts were dropped:\n%s", text)
	}
	if err := tuitest.Check(l.frame, l.w, l.h); err != nil {
		t.Error(err)
	}
}

// TestHostsInAFlood: with every row a session holds, 5,000 new alerts a second
// and a full list of hosts, whose alerts are counted as they come, keys answer
// in the list and on the page of a host.
func TestHostsInAFlood(t *testing.T) {
	stored := 100_000
	if raced {
		stored = 2_000
	}
	f := &flood{Fake: tuitest.Shift(), rate: 5000, halted: make(chan struct{}), before: tuitest.Burst(stored)}
	f.HostList = nil
	for i := range 1500 {
		name := fmt.Sprintf("WS-%04d", i)
		f.HostList = append(f.HostList, &model.Host{Origin: model.Origin{ID: name, Ref: "cw/" + name, Profile: "cw"}, Name: name})
	}
	l := newLoop(t, tui.Options{Service: f, Zone: time.UTC, View: "hosts"}, 160, 50)
	for deadline := time.Now().Add(20 * time.Second); ; l.play(20 * time.Millisecond) {
		if n, dropped := l.app.StoredAlerts(); n+dropped > stored && strings.Contains(l.frame, "WS-0004") {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the alerts never came:\n%s", ansi.Strip(l.frame))
		}
	}
	l.play(200 * time.Millisecond)
	for _, x := range []struct{ what, see string }{{"in the list of hosts", "ALERTS"}, {"on the page of a host", "in the last 24 h"}} {
		if text := ansi.Strip(l.frame); !strings.Contains(text, x.see) {
			t.Fatalf("it does not show %q:\n%s", x.see, text)
		}
		l.frames = nil
		l.play(400*time.Millisecond, "j", "k")
		within(t, "from a key to its frame "+x.what, l.p99(), 33*time.Millisecond)
		l.take(tuitest.Key("enter"))
		l.play(50 * time.Millisecond)
	}
	close(f.halted)
}

// TestIdle: a screen on which nothing happens does nothing: it may look at the
// clock once after the last event, and again when the minute turns.
func TestIdle(t *testing.T) {
	t.Parallel()
	f := tuitest.Shift()
	l := newLoop(t, tui.Options{Service: f, Zone: time.UTC, Now: func() time.Time { return tuitest.Now.Add(5 * time.Minute) }}, 120, 40)
	l.play(1500 * time.Millisecond)
	before := l.updates
	l.play(2 * time.Second)
	if n := l.updates - before; n > 1 {
		t.Errorf("%d updates in 2 s of rest", n)
	}
}
