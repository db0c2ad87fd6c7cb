package winlog

import (
	"net"
	"strconv"
	"strings"

	"github.com/edrctl/edrctl/internal/model"
)

// logon is a logon, a logoff or a failure of one: the user is the account
// that logged on, the process the one that asked for it.
func (m *mapper) logon() {
	target := m.account("TargetUserName", "TargetDomainName", "TargetUserSid")
	if target == nil {
		target = m.account("AccountName", "AccountDomain", "")
	}
	m.setUser(target)
	l := m.logonOf(target)
	m.process.PID = m.Number("ProcessId")
	m.process.Path = m.Get("ProcessName")
	m.from()
	m.sayLogon(l)
}

// explicit is 4648: the subject used another account's credentials.
func (m *mapper) explicit() {
	m.subject()
	m.caller()
	l := m.logonOf(m.account("TargetUserName", "TargetDomainName", "TargetUserSid"))
	m.from()
	m.object("server", m.Get("TargetServerName"))
	m.sayLogon(l)
	if m.e.Object != nil {
		m.e.Summary += " on " + m.e.Object.Name
	}
}

// ticket is a request of a domain controller (4768, 4769, 4771, 4776): it
// failed unless its status is 0.
func (m *mapper) ticket() {
	target := m.account("TargetUserName", "TargetDomainName", "TargetUserSid")
	m.setUser(target)
	l := m.logonOf(target)
	if l.Package == "" && m.EventID != 4776 {
		l.Package = "Kerberos"
	}
	if status := m.Get("Status"); status != "" && number(status) != 0 {
		m.e.Kind = model.KindLogonFailed
	} else {
		l.Failure = ""
	}
	m.object("service", m.Get("ServiceName"))
	m.from()
	m.sayLogon(l)
	if m.e.Object != nil {
		m.e.Summary += " for " + m.e.Object.Name
	}
}

func (m *mapper) logonOf(target *model.User) *model.Logon {
	l := &model.Logon{TargetUser: target, Package: strings.TrimSpace(m.Get("AuthenticationPackageName", "PackageName"))}
	if n := m.Get("LogonType"); n != "" {
		if l.Type = model.LogonType(int(number(n))); l.Type == "" {
			l.Type = n
		}
	}
	l.Failure = m.failure()
	m.e.Logon = l
	return l
}

func (m *mapper) sayLogon(l *model.Logon) {
	from := ""
	if n := m.e.Network; n != nil {
		if from = n.Source.IP; from == "" {
			from = n.Source.Domain
		}
		if from != "" {
			from = "from " + from
		}
	}
	kind, why := l.Type, ""
	if kind != "" {
		kind = "(" + strings.ReplaceAll(kind, "_", " ") + ")"
	}
	if l.Failure != "" {
		why = "· " + l.Failure
	}
	m.say(fullName(l.TargetUser), kind, from, why)
}

// failures says why a logon failed, by the NTSTATUS in SubStatus or Status and
// the Kerberos codes of 4768 and 4771.
var failures = map[int64]string{
	0xc0000064: "no such user", 0xc000006a: "wrong password", 0xc000006d: "unknown user or wrong password",
	0xc000006e: "account restriction", 0xc000006f: "outside of logon hours", 0xc0000070: "not from this workstation",
	0xc0000071: "password expired", 0xc0000072: "account disabled", 0xc00000dc: "domain controller in the wrong state",
	0xc0000133: "clocks too far apart", 0xc000015b: "logon type not granted", 0xc0000192: "Netlogon not started",
	0xc0000193: "account expired", 0xc0000224: "password must change", 0xc0000234: "account locked out",
	0xc0000413: "authentication firewall",
	0x6:        "no such user", 0x12: "account disabled, expired or locked out", 0x17: "password expired", 0x18: "wrong password", 0x25: "clocks too far apart",
}

func (m *mapper) failure() string {
	for _, name := range [...]string{"SubStatus", "Status", "FailureCode"} {
		if s := m.Get(name); s != "" && number(s) != 0 {
			if why, ok := failures[number(s)]; ok {
				return why
			}
			return "status " + s
		}
	}
	return ""
}

// session is a record of Terminal Services: who, and from which address.
func (m *mapper) session() {
	who := model.SplitUser(m.Get("User"))
	if who == nil { // 1149 names its members Param1 to Param3
		who = m.account("Param1", "Param2", "")
	}
	m.setUser(who)
	l := &model.Logon{Type: model.LogonType(10), TargetUser: who}
	m.e.Logon = l
	if ip := address(m.Get("Address", "Param3", "IpAddress")); ip != "" {
		m.e.Network = &model.Network{Direction: "ingress", Source: &model.Endpoint{IP: ip}}
	} else if m.Get("Address") == "LOCAL" {
		l.Type = model.LogonType(2)
	}
	m.sayLogon(l)
}

func endpointText(e *model.Endpoint) string {
	if e == nil {
		return ""
	}
	host := e.IP
	if host == "" {
		host = e.Domain
	}
	if e.Port == 0 {
		return host
	}
	return net.JoinHostPort(host, strconv.Itoa(e.Port))
}
