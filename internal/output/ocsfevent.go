package output

import (
	"strings"

	"github.com/edrctl/edrctl/internal/model"
)

// ocsfEvent maps an event to the class of its kind (docs/formats.md §3.1).
// An event that lacks what its class requires becomes a base event with the
// rest in unmapped: nothing is made up to satisfy a schema. File downloads are
// file creations, as the classes of the table are deprecated in 1.8.0.
func ocsfEvent(e *model.Event, opt Options) doc {
	if e == nil {
		return nil
	}
	device := ocsfDevice(e.Host)
	actorProc, subject := e.Process, e.Target
	if subject == nil {
		subject = e.Process
		if e.Kind == model.KindProcessStart {
			actorProc = parentOf(e.Process, nil)
		}
	}
	actor := ocsfActor(e, actorProc)
	own := doc{} // what the class has of its own
	c, activity, name := classBase, 99, string(e.Kind)
	needs := len(device) > 0 && len(actor) > 0

	switch e.Kind {
	case model.KindProcessStart, model.KindProcessEnd, model.KindProcessAccess, model.KindProcessInject, model.KindProcessTamper, model.KindAPICall:
		if p := ocsfProcess(subject, nil); needs && validProcess(p) {
			c, own["process"] = classProcess, p
			switch e.Kind {
			case model.KindProcessStart:
				activity, name = 1, "Launch"
			case model.KindProcessEnd:
				activity, name = 2, "Terminate"
			case model.KindProcessAccess:
				activity, name = 3, "Open"
			case model.KindProcessInject:
				activity, name = 4, "Inject"
			case model.KindProcessTamper:
				activity = 99
			default:
				activity, name = 0, "Unknown"
			}
		}
	case model.KindFileCreate, model.KindFileWrite, model.KindFileDelete, model.KindFileRead, model.KindFileCopy, model.KindFileRename, model.KindFileStream, model.KindFileDownload:
		if f := ocsfFile(e.File); needs && len(f) > 0 {
			c, own["file"] = classFile, f
			switch e.Kind {
			case model.KindFileRead:
				activity, name = 2, "Read"
			case model.KindFileWrite:
				activity, name = 3, "Update"
			case model.KindFileDelete:
				activity, name = 4, "Delete"
			case model.KindFileRename:
				activity, name = 5, "Rename"
			default:
				activity, name = 1, "Create"
			}
		}
	case model.KindModuleLoad, model.KindHook:
		if f := ocsfModuleFile(e.Module); needs && len(f) > 0 {
			c, own["module"] = classModule, doc{"file": f, "load_type_id": 0}
			activity, name = 1, "Load"
			if e.Kind == model.KindHook {
				activity, name = 3, "Invoke"
			}
		}
	case model.KindNetworkConnect, model.KindNetworkListen:
		if n := e.Network; n != nil {
			own.set("src_endpoint", ocsfEndpoint(n.Source))
			own.set("dst_endpoint", ocsfEndpoint(n.Destination))
			if len(own) > 0 {
				c, activity, name = classNetwork, 1, "Open"
				if e.Kind == model.KindNetworkListen {
					activity, name = 7, "Listen"
				}
				own["connection_info"] = ocsfConnection(n)
			}
		}
	case model.KindDNSQuery:
		if e.DNS == nil || e.DNS.Question.Name == "" || len(device) == 0 {
			break
		}
		c, activity, name = classDNS, 1, "Query"
		q := doc{"hostname": e.DNS.Question.Name}
		q.set("type", e.DNS.Question.Type)
		own["query"] = q
		own["src_endpoint"] = endpointOfDevice(device) // the host that asked
		var answers []doc
		for _, a := range e.DNS.Answers {
			if a.Data != "" {
				x := doc{"rdata": a.Data}
				x.set("type", a.Type)
				answers = append(answers, x)
			}
		}
		if len(answers) > 0 {
			activity, name = 2, "Response"
			own["answers"] = answers
		}
	case model.KindRegistrySet, model.KindRegistryDelete, model.KindRegistryCreate:
		c, activity, name, own = ocsfRegistry(e, needs)
	case model.KindDeviceAccess:
		what := first(Summary(e), e.Action)
		if needs && what != "" {
			c, activity, name = classWinResource, 1, "Access"
			own["win_resource"] = doc{"name": what, "type_id": 0}
		}
	case model.KindInventory, model.KindOther:
	default:
		if m, ok := ocsfLogged(e, device, needs); ok {
			c, activity, name, own = m.class, m.activity, m.name, m.own
		}
	}

	var profiles []string
	if (c.uid/1000 == 4 || c.uid/1000 == 3) && (len(device) > 0 || len(actor) > 0) || c == classBase {
		profiles = []string{"host"}
	}
	d := ocsfBase(c, activity, &e.Origin, e.Time, opt, profiles...)
	d["severity_id"], d["severity"] = 1, "Informational"
	d["activity_name"] = name
	if activity == 99 {
		d["activity_name"] = first(e.Action, string(e.Kind), "Other")
	}
	for k, v := range own {
		d[k] = v
	}
	d.set("device", device)
	d.set("actor", actor)
	d.set("message", Summary(e))
	d.at("metadata.logged_time", millis(e.Ingested))
	d.at("metadata.event_code", e.Action)
	d.at("metadata.labels", e.Tags)
	d.at("metadata.correlation_uid", e.AlertID)
	d.at("unmapped.kind", string(e.Kind))
	if c == classBase {
		ocsfRest(d, e)
	}
	if t := e.Detection; t != nil {
		x := doc{}
		x.set("rules", t.Rules)
		x.set("actions", t.Actions)
		x.set("attacks", ocsfAttacks(t.Attack))
		if t.Score != nil {
			x["score"] = *t.Score
		}
		d.at("unmapped.detection", x)
	}
	if e.File != nil {
		d.at("unmapped.old_path", e.File.OldPath)
	}
	ocsfLost(d, e, c)
	d.at("unmapped.url", e.URL)
	d.at("unmapped.sigma", sigmaMatches(e.Sigma))
	d.at("unmapped.event", eventRest(e))
	d.at("unmapped.image", ocsfImage(e.Process))
	d.set("raw_data", string(e.Raw))
	return d
}

// ocsfLost keeps in unmapped what the class of the event has no place for, so
// that a document says all that its record does: which of two processes was
// the target, processes without pid or uid, and the file, connection or
// registry value of an event whose class is about something else.
func ocsfLost(d doc, e *model.Event, c ocsfClass) {
	own, _ := d["process"].(doc)
	actor, _ := d["actor"].(doc)
	by, _ := actor["process"].(doc)
	if e.Target != nil && len(own) > 0 {
		d.at("unmapped.subject", "target")
	}
	kept := len(by) > 0
	if e.Kind == model.KindProcessStart && e.Target == nil { // the actor is the parent
		kept = len(own) > 0
		if p := parentOf(e.Process, nil); p != nil && own["parent_process"] == nil && len(by) == 0 {
			kept = false
		}
	}
	if p := e.Process; p != nil && !kept {
		d.at("unmapped.actor_process", ocsfUnnamed(p))
	}
	if t := e.Target; t != nil && len(own) == 0 && (c != classBase || !validProcess(ocsfProcessEntity(t))) {
		d.at("unmapped.target_process", ocsfUnnamed(t))
	}
	if f := e.File; f != nil && d["file"] == nil && c != classBase {
		d.at("unmapped.file", ocsfFile(f))
	}
	if n := e.Network; n != nil && c != classNetwork && c != classSMB {
		x := doc{}
		x.set("direction", n.Direction)
		x.set("transport", n.Transport)
		x.set("src_endpoint", ocsfEndpoint(n.Source))
		x.set("dst_endpoint", ocsfEndpoint(n.Destination))
		d.at("unmapped.network", x)
	}
	if r := e.Registry; r != nil && c != classBase {
		v, _ := d["reg_value"].(doc)
		k, _ := d["reg_key"].(doc)
		if c == classRegValue && r.Value != "" && v["path"] == r.Path || c == classRegKey && k["path"] == r.Path && r.Value == "" && r.Data == "" {
			return
		}
		x := doc{}
		x.set("path", r.Path)
		x.set("value", r.Value)
		x.set("data", r.Data)
		d.at("unmapped.registry", x)
	}
}

// ocsfUnnamed is a process that OCSF takes for none, as it has neither pid nor
// uid, with all that is known of it.
func ocsfUnnamed(p *model.Process) doc {
	d := ocsfProcessFull(p, nil)
	if parent := ocsfProcessEntity(parentOf(p, nil)); len(parent) > 0 {
		d["parent_process"] = parent
	}
	return d
}

// ocsfRest keeps in unmapped what a base event has no attribute for.
func ocsfRest(d doc, e *model.Event) {
	d.at("unmapped.process", ocsfProcess(e.Target, nil))
	d.at("unmapped.file", ocsfFile(e.File))
	if e.Module != nil {
		d.at("unmapped.module", e.Module.Path)
	}
	if r := e.Registry; r != nil {
		d.at("unmapped.registry.path", r.Path)
		d.at("unmapped.registry.value", r.Value)
		d.at("unmapped.registry.data", r.Data)
	}
	if n := e.Network; n != nil {
		d.at("unmapped.src_endpoint", ocsfEndpoint(n.Source))
		d.at("unmapped.dst_endpoint", ocsfEndpoint(n.Destination))
	}
	if e.DNS != nil {
		d.at("unmapped.query", e.DNS.Question.Name)
		d.at("unmapped.query_type", e.DNS.Question.Type)
		d.at("unmapped.answers", answerData(e.DNS))
	}
}

func ocsfRegistry(e *model.Event, needs bool) (ocsfClass, int, string, doc) {
	r := e.Registry
	if r == nil || r.Path == "" || !needs {
		return classBase, 99, string(e.Kind), doc{}
	}
	key := doc{"path": r.Path}
	value := doc{"path": r.Path, "name": r.Value}
	if r.Value == "" {
		i := strings.LastIndexByte(r.Path, '\\')
		value["name"] = r.Path[i+1:]
		if i > 0 {
			value["path"] = r.Path[:i]
		}
	}
	value.set("reg_string_data", r.Data)
	switch {
	case e.Kind == model.KindRegistryCreate:
		return classRegKey, 1, "Create", doc{"reg_key": key}
	case e.Kind == model.KindRegistryDelete && r.Value == "":
		return classRegKey, 4, "Delete", doc{"reg_key": key}
	case value["name"] == "":
		return classRegKey, 3, "Modify", doc{"reg_key": key}
	case e.Kind == model.KindRegistryDelete:
		return classRegValue, 4, "Delete", doc{"reg_value": value}
	}
	return classRegValue, 2, "Set", doc{"reg_value": value}
}

func ocsfActor(e *model.Event, p *model.Process) doc {
	d := doc{}
	if x := ocsfProcess(p, nil); validProcess(x) {
		d["process"] = x
	}
	u := e.User
	if u == nil && p != nil {
		u = p.User
	}
	d.set("user", ocsfUser(u))
	return d
}

// validProcess: OCSF knows a process by its pid or uid.
func validProcess(p doc) bool { return p["pid"] != nil || p["uid"] != nil }

// ocsfProcess maps a process with its parent and the chain above. Without a
// pid or uid the process is known by its name only, and OCSF takes none: it is
// then empty.
func ocsfProcess(p *model.Process, ancestors []*model.Process) doc {
	if p == nil || !validProcess(ocsfProcessEntity(p)) {
		return doc{}
	}
	return ocsfProcessFull(p, ancestors)
}

func ocsfProcessFull(p *model.Process, ancestors []*model.Process) doc {
	d := ocsfProcessEntity(p)
	d.set("working_directory", p.WorkingDirectory)
	d.set("terminated_time", millis(p.Ended))
	d.set("file", ocsfFile(&model.File{Path: p.Path, Hash: p.Hash}))
	d.set("user", ocsfUser(p.User))
	switch s := strings.ToLower(p.Integrity); {
	case s == "":
	case strings.Contains(s, "untrusted"):
		d["integrity_id"], d["integrity"] = 1, "Untrusted"
	case strings.Contains(s, "low"):
		d["integrity_id"], d["integrity"] = 2, "Low"
	case strings.Contains(s, "medium"):
		d["integrity_id"], d["integrity"] = 3, "Medium"
	case strings.Contains(s, "high"):
		d["integrity_id"], d["integrity"] = 4, "High"
	case strings.Contains(s, "system"):
		d["integrity_id"], d["integrity"] = 5, "System"
	default:
		d["integrity_id"], d["integrity"] = 99, p.Integrity
	}
	if parent := ocsfProcessEntity(parentOf(p, ancestors)); validProcess(parent) {
		d["parent_process"] = parent
	}
	var chain []doc
	for _, a := range ancestors { // root first
		if x := ocsfProcessEntity(a); len(x) > 0 {
			chain = append(chain, x)
		}
	}
	d.set("ancestry", chain)
	return d
}

func ocsfProcessEntity(p *model.Process) doc {
	d := doc{}
	if p == nil {
		return d
	}
	d.set("uid", p.UID)
	d.set("pid", p.PID)
	d.set("name", first(p.Name, model.BaseName(p.Path)))
	d.set("path", p.Path)
	d.set("cmd_line", p.CommandLine)
	d.set("created_time", millis(p.Started))
	return d
}

func ocsfUser(u *model.User) doc {
	d := doc{}
	if u == nil || u.Name == "" && u.ID == "" {
		return d
	}
	d.set("name", u.Name)
	d.set("domain", u.Domain)
	d.set("uid", u.ID)
	return d
}

func ocsfFile(f *model.File) doc {
	d := doc{}
	if f == nil {
		return d
	}
	name := first(f.Name, model.BaseName(f.Path))
	if name == "" {
		return d
	}
	d["name"], d["type_id"] = name, 0
	d.set("path", f.Path)
	d.set("size", f.Size)
	if i := strings.LastIndexByte(name, '.'); i > 0 && i < len(name)-1 {
		d["ext"] = strings.ToLower(name[i+1:])
	}
	d.set("hashes", ocsfHashes(f.Hash))
	return d
}

func ocsfHashes(h *model.Hash) []doc {
	if h == nil {
		return nil
	}
	var out []doc
	for _, x := range []struct {
		id          int
		name, value string
	}{{1, "MD5", h.MD5}, {2, "SHA-1", h.SHA1}, {3, "SHA-256", h.SHA256}, {4, "SHA-512", h.SHA512}, {18, "Imphash", h.Imphash}} {
		if x.value != "" {
			out = append(out, doc{"algorithm_id": x.id, "algorithm": x.name, "value": x.value})
		}
	}
	return out
}

func ocsfEndpoint(e *model.Endpoint) doc {
	d := doc{}
	if e == nil {
		return d
	}
	d.set("ip", validIP(e.IP))
	d.set("hostname", e.Domain)
	if len(d) > 0 && e.Port > 0 && e.Port <= 65535 {
		d["port"] = e.Port
	}
	return d
}

func ocsfConnection(n *model.Network) doc {
	d := doc{"direction_id": 0}
	switch strings.ToLower(n.Direction) {
	case "ingress", "inbound":
		d["direction_id"], d["direction"] = 1, "Inbound"
	case "egress", "outbound":
		d["direction_id"], d["direction"] = 2, "Outbound"
	}
	d.set("protocol_name", strings.ToLower(n.Transport))
	switch strings.ToLower(n.Transport) {
	case "tcp":
		d["protocol_num"] = 6
	case "udp":
		d["protocol_num"] = 17
	case "icmp":
		d["protocol_num"] = 1
	}
	return d
}

// ocsfDevice is empty when nothing identifies the host.
func ocsfDevice(h *model.Host) doc {
	d := doc{}
	if h == nil {
		return d
	}
	d.set("uid", h.ID)
	d.set("hostname", h.Name)
	ips := validIPs(h.IP)
	if len(ips) > 0 {
		d["ip"] = ips[0]
	}
	if len(d) == 0 {
		return d
	}
	d["type_id"] = 0
	d.set("domain", h.Domain)
	// Which address belongs to which card is not known: each stands alone.
	var nics []doc
	for _, ip := range ips {
		nics = append(nics, doc{"ip": ip})
	}
	for _, m := range h.MAC {
		if mac := validMAC(m, ":"); mac != "" {
			nics = append(nics, doc{"mac": mac})
		}
	}
	d.set("network_interfaces", nics)
	if o := h.OS; o != nil && first(o.Name, o.Platform) != "" {
		x := doc{"name": first(o.Name, o.Platform), "type_id": 0}
		switch platform(h) {
		case "windows":
			x["type_id"], x["type"] = 100, "Windows"
		case "linux":
			x["type_id"], x["type"] = 200, "Linux"
		case "darwin":
			x["type_id"], x["type"] = 300, "macOS"
		}
		x.set("version", o.Version)
		d["os"] = x
	}
	d.set("last_seen_time", millis(h.LastSeen))
	if h.AgentVersion != "" {
		d["agent_list"] = []doc{{"uid": first(h.ID, h.Name), "type_id": 1, "version": h.AgentVersion}}
	}
	if h.User != "" {
		d["owner"] = doc{"name": h.User}
	}
	var groups []doc
	for _, t := range h.Tags {
		if t != "" {
			groups = append(groups, doc{"name": t})
		}
	}
	d.set("groups", groups)
	return d
}
