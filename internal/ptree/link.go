package ptree

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/edrctl/edrctl/internal/model"
)

// link is what one profile says of who the parent is.
type link struct {
	key     string // of the parent's node
	profile string
	chain   bool // from a chain of ancestors, which told no uid
	said    model.ParentProcess
}

// link keeps what names the parent: of each profile the first uid, and the
// first of a chain.
func (n *Node) link(l link) {
	if !slices.ContainsFunc(n.links, func(o link) bool { return o.profile == l.profile && o.chain == l.chain }) {
		n.links = append(n.links, l)
	}
}

// joinParents makes one of the nodes that are named as the parent of the same
// process: by a uid and in a chain of ancestors, or by two profiles.
func (b *Builder) joinParents() {
	queue := slices.Clone(b.order)
	for len(queue) > 0 {
		n := queue[len(queue)-1]
		queue = queue[:len(queue)-1]
		if n.merged != nil || len(n.links) < 2 {
			continue
		}
		var parent *Node // the best known one
		for _, l := range n.links {
			p := b.nodes[l.key].last()
			if p != nil && p != n && (parent == nil || parent.Gap && !p.Gap || parent.nameless && !p.nameless && parent.Gap == p.Gap) {
				parent = p
			}
		}
		if parent == nil {
			continue
		}
		for _, l := range n.links {
			switch p := b.nodes[l.key].last(); {
			case p == parent || p == n:
			case p == nil:
				if !mayBe(&l.said, &parent.Process) {
					continue
				}
				b.nodes[l.key] = parent
				if parent.nameless && !l.chain {
					parent.Process.UID, parent.nameless = l.said.UID, false
				}
			case mayBe(parentOf(&p.Process), &parent.Process) && (p.nameless || parent.nameless || !slices.ContainsFunc(p.SeenBy, func(s string) bool { return slices.Contains(parent.SeenBy, s) })):
				parent.absorb(p, false)
				queue = append(queue, parent) // it may name its own parent in two ways now
			}
		}
	}
}

// last is where a node went.
func (n *Node) last() *Node {
	for n != nil && n.merged != nil {
		n = n.merged
	}
	return n
}

// fillAbove puts the images of ancestors as gaps above the topmost process
// that is known: the known ones are found among them, from the bottom.
func fillAbove(live []*Node) []*Node {
	for _, n := range slices.Clone(live) {
		chain := n.above
		top := n
		for top.Parent != nil && len(chain) > 0 {
			top = top.Parent
			image := cmp.Or(top.Process.Path, top.Process.Name)
			i := len(chain) - 1
			for i >= 0 && !sameImage(image, cmp.Or(chain[i].Path, chain[i].Name)) {
				i--
			}
			chain = chain[:max(i, 0)]
		}
		if top.Cut {
			continue
		}
		for _, q := range slices.Backward(chain) {
			g := &Node{Process: *q, Gap: true, SeenBy: slices.Clone(n.SeenBy)}
			g.Process.Host = cmp.Or(q.Host, n.Process.Host)
			g.Process.Name = cmp.Or(q.Name, model.BaseName(q.Path))
			top.Parent, top = g, g
			live = append(live, g)
		}
	}
	return live
}

// parent finds the parent of n, or makes the gap that stands for it.
func (b *Builder) parent(n *Node) *Node {
	var gap *Node
	itself, named := false, false
	for _, l := range n.links {
		named = named || !l.chain
		switch p := b.nodes[l.key].last(); {
		case p == nil:
		case p == n:
			itself = true
		case p.Gap:
			gap = cmp.Or(gap, p)
		default:
			return p
		}
	}
	if gap != nil || itself {
		return gap
	}
	host := nameOf(n.Process.Host)
	q := n.Process.Parent
	if !named && q != nil && q.PID != 0 {
		if p := b.running(pidKey{strings.ToLower(host), q.PID}, n, q); p != nil {
			return p
		}
	}
	if !named && (q == nil || q.UID == "" && q.PID == 0 && q.Path == "" && q.Name == "") {
		return nil
	}
	return b.gap(n, q, host)
}

// running gives the process that had a pid when n started: the last one
// started before n and not ended by then, of the named image.
func (b *Builder) running(k pidKey, n *Node, q *model.ParentProcess) *Node {
	start := n.Process.Started
	for _, p := range slices.Backward(b.index[k]) {
		p = p.last()
		switch {
		case p == n, p.Gap && p.Process.Started.IsZero():
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
	key := ""
	for _, l := range n.links {
		if !l.chain {
			key, q = l.key, &l.said
			break
		}
	}
	if key == "" {
		key = n.SeenBy[0] + "/gap|" + strings.ToLower(host) + "|" + strconv.FormatInt(q.PID, 10) + "|" + strings.ToLower(cmp.Or(q.Path, q.Name))
		if q.PID == 0 {
			// Without a pid two children may mean two processes of one image.
			b.gaps++
			key += "|" + strconv.Itoa(b.gaps)
		}
	}
	if p := b.nodes[key].last(); p != nil && p != n {
		return p
	}
	p := &Node{
		Gap: true, SeenBy: slices.Clone(n.SeenBy),
		Process: model.Process{
			UID: q.UID, PID: q.PID, Path: q.Path, CommandLine: q.CommandLine, Host: n.Process.Host,
			Name: cmp.Or(q.Name, model.BaseName(q.Path)),
		},
	}
	p.key, p.at = key, len(b.order)
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

// mayBe tells whether what a child says of its parent fits p.
func mayBe(said *model.ParentProcess, p *model.Process) bool {
	return (said.PID == 0 || p.PID == 0 || said.PID == p.PID) && sameImage(cmp.Or(said.Path, said.Name), cmp.Or(p.Path, p.Name))
}

// sameImage compares images by what both give: paths, or names.
func sameImage(a, b string) bool {
	if a == "" || b == "" {
		return true
	}
	if !strings.ContainsAny(a, `/\`) || !strings.ContainsAny(b, `/\`) {
		a, b = model.BaseName(a), model.BaseName(b)
	}
	return strings.EqualFold(a, b)
}
