package esp

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/coder/websocket"
	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/backends/esp/reply"
	"github.com/edrctl/edrctl/internal/backends/esp/session"
	"github.com/edrctl/edrctl/internal/backends/esp/wire"
	"github.com/edrctl/edrctl/internal/client"
	"github.com/edrctl/edrctl/internal/model"
)

// Of the sockets (docs/wire/esp.md §10).
const (
	resultsKept  = 10 * time.Minute // how long answers wait for a listener
	reconnectGap = 2 * time.Second
	maxFrame     = 64 << 20 // one host is one frame
)

var (
	livePaths   = []string{"/esp-ui/distributed/result", "/esp-ui/websocket/distributed/result", "/distributed/result"}
	outputPaths = []string{"/esp-ui/websocket/action/result", "/websocket/action/result"}
)

func liveHost(n wire.LiveNode) *model.Host {
	h := &model.Host{Name: string(n.Hostname)}
	h.ID = wire.FirstOf(string(n.HostIdentifier), string(n.NodeID))
	return h
}

// LiveQuery sends a query to hosts (47), once, and reads what they answer
// from the socket. Targets are the hosts asked for, those that are offline
// included: the server keeps no query for them, so the answers end when all
// that were online have answered.
func (d *Driver) LiveQuery(ctx context.Context, q backends.LiveQuery) (*backends.LiveRun, error) {
	const what = "cannot run the live query"
	nodes, err := csvOf(what, "host", q.Hosts)
	if err != nil {
		return nil, err
	}
	tags, err := csvOf(what, "tag", q.Tags)
	if err != nil {
		return nil, err
	}
	if nodes == "" && tags == "" {
		// Old editions take an empty selection for all hosts.
		return nil, backends.Invalid(what, "it names no host")
	}
	if nodes != "" {
		// For the names of hosts the answer will not name; and a session that
		// has ended is renewed by it, which sending would not do.
		if err := d.loadHosts(ctx, what, false); err != nil {
			return nil, err
		}
	}
	started, err := d.sendLive(ctx, what, wire.LiveRequest{Query: q.SQL, Nodes: nodes, Tags: tags})
	if err != nil {
		return nil, err
	}
	run := &backends.LiveRun{ID: string(started.QueryID)}
	online := map[string]*model.Host{} // by node id
	known := map[string]bool{}
	for _, n := range started.Online {
		h := liveHost(n)
		online[string(n.NodeID)] = h
		if !known[h.ID] {
			known[h.ID] = true
			run.Targets = append(run.Targets, h)
		}
	}
	for _, id := range q.Hosts {
		if !known[id] {
			known[id] = true
			run.Targets = append(run.Targets, d.knownHost(id))
		}
	}
	made := time.Now()
	run.Answers = func(yield func(*backends.LiveAnswer, error) bool) {
		d.answers(ctx, run.ID, made, online, yield)
	}
	return run, nil
}

// knownHost gives a host of the directory by its identifier, with the
// identifier as name when it is not there.
func (d *Driver) knownHost(id string) *model.Host {
	d.hosts.mu.Lock()
	defer d.hosts.mu.Unlock()
	m := &model.Host{Name: id}
	m.ID = id
	for _, h := range d.hosts.list {
		if h.ID == id {
			m.Name = h.Name
		}
	}
	return m
}

func csvOf(what, kind string, list []string) (string, error) {
	for _, s := range list {
		if s == "" || strings.ContainsAny(s, ",\r\n") {
			return "", backends.Invalid(what, "the server takes no "+kind+" "+strconv.Quote(s))
		}
	}
	return strings.Join(list, ","), nil
}

// sendLive is 47: one changing request.
func (d *Driver) sendLive(ctx context.Context, what string, req wire.LiveRequest) (*wire.LiveStarted, error) {
	a, err := d.act(ctx, what, order{http.MethodPost, "/distributed/add", req})
	if err != nil {
		return nil, err
	}
	var s wire.LiveStarted
	if wire.KindOf(a.Data) != '{' || json.Unmarshal(a.Data, &s) != nil || !wire.IsNumber(string(s.QueryID)) {
		return nil, &backends.Error{Kind: backends.KindAmbiguous, What: what, Why: "the server took the query but does not tell its id: answers cannot be read"}
	}
	return &s, nil
}

// answers listens until every online host has answered, ctx ends, or the
// server has forgotten the query. There is no end marker, and what a broken
// connection did not acknowledge comes again (§10.3).
func (d *Driver) answers(ctx context.Context, id string, made time.Time, online map[string]*model.Host, yield func(*backends.LiveAnswer, error) bool) {
	const what = "cannot read the answers of the live query"
	heard := map[string]bool{}
	ctx, cancel := context.WithDeadline(ctx, made.Add(resultsKept))
	defer cancel()
	s := socket{d: d, paths: livePaths, first: id, second: `{"query_id":` + id + `}`}
	stopped := false
	err := s.listen(ctx, func(msg []byte) (bool, error) {
		var f wire.LiveAnswer
		if err := json.Unmarshal(msg, &f); err != nil {
			return false, reply.Malformed(what, err)
		}
		node := wire.FirstOf(string(f.Node.ID), string(f.Node.HostIdentifier))
		if node == "" || f.QueryID != "" && string(f.QueryID) != id || heard[node] {
			return true, nil
		}
		heard[node] = true
		a := &backends.LiveAnswer{Host: online[string(f.Node.ID)], Status: int(f.Status)}
		if a.Host == nil {
			a.Host = liveHost(wire.LiveNode{HostIdentifier: f.Node.HostIdentifier, Hostname: f.Node.Name, NodeID: f.Node.ID})
		}
		rows, err := f.Rows()
		if err != nil {
			return false, reply.Malformed(what, err)
		}
		a.Rows = rows
		if a.Status != 0 {
			a.Error = wire.FirstOf(wire.Short(string(f.Message)), "the query failed on the host (status "+strconv.Itoa(a.Status)+")")
		}
		if !yield(a, nil) {
			stopped = true
			return false, nil
		}
		return len(heard) < len(online), nil
	})
	switch {
	case stopped || err == nil:
	case errors.Is(err, context.DeadlineExceeded) && time.Since(made) >= resultsKept:
		// Nothing more can come: who did not answer stays silent.
	default:
		yield(nil, backends.FromClient(what, err))
	}
}

// socket is one of the server's sockets: a plain WebSocket that takes an id
// as text and gives binary frames.
type socket struct {
	d      *Driver
	paths  []string
	first  string // what to send: the bare id
	second string // what to send once when the first form brought nothing
	pong   bool   // whether each message is answered with "pong" (§10.5)
}

// errNoSocket: no path of the server is a WebSocket.
var errNoSocket = &backends.Error{Kind: backends.KindUnsupported, Why: "the server offers no WebSocket for results", Hint: "a proxy in between may not pass WebSockets on"}

// listen hands every JSON message to each until it says stop, ctx ends, or
// the socket cannot be opened at all. Connections that break or close are
// opened again.
func (s *socket) listen(ctx context.Context, each func(msg []byte) (more bool, err error)) error {
	var lost error
	opened, form, gotAny := false, s.first, false
	for {
		conn, err := s.dial(ctx)
		switch {
		case err == nil:
			opened = true
			more, n, rerr := s.read(ctx, conn, form, each)
			_ = conn.CloseNow()
			gotAny = gotAny || n > 0
			if rerr == nil && !more {
				return nil
			}
			var own *backends.Error
			if errors.As(rerr, &own) {
				return rerr
			}
			lost = rerr
			if !gotAny && s.second != "" && ctx.Err() == nil {
				form, s.second = s.second, ""
				continue // the other form, at once and once
			}
			form = s.first
		case errors.Is(err, errNoSocket):
			return err
		default:
			lost = err
		}
		if perr := session.Pause(ctx, reconnectGap); perr != nil {
			if !opened && lost != nil && !errors.Is(lost, context.DeadlineExceeded) && !errors.Is(lost, context.Canceled) {
				return lost // why nothing came, not that the time is over
			}
			return perr
		}
	}
}

// dial opens the first path that is a WebSocket, and remembers it. Sockets
// know no sessions, so none is shown to them.
func (s *socket) dial(ctx context.Context) (*client.Socket, error) {
	ctx = session.Anonymous(ctx)
	paths := s.paths
	if s.d.session.Path("") == wire.BasePaths[1] { // 3.0 and before have only the last
		paths = append([]string{paths[len(paths)-1]}, paths[:len(paths)-1]...)
	}
	for i, p := range paths {
		conn, err := s.d.c.Dial(ctx, p, nil, nil)
		if err == nil {
			conn.SetReadLimit(maxFrame)
			s.paths = paths[i : i+1]
			return conn, nil
		}
		var st *client.StatusError
		var bad *client.MalformedError
		if !errors.As(err, &bad) && !(errors.As(err, &st) && st.Code >= 400 && st.Code < 500 && st.Code != http.StatusTooManyRequests) {
			return nil, err
		}
	}
	return nil, errNoSocket
}

// read is one connection. n counts the messages that were JSON; the error is
// that of each, or why the connection ended.
func (s *socket) read(ctx context.Context, c *client.Socket, form string, each func([]byte) (bool, error)) (more bool, n int, err error) {
	if err := c.Write(ctx, websocket.MessageText, []byte(form)); err != nil {
		return true, 0, err
	}
	for {
		typ, msg, err := c.Read(ctx)
		if err != nil {
			return true, n, err
		}
		if typ == websocket.MessageText {
			if string(msg) == "ping" {
				if err := c.Write(ctx, websocket.MessageText, []byte("pong")); err != nil {
					return true, n, err
				}
				continue
			}
			if wire.KindOf(msg) != '{' {
				continue // "Fetching results for query …"
			}
		}
		n++
		more, err := each(msg)
		if err != nil || !more {
			return more, n, err
		}
		if s.pong {
			if err := c.Write(ctx, websocket.MessageText, []byte("pong")); err != nil {
				return true, n, err
			}
		}
	}
}

// Schema gives table -> columns as live queries need them.
func (d *Driver) Schema(ctx context.Context) (map[string][]backends.Column, error) {
	tables, err := d.Tables(ctx)
	if err != nil {
		return nil, err
	}
	out := make(map[string][]backends.Column, len(tables))
	for name, cols := range tables {
		list := make([]backends.Column, len(cols))
		for i, c := range cols {
			list[i] = backends.Column{Name: c.Name, Type: c.Type}
		}
		out[name] = list
	}
	return out, nil
}

// Tables reads the columns of every table the agents have (57): table ->
// columns, in the order the server gives. A server that knows only the SQL
// form is read in that form, without descriptions.
func (d *Driver) Tables(ctx context.Context) (map[string][]wire.Column, error) {
	const what = "cannot read the schema"
	a, err := d.session.Ask(ctx, what, "/schema", client.Call{Query: url.Values{"export_type": {"json"}}})
	if err != nil {
		return nil, err
	}
	return reply.ReadTables(what, a.Data)
}

// TableSchema reads the columns of one table (58), which answers with the
// CREATE statement.
func (d *Driver) TableSchema(ctx context.Context, table string) ([]wire.Column, error) {
	what := "cannot read the schema of table " + table
	a, err := d.session.Ask(ctx, what, "/schema/"+url.PathEscape(table), client.Call{})
	if err != nil {
		return nil, err
	}
	if wire.KindOf(a.Data) != '"' {
		return nil, backends.Malformed(what, "the answer carries no statement")
	}
	return wire.ReadCreate(wire.Scalar(a.Data)), nil
}

// StatusLog is one line the agent of a host logged about itself.
type StatusLog struct {
	Time     model.Time
	Level    string // info, warning, error, fatal
	Message  string
	File     string
	Line     int
	Version  string
	Severity int
}

// StatusLogs reads the agent's own log of a host (26), in the server's order,
// at most limit lines (0 = all).
func (d *Driver) StatusLogs(ctx context.Context, host string, limit int) ([]StatusLog, error) {
	what := "cannot read the status log of host " + host
	var out []StatusLog
	err := reply.OffsetPages(ctx, what, reply.ListPage, func(ctx context.Context, start, n int) (*reply.Page, error) {
		return d.session.AskPage(ctx, what, "/hosts/status_logs", wire.ListRequest{HostIdentifier: host, Start: &start, Limit: &n})
	}, func(v []byte) (bool, error) {
		var w wire.StatusLog
		if err := json.Unmarshal(v, &w); err != nil {
			return false, reply.Malformed(what, err)
		}
		l := StatusLog{Time: parseTime(string(w.Created)), Message: string(w.Message), File: string(w.Filename), Line: int(w.Line), Version: string(w.Version), Severity: int(w.Severity), Level: "info"}
		switch l.Severity {
		case 1:
			l.Level = "warning"
		case 2:
			l.Level = "error"
		case 3:
			l.Level = "fatal"
		}
		out = append(out, l)
		return limit == 0 || len(out) < limit, nil
	})
	return out, err
}
