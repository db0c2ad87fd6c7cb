package gene

import (
	"bytes"
	"compress/flate"
	"errors"
	"io"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/edrctl/edrctl/internal/client/jsonwalk"
	"github.com/edrctl/edrctl/internal/model"
)

// decoders are kept: each owns buffers that grow to the size of an event.
var decoders = sync.Pool{New: func() any { return new(decoder) }}

func isShort(err error) bool { return errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) }

const (
	directEvents = 4096     // events of a window kept decoded
	blockSize    = 64 << 10 // of the vendor's JSON, compressed together
	maxOpen      = 2        // blocks of one endpoint unpacked at once
)

// batch holds the events of one time window until they can be given out in
// order, which managers do not keep. The first directEvents are kept decoded;
// beyond that (a whole day of a busy endpoint, which the older managers can
// only give at once) the vendor's JSON is kept compressed, at about a tenth
// of its size, and decoded when its turn comes. Not for concurrent use.
type batch struct {
	raw     bool
	alerts  bool // only events with a signature
	room    *room
	entries []entry
	blocks  []block
	open    []byte // the block being filled
	pack    *flate.Writer
	plain   []*block // blocks unpacked, the longest first
}

// room is shared by the batches of one window.
type room struct {
	direct atomic.Int64 // events kept decoded
	total  atomic.Int64
	most   int64        // total above which the window is too wide; 0 = never
	widest atomic.Int64 // ns; what the server could answer at most; 0 = everything so far
}

// errDense says that a window holds more than is wise to hold at once.
var errDense = errors.New("too many events in one window")

type entry struct {
	at    int64 // ns since 1970; math.MinInt64 without a time
	id    string
	event *model.Event
	alert *model.Alert
	ep    *endpoint
	in    *batch // whose blocks it lies in
	block int32
	from  int32
	to    int32
}

type block struct {
	packed []byte
	size   int
	plain  []byte // while it is open
}

// add takes the event a decoder has just walked and finished.
func (b *batch) add(d *decoder, ep *endpoint) error {
	if b.alerts && len(d.sigs) == 0 {
		return nil
	}
	if n := b.room.total.Add(1); b.room.most > 0 && n > b.room.most {
		return errDense
	}
	e := entry{at: nanos(d.instant()), ep: ep, in: b}
	if b.room.direct.Load() < directEvents {
		b.room.direct.Add(1)
		e.event = d.normalise(*ep, b.raw)
		e.id = e.event.ID
		if b.alerts {
			e.alert, e.event = d.alertOf(e.event), nil
		}
		b.entries = append(b.entries, e)
		return nil
	}
	e.id = strings.Clone(d.get(fEventHash))
	if len(b.open) > 0 && len(b.open)+len(d.raw) > blockSize {
		if err := b.seal(); err != nil {
			return err
		}
	}
	e.block, e.from = int32(len(b.blocks)), int32(len(b.open))
	b.open = append(b.open, d.raw...)
	e.to = int32(len(b.open))
	b.entries = append(b.entries, e)
	return nil
}

func nanos(t time.Time) int64 {
	if t.IsZero() {
		return -1 << 63
	}
	return t.UnixNano()
}

func (b *batch) seal() error {
	var out bytes.Buffer
	if b.pack == nil {
		b.pack, _ = flate.NewWriter(&out, flate.BestSpeed)
	} else {
		b.pack.Reset(&out)
	}
	if _, err := b.pack.Write(b.open); err != nil {
		return err
	}
	if err := b.pack.Close(); err != nil {
		return err
	}
	b.blocks = append(b.blocks, block{packed: bytes.Clone(out.Bytes()), size: len(b.open)})
	b.open = b.open[:0]
	return nil
}

func (b *batch) size() int { return len(b.entries) }

func (b *batch) narrow(span time.Duration) {
	for {
		was := b.room.widest.Load()
		if was != 0 && was <= int64(span) || b.room.widest.CompareAndSwap(was, int64(span)) {
			return
		}
	}
}

// mark remembers how much there is; the function it gives takes the batch
// back to that point.
func (b *batch) mark() func() {
	entries, blocks := len(b.entries), len(b.blocks)
	open := bytes.Clone(b.open)
	return func() {
		for _, e := range b.entries[entries:] {
			if e.event != nil || e.alert != nil {
				b.room.direct.Add(-1)
			}
		}
		b.room.total.Add(int64(entries - len(b.entries)))
		clear(b.entries[entries:])
		b.entries, b.blocks, b.open = b.entries[:entries], b.blocks[:blocks], open
	}
}

// merge makes one list of the batches of a window, newest first, without
// what came twice.
func merge(batches []*batch) ([]entry, error) {
	n := 0
	for _, b := range batches {
		n += len(b.entries)
	}
	all := make([]entry, 0, n)
	for _, b := range batches {
		if len(b.open) > 0 {
			if err := b.seal(); err != nil {
				return nil, err
			}
		}
		all = append(all, b.entries...)
		b.entries, b.open, b.pack = nil, nil, nil
	}
	slices.SortFunc(all, newestFirst)
	return slices.CompactFunc(all, func(x, y entry) bool { return x.at == y.at && x.id == y.id }), nil
}

func newestFirst(x, y entry) int {
	switch {
	case x.at > y.at:
		return -1
	case x.at < y.at:
		return 1
	}
	return strings.Compare(x.id, y.id)
}

// unpackers are kept: each owns a window of 32 KiB.
var unpackers = sync.Pool{New: func() any { return flate.NewReader(bytes.NewReader(nil)) }}

// unpack gives the JSON of a block. Entries are asked for nearly in the order
// they were stored, so that few blocks are open at once.
func (b *batch) unpack(i int32) ([]byte, error) {
	blk := &b.blocks[i]
	if blk.plain != nil {
		return blk.plain, nil
	}
	var room []byte
	if len(b.plain) == maxOpen {
		room, b.plain[0].plain = b.plain[0].plain, nil
		b.plain = b.plain[1:]
	}
	if cap(room) < blk.size {
		room = make([]byte, blk.size)
	}
	zr := unpackers.Get().(io.ReadCloser)
	defer unpackers.Put(zr)
	if err := zr.(flate.Resetter).Reset(bytes.NewReader(blk.packed), nil); err != nil {
		return nil, err
	}
	room = room[:blk.size]
	if _, err := io.ReadFull(zr, room); err != nil {
		return nil, err
	}
	blk.plain, b.plain = room, append(b.plain, blk)
	return room, nil
}

// reveal gives the event or alert of an entry, decoding it when it was kept
// as JSON.
func (e *entry) reveal() (ev *model.Event, al *model.Alert, err error) {
	if ev, al, e.event, e.alert = e.event, e.alert, nil, nil; ev != nil || al != nil {
		return ev, al, nil
	}
	plain, err := e.in.unpack(e.block)
	if err != nil {
		return nil, nil, err
	}
	dec := decoders.Get().(*decoder)
	defer decoders.Put(dec)
	var w jsonwalk.Walker
	w.Reset(plain[e.from:e.to])
	dec.walk(&w)
	if w.Err() != nil {
		return nil, nil, w.Err()
	}
	dec.finish()
	ev = dec.normalise(*e.ep, e.in.raw)
	if e.in.alerts {
		return nil, dec.alertOf(ev), nil
	}
	return ev, nil, nil
}
