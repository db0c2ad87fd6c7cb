package esp_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/backends/esp/fake"
	"github.com/edrctl/edrctl/internal/filter"
	"github.com/edrctl/edrctl/internal/model"
)

// Rows come in the order of their arrival: a host that reports late brings
// older events under newer ids. The listing says so, and what it calls
// settled is.
func TestEventsComeInTheOrderOfArrival(t *testing.T) {
	data := small()
	data.Hosts = append(data.Hosts, fake.Host{ID: 2, Identifier: "AAAA-2", Name: "two", Platform: "windows", OSName: "Windows"})
	var list fake.List
	for i := range 2000 {
		reported := anchor.Add(-time.Duration(2000-i) * 2 * time.Minute) // three days
		happened := reported
		if i%3 == 0 {
			happened = happened.Add(-time.Duration(i%50) * time.Minute)
		}
		list = append(list, fake.Result{ID: int64(1 + i), Name: "win_dns_events", Time: reported, Action: "added", NodeID: 1 + i%2, Columns: fake.Columns{
			{K: "eid", V: fmt.Sprintf("00000000-0000-0000-0000-%012d", i)}, {K: "time", V: fmt.Sprint(happened.Unix())}, {K: "domain_name", V: ".x.example"},
		}})
	}
	data.Results = list
	d := newDriver(t, serve(t, fakeAt(data)), at)
	for _, host := range []string{"", "*", "two"} {
		q := backends.Query{Since: anchor.Add(-4 * 24 * time.Hour), Until: anchor, Limit: 12}
		if host != "" {
			if err := q.Filter.Add(filter.Host, host); err != nil {
				t.Fatal(err)
			}
		}
		l, err := d.Events(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		if len(l.Plan.Requests) < 4 {
			t.Errorf("--host %q is not asked for day by day: %q", host, l.Plan.Requests)
		}
		if l.Settled == nil {
			t.Fatal("the listing claims to be newest first")
		}
		n, back, last := 0, 0, model.Time{}
		for e, err := range l.Seq {
			if err != nil {
				t.Fatal(err)
			}
			if !last.IsZero() && e.Time.After(last.Time) {
				back++
			}
			n, last = n+1, e.Time
			if f := l.Settled(); !f.IsZero() && !e.Time.Before(f) {
				t.Errorf("%s of %v came after everything from %v on was called settled", e.ID, e.Time, f)
			}
		}
		want := 2000
		if host == "two" {
			want = 1000
		}
		if n != want || back == 0 {
			t.Errorf("--host %q: %d events, want %d; %d steps back", host, n, want, back)
		}
	}
}

func TestUserIsMatchedByItsNumber(t *testing.T) {
	data := small()
	data.Results = fake.List{{ID: 1, Name: "process_events", Time: anchor.Add(-time.Minute), Action: "added", NodeID: 1, Columns: fake.Columns{
		{K: "uid", V: "1000"}, {K: "pid", V: "7"}, {K: "path", V: "/bin/sh"}, {K: "time", V: fmt.Sprint(anchor.Add(-time.Minute).Unix())}}}}
	d := newDriver(t, serve(t, fakeAt(data)), at)
	for user, want := range map[string]int{"1000": 1, "=1000": 1, "1001": 0} {
		var f filter.Filter
		if err := f.Add(filter.User, user); err != nil {
			t.Fatal(err)
		}
		if got := matching(t, d, f); got != want {
			t.Errorf("--user %s: %d events, want %d", user, got, want)
		}
	}
}

func matching(t *testing.T, d backends.EventSearcher, f filter.Filter) (n int) {
	t.Helper()
	l, err := d.Events(t.Context(), backends.Query{Since: anchor.Add(-time.Hour), Until: anchor, Filter: f})
	if err != nil {
		t.Fatal(err)
	}
	for e, err := range l.Seq {
		if err != nil {
			t.Fatal(err)
		}
		if l.Plan.Residual.Match(e) {
			n++
		}
	}
	return n
}
