package archtest

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// layers lists packages whose files have an order, the top one first. A layer
// is one or more file names or patterns (path.Match), separated by spaces. A
// file may refer to files of the layers below its own, and to no other: files
// that share a layer do not know each other. Tests are free.
var layers = []struct {
	pkg  string
	from []string
}{
	{pkg: "internal/backends/esp", from: []string{
		"respond.go", "call.go", "actions.go edit.go", "alerts.go carve.go hunt.go processes.go tree.go",
		"events.go livequery.go rules.go", "lookup.go hosts.go", "normalise.go", "vocabulary.go", "driver.go", "fields.go pushes.go",
	}},
	{pkg: "internal/backends/gene", from: []string{
		"respond.go", "callchange.go", "call.go", "callendpoint.go callrules.go callstore.go", "callplan.go hostedit.go",
		"carve.go", "artifacts.go fetched.go", "commands.go", "confirm.go",
		"alerts.go events.go tree.go", "lookup.go processes.go watch.go", "windows.go", "logs.go", "sorter.go",
		"hosts.go", "reports.go rules.go version.go", "endpoints.go", "transport.go", "driver.go", "export.go", "state.go", "fields.go normalise.go pushes.go",
	}},
	{pkg: "internal/change", from: []string{
		"inforce.go", "actions.go fetch.go undo.go", "execute.go", "approve.go follow.go lookup.go result.go", "plan.go targets.go",
		"journal.go", "actor.go", "ledger.go", "journaled.go", "step.go", "params.go words.go",
	}},
	{pkg: "internal/hunt", from: []string{"run.go sigma.go sigmarules.go live.go indicators.go", "plan.go", "scan.go", "hits.go", "state.go", "hunt.go", "checkpoint.go modes.go summary.go", "span.go"}},
}

// TestLayers holds the order of files inside packages.
func TestLayers(t *testing.T) {
	for _, l := range layers {
		wrong, err := upward(filepath.Join("..", "..", filepath.FromSlash(l.pkg)), l.from)
		if err != nil {
			t.Errorf("%s: %v", l.pkg, err)
		}
		for _, w := range wrong {
			t.Errorf("%s: %s", l.pkg, w)
		}
	}
}

// upward checks the package in dir against its layers, the top one first, and
// gives one line for each thing a file names of a file that is not below it.
// Imported packages are not read: a method with an exported name, called on a
// value of a type that only they know, goes unseen.
func upward(dir string, layers []string) (wrong []string, err error) {
	pkg, err := readPackage(dir)
	if err != nil {
		return nil, err
	}
	level := map[string]int{}
	for i, l := range layers {
		for _, pattern := range strings.Fields(l) {
			n := 0
			for name := range pkg.files {
				if ok, err := path.Match(pattern, name); err != nil {
					return nil, err
				} else if ok {
					if at, taken := level[name]; taken {
						return nil, fmt.Errorf("%s is in layer %d and in layer %d", name, at+1, i+1)
					}
					level[name] = i
					n++
				}
			}
			if n == 0 {
				wrong = append(wrong, fmt.Sprintf("no file is %s", pattern))
			}
		}
	}
	for name, file := range pkg.files {
		if _, ok := level[name]; !ok && len(file.Decls) > 0 {
			wrong = append(wrong, fmt.Sprintf("%s has no layer in the table", name))
		}
	}
	for _, r := range pkg.references() {
		if level[r.to] <= level[r.from] {
			wrong = append(wrong, fmt.Sprintf("%s names %s of %s, which is not below it", r.from, r.name, r.to))
		}
	}
	slices.Sort(wrong)
	return slices.Compact(wrong), nil
}

// reference is one thing that a file names of another file.
type reference struct{ from, to, name string }

// source is a package as its files say it, without its imports.
type source struct {
	fset  *token.FileSet
	files map[string]*ast.File // by name
	types *types.Package
	info  types.Info
}

func readPackage(dir string) (*source, error) {
	s := &source{fset: token.NewFileSet(), files: map[string]*ast.File{}, info: types.Info{
		Defs: map[*ast.Ident]types.Object{}, Uses: map[*ast.Ident]types.Object{}, Selections: map[*ast.SelectorExpr]*types.Selection{},
	}}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if name := e.Name(); strings.HasSuffix(name, ".go") && !strings.HasSuffix(name, "_test.go") {
			if s.files[name], err = parser.ParseFile(s.fset, filepath.Join(dir, name), nil, parser.SkipObjectResolution); err != nil {
				return nil, err
			}
		}
	}
	conf := types.Config{Importer: empty{}, Error: func(error) {}} // what is imported is unknown, and an error each time it is used
	s.types, _ = conf.Check(dir, s.fset, slices.Collect(maps.Values(s.files)), &s.info)
	return s, nil
}

// empty imports every package as one without contents.
type empty struct{}

func (empty) Import(name string) (*types.Package, error) {
	p := types.NewPackage(name, path.Base(name))
	p.MarkComplete()
	return p, nil
}

// references are the names in a file of what other files declare: at package
// level, methods and fields.
func (s *source) references() []reference {
	seen := map[reference]bool{}
	add := func(at ast.Node, to token.Pos, name string) {
		r := reference{s.file(at.Pos()), s.file(to), name}
		if r.from != r.to {
			seen[r] = true
		}
	}
	for id, obj := range s.info.Uses {
		if obj.Pkg() == s.types && (obj.Parent() == s.types.Scope() || isMember(obj)) {
			add(id, obj.Pos(), obj.Name())
		}
	}
	members := s.members()
	for _, f := range s.files {
		ast.Inspect(f, func(n ast.Node) bool {
			sel, ok := n.(*ast.SelectorExpr)
			if !ok || s.info.Uses[sel.Sel] != nil || ast.IsExported(sel.Sel.Name) {
				return true
			}
			// The type of its value is not known, but only this package can
			// have declared it.
			if all := members[sel.Sel.Name]; len(all) == 1 {
				add(sel.Sel, all[0], sel.Sel.Name)
			}
			return true
		})
	}
	return slices.Collect(maps.Keys(seen))
}

// members are the unexported methods and fields of the package by their names.
func (s *source) members() map[string][]token.Pos {
	out := map[string][]token.Pos{}
	for _, obj := range s.info.Defs {
		if obj != nil && isMember(obj) && !obj.Exported() {
			out[obj.Name()] = append(out[obj.Name()], obj.Pos())
		}
	}
	return out
}

func isMember(obj types.Object) bool {
	switch o := obj.(type) {
	case *types.Var:
		return o.IsField()
	case *types.Func:
		return o.Signature().Recv() != nil
	}
	return false
}

func (s *source) file(pos token.Pos) string { return filepath.Base(s.fset.Position(pos).Filename) }

// TestUpward shows what the check of layers reports.
func TestUpward(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"top.go":    "package p\n\nimport \"other/list\"\n\ntype top struct{ mid *mid }\n\nfunc (t *top) run() { t.mid.work(list.Of(bottom)); helper() }\n",
		"left.go":   "package p\n\ntype mid struct{ name string }\n\nfunc (m *mid) work(any) { helper() }\n",
		"right.go":  "package p\n\nimport \"other/list\"\n\nfunc helper() { bottom(); for _, m := range list.All() { m.work(nil) } }\n",
		"low.go":    "package p\n\nfunc bottom() { local := 1; _ = local; var t *top; t.run() }\n",
		"doc.go":    "// Package p is an example.\npackage p\n",
		"new.go":    "package p\n\nfunc unplaced() {}\n",
		"p_test.go": "package p\n\nfunc inTest() { (&top{}).run() }\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got, err := upward(dir, []string{"top.go", "left.go right.go", "lo*.go", "gone.go"})
	want := []string{
		"left.go names helper of right.go, which is not below it",
		"low.go names run of top.go, which is not below it",
		"low.go names top of top.go, which is not below it",
		"new.go has no layer in the table",
		"no file is gone.go",
		"right.go names work of left.go, which is not below it",
	}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%v\n%s", err, strings.Join(got, "\n"))
	}
	if _, err := upward(dir, []string{"top.go", "*.go"}); err == nil {
		t.Error("a file in two layers is accepted")
	}
}
