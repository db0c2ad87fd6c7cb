package winlog

import (
	"strings"
	"testing"
	"time"

	"github.com/edrctl/edrctl/internal/model"
)

// rec builds a record from "Name: value" lines.
func rec(channel string, id int, data ...string) *Record {
	r := &Record{Channel: channel, EventID: id, Time: time.Date(2026, 11, 22, 2, 3, 4, 0, time.UTC), Computer: "WS-1.corp.example"}
	for _, d := range data {
		name, value, _ := strings.Cut(d, ": ")
		r.Data = append(r.Data, Field{Name: name, Value: value})
	}
	return r
}

const (
	sec     = "Security"
	sysm    = "Microsoft-Windows-Sysmon/Operational"
	psLog   = "Microsoft-Windows-PowerShell/Operational"
	defLog  = "Microsoft-Windows-Windows Defender/Operational"
	taskLog = "Microsoft-Windows-TaskScheduler/Operational"
	wmiLog  = "Microsoft-Windows-WMI-Activity/Operational"
	bitsLog = "Microsoft-Windows-Bits-Client/Operational"
)

func userOf(u *model.User) string { return fullName(u) }

func TestNewProcessOfTheSecurityLogIsTheOneCreated(t *testing.T) {
	e := Event(rec(sec, 4688,
		"SubjectUserSid: S-1-5-21-1-2-3-500", "SubjectUserName: wardog", "SubjectDomainName: WS-1",
		"NewProcessId: 0x1f4", `NewProcessName: C:\Tools\mimikatz.exe`, "TokenElevationType: %%1937", "ProcessId: 0x4d2",
		"CommandLine: mimikatz.exe privilege::debug", "TargetUserSid: S-1-0-0", "TargetUserName: -", "TargetDomainName: -",
		`ParentProcessName: C:\Windows\explorer.exe`, "MandatoryLabel: S-1-16-12288"))
	p := e.Process
	if e.Kind != model.KindProcessStart || p == nil || p.PID != 500 || p.Name != "mimikatz.exe" || p.Path != `C:\Tools\mimikatz.exe` {
		t.Fatalf("%s %+v", e.Kind, p)
	}
	if p.Parent == nil || p.Parent.PID != 1234 || p.Parent.Path != `C:\Windows\explorer.exe` || p.Parent.Name != "explorer.exe" {
		t.Errorf("parent %+v", p.Parent)
	}
	if p.Elevation != "full" || p.Integrity != "High" || userOf(p.User) != `WS-1\wardog` || userOf(e.User) != `WS-1\wardog` || p.Started != e.Time {
		t.Errorf("%+v, user %+v", p, e.User)
	}
	if e.Summary != "mimikatz.exe privilege::debug" {
		t.Error(e.Summary)
	}
	as := Event(rec(sec, 4688, "SubjectUserName: WS-1$", "SubjectDomainName: CORP", "NewProcessId: 0x10", `NewProcessName: C:\a.exe`,
		"ProcessId: 0x4", "TargetUserName: alice", "TargetDomainName: CORP", `CreatorProcessName: C:\b.exe`))
	if userOf(as.Process.User) != `CORP\alice` || as.Process.Parent.Path != `C:\b.exe` {
		t.Errorf("the account the process runs as: %+v, parent %+v", as.Process.User, as.Process.Parent)
	}
}

func TestWindowsRecords(t *testing.T) {
	for _, tc := range []struct {
		name string
		r    *Record
		kind model.Kind
		want map[string]string // by short names, see facts
	}{
		{"4689", rec(sec, 4689, "SubjectUserName: wardog", "ProcessId: 0xe30", `ProcessName: C:\Windows\System32\control.exe`), model.KindProcessEnd,
			map[string]string{"process": `C:\Windows\System32\control.exe`, "user": "wardog", "pid": "3632"}},
		{"4624", rec(sec, 4624, "SubjectUserName: -", "TargetUserName: pgustavo", "TargetDomainName: THESHIRE", "LogonType: 3", "IpAddress: ::ffff:172.18.39.5", "IpPort: 62782", "AuthenticationPackageName: Kerberos", "ProcessId: 0x0", "ProcessName: -", "WorkstationName: WS5"), model.KindLogon,
			map[string]string{"user": `THESHIRE\pgustavo`, "target_user": `THESHIRE\pgustavo`, "src": "172.18.39.5", "src_port": "62782", "src_domain": "WS5", "logon": "network", "summary": `logged on: THESHIRE\pgustavo (network) from 172.18.39.5`}},
		{"4625", rec(sec, 4625, "SubjectUserName: PEDRO01$", "TargetUserName: pedro", "TargetDomainName: PEDRO01", "Status: 0xc000006d", "SubStatus: 0xc000006a", "LogonType: 10", "IpAddress: 203.0.113.9", "ProcessId: 0x212c", `ProcessName: C:\Windows\System32\consent.exe`), model.KindLogonFailed,
			map[string]string{"user": `PEDRO01\pedro`, "failure": "wrong password", "src": "203.0.113.9", "process": `C:\Windows\System32\consent.exe`, "logon": "remote_interactive"}},
		{"4634", rec(sec, 4634, "TargetUserName: pgustavo", "TargetDomainName: THESHIRE", "LogonType: 3"), model.KindLogoff, map[string]string{"user": `THESHIRE\pgustavo`}},
		{"4648", rec(sec, 4648, "SubjectUserName: wardog", "TargetUserName: admin", "TargetDomainName: CORP", "TargetServerName: DC1", "ProcessId: 0x10", `ProcessName: C:\a.exe`), model.KindLogon,
			map[string]string{"user": "wardog", "target_user": `CORP\admin`, "object": "DC1", "pid": "16"}},
		{"4656 process", rec(sec, 4656, "ObjectType: Process", `ObjectName: \Device\HarddiskVolume2\Windows\System32\lsass.exe`, "AccessMask: 0x1410", "ProcessId: 0x2988", `ProcessName: C:\p.exe`), model.KindProcessAccess,
			map[string]string{"target": `\Device\HarddiskVolume2\Windows\System32\lsass.exe`, "access": "0x1410", "process": `C:\p.exe`}},
		{"4656 key", rec(sec, 4656, "ObjectType: Key", `ObjectName: \REGISTRY\MACHINE\SOFTWARE`, "AccessMask: 0x20019"), model.KindOther, map[string]string{"registry": `\REGISTRY\MACHINE\SOFTWARE`}},
		{"4660", rec(sec, 4660, "HandleId: 0x40", "ProcessId: 0x10", `ProcessName: C:\p.exe`), model.KindFileDelete, map[string]string{"pid": "16", "summary": "object deleted: handle 0x40"}},
		{"4663 read", rec(sec, 4663, "ObjectType: File", `ObjectName: C:\canary.docx`, "AccessMask: 0x1", "SubjectUserName: bob"), model.KindFileRead, map[string]string{"file": `C:\canary.docx`, "user": "bob", "summary": `object accessed: File C:\canary.docx`}},
		{"4663 write", rec(sec, 4663, "ObjectType: File", `ObjectName: C:\canary.docx`, "AccessMask: 0x6"), model.KindFileWrite, nil},
		{"4663 delete", rec(sec, 4663, "ObjectType: File", `ObjectName: C:\canary.docx`, "AccessMask: 0x10000"), model.KindFileDelete, nil},
		{"4656 delete asked with more", rec(sec, 4656, "ObjectType: File", `ObjectName: C:\canary.docx`, "AccessMask: 0x12019f"), model.KindFileWrite, nil},
		{"4657", rec(sec, 4657, `ObjectName: \REGISTRY\MACHINE\SYSTEM\X`, "ObjectValueName: Start", "NewValue: 4", "OperationType: %%1905", "ProcessId: 0x1e9c", `ProcessName: C:\payload.exe`), model.KindRegistrySet, map[string]string{"registry": `\REGISTRY\MACHINE\SYSTEM\X`, "value": "Start", "data": "4"}},
		{"4672", rec(sec, 4672, "SubjectUserName: bob", "PrivilegeList: SeDebugPrivilege\n\t\t\tSeTcbPrivilege"), model.KindPrivilege, map[string]string{"user": "bob", "summary": "special privileges of a logon: bob SeDebugPrivilege SeTcbPrivilege"}},
		{"4697", rec(sec, 4697, "SubjectUserName: bob", "ServiceName: PSEXESVC", `ServiceFileName: %SystemRoot%\PSEXESVC.exe`, "ServiceAccount: LocalSystem"), model.KindServiceInstall, map[string]string{"object": "PSEXESVC", "target_line": `%SystemRoot%\PSEXESVC.exe`, "file": `%SystemRoot%\PSEXESVC.exe`}},
		{"4698", rec(sec, 4698, "SubjectUserName: pgustavo", `TaskName: \Updater`, "TaskContent: <Task><Actions><Exec><Command>powershell.exe</Command><Arguments>-enc &quot;AAA&quot;</Arguments></Exec></Actions></Task>"), model.KindTaskChange, map[string]string{"object": `\Updater`, "target_line": `powershell.exe -enc "AAA"`, "file": "powershell.exe"}},
		{"4702 escaped twice", rec(sec, 4702, `TaskName: \U`, "TaskContentNew: &lt;Task&gt;&lt;Command&gt;a.exe&lt;/Command&gt;"), model.KindTaskChange, map[string]string{"target_line": "a.exe"}},
		{"4720", rec(sec, 4720, "SubjectUserName: bob", "TargetUserName: backdoor", "TargetDomainName: WS-1"), model.KindAccountChange, map[string]string{"user": "bob", "object": `WS-1\backdoor`, "summary": `user created: WS-1\backdoor`}},
		{"4732", rec(sec, 4732, "MemberSid: S-1-5-21-9-9-9-1001", "MemberName: -", "TargetUserName: Administrators", "TargetDomainName: Builtin"), model.KindAccountChange, map[string]string{"object": `Builtin\Administrators`, "summary": `member added to local group: S-1-5-21-9-9-9-1001 in Builtin\Administrators`}},
		{"4740", rec(sec, 4740, "TargetUserName: alice", "TargetDomainName: WS-7"), model.KindAccountChange, nil},
		{"4756", rec(sec, 4756, "MemberName: CN=eve", "TargetUserName: Enterprise Admins"), model.KindAccountChange, nil},
		{"4776 refused", rec(sec, 4776, "TargetUserName: pedro", "Workstation: PEDRO01", "Status: 0xc0000064", "PackageName: MICROSOFT_AUTHENTICATION_PACKAGE_V1_0"), model.KindLogonFailed, map[string]string{"src_domain": "PEDRO01", "failure": "no such user"}},
		{"4769", rec(sec, 4769, "TargetUserName: W6$@X", "ServiceName: DC$", "IpAddress: ::ffff:172.18.39.6", "Status: 0x0"), model.KindLogon, map[string]string{"src": "172.18.39.6", "failure": ""}},
		{"5140", rec(sec, 5140, `ShareName: \\*\ADMIN$`, "IpAddress: fe80::3816:b2ee:1b9b:324b", "IpPort: 65493", "SubjectUserName: bob"), model.KindShareAccess, map[string]string{"object": `\\*\ADMIN$`, "src": "fe80::3816:b2ee:1b9b:324b"}},
		{"5145 file", rec(sec, 5145, `ShareName: \\*\C$`, `ShareLocalPath: \??\C:\`, `RelativeTargetName: ProgramData\x.exe`, "IpAddress: 10.0.0.9"), model.KindShareAccess, map[string]string{"file": `C:\ProgramData\x.exe`, "src": "10.0.0.9"}},
		{"5145 pipe", rec(sec, 5145, `ShareName: \\*\IPC$`, "RelativeTargetName: svcctl", "IpAddress: 10.0.0.9"), model.KindShareAccess, map[string]string{"pipe": `\svcctl`}},
		{"5156", rec(sec, 5156, "ProcessID: 3428", `Application: \device\harddiskvolume2\a.exe`, "Direction: %%14593", "SourceAddress: 192.168.2.5", "SourcePort: 51953", "DestAddress: 168.63.129.16", "DestPort: 80", "Protocol: 6"), model.KindNetworkConnect,
			map[string]string{"pid": "3428", "src": "192.168.2.5", "dst": "168.63.129.16", "dst_port": "80", "direction": "egress", "transport": "tcp"}},
		{"1102", rec(sec, 1102, "SubjectUserName: wardog", "SubjectDomainName: W5"), model.KindLogCleared, map[string]string{"user": `W5\wardog`, "object": "Security"}},
		{"104", rec("System", 104, "SubjectUserName: wardog", "Channel: Windows PowerShell"), model.KindLogCleared, map[string]string{"object": "Windows PowerShell"}},
		{"7045", rec("System", 7045, "ServiceName: mal", `ImagePath: %COMSPEC% /c start powershell -enc AA`, "AccountName: LocalSystem"), model.KindServiceInstall, map[string]string{"object": "mal", "target_line": `%COMSPEC% /c start powershell -enc AA`}},
		{"4104", rec(psLog, 4104, "MessageNumber: 1", "ScriptBlockText: Invoke-Mimikatz\nGet-Date", "Path: None"), model.KindScriptBlock, map[string]string{"script": "Invoke-Mimikatz\nGet-Date", "summary": "Invoke-Mimikatz"}},
		{"4103", rec(psLog, 4103, "ContextInfo:         Severity = Informational\r\n        Host Application = C:\\x\\powershell.exe -noP\r\n        User = CORP\\bob\r\n", "Payload: CommandInvocation(Start-Sleep): \"Start-Sleep\""), model.KindScriptBlock, map[string]string{"line": `C:\x\powershell.exe -noP`, "user": `CORP\bob`, "process": `C:\x\powershell.exe`}},
		{"400", rec("Windows PowerShell", 400, "param1: Available", "param3: \tNewEngineState=Available\r\n\tHostApplication=powershell -enc AA\r\n"), model.KindScriptBlock, map[string]string{"line": "powershell -enc AA"}},
		{"600", rec("Windows PowerShell", 600, "param3: \tProviderName=Registry\r\n\tHostApplication=powershell\r\n"), model.KindScriptBlock, map[string]string{"line": "powershell"}},
		{"1116", rec(defLog, 1116, "Threat Name: Trojan:Win32/Mimikatz", `Path: file:_C:\t\m.exe; process:_pid:77,ProcessStart:1`, `Detection User: CORP\bob`, "Process Name: Unknown", "Severity Name: Severe", "Action Name: Not Applicable"), model.KindMalware,
			map[string]string{"object": "Trojan:Win32/Mimikatz", "file": `C:\t\m.exe`, "user": `CORP\bob`, "tags": "Severe", "summary": `malware detected: Trojan:Win32/Mimikatz C:\t\m.exe`}},
		{"1117 with underscores", rec(defLog, 1117, "Threat_Name: X", `Path: file:_C:\m.exe`, "Action_Name: Quarantine"), model.KindMalware, map[string]string{"summary": `malware acted upon: X C:\m.exe (Quarantine)`}},
		{"5001", rec(defLog, 5001, "Product Name: Microsoft Defender"), model.KindMalware, map[string]string{"summary": "real-time protection disabled"}},
		{"106", rec(taskLog, 106, `TaskName: \T`, "UserContext: S-1-5-18"), model.KindTaskChange, map[string]string{"object": `\T`, "user": "SYSTEM"}},
		{"140", rec(taskLog, 140, `TaskName: \T`, `UserName: CORP\bob`), model.KindTaskChange, map[string]string{"user": `CORP\bob`}},
		{"141", rec(taskLog, 141, `TaskName: \T`), model.KindTaskChange, nil},
		{"200", rec(taskLog, 200, `TaskName: \T`, `ActionName: C:\x.exe`), model.KindTaskChange, map[string]string{"target": `C:\x.exe`}},
		{"5857", rec(wmiLog, 5857, "ProviderName: P", "HostProcess: wmiprvse.exe", "ProcessID: 380", `ProviderPath: %SystemRoot%\x.dll`), model.KindWMI, map[string]string{"module": `%SystemRoot%\x.dll`, "pid": "380"}},
		{"5858", rec(wmiLog, 5858, "ClientMachine: MORDORDC", `User: NT AUTHORITY\SYSTEM`, "ClientProcessId: 1592", "Operation: Start IWbemServices::ExecQuery"), model.KindWMI, map[string]string{"pid": "1592", "src_domain": "MORDORDC", "script": "Start IWbemServices::ExecQuery"}},
		{"5861", rec(wmiLog, 5861, "Namespace: //./ROOT/Subscription", "ESS: Evil", "CONSUMER: CommandLineEventConsumer=\"x\"", "PossibleCause: Binding"), model.KindWMI, map[string]string{"object": "Evil"}},
		{"59", rec(bitsLog, 59, "name: job", "url: http://203.0.113.5/a.ps1"), model.KindFileDownload, map[string]string{"url": "http://203.0.113.5/a.ps1", "dst": "203.0.113.5"}},
		{"60", rec(bitsLog, 60, "name: job", "url: https://evil.example/a"), model.KindFileDownload, map[string]string{"dst_domain": "evil.example"}},
		{"Kernel-File 15", rec("Microsoft-Windows-Kernel-File/Analytic", 15, `FileName: C:\canary.docx`, `Image: C:\r.exe`), model.KindFileRead, map[string]string{"file": `C:\canary.docx`, "process": `C:\r.exe`}},
		{"Kernel-File 12 opened", rec("Microsoft-Windows-Kernel-File/Analytic", 12, `FileName: C:\a`, "CreateOptions: 0x1200000"), model.KindFileRead, nil},
		{"Kernel-File 12 created", rec("Microsoft-Windows-Kernel-File/Analytic", 12, `FileName: C:\a`, "CreateOptions: 0x2000020"), model.KindFileCreate, nil},
		{"Kernel-File 19", rec("Microsoft-Windows-Kernel-File/Analytic", 19, `FileName: C:\a`), model.KindFileRename, nil},
		{"Kernel-Process 1", rec("Microsoft-Windows-Kernel-Process/Analytic", 1, "ProcessID: 12", "ParentProcessID: 8", `ImageName: \Device\x.exe`), model.KindProcessStart, map[string]string{"pid": "12", "process": `\Device\x.exe`}},
		{"Kernel-Network 12", rec("Microsoft-Windows-Kernel-Network/Analytic", 12, "PID: 9", "daddr: 84215263", "dport: 443", "saddr: 10.0.0.2"), model.KindNetworkConnect, map[string]string{"dst": "223.5.5.5", "pid": "9"}},
		{"Kernel-Network 15", rec("Microsoft-Windows-Kernel-Network/Analytic", 15, "PID: 9", "daddr: 10.0.0.9", "saddr: 10.0.0.2", "sport: 445"), model.KindNetworkConnect, map[string]string{"src": "10.0.0.9", "dst": "10.0.0.2", "dst_port": "445", "direction": "ingress"}},
		{"DNS-Client 3008", rec("Microsoft-Windows-DNS-Client/Operational", 3008, "QueryName: evil.example", "QueryType: 28", "QueryResults: type: 5 cdn.evil.example;2001:db8::1;"), model.KindDNSQuery, map[string]string{"question": "evil.example", "qtype": "AAAA", "answers": "CNAME cdn.evil.example,AAAA 2001:db8::1"}},
		{"AMSI 1101", rec("AMSI", 1101, "appname: PowerShell_C:\\x\\powershell.exe_10.0", "content: 0x49004500580000000000", "scanResult: 32768"), model.KindAMSI, map[string]string{"script": "IEX", "tags": "detected"}},
		{"SMBClient", rec("Microsoft-Windows-SmbClient/Security", 31001, `ServerName: \10.0.0.3`, `ShareName: \\10.0.0.3\c$`), model.KindShareAccess, map[string]string{"dst": "10.0.0.3", "object": `\\10.0.0.3\c$`}},
		{"21", rec("Microsoft-Windows-TerminalServices-LocalSessionManager/Operational", 21, `User: CORP\bob`, "SessionID: 2", "Address: 198.51.100.7"), model.KindLogon, map[string]string{"user": `CORP\bob`, "src": "198.51.100.7"}},
		{"24", rec("Microsoft-Windows-TerminalServices-LocalSessionManager/Operational", 24, `User: CORP\bob`, "Address: LOCAL"), model.KindLogoff, map[string]string{"src": ""}},
		{"25", rec("Microsoft-Windows-TerminalServices-LocalSessionManager/Operational", 25, `User: CORP\bob`), model.KindLogon, nil},
		{"1149", rec("Microsoft-Windows-TerminalServices-RemoteConnectionManager/Operational", 1149, "Param1: bob", "Param2: CORP", "Param3: 198.51.100.7"), model.KindLogon, map[string]string{"user": `CORP\bob`, "src": "198.51.100.7"}},
		{"Sysmon 6", rec(sysm, 6, `ImageLoaded: C:\d.sys`, "Signed: true", "Signature: Evil Corp"), model.KindDriverLoad, map[string]string{"module": `C:\d.sys`, "signature": "Evil Corp"}},
		{"Sysmon 9", rec(sysm, 9, `Device: \Device\HarddiskVolume1`, "Image: System", "ProcessId: 4"), model.KindRawRead, map[string]string{"file": `\Device\HarddiskVolume1`}},
		{"Sysmon 10", rec(sysm, 10, `SourceImage: C:\a.exe`, `TargetImage: C:\lsass.exe`, "GrantedAccess: 0x1410", `CallTrace: ntdll.dll+9c584`), model.KindProcessAccess, map[string]string{"target": `C:\lsass.exe`, "access": "0x1410", "trace": "ntdll.dll+9c584"}},
		{"Sysmon 14", rec(sysm, 14, `TargetObject: HKLM\a`, `NewName: HKLM\b`), model.KindRegistrySet, map[string]string{"registry": `HKLM\a`, "data": `HKLM\b`}},
		{"Sysmon 15", rec(sysm, 15, `TargetFilename: C:\a:Zone.Identifier`, "Contents: [ZoneTransfer]"), model.KindFileStream, map[string]string{"script": "[ZoneTransfer]"}},
		{"Sysmon 17", rec(sysm, 17, `PipeName: \evil`), model.KindPipeCreate, map[string]string{"pipe": `\evil`, "file": ""}},
		{"Sysmon 18", rec(sysm, 18, `PipeName: \lsass`), model.KindPipeConnect, map[string]string{"pipe": `\lsass`}},
		{"Sysmon 20", rec(sysm, 20, "Operation: Created", `Name:  "Evil"`, `Destination:  "powershell -enc AA"`), model.KindWMI, map[string]string{"script": "powershell -enc AA"}},
		{"Sysmon 22", rec(sysm, 22, "QueryName: github.com", "QueryResults: type:  5 github.map.fastly.net;::ffff:151.101.208.133;"), model.KindDNSQuery, map[string]string{"answers": "CNAME github.map.fastly.net,A 151.101.208.133"}},
		{"Sysmon 24", rec(sysm, 24, `ClientInfo: user: CORP\bob ip: 198.51.100.7 hostname: mbp`), model.KindClipboard, map[string]string{"user": `CORP\bob`, "src": "198.51.100.7", "src_domain": "mbp"}},
		{"Sysmon 25", rec(sysm, 25, `Image: C:\a.exe`, "Type: Image is replaced"), model.KindProcessTamper, nil},
		{"Sysmon 29", rec(sysm, 29, `TargetFilename: C:\a.exe`), model.KindFileCreate, map[string]string{"file": `C:\a.exe`}},
		{"forwarded", &Record{Channel: "ForwardedEvents", Provider: "Microsoft-Windows-Sysmon", EventID: 5, Data: []Field{{Name: "Image", Value: `C:\a`}}}, model.KindProcessEnd, nil},
		{"unknown", rec("Application", 1000, "Image: x", "SubjectUserName: bob"), model.KindOther, map[string]string{"process": "x", "user": "bob"}},
	} {
		e := Event(tc.r)
		if e.Kind != tc.kind {
			t.Errorf("%s: %s, want %s", tc.name, e.Kind, tc.kind)
		}
		if e.Summary == "" || e.Action == "" || e.Host == nil {
			t.Errorf("%s: summary %q, action %q, host %v", tc.name, e.Summary, e.Action, e.Host)
		}
		got := facts(e)
		for k, want := range tc.want {
			if got[k] != want {
				t.Errorf("%s: %s is %q, want %q", tc.name, k, got[k], want)
			}
		}
	}
}
