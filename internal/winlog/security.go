package winlog

import (
	"strings"

	"github.com/edrctl/edrctl/internal/model"
)

// newProcess is 4688. ProcessId is the creator there; the new process is
// NewProcessId, and runs as the target account where one is named.
func (m *mapper) newProcess() {
	m.subject()
	m.setUser(m.account("TargetUserName", "TargetDomainName", "TargetUserSid"))
	p, q := &m.process, &m.parent
	p.PID = m.Number("NewProcessId")
	p.Path = m.Get("NewProcessName")
	p.CommandLine = m.Get("CommandLine", "ProcessCommandLine")
	p.Started = m.e.Time
	p.Integrity = integrity[m.Get("MandatoryLabel")]
	p.Elevation = elevation[m.Get("TokenElevationType")]
	q.PID = m.Number("ProcessId", "CreatorProcessId")
	q.Path = m.Get("ParentProcessName", "CreatorProcessName")
	if m.e.Summary = p.CommandLine; m.e.Summary == "" {
		m.e.Summary = p.Path
	}
}

// elevation is the TOKEN_ELEVATION_TYPE of 4688, integrity its label.
var (
	elevation = map[string]string{"%%1936": "default", "%%1937": "full", "%%1938": "limited"}
	integrity = map[string]string{
		"S-1-16-0": "Untrusted", "S-1-16-4096": "Low", "S-1-16-8192": "Medium", "S-1-16-8448": "MediumPlus",
		"S-1-16-12288": "High", "S-1-16-16384": "System", "S-1-16-20480": "Protected",
	}
)

func (m *mapper) exitedProcess() {
	m.subject()
	m.caller()
	m.process.Ended = m.e.Time
	m.e.Summary = m.process.Path
}

// Access rights, of files and of registry keys.
const (
	fileRead, fileWrite, fileAppend         = 0x1, 0x2, 0x4
	fileExecute, fileDeleteChild            = 0x20, 0x40
	keySet, keyCreate                       = 0x2, 0x4
	rightDelete, rightDAC, rightOwner       = 0x10000, 0x40000, 0x80000
	fileWriteEA, fileWriteAttr              = 0x10, 0x100
	fileChanges                       int64 = fileWrite | fileAppend | fileWriteEA | fileWriteAttr | rightDAC | rightOwner
)

// objectAccess is 4656 (a handle was asked for) and 4663 (it was used). What
// was asked for is mostly more than what is done, so a request counts as a
// deletion only when it asks for nothing else.
func (m *mapper) objectAccess() {
	m.subject()
	m.caller()
	e, name, mask := m.e, m.Get("ObjectName"), m.Number("AccessMask")
	if mask := m.Get("AccessMask"); mask != "" {
		e.Access = &model.Access{Granted: mask}
	}
	used := m.EventID == 4663
	switch m.Get("ObjectType") {
	case "File":
		m.file(name)
		switch {
		case mask&(rightDelete|fileDeleteChild) != 0 && (used || mask&(fileChanges|fileRead|fileExecute) == 0):
			e.Kind = model.KindFileDelete
		case mask&fileChanges != 0:
			e.Kind = model.KindFileWrite
		default:
			e.Kind = model.KindFileRead
		}
	case "Key":
		if name != "" {
			e.Registry = &model.Registry{Path: name}
		}
		switch {
		case mask&rightDelete != 0 && (used || mask&(keySet|keyCreate) == 0):
			e.Kind = model.KindRegistryDelete
		case mask&keySet != 0:
			e.Kind = model.KindRegistrySet
		case mask&keyCreate != 0:
			e.Kind = model.KindRegistryCreate
		}
	case "Process":
		e.Kind = model.KindProcessAccess
		if name != "" {
			e.Target = &model.Process{Path: name, Name: model.BaseName(name)}
		}
	default:
		m.object(strings.ToLower(m.Get("ObjectType")), name)
	}
	m.say(m.Get("ObjectType"), name)
}

// namedObject is a record about an object of the Security log that has only a
// handle, or whose use has no kind of its own.
func (m *mapper) namedObject() {
	m.subject()
	m.caller()
	name := m.Get("ObjectName")
	m.object(strings.ToLower(m.Get("ObjectType")), name)
	if name == "" {
		if h := m.Get("HandleId"); h != "" {
			name = "handle " + h
		}
	}
	m.say(m.Get("ObjectType"), name)
}

func (m *mapper) registryValue() {
	m.subject()
	m.caller()
	if m.Get("OperationType") == "%%1906" {
		m.e.Kind = model.KindRegistryDelete
	}
	m.e.Registry = &model.Registry{Path: m.Get("ObjectName"), Value: m.Get("ObjectValueName"), Data: m.Get("NewValue")}
	m.e.Summary = m.e.Registry.Path + `\` + m.e.Registry.Value
}

func (m *mapper) privilege() {
	m.subject()
	m.caller()
	list := words(m.Get("PrivilegeList", "EnabledPrivilegeList"))
	if name := m.Get("ObjectName"); name != "" {
		m.object(strings.ToLower(m.Get("ObjectType")), name)
	} else {
		m.object("service", m.Get("Service"))
	}
	target := m.account("TargetUserName", "TargetDomainName", "TargetUserSid")
	if fullName(target) != fullName(m.e.User) {
		m.object("user", fullName(target))
	}
	m.say(fullName(m.e.User), list)
}

// account changes: of a user, a computer or a group, or of who belongs to it.
func (m *mapper) accountChange() {
	m.subject()
	m.caller()
	name := fullName(m.account("TargetUserName", "TargetDomainName", "TargetSid"))
	if was := m.Get("OldTargetUserName"); was != "" {
		name = was + " → " + m.Get("NewTargetUserName")
	}
	typ := "user"
	switch {
	case strings.Contains(m.e.Action, "group"):
		typ = "group"
	case strings.Contains(m.e.Action, "computer"):
		typ = "computer"
	case name == "":
		typ, name = "domain", m.Get("DomainName")
	}
	m.object(typ, name)
	member := m.Get("MemberName", "MemberSid")
	if member != "" {
		name = member + " in " + name
	}
	m.say(name)
}

func (m *mapper) installedService() {
	m.subject()
	name, line := m.Get("ServiceName"), m.Get("ImagePath", "ServiceFileName")
	u := model.SplitUser(m.Get("AccountName", "ServiceAccount"))
	if m.e.User == nil && m.UserID != "" {
		m.setUser(&model.User{ID: m.UserID, Name: wellKnown[m.UserID]})
	}
	m.object("service", name)
	if m.e.Target = launches(line, "", u); m.e.Target != nil {
		m.file(m.e.Target.Path)
	}
	m.say(name, line)
}

// securityTask is 4698 to 4702: the task comes as XML.
func (m *mapper) securityTask() {
	m.subject()
	name, xml := m.Get("TaskName"), m.Get("TaskContent", "TaskContentNew")
	m.object("task", name)
	path, args := element(xml, "Command"), element(xml, "Arguments")
	line := strings.TrimSpace(path + " " + args)
	if path != "" {
		m.e.Target = launches(line, strings.Trim(path, `"`), model.SplitUser(element(xml, "UserId")))
		m.file(m.e.Target.Path)
	}
	m.say(name, line)
}

// share is 5140 and 5142 to 5145: what was opened from elsewhere.
func (m *mapper) share() {
	m.subject()
	name, local, rest := m.Get("ShareName"), strings.TrimPrefix(m.Get("ShareLocalPath"), `\??\`), m.Get("RelativeTargetName")
	m.object("share", name)
	m.from()
	if mask := m.Get("AccessMask"); mask != "" {
		m.e.Access = &model.Access{Granted: mask}
	}
	switch {
	case rest == "" || rest == `\`:
	case strings.HasSuffix(strings.ToUpper(name), `\IPC$`):
		m.e.Pipe = &model.Pipe{Name: `\` + rest}
	case local != "":
		m.file(strings.TrimSuffix(local, `\`) + `\` + rest)
	default:
		m.file(name + `\` + rest)
	}
	what := name
	if rest != "" {
		what += `\` + rest
	}
	by := ""
	if n := m.e.Network; n != nil && n.Source.IP != "" {
		by = "from " + n.Source.IP
	}
	m.say(what, by)
}

// from is where a logon or a request came from.
func (m *mapper) from() {
	src := end(address(m.Get("IpAddress", "ClientAddress")), m.Number("IpPort"), strings.TrimLeft(m.Get("WorkstationName", "Workstation", "ClientName"), `\`))
	if src != nil {
		m.e.Network = &model.Network{Direction: "ingress", Source: src}
	}
}

// filtered is a record of the filtering platform. Source is who began the
// connection in both directions, and the process the one of this host.
func (m *mapper) filtered() {
	p, n := &m.process, &model.Network{Transport: transport(m.Get("Protocol"))}
	p.PID = m.Number("ProcessID")
	p.Path = m.Get("Application")
	switch m.Get("Direction") {
	case "%%14592":
		n.Direction = "ingress"
	case "%%14593":
		n.Direction = "egress"
	}
	n.Source = end(address(m.Get("SourceAddress")), m.Number("SourcePort"), "")
	n.Destination = end(address(m.Get("DestAddress")), m.Number("DestPort"), "")
	m.e.Network = n
	m.say(endpointText(n.Source), "→", endpointText(n.Destination))
	if n.Destination == nil {
		m.say(endpointText(n.Source), p.Path)
	}
}
