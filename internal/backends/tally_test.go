package backends_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/edrctl/edrctl/internal/backends"
)

// readAll reads a list of n records in pages of size; page gives the records
// of one page in one pass.
func readAll(n, size int, page func(pass, start int) []int) (given []int, passes int, err error) {
	t := backends.NewTally("cannot list hosts")
	for t.Pass() {
		passes++
		for start := 0; start < n; start += size {
			t.Count(int64(n))
			for _, r := range page(passes, start) {
				if t.Add(fmt.Sprint(r)) {
					given = append(given, r)
				}
			}
		}
	}
	return given, passes, t.Err()
}

func upTo(n int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = i
	}
	return out
}

func TestTallyReadsAShortListAgainOnce(t *testing.T) {
	still := func(_, start int) []int { return upTo(250)[start:min(start+100, 250)] }
	moved := func(pass, start int) []int { // the first pass loses six, the second does not
		if pass == 1 && start == 200 {
			return upTo(250)[:50]
		}
		return still(pass, start)
	}
	for _, tc := range []struct {
		name          string
		page          func(pass, start int) []int
		given, passes int
		why           string
	}{
		{"a list that stands still", still, 250, 1, ""},
		{"a list that moved", moved, 250, 2, ""},
		{"start ignored", func(int, int) []int { return upTo(100) }, 100, 2, "counts 250 records and gave 100"},
		{"counted and not given", func(int, int) []int { return nil }, 0, 2, "counts 250 records and gave 0"},
	} {
		given, passes, err := readAll(250, 100, tc.page)
		if len(given) != tc.given || passes != tc.passes || (err == nil) != (tc.why == "") {
			t.Errorf("%s: %d records in %d passes, %v", tc.name, len(given), passes, err)
		}
		if err != nil && (backends.KindOf(err) != backends.KindPartial || !strings.Contains(err.Error(), tc.why)) {
			t.Errorf("%s: %v", tc.name, err)
		}
	}
}

// Whatever the order of the pages: each record once, and never a short list
// without an error.
func TestTallyNeverGivesAShortListAsWhole(t *testing.T) {
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 1))
		n, size := 1+r.IntN(60), 1+r.IntN(20)
		given, _, err := readAll(n, size, func(_, start int) []int {
			all := r.Perm(n)
			return all[start:min(start+size, n)]
		})
		seen := map[int]bool{}
		for _, x := range given {
			if seen[x] {
				t.Fatalf("seed %d: %d is given twice", seed, x)
			}
			seen[x] = true
		}
		if len(given) < n && err == nil || len(given) == n && err != nil {
			t.Fatalf("seed %d: %d of %d records, %v", seed, len(given), n, err)
		}
	}
}

func TestTallyTakesRecordsWithoutIDsAsTheyCome(t *testing.T) {
	tally := backends.NewTally("cannot list rows")
	passes := 0
	for tally.Pass() {
		passes++
		tally.Count(3)
		for range 2 {
			if !tally.Add("") {
				t.Error("an equal row is another row")
			}
		}
	}
	if passes != 1 || tally.Err() == nil {
		t.Errorf("%d passes, %v", passes, tally.Err())
	}
}
