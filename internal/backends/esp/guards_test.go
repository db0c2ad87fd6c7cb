package esp_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/backends/esp"
	"github.com/edrctl/edrctl/internal/backends/esp/catalog"
	"github.com/edrctl/edrctl/internal/backends/esp/fake"
	"github.com/edrctl/edrctl/internal/model"
)

const okConditions = `{"condition":"AND","rules":[{"field":"column","operator":"column_contains","value":["path","\\Temp\\"]}]}`

const hostW, hostL = "EC2CE2E2-3D74-1248-2FA9-23F2E960ED42", "ec21dee2-7085-d568-52f4-3c5b3f0710c7"

// estate is a server with something of everything.
func estate() *fake.Data {
	return &fake.Data{
		Users: append(users(), fake.User{ID: 2, Name: "anna", Password: password, Role: "analyst"}),
		Hosts: []fake.Host{
			{ID: 1, Identifier: hostW, Name: "WIN-1", OSName: "Windows", Platform: "windows", Online: true, Tags: []string{"finance"}},
			{ID: 2, Identifier: hostL, Name: "web-1", OSName: "Ubuntu", Platform: "ubuntu", Tags: []string{"web"}},
		},
		Rules: []fake.Rule{{
			ID: 7, Name: "Temp", Description: "from temp", Severity: "WARNING", Status: "ACTIVE", Type: "MITRE", Alerters: []string{"debug", "email"},
			Tactics: []string{"execution", "persistence"}, TechniqueID: "T1059,T1547", Platform: "windows", Conditions: okConditions, Updated: anchor, AlertDescription: true,
		}},
		Queries: []fake.Query{{
			ID: 5, Name: "ports", SQL: "select * from listening_ports;", Interval: 60, Platform: "windows", Version: "2.9.0", Description: "open ports", Value: "Ports",
			Tags: []string{"finance", "sales"}, Packs: []string{"base"},
		}},
		Packs: []fake.Pack{{ID: 3, Name: "base", Category: "Monitoring", Tags: []string{"finance"}, Queries: []string{"ports"}}},
		Configs: []fake.Config{
			{ID: 1, Name: "linux-default", Platform: "linux", Default: true, Queries: `{"process_events":{"query":"select 1;","interval":10,"status":true},"socket_events":{"interval":20,"status":true}}`, Conditions: `{}`},
			{ID: 2, Name: "web", Platform: "linux", Description: "web servers", Queries: `{"process_events":{"interval":10,"status":true}}`, Conditions: `{"hostname":{"value":"*web*"}}`, Filters: `{"options":{"a":"1"}}`},
		},
		IOCs:   []fake.IOC{{Name: "bad_ip", Type: "remote_address", Severity: "WARNING", Values: "192.0.2.1,192.0.2.2"}, {Name: "bad_md5", Type: "md5", Severity: "CRITICAL", Values: strings.Repeat("a", 32)}},
		Tables: []fake.Table{{Name: "processes", Platforms: []string{"windows", "linux", "darwin"}, Columns: []fake.TableColumn{{Name: "pid", Type: "BIGINT"}}}},
		Yara:   map[string]string{"there.yara": "rule there { condition: true }"},
	}
}

// desk is a driver at a server, and what the server was asked.
type desk struct {
	t   *testing.T
	d   *esp.Driver
	srv *fake.Server
	// between runs just before a changing request is passed on.
	between func()
}

func newDesk(t *testing.T, edition string) *desk {
	t.Helper()
	k := &desk{t: t, srv: fake.New(estate(), fake.Options{Edition: edition})}
	k.d = newDriver(t, serve(t, k.srv), nil)
	return k
}

func op(t testing.TB, name string) backends.Operation {
	t.Helper()
	o, ok := backends.OperationNamed(catalog.Operations(), name)
	if !ok {
		t.Fatalf("no operation %s", name)
	}
	return o
}

// args reads arguments written as JSON, as the command line would give them.
func args(t testing.TB, text string) map[string]any {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	m := map[string]any{}
	if err := d.Decode(&m); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	if f, ok := m["file"].(map[string]any); ok {
		m["file"] = backends.File{Name: fmt.Sprint(f["name"]), Content: []byte(fmt.Sprint(f["text"]))}
	}
	return m
}

func (k *desk) change(name, text string) backends.Change {
	k.t.Helper()
	return backends.Change{Verb: backends.VerbCall, Call: &backends.Call{Op: op(k.t, name), Args: args(k.t, text)}}
}

func (k *desk) read(name, text string) json.RawMessage {
	k.t.Helper()
	a, err := k.d.Invoke(k.t.Context(), op(k.t, name), args(k.t, text))
	if err != nil {
		k.t.Fatalf("%s: %v", name, err)
	}
	return a.Data
}

// do previews and applies.
func (k *desk) do(name, text string) (backends.Preview, *model.Action, error) {
	k.t.Helper()
	c := k.change(name, text)
	p, err := k.d.Preview(k.t.Context(), c)
	if err != nil {
		return p, nil, err
	}
	if k.between != nil {
		k.between()
	}
	a, err := k.d.Apply(k.t.Context(), c, nil)
	return p, a, err
}

// refused are calls the server takes, or half takes: each must be refused
// before it is sent, and say how it is right.
var refused = []struct{ op, args, why string }{
	// Conditions that never fire (§14).
	{"rules.add", `{"name":"x","conditions":{"condition":"AND","rules":[{"field":"path","operator":"contains","value":"x"}]}}`, `no rule can look at a field "path"`},
	{"rules.add", `{"name":"x","conditions":{"condition":"AND","rules":[{"field":"column","operator":"contains","value":["path","x"]}]}}`, "lacks its prefix column_"},
	{"rules.add", `{"name":"x","conditions":{"condition":"AND","rules":[{"field":"action","operator":"equal","value":"test"}]}}`, "never \"test\""},
	{"rules.add", `{"name":"x","conditions":{"condition":"AND","rules":[{"field":"column","operator":"column_contains","value":["port","4444"]}]}}`, "finds no text in numbers"},
	{"rules.add", `{"name":"x","conditions":{"condition":"AND","rules":[{"field":"column","operator":"column_matches_phish_tank","value":["url","x"]}]}}`, "never true"},
	{"rules.add", `{"name":"x","conditions":{"condition":"AND","rules":[{"field":"column","operator":"column_matches_regex","value":["path","(["]}]}}`, "not a regular expression"},
	{"rules.add", `{"name":"x","conditions":{"condition":"AND","rules":[]}}`, "at least one rule"},
	{"rules.add", `{"name":"x","conditions":{"condition":"OR","rules":[{"condition":"AND","rules":[]}]}}`, "at least one rule"},
	{"rules.add", `{"name":"x","conditions":{"condition":"AND","rules":[{"field":"column","operator":"column_equal","value":["path",""]}]}}`, "value is empty"},
	{"rules.add", `{"name":"x","conditions":{"condition":"AND","rules":[{"field":"column","operator":"column_in","value":["path","a"]}]}}`, `no operator "column_in"`},
	{"rules.add", `{"name":"x","conditions":{"condition":"AND","rules":[{"field":"column","operator":"column_less","value":["pid","many"]}]}}`, "compares numbers"},
	{"rules.add", `{"name":"x","conditions":{"condition":"AND","rules":[{"field":"timestamp","operator":"contains","value":"17"}]}}`, "timestamp is a number"},
	{"rules.add", `{"name":"x","conditions":{"condition":"AND","rules":[{"field":"column","operator":"column_equal","value":["path","a"]},{"field":"column","operator":"column_equal","value":["path","b"]}]}}`, "at once"},
	{"rules.set", `{"rule_id":7,"conditions":{"condition":"AND","rules":[{"field":"path","operator":"contains","value":"x"}]}}`, "no rule can look"},
	{"rules.add", `{"name":"Temp","conditions":` + okConditions + `}`, "already"},
	{"rules.add", `{"name":"x","technique_id":"T1059.001","conditions":` + okConditions + `}`, "technique_id"},
	{"rules.add", `{"name":"x","tactics":"running","conditions":` + okConditions + `}`, "tactics"},
	{"rules.set", `{"rule_id":7}`, "changes nothing"},
	// What replaces, or drops in silence.
	{"iocs.add", `{"remove":"bad_ip","replace":true}`, "two calls"},
	{"iocs.add", `{"data":{"x":{"type":"md5","severity":"INFO","values":[]}}}`, "has no values"},
	{"iocs.add", `{"name":"x","values":"1"}`, "needs a type"},
	{"iocs.add", `{"name":"bad_ip","type":"md5","values":"1"}`, "one type"},
	{"iocs.add", `{}`, "names no indicator"},
	{"distributed.add", `{"query":"select * from processes"}`, "names no host"},
	{"distributed.add", `{"query":"select * from processes","nodes":" , "}`, "names no host"},
	{"alerts.resolve", `{"alert_ids":[1]}`, "opens the alerts again"},
	{"queries.add", `{"name":"x","query":"delete from x","interval":5}`, "begins with select"},
	{"queries.add", `{"name":"x","query":"select 1","interval":0}`, "above zero"},
	{"queries.add", `{"name":"ports","query":"select 1","interval":5}`, "already"},
	{"packs.add", `{"name":"x","queries":{}}`, "at least one"},
	{"packs.add", `{"name":"x","queries":{"a":{"query":"drop","interval":1}}}`, "in silence"},
	{"packs.upload", `{"file":{"name":"x.txt","text":"{}"}}`, ".json"},
	{"packs.upload", `{"file":{"name":"x.json","text":"nothing"}}`, "not a JSON object"},
	{"yara.add", `{"file":{"name":"x.txt","text":"rule x {}"},"platform":"linux"}`, ".yara"},
	{"yara.add", `{"file":{"name":"There.YARA","text":"rule x {}"},"platform":"linux"}`, "there already"},
	{"yara.add", `{"file":{"name":"x.yar","text":"rule x {}"},"platform":"solaris"}`, "none of"},
	{"yara.delete", `{"file_name":"there.yara"}`, "one only"},
	{"configs.set", `{"config_id":1,"name":"other"}`, "default configuration"},
	{"configs.set", `{"config_id":2,"queries":{"nope":{"interval":5,"status":true}}}`, "adds none"},
	{"configs.set", `{"config_id":2,"filters":{}}`, "ignores an empty object"},
	{"configs.delete", `{"config_id":1}`, "default"},
	{"configs.assign", `{"config_id":2}`, "neither hosts nor tags"},
	{"configs.add", `{"name":"web","platform":"linux"}`, "already"},
	{"configs.add", `{"name":"n","platform":"linux"}`, "queries are missing"},
	{"configs.add", `{"name":"n","platform":"linux","queries":{"socket_events":{"interval":10,"status":true}}}`, "no SQL"},
	{"configs.add", `{"name":"n","platform":"linux","queries":{"nope":{"query":"select 2;"}}}`, "none of them"},
	{"settings.set", `{}`, "names no setting"},
	{"settings.set", `{"purge_data_duration":"0"}`, "above zero"},
	{"virustotal.engines.set", `{}`, "changes nothing"},
	{"virustotal.engines.set", `{"av_engines":{"Nope":{"status":true}}}`, "knows no engine"},
	{"threatintel.keys.set", `{"IBMxForceKey":"k"}`, "together"},
	{"email.set", `{"email":"a@b.c","smtpAddress":"m","smtpPort":"70000","password":"p","emailRecipients":"a@b.c"}`, "65535"},
	{"email.set", `{"smtpAddress":"m","password":"p"}`, "email is missing"},
	{"results.delete", `{"days_of_data":0}`, "above zero"},
	{"auth.password.change", `{"old_password":"` + password + `","new_password":"a","confirm_new_password":"b"}`, "differ"},
	{"response.add", `{"action":"delete","target":"process","actuator_id":"` + hostW + `"}`, "no action"},
	{"response.add", `{"action":"delete","target":"file","actuator_id":"` + hostW + `","file_name":"x.exe"}`, "full path"},
	{"response.add", `{"action":"stop","target":"process","actuator_id":"` + hostW + `"}`, "needs process_name or pid"},
	{"response.script", `{"host_identifier":"` + hostW + `","file_type":"2"}`, "content or file"},
	{"defender.scan", `{"host_identifier":"` + hostW + `","scan_type":3}`, "file_path"},
	{"defender.exclusions", `{"host_identifier":"` + hostW + `","action":"add"}`, "excludes nothing"},
	{"defender.schedule", `{"host_identifier":"` + hostW + `","scan_type":2,"time":"25:00","scan_day":1}`, "time of a day"},
	{"defender.schedule", `{"host_identifier":"` + hostW + `","scan_type":2,"time":"10:30"}`, "scan_day"},
	{"hosts.tags.add", `{"host":"1","tag":""}`, "tag is missing"},
}

func TestGuardsRefuse(t *testing.T) {
	k := newDesk(t, fake.CE3)
	k.read("hosts.count", `{}`)
	for _, tt := range refused {
		t.Run(tt.op+" "+tt.why, func(t *testing.T) {
			before := k.srv.Calls()[tt.op]
			_, a, err := k.do(tt.op, tt.args)
			if kind := backends.KindOf(err); kind != backends.KindInvalid || !strings.Contains(err.Error(), tt.why) {
				t.Fatalf("got %v (kind %d, %+v), want %q", err, kind, a, tt.why)
			}
			if n := k.srv.Calls()[tt.op]; n != before {
				t.Errorf("it was sent")
			}
		})
	}
}

// Each changing call of the table is sent once, and nothing but what it names
// is different after.
func TestGuardsKeepTheRest(t *testing.T) {
	k := newDesk(t, fake.CE3)
	rule := string(k.read("rules.get", `{"rule_id":7}`))
	p, a, err := k.do("rules.set", `{"rule_id":7,"severity":"CRITICAL"}`)
	if err != nil || a.State != model.ActionDone {
		t.Fatalf("%+v %v", a, err)
	}
	if !strings.Contains(p.Summary, "severity: WARNING → CRITICAL") || strings.Count(p.Summary, "→") != 1 {
		t.Errorf("the preview says %q", p.Summary)
	}
	now := string(k.read("rules.get", `{"rule_id":7}`))
	if want := unstamped(strings.Replace(rule, `"WARNING"`, `"CRITICAL"`, 1)); unstamped(now) != want {
		t.Errorf("the rule is\n%s\nwant\n%s", unstamped(now), want)
	}
	if !strings.Contains(string(a.Answer), `"CRITICAL"`) {
		t.Errorf("answer: %s", a.Answer)
	}

	query := string(k.read("queries.get", `{"query_id":5}`))
	p, _, err = k.do("queries.set", `{"query_id":5,"interval":"600"}`)
	if err != nil || !strings.Contains(p.Summary, "interval: 60 → 600") || strings.Count(p.Summary, "→") != 1 {
		t.Fatalf("%q %v", p.Summary, err)
	}
	if got := string(k.read("queries.get", `{"query_id":5}`)); got != strings.Replace(query, `"interval":60`, `"interval":600`, 1) {
		t.Errorf("the query is\n%s\nwas\n%s", got, query)
	}
	if !strings.Contains(string(k.read("packs.get", `{"pack_id":3}`)), `"ports"`) {
		t.Error("the query left its pack")
	}

	if _, _, err = k.do("configs.set", `{"config_id":2,"queries":{"process_events":{"interval":99}}}`); err != nil {
		t.Fatal(err)
	}
	if c := string(k.read("configs.get", `{"config_id":2}`)); !strings.Contains(c, `*web*`) || !strings.Contains(c, `"interval":99`) || !strings.Contains(c, `"status":true`) || !strings.Contains(c, `"options"`) {
		t.Errorf("the configuration is %s", c)
	}

	if _, _, err = k.do("packs.add", `{"name":"base","queries":{"up":{"query":"select * from uptime;","interval":60}}}`); err != nil {
		t.Fatal(err)
	}
	if c := string(k.read("packs.get", `{"pack_id":3}`)); !strings.Contains(c, `"finance"`) || !strings.Contains(c, `"up"`) || !strings.Contains(c, `"ports"`) {
		t.Errorf("the pack is %s", c)
	}

	if _, _, err = k.do("virustotal.engines.set", `{"min_match_count":9}`); err != nil {
		t.Errorf("without av_engines 3.5.1 fails half way: %v", err)
	}
	for _, op := range []string{"rules.set", "queries.set", "configs.set", "packs.add", "virustotal.engines.set"} {
		if n := k.srv.Calls()[op]; n != 1 {
			t.Errorf("%s was sent %d times", op, n)
		}
	}
}

// unstamped drops the time of the last change.
func unstamped(row string) string {
	var m map[string]any
	_ = json.Unmarshal([]byte(row), &m)
	delete(m, "updated_at")
	// What the checker fills in for the console counts for nothing.
	b, _ := json.Marshal(m)
	return string(b)
}

// Whatever is added and removed, nothing else is lost.
func TestIndicatorsAreMerged(t *testing.T) {
	k := newDesk(t, fake.CE3)
	want := map[string][]string{"bad_ip": {"192.0.2.1", "192.0.2.2"}, "bad_md5": {strings.Repeat("a", 32)}}
	types := map[string]string{"bad_ip": "remote_address", "bad_md5": "md5"}
	r := rand.New(rand.NewPCG(1, 2))
	for step := range 150 {
		name := fmt.Sprintf("set_%d", r.IntN(5))
		if r.IntN(3) == 0 {
			name = []string{"bad_ip", "bad_md5"}[r.IntN(2)]
		}
		value := fmt.Sprintf("v%d", r.IntN(12))
		switch _, is := want[name]; {
		case r.IntN(3) > 0 || !is || len(want) < 2:
			typ := types[name]
			if typ == "" {
				typ = "process_name"
			}
			types[name] = typ
			text := fmt.Sprintf(`{"name":%q,"type":%q,"values":%q}`, name, typ, value)
			if r.IntN(2) == 0 {
				text = fmt.Sprintf(`{"data":{%q:{"type":%q,"severity":"INFO","values":%q}}}`, name, typ, value)
			}
			if _, _, err := k.do("iocs.add", text); err != nil {
				t.Fatalf("step %d %s: %v", step, text, err)
			}
			if !slices.Contains(want[name], value) {
				want[name] = append(want[name], value)
			}
		case r.IntN(2) == 0:
			gone := want[name][r.IntN(len(want[name]))]
			if _, _, err := k.do("iocs.add", fmt.Sprintf(`{"remove":%q,"values":%q}`, name, gone)); err != nil {
				t.Fatal(err)
			}
			want[name] = slices.DeleteFunc(slices.Clone(want[name]), func(s string) bool { return s == gone })
			if len(want[name]) == 0 {
				delete(want, name)
			}
		default:
			if _, _, err := k.do("iocs.add", fmt.Sprintf(`{"remove":%q}`, name)); err != nil {
				t.Fatal(err)
			}
			delete(want, name)
		}
		var got map[string]struct{ Values string }
		if err := json.Unmarshal(k.read("iocs.list", `{}`), &got); err != nil {
			t.Fatal(err)
		}
		have := map[string][]string{}
		for n, s := range got {
			have[n] = strings.Split(s.Values, ",")
		}
		if !maps.EqualFunc(have, want, slices.Equal[[]string]) {
			t.Fatalf("step %d: the server has\n%v\nwant\n%v", step, have, want)
		}
	}
	if _, _, err := k.do("iocs.add", `{"remove":"nope"}`); backends.KindOf(err) != backends.KindNotFound {
		t.Errorf("removing what is not there: %v", err)
	}
}

// The demo set of an empty server is nobody's, and the last entry cannot be
// removed: the server would keep it.
func TestIndicatorsOfAnEmptyServer(t *testing.T) {
	data := estate()
	data.IOCs = nil
	k := &desk{t: t, srv: fake.New(data, fake.Options{})}
	k.d = newDriver(t, serve(t, k.srv), nil)
	p, _, err := k.do("iocs.add", `{"name":"a","type":"md5","values":"`+strings.Repeat("b", 32)+`"}`)
	if err != nil || !strings.Contains(strings.Join(p.Warnings, "\n"), "demo set") {
		t.Fatalf("%v %v", p.Warnings, err)
	}
	if got := string(k.read("iocs.list", `{}`)); strings.Contains(got, "test-intel") {
		t.Errorf("the demo set was kept: %s", got)
	}
	if _, _, err := k.do("iocs.add", `{"remove":"a"}`); backends.KindOf(err) != backends.KindInvalid {
		t.Errorf("removing the last: %v", err)
	}
	p, _, err = k.do("iocs.add", `{"replace":true,"data":{"z":{"type":"md5","severity":"INFO","values":"`+strings.Repeat("c", 32)+`"}}}`)
	if err != nil || !strings.Contains(strings.Join(p.Warnings, "\n"), "a is lost") {
		t.Errorf("replacing: %v %v", p.Warnings, err)
	}
}

// What someone else changes between the preview and the sending is not
// overwritten.
func TestChangedMeanwhile(t *testing.T) {
	for _, tt := range []struct{ op, args, other, otherArgs string }{
		{"iocs.add", `{"name":"mine","type":"md5","values":"x"}`, "iocs.add", `{"data":{"bad_ip":{"type":"remote_address","severity":"INFO","values":"192.0.2.9"}}}`},
		{"rules.set", `{"rule_id":7,"severity":"INFO"}`, "rules.set", `{"rule_id":7,"name":"Temp","description":"mine","conditions":` + okConditions + `}`},
		{"queries.set", `{"query_id":5,"interval":9}`, "queries.tags.add", `{"query_id":5,"tag":"new"}`},
		{"packs.add", `{"name":"base","queries":{"a":{"query":"select 1;","interval":5}}}`, "packs.tags.add", `{"pack":"3","tag":"new"}`},
		{"configs.set", `{"config_id":2,"description":"x"}`, "configs.set", `{"config_id":2,"description":"y","conditions":{}}`},
	} {
		t.Run(tt.op, func(t *testing.T) {
			k := newDesk(t, fake.CE3)
			k.between = func() {
				if _, err := k.d.Invoke(t.Context(), op(t, tt.other), args(t, tt.otherArgs)); err != nil {
					t.Fatal(err)
				}
			}
			before := 0
			if tt.op == tt.other {
				before = 1
			}
			_, a, err := k.do(tt.op, tt.args)
			if backends.KindOf(err) != backends.KindRefused || a.State != model.ActionFailed {
				t.Errorf("%+v %v", a, err)
			}
			if n := k.srv.Calls()[tt.op]; n != before {
				t.Errorf("it was sent: %d", n)
			}
			k.between = nil
			if _, _, err := k.do(tt.op, tt.args); err != nil {
				t.Errorf("again, from what is there now: %v", err)
			}
		})
	}
}

// warned are calls whose preview must say what they cost.
var warned = []struct{ edition, op, args, says string }{
	{fake.CE3, "settings.set", `{"purge_data_duration":"5"}`, "between 5 and 60 days old are permanently deleted"},
	{fake.CE3, "tags.delete", `{"tag":"finance"}`, "these packs lose it: base"},
	{fake.CE3, "tags.delete", `{"tag":"finance"}`, "these queries lose it: ports"},
	{fake.CE3, "tags.delete", `{"tag":"finance"}`, "these hosts lose it: " + hostW},
	{fake.CE3, "packs.add", `{"name":"base","tags":"new","queries":{"ports":{"query":"select 2;","interval":5}}}`, "its tags are replaced"},
	{fake.CE3, "packs.add", `{"name":"base","queries":{"ports":{"query":"select 2;","interval":5}}}`, "makes a second one"},
	{fake.CE3, "packs.upload", `{"file":{"name":"Base.json","text":"{\"queries\":{\"n\":{\"query\":\"select 1;\",\"interval\":5}}}"}}`, "tags are lost"},
	{fake.CE3, "queries.set", `{"query_id":5,"packs":""}`, "leaves the pack base"},
	{fake.CE3, "queries.delete", `{"query":"ports"}`, "in the packs base"},
	{fake.CE3, "configs.delete", `{"config_id":2}`, "deletes the configuration"},
	{fake.CE3, "configs.assign", `{"config_id":2,"host_identifiers":"WIN-1"}`, "these hosts are not"},
	{fake.CE3, "configs.add", `{"name":"n","platform":"linux","queries":{"process_events":{"interval":1,"status":true},"nope":{"query":"select 2;","interval":1,"status":true}}}`, "leaves out: nope"},
	{fake.CE3, "email.set", `{"email":"a@b.c","smtpAddress":"mail.b.c","smtpPort":"25","password":"mail-secret","emailRecipients":"x@b.c"}`, "test mail to x@b.c"},
	{fake.CE3, "hosts.delete", `{"host":"1"}`, "deleted with it"},
	{fake.CE3, "distributed.add", `{"query":"select * from processes","nodes":"` + hostW + `,` + hostL + `"}`, "offline now"},
	{fake.CE3, "rules.set", `{"rule_id":7,"severity":"INFO"}`, "recon_queries"},
	{fake.CE3, "rules.add", `{"name":"n","conditions":{"condition":"AND","rules":[{"field":"column","operator":"column_is_ascii","value":["path","x"]}]}}`, "the opposite"},
	{fake.CE3, "rules.add", `{"name":"n","conditions":{"condition":"AND","rules":[{"field":"column","operator":"column_matches_regex","value":["path","evil"]}]}}`, "at the start of the value only"},
	{fake.CE3, "rules.add", `{"name":"n","conditions":{"condition":"AND","rules":[{"field":"column","operator":"column_matches_regex","value":["path","(?=x).*"]}]}}`, "could not be checked"},
	{fake.CE3, "rules.add", `{"name":"n","colour":"red","conditions":` + okConditions + `}`, "knows no colour"},
	{fake.Enterprise, "response.add", `{"action":"stop","target":"process","actuator_id":"WIN-1","process_name":"x.exe"}`, "every process of the name"},
	{fake.Enterprise, "response.script", `{"host_identifier":"web-1","content":"id","file_type":"3"}`, "offline"},
	{fake.Enterprise, "defender.exclusions", `{"host_identifier":"WIN-1","action":"add","path":"C:\\x"}`, "no longer looked at"},
	{fake.Enterprise, "response.delete", `{"openc2_id":1}`, "undoes nothing"},
}

func TestGuardsWarn(t *testing.T) {
	desks := map[string]*desk{fake.CE3: newDesk(t, fake.CE3), fake.Enterprise: newDesk(t, fake.Enterprise)}
	for _, tt := range warned {
		t.Run(tt.op+" "+tt.says, func(t *testing.T) {
			k := desks[tt.edition]
			c := backends.Call{Op: op(t, tt.op), Args: args(t, tt.args)}
			if c.Args["colour"] != nil { // a member only a body can carry
				c.Args, c.Body = nil, []byte(tt.args)
			}
			p, err := k.d.Preview(t.Context(), backends.Change{Verb: backends.VerbCall, Call: &c})
			if err != nil || !strings.Contains(strings.Join(p.Warnings, "\n"), tt.says) {
				t.Errorf("%v, %q", err, p.Warnings)
			}
			if strings.Contains(fmt.Sprint(p), "mail-secret") {
				t.Errorf("the preview shows a password: %v", p)
			}
			if n := k.srv.Calls()[tt.op]; n != 0 {
				t.Error("it was sent")
			}
		})
	}
}

// A member of another system, of an unknown name, or of an edition.
func TestGuardsOnHosts(t *testing.T) {
	k := newDesk(t, fake.Enterprise)
	if _, _, err := k.do("defender.scan", `{"host_identifier":"web-1","scan_type":1}`); backends.KindOf(err) != backends.KindUnsupported {
		t.Errorf("Defender on Linux: %v", err)
	}
	if _, _, err := k.do("defender.scan", `{"host_identifier":"nobody","scan_type":1}`); backends.KindOf(err) != backends.KindNotFound {
		t.Errorf("nobody: %v", err)
	}
	_, a, err := k.do("defender.scan", `{"host_identifier":"t/WIN-1","scan_type":1}`)
	if err != nil || a.Details["openc2_id"] == "" || a.State != model.ActionDone || !strings.Contains(string(a.Answer), "openc2_id") {
		t.Errorf("by name: %+v %v", a, err)
	}
	for _, op := range []string{"hosts.remove", "hosts.enable"} {
		if _, _, err := k.do(op, `{"host":"web-1"}`); err != nil || k.srv.Calls()[op] != 1 {
			t.Errorf("%s by name: %v", op, err)
		}
	}
	c := newDesk(t, fake.CE3)
	if _, _, err := c.do("defender.scan", `{"host_identifier":"WIN-1","scan_type":1}`); backends.KindOf(err) != backends.KindUnsupported || !strings.Contains(err.Error(), "edition") {
		t.Errorf("an edition without Defender: %v", err)
	}
	if _, err := c.d.Call(t.Context(), backends.Call{Op: op(t, "alerts.count"), Args: args(t, `{"host_identifier":"nobody"}`)}); backends.KindOf(err) != backends.KindNotFound {
		t.Errorf("the server counts all hosts for one it does not know: %v", err)
	}
	old := newDesk(t, fake.CE2)
	p, _, err := old.do("distributed.add", `{"query":"select * from processes","all_hosts":true}`)
	if err != nil || !strings.Contains(p.Requests[0], hostW) || strings.Contains(p.Requests[0], hostL) || strings.Contains(p.Requests[0], "all_hosts") {
		t.Errorf("all hosts: %v %v", p.Requests, err)
	}
}

// A pack is stored without the queries whose SQL the server cannot read.
func TestPackSaysWhatWasLeftOut(t *testing.T) {
	for op, args := range map[string]string{
		"packs.upload": `{"file":{"name":"new.json","text":"{\"queries\":{\"good\":{\"query\":\"select 1;\",\"interval\":5},\"bad\":{\"query\":\"select (1;\",\"interval\":5}}}"}}`,
		"packs.add":    `{"name":"new","queries":{"good":{"query":"select 1;","interval":5},"bad":{"query":"select (1;","interval":5}}}`,
	} {
		k := newDesk(t, fake.CE3)
		_, a, err := k.do(op, args)
		var be *backends.Error
		if !errors.As(err, &be) || !strings.Contains(be.Why, "left out bad") || strings.Contains(be.Why, "good") {
			t.Errorf("%s: %+v, %v", op, a, err)
		}
	}
}
