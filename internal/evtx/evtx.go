// Package evtx reads the binary event logs of Windows (.evtx). A file is a
// header and chunks of 64 KiB that know nothing of each other, so chunks are
// decoded in parallel. What is damaged is reported with its place, and what
// can be read around it is read. A part of the format that is not understood
// is the only reason to change it.
package evtx

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"iter"
	"runtime"
	"time"

	"github.com/edrctl/edrctl/internal/winlog"
)

// Record is one record of a log.
type Record struct {
	winlog.Record
	ID       uint64 // EventRecordID: counts up within its log
	Offset   int64  // of the record in the file
	Written  time.Time
	Level    int
	Version  int
	Opcode   int
	Keywords string // 0x…
}

// Error is damage at a place of the file. The records around it are read.
type Error struct {
	Offset int64
	Why    string
}

func (e *Error) Error() string { return fmt.Sprintf("offset %d: %s", e.Offset, e.Why) }

// ErrNotEVTX is what Read yields for a file of another kind.
var ErrNotEVTX = errors.New("not an EVTX file")

const (
	chunkSize   = 64 << 10
	headerSize  = 4096
	fileMagic   = "ElfFile\x00"
	chunkMagic  = "ElfChnk\x00"
	dirtyFlag   = 1
	firstRecord = 512 // in a chunk
)

// Is reports whether a file that begins so is an event log.
func Is(head []byte) bool {
	return bytes.HasPrefix(head, []byte(fileMagic)) || bytes.HasPrefix(head, []byte(chunkMagic))
}

// Read yields the records of a log in the order of the file. An *Error names
// damage and the sequence continues; any other error ends it. Records are the
// caller's to keep.
func Read(ctx context.Context, r io.Reader) iter.Seq2[*Record, error] {
	return func(yield func(*Record, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		for part := range decodeAll(ctx, r) {
			var d decoded
			select {
			case d = <-part:
			case <-ctx.Done():
				yield(nil, ctx.Err())
				return
			}
			if !d.each(yield) {
				return
			}
		}
		if err := ctx.Err(); err != nil {
			yield(nil, err)
		}
	}
}

// decoded is what a piece of a file gave.
type decoded struct {
	records []Record
	damage  []*Error
	err     error
}

// each yields records and damage by their place.
func (d *decoded) each(yield func(*Record, error) bool) bool {
	damage := d.damage
	for i := range d.records {
		for len(damage) > 0 && damage[0].Offset <= d.records[i].Offset {
			if !yield(nil, damage[0]) {
				return false
			}
			damage = damage[1:]
		}
		if !yield(&d.records[i], nil) {
			return false
		}
	}
	for _, e := range damage {
		if !yield(nil, e) {
			return false
		}
	}
	return d.err == nil || yield(nil, d.err)
}

// decodeAll reads pieces and hands them to one decoder a processor; the
// results come in the order of the file.
func decodeAll(ctx context.Context, r io.Reader) <-chan chan decoded {
	type job struct {
		piece
		out chan decoded
	}
	n := runtime.GOMAXPROCS(0)
	jobs, order := make(chan job), make(chan chan decoded, 2*n)
	for range n {
		go func() {
			var d Decoder
			for j := range jobs {
				j.out <- d.decode(j.piece)
			}
		}()
	}
	go func() {
		defer close(order)
		defer close(jobs)
		for p := range pieces(r) {
			j := job{p, make(chan decoded, 1)}
			select {
			case order <- j.out:
			case <-ctx.Done():
				return
			}
			if p.data == nil {
				j.out <- decoded{damage: p.damage, err: p.err}
				continue
			}
			select {
			case jobs <- j:
			case <-ctx.Done():
				return
			}
		}
	}()
	return order
}

// piece is a chunk, or the part of a file that should be one.
type piece struct {
	data   []byte
	base   int64 // its place in the file
	dirty  bool  // the file was not closed: chunk headers may be behind
	damage []*Error
	err    error
}

// pieces cuts a file into chunks. Where a chunk does not begin at its place,
// the next one is looked for.
func pieces(r io.Reader) iter.Seq[piece] {
	return func(yield func(piece) bool) {
		at, dirty, rest, first := fileHeader(r)
		if first.err != nil || len(first.damage) > 0 {
			if !yield(first) || first.err != nil {
				return
			}
		}
		for {
			buf := make([]byte, chunkSize)
			n := copy(buf, rest)
			more, err := io.ReadFull(r, buf[n:])
			buf, rest = buf[:n+more], nil
			if len(buf) > 0 {
				if cut := nextChunk(buf); cut > 0 {
					rest, buf = buf[cut:], buf[:cut]
				}
				if !yield(piece{data: buf, base: at, dirty: dirty}) {
					return
				}
				at += int64(len(buf))
			}
			switch {
			case err == nil, len(rest) > 0:
			case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
				return
			default:
				yield(piece{base: at, err: err})
				return
			}
		}
	}
}

// nextChunk finds a chunk that does not begin where one should; 0 when there
// is none. In a chunk whose checksum matches none is searched: what looks like
// one there is a value of a record.
func nextChunk(buf []byte) int {
	magic, from := []byte(chunkMagic), 0
	if bytes.HasPrefix(buf, magic) {
		if sumMatches(buf) {
			return 0
		}
		from = len(magic)
	}
	if at := bytes.Index(buf[from:], magic); at >= 0 {
		return from + at
	}
	return 0
}

// sumMatches checks the records of a chunk against its header.
func sumMatches(chunk []byte) bool {
	if len(chunk) < firstRecord {
		return false
	}
	free := binary.LittleEndian.Uint32(chunk[48:])
	return free >= firstRecord && int64(free) <= int64(len(chunk)) &&
		crc32.ChecksumIEEE(chunk[firstRecord:free]) == binary.LittleEndian.Uint32(chunk[52:])
}

// fileHeader reads the header: where the first chunk is, whether the file was
// closed, and what was read beyond the header (a file of bare chunks).
func fileHeader(r io.Reader) (at int64, dirty bool, rest []byte, p piece) {
	head := make([]byte, headerSize)
	n, err := io.ReadFull(r, head)
	head = head[:n]
	switch {
	case err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF):
		p.err = err
		return
	case !Is(head):
		p.err = ErrNotEVTX
		return
	case bytes.HasPrefix(head, []byte(chunkMagic)):
		p.damage = append(p.damage, &Error{0, "the file header is missing"})
		return 0, true, head, p
	case n < 128:
		p.damage = append(p.damage, &Error{int64(n), "the file ends in its header"})
		return int64(n), false, nil, p
	}
	if crc32.ChecksumIEEE(head[:120]) != binary.LittleEndian.Uint32(head[124:]) {
		p.damage = append(p.damage, &Error{0, "the checksum of the file header does not match"})
		dirty = true
	}
	if binary.LittleEndian.Uint32(head[120:])&dirtyFlag != 0 {
		dirty = true
	}
	return int64(n), dirty, nil, p
}
