package ops

import (
	"iter"
	"slices"
	"time"

	"github.com/edrctl/edrctl/internal/model"
)

// newestFirst sorts records that come in another order. It holds them until
// watermark says that nothing newer will come, and with a limit never many more
// than those that can still be shown. An error ends the sequence after all
// that was read before it.
func newestFirst[T model.Record](seq iter.Seq2[T, error], limit int, watermark func() time.Time) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		h := reorderBuffer[T]{left: -1}
		if limit > 0 {
			h.left = limit + 1 // one more tells the caller that the limit cut
		}
		floor := watermark()
		for r, err := range seq {
			if err != nil {
				if h.release(time.Time{}, yield) {
					yield(r, err)
				}
				return
			}
			if now := watermark(); !now.Equal(floor) {
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

// reorderBuffer keeps the newest records that were not given yet.
type reorderBuffer[T model.Record] struct {
	records []T
	left    int // how many may still be given; negative = all
}

func (h *reorderBuffer[T]) add(r T) {
	h.records = append(h.records, r)
	if h.left >= 0 && len(h.records) >= 4*h.left+1024 {
		h.sort()
	}
}

// sort orders what is held and drops what the limit leaves out.
func (h *reorderBuffer[T]) sort() {
	slices.SortStableFunc(h.records, func(a, b T) int { return byTimeThenRef(a, b) })
	if h.left >= 0 && len(h.records) > h.left {
		clear(h.records[h.left:])
		h.records = h.records[:h.left]
	}
}

// release gives what is as new as from; it reports false when no more is
// wanted.
func (h *reorderBuffer[T]) release(from time.Time, yield func(T, error) bool) bool {
	h.sort()
	n := 0
	for n < len(h.records) && !model.TimeOf(h.records[n]).Before(from) {
		r := h.records[n]
		n++
		if h.left > 0 {
			h.left--
		}
		if !yield(r, nil) {
			return false
		}
	}
	clear(h.records[:n])
	h.records = h.records[n:]
	return h.left != 0
}
