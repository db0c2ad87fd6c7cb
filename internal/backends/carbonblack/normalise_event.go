package carbonblack

import (
	"cmp"
	"strconv"
	"strings"

	"github.com/edrctl/edrctl/internal/backends/carbonblack/wire"
	"github.com/edrctl/edrctl/internal/model"
)

// eventOf reads an event of a list or of either shape of the detail.
func eventOf(e *wire.Event) *model.Event { return new(eventNormaliser).event(e) }

// eventParts is an event with the parts nearly every event has, so that one
// row is one allocation.
type eventParts struct {
	event      model.Event
	host       model.Host
	actor      model.Process
	parent     model.ParentProcess
	user       model.User
	hash       model.Hash
	reputation model.Reputation
}

func (n *eventNormaliser) event(e *wire.Event) *model.Event {
	parts := new(eventParts)
	d := wire.First(e.ProcessDetails.V)
	actor := n.image(wire.First(e.SelectedApp.V, e.ProcessHash.V))
	parent := n.image(wire.First(e.ParentApp.V, e.ParentHash.V))
	target := n.image(wire.First(e.TargetApp.V, e.TargetHash.V))
	seen := wire.First(e.DeviceDetails.V)
	text := n.description(string(e.LongDescription), string(e.ShortDescription))
	host, device := n.host(seen)
	stage := string(cmp.Or(e.AttackStage, e.KillChainStatus))

	out := &parts.event
	out.ID = string(e.EventID)
	out.Time = model.FromMillis(e.EventTime.N)
	out.Ingested = model.FromMillis(e.CreateTime.N)
	out.Kind = kindOf(string(e.EventType), e.ThreatIndicators, text)
	out.Action = actionOf(string(e.EventType), text.long)
	out.Summary = cmp.Or(text.short, text.long)
	if host != nil {
		parts.host = *host
		out.Host = &parts.host
	}
	if u := n.user(string(cmp.Or(d.FullUserName, d.UserName))); u != nil {
		parts.user = *u
		out.User = &parts.user
	}
	out.Process = n.actor(parts, device, d, actor, parent, e.EventTime.N)
	out.Network = networkOf(e.NetFlow.V, text)
	out.Tags = e.ThreatIndicators
	out.AlertID = string(e.IncidentID)
	if e.RegistryValue != "" {
		out.Registry = &model.Registry{Path: string(e.RegistryValue)}
	}
	if out.Kind == model.KindFileCreate || out.Kind == model.KindFileRead {
		out.File = fileOf(&target.app, text.links, actor.hash.SHA256)
	} else {
		out.Target = n.target(device, d, target)
		if out.Kind == model.KindProcessStart {
			out.Target = targetFromLinks(out.Target, text.links, actor.hash.SHA256)
		}
	}
	if p := out.Process; p != nil {
		p.User, p.Name = out.User, linkedName(p.Name, text.links, actor.hash.SHA256)
	}
	if t := out.Target; t != nil && t.Hash != nil {
		t.Name = linkedName(t.Name, text.links, t.Hash.SHA256)
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

// linkedName is name as the description's link to the same file writes it;
// sha256 is in lower case, as links are.
func linkedName(name string, links []wire.Link, sha256 string) string {
	for _, l := range links {
		if l.Hash == sha256 {
			name = programName(wire.Exact(name), wire.Exact(l.Name))
		}
	}
	return name
}

func (n *eventNormaliser) actor(parts *eventParts, device string, d *wire.ProcessDetails, image, parent *knownImage, eventTime int64) *model.Process {
	key := n.key(device, string(d.PrivatePID))
	p := &parts.actor
	p.PID = cmp.Or(d.ProcessID.N, key.PID)
	p.Name = programName(image.app.ApplicationName, d.Name, image.app.ApplicationPath)
	p.Path = image.path
	p.CommandLine = string(d.CommandLine)
	p.Started = model.At(key.Started)
	if image.hasHash() {
		parts.hash = image.hash
		p.Hash = &parts.hash
	}
	if image.reputation != nil {
		parts.reputation = *image.reputation
		p.Reputation = &parts.reputation
	}
	if parts.parent = n.parent(device, d, parent); parts.parent != (model.ParentProcess{}) {
		p.Parent = &parts.parent
	}
	// A key put together by hand, or of a broken sensor clock, may lie long
	// after the event itself; the offset is then the better source. Minutes
	// are normal: the two times come from different clocks.
	since := d.MilisSinceProcessStart
	if eventTime > 0 && since.Set && since.N >= 0 && (p.Started.IsZero() || p.Started.UnixMilli() > eventTime+24*60*60*1000) {
		p.Started = model.FromMillis(eventTime - since.N)
	}
	if p.UID = key.uid; d.PrivatePID == "" {
		p.UID = processUID(device, "", p.PID, p.Started)
	}
	if empty(p) {
		return nil
	}
	return p
}

// empty reports whether nothing is known of a process: the answer then had an
// object of nulls in its place.
func empty(p *model.Process) bool {
	return p.UID == "" && p.PID == 0 && p.Name == "" && p.Path == "" && p.CommandLine == "" && p.Hash == nil && p.Parent == nil
}

func (n *eventNormaliser) parent(device string, d *wire.ProcessDetails, image *knownImage) model.ParentProcess {
	p := model.ParentProcess{
		PID:         d.ParentPID.N,
		Name:        programName(d.ParentName, image.app.ApplicationName, image.app.ApplicationPath),
		Path:        image.path,
		CommandLine: string(d.ParentCommandLine),
	}
	if d.ParentPrivatePID != "" {
		key := n.key(device, string(d.ParentPrivatePID))
		p.PID, p.UID = cmp.Or(p.PID, key.PID), key.uid
	}
	return p
}

func (n *eventNormaliser) target(device string, d *wire.ProcessDetails, image *knownImage) *model.Process {
	key := n.key(device, string(d.TargetPrivatePID))
	p := model.Process{
		UID:         key.uid,
		PID:         cmp.Or(d.TargetPID.N, key.PID),
		Name:        programName(d.TargetName, image.app.ApplicationName, image.app.ApplicationPath),
		Path:        image.path,
		CommandLine: string(d.TargetCommandLine),
		Started:     model.At(key.Started),
		Hash:        imageHash(&image.app),
		Reputation:  imageReputation(&image.app),
	}
	if d.TargetPrivatePID == "" {
		p.UID = processUID(device, "", p.PID, p.Started)
	}
	if empty(&p) {
		return nil
	}
	return &p
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

// otherLink is the first linked file that is not the actor (its SHA-256 in lower case), the one with a
// full path before one with a bare name.
func otherLink(links []wire.Link, actor string) (wire.Link, bool) {
	var found wire.Link
	for _, l := range links {
		if l.Hash == actor {
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

// networkOf is nil unless one member is set: the object is always there.
func networkOf(n *wire.NetFlow, text *description) *model.Network {
	if n == nil || *n == (wire.NetFlow{SourceAddress: n.SourceAddress}) {
		// Only the device's own address, as every event without a network has it.
		return nil
	}
	src := model.Endpoint{IP: model.Address(string(n.SourceAddress)), Port: port(n.SourcePort)}
	dst := model.Endpoint{IP: model.Address(string(n.DestAddress)), Port: port(n.DestPort)}
	peer := model.Address(string(cmp.Or(n.PeerIPAddress, n.PeerIPV4Address)))
	said := text.ownWords()
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
