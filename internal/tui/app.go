// Package tui is the terminal interface: alerts of all profiles live, one key
// to the story behind each, one dialog to act. Everything it knows comes from
// internal/ops through Service; everything it does goes through Actor.
//
// There is one tea.Model, the App. Views are structs behind a small interface
// on a stack. Update does no I/O, commands change no state, and what a command
// answers is addressed to the view and generation that asked.
package tui

import (
	"context"
	"slices"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/charmbracelet/colorprofile"

	"github.com/edrctl/edrctl/internal/ops"
	"github.com/edrctl/edrctl/internal/safetext"
	"github.com/edrctl/edrctl/internal/tui/keys"
	"github.com/edrctl/edrctl/internal/tui/theme"
)

// Options are what a session is started with.
type Options struct {
	Service  Service
	Actor    Actor // nil: nothing can be changed
	Keys     *keys.Map
	Now      func() time.Time
	Zone     *time.Location
	Window   time.Duration // how far back alerts are read; 0 = 24 h
	Archive  bool          // the records are of any age: all of them are read, and Window reaches that far
	Interval time.Duration // between two polls; 0 = the default of ops
	View     string        // where to start, "" = alerts
	Filter   string
	Filters  map[string]string // of the configuration, used as @name
	Ref      string            // with View alert or tree: of what
	State    *State            // remembered from before; nil = nothing
	ASCII    bool              // the locale shows no Unicode
	NoColor  bool
	Light    *bool // nil: as the terminal says
	Replay   string
	Login    Login // nil: logging in from here is not possible
	// Unlock reads what a login has kept, while the terminal is still an
	// ordinary one and questions can be asked; may be nil.
	Unlock func(profile string) error
	// SuspendInterrupts leaves Ctrl-C to the login while it has the terminal; nil where
	// nothing else takes it.
	SuspendInterrupts func() (resume func())
	MaxAlerts         int // how many alerts are stored; 0 = 100,000
	// Manual is for tests: nothing ticks, and what arrives by itself waits
	// until Drain.
	Manual bool
}

// reach says how far back is looked.
func (a *App) reach() string {
	if a.opt.Archive {
		return "all the evidence"
	}
	return "the last " + age(a.opt.Window)
}

// recent is where a list of events begins that is of no moment in particular.
func (a *App) recent() time.Time {
	if a.opt.Archive {
		return a.opt.Now().Add(-a.opt.Window)
	}
	return a.opt.Now().Add(-time.Hour)
}

// Least size of a terminal anything can be shown on.
const (
	minWidth  = 40
	minHeight = 12
)

// App is the tea.Model.
type App struct {
	opt    Options
	s      *shell
	cancel context.CancelFunc
	stop   context.CancelFunc // of the feeders
	feeds  int                // generation of the feeders

	stack, last []view
	prompt      *prompt
	dialogs     []dialog
	health      map[string]health
	w, h        int
	toastText   safetext.Display
	toastStyle  theme.Style
	toastUntil  time.Time
	focused     bool
	quitting    bool
	click       struct {
		at   time.Time
		x, y int
	}
	cursorX, cursorY int
	hunts            []hunted
	caseID           string
	work             work
	lines            []string

	soon     bool // the last frame shows what changes within a second
	wakeAt   time.Time
	wakeStop context.CancelFunc

	broken error // what ended the session, and where
	trace  string
}

// New makes the model. Nothing is asked before it runs.
func New(ctx context.Context, o Options) (*App, error) {
	if o.Keys == nil {
		m, err := keys.New(nil)
		if err != nil {
			return nil, err
		}
		o.Keys = m
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Zone == nil {
		o.Zone = time.Local
	}
	if o.Window <= 0 {
		o.Window = 24 * time.Hour
	}
	if o.State == nil {
		o.State = &State{}
	}
	if o.Actor == nil {
		o.Actor = noActor{}
	}
	ctx, cancel := context.WithCancel(ctx)
	a := &App{opt: o, cancel: cancel, health: map[string]health{}, focused: true}
	light := o.State.Light
	if o.Light != nil {
		light = *o.Light
	}
	depth := theme.TrueColor
	if o.NoColor {
		depth = theme.NoColor
	}
	a.s = &shell{
		app: a, svc: o.Service, store: newStore(), pump: newPump(), keys: o.Keys, now: o.Now, zone: o.Zone, filters: o.Filters,
		ctx: ctx, actor: o.Actor, saved: o.State,
		theme: theme.New(theme.Options{Light: light, Depth: depth, ASCII: o.ASCII}),
	}
	a.s.store.now = o.Now
	if o.MaxAlerts > 0 {
		a.s.store.limit = o.MaxAlerts
	}
	for _, p := range o.Service.Profiles() {
		a.health[p.Name] = health{state: healthReading}
	}
	return a, nil
}

// Close ends everything that runs behind the screen.
func (a *App) Close() {
	a.cancel()
	a.s.pump.close()
}

// Drain takes in what has arrived by itself, under Manual.
func (a *App) Drain() (cmd tea.Cmd, any bool) {
	items := a.s.pump.take()
	if len(items) == 0 {
		return nil, false
	}
	_, cmd = a.Update(items)
	return cmd, true
}

// Reading tells whether some profile has not yet given its first answer.
func (a *App) Reading() bool {
	for _, h := range a.health {
		if h.state == healthReading || h.state == healthRefreshing {
			return true
		}
	}
	return false
}

// Lines are the lines of the last frame, with their styles.
func (a *App) Lines() []string { return a.lines }

// State is what is worth remembering for the next session.
func (a *App) State() *State { return a.s.saved }

// StoredAlerts is how many alerts are held, and how many were let go.
func (a *App) StoredAlerts() (alerts, dropped int) { return len(a.s.store.all), a.s.store.dropped }

// tickMsg says that time has passed and nothing else has happened.
type tickMsg struct{}

// wake asks for the frame nothing else would cause: in a second while the
// screen shows something that changes by the second, and a second after
// anything has happened; else when the next minute begins. What was asked for
// later is taken back, so that a screen at rest does nothing.
func (a *App) wake(ticked bool) tea.Cmd {
	if a.opt.Manual || a.quitting {
		return nil
	}
	now := a.s.now()
	wait := time.Second
	if ticked && !a.soon {
		wait = now.Truncate(time.Minute).Add(time.Minute).Sub(now) + time.Millisecond
	}
	at := now.Add(wait)
	if a.wakeStop != nil {
		if !at.Before(a.wakeAt) {
			return nil
		}
		a.wakeStop()
	}
	var ctx context.Context
	ctx, a.wakeStop = context.WithCancel(a.s.ctx)
	a.wakeAt = at
	return func() tea.Msg {
		t := time.NewTimer(wait)
		defer t.Stop()
		select {
		case <-t.C:
			return tickMsg{}
		case <-ctx.Done():
			return nil
		}
	}
}

// Init starts reading, and asks the terminal for its background: nothing waits
// for the answer.
func (a *App) Init() tea.Cmd {
	cmds := []tea.Cmd{a.feed()}
	if !a.opt.Manual {
		cmds = append(cmds, a.s.pump.next(a.s.ctx), a.wake(false))
	}
	if a.opt.Light == nil && !a.opt.NoColor {
		cmds = append(cmds, tea.RequestBackgroundColor)
	}
	home := newAlerts(a.s)
	cmds = append(cmds, a.s.push(home))
	if a.opt.Filter != "" {
		cmds = append(cmds, home.setFilter(a.s, a.opt.Filter))
	}
	if a.opt.View != "" && a.opt.View != "alerts" {
		cmd, err := a.s.goTo(strings.TrimSpace(a.opt.View + " " + a.opt.Ref))
		if err != nil {
			a.s.fail(a.opt.View, err)
		}
		cmds = append(cmds, cmd)
		if v, ok := a.top().(filterable); ok && a.opt.Filter != "" && a.top() != view(home) {
			cmds = append(cmds, v.setFilter(a.s, a.opt.Filter))
		}
	}
	a.last = nil
	return tea.Batch(cmds...)
}

// feed starts a feeder for each profile; those of before end.
func (a *App) feed() tea.Cmd {
	if a.stop != nil {
		a.stop()
	}
	var ctx context.Context
	ctx, a.stop = context.WithCancel(a.s.ctx)
	a.feeds++
	a.s.store.forget()
	for _, p := range a.s.svc.Profiles() {
		f := &feeder{
			svc: a.s.svc, profile: p.Name, pump: a.s.pump, window: a.opt.Window, every: a.opt.Interval,
			now: a.s.now, gen: a.feeds,
		}
		if old := a.health[p.Name]; !old.since.IsZero() && old.since.Unix() > 0 {
			f.good.Store(old.since.UnixNano())
		}
		go f.run(ctx)
	}
	return nil
}

func (a *App) top() view {
	if len(a.stack) == 0 {
		return nil
	}
	return a.stack[len(a.stack)-1]
}

// Update takes one message.
func (a *App) Update(msg tea.Msg) (model tea.Model, cmd tea.Cmd) {
	defer a.guard(func() { model, cmd = a, tea.Quit })
	if a.broken != nil {
		return a, tea.Quit
	}
	_, ticked := msg.(tickMsg)
	if ticked {
		a.wakeStop()
		a.wakeStop = nil
	}
	cmd = a.handle(msg)
	if next := a.wake(ticked); next != nil {
		cmd = tea.Batch(cmd, next)
	}
	return a, cmd
}

func (a *App) handle(msg tea.Msg) tea.Cmd {
	defer a.s.offerLogin() // what waited for the keys to be free
	switch m := msg.(type) {
	case tea.WindowSizeMsg:
		a.w, a.h = m.Width, m.Height
	case tea.KeyPressMsg:
		return a.key(m)
	case tea.PasteMsg:
		return a.paste(m.Content)
	case tea.MouseMsg:
		return a.mouse(m)
	case tea.BackgroundColorMsg:
		if a.opt.Light == nil {
			a.s.saved.Light = !m.IsDark()
			a.look(func(o *theme.Options) { o.Light = !m.IsDark() })
		}
	case tea.ColorProfileMsg:
		a.look(func(o *theme.Options) { o.Depth = depthOf(m.Profile, a.opt.NoColor) })
	case tea.FocusMsg:
		a.focused = true
	case tea.BlurMsg:
		a.focused = false
	case tea.ResumeMsg:
		return tea.RequestWindowSize
	case tickMsg:
		return a.caughtUp()
	case pumpMsg:
		cmd := a.live(m)
		if a.opt.Manual {
			return cmd
		}
		return tea.Batch(cmd, a.s.pump.next(a.s.ctx))
	case answer:
		return a.answered(m)
	}
	return nil
}

// caughtUp lets views do what they put off while much came in.
func (a *App) caughtUp() tea.Cmd {
	var cmds []tea.Cmd
	for _, v := range a.stack {
		if v, ok := v.(*alertsView); ok && !v.groupedAt.IsZero() {
			cmds = append(cmds, v.regroup(a.s))
		}
	}
	return tea.Batch(cmds...)
}

func depthOf(p colorprofile.Profile, none bool) theme.Depth {
	switch {
	case none || p <= colorprofile.ASCII:
		return theme.NoColor
	case p == colorprofile.ANSI:
		return theme.ANSI16
	}
	return theme.TrueColor
}

func (a *App) look(change func(*theme.Options)) {
	o := a.s.theme.Options
	change(&o)
	if o != a.s.theme.Options {
		a.s.theme = theme.New(o)
	}
}

// answered gives a result to the view that asked; when it has gone, or has
// asked again since, nobody wants it.
func (a *App) answered(m answer) tea.Cmd {
	for _, d := range a.dialogs {
		if t, ok := d.(taker); ok {
			if t.take(a.s, m.msg) {
				return nil
			}
		}
	}
	switch x := m.msg.(type) {
	case menuRead:
		a.s.openMenu(x)
		return nil
	case actDone:
		x.d.running, x.d.result = false, x.res
		a.s.notify(x.d.outcome())
		return nil
	case resumed:
		return x.again(a.s)
	case applied:
		x.apply(a.s)
		return nil
	case failed:
		if m.view == 0 {
			a.s.fail(x.what, x.err)
			return nil
		}
	}
	views := a.stack
	for _, h := range a.hunts {
		if !slices.Contains(views, view(h)) {
			views = append(views[:len(views):len(views)], h)
		}
	}
	for _, v := range views {
		c := v.core()
		if c.id != m.view || c.gen != m.gen {
			continue
		}
		if m.done && c.busy > 0 {
			c.busy--
		}
		return v.update(a.s, m.msg)
	}
	return nil
}

// resumed is an answer that lets something continue that waited for it.
type resumed interface {
	again(s *shell) tea.Cmd
}

// taker is a dialog that waits for something; take tells whether that was it.
type taker interface {
	take(s *shell, msg any) bool
}

// watcher is a view that shows the store's alerts.
type watcher interface {
	arrived(s *shell, added []*row, changed bool) tea.Cmd
}

var (
	_ watcher = (*alertsView)(nil)
	_ watcher = (*hostView)(nil)
	_ watcher = (*pulseView)(nil)
)

// live takes in what the pump brought.
func (a *App) live(items pumpMsg) tea.Cmd {
	var added []*row
	changed := false
	a.s.store.begin()
	var cmds []tea.Cmd
	for _, it := range items {
		switch m := it.(type) {
		case alertsIn:
			if m.gen != a.feeds {
				continue
			}
			more, ch := a.s.store.add(m.alerts, m.fresh, m.again)
			added = append(added, more...)
			changed = changed || ch
		case healthIn:
			if m.gen == a.feeds {
				a.expired(m.profile, m.health)
				a.health[m.profile] = m.health
			}
		case answer:
			cmds = append(cmds, a.answered(m))
		}
	}
	if len(added) > 0 || changed {
		for _, v := range a.stack {
			if w, ok := v.(watcher); ok {
				cmds = append(cmds, w.arrived(a.s, added, changed))
			}
		}
	}
	return tea.Batch(cmds...)
}

// expired offers to log in when a profile that answered does so no more for
// want of it; once for each time it happens.
func (a *App) expired(profile string, now health) {
	switch {
	case ops.NeedsLogin(now.err):
		a.s.requireLogin(profile, now.err)
	case now.state == healthLive:
		a.s.answers(profile)
	}
}

// pop leaves the top view; the first one stays.
func (a *App) pop() bool {
	if len(a.stack) <= 1 {
		return false
	}
	a.last = a.stack
	a.leave(a.stack[len(a.stack)-1])
	a.stack = a.stack[: len(a.stack)-1 : len(a.stack)-1]
	return true
}

// leave ends what a view waits for.
func (a *App) leave(v view) {
	if _, ok := v.(hunted); ok {
		return // it continues, and is listed under hunts
	}
	c := v.core()
	if c.cancel != nil {
		c.cancel()
	}
	c.gen++
	c.busy = 0
}

// home goes back to the first view.
func (a *App) home() {
	before := a.stack
	for len(a.stack) > 1 {
		a.pop()
	}
	a.last = before
}

// swap goes back to the view before this one, and back again.
func (a *App) swap() tea.Cmd {
	if a.last == nil {
		a.s.warn("there is no view before this one")
		return nil
	}
	now := a.stack
	next := a.last
	for _, v := range now {
		if !slices.Contains(next, v) {
			a.leave(v)
		}
	}
	a.stack = next
	a.last = now
	var cmds []tea.Cmd
	for _, v := range next {
		if _, ok := v.(hunted); ok {
			continue // it has never ended
		}
		if !slices.Contains(now, v) {
			a.s.renew(v)
			cmds = append(cmds, v.open(a.s))
		}
	}
	return tea.Batch(cmds...)
}
