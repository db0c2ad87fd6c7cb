package ops

import (
	"iter"
	"slices"
	"time"

	"github.com/edrctl/edrctl/internal/model"
)

// newestFirst sorts records that come in another order. It holds them until
// settled says that nothing newer will come, and with a limit never many more
// than those that can still be shown. An error ends the sequence after all
// that was read before it.
func newestFirst[T model.Record](seq iter.Seq2[T, error], limit int, settled func() time.Time) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		h := holder[T]{left: -1}
		if limit > 0 {
			h.left = limit + 1 // one more tells the caller that the limit cut
		}
		floor := settled()
		for r, err := range seq {
			if err != nil {
				if h.release(time.Time{}, yield) {
					yield(r, err)
				}
				return
			}
			if now := settled(); !now.Equal(floor) {
				floor = now
				if !h.release(floor, yield) {
					return
				}
			}
			h.add(r)
		}
		h.release(time.Time{}, yield)
	}
}

// holder keeps the newest records that were not given yet.
type holder[T model.Record] struct {
	held []T
	left int // how many may still be given; negative = all
}

func (h *holder[T]) add(r T) {
	h.held = append(h.held, r)
	if h.left >= 0 && len(h.held) >= 4*h.left+1024 {
		h.sort()
	}
}

// sort orders what is held and drops what the limit leaves out.
func (h *holder[T]) sort() {
	slices.SortStableFunc(h.held, func(a, b T) int { return byTimeThenRef(a, b) })
	if h.left >= 0 && len(h.held) > h.left {
		clear(h.held[h.left:])
		h.held = h.held[:h.left]
	}
}

// release gives what is as new as from; it reports false when no more is
// wanted.
func (h *holder[T]) release(from time.Time, yield func(T, error) bool) bool {
	h.sort()
	n := 0
	for n < len(h.held) && !model.TimeOf(h.held[n]).Before(from) {
		r := h.held[n]
		n++
		if h.left > 0 {
			h.left--
		}
		if !yield(r, nil) {
			return false
		}
	}
	clear(h.held[:n])
	h.held = h.held[n:]
	return h.left != 0
}
