package backends

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// ErrorKind decides the exit code and whether a retry makes sense.
type ErrorKind uint8

// The kinds.
const (
	KindOther       ErrorKind = iota
	KindUnsupported           // the backend cannot do it: exit 5
	KindAuth                  // not authenticated: exit 4
	KindForbidden             // authenticated, not allowed: exit 4
	KindNotFound              // exit 6
	KindInvalid               // a value the backend cannot take: exit 2
	KindRateLimited           // exit 1; After says when
	KindUnavailable           // unreachable, 5xx, timed out: exit 1
	KindAmbiguous             // an action may have happened: exit 1
	KindMalformed             // the answer is not what the API promises: exit 1
	KindPartial               // a part could not be read: exit 3
	KindRefused               // read-only, declined: exit 7
)

// ErrNarrow is in the chain of the error of a backend that answers a list only when
// it is narrowed: among several profiles it is left out, as one that cannot list.
var ErrNarrow = errors.New("the list has to be narrowed")

// Error is what every driver returns: what failed, why, and one line of advice.
type Error struct {
	Kind  ErrorKind
	What  string        // "cannot list alerts"
	Why   string        // "401 from host: the API key was refused"
	Hint  string        // what to do; "" when there is nothing to say
	After time.Duration // RateLimited: how long to wait
	Err   error         // the cause, for errors.Is
}

func (e *Error) Error() string {
	switch {
	case e.What == "":
		return e.Why
	case e.Why == "":
		return e.What
	}
	return e.What + ": " + e.Why
}

func (e *Error) Unwrap() error { return e.Err }

// InWords says in words what Go says of a context that has ended: the only one
// with a deadline that a user meets is that of --timeout.
func InWords(text string) string {
	return strings.NewReplacer(
		context.DeadlineExceeded.Error(), "the time of --timeout was over",
		context.Canceled.Error(), "interrupted",
	).Replace(text)
}

// KindOf gives the kind of err, KindOther when it is none of ours.
func KindOf(err error) ErrorKind {
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return KindOther
}

// Unsupported says that backend cannot do what, and what it can do instead.
func Unsupported(backend, what, instead string) *Error {
	e := &Error{Kind: KindUnsupported, What: what, Why: fmt.Sprintf("%s does not offer it", backend)}
	if instead != "" {
		e.Hint = instead
	}
	return e
}

// NotFound says that there is no such thing.
func NotFound(what, id string) *Error {
	return &Error{Kind: KindNotFound, What: "no " + what + " " + id}
}

// Invalid says that a value cannot be taken.
func Invalid(what, why string) *Error { return &Error{Kind: KindInvalid, What: what, Why: why} }

// Malformed says that an answer is not what the API promises.
func Malformed(what, why string) *Error { return &Error{Kind: KindMalformed, What: what, Why: why} }

// ErrCountLocally is returned by an EventCounter that cannot count a field or
// filter exactly on the server.
var ErrCountLocally = errors.New("count locally")
