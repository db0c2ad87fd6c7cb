package evidence

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/klauspost/compress/zstd"
	"pgregory.net/rapid"

	"github.com/edrctl/edrctl/internal/model"
)

// samples are one record of each format that is written on a line.
var samples = map[string]string{
	"flat":         `{"EventTime":"2020-09-22 04:28:20","@timestamp":"2020-09-22T08:28:23.382Z","Hostname":"WS6.theshire.local","Channel":"Microsoft-Windows-Sysmon/Operational","SourceName":"Microsoft-Windows-Sysmon","EventID":11,"EventType":"INFO","RecordNumber":7,"ExecutionProcessID":33,"Image":"C:\\a.exe","TargetFilename":"C:\\b.txt","tags":["set"]}`,
	"windows":      `{"Event":{"#attributes":{"xmlns":"x"},"System":{"Provider":{"#attributes":{"Name":"Microsoft-Windows-Sysmon"}},"EventID":{"#text":1},"TimeCreated":{"#attributes":{"SystemTime":"2026-04-17T05:24:53.092051Z"}},"EventRecordID":9,"Channel":"Microsoft-Windows-Sysmon/Operational","Computer":"ws1"},"EventData":{"Image":"C:\\a.exe","ProcessId":5}}}`,
	"winlogbeat":   `{"@timestamp":"2026-04-17T05:24:53.092Z","ecs":{"version":"1.12.0"},"event":{"code":"4624","provider":"Microsoft-Windows-Security-Auditing"},"winlog":{"channel":"Security","event_id":"4624","record_id":77,"computer_name":"dc1.corp.example","provider_name":"Microsoft-Windows-Security-Auditing","event_data":{"TargetUserName":"ada","TargetDomainName":"CORP","LogonType":"3","IpAddress":"192.0.2.7"}}}`,
	"ecs":          `{"@timestamp":"2026-04-17T05:24:53.092Z","event.kind":"event","event.category":["network"],"event.type":["connection","start"],"host.name":"ws1","process":{"pid":5,"executable":"/usr/bin/curl"},"destination":{"ip":"192.0.2.1","port":443}}`,
	"ocsf":         `{"class_uid":1007,"activity_id":1,"time":1776403493092,"metadata":{"version":"1.8.0","uid":"o1"},"device":{"hostname":"ws1"},"actor":{"process":{"pid":4,"name":"sh"}},"process":{"pid":5,"name":"curl","cmd_line":"curl x"}}`,
	"edrctl":       `{"id":"1","ref":"p/1","profile":"p","backend":"esp","time":"2026-04-17T05:24:53.092Z","kind":"dns_query","host":{"name":"ws1"},"dns":{"question":{"name":"example.org"}}}`,
	"osquery":      `{"name":"pack_it_process_events","hostIdentifier":"ws1","calendarTime":"Fri Apr 17 05:24:53 2026 UTC","unixTime":1776403493,"columns":{"pid":"5","path":"/usr/bin/curl","cmdline":"curl x","parent":"4","time":"1776403490","uid":"0"},"action":"added"}`,
	"laurel":       `{"ID":"1776403493.092:12","NODE":"ws1","SYSCALL":{"arch":"0xc000003e","syscall":59,"SYSCALL":"execve","success":"yes","pid":5,"ppid":4,"exe":"/usr/bin/curl","uid":0,"UID":"root"},"EXECVE":{"argc":2,"ARGV":["curl","x"]},"CWD":{"cwd":"/tmp"}}`,
	"defender":     `{"Timestamp":"2026-04-17T05:24:53.0920000Z","DeviceId":"d1","DeviceName":"ws1.corp.example","ActionType":"ProcessCreated","FileName":"curl.exe","FolderPath":"C:\\t\\curl.exe","ProcessId":5,"ProcessCommandLine":"curl x","AccountName":"ada","AccountDomain":"corp","InitiatingProcessId":4,"InitiatingProcessFileName":"cmd.exe","InitiatingProcessFolderPath":"c:\\windows\\system32\\cmd.exe","ReportId":3}`,
	"cb-forwarder": `{"type":"endpoint.event.netconn","event_id":"e1","device_id":7,"device_name":"CORP\\ws1","device_os":"WINDOWS","device_timestamp":"2026-04-17 05:24:53.092 +0000 UTC","process_guid":"g","process_pid":5,"process_path":"c:\\t\\curl.exe","remote_ip":"192.0.2.1","remote_port":443,"netconn_protocol":"PROTO_TCP","netconn_inbound":false}`,
	"xml":          `Apr 17 05:24:53 ws1 sysmon[9]: <Event><System><Provider Name="Linux-Sysmon" Guid="{x}"/><EventID>1</EventID><TimeCreated SystemTime="2026-04-17T05:24:53.092Z"/><EventRecordID>3</EventRecordID><Channel>Linux-Sysmon/Operational</Channel><Computer>ws1</Computer></System><EventData><Data Name="Image">/usr/bin/curl</Data><Data Name="ProcessId">5</Data><Data Name="CommandLine">curl x &amp; y</Data></EventData></Event>`,
	"auditd":       `type=USER_LOGIN msg=audit(1776403493.092:77): pid=5 uid=0 auid=1000 ses=1 msg='op=login acct="ada" exe="/usr/sbin/sshd" hostname=? addr=192.0.2.7 terminal=ssh res=failed'`,
}

func read(t testing.TB, text string, o Options) []Item {
	t.Helper()
	var out []Item
	for it, err := range Read(context.Background(), "f", strings.NewReader(text), o) {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, it)
	}
	return out
}

func TestEachFormatIsTold(t *testing.T) {
	kinds := map[string]model.Kind{
		"flat": model.KindFileCreate, "windows": model.KindProcessStart, "winlogbeat": model.KindLogon, "ecs": model.KindNetworkConnect, "ocsf": model.KindProcessStart, "edrctl": model.KindDNSQuery, "osquery": model.KindProcessStart,
		"laurel": model.KindProcessStart, "defender": model.KindProcessStart, "cb-forwarder": model.KindNetworkConnect, "xml": model.KindProcessStart, "auditd": model.KindLogonFailed,
	}
	for _, f := range slices.Sorted(maps.Keys(samples)) {
		items := read(t, samples[f], Options{Log: true})
		if len(items) != 1 || items[0].Event == nil {
			t.Errorf("%s: %+v", f, items)
			continue
		}
		it, e := items[0], items[0].Event
		if it.Format != f || e.Kind != kinds[f] || e.ID == "" || it.Local || it.Line != 1 || it.Offset != 0 {
			t.Errorf("%s: format %s kind %s id %q local %v at %d", f, it.Format, e.Kind, e.ID, it.Local, it.Line)
		}
		if f != "auditd" && (e.Host == nil || !strings.HasPrefix(strings.ToLower(e.Host.Name), "ws") && e.Host.Name != "dc1" || strings.Contains(e.Host.Name, ".")) {
			t.Errorf("%s: host %+v", f, e.Host)
		}
		if got := e.Time.String(); f != "flat" && got != "2026-04-17T05:24:53.092Z" && got != "2026-04-17T05:24:50.000Z" || f == "flat" && got != "2020-09-22T08:28:20.000Z" {
			t.Errorf("%s: time %s", f, got)
		}
		if p := e.Process; f != "winlogbeat" && f != "edrctl" && f != "flat" && (p == nil || p.PID != 5 || p.Name == "") {
			t.Errorf("%s: process %+v", f, p)
		}
		if e.Kind == model.KindProcessStart && e.Process.CommandLine == "" && f != "windows" {
			t.Errorf("%s: %+v", f, e.Process)
		}
	}
}

// Every line that is not blank gives a record or is named as unread, whatever
// lies around it.
func TestEveryLineIsAccountedFor(t *testing.T) {
	names := slices.Sorted(maps.Keys(samples))
	rapid.Check(t, func(t *rapid.T) {
		var lines []string
		want := map[int]bool{}
		for i := range rapid.IntRange(0, 12).Draw(t, "lines") {
			s := samples[rapid.SampledFrom(names).Draw(t, "format")]
			switch rapid.IntRange(0, 6).Draw(t, "state") {
			case 0:
				s = s[:rapid.IntRange(0, len(s)-1).Draw(t, "cut")]
			case 1:
				s = rapid.StringMatching(`[ -Z^-z]{0,40}`).Draw(t, "junk")
			case 2:
				s = `{"a":{"b":[1,2,{"c":null}]}}`
			case 3:
				s = ""
			}
			if strings.HasPrefix(strings.TrimSpace(s), "type=") { // audit lines of one event are one record
				s = strings.Replace(s, ":77)", fmt.Sprintf(":%d)", 1000+i), 1)
			}
			lines = append(lines, s)
			if strings.TrimSpace(s) != "" {
				want[i+1] = true
			}
		}
		eol := rapid.SampledFrom([]string{"\n", "\r\n"}).Draw(t, "eol")
		got := map[int]bool{}
		for it, err := range Read(context.Background(), "f", strings.NewReader(strings.Join(lines, eol)), Options{}) {
			if err != nil {
				t.Fatal(err)
			}
			got[it.Line] = true
		}
		if !maps.Equal(got, want) {
			t.Fatalf("lines %v of %v in %q", slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(want)), lines)
		}
	})
}

func TestDocumentsInAnyLayout(t *testing.T) {
	one := samples["windows"]
	pretty := strings.NewReplacer(`{"`, "{\n  \"", `,"`, ",\n  \"", `}}`, "}\n}").Replace(one)
	for name, tc := range map[string]struct {
		text string
		n    int
	}{
		"array":                 {"[" + one + ", " + one + "]", 2},
		"array over lines":      {"[\n" + one + ",\n" + one + "\n]\n", 2},
		"array without its end": {"[\n" + one + ",\n" + one + "\n", 3},
		"pretty":                {pretty, 1},
		"pretty, back to back":  {pretty + "\n" + pretty + pretty, 3},
		"several on a line":     {one + one + " " + one, 3},
		"answer of an API":      {`{"total":2,"results":[` + one + "," + one + `]}`, 2},
		"export of a search":    {`{"_index":"a","_id":"x","_source":` + samples["ecs"] + "}\n", 1},
		"result of Splunk":      {`{"preview":false,"result":{"EventCode":"1","ComputerName":"ws1","source":"x","LogName":"Security","_time":"2026-04-17T05:24:53.092+00:00"}}`, 1},
		"hunt of chainsaw":      {`[{"group":"Sigma","kind":"individual","document":{"kind":"evtx","path":"a","data":` + one + `},"name":"r"}]`, 1},
		"hunting answer":        {`{"Schema":[],"Results":[` + samples["defender"] + `]}`, 1},
	} {
		records := 0
		for _, it := range read(t, tc.text, Options{}) {
			if it.Record() != nil || strings.Contains(name, "without") {
				records++
			} else {
				t.Errorf("%s: %v", name, it.Err)
			}
		}
		if records != tc.n {
			t.Errorf("%s: %d records of %d", name, records, tc.n)
		}
	}
}

func TestPlaceOfAnElement(t *testing.T) {
	text := "\n{\"results\":[\n" + samples["windows"] + ",\n" + samples["windows"] + "]}\n"
	items := read(t, text, Options{})
	if len(items) != 2 || items[1].Line != 4 || !strings.HasPrefix(text[items[1].Offset:], `{"Event"`) {
		t.Errorf("%+v", items)
	}
}

func TestEncodings(t *testing.T) {
	text := samples["windows"] + "\r\n" + strings.ReplaceAll(samples["edrctl"], "example.org", "exämple😀.org") + "\r\n"
	wide := func(order binary.AppendByteOrder, bom bool) string {
		var b []byte
		if bom {
			b = order.AppendUint16(b, 0xfeff)
		}
		for _, u := range utf16.Encode([]rune(text)) {
			b = order.AppendUint16(b, u)
		}
		return string(b)
	}
	for name, s := range map[string]string{
		"UTF-8": text, "byte order mark": "\xef\xbb\xbf" + text, "UTF-16": wide(binary.LittleEndian, true), "UTF-16 big-endian": wide(binary.BigEndian, true), "UTF-16 without a mark": wide(binary.LittleEndian, false),
	} {
		items := read(t, s, Options{})
		if len(items) != 2 || items[1].Event == nil || items[1].Event.DNS.Question.Name != "exämple😀.org" || items[1].Line != 2 {
			t.Errorf("%s: %+v", name, items)
		}
	}
}

func TestWhatIsNoEvidence(t *testing.T) {
	for name, tc := range map[string]struct{ text, why string }{
		"packets":    {"\xd4\xc3\xb2\xa1\x02\x00\x04\x00rest", "a packet capture (pcap), not a file of records"},
		"program":    {"MZ\x90\x00\x03\x00", "a Windows program"},
		"zeroes":     {"abc\x00\x00\x00\x00", "a binary file"},
		"text":       {"hello, world\n", "not a record of any known format"},
		"document":   {`{"name":"x","b":1,"c":2,"d":3,"e":4}`, `a JSON document of no known format, with "name", "b", "c", "d", …`},
		"short":      {samples["windows"][:40], "the JSON ends in the middle"},
		"bad syntax": {`{"Event" 1}`, "not JSON"},
		"deep":       {strings.Repeat(`{"a":`, 100_000), "not JSON: values nest too deeply"},
		"xml":        {"<Event><System>", "the XML of an event has no end"},
	} {
		items := read(t, tc.text, Options{})
		if len(items) != 1 || items[0].Err == nil || !strings.Contains(items[0].Err.Error(), tc.why) {
			t.Errorf("%s: %+v", name, items)
		}
	}
	if items := read(t, "", Options{}); len(items) != 0 {
		t.Errorf("an empty file: %+v", items)
	}
	if items := read(t, " \r\n\n\t", Options{}); len(items) != 0 {
		t.Errorf("blanks: %+v", items)
	}
}

// A line beyond every bound is passed over, and the next is read.
func TestGiantLine(t *testing.T) {
	long := io.MultiReader(strings.NewReader(`{"Event":"`), io.LimitReader(endless('a'), maxRecord+maxRecord/2), strings.NewReader("\"}\n"+samples["windows"]+"\n"))
	var items []Item
	for it, err := range Read(context.Background(), "f", long, Options{}) {
		if err != nil {
			t.Fatal(err)
		}
		items = append(items, it)
	}
	if len(items) != 2 || items[0].Err == nil || !strings.Contains(items[0].Err.Error(), "more than 32 MiB") || items[1].Event == nil || items[1].Line != 2 {
		t.Errorf("%d items: %v", len(items), items)
	}
}

type endless byte

func (e endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(e)
	}
	return len(p), nil
}

func TestTimesWithoutAZone(t *testing.T) {
	line := `{"EventTime":"2020-09-22 04:28:20","Hostname":"w","Channel":"Security","SourceName":"Microsoft-Windows-Security-Auditing","EventID":4688}`
	zone := time.FixedZone("x", -4*3600)
	for name, tc := range map[string]struct {
		line  string
		want  string
		local bool
	}{
		"the zone of the options":       {line, "2020-09-22T08:28:20.000Z", true},
		"the zone of the receipt":       {strings.Replace(line, `{`, `{"@timestamp":"2020-09-22T09:28:23.382Z",`, 1), "2020-09-22T09:28:20.000Z", false},
		"Sysmon's own time":             {strings.Replace(line, `{`, `{"UtcTime":"2020-09-22 10:28:20.866",`, 1), "2020-09-22T10:28:20.866Z", false},
		"a receipt that came days late": {strings.Replace(line, `{`, `{"@timestamp":"2020-09-25T09:28:23.382Z",`, 1), "2020-09-22T08:28:20.000Z", true},
		"a time with its zone":          {strings.Replace(line, `{`, `{"TimeCreated":"2020-09-22T11:28:20.1Z",`, 1), "2020-09-22T11:28:20.100Z", false},
	} {
		it := read(t, tc.line, Options{Zone: zone})[0]
		if it.Event == nil || it.Event.Time.String() != tc.want || it.Local != tc.local {
			t.Errorf("%s: %+v local %v", name, it.Event, it.Local)
		}
	}
}

func TestDetectionsGiveAlerts(t *testing.T) {
	defender := `{"Event":{"System":{"Provider":{"Name":"Microsoft-Windows-Windows Defender"},"EventID":1116,"TimeCreated":{"SystemTime":"2026-04-17T05:24:53Z"},"EventRecordID":1,"Channel":"Microsoft-Windows-Windows Defender/Operational","Computer":"ws1"},"EventData":{"Threat Name":"Trojan:Win32/X","Severity ID":"5","Severity Name":"Schwerwiegend","Category Name":"Trojan","Path":"file:_C:\\x.exe"}}}`
	items := read(t, defender, Options{})
	if len(items) != 2 || items[1].Alert == nil {
		t.Fatalf("%+v", items)
	}
	if a := items[1].Alert; a.Title != "Trojan:Win32/X" || a.Severity != model.SeverityCritical || a.ScoreNative.Label != "Severe" || a.ID != items[0].Event.ID || items[0].Event.AlertID != a.ID || a.Host.Name != "ws1" {
		t.Errorf("%+v", a)
	}
	named := strings.Replace(samples["windows"], `"ProcessId":5`, `"ProcessId":5,"RuleName":"technique_id=T1059.001,technique_name=PowerShell"`, 1)
	items = read(t, named, Options{})
	if len(items) != 2 || items[1].Alert.Attack[0].Technique != (model.Named{ID: "T1059.001", Name: "PowerShell"}) || items[1].Alert.Severity != model.SeverityUnknown {
		t.Errorf("%+v", items)
	}
	filter := strings.Replace(samples["windows"], `"ProcessId":5`, `"ProcessId":5,"RuleName":"Downloads"`, 1)
	if items = read(t, filter, Options{}); len(items) != 1 || !slices.Contains(items[0].Event.Tags, "Downloads") {
		t.Errorf("%+v", items)
	}
}

func TestTables(t *testing.T) {
	hunting := "\xef\xbb\xbf\"Timestamp\",\"DeviceName\",\"ActionType\",\"FileName\",\"FolderPath\",\"InitiatingProcessFileName\",\"InitiatingProcessCommandLine\"\r\n" +
		"2026-04-17T05:24:53.0920000Z,ws1.corp.example,FileCreated,a.txt,C:\\t\\a.txt,cmd.exe,\"cmd /c \"\"echo\r\nx\"\"\"\r\n" +
		"2026-04-17T05:24:54Z,ws1.corp.example,FileCreated\r\n" + "a,b,c,d,e,f,g,h\r\n" + "2026-04-17T05:24:55Z,\"open,FileCreated\r\n"
	items := read(t, hunting, Options{})
	if len(items) != 4 {
		t.Fatalf("%+v", items)
	}
	if e := items[0].Event; e.File.Path != `C:\t\a.txt` || e.Process.CommandLine != "cmd /c \"echo\nx\"" || e.Host.Name != "ws1" || e.Host.Domain != "corp.example" {
		t.Errorf("%+v", e)
	}
	if items[1].Event == nil || items[1].Line != 4 || items[2].Err == nil || items[2].Line != 5 || items[3].Err == nil || items[3].Line != 6 {
		t.Errorf("%+v", items)
	}
	own := "time,kind,host.name,user.name,process.name,process.pid,network.destination,detection.rules,ref\n2026-04-17T05:24:53.092Z,network_connect,ws1,ada,curl,5,192.0.2.1:443,\"a, b\",p/1\n"
	e := read(t, own, Options{})[0].Event
	if e.ID != "1" || e.Ref != "p/1" || e.Kind != model.KindNetworkConnect || e.Host.Name != "ws1" || e.User.Name != "ada" || e.Process.PID != 5 || *e.Network.Destination != (model.Endpoint{IP: "192.0.2.1", Port: 443}) || len(e.Detection.Rules) != 2 {
		t.Errorf("%+v", e)
	}
	a := read(t, "time;score;severity;host.name;title;ref\n2026-04-17T05:24:53.092Z;7.5;high;ws1;'=1+1;p/2\n", Options{})[0].Alert
	if a.Title != "=1+1" || *a.Score != 7.5 || a.Severity != model.SeverityHigh || a.ID != "2" {
		t.Errorf("%+v", a)
	}
}

// The lines of one audit event are one record, also when another's lie between.
func TestAuditEvents(t *testing.T) {
	text := `node=ws1 type=SYSCALL msg=audit(1776403493.092:1): arch=c000003e syscall=59 success=yes exit=0 a0=1 a1=2 a2=3 a3=4 items=2 ppid=4 pid=5 auid=1000 uid=0 comm="sh" exe="/usr/bin/dash" key="exec"` + "\x1d" + `ARCH=x86_64 SYSCALL=execve AUID="ada" UID="root"
node=ws1 type=EXECVE msg=audit(1776403493.092:1): argc=3 a0="sh" a1="-c" a2=6563686F20782079
node=ws1 type=SYSCALL msg=audit(1776403493.093:2): arch=c000003e syscall=42 success=yes exit=0 a0=3 a1=2 a2=10 items=0 ppid=4 pid=6 uid=1000 comm="curl" exe="/usr/bin/curl" key=(null)
node=ws1 type=CWD msg=audit(1776403493.092:1): cwd="/tmp"
node=ws1 type=SOCKADDR msg=audit(1776403493.093:2): saddr=020001BBC0000201000000000000000000
node=ws1 type=PROCTITLE msg=audit(1776403493.092:1): proctitle=7368002D63
node=ws1 type=EOE msg=audit(1776403493.093:2):
node=ws1 type=SYSCALL msg=audit(1776403493.094:3): arch=c000003e syscall=257 success=yes exit=3 a0=ffffff9c a1=2 a2=241 a3=1b6 items=2 ppid=4 pid=7 uid=1000 comm="sh" exe="/usr/bin/dash"
node=ws1 type=CWD msg=audit(1776403493.094:3): cwd="/home/ada"
node=ws1 type=PATH msg=audit(1776403493.094:3): item=0 name="/home/ada" nametype=PARENT
node=ws1 type=PATH msg=audit(1776403493.094:3): item=1 name="x.txt" nametype=CREATE
`
	items := read(t, text, Options{Log: true})
	if len(items) != 3 {
		t.Fatalf("%+v", items)
	}
	exec, connect, open := items[0].Event, items[1].Event, items[2].Event
	if p := exec.Process; exec.Kind != model.KindProcessStart || p.CommandLine != "sh -c echo x y" || p.WorkingDirectory != "/tmp" || p.Parent.PID != 4 || exec.User.Name != "root" || exec.Host.Name != "ws1" || exec.Action != "execve" || exec.Tags[0] != "exec" {
		t.Errorf("%+v %+v", exec, exec.Process)
	}
	if connect.Kind != model.KindNetworkConnect || *connect.Network.Destination != (model.Endpoint{IP: "192.0.2.1", Port: 443}) || items[1].Line != 3 {
		t.Errorf("%+v %+v", connect, connect.Network)
	}
	if open.Kind != model.KindFileCreate || open.File.Path != "/home/ada/x.txt" {
		t.Errorf("%+v", open)
	}
	if exec.Log.Product != "linux" || exec.Log.Channel != "auditd" || !slices.Contains(exec.Log.Data, model.LogField{Name: "type", Value: "EXECVE"}) {
		t.Errorf("%+v", exec.Log)
	}
}

func TestXMLExports(t *testing.T) {
	text := `<?xml version="1.0" encoding="utf-8"?>
<Events>
<Event xmlns='http://schemas.microsoft.com/win/2004/08/events/event'>
  <System><Provider Name='Service Control Manager'/><EventID Qualifiers='16384'>7036</EventID><TimeCreated SystemTime='2026-04-17T05:24:53.092Z'/><EventRecordID>5</EventRecordID><Channel>System</Channel><Computer>ws1</Computer></System>
  <EventData><Data Name='param1'>Spooler</Data><Data>stopped</Data></EventData>
</Event><Event><System><Provider Name='Microsoft-Windows-Eventlog'/><EventID>1102</EventID><TimeCreated SystemTime='2026-04-17T05:24:53.092Z'/><EventRecordID>6</EventRecordID><Channel>Security</Channel><Computer>ws1</Computer></System><UserData><LogFileCleared><SubjectUserName>ada</SubjectUserName></LogFileCleared></UserData></Event>
</Events>
`
	items := read(t, text, Options{Log: true})
	if len(items) != 2 || items[0].Event.Log.Data[0] != (model.LogField{Name: "param1", Value: "Spooler"}) || items[0].Event.Log.EventID != 7036 || items[1].Event.Kind != model.KindLogCleared || items[1].Event.User.Name != "ada" {
		t.Errorf("%+v", items)
	}
}

func zipOf(t *testing.T, files map[string]string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		w, err := z.Create(name)
		if err == nil {
			_, err = w.Write([]byte(files[name]))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func tarOf(t *testing.T, files map[string]string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if err := w.WriteHeader(&tar.Header{Name: name, Size: int64(len(files[name])), Mode: 0o600, Typeflag: tar.TypeReg, Format: tar.FormatUSTAR}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(files[name])); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func gz(t *testing.T, b []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	if _, err := w.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// Archives are read where they lie, one in the other, also out of order; their
// names lead nowhere.
func TestArchives(t *testing.T) {
	dir := t.TempDir()
	one := samples["windows"] + "\n"
	inner := map[string]string{"../../etc/a.json": one, "b/c.json": one + one, "__MACOSX/._a": "x", "d.json.gz": string(gz(t, []byte(one)))}
	enc, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string][]byte{
		"a.zip": zipOf(t, inner), "b.tar.gz": gz(t, tarOf(t, inner)), "c.tar": tarOf(t, map[string]string{"deep.zip": string(zipOf(t, inner))}), "d.json.zst": enc.EncodeAll([]byte(one), nil),
		"e.json": []byte(one), ".hidden": []byte("x"), "empty.json": nil,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	n := 0
	for name, items := range readAll(t, Options{}, dir) {
		for _, it := range items {
			if it.Err != nil {
				t.Errorf("%s: %v", name, it.Err)
			}
			n++
		}
	}
	if n != 3*4+2 {
		t.Errorf("%d records", n)
	}
	sources, err := Files([]string{filepath.Join(dir, "b.*")})
	if err != nil || len(sources) != 3 {
		t.Fatalf("%v %v", sources, err)
	}
	for _, i := range []int{2, 0, 1, 1} {
		r, err := sources[i].Open()
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for it, err := range Read(t.Context(), sources[i].Name, r, Options{}) {
			if err != nil || it.Err != nil {
				t.Error(err, it.Err)
			}
			n++
		}
		if err := r.Close(); err != nil || n != []int{1, 2, 1}[i] {
			t.Errorf("%s: %d records, %v", sources[i].Name, n, err)
		}
	}
	if _, err := Files([]string{filepath.Join(dir, "none*")}); err == nil || !strings.Contains(err.Error(), "there is no such file") {
		t.Error(err)
	}
}

func TestBombs(t *testing.T) {
	var small bytes.Buffer
	enc, err := zstd.NewWriter(&small)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.CopyN(enc, endless('\n'), 300<<20); err != nil {
		t.Fatal(err)
	}
	if err := enc.Close(); err != nil {
		t.Fatal(err)
	}
	var last error
	for _, err := range Read(t.Context(), "f", &small, Options{}) {
		last = err
	}
	if last == nil || !strings.Contains(last.Error(), "decompression bomb") {
		t.Error(last)
	}
	damaged := gz(t, []byte(strings.Repeat(samples["windows"]+"\n", 1000)))
	n := 0
	for it, err := range Read(t.Context(), "f", bytes.NewReader(damaged[:len(damaged)/2]), Options{}) {
		if last = err; it.Event != nil {
			n++
		}
	}
	if n == 0 || last == nil || !strings.Contains(last.Error(), "damaged gzip") {
		t.Errorf("%d records, then %v", n, last)
	}
}

func TestReadStops(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, err := range Read(ctx, "f", endless('x'), Options{}) {
		if err == nil {
			continue
		}
		if !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	}
	for range Read(t.Context(), "f", strings.NewReader(strings.Repeat(samples["windows"]+"\n", 10)), Options{}) {
		break
	}
}

// A stream that grows slowly gives each record when its line is there.
func TestSlowStream(t *testing.T) {
	for _, format := range []string{"windows", "edrctl", "xml", "auditd"} {
		r, w := io.Pipe()
		next := make(chan Item)
		go func() {
			defer close(next)
			for it, err := range Read(t.Context(), "f", r, Options{}) {
				if err == nil {
					next <- it
				}
			}
		}()
		for range 3 {
			if _, err := io.WriteString(w, samples[format]+"\n"); err != nil {
				t.Fatal(err)
			}
			if it := <-next; it.Event == nil {
				t.Errorf("%s: %+v", format, it)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		for it := range next {
			t.Errorf("%s: one more: %+v", format, it)
		}
	}
}

func FuzzRead(f *testing.F) {
	for _, s := range samples {
		f.Add([]byte(s + "\n" + s))
	}
	f.Add([]byte("time,kind,host.name\n2026-04-17T05:24:53Z,\"a\nb\",c\n"))
	f.Add([]byte("[{\"Event\":{\"System\":{\"EventID\":1}}},\n{\"a\":[1,{\"Event\":{\"System\":{\"EventID\":[]}}}]}]"))
	f.Add([]byte("\xff\xfe{\x00\"\x00a\x00\"\x00"))
	f.Fuzz(func(t *testing.T, data []byte) {
		last := int64(-1)
		for it, err := range Read(context.Background(), "f", bytes.NewReader(data), Options{Log: true, Raw: true}) {
			if err != nil {
				return
			}
			if (it.Record() == nil) == (it.Err == nil) || it.File != "f" || it.Offset < 0 {
				t.Fatalf("%+v", it)
			}
			if it.Format != "auditd" {
				if it.Offset < last {
					t.Fatalf("offset %d after %d", it.Offset, last)
				}
				last = it.Offset
			}
			if it.Event != nil && (it.Event.Kind == "" || it.Event.ID == "") && it.Format != "edrctl" && it.Format != "edrctl-csv" {
				t.Fatalf("%s: %+v", it.Format, it.Event)
			}
		}
	})
}
