package gene_test

import (
	"bufio"
	"bytes"
	"crypto/sha1"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/model"
	"github.com/edrctl/edrctl/internal/recordings"
)

// exchange is one recorded request to a real manager and its answer.
type exchange struct {
	N, Name string
	Request struct {
		Method, URL string
		Headers     map[string]string
		Body        struct{ Text, File string }
	}
	Response struct {
		Status  int
		Headers map[string]string
		Body    struct{ Text, File string }
		None    any
	}

	set  string
	path string
	q    url.Values
	body []byte

	posted []byte // of a request whose body is a file
}

// sent is the body of the request.
func (e *exchange) sent() []byte {
	if e.posted != nil {
		return e.posted
	}
	return []byte(e.Request.Body.Text)
}
func (e *exchange) sentHeaders() map[string]string { return e.Request.Headers }

func exchanges(t *testing.T) []*exchange {
	t.Helper()
	dir := recordings.Of("gene")
	files, err := fs.Glob(dir, "*.jsonl")
	if err != nil || len(files) == 0 {
		t.Fatalf("no recordings: %v", err)
	}
	slices.Sort(files)
	var out []*exchange
	for _, name := range files {
		f, err := dir.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		sc := bufio.NewScanner(f)
		sc.Buffer(nil, 16<<20)
		for sc.Scan() {
			e := &exchange{set: strings.TrimSuffix(path.Base(name), ".jsonl")}
			if err := json.Unmarshal(sc.Bytes(), e); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			u, err := url.Parse(e.Request.URL)
			if err != nil {
				// The address of one limit test is shortened in the recording.
				u = &url.URL{Path: "/rules", RawQuery: "name=x"}
			}
			e.path, e.q, e.body = u.Path, u.Query(), []byte(e.Response.Body.Text)
			if e.Response.Body.File != "" {
				if e.body, err = fs.ReadFile(dir, e.Response.Body.File); err != nil {
					t.Fatal(err)
				}
			}
			if e.Request.Body.File != "" {
				if e.posted, err = fs.ReadFile(dir, e.Request.Body.File); err != nil {
					t.Fatal(err)
				}
			}
			out = append(out, e)
		}
		_ = f.Close()
	}
	return out
}

var (
	onEndpoint = regexp.MustCompile(`^/endpoints/([0-9a-fA-F-]{36})(/.*)?$`)
	later      = []struct {
		reason string
		match  func(*exchange) bool
	}{
		{"changes something: TestReplayCalls", func(e *exchange) bool {
			return slices.Contains([]string{"POST", "PUT", "DELETE"}, e.Request.Method)
		}},
		{"method the driver never sends", func(e *exchange) bool { return e.Request.Method != "GET" }},
		{"the recording has no body", func(e *exchange) bool { return e.Response.Status == 200 && len(e.body) == 0 }},
		{"acts although GET: TestReplayCalls", func(e *exchange) bool { return e.path == "/rules/save" || e.path == "/rules/reload" }},
		{"state of a command: TestReplayCalls, and respond", func(e *exchange) bool { return strings.Contains(e.path, "/command") }},
		{"download of an artifact: TestReplayCalls, and carve", func(e *exchange) bool {
			m := onEndpoint.FindStringSubmatch(e.path)
			return m != nil && strings.HasPrefix(m[2], "/artifacts/")
		}},
		{"administration (users, IoCs, agent and Sysmon configuration, tools, archive): TestReplayCalls", func(e *exchange) bool {
			return strings.HasPrefix(e.path, "/users") || strings.HasPrefix(e.path, "/iocs") || strings.HasSuffix(e.path, "/config") ||
				strings.HasPrefix(e.path, "/endpoints/windows/osqueryi") || strings.HasPrefix(e.path, "/endpoints/beos") || strings.HasSuffix(e.path, "/archive")
		}},
		{"path the driver never asks for (unknown, trailing slash, a malformed or upper-case UUID)", func(e *exchange) bool {
			return e.path == "/" || e.path == "/nope" || e.path == "/stats/" || e.path == "/endpoints/not-a-uuid" || e.path == "/endpoints/xyz" ||
				strings.HasSuffix(e.path, "/reports") && e.path != "/endpoints/reports" || strings.HasSuffix(e.path, "/endpoints/")
		}},
	}
)

// replayed answers one route as recorded and the ones a reading needs next to
// it as such a manager would.
type replayed struct {
	e    *exchange
	uuid string
	mu   sync.Mutex
	seen []*http.Request
}

const ok = `,"message":"OK","error":""}`

func (r *replayed) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	r.mu.Lock()
	r.seen = append(r.seen, req)
	r.mu.Unlock()
	if req.URL.Path == r.e.path {
		if r.e.Response.Status == 0 {
			panic(http.ErrAbortHandler)
		}
		for k, v := range r.e.Response.Headers {
			if k != "Content-Length" && k != "Transfer-Encoding" {
				w.Header().Set(k, v)
			}
		}
		w.WriteHeader(r.e.Response.Status)
		_, _ = w.Write(r.e.body)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	modern := strings.HasPrefix(r.e.set, "head") || r.e.set == "v1.8.0-beta.2"
	if modern {
		w.Header().Set("Content-Type", "application/json")
	}
	switch {
	case req.URL.Path == "/endpoints":
		doc := `{"uuid":"` + r.uuid + `","hostname":"X","ip":"","key":"sEcReT0123456789","last-connection":"0001-01-01T00:00:00Z"}`
		if r.uuid == "" {
			doc = ""
		}
		_, _ = w.Write([]byte(`{"data":[` + doc + `]` + ok))
	case req.URL.Path == "/endpoints/reports":
		_, _ = w.Write([]byte(`{"data":{}` + ok))
	case req.URL.Path == "/endpoints/"+r.uuid:
		_, _ = w.Write([]byte(`{"data":{"uuid":"` + r.uuid + `"}` + ok))
	case req.URL.Path == "/stats":
		_, _ = w.Write([]byte(`{"data":{"endpoint-count":1,"rule-count":1}` + ok))
	case strings.HasSuffix(req.URL.Path, "/report"):
		_, _ = w.Write([]byte(`{"data":null` + ok))
	case strings.HasSuffix(req.URL.Path, "/detections") && modern, strings.HasSuffix(req.URL.Path, "/alerts") && !modern:
		_, _ = w.Write([]byte(`{"data":[]` + ok))
	default:
		http.Error(w, "404 page not found", http.StatusNotFound)
	}
}

// TestReplay drives every recorded read through the driver.
func TestReplay(t *testing.T) {
	driven, listed := 0, map[string]int{}
	for _, e := range exchanges(t) {
		reason := ""
		for _, l := range later {
			if l.match(e) {
				reason = l.reason
				break
			}
		}
		if reason != "" {
			listed[reason]++
			continue
		}
		driven++
		t.Run(e.set+"/"+e.N+"-"+e.Name, func(t *testing.T) { replay(t, e) })
	}
	total := driven
	for reason, n := range listed {
		t.Logf("%4d not driven: %s", n, reason)
		total += n
	}
	t.Logf("%4d of %d recorded exchanges driven through the driver", driven, total)
	if total != 722 || driven < 250 {
		t.Errorf("%d exchanges, %d driven", total, driven)
	}
}

func replay(t *testing.T, e *exchange) {
	t.Parallel()
	h := &replayed{e: e, uuid: uuid1}
	rest := ""
	if m := onEndpoint.FindStringSubmatch(e.path); m != nil {
		h.uuid, rest = m[1], m[2]
	}
	srv := httptest.NewServer(h)
	defer srv.Close()
	d, warned := open(t, srv.URL)
	var env struct {
		Data  json.RawMessage
		Error *string
	}
	said := ""
	if err := json.Unmarshal(e.body, &env); err == nil && env.Error != nil {
		said = *env.Error
	}
	// wrong checks the error of an exchange that is not a success.
	wrong := func(err error) bool {
		t.Helper()
		switch {
		case e.Response.Status == 0:
			if k := backends.KindOf(err); k != backends.KindUnavailable {
				t.Errorf("no answer: kind %d, %v", k, err)
			}
		case e.Response.Status == 403:
			if backends.KindOf(err) != backends.KindAuth || !strings.Contains(err.Error(), "api_key") {
				t.Errorf("403: %v", err)
			}
		case e.Response.Status != 200:
			var own *backends.Error
			if !errors.As(err, &own) {
				t.Errorf("%d: %v", e.Response.Status, err)
			}
		case said != "":
			if err == nil || !strings.Contains(err.Error(), "the manager says") {
				t.Errorf("error %q in the answer: %v", said, err)
			}
		default:
			if err != nil {
				t.Error(err)
				return true
			}
			return false
		}
		return true
	}
	ctx := t.Context()
	switch {
	case e.path == "/stats" || e.path == "/endpoints/windows/sysmon/binary" || e.path == "/endpoints/windows/sysmon/config":
		if e.path != "/stats" {
			said = "" // there or not there: both tell the version
		}
		health, err := d.Check(ctx)
		if !wrong(err) && health.Version == "" {
			t.Errorf("health %+v", health)
		}
	case e.path == "/endpoints":
		checkHosts(t, env.Data, d, wrong)
	case e.path == "/endpoints/reports":
		h.uuid = uuid1
		checkReports(t, env.Data, h, d, wrong)
	case e.path == "/endpoints/artifacts":
		t.Skip("not asked by the driver: it would list deleted endpoints, and older managers do not have it")
	case e.path == "/rules":
		checkRules(t, env.Data, d, wrong)
	case strings.HasPrefix(e.path, "/stream/"):
		l, err := d.WatchEvents(ctx, backends.Query{})
		if _, err = drain(l, err); err == nil {
			t.Error("a refused stream is not an error")
		}
	case rest == "":
		host, err := d.Host(ctx, h.uuid, true)
		var one struct{ UUID, Hostname string }
		_ = json.Unmarshal(env.Data, &one)
		switch {
		case one.UUID == h.uuid:
			if err != nil || host.ID != h.uuid || host.Name != one.Hostname || bytes.Contains(host.Raw, []byte(`"key"`)) {
				t.Errorf("%+v %v", host, err)
			}
		default: // of another endpoint, of nobody, unknown: the list is the truth, and the alarm is raised
			if err != nil || host.ID != h.uuid || !warned.has("its index is wrong") {
				t.Errorf("%+v %v, warned %v", host, err, warned.text)
			}
		}
	case rest == "/report":
		l, err := d.Reports(ctx, h.uuid, backends.Query{})
		got, err := drain(l, err)
		if wrong(err) {
			return
		}
		if string(env.Data) == "null" {
			if len(got) != 0 {
				t.Errorf("%+v", got)
			}
			return
		}
		checkReport(t, env.Data, got[0])
	case rest == "/artifacts":
		l, err := d.Carves(ctx, backends.Query{})
		got, err := drain(l, err)
		switch {
		case strings.HasSuffix(said, "no such file or directory"):
			if err != nil || len(got) != 0 {
				t.Errorf("an empty store: %v %v", got, err)
			}
		case e.Response.Status == 404:
			if backends.KindOf(err) != backends.KindUnsupported {
				t.Error(err)
			}
		case !wrong(err):
			var sets []struct{ Files []any }
			_ = json.Unmarshal(env.Data, &sets)
			want := 0
			for _, s := range sets {
				want += len(s.Files)
			}
			if len(got) != want {
				t.Errorf("%d files, want %d", len(got), want)
			}
		}
	case rest == "/logs", rest == "/alerts", rest == "/detections":
		checkLog(t, e, h, d, rest, said, wrong)
	default:
		t.Errorf("%s is neither driven nor listed", e.path)
	}
	if said != "" || e.Response.Status != 200 {
		return
	}
	// The request is the recorded one: same path, same method, and the key
	// under both names.
	for _, r := range h.seen {
		old := r.Header.Get("Api-Key") // /stats tells whether the new name is known alone
		if old != testKey && (old != "" || r.URL.Path != "/stats") || r.Header.Get("X-Api-Key") != testKey {
			t.Errorf("%s without a key", r.URL)
		}
		if r.Method != "GET" {
			t.Errorf("%s %s", r.Method, r.URL)
		}
	}
}

type reader interface {
	backends.AlertLister
	backends.EventSearcher
	backends.HostLister
	backends.RuleLister
	backends.Reporter
}

func checkHosts(t *testing.T, data json.RawMessage, d reader, wrong func(error) bool) {
	t.Helper()
	l, err := d.Hosts(t.Context(), backends.Query{Raw: true})
	got, err := drain(l, err)
	if wrong(err) {
		return
	}
	var want []struct{ UUID, Hostname, Key string }
	if err := json.Unmarshal(data, &want); err != nil {
		t.Fatal(err)
	}
	byID := map[string]*model.Host{}
	for _, h := range got {
		byID[h.ID] = h
	}
	n := 0
	for _, w := range want {
		if w.UUID == "" {
			continue // a phantom
		}
		n++
		h := byID[w.UUID]
		if h == nil || h.Name != w.Hostname {
			t.Fatalf("%s: %+v", w.UUID, h)
		}
		if w.Key != "" && bytes.Contains(h.Raw, []byte(w.Key)) {
			t.Errorf("the key is in raw")
		}
	}
	if len(got) != n {
		t.Errorf("%d hosts, want %d", len(got), n)
	}
}

type recordedReport struct {
	Identifier string
	AlertCount int            `json:"alert-count"`
	By         map[string]int `json:"count-by-signature"`
	Techniques []string
	Tactics    []string
	Score      float64
	Start      time.Time `json:"start-time"`
	Stop       time.Time `json:"stop-time"`
}

func checkReport(t *testing.T, data json.RawMessage, got *model.Report) {
	t.Helper()
	var want recordedReport
	if err := json.Unmarshal(data, &want); err != nil {
		t.Fatal(err)
	}
	if got.AlertCount != want.AlertCount || got.Score != want.Score || len(got.Signatures) != len(want.By) ||
		len(got.Attack) != len(want.Techniques)+len(want.Tactics) || !got.Start.Equal(want.Start) || !got.End.Equal(want.Stop) {
		t.Errorf("report %+v, want %+v", got, want)
	}
	for _, c := range got.Signatures {
		if want.By[c.Value] != c.Count {
			t.Errorf("%s: %d", c.Value, c.Count)
		}
	}
}

func checkReports(t *testing.T, data json.RawMessage, h *replayed, d reader, wrong func(error) bool) {
	t.Helper()
	var want map[string]*recordedReport
	if err := json.Unmarshal(data, &want); err != nil {
		t.Fatal(err)
	}
	for uuid := range want {
		if uuid == "" {
			continue
		}
		h.uuid = uuid
		l, err := d.Reports(t.Context(), "", backends.Query{})
		got, err := drain(l, err)
		if wrong(err) {
			return
		}
		switch {
		case want[uuid] == nil && len(got) != 0, want[uuid] != nil && len(got) != 1:
			t.Errorf("%s: %+v", uuid, got)
		case want[uuid] != nil:
			one, _ := json.Marshal(want[uuid])
			checkReport(t, one, got[0])
		}
	}
}

func checkRules(t *testing.T, data json.RawMessage, d reader, wrong func(error) bool) {
	t.Helper()
	l, err := d.Rules(t.Context(), backends.Query{Raw: true})
	got, err := drain(l, err)
	if wrong(err) || data == nil {
		return
	}
	var want []struct {
		Name      string
		Condition string
		Tags      []string
		Meta      struct {
			Criticality float64
			Filter      bool
			ATTACK      []struct{ ID string }
		}
	}
	if err := json.Unmarshal(data, &want); err != nil {
		t.Fatal(err)
	}
	if len(got) != len(want) {
		t.Fatalf("%d rules, want %d", len(got), len(want))
	}
	byName := map[string]*model.Rule{}
	for _, r := range got {
		byName[r.Name] = r
	}
	for _, w := range want {
		r := byName[w.Name]
		if r == nil || r.Condition != w.Condition || len(r.Tags) != len(w.Tags) || len(r.Attack) != len(w.Meta.ATTACK) ||
			!w.Meta.Filter && *r.Score != w.Meta.Criticality {
			t.Errorf("rule %+v, want %+v", r, w)
		}
	}
}

// recordedEvent is an event read with encoding/json, for comparison.
type recordedEvent struct {
	Event struct {
		System struct {
			Channel, Computer string
			EventID           any
			TimeCreated       struct{ SystemTime time.Time }
		}
		EventData map[string]any
		GeneInfo  *recordedDetection
		Detection *recordedDetection
		EdrData   struct {
			Endpoint struct{ UUID string }
			Event    struct{ Hash string }
		}
	}
}

type recordedDetection struct {
	Signature   []string
	Criticality float64
	ATTACK      []struct{ ID string }
}

func checkLog(t *testing.T, e *exchange, h *replayed, d reader, rest, said string, wrong func(error) bool) {
	t.Helper()
	var env struct{ Data []json.RawMessage }
	_ = json.Unmarshal(e.body, &env)
	type want struct {
		doc recordedEvent
		raw []byte
	}
	byID := map[string]want{}
	q := backends.Query{Since: now, Until: now.Add(time.Second), Raw: true, Log: true}
	first := true
	for _, raw := range env.Data {
		var doc recordedEvent
		if err := json.Unmarshal(raw, &doc); err != nil {
			t.Fatal(err)
		}
		if u := doc.Event.EdrData.Endpoint.UUID; u != "" && u != h.uuid {
			continue // beta.2 answers with everybody's
		}
		at := doc.Event.System.TimeCreated.SystemTime
		if first || at.Before(q.Since) {
			q.Since = at
		}
		if first || !at.Before(q.Until) {
			q.Until = at.Add(1)
		}
		first = false
		id := doc.Event.EdrData.Event.Hash
		if id == "" {
			sum := sha1.Sum(raw)
			id = hex.EncodeToString(sum[:])
		}
		byID[id] = want{doc, raw}
	}
	if rest == "/logs" {
		l, err := d.Events(t.Context(), q)
		got, err := drain(l, err)
		if strings.HasSuffix(said, "no such file or directory") {
			if err != nil || len(got) != 0 {
				t.Errorf("an empty store: %v", err)
			}
			return
		}
		if wrong(err) {
			return
		}
		if len(got) != len(byID) {
			t.Fatalf("%d events, want %d", len(got), len(byID))
		}
		for _, ev := range got {
			w, known := byID[ev.ID]
			if !known {
				t.Fatalf("event %s is not in the recording", ev.ID)
			}
			checkEvent(t, ev, w.doc, w.raw)
			checkRecord(t, ev, w.raw)
		}
		return
	}
	l, err := d.Alerts(t.Context(), q)
	got, err := drain(l, err)
	if e.Response.Status == 404 {
		if err != nil || len(got) != 0 { // the other path answered
			t.Errorf("%v %v", got, err)
		}
		return
	}
	if wrong(err) {
		return
	}
	n := 0
	for _, w := range byID {
		if det := detectionOf(w.doc); det != nil && len(det.Signature) > 0 {
			n++
		}
	}
	if len(got) != n {
		t.Fatalf("%d alerts, want %d", len(got), n)
	}
	for _, a := range got {
		det := detectionOf(byID[a.ID].doc)
		if det == nil || *a.Score != det.Criticality || a.Title != strings.Join(slices.Sorted(slices.Values(det.Signature)), ", ") || len(a.Attack) != len(det.ATTACK) {
			t.Errorf("alert %+v, want %+v", a, det)
		}
	}
}

func detectionOf(doc recordedEvent) *recordedDetection {
	if doc.Event.Detection != nil {
		return doc.Event.Detection
	}
	return doc.Event.GeneInfo
}

func checkEvent(t *testing.T, ev *model.Event, doc recordedEvent, raw []byte) {
	t.Helper()
	if !ev.Time.Equal(doc.Event.System.TimeCreated.SystemTime) || !bytes.Equal(ev.Raw, raw) {
		t.Errorf("event %s: time %v or raw differ", ev.ID, ev.Time)
	}
	want := kindOf(doc.Event.System.Channel, number(doc.Event.System.EventID), doc.Event.EventData)
	if ev.Kind != want {
		t.Errorf("event %s (%s %v): kind %s, want %s", ev.ID, doc.Event.System.Channel, doc.Event.System.EventID, ev.Kind, want)
	}
	for name, value := range map[string]string{"Image": pathOf(ev.Process), "SourceImage": pathOf(ev.Process), "TargetImage": pathOf(ev.Target)} {
		if s, _ := doc.Event.EventData[name].(string); s != "" && doc.Event.System.Channel == sysmon && s != value {
			t.Errorf("event %s: %s is %q, want %q", ev.ID, name, value, s)
		}
	}
}

func pathOf(p *model.Process) string {
	if p == nil {
		return ""
	}
	return p.Path
}
