package fake

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// Alert status numbers of this server. The vendor publishes none.
const (
	StatusNew    = 0
	StatusClosed = 2
)

func (s *Server) listAlerts(w http.ResponseWriter, r *http.Request) {
	v := r.URL.Query()
	ok := true
	num := func(name string, required bool) (int64, bool) {
		n, given, valid := integer(v, name)
		ok = ok && valid && (given || !required)
		return n, given
	}
	from, _ := num("alertTime", true)
	lo, _ := num("scoreMin", true)
	hi, _ := num("scoreMax", true)
	endpoint, byEndpoint := num("endpointID", false)
	status, byStatus := num("status", false)
	policy, byPolicy := num("policyID", false)
	dismissed := v.Get("dismissed")
	if v.Has("dismissed") && !slices.Contains([]string{"true", "false", "null"}, dismissed) {
		ok = false
	}
	if !ok || lo > hi || lo < 0 {
		bad(w)
		return
	}
	if s.opt.IgnoreDismissed || dismissed == "null" {
		dismissed = ""
	}
	var found []Alert
	s.mu.RLock()
	for _, a := range s.alerts {
		score := 0.0
		if a.Data.Score != nil {
			score = *a.Data.Score
		}
		switch {
		case a.Timestamp < s.millis(from) || !s.arrived(a.Device, a.Timestamp),
			score < float64(lo) || score > float64(hi),
			byEndpoint && a.EndpointID != endpoint,
			byStatus && int64(a.Status) != status,
			byPolicy && a.Data.PolicyID != policy,
			dismissed == "true" && !a.Dismissed,
			dismissed == "false" && a.Dismissed,
			v.Has("user") && !strings.EqualFold(a.User, v.Get("user")),
			v.Has("processPath") && !containsFold(a.ProcessPath, v.Get("processPath")),
			v.Has("search") && !containsFold(a.Name+"\n"+a.ProcessPath+"\n"+a.Device+"\n"+a.User, v.Get("search")):
			continue
		}
		found = append(found, *a)
	}
	s.mu.RUnlock()
	st := startStream(w, `{"items":[`, "]}")
	defer st.end()
	for i := range found {
		st.put(s.item(&found[i]))
	}
}

// item gives an alert as this server lists it.
func (s *Server) item(a *Alert) map[string]any {
	item := map[string]any{
		"customerID": a.CustomerID, "timestamp": s.time(a.Timestamp), "endpointID": a.EndpointID,
		"expirationDate": s.time(a.ExpirationDate), "isActive": a.IsActive, "data": a.Data,
	}
	if s.opt.DocumentedOnly {
		return item
	}
	for name, value := range map[string]any{
		"alertName": a.Name, "status": a.Status, "userVerdict": a.UserVerdict, "type": a.Type,
		"processHash": a.ProcessHash, "processPath": a.ProcessPath, "device": a.Device, "user": a.User,
	} {
		item[name] = value
	}
	var id any = a.ID
	if _, err := strconv.ParseInt(a.ID, 10, 64); err == nil && s.opt.NumericIDs {
		id = json.Number(a.ID)
	}
	switch s.opt.AlertID {
	case AlertIDNone:
	case AlertIDDefault:
		item["id"] = id
	case AlertIDData:
		item["data"] = struct {
			UUID any `json:"uuid"`
			AlertData
		}{id, a.Data}
	default:
		item[s.opt.AlertID] = id
	}
	return item
}

// The routes that change one alert, as Calls counts them.
const (
	RouteDismiss       = "PUT /alert/dismiss/{alertID}"
	RouteFalsePositive = "PUT /alert/{alertID}/report-false-positive"
	RouteClose         = "PUT /alert/{alertID}/close"
	RouteCreate        = "POST /alert"
	RouteUpdate        = "PUT /alert"
)

// triageAlert tells the three routes apart: the verb is before the id in
// one and after it in the others.
func (s *Server) triageAlert(w http.ResponseWriter, r *http.Request) {
	first, second := r.PathValue("first"), r.PathValue("second")
	switch {
	case second == "close":
		s.closeAlert(w, r, first)
	case second == "report-false-positive":
		s.reportFalsePositive(w, r, first)
	case first == "dismiss":
		if !bare(w, r) {
			return
		}
		s.act(w, RouteDismiss, second, func(a *Alert) { a.IsActive, a.Dismissed = false, true })
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

// act changes one alert; 404 when there is none.
func (s *Server) act(w http.ResponseWriter, route, id string, change func(*Alert)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.byID[id]
	if a == nil || s.opt.AlertID == AlertIDNone {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	s.calls[route]++
	change(a)
	w.WriteHeader(http.StatusOK)
}

// verdict reads userVerdict and feedback; false when it answered 400.
func verdict(w http.ResponseWriter, r *http.Request) (v *bool, feedback string, ok bool) {
	if !bare(w, r, "userVerdict", "feedback") {
		return nil, "", false
	}
	q := r.URL.Query()
	switch given := q.Get("userVerdict"); {
	case !q.Has("userVerdict"):
	case given == "true" || given == "false":
		b := given == "true"
		v = &b
	default:
		bad(w)
		return nil, "", false
	}
	return v, q.Get("feedback"), true
}

// bare holds a triage request to what its route takes: no body, and of the
// query these parameters once each. false when it answered 400.
func bare(w http.ResponseWriter, r *http.Request, params ...string) bool {
	b, err := io.ReadAll(io.LimitReader(r.Body, 1))
	q, qerr := url.ParseQuery(r.URL.RawQuery)
	ok := err == nil && qerr == nil && len(b) == 0
	for name, values := range q {
		ok = ok && slices.Contains(params, name) && len(values) == 1
	}
	if !ok {
		bad(w)
	}
	return ok
}

func (s *Server) reportFalsePositive(w http.ResponseWriter, r *http.Request, id string) {
	v, feedback, ok := verdict(w, r)
	if !ok {
		return
	}
	s.act(w, RouteFalsePositive, id, func(a *Alert) {
		if v == nil {
			v = new(bool)
		}
		a.UserVerdict, a.Feedback, a.FalsePositive = v, feedback, true
	})
}

func (s *Server) closeAlert(w http.ResponseWriter, r *http.Request, id string) {
	v, feedback, ok := verdict(w, r)
	if !ok {
		return
	}
	s.act(w, RouteClose, id, func(a *Alert) {
		a.IsActive, a.Status = false, StatusClosed
		if v != nil {
			a.UserVerdict = v
		}
		if feedback != "" {
			a.Feedback = feedback
		}
	})
}

const maxBody = 8 << 20

// body decodes a JSON body strictly; false when it answered.
func body(w http.ResponseWriter, r *http.Request, into any) bool {
	if ct := r.Header.Get("Content-Type"); !strings.HasPrefix(ct, "application/json") {
		w.WriteHeader(http.StatusUnsupportedMediaType)
		return false
	}
	dec := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody))
	dec.DisallowUnknownFields()
	if dec.Decode(into) != nil || dec.More() {
		bad(w)
		return false
	}
	return true
}

// updateAlerts changes every alert: the request names none.
func (s *Server) updateAlerts(w http.ResponseWriter, r *http.Request) {
	var b struct {
		UserVerdict *bool `json:"userVerdict"`
		Status      *int  `json:"status"`
	}
	if !body(w, r, &b) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls[RouteUpdate]++
	for _, a := range s.alerts {
		if b.UserVerdict != nil {
			v := *b.UserVerdict
			a.UserVerdict = &v
		}
		if b.Status != nil {
			a.Status = *b.Status
		}
	}
}

func (s *Server) createAlerts(w http.ResponseWriter, r *http.Request) {
	var b struct {
		Alerts *[]Alert `json:"alerts"`
	}
	if !body(w, r, &b) {
		return
	}
	if b.Alerts == nil || len(*b.Alerts) == 0 {
		bad(w)
		return
	}
	for _, a := range *b.Alerts {
		// Id and customer are the server's to give.
		if a.ID != "" || a.CustomerID != 0 || a.EndpointID == 0 || a.Timestamp <= 0 {
			bad(w)
			return
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls[RouteCreate]++
	for _, a := range *b.Alerts {
		a.ID, a.CustomerID = fmt.Sprintf("AWcreated%011d", s.next), s.data.Customer
		s.next++
		if s.opt.Seconds {
			a.Timestamp, a.ExpirationDate = a.Timestamp*1000, a.ExpirationDate*1000
		}
		s.alerts = append(s.alerts, &a)
		s.byID[a.ID] = &a
	}
}

// Calls tells how often each changing route acted.
func (s *Server) Calls() map[string]int {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return maps.Clone(s.calls)
}

// Find gives a copy of an alert as the server keeps it.
func (s *Server) Find(id string) (Alert, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if a := s.byID[id]; a != nil {
		return *a, true
	}
	return Alert{}, false
}
