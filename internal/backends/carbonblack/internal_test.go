package carbonblack

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/edrctl/edrctl/internal/filter"
	"github.com/edrctl/edrctl/internal/model"
)

func TestPrivatePID(t *testing.T) {
	for _, tc := range []struct {
		in      string
		pid     int64
		started string // "" = none
	}{
		{"2872-1490617768004-974", 2872, "2017-03-27T12:29:28.004Z"},
		{"4204-132429389232310730-0", 4204, "2020-08-26T18:08:43.231073Z"},
		{"540-132368223470440203-0", 540, "2020-06-16T23:05:47.0440203Z"},
		{"233", 233, ""},
		{"", 0, ""},
		{"-", 0, ""},
		{"--", 0, ""},
		{"x-1490617768004-1", 0, "2017-03-27T12:29:28.004Z"},
		{"7-0-0", 7, ""},
		{"7--5", 7, ""},
		{"7-5-0", 7, ""},                   // 1970
		{"7-9223372036854775807-0", 7, ""}, // beyond every clock
		{"7-99999999999999999999-0", 7, ""},
		{"9999999999999999999999-1490617768004-1", 0, "2017-03-27T12:29:28.004Z"},
		{"672-1523523204431-825", 672, "2018-04-12T08:53:24.431Z"},
	} {
		got := parsePrivatePID(tc.in)
		at := ""
		if !got.started.IsZero() {
			at = got.started.Format(time.RFC3339Nano)
		}
		if tc.started != "" && strings.HasSuffix(tc.started, "07Z") || got.pid != tc.pid || (at == "") != (tc.started == "") {
			t.Errorf("%q: %d %s, want %d %s", tc.in, got.pid, at, tc.pid, tc.started)
			continue
		}
		if tc.started != "" && !strings.HasPrefix(at, strings.TrimSuffix(tc.started, "Z")) {
			t.Errorf("%q: started %s, want %s", tc.in, at, tc.started)
		}
	}
}

func TestMarkup(t *testing.T) {
	h := strings.Repeat("ab", 32)
	for _, tc := range []struct{ in, plain, links string }{
		{`plain`, `plain`, ``},
		{` "<share><link hash="` + h + `">C:\a b\x.exe</link></share>" did. `, `"C:\a b\x.exe" did.`, `C:\a b\x.exe`},
		{`<accent>TCP/443</accent> to <share><accent>1.2.3.4</accent></share>`, `TCP/443 to 1.2.3.4`, ``},
		{`cmd /c "a < b > c <b>bold</b>"`, `cmd /c "a < b > c <b>bold</b>"`, ``},
		{`<link hash="zz">x</link>`, `x`, ``},
		{`<link hash="` + strings.ToUpper(h) + `">x</link>`, `x`, `x`},
		{`<link hash="` + h + `">open`, `open`, `open`},
		{`<link hash="` + h + `">a<link hash="` + h + `">b</link>`, `ab`, `a,b`},
		{`<link hash="`, `<link hash="`, ``},
		{`</link></share>`, ``, ``},
		{`<`, `<`, ``},
		{`<<share>`, `<`, ``},
		{`<link hash="` + h + `"><accent>n</accent></link>`, `n`, `n`},
	} {
		plain, links := stripMarkup(tc.in)
		var names []string
		for _, l := range links {
			names = append(names, l.name)
			if l.hash != h {
				t.Errorf("%q: hash %s", tc.in, l.hash)
			}
		}
		if plain != tc.plain || strings.Join(names, ",") != tc.links {
			t.Errorf("%q: %q %q", tc.in, plain, names)
		}
	}
}

func TestKinds(t *testing.T) {
	for _, tc := range []struct {
		eventType, text string
		ttps            []string
		want            model.Kind
	}{
		{"CREATE_PROCESS", "", nil, model.KindProcessStart},
		{"INJECT_CODE", "", nil, model.KindProcessInject},
		{"FILE_CREATE", "", nil, model.KindFileCreate},
		{"DATA_ACCESS", "", nil, model.KindFileRead},
		{"DATA_ACCESS", "", []string{"ACCESS_CLIPBOARD"}, model.KindDeviceAccess},
		{"NETWORK", "established a TCP/443 connection", nil, model.KindNetworkConnect},
		{"NETWORK", "is listening on", nil, model.KindNetworkListen},
		{"NETWORK", `"listen.exe" established a connection`, nil, model.KindNetworkConnect},
		{"NETWORK", "accepted a connection", []string{"ACTIVE_SERVER"}, model.KindNetworkConnect},
		{"REGISTRY_ACCESS", "set", nil, model.KindRegistrySet},
		{"REGISTRY_ACCESS", "deleted the value", nil, model.KindRegistryDelete},
		{"REGISTRY_ACCESS", `"delete.exe" set "create"`, nil, model.KindRegistrySet},
		{"REGISTRY_ACCESS", "created", nil, model.KindRegistryCreate},
		{"SYSTEM_API_CALL", "", nil, model.KindAPICall},
		{"SYSTEM_API_CALL", `by calling the function "NtOpenProcess"`, nil, model.KindProcessAccess},
		{"SYSTEM_API_CALL", `by calling the function "SetWindowsHookExW"`, nil, model.KindHook},
		{"SYSTEM_API_CALL", "", []string{"MODIFY_PROCESS"}, model.KindProcessAccess},
		{"SOMETHING_NEW", "", nil, model.KindOther},
		{"", "", nil, model.KindOther},
	} {
		if got := kindOf(tc.eventType, tc.ttps, tc.text); got != tc.want {
			t.Errorf("%s %q %v: %s, want %s", tc.eventType, tc.text, tc.ttps, got, tc.want)
		}
	}
	for _, k := range model.Kinds {
		var f filter.Filter
		if err := f.Add(filter.KindOf, string(k)); err != nil {
			t.Fatal(err)
		}
		typ, exact, none := eventTypeOf(f.Terms[0])
		src, known := kindSources[k]
		if known && (typ != src.eventType || exact != src.exact || none) || !known && k != model.KindOther && !none {
			t.Errorf("%s: %q %v %v", k, typ, exact, none)
		}
	}
}

func TestTechniques(t *testing.T) {
	for in, want := range map[string]string{
		"MITRE_T1003_001_LSASS_MEMORY":         "T1003.001 lsass memory",
		"MITRE_T1059_CMD_LINE_OR_SCRIPT_INTER": "T1059 cmd line or script inter",
		"MITRE_T1059":                          "T1059 ",
		"MITRE_T1059_003":                      "T1059.003 ",
		"MITRE_T10599":                         "",
		"MITRE_T10":                            "",
		"RUN_ANOTHER_APP":                      "",
		"MITRE_T1048_003_EXFIL_OVER_UNENCRYPTED_PROTO": "T1048.003 exfil over unencrypted proto",
	} {
		got := ""
		if id, name, ok := techniqueOf(in); ok {
			got = id + " " + name
		}
		if got != want {
			t.Errorf("%s: %q, want %q", in, got, want)
		}
	}
}

func TestReputations(t *testing.T) {
	for native, want := range map[string]string{
		"TRUSTED_WHITE_LIST": "safe", "LOCAL_WHITE": "safe", "ADAPTIVE_WHITE_LIST": "safe", "NOT_LISTED": "unknown", "RESOLVING": "unknown",
		"PUP": "unknown", "HEURISTIC": "malicious", "KNOWN_MALWARE": "malicious", "COMPANY_BLACK_LIST": "malicious", "NEW_ONE": "unknown",
	} {
		if got := reputationOf(native); got.Verdict != want || got.Native != native {
			t.Errorf("%s: %+v", native, got)
		}
	}
	if reputationOf("") != nil {
		t.Error("no reputation has a verdict")
	}
}

// Every leaf may be null or of another type; nothing of it is an error.
func TestLeavesOfOtherTypes(t *testing.T) {
	for _, in := range []string{
		`{}`, `{"eventTime":"1490617768036","eventId":5,"threatIndicators":"X","alertScore":"3","netFlow":null,"processDetails":[],"selectedApp":"x"}`,
		`{"eventTime":1.490617768036e12,"processDetails":{"processId":"12","milisSinceProcessStart":9223372036854775807,"privatePid":12}}`,
		`{"eventTime":{},"threatIndicators":[1,null,{"a":[]},"T"],"deviceDetails":{"deviceId":"7","deviceName":null}}`,
		`{"netFlow":{"sourcePort":70000,"destPort":"-4","service":"TCP/99999"}}`,
	} {
		var e wireEvent
		if err := decode([]byte(in), &e); err != nil {
			t.Errorf("%s: %v", in, err)
		}
		e.event()
	}
	var e wireEvent
	if err := decode([]byte(`{"eventTime":"1490617768036","alertScore":"3","threatIndicators":"X"}`), &e); err != nil || e.EventTime.n != 1490617768036 || e.AlertScore.n != 3 || len(e.ThreatIndicators) != 1 {
		t.Errorf("%+v %v", e, err)
	}
}

func TestWithoutMembers(t *testing.T) {
	for in, want := range map[string]string{
		`{"a":1,"uninstallCode":"x","b":{"UninstallCode":{"deep":[1]},"c":12345678901234567890}}`: `{"a":1,"b":{"c":12345678901234567890}}`,
		`[{"uninstallCode":null}, 1.50, "uninstallCode"]`:                                         `[{},1.50,"uninstallCode"]`,
		`{"uninstall\u0043ode":"x","k":"\u00e9"}`:                                                 `{"k":"\u00e9"}`,
		`"x"`: `"x"`,
	} {
		got, err := withoutMembers([]byte(in), deviceSecrets)
		if err != nil || string(got) != want {
			t.Errorf("%s: %s %v", in, got, err)
		}
	}
	if _, err := withoutMembers([]byte(`{"a":`), deviceSecrets); err == nil {
		t.Error("cut JSON")
	}
}

func TestSpoolFileNames(t *testing.T) {
	seen := map[string]string{}
	for _, p := range []string{"cb", "CB", "c b", "../x", "c/b", "", "%", "c%20b", "ü"} {
		n := fileName(p)
		if strings.ContainsAny(n, `/\ `) || seen[n] != "" {
			t.Errorf("%q: %q", p, n)
		}
		seen[n] = p + "!"
	}
}

// The two readers of events mean the same.
func TestEventReaders(t *testing.T) {
	inputs := [][]byte{
		[]byte(`{"eventTime":"1490617768036","eventId":5,"threatIndicators":"X","alertScore":"3","netFlow":null,"processDetails":[],"selectedApp":"x"}`),
		[]byte(`{"eventTime":1.5e3,"alertScore":-4,"threatIndicators":[1,null,{"a":[]},"T"," "],"deviceDetails":{"deviceId":"7","deviceName":" a\u00e9\n"},"netFlow":{"destPort":99999999999999999999}}`),
		[]byte(`{"selectedApp":{"applicationName":"a"},"selectedApp":{"md5Hash":"B"},"eventId":true,"createTime":"x"}`),
	}
	if dir := os.Getenv("EDRCTL_SHARED"); dir != "" {
		files, _ := filepath.Glob(filepath.Join(dir, "recordings", "carbonblack", "event_*.json"))
		for _, f := range files {
			b, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			var doc struct {
				Results   []json.RawMessage `json:"results"`
				EventInfo json.RawMessage   `json:"eventInfo"`
			}
			if err := json.Unmarshal(b, &doc); err != nil {
				t.Fatal(err)
			}
			for _, r := range append(doc.Results, doc.EventInfo) {
				if len(r) > 0 {
					inputs = append(inputs, r)
				}
			}
		}
	}
	r := new(eventReader)
	for _, in := range inputs {
		var a, b wireEvent
		var h wireHead
		if err := decode(in, &a); err != nil {
			t.Fatal(err)
		}
		if err := r.event(in, &b); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(a, b) {
			t.Errorf("%s:\n%+v\n%+v", in, a, b)
		}
		if err := r.head(in, &h); err != nil || h.EventID != a.EventID || h.EventTime != a.EventTime || h.AlertScore != a.AlertScore || h.IncidentID != a.IncidentID {
			t.Errorf("%s: %+v %v", in, h, err)
		}
	}
	for _, bad := range []string{``, `[]`, `7`, `{`, `{"eventId":}`, `{"eventId":"x"`, `{"netFlow":{"destPort":"1"}`} {
		if r.event([]byte(bad), new(wireEvent)) == nil || r.head([]byte(bad), new(wireHead)) == nil {
			t.Errorf("%q is no event", bad)
		}
	}
}

func FuzzPrivatePID(f *testing.F) {
	for _, s := range []string{"2872-1490617768004-974", "4204-132429389232310730-0", "233", "-", "1-2-3-4"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p := parsePrivatePID(s)
		if p.pid < 0 || !p.started.IsZero() && (p.started.Before(earliestStart) || p.started.After(latestStart)) {
			t.Errorf("%q: %+v", s, p)
		}
	})
}

func FuzzMarkup(f *testing.F) {
	h := strings.Repeat("ab", 32)
	f.Add(`The application "<share><link hash="` + h + `">x.exe</link></share>" <accent>TCP</accent>`)
	f.Add(`<link hash="<link hash="">`)
	f.Fuzz(func(t *testing.T, s string) {
		plain, links := stripMarkup(s)
		if len(plain) > len(s) || utf8.ValidString(s) && !utf8.ValidString(plain) {
			t.Errorf("%q: %q", s, plain)
		}
		for _, l := range links {
			if !isSHA256(l.hash) {
				t.Errorf("%q: hash %q", s, l.hash)
			}
		}
		_, _, _ = spoken(plain), calledFunction(plain), kindOf(typeAPICall, nil, plain)
	})
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"eventId":"1","eventTime":1490617768036,"selectedApp":{"sha256Hash":"A"},"netFlow":{"destPort":"443"}}`))
	f.Add([]byte(`{"threatInfo":{"indicators":[{"indicatorName":"X"}]},"events":[{"processHash":"a"}],"deviceInfo":{"deviceId":1}}`))
	f.Add([]byte(`{"type":"THREAT","policyAction":{"action":null},"threatHunterInfo":{"count":-1}}`))
	f.Add([]byte(`{"privatePid":"1-2-3","numEvents":-5}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		var e, walked wireEvent
		okay := decode(b, &e) == nil
		if err := new(eventReader).event(b, &walked); okay && err == nil && !reflect.DeepEqual(e, walked) {
			t.Errorf("%q is read in two ways:\n%+v\n%+v", b, e, walked)
		}
		if okay {
			if _, err := json.Marshal(e.event()); err != nil {
				t.Error(err)
			}
			alertFromEvent("x", &e, nil)
		}
		var a wireAlert
		if decode(b, &a) == nil {
			if _, err := json.Marshal(a.alert("x")); err != nil {
				t.Error(err)
			}
			for i := range a.Events {
				a.Events[i].event(nil)
			}
		}
		var n wireNotification
		if decode(b, &n) == nil {
			if n.alert(b).ID == "" {
				t.Error("a notification without id")
			}
		}
		var p wireProcess
		if decode(b, &p) == nil {
			p.process(nil)
		}
		var d wireDevice
		if decode(b, &d) == nil {
			d.host(model.At(time.Unix(1_700_000_000, 0)))
		}
		if clean, err := withoutMembers(b, deviceSecrets); err == nil && json.Valid(b) && !bytes.Contains(b, []byte{0xff}) && !json.Valid(clean) {
			t.Errorf("%q: %q", b, clean)
		}
	})
}
