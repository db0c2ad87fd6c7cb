package reply

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/backends/esp/wire"
)

// Records gives what an answer without pages holds.
func Records(c backends.Call, a *Answer, give func([]byte) bool) error {
	stopped := errors.New("enough")
	one := func(v any) error {
		b, err := json.Marshal(v)
		if err != nil {
			return err
		}
		if !give(b) {
			return stopped
		}
		return nil
	}
	err := func() error {
		switch shape := mapShapes[c.Op.Name]; wire.KindOf(a.Data) {
		case 0, 'n':
			if !a.JSON {
				return errors.New("the answer is not JSON")
			}
			if len(a.Top) == 0 {
				return nil
			}
			return one(a.Top)
		case '[':
			return wire.EachElement(a.Data, func(v []byte) error {
				if wire.KindOf(v) == '{' || wire.KindOf(v) == '[' {
					if !give(v) {
						return stopped
					}
					return nil
				}
				return one(wire.Object{{Name: valueName(c.Op.Name), Value: json.RawMessage(v)}})
			})
		case '{':
			if shape == nil {
				if !give(a.Data) {
					return stopped
				}
				return nil
			}
			return shape(a.Data, one)
		}
		text := wire.Object{{Name: "value", Value: a.Data}}
		switch c.Op.Name {
		case "schema.get":
			text = wire.Object{{Name: "name", Value: c.Args["table"]}, {Name: "sql", Value: a.Data}}
		case "yara.view":
			text = wire.Object{{Name: "name", Value: c.Args["file_name"]}, {Name: "content", Value: a.Data}}
		}
		return one(text)
	}()
	if errors.Is(err, stopped) {
		return nil
	}
	return err
}

// valueName names the one member of a record that is a mere text.
func valueName(op string) string {
	switch {
	case strings.HasSuffix(op, ".tags.list"):
		return "tag"
	case op == "yara.list":
		return "name"
	}
	return "value"
}

// mapShapes are the answers that are maps of names: each name is a record.
var mapShapes = map[string]func(data []byte, give func(any) error) error{
	"iocs.list": func(data []byte, give func(any) error) error {
		return wire.EachMember(data, func(name string, v []byte) error { return give(named(name, v)) })
	},
	"configs.list": func(data []byte, give func(any) error) error {
		return wire.EachMember(data, func(platform string, v []byte) error {
			return wire.EachMember(v, func(name string, v []byte) error {
				return give(append(wire.Object{{Name: "platform", Value: platform}}, named(name, v)...))
			})
		})
	},
	"yara.list": func(data []byte, give func(any) error) error {
		var names []string
		on := map[string][]string{}
		err := wire.EachMember(data, func(platform string, v []byte) error {
			return wire.EachElement(v, func(v []byte) error {
				n := wire.Scalar(v)
				if on[n] == nil {
					names = append(names, n)
				}
				on[n] = append(on[n], platform)
				return nil
			})
		})
		if err != nil {
			return err
		}
		for _, n := range names {
			if err := give(wire.Object{{Name: "name", Value: n}, {Name: "platforms", Value: on[n]}}); err != nil {
				return err
			}
		}
		return nil
	},
	"tags.tagged": func(data []byte, give func(any) error) error {
		return wire.EachMember(data, func(kind string, v []byte) error {
			if wire.KindOf(v) != '[' {
				return nil
			}
			return wire.EachElement(v, func(v []byte) error {
				m, err := wire.Members(v)
				if err != nil {
					return err
				}
				name, id := wire.FirstOf(backends.Text(m["name"]), backends.Text(m["display_name"])), wire.FirstOf(backends.Text(m["host_identifier"]), backends.Text(m["id"]))
				return give(wire.Object{{Name: "kind", Value: map[string]string{"hosts": "host", "packs": "pack", "queries": "query"}[kind]}, {Name: "id", Value: id}, {Name: "name", Value: name}, {Name: "item", Value: json.RawMessage(v)}})
			})
		})
	},
	"schema.list": func(data []byte, give func(any) error) error {
		return wire.EachMember(data, func(name string, v []byte) error {
			if wire.KindOf(v) == '"' {
				return give(wire.Object{{Name: "name", Value: name}, {Name: "sql", Value: json.RawMessage(v)}})
			}
			return give(named(name, v))
		})
	},
}

// named is an object with the name it has in its map in front.
func named(name string, v []byte) wire.Object {
	out := wire.Object{{Name: "name", Value: name}}
	if wire.KindOf(v) != '{' {
		return append(out, wire.Member{Name: "value", Value: json.RawMessage(v)})
	}
	_ = wire.EachMember(v, func(k string, v []byte) error { // it was read before
		if k != "name" {
			out = append(out, wire.Member{Name: k, Value: json.RawMessage(bytes.Clone(v))})
		}
		return nil
	})
	return out
}
