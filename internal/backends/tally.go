package backends

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
)

// Tally holds a list that is read page by page to what the server counts.
// Lists move while they are read: their order changes, records leave and come,
// a server ignores where a page starts. The rule for every driver: fewer
// distinct records than the server counts are read again once; if there are
// still fewer, the records are given with an error that names both numbers.
//
//	t := backends.NewTally(what)
//	for t.Pass() {
//		… for each page: t.Count(total); for each record: if t.Add(id) { give it }
//	}
//	return t.Err()
type Tally struct {
	what      string
	ids       map[uint64]int // id -> pass that saw it last
	pass      int
	distinct  int   // records of this pass
	count     int64 // most that the server counted in this pass
	anonymous bool  // a record had no id: it cannot be recognised
}

// NewTally makes an empty one. what is what fails when the list is not whole.
func NewTally(what string) *Tally { return &Tally{what: what, ids: map[uint64]int{}} }

// Pass begins a reading of all pages; it reports false when no other is wanted.
func (t *Tally) Pass() bool {
	if t.pass == 2 || t.pass == 1 && (t.anonymous || t.whole()) {
		return false
	}
	t.pass++
	t.distinct, t.count = 0, 0
	return true
}

// Count takes what the server counts, as a page tells it; below zero it does
// not say.
func (t *Tally) Count(n int64) { t.count = max(t.count, n) }

// Add takes a record and reports whether it is new. Without an id every
// record is.
func (t *Tally) Add(id string) bool {
	if id == "" {
		t.anonymous = true
		t.distinct++
		return true
	}
	h := Hash64(id)
	last := t.ids[h]
	if last != t.pass {
		t.ids[h] = t.pass
		t.distinct++
	}
	return last == 0
}

// whole tells whether this pass, or all of them together, found as many
// records as the server counts.
func (t *Tally) whole() bool {
	return int64(max(t.distinct, len(t.ids))) >= t.count
}

// Err is nil, or the error of a list that did not become whole.
func (t *Tally) Err() error {
	if t.whole() {
		return nil
	}
	return &Error{
		Kind: KindPartial, What: t.what,
		Why:  fmt.Sprintf("the list is incomplete: the server counts %d records and gave %d", t.count, max(t.distinct, len(t.ids))),
		Hint: "the list may have changed while it was read: run the command again",
	}
}

// Hash64 is a short name for an id, for sets of many: nobody can make up an
// id that hides another one.
func Hash64(id string) uint64 {
	sum := sha256.Sum256([]byte(id))
	return binary.BigEndian.Uint64(sum[:8])
}
