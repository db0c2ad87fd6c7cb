package evtx

import (
	"encoding/binary"
	"strconv"
	"strings"
	"time"

	"github.com/edrctl/edrctl/internal/winlog"
)

// key is a name that the builder knows.
type key uint8

const (
	keyNone key = iota
	keySystem
	keyEventData
	keyRendering
	keyData
	keyName
	keyXMLNS
	keyProvider
	keyEventID
	keyVersion
	keyLevel
	keyOpcode
	keyTask
	keyKeywords
	keyTimeCreated
	keySystemTime
	keyRecordID
	keyExecution
	keyProcessID
	keyChannel
	keyComputer
	keySecurity
	keyUserID
	keyMessage
)

func keyOf(name string) key {
	switch name {
	case "System":
		return keySystem
	case "EventData":
		return keyEventData
	case "RenderingInfo":
		return keyRendering
	case "Data":
		return keyData
	case "Name":
		return keyName
	case "xmlns":
		return keyXMLNS
	case "Provider":
		return keyProvider
	case "EventID":
		return keyEventID
	case "Version":
		return keyVersion
	case "Level":
		return keyLevel
	case "Opcode":
		return keyOpcode
	case "Task":
		return keyTask
	case "Keywords":
		return keyKeywords
	case "TimeCreated":
		return keyTimeCreated
	case "SystemTime":
		return keySystemTime
	case "EventRecordID":
		return keyRecordID
	case "Execution":
		return keyExecution
	case "ProcessID":
		return keyProcessID
	case "Channel":
		return keyChannel
	case "Computer":
		return keyComputer
	case "Security":
		return keySecurity
	case "UserID":
		return keyUserID
	case "Message":
		return keyMessage
	}
	return keyNone
}

// maxText bounds the text of one record: 64 KiB of a chunk give less.
const maxText = 1 << 20

// maxSteps bounds the work of one record.
const maxSteps = 1 << 16

// builder makes a record of the steps of its templates. All text of a record
// is gathered in one buffer and becomes one string.
type builder struct {
	rec    *Record
	buf    []byte
	fields []field
	values []value
	stack  [maxDepth + 2]element
	depth  int
	steps  int
	params int // Data without a name
	attr   element
	attrAt int  // where the attribute's value begins in buf
	inAttr bool // between opAttr and opAttrEnd
	isNull bool // the attribute's or element's only value was null and optional
}

type element struct {
	name     string
	key      key
	from     int    // where its text begins in buf
	label    string // of Data: its Name
	children bool
	null     bool
}

type field struct {
	name     string
	from, to int
}

// value is one value of a template instance.
type value struct {
	typ      uint8
	from, to int
}

func (b *builder) start(rec *Record) {
	b.rec, b.depth, b.steps, b.params, b.inAttr = rec, 0, 0, 0, false
	b.buf, b.fields, b.values = b.buf[:0], b.fields[:0], b.values[:0]
}

func (b *builder) empty() bool {
	return b.rec.EventID == 0 && len(b.fields) == 0 && b.rec.Provider == ""
}

// finish turns what was gathered into the record's fields.
func (b *builder) finish() {
	if len(b.fields) == 0 {
		return
	}
	all := string(b.buf)
	data := make([]winlog.Field, len(b.fields))
	for i, f := range b.fields {
		data[i] = winlog.Field{Name: f.name, Value: all[f.from:f.to]}
	}
	b.rec.Data = data
}

// fragment runs the binary XML between two offsets of the chunk.
func (d *Decoder) fragment(pos, end, depth int) error {
	if depth > maxDepth {
		return errDepth
	}
	if end-pos >= 4 && d.data[pos]&^moreFlag == tokHeader {
		pos += 4
	}
	if pos < end && d.data[pos]&^moreFlag == tokTemplate {
		return d.instance(pos+1, end, depth)
	}
	c := compiler{Decoder: d, pos: pos, end: end, isValue: depth > 0}
	if err := c.compile(); err != nil {
		return err
	}
	return d.run(c.ops, nil, end, depth)
}

// instance runs a template with its values.
func (d *Decoder) instance(pos, end, depth int) error {
	in, err := d.instanceAt(pos, end)
	if err != nil {
		return err
	}
	t := d.templateAt(in.def)
	if t.err != nil {
		return t.err
	}
	b := &d.b
	first := len(b.values)
	if first+in.count > maxSteps {
		return errTooLong
	}
	at := in.values + 4*in.count
	for i := range in.count {
		desc := d.data[in.values+4*i:]
		n := int(binary.LittleEndian.Uint16(desc))
		b.values = append(b.values, value{typ: desc[2], from: at, to: at + n})
		at += n
	}
	err = d.run(t.ops, b.values[first:], end, depth)
	b.values = b.values[:first]
	return err
}

// run feeds the steps of a template to the builder.
func (d *Decoder) run(ops []op, values []value, end, depth int) error {
	b := &d.b
	base := b.depth
	for i := 0; i < len(ops); i++ {
		if b.steps++; b.steps > maxSteps || len(b.buf) > maxText {
			return errTooLong
		}
		o := &ops[i]
		switch o.code {
		case opOpen:
			if b.depth > maxDepth {
				return errDepth
			}
			b.open(o)
		case opClose:
			if b.depth > base {
				b.close(d)
			}
		case opAttrIs:
			i++
			b.literalAttr(o, ops[i].text, d)
		case opAttr:
			b.attr, b.attrAt, b.inAttr, b.isNull = element{name: o.text, key: o.key}, len(b.buf), true, false
		case opAttrEnd:
			b.endAttr(d)
		case opText:
			b.buf = append(b.buf, o.text...)
		case opTemplate:
			if err := d.instance(int(o.pos), end, depth+1); err != nil {
				return err
			}
		case opValue:
			if err := d.value(o, values, depth); err != nil {
				return err
			}
		}
	}
	b.inAttr = false
	b.depth = base
	return nil
}

// value puts one substitution in its place.
func (d *Decoder) value(o *op, values []value, depth int) error {
	b := &d.b
	if int(o.index) >= len(values) {
		b.setNull(o.optional)
		return nil
	}
	v := values[o.index]
	raw := d.data[v.from:v.to]
	switch {
	case v.typ == typeNull || len(raw) == 0 && v.typ != typeString:
		b.setNull(o.optional)
	case v.typ == typeXML:
		return d.fragment(v.from, v.to, depth+1)
	case v.typ == typeFileTime && b.inAttr && b.attr.key == keySystemTime && len(raw) == 8 && b.in(keySystem):
		b.rec.Time = fileTime(binary.LittleEndian.Uint64(raw))
	case v.typ&typeArray != 0:
		return b.array(v.typ&^typeArray, raw)
	default:
		b.buf = appendValue(b.buf, v.typ, raw)
	}
	return nil
}

func (b *builder) setNull(optional bool) {
	b.isNull = optional
	if !b.inAttr {
		b.stack[b.depth].null = optional
	}
}

// array gives an element for each item, as Windows does.
func (b *builder) array(typ uint8, raw []byte) error {
	for n := 0; len(raw) > 0; n++ {
		if b.steps++; b.steps > maxSteps || len(b.buf) > maxText {
			return errTooLong
		}
		item, rest := firstItem(typ, raw)
		if n > 0 {
			if b.inAttr || b.depth < 3 || b.in(keySystem) {
				b.buf = append(b.buf, ',')
			} else {
				b.emit(&b.stack[b.depth])
			}
		}
		b.buf = appendValue(b.buf, typ, item)
		raw = rest
	}
	return nil
}

// in reports whether the second element, below Event, is the one.
func (b *builder) in(k key) bool { return b.depth >= 2 && b.stack[2].key == k }

func (b *builder) open(o *op) {
	parent := &b.stack[b.depth]
	if b.depth > 2 && !parent.children && len(b.buf) > parent.from && !b.in(keySystem) {
		b.emit(parent) // text before a child
	}
	parent.children = true
	b.depth++
	b.stack[b.depth] = element{name: o.text, key: o.key, from: len(b.buf)}
}

func (b *builder) close(d *Decoder) {
	e := &b.stack[b.depth]
	switch {
	case b.depth < 3 || e.children:
		if b.depth == 2 && !e.children && len(b.buf) > e.from && !b.in(keySystem) {
			b.emit(e)
		}
	case b.in(keySystem):
		b.system(e, b.buf[e.from:], d)
		b.buf = b.buf[:e.from]
	case b.in(keyRendering):
		b.rendered(e, b.buf[e.from:])
		b.buf = b.buf[:e.from]
	case e.null && len(b.buf) == e.from && e.key != keyData:
	default:
		b.emit(e)
	}
	b.depth--
}

// emit makes a field of the element's text.
func (b *builder) emit(e *element) {
	name := e.name
	switch {
	case e.label != "":
		name = e.label
	case e.key == keyData:
		b.params++
		name = param(b.params)
	}
	b.fields = append(b.fields, field{name: name, from: e.from, to: len(b.buf)})
	e.from = len(b.buf)
}

// param is the name of the n-th Data without one.
func param(n int) string {
	if n < len(params) {
		return params[n]
	}
	return "param" + strconv.Itoa(n)
}

var params = [...]string{"param0", "param1", "param2", "param3", "param4", "param5", "param6", "param7", "param8", "param9", "param10", "param11", "param12"}

func (b *builder) literalAttr(o *op, text string, d *Decoder) {
	e := &b.stack[b.depth]
	switch {
	case o.key == keyXMLNS || strings.HasPrefix(o.text, "xmlns:"):
	case b.in(keySystem):
		b.attr, b.attrAt = element{name: o.text, key: o.key}, len(b.buf)
		b.buf = append(b.buf, text...)
		b.inAttr = true
		b.endAttr(d)
	case b.depth >= 3 && o.key == keyName:
		e.label = text
	case b.depth >= 3 && !b.in(keyEventData) && !b.in(keyRendering):
		from := len(b.buf)
		b.buf = append(b.buf, text...)
		b.fields = append(b.fields, field{name: o.text, from: from, to: len(b.buf)})
		e.from = len(b.buf)
	}
}

// endAttr takes the value of an attribute that is not a literal.
func (b *builder) endAttr(d *Decoder) {
	if !b.inAttr {
		return
	}
	b.inAttr = false
	e, text := &b.stack[b.depth], b.buf[b.attrAt:]
	switch {
	case b.in(keySystem):
		b.systemAttr(e, text, d)
		b.buf = b.buf[:b.attrAt]
	case b.isNull || b.attr.key == keyXMLNS || b.depth < 3:
		b.buf = b.buf[:b.attrAt]
	case b.attr.key == keyName:
		e.label = d.intern(text)
		b.buf = b.buf[:b.attrAt]
	case b.in(keyEventData) || b.in(keyRendering):
		b.buf = b.buf[:b.attrAt]
	default:
		b.fields = append(b.fields, field{name: b.attr.name, from: b.attrAt, to: len(b.buf)})
		e.from = len(b.buf)
	}
}

func (b *builder) systemAttr(e *element, text []byte, d *Decoder) {
	r := b.rec
	switch {
	case e.key == keyProvider && b.attr.key == keyName:
		r.Provider = d.intern(text)
	case e.key == keyTimeCreated && b.attr.key == keySystemTime && len(text) > 0:
		if t, err := time.Parse(time.RFC3339Nano, string(text)); err == nil {
			r.Time = t.UTC()
		}
	case e.key == keyExecution && b.attr.key == keyProcessID:
		r.PID = int64(decimal(text))
	case e.key == keySecurity && b.attr.key == keyUserID:
		r.UserID = d.intern(text)
	}
}

func (b *builder) system(e *element, text []byte, d *Decoder) {
	r := b.rec
	switch e.key {
	case keyEventID:
		r.EventID = int(decimal(text))
	case keyVersion:
		r.Version = int(decimal(text))
	case keyLevel:
		r.Level = int(decimal(text))
	case keyOpcode:
		r.Opcode = int(decimal(text))
	case keyKeywords:
		r.Keywords = d.intern(text)
	case keyRecordID:
		if id := decimal(text); id != 0 {
			r.ID = id
		}
	case keyChannel:
		r.Channel = d.intern(text)
	case keyComputer:
		r.Computer = d.intern(text)
	}
}

// rendered is what the collector of a forwarded record added in words.
func (b *builder) rendered(e *element, text []byte) {
	switch e.key {
	case keyMessage:
		b.rec.Message = string(text)
	case keyTask:
		b.rec.Task = string(text)
	}
}

// decimal reads a number as far as it goes.
func decimal(b []byte) uint64 {
	n := uint64(0)
	for _, c := range b {
		if c < '0' || c > '9' || n > 1<<59 {
			break
		}
		n = n*10 + uint64(c-'0')
	}
	return n
}
