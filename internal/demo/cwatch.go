package demo

import (
	"cmp"
	"crypto/sha1"
	"encoding/base64"
	"encoding/hex"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	cwatch "github.com/edrctl/edrctl/internal/backends/cwatch/fake"
	"github.com/edrctl/edrctl/internal/story"
)

// The story as Comodo cWatch EDR saw it. What that product does not record
// (ends of processes, DNS, module loads) is not there.

const (
	cwatchCustomer  = 1042
	cwatchEndpoint0 = 30000               // endpoint ids are this plus the host's number
	cwatchEvent0    = 1559293200000000000 // event ids likewise
	cwatchTime      = "2006-01-02T15:04:05.000Z"
	cwatchRetention = 30 * 24 * time.Hour
	cwatchIndexed   = 64 // files and addresses a process is found by, at most
)

// cwatchData maps the story onto the product's own records. Events stay in
// the story and are turned into rows when they are asked for.
func cwatchData(s *story.Story) *cwatch.Data {
	m := &cwatchMapper{images: make(map[*story.Process]*cwatchImage, len(s.Processes))}
	for _, p := range s.Processes {
		m.images[p] = nil
	}
	d := &cwatch.Data{Customer: cwatchCustomer}
	for _, h := range s.HostsOn(story.CWatch) {
		d.Endpoints = append(d.Endpoints, cwatchHost(h))
	}
	for _, a := range s.AlertsOn(story.CWatch) {
		d.Alerts = append(d.Alerts, m.alert(a))
	}
	rows := &cwatchEvents{m: m, index: story.NewIndex(s, story.CWatch)}
	runs := m.processes(s)
	files := newCWatchFiles()
	for _, p := range s.Processes {
		files.add(p.SHA1, p.Name, p.Verdict, p.Host)
	}
	for e := range s.EventSeq(story.CWatch) {
		rows.add(e)
		runs.add(e)
		files.add(e.FileSHA1, cwatchBase(e.FilePath), "", e.Host)
		if t := e.Target; t != nil {
			files.add(t.SHA1, t.Name, t.Verdict, t.Host)
		}
	}
	d.Events, d.Processes, d.Files = rows, runs.list, files.known
	return d
}

func cwatchBase(path string) string { return path[strings.LastIndexAny(path, `\/`)+1:] }

func cwatchHost(h *story.Host) cwatch.Endpoint {
	e := cwatch.Endpoint{
		ID: cwatchEndpointID(h), Name: h.Name, Version: "2.5.1." + strconv.Itoa(h.N%7),
		OS: strings.TrimSpace(h.OS), LoggedOn: h.User, Status: "online",
	}
	if h.Domain != "" && h.User != "" {
		e.LoggedOn = h.Domain + `\` + h.User
	}
	if !h.Online {
		e.Status = "offline"
		if h.N%2 == 0 {
			e.Status = "disconnected"
		}
	}
	return e
}

func cwatchEndpointID(h *story.Host) int64 { return int64(cwatchEndpoint0 + h.N) }

func cwatchVerdict(v string) int {
	switch v {
	case "safe":
		return 1
	case "malicious":
		return 2
	}
	return 3
}

// cwatchElevation is the token type Windows gives at an integrity level.
func cwatchElevation(integrity string) int {
	switch integrity {
	case "High", "System":
		return 2
	case "Medium", "Low":
		return 3
	}
	return 1
}

func cwatchHexID(parts ...string) string {
	sum := sha1.Sum([]byte(strings.Join(parts, "\x00")))
	return hex.EncodeToString(sum[:])
}

// cwatchRuleID is a rule's id in this product: a dashed GUID.
func cwatchRuleID(r *story.Rule) string {
	if len(r.ID) == 36 && strings.Count(r.ID, "-") == 4 {
		return r.ID
	}
	h := cwatchHexID("rule", r.ID)
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:32]
}

// cwatchImage is what every record of a process repeats.
type cwatchImage struct {
	instance, created string
	tree              []cwatch.Node
}

// cwatchMapper keeps the images of the told processes; those of the noise
// are computed each time and not kept.
type cwatchMapper struct {
	mu     sync.Mutex
	images map[*story.Process]*cwatchImage // every told process is a key
}

func (m *cwatchMapper) image(p *story.Process) *cwatchImage {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.imageOf(p)
}

func (m *cwatchMapper) imageOf(p *story.Process) *cwatchImage {
	i, told := m.images[p]
	if i != nil {
		return i
	}
	i = &cwatchImage{
		instance: cwatchHexID("process", p.GUID), created: p.Started.UTC().Format(cwatchTime),
		tree: []cwatch.Node{},
	}
	if q := p.Parent; q != nil {
		above := m.imageOf(q)
		i.tree = append(slices.Clip(above.tree), cwatch.Node{
			PID: int64(q.PID), CreationTime: above.created, UserName: q.User, UserDomain: q.Domain,
			Path: q.Path, Hash: q.SHA1, Verdict: cwatchVerdict(q.Verdict),
		})
	}
	if told {
		m.images[p] = i
	}
	return i
}

// cwatchType gives the base_event_type of a story event; 0 when the product
// does not record it.
func cwatchType(e *story.Event) int {
	switch e.Kind {
	case "process_start":
		return 1
	case "network_listen":
		return 2
	case "network_connect":
		return 3
	case "registry_delete":
		if e.RegValue != "" {
			return 5
		}
		return 4
	case "registry_set":
		return 6
	case "file_create", "file_write":
		return 7
	case "file_delete":
		return 8
	case "file_download":
		return 9
	case "file_copy":
		switch {
		case strings.HasPrefix(e.FileOldPath, `\\`):
			return 10
		case strings.HasPrefix(e.FilePath, `\\`):
			return 13
		}
		return 14
	case "device_access":
		switch device := strings.ToLower(e.FilePath); {
		case strings.Contains(device, "drive"), strings.Contains(device, "disk"):
			return 15
		case strings.Contains(device, "keyboard"):
			return 16
		case strings.Contains(device, "microphone"):
			return 20
		}
		return 17
	case "hook":
		return 18
	case "process_access":
		// Reading memory is a base type of its own.
		if access, err := strconv.ParseUint(strings.TrimPrefix(e.Access, "0x"), 16, 32); err == nil && access&0x10 != 0 {
			return 19
		}
		return 22
	case "process_inject":
		return 21
	}
	return 0
}

// cwatchEvents builds rows from the story when they are asked for.
type cwatchEvents struct {
	m     *cwatchMapper
	index *story.Index
	byN   []int32 // story number -> row + 1
	count int32
}

// add takes the next event of the story, oldest first.
func (c *cwatchEvents) add(e *story.Event) {
	c.count++
	if e.N >= len(c.byN) {
		c.byN = append(c.byN, make([]int32, e.N+1-len(c.byN))...)
	}
	c.byN[e.N] = c.count
}

func (c *cwatchEvents) Len() int { return c.index.Len() }

func (c *cwatchEvents) Millis(i int) int64 { return c.index.Time(i).UnixMilli() }

func (c *cwatchEvents) Find(id string) (int, bool) {
	n, err := strconv.ParseInt(id, 10, 64)
	if n -= cwatchEvent0; err != nil || n < 0 || n >= int64(len(c.byN)) || c.byN[n] == 0 {
		return 0, false
	}
	return int(c.byN[n]) - 1, true
}

func (c *cwatchEvents) Row(i int) *cwatch.Event { return c.m.event(c.index.At(i)) }

func (m *cwatchMapper) event(e *story.Event) *cwatch.Event {
	kind := cwatchType(e)
	out := &cwatch.Event{
		CustomerID: cwatchCustomer, Timestamp: e.Time.UnixMilli(), Sequence: int64(e.N), BaseType: kind,
		Device: e.Host.Name, EndpointID: cwatchEndpointID(e.Host), Group: cwatch.GroupOf(kind), LoggedOn: e.Host.User,
		EventTime: e.Time.UTC().Format(cwatchTime), ID: strconv.FormatInt(cwatchEvent0+int64(e.N), 10),
		ParentTree: []cwatch.Node{},
	}
	actor, target := cwatchActors(e)
	if actor != nil {
		i := m.image(actor)
		out.InstanceID, out.CreationTime, out.ParentTree = i.instance, i.created, i.tree
		out.PID, out.Path, out.Hash = int64(actor.PID), actor.Path, actor.SHA1
		out.UserName, out.UserDomain, out.Verdict = actor.User, actor.Domain, cwatchVerdict(actor.Verdict)
	}
	if e.Detected != nil && e.Detected.Backend == story.CWatch {
		id := cwatchRuleID(e.Detected)
		out.Adaptive = &id
	}
	m.object(out, e, target)
	return out
}

// cwatchActors gives who acted and on which process; a start without a
// target tells of the started process itself.
func cwatchActors(e *story.Event) (actor, target *story.Process) {
	if e.Kind == "process_start" && e.Target == nil && e.Process != nil {
		return e.Process.Parent, e.Process
	}
	return e.Process, e.Target
}

// object fills the group's own part of a row.
func (m *cwatchMapper) object(out *cwatch.Event, e *story.Event, target *story.Process) {
	switch out.BaseType {
	case 1:
		if target != nil {
			out.Child = &cwatch.Child{
				ChildInstanceID: m.image(target).instance, ChildPID: int64(target.PID), ChildPath: target.Path,
				ChildCommandLine: target.CommandLine, ChildElevation: cwatchElevation(target.Integrity), ChildHash: target.SHA1,
				ChildIsSigned: target.Signed, ChildVerdict: cwatchVerdict(target.Verdict),
			}
		}
	case 2:
		out.Network = &cwatch.Network{SourceIP: e.LocalIP, SourcePort: e.LocalPort, Protocol: cwatchProtocol(e.Transport)}
	case 3:
		n := &cwatch.Network{
			SourceIP: e.LocalIP, SourcePort: e.LocalPort, DestinationIP: e.RemoteIP, DestinationPort: e.RemotePort,
			Protocol: cwatchProtocol(e.Transport),
		}
		if e.Direction == "ingress" {
			n.SourceIP, n.DestinationIP = n.DestinationIP, n.SourceIP
			n.SourcePort, n.DestinationPort = n.DestinationPort, n.SourcePort
		}
		out.Network = n
	case 4, 5, 6:
		out.Registry = &cwatch.Registry{KeyPath: e.RegPath, ValueName: e.RegValue, ValueData: e.RegData}
	case 9:
		from := e.RemoteDomain
		if from == "" {
			from = e.RemoteIP
		}
		out.Browser = &cwatch.Browser{DownloadURL: "https://" + from + "/" + cwatchBase(e.FilePath), BrowserFilePath: e.FilePath, BrowserFileHash: e.FileSHA1}
	case 7, 8, 10, 11, 12, 13, 14:
		out.FileChange = &cwatch.FileChange{FilePath: e.FilePath, FileHash: e.FileSHA1, FileOldPath: e.FileOldPath}
	default:
		name := cmp.Or(e.FilePath, e.ModulePath)
		if target != nil {
			name = target.Path
		}
		out.TargetName = &name
	}
}

func cwatchProtocol(transport string) int {
	switch strings.ToLower(transport) {
	case "tcp":
		return 1
	case "udp":
		return 2
	}
	return 0
}

func (m *cwatchMapper) alert(a *story.Alert) cwatch.Alert {
	sum := sha1.Sum([]byte("alert\x00" + strconv.Itoa(a.N)))
	score := float64(a.Score)
	out := cwatch.Alert{
		ID: "AW" + base64.RawURLEncoding.EncodeToString(sum[:])[:18], CustomerID: cwatchCustomer,
		Timestamp: a.Time.UnixMilli(), EndpointID: cwatchEndpointID(a.Host),
		ExpirationDate: a.Time.Add(cwatchRetention).UnixMilli(), IsActive: a.Status == "open" || a.Status == "",
		Name: a.Title, Dismissed: a.Status == "dismissed", Device: a.Host.Name,
		Data: cwatch.AlertData{Score: &score, PolicyID: 77, PolicyName: a.Host.Policy},
	}
	if a.Status == "closed" {
		out.Status = cwatch.StatusClosed
	}
	switch a.Verdict {
	case "true_positive":
		v := true
		out.UserVerdict = &v
	case "false_positive":
		out.UserVerdict = new(bool)
	}
	e := m.cause(a)
	actor, target := a.Process, a.Target
	if e != nil {
		from, to := cwatchActors(e)
		if from != nil {
			actor = from
		}
		if to != nil {
			target = to
		}
	}
	event := &cwatch.AlertEvent{EndpointID: out.EndpointID, CustomerID: cwatchCustomer, EventTime: a.Time.UTC().Format(cwatchTime)}
	if e != nil {
		event.BaseEventType, event.EventGroup = cwatchType(e), cwatch.GroupOf(cwatchType(e))
		event.EventTime = e.Time.UTC().Format(cwatchTime)
	}
	if a.Rule != nil {
		event.Adaptive = cwatchRuleID(a.Rule)
	}
	if actor != nil {
		i := m.image(actor)
		out.ProcessHash, out.ProcessPath, out.User = actor.SHA1, actor.Path, actor.User
		out.Data.ProcessInstanceID = i.instance
		event.Process = cwatch.AlertProcess{
			InstanceID: i.instance, PID: int64(actor.PID), CreationTime: i.created, UserName: actor.User, UserDomain: actor.Domain,
			Path: actor.Path, Hash: actor.SHA1, Verdict: cwatchVerdict(actor.Verdict), DeviceName: a.Host.Name,
			LoggedOnUser: a.Host.User, ParentTree: i.tree,
		}
	}
	if target != nil {
		out.Data.ChildProcess = target.Path
		event.ChildInstanceID, event.ChildPID, event.ChildPath = m.image(target).instance, int64(target.PID), target.Path
		event.ChildElevation, event.ChildCmdLine = cwatchElevation(target.Integrity), target.CommandLine
		event.ChildHash, event.ChildVerdict, event.ChildIsSigned = target.SHA1, cwatchVerdict(target.Verdict), target.Signed
	}
	out.Data.Event = event
	return out
}

// cause is the event an alert was raised for: the one its rule fired on, else
// the first the product records.
func (m *cwatchMapper) cause(a *story.Alert) *story.Event {
	var first *story.Event
	for _, e := range a.Events {
		switch {
		case cwatchType(e) == 0:
			continue
		case a.Rule != nil && e.Detected == a.Rule:
			return e
		case first == nil:
			first = e
		}
	}
	return first
}

// cwatchRuns are the processes, with what they can be found by.
type cwatchRuns struct {
	list []cwatch.Process
	at   map[*story.Process]int
}

func (m *cwatchMapper) processes(s *story.Story) *cwatchRuns {
	out := &cwatchRuns{at: map[*story.Process]int{}}
	for _, p := range s.Processes {
		if p.Host == nil || !p.Host.On(story.CWatch) || p.Started.After(s.Anchor) {
			continue
		}
		out.at[p] = len(out.list)
		out.list = append(out.list, cwatch.Process{
			ID: m.image(p).instance, PID: int64(p.PID), Name: p.Name, Path: p.Path, Device: p.Host.Name, User: p.User, Hash: p.SHA1,
		})
	}
	return out
}

func (r *cwatchRuns) add(e *story.Event) {
	i, ok := r.at[e.Process]
	if !ok {
		return
	}
	put := func(list *[]string, s string) {
		if s != "" && len(*list) < cwatchIndexed {
			*list = append(*list, s)
		}
	}
	put(&r.list[i].FileHashes, e.FileSHA1)
	put(&r.list[i].FileNames, cwatchBase(e.FilePath))
	put(&r.list[i].DestinationIPs, e.RemoteIP)
}

// cwatchFiles collects what is known of every SHA-1.
type cwatchFiles struct {
	known map[string]cwatch.File
	seen  map[[2]string]bool // hash with a name, or with "@" and an endpoint
}

func newCWatchFiles() *cwatchFiles {
	return &cwatchFiles{known: map[string]cwatch.File{}, seen: map[[2]string]bool{}}
}

func (c *cwatchFiles) add(hash, name, verdict string, h *story.Host) {
	if hash == "" || h == nil || !h.On(story.CWatch) {
		return
	}
	f := c.known[hash]
	if v := cwatchVerdict(verdict); f.Verdict == 0 || v < 3 {
		f.Verdict = v
	}
	if key := [2]string{hash, name}; name != "" && len(f.Names) < cwatchIndexed && !c.seen[key] {
		c.seen[key] = true
		f.Names = append(f.Names, name)
	}
	id := cwatchEndpointID(h)
	if key := [2]string{hash, "@" + strconv.FormatInt(id, 10)}; !c.seen[key] {
		c.seen[key] = true
		f.Endpoints = append(f.Endpoints, id)
	}
	c.known[hash] = f
}
