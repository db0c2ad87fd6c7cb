package fake

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"
)

var now = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

func testServer(opt Options) *Server {
	score := 5.0
	d := &Data{Customer: 7, Files: map[string]File{}}
	for i := range 10 {
		at := now.Add(-time.Duration(i) * time.Minute)
		d.Alerts = append(d.Alerts, Alert{ID: fmt.Sprint("A", i), Timestamp: at.UnixMilli(), IsActive: true, Name: "Start Service", User: "alice", Data: AlertData{Score: &score, PolicyID: 77}})
	}
	var rows []*Event
	for i := range 100 {
		at := now.Add(-time.Duration(100-i) * time.Second)
		rows = append(rows, &Event{ID: fmt.Sprint("E", i), Timestamp: at.UnixMilli(), BaseType: 1, Group: 1, PID: int64(i), Path: `C:\a\cmd.exe`, Child: &Child{ChildPath: `C:\b.exe`}})
	}
	d.Events = NewEventList(rows)
	opt.Token = "t"
	opt.Clock = func() time.Time { return now }
	return New(d, opt)
}

func ask(s *Server, method, target, body string, edit ...func(*http.Request)) (int, string) {
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer t")
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for _, e := range edit {
		e(r)
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w.Code, w.Body.String()
}

// What the real server refuses is refused.
func TestStrict(t *testing.T) {
	s := testServer(Options{})
	for target, want := range map[string]int{
		"GET /alert":                                                   400,
		"GET /alert?alertTime=0&scoreMin=0":                            400,
		"GET /alert?alertTime=x&scoreMin=0&scoreMax=10":                400,
		"GET /alert?alertTime=0&scoreMin=0&scoreMax=10":                200,
		"GET /alert?alertTime=0&scoreMin=0&scoreMax=10&dismissed=yes":  400,
		"GET /alert?alertTime=0&scoreMin=0&scoreMax=10&dismissed=null": 200,
		"GET /hash/verdict":                                            400,
		"GET /hash/verdict?hash=abc":                                   400,
		"GET /hash/verdict?hash=" + strings.Repeat("a", 40):            200,
		"GET /hash/name?hash=" + strings.Repeat("a", 64):               400,
		"GET /events":                                 200,
		"GET /events?page_size=x":                     400,
		"GET /events?page_size=0":                     400,
		"GET /events?is_next=maybe":                   400,
		"GET /events?next_key=unknown":                400,
		"GET /events?q=nonsense":                      400,
		"GET /events/detail":                          400,
		"GET /events/aggregations":                    400,
		"GET /events/aggregations?field=process_path": 400,
		"GET /events/aggregations?field=PROCESS_PATH": 200,
		"GET /endpoint?status=asleep":                 400,
		"GET /endpoint?endpointIDs=a":                 400,
		"GET /process?pid=x":                          400,
		"GET /process?process_hash=x":                 400,
		"GET /nothing":                                404,
		"DELETE /alert":                               405,
		"PUT /alert/dismiss/none":                     404,
		"PUT /alert/A1/reopen":                        404,
		"PUT /alert/A1/close?userVerdict=perhaps":     400,
		"PUT /alert/A1/close?userVerdict=1":           400,
		"PUT /alert/A1/close?verdict=true":            400,
		"PUT /alert/A1/close?feedback=a&feedback=b":   400,
		"PUT /alert/nobody/close?userVerdict=true":    404,
		"PUT /alert/dismiss/A1?userVerdict=true":      400,
		"PUT /alert/nobody/report-false-positive":     404,
	} {
		method, path, _ := strings.Cut(target, " ")
		if code, _ := ask(s, method, path, ""); code != want {
			t.Errorf("%s: %d, want %d", target, code, want)
		}
	}
	for _, auth := range []string{"", "Bearer", "Bearer wrong", "Basic t"} {
		if code, _ := ask(s, "GET", "/events", "", func(r *http.Request) { r.Header.Set("Authorization", auth) }); code != 401 {
			t.Errorf("%q: %d", auth, code)
		}
	}
	if code, _ := ask(s, "GET", "/events", "", func(r *http.Request) { r.Header.Set("edr-customerid", "8") }); code != 403 {
		t.Errorf("other customer: %d", code)
	}
	if code, body := ask(s, "GET", "/events?q=nonsense", ""); code != 400 || body != "" {
		t.Errorf("a refused q has no body: %q", body)
	}
}

func TestQueryGrammar(t *testing.T) {
	for q, ok := range map[string]bool{
		"": true, "process_path ~ 'a'": true, "process_path='a'": true, "process_path = 'a' AND process_pid = 4": true,
		"process_pid != 4": true, "process_creation_time >= '2026-01-01T00:00:00Z'": true, "id = 'x'": true,
		"base_event_type = 'Create Process'": true, "event_group != 'FILE'": true, "network_source_ip = '1.2.3.4'": true,
		"id != 'x'": false, "process_hash ~ 'a'": false, "process_pid = '4'": false, "process_pid ~ 4": false,
		"process_path = a": false, "process_path = 'a": false, "process_path = 'a' OR id = 'x'": false, "process_path = 'a' and id = 'x'": false,
		"process_path = 'a' AND": false, "AND process_path = 'a'": false, "(process_path = 'a')": false, "NOT process_path = 'a'": false,
		"endpoint_id = 4": false, "base_event_type = 1": false, "base_event_type = 'create process'": false, "event_group = 'OTHER'": false,
		"network_source_ip = '::1'": false, "network_source_ip = '1.2'": false, "process_creation_time = 'today'": false,
		"process_path = 'it''s'": false, "process_path > 'a'": false, "base_event_type = 'File Copy from hared Folder'": false,
	} {
		if _, err := parseQuery(q, Options{}); (err == nil) != ok {
			t.Errorf("%q: %v", q, err)
		}
	}
	if _, err := parseQuery("base_event_type = 'File Copy from hared Folder'", Options{MisspeltType: true}); err != nil {
		t.Error(err)
	}
	if _, err := parseQuery(`process_path = 'C:\a'`, Options{DoubledBackslash: true}); err == nil {
		t.Error("a single backslash was taken")
	}
}

func FuzzQuery(f *testing.F) {
	for _, s := range []string{"process_path ~ 'a' AND process_pid = 4", "id='x'", "process_creation_time <= '2026-01-01T00:00:00Z'", `file_path = 'C:\\a*b'`} {
		f.Add(s, false)
		f.Add(s, true)
	}
	e := &Event{Path: `C:\a`, CreationTime: "2026-01-01T00:00:00Z"}
	f.Fuzz(func(t *testing.T, q string, odd bool) {
		o := Options{DoubledBackslash: odd, MisspeltType: odd}
		if odd {
			o.Tilde = TildeWildcard
		}
		where, err := parseQuery(q, o)
		if err != nil {
			return
		}
		if len(where) == 0 && strings.TrimSpace(q) != "" {
			t.Fatalf("%q has no terms", q)
		}
		for _, c := range where {
			c(e)
			c(&Event{})
		}
	})
}

func eventIDs(t *testing.T, s *Server, target string) []string {
	t.Helper()
	code, body := ask(s, "GET", target, "")
	var rows []struct{ ID string }
	if code != 200 || json.Unmarshal([]byte(body), &rows) != nil {
		t.Fatalf("%s: %d %s", target, code, body)
	}
	var out []string
	for _, r := range rows {
		out = append(out, r.ID)
	}
	return out
}

func TestPaging(t *testing.T) {
	s := testServer(Options{PageCap: 30})
	first := eventIDs(t, s, "/events?page_size=50")
	if len(first) != 30 || first[0] != "E99" {
		t.Fatalf("%d rows from %s", len(first), first[0])
	}
	second := eventIDs(t, s, "/events?page_size=30&is_next=true&next_key="+first[29])
	if second[0] != "E69" {
		t.Errorf("second page starts with %s", second[0])
	}
	if back := eventIDs(t, s, "/events?page_size=30&is_next=false&prev_key="+second[0]); !slices.Equal(back, first) {
		t.Errorf("back: %v", back)
	}
	if end := eventIDs(t, s, "/events?next_key=E0&is_next=true"); len(end) != 0 {
		t.Errorf("after the last: %v", end)
	}
	from, to := now.Add(-10*time.Second).UnixMilli(), now.Add(-5*time.Second).UnixMilli()
	if got := eventIDs(t, s, fmt.Sprintf("/events?from_time=%d&to_time=%d", from, to)); len(got) != 6 {
		t.Errorf("window: %v", got)
	}
	if got := eventIDs(t, s, "/events?q="+strings.ReplaceAll("process_pid = 42", " ", "%20")); !slices.Equal(got, []string{"E42"}) {
		t.Errorf("q: %v", got)
	}
}

func TestTriage(t *testing.T) {
	s := testServer(Options{})
	for _, target := range []string{"/alert/dismiss/A1", "/alert/A2/close?userVerdict=true&feedback=seen%20it", "/alert/A3/report-false-positive?userVerdict=false"} {
		if code, body := ask(s, "PUT", target, ""); code != 200 || body != "" {
			t.Errorf("%s: %d %q", target, code, body)
		}
	}
	if code, _ := ask(s, "POST", "/alert", `{"alerts":[{"alertName":"Mine","timestamp":5,"endpointID":7,"isActive":true,"data":{"score":9}}]}`); code != 200 {
		t.Errorf("create: %d", code)
	}
	for _, body := range []string{`{}`, `{"alerts":[]}`, `{"alerts":[{"timestamp":"x"}]}`, `{"alerts":[{"timestamp":5,"endpointID":7,"id":"mine"}]}`, `{"alerts":[{"timestamp":5,"endpointID":7,"colour":1}]}`, `nonsense`} {
		if code, _ := ask(s, "POST", "/alert", body); code != 400 {
			t.Errorf("%s: %d", body, code)
		}
	}
	check := func(s *Server) {
		t.Helper()
		a1, _ := s.Find("A1")
		a2, _ := s.Find("A2")
		a3, _ := s.Find("A3")
		mine, ok := s.Find("AWcreated00000000001")
		if a1.IsActive || !a1.Dismissed || a2.IsActive || !*a2.UserVerdict || a2.Feedback != "seen it" || *a3.UserVerdict || !a3.FalsePositive || !ok || *mine.Data.Score != 9 {
			t.Errorf("%+v %+v %+v %+v", a1, a2, a3, mine)
		}
	}
	check(s)
	want := map[string]int{RouteDismiss: 1, RouteClose: 1, RouteFalsePositive: 1, RouteCreate: 1}
	if got := s.Calls(); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("calls %v", got)
	}
	kept, err := s.State()
	if err != nil {
		t.Fatal(err)
	}
	again := testServer(Options{})
	if err := again.Restore(kept); err != nil {
		t.Fatal(err)
	}
	check(again)
	if twice, _ := again.State(); string(twice) != string(kept) {
		t.Errorf("%s\n%s", twice, kept)
	}
	if err := again.Restore([]byte("nonsense")); err == nil {
		t.Error("nonsense was restored")
	}
	if code, _ := ask(s, "PUT", "/alert", `{"status":3}`); code != 200 {
		t.Error(code)
	}
	if a, _ := s.Find("A9"); a.Status != 3 {
		t.Error("PUT /alert changes every alert")
	}
	if code, body := ask(s, "GET", "/alert?alertTime=0&scoreMin=0&scoreMax=10&dismissed=true", ""); code != 200 || strings.Count(body, "customerID") != 2-1 {
		t.Errorf("%s", body)
	}
}
