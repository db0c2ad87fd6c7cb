package tuitest

import (
	"fmt"
	"time"

	"github.com/edrctl/edrctl/internal/model"
	"github.com/edrctl/edrctl/internal/tui"
)

// Profiles of the made-up shift.
var Profiles = []tui.Profile{
	{Name: "cw", Backend: "cwatch"}, {Name: "cb", Backend: "carbonblack"}, {Name: "ge", Backend: "gene"}, {Name: "es", Backend: "esp"},
}

// Hostile is a text of the kind attackers write: cursor moves, colours, an OSC
// title, a bidi override, a C1 control, a wide and a combining character.
const Hostile = "evil\x1b[2J\x1b]0;owned\a\r\u202egnp.exe\u009b31m\x7f日本 e\u0301\u0301\u0301\u0301\u0301\u0301 👩‍👩‍👧 ❤️ \xff"

var backends = map[string]string{"cw": "cwatch", "cb": "carbonblack", "ge": "gene", "es": "esp"}

// Alert makes an alert of a profile, some minutes before Now.
func Alert(profile, id, title, host, user string, score float64, minutes int) *model.Alert {
	a := &model.Alert{
		Origin: model.Origin{ID: id, Ref: profile + "/" + id, Profile: profile, Backend: backends[profile]},
		Time:   model.At(Now.Add(-time.Duration(minutes) * time.Minute)), Title: title,
		Host:   &model.Host{Origin: model.Origin{ID: "h-" + host, Ref: profile + "/h-" + host}, Name: host, IP: []string{"10.20.4.14"}, OS: &model.OS{Name: "Windows 10"}},
		User:   &model.User{Name: user, Domain: "CORP"},
		Status: model.StatusOpen,
	}
	model.ScoreNumber(model.ScaleCWatch, score).Apply(a)
	return a
}

// Shift is a quiet night with one intrusion, over four profiles.
func Shift() *Fake {
	lsass := Alert("ge", "5f1c", "LSASS memory read by rundll32", "FIN-WS-014", "a.moreau", 10, 9)
	lsass.Rule = &model.Named{ID: "HeurLsassAccess", Name: "HeurLsassAccess"}
	lsass.Attack = []model.Attack{{Technique: model.Named{ID: "T1003.001"}, Tactic: "credential-access"}, {Technique: model.Named{ID: "T1093"}}}
	lsass.Indicators = []model.Indicator{{Type: "sha256", Value: "3f79bb7b435b05321651daefd374cdc681dc06faa65e374e38337b88ca046dea", Name: "d.dll"}}
	started := func(sec int) model.Time { return model.At(lsass.Time.Add(-time.Duration(sec) * time.Second)) }
	word := &model.Process{UID: "p1", PID: 7316, Name: "WINWORD.EXE", Path: `C:\Program Files\Microsoft Office\WINWORD.EXE`, CommandLine: `"C:\Program Files\Microsoft Office\WINWORD.EXE" Invoice_8841.docm`, Started: started(120)}
	shell := &model.Process{UID: "p2", PID: 8044, Name: "powershell.exe", Path: `C:\Windows\System32\powershell.exe`, CommandLine: "powershell.exe -nop -w hidden -enc SQBFAFgA", Started: started(60), Parent: &model.ParentProcess{UID: "p1", PID: 7316, Name: "WINWORD.EXE"}}
	lsass.Process = &model.Process{
		UID: "p3", PID: 8120, Name: "rundll32.exe", Path: `C:\Windows\System32\rundll32.exe`, CommandLine: `rundll32.exe C:\Users\Public\d.dll,Start`, Started: started(20),
		Parent: &model.ParentProcess{UID: "p2", PID: 8044, Name: "powershell.exe"},
		Hash:   &model.Hash{MD5: "d41d8cd98f00b204e9800998ecf8427e", SHA256: "3f79bb7b435b05321651daefd374cdc681dc06faa65e374e38337b88ca046dea"},
	}
	lsass.Target = &model.Process{PID: 700, Name: "lsass.exe"}
	lsass.Ancestors = []*model.Process{word, shell}
	lsass.Description = "A process read the memory of lsass.exe."

	inject := Alert("cb", "JSPJ", "powershell.exe injected into spoolsv", "SRV-DB-02", "svc_sql", 8, 13)
	inject.Rule = &model.Named{Name: "injection"}
	inject.Attack = []model.Attack{{Technique: model.Named{ID: "T1055"}, Tactic: "privilege-escalation"}}
	remote := Alert("cw", "8812", "Remote Powershell Execution", "HR-LT-221", "k.ivanova", 7, 18)
	remote.Status = model.StatusDismissed
	curl := Alert("es", "93855", "suspicious curl | sh", "build-07", "root", 5, 26)
	hostile := Alert("cw", "8813", Hostile, "HR-LT-\x1b[31m221", "k.ivan\u202eova", 4, 200)
	hostile.Process = &model.Process{UID: "x1", PID: 5, Name: "a\rb.exe", CommandLine: Hostile}
	f := &Fake{List: Profiles, AlertList: []*model.Alert{lsass, inject, remote, curl, hostile}}
	for i := range 24 {
		profile := Profiles[i%4].Name
		a := Alert(profile, fmt.Sprintf("n%02d", i), fmt.Sprintf("Administration tool %c used", 'A'+i%5), fmt.Sprintf("WS-%03d", i%7), "j.okafor", float64(i%4), 30+i*17)
		a.Rule = &model.Named{Name: "admin tool"}
		f.AlertList = append(f.AlertList, a)
	}
	event := func(sec int, kind model.Kind, p, target *model.Process) *model.Event {
		n := len(f.EventList) + 1
		return &model.Event{
			Origin: model.Origin{ID: fmt.Sprintf("e%d", n), Ref: fmt.Sprintf("ge/e%d", n), Profile: "ge", Backend: "gene"},
			Time:   started(sec), Kind: kind, Host: lsass.Host, User: lsass.User, Process: p, Target: target,
		}
	}
	add := func(e *model.Event) *model.Event {
		f.EventList = append(f.EventList, e)
		return e
	}
	add(event(0, model.KindProcessAccess, lsass.Process, lsass.Target)).AlertID = "5f1c"
	dns := add(event(10, model.KindDNSQuery, lsass.Process, nil))
	dns.DNS = &model.DNS{Question: model.DNSQuestion{Name: "telemetry.msedge-cdn.example", Type: "A"}}
	conn := add(event(9, model.KindNetworkConnect, lsass.Process, nil))
	conn.Network = &model.Network{Direction: "egress", Transport: "tcp", Destination: &model.Endpoint{IP: "203.0.113.66", Port: 443}}
	file := add(event(30, model.KindFileCreate, shell, nil))
	file.File = &model.File{Path: `C:\Users\Public\d.dll`, Hash: &model.Hash{SHA256: "3f79bb7b435b05321651daefd374cdc681dc06faa65e374e38337b88ca046dea"}}
	add(event(20, model.KindProcessStart, shell, lsass.Process))
	add(event(60, model.KindProcessStart, word, shell)).Detection = &model.Detection{Rules: []string{"OfficeShell"}}
	for _, p := range []*model.Process{lsass.Process, shell, word} {
		listed := *p
		listed.Host, listed.Profile = lsass.Host, "ge"
		f.ProcList = append(f.ProcList, &listed)
	}

	f.Kids = map[string][]*model.Process{"p1": {shell}}
	for i, name := range []string{"splwow64.exe", "cmd.exe", "cmd.exe", "whoami.exe", "net.exe"} {
		p := &model.Process{UID: fmt.Sprintf("k%d", i), PID: int64(8200 + 4*i), Name: name, Path: `C:\Windows\System32\` + name, CommandLine: name + " /c", Started: started(15 - i), Parent: &model.ParentProcess{UID: "p3", PID: 8120, Name: "rundll32.exe"}}
		f.Kids["p3"] = append(f.Kids["p3"], p)
	}
	f.Kids["k1"] = []*model.Process{{UID: "k9", PID: 8300, Name: "conhost.exe", Path: `C:\Windows\System32\conhost.exe`, Started: started(5), Parent: &model.ParentProcess{UID: "k1", PID: 8204}}}

	yes, no := true, false
	for i, name := range []string{"FIN-WS-014", "SRV-DB-02", "HR-LT-221", "build-07", "WS-001", "WS-002"} {
		p := Profiles[(i+2)%4]
		h := &model.Host{
			Origin: model.Origin{ID: "h-" + name, Ref: p.Name + "/h-" + name, Profile: p.Name, Backend: p.Backend}, Name: name,
			OS: &model.OS{Name: "Windows 10", Version: "10.0.19045"}, IP: []string{fmt.Sprintf("10.20.4.%d", 14+i)}, User: `CORP\a.moreau`,
			AgentVersion: "1.8.0", LastSeen: model.At(Now.Add(-time.Duration(40*(i+1)) * time.Second)), Online: &yes, Isolated: &no,
		}
		if i == 1 {
			h.Isolated = &yes
		}
		if i == 4 {
			h.Online = &no
		}
		f.HostList = append(f.HostList, h)
	}
	f.CarveList = []*model.Carve{
		{Origin: model.Origin{ID: "c1", Ref: "ge/c1", Profile: "ge", Backend: "gene"}, Host: lsass.Host, Path: `C:\Users\Public\d.dll`, Size: 18432, State: model.CarveComplete, Created: model.At(Now.Add(-5 * time.Minute)), SHA256: lsass.Process.Hash.SHA256},
		{Origin: model.Origin{ID: "c2", Ref: "es/c2", Profile: "es", Backend: "esp"}, Host: &model.Host{Name: "build-07"}, Path: "/var/tmp/.cache/kworkerd", Size: 9 << 20, State: model.CarveRunning, Progress: model.Ptr(0.42), Created: model.At(Now.Add(-time.Minute))},
	}
	f.HitList = []*model.Hit{
		{Origin: model.Origin{Profile: "cw", Backend: "cwatch"}, Indicator: model.HitIndicator{Type: "sha256", Value: lsass.Process.Hash.SHA256, Source: "typed:1"}, Host: lsass.Host, Process: lsass.Process, First: started(20), Last: started(0), Count: 3},
		{Origin: model.Origin{Profile: "es", Backend: "esp"}, Indicator: model.HitIndicator{Type: "domain", Value: "telemetry.msedge-cdn.example", Source: "typed:2"}, Host: &model.Host{Name: "build-07"}, First: started(200), Last: started(90), Count: 12},
	}
	return f
}

// Burst makes n alerts, all different.
func Burst(n int) []*model.Alert {
	out := make([]*model.Alert, n)
	for i := range out {
		profile := Profiles[i%4].Name
		out[i] = Alert(profile, fmt.Sprintf("b%07d", i), fmt.Sprintf("Burst alert number %d of rule %d", i, i%97), fmt.Sprintf("WS-%04d", i%1500), fmt.Sprintf("user%d", i%300), float64(i%11), i%1400)
		out[i].Process = &model.Process{UID: fmt.Sprint("u", i), PID: int64(i % 9000), Name: fmt.Sprintf("proc%d.exe", i%50), CommandLine: fmt.Sprintf("proc%d.exe --run %d", i%50, i)}
	}
	return out
}
