package ptree

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/charmbracelet/x/ansi"

	"github.com/edrctl/edrctl/internal/model"
	"github.com/edrctl/edrctl/internal/safetext"
)

// Style is how a tree is drawn.
type Style struct {
	Unicode bool
	Width   int // columns; 0 = nothing is cut
	Sources bool
}

// branches are the parts of the lines in front of a node.
type branches struct{ tee, end, pipe, blank, cut string }

func (s Style) branches() branches {
	if s.Unicode {
		return branches{"├─ ", "└─ ", "│  ", "   ", "…"}
	}
	return branches{"|- ", "`- ", "|  ", "   ", "..."}
}

// maxIndent is how deep the drawing goes right before it stays there: a chain
// of a thousand processes is still readable, and its depth is written down.
const maxIndent = 40

// Row is one line of a drawn tree.
type Row struct {
	Node   *Node // nil for "… 12 more"
	Depth  int
	Prefix string           // branches, ASCII or Unicode
	Text   safetext.Display // name, pid, command line and marks, not cut
}

// Rows draws the tree, a line a node, and one for children that were not read.
func (t *Tree) Rows(style Style, yield func(Row) bool) {
	br := style.branches()
	// open[d] tells whether an ancestor at depth d has further siblings below.
	var open []bool
	more := func(depth int) string {
		var b strings.Builder
		for d := 1; d < min(depth, maxIndent); d++ {
			if d < len(open) && open[d] {
				b.WriteString(br.pipe)
			} else {
				b.WriteString(br.blank)
			}
		}
		return b.String()
	}
	type pending struct {
		depth int
		n     *Node
	}
	var missing []pending // nodes whose "more" line is due when their subtree ends
	flush := func(depth int) bool {
		for len(missing) > 0 && missing[len(missing)-1].depth >= depth {
			p := missing[len(missing)-1]
			missing = missing[:len(missing)-1]
			text := "… more, nobody knows how many"
			if p.n.Missing > 0 {
				text = fmt.Sprintf("… %d more", p.n.Missing)
			}
			if !style.Unicode {
				text = strings.ReplaceAll(text, "…", "...")
			}
			if !yield(Row{Depth: p.depth + 1, Prefix: more(p.depth+1) + br.end, Text: safetext.Display(text)}) {
				return false
			}
		}
		return true
	}
	done := false
	t.Walk(func(n *Node, depth int) bool {
		if !flush(depth) {
			done = true
			return false
		}
		siblings := t.Roots
		if n.Parent != nil {
			siblings = n.Parent.Children
		}
		last := siblings[len(siblings)-1] == n && (n.Parent == nil || n.Parent.Missing == 0)
		for len(open) <= depth {
			open = append(open, false)
		}
		open[depth] = !last
		prefix := ""
		if depth > 0 {
			prefix = more(depth)
			if last {
				prefix += br.end
			} else {
				prefix += br.tee
			}
		}
		if depth > maxIndent {
			prefix += "[" + strconv.Itoa(depth) + "] "
		}
		if n.Missing != 0 {
			missing = append(missing, pending{depth, n})
		}
		if !yield(Row{Node: n, Depth: depth, Prefix: prefix, Text: n.line(style)}) {
			done = true
			return false
		}
		return true
	})
	if !done {
		flush(0)
	}
}

// line is the text of one node.
func (n *Node) line(style Style) safetext.Display {
	var b strings.Builder
	b.WriteString(cmp.Or(n.Process.Name, model.BaseName(n.Process.Path), "(unknown)"))
	if n.Process.PID != 0 {
		fmt.Fprintf(&b, " (%d)", n.Process.PID)
	}
	if n.Gap {
		b.WriteString(" [not seen itself]")
	}
	if n.Cut {
		b.WriteString(" [its parents form a cycle, cut here]")
	}
	if s := n.marks(); s != "" {
		b.WriteString("  " + s)
	}
	if c := n.Process.CommandLine; c != "" {
		b.WriteString("  " + c)
	} else if n.Process.Path != "" && n.Process.Path != n.Process.Name {
		b.WriteString("  " + n.Process.Path)
	}
	if style.Sources {
		b.WriteString("  {" + strings.Join(n.SeenBy, ", ") + "}")
	}
	return safetext.Text(b.String())
}

// marks are score and rules of the alerts on the node, user, reputation and
// counts of events.
func (n *Node) marks() string {
	var parts []string
	if len(n.Alerts) > 0 {
		var rules []string
		for _, a := range n.Alerts {
			rules = append(rules, a.Title)
		}
		slices.Sort(rules)
		mark := "! "
		if s := n.Score(); s != nil {
			mark += strconv.FormatFloat(*s, 'g', -1, 64) + "/10 "
		}
		parts = append(parts, mark+strings.Join(slices.Compact(rules), "; "))
	}
	if r := n.Process.Reputation; r != nil && r.Verdict == "malicious" {
		parts = append(parts, "malicious")
	}
	if n.Process.Signed != nil && !*n.Process.Signed {
		parts = append(parts, "unsigned")
	}
	if u := n.Process.User; u != nil && u.Name != "" {
		parts = append(parts, "as "+u.Name)
	}
	if len(n.Events) > 0 {
		var counts []string
		for _, k := range slices.Sorted(maps.Keys(n.Events)) {
			counts = append(counts, fmt.Sprintf("%s %d", k, n.Events[k]))
		}
		parts = append(parts, "["+strings.Join(counts, ", ")+"]")
	}
	return strings.Join(parts, "  ")
}

// WriteText draws the tree; lines longer than the width are cut in the middle,
// so that both the name and the end of a command line stay.
func (t *Tree) WriteText(w io.Writer, style Style) error {
	b := bufio.NewWriter(w)
	focus := "  <- asked for"
	if style.Unicode {
		focus = "  ◀ asked for"
	}
	var err error
	t.Rows(style, func(r Row) bool {
		tail := ""
		if r.Node != nil && r.Node.Focus {
			tail = focus
		}
		text := string(r.Text)
		if !style.Unicode {
			text = string(r.Text.ASCII())
		}
		if style.Width > 0 {
			text = middle(text, style.Width-ansi.StringWidth(r.Prefix)-ansi.StringWidth(tail), style.branches().cut)
		}
		_, err = b.WriteString(r.Prefix + text + tail + "\n")
		return err == nil
	})
	if err != nil {
		return err
	}
	return b.Flush()
}

// middle cuts s to a width by leaving out its middle.
func middle(s string, width int, mark string) string {
	full := ansi.StringWidth(s)
	if full <= width {
		return s
	}
	room := width - ansi.StringWidth(mark)
	if room < 2 {
		return ansi.Truncate(s, max(width, 0), "")
	}
	head := room * 2 / 3
	return ansi.Truncate(s, head, "") + mark + ansi.TruncateLeft(s, full-(room-head), "")
}

// Nested is the JSON form of a node.
type Nested struct {
	*model.Process
	SeenBy   []string           `json:"seen_by"`
	Gap      bool               `json:"gap,omitempty"`
	Cut      bool               `json:"cycle_cut,omitempty"`
	Focus    bool               `json:"focus,omitempty"`
	Missing  int                `json:"missing_children,omitempty"` // -1: some, unknown how many
	Score    *float64           `json:"score,omitempty"`
	Alerts   []AlertMark        `json:"alerts,omitempty"`
	Events   map[model.Kind]int `json:"events,omitempty"`
	Children []*Nested          `json:"children"`
}

// AlertMark is an alert as a node of the tree names it.
type AlertMark struct {
	Ref      string         `json:"ref,omitempty"`
	Title    string         `json:"title,omitempty"`
	Score    *float64       `json:"score,omitempty"`
	Severity model.Severity `json:"severity,omitempty"`
	Rule     *model.Named   `json:"rule,omitempty"`
}

// Nest gives the roots as nested objects.
func (t *Tree) Nest() []*Nested {
	made := make(map[*Node]*Nested, t.Count)
	roots := []*Nested{}
	t.Walk(func(n *Node, _ int) bool {
		p := n.Process
		x := &Nested{
			Process: &p, SeenBy: n.SeenBy, Gap: n.Gap, Cut: n.Cut, Focus: n.Focus, Missing: n.Missing,
			Score: n.Score(), Events: n.Events, Children: []*Nested{},
		}
		for _, a := range n.Alerts {
			x.Alerts = append(x.Alerts, AlertMark{a.Ref, a.Title, a.Score, a.Severity, a.Rule})
		}
		made[n] = x
		if n.Parent == nil {
			roots = append(roots, x)
		} else {
			up := made[n.Parent]
			up.Children = append(up.Children, x)
		}
		return true
	})
	return roots
}

// WriteDOT writes the tree for Graphviz.
func (t *Tree) WriteDOT(w io.Writer) error {
	b := bufio.NewWriter(w)
	_, _ = b.WriteString("digraph processes {\n  rankdir=LR;\n  node [shape=box, fontname=\"monospace\"];\n") // Flush reports
	ids := make(map[*Node]int, t.Count)
	t.Walk(func(n *Node, _ int) bool {
		ids[n] = len(ids)
		attrs := ""
		switch {
		case len(n.Alerts) > 0:
			attrs = ", style=filled, fillcolor=\"#ffcccc\""
		case n.Gap:
			attrs = ", style=dashed"
		}
		label := middle(string(n.line(Style{Unicode: true})), 160, "…")
		fmt.Fprintf(b, "  n%d [label=%s%s];\n", ids[n], dotString(label), attrs)
		if n.Parent != nil {
			fmt.Fprintf(b, "  n%d -> n%d;\n", ids[n.Parent], ids[n])
		}
		if n.Missing != 0 {
			fmt.Fprintf(b, "  n%dm [label=\"…\", style=dotted];\n  n%d -> n%dm;\n", ids[n], ids[n], ids[n])
		}
		return true
	})
	_, _ = b.WriteString("}\n")
	return b.Flush()
}

func dotString(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}
