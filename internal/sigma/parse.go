package sigma

import (
	"errors"
	"io"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/edrctl/edrctl/internal/model"
)

// Options are what rules are read with.
type Options struct {
	Placeholders Placeholders
}

// Parsed is what one file holds.
type Parsed struct {
	Rules    []*Rule
	Filters  []*Filter
	Problems []*RuleError
	Others   int // documents that are not Sigma at all
}

// Bounds of one file.
const (
	maxFile      = 16 << 20
	maxDocuments = 20_000
	maxNodes     = 2_000_000 // with what aliases repeat
)

// Parse reads the documents of one file. Documents that are broken are
// problems; the others are read.
func Parse(file string, data []byte, opts Options) Parsed {
	var out Parsed
	if len(data) > maxFile {
		out.Problems = append(out.Problems, &RuleError{File: file, Reason: "the file is larger than 16 MiB"})
		return out
	}
	docs, err := documents(data)
	if err != nil {
		out.Problems = append(out.Problems, yamlProblem(file, err))
	}
	for _, doc := range mergeActions(docs) {
		out.add(file, doc, opts)
	}
	return out
}

func (out *Parsed) add(file string, doc *yaml.Node, opts Options) {
	m := mapping{node: doc}
	if doc.Kind != yaml.MappingNode || !m.has("detection") && !m.has("correlation") && !m.has("filter") && (!m.has("logsource") || !m.has("title")) {
		out.Others++
		return
	}
	r, filter, err := readRule(m, opts)
	if err == nil {
		r.File, r.Line = file, doc.Line
		if filter != nil {
			out.Filters = append(out.Filters, filter)
		} else {
			out.Rules = append(out.Rules, r)
		}
		return
	}
	line := err.line
	if line == 0 {
		line = doc.Line
	}
	out.Problems = append(out.Problems, &RuleError{File: file, Line: line, Rule: r.Key(), Reason: err.reason})
}

// documents reads the YAML documents of a file, as far as it can be read.
func documents(data []byte) ([]*yaml.Node, error) {
	dec := yaml.NewDecoder(strings.NewReader(string(data)))
	var docs []*yaml.Node
	budget := maxNodes
	for len(docs) < maxDocuments {
		var n yaml.Node
		err := dec.Decode(&n)
		if errors.Is(err, io.EOF) {
			return docs, nil
		}
		if err != nil {
			return docs, err
		}
		if n.Kind != yaml.DocumentNode || len(n.Content) != 1 {
			continue
		}
		doc := n.Content[0]
		if doc, err = resolve(doc, &budget, 0); err != nil {
			return docs, err
		}
		docs = append(docs, doc)
	}
	return docs, faultf(0, "the file has more than %d documents", maxDocuments)
}

// resolve replaces aliases by what they name, within a budget of nodes.
func resolve(n *yaml.Node, budget *int, depth int) (*yaml.Node, error) {
	if *budget--; *budget < 0 {
		return nil, faultf(n.Line, "aliases repeat too much")
	}
	if depth > maxDepth*5 {
		return nil, faultf(n.Line, "nested deeper than %d levels", maxDepth*5)
	}
	if n.Kind == yaml.AliasNode {
		return resolve(n.Alias, budget, depth+1)
	}
	out := n
	for i, kid := range n.Content {
		next, err := resolve(kid, budget, depth+1)
		if err != nil {
			return nil, err
		}
		if next == kid {
			continue
		}
		if out == n {
			c := *n
			c.Content = append([]*yaml.Node(nil), n.Content...)
			out = &c
		}
		out.Content[i] = next
	}
	return out, nil
}

// yamlProblem says what is wrong with a file as YAML.
func yamlProblem(file string, err error) *RuleError {
	p := &RuleError{File: file, Reason: "not YAML"}
	var f *fault
	if errors.As(err, &f) {
		p.Line, p.Reason = f.line, f.reason
		return p
	}
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	text = strings.TrimPrefix(text, "unmarshal errors:\n  ")
	if rest, ok := strings.CutPrefix(text, "line "); ok {
		num, rest, _ := strings.Cut(rest, ": ")
		if n, ok := readNumber(num); ok && n.whole {
			p.Line, text = int(n.i), rest
		}
	}
	p.Reason += ": " + text
	return p
}

// mergeActions does what version 1 of the specification calls actions: a
// global document is part of all that follow until a reset, and a repeat takes
// over what the document before it had.
func mergeActions(docs []*yaml.Node) []*yaml.Node {
	var out []*yaml.Node
	var global, previous *yaml.Node
	for _, doc := range docs {
		m := mapping{node: doc}
		action, _ := m.get("action")
		if doc.Kind != yaml.MappingNode || action == nil {
			next := merge(global, doc)
			out, previous = append(out, next), next
			continue
		}
		rest := m.without("action")
		switch action.Value {
		case "global":
			global = merge(global, rest)
		case "reset":
			global, previous = nil, nil
		case "repeat":
			next := merge(previous, rest)
			out, previous = append(out, next), next
		default: // reported when the rule is read: the key is not known
			out = append(out, doc)
		}
	}
	return out
}

// merge lays one mapping over another one, deep.
func merge(base, over *yaml.Node) *yaml.Node {
	if base == nil || over.Kind != yaml.MappingNode || base.Kind != yaml.MappingNode {
		return over
	}
	out := *over
	out.Content = append([]*yaml.Node(nil), base.Content...)
	at := map[string]int{}
	for i := 0; i+1 < len(out.Content); i += 2 {
		at[out.Content[i].Value] = i + 1
	}
	for i := 0; i+1 < len(over.Content); i += 2 {
		key, value := over.Content[i], over.Content[i+1]
		if j, ok := at[key.Value]; ok {
			out.Content[j] = merge(out.Content[j], value)
			continue
		}
		out.Content = append(out.Content, key, value)
	}
	return &out
}

// mapping is a mapping of a rule.
type mapping struct{ node *yaml.Node }

func (m mapping) get(key string) (value *yaml.Node, line int) {
	if m.node == nil || m.node.Kind != yaml.MappingNode {
		return nil, 0
	}
	for i := 0; i+1 < len(m.node.Content); i += 2 {
		if m.node.Content[i].Value == key {
			return m.node.Content[i+1], m.node.Content[i].Line
		}
	}
	return nil, m.node.Line
}

func (m mapping) has(key string) bool { v, _ := m.get(key); return v != nil }

func (m mapping) text(key string) string {
	if v, _ := m.get(key); v != nil && v.Kind == yaml.ScalarNode && v.ShortTag() != "!!null" {
		return v.Value
	}
	return ""
}

func (m mapping) texts(key string) []string {
	v, _ := m.get(key)
	if v == nil {
		return nil
	}
	if v.Kind == yaml.ScalarNode && v.ShortTag() != "!!null" {
		return []string{v.Value}
	}
	var out []string
	for _, item := range v.Content {
		if v.Kind == yaml.SequenceNode && item.Kind == yaml.ScalarNode {
			out = append(out, item.Value)
		}
	}
	return out
}

func (m mapping) without(key string) *yaml.Node {
	out := *m.node
	out.Content = nil
	for i := 0; i+1 < len(m.node.Content); i += 2 {
		if m.node.Content[i].Value != key {
			out.Content = append(out.Content, m.node.Content[i], m.node.Content[i+1])
		}
	}
	return &out
}

// unique refuses a key that is there twice: YAML does, and which one counts
// nobody can say.
func (m mapping) unique() *fault {
	seen := map[string]bool{}
	for i := 0; i+1 < len(m.node.Content); i += 2 {
		key := m.node.Content[i]
		if seen[key.Value] {
			return faultf(key.Line, "the key %q is there twice", key.Value)
		}
		seen[key.Value] = true
	}
	return nil
}

// readRule reads one document. The rule is never nil: its id names it when it
// is refused.
func readRule(m mapping, opts Options) (*Rule, *Filter, *fault) {
	r := &Rule{
		ID: m.text("id"), Name: m.text("name"), Title: m.text("title"), Status: m.text("status"),
		Author: m.text("author"), License: m.text("license"), Description: m.text("description"), Level: model.SeverityUnknown,
		References: m.texts("references"), Tags: m.texts("tags"),
	}
	if err := m.unique(); err != nil {
		return r, nil, err
	}
	if v, _ := m.get("action"); v != nil {
		return r, nil, faultf(v.Line, "there is no action %q: want global, reset or repeat", v.Value)
	}
	if level := strings.ToLower(m.text("level")); level != "" {
		r.Level = model.Severity(level)
		if r.Level.Rank() == 0 {
			v, _ := m.get("level")
			return r, nil, faultf(v.Line, "there is no level %q", level)
		}
	}
	if r.Title == "" {
		return r, nil, faultf(0, "has no title")
	}
	if ls, _ := m.get("logsource"); ls != nil {
		l := mapping{ls}
		r.LogSource = LogSource{strings.ToLower(l.text("product")), strings.ToLower(l.text("category")), strings.ToLower(l.text("service"))}
	}
	switch c, _ := m.get("correlation"); {
	case c != nil && m.has("detection"):
		return r, nil, faultf(c.Line, "has both a detection and a correlation")
	case c != nil:
		corr, err := readCorrelation(mapping{c})
		r.corr = corr
		return r, nil, err
	}
	if f, _ := m.get("filter"); f != nil {
		filter, err := readFilter(r, mapping{f}, opts)
		return r, filter, err
	}
	d, _ := m.get("detection")
	switch {
	case d == nil:
		return r, nil, faultf(0, "has no detection")
	case r.LogSource == LogSource{}:
		return r, nil, faultf(0, "has no log source")
	}
	return r, nil, r.readDetection(mapping{d}, opts)
}
