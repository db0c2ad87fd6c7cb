package esp_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/backends/esp/fake"
	"github.com/edrctl/edrctl/internal/faults"
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

// A host that comes back brings old rows under new ids: they are what follows
// a number, whatever their time, and no others are. A server that pages by
// offset does not show that its ids fall, and gives no number.
func TestRowsAfterANumber(t *testing.T) {
	for _, edition := range []string{fake.CE3, fake.CE2} {
		data := small()
		data.Hosts = append(data.Hosts, fake.Host{ID: 2, Identifier: "AAAA-2", Name: "two", Platform: "windows", OSName: "Windows"})
		row := func(i, host int, at time.Time) fake.Result {
			return fake.Result{ID: int64(101 + i), Name: "win_dns_events", Time: at, Action: "added", NodeID: host, Columns: fake.Columns{
				{K: "eid", V: fmt.Sprintf("00000000-0000-0000-0000-%012d", i)}, {K: "time", V: fmt.Sprint(at.Unix())}, {K: "domain_name", V: ".x.example"},
			}}
		}
		list := fake.List{row(0, 2, anchor.Add(-9*24*time.Hour-150*time.Second))}
		for i := 1; i < 40; i++ {
			list = append(list, row(i, 1, anchor.Add(-time.Duration(40-i)*time.Minute)))
		}
		data.Results = list
		late, err := faults.Parse("late=216h:host=two") // it arrives third to last
		if err != nil {
			t.Fatal(err)
		}
		d := newDriver(t, serve(t, fake.New(data, fake.Options{Now: func() time.Time { return anchor }, Edition: edition, Conduct: late.Conduct("esp")})), at)
		last, err := d.LastArrival(t.Context())
		if edition == fake.CE2 {
			if backends.KindOf(err) != backends.KindUnsupported {
				t.Errorf("%s: %d, %v", edition, last, err)
			}
			continue
		}
		if err != nil || last != 140 {
			t.Fatalf("the last arrival is %d, %v", last, err)
		}
		l, err := d.Events(t.Context(), backends.Query{After: 136})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for e, err := range l.Seq {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, e.ID[len(e.ID)-2:])
		}
		if fmt.Sprint(got) != "[39 38 00 37]" {
			t.Errorf("after 136 came %v", got)
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

// Without a limit the driver gives events newest first itself, from a file when
// they are many: each once, with its host and its JSON.
func TestEventsNewestFirst(t *testing.T) {
	data := small()
	const n = 9000
	var list fake.List
	for i := range n {
		reported := anchor.Add(-time.Duration(n-i) * 30 * time.Second) // three days
		happened := reported.Add(-time.Duration(i%50) * time.Minute)
		list = append(list, fake.Result{ID: int64(1 + i), Name: "win_dns_events", Time: reported, Action: "added", NodeID: 1, Columns: fake.Columns{
			{K: "eid", V: fmt.Sprintf("00000000-0000-0000-0000-%012d", i)}, {K: "time", V: fmt.Sprint(happened.Unix())}, {K: "domain_name", V: ".x.example"}, {K: "filler", V: strings.Repeat("x", 400)},
		}})
	}
	data.Results = list
	d := newDriver(t, serve(t, fakeAt(data)), func(o *backends.Options) { at(o); o.StateDir = t.TempDir() })
	l, err := d.Events(t.Context(), backends.Query{Since: anchor.Add(-5 * 24 * time.Hour), Until: anchor, Raw: true})
	if err != nil || l.Settled != nil {
		t.Fatalf("the listing leaves the order to its caller, %v", err)
	}
	seen, last := map[string]bool{}, model.Time{}
	for e, err := range l.Seq {
		if err != nil {
			t.Fatal(err)
		}
		if !last.IsZero() && e.Time.After(last.Time) {
			t.Fatalf("%s of %v comes after %v", e.ID, e.Time, last)
		}
		if e.Host == nil || e.Host.Name == "" || !strings.Contains(string(e.Raw), e.ID) {
			t.Fatalf("%s has host %+v and JSON %s", e.ID, e.Host, e.Raw)
		}
		seen[e.ID], last = true, e.Time
	}
	if len(seen) < n {
		t.Errorf("%d events of %d", len(seen), n)
	}
}
