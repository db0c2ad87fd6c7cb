// Package client is the one transport to every backend: resty over our own
// RoundTripper. It holds TLS (CA file, SPKI pin, server name, client
// certificate), proxy, pacing per server, retries of reads only, limits on
// everything that comes in, redaction and the wire log, JSON arrays decoded
// element by element, WebSockets and resumable downloads.
//
// It knows no model and no vendor.
package client

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"time"
)

// Config is what a profile and the run say about one server. A zero value of
// any field means its default.
type Config struct {
	BaseURL string // scheme://host[:port][/prefix]
	TLS     TLS    //
	Proxy   string // URL; "" = from the environment; "none" = direct
	// ProxyPassword looks up the password of the user that Proxy names, when
	// the first request goes out; nil = Proxy holds it, or none is needed.
	ProxyPassword func(context.Context) (string, error)
	Headers       map[string]string // sent with every request
	Rate          Rate              // overrides the driver's own default
	Timeout       time.Duration     // to the response header, and between two bytes of a body; default 30 s
	UserAgent     string            // default "edrctl"
	RetryBase     time.Duration     // back-off before the second try of a read, at most; default 300 ms. Tests make it short
	Redactor      *Redactor         // shared by the whole run; nil = a new one
	Pacers        *Pacers           // shared by the whole run; nil = own
	Debug         io.Writer         // redacted wire log; nil = off
	Warn          func(string)      // one line to the user, for example about insecure_skip_verify; nil = dropped
}

// TLS is how a server's certificate is checked and the client's shown.
type TLS struct {
	CAFile             string
	Pin                string // "sha256:<lower-case hex of SHA-256 of the DER SubjectPublicKeyInfo>" of any certificate presented
	ServerName         string
	ClientCert         string // PEM files
	ClientKey          string
	InsecureSkipVerify bool // warns on every run
}

// Rate is the pace one server allows. All clients of a server that share a
// Pacers share it; of several rates the strictest holds. An open Stream counts
// as concurrent only until its header, so that its reader can ask for more.
type Rate struct {
	PerSecond  float64 // 0 = unlimited
	Burst      int     // requests that may go at once after a pause; default PerSecond
	Concurrent int     // 0 = 8
}

// Options are the driver's part of a client.
type Options struct {
	// Authorize puts credentials on a request, once for each try. Every
	// secret it adds must be known to the Redactor before. Its error is
	// returned as it is. Requests made with the ctx it gets (a login) go out
	// without credentials and are not re-authorised.
	Authorize func(ctx context.Context, r *http.Request) error
	// Reauthorize is asked once after a 401; true means credentials were
	// renewed and the request, if it only reads, may be tried again; an
	// action keeps its 401, and the next one has the new credentials. Of many
	// requests refused at once, one asks. The ctx is as for Authorize.
	Reauthorize func(ctx context.Context) (bool, error)
	// Rate is the vendor's documented or measured pace.
	Rate Rate
	// IdleConn closes idle connections earlier than the server does (Gene: 10 s).
	IdleConn time.Duration
}

// Call is one request. Path is joined to the base URL.
type Call struct {
	Method string // default GET
	Path   string // already escaped where it needs to be
	Query  url.Values
	Header http.Header

	JSON        any // marshalled as the body without HTML escaping
	Body        []byte
	ContentType string
	Parts       []Part // multipart/form-data

	// Reads marks a POST that only reads; it may be retried like a GET.
	Reads bool
	// Acts marks a GET that changes something; it is never retried.
	Acts bool
	// Once marks a read that is not repeated as it is when no answer came:
	// the caller then asks for less (Gene halves its time windows).
	Once bool
	// Raw marks a call that asks for a file: its bytes are left as they are,
	// whatever label they come with. Of every other answer a BOM is taken off,
	// and a web page is a *MalformedError.
	Raw bool
	// MaxBytes limits the body of Do; default 64 MiB.
	MaxBytes int64
}

// Part is one part of a multipart body: a file when FileName is set.
type Part struct {
	Name, FileName, ContentType string
	Body                        []byte
}

// Reply is a whole answer with a 2xx status.
type Reply struct {
	Status  int
	Header  http.Header
	Body    []byte
	Elapsed time.Duration
	Timing
}

// Stream is an open answer with a 2xx status; its Body has an idle time-out
// between bytes instead of a total one, and a body shorter than its
// Content-Length, or a cut chunked one, reads as *MalformedError.
type Stream struct {
	Status int
	Header http.Header
	Body   io.ReadCloser
	Timing
}
