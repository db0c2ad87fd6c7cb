package cwatch

import (
	"bytes"
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/filter"
	"github.com/edrctl/edrctl/internal/model"
)

func TestCompile(t *testing.T) {
	sum := strings.Repeat("ab", 20)
	for _, tc := range []struct {
		terms         []string // field, values separated by |
		exact, narrow []string
		nothing       bool
	}{
		{nil, []string{""}, nil, false},
		{[]string{"kind", "process_start"}, []string{"base_event_type = 'Create Process'"}, nil, false},
		{[]string{"kind", "process_access"}, []string{"base_event_type = 'Virtual Memory Access'", "base_event_type = 'Open Process'"}, nil, false},
		{[]string{"kind", "dns_query"}, nil, nil, true},
		{[]string{"kind", "dns_query|network_listen"}, []string{"base_event_type = 'Network Listen'"}, nil, false},
		{[]string{"kind", "other"}, []string{""}, nil, false},
		{[]string{"port", "443", "kind", "network_connect"}, []string{
			"network_destination_port = 443 AND base_event_type = 'Network Connection'",
			"network_source_port = 443 AND base_event_type = 'Network Connection'",
		}, nil, false},
		{[]string{"ip", "10.0.0.1"}, []string{"network_destination_ip = '10.0.0.1'", "network_source_ip = '10.0.0.1'"}, nil, false},
		{[]string{"ip", "10.0.0.0/8"}, []string{""}, nil, false},
		{[]string{"ip", "::1"}, []string{""}, nil, false},
		{[]string{"hash", strings.ToUpper(sum)}, []string{
			"process_hash = '" + sum + "'", "child_process_hash = '" + sum + "'", "file_hash = '" + sum + "'", "browser_file_hash = '" + sum + "'",
		}, nil, false},
		{[]string{"hash", strings.Repeat("a", 32)}, nil, nil, true},
		{[]string{"hash", "abc"}, []string{""}, nil, false},
		{[]string{"host", "WKS-0042"}, []string{""}, []string{"process_device_name ~ '0042' AND process_device_name ~ 'WKS'"}, false},
		{[]string{"host", "=30001"}, []string{""}, nil, false},
		{[]string{"user", `EXAMPLE\ali`}, []string{""}, []string{"process_user_name ~ 'EXAMPLE'", "process_user_domain ~ 'EXAMPLE'"}, false},
		{[]string{"process", "x'y"}, []string{""}, nil, false},
		{[]string{"process", "cmd.exe"}, []string{""}, []string{
			"process_path ~ 'cmd' AND process_path ~ 'exe'", "child_process_path ~ 'cmd' AND child_process_path ~ 'exe'", "target_name ~ 'cmd' AND target_name ~ 'exe'",
		}, false},
		{[]string{"command-line", "-enc", "kind", "process_start"}, []string{"base_event_type = 'Create Process'"},
			[]string{"base_event_type = 'Create Process' AND child_process_command_line ~ 'enc'"}, false},
		{[]string{"registry", "Run"}, []string{""}, []string{"event_group = 'REGISTRY'"}, false},
		// Too many ways: the exact ones first, text terms only while they fit.
		{[]string{"hash", sum, "port", "443", "process", "cmd"}, []string{
			"process_hash = '" + sum + "' AND network_destination_port = 443", "process_hash = '" + sum + "' AND network_source_port = 443",
			"child_process_hash = '" + sum + "' AND network_destination_port = 443", "child_process_hash = '" + sum + "' AND network_source_port = 443",
			"file_hash = '" + sum + "' AND network_destination_port = 443", "file_hash = '" + sum + "' AND network_source_port = 443",
			"browser_file_hash = '" + sum + "' AND network_destination_port = 443", "browser_file_hash = '" + sum + "' AND network_source_port = 443",
		}, nil, false},
		{[]string{"kind", "device_access", "hash", sum}, []string{
			"base_event_type = 'Access Raw Disk'", "base_event_type = 'Access Keyboard'", "base_event_type = 'Access Screen'", "base_event_type = 'Access Microphone'",
		}, nil, false},
	} {
		var q backends.Query
		for i := 0; i+1 < len(tc.terms); i += 2 {
			if err := q.Filter.Add(filter.Field(tc.terms[i]), strings.Split(tc.terms[i+1], "|")...); err != nil {
				t.Fatal(err)
			}
		}
		s := compile(q)
		if s.nothing != tc.nothing {
			t.Errorf("%v: nothing is %v", tc.terms, s.nothing)
			continue
		}
		// Whatever is sent is compared again.
		if !slices.Equal(s.exact, tc.exact) || !slices.Equal(s.narrow, tc.narrow) || !s.nothing && s.residual.String() != q.Filter.String() {
			t.Errorf("%v:\nexact  %q\nnarrow %q\nleft   %s", tc.terms, s.exact, s.narrow, s.residual)
		}
	}
}

func TestVariants(t *testing.T) {
	got := variants(`base_event_type = 'File Copy from Shared Folder' AND file_path = 'C:\a'`)
	want := []string{
		`base_event_type = 'File Copy from Shared Folder' AND file_path = 'C:\a'`,
		`base_event_type = 'File Copy from hared Folder' AND file_path = 'C:\a'`,
		`base_event_type = 'File Copy from Shared Folder' AND file_path = 'C:\\a'`,
		`base_event_type = 'File Copy from hared Folder' AND file_path = 'C:\\a'`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}

func TestInstants(t *testing.T) {
	for in, want := range map[string]string{
		`"2019-05-31T09:00:00.123Z"`:     "2019-05-31T09:00:00.123Z",
		`"2019-05-31T11:00:00+02:00"`:    "2019-05-31T09:00:00.000Z",
		`"2019-05-31 09:00:00"`:          "2019-05-31T09:00:00.000Z",
		`"2019-05-31T09:00:00.5"`:        "2019-05-31T09:00:00.500Z",
		`"2019-05-31T11:00:00.000+0200"`: "2019-05-31T09:00:00.000Z",
		`1559293200123`:                  "2019-05-31T09:00:00.123Z",
		`"1559293200123"`:                "2019-05-31T09:00:00.123Z",
		`1.559293200123e12`:              "2019-05-31T09:00:00.123Z",
		`1559293200`:                     "2019-05-31T09:00:00.000Z",
		`1559293200123456`:               "2019-05-31T09:00:00.123Z",
		`0`:                              "", `-5`: "", `"string"`: "", `""`: "", `null`: "", `{}`: "", `9223372036854775807`: "", `"0001-01-01T00:00:00Z"`: "",
	} {
		if got := instant([]byte(in)).String(); got != want {
			t.Errorf("%s: %q, want %q", in, got, want)
		}
	}
}

func TestUnits(t *testing.T) {
	at := time.UnixMilli(1559293200123)
	if unitMillis.floor(at) != 1559293200123 || unitMillis.ceil(at) != 1559293200123 || unitMillis.ceil(at.Add(1)) != 1559293200124 ||
		unitSeconds.floor(at) != 1559293200 || unitSeconds.ceil(at) != 1559293201 {
		t.Error("units")
	}
}

func TestCodes(t *testing.T) {
	want := map[int]model.Kind{
		1: "process_start", 2: "network_listen", 3: "network_connect", 4: "registry_delete", 5: "registry_delete", 6: "registry_set",
		7: "file_write", 8: "file_delete", 9: "file_download", 10: "file_copy", 11: "file_copy", 12: "file_download", 13: "file_copy",
		14: "file_copy", 15: "device_access", 16: "device_access", 17: "device_access", 18: "hook", 19: "process_access",
		20: "device_access", 21: "process_inject", 22: "process_access", 0: "other", 23: "other", -1: "other",
	}
	for n, k := range want {
		if got, _ := kindOf(n); got != k {
			t.Errorf("%d: %s", n, got)
		}
	}
	for in, n := range map[string]int{`"Create Process"`: 1, `"7"`: 7, `7.0`: 7, `"File Copy from hared Folder"`: 10, `"open process"`: 22, `"?"`: 0, `null`: 0} {
		if got := baseNumber([]byte(in)); got != n {
			t.Errorf("%s: %d", in, got)
		}
	}
	for in, v := range map[string]string{`0`: "absent", `1.0`: "safe", `"2"`: "malicious", `3`: "unknown", `4`: "unknown", `"?"`: "unknown"} {
		if got := reputation([]byte(in)); got.Verdict != v {
			t.Errorf("verdict %s: %+v", in, got)
		}
	}
	for in, v := range map[string]string{`1`: "default", `"TYPE2"`: "full", `3`: "limited", `0`: "", `9`: "9"} {
		if got := elevation([]byte(in)); got != v {
			t.Errorf("elevation %s: %q", in, got)
		}
	}
	for in, v := range map[string]string{`0`: "", `1`: "tcp", `6`: "tcp", `"UDP"`: "udp", `17`: "udp", `"NONE"`: "", `58`: "58"} {
		if got := transport([]byte(in)); got != v {
			t.Errorf("transport %s: %q", in, got)
		}
	}
}

// One value of the wrong type is absent, the rest of the row stays.
func TestLenientRow(t *testing.T) {
	var r reader
	e, err := r.event([]byte(`{"id":7,"event_time":{"a":1},"timestamp":"1559293200123","base_event_type":"3","endpoint_id":"30001",
		"process_pid":"x","process_path":["no"],"process_user_name":5,"network_source_port":"99999","network_destination_port":"443",
		"process_parent_tree":{"not":"a list"},"process_verdict":[],"\u0069gnored":true}`), true)
	if err != nil || e.ID != "7" || e.Time.String() != "2019-05-31T09:00:00.123Z" || e.Kind != model.KindNetworkConnect || e.Host.ID != "30001" ||
		e.Process.PID != 0 || e.User.Name != "5" || e.Network.Destination.Port != 443 || e.Network.Source != nil {
		t.Errorf("%+v, %v", e, err)
	}
}

func TestTreeOrder(t *testing.T) {
	var r reader
	tree := r.tree([]byte(`[{"prcsPID":3,"prcsCreationTime":"2019-05-31T08:00:03Z","prcsPath":"c"},{"prcsPID":1,"prcsCreationTime":"2019-05-31T08:00:01Z","prcsPath":"a"},{},{"prcsPID":2,"prcsCreationTime":"2019-05-31T08:00:02Z","prcsPath":"b"}]`))
	if len(tree) != 3 || tree[0].PID != 1 || tree[2].PID != 3 || tree[2].Parent.PID != 2 {
		t.Errorf("%+v", tree)
	}
	tree = r.tree([]byte(`[{"prcsPID":3,"prcsPath":"c"},{"prcsPID":1,"prcsCreationTime":"2019-05-31T08:00:01Z","prcsPath":"a"}]`))
	if len(tree) != 2 || tree[0].PID != 3 {
		t.Errorf("without all times: %+v", tree)
	}
}

func TestCatalog(t *testing.T) {
	ops := Catalog()
	if len(ops) != 14 {
		t.Errorf("%d operations", len(ops))
	}
	seen := map[string]bool{}
	for _, o := range ops {
		if seen[o.Name] || seen[o.Method+o.Path] {
			t.Errorf("%s twice", o.Name)
		}
		seen[o.Name], seen[o.Method+o.Path] = true, true
		if o.Mutates != (o.Method != "GET") || o.Section == "" || o.Summary == "" {
			t.Errorf("%+v", o)
		}
		if (o.Danger != "") != (o.Method+o.Path == "PUT/alert") {
			t.Errorf("danger of %s", o.Name)
		}
	}
}

func FuzzScan(f *testing.F) {
	for _, s := range []string{`{}`, `{"a":1}`, `{"a":"\\\"","b":[{"c":null}],"a":2}`, `{"\u0061":"\ud800"}`, `{"a":`, `[1,{"x":"]"}]`, "{\"a\":\"\xff\"}"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		got := map[string][]byte{}
		err := scanObject(b, func(k, v []byte) { got[string(k)] = v })
		_ = scanArray(b, func([]byte) {})
		var want map[string]json.RawMessage
		if !json.Valid(b) || json.Unmarshal(b, &want) != nil || want == nil {
			return
		}
		if err != nil {
			t.Fatalf("%q: %v", b, err)
		}
		for k, v := range want {
			if strings.ContainsRune(k, '\ufffd') {
				continue
			}
			if !bytes.Equal(bytes.TrimSpace(got[k]), bytes.TrimSpace(v)) {
				t.Fatalf("%q: %q is %q, want %q", b, k, got[k], v)
			}
			var s string
			if v[0] == '"' && json.Unmarshal(v, &s) == nil && !strings.ContainsRune(s, '\ufffd') && text(got[k]) != s {
				t.Fatalf("%q reads %q", v, text(got[k]))
			}
		}
	})
}

func FuzzNormalise(f *testing.F) {
	f.Add([]byte(`{"id":"1","event_time":"2019-05-31T09:00:00.123Z","base_event_type":9,"browser_download_url":"https://a.test/x","process_parent_tree":[{"prcsPID":1}]}`))
	f.Add([]byte(`{"endpointID":1,"timestamp":1,"data":{"score":5,"event":{"process":{"prcsParentTree":[{}]},"childPrcsPath":"a\\b"}}}`))
	f.Add([]byte(`{"endpointID":"1","device_name":"x","operating_system":"Windows","id":"p","pid":"7"}`))
	f.Add([]byte(`[{"prcsPID":3,"prcsCreationTime":"2019-05-31T08:00:03Z"},{"prcsPID":1,"prcsCreationTime":"2019-05-31T08:00:01Z"}]`))
	f.Fuzz(func(t *testing.T, b []byte) {
		var r reader
		valid := json.Valid(b)
		if tree := r.tree(b); len(tree) > 0 {
			if last := r.last(b); last == nil || *last != *asParent(tree[len(tree)-1]) {
				t.Fatalf("last is %+v of %d", last, len(tree))
			}
		}
		if e, err := r.event(b, valid); err == nil && valid {
			marshal(t, e)
		}
		if a, _, err := r.alert(b, valid); err == nil && valid {
			marshal(t, a)
			again, _, _ := r.alert(b, valid)
			if !reflect.DeepEqual(a, again) {
				t.Fatal("not the same twice")
			}
		}
		if h, err := r.endpointHost(b, valid); err == nil && valid {
			marshal(t, h)
		}
		if p, err := r.run(b, valid); err == nil && valid {
			marshal(t, p)
		}
		_ = instant(b)
		_, _ = isMadeUp(string(b))
	})
}

func marshal(t *testing.T, v any) {
	t.Helper()
	if _, err := json.Marshal(v); err != nil {
		t.Fatal(err)
	}
}

func FuzzCompile(f *testing.F) {
	f.Add("process", "cmd.exe", "=C:\\x")
	f.Add("host", "*", "7")
	f.Add("hash", strings.Repeat("a", 40), "b")
	f.Fuzz(func(t *testing.T, field, a, b string) {
		var q backends.Query
		if !slices.Contains(filter.Fields, filter.Field(field)) || q.Filter.Add(filter.Field(field), a, b) != nil {
			return
		}
		s := compile(q)
		if len(s.exact) > maxQueries || len(s.narrow) > maxQueries {
			t.Fatalf("%d and %d queries", len(s.exact), len(s.narrow))
		}
		for _, text := range slices.Concat(s.exact, s.narrow) {
			if strings.Count(text, "'")%2 != 0 || strings.ContainsAny(text, "\\\n\x00") {
				t.Fatalf("%q", text)
			}
			variants(text)
		}
	})
}

func BenchmarkEvent(b *testing.B) {
	row := []byte(`{"customer_id":1042,"timestamp":1559293200123,"sequence":1,"base_event_type":1,"process_user_domain":"EXAMPLE","process_device_name":"WKS-0042","endpoint_id":30001,"event_group":1,"process_hash":"82b87163abe92c992745cd65e8b1369812ffe4e6","process_instance_id":"ff84092285e6fdfb96649429412f53be5b08d96a","process_pid":7228,"process_path":"C:\\WINDOWS\\Explorer.EXE","process_parent_tree":[{"prcsPID":968,"prcsCreationTime":"2019-05-31T08:58:18.000Z","prcsUserName":"SYSTEM","prcsUserDomain":"NT AUTHORITY","prcsPath":"C:\\Windows\\System32\\winlogon.exe","prcsHash":"8893d1d08922ac4861aa75809589f13f2518d0e8","prcsVerdict":1},{"prcsPID":7840,"prcsCreationTime":"2019-05-31T08:58:19.000Z","prcsUserName":"alice","prcsUserDomain":"EXAMPLE","prcsPath":"C:\\Windows\\system32\\userinit.exe","prcsHash":"eb9a2a2334e4014905bf3ec31ffdd8139f7b7376","prcsVerdict":1}],"process_creation_time":"2019-05-31T08:58:20.000Z","process_logged_on_user":"alice","process_user_name":"alice","process_verdict":1,"event_time":"2019-05-31T09:00:00.123Z","id":"1559293200123000001","child_process_instance_id":"9c1c17da1071d2d2ed8cdef4f76cc05976519d08","child_process_pid":1652,"child_process_path":"C:\\Windows\\system32\\SearchFilterHost.exe","child_process_command_line":"C:\\Windows\\system32\\SearchFilterHost.exe","child_process_elevation_type":1,"child_process_hash":"c93edc80a933a9dc21229dbdd767d1aee7a0024f","child_process_is_packed":false,"child_process_is_signed":true,"child_process_verdict":1}`)
	var r reader
	b.SetBytes(int64(len(row)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := r.event(row, false); err != nil {
			b.Fatal(err)
		}
	}
}
