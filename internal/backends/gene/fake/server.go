package fake

import (
	"encoding/json"
	"net/http"
	"path"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/edrctl/edrctl/internal/faults"
	"github.com/edrctl/edrctl/internal/lazyregexp"
)

// The versions the fake can be. Head is the newest (commit 44a57e6).
const (
	V170  = "v1.7.0"
	Beta  = "v1.8.0-beta"
	Beta2 = "v1.8.0-beta.2"
	Head  = "head"
	// Beta3 is Beta2 as far as it is known to differ: it knows criticality and
	// users, and forgets no key.
	Beta3 = "v1.8.0-beta.3"
)

// Versions lists those that were recorded, oldest first.
var Versions = []string{V170, Beta, Beta2, Head}

// DefaultKey is the admin API key when Options names none.
const DefaultKey = "demo-gene-admin-key-0123456789abcdef0123456789abcdef0123456789ab"

// Options choose the version and its misbehaviour.
type Options struct {
	Version string           // default Head; one of Versions, or Beta3
	Key     string           // of the admin user; default DefaultKey
	Now     func() time.Time // default time.Now
	// CutEvents stands for the 15 s limit: an answer of more events is cut,
	// one of more than twice as many does not come at all. 0 = no limit.
	CutEvents int
	// AgentDelay is how long an agent takes to run a command; default 300 ms.
	// A negative one never comes back.
	AgentDelay time.Duration
	// NoLogs makes beta.2 answer like one that never stored an event.
	NoLogs bool
	// Conduct is what is wrong with the records.
	Conduct faults.Conduct
}

// Server is the manager. It is an http.Handler, safe for concurrent use.
type Server struct {
	data Data
	opt  Options
	ver  int  // index in Versions
	next bool // Beta3

	byEndpoint [][]int32 // events of each endpoint, in arrival order
	detections [][]int32 // those that are detections
	all        []int32   // detections of all, for streams and beta.2
	everything []int32

	mu      sync.Mutex
	st      state
	answers uint64 // lists of endpoints so far
	calls   map[string]int
	stop    chan struct{}
	once    sync.Once
}

// New builds a server over data.
func New(data *Data, opt Options) *Server {
	if opt.Version == "" {
		opt.Version = Head
	}
	if opt.Key == "" {
		opt.Key = DefaultKey
	}
	if opt.Now == nil {
		opt.Now = time.Now
	}
	if opt.AgentDelay == 0 {
		opt.AgentDelay = 300 * time.Millisecond
	}
	next := opt.Version == Beta3
	if next {
		opt.Version = Beta2
	}
	s := &Server{data: *data, opt: opt, next: next, ver: slices.Index(Versions, opt.Version), calls: map[string]int{}, stop: make(chan struct{})}
	if s.ver < 0 {
		panic("fake gene: unknown version " + opt.Version)
	}
	s.byEndpoint = make([][]int32, len(data.Endpoints))
	s.detections = make([][]int32, len(data.Endpoints))
	if data.Log != nil {
		for i := range data.Log.Len() {
			m := data.Log.Meta(i)
			s.byEndpoint[m.Endpoint] = append(s.byEndpoint[m.Endpoint], int32(i))
			s.everything = append(s.everything, int32(i))
			if m.Detection {
				s.detections[m.Endpoint] = append(s.detections[m.Endpoint], int32(i))
				s.all = append(s.all, int32(i))
			}
		}
	}
	// Events are filed by day, later by hour: inside a file in arrival order.
	file := 24 * time.Hour
	if s.etw() {
		file = time.Hour
	}
	for _, list := range append(append([][]int32{s.everything, s.all}, s.byEndpoint...), s.detections...) {
		slices.SortStableFunc(list, func(a, b int32) int {
			x, y := data.Log.Meta(int(a)), data.Log.Meta(int(b))
			if c := x.Time.UTC().Truncate(file).Compare(y.Time.UTC().Truncate(file)); c != 0 || !opt.Conduct.Skewed() {
				return c
			}
			return s.arrival(x).Compare(s.arrival(y))
		})
	}
	s.reset()
	return s
}

// Close ends the streams.
func (s *Server) Close() { s.once.Do(func() { close(s.stop) }) }

// Calls counts the requests by method and route ("GET /endpoints/{uuid}/logs").
func (s *Server) Calls() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make(map[string]int, len(s.calls))
	for k, v := range s.calls {
		out[k] = v
	}
	return out
}

func (s *Server) is(versions ...string) bool { return slices.Contains(versions, s.opt.Version) }
func (s *Server) atLeast(version string) bool {
	return s.ver >= slices.Index(Versions, version)
}

// etw tells the versions with typed events and rules of schema 2.
func (s *Server) etw() bool { return s.atLeast(Beta2) }

// call is one request on its way.
type call struct {
	s    *Server
	w    http.ResponseWriter
	r    *http.Request
	uuid string
	args []string // further path parameters
	q    map[string][]string
}

func (c *call) get(name string) string {
	if v := c.q[name]; len(v) > 0 {
		return v[0]
	}
	return ""
}

// flag reads a boolean parameter: what Go's ParseBool accepts, else false.
func (c *call) flag(name string) bool {
	b, _ := strconv.ParseBool(c.get(name))
	return b
}

// route is one path of the API in the versions that have it.
type route struct {
	pattern lazyregexp.Regexp
	name    string
	has     func(*Server) bool
	methods map[string]func(*call)
}

const (
	uuidExpr = `([0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12})`
)

func always(*Server) bool { return true }

func from(v string) func(*Server) bool {
	return func(s *Server) bool { return s.atLeast(v) }
}

// criticality tells the versions that know it; users and archives of reports
// came with it.
func (s *Server) criticality() bool { return s.is(Head) || s.next }

func until(v string) func(*Server) bool {
	return func(s *Server) bool { return s.ver <= slices.Index(Versions, v) }
}

func at(expr, name string, has func(*Server) bool, methods map[string]func(*call)) route {
	return route{pattern: lazyregexp.New("^" + expr + "$"), name: name, has: has, methods: methods}
}

type handlers = map[string]func(*call)

var routes = []route{
	at(`/stats`, "/stats", always, handlers{"GET": (*call).stats}),
	at(`/endpoints`, "/endpoints", always, handlers{"GET": (*call).listEndpoints, "PUT": (*call).putEndpoint}),
	at(`/endpoints/reports`, "/endpoints/reports", always, handlers{"GET": (*call).listReports}),
	at(`/endpoints/artifacts`, "/endpoints/artifacts", from(Beta2), handlers{"GET": (*call).allArtifacts}),
	at(`/endpoints/`+uuidExpr, "/endpoints/{uuid}", until(Beta), handlers{"GET": (*call).getEndpoint, "DELETE": (*call).deleteEndpoint}),
	at(`/endpoints/`+uuidExpr, "/endpoints/{uuid}", from(Beta2), handlers{"GET": (*call).getEndpoint, "POST": (*call).postEndpoint, "DELETE": (*call).deleteEndpoint}),
	at(`/endpoints/`+uuidExpr+`/command`, "/endpoints/{uuid}/command", always, handlers{"GET": (*call).getCommand, "POST": (*call).postCommand}),
	at(`/endpoints/`+uuidExpr+`/command/([\w-]+)`, "/endpoints/{uuid}/command/{field}", always, handlers{"GET": (*call).getCommandField}),
	at(`/endpoints/`+uuidExpr+`/logs`, "/endpoints/{uuid}/logs", always, handlers{"GET": (*call).logs}),
	at(`/endpoints/`+uuidExpr+`/alerts`, "/endpoints/{uuid}/alerts", until(Beta), handlers{"GET": (*call).alerts}),
	at(`/endpoints/`+uuidExpr+`/detections`, "/endpoints/{uuid}/detections", from(Beta2), handlers{"GET": (*call).alerts}),
	at(`/endpoints/`+uuidExpr+`/report`, "/endpoints/{uuid}/report", always, handlers{"GET": (*call).getReport, "DELETE": (*call).deleteReport}),
	at(`/endpoints/`+uuidExpr+`/report/archive`, "/endpoints/{uuid}/report/archive", (*Server).criticality, handlers{"GET": (*call).archive}),
	at(`/endpoints/`+uuidExpr+`/artifacts`, "/endpoints/{uuid}/artifacts", from(Beta), handlers{"GET": (*call).artifacts}),
	at(`/endpoints/`+uuidExpr+`/artifacts/`+uuidExpr+`/([0-9a-fA-F]{32})/(.*)`, "/endpoints/{uuid}/artifacts/{guid}/{hash}/{file}", func(s *Server) bool { return s.is(Beta) }, handlers{"GET": (*call).artifact}),
	at(`/endpoints/`+uuidExpr+`/artifacts/`+uuidExpr+`/([0-9a-fA-F]+)/(.*)`, "/endpoints/{uuid}/artifacts/{guid}/{hash}/{file}", from(Beta2), handlers{"GET": (*call).artifact}),
	at(`/endpoints/`+uuidExpr+`/config`, "/endpoints/{uuid}/config", from(Head), handlers{"GET": (*call).getConfig, "POST": (*call).postConfig, "DELETE": (*call).deleteConfig}),
	at(`/endpoints/(\w+)/sysmon/config`, "/endpoints/{os}/sysmon/config", from(Head), handlers{"GET": (*call).getSysmon, "POST": (*call).postSysmon, "DELETE": (*call).deleteSysmon}),
	at(`/endpoints/(\w+)/(sysmon|osqueryi)/binary`, "/endpoints/{os}/{tool}/binary", from(Head), handlers{"GET": (*call).getTool, "POST": (*call).postTool, "DELETE": (*call).deleteTool}),
	at(`/rules`, "/rules", always, handlers{"GET": (*call).getRules, "POST": (*call).postRules, "DELETE": (*call).deleteRule}),
	at(`/rules/save`, "/rules/save", until(Beta2), handlers{"GET": (*call).saveRules}),
	at(`/rules/reload`, "/rules/reload", until(Beta2), handlers{"GET": (*call).reloadRules}),
	at(`/users`, "/users", (*Server).criticality, handlers{"GET": (*call).listUsers, "PUT": (*call).putUser, "POST": (*call).postUsers}),
	at(`/users/`+uuidExpr, "/users/{uuid}", (*Server).criticality, handlers{"GET": (*call).getUser, "POST": (*call).postUser, "DELETE": (*call).deleteUser}),
	at(`/iocs`, "/iocs", from(Head), handlers{"GET": (*call).getIOCs, "POST": (*call).postIOCs, "DELETE": (*call).deleteIOCs}),
	at(`/stream/events`, "/stream/events", from(Beta2), handlers{"GET": (*call).streamEvents}),
	at(`/stream/detections`, "/stream/detections", from(Beta2), handlers{"GET": (*call).streamDetections}),
}

// ServeHTTP answers one request. A panic of the real server (closed
// connection, no answer) is http.ErrAbortHandler here.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Date", s.opt.Now().UTC().Format(http.TimeFormat))
	if clean := path.Clean(r.URL.Path); clean != r.URL.Path && clean+"/" != r.URL.Path {
		w.Header().Set("Location", clean)
		w.WriteHeader(http.StatusMovedPermanently)
		return
	}
	for i := range routes {
		rt := &routes[i]
		if !rt.has(s) {
			continue
		}
		m := rt.pattern.FindStringSubmatch(r.URL.Path)
		if m == nil {
			continue
		}
		handle := rt.methods[r.Method]
		if handle == nil {
			w.WriteHeader(http.StatusMethodNotAllowed)
			return
		}
		s.mu.Lock()
		s.calls[r.Method+" "+rt.name]++
		known := s.authorized(r)
		s.mu.Unlock()
		if !known {
			http.Error(w, "Not Authorized", http.StatusForbidden)
			return
		}
		c := &call{s: s, w: w, r: r, args: m[1:], q: r.URL.Query()}
		if len(m) > 1 {
			c.uuid = m[1]
		}
		handle(c)
		return
	}
	http.Error(w, "404 page not found", http.StatusNotFound)
}

// authorized checks the key in the one header this version knows.
func (s *Server) authorized(r *http.Request) bool {
	if s.is(Head) {
		key := r.Header.Get("X-Api-Key")
		return key != "" && slices.ContainsFunc(s.st.Users, func(u user) bool { return u.Key == key })
	}
	return r.Header.Get("Api-Key") == s.opt.Key
}

// envelope is every JSON answer.
type envelope struct {
	Data    any    `json:"data"`
	Message string `json:"message"`
	Error   string `json:"error"`
}

func (c *call) header() {
	h := c.w.Header()
	if c.s.etw() {
		h.Set("Access-Control-Allow-Origin", "*")
		h.Set("Content-Type", "application/json")
		return
	}
	h.Set("Content-Type", "text/plain; charset=utf-8")
}

func (c *call) send(e envelope) {
	b, _ := json.Marshal(e)
	c.header()
	_, _ = c.w.Write(b)
}

func (c *call) ok(data any)         { c.send(envelope{Data: data, Message: "OK"}) }
func (c *call) fail(text string)    { c.send(envelope{Message: "NOK", Error: text}) }
func (c *call) message(text string) { c.send(envelope{Message: text}) }

// body reads the request; gzip is accepted as the real server does.
func (c *call) body() ([]byte, bool) {
	b, err := readAll(c.r)
	if err != nil {
		http.Error(c.w, "Cannot create gzip reader", http.StatusInternalServerError)
		return nil, false
	}
	return b, true
}

func (c *call) stats() {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	c.ok(c.s.stats())
}

type statsDoc struct {
	Endpoints int `json:"endpoint-count"`
	Rules     int `json:"rule-count"`
}

func (s *Server) stats() statsDoc {
	return statsDoc{Endpoints: len(s.st.Endpoints), Rules: s.ruleCount()}
}
