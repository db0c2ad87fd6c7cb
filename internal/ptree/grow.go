package ptree

import (
	"maps"
	"slices"
	"strings"

	"github.com/edrctl/edrctl/internal/model"
)

// Trees that grow: a builder is kept, what is read later is added to it, and
// each time a clone of it is rebuilt. So a process met twice, or by two
// profiles, is joined by the same rules whenever it was read.

// Clone gives a builder that knows the same. The clone can be built while the
// builder continues taking things in.
func (b *Builder) Clone() *Builder {
	c := &Builder{nodes: make(map[string]*Node, len(b.nodes)), order: make([]*Node, len(b.order)), gaps: b.gaps}
	all := make([]Node, len(b.order))
	for i, n := range b.order {
		all[i] = *n
		// What building appends to must not reach the builder's own.
		all[i].SeenBy, all[i].Alerts, all[i].links = slices.Clip(n.SeenBy), slices.Clip(n.Alerts), slices.Clip(n.links)
		all[i].Events = maps.Clone(n.Events)
		c.order[i] = &all[i]
	}
	for k, n := range b.nodes {
		c.nodes[k] = &all[n.at]
	}
	return c
}

// Self is a process as one profile knows it.
type Self struct {
	Key     string // names it in the builder
	Profile string
	Process *model.Process
}

// Selves gives the process of a built node as each profile knows it, before
// they were joined. n comes from this builder or a clone of it.
func (b *Builder) Selves(n *Node) []Self {
	var out []Self
	seen := map[string]bool{}
	for queue := []*Node{n}; len(queue) > 0; queue = queue[1:] {
		x := queue[0]
		queue = append(queue, x.took...)
		if o := b.nodes[x.key]; o != nil && x.key != "" && !seen[x.key] {
			seen[x.key] = true
			out = append(out, Self{x.key, o.SeenBy[0], &o.Process})
		} else if o == nil && x.Gap && x.Process.UID != "" && len(x.SeenBy) == 1 {
			out = append(out, Self{x.key, x.SeenBy[0], &x.Process}) // made while building: nobody told of it itself
		}
	}
	return out
}

// profile is whose process a node is, before others were joined to it.
func (n *Node) profile() string {
	p, _, _ := strings.Cut(n.key, "/")
	return p
}

// As gives the process of a built node as each profile knows it, one a
// profile: with its own id and its own host, which are what that profile can
// be asked about. Unlike Selves it needs no builder.
func (n *Node) As() []Self {
	var out []Self
	at := map[string]int{}
	for queue := []*Node{n}; len(queue) > 0; queue = queue[1:] {
		x := queue[0]
		queue = append(queue, x.took...)
		if x.key == "" {
			continue
		}
		p := &x.Process
		if x.own != nil {
			p = x.own
		}
		self := Self{x.key, x.profile(), p}
		i, known := at[self.Profile]
		switch {
		case !known:
			at[self.Profile] = len(out)
			out = append(out, self)
		case out[i].Process.UID == "" && p.UID != "":
			out[i] = self
		}
	}
	return out
}

// Keys are the builder's names of what one profile told of a node's process:
// its own, and those that were found to be the same one.
func (n *Node) Keys() []string {
	var out []string
	for queue := []*Node{n}; len(queue) > 0; queue = queue[1:] {
		queue = append(queue, queue[0].took...)
		if queue[0].profile() == n.profile() {
			out = append(out, queue[0].key)
		}
	}
	return out
}

// AddGap adds a process that only others tell of, so that more can be noted of
// it.
func (b *Builder) AddGap(profile string, p *model.Process) { b.add(profile, p, nil, true) }

// SetMissing notes how many children of a process were not read: -1 when
// nobody knows how many, 0 when all were. key is a Self's.
func (b *Builder) SetMissing(key string, count int) {
	if n := b.nodes[key]; n != nil {
		n.Missing = count
	}
}

// KeyOf is the builder's name of a node, "" for an image that was only named.
func (n *Node) KeyOf() string { return n.key }

// Match finds the process of a node of another tree of the same builder, nil
// when it is in this one no more.
func (t *Tree) Match(n *Node) *Node {
	if n == nil || n.key == "" {
		return nil
	}
	return t.byKey[n.key].last()
}
