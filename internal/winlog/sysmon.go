package winlog

import (
	"strconv"
	"strings"

	"github.com/edrctl/edrctl/internal/model"
)

// Agents that keep a process table add to Sysmon's own fields: hashes of the
// image (ImageHashes, SourceHashes, TargetHashes) and the command line of the
// acting process. They are read where they are.

// sysmonActor fills in who acted.
func (m *mapper) sysmonActor() {
	if u := m.Get("User", "SourceUser"); u != "" {
		m.setUser(model.SplitUser(u))
	}
	p := &m.process
	p.UID = processUID(m.Get("ProcessGuid"))
	p.PID = m.Number("ProcessId")
	p.Path = m.Get("Image")
	p.CommandLine = m.Get("CommandLine")
	p.WorkingDirectory = m.Get("CurrentDirectory")
	p.Integrity = m.Get("IntegrityLevel")
	p.Hash = parseHashes(m.Get("ImageHashes"))
	m.parentOf()
}

func (m *mapper) sysmonStart() {
	m.sysmonActor()
	p := &m.process
	if p.Hash = parseHashes(m.Get("Hashes")); p.Hash == nil {
		p.Hash = parseHashes(m.Get("ImageHashes"))
	}
	p.OriginalFileName = m.Get("OriginalFileName")
	p.Description = m.Get("Description")
	p.Product = m.Get("Product")
	p.Company = m.Get("Company")
	p.FileVersion = m.Get("FileVersion")
	p.Started = m.e.Time
	if t, ok := utcTime(m.Get("UtcTime")); ok {
		p.Started = model.At(t)
	}
	m.e.Summary = p.CommandLine
	if m.e.Summary == "" {
		m.e.Summary = p.Path
	}
}

func (m *mapper) sysmonEnd() {
	m.sysmonActor()
	m.process.Ended = m.e.Time
	m.e.Summary = m.process.Path
}

// sysmonBetween is 8 and 10: one process acts on another.
func (m *mapper) sysmonBetween() {
	m.sysmonActor()
	p := &m.process
	p.UID = processUID(m.Get("SourceProcessGuid"))
	p.PID = m.Number("SourceProcessId")
	p.Path = m.Get("SourceImage")
	p.Name = model.BaseName(p.Path)
	p.Hash = parseHashes(m.Get("SourceHashes"))
	t := &model.Process{
		UID:  processUID(m.Get("TargetProcessGuid")),
		PID:  m.Number("TargetProcessId"),
		Path: m.Get("TargetImage"),
		Hash: parseHashes(m.Get("TargetHashes")),
		User: model.SplitUser(m.Get("TargetUser")),
	}
	if t.Name = model.BaseName(t.Path); t.UID != "" || t.PID != 0 || t.Path != "" {
		m.e.Target = t
		m.e.Summary = p.Name + " → " + t.Name
	}
	if a := (model.Access{Granted: m.Get("GrantedAccess"), CallTrace: m.Get("CallTrace")}); a != (model.Access{}) {
		m.e.Access = &a
	}
}

func (m *mapper) sysmonFile() {
	m.sysmonActor()
	f := m.file(m.Get("TargetFilename"))
	if f == nil {
		return
	}
	f.Size = m.Number("FileSize", "TargetSize")
	f.Hash = parseHashes(m.Get("Hashes", "Hash"))
	m.e.Summary = f.Path
	if m.EventID == 15 {
		if text := m.Get("Contents"); text != "" {
			m.e.Script = &model.Script{Text: text}
		}
	}
}

func (m *mapper) sysmonNetwork() {
	m.sysmonActor()
	n := &model.Network{Transport: m.Get("Protocol")}
	if started := truth(m.Get("Initiated")); started != nil {
		n.Direction = "ingress"
		if *started {
			n.Direction = "egress"
		}
	}
	n.Source = end(m.Get("SourceIp"), m.Number("SourcePort"), m.Get("SourceHostname"))
	n.Destination = end(m.Get("DestinationIp"), m.Number("DestinationPort"), m.Get("DestinationHostname"))
	m.e.Network = n
	if d := n.Destination; d != nil {
		m.e.Summary = d.IP + ":" + strconv.Itoa(d.Port)
	}
}

// sysmonImage is 6 and 7: a driver or a library was loaded.
func (m *mapper) sysmonImage() {
	m.sysmonActor()
	m.e.Module = &model.Module{
		Path: m.Get("ImageLoaded"), Hash: parseHashes(m.Get("Hashes")),
		Signed: truth(m.Get("Signed")), Signature: m.Get("Signature"),
	}
	m.e.Summary = m.e.Module.Path
}

func (m *mapper) sysmonRawRead() {
	m.sysmonActor()
	if f := m.file(m.Get("Device")); f != nil {
		m.e.Summary = f.Path
	}
}

func (m *mapper) sysmonRegistry() {
	m.sysmonActor()
	if m.EventID == 12 && strings.Contains(strings.ToLower(m.Get("EventType")), "delete") {
		m.e.Kind = model.KindRegistryDelete
	}
	path := m.Get("TargetObject")
	if path == "" {
		return
	}
	r := &model.Registry{Path: path}
	switch m.EventID {
	case 13:
		r.Value, r.Data = model.BaseName(path), m.Get("Details")
	case 14:
		r.Data = m.Get("NewName")
	}
	m.e.Registry = r
	m.e.Summary = path
}

func (m *mapper) sysmonPipe() {
	m.sysmonActor()
	if name := m.Get("PipeName"); name != "" {
		m.e.Pipe = &model.Pipe{Name: name}
		m.e.Summary = name
	}
}

// sysmonWMI is 19 to 21: a filter, a consumer, and what binds the two.
func (m *mapper) sysmonWMI() {
	m.sysmonActor()
	text := strings.Trim(m.Get("Destination", "Query"), `" `)
	what := text
	if m.EventID == 21 {
		m.object("wmi", m.Get("Consumer"))
		what = m.Get("Filter")
	} else {
		m.object("wmi", strings.Trim(m.Get("Name"), `" `))
	}
	if text != "" {
		m.e.Script = &model.Script{Text: text}
	}
	if m.e.Object != nil {
		m.say(m.Get("Operation"), m.e.Object.Name, what)
	}
}

func (m *mapper) sysmonDNS() {
	m.sysmonActor()
	m.dns()
}

// dns reads a question and its answers, of Sysmon or of the resolver.
func (m *mapper) dns() {
	q := model.DNSQuestion{Name: m.Get("QueryName"), Type: dnsType(m.Get("QueryType"))}
	m.e.DNS = &model.DNS{Question: q, Answers: answers(m.Get("QueryResults"))}
	m.e.Summary = q.Name
}

// sysmonClipboard: ClientInfo is "user: DOMAIN\name ip: 192.0.2.1 hostname: X".
func (m *mapper) sysmonClipboard() {
	m.sysmonActor()
	info := m.Get("ClientInfo")
	who := labelled(info, "user:")
	ip, host := address(labelled(info, "ip:")), labelled(info, "hostname:")
	if m.e.User == nil {
		m.setUser(model.SplitUser(who))
	}
	if from := end(ip, 0, host); from != nil {
		m.e.Network = &model.Network{Source: from}
	}
	if h := parseHashes(m.Get("Hashes")); h != nil {
		m.e.File = &model.File{Hash: h}
	}
	m.say(who, ip, host)
}

func labelled(s, label string) string {
	_, rest, ok := strings.Cut(s, label)
	if !ok {
		return ""
	}
	rest = strings.TrimSpace(rest)
	for _, next := range []string{" user:", " ip:", " hostname:"} {
		rest, _, _ = strings.Cut(rest, next)
	}
	return strings.TrimSpace(rest)
}

func (m *mapper) sysmonTamper() {
	m.sysmonActor()
	m.say(m.Get("Type"), m.process.Path)
}

func (m *mapper) sysmonOther() {
	m.sysmonActor()
	m.say(m.Get("State", "Configuration", "Description"))
}
