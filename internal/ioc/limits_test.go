package ioc_test

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/edrctl/edrctl/internal/ioc"
)

// Two million names are read within loose bounds; the benchmark gives figures.
func TestTwoMillionDomains(t *testing.T) {
	if testing.Short() {
		t.Skip("two million lines take seconds")
	}
	var b bytes.Buffer
	for i := range 2_200_000 {
		fmt.Fprintf(&b, "host%d.name%d.com\n", i, i%977)
	}
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	start := time.Now()
	l := ioc.NewList()
	if err := l.Read(&b, "list"); err != nil {
		t.Fatal(err)
	}
	took := time.Since(start)
	runtime.ReadMemStats(&after)
	grown := int64(after.HeapSys) - int64(before.HeapSys)
	t.Logf("%d names in %s, heap grown by %d MB", l.Len(), took, grown>>20)
	if l.Len() != 2_200_000 || grown > 350<<20 || took > 30*time.Second {
		t.Errorf("%d names in %s, %d MB", l.Len(), took, grown>>20)
	}
}

func gzipped(data string) []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = z.Write([]byte(data))
	_ = z.Close()
	return b.Bytes()
}

func zipped(files ...string) []byte {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for i := 0; i < len(files); i += 2 {
		w, _ := z.Create(files[i])
		_, _ = w.Write([]byte(files[i+1]))
	}
	_ = z.Close()
	return b.Bytes()
}

func utf16le(s string) []byte {
	out := []byte{0xff, 0xfe}
	for _, c := range []byte(s) {
		out = append(out, c, 0)
	}
	return out
}

// Packed and encoded sources are read as what they hold.
func TestDecoding(t *testing.T) {
	for name, data := range map[string][]byte{
		"gzip":          gzipped("evil.example.test\n"),
		"zip":           zipped("a.txt", "evil.example.test\n"),
		"gzip in zip":   zipped("a.gz", string(gzipped("evil.example.test\n"))),
		"utf-16":        utf16le("evil.example.test\r\n"),
		"no mark":       utf16le("evil.example.test\r\n")[2:],
		"byte order":    []byte("\xef\xbb\xbfevil.example.test\n"),
		"CR":            []byte("# x\revil.example.test\r"),
		"latin-1":       []byte("# caf\xe9\nevil.example.test\n"),
		"html":          []byte("<!DOCTYPE html><html><script>x.com</script><p>it called <b>evil.example[.]test</b></p></html>"),
		"json list":     []byte(`["evil.example.test"]`),
		"json objects":  []byte(`[{"ioc_value":"evil.example.test","ioc_type":"domain"}]`),
		"ndjson":        []byte("{\"domain\":\"evil.example.test\"}\n{\"domain\":\"evil.example.test\"}\n"),
		"hosts file":    []byte("0.0.0.0 evil.example.test\n"),
		"adblock":       []byte("[Adblock Plus]\n! x\n||evil.example.test^$third-party\n"),
		"banner":        []byte("# ThreatFox\n# \"id\",\"ioc_value\",\"ioc_type\"\n\"1\", \"evil.example.test\", \"domain\"\n\"2\", \"evil.example.test\", \"domain\"\n"),
		"trailing":      []byte(`{"Event":{"Attribute":[{"type":"domain","value":"evil.example.test","to_ids":true},]}}`),
		"openioc":       []byte(`<?xml version="1.0"?><ioc><definition><Indicator><IndicatorItem id="x"><Context search="DnsEntryItem/Host"/><Content type="string">evil.example.test</Content></IndicatorItem></Indicator></definition></ioc>`),
		"markdown":      []byte("# Report\n\n| Domain | Note |\n|---|---|\n| `evil.example.test` | c2 |\n"),
		"asciidoc":      []byte("= Report\n\n[options=\"header\"]\n|===\n|Domain\n|`evil.example.test`\n|===\n"),
		"type column":   []byte("Indicator,Data,Note\ndomain,evil.example.test,x\ndomain,evil.example.test,y\n"),
		"semicolon":     []byte("type;value\ndomain;evil.example.test\n"),
		"label":         []byte("Domain: evil.example.test\n"),
		"key and value": []byte("{\"domains\":[\"evil.example.test\"]}"),
	} {
		l := ioc.NewList()
		if err := l.Read(bytes.NewReader(data), "list"); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		found := false
		for _, i := range l.All() {
			found = found || i.Type == ioc.Domain && i.Value == "evil.example.test"
		}
		if !found {
			t.Errorf("%s: %v, unread %v", name, strs(l), l.Unread)
		}
	}
}

// What is not a list is refused by name, with what to do.
func TestRefusals(t *testing.T) {
	for kind, data := range map[string][]byte{
		"a PDF":                       []byte("%PDF-1.7\n"),
		"an image":                    []byte("\x89PNG\r\n\x1a\n\x00\x00"),
		"an executable":               []byte("\x7fELF\x02\x01\x01\x00"),
		"a Windows executable":        []byte("MZ\x90\x00\x03\x00\x00\x00\x04\x00\x00\x00"),
		"an Office document":          zipped("[Content_Types].xml", "<x/>"),
		"YARA rules":                  []byte("rule x {\n strings:\n  $a = \"b\"\n condition:\n  $a\n}\n"),
		"a Sigma rule":                []byte("title: x\nlogsource:\n  product: windows\ndetection:\n  a: b\n  condition: a\n"),
		"Suricata or Snort rules":     []byte("alert tcp any any -> any any (msg:\"x\"; sid:1;)\n"),
		"source code":                 []byte("#!/usr/bin/env python3\nimport os\nprint('evil.com')\n"),
		"binary data":                 bytes.Repeat([]byte{1, 2, 3, 200, 0, 5}, 400),
		"a key or certificate":        []byte("-----BEGIN CERTIFICATE-----\nMIIB\n"),
		"an Office document (or MSI)": []byte("\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1\x00"),
	} {
		err := ioc.NewList().Read(bytes.NewReader(data), "file")
		var no *ioc.RefusedError
		if !errors.As(err, &no) || no.Kind != kind || no.Do == "" {
			t.Errorf("%s: %v", kind, err)
		}
	}
}

// Sources that are made to be expensive end soon, without much memory.
func TestHostileSources(t *testing.T) {
	deep := strings.Repeat("[", 50_000)
	for name, data := range map[string][]byte{
		"deep json":     []byte(`{"a":` + deep),
		"many arrays":   []byte("[" + strings.Repeat("[],", 100_000) + "[]]"),
		"open quote":    []byte("a,b\n\"" + strings.Repeat("x,y\n", 50_000)),
		"one line":      bytes.Repeat([]byte("a.b "), 1<<18),
		"brackets":      bytes.Repeat([]byte("[.] ( "), 1<<17),
		"slashes":       bytes.Repeat([]byte(`C:\a `), 1<<16),
		"deep pattern":  []byte(`{"type":"bundle","objects":[{"type":"indicator","pattern":"` + strings.Repeat("(", 10_000) + `"}]}`),
		"stars":         []byte(`C:\` + strings.Repeat("*a", 5000) + "\n"),
		"deep xml":      []byte("<?xml?>" + strings.Repeat("<a>", 20_000)),
		"gzip of zeros": gzipped(strings.Repeat("\x00", 1<<22)),
	} {
		start := time.Now()
		runtime.GC()
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		l := ioc.NewList()
		_ = l.Read(bytes.NewReader(data), "list")
		ioc.NewMatcher(l.Hunted(true), l.Rules...)
		runtime.ReadMemStats(&after)
		if took := time.Since(start); took > 10*time.Second {
			t.Errorf("%s took %s", name, took)
		}
		if grown := int64(after.HeapSys) - int64(before.HeapSys); grown > 10*int64(len(data))+64<<20 {
			t.Errorf("%s of %d kB took %d MB", name, len(data)>>10, grown>>20)
		}
	}
}
