package client

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"syscall"
	"time"
)

// buildTransports makes the two ways to the server. Both speak HTTP/1.1 only:
// HTTP/2 replays requests on its own when a server closes a connection.
func (c *Client) buildTransports() error {
	via, err := c.proxy()
	if err != nil {
		return err
	}
	c.via = via
	trust, err := c.trust()
	if err != nil {
		return err
	}
	dialer := &net.Dialer{Timeout: min(10*time.Second, c.timeout), KeepAlive: 30 * time.Second}
	target := net.JoinHostPort(c.base.Hostname(), portOf(c.base))
	base := &http.Transport{
		Proxy:                  via,
		OnProxyConnectResponse: connectAnswered,
		DialContext:            dialer.DialContext,
		TLSClientConfig:        trust.config(c.serverName()),
		TLSNextProto:           map[string]func(string, *tls.Conn) http.RoundTripper{},
		TLSHandshakeTimeout:    min(10*time.Second, c.timeout),
		DisableCompression:     true, // done here, with limits
		MaxIdleConnsPerHost:    16,
		IdleConnTimeout:        90 * time.Second,
		MaxResponseHeaderBytes: 1 << 20,
		WriteBufferSize:        16 << 10,
		ReadBufferSize:         32 << 10,
	}
	if c.opt.IdleConn > 0 {
		base.IdleConnTimeout = c.opt.IdleConn
	}
	// The profile's trust is for the server; a proxy reached over TLS is
	// checked against the system's roots.
	base.DialTLSContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
		cfg := &tls.Config{MinVersion: tls.VersionTLS12}
		if strings.EqualFold(addr, target) {
			cfg = base.TLSClientConfig.Clone()
		}
		if cfg.ServerName == "" {
			cfg.ServerName, _, _ = net.SplitHostPort(addr)
		}
		conn, err := dialer.DialContext(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		ctx, cancel := context.WithTimeout(ctx, base.TLSHandshakeTimeout)
		defer cancel()
		tc := tls.Client(conn, cfg)
		if err := tc.HandshakeContext(ctx); err != nil {
			_ = conn.Close()
			return nil, err
		}
		return tc, nil
	}
	c.reads = base
	c.acts = base.Clone()
	c.acts.TLSNextProto = map[string]func(string, *tls.Conn) http.RoundTripper{}
	c.acts.DisableKeepAlives = true
	return nil
}

func (c *Client) serverName() string {
	if n := c.cfg.TLS.ServerName; n != "" {
		return n
	}
	return c.base.Hostname()
}

// bare takes off the wrappers that repeat the URL.
func bare(err error) error {
	for {
		var ue *url.Error
		if !errors.As(err, &ue) {
			return err
		}
		err = ue.Err
	}
}

// shorten says in plain words what the system reported.
func shorten(err error) string {
	var dns *net.DNSError
	switch {
	case errors.As(err, &dns) && dns.IsNotFound:
		return "no such host: " + dns.Name
	case errors.As(err, &dns) && dns.IsTimeout:
		return "the name of the host could not be looked up in time"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection refused"
	case errors.Is(err, syscall.ECONNRESET):
		return "the connection was reset"
	case errors.Is(err, syscall.EPIPE):
		return "the server closed the connection while the request was sent"
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return "the host cannot be reached"
	case errors.Is(err, io.ErrUnexpectedEOF):
		return "the connection was closed"
	case errors.Is(err, io.EOF), strings.Contains(err.Error(), "server closed idle connection"):
		return "the server closed the connection without an answer"
	case errors.Is(err, os.ErrDeadlineExceeded), isTimeout(err):
		return "no connection within the time-out"
	}
	return err.Error()
}

func isTimeout(err error) bool {
	var ne net.Error
	return errors.As(err, &ne) && ne.Timeout()
}
