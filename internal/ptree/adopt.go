package ptree

import (
	"strings"
	"time"
)

// Saw notes that the process was at work at a time.
func (n *Node) Saw(at time.Time) {
	if at.IsZero() {
		return
	}
	if n.seen[0].IsZero() || at.Before(n.seen[0]) {
		n.seen[0] = at
	}
	if at.After(n.seen[1]) {
		n.seen[1] = at
	}
}

// adopt joins what is known by pid alone, as rows of the network tell it
// where an agent gives its processes no id, to the process that had the pid
// then. own: only within one profile; else across profiles too, where the
// path must be the same.
func (b *Builder) adopt(own bool) {
	for _, n := range b.order {
		if n.merged != nil || !n.nameless || n.Process.PID == 0 || !n.Process.Started.IsZero() || n.seen[0].IsZero() {
			continue
		}
		if p := b.holder(n, own); p != nil {
			p.absorb(n, own)
		}
	}
}

// holder gives the process that had the pid of n all the time n was seen, nil
// when there is none or the pid changed hands meanwhile: a guess would put one
// process's activity on another.
func (b *Builder) holder(n *Node, own bool) *Node {
	var best *Node
	for _, p := range b.index[pidKey{strings.ToLower(nameOf(n.Process.Host)), n.Process.PID}] {
		p = p.last()
		start, end := p.Process.Started.Time, p.Process.Ended.Time
		switch {
		case p == n || start.IsZero() || p == best:
			continue
		case own && p.profile() != n.profile():
			continue
		case !own && (p.Process.Path == "" || !strings.EqualFold(p.Process.Path, n.Process.Path)):
			continue
		case start.After(n.seen[1].Add(Skew)):
			continue
		case !end.IsZero() && end.Before(n.seen[0].Add(-Skew)):
			continue
		case !mayBe(parentOf(&p.Process), &n.Process):
			continue
		case best == nil, start.Sub(best.Process.Started.Time) > Skew && !start.After(n.seen[0].Add(Skew)):
			best = p // a later one, and already there when n was first seen
		default:
			return nil // two may be meant
		}
	}
	if best == nil || best.Process.Started.After(n.seen[0].Add(Skew)) {
		return nil
	}
	return best
}
