package ioc_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/edrctl/edrctl/internal/ioc"
	"github.com/edrctl/edrctl/internal/model"
)

// bundle is a STIX bundle with one indicator.
func bundle(pattern string) string {
	return fmt.Sprintf(`{"type":"bundle","objects":[{"type":"indicator","id":"indicator--1","pattern_type":"stix","pattern":%q}]}`, pattern)
}

// hits tells whether what a text lists is found in an event.
func hits(t *testing.T, text string, e *model.Event) bool {
	t.Helper()
	l := ioc.NewList()
	if err := l.Read(strings.NewReader(text), "list"); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	found := false
	list := l.Hunted(true)
	ioc.NewMatcher(list, l.Rules...).Match(e, func(f ioc.Found) { found = found || f.Indicator < len(list) })
	return found
}

// Patterns mean what they say: AND holds on one event, and for files on one file.
func TestPatternsAreEvaluatedAsWritten(t *testing.T) {
	e := &model.Event{
		Process: &model.Process{Name: "powershell.exe", Path: `C:\Windows\System32\powershell.exe`, CommandLine: "powershell -enc AAAA", Hash: &model.Hash{MD5: md5}},
		File:    &model.File{Path: `C:\Users\Public\stage.ps1`, Size: 4096, Hash: &model.Hash{SHA256: sha256}},
		Network: &model.Network{Destination: &model.Endpoint{IP: "192.0.2.7", Port: 443, Domain: "cdn.evil.test"}},
	}
	for pattern, want := range map[string]bool{
		"[file:hashes.MD5 = '" + md5 + "']":                                                                                               true,
		"[file:hashes.MD5 = '" + md5 + "' AND file:name = 'powershell.exe']":                                                              true,
		"[file:hashes.MD5 = '" + md5 + "' AND file:name = 'stage.ps1']":                                                                   false, // two files
		"[file:hashes.'SHA-256' = '" + sha256 + "' AND file:size > 4000]":                                                                 true,
		"[file:hashes.'SHA-256' = '" + sha256 + "' AND file:size > 5000]":                                                                 false,
		"[file:name = 'other.exe' OR file:name = 'stage.ps1']":                                                                            true,
		"[file:name = 'other.exe' AND ipv4-addr:value = '192.0.2.7']":                                                                     false,
		"[file:name = 'stage.ps1' AND ipv4-addr:value = '192.0.2.7']":                                                                     true,
		"[ipv4-addr:value = '192.0.2.7' AND network-traffic:dst_port = 8080]":                                                             false,
		"[ipv4-addr:value ISSUBSET '192.0.2.0/24' AND process:name = 'powershell.exe']":                                                   true,
		"[process:command_line LIKE '%-enc%' AND process:name = 'powershell.exe']":                                                        true,
		"[process:command_line LIKE 'x%']":                                                                                                false,
		"[process:command_line MATCHES '-enc [A-Z]+']":                                                                                    true,
		"[process:name = 'powershell.exe' AND process:command_line NOT LIKE '%-enc%']":                                                    false,
		"[process:name = 'powershell.exe' AND NOT process:command_line LIKE '%-file%']":                                                   true,
		"[process:name IN ('cmd.exe', 'powershell.exe') AND process:pid != 7]":                                                            false, // no pid: nothing is known of it
		"[domain-name:value = 'evil.test' AND process:name = 'powershell.exe']":                                                           true,
		"[(file:name = 'a' OR file:name = 'stage.ps1') AND ipv4-addr:value = '192.0.2.7']":                                                true,
		"[network-traffic:dst_ref.type = 'ipv4-addr' AND network-traffic:dst_ref.value = '192.0.2.7' AND network-traffic:dst_port = 443]": true,
		"[network-traffic:dst_ref.value = '192.0.2.7' AND network-traffic:dst_port = 80]":                                                 false,
	} {
		if got := hits(t, bundle(pattern), e); got != want {
			t.Errorf("%s: %v", pattern, got)
		}
	}
}

// What cannot be answered is refused with its name, and is not hunted as less.
func TestPatternsThatAreRefused(t *testing.T) {
	for pattern, why := range map[string]string{
		"[ipv4-addr:value = '192.0.2.1'] FOLLOWEDBY [ipv4-addr:value = '192.0.2.2']":             "FOLLOWEDBY",
		"[ipv4-addr:value = '192.0.2.1'] AND [ipv4-addr:value = '192.0.2.2']":                    "joins observations with AND",
		"[ipv4-addr:value = '192.0.2.1'] REPEATS 5 TIMES":                                        "REPEATS",
		"[ipv4-addr:value = '192.0.2.1'] WITHIN 5 APPLES":                                        "APPLES",
		"[ipv4-addr:value = '192.0.2.1'] START t'x' STOP t'y'":                                   "time",
		"([ipv4-addr:value = '192.0.2.1'] AND [ipv4-addr:value = '192.0.2.2']) WITHIN 5 SECONDS": "joins observations with AND",
		"[file:name MATCHES '(']": "regular expression",
		"[email-message:subject = 'x' AND email-message:is_multipart = true]": "email-message:subject",
	} {
		l := ioc.NewList()
		if err := l.Read(strings.NewReader(bundle(pattern)), "list"); err != nil {
			t.Fatal(err)
		}
		if n := len(l.Hunted(true)); n != 0 || len(l.Unread) != 1 || !strings.Contains(l.Unread[0].Why, why) {
			t.Errorf("%s: %d hunted, %v", pattern, n, l.Unread)
		}
	}
	// A part of a pattern that cannot be decided is listed, and not hunted.
	l := read(t, bundle("[file:hashes.MD5 = '"+md5+"' AND file:x_full_path = 'x']"))
	if l.Len() != 1 || len(l.Hunted(true)) != 0 {
		t.Errorf("%v, %d hunted", strs(l), len(l.Hunted(true)))
	}
}

// Operators between observations that one event can answer are evaluated; of
// alternatives one of which cannot be, the others are hunted and it is reported.
func TestObservationOperators(t *testing.T) {
	at := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	e := &model.Event{Time: model.At(at), Network: &model.Network{Destination: &model.Endpoint{IP: "192.0.2.7"}}}
	const a, b, c = "[ipv4-addr:value = '192.0.2.7']", "[ipv4-addr:value = '192.0.2.8']", "[ipv4-addr:value = '192.0.2.9']"
	for pattern, want := range map[string]struct {
		hit    bool
		unread int
	}{
		a + " OR " + b: {true, 0},
		b + " OR " + c: {false, 0},
		"(" + b + " OR (" + a + " OR " + c + "))": {true, 0},
		a + " WITHIN 5 SECONDS":                   {true, 0},
		a + " REPEATS 1 TIMES":                    {true, 0},
		a + " REPEATS 2 TIMES":                    {false, 1},
		a + " START t'2026-11-01T00:00:00Z' STOP t'2026-11-02T00:00:00Z'":                     {true, 0},
		a + " START t'2026-11-01T12:00:00Z' STOP t'2026-11-01T12:00:00.5Z'":                   {true, 0},
		a + " START t'2026-10-01T00:00:00Z' STOP t'2026-11-01T12:00:00Z'":                     {false, 0},
		"(" + a + " OR " + b + ") START t'2026-10-01T00:00:00Z' STOP t'2026-10-02T00:00:00Z'": {false, 0},
		a + " OR " + b + " AND " + c:                             {true, 1},
		a + " AND " + b + " OR " + c:                             {false, 1},
		a + " OR (" + b + " FOLLOWEDBY " + c + ")":               {true, 1},
		a + " FOLLOWEDBY " + b + " OR " + a:                      {false, 1},
		"(" + b + " AND " + c + ") OR " + a + " REPEATS 5 TIMES": {false, 1},
	} {
		l := ioc.NewList()
		if err := l.Read(strings.NewReader(bundle(pattern)), "list"); err != nil {
			t.Fatalf("%s: %v", pattern, err)
		}
		hit := false
		ioc.NewMatcher(l.Hunted(true), l.Rules...).Match(e, func(ioc.Found) { hit = true })
		if hit != want.hit || len(l.Unread) != want.unread {
			t.Errorf("%s: hit %v, unread %v", pattern, hit, l.Unread)
		}
	}
}

// The matching side of what lists bring.
func TestMatchingWhatListsBring(t *testing.T) {
	network := func(ip string, port int, domain string) *model.Event {
		e := &model.Event{Network: &model.Network{Destination: &model.Endpoint{IP: ip, Domain: domain}}}
		e.Network.Destination.Port = port
		return e
	}
	file := func(path string) *model.Event { return &model.Event{File: &model.File{Path: path}} }
	command := func(c string) *model.Event { return &model.Event{Process: &model.Process{Name: "x", CommandLine: c}} }
	for _, c := range []struct {
		list string
		e    *model.Event
		want bool
	}{
		{"192.0.2.7:8443", network("192.0.2.7", 8443, ""), true},
		{"192.0.2.7:8443", network("192.0.2.7", 443, ""), false},
		{"192.0.2.7:8443", network("192.0.2.7", 0, ""), true}, // the event has no port
		{"evil.test:8443", network("", 443, "a.evil.test"), false},
		{"192.0.2.10-192.0.2.20", network("192.0.2.20", 0, ""), true},
		{"192.0.2.10-20", network("192.0.2.21", 0, ""), false},
		{"b\u00fccher.test", network("", 0, "xn--bcher-kva.test"), true},
		{"xn--bcher-kva.test", network("", 0, "B\u00dcCHER.test"), true},
		{"evil.test/gate.php", command("curl https://evil.test/gate.php"), true},
		{"https://evil.test/gate.php", command("curl http://evil.test/gate.php"), false},
		{"https://evil.test/", command("curl https://user:pw@evil.test"), true},
		{"http://[2001:db8::1]/x", command("curl http://[2001:db8::1]/x"), true},
		{`%PUBLIC%\d.dll`, file(`C:\Users\Public\d.dll`), true},
		{`%PUBLIC%\d.dll`, file(`C:\Users\Public\3.dll`), false},
		{`C:\Users\*\d.dll`, file(`c:\users\bob\D.DLL`), true},
		{`C:\Users\*\d.dll`, file(`C:\Users\bob\x\d.dll`), false},
		{`C:\Users\<user>\AppData\x.exe`, file(`C:\Users\bob\AppData\x.exe`), true},
		{`C:\Users\[username]\AppData\x.exe`, file(`C:\Users\bob\AppData\x.exe`), true},
		{`~/.config/evil.sh`, file("/home/bob/.config/evil.sh"), true},
		{"evil.zip", file(`C:\x\evil.zip`), true},
		{"evil.zip", network("", 0, "evil.zip"), true},
		{`HKEY_LOCAL_MACHINE\Software\Run`, &model.Event{Registry: &model.Registry{Path: `HKLM\SOFTWARE\Run`, Value: "x"}}, true},
		{`HKCU\Software\Evil`, &model.Event{Registry: &model.Registry{Path: `HKU\S-1-5-21-1\Software\Evil\Sub`}}, true},
		{`HKLM\Software\Run`, &model.Event{Registry: &model.Registry{Path: `HKLM\Software\RunOnce`}}, false},
		{`\\.\pipe\evil`, &model.Event{Pipe: &model.Pipe{Name: `\EVIL`}}, true},
		{"C:\\Users\\Public\\x.exe", file(`C:\Users\Public\X.EXE`), true},
	} {
		if got := hits(t, c.list+"\n", c.e); got != c.want {
			t.Errorf("%s: %v", c.list, got)
		}
	}
}

// The hashes of one row are one sample, whatever columns there are.
func TestHashesOfARowAreOneGroup(t *testing.T) {
	for name, text := range map[string]string{
		"csv":   "md5,sha1,sha256,note\n" + md5 + "," + sha1 + "," + sha256 + ",x\n",
		"table": "| MD5 | SHA-1 | SHA-256 |\n|---|---|---|\n| " + md5 + " | " + sha1 + " | " + sha256 + " |\n",
		"misp":  `{"Event":{"Object":[{"name":"file","Attribute":[{"type":"md5","value":"` + md5 + `"},{"type":"sha1","value":"` + sha1 + `"},{"type":"sha256","value":"` + sha256 + `"}]}]}}`,
		"json":  `[{"md5_hash":"` + md5 + `","sha1_hash":"` + sha1 + `","sha256_hash":"` + sha256 + `"}]`,
	} {
		l := read(t, text)
		if l.Len() != 3 || l.At(0).Group == 0 || l.At(0).Group != l.At(1).Group || l.At(1).Group != l.At(2).Group {
			t.Errorf("%s: %v, groups %d %d", name, strs(l), l.At(0).Group, l.At(1).Group)
		}
	}
	if l := read(t, md5+" "+strings.Repeat("3d", 16)+"\n"); l.Len() != 2 || l.At(0).Group != 0 {
		t.Errorf("two MD5s are two samples: %v", strs(l))
	}
}
