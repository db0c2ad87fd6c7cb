package main

import (
	"bufio"
	"cmp"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/edrctl/edrctl/internal/output/docschema"
	"github.com/edrctl/edrctl/internal/recordings"
)

// documents holds what commands write as ECS and OCSF to the published schemas.
type documents struct {
	t     *testing.T
	ecs   *docschema.ECS
	ocsf  *docschema.OCSF
	count map[string]int // by what was listed
	class map[int]int
}

func newDocuments(t *testing.T) *documents {
	t.Helper()
	dir := os.Getenv("EDRCTL_SHARED")
	if dir == "" {
		t.Skip("SKIPPED: EDRCTL_SHARED is not set, so no document was checked against the schemas")
	}
	ecs, err := docschema.LoadECS(filepath.Join(dir, "schemas", "ecs-fields.csv"))
	if err != nil {
		t.Fatal(err)
	}
	ocsf, err := docschema.LoadOCSF(filepath.Join(dir, "schemas", "ocsf-schema-1.8.0.tar.gz"))
	if err != nil {
		t.Fatal(err)
	}
	return &documents{t, ecs, ocsf, map[string]int{}, map[int]int{}}
}

// of runs a list in both formats and checks every document. The counts go
// under what.
func (d *documents) of(w *world, what string, args ...string) int {
	d.t.Helper()
	n := 0
	for _, format := range []string{"ecs", "ocsf"} {
		r := w.run(append(slices.Clone(args), "-o", format, "-q")...)
		if r.code != 0 && r.code != 3 {
			d.t.Errorf("%s -o %s: exit %d: %s", strings.Join(args, " "), format, r.code, r.errOut)
		}
		n = 0
		for line := range strings.Lines(r.out) {
			var doc map[string]any
			if err := json.Unmarshal([]byte(line), &doc); err != nil {
				d.t.Fatalf("%v in %.200s", err, line)
			}
			n++
			wrong := d.ecs.Check
			if format == "ocsf" {
				wrong = func(doc map[string]any) []string {
					class, list := d.ocsf.Check(doc)
					d.class[class]++
					return list
				}
			}
			if list := wrong(doc); len(list) > 0 {
				d.t.Fatalf("%s -o %s: %s\nin %s", strings.Join(args, " "), format, strings.Join(list, "; "), line)
			}
		}
	}
	d.count[what] += n
	return n
}

func (d *documents) report(what string) (total int) {
	for _, n := range d.count {
		total += n
	}
	d.t.Logf("%s: %d records, each as ECS and as OCSF, no error", what, total)
	for _, k := range slices.Sorted(maps.Keys(d.count)) {
		d.t.Logf("  %6d %s", d.count[k], k)
	}
	for _, k := range slices.Sorted(maps.Keys(d.class)) {
		d.t.Logf("  %6d of OCSF class %d", d.class[k], k)
	}
	return total
}

// Every record of the demo is a document of both schemas.
func TestDemoDocuments(t *testing.T) {
	t.Parallel()
	d := newDocuments(t)
	w := newWorld(t, "")
	since := []string{"--since", "8d", "-p", "all"}
	for _, c := range []string{"alerts list", "events list", "processes list"} {
		if n := d.of(w, c, append(strings.Fields(c), since...)...); n == 0 {
			t.Errorf("%s: nothing", c)
		}
	}
	d.of(w, "hosts list", "hosts", "list", "-p", "all")
	feed := filepath.Join(w.home, "feed.txt")
	if err := os.WriteFile(feed, []byte("203.0.113.66\nd.dll\nprocess:rclone.exe\ncdn-telemetry.example\n3395856ce81f2b7382dee72602f798b642f14140\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if n := d.of(w, "hunt ioc", append([]string{"hunt", "ioc", "-f", feed}, since...)...); n == 0 {
		t.Error("no hit")
	}
	// Something of everything that changes a backend.
	for _, change := range []string{
		"respond isolate SRV-DB-02", "respond release SRV-DB-02", "respond kill FIN-WS-014 8120 -p demo-gene-served", `respond delete-file FIN-WS-014 C:\Users\Public\d.dll -p demo-gene-served`,
		"respond run build-07 -- id", "respond block SRV-APP-03 203.0.113.66 -p demo-esp-served", "respond unblock SRV-APP-03 203.0.113.66 -p demo-esp-served",
		"respond scan SRV-APP-03 quick -p demo-esp-served", "respond restart-agent build-07",
		"alerts close demo-esp-served/38 --verdict true-positive", "alerts reopen demo-esp-served/38", "hosts tag build-07 a", "hosts untag build-07 a", "carve get build-07 /etc/passwd -O " + w.home,
	} {
		args := strings.Fields(change)
		at := slices.Index(args, "--")
		if at < 0 {
			at = len(args)
		}
		args = slices.Insert(args, at, "--yes", "--case", "IR-1")
		if !strings.HasPrefix(change, "alerts") && !strings.HasPrefix(change, "hosts") {
			args = slices.Insert(args, at, "--wait=1s")
		}
		if !strings.Contains(change, "-p ") {
			args = append([]string{"-p", "all"}, args...)
		}
		if r := w.run(args...); r.code != 0 && r.code != 8 && r.code != 3 {
			t.Errorf("%s: exit %d: %s", change, r.code, r.errOut)
		}
	}
	if n := d.of(w, "respond list", "respond", "list", "-p", "all", "--since", "520w"); n < 10 {
		t.Errorf("%d actions", n)
	}
	if n := d.of(w, "audit list", "audit", "list"); n < 30 {
		t.Errorf("%d records of the journal", n)
	}
	refs := w.run("respond", "list", "-p", "all", "--since", "520w", "-o", "id")
	d.of(w, "respond get", append([]string{"respond", "get"}, strings.Fields(refs.out)[:5]...)...)
	for _, class := range []int{1001, 1005, 1007, 2004, 3004, 4001, 4003, 5001, 5040, 201001, 201002, 7001, 7002, 7003, 7004} {
		if d.class[class] == 0 {
			t.Errorf("the demo makes no document of class %d", class)
		}
	}
	d.report("the demo")
}

// Every record that a real server sent, or a vendor's document shows, is a
// document of both schemas.
func TestRecordedDocuments(t *testing.T) {
	t.Parallel()
	d := newDocuments(t)
	d.cwatch()
	d.carbonblack()
	d.gene()
	d.esp()
	if n := d.report("the recordings"); n < 100 {
		t.Errorf("only %d records: the recordings are no longer read", n)
	}
}

// Real Sysmon events are documents of both schemas.
func TestRealSysmonDocuments(t *testing.T) {
	t.Parallel()
	if raceBuilt {
		t.Skip("SKIPPED: under the race detector, for time; CI runs it without")
	}
	d := newDocuments(t)
	w, _ := realWorld(t)
	if n := d.of(w, "events list", append([]string{"events", "list"}, realWindow...)...); n != 22054 {
		t.Errorf("%d events", n)
	}
	d.of(w, "processes list", append([]string{"processes", "list"}, realWindow...)...)
	d.report("real Sysmon data")
}

// server is a world of one profile before a server that replays.
func (d *documents) server(backend, settings string, h http.HandlerFunc) *world {
	d.t.Helper()
	srv := httptest.NewServer(h)
	d.t.Cleanup(srv.Close)
	w := &world{t: d.t, home: d.t.TempDir(), env: map[string]string{
		"LANG": "C.UTF-8", "TZ": "UTC", "EDRCTL_R_TOKEN": "KEYKEYKEYKEY", "EDRCTL_R_API_KEY": "KEYKEYKEYKEY/IDIDIDID", "EDRCTL_R_SIEM_KEY": "KEYKEYKEYKEY/IDIDIDID", "EDRCTL_R_PASSWORD": "KEYKEYKEYKEY",
	}}
	w.env["HOME"] = w.home
	w.config(fmt.Sprintf("profiles:\n  r: {backend: %s, url: %q, rate: {per_second: 1000, concurrent: 4}%s}\n", backend, srv.URL, settings))
	return w
}

func (d *documents) recorded(backend, pattern string) map[string][]byte {
	d.t.Helper()
	files, err := fs.Glob(recordings.Of(backend), pattern)
	if err != nil || len(files) == 0 {
		d.t.Fatalf("no recordings %s of %s: %v", pattern, backend, err)
	}
	out := map[string][]byte{}
	for _, f := range files {
		b, err := fs.ReadFile(recordings.Of(backend), f)
		if err != nil {
			d.t.Fatal(err)
		}
		out[path.Base(f)] = b
	}
	return out
}

var longAgo = []string{"--since", "2014-01-01", "--until", "2027-01-01"}

func sendJSON(w http.ResponseWriter, b []byte) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(b)
}

func (d *documents) cwatch() {
	for _, set := range []struct{ pattern, path, command string }{
		{"events_list.*", "/events", "events list"}, {"alert_list.*", "/alert", "alerts list"},
		{"endpoint_list.*", "/endpoint", "hosts list"}, {"process_list.*", "/process", "processes list"},
	} {
		for _, body := range d.recorded("cwatch", set.pattern) {
			w := d.server("cwatch", "", func(w http.ResponseWriter, r *http.Request) {
				q := r.URL.Query()
				switch {
				case r.URL.Path == set.path && !q.Has("next_key") && q.Get("dismissed") != "true":
					sendJSON(w, body)
				case r.URL.Path == "/alert":
					sendJSON(w, []byte(`{"items":[]}`))
				case r.URL.Path == "/endpoint":
					sendJSON(w, []byte(`{"endpoints":[]}`))
				default:
					sendJSON(w, []byte(`[]`))
				}
			})
			args := strings.Fields(set.command)
			if set.command != "hosts list" {
				args = append(args, longAgo...)
			}
			d.of(w, "cwatch "+set.command, args...)
		}
	}
}

func (d *documents) carbonblack() {
	const none = `{"success":true,"totalResults":0,"results":[]}`
	details := d.recorded("carbonblack", "alert_detail.*")
	devices := d.recorded("carbonblack", "device_list.json")["device_list.json"]
	for _, body := range details {
		w := d.server("carbonblack", "", func(w http.ResponseWriter, _ *http.Request) { sendJSON(w, body) })
		var doc struct{ ThreatID, ID, IncidentID string }
		_ = json.Unmarshal(body, &doc)
		d.of(w, "carbonblack alerts get", "alerts", "get", "r/"+cmp.Or(doc.ID, doc.IncidentID, doc.ThreatID, "X"))
	}
	for _, set := range []struct{ pattern, path, command, settings string }{
		{"event_list.*", "/event", "events list", ""}, {"event_list.*", "/event", "alerts list", ""}, {"process_list.*", "/process", "processes list --host *", ""},
		{"device_list.json", "/device", "hosts list", ""}, {"notification_*", "/notification", "alerts list", ", alert_source: notifications"},
	} {
		for name, body := range d.recorded("carbonblack", set.pattern) {
			var doc struct {
				Results []struct {
					EventTime int64 `json:"eventTime"`
				} `json:"results"`
			}
			_ = json.Unmarshal(body, &doc)
			asked := 0
			w := d.server("carbonblack", set.settings, func(w http.ResponseWriter, r *http.Request) {
				q := r.URL.Query()
				path := strings.TrimPrefix(r.URL.Path, "/integrationServices/v3")
				if path == "/device" && set.path != path {
					sendJSON(w, devices)
					return
				}
				if path != set.path || q.Get("start") != "" && q.Get("start") != "1" {
					sendJSON(w, []byte(none))
					return
				}
				if len(doc.Results) > 0 && doc.Results[0].EventTime > 0 && q.Get("startTime") != "" {
					from, _ := time.Parse(time.RFC3339, q.Get("startTime"))
					to, _ := time.Parse(time.RFC3339, q.Get("endTime"))
					if at := time.UnixMilli(doc.Results[0].EventTime); at.Before(from) || !at.Before(to) {
						sendJSON(w, []byte(none))
						return
					}
				}
				if asked++; set.path == "/notification" && asked%2 == 0 {
					sendJSON(w, []byte(`{"notifications":[],"success":true,"message":"Success"}`))
					return
				}
				sendJSON(w, body)
			})
			if strings.Contains(name, "past_100k") {
				continue // an error, by its number of rows
			}
			args := strings.Fields(set.command)
			if set.command != "hosts list" {
				args = append(args, around(body)...)
			}
			d.of(w, "carbonblack "+set.command+" of "+set.path, args...)
		}
	}
}

var eventTime = regexp.MustCompile(`"eventTime":\s*(\d{13})`)

// around is the day before and after the first time of a recording.
func around(body []byte) []string {
	at := time.Date(2017, 3, 27, 12, 0, 0, 0, time.UTC)
	if m := eventTime.FindSubmatch(body); m != nil {
		var ms int64
		_, _ = fmt.Sscan(string(m[1]), &ms)
		at = time.UnixMilli(ms).UTC()
	}
	return []string{"--since", at.Add(-24 * time.Hour).Format(time.RFC3339), "--until", at.Add(24 * time.Hour).Format(time.RFC3339)}
}

// recordedExchange is a recorded request with its answer.
type recordedExchange struct {
	Name    string
	Request struct {
		Method, URL string
		Body        *struct{ Text string }
	}
	Response struct {
		Status int
		Body   struct{ Text, File string }
	}
	dir fs.FS
}

func (x *recordedExchange) path() string {
	p, _, _ := strings.Cut(x.Request.URL, "?")
	return regexp.MustCompile(`^https?://[^/]+`).ReplaceAllString(p, "")
}

func (x *recordedExchange) body(t *testing.T) []byte {
	if x.Response.Body.File == "" {
		return []byte(x.Response.Body.Text)
	}
	b, err := fs.ReadFile(x.dir, x.Response.Body.File)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func (d *documents) exchanges(backend, file string) []*recordedExchange {
	d.t.Helper()
	dir := recordings.Of(backend)
	f, err := dir.Open(file)
	if err != nil {
		d.t.Fatal(err)
	}
	defer func() { _ = f.Close() }() // only read from
	var out []*recordedExchange
	sc := bufio.NewScanner(f)
	sc.Buffer(nil, 1<<24)
	for sc.Scan() {
		x := &recordedExchange{dir: dir}
		if err := json.Unmarshal(sc.Bytes(), x); err != nil {
			d.t.Fatalf("%s: %v", file, err)
		}
		out = append(out, x)
	}
	if sc.Err() != nil {
		d.t.Fatal(sc.Err())
	}
	return out
}

var ofEndpoint = regexp.MustCompile(`^/endpoints/([0-9a-f-]{36})/(logs|alerts|detections)$`)

// gene serves every log line of a recorded manager again, to whom it belongs.
func (d *documents) gene() {
	for _, set := range []struct {
		file, detections string
		everybody        bool // logs hold everybody's events, whatever UUID is asked
	}{
		{"v1.7.0.jsonl", "alerts", false}, {"v1.7.0-extra.jsonl", "alerts", false}, {"v1.8.0-beta.jsonl", "alerts", false}, {"v1.8.0-beta.2.jsonl", "detections", true}, {"head-44a57e6.jsonl", "detections", false},
	} {
		logs := map[string]map[string]json.RawMessage{} // "uuid/logs" to the lines
		var iocs []byte                                 // the manager's list, when it has one
		for _, x := range d.exchanges("gene", set.file) {
			if x.path() == "/iocs" && x.Request.Method == http.MethodGet && x.Response.Status == http.StatusOK {
				iocs = x.body(d.t)
			}
			m := ofEndpoint.FindStringSubmatch(x.path())
			if m == nil || x.Response.Status != http.StatusOK {
				continue
			}
			var answer struct{ Data []json.RawMessage }
			if json.Unmarshal(x.body(d.t), &answer) != nil {
				continue
			}
			key := m[1] + "/" + m[2]
			if logs[key] == nil {
				logs[key] = map[string]json.RawMessage{}
			}
			for _, line := range answer.Data {
				logs[key][string(line)] = line
			}
		}
		var list []any
		seen := map[string]bool{}
		for _, key := range slices.Sorted(maps.Keys(logs)) {
			if id, _, _ := strings.Cut(key, "/"); !seen[id] {
				seen[id] = true
				list = append(list, map[string]any{"uuid": id, "hostname": fmt.Sprintf("HOST-%d", len(list)), "ip": "10.0.0.1", "last-connection": "2022-10-22T08:31:00Z"})
			}
		}
		answer := func(w http.ResponseWriter, data any) {
			b, err := json.Marshal(map[string]any{"data": data, "message": "OK", "error": ""})
			if err != nil {
				d.t.Error(err)
			}
			if set.detections == "alerts" { // the older managers
				w.Header().Set("Content-Type", "text/plain; charset=utf-8")
				_, _ = w.Write(b)
				return
			}
			sendJSON(w, b)
		}
		w := d.server("gene", "", func(w http.ResponseWriter, r *http.Request) {
			m := ofEndpoint.FindStringSubmatch(r.URL.Path)
			switch {
			case r.URL.Path == "/endpoints":
				answer(w, list)
			case r.URL.Path == "/iocs" && iocs != nil:
				sendJSON(w, iocs)
			case r.URL.Path == "/stats":
				answer(w, map[string]int{"endpoint-count": len(list)})
			case m == nil || m[2] != "logs" && m[2] != set.detections:
				for _, e := range list {
					if r.URL.Path == "/endpoints/"+e.(map[string]any)["uuid"].(string) {
						answer(w, e)
						return
					}
				}
				http.NotFound(w, r)
			default:
				start, _ := time.Parse(time.RFC3339Nano, r.FormValue("start"))
				stop, _ := time.Parse(time.RFC3339Nano, r.FormValue("stop"))
				out := []json.RawMessage{}
				lines := logs[m[1]+"/"+m[2]]
				if set.everybody {
					lines = map[string]json.RawMessage{}
					for key, of := range logs {
						if strings.HasSuffix(key, "/"+m[2]) {
							maps.Copy(lines, of)
						}
					}
				}
				for _, k := range slices.Sorted(maps.Keys(lines)) {
					if at := systemTime(lines[k]); !at.Before(start) && !at.After(stop) {
						out = append(out, lines[k])
					}
				}
				slices.SortFunc(out, func(a, b json.RawMessage) int { return systemTime(a).Compare(systemTime(b)) })
				answer(w, out)
			}
		})
		window := []string{"--since", "2020-12-01", "--until", "2022-12-31"}
		d.of(w, "gene events list, "+set.file, append([]string{"events", "list"}, window...)...)
		d.of(w, "gene alerts list, "+set.file, append([]string{"alerts", "list"}, window...)...)
		d.of(w, "gene hosts list", "hosts", "list")
	}
}

var stampOf = regexp.MustCompile(`"SystemTime":\s*"([^"]+)"`)

func systemTime(line []byte) time.Time {
	m := stampOf.FindSubmatch(line)
	if m == nil {
		return time.Time{}
	}
	at, _ := time.Parse(time.RFC3339Nano, string(m[1]))
	return at
}

// esp serves each recorded list once, as the whole of it.
func (d *documents) esp() {
	const api = "/esp-ui/services/api/v1"
	token := []byte(`{"token":"eyJhbGciOiJIUzUxMiJ9.e30.c2ln","status":"success","message":"ok"}`)
	files := append([]string{"ce-3.5.1.jsonl", "ce-3.5.1-reattached.jsonl"}, slices.Sorted(maps.Keys(d.recorded("esp", "samples/*.json")))...)
	for _, set := range []struct{ path, command string }{{"/alerts", "alerts list"}, {"/hosts", "hosts list"}, {"/activity/search", "events list"}} {
		for _, file := range files {
			var list []*recordedExchange
			if strings.HasSuffix(file, ".jsonl") {
				list = d.exchanges("esp", file)
			} else {
				x := &recordedExchange{dir: recordings.Of("esp")}
				if json.Unmarshal(d.recorded("esp", "samples/"+file)[file], x) == nil {
					list = []*recordedExchange{x}
				}
			}
			for _, x := range list {
				if !strings.HasSuffix(x.path(), set.path) || strings.HasSuffix(x.path(), "/tags"+set.path) || x.Request.Method != "POST" || x.Response.Status != http.StatusOK {
					continue
				}
				body := x.body(d.t)
				if !strings.Contains(string(body), `"results"`) {
					continue
				}
				served := false
				w := d.server("esp", ", username: admin", func(w http.ResponseWriter, r *http.Request) {
					path := strings.TrimPrefix(r.URL.Path, api)
					switch {
					case path == "/login":
						sendJSON(w, token)
					case path == set.path && !served:
						served = true
						sendJSON(w, body)
					default:
						sendJSON(w, []byte(`{"status":"success","message":"ok","data":{"count":0,"total_count":0,"results":[]}}`))
					}
				})
				args := strings.Fields(set.command)
				if set.command != "hosts list" {
					args = append(args, longAgo...)
				}
				// Once a format: the list is there for the first asking only.
				for _, format := range []string{"ecs", "ocsf"} {
					served = false
					r := w.run(append(slices.Clone(args), "-o", format, "-q")...)
					for line := range strings.Lines(r.out) {
						var doc map[string]any
						if err := json.Unmarshal([]byte(line), &doc); err != nil {
							d.t.Fatal(err)
						}
						var wrong []string
						if format == "ecs" {
							wrong = d.ecs.Check(doc)
							d.count["esp "+set.command]++
						} else {
							var class int
							class, wrong = d.ocsf.Check(doc)
							d.class[class]++
						}
						if len(wrong) > 0 {
							d.t.Fatalf("%s, %s: %s\nin %s", x.Name, format, strings.Join(wrong, "; "), line)
						}
					}
				}
			}
		}
	}
}
