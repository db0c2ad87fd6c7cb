package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"mime"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/edrctl/edrctl/cmd/cli"
	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/backends/conformance"
	genefake "github.com/edrctl/edrctl/internal/backends/gene/fake"
	"github.com/edrctl/edrctl/internal/demo"
	"github.com/edrctl/edrctl/internal/iostreams"
	"github.com/edrctl/edrctl/internal/output"
)

// target is one server whose whole API is called.
type coverTarget struct {
	label   string // gene v1.7.0
	version string // of Gene; "" = the only one
	backend backends.Backend
	profile string
	samples map[string]conformance.Sample
	rec     *coverRecorder
	given   map[string]string // what its profile holds
	ahead   *atomic.Int64     // how far the server's clock runs before ours
	run     func(args ...string) (code int, stdout, stderr string)
}

// wireCall is a request and its answer as they went over the wire.
type wireCall struct {
	method, path, query, contentType string
	body                             []byte
	status                           int
	answerType                       string
	answer                           []byte
}

// coverRecorder sits in front of a server and keeps what passes.
type coverRecorder struct {
	mu   sync.Mutex
	next http.Handler
	log  []wireCall
	busy int // requests whose answer is not written down yet
	idle *sync.Cond
}

func newRecorder() *coverRecorder {
	r := &coverRecorder{}
	r.idle = sync.NewCond(&r.mu)
	return r
}

func (r *coverRecorder) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	x := wireCall{method: req.Method, path: req.URL.EscapedPath(), query: req.URL.RawQuery, contentType: req.Header.Get("Content-Type")}
	if req.Header.Get("Upgrade") != "" {
		r.add(x)
		r.next.ServeHTTP(w, req)
		return
	}
	r.begin(1)
	defer r.begin(-1)
	x.body, _ = io.ReadAll(req.Body)
	req.Body = io.NopCloser(bytes.NewReader(x.body))
	kept := &coverTee{ResponseWriter: w, status: http.StatusOK}
	r.next.ServeHTTP(kept, req)
	x.status, x.answer, x.answerType = kept.status, kept.buf.Bytes(), w.Header().Get("Content-Type")
	r.add(x)
}

// begin counts a request in, or out again.
func (r *coverRecorder) begin(n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.busy += n; r.busy == 0 {
		r.idle.Broadcast()
	}
}

func (r *coverRecorder) add(x wireCall) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.log = append(r.log, x)
}

func (r *coverRecorder) take() []wireCall {
	r.mu.Lock()
	defer r.mu.Unlock()
	for r.busy > 0 { // an answer is whole at the client before it is written down here
		r.idle.Wait()
	}
	out := r.log
	r.log = nil
	return out
}

type coverTee struct {
	http.ResponseWriter
	status int
	buf    bytes.Buffer
}

func (t *coverTee) WriteHeader(code int) { t.status = code; t.ResponseWriter.WriteHeader(code) }

func (t *coverTee) Write(p []byte) (int, error) {
	t.buf.Write(p)
	return t.ResponseWriter.Write(p)
}

func (t *coverTee) Unwrap() http.ResponseWriter { return t.ResponseWriter }

// inProcess runs command lines as the program does, over one profile.
func coverRun(t testing.TB, backend, profile, server string, secrets, settings map[string]string) func(args ...string) (int, string, string) {
	t.Helper()
	home := t.TempDir()
	config := filepath.Join(home, "config.yaml")
	text := fmt.Sprintf("default: [%s]\nprofiles:\n  %s:\n    backend: %s\n    url: %q\n    rate: {per_second: 10000}\n", profile, profile, backend, server)
	for k, v := range settings {
		text += fmt.Sprintf("    %s: %s\n", k, v)
	}
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	env := map[string]string{
		"EDRCTL_CONFIG": config, "HOME": home, "XDG_CONFIG_HOME": home, "XDG_STATE_HOME": home, "XDG_CACHE_HOME": home, "LANG": "C.UTF-8",
		"DBUS_SESSION_BUS_ADDRESS": "unix:path=/nowhere",
	}
	for k, v := range secrets {
		env["EDRCTL_"+strings.ToUpper(strings.NewReplacer("-", "_", ".", "_").Replace(profile+"_"+k))] = v
	}
	return func(args ...string) (int, string, string) {
		ios, _, out, errOut := iostreams.Test()
		code := cli.Main(append([]string{"-p", profile}, args...), ios, func(k string) string { return env[k] })
		return code, out.String(), errOut.String()
	}
}

// hurried is a clock on which what a stream brings comes soon.
func hurried() func() time.Time {
	began := time.Now()
	return func() time.Time { return began.Add(50 * time.Since(began)) }
}

// targets starts every backend with the standard intrusion, Gene at both ends
// of its versions.
func coverTargets(t *testing.T) []*coverTarget {
	t.Helper()
	var out []*coverTarget
	start := func(label, version, name string, serve func(x *coverTarget, wrap func(http.Handler) http.Handler) (string, map[string]string, map[string]string)) {
		b, err := backends.Lookup(name)
		if err != nil {
			t.Fatal(err)
		}
		samples, err := conformance.Samples(name, version)
		if err != nil {
			t.Fatal(err)
		}
		x := &coverTarget{label: label, version: version, backend: b, profile: "cover-" + name, samples: samples, rec: newRecorder(), ahead: &atomic.Int64{}}
		server, secrets, settings := serve(x, func(h http.Handler) http.Handler { x.rec.next = h; return x.rec })
		x.given = maps.Clone(secrets)
		for k, v := range settings {
			x.given[k] = v
		}
		x.run = coverRun(t, name, x.profile, server, secrets, settings)
		out = append(out, x)
	}
	for _, name := range []string{"cwatch", "carbonblack", "esp"} {
		start(name, "", name, func(_ *coverTarget, wrap func(http.Handler) http.Handler) (string, map[string]string, map[string]string) {
			server, secrets, settings, stop, err := demo.One(t.Context(), name, time.Now, 1, wrap)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = stop() }) // the test is over
			return server, secrets, settings
		})
	}
	for _, version := range []string{genefake.V170, genefake.Head} {
		start("gene "+version, version, "gene", func(x *coverTarget, wrap func(http.Handler) http.Handler) (string, map[string]string, map[string]string) {
			f := demo.GeneServer(time.Now(), 1, genefake.Options{Version: version, Key: genefake.DefaultKey, AgentDelay: 5 * time.Millisecond, Now: hurried()})
			srv := httptest.NewServer(wrap(f))
			t.Cleanup(func() { f.Close(); srv.Close() })
			return srv.URL, map[string]string{"api_key": genefake.DefaultKey}, nil
		})
	}
	return out
}

// absent tells why this version of the server does not have an operation.
func (x *coverTarget) absent(op backends.Operation) string {
	switch {
	case x.version == genefake.V170 && op.Since != "":
		return "since " + op.Since
	case x.version == genefake.Head && op.Until != "":
		return "until " + op.Until
	}
	return ""
}

// flags are the parameters of all operations as `api list` tells them.
func flagsOf(t *testing.T, x *coverTarget) map[string]map[string]string {
	t.Helper()
	code, out, stderr := x.run("api", "list", "--backend", x.backend.Name, "-o", "json")
	if code != 0 {
		t.Fatalf("api list: %s", stderr)
	}
	var list []struct {
		Name   string
		Params []struct{ Name, Flag string }
	}
	if err := json.Unmarshal([]byte(out), &list); err != nil {
		t.Fatal(err)
	}
	flags := map[string]map[string]string{}
	for _, op := range list {
		flags[op.Name] = map[string]string{}
		for _, p := range op.Params {
			flags[op.Name][p.Name] = p.Flag
		}
	}
	if len(flags) != len(x.backend.Catalog()) {
		t.Errorf("api list gives %d operations, the catalogue has %d", len(flags), len(x.backend.Catalog()))
	}
	return flags
}

// command is the command line of an operation.
func coverCommand(t *testing.T, op backends.Operation, flags map[string]string, args map[string]any, input string) []string {
	t.Helper()
	line := []string{"api", op.Name}
	for _, name := range slices.Sorted(func(yield func(string) bool) {
		for k := range args {
			if !yield(k) {
				return
			}
		}
	}) {
		text := ""
		switch v := args[name].(type) {
		case string:
			text = v
		case conformance.SampleFile:
			text = filepath.Join(t.TempDir(), v.Name)
			if err := os.WriteFile(text, []byte(v.Content), 0o600); err != nil {
				t.Fatal(err)
			}
		default:
			b, err := json.Marshal(v)
			if err != nil {
				t.Fatal(err)
			}
			text = string(b)
		}
		line = append(line, flags[name]+"="+text)
	}
	if input != "" {
		file := filepath.Join(t.TempDir(), "body")
		if err := os.WriteFile(file, []byte(input), 0o600); err != nil {
			t.Fatal(err)
		}
		line = append(line, "--input", file)
	}
	if op.Mutates {
		line = append(line, "--yes")
		if op.Danger != "" {
			line = append(line, "--danger")
		}
	}
	return line
}

// TestCoverage calls every operation of every catalogue through the command
// line, with valid input and with invalid, and holds docs/coverage.md to what
// it found.
func TestCoverage(t *testing.T) {
	servers := coverTargets(t)
	all := make([]*covered, len(servers))
	t.Run("servers", func(t *testing.T) {
		for i, x := range servers {
			t.Run(x.label, func(t *testing.T) {
				t.Parallel()
				flags := flagsOf(t, x)
				c := &covered{target: x, api: map[string]string{}, first: map[string]string{}, unrun: map[string]bool{}}
				all[i] = c
				r := &conformance.Resolver{Samples: x.samples, Now: time.Now(), Given: x.given, Do: func(name string, args map[string]any, input string) ([]byte, error) {
					op, ok := backends.OperationNamed(x.backend.Catalog(), name)
					if !ok {
						return nil, fmt.Errorf("there is no operation %s", name)
					}
					code, out, stderr := x.run(append(coverCommand(t, op, flags[name], args, input), "--show-secrets")...)
					if code != 0 {
						return nil, fmt.Errorf("exit %d: %s", code, stderr)
					}
					return []byte(out), nil
				}}
				looked := false
				for _, op := range conformance.Ordered(x.backend.Catalog(), x.samples) {
					if x.samples[op.Name].Last && !looked {
						c.firstClass(t)
						looked = true
					}
					x.invalid(t, op, flags[op.Name])
					if why := x.absent(op); why != "" {
						x.refusesAbsent(t, op, why, r, flags[op.Name])
						continue
					}
					if x.valid(t, op, flags[op.Name], r) {
						c.api[op.Name] = "edrctl api " + op.Name
					}
				}
				if !looked {
					c.firstClass(t)
				}
				if !t.Failed() && len(c.api) == 0 {
					t.Error("nothing was called")
				}
				t.Logf("%s: %d operations called through the command line", x.label, len(c.api))
			})
		}
	})
	if t.Failed() || slices.Contains(all, nil) { // -run chose some of them
		return
	}
	page := coveragePage(all)
	const file = "../../docs/coverage.md"
	if *updateDocs {
		if err := os.WriteFile(file, page, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if kept, err := os.ReadFile(file); err != nil || !bytes.Equal(kept, page) {
		t.Errorf("docs/coverage.md is not what this test found (%v): go test ./cmd/edrctl -run TestCoverage -update", err)
	}
}

// valid calls an operation by its sample: exactly it is asked, with what the
// catalogue allows, and its answer is shown.
func (x *coverTarget) valid(t *testing.T, op backends.Operation, flags map[string]string, r *conformance.Resolver) bool {
	t.Helper()
	s, ok := x.samples[op.Name]
	if !ok {
		t.Errorf("%s: there is no sample to call it with", op.Name)
		return false
	}
	if s.Skip != "" {
		t.Errorf("%s is not called: %s", op.Name, s.Skip)
		return false
	}
	args, input, err := r.Args(op.Name)
	if err != nil {
		t.Errorf("%s: %v", op.Name, err)
		return false
	}
	line := coverCommand(t, op, flags, args, input)
	if op.Returns == "websocket" {
		line = append(line, "--max", "1", "--timeout", "20s")
	}
	x.rec.take()
	var over chan struct{}
	if op.Returns == "websocket" {
		over = make(chan struct{})
		go x.hurry(over)
	}
	code, stdout, stderr := x.run(line...)
	if over != nil {
		close(over)
	}
	if (code != 0) != (s.Fails != "") {
		t.Errorf("%s: exit %d: %s", strings.Join(line, " "), code, stderr)
		return false
	}
	var hit []wireCall
	for _, e := range x.rec.take() {
		found, _, ok := x.operationOf(e)
		switch {
		case !ok:
			t.Errorf("%s: a request of no operation was sent: %s %s", op.Name, e.method, e.path)
		case found.Name == op.Name:
			hit = append(hit, e)
		case found.Mutates && found.Name != "auth.logout":
			t.Errorf("%s: %s was called, which changes something", op.Name, found.Name)
		}
	}
	if len(hit) == 0 || op.Mutates && len(hit) != 1 { // a read may be repeated when the server failed
		t.Errorf("%s: it was sent %d times: %s%s", op.Name, len(hit), stdout, stderr)
		return false
	}
	last := hit[len(hit)-1]
	if err := x.documented(op, last); err != nil {
		t.Errorf("%s: the request is not the documented one: %v", op.Name, err)
		return false
	}
	if err := coverShown(op, last, stdout); err != nil && s.Fails == "" {
		t.Errorf("%s: %v", op.Name, err)
		return false
	}
	return true
}

// operationOf finds the operation a request is of.
func (x *coverTarget) operationOf(e wireCall) (backends.Operation, map[string]any, bool) {
	if x.backend.Name == "esp" && strings.HasPrefix(e.path, "/downloads/") { // outside the API, names have slashes
		op, ok := backends.OperationNamed(x.backend.Catalog(), "downloads.get")
		return op, nil, ok
	}
	return backends.MatchOperation(x.backend.Catalog(), e.method, strings.TrimPrefix(e.path, x.base()))
}

// hurry makes the server's time run, so that a stream has something to say.
func (x *coverTarget) hurry(over <-chan struct{}) {
	for {
		select {
		case <-over:
			return
		case <-time.After(20 * time.Millisecond):
			x.ahead.Add(int64(time.Minute))
		}
	}
}

// base is the part of the server's paths that no catalogue has.
func (x *coverTarget) base() string {
	if x.backend.Name == "esp" {
		return espBase
	}
	return ""
}

const espBase = "/esp-ui/services/api/v1"

// documented holds a request to the catalogue: every parameter where it
// belongs and of its type, the required ones there, nothing else.
func (x *coverTarget) documented(op backends.Operation, e wireCall) error {
	given := map[string]string{}
	q, err := url.ParseQuery(e.query)
	if err != nil {
		return err
	}
	for name, v := range q {
		given["query "+name] = v[0]
	}
	media, params, _ := mime.ParseMediaType(e.contentType)
	switch {
	case op.Body == "raw" || len(e.body) == 0:
	case media == "multipart/form-data":
		mr := multipart.NewReader(bytes.NewReader(e.body), params["boundary"])
		for {
			p, err := mr.NextPart()
			if err == io.EOF {
				break
			}
			if err != nil {
				return err
			}
			b, _ := io.ReadAll(p)
			where := "body "
			if p.FileName() != "" {
				where = "file "
			}
			given[where+p.FormName()] = string(b)
		}
	default:
		var members map[string]json.RawMessage
		if err := json.Unmarshal(e.body, &members); err != nil {
			return fmt.Errorf("its body is not a JSON object: %.80s", e.body)
		}
		for name, v := range members {
			text := string(v)
			var s string
			if json.Unmarshal(v, &s) == nil {
				text = s
			}
			given["body "+name] = text
		}
	}
	for _, p := range op.Params {
		key := p.In + " " + p.Name
		v, ok := given[key]
		delete(given, key)
		switch {
		case p.In == "path" || p.In == "header" || p.In == "local" || op.Body == "raw" && p.In != "query":
		case !ok && p.Required && p.Default == "":
			return fmt.Errorf("%s is missing", p.Name)
		case ok && p.Type != "file" && p.Type != "json" && v != "":
			if _, err := p.Value(v); err != nil {
				return fmt.Errorf("%s: %w", p.Name, err)
			}
		}
	}
	for key := range given {
		return fmt.Errorf("it has %s, which is not documented", key)
	}
	return nil
}

// shown compares what was printed with what the server said.
func coverShown(op backends.Operation, e wireCall, stdout string) error {
	switch op.Returns {
	case "websocket":
		if !json.Valid([]byte(strings.TrimSpace(stdout))) {
			return fmt.Errorf("no record is shown: %.200q", stdout)
		}
		return nil
	case "csv", "binary":
		if stdout != string(e.answer) || stdout == "" {
			return fmt.Errorf("%d bytes are shown of %d", len(stdout), len(e.answer))
		}
		return nil
	}
	want := bytes.TrimSpace(e.answer)
	if len(want) == 0 {
		if strings.TrimSpace(stdout) != "" {
			return fmt.Errorf("an answer is shown where the server gave none: %.200q", stdout)
		}
		return nil
	}
	if !json.Valid(want) {
		if strings.TrimSpace(stdout) != string(want) && strings.TrimSpace(stdout) != strconv.Quote(string(want)) {
			return fmt.Errorf("shown is %.200q, the server said %.200q", stdout, want)
		}
		return nil
	}
	hidden, err := output.HideIn(want, op.Hides)
	if err != nil {
		return err
	}
	if !coverSame(hidden, []byte(stdout)) {
		return fmt.Errorf("shown is %.300s, the server said %.300s", stdout, hidden)
	}
	return nil
}

func coverSame(a, b []byte) bool {
	canon := func(in []byte) string {
		d := json.NewDecoder(bytes.NewReader(in))
		d.UseNumber()
		var v any
		if d.Decode(&v) != nil {
			return "not JSON: " + string(in)
		}
		out, _ := json.Marshal(v)
		return string(out)
	}
	return canon(a) == canon(b)
}

// invalid calls an operation with something wrong: refused before it is sent,
// exit 2.
func (x *coverTarget) invalid(t *testing.T, op backends.Operation, flags map[string]string) {
	t.Helper()
	line := []string{"api", op.Name}
	wrong := ""
	for _, p := range op.Params {
		switch {
		case p.Required && p.Default == "":
			wrong = "missing " + p.Name
		case wrong == "" && (p.Type == "int" || p.Type == "bool" || p.Type == "time" || p.Type == "object" || len(p.Enum) > 0):
			wrong = "wrong " + p.Name
			line = append(line, flags[p.Name]+"=?")
		}
		if strings.HasPrefix(wrong, "missing") {
			line = line[:2]
			break
		}
	}
	if wrong == "" {
		line, wrong = append(line, "-f", "no_such_parameter=1"), "an unknown parameter"
	}
	if op.Mutates {
		line = append(line, "--yes", "--danger")
	}
	x.rec.take()
	code, stdout, stderr := x.run(line...)
	if code != 2 || stdout != "" || !strings.Contains(stderr, "edrctl: ") {
		t.Errorf("%s with %s: exit %d, %q, %q", op.Name, wrong, code, stdout, stderr)
	}
	if sent := x.rec.take(); len(sent) > 0 {
		t.Errorf("%s with %s was sent: %s %s", op.Name, wrong, sent[0].method, sent[0].path)
	}
}

// refusesAbsent: an operation this version does not have is reported as
// missing, by the driver or by the server, and never done.
func (x *coverTarget) refusesAbsent(t *testing.T, op backends.Operation, why string, r *conformance.Resolver, flags map[string]string) {
	t.Helper()
	args := map[string]any{}
	for _, p := range op.Params {
		if p.Required {
			args[p.Name] = plainValue(p)
		}
	}
	line := coverCommand(t, op, flags, args, "")
	if op.Returns == "websocket" {
		line = append(line, "--max", "1", "--timeout", "5s")
	}
	code, stdout, stderr := x.run(line...)
	if code == 0 || code == 2 && !strings.Contains(stderr, op.Name) {
		t.Errorf("%s (%s) on %s: exit %d: %.200s %s", op.Name, why, x.label, code, stdout, stderr)
	}
}

// plainValue is some value of a parameter's type.
func plainValue(p backends.Param) any {
	switch {
	case len(p.Enum) > 0:
		return p.Enum[0]
	case p.Type == "int":
		return "1"
	case p.Type == "file":
		return conformance.SampleFile{Name: "a.bin", Content: "x"}
	case p.Type == "object":
		return map[string]any{}
	case p.Type == "array":
		return []any{map[string]any{}}
	case p.Type == "json":
		return map[string]any{"Name": "x"}
	case p.In == "path" && p.Name == "uuid":
		return "00000000-0000-0000-0000-000000000000"
	}
	return "x"
}
