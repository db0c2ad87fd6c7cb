package evtx

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// The tokens of binary XML; bit 0x40 says that more follows.
const (
	tokEnd        = 0x00
	tokOpen       = 0x01
	tokCloseStart = 0x02
	tokCloseEmpty = 0x03
	tokClose      = 0x04
	tokValue      = 0x05
	tokAttribute  = 0x06
	tokCDATA      = 0x07
	tokCharRef    = 0x08
	tokEntity     = 0x09
	tokPITarget   = 0x0a
	tokPIData     = 0x0b
	tokTemplate   = 0x0c
	tokValueOf    = 0x0d // a substitution
	tokOptional   = 0x0e // one that leaves its element out when it is null
	tokHeader     = 0x0f
	moreFlag      = 0x40
)

// op is one step of a template: binary XML with its names and texts read.
type op struct {
	code     uint8
	key      key    // of a name that means something to the builder
	optional bool   // opValue
	index    uint16 // opValue
	pos      int32  // opTemplate: where the instance lies
	text     string // name or literal
}

const (
	opOpen = iota
	opClose
	opAttr    // an attribute begins
	opAttrEnd // and ends
	opAttrIs  // an attribute whose value is the literal of the next op
	opText
	opValue
	opTemplate
)

// template is compiled binary XML; err when it is damaged.
type template struct {
	ops []op
	err error
}

var (
	errShort   = errors.New("its XML ends too early")
	errDepth   = errors.New("its XML is nested too deep")
	errBudget  = errors.New("the templates of its chunk are too many")
	errTooLong = errors.New("it is far longer than a record can be")
	errName    = errors.New("a name of its XML is not where it should be")
)

// maxDepth bounds elements in each other and XML in values of XML.
const maxDepth = 40

// compiler reads the tokens from pos to end of the chunk.
type compiler struct {
	*Decoder
	pos, end int
	ops      []op
	inAttr   bool
	depth    int
	isValue  bool // XML in a value: elements have no dependency id
}

func (c *compiler) need(n int) bool { return c.end-c.pos >= n }

func (c *compiler) emit(o op) { c.ops = append(c.ops, o) }

// compile reads until its end or the end-of-fragment token.
func (c *compiler) compile() error {
	for c.pos < c.end {
		if c.budget--; c.budget < 0 {
			return errBudget
		}
		tok := c.data[c.pos]
		c.pos++
		if tok&^moreFlag == tokEnd {
			break
		}
		if err := c.token(tok&^moreFlag, tok&moreFlag != 0); err != nil {
			return err
		}
	}
	if c.depth != 0 {
		return errShort
	}
	return nil
}

func (c *compiler) token(tok byte, more bool) error {
	switch tok {
	case tokHeader:
		return c.skip(3)
	case tokOpen:
		return c.open(more)
	case tokCloseStart:
		c.endAttr()
	case tokCloseEmpty, tokClose:
		c.endAttr()
		if c.depth--; c.depth < 0 {
			return errors.New("its XML closes more than it opens")
		}
		c.emit(op{code: opClose})
	case tokAttribute:
		c.endAttr()
		name, err := c.name()
		if err != nil {
			return err
		}
		c.inAttr = true
		c.emit(op{code: opAttr, text: name, key: keyOf(name)})
	case tokValue:
		if !c.need(1) {
			return errShort
		}
		typ := c.data[c.pos]
		c.pos++
		if typ != typeString {
			return fmt.Errorf("a literal of type 0x%02x is not understood", typ)
		}
		return c.literal()
	case tokCDATA:
		return c.literal()
	case tokCharRef:
		if !c.need(2) {
			return errShort
		}
		c.emit(op{code: opText, text: string(rune(binary.LittleEndian.Uint16(c.data[c.pos:])))})
		return c.skip(2)
	case tokEntity:
		name, err := c.name()
		if err != nil {
			return err
		}
		c.emit(op{code: opText, text: entity(name)})
	case tokPITarget:
		_, err := c.name()
		return err
	case tokPIData:
		if !c.need(2) {
			return errShort
		}
		return c.skip(2 + 2*int(binary.LittleEndian.Uint16(c.data[c.pos:])))
	case tokTemplate:
		c.emit(op{code: opTemplate, pos: int32(c.pos)})
		return c.skipTemplate()
	case tokValueOf, tokOptional:
		if !c.need(3) {
			return errShort
		}
		c.emit(op{code: opValue, index: binary.LittleEndian.Uint16(c.data[c.pos:]), optional: tok == tokOptional})
		return c.skip(3)
	default:
		return fmt.Errorf("its XML has an unknown token 0x%02x", tok)
	}
	return nil
}

func (c *compiler) skip(n int) error {
	if !c.need(n) {
		return errShort
	}
	c.pos += n
	return nil
}

// endAttr ends an attribute; one of a single literal becomes one step.
func (c *compiler) endAttr() {
	if !c.inAttr {
		return
	}
	c.inAttr = false
	if n := len(c.ops); n >= 2 && c.ops[n-1].code == opText && c.ops[n-2].code == opAttr {
		c.ops[n-2].code = opAttrIs
		return
	}
	c.emit(op{code: opAttrEnd})
}

// open reads the start of an element. Elements of a template have a
// dependency id in front, those of XML in a value mostly not: the size that
// follows and the name's hash tell.
func (c *compiler) open(more bool) error {
	c.endAttr()
	if c.depth++; c.depth > maxDepth {
		return errDepth
	}
	start := c.pos
	skips := [2]int{2, 0}
	if c.isValue {
		skips = [2]int{0, 2}
	}
	var name string
	err := errShort
	for _, skip := range skips {
		c.pos = start + skip
		if !c.need(8) || int64(binary.LittleEndian.Uint32(c.data[c.pos:])) > int64(c.end-c.pos-4) {
			continue
		}
		c.pos += 4
		if name, err = c.name(); err == nil {
			break
		}
	}
	if err != nil {
		return err
	}
	c.emit(op{code: opOpen, text: name, key: keyOf(name)})
	if more {
		return c.skip(4) // the size of the attributes
	}
	return nil
}

func (c *compiler) literal() error {
	if !c.need(2) {
		return errShort
	}
	n := 2 * int(binary.LittleEndian.Uint16(c.data[c.pos:]))
	c.pos += 2
	if !c.need(n) {
		return errShort
	}
	var small [128]byte
	c.emit(op{code: opText, text: c.intern(appendUTF16(small[:0], c.data[c.pos:c.pos+n]))})
	c.pos += n
	return nil
}

// name reads the reference to a name, which may lie right behind it.
func (c *compiler) name() (string, error) {
	if !c.need(4) {
		return "", errShort
	}
	at := binary.LittleEndian.Uint32(c.data[c.pos:])
	c.pos += 4
	name, size, err := c.nameAt(at)
	if err == nil && int(at) == c.pos {
		err = c.skip(size)
	}
	return name, err
}

// nameAt reads a name: the next one with its hash, its own hash, its length,
// UTF-16, zero.
func (d *Decoder) nameAt(at uint32) (name string, size int, err error) {
	if int64(at)+10 > int64(len(d.data)) {
		return "", 0, errName
	}
	b := d.data[at:]
	n := int(binary.LittleEndian.Uint16(b[6:]))
	size = 8 + 2*n + 2
	if name, ok := d.names[at]; ok {
		return name, size, nil
	}
	if size > len(b) || nameHash(b[8:8+2*n]) != binary.LittleEndian.Uint16(b[4:]) {
		return "", 0, errName
	}
	var small [128]byte
	name = d.intern(appendUTF16(small[:0], b[8:8+2*n]))
	d.names[at] = name
	return name, size, nil
}

func nameHash(utf16 []byte) uint16 {
	h := uint32(0)
	for i := 0; i+1 < len(utf16); i += 2 {
		h = h*65599 + uint32(binary.LittleEndian.Uint16(utf16[i:]))
	}
	return uint16(h)
}

func entity(name string) string {
	switch name {
	case "amp":
		return "&"
	case "lt":
		return "<"
	case "gt":
		return ">"
	case "quot":
		return `"`
	case "apos":
		return "'"
	}
	return "&" + name + ";"
}

// instance is a use of a template: where its definition is and its values.
type instance struct {
	def         uint32
	values, end int // the descriptors, the end of all
	count       int
}

// instanceAt reads a template instance behind its token.
func (d *Decoder) instanceAt(pos, end int) (in instance, err error) {
	if end-pos < 13 {
		return in, errShort
	}
	in.def = binary.LittleEndian.Uint32(d.data[pos+5:])
	pos += 9
	if int64(in.def) == int64(pos) { // the definition lies here
		if end-pos < 24 {
			return in, errShort
		}
		size := binary.LittleEndian.Uint32(d.data[pos+20:])
		if int64(size) > int64(end-pos-24-4) {
			return in, errShort
		}
		pos += 24 + int(size)
	}
	n := binary.LittleEndian.Uint32(d.data[pos:])
	pos += 4
	if int64(n) > int64(end-pos)/4 {
		return in, errShort
	}
	in.values, in.count = pos, int(n)
	in.end = pos + 4*in.count
	for i := range in.count {
		in.end += int(binary.LittleEndian.Uint16(d.data[pos+4*i:]))
	}
	if in.end > end {
		return in, errShort
	}
	return in, nil
}

func (c *compiler) skipTemplate() error {
	in, err := c.instanceAt(c.pos, c.end)
	c.pos = in.end
	return err
}

// templateAt compiles the definition at an offset of the chunk, once.
func (d *Decoder) templateAt(at uint32) *template {
	if t, ok := d.templates[at]; ok {
		return t
	}
	t := &template{}
	d.templates[at] = t
	if int64(at)+24 > int64(len(d.data)) {
		t.err = errors.New("its template is not in the chunk")
		return t
	}
	pos := int(at) + 24
	size := binary.LittleEndian.Uint32(d.data[at+20:])
	if int64(size) > int64(len(d.data)-pos) {
		t.err = errors.New("its template runs over the end of the chunk")
		return t
	}
	c := compiler{Decoder: d, pos: pos, end: pos + int(size), ops: make([]op, 0, 64)}
	if err := c.compile(); err != nil {
		t.err = fmt.Errorf("its template is damaged: %w", err)
		return t
	}
	t.ops = c.ops
	return t
}
