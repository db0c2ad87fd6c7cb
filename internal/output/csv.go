package output

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/edrctl/edrctl/internal/iostreams"
	"github.com/edrctl/edrctl/internal/model"
	"github.com/edrctl/edrctl/internal/safetext"
)

// safe makes text from a record safe for one field of a line.
func safe(s string) string { return string(safetext.Text(s)) }

// displayFor prepares a cell for what the locale can show, before it is measured.
func displayFor(ios *iostreams.Streams, d safetext.Display) safetext.Display {
	if ios.Unicode() {
		return d
	}
	return safetext.Display(ios.Show(safetext.Display(strings.ReplaceAll(string(d), "…", "~"))))
}

// csvWriter writes RFC 4180: CR LF, quotes where needed, a header always.
type csvWriter struct {
	base
	cols   []Column
	get    []getter
	csv    *csv.Writer
	row    []string
	headed bool
}

func newCSV(b base, cols []Column) *csvWriter {
	w := &csvWriter{base: b, cols: cols, get: getters(b.opt.Kind, cols), row: make([]string, len(cols))}
	w.csv = csv.NewWriter(b.ios.Out)
	w.csv.UseCRLF = true
	return w
}

func (w *csvWriter) header() error {
	if w.headed {
		return nil
	}
	w.headed = true
	for i, c := range w.cols {
		w.row[i] = c.Name
	}
	return w.csv.Write(w.row)
}

func (w *csvWriter) Write(rec any) error {
	if err := w.header(); err != nil {
		return err
	}
	v := addressable(rec)
	if !v.IsValid() {
		return nil
	}
	for i, g := range w.get {
		text := g.text(v)
		if val := g.get(v); !w.opt.CSVRaw && !isNumber(val) && val.Kind() != reflect.Int && val.Kind() != reflect.Int64 && val.Kind() != reflect.Float64 {
			text = guardFormula(text)
		}
		w.row[i] = safe(text)
	}
	return w.csv.Write(w.row)
}

// isNumber tells a number of a Document, which is kept by its digits.
func isNumber(v reflect.Value) bool {
	return v.IsValid() && v.Type() == reflect.TypeFor[json.Number]()
}

func (w *csvWriter) One(rec any) error {
	if err := w.Write(rec); err != nil {
		return err
	}
	return w.Close()
}

func (w *csvWriter) Flush() error {
	w.csv.Flush()
	if err := w.csv.Error(); err != nil {
		return err
	}
	return w.base.Flush()
}

// Close writes the header even when there is no row.
func (w *csvWriter) Close() error {
	if err := w.header(); err != nil {
		return err
	}
	return w.Flush()
}

func (w *csvWriter) Abort() {
	if w.headed {
		_ = w.Flush() // the failure is already reported
	}
}

// guardFormula keeps a spreadsheet from computing a cell: text that starts
// with = + - @ TAB or CR, or a full-width form of one, gets a leading '. Blanks
// in front do not hide one: some programs take them off first.
func guardFormula(s string) string {
	if r, _ := utf8.DecodeRuneInString(s); r == '\t' || r == '\r' {
		return "'" + s
	}
	r, _ := utf8.DecodeRuneInString(strings.TrimLeftFunc(s, unicode.IsSpace))
	switch r {
	case '=', '+', '-', '@', '＝', '＋', '－', '＠':
		return "'" + s
	}
	return s
}

// idWriter writes the ref of each record, one a line.
type idWriter struct{ base }

func (w *idWriter) Write(rec any) error {
	v := addressable(rec)
	if !v.IsValid() {
		return nil
	}
	id := ""
	if d, ok := rec.(*Document); ok {
		id = d.identity(w.opt.Kind)
	} else {
		id = identity(v)
	}
	b := append(w.buf[:0], Word(id)...)
	w.buf = append(b, '\n')
	return w.emit(w.buf)
}

func (w *idWriter) One(rec any) error {
	if err := w.Write(rec); err != nil {
		return err
	}
	return w.Flush()
}

func (w *idWriter) Close() error { return w.Flush() }

// identities are the fields that name a record, the best first.
var identities = []string{"ref", "id", "uid", "hash", "name"}

// identified tells whether records of a kind have something that names them.
func (k Kind) identified() bool {
	if k.spec == nil || k.spec.doc != nil {
		return true
	}
	return slices.ContainsFunc(identities, func(name string) bool { return fieldType(k.spec.typ, name) != nil })
}

// Word writes an id as one word of printable ASCII, for xargs and for lists
// that are read line by line: every other byte becomes %XX. FromWord reads it.
func Word(id string) string {
	var b strings.Builder
	for i := range len(id) {
		c := id[i]
		if c > ' ' && c < 0x7f && (c != '%' || !escapes(id[i:])) {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

// FromWord gives back the id of a word. What Word does not write stays as it is.
func FromWord(word string) string {
	if !strings.Contains(word, "%") {
		return word
	}
	var b []byte
	for i := 0; i < len(word); i++ {
		if escapes(word[i:]) {
			n, _ := strconv.ParseUint(word[i+1:i+3], 16, 8) // two hexadecimal digits
			b = append(b, byte(n))
			i += 2
		} else {
			b = append(b, word[i])
		}
	}
	return string(b)
}

// escapes tells whether s begins with the %XX of a byte that Word escapes.
func escapes(s string) bool {
	if len(s) < 3 || s[0] != '%' {
		return false
	}
	n, err := strconv.ParseUint(s[1:3], 16, 8)
	return err == nil && (n <= ' ' || n >= 0x7f || n == '%')
}

// identity is what names a record: its ref, or the nearest to one it has.
func identity(v reflect.Value) string {
	if v.CanAddr() {
		if o, ok := v.Addr().Interface().(interface{ GetOrigin() *model.Origin }); ok {
			if s := first(o.GetOrigin().Ref, o.GetOrigin().ID); s != "" {
				return s
			}
		}
	}
	for _, name := range identities {
		path, _ := fieldPath(v.Type(), name)
		if s := (getter{name: name, path: path}).text(v); s != "" {
			return s
		}
	}
	return ""
}
