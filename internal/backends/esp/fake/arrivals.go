package fake

import (
	"slices"
	"sort"
	"time"

	"github.com/edrctl/edrctl/internal/faults"
)

// arrivals are results whose hosts report late or whose clocks are wrong: in
// the order they reached the server, which numbers them so; each keeps its
// own time.
type arrivals struct {
	Results
	order []int32     // position by arrival -> position by time
	at    []time.Time // when it arrived
}

// byArrival puts the results of data into the order of their arrival.
func byArrival(data *Data, c faults.Conduct) *Data {
	out := *data
	res := data.Results
	if res == nil {
		return &out
	}
	names := map[int]string{}
	for i := range data.Hosts {
		names[data.Hosts[i].ID] = data.Hosts[i].Name
	}
	n := res.Len()
	arrived := make([]time.Time, n)
	a := &arrivals{Results: res, order: make([]int32, n), at: make([]time.Time, n)}
	for i := range n {
		node, _ := res.KeyAt(i)
		arrived[i] = res.TimeAt(i).Add(c.Lag(names[node]))
		a.order[i] = int32(i)
	}
	slices.SortStableFunc(a.order, func(x, y int32) int { return arrived[x].Compare(arrived[y]) })
	ids := map[int64]int64{} // number by time -> number by arrival
	wanted := map[int64]bool{}
	for i := range data.Alerts {
		for _, id := range data.Alerts[i].Events {
			wanted[id] = true
		}
	}
	for k, i := range a.order {
		a.at[k] = arrived[i]
		if id := res.At(int(i)).ID; wanted[id] {
			ids[id] = res.At(k).ID
		}
	}
	out.Results = a
	out.Alerts = slices.Clone(data.Alerts)
	for i := range out.Alerts {
		events := slices.Clone(out.Alerts[i].Events)
		for k, id := range events {
			events[k] = ids[id]
		}
		out.Alerts[i].Events = events
	}
	return &out
}

// At gives one, with the number of its place in the order of arrival.
func (a *arrivals) At(k int) Result {
	r := a.Results.At(int(a.order[k]))
	r.ID = a.Results.At(k).ID
	return r
}

// TimeAt gives the time of one; it does not rise from one to the next.
func (a *arrivals) TimeAt(k int) time.Time { return a.Results.TimeAt(int(a.order[k])) }

// KeyAt gives host and query of one.
func (a *arrivals) KeyAt(k int) (int, string) { return a.Results.KeyAt(int(a.order[k])) }

// findSkewed is find where the order of arrival is not that of time.
func (s *Server) findSkewed(q question, a *arrivals, purged time.Time) selection {
	now := s.now()
	x := selection{list: true}
	for k := range sort.Search(a.Len(), func(i int) bool { return a.at[i].After(now) }) {
		t := a.TimeAt(k)
		if !q.from.IsZero() && t.Before(q.from) || !q.to.IsZero() && t.After(q.to) || t.Before(purged) {
			continue
		}
		if q.picks(a, k) {
			x.picked = append(x.picked, int32(k))
		}
	}
	return x
}
