package cmdutil

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/charmbracelet/x/ansi"

	"github.com/edrctl/edrctl/internal/change"
	"github.com/edrctl/edrctl/internal/iostreams"
	"github.com/edrctl/edrctl/internal/model"
)

// maxLive is how many targets the live table shows; of more it shows those
// that move, and counts the rest.
const maxLive = 16

// liveTable shows on a terminal how each target does: the states it went
// through, and for how long.
type liveTable struct {
	f     *Factory
	block *iostreams.Live
	start time.Time
	mu    sync.Mutex
	rows  []*liveRow
	byID  map[string]*liveRow
	stop  chan struct{}
	once  sync.Once
}

type liveRow struct {
	name   string
	ref    string
	states []string
	state  model.ActionState
	began  time.Time
	ended  time.Time
}

func newLive(f *Factory, plan *change.Plan) *liveTable {
	l := &liveTable{f: f, block: f.IO.StartLive(), start: time.Now(), byID: map[string]*liveRow{}, stop: make(chan struct{})}
	for _, s := range plan.Steps {
		r := &liveRow{name: f.IO.Show(f.safe(s.Name())), ref: f.IO.Show(f.safe(s.Ref())), states: []string{"queued"}, state: model.ActionQueued}
		l.rows = append(l.rows, r)
		l.byID[s.Action] = r
	}
	if l.block.On() {
		go l.tick()
	}
	return l
}

func (l *liveTable) tick() {
	t := time.NewTicker(200 * time.Millisecond)
	defer t.Stop()
	for {
		select {
		case <-l.stop:
			return
		case <-t.C:
			l.mu.Lock()
			l.draw(false)
			l.mu.Unlock()
		}
	}
}

func (l *liveTable) update(u change.Update) {
	if u.Note != "" {
		l.mu.Lock()
		l.block.Clear()
		l.f.Warn("%s: %s", u.Step.Name(), u.Note)
		l.mu.Unlock()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	r := l.byID[u.Step.Action]
	if r == nil {
		return
	}
	if r.began.IsZero() {
		r.began = time.Now()
	}
	r.state = u.Action.State
	word := string(u.Action.State)
	switch {
	case u.Action.NativeState == "offline" && u.Action.State == model.ActionFailed:
		word = "offline"
	case u.Action.State == "":
		word = "nothing to do"
	case u.Action.State == model.ActionDone && u.Action.NativeState != "":
		word = u.Action.NativeState
	}
	word = l.f.IO.Show(l.f.safe(word))
	if len(r.states) == 1 && r.states[0] == "queued" && u.Action.State != model.ActionQueued {
		r.states = nil
	}
	if len(r.states) == 0 || r.states[len(r.states)-1] != word {
		r.states = append(r.states, word)
	}
	if (u.Action.State.Final() || u.Action.State == "") && r.ended.IsZero() {
		r.ended = time.Now()
	}
	l.draw(false)
}

// end draws the last state; erase takes the table away, when the result says
// the same on the same terminal. It tells whether the table is there.
func (l *liveTable) end(erase bool) bool {
	l.once.Do(func() { close(l.stop) })
	l.mu.Lock()
	defer l.mu.Unlock()
	if erase {
		l.block.Clear()
		return false
	}
	l.draw(true)
	return l.block.On() && len(l.rows) <= maxLive
}

func (l *liveTable) draw(last bool) {
	if !l.block.On() {
		return
	}
	pal := l.f.IO.ErrPalette()
	check, cross := "✓", "✗"
	if !l.f.IO.Unicode() {
		check, cross = "ok", "x"
	}
	width := 8
	for _, r := range l.rows {
		width = max(width, min(ansi.StringWidth(r.name), 32))
	}
	var lines []string
	hidden := 0
	counts := map[model.ActionState]int{}
	for _, r := range l.rows {
		counts[r.state]++
		settled := r.state == model.ActionDone || r.state == model.ActionQueued || r.state == ""
		if len(l.rows) > maxLive && (settled || len(lines) >= maxLive) {
			hidden++
			continue
		}
		var b strings.Builder
		for i, s := range r.states {
			current := i == len(r.states)-1
			switch {
			case current && (r.state == model.ActionFailed || r.state == model.ActionAmbiguous || r.state == model.ActionExpired):
				b.WriteString("  " + pal.Red(s+" "+cross))
			case current && (!r.state.Final() && r.state != "" || r.state == model.ActionSkipped):
				b.WriteString("  " + pal.Yellow(s))
			default:
				b.WriteString("  " + pal.Green(s+" "+check))
			}
		}
		took := ""
		if !r.began.IsZero() {
			end := r.ended
			if end.IsZero() {
				end = time.Now()
			}
			took = fmt.Sprintf("  %.1f s", end.Sub(r.began).Seconds())
		}
		name := ansi.Truncate(r.name, width, "…")
		lines = append(lines, "  "+name+strings.Repeat(" ", width-ansi.StringWidth(name))+b.String()+pal.Dim(took+"  "+r.ref))
	}
	if hidden > 0 {
		var parts []string
		for _, s := range model.ActionStates {
			if counts[s] > 0 {
				parts = append(parts, fmt.Sprintf("%d %s", counts[s], s))
			}
		}
		lines = append(lines, pal.Dim("  "+strings.Join(parts, ", ")))
	}
	l.block.Set(lines, last)
}
