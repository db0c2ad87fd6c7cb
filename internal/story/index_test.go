package story_test

import (
	"testing"
	"time"

	"github.com/edrctl/edrctl/internal/story"
)

func TestIndexIsTheSequence(t *testing.T) {
	s := story.New(time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC), 3)
	for _, backend := range backends {
		x := story.NewIndex(s, backend)
		i := 0
		for e := range s.EventSeq(backend) {
			if got := x.At(i); got.N != e.N || !got.Time.Equal(e.Time) {
				t.Fatalf("%s: event %d is %d at %v, want %d at %v", backend, i, got.N, got.Time, e.N, e.Time)
			}
			i++
		}
		if x.Len() != i {
			t.Errorf("%s: %d events indexed, %d told", backend, x.Len(), i)
		}
	}
}
