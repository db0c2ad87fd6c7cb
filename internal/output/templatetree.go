package output

import (
	"fmt"
	"strconv"
	"text/template"
	"text/template/parse"
)

// memberFunc is what the fields of a template become: `.a.b` is `member . "a" "b"`.
// The library ends with an error at a member of something absent, and records of
// several products lack different things.
const memberFunc = "member"

// memberOf follows names into objects; what is absent has no members.
func memberOf(v any, names ...string) (any, error) {
	for _, name := range names {
		switch x := v.(type) {
		case nil:
			return nil, nil
		case map[string]any:
			v = x[name]
		default:
			return nil, fmt.Errorf("can't evaluate field %s in %s", name, kindOf(v))
		}
	}
	return v, nil
}

// shownFunc ends what a template prints: the library writes <no value> for null.
const shownFunc = "shown"

func shown(v any) any {
	if v == nil {
		return ""
	}
	return v
}

// forgive turns the fields of t and of the templates it defines into calls of
// member, and has nothing printed for null.
func forgive(t *template.Template) {
	for _, t := range t.Templates() {
		if t.Tree != nil && t.Root != nil {
			(&forgiver{t.Tree}).list(t.Root)
		}
	}
}

type forgiver struct{ tree *parse.Tree }

func (f *forgiver) list(l *parse.ListNode) {
	if l == nil {
		return
	}
	for _, n := range l.Nodes {
		switch n := n.(type) {
		case *parse.ActionNode:
			f.pipe(n.Pipe)
			if len(n.Pipe.Decl) == 0 {
				n.Pipe.Cmds = append(n.Pipe.Cmds, f.command(n.Pos, shownFunc))
			}
		case *parse.IfNode:
			f.branch(&n.BranchNode)
		case *parse.WithNode:
			f.branch(&n.BranchNode)
		case *parse.RangeNode:
			f.branch(&n.BranchNode)
		case *parse.TemplateNode:
			f.pipe(n.Pipe)
		}
	}
}

func (f *forgiver) branch(n *parse.BranchNode) {
	f.pipe(n.Pipe)
	f.list(n.List)
	f.list(n.ElseList)
}

func (f *forgiver) pipe(p *parse.PipeNode) {
	if p == nil {
		return
	}
	for _, c := range p.Cmds {
		for i, arg := range c.Args {
			c.Args[i] = f.argument(arg)
		}
	}
}

func (f *forgiver) argument(n parse.Node) parse.Node {
	switch n := n.(type) {
	case *parse.FieldNode:
		return f.call(n.Pos, &parse.DotNode{NodeType: parse.NodeDot, Pos: n.Pos}, n.Ident)
	case *parse.VariableNode:
		if len(n.Ident) > 1 {
			names := n.Ident[1:]
			n.Ident = n.Ident[:1]
			return f.call(n.Pos, n, names)
		}
	case *parse.ChainNode:
		return f.call(n.Pos, f.argument(n.Node), n.Field)
	case *parse.PipeNode:
		f.pipe(n)
	}
	return n
}

func (f *forgiver) call(pos parse.Pos, of parse.Node, names []string) parse.Node {
	args := []parse.Node{of}
	for _, name := range names {
		args = append(args, &parse.StringNode{NodeType: parse.NodeString, Pos: pos, Quoted: strconv.Quote(name), Text: name})
	}
	return &parse.PipeNode{NodeType: parse.NodePipe, Pos: pos, Cmds: []*parse.CommandNode{f.command(pos, memberFunc, args...)}}
}

func (f *forgiver) command(pos parse.Pos, function string, args ...parse.Node) *parse.CommandNode {
	id := parse.NewIdentifier(function).SetPos(pos).SetTree(f.tree)
	return &parse.CommandNode{NodeType: parse.NodeCommand, Pos: pos, Args: append([]parse.Node{id}, args...)}
}
