package catalog

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/backends/esp/wire"
)

// OutsideBase tells which operation does not live under the API base.
func OutsideBase(op backends.Operation) bool {
	return op.Name == "downloads.get" || op.Name == "" && strings.HasPrefix(op.Path, "/downloads/")
}

// Arguments takes a call apart: a body that is a JSON object, and a query, become
// arguments, so that it is checked and guarded however it was given. What the
// document does not know comes back in extra. A body that is not a JSON object
// stays as it is.
func Arguments(c backends.Call) (backends.Call, map[string]any, error) {
	args := map[string]any{}
	for k, v := range c.Args {
		args[k] = v
	}
	c.Args = args
	extra := map[string]any{}
	query := map[string][]string{}
	for k, v := range c.Query {
		if p, known := c.Op.Param(k); known && p.In == "query" && len(v) > 0 {
			if _, given := args[k]; !given {
				args[k] = v[0]
				continue
			}
		}
		query[k] = v
	}
	c.Query = query
	if c.Body == nil || c.Op.Name == "" || c.Op.Body == "multipart" || wire.KindOf(c.Body) != '{' || c.Type != "" && !strings.HasPrefix(c.Type, "application/json") {
		return c, nil, nil
	}
	dec := json.NewDecoder(bytes.NewReader(c.Body))
	dec.UseNumber()
	var members map[string]any
	if err := dec.Decode(&members); err != nil || dec.More() {
		return c, nil, backends.Invalid("cannot call "+c.Label(), "the body is not one JSON object")
	}
	for name, v := range members {
		p, known := c.Op.Param(name)
		switch {
		case !known || p.In != "body" && p.In != "local":
			extra[name] = v
		case v == nil: // as good as absent (§4)
		default:
			if _, twice := args[name]; twice {
				return c, nil, backends.Invalid("cannot call "+c.Label(), name+" is given twice: in the body and as a parameter")
			}
			args[name] = v
		}
	}
	c.Body = nil
	return c, extra, nil
}

// PageArgument gives a number the user gave for start or limit.
func PageArgument(c backends.Call, name string, def int64) (int64, error) {
	v, given := c.Args[name]
	if !given {
		return def, nil
	}
	p, _ := c.Op.Param(name)
	n, err := p.Value(v)
	if err != nil {
		return 0, backends.Invalid("cannot call "+c.Label(), "invalid "+backends.WrongValue(name, err))
	}
	i, _ := n.(int64)
	if i < 0 || name == "limit" && i == 0 || i > 1<<31 {
		return 0, backends.Invalid("cannot call "+c.Label(), name+": it must be above zero")
	}
	return i, nil
}

// CheckArgs brings the arguments to the types of their parameters. What is
// required is there, and there is none the operation does not have.
func CheckArgs(what string, c backends.Call) error {
	for _, name := range slices.Sorted(maps.Keys(c.Args)) {
		if _, known := c.Op.Param(name); !known && c.Op.Name != "" {
			return backends.Invalid(what, "there is no parameter "+name)
		}
	}
	for _, p := range c.Op.Params {
		v, given := c.Args[p.Name]
		if !given {
			if p.Required && p.Default == "" && c.Body == nil {
				return backends.Invalid(what, p.Name+" is missing")
			}
			continue
		}
		value, err := p.Value(v)
		if err != nil {
			return backends.Invalid(what, "invalid "+backends.WrongValue(p.Name, err))
		}
		c.Args[p.Name] = value
	}
	return nil
}

// Summary says what a call does, with what its path names.
func Summary(c backends.Call) string {
	s := wire.FirstOf(c.Op.Summary, c.Label())
	for _, p := range c.Op.Params {
		if v, ok := c.Args[p.Name]; ok && p.In == "path" && !p.Secret {
			s += " " + backends.Text(v)
		}
	}
	return s
}
