package sigma

import (
	"strings"

	"go.yaml.in/yaml/v3"
)

// Placeholders are the values of %name% in rules with the modifier expand.
type Placeholders map[string][]string

// expand replaces the placeholders of a value by each of their values.
func (p Placeholders) expand(w wild) ([]wild, *fault) {
	out := []wild{nil}
	for _, pc := range w {
		if pc.kind != 0 {
			for i := range out {
				out[i] = append(out[i][:len(out[i]):len(out[i])], pc)
			}
			continue
		}
		var err *fault
		if out, err = p.expandLit(out, pc.lit); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (p Placeholders) expandLit(out []wild, lit string) ([]wild, *fault) {
	for lit != "" {
		i := strings.IndexByte(lit, '%')
		if i < 0 {
			break
		}
		if i > 0 && lit[i-1] == '\\' {
			out, lit = addLit(out, lit[:i-1]+"%"), lit[i+1:]
			continue
		}
		n := 0
		for i+1+n < len(lit) && lit[i+1+n] < 0x80 && isWord(rune(lit[i+1+n])) {
			n++
		}
		if n == 0 || i+1+n >= len(lit) || lit[i+1+n] != '%' {
			out, lit = addLit(out, lit[:i+1]), lit[i+1:]
			continue
		}
		name := lit[i+1 : i+1+n]
		values, ok := p[name]
		if !ok {
			return nil, faultf(0, "the placeholder %%%s%% has no value: give one in a pipeline file", name)
		}
		if len(out)*len(values) > maxValues {
			return nil, faultf(0, "gives more than %d values", maxValues)
		}
		out = addLit(out, lit[:i])
		var next []wild
		for _, w := range out {
			for _, v := range values {
				x := append(wild(nil), w...)
				for _, pc := range parseWild(v) {
					if pc.kind == 0 {
						x = appendLit(x, pc.lit)
					} else {
						x = append(x, pc)
					}
				}
				next = append(next, x)
			}
		}
		out, lit = next, lit[i+n+2:]
	}
	return addLit(out, lit), nil
}

func addLit(out []wild, lit string) []wild {
	for i := range out {
		out[i] = appendLit(out[i], lit)
	}
	return out
}

// pipeline is the part of a processing pipeline file that gives placeholders
// their values.
type pipeline struct {
	Vars            map[string]yaml.Node `yaml:"vars"`
	Transformations []struct {
		ID      string   `yaml:"id"`
		Type    string   `yaml:"type"`
		Include []string `yaml:"include"`
		Exclude []string `yaml:"exclude"`
	} `yaml:"transformations"`
}

// ReadPipeline reads the placeholders of a processing pipeline: vars, with the
// transformations value_placeholders and wildcard_placeholders.
func ReadPipeline(file string, data []byte) (Placeholders, error) {
	var doc pipeline
	if err := yaml.Unmarshal(data, &doc); err != nil {
		return nil, yamlProblem(file, err)
	}
	out := Placeholders{}
	for name, node := range doc.Vars {
		var list []string
		var one string
		if node.Decode(&list) == nil && node.Kind == yaml.SequenceNode {
			out[name] = list
		} else if node.Kind == yaml.ScalarNode && node.Decode(&one) == nil {
			out[name] = []string{one}
		} else {
			return nil, &RuleError{File: file, Line: node.Line, Reason: "vars." + name + ": want a text or a list of texts"}
		}
	}
	for _, t := range doc.Transformations {
		switch t.Type {
		case "value_placeholders":
		case "wildcard_placeholders":
			for _, name := range t.Include {
				if _, ok := out[name]; !ok {
					out[name] = []string{"*"}
				}
			}
		default:
			return nil, &RuleError{File: file, Reason: "transformation " + t.Type + " is not supported: value_placeholders and wildcard_placeholders are"}
		}
	}
	return out, nil
}
