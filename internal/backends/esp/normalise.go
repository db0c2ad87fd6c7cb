package esp

import (
	"encoding/json"
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	"github.com/edrctl/edrctl/internal/backends/esp/wire"
	"github.com/edrctl/edrctl/internal/model"
)

// eventOf is the normalised row (docs/formats.md §3, column ESP).
func eventOf(r *wire.Row, keepRaw bool) *model.Event {
	c := &r.Cells
	e := &model.Event{Kind: kindOfRow(r.Table, r.Action, c)}
	e.ID = r.EventID()
	e.Time = timeOf(r, e.Kind)
	e.Action = c.Action
	if e.Action == "" {
		e.Action = r.Table
	}
	if r.HostID != "" || r.Hostname != "" || r.NodeID != "" {
		e.Host = &model.Host{Name: r.Hostname}
		e.Host.ID = r.HostID
		if e.Host.ID == "" {
			e.Host.ID = r.NodeID
		}
	}
	e.User = accountOf(c)
	switch e.Kind {
	case model.KindInventory:
		e.Action = r.Table
		e.Summary = r.InventorySummary()
	default:
		fillActor(r, e)
		fillObject(r, e)
		e.Summary = summary(e)
	}
	if keepRaw {
		e.Raw = json.RawMessage(append([]byte(nil), r.Raw...))
	}
	return e
}

// timeOf is when it happened by the agent's clock; inventory rows have only the
// time the query ran.
func timeOf(r *wire.Row, k model.Kind) model.Time {
	c := &r.Cells
	if k != model.KindInventory {
		if t := parseTime(c.Time); !t.IsZero() {
			return t
		}
		if t := parseTime(c.UTCTime); !t.IsZero() {
			return t
		}
	}
	return parseTime(r.Timestamp)
}

// parseTime reads any time ESP writes.
func parseTime(s string) model.Time { return model.Time{Time: wire.ParseTime(s)} }

// accountOf reads who did it: DOMAIN\name in the Windows tables, a number in
// osquery's.
func accountOf(c *wire.Cells) *model.User {
	for _, s := range []string{c.OwnerUID, c.Username, c.User} {
		if s != "" {
			return model.SplitUser(s)
		}
	}
	switch {
	case c.UID == "":
		return nil
	case wire.IsDigits(c.UID):
		return &model.User{ID: c.UID}
	}
	return model.SplitUser(c.UID)
}

func hashOf(c *wire.Cells) *model.Hash {
	h := model.Hash{MD5: hexOf(c.MD5, 32), SHA1: hexOf(c.SHA1, 40), SHA256: hexOf(c.SHA256, 64)}
	if h == (model.Hash{}) {
		return nil
	}
	return &h
}

// hexOf takes a hash of the right length; anything else is not a hash.
func hexOf(s string, n int) string {
	if len(s) != n {
		return ""
	}
	return strings.ToLower(s)
}

// fillActor sets the process that acted. A PROC_* row is about the process
// itself; the other tables name it by process_name, which is its path.
func fillActor(r *wire.Row, e *model.Event) {
	c := &r.Cells
	p := model.Process{UID: wire.TrimGUID(c.ProcessGUID), PID: wire.PID(c.PID), CommandLine: c.Cmdline, WorkingDirectory: c.CWD}
	p.Path = c.ProcessName
	if p.Path == "" && ownPath(e.Kind) {
		p.Path = c.Path
	}
	if c.SrcPath != "" || c.SrcGUID != "" || c.SrcPID != "" {
		p.UID, p.PID, p.Path = wire.FirstOf(wire.TrimGUID(c.SrcGUID), p.UID), wire.PID(wire.FirstOf(c.SrcPID, c.PID)), wire.FirstOf(c.SrcPath, p.Path)
	}
	p.Name = model.BaseName(p.Path)
	if isProcessKind(e.Kind) {
		p.Hash = hashOf(c)
		if e.Kind == model.KindProcessStart {
			p.Started = e.Time
		} else {
			p.Ended = e.Time
		}
	}
	pp := model.ParentProcess{UID: wire.TrimGUID(c.ParentGUID), PID: wire.PID(wire.FirstOf(c.ParentPID, c.Parent)), Path: c.ParentPath, Name: model.BaseName(c.ParentPath)}
	if pp != (model.ParentProcess{}) {
		p.Parent = &pp
	}
	if p.UID == "" && p.PID == 0 && p.Path == "" && p.CommandLine == "" && p.Parent == nil {
		return
	}
	if p.UID == "" && e.Kind == model.KindProcessStart {
		p.UID = fallbackUID(wire.FirstOf(r.HostID, r.NodeID), p.PID, p.Started)
	}
	p.ID = p.UID
	p.User = e.User
	e.Process = &p
}

// fallbackUID names a process the agent gave no GUID: host, pid and start.
func fallbackUID(host string, pid int64, started model.Time) string {
	if pid == 0 || started.IsZero() {
		return ""
	}
	return host + ":" + strconv.FormatInt(pid, 10) + ":" + strconv.FormatInt(started.Unix(), 10)
}

func isProcessKind(k model.Kind) bool {
	return k == model.KindProcessStart || k == model.KindProcessEnd
}

// ownPath tells in which rows the column path is the acting process.
func ownPath(k model.Kind) bool {
	switch k {
	case model.KindProcessStart, model.KindProcessEnd, model.KindNetworkConnect, model.KindNetworkListen, model.KindDNSQuery, model.KindOther:
		return true
	}
	return false
}

// fillObject sets what was acted upon.
func fillObject(r *wire.Row, e *model.Event) {
	c := &r.Cells
	switch e.Kind {
	case model.KindProcessAccess, model.KindProcessInject:
		t := model.Process{UID: wire.TrimGUID(c.TargetGUID), PID: wire.PID(c.TargetPID), Path: wire.FirstOf(c.TargetPath, c.TargetName)}
		t.ID, t.Name = t.UID, model.BaseName(t.Path)
		if t.UID != "" || t.PID != 0 || t.Path != "" {
			e.Target = &t
		}
	case model.KindFileCreate, model.KindFileWrite, model.KindFileDelete, model.KindFileRead, model.KindFileCopy, model.KindFileRename, model.KindFileDownload, model.KindDeviceAccess:
		f := model.File{Path: wire.FirstOf(c.TargetPath, c.TargetName, c.Path), Size: wire.PID(c.Size), Hash: hashOf(c)}
		if c.TargetNewName != "" && c.TargetNewName != f.Path {
			f.Path, f.OldPath = c.TargetNewName, f.Path
		}
		f.Name = model.BaseName(f.Path)
		if f.Path != "" || f.Hash != nil {
			e.File = &f
		}
	case model.KindNetworkConnect, model.KindNetworkListen:
		e.Network = networkOf(c, e.Kind)
	case model.KindDNSQuery:
		e.DNS = &model.DNS{Question: model.DNSQuestion{Name: wire.DomainName(c.DomainName), Type: dnsType(c.RequestType)}}
		e.DNS.Answers = dnsAnswers(c.ResolvedIP)
		if e.DNS.Question == (model.DNSQuestion{}) && e.DNS.Answers == nil {
			e.DNS = nil
		}
		if c.RemoteAddress != "" {
			e.Network = &model.Network{Direction: "egress", Destination: &model.Endpoint{IP: model.Address(c.RemoteAddress), Port: wire.Port(c.RemotePort)}}
		}
	case model.KindRegistrySet, model.KindRegistryCreate, model.KindRegistryDelete:
		reg := model.Registry{Path: wire.FirstOf(c.TargetName, c.TargetPath, c.Key, c.Path), Value: wire.FirstOf(c.ValueName, c.Name), Data: wire.FirstOf(c.ValueData, c.Data)}
		if reg != (model.Registry{}) {
			e.Registry = &reg
		}
	case model.KindModuleLoad, model.KindDriverLoad:
		m := model.Module{Path: wire.FirstOf(c.ImagePath, c.TargetPath, c.Path), Hash: hashOf(c)}
		if m.Path != "" || m.Hash != nil {
			e.Module = &m
		}
	}
}

// dnsAnswers reads resolved_ip: addresses, or names, separated by commas, blanks
// or semicolons.
func dnsAnswers(s string) []model.DNSAnswer {
	var out []model.DNSAnswer
	for _, part := range strings.FieldsFunc(s, func(r rune) bool { return r == ',' || r == ';' || r == ' ' || r == '[' || r == ']' || r == '"' }) {
		a := model.DNSAnswer{Data: wire.DomainName(part)}
		if ip, err := netip.ParseAddr(part); err == nil {
			ip = ip.Unmap()
			a.Type, a.Data = "A", ip.String()
			if ip.Is6() {
				a.Type = "AAAA"
			}
		}
		out = append(out, a)
	}
	return out
}

func networkOf(c *wire.Cells, k model.Kind) *model.Network {
	n := &model.Network{Transport: transport(c.Protocol)}
	local := &model.Endpoint{IP: model.Address(c.LocalAddress), Port: wire.Port(c.LocalPort)}
	remote := &model.Endpoint{IP: model.Address(c.RemoteAddress), Port: wire.Port(c.RemotePort)}
	if c.HasDomain {
		remote.Domain = wire.DomainName(c.DomainName)
	} else if u, err := url.Parse(c.URL); err == nil && c.URL != "" {
		remote.Domain = u.Hostname()
	}
	if *local == (model.Endpoint{}) {
		local = nil
	}
	if *remote == (model.Endpoint{}) {
		remote = nil
	}
	inbound := strings.HasSuffix(strings.ToUpper(c.Action), "ACCEPT") || strings.EqualFold(c.Action, "accept4")
	switch {
	case inbound:
		n.Direction, n.Source, n.Destination = "ingress", remote, local
	case k == model.KindNetworkListen:
		n.Destination, n.Source = local, remote
	default:
		n.Direction, n.Source, n.Destination = "egress", local, remote
	}
	return n
}

func transport(p string) string {
	switch p {
	case "1":
		return "icmp"
	case "6":
		return "tcp"
	case "17":
		return "udp"
	case "0", "":
		return ""
	}
	return strings.ToLower(p)
}

func dnsType(t string) string {
	switch t {
	case "1":
		return "A"
	case "2":
		return "NS"
	case "5":
		return "CNAME"
	case "12":
		return "PTR"
	case "15":
		return "MX"
	case "16":
		return "TXT"
	case "28":
		return "AAAA"
	case "33":
		return "SRV"
	case "65":
		return "HTTPS"
	}
	return t
}

// summary is one line on what happened.
func summary(e *model.Event) string {
	actor := ""
	if e.Process != nil {
		actor = e.Process.Name
		if isProcessKind(e.Kind) {
			actor = wire.FirstOf(e.Process.CommandLine, e.Process.Path)
		}
	}
	object := ""
	switch {
	case e.Target != nil:
		object = e.Target.Path
	case e.File != nil:
		object = e.File.Path
	case e.DNS != nil:
		object = e.DNS.Question.Name
	case e.Registry != nil:
		object = e.Registry.Path
	case e.Module != nil:
		object = e.Module.Path
	case e.Network != nil:
		far := e.Network.Destination
		if e.Network.Direction == "ingress" {
			far = e.Network.Source
		}
		if far != nil {
			object = wire.FirstOf(far.Domain, far.IP)
			if far.Port > 0 {
				object += ":" + strconv.Itoa(far.Port)
			}
		}
	}
	switch {
	case actor == "" && object == "":
		return e.Action
	case object == "":
		return e.Action + " " + actor
	case actor == "":
		return e.Action + " " + object
	}
	return e.Action + " " + actor + " -> " + object
}

// severity reads the label; a JSON null is "NULL", which counts as WARNING,
// an absent one is unscored (docs/formats.md §8).
func severity(v json.RawMessage) model.Scored {
	if wire.KindOf(v) == 'n' {
		return model.ScoreLabel("NULL")
	}
	return model.ScoreLabel(wire.Scalar(v))
}

// fillEntry reads the alerted row: alerted_entry in the list, message in the
// detail.
func fillEntry(a *model.Alert, w *wire.Alert) (*wire.Row, error) {
	entry := w.AlertedEntry
	if wire.KindOf(entry) != '{' {
		entry = w.Message
	}
	if wire.KindOf(entry) != '{' {
		return nil, nil
	}
	r := &wire.Row{Table: string(w.QueryName)}
	if a.Host != nil {
		r.HostID, r.Hostname = a.Host.ID, a.Host.Name
	}
	if err := new(wire.RowReader).ReadCells(entry, r); err != nil {
		return nil, err
	}
	e := eventOf(r, false)
	a.User, a.Process, a.Target = e.User, e.Process, e.Target
	if r.Cells.EID != "" {
		a.EventIDs = []string{r.Cells.EID}
	}
	if a.Process != nil && a.Process.Parent != nil {
		pp := a.Process.Parent
		parent := &model.Process{UID: pp.UID, PID: pp.PID, Path: pp.Path, Name: pp.Name}
		parent.ID = pp.UID
		a.Ancestors = []*model.Process{parent}
	}
	a.Indicators = indicators(e)
	return r, nil
}

// indicators are the values of the alerted row that identify something.
func indicators(e *model.Event) []model.Indicator {
	var out []model.Indicator
	add := func(name, value, kind string) {
		if value != "" {
			out = append(out, model.Indicator{Name: name, Value: value, Type: kind})
		}
	}
	hash := func(h *model.Hash) {
		if h != nil {
			add("md5", h.MD5, "md5")
			add("sha1", h.SHA1, "sha1")
			add("sha256", h.SHA256, "sha256")
		}
	}
	if e.File != nil {
		add("target_path", e.File.Path, "file")
		hash(e.File.Hash)
	}
	if e.Module != nil {
		add("image_path", e.Module.Path, "file")
		hash(e.Module.Hash)
	}
	if e.DNS != nil {
		add("domain_name", e.DNS.Question.Name, "domain")
	}
	if n := e.Network; n != nil {
		far := n.Destination
		if n.Direction == "ingress" {
			far = n.Source
		}
		if far != nil {
			add("domain_name", far.Domain, "domain")
			add("remote_address", far.IP, "ip")
		}
	}
	if e.Registry != nil {
		add("target_name", e.Registry.Path, "registry")
	}
	return out
}

// sourceRule is the source of alerts that a rule raised.
const sourceRule = "rule"

// sourceTitle names an alert without a rule by where it comes from.
func sourceTitle(a *model.Alert) string {
	what := map[string]string{
		"ioc": "Indicator match", "virustotal": "VirusTotal match", "ibmxforce": "IBM X-Force match", "alienvault": "AlienVault OTX match",
	}[strings.ToLower(a.Source)]
	if what == "" {
		return wire.FirstOf(a.Source, a.Category, "alert")
	}
	if len(a.Indicators) > 0 {
		return what + ": " + a.Indicators[0].Value
	}
	return what
}

// alertOf is what an alert says of itself: neither its host nor its rule nor
// the alerted row.
func alertOf(w *wire.Alert) *model.Alert {
	a := &model.Alert{}
	a.ID = string(w.ID)
	a.Time = parseTime(string(w.CreatedAt))
	a.Category, a.Source = string(w.Type), string(w.Source)
	severity(w.Severity).Apply(a)
	a.StatusNative = string(w.Status)
	switch strings.ToUpper(a.StatusNative) {
	case "OPEN":
		a.Status = model.StatusOpen
	case "RESOLVED":
		a.Status = model.StatusClosed
	default:
		a.Status = model.StatusUnknown
	}
	switch strings.ToUpper(strings.ReplaceAll(string(w.Verdict), "_", " ")) {
	case "TRUE POSITIVE":
		a.Verdict = model.VerdictTruePositive
	case "FALSE POSITIVE":
		a.Verdict = model.VerdictFalsePositive
	default:
		a.Verdict = model.VerdictUnknown
	}
	a.EventCount = int(max(w.AggregatedN, 0))
	return a
}
