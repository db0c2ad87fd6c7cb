package esp_test

import (
	"strings"
	"testing"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/backends/esp"
	"github.com/edrctl/edrctl/internal/ioc"
)

// Each type is found where it is, and not where only a part of it does.
func TestWhatAHuntComparesHere(t *testing.T) {
	for _, tc := range []struct {
		kind, value, table, row string
		want                    bool
	}{
		{"md5", strings.Repeat("a", 32), "win_file_events", `{"action":"FILE_WRITE","md5":"` + strings.Repeat("A", 32) + `","target_path":"C:\\x"}`, true},
		{"sha256", strings.Repeat("a", 64), "hash", `{"sha256":"` + strings.Repeat("a", 64) + `","path":"/x"}`, true}, // a state table
		{"sha256", strings.Repeat("a", 64), "hash", `{"sha256":"` + strings.Repeat("b", 64) + `"}`, false},
		{"sha1", strings.Repeat("a", 40), "file_events", `{"action":"CREATED","sha1":"` + strings.Repeat("a", 40) + `","target_path":"/x"}`, true},
		{"ipv4", "192.0.2.1", "win_socket_events", `{"action":"SOCKET_CONNECT","remote_address":"192.0.2.1"}`, true},
		{"ipv4", "192.0.2.1", "win_socket_events", `{"action":"SOCKET_CONNECT","remote_address":"::ffff:192.0.2.1"}`, true},
		{"ipv4", "192.0.2.1", "win_socket_events", `{"action":"SOCKET_CONNECT","remote_address":"192.0.2.10"}`, false},
		{"ipv4", "192.0.2.1", "process_events", `{"cmdline":"curl http://192.0.2.1:80/x"}`, true},
		{"ipv6", "2001:db8::1", "socket_events", `{"action":"connect","remote_address":"2001:0DB8:0::0001"}`, true},
		{"ipv6", "2001:db8::1", "process_events", `{"cmdline":"curl http://[2001:db8::1]:80/x"}`, true},
		{"cidr", "192.0.2.0/28", "win_socket_events", `{"action":"SOCKET_CONNECT","remote_address":"192.0.2.15"}`, true},
		{"cidr", "192.0.2.0/28", "win_socket_events", `{"action":"SOCKET_CONNECT","remote_address":"192.0.2.16"}`, false},
		{"domain", "evil.example", "win_dns_events", `{"action":"DNS_LOOKUP","domain_name":".a.EVIL.example"}`, true},
		{"domain", "evil.example", "win_dns_events", `{"action":"DNS_LOOKUP","domain_name":".notevil.example"}`, false},
		{"domain", "evil.example", "win_http_events", `{"action":"HTTP_REQUEST","url":"http://u@cdn.evil.example:8080/x"}`, true},
		{"url", "http://evil.example/a", "process_events", `{"cmdline":"wget 'HTTP://evil.example/a/'"}`, true},
		{"url", "http://evil.example/a", "process_events", `{"cmdline":"wget http://evil.example/ab"}`, false},
		{"email", "a@evil.example", "process_events", `{"cmdline":"mail <A@evil.example>, b"}`, true},
		{"file_name", "x.exe", "win_file_events", `{"action":"FILE_WRITE","target_path":"C:\\dir\\X.exe"}`, true},
		{"file_name", "x.exe", "win_file_events", `{"action":"FILE_WRITE","target_path":"C:\\x.exe\\y"}`, false},
		{"file_name", "x.exe", "win_file_events", `{"action":"FILE_RENAME","target_path":"C:\\x.exe","target_new_name":"C:\\y"}`, true},
		{"file_path", `c:\dir\x.exe`, "win_image_load_events", `{"action":"IMAGE_LOAD","image_path":"C:\\dir\\x.exe"}`, true},
		{"process_name", "x.exe", "win_process_events", `{"action":"PROC_CREATE","path":"C:\\X.EXE","pid":"4"}`, true},
		{"process_name", "x.exe", "processes", `{"name":"x.exe","pid":"4"}`, true},
		{"process_name", "x.exe", "win_file_events", `{"action":"FILE_WRITE","target_path":"C:\\x.exe","process_name":"C:\\y.exe"}`, false},
	} {
		hits, err := esp.HuntRow(tc.kind, tc.value, tc.table, []byte(tc.row))
		if err != nil || (len(hits) > 0) != tc.want || len(hits) > 1 {
			t.Errorf("%s %s in %s: %d hits, %v", tc.kind, tc.value, tc.row, len(hits), err)
		}
		for _, h := range hits {
			if h.Indicator.Value != tc.value || h.Indicator.Type != tc.kind {
				t.Errorf("the hit is of %+v", h.Indicator)
			}
		}
	}
}

func TestHuntModesAreHonest(t *testing.T) {
	d := newDriver(t, "http://127.0.0.1:1", nil)
	modes := d.HuntModes()
	for _, kind := range ioc.Types {
		m, ok := modes[kind.String()]
		if !ok && (kind == ioc.PathPattern || kind == ioc.Registry || kind == ioc.Pipe || kind == ioc.Pattern) {
			continue // compared in the events that are fetched: no server searches them
		}
		if !ok || m.Why == "" {
			t.Errorf("%s: %+v", kind, m)
		}
		if m.Where == backends.HuntNone != (kind == ioc.Imphash || kind == ioc.SHA512) {
			t.Errorf("%s is searched %s", kind, m.Where)
		}
	}
	if _, err := d.Hunt(t.Context(), backends.HuntQuery{Type: "imphash", Values: []string{"x"}}); backends.KindOf(err) != backends.KindUnsupported {
		t.Errorf("%v", err)
	}
	if _, err := d.Hunt(t.Context(), backends.HuntQuery{Type: "md5", Values: []string{"a\nb"}}); backends.KindOf(err) != backends.KindInvalid {
		t.Errorf("%v", err)
	}
}

// FuzzHunt: no row and no value makes a hunt fail or find what is not there.
func FuzzHunt(f *testing.F) {
	f.Add("ipv4", "192.0.2.1", "win_socket_events", `{"action":"SOCKET_CONNECT","remote_address":"192.0.2.1"}`)
	f.Add("url", "http://a.example/", "process_events", `{"cmdline":"x://://a"}`)
	f.Add("file_path", `C:\x`, "t", `{"path":"C:\\X","pid":"1"}`)
	f.Fuzz(func(t *testing.T, kind, value, table, row string) {
		hits, err := esp.HuntRow(kind, value, table, []byte(row))
		if err != nil && len(hits) > 0 {
			t.Error("hits of a broken row")
		}
		for _, h := range hits {
			if h.Indicator.Value != value {
				t.Errorf("%q was asked for, %q found", value, h.Indicator.Value)
			}
		}
	})
}
