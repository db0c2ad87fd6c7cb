package fake_test

import (
	"bytes"
	"encoding/json"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/edrctl/edrctl/internal/backends/carbonblack/fake"
)

const (
	api  = "A/1"
	siem = "S/2"
	lr   = "L/3"
)

type clock struct{ t time.Time }

func data(now time.Time) *fake.Data {
	d := &fake.Data{
		Devices: []fake.Device{
			{ID: 7, Name: "WS-1", Type: "WINDOWS", Status: "REGISTERED", PolicyID: 1, LiveResponse: true, LastContact: now.UnixMilli()},
			{ID: 8, Name: "WS-2", Type: "LINUX", Status: "REGISTERED", PolicyID: 1, LiveResponse: true, LastContact: now.Add(-time.Hour).UnixMilli()},
		},
		Policies: []fake.Policy{{ID: 1, Name: "Standard", LiveResponse: true}, {ID: 2, Name: "Quarantine", Quarantine: true, LiveResponse: true}},
		Notifications: []fake.Notification{
			{Time: now.Add(-time.Minute).UnixMilli(), Body: []byte(`{"n":1}`)}, {Time: now.Add(time.Hour).UnixMilli(), Body: []byte(`{"n":2}`)},
		},
		AuditLogs: []fake.AuditLog{{ID: "a", Time: now.Add(-time.Hour).UnixMilli()}},
		Files:     func(int64) map[string][]byte { return map[string][]byte{`C:\TEMP\foo.txt`: []byte("hello")} },
		Processes: func(int64) []fake.LiveProcess { return []fake.LiveProcess{{PID: 601, Path: `C:\evil.exe`}} },
	}
	d.Events = fake.Slice{{ID: "e1", Time: now.Add(-time.Hour).UnixMilli(), Type: "NETWORK", Device: &d.Devices[0]}}
	return d
}

// call sends one request and decodes the answer.
func call(t *testing.T, s http.Handler, key, method, path, body string) (int, map[string]any) {
	t.Helper()
	r := httptest.NewRequest(method, "/integrationServices/v3"+path, strings.NewReader(body))
	r.Header.Set("X-Auth-Token", key)
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	var out map[string]any
	_ = json.Unmarshal(w.Body.Bytes(), &out)
	return w.Code, out
}

func start(t *testing.T) (*fake.Server, *clock) {
	t.Helper()
	c := &clock{time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)}
	return fake.New(data(c.t), fake.Options{Now: func() time.Time { return c.t }, APIKey: api, SIEMKey: siem, LiveResponseKey: lr}), c
}

func TestRefusals(t *testing.T) {
	s, _ := start(t)
	for _, tc := range []struct {
		key, method, path string
		want              int
	}{
		{api, "GET", "/event", 200},
		{siem, "GET", "/event", 401},
		{lr, "GET", "/event", 401},
		{"", "GET", "/event", 401},
		{lr, "GET", "/device", 200},
		{siem, "GET", "/device", 401},
		{api, "GET", "/notification", 401},
		{api, "GET", "/cblr/session/1:7", 401},
		{api, "GET", "/event?searchWindow=2w", 200},
		{api, "GET", "/event?searchWindow=1m", 400},
		{api, "GET", "/event?startTime=2026-11-20", 400},
		{api, "GET", "/event?startTime=2026-11-20&endTime=2026-11-21", 200},
		{api, "GET", "/event?startTime=2026-11-01&endTime=2026-11-16", 400},
		{api, "GET", "/event?startTime=x&endTime=y", 400},
		{api, "GET", "/event?startTime=2026-11-20&endTime=2026-11-21&searchWindow=1d", 400},
		{api, "GET", "/event?start=0", 400},
		{api, "GET", "/event?rows=-1", 400},
		{api, "GET", "/event?eventType=NOPE", 400},
		{api, "GET", "/event?nope=1", 400},
		{api, "GET", "/event/e1", 404}, // belongs to no alert
		{api, "GET", "/process", 400},
		{api, "GET", "/process?hostName=ws", 200},
		{api, "GET", "/process?hostName=ws&searchWindow=1w", 400},
		{api, "GET", "/process?hostName=ws&startTime=2026-11-20&endTime=2026-11-22", 400},
		{api, "GET", "/alert", 404},
		{api, "GET", "/alert/NOPE", 404},
		{api, "POST", "/event", 405},
		{api, "GET", "/device/99", 404},
		{api, "GET", "/policy/1", 200},
		{api, "GET", "/policy/9", 404},
		{api, "DELETE", "/policy/1", 400},
		{api, "GET", "/nothing", 404},
	} {
		if got, _ := call(t, s, tc.key, tc.method, tc.path, ""); got != tc.want {
			t.Errorf("%s %s with %q: %d, want %d", tc.method, tc.path, tc.key, got, tc.want)
		}
	}
}

func TestReadOnce(t *testing.T) {
	s, c := start(t)
	count := func(key, path string) int {
		_, out := call(t, s, key, "GET", path, "")
		return len(out["notifications"].([]any))
	}
	if a, b := count(siem, "/notification"), count(siem, "/notification"); a != 1 || b != 0 {
		t.Errorf("%d then %d notifications", a, b)
	}
	kept, err := s.State()
	if err != nil {
		t.Fatal(err)
	}
	c.t = c.t.Add(2 * time.Hour)
	again, _ := start(t)
	if err := again.Restore(kept); err != nil {
		t.Fatal(err)
	}
	if n := count(siem, "/notification"); n != 1 {
		t.Errorf("%d notifications later", n)
	}
	if a, b := count(api, "/auditlogs"), count(api, "/auditlogs"); a != 1 || b != 0 {
		t.Errorf("%d then %d audit records", a, b)
	}
}

func TestQuarantineByPolicy(t *testing.T) {
	s, _ := start(t)
	code, out := call(t, s, api, "PATCH", "/device/7", `{"policyName":"Quarantine"}`)
	if info := out["deviceInfo"].(map[string]any); code != 200 || info["quarantined"] != true || info["policyName"] != "Quarantine" {
		t.Errorf("%d %v", code, info)
	}
	kept, _ := s.State()
	again, _ := start(t)
	if err := again.Restore(kept); err != nil {
		t.Fatal(err)
	}
	if _, out := call(t, again, api, "GET", "/device/7", ""); out["deviceInfo"].(map[string]any)["quarantined"] != true {
		t.Error("forgotten after a restart")
	}
	if code, _ := call(t, s, api, "PATCH", "/device/7", `{"policyId":99}`); code != 400 {
		t.Errorf("unknown policy: %d", code)
	}
	if code, _ := call(t, s, api, "PATCH", "/device/7", `{`); code != 400 {
		t.Errorf("broken body: %d", code)
	}
}

func TestPolicyRules(t *testing.T) {
	s, _ := start(t)
	rule := `{"ruleInfo":{"action":"TERMINATE","operation":"RUN","required":true,"application":{"type":"REPUTATION","value":"PUP"}}}`
	code, out := call(t, s, api, "POST", "/policy/1/rule", rule)
	if code != 200 || out["ruleId"] != 1.0 {
		t.Fatal(code, out)
	}
	if code, _ := call(t, s, api, "PUT", "/policy/1/rule/1", rule); code != 200 {
		t.Error(code)
	}
	if code, _ := call(t, s, api, "DELETE", "/policy/1/rule/1", ""); code != 200 {
		t.Error(code)
	}
	if code, _ := call(t, s, api, "DELETE", "/policy/1/rule/1", ""); code != 404 {
		t.Error(code)
	}
	code, out = call(t, s, api, "POST", "/policy", `{"policyInfo":{"name":"New","version":2,"policy":{"sensorSettings":[{"name":"QUARANTINE_DEVICE","value":"true"}]}}}`)
	if code != 200 || out["policyId"] != 3.0 {
		t.Error(code, out)
	}
}

func TestLiveResponse(t *testing.T) {
	s, c := start(t)
	code, out := call(t, s, lr, "POST", "/cblr/session/7", `{"sensor_id":7}`)
	id, _ := out["id"].(string)
	if code != 200 || id != "1:7" || out["status"] != "PENDING" {
		t.Fatal(code, out)
	}
	if code, _ := call(t, s, lr, "POST", "/cblr/session/"+id+"/command", `{"name":"process list"}`); code != 400 {
		t.Errorf("a command before the sensor came: %d", code)
	}
	call(t, s, lr, "GET", "/cblr/session/"+id, "")
	if _, out = call(t, s, lr, "GET", "/cblr/session/"+id, ""); out["status"] != "ACTIVE" {
		t.Fatal(out)
	}
	run := func(body string) map[string]any {
		t.Helper()
		code, out := call(t, s, lr, "POST", "/cblr/session/"+id+"/command", body)
		if code != 200 || out["status"] != "pending" {
			t.Fatal(code, out)
		}
		n, _ := json.Marshal(out["id"])
		for range 3 {
			_, out = call(t, s, lr, "GET", "/cblr/session/"+id+"/command/"+string(n), "")
		}
		return out
	}
	if out := run(`{"name":"process list"}`); len(out["processes"].([]any)) != 1 {
		t.Error(out)
	}
	if out := run(`{"name":"kill","object":601}`); out["status"] != "complete" {
		t.Error(out)
	}
	if out := run(`{"name":"kill","object":601}`); out["status"] != "error" {
		t.Error("killed twice", out)
	}
	got := run(`{"name":"get file","object":"c:\\temp\\FOO.txt"}`)
	file, _ := json.Marshal(got["file_id"])
	r := httptest.NewRequest("GET", "/integrationServices/v3/cblr/session/"+id+"/file/"+string(file)+"/content", nil)
	r.Header.Set("X-Auth-Token", lr)
	r.Header.Set("Range", "bytes=1-")
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	if w.Code != 200 || w.Body.String() != "hello" { // no ranges
		t.Errorf("%d %q", w.Code, w.Body)
	}
	if out := run(`{"name":"delete file","object":"C:\\TEMP\\foo.txt"}`); out["status"] != "complete" {
		t.Error(out)
	}
	if out := run(`{"name":"get file","object":"C:\\TEMP\\foo.txt"}`); out["status"] != "error" || out["result_code"] != -2147024894.0 {
		t.Error(out)
	}
	run(`{"name":"create process","object":"whoami","wait":true,"output_file":"C:\\TEMP\\o.txt"}`)
	if out := run(`{"name":"directory list","object":"C:\\TEMP\\"}`); len(out["files"].([]any)) != 1 {
		t.Error(out)
	}
	if out := run(`{"name":"reg query value","object":"HKLM\\SYSTEM\\CurrentControlSet\\services\\ACPI\\Start"}`); out["value"] == nil {
		t.Error(out)
	}

	var body bytes.Buffer
	m := multipart.NewWriter(&body)
	part, _ := m.CreateFormFile("file", "tool.exe")
	_, _ = io.WriteString(part, "tool")
	m.Close()
	r = httptest.NewRequest("POST", "/integrationServices/v3/cblr/session/"+id+"/file", &body)
	r.Header.Set("X-Auth-Token", lr)
	r.Header.Set("Content-Type", m.FormDataContentType())
	w = httptest.NewRecorder()
	s.ServeHTTP(w, r)
	var up struct {
		ID json.Number `json:"id"`
	}
	if err := json.Unmarshal(w.Body.Bytes(), &up); err != nil || w.Code != 200 {
		t.Fatal(w.Code, w.Body)
	}
	if out := run(`{"name":"put file","object":"C:\\TEMP\\tool.exe","file_id":` + up.ID.String() + `}`); out["status"] != "complete" {
		t.Error(out)
	}
	if code, _ := call(t, s, lr, "POST", "/cblr/session/"+id+"/command", `{"name":"dance"}`); code != 400 {
		t.Errorf("unknown command: %d", code)
	}
	if code, out := call(t, s, lr, "PUT", "/cblr/session", `{"session_id":"`+id+`","status":"CLOSE"}`); code != 200 || out["status"] != "CLOSE" {
		t.Error(code, out)
	}
	if code, out := call(t, s, lr, "GET", "/cblr/session/"+id, ""); code != 404 || out["status"] != "NOT_FOUND" {
		t.Error(code, out)
	}

	// A session left alone ends; a device that is away never comes.
	_, out = call(t, s, lr, "POST", "/cblr/session/8", "")
	away, _ := out["id"].(string)
	for range 4 {
		_, out = call(t, s, lr, "GET", "/cblr/session/"+away, "")
	}
	if out["status"] != "PENDING" {
		t.Error(out)
	}
	c.t = c.t.Add(16 * time.Minute)
	if code, _ := call(t, s, lr, "GET", "/cblr/session/"+away+"/keepalive", ""); code != 404 {
		t.Errorf("expired: %d", code)
	}
}
