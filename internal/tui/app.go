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
	"github.com/charmbracelet/x/ansi"

	"github.com/edrctl/edrctl/internal/ops"
	"github.com/edrctl/edrctl/internal/safetext"
	"github.com/edrctl/edrctl/internal/tui/keys"
	"github.com/edrctl/edrctl/internal/tui/theme"
	"github.com/edrctl/edrctl/internal/tui/ui"
)

// Options are what a session is started with.
type Options struct {
	Service  Service
	Actor    Actor // nil: nothing can be changed
	Keys     *keys.Map
	Now      func() time.Time
	Zone     *time.Location
	Window   time.Duration // how far back alerts are read; 0 = 24 h
	Interval time.Duration // between two polls; 0 = the default of ops
	View     string        // where to start, "" = alerts
	Filter   string
	Ref      string // with View alert or tree: of what
	State    *State // remembered from before; nil = nothing
	ASCII    bool   // the locale shows no Unicode
	NoColor  bool
	Light    *bool // nil: as the terminal says
	Replay   string
	Login    Login // nil: logging in from here is not possible
	// Manual is for tests: nothing ticks, and what arrives by itself waits
	// until Drain.
	Manual bool
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
	onHost           map[string]hostCount
	onHostAt         uint64
	hunts            []*huntView
	caseID           string
	lines            []string
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
		app: a, svc: o.Service, store: newStore(), pump: newPump(), keys: o.Keys, now: o.Now, zone: o.Zone,
		ctx: ctx, actor: o.Actor, saved: o.State,
		theme: theme.New(theme.Options{Light: light, Depth: depth, ASCII: o.ASCII}),
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

type tickMsg time.Time

func tick() tea.Cmd { return tea.Tick(time.Second, func(t time.Time) tea.Msg { return tickMsg(t) }) }

// Init starts reading, and asks the terminal for its background: nothing waits
// for the answer.
func (a *App) Init() tea.Cmd {
	cmds := []tea.Cmd{a.feed()}
	if !a.opt.Manual {
		cmds = append(cmds, a.s.pump.next(a.s.ctx), tick())
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
func (a *App) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch m := msg.(type) {
	case tea.WindowSizeMsg:
		a.w, a.h = m.Width, m.Height
	case tea.KeyPressMsg:
		return a, a.key(m)
	case tea.PasteMsg:
		return a, a.paste(m.Content)
	case tea.MouseMsg:
		return a, a.mouse(m)
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
		return a, tea.RequestWindowSize
	case tickMsg:
		return a, tick()
	case pumpMsg:
		cmd := a.live(m)
		if a.opt.Manual {
			return a, cmd
		}
		return a, tea.Batch(cmd, a.s.pump.next(a.s.ctx))
	case answer:
		return a, a.answered(m)
	}
	return a, nil
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
// asked anew since, nobody wants it.
func (a *App) answered(m answer) tea.Cmd {
	for _, d := range a.dialogs {
		if t, ok := d.(taker); ok {
			if cmd, mine := t.take(a.s, m.msg); mine {
				return cmd
			}
		}
	}
	switch x := m.msg.(type) {
	case menuRead:
		a.s.openMenu(x)
		return nil
	case actDone:
		x.d.running, x.d.result = false, x.res
		a.s.say(x.d.outcome())
		return nil
	case loggedIn:
		if x.err != nil {
			a.s.fail("the login of "+x.profile, x.err)
			return nil
		}
		a.s.say(safetext.Sprintf("logged in to %s", x.profile))
		return a.feed()
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

// taker is a dialog that waits for something.
type taker interface {
	take(s *shell, msg any) (tea.Cmd, bool)
}

// watcher is a view that shows the store's alerts.
type watcher interface {
	arrived(s *shell, added []*row, changed bool) tea.Cmd
}

// live takes in what the pump brought.
func (a *App) live(items pumpMsg) tea.Cmd {
	var added []*row
	changed := false
	var cmds []tea.Cmd
	for _, it := range items {
		switch m := it.(type) {
		case alertsIn:
			if m.gen != a.feeds {
				continue
			}
			more, ch := a.s.store.add(m.alerts, m.fresh)
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
	before := a.health[profile]
	if !ops.NeedsLogin(now.err) || ops.NeedsLogin(before.err) || now.state != healthStale || len(a.dialogs) > 0 || a.prompt != nil {
		return
	}
	a.s.dialog(&loginDialog{profile: profile, err: now.err})
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
	if _, ok := v.(*huntView); ok {
		return // goes on, and is found again under hunts
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
		if !slices.Contains(now, v) {
			a.s.renew(v)
			cmds = append(cmds, v.open(a.s))
		}
	}
	return tea.Batch(cmds...)
}

func (a *App) key(k tea.KeyPressMsg) tea.Cmd {
	name := k.String()
	if k.Code == tea.KeySpace && k.Mod == 0 {
		name = "space"
	}
	if a.small() {
		if name == "q" || name == "ctrl+c" {
			return a.quit()
		}
		return nil
	}
	if a.prompt != nil {
		return a.prompt.key(a.s, k)
	}
	if n := len(a.dialogs); n > 0 {
		d := a.dialogs[n-1]
		closed, cmd := d.key(a.s, name, k)
		if closed {
			a.dialogs = slices.DeleteFunc(a.dialogs, func(x dialog) bool { return x == d })
		}
		return cmd
	}
	v := a.top()
	if v == nil {
		return nil
	}
	act, _ := a.s.keys.Find(name, v.scopes()...)
	if cmd, handled := v.key(a.s, act, name); handled {
		return cmd
	}
	switch act {
	case keys.ForceQuit:
		return a.quit()
	case keys.Quit:
		if !a.pop() {
			return a.quit()
		}
	case keys.Back:
		a.pop()
	case keys.Help:
		if _, already := v.(*helpView); !already {
			return a.s.push(newHelp(v))
		}
	case keys.Palette:
		a.s.openPalette()
	case keys.LastView:
		return a.swap()
	case keys.Refresh:
		return a.s.refresh(v)
	case keys.Suspend:
		return tea.Suspend
	case keys.Act:
		return a.s.openActions(v)
	case keys.Copy:
		if sel := v.selection(); len(sel) > 0 {
			refs := make([]string, len(sel))
			for i, r := range sel {
				refs[i] = refOf(r)
			}
			return a.s.copy(strings.Join(refs, "\n"), count(len(refs), "reference"))
		}
		a.s.warn("nothing is selected")
	case keys.CopyCmd:
		return a.s.copy(v.command(a.s), "the command")
	case "":
	default:
		if why := missing(act); why != "" {
			a.s.warn(why)
		}
	}
	return nil
}

// missing says why a key does nothing here.
func missing(act keys.Action) safetext.Display {
	switch act {
	case keys.Tree:
		return "no process here to show a tree of"
	case keys.Events:
		return "no host or process here to show events of"
	case keys.Host:
		return "no host here"
	case keys.Pivot:
		return "no file hash here"
	case keys.Hunt:
		return "no indicators here to hunt"
	case keys.Raw:
		return "no single record here to show"
	}
	return ""
}

func (a *App) quit() tea.Cmd {
	a.quitting = true
	return tea.Quit
}

func (a *App) paste(text string) tea.Cmd {
	if a.prompt != nil {
		a.prompt.edit.paste(strings.TrimSpace(text))
		a.prompt.chosen = -1
		return a.prompt.edited(a.s)
	}
	if n := len(a.dialogs); n > 0 {
		if p, ok := a.dialogs[n-1].(paster); ok {
			p.paste(a.s, text)
		}
		return nil
	}
	// A paste is never keys.
	a.s.warn("nothing here takes a paste; : or / opens a line")
	return nil
}

type paster interface{ paste(s *shell, text string) }

func (a *App) mouse(m tea.MouseMsg) tea.Cmd {
	if a.small() || len(a.dialogs) > 0 {
		return nil
	}
	v := a.top()
	if v == nil {
		return nil
	}
	ev := m.Mouse()
	out := mouse{x: ev.X, y: ev.Y - 1}
	switch m.(type) {
	case tea.MouseWheelMsg:
		switch ev.Button {
		case tea.MouseWheelUp:
			out.wheel = -3
		case tea.MouseWheelDown:
			out.wheel = 3
		default:
			return nil
		}
	case tea.MouseClickMsg:
		if ev.Button != tea.MouseLeft {
			return nil
		}
		if a.prompt != nil {
			return nil
		}
		if ev.Y == 0 {
			a.clickCrumb(ev.X)
			return nil
		}
		now := a.s.now()
		out.click = true
		out.double = now.Sub(a.click.at) < 400*time.Millisecond && a.click.x == ev.X && a.click.y == ev.Y
		a.click.at, a.click.x, a.click.y = now, ev.X, ev.Y
		if out.double {
			a.click.at = time.Time{}
		}
	case tea.MouseMotionMsg:
		if ev.Button != tea.MouseLeft {
			return nil
		}
		out.drag = true
	case tea.MouseReleaseMsg:
		out.end = true
	}
	if out.y < 0 || out.y >= a.h-2 {
		if !out.end {
			return nil
		}
	}
	return v.mouse(a.s, out)
}

func (a *App) clickCrumb(x int) {
	at := 0
	for i, end := range a.crumbEnds() {
		if x >= at && x < end {
			for len(a.stack) > i+1 {
				a.pop()
			}
			return
		}
		at = end
	}
}

func (a *App) small() bool { return a.w < minWidth || a.h < minHeight }

// View draws the frame: exactly h lines, each exactly w columns wide.
func (a *App) View() tea.View {
	v := tea.NewView(a.frame())
	v.AltScreen = true
	v.MouseMode = tea.MouseModeCellMotion
	v.ReportFocus = true
	if !a.quitting {
		v.WindowTitle = a.windowTitle()
	}
	if a.cursorX >= 0 && (a.prompt != nil || len(a.dialogs) > 0) && !a.small() {
		v.Cursor = tea.NewCursor(a.cursorX, a.cursorY)
	}
	if done, of := a.progress(); of > 0 {
		v.ProgressBar = tea.NewProgressBar(tea.ProgressBarDefault, done*100/of)
	}
	return v
}

// progress of the top view, when it knows one.
func (a *App) progress() (done, of int) {
	if p, ok := a.top().(interface{ progress() (int, int) }); ok {
		return p.progress()
	}
	return 0, 0
}

// windowTitle is our own words only: names from an endpoint never reach it.
func (a *App) windowTitle() string {
	n := 0
	for _, r := range a.s.store.all {
		if r.fresh {
			n++
		}
		if n > 99 {
			break
		}
	}
	t := "edrctl"
	if v := a.top(); v != nil && v.name() != "" {
		t += " " + v.name()
	}
	if home, ok := a.stackHome(); ok && home.unseen > 0 {
		t += " (" + count(home.unseen, "new") + ")"
	}
	return t
}

func (a *App) stackHome() (*alertsView, bool) {
	if len(a.stack) == 0 {
		return nil, false
	}
	v, ok := a.stack[0].(*alertsView)
	return v, ok
}

// frame draws everything.
func (a *App) frame() string {
	a.cursorX = -1
	if a.w <= 0 || a.h <= 0 {
		return ""
	}
	if a.small() {
		return a.tooSmall()
	}
	lines := make([]string, 0, a.h)
	lines = append(lines, a.header())
	if v := a.top(); v != nil {
		c := v.core()
		c.w, c.h = a.w, a.h-2
		lines = append(lines, ui.Fill(v.draw(a.s, a.w, a.h-2), a.w, a.h-2)...)
	}
	lines = ui.Fill(lines, a.w, a.h-1)
	if a.prompt != nil {
		line, cursor, above := a.prompt.draw(a.s, a.w)
		for i, s := range above {
			if y := len(lines) - len(above) + i; y > 0 {
				lines[y] = s
			}
		}
		lines = append(lines, line)
		a.cursorX, a.cursorY = min(cursor, a.w-1), a.h-1
	} else {
		lines = append(lines, a.footer())
	}
	for _, d := range a.dialogs {
		box, w, cx, cy := d.draw(a.s, a.w-2, a.h-2)
		x, y := (a.w-w)/2, max(0, (a.h-len(box))/2)
		ui.Overlay(lines, box, x, y, w, a.w)
		if cx >= 0 {
			a.cursorX, a.cursorY = x+cx, y+cy
		}
	}
	for i, s := range lines {
		// The last word on width: whatever a view did, the frame stands.
		if w := ansi.StringWidth(s); w != a.w {
			lines[i] = ansi.Truncate(s, a.w, "") + ui.Blank(a.w-min(w, a.w))
			if w2 := ansi.StringWidth(lines[i]); w2 < a.w {
				lines[i] += ui.Blank(a.w - w2)
			}
		}
	}
	a.lines = lines
	return strings.Join(lines, "\n")
}

func (a *App) tooSmall() string {
	lines := make([]string, 0, a.h)
	text := []safetext.Display{
		"too small", safetext.Sprintf("%dx%d; needs %dx%d", a.w, a.h, minWidth, minHeight), "q quits",
	}
	top := max(0, (a.h-len(text))/2)
	for y := range a.h {
		l := ui.NewLine(a.s.theme, a.w, "")
		if i := y - top; i >= 0 && i < len(text) {
			l.Space((a.w - ui.Width(text[i])) / 2)
			l.Put(a.s.theme.Warn, text[i])
		}
		lines = append(lines, l.String())
	}
	return strings.Join(lines, "\n")
}
