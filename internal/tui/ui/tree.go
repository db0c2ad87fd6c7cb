package ui

import (
	"fmt"
	"strings"

	"github.com/edrctl/edrctl/internal/safetext"
	"github.com/edrctl/edrctl/internal/tui/theme"
)

// Tree is a virtual tree: what is expanded is kept as a flat list, and only
// the lines in the window are drawn. N must be comparable (a pointer).
type Tree[N comparable] struct {
	Children func(N) []N
	Line     func(t *theme.Theme, n N, l *Line) // draws the node behind its branches
	Unread   func(N) bool                       // whether a node may have children that were not read; may be nil

	roots  []N
	closed map[N]bool
	flat   []flatNode[N]
	at     map[N]int
	cursor int
	offset int
	height int
}

type flatNode[N comparable] struct {
	n      N
	parent int32 // index in flat, -1 for roots
	depth  int32
	last   bool // of its siblings
	leaf   bool
}

// SetRoots gives the tree; everything is expanded but what closed says.
func (t *Tree[N]) SetRoots(roots []N, closed func(n N, depth int) bool) {
	t.roots = roots
	t.closed = map[N]bool{}
	if closed != nil {
		type item struct {
			n     N
			depth int
		}
		var stack []item
		for _, r := range roots {
			stack = append(stack, item{r, 0})
		}
		for len(stack) > 0 {
			top := stack[len(stack)-1]
			stack = stack[:len(stack)-1]
			kids := t.Children(top.n)
			if len(kids) > 0 && closed(top.n, top.depth) {
				t.closed[top.n] = true
			}
			for _, k := range kids {
				stack = append(stack, item{k, top.depth + 1})
			}
		}
	}
	t.flatten()
}

// Swap replaces the nodes by those of a newer reading of the same tree. same
// finds a node again: what was folded stays folded, and the cursor stays on its
// node or, when that has gone, on its line.
func (t *Tree[N]) Swap(roots []N, same func(N) (N, bool)) {
	closed := make(map[N]bool, len(t.closed))
	for n := range t.closed {
		if m, ok := same(n); ok {
			closed[m] = true
		}
	}
	t.roots, t.closed = roots, closed
	if t.cursor < len(t.flat) {
		if m, ok := same(t.flat[t.cursor].n); ok {
			t.flat[t.cursor].n = m
		}
	}
	t.flatten()
}

// flatten lists what is visible. It does not recurse: chains may be very deep.
func (t *Tree[N]) flatten() {
	var keep N
	had := t.cursor < len(t.flat) && len(t.flat) > 0
	line := t.cursor - t.offset
	if had {
		keep = t.flat[t.cursor].n
	}
	t.flat = t.flat[:0]
	if t.at == nil {
		t.at = map[N]int{}
	}
	clear(t.at)
	type item struct {
		n      N
		parent int32
		depth  int32
		last   bool
	}
	var stack []item
	for i := len(t.roots) - 1; i >= 0; i-- {
		stack = append(stack, item{t.roots[i], -1, 0, i == len(t.roots)-1})
	}
	for len(stack) > 0 {
		top := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		kids := t.Children(top.n)
		me := int32(len(t.flat))
		t.at[top.n] = len(t.flat)
		t.flat = append(t.flat, flatNode[N]{top.n, top.parent, top.depth, top.last, len(kids) == 0})
		if t.closed[top.n] {
			continue
		}
		for i := len(kids) - 1; i >= 0; i-- {
			stack = append(stack, item{kids[i], me, top.depth + 1, i == len(kids)-1})
		}
	}
	if had {
		if i, ok := t.at[keep]; ok {
			t.cursor = i
			t.offset = i - line
		}
	}
	t.clamp()
}

func (t *Tree[N]) clamp() {
	t.cursor = max(0, min(t.cursor, len(t.flat)-1))
	if t.height > 0 {
		t.offset = max(t.offset, t.cursor-t.height+1)
		t.offset = min(t.offset, t.cursor)
		t.offset = max(0, min(t.offset, len(t.flat)-t.height))
	}
}

// Len is how many lines are visible or can be scrolled to.
func (t *Tree[N]) Len() int { return len(t.flat) }

// Page is how many lines the window has.
func (t *Tree[N]) Page() int { return max(1, t.height) }

// Move moves the cursor.
func (t *Tree[N]) Move(n int) { t.Select(t.cursor + n) }

// Select puts the cursor on line i.
func (t *Tree[N]) Select(i int) {
	t.cursor = i
	t.clamp()
}

// Scroll moves the window.
func (t *Tree[N]) Scroll(n int) {
	t.offset = max(0, min(t.offset+n, len(t.flat)-t.height))
	t.cursor = max(t.offset, min(t.cursor, t.offset+max(1, t.height)-1))
	t.clamp()
}

// Cursor and Offset are where cursor and window are.
func (t *Tree[N]) Cursor() int { return t.cursor }

// Offset is the first line of the window.
func (t *Tree[N]) Offset() int { return t.offset }

// Current is the node under the cursor.
func (t *Tree[N]) Current() (n N, ok bool) {
	if t.cursor >= len(t.flat) {
		return n, false
	}
	return t.flat[t.cursor].n, true
}

// At is the node on line i.
func (t *Tree[N]) At(i int) N { return t.flat[i].n }

// Depth is how deep the node under the cursor is.
func (t *Tree[N]) Depth() int {
	if t.cursor >= len(t.flat) {
		return 0
	}
	return int(t.flat[t.cursor].depth)
}

// Expand opens or closes the node under the cursor.
func (t *Tree[N]) Expand(open bool) bool {
	n, ok := t.Current()
	if !ok || t.flat[t.cursor].leaf || t.closed[n] != open {
		return false
	}
	if open {
		delete(t.closed, n)
	} else {
		t.closed[n] = true
	}
	t.flatten()
	return true
}

// Toggle turns the node under the cursor round.
func (t *Tree[N]) Toggle() {
	if n, ok := t.Current(); ok {
		t.Expand(t.closed[n])
	}
}

// Parent goes to the parent of the node under the cursor.
func (t *Tree[N]) Parent() bool {
	if t.cursor >= len(t.flat) || t.flat[t.cursor].parent < 0 {
		return false
	}
	t.Select(int(t.flat[t.cursor].parent))
	return true
}

// ExpandAll opens or closes everything below the cursor.
func (t *Tree[N]) ExpandAll(open bool) {
	n, ok := t.Current()
	if !ok {
		return
	}
	stack := []N{n}
	for len(stack) > 0 {
		top := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		kids := t.Children(top)
		if open {
			delete(t.closed, top)
		} else if len(kids) > 0 {
			t.closed[top] = true
		}
		stack = append(stack, kids...)
	}
	t.flatten()
}

// Reveal opens what is above n and puts the cursor on it.
func (t *Tree[N]) Reveal(n N, parent func(N) (N, bool)) bool {
	hidden := false
	seen := map[N]bool{}
	for p, ok := parent(n); ok && !seen[p]; p, ok = parent(p) {
		seen[p] = true
		if t.closed[p] {
			delete(t.closed, p)
			hidden = true
		}
	}
	if hidden {
		t.flatten()
	}
	i, ok := t.at[n]
	if !ok {
		return false
	}
	if i < t.offset || i >= t.offset+t.height {
		t.offset = i - t.height/3
	}
	t.Select(i)
	return true
}

// Draw draws the window: exactly h lines of w columns.
func (t *Tree[N]) Draw(th *theme.Theme, w, h int) []string {
	t.height = max(h, 0)
	t.clamp()
	lines := make([]string, 0, h)
	for i := t.offset; i < min(len(t.flat), t.offset+h); i++ {
		ground := theme.Style("")
		if i == t.cursor {
			ground = th.Selected
		}
		l := NewLine(th, w, ground)
		l.Space(1)
		t.branches(th, l, i, max(2, w/6))
		f := &t.flat[i]
		mark := th.Glyphs.Leaf
		if !f.leaf {
			mark = th.Glyphs.Open
			if t.closed[f.n] {
				mark = th.Glyphs.Closed
			}
		} else if t.Unread != nil && t.Unread(f.n) {
			mark = th.Glyphs.Closed
		}
		l.Glyph(th.Accent, mark).Space(1)
		t.Line(th, f.n, l)
		lines = append(lines, l.String())
	}
	return Fill(lines, w, h)
}

// branches draws the lines from the ancestors; of a very deep node only the
// nearest, and how deep it is.
func (t *Tree[N]) branches(th *theme.Theme, l *Line, i, most int) {
	f := &t.flat[i]
	depth := int(f.depth)
	shown := min(depth, most)
	if shown < depth {
		l.Put(th.Dim, safetext.Display(fmt.Sprintf("[%d] ", depth)))
	}
	if shown == 0 {
		return
	}
	parts := make([]string, shown)
	parts[shown-1] = th.Glyphs.Tee
	if f.last {
		parts[shown-1] = th.Glyphs.End
	}
	up := f.parent
	for k := shown - 2; k >= 0; k-- {
		parts[k] = th.Glyphs.Pipe
		if t.flat[up].last {
			parts[k] = th.Glyphs.Blank
		}
		up = t.flat[up].parent
	}
	l.Glyph(th.Border, strings.Join(parts, ""))
}
