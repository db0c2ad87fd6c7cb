package output

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"text/template/parse"
)

// What is here runs a Go template over JSON. The language, its grammar and its
// parser are those of text/template; only the execution is our own. That of
// the standard library finds methods by their names when it runs, for which
// the linker keeps every exported method of every type in the program: a tenth
// of its size, for values that are JSON and have no methods at all. It differs
// in what JSON makes possible: numbers compare as numbers, and a member of
// something absent is absent.

// script is a parsed template.
type script struct {
	trees map[string]*parse.Tree
	funcs map[string]tmplFunc
}

// tmplFunc is a function of templates. Arguments and result are JSON as
// encoding/json decodes it with UseNumber, and int, float64 and bool.
type tmplFunc func(args []any) (any, error)

const mainTemplate = "template"

func parseTemplate(text string, funcs map[string]tmplFunc) (*script, error) {
	names := map[string]any{"and": true, "or": true}
	for name := range funcs {
		names[name] = true
	}
	trees, err := parse.Parse(mainTemplate, text, "", "", names)
	if err != nil {
		return nil, err
	}
	return &script{trees: trees, funcs: funcs}, nil
}

// maxTemplateDepth ends templates that call themselves.
const maxTemplateDepth = 1000

// execute writes the template over data to w.
func (s *script) execute(ctx context.Context, w io.Writer, data any) error {
	e := &execution{script: s, ctx: ctx, w: w}
	return e.template(mainTemplate, data)
}

type execution struct {
	*script
	ctx   context.Context
	w     io.Writer
	tree  *parse.Tree
	vars  []variable
	depth int
}

// at says where in the template an error arose, once.
func (e *execution) at(n parse.Node, err error) error {
	var located *locatedError
	if err == nil || errors.As(err, &located) {
		return err
	}
	where, what := e.tree.ErrorContext(n)
	return &locatedError{where: where, what: what, err: err}
}

type locatedError struct {
	where, what string
	err         error
}

func (e *locatedError) Error() string { return e.where + ": " + e.what + ": " + e.err.Error() }
func (e *locatedError) Unwrap() error { return e.err }

type variable struct {
	name  string
	value any
}

var errBreak, errContinue = errors.New("break"), errors.New("continue")

func (e *execution) template(name string, dot any) error {
	tree := e.trees[name]
	if tree == nil || tree.Root == nil {
		if name == mainTemplate { // it holds definitions only
			return nil
		}
		return fmt.Errorf("no template is called %q", name)
	}
	if e.depth++; e.depth > maxTemplateDepth {
		return errors.New("templates call each other without end")
	}
	vars, caller := e.vars, e.tree
	e.vars, e.tree = []variable{{"$", dot}}, tree
	err := e.walk(tree.Root, dot)
	e.vars, e.tree = vars, caller
	e.depth--
	return err
}

// walk runs a node and writes what it prints.
func (e *execution) walk(n parse.Node, dot any) error {
	if err := e.ctx.Err(); err != nil {
		return err
	}
	switch n := n.(type) {
	case *parse.ListNode:
		if n == nil {
			return nil
		}
		for _, child := range n.Nodes {
			if err := e.walk(child, dot); err != nil {
				return err
			}
		}
		return nil
	case *parse.TextNode:
		_, err := e.w.Write(n.Text)
		return err
	case *parse.CommentNode:
		return nil
	case *parse.ActionNode:
		v, err := e.pipe(n.Pipe, dot)
		if err != nil || len(n.Pipe.Decl) > 0 {
			return err
		}
		return printValue(e.w, v)
	case *parse.IfNode:
		return e.branch(&n.BranchNode, dot, false)
	case *parse.WithNode:
		return e.branch(&n.BranchNode, dot, true)
	case *parse.RangeNode:
		return e.loop(n, dot)
	case *parse.BreakNode:
		return errBreak
	case *parse.ContinueNode:
		return errContinue
	case *parse.TemplateNode:
		var v any
		if n.Pipe != nil {
			var err error
			if v, err = e.pipe(n.Pipe, dot); err != nil {
				return err
			}
		}
		return e.at(n, e.template(n.Name, v))
	}
	return fmt.Errorf("%s is not known here", n)
}

// scoped runs f; variables it declares end with it.
func (e *execution) scoped(f func() error) error {
	mark := len(e.vars)
	defer func() { e.vars = e.vars[:mark] }()
	return f()
}

func (e *execution) branch(n *parse.BranchNode, dot any, with bool) error {
	return e.scoped(func() error {
		v, err := e.pipe(n.Pipe, dot)
		switch {
		case err != nil:
			return err
		case !truth(v):
			return e.walk(n.ElseList, dot)
		case with:
			return e.walk(n.List, v)
		}
		return e.walk(n.List, dot)
	})
}

func (e *execution) loop(n *parse.RangeNode, dot any) error {
	return e.scoped(func() error {
		over, err := e.pipe(n.Pipe, dot)
		if err != nil {
			return err
		}
		mark := len(e.vars)
		turns := 0
		turn := func(key, value any) (more bool, err error) {
			turns++
			e.vars = e.vars[:mark]
			// The variables stand where the pipe declared them: [key,] value.
			if d := len(n.Pipe.Decl); !n.Pipe.IsAssign && d > 0 {
				e.vars[mark-1].value = value
				if d > 1 {
					e.vars[mark-2].value = key
				}
			} else if d > 0 {
				e.assign(n.Pipe.Decl[d-1].Ident[0], value)
				if d > 1 {
					e.assign(n.Pipe.Decl[0].Ident[0], key)
				}
			}
			switch err := e.walk(n.List, value); {
			case errors.Is(err, errBreak):
				return false, nil
			case errors.Is(err, errContinue):
				return true, nil
			default:
				return err == nil, err
			}
		}
		switch over := over.(type) {
		case nil:
		case []any:
			for i, v := range over {
				if more, err := turn(i, v); !more {
					return err
				}
			}
		case map[string]any:
			for _, k := range slices.Sorted(maps.Keys(over)) {
				if more, err := turn(k, over[k]); !more {
					return err
				}
			}
		default:
			count, ok := integer(over)
			if !ok {
				return e.at(n.Pipe, fmt.Errorf("range can't iterate over %s", kindOf(over)))
			}
			for i := range count {
				if more, err := turn(i, i); !more {
					return err
				}
			}
		}
		if turns == 0 {
			return e.walk(n.ElseList, dot)
		}
		return nil
	})
}

func (e *execution) assign(name string, v any) {
	for i := len(e.vars) - 1; i >= 0; i-- {
		if e.vars[i].name == name {
			e.vars[i].value = v
			return
		}
	}
}

func (e *execution) pipe(p *parse.PipeNode, dot any) (v any, err error) {
	for i, c := range p.Cmds {
		var last []any
		if i > 0 {
			last = []any{v}
		}
		if v, err = e.command(c, dot, last); err != nil {
			return nil, e.at(c, err)
		}
	}
	for _, d := range p.Decl {
		if p.IsAssign {
			e.assign(d.Ident[0], v)
		} else {
			e.vars = append(e.vars, variable{d.Ident[0], v})
		}
	}
	return v, nil
}

// command evaluates one part of a pipe; last is what the part before gave.
func (e *execution) command(c *parse.CommandNode, dot any, last []any) (any, error) {
	first := c.Args[0]
	id, ok := first.(*parse.IdentifierNode)
	if !ok {
		if len(c.Args) > 1 || len(last) > 0 {
			return nil, fmt.Errorf("can't give argument to non-function %s", first)
		}
		return e.value(first, dot)
	}
	if id.Ident == "and" || id.Ident == "or" {
		return e.shortcut(id.Ident == "or", c.Args[1:], dot, last)
	}
	f := e.funcs[id.Ident]
	if f == nil {
		return nil, fmt.Errorf("%q is not a defined function", id.Ident)
	}
	args := make([]any, 0, len(c.Args))
	for _, a := range c.Args[1:] {
		v, err := e.value(a, dot)
		if err != nil {
			return nil, err
		}
		args = append(args, v)
	}
	v, err := f(append(args, last...))
	if err != nil {
		return nil, fmt.Errorf("error calling %s: %w", id.Ident, err)
	}
	return v, nil
}

// shortcut is and, or: arguments after the one that decides are not evaluated.
func (e *execution) shortcut(decides bool, args []parse.Node, dot any, last []any) (v any, err error) {
	if len(args)+len(last) == 0 {
		return nil, errors.New("and, or: at least one argument is needed")
	}
	for _, a := range args {
		if v, err = e.value(a, dot); err != nil || truth(v) == decides {
			return v, err
		}
	}
	if len(last) > 0 {
		v = last[0]
	}
	return v, nil
}

func (e *execution) value(n parse.Node, dot any) (any, error) {
	switch n := n.(type) {
	case *parse.DotNode:
		return dot, nil
	case *parse.NilNode:
		return nil, nil
	case *parse.BoolNode:
		return n.True, nil
	case *parse.StringNode:
		return n.Text, nil
	case *parse.NumberNode:
		switch {
		case n.IsInt && int64(int(n.Int64)) == n.Int64:
			return int(n.Int64), nil
		case n.IsFloat:
			return n.Float64, nil
		}
		return nil, fmt.Errorf("%s is no number that JSON has", n)
	case *parse.FieldNode:
		return members(dot, n.Ident)
	case *parse.VariableNode:
		for i := len(e.vars) - 1; i >= 0; i-- {
			if e.vars[i].name == n.Ident[0] {
				return members(e.vars[i].value, n.Ident[1:])
			}
		}
		return nil, fmt.Errorf("undefined variable: %s", n.Ident[0])
	case *parse.ChainNode:
		v, err := e.value(n.Node, dot)
		if err != nil {
			return nil, err
		}
		return members(v, n.Field)
	case *parse.PipeNode:
		var v any
		err := e.scoped(func() (err error) { v, err = e.pipe(n, dot); return err })
		return v, err
	case *parse.IdentifierNode: // a function without arguments
		return e.command(&parse.CommandNode{Args: []parse.Node{n}}, dot, nil)
	}
	return nil, fmt.Errorf("can't evaluate %s", n)
}

// members follows names into objects.
func members(v any, names []string) (any, error) {
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

func printValue(w io.Writer, v any) error {
	if v == nil {
		return nil
	}
	_, err := fmt.Fprint(w, v)
	return err
}

// truth is what if, and, or and not go by.
func truth(v any) bool {
	switch x := v.(type) {
	case nil:
		return false
	case bool:
		return x
	case string:
		return x != ""
	case []any:
		return len(x) > 0
	case map[string]any:
		return len(x) > 0
	case json.Number:
		f, err := x.Float64()
		return err != nil || f != 0
	case int:
		return x != 0
	case float64:
		return x != 0
	}
	return true
}

func kindOf(v any) string {
	switch v.(type) {
	case nil:
		return "nothing"
	case bool:
		return "a boolean"
	case string:
		return "a string"
	case []any:
		return "a list"
	case map[string]any:
		return "an object"
	}
	return "a number"
}
