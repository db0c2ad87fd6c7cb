package client

import (
	"context"
	"io"
	"net/http"
	"net/http/httptrace"
	"time"

	"github.com/go-resty/resty/v2"
)

type restyClient = *resty.Client

// wire is the RoundTripper below resty: it paces, watches the clock, notes
// whether bytes left, logs, and hands out bodies with limits.
type wire struct{ c *Client }

func (w wire) RoundTrip(req *http.Request) (*http.Response, error) {
	c := w.c
	a := attemptOf(req.Context())
	if a == nil {
		a = &attempt{acts: true, at: where{method: req.Method, host: c.base.Host, acts: true, red: c.red}}
	}
	release, err := c.pacer.acquire(req.Context(), c.weight, c.sleep)
	if err != nil {
		drop(req)
		return nil, err
	}

	ctx, cancel := context.WithCancelCause(req.Context())
	dog := time.AfterFunc(c.timeout, func() { cancel(errSilent) })
	trace := &httptrace.ClientTrace{
		// The first header field goes into the write buffer right before
		// bytes can leave; TLS and proxy handshakes do not call this.
		WroteHeaderField: func(string, []string) { a.sent.Store(true) },
		WroteRequest:     func(httptrace.WroteRequestInfo) { a.watch.wrote() },
	}
	out := req.WithContext(httptrace.WithClientTrace(ctx, trace))
	if req.Body != nil && req.Body != http.NoBody {
		out.Body = &upload{ReadCloser: req.Body, dog: dog, d: c.timeout}
	}
	log := c.newRecord(a, out)

	tr := c.reads
	if a.acts {
		tr = c.acts
	}
	began := time.Now()
	resp, err := tr.RoundTrip(out)
	dog.Stop()
	a.timing = a.watch.stop(began)
	switch {
	case err != nil:
	case context.Cause(ctx) != nil:
		_ = resp.Body.Close()
		err = context.Cause(ctx)
	case resp.StatusCode == http.StatusSwitchingProtocols:
		// The connection is the server's now: no context ends a read from it.
		_ = resp.Body.Close()
		err = a.at.malformed("it switches to another protocol, which nobody asked for", nil)
	}
	if err != nil {
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		}
		cancel(nil)
		release()
		log.failed(err)
		return nil, err
	}
	if a.stream && resp.StatusCode >= 200 && resp.StatusCode < 300 {
		// Who reads a stream often asks the same server for more on the way;
		// holding the slot would let it wait for itself.
		release()
		release = func() {}
	}
	log.answered(resp)
	resp.Body = newBody(c, req.Context(), ctx, cancel, resp, a.at, a.raw, release, log)
	return resp, nil
}

func drop(req *http.Request) {
	if req.Body != nil {
		_ = req.Body.Close()
	}
}

// upload pushes the time-out ahead while the request body is still moving.
type upload struct {
	io.ReadCloser
	dog *time.Timer
	d   time.Duration
}

func (u *upload) Read(p []byte) (int, error) {
	n, err := u.ReadCloser.Read(p)
	if n > 0 && u.dog.Stop() {
		u.dog.Reset(u.d)
	}
	return n, err
}
