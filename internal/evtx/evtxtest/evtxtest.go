// Package evtxtest writes small event logs for tests: the form of Windows,
// with templates, shared names and XML in values, and right checksums.
package evtxtest

import (
	"encoding/binary"
	"hash/crc32"
	"strconv"
	"strings"
	"time"
	"unicode/utf16"

	"github.com/edrctl/edrctl/internal/winlog"
)

const chunkSize = 64 << 10

var le = binary.LittleEndian

// File writes records, numbered from 1, as one log of as many chunks as they
// need. Members called "" are written as Data without a name.
func File(records ...winlog.Record) []byte {
	var chunks [][]byte
	first := 1
	for first <= len(records) {
		c, n := chunk(records[first-1:], first)
		chunks = append(chunks, c)
		first += n
	}
	head := make([]byte, 4096)
	copy(head, "ElfFile\x00")
	le.PutUint64(head[16:], uint64(max(0, len(chunks)-1)))
	le.PutUint64(head[24:], uint64(len(records)+1))
	le.PutUint32(head[32:], 128)
	le.PutUint16(head[36:], 1)
	le.PutUint16(head[38:], 3)
	le.PutUint16(head[40:], 4096)
	le.PutUint16(head[42:], uint16(len(chunks)))
	le.PutUint32(head[124:], crc32.ChecksumIEEE(head[:120]))
	for _, c := range chunks {
		head = append(head, c...)
	}
	return head
}

// Seal puts the checksums of a chunk right after a test changed it.
func Seal(c []byte) {
	free := le.Uint32(c[48:])
	le.PutUint32(c[52:], crc32.ChecksumIEEE(c[512:min(int(free), len(c))]))
	le.PutUint32(c[124:], crc32.Update(crc32.ChecksumIEEE(c[:120]), crc32.IEEETable, c[128:512]))
}

// writer fills one chunk.
type writer struct {
	buf       []byte
	names     map[string]uint32
	templates map[string]uint32
}

func chunk(records []winlog.Record, first int) (data []byte, n int) {
	w := &writer{buf: make([]byte, 512, chunkSize), names: map[string]uint32{}, templates: map[string]uint32{}}
	last := 512
	for n < len(records) {
		at := len(w.buf)
		w.record(&records[n], uint64(first+n))
		if len(w.buf) > chunkSize && n > 0 {
			w.buf = w.buf[:at]
			break
		}
		last = at
		n++
	}
	free := len(w.buf)
	w.buf = append(w.buf, make([]byte, max(0, chunkSize-free))...)[:chunkSize]
	c := w.buf
	copy(c, "ElfChnk\x00")
	for i, v := range []int{first, first + n - 1, first, first + n - 1} {
		le.PutUint64(c[8+8*i:], uint64(v))
	}
	le.PutUint32(c[40:], 128)
	le.PutUint32(c[44:], uint32(last))
	le.PutUint32(c[48:], uint32(free))
	Seal(c)
	return c, n
}

func (w *writer) u8(v ...byte)   { w.buf = append(w.buf, v...) }
func (w *writer) u16(v int)      { w.buf = le.AppendUint16(w.buf, uint16(v)) }
func (w *writer) u32(v int)      { w.buf = le.AppendUint32(w.buf, uint32(v)) }
func (w *writer) u64(v uint64)   { w.buf = le.AppendUint64(w.buf, v) }
func (w *writer) text(s string)  { w.buf = append(w.buf, utf16le(s)...) }
func (w *writer) size(at, n int) { le.PutUint32(w.buf[at:], uint32(n)) }

func utf16le(s string) (b []byte) {
	for _, c := range utf16.Encode([]rune(s)) {
		b = le.AppendUint16(b, c)
	}
	return b
}

func fileTime(t time.Time) uint64 { return uint64(t.UnixNano()/100 + 116444736000000000) }

func (w *writer) record(r *winlog.Record, id uint64) {
	at := len(w.buf)
	w.buf = append(w.buf, "**\x00\x00\x00\x00\x00\x00"...)
	w.u64(id)
	w.u64(fileTime(r.Time))
	w.u8(0x0f, 1, 1, 0)
	w.instance("System", w.system, []subst{
		str(r.Provider), {0x06, le.AppendUint16(nil, uint16(r.EventID))}, {0x11, le.AppendUint64(nil, fileTime(r.Time))},
		{0x0a, le.AppendUint64(nil, id)}, {0x08, le.AppendUint32(nil, uint32(r.PID))}, str(r.Channel), str(r.Computer), sid(r.UserID), {0x21, nil},
	}, func() { w.eventData(r) })
	w.u8(0)
	for (len(w.buf)-at+4)%8 != 0 {
		w.u8(0)
	}
	n := len(w.buf) - at + 4
	w.size(at+4, n)
	w.u32(n)
}

type subst struct {
	typ   byte
	value []byte
}

func str(s string) subst { return subst{0x01, utf16le(s)} }

func sid(s string) subst {
	parts := strings.Split(s, "-")
	if len(parts) < 3 {
		return subst{0, nil}
	}
	b := []byte{1, byte(len(parts) - 3), 0, 0, 0, 0, 0, 0}
	b[7] = byte(num(parts[2]))
	for _, p := range parts[3:] {
		b = le.AppendUint32(b, uint32(num(p)))
	}
	return subst{0x13, b}
}

func num(s string) int { n, _ := strconv.Atoi(s); return n }

// instance writes a use of a template, with its definition where it is the
// first; last writes the last value when there is one.
func (w *writer) instance(key string, define func(), values []subst, last func()) {
	w.u8(0x0c, 1)
	w.u32(1)
	at, known := w.templates[key]
	if !known {
		at = uint32(len(w.buf) + 4)
		w.templates[key] = at
	}
	w.u32(int(at))
	if !known {
		w.buf = append(w.buf, make([]byte, 20)...)
		size := len(w.buf)
		w.u32(0)
		w.u8(0x0f, 1, 1, 0)
		define()
		w.u8(0)
		w.size(size, len(w.buf)-size-4)
	}
	w.u32(len(values))
	lastAt := 0
	for _, v := range values {
		lastAt = len(w.buf)
		w.u16(len(v.value))
		w.u8(v.typ, 0)
	}
	for _, v := range values {
		w.buf = append(w.buf, v.value...)
	}
	if last != nil {
		from := len(w.buf)
		last()
		le.PutUint16(w.buf[lastAt:], uint16(len(w.buf)-from))
	}
}

func (w *writer) name(s string) {
	if at, ok := w.names[s]; ok {
		w.u32(int(at))
		return
	}
	at := len(w.buf) + 4
	w.names[s] = uint32(at)
	w.u32(at)
	w.u32(0)
	h := uint32(0)
	for _, c := range utf16.Encode([]rune(s)) {
		h = h*65599 + uint32(c)
	}
	w.u16(int(uint16(h)))
	w.u16(len(utf16.Encode([]rune(s))))
	w.text(s)
	w.u16(0)
}

// element writes an element with at most one attribute and its content.
func (w *writer) element(name, attr string, value, content func()) {
	token := byte(0x01)
	if attr != "" {
		token = 0x41
	}
	w.u8(token)
	w.u16(0xffff)
	size := len(w.buf)
	w.u32(0)
	w.name(name)
	if attr != "" {
		list := len(w.buf)
		w.u32(0)
		w.u8(0x06)
		w.name(attr)
		value()
		w.size(list, len(w.buf)-list-4)
	}
	if content == nil {
		w.u8(0x03)
	} else {
		w.u8(0x02)
		content()
		w.u8(0x04)
	}
	w.size(size, len(w.buf)-size-4)
}

func (w *writer) literal(s string) func() {
	return func() {
		w.u8(0x05, 0x01)
		w.u16(len(utf16.Encode([]rune(s))))
		w.text(s)
	}
}

func (w *writer) sub(token byte, i int, typ byte) func() {
	return func() {
		w.u8(token)
		w.u16(i)
		w.u8(typ)
	}
}

// system is the template of everything but the data, which is value 8.
func (w *writer) system() {
	w.element("Event", "xmlns", w.literal("http://schemas.microsoft.com/win/2004/08/events/event"), func() {
		w.element("System", "", nil, func() {
			w.element("Provider", "Name", w.sub(0x0d, 0, 0x01), nil)
			w.element("EventID", "", nil, w.sub(0x0e, 1, 0x06))
			w.element("TimeCreated", "SystemTime", w.sub(0x0d, 2, 0x11), nil)
			w.element("EventRecordID", "", nil, w.sub(0x0e, 3, 0x0a))
			w.element("Execution", "ProcessID", w.sub(0x0e, 4, 0x08), nil)
			w.element("Channel", "", nil, w.sub(0x0d, 5, 0x01))
			w.element("Computer", "", nil, w.sub(0x0d, 6, 0x01))
			w.element("Security", "UserID", w.sub(0x0e, 7, 0x13), nil)
		})
		w.sub(0x0e, 8, 0x21)()
	})
}

// eventData writes XML as a value: a template of its own for each list of names.
func (w *writer) eventData(r *winlog.Record) {
	if len(r.Data) == 0 {
		return
	}
	key, values := "data", make([]subst, 0, len(r.Data))
	for _, f := range r.Data {
		key += "\x00" + f.Name
		values = append(values, str(f.Value))
	}
	w.u8(0x0f, 1, 1, 0)
	w.instance(key, func() {
		w.element("EventData", "", nil, func() {
			for i, f := range r.Data {
				if f.Name == "" {
					w.element("Data", "", nil, w.sub(0x0d, i, 0x01))
				} else {
					w.element("Data", "Name", w.literal(f.Name), w.sub(0x0d, i, 0x01))
				}
			}
		})
	}, values, nil)
	w.u8(0)
}
