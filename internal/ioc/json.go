package ioc

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// maxDepth is how deep a source may nest.
const maxDepth = 128

// jsonReader walks a JSON text token by token, so that one of any size takes
// little memory. Each object is handed on when it ends, as the record of its
// own plain members.
type jsonReader struct {
	*reader
	dec   *json.Decoder
	stix  bool
	misp  bool
	toIDs int // attributes left out for to_ids
	used  int // records that gave something
}

// scope is where in the tree an object is.
type scope struct {
	depth     int
	key       string
	attribute bool // of MISP
	group     *groupBox
}

// record is the plain members of one object.
type record struct {
	keys, values []string
	children     bool // it holds other objects
}

func (rec *record) get(key string) string {
	for i, k := range rec.keys {
		if k == key {
			return rec.values[i]
		}
	}
	return ""
}

// groupBox gives its indicators one group as soon as there are two.
type groupBox struct {
	first int // 1 + index of the first
	n     int32
}

const mostFields = 4096

// readJSON reads STIX, MISP, the JSON of feeds, and lists of strings or objects;
// several texts may follow each other.
func (r *reader) readJSON(br *bufio.Reader, head string) error {
	j := &jsonReader{reader: r, dec: json.NewDecoder(&commaFixer{src: br})}
	j.dec.UseNumber()
	squeezed := strings.NewReplacer(" ", "", "\n", "", "\t", "").Replace(head)
	j.stix = strings.Contains(squeezed, `"type":"bundle"`) || strings.Contains(squeezed, `"spec_version"`) || strings.Contains(squeezed, `"type":"indicator"`)
	j.misp = !j.stix && (strings.Contains(squeezed, `"Attribute":`) || strings.Contains(squeezed, `"Event":{`) || strings.Contains(squeezed, `"to_ids":`))
	switch {
	case j.stix:
		r.rep.Format = "stix"
	case j.misp:
		r.rep.Format, r.rep.Unit = "misp", "attributes"
	case strings.Contains(squeezed, `"Orgc":{`) && !strings.Contains(squeezed, `"Attribute"`):
		return errors.New("is the manifest of a MISP feed, which only names its events: give the folder, or the events' files")
	}
	for {
		err := j.value(scope{})
		if errors.Is(err, io.EOF) {
			break
		}
		if errors.Is(err, io.ErrUnexpectedEOF) {
			return errors.New("the JSON ends too early")
		}
		if err != nil {
			return fmt.Errorf("broken JSON: %w", plainJSONError(err))
		}
	}
	if j.used == 0 && j.toIDs > 0 && j.toIDs == r.rep.Unread {
		return fmt.Errorf("all %d attributes have to_ids false, which means that they are not for detection; --all-attributes hunts them", j.toIDs)
	}
	return nil
}

// plainJSONError drops Go's own words.
func plainJSONError(err error) error {
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		return fmt.Errorf("%s at byte %d", strings.TrimPrefix(syntax.Error(), "json: "), syntax.Offset)
	}
	return err
}

func (j *jsonReader) value(s scope) error {
	tok, err := j.dec.Token()
	if err != nil {
		return err
	}
	return j.token(tok, s)
}

// token reads the value that begins with tok.
func (j *jsonReader) token(tok json.Token, s scope) error {
	if s.depth > maxDepth {
		return errors.New("nested too deep")
	}
	s.depth++
	var err error
	switch tok {
	case json.Delim('{'):
		err = j.object(s)
	case json.Delim('['):
		for j.dec.More() {
			if err = j.value(s); err != nil {
				return early(err)
			}
		}
		_, err = j.dec.Token()
	default:
		if text, ok := tok.(string); ok {
			j.element(text, s)
		}
		return nil
	}
	return early(err)
}

// early is the end of the text inside of a value.
func early(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

func (j *jsonReader) object(s scope) error {
	var rec record
	inner := scope{depth: s.depth, attribute: s.attribute, group: s.group}
	switch s.key {
	case "Attribute", "ShadowAttribute":
		inner.attribute = true
	case "Object", "hashes":
		inner.group = &groupBox{}
	case "Tag", "Galaxy", "Org", "Orgc", "EventReport", "RelatedEvent":
		inner.attribute = false
	}
	size := 0
	for j.dec.More() {
		key, err := j.dec.Token()
		if err != nil {
			return err
		}
		k, _ := key.(string)
		tok, err := j.dec.Token()
		if err != nil {
			return err
		}
		if _, nested := tok.(json.Delim); nested {
			rec.children = true
			sub := inner
			sub.key = k
			if s.attribute || inner.attribute { // what an attribute holds is about it
				sub.attribute = k == "Attribute" || k == "ShadowAttribute"
			}
			if err := j.token(tok, sub); err != nil {
				return err
			}
			continue
		}
		text := scalarText(tok)
		if size += len(text) + len(k); len(rec.keys) < mostFields && len(text) <= maxValue && text != "" {
			rec.keys, rec.values = append(rec.keys, k), append(rec.values, text)
		}
	}
	if _, err := j.dec.Token(); err != nil {
		return err
	}
	j.record(&rec, s, inner)
	return nil
}

func scalarText(tok json.Token) string {
	switch v := tok.(type) {
	case string:
		return v
	case json.Number:
		return v.String()
	case bool:
		if v {
			return "true"
		}
		return "false"
	}
	return ""
}

// record reads an object that has ended.
func (j *jsonReader) record(rec *record, s, inner scope) {
	switch {
	case rec.get("type") == "indicator" && rec.get("pattern") != "" || rec.get("type") == "indicator" && j.stix:
		j.stixIndicator(rec)
	case j.stix:
		j.observable(rec, s)
	case j.misp:
		if inner.attribute && rec.get("type") != "" && rec.get("value") != "" {
			j.attribute(rec, inner)
		}
	default:
		j.generic(rec)
	}
}

// element reads a string of an array; the array's name may tell its type.
func (j *jsonReader) element(text string, s scope) {
	if j.stix || j.misp {
		return
	}
	w := foldWord(s.key)
	if skipWords()[w] {
		return
	}
	want := typeWords()[w]
	if text = strings.TrimSpace(text); text == "" {
		return
	}
	at := place{}
	if j.cellValue(text, want, at) {
		j.used++
		j.count(gaveIndicator, at, "", "")
		return
	}
	o, why := j.scanned(text, scanField, at)
	if o == gaveIndicator {
		j.used++
	}
	j.count(o, at, text, why)
}

// generic reads an object of a feed: a value with its type, and members whose
// names are types.
func (j *jsonReader) generic(rec *record) {
	at := place{object: objectID(rec)}
	all := j.found[:0]
	kind, val, taken := "", "", ""
	for i, k := range rec.keys {
		w := foldWord(k)
		switch {
		case kind == "" && kindWords()[w] && !valueOnly(rec.values[i]):
			kind = rec.values[i]
		case val == "" && valueWords()[w] || w == "iocvalue":
			val, taken = rec.values[i], k
		}
	}
	if val != "" {
		fs, known := j.typedCell(kind, val, at)
		if !known {
			fs = j.cell(val, None, scanField, nil)
		}
		all = append(all, fs...)
	}
	for i, k := range rec.keys {
		w := foldWord(k)
		if k == taken || skipWords()[w] {
			continue
		}
		if t, ok := typeWords()[w]; ok && k != "type" {
			all = j.cell(rec.values[i], t, scanNotes, all)
		}
	}
	if len(all) == 0 && val == "" {
		for i, k := range rec.keys {
			if !skipWords()[foldWord(k)] {
				all = j.cell(rec.values[i], None, scanNotes, all)
			}
		}
	}
	j.found = all
	o, why := j.addFound(all, at, val)
	if o == gaveNothing && (rec.children || len(rec.keys) == 0) {
		o = isMarkup // what only holds other objects
	}
	if o == gaveIndicator {
		j.used++
	}
	j.count(o, at, strings.Join(rec.values[:min(len(rec.values), 4)], " "), why)
}

// valueOnly tells a value from a type where a column may hold both.
func valueOnly(s string) bool { _, err := classify(s); return err == nil }

func objectID(rec *record) string {
	for _, k := range [...]string{"id", "uuid", "ioc_id"} {
		if v := rec.get(k); v != "" && len(v) < 100 {
			return v
		}
	}
	return ""
}

// join gives an indicator the group of its object, once there are two.
func (b *groupBox) join(l *List, from int) {
	for i := from; i < l.Len(); i++ {
		rec := l.records.at(i)
		if !(rec.typ.IsHash() || rec.typ == FileName) || rec.group != 0 {
			continue
		}
		switch {
		case b.n != 0:
			rec.group = b.n
		case b.first == 0:
			b.first = i + 1
		default:
			b.n = l.newGroup()
			l.records.at(b.first - 1).group = b.n
			rec.group = b.n
		}
	}
}
