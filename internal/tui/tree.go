package tui

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/edrctl/edrctl/internal/model"
	"github.com/edrctl/edrctl/internal/ops"
	"github.com/edrctl/edrctl/internal/ptree"
	"github.com/edrctl/edrctl/internal/safetext"
	"github.com/edrctl/edrctl/internal/shellquote"
	"github.com/edrctl/edrctl/internal/tui/keys"
	"github.com/edrctl/edrctl/internal/tui/theme"
	"github.com/edrctl/edrctl/internal/tui/ui"
)

// treeWindow is how far around the alert events are taken into its tree.
const treeWindow = 15 * time.Minute

// treeView is the process tree around an alert, a process or an event.
type treeView struct {
	viewCore
	q             ops.TreeQuery
	about         string
	tree          ui.Tree[*ptree.Node]
	res           *ops.TreeResult
	more          map[*ptree.Node]*ptree.Node // the line "12 more" of a node
	kids          map[*ptree.Node][]*ptree.Node
	err           error
	find          string
	hits          []*ptree.Node
	hitAt         int
	showUnrelated bool
}

// treeFor is the tree of a record, nil when it has no process.
func treeFor(r model.Record) *treeView {
	q := ops.TreeQuery{Ref: refOf(r), Window: treeWindow}
	about := ""
	switch x := r.(type) {
	case *model.Alert:
		if x.Process == nil {
			return nil
		}
		q.Kind, about = ops.TreeOfAlert, processName(x.Process)
	case *model.Event:
		if x.Process == nil {
			return nil
		}
		q.Kind, about = ops.TreeOfEvent, processName(x.Process)
	case *model.Process:
		id := cmp.Or(x.ID, x.UID)
		if id == "" {
			return nil
		}
		q.Kind, about = ops.TreeOfProcess, processName(x)
		if x.Profile != "" {
			q.Ref = x.Profile + "/" + id
		}
		if !x.Started.IsZero() {
			q.Since, q.Until = x.Started.Add(-time.Hour), x.Started.Add(time.Hour)
		}
	case *model.Hit:
		if x.Process == nil || x.Process.UID == "" {
			return nil
		}
		q.Kind, about = ops.TreeOfProcess, processName(x.Process)
		q.Ref = x.Profile + "/" + x.Process.UID
		q.Since, q.Until = x.First.Add(-time.Hour), x.Last.Add(time.Hour)
	case *model.SigmaHit:
		if len(x.Refs) == 0 {
			return nil
		}
		q.Kind, q.Ref, about = ops.TreeOfEvent, x.Refs[0], x.Rule.Title
		q.Since, q.Until = x.First.Add(-time.Hour), x.Last.Add(time.Hour)
	default:
		return nil
	}
	return newTree(q, about)
}

func newTree(q ops.TreeQuery, about string) *treeView {
	v := &treeView{q: q, about: about}
	v.tree = ui.Tree[*ptree.Node]{Children: v.children, Line: v.line, Unread: v.unread}
	return v
}

func (v *treeView) title() string        { return strings.TrimSpace("tree " + v.about) }
func (v *treeView) name() string         { return "tree" }
func (v *treeView) scopes() []keys.Scope { return []keys.Scope{keys.Trees, keys.Views} }

type treeRead struct {
	res *ops.TreeResult
	err error
}

func (v *treeView) open(s *shell) tea.Cmd {
	q := v.q
	q.Unrelated, q.Paged = v.showUnrelated, true
	if q.Until.IsZero() {
		q.Since, q.Until = s.now().Add(-s.app.opt.Window), s.now()
	}
	v.err, v.res = nil, nil
	return s.do(v, "building the tree", func(ctx context.Context) any {
		res, err := s.svc.Tree(ctx, q)
		return treeRead{res, err}
	})
}

func (v *treeView) update(s *shell, msg any) tea.Cmd {
	switch m := msg.(type) {
	case treeRead:
		if m.err != nil {
			v.err = m.err
			return nil
		}
		v.show(m.res)
		for _, o := range m.res.Outcomes {
			if o.Err != nil && !ops.Unable(o.Err) {
				s.fail(o.Profile, o.Err)
			}
		}
	case treeExpanded:
		v.applyExpansion(s, m)
	case exported:
		if errors.Is(m.err, os.ErrExist) {
			s.warn(safetext.Sprintf("%s is there already, and is not written over", model.BaseName(m.path)))
		} else if m.err != nil {
			s.fail("export", m.err)
		} else {
			s.notify(safetext.Sprintf("written to %s", m.path))
		}
	case failed:
		v.err = m.err
	}
	return nil
}

func (v *treeView) show(res *ops.TreeResult) {
	v.take(res)
	v.tree.SetRoots(res.Tree.Roots, nil)
	if res.Focus != nil {
		v.tree.Reveal(res.Focus, parentNode)
	}
}

// take makes the lines "12 more" of a result.
func (v *treeView) take(res *ops.TreeResult) {
	v.res = res
	v.more = map[*ptree.Node]*ptree.Node{}
	v.kids = map[*ptree.Node][]*ptree.Node{}
	res.Tree.Walk(func(n *ptree.Node, _ int) bool {
		if n.Missing != 0 {
			m := &ptree.Node{Parent: n, Missing: n.Missing}
			v.more[m] = n
			v.kids[n] = append(slices.Clone(n.Children), m)
		}
		return true
	})
}

// treeExpanded is the tree with a page more.
type treeExpanded struct {
	before int // processes
	res    *ops.TreeResult
	err    error
}

// read asks for a page more of a node's children, or for everything below it.
func (v *treeView) read(s *shell, n *ptree.Node, all bool) tea.Cmd {
	res := v.res
	switch {
	case res.More == nil:
		if !v.showUnrelated { // nothing can be asked: what was left out is shown
			v.showUnrelated = true
			return v.open(s)
		}
		return nil
	case v.busy > 0:
		s.warn("it is being read; one moment")
		return nil
	}
	what := "reading what " + cmp.Or(processName(&n.Process), "it") + " started"
	return s.do(v, what, func(ctx context.Context) any {
		next, err := res.More(ctx, ops.More{Node: n, All: all})
		return treeExpanded{res.Tree.Count, next, err}
	})
}

// grow replaces the old tree: what was folded stays
// folded, and the cursor where it was.
func (v *treeView) applyExpansion(s *shell, m treeExpanded) {
	if m.err != nil {
		s.fail("reading more", m.err)
		return
	}
	old, ends := v.more, map[*ptree.Node]*ptree.Node{}
	v.take(m.res)
	for line, owner := range v.more {
		ends[owner] = line
	}
	v.tree.Swap(m.res.Tree.Roots, func(n *ptree.Node) (*ptree.Node, bool) {
		if owner, ok := old[n]; ok {
			line := ends[m.res.Tree.Match(owner)]
			return line, line != nil
		}
		x := m.res.Tree.Match(n)
		return x, x != nil
	})
	if v.find != "" {
		v.search(v.find)
	}
	for _, o := range m.res.Outcomes {
		if o.Err != nil && !ops.Unable(o.Err) {
			s.fail(o.Profile, o.Err)
			return
		}
	}
	if n := m.res.Tree.Count - m.before; n > 0 {
		s.notify(safetext.Sprintf("%s more", count(n, "process")))
	} else {
		s.notify("it started nothing else that is known")
	}
}

// unread tells whether a node's children were not asked for.
func (v *treeView) unread(n *ptree.Node) bool {
	if v.res == nil || v.res.Unread == nil || v.res.More == nil {
		return false
	}
	if _, isLine := v.more[n]; isLine {
		return false
	}
	return v.res.Unread(n)
}

func parentNode(n *ptree.Node) (*ptree.Node, bool) { return n.Parent, n.Parent != nil }

func (v *treeView) children(n *ptree.Node) []*ptree.Node {
	if k, ok := v.kids[n]; ok {
		return k
	}
	return n.Children
}

// line draws a node: name, pid, what was found on it, how many events, and
// the command line.
func (v *treeView) line(t *theme.Theme, n *ptree.Node, l *ui.Line) {
	if owner, ok := v.more[n]; ok {
		if owner.Missing > 0 {
			l.Glyph(t.Warn, t.Glyphs.Ellipsis).Put(t.Warn, safetext.Sprintf(" %d more (enter opens them)", owner.Missing))
		} else {
			l.Glyph(t.Warn, t.Glyphs.Ellipsis).Put(t.Warn, " more, nobody knows how many (enter opens them)")
		}
		return
	}
	st := theme.Style("")
	if len(n.Alerts) > 0 {
		st = t.Severity(worstOf(n))
	}
	if n.Focus {
		st += t.Bold
	}
	name := ui.Text(cmp.Or(processName(&n.Process), "(unknown)"))
	if v.find != "" && strings.Contains(strings.ToLower(string(name)), v.find) {
		st = t.Match
	}
	l.Put(st, name)
	if n.Process.PID != 0 {
		l.Put(t.Dim, safetext.Sprintf(" (%d)", n.Process.PID))
	}
	if n.Focus {
		l.Glyph(t.Accent, " "+t.Glyphs.Left)
	}
	if len(n.Children) > 0 && v.unread(n) {
		l.Put(t.Accent, " [+]")
	}
	if n.Gap {
		l.Put(t.Dim, " [not seen itself]")
	}
	if n.Cut {
		l.Put(t.Warn, " [cycle cut]")
	}
	if len(n.Alerts) > 0 {
		mark := safetext.Display("  " + theme.Letters(worstOf(n)))
		if sc := n.Score(); sc != nil {
			mark += safetext.Sprintf(" %.3g", *sc)
		}
		var rules []string
		for _, a := range n.Alerts {
			if r := ruleName(a); !slices.Contains(rules, r) {
				rules = append(rules, r)
			}
		}
		l.Put(t.Severity(worstOf(n)), mark).Put(t.Severity(worstOf(n)), " "+ui.Cut(ui.Text(strings.Join(rules, "; ")), 40, t.Glyphs.Ellipsis))
	}
	if r := n.Process.Reputation; r != nil && r.Verdict == "malicious" {
		l.Put(t.Err, "  malicious")
	}
	if n.Process.Signed != nil && !*n.Process.Signed {
		l.Put(t.Warn, "  unsigned")
	}
	if len(n.Events) > 0 {
		l.Put(t.Dim, "  ["+eventCounts(n)+"]")
	}
	if c := shortCommand(n.Process.CommandLine); c != "" && l.Left() > 6 {
		l.Put(t.Dim, "  "+ui.CutMiddle(ui.Text(c), l.Left()-2, t.Glyphs.Ellipsis))
	}
}

func worstOf(n *ptree.Node) model.Severity {
	w := model.SeverityUnknown
	for _, a := range n.Alerts {
		if a.Severity.Rank() > w.Rank() {
			w = a.Severity
		}
	}
	return w
}

// short names of event kinds, for counts.
var kindShort = map[model.Kind]string{
	model.KindProcessStart: "start", model.KindProcessEnd: "end", model.KindProcessAccess: "access", model.KindProcessInject: "inject",
	model.KindFileCreate: "file+", model.KindFileWrite: "file", model.KindFileDelete: "file-", model.KindFileRead: "read",
	model.KindNetworkConnect: "net", model.KindNetworkListen: "listen", model.KindDNSQuery: "dns",
	model.KindRegistrySet: "reg", model.KindRegistryDelete: "reg-", model.KindRegistryCreate: "reg+", model.KindModuleLoad: "mod",
	model.KindDriverLoad: "driver", model.KindFileRename: "file~", model.KindFileStream: "ads", model.KindPipeCreate: "pipe+", model.KindPipeConnect: "pipe",
	model.KindRawRead: "raw", model.KindProcessTamper: "tamper", model.KindScriptBlock: "script", model.KindShareAccess: "share",
	model.KindServiceInstall: "service+", model.KindTaskChange: "task", model.KindAccountChange: "account", model.KindLogonFailed: "logon-",
}

func eventCounts(n *ptree.Node) safetext.Display {
	var parts []string
	for _, k := range slices.Sorted(maps.Keys(n.Events)) {
		parts = append(parts, fmt.Sprintf("%s %d", cmp.Or(kindShort[k], string(k)), n.Events[k]))
	}
	return safetext.Text(strings.Join(parts, " "))
}

func (v *treeView) current() *ptree.Node {
	if v.res == nil {
		return nil
	}
	n, ok := v.tree.Current()
	if !ok {
		return nil
	}
	return n
}

// process is the node's process as a record that can be asked for.
func (v *treeView) process(n *ptree.Node) *model.Process {
	if owner, ok := v.more[n]; ok {
		n = owner
	}
	if known := v.known(n); len(known) > 0 {
		return known[0]
	}
	p := n.Process
	if p.Profile == "" && len(n.SeenBy) > 0 {
		p.Profile = n.SeenBy[0]
	}
	return &p
}

// known is a process as each profile knows it, with its own id and host; the
// profile the tree was asked of first.
func (v *treeView) known(n *ptree.Node) []*model.Process {
	var out []*model.Process
	home, _, _ := strings.Cut(v.q.Ref, "/")
	for _, self := range n.As() {
		p := *self.Process
		p.Profile = self.Profile
		// What another product told as well is good to see, and names nothing.
		p.Name, p.Path, p.CommandLine = cmp.Or(p.Name, n.Process.Name), cmp.Or(p.Path, n.Process.Path), cmp.Or(p.CommandLine, n.Process.CommandLine)
		if p.Started.IsZero() {
			p.Started = n.Process.Started
		}
		if p.PID == 0 {
			p.PID = n.Process.PID
		}
		if p.Profile == home {
			out = slices.Insert(out, 0, &p)
		} else {
			out = append(out, &p)
		}
	}
	return out
}

// others are the process under the cursor as the other profiles know it.
func (v *treeView) others() []model.Record {
	n := v.current()
	if owner, ok := v.more[n]; ok {
		n = owner
	}
	if n == nil {
		return nil
	}
	var out []model.Record
	for i, p := range v.known(n) {
		if i > 0 {
			out = append(out, p)
		}
	}
	return out
}

func (v *treeView) selection() []model.Record {
	n := v.current()
	if n == nil {
		return nil
	}
	return []model.Record{v.process(n)}
}

func (v *treeView) key(s *shell, a keys.Action, _ string) (tea.Cmd, bool) {
	if a == keys.Back && v.find != "" {
		v.find, v.hits = "", nil
		return nil, true
	}
	n := v.current()
	if n == nil {
		switch a {
		case keys.Back, keys.Quit, keys.Help, keys.Palette, keys.Refresh, keys.LastView, keys.ForceQuit, keys.Suspend:
			return nil, false
		}
		return nil, false
	}
	if moveKey(&v.tree, a) {
		return nil, true
	}
	switch a {
	case keys.Right, keys.Mark:
		switch owner, isLine := v.more[n]; {
		case isLine:
			return v.read(s, owner, false), true
		case a == keys.Right && v.tree.Expand(true):
		case v.unread(n) && (a == keys.Right || len(n.Children) == 0):
			return v.read(s, n, false), true
		case a == keys.Right:
			v.tree.Move(1)
		default:
			v.tree.Toggle()
		}
	case keys.Left:
		if !v.tree.Expand(false) {
			v.tree.Parent()
		}
	case keys.Parent:
		v.tree.Parent()
	case keys.ExpandAll:
		if owner, isLine := v.more[n]; isLine {
			n = owner
		}
		v.tree.ExpandAll(true)
		if v.res.More != nil {
			return v.read(s, n, true), true
		}
	case keys.CollapseAll:
		v.tree.ExpandAll(false)
	case keys.Open:
		if owner, ok := v.more[n]; ok {
			return v.read(s, owner, false), true
		}
		return s.push(eventsOfProcess(s, v.process(n), v.around(s), v.others()...)), true
	case keys.Events:
		return s.push(eventsOfProcess(s, v.process(n), v.around(s), v.others()...)), true
	case keys.Filter:
		v.searchPrompt(s)
	case keys.NextMatch:
		v.nextHit(s, 1)
	case keys.PrevMatch:
		v.nextHit(s, -1)
	case keys.Pivot:
		return drill(s, keys.Pivot, v.process(n)), true
	case keys.Host:
		return drill(s, keys.Host, v.process(n)), true
	case keys.Raw:
		x := newRecord(v.process(n))
		x.also = v.others()
		return s.push(x), true
	case keys.Export:
		v.exportPrompt(s)
	case keys.Copy:
		return s.copy(cmp.Or(n.Process.CommandLine, n.Process.Path, n.Process.Name), "the command line"), true
	default:
		return nil, false
	}
	return nil, true
}

// around is the time the tree is about.
func (v *treeView) around(s *shell) [2]time.Time {
	if v.res != nil && v.res.Focus != nil && !v.res.Focus.Process.Started.IsZero() {
		at := v.res.Focus.Process.Started
		return [2]time.Time{at.Add(-time.Hour), at.Add(time.Hour)}
	}
	return [2]time.Time{s.now().Add(-s.app.opt.Window), s.now()}
}

func (v *treeView) mouse(s *shell, m mouse) tea.Cmd {
	switch {
	case m.wheel != 0:
		v.tree.Scroll(m.wheel)
	case m.click:
		if i := v.tree.Offset() + m.y - 1; m.y >= 1 && i < v.tree.Len() {
			same := i == v.tree.Cursor()
			v.tree.Select(i)
			if m.double {
				cmd, _ := v.key(s, keys.Open, "")
				return cmd
			}
			if same {
				cmd, _ := v.key(s, keys.Mark, "")
				return cmd
			}
		}
	}
	return nil
}

func (v *treeView) draw(s *shell, w, h int) []string {
	t := s.theme
	head := ui.NewLine(t, w, "").Space(1)
	switch {
	case v.err != nil:
		lines := []string{head.Put(t.Err, "no tree").String(), ui.Blank(w)}
		for _, d := range ui.Wrap(safetext.Text(v.err.Error()), w-4) {
			lines = append(lines, ui.NewLine(t, w, "").Space(2).Put(t.Err, d).String())
		}
		if a := ops.Advice(v.err); a != "" {
			for _, d := range ui.Wrap(safetext.Text(a), w-4) {
				lines = append(lines, ui.NewLine(t, w, "").Space(2).Put(t.Dim, d).String())
			}
		}
		return lines
	case v.res == nil:
		return []string{head.Put(t.Dim, "building the tree…").String()}
	}
	head.Put(t.Bold, safetext.Display(count(v.res.Tree.Count, "process")))
	if f := v.res.Focus; f != nil {
		head.Put(t.Dim, "  on ").Put("", ui.Text(hostName(f.Process.Host)))
		head.Put(t.Dim, "  seen by ").Put(t.Dim, ui.Text(strings.Join(f.SeenBy, ", ")))
	}
	if v.find != "" {
		head.Put(t.Match, safetext.Sprintf("  %s of %q", count(len(v.hits), "hit"), v.find))
	}
	return append([]string{head.String()}, v.tree.Draw(t, w, h-1)...)
}

func (v *treeView) hints(*shell) []hint {
	return []hint{
		{action: keys.Open, short: "events"}, {action: keys.Right, short: "open"}, {action: keys.ExpandAll, short: "all below"}, {action: keys.Filter, short: "search"},
		{action: keys.Pivot}, {action: keys.Act}, {action: keys.Export}, {action: keys.Back},
	}
}

func (v *treeView) status(*shell) safetext.Display {
	if v.res == nil {
		return ""
	}
	return safetext.Sprintf("%d of %d", v.tree.Cursor()+1, v.tree.Len())
}

func (v *treeView) command(*shell) string {
	noun := map[ops.TreeKind]string{ops.TreeOfAlert: "alerts", ops.TreeOfProcess: "processes", ops.TreeOfEvent: "events"}[v.q.Kind]
	return shellquote.Join("edrctl "+noun+" tree", v.q.Ref)
}
