package sigma

import (
	"go.yaml.in/yaml/v3"
)

// readDetection reads the selections of a rule and the condition over them.
func (r *Rule) readDetection(m mapping, opts Options) *fault {
	if m.node.Kind != yaml.MappingNode {
		return faultf(m.node.Line, "detection: want a mapping")
	}
	if err := m.unique(); err != nil {
		return err
	}
	rd := reader{opts: opts}
	for i := 0; i+1 < len(m.node.Content); i += 2 {
		key, value := m.node.Content[i], m.node.Content[i+1]
		if key.Value == "condition" || key.Value == "timeframe" {
			continue
		}
		body, err := rd.selection(value, 0)
		if err != nil {
			err.reason = "detection." + key.Value + ": " + err.reason
			return err
		}
		r.selections = append(r.selections, selection{key.Value, body})
	}
	return r.readCondition(m)
}

// readCondition reads the condition, or the list of them, of which one has to
// hold.
func (r *Rule) readCondition(m mapping) *fault {
	node, _ := m.get("condition")
	if node == nil {
		return faultf(m.node.Line, "detection: has no condition")
	}
	items := []*yaml.Node{node}
	if node.Kind == yaml.SequenceNode {
		items = node.Content
	}
	if len(items) == 0 || len(items) > 1000 {
		return faultf(node.Line, "detection.condition: want from one to 1000 conditions")
	}
	var all []*expr
	for _, item := range items {
		if item.Kind != yaml.ScalarNode || item.ShortTag() == "!!null" {
			return faultf(item.Line, "detection.condition: want a text")
		}
		e, reported, err := parseCondition(item.Value, r.selections)
		if err != nil {
			err.line = item.Line
			return err
		}
		all = append(all, e)
		for _, name := range reported {
			p := parser{reported: r.reported}
			p.report(name)
			r.reported = p.reported
		}
	}
	r.condition = join(opOr, all)
	return nil
}

// reader reads the selections of one rule.
type reader struct {
	opts   Options
	values int
}

// selection reads a mapping (all of its members), a list (one of its items) or
// a keyword.
func (rd *reader) selection(n *yaml.Node, depth int) (*expr, *fault) {
	if depth > maxDepth {
		return nil, faultf(n.Line, "nested deeper than %d levels", maxDepth)
	}
	switch n.Kind {
	case yaml.MappingNode:
		return rd.members(n)
	case yaml.SequenceNode:
		return rd.items(n, depth)
	}
	return rd.leaf(n.Line, "", []*yaml.Node{n})
}

// items reads a list: its keywords are one leaf, its mappings one each.
func (rd *reader) items(n *yaml.Node, depth int) (*expr, *fault) {
	var kids []*expr
	var keywords []*yaml.Node
	for _, item := range n.Content {
		if item.Kind == yaml.ScalarNode {
			keywords = append(keywords, item)
			continue
		}
		kid, err := rd.selection(item, depth+1)
		if err != nil {
			return nil, err
		}
		kids = append(kids, kid)
	}
	if len(keywords) > 0 {
		kid, err := rd.leaf(n.Line, "", keywords)
		if err != nil {
			return nil, err
		}
		kids = append(kids, kid)
	}
	if len(kids) == 0 {
		return nil, faultf(n.Line, "is empty")
	}
	return join(opOr, kids), nil
}

func (rd *reader) members(n *yaml.Node) (*expr, *fault) {
	if len(n.Content) == 0 {
		return nil, faultf(n.Line, "is empty")
	}
	if err := (mapping{n}).unique(); err != nil {
		return nil, err
	}
	var kids []*expr
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		values := []*yaml.Node{value}
		switch value.Kind {
		case yaml.SequenceNode:
			values = value.Content
		case yaml.MappingNode:
			return nil, faultf(value.Line, "%s: want a value or a list of values", key.Value)
		}
		kid, err := rd.leaf(key.Line, key.Value, values)
		if err != nil {
			return nil, err
		}
		kids = append(kids, kid)
	}
	return join(opAnd, kids), nil
}

func (rd *reader) leaf(line int, key string, nodes []*yaml.Node) (*expr, *fault) {
	values := make([]scalar, 0, len(nodes))
	for _, n := range nodes {
		if n.Kind != yaml.ScalarNode {
			return nil, faultf(n.Line, "%s: want texts or numbers, not lists in lists", key)
		}
		values = append(values, readScalar(n))
	}
	l, err := makeLeaf(line, key, values, rd.opts.Placeholders)
	if err != nil {
		return nil, err
	}
	if rd.values += len(l.tests); rd.values > maxValues {
		return nil, faultf(line, "%s: the rule has more than %d values", key, maxValues)
	}
	return &expr{op: opLeaf, leaf: l}, nil
}

func readScalar(n *yaml.Node) scalar {
	s := scalar{line: n.Line, text: n.Value}
	switch n.ShortTag() {
	case "!!null":
		s.null = true
	case "!!int", "!!float":
		if num, ok := readNumber(n.Value); ok {
			s.num = &num
		}
	}
	return s
}
