package ops

import (
	"cmp"
	"context"
	"time"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/filter"
	"github.com/edrctl/edrctl/internal/model"
	"github.com/edrctl/edrctl/internal/ptree"
)

// TreeKind is what a tree is asked for.
type TreeKind uint8

// The kinds.
const (
	TreeOfAlert TreeKind = iota
	TreeOfProcess
	TreeOfEvent
)

// TreeQuery asks for the process tree around something.
type TreeQuery struct {
	Kind      TreeKind
	Ref       string
	Since     time.Time     // where a process is looked for, when its backend cannot find it by id
	Until     time.Time     //
	Window    time.Duration // events this far before and after are taken in
	Unrelated bool          // keep what is not related to the focus
	Paged     bool          // one page of children, the rest by TreeResult.More
}

// Bounds of what one tree reads from a backend that expands processes.
const (
	maxExpanded = 2000 // processes
	maxDepth    = 64
)

// TreeResult is a built tree.
type TreeResult struct {
	Tree     *ptree.Tree
	Focus    *ptree.Node
	Outcomes []Outcome
	// More reads a page more of one node and gives the tree with it; nil when
	// the tree is what it is. One call at a time counts; the result replaces
	// this one, and its nodes are found again with Tree.Match.
	More func(context.Context, More) (*TreeResult, error)
	// Unread reports whether a node's children were not asked for; may be nil.
	Unread func(*ptree.Node) bool
}

// focus is what a tree is built around.
type focus struct {
	source  *Source
	process *model.Process
	host    *model.Host
	alert   *model.Alert
	event   bool // it did something at time
	time    time.Time
}

// Tree builds the process tree around an alert, a process or an event, from
// what its own profile knows and what the other selected profiles saw on a
// host of the same name.
func (f *Fleet) Tree(ctx context.Context, q TreeQuery) (*TreeResult, error) {
	fo, err := f.focus(ctx, q)
	if err != nil {
		return nil, err
	}
	if fo.process == nil || ptree.Key("", fo.process, "") == "" {
		return nil, InProfile(fo.source, backends.NotFound("process in", q.Ref))
	}
	t := &liveTree{fleet: f, q: q, fo: fo, read: map[string]readProgress{}, opened: map[string]bool{}}
	var node *ptree.Node
	if fo.alert != nil {
		node = t.b.AddAlert(fo.source.Profile, fo.alert)
	} else {
		node = t.b.AddProcess(fo.source.Profile, fo.process, fo.host)
	}
	node.Focus = true
	if fo.event {
		node.Saw(fo.time)
	}
	first := Outcome{Profile: fo.source.Profile, Backend: fo.source.Backend}
	if first.Err = t.lineage(ctx, node); first.Err != nil {
		t.notes = append(t.notes, first)
	}
	t.notes = append(t.notes, f.around(ctx, fo, q.Window, &t.b)...)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	return t.result(), nil
}

func hostNameOrID(h *model.Host) string {
	if h == nil {
		return ""
	}
	return cmp.Or(h.Name, h.ID)
}

// focus finds what the reference names.
func (f *Fleet) focus(ctx context.Context, q TreeQuery) (focus, error) {
	s, id, err := f.Resolve(q.Ref)
	if err != nil {
		return focus{}, err
	}
	fo := focus{source: s}
	switch q.Kind {
	case TreeOfAlert:
		a, err := f.Alert(ctx, q.Ref, false, false)
		if err != nil {
			return fo, err
		}
		fo.alert, fo.process, fo.host, fo.time = a, a.Process, a.Host, a.Time.Time
	case TreeOfEvent:
		e, err := f.Event(ctx, q.Ref, false)
		if err != nil {
			return fo, err
		}
		fo.process, fo.host, fo.time, fo.event = e.Process, e.Host, e.Time.Time, true
	case TreeOfProcess:
		if err := f.resolveProcess(ctx, s, id, q, &fo); err != nil {
			return fo, InProfile(s, err)
		}
	}
	return fo, nil
}

// resolveProcess asks the backend, or looks through the events of the window.
func (f *Fleet) resolveProcess(ctx context.Context, s *Source, id string, q TreeQuery, fo *focus) error {
	if d, err := Capability[backends.ProcessGetter](s, ""); err == nil {
		p, err := d.Process(ctx, id, q.Until)
		if err == nil {
			s.StampRecord(p)
			fo.process, fo.host, fo.time = p, p.Host, p.Started.Time
			if fo.time.IsZero() {
				fo.time = q.Until
			}
			return nil
		}
		if backends.KindOf(err) != backends.KindUnsupported {
			return err
		}
	}
	d, err := Capability[backends.EventSearcher](s, "cannot look for a process")
	if err != nil {
		return err
	}
	listing, err := d.Events(ctx, backends.Query{Since: q.Since, Until: q.Until})
	if err != nil {
		return err
	}
	for e, err := range listing.Seq {
		if err != nil {
			return err
		}
		for _, p := range []*model.Process{e.Process, e.Target} {
			if p != nil && (p.UID == id || p.ID == id) && id != "" {
				fo.process, fo.host, fo.time = p, e.Host, e.Time.Time
				return nil
			}
		}
	}
	return backends.NotFound("process", id)
}

// lineage reads ancestors and children of what the tree is about, from a
// backend that knows them.
func (t *liveTree) lineage(ctx context.Context, node *ptree.Node) error {
	d, err := Capability[backends.TreeExpander](t.fo.source, "")
	if err != nil {
		return nil // the events around are what there is
	}
	up, err := d.Ancestors(ctx, refOf(t.fo.process, t.fo.host, t.fo.alert))
	if err != nil && backends.KindOf(err) != backends.KindUnsupported {
		return err
	}
	t.b.AddAncestors(t.fo.source.Profile, node, up)
	self := parentProcess{ptree.Self{Key: node.KeyOf(), Profile: t.fo.source.Profile, Process: t.fo.process}, t.fo.source, 0}
	if o := t.expand(ctx, []parentProcess{self}, !t.q.Paged); o != nil {
		return o.Err
	}
	return nil
}

func refOf(p *model.Process, h *model.Host, a *model.Alert) backends.ProcessRef {
	return backends.ProcessRef{UID: p.UID, PID: p.PID, Path: p.Path, Host: h, Started: p.Started.Time, Alert: a}
}

// around takes in the events and alerts of the host, from every profile that
// watches one of its name.
func (f *Fleet) around(ctx context.Context, fo focus, window time.Duration, b *ptree.Builder) []Outcome {
	name := hostNameOrID(fo.host)
	if name == "" || fo.time.IsZero() {
		return nil
	}
	req := Request{Query: backends.Query{Since: fo.time.Add(-window), Until: fo.time.Add(window)}}
	if err := req.Filter.Add(filter.Host, "="+name); err != nil {
		return nil
	}
	var able Fleet
	for _, s := range f.Sources {
		if _, err := Capability[backends.EventSearcher](s, ""); err == nil || s == fo.source {
			able.Sources = append(able.Sources, s)
		}
	}
	events := able.Events(ctx, req)
	for e := range events.Records() {
		b.AddEvent(e.Profile, e)
	}
	alerts := able.Alerts(ctx, req)
	for a := range alerts.Records() {
		if a.Process == nil {
			continue
		}
		b.AddAlert(a.Profile, a)
	}
	outcomes := events.Outcomes()
	for i, o := range alerts.Outcomes() {
		if outcomes[i].Err == nil && backends.KindOf(o.Err) != backends.KindUnsupported {
			outcomes[i].Err = o.Err
		}
	}
	return outcomes
}

// Moment gives when, and on which host, the alert or event of a reference was.
func (f *Fleet) Moment(ctx context.Context, ref string) (at time.Time, host string, err error) {
	a, err := f.Alert(ctx, ref, false, false)
	if err == nil {
		return a.Time.Time, hostNameOrID(a.Host), nil
	}
	switch backends.KindOf(err) {
	case backends.KindNotFound, backends.KindUnsupported, backends.KindInvalid:
	default:
		return at, "", err
	}
	e, eerr := f.Event(ctx, ref, false)
	if eerr != nil {
		if backends.KindOf(eerr) == backends.KindUnsupported {
			return at, "", err
		}
		return at, "", eerr
	}
	return e.Time.Time, hostNameOrID(e.Host), nil
}
