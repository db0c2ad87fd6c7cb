package gene

import (
	"cmp"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/edrctl/edrctl/internal/backends/gene/wire"
	"github.com/edrctl/edrctl/internal/client/jsonwalk"
	"github.com/edrctl/edrctl/internal/client/spill"
	"github.com/edrctl/edrctl/internal/model"
)

// decoders are reused: each owns buffers that grow to the size of an event.
var decoders = sync.Pool{New: func() any { return new(wire.EventDecoder) }}

// directEvents is how many events of a window are kept decoded.
const directEvents = 1536

// eventSorter holds the events of one window until they can be given out newest
// first, an order managers do not keep. The first directEvents are kept
// decoded. What exceeds them (the older managers give a whole day of a busy
// endpoint at once) is sorted in a file: memory does not grow with the window.
type eventSorter struct {
	keep      keep
	alerts    bool // only events with a signature
	endpoints []endpoint
	most      int // above which the window is too wide; 0 = never
	stored    spill.Sorter

	mu        sync.Mutex
	total     int
	direct    []*entry
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

// Sorting and repetitions look at the same two things.
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
	e := &entry{at: spill.At(d.Time()), answer: b.mine[len(b.mine)-1], place: int32(place)}
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
	return false, p.stored.Add(spill.Record{
		At: e.at, ID: d.Get(wire.FieldHash), Tag: uint64(uint32(e.answer))<<32 | uint64(uint32(e.place)), Data: d.Raw,
	})
}

var nobodysEndpoint endpoint

func (p *eventSorter) endpoint(place int32) *endpoint {
	if place < 0 {
		return &nobodysEndpoint
	}
	return &p.endpoints[place]
}

// each gives the events of a complete sorter, newest first and each once, until
// yield says false. It can be called once.
func (p *eventSorter) each(yield func(*model.Event, *model.Alert) bool) error {
	out := output{eventSorter: p, yield: yield}
	slices.SortFunc(p.direct, compare)
	for r, err := range p.stored.All() {
		if err != nil {
			return err
		}
		e := entry{at: r.At, id: r.ID, answer: int32(r.Tag >> 32), place: int32(r.Tag), json: r.Data}
		if more, err := out.directBefore(&e); err != nil || !more {
			return err
		}
		if more, err := out.give(&e); err != nil || !more {
			return err
		}
	}
	_, err := out.directBefore(nil)
	return err
}

// output gives out the entries of a sorter, those it holds decoded among the
// others.
type output struct {
	*eventSorter
	yield func(*model.Event, *model.Alert) bool
	last  entry // the one given last
	given bool
}

// directBefore gives the decoded entries that come before e; all that are left
// when it is nil.
func (o *output) directBefore(e *entry) (more bool, err error) {
	for len(o.direct) > 0 && (e == nil || compare(o.direct[0], e) < 0) {
		d := o.direct[0]
		o.direct[0], o.direct = nil, o.direct[1:]
		if more, err := o.give(d); err != nil || !more {
			return false, err
		}
	}
	return true, nil
}

// give gives out an entry, unless its answer was withdrawn or it is the one
// before.
func (o *output) give(e *entry) (more bool, err error) {
	switch {
	case o.withdrawn[e.answer]:
		return true, nil
	case o.given && same(&o.last, e):
		if o.last.answer == e.answer {
			o.repeated++
		}
		return true, nil
	}
	ev, al, err := o.decode(e)
	if err != nil {
		return false, err
	}
	o.last, o.given = entry{at: e.at, id: e.id, answer: e.answer}, true
	return o.yield(ev, al), nil
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
