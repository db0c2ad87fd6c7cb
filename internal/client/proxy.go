package client

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
)

// ProxyError is a request that failed at the proxy: the server saw nothing of
// it.
type ProxyError struct {
	Addr string // HOST:PORT
	Code int    // status of the proxy's answer; 0 when it gave none
	Why  string // what follows "proxy HOST:PORT "
	Hint string
	Err  error
}

func (e *ProxyError) Error() string { return "proxy " + e.Addr + " " + e.Why }
func (e *ProxyError) Unwrap() error { return e.Err }

// proxyOf tells which proxy a request takes; nil for a direct connection.
type proxyOf func(*http.Request) (*url.URL, error)

func (c *Client) proxy() (proxyOf, error) {
	switch p := strings.TrimSpace(c.cfg.Proxy); {
	case p == "":
		return func(r *http.Request) (*url.URL, error) {
			u, err := http.ProxyFromEnvironment(r)
			if err != nil {
				return nil, &advice{text: "the proxy named in the environment cannot be parsed"}
			}
			c.hideUser(u)
			return u, nil
		}, nil
	case strings.EqualFold(p, "none"):
		return nil, nil
	default:
		u, err := url.Parse(p)
		if err != nil || u.Hostname() == "" {
			return nil, errors.New("proxy cannot be parsed: want http://host:port, https://host:port, socks5://host:port or none")
		}
		switch u.Scheme {
		case "http", "https", "socks5", "socks5h":
		default:
			return nil, errors.New("proxy must be http://, https://, socks5:// or none")
		}
		c.hideUser(u)
		if u.User == nil || c.cfg.ProxyPassword == nil {
			return http.ProxyURL(u), nil
		}
		if _, known := u.User.Password(); known {
			return http.ProxyURL(u), nil
		}
		return c.withPassword(u), nil
	}
}

// withPassword looks the password up when the first request needs it.
func (c *Client) withPassword(u *url.URL) proxyOf {
	var mu sync.Mutex
	var known *url.URL
	return func(r *http.Request) (*url.URL, error) {
		mu.Lock()
		defer mu.Unlock()
		if known != nil {
			return known, nil
		}
		password, err := c.cfg.ProxyPassword(r.Context())
		if err != nil {
			if a := attemptOf(r.Context()); a != nil {
				a.auth = err // returned as it is, like every missing credential
			}
			return nil, err
		}
		full := *u
		full.User = url.UserPassword(u.User.Username(), password)
		c.hideUser(&full)
		known = &full
		return known, nil
	}
}

func (c *Client) hideUser(u *url.URL) {
	if u == nil || u.User == nil {
		return
	}
	if pw, ok := u.User.Password(); ok && pw != "" {
		c.red.Add(pw, u.User.Username()+":"+pw)
	}
}

// proxyRefusal is the answer of a proxy that does not let a request through.
// net/http shows it to us for CONNECT; a request in plain text gets it in the
// place of the server's answer.
func proxyRefusal(u *url.URL, status int) *ProxyError {
	e := &ProxyError{Addr: proxyAddr(u), Code: status}
	text := strings.TrimSpace(fmt.Sprintf("%d %s", status, http.StatusText(status)))
	switch {
	case status == http.StatusProxyAuthRequired && u.User == nil:
		e.Why = "refused: it wants a user name and a password (" + text + ")"
		e.Hint = "name the user in the profile, as in proxy: http://USER@" + e.Addr + ", then run `edrctl auth login PROFILE --secret proxy_password`"
	case status == http.StatusProxyAuthRequired:
		e.Why = "refused: the user name or the password is wrong (" + text + ")"
		e.Hint = "run `edrctl auth login PROFILE --secret proxy_password`, or correct HTTPS_PROXY"
	case status >= 500:
		e.Why = "cannot reach the server: " + text
		e.Hint = "check url in the profile; proxy: none connects without a proxy"
	default:
		e.Why = "refused: " + text
		e.Hint = "ask for the server to be allowed on the proxy, or set proxy: none in the profile to connect without it"
	}
	return e
}

// connectAnswered is net/http's hook for the answer to CONNECT.
func connectAnswered(_ context.Context, u *url.URL, _ *http.Request, res *http.Response) error {
	if res.StatusCode == http.StatusOK {
		return nil
	}
	return proxyRefusal(u, res.StatusCode)
}

// atProxy gives the error of a connection that ended at the proxy, in a form
// that names it; nil for every other error.
func atProxy(err error, u *url.URL) *ProxyError {
	var e *ProxyError
	var op *net.OpError
	if errors.As(err, &e) {
		return e
	}
	if u == nil || !errors.As(err, &op) {
		return nil
	}
	e = &ProxyError{
		Addr: proxyAddr(u), Err: err,
		Hint: "check proxy in the profile, or HTTPS_PROXY; proxy: none connects without one",
	}
	switch op.Op {
	case "proxyconnect":
		e.Why = "cannot be used: " + proxyTrouble(op.Err)
	case "socks connect":
		e.Why = "refused: " + printable([]byte(shorten(op.Err)), 100)
	default:
		return nil
	}
	return e
}

func proxyTrouble(err error) string {
	var record tls.RecordHeaderError
	var untrusted *tls.CertificateVerificationError
	switch {
	case errors.As(err, &record):
		return "it does not speak TLS: write http:// in front of it"
	case errors.As(err, &untrusted):
		return "this system does not trust its certificate: " + printable([]byte(untrusted.Err.Error()), 200)
	}
	return printable([]byte(shorten(err)), 200)
}

// proxyURL is the proxy that requests to the server take; nil without one.
func (c *Client) proxyURL() *url.URL {
	if c.via == nil {
		return nil
	}
	u, err := c.via(&http.Request{URL: c.base})
	if err != nil {
		return nil
	}
	return u
}

func proxyAddr(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	if port == "" {
		port = "1080"
	}
	return net.JoinHostPort(u.Hostname(), port)
}
