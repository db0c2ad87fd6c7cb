package output

import (
	"encoding/json"
	"fmt"
	"net"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/edrctl/edrctl/internal/model"
)

var timeType = reflect.TypeFor[model.Time]()

// fieldPath finds the field of a dotted JSON name: the index of each step.
func fieldPath(t reflect.Type, name string) ([][]int, reflect.Type) {
	var out [][]int
	for part := range strings.SplitSeq(name, ".") {
		for t.Kind() == reflect.Pointer {
			t = t.Elem()
		}
		if t.Kind() != reflect.Struct {
			return nil, nil
		}
		f, ok := jsonField(t, part)
		if !ok {
			return nil, nil
		}
		out = append(out, f.Index)
		t = f.Type
	}
	return out, t
}

// jsonField finds a member by its JSON name, also in embedded structs.
func jsonField(t reflect.Type, name string) (reflect.StructField, bool) {
	for i := range t.NumField() {
		f := t.Field(i)
		if f.Anonymous && f.Type.Kind() == reflect.Struct {
			if in, ok := jsonField(f.Type, name); ok {
				in.Index = append([]int{i}, in.Index...)
				return in, true
			}
			continue
		}
		if tag, _, _ := strings.Cut(f.Tag.Get("json"), ","); tag == name {
			return f, true
		}
	}
	return reflect.StructField{}, false
}

// fieldType is the type of a dotted name without pointers, nil when there is none.
func fieldType(t reflect.Type, name string) reflect.Type {
	_, ft := fieldPath(t, name)
	for ft != nil && ft.Kind() == reflect.Pointer {
		ft = ft.Elem()
	}
	return ft
}

// getter reads one column of records of its kind.
type getter struct {
	name string
	path [][]int
	omit bool // zero means absent, as in JSON
	doc  bool // of a Document: name is a path in its JSON
}

func getters(k Kind, cols []Column) []getter {
	out := make([]getter, len(cols))
	for i, c := range cols {
		out[i].name = c.Name
		if k.spec.doc != nil {
			out[i].doc = true
			continue
		}
		out[i].path, _ = fieldPath(k.spec.typ, c.Name)
		out[i].omit = omitsZero(k.spec.typ, c.Name)
	}
	return out
}

// get gives the invalid Value for what is absent.
func (g getter) get(rec reflect.Value) reflect.Value {
	if g.doc {
		return documentValue(rec, g.name)
	}
	v := rec
	for _, index := range g.path {
		v = deref(v)
		if !v.IsValid() || v.Kind() != reflect.Struct {
			return reflect.Value{}
		}
		f, err := v.FieldByIndexErr(index)
		if err != nil {
			return reflect.Value{}
		}
		v = f
	}
	// A pointer to zero says zero; a plain zero that JSON leaves out, nothing.
	if len(g.path) == 0 || g.omit && v.Kind() != reflect.Pointer && v.IsZero() {
		return reflect.Value{}
	}
	return deref(v)
}

// omitsZero tells whether JSON leaves the field out when it is zero.
func omitsZero(t reflect.Type, name string) bool {
	parent, last := "", name
	if i := strings.LastIndexByte(name, '.'); i >= 0 {
		parent, last = name[:i], name[i+1:]
		t = fieldType(t, parent)
	}
	if t == nil || t.Kind() != reflect.Struct {
		return false
	}
	f, ok := jsonField(t, last)
	return ok && strings.Contains(f.Tag.Get("json"), ",omit")
}

func deref(v reflect.Value) reflect.Value {
	for v.IsValid() && (v.Kind() == reflect.Pointer || v.Kind() == reflect.Interface) {
		v = v.Elem()
	}
	return v
}

// text gives the whole value of a column as plain text, not made safe: what
// TSV and CSV show. Absent is "".
func (g getter) text(rec reflect.Value) string {
	v := g.get(rec)
	if g.name == "summary" && (!v.IsValid() || v.String() == "") {
		if rec.CanAddr() {
			if e, ok := rec.Addr().Interface().(*model.Event); ok {
				return Summary(e)
			}
		}
	}
	return plain(v)
}

func plain(v reflect.Value) string {
	v = deref(v)
	if !v.IsValid() {
		return ""
	}
	switch x := v.Interface().(type) {
	case model.Time:
		return x.String()
	case time.Time:
		return model.At(x).String()
	case time.Duration:
		return x.String()
	case json.RawMessage:
		var b strings.Builder
		b.Write(x)
		return b.String()
	case model.Named:
		return first(x.Name, x.ID)
	case model.User:
		return userText(&x)
	case model.Host:
		return first(x.Name, x.ID)
	case model.Process:
		return processName(&x)
	case model.ParentProcess:
		return first(x.Name, model.BaseName(x.Path), x.UID)
	case model.Attack:
		return first(x.Technique.ID, x.Technique.Name, x.Tactic)
	case model.Indicator:
		return first(x.Value, x.Name)
	case model.Count:
		return x.Value + " (" + strconv.Itoa(x.Count) + ")"
	case model.OS:
		return osText(&x)
	case model.Endpoint:
		return endpointText(&x)
	case model.Hash:
		return first(x.SHA256, x.SHA1, x.MD5, x.SHA512, x.Imphash)
	case model.Reputation:
		return first(x.Verdict, x.Native)
	case fmt.Stringer:
		return x.String()
	}
	switch v.Kind() {
	case reflect.String:
		return v.String()
	case reflect.Bool:
		return strconv.FormatBool(v.Bool())
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return strconv.FormatInt(v.Int(), 10)
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return strconv.FormatUint(v.Uint(), 10)
	case reflect.Float32, reflect.Float64:
		return string(appendFloat(nil, v.Float()))
	case reflect.Slice, reflect.Array:
		if v.Len() == 0 {
			return ""
		}
		parts := make([]string, v.Len())
		for i := range parts {
			parts[i] = plain(v.Index(i))
		}
		return strings.Join(parts, ", ")
	case reflect.Map:
		if v.Len() == 0 {
			return ""
		}
	}
	return string(AppendJSON(nil, v.Interface()))
}

func first(s ...string) string {
	for _, v := range s {
		if v != "" {
			return v
		}
	}
	return ""
}

// osText is name and version, the name once when the version repeats it.
func osText(o *model.OS) string {
	if o == nil {
		return ""
	}
	name := first(o.Name, o.Platform)
	if strings.HasPrefix(strings.ToLower(o.Version), strings.ToLower(name)) {
		return o.Version
	}
	return strings.TrimSpace(name + " " + o.Version)
}

func userText(u *model.User) string {
	if u == nil {
		return ""
	}
	if u.Domain != "" && u.Name != "" {
		return u.Domain + `\` + u.Name
	}
	return first(u.Name, u.ID)
}

func processName(p *model.Process) string {
	if p == nil {
		return ""
	}
	return first(p.Name, model.BaseName(p.Path), p.UID)
}

func endpointText(e *model.Endpoint) string {
	if e == nil {
		return ""
	}
	host := first(e.Domain, e.IP)
	if e.Port == 0 {
		return host
	}
	return net.JoinHostPort(host, strconv.Itoa(e.Port))
}

// Summary says in a few words what an event is about, from its fields, for
// backends that give no text of their own.
func Summary(e *model.Event) string {
	if e.Summary != "" {
		return e.Summary
	}
	switch {
	case e.DNS != nil && e.DNS.Question.Name != "":
		return e.DNS.Question.Name
	case e.Network != nil && (e.Network.Destination != nil || e.Network.Source != nil):
		if e.Kind == model.KindNetworkListen && e.Network.Source != nil {
			return endpointText(e.Network.Source)
		}
		return first(endpointText(e.Network.Destination), endpointText(e.Network.Source))
	case e.Registry != nil && e.Registry.Path != "":
		s := e.Registry.Path
		if e.Registry.Value != "" {
			s += `\` + e.Registry.Value
		}
		if e.Registry.Data != "" {
			s += " = " + e.Registry.Data
		}
		return s
	case e.File != nil && first(e.File.Path, e.File.Name) != "":
		s := first(e.File.Path, e.File.Name)
		if e.File.OldPath != "" {
			s = e.File.OldPath + " -> " + s
		}
		return s
	case e.Module != nil && e.Module.Path != "":
		return e.Module.Path
	case e.Pipe != nil && e.Pipe.Name != "":
		return e.Pipe.Name
	case e.Script != nil && e.Script.Text != "":
		return e.Script.Text
	case e.Logon != nil && e.Logon.TargetUser != nil:
		return userText(e.Logon.TargetUser)
	case e.Object != nil && e.Object.Name != "":
		return e.Object.Name
	case e.Target != nil:
		return first(e.Target.CommandLine, e.Target.Path, processName(e.Target))
	case e.Process != nil && (e.Kind == model.KindProcessStart || e.Kind == model.KindProcessEnd):
		return first(e.Process.CommandLine, e.Process.Path)
	}
	return first(e.Action, strings.Join(e.Tags, ", "))
}
