package esp

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"os"
	"path/filepath"
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

// session is the state one Driver keeps about its server. The token is
// guarded by mu; loginMu makes concurrent callers wait for one login.
type session struct {
	mu    sync.Mutex
	token string
	dead  string // the last token the server refused
	gen   int    // grows with every new token
	asked bool   // whether the kept secret was looked up

	loginMu sync.Mutex

	base      string // API base, without a trailing slash
	baseKnown bool   // a right answer came from it, or the config names it
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

type noToken struct{}

// authorize puts the session on a request; login and the base probe carry
// none.
func (d *Driver) authorize(ctx context.Context, r *http.Request) error {
	if ctx.Value(noToken{}) != nil {
		return nil
	}
	if token, _ := d.session.current(); token != "" {
		r.Header.Set(tokenHeader, token)
	}
	return nil
}

func (d *Driver) path(p string) string {
	d.session.mu.Lock()
	defer d.session.mu.Unlock()
	return d.session.base + p
}

func (d *Driver) baseIsKnown() bool {
	d.session.mu.Lock()
	defer d.session.mu.Unlock()
	return d.session.baseKnown
}

func (d *Driver) setBase(base string, known bool) {
	d.session.mu.Lock()
	d.session.base, d.session.baseKnown = base, known
	d.session.mu.Unlock()
}

// probe finds the API base: GET hosts/count without credentials answers 401
// in JSON at the right place and HTML elsewhere (§2).
func (d *Driver) probe(ctx context.Context) error {
	if d.baseIsKnown() {
		return nil
	}
	d.probeMu.Lock()
	defer d.probeMu.Unlock()
	if d.baseIsKnown() {
		return nil
	}
	const what = "cannot find the API"
	ctx = context.WithValue(ctx, noToken{}, true)
	looks := ""
	for _, base := range d.candidates() {
		rep, err := d.c.Do(ctx, client.Call{Path: base + "/hosts/count", Raw: true})
		if err == nil {
			if wire.KindOf(rep.Body) == '{' {
				d.found(base)
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
			d.found(base)
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
func (d *Driver) candidates() []string {
	first := d.path("")
	out := []string{first}
	for _, b := range wire.BasePaths {
		if b != first {
			out = append(out, b)
		}
	}
	return out
}

func (d *Driver) found(base string) {
	changed := d.path("") != base
	d.setBase(base, true)
	if f := d.baseFile(); changed && f != "" {
		// Only a hint for the next run: not being able to keep it costs one request.
		_ = os.WriteFile(f, []byte(base+"\n"), 0o600)
	}
}

// baseFile is where the base found is remembered, "" when nothing may be
// written. Its name holds a digest, as profile names and URLs are no file names.
func (d *Driver) baseFile() string {
	if d.o.StateDir == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(d.o.Profile + "\x00" + d.o.Client.BaseURL))
	return filepath.Join(d.o.StateDir, "esp-base-"+hex.EncodeToString(sum[:8]))
}

// recallBase reads the remembered base; what is not one of ours is ignored.
func (d *Driver) recallBase() {
	d.recall.Do(func() {
		f := d.baseFile()
		if f == "" || d.baseIsKnown() {
			return
		}
		b, err := os.ReadFile(f)
		if err != nil || len(b) > 200 {
			return
		}
		got := strings.TrimSpace(string(b))
		for _, known := range wire.BasePaths {
			if got == known {
				d.setBase(known, false)
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
func (d *Driver) open(ctx context.Context) error {
	d.recallBase()
	if token, _ := d.session.current(); token != "" {
		return nil
	}
	d.session.loginMu.Lock()
	defer d.session.loginMu.Unlock()
	if token, _ := d.session.current(); token != "" {
		return nil
	}
	if d.o.Secret != nil && !d.session.asked {
		d.session.asked = true
		// A missing session is the ordinary case before the first login; any
		// other trouble with the keyring shows when the password is asked for.
		if token, err := d.o.Secret(ctx, "session"); err == nil && token != "" {
			d.redactor.Add(token)
			d.session.set(token)
			return nil
		}
	}
	return d.login(ctx, "")
}

// login asks for a token with user name and password. refused is the token
// that was dead before; getting it again means both fell into one second.
// loginMu is held.
func (d *Driver) login(ctx context.Context, refused string) error {
	const what = "cannot log in"
	user := d.o.Settings["username"]
	if user == "" {
		return &backends.Error{Kind: backends.KindAuth, What: what, Why: "the profile names no username", Hint: "add username: to the profile"}
	}
	if d.o.Secret == nil {
		return &backends.Error{Kind: backends.KindAuth, What: what, Why: "no password is at hand", Hint: "run edrctl auth login for this profile"}
	}
	password, err := d.o.Secret(ctx, "password")
	if err != nil {
		return backends.FromClient(what, err)
	}
	if password == "" {
		return &backends.Error{Kind: backends.KindAuth, What: what, Why: "the password is empty", Hint: "run edrctl auth login for this profile"}
	}
	d.redactor.Add(password)
	if err := d.probe(ctx); err != nil {
		return err
	}
	for try := 0; ; try++ {
		token, notes, err := d.askToken(ctx, what, user, password)
		if err != nil {
			return err
		}
		if token == refused && refused != "" && try == 0 {
			if err := pause(ctx, reloginWait); err != nil {
				return backends.FromClient(what, err)
			}
			continue
		}
		d.session.set(token)
		d.notes = notes
		if d.o.SaveSecret != nil {
			if _, err := d.o.SaveSecret(ctx, "session", token); err != nil && d.o.Warn != nil {
				d.o.Warn("the ESP session could not be kept and will be asked for again: " + d.redactor.String(err.Error()))
			}
		}
		return nil
	}
}

// askToken is POST /login. Wrong credentials are HTTP 200 without a token; a
// request the server cannot read is 400 in HTML (§3).
func (d *Driver) askToken(ctx context.Context, what, user, password string) (string, []string, error) {
	rep, err := d.c.Do(context.WithValue(ctx, noToken{}, true), client.Call{
		Method: http.MethodPost, Path: d.path("/login"),
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
	d.redactor.Add(token)
	return token, notes, nil
}

// renew logs in again after gen's token was refused; another caller may have
// done so already.
func (d *Driver) renew(ctx context.Context, gen int) error {
	d.session.loginMu.Lock()
	defer d.session.loginMu.Unlock()
	token, now := d.session.current()
	if now != gen {
		return nil
	}
	d.session.mu.Lock()
	d.session.dead, d.session.token = token, ""
	d.session.mu.Unlock()
	return d.login(ctx, token)
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
func (d *Driver) do(ctx context.Context, what, p string, c client.Call) (*client.Reply, error) {
	return exchange(ctx, d, what, p, c, d.c.Do, func(r *client.Reply) http.Header { return r.Header })
}

// openStream is do with the body unread; the caller closes it.
func (d *Driver) openStream(ctx context.Context, what, p string, c client.Call) (*client.Stream, error) {
	return exchange(ctx, d, what, p, c, d.c.Open, func(s *client.Stream) http.Header { return s.Header })
}

func exchange[T any](ctx context.Context, d *Driver, what, p string, c client.Call, send func(context.Context, client.Call) (T, error), header func(T) http.Header) (T, error) {
	var none T
	if err := d.open(ctx); err != nil {
		return none, backends.FromClient(what, err)
	}
	reads := c.Reads || (c.Method == "" || c.Method == http.MethodGet) && !c.Acts
	renewals := 0
	for {
		_, gen := d.session.current()
		c.Path = d.path(p)
		rep, err := send(ctx, c)
		if err == nil {
			d.confirmBase(header(rep))
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
			if err := d.renew(ctx, gen); err != nil {
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
		case st.Code == http.StatusNotFound && !d.baseIsKnown() && wire.KindOf(st.Body) != '{':
			before := d.path("")
			if perr := d.probe(ctx); perr != nil {
				return none, backends.FromClient(what, perr)
			}
			if reads && d.path("") != before {
				continue
			}
		case st.Code == http.StatusUnauthorized:
			d.confirm()
		}
		return none, reply.FromClient(what, err)
	}
}

// confirmBase remembers that the base answered as ESP does.
func (d *Driver) confirmBase(h http.Header) {
	if strings.HasPrefix(h.Get("Content-Type"), "application/json") {
		d.confirm()
	}
}

func (d *Driver) confirm() {
	d.session.mu.Lock()
	d.session.baseKnown = true
	d.session.mu.Unlock()
}

// ask sends a call and reads the envelope.
func (d *Driver) ask(ctx context.Context, what, p string, c client.Call) (*reply.Answer, error) {
	rep, err := d.do(ctx, what, p, c)
	if err != nil {
		return nil, err
	}
	return reply.ParseAnswer(what, rep)
}

// askPage sends a reading POST whose body is req and reads one page.
func (d *Driver) askPage(ctx context.Context, what, p string, req any) (*reply.Page, error) {
	return d.sendPage(ctx, what, p, client.Call{Method: http.MethodPost, JSON: req, Reads: true})
}

// sendPage sends a reading call and reads one page.
func (d *Driver) sendPage(ctx context.Context, what, p string, c client.Call) (*reply.Page, error) {
	rep, err := d.do(ctx, what, p, c)
	if err != nil {
		return nil, err
	}
	return reply.ParsePage(what, rep)
}

// describe is one request as Plan shows it.
func (d *Driver) describe(method, p string, req any) string {
	return d.describeCall(p, client.Call{Method: method, JSON: req, Reads: true})
}

// describeCall is a call under the API base, in words.
func (d *Driver) describeCall(p string, c client.Call) string {
	d.recallBase()
	c.Path = d.path(p)
	return d.c.Describe(c)
}

// Login gets a new session, checks that the server takes it, and keeps it.
func (d *Driver) Login(ctx context.Context) error {
	const what = "cannot log in"
	d.recallBase()
	d.session.loginMu.Lock()
	err := d.login(ctx, "")
	d.session.loginMu.Unlock()
	if err != nil {
		return err
	}
	_, err = d.do(ctx, what, "/hosts/count", client.Call{})
	return err
}

// Logout ends the session on the server and forgets it. Without one nothing
// is sent.
func (d *Driver) Logout(ctx context.Context) error {
	const what = "cannot log out"
	d.recallBase()
	d.session.loginMu.Lock()
	defer d.session.loginMu.Unlock()
	token, _ := d.session.current()
	if token == "" && d.o.Secret != nil {
		if kept, err := d.o.Secret(ctx, "session"); err == nil && kept != "" {
			d.redactor.Add(kept)
			d.session.set(kept)
			token = kept
		}
	}
	if token == "" {
		return nil
	}
	if err := d.probe(ctx); err != nil {
		return backends.FromClient(what, err)
	}
	_, err := d.c.Do(ctx, client.Call{Method: http.MethodPost, Path: d.path("/logout")})
	var st *client.StatusError
	if err != nil && !(errors.As(err, &st) && st.Code == http.StatusUnauthorized) {
		return reply.FromClient(what, err)
	}
	d.session.mu.Lock()
	d.session.dead, d.session.token = token, ""
	d.session.gen++
	d.session.mu.Unlock()
	if d.o.SaveSecret != nil {
		if _, err := d.o.SaveSecret(ctx, "session", ""); err != nil {
			return &backends.Error{Kind: backends.KindOther, What: what, Why: "the session ended on the server, its copy could not be removed", Err: err}
		}
	}
	return nil
}

// forget drops the session kept here after the server has ended it.
func (d *Driver) forget(ctx context.Context) {
	d.session.loginMu.Lock()
	defer d.session.loginMu.Unlock()
	d.session.mu.Lock()
	d.session.dead, d.session.token, d.session.asked = d.session.token, "", true
	d.session.gen++
	d.session.mu.Unlock()
	if d.o.SaveSecret != nil {
		if _, err := d.o.SaveSecret(ctx, "session", ""); err != nil && d.o.Warn != nil {
			d.o.Warn("the session ended on the server, its copy could not be removed: " + d.redactor.String(err.Error()))
		}
	}
}

// Verify tells, by logging in with it, whether a password is that of the
// profile's user: after a change no session is left to ask with.
func (d *Driver) Verify(ctx context.Context, password string) (bool, error) {
	const what = "cannot verify the password"
	d.redactor.Add(password)
	d.recallBase()
	if err := d.probe(ctx); err != nil {
		return false, err
	}
	_, _, err := d.askToken(ctx, what, d.o.Settings["username"], password)
	switch {
	case err == nil:
		return true, nil
	case backends.KindOf(err) == backends.KindAuth:
		return false, nil
	}
	return false, err
}
