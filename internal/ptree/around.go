package ptree

import "slices"

// Around gives the part of the tree that belongs to one process: the line of
// its ancestors and everything below it. What else its ancestors started is
// counted, unless it, or something below it, has an alert.
func (t *Tree) Around(focus *Node) *Tree { return t.AroundBut(focus, nil) }

// AroundBut is Around, but the children of nodes that open names all stay.
func (t *Tree) AroundBut(focus *Node, open func(*Node) bool) *Tree {
	for focus.merged != nil {
		focus = focus.merged
	}
	alerted := map[*Node]bool{}
	t.Walk(func(n *Node, _ int) bool {
		if len(n.Alerts) > 0 {
			for p := n; p != nil && !alerted[p]; p = p.Parent {
				alerted[p] = true
			}
		}
		return true
	})
	out := &Tree{byKey: t.byKey}
	top := focus
	for below := focus; below.Parent != nil; below = below.Parent {
		up := below.Parent
		top = up
		if open != nil && open(up) {
			continue
		}
		before := len(up.Children)
		up.Children = slices.DeleteFunc(slices.Clone(up.Children), func(c *Node) bool { return c != below && !alerted[c] })
		if left := before - len(up.Children); left > 0 && up.Missing >= 0 {
			up.Missing += left
		}
	}
	out.Roots = []*Node{top}
	out.Walk(func(*Node, int) bool { out.Count++; return true })
	return out
}
