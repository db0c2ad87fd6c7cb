package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"github.com/edrctl/edrctl/internal/lazyregexp"
)

// Parse reads a configuration. file is in the errors, and relative file
// names in it count from its folder. The first thing wrong is an *Error with
// its line.
func Parse(file string, data []byte, opt Options) (*Config, error) {
	root, err := document(file, data)
	if err != nil {
		return nil, err
	}
	p := parser{file: file, opt: opt, c: empty(opt)}
	p.c.Path = file
	if root == nil {
		return p.c, nil
	}
	if err := p.root(root); err != nil {
		var e *Error
		if errors.As(err, &e) && e.File == "" {
			e.File = file
		}
		return nil, err
	}
	return p.c, nil
}

func empty(opt Options) *Config {
	return &Config{
		Groups:   map[string][]string{},
		Profiles: map[string]*Profile{},
		Keys:     map[string][]string{},
		Filters:  map[string]string{},
		virtual:  opt.Virtual, virtualNames: opt.VirtualNames,
	}
}

var yamlLine = lazyregexp.New(`^(?:yaml: )?(?:line (\d+): )?`)

// document gives the top node, nil when the file says nothing.
func document(file string, data []byte) (*yaml.Node, error) {
	if !utf8.Valid(data) {
		line := 1 + bytes.Count(data[:invalidAt(data)], []byte("\n"))
		return nil, &Error{File: file, Line: line, Msg: "not UTF-8 text"}
	}
	dec := yaml.NewDecoder(bytes.NewReader(data))
	var doc, more yaml.Node
	if err := dec.Decode(&doc); errors.Is(err, io.EOF) {
		return nil, nil
	} else if err != nil {
		return nil, syntaxError(file, err)
	}
	if err := dec.Decode(&more); !errors.Is(err, io.EOF) {
		if err != nil {
			return nil, syntaxError(file, err)
		}
		return nil, &Error{File: file, Line: more.Line, Msg: "a second document starts here: the configuration is one"}
	}
	if len(doc.Content) != 1 {
		return nil, nil
	}
	return doc.Content[0], nil
}

func invalidAt(data []byte) int {
	at := 0
	for at < len(data) {
		r, n := utf8.DecodeRune(data[at:])
		if r == utf8.RuneError && n == 1 {
			break
		}
		at += n
	}
	return at
}

func syntaxError(file string, err error) error {
	msg := strings.Join(strings.Fields(err.Error()), " ")
	m := yamlLine.FindStringSubmatch(msg)
	line, _ := strconv.Atoi(m[1])
	return &Error{File: file, Line: line, Msg: "not valid YAML: " + msg[len(m[0]):], Err: err}
}

type parser struct {
	file string
	opt  Options
	c    *Config
	read int // pairs so far
}

func at(n *yaml.Node, format string, args ...any) *Error {
	return &Error{Line: n.Line, Msg: fmt.Sprintf(format, args...)}
}

func (e *Error) hint(format string, args ...any) *Error {
	e.Hint = fmt.Sprintf(format, args...)
	return e
}

// pair is one entry of a mapping.
type pair struct{ key, value *yaml.Node }

// pairs lists a mapping in its order, with `<<` merged in and names unique.
// what names the mapping in errors.
func (p *parser) pairs(n *yaml.Node, what string) ([]pair, error) {
	var out []pair
	err := p.collect(n, what, 0, map[string]bool{}, &out)
	return out, err
}

// maxPairs bounds the work that aliases and merges can multiply.
const maxPairs = 200_000

func (p *parser) collect(n *yaml.Node, what string, depth int, seen map[string]bool, out *[]pair) error {
	m := follow(n)
	if p.read += 1 + len(m.Content); p.read > maxPairs {
		return at(n, "%s: aliases make the configuration too large", what)
	}
	if m.Kind == yaml.ScalarNode && m.Tag == "!!null" {
		return nil
	}
	if m.Kind != yaml.MappingNode {
		return at(n, "%s must be a mapping (name: value), not %s", what, kind(m))
	}
	if depth > 8 {
		return at(n, "%s merges too deep", what)
	}
	own := map[string]bool{}
	var merges []*yaml.Node
	for i := 0; i+1 < len(m.Content); i += 2 {
		k, v := m.Content[i], m.Content[i+1]
		name := follow(k)
		if name.Kind != yaml.ScalarNode {
			return at(k, "a name in %s must be plain text, not %s", what, kind(name))
		}
		if name.Tag == "!!merge" {
			merges = append(merges, v)
			continue
		}
		if own[name.Value] {
			return at(k, "%s has %s twice", what, quote(name.Value))
		}
		own[name.Value] = true
		if seen[name.Value] { // a merge does not override
			continue
		}
		seen[name.Value] = true
		*out = append(*out, pair{name, v})
	}
	for _, v := range merges {
		sources := []*yaml.Node{v}
		if t := follow(v); t.Kind == yaml.SequenceNode {
			sources = t.Content
		}
		for _, s := range sources {
			if err := p.collect(s, what, depth+1, seen, out); err != nil {
				return err
			}
		}
	}
	return nil
}

// follow gives what an alias stands for. An alias of an alias cannot be
// written in YAML, so one step is enough.
func follow(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode && n.Alias != nil {
		return n.Alias
	}
	return n
}

func kind(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	case yaml.ScalarNode:
		if n.Tag == "!!null" {
			return "nothing"
		}
		return "a single value"
	}
	return "an alias"
}

// quote shows a name from the file on one line and not at any length.
func quote(s string) string {
	if len(s) > 60 {
		s = strings.ToValidUTF8(s[:60], "") + "…"
	}
	return strconv.Quote(s)
}

func scalar(n *yaml.Node, what string) (string, error) {
	s := follow(n)
	if s.Kind != yaml.ScalarNode {
		return "", at(n, "%s must be a single value, not %s", what, kind(s))
	}
	if s.Tag == "!!null" || s.Value == "" {
		return "", at(n, "%s has no value", what)
	}
	if strings.ContainsAny(s.Value, "\r\n\x00") {
		return "", at(n, "%s must be on one line", what)
	}
	return s.Value, nil
}

func boolean(n *yaml.Node, what string) (bool, error) {
	s, err := scalar(n, what)
	if err != nil {
		return false, err
	}
	var v bool
	if follow(n).Tag != "!!bool" || follow(n).Decode(&v) != nil {
		return false, at(n, "%s must be true or false, not %s", what, quote(s))
	}
	return v, nil
}

// list takes a list of texts, or one text.
func list(n *yaml.Node, what string) ([]*yaml.Node, error) {
	s := follow(n)
	switch {
	case s.Kind == yaml.SequenceNode:
		for _, item := range s.Content {
			if _, err := scalar(item, "an entry of "+what); err != nil {
				return nil, err
			}
		}
		return s.Content, nil
	case s.Kind == yaml.ScalarNode && s.Tag == "!!null":
		return nil, nil
	case s.Kind == yaml.ScalarNode && s.Value != "":
		return []*yaml.Node{s}, nil
	}
	return nil, at(n, "%s must be a list of names, not %s", what, kind(s))
}

var topKeys = []string{"default", "groups", "profiles", "keys", "filters"}

func (p *parser) root(n *yaml.Node) error {
	entries, err := p.pairs(n, "the configuration")
	if err != nil {
		return err
	}
	top := map[string]pair{}
	for _, e := range entries {
		if !slices.Contains(topKeys, e.key.Value) {
			return at(e.key, "unknown key %s", quote(e.key.Value)).hint("%s", did(e.key.Value, topKeys))
		}
		top[e.key.Value] = e
	}
	// Profiles first: groups and default refer to them.
	for _, step := range []struct {
		key  string
		read func(*yaml.Node) error
	}{{"profiles", p.profiles}, {"groups", p.groups}, {"default", p.defaults}, {"keys", p.keys}, {"filters", p.filters}} {
		if e, ok := top[step.key]; ok {
			if err := step.read(e.value); err != nil {
				return err
			}
		}
	}
	return nil
}

var nameRule = lazyregexp.New(`^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$`)

// checkName says what is wrong with a name for a profile or group.
func (p *parser) checkName(what, name string) *Error {
	switch {
	case !nameRule.MatchString(name):
		return (&Error{Msg: fmt.Sprintf("invalid name %s for a %s", quote(name), what)}).
			hint("use letters, digits, and - _ . between them")
	case name == "all":
		return &Error{Msg: fmt.Sprintf("a %s cannot be called all: that selects every profile", what)}
	}
	if p.opt.Virtual != nil && what == "profile" {
		if _, taken := p.opt.Virtual(name); taken {
			return &Error{Msg: fmt.Sprintf("a profile cannot be called %s: that name is always there, for the demo", name)}
		}
	}
	return nil
}

// EnvStem is the part of a profile's environment variables after EDRCTL_:
// upper case, - and . become _.
func EnvStem(profile string) string {
	return strings.NewReplacer("-", "_", ".", "_").Replace(strings.ToUpper(profile))
}

func (p *parser) profiles(n *yaml.Node) error {
	entries, err := p.pairs(n, "profiles")
	if err != nil {
		return err
	}
	stems := map[string]string{}
	for _, e := range entries {
		name := e.key.Value
		if bad := p.checkName("profile", name); bad != nil {
			bad.Line = e.key.Line
			return bad
		}
		// Two names with one environment variable would send one server's
		// secret to the other.
		stem := EnvStem(name)
		if other, dup := stems[stem]; dup {
			return at(e.key, "profiles %s and %s would share the environment variables EDRCTL_%s_…", other, name, stem).
				hint("rename one of them")
		}
		stems[stem] = name
		prof, err := p.profile(e.key, e.value)
		if err != nil {
			return err
		}
		p.c.Profiles[name] = prof
		p.c.Order = append(p.c.Order, name)
	}
	return nil
}

func (p *parser) groups(n *yaml.Node) error {
	entries, err := p.pairs(n, "groups")
	if err != nil {
		return err
	}
	for _, e := range entries {
		name := e.key.Value
		if bad := p.checkName("group", name); bad != nil {
			bad.Line = e.key.Line
			return bad
		}
		items, err := list(e.value, "group "+name)
		if err != nil {
			return err
		}
		var members []string
		for _, item := range items {
			m := follow(item).Value
			if err := p.member(item, "group "+name, m); err != nil {
				return err
			}
			if !slices.Contains(members, m) {
				members = append(members, m)
			}
		}
		if len(members) == 0 {
			return at(e.key, "group %s is empty", name)
		}
		p.c.Groups[name] = members
	}
	return nil
}

func (p *parser) member(n *yaml.Node, what, name string) error {
	if p.c.Profiles[name] != nil || p.c.isVirtual(name) {
		return nil
	}
	return at(n, "%s names %s, which is not a profile", what, quote(name)).hint("%s", did(name, p.c.Order))
}

func (p *parser) defaults(n *yaml.Node) error {
	items, err := list(n, "default")
	if err != nil {
		return err
	}
	for _, item := range items {
		name := follow(item).Value
		if group, ok := strings.CutPrefix(name, "@"); ok {
			if p.c.Groups[group] == nil {
				return at(item, "default names %s, which is not a group", quote(name)).hint("%s", did(group, p.c.groupNames()))
			}
		} else if name != "all" {
			if err := p.member(item, "default", name); err != nil {
				return err
			}
		}
		if !slices.Contains(p.c.Default, name) {
			p.c.Default = append(p.c.Default, name)
		}
	}
	return nil
}

func (p *parser) keys(n *yaml.Node) error {
	entries, err := p.pairs(n, "keys")
	if err != nil {
		return err
	}
	for _, e := range entries {
		items, err := list(e.value, "keys "+quote(e.key.Value))
		if err != nil {
			return err
		}
		bound := []string{}
		for _, item := range items {
			bound = append(bound, follow(item).Value)
		}
		p.c.Keys[e.key.Value] = bound
	}
	return nil
}

// filters reads the saved filters; what they say is checked when they are used.
func (p *parser) filters(n *yaml.Node) error {
	entries, err := p.pairs(n, "filters")
	if err != nil {
		return err
	}
	for _, e := range entries {
		name, v := e.key.Value, follow(e.value)
		switch {
		case !nameRule.MatchString(name):
			return at(e.key, "%s cannot name a filter", quote(name)).hint("use letters, digits, and - _ . between them")
		case v.Kind != yaml.ScalarNode || strings.TrimSpace(v.Value) == "":
			return at(e.value, "filter %s must be one filter expression, not %s", name, kind(v)).hint("for example: night: 'severity>=high !user=SYSTEM'")
		}
		p.c.Filters[name] = v.Value
	}
	return nil
}

// checkURL takes an http or https address without secrets in it.
func checkURL(raw string) (*url.URL, string) {
	u, err := url.Parse(raw)
	switch {
	case err != nil:
		return nil, "is not a URL"
	case u.User != nil:
		return nil, "has a user name or password in it: secrets do not belong in the configuration"
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, "must start with https:// or http://"
	case u.Hostname() == "":
		return nil, "names no host"
	case u.RawQuery != "" || u.Fragment != "" || u.ForceQuery:
		return nil, "must end before any ? or #"
	}
	if port := u.Port(); port != "" {
		if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
			return nil, "has a port outside 1-65535"
		}
	}
	return u, ""
}
