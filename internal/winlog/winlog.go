// Package winlog says what a record of a Windows event log or trace means: one
// table from channel (or provider) and event id to the normalised event. It
// knows no format: whoever reads EVTX, JSON of a forwarder or a manager's
// answer hands over the fields by name and gets a model.Event. A channel or an
// event id that is missing here is the only reason to change it.
package winlog

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/edrctl/edrctl/internal/model"
)

// Record is one record, as any reader finds it. Only EventID and one of
// Channel and Provider are needed; what is absent stays empty.
type Record struct {
	Channel  string // "Security", "Microsoft-Windows-Sysmon/Operational", "ForwardedEvents"
	Provider string // "Microsoft-Windows-Security-Auditing"; decides before Channel
	EventID  int
	Task     string // the task in words ("Logon"); numbers are ignored
	Time     time.Time
	Computer string
	PID      int64  // of the process that logged the record (System/Execution)
	UserID   string // SID of the account that logged it (System/Security)
	Message  string // the rendered text, where the reader has it
	Data     []Field
}

// Field is one member of EventData or UserData. Members without a name are
// given one by the reader (param1, Data); the order is that of the record.
type Field = model.LogField

// Log is the record as rules read it that name the fields of a log. It shares
// nothing with r.
func Log(r *Record) *model.LogRecord {
	l := &model.LogRecord{Product: "windows", Channel: r.Channel, Provider: r.Provider, EventID: r.EventID, Computer: r.Computer, Text: r.Message}
	if strings.HasPrefix(r.Provider, "Linux-") {
		l.Product = "linux"
	}
	l.Data = slices.Clone(r.Data)
	return l
}

// Get gives the value of the first of the names that has one. Names are
// compared without case, and "Threat Name" equals "Threat_Name". "-" is how
// Windows writes an empty value and counts as none.
func (r *Record) Get(names ...string) string {
	for _, name := range names {
		for i := range r.Data {
			if f := &r.Data[i]; sameName(f.Name, name) && f.Value != "" && f.Value != "-" {
				return f.Value
			}
		}
	}
	return ""
}

// Number is Get as a whole number, decimal or 0x…; 0 when it is none.
func (r *Record) Number(names ...string) int64 { return number(r.Get(names...)) }

func sameName(a, b string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range len(a) {
		if x, y := a[i], b[i]; x != y && foldName(x) != foldName(y) {
			return false
		}
	}
	return true
}

func foldName(c byte) byte {
	switch {
	case 'A' <= c && c <= 'Z':
		return c + 'a' - 'A'
	case c == '_':
		return ' '
	}
	return c
}

// Known reports whether the table has an entry of its own for the record.
func Known(r *Record) bool {
	_, ok := find(r)
	return ok
}

// Event gives what a record means. The id, and what the reader knows of the
// host beyond its name, are the reader's to add; Host is never nil. A record
// without an entry is of kind other, with user and process where it has the
// usual fields for them.
func Event(r *Record) *model.Event {
	b := &bundle{}
	m := mapper{Record: r, bundle: b, e: &b.event}
	b.event.Time = model.At(r.Time)
	b.host.Name = r.Computer
	b.event.Host = &b.host
	entry, ok := find(r)
	if !ok {
		entry = row{kind: model.KindOther, action: r.Channel + ":" + strconv.Itoa(r.EventID), fill: (*mapper).usual}
	}
	m.e.Kind, m.e.Action = entry.kind, entry.action
	entry.fill(&m)
	m.finish()
	return m.e
}

// bundle is one allocation for what nearly every event has.
type bundle struct {
	event   model.Event
	host    model.Host
	process model.Process
	user    model.User
	parent  model.ParentProcess
}

// mapper fills one event; the functions of the table are its methods.
type mapper struct {
	*Record
	*bundle
	e *model.Event
}

// finish adds what follows from what the table's function set.
func (m *mapper) finish() {
	e, p := m.e, &m.process
	if p.UID != "" || p.PID != 0 || p.Path != "" || p.CommandLine != "" {
		if p.Name == "" {
			p.Name = model.BaseName(p.Path)
		}
		if p.User == nil {
			p.User = e.User
		}
		if m.parent != (model.ParentProcess{}) {
			m.parent.Name = model.BaseName(m.parent.Path)
			p.Parent = &m.parent
		}
		e.Process = p
	}
	if m.Task != "" && strings.Trim(m.Task, "0123456789") != "" {
		e.Action = m.Task
	}
	if e.Summary == "" {
		e.Summary = e.Action
	}
}

// row is an entry of the table.
type row struct {
	kind   model.Kind
	action string
	fill   func(*mapper)
}

// say makes the summary of the action and what it touched.
func (m *mapper) say(what ...string) {
	s := m.e.Action
	lead := ": "
	for _, w := range what {
		if w != "" {
			s += lead + w
			lead = " "
		}
	}
	m.e.Summary = s
}

// object names the thing that was acted upon.
func (m *mapper) object(typ, name string) {
	if name != "" {
		m.e.Object = &model.Object{Type: typ, Name: name}
	}
}

// file names the file that was acted upon.
func (m *mapper) file(path string) *model.File {
	if path == "" {
		return nil
	}
	m.e.File = &model.File{Path: path, Name: model.BaseName(path)}
	return m.e.File
}

// account reads a user from a name and its domain; "-" and the null SID are
// none.
func (m *mapper) account(name, domain, sid string) *model.User {
	u := model.User{Name: m.Get(name), Domain: m.Get(domain), ID: m.Get(sid)}
	if u.ID == "S-1-0-0" {
		u.ID = ""
	}
	if u.Name == "" && u.ID == "" {
		return nil
	}
	if u.Name == "" {
		u.Name = wellKnown[u.ID]
	}
	return &u
}

// setUser says who acted.
func (m *mapper) setUser(u *model.User) {
	if u != nil {
		m.user = *u
		m.e.User = &m.user
	}
}

func (m *mapper) subject() {
	m.setUser(m.account("SubjectUserName", "SubjectDomainName", "SubjectUserSid"))
}

// caller is the process of a Security record: ProcessId is mostly 0x….
func (m *mapper) caller() {
	m.process.PID = m.Number("ProcessId", "CallerProcessId")
	m.process.Path = m.Get("ProcessName", "CallerProcessName")
}

// execution takes who logged the record for who acted: true for interpreters
// and traces, which log from within the process.
func (m *mapper) execution() {
	m.process.PID = m.PID
	if m.UserID != "" {
		m.setUser(&model.User{ID: m.UserID, Name: wellKnown[m.UserID]})
	}
}

// usual reads the fields that most providers name alike.
func (m *mapper) usual() {
	if u := m.Get("User"); u != "" {
		m.setUser(model.SplitUser(u))
	} else if m.subject(); m.e.User == nil {
		m.setUser(m.account("TargetUserName", "TargetDomainName", "TargetUserSid"))
	}
	p := &m.process
	p.Path = m.Get("Image", "ProcessName", "CallerProcessName")
	p.PID = m.Number("ProcessId", "CallerProcessId", "ClientProcessId")
	p.UID = processUID(m.Get("ProcessGuid"))
	p.Hash = parseHashes(m.Get("ImageHashes"))
	p.CommandLine = m.Get("CommandLine")
	p.WorkingDirectory = m.Get("CurrentDirectory")
	p.Integrity = m.Get("IntegrityLevel")
	m.parentOf()
}

func (m *mapper) parentOf() {
	q := &m.parent
	q.Path = m.Get("ParentImage", "ParentProcessName", "CreatorProcessName")
	q.UID = processUID(m.Get("ParentProcessGuid"))
	q.PID = m.Number("ParentProcessId")
	q.CommandLine = m.Get("ParentCommandLine")
}
