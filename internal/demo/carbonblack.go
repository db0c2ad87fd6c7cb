package demo

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/edrctl/edrctl/internal/backends/carbonblack/fake"
	"github.com/edrctl/edrctl/internal/story"
)

// The ids of the demo's Carbon Black organisation.
const (
	cbFirstDevice = 218_600
	cbFirstPolicy = 6_520
	cbQuarantine  = "Quarantine"
)

// carbonBlackData tells the story as Carbon Black's sensors and cloud do.
func carbonBlackData(s *story.Story) *fake.Data {
	m := &cbMapper{s: s, devices: map[*story.Host]*fake.Device{}, incident: map[int]cbIncident{}}
	d := &fake.Data{OrgID: 1105, OrgName: "corp.example"}
	m.policies(d)
	m.hosts(d)
	alerts := s.AlertsOn(story.CarbonBlack)
	// Each alert owns the event that raised it before the others are shared out:
	// an event names one incident.
	for _, a := range alerts {
		if e := a.Events[len(a.Events)-1]; m.incident[e.N].id == "" {
			m.incident[e.N] = incidentOf(a)
		}
	}
	for _, a := range alerts {
		for _, e := range a.Events {
			if m.incident[e.N].id == "" {
				m.incident[e.N] = incidentOf(a)
			}
		}
	}
	for _, a := range alerts {
		d.Alerts = append(d.Alerts, m.alert(a))
		d.Notifications = append(d.Notifications, m.notification(a))
	}
	d.Events = &cbEvents{m: m, index: story.NewIndex(s, story.CarbonBlack)}
	d.AuditLogs = []fake.AuditLog{
		{ID: cbEventID(1), Login: "o.jensen@corp.example", ClientIP: "192.0.2.14", Description: "Logged in successfully", Time: s.Anchor.Add(-5 * time.Hour).UnixMilli()},
		{ID: cbEventID(2), Login: "o.jensen@corp.example", ClientIP: "192.0.2.14", Description: "Updated policy Servers", Time: s.Anchor.Add(-4 * time.Hour).UnixMilli()},
	}
	d.Processes = m.running
	d.Files = m.files
	return d
}

// cbEvents computes events when they are asked for.
type cbEvents struct {
	m     *cbMapper
	index *story.Index
}

func (e *cbEvents) Len() int               { return e.index.Len() }
func (e *cbEvents) Time(i int) int64       { return e.index.Time(i).UnixMilli() }
func (e *cbEvents) Event(i int) fake.Event { return e.m.event(e.index.At(i)) }

// cbMapper is read-only once the data is built.
type cbMapper struct {
	s        *story.Story
	devices  map[*story.Host]*fake.Device
	byID     map[int64]*story.Host
	incident map[int]cbIncident // by event number
}

type cbIncident struct {
	id    string
	score int64
	stage string
	ttps  []string
}

func (m *cbMapper) policies(d *fake.Data) {
	seen := map[string]bool{cbQuarantine: true}
	d.Policies = []fake.Policy{{
		ID: cbFirstPolicy, Name: cbQuarantine, Description: "No network but the console", Priority: "HIGH",
		Quarantine: true, LiveResponse: true, Revision: m.s.Anchor.Add(-90 * 24 * time.Hour).UnixMilli(),
	}}
	for _, h := range m.s.HostsOn(story.CarbonBlack) {
		if seen[h.Policy] {
			continue
		}
		seen[h.Policy] = true
		d.Policies = append(d.Policies, fake.Policy{
			ID: cbFirstPolicy + int64(len(d.Policies)), Name: h.Policy, Priority: "MEDIUM", LiveResponse: true,
			Revision: m.s.Anchor.Add(-30 * 24 * time.Hour).UnixMilli(),
			Rules: []fake.Rule{{ID: 1, Required: true, Action: "TERMINATE", Operation: "RUN",
				Application: fake.Application{Type: "REPUTATION", Value: "COMPANY_BLACK_LIST"}}},
		})
	}
}

func (m *cbMapper) hosts(d *fake.Data) {
	policy := map[string]int64{}
	for _, p := range d.Policies {
		policy[p.Name] = p.ID
	}
	hosts := m.s.HostsOn(story.CarbonBlack)
	d.Devices = make([]fake.Device, len(hosts))
	m.byID = map[int64]*story.Host{}
	for i, h := range hosts {
		dev := &d.Devices[i]
		*dev = fake.Device{
			ID: cbFirstDevice + int64(h.N), Name: h.Name, Type: "WINDOWS", OSVersion: h.OS + " x64 ", SensorVersion: "3.6.0.1201",
			InternalIP: h.IP, ExternalIP: h.ExtIP, MAC: strings.ReplaceAll(h.MAC, ":", ""),
			Email: cbAccount(h.Domain, h.User), LoginUser: cbAccount(h.Domain, h.User), Status: "REGISTERED",
			PolicyID: policy[h.Policy], TargetPriority: "MEDIUM", LiveResponse: true,
			Registered:     m.s.Anchor.Add(-200 * 24 * time.Hour).UnixMilli(),
			LastContact:    h.LastSeen.UnixMilli(),
			UninstallCode:  "DEMO" + strconv.Itoa(1000+h.N),
			ActivationCode: "ACT" + strconv.Itoa(1000+h.N),
		}
		switch h.Platform {
		case "darwin":
			dev.Type, dev.OSVersion = "MAC", "MAC OS X "+h.OSVersion
		case "linux":
			dev.Type, dev.OSVersion = "LINUX", h.OS
		}
		if h.Online { // its contact moves with the clock
			dev.LastContact = m.s.Anchor.Add(365 * 24 * time.Hour).UnixMilli()
		}
		if len(h.Tags) > 0 {
			dev.ADGroup = h.Tags[0]
			if h.Tags[0] == "tier0" {
				dev.TargetPriority = "MISSION_CRITICAL"
			}
		}
		m.devices[h] = dev
		m.byID[dev.ID] = h
	}
}

func cbAccount(domain, user string) string {
	if domain == "" {
		return user
	}
	return domain + `\` + user
}

// cbEventID is 32 hex digits in the form of a UUID of version 1.
func cbEventID(n int) string {
	mix := func(x uint64) uint64 {
		x ^= x >> 30
		x *= 0xbf58476d1ce4e5b9
		x ^= x >> 27
		x *= 0x94d049bb133111eb
		return x ^ x>>31
	}
	a, b := mix(uint64(n)+0x9e3779b97f4a7c15), mix(uint64(n)*0x9e3779b97f4a7c15+1)
	const digits = "0123456789abcdef"
	var out [32]byte
	for i := range 16 {
		out[i] = digits[a>>(60-4*i)&15]
		out[16+i] = digits[b>>(60-4*i)&15]
	}
	out[12] = '1'
	return string(out[:])
}

// cbPrivatePID keys a process on its device. Half of the fleet has newer
// sensors, whose keys hold a FILETIME instead of milliseconds.
func cbPrivatePID(p *story.Process) string {
	if p.Host.N%2 == 0 {
		return fmt.Sprintf("%d-%d-0", p.PID, p.Started.UnixNano()/100+116444736000000000)
	}
	return fmt.Sprintf("%d-%d-%d", p.PID, p.Started.UnixMilli(), p.N%10_000)
}

func cbProc(p *story.Process) fake.Proc {
	if p == nil {
		return fake.Proc{}
	}
	return fake.Proc{PID: int64(p.PID), PrivatePID: cbPrivatePID(p), Name: p.Name, CommandLine: p.CommandLine}
}

func cbApp(p *story.Process) fake.App {
	if p == nil {
		return fake.App{}
	}
	rep := "NOT_LISTED"
	switch {
	case p.Verdict == "malicious":
		rep = "KNOWN_MALWARE"
	case p.Verdict == "safe" && strings.HasPrefix(p.Signer, "Microsoft"):
		rep = "TRUSTED_WHITE_LIST"
	case p.Verdict == "safe":
		rep = "COMMON_WHITE_LIST"
	}
	return fake.App{Name: strings.ToLower(p.Name), Path: p.Path, SHA256: p.SHA256, MD5: p.MD5, Reputation: rep, Effective: rep}
}

// cbNamed is a program in a description: its hash in the markup, its name or path.
func cbNamed(p *story.Process, full bool) string {
	if p == nil {
		return `"unknown"`
	}
	name := p.Name
	if full {
		name = p.Path
	}
	return `"<share><link hash="` + p.SHA256 + `">` + name + `</link></share>"`
}

// event writes one event of the story in Carbon Black's words.
func (m *cbMapper) event(e *story.Event) fake.Event {
	at := e.Time.UnixMilli()
	out := fake.Event{
		ID: cbEventID(e.N), Time: at, Created: at + 2_000 + int64(e.N%90)*1_000,
		Device: m.devices[e.Host],
	}
	if p := e.Process; p != nil {
		out.User = cbAccount(p.Domain, p.User)
		out.Started = p.Started.UnixMilli()
		out.Process, out.App = cbProc(p), cbApp(p)
		out.Parent, out.ParentApp = cbProc(p.Parent), cbApp(p.Parent)
	}
	in := m.incident[e.N]
	out.Incident, out.Score, out.Stage = in.id, in.score, in.stage
	if in.id != "" {
		out.Category = "THREAT"
	}
	var did string // with %s for the program and what it works on
	full := func(format string, args ...any) {
		did = fmt.Sprintf(format, args...)
	}
	switch e.Kind {
	case "process_start":
		out.Type = "CREATE_PROCESS"
		out.TTPs = []string{"RUN_ANOTHER_APP"}
		full(`invoked the application %s, by calling the function "CreateProcessW"`, cbNamed(e.Target, true))
	case "process_inject":
		out.Type = "INJECT_CODE"
		out.TTPs = []string{"INJECT_CODE"}
		full(`injected code into the application %s, by calling the function "NtCreateThreadEx"`, cbNamed(e.Target, true))
	case "process_access":
		out.Type = "SYSTEM_API_CALL"
		out.TTPs = []string{"READ_PROCESS_MEMORY"}
		full(`attempted to open the process %s with access %s, by calling the function "NtOpenProcess"`, cbNamed(e.Target, true), e.Access)
	case "api_call":
		out.Type = "SYSTEM_API_CALL"
		out.TTPs = []string{"ENUMERATE_PROCESSES"}
		full(`attempted to list all processes, by calling the function "NtQuerySystemInformation"`)
	case "hook":
		out.Type = "SYSTEM_API_CALL"
		out.TTPs = []string{"MONITOR_USER_INPUT"}
		full(`attempted to install a hook from "%s", by calling the function "SetWindowsHookExW"`, e.ModulePath)
	case "file_create":
		out.Type = "FILE_CREATE"
		out.TTPs = []string{"CODE_DROP"}
		full(`created the file "<share><link hash="%s">%s</link></share>"`, e.FileSHA256, e.FilePath)
	case "file_read":
		out.Type = "DATA_ACCESS"
		out.TTPs = []string{"ACCESS_DATA_FILES"}
		full(`read the file "%s"`, e.FilePath)
	case "device_access":
		out.Type = "DATA_ACCESS"
		out.TTPs = []string{cbDeviceTTP(e.FilePath)}
		full(`accessed "%s"`, e.FilePath)
	case "network_connect", "network_listen":
		did = m.network(e, &out)
	case "registry_set", "registry_create", "registry_delete":
		out.Type = "REGISTRY_ACCESS"
		out.TTPs = []string{"SET_SYSTEM_SECURITY"}
		out.Registry = e.RegPath
		if e.RegValue != "" {
			out.Registry += `\` + e.RegValue
		}
		verb := map[string]string{"registry_set": "set", "registry_create": "created", "registry_delete": "deleted"}[e.Kind]
		full(`%s the registry value "%s"`, verb, out.Registry)
	default:
		out.Type = "SYSTEM_API_CALL"
		did = "acted"
	}
	if e.FilePath != "" {
		out.TargetApp = fake.App{Name: cbBase(e.FilePath), Path: e.FilePath, SHA256: e.FileSHA256, MD5: e.FileMD5}
	} else if e.Target != nil {
		out.Target, out.TargetApp = cbProc(e.Target), cbApp(e.Target)
	}
	if len(in.ttps) > 0 {
		out.TTPs = append(out.TTPs, in.ttps...)
	}
	out.Short = "The application " + cbNamed(e.Process, false) + " " + did + "."
	out.Long = "The application " + cbNamed(e.Process, true) + " " + did + ". The operation was successful."
	return out
}

func cbDeviceTTP(path string) string {
	switch {
	case strings.Contains(path, "Microphone"):
		return "MONITOR_MICROPHONE"
	case strings.Contains(path, "Screen"):
		return "MONITOR_SCREEN"
	}
	return "RAW_DISK_ACCESS"
}

func (m *cbMapper) network(e *story.Event, out *fake.Event) string {
	out.Type = "NETWORK"
	proto := strings.ToUpper(e.Transport)
	if e.Kind == "network_listen" {
		out.TTPs = []string{"ACTIVE_SERVER"}
		out.SourceIP, out.SourcePort = e.LocalIP, e.LocalPort
		out.Service = proto + "/" + strconv.Itoa(e.LocalPort)
		return fmt.Sprintf(`is listening on <share><accent>%s</accent></share><accent>:%d</accent>`, e.LocalIP, e.LocalPort)
	}
	out.PeerIP, out.PeerFQDN = e.RemoteIP, e.RemoteDomain
	if e.Direction == "ingress" {
		out.TTPs = []string{"ACTIVE_SERVER"}
		out.SourceIP, out.SourcePort, out.DestIP, out.DestPort = e.RemoteIP, e.RemotePort, e.LocalIP, e.LocalPort
		out.Service = proto + "/" + strconv.Itoa(e.LocalPort)
		return fmt.Sprintf(`accepted a <accent>%s</accent> connection from <share><accent>%s</accent></share><accent>:%d</accent>`, out.Service, e.RemoteIP, e.RemotePort)
	}
	out.TTPs = []string{"NETWORK_ACCESS"}
	out.SourceIP, out.SourcePort, out.DestIP, out.DestPort = e.LocalIP, e.LocalPort, e.RemoteIP, e.RemotePort
	out.Service = proto + "/" + strconv.Itoa(e.RemotePort)
	peer := ""
	if e.RemoteDomain != "" {
		peer = ` (<share><accent>` + e.RemoteDomain + `</accent></share>)`
	}
	return fmt.Sprintf(`established a <accent>%s</accent> connection to <share><accent>%s</accent></share><accent>:%d</accent>%s`, out.Service, e.RemoteIP, e.RemotePort, peer)
}

func cbBase(path string) string { return path[strings.LastIndexAny(path, `/\`)+1:] }

// cbStages puts tactics on the vendor's kill chain.
var cbStages = map[string]string{
	"reconnaissance": "RECONNAISSANCE", "resource-development": "WEAPONIZE", "initial-access": "DELIVER_EXPLOIT",
	"execution": "INSTALL_RUN", "persistence": "INSTALL_RUN", "privilege-escalation": "INSTALL_RUN", "defense-evasion": "INSTALL_RUN",
	"command-and-control": "COMMAND_AND_CONTROL", "exfiltration": "BREACH",
}

func incidentOf(a *story.Alert) cbIncident {
	in := cbIncident{id: cbIncidentID(a.N), score: int64(a.Score), stage: "EXECUTE_GOAL"}
	if r := a.Rule; r != nil {
		in.ttps = []string{r.Name}
		if strings.ContainsAny(r.Name, " \x1b") {
			in.ttps = nil // a title, not a TTP
		}
		if r.Technique != "" {
			name := strings.Map(func(c rune) rune {
				switch {
				case c >= 'a' && c <= 'z':
					return c - 32
				case c >= 'A' && c <= 'Z', c >= '0' && c <= '9':
					return c
				}
				return '_'
			}, r.TechniqueName)
			in.ttps = append(in.ttps, "MITRE_"+strings.ReplaceAll(r.Technique, ".", "_")+"_"+name)
		}
		if s := cbStages[r.Tactic]; s != "" {
			in.stage = s
		}
	}
	return in
}

// cbIncidentID is 8 upper-case letters and digits.
func cbIncidentID(n int) string {
	const digits = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"
	x := uint64(n)*0x9e3779b97f4a7c15 + 0x1234567
	var out [8]byte
	for i := range out {
		out[i] = digits[x>>(59-5*i)&31]
	}
	return string(out[:])
}

func (m *cbMapper) alert(a *story.Alert) fake.Alert {
	in := incidentOf(a)
	out := fake.Alert{
		Incident: in.id, ThreatID: cbEventID(50_000_000 + a.N), Score: in.score, Summary: a.Title,
		Time: a.Time.UnixMilli(), Device: m.devices[a.Host],
	}
	for _, e := range a.Events {
		ev := m.event(e)
		ev.Incident, ev.Score, ev.Stage = in.id, in.score, in.stage
		out.Events = append(out.Events, ev)
	}
	if p := a.Process; p != nil {
		for _, t := range in.ttps {
			out.Indicators = append(out.Indicators, fake.Indicator{App: p.Name, TTP: t, SHA256: p.SHA256})
		}
	}
	if t := a.Target; t != nil && t.Malicious {
		out.Indicators = append(out.Indicators, fake.Indicator{App: t.Name, TTP: "RUN_MALWARE_APP", SHA256: t.SHA256})
	}
	return out
}

// notification is what the SIEM connector gets of an alert.
func (m *cbMapper) notification(a *story.Alert) fake.Notification {
	in := incidentOf(a)
	d := m.devices[a.Host]
	var found []map[string]any
	if a.Process != nil {
		for _, t := range in.ttps {
			found = append(found, map[string]any{"indicatorName": t, "applicationName": a.Process.Name, "sha256Hash": a.Process.SHA256})
		}
	}
	body, err := json.Marshal(map[string]any{
		"type": "THREAT", "eventTime": a.Time.UnixMilli(), "eventId": cbEventID(a.Events[0].N), "ruleName": "All alerts",
		"eventDescription": fmt.Sprintf("[All alerts] [Confer has detected a threat against your company.] [%s] [Incident id: %s] [Threat score: %d]\n", a.Title, in.id, in.score),
		"url":              "https://defense.corp.example/investigate?s[c][INCIDENT_ID][0]=" + in.id,
		"threatInfo": map[string]any{"incidentId": in.id, "score": in.score, "summary": a.Title,
			"time": a.Time.UnixMilli(), "indicators": found},
		"deviceInfo": map[string]any{
			"deviceId": d.ID, "deviceName": d.Name, "deviceHostName": nil, "deviceType": d.Type, "deviceVersion": d.OSVersion,
			"email": d.Email, "groupName": a.Host.Policy, "internalIpAddress": d.InternalIP, "externalIpAddress": d.ExternalIP,
			"targetPriorityType": d.TargetPriority, "targetPriorityCode": 0,
		},
	})
	if err != nil {
		panic(err) // strings and numbers only
	}
	return fake.Notification{Time: a.Time.UnixMilli(), Host: a.Host.Name, Body: body}
}

// running gives the live processes of a device.
func (m *cbMapper) running(device int64) []fake.LiveProcess {
	h := m.byID[device]
	var out []fake.LiveProcess
	for _, p := range m.s.Processes {
		if p.Host != h || h == nil || !p.Ended.IsZero() || p.Started.After(m.s.Anchor) {
			continue
		}
		one := fake.LiveProcess{
			PID: int64(p.PID), Path: p.Path, CommandLine: p.CommandLine, User: cbAccount(p.Domain, p.User),
			SID: "S-1-5-21-1004336348-" + strconv.Itoa(1000+p.N), Created: p.Started.UnixMilli(), GUID: p.GUID,
		}
		if p.Parent != nil {
			one.Parent, one.ParentGUID = int64(p.Parent.PID), p.Parent.GUID
		}
		out = append(out, one)
	}
	return out
}

// files gives what can be collected from a device: artifacts, and a stand-in
// for each program and file of the intrusion.
func (m *cbMapper) files(device int64) map[string][]byte {
	h := m.byID[device]
	out := map[string][]byte{}
	if h == nil {
		return out
	}
	for _, p := range m.s.Processes {
		if p.Host == h && p.Path != "" {
			out[p.Path] = []byte("MZ demo stand-in for " + p.Path + " " + p.SHA256 + "\n")
		}
	}
	for _, a := range m.s.AlertsOn(story.CarbonBlack) {
		for _, e := range a.Events {
			if e.Host == h && e.FilePath != "" {
				out[e.FilePath] = []byte("demo content of " + e.FilePath + "\n")
			}
		}
	}
	for _, a := range m.s.Artifacts {
		if a.Host == h {
			out[a.Path] = a.Content
		}
	}
	return out
}
