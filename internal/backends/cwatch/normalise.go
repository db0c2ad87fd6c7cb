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

	"github.com/edrctl/edrctl/internal/backends/cwatch/wire"
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
	var w wire.Event
	if err := w.Decode(b); err != nil {
		return nil, err
	}
	e := r.normaliseEvent(&w)
	r.finish(e, &w, b, keepRaw)
	return e, nil
}

// finish gives an event what the row as a whole supplies: an id when it has
// none of its own, and the JSON.
func (r *reader) finish(e *model.Event, w *wire.Event, b []byte, keepRaw bool) {
	if e.ID == "" {
		e.ID = wire.MadeUpID(wire.Text(w.Endpoint), wire.Text(w.Timestamp), wire.Canonical(b))
	}
	if keepRaw {
		e.Raw = json.RawMessage(bytes.Clone(b))
	}
}

func (r *reader) normaliseEvent(w *wire.Event) *model.Event {
	parts := &eventParts{}
	e := &parts.event
	e.ID = wire.Text(w.ID)
	e.Ingested = model.At(wire.Time(w.Timestamp))
	if e.Time = model.At(wire.Time(w.EventTime)); e.Time.IsZero() {
		e.Time = e.Ingested
	}
	e.Kind, e.Action = kindOf(baseNumber(w.BaseType))

	if w.Device != nil || w.Endpoint != nil {
		h := &parts.host
		h.ID, h.Name, h.User = wire.Text(w.Endpoint), r.shared(w.Device), r.shared(w.LoggedOn)
		e.Host = h
	}
	e.Process = r.actor(&w.Actor, parts)
	if e.Process != nil {
		e.User = e.Process.User
	}
	e.Target = r.child(&w.Child, e.Process)
	r.network(w, e)
	r.registry(w, e)
	r.file(w, e)
	e.URL = wire.Text(w.URL)
	if s := r.shared(w.TargetName); s != "" && e.Target == nil && actsOnProcess(e.Kind) {
		e.Target = &model.Process{Path: s, Name: model.BaseName(s)}
	}
	if s := r.shared(w.Adaptive); s != "" {
		e.Tags = []string{s}
		e.Detection = &model.Detection{Rules: []string{s}}
	}
	e.Summary = summary(e, w)
	return e
}

// actsOnProcess reports whether target_name of an event is a process.
func actsOnProcess(k model.Kind) bool {
	return k == model.KindProcessAccess || k == model.KindProcessInject || k == model.KindHook
}

// actor reads the acting process; nil when the row names none.
func (r *reader) actor(w *wire.Process, parts *eventParts) *model.Process {
	if w.UID == nil && w.PID == nil && w.Path == nil && w.User == nil && w.Hash == nil {
		return nil
	}
	p := &parts.actor
	r.fill(p, w, &parts.user, &parts.hash)
	if w.ParentTree != nil {
		if last := r.last(w.ParentTree); last != nil {
			parts.parent = *last
			p.Parent = &parts.parent
		}
	}
	return p
}

// fill reads what actors and nodes of a tree have in common.
func (r *reader) fill(p *model.Process, w *wire.Process, u *model.User, h *model.Hash) {
	p.UID = wire.Text(w.UID)
	p.PID, _ = wire.Int(w.PID)
	p.Path = r.shared(w.Path)
	p.Name = model.BaseName(p.Path)
	p.Started = model.At(wire.Time(w.Created))
	if u.Name, u.Domain = r.shared(w.User), r.shared(w.Domain); u.Name != "" || u.Domain != "" {
		p.User = u
	}
	if h.SHA1 = lower(r.shared(w.Hash)); h.SHA1 != "" {
		p.Hash = h
	}
	p.Reputation = reputation(w.Verdict)
}

// last is the direct parent in a parent tree: what tree puts last, without
// building the others.
func (r *reader) last(tree []byte) *model.ParentProcess {
	var latest, end wire.Process
	var at time.Time
	nodes, timed := 0, true
	err := wire.EachElement(tree, func(v []byte) {
		var w wire.Process
		if nodes >= maxTree || w.Decode(v, nil) != nil || !r.names(&w) {
			return
		}
		nodes++
		end = w
		if t := wire.Time(w.Created); t.IsZero() {
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
	p := &model.ParentProcess{UID: wire.Text(end.UID), Path: r.shared(end.Path)}
	p.PID, _ = wire.Int(end.PID)
	p.Name = model.BaseName(p.Path)
	return p
}

// names reports whether a node says which process it is.
func (r *reader) names(w *wire.Process) bool {
	pid, _ := wire.Int(w.PID)
	return pid != 0 || r.shared(w.Path) != "" || wire.Text(w.UID) != ""
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
	err := wire.EachElement(b, func(v []byte) {
		var w wire.Process
		if len(nodes) >= maxTree || w.Decode(v, nil) != nil || !r.names(&w) {
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
func (r *reader) child(w *wire.Child, actor *model.Process) *model.Process {
	if w.Empty() {
		return nil
	}
	p := &model.Process{UID: wire.Text(w.UID), Path: r.shared(w.Path), CommandLine: wire.Text(w.CommandLine)}
	p.PID, _ = wire.Int(w.PID)
	p.Name = model.BaseName(p.Path)
	if p.UID == "" && p.PID == 0 && p.Path == "" && p.CommandLine == "" {
		return nil
	}
	if s := lower(r.shared(w.Hash)); s != "" {
		p.Hash = &model.Hash{SHA1: s}
	}
	p.Elevation = elevation(w.Elevation)
	p.Reputation = reputation(w.Verdict)
	if v, ok := wire.Bool(w.Signed); ok {
		p.Signed = &v
	}
	if v, ok := wire.Bool(w.Packed); ok {
		p.Packed = &v
	}
	if actor != nil && (actor.UID != "" || actor.PID != 0 || actor.Path != "") {
		p.Parent = asParent(actor)
	}
	return p
}

func (r *reader) network(w *wire.Event, e *model.Event) {
	src := r.endpoint(w.SourceIP, w.SourcePort)
	dst := r.endpoint(w.DestinationIP, w.DestinationPort)
	if host := urlHost(wire.Text(w.URL)); host != "" && dst == nil {
		dst = &model.Endpoint{Domain: host}
	}
	if t := transport(w.Transport); src != nil || dst != nil || t != "" {
		e.Network = &model.Network{Transport: t, Source: src, Destination: dst}
	}
}

func (r *reader) endpoint(ip, port []byte) *model.Endpoint {
	s := r.shared(ip)
	n, _ := wire.Int(port)
	if n < 0 || n > 65535 {
		n = 0
	}
	if s == "" && n == 0 {
		return nil
	}
	return &model.Endpoint{IP: model.Address(s), Port: int(n)}
}

// urlHost is the name a URL points to; an address is not a name.
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

func (r *reader) registry(w *wire.Event, e *model.Event) {
	reg := model.Registry{Path: r.shared(w.RegistryKey), Value: r.shared(w.RegistryValue), Data: wire.Text(w.RegistryData)}
	if reg != (model.Registry{}) {
		e.Registry = &reg
	}
}

func (r *reader) file(w *wire.Event, e *model.Event) {
	f := model.File{Path: wire.Text(w.FilePath), OldPath: wire.Text(w.FileOldPath)}
	sum := lower(wire.Text(w.FileHash))
	if f.Path == "" {
		f.Path = wire.Text(w.DownloadPath)
	}
	if sum == "" {
		sum = lower(wire.Text(w.DownloadHash))
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
func summary(e *model.Event, w *wire.Event) string {
	actor := ""
	if e.Process != nil {
		actor = e.Process.Name
	}
	object := ""
	switch {
	case w.URL != nil:
		object = wire.Text(w.URL)
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
		object = wire.Text(w.TargetName)
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
	var w wire.Endpoint
	if err := w.Decode(b); err != nil {
		return nil, err
	}
	h := &model.Host{
		Name: wire.Text(w.Name), User: wire.Text(w.User), AgentVersion: r.shared(w.Version), State: r.shared(w.Status),
	}
	if h.ID = wire.Text(w.ID); h.ID == "" {
		h.ID = h.Name
	}
	if s := r.shared(w.OS); s != "" {
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
	var w wire.ListedProcess
	if err := w.Decode(b); err != nil {
		return nil, err
	}
	p := &model.Process{
		UID: wire.Text(w.ID), Name: r.shared(w.Name), Path: r.shared(w.Path), User: model.SplitUser(r.shared(w.User)),
	}
	p.PID, _ = wire.Int(w.PID)
	if p.Name == "" {
		p.Name = model.BaseName(p.Path)
	}
	if s := lower(r.shared(w.Hash)); s != "" {
		p.Hash = &model.Hash{SHA1: s}
	}
	device := r.shared(w.Device)
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
		return wire.Text(v)
	}
	if s, ok := r.seen[string(v)]; ok {
		return s
	}
	s := wire.Text(v)
	if r.seen == nil || len(r.seen) >= maxSeen {
		r.seen = make(map[string]string, 64)
	}
	r.seen[string(v)] = s
	return s
}
