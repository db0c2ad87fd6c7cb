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

// Bounds of what one page of children takes from a backend that finds
// children only in its events.
const (
	eventPageRows    = 200       // children
	eventPageMax     = 20_000    // process starts looked at
	maxEventSearches = 64        // processes, when everything below one is opened
	minLifetime      = time.Hour // children are looked for this long after the start
)

// liveTree is a tree that is read as it is opened: the builder is kept, every
// page is added to it, and what is shown is built again.
type liveTree struct {
	fleet *Fleet
	q     TreeQuery
	fo    focus

	mu     sync.Mutex // one page at a time
	b      ptree.Builder
	read   map[string]readProgress // by the builder's key
	opened map[string]bool         // whose other children are shown too
	notes  []Outcome
}

// readProgress is how far the children of one process were read.
type readProgress struct {
	cursor string
	done   bool
}

// More is which part of a tree to expand.
type More struct {
	Node *ptree.Node // of the tree's latest result
	All  bool        // everything below it too, as far as one tree may go
}

// unread reports, for one result, whose children were not read.
func (t *liveTree) unread() func(*ptree.Node) bool {
	done := maps.Clone(t.read)
	able := map[string]bool{}
	for _, s := range t.fleet.Sources {
		able[s.Profile] = hasChildren(s)
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
		return !slices.ContainsFunc(n.Keys(), func(k string) bool { _, markRead := done[k]; return markRead })
	}
}

func expands(s *Source) bool {
	_, err := Capability[backends.TreeExpander](s, "")
	return err == nil
}

func hasChildren(s *Source) bool {
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
	res.Focus = res.Tree.Find(t.fo.source.Profile, ptree.Key("", t.fo.process, hostNameOrID(t.fo.host))[1:])
	if !t.q.Unrelated && res.Focus != nil {
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
	queue := t.parents(m.Node, 0)
	if m.All {
		(&ptree.Tree{Roots: m.Node.Children}).Walk(func(n *ptree.Node, depth int) bool {
			queue = append(queue, t.parents(n, depth+1)...)
			t.opened[n.KeyOf()] = true
			return len(queue) < maxExpanded && depth < maxDepth
		})
	}
	err := t.expand(ctx, queue, m.All)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err != nil {
		t.notes = append(t.notes, *err)
	}
	t.markRead(m.Node)
	return t.result(), nil
}

// markRead notes that a node was opened, even where no profile answered.
func (t *liveTree) markRead(n *ptree.Node) {
	if _, ok := t.read[n.KeyOf()]; !ok {
		t.read[n.KeyOf()] = readProgress{done: true}
	}
}

// parentProcess is a process whose children are asked for.
type parentProcess struct {
	ptree.Self
	source *Source
	depth  int
}

// parents gives a node's process as each profile knows it.
func (t *liveTree) parents(n *ptree.Node, depth int) []parentProcess {
	var out []parentProcess
	for _, self := range t.b.Selves(n) {
		for _, s := range t.fleet.Sources {
			if s.Profile == self.Profile {
				out = append(out, parentProcess{self, s, depth})
			}
		}
	}
	return out
}

// expand reads a page of the children of processes; all: every page, and those
// below, as far as one tree may go. What is left then shows as not read.
func (t *liveTree) expand(ctx context.Context, queue []parentProcess, all bool) *Outcome {
	processes, searches := 0, 0
	for ; len(queue) > 0; queue = queue[1:] {
		parent := queue[0]
		for !t.read[parent.Key].done {
			if !expands(parent.source) {
				if searches++; all && searches > maxEventSearches {
					break
				}
			}
			kids, err := t.page(ctx, parent)
			switch {
			case backends.KindOf(err) == backends.KindUnsupported:
				t.read[parent.Key] = readProgress{done: true}
			case err != nil:
				return &Outcome{Profile: parent.source.Profile, Backend: parent.source.Backend, Err: err}
			}
			if !all {
				break
			}
			if parent.depth < maxDepth {
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
func (t *liveTree) page(ctx context.Context, parent parentProcess) ([]parentProcess, error) {
	g := t.read[parent.Key]
	var alert *model.Alert
	if parent.source == t.fo.source {
		alert = t.fo.alert
	}
	host := cmp.Or(parent.Process.Host, t.fo.host)
	ref := refOf(parent.Process, host, alert)
	var page backends.ProcessPage
	var err error
	if d, derr := Capability[backends.TreeExpander](parent.source, ""); derr == nil {
		page, err = d.Children(ctx, ref, g.cursor)
	} else {
		page, err = parent.source.childrenFromEvents(ctx, ref, t.q.Until, g.cursor)
	}
	if err != nil {
		return nil, err
	}
	for _, e := range page.Events {
		t.b.AddEvent(parent.source.Profile, e)
	}
	if page.Self != nil {
		t.b.AddProcess(parent.source.Profile, page.Self, host)
	}
	var kids []parentProcess
	for _, p := range page.Processes {
		if n := t.b.AddProcess(parent.source.Profile, p, host); n != nil && p.UID != "" {
			kids = append(kids, parentProcess{ptree.Self{Key: n.KeyOf(), Profile: parent.source.Profile, Process: p}, parent.source, parent.depth + 1})
		}
	}
	missing := 0
	if page.Next != "" {
		missing = cmp.Or(page.Remaining, -1)
	}
	t.b.SetMissing(parent.Key, missing)
	t.read[parent.Key] = readProgress{cursor: page.Next, done: page.Next == ""}
	return kids, nil
}

// childrenFromEvents finds a page of the children of a process among the
// process starts of its host, newest first: for a backend that has no other
// way. The cursor is the end of what was not looked at, in Unix nanoseconds.
func (s *Source) childrenFromEvents(ctx context.Context, p backends.ProcessRef, until time.Time, cursor string) (backends.ProcessPage, error) {
	var page backends.ProcessPage
	name := hostNameOrID(p.Host)
	if name == "" || p.UID == "" && p.PID == 0 || p.Started.IsZero() {
		return page, backends.Unsupported(s.Backend, "cannot look for children", "the host or the start time of the process is unknown")
	}
	if least := p.Started.Add(minLifetime); until.Before(least) {
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
		if n++; (len(page.Processes) >= eventPageRows || n > eventPageMax) && !e.Time.Equal(last.Time) {
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
