package client

import (
	"compress/flate"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"
)

// errSilent is the cause a watchdog cancels a request with.
var errSilent = errors.New("no data within the time-out")

// Decompression limits: a gzip stream may grow 1032-fold, events hardly more
// than 60-fold; the first bytes are free so that small repetitive answers pass.
const (
	maxInflation  = 250
	freeInflation = 32 << 20
)

// body is what a caller reads: idle time-out between bytes, typed errors,
// decompression with a limit, and the pacer's slot given back at the end.
type body struct {
	c       *Client
	raw     io.ReadCloser
	src     io.Reader // raw, or what unpacks it
	caller  context.Context
	ctx     context.Context
	cancel  context.CancelCauseFunc
	dog     *time.Timer
	at      where
	release func()
	log     *record

	in, out int64
	gz      bool
	err     error
	once    sync.Once
}

func newBody(c *Client, caller, ctx context.Context, cancel context.CancelCauseFunc, resp *http.Response, at where, raw bool, release func(), log *record) *body {
	b := &body{c: c, raw: resp.Body, caller: caller, ctx: ctx, cancel: cancel, at: at, release: release, log: log}
	b.dog = time.AfterFunc(time.Hour, func() { cancel(errSilent) })
	b.dog.Stop()
	b.src = wireReader{b}
	switch enc := strings.ToLower(strings.TrimSpace(resp.Header.Get("Content-Encoding"))); enc {
	case "", "identity":
	case "gzip", "x-gzip":
		if resp.Request != nil && resp.Request.Method == http.MethodHead || resp.ContentLength == 0 {
			break
		}
		b.src, b.gz = &lazyGzip{src: wireReader{b}}, true
		resp.Header = resp.Header.Clone()
		resp.Header.Del("Content-Encoding")
		resp.Header.Del("Content-Length")
		resp.ContentLength, resp.Uncompressed = -1, true
	default:
		b.src = failReader{at.malformed("content encoding "+printable([]byte(enc), 40)+" was not asked for", nil)}
	}
	if !raw && !IsFile(resp.Header) && resp.StatusCode != http.StatusPartialContent {
		b.src = &document{
			src: b.src, label: resp.Header.Get("Content-Type"), at: at,
			pages: resp.StatusCode >= 200 && resp.StatusCode < 300,
		}
	}
	return b
}

// lazyGzip reads the gzip header with the first Read, inside its time-out.
type lazyGzip struct {
	src io.Reader
	zr  *gzip.Reader
}

func (l *lazyGzip) Read(p []byte) (int, error) {
	if l.zr == nil {
		zr, err := gzip.NewReader(l.src)
		if err != nil {
			return 0, err // io.EOF here is an empty body
		}
		l.zr = zr
	}
	return l.zr.Read(p)
}

type failReader struct{ err error }

func (f failReader) Read([]byte) (int, error) { return 0, f.err }

// wireReader reads from the socket under the idle time-out.
type wireReader struct{ b *body }

func (w wireReader) Read(p []byte) (int, error) {
	b := w.b
	b.dog.Reset(b.c.timeout)
	n, err := b.raw.Read(p)
	b.dog.Stop()
	b.in += int64(n)
	return n, err
}

func (b *body) Read(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	if len(p) == 0 {
		return 0, nil
	}
	n, err := b.src.Read(p)
	b.out += int64(n)
	b.log.body(p[:n])
	if err == nil && b.gz && b.out > freeInflation && b.out/maxInflation > b.in {
		err = b.at.malformed(fmt.Sprintf("the body unpacks to more than %d times its size", maxInflation), nil)
	}
	if err != nil {
		b.err = b.fail(err)
		b.finish(b.err)
		return n, b.err
	}
	return n, nil
}

// fail gives a read error its type.
func (b *body) fail(err error) error {
	var me *MalformedError
	switch {
	case err == io.EOF:
		return io.EOF
	case errors.As(err, &me):
		return err
	}
	if cause := context.Cause(b.ctx); cause != nil && b.caller.Err() == nil {
		err = cause
	}
	return b.c.failure(b.caller, err, b.at, true)
}

func (b *body) finish(err error) {
	b.once.Do(func() {
		b.dog.Stop()
		b.release()
		if err == io.EOF {
			err = nil
		}
		b.log.done(err)
		// Only after the body is done: cancelling earlier would kill a
		// connection that can be used again.
		_ = b.raw.Close()
		b.cancel(nil)
	})
}

// Close may be called while another goroutine reads: it breaks that read.
func (b *body) Close() error {
	b.finish(nil)
	return nil
}

func (b *body) where() where { return b.at }

func (at where) transport(err error, sent bool) *TransportError {
	return &TransportError{Method: at.method, URL: at.url, Host: at.host, Sent: sent, Action: at.acts, Err: err}
}

func (at where) malformed(why string, err error) *MalformedError {
	return &MalformedError{Method: at.method, URL: at.url, Host: at.host, Why: why, Action: at.acts, Err: err}
}

// notHTTP are texts of net/http's unexported errors for a body or a header
// that is not HTTP.
var notHTTP = []string{
	"malformed HTTP", "malformed MIME header", "malformed chunked encoding", "invalid byte in chunk length",
	"http chunk length too large", "chunked line ends", "unexpected EOF reading trailer",
	"too many transfer encodings", "unsupported transfer encoding", "bad Content-Length", "invalid Content-Length",
	"server response headers exceeded", "header line without colon", "trailer header without chunked",
	"chunked encoding contains too much non-data",
}

// failure turns what net/http, TLS or a decoder returned into one of the
// package's errors.
func (c *Client) failure(ctx context.Context, err error, at where, sent bool) error {
	err = bare(err)
	var se *StatusError
	var me *MalformedError
	var te *TransportError
	if errors.As(err, &se) || errors.As(err, &me) || errors.As(err, &te) {
		return err
	}
	if cerr := ctx.Err(); cerr != nil {
		return at.transport(cerr, sent)
	}
	if errors.Is(err, errSilent) {
		return at.transport(&timeout{fmt.Sprintf("no data from the server within %s", c.timeout)}, sent)
	}
	var paused pausedError
	if errors.As(err, &paused) {
		return &StatusError{
			Method: at.method, URL: at.url, Host: at.host, Code: http.StatusTooManyRequests,
			Header: http.Header{}, Body: []byte(paused.Error()), RetryAfter: time.Duration(paused), Action: at.acts,
		}
	}
	if e := atProxy(err, c.proxyURL()); e != nil {
		return at.transport(e, false)
	}
	var corrupt flate.CorruptInputError
	switch {
	case sent && errors.Is(err, io.ErrUnexpectedEOF):
		return at.malformed("the answer was cut", io.ErrUnexpectedEOF)
	case errors.Is(err, gzip.ErrHeader), errors.Is(err, gzip.ErrChecksum), errors.As(err, &corrupt):
		return at.malformed("the compressed body is damaged", err)
	}
	text := err.Error()
	for _, t := range notHTTP {
		if strings.Contains(text, t) {
			return at.malformed("it is not valid HTTP; is this the right port?", nil)
		}
	}
	if a := explain(err, c.serverName()); a != nil {
		return at.transport(a, sent && !a.handshake)
	}
	return at.transport(&plain{text: c.red.String(printable([]byte(shorten(err)), 300)), err: err}, sent)
}

// plain shows a short redacted text and keeps the cause for errors.Is.
type plain struct {
	text string
	err  error
}

func (p *plain) Error() string { return p.text }
func (p *plain) Unwrap() error { return p.err }

// timeout is a net.Error, as callers expect of time-outs.
type timeout struct{ text string }

func (t *timeout) Error() string   { return t.text }
func (t *timeout) Timeout() bool   { return true }
func (t *timeout) Temporary() bool { return true }
