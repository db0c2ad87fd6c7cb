package fake

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"sort"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/backends/esp/catalog"
	"github.com/edrctl/edrctl/internal/backends/esp/wire"
	"github.com/edrctl/edrctl/internal/faults"
)

// The editions a server can be.
const (
	CE2        = wire.EditionCE2 // community 2.1 and 3.0: other base path, offset paging
	CE3        = wire.EditionCE3 // community 3.5.1
	CE4        = wire.EditionCE4
	Enterprise = wire.EditionEnterprise // with the routes 93-120
)

// Options shape the server.
type Options struct {
	Edition  string           // default CE3
	Now      func() time.Time // default time.Now
	TokenTTL time.Duration    // default 7 days
	// Offset makes an enterprise server page 13, 15 and 30 by offset, as its
	// document suggests; CE2 always does.
	Offset bool
	// Conduct is what is wrong with the records.
	Conduct faults.Conduct
}

// Server answers as ESP does. It is safe for concurrent use.
type Server struct {
	data *Data
	opt  Options
	base string

	routes []route

	mu    sync.Mutex
	st    state
	calls map[string]int
	cache resultCache
	live  map[int]*liveQuery
	moved bool // a colleague has resolved a page
}

type route struct {
	op    backends.Operation
	parts []string
}

// New builds a server over data, which it does not change.
func New(data *Data, opt Options) *Server {
	if opt.Edition == "" {
		opt.Edition = CE3
	}
	if opt.Now == nil {
		opt.Now = time.Now
	}
	if opt.TokenTTL <= 0 {
		opt.TokenTTL = 7 * 24 * time.Hour
	}
	s := &Server{data: data, opt: opt, base: "/esp-ui/services/api/v1", calls: map[string]int{}, live: map[int]*liveQuery{}}
	if opt.Edition == CE2 {
		s.base = "/services/api/v1"
	}
	if opt.Conduct.Skewed() {
		s.data = byArrival(data, opt.Conduct)
	}
	s.st = newState(data)
	for _, op := range catalog.Operations() {
		if op.Name == "downloads.get" || !s.offers(op) {
			continue
		}
		s.routes = append(s.routes, route{op, strings.Split(strings.Trim(op.Path, "/"), "/")})
	}
	// Literal segments win over parameters, as in the real router.
	sort.SliceStable(s.routes, func(i, j int) bool {
		return strings.Count(s.routes[i].op.Path, "{") < strings.Count(s.routes[j].op.Path, "{")
	})
	return s
}

// offers tells whether the edition has an operation (docs/wire/esp.md §1).
func (s *Server) offers(op backends.Operation) bool {
	switch s.opt.Edition {
	case Enterprise:
		return true
	case CE2:
		return op.Since == ""
	}
	return op.Since != wire.EditionEnterprise
}

// Base is the path of the API.
func (s *Server) Base() string { return s.base }

// Calls gives how often each operation was called, by its name in the
// catalogue; requests that found no route count as "404".
func (s *Server) Calls() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make(map[string]int, len(s.calls))
	for k, v := range s.calls {
		out[k] = v
	}
	return out
}

func (s *Server) now() time.Time { return s.opt.Now().UTC() }

// offsets tells whether 13, 15 and 30 page by offset.
func (s *Server) offsets() bool { return s.opt.Edition == CE2 || s.opt.Offset }

// request is one call after routing: its operation, user and arguments.
type request struct {
	*http.Request
	op    backends.Operation
	path  map[string]string
	args  map[string]json.RawMessage // body members, form fields and query, by name
	files map[string]upload
	user  *User
	token string
	moves faults.Conduct
}

type upload struct {
	name string
	body []byte
}

// reply is an answer: JSON unless raw is set.
type reply struct {
	code   int
	json   any
	raw    []byte
	ctype  string
	header http.Header
	stream func(w http.ResponseWriter)
}

// The shapes of answers (§5).
type envelope struct {
	Status  string `json:"status"`
	Message string `json:"message"`
	Data    any    `json:"data,omitempty"`
}

func ok(message string, data any) reply { return reply{json: envelope{"success", message, data}} }

func okCapital(message string) reply { return reply{json: envelope{"Success", message, nil}} }

func fail(message string) reply { return reply{json: envelope{"failure", message, nil}} }

// failNull is a failure of the handlers that do not strip null.
func failNull(message string) reply {
	return reply{json: object{{"status", "failure"}, {"message", message}, {"data", nil}}}
}

func status(code int, message any) reply {
	return reply{code: code, json: object{{"message", message}}}
}

func nested(code int, message string) reply {
	return status(code, object{{"message", message}})
}

func crash() reply { return status(http.StatusInternalServerError, "Internal Server Error") }

func html(code int, text string) reply {
	title := fmt.Sprintf("%d %s", code, http.StatusText(code))
	return reply{code: code, ctype: "text/html", raw: []byte("<!DOCTYPE HTML PUBLIC \"-//W3C//DTD HTML 3.2 Final//EN\">\n<title>" + title + "</title>\n<h1>" + http.StatusText(code) + "</h1>\n<p>" + text + "</p>\n")}
}

func notFound() reply {
	return html(http.StatusNotFound, "The requested URL was not found on the server. If you entered the URL manually please check your spelling and try again.")
}

// object is a JSON object that keeps its order.
type object []member

type member struct {
	name  string
	value any
}

// MarshalJSON writes the members in order.
func (o object) MarshalJSON() ([]byte, error) {
	b := []byte{'{'}
	for i, m := range o {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendString(b, m.name)
		b = append(b, ':')
		v, err := json.Marshal(m.value)
		if err != nil {
			return nil, err
		}
		b = append(b, v...)
	}
	return append(b, '}'), nil
}

// ServeHTTP routes, authenticates, checks the arguments and answers.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if s.serveSocket(w, r) {
		return
	}
	w.Header().Set("Server", "nginx/1.22.1")
	answer := s.serve(r)
	w.Header().Set("Date", s.now().UTC().Format(http.TimeFormat)) // made when the answer is sent
	answer.write(w)
}

func (s *Server) serve(r *http.Request) reply {
	p := r.URL.EscapedPath()
	if strings.HasPrefix(p, "/downloads/") {
		return s.download(strings.TrimPrefix(p, "/downloads/"))
	}
	rest, under := strings.CutPrefix(p, s.base+"/")
	if !under {
		s.count("404")
		return notFound()
	}
	if rest == "index" && s.opt.Edition != CE2 {
		return ok("Successfully fetched the details", object{{"sso_status", false}})
	}
	req, rep := s.route(r, rest)
	if rep != nil {
		return *rep
	}
	s.count(req.op.Name)
	if bad := s.readArgs(req); bad != nil {
		return *bad
	}
	if req.op.Name != "auth.login" && req.op.Name != "auth.logout" {
		if bad := s.authenticate(req); bad != nil {
			return *bad
		}
		if bad := s.checkArgs(req); bad != nil {
			return *bad
		}
	}
	h := handlers[req.op.Name]
	if h == nil {
		return crash()
	}
	return h(s, req)
}

func (s *Server) count(name string) {
	s.mu.Lock()
	s.calls[name]++
	s.mu.Unlock()
}

// route finds the operation; a known path with another method is 405.
func (s *Server) route(r *http.Request, rest string) (*request, *reply) {
	parts := strings.Split(rest, "/")
	known := false
	for _, rt := range s.routes {
		vars, match := matchPath(rt.parts, parts)
		if !match {
			continue
		}
		known = true
		if rt.op.Method == r.Method {
			return &request{Request: r, op: rt.op, path: vars, moves: s.opt.Conduct}, nil
		}
	}
	s.count("404")
	var rep reply
	if known {
		rep = status(http.StatusMethodNotAllowed, "The method is not allowed for the requested URL.")
	} else {
		rep = notFound()
	}
	return nil, &rep
}

func matchPath(want, got []string) (map[string]string, bool) {
	if len(want) != len(got) {
		return nil, false
	}
	vars := map[string]string{}
	for i, w := range want {
		if !strings.HasPrefix(w, "{") {
			if w != got[i] {
				return nil, false
			}
			continue
		}
		v, err := url.PathUnescape(got[i])
		if err != nil || v == "" {
			return nil, false
		}
		name := strings.Trim(w, "{}")
		// Flask's <int:…> matches digits only.
		if name != "host" && strings.HasSuffix(name, "_id") && name != "session_id" && name != "command_id" {
			if _, err := strconv.Atoi(v); err != nil {
				return nil, false
			}
		}
		vars[name] = v
	}
	return vars, true
}

const maxBody = 100 << 20 // nginx: client_max_body_size

// readArgs merges query string, form and JSON body, as the parser of the real
// server does (§4). A JSON list is a 500, broken JSON a 400.
func (s *Server) readArgs(r *request) *reply {
	r.args = map[string]json.RawMessage{}
	for name, v := range r.URL.Query() {
		r.args[name] = quoteJSON(v[0])
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody+1))
	if err != nil || len(body) > maxBody {
		rep := html(http.StatusRequestEntityTooLarge, "")
		return &rep
	}
	media, params, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	switch {
	case len(body) == 0:
	case media == "multipart/form-data":
		if err := r.readMultipart(body, params["boundary"]); err != nil {
			rep := badRequest(r)
			return &rep
		}
	case media == "application/x-www-form-urlencoded":
		form, err := url.ParseQuery(string(body))
		if err != nil {
			rep := badRequest(r)
			return &rep
		}
		for name, v := range form {
			r.args[name] = quoteJSON(v[0])
		}
	case media == "application/json" || r.op.Name == "auth.login":
		if t := bytes.TrimSpace(body); len(t) > 0 && t[0] == '[' && json.Valid(body) {
			rep := crash()
			return &rep
		}
		var m map[string]json.RawMessage
		if err := json.Unmarshal(body, &m); err != nil {
			rep := badRequest(r)
			return &rep
		}
		for name, v := range m {
			r.args[name] = v
		}
	}
	return nil
}

func (r *request) readMultipart(body []byte, boundary string) error {
	if boundary == "" {
		return errors.New("no boundary")
	}
	r.files = map[string]upload{}
	mr := multipart.NewReader(bytes.NewReader(body), boundary)
	for {
		p, err := mr.NextPart()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		content, err := io.ReadAll(p)
		if err != nil {
			return err
		}
		if p.FileName() != "" {
			r.files[p.FormName()] = upload{p.FileName(), content}
		} else {
			r.args[p.FormName()] = quoteJSON(string(content))
		}
	}
}

func badRequest(r *request) reply {
	const text = "The browser (or proxy) sent a request that this server could not understand."
	if r.op.Name == "auth.login" {
		return html(http.StatusBadRequest, text)
	}
	return status(http.StatusBadRequest, text)
}

func quoteJSON(s string) json.RawMessage { return appendString(nil, s) }

// write sends the reply.
func (rep reply) write(w http.ResponseWriter) {
	for k, v := range rep.header {
		w.Header()[k] = v
	}
	if rep.code == 0 {
		rep.code = http.StatusOK
	}
	if rep.stream != nil {
		rep.stream(w)
		return
	}
	body := rep.raw
	if rep.ctype == "" {
		rep.ctype = "application/json"
	}
	if body == nil && rep.json != nil {
		var b bytes.Buffer
		e := json.NewEncoder(&b)
		e.SetEscapeHTML(false)
		if err := e.Encode(rep.json); err != nil {
			rep.code, body = http.StatusInternalServerError, []byte(`{"message": "Internal Server Error"}`)
		} else {
			body = b.Bytes()
		}
	}
	if rep.ctype == "application/json" {
		w.Header().Set("Access-Control-Expose-Headers", "Content-Type,Content-Length,Authorization,X-Pagination")
	}
	w.Header().Set("Content-Type", rep.ctype)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(rep.code)
	_, _ = w.Write(body)
}
