package fake

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/coder/websocket"
)

func (c *call) streamEvents()     { c.stream(c.s.everything) }
func (c *call) streamDetections() { c.stream(c.s.all) }

// stream sends what happens from now on, one event a message, ending in a
// newline. Messages above 4 KiB leave in several frames.
func (c *call) stream(list []int32) {
	s := c.s
	if !strings.EqualFold(c.r.Header.Get("Upgrade"), "websocket") {
		http.Error(c.w, "Bad Request", http.StatusBadRequest)
		return
	}
	if c.r.Header.Get("Origin") != "" {
		http.Error(c.w, "Forbidden", http.StatusForbidden)
		return
	}
	conn, err := websocket.Accept(c.w, c.r, &websocket.AcceptOptions{CompressionMode: websocket.CompressionDisabled})
	if err != nil {
		return
	}
	defer func() { _ = conn.CloseNow() }()
	ctx := conn.CloseRead(c.r.Context())
	if s.opt.Conduct.Skewed() { // what arrives is sent, whatever its time
		list = slices.Clone(list)
		slices.SortStableFunc(list, func(a, b int32) int {
			return s.arrival(s.data.Log.Meta(int(a))).Compare(s.arrival(s.data.Log.Meta(int(b))))
		})
	}
	sent := len(s.arrived(list))
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	var e Event
	var out []byte
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.stop:
			return
		case <-tick.C:
		}
		for now := len(s.arrived(list)); sent < now; sent++ {
			out = append(s.append(out[:0], int(list[sent]), &e), '\n')
			w, err := conn.Writer(ctx, websocket.MessageText)
			if err != nil {
				return
			}
			for rest := out; len(rest) > 0; {
				n := min(len(rest), 4096)
				if _, err := w.Write(rest[:n]); err != nil {
					return
				}
				rest = rest[n:]
			}
			if err := w.Close(); err != nil {
				return
			}
		}
	}
}
