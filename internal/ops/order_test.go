package ops_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/model"
	"github.com/edrctl/edrctl/internal/ops"
)

// arriving lists its alerts in the order given, day by day: after the records
// of a day it says that nothing later will come.
type arriving struct {
	*fakeDriver
	days [][]int // minutes before the epoch
	read int
}

func (a *arriving) Alerts(context.Context, backends.Query) (backends.Listing[*model.Alert], error) {
	var settled time.Time
	return backends.Listing[*model.Alert]{
		Settled: func() time.Time { return settled },
		Seq: func(yield func(*model.Alert, error) bool) {
			for i, d := range a.days {
				if i > 0 {
					settled = epoch.Add(-time.Duration(i) * 24 * time.Hour)
				}
				for _, m := range d {
					a.read++
					r := &model.Alert{Time: model.At(epoch.Add(-time.Duration(m) * time.Minute))}
					r.ID = fmt.Sprint(m)
					if !yield(r, nil) {
						return
					}
				}
			}
			if a.fail != nil {
				yield(nil, a.fail)
			}
		},
	}, nil
}

func TestAnOrderThatIsNotThereIsNotTrusted(t *testing.T) {
	const day = 24 * 60
	days := [][]int{{50, 3, 700, 1, 20}, {day + 900, day + 2, day + 30}, {2*day + 5, 2*day + 1}}
	sorted := slices.Sorted(slices.Values(slices.Concat(days...)))
	for _, key := range []string{"", "time"} {
		for limit := range len(sorted) + 2 {
			a := &arriving{fakeDriver: &fakeDriver{}, days: days}
			steady := &fakeDriver{alerts: fixed(every(3, 10*time.Minute, 0))} // at 0, 10 and 20 minutes
			want := []string{"p1/0"}
			for _, m := range sorted {
				if m > 10 && !slices.Contains(want, "p1/1") {
					want = append(want, "p1/1")
				}
				want = append(want, fmt.Sprintf("p0/%d", m))
				if m == 20 {
					want = append(want, "p1/2") // equal times keep the order of the profiles
				}
			}
			st := fleet(a, steady).Alerts(t.Context(), ops.Request{Query: backends.Query{Limit: limit}, Sort: key})
			got := refs(st.Records())
			cut := limit > 0 && limit < len(want)
			if cut {
				want = want[:limit]
			}
			if !slices.Equal(got, want) || st.Cut() != cut {
				t.Errorf("--sort %q --limit %d: %v, cut %v, want %v, %v", key, limit, got, st.Cut(), want, cut)
			}
		}
	}
}

// A limit is met as soon as nothing newer can come.
func TestALimitEndsAnUnsortedListing(t *testing.T) {
	a := &arriving{fakeDriver: &fakeDriver{}, days: [][]int{{5, 2, 9}, {24*60 + 1}, {48*60 + 1}, {72*60 + 1}}}
	got := refs(fleet(a).Alerts(t.Context(), ops.Request{Query: backends.Query{Limit: 2}}).Records())
	if !slices.Equal(got, []string{"p0/2", "p0/5"}) || a.read > 4 {
		t.Errorf("%v after %d records read", got, a.read)
	}
}

func TestAnErrorEndsAnUnsortedListing(t *testing.T) {
	a := &arriving{fakeDriver: &fakeDriver{fail: errors.New("broke")}, days: [][]int{{5, 2, 9}}}
	st := fleet(a).Alerts(t.Context(), ops.Request{})
	if got := refs(st.Records()); !slices.Equal(got, []string{"p0/2", "p0/5", "p0/9"}) || st.Outcomes()[0].Err == nil {
		t.Errorf("%v, %v", got, st.Outcomes()[0].Err)
	}
}
