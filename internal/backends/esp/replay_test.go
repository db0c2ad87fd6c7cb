package esp_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"mime"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/backends/esp"
	"github.com/edrctl/edrctl/internal/backends/esp/catalog"
	"github.com/edrctl/edrctl/internal/recordings"
)

type body struct {
	Text string `json:"text"`
	File string `json:"file"`
}

type exchange struct {
	N       string `json:"n"`
	Name    string `json:"name"`
	Request struct {
		Method  string            `json:"method"`
		URL     string            `json:"url"`
		Headers map[string]string `json:"headers"`
		Body    *body             `json:"body"`
		Form    map[string]any    `json:"form"`
		Files   map[string]struct {
			Filename string `json:"filename"`
			Content  string `json:"content"`
		} `json:"files"`
	} `json:"request"`
	Response struct {
		Status  int               `json:"status"`
		Headers map[string]string `json:"headers"`
		Body    body              `json:"body"`
	} `json:"response"`
	dir fs.FS
}

func (x *exchange) answer(t testing.TB) []byte {
	t.Helper()
	if x.Response.Body.File == "" {
		return []byte(x.Response.Body.Text)
	}
	b, err := fs.ReadFile(x.dir, x.Response.Body.File)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func exchanges(t testing.TB) []*exchange {
	t.Helper()
	dir := recordings.Of("esp")
	var out []*exchange
	for _, name := range []string{"ce-3.5.1.jsonl", "ce-3.5.1-reattached.jsonl"} {
		f, err := dir.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		sc := bufio.NewScanner(f)
		sc.Buffer(nil, 16<<20)
		for sc.Scan() {
			x := &exchange{dir: dir}
			if err := json.Unmarshal(sc.Bytes(), x); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			out = append(out, x)
		}
		if err := errors.Join(sc.Err(), f.Close()); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

// sentRequest is what the driver sent, with its parameters merged as the
// server's parser merges them (docs/wire/esp.md §4).
type sentRequest struct {
	method, path string
	args         map[string]any
	token        string
}

func merge(t testing.TB, method, rawURL, ctype string, bodyBytes []byte) sentRequest {
	t.Helper()
	u, err := url.Parse(rawURL)
	if err != nil {
		t.Fatal(err)
	}
	s := sentRequest{method: method, path: u.EscapedPath(), args: map[string]any{}}
	for k, v := range u.Query() {
		s.args[k] = v[0]
	}
	media, params, _ := mime.ParseMediaType(ctype)
	switch {
	case media == "multipart/form-data":
		r := multipart.NewReader(strings.NewReader(string(bodyBytes)), params["boundary"])
		for {
			p, err := r.NextPart()
			if err != nil {
				break
			}
			b, _ := io.ReadAll(p)
			s.args[p.FormName()] = string(b)
		}
	case len(bodyBytes) > 0:
		var m map[string]any
		if err := json.Unmarshal(bodyBytes, &m); err != nil {
			t.Fatalf("a request body that is not a JSON object: %.80q", bodyBytes)
		}
		for k, v := range m {
			s.args[k] = v
		}
	}
	return s
}

// asServerReads makes numbers and numeric strings equal, and booleans and
// their words, as the server's parser does.
func asServerReads(v any) any {
	switch x := v.(type) {
	case float64, bool:
		return strings.ToLower(fmt.Sprint(x))
	case string:
		return x
	case map[string]any:
		out := map[string]any{}
		for k, e := range x {
			out[k] = asServerReads(e)
		}
		return out
	case []any:
		out := make([]any, len(x))
		for i, e := range x {
			out[i] = asServerReads(e)
		}
		return out
	}
	return v
}

// replayer answers every call but the login with one recorded response.
type replayer struct {
	t      testing.TB
	mu     sync.Mutex
	status int
	header map[string]string
	body   []byte
	sent   []sentRequest
	logins int
}

func (r *replayer) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	b, _ := io.ReadAll(req.Body)
	r.mu.Lock()
	defer r.mu.Unlock()
	if strings.HasSuffix(req.URL.Path, "/login") && r.header["login"] == "" {
		r.logins++
		w.Header().Set("Content-Type", "application/json")
		_, _ = fmt.Fprintf(w, `{"token": "secret-token-%d"}`, r.logins)
		return
	}
	if strings.HasSuffix(req.URL.Path, "/hosts/count") && req.Header.Get("X-Access-Token") == "" {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = io.WriteString(w, `{"message": {"message": "Request did not contain valid API key!"}}`)
		return
	}
	s := merge(r.t, req.Method, req.URL.String(), req.Header.Get("Content-Type"), b)
	s.token = req.Header.Get("X-Access-Token")
	r.sent = append(r.sent, s)
	if ct := r.header["Content-Type"]; ct != "" {
		w.Header().Set("Content-Type", ct)
	}
	w.WriteHeader(r.status)
	_, _ = w.Write(r.body)
}

// notDriven are the recorded exchanges no driver call can make, with why.
var notDriven = map[string]string{
	"044d": "its request asks for a range; Download does that (TestDownload), and a raw call refuses a part of an answer",
	"000c": "the path is in no catalogue; the probe's test drives such an answer",
	"000d": "the driver never sends a wrong method",
	"000e": "the driver never sends broken JSON",
	"000i": "the driver never sends a form where JSON is taken",
	"000p": "the driver never sends a list as body",
	"000q": "the driver sends booleans as booleans",
	"000s": "the driver never sends a bearer token",
	"001":  "logging in is driven by the session tests", "001b": "logging in is driven by the session tests",
	"001c": "logging in is driven by the session tests", "001d": "logging in is driven by the session tests", "001e": "logging in is driven by the session tests",
	"013b": "the driver names the column indicator_type",
	"022e": "the driver sends an empty object instead of no body",
}

func findOperation(method, path string) (backends.Operation, map[string]any, bool) {
	got := strings.Split(strings.Trim(path, "/"), "/")
	ops := catalog.Operations()
	slices.SortStableFunc(ops, func(a, b backends.Operation) int {
		return strings.Count(a.Path, "{") - strings.Count(b.Path, "{")
	})
next:
	for _, op := range ops {
		want := strings.Split(strings.Trim(op.Path, "/"), "/")
		if op.Method != method || len(want) != len(got) {
			continue
		}
		args := map[string]any{}
		for i := range want {
			if strings.HasPrefix(want[i], "{") {
				v, _ := url.PathUnescape(got[i])
				args[strings.Trim(want[i], "{}")] = v
			} else if want[i] != got[i] {
				continue next
			}
		}
		return op, args, true
	}
	return backends.Operation{}, nil, false
}

// argsOf gives the recorded parameters by name.
func argsOf(t testing.TB, x *exchange, into map[string]any) sentRequest {
	t.Helper()
	var b []byte
	if x.Request.Body != nil {
		b = []byte(x.Request.Body.Text)
	}
	want := merge(t, x.Request.Method, x.Request.URL, "", b)
	for k, v := range x.Request.Form {
		want.args[k] = v
	}
	for k, f := range x.Request.Files {
		want.args[k] = f.Content
		into[k] = backends.File{Name: f.Filename, Content: []byte(f.Content)}
	}
	for k, v := range want.args {
		if _, isFile := into[k].(backends.File); isFile {
			continue
		}
		if f, isNumber := v.(float64); isNumber && f == float64(int64(f)) {
			into[k] = int64(f)
			continue
		}
		into[k] = v
	}
	return want
}

// TestReplay drives every recorded exchange of the real server through the
// driver: its request must say the same, its result must be what the body
// says.
func TestReplay(t *testing.T) {
	all := exchanges(t)
	driven, refused, changes, left := 0, 0, 0, 0
	for _, x := range all {
		t.Run(x.N+"-"+x.Name, func(t *testing.T) {
			path := strings.TrimPrefix(strings.SplitN(x.Request.URL, "?", 2)[0], "/esp-ui/services/api/v1")
			if why, listed := notDriven[x.N]; listed {
				left++
				t.Logf("not driven: %s", why)
				return
			}
			op, args, ok := findOperation(x.Request.Method, path)
			if file, outside := strings.CutPrefix(path, "/downloads/"); outside {
				op, args, ok = catalog.Operations()[0], map[string]any{"path": file}, true
			}
			if !ok {
				t.Fatalf("no operation for %s %s", x.Request.Method, path)
			}
			if op.Mutates {
				changes++
			}
			want := argsOf(t, x, args)
			rp := &replayer{t: t, status: x.Response.Status, header: x.Response.Headers, body: x.answer(t)}
			srv := httptest.NewServer(rp)
			defer srv.Close()
			d := newDriver(t, srv.URL, nil)
			a, err := d.Invoke(t.Context(), op, args)
			if len(rp.sent) == 0 {
				if backends.KindOf(err) != backends.KindInvalid || x.Response.Status == 200 && !strings.Contains(string(rp.body), "failure") {
					t.Fatalf("the driver sent nothing: %v", err)
				}
				refused++
				t.Logf("refused before it is sent: %v", err)
				return
			}
			driven++
			if op.Mutates && len(rp.sent) != 1 {
				t.Errorf("a change was sent %d times", len(rp.sent))
			}
			got := rp.sent[0]
			if got.method != want.method || got.path != want.path || !reflect.DeepEqual(asServerReads(got.args), asServerReads(want.args)) {
				t.Errorf("request\n got %s %s %v\nwant %s %s %v", got.method, got.path, got.args, want.method, want.path, want.args)
			}
			checkAnswer(t, x, op.Mutates, a, err)
		})
	}
	t.Logf("%d recorded exchanges: %d driven through the driver (%d change something), %d refused by it before sending as the server refused them, %d not driven (see the table)",
		len(all), driven, changes, refused, left)
	if total := driven + refused + left; total != len(all) || len(all) != 274 {
		t.Errorf("%d of %d exchanges are accounted for, want 274", total, len(all))
	}
}

// checkAnswer holds the result against the recorded body.
func checkAnswer(t *testing.T, x *exchange, acts bool, a *esp.Answer, err error) {
	t.Helper()
	b := x.answer(t)
	var env struct {
		Status  string          `json:"status"`
		Message json.RawMessage `json:"message"`
		Data    json.RawMessage `json:"data"`
	}
	isJSON := json.Unmarshal(b, &env) == nil
	unavailable := backends.KindUnavailable
	if acts {
		unavailable = backends.KindAmbiguous // a change that met an error of the server may have happened
	}
	kinds := map[int]backends.ErrorKind{400: backends.KindInvalid, 401: backends.KindAuth, 403: backends.KindForbidden, 405: backends.KindOther, 500: unavailable, 410: backends.KindUnsupported}
	switch code := x.Response.Status; {
	case code == 404 && !isJSON:
		if backends.KindOf(err) != backends.KindUnsupported {
			t.Errorf("a missing route: %v, want Unsupported", err)
		}
	case code == 404:
		if backends.KindOf(err) != backends.KindNotFound {
			t.Errorf("got %v, want NotFound", err)
		}
	case code >= 400:
		if backends.KindOf(err) != kinds[code] || err == nil {
			t.Errorf("status %d: %v (kind %d)", code, err, backends.KindOf(err))
		}
	case isJSON && strings.EqualFold(env.Status, "failure"):
		var text string
		_ = json.Unmarshal(env.Message, &text)
		if err == nil || !strings.Contains(err.Error(), strings.Join(strings.Fields(text), " ")) {
			t.Errorf("a failure as HTTP 200 (%s): %v", env.Message, err)
		}
	case err != nil:
		t.Errorf("an answer that is fine: %v", err)
	case isJSON:
		if string(env.Data) == "null" {
			env.Data = nil
		}
		if string(a.Data) != string(env.Data) {
			t.Errorf("data\n got %.200s\nwant %.200s", a.Data, env.Data)
		}
	default:
		if string(a.Body) != string(b) {
			t.Errorf("the body is not what the server sent: %d bytes of %d", len(a.Body), len(b))
		}
	}
	if err != nil && (strings.Contains(strings.ToLower(err.Error()), "<!doctype") || strings.Contains(err.Error(), "secret-token")) {
		t.Errorf("the error shows HTML or a secret: %v", err)
	}
}

// sampleExchange is a document-faithful exchange.
type sampleExchange struct {
	Name    string `json:"name"`
	Method  string `json:"method"`
	Path    string `json:"path"`
	Request struct {
		JSON   map[string]any    `json:"json"`
		Fields map[string]any    `json:"multipart_fields"`
		Files  map[string]string `json:"multipart_files"`
	} `json:"request"`
	Response struct {
		Status      int             `json:"status"`
		ContentType string          `json:"content_type"`
		JSON        json.RawMessage `json:"json"`
		Text        string          `json:"text"`
	} `json:"response"`
}

// TestSamples drives one exchange of every operation of the vendor's document.
func TestSamples(t *testing.T) {
	files, err := fs.Glob(recordings.Of("esp"), "samples/[0-9]*.json")
	if err != nil || len(files) < 120 {
		t.Fatalf("%d samples: %v", len(files), err)
	}
	driven, changes := 0, 0
	for _, f := range files {
		name := strings.TrimSuffix(path.Base(f), ".json")
		t.Run(name, func(t *testing.T) {
			raw, err := fs.ReadFile(recordings.Of("esp"), f)
			if err != nil {
				t.Fatal(err)
			}
			var x sampleExchange
			if err := json.Unmarshal(raw, &x); err != nil {
				t.Fatal(err)
			}
			path := x.Path
			for strings.Contains(path, "<") {
				from, to := strings.Index(path, "<"), strings.Index(path, ">")
				path = path[:from] + "7" + path[to+1:]
			}
			op, args, ok := findOperation(x.Method, path)
			if !ok {
				t.Fatalf("no operation for %s %s", x.Method, x.Path)
			}
			if op.Name == "auth.login" {
				return // driven by the session tests
			}
			if op.Mutates {
				changes++
			}
			known := map[string]bool{}
			for _, p := range op.Params {
				known[p.Name] = true
			}
			for _, m := range []map[string]any{x.Request.JSON, x.Request.Fields} {
				for k, v := range m {
					if f, isNumber := v.(float64); isNumber {
						v = int64(f)
					}
					if p, _ := op.Param(k); known[k] && p.In != "file" { // the document's own misspellings are not sent
						args[k] = v
					}
				}
			}
			for k := range x.Request.Files {
				args[k] = backends.File{Name: "indicators.txt", Content: []byte("275a021bbfb6489e54d471899f7db9d1\n")}
			}
			content := []byte(x.Response.Text)
			if len(x.Response.JSON) > 0 {
				content = x.Response.JSON
			}
			rp := &replayer{t: t, status: x.Response.Status, header: map[string]string{"Content-Type": x.Response.ContentType}, body: content}
			srv := httptest.NewServer(rp)
			defer srv.Close()
			a, err := newDriver(t, srv.URL, nil).Invoke(t.Context(), op, args)
			if strings.HasPrefix(op.Name, "yara.") && backends.KindOf(err) == backends.KindInvalid && len(rp.sent) == 0 {
				t.Logf("the document lacks what 3.5.1 requires, so it is not sent: %v", err)
				return
			}
			if err != nil {
				t.Fatalf("%s: %v", op.Name, err)
			}
			driven++
			var env struct{ Data json.RawMessage }
			if json.Unmarshal(content, &env) == nil && string(a.Data) != string(env.Data) {
				t.Errorf("data differs: %.100s", a.Data)
			}
		})
	}
	t.Logf("%d samples: %d driven, %d of them change something", len(files), driven, changes)
}
