package output

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/edrctl/edrctl/internal/safetext"
)

// Document is a record that has no type of ours: JSON of a vendor's API.
type Document struct {
	JSON    json.RawMessage
	Profile string // becomes the first member, `profile`; "" = none

	value  any
	parsed bool
}

type docSpec struct{ id string }

// NewDocumentKind declares a kind of Documents. id is the dotted name of the
// member that names one, for -o id. Any --columns are taken: what a document
// holds is not known beforehand.
func NewDocumentKind(name, id string, table, wide []Column) Kind {
	k := NewKind[Document](name, table, wide)
	k.spec.doc = &docSpec{id}
	return k
}

func (k Kind) documentColumns(names []string) []Column {
	out := make([]Column, 0, len(names))
	for _, name := range names {
		c := Column{Name: name, Min: 8}
		for _, cols := range [][]Column{k.spec.table, k.spec.wide} {
			for _, known := range cols {
				if known.Name == name {
					c, c.Drop = known, 0
				}
			}
		}
		out = append(out, c)
	}
	return out
}

// parse decodes the JSON once; anything else is kept as text.
func (d *Document) parse() any {
	if !d.parsed {
		v, err := generic(d.JSON)
		if err != nil {
			v = string(d.JSON)
		}
		d.value, d.parsed = v, true
	}
	return d.value
}

// append writes the JSON of a document, with its profile in front. A value
// that is not an object goes under `value`.
func (d *Document) append(dst []byte) []byte {
	body := bytes.TrimSpace(d.JSON)
	if d.Profile == "" {
		return appendEscaped(dst, compact(body))
	}
	dst = appendString(append(dst, `{"profile":`...), d.Profile)
	body = compact(body)
	switch {
	case len(body) > 2 && body[0] == '{':
		if m, ok := d.parse().(map[string]any); ok {
			if _, own := m["profile"]; own {
				dst = dst[:len(dst)-len(`{"profile":`)-len(appendString(nil, d.Profile))]
				return appendEscaped(dst, body)
			}
		}
		dst = appendEscaped(append(dst, ','), body[1:len(body)-1])
	case len(body) > 0 && string(body) != "{}":
		dst = appendEscaped(append(dst, `,"value":`...), body)
	}
	return append(dst, '}')
}

func compact(b []byte) []byte {
	var out bytes.Buffer
	if err := json.Compact(&out, b); err != nil {
		return appendString(nil, string(b))
	}
	return out.Bytes()
}

func (d *Document) identity(k Kind) string {
	id := ""
	if k.spec != nil && k.spec.doc != nil && k.spec.doc.id != "" {
		id = plain(documentPath(d.parse(), k.spec.doc.id))
	}
	if id == "" {
		for _, name := range []string{"id", "uuid", "uid", "name"} {
			if id = plain(documentPath(d.parse(), name)); id != "" {
				break
			}
		}
	}
	if _, isText := d.parse().(string); id == "" && isText {
		id = d.parse().(string)
	}
	if id != "" && d.Profile != "" {
		return d.Profile + "/" + id
	}
	return id
}

// Has tells whether the document has a member of a dotted name, or may have:
// what is null or an empty list shows none of its members.
func (d *Document) Has(name string) bool { return holds(d.parse(), name) }

func holds(v any, name string) bool {
	switch t := v.(type) {
	case nil:
		return true
	case map[string]any:
		if _, ok := t[name]; ok {
			return true
		}
		head, rest, dotted := strings.Cut(name, ".")
		m, ok := t[head]
		return ok && dotted && holds(m, rest)
	case []any:
		return len(t) == 0 || slices.ContainsFunc(t, func(e any) bool { return holds(e, name) })
	}
	return false
}

// documentValue finds a dotted name in a Document.
func documentValue(rec reflect.Value, name string) reflect.Value {
	if !rec.IsValid() || !rec.CanAddr() {
		return reflect.Value{}
	}
	d, ok := rec.Addr().Interface().(*Document)
	if !ok {
		return reflect.Value{}
	}
	if v := documentPath(d.parse(), name); v.IsValid() {
		return v
	}
	switch {
	case name == "profile" && d.Profile != "":
		return reflect.ValueOf(d.Profile)
	case name == "value":
		if _, object := d.parse().(map[string]any); !object {
			return reflect.ValueOf(d.parse())
		}
	}
	return reflect.Value{}
}

// documentPath walks a dotted name; through an array it gives the values of
// all elements.
func documentPath(v any, name string) reflect.Value {
	if name == "" {
		return deref(reflect.ValueOf(v))
	}
	switch t := v.(type) {
	case map[string]any:
		if m, ok := t[name]; ok {
			return deref(reflect.ValueOf(m))
		}
		head, rest, _ := strings.Cut(name, ".")
		if m, ok := t[head]; ok && rest != "" {
			return documentPath(m, rest)
		}
	case []any:
		var out []any
		for _, e := range t {
			if m := documentPath(e, name); m.IsValid() {
				out = append(out, m.Interface())
			}
		}
		if out != nil {
			return reflect.ValueOf(out)
		}
	}
	return reflect.Value{}
}

// oneDocument writes a single document for a person or a line-wise reader.
func (b *base) oneDocument(d *Document, lines bool) error {
	body, err := appendRecord(nil, d)
	if err != nil {
		return err
	}
	m, object := d.parse().(map[string]any)
	if !lines || !object || len(b.opt.Columns) > 0 {
		return b.emit(append(appendIndent(nil, body, ""), '\n'))
	}
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	var out []byte
	for _, name := range names {
		out = append(append(out, safe(name)...), '\t')
		out = append(append(out, safe(plain(reflect.ValueOf(m[name])))...), '\n')
	}
	return b.emit(out)
}

// Copy says how CopyJSON writes.
type Copy struct {
	Indent bool     // over several lines, invisible characters escaped: for a terminal
	Hide   []string // dotted members that are masked, * for any member or element
}

// CopyJSON writes one JSON document from r to w with constant memory. Without
// options the bytes stay as they are. The error of a document that is cut or
// no JSON is *jsontext.SyntacticError or io.ErrUnexpectedEOF, after what came
// before it was written.
func CopyJSON(w io.Writer, r io.Reader, c Copy) error {
	if !c.Indent && len(c.Hide) == 0 {
		return passJSON(w, r)
	}
	src := lenient(r)
	esc := &escapingWriter{w: w}
	opts := []jsontext.Options{jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true), jsontext.PreserveRawStrings(true)}
	if c.Indent {
		opts = append(opts, jsontext.WithIndent("  "))
	}
	dst := jsontext.NewEncoder(esc, opts...)
	hide := make([][]string, len(c.Hide))
	for i, h := range c.Hide {
		hide[i] = strings.Split(h, ".")
	}
	for depth, started := 0, false; depth > 0 || !started; started = true {
		kind := src.PeekKind()
		if len(hide) > 0 && kind != '}' && kind != ']' && hiddenAt(src, hide) {
			v, err := src.ReadValue()
			if err != nil {
				return cut(err)
			}
			if s := string(v); s != `""` && s != "null" {
				v = jsontext.Value(`"***"`)
			}
			if err := dst.WriteValue(v); err != nil {
				return err
			}
			continue
		}
		tok, err := src.ReadToken()
		if err != nil {
			return cut(err)
		}
		switch tok.Kind() {
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		}
		if err := dst.WriteToken(tok); err != nil {
			return err
		}
	}
	return ended(src)
}

func lenient(r io.Reader) *jsontext.Decoder {
	return jsontext.NewDecoder(r, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
}

// hiddenAt tells whether the value that comes next is to be masked.
func hiddenAt(src *jsontext.Decoder, hide [][]string) bool {
	if kind, n := src.StackIndex(src.StackDepth()); kind == '{' && n%2 == 0 {
		return false // a name comes next
	}
	at := nextPointer(src)
	return slices.ContainsFunc(hide, func(want []string) bool {
		if len(want) != len(at) {
			return false
		}
		for i, w := range want {
			if w != "*" && w != at[i] {
				return false
			}
		}
		return true
	})
}

// nextPointer is the path of the value that comes next.
func nextPointer(src *jsontext.Decoder) []string {
	var out []string
	depth := src.StackDepth()
	if depth == 0 {
		return nil
	}
	for token := range src.StackPointer().Tokens() {
		out = append(out, token)
	}
	// Inside an array the pointer is that of the element before.
	if kind, n := src.StackIndex(depth); kind == '[' {
		if n > 0 {
			out = out[:len(out)-1]
		}
		out = append(out, "*")
	}
	return out
}

// ended makes sure that nothing follows the document.
func ended(src *jsontext.Decoder) error {
	if _, err := src.ReadToken(); !errors.Is(err, io.EOF) {
		if err == nil {
			err = errors.New("something follows the JSON of the answer")
		}
		return err
	}
	return nil
}

func cut(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// passJSON copies the bytes as they are, and reads them on the way.
func passJSON(w io.Writer, r io.Reader) error {
	src := lenient(io.TeeReader(r, w))
	for depth, started := 0, false; depth > 0 || !started; started = true {
		tok, err := src.ReadToken()
		if err != nil {
			return cut(err)
		}
		switch tok.Kind() {
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		}
	}
	return ended(src)
}

// escapingWriter escapes the invisible characters of JSON. The encoder writes
// whole tokens.
type escapingWriter struct {
	w   io.Writer
	buf []byte
}

func (e *escapingWriter) Write(p []byte) (int, error) {
	e.buf = appendEscaped(e.buf[:0], p)
	if _, err := e.w.Write(e.buf); err != nil {
		return 0, err
	}
	return len(p), nil
}

// HideIn masks members of one JSON value.
func HideIn(value json.RawMessage, hide []string) (json.RawMessage, error) {
	if len(hide) == 0 {
		return value, nil
	}
	var out bytes.Buffer
	if err := CopyJSON(&out, bytes.NewReader(value), Copy{Hide: hide}); err != nil {
		return nil, fmt.Errorf("cannot read a record of the answer: %w", err)
	}
	return bytes.TrimSpace(out.Bytes()), nil
}

// CopyText writes text of a server to a terminal, a line at a time and fit to
// be shown.
func CopyText(w io.Writer, r io.Reader) error {
	buf := make([]byte, 0, 64<<10)
	for {
		n, err := r.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		whole := len(buf)
		if err == nil {
			whole = bytes.LastIndexByte(buf, '\n') + 1
			if whole == 0 && len(buf) < cap(buf) {
				continue
			}
			if whole == 0 {
				whole = len(buf) - len(incomplete(buf))
			}
		}
		if whole > 0 {
			if _, werr := io.WriteString(w, string(safetext.Lines(string(buf[:whole])))); werr != nil {
				return werr
			}
			buf = append(buf[:0], buf[whole:]...)
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// incomplete is the start of a character at the end of b.
func incomplete(b []byte) []byte {
	for i := 1; i <= 3 && i <= len(b); i++ {
		if c := b[len(b)-i]; c >= 0xC0 {
			return b[len(b)-i:]
		} else if c < 0x80 {
			return nil
		}
	}
	return nil
}
