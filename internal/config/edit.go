package config

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/rogpeppe/go-internal/lockedfile"
	"go.yaml.in/yaml/v3"

	"github.com/edrctl/edrctl/internal/atomicfile"
)

// AddProfile writes a profile into the file, at the end of the profiles, and
// creates the file when there is none. A profile of that name is replaced
// where it is when replace is set, else it is an error. File names in it
// that are not absolute count from the folder of the file.
func AddProfile(path string, prof *Profile, replace bool, opt Options) error {
	// Checked alone first: what is wrong with it has no line in the file yet.
	alone := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map", Content: []*yaml.Node{text(prof.Name), prof.node()}}
	p := parser{opt: opt, c: empty(opt)}
	if err := p.profiles(alone); err != nil {
		return err
	}
	return edit(path, opt, func(_ *Config, root *yaml.Node) error {
		profiles, err := child(root, "profiles")
		if err != nil {
			return err
		}
		if i := find(profiles, prof.Name); i >= 0 {
			if !replace {
				return &Error{File: path, Line: profiles.Content[i].Line, Msg: fmt.Sprintf("profile %s exists already", prof.Name),
					Hint: "choose another name, or remove it first"}
			}
			profiles.Content[i+1] = prof.node()
			return nil
		}
		profiles.Content = append(profiles.Content, text(prof.Name), prof.node())
		return nil
	})
}

// RemoveProfile takes a profile out of the file, of its groups and of the
// default. A group that is empty then goes too.
func RemoveProfile(path, name string, opt Options) error {
	return edit(path, opt, func(c *Config, root *yaml.Node) error {
		profiles, err := child(root, "profiles")
		if err != nil {
			return err
		}
		i := find(profiles, name)
		if i < 0 {
			return &Error{File: path, Msg: fmt.Sprintf("unknown profile %s", quote(name)), Hint: did(name, c.Order), Err: ErrUnknownProfile}
		}
		cut(profiles, i)
		gone := map[string]bool{name: true}
		if len(profiles.Content) == 0 {
			cut(root, find(root, "profiles"))
		}
		if g := find(root, "groups"); g >= 0 {
			groups := follow(root.Content[g+1])
			for j := 0; j+1 < len(groups.Content); {
				if without(groups.Content[j+1], gone) {
					gone["@"+groups.Content[j].Value] = true
					cut(groups, j)
					continue
				}
				j += 2
			}
			if len(groups.Content) == 0 {
				cut(root, g)
			}
		}
		if d := find(root, "default"); d >= 0 && without(root.Content[d+1], gone) {
			cut(root, d)
		}
		return nil
	})
}

// UseProfiles makes names (profiles, @groups, virtual names) the default; none
// takes the default away.
func UseProfiles(path string, names []string, opt Options) error {
	return edit(path, opt, func(c *Config, root *yaml.Node) error {
		for _, n := range names {
			if _, err := c.expand(n); err != nil {
				return err
			}
		}
		d := find(root, "default")
		if len(names) == 0 {
			if d >= 0 {
				cut(root, d)
			}
			return nil
		}
		seq := &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq", Style: yaml.FlowStyle}
		for _, n := range names {
			seq.Content = append(seq.Content, text(n))
		}
		if d >= 0 {
			old := root.Content[d+1]
			seq.LineComment, seq.FootComment = old.LineComment, old.FootComment
			if old.Kind == yaml.SequenceNode {
				seq.Style = old.Style
			}
			root.Content[d+1] = seq
			return nil
		}
		root.Content = append([]*yaml.Node{text("default"), seq}, root.Content...)
		// A comment over the first key is usually about the file: it stays on top.
		if len(root.Content) > 2 {
			root.Content[0].HeadComment, root.Content[2].HeadComment = root.Content[2].HeadComment, ""
		}
		return nil
	})
}

// edit changes the document and replaces the file whole, mode 0600, through a
// symbolic link if it is one. Both the old and the new content must be a valid
// configuration, so an edit can never break it or hide what was broken. A lock
// next to it makes concurrent edits wait for each other.
func edit(path string, opt Options, change func(c *Config, root *yaml.Node) error) error {
	unlock, err := lock(path)
	if err != nil {
		return &Error{File: path, Msg: "cannot be locked: " + reason(err), Err: err}
	}
	defer unlock()
	data, err := readFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	c, err := Parse(path, data, opt)
	if err != nil {
		return err
	}
	marked, ok := markBlank(data)
	if !ok {
		marked = data
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(marked, &doc); err != nil {
		return syntaxError(path, err)
	}
	if doc.Kind != yaml.DocumentNode || len(doc.Content) == 0 || doc.Content[0].Kind != yaml.MappingNode {
		// Nothing but comments, or the word null.
		head := strings.TrimRight(doc.HeadComment, "\n")
		if len(doc.Content) > 0 {
			head = strings.TrimSpace(head + "\n" + doc.Content[0].HeadComment)
		}
		if head == "" && bytes.Contains(marked, []byte("#")) {
			head = strings.TrimSpace(string(marked))
		}
		doc = yaml.Node{Kind: yaml.DocumentNode, HeadComment: head, Content: []*yaml.Node{{Kind: yaml.MappingNode, Tag: "!!map"}}}
	}
	root := doc.Content[0]
	if err := change(c, root); err != nil {
		var e *Error
		if errors.As(err, &e) && e.Line > 0 {
			e.File = path
		}
		return err
	}
	var out bytes.Buffer
	if len(root.Content) > 0 {
		enc := yaml.NewEncoder(&out)
		enc.SetIndent(2)
		if err := errors.Join(enc.Encode(&doc), enc.Close()); err != nil {
			return &Error{File: path, Msg: "cannot be written: " + err.Error(), Err: err}
		}
	} else if head := strings.TrimSpace(doc.HeadComment + "\n" + root.HeadComment); head != "" {
		out.WriteString(head + "\n")
	}
	result := unmarkBlank(out.Bytes())
	if _, err := Parse(path, result, opt); err != nil {
		return err
	}
	if err := atomicfile.Write(path, result); err != nil {
		return &Error{File: path, Msg: "cannot be written: " + reason(err), Err: err}
	}
	return nil
}

// lock takes the lock of a configuration file, which need not exist yet.
func lock(path string) (unlock func(), err error) {
	if err := os.MkdirAll(filepath.Dir(path), atomicfile.DirMode); err != nil {
		return nil, err
	}
	return lockedfile.MutexAt(path + ".lock").Lock()
}

// The YAML library keeps comments but not blank lines, so blank lines travel
// as comments of this text.
const blankMark = "#\u2063blank"

func markBlank(data []byte) ([]byte, bool) {
	if bytes.Contains(data, []byte(blankMark)) {
		return nil, false
	}
	lines := strings.Split(string(data), "\n")
	for i, line := range lines {
		if i < len(lines)-1 && strings.TrimSpace(line) == "" {
			lines[i] = blankMark
		}
	}
	marked := []byte(strings.Join(lines, "\n"))
	// Inside a text of several lines a comment would be text: then the blank
	// lines are given up rather than the meaning.
	var before, after yaml.Node
	if yaml.Unmarshal(data, &before) != nil || yaml.Unmarshal(marked, &after) != nil || !same(&before, &after) {
		return nil, false
	}
	return marked, true
}

func same(a, b *yaml.Node) bool {
	if a.Kind != b.Kind || a.Tag != b.Tag || a.Value != b.Value || a.Anchor != b.Anchor || len(a.Content) != len(b.Content) {
		return false
	}
	for i := range a.Content {
		if !same(a.Content[i], b.Content[i]) {
			return false
		}
	}
	return true
}

func unmarkBlank(data []byte) []byte {
	lines := strings.Split(string(data), "\n")
	out := lines[:0]
	for _, line := range lines {
		switch {
		case strings.TrimSpace(line) == blankMark:
			line = ""
			if len(out) > 0 && out[len(out)-1] == "" {
				continue
			}
		case strings.Contains(line, blankMark): // moved behind a value
			line = strings.TrimRight(strings.ReplaceAll(line, blankMark, ""), " ")
		case line == "" && len(out) > 0 && out[len(out)-1] == "":
			continue
		}
		out = append(out, line)
	}
	return []byte(strings.TrimLeft(strings.Join(out, "\n"), "\n"))
}

// child gives the mapping under name, adding an empty one. Editing through an
// alias would change two places, so it is refused.
func child(root *yaml.Node, name string) (*yaml.Node, error) {
	i := find(root, name)
	if i < 0 {
		m := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
		root.Content = append(root.Content, text(name), m)
		return m, nil
	}
	v := root.Content[i+1]
	if v.Kind == yaml.ScalarNode { // "profiles:" with nothing after it
		*v = yaml.Node{Kind: yaml.MappingNode, Tag: "!!map", HeadComment: v.HeadComment, LineComment: v.LineComment, FootComment: v.FootComment}
	}
	if v.Kind != yaml.MappingNode {
		return nil, at(v, "%s cannot be edited here: it is %s", name, kind(v))
	}
	if len(v.Content) == 0 {
		v.Style = 0 // {} would put everything on one line
	}
	return v, nil
}

func find(m *yaml.Node, name string) int {
	for i := 0; i+1 < len(m.Content); i += 2 {
		if m.Content[i].Value == name {
			return i
		}
	}
	return -1
}

// cut takes an entry out. The comment right above goes with it; paragraphs
// before that, like a title of the file, stay.
func cut(m *yaml.Node, i int) {
	head := m.Content[i].HeadComment
	m.Content = slices.Delete(m.Content, i, i+2)
	end := strings.LastIndex(head, "\n"+blankMark+"\n")
	if i > 0 || end < 0 {
		return
	}
	head = head[:end+1] + blankMark
	if len(m.Content) == 0 {
		m.HeadComment = head
		return
	}
	if next := m.Content[0]; next.HeadComment != "" {
		next.HeadComment = head + "\n" + strings.TrimPrefix(next.HeadComment, blankMark+"\n")
	} else {
		next.HeadComment = head
	}
}

// without takes names out of a list and tells whether nothing is left.
func without(n *yaml.Node, gone map[string]bool) bool {
	n = follow(n)
	if n.Kind != yaml.SequenceNode {
		return gone[n.Value]
	}
	n.Content = slices.DeleteFunc(n.Content, func(item *yaml.Node) bool { return gone[follow(item).Value] })
	return len(n.Content) == 0
}

func text(s string) *yaml.Node {
	n := &yaml.Node{}
	n.SetString(s)
	return n
}

// node writes a profile as a person would: only what is set, in a fixed order.
func (p *Profile) node() *yaml.Node {
	m := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
	put := func(m *yaml.Node, key string, value *yaml.Node) { m.Content = append(m.Content, text(key), value) }
	str := func(m *yaml.Node, key, value string) {
		if value != "" {
			put(m, key, text(value))
		}
	}
	plain := func(tag, value string) *yaml.Node { return &yaml.Node{Kind: yaml.ScalarNode, Tag: tag, Value: value} }
	sub := func(key string, fill func(*yaml.Node)) {
		s := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
		if fill(s); len(s.Content) > 0 {
			put(m, key, s)
		}
	}
	str(m, "backend", p.Backend)
	str(m, "url", p.URL)
	for _, key := range slices.Sorted(maps.Keys(p.Settings)) {
		v := text(p.Settings[key])
		if n, err := strconv.ParseInt(v.Value, 10, 64); err == nil && strconv.FormatInt(n, 10) == v.Value {
			v = plain("!!int", v.Value)
		}
		put(m, key, v)
	}
	if p.ReadOnly {
		put(m, "read_only", plain("!!bool", "true"))
	}
	str(m, "proxy", p.Proxy)
	sub("headers", func(s *yaml.Node) {
		for _, key := range slices.Sorted(maps.Keys(p.Headers)) {
			str(s, key, p.Headers[key])
		}
	})
	sub("rate", func(s *yaml.Node) {
		if p.Rate.PerSecond != 0 {
			put(s, "per_second", plain("!!float", strconv.FormatFloat(p.Rate.PerSecond, 'g', -1, 64)))
		}
		if p.Rate.Concurrent != 0 {
			put(s, "concurrent", plain("!!int", strconv.Itoa(p.Rate.Concurrent)))
		}
	})
	if p.Timeout != 0 {
		put(m, "timeout", text(p.Timeout.String()))
	}
	sub("tls", func(s *yaml.Node) {
		str(s, "ca_file", p.TLS.CAFile)
		str(s, "pin", p.TLS.Pin)
		str(s, "server_name", p.TLS.ServerName)
		str(s, "client_cert", p.TLS.ClientCert)
		str(s, "client_key", p.TLS.ClientKey)
		if p.TLS.InsecureSkipVerify {
			put(s, "insecure_skip_verify", plain("!!bool", "true"))
		}
	})
	return m
}
