package client_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha1"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/edrctl/edrctl/internal/client"
)

// login is a server with session tokens: only the newest is taken.
type login struct {
	t       *testing.T
	current atomic.Int64
	logins  atomic.Int64
	acts    atomic.Int64
	c       *client.Client
	mine    atomic.Int64
}

func newLogin(t *testing.T, concurrent int) *login {
	l := &login{t: t}
	l.current.Store(1)
	srv := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/login" {
			if r.Header.Get("X-Token") != "" {
				t.Error("the login bore a token")
			}
			l.logins.Add(1)
			fmt.Fprintf(w, `{"n":%d}`, l.current.Load())
			return
		}
		if r.URL.Path == "/act" {
			l.acts.Add(1)
		}
		if r.Header.Get("X-Token") != fmt.Sprint(l.current.Load()) {
			w.WriteHeader(401)
			return
		}
		if r.URL.Path == "/ws" {
			conn, err := websocket.Accept(w, r, nil)
			if err != nil {
				return
			}
			defer conn.CloseNow()
			_, msg, err := conn.Read(r.Context())
			if err == nil {
				_ = conn.Write(r.Context(), websocket.MessageText, append([]byte("echo "), msg...))
			}
			_ = conn.Close(websocket.StatusNormalClosure, "")
			return
		}
		fmt.Fprint(w, okJSON)
	})
	l.c = newClient(t, srv.URL, func(cfg *client.Config, o *client.Options) {
		cfg.Rate.Concurrent = concurrent
		o.Authorize = func(_ context.Context, r *http.Request) error {
			r.Header.Set("X-Token", fmt.Sprint(l.mine.Load()))
			return nil
		}
		o.Reauthorize = func(ctx context.Context) (bool, error) {
			var got struct{ N int64 }
			_, err := l.c.DoJSON(ctx, client.Call{Method: "POST", Path: "/login"}, &got)
			l.mine.Store(got.N)
			return err == nil, err
		}
	})
	return l
}

func TestReauthorize(t *testing.T) {
	t.Run("a read is tried again", func(t *testing.T) {
		l := newLogin(t, 1)
		if _, err := l.c.DoJSON(t.Context(), client.Call{Path: "/x"}, nil); err != nil || l.logins.Load() != 1 {
			t.Errorf("%v, %d logins", err, l.logins.Load())
		}
	})
	t.Run("an action is not, but the next one works", func(t *testing.T) {
		l := newLogin(t, 1)
		var se *client.StatusError
		if _, err := l.c.Do(t.Context(), client.Call{Path: "/act", Method: "POST"}); !errors.As(err, &se) || se.Code != 401 || l.acts.Load() != 1 {
			t.Errorf("%v, sent %d times", err, l.acts.Load())
		}
		if _, err := l.c.Do(t.Context(), client.Call{Path: "/act", Method: "POST"}); err != nil {
			t.Error(err)
		}
	})
	t.Run("many at once log in once", func(t *testing.T) {
		l := newLogin(t, 16)
		var wg sync.WaitGroup
		for range 16 {
			wg.Go(func() {
				if _, err := l.c.Do(t.Context(), client.Call{Path: "/x"}); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if n := l.logins.Load(); n > 2 {
			t.Errorf("%d logins", n)
		}
	})
	t.Run("only once", func(t *testing.T) {
		var n atomic.Int64
		srv := serve(t, func(w http.ResponseWriter, r *http.Request) { n.Add(1); w.WriteHeader(401) })
		c := newClient(t, srv.URL, func(_ *client.Config, o *client.Options) {
			o.Reauthorize = func(context.Context) (bool, error) { return true, nil }
		})
		var se *client.StatusError
		if _, err := c.Do(t.Context(), client.Call{}); !errors.As(err, &se) || n.Load() != 2 {
			t.Errorf("%v after %d requests", err, n.Load())
		}
	})
	t.Run("Authorize fails", func(t *testing.T) {
		mine := errors.New("no key for live response")
		c := newClient(t, "http://127.0.0.1:1", func(_ *client.Config, o *client.Options) {
			o.Authorize = func(context.Context, *http.Request) error { return mine }
		})
		if _, err := c.Do(t.Context(), client.Call{}); err != mine {
			t.Errorf("got %v", err)
		}
		if _, err := c.Dial(t.Context(), "/ws", nil, nil); err != mine {
			t.Errorf("got %v", err)
		}
	})
}

func TestWebSocket(t *testing.T) {
	l := newLogin(t, 1)
	// The first handshake is refused, the login renews, the second works.
	conn, err := l.c.Dial(t.Context(), "/ws", url.Values{"a": {"b"}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.CloseNow()
	if err := conn.Write(t.Context(), websocket.MessageText, []byte("hi")); err != nil {
		t.Fatal(err)
	}
	// Other requests are not kept waiting by an open socket.
	if _, err := l.c.Do(t.Context(), client.Call{Path: "/x"}); err != nil {
		t.Fatal(err)
	}
	_, msg, err := conn.Read(t.Context())
	if err != nil || string(msg) != "echo hi" {
		t.Fatalf("%q %v", msg, err)
	}
	var se *client.StatusError
	srv := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/plain" {
			fmt.Fprint(w, "hello")
			return
		}
		w.WriteHeader(404)
	})
	c := newClient(t, srv.URL, nil)
	if _, err := c.Dial(t.Context(), "/none", nil, nil); !errors.As(err, &se) || se.Code != 404 {
		t.Errorf("%v", err)
	}
	var me *client.MalformedError
	if _, err := c.Dial(t.Context(), "/plain", nil, nil); !errors.As(err, &me) {
		t.Errorf("%v", err)
	}
	var te *client.TransportError
	hang := serve(t, func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	c = newClient(t, hang.URL, func(c *client.Config, _ *client.Options) { c.Timeout = 50 * time.Millisecond })
	if _, err := c.Dial(t.Context(), "/", nil, nil); !errors.As(err, &te) || !strings.Contains(err.Error(), "within 50ms") {
		t.Errorf("%v", err)
	}
}

// Empty fragments make no message however many come: they are given up, not
// read for ever.
func TestWebSocketOfEmptyFragments(t *testing.T) {
	defer client.SetMaxMessageWire(1 << 18)()
	srv := serve(t, func(w http.ResponseWriter, r *http.Request) {
		conn, buf, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		sum := sha1.Sum([]byte(r.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
		fmt.Fprintf(buf, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: %s\r\n\r\n",
			base64.StdEncoding.EncodeToString(sum[:]))
		_, _ = buf.WriteString("\x01\x01{") // a text message begins, and never ends
		_ = buf.Flush()
		flood := bytes.Repeat([]byte{0, 0}, 1<<16)
		for {
			if _, err := conn.Write(flood); err != nil {
				return
			}
		}
	})
	conn, err := newClient(t, srv.URL, nil).Dial(t.Context(), "/", nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.CloseNow()
	if _, _, err := conn.Read(t.Context()); err == nil || !strings.Contains(err.Error(), "no message") {
		t.Errorf("%v", err)
	}
}

func TestWebSocketOverTLS(t *testing.T) {
	self := issue(t, nil, nil)
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		_ = conn.Write(r.Context(), websocket.MessageText, []byte("hello"))
		_ = conn.Close(websocket.StatusNormalClosure, "")
	}))
	srv.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{self.cert.Raw}, PrivateKey: self.key}}, NextProtos: []string{"h2", "http/1.1"}}
	srv.StartTLS()
	t.Cleanup(srv.Close)
	c := newClient(t, srv.URL, func(c *client.Config, _ *client.Options) { c.TLS.Pin = client.PinOf(self.cert) })
	conn, err := c.Dial(t.Context(), "/", nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.CloseNow()
	if _, msg, err := conn.Read(t.Context()); err != nil || string(msg) != "hello" {
		t.Fatalf("%q %v", msg, err)
	}
}

func TestPacing(t *testing.T) {
	var now, most, all atomic.Int64
	srv := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if n := now.Add(1); n > most.Load() {
			most.Store(n)
		}
		all.Add(1)
		time.Sleep(5 * time.Millisecond)
		now.Add(-1)
	})
	pacers := client.NewPacers()
	run := func(cs ...*client.Client) time.Duration {
		start := time.Now()
		var wg sync.WaitGroup
		for i := range 24 {
			wg.Go(func() {
				if _, err := cs[i%len(cs)].Do(t.Context(), client.Call{Path: "/"}); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		return time.Since(start)
	}
	with := func(r client.Rate) *client.Client {
		return newClient(t, srv.URL, func(c *client.Config, _ *client.Options) { c.Rate, c.Pacers = r, pacers })
	}
	two, also := with(client.Rate{Concurrent: 2}), with(client.Rate{Concurrent: 2})
	run(two, also)
	if most.Load() > 2 {
		t.Errorf("%d at once through two clients of one server", most.Load())
	}
	most.Store(0)
	run(with(client.Rate{Concurrent: 1}))
	if most.Load() != 1 {
		t.Errorf("%d at once", most.Load())
	}
	// The first second's worth goes at once; the other 14 take 1.4 s.
	slow := with(client.Rate{PerSecond: 10})
	if d := run(slow); d < 1200*time.Millisecond || d > 10*time.Second {
		t.Errorf("24 requests at 10 a second took %v", d)
	}
}

func TestProxy(t *testing.T) {
	var seen atomic.Value
	var auth atomic.Value
	proxy := serve(t, func(w http.ResponseWriter, r *http.Request) {
		seen.Store(r.Method + " " + r.RequestURI)
		auth.Store(r.Header.Get("Proxy-Authorization"))
		if r.Method != http.MethodConnect {
			fmt.Fprint(w, okJSON)
			return
		}
		up, err := net.Dial("tcp", r.URL.Host)
		if err != nil {
			w.WriteHeader(502)
			return
		}
		defer up.Close()
		down, brw, err := w.(http.Hijacker).Hijack()
		if err != nil {
			return
		}
		defer down.Close()
		_, _ = io.WriteString(down, "HTTP/1.1 200 OK\r\n\r\n")
		go func() { _, _ = io.Copy(up, brw); up.(*net.TCPConn).CloseWrite() }()
		_, _ = io.Copy(down, bufio.NewReader(up))
	})
	at := strings.Replace(proxy.URL, "http://", "http://user:pr0xypass@", 1)
	var log strings.Builder
	c := newClient(t, "http://edr.invalid/x", func(c *client.Config, _ *client.Options) { c.Proxy, c.Debug = at, &log })
	if _, err := c.DoJSON(t.Context(), client.Call{Path: "/y"}, nil); err != nil || seen.Load() != "GET http://edr.invalid/x/y" || auth.Load() == "" {
		t.Errorf("plain: %v %v", err, seen.Load())
	}
	if strings.Contains(log.String(), "pr0xypass") {
		t.Error("the proxy's password is in the log")
	}
	self := issue(t, nil, nil)
	secure := serveTLS(t, &tls.Config{}, self)
	c = newClient(t, secure, func(c *client.Config, _ *client.Options) { c.Proxy, c.TLS.Pin = at, client.PinOf(self.cert) })
	if _, err := c.DoJSON(t.Context(), client.Call{Path: "/y"}, nil); err != nil || !strings.HasPrefix(seen.Load().(string), "CONNECT 127.0.0.1:") {
		t.Errorf("TLS: %v %v", err, seen.Load())
	}
	c = newClient(t, secure, func(c *client.Config, _ *client.Options) { c.Proxy = "http://127.0.0.1:1" })
	client.FakeClock(c)
	var te *client.TransportError
	if _, err := c.Do(t.Context(), client.Call{Method: "POST"}); !errors.As(err, &te) || te.Sent || !strings.Contains(err.Error(), "proxy 127.0.0.1:1 cannot be used: connection refused") {
		t.Errorf("dead proxy: %v", err)
	}
}

func TestDownload(t *testing.T) {
	content := strings.Repeat("0123456789", 10000)
	var cuts atomic.Int64
	var changed atomic.Bool
	srv := serve(t, func(w http.ResponseWriter, r *http.Request) {
		body := content
		if r.URL.Path == "/changes" && changed.Load() {
			body = strings.ToUpper(strings.Repeat("abcdefghij", 10000))
			w.Header().Set("ETag", `"2"`)
		} else {
			w.Header().Set("ETag", `"1"`)
		}
		if r.URL.Path == "/no-ranges" {
			_, _ = io.WriteString(w, body)
			return
		}
		if cuts.Add(-1) >= 0 {
			changed.Store(true)
			w = &cutter{w, 5000}
		}
		http.ServeContent(w, r, "", time.Time{}, strings.NewReader(body))
	})
	c := newClient(t, srv.URL, nil)
	client.FakeClock(c)
	open := func(head string) *os.File {
		f, err := os.Create(filepath.Join(t.TempDir(), "f"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		_, _ = f.WriteString(head)
		return f
	}
	for _, tt := range []struct {
		name, path string
		have       string
		cuts       int64
		resumed    bool
		want       string
	}{
		{"whole", "/f", "", 0, false, content},
		{"resumed", "/f", content[:777], 0, true, content},
		{"complete already", "/f", content, 0, true, content},
		{"cut three times", "/f", "", 3, false, content},
		{"resumed and cut", "/f", content[:100], 1, true, content},
		{"no ranges", "/no-ranges", content[:100], 0, false, content},
		{"the file changed on the way", "/changes", "", 1, false, strings.ToUpper(strings.Repeat("abcdefghij", 10000))},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cuts.Store(tt.cuts)
			changed.Store(false)
			f := open(tt.have)
			n, resumed, err := c.Download(t.Context(), client.Call{Path: tt.path}, int64(len(tt.have)), f)
			if err != nil {
				t.Fatal(err)
			}
			got, _ := os.ReadFile(f.Name())
			if string(got) != tt.want || resumed != tt.resumed {
				t.Errorf("%d bytes of %d, resumed %v", len(got), len(tt.want), resumed)
			}
			if want := int64(len(tt.want)); n != want && n != want-int64(len(tt.have)) {
				t.Errorf("n = %d", n)
			}
		})
	}
	var plain strings.Builder
	if n, _, err := c.Download(t.Context(), client.Call{Path: "/no-ranges"}, 10, &plain); !errors.Is(err, client.ErrRestart) || n != 0 || plain.Len() != 0 {
		t.Errorf("%d %v", n, err)
	}
}

// kept is a file with the version that an earlier run wrote down.
type kept struct {
	*os.File
	version string
}

func (k *kept) Version() string           { return k.version }
func (k *kept) SetVersion(v string) error { k.version = v; return nil }

// A part that an earlier run left is continued only when the file is the same
// still, whether or not the server looks at If-Range.
func TestDownloadOfAChangedFile(t *testing.T) {
	content := strings.Repeat("0123456789", 10000)
	for _, tt := range []struct {
		name, version string
		ignores       bool // the server takes no notice of If-Range
		resumed       bool
	}{
		{"the same", `"now"`, false, true},
		{"changed", `"then"`, false, false},
		{"the same, If-Range ignored", `"now"`, true, true},
		{"changed, If-Range ignored", `"then"`, true, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			srv := serve(t, func(w http.ResponseWriter, r *http.Request) {
				if tt.ignores {
					r.Header.Del("If-Range")
				}
				w.Header().Set("ETag", `"now"`)
				http.ServeContent(w, r, "", time.Time{}, strings.NewReader(content))
			})
			f, err := os.Create(filepath.Join(t.TempDir(), "f"))
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			head := content[:1000]
			if !tt.resumed {
				head = strings.Repeat("z", 1000)
			}
			_, _ = f.WriteString(head)
			k := &kept{f, tt.version}
			_, resumed, err := newClient(t, srv.URL, nil).Download(t.Context(), client.Call{Path: "/f"}, 1000, k)
			got, _ := os.ReadFile(f.Name())
			if err != nil || resumed != tt.resumed || string(got) != content || k.version != `"now"` {
				t.Errorf("%v, resumed %v, %d bytes right: %v, version %s", err, resumed, len(got), string(got) == content, k.version)
			}
		})
	}
}

// A server that cuts the file each time at the same place is given up after a
// few tries, whether or not it can resume.
func TestDownloadThatIsAlwaysCut(t *testing.T) {
	for _, path := range []string{"/ranges", "/no-ranges", "/one-byte"} {
		t.Run(path, func(t *testing.T) {
			var requests atomic.Int64
			srv := serve(t, func(w http.ResponseWriter, r *http.Request) {
				requests.Add(1)
				cut := &cutter{w, 5000}
				switch path {
				case "/no-ranges":
					r.Header.Del("Range")
				case "/one-byte":
					cut.n = 1
				}
				http.ServeContent(cut, r, "", time.Time{}, strings.NewReader(strings.Repeat("x", 1<<20)))
			})
			c := newClient(t, srv.URL, nil)
			client.FakeClock(c)
			f, err := os.Create(filepath.Join(t.TempDir(), "f"))
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			_, _, err = c.Download(t.Context(), client.Call{Path: path}, 0, f)
			if err == nil || !strings.Contains(err.Error(), "it cuts the file each time") || requests.Load() != 4 {
				t.Errorf("%v after %d requests", err, requests.Load())
			}
		})
	}
}

// A part of an answer that nobody asked for is never taken for the whole.
func TestPartialAnswerToAWholeRead(t *testing.T) {
	srv := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Range", "bytes 0-1/100")
		w.WriteHeader(http.StatusPartialContent)
		_, _ = io.WriteString(w, "[]")
	})
	c := newClient(t, srv.URL, nil)
	var me *client.MalformedError
	if _, err := c.DoJSON(t.Context(), client.Call{Path: "/"}, nil); !errors.As(err, &me) {
		t.Errorf("%v", err)
	}
	if _, err := c.Open(t.Context(), client.Call{Path: "/"}); !errors.As(err, &me) {
		t.Errorf("%v", err)
	}
}

// cutter drops the connection after n bytes of the body.
type cutter struct {
	http.ResponseWriter
	n int
}

func (c *cutter) Write(p []byte) (int, error) {
	if len(p) > c.n {
		_, _ = c.ResponseWriter.Write(p[:c.n])
		c.ResponseWriter.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	}
	c.n -= len(p)
	return c.ResponseWriter.Write(p)
}

func TestRequests(t *testing.T) {
	srv := serve(t, func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s %s|%s|%s|%s|%d|%s", r.Method, r.RequestURI, r.Header.Get("Content-Type"), r.UserAgent(), r.Header.Get("X-P"), r.ContentLength, b)
	})
	c := newClient(t, srv.URL+"/base/", func(c *client.Config, _ *client.Options) {
		c.UserAgent, c.Headers = "edrctl/1", map[string]string{"x-p": "profile"}
	})
	for _, tt := range []struct {
		call client.Call
		want string
	}{
		{client.Call{}, "GET /base||edrctl/1|profile|0|"},
		{client.Call{Path: "/a%2Fb/{id}", Query: url.Values{"q": {"a b&c"}}}, "GET /base/a%2Fb/%7Bid%7D?q=a+b%26c||edrctl/1|profile|0|"},
		{client.Call{Method: "POST", Path: "/p", JSON: map[string]string{"a": "<&>"}}, `POST /base/p|application/json|edrctl/1|profile|11|{"a":"<&>"}`},
		{client.Call{Method: "POST", Path: "/p"}, "POST /base/p||edrctl/1|profile|0|"},
		{client.Call{Method: "PUT", Path: "/p", Body: []byte("xx"), ContentType: "text/csv"}, "PUT /base/p|text/csv|edrctl/1|profile|2|xx"},
		{client.Call{Method: "DELETE", Path: "/p", JSON: []int{1}}, "DELETE /base/p|application/json|edrctl/1|profile|3|[1]"},
		{client.Call{Path: "/p", JSON: []int{1}}, "GET /base/p|application/json|edrctl/1|profile|3|[1]"},
		{client.Call{Path: "/p", Header: http.Header{"x-p": {"call"}}}, "GET /base/p||edrctl/1|call|0|"},
		{client.Call{Path: "//evil.example/p"}, "GET /base//evil.example/p||edrctl/1|profile|0|"},
		{client.Call{Path: "@evil.example/p"}, "GET /base/@evil.example/p||edrctl/1|profile|0|"},
		{client.Call{Path: "/p#frag"}, "GET /base/p||edrctl/1|profile|0|"},
	} {
		r, err := c.Do(t.Context(), tt.call)
		if err != nil || string(r.Body) != tt.want {
			t.Errorf("got %v %s\nwant %s", err, r.Body, tt.want)
		}
	}
	if _, err := c.Do(t.Context(), client.Call{Path: "/a\x00b"}); err == nil {
		t.Error("a control character in the path was sent")
	}
	if _, err := c.Do(t.Context(), client.Call{Method: "POST", JSON: func() {}}); err == nil {
		t.Error("a function was marshalled")
	}
	parts := client.Call{Method: "POST", Path: "/m", Parts: []client.Part{{Name: "f", FileName: "a\"\r\n.txt", Body: []byte("x")}, {Name: "os", Body: []byte("linux")}}}
	r, err := c.Do(t.Context(), parts)
	if err != nil || !strings.Contains(string(r.Body), `name="f"; filename="a%22%0D%0A.txt"`) || !strings.Contains(string(r.Body), "\r\n\r\nlinux\r\n") {
		t.Errorf("%v %s", err, r.Body)
	}
}

func FuzzParseRetryAfter(f *testing.F) {
	for _, s := range []string{"", "0", "120", "-1", "1.5", "1e99", "NaN", "Wed, 21 Oct 2026 07:28:00 GMT", "soon"} {
		f.Add(s)
	}
	now := time.Date(2026, 10, 21, 7, 27, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, s string) {
		if d := client.ParseRetryAfter(s, now); d < 0 || d > 24*time.Hour {
			t.Fatalf("%q: %v", s, d)
		}
	})
}

func TestParseRetryAfter(t *testing.T) {
	now := time.Date(2026, 10, 21, 7, 27, 0, 0, time.UTC)
	for in, want := range map[string]time.Duration{
		"": 0, "0": 0, " 120 ": 2 * time.Minute, "-5": 0, "1.5": 1500 * time.Millisecond, "NaN": 0, "Inf": 24 * time.Hour,
		"1e99": 24 * time.Hour, "soon": 0,
		"Wed, 21 Oct 2026 07:28:00 GMT":     time.Minute,
		"Wednesday, 21-Oct-26 07:28:00 GMT": time.Minute,
		"Wed Oct 21 07:28:00 2026":          time.Minute,
		"Wed, 21 Oct 2026 07:20:00 GMT":     0,
		"Wed, 21 Oct 2099 07:28:00 GMT":     24 * time.Hour,
	} {
		if got := client.ParseRetryAfter(in, now); got != want {
			t.Errorf("%q: %v, want %v", in, got, want)
		}
	}
}
