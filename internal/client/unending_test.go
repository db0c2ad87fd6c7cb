package client_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/edrctl/edrctl/internal/client"
)

// unending are answers that never end by themselves, or after which the server
// keeps the connection open without a word.
var unending = map[string]func(conn net.Conn){
	"nothing": func(net.Conn) {},
	"101 and nothing": func(c net.Conn) {
		write(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
	},
	"101 and data": func(c net.Conn) {
		write(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
		trickle(c, "\x81\x01x")
	},
	"101 without Upgrade": func(c net.Conn) { write(c, "HTTP/1.1 101 Switching Protocols\r\n\r\n") },
	"100 flood":           func(c net.Conn) { trickle(c, "HTTP/1.1 100 Continue\r\n\r\n") },
	"103 flood":           func(c net.Conn) { trickle(c, "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n") },
	"header by the byte":  func(c net.Conn) { write(c, "HTTP/1.1 200 OK\r\nX-A: "); trickle(c, "a") },
	"half a header":       func(c net.Conn) { write(c, "HTTP/1.1 200 OK\r\nX-A: ") },
	"half a body":         func(c net.Conn) { write(c, "HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n{\"ok\":") },
	"half a chunk":        func(c net.Conn) { write(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\n{\"ok\":") },
	"trailers by the byte": func(c net.Conn) {
		write(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X\r\n\r\nb\r\n{\"ok\":true}\r\n0\r\nX: ")
		trickle(c, "x")
	},
	"trailers without end": func(c net.Conn) {
		write(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nb\r\n{\"ok\":true}\r\n0\r\n")
		trickle(c, "X-Y: "+strings.Repeat("z", 1000)+"\r\n")
	},
	"no end of the body": func(c net.Conn) { write(c, "HTTP/1.0 200 OK\r\n\r\n{\"ok\":true}") },
}

// trickle sends s until the other side is gone.
func trickle(c net.Conn, s string) {
	for {
		if _, err := io.WriteString(c, s); err != nil {
			return
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// No answer of any kind outlives the time-out, of a read, of a stream or of an action.
func TestNoAnswerOutlivesTheTimeout(t *testing.T) {
	const timeout, bound = 200 * time.Millisecond, 2 * time.Second
	for name, answer := range unending {
		for _, call := range []client.Call{{Path: "/r"}, {Path: "/s"}, {Path: "/a", Acts: true}} {
			t.Run(fmt.Sprintf("%s%s", name, call.Path), func(t *testing.T) {
				t.Parallel()
				srv := serveRaw(t, func(_ int64, c net.Conn) bool { answer(c); _, _ = c.Read(make([]byte, 1)); return false })
				c := newClient(t, srv.URL, func(cfg *client.Config, _ *client.Options) { cfg.Timeout = timeout })
				client.FakeClock(c)
				began := time.Now()
				var err error
				if call.Path == "/s" {
					var s *client.Stream
					if s, err = c.Open(t.Context(), call); err == nil {
						_, err = io.Copy(io.Discard, s.Body)
						s.Body.Close()
					}
				} else {
					_, err = c.Do(t.Context(), call)
				}
				if took := time.Since(began); took > bound {
					t.Errorf("it took %s", took)
				}
				var te *client.TransportError
				var me *client.MalformedError
				if !errors.As(err, &te) && !errors.As(err, &me) {
					t.Errorf("%T: %v", err, err)
				}
			})
		}
	}
}
