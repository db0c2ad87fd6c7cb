package carbonblack

import (
	"bytes"
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/edrctl/edrctl/internal/backends/carbonblack/wire"
	"github.com/edrctl/edrctl/internal/filter"
	"github.com/edrctl/edrctl/internal/model"
)

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
		if got := kindOf(tc.eventType, tc.ttps, describe(tc.text, "")); got != tc.want {
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
		var e wire.Event
		if err := wire.Decode([]byte(in), &e); err != nil {
			t.Errorf("%s: %v", in, err)
		}
		eventOf(&e)
	}
	var e wire.Event
	if err := wire.Decode([]byte(`{"eventTime":"1490617768036","alertScore":"3","threatIndicators":"X"}`), &e); err != nil || e.EventTime.N != 1490617768036 || e.AlertScore.N != 3 || len(e.ThreatIndicators) != 1 {
		t.Errorf("%+v %v", e, err)
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

func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"eventId":"1","eventTime":1490617768036,"selectedApp":{"sha256Hash":"A"},"netFlow":{"destPort":"443"}}`))
	f.Add([]byte(`{"threatInfo":{"indicators":[{"indicatorName":"X"}]},"events":[{"processHash":"a"}],"deviceInfo":{"deviceId":1}}`))
	f.Add([]byte(`{"type":"THREAT","policyAction":{"action":null},"threatHunterInfo":{"count":-1}}`))
	f.Add([]byte(`{"privatePid":"1-2-3","numEvents":-5}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		var e, walked wire.Event
		okay := wire.Decode(b, &e) == nil
		if err := new(wire.EventReader).Event(b, &walked); okay && err == nil && !reflect.DeepEqual(e, walked) {
			t.Errorf("%q is read in two ways:\n%+v\n%+v", b, e, walked)
		}
		if okay {
			if _, err := json.Marshal(eventOf(&e)); err != nil {
				t.Error(err)
			}
			alertFromEvent("x", &e, nil)
		}
		var a wire.Alert
		if wire.Decode(b, &a) == nil {
			if _, err := json.Marshal(alertOf(&a, "x")); err != nil {
				t.Error(err)
			}
			for i := range a.Events {
				alertEvent(&a.Events[i], nil)
			}
		}
		var n wire.Notification
		if wire.Decode(b, &n) == nil {
			if notificationAlert(&n, b).ID == "" {
				t.Error("a notification without id")
			}
		}
		var p wire.Process
		if wire.Decode(b, &p) == nil {
			listedProcess(&p, nil)
		}
		var d wire.Device
		if wire.Decode(b, &d) == nil {
			deviceHost(&d, model.At(time.Unix(1_700_000_000, 0)))
		}
		if clean, err := wire.WithoutMembers(b, wire.DeviceSecrets); err == nil && json.Valid(b) && !bytes.Contains(b, []byte{0xff}) && !json.Valid(clean) {
			t.Errorf("%q: %q", b, clean)
		}
	})
}

func FuzzKinds(f *testing.F) {
	f.Add(wire.TypeAPICall, `by calling the function "NtOpenProcess"`)
	f.Add(wire.TypeNetwork, `"listen.exe" is listening`)
	f.Fuzz(func(t *testing.T, eventType, plain string) {
		if k := kindOf(eventType, nil, describe(plain, "")); !slices.Contains(model.Kinds, k) {
			t.Errorf("%q %q: %q", eventType, plain, k)
		}
	})
}
