package ops

import (
	"context"
	"time"

	"github.com/edrctl/edrctl/internal/backends"
)

// arrivals are how far a server that numbers events as they reach it was
// read: what comes late has a higher number, whatever time it carries, and no
// look-back is needed to find it.
type arrivals struct {
	numberer backends.ArrivalNumberer // nil: the server does not number
	marks    []arrivalMark            // oldest first; the first is read from
	again    bool                     // the server numbers from the start again: time tells once what is new
}

// arrivalMark is the latest number at a time. Numbers are given before rows
// can be seen, so rows a little below a mark may appear after it: reading
// begins at a mark that is pollOverlap old.
type arrivalMark struct {
	at     time.Time
	number int64
}

// arrivalsOf finds out whether the events of a source are numbered, and where
// they are: asked before the first list, it leaves no gap between the two.
func arrivalsOf(ctx context.Context, s *Source, kind string, saved int64, now time.Time) (a arrivals) {
	if kind != "events" {
		return a
	}
	d, err := s.Driver()
	if err != nil {
		return a
	}
	n, ok := d.(backends.ArrivalNumberer)
	if !ok {
		return a
	}
	last, err := n.LastArrival(ctx)
	if err != nil || last <= 0 {
		return a // the look-back finds what comes late
	}
	a.numberer, a.marks = n, []arrivalMark{{now, last}}
	if saved > 0 && saved < last { // a lower one is of a server that began again
		a.marks = []arrivalMark{{time.Time{}, saved}, {now, last}}
	}
	return a
}

// from is the number to read on from; 0 when time tells what is new.
func (a *arrivals) from() int64 {
	if a.numberer == nil || a.again || len(a.marks) == 0 {
		return 0
	}
	return a.marks[0].number
}

// advance asks for the latest number.
func (a *arrivals) advance(ctx context.Context, now time.Time) error {
	last, err := a.numberer.LastArrival(ctx)
	if err != nil {
		return err
	}
	if n := len(a.marks); n > 0 && last < a.marks[n-1].number {
		a.marks, a.again = nil, true
	}
	a.marks = append(a.marks, arrivalMark{now, last})
	return nil
}

// expire drops marks that were read past: all before the newest one that is
// old enough.
func (a *arrivals) expire(now time.Time) {
	for len(a.marks) > 1 && !a.marks[1].at.After(now.Add(-pollOverlap)) {
		a.marks = a.marks[1:]
	}
}
