package esp

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"io"
	"iter"
	"slices"
	"strings"

	"github.com/edrctl/edrctl/internal/backends"
)

// Items gives the records of a reading call. Lists are read to their last
// page, by offset or by id as the server pages (docs/wire/esp.md §6); start and
// limit the user gave are the first record and the size of a page. Answers
// that are a map of names give a record for each, with its name; lines of CSV
// become objects.
func (d *Driver) Items(ctx context.Context, c backends.Call) iter.Seq2[json.RawMessage, error] {
	return func(yield func(json.RawMessage, error) bool) {
		stopped := false
		give := func(v []byte) bool {
			stopped = stopped || !yield(append(json.RawMessage(nil), v...), nil)
			return !stopped
		}
		if err := d.items(ctx, c, give); err != nil && !stopped {
			yield(nil, err)
		}
	}
}

func (d *Driver) items(ctx context.Context, c backends.Call, give func([]byte) bool) error {
	what := "cannot call " + c.Label()
	if c.Op.Mutates {
		return backends.Invalid(what, "it changes something, and goes the way of every change")
	}
	c, extra, err := guardRead(ctx, callServer{d}, what, c)
	if err != nil {
		return err
	}
	if _, err := request(c, extra); err != nil { // before anything is sent
		return err
	}
	switch {
	case c.Body != nil: // not ours to page
	case c.Op.Paging == "offset":
		return d.offsetItems(ctx, what, c, extra, give)
	case c.Op.Paging == "id-cursor":
		return d.cursorItems(ctx, what, c, extra, give)
	case c.Op.Returns == "binary":
		return backends.Invalid(what, "its answer is a file, not records")
	case c.Op.Returns == "csv":
		return d.csvItems(ctx, what, c, give)
	}
	call, err := request(c, extra)
	if err != nil {
		return err
	}
	s, err := d.stream(ctx, what, c, call)
	if err != nil {
		return err
	}
	rep, err := readWhole(what, s)
	if err != nil {
		return err
	}
	a, err := parseAnswer(what, rep)
	if err != nil {
		return explainRead(c.Op, err)
	}
	if err := records(c, a, give); err != nil {
		return malformed(what, err)
	}
	return nil
}

// pageOf sends the call with another start and limit.
func (d *Driver) pageOf(ctx context.Context, what string, c backends.Call, extra map[string]any, start, limit int64) (*page, error) {
	args := make(map[string]any, len(c.Args)+2)
	for k, v := range c.Args {
		args[k] = v
	}
	args["start"], args["limit"] = start, limit
	c.Args = args
	call, err := request(c, extra)
	if err != nil {
		return nil, err
	}
	p, err := d.sendPage(ctx, what, call.Path, call)
	if err != nil {
		return nil, explainRead(c.Op, err)
	}
	return p, nil
}

// asked gives a number the user gave for start or limit.
func asked(c backends.Call, name string, def int64) (int64, error) {
	v, given := c.Args[name]
	if !given {
		return def, nil
	}
	p, _ := c.Op.Param(name)
	n, err := p.Value(v)
	if err != nil {
		return 0, backends.Invalid("cannot call "+c.Label(), name+": "+err.Error())
	}
	i, _ := n.(int64)
	if i < 0 || name == "limit" && i == 0 || i > 1<<31 {
		return 0, backends.Invalid("cannot call "+c.Label(), name+": it must be above zero")
	}
	return i, nil
}

func (d *Driver) offsetItems(ctx context.Context, what string, c backends.Call, extra map[string]any, give func([]byte) bool) error {
	first, err := asked(c, "start", 0)
	if err != nil {
		return err
	}
	size, err := asked(c, "limit", listPage)
	if err != nil {
		return err
	}
	return offsetPages(ctx, what, int(size), func(ctx context.Context, start, limit int) (*page, error) {
		p, err := d.pageOf(ctx, what, c, extra, first+int64(start), int64(limit))
		if err == nil && p.Groups != nil {
			// Counts per host, or per query: all at once.
			for _, v := range p.Groups {
				if !give(v) {
					break
				}
			}
			return &page{}, nil
		}
		return p, err
	}, func(v []byte) (bool, error) { return give(v), nil })
}

func (d *Driver) cursorItems(ctx context.Context, what string, c backends.Call, extra map[string]any, give func([]byte) bool) error {
	if n, err := asked(c, "start", 0); err != nil || n > 0 {
		if err == nil {
			err = &backends.Error{Kind: backends.KindInvalid, What: what, Why: "start means another thing to each edition, and all pages are read from the first", Hint: "leave start out, or read the one page without following the others"}
		}
		return err
	}
	size, err := asked(c, "limit", eventPage)
	if err != nil {
		return err
	}
	pg := resultPager{what: what, fetch: func(ctx context.Context, start int64) (*page, error) {
		return d.pageOf(ctx, what, c, extra, start, size)
	}}
	if c.Op.Name == "hosts.activity" {
		pg.byID = true
	} else {
		pg.mode, pg.learned = d.pages.get(), d.pages.set
	}
	for r, err := range pg.rows(ctx) {
		if err != nil {
			return err
		}
		if !give(r.raw) {
			return nil
		}
	}
	return nil
}

// csvItems gives each line as an object of the header's names. A line is only
// as long as the header was when it was written (§8).
func (d *Driver) csvItems(ctx context.Context, what string, c backends.Call, give func([]byte) bool) error {
	a, err := d.Call(ctx, c)
	if err != nil {
		return err
	}
	defer a.Body.Close()
	if strings.HasPrefix(a.ContentType, "application/json") {
		return backends.Malformed(what, "the answer is no CSV")
	}
	r := csv.NewReader(a.Body)
	r.FieldsPerRecord = -1
	r.ReuseRecord = true
	var header []string
	for {
		line, err := r.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			var bad *csv.ParseError
			if errors.As(err, &bad) {
				return backends.Malformed(what, "the answer is no CSV: "+short(bad.Error()))
			}
			return backends.FromClient(what, err)
		}
		if header == nil {
			header = slices.Clone(line)
			continue
		}
		if len(line) > len(header) {
			return backends.Malformed(what, "a line of the CSV is longer than its header")
		}
		row := make(object, len(line))
		for i, cell := range line {
			row[i] = member{header[i], cell}
		}
		b, err := json.Marshal(row)
		if err != nil {
			return malformed(what, err)
		}
		if !give(b) {
			return nil
		}
	}
}

// records gives what an answer without pages holds.
func records(c backends.Call, a *answer, give func([]byte) bool) error {
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
		switch shape := mapShapes[c.Op.Name]; kindOf(a.Data) {
		case 0, 'n':
			if !a.JSON {
				return errors.New("the answer is no JSON")
			}
			if len(a.Top) == 0 {
				return nil
			}
			return one(a.Top)
		case '[':
			return eachElement(a.Data, func(v []byte) error {
				if kindOf(v) == '{' || kindOf(v) == '[' {
					if !give(v) {
						return stopped
					}
					return nil
				}
				return one(object{{valueName(c.Op.Name), json.RawMessage(v)}})
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
		text := object{{"value", a.Data}}
		switch c.Op.Name {
		case "schema.get":
			text = object{{"name", c.Args["table"]}, {"sql", a.Data}}
		case "yara.view":
			text = object{{"name", c.Args["file_name"]}, {"content", a.Data}}
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
		return eachMember(data, func(name string, v []byte) error { return give(named(name, v)) })
	},
	"configs.list": func(data []byte, give func(any) error) error {
		return eachMember(data, func(platform string, v []byte) error {
			return eachMember(v, func(name string, v []byte) error {
				return give(append(object{{"platform", platform}}, named(name, v)...))
			})
		})
	},
	"yara.list": func(data []byte, give func(any) error) error {
		var names []string
		on := map[string][]string{}
		err := eachMember(data, func(platform string, v []byte) error {
			return eachElement(v, func(v []byte) error {
				n := scalar(v)
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
			if err := give(object{{"name", n}, {"platforms", on[n]}}); err != nil {
				return err
			}
		}
		return nil
	},
	"tags.tagged": func(data []byte, give func(any) error) error {
		return eachMember(data, func(kind string, v []byte) error {
			if kindOf(v) != '[' {
				return nil
			}
			return eachElement(v, func(v []byte) error {
				m, err := members(v)
				if err != nil {
					return err
				}
				name, id := firstOf(backends.Text(m["name"]), backends.Text(m["display_name"])), firstOf(backends.Text(m["host_identifier"]), backends.Text(m["id"]))
				return give(object{{"kind", map[string]string{"hosts": "host", "packs": "pack", "queries": "query"}[kind]}, {"id", id}, {"name", name}, {"item", json.RawMessage(v)}})
			})
		})
	},
	"schema.list": func(data []byte, give func(any) error) error {
		return eachMember(data, func(name string, v []byte) error {
			if kindOf(v) == '"' {
				return give(object{{"name", name}, {"sql", json.RawMessage(v)}})
			}
			return give(named(name, v))
		})
	},
}

// named is an object with the name it has in its map in front.
func named(name string, v []byte) object {
	out := object{{"name", name}}
	if kindOf(v) != '{' {
		return append(out, member{"value", json.RawMessage(v)})
	}
	_ = eachMember(v, func(k string, v []byte) error { // it was read before
		if k != "name" {
			out = append(out, member{k, json.RawMessage(bytes.Clone(v))})
		}
		return nil
	})
	return out
}

// object is a JSON object that keeps the order of its members.
type (
	object []member
	member struct {
		name  string
		value any
	}
)

// MarshalJSON writes the members in their order.
func (o object) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	for i, m := range o {
		if i > 0 {
			b.WriteByte(',')
		}
		if err := e.Encode(m.name); err != nil {
			return nil, err
		}
		b.WriteByte(':')
		if err := e.Encode(m.value); err != nil {
			return nil, err
		}
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}
