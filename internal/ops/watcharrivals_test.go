package ops_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/model"
	"github.com/edrctl/edrctl/internal/ops"
)

// arrival is an event and when its server shows it.
type arrival struct {
	id     string
	number int64
	stamp  time.Duration // its own time
	seen   time.Duration // when it can be read
}

// numbered is a server that numbers events as they reach it. Of a question by
// number it takes days that are over a step apart, as ESP does.
type numbered struct {
	begin time.Time
	all   []arrival
	// renumbered is when the numbers begin again: those below 0 until then.
	renumbered time.Duration
}

func (*numbered) Backend() string                                { return "numbered" }
func (*numbered) Check(context.Context) (backends.Health, error) { return backends.Health{}, nil }
func (*numbered) Close() error                                   { return nil }

func (s *numbered) there() (out []arrival) {
	for _, a := range s.all {
		if time.Since(s.begin) >= a.seen {
			if s.renumbered > 0 && time.Since(s.begin) < s.renumbered {
				a.number += 1000
			}
			out = append(out, a)
		}
	}
	return out
}

func (s *numbered) LastArrival(context.Context) (last int64, err error) {
	for _, a := range s.there() {
		last = max(last, a.number)
	}
	return last, nil
}

func (s *numbered) Events(_ context.Context, q backends.Query) (backends.Listing[*model.Event], error) {
	return backends.Listing[*model.Event]{Seq: func(yield func(*model.Event, error) bool) {
		var out []*model.Event
		for _, a := range s.there() {
			at := s.begin.Add(a.stamp)
			if q.After > 0 && a.number <= q.After || q.After == 0 && at.Before(q.Since) || q.After > 0 && at.Before(q.Since.Truncate(24*time.Hour)) {
				continue
			}
			out = append(out, &model.Event{Origin: model.Origin{ID: a.id}, Time: model.At(at)})
		}
		slices.SortFunc(out, func(a, b *model.Event) int { return b.Time.Compare(a.Time.Time) })
		for _, e := range out {
			if !yield(e, nil) {
				return
			}
		}
	}}, nil
}

// follow watches for a while and gives when each event came.
func (s *numbered) follow(t *testing.T, d time.Duration, w ops.Watch) map[string][]time.Duration {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), d)
	defer stop()
	w.Now = time.Now
	w.Trouble = func(p string, err error) { t.Errorf("%s: %v", p, err) }
	got := map[string][]time.Duration{}
	_ = fleet(s).WatchEvents(ctx, w, func(e *model.Event) bool {
		got[e.ID] = append(got[e.ID], time.Since(s.begin))
		return true
	})
	return got
}

func TestWatchFollowsTheNumbersOfAServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(12 * time.Hour) // noon
		begin := time.Now()
		s := &numbered{begin: begin, all: []arrival{
			{"before", 1, -20 * 24 * time.Hour, -time.Hour},
			{"backlog", 2, -30 * time.Second, -time.Second},
			{"late today", 3, -5 * time.Hour, 31 * time.Second},
			{"late for a week", 4, -7 * 24 * time.Hour, 32 * time.Second},
			{"ahead", 6, 9 * time.Hour, 40 * time.Second},
			{"written first, seen last", 5, -3 * time.Hour, 90 * time.Second},
			{"ordinary", 7, 2 * time.Minute, 2 * time.Minute},
		}}
		got := s.follow(t, 4*time.Minute, ops.Watch{Request: ops.Request{Query: backends.Query{Since: begin.Add(-time.Minute)}}})
		for id, within := range map[string]time.Duration{"backlog": time.Second, "late today": 5 * time.Second, "late for a week": 30 * time.Second,
			"ahead": 5 * time.Second, "written first, seen last": 5 * time.Second, "ordinary": 5 * time.Second} {
			i := slices.IndexFunc(s.all, func(a arrival) bool { return a.id == id })
			if seen := max(s.all[i].seen, 0); len(got[id]) != 1 || got[id][0]-seen > within {
				t.Errorf("%s is there after %v and came after %v, want once within %v", id, seen, got[id], within)
			}
		}
		if len(got) != 6 {
			t.Errorf("came %v", got)
		}
	})
}

func TestWatchContinuesByNumber(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(12 * time.Hour)
		s := &numbered{begin: time.Now(), all: []arrival{
			{"before", 1, -20 * 24 * time.Hour, -time.Hour},
			{"first", 2, 10 * time.Second, 10 * time.Second},
			{"old, meanwhile", 3, -48 * time.Hour, 3 * time.Minute},
			{"meanwhile", 4, 3 * time.Minute, 3 * time.Minute},
		}}
		var state []byte
		w := ops.Watch{Request: ops.Request{Query: backends.Query{Since: s.begin}}, Save: func(b []byte) error { state = b; return nil }}
		if got := s.follow(t, 2*time.Minute, w); len(got) != 1 || len(got["first"]) != 1 {
			t.Errorf("the first watch: %v", got)
		}
		time.Sleep(2 * time.Minute)
		w.Saved = state
		if got := s.follow(t, time.Minute, w); len(got) != 2 || len(got["meanwhile"]) != 1 || len(got["old, meanwhile"]) != 1 {
			t.Errorf("the second watch: %v", got)
		}
	})
}

// A server that begins to number again, as one that was set up new, is read
// by time once and by its new numbers then.
func TestWatchOutlivesNewNumbers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(12 * time.Hour)
		s := &numbered{begin: time.Now(), renumbered: time.Minute, all: []arrival{
			{"first", 1, -10 * time.Second, -10 * time.Second},
			{"second", 2, 70 * time.Second, 70 * time.Second},
			{"late", 3, -6 * time.Hour, 3 * time.Minute},
		}}
		got := s.follow(t, 5*time.Minute, ops.Watch{Request: ops.Request{Query: backends.Query{Since: s.begin.Add(-time.Minute)}}})
		if want := []int{1, 1, 1}; fmt.Sprint([]int{len(got["first"]), len(got["second"]), len(got["late"])}) != fmt.Sprint(want) {
			t.Errorf("came %v", got)
		}
	})
}
