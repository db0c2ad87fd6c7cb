package sigma

import (
	"strconv"
	"strings"

	"github.com/edrctl/edrctl/internal/model"
)

// FromEvent fills a record with what an event has, under the names that Sigma
// gives it. The record's slices are reused.
func (r *Record) FromEvent(e *model.Event) {
	r.Fields, r.Text, r.Host = r.Fields[:0], "", ""
	r.Key = Source{Kind: e.Kind}
	if e.Host != nil {
		r.Host = e.Host.Name
	}
	if l := e.Log; l != nil {
		r.Key = Source{Product: l.Product, Channel: l.Channel, Provider: l.Provider, EventID: l.EventID, Kind: e.Kind}
		r.Text = l.Text
		r.Fields = append(r.Fields, l.Data...)
		r.system(l)
	}
	if r.Key.Product == "" {
		r.Key.Product = productOf(e)
	}
	if r.Key.byKind() {
		m := mapper{r: r, own: len(r.Fields)}
		m.event(e)
	}
}

// system adds the fields of the head of a Windows record.
func (r *Record) system(l *model.LogRecord) {
	if l.Channel == "" && l.Provider == "" {
		return
	}
	for _, f := range [...]model.LogField{
		{Name: "EventID", Value: strconv.Itoa(l.EventID)}, {Name: "Channel", Value: l.Channel},
		{Name: "Provider_Name", Value: l.Provider}, {Name: "Computer", Value: l.Computer},
	} {
		if f.Value != "" && (f.Name != "EventID" || l.EventID != 0) {
			r.Fields = append(r.Fields, f)
		}
	}
}

// productOf tells the operating system of an event: by its host, or by how its
// paths are written.
func productOf(e *model.Event) string {
	if e.Host != nil && e.Host.OS != nil {
		switch p := strings.ToLower(e.Host.OS.Platform); {
		case p == "darwin" || p == "macos":
			return "macos"
		case p != "":
			return p
		}
	}
	for _, p := range [...]*model.Process{e.Target, e.Process} {
		if p != nil && p.Path != "" {
			return productOfPath(p.Path)
		}
	}
	switch {
	case e.Registry != nil:
		return "windows"
	case e.File != nil && e.File.Path != "":
		return productOfPath(e.File.Path)
	case e.Module != nil && e.Module.Path != "":
		return productOfPath(e.Module.Path)
	}
	return ""
}

func productOfPath(path string) string {
	if path[0] != '/' {
		if strings.Contains(path, `\`) {
			return "windows"
		}
		return ""
	}
	for _, dir := range [...]string{"/Applications/", "/System/", "/Users/", "/Library/", "/private/"} {
		if strings.HasPrefix(path, dir) {
			return "macos"
		}
	}
	return "linux"
}

// mapper gives a normalised event the fields of the taxonomy.
type mapper struct {
	r   *Record
	own int // the first fields are the record's own, which come first
}

func (m *mapper) add(name, value string) {
	if value == "" {
		return
	}
	for i := range m.r.Fields[:m.own] {
		if m.r.Fields[i].Name == name {
			return
		}
	}
	m.r.Fields = append(m.r.Fields, model.LogField{Name: name, Value: value})
}

func (m *mapper) number(name string, n int64) {
	if n != 0 {
		m.add(name, strconv.FormatInt(n, 10))
	}
}

func (m *mapper) event(e *model.Event) {
	switch e.Kind {
	case model.KindProcessStart, model.KindProcessEnd:
		m.start(e)
	case model.KindProcessAccess, model.KindProcessInject:
		m.between(e)
	default:
		m.actor(e)
	}
	m.user("User", e.User)
	if t := e.Time.Time; !t.IsZero() {
		m.add("UtcTime", t.UTC().Format("2006-01-02 15:04:05.000"))
	}
	m.file(e)
	m.network(e)
	m.registry(e)
	m.module(e)
	if e.Pipe != nil {
		m.add("PipeName", e.Pipe.Name)
	}
	if e.Script != nil {
		m.add("ScriptBlockText", e.Script.Text)
	}
	if e.Kind == model.KindMalware && e.Object != nil {
		m.add("Signature", e.Object.Name)
	}
}

// start is the fields of a started program: the target, or the process when
// the product names only that one.
func (m *mapper) start(e *model.Event) {
	p, parent := e.Process, (*model.ParentProcess)(nil)
	if e.Target != nil {
		p = e.Target
	}
	if p == nil {
		return
	}
	parent = p.Parent
	if parent == nil && e.Target != nil && e.Process != nil {
		q := e.Process
		parent = &model.ParentProcess{UID: q.UID, PID: q.PID, Path: q.Path, CommandLine: q.CommandLine}
		m.user("ParentUser", q.User)
	}
	m.process(p)
	m.user("User", p.User)
	if parent != nil {
		m.add("ParentImage", parent.Path)
		m.add("ParentCommandLine", parent.CommandLine)
		m.add("ParentProcessGuid", parent.UID)
		m.number("ParentProcessId", parent.PID)
	}
}

func (m *mapper) process(p *model.Process) {
	m.add("Image", p.Path)
	m.add("CommandLine", p.CommandLine)
	m.add("CurrentDirectory", p.WorkingDirectory)
	m.add("IntegrityLevel", p.Integrity)
	m.add("OriginalFileName", p.OriginalFileName)
	m.add("Description", p.Description)
	m.add("Product", p.Product)
	m.add("Company", p.Company)
	m.add("FileVersion", p.FileVersion)
	m.add("ProcessGuid", p.UID)
	m.number("ProcessId", p.PID)
	m.hashes(p.Hash)
}

// actor is the fields of the process that did something.
func (m *mapper) actor(e *model.Event) {
	p := e.Process
	if p == nil {
		return
	}
	m.add("Image", p.Path)
	m.add("ProcessGuid", p.UID)
	m.number("ProcessId", p.PID)
	m.add("CommandLine", p.CommandLine)
	m.user("User", p.User)
	if p.Parent != nil {
		m.add("ParentImage", p.Parent.Path)
		m.add("ParentCommandLine", p.Parent.CommandLine)
	}
}

// between is the fields of one process acting on another.
func (m *mapper) between(e *model.Event) {
	if p := e.Process; p != nil {
		m.add("SourceImage", p.Path)
		m.add("SourceCommandLine", p.CommandLine)
		m.add("SourceProcessGUID", p.UID)
		m.number("SourceProcessId", p.PID)
		m.user("SourceUser", p.User)
		if p.Parent != nil {
			m.add("SourceParentImage", p.Parent.Path)
		}
	}
	if p := e.Target; p != nil {
		m.add("TargetImage", p.Path)
		m.add("TargetProcessGUID", p.UID)
		m.number("TargetProcessId", p.PID)
		m.user("TargetUser", p.User)
	}
	if e.Access != nil {
		m.add("GrantedAccess", e.Access.Granted)
		m.add("CallTrace", e.Access.CallTrace)
	}
}

func (m *mapper) user(name string, u *model.User) {
	switch {
	case u == nil || u.Name == "" || m.has(name):
	case u.Domain != "":
		m.add(name, u.Domain+`\`+u.Name)
	default:
		m.add(name, u.Name)
	}
}

func (m *mapper) has(name string) bool { _, ok := m.r.Get(name); return ok }

// hashes is spelled as Sysmon does: MD5=…,SHA256=…,IMPHASH=…
func (m *mapper) hashes(h *model.Hash) {
	if h == nil {
		return
	}
	var parts []string
	for _, p := range [...]struct{ name, field, value string }{
		{"MD5", "md5", h.MD5}, {"SHA1", "sha1", h.SHA1}, {"SHA256", "sha256", h.SHA256}, {"IMPHASH", "Imphash", h.Imphash},
	} {
		if p.value != "" {
			parts = append(parts, p.name+"="+strings.ToUpper(p.value))
			m.add(p.field, p.value)
		}
	}
	m.add("Hashes", strings.Join(parts, ","))
}

func (m *mapper) file(e *model.Event) {
	f := e.File
	if f == nil {
		return
	}
	switch e.Kind {
	case model.KindFileRename:
		m.add("TargetFilename", f.Path)
		m.add("SourceFilename", f.OldPath)
	case model.KindFileRead:
		m.add("FileName", f.Path)
		m.add("TargetFilename", f.Path)
	case model.KindMalware:
		m.add("Filename", f.Path)
	case model.KindProcessStart:
	default:
		m.add("TargetFilename", f.Path)
		m.hashes(f.Hash)
	}
}

func (m *mapper) network(e *model.Event) {
	if d := e.DNS; d != nil && e.Kind == model.KindDNSQuery {
		m.add("QueryName", d.Question.Name)
		m.add("record_type", d.Question.Type)
		var answers []string
		for _, a := range d.Answers {
			answers = append(answers, a.Data)
		}
		m.add("QueryResults", strings.Join(answers, ";"))
	}
	n := e.Network
	if n == nil {
		return
	}
	m.add("Protocol", n.Transport)
	switch n.Direction {
	case "egress":
		m.add("Initiated", "true")
	case "ingress":
		m.add("Initiated", "false")
	}
	m.endpoint("Source", n.Source)
	m.endpoint("Destination", n.Destination)
}

func (m *mapper) endpoint(side string, p *model.Endpoint) {
	if p == nil {
		return
	}
	m.add(side+"Ip", p.IP)
	m.number(side+"Port", int64(p.Port))
	m.add(side+"Hostname", p.Domain)
	if p.IP != "" {
		m.add(side+"IsIpv6", strconv.FormatBool(strings.Contains(p.IP, ":")))
	}
}

func (m *mapper) module(e *model.Event) {
	d := e.Module
	if d == nil {
		return
	}
	m.add("ImageLoaded", d.Path)
	m.hashes(d.Hash)
	if d.Signed != nil {
		m.add("Signed", strconv.FormatBool(*d.Signed))
	}
	m.add("Signature", d.Signature)
}

func (m *mapper) registry(e *model.Event) {
	g := e.Registry
	if g == nil {
		return
	}
	object := registryPath(g.Path)
	if g.Value != "" && !strings.HasSuffix(strings.ToLower(object), `\`+strings.ToLower(g.Value)) {
		object += `\` + g.Value // some products have the value in the path already
	}
	m.add("TargetObject", object)
	m.add("Details", g.Data)
	switch e.Kind {
	case model.KindRegistrySet:
		m.add("EventType", "SetValue")
	case model.KindRegistryCreate:
		m.add("EventType", "CreateKey")
	case model.KindRegistryDelete:
		if g.Value != "" {
			m.add("EventType", "DeleteValue")
		} else {
			m.add("EventType", "DeleteKey")
		}
	}
}

// registryHives is how Sysmon, and with it Sigma, spells the hives.
var registryHives = [...][2]string{
	{`HKEY_LOCAL_MACHINE`, `HKLM`}, {`HKEY_USERS`, `HKU`}, {`HKEY_CURRENT_USER`, `HKCU`}, {`HKEY_CLASSES_ROOT`, `HKCR`},
	{`\REGISTRY\MACHINE`, `HKLM`}, {`\REGISTRY\USER`, `HKU`}, {`REGISTRY\MACHINE`, `HKLM`}, {`REGISTRY\USER`, `HKU`},
}

func registryPath(path string) string {
	for _, h := range registryHives {
		long := h[0]
		if len(path) >= len(long) && strings.EqualFold(path[:len(long)], long) && (len(path) == len(long) || path[len(long)] == '\\') {
			return h[1] + path[len(long):]
		}
	}
	return path
}
