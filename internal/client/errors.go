package client

import (
	"errors"
	"fmt"
	"net/http"
	"time"
)

// StatusError is an answer whose status is not 2xx. The body is the first
// few KiB, redacted; HTML is recognised and never shown: then Body is one
// line that says what the page calls itself.
type StatusError struct {
	Method, URL string // URL without query
	Host        string
	Code        int
	Header      http.Header // credentials masked
	Body        []byte
	RetryAfter  time.Duration // 0 when the server named none
	// Action is set for a call that may change something: with a 5xx of a
	// gateway (502, 504) it may have happened.
	Action bool
	Timing
}

func (e *StatusError) Error() string {
	return fmt.Sprintf("%d %s from %s", e.Code, http.StatusText(e.Code), e.Host)
}

// TransportError is a request that got no complete answer. Sent tells whether
// it may have reached the server: an action with Sent is ambiguous.
type TransportError struct {
	Method, URL, Host string
	Sent              bool
	Action            bool // the call may change something
	Err               error
}

func (e *TransportError) Error() string {
	var proxy *ProxyError
	if errors.As(e.Err, &proxy) {
		return proxy.Error() // it is not the server that failed
	}
	return fmt.Sprintf("%s: %v", e.Host, e.Err)
}
func (e *TransportError) Unwrap() error { return e.Err }

// MalformedError is an answer that is not what the API promises: not JSON,
// cut, too deep, too long, or of another product.
type MalformedError struct {
	Method, URL, Host string
	Why               string
	Page              bool // a web page came instead of an answer of the API
	Action            bool // the call may have changed something: its outcome is unknown
	Err               error
}

func (e *MalformedError) Error() string {
	if e.Host == "" {
		return "malformed answer: " + e.Why
	}
	return fmt.Sprintf("malformed answer from %s: %s", e.Host, e.Why)
}
func (e *MalformedError) Unwrap() error { return e.Err }
