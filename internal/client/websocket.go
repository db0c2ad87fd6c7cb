package client

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"
)

// A message may have maxMessage bytes; maxMessageWire is what may come on the
// wire for one, with its frames and the pings in between: a server that sends
// empty fragments without end makes no message.
const maxMessage = 16 << 20

var maxMessageWire int64 = maxMessage + 1<<20

// Socket is an open WebSocket.
type Socket struct {
	*websocket.Conn
	in *socketBody
}

// Read gives the next message.
func (s *Socket) Read(ctx context.Context) (websocket.MessageType, []byte, error) {
	s.in.left.Store(maxMessageWire)
	return s.Conn.Read(ctx)
}

// socketBody counts what comes.
type socketBody struct {
	io.ReadWriteCloser
	left atomic.Int64
}

func (b *socketBody) Read(p []byte) (int, error) {
	n, err := b.ReadWriteCloser.Read(p)
	if b.left.Add(-int64(n)) < 0 {
		return 0, errors.New("the server sends frames that make up no message")
	}
	return n, err
}

// Dial opens a WebSocket below the base URL, with the same TLS, proxy, pace
// and credentials as every other request. A message may have 16 MiB. The
// time-out is that of the handshake; afterwards the contexts of Read and Write
// hold. It returns *StatusError when the server answered something other than
// 101, and *TransportError when it did not answer.
func (c *Client) Dial(ctx context.Context, path string, q url.Values, h http.Header) (*Socket, error) {
	call := Call{Path: path, Query: q, Header: h}
	u, err := c.url(call)
	if err != nil {
		return nil, err
	}
	c.warn()
	nested := ctx.Value(nestedKey{}) != nil
	for renewed := false; ; renewed = true {
		gen := c.authGen.Load()
		conn, err := c.dialOnce(ctx, call, u, nested)
		var se *StatusError
		if renewed || nested || c.opt.Reauthorize == nil || !errors.As(err, &se) || se.Code != http.StatusUnauthorized {
			return conn, err
		}
		if ok, rerr := c.reauthorize(ctx, gen); rerr != nil || !ok {
			return nil, errors.Join(rerr, err)
		}
	}
}

func (c *Client) dialOnce(ctx context.Context, call Call, u *url.URL, nested bool) (*Socket, error) {
	at := c.where(call)
	if err := ctx.Err(); err != nil {
		return nil, at.transport(err, false)
	}
	header := cloneHeader(call.Header)
	for k, v := range c.cfg.Headers {
		if header.Get(k) == "" {
			header.Set(k, v)
		}
	}
	if header.Get("User-Agent") == "" {
		header.Set("User-Agent", c.cfg.UserAgent)
	}
	a := &attempt{try: 1, noAuth: nested, at: at}
	in := &socketBody{}
	in.left.Store(maxMessageWire)
	hctx, cancel := context.WithCancelCause(context.WithValue(ctx, attemptKey{}, a))
	defer cancel(nil)
	conn, resp, err := websocket.Dial(hctx, u.String(), &websocket.DialOptions{
		HTTPHeader: header,
		HTTPClient: &http.Client{
			Transport:     handshake{c, cancel, in},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		CompressionMode: websocket.CompressionDisabled,
	})
	switch {
	case err == nil:
		conn.SetReadLimit(maxMessage)
		return &Socket{conn, in}, nil
	case a.auth != nil:
		return nil, a.auth
	case resp != nil && resp.StatusCode != http.StatusSwitchingProtocols:
		if resp.StatusCode < 300 {
			closeBody(resp)
			return nil, at.malformed("it answers a WebSocket handshake with "+http.StatusText(resp.StatusCode), nil)
		}
		return nil, c.statusError(resp, a)
	case resp != nil:
		closeBody(resp)
		return nil, at.malformed("the WebSocket handshake is not valid", nil)
	}
	if cause := context.Cause(hctx); errors.Is(cause, errSilent) {
		err = errSilent
	}
	return nil, c.failure(ctx, err, at, a.sent.Load())
}

// handshake is the RoundTripper of a WebSocket's first request: paced,
// authorised, timed and logged like the others, and out of the way once the
// protocol has switched.
type handshake struct {
	c      *Client
	cancel context.CancelCauseFunc
	in     *socketBody
}

func (t handshake) RoundTrip(req *http.Request) (*http.Response, error) {
	c, a := t.c, attemptOf(req.Context())
	req = req.Clone(req.Context())
	if err := c.authorize(req, a); err != nil {
		return nil, err
	}
	release, err := c.pacer.acquire(req.Context(), c.weight, c.sleep)
	if err != nil {
		return nil, err
	}
	defer release()
	dog := time.AfterFunc(c.timeout, func() { t.cancel(errSilent) })
	defer dog.Stop()
	log := c.newRecord(a, req)
	resp, err := c.reads.RoundTrip(req)
	if err != nil {
		log.failed(err)
		return nil, err
	}
	log.answered(resp)
	log.done(nil)
	if rw, ok := resp.Body.(io.ReadWriteCloser); ok {
		t.in.ReadWriteCloser = rw
		resp.Body = t.in
	}
	return resp, nil
}
