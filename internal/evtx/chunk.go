package evtx

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"time"
)

// Decoder decodes chunks, one after the other. The zero value is ready.
type Decoder struct {
	data      []byte // the chunk
	names     map[uint32]string
	templates map[uint32]*template
	budget    int // operations that templates of this chunk may still compile to
	strings   map[string]string
	b         builder
}

// opBudget bounds what the templates of one chunk compile to: overlapping
// ones, which only a forger writes, could be 64 Ki times the chunk.
const opBudget = 1 << 18

// Chunk decodes one chunk that begins at base of its file and gives its
// records in order, and its damage.
func (d *Decoder) Chunk(data []byte, base int64) ([]Record, []*Error) {
	out := d.decode(piece{data: data, base: base})
	return out.records, out.damage
}

// One decodes the record at an offset of the file that lies in the chunk.
func (d *Decoder) One(data []byte, base, offset int64) (*Record, error) {
	pos := offset - base
	if pos < 0 || pos > int64(len(data)) {
		return nil, &Error{offset, "there is no record"}
	}
	d.reset(data)
	size, why := recordAt(data, int(pos))
	if why != "" {
		return nil, &Error{offset, why}
	}
	rec := &Record{}
	if err := d.record(rec, int(pos), size); err != nil {
		return nil, &Error{offset, err.Error()}
	}
	rec.Offset = offset
	return rec, nil
}

func (d *Decoder) reset(data []byte) {
	d.data, d.budget = data, opBudget
	if d.names == nil {
		d.names, d.templates, d.strings = map[uint32]string{}, map[uint32]*template{}, map[string]string{}
	}
	clear(d.names)
	clear(d.templates)
	if len(d.strings) > 8192 {
		clear(d.strings)
	}
}

func (d *Decoder) decode(p piece) (out decoded) {
	out.damage = p.damage
	note := func(pos int, why string) { out.damage = append(out.damage, &Error{p.base + int64(pos), why}) }
	if !bytes.HasPrefix(p.data, []byte(chunkMagic)) {
		if isZero(p.data) {
			return out
		}
		note(0, "no chunk begins here: only whole records are read")
		d.reset(p.data)
		d.walk(&out, p, 0, 0, true, false)
		return out
	}
	d.reset(p.data)
	if len(p.data) < firstRecord {
		note(len(p.data), "the file ends in the header of a chunk")
		return out
	}
	free, sound := d.header(note)
	d.walk(&out, p, firstRecord, free, !sound, p.dirty)
	if len(p.data) < chunkSize {
		note(len(p.data), "the chunk is cut off")
	}
	return out
}

// header checks the checksums of a chunk and gives where its records end.
func (d *Decoder) header(note func(int, string)) (free int, sound bool) {
	h, sound := d.data, true
	free = int(binary.LittleEndian.Uint32(h[48:]))
	sum := crc32.Update(crc32.ChecksumIEEE(h[:120]), crc32.IEEETable, h[128:512])
	if sum != binary.LittleEndian.Uint32(h[124:]) {
		note(0, "the checksum of the chunk's header does not match")
		sound = false
	}
	switch {
	case free < firstRecord || free > chunkSize:
		note(48, "the chunk's header says that its records end outside of it")
		free, sound = len(h), false
	case free > len(h):
		free, sound = len(h), false
	case !sumMatches(h):
		note(firstRecord, "the checksum of the chunk's records does not match")
		sound = false
	}
	return free, sound
}

// walk decodes records from pos to free. Beyond free lie records that the
// header does not count yet, when the file was not closed (open), or old
// ones, which are left alone. In a damaged chunk the next record is searched.
func (d *Decoder) walk(out *decoded, p piece, pos, free int, damaged, open bool) {
	data, last, lost := p.data, uint64(0), -1
	if free == 0 || damaged {
		free = max(free, lastRecordEnd(data))
	}
	note := func(pos int, why string) { out.damage = append(out.damage, &Error{p.base + int64(pos), why}) }
	for pos+recordHead < len(data) {
		size, why := recordAt(data, pos)
		if why != "" {
			if pos >= free {
				return
			}
			if lost < 0 {
				note(pos, why)
			}
			lost = pos
			next := bytes.Index(data[pos+1:], recordMagic)
			if next < 0 {
				return
			}
			pos += 1 + next
			continue
		}
		id := binary.LittleEndian.Uint64(data[pos+8:])
		if pos >= free && (!open || id != last+1) {
			return
		}
		last, lost = id, -1
		if n := len(out.records); n == cap(out.records) {
			grown := make([]Record, n, max(2*n, 64))
			copy(grown, out.records)
			out.records = grown
		}
		out.records = out.records[:len(out.records)+1]
		rec := &out.records[len(out.records)-1]
		*rec = Record{}
		if err := d.record(rec, pos, size); err != nil {
			out.records = out.records[:len(out.records)-1]
			note(pos, fmt.Sprintf("record %d: %s", id, err))
		} else {
			rec.Offset = p.base + int64(pos)
		}
		pos += size
	}
}

var recordMagic = []byte("**\x00\x00")

// recordHead is signature, size, number and time.
const recordHead = 24

// recordAt checks the frame of a record.
func recordAt(data []byte, pos int) (size int, why string) {
	if len(data)-pos < recordHead+4 || !bytes.HasPrefix(data[pos:], recordMagic) {
		return 0, "no record begins here"
	}
	n := binary.LittleEndian.Uint32(data[pos+4:])
	switch {
	case n < recordHead+4 || n > chunkSize:
		return 0, fmt.Sprintf("a record of %d bytes cannot be", n)
	case int(n) > len(data)-pos:
		return 0, "a record runs over the end of its chunk"
	case binary.LittleEndian.Uint32(data[pos+int(n)-4:]) != n:
		return 0, "the two sizes of a record differ"
	}
	return int(n), ""
}

// lastRecordEnd is where the last thing that looks like a record ends.
func lastRecordEnd(data []byte) int {
	for end := len(data); ; {
		pos := bytes.LastIndex(data[:end], recordMagic)
		if pos < 0 {
			return 0
		}
		if _, why := recordAt(data, pos); why != "no record begins here" {
			return pos + 1
		}
		end = pos
	}
}

var errEmpty = errors.New("it holds nothing")

// record decodes one record whose frame is sound.
func (d *Decoder) record(rec *Record, pos, size int) error {
	rec.ID = binary.LittleEndian.Uint64(d.data[pos+8:])
	rec.Written = fileTime(binary.LittleEndian.Uint64(d.data[pos+16:]))
	d.b.start(rec)
	if err := d.fragment(pos+recordHead, pos+size-4, 0); err != nil {
		return err
	}
	if d.b.empty() {
		return errEmpty
	}
	d.b.finish()
	if rec.Time.IsZero() {
		rec.Time = rec.Written
	}
	return nil
}

// fileTime is 100 ns since 1601.
func fileTime(n uint64) time.Time {
	const epoch = 116444736000000000
	if n == 0 || n > 1<<62 {
		return time.Time{}
	}
	n100 := int64(n) - epoch
	return time.Unix(n100/1e7, n100%1e7*100).UTC()
}

func isZero(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}

// intern gives the string of b, one for equal ones.
func (d *Decoder) intern(b []byte) string {
	if s, ok := d.strings[string(b)]; ok {
		return s
	}
	s := string(b)
	if len(s) < 256 {
		d.strings[s] = s
	}
	return s
}
