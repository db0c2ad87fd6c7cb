package reply

import (
	"iter"
	"time"
)

// Merge yields the records of several sequences, each newest first, as one,
// newest first. when gives a record's time.
func Merge[T any](seqs []iter.Seq2[T, error], when func(T) time.Time) iter.Seq2[T, error] {
	if len(seqs) == 1 {
		return seqs[0]
	}
	return func(yield func(T, error) bool) {
		type head struct {
			v    T
			at   time.Time
			next func() (T, error, bool)
		}
		var heads []head
		for _, s := range seqs {
			next, stop := iter.Pull2(s)
			defer stop()
			v, err, ok := next()
			if err != nil {
				yield(v, err)
				return
			}
			if ok {
				heads = append(heads, head{v, when(v), next})
			}
		}
		for len(heads) > 0 {
			best := 0
			for i := range heads {
				if heads[i].at.After(heads[best].at) {
					best = i
				}
			}
			if !yield(heads[best].v, nil) {
				return
			}
			v, err, ok := heads[best].next()
			switch {
			case err != nil:
				yield(v, err)
				return
			case !ok:
				heads = append(heads[:best], heads[best+1:]...)
			default:
				heads[best].v, heads[best].at = v, when(v)
			}
		}
	}
}
