package reply

import (
	"encoding/json"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/backends/esp/wire"
	"github.com/edrctl/edrctl/internal/client/flex"
)

// ReadTables reads the tables of 57: a list with descriptions, or an object
// of statements.
func ReadTables(what string, data []byte) (out map[string][]wire.Column, err error) {
	out = map[string][]wire.Column{}
	switch wire.KindOf(data) {
	case '[':
		err = wire.EachElement(data, func(v []byte) error {
			name, cols, err := readTable(v)
			if err == nil && name != "" {
				out[name] = cols
			}
			return err
		})
	case '{':
		err = wire.EachMember(data, func(name string, v []byte) error {
			if wire.KindOf(v) == '"' {
				out[name] = wire.ReadCreate(wire.Scalar(v))
				return nil
			}
			_, cols, err := readTable(v)
			out[name] = cols
			return err
		})
	default:
		return nil, backends.Malformed(what, "the answer carries no tables")
	}
	if err != nil {
		return nil, Malformed(what, err)
	}
	return out, nil
}

func readTable(v []byte) (name string, cols []wire.Column, err error) {
	if wire.KindOf(v) != '{' {
		return "", nil, nil
	}
	err = wire.EachMember(v, func(member string, v []byte) error {
		switch {
		case member == "name":
			name = wire.Scalar(v)
		case member == "schema" && wire.KindOf(v) == '{':
			return wire.EachMember(v, func(col string, v []byte) error {
				c := wire.Column{Name: col}
				if wire.KindOf(v) == '{' {
					var w struct {
						Type        flex.String `json:"type"`
						Description flex.String `json:"description"`
						Required    flex.Bool   `json:"is_required"`
					}
					if err := json.Unmarshal(v, &w); err != nil {
						return err
					}
					c.Type, c.Description, c.Required = string(w.Type), string(w.Description), bool(w.Required)
				}
				cols = append(cols, c)
				return nil
			})
		}
		return nil
	})
	return name, cols, err
}
