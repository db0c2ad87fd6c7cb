package fake

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/coder/websocket"

	"github.com/edrctl/edrctl/internal/lazyregexp"
)

// liveQuery is one query on its way: the frames wait in a queue that one
// listener empties (§10.3).
type liveQuery struct {
	id      int
	made    time.Time
	frames  [][]byte
	taken   bool
	carving bool
}

var selectTable = lazyregexp.New(`(?is)^\s*select\s+(.+?)\s+from\s+([a-z_0-9]+)\b(.*?);?\s*$`)

func (s *Server) table(name string) *Table {
	for i := range s.data.Tables {
		if s.data.Tables[i].Name == name {
			return &s.data.Tables[i]
		}
	}
	return nil
}

func liveAdd(s *Server, r *request) reply {
	query := r.str("query")
	m := selectTable.FindStringSubmatch(query)
	if m == nil || s.table(strings.ToLower(m[2])) == nil && m[2] != "carves" {
		return fail("Field must contain valid SQL to be run against OSQuery tables!")
	}
	nodes, tags, oses := parts(r.str("nodes")), parts(r.str("tags")), r.list("os_name")
	if len(nodes)+len(tags)+len(oses) == 0 && s.opt.Edition != CE2 {
		return fail("At least one of Nodes/tags/Os name is required!")
	}
	everyone := len(nodes)+len(tags)+len(oses) == 0 // old editions: all hosts
	var on []*Host
	for _, h := range s.enabledHosts(true) {
		if !s.isActive(h) {
			continue
		}
		tagged := slices.ContainsFunc(s.hostTags(h.ID), func(t string) bool { return slices.Contains(tags, t) })
		if everyone || slices.Contains(nodes, h.Identifier) || slices.Contains(nodes, h.NodeKey) && h.NodeKey != "" || tagged || slices.Contains(oses, h.OSName) {
			on = append(on, h)
		}
	}
	if len(on) == 0 {
		return fail("No active node present")
	}
	s.mu.Lock()
	id := s.st.next("query", 11)
	q := &liveQuery{id: id, made: s.now(), carving: strings.EqualFold(m[2], "carves")}
	s.live[id] = q
	s.mu.Unlock()
	details := []any{}
	for _, h := range on {
		details = append(details, object{{"host_identifier", h.Identifier}, {"hostname", h.Name}, {"node_id", h.ID}})
		rows := s.liveRows(q, h, strings.ToLower(m[2]), m[3])
		if !q.carving {
			rows = project(where(rows, m[3]), m[1])
		}
		frame, err := json.Marshal(object{{"node", object{{"id", h.ID}, {"name", h.Name}}}, {"data", rows}, {"query_id", id}, {"status", 0}})
		if err != nil {
			return crash()
		}
		q.frames = append(q.frames, frame)
	}
	return ok("Distributed query has been sent successfully", object{{"query_id", id}, {"onlineNodes", len(on)}, {"online_nodes_details", details}})
}

var (
	likePath  = lazyregexp.New(`(?i)path\s+(like|=)\s+'((?:[^']|'')*)'`)
	condition = lazyregexp.New(`(?i)\b([a-z_]+)\s*(like|=|!=)\s*('(?:[^']|'')*'|-?\d+)`)
	plainList = lazyregexp.New(`^[a-z_0-9]+$`)
)

// where keeps the rows that meet every comparison of a column with a text or
// number; the demo knows no more of SQL.
func where(rows []Columns, text string) []Columns {
	out := []Columns{}
next:
	for _, r := range rows {
		for _, m := range condition.FindAllStringSubmatch(text, -1) {
			v, known := r.Get(strings.ToLower(m[1]))
			if !known {
				continue
			}
			want := strings.ReplaceAll(strings.Trim(m[3], "'"), "''", "'")
			met := strings.EqualFold(v, want)
			if strings.EqualFold(m[2], "like") {
				met = like(want, v)
			}
			if met == (m[2] == "!=") {
				continue next
			}
		}
		out = append(out, r)
	}
	return out
}

// like is LIKE of the whole value; only % and _ mean something.
func like(pattern, value string) bool {
	var b strings.Builder
	b.WriteString("(?is)^")
	for _, r := range pattern {
		switch r {
		case '%':
			b.WriteString(".*")
		case '_':
			b.WriteString(".")
		default:
			b.WriteString(regexp.QuoteMeta(string(r)))
		}
	}
	re, err := regexp.Compile(b.String() + "$")
	return err == nil && re.MatchString(value)
}

// project keeps the columns a query names, when it names them plainly.
func project(rows []Columns, list string) []Columns {
	var names []string
	for _, n := range strings.Split(list, ",") {
		n = strings.ToLower(strings.TrimSpace(n))
		if !plainList.MatchString(n) {
			return rows
		}
		names = append(names, n)
	}
	out := make([]Columns, len(rows))
	for i, r := range rows {
		c := Columns{}
		for _, n := range names {
			if v, known := r.Get(n); known {
				c = append(c, KV{n, v})
			}
		}
		out[i] = c
	}
	return out
}

// liveRows answers a live query of one host with what the demo knows of it.
func (s *Server) liveRows(q *liveQuery, h *Host, table, where string) []Columns {
	out := []Columns{}
	switch table {
	case "system_info":
		return append(out, Columns{{"hostname", h.Name}, {"uuid", h.Identifier}, {"cpu_type", "x86_64"}, {"cpu_physical_cores", "2"}, {"physical_memory", "8362713088"}, {"computer_name", h.Name}})
	case "os_version":
		return append(out, Columns{{"name", h.OSName}, {"version", h.OSVer}, {"platform", h.Platform}})
	case "osquery_info":
		return append(out, Columns{{"pid", "4752"}, {"uuid", h.Identifier}, {"version", h.OsqueryVersion}, {"config_valid", "1"}, {"extensions", "active"}})
	case "users":
		return append(out, Columns{{"uid", "0"}, {"gid", "0"}, {"username", "root"}, {"description", "root"}, {"directory", "/root"}, {"shell", "/bin/bash"}})
	case "carves":
		m := likePath.FindStringSubmatch(where)
		if m == nil || !strings.Contains(strings.ReplaceAll(where, " ", ""), "carve=1") {
			return out
		}
		paths := s.files(h, strings.ReplaceAll(m[2], "''", "'"), strings.EqualFold(m[1], "like"))
		if len(paths) == 0 {
			return out // and no carve will come
		}
		guid := s.startCarve(q.id, h, paths...).GUID
		for _, p := range paths {
			out = append(out, Columns{{"time", fmt.Sprint(s.now().Unix())}, {"sha256", ""}, {"size", "-1"}, {"path", p}, {"status", "STARTING"}, {"carve_guid", guid}, {"carve", "1"}, {"request_id", fmt.Sprintf("kolide_distributed_%d", q.id)}})
		}
		return out
	case "processes":
		running := map[string]Columns{}
		var order []string
		x := s.find(question{node: h.ID, removed: true})
		for k := range x.len() {
			c := s.data.Results.At(x.at(k)).Columns
			act, _ := c.Get("action")
			pid, _ := c.Get("pid")
			if _, name := s.data.Results.KeyAt(x.at(k)); act == "" && name == "process_events" {
				act = "PROC_CREATE" // plain osquery records nothing else there
			}
			switch act {
			case "PROC_CREATE":
				path, _ := c.Get("path")
				cmd, _ := c.Get("cmdline")
				parent, found := c.Get("parent_pid")
				if !found {
					parent, _ = c.Get("parent")
				}
				name := path[strings.LastIndexAny(path, `\/`)+1:]
				if _, again := running[pid]; !again {
					order = append(order, pid)
				}
				running[pid] = Columns{{"pid", pid}, {"name", name}, {"path", path}, {"cmdline", cmd}, {"parent", parent}, {"state", "STILL_ACTIVE"}}
			case "PROC_TERMINATE":
				delete(running, pid)
			}
		}
		for _, pid := range order {
			if c, alive := running[pid]; alive {
				out = append(out, c)
			}
		}
	}
	return out
}

// startCarve makes a carve of files that completes two seconds later.
func (s *Server) startCarve(query int, h *Host, paths ...string) Carve {
	var b bytes.Buffer
	tw := tar.NewWriter(&b)
	for _, path := range paths {
		body := []byte("edrctl demo: the content of " + path + " on " + h.Name + "\n")
		name := strings.TrimLeft(strings.ReplaceAll(strings.ReplaceAll(path, `\`, "/"), ":", ""), "/")
		_ = tw.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(body)), ModTime: s.now(), Format: tar.FormatUSTAR})
		_, _ = tw.Write(body)
	}
	_ = tw.Close()
	sum := sha256.Sum256(fmt.Append(nil, query, h.ID, strings.Join(paths, "|")))
	hx := hex.EncodeToString(sum[:])
	s.mu.Lock()
	defer s.mu.Unlock()
	top := 0
	for _, c := range s.st.Carves {
		top = max(top, c.ID)
	}
	c := Carve{ID: s.st.next("carve", top), NodeID: h.ID, SessionID: strings.ToUpper(hx[:10]), Content: b.Bytes(), QueryID: query, Created: s.now(),
		GUID: hx[:8] + "-" + hx[8:12] + "-" + hx[12:16] + "-" + hx[16:20] + "-" + hx[20:32]}
	s.st.Carves = append(s.st.Carves, c)
	return c
}

// sockets are the paths of the WebSockets (§10.2); before 3.5 there is only
// the one without /esp-ui.
func (s *Server) socket(path string) string {
	switch {
	case s.opt.Edition == CE2 && path == "/distributed/result",
		s.opt.Edition == Enterprise && path == "/distributed/result",
		s.opt.Edition != CE2 && (path == "/esp-ui/distributed/result" || path == "/esp-ui/websocket/distributed/result"):
		return "live"
	case s.opt.Edition != CE2 && path == "/esp-ui/websocket/csv/export":
		return "csv"
	case s.opt.Edition == Enterprise && (path == "/esp-ui/websocket/action/result" || path == "/websocket/action/result"):
		return "action"
	}
	return ""
}

// serveSocket answers a WebSocket: plain frames, no token, no end marker.
func (s *Server) serveSocket(w http.ResponseWriter, r *http.Request) bool {
	kind := s.socket(r.URL.Path)
	if kind == "" || !strings.EqualFold(r.Header.Get("Upgrade"), "websocket") {
		return false
	}
	s.count("websocket." + kind)
	c, err := websocket.Accept(w, r, &websocket.AcceptOptions{InsecureSkipVerify: true})
	if err != nil {
		return true
	}
	ctx, cancel := context.WithTimeout(r.Context(), 10*time.Minute)
	defer cancel()
	defer func() { _ = c.CloseNow() }()
	typ, msg, err := c.Read(ctx)
	if err != nil || typ != websocket.MessageText {
		return true
	}
	switch kind {
	case "live":
		s.liveSocket(ctx, c, string(msg))
	case "csv":
		s.csvSocket(ctx, c, string(msg))
	case "action":
		s.actionSocket(ctx, c, string(msg))
	}
	return true
}

func (s *Server) liveSocket(ctx context.Context, c *websocket.Conn, text string) {
	if c.Write(ctx, websocket.MessageText, []byte("Fetching results for query with query id: "+text)) != nil {
		return
	}
	var id int
	if _, err := fmt.Sscanf(text, "%d", &id); err != nil || fmt.Sprint(id) != text {
		_ = c.Close(websocket.StatusNormalClosure, "")
		return
	}
	s.mu.Lock()
	q := s.live[id]
	var frames [][]byte
	if q != nil && !q.taken {
		frames, q.taken = q.frames, true
	}
	s.mu.Unlock()
	if q == nil {
		_ = c.Close(websocket.StatusNormalClosure, "")
		return
	}
	for i, f := range frames {
		if c.Write(ctx, websocket.MessageBinary, f) != nil {
			// What was not taken waits for the next listener.
			s.mu.Lock()
			q.frames, q.taken = frames[i:], false
			s.mu.Unlock()
			return
		}
	}
	// No end marker: the socket stays open and ignores what it gets.
	for {
		if _, _, err := c.Read(ctx); err != nil {
			return
		}
	}
}

func (s *Server) csvSocket(ctx context.Context, c *websocket.Conn, task string) {
	if c.Write(ctx, websocket.MessageText, []byte("Fetching results for task with id: "+task)) != nil {
		return
	}
	s.mu.Lock()
	path, known := s.st.Files["task:"+task]
	s.mu.Unlock()
	msg := `{"status": "Failure", "message": "No data found"}`
	if known {
		msg = `{"status": "success", "message": "please fetch csv file from  download path", "download_path": "https://localhost/downloads/` + path + `"}`
	}
	_ = c.Write(ctx, websocket.MessageBinary, []byte(msg))
	_ = c.Close(websocket.StatusNormalClosure, "")
}
