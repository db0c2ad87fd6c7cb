package fake

import (
	"cmp"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"sort"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/edrctl/edrctl/internal/faults"
)

const base = "/integrationServices/v3/"

// Options are the server's keys and manners. A zero value is the documented one.
type Options struct {
	Now func() time.Time // nil = time.Now; events later than this are not there yet

	APIKey, SIEMKey, LiveResponseKey string // each SECRET/ID; "" = no such key exists

	RowsCap         int           // most rows of one answer, below the documented caps; 0 = those
	Ceiling         int           // results past this are null; 0 = 100,000
	Overestimate    int           // totalResults is this much too high
	ListShapeDetail bool          // GET /event/{id} in the shape of 2018 and later
	SwitchedOff     []string      // routes that answer 404: event, process, device, …
	RefuseAt200     bool          // failures come as 200 with success false
	CheckIn         time.Duration // how long a sensor takes to open a session; 0 = at the second poll
	SessionTimeout  time.Duration // live response sessions end when unused for this long; 0 = 15 min
	NoSessionList   bool          // GET /cblr/session answers 405

	Conduct faults.Conduct // what is wrong with the records
}

// Server is the fake; it is an http.Handler.
type Server struct {
	data Data
	opt  Options

	alertByID map[string]*Alert
	eventByID map[string]*Event
	deviceAt  map[int64]*Device

	mu       sync.Mutex
	calls    map[string]int
	state    state
	searches map[string][]int32 // matching events by query, for filtered searches
	answers  uint64             // lists given so far, for those whose order changes
	live     live
}

// state is what outlives a run of the server.
type state struct {
	Policies     map[int64]Policy  `json:"policies"`
	DevicePolicy map[int64]int64   `json:"device_policy"`
	Notified     int               `json:"notified"` // handed out so far
	Audited      int               `json:"audited"`
	Audit        []AuditLog        `json:"audit"` // made by changes since
	Deleted      map[string]bool   `json:"deleted"`
	Written      map[string][]byte `json:"written"`
	Killed       map[string]bool   `json:"killed"`
}

// New builds a server over data.
func New(data *Data, opt Options) *Server {
	s := &Server{
		data: *data, opt: opt,
		alertByID: map[string]*Alert{}, eventByID: map[string]*Event{}, deviceAt: map[int64]*Device{},
		calls: map[string]int{}, searches: map[string][]int32{},
		state: state{Policies: map[int64]Policy{}, DevicePolicy: map[int64]int64{}, Deleted: map[string]bool{}, Written: map[string][]byte{}, Killed: map[string]bool{}},
		live:  live{sessions: map[string]*session{}},
	}
	if s.data.Events == nil {
		s.data.Events = Slice(nil)
	}
	for i := range s.data.Alerts {
		a := &s.data.Alerts[i]
		s.alertByID[a.Incident] = a
		for k := range a.Events {
			s.eventByID[a.Events[k].ID] = &a.Events[k]
		}
	}
	for i := range s.data.Devices {
		s.deviceAt[s.data.Devices[i].ID] = &s.data.Devices[i]
	}
	// The queue of the SIEM key is in the order of arrival.
	s.data.Notifications = slices.Clone(s.data.Notifications)
	for i := range s.data.Notifications {
		n := &s.data.Notifications[i]
		n.Time += opt.Conduct.Lag(n.Host).Milliseconds()
	}
	if opt.Conduct.Skewed() {
		slices.SortStableFunc(s.data.Notifications, func(a, b Notification) int { return cmp.Compare(a.Time, b.Time) })
	}
	for _, p := range s.data.Policies {
		s.state.Policies[p.ID] = p
	}
	return s
}

// Calls counts the requests so far by method and route, as "GET /event" or
// "GET /alert/{id}".
func (s *Server) Calls() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.calls)
}

// State gives what changed since New, as JSON, to be kept and restored.
func (s *Server) State() ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return json.Marshal(s.state)
}

// Restore puts a kept state back.
func (s *Server) Restore(b []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	next := s.state
	if err := json.Unmarshal(b, &next); err != nil {
		return err
	}
	s.state = next
	return nil
}

func (s *Server) now() time.Time {
	if s.opt.Now != nil {
		return s.opt.Now()
	}
	return time.Now()
}

// arrived tells whether a record of a device with this time is on the server
// by now.
func (s *Server) arrived(d *Device, millis int64) bool {
	name := ""
	if d != nil {
		name = d.Name
	}
	return millis+s.opt.Conduct.Lag(name).Milliseconds() <= s.now().UnixMilli()
}

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Date", s.now().UTC().Format(http.TimeFormat))
	rest, ok := strings.CutPrefix(r.URL.EscapedPath(), base)
	if !ok {
		http.NotFound(w, r)
		return
	}
	parts := strings.Split(rest, "/")
	for i := range parts {
		parts[i] = unescape(parts[i])
	}
	s.count(r.Method, parts)
	if slices.Contains(s.opt.SwitchedOff, parts[0]) {
		s.fail(w, http.StatusNotFound, "Object Not Found")
		return
	}
	if !s.authorized(parts[0], r.Header.Get("X-Auth-Token")) {
		s.fail(w, http.StatusUnauthorized, "Unauthorized")
		return
	}
	switch parts[0] {
	case "event":
		s.get(w, r, parts, s.searchEvents, s.oneEvent)
	case "process":
		s.get(w, r, parts, s.searchProcesses, nil)
	case "alert":
		s.get(w, r, parts, nil, s.oneAlert)
	case "notification":
		s.get(w, r, parts, s.drainNotifications, nil)
	case "auditlogs":
		s.get(w, r, parts, s.drainAudit, nil)
	case "device":
		if r.Method == http.MethodPatch && len(parts) == 2 {
			s.moveDevice(w, r, parts[1])
			return
		}
		s.get(w, r, parts, s.listDevices, s.oneDevice)
	case "policy":
		s.policies(w, r, parts[1:])
	case "cblr":
		s.liveResponse(w, r, parts[1:])
	default:
		s.fail(w, http.StatusNotFound, "Object Not Found")
	}
}

func (s *Server) count(method string, parts []string) {
	route := "/" + parts[0]
	switch {
	case parts[0] == "cblr" && len(parts) > 1:
		route += "/" + parts[1]
		if len(parts) > 3 {
			route += "/{id}/" + parts[3]
		} else if len(parts) > 2 {
			route += "/{id}"
		}
	case len(parts) > 1:
		route += "/{id}"
	}
	s.mu.Lock()
	s.calls[method+" "+route]++
	s.mu.Unlock()
}

// authorized holds each route to its key types: devices take two of them.
func (s *Server) authorized(route, token string) bool {
	if token == "" {
		return false
	}
	switch route {
	case "notification":
		return token == s.opt.SIEMKey
	case "cblr":
		return token == s.opt.LiveResponseKey
	case "device":
		return token == s.opt.APIKey || token == s.opt.LiveResponseKey
	}
	return token == s.opt.APIKey
}

// get sends a GET to the collection or to one of its members.
func (s *Server) get(w http.ResponseWriter, r *http.Request, parts []string, all func(http.ResponseWriter, *http.Request), one func(http.ResponseWriter, string)) {
	switch {
	case r.Method != http.MethodGet:
		s.fail(w, http.StatusMethodNotAllowed, "Method not allowed")
	case len(parts) == 1 && all != nil:
		all(w, r)
	case len(parts) == 2 && parts[1] != "" && one != nil:
		one(w, parts[1])
	default:
		s.fail(w, http.StatusNotFound, "Object Not Found")
	}
}

func (s *Server) fail(w http.ResponseWriter, code int, message string) {
	if s.opt.RefuseAt200 && code != http.StatusUnauthorized {
		code = http.StatusOK
	}
	var j js
	j.open("")
	j.bool("success", false)
	j.text("message", message)
	j.close()
	reply(w, code, j.b)
}

func reply(w http.ResponseWriter, code int, body []byte) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(code)
	_, _ = w.Write(body)
}

// reply200 wraps one document in the envelope.
func reply200(w http.ResponseWriter, write func(*js)) {
	var j js
	j.open("")
	j.bool("success", true)
	j.text("message", "Success")
	write(&j)
	j.close()
	reply(w, http.StatusOK, j.b)
}

func (s *Server) oneEvent(w http.ResponseWriter, id string) {
	e := s.eventByID[id]
	if e == nil || !s.arrived(e.Device, e.Time) {
		s.fail(w, http.StatusNotFound, "Object Not Found")
		return
	}
	reply200(w, func(j *js) { s.detail(j, e) })
}

func (s *Server) oneAlert(w http.ResponseWriter, id string) {
	a := s.alertByID[id]
	if a == nil || !s.arrived(a.Device, a.Time) {
		s.fail(w, http.StatusNotFound, "Object Not Found")
		return
	}
	reply200(w, func(j *js) { s.alert(j, a) })
}

// drainNotifications hands each queued notification out once, at most 100 at
// a time (§7.2 a).
func (s *Server) drainNotifications(w http.ResponseWriter, _ *http.Request) {
	now := s.now().UnixMilli()
	s.mu.Lock()
	from := s.state.Notified
	to := from
	for to < len(s.data.Notifications) && to < from+100 && s.data.Notifications[to].Time <= now {
		to++
	}
	s.state.Notified = to
	s.mu.Unlock()
	reply200(w, func(j *js) {
		j.key("notifications")
		j.b = append(j.b, '[')
		for i, n := range s.data.Notifications[min(from, to):to] {
			if i > 0 {
				j.b = append(j.b, ',')
			}
			j.b = append(j.b, n.Body...)
		}
		j.b = append(j.b, ']')
	})
}

// drainAudit hands each audit record out once (§8.4).
func (s *Server) drainAudit(w http.ResponseWriter, _ *http.Request) {
	s.mu.Lock()
	all := append(slices.Clone(s.data.AuditLogs), s.state.Audit...)
	now := s.now().UnixMilli()
	all = slices.DeleteFunc(all, func(a AuditLog) bool { return a.Time > now })
	from := min(s.state.Audited, len(all))
	s.state.Audited = len(all)
	s.mu.Unlock()
	reply200(w, func(j *js) {
		j.key("notifications")
		j.b = append(j.b, '[')
		j.more = false
		for _, a := range all[from:] {
			j.open("")
			j.text("eventId", a.ID)
			j.num("eventTime", a.Time)
			j.text("loginName", a.Login)
			j.str("orgName", s.data.OrgName)
			j.text("clientIp", a.ClientIP)
			j.text("description", a.Description)
			j.null("requestUrl")
			j.bool("flagged", false)
			j.bool("verbose", false)
			j.close()
		}
		j.b = append(j.b, ']')
		j.more = true
	})
}

// audit records a change; the caller holds mu.
func (s *Server) audit(what string) {
	n := len(s.state.Audit) + 1
	s.state.Audit = append(s.state.Audit, AuditLog{
		ID: "audit" + strconv.Itoa(n), Login: "api@" + s.data.OrgName, ClientIP: "192.0.2.10", Description: what, Time: s.now().UnixMilli(),
	})
}

// before is the number of events earlier than ms.
func (s *Server) before(ms int64) int {
	return sort.Search(s.data.Events.Len(), func(i int) bool { return s.data.Events.Time(i) >= ms })
}
