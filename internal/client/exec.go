package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"
)

// attempt is one try of a call; it travels in the request's context.
type attempt struct {
	acts   bool
	raw    bool // Call.Raw
	stream bool // the pacer's slot is freed with the header, not with the body
	try    int
	body   []byte
	sent   atomic.Bool // a byte of the request may have left
	noAuth bool
	at     where
	auth   error // what Authorize failed with
	refuse error // why a redirect was not followed
	watch  stopwatch
	timing Timing // of the answer
}

// where names a request in errors.
type where struct {
	method, url, host string
	acts              bool
	red               *Redactor
}

type attemptKey struct{}
type nestedKey struct{}

func attemptOf(ctx context.Context) *attempt {
	a, _ := ctx.Value(attemptKey{}).(*attempt)
	return a
}

// Do sends a call and reads the whole answer, limited by Call.MaxBytes. It
// returns *StatusError for every status but 2xx, *TransportError when there
// was not a complete answer and *MalformedError for one that was cut or too long.
func (c *Client) Do(ctx context.Context, call Call) (*Reply, error) {
	start := time.Now()
	var body []byte
	resp, timing, err := c.exec(ctx, call, false, func(resp *http.Response, at where) error {
		var err error
		body, err = readBody(resp, call.MaxBytes, at)
		return err
	})
	if err != nil {
		return nil, err
	}
	return &Reply{Status: resp.StatusCode, Header: resp.Header, Body: body, Elapsed: time.Since(start), Timing: timing}, nil
}

// DoJSON is Do, then decodes the body into `into` (nil: only checks that it is
// JSON). An empty 204 or 205 leaves `into` as it was. HTML, other content,
// trailing text and nesting deeper than 512 are *MalformedError.
func (c *Client) DoJSON(ctx context.Context, call Call, into any) (*Reply, error) {
	if call.Header.Get("Accept") == "" {
		call.Header = cloneHeader(call.Header)
		call.Header.Set("Accept", "application/json")
	}
	reply, err := c.Do(ctx, call)
	if err != nil {
		return nil, err
	}
	if len(reply.Body) == 0 && (reply.Status == http.StatusNoContent || reply.Status == http.StatusResetContent) {
		return reply, nil
	}
	if err := c.decode(call, reply, into); err != nil {
		return reply, err
	}
	return reply, nil
}

func (c *Client) decode(call Call, reply *Reply, into any) error {
	at := c.where(call)
	body := reply.Body
	if why := notJSON(body, reply.Header.Get("Content-Type"), c.red); why != "" {
		return at.malformed(why, nil)
	}
	if err := checkDocument(body); err != nil {
		return at.malformed(err.Error(), nil)
	}
	if into == nil {
		return nil
	}
	if err := json.Unmarshal(body, into); err != nil {
		return at.malformed(decodeWhy(err), nil)
	}
	return nil
}

// decodeWhy says where a document does not fit, without its content.
func decodeWhy(err error) string {
	var te *json.UnmarshalTypeError
	if errors.As(err, &te) {
		// For a number the Value holds its digits, which are the server's.
		kind, _, _ := strings.Cut(te.Value, " ")
		if te.Field != "" {
			return fmt.Sprintf("member %q is a %s", printable([]byte(te.Field), 80), kind)
		}
		return fmt.Sprintf("unexpected JSON %s at byte %d", kind, te.Offset)
	}
	var se *json.SyntaxError
	if errors.As(err, &se) {
		return fmt.Sprintf("not JSON at byte %d", se.Offset)
	}
	return "the JSON does not have the expected shape"
}

// Open sends a call and returns the answer with its body unread; the caller
// closes it. See Stream for what its reads return.
func (c *Client) Open(ctx context.Context, call Call) (*Stream, error) {
	resp, timing, err := c.exec(ctx, call, true, nil)
	if err != nil {
		return nil, err
	}
	return &Stream{Status: resp.StatusCode, Header: resp.Header, Body: resp.Body, Timing: timing}, nil
}

func (c *Client) where(call Call) where {
	u := c.base.Scheme + "://" + c.base.Host + c.prefix
	path, _, _ := strings.Cut(escapeRest(call.Path), "?")
	if path != "" && path[0] != '/' {
		path = "/" + path
	}
	return where{method: call.method(), url: c.red.String(u + path), host: c.base.Host, acts: call.isAction(), red: c.red}
}

// exec sends a call until it is answered or must not be tried again. consume,
// when set, reads the body inside the try, so that a connection lost while
// reading is retried as well.
func (c *Client) exec(ctx context.Context, call Call, stream bool, consume func(*http.Response, where) error) (*http.Response, Timing, error) {
	at := c.where(call)
	u, err := c.url(call)
	if err != nil {
		return nil, Timing{}, err
	}
	body, contentType, err := call.body()
	if err != nil {
		return nil, Timing{}, err
	}
	c.warn()
	nested := ctx.Value(nestedKey{}) != nil
	renewed := false
	for try := 1; ; try++ {
		gen := c.authGen.Load()
		began := time.Now()
		a := &attempt{acts: at.acts, raw: call.Raw, stream: stream, try: try, body: body, noAuth: nested, at: at}
		resp, err := c.once(ctx, call, u, contentType, a)
		if err == nil && consume != nil {
			err = consume(resp, at)
		}
		if err == nil {
			return resp, a.timing, nil
		}
		var se *StatusError
		if errors.As(err, &se) && se.Code == http.StatusUnauthorized && !renewed && !nested && c.opt.Reauthorize != nil {
			renewed = true
			ok, rerr := c.reauthorize(ctx, gen)
			if rerr != nil {
				return nil, Timing{}, rerr
			}
			if ok && !at.acts {
				try--
				continue
			}
			return nil, Timing{}, err
		}
		var lost *TransportError
		if call.Once && errors.As(err, &lost) && lost.Sent {
			return nil, Timing{}, err
		}
		wait, again := c.retryAfter(err, at.acts, try, time.Since(began))
		if !again {
			return nil, Timing{}, err
		}
		if d, ok := ctx.Deadline(); ok && time.Until(d) <= wait {
			return nil, Timing{}, err // the answer known now is worth more than a time-out later
		}
		if serr := c.sleep(ctx, wait); serr != nil {
			return nil, Timing{}, at.transport(serr, false)
		}
	}
}

// once is a single try: resty builds and sends the request through wire.
func (c *Client) once(ctx context.Context, call Call, u *url.URL, contentType string, a *attempt) (*http.Response, error) {
	if err := ctx.Err(); err != nil {
		return nil, a.at.transport(err, false)
	}
	r := c.resty.R().SetContext(context.WithValue(ctx, attemptKey{}, a))
	for k, v := range c.cfg.Headers {
		r.Header.Set(k, v)
	}
	for k, vs := range call.Header {
		r.Header[http.CanonicalHeaderKey(k)] = append([]string(nil), vs...)
	}
	if r.Header.Get("User-Agent") == "" {
		r.Header.Set("User-Agent", c.cfg.UserAgent)
	}
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	if r.Header.Get("Accept") == "" {
		r.Header.Set("Accept", "*/*")
	}
	if r.Header.Get("Accept-Encoding") == "" {
		r.Header.Set("Accept-Encoding", "gzip")
	}
	if a.body != nil {
		r.SetBody(bytes.NewReader(a.body))
	}
	rr, err := r.Execute(call.method(), u.String())
	var resp *http.Response
	if rr != nil {
		resp = rr.RawResponse
	}
	switch {
	case a.auth != nil:
		closeBody(resp)
		return nil, a.auth
	case a.refuse != nil:
		closeBody(resp)
		return nil, a.refuse
	case err != nil:
		closeBody(resp)
		return nil, c.failure(ctx, err, a.at, a.sent.Load())
	case resp == nil:
		return nil, a.at.transport(errors.New("no answer"), a.sent.Load())
	}
	if resp.StatusCode == http.StatusPartialContent && call.Header.Get("Range") == "" {
		closeBody(resp)
		return nil, a.at.malformed("it sends a part of the answer, and the whole was asked for", nil)
	}
	if resp.StatusCode >= 200 && resp.StatusCode < 300 {
		return resp, nil
	}
	err = c.statusError(resp, a)
	if resp.StatusCode == http.StatusTooManyRequests {
		wait := retryAfterOf(resp.Header, time.Now())
		if wait == 0 {
			wait = c.backoff.delay(a.try)
		}
		c.pacer.pause(wait)
	}
	return nil, err
}

// beforeSend is resty's last hook: credentials are added here, before a slot of
// the pacer is taken, so that a login inside Authorize can take one.
func (c *Client) beforeSend(_ restyClient, r *http.Request) error {
	a := attemptOf(r.Context())
	if a == nil {
		return nil
	}
	if a.body == nil {
		// resty leaves a reader of unknown length, which would go out chunked.
		r.Body, r.ContentLength = http.NoBody, 0
		r.GetBody = func() (io.ReadCloser, error) { return http.NoBody, nil }
	}
	if a.acts {
		r.GetBody = nil
	}
	return c.authorize(r, a)
}

func (c *Client) authorize(r *http.Request, a *attempt) error {
	defer c.learn(r.Header)
	if c.opt.Authorize == nil || a.noAuth {
		return nil
	}
	ctx := context.WithValue(r.Context(), nestedKey{}, true)
	if err := c.opt.Authorize(ctx, r); err != nil {
		a.auth = err
		if ctxErr := r.Context().Err(); ctxErr != nil {
			a.auth = a.at.transport(ctxErr, false)
		}
		return err
	}
	return nil
}

// learn makes credentials known that reached a header by another way than a
// driver's, so that a server that echoes them does not print them.
func (c *Client) learn(h http.Header) {
	for k := range secretHeaders {
		for _, v := range h[k] {
			c.red.Add(v)
			if _, rest, ok := strings.Cut(v, " "); ok {
				c.red.Add(rest)
			}
		}
	}
}

// reauthorize lets one of many concurrent 401s renew the credentials; the
// others find the generation moved on.
func (c *Client) reauthorize(ctx context.Context, gen uint64) (bool, error) {
	select {
	case c.authMu <- struct{}{}:
		defer func() { <-c.authMu }()
	case <-ctx.Done():
		return false, ctx.Err()
	}
	if c.authGen.Load() != gen {
		return true, nil
	}
	ok, err := c.opt.Reauthorize(context.WithValue(ctx, nestedKey{}, true))
	if err != nil || !ok {
		return false, err
	}
	c.authGen.Add(1)
	return true, nil
}

func (c *Client) redirect(req *http.Request, via []*http.Request) error {
	a := attemptOf(req.Context())
	first := via[0]
	why := ""
	switch {
	case a == nil || a.acts:
		return http.ErrUseLastResponse // an action is not sent to a second place
	case req.URL.Scheme != first.URL.Scheme || !sameHost(req.URL, first.URL):
		why = "redirects to " + req.URL.Scheme + "://" + req.URL.Host + ", and only redirects on the same scheme and host are followed: check url in the profile"
	case len(via) > 5:
		why = "redirects more than 5 times"
	case req.Method != first.Method:
		return http.ErrUseLastResponse // a POST turned into a GET is another request
	default:
		return nil
	}
	a.refuse = a.at.malformed(c.red.String(printable([]byte(why), 300)), nil)
	return errors.New("redirect refused")
}

func sameHost(a, b *url.URL) bool {
	return strings.EqualFold(a.Hostname(), b.Hostname()) && portOf(a) == portOf(b)
}

func portOf(u *url.URL) string {
	if p := u.Port(); p != "" {
		return p
	}
	if u.Scheme == "https" {
		return "443"
	}
	return "80"
}

// statusError reads the head of an answer that is not 2xx and closes it.
func (c *Client) statusError(resp *http.Response, a *attempt) error {
	const keep, margin = 4 << 10, 4 << 10
	head, err := io.ReadAll(io.LimitReader(resp.Body, keep+margin))
	if err == nil && len(head) == keep+margin && !a.acts {
		_, _ = io.CopyN(io.Discard, resp.Body, 56<<10) // spare the connection
	}
	closeBody(resp)
	if resp.StatusCode == http.StatusBadRequest && c.base.Scheme == "http" && wantsHTTPS(head) {
		return a.at.transport(&advice{text: "the server speaks HTTPS on this port: use https:// in url"}, false)
	}
	if u := c.proxyURL(); u != nil && resp.StatusCode == http.StatusProxyAuthRequired {
		return a.at.transport(proxyRefusal(u, resp.StatusCode), false)
	}
	se := &StatusError{
		Method: a.at.method, URL: a.at.url, Host: a.at.host,
		Code: resp.StatusCode, Header: c.red.header(resp.Header),
		RetryAfter: retryAfterOf(resp.Header, time.Now()), Action: a.acts, Timing: a.timing,
	}
	if what := htmlPage(head, resp.Header.Get("Content-Type"), c.red); what != "" {
		se.Body = []byte(what)
		return se
	}
	se.Body = c.red.dump(head, keep, len(head) == keep+margin)
	return se
}

func wantsHTTPS(body []byte) bool {
	l := bytes.ToLower(body)
	return bytes.Contains(l, []byte("http request to an https server")) ||
		bytes.Contains(l, []byte("plain http request was sent to https port"))
}

// readBody reads a whole body up to limit bytes.
func readBody(resp *http.Response, limit int64, at where) ([]byte, error) {
	defer closeBody(resp)
	if limit <= 0 {
		limit = defaultMaxBody
	}
	if resp.ContentLength > limit {
		return nil, at.malformed("the body has "+size(resp.ContentLength)+", more than the limit of "+size(limit), nil)
	}
	var b bytes.Buffer
	if resp.ContentLength > 0 {
		// The header is only a claim: what it names beyond this is allocated
		// when the bytes are there.
		b.Grow(int(min(resp.ContentLength, 1<<20)) + bytes.MinRead)
	}
	n, err := b.ReadFrom(io.LimitReader(resp.Body, limit+1))
	if err != nil {
		return nil, err
	}
	if n > limit {
		return nil, at.malformed("the body is longer than the limit of "+size(limit), nil)
	}
	return b.Bytes(), nil
}

func size(n int64) string {
	switch {
	case n >= 1<<20:
		return fmt.Sprintf("%d MiB", n>>20)
	case n >= 1<<10:
		return fmt.Sprintf("%d KiB", n>>10)
	}
	return fmt.Sprintf("%d bytes", n)
}

func closeBody(resp *http.Response) {
	if resp != nil && resp.Body != nil {
		_ = resp.Body.Close()
	}
}

func cloneHeader(h http.Header) http.Header {
	if h == nil {
		return http.Header{}
	}
	return h.Clone()
}
