package backends

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/edrctl/edrctl/internal/client"
)

// FromClient turns an error of the transport into an *Error that says what
// could not be done ("cannot list alerts"). An *Error passes through with
// What filled in when it had none; a cancelled context stays recognisable
// with errors.Is.
func FromClient(what string, err error) error {
	if err == nil {
		return nil
	}
	var own *Error
	if errors.As(err, &own) {
		if own.What != "" {
			return err
		}
		c := *own
		c.What = what
		return &c
	}
	e := &Error{What: what, Why: InWords(err.Error()), Err: err, Hint: elsewhere(err)}
	var status *client.StatusError
	var transport *client.TransportError
	var malformed *client.MalformedError
	switch {
	case ambiguous(err):
		e.Kind, e.Why = KindAmbiguous, e.Why+": the request may have been carried out"
	case errors.As(err, &status):
		e.Kind, e.After = kindOfStatus(status.Code), status.RetryAfter
		e.Why = status.Error()
		if e.Kind == KindRateLimited && e.After > 0 {
			e.Why += fmt.Sprintf(": it asks to wait %s", e.After)
		}
	case errors.As(err, &malformed):
		e.Kind, e.Why = KindMalformed, malformed.Error()
	case errors.Is(err, context.Canceled):
		e.Kind = KindOther
	case errors.As(err, &transport):
		e.Kind, e.Why = KindUnavailable, InWords(transport.Error())
	case errors.Is(err, context.DeadlineExceeded):
		e.Kind = KindUnavailable
	}
	return e
}

// elsewhere is the advice for an answer that did not come from the server.
func elsewhere(err error) string {
	var malformed *client.MalformedError
	var proxy *client.ProxyError
	switch {
	case errors.As(err, &proxy):
		return proxy.Hint
	case errors.As(err, &malformed) && malformed.Page:
		return "check url in the profile: a proxy, a login page or another product answers there"
	}
	return ""
}

// ambiguous tells whether err leaves open what became of an action: it may
// have reached the server, and no answer says how it ended.
func ambiguous(err error) bool {
	var status *client.StatusError
	var transport *client.TransportError
	var malformed *client.MalformedError
	switch {
	case errors.As(err, &malformed):
		return malformed.Action
	case errors.As(err, &transport):
		return transport.Action && transport.Sent
	case errors.As(err, &status):
		return status.Action && status.Code >= 500
	}
	return false
}

func kindOfStatus(code int) ErrorKind {
	switch code {
	case http.StatusUnauthorized:
		return KindAuth
	case http.StatusForbidden:
		return KindForbidden
	case http.StatusNotFound, http.StatusGone:
		return KindNotFound
	case http.StatusBadRequest, http.StatusUnprocessableEntity:
		return KindInvalid
	case http.StatusTooManyRequests:
		return KindRateLimited
	}
	if code >= 500 {
		return KindUnavailable
	}
	return KindOther
}
