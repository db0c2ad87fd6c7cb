package tui

import (
	"errors"

	tea "charm.land/bubbletea/v2"

	"github.com/edrctl/edrctl/internal/change"
	"github.com/edrctl/edrctl/internal/ops"
	"github.com/edrctl/edrctl/internal/tui/ui"
)

// work runs behind the views, and outlives them.
type work struct {
	downloads     []*fetchDialog             // of this session, the latest last
	saved         map[string]*change.Fetched // what was downloaded, by reference
	folder        string                     // of the last download
	pendingLogins map[string]error           // profiles that need a login that was not offered yet
	offered       map[string]bool            // those whose login was offered since they last answered
}

// applied is an answer that belongs to no view: it is taken in wherever one is.
type applied interface {
	apply(s *shell)
}

// requireLogin notes that a profile needs a login. Each time that happens the
// login is offered once, as soon as no prompt or dialog has the keys.
func (s *shell) requireLogin(profile string, err error) {
	w := &s.app.work
	if profile == "" || w.offered[profile] || s.app.opt.Replay != "" {
		return
	}
	if w.pendingLogins == nil {
		w.pendingLogins, w.offered = map[string]error{}, map[string]bool{}
	}
	w.pendingLogins[profile] = err
	s.offerLogin()
}

// requireLoginFor is requireLogin when an error says that its profile wants a login.
func (s *shell) requireLoginFor(err error) {
	var p *ops.ProfileError
	if ops.NeedsLogin(err) && errors.As(err, &p) {
		s.requireLogin(p.Profile, err)
	}
}

// answers notes that a profile does answer: the next refusal is a new one.
func (s *shell) answers(profile string) {
	delete(s.app.work.pendingLogins, profile)
	delete(s.app.work.offered, profile)
}

// offerLogin opens the dialog of a pending login. It waits while a prompt
// is open or another dialog is open.
func (s *shell) offerLogin() {
	w := &s.app.work
	if len(w.pendingLogins) == 0 || len(s.app.dialogs) > 0 || s.app.prompt != nil {
		return
	}
	for _, p := range s.svc.Profiles() {
		if err := w.pendingLogins[p.Name]; err != nil {
			delete(w.pendingLogins, p.Name)
			w.offered[p.Name] = true
			s.dialog(&loginDialog{profile: p.Name, err: err})
			return
		}
	}
}

// renewer is a Service whose profiles can be asked with new secrets.
type renewer interface{ Renew(profile string) }

// loggedIn says how the login went.
type loggedIn struct {
	profile string
	err     error
}

// again reads everything again with the new login; the views stay.
func (m loggedIn) again(s *shell) tea.Cmd {
	s.answers(m.profile)
	if errors.Is(m.err, errLoginLeft) {
		s.warn("the login of " + ui.Text(m.profile) + " was left; nothing was changed")
		return nil
	}
	if m.err != nil {
		s.fail("the login of "+m.profile, m.err)
		return nil
	}
	if r, ok := s.svc.(renewer); ok {
		r.Renew(m.profile)
	}
	s.app.health[m.profile] = health{state: healthRefreshing, since: s.app.health[m.profile].since}
	cmds := []tea.Cmd{s.app.feed()}
	// What failed for want of the login is asked for again where one is.
	if v, ok := s.app.top().(interface{ failedOn(profile string) bool }); ok && v.failedOn(m.profile) {
		cmds = append(cmds, s.refresh(s.app.top()))
	}
	s.notify("logged in to " + ui.Text(m.profile))
	return tea.Batch(cmds...)
}
