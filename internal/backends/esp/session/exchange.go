package session

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/backends/esp/reply"
	"github.com/edrctl/edrctl/internal/backends/esp/wire"
	"github.com/edrctl/edrctl/internal/client"
)

// renew logs in again after gen's token was refused; another caller may have
// done so already.
func (s *Session) renew(ctx context.Context, gen int) error {
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

// Pause waits for t, or until ctx ends.
func Pause(ctx context.Context, t time.Duration) error {
	timer := time.NewTimer(t)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// Do sends a call under the API base with a session. A read that meets a 401
// is sent again after a new login; an action never is. p is the path
// under the base, already escaped.
func (s *Session) Do(ctx context.Context, what, p string, c client.Call) (*client.Reply, error) {
	return exchange(ctx, s, what, p, c, s.c.Do, func(r *client.Reply) http.Header { return r.Header })
}

// OpenStream is do with the body unread; the caller closes it.
func (s *Session) OpenStream(ctx context.Context, what, p string, c client.Call) (*client.Stream, error) {
	return exchange(ctx, s, what, p, c, s.c.Open, func(s *client.Stream) http.Header { return s.Header })
}

func exchange[T any](ctx context.Context, s *Session, what, p string, c client.Call, send func(context.Context, client.Call) (T, error), header func(T) http.Header) (T, error) {
	var none T
	if err := s.open(ctx); err != nil {
		return none, backends.FromClient(what, err)
	}
	reads := c.Reads || (c.Method == "" || c.Method == http.MethodGet) && !c.Acts
	renewals := 0
	for {
		_, gen := s.current()
		c.Path = s.Path(p)
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
			before := s.Path("")
			if perr := s.Probe(ctx); perr != nil {
				return none, backends.FromClient(what, perr)
			}
			if reads && s.Path("") != before {
				continue
			}
		case st.Code == http.StatusUnauthorized:
			s.confirm()
		}
		return none, reply.FromClient(what, err)
	}
}

// Ask sends a call and reads the envelope.
func (s *Session) Ask(ctx context.Context, what, p string, c client.Call) (*reply.Answer, error) {
	rep, err := s.Do(ctx, what, p, c)
	if err != nil {
		return nil, err
	}
	return reply.ParseAnswer(what, rep)
}

// AskPage sends a reading POST whose body is req and reads one page.
func (s *Session) AskPage(ctx context.Context, what, p string, req any) (*reply.Page, error) {
	return s.SendPage(ctx, what, p, client.Call{Method: http.MethodPost, JSON: req, Reads: true})
}

// SendPage sends a reading call and reads one page.
func (s *Session) SendPage(ctx context.Context, what, p string, c client.Call) (*reply.Page, error) {
	rep, err := s.Do(ctx, what, p, c)
	if err != nil {
		return nil, err
	}
	return reply.ParsePage(what, rep)
}

// Describe is one request as Plan shows it.
func (s *Session) Describe(method, p string, req any) string {
	return s.DescribeCall(p, client.Call{Method: method, JSON: req, Reads: true})
}

// DescribeCall is a call under the API base, in words.
func (s *Session) DescribeCall(p string, c client.Call) string {
	s.RecallBase()
	c.Path = s.Path(p)
	return s.c.Describe(c)
}

// Send sends a changing call, once. An answer that cannot be read leaves open
// what became of it.
func (s *Session) Send(ctx context.Context, what, path string, call client.Call) (*reply.Answer, error) {
	call.Acts = true
	rep, err := s.Do(ctx, what, path, call)
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
