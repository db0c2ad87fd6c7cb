package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/backends/conformance"
	"github.com/edrctl/edrctl/internal/recordings"
)

// recorded is an answer a real server gave, and the call it belongs to.
type recorded struct {
	name   string
	op     backends.Operation
	target string // METHOD target, as it was recorded; "" = the operation is called by name
	args   map[string]any
	status int
	media  string
	body   []byte
	extra  bool // only answers what guards read
}

// TestRecordedAnswers serves what real servers answered, and the vendors'
// documents have as examples, to the operation it belongs to: the command
// line shows it as it was, and an error as an error.
func TestRecordedAnswers(t *testing.T) {
	for backend, load := range map[string]func(*testing.T, []backends.Operation) []recorded{
		"cwatch": func(t *testing.T, ops []backends.Operation) []recorded { return bodies(t, "cwatch", ops, cwatchBodies) },
		"carbonblack": func(t *testing.T, ops []backends.Operation) []recorded {
			return bodies(t, "carbonblack", ops, cbBodies)
		},
		"gene": geneExchanges,
		"esp":  espSamples,
	} {
		t.Run(backend, func(t *testing.T) {
			b, err := backends.Lookup(backend)
			if err != nil {
				t.Fatal(err)
			}
			list := load(t, b.Catalog())
			s := &replayServer{catalog: b.Catalog(), backend: backend, all: list}
			srv := httptest.NewServer(s)
			t.Cleanup(srv.Close)
			secrets := map[string]string{"token": "t0ken-t0ken", "api_key": "SECRETSECRET/ID", "siem_key": "SIEMSIEM/ID", "live_response_key": "LIVELIVE/ID", "password": "passw0rd"}
			settings := map[string]string{}
			if backend == "gene" {
				secrets["api_key"] = "admin-admin"
			}
			if backend == "esp" {
				settings["username"] = "admin"
			}
			run := coverRun(t, backend, "replay-"+backend, srv.URL, secrets, settings)
			shown, refused, errors := 0, 0, 0
			ops := map[string]bool{}
			tried := 0
			for _, r := range list {
				if r.extra {
					continue
				}
				tried++
				s.now, s.hit = r, 0
				line := r.line(t)
				code, stdout, stderr := run(line...)
				good := r.status >= 200 && r.status < 300
				switch {
				case code == 0 && good:
					if err := coverShown(r.op, wireCall{answer: r.body, answerType: r.media}, stdout); err != nil && s.hit > 0 {
						t.Errorf("%s (%s): %v", r.name, r.op.Name, err)
					}
					if s.hit > 0 {
						shown++
						ops[r.op.Name] = true
					}
				case code == 0 && s.hit == 0: // what was asked reads otherwise, as a path without its last slash
				case code == 0:
					t.Errorf("%s (%s): the server said %d %.80s, and it ended well: %.120s", r.name, r.op.Name, r.status, r.body, stdout)
				case s.hit == 0:
					refused++ // a guard found out before it was sent
					why := strings.SplitN(stderr, "\n", 2)[0]
					t.Logf("%s (%s) is not sent: %s", r.name, r.op.Name, why)
				case r.op.Mutates && strings.Contains(stderr, "the server says success, and "):
					shown++ // a recording cannot show an effect: the call is rightly not taken for done
				case good && !failure(r.body):
					t.Errorf("%s (%s): exit %d: %s\nthe server said %.200s", r.name, r.op.Name, code, stderr, r.body)
				default:
					errors++
					if stdout != "" && r.op.Returns != "csv" || !strings.HasPrefix(stderr, "edrctl: ") && !strings.Contains(stderr, "\nedrctl: ") {
						t.Errorf("%s: %q %q", r.name, stdout, stderr)
					}
				}
			}
			t.Logf("%s: %d recorded answers: %d shown, of %d operations; %d errors told; %d calls refused before they were sent", backend, tried, shown, len(ops), errors, refused)
			if shown < tried/2 {
				t.Errorf("only %d of %d are shown", shown, tried)
			}
		})
	}
}

// line is the command line of a recorded call.
func (r recorded) line(t *testing.T) []string {
	t.Helper()
	var line []string
	if r.target != "" {
		method, target, _ := strings.Cut(r.target, " ")
		line = []string{"api", method, target}
	} else {
		line = []string{"api", r.op.Name}
		for _, name := range slices.Sorted(func(yield func(string) bool) {
			for k := range r.args {
				if !yield(k) {
					return
				}
			}
		}) {
			switch v := r.args[name].(type) {
			case string:
				if p, _ := r.op.Param(name); p.Type == "file" {
					file := filepath.Join(t.TempDir(), "upload")
					if err := os.WriteFile(file, []byte(v), 0o600); err != nil {
						t.Fatal(err)
					}
					v = file
				}
				line = append(line, "-f", name+"="+v)
			default:
				b, err := json.Marshal(v)
				if err != nil {
					t.Fatal(err)
				}
				line = append(line, "-F", name+"="+string(b))
			}
		}
	}
	if r.op.Mutates {
		line = append(line, "--yes", "--danger")
	}
	return line
}

// failure tells whether a body says that it failed although it came as 200.
func failure(body []byte) bool {
	var doc struct {
		Status  any    `json:"status"`
		Error   string `json:"error"`
		Success *bool  `json:"success"`
	}
	if json.Unmarshal(body, &doc) != nil {
		return true
	}
	s, _ := doc.Status.(string)
	return doc.Error != "" || doc.Success != nil && !*doc.Success || strings.EqualFold(s, "failure") || strings.EqualFold(s, "failed")
}

// replayServer gives the answer under test to its operation, and to every
// other operation the first that was recorded of it.
type replayServer struct {
	catalog []backends.Operation
	backend string
	all     []recorded
	now     recorded
	hit     int
}

func (s *replayServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := r.URL.EscapedPath()
	if s.backend == "esp" {
		path = strings.TrimPrefix(path, espBase)
	}
	op, _, ok := backends.MatchOperation(s.catalog, r.Method, path)
	if ok && op.Name == "auth.login" && s.now.op.Name != "auth.login" {
		w.Header().Set("Content-Type", "application/json")
		_, _ = fmt.Fprint(w, `{"token":"eyJ.session.token"}`) // the client may be gone
		return
	}
	if ok && op.Name == s.now.op.Name && (s.now.target == "" || s.now.target == r.Method+" "+r.URL.RequestURI() || sameTarget(s.now.target, r)) {
		s.hit++
		s.give(w, s.now)
		return
	}
	if x := s.support(op); ok && x != nil {
		s.give(w, *x)
		return
	}
	http.NotFound(w, r)
}

// support is what another operation answers: best what was recorded with the
// same server and of the same thing.
func (s *replayServer) support(op backends.Operation) *recorded {
	var best *recorded
	most := -1
	version, _, _ := strings.Cut(s.now.name, " ")
	for i, x := range s.all {
		if x.op.Name != op.Name || x.status != http.StatusOK {
			continue
		}
		fit := 0
		if strings.HasPrefix(x.name, version+" ") {
			fit++
		}
		for part := range strings.FieldsFuncSeq(s.now.target, func(r rune) bool { return strings.ContainsRune(" /?&", r) }) {
			if len(part) > 20 && strings.Contains(string(x.body), part) {
				fit += 2
			}
		}
		if fit > most {
			best, most = &s.all[i], fit
		}
	}
	return best
}

// sameTarget compares targets as URLs: the order of a query is free.
func sameTarget(target string, r *http.Request) bool {
	_, t, _ := strings.Cut(target, " ")
	u, err := url.Parse(t)
	return err == nil && u.Path == r.URL.Path && u.Query().Encode() == r.URL.Query().Encode()
}

func (s *replayServer) give(w http.ResponseWriter, r recorded) {
	if r.media != "" {
		w.Header().Set("Content-Type", r.media)
	}
	w.WriteHeader(r.status)
	_, _ = w.Write(r.body) // the client may be gone
}

// bodies loads answers that were kept as files, by what their names begin with.
func bodies(t *testing.T, backend string, ops []backends.Operation, of map[string]string) []recorded {
	t.Helper()
	dir := recordings.Of(backend)
	files, err := fs.Glob(dir, "*.json")
	if err != nil || len(files) == 0 {
		t.Fatal(err, "no recordings")
	}
	var out []recorded
	for _, file := range files {
		name := filepath.Base(file)
		opName := ""
		for _, prefix := range slices.Sorted(func(yield func(string) bool) {
			for k := range of {
				if !yield(k) {
					return
				}
			}
		}) {
			if strings.HasPrefix(name, prefix) {
				opName = of[prefix]
			}
		}
		op, ok := backends.OperationNamed(ops, opName)
		if !ok {
			continue // a request, or no answer of one operation
		}
		body, err := fs.ReadFile(dir, file)
		if err != nil {
			t.Fatal(err)
		}
		args := map[string]any{}
		for _, p := range op.Params {
			if p.Required && p.Default == "" {
				args[p.Name] = plainValue(p)
			}
		}
		out = append(out, recorded{name: name, op: op, args: args, status: http.StatusOK, media: "application/json", body: body})
	}
	return out
}

var cwatchBodies = map[string]string{
	"alert_list": "alerts.list", "endpoint_list": "endpoints.list", "events_aggregations": "events.aggregations", "events_detail": "events.detail",
	"events_list": "events.search", "hash_name": "hash.name", "hash_seenon": "hash.seenon", "hash_verdict": "hash.verdict", "process_list": "processes.list",
}

var cbBodies = map[string]string{
	"alert_detail": "alerts.get", "auditlogs": "auditlogs.drain", "cblr_command": "live.commands.get", "cblr_file_info": "live.files.get",
	"cblr_session": "live.sessions.get", "device_detail": "devices.get", "device_list": "devices.list", "event_detail": "events.get",
	"event_list": "events.list", "notification": "notifications.drain", "policy_detail": "policies.get", "process_list": "processes.list",
	"policy_rule_add": "policies.rules.add", "policy_rule_delete": "policies.rules.delete",
}

// geneExchanges loads what managers of four versions answered: of each
// operation, version and status the first few.
func geneExchanges(t *testing.T, ops []backends.Operation) []recorded {
	t.Helper()
	dir := recordings.Of("gene")
	var out []recorded
	for _, file := range []string{"v1.7.0.jsonl", "v1.8.0-beta.jsonl", "v1.8.0-beta.2.jsonl", "head-44a57e6.jsonl"} {
		f, err := dir.Open(file)
		if err != nil {
			t.Fatal(err)
		}
		count := map[string]int{}
		sc := bufio.NewScanner(f)
		sc.Buffer(nil, 64<<20)
		for sc.Scan() {
			var x struct {
				Name    string
				Request struct {
					Method, URL string
				}
				Response struct {
					Status  int
					Headers map[string]string
					Body    struct {
						Text *string
					}
				}
			}
			if err := json.Unmarshal(sc.Bytes(), &x); err != nil {
				t.Fatalf("%s: %v", file, err)
			}
			if x.Response.Status == 0 || x.Response.Body.Text == nil || strings.ContainsAny(x.Request.URL, " \"") {
				continue
			}
			u, err := url.Parse(x.Request.URL)
			if err != nil {
				continue
			}
			op, _, ok := backends.MatchOperation(ops, x.Request.Method, u.EscapedPath())
			key := fmt.Sprint(op.Name, x.Response.Status)
			if !ok || op.Mutates || op.Returns == "websocket" || op.Returns == "binary" {
				continue
			}
			count[key]++
			media := x.Response.Headers["Content-Type"]
			out = append(out, recorded{
				name: strings.TrimSuffix(file, ".jsonl") + " " + x.Name, op: op, target: x.Request.Method + " " + x.Request.URL, status: x.Response.Status, media: media, body: []byte(*x.Response.Body.Text),
				extra: count[key] > 2,
			})
		}
		if err := f.Close(); err != nil || sc.Err() != nil {
			t.Fatal(err, sc.Err())
		}
	}
	return out
}

var placeholder = regexp.MustCompile(`<[^>]*>`)

// espSamples loads the exchange of each operation of the vendor's document.
func espSamples(t *testing.T, ops []backends.Operation) []recorded {
	t.Helper()
	dir := recordings.Of("esp")
	files, err := fs.Glob(dir, "samples/*.json")
	if err != nil || len(files) < 120 {
		t.Fatalf("%d samples, %v", len(files), err)
	}
	var out []recorded
	for _, file := range files {
		b, err := fs.ReadFile(dir, file)
		if err != nil {
			t.Fatal(err)
		}
		var x struct {
			Name, Method, Path string
			Request            struct {
				JSON  map[string]any    `json:"json"`
				Form  map[string]any    `json:"form"`
				Query map[string]any    `json:"query"`
				Files map[string]string `json:"files"`
			}
			Response struct {
				Status      int
				ContentType string          `json:"content_type"`
				JSON        json.RawMessage `json:"json"`
				Text        string          `json:"text"`
			}
		}
		if err := json.Unmarshal(b, &x); err != nil {
			continue // of another form: a WebSocket's
		}
		path := placeholder.ReplaceAllString(x.Path, "1")
		op, args, ok := backends.MatchOperation(ops, x.Method, path)
		if !ok || x.Response.Status == 0 || op.Name == "auth.login" || op.Name == "auth.logout" {
			continue
		}
		for _, m := range []map[string]any{x.Request.JSON, x.Request.Form, x.Request.Query} {
			for k, v := range m {
				if _, known := op.Param(k); known && v != nil {
					args[k] = v
				}
			}
		}
		for _, p := range op.Params {
			if _, given := args[p.Name]; !given && p.Required && p.Default == "" {
				if v := plainValue(p); v != nil {
					args[p.Name] = v
				}
			}
			if f, isFile := args[p.Name].(conformance.SampleFile); isFile {
				args[p.Name] = f.Content
			}
		}
		body := []byte(x.Response.JSON)
		if len(body) == 0 {
			body = []byte(x.Response.Text)
		}
		out = append(out, recorded{name: filepath.Base(file), op: op, args: args, status: x.Response.Status, media: x.Response.ContentType, body: body})
	}
	return out
}
