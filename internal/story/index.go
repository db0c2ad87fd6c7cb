package story

import (
	"slices"
	"sort"
	"sync"
	"time"
)

// Index gives the events of one backend by position, oldest first, computing
// the noise when it is asked for: random access at any scale without keeping
// the events. It is safe for use by several goroutines.
type Index struct {
	told  []*Event
	pos   []int // of told[i] among all events
	mu    sync.Mutex
	noise *noise
}

// NewIndex indexes the events that EventSeq(backend) gives, in that order.
func NewIndex(s *Story, backend string) *Index {
	x := &Index{noise: s.newNoise(backend)}
	for _, e := range s.events {
		if Sees(backend, e) {
			x.told = append(x.told, e)
		}
	}
	x.pos = make([]int, len(x.told))
	for i, e := range x.told {
		x.pos[i] = i + sort.Search(x.noise.count, func(k int) bool { return !x.noise.at(k).Time.Before(e.Time) })
	}
	return x
}

// Len is the number of events.
func (x *Index) Len() int { return len(x.told) + x.noise.count }

// At gives event i; noise is computed by each call.
func (x *Index) At(i int) *Event {
	k, told := slices.BinarySearch(x.pos, i)
	if told {
		return x.told[k]
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.noise.at(i - k)
}

// Time is when event i happened.
func (x *Index) Time(i int) time.Time { return x.At(i).Time }
