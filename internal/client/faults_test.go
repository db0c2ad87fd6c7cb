package client_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/edrctl/edrctl/internal/client"
)

const okJSON = `{"ok":true}`

func write(conn net.Conn, s string) { _, _ = io.WriteString(conn, s) }

func answerOK(conn net.Conn) bool {
	write(conn, fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(okJSON), okJSON))
	return true
}

// Each fault is met once by a read and once by an action. The read is tried
// again where that can help; the action was sent once, whatever happened.
func TestFaults(t *testing.T) {
	type kind int
	const (
		fine kind = iota
		transport
		malformed
		status
	)
	tests := []struct {
		name     string
		fault    func(conn net.Conn) bool
		read     kind // when the fault is met once
		requests int64
		action   kind
		text     string
	}{
		{"reset before the answer", func(c net.Conn) bool { reset(c); return false }, fine, 2, transport, "reset"},
		{"closed before the answer", func(c net.Conn) bool { return false }, fine, 2, transport, "without an answer"},
		{"reset inside the body", func(c net.Conn) bool {
			write(c, "HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n{\"a\":")
			time.Sleep(30 * time.Millisecond)
			reset(c)
			return false
		}, fine, 2, transport, "reset"},
		{"shorter than its length", func(c net.Conn) bool {
			write(c, "HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n{\"a\":1}")
			return false
		}, malformed, 1, malformed, "cut"},
		{"cut chunked", func(c net.Conn) bool {
			write(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n7\r\n{\"a\":1}\r\n")
			return false
		}, malformed, 1, malformed, "cut"},
		{"damaged chunk", func(c net.Conn) bool {
			write(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}")
			return false
		}, malformed, 1, malformed, "not valid HTTP"},
		{"cut inside the header", func(c net.Conn) bool { write(c, "HTTP/1.1 200 OK\r\nConte"); return false }, malformed, 1, malformed, "not valid HTTP"},
		{"garbage", func(c net.Conn) bool { write(c, "SSH-2.0-OpenSSH_9.9\r\n\r\n"); return false }, malformed, 1, malformed, "not valid HTTP"},
		{"JSON without a length, cut", func(c net.Conn) bool { write(c, "HTTP/1.0 200 OK\r\n\r\n{\"a\":"); return false }, malformed, 1, malformed, "cut"},
		{"html", func(c net.Conn) bool {
			write(c, "HTTP/1.0 200 OK\r\nContent-Type: text/html\r\n\r\n<html><title>Log in</title><b>x</b>")
			return false
		}, malformed, 1, malformed, "an HTML page titled “Log in” instead of JSON"},
		{"empty", func(c net.Conn) bool { write(c, "HTTP/1.0 200 OK\r\n\r\n"); return false }, malformed, 1, malformed, "empty"},
		{"not JSON", func(c net.Conn) bool { write(c, "HTTP/1.0 200 OK\r\n\r\nOK"); return false }, malformed, 1, malformed, "not JSON"},
		{"text after", func(c net.Conn) bool { write(c, "HTTP/1.0 200 OK\r\n\r\n{} {}"); return false }, malformed, 1, malformed, "text after"},
		{"too deep", func(c net.Conn) bool {
			write(c, "HTTP/1.0 200 OK\r\n\r\n"+strings.Repeat("[", 600)+strings.Repeat("]", 600))
			return false
		}, malformed, 1, malformed, "deeper"},
		{"bad gzip", func(c net.Conn) bool {
			write(c, "HTTP/1.0 200 OK\r\nContent-Encoding: gzip\r\n\r\nnot gzip at all")
			return false
		}, malformed, 1, malformed, "damaged"},
		{"unknown encoding", func(c net.Conn) bool {
			write(c, "HTTP/1.0 200 OK\r\nContent-Encoding: br\r\n\r\nxx")
			return false
		}, malformed, 1, malformed, "encoding br"},
		{"429", func(c net.Conn) bool {
			write(c, "HTTP/1.1 429 Slow\r\nContent-Length: 0\r\nRetry-After: 7\r\n\r\n")
			return true
		}, fine, 2, status, "429"},
		{"502", func(c net.Conn) bool { write(c, "HTTP/1.1 502 Bad\r\nContent-Length: 0\r\n\r\n"); return true }, fine, 2, status, "502"},
		{"503", func(c net.Conn) bool { write(c, "HTTP/1.1 503 Bad\r\nContent-Length: 0\r\n\r\n"); return true }, fine, 2, status, "503"},
		{"504", func(c net.Conn) bool { write(c, "HTTP/1.1 504 Bad\r\nContent-Length: 0\r\n\r\n"); return true }, fine, 2, status, "504"},
		{"500", func(c net.Conn) bool { write(c, "HTTP/1.1 500 Bad\r\nContent-Length: 0\r\n\r\n"); return true }, status, 1, status, "500"},
		{"404", func(c net.Conn) bool { write(c, "HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n"); return true }, status, 1, status, "404"},
	}
	check := func(t *testing.T, want kind, err error, text string, action bool) {
		t.Helper()
		var te *client.TransportError
		var me *client.MalformedError
		var se *client.StatusError
		got := fine
		switch {
		case errors.As(err, &te):
			got = transport
			if !te.Sent || te.Action != action {
				t.Errorf("Sent %v Action %v", te.Sent, te.Action)
			}
		case errors.As(err, &me):
			got = malformed
			if me.Host == "" || me.Action != action {
				t.Errorf("host %q Action %v", me.Host, me.Action)
			}
		case errors.As(err, &se):
			got = status
		case err != nil:
			t.Fatalf("error of type %T: %v", err, err)
		}
		if got != want {
			t.Errorf("got %v, want kind %d", err, want)
		}
		if want != fine && (err == nil || !strings.Contains(err.Error(), text)) {
			t.Errorf("text %v, want %q in it", err, text)
		}
	}
	for _, tt := range tests {
		for _, call := range []client.Call{
			{Path: "/r"},
			{Path: "/r", Method: "POST", Reads: true, JSON: map[string]int{"a": 1}},
			{Path: "/a", Method: "POST", JSON: map[string]int{"a": 1}},
			{Path: "/a", Acts: true},
			{Path: "/a", Method: "DELETE"},
		} {
			action := call.Path == "/a"
			t.Run(fmt.Sprintf("%s/%s reads=%v acts=%v", tt.name, call.Method, call.Reads, call.Acts), func(t *testing.T) {
				t.Parallel()
				srv := serveRaw(t, func(n int64, conn net.Conn) bool {
					if n == 1 {
						return tt.fault(conn)
					}
					return answerOK(conn)
				})
				c := newClient(t, srv.URL, nil)
				client.FakeClock(c)
				var got struct{ OK bool }
				_, err := c.DoJSON(t.Context(), call, &got)
				want, requests := tt.read, tt.requests
				if action {
					want, requests = tt.action, 1
				}
				check(t, want, err, tt.text, action)
				if want == fine && !got.OK {
					t.Error("the answer was not decoded")
				}
				if n := srv.Requests.Load(); n != requests {
					t.Errorf("%d requests, want %d", n, requests)
				}
			})
		}
	}
}

func TestRetriesEnd(t *testing.T) {
	srv := serveRaw(t, func(int64, net.Conn) bool { return false })
	c := newClient(t, srv.URL, nil)
	clock := client.FakeClock(c)
	client.SetMaxJitter(c)
	_, err := c.Do(t.Context(), client.Call{})
	var te *client.TransportError
	if !errors.As(err, &te) || srv.Requests.Load() != 4 {
		t.Fatalf("%v after %d requests", err, srv.Requests.Load())
	}
	want := []time.Duration{300 * time.Millisecond, 600 * time.Millisecond, 1200 * time.Millisecond}
	if fmt.Sprint(clock.Waits) != fmt.Sprint(want) {
		t.Errorf("waited %v, want %v", clock.Waits, want)
	}
}

func TestRetryAfter(t *testing.T) {
	for _, tt := range []struct {
		name, value string
		low, high   time.Duration
		status      int
	}{
		{"seconds", "7", 7 * time.Second, 8 * time.Second, 429},
		{"date", time.Now().Add(20 * time.Second).UTC().Format(http.TimeFormat), 17 * time.Second, 22 * time.Second, 503},
		{"nonsense", "soon", 0, time.Second, 429},
		{"none", "", 0, time.Second, 429},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var n atomic.Int64
			srv := serve(t, func(w http.ResponseWriter, r *http.Request) {
				if n.Add(1) == 1 {
					if tt.value != "" {
						w.Header().Set("Retry-After", tt.value)
					}
					w.WriteHeader(tt.status)
				}
			})
			c := newClient(t, srv.URL, nil)
			clock := client.FakeClock(c)
			if _, err := c.Do(t.Context(), client.Call{}); err != nil {
				t.Fatal(err)
			}
			var all time.Duration
			for _, w := range clock.Waits {
				all += w
			}
			if all < tt.low || all > tt.high {
				t.Errorf("waited %v", clock.Waits)
			}
		})
	}
	t.Run("longer than the deadline", func(t *testing.T) {
		srv := serve(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Retry-After", "60")
			w.WriteHeader(429)
		})
		c := newClient(t, srv.URL, nil)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		start := time.Now()
		_, err := c.Do(ctx, client.Call{})
		var se *client.StatusError
		if !errors.As(err, &se) || se.RetryAfter != time.Minute || time.Since(start) > time.Second {
			t.Fatalf("%v after %v", err, time.Since(start))
		}
		// The pause holds for every other request of the server, too.
		_, err = c.Do(ctx, client.Call{Path: "/other"})
		if !errors.As(err, &se) || se.Code != 429 || se.RetryAfter < 58*time.Second {
			t.Fatalf("the second request: %v", err)
		}
	})
}

func TestSentTellsWhatMayHaveHappened(t *testing.T) {
	post := client.Call{Method: "POST", Path: "/isolate", JSON: 1}
	sent := func(t *testing.T, c *client.Client, ctx context.Context) *client.TransportError {
		t.Helper()
		_, err := c.Do(ctx, post)
		var te *client.TransportError
		if !errors.As(err, &te) {
			t.Fatalf("got %T %v", err, err)
		}
		return te
	}
	t.Run("refused", func(t *testing.T) {
		l, _ := net.Listen("tcp", "127.0.0.1:0")
		url := "http://" + l.Addr().String()
		l.Close()
		if te := sent(t, newClient(t, url, nil), t.Context()); te.Sent || !strings.Contains(te.Error(), "connection refused") {
			t.Error(te.Sent, te)
		}
	})
	t.Run("cancelled before", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if te := sent(t, newClient(t, "http://127.0.0.1:1", nil), ctx); te.Sent || !errors.Is(te, context.Canceled) {
			t.Error(te.Sent, te)
		}
	})
	hang := func(t *testing.T) *rawServer {
		gone := make(chan struct{})
		srv := serveRaw(t, func(int64, net.Conn) bool { <-gone; return false })
		t.Cleanup(func() { close(gone) })
		return srv
	}
	t.Run("time-out after sending", func(t *testing.T) {
		c := newClient(t, hang(t).URL, func(c *client.Config, _ *client.Options) { c.Timeout = 50 * time.Millisecond })
		te := sent(t, c, t.Context())
		var ne net.Error
		if !te.Sent || !errors.As(te.Err, &ne) || !ne.Timeout() || !strings.Contains(te.Error(), "within 50ms") {
			t.Error(te.Sent, te)
		}
	})
	t.Run("deadline after sending", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		if te := sent(t, newClient(t, hang(t).URL, nil), ctx); !te.Sent || !errors.Is(te, context.DeadlineExceeded) {
			t.Error(te.Sent, te)
		}
	})
	t.Run("waiting for its turn", func(t *testing.T) {
		srv := hang(t)
		c := newClient(t, srv.URL, func(c *client.Config, _ *client.Options) { c.Rate.Concurrent = 1 })
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		done := make(chan struct{})
		go func() { defer close(done); _, _ = c.Do(ctx, client.Call{}) }()
		for srv.Requests.Load() == 0 {
			time.Sleep(time.Millisecond)
		}
		if te := sent(t, c, ctx); te.Sent {
			t.Error(te.Sent, te)
		}
		<-done
	})
	t.Run("TLS to a server that is none", func(t *testing.T) {
		srv := serveRaw(t, func(int64, net.Conn) bool { return false })
		c := newClient(t, strings.Replace(srv.URL, "http:", "https:", 1), func(c *client.Config, _ *client.Options) { c.Timeout = 300 * time.Millisecond })
		if te := sent(t, c, t.Context()); te.Sent {
			t.Error(te.Sent, te)
		}
	})
}

// A connection the server has closed meanwhile must not lead to an action
// being sent on it and again on another.
func TestActionsTakeTheirOwnConnection(t *testing.T) {
	srv := serveRaw(t, func(n int64, conn net.Conn) bool { answerOK(conn); return false })
	c := newClient(t, srv.URL, nil)
	for range 5 {
		if _, err := c.Do(t.Context(), client.Call{}); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Do(t.Context(), client.Call{Method: "POST", Body: []byte("x")}); err != nil {
			t.Fatal(err)
		}
	}
	if n := srv.Requests.Load(); n != 10 {
		t.Errorf("%d requests for 10 calls", n)
	}
	if n := srv.Conns.Load(); n < 6 {
		t.Errorf("%d connections: an action shared one", n)
	}
}

func TestReadsShareConnections(t *testing.T) {
	srv := serveRaw(t, func(n int64, conn net.Conn) bool { return answerOK(conn) })
	c := newClient(t, srv.URL, nil)
	for range 10 {
		if _, err := c.DoJSON(t.Context(), client.Call{}, nil); err != nil {
			t.Fatal(err)
		}
	}
	if n := srv.Conns.Load(); n != 1 {
		t.Errorf("%d connections", n)
	}
}

func TestStream(t *testing.T) {
	t.Run("idle time-out, not a total one", func(t *testing.T) {
		srv := serve(t, func(w http.ResponseWriter, r *http.Request) {
			for i := range 8 {
				fmt.Fprintf(w, "%d", i)
				w.(http.Flusher).Flush()
				time.Sleep(40 * time.Millisecond)
			}
			<-r.Context().Done()
		})
		c := newClient(t, srv.URL, func(c *client.Config, _ *client.Options) { c.Timeout = 200 * time.Millisecond })
		s, err := c.Open(t.Context(), client.Call{})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Body.Close()
		b, err := io.ReadAll(s.Body)
		var te *client.TransportError
		if string(b) != "01234567" || !errors.As(err, &te) || !strings.Contains(te.Error(), "no data") {
			t.Fatalf("%q, %v", b, err)
		}
	})
	t.Run("cut", func(t *testing.T) {
		srv := serveRaw(t, func(n int64, c net.Conn) bool {
			write(c, "HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n{\"data\":[1,2,")
			return false
		})
		s, err := newClient(t, srv.URL, nil).Open(t.Context(), client.Call{})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Body.Close()
		elems, _, err := collect(s.Body, "data")
		var me *client.MalformedError
		if len(elems) != 2 || !errors.As(err, &me) || me.Host == "" {
			t.Fatalf("%q, %v", elems, err)
		}
	})
	t.Run("a fault of the document names the server", func(t *testing.T) {
		srv := serve(t, func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, `{"data":[1,2}`) })
		s, err := newClient(t, srv.URL, nil).Open(t.Context(), client.Call{Path: "/events"})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Body.Close()
		_, _, err = collect(s.Body, "data")
		var me *client.MalformedError
		if !errors.As(err, &me) || me.Host == "" || !strings.HasSuffix(me.URL, "/events") {
			t.Fatalf("%v", err)
		}
	})
	t.Run("more requests while one is read", func(t *testing.T) {
		srv := serve(t, func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprint(w, `[1`)
			w.(http.Flusher).Flush()
			fmt.Fprint(w, `,2]`)
		})
		c := newClient(t, srv.URL, func(c *client.Config, _ *client.Options) { c.Rate.Concurrent = 1 })
		s, err := c.Open(t.Context(), client.Call{})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Body.Close()
		for range client.Array(s.Body, "", nil) {
			if _, err := c.Do(t.Context(), client.Call{}); err != nil {
				t.Fatal(err)
			}
		}
	})
	t.Run("closing gives the slot back", func(t *testing.T) {
		srv := serve(t, func(w http.ResponseWriter, r *http.Request) {
			_, _ = w.Write(bytes.Repeat([]byte("x"), 1<<20))
		})
		c := newClient(t, srv.URL, func(c *client.Config, _ *client.Options) { c.Rate.Concurrent = 1 })
		for range 5 {
			if _, err := c.Do(t.Context(), client.Call{MaxBytes: 10}); err == nil {
				t.Fatal("the limit did not hold")
			}
		}
	})
}

func TestCompression(t *testing.T) {
	// n MiB of blanks and a document, in n+1 gzip members.
	packed := func(n int) []byte {
		member := func(content []byte) []byte {
			var b bytes.Buffer
			z, _ := gzip.NewWriterLevel(&b, gzip.BestCompression)
			_, _ = z.Write(content)
			_ = z.Close()
			return b.Bytes()
		}
		return append(bytes.Repeat(member(bytes.Repeat([]byte(" "), 1<<20)), n), member([]byte(okJSON))...)
	}
	small, bomb := packed(1), packed(48)
	srv := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		switch r.URL.Path {
		case "/small":
			_, _ = w.Write(small)
		case "/bomb":
			_, _ = w.Write(bomb)
		case "/cut":
			_, _ = w.Write(small[:len(small)-6])
		}
	})
	c := newClient(t, srv.URL, nil)
	var got struct{ OK bool }
	if _, err := c.DoJSON(t.Context(), client.Call{Path: "/small"}, &got); err != nil || !got.OK {
		t.Fatal(err)
	}
	for _, path := range []string{"/bomb", "/cut"} {
		var me *client.MalformedError
		if _, err := c.Do(t.Context(), client.Call{Path: path, MaxBytes: 1 << 30}); !errors.As(err, &me) {
			t.Errorf("%s: %v", path, err)
		}
		s, err := c.Open(t.Context(), client.Call{Path: path})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, s.Body); !errors.As(err, &me) {
			t.Errorf("%s as a stream: %v", path, err)
		}
		s.Body.Close()
	}
	var me *client.MalformedError
	if _, err := c.Do(t.Context(), client.Call{Path: "/small", MaxBytes: 1000}); !errors.As(err, &me) {
		t.Errorf("the limit counts packed bytes: %v", err)
	}
}

func TestRedirects(t *testing.T) {
	var leaked atomic.Bool
	other := serve(t, func(w http.ResponseWriter, r *http.Request) { leaked.Store(true) })
	var hits atomic.Int64
	srv := serve(t, func(w http.ResponseWriter, r *http.Request) {
		hits.Add(1)
		switch r.URL.Path {
		case "/here":
			http.Redirect(w, r, "/there", http.StatusTemporaryRedirect)
		case "/there":
			b, _ := io.ReadAll(r.Body)
			fmt.Fprintf(w, "%s %s %s", r.Method, b, r.Header.Get("X-Auth-Token"))
		case "/away":
			http.Redirect(w, r, other.URL+"/x?token=1", http.StatusFound)
		case "/loop":
			http.Redirect(w, r, "/loop", http.StatusFound)
		}
	})
	c := newClient(t, srv.URL, func(_ *client.Config, o *client.Options) {
		o.Authorize = func(_ context.Context, r *http.Request) error { r.Header.Set("X-Auth-Token", "tok"); return nil }
	})
	r, err := c.Do(t.Context(), client.Call{Path: "/here"})
	if err != nil || string(r.Body) != "GET  tok" {
		t.Errorf("same host: %v, %v", r, err)
	}
	r, err = c.Do(t.Context(), client.Call{Path: "/here", Method: "POST", Reads: true, Body: []byte("b")})
	if err != nil || string(r.Body) != "POST b tok" {
		t.Errorf("same host, POST that reads: %v, %v", r, err)
	}
	var me *client.MalformedError
	if _, err = c.Do(t.Context(), client.Call{Path: "/away"}); !errors.As(err, &me) || !strings.Contains(me.Why, "redirects to "+other.URL+",") {
		t.Errorf("other host: %v", err)
	}
	if _, err = c.Do(t.Context(), client.Call{Path: "/loop"}); !errors.As(err, &me) || !strings.Contains(me.Why, "more than 5 times") {
		t.Errorf("loop: %v", err)
	}
	hits.Store(0)
	var se *client.StatusError
	if _, err = c.Do(t.Context(), client.Call{Path: "/here", Method: "POST", Body: []byte("b")}); !errors.As(err, &se) || se.Code != 307 || hits.Load() != 1 {
		t.Errorf("an action was redirected: %v, %d requests", err, hits.Load())
	}
	if leaked.Load() {
		t.Error("another host was asked")
	}
}

func TestCancellation(t *testing.T) {
	srv := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/429":
			w.Header().Set("Retry-After", "30")
			w.WriteHeader(429)
			return
		case "/body":
			fmt.Fprint(w, "[1,")
			w.(http.Flusher).Flush()
		}
		<-r.Context().Done()
	})
	for _, tt := range []struct {
		name string
		do   func(context.Context, *client.Client) error
	}{
		{"waiting for the header", func(ctx context.Context, c *client.Client) error {
			_, err := c.Do(ctx, client.Call{Path: "/hang"})
			return err
		}},
		{"reading a body", func(ctx context.Context, c *client.Client) error {
			_, err := c.Do(ctx, client.Call{Path: "/body"})
			return err
		}},
		{"reading a stream", func(ctx context.Context, c *client.Client) error {
			s, err := c.Open(ctx, client.Call{Path: "/body"})
			if err != nil {
				return err
			}
			defer s.Body.Close()
			_, _, err = collect(s.Body, "")
			return err
		}},
		{"backing off", func(ctx context.Context, c *client.Client) error {
			_, err := c.Do(ctx, client.Call{Path: "/429"})
			return err
		}},
		{"waiting for a slot", func(ctx context.Context, c *client.Client) error {
			first, stop := context.WithCancel(ctx)
			defer stop()
			done := make(chan struct{})
			go func() { defer close(done); _, _ = c.Do(first, client.Call{Path: "/hang"}) }()
			time.Sleep(20 * time.Millisecond)
			_, err := c.Do(ctx, client.Call{Path: "/hang"})
			<-done
			return err
		}},
		{"waiting for the pace", func(ctx context.Context, c *client.Client) error {
			short, stop := context.WithTimeout(ctx, time.Millisecond)
			defer stop()
			_, _ = c.Do(short, client.Call{Path: "/hang"})
			_, err := c.Do(ctx, client.Call{Path: "/hang"})
			return err
		}},
		{"a WebSocket handshake", func(ctx context.Context, c *client.Client) error {
			_, err := c.Dial(ctx, "/hang", nil, nil)
			return err
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := newClient(t, srv.URL, func(c *client.Config, _ *client.Options) {
				c.Rate.Concurrent = 1
				if tt.name == "waiting for the pace" {
					c.Rate.PerSecond = 0.01
				}
			})
			ctx, cancel := context.WithCancel(t.Context())
			var at time.Time
			time.AfterFunc(100*time.Millisecond, func() { at = time.Now(); cancel() })
			err := tt.do(ctx, c)
			late := time.Since(at)
			if !errors.Is(err, context.Canceled) {
				t.Errorf("error %v", err)
			}
			if late > 100*time.Millisecond {
				t.Errorf("returned %v after the cancellation", late)
			}
		})
	}
}
