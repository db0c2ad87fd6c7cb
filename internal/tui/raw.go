package tui

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"

	tea "charm.land/bubbletea/v2"

	"github.com/edrctl/edrctl/internal/model"
	"github.com/edrctl/edrctl/internal/safetext"
	"github.com/edrctl/edrctl/internal/shellquote"
	"github.com/edrctl/edrctl/internal/tui/keys"
	"github.com/edrctl/edrctl/internal/tui/theme"
	"github.com/edrctl/edrctl/internal/tui/ui"
)

// jsonNode is one value of a document.
type jsonNode struct {
	name  string // with its colon, "" in arrays
	value string // of a scalar, as JSON
	open  string // { or [
	close string
	kids  []*jsonNode
	up    *jsonNode
}

// rawView shows the vendor's own JSON of a record, folded and searchable.
type rawView struct {
	viewCore
	r     model.Record
	raw   json.RawMessage
	tree  ui.Tree[*jsonNode]
	all   []*jsonNode
	err   error
	done  bool
	find  string
	hits  []*jsonNode
	hitAt int
}

// rawOf shows the JSON of a record: its raw form when it is at hand or can be
// read, else the normalised one.
func rawOf(_ *shell, r model.Record) view {
	v := &rawView{r: r}
	v.tree = ui.Tree[*jsonNode]{Children: func(n *jsonNode) []*jsonNode { return n.kids }, Line: v.line}
	return v
}

func (v *rawView) title() string             { return "raw" }
func (v *rawView) scopes() []keys.Scope      { return []keys.Scope{keys.Trees, keys.Views} }
func (v *rawView) selection() []model.Record { return []model.Record{v.r} }
func (v *rawView) command(*shell) string {
	if _, ok := v.r.(*model.Alert); ok {
		return shellquote.Join("edrctl alerts get --raw -o json", refOf(v.r))
	}
	return ""
}

type rawRead struct {
	root *jsonNode
	all  []*jsonNode
	raw  json.RawMessage
	err  error
}

func (v *rawView) open(s *shell) tea.Cmd {
	r := v.r
	return s.do(v, "reading the raw record", func(ctx context.Context) any {
		raw := rawBytes(r)
		var err error
		if a, ok := r.(*model.Alert); ok && len(raw) == 0 {
			var full *model.Alert
			if full, err = s.svc.Alert(ctx, a.Ref); err == nil && full != nil {
				raw = full.Raw
			}
		}
		if len(raw) == 0 {
			raw, _ = json.Marshal(r) // of our own types: cannot fail
		}
		root, all, perr := parseJSON(raw)
		if err == nil {
			err = perr
		}
		return rawRead{root, all, raw, err}
	})
}

func rawBytes(r model.Record) json.RawMessage {
	switch x := r.(type) {
	case *model.Alert:
		return x.Raw
	case *model.Event:
		return x.Raw
	case *model.Process:
		return x.Raw
	case *model.Host:
		return x.Raw
	}
	return nil
}

// maxJSONDepth bounds how deep a document may go; deeper parts stay text.
const maxJSONDepth = 200

// parseJSON makes nodes of a document, keeping its order.
func parseJSON(raw []byte) (*jsonNode, []*jsonNode, error) {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var all []*jsonNode
	var value func(name string, up *jsonNode, depth int) (*jsonNode, error)
	value = func(name string, up *jsonNode, depth int) (*jsonNode, error) {
		n := &jsonNode{name: name, up: up}
		all = append(all, n)
		if depth > maxJSONDepth {
			var rest json.RawMessage
			if err := d.Decode(&rest); err != nil {
				return nil, err
			}
			n.value = string(rest)
			return n, nil
		}
		tok, err := d.Token()
		if err != nil {
			return nil, err
		}
		del, ok := tok.(json.Delim)
		if !ok {
			b, err := scalar(tok)
			n.value = b
			return n, err
		}
		n.open = del.String()
		n.close = map[string]string{"{": "}", "[": "]"}[n.open]
		for d.More() {
			key := ""
			if n.open == "{" {
				k, err := d.Token()
				if err != nil {
					return nil, err
				}
				key, _ = k.(string)
				key += ":"
			}
			kid, err := value(key, n, depth+1)
			if err != nil {
				return nil, err
			}
			n.kids = append(n.kids, kid)
		}
		_, err = d.Token()
		return n, err
	}
	root, err := value("", nil, 0)
	return root, all, err
}

// scalar writes a value as JSON, readable: no HTML escapes.
func scalar(tok json.Token) (string, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(tok)
	return strings.TrimRight(b.String(), "\n"), err
}

func (v *rawView) update(s *shell, msg any) tea.Cmd {
	switch m := msg.(type) {
	case rawRead:
		v.done, v.err, v.all, v.raw = true, m.err, m.all, m.raw
		if m.root != nil {
			v.tree.SetRoots([]*jsonNode{m.root}, func(n *jsonNode, depth int) bool { return depth > 1 && len(n.kids) > 12 })
		}
	case failed:
		v.err, v.done = m.err, true
		s.fail(m.what, m.err)
	}
	return nil
}

func (v *rawView) line(t *theme.Theme, n *jsonNode, l *ui.Line) {
	look := func(st theme.Style, s string) theme.Style {
		if v.find != "" && strings.Contains(strings.ToLower(s), v.find) {
			return t.Match
		}
		return st
	}
	if n.name != "" {
		l.Put(look(t.Accent, n.name), ui.Text(n.name)).Space(1)
	}
	if n.open != "" {
		l.Put(t.Dim, safetext.Display(n.open))
		l.Put(t.Dim, safetext.Sprintf(" %d %s", len(n.kids), n.close))
		return
	}
	l.Put(look("", n.value), ui.Text(n.value))
}

func (v *rawView) key(s *shell, a keys.Action, _ string) (tea.Cmd, bool) {
	if !v.done || len(v.all) == 0 {
		return nil, false
	}
	if a == keys.Back && v.find != "" {
		v.find, v.hits = "", nil
		return nil, true
	}
	if moveKey(&v.tree, a) {
		return nil, true
	}
	switch a {
	case keys.Right:
		if !v.tree.Expand(true) {
			v.tree.Move(1)
		}
	case keys.Left:
		if !v.tree.Expand(false) {
			v.tree.Parent()
		}
	case keys.Open, keys.Mark:
		v.tree.Toggle()
	case keys.Parent:
		v.tree.Parent()
	case keys.ExpandAll:
		v.tree.ExpandAll(true)
	case keys.CollapseAll:
		v.tree.ExpandAll(false)
	case keys.NextMatch:
		v.nextHit(s, 1)
	case keys.PrevMatch:
		v.nextHit(s, -1)
	case keys.Raw:
	case keys.Filter:
		p := newPrompt("search ", v.find)
		p.changed = func(s *shell, line string) (tea.Cmd, error) {
			v.search(line)
			v.nextHit(s, 1)
			return nil, nil
		}
		p.done = func(s *shell, line string, ok bool) (tea.Cmd, bool) {
			if !ok {
				v.search("")
			} else if line != "" && len(v.hits) == 0 {
				s.warn("not found")
			}
			return nil, false
		}
		s.prompt(p)
	default:
		return nil, false
	}
	return nil, true
}

func (v *rawView) search(line string) {
	v.find = strings.ToLower(line)
	v.hits, v.hitAt = nil, -1
	if v.find == "" {
		return
	}
	for _, n := range v.all {
		if strings.Contains(strings.ToLower(n.name+n.value), v.find) {
			v.hits = append(v.hits, n)
		}
	}
}

func (v *rawView) nextHit(_ *shell, by int) {
	if len(v.hits) == 0 {
		return
	}
	v.hitAt = (v.hitAt + by + len(v.hits)) % len(v.hits)
	v.tree.Reveal(v.hits[v.hitAt], func(n *jsonNode) (*jsonNode, bool) { return n.up, n.up != nil })
}

func (v *rawView) mouse(_ *shell, m mouse) tea.Cmd {
	switch {
	case m.wheel != 0:
		v.tree.Scroll(m.wheel)
	case m.click:
		if i := v.tree.Offset() + m.y; i < v.tree.Len() {
			same := i == v.tree.Cursor()
			v.tree.Select(i)
			if same {
				v.tree.Toggle()
			}
		}
	}
	return nil
}

func (v *rawView) draw(s *shell, w, h int) []string {
	t := s.theme
	switch {
	case !v.done:
		return []string{ui.NewLine(t, w, "").Put(t.Dim, " reading…").String()}
	case v.err != nil && len(v.all) == 0:
		return []string{ui.NewLine(t, w, "").Put(t.Err, " ").Put(t.Err, safetext.Text(v.err.Error())).String()}
	}
	return v.tree.Draw(t, w, h)
}

func (v *rawView) hints(*shell) []hint {
	return []hint{{action: keys.Mark, short: "fold"}, {action: keys.ExpandAll}, {action: keys.CollapseAll}, {action: keys.Back}}
}

func (v *rawView) status(*shell) safetext.Display {
	if v.find != "" {
		return safetext.Sprintf("%s of %q", count(len(v.hits), "hit"), v.find)
	}
	return bytesOf(int64(len(v.raw)))
}
