package ioc_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/edrctl/edrctl/internal/ioc"
	"github.com/edrctl/edrctl/internal/model"
)

// One fuzz target for each stage. What holds for any source: nothing panics or
// hangs, every line or object is counted once, no URL has a blank in it, and
// what was read can be matched.
func checkRead(t *testing.T, data []byte, text bool) {
	t.Helper()
	l := ioc.NewList()
	l.Text = text
	_ = l.Read(bytes.NewReader(data), "list")
	for _, r := range l.Reports {
		if r.Total != r.Understood+r.Skipped+r.Unread {
			t.Errorf("%+v", r)
		}
	}
	for _, i := range l.All() {
		if i.Type == ioc.URL && strings.ContainsAny(i.Value, " \t\n") {
			t.Errorf("a URL with a blank: %q", i.Value)
		}
		if i.Value == "" {
			t.Errorf("an empty %s", i.Type)
		}
	}
	e := &model.Event{
		Process: &model.Process{Name: "x.exe", Path: `C:\x.exe`, CommandLine: "curl http://a.com/x", Hash: &model.Hash{MD5: md5}},
		Network: &model.Network{Destination: &model.Endpoint{IP: "192.0.2.7", Domain: "a.com", Port: 80}},
	}
	ioc.NewMatcher(l.Hunted(true), l.Rules...).Match(e, func(ioc.Found) {})
}

// framed fuzzes the inside of a format.
func framed(f *testing.F, head, tail string, seeds ...string) {
	f.Helper()
	for _, s := range seeds {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) { checkRead(t, []byte(head+s+tail), false) })
}

func FuzzDecode(f *testing.F) {
	f.Add(gzipped("a.com"))
	f.Add(zipped("a", "b.com"))
	f.Add(zipped("a.gz", string(gzipped("a.com\n"))))
	f.Add(utf16le("a.com\n"))
	f.Add([]byte("%PDF-1.7"))
	f.Fuzz(func(t *testing.T, data []byte) { checkRead(t, data, false) })
}

func FuzzScan(f *testing.F) {
	for _, s := range []string{"see hxxps[:]//a[.]b[.]com/x and C:\\Users\\<user>\\x.exe", "a [.] b dot com (at) c", "[::1]:80 1.2.3.4-9", "| a | b |", "File location: 'hxxp[:]//a[.]com'"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) { checkRead(t, []byte(s), true) })
}

func FuzzLines(f *testing.F) {
	framed(f, "# list\nfirst.example.test\n", "\nlast.example.test\n",
		md5+"  C:\\x\\y.exe", "SHA256 (a.exe) = "+sha256, "0.0.0.0 a.com", "||a.com^", "label: value", "1. a[.]com", "192.0.2.1-192.0.2.9\r\nb", "| a | b |\n|===", "[a](http://b.com)")
}

func FuzzCSV(f *testing.F) {
	framed(f, "type,value,comment\ndomain,a.com,x\n", "\nmd5,"+md5+",y\n",
		`"domain","b.com","a ""quoted"" cell"`, "ip:port,192.0.2.1:443,", "\"open\nnext,line", ";;;", "filename|md5,a.exe|"+md5)
}

func FuzzJSON(f *testing.F) {
	framed(f, `[{"type":"domain","value":"a.com"},`, `]`,
		`{"md5":"`+md5+`"}`, `["a.com",1,null,{"x":[]}]`, `{"Event":{"Attribute":[{"type":"ip-dst","value":"192.0.2.1","to_ids":true},]}}`, `{"ioc_value":"a.com:80","ioc_type":"ip:port"}`)
}

func FuzzXML(f *testing.F) {
	framed(f, `<?xml version="1.0"?><ioc><definition><Indicator operator="OR">`, `</Indicator></definition></ioc>`,
		iocItem("FileItem/Md5sum", "is", md5), iocGroup("AND", iocItem("FileItem/FileName", "contains", "x"), iocItem("PortItem/remoteIP", "isnot", "192.0.2.1")), `</Indicator>`, `<Indicator operator="AND">`, `<Properties category="ipv4-addr"><Address_Value>192.0.2.1</Address_Value></Properties>`)
}

func FuzzHTML(f *testing.F) {
	framed(f, "<!DOCTYPE html><html><body><p>", "</p></body></html>",
		"<b>a[.]com</b>", "<td>192.0.2.1</td>", "<script>x</script>", "<!-- a --", "5 < 6 &amp; <a href='x>y'>", "<style>", "</")
}

func FuzzRule(f *testing.F) {
	for _, s := range []string{"[file:name = 'a' AND (url:value LIKE '%x' OR NOT process:pid > 7)] OR [x:y IN ('a','b')]", "[ipv4-addr:value ISSUBSET '192.0.2.0/24'] START t'2026-01-01T00:00:00Z' STOP t'2026-01-02T00:00:00Z'", "([a:b = 'c'] FOLLOWEDBY [d:e EXISTS]) WITHIN 5 SECONDS REPEATS 2 TIMES", "[file:hashes.'SHA-256' MATCHES '^a+$']"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) { checkRead(t, []byte(bundle(s)), false) })
}
