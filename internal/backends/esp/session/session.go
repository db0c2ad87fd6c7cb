// Package session is the connection of a driver to its server: it finds the
// API, logs in, and sends calls with a token that it renews (docs/wire/esp.md
// §2, §3).
package session

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/backends/esp/reply"
	"github.com/edrctl/edrctl/internal/backends/esp/wire"
	"github.com/edrctl/edrctl/internal/client"
)

// tokenHeader carries the session; Authorization is ignored by the server
// (docs/wire/esp.md §3).
const tokenHeader = "X-Access-Token"

// reloginWait is how long a login must be away from the one before: the
// token is a pure function of user and second, so a login in the second of a
// logout returns the same, dead token.
const reloginWait = 1100 * time.Millisecond

// Session is the connection of one driver: it finds the API, logs in, and sends
// calls with a token. The token is guarded by mu; loginMu makes concurrent
// callers wait for one login.
type Session struct {
	o        backends.Options
	c        *client.Client
	redactor *client.Redactor

	mu    sync.Mutex
	token string
	dead  string // the last token the server refused
	gen   int    // grows with every new token
	asked bool   // whether the kept secret was looked up

	loginMu sync.Mutex
	notes   []string // what the last login reported; under loginMu

	probeMu   sync.Mutex
	recall    sync.Once
	base      string // API base, without a trailing slash
	baseKnown bool   // a right answer came from it, or the config names it
}

// New builds a session. It does no I/O.
func New(o backends.Options) (*Session, error) {
	s := &Session{o: o, redactor: o.Client.Redactor}
	base, prefix, err := splitBase(o.Client.BaseURL)
	if err != nil {
		return nil, err
	}
	o.Client.BaseURL = base
	s.base = wire.BasePaths[0]
	switch {
	case o.Settings["base_path"] != "":
		s.base, s.baseKnown = "/"+strings.Trim(o.Settings["base_path"], "/"), true
	case prefix != "":
		s.base, s.baseKnown = prefix, true
	case o.Settings["edition"] == wire.EditionCE2:
		s.base = wire.BasePaths[1]
	}
	s.c, err = client.New(o.Client, client.Options{
		Authorize: s.authorize,
		Rate:      client.Rate{Concurrent: 4},
	})
	if err != nil {
		return nil, err
	}
	return s, nil
}

func (s *Session) current() (token string, gen int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.token, s.gen
}

func (s *Session) set(token string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.token = token
	s.gen++
}

// Client is what sends the session's requests; requests of others carry the
// token too, unless their context is anonymous.
func (s *Session) Client() *client.Client { return s.c }

type noToken struct{}

// Anonymous is a context whose requests carry no session.
func Anonymous(ctx context.Context) context.Context { return context.WithValue(ctx, noToken{}, true) }

// LoginNotes are what the last login reported.
func (s *Session) LoginNotes() []string {
	s.loginMu.Lock()
	defer s.loginMu.Unlock()
	return slices.Clone(s.notes)
}

// authorize puts the session on a request; login and the base probe carry
// none.
func (s *Session) authorize(ctx context.Context, r *http.Request) error {
	if ctx.Value(noToken{}) != nil {
		return nil
	}
	if token, _ := s.current(); token != "" {
		r.Header.Set(tokenHeader, token)
	}
	return nil
}

// open makes sure there is a session: the kept token first, a login second.
func (s *Session) open(ctx context.Context) error {
	s.RecallBase()
	if token, _ := s.current(); token != "" {
		return nil
	}
	s.loginMu.Lock()
	defer s.loginMu.Unlock()
	if token, _ := s.current(); token != "" {
		return nil
	}
	if s.o.Secret != nil && !s.asked {
		s.asked = true
		// A missing session is the ordinary case before the first login; any
		// other trouble with the keyring shows when the password is asked for.
		if token, err := s.o.Secret(ctx, "session"); err == nil && token != "" {
			s.redactor.Add(token)
			s.set(token)
			return nil
		}
	}
	return s.login(ctx, "")
}

// login asks for a token with user name and password. refused is the token
// that was dead before; getting it again means both fell into one second.
// loginMu is held.
func (s *Session) login(ctx context.Context, refused string) error {
	const what = "cannot log in"
	user := s.o.Settings["username"]
	if user == "" {
		return &backends.Error{Kind: backends.KindAuth, What: what, Why: "the profile names no username", Hint: "add username: to the profile"}
	}
	if s.o.Secret == nil {
		return &backends.Error{Kind: backends.KindAuth, What: what, Why: "no password is at hand", Hint: "run edrctl auth login for this profile"}
	}
	password, err := s.o.Secret(ctx, "password")
	if err != nil {
		return backends.FromClient(what, err)
	}
	if password == "" {
		return &backends.Error{Kind: backends.KindAuth, What: what, Why: "the password is empty", Hint: "run edrctl auth login for this profile"}
	}
	s.redactor.Add(password)
	if err := s.Probe(ctx); err != nil {
		return err
	}
	for try := 0; ; try++ {
		token, notes, err := s.askToken(ctx, what, user, password)
		if err != nil {
			return err
		}
		if token == refused && refused != "" && try == 0 {
			if err := Pause(ctx, reloginWait); err != nil {
				return backends.FromClient(what, err)
			}
			continue
		}
		s.set(token)
		s.notes = notes
		if s.o.SaveSecret != nil {
			if _, err := s.o.SaveSecret(ctx, "session", token); err != nil && s.o.Warn != nil {
				s.o.Warn("the ESP session could not be kept and will be asked for again: " + s.redactor.String(err.Error()))
			}
		}
		return nil
	}
}

// askToken is POST /login. Wrong credentials are HTTP 200 without a token; a
// request the server cannot read is 400 in HTML (§3).
func (s *Session) askToken(ctx context.Context, what, user, password string) (string, []string, error) {
	rep, err := s.c.Do(Anonymous(ctx), client.Call{
		Method: http.MethodPost, Path: s.Path("/login"),
		JSON: map[string]string{"username": user, "password": password},
	})
	if err != nil {
		var st *client.StatusError
		if errors.As(err, &st) && st.Code == http.StatusBadRequest {
			return "", nil, &backends.Error{Kind: backends.KindAuth, What: what, Why: "the server refused the login request (400 from " + st.Host + ")", Err: err}
		}
		return "", nil, reply.FromClient(what, err)
	}
	var token, message string
	var notes []string
	err = wire.EachMember(rep.Body, func(name string, v []byte) error {
		switch name {
		case "token", "x-access-token":
			if wire.KindOf(v) == '"' && wire.Scalar(v) != "" {
				token = wire.Scalar(v)
			}
		case "message":
			message = wire.MessageText(v)
		case "reset_password":
			if wire.Scalar(v) == "true" {
				notes = append(notes, "the server asks to change this user's password")
			}
		case "roles":
			if r := wire.Scalar(v); r == "analyst" {
				notes = append(notes, "the user has the analyst role: changes to hosts, rules, queries and settings are refused")
			}
		}
		return nil
	})
	if err != nil {
		return "", nil, reply.Malformed(what, err)
	}
	if token == "" {
		if message == "" {
			message = "the answer carries no token"
		}
		return "", nil, &backends.Error{
			Kind: backends.KindAuth, What: what, Why: "the server says: " + wire.Short(message),
			Hint: "check username in the profile and the password (edrctl auth login)",
		}
	}
	s.redactor.Add(token)
	return token, notes, nil
}

// Login gets a new session, checks that the server takes it, and keeps it.
func (s *Session) Login(ctx context.Context) error {
	const what = "cannot log in"
	s.RecallBase()
	s.loginMu.Lock()
	err := s.login(ctx, "")
	s.loginMu.Unlock()
	if err != nil {
		return err
	}
	_, err = s.Do(ctx, what, "/hosts/count", client.Call{})
	return err
}

// Logout ends the session on the server and forgets it. Without one nothing
// is sent.
func (s *Session) Logout(ctx context.Context) error {
	const what = "cannot log out"
	s.RecallBase()
	s.loginMu.Lock()
	defer s.loginMu.Unlock()
	token, _ := s.current()
	if token == "" && s.o.Secret != nil {
		if kept, err := s.o.Secret(ctx, "session"); err == nil && kept != "" {
			s.redactor.Add(kept)
			s.set(kept)
			token = kept
		}
	}
	if token == "" {
		return nil
	}
	if err := s.Probe(ctx); err != nil {
		return backends.FromClient(what, err)
	}
	_, err := s.c.Do(ctx, client.Call{Method: http.MethodPost, Path: s.Path("/logout")})
	var st *client.StatusError
	if err != nil && !(errors.As(err, &st) && st.Code == http.StatusUnauthorized) {
		return reply.FromClient(what, err)
	}
	s.mu.Lock()
	s.dead, s.token = token, ""
	s.gen++
	s.mu.Unlock()
	if s.o.SaveSecret != nil {
		if _, err := s.o.SaveSecret(ctx, "session", ""); err != nil {
			return &backends.Error{Kind: backends.KindOther, What: what, Why: "the session ended on the server, its copy could not be removed", Err: err}
		}
	}
	return nil
}

// Forget drops the session kept here after the server has ended it.
func (s *Session) Forget(ctx context.Context) {
	s.loginMu.Lock()
	defer s.loginMu.Unlock()
	s.mu.Lock()
	s.dead, s.token, s.asked = s.token, "", true
	s.gen++
	s.mu.Unlock()
	if s.o.SaveSecret != nil {
		if _, err := s.o.SaveSecret(ctx, "session", ""); err != nil && s.o.Warn != nil {
			s.o.Warn("the session ended on the server, its copy could not be removed: " + s.redactor.String(err.Error()))
		}
	}
}

// Verify tells, by logging in with it, whether a password is that of the
// profile's user: after a change no session is left to ask with.
func (s *Session) Verify(ctx context.Context, password string) (bool, error) {
	const what = "cannot verify the password"
	s.redactor.Add(password)
	s.RecallBase()
	if err := s.Probe(ctx); err != nil {
		return false, err
	}
	_, _, err := s.askToken(ctx, what, s.o.Settings["username"], password)
	switch {
	case err == nil:
		return true, nil
	case backends.KindOf(err) == backends.KindAuth:
		return false, nil
	}
	return false, err
}
