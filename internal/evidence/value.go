package evidence

import (
	"errors"
	"iter"
	"strconv"
	"strings"

	"github.com/edrctl/edrctl/internal/client/jsonwalk"
)

// maxValues is how many values one document may hold: what is more is no
// record, and would cost a hundred times its length in memory.
const maxValues = 2 << 20

var errTooMany = errors.New("it holds too many values")

// doc is one JSON document. Its parts are used again for the next: a record
// costs one string, however many values it has.
type doc struct {
	walker  jsonwalk.Walker
	raw     []byte
	text    string
	scratch []byte
	nodes   []node
	names   map[string]string
}

type node struct {
	key        string
	kind       byte  // { [ " 0 t f n
	from, to   int32 // of a scalar: in the text
	begin, end int32 // in raw
	kids       int32 // the first child; 0 is none
	next       int32 // the next sibling; 0 is none
}

// parse reads one document at the beginning of b and gives its length.
func (d *doc) parse(b []byte) (int, error) {
	if cap(d.nodes) > 1<<16 { // a giant came before
		d.nodes, d.scratch = nil, nil
	}
	d.raw, d.nodes, d.scratch = b, d.nodes[:0], d.scratch[:0]
	if len(d.names) > 5000 {
		d.names = nil
	}
	if d.names == nil {
		d.names = map[string]string{}
	}
	w := &d.walker
	w.Reset(b)
	d.value(w, "")
	if err := w.Err(); err != nil {
		if len(d.nodes) > maxValues {
			err = errTooMany
		}
		return 0, err
	}
	d.text = string(d.scratch)
	return w.Offset(), nil
}

func (d *doc) value(w *jsonwalk.Walker, key string) int32 {
	i := int32(len(d.nodes))
	if i > maxValues {
		w.Fail(errTooMany.Error())
		return 0
	}
	c := w.Peek()
	n := node{key: key, kind: c, begin: int32(w.Offset()), from: int32(len(d.scratch))}
	d.nodes = append(d.nodes, n)
	switch c {
	case '{':
		if w.Enter('{') {
			last := int32(0)
			for first := true; w.Next('}', &first); {
				last = d.add(i, last, d.value(w, d.name(w.Key())))
			}
		}
	case '[':
		if w.Enter('[') {
			last := int32(0)
			for first := true; w.Next(']', &first); {
				last = d.add(i, last, d.value(w, ""))
			}
		}
	case 't', 'f', 'n':
		d.scratch, _ = w.AppendScalar(d.scratch)
	case '"':
		d.scratch = w.AppendString(d.scratch)
	default:
		d.nodes[i].kind = '0'
		d.scratch, _ = w.AppendScalar(d.scratch)
	}
	d.nodes[i].to, d.nodes[i].end = int32(len(d.scratch)), int32(w.Offset())
	return i
}

// add hangs kid below parent, behind its sibling last.
func (d *doc) add(parent, last, kid int32) int32 {
	if last == 0 {
		d.nodes[parent].kids = kid
	} else {
		d.nodes[last].next = kid
	}
	return kid
}

// name gives the text of a name, without a copy of those that came before.
func (d *doc) name(key []byte) string {
	if s, ok := d.names[string(key)]; ok {
		return s
	}
	s := string(key)
	d.names[s] = s
	return s
}

func (d *doc) root() Value { return Value{d, 0} }

// Value is a value of a document, or the absence of one, which every method
// takes. It is valid until the next document is read; its texts stay.
type Value struct {
	d *doc
	i int32
}

// Ok tells whether there is a value; null is one.
func (v Value) Ok() bool { return v.d != nil }

// Kind is the first byte of the JSON: { [ " t f n, 0 for a number, and 0x00
// when there is no value.
func (v Value) Kind() byte {
	if v.d == nil {
		return 0
	}
	return v.d.nodes[v.i].kind
}

// Get gives the value at a path of names joined by dots. A name may itself
// hold dots: "host.name" is found in {"host":{"name":…}} and in {"host.name":…}.
func (v Value) Get(path string) Value {
	if v.Kind() != '{' {
		return Value{}
	}
	d := v.d
	for i := d.nodes[v.i].kids; i != 0; i = d.nodes[i].next {
		n := &d.nodes[i]
		switch {
		case len(path) == len(n.key):
			if path == n.key {
				return Value{d, i}
			}
		case len(path) > len(n.key) && path[len(n.key)] == '.' && path[:len(n.key)] == n.key:
			if found := (Value{d, i}).Get(path[len(n.key)+1:]); found.Ok() {
				return found
			}
		}
	}
	return Value{}
}

// Has tells whether there is a value at the path that is not null.
func (v Value) Has(path string) bool {
	k := v.Get(path).Kind()
	return k != 0 && k != 'n'
}

// Text is a scalar as text; of a list the first one; "" for null and objects.
func (v Value) Text() string {
	switch v.Kind() {
	case '"', '0', 't', 'f':
		n := &v.d.nodes[v.i]
		return v.d.text[n.from:n.to]
	case '[':
		if kid := v.d.nodes[v.i].kids; kid != 0 && v.d.nodes[kid].kind != '[' {
			return Value{v.d, kid}.Text()
		}
	}
	return ""
}

// Str is the text of the first of the paths that has one.
func (v Value) Str(paths ...string) string {
	for _, p := range paths {
		if s := v.Get(p).Text(); s != "" {
			return s
		}
	}
	return ""
}

// Int is a whole number, decimal or 0x…, also in a string; 0 for anything else.
func (v Value) Int(paths ...string) int64 { return wholeNumber(v.Str(paths...)) }

// Float is a number, nil when there is none.
func (v Value) Float(paths ...string) *float64 {
	if f, err := strconv.ParseFloat(v.Str(paths...), 64); err == nil {
		return &f
	}
	return nil
}

// Truth is a bool, nil when there is none.
func (v Value) Truth(paths ...string) *bool { return truth(v.Str(paths...)) }

// Texts are the scalars of a list, or the one that is there alone.
func (v Value) Texts() []string {
	if v.Kind() != '[' {
		if s := v.Text(); s != "" {
			return []string{s}
		}
		return nil
	}
	var out []string
	for e := range v.List() {
		if s := e.Text(); s != "" {
			out = append(out, s)
		}
	}
	return out
}

// Raw is the value's JSON. It is valid until the next document is read.
func (v Value) Raw() []byte {
	if v.d == nil {
		return nil
	}
	n := &v.d.nodes[v.i]
	return v.d.raw[n.begin:n.end]
}

// Members are the members of an object.
func (v Value) Members() iter.Seq2[string, Value] {
	return func(yield func(string, Value) bool) {
		if v.Kind() != '{' {
			return
		}
		for i := v.d.nodes[v.i].kids; i != 0; i = v.d.nodes[i].next {
			if !yield(v.d.nodes[i].key, Value{v.d, i}) {
				return
			}
		}
	}
}

// List are the elements of an array; of an object that stands alone, itself.
func (v Value) List() iter.Seq[Value] {
	return func(yield func(Value) bool) {
		switch v.Kind() {
		case '{':
			yield(v)
		case '[':
			for i := v.d.nodes[v.i].kids; i != 0; i = v.d.nodes[i].next {
				if !yield(Value{v.d, i}) {
					return
				}
			}
		}
	}
}

// nest turns dotted names of the value's members, and of theirs, into nested
// objects: {"a.b": 1} is {"a": {"b": 1}}.
func (v Value) nest() {
	d := v.d
	if v.Kind() != '{' {
		return
	}
	dotted, n := false, 0
	for name, m := range v.Members() {
		m.nest()
		dotted = dotted || strings.IndexByte(name, '.') > 0
		n++
	}
	if !dotted || n > maxMembersNested {
		return
	}
	kid := d.nodes[v.i].kids
	d.nodes[v.i].kids = 0
	for kid != 0 {
		next := d.nodes[kid].next
		d.nodes[kid].next = 0
		parent := v.i
		for depth := 0; depth < maxNest; depth++ {
			head, rest, more := strings.Cut(d.nodes[kid].key, ".")
			if !more || head == "" || rest == "" {
				break
			}
			parent = d.object(parent, head)
			d.nodes[kid].key = rest
		}
		d.adopt(parent, kid)
		kid = next
	}
}

// How many objects one dotted name may stand for, and how many members an
// object may have: the search for each is linear.
const (
	maxNest          = 16
	maxMembersNested = 5000
)

// child gives the object called key below parent, 0 when there is none.
func (d *doc) child(parent int32, key string) int32 {
	for i := d.nodes[parent].kids; i != 0; i = d.nodes[i].next {
		if d.nodes[i].key == key && d.nodes[i].kind == '{' {
			return i
		}
	}
	return 0
}

// object gives the object called key below parent, a new one if need be.
func (d *doc) object(parent int32, key string) int32 {
	i := d.child(parent, key)
	if i == 0 {
		i = int32(len(d.nodes))
		d.nodes = append(d.nodes, node{key: key, kind: '{'})
		d.adopt(parent, i)
	}
	return i
}

// adopt hangs kid below parent as its last child, or what is in it below the
// object of the same name that is there.
func (d *doc) adopt(parent, kid int32) {
	if d.nodes[kid].kind == '{' {
		if same := d.child(parent, d.nodes[kid].key); same != 0 {
			parent, kid = same, d.nodes[kid].kids
			if kid == 0 {
				return
			}
		}
	}
	last := d.nodes[parent].kids
	if last == 0 {
		d.nodes[parent].kids = kid
		return
	}
	for d.nodes[last].next != 0 {
		last = d.nodes[last].next
	}
	d.nodes[last].next = kid
}

// offset is where the value begins in its document.
func (v Value) offset() int { return int(v.d.nodes[v.i].begin) }

// keys names the first members, for an error.
func (v Value) keys() string {
	var b strings.Builder
	n := 0
	for k := range v.Members() {
		if n++; n > 4 {
			b.WriteString(", …")
			break
		}
		if n > 1 {
			b.WriteString(", ")
		}
		if len(k) > 30 {
			k = k[:30] + "…"
		}
		b.WriteString(strconv.Quote(k))
	}
	return b.String()
}
