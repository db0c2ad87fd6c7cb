package ops

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/filter"
	"github.com/edrctl/edrctl/internal/model"
	"github.com/edrctl/edrctl/internal/ptree"
)

// Bounds of what one page of children takes from a backend whose families are
// found in its events.
const (
	eventPage    = 200       // children
	eventPageMax = 20_000    // process starts looked at
	eventLook    = 64        // processes, when everything below one is opened
	lifeAtLeast  = time.Hour // children are looked for this long after the start
)

// liveTree is a tree that is read as it is opened: the builder is kept, every
// page is added to it, and what is shown is built again.
type liveTree struct {
	fleet *Fleet
	q     TreeQuery
	fo    focus

	mu     sync.Mutex // one page at a time
	b      ptree.Builder
	read   map[string]growth // by the builder's key
	opened map[string]bool   // whose other children are shown too
	notes  []Outcome
}

// growth is how far the children of one process were read.
type growth struct {
	cursor string
	done   bool
}

// More is what growing a tree takes.
type More struct {
	Node *ptree.Node // of the tree's latest result
	All  bool        // everything below it too, as far as one tree may go
}

// unread tells, for one result, whose children were not asked for.
func (t *liveTree) unread() func(*ptree.Node) bool {
	done := maps.Clone(t.read)
	able := map[string]bool{}
	for _, s := range t.fleet.Sources {
		able[s.Profile] = canExpand(s)
	}
	return func(n *ptree.Node) bool {
		if len(n.SeenBy) == 0 {
			return false
		}
		can := false
		for _, p := range n.SeenBy {
			can = can || able[p]
		}
		if !can || n.Process.UID == "" && n.Process.PID == 0 {
			return false
		}
		return !slices.ContainsFunc(n.Keys(), func(k string) bool { _, asked := done[k]; return asked })
	}
}

func expands(s *Source) bool {
	_, err := Capability[backends.TreeExpander](s, "")
	return err == nil
}

func canExpand(s *Source) bool {
	if expands(s) {
		return true
	}
	_, err := Capability[backends.EventSearcher](s, "")
	return err == nil
}

// result builds what is known now.
func (t *liveTree) result() *TreeResult {
	res := &TreeResult{Outcomes: slices.Clone(t.notes), Unread: t.unread()}
	res.Tree = t.b.Clone().Build()
	res.Focus = res.Tree.Find(t.fo.source.Profile, ptree.Key("", t.fo.process, nameOfHost(t.fo.host))[1:])
	if !t.q.Whole && res.Focus != nil {
		res.Tree = res.Tree.AroundBut(res.Focus, func(n *ptree.Node) bool { return t.opened[n.KeyOf()] })
	}
	if t.q.Paged {
		res.More = t.more
	}
	return res
}

// more reads one page more of a node's children, or everything below it, and
// gives the tree with it. What fails is reported in Outcomes; what was read until
// then stays.
func (t *liveTree) more(ctx context.Context, m More) (*TreeResult, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.notes = nil
	t.opened[m.Node.KeyOf()] = true
	queue := t.kin(m.Node, 0)
	if m.All {
		(&ptree.Tree{Roots: m.Node.Children}).Walk(func(n *ptree.Node, depth int) bool {
			queue = append(queue, t.kin(n, depth+1)...)
			t.opened[n.KeyOf()] = true
			return len(queue) < maxExpanded && depth < maxDepth
		})
	}
	err := t.grow(ctx, queue, m.All)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err != nil {
		t.notes = append(t.notes, *err)
	}
	t.asked(m.Node)
	return t.result(), nil
}

// asked notes that a node was opened, whoever answered for it.
func (t *liveTree) asked(n *ptree.Node) {
	if _, ok := t.read[n.KeyOf()]; !ok {
		t.read[n.KeyOf()] = growth{done: true}
	}
}

// kin is a process whose children are asked for.
type kin struct {
	ptree.Self
	source *Source
	depth  int
}

// kin is a node's process as each profile knows it.
func (t *liveTree) kin(n *ptree.Node, depth int) []kin {
	var out []kin
	for _, self := range t.b.Selves(n) {
		for _, s := range t.fleet.Sources {
			if s.Profile == self.Profile {
				out = append(out, kin{self, s, depth})
			}
		}
	}
	return out
}

// grow reads a page of the children of processes; all: every page, and those
// below, as far as one tree may go. What is left then shows as not read.
func (t *liveTree) grow(ctx context.Context, queue []kin, all bool) *Outcome {
	processes, searches := 0, 0
	for ; len(queue) > 0; queue = queue[1:] {
		k := queue[0]
		for !t.read[k.Key].done {
			if !expands(k.source) {
				if searches++; all && searches > eventLook {
					break
				}
			}
			kids, err := t.page(ctx, k)
			switch {
			case backends.KindOf(err) == backends.KindUnsupported:
				t.read[k.Key] = growth{done: true}
			case err != nil:
				return &Outcome{Profile: k.source.Profile, Backend: k.source.Backend, Err: err}
			}
			if !all {
				break
			}
			if k.depth < maxDepth {
				queue = append(queue, kids...)
			}
			if processes += len(kids); processes >= maxExpanded {
				return nil
			}
		}
	}
	return nil
}

// page reads the next page of one process's children and adds it.
func (t *liveTree) page(ctx context.Context, k kin) ([]kin, error) {
	g := t.read[k.Key]
	var alert *model.Alert
	if k.source == t.fo.source {
		alert = t.fo.alert
	}
	host := cmp.Or(k.Process.Host, t.fo.host)
	ref := refOf(k.Process, host, alert)
	var page backends.ProcessPage
	var err error
	if d, derr := Capability[backends.TreeExpander](k.source, ""); derr == nil {
		page, err = d.Children(ctx, ref, g.cursor)
	} else {
		page, err = k.source.childrenFromEvents(ctx, ref, t.q.Until, g.cursor)
	}
	if err != nil {
		return nil, err
	}
	for _, e := range page.Events {
		t.b.AddEvent(k.source.Profile, e)
	}
	if page.Self != nil {
		t.b.AddProcess(k.source.Profile, page.Self, host)
	}
	var kids []kin
	for _, p := range page.Processes {
		if n := t.b.AddProcess(k.source.Profile, p, host); n != nil && p.UID != "" {
			kids = append(kids, kin{ptree.Self{Key: n.KeyOf(), Profile: k.source.Profile, Process: p}, k.source, k.depth + 1})
		}
	}
	missing := 0
	if page.Next != "" {
		missing = cmp.Or(page.Remaining, -1)
	}
	t.b.SetMissing(k.Key, missing)
	t.read[k.Key] = growth{cursor: page.Next, done: page.Next == ""}
	return kids, nil
}

// childrenFromEvents finds a page of the children of a process among the
// process starts of its host, newest first: for a backend that has no other
// way. The cursor is the end of what was not looked at, in Unix nanoseconds.
func (s *Source) childrenFromEvents(ctx context.Context, p backends.ProcessRef, until time.Time, cursor string) (backends.ProcessPage, error) {
	var page backends.ProcessPage
	name := nameOfHost(p.Host)
	if name == "" || p.UID == "" && p.PID == 0 || p.Started.IsZero() {
		return page, backends.Unsupported(s.Backend, "cannot look for children", "nothing tells when and where the process ran")
	}
	if least := p.Started.Add(lifeAtLeast); until.Before(least) {
		until = least
	}
	if cursor != "" {
		ns, err := strconv.ParseInt(cursor, 10, 64)
		if err != nil {
			return page, backends.Invalid("cannot look for children", "the cursor is not an instant")
		}
		until = time.Unix(0, ns)
	}
	req := Request{Query: backends.Query{Since: p.Started.Add(-time.Minute), Until: until}}
	if err := req.Filter.Add(filter.Host, "="+name); err != nil {
		return page, err
	}
	if err := req.Filter.Add(filter.KindOf, string(model.KindProcessStart)); err != nil {
		return page, err
	}
	one := &Fleet{Sources: []*Source{s}}
	st := one.Events(ctx, req)
	n := 0
	last := model.Time{}
	for e := range st.Records() {
		if n++; (len(page.Processes) >= eventPage || n > eventPageMax) && !e.Time.Equal(last.Time) {
			page.Next, page.Remaining = strconv.FormatInt(last.UnixNano(), 10), -1
			break
		}
		last = e.Time
		if child := childIn(e, p); child != nil {
			page.Events = append(page.Events, e)
			page.Processes = append(page.Processes, child)
		}
	}
	if page.Next == "" {
		for _, o := range st.Outcomes() {
			if o.Err != nil {
				return backends.ProcessPage{}, o.Err
			}
		}
	}
	return page, nil
}

// childIn gives the process that p started in an event, nil when it did not.
func childIn(e *model.Event, p backends.ProcessRef) *model.Process {
	if e.Target != nil { // the actor started the target
		if e.Process == nil || !sameProcess(p, e.Process.UID, e.Process.PID) {
			return nil
		}
		c := *e.Target
		if c.Parent == nil {
			c.Parent = &model.ParentProcess{UID: e.Process.UID, PID: e.Process.PID, Name: e.Process.Name, Path: e.Process.Path}
		}
		return &c
	}
	if e.Process == nil || e.Process.Parent == nil || !sameProcess(p, e.Process.Parent.UID, e.Process.Parent.PID) {
		return nil
	}
	return e.Process
}

func sameProcess(p backends.ProcessRef, uid string, pid int64) bool {
	if p.UID != "" && uid != "" {
		return p.UID == uid
	}
	return p.PID != 0 && p.PID == pid
}
