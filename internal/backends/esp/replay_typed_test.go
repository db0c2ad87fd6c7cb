package esp_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/backends/esp"
	"github.com/edrctl/edrctl/internal/backends/esp/fake"
	"github.com/edrctl/edrctl/internal/model"
	"github.com/edrctl/edrctl/internal/recordings"
)

// tape is a server that answers what was recorded: the exchange with the
// method, path and arguments of the request. Others can be put next to it.
type tape struct {
	t      *testing.T
	list   []*exchange
	mu     sync.Mutex
	extra  map[string]string // "METHOD /path" -> JSON
	socket func(c *websocket.Conn, r *http.Request)
	sent   []sentRequest
	used   []string
}

const apiBase = "/esp-ui/services/api/v1"

func newTape(t *testing.T) *tape {
	return &tape{t: t, list: exchanges(t), extra: map[string]string{}}
}

func (p *tape) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.EqualFold(r.Header.Get("Upgrade"), "websocket") {
		if p.socket == nil || !strings.HasPrefix(r.URL.Path, "/esp-ui/") {
			http.NotFound(w, r)
			return
		}
		if r.Header.Get("X-Access-Token") != "" {
			p.t.Error("the session was shown to a socket")
		}
		c, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer func() { _ = c.CloseNow() }()
		p.socket(c, r)
		return
	}
	b, _ := io.ReadAll(r.Body)
	p.mu.Lock()
	defer p.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	if strings.HasSuffix(r.URL.Path, "/login") {
		_, _ = io.WriteString(w, `{"token":"T"}`)
		return
	}
	if r.Header.Get("X-Access-Token") == "" {
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = io.WriteString(w, `{"message":{"message":"x"}}`)
		return
	}
	s := merge(p.t, r.Method, r.URL.String(), r.Header.Get("Content-Type"), b)
	p.sent = append(p.sent, s)
	if body, ok := p.extra[r.Method+" "+strings.TrimPrefix(r.URL.Path, apiBase)]; ok {
		_, _ = io.WriteString(w, body)
		return
	}
	for _, x := range p.list {
		if x.Request.Method != r.Method || !strings.HasPrefix(x.Request.URL, r.URL.EscapedPath()) || x.Request.Body != nil && (!json.Valid([]byte(x.Request.Body.Text)) || !strings.HasPrefix(x.Request.Body.Text, "{")) {
			continue
		}
		want := argsOf(p.t, x, map[string]any{})
		if x.Response.Status != 500 && want.method == s.method && want.path == s.path && reflect.DeepEqual(asServerReads(want.args), asServerReads(s.args)) {
			p.used = append(p.used, x.N)
			if ct := x.Response.Headers["Content-Type"]; ct != "" {
				w.Header().Set("Content-Type", ct)
			}
			w.WriteHeader(x.Response.Status)
			_, _ = w.Write(x.answer(p.t))
			return
		}
	}
	w.WriteHeader(http.StatusNotFound)
	_, _ = io.WriteString(w, "<html>")
	p.t.Logf("nothing is recorded for %s %s %v", s.method, s.path, s.args)
}

func (p *tape) driver() *esp.Driver { return newDriver(p.t, serve(p.t, p), at) }

const (
	windowsHost = "EC2CE2E2-3D74-1248-2FA9-23F2E960ED42"
	linuxHost   = "ec2306bc-dcf7-a1f9-3ade-ced9b00d49fb"
	twoHosts    = `{"status":"success","data":{"count":2,"results":[{"id":2,"display_name":"EC2AMAZ-2RJ1BIF","host_identifier":"` + windowsHost + `"},{"id":3,"display_name":"ip-172-31-30-15","host_identifier":"` + linuxHost + `"}]}}`
)

func hostNamed(id string) *model.Host {
	h := &model.Host{Name: "h"}
	h.ID = id
	return h
}

func TestHuntOverRecordedAnswers(t *testing.T) {
	page := func(n string) string {
		for _, x := range exchanges(t) {
			if x.N == n {
				var env struct {
					Data struct {
						Results json.RawMessage `json:"results"`
					} `json:"data"`
				}
				if err := json.Unmarshal(x.answer(t), &env); err != nil {
					t.Fatal(err)
				}
				n := bytes.Count(env.Data.Results, []byte(`"id"`))
				if n == 0 {
					n = 1
				}
				return fmt.Sprintf(`{"status":"success","data":{"count":%d,"results":%s}}`, n, env.Data.Results)
			}
		}
		t.Fatal("no exchange " + n)
		return ""
	}
	since := time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC)
	t.Run("13", func(t *testing.T) {
		p := newTape(t)
		p.extra["POST /indicators/upload"] = page("013")
		l, err := p.driver().Hunt(t.Context(), backends.HuntQuery{Type: "md5", Since: since, Until: since.Add(7 * 24 * time.Hour),
			Values: []string{"00000000000000000000000000000001", "00000000000000000000000000000005"}})
		if err != nil {
			t.Fatal(err)
		}
		hits, err := collect(l.Seq)
		if err != nil || len(hits) != 2 {
			t.Fatalf("%d hits, %v", len(hits), err)
		}
		for _, h := range hits {
			if h.Host == nil || h.Host.ID == "" || h.Process == nil || h.Count != 1 || h.First.IsZero() || len(h.Evidence) != 1 {
				t.Errorf("%+v", h)
			}
		}
		got := p.sent[len(p.sent)-1]
		for k, want := range map[string]string{"indicator_type": "md5", "type": "2", "duration": "4", "file": "00000000000000000000000000000001\n00000000000000000000000000000005\n"} {
			if k != "duration" && got.args[k] != want {
				t.Errorf("%s is %q", k, got.args[k])
			}
		}
	})
	t.Run("10 and 9", func(t *testing.T) {
		for _, extra := range []int{0, 60} { // few values go in the body, many as a file
			p := newTape(t)
			values := []string{"00000000000000000000000000000005"}
			for i := range extra {
				values = append(values, fmt.Sprintf("%032d", 1000+i))
			}
			list, rows := "", ""
			for _, x := range p.list {
				switch x.N {
				case "010":
					list = string(x.answer(t))
				case "010b":
					rows = string(x.answer(t))
				}
			}
			asked := 0
			h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path != apiBase+"/indicators/hunt" && r.URL.Path != apiBase+"/hunt-upload" {
					p.ServeHTTP(w, r)
					return
				}
				if r.Header.Get("X-Access-Token") == "" {
					w.WriteHeader(http.StatusUnauthorized)
					return
				}
				b, _ := io.ReadAll(r.Body)
				asked++
				w.Header().Set("Content-Type", "application/json")
				if s := merge(t, r.Method, r.URL.String(), r.Header.Get("Content-Type"), b); s.args["query_name"] == nil {
					_, _ = io.WriteString(w, list)
				} else {
					_, _ = io.WriteString(w, rows)
				}
			})
			// So long a span that no window is asked for.
			l, err := newDriver(t, serve(t, h), at).Hunt(t.Context(), backends.HuntQuery{Type: "md5", Values: values, Since: since.AddDate(-2, 0, 0), Until: since.AddDate(0, 1, 0)})
			if err != nil {
				t.Fatal(err)
			}
			hits, err := collect(l.Seq)
			if err != nil || len(hits) != 1 || hits[0].Host.ID != windowsHost || hits[0].File == nil || asked != 2 {
				t.Errorf("%+v, %v after %d requests", hits, err, asked)
			}
			if name := map[bool]string{true: "/indicators/hunt", false: "/hunt-upload"}[extra == 0]; !strings.Contains(l.Plan.Requests[0], name) {
				t.Errorf("the plan is %q", l.Plan.Requests)
			}
		}
	})
}

func TestTreeOverRecordedAnswers(t *testing.T) {
	p := newTape(t)
	p.extra["POST /hosts"] = twoHosts
	d := p.driver()
	page, err := d.Children(t.Context(), backends.ProcessRef{UID: "58E0F038-D62C-11EA-8283-02F7A50E7DFE", Host: hostNamed(windowsHost)}, "")
	if err != nil || len(page.Processes) != 3 || page.Next != "" || page.Remaining != 0 {
		t.Fatalf("%+v, %v", page, err)
	}
	for _, c := range page.Processes {
		if c.Parent == nil || c.Parent.UID != "58E0F038-D62C-11EA-8283-02F7A50E7DFE" || c.UID == "" || c.Path == "" || c.Started.IsZero() {
			t.Errorf("%+v", c)
		}
	}
	alert := &model.Alert{Process: &model.Process{UID: "58E0F038-D62C-11EA-8283-02F7A50E7DFE"}}
	alert.ID = "1"
	if page, err = d.Children(t.Context(), backends.ProcessRef{UID: alert.Process.UID, Host: hostNamed(windowsHost), Alert: alert}, ""); err != nil || len(page.Processes) != 3 {
		t.Errorf("with the alert: %+v, %v", page, err)
	}
	// A leaf: 3.5.1 shows its own end, which is not a child of it.
	page, err = d.Children(t.Context(), backends.ProcessRef{UID: "58E0F091-D62C-11EA-8283-02F7A50E7DFE", Host: hostNamed(windowsHost)}, "")
	if err == nil && len(page.Processes) != 0 {
		t.Errorf("a leaf: %+v, %v", page, err)
	}
	for _, n := range []string{"096", "096b", "097"} {
		if !slices.Contains(p.used, n) {
			t.Errorf("%s was not driven: %v", n, p.used)
		}
	}
}

func TestCarveOverRecordedAnswers(t *testing.T) {
	p := newTape(t)
	p.extra["POST /hosts"] = twoHosts
	d := p.driver()
	act, err := d.Apply(t.Context(), backends.Change{Verb: backends.VerbCarve, Host: hostNamed(linuxHost), Path: "/etc/pass%"}, nil)
	if err == nil {
		t.Fatalf("the recorded request had no description: %+v", act)
	}
	p.extra["POST /distributed/add"] = exchangeNamed(t, "047k")
	if act, err = d.Apply(t.Context(), backends.Change{Verb: backends.VerbCarve, Host: hostNamed(linuxHost), Path: "/etc/pass%"}, nil); err != nil || act.State != model.ActionSent {
		t.Fatalf("%+v, %v", act, err)
	}
	if got := p.sent[len(p.sent)-1].args; got["query"] != "select * from carves where carve=1 and path like '/etc/pass%';" || got["nodes"] != linuxHost || got["tags"] != nil {
		t.Errorf("sent %v", got)
	}
	p.socket = func(c *websocket.Conn, r *http.Request) { playFile(t, c, r, "047l-ws-carve-query-result") }
	for _, step := range []struct {
		n     string
		state model.ActionState
	}{{"045b", model.ActionSent}, {"045c", model.ActionRunning}, {"045", model.ActionDone}} {
		p.extra["POST /carves/query"] = exchangeNamed(t, step.n)
		got, err := d.Action(t.Context(), act.ID)
		if err != nil || got.State != step.state || got.ID != act.ID {
			t.Errorf("%s: %+v, %v", step.n, got, err)
		}
		if step.state == model.ActionDone && !slices.Equal(got.Files, []string{"LIRK2AYGXW"}) {
			t.Errorf("files %v", got.Files)
		}
	}
	p.extra["POST /carves/query"] = exchangeNamed(t, "045d")
	if _, err := d.Action(t.Context(), act.ID); backends.KindOf(err) != backends.KindNotFound {
		t.Errorf("a forgotten query: %v", err)
	}
	p.extra["POST /carves"] = exchangeNamed(t, "043b")
	if c, err := d.Carve(t.Context(), "LIRK2AYGXW"); err != nil || c.State != model.CarveComplete || c.Size != 645120 {
		t.Errorf("%+v, %v", c, err)
	}
	if _, err := d.Carve(t.Context(), "NOSUCH"); backends.KindOf(err) != backends.KindNotFound {
		t.Errorf("%v", err)
	}
	if act, err := d.Apply(t.Context(), backends.Change{Verb: backends.VerbCarveDelete, CarveID: "LIRK2AYGXW"}, nil); err != nil || act.State != model.ActionSent { // a look tells
		t.Errorf("%+v, %v", act, err)
	}
}

func exchangeNamed(t *testing.T, n string) string {
	t.Helper()
	for _, x := range exchanges(t) {
		if x.N == n {
			return string(x.answer(t))
		}
	}
	t.Fatalf("no exchange %s", n)
	return ""
}

// Nothing matched on the host: the answer on the socket says so, and the
// carve has failed instead of never coming.
func TestCarveOfNothing(t *testing.T) {
	p := newTape(t)
	p.extra["POST /hosts"] = twoHosts
	p.extra["POST /carves/query"] = exchangeNamed(t, "045b")
	p.socket = func(c *websocket.Conn, r *http.Request) {
		_, _, _ = c.Read(r.Context())
		_ = c.Write(r.Context(), websocket.MessageBinary, []byte(`{"node":{"id":3,"name":"x"},"data":[],"query_id":18,"status":0}`))
		_, _, _ = c.Read(r.Context())
	}
	got, err := p.driver().Action(t.Context(), "carve:18:"+linuxHost)
	if err != nil || got.State != model.ActionFailed || !strings.Contains(got.Error, "no file") {
		t.Errorf("%+v, %v", got, err)
	}
}

// dialogue is a recorded WebSocket.
type dialogue struct {
	Frames []struct {
		Dir, Frame, Payload string
	} `json:"frames"`
}

func readDialogue(t *testing.T, name string) dialogue {
	t.Helper()
	b, err := fs.ReadFile(recordings.Of("esp"), "websocket/"+name+".ws.json")
	if err != nil {
		t.Fatal(err)
	}
	var d dialogue
	if err := json.Unmarshal(b, &d); err != nil {
		t.Fatal(err)
	}
	return d
}

// playFile plays the server's side of a recorded dialogue: what the client
// said first must be reported by the driver, too.
func playFile(t *testing.T, c *websocket.Conn, r *http.Request, name string) {
	ctx := r.Context()
	for i, f := range readDialogue(t, name).Frames {
		switch {
		case f.Dir == ">" && i == 0:
			typ, msg, err := c.Read(ctx)
			if err != nil || typ != websocket.MessageText || string(msg) != f.Payload {
				t.Errorf("%s: the driver sent %q as %v (%v), recorded was %q", name, msg, typ, err, f.Payload)
			}
		case f.Dir == "<" && f.Frame == "close":
			_ = c.Close(websocket.StatusNormalClosure, "")
			return
		case f.Dir == "<" && f.Frame == "binary":
			_ = c.Write(ctx, websocket.MessageBinary, []byte(f.Payload))
		case f.Dir == "<":
			_ = c.Write(ctx, websocket.MessageText, []byte(f.Payload))
		}
	}
	_, _, _ = c.Read(ctx) // no end marker: the driver goes
}

func live(t *testing.T, id string, nodes string, wait time.Duration, sock func(*websocket.Conn, *http.Request)) (answers []*backends.LiveAnswer, run *backends.LiveRun, p *tape, err error) {
	t.Helper()
	p = newTape(t)
	p.extra["POST /hosts"] = twoHosts
	p.extra["POST /distributed/add"] = `{"status":"success","data":{"query_id":` + id + `,"onlineNodes":1,"online_nodes_details":` + nodes + `}}`
	p.socket = sock
	ctx, stop := context.WithTimeout(t.Context(), wait)
	defer stop()
	run, err = p.driver().LiveQuery(ctx, backends.LiveQuery{SQL: "select * from users;", Hosts: []string{windowsHost, linuxHost}})
	if err != nil {
		return nil, nil, p, err
	}
	run.Answers(func(a *backends.LiveAnswer, e error) bool {
		if e != nil {
			err = e
			return false
		}
		answers = append(answers, a)
		return true
	})
	return answers, run, p, err
}

const (
	bothNodes = `[{"host_identifier":"` + windowsHost + `","hostname":"EC2AMAZ-2RJ1BIF","node_id":2},{"host_identifier":"` + linuxHost + `","hostname":"ip-172-31-30-15","node_id":3}]`
	linuxNode = `[{"host_identifier":"` + linuxHost + `","hostname":"ip-172-31-30-15","node_id":3}]`
)

func TestRecordedDialogues(t *testing.T) {
	play := func(name string) func(*websocket.Conn, *http.Request) {
		return func(c *websocket.Conn, r *http.Request) { playFile(t, c, r, name) }
	}
	t.Run("047 two hosts", func(t *testing.T) {
		got, run, p, err := live(t, "12", bothNodes, 5*time.Second, play("047-ws-distributed-result"))
		if err != nil || len(got) != 2 || len(run.Targets) != 2 || run.ID != "12" {
			t.Fatalf("%v, %+v, %v", got, run, err)
		}
		if got[0].Host.ID != windowsHost || got[1].Host.ID != linuxHost || got[0].Rows[0]["username"] != "root" || got[0].Status != 0 {
			t.Errorf("%+v %+v", got[0], got[1])
		}
		n := 0
		for _, s := range p.sent {
			if strings.HasSuffix(s.path, "/distributed/add") {
				n++
				if s.args["nodes"] != windowsHost+","+linuxHost {
					t.Errorf("nodes %v", s.args["nodes"])
				}
			}
		}
		if n != 1 {
			t.Errorf("the query was sent %d times", n)
		}
	})
	t.Run("047c the query fails on the agent", func(t *testing.T) {
		got, run, _, err := live(t, "14", linuxNode, 5*time.Second, play("047c-ws-query-failed-on-agent"))
		if err != nil || len(got) != 1 || got[0].Status != 1 || got[0].Error == "" || len(got[0].Rows) != 0 {
			t.Fatalf("%v, %v", got, err)
		}
		if len(run.Targets) != 2 { // the one that is offline was asked for, too
			t.Errorf("targets %+v", run.Targets)
		}
	})
	t.Run("047d a late listener", func(t *testing.T) {
		id := readDialogue(t, "047d-ws-late-listener").Frames[0].Payload
		got, _, _, err := live(t, id, linuxNode, 5*time.Second, play("047d-ws-late-listener"))
		if err != nil || len(got) != 1 || len(got[0].Rows) == 0 {
			t.Fatalf("%v, %v", got, err)
		}
	})
	t.Run("047e a second listener hears nothing", func(t *testing.T) {
		got, _, _, err := live(t, "15", linuxNode, 300*time.Millisecond, play("047e-ws-second-listener"))
		if len(got) != 0 || !strings.Contains(fmt.Sprint(err), "--timeout") {
			t.Fatalf("%v, %v", got, err)
		}
	})
	t.Run("047f and 047b an id the server does not know, in both forms", func(t *testing.T) {
		var said []string
		got, _, _, err := live(t, "999999", linuxNode, time.Second, func(c *websocket.Conn, r *http.Request) {
			_, msg, _ := c.Read(r.Context())
			said = append(said, string(msg))
			_ = c.Write(r.Context(), websocket.MessageText, []byte("Fetching results for query with query id: "+string(msg)))
			_ = c.Close(websocket.StatusNormalClosure, "")
		})
		if len(got) != 0 || err == nil || !slices.Equal(said[:2], []string{"999999", `{"query_id":999999}`}) {
			t.Errorf("%v, %v, said %q", got, err, said)
		}
	})
}

// A connection that breaks is opened again; what came twice counts once; the
// text ping is answered.
func TestLiveQueryGoesOn(t *testing.T) {
	frame := func(node int) []byte {
		return fmt.Appendf(nil, `{"node":{"id":%d,"name":"n"},"data":[{"a":null,"b":"1"}],"query_id":12,"status":0}`, node)
	}
	round := 0
	pong := make(chan string, 1)
	got, _, p, err := live(t, "12", bothNodes, 20*time.Second, func(c *websocket.Conn, r *http.Request) {
		ctx := r.Context()
		_, _, _ = c.Read(ctx)
		if round++; round == 1 {
			_ = c.Write(ctx, websocket.MessageText, []byte("ping"))
			_, msg, _ := c.Read(ctx)
			pong <- string(msg)
			_ = c.Write(ctx, websocket.MessageBinary, frame(2))
			return // broken
		}
		_ = c.Write(ctx, websocket.MessageBinary, frame(2))
		_ = c.Write(ctx, websocket.MessageBinary, frame(3))
		_, _, _ = c.Read(ctx)
	})
	if err != nil || len(got) != 2 || round != 2 || <-pong != "pong" {
		t.Fatalf("%v, %v after %d connections", got, err, round)
	}
	n := 0
	for _, s := range p.sent {
		if strings.HasSuffix(s.path, "/distributed/add") {
			n++
		}
	}
	if n != 1 {
		t.Errorf("sent %d times", n)
	}
}

func TestLiveQueryRefusals(t *testing.T) {
	p := newTape(t)
	p.extra["POST /hosts"] = twoHosts
	d := p.driver()
	for _, q := range []backends.LiveQuery{{SQL: "select 1"}, {SQL: "select 1", Hosts: []string{"a,b"}}, {SQL: "select 1", Tags: []string{""}}} {
		if _, err := d.LiveQuery(t.Context(), q); backends.KindOf(err) != backends.KindInvalid || len(p.sent) != 0 {
			t.Errorf("%+v: %v, %d sent", q, err, len(p.sent))
		}
	}
	p.extra["POST /distributed/add"] = exchangeNamed(t, "047i")
	if _, err := d.LiveQuery(t.Context(), backends.LiveQuery{SQL: "select 1", Hosts: []string{"nope"}}); backends.KindOf(err) != backends.KindUnavailable {
		t.Errorf("offline: %v", err)
	}
	p.extra["POST /distributed/add"] = exchangeNamed(t, "047g")
	if _, err := d.LiveQuery(t.Context(), backends.LiveQuery{SQL: "selec", Hosts: []string{"h"}}); err == nil || !strings.Contains(err.Error(), "valid SQL") {
		t.Errorf("bad SQL: %v", err)
	}
	for _, frame := range []string{`{"node":{"id":3},"data":[`, `{"node":{"id":3},"data":[1],"query_id":12}`, `nothing`} {
		_, _, _, err := live(t, "12", linuxNode, 2*time.Second, func(c *websocket.Conn, r *http.Request) {
			_, _, _ = c.Read(r.Context())
			_ = c.Write(r.Context(), websocket.MessageBinary, []byte(frame))
			_, _, _ = c.Read(r.Context())
		})
		if backends.KindOf(err) != backends.KindMalformed {
			t.Errorf("%s: %v", frame, err)
		}
	}
	_, _, _, err := live(t, "12", linuxNode, 2*time.Second, nil)
	if backends.KindOf(err) != backends.KindUnsupported {
		t.Errorf("no socket: %v", err)
	}
}

// download is a server with one finished carve.
func download(t *testing.T, content []byte, file func(w http.ResponseWriter, r *http.Request) bool) *esp.Driver {
	p := newTape(t)
	p.extra["POST /hosts"] = twoHosts
	p.extra["POST /carves"] = fmt.Sprintf(`{"status":"success","data":{"count":1,"results":[{"id":1,"node_id":3,"session_id":"S1","carve_size":%d,"archive":"S1x.tar","status":"COMPLETED","created_at":"2026-11-22T02:31:38.773509"}]}}`, len(content))
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == apiBase+"/carves/download/S1" && r.Header.Get("X-Access-Token") != "" {
			if !file(w, r) {
				w.Header().Set("Content-Type", "application/octet-stream")
				http.ServeContent(w, r, "", anchor, bytes.NewReader(content))
			}
			return
		}
		p.ServeHTTP(w, r)
	})
	return newDriver(t, serve(t, h), at)
}

func TestDownload(t *testing.T) {
	content := []byte("\x28\xb5\x2f\xfd" + strings.Repeat("carved ", 1000)) // zst as it comes
	plain := func(http.ResponseWriter, *http.Request) bool { return false }
	for _, offset := range []int64{0, 1, 4096, int64(len(content))} {
		b := bytes.NewBuffer(slices.Clone(content[:offset]))
		n, resumed, err := download(t, content, plain).Download(t.Context(), "S1", offset, b)
		if err != nil || !bytes.Equal(b.Bytes(), content) || n != int64(len(content))-offset || resumed != (offset > 0) {
			t.Errorf("from %d: %d bytes, resumed %v, %v", offset, n, resumed, err)
		}
	}
	for name, answer := range map[string]struct {
		code int
		body string
		kind backends.ErrorKind
	}{
		"a failure as 200": {200, `{"status": "failure", "message": "This session id does not exist"}`, backends.KindNotFound},
		"building":         {500, `{"message": "Internal Server Error"}`, backends.KindUnavailable},
		"html":             {200, `<html>`, backends.KindMalformed},
	} {
		var b bytes.Buffer
		_, _, err := download(t, content, func(w http.ResponseWriter, _ *http.Request) bool {
			w.Header().Set("Content-Type", map[bool]string{true: "text/html", false: "application/json"}[name == "html"])
			w.WriteHeader(answer.code)
			_, _ = io.WriteString(w, answer.body)
			return true
		}).Download(t.Context(), "S1", 0, &b)
		if backends.KindOf(err) != answer.kind || b.Len() != 0 {
			t.Errorf("%s: %v, %d bytes written", name, err, b.Len())
		}
	}
	// Another length than the carve has is not the carve.
	var b bytes.Buffer
	_, _, err := download(t, content, func(w http.ResponseWriter, r *http.Request) bool {
		w.Header().Set("Content-Type", "application/octet-stream")
		http.ServeContent(w, r, "", anchor, strings.NewReader("short"))
		return true
	}).Download(t.Context(), "S1", 0, &b)
	if backends.KindOf(err) != backends.KindMalformed {
		t.Errorf("another length: %v", err)
	}
}

// A carve larger than memory should hold goes through as a stream, and a cut
// one is taken up where it ended.
func TestDownloadOfALargeCarve(t *testing.T) {
	const size = 256 << 20
	data := small()
	data.Carves = []fake.Carve{{ID: 1, NodeID: 1, SessionID: "BIG", GUID: "g", Size: size, Status: "COMPLETED", Created: anchor.Add(-time.Hour)}}
	d := newDriver(t, serve(t, fakeAt(data)), at)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	n, _, err := d.Download(t.Context(), "BIG", 0, io.Discard)
	runtime.ReadMemStats(&after)
	if err != nil || n != size {
		t.Fatalf("%d bytes, %v", n, err)
	}
	if used := int64(after.TotalAlloc - before.TotalAlloc); used > 16<<20 {
		t.Errorf("%d MB were allocated for it", used>>20)
	}
	if n, resumed, err := d.Download(t.Context(), "BIG", size-100, io.Discard); err != nil || n != 100 || !resumed {
		t.Errorf("%d bytes, resumed %v, %v", n, resumed, err)
	}
}
