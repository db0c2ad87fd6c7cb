package carbonblack

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/edrctl/edrctl/internal/backends/carbonblack/wire"
	"github.com/edrctl/edrctl/internal/model"
)

// eventOf reads an event of a list or of either shape of the detail.
func eventOf(e *wire.Event) *model.Event {
	d := wire.First(e.ProcessDetails.V)
	actor := wire.First(e.SelectedApp.V, e.ProcessHash.V)
	parent := wire.First(e.ParentApp.V, e.ParentHash.V)
	target := wire.First(e.TargetApp.V, e.TargetHash.V)
	seen := wire.First(e.DeviceDetails.V)
	long, links := wire.PlainText(string(e.LongDescription))
	short, shortLinks := wire.PlainText(string(e.ShortDescription))
	device := wire.Number(seen.DeviceID)
	stage := string(cmp.Or(e.AttackStage, e.KillChainStatus))

	out := &model.Event{
		Origin:   model.Origin{ID: string(e.EventID)},
		Time:     model.FromMillis(e.EventTime.N),
		Ingested: model.FromMillis(e.CreateTime.N),
		Kind:     kindOf(string(e.EventType), e.ThreatIndicators, cmp.Or(long, short)),
		Action:   actionOf(string(e.EventType), long),
		Summary:  cmp.Or(short, long),
		Host:     eventHost(seen),
		User:     model.SplitUser(string(cmp.Or(d.FullUserName, d.UserName))),
		Process:  eventActor(device, d, actor, parent, e.EventTime.N),
		Network:  networkOf(e.NetFlow.V, cmp.Or(long, short)),
		Tags:     e.ThreatIndicators,
		AlertID:  string(e.IncidentID),
	}
	if e.RegistryValue != "" {
		out.Registry = &model.Registry{Path: string(e.RegistryValue)}
	}
	links = append(links, shortLinks...)
	if out.Kind == model.KindFileCreate || out.Kind == model.KindFileRead {
		out.File = fileOf(target, links, string(actor.SHA256Hash))
	} else {
		out.Target = eventTarget(device, d, target)
		if out.Kind == model.KindProcessStart {
			out.Target = targetFromLinks(out.Target, links, string(actor.SHA256Hash))
		}
	}
	if p := out.Process; p != nil {
		p.User, p.Name = out.User, linkedName(p.Name, links, string(actor.SHA256Hash))
	}
	if t := out.Target; t != nil && t.Hash != nil {
		t.Name = linkedName(t.Name, links, t.Hash.SHA256)
	}
	out.Detection = detection(cmp.Or(e.AlertScore.N, e.ThreatScore.N), stage, e.ThreatIndicators, string(e.IncidentID))
	return out
}

// detection is what the cloud said about an event: a score only when the
// event is part of an alert (0 is "none", §5.2).
func detection(score int64, stage string, ttps []string, incident string) *model.Detection {
	attack := attackOf(stage, ttps)
	if score <= 0 && incident == "" && len(attack) == 0 {
		return nil
	}
	d := &model.Detection{Attack: attack}
	if score > 0 {
		d.Score = model.ScoreNumber(model.ScaleCarbonBlack, float64(score)).Score
	}
	return d
}

// actionOf is the event type, with the function it names.
func actionOf(eventType, plain string) string {
	if call := wire.CalledFunction(plain); call != "" && eventType == wire.TypeAPICall {
		return eventType + " " + call
	}
	return eventType
}

// programName is the name of the first place that has one. The server writes
// some of them in lower case; another place that knows the same name as it is
// written on the disk is believed.
func programName(places ...wire.Exact) string {
	name := ""
	for _, p := range places {
		base := model.BaseName(string(p))
		switch {
		case base == "":
		case name == "":
			name = base
		case base != name && name == strings.ToLower(name) && strings.EqualFold(base, name):
			return base
		}
	}
	return name
}

// linkedName is name as the description's link to the same file writes it.
func linkedName(name string, links []wire.Link, sha256 string) string {
	for _, l := range links {
		if l.Hash == strings.ToLower(sha256) {
			name = programName(wire.Exact(name), wire.Exact(l.Name))
		}
	}
	return name
}

func eventActor(device string, d *wire.ProcessDetails, app, parent *wire.App, eventTime int64) *model.Process {
	key := wire.ParsePrivatePID(string(d.PrivatePID))
	p := &model.Process{
		PID:         cmp.Or(d.ProcessID.N, key.PID),
		Name:        programName(app.ApplicationName, d.Name, app.ApplicationPath),
		Path:        imagePath(app),
		CommandLine: string(d.CommandLine),
		Started:     model.At(key.Started),
		Hash:        imageHash(app),
		Reputation:  imageReputation(app),
		Parent:      parentOf(device, d, parent),
	}
	// A key put together by hand, or of a broken sensor clock, may lie long
	// after the event itself; the offset is then the better source. Minutes
	// are normal: the two times come from different clocks.
	since := d.MilisSinceProcessStart
	if eventTime > 0 && since.Set && since.N >= 0 && (p.Started.IsZero() || p.Started.UnixMilli() > eventTime+24*60*60*1000) {
		p.Started = model.FromMillis(eventTime - since.N)
	}
	p.UID = processUID(device, string(d.PrivatePID), p.PID, p.Started)
	if empty(p) {
		return nil
	}
	return p
}

// empty tells whether nothing is known of a process: the answer then had an
// object of nulls in its place.
func empty(p *model.Process) bool {
	return p.UID == "" && p.PID == 0 && p.Name == "" && p.Path == "" && p.CommandLine == "" && p.Hash == nil && p.Parent == nil
}

func parentOf(device string, d *wire.ProcessDetails, app *wire.App) *model.ParentProcess {
	key := wire.ParsePrivatePID(string(d.ParentPrivatePID))
	p := model.ParentProcess{
		PID:         cmp.Or(d.ParentPID.N, key.PID),
		Name:        programName(d.ParentName, app.ApplicationName, app.ApplicationPath),
		Path:        imagePath(app),
		CommandLine: string(d.ParentCommandLine),
		UID:         processUID(device, string(d.ParentPrivatePID), 0, model.Time{}),
	}
	if d.ParentPrivatePID == "" {
		p.UID = ""
	}
	if p == (model.ParentProcess{}) {
		return nil
	}
	return &p
}

func eventTarget(device string, d *wire.ProcessDetails, app *wire.App) *model.Process {
	key := wire.ParsePrivatePID(string(d.TargetPrivatePID))
	p := &model.Process{
		PID:         cmp.Or(d.TargetPID.N, key.PID),
		Name:        programName(d.TargetName, app.ApplicationName, app.ApplicationPath),
		Path:        imagePath(app),
		CommandLine: string(d.TargetCommandLine),
		Started:     model.At(key.Started),
		Hash:        imageHash(app),
		Reputation:  imageReputation(app),
	}
	p.UID = processUID(device, string(d.TargetPrivatePID), p.PID, p.Started)
	if empty(p) {
		return nil
	}
	return p
}

// targetFromLinks fills the child of a process start from the files the
// description links, where the answer has no block for it (alert events).
func targetFromLinks(p *model.Process, links []wire.Link, actor string) *model.Process {
	if p != nil && p.Hash != nil {
		return p
	}
	l, ok := otherLink(links, actor)
	if !ok {
		return p
	}
	if p == nil {
		p = &model.Process{Name: model.BaseName(l.Name)}
	}
	if p.Path == "" && isPath(l.Name) {
		p.Path = l.Name
	}
	if p.Name == "" || strings.EqualFold(p.Name, model.BaseName(l.Name)) {
		p.Hash = &model.Hash{SHA256: l.Hash}
	}
	return p
}

// otherLink is the first linked file that is not the actor, the one with a
// full path before one with a bare name.
func otherLink(links []wire.Link, actor string) (wire.Link, bool) {
	var found wire.Link
	for _, l := range links {
		if l.Hash == strings.ToLower(actor) {
			continue
		}
		if isPath(l.Name) {
			return l, true
		}
		if found.Hash == "" {
			found = l
		}
	}
	return found, found.Hash != ""
}

func fileOf(app *wire.App, links []wire.Link, actor string) *model.File {
	f := &model.File{Path: imagePath(app), Name: programName(app.ApplicationName, app.ApplicationPath), Hash: imageHash(app)}
	if f.Path == "" || f.Hash == nil {
		if l, ok := otherLink(links, actor); ok && (f.Name == "" || strings.EqualFold(f.Name, model.BaseName(l.Name))) {
			if f.Path == "" && isPath(l.Name) {
				f.Path = l.Name
			}
			f.Name = cmp.Or(f.Name, model.BaseName(l.Name))
			if f.Hash == nil {
				f.Hash = &model.Hash{SHA256: l.Hash}
			}
		}
	}
	if f.Path == "" && f.Name == "" && f.Hash == nil {
		return nil
	}
	return f
}

// isPath tells a path from a bare name or a command line with a path in it.
func isPath(s string) bool {
	return strings.HasPrefix(s, "/") || strings.HasPrefix(s, `\\`) ||
		len(s) > 3 && s[1] == ':' && (s[2] == '\\' || s[2] == '/')
}

// imagePath is the image path: applicationPath, or an applicationName that is one.
func imagePath(a *wire.App) string {
	if a.ApplicationPath != "" {
		return string(a.ApplicationPath)
	}
	if isPath(string(a.ApplicationName)) {
		return string(a.ApplicationName)
	}
	return ""
}

func imageHash(a *wire.App) *model.Hash { return hashes(a.MD5Hash, a.SHA256Hash) }

func hashes(md5, sha256 wire.Text) *model.Hash {
	h := model.Hash{MD5: strings.ToLower(string(md5)), SHA256: strings.ToLower(string(sha256))}
	if h == (model.Hash{}) {
		return nil
	}
	return &h
}

func imageReputation(a *wire.App) *model.Reputation {
	return reputationOf(string(cmp.Or(a.EffectiveReputation, a.ReputationProperty)))
}

// eventHost reads the device an event or a notification names.
func eventHost(s *wire.EventDevice) *model.Host {
	domain, name := deviceName(string(s.DeviceName))
	h := &model.Host{
		Origin: model.Origin{ID: wire.Number(s.DeviceID)},
		Name:   name, Domain: domain,
		OS:     osOf(string(s.DeviceType), string(s.DeviceVersion)),
		IP:     addresses(s.InternalIPAddress, s.DeviceIPAddress, s.DeviceIPV4Address, s.ExternalIPAddress),
		User:   string(cmp.Or(s.LoginUserName, s.DeviceOwnerName, s.Email)),
		Policy: named(s.PolicyID, cmp.Or(s.PolicyName, s.GroupName)),
	}
	if h.ID == "" && h.Name == "" && len(h.IP) == 0 {
		return nil
	}
	return h
}

// deviceName takes the domain off DOMAIN\NAME.
func deviceName(s string) (domain, name string) {
	if d, n, ok := strings.Cut(s, `\`); ok {
		return d, n
	}
	return "", s
}

func osOf(deviceType, version string) *model.OS {
	name, platform := platformOf(deviceType)
	if name == "" && version == "" {
		return nil
	}
	return &model.OS{Name: name, Version: version, Platform: platform}
}

// networkOf is nil unless one member is set: the object is always there.
func networkOf(n *wire.NetFlow, plain string) *model.Network {
	if n == nil {
		return nil
	}
	src := model.Endpoint{IP: model.Address(string(n.SourceAddress)), Port: port(n.SourcePort)}
	dst := model.Endpoint{IP: model.Address(string(n.DestAddress)), Port: port(n.DestPort)}
	peer := model.Address(string(cmp.Or(n.PeerIPAddress, n.PeerIPV4Address)))
	said := wire.Unquoted(plain)
	// Which end is the peer: the address says it unless both or none match.
	ingress := peer != "" && peer == src.IP && peer != dst.IP
	if peer == "" || peer == src.IP && peer == dst.IP || peer != src.IP && peer != dst.IP {
		ingress = strings.Contains(said, "accepted") || strings.Contains(said, "received")
	}
	if ingress {
		src.IP, src.Domain = cmp.Or(src.IP, peer), string(n.PeerFQDN)
	} else {
		dst.IP, dst.Domain = cmp.Or(dst.IP, peer), string(n.PeerFQDN)
	}
	proto, service, _ := strings.Cut(string(n.Service), "/")
	if p, err := strconv.Atoi(service); err == nil && dst.Port == 0 && p > 0 && p <= 65535 {
		dst.Port = p
	}
	out := &model.Network{Transport: strings.ToLower(proto), Source: endpoint(src), Destination: endpoint(dst)}
	if dst == (model.Endpoint{}) && src.Port == 0 && src.Domain == "" && proto == "" {
		// Only the device's own address, as every non-network event has it.
		return nil
	}
	out.Direction = "egress"
	if ingress {
		out.Direction = "ingress"
	}
	return out
}

func endpoint(e model.Endpoint) *model.Endpoint {
	if e == (model.Endpoint{}) {
		return nil
	}
	return &e
}

func port(w wire.Int) int {
	if w.N < 0 || w.N > 65535 {
		return 0
	}
	return int(w.N)
}

// listedProcess reads a row of GET /process; h is the device the row was asked for,
// nil when the question named none.
func listedProcess(w *wire.Process, h *model.Host) *model.Process {
	key := wire.ParsePrivatePID(string(w.PrivatePID))
	var device string
	if h != nil {
		device = h.ID
	}
	p := &model.Process{
		PID:        cmp.Or(w.ProcessID.N, key.PID),
		Name:       programName(w.ApplicationName, w.ApplicationPath),
		Path:       string(w.ApplicationPath),
		Started:    model.At(key.Started),
		Hash:       hashes("", w.SHA256Hash),
		EventCount: int(max(w.NumEvents.N, 0)),
		Host:       h,
	}
	p.UID = processUID(device, string(w.PrivatePID), p.PID, p.Started)
	p.ID = p.UID
	return p
}

// deviceHost reads a device. online is derived: contact within the last 15 minutes
// of a registered sensor (§11.6).
func deviceHost(w *wire.Device, now model.Time) *model.Host {
	domain, name := deviceName(string(w.Name))
	h := &model.Host{
		Origin: model.Origin{ID: wire.Number(w.DeviceID)},
		Name:   name, Domain: domain,
		OS:           osOf(string(w.DeviceType), string(w.OSVersion)),
		IP:           addresses(w.LastInternalIPAddress, w.LastExternalIPAddress),
		MAC:          macOf(string(w.MACAddress)),
		User:         string(cmp.Or(w.LoginUserName, w.Email)),
		AgentVersion: string(w.SensorVersion),
		LastSeen:     model.FromMillis(w.LastContact.N),
		State:        string(w.Status),
		Isolated:     w.Quarantined.Ptr(),
		Policy:       named(w.PolicyID, w.PolicyName),
		Tags:         distinct(w.ADGroupName),
	}
	if w.Status != "" {
		h.Online = model.Ptr(strings.EqualFold(string(w.Status), "REGISTERED") &&
			!h.LastSeen.IsZero() && now.Sub(h.LastSeen.Time) < onlineWithin)
	}
	return h
}

// macOf writes 12 hex digits with colons; zeroes mean unknown.
func macOf(s string) []string {
	s = strings.ToLower(strings.NewReplacer(":", "", "-", "").Replace(s))
	if len(s) != 12 || !wire.IsHex(s) || s == "000000000000" {
		return nil
	}
	var b strings.Builder
	for i := 0; i < 12; i += 2 {
		if i > 0 {
			b.WriteByte(':')
		}
		b.WriteString(s[i : i+2])
	}
	return []string{b.String()}
}

func named(id, name wire.Text) *model.Named {
	if id == "0" {
		id = ""
	}
	if id == "" && name == "" {
		return nil
	}
	return &model.Named{ID: string(id), Name: string(name)}
}

func distinct(values ...wire.Text) []string {
	var out []string
	for _, v := range values {
		if v != "" && !slices.Contains(out, string(v)) {
			out = append(out, string(v))
		}
	}
	return out
}

// addresses are the distinct addresses among values.
func addresses(values ...wire.Text) []string {
	for i, v := range values {
		values[i] = wire.Text(model.Address(string(v)))
	}
	return distinct(values...)
}

// processUID is the key of a process over all devices: deviceId:privatePid.
// Without a private pid it is built from pid and start, and empty when those
// are not known either: a pid alone names no process for long.
func processUID(device, private string, pid int64, started model.Time) string {
	key := private
	if key == "" {
		if pid <= 0 || started.IsZero() {
			return ""
		}
		key = strconv.FormatInt(pid, 10) + "-" + strconv.FormatInt(started.UnixMilli(), 10)
	}
	if device == "" {
		return key
	}
	return device + ":" + key
}
