package spill

import (
	"bytes"
	"cmp"
	"container/heap"
	"encoding/binary"
	"iter"
	"math"
	"slices"
	"time"
)

const (
	runSize   = 2 << 20   // bytes sorted together
	smallRun  = 256 << 10 // a run up to here stays in memory when it is asked for
	blockSize = 32 << 10
)

// Record is what a Sorter orders: by time, newest first, then by id.
type Record struct {
	At   int64 // ns since 1970; math.MinInt64 without a time
	ID   string
	Tag  uint64 // the caller's own
	Data []byte // valid until the next record
}

// At is a time as a Record has it; one that no int64 holds is the first or the
// last there is.
func At(t time.Time) int64 {
	switch y := t.Year(); {
	case t.IsZero():
		return math.MinInt64
	case y < 1678:
		return math.MinInt64 + 1
	case y > 2261:
		return math.MaxInt64
	}
	return t.UnixNano()
}

// Sorter gives records newest first that came in any order. They are sorted a
// few MB at a time, put into the file as runs, and merged from there: memory
// does not grow with their number.
type Sorter struct {
	File *File

	buf     []byte // the run in the making: records in any order
	records []place
	heads   cursors // the runs that have not been given whole
}

// place is where a record lies in buf.
type place struct {
	at           int64
	from, id, to int // header, end of the id, end of the data
}

// A record's header: time, tag, length of the id, length of the data.
const headerSize = 8 + 8 + 4 + 4

// Add takes a record, and a copy of its data.
func (s *Sorter) Add(r Record) error {
	if size := headerSize + len(r.ID) + len(r.Data); len(s.buf) > 0 && len(s.buf)+size > runSize {
		if err := s.seal(); err != nil {
			return err
		}
	}
	p := place{at: r.At, from: len(s.buf)}
	b := binary.LittleEndian.AppendUint64(s.buf, uint64(r.At))
	b = binary.LittleEndian.AppendUint64(b, r.Tag)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(r.ID)))
	b = binary.LittleEndian.AppendUint32(b, uint32(len(r.Data)))
	b = append(b, r.ID...)
	p.id = len(b)
	s.buf = append(b, r.Data...)
	p.to = len(s.buf)
	s.records = append(s.records, p)
	return nil
}

// seal sorts the run in the making and puts it into the file.
func (s *Sorter) seal() error {
	if len(s.records) == 0 {
		return nil
	}
	slices.SortFunc(s.records, func(x, y place) int {
		return cmp.Or(cmp.Compare(y.at, x.at), bytes.Compare(s.buf[x.from+headerSize:x.id], s.buf[y.from+headerSize:y.id]))
	})
	c := &cursor{Record: Record{At: s.records[0].at}}
	small := len(s.buf) <= smallRun
	block := make([]byte, 0, min(len(s.buf), 2*blockSize))
	for i, p := range s.records {
		block = append(block, s.buf[p.from:p.to]...)
		if small || len(block) < blockSize && i < len(s.records)-1 {
			continue
		}
		k, err := s.File.Put(block)
		if err != nil {
			return err
		}
		c.blocks, block = append(c.blocks, k), block[:0]
	}
	if small {
		c.block = block
	}
	s.heads = append(s.heads, c)
	s.buf, s.records = s.buf[:0], s.records[:0]
	return nil
}

// All gives all records, newest first. The pointer is valid until the next.
func (s *Sorter) All() iter.Seq2[*Record, error] { return s.Since(math.MinInt64) }

// Since gives the records from a time on, newest first; the others stay, and
// more can be added.
func (s *Sorter) Since(at int64) iter.Seq2[*Record, error] {
	return func(yield func(*Record, error) bool) {
		if err := s.seal(); err != nil {
			yield(nil, err)
			return
		}
		if at == math.MinInt64 {
			s.buf, s.records = nil, nil // it is over
		}
		heap.Init(&s.heads)
		for len(s.heads) > 0 && s.heads[0].At >= at {
			c := s.heads[0]
			if c.opened && !yield(&c.Record, nil) {
				return
			}
			more, err := c.step(s.File)
			switch {
			case err != nil:
				yield(nil, err)
				return
			case more:
				heap.Fix(&s.heads, 0)
			default:
				heap.Pop(&s.heads)
			}
		}
		if len(s.heads) == 0 {
			s.File.clear()
		}
	}
}

// cursor goes through a run: blocks of records, newest first. Its record is
// valid until the next step.
type cursor struct {
	Record
	opened bool
	blocks []Block
	block  []byte // what is left of the one that is open
	buffer []byte
}

// step moves to the next record; false at the end.
func (c *cursor) step(f *File) (bool, error) {
	c.opened = true
	if len(c.block) == 0 {
		if len(c.blocks) == 0 {
			return false, nil
		}
		b, err := f.Get(c.blocks[0], c.buffer)
		if err != nil {
			return false, err
		}
		c.blocks[0] = Block{} // it may be in memory
		c.buffer, c.block, c.blocks = b, b, c.blocks[1:]
	}
	b := c.block
	id, size := int(binary.LittleEndian.Uint32(b[16:])), int(binary.LittleEndian.Uint32(b[20:]))
	c.Record = Record{
		At: int64(binary.LittleEndian.Uint64(b)), Tag: binary.LittleEndian.Uint64(b[8:]),
		ID: string(b[headerSize:][:id]), Data: b[headerSize+id:][:size],
	}
	c.block = b[headerSize+id+size:]
	return true, nil
}

// cursors is a heap, the newest record on top. A run that has not been opened
// has the time of its newest record and comes before all of that time.
type cursors []*cursor

func (h cursors) Len() int { return len(h) }
func (h cursors) Less(i, j int) bool {
	x, y := h[i], h[j]
	return cmp.Or(cmp.Compare(y.At, x.At), cmp.Compare(x.ID, y.ID)) < 0
}
func (h cursors) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *cursors) Push(x any)   { *h = append(*h, x.(*cursor)) }
func (h *cursors) Pop() any {
	old := *h
	c := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	return c
}
