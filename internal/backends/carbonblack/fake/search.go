package fake

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/edrctl/edrctl/internal/faults"
)

// unescape undoes the escaping of one path segment.
func unescape(s string) string {
	if u, err := url.PathUnescape(s); err == nil {
		return u
	}
	return s
}

var deviceParams = []string{"hostName", "hostNameExact", "ownerName", "ownerNameExact", "ipAddress"}

// search is a checked list request.
type search struct {
	q           url.Values
	from, to    int64 // ms, to exclusive
	start, rows int
}

// parse checks what a list request says: unknown parameters, windows longer
// than allowed, one bound without the other and wrong paging are refused.
func (s *Server) parse(r *http.Request, params []string, rowsDefault, rowsCap int, windows map[string]time.Duration, most time.Duration) (search, error) {
	out := search{q: r.URL.Query(), start: 1, rows: rowsDefault}
	for name, values := range out.q {
		if !slices.Contains(params, name) && name != "start" && name != "rows" && (windows == nil || name != "searchWindow" && name != "startTime" && name != "endTime") {
			return out, fmt.Errorf("Unknown parameter %s", name)
		}
		if len(values) != 1 || values[0] == "" {
			return out, fmt.Errorf("Parameter %s needs one value", name)
		}
	}
	var err error
	if v := out.q.Get("start"); v != "" {
		if out.start, err = strconv.Atoi(v); err != nil || out.start < 1 {
			return out, fmt.Errorf("start must be 1 or more")
		}
	}
	if v := out.q.Get("rows"); v != "" {
		if out.rows, err = strconv.Atoi(v); err != nil || out.rows < 1 {
			return out, fmt.Errorf("rows must be 1 or more")
		}
	}
	out.rows = min(out.rows, rowsCap)
	if s.opt.RowsCap > 0 {
		out.rows = min(out.rows, s.opt.RowsCap)
	}
	if windows == nil {
		return out, nil
	}
	return out, s.window(&out, windows, most)
}

func (s *Server) window(out *search, windows map[string]time.Duration, most time.Duration) error {
	now := s.now()
	from, to, named := out.q.Get("startTime"), out.q.Get("endTime"), out.q.Get("searchWindow")
	switch {
	case (from == "") != (to == ""):
		return fmt.Errorf("startTime and endTime must be used together")
	case from != "" && named != "":
		return fmt.Errorf("Invalid search window")
	case from != "":
		a, errA := parseTime(from)
		b, errB := parseTime(to)
		if errA != nil || errB != nil {
			return fmt.Errorf("Invalid time format")
		}
		if b.Before(a) || b.Sub(a) > most {
			return fmt.Errorf("Invalid search window")
		}
		out.from, out.to = a.UnixMilli(), b.UnixMilli()
	default:
		span, ok := windows[or(named, "1d")]
		if !ok {
			return fmt.Errorf("Invalid search window")
		}
		out.from, out.to = now.Add(-span).UnixMilli(), now.UnixMilli()+1
	}
	out.to = min(out.to, now.Add(s.opt.Conduct.Ahead()).UnixMilli()+1)
	return nil
}

// parseTime reads RFC 3339, or a bare date as the document's own example has it.
func parseTime(v string) (time.Time, error) {
	if t, err := time.Parse(time.RFC3339Nano, v); err == nil {
		return t, nil
	}
	return time.Parse("2006-01-02", v)
}

func (s *Server) ceiling() int {
	if s.opt.Ceiling > 0 {
		return s.opt.Ceiling
	}
	return 100_000
}

// page gives the half-open range of results a request asks for; past is true
// when it begins past the ceiling, where results is null.
func (s *Server) page(q search, total int) (from, to int, past bool) {
	from = q.start - 1
	to = min(from+q.rows, total, s.ceiling())
	return from, max(from, to), from >= s.ceiling()
}

// list writes an answer of results: write is called for each result index.
func (s *Server) list(w http.ResponseWriter, q search, total int, write func(j *js, i int)) {
	if s.opt.Conduct.PageMost > 0 {
		q.rows = min(q.rows, s.opt.Conduct.PageMost)
	}
	if s.opt.Conduct.Moves(faults.PagesRepeat) {
		q.start = 1
	}
	from, to, past := s.page(q, total)
	if s.opt.Conduct.Moves(faults.PagesNone) {
		to = from
	}
	w.Header().Set("Content-Type", "application/json")
	var j js
	j.open("")
	j.bool("success", true)
	j.text("message", "Success")
	j.num("latestTime", 0)
	j.num("elapsed", 3)
	j.num("totalResults", int64(total+s.opt.Overestimate))
	if past {
		j.null("results")
		j.close()
		reply(w, http.StatusOK, j.b)
		return
	}
	j.key("results")
	j.b = append(j.b, '[')
	j.more = false
	for i := from; i < to; i++ {
		write(&j, i)
		if len(j.b) > 128<<10 {
			if _, err := w.Write(j.b); err != nil {
				return
			}
			j.b = j.b[:0]
		}
	}
	j.b = append(j.b, ']')
	j.more = true
	j.close()
	_, _ = w.Write(j.b)
}

const week = 7 * 24 * time.Hour

var eventWindows = map[string]time.Duration{"3h": 3 * time.Hour, "1d": 24 * time.Hour, "1w": week, "2w": 2 * week}

var eventTypes = []string{"NETWORK", "FILE_CREATE", "REGISTRY_ACCESS", "SYSTEM_API_CALL", "CREATE_PROCESS", "DATA_ACCESS", "INJECT_CODE"}

// searchEvents is GET /event: newest first, at most two weeks, 10,000 rows.
func (s *Server) searchEvents(w http.ResponseWriter, r *http.Request) {
	params := append([]string{"sha256Hash", "applicationName", "eventType"}, deviceParams...)
	q, err := s.parse(r, params, 100, 10_000, eventWindows, 2*week)
	if err != nil {
		s.fail(w, http.StatusBadRequest, err.Error())
		return
	}
	if t := q.q.Get("eventType"); t != "" && !slices.Contains(eventTypes, t) {
		s.fail(w, http.StatusBadRequest, "Invalid event type")
		return
	}
	lo, hi := s.before(q.from), s.before(q.to)
	hi = max(lo, hi)
	at := func(i int) int { return hi - 1 - i }
	total := hi - lo
	if filtered(q.q, params) || s.opt.Conduct.Skewed() {
		found := s.matching(q, lo, hi)
		total = len(found)
		at = func(i int) int { return int(found[i]) }
	}
	s.list(w, q, total, func(j *js, i int) {
		e := s.data.Events.Event(at(i))
		s.event(j, &e)
	})
}

func filtered(q url.Values, params []string) bool {
	return slices.ContainsFunc(params, func(p string) bool { return q.Has(p) })
}

// matching finds the events of a range that a filter lets through, newest
// first; the last few answers are kept, as a client pages through them.
func (s *Server) matching(q search, lo, hi int) []int32 {
	key := q.q
	key.Del("start")
	key.Del("rows")
	name := fmt.Sprintf("%d-%d?%s", lo, hi, key.Encode())
	if s.opt.Conduct.Skewed() { // what is there depends on the clock as well
		name = s.now().String() + name
	}
	s.mu.Lock()
	found, ok := s.searches[name]
	s.mu.Unlock()
	if ok {
		return found
	}
	found = []int32{}
	for i := hi - 1; i >= lo; i-- {
		e := s.data.Events.Event(i)
		if matches(&e, q.q, false) && s.arrived(e.Device, e.Time) {
			found = append(found, int32(i))
		}
	}
	s.mu.Lock()
	if len(s.searches) >= 8 {
		clear(s.searches)
	}
	s.searches[name] = found
	s.mu.Unlock()
	return found
}

// matches applies the filters of /event, and of /process where names match in
// part. Hash and application name are the acting process's, and are compared
// as they are sent: the document asks for lower case.
func matches(e *Event, q url.Values, partial bool) bool {
	if v := q.Get("sha256Hash"); v != "" && v != e.App.SHA256 {
		return false
	}
	if v := q.Get("applicationName"); v != "" && v != strings.ToLower(e.App.Name) {
		return false
	}
	if v := q.Get("eventType"); v != "" && v != e.Type {
		return false
	}
	return onDevice(e.Device, q, partial)
}

func onDevice(d *Device, q url.Values, partial bool) bool {
	if d == nil {
		d = &Device{}
	}
	text := func(exact, loose, have string) bool {
		if v := q.Get(exact); v != "" && v != have {
			return false
		}
		v := q.Get(loose)
		if v == "" {
			return true
		}
		if partial {
			return strings.Contains(strings.ToLower(have), strings.ToLower(v))
		}
		return strings.EqualFold(v, have)
	}
	if v := q.Get("ipAddress"); v != "" && v != d.InternalIP && v != d.ExternalIP {
		return false
	}
	return text("hostNameExact", "hostName", d.Name) && text("ownerNameExact", "ownerName", d.Email)
}

// searchProcesses is GET /process: one filter at least, at most one day, 5,000
// rows; only processes with an event in the window are there (§6).
func (s *Server) searchProcesses(w http.ResponseWriter, r *http.Request) {
	params := append([]string{"sha256Hash", "applicationName"}, deviceParams...)
	q, err := s.parse(r, params, 100, 5000, map[string]time.Duration{"3h": 3 * time.Hour, "1d": 24 * time.Hour}, 24*time.Hour)
	if err != nil {
		s.fail(w, http.StatusBadRequest, err.Error())
		return
	}
	if !filtered(q.q, params) {
		s.fail(w, http.StatusBadRequest, "At least one filter is required")
		return
	}
	type row struct {
		e Event
		n int64
	}
	var rows []*row
	at := map[string]*row{}
	for i := s.before(q.to) - 1; i >= 0 && s.data.Events.Time(i) >= q.from; i-- {
		e := s.data.Events.Event(i)
		if e.Process.PrivatePID == "" || !matches(&e, q.q, true) || !s.arrived(e.Device, e.Time) {
			continue
		}
		key := e.Process.PrivatePID
		if e.Device != nil {
			key = strconv.FormatInt(e.Device.ID, 10) + ":" + key
		}
		if have := at[key]; have != nil {
			have.n++
			continue
		}
		at[key] = &row{e, 1}
		rows = append(rows, at[key])
	}
	s.list(w, q, len(rows), func(j *js, i int) {
		e := &rows[i].e
		j.open("")
		j.str("applicationName", e.App.Name)
		j.str("applicationPath", e.App.Path)
		j.num("processId", e.Process.PID)
		j.str("privatePid", e.Process.PrivatePID)
		j.str("sha256Hash", e.App.SHA256)
		j.num("numEvents", rows[i].n)
		j.close()
	})
}
