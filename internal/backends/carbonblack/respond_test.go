package carbonblack_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/backends/carbonblack"
	"github.com/edrctl/edrctl/internal/backends/carbonblack/fake"
	"github.com/edrctl/edrctl/internal/faults"
	"github.com/edrctl/edrctl/internal/model"
)

// sentRequest is a request as it arrived.
type sentRequest struct{ method, path, body string }

func (r sentRequest) String() string { return r.method + " " + r.path + " " + r.body }

// tap keeps every request that may change something.
type tap struct {
	mu   sync.Mutex
	next http.Handler
	all  []sentRequest
}

func (p *tap) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	r.Body = io.NopCloser(bytes.NewReader(body))
	if r.Method != http.MethodGet {
		p.mu.Lock()
		p.all = append(p.all, sentRequest{r.Method, r.URL.Path, string(body)})
		p.mu.Unlock()
	}
	p.next.ServeHTTP(w, r)
}

func (p *tap) sent() []sentRequest {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]sentRequest(nil), p.all...)
}

// commands gives the bodies of the commands of one name.
func (p *tap) commands(name string) []string {
	var out []string
	for _, r := range p.sent() {
		if r.method == http.MethodPost && strings.HasSuffix(r.path, "/command") && strings.Contains(r.body, fmt.Sprintf(`"name":%q`, name)) {
			out = append(out, r.body)
		}
	}
	return out
}

func (p *tap) count(method, part string) int {
	n := 0
	for _, r := range p.sent() {
		if r.method == method && strings.Contains(r.path, part) {
			n++
		}
	}
	return n
}

// live is an organisation whose first device runs two processes and has files.
func live() *fake.Data {
	d := fleet(40, time.Minute)
	d.Devices[0].LastContact, d.Devices[3].LastContact = now.UnixMilli(), now.UnixMilli()
	d.Processes = func(id int64) []fake.LiveProcess {
		return []fake.LiveProcess{
			{PID: 601, Parent: 4, Path: `C:\Users\Public\d.exe`, CommandLine: "d.exe -x", User: `CORP\user0`, Created: now.Add(-time.Hour).UnixMilli()},
			{PID: 602, Parent: 4, Path: `C:\Windows\explorer.exe`},
		}
	}
	files := map[string][]byte{`C:\TEMP\foo.txt`: bytes.Repeat([]byte("x"), 1234), `/tmp/foo`: []byte("unix")}
	d.Files = func(int64) map[string][]byte { return files }
	return d
}

type rig struct {
	*carbonblack.Driver
	tap  *tap
	fake *fake.Server
	host *model.Host
}

func newRig(t testing.TB, spec string, change func(*fake.Options), warn func(string)) *rig {
	t.Helper()
	o := fakeOptions()
	if change != nil {
		change(&o)
	}
	s := fake.New(live(), o)
	p := &tap{next: s}
	var h http.Handler = p
	if spec != "" {
		f, err := faults.Parse(spec)
		if err != nil {
			t.Fatal(err)
		}
		// Faults lie between the tap and the server: what arrived is counted
		// even when it was never handled.
		p.next = f.Wrap("carbonblack", s)
	}
	d := open(t, h, config{settings: map[string]string{"quarantine_policy": "Quarantine"}, warn: warn, timeout: 2 * time.Second})
	r := &rig{Driver: d, tap: p, fake: s}
	r.host = &model.Host{Origin: model.Origin{ID: "100"}, Name: "WS-1", OS: &model.OS{Platform: "windows"}}
	return r
}

func changes(h *model.Host) map[string]backends.Change {
	return map[string]backends.Change{
		"kill":        {Verb: backends.VerbKill, Host: h, PID: 601, Path: `c:\users\public\D.EXE`},
		"delete-file": {Verb: backends.VerbDeleteFile, Host: h, Path: `C:\TEMP\foo.txt`},
		"carve":       {Verb: backends.VerbCarve, Host: h, Path: `C:\TEMP\foo.txt`, Params: map[string]string{"offset": "0", "get_count": "1234"}},
		"run":         {Verb: backends.VerbRun, Host: h, Command: []string{"cmd.exe", "/c", "whoami", "/all"}, Params: map[string]string{"working_directory": `c:\windows\temp`}},
		"memdump":     {Verb: backends.VerbMemdump, Host: h},
		"script":      {Verb: backends.VerbScript, Host: h, Script: &backends.Script{Name: "x.ps1", Content: []byte("Get-Process")}},
		"isolate":     {Verb: backends.VerbIsolate, Host: h},
	}
}

func TestEveryVerbWorks(t *testing.T) {
	r := newRig(t, "", nil, nil)
	ctx := t.Context()
	for _, verb := range []string{"kill", "run", "script", "memdump", "carve", "delete-file", "isolate"} {
		c := changes(r.host)[verb]
		pv, err := r.Preview(ctx, c)
		if err != nil || pv.NotReady != "" || pv.Nothing != "" {
			t.Fatalf("%s: preview: %+v %v", verb, pv, err)
		}
		before := len(r.tap.sent())
		var states []model.ActionState
		act, err := r.Apply(ctx, c, func(a *model.Action) { states = append(states, a.State) })
		if err != nil || act.State != model.ActionDone {
			t.Fatalf("%s: %+v %v", verb, act, err)
		}
		if len(states) == 0 || act.ID == "" {
			t.Errorf("%s: states %v, id %q", verb, states, act.ID)
		}
		// What was sent is what the preview said, but for ids and names the
		// server and chance choose; opening and closing are shared.
		sent := r.tap.sent()[before:]
		var want []string
		for _, line := range pv.Requests {
			if verb == "isolate" || strings.Contains(line, "/command") || strings.Contains(line, "/file") {
				want = append(want, line)
			}
		}
		if verb != "isolate" && before == 0 {
			sent = sent[1:] // the session
		}
		if len(sent) != len(want) {
			t.Fatalf("%s: sent %v, announced %v", verb, sent, want)
		}
		for i, s := range sent {
			if !announced(want[i], s) {
				t.Errorf("%s: sent %s\n announced %s", verb, s, want[i])
			}
		}
		switch verb {
		case "run", "script":
			if !strings.Contains(act.Stdout, "demo output of") || act.ExitCode == nil || *act.ExitCode != 0 {
				t.Errorf("%s: %+v", verb, act)
			}
		case "kill":
			if act.Details["process_path"] != `C:\Users\Public\d.exe` {
				t.Errorf("kill: %v", act.Details)
			}
		case "carve", "memdump":
			if len(act.Files) != 1 {
				t.Fatalf("%s: %+v", verb, act)
			}
			carve, err := r.Carve(ctx, act.Files[0])
			if err != nil || carve.State != model.CarveComplete || carve.Size == 0 || carve.Host.Name != "WS-1" {
				t.Fatalf("%s: %+v %v", verb, carve, err)
			}
			var b bytes.Buffer
			if n, _, err := r.Download(ctx, act.Files[0], 0, &b); err != nil || n != carve.Size || int64(b.Len()) != n {
				t.Fatalf("%s: %d bytes of %d, %v", verb, n, carve.Size, err)
			}
		}
	}
	if n := r.tap.count("POST", "/session/100"); n != 1 {
		t.Errorf("%d sessions were opened", n)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	sent := r.tap.sent()
	if last := sent[len(sent)-1]; r.tap.count("PUT", "/cblr/session") != 1 || last.method != "PUT" {
		t.Errorf("the session was not closed once and last: %v", last)
	}
	// Nothing of ours is left on the device but what was asked for.
	state, err := r.fake.State()
	if err != nil {
		t.Fatal(err)
	}
	var left struct {
		Written map[string][]byte `json:"written"`
	}
	if err := json.Unmarshal(state, &left); err != nil || len(left.Written) != 0 {
		t.Errorf("left on the device: %v %v", left.Written, err)
	}
}

var randomName = regexp.MustCompile(`cblr\.[a-z2-7]{12}\.`)

// announced compares a request with a line of a preview.
func announced(line string, r sentRequest) bool {
	body := randomName.ReplaceAllString(r.body, "cblr.….")
	path := r.path
	if i := strings.Index(path, "/session/"); i >= 0 && strings.HasPrefix(path[i+9:], "1:") {
		path = strings.Replace(path, "1:100", "…", 1)
		body = strings.Replace(body, `"session_id":"1:100"`, `"session_id":"…"`, 1)
	}
	body = regexp.MustCompile(`"file_id":\d+`).ReplaceAllString(body, `"file_id":"…"`)
	if strings.HasSuffix(path, "/file") {
		return strings.HasPrefix(line, r.method+" "+path+" multipart file=@x.ps1")
	}
	return line == r.method+" "+path+" "+body
}

func TestKillChecksThePath(t *testing.T) {
	for _, tc := range []struct {
		name string
		pid  int64
		path string
		kind backends.ErrorKind
	}{
		{"another process", 602, `C:\Users\Public\d.exe`, backends.KindRefused},
		{"gone", 999, `C:\Users\Public\d.exe`, backends.KindNotFound},
		{"same name elsewhere", 601, `C:\Temp\d.exe`, backends.KindRefused},
	} {
		r := newRig(t, "", nil, nil)
		act, err := r.Apply(t.Context(), backends.Change{Verb: backends.VerbKill, Host: r.host, PID: tc.pid, Path: tc.path}, nil)
		if backends.KindOf(err) != tc.kind || act.State != model.ActionFailed {
			t.Errorf("%s: %+v %v", tc.name, act, err)
		}
		if got := r.tap.commands("kill"); len(got) > 0 {
			t.Errorf("%s: %v was sent", tc.name, got)
		}
	}
}

// everyFault are the verbs that meet all faults; the others, built alike, the
// two that differ most.
var everyFault = map[string]bool{"isolate": true, "delete-file": true, "kill": true}

// Under every fault each changing request is sent at most once, and what is
// said of the outcome is true.
func TestExactlyOnce(t *testing.T) {
	for _, verb := range []string{"kill", "delete-file", "carve", "run", "memdump", "script", "isolate"} {
		for _, fault := range []string{"reset-before", "reset-after", "503", "502", "hang", "429:retry-after=1", "garbage", "empty", "html", "cut=50%"} {
			for _, at := range []string{"@POST@/session/100", "@POST@/command", "@PATCH"} {
				if (verb == "isolate") != (at == "@PATCH") || !everyFault[verb] && !strings.HasPrefix(fault, "reset") {
					continue
				}
				t.Run(verb+" "+fault+at, func(t *testing.T) {
					t.Parallel()
					r := newRig(t, fault+at, nil, nil)
					ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
					defer cancel()
					c := changes(r.host)[verb]
					act, err := r.Apply(ctx, c, nil)
					counts := map[string]int{}
					for _, s := range r.tap.sent() {
						if s.method != "PUT" {
							counts[s.String()]++
						}
					}
					for s, n := range counts {
						if n > 1 {
							t.Errorf("%d times: %s", n, s)
						}
					}
					kind := backends.KindOf(err)
					if err == nil || act == nil {
						t.Fatalf("no error: %+v", act)
					}
					if strings.HasPrefix(fault, "429") {
						if kind != backends.KindRateLimited || act.State != model.ActionFailed {
							t.Errorf("%v %s", err, act.State)
						}
						return
					}
					if kind != backends.KindAmbiguous || act.State != model.ActionAmbiguous {
						t.Fatalf("%v: %s", err, act.State)
					}
					before := len(r.tap.sent())
					found, err := r.FindAction(ctx, c, now)
					if err != nil {
						t.Fatalf("cannot be looked up: %v", err)
					}
					if n := len(r.tap.sent()); n != before {
						t.Errorf("looking up sent %v", r.tap.sent()[before:])
					}
					handled := fault == "reset-after" || fault == "cut=50%"
					switch {
					case at == "@POST@/session/100", verb == "kill", verb == "script":
						// It ended before the change itself.
						if found == nil || found.State != model.ActionFailed {
							t.Errorf("found %+v", found)
						}
					case handled && (found == nil || found.State != model.ActionDone):
						t.Errorf("it happened, and %+v was found", found)
					case !handled && found != nil:
						t.Errorf("it never happened, and %+v was found", found)
					}
				})
			}
		}
	}
}

// The kill itself is the second command of its session.
func TestLostKillIsFound(t *testing.T) {
	for _, fault := range []string{"reset-after:nth=2@POST@/command", "reset-before:nth=2@POST@/command"} {
		r := newRig(t, fault, nil, nil)
		c := changes(r.host)["kill"]
		act, err := r.Apply(t.Context(), c, nil)
		if backends.KindOf(err) != backends.KindAmbiguous || act.State != model.ActionAmbiguous {
			t.Fatalf("%+v %v", act, err)
		}
		found, err := r.FindAction(t.Context(), c, now)
		happened := strings.HasPrefix(fault, "reset-after")
		if err != nil || happened != (found != nil && found.State == model.ActionDone) {
			t.Errorf("%s: found %+v, %v", fault, found, err)
		}
		if n := len(r.tap.commands("kill")); n != 1 {
			t.Errorf("%s: sent %d times", fault, n)
		}
		_ = r.Close()
		if n := r.tap.count("PUT", "/cblr/session"); n != 1 {
			t.Errorf("%s: closed %d times", fault, n)
		}
	}
}

func TestLookedUpByAnotherRun(t *testing.T) {
	s := fake.New(live(), fakeOptions())
	host := &model.Host{Origin: model.Origin{ID: "100"}, Name: "WS-1"}
	c := backends.Change{Verb: backends.VerbDeleteFile, Host: host, Path: `C:\TEMP\foo.txt`}
	first := open(t, s, config{})
	if _, err := first.Apply(t.Context(), c, nil); err != nil {
		t.Fatal(err)
	}
	second := open(t, s, config{}) // the first still has its session
	found, err := second.FindAction(t.Context(), c, now)
	if err != nil || found == nil || found.State != model.ActionDone {
		t.Fatalf("%+v %v", found, err)
	}
	again, err := second.Action(t.Context(), found.ID)
	if err != nil || again.State != model.ActionDone || again.Verb != backends.VerbDeleteFile {
		t.Fatalf("%+v %v", again, err)
	}
	c.Path = `C:\TEMP\other.txt`
	if found, err := second.FindAction(t.Context(), c, now); err != nil || found != nil {
		t.Errorf("found %+v %v", found, err)
	}
	_ = first.Close()
	if _, err := second.Action(t.Context(), again.ID); backends.KindOf(err) != backends.KindNotFound {
		t.Errorf("%v", err)
	}
}

func TestIsolateAndBack(t *testing.T) {
	r := newRig(t, "", nil, nil)
	ctx := t.Context()
	c := changes(r.host)["isolate"]
	var early []*model.Action
	act, err := r.Apply(ctx, c, func(a *model.Action) { early = append(early, a) })
	if err != nil || act.State != model.ActionDone || act.Inverse != backends.VerbRelease {
		t.Fatalf("%+v %v", act, err)
	}
	if len(early) == 0 || early[0].Details["former_policy_id"] != "1" || early[0].ID == "" {
		t.Errorf("the former policy was not told before sending: %+v", early)
	}
	h, err := r.Host(ctx, "100", false)
	if err != nil || !*h.Isolated {
		t.Fatalf("%+v %v", h, err)
	}
	if pv, err := r.Preview(ctx, c); err != nil || pv.Nothing == "" || len(pv.Requests) != 0 {
		t.Errorf("again: %+v %v", pv, err)
	}
	if again, err := r.FindAction(ctx, c, now); err != nil || again == nil || again.State != model.ActionDone {
		t.Errorf("found %+v %v", again, err)
	}
	if read, err := r.Action(ctx, act.ID); err != nil || read.State != model.ActionDone {
		t.Errorf("read %+v %v", read, err)
	}
	back := backends.Change{Verb: backends.VerbRelease, Host: h}
	if _, err := r.Preview(ctx, back); backends.KindOf(err) != backends.KindInvalid {
		t.Errorf("released to an unknown policy: %v", err)
	}
	back.Undo = act
	pv, err := r.Preview(ctx, back)
	if err != nil || len(pv.Requests) != 1 || pv.Requests[0] != `PATCH /integrationServices/v3/device/100 {"policyId":1}` {
		t.Fatalf("%+v %v", pv, err)
	}
	if act, err := r.Apply(ctx, back, nil); err != nil || act.State != model.ActionDone {
		t.Fatalf("%+v %v", act, err)
	}
	if h, err := r.Host(ctx, "100", false); err != nil || *h.Isolated || h.Policy.ID != "1" {
		t.Fatalf("%+v %v", h, err)
	}
	if pv, err := r.Preview(ctx, back); err != nil || pv.Nothing == "" {
		t.Errorf("released again: %+v %v", pv, err)
	}
	if _, err := r.Action(ctx, act.ID); backends.KindOf(err) != backends.KindNotFound {
		t.Errorf("the isolation is still read as done: %v", err)
	}
	if n := r.tap.count("PATCH", "/device/100"); n != 2 {
		t.Errorf("%d moves", n)
	}
	// The undo of another device's isolation is refused.
	back.Undo = &model.Action{Host: &model.Host{Origin: model.Origin{ID: "101"}}, Details: act.Details}
	if pv, err := r.Preview(ctx, back); err == nil && pv.Nothing == "" {
		t.Errorf("%+v", pv)
	}
}

func TestQuarantinePolicyMustQuarantine(t *testing.T) {
	s := fake.New(live(), fakeOptions())
	host := &model.Host{Origin: model.Origin{ID: "100"}, Name: "WS-1"}
	for settings, want := range map[string]string{"": "quarantine_policy", "Standard": "does not quarantine", "Nowhere": `no policy "Nowhere"`} {
		d := open(t, s, config{settings: map[string]string{"quarantine_policy": settings}})
		_, err := d.Preview(t.Context(), backends.Change{Verb: backends.VerbIsolate, Host: host})
		if backends.KindOf(err) != backends.KindInvalid || !strings.Contains(fmt.Sprintf("%v %s", err, hint(err)), want) {
			t.Errorf("%q: %v", settings, err)
		}
	}
}

func hint(err error) string {
	if e, ok := err.(*backends.Error); ok {
		return e.Hint
	}
	return ""
}

func TestNotReady(t *testing.T) {
	data := live()
	data.Devices[1].LastContact = now.Add(-time.Hour).UnixMilli()
	data.Devices[2].LiveResponse = false
	d := open(t, fake.New(data, fakeOptions()), config{settings: map[string]string{"quarantine_policy": "2"}})
	for id, want := range map[string]string{"101": "offline", "102": "live response is not enabled"} {
		h := &model.Host{Origin: model.Origin{ID: id}}
		pv, err := d.Preview(t.Context(), backends.Change{Verb: backends.VerbDeleteFile, Host: h, Path: `C:\x`})
		if err != nil || !strings.Contains(pv.NotReady, want) {
			t.Errorf("%s: %+v %v", id, pv, err)
		}
	}
	// A policy can be given to a device that is away.
	pv, err := d.Preview(t.Context(), backends.Change{Verb: backends.VerbIsolate, Host: &model.Host{Origin: model.Origin{ID: "101"}}})
	if err != nil || pv.NotReady != "" || len(pv.Warnings) != 1 {
		t.Errorf("%+v %v", pv, err)
	}
	if _, err := open(t, fake.New(data, fakeOptions()), config{secrets: map[string]string{"api_key": apiKey}}).
		Preview(t.Context(), backends.Change{Verb: backends.VerbDeleteFile, Host: &model.Host{Origin: model.Origin{ID: "100"}}, Path: `C:\x`}); backends.KindOf(err) != backends.KindAuth {
		t.Errorf("without a key: %v", err)
	}
}

// A sensor that never comes: the session is closed when the caller goes.
func TestInterruptedWhileOpening(t *testing.T) {
	r := newRig(t, "", func(o *fake.Options) { o.CheckIn = time.Hour }, nil)
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	act, err := r.Apply(ctx, changes(r.host)["kill"], nil)
	if err == nil || act.State != model.ActionFailed || backends.KindOf(err) == backends.KindAmbiguous {
		t.Fatalf("%+v %v", act, err)
	}
	if r.tap.count("PUT", "/cblr/session") != 1 || len(r.tap.commands("process list")) != 0 {
		t.Errorf("%v", r.tap.sent())
	}
}

func TestSensorNeverCame(t *testing.T) {
	r := newRig(t, "404@GET@/session/1:100", nil, nil)
	act, err := r.Apply(t.Context(), changes(r.host)["kill"], nil)
	if backends.KindOf(err) != backends.KindUnavailable || act.State != model.ActionFailed {
		t.Fatalf("%+v %v", act, err)
	}
	if r.tap.count("PUT", "/cblr/session") != 1 {
		t.Errorf("%v", r.tap.sent())
	}
}

// A session that ended between two changes is opened again, and the command
// that was refused with a 404 is given to the new one.
func TestSessionReopened(t *testing.T) {
	r := newRig(t, "404:nth=2@POST@/command", nil, nil)
	c := changes(r.host)["carve"]
	if _, err := r.Apply(t.Context(), c, nil); err != nil {
		t.Fatal(err)
	}
	act, err := r.Apply(t.Context(), changes(r.host)["delete-file"], nil)
	if err != nil || act.State != model.ActionDone {
		t.Fatalf("%+v %v", act, err)
	}
	if n := r.tap.count("POST", "/session/100"); n != 2 {
		t.Errorf("%d sessions", n)
	}
}

// What was collected and not downloaded keeps its session; what was, does not.
func TestSessionWaitsForTheDownload(t *testing.T) {
	var warned []string
	r := newRig(t, "", nil, func(s string) { warned = append(warned, s) })
	act, err := r.Apply(t.Context(), changes(r.host)["carve"], nil)
	if err != nil {
		t.Fatal(err)
	}
	_ = r.Close()
	if r.tap.count("PUT", "/cblr/session") != 0 || len(warned) != 1 {
		t.Fatalf("closed, or nothing said: %v", warned)
	}
	srv := httptest.NewServer(r.fake)
	defer srv.Close()
	later := open(t, r.fake, config{})
	carve, err := later.Carve(t.Context(), act.Files[0])
	if err != nil || carve.Path != `C:\TEMP\foo.txt` || carve.Name != "foo.txt" || carve.Size != 1234 {
		t.Fatalf("%+v %v", carve, err)
	}
	f := &memFile{b: []byte("begun ")}
	n, resumed, err := later.Download(t.Context(), act.Files[0], int64(len(f.b)), f)
	if err != nil || resumed || n != 1234 || len(f.b) != 1234 {
		t.Errorf("%d %v %v, %d kept", n, resumed, err, len(f.b))
	}
	if _, err := later.Carve(t.Context(), "1:100.0.99999"); backends.KindOf(err) != backends.KindNotFound {
		t.Errorf("%v", err)
	}
	drop := backends.Change{Verb: backends.VerbCarveDelete, CarveID: act.Files[0]}
	if act, err := later.Apply(t.Context(), drop, nil); err != nil || act.State != model.ActionSent { // a look tells
		t.Errorf("%+v %v", act, err)
	}
	if found, err := later.FindAction(t.Context(), drop, now); err != nil || found == nil {
		t.Errorf("%+v %v", found, err)
	}
}

// memFile is a file that can be begun again.
type memFile struct{ b []byte }

func (f *memFile) Write(p []byte) (int, error) { f.b = append(f.b, p...); return len(p), nil }
func (f *memFile) Seek(off int64, _ int) (int64, error) {
	return off, nil
}
func (f *memFile) Truncate(n int64) error { f.b = f.b[:n]; return nil }

func TestFailuresOfTheSensorAreTold(t *testing.T) {
	r := newRig(t, "", nil, nil)
	act, err := r.Apply(t.Context(), backends.Change{Verb: backends.VerbDeleteFile, Host: r.host, Path: `C:\none`}, nil)
	if err == nil || act.State != model.ActionFailed || !strings.Contains(act.Error, "0x80070002") {
		t.Errorf("%+v %v", act, err)
	}
	if _, err := r.Apply(t.Context(), backends.Change{Verb: backends.VerbAlertClose, AlertID: "X"}, nil); backends.KindOf(err) != backends.KindUnsupported {
		t.Errorf("%v", err)
	}
}

// Interrupted while the command runs: nothing is claimed, the lookup finds it
// running, and the session is closed at the end.
func TestInterruptedWhileRunning(t *testing.T) {
	var closed, posted atomic.Int32
	d := open(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		switch {
		case r.Method == http.MethodPut:
			closed.Add(1)
			_, _ = w.Write([]byte(`{"id":"1:100","status":"CLOSE"}`))
		case strings.Contains(r.URL.Path, "/command"):
			if r.Method == http.MethodPost {
				posted.Add(1)
			}
			_, _ = w.Write([]byte(`{"id":0,"session_id":"1:100","sensor_id":100,"name":"delete file","status":"in progress"}`))
		default:
			_, _ = w.Write([]byte(`{"id":"1:100","sensor_id":100,"status":"ACTIVE","supported_commands":["delete file"],"current_command_index":0}`))
		}
	}), config{})
	c := backends.Change{Verb: backends.VerbDeleteFile, Host: &model.Host{Origin: model.Origin{ID: "100"}}, Path: `C:\x`}
	ctx, cancel := contextFor(t, 400*time.Millisecond)
	defer cancel()
	act, err := d.Apply(ctx, c, nil)
	if backends.KindOf(err) != backends.KindAmbiguous || act.State != model.ActionAmbiguous || act.ID != "lr.1:100.0" {
		t.Fatalf("%+v %v", act, err)
	}
	if closed.Load() != 0 {
		t.Error("the session was closed before the change was looked up")
	}
	look, stop := contextFor(t, 500*time.Millisecond)
	defer stop()
	found, err := d.FindAction(look, c, now)
	if err != nil || found == nil || found.State != model.ActionRunning || found.ID != act.ID {
		t.Errorf("%+v %v", found, err)
	}
	_ = d.Close()
	if closed.Load() != 1 || posted.Load() != 1 {
		t.Errorf("closed %d times, sent %d times", closed.Load(), posted.Load())
	}
}
