package ops_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/filter"
	"github.com/edrctl/edrctl/internal/model"
	"github.com/edrctl/edrctl/internal/ops"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var epoch = time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)

// fakeDriver is a driver over a function that gives the alerts of the moment.
type fakeDriver struct {
	alerts  func() []*model.Alert
	fail    error         // after the records
	latency time.Duration // before the first
	pushes  chan *model.Alert
	polls   int
}

func (m *fakeDriver) Backend() string                                { return "memory" }
func (m *fakeDriver) Check(context.Context) (backends.Health, error) { return backends.Health{}, nil }
func (m *fakeDriver) Close() error                                   { return nil }
func (m *fakeDriver) Alerts(ctx context.Context, q backends.Query) (backends.Listing[*model.Alert], error) {
	plan := backends.Plan{Requests: []string{"GET /alerts"}, Residual: q.Filter}
	return backends.Listing[*model.Alert]{Plan: plan, Seq: func(yield func(*model.Alert, error) bool) {
		m.polls++
		select {
		case <-time.After(m.latency):
		case <-ctx.Done():
			yield(nil, ctx.Err())
			return
		}
		for _, a := range m.alerts() {
			if a.Time.Before(q.Since) || !q.Until.IsZero() && !a.Time.Before(q.Until) {
				continue
			}
			c := *a
			if !yield(&c, nil) {
				return
			}
		}
		if m.fail != nil {
			yield(nil, m.fail)
		}
	}}, nil
}

// pushing adds a live stream to memory.
type pushing struct{ *fakeDriver }

func (p pushing) WatchAlerts(ctx context.Context, q backends.Query) (backends.Listing[*model.Alert], error) {
	return backends.Listing[*model.Alert]{Plan: backends.Plan{Residual: q.Filter}, Seq: func(yield func(*model.Alert, error) bool) {
		for {
			select {
			case a, ok := <-p.pushes:
				if !ok {
					yield(nil, errors.New("stream broke"))
					return
				}
				c := *a
				if !yield(&c, nil) {
					return
				}
			case <-ctx.Done():
				yield(nil, ctx.Err())
				return
			}
		}
	}}, nil
}

// mute can do nothing.
type mute struct{}

func (mute) Backend() string                                { return "mute" }
func (mute) Check(context.Context) (backends.Health, error) { return backends.Health{}, nil }
func (mute) Close() error                                   { return nil }

func fleet(drivers ...backends.Driver) *ops.Fleet {
	f := &ops.Fleet{}
	for i, d := range drivers {
		f.Sources = append(f.Sources, ops.NewSource(fmt.Sprintf("p%d", i), d.Backend(), false, func() (backends.Driver, error) { return d, nil }))
	}
	return f
}

// every gives n alerts, newest first, step apart.
func every(n int, step, offset time.Duration) []*model.Alert {
	var out []*model.Alert
	for i := range n {
		out = append(out, &model.Alert{
			Origin: model.Origin{ID: fmt.Sprint(i)},
			Time:   model.At(epoch.Add(-offset - time.Duration(i)*step)),
			Score:  model.Ptr(float64(i % 11)),
		})
	}
	return out
}

func fixed(list []*model.Alert) func() []*model.Alert { return func() []*model.Alert { return list } }

func refs[T model.Record](seq iter.Seq[T]) []string {
	var out []string
	for r := range seq {
		out = append(out, r.GetOrigin().Ref)
	}
	return out
}

func TestMergeIsNewestFirstAndComplete(t *testing.T) {
	f := fleet(
		&fakeDriver{alerts: fixed(every(1000, 3*time.Second, 0))},
		&fakeDriver{alerts: fixed(every(700, 5*time.Second, time.Second))},
		&fakeDriver{alerts: fixed(nil)},
	)
	st := f.Alerts(t.Context(), ops.Request{})
	var last time.Time
	n := 0
	for a := range st.Records() {
		if n > 0 && a.Time.After(last) {
			t.Fatalf("record %d is newer than the one before", n)
		}
		last = a.Time.Time
		n++
	}
	if n != 1700 {
		t.Errorf("%d of 1700 records", n)
	}
	for i, want := range []int{1000, 700, 0} {
		if o := st.Outcomes()[i]; o.Count != want || o.Err != nil {
			t.Errorf("profile %d: %+v", i, o)
		}
	}
}

func TestLimitCutsAndStopsReading(t *testing.T) {
	f := fleet(&fakeDriver{alerts: fixed(every(100000, time.Second, 0))}, &fakeDriver{alerts: fixed(every(3, time.Second, 0))})
	st := f.Alerts(t.Context(), ops.Request{Query: backends.Query{Limit: 5}})
	got := refs(st.Records())
	if want := []string{"p0/0", "p1/0", "p0/1", "p1/1", "p0/2"}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if !st.Cut() {
		t.Error("the cut is not told")
	}
	if n := st.Outcomes()[0].Count; n > 1000 {
		t.Errorf("%d records were read for five", n)
	}
	for _, o := range st.Outcomes() {
		if o.Err != nil {
			t.Errorf("%s: %v", o.Profile, o.Err)
		}
	}
	exact := f.Alerts(t.Context(), ops.Request{Query: backends.Query{Limit: 100003}})
	if n := len(refs(exact.Records())); n != 100003 || exact.Cut() {
		t.Errorf("a limit that is just enough: %d, cut %v", n, exact.Cut())
	}
}

func TestResidualIsEvaluatedHere(t *testing.T) {
	f := fleet(&fakeDriver{alerts: fixed(every(110, time.Second, 0))})
	st := f.Alerts(t.Context(), ops.Request{Query: backends.Query{Filter: filter.Filter{ScoreMin: model.Ptr(5.0)}}})
	if n := len(refs(st.Records())); n != 60 {
		t.Errorf("%d records of score 5 and up, want 60", n)
	}
}

func TestSortKeepsTheBestOfALimit(t *testing.T) {
	f := fleet(&fakeDriver{alerts: fixed(every(5000, time.Second, 0))}, &fakeDriver{alerts: fixed(every(50, time.Second, 0))})
	st := f.Alerts(t.Context(), ops.Request{Query: backends.Query{Limit: 3}, Sort: "score"})
	for a := range st.Records() {
		if *a.Score != 10 {
			t.Errorf("%s has %v", a.Ref, *a.Score)
		}
	}
	if !st.Cut() {
		t.Error("not cut")
	}
	up := f.Alerts(t.Context(), ops.Request{Query: backends.Query{Limit: 1}, Sort: "+score"})
	for a := range up.Records() {
		if *a.Score != 0 {
			t.Errorf("ascending begins with %v", *a.Score)
		}
	}
}

func TestOneFailureLeavesTheOthersWhole(t *testing.T) {
	f := fleet(
		&fakeDriver{alerts: fixed(every(10, time.Second, 0)), fail: errors.New("cut")},
		&fakeDriver{alerts: fixed(every(20, time.Second, 0))},
		mute{},
	)
	st := f.Alerts(t.Context(), ops.Request{})
	n := 0
	for _, ref := range refs(st.Records()) {
		if strings.HasPrefix(ref, "p1/") {
			n++
		}
	}
	o := st.Outcomes()
	if n != 20 || o[1].Err != nil {
		t.Errorf("the healthy profile gave %d of 20, %v", n, o[1].Err)
	}
	if o[0].Err == nil || o[0].Err.Error() != "cut" {
		t.Errorf("the failure is lost: %v", o[0].Err)
	}
	if backends.KindOf(o[2].Err) != backends.KindUnsupported {
		t.Errorf("a backend that cannot: %v", o[2].Err)
	}
}

func TestFanOutTakesAsLongAsTheSlowest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := fleet(
			&fakeDriver{alerts: fixed(every(1, time.Second, 0)), latency: 100 * time.Millisecond},
			&fakeDriver{alerts: fixed(every(1, time.Second, 0)), latency: 300 * time.Millisecond},
			&fakeDriver{alerts: fixed(every(1, time.Second, 0)), latency: 200 * time.Millisecond},
		)
		start := time.Now()
		refs(f.Alerts(t.Context(), ops.Request{}).Records())
		if took := time.Since(start); took != 300*time.Millisecond {
			t.Errorf("took %s", took)
		}
	})
}

func TestCancelEndsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		f := fleet(&fakeDriver{alerts: fixed(nil), latency: time.Hour}, &fakeDriver{alerts: fixed(every(5, time.Second, 0))})
		start := time.Now()
		st := f.Alerts(ctx, ops.Request{})
		refs(st.Records())
		if took := time.Since(start); took != time.Second {
			t.Errorf("took %s", took)
		}
		if st.Outcomes()[0].Err == nil {
			t.Error("the profile that was cut off looks whole")
		}
	})
}

func TestResolve(t *testing.T) {
	two := fleet(&fakeDriver{}, &fakeDriver{})
	one := fleet(&fakeDriver{})
	for _, c := range []struct {
		f       *ops.Fleet
		ref, id string
		ok      bool
	}{
		{two, "p1/a/b", "a/b", true}, {two, "p9/x", "", false}, {two, "x", "", false}, {two, "p0/", "", false},
		{one, "x", "x", true}, {one, "p0/x", "x", true}, {one, "other/x", "other/x", true},
	} {
		_, id, err := c.f.Resolve(c.ref)
		if (err == nil) != c.ok || id != c.id {
			t.Errorf("%s: %q, %v", c.ref, id, err)
		}
		if err != nil && backends.KindOf(err) != backends.KindInvalid {
			t.Errorf("%s: kind of %v", c.ref, err)
		}
	}
}

func TestShortenedReferences(t *testing.T) {
	now := time.Now()
	list := []*model.Alert{
		{Origin: model.Origin{ID: "5f1c9ae09"}, Time: model.At(now.Add(-time.Hour))},
		{Origin: model.Origin{ID: "5f1c7be09"}, Time: model.At(now.Add(-2 * time.Hour))},
		{Origin: model.Origin{ID: "77"}, Time: model.At(now.Add(-3 * time.Hour))},
	}
	f := fleet(readable{&fakeDriver{alerts: fixed(list)}})
	for ref, want := range map[string]string{"p0/5f1c9…e09": "5f1c9ae09", "p0/7…7": "77", "7…": "77", "p0/77": "77"} {
		if a, err := f.Alert(t.Context(), ref, false, false); err != nil || a.ID != want {
			t.Errorf("%s: %v, %v", ref, a, err)
		}
	}
	if _, err := f.Alert(t.Context(), "p0/5f1c…e09", false, false); backends.KindOf(err) != backends.KindInvalid {
		t.Errorf("two fit: %v", err)
	}
	if _, err := f.Alert(t.Context(), "p0/9…", false, false); backends.KindOf(err) != backends.KindNotFound {
		t.Errorf("none fits: %v", err)
	}
}

// readable adds reading one alert to memory.
type readable struct{ *fakeDriver }

func (r readable) Alert(_ context.Context, id string, _ bool) (*model.Alert, error) {
	for _, a := range r.alerts() {
		if a.ID == id {
			c := *a
			return &c, nil
		}
	}
	return nil, backends.NotFound("alert", id)
}

// A growing backlog, polled and pushed at once: each alert comes once, and a
// broken stream loses nothing.
func TestWatchGivesEachOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		grown := func() []*model.Alert {
			var out []*model.Alert
			for i := int(time.Since(start) / (3 * time.Second)); i >= 0; i-- {
				out = append(out, &model.Alert{Origin: model.Origin{ID: fmt.Sprint(i)}, Time: model.At(start.Add(time.Duration(i) * 3 * time.Second))})
			}
			return out
		}
		polled := &fakeDriver{alerts: grown}
		pushed := pushing{&fakeDriver{alerts: grown, pushes: make(chan *model.Alert)}}
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
		defer cancel()
		go func() { // pushes every third alert; the rest only the poll can find
			for i := 0; ; i += 3 {
				select {
				case pushed.pushes <- &model.Alert{Origin: model.Origin{ID: fmt.Sprint(i)}, Time: model.At(start.Add(time.Duration(i) * 3 * time.Second))}:
				case <-ctx.Done():
					return
				}
				select {
				case <-time.After(9 * time.Second):
				case <-ctx.Done():
					return
				}
			}
		}()
		count := map[string]int{}
		err := fleet(polled, pushed).WatchAlerts(ctx, ops.Watch{
			Request:  ops.Request{Query: backends.Query{Since: start.Add(-time.Hour), Until: start.Add(time.Nanosecond)}},
			Interval: 5 * time.Second, Now: time.Now,
		}, func(a *model.Alert) bool {
			count[a.Ref]++
			return true
		})
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("ended with %v", err)
		}
		for _, p := range []string{"p0/", "p1/"} {
			for i := range 20 { // a minute's worth surely came within two
				if n := count[p+fmt.Sprint(i)]; n != 1 {
					t.Errorf("%s%d came %d times", p, i, n)
				}
			}
		}
	})
}

// watchFor follows for a while and gives how often each alert came. Alerts
// appear at the driver from visible on, whatever the time they carry.
func watchFor(t *testing.T, d time.Duration, w ops.Watch, alerts func() []*model.Alert) map[string]int {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	count := map[string]int{}
	w.Interval, w.Now = 5*time.Second, time.Now
	err := fleet(&fakeDriver{alerts: alerts}).WatchAlerts(ctx, w, func(a *model.Alert) bool {
		count[a.ID]++
		return true
	})
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("ended with %v", err)
	}
	return count
}

// since gives the alerts of at (id -> its time and when it is visible, both
// from start) that are visible now, newest first.
func since(start time.Time, at map[string][2]time.Duration) func() []*model.Alert {
	return func() []*model.Alert {
		var out []*model.Alert
		for id, x := range at {
			if time.Since(start) >= x[1] {
				out = append(out, &model.Alert{Origin: model.Origin{ID: id}, Time: model.At(start.Add(x[0]))})
			}
		}
		slices.SortFunc(out, func(a, b *model.Alert) int { return b.Time.Compare(a.Time.Time) })
		return out
	}
}

func TestWatchShowsLateAndEarlyRecordsOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		got := watchFor(t, 3*time.Minute, ops.Watch{Request: ops.Request{Query: backends.Query{Since: start.Add(-time.Minute)}}}, since(start, map[string][2]time.Duration{
			"before":   {-time.Hour, -time.Hour},             // there before the start, older than the window
			"backlog":  {-30 * time.Second, -time.Second},    // in the window
			"late":     {-time.Hour, time.Minute},            // a laptop that comes back
			"later":    {-23 * time.Hour, 2 * time.Minute},   // and one that was away for long
			"early":    {2 * time.Hour, 30 * time.Second},    // a clock that is ahead
			"ordinary": {40 * time.Second, 41 * time.Second}, // behind the one that is ahead
			"too late": {-25 * time.Hour, time.Minute},       // beyond the look-back
			"not yet":  {4 * time.Minute, 4 * time.Minute},
		}))
		want := map[string]int{"backlog": 1, "late": 1, "later": 1, "early": 1, "ordinary": 1}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("came %v, want %v", got, want)
		}
	})
}

func TestWatchShowsALateRecordWithinHalfAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		got := watchFor(t, 75*time.Second, ops.Watch{Request: ops.Request{Query: backends.Query{Since: start}}}, since(start, map[string][2]time.Duration{
			"late": {-3 * time.Hour, 45 * time.Second},
		}))
		if got["late"] != 1 {
			t.Errorf("came %v", got)
		}
	})
}

func TestWatchContinuesWhereItsStateEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		alerts := since(start, map[string][2]time.Duration{
			"before": {-time.Hour, -time.Hour}, "first": {10 * time.Second, 10 * time.Second},
			"meanwhile": {2 * time.Minute, 2 * time.Minute}, "late meanwhile": {-2 * time.Hour, 3 * time.Minute}, "second": {6 * time.Minute, 6 * time.Minute},
		})
		var state []byte
		w := ops.Watch{Request: ops.Request{Query: backends.Query{Since: start}}, Save: func(b []byte) error { state = b; return nil }}
		if got := watchFor(t, time.Minute, w, alerts); fmt.Sprint(got) != "map[first:1]" {
			t.Errorf("the first watch: %v", got)
		}
		time.Sleep(4 * time.Minute) // nobody watches
		w.Saved, w.Since = state, time.Now()
		if got := watchFor(t, 2*time.Minute, w, alerts); fmt.Sprint(got) != "map[late meanwhile:1 meanwhile:1 second:1]" {
			t.Errorf("the second watch: %v", got)
		}
		w.Saved = []byte("nonsense")
		if err := fleet(&fakeDriver{alerts: alerts}).WatchAlerts(t.Context(), w, nil); backends.KindOf(err) != backends.KindInvalid {
			t.Errorf("a state that is none: %v", err)
		}
		w.Saved = state
		if err := fleet(&fakeDriver{alerts: alerts}).WatchEvents(t.Context(), w, nil); backends.KindOf(err) != backends.KindInvalid {
			t.Errorf("the state of a watch of alerts, for events: %v", err)
		}
	})
}

// What was not yielded is not in the state: it comes again.
func TestWatchStateHoldsOnlyWhatWasYielded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		alerts := since(start, map[string][2]time.Duration{"a": {-2 * time.Second, 0}, "b": {-time.Second, 0}})
		var state []byte
		w := ops.Watch{Request: ops.Request{Query: backends.Query{Since: start.Add(-time.Minute)}}, Now: time.Now, Save: func(b []byte) error { state = b; return nil }}
		err := fleet(&fakeDriver{alerts: alerts}).WatchAlerts(t.Context(), w, func(a *model.Alert) bool { return a.ID == "a" }) // the reader goes at b
		if err != nil {
			t.Fatal(err)
		}
		w.Saved = state
		if got := watchFor(t, time.Minute, w, alerts); got["b"] != 1 {
			t.Errorf("came %v after the restart", got)
		}
	})
}

func TestHostsWhoseClockIsAheadAreNamed(t *testing.T) {
	alert := func(id string, at time.Time, host string) *model.Alert {
		return &model.Alert{Origin: model.Origin{ID: id}, Time: model.At(at), Host: &model.Host{Name: host}}
	}
	all := []*model.Alert{alert("1", epoch.Add(2*time.Hour), "WS-1"), alert("2", epoch.Add(time.Hour), "WS-1"), alert("3", epoch.Add(30*time.Second), "WS-2"), alert("4", epoch, "WS-3")}
	st := fleet(&fakeDriver{alerts: func() []*model.Alert { return all }}).Alerts(t.Context(), ops.Request{Now: epoch, Query: backends.Query{Since: epoch.Add(-time.Hour)}})
	if n := len(slices.Collect(st.Records())); n != 4 {
		t.Errorf("%d alerts", n)
	}
	if got, want := ops.AheadNotice(st.Outcomes()), "records are stamped later than now, the clock is ahead on WS-1 (by 2h0m)"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestWatchEndsWhenNobodyCanAnswer(t *testing.T) {
	var reported []string
	err := fleet(mute{}).WatchAlerts(t.Context(), ops.Watch{Now: time.Now, Trouble: func(p string, err error) { reported = append(reported, p) }},
		func(*model.Alert) bool { return true })
	var all *ops.AllFailedError
	if !errors.As(err, &all) || len(reported) != 1 {
		t.Errorf("%v, told %v", err, reported)
	}
}

func TestCount(t *testing.T) {
	f := fleet(&fakeDriver{alerts: fixed(every(11, time.Second, 0))}, &fakeDriver{alerts: fixed(every(22, time.Second, 0))})
	counts, outcomes := f.CountAlerts(t.Context(), ops.Request{Query: backends.Query{Limit: 2}}, "backend")
	if len(counts) != 1 || counts[0] != (model.Count{Value: "memory", Count: 33}) || len(outcomes) != 2 {
		t.Errorf("%v %v", counts, outcomes)
	}
}

// An alert on which several signatures fired counts under each of them, not
// under the first alone.
func TestCountEverySignature(t *testing.T) {
	fired := func(id string, rules ...string) *model.Alert {
		a := &model.Alert{Origin: model.Origin{ID: id}, Title: strings.Join(rules, ", "), Rule: &model.Named{Name: rules[0]}}
		for _, r := range rules {
			a.Indicators = append(a.Indicators, model.Indicator{Name: r, Value: r, Type: "signature"})
		}
		return a
	}
	plain := &model.Alert{Origin: model.Origin{ID: "4"}, Title: "t", Rule: &model.Named{ID: "7"}, Indicators: []model.Indicator{{Value: "aa", Type: "md5"}}}
	f := fleet(&fakeDriver{alerts: fixed([]*model.Alert{fired("1", "A", "B"), fired("2", "B"), fired("3", "C", "B", "B"), plain, {Title: "no rule"}})})
	counts, _ := f.CountAlerts(t.Context(), ops.Request{}, "rule")
	want := []model.Count{{Value: "B", Count: 3}, {Value: "7", Count: 1}, {Value: "A", Count: 1}, {Value: "C", Count: 1}, {Value: "no rule", Count: 1}}
	if !slices.Equal(counts, want) {
		t.Errorf("%v, want %v", counts, want)
	}
}

// A renewed profile is asked through a new driver, and both are closed.
func TestRenew(t *testing.T) {
	built, closed := 0, 0
	f := &ops.Fleet{Sources: []*ops.Source{ops.NewSource("p", "mute", false, func() (backends.Driver, error) {
		built++
		return &shut{closed: &closed}, nil
	})}}
	for range 3 {
		if _, err := f.Sources[0].Driver(); err != nil {
			t.Fatal(err)
		}
	}
	f.Renew("p")
	f.Renew("other")
	if _, err := f.Sources[0].Driver(); err != nil || built != 2 {
		t.Fatalf("built %d times, %v", built, err)
	}
	if err := f.Close(); err != nil || closed != 2 {
		t.Fatalf("closed %d, %v", closed, err)
	}
}

type shut struct {
	mute
	closed *int
}

func (s *shut) Close() error {
	*s.closed++
	return nil
}
