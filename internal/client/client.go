package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"mime/multipart"
	"net"
	"net/http"
	"net/textproto"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-resty/resty/v2"
)

const (
	defaultTimeout    = 30 * time.Second
	defaultUserAgent  = "edrctl"
	defaultMaxBody    = 64 << 20
	defaultConcurrent = 8
)

// Client talks to one server. It is safe for concurrent use; Close frees its
// idle connections.
type Client struct {
	cfg     Config
	opt     Options
	base    *url.URL
	via     proxyOf
	prefix  string // base path without a trailing slash
	red     *Redactor
	timeout time.Duration
	resty   *resty.Client

	// Reads share kept-alive connections. Actions get a fresh connection each
	// and no GetBody, so that net/http has nothing to replay: it re-sends a
	// request only when a reused connection turns out to be dead.
	reads, acts *http.Transport

	pacer  *pacer
	weight int64

	sleep   func(context.Context, time.Duration) error
	backoff backoff

	authMu   chan struct{}
	authGen  atomic.Uint64
	warnOnce sync.Once
	insecure bool
}

// New checks the configuration and builds a client. It reads the certificate
// files and opens no connection.
func New(cfg Config, opt Options) (*Client, error) {
	base, err := parseBase(cfg.BaseURL)
	if err != nil {
		return nil, err
	}
	if cfg.Redactor == nil {
		cfg.Redactor = NewRedactor()
	}
	if cfg.Pacers == nil {
		cfg.Pacers = NewPacers()
	}
	if cfg.UserAgent == "" {
		cfg.UserAgent = defaultUserAgent
	}
	c := &Client{
		cfg: cfg, opt: opt, base: base,
		prefix:  strings.TrimRight(base.EscapedPath(), "/"),
		red:     cfg.Redactor,
		timeout: cfg.Timeout,
		sleep:   sleep,
		backoff: defaultBackoff,
		authMu:  make(chan struct{}, 1),
	}
	if c.timeout <= 0 {
		c.timeout = defaultTimeout
	}
	if cfg.RetryBase > 0 {
		c.backoff.base = cfg.RetryBase
	}
	pace := opt.Rate
	if cfg.Rate.PerSecond > 0 {
		// A user's pace is meant literally, without the driver's burst.
		pace.PerSecond, pace.Burst = cfg.Rate.PerSecond, cfg.Rate.Burst
	}
	if cfg.Rate.Concurrent > 0 {
		pace.Concurrent = cfg.Rate.Concurrent
	}
	c.pacer, c.weight = cfg.Pacers.get(base.Scheme+"://"+base.Host, pace)

	if err := c.buildTransports(); err != nil {
		return nil, err
	}
	c.resty = resty.NewWithClient(&http.Client{Transport: wire{c}}).
		SetLogger(silent{}).
		SetRetryCount(0).
		SetAllowGetMethodPayload(true).
		SetDoNotParseResponse(true).
		SetRedirectPolicy(resty.RedirectPolicyFunc(c.redirect)).
		SetPreRequestHook(c.beforeSend)
	return c, nil
}

// Close drops idle connections. Requests that are under way are not touched.
func (c *Client) Close() error {
	c.reads.CloseIdleConnections()
	c.acts.CloseIdleConnections()
	return nil
}

// Host is the server's host and port as the base URL names it.
func (c *Client) Host() string { return c.base.Host }

// Redactor is the one this client masks with.
func (c *Client) Redactor() *Redactor { return c.red }

func parseBase(raw string) (*url.URL, error) {
	if strings.TrimSpace(raw) == "" {
		return nil, errors.New("url is missing: want https://host[:port]")
	}
	u, err := url.Parse(strings.TrimSpace(raw))
	if err != nil {
		// url.Error repeats the text, which may hold a password.
		return nil, errors.New("url cannot be parsed: want https://host[:port]")
	}
	switch {
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, errors.New("url must start with https:// or http://")
	case u.Hostname() == "":
		return nil, errors.New("url names no host: want https://host[:port]")
	case u.User != nil:
		return nil, errors.New("url holds a user name or password: secrets do not belong in the configuration; use `edrctl auth login`")
	case u.RawQuery != "" || u.Fragment != "":
		return nil, errors.New("url must not hold a query or a fragment")
	}
	u.Host = strings.ToLower(u.Host)
	return u, nil
}

// isAction tells whether a call may change something; what is not known to
// only read is an action.
func (c Call) isAction() bool {
	if c.Acts {
		return true
	}
	switch c.method() {
	case http.MethodGet, http.MethodHead, http.MethodOptions:
		return false
	}
	return !c.Reads
}

func (c Call) method() string {
	if c.Method == "" {
		return http.MethodGet
	}
	return strings.ToUpper(c.Method)
}

// target is the path and query of a call, below the base URL.
func (c Call) target() string {
	p := escapeRest(c.Path)
	if p != "" && p[0] != '/' && p[0] != '?' {
		p = "/" + p
	}
	if len(c.Query) > 0 {
		sep := "?"
		if strings.Contains(p, "?") {
			sep = "&"
		}
		p += sep + c.Query.Encode()
	}
	return p
}

// escapeRest escapes what cannot stand in a URL and leaves every escape as it
// is: net/url would decode all of them because of one stray byte. A fragment
// is cut off; control characters stay, for net/url to refuse.
func escapeRest(p string) string {
	p, _, _ = strings.Cut(p, "#")
	const hexDigits = "0123456789ABCDEF"
	isHex := func(i int) bool {
		return i < len(p) && strings.IndexByte("0123456789abcdefABCDEF", p[i]) >= 0
	}
	var b strings.Builder
	for i := 0; i < len(p); i++ {
		switch c := p[i]; {
		case c == '%' && isHex(i+1) && isHex(i+2):
			b.WriteByte(c)
		case c == '%', c == ' ', c >= 0x80, strings.IndexByte("\"<>\\^`{|}", c) >= 0:
			b.WriteString("%" + string(hexDigits[c>>4]) + string(hexDigits[c&15]))
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

func (c *Client) url(call Call) (*url.URL, error) {
	u, err := url.Parse(c.base.Scheme + "://" + c.base.Host + c.prefix + call.target())
	if err != nil {
		return nil, errors.New("the request path is not valid: " + c.red.String(printable([]byte(call.Path), 120)))
	}
	return u, nil
}

// body encodes what the call carries; nil when it carries nothing.
func (c Call) body() (body []byte, contentType string, err error) {
	switch {
	case len(c.Parts) > 0:
		return multipartBody(c.Parts)
	case c.JSON != nil:
		var b bytes.Buffer
		enc := json.NewEncoder(&b)
		enc.SetEscapeHTML(false)
		if err := enc.Encode(c.JSON); err != nil {
			return nil, "", fmt.Errorf("request body: %w", err)
		}
		body, contentType = bytes.TrimRight(b.Bytes(), "\n"), "application/json"
	case c.Body != nil:
		body, contentType = c.Body, "application/octet-stream"
	default:
		return nil, c.ContentType, nil
	}
	if c.ContentType != "" {
		contentType = c.ContentType
	}
	return body, contentType, nil
}

func multipartBody(parts []Part) ([]byte, string, error) {
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for _, p := range parts {
		h := textproto.MIMEHeader{}
		params := `form-data; name="` + quoteParam(p.Name) + `"`
		if p.FileName != "" {
			params += `; filename="` + quoteParam(p.FileName) + `"`
		}
		h.Set("Content-Disposition", params)
		switch {
		case p.ContentType != "":
			h.Set("Content-Type", p.ContentType)
		case p.FileName != "":
			h.Set("Content-Type", "application/octet-stream")
		}
		pw, err := w.CreatePart(h)
		if err != nil {
			return nil, "", err
		}
		if _, err := pw.Write(p.Body); err != nil {
			return nil, "", err
		}
	}
	if err := w.Close(); err != nil {
		return nil, "", err
	}
	return b.Bytes(), w.FormDataContentType(), nil
}

// quoteParam keeps a part's name inside its quotes and its line.
func quoteParam(s string) string {
	return strings.NewReplacer("\\", "\\\\", `"`, "%22", "\r", "%0D", "\n", "%0A").Replace(s)
}

// warn tells once a client what is unsafe about its connection.
func (c *Client) warn() {
	c.warnOnce.Do(func() {
		if c.cfg.Warn == nil {
			return
		}
		if c.base.Scheme == "http" && !loopback(c.base.Hostname()) {
			c.cfg.Warn(c.base.Host + ": plain http: credentials and data cross the network unencrypted; use https:// in url")
		}
		if c.insecure && c.base.Scheme == "https" {
			c.cfg.Warn(c.base.Host + ": the certificate is not checked (tls.insecure_skip_verify): anyone on the way can read and change everything; use tls.pin or tls.ca_file")
		}
	})
}

func loopback(host string) bool {
	if strings.EqualFold(host, "localhost") || strings.HasSuffix(strings.ToLower(host), ".localhost") {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

// silent drops resty's own log lines: they go to stderr unredacted.
type silent struct{}

func (silent) Errorf(string, ...any) {}
func (silent) Warnf(string, ...any)  {}
func (silent) Debugf(string, ...any) {}
