package esp

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
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

// session is the connection of one driver: it finds the API, logs in, and sends
// calls with a token. The token is guarded by mu; loginMu makes concurrent
// callers wait for one login.
type session struct {
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

// newSession builds a session. It does no I/O.
func newSession(o backends.Options) (*session, error) {
	s := &session{o: o, redactor: o.Client.Redactor}
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

func (s *session) current() (token string, gen int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.token, s.gen
}

func (s *session) set(token string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.token = token
	s.gen++
}

// client is what sends the session's requests; requests of others carry the
// token too, unless their context is anonymous.
func (s *session) client() *client.Client { return s.c }

type noToken struct{}

// anonymous is a context whose requests carry no session.
func anonymous(ctx context.Context) context.Context { return context.WithValue(ctx, noToken{}, true) }

// loginNotes are what the last login reported.
func (s *session) loginNotes() []string {
	s.loginMu.Lock()
	defer s.loginMu.Unlock()
	return slices.Clone(s.notes)
}

// authorize puts the session on a request; login and the base probe carry
// none.
func (s *session) authorize(ctx context.Context, r *http.Request) error {
	if ctx.Value(noToken{}) != nil {
		return nil
	}
	if token, _ := s.current(); token != "" {
		r.Header.Set(tokenHeader, token)
	}
	return nil
}

func (s *session) path(p string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.base + p
}

func (s *session) baseIsKnown() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.baseKnown
}

func (s *session) setBase(base string, known bool) {
	s.mu.Lock()
	s.base, s.baseKnown = base, known
	s.mu.Unlock()
}

// probe finds the API base: GET hosts/count without credentials answers 401
// in JSON at the right place and HTML elsewhere (§2).
func (s *session) probe(ctx context.Context) error {
	if s.baseIsKnown() {
		return nil
	}
	s.probeMu.Lock()
	defer s.probeMu.Unlock()
	if s.baseIsKnown() {
		return nil
	}
	const what = "cannot find the API"
	ctx = anonymous(ctx)
	looks := ""
	for _, base := range s.candidates() {
		rep, err := s.c.Do(ctx, client.Call{Path: base + "/hosts/count", Raw: true})
		if err == nil {
			if wire.KindOf(rep.Body) == '{' {
				s.found(base)
				return nil
			}
			looks = looksLike(rep.Header, rep.Body)
			continue
		}
		var st *client.StatusError
		if !errors.As(err, &st) {
			var bad *client.MalformedError
			if errors.As(err, &bad) {
				looks = "something that is not ESP"
				continue
			}
			return backends.FromClient(what, err)
		}
		if st.Code == http.StatusUnauthorized && wire.KindOf(st.Body) == '{' {
			s.found(base)
			return nil
		}
		if st.Code >= 500 {
			return backends.FromClient(what, err)
		}
		looks = looksLike(st.Header, st.Body)
	}
	e := backends.Malformed(what, "no ESP API under this address: it looks like "+looks)
	e.Hint = "give the server's address as url; base_path names the API when it lives elsewhere; old editions listen on port 5000"
	return e
}

// candidates are the bases to try, the remembered one first.
func (s *session) candidates() []string {
	first := s.path("")
	out := []string{first}
	for _, b := range wire.BasePaths {
		if b != first {
			out = append(out, b)
		}
	}
	return out
}

func (s *session) found(base string) {
	changed := s.path("") != base
	s.setBase(base, true)
	if f := s.baseFile(); changed && f != "" {
		// Only a hint for the next run: not being able to keep it costs one request.
		_ = os.WriteFile(f, []byte(base+"\n"), 0o600)
	}
}

// baseFile is where the base found is remembered, "" when nothing may be
// written. Its name holds a digest, as profile names and URLs are no file names.
func (s *session) baseFile() string {
	if s.o.StateDir == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(s.o.Profile + "\x00" + s.o.Client.BaseURL))
	return filepath.Join(s.o.StateDir, "esp-base-"+hex.EncodeToString(sum[:8]))
}

// recallBase reads the remembered base; what is not one of ours is ignored.
func (s *session) recallBase() {
	s.recall.Do(func() {
		f := s.baseFile()
		if f == "" || s.baseIsKnown() {
			return
		}
		b, err := os.ReadFile(f)
		if err != nil || len(b) > 200 {
			return
		}
		got := strings.TrimSpace(string(b))
		for _, known := range wire.BasePaths {
			if got == known {
				s.setBase(known, false)
			}
		}
	})
}

func looksLike(h http.Header, body []byte) string {
	server := h.Get("Server")
	low := strings.ToLower(string(body[:min(len(body), 4096)]))
	switch {
	case wire.KindOf(body) == '{':
		return "another JSON API"
	case strings.Contains(low, "<html") || strings.Contains(low, "<!doctype"):
		if server != "" {
			return "a web site (" + wire.Short(server) + ")"
		}
		return "a web site"
	case server != "":
		return wire.Short(server)
	}
	return "something else"
}

// open makes sure there is a session: the kept token first, a login second.
func (s *session) open(ctx context.Context) error {
	s.recallBase()
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
func (s *session) login(ctx context.Context, refused string) error {
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
	if err := s.probe(ctx); err != nil {
		return err
	}
	for try := 0; ; try++ {
		token, notes, err := s.askToken(ctx, what, user, password)
		if err != nil {
			return err
		}
		if token == refused && refused != "" && try == 0 {
			if err := pause(ctx, reloginWait); err != nil {
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
func (s *session) askToken(ctx context.Context, what, user, password string) (string, []string, error) {
	rep, err := s.c.Do(anonymous(ctx), client.Call{
		Method: http.MethodPost, Path: s.path("/login"),
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

// renew logs in again after gen's token was refused; another caller may have
// done so already.
func (s *session) renew(ctx context.Context, gen int) error {
	s.loginMu.Lock()
	defer s.loginMu.Unlock()
	token, now := s.current()
	if now != gen {
		return nil
	}
	s.mu.Lock()
	s.dead, s.token = token, ""
	s.mu.Unlock()
	return s.login(ctx, token)
}

func pause(ctx context.Context, t time.Duration) error {
	timer := time.NewTimer(t)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// do sends a call under the API base with a session. A read that meets a 401
// is sent once more after a new login; an action never is. p is the path
// under the base, already escaped.
func (s *session) do(ctx context.Context, what, p string, c client.Call) (*client.Reply, error) {
	return exchange(ctx, s, what, p, c, s.c.Do, func(r *client.Reply) http.Header { return r.Header })
}

// openStream is do with the body unread; the caller closes it.
func (s *session) openStream(ctx context.Context, what, p string, c client.Call) (*client.Stream, error) {
	return exchange(ctx, s, what, p, c, s.c.Open, func(s *client.Stream) http.Header { return s.Header })
}

func exchange[T any](ctx context.Context, s *session, what, p string, c client.Call, send func(context.Context, client.Call) (T, error), header func(T) http.Header) (T, error) {
	var none T
	if err := s.open(ctx); err != nil {
		return none, backends.FromClient(what, err)
	}
	reads := c.Reads || (c.Method == "" || c.Method == http.MethodGet) && !c.Acts
	renewals := 0
	for {
		_, gen := s.current()
		c.Path = s.path(p)
		rep, err := send(ctx, c)
		if err == nil {
			s.confirmBase(header(rep))
			return rep, nil
		}
		var st *client.StatusError
		if !errors.As(err, &st) {
			return none, reply.FromClient(what, err)
		}
		switch {
		case st.Code == http.StatusUnauthorized && renewals < 2 && (reads || renewals == 0):
			// Twice, because the first new token may be the dead one of the
			// same second when another process logged out (§3.7).
			renewals++
			if err := s.renew(ctx, gen); err != nil {
				return none, backends.FromClient(what, err)
			}
			if !reads {
				// The server refused it before doing anything, yet an action
				// is never repeated by itself.
				e := reply.FromClient(what, err)
				var be *backends.Error
				if errors.As(e, &be) {
					be.Hint = "the session had ended and was renewed: run the command again"
				}
				return none, e
			}
			continue
		case st.Code == http.StatusNotFound && !s.baseIsKnown() && wire.KindOf(st.Body) != '{':
			before := s.path("")
			if perr := s.probe(ctx); perr != nil {
				return none, backends.FromClient(what, perr)
			}
			if reads && s.path("") != before {
				continue
			}
		case st.Code == http.StatusUnauthorized:
			s.confirm()
		}
		return none, reply.FromClient(what, err)
	}
}

// confirmBase remembers that the base answered as ESP does.
func (s *session) confirmBase(h http.Header) {
	if strings.HasPrefix(h.Get("Content-Type"), "application/json") {
		s.confirm()
	}
}

func (s *session) confirm() {
	s.mu.Lock()
	s.baseKnown = true
	s.mu.Unlock()
}

// ask sends a call and reads the envelope.
func (s *session) ask(ctx context.Context, what, p string, c client.Call) (*reply.Answer, error) {
	rep, err := s.do(ctx, what, p, c)
	if err != nil {
		return nil, err
	}
	return reply.ParseAnswer(what, rep)
}

// askPage sends a reading POST whose body is req and reads one page.
func (s *session) askPage(ctx context.Context, what, p string, req any) (*reply.Page, error) {
	return s.sendPage(ctx, what, p, client.Call{Method: http.MethodPost, JSON: req, Reads: true})
}

// sendPage sends a reading call and reads one page.
func (s *session) sendPage(ctx context.Context, what, p string, c client.Call) (*reply.Page, error) {
	rep, err := s.do(ctx, what, p, c)
	if err != nil {
		return nil, err
	}
	return reply.ParsePage(what, rep)
}

// describe is one request as Plan shows it.
func (s *session) describe(method, p string, req any) string {
	return s.describeCall(p, client.Call{Method: method, JSON: req, Reads: true})
}

// describeCall is a call under the API base, in words.
func (s *session) describeCall(p string, c client.Call) string {
	s.recallBase()
	c.Path = s.path(p)
	return s.c.Describe(c)
}

// Login gets a new session, checks that the server takes it, and keeps it.
func (s *session) Login(ctx context.Context) error {
	const what = "cannot log in"
	s.recallBase()
	s.loginMu.Lock()
	err := s.login(ctx, "")
	s.loginMu.Unlock()
	if err != nil {
		return err
	}
	_, err = s.do(ctx, what, "/hosts/count", client.Call{})
	return err
}

// Logout ends the session on the server and forgets it. Without one nothing
// is sent.
func (s *session) Logout(ctx context.Context) error {
	const what = "cannot log out"
	s.recallBase()
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
	if err := s.probe(ctx); err != nil {
		return backends.FromClient(what, err)
	}
	_, err := s.c.Do(ctx, client.Call{Method: http.MethodPost, Path: s.path("/logout")})
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

// forget drops the session kept here after the server has ended it.
func (s *session) forget(ctx context.Context) {
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
func (s *session) Verify(ctx context.Context, password string) (bool, error) {
	const what = "cannot verify the password"
	s.redactor.Add(password)
	s.recallBase()
	if err := s.probe(ctx); err != nil {
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

// splitBase takes the API base off a URL that names it, and the console's
// path off one copied from a browser (https://host/esp-ui/).
func splitBase(raw string) (server, prefix string, err error) {
	u, err := url.Parse(raw)
	if err != nil {
		return "", "", backends.Invalid("the profile's url", "it is not a URL")
	}
	p := strings.TrimRight(u.Path, "/")
	if i := strings.Index(p, "/services/api/"); i >= 0 || strings.HasPrefix(p, "/services/api/") {
		prefix, p = p, ""
	} else if strings.HasPrefix(p, "/esp-ui") {
		p = ""
	}
	u.Path, u.RawPath, u.RawQuery, u.Fragment = p, "", "", ""
	return u.String(), prefix, nil
}

// send sends a changing call, once. An answer that cannot be read leaves open
// what became of it.
func (s *session) send(ctx context.Context, what, path string, call client.Call) (*reply.Answer, error) {
	call.Acts = true
	rep, err := s.do(ctx, what, path, call)
	if err != nil {
		return nil, err
	}
	a, err := reply.ParseAnswer(what, rep)
	var be *backends.Error
	switch {
	case !errors.As(err, &be):
	case be.Kind == backends.KindMalformed:
		return nil, &backends.Error{Kind: backends.KindAmbiguous, What: what, Why: be.Why + ": the request may have been carried out", Err: err}
	case strings.Contains(strings.ToLower(be.Why), "no active node"):
		be.Kind, be.Hint = backends.KindUnavailable, "no host asked for is online, and ESP keeps no query for later"
	}
	return a, err
}
