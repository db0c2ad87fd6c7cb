package gene_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/backends/gene"
	"github.com/edrctl/edrctl/internal/backends/gene/fake"
	"github.com/edrctl/edrctl/internal/model"
)

// What is meant arrives: every word, whatever is in it.
func TestArgumentsArriveAsMeant(t *testing.T) {
	each(t, func(t *testing.T, v string) {
		d, _, p := tapped(t, lab(), fake.Options{Version: v})
		for _, words := range [][]string{
			{"whoami", "/all"}, {"cmd.exe", "/c", `dir C:\Windows\System32`}, {"cmd", "", "x"}, {"echo", "it's", `a "b" c`, `''`, `'`},
			{"echo", "#not", "a#b", "# c"}, {`C:\Program Files\x y\z.exe`, `C:\ends\`}, {"echo", "a\nb\tc\r\n", "é中\u2028🦊", `\`, `\\`, `$HOME`, "`id`", "<&|>"},
			{"powershell", "-c", `Get-Item 'C:\Windows'`},
		} {
			a, err := d.Apply(t.Context(), run(words...), nil)
			if err != nil {
				t.Fatalf("%q: %v", words, err)
			}
			var sent struct {
				Line    string `json:"command-line"`
				Timeout *int64 `json:"timeout"`
			}
			if err := json.Unmarshal([]byte(p.last("POST ")), &sent); err != nil || sent.Timeout != nil {
				t.Fatalf("%q: %+v, %v", words, sent, err)
			}
			end := finished(t, d, a)
			if end.State != model.ActionDone || words[0] == "echo" && end.Stdout != strings.Join(words, " ")+"\r\n" {
				t.Errorf("%q: %s %q", words, end.State, end.Stdout)
			}
		}
		if n := p.count("POST "); n != 8 {
			t.Errorf("%d commands were sent, want 8", n)
		}
		for _, words := range [][]string{{"a\x00b"}, {"\xff"}, {""}, {}} {
			if _, err := d.Apply(t.Context(), run(words...), nil); backends.KindOf(err) != backends.KindInvalid {
				t.Errorf("%q: %v", words, err)
			}
		}
	})
}

func FuzzArguments(f *testing.F) {
	f.Add("cmd\x01/c\x01it's \\ \"q\" # $x")
	f.Add("a\x01\x01'\x01\\'")
	data := lab()
	srv := fake.New(data, fake.Options{Key: testKey, Now: ticking(), AgentDelay: time.Nanosecond})
	f.Cleanup(srv.Close)
	d, _ := serve(f, srv)
	f.Fuzz(func(t *testing.T, line string) {
		// The driver compares what the manager understood with what was meant.
		_, err := d.Apply(t.Context(), run(strings.Split(line, "\x01")...), nil)
		if err != nil && backends.KindOf(err) != backends.KindInvalid {
			t.Fatalf("%q: %v", line, err)
		}
	})
}

// The recorded command lines are split by the fake as by the real manager.
func TestReplayQuoting(t *testing.T) {
	f := fake.New(lab(), fake.Options{Version: fake.V170, Key: testKey, Now: clock})
	defer f.Close()
	n := 0
	for _, e := range exchanges(t) {
		if e.set != "v1.7.0-quoting" {
			continue
		}
		n++
		var want, got struct {
			Data *struct {
				Command struct {
					Name string
					Args []string
				}
			}
			Error string
		}
		w := httptest.NewRecorder()
		r := httptest.NewRequest("POST", "/endpoints/"+uuid1+"/command", strings.NewReader(e.Request.Body.Text))
		r.Header.Set("Api-Key", testKey)
		f.ServeHTTP(w, r)
		if json.Unmarshal(e.body, &want) != nil || json.Unmarshal(w.Body.Bytes(), &got) != nil {
			t.Fatalf("%s: %s", e.Name, w.Body)
		}
		if want.Error != got.Error || (want.Data == nil) != (got.Data == nil) {
			t.Fatalf("%s: %q, want %q", e.Name, got.Error, want.Error)
		}
		if want.Data == nil {
			continue
		}
		w1, g1 := want.Data.Command, got.Data.Command
		if w1.Name != g1.Name || !slices.Equal(w1.Args, g1.Args) {
			t.Errorf("%s: %q, want %q", e.Name, g1, w1)
		}
		// What the real manager made of it is what the driver can mean.
		d, _, _ := tapped(t, lab(), fake.Options{Version: fake.V170})
		if words := append([]string{w1.Name}, w1.Args...); w1.Name != "" {
			if _, err := d.Apply(t.Context(), run(words...), nil); err != nil {
				t.Errorf("%s: %v", e.Name, err)
			}
		}
	}
	if n != 15 {
		t.Errorf("%d recordings, want 15", n)
	}
}

func TestVerbs(t *testing.T) {
	each(t, func(t *testing.T, v string) {
		d, warned, p := tapped(t, lab(), fake.Options{Version: v})
		old := v != fake.Head
		for _, c := range []struct {
			change backends.Change
			line   string
			fetch  []string
			ns     int64
			state  model.ActionState
		}{
			{run("whoami"), `'whoami'`, nil, 0, model.ActionDone},
			{backends.Change{Verb: backends.VerbRun, Command: []string{"whoami"}, Timeout: 90 * time.Second}, `'whoami'`, nil, 90e9, model.ActionDone},
			{run("fail"), `'fail'`, nil, 0, model.ActionDone},
			{run("nosuchcommand"), `'nosuchcommand'`, nil, 0, model.ActionFailed},
			{backends.Change{Verb: backends.VerbIsolate}, `'contain'`, nil, 0, model.ActionDone},
			{backends.Change{Verb: backends.VerbRelease}, `'uncontain'`, nil, 0, model.ActionDone},
			{backends.Change{Verb: backends.VerbKill, PID: 812}, map[bool]string{true: `'taskkill' '/F' '/PID' '812'`, false: `'terminate' '812'`}[old], nil,
				map[bool]int64{true: 60e9, false: 0}[old], model.ActionDone},
			{backends.Change{Verb: backends.VerbCarve, Path: `C:\a.txt`}, `'hostname'`, []string{`C:\a.txt`}, 0, model.ActionDone},
			{backends.Change{Verb: backends.VerbCarve, Path: `C:\nope`}, `'hostname'`, []string{`C:\nope`}, 0, model.ActionFailed},
			{backends.Change{Verb: backends.VerbCarve, Path: `C:\empty`}, `'hostname'`, []string{`C:\empty`}, 0, model.ActionDone},
		} {
			c.change.Host = named("ALPHA")
			pv, err := d.Preview(t.Context(), c.change)
			if err != nil || pv.NotReady != "" || pv.Nothing != "" {
				t.Fatalf("%s: %+v, %v", c.change.Verb, pv, err)
			}
			a := done(t, d, c.change)
			var sent struct {
				Line    string   `json:"command-line"`
				Fetch   []string `json:"fetch-files"`
				Timeout int64    `json:"timeout"`
			}
			if err := json.Unmarshal([]byte(p.last("POST ")), &sent); err != nil {
				t.Fatal(err)
			}
			if sent.Line != c.line || !slices.Equal(sent.Fetch, c.fetch) || sent.Timeout != c.ns {
				t.Errorf("%s: sent %+v", c.change.Verb, sent)
			}
			if a.State != c.state || (a.State == model.ActionFailed) != (a.Error != "") {
				t.Errorf("%s %v %s: %s, %q", c.change.Verb, c.change.Command, c.change.Path, a.State, a.Error)
			}
			switch {
			case slices.Equal(c.change.Command, []string{"fail"}):
				if a.ExitCode == nil || *a.ExitCode != 1 || a.Stderr != "failed\r\n" {
					t.Errorf("fail: %+v", a)
				}
			case slices.Equal(c.change.Command, []string{"whoami"}):
				if a.ExitCode == nil || *a.ExitCode != 0 || a.Stdout != "nt authority\\system\r\n" {
					t.Errorf("whoami: %+v", a)
				}
			}
		}
		// Trap 3: without showkey beta.2 forgets the key.
		for _, s := range p.seen {
			if strings.HasPrefix(s, "GET /endpoints/"+uuid1) && strings.Count(s, "/") == 2 && !strings.Contains(s, "showkey=true") {
				t.Errorf("%s without showkey", s)
			}
		}
		for _, text := range warned.text {
			if strings.Contains(text, "sEcReT") {
				t.Errorf("a warning with a key: %s", text)
			}
		}
	})
}

// What the driver will not send, said before anything is.
func TestRefusedOrders(t *testing.T) {
	d, _, p := tapped(t, lab(), fake.Options{})
	for name, c := range map[string]backends.Change{
		"system pid":      {Verb: backends.VerbKill, PID: 4},
		"relative path":   {Verb: backends.VerbDeleteFile, Path: `Users\x`},
		"quote in path":   {Verb: backends.VerbDeleteFile, Path: `C:\a".exe`},
		"relative fetch":  {Verb: backends.VerbCarve, Path: `passwd`},
		"unknown host":    {Verb: backends.VerbIsolate, Host: &model.Host{Origin: model.Origin{ID: "00000000-0000-0000-0000-000000000001"}}},
		"upper-case host": {Verb: backends.VerbIsolate, Host: &model.Host{Origin: model.Origin{ID: strings.ToUpper(uuid1)}}},
		"renamed host":    {Verb: backends.VerbIsolate, Host: &model.Host{Origin: model.Origin{ID: uuid1}, Name: "ZULU"}},
		"batch file":      {Verb: backends.VerbScript, Script: &backends.Script{Name: "x.bat", Content: []byte("dir")}},
		"long script":     {Verb: backends.VerbScript, Script: &backends.Script{Name: "x.ps1", Content: bytes.Repeat([]byte("x"), 20000)}},
		"empty script":    {Verb: backends.VerbScript, Script: &backends.Script{Name: "x.ps1"}},
		"two groups":      {Verb: backends.VerbHostTag, Tags: []string{"a", "b"}},
		"criticality":     {Verb: backends.VerbHostAdd, Params: map[string]string{"criticality": "11"}},
		"nothing to set":  {Verb: backends.VerbHostEdit, Params: map[string]string{"group": ""}},
		"no such setting": {Verb: backends.VerbHostAdd, Params: map[string]string{"key": "x"}},
		"foreign action":  {Verb: backends.VerbCancel, ActionID: "../../x"},
	} {
		if c.Host == nil && c.Verb != backends.VerbHostAdd {
			c.Host = named("ALPHA")
		}
		if _, err := d.Preview(t.Context(), c); err == nil {
			t.Errorf("%s: the preview has nothing against it", name)
		}
		if a, err := d.Apply(t.Context(), c, nil); err == nil || backends.KindOf(err) == backends.KindAmbiguous {
			t.Errorf("%s: %+v, %v", name, a, err)
		}
	}
	for _, s := range p.seen {
		if !strings.HasPrefix(s, "GET ") || strings.Contains(s, "00000000-0000") {
			t.Errorf("sent: %s", s)
		}
	}
}

func TestOfflineHostWaits(t *testing.T) {
	d, _, _ := tapped(t, lab(), fake.Options{})
	for name, want := range map[string]string{"BRAVO": "last seen", "CHARLIE": "never"} {
		c := run("whoami")
		c.Host = named(name)
		pv, err := d.Preview(t.Context(), c)
		if err != nil || !strings.Contains(pv.NotReady, want) {
			t.Errorf("%s: %+v, %v", name, pv, err)
		}
	}
}

// One slot: what would be replaced is reported, and what was not shown is not
// replaced.
func TestOneSlot(t *testing.T) {
	d, _, p := tapped(t, lab(), fake.Options{AgentDelay: -1})
	first := run("first")
	a, err := d.Apply(t.Context(), first, nil)
	if err != nil || a.State != model.ActionQueued {
		t.Fatalf("%+v, %v", a, err)
	}
	pv, err := d.Preview(t.Context(), run("second"))
	if err != nil || !strings.Contains(strings.Join(pv.Warnings, " "), `replaces "first"`) {
		t.Fatalf("%+v, %v", pv, err)
	}
	b, err := d.Apply(t.Context(), run("second"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := d.Action(t.Context(), a.ID); err != nil || got.State != model.ActionExpired {
		t.Errorf("the first is %+v, %v", got, err)
	}
	// A command that came meanwhile, from another console.
	if _, err := d.Preview(t.Context(), run("third")); err != nil {
		t.Fatal(err)
	}
	post(t, p, "/endpoints/"+uuid1+"/command", `{"command-line":"foreign"}`)
	n := p.count("POST ")
	if _, err := d.Apply(t.Context(), run("third"), nil); backends.KindOf(err) != backends.KindRefused || !strings.Contains(err.Error(), "foreign") {
		t.Errorf("a command nobody was shown would be replaced: %v", err)
	}
	// Cancelling what is gone sends nothing.
	pv, err = d.Preview(t.Context(), backends.Change{Verb: backends.VerbCancel, Host: named("ALPHA"), ActionID: b.ID})
	if err != nil || pv.Nothing == "" {
		t.Errorf("cancel: %+v, %v", pv, err)
	}
	if _, err := d.Apply(t.Context(), backends.Change{Verb: backends.VerbCancel, Host: named("ALPHA"), ActionID: b.ID}, nil); err == nil {
		t.Error("cancelled what is gone")
	}
	if m := p.count("POST "); m != n {
		t.Errorf("%d commands were sent", m-n)
	}
}

// Two consoles see a free slot and both put a command in: the manager keeps
// the later one, and the console whose command it was not says so.
func TestTwoConsolesOneSlot(t *testing.T) {
	first, _, p := tapped(t, lab(), fake.Options{AgentDelay: -1})
	srv := httptest.NewServer(p)
	t.Cleanup(srv.Close)
	second, _ := quick(t, srv.URL)
	var looked, posted sync.WaitGroup
	looked.Add(2)
	posted.Add(2)
	p.instead = func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodPost {
			return false
		}
		looked.Done()
		looked.Wait()
		answer := httptest.NewRecorder()
		p.Handler.ServeHTTP(answer, r)
		posted.Done()
		posted.Wait()
		_, _ = w.Write(answer.Body.Bytes())
		return true
	}
	type result struct {
		a   *model.Action
		err error
	}
	results := make(chan result)
	for i, d := range []*gene.Driver{first, second} {
		go func() {
			a, err := d.Apply(t.Context(), run("whoami", strconv.Itoa(i)), nil)
			results <- result{a, err}
		}()
	}
	states := map[model.ActionState]int{}
	for range 2 {
		r := <-results
		if r.err != nil {
			t.Fatal(r.err)
		}
		states[r.a.State]++
		if r.a.State == model.ActionExpired && !strings.Contains(r.a.Error, `"whoami`) {
			t.Errorf("it does not say what replaced it: %q", r.a.Error)
		}
	}
	if states[model.ActionQueued] != 1 || states[model.ActionExpired] != 1 {
		t.Errorf("the two commands are %v, want one queued and one replaced", states)
	}
	if n := p.count("POST "); n != 2 {
		t.Errorf("%d commands were sent, want 2", n)
	}
}

func post(t *testing.T, h http.Handler, path, body string) string {
	t.Helper()
	return ask(t, h, "POST", path, body)
}

func ask(t *testing.T, h http.Handler, method, path, body string) string {
	t.Helper()
	w := httptest.NewRecorder()
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Header.Set("Api-Key", testKey)
	r.Header.Set("X-Api-Key", testKey)
	h.ServeHTTP(w, r)
	return w.Body.String()
}

// Trap 1, as the fake has it: after a DELETE a command would reach another
// endpoint. It is caught before anything is sent.
func TestWrongIndexIsCaught(t *testing.T) {
	for _, v := range []string{fake.V170, fake.Beta, fake.Beta2} {
		t.Run(v, func(t *testing.T) {
			d, _, p := tapped(t, lab(), fake.Options{Version: v})
			gone := backends.Change{Verb: backends.VerbHostDelete, Host: named("ALPHA")}
			pv, err := d.Preview(t.Context(), gone)
			if err != nil || !strings.Contains(strings.Join(pv.Warnings, ""), "restart") {
				t.Fatalf("no word about what the deletion breaks: %+v, %v", pv, err)
			}
			if a, err := d.Apply(t.Context(), gone, nil); err != nil || a.State != model.ActionDone || a.Details["note"] == "" {
				t.Fatalf("%+v, %v", a, err)
			}
			for _, c := range []backends.Change{
				{Verb: backends.VerbRun, Command: []string{"whoami"}}, {Verb: backends.VerbIsolate}, {Verb: backends.VerbHostDelete},
			} {
				for _, name := range []string{"BRAVO", "CHARLIE"} { // another answers; nobody does
					c.Host = named(name)
					if _, err := d.Preview(t.Context(), c); err == nil || !strings.Contains(err.Error(), "index is wrong") {
						t.Errorf("%s of %s: %v", c.Verb, name, err)
					}
					a, err := d.Apply(t.Context(), c, nil)
					if err == nil || !strings.Contains(err.Error(), "nothing was sent") || a.State != model.ActionFailed {
						t.Errorf("%s of %s: %+v, %v", c.Verb, name, a, err)
					}
				}
			}
			if p.count("POST ") != 0 || p.count("DELETE ") != 1 {
				t.Errorf("sent: %v", p.seen)
			}
			// The last one made breaks nothing.
			d, _, _ = tapped(t, lab(), fake.Options{Version: v})
			if pv, err := d.Preview(t.Context(), backends.Change{Verb: backends.VerbHostDelete, Host: named("CHARLIE")}); err != nil || len(pv.Warnings) > 0 {
				t.Errorf("deleting the last: %+v, %v", pv, err)
			}
		})
	}
}

// Trap 1, as it was recorded: the index goes wrong between the look and the
// request, so that the command reaches another endpoint. It is sent once, the
// alarm is loud, and what may have run where is reported.
func TestReplayIndexBug(t *testing.T) {
	by := map[string]*exchange{}
	for _, e := range exchanges(t) {
		if e.set == "v1.7.0-index-bug" {
			by[e.N] = e
		}
	}
	const second, third, fourth = "3159a2be-fea7-cf77-f05f-3bf17698926e", "9de5739a-2883-0051-e952-b2b23c097669", "a978da89-b14f-a6f6-98d5-478cc3676cfb"
	var healthy bool // the lookup is right, as before the DELETE of somebody else
	var methods []string
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		if r.Method != "GET" {
			methods = append(methods, r.Method+" "+r.URL.Path)
		}
		switch m := r.Method + " " + r.URL.Path; {
		case m == "GET /endpoints":
			_, _ = w.Write(by["006"].body)
		case healthy && m == "GET /endpoints/"+second:
			fmt.Fprintf(w, `{"data":{"uuid":%q,"hostname":"","ip":"","last-connection":"0001-01-01T00:00:00Z"},"message":"OK","error":""}`, second)
		case m == "GET /endpoints/"+second:
			_, _ = w.Write(by["007"].body)
		case m == "GET /endpoints/"+third:
			_, _ = w.Write(by["008"].body)
		case m == "GET /endpoints/"+fourth:
			panic(http.ErrAbortHandler)
		case m == "POST /endpoints/"+second+"/command":
			_, _ = w.Write(by["010"].body)
		case m == "GET /endpoints/"+second+"/command" && healthy:
			fmt.Fprint(w, `{"data":null,"message":"OK","error":""}`)
		case m == "GET /endpoints/"+second+"/command":
			_, _ = w.Write(by["011"].body)
		case m == "DELETE /endpoints/"+second:
			_, _ = w.Write(by["013"].body)
		default:
			http.NotFound(w, r)
		}
	})
	srv := httptest.NewServer(h)
	defer srv.Close()
	d, _ := quick(t, srv.URL)
	of := func(verb, uuid string) backends.Change {
		return backends.Change{Verb: verb, Host: &model.Host{Origin: model.Origin{ID: uuid}}, Command: []string{"whoami"}}
	}
	for _, uuid := range []string{second, third, fourth} {
		for _, verb := range []string{backends.VerbRun, backends.VerbHostDelete} {
			if _, err := d.Apply(t.Context(), of(verb, uuid), nil); err == nil || !strings.Contains(err.Error(), "nothing was sent") {
				t.Errorf("%s %s: %v", verb, uuid, err)
			}
		}
	}
	// Polling through the wrong index says so, and takes nobody's result.
	if a, err := d.Action(t.Context(), second+"/run/11111111-2222-3333-4444-555555555555"); err == nil || !strings.Contains(err.Error(), "index is wrong") {
		t.Errorf("polled: %+v, %v", a, err)
	}
	if len(methods) > 0 {
		t.Fatalf("sent: %v", methods)
	}
	healthy = true
	for _, verb := range []string{backends.VerbRun, backends.VerbHostDelete} {
		methods = nil
		a, err := d.Apply(t.Context(), of(verb, second), nil)
		if backends.KindOf(err) != backends.KindOther || err == nil || !strings.Contains(err.Error(), "ANOTHER ENDPOINT") || !strings.Contains(err.Error(), third) {
			t.Errorf("%s: %v", verb, err)
		}
		if a.State != model.ActionFailed || a.Details["given_to"] != third || verb == backends.VerbRun && a.Details["command"] != "156466b6-a1f6-604d-df96-70f81a13ec4b" {
			t.Errorf("%s: %+v", verb, a)
		}
		if verb == backends.VerbRun && !strings.Contains(err.Error(), "'whoami' may run there") {
			t.Errorf("it does not say what may run: %v", err)
		}
		if len(methods) != 1 {
			t.Errorf("%s: sent %v", verb, methods)
		}
		if strings.Contains(fmt.Sprint(err, a), "iaF9eN08ikmQlLYVoDPG9wh7EHzKR3JptKRiUiTIzCyI6C4hj3MjlW7h9N5LEWJq") {
			t.Errorf("%s: the key of the endpoint is shown", verb)
		}
	}
}

// Trap 2: the newest manager makes a phantom of an endpoint that was deleted
// between the look and the command, and takes the command for it.
func TestPhantomIsCaught(t *testing.T) {
	d, _, p := tapped(t, lab(), fake.Options{})
	p.instead = func(_ http.ResponseWriter, r *http.Request) bool {
		if r.Method == "POST" {
			ask(t, p.Handler, "DELETE", "/endpoints/"+uuid1, "")
		}
		return false
	}
	a, err := d.Apply(t.Context(), run("whoami"), nil)
	if err == nil || backends.KindOf(err) != backends.KindOther || !strings.Contains(err.Error(), "nobody") || a.State != model.ActionFailed {
		t.Errorf("%+v, %v", a, err)
	}
	p.instead = nil
	if n := p.count("POST "); n != 1 {
		t.Errorf("%d commands were sent", n)
	}
	before := p.count("GET /endpoints/" + uuid1)
	if _, err := d.Apply(t.Context(), run("whoami"), nil); backends.KindOf(err) != backends.KindNotFound {
		t.Errorf("the phantom: %v", err)
	}
	if p.count("GET /endpoints/"+uuid1) != before || p.count("POST ") != 1 {
		t.Error("an endpoint that is not listed was asked for")
	}
	l, err := d.Hosts(t.Context(), backends.Query{})
	if n := len(collect(t, l, err)); n != 2 {
		t.Errorf("%d hosts, want the 2 that are none", n)
	}
}

// A manager that understands another command than was meant.
func TestMisunderstood(t *testing.T) {
	d, _, p := tapped(t, lab(), fake.Options{})
	p.instead = func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != "POST" {
			return false
		}
		_, _ = io.WriteString(w, ask(t, p.Handler, "POST", r.URL.Path, `{"command-line":"format C:"}`))
		return true
	}
	a, err := d.Apply(t.Context(), run("whoami", "/all"), nil)
	if err == nil || backends.KindOf(err) != backends.KindOther || !strings.Contains(err.Error(), "'format' 'C:'") || a.Details["command"] == "" {
		t.Errorf("%+v, %v", a, err)
	}
	if n := p.count("POST "); n != 1 {
		t.Errorf("%d commands were sent", n)
	}
}

// The key of a new endpoint is given once, and not to anything that logs.
func TestHostAdd(t *testing.T) {
	each(t, func(t *testing.T, v string) {
		d, _, p := tapped(t, lab(), fake.Options{Version: v})
		c := backends.Change{Verb: backends.VerbHostAdd}
		if v == fake.Beta2 || v == fake.Head {
			c.Params = map[string]string{"group": "servers", "status": "new"}
		}
		pv, err := d.Preview(t.Context(), c)
		if err != nil || (v == fake.V170) != (len(pv.Warnings) > 0) {
			t.Fatalf("%+v, %v", pv, err)
		}
		a, err := d.Apply(t.Context(), c, nil)
		if err != nil || a.State != model.ActionDone || len(a.Details["key"]) != 64 || a.Host.ID != a.Details["endpoint"] {
			t.Fatalf("%+v, %v", a, err)
		}
		h, err := d.Host(t.Context(), a.Host.ID, true)
		if err != nil || strings.Contains(string(h.Raw), a.Details["key"]) {
			t.Fatalf("%+v, %v", h, err)
		}
		if c.Params != nil && (!slices.Equal(h.Tags, []string{"servers"}) || h.State != "new") {
			t.Errorf("%+v", h)
		}
		if p.count("PUT ") != 1 || p.count("POST ") != min(len(c.Params), 1) {
			t.Errorf("sent: %v", p.seen)
		}
		_, err = d.Preview(t.Context(), backends.Change{Verb: backends.VerbHostTag, Host: named("ALPHA"), Tags: []string{"x"}})
		if c.Params == nil && backends.KindOf(err) != backends.KindUnsupported || c.Params != nil && err != nil {
			t.Errorf("group: %v", err)
		}
	})
}
