package cwatch

import (
	"bytes"
	"encoding/json"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/edrctl/edrctl/internal/model"
)

// Wire to model, column CW of docs/formats.md. Nothing is invented: what
// the vendor does not supply stays absent.

// eventParts is an event with the parts nearly every event has, so that one
// row is one allocation.
type eventParts struct {
	event  model.Event
	host   model.Host
	actor  model.Process
	user   model.User
	parent model.ParentProcess
	hash   model.Hash
}

// event reads a row of /events.
func (r *reader) event(b []byte, keepRaw bool) (*model.Event, error) {
	var w wireEvent
	if err := w.decode(b); err != nil {
		return nil, err
	}
	e := r.normaliseEvent(&w)
	r.finish(e, &w, b, keepRaw)
	return e, nil
}

// finish gives an event what the row as a whole supplies: an id when it has
// none of its own, and the JSON.
func (r *reader) finish(e *model.Event, w *wireEvent, b []byte, keepRaw bool) {
	if e.ID == "" {
		e.ID = madeUpID(text(w.endpoint), text(w.timestamp), canonical(b))
	}
	if keepRaw {
		e.Raw = json.RawMessage(bytes.Clone(b))
	}
}

func (r *reader) normaliseEvent(w *wireEvent) *model.Event {
	parts := &eventParts{}
	e := &parts.event
	e.ID = text(w.id)
	e.Ingested = model.At(instant(w.timestamp))
	if e.Time = model.At(instant(w.eventTime)); e.Time.IsZero() {
		e.Time = e.Ingested
	}
	e.Kind, e.Action = kindOf(baseNumber(w.baseType))

	if w.device != nil || w.endpoint != nil {
		h := &parts.host
		h.ID, h.Name, h.User = text(w.endpoint), r.shared(w.device), r.shared(w.loggedOn)
		e.Host = h
	}
	e.Process = r.actor(&w.actor, parts)
	if e.Process != nil {
		e.User = e.Process.User
	}
	e.Target = r.child(&w.child, e.Process)
	r.network(w, e)
	r.registry(w, e)
	r.file(w, e)
	e.URL = text(w.url)
	if s := r.shared(w.target); s != "" && e.Target == nil && actsOnProcess(e.Kind) {
		e.Target = &model.Process{Path: s, Name: model.BaseName(s)}
	}
	if s := r.shared(w.adaptive); s != "" {
		e.Tags = []string{s}
		e.Detection = &model.Detection{Rules: []string{s}}
	}
	e.Summary = summary(e, w)
	return e
}

// actsOnProcess tells whether target_name of an event is a process.
func actsOnProcess(k model.Kind) bool {
	return k == model.KindProcessAccess || k == model.KindProcessInject || k == model.KindHook
}

// actor reads the acting process; nil when the row names none.
func (r *reader) actor(w *wireProcess, parts *eventParts) *model.Process {
	if w.uid == nil && w.pid == nil && w.path == nil && w.user == nil && w.hash == nil {
		return nil
	}
	p := &parts.actor
	r.fill(p, w, &parts.user, &parts.hash)
	if w.tree != nil {
		if last := r.last(w.tree); last != nil {
			parts.parent = *last
			p.Parent = &parts.parent
		}
	}
	return p
}

// fill reads what actors and nodes of a tree have in common.
func (r *reader) fill(p *model.Process, w *wireProcess, u *model.User, h *model.Hash) {
	p.UID = text(w.uid)
	p.PID, _ = whole(w.pid)
	p.Path = r.shared(w.path)
	p.Name = model.BaseName(p.Path)
	p.Started = model.At(instant(w.created))
	if u.Name, u.Domain = r.shared(w.user), r.shared(w.domain); u.Name != "" || u.Domain != "" {
		p.User = u
	}
	if h.SHA1 = lower(r.shared(w.hash)); h.SHA1 != "" {
		p.Hash = h
	}
	p.Reputation = reputation(w.verdict)
}

// last is the direct parent in a parent tree: what tree puts last, without
// building the others.
func (r *reader) last(tree []byte) *model.ParentProcess {
	var latest, end wireProcess
	var at time.Time
	nodes, timed := 0, true
	err := scanArray(tree, func(v []byte) {
		var w wireProcess
		if nodes >= maxTree || w.decode(v, nil) != nil || !r.names(&w) {
			return
		}
		nodes++
		end = w
		if t := instant(w.created); t.IsZero() {
			timed = false
		} else if nodes == 1 || !t.Before(at) {
			latest, at = w, t
		}
	})
	if err != nil || nodes == 0 {
		return nil
	}
	if timed {
		end = latest
	}
	p := &model.ParentProcess{UID: text(end.uid), Path: r.shared(end.path)}
	p.PID, _ = whole(end.pid)
	p.Name = model.BaseName(p.Path)
	return p
}

// names tells whether a node says which process it is.
func (r *reader) names(w *wireProcess) bool {
	pid, _ := whole(w.pid)
	return pid != 0 || r.shared(w.path) != "" || text(w.uid) != ""
}

func asParent(p *model.Process) *model.ParentProcess {
	return &model.ParentProcess{UID: p.UID, PID: p.PID, Name: p.Name, Path: p.Path, CommandLine: p.CommandLine}
}

// maxTree limits how many ancestors are read.
const maxTree = 256

// tree reads a parent tree, root first: by creation time when every node has
// one, else in the order of the agents, which is root first too.
func (r *reader) tree(b []byte) []*model.Process {
	var nodes []*model.Process
	timed := true
	err := scanArray(b, func(v []byte) {
		var w wireProcess
		if len(nodes) >= maxTree || w.decode(v, nil) != nil || !r.names(&w) {
			return
		}
		p := &model.Process{}
		r.fill(p, &w, &model.User{}, &model.Hash{})
		timed = timed && !p.Started.IsZero()
		nodes = append(nodes, p)
	})
	if err != nil {
		return nil
	}
	if timed {
		slices.SortStableFunc(nodes, func(a, b *model.Process) int { return a.Started.Compare(b.Started.Time) })
	}
	for i, p := range nodes[min(1, len(nodes)):] {
		p.Parent = asParent(nodes[i])
	}
	return nodes
}

// child reads the process an event started; actor is its parent.
func (r *reader) child(w *wireChild, actor *model.Process) *model.Process {
	if w.empty() {
		return nil
	}
	p := &model.Process{UID: text(w.uid), Path: r.shared(w.path), CommandLine: text(w.cmd)}
	p.PID, _ = whole(w.pid)
	p.Name = model.BaseName(p.Path)
	if p.UID == "" && p.PID == 0 && p.Path == "" && p.CommandLine == "" {
		return nil
	}
	if s := lower(r.shared(w.hash)); s != "" {
		p.Hash = &model.Hash{SHA1: s}
	}
	p.Elevation = elevation(w.elevation)
	p.Reputation = reputation(w.verdict)
	if v, ok := boolean(w.signed); ok {
		p.Signed = &v
	}
	if v, ok := boolean(w.packed); ok {
		p.Packed = &v
	}
	if actor != nil && (actor.UID != "" || actor.PID != 0 || actor.Path != "") {
		p.Parent = asParent(actor)
	}
	return p
}

func (r *reader) network(w *wireEvent, e *model.Event) {
	src := r.endpoint(w.srcIP, w.srcPort)
	dst := r.endpoint(w.dstIP, w.dstPort)
	if host := urlHost(text(w.url)); host != "" && dst == nil {
		dst = &model.Endpoint{Domain: host}
	}
	if t := transport(w.protocol); src != nil || dst != nil || t != "" {
		e.Network = &model.Network{Transport: t, Source: src, Destination: dst}
	}
}

func (r *reader) endpoint(ip, port []byte) *model.Endpoint {
	s := r.shared(ip)
	n, _ := whole(port)
	if n < 0 || n > 65535 {
		n = 0
	}
	if s == "" && n == 0 {
		return nil
	}
	return &model.Endpoint{IP: model.Address(s), Port: int(n)}
}

// urlHost is the name a URL points to; an address is no name.
func urlHost(s string) string {
	if s == "" {
		return ""
	}
	u, err := url.Parse(s)
	if err != nil {
		return ""
	}
	host := u.Hostname()
	if _, err := netip.ParseAddr(host); err == nil || !strings.Contains(s, host) {
		return ""
	}
	return host
}

func (r *reader) registry(w *wireEvent, e *model.Event) {
	reg := model.Registry{Path: r.shared(w.regKey), Value: r.shared(w.regValue), Data: text(w.regData)}
	if reg != (model.Registry{}) {
		e.Registry = &reg
	}
}

func (r *reader) file(w *wireEvent, e *model.Event) {
	f := model.File{Path: text(w.file), OldPath: text(w.fileOld)}
	sum := lower(text(w.fileHash))
	if f.Path == "" {
		f.Path = text(w.download)
	}
	if sum == "" {
		sum = lower(text(w.downloadSum))
	}
	if f.Path == "" && f.OldPath == "" && sum == "" {
		return
	}
	f.Name = model.BaseName(f.Path)
	if sum != "" {
		f.Hash = &model.Hash{SHA1: sum}
	}
	e.File = &f
}

// summary says in one line what happened.
func summary(e *model.Event, w *wireEvent) string {
	actor := ""
	if e.Process != nil {
		actor = e.Process.Name
	}
	object := ""
	switch {
	case w.url != nil:
		object = text(w.url)
		if e.File != nil && e.File.Path != "" {
			object += " to " + e.File.Path
		}
	case e.Target != nil:
		if object = e.Target.CommandLine; object == "" {
			object = e.Target.Path
		}
	case e.Registry != nil:
		object = e.Registry.Path
		if e.Registry.Value != "" {
			object += `\` + e.Registry.Value
		}
	case e.Network != nil:
		object = flow(e.Network)
	case e.File != nil:
		object = e.File.Path
		if e.File.OldPath != "" {
			object = e.File.OldPath + " to " + object
		}
	default:
		object = text(w.target)
	}
	out := actor
	for _, s := range [...]string{e.Action, object} {
		switch {
		case s == "":
		case out == "":
			out = s
		default:
			out += ": " + s
		}
	}
	return out
}

func flow(n *model.Network) string {
	end := func(e *model.Endpoint) string {
		if e == nil {
			return ""
		}
		s := e.IP
		if s == "" {
			s = e.Domain
		}
		if e.Port > 0 {
			s += ":" + strconv.Itoa(e.Port)
		}
		return s
	}
	src, dst := end(n.Source), end(n.Destination)
	if src != "" && dst != "" {
		return src + " to " + dst
	}
	return src + dst
}

func lower(s string) string { return strings.ToLower(s) }

// endpointHost reads an element of /endpoint.
func (r *reader) endpointHost(b []byte, keepRaw bool) (*model.Host, error) {
	var w wireEndpoint
	if err := w.decode(b); err != nil {
		return nil, err
	}
	h := &model.Host{
		Name: text(w.name), User: text(w.user), AgentVersion: r.shared(w.version), State: r.shared(w.status),
	}
	if h.ID = text(w.id); h.ID == "" {
		h.ID = h.Name
	}
	if s := r.shared(w.os); s != "" {
		h.OS = &model.OS{Name: s, Platform: platform(s)}
	}
	switch lower(h.State) {
	case "online":
		h.Online = model.Ptr(true)
	case "offline", "disconnected":
		h.Online = model.Ptr(false)
	}
	if keepRaw {
		h.Raw = json.RawMessage(bytes.Clone(b))
	}
	return h, nil
}

func platform(os string) string {
	os = lower(os)
	switch {
	case strings.Contains(os, "windows"):
		return "windows"
	case strings.Contains(os, "macos"), strings.Contains(os, "mac os"), strings.Contains(os, "darwin"):
		return "darwin"
	case strings.Contains(os, "linux"), strings.Contains(os, "ubuntu"), strings.Contains(os, "debian"),
		strings.Contains(os, "centos"), strings.Contains(os, "red hat"), strings.Contains(os, "fedora"), strings.Contains(os, "suse"):
		return "linux"
	}
	return ""
}

// run reads an element of /process.
func (r *reader) run(b []byte, keepRaw bool) (*model.Process, error) {
	var w wireRun
	if err := w.decode(b); err != nil {
		return nil, err
	}
	p := &model.Process{
		UID: text(w.id), Name: r.shared(w.name), Path: r.shared(w.path), User: model.SplitUser(r.shared(w.user)),
	}
	p.PID, _ = whole(w.pid)
	if p.Name == "" {
		p.Name = model.BaseName(p.Path)
	}
	if s := lower(r.shared(w.hash)); s != "" {
		p.Hash = &model.Hash{SHA1: s}
	}
	device := r.shared(w.device)
	if device != "" {
		p.Host = &model.Host{Name: device}
	}
	if p.UID == "" {
		p.UID = madeUpProcess(device, p)
	}
	p.ID = p.UID
	if keepRaw {
		p.Raw = json.RawMessage(bytes.Clone(b))
	}
	return p, nil
}

// madeUpProcess is the id of a process whose server gave it none.
func madeUpProcess(device string, p *model.Process) string {
	return device + "/" + strconv.FormatInt(p.PID, 10) + "/" + p.Path
}

func isMadeUpProcess(p *model.Process) bool {
	device := ""
	if p.Host != nil {
		device = p.Host.Name
	}
	return p.UID == madeUpProcess(device, p)
}

// reader keeps the texts that come again and again (hosts, users, images,
// hashes), so that a long listing does not hold a copy for each row.
type reader struct{ seen map[string]string }

const maxSeen = 8192

// shared reads a text that is likely to come again.
func (r *reader) shared(v []byte) string {
	if len(v) > 512 {
		return text(v)
	}
	if s, ok := r.seen[string(v)]; ok {
		return s
	}
	s := text(v)
	if r.seen == nil || len(r.seen) >= maxSeen {
		r.seen = make(map[string]string, 64)
	}
	r.seen[string(v)] = s
	return s
}
