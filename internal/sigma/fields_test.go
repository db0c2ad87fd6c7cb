package sigma

import (
	"strings"
	"testing"
	"time"

	"github.com/edrctl/edrctl/internal/model"
)

func TestFieldsOfNormalisedEvents(t *testing.T) {
	user := &model.User{Domain: "CORP", Name: "joe"}
	parent := &model.Process{Path: `C:\Windows\explorer.exe`, CommandLine: "explorer", PID: 7, User: user}
	child := &model.Process{Path: `C:\x.exe`, CommandLine: "x /a", PID: 8, WorkingDirectory: `C:\`, Integrity: "High", OriginalFileName: "y.exe", Hash: &model.Hash{MD5: "ab", Imphash: "cd"}}
	for _, c := range []struct {
		name    string
		event   model.Event
		product string
		want    string
	}{
		{"a started target", model.Event{Kind: model.KindProcessStart, Process: parent, Target: child, User: user}, "windows",
			`ParentUser=CORP\joe|Image=C:\x.exe|CommandLine=x /a|CurrentDirectory=C:\|IntegrityLevel=High|OriginalFileName=y.exe|ProcessId=8|md5=ab|Imphash=cd|Hashes=MD5=AB,IMPHASH=CD|ParentImage=C:\Windows\explorer.exe|ParentCommandLine=explorer|ParentProcessId=7|User=CORP\joe`},
		{"a started process", model.Event{Kind: model.KindProcessStart, Process: &model.Process{Path: "/usr/bin/id", Parent: &model.ParentProcess{Path: "/bin/sh"}}}, "linux",
			"Image=/usr/bin/id|ParentImage=/bin/sh"},
		{"a program of macOS", model.Event{Kind: model.KindProcessStart, Process: &model.Process{Path: "/Applications/X.app/x"}}, "macos", "Image=/Applications/X.app/x"},
		{"the host says what it runs", model.Event{Kind: model.KindProcessStart, Host: &model.Host{OS: &model.OS{Platform: "darwin"}}, Process: &model.Process{Path: "/bin/sh"}}, "macos", "Image=/bin/sh"},
		{"a connection", model.Event{Kind: model.KindNetworkConnect, Process: &model.Process{Path: `C:\x.exe`}, Network: &model.Network{Direction: "egress", Transport: "tcp", Destination: &model.Endpoint{IP: "192.0.2.1", Port: 443, Domain: "example.org"}}}, "windows",
			`Image=C:\x.exe|Protocol=tcp|Initiated=true|DestinationIp=192.0.2.1|DestinationPort=443|DestinationHostname=example.org|DestinationIsIpv6=false`},
		{"a registry value", model.Event{Kind: model.KindRegistrySet, Registry: &model.Registry{Path: `HKEY_LOCAL_MACHINE\Software\Run`, Value: "x", Data: "y.exe"}}, "windows",
			`TargetObject=HKLM\Software\Run\x|Details=y.exe|EventType=SetValue`},
		{"a registry value that is part of its path", model.Event{Kind: model.KindRegistryDelete, Registry: &model.Registry{Path: `\REGISTRY\USER\S-1\Run\x`, Value: "X"}}, "windows",
			`TargetObject=HKU\S-1\Run\x|EventType=DeleteValue`},
		{"a lookup", model.Event{Kind: model.KindDNSQuery, DNS: &model.DNS{Question: model.DNSQuestion{Name: "example.org"}, Answers: []model.DNSAnswer{{Data: "192.0.2.1"}, {Data: "192.0.2.2"}}}}, "",
			"QueryName=example.org|QueryResults=192.0.2.1;192.0.2.2"},
		{"an access", model.Event{Kind: model.KindProcessAccess, Process: parent, Target: child, Access: &model.Access{Granted: "0x1fffff", CallTrace: "UNKNOWN"}}, "windows",
			`SourceImage=C:\Windows\explorer.exe|SourceCommandLine=explorer|SourceProcessId=7|SourceUser=CORP\joe|TargetImage=C:\x.exe|TargetProcessId=8|GrantedAccess=0x1fffff|CallTrace=UNKNOWN`},
		{"a module", model.Event{Kind: model.KindModuleLoad, Process: &model.Process{Path: `C:\x.exe`}, Module: &model.Module{Path: `C:\y.dll`, Signed: model.Ptr(false), Signature: "Z"}}, "windows",
			`Image=C:\x.exe|ImageLoaded=C:\y.dll|Signed=false|Signature=Z`},
		{"a file", model.Event{Kind: model.KindFileCreate, File: &model.File{Path: `C:\a.txt`}}, "windows", `TargetFilename=C:\a.txt`},
		{"a pipe", model.Event{Kind: model.KindPipeCreate, Pipe: &model.Pipe{Name: `\evil`}}, "", `PipeName=\evil`},
	} {
		var r Record
		r.FromEvent(&c.event)
		var got []string
		for _, f := range r.Fields {
			got = append(got, f.Name+"="+f.Value)
		}
		if s := strings.Join(got, "|"); s != c.want || r.Key.Product != c.product {
			t.Errorf("%s (%s):\ngot  %s\nwant %s", c.name, r.Key.Product, s, c.want)
		}
	}
}

func TestTheFieldsOfALogComeFirst(t *testing.T) {
	e := model.Event{
		Kind: model.KindProcessStart, Time: model.At(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)), Host: &model.Host{Name: "pc"},
		Process: &model.Process{Path: `C:\mapped.exe`, CommandLine: "mapped"},
		Log: &model.LogRecord{Product: "windows", Channel: "Security", EventID: 4688, Computer: "pc.corp",
			Data: []model.LogField{{Name: "NewProcessName", Value: `C:\x.exe`}, {Name: "CommandLine", Value: "own"}}},
	}
	var r Record
	r.FromEvent(&e)
	for name, want := range map[string]string{
		"NewProcessName": `C:\x.exe`, "CommandLine": "own", "Image": `C:\mapped.exe`, "EventID": "4688", "Channel": "Security",
		"Computer": "pc.corp", "ComputerName": "pc", "UtcTime": "2026-01-02 03:04:05.000",
	} {
		if got, ok := r.Get(name); got != want || !ok {
			t.Errorf("%s = %q, want %q", name, got, want)
		}
	}
	e.Log.Channel, e.Log.EventID = "Microsoft-Windows-Sysmon/Operational", 1
	if r.FromEvent(&e); r.Key.byKind() {
		t.Error("Sysmon's fields are mixed with those of the normalised event")
	}
	for _, c := range []struct {
		log  LogSource
		want bool
	}{
		{LogSource{"windows", "process_creation", ""}, true}, {LogSource{"", "process_creation", ""}, true},
		{LogSource{"windows", "", "sysmon"}, true}, {LogSource{"linux", "process_creation", ""}, false},
		{LogSource{"windows", "file_event", ""}, false}, {LogSource{"windows", "", "security"}, false}, {LogSource{"windows", "", ""}, true},
	} {
		if got := r.Key.sources().has(c.log); got != c.want {
			t.Errorf("%v: %v", c.log, got)
		}
	}
}
