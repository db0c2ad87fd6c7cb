package tui

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"

	tea "charm.land/bubbletea/v2"

	"github.com/edrctl/edrctl/internal/ptree"
)

func (v *treeView) searchPrompt(s *shell) {
	p := newPrompt("search ", v.find)
	p.hint = "name, command line, rule, hash"
	p.changed = func(s *shell, line string) (tea.Cmd, error) {
		v.search(line)
		v.nextHit(s, 1)
		return nil, nil
	}
	p.done = func(s *shell, line string, ok bool) (tea.Cmd, bool) {
		if !ok {
			v.search("")
			return nil, false
		}
		if line != "" && len(v.hits) == 0 {
			s.warn("not found in the tree")
		}
		return nil, false
	}
	s.prompt(p)
}

// search finds what contains a text, in what was read.
func (v *treeView) search(line string) {
	v.find = strings.ToLower(line)
	v.hits, v.hitAt = nil, -1
	if v.find == "" {
		return
	}
	v.res.Tree.Walk(func(n *ptree.Node, _ int) bool {
		if nodeHas(n, v.find) {
			v.hits = append(v.hits, n)
		}
		return true
	})
}

func nodeHas(n *ptree.Node, want string) bool {
	has := func(s string) bool { return strings.Contains(strings.ToLower(s), want) }
	if has(n.Process.Name) || has(n.Process.Path) || has(n.Process.CommandLine) {
		return true
	}
	if h := n.Process.Hash; h != nil && (has(h.MD5) || has(h.SHA1) || has(h.SHA256)) {
		return true
	}
	for _, a := range n.Alerts {
		if has(a.Title) {
			return true
		}
	}
	return false
}

func (v *treeView) nextHit(s *shell, by int) {
	if len(v.hits) == 0 {
		if v.find == "" {
			s.warn("/ searches")
		}
		return
	}
	v.hitAt = (v.hitAt + by + len(v.hits)) % len(v.hits)
	v.tree.Reveal(v.hits[v.hitAt], parentNode)
}

type exported struct {
	path string
	err  error
}

// exportPrompt asks for a file; its ending chooses the format.
func (v *treeView) exportPrompt(s *shell) {
	p := newPrompt("write the tree to ", "tree.txt")
	p.hint = ".txt, .json or .dot"
	p.done = func(s *shell, line string, ok bool) (tea.Cmd, bool) {
		line = strings.TrimSpace(line)
		if !ok || line == "" {
			return nil, false
		}
		tree := v.res.Tree
		return s.do(v, "writing", func(context.Context) any {
			path, err := writeTree(tree, line)
			return exported{path, err}
		}), false
	}
	s.prompt(p)
}

// writeTree writes a new file; one that exists is never replaced.
func writeTree(tree *ptree.Tree, path string) (string, error) {
	var b bytes.Buffer
	var err error
	switch strings.ToLower(filepath.Ext(path)) {
	case ".json":
		e := json.NewEncoder(&b)
		e.SetEscapeHTML(false)
		e.SetIndent("", "  ")
		err = e.Encode(tree.Nest())
	case ".dot", ".gv":
		err = tree.WriteDOT(&b)
	default:
		err = tree.WriteText(&b, ptree.Style{Unicode: true, Sources: true})
	}
	if err != nil {
		return path, err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return path, err
	}
	if _, err := f.Write(b.Bytes()); err != nil {
		_ = f.Close() // the write's error is the one to tell
		return path, err
	}
	return path, f.Close()
}
