package evidence

import (
	"net"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/edrctl/edrctl/internal/model"
)

// A table of edrctl has what its columns have; what a column shows of an
// object is read back as far as it says it.

// isOwnTable: the columns are names of edrctl's fields.
func isOwnTable(names []string) bool {
	has := func(n string) bool { return slices.Contains(names, n) }
	return has("time") && (has("kind") || has("title") || has("host.name")) || has("ref") && (has("name") || has("pid"))
}

func decodeOwnRow(r row, raw []byte, _ Options) []Item {
	var it Item
	has := func(n string) bool { return slices.Contains(r.header, n) }
	switch {
	case has("title") || has("severity"):
		it.Alert = &model.Alert{}
	case has("pid") || has("uid") || has("command_line"):
		it.Process = &model.Process{}
	case has("name") || has("last_seen"):
		it.Host = &model.Host{}
	default:
		it.Event = &model.Event{}
	}
	rec := it.Record()
	for i, cell := range r.cells {
		if cell = unguarded(cell); cell != "" {
			setField(reflect.ValueOf(rec).Elem(), strings.Split(r.header[i], "."), cell)
		}
	}
	o := rec.GetOrigin()
	if o.ID == "" {
		_, o.ID, _ = strings.Cut(o.Ref, "/")
	}
	if o.ID == "" {
		o.ID = contentID(raw)
	}
	if e := it.Event; e != nil && e.Kind == "" {
		e.Kind = model.KindOther
	}
	return []Item{it}
}

// unguarded takes off what keeps a spreadsheet from computing a cell.
func unguarded(s string) string {
	if len(s) < 2 || s[0] != '\'' {
		return s
	}
	rest := s[1:]
	if rest[0] == '\t' || rest[0] == '\r' {
		return rest
	}
	for _, p := range [...]string{"=", "+", "-", "@", "＝", "＋", "－", "＠"} {
		if strings.HasPrefix(strings.TrimSpace(rest), p) {
			return rest
		}
	}
	return s
}

// setField sets the field of a path of JSON names from its text. A name that
// the model does not have is left out.
func setField(v reflect.Value, path []string, text string) {
	f, ok := fieldOf(v, path[0])
	if !ok {
		return
	}
	if f.Kind() == reflect.Pointer {
		if f.IsNil() {
			f.Set(reflect.New(f.Type().Elem()))
		}
		f = f.Elem()
	}
	switch {
	case len(path) > 1:
		if f.Kind() == reflect.Struct {
			setField(f, path[1:], text)
		}
	case setObject(f, text):
	default:
		setScalar(f, text)
	}
}

func fieldOf(v reflect.Value, name string) (reflect.Value, bool) {
	t := v.Type()
	for i := range t.NumField() {
		if t.Field(i).Anonymous {
			if f, ok := fieldOf(v.Field(i), name); ok {
				return f, true
			}
			continue
		}
		if tag, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ","); tag == name {
			return v.Field(i), true
		}
	}
	return reflect.Value{}, false
}

// setObject reads what a column shows of an object.
func setObject(f reflect.Value, text string) bool {
	switch x := f.Addr().Interface().(type) {
	case *model.Time:
		_ = x.UnmarshalJSON([]byte(strconv.Quote(text))) // stays absent
	case *model.User:
		*x = *model.SplitUser(text)
	case *model.Host:
		x.Name = text
	case *model.Process:
		x.Name = text
	case *model.Named:
		x.Name = text
	case *model.OS:
		x.Name = text
	case *model.Endpoint:
		host, port, err := net.SplitHostPort(text)
		if err != nil {
			host = text
		}
		if x.Port = portOf(wholeNumber(port)); ipOf(host) != "" {
			x.IP = host
		} else {
			x.Domain = host
		}
	case *[]string:
		*x = strings.Split(text, ", ")
	case *[]model.Attack:
		for part := range strings.SplitSeq(text, ", ") {
			*x = append(*x, model.Attack{Technique: model.Named{ID: part}})
		}
	default:
		return false
	}
	return true
}

func setScalar(f reflect.Value, text string) {
	switch f.Kind() {
	case reflect.String:
		f.SetString(text)
	case reflect.Int, reflect.Int64:
		f.SetInt(wholeNumber(text))
	case reflect.Float64:
		if n, err := strconv.ParseFloat(text, 64); err == nil {
			f.SetFloat(n)
		}
	case reflect.Bool:
		if b := truth(text); b != nil {
			f.SetBool(*b)
		}
	}
}
