package esp_test

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/backends/esp"
	"github.com/edrctl/edrctl/internal/backends/esp/fake"
	"github.com/edrctl/edrctl/internal/backends/esp/wire"
	"github.com/edrctl/edrctl/internal/model"
	"github.com/edrctl/edrctl/internal/recordings"
)

// windowsNamed is a Windows host with an identifier.
func windowsNamed(id string) *model.Host {
	h := hostNamed(id)
	h.OS = &model.OS{Platform: "windows"}
	return h
}

// TestChangesOnTheWire holds each request against the vendor's sample: the
// method, the path and the body, but for what must differ (a rule's own name).
func TestChangesOnTheWire(t *testing.T) {
	const ep = "EC2CD1A0-140B-9331-7A60-CFFCE29D2E71"
	on := windowsNamed(ep)
	for _, tc := range []struct {
		sample string
		change backends.Change
		set    map[string]any // members of the sample that must be these
		drop   []string       // members of the sample that are not sent
	}{
		{"090-alerts-resolve", backends.Change{Verb: backends.VerbAlertClose, AlertID: "93855"}, map[string]any{"alert_ids": []any{93855.0}}, nil},
		{"090-alerts-resolve", backends.Change{Verb: backends.VerbAlertReopen, AlertID: "93855"}, map[string]any{"alert_ids": []any{93855.0}, "resolve": false}, nil},
		{"032-host-tags-add", backends.Change{Verb: backends.VerbHostTag, Host: on, Tags: []string{"test"}}, nil, nil},
		{"033-host-tags-remove", backends.Change{Verb: backends.VerbHostUntag, Host: on, Tags: []string{"simple"}}, nil, nil},
		{"035-host-delete", backends.Change{Verb: backends.VerbHostDelete, Host: on}, nil, nil},
		{"036-host-remove", backends.Change{Verb: backends.VerbHostRemove, Host: on}, nil, nil},
		{"037-host-enable", backends.Change{Verb: backends.VerbHostEnable, Host: on}, nil, nil},
		{"046-carves-delete", backends.Change{Verb: backends.VerbCarveDelete, CarveID: "7930F12PEQ"}, nil, nil},
		{"047-distributed-add", backends.Change{Verb: backends.VerbCarve, Host: on, Path: `C:\it's`},
			map[string]any{"query": `select * from carves where carve=1 and path = 'C:\it''s';`, "nodes": ep, "description": "edrctl carve"}, []string{"tags"}},
		{"105-response-restart-agent", backends.Change{Verb: backends.VerbRestartAgent, Host: on}, nil, nil},
		{"106-response-add-file", backends.Change{Verb: backends.VerbDeleteFile, Host: on, Path: `C:\Users\PolyLogyx\Downloads\suspicious.exe`, Params: map[string]string{"md5": strings.Repeat("A", 32)}},
			map[string]any{"file_hash": strings.Repeat("a", 32)}, nil},
		{"106b-response-add-process", backends.Change{Verb: backends.VerbKill, Host: on, PID: 3123, Path: `C:\x\suspicious1.exe`}, nil, nil},
		{"106c-response-add-network-delete", backends.Change{Verb: backends.VerbUnblock, Host: on, Address: "192.0.2.7"}, map[string]any{"rule_name": "edrctl-block-192.0.2.7-out"}, nil},
		{"106d-response-add-network-contain", backends.Change{Verb: backends.VerbIsolate, Host: on}, map[string]any{"rule_name": "edrctl-isolate-in", "rule_group": "edrctl"}, nil},
		{"106d-response-add-network-contain", backends.Change{Verb: backends.VerbBlock, Host: on, Address: "2001:DB8::1", Port: 53, Params: map[string]string{"protocol": "udp", "direction": "out"}},
			map[string]any{"rule_name": "edrctl-block-2001:db8::1-53-udp-out", "rule_group": "edrctl", "dst_addr": "2001:db8::1", "dst_port": "53", "layer4_protocol": "17", "direction": "2"}, nil},
		{"107-response-custom-action", backends.Change{Verb: backends.VerbScript, Host: on, Script: &backends.Script{Name: "dir_script", Content: []byte("dir\n$pwd")}, Params: map[string]string{"file_type": "4", "save": "true"}}, nil, nil},
		{"108-response-delete", backends.Change{Verb: backends.VerbActionDelete, ActionID: "1"}, nil, nil},
		{"109-response-cancel", backends.Change{Verb: backends.VerbCancel, ActionID: "2c92808478ca277b0178ca2b9ef80005"}, nil, nil},
		{"110-response-live-response", backends.Change{Verb: backends.VerbRun, Host: windowsNamed("EC2EBD16-8D48-0C24-EB42-B22333D7F08D"), Command: []string{"dir", "/b"}, Timeout: time.Millisecond},
			map[string]any{"content": "@echo off\r\ndir /b\r\n", "file_type": "1", "save_script": "false"}, []string{"script_name"}},
		{"112-defender-scan-now", backends.Change{Verb: backends.VerbScan, Host: windowsNamed("EC27FE09-DEBD-F637-E17C-63CDCBF640DB"), Scan: "quick"}, nil, nil},
	} {
		t.Run(tc.sample+" "+tc.change.Verb, func(t *testing.T) {
			raw, err := fs.ReadFile(recordings.Of("esp"), "samples/"+tc.sample+".json")
			if err != nil {
				t.Fatal(err)
			}
			var x sampleExchange
			if err := json.Unmarshal(raw, &x); err != nil {
				t.Fatal(err)
			}
			want := maps.Clone(x.Request.JSON)
			if want == nil {
				want = map[string]any{}
			}
			maps.Copy(want, tc.set)
			for _, k := range tc.drop {
				delete(want, k)
			}
			p := newTape(t)
			path := x.Path
			for strings.Contains(path, "<") { // the path parameter
				from, to := strings.Index(path, "<"), strings.Index(path, ">")
				value := "1"
				if tc.change.Host != nil {
					value = tc.change.Host.ID
				}
				path = path[:from] + value + path[to+1:]
			}
			p.extra[x.Method+" "+path] = string(x.Response.JSON)
			d := p.driver()
			v, _ := backends.VerbOf(d, tc.change.Verb)
			act, err := d.Apply(t.Context(), tc.change, nil)
			// What is read afterwards is not in the sample: what has to be seen is
			// not done yet.
			if err != nil || act.State == model.ActionFailed || v.How == "" || v.Sync && act.State == model.ActionDone {
				t.Fatalf("%+v, %v", act, err)
			}
			got := p.sent[0]
			if got.method != x.Method || got.path != apiBase+path || !reflect.DeepEqual(got.args, want) {
				t.Errorf("sent %s %s %v\nwant %s %s %v", got.method, got.path, got.args, x.Method, path, want)
			}
		})
	}
}

// What the agent says becomes the state of the action.
func TestActionsOverSamples(t *testing.T) {
	sample := func(name string) string {
		raw, err := fs.ReadFile(recordings.Of("esp"), "samples/"+name+".json")
		if err != nil {
			t.Fatal(err)
		}
		var x sampleExchange
		if err := json.Unmarshal(raw, &x); err != nil {
			t.Fatal(err)
		}
		return string(x.Response.JSON)
	}
	p := newTape(t)
	p.extra["POST /hosts"] = twoHosts
	p.extra["POST /response"] = sample("100-response")
	p.extra["POST /response/view"] = sample("101-response-view")
	p.extra["GET /response/2c92808273b870760173ba05d560000c"] = sample("103-response-command")
	d := p.driver()
	for _, id := range []string{"2c92808273b870760173ba05d560000c", "7"} {
		a, err := d.Action(t.Context(), id)
		if err != nil || a.State != model.ActionFailed || a.Error != "RESP_SERVER_DISABLED" || a.Verb != backends.VerbKill || a.Target.PID != 8282 || a.Target.Name != "calc.exe" || a.Host == nil || a.Host.ID != linuxHost {
			t.Errorf("%s: %+v %v", id, a, err)
		}
	}
	l, err := d.Actions(t.Context(), backends.Query{})
	if err != nil {
		t.Fatal(err)
	}
	list, err := collect(l.Seq)
	if err != nil || len(list) != 1 || list[0].ID != "2c92808273b870760173ba05d560000c" || list[0].Details["openc2_id"] != "7" {
		t.Errorf("%+v, %v", list, err)
	}
	for _, id := range []string{"", "x", "../hosts", "carve:x:y", "carve:1:", "1+x"} {
		if _, err := d.Action(t.Context(), id); backends.KindOf(err) != backends.KindNotFound {
			t.Errorf("%q: %v", id, err)
		}
	}
}

// An edition without response routes says what it can do instead.
func TestCommunityEdition(t *testing.T) {
	srv := fake.New(small(), fake.Options{Now: func() time.Time { return anchor }})
	d := newDriver(t, serve(t, srv), at)
	_, err := d.Preview(t.Context(), backends.Change{Verb: backends.VerbKill, Host: windowsNamed("AAAA-1"), PID: 4})
	if backends.KindOf(err) != backends.KindUnsupported || !strings.Contains(fmt.Sprintf("%+v", err.(*backends.Error).Hint), "alert.close") {
		t.Errorf("%v", err)
	}
	l, err := d.Actions(t.Context(), backends.Query{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := collect(l.Seq); backends.KindOf(err) != backends.KindUnsupported {
		t.Errorf("%v", err)
	}
	told := newDriver(t, serve(t, srv), func(o *backends.Options) { at(o); o.Settings["edition"] = wire.EditionCE3 })
	for _, v := range told.Verbs() {
		if v.Verb == backends.VerbKill {
			t.Error("an edition that claims to have no response actions offers kill")
		}
	}
	// Trees come from the result logs there, and alerts want a verdict.
	if _, err := d.Children(t.Context(), backends.ProcessRef{UID: "58E0F038-D62C-11EA-8283-02F7A50E7DFE", Host: hostNamed("AAAA-1")}, ""); err != nil {
		t.Errorf("a tree from the logs: %v", err)
	}
}

// A host is asked whether it can take a command before one is shown to the user.
func TestReadiness(t *testing.T) {
	all := func(degraded bool) string {
		return fmt.Sprintf(`{"status":"success","data":[{"hostIdentifier":"%s","responseEnabled":true,"endpointOnline":true,"host_degraded":%v}]}`, strings.ToLower(windowsHost), degraded)
	}
	for _, tc := range []struct{ status, all, want string }{
		{`{"status":"success","responseEnabled":true,"endpointOnline":true}`, all(false), ""},
		{`{"status":"success","responseEnabled":true,"endpointOnline":false}`, all(false), "offline"},
		{`{"status":"success","responseEnabled":false,"endpointOnline":true}`, all(false), "switched off"},
		{`{"status":"success","responseEnabled":"true","endpointOnline":"true"}`, all(true), "degraded"},
		{`{"status":"success"}`, all(false), "offline"},
	} {
		p := newTape(t)
		p.extra["POST /response/status"], p.extra["GET /response/status/all"] = tc.status, tc.all
		pv, err := p.driver().Preview(t.Context(), backends.Change{Verb: backends.VerbIsolate, Host: windowsNamed(windowsHost)})
		if err != nil || (pv.NotReady == "") != (tc.want == "") || !strings.Contains(pv.NotReady, tc.want) {
			t.Errorf("%s: %q, %v", tc.status, pv.NotReady, err)
		}
		if len(pv.Requests) != 2 || len(pv.Warnings) == 0 || !pv.Reversible || pv.Inverse != backends.VerbRelease {
			t.Errorf("%+v", pv)
		}
		for _, s := range p.sent {
			if strings.HasSuffix(s.path, "/response/add") {
				t.Error("the preview sent something")
			}
		}
	}
}

func TestChangesThatAreRefused(t *testing.T) {
	linux := hostNamed("h")
	linux.OS = &model.OS{Platform: "linux"}
	many := windowsNamed("a,b")
	for _, c := range []backends.Change{
		{Verb: backends.VerbKill, Host: windowsNamed("h")},
		{Verb: backends.VerbKill},
		{Verb: backends.VerbKill, Host: many, PID: 1},
		{Verb: backends.VerbIsolate, Host: linux},
		{Verb: backends.VerbBlock, Host: windowsNamed("h"), Address: "evil.example"},
		{Verb: backends.VerbBlock, Host: windowsNamed("h"), Address: "192.0.2.1", Port: 1, Params: map[string]string{"protocol": "any"}},
		{Verb: backends.VerbBlock, Host: windowsNamed("h"), Address: "192.0.2.1", Params: map[string]string{"direction": "up"}},
		{Verb: backends.VerbRun, Host: linux, Command: []string{"a\nb"}},
		{Verb: backends.VerbRun, Host: hostNamed("h"), Command: []string{"a"}},
		{Verb: backends.VerbScript, Host: linux, Script: &backends.Script{Name: "x.py", Content: []byte("1")}},
		{Verb: backends.VerbScript, Host: linux, Script: &backends.Script{Name: "x.sh", Content: []byte("\xff")}},
		{Verb: backends.VerbScan, Host: windowsNamed("h"), Scan: "custom"},
		{Verb: backends.VerbScan, Host: windowsNamed("h"), Scan: "deep"},
		{Verb: backends.VerbDeleteFile, Host: linux, Path: "/x", Params: map[string]string{"md5": "zz"}},
		{Verb: backends.VerbCarve, Host: linux, Path: "a\x00"},
		{Verb: backends.VerbHostTag, Host: linux, Tags: []string{" "}},
		{Verb: backends.VerbAlertClose, AlertID: "1", Verdict: "benign"},
		{Verb: backends.VerbAlertClose, AlertID: "x"},
		{Verb: backends.VerbCancel, ActionID: "carve:1:h"},
		{Verb: backends.VerbMemdump, Host: linux},
	} {
		p := newTape(t)
		d := p.driver()
		_, perr := d.Preview(t.Context(), c)
		act, err := d.Apply(t.Context(), c, nil)
		if perr == nil || err == nil || act.State != model.ActionFailed || len(p.sent) != 0 {
			t.Errorf("%+v: %v, %v, %d sent", c, perr, err, len(p.sent))
		}
	}
}

// A pid that is another process by now is not killed under the old path.
func TestKillComparesPidAndPath(t *testing.T) {
	data := small()
	row := func(id int, path string, ago time.Duration) fake.Result {
		at := anchor.Add(-ago)
		return fake.Result{ID: int64(id), Name: "win_process_events", Time: at, Action: "added", NodeID: 1, Columns: fake.Columns{
			{K: "eid", V: fmt.Sprintf("00000000-0000-0000-0000-%012d", id)}, {K: "time", V: fmt.Sprint(at.Unix())}, {K: "action", V: "PROC_CREATE"}, {K: "pid", V: "77"},
			{K: "path", V: path}, {K: "process_guid", V: fmt.Sprintf("10000000-0000-0000-0000-%012d", id)},
		}}
	}
	data.Results = fake.List{row(1, `C:\old.exe`, time.Hour), row(2, `C:\new.exe`, time.Minute)}
	d := newDriver(t, serve(t, fake.New(data, fake.Options{Edition: fake.Enterprise, Now: func() time.Time { return anchor }})), at)
	if _, err := d.Preview(t.Context(), backends.Change{Verb: backends.VerbKill, Host: windowsNamed("AAAA-1"), PID: 77, Path: `C:\old.exe`}); backends.KindOf(err) != backends.KindInvalid || !strings.Contains(err.Error(), "new.exe") {
		t.Errorf("%v", err)
	}
	pv, err := d.Preview(t.Context(), backends.Change{Verb: backends.VerbKill, Host: windowsNamed("AAAA-1"), PID: 77, Path: `c:\NEW.exe`})
	if err != nil || len(pv.Warnings) != 0 {
		t.Errorf("%+v, %v", pv, err)
	}
}

// A tree page of one second never advances: the rest comes from the logs, and
// every child is there once.
func TestTreePagesThatStandStill(t *testing.T) {
	const parent = "20000000-0000-0000-0000-000000000000"
	for _, burst := range []int{5, 19, 20, 25, 60} {
		data := small()
		var list fake.List
		total := burst + 30
		for i := range total {
			at := anchor.Add(-time.Hour)
			if i >= burst { // the burst is in one second, the others after it
				at = at.Add(time.Duration(i) * time.Second)
			}
			list = append(list, fake.Result{ID: int64(i + 1), Name: "win_process_events", Time: at, Action: "added", NodeID: 1, Columns: fake.Columns{
				{K: "eid", V: fmt.Sprintf("00000000-0000-0000-0000-%012d", i)}, {K: "time", V: fmt.Sprint(at.Unix())}, {K: "action", V: "PROC_CREATE"}, {K: "pid", V: fmt.Sprint(i + 10)},
				{K: "path", V: `C:\child.exe`}, {K: "process_guid", V: fmt.Sprintf("30000000-0000-0000-0000-%012d", i)}, {K: "parent_process_guid", V: parent},
			}})
		}
		data.Results = list
		d := newDriver(t, serve(t, fake.New(data, fake.Options{Edition: fake.Enterprise, Now: func() time.Time { return anchor }})), at)
		var got []string
		for cursor, n := "", 0; ; n++ {
			page, err := d.Children(t.Context(), backends.ProcessRef{UID: parent, Host: hostNamed("AAAA-1")}, cursor)
			if err != nil || n > 20 {
				t.Fatalf("burst %d: %v", burst, err)
			}
			for _, c := range page.Processes {
				got = append(got, c.UID)
			}
			if cursor = page.Next; cursor == "" {
				break
			}
		}
		slices.Sort(got)
		if n := len(got); n != total || len(slices.Compact(got)) != total {
			t.Errorf("burst of %d: %d children, %d different, want %d", burst, n, len(slices.Compact(got)), total)
		}
	}
}

func TestCarvePathsAreLiteral(t *testing.T) {
	for path, want := range map[string]string{
		`/tmp/a{b}[c]?*~`: `path = '/tmp/a{b}[c]?*~'`, `C:\it's`: `path = 'C:\it''s'`, `/etc/pass%`: `path like '/etc/pass%'`, `/a_b`: `path = '/a_b'`,
	} {
		if got, err := esp.CarveSQL(path); err != nil || got != "select * from carves where carve=1 and "+want+";" {
			t.Errorf("%s: %s, %v", path, got, err)
		}
	}
}

// What isolate sends as two rules is listed as the one action it was.
func TestRulesAreListedAsTheyWereAskedFor(t *testing.T) {
	data := small()
	data.Hosts[0].Online = true
	d := newDriver(t, serve(t, fake.New(data, fake.Options{Edition: fake.Enterprise, Now: func() time.Time { return anchor }})), at)
	var ids []string
	for _, c := range []backends.Change{
		{Verb: backends.VerbIsolate, Host: windowsNamed("AAAA-1")},
		{Verb: backends.VerbBlock, Host: windowsNamed("AAAA-1"), Address: "192.0.2.1"},
		{Verb: backends.VerbRelease, Host: windowsNamed("AAAA-1"), Undo: &model.Action{Details: map[string]string{"rules": "edrctl-isolate-in,edrctl-isolate-out,other"}}},
	} {
		a, err := d.Apply(t.Context(), c, nil)
		if err != nil || a.ID == "" {
			t.Fatalf("%+v, %v", a, err)
		}
		ids = append(ids, a.ID)
	}
	l, err := d.Actions(t.Context(), backends.Query{})
	if err != nil {
		t.Fatal(err)
	}
	list, err := collect(l.Seq)
	if err != nil || len(list) != 3 {
		t.Fatalf("%d actions, %v", len(list), err)
	}
	slices.Reverse(list)
	for i, a := range list {
		if a.ID != ids[i] || a.Verb != []string{backends.VerbIsolate, backends.VerbBlock, backends.VerbRelease}[i] {
			t.Errorf("%s %s, want %s", a.Verb, a.ID, ids[i])
		}
	}
}
