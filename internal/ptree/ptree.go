// Package ptree builds process trees from whatever backends have: processes,
// events and alerts, in any order, from one profile or several.
//
// A process is known by its profile and stable id, never by pid alone: pids
// are reused. What a child says of a parent that was never seen itself becomes
// a gap; an orphan is a root; a cycle is cut; children that were not read are
// counted. No process that was added is ever lost.
package ptree

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/edrctl/edrctl/internal/model"
)

// Skew is how far apart two backends may put the start of the same process.
const Skew = 2 * time.Second

// Node is one process of a tree.
type Node struct {
	Process  model.Process
	Parent   *Node
	Children []*Node
	SeenBy   []string           // profiles, sorted
	Gap      bool               // only known from what a child says of its parent
	Cut      bool               // its link to a parent closed a cycle, and was cut
	Missing  int                // children that were not read; -1: some, nobody knows how many
	Alerts   []*model.Alert     // on this process
	Events   map[model.Kind]int // its own events
	Focus    bool               // what was asked for

	parentKey string // of the parent as named by its uid
	merged    *Node  // where this one went when two profiles saw the same process
}

// Score is the highest score of the alerts on the node, nil without any.
func (n *Node) Score() *float64 {
	var best *float64
	for _, a := range n.Alerts {
		if a.Score != nil && (best == nil || *a.Score > *best) {
			best = a.Score
		}
	}
	return best
}

// Tree is a built forest.
type Tree struct {
	Roots []*Node // by start
	Count int     // nodes, gaps included
	byKey map[string]*Node
}

// Find gives the node of a process id in a profile, nil when there is none.
func (t *Tree) Find(profile, uid string) *Node {
	n := t.byKey[profile+"/"+uid]
	for n != nil && n.merged != nil {
		n = n.merged
	}
	return n
}

// Walk visits every node, parents before children, with its depth, until
// visit returns false. It does not recurse: a chain may be 100,000 deep.
func (t *Tree) Walk(visit func(n *Node, depth int) bool) {
	type item struct {
		n     *Node
		depth int
	}
	var stack []item
	push := func(list []*Node, depth int) {
		for _, n := range slices.Backward(list) {
			stack = append(stack, item{n, depth})
		}
	}
	push(t.Roots, 0)
	for len(stack) > 0 {
		top := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		if !visit(top.n, top.depth) {
			return
		}
		push(top.n.Children, top.depth+1)
	}
}

// Builder collects what is known. The zero Builder is ready.
type Builder struct {
	nodes map[string]*Node // by profile/uid
	order []*Node          // in the order of arrival
	gaps  int
	index map[pidKey][]*Node
}

type pidKey struct {
	host string
	pid  int64
}

// Key is the identity of a process in a profile. Without a stable id it is
// made of host, pid and start.
func Key(profile string, p *model.Process, host string) string {
	if p.UID != "" {
		return profile + "/" + p.UID
	}
	if p.PID == 0 && p.Path == "" && p.Name == "" {
		return ""
	}
	return profile + "/" + strings.ToLower(host) + "|" + strconv.FormatInt(p.PID, 10) + "|" + p.Started.String() + "|" + strings.ToLower(cmp.Or(p.Path, p.Name))
}

// AddProcess adds what one profile knows of a process, and gives its node; nil
// when p says nothing that identifies it.
func (b *Builder) AddProcess(profile string, p *model.Process, host *model.Host) *Node {
	if p == nil {
		return nil
	}
	if host == nil {
		host = p.Host
	}
	key := Key(profile, p, nameOf(host))
	if key == "" {
		return nil
	}
	if b.nodes == nil {
		b.nodes = map[string]*Node{}
	}
	n := b.nodes[key]
	if n == nil {
		n = &Node{Process: *p, SeenBy: []string{profile}}
		n.Process.Raw = nil
		b.nodes[key] = n
		b.order = append(b.order, n)
	} else {
		fill(&n.Process, p)
	}
	if n.Process.Host == nil {
		n.Process.Host = host
	}
	if q := p.Parent; q != nil && q.UID != "" && n.parentKey == "" {
		n.parentKey = profile + "/" + q.UID
	}
	return n
}

// AddEvent adds the processes of an event, the link between them when one
// started the other, and counts the event for its actor.
func (b *Builder) AddEvent(profile string, e *model.Event) {
	actor := b.AddProcess(profile, e.Process, e.Host)
	if actor != nil {
		if e.Kind == model.KindProcessStart && e.Target == nil && actor.Process.Started.IsZero() {
			actor.Process.Started = e.Time
		}
		if e.Kind == model.KindProcessEnd && actor.Process.Ended.IsZero() {
			actor.Process.Ended = e.Time
		}
		actor.count(e.Kind)
	}
	if e.Kind != model.KindProcessStart || e.Target == nil {
		return
	}
	// cWatch and Carbon Black: the actor started the target.
	child := *e.Target
	if child.Started.IsZero() {
		child.Started = e.Time
	}
	if child.Parent == nil && e.Process != nil {
		child.Parent = parentOf(e.Process)
	}
	b.AddProcess(profile, &child, e.Host)
}

func (n *Node) count(k model.Kind) {
	if k == "" {
		return
	}
	if n.Events == nil {
		n.Events = map[model.Kind]int{}
	}
	n.Events[k]++
}

func parentOf(p *model.Process) *model.ParentProcess {
	return &model.ParentProcess{UID: p.UID, PID: p.PID, Name: p.Name, Path: p.Path, CommandLine: p.CommandLine}
}

// AddAlert adds an alert's process with its ancestors and hangs the alert on
// it. Ancestors without ids or pids (paths alone) become gaps above it.
func (b *Builder) AddAlert(profile string, a *model.Alert) *Node {
	if a.Process == nil {
		return nil
	}
	p := *a.Process
	if len(a.Ancestors) > 0 {
		for i, q := range a.Ancestors {
			c := *q
			if i > 0 && c.Parent == nil {
				c.Parent = parentOf(a.Ancestors[i-1])
			}
			if c.UID == "" {
				// Stable within this alert: its place in the chain.
				c.UID = "ancestor|" + cmp.Or(a.ID, p.UID) + "|" + strconv.Itoa(i)
				if c.Parent != nil && c.Parent.UID == "" && i > 0 {
					parent := *c.Parent
					parent.UID = "ancestor|" + cmp.Or(a.ID, p.UID) + "|" + strconv.Itoa(i-1)
					c.Parent = &parent
				}
			}
			n := b.AddProcess(profile, &c, a.Host)
			if n != nil && q.UID == "" {
				n.Gap = true
			}
			if i == len(a.Ancestors)-1 && (p.Parent == nil || p.Parent.UID == "") {
				p.Parent = parentOf(&c)
			}
		}
	}
	n := b.AddProcess(profile, &p, a.Host)
	if n == nil {
		return nil
	}
	if !slices.ContainsFunc(n.Alerts, func(o *model.Alert) bool { return o.Ref == a.Ref && o.ID == a.ID }) {
		n.Alerts = append(n.Alerts, a)
	}
	return n
}

// AddMissing notes that a process has more children than were read; count is
// -1 when nobody knows how many.
func (b *Builder) AddMissing(profile, uid string, count int) {
	if n := b.nodes[profile+"/"+uid]; n != nil {
		n.Missing = count
	}
}

// Build links what was added. The Builder must not be used afterwards.
func (b *Builder) Build() *Tree {
	b.indexPIDs()
	b.unite()
	t := &Tree{byKey: b.nodes}
	seen := len(b.order)
	for i := 0; i < seen; i++ {
		if n := b.order[i]; n.merged == nil {
			n.Parent = b.parent(n)
		}
	}
	live := slices.DeleteFunc(b.order, func(n *Node) bool { return n.merged != nil })
	cutCycles(live)
	for _, n := range live {
		if n.Parent == nil {
			t.Roots = append(t.Roots, n)
		} else {
			n.Parent.Children = append(n.Parent.Children, n)
		}
	}
	slices.SortStableFunc(t.Roots, byStart)
	for _, n := range live {
		slices.SortStableFunc(n.Children, byStart)
		slices.Sort(n.SeenBy)
		n.SeenBy = slices.Compact(n.SeenBy)
	}
	t.Count = len(live)
	return t
}

func byStart(a, b *Node) int {
	return cmp.Or(a.Process.Started.Compare(b.Process.Started.Time), cmp.Compare(a.Process.PID, b.Process.PID), cmp.Compare(a.Process.UID, b.Process.UID))
}

// indexPIDs lists the nodes of each host and pid by start, for parents named
// by pid alone and for the same process seen by two profiles.
func (b *Builder) indexPIDs() {
	b.index = map[pidKey][]*Node{}
	for _, n := range b.order {
		if n.Process.PID != 0 {
			k := pidKey{strings.ToLower(nameOf(n.Process.Host)), n.Process.PID}
			b.index[k] = append(b.index[k], n)
		}
	}
	for _, list := range b.index {
		slices.SortStableFunc(list, byStart)
	}
}

// unite merges what two profiles say of the same process: the same host name
// and pid, a start within Skew, and the same path or a common hash.
func (b *Builder) unite() {
	for _, list := range b.index {
		for i, n := range list {
			for j := i - 1; j >= 0; j-- {
				o := list[j]
				for o.merged != nil {
					o = o.merged
				}
				if o == n {
					continue
				}
				if n.Process.Started.Sub(list[j].Process.Started.Time) > Skew && !n.Process.Started.IsZero() {
					break
				}
				if same(o, n) {
					o.absorb(n)
					break
				}
			}
		}
	}
}

func same(a, b *Node) bool {
	if slices.ContainsFunc(a.SeenBy, func(p string) bool { return slices.Contains(b.SeenBy, p) }) {
		return false // one profile's own ids already tell its processes apart
	}
	if a.Process.Started.IsZero() || b.Process.Started.IsZero() || nameOf(a.Process.Host) == "" {
		return false
	}
	if d := a.Process.Started.Sub(b.Process.Started.Time); d > Skew || d < -Skew {
		return false
	}
	return a.Process.Path != "" && strings.EqualFold(a.Process.Path, b.Process.Path) || commonHash(a.Process.Hash, b.Process.Hash)
}

func commonHash(a, b *model.Hash) bool {
	if a == nil || b == nil {
		return false
	}
	return a.SHA256 != "" && a.SHA256 == b.SHA256 || a.SHA1 != "" && a.SHA1 == b.SHA1 || a.MD5 != "" && a.MD5 == b.MD5
}

// absorb takes over what n knows.
func (o *Node) absorb(n *Node) {
	fill(&o.Process, &n.Process)
	o.SeenBy = append(o.SeenBy, n.SeenBy...)
	o.Alerts = append(o.Alerts, n.Alerts...)
	for k, c := range n.Events {
		if o.Events == nil {
			o.Events = map[model.Kind]int{}
		}
		o.Events[k] = max(o.Events[k], c) // both saw the same things: the fuller view counts
	}
	o.Missing = max(o.Missing, n.Missing)
	o.Gap = o.Gap && n.Gap
	o.Focus = o.Focus || n.Focus
	if o.parentKey == "" {
		o.parentKey = n.parentKey
	}
	n.merged = o
}

// parent finds the parent of n, or makes the gap that stands for it.
func (b *Builder) parent(n *Node) *Node {
	if n.parentKey != "" {
		if p := b.nodes[n.parentKey]; p != nil {
			for p.merged != nil {
				p = p.merged
			}
			if p != n {
				return p
			}
			return nil
		}
	}
	q := n.Process.Parent
	if q == nil {
		return nil
	}
	host := nameOf(n.Process.Host)
	if n.parentKey == "" && q.PID != 0 {
		if p := b.running(pidKey{strings.ToLower(host), q.PID}, n, q); p != nil {
			return p
		}
	}
	if q.UID == "" && q.PID == 0 && q.Path == "" && q.Name == "" {
		return nil
	}
	return b.gap(n, q, host)
}

// running gives the process that had a pid when n started: the last one
// started before n and not ended by then, of the named image.
func (b *Builder) running(k pidKey, n *Node, q *model.ParentProcess) *Node {
	start := n.Process.Started
	for _, p := range slices.Backward(b.index[k]) {
		for p.merged != nil {
			p = p.merged
		}
		switch {
		case p == n, p.Gap:
			continue
		case !start.IsZero() && p.Process.Started.After(start.Add(Skew)):
			continue
		case !start.IsZero() && !p.Process.Ended.IsZero() && p.Process.Ended.Before(start.Add(-Skew)):
			continue
		case q.Path != "" && p.Process.Path != "" && !strings.EqualFold(q.Path, p.Process.Path):
			continue
		case q.Name != "" && p.Process.Name != "" && !strings.EqualFold(q.Name, p.Process.Name):
			continue
		}
		return p
	}
	return nil
}

// gap gives the node standing for a parent that was not seen. Children that
// name the same parent share it.
func (b *Builder) gap(n *Node, q *model.ParentProcess, host string) *Node {
	key := n.parentKey
	if key == "" {
		key = n.SeenBy[0] + "/gap|" + strings.ToLower(host) + "|" + strconv.FormatInt(q.PID, 10) + "|" + strings.ToLower(cmp.Or(q.Path, q.Name))
		if q.PID == 0 {
			// Without a pid two children may mean two processes of one image.
			b.gaps++
			key += "|" + strconv.Itoa(b.gaps)
		}
	}
	if p := b.nodes[key]; p != nil && p != n {
		return p
	}
	p := &Node{
		Gap: true, SeenBy: slices.Clone(n.SeenBy),
		Process: model.Process{
			UID: q.UID, PID: q.PID, Path: q.Path, CommandLine: q.CommandLine, Host: n.Process.Host,
			Name: cmp.Or(q.Name, model.BaseName(q.Path)),
		},
	}
	b.nodes[key] = p
	b.order = append(b.order, p)
	return p
}

// cutCycles makes a root of the earliest process of every cycle.
func cutCycles(nodes []*Node) {
	const white, grey, black = 0, 1, 2
	colour := make(map[*Node]uint8, len(nodes))
	var path []*Node
	for _, start := range nodes {
		path = path[:0]
		n := start
		for n != nil && colour[n] == white {
			colour[n] = grey
			path = append(path, n)
			n = n.Parent
		}
		if n != nil && colour[n] == grey {
			first := n
			for m := n.Parent; m != n; m = m.Parent {
				if byStart(m, first) < 0 {
					first = m
				}
			}
			first.Parent, first.Cut = nil, true
		}
		for _, m := range path {
			colour[m] = black
		}
	}
}

// fill completes to with what from knows more.
func fill(to, from *model.Process) {
	str := func(a *string, b string) {
		if *a == "" {
			*a = b
		}
	}
	str(&to.ID, from.ID)
	str(&to.Ref, from.Ref)
	str(&to.Name, from.Name)
	str(&to.Path, from.Path)
	str(&to.CommandLine, from.CommandLine)
	str(&to.WorkingDirectory, from.WorkingDirectory)
	str(&to.Integrity, from.Integrity)
	str(&to.Elevation, from.Elevation)
	if to.PID == 0 {
		to.PID = from.PID
	}
	if to.Started.IsZero() {
		to.Started = from.Started
	}
	if to.Ended.IsZero() {
		to.Ended = from.Ended
	}
	if to.User == nil {
		to.User = from.User
	}
	switch {
	case to.Hash == nil:
		to.Hash = from.Hash
	case from.Hash != nil:
		h := *to.Hash
		str(&h.MD5, from.Hash.MD5)
		str(&h.SHA1, from.Hash.SHA1)
		str(&h.SHA256, from.Hash.SHA256)
		str(&h.Imphash, from.Hash.Imphash)
		to.Hash = &h
	}
	if to.Signed == nil {
		to.Signed = from.Signed
	}
	if to.Packed == nil {
		to.Packed = from.Packed
	}
	if to.Reputation == nil {
		to.Reputation = from.Reputation
	}
	if to.Parent == nil {
		to.Parent = from.Parent
	}
	if to.Host == nil {
		to.Host = from.Host
	}
}

func nameOf(h *model.Host) string {
	if h == nil {
		return ""
	}
	return cmp.Or(h.Name, h.ID)
}
