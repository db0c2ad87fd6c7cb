package rules

import (
	"slices"
	"strings"
	"testing"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/filter"
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
		s := Compile(q)
		if s.Nothing != tc.nothing {
			t.Errorf("%v: nothing is %v", tc.terms, s.Nothing)
			continue
		}
		// Whatever is sent is compared again.
		if !slices.Equal(s.Exact, tc.exact) || !slices.Equal(s.Narrow, tc.narrow) || !s.Nothing && s.Residual.String() != q.Filter.String() {
			t.Errorf("%v:\nexact  %q\nnarrow %q\nleft   %s", tc.terms, s.Exact, s.Narrow, s.Residual)
		}
	}
}

func TestVariants(t *testing.T) {
	got := Variants(`base_event_type = 'File Copy from Shared Folder' AND file_path = 'C:\a'`)
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

func FuzzCompile(f *testing.F) {
	f.Add("process", "cmd.exe", "=C:\\x")
	f.Add("host", "*", "7")
	f.Add("hash", strings.Repeat("a", 40), "b")
	f.Fuzz(func(t *testing.T, field, a, b string) {
		var q backends.Query
		if !slices.Contains(filter.Fields, filter.Field(field)) || q.Filter.Add(filter.Field(field), a, b) != nil {
			return
		}
		s := Compile(q)
		if len(s.Exact) > MaxQueries || len(s.Narrow) > MaxQueries {
			t.Fatalf("%d and %d queries", len(s.Exact), len(s.Narrow))
		}
		for _, text := range slices.Concat(s.Exact, s.Narrow) {
			if strings.Count(text, "'")%2 != 0 || strings.ContainsAny(text, "\\\n\x00") {
				t.Fatalf("%q", text)
			}
			Variants(text)
		}
	})
}
