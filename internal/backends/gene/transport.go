package gene

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/backends/gene/wire"
	"github.com/edrctl/edrctl/internal/client"
	"github.com/edrctl/edrctl/internal/client/jsonwalk"
)

// get reads a small document into data; a null there leaves it as it was.
func (d *Driver) get(ctx context.Context, path string, q url.Values, data any) (*client.Reply, error) {
	reply, err := d.c.Do(ctx, client.Call{Path: path, Query: q})
	if err != nil {
		return nil, err
	}
	raw, err := wire.DecodeEnvelope(reply.Body)
	if err != nil {
		return reply, err
	}
	if len(raw) == 0 || string(raw) == "null" {
		return reply, nil
	}
	if err := json.Unmarshal(raw, data); err != nil {
		return reply, backends.Malformed("", "data of the answer is not of the promised shape")
	}
	return reply, nil
}

// serialised runs f while no other read of the endpoint and report routes is under
// way (trap 4), and tells a locked-up manager from one that is away.
func (d *Driver) serialised(ctx context.Context, f func() error) error {
	select {
	case d.reads <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	err := f()
	<-d.reads
	if err == nil || !isTimeout(err) || ctx.Err() != nil {
		return err
	}
	probe, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	if _, serr := d.c.Do(probe, client.Call{Path: "/stats"}); serr == nil {
		return &backends.Error{
			Kind: backends.KindUnavailable, Err: err,
			Why:  "the manager answers /stats but not this: it has locked itself up",
			Hint: "restart the manager; endpoints, reports and the agents hang until then",
		}
	}
	return err
}

func isTimeout(err error) bool {
	var t interface{ Timeout() bool }
	return errors.As(err, &t) && t.Timeout() || errors.Is(err, context.DeadlineExceeded)
}

// fail makes the error a caller gets: what could not be done, and why.
func (d *Driver) fail(what string, err error) error {
	if err == nil {
		return nil
	}
	var own *backends.Error
	if errors.As(err, &own) {
		return backends.FromClient(what, err)
	}
	var malformed *wire.MalformedError
	if errors.As(err, &malformed) {
		return &backends.Error{Kind: backends.KindMalformed, What: what, Why: malformed.Why, Err: err}
	}
	var answer *wire.AnswerError
	if errors.As(err, &answer) {
		e := &backends.Error{What: what, Why: "the manager says: " + d.redactor.String(answer.Text), Err: err}
		if answer.UnknownEndpoint() {
			e.Kind = backends.KindNotFound
		}
		return e
	}
	var status *client.StatusError
	if errors.As(err, &status) {
		e := &backends.Error{What: what, Why: status.Error(), Err: err}
		switch status.Code {
		case http.StatusForbidden:
			e.Kind = backends.KindAuth
			e.Why = "403 from " + status.Host + ": the " + secretKey + " was refused"
			e.Hint = "set the key of an admin API user: edrctl auth login -p " + d.o.Profile
			return e
		case http.StatusNotFound:
			e.Kind = backends.KindMalformed
			e.Why = "404 from " + status.Host + ": this does not look like the admin API of a Gene (WHIDS) manager"
			e.Hint = "check url in the profile: the admin API's port (1520 unless configured otherwise), no path"
			return e
		}
	}
	return backends.FromClient(what, err)
}

// describe shows a plain read.
func (d *Driver) describe(path string) string { return d.c.Describe(client.Call{Path: path}) }

// described shows requests as they will be sent, secrets masked.
func (d *Driver) described(reqs []client.Call) []string {
	out := make([]string, len(reqs))
	for i, r := range reqs {
		out[i] = d.c.Describe(r)
	}
	return out
}

func isStatus(err error, code int) bool {
	var status *client.StatusError
	return errors.As(err, &status) && status.Code == code
}

// isCut tells whether the server may have run into its 15 s limit: no answer
// at all on a connection that was up, or a part of one (docs/wire/gene.md 1).
func isCut(err error) bool {
	var cut *cutError
	var transport *client.TransportError
	var malformed *client.MalformedError
	switch {
	case errors.As(err, &cut):
		return true
	case isTimeout(err), errors.Is(err, context.Canceled):
		return false
	case errors.As(err, &transport):
		return transport.Sent
	case errors.As(err, &malformed):
		return malformed.Err != nil && isShort(malformed.Err)
	}
	return false
}

// isSilent tells whether the client's own time-out struck while the server
// was at work: a busy manager builds a long answer as a whole before it sends
// the first byte.
func isSilent(err error) bool {
	var transport *client.TransportError
	return errors.As(err, &transport) && transport.Sent && isTimeout(err)
}

func isAnswer(err error) bool {
	var answer *wire.AnswerError
	return errors.As(err, &answer)
}

// cutError is an answer that ended too early.
type cutError struct{ err error }

func (e *cutError) Error() string { return "the answer was cut" }

func (e *cutError) Unwrap() error { return e.err }

// readError tells a cut answer from one that is not JSON at all.
func readError(err error) error {
	if errors.Is(err, jsonwalk.ErrShort) {
		return &cutError{err: err}
	}
	var syntax *jsonwalk.SyntaxError
	if errors.As(err, &syntax) {
		e := backends.Malformed("", "the answer is not what the manager's API promises: "+syntax.Why)
		e.Err = err
		return e
	}
	return err
}

func isShort(err error) bool { return errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) }

// act sends one changing request, once, and gives the data of its answer. An
// answer that cannot be read leaves open what became of it.
func (d *Driver) act(ctx context.Context, what string, call client.Call) (json.RawMessage, error) {
	reply, err := d.c.Do(ctx, call)
	if err != nil {
		return nil, d.fail(what, err)
	}
	raw, err := wire.DecodeEnvelope(reply.Body)
	if err != nil && !isAnswer(err) {
		return nil, ambiguous(what, err.Error())
	}
	return raw, d.fail(what, err)
}

// ambiguous is an action whose answer was lost or is unreadable.
func ambiguous(what, why string) error {
	return &backends.Error{Kind: backends.KindAmbiguous, What: what, Why: why + ": the request may have been carried out"}
}
