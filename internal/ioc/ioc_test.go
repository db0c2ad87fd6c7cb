package ioc_test

import (
	"bufio"
	"bytes"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/edrctl/edrctl/internal/ioc"
)

var (
	md5    = strings.Repeat("0a", 16)
	sha1   = strings.Repeat("1b", 20)
	sha256 = strings.Repeat("2c", 32)
)

func TestParse(t *testing.T) {
	for in, want := range map[string]string{
		md5: "md5:" + md5, strings.ToUpper(sha1): "sha1:" + sha1, sha256: "sha256:" + sha256,
		"imphash:" + md5:               "imphash:" + md5,
		"192.0.2.7":                    "ipv4:192.0.2.7",
		"192[.]0[.]2[.]7":              "ipv4:192.0.2.7",
		"192.0.2.7:8443":               "ipv4:192.0.2.7",
		"::ffff:192.0.2.7":             "ipv4:192.0.2.7",
		"2001:DB8::1":                  "ipv6:2001:db8::1",
		"192.0.2.77/24":                "cidr:192.0.2.0/24",
		"192.0.2.77/32":                "ipv4:192.0.2.77",
		"Evil.Example.COM":             "domain:evil.example.com",
		"evil[.]example[.]com":         "domain:evil.example.com",
		"evil(dot)example(dot)com":     "domain:evil.example.com",
		"*.evil.example":               "domain:evil.example",
		"xn--80ak6aa92e.com":           "domain:xn--80ak6aa92e.com",
		"hxxps://Evil[.]example/A?b=C": "url:https://evil.example/A?b=C",
		"hXXp[:]//evil.example/x":      "url:http://evil.example/x",
		"evil.example/gate.php":        "url:evil.example/gate.php",
		"j.doe(at)evil[.]example":      "email:j.doe@evil.example",
		"invoice.docm":                 "file_name:invoice.docm",
		`C:\Users\Public\d.dll`:        `file_path:C:\Users\Public\d.dll`,
		"/tmp/.x":                      "file_path:/tmp/.x",
		`%APPDATA%\x.exe`:              `path_pattern:%APPDATA%\x.exe`,
		"process:mimikatz.exe":         "process_name:mimikatz.exe",
		"file:bad name.exe":            "file_name:bad name.exe",
		"domain:transfer.sh":           "domain:transfer.sh",
		"transfer.sh":                  "domain:transfer.sh",
		`"evil.example"`:               "domain:evil.example",
		"sha256: " + sha256:            "sha256:" + sha256,
	} {
		typ, v, err := ioc.Parse(in, ioc.None)
		if got := typ.String() + ":" + v; err != nil || got != want {
			t.Errorf("%s: %s, %v; want %s", in, got, err, want)
		}
	}
	for _, in := range []string{
		"", "mimikatz", "hello world", md5 + "0", sha256[:63], "http://", "a@b", "-x.example", "1.2.3", "1.2.3.400",
		"md5:xyz", "process:a/b", "ip:evil", "url:nothing",
	} {
		if typ, v, err := ioc.Parse(in, ioc.None); err == nil {
			t.Errorf("%q was taken as %s:%s", in, typ, v)
		}
	}
}

func read(t *testing.T, text string) *ioc.List {
	t.Helper()
	l := ioc.NewList()
	if err := l.Read(strings.NewReader(text), "list"); err != nil {
		t.Fatal(err)
	}
	return l
}

func strs(l *ioc.List) []string {
	var out []string
	for _, i := range l.All() {
		out = append(out, i.String())
	}
	return out
}

func TestPlainLines(t *testing.T) {
	l := read(t, "\xef\xbb\xbf# feed\n\n"+md5+" # first\nevil[.]example\r\n; also a comment\nEVIL.example\nnonsense here\n192.0.2.1,\n")
	if want := []string{"md5:" + md5, "domain:evil.example", "ipv4:192.0.2.1"}; !slices.Equal(strs(l), want) {
		t.Errorf("%v", strs(l))
	}
	if l.Duplicates != 1 {
		t.Errorf("%d duplicates", l.Duplicates)
	}
	if len(l.Unread) != 1 || l.Unread[0].Line != 7 || !strings.Contains(l.Unread[0].String(), `list:7: "nonsense here"`) {
		t.Errorf("%v", l.Unread)
	}
	if p := l.Place(l.At(1)); p != "list:4" {
		t.Errorf("place %s", p)
	}
}

func TestCSV(t *testing.T) {
	for name, c := range map[string]struct {
		text     string
		want     []string
		problems int
	}{
		"value and type": {"uuid,type,value\n1,sha256," + sha256 + "\n2,domain|ip,evil.example|192.0.2.1\n3,regkey,HKLM\\x\n",
			[]string{"sha256:" + sha256, "domain:evil.example", "ipv4:192.0.2.1", `registry:HKLM\x`}, 0},
		"value alone": {"ioc;note\nevil.example;x\n,empty\n", []string{"domain:evil.example"}, 1},
		"typed":       {"sha256,filename\n" + sha256 + ",\"a b.exe\"\n" + md5 + ",\n", []string{"sha256:" + sha256, "file_name:a b.exe", "md5:" + md5}, 0},
		"one column":  {"indicator\nevil.example\n", []string{"domain:evil.example"}, 0},
	} {
		l := read(t, c.text)
		got := strs(l)
		slices.Sort(got)
		slices.Sort(c.want)
		if !slices.Equal(got, c.want) || len(l.Unread) != c.problems {
			t.Errorf("%s: %v, problems %v", name, got, l.Unread)
		}
	}
}

func TestSTIX(t *testing.T) {
	l := read(t, `{"type":"bundle","id":"bundle--1","objects":[
		{"type":"identity","id":"identity--1"},
		{"type":"indicator","id":"indicator--1","pattern_type":"stix","pattern":"[file:hashes.'SHA-256' = '`+sha256+`' OR file:hashes.MD5 = '`+md5+`'] AND ([ipv4-addr:value = '192.0.2.0/24'])"},
		{"type":"indicator","id":"indicator--2","pattern":"[domain-name:value IN ('a.example','b.example') AND url:value = 'http://c.example/it\\'s']"},
		{"type":"indicator","id":"indicator--3","pattern":"[file:name LIKE '%evil%']"},
		{"type":"indicator","id":"indicator--4","pattern":"[ipv4-addr:value = '192.0.2.1'] FOLLOWEDBY [ipv4-addr:value = '192.0.2.2']"},
		{"type":"indicator","id":"indicator--5","pattern":"[NOT url:value = 'http://x.example/']"},
		{"type":"indicator","id":"indicator--6","revoked":true,"pattern":"[ipv4-addr:value = '192.0.2.9']"},
		{"type":"indicator","id":"indicator--7","pattern_type":"yara","pattern":"rule x {}"},
		{"type":"indicator","id":"indicator--8","pattern":"[file:name = 'evil.exe' AND windows-registry-key:key = 'HKLM']"}
	]}`)
	want := []string{
		"domain:a.example", "domain:b.example", "url:http://c.example/it's", "pattern:[file:name LIKE '%evil%']", "pattern:[NOT url:value = 'http://x.example/']", "file_name:evil.exe",
	}
	var hunted []string
	for _, i := range l.Hunted(true) {
		hunted = append(hunted, i.String())
	}
	want = slices.DeleteFunc(want, func(s string) bool { return s == "url:http://c.example/it's" || s == "domain:b.example" }) // parts of the rule that its first value stands for
	if !slices.Equal(hunted, want) {
		t.Errorf("%v", hunted)
	}
	if got := strs(l); !slices.Contains(got, "cidr:192.0.2.0/24") || !slices.Contains(got, "ipv4:192.0.2.2") {
		t.Errorf("values of refused patterns are not listed: %v", got)
	}
	var objects []string
	for _, p := range l.Unread {
		objects = append(objects, p.Object)
	}
	if !slices.Equal(objects, []string{"indicator--1", "indicator--4", "indicator--6", "indicator--7"}) {
		t.Errorf("problems: %v", l.Unread)
	}
	if p := l.Place(l.At(3)); p != "list indicator--2" {
		t.Errorf("place %s", p)
	}
}

func TestMISP(t *testing.T) {
	l := read(t, `{"response":[{"Event":{"info":"x","Attribute":[
		{"uuid":"u1","type":"ip-dst|port","value":"192.0.2.1|443","to_ids":true},
		{"uuid":"u2","type":"filename|sha256","value":"evil.exe|`+sha256+`"},
		{"uuid":"u3","type":"comment","value":"hello"},
		{"uuid":"u4","type":"domain","value":"ok.example","to_ids":false}],
		"Object":[{"name":"file","Attribute":[{"uuid":"u5","type":"md5","value":"`+md5+`"}]}]}}]}`)
	if want := []string{"ipv4:192.0.2.1", "file_name:evil.exe", "sha256:" + sha256, "md5:" + md5}; !slices.Equal(strs(l), want) {
		t.Errorf("%v", strs(l))
	}
	if len(l.Unread) != 2 {
		t.Errorf("%v", l.Unread)
	}
}

func TestUnusable(t *testing.T) {
	for name, text := range map[string]string{
		"empty":                 "",
		"only comments":         "# nothing\n\n",
		"cut":                   `{"type":"bundle","objects":[{"type":"indicator"`,
		"text after":            `{"objects":[]} x`,
		"an empty bundle":       `{"type":"bundle","objects":[]}`,
		"objects of wrong type": `{"objects":{}}`,
	} {
		if err := ioc.NewList().Read(strings.NewReader(text), "list"); err == nil || !strings.HasPrefix(err.Error(), "list: ") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestLongLineIsAProblemNotTheEnd(t *testing.T) {
	l := read(t, strings.Repeat("x", 3<<20)+"\nevil.example\n"+strings.Repeat("y", 1<<17)+"\nb.example\n")
	if want := []string{"domain:evil.example", "domain:b.example"}; !slices.Equal(strs(l), want) || len(l.Unread) != 2 {
		t.Errorf("%v, %d problems", strs(l), len(l.Unread))
	}
}

// A million mixed lines load in 3 s and 300 MB (the times of one run; the
// benchmark below gives figures).
func TestAMillionLines(t *testing.T) {
	if testing.Short() {
		t.Skip("a million lines take a second")
	}
	r := million()
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	start := time.Now()
	l := ioc.NewList()
	if err := l.Read(bufio.NewReader(r), "list"); err != nil {
		t.Fatal(err)
	}
	took := time.Since(start)
	runtime.ReadMemStats(&after)
	t.Logf("%d indicators in %s, heap taken from the system %d MB", l.Len(), took, (after.HeapSys-before.HeapSys)>>20)
	if l.Len() != 1_000_000 || len(l.Unread) != 0 {
		t.Errorf("%d indicators, %d problems", l.Len(), len(l.Unread))
	}
	if grown := int64(after.HeapSys) - int64(before.HeapSys); grown > 300<<20 {
		t.Errorf("%d MB", grown>>20)
	}
}

func million() *bytes.Reader {
	var b bytes.Buffer
	for i := range 1_000_000 {
		switch i % 4 {
		case 0:
			fmt.Fprintf(&b, "%064x\n", i)
		case 1:
			fmt.Fprintf(&b, "%040X\n", i)
		case 2:
			fmt.Fprintf(&b, "host-%d[.]evil[.]example\n", i)
		case 3:
			fmt.Fprintf(&b, "10.%d.%d.%d\n", i>>16&255, i>>8&255, i&255)
		}
	}
	return bytes.NewReader(b.Bytes())
}

func BenchmarkMillionLines(b *testing.B) {
	r := million()
	for b.Loop() {
		_, _ = r.Seek(0, 0)
		if err := ioc.NewList().Read(r, "list"); err != nil {
			b.Fatal(err)
		}
	}
}

func FuzzRead(f *testing.F) {
	for _, s := range []string{
		"", "evil.example\n", "a,b\n1,2\n", "value;type\nx;md5\n", `{"objects":[{"type":"indicator","pattern":"[a:b = 'c']"}]}`,
		`{"Event":{"Attribute":[{"type":"md5","value":"x"}]}}`, "\xff\xfe", "hxxp://[::1]/", strings.Repeat("[", 100),
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		l := ioc.NewList()
		if err := l.Read(bytes.NewReader(data), "list"); err != nil {
			return
		}
		for _, i := range l.All() {
			// What was normalised once stays as it is.
			typ, v, err := ioc.Parse(i.Value, i.Type)
			if err != nil || typ != i.Type && !i.Type.IsAddress() || v != i.Value {
				t.Errorf("%s reads back as %s:%s, %v", i, typ, v, err)
			}
		}
	})
}

func FuzzPattern(f *testing.F) {
	for _, s := range []string{"[file:name = 'x']", "[a:b IN ('c','d')] OR [e:f = 'g\\'']", "(((", "[ipv4-addr:value ISSUBSET '10.0.0.0/8']"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if e, err := ioc.ParsePattern(s); err == nil && e == nil {
			t.Error("a pattern without a comparison was taken")
		}
	})
}
