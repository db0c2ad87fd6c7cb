package gene

import (
	"bytes"
	"slices"
	"strconv"
	"strings"

	"github.com/edrctl/edrctl/internal/model"
)

// sysmonChannel is where Sysmon writes; its event numbers mean something of
// their own only there.
const sysmonChannel = "Microsoft-Windows-Sysmon/Operational"

// sysmonKind is the kind of a Sysmon event by its number (wire/normalised.md
// 3.1); 12 is told apart by its EventType.
var sysmonKind = map[int]model.Kind{
	1: model.KindProcessStart, 2: model.KindFileWrite, 3: model.KindNetworkConnect,
	5: model.KindProcessEnd, 6: model.KindModuleLoad, 7: model.KindModuleLoad,
	8: model.KindProcessInject, 9: model.KindDeviceAccess, 10: model.KindProcessAccess,
	11: model.KindFileCreate, 12: model.KindRegistryCreate, 13: model.KindRegistrySet,
	15: model.KindFileCreate, 22: model.KindDNSQuery, 23: model.KindFileDelete, 26: model.KindFileDelete,
}

// sysmonAction is Sysmon's own word for an event number.
var sysmonAction = [...]string{
	1: "ProcessCreate", 2: "FileCreateTime", 3: "NetworkConnect", 4: "ServiceStateChange", 5: "ProcessTerminate",
	6: "DriverLoad", 7: "ImageLoad", 8: "CreateRemoteThread", 9: "RawAccessRead", 10: "ProcessAccess",
	11: "FileCreate", 12: "RegistryObjectAddedOrDeleted", 13: "RegistryValueSet", 14: "RegistryObjectRenamed",
	15: "FileCreateStreamHash", 16: "SysmonConfigChange", 17: "PipeCreated", 18: "PipeConnected",
	19: "WmiFilter", 20: "WmiConsumer", 21: "WmiBinding", 22: "DnsQuery", 23: "FileDelete",
	24: "ClipboardChange", 25: "ProcessTampering", 26: "FileDeleteDetected", 27: "FileBlockExecutable",
	28: "FileBlockShredding", 29: "FileExecutableDetected",
}

// bundle is one allocation for what nearly every event has.
type bundle struct {
	event   model.Event
	host    model.Host
	process model.Process
	user    model.User
	parent  model.ParentProcess
}

// normalise turns the document last walked and finished into the normalised
// event. ep is the endpoint it was asked of; its zero value is "any".
func (d *decoder) normalise(ep endpoint, raw bool) *model.Event {
	b := &bundle{}
	e := &b.event
	e.ID = d.get(fEventHash)
	e.Time = model.At(d.instant())
	if t, ok := parseTime(d.get(fReceiptTime)); ok {
		e.Ingested = model.At(t)
	}
	d.host(&b.host, ep)
	e.Host = &b.host

	channel := d.get(fChannel)
	number := int(d.number(fEventID))
	sysmon := strings.EqualFold(channel, sysmonChannel)
	e.Kind = model.KindOther
	if sysmon {
		d.sysmon(e, b, number)
	} else {
		e.User = d.subject()
		d.actor(b, fImage, fProcessID, fProcessGUID, fImageHashes)
		if used(&b.process) {
			e.Process = &b.process
		}
	}
	e.Action = d.action(sysmon, number, channel)
	if e.Summary == "" {
		e.Summary = e.Action
	}
	if len(d.sigs) > 0 {
		det := &model.Detection{Rules: d.strings(d.sigs), Actions: d.strings(d.actions), Attack: d.techniques()}
		if d.hasScore {
			det.Score = model.ScoreNumber(model.ScaleGene, d.score).Score
		}
		e.Detection, e.Tags, e.AlertID = det, slices.Clone(det.Rules), e.ID
	}
	if raw {
		e.Raw = bytes.Clone(d.raw)
	}
	return e
}

// host fills in where it happened. The endpoint's own name is used whenever
// the event's computer is that machine, so that every event of an endpoint
// bears one name; a computer of another name (forwarded events) keeps it.
func (d *decoder) host(h *model.Host, ep endpoint) {
	h.ID = d.get(fEndpointUUID)
	if h.ID == "" {
		h.ID = ep.UUID
	}
	known := d.get(fEndpointHost)
	if known == "" {
		known = ep.Hostname
	}
	h.Name = d.get(fComputer)
	label, domain, full := strings.Cut(h.Name, ".")
	switch {
	case h.Name == "":
		h.Name = known
	case known != "" && strings.EqualFold(known, h.Name):
		h.Name = known
	case known != "" && full && strings.EqualFold(known, label):
		h.Name, h.Domain = known, domain
	}
	h.AgentVersion = ep.agentVersion
	if ep.os != nil {
		h.OS = ep.os
	}
	if ep.IP != "" {
		h.IP = ep.ips
	}
}

func (d *decoder) action(sysmon bool, number int, channel string) string {
	task := d.get(fTask)
	if task != "" && !isDigits(task) {
		return task
	}
	if sysmon && number > 0 && number < len(sysmonAction) && sysmonAction[number] != "" {
		return sysmonAction[number]
	}
	return channel + ":" + strconv.Itoa(number)
}

func isDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}

// sysmon fills in what the event number calls for.
func (d *decoder) sysmon(e *model.Event, b *bundle, number int) {
	if k, ok := sysmonKind[number]; ok {
		e.Kind = k
	}
	if u := d.get(fUser); u != "" {
		splitUser(&b.user, u)
		e.User = &b.user
	}
	switch number {
	case 8, 10:
		if u := d.get(fSourceUser); u != "" && e.User == nil {
			splitUser(&b.user, u)
			e.User = &b.user
		}
		d.actor(b, fSourceImage, fSourceProcessID, fSourceProcessGUID, fSourceHashes)
		e.Target = d.target()
		if e.Target != nil {
			e.Summary = b.process.Name + " → " + e.Target.Name
		}
	case 1:
		d.actor(b, fImage, fProcessID, fProcessGUID, fHashes)
		p := &b.process
		if t, ok := parseTime(d.get(fUtcTime)); ok {
			p.Started = model.At(t)
		} else {
			p.Started = e.Time
		}
		e.Summary = p.CommandLine
		if e.Summary == "" {
			e.Summary = p.Path
		}
	default:
		d.actor(b, fImage, fProcessID, fProcessGUID, fImageHashes)
	}
	p := &b.process
	p.User = e.User
	if used(p) {
		e.Process = p
	}
	switch number {
	case 2, 11, 15, 23, 26, 27, 28, 29:
		e.File = d.file(number)
		if e.File != nil {
			e.Summary = e.File.Path
		}
	case 3:
		e.Network = d.network()
		if dst := e.Network.Destination; dst != nil {
			e.Summary = dst.IP + ":" + strconv.Itoa(dst.Port)
		}
	case 5:
		p.Ended = e.Time
		e.Summary = p.Path
	case 6, 7:
		e.Module = &model.Module{Path: d.get(fImageLoaded), Hash: parseHashes(d.get(fHashes))}
		e.Summary = e.Module.Path
	case 9:
		if dev := d.get(fDevice); dev != "" {
			e.File = &model.File{Path: dev, Name: model.BaseName(dev)}
			e.Summary = dev
		}
	case 12, 13, 14:
		if number == 12 && strings.Contains(strings.ToLower(d.get(fEventType)), "delete") {
			e.Kind = model.KindRegistryDelete
		}
		e.Registry = d.registry(number)
		if e.Registry != nil {
			e.Summary = e.Registry.Path
		}
	case 17, 18:
		if pipe := d.get(fPipeName); pipe != "" {
			e.File = &model.File{Path: pipe, Name: model.BaseName(pipe)}
			e.Summary = pipe
		}
	case 22:
		e.DNS = &model.DNS{Question: model.DNSQuestion{Name: d.get(fQueryName), Type: d.get(fQueryType)}}
		e.Summary = e.DNS.Question.Name
	}
}

// actor fills in the acting process.
func (d *decoder) actor(b *bundle, image, pid, guid, hashes field) {
	p := &b.process
	p.UID = processUID(d.get(guid))
	p.PID = d.number(pid)
	p.Path = d.get(image)
	p.Name = model.BaseName(p.Path)
	p.CommandLine = d.get(fCommandLine)
	p.WorkingDirectory = d.get(fCurrentDirectory)
	p.Integrity = d.get(fIntegrityLevel)
	p.Hash = parseHashes(d.get(hashes))
	if s := d.get(fThreatScore); s != "" {
		p.Reputation = &model.Reputation{Verdict: "unknown", Native: s}
	}
	q := &b.parent
	q.Path = d.get(fParentImage)
	q.UID = processUID(d.get(fParentProcessGUID))
	q.PID = d.number(fParentProcessID)
	q.CommandLine = d.get(fParentCommandLine)
	q.Name = model.BaseName(q.Path)
	if *q != (model.ParentProcess{}) {
		p.Parent = q
	}
}

func used(p *model.Process) bool { return p.UID != "" || p.PID != 0 || p.Path != "" }

func (d *decoder) target() *model.Process {
	p := &model.Process{
		UID:  processUID(d.get(fTargetProcessGUID)),
		PID:  d.number(fTargetProcessID),
		Path: d.get(fTargetImage),
		Hash: parseHashes(d.get(fTargetHashes)),
	}
	p.Name = model.BaseName(p.Path)
	if !used(p) {
		return nil
	}
	p.User = model.SplitUser(d.get(fTargetUser))
	return p
}

// subject is the account of an event of another channel than Sysmon's.
func (d *decoder) subject() *model.User {
	if u := d.get(fUser); u != "" {
		return model.SplitUser(u)
	}
	if u := d.get(fSubjectUser); u != "" {
		return &model.User{Name: u, Domain: d.get(fSubjectDomain)}
	}
	if u := d.get(fTargetUserName); u != "" {
		return &model.User{Name: u, Domain: d.get(fTargetDomainName)}
	}
	return nil
}

func (d *decoder) file(number int) *model.File {
	path := d.get(fTargetFilename)
	if path == "" {
		return nil
	}
	f := &model.File{Path: path, Name: model.BaseName(path), Size: d.number(fSize)}
	if f.Hash = parseHashes(d.get(fHashes)); f.Hash == nil && number == 15 {
		f.Hash = parseHashes(d.get(fHash))
	}
	return f
}

func (d *decoder) registry(number int) *model.Registry {
	path := d.get(fTargetObject)
	if path == "" {
		return nil
	}
	r := &model.Registry{Path: path}
	switch number {
	case 13:
		r.Value, r.Data = model.BaseName(path), d.get(fDetails)
	case 14:
		r.Data = d.get(fNewName)
	}
	return r
}

func (d *decoder) network() *model.Network {
	n := &model.Network{Transport: d.get(fProtocol)}
	switch strings.ToLower(d.get(fInitiated)) {
	case "true", "1":
		n.Direction = "egress"
	case "false", "0":
		n.Direction = "ingress"
	}
	n.Source = end(d.get(fSourceIP), d.number(fSourcePort), d.get(fSourceHostname))
	n.Destination = end(d.get(fDestinationIP), d.number(fDestinationPort), d.get(fDestinationHostname))
	return n
}

func end(ip string, port int64, domain string) *model.Endpoint {
	if port < 0 || port > 65535 {
		port = 0
	}
	if ip == "" && port == 0 && domain == "" {
		return nil
	}
	return &model.Endpoint{IP: ip, Port: int(port), Domain: domain}
}

func (d *decoder) strings(list []span) []string {
	if len(list) == 0 {
		return nil
	}
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = d.cut(s)
	}
	return out
}

func (d *decoder) techniques() []model.Attack {
	var out []model.Attack
	for _, a := range d.attack {
		out = append(out, model.Attack{
			Technique: model.Named{ID: d.cut(a.id), Name: d.cut(a.description)},
			Tactic:    d.cut(a.tactic),
		})
	}
	return out
}

// processUID strips the braces of a process GUID; the all-zero one is none.
func processUID(guid string) string {
	guid = strings.TrimSuffix(strings.TrimPrefix(guid, "{"), "}")
	if strings.Trim(guid, "0-") == "" {
		return ""
	}
	return guid
}

func splitUser(into *model.User, s string) {
	if domain, name, ok := strings.Cut(s, `\`); ok {
		into.Domain, into.Name = domain, name
		return
	}
	into.Name = s
}

// parseHashes reads Sysmon's "SHA1=…,MD5=…,SHA256=…,IMPHASH=…" (any order,
// any case; a bare hash is told by its length). nil when there is none.
func parseHashes(s string) *model.Hash {
	if s == "" {
		return nil
	}
	var h model.Hash
	for part := range strings.SplitSeq(s, ",") {
		name, value, ok := strings.Cut(strings.TrimSpace(part), "=")
		if !ok {
			name, value = "", name
		}
		value = strings.ToLower(value)
		if !isHex(value) || strings.Trim(value, "0") == "" {
			continue
		}
		switch strings.ToLower(name) {
		case "md5":
			put(&h.MD5, value, 32)
		case "sha1":
			put(&h.SHA1, value, 40)
		case "sha256":
			put(&h.SHA256, value, 64)
		case "imphash":
			put(&h.Imphash, value, 32)
		case "":
			put(&h.MD5, value, 32)
			put(&h.SHA1, value, 40)
			put(&h.SHA256, value, 64)
		}
	}
	if h == (model.Hash{}) {
		return nil
	}
	return &h
}

func put(into *string, value string, length int) {
	if len(value) == length {
		*into = value
	}
}

func isHex(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return s != ""
}

// alertOf turns an event on which a signature fired into an alert. Only those
// are alerts: agents that log everything send an empty list (wire/gene.md 7).
func (d *decoder) alertOf(e *model.Event) *model.Alert {
	rules := e.Detection.Rules
	a := &model.Alert{
		Time: e.Time, Title: strings.Join(rules, ", "), Description: e.Summary,
		Status: model.StatusUnknown, Verdict: model.VerdictUnknown,
		Source: d.get(fChannel), Category: d.get(fChannel) + ":" + d.get(fEventID),
		Rule:   &model.Named{ID: rules[0], Name: rules[0]},
		Attack: e.Detection.Attack, Host: e.Host, User: e.User, Process: e.Process, Target: e.Target,
		Ancestors: ancestors(d.get(fAncestors)), EventCount: 1, EventIDs: []string{e.ID}, Raw: e.Raw,
	}
	a.ID = e.ID
	if d.hasScore {
		model.ScoreNumber(model.ScaleGene, d.score).Apply(a)
	} else {
		model.Unscored().Apply(a)
	}
	for _, name := range rules {
		a.Indicators = append(a.Indicators, model.Indicator{Name: name, Value: name, Type: "signature"})
	}
	return a
}

// ancestors reads "System|C:\Windows\System32\smss.exe|…": paths only, root first.
func ancestors(s string) []*model.Process {
	if s == "" {
		return nil
	}
	var out []*model.Process
	for path := range strings.SplitSeq(s, "|") {
		if path = strings.TrimSpace(path); path != "" && path != "?" {
			out = append(out, &model.Process{Path: path, Name: model.BaseName(path)})
		}
	}
	return out
}
