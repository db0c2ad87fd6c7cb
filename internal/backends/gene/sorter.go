package gene

import (
	"cmp"
	"container/heap"
	"encoding/binary"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/edrctl/edrctl/internal/backends/gene/wire"
	"github.com/edrctl/edrctl/internal/client/jsonwalk"
	"github.com/edrctl/edrctl/internal/model"
)

// decoders are reused: each owns buffers that grow to the size of an event.
var decoders = sync.Pool{New: func() any { return new(wire.EventDecoder) }}

const (
	directEvents = 1536    // events of a window kept decoded
	runSize      = 2 << 20 // of the vendor's JSON, sorted together
	blockSize    = 32 << 10
)

// eventSorter holds the events of one window until they can be given out newest
// first, an order managers do not keep. The first directEvents are kept
// decoded. What exceeds them (the older managers give a whole day of a busy
// endpoint at once) is sorted a few MB at a time, put into the spill file as runs,
// and merged from there: memory does not grow with the window.
type eventSorter struct {
	keep      keep
	alerts    bool // only events with a signature
	endpoints []endpoint
	most      int // above which the window is too wide; 0 = never
	spill     *spillFile

	mu        sync.Mutex
	total     int
	direct    []*entry
	run       run
	runs      []*run
	answers   int32          // asked so far
	withdrawn map[int32]bool // those that were not complete
	widest    time.Duration  // what the server could answer at most; 0 = everything so far
	repeated  int            // events that one answer gave twice
}

// errTooMany says that a window holds more than is wise to hold at once.
var errTooMany = errors.New("too many events in one window")

// entry is one event of a sorter.
type entry struct {
	at     int64 // ns since 1970; math.MinInt64 without a time
	id     string
	answer int32 // which one it came in
	place  int32 // its endpoint in the sorter's; -1 = not known
	event  *model.Event
	alert  *model.Alert
	json   []byte // when it is not decoded
}

func compare(x, y *entry) int {
	return cmp.Or(cmp.Compare(y.at, x.at), cmp.Compare(x.id, y.id))
}

// heap, sort and repetitions look at the same two things.
func same(x, y *entry) bool { return x.at == y.at && x.id == y.id }

// sorterInput is what one reader adds to a sorter. It is its sink.
type sorterInput struct {
	*eventSorter
	n    int     // events that count
	mine []int32 // numbers of the answers
}

// begin counts an answer: what add gets from now on is of it.
func (b *sorterInput) begin() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.answers++
	b.mine = append(b.mine, b.answers)
}

// mark remembers the answers there are; the function it gives withdraws those
// that came later.
func (b *sorterInput) mark() func() {
	n, answers := b.n, len(b.mine)
	return func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		if b.withdrawn == nil {
			b.withdrawn = map[int32]bool{}
		}
		for _, a := range b.mine[answers:] {
			b.withdrawn[a] = true
		}
		b.total -= b.n - n
		b.n = n
	}
}

func (b *sorterInput) size() int { return b.n }

func (b *sorterInput) narrow(span time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.widest == 0 || span < b.widest {
		b.widest = span
	}
}

// add takes the event a decoder has just walked and finished.
func (b *sorterInput) add(d *wire.EventDecoder, place int) error {
	if b.alerts && !d.Fired() {
		return nil
	}
	e := &entry{at: nanos(d.Time()), answer: b.mine[len(b.mine)-1], place: int32(place)}
	b.n++
	direct, err := b.take(e, d)
	if direct {
		// Outside the lock: the other readers go on.
		ev := normalise(d, *b.endpoint(e.place), b.keep)
		if e.id, e.event = ev.ID, ev; b.alerts {
			e.alert, e.event = alertOf(d, ev), nil
		}
	}
	return err
}

// take counts an entry and keeps it: among the decoded ones, which the caller
// then decodes, or in the run in the making.
func (p *eventSorter) take(e *entry, d *wire.EventDecoder) (direct bool, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.total++; p.most > 0 && p.total > p.most {
		return false, errTooMany
	}
	if len(p.direct) < directEvents {
		p.direct = append(p.direct, e)
		return true, nil
	}
	e.id, e.json = d.Get(wire.FieldHash), d.Raw
	return false, p.store(e)
}

var nobodysEndpoint endpoint

func (p *eventSorter) endpoint(place int32) *endpoint {
	if place < 0 {
		return &nobodysEndpoint
	}
	return &p.endpoints[place]
}

func nanos(t time.Time) int64 {
	if t.IsZero() {
		return -1 << 63
	}
	return t.UnixNano()
}

// run is a part of a sorter: in the making, records in buf in any order; when
// it is done, blocks of records, newest first.
type run struct {
	buf     []byte
	records []record
	blocks  []blockRef
	newest  int64
}

// record is where an entry lies in buf: header, id and JSON.
type record struct {
	at       int64
	id       []byte
	from, to int32
}

// A record's header: time, answer, endpoint, length of the id, length of the JSON.
const headerSize = 8 + 4 + 4 + 4 + 4

// store adds an entry to the run in the making.
func (p *eventSorter) store(e *entry) error {
	r := &p.run
	size := headerSize + len(e.id) + len(e.json)
	if r.buf == nil {
		r.buf = make([]byte, 0, runSize)
	}
	if len(r.buf) > 0 && len(r.buf)+size > cap(r.buf) {
		if err := p.seal(); err != nil {
			return err
		}
	}
	from := len(r.buf)
	b := r.buf
	b = binary.LittleEndian.AppendUint64(b, uint64(e.at))
	b = binary.LittleEndian.AppendUint32(b, uint32(e.answer))
	b = binary.LittleEndian.AppendUint32(b, uint32(e.place))
	b = binary.LittleEndian.AppendUint32(b, uint32(len(e.id)))
	b = binary.LittleEndian.AppendUint32(b, uint32(len(e.json)))
	b = append(append(b, e.id...), e.json...)
	r.buf = b
	r.records = append(r.records, record{at: e.at, id: b[from+headerSize:][:len(e.id)], from: int32(from), to: int32(len(b))})
	return nil
}

// seal sorts the run in the making and puts it into the spill file.
func (p *eventSorter) seal() error {
	r := &p.run
	if len(r.records) == 0 {
		return nil
	}
	slices.SortFunc(r.records, func(x, y record) int {
		return cmp.Or(cmp.Compare(y.at, x.at), slices.Compare(x.id, y.id))
	})
	done := &run{newest: r.records[0].at}
	block := make([]byte, 0, 2*blockSize)
	for i, rec := range r.records {
		block = append(block, r.buf[rec.from:rec.to]...)
		if len(block) < blockSize && i < len(r.records)-1 {
			continue
		}
		k, err := p.spill.put(block)
		if err != nil {
			return err
		}
		done.blocks, block = append(done.blocks, k), block[:0]
	}
	p.runs = append(p.runs, done)
	r.buf, r.records = r.buf[:0], r.records[:0]
	return nil
}

// cursor goes through one sorted part of a sorter. Its entry is valid until the
// next step.
type cursor struct {
	entry
	rest   []*entry // of the decoded ones
	run    *run
	opened bool
	next   int    // block
	block  []byte // what is left of the one that is open
	buffer []byte
}

// step moves to the next entry; false at the end.
func (c *cursor) step(s *spillFile) (bool, error) {
	if c.run == nil {
		if len(c.rest) == 0 {
			return false, nil
		}
		c.entry, c.rest[0], c.rest = *c.rest[0], nil, c.rest[1:]
		return true, nil
	}
	c.opened = true
	if len(c.block) == 0 {
		if c.next == len(c.run.blocks) {
			return false, nil
		}
		b, err := s.get(c.run.blocks[c.next], c.buffer)
		if err != nil {
			return false, err
		}
		c.run.blocks[c.next] = blockRef{} // it may be in memory
		c.buffer, c.block, c.next = b, b, c.next+1
	}
	b := c.block
	id, size := int(binary.LittleEndian.Uint32(b[16:])), int(binary.LittleEndian.Uint32(b[20:]))
	c.entry = entry{
		at: int64(binary.LittleEndian.Uint64(b)), answer: int32(binary.LittleEndian.Uint32(b[8:])), place: int32(binary.LittleEndian.Uint32(b[12:])),
		id: string(b[headerSize:][:id]), json: b[headerSize+id:][:size],
	}
	c.block = b[headerSize+id+size:]
	return true, nil
}

// cursors is a heap, the newest entry on top. A run that has not been opened
// stands for its newest entry and comes before all of its time.
type cursors []*cursor

func (h cursors) Len() int           { return len(h) }
func (h cursors) Less(i, j int) bool { return compare(&h[i].entry, &h[j].entry) < 0 }
func (h cursors) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *cursors) Push(x any)        { *h = append(*h, x.(*cursor)) }
func (h *cursors) Pop() any {
	old := *h
	c := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	return c
}

// each gives the events of a complete sorter, newest first and each once, until
// yield says false. It can be called once.
func (p *eventSorter) each(yield func(*model.Event, *model.Alert) bool) error {
	slices.SortFunc(p.direct, compare)
	if err := p.seal(); err != nil {
		return err
	}
	p.run = run{}
	h := make(cursors, 0, len(p.runs)+1)
	h = append(h, &cursor{rest: p.direct, entry: entry{at: 1<<63 - 1}})
	for _, r := range p.runs {
		h = append(h, &cursor{run: r, entry: entry{at: r.newest}})
	}
	p.direct, p.runs = nil, nil
	heap.Init(&h)
	var last entry
	given := false
	for len(h) > 0 {
		c := h[0]
		if e := &c.entry; (e.event != nil || e.alert != nil || e.json != nil) && !p.withdrawn[e.answer] {
			if given && same(&last, e) {
				if last.answer == e.answer {
					p.repeated++
				}
			} else {
				ev, al, err := p.decode(e)
				if err != nil {
					return err
				}
				last, given = entry{at: e.at, id: e.id, answer: e.answer}, true
				if !yield(ev, al) {
					return nil
				}
			}
		}
		more, err := c.step(p.spill)
		switch {
		case err != nil:
			return err
		case more:
			heap.Fix(&h, 0)
		default:
			heap.Pop(&h)
		}
	}
	return nil
}

// decode gives the event or alert of an entry, decoding it when it was kept
// as JSON.
func (p *eventSorter) decode(e *entry) (*model.Event, *model.Alert, error) {
	if e.json == nil {
		return e.event, e.alert, nil
	}
	dec := decoders.Get().(*wire.EventDecoder)
	defer decoders.Put(dec)
	dec.Verbatim = p.keep.log
	var w jsonwalk.Walker
	w.Reset(e.json)
	if dec.Walk(&w); w.Err() != nil {
		return nil, nil, w.Err()
	}
	dec.FinishAs(e.id)
	ev := normalise(dec, *p.endpoint(e.place), p.keep)
	if p.alerts {
		return nil, alertOf(dec, ev), nil
	}
	return ev, nil, nil
}
