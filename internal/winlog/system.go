package winlog

import (
	"net/url"
	"strings"

	"github.com/edrctl/edrctl/internal/model"
)

// cleared is 1102 (the security log, UserData LogFileCleared) and 104 (any
// other log, which the record names).
func (m *mapper) cleared() {
	m.subject()
	log := m.Get("Channel")
	if log == "" {
		log = m.Channel
	}
	m.object("log", log)
	m.say(log, m.Get("BackupPath"))
}

func (m *mapper) serviceState() {
	m.object("service", m.Get("param1"))
	m.say(m.Get("param1"), m.Get("param2"), m.Get("param3"))
}

// malware is what Defender found, and what it did about it.
func (m *mapper) malware() {
	m.setUser(model.SplitUser(m.Get("Detection User", "Remediation User", "User")))
	if p := m.Get("Process Name"); !strings.EqualFold(p, "unknown") {
		m.process.Path = p
	}
	threat, where := m.Get("Threat Name"), m.Get("Path")
	m.object("threat", threat)
	for part := range strings.SplitSeq(where, ";") {
		kind, what, ok := strings.Cut(strings.TrimSpace(part), ":_")
		if !ok {
			continue
		}
		switch kind {
		case "file", "containerfile", "runkey", "startup":
			if m.e.File == nil {
				m.file(what)
			}
		case "regkey", "regkeyvalue":
			m.e.Registry = &model.Registry{Path: what}
		case "process":
			id, _, _ := strings.Cut(strings.TrimPrefix(what, "pid:"), ",")
			if n := number(id); n > 0 && m.e.Target == nil {
				m.e.Target = &model.Process{PID: n}
			}
		}
	}
	for _, name := range [...]string{"Severity Name", "Category Name"} {
		if s := m.Get(name); s != "" {
			m.e.Tags = append(m.e.Tags, s)
		}
	}
	if f := m.e.File; f != nil {
		where = f.Path
	}
	action := m.Get("Action Name")
	if action != "" && !strings.EqualFold(action, "not applicable") {
		action = "(" + action + ")"
	} else {
		action = ""
	}
	m.say(threat, where, action)
}

// protection is a change of Defender itself: switched off, or configured.
func (m *mapper) protection() {
	if v := m.Get("New Value", "Old Value"); v != "" {
		path, data, _ := strings.Cut(v, " = ")
		m.e.Registry = &model.Registry{Path: path, Value: model.BaseName(path), Data: data}
		m.say(v)
	}
}

// task is a record of the task scheduler's own log.
func (m *mapper) task() {
	name, action := m.Get("TaskName"), m.Get("ActionName", "Path")
	if who := m.Get("UserContext", "UserName"); strings.HasPrefix(who, "S-1-") {
		m.setUser(&model.User{ID: who, Name: wellKnown[who]})
	} else {
		m.setUser(model.SplitUser(who))
	}
	m.object("task", name)
	if action != "" {
		m.e.Target = launches("", action, nil)
		m.e.Target.PID = m.Number("ProcessID")
	}
	m.say(name, action)
}

// wmi is a record of WMI-Activity: a provider was loaded, a query failed, or a
// consumer subscribed, for a while (5860) or permanently (5861).
func (m *mapper) wmi() {
	m.setUser(model.SplitUser(m.Get("User")))
	m.process.PID = m.Number("ClientProcessId", "ProcessID")
	m.process.Path = m.Get("HostProcess")
	if path := m.Get("ProviderPath"); path != "" {
		m.e.Module = &model.Module{Path: path}
	}
	name := m.Get("ProviderName", "ESS", "Namespace", "NamespaceName")
	m.object("wmi", name)
	text := m.Get("Operation", "CONSUMER", "Query")
	if m.Get("CONSUMER") != "" {
		text = strings.TrimSpace(m.Get("PossibleCause") + "\n" + text)
	}
	if text != "" {
		m.e.Script = &model.Script{Text: text}
	}
	if host := m.Get("ClientMachine"); host != "" && !strings.EqualFold(host, shortName(m.Computer)) {
		m.e.Network = &model.Network{Direction: "ingress", Source: &model.Endpoint{Domain: host}}
	}
	m.say(name, firstLine(text))
	if len(m.Data) == 0 && m.Message != "" {
		m.say(firstLine(m.Message))
	}
}

func shortName(computer string) string {
	name, _, _ := strings.Cut(computer, ".")
	return name
}

// transfer is a job of the background transfer service.
func (m *mapper) transfer() {
	m.setUser(model.SplitUser(m.Get("jobOwner")))
	m.process.Path = m.Get("processPath")
	m.process.PID = m.Number("processId")
	m.object("job", m.Get("name", "jobTitle"))
	m.e.URL = m.Get("url")
	if u, err := url.Parse(m.e.URL); err == nil && u.Hostname() != "" {
		d := &model.Endpoint{Domain: u.Hostname()}
		if ip := address(u.Hostname()); ip != "" {
			d = &model.Endpoint{IP: ip}
		}
		m.e.Network = &model.Network{Direction: "egress", Destination: d}
	}
	m.say(m.Get("name", "jobTitle"), m.e.URL)
}

// smbClient is a record of the client side of file sharing.
func (m *mapper) smbClient() {
	server := strings.TrimLeft(m.Get("ServerName", "Name", "Address"), `\`)
	if server != "" {
		host, _, _ := strings.Cut(server, `\`)
		d := &model.Endpoint{Domain: host}
		if ip := address(host); ip != "" {
			d = &model.Endpoint{IP: ip}
		}
		m.e.Network = &model.Network{Direction: "egress", Destination: d}
	}
	if user := m.Get("UserName"); user != "" {
		m.setUser(model.SplitUser(user))
	}
	m.object("share", m.Get("ShareName"))
	m.say(m.Get("ShareName"), server, m.Get("ObjectName"))
}
