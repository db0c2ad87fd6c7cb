package esp

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	"github.com/edrctl/edrctl/internal/client/jsonwalk"
	"github.com/edrctl/edrctl/internal/model"
)

// row is one stored result of a scheduled query, as 13, 15, 30, 94, 95 and
// 12b give it, with what the request knew beside it.
type row struct {
	id        int64 // the server's result id; 0 when the answer has none
	table     string
	timestamp string
	action    string // added, removed, snapshot
	hostname  string
	hostID    string
	nodeID    string
	cells     cells
	raw       []byte
}

// rowReader reads rows; it keeps its buffer from row to row.
type rowReader struct{ scratch []byte }

// read reads a whole result record (13, 15, 30, 95).
func (rr *rowReader) read(v []byte, r *row) error {
	var w jsonwalk.Walker
	w.Reset(v)
	r.raw = v
	if !w.Enter('{') {
		return wrongKind(&w, "an object")
	}
	for first := true; w.Next('}', &first); {
		switch string(w.Key()) {
		case "id":
			r.id = number(w.Raw(), 0)
		case "name":
			r.table = rr.text(&w)
		case "timestamp":
			r.timestamp = rr.text(&w)
		case "action":
			r.action = rr.text(&w)
		case "hostname":
			r.hostname = rr.text(&w)
		case "host_identifier":
			r.hostID = rr.text(&w)
		case "node_id":
			r.nodeID = rr.text(&w)
		case "columns":
			rr.scratch = r.cells.read(&w, rr.scratch, r.mayBeState())
		default:
			w.Skip()
		}
	}
	return closed(&w)
}

// readCells reads an answer that is the columns alone (94, 12b, alerts).
func (rr *rowReader) readCells(v []byte, r *row) error {
	var w jsonwalk.Walker
	w.Reset(v)
	r.raw = v
	if w.Peek() != '{' {
		return wrongKind(&w, "an object")
	}
	rr.scratch = r.cells.read(&w, rr.scratch, r.mayBeState())
	return closed(&w)
}

// mayBeState tells whether the row may come from a table of states, whose
// summary needs its first cells. The table is known before the columns in
// every answer seen; when it is not, the cells are kept.
func (r *row) mayBeState() bool { return !strings.Contains(r.table, "_events") }

func (rr *rowReader) text(w *jsonwalk.Walker) string {
	var ok bool
	if rr.scratch, ok = w.AppendScalar(rr.scratch[:0]); !ok {
		return ""
	}
	return string(rr.scratch)
}

// event is the normalised row (docs/formats.md §3, column ESP).
func (r *row) event(keepRaw bool) *model.Event {
	c := &r.cells
	e := &model.Event{Kind: kindOfRow(r.table, r.action, c)}
	e.ID = r.eventID()
	e.Time = r.time(e.Kind)
	e.Action = c.action
	if e.Action == "" {
		e.Action = r.table
	}
	if r.hostID != "" || r.hostname != "" || r.nodeID != "" {
		e.Host = &model.Host{Name: r.hostname}
		e.Host.ID = r.hostID
		if e.Host.ID == "" {
			e.Host.ID = r.nodeID
		}
	}
	e.User = c.account()
	switch e.Kind {
	case model.KindInventory:
		e.Action = r.table
		e.Summary = r.inventorySummary()
	default:
		r.fillActor(e)
		r.fillObject(e)
		e.Summary = summary(e)
	}
	if keepRaw {
		e.Raw = json.RawMessage(append([]byte(nil), r.raw...))
	}
	return e
}

// eventID is the agent's event id where that is a GUID, which is the same in
// every answer and which `search` finds again; plain osquery counts its eids
// per host, there the server's result id is taken.
func (r *row) eventID() string {
	if isGUID(r.cells.eid) {
		return r.cells.eid
	}
	if r.id > 0 {
		return strconv.FormatInt(r.id, 10)
	}
	sum := sha256.New()
	for _, part := range []string{r.hostID, r.nodeID, r.hostname, r.table, r.timestamp} {
		sum.Write([]byte(part))
		sum.Write([]byte{0})
	}
	sum.Write(r.raw)
	return "x" + hex.EncodeToString(sum.Sum(nil)[:10])
}

func isGUID(s string) bool {
	if len(s) != 36 {
		return false
	}
	for i := range len(s) {
		switch c := s[i]; {
		case i == 8 || i == 13 || i == 18 || i == 23:
			if c != '-' {
				return false
			}
		case c >= '0' && c <= '9', c >= 'a' && c <= 'f', c >= 'A' && c <= 'F':
		default:
			return false
		}
	}
	return true
}

// time is when it happened by the agent's clock; inventory rows have only the
// time the query ran.
func (r *row) time(k model.Kind) model.Time {
	c := &r.cells
	if k != model.KindInventory {
		if t := parseTime(c.time); !t.IsZero() {
			return t
		}
		if t := parseTime(c.utcTime); !t.IsZero() {
			return t
		}
	}
	return parseTime(r.timestamp)
}

// parseTime reads any time ESP writes.
func parseTime(s string) model.Time { return model.Time{Time: parseInstant(s)} }

// account reads who did it: DOMAIN\name in the Windows tables, a number in
// osquery's.
func (c *cells) account() *model.User {
	for _, s := range []string{c.ownerUID, c.username, c.user} {
		if s != "" {
			return model.SplitUser(s)
		}
	}
	switch {
	case c.uid == "":
		return nil
	case isDigits(c.uid):
		return &model.User{ID: c.uid}
	}
	return model.SplitUser(c.uid)
}

func isDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

// isNumber tells whether s can be one of the server's own numbers.
func isNumber(s string) bool { return isDigits(s) && len(s) <= 18 }

func pidOf(s string) int64 {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 0 {
		return 0
	}
	return n
}

func hashOf(c *cells) *model.Hash {
	h := model.Hash{MD5: hexOf(c.md5, 32), SHA1: hexOf(c.sha1, 40), SHA256: hexOf(c.sha256, 64)}
	if h == (model.Hash{}) {
		return nil
	}
	return &h
}

// hexOf takes a hash of the right length; anything else is no hash.
func hexOf(s string, n int) string {
	if len(s) != n {
		return ""
	}
	return strings.ToLower(s)
}

// fillActor sets the process that acted. A PROC_* row is about the process
// itself; the other tables name it by process_name, which is its path.
func (r *row) fillActor(e *model.Event) {
	c := &r.cells
	p := model.Process{UID: trimGUID(c.processGUID), PID: pidOf(c.pid), CommandLine: c.cmdline, WorkingDirectory: c.cwd}
	p.Path = c.processName
	if p.Path == "" && ownPath(e.Kind) {
		p.Path = c.path
	}
	if c.srcPath != "" || c.srcGUID != "" || c.srcPID != "" {
		p.UID, p.PID, p.Path = firstOf(trimGUID(c.srcGUID), p.UID), pidOf(firstOf(c.srcPID, c.pid)), firstOf(c.srcPath, p.Path)
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
	pp := model.ParentProcess{UID: trimGUID(c.parentGUID), PID: pidOf(firstOf(c.parentPID, c.parent)), Path: c.parentPath, Name: model.BaseName(c.parentPath)}
	if pp != (model.ParentProcess{}) {
		p.Parent = &pp
	}
	if p.UID == "" && p.PID == 0 && p.Path == "" && p.CommandLine == "" && p.Parent == nil {
		return
	}
	if p.UID == "" && e.Kind == model.KindProcessStart {
		p.UID = fallbackUID(firstOf(r.hostID, r.nodeID), p.PID, p.Started)
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

func trimGUID(s string) string { return strings.Trim(s, "{}") }

func firstOf(list ...string) string {
	for _, s := range list {
		if s != "" {
			return s
		}
	}
	return ""
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
func (r *row) fillObject(e *model.Event) {
	c := &r.cells
	switch e.Kind {
	case model.KindProcessAccess, model.KindProcessInject:
		t := model.Process{UID: trimGUID(c.targetGUID), PID: pidOf(c.targetPID), Path: firstOf(c.targetPath, c.targetName)}
		t.ID, t.Name = t.UID, model.BaseName(t.Path)
		if t.UID != "" || t.PID != 0 || t.Path != "" {
			e.Target = &t
		}
	case model.KindFileCreate, model.KindFileWrite, model.KindFileDelete, model.KindFileRead, model.KindFileCopy, model.KindFileRename, model.KindFileDownload, model.KindDeviceAccess:
		f := model.File{Path: firstOf(c.targetPath, c.targetName, c.path), Size: pidOf(c.size), Hash: hashOf(c)}
		if c.targetNewName != "" && c.targetNewName != f.Path {
			f.Path, f.OldPath = c.targetNewName, f.Path
		}
		f.Name = model.BaseName(f.Path)
		if f.Path != "" || f.Hash != nil {
			e.File = &f
		}
	case model.KindNetworkConnect, model.KindNetworkListen:
		e.Network = c.network(e.Kind)
	case model.KindDNSQuery:
		e.DNS = &model.DNS{Question: model.DNSQuestion{Name: domain(c.domainName), Type: dnsType(c.requestType)}}
		e.DNS.Answers = dnsAnswers(c.resolvedIP)
		if e.DNS.Question == (model.DNSQuestion{}) && e.DNS.Answers == nil {
			e.DNS = nil
		}
		if c.remoteAddress != "" {
			e.Network = &model.Network{Direction: "egress", Destination: &model.Endpoint{IP: model.Address(c.remoteAddress), Port: portOf(c.remotePort)}}
		}
	case model.KindRegistrySet, model.KindRegistryCreate, model.KindRegistryDelete:
		reg := model.Registry{Path: firstOf(c.targetName, c.targetPath, c.key, c.path), Value: firstOf(c.valueName, c.name), Data: firstOf(c.valueData, c.data)}
		if reg != (model.Registry{}) {
			e.Registry = &reg
		}
	case model.KindModuleLoad, model.KindDriverLoad:
		m := model.Module{Path: firstOf(c.imagePath, c.targetPath, c.path), Hash: hashOf(c)}
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
		a := model.DNSAnswer{Data: domain(part)}
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

func (c *cells) network(k model.Kind) *model.Network {
	n := &model.Network{Transport: transport(c.protocol)}
	local := &model.Endpoint{IP: model.Address(c.localAddress), Port: portOf(c.localPort)}
	remote := &model.Endpoint{IP: model.Address(c.remoteAddress), Port: portOf(c.remotePort)}
	if c.hasDomain {
		remote.Domain = domain(c.domainName)
	} else if u, err := url.Parse(c.url); err == nil && c.url != "" {
		remote.Domain = u.Hostname()
	}
	if *local == (model.Endpoint{}) {
		local = nil
	}
	if *remote == (model.Endpoint{}) {
		remote = nil
	}
	inbound := strings.HasSuffix(strings.ToUpper(c.action), "ACCEPT") || strings.EqualFold(c.action, "accept4")
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

// domain drops the dot the agent writes before a name.
func domain(s string) string { return strings.Trim(s, ".") }

func portOf(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil || n < 0 || n > 65535 {
		return 0
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

// inventorySummary names the table and the first cells of a row that is a
// state, not an event.
func (r *row) inventorySummary() string {
	var b strings.Builder
	b.WriteString(r.table)
	for i, c := range r.cells.order {
		if i == 4 {
			break
		}
		if i == 0 {
			b.WriteByte(':')
		}
		b.WriteByte(' ')
		b.WriteString(c.name)
		b.WriteByte('=')
		b.WriteString(c.value)
	}
	return b.String()
}

// summary is one line on what happened.
func summary(e *model.Event) string {
	actor := ""
	if e.Process != nil {
		actor = e.Process.Name
		if isProcessKind(e.Kind) {
			actor = firstOf(e.Process.CommandLine, e.Process.Path)
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
			object = firstOf(far.Domain, far.IP)
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
