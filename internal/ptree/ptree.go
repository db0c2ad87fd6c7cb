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
	"maps"
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

	links    []link           // what names its parent
	above    []*model.Process // images above it, root first: what is left when nothing better is known
	nameless bool             // known by pid and start, without a uid of its own
	merged   *Node            // where this one went when two profiles saw the same process
	took     []*Node          // those that went into this one
	own      *model.Process   // what its profile alone told, kept when it took others in
	seen     [2]time.Time     // when it was first and last seen at work; zero when nobody told
	key      string           // under which the builder first met it; "" for an image alone
	at       int              // its place in the builder's order
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
	return n.last()
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
	nodes map[string]*Node    // by profile/uid
	order []*Node             // in the order of arrival
	seen  map[string]struct{} // events that were counted
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
	return b.add(profile, p, host, false)
}

// add adds a process; a gap is one that only others tell of.
func (b *Builder) add(profile string, p *model.Process, host *model.Host, gap bool) *Node {
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
		n = &Node{Process: *p, SeenBy: []string{profile}, Gap: gap, nameless: p.UID == "", key: key, at: len(b.order)}
		n.Process.Raw = nil
		b.nodes[key] = n
		b.order = append(b.order, n)
	} else {
		fill(&n.Process, p)
		n.Gap = n.Gap && gap
	}
	if n.Process.Host == nil {
		n.Process.Host = host
	}
	if q := p.Parent; q != nil && q.UID != "" {
		n.link(link{key: profile + "/" + q.UID, profile: profile, said: *q})
	}
	return n
}

// AddEvent adds the processes of an event, the link between them when one
// started the other, and counts the event for its actor; the same event added
// again changes nothing.
func (b *Builder) AddEvent(profile string, e *model.Event) {
	if e.ID != "" {
		key := profile + "/" + e.ID
		if _, again := b.seen[key]; again {
			return
		}
		if b.seen == nil {
			b.seen = map[string]struct{}{}
		}
		b.seen[key] = struct{}{}
	}
	actor := b.AddProcess(profile, e.Process, e.Host)
	if actor != nil {
		if e.Kind == model.KindProcessStart && e.Target == nil && actor.Process.Started.IsZero() {
			actor.Process.Started = e.Time
		}
		if e.Kind == model.KindProcessEnd && actor.Process.Ended.IsZero() {
			actor.Process.Ended = e.Time
		}
		actor.count(e.Kind)
		actor.Saw(e.Time.Time)
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
// it.
func (b *Builder) AddAlert(profile string, a *model.Alert) *Node {
	n := b.AddProcess(profile, a.Process, a.Host)
	if n == nil {
		return nil
	}
	n.Saw(a.Time.Time)
	b.AddAncestors(profile, n, a.Ancestors)
	if !slices.ContainsFunc(n.Alerts, func(o *model.Alert) bool { return o.Ref == a.Ref && o.ID == a.ID }) {
		n.Alerts = append(n.Alerts, a)
	}
	return n
}

// AddAncestors adds what a profile tells of the processes above n, root
// first. Those with an id, or a pid and a start, are processes of their own.
// Images alone say nothing about which process it was: they are kept, and
// become gaps above the topmost process that is really known.
func (b *Builder) AddAncestors(profile string, n *Node, chain []*model.Process) {
	for i, q := range slices.Backward(chain) {
		c := *q
		if up := n.Process.Parent; c.UID == "" && up != nil && up.UID != "" && mayBe(up, &c) {
			c.UID = up.UID
		}
		if c.UID == "" && (c.PID == 0 || c.Started.IsZero()) {
			if i+1 > len(n.above) {
				n.above = chain[:i+1]
			}
			return
		}
		up := b.add(profile, &c, n.Process.Host, q.UID == "")
		if up == n || up == nil {
			return
		}
		n.link(link{key: Key(profile, &c, nameOf(n.Process.Host)), profile: profile, chain: c.UID == "", said: *parentOf(&c)})
		n = up
	}
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
	b.adopt(true)
	b.unite()
	b.adopt(false)
	b.joinParents()
	t := &Tree{byKey: b.nodes}
	seen := len(b.order)
	for i := 0; i < seen; i++ {
		if n := b.order[i]; n.merged == nil {
			n.Parent = b.parent(n)
		}
	}
	live := slices.DeleteFunc(b.order, func(n *Node) bool { return n.merged != nil })
	cutCycles(live)
	live = fillAbove(live)
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
			if n.merged != nil {
				continue
			}
			for j := i - 1; j >= 0; j-- {
				o := list[j].last()
				if o == n {
					continue
				}
				if n.Process.Started.Sub(list[j].Process.Started.Time) > Skew && !n.Process.Started.IsZero() {
					break
				}
				if same(o, n) {
					o.absorb(n, false)
					break
				}
			}
		}
	}
}

func same(a, b *Node) bool {
	if !a.nameless && !b.nameless && slices.ContainsFunc(a.SeenBy, func(p string) bool { return slices.Contains(b.SeenBy, p) }) {
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
	return a.SHA512 != "" && a.SHA512 == b.SHA512 || a.SHA256 != "" && a.SHA256 == b.SHA256 || a.SHA1 != "" && a.SHA1 == b.SHA1 || a.MD5 != "" && a.MD5 == b.MD5
}

// absorb takes over what n knows. apart: they saw different events, as two
// rows of one profile do; two profiles saw the same ones.
func (o *Node) absorb(n *Node, apart bool) {
	if o.own == nil {
		c := o.Process
		o.own = &c
	}
	o.Saw(n.seen[0])
	o.Saw(n.seen[1])
	fill(&o.Process, &n.Process)
	o.SeenBy = append(o.SeenBy, n.SeenBy...)
	o.Alerts = append(o.Alerts, n.Alerts...)
	if len(n.Events) > 0 {
		both := maps.Clone(o.Events) // the builder's own stays as it is
		if both == nil {
			both = map[model.Kind]int{}
		}
		for k, c := range n.Events {
			if apart {
				c += both[k]
			}
			both[k] = max(both[k], c) // both saw the same things: the fuller view counts
		}
		o.Events = both
	}
	switch { // a number says more than "some", and "some" more than none
	case o.Missing <= 0 && n.Missing <= 0:
		o.Missing = min(o.Missing, n.Missing)
	default:
		o.Missing = max(o.Missing, n.Missing)
	}
	o.took = append(o.took, n)
	o.Gap = o.Gap && n.Gap
	o.Focus = o.Focus || n.Focus
	if o.nameless && !n.nameless {
		o.nameless, o.Process.UID = false, n.Process.UID
	}
	if len(n.above) > len(o.above) {
		o.above = n.above
	}
	for _, l := range n.links {
		o.link(l)
	}
	n.merged = o
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
		str(&h.SHA512, from.Hash.SHA512)
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
