package client_test

import (
	"context"
	"encoding/base64"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/client"
)

// What a proxy refuses is the proxy's refusal: the error names it, never the
// server, which saw nothing, and an action is not ambiguous.
func TestProxyThatRefusesIsNamed(t *testing.T) {
	answer := func(status int) string {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }))
		t.Cleanup(srv.Close)
		return strings.TrimPrefix(srv.URL, "http://")
	}
	closed := func() string {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		return l.Addr().String()
	}
	for name, tc := range map[string]struct {
		base, proxy, user string
		want, hint        string
	}{
		"407 to CONNECT":          {"https://edr.invalid", answer(407), "", "refused: it wants a user name and a password (407 Proxy Authentication Required)", "proxy_password"},
		"407 to a wrong password": {"https://edr.invalid", answer(407), "me:wr0ngpass@", "refused: the user name or the password is wrong (407", "proxy_password"},
		"407 to plain HTTP":       {"http://edr.invalid", answer(407), "", "refused: it wants a user name and a password (407", "proxy_password"},
		"403 to CONNECT":          {"https://edr.invalid", answer(403), "", "refused: 403 Forbidden", "allowed on the proxy"},
		"502 to CONNECT":          {"https://edr.invalid", answer(502), "", "cannot reach the server: 502 Bad Gateway", "url in the profile"},
		"nobody listens":          {"https://edr.invalid", closed(), "", "cannot be used: connection refused", "check proxy in the profile"},
		"nobody listens, plain":   {"http://edr.invalid", closed(), "", "cannot be used: connection refused", "check proxy in the profile"},
		"nobody listens, SOCKS":   {"https://edr.invalid", "socks5://" + closed(), "", "cannot be used: connection refused", "check proxy in the profile"},
		"TLS where there is none": {"https://edr.invalid", "https://" + answer(200), "", "cannot be used: it does not speak TLS", "check proxy in the profile"},
	} {
		t.Run(name, func(t *testing.T) {
			scheme, addr, given := strings.Cut(tc.proxy, "://")
			if !given {
				scheme, addr = "http", tc.proxy
			}
			for _, method := range []string{"GET", "POST"} {
				c := newClient(t, tc.base, func(c *client.Config, _ *client.Options) { c.Proxy = scheme + "://" + tc.user + addr })
				client.FakeClock(c)
				_, err := c.Do(t.Context(), client.Call{Method: method})
				var te *client.TransportError
				if !errors.As(err, &te) || te.Sent {
					t.Fatalf("%s: want a transport error that was not sent, not %v", method, err)
				}
				var e *backends.Error
				if !errors.As(backends.FromClient("cannot read", err), &e) || e.Kind != backends.KindUnavailable {
					t.Fatalf("%s: kind of %v", method, err)
				}
				text := e.Error()
				if !strings.Contains(text, "proxy "+addr+" "+tc.want) || strings.Contains(text, "edr.invalid") || strings.Contains(text, "wr0ngpass") {
					t.Errorf("%s: %s", method, text)
				}
				if !strings.Contains(e.Hint, tc.hint) {
					t.Errorf("%s: hint: %s", method, e.Hint)
				}
			}
		})
	}
}

// The password of the proxy's user is looked up once, when a request goes
// out, sent to the proxy only, and shown nowhere. A missing one is the error
// that its lookup gives.
func TestProxyPasswordIsLookedUp(t *testing.T) {
	const password = "pr0xy:p@ss/word"
	srv := serve(t, func(w http.ResponseWriter, r *http.Request) {
		want := "Basic " + base64.StdEncoding.EncodeToString([]byte("svc-edr:"+password))
		if r.Header.Get("Proxy-Authorization") != want {
			w.WriteHeader(http.StatusProxyAuthRequired)
			return
		}
		_, _ = w.Write([]byte(okJSON))
	})
	proxy := strings.Replace(srv.URL, "http://", "http://svc-edr@", 1)
	var asked atomic.Int64
	var log strings.Builder
	c := newClient(t, "http://edr.invalid", func(c *client.Config, _ *client.Options) {
		c.Proxy, c.Debug = proxy, &log
		c.ProxyPassword = func(context.Context) (string, error) { asked.Add(1); return password, nil }
	})
	if asked.Load() != 0 {
		t.Error("looked up before a request")
	}
	for range 2 {
		if _, err := c.DoJSON(t.Context(), client.Call{Path: "/x"}, nil); err != nil {
			t.Fatal(err)
		}
	}
	if asked.Load() != 1 || strings.Contains(log.String(), password) {
		t.Errorf("asked %d times; log: %s", asked.Load(), log.String())
	}
	missing := errors.New("no proxy_password for profile lab")
	c = newClient(t, "http://edr.invalid", func(c *client.Config, _ *client.Options) {
		c.Proxy = proxy
		c.ProxyPassword = func(context.Context) (string, error) { return "", missing }
	})
	if _, err := c.Do(t.Context(), client.Call{}); !errors.Is(err, missing) || err.Error() != missing.Error() {
		t.Errorf("missing: %v", err)
	}
}
