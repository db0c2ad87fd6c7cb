package tui

import (
	"context"
	"errors"
	"io"
	"os/exec"

	tea "charm.land/bubbletea/v2"

	"github.com/edrctl/edrctl/internal/ops"
	"github.com/edrctl/edrctl/internal/safetext"
	"github.com/edrctl/edrctl/internal/tui/keys"
	"github.com/edrctl/edrctl/internal/tui/theme"
	"github.com/edrctl/edrctl/internal/tui/ui"
)

// profilesView says how every profile does, and why one does not answer.
type profilesView struct {
	viewCore
	cursor int
}

func newProfiles() *profilesView { return &profilesView{} }

func (v *profilesView) title() string         { return "profiles" }
func (v *profilesView) name() string          { return "profiles" }
func (v *profilesView) command(*shell) string { return "edrctl doctor" }

func (v *profilesView) key(s *shell, a keys.Action, _ string) (tea.Cmd, bool) {
	list := s.svc.Profiles()
	switch a {
	case keys.Up:
		v.cursor = max(0, v.cursor-1)
	case keys.Down:
		v.cursor = min(len(list)-1, v.cursor+1)
	case keys.Open:
		if v.cursor < len(list) {
			p := list[v.cursor]
			if h := s.app.health[p.Name]; ops.NeedsLogin(h.err) {
				s.dialog(&loginDialog{profile: p.Name, err: h.err})
				return nil, true
			}
			s.notify(safetext.Sprintf("%s needs no login", p.Name))
		}
	case keys.Refresh:
		s.notify("reading all profiles again")
		return s.app.feed(), true
	default:
		return nil, false
	}
	return nil, true
}

func (v *profilesView) hints(*shell) []hint {
	return []hint{{action: keys.Open, short: "log in"}, {action: keys.Refresh}, {action: keys.Back}}
}

func (v *profilesView) draw(s *shell, w, h int) []string {
	t := s.theme
	var lines []string
	for i, p := range s.svc.Profiles() {
		ground := theme.Style("")
		if i == v.cursor {
			ground = t.Selected
		}
		x := s.app.health[p.Name]
		st := t.OK
		if x.state == healthError || x.state == healthStale {
			st = t.Err
		}
		l := ui.NewLine(t, w, ground).Space(1).Cell(t.Bold, ui.Text(p.Name), min(24, w/3), false).Space(1).Cell(t.Dim, ui.Text(p.Backend), 12, false).Put(st, safetext.Text(x.text(s.now())))
		if p.ReadOnly {
			l.Put(t.Warn, "  read-only")
		}
		lines = append(lines, l.String())
		if x.err != nil {
			for _, d := range ui.Wrap(safetext.Text(x.err.Error()), w-6) {
				lines = append(lines, ui.NewLine(t, w, "").Space(4).Put(t.Err, d).String())
			}
			for _, d := range ui.Wrap(safetext.Text(ops.Advice(x.err)), w-6) {
				lines = append(lines, ui.NewLine(t, w, "").Space(4).Put(t.Dim, d).String())
			}
		}
	}
	return ui.Fill(lines, w, h)
}

// loginDialog offers to log in again; the view behind it stays as it is.
type loginDialog struct {
	profile     string
	err         error
	yes         bool
	gracePeriod gracePeriod
}

func (d *loginDialog) opened(s *shell) { d.gracePeriod.begin(s.now()) }

func (d *loginDialog) key(s *shell, name string, _ tea.KeyPressMsg) (bool, tea.Cmd) {
	if name == "esc" || name == "ctrl+c" {
		return true, nil
	}
	if d.gracePeriod.swallow(s.now()) {
		return false, nil
	}
	switch name {
	case "left", "right", "tab", "shift+tab", "h", "l":
		d.yes = !d.yes && s.app.opt.Login != nil
	case "enter":
		if !d.yes {
			return true, nil
		}
		profile := d.profile
		run := &loginRun{cmd: s.app.opt.Login(profile), suspendInterrupts: s.app.opt.SuspendInterrupts}
		if unlock := s.app.opt.Unlock; unlock != nil {
			run.after = func() error { return unlock(profile) }
		}
		return true, tea.Exec(run, func(err error) tea.Msg { return answer{msg: loggedIn{profile, err}} })
	}
	return false, nil
}

func (d *loginDialog) draw(s *shell, maxW, _ int) ([]string, int, int, int) {
	t := s.theme
	w := min(maxW, 72)
	inner := w - 4
	var lines []string
	put := func(st theme.Style, text safetext.Display) {
		for _, part := range ui.Wrap(text, inner) {
			lines = append(lines, ui.NewLine(t, inner, "").Put(st, part).String())
		}
	}
	put(t.Err, safetext.Text(d.err.Error()))
	if a := ops.Advice(d.err); a != "" {
		put(t.Dim, safetext.Text(a))
	}
	put("", "")
	l := ui.NewLine(t, inner, "")
	cancel, login := t.DialogButton, t.Key
	if d.yes {
		cancel, login = "", t.DialogButton
	}
	if s.app.opt.Login == nil {
		login = t.KeyOff
	}
	l.Put(cancel, "[ Later ]").Space(2).Put(login, "[ Log in ]")
	lines = append(lines, l.String())
	return frameBox(t, "log in to "+ui.Text(d.profile), t.Title, lines, w, outside{}), w, -1, 0
}

// loginRun has the terminal to itself: the login first, then what unlocks the
// secrets it kept for this process too.
type loginRun struct {
	cmd               *exec.Cmd
	suspendInterrupts func() (resume func())
	after             func() error
}

// errLoginLeft says that the login was left with Ctrl-C.
var errLoginLeft = errors.New("it was left; nothing was changed")

// leftByInterrupt is the exit code of a command that was interrupted.
const leftByInterrupt = 130

func (r *loginRun) Run() error {
	if r.suspendInterrupts != nil {
		defer r.suspendInterrupts()()
	}
	var exit *exec.ExitError
	switch err := r.cmd.Run(); {
	case errors.As(err, &exit) && (exit.ExitCode() == leftByInterrupt || exit.ExitCode() < 0):
		return errLoginLeft
	case err != nil:
		return err
	}
	if r.after == nil {
		return nil
	}
	err := r.after()
	if errors.Is(err, context.Canceled) {
		return errors.New("it is kept, but the passphrase was not given")
	}
	return err
}

// SetStdin gives the login the keyboard.
func (r *loginRun) SetStdin(in io.Reader) { r.cmd.Stdin = in }

// SetStdout gives the login the terminal.
func (r *loginRun) SetStdout(out io.Writer) { r.cmd.Stdout = out }

// SetStderr gives the login the terminal for its questions.
func (r *loginRun) SetStderr(out io.Writer) { r.cmd.Stderr = out }

// Login makes the command that logs in to a profile on this terminal.
type Login func(profile string) *exec.Cmd
