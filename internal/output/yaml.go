package output

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"github.com/edrctl/edrctl/internal/safetext"
)

// yamlWriter streams one YAML sequence, element by element.
type yamlWriter struct {
	base
	started bool
	json    []byte
}

func (w *yamlWriter) Write(rec any) error {
	n, err := w.node(rec)
	if err != nil {
		return err
	}
	w.started = true
	return w.marshal([]*yaml.Node{n})
}

func (w *yamlWriter) One(rec any) error {
	n, err := w.node(rec)
	if err != nil {
		return err
	}
	if err := w.marshal(n); err != nil {
		return err
	}
	return w.Flush()
}

func (w *yamlWriter) Close() error {
	if !w.started {
		if err := w.emitString("[]\n"); err != nil {
			return err
		}
	}
	return w.Flush()
}

func (w *yamlWriter) node(rec any) (*yaml.Node, error) {
	b, err := w.encode(w.json[:0], rec)
	if err != nil {
		return nil, err
	}
	w.json = b
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	return yamlNode(d)
}

func (w *yamlWriter) marshal(v any) error {
	var b bytes.Buffer
	enc := yaml.NewEncoder(&b)
	enc.SetIndent(2)
	if err := enc.Encode(v); err != nil {
		return fmt.Errorf("cannot write YAML: %w", err)
	}
	if err := enc.Close(); err != nil {
		return fmt.Errorf("cannot write YAML: %w", err)
	}
	return w.emit(appendYAMLSafe(w.buf[:0], b.Bytes()))
}

// yamlNode reads one JSON value, keeping the order of members.
func yamlNode(d *json.Decoder) (*yaml.Node, error) {
	tok, err := d.Token()
	if err != nil {
		return nil, err
	}
	switch t := tok.(type) {
	case json.Delim:
		n := &yaml.Node{Kind: yaml.MappingNode}
		if t == '[' {
			n.Kind = yaml.SequenceNode
		}
		for d.More() {
			kid, err := yamlNode(d)
			if err != nil {
				return nil, err
			}
			n.Content = append(n.Content, kid)
		}
		_, err := d.Token()
		if len(n.Content) == 0 {
			n.Style = yaml.FlowStyle
		}
		return n, err
	case string:
		return yamlString(t), nil
	case json.Number:
		tag := "!!int"
		if strings.ContainsAny(t.String(), ".eE") {
			tag = "!!float"
		}
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: tag, Value: t.String()}, nil
	case bool:
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!bool", Value: fmt.Sprint(t)}, nil
	}
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!null", Value: "null"}, nil
}

// yamlString quotes what a terminal must not see raw; the escapes themselves
// are put in by appendYAMLSafe.
func yamlString(s string) *yaml.Node {
	n := &yaml.Node{}
	n.SetString(s)
	for _, r := range s {
		if safetext.Hidden(r) {
			n.Style = yaml.DoubleQuotedStyle
			break
		}
	}
	return n
}

// appendYAMLSafe escapes the invisible characters that the encoder leaves in
// double-quoted scalars. Line feeds are those between lines.
func appendYAMLSafe(dst, src []byte) []byte {
	for len(src) > 0 {
		r, size := utf8.DecodeRune(src)
		switch {
		case r == '\n' || !safetext.Hidden(r):
			dst = append(dst, src[:size]...)
		case r <= 0xFFFF:
			dst = appendU(dst, r)
		default:
			dst = fmt.Appendf(dst, `\U%08X`, r)
		}
		src = src[size:]
	}
	return dst
}
