package fake

import (
	"context"
	"encoding/json"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"sort"
	"strconv"
	"strings"
)

// eventQuery is what /events and /events/aggregations have in common.
type eventQuery struct {
	lo, hi int // rows lo <= i < hi are in the time window
	where  []condition
}

func (q *eventQuery) match(e *Event) bool {
	for _, c := range q.where {
		if !c(e) {
			return false
		}
	}
	return true
}

func (s *Server) eventQuery(v url.Values) (q eventQuery, ok bool) {
	from, _, ok1 := integer(v, "from_time")
	to, hasTo, ok2 := integer(v, "to_time")
	where, err := parseQuery(v.Get("q"), s.opt)
	if !ok1 || !ok2 || err != nil {
		return q, false
	}
	n := s.data.Events.Len()
	at := func(ms int64) int {
		return sort.Search(n, func(i int) bool { return s.data.Events.Millis(i) >= ms })
	}
	q = eventQuery{lo: at(s.millis(from)), hi: n, where: where}
	if hasTo { // the end belongs to the window
		end := s.millis(to)
		if s.opt.Seconds {
			end += 999
		}
		q.hi = max(q.lo, at(end+1))
	}
	// What has not arrived is not there yet.
	latest := s.opt.Clock().Add(s.opt.Conduct.Ahead())
	q.hi = max(q.lo, min(q.hi, at(latest.UnixMilli()+1)))
	if s.opt.Conduct.Skewed() {
		q.where = append(q.where, func(e *Event) bool { return s.arrived(e.Device, e.Timestamp) })
	}
	return q, true
}

func (s *Server) listEvents(w http.ResponseWriter, r *http.Request) {
	v := r.URL.Query()
	size, sized, ok := integer(v, "page_size")
	q, okQ := s.eventQuery(v)
	forward, okNext := true, true
	if v.Has("is_next") {
		switch v.Get("is_next") {
		case "true":
		case "false":
			forward = false
		default:
			okNext = false
		}
	}
	if !ok || !okQ || !okNext || sized && size < 1 {
		bad(w)
		return
	}
	if !sized || size > int64(s.opt.PageCap) {
		size = int64(s.opt.PageCap)
	}
	// step leads forward in the listing's own order.
	step, i := -1, q.hi-1
	if s.opt.Ascending {
		step, i = 1, q.lo
	}
	key := v.Get("next_key")
	back := !forward && v.Get("prev_key") != ""
	if back {
		key, step = v.Get("prev_key"), -step
	}
	if key != "" && !s.opt.IgnoreNextKey {
		at, known := s.data.Events.Find(key)
		if !known {
			bad(w)
			return
		}
		if i = at; !s.opt.InclusiveKey {
			i += step
		}
		if step < 0 {
			i = min(i, q.hi-1)
		} else {
			i = max(i, q.lo)
		}
	}
	s.writeRows(r.Context(), w, &q, i, step, int(size), back)
}

// writeRows streams matching rows of the window from i on; the page before a
// key is found backwards and written forwards.
func (s *Server) writeRows(ctx context.Context, w http.ResponseWriter, q *eventQuery, i, step, size int, back bool) {
	st := startStream(w, "[", "]")
	defer st.end()
	var held []*Event
	for n := 0; n < size && i >= q.lo && i < q.hi; i += step {
		if i%4096 == 0 && ctx.Err() != nil {
			return
		}
		e := s.data.Events.Row(i)
		if !q.match(e) {
			continue
		}
		n++
		if s.opt.Shuffled || back {
			held = append(held, e)
			continue
		}
		st.put(s.row(e))
	}
	if back {
		slices.Reverse(held)
	}
	if s.opt.Shuffled && len(held) > 1 {
		rng := rand.New(rand.NewPCG(7, uint64(len(held))))
		rng.Shuffle(len(held), func(a, b int) { held[a], held[b] = held[b], held[a] })
	}
	for _, e := range held {
		st.put(s.row(e))
	}
}

// row gives e as this server writes it.
func (s *Server) row(e *Event) any {
	if !s.opt.Seconds && !s.opt.NumericIDs {
		return e
	}
	c := *e
	c.Timestamp = s.time(c.Timestamp)
	if _, err := strconv.ParseInt(c.ID, 10, 64); err == nil && s.opt.NumericIDs {
		return struct {
			ID json.Number `json:"id"`
			*Event
		}{json.Number(c.ID), &c}
	}
	return &c
}

func (s *Server) eventDetail(w http.ResponseWriter, r *http.Request) {
	ids := r.URL.Query().Get("ids")
	if strings.TrimSpace(ids) == "" {
		bad(w)
		return
	}
	st := startStream(w, "[", "]")
	defer st.end()
	for _, id := range strings.Split(ids, ",") {
		if i, ok := s.data.Events.Find(strings.TrimSpace(id)); ok {
			if e := s.data.Events.Row(i); !s.opt.Conduct.Skewed() || s.arrived(e.Device, e.Timestamp) {
				st.put(s.row(e))
			}
		}
	}
}

func (s *Server) aggregate(w http.ResponseWriter, r *http.Request) {
	v := r.URL.Query()
	field := v.Get("field")
	value, known := map[string]func(*Event) any{
		"PROCESS_USER_NAME":   func(e *Event) any { return e.UserName },
		"PROCESS_PATH":        func(e *Event) any { return e.Path },
		"PROCESS_DEVICE_NAME": func(e *Event) any { return e.Device },
		"BASE_EVENT_TYPE":     func(e *Event) any { return e.BaseType },
		"ADAPTIVE_EVENT_TYPE": func(e *Event) any {
			if e.Adaptive == nil {
				return ""
			}
			return *e.Adaptive
		},
	}[field]
	q, ok := s.eventQuery(v)
	if !known || !ok {
		bad(w)
		return
	}
	counts := map[any]int{}
	for i := q.lo; i < q.hi; i++ {
		if i%4096 == 0 && r.Context().Err() != nil {
			return
		}
		if e := s.data.Events.Row(i); q.match(e) {
			if x := value(e); x != "" {
				counts[x]++
			}
		}
	}
	type bucket struct {
		value any
		count int
	}
	var buckets []bucket
	for x, n := range counts {
		buckets = append(buckets, bucket{x, n})
	}
	sort.Slice(buckets, func(i, j int) bool { return buckets[i].count > buckets[j].count })
	if n := s.opt.BucketCap; n > 0 && len(buckets) > n {
		buckets = buckets[:n]
	}
	name := "value"
	if s.opt.NamedBuckets {
		name = strings.ToLower(field)
	}
	out := []map[string]any{}
	for _, b := range buckets {
		out = append(out, map[string]any{"count": b.count, name: b.value})
	}
	writeJSON(w, out)
}
