package fake

import (
	"bufio"
	"bytes"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/edrctl/edrctl/internal/faults"
)

// What ~ means to a server; undocumented.
const (
	TildeContains      = "" // case-insensitive substring
	TildeWildcard      = "wildcard"
	TildeCaseSensitive = "case"
)

// Where an alert's id is; undocumented.
const (
	AlertIDDefault = ""     // "id"
	AlertIDNone    = "none" // nowhere
	AlertIDData    = "data" // "uuid" inside data
)

// Options say what the server checks and how it misbehaves. The zero value
// accepts any token and behaves.
type Options struct {
	Token            string           // "" accepts any bearer token
	RequireCustomer  bool             // every call must carry the customer's id
	Seconds          bool             // integer times are seconds
	PageCap          int              // events a page at most; default 1000
	Tilde            string           // see TildeContains
	AlertID          string           // name of the id's key, or AlertIDNone, AlertIDData
	NumericIDs       bool             // alert and event ids are JSON numbers where they can be
	IntEndpointID    bool             // /endpoint writes ids as numbers
	DocumentedOnly   bool             // alerts carry the documented fields alone
	Ascending        bool             // events come oldest first
	Shuffled         bool             // events of a page come in no order
	IgnoreNextKey    bool             // every page is the first
	InclusiveKey     bool             // the next page starts with the key's event
	MisspeltType     bool             // base_event_type 10 has the document's typo
	DoubledBackslash bool             // backslashes in q must be doubled
	NamedBuckets     bool             // aggregation values are keyed by their field
	BucketCap        int              // buckets at most; 0 = all
	RepeatedIDs      bool             // endpointIDs must be repeated keys
	IgnoreDismissed  bool             // the dismissed filter has no effect
	Clock            func() time.Time // nil = time.Now
	Conduct          faults.Conduct   // what is wrong with the records
}

// Server serves Data. It is safe for concurrent use.
type Server struct {
	opt  Options
	data *Data
	mux  *http.ServeMux

	mu     sync.RWMutex
	alerts []*Alert
	byID   map[string]*Alert
	next   int            // number of the next created alert
	calls  map[string]int // changing route -> times it acted
}

// New builds a server over data, which it does not change.
func New(data *Data, opt Options) *Server {
	if opt.PageCap <= 0 {
		opt.PageCap = 1000
	}
	if opt.Clock == nil {
		opt.Clock = time.Now
	}
	opt.IgnoreNextKey = opt.IgnoreNextKey || opt.Conduct.Moves(faults.PagesRepeat)
	if data.Events == nil {
		data.Events = NewEventList(nil)
	}
	s := &Server{opt: opt, data: data, mux: http.NewServeMux()}
	s.reset()
	for pattern, h := range map[string]http.HandlerFunc{
		"GET /process":                s.processes,
		"GET /endpoint":               s.endpoints,
		"GET /hash/verdict":           s.hashVerdict,
		"GET /hash/name":              s.hashNames,
		"GET /hash/seenon":            s.hashSeenOn,
		"GET /alert":                  s.listAlerts,
		"POST /alert":                 s.createAlerts,
		"PUT /alert":                  s.updateAlerts,
		"PUT /alert/{first}/{second}": s.triageAlert,
		"GET /events":                 s.listEvents,
		"GET /events/detail":          s.eventDetail,
		"GET /events/aggregations":    s.aggregate,
	} {
		s.mux.HandleFunc(pattern, h)
	}
	return s
}

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Date", s.opt.Clock().UTC().Format(http.TimeFormat))
	kind, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(kind, "bearer") || token == "" || s.opt.Token != "" && token != s.opt.Token {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	customer := r.Header.Get("edr-customerid")
	if customer != "" || s.opt.RequireCustomer {
		n, err := strconv.ParseInt(customer, 10, 64)
		if err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		if s.data.Customer != 0 && n != s.data.Customer {
			w.WriteHeader(http.StatusForbidden)
			return
		}
	}
	s.mux.ServeHTTP(w, r)
}

// arrived tells whether a record of a device with this time is on the server
// by now.
func (s *Server) arrived(device string, millis int64) bool {
	return millis+s.opt.Conduct.Lag(device).Milliseconds() <= s.opt.Clock().UnixMilli()
}

func (s *Server) reset() {
	s.alerts = make([]*Alert, 0, len(s.data.Alerts))
	s.byID = make(map[string]*Alert, len(s.data.Alerts))
	s.calls = map[string]int{}
	s.next = 1
	for i := range s.data.Alerts {
		a := s.data.Alerts[i]
		s.alerts = append(s.alerts, &a)
		s.byID[a.ID] = &a
	}
}

// bad answers 400 without a body, as the documented one has none.
func bad(w http.ResponseWriter) { w.WriteHeader(http.StatusBadRequest) }

// time writes an instant of the data in the server's unit.
func (s *Server) time(ms int64) int64 {
	if s.opt.Seconds {
		return ms / 1000
	}
	return ms
}

// millis reads an instant in the server's unit.
func (s *Server) millis(n int64) int64 {
	const most = 1 << 52
	n = min(max(n, -most), most)
	if s.opt.Seconds {
		return n * 1000
	}
	return n
}

// integer reads an integer parameter: its value, whether it was given, and
// whether it could be read.
func integer(v url.Values, name string) (n int64, given, ok bool) {
	if !v.Has(name) {
		return 0, false, true
	}
	n, err := strconv.ParseInt(v.Get(name), 10, 64)
	return n, true, err == nil
}

func writeJSON(w http.ResponseWriter, v any) {
	body, err := encode(v)
	if err != nil {
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	_, _ = w.Write(body)
}

func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return bytes.TrimRight(b.Bytes(), "\n"), err
}

// stream writes a JSON array element by element, inside of prefix and suffix.
type stream struct {
	w     *bufio.Writer
	buf   bytes.Buffer
	enc   *json.Encoder
	first bool
	tail  string
}

func startStream(w http.ResponseWriter, head, tail string) *stream {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	st := &stream{w: bufio.NewWriterSize(w, 64<<10), first: true, tail: tail}
	st.enc = json.NewEncoder(&st.buf)
	st.enc.SetEscapeHTML(false)
	_, _ = st.w.WriteString(head)
	return st
}

func (st *stream) put(v any) {
	if !st.first {
		_ = st.w.WriteByte(',')
	}
	st.first = false
	st.buf.Reset()
	if st.enc.Encode(v) == nil {
		_, _ = st.w.Write(bytes.TrimRight(st.buf.Bytes(), "\n"))
	}
}

func (st *stream) end() {
	_, _ = st.w.WriteString(st.tail)
	_ = st.w.Flush()
}

func isSHA1(s string) bool {
	return len(s) == 40 && strings.Trim(strings.ToLower(s), "0123456789abcdef") == ""
}
