package cwatch

import (
	"encoding/json"
	"reflect"
	"testing"

	"github.com/edrctl/edrctl/internal/backends/cwatch/wire"
	"github.com/edrctl/edrctl/internal/model"
)

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
		_ = wire.Time(b)
		_, _ = wire.IsMadeUp(string(b))
	})
}

func marshal(t *testing.T, v any) {
	t.Helper()
	if _, err := json.Marshal(v); err != nil {
		t.Fatal(err)
	}
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
