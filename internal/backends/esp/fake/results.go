package fake

import (
	"fmt"
	"net/http"
	"sort"
	"strconv"
	"strings"
	"time"
)

// selection is a set of results, oldest first: a range, or the picked ones.
type selection struct {
	lo, hi int
	picked []int32
	list   bool
}

func (x selection) len() int {
	if x.list {
		return len(x.picked)
	}
	return x.hi - x.lo
}

// at gives the index of the k-th, oldest first.
func (x selection) at(k int) int {
	if x.list {
		return int(x.picked[k])
	}
	return x.lo + k
}

// resultCache keeps the last selections: pages of one list ask again and again.
type resultCache struct {
	keys []string
	sets map[string]selection
}

func (c *resultCache) get(key string) (selection, bool) {
	x, ok := c.sets[key]
	return x, ok
}

func (c *resultCache) put(key string, x selection) {
	if c.sets == nil {
		c.sets = map[string]selection{}
	}
	if len(c.keys) >= 32 {
		delete(c.sets, c.keys[0])
		c.keys = c.keys[1:]
	}
	c.keys = append(c.keys, key)
	c.sets[key] = x
}

// question is which results are asked for.
type question struct {
	node     int // 0 = all
	query    string
	from, to time.Time // inclusive; zero = open
	cond     *matcher  // nil = all
	term     string    // any cell
	column   string
	values   []string
	removed  bool // rows with action removed as well
}

func (q question) key(lo, hi int) string {
	cond := ""
	if q.cond != nil {
		cond = q.cond.text
	}
	return fmt.Sprint(q.node, "|", q.query, "|", lo, "|", hi, "|", cond, "|", q.term, "|", q.column, "|", q.values, "|", q.removed)
}

// find selects results. Results after the server's clock do not exist yet.
func (s *Server) find(q question) selection {
	res := s.data.Results
	if res == nil {
		return selection{}
	}
	now := s.now()
	s.mu.Lock()
	purged := s.st.Purged
	s.mu.Unlock()
	if a, skewed := res.(*arrivals); skewed {
		return s.findSkewed(q, a, purged)
	}
	hi := sort.Search(res.Len(), func(i int) bool { return res.TimeAt(i).After(now) })
	lo := 0
	if !q.to.IsZero() {
		hi = min(hi, sort.Search(res.Len(), func(i int) bool { return res.TimeAt(i).After(q.to) }))
	}
	if from := q.from; !from.IsZero() || !purged.IsZero() {
		if from.Before(purged) {
			from = purged
		}
		lo = sort.Search(res.Len(), func(i int) bool { return !res.TimeAt(i).Before(from) })
	}
	if lo >= hi {
		return selection{}
	}
	if q.node == 0 && q.query == "" && q.cond.all() && q.term == "" && q.column == "" && q.removed {
		return selection{lo: lo, hi: hi}
	}
	key := q.key(lo, hi)
	s.mu.Lock()
	x, known := s.cache.get(key)
	s.mu.Unlock()
	if known {
		return x
	}
	x = selection{list: true}
	for i := lo; i < hi; i++ {
		if q.picks(res, i) {
			x.picked = append(x.picked, int32(i))
		}
	}
	s.mu.Lock()
	s.cache.put(key, x)
	s.mu.Unlock()
	return x
}

// picks tells whether row i answers the question, but for its time.
func (q question) picks(res Results, i int) bool {
	node, name := res.KeyAt(i)
	if q.node != 0 && node != q.node || q.query != "" && name != q.query {
		return false
	}
	if q.cond.all() && q.term == "" && q.column == "" && q.removed {
		return true
	}
	r := res.At(i)
	return (q.removed || r.Action != "removed") && q.cond.match(r.Columns) && anyCell(r.Columns, strings.ToLower(q.term)) && oneOf(r.Columns, q.column, q.values)
}

func anyCell(c Columns, lower string) bool {
	if lower == "" {
		return true
	}
	for i := range c {
		if strings.Contains(strings.ToLower(c[i].V), lower) {
			return true
		}
	}
	return false
}

func oneOf(c Columns, column string, values []string) bool {
	if column == "" {
		return true
	}
	v, ok := c.Get(column)
	if !ok {
		return false
	}
	for _, w := range values {
		if v == w {
			return true
		}
	}
	return false
}

// pageOf gives the indices of a page, newest first, and how many rows match
// as the count of the answer: with a cursor the ones below it.
func (s *Server) pageOf(x selection, start, limit int) (idx []int, count int) {
	n := x.len()
	skip := 0
	if s.offsets() {
		skip = min(max(start, 0), n)
		count = n
	} else {
		count = n
		if start > 0 {
			res := s.data.Results
			count = sort.Search(n, func(k int) bool { return res.At(x.at(k)).ID >= int64(start) })
			skip = n - count
		}
	}
	for k := n - 1 - skip; k >= 0 && len(idx) < limit; k-- {
		idx = append(idx, x.at(k))
	}
	return idx, count
}

// window reads duration, date and type (§7): both ends lie a day later than
// one would think. ok is false for a bad date.
func window(r *request, def time.Time) (from, to time.Time, ok bool) {
	date := r.str("date")
	base := def
	if date != "" {
		var err error
		base, err = time.ParseInLocation("2006-1-2", date, time.UTC)
		if err != nil {
			return from, to, false
		}
	} else if def.IsZero() {
		return from, to, true
	}
	base = base.Truncate(24 * time.Hour)
	length := map[int]time.Duration{1: time.Hour, 2: 24 * time.Hour, 3: 7 * 24 * time.Hour, 4: 30 * 24 * time.Hour}[r.num("duration", 3)]
	const shift = 24 * time.Hour
	if r.num("type", 2) == 1 {
		return base.Add(shift), base.Add(length + shift), true
	}
	return base.Add(shift - length), base.Add(shift), true
}

func badDate() reply { return nested(http.StatusBadRequest, "Date format passed is invalid!") }

// activity answers 13 and 15.
func (s *Server) activity(r *request, cond *matcher, message string) reply {
	from, to, good := window(r, s.now())
	if !good {
		return badDate()
	}
	q := question{query: r.str("query_name"), from: from, to: to, cond: cond, removed: true}
	if ident := r.str("host_identifier"); ident != "" {
		h := s.hostByIdentifier(ident)
		if h == nil {
			return fail("Please provide correct host identifier!")
		}
		q.node = h.ID
	}
	idx, count := s.pageOf(s.find(q), r.num("start", 0), r.num("limit", 100))
	layout := layoutSearch
	if s.opt.Edition == CE2 || s.opt.Edition == Enterprise {
		layout = layoutOld
	}
	b := make([]byte, 0, 1024*len(idx)+256)
	b = append(b, `{"status": "success", "message": `...)
	b = appendString(b, message)
	b = append(b, `, "data": {"count": `...)
	b = strconv.AppendInt(b, int64(count), 10)
	b = append(b, `, "results": [`...)
	for i, k := range idx {
		if i > 0 {
			b = append(b, ", "...)
		}
		res := s.data.Results.At(k)
		b = s.appendResult(b, &res, layout)
	}
	b = append(b, "]}}\n"...)
	return reply{raw: b}
}

func activitySearch(s *Server, r *request) reply {
	m, failed := parseConditions(r.args["conditions"], true)
	if failed != "" {
		return fail(failed)
	}
	return s.activity(r, m, "Successfully fetched the data through the payload given")
}

func indicatorSearch(s *Server, r *request) reply {
	return s.activity(r, equals(r.str("indicator_type"), fileLines(r)), "Successfully fetched the results through the hunt")
}

// fileLines reads an indicator file: one a line.
func fileLines(r *request) []string {
	var out []string
	for _, l := range strings.Split(string(r.files["file"].body), "\n") {
		if l = strings.TrimSpace(l); l != "" {
			out = append(out, l)
		}
	}
	return out
}

// hunt answers 9, 10 and 12: hosts with counts, or rows with host and query.
func (s *Server) hunt(r *request, cond *matcher, message string, paged bool) reply {
	if ident := r.str("host_identifier"); ident != "" {
		h := s.hostByIdentifier(ident)
		if h == nil {
			return fail("Please provide correct host identifier!")
		}
		if !r.has("query_name") {
			return fail("Please provide the query name")
		}
		x := s.find(question{node: h.ID, query: r.str("query_name"), cond: cond, removed: true})
		from, to := r.slice(x.len(), 100, !paged)
		rows := make([]Columns, 0, to-from)
		for k := from; k < to; k++ {
			rows = append(rows, s.data.Results.At(x.at(k)).Columns)
		}
		return ok(message, object{{"count", x.len()}, {"results", rows}})
	}
	x := s.find(question{cond: cond, removed: true})
	type key struct {
		node  int
		query string
	}
	counts := map[key]int{}
	for k := range x.len() {
		node, query := s.data.Results.KeyAt(x.at(k))
		counts[key{node, query}]++
	}
	var out []any
	for _, h := range s.data.Hosts {
		var queries []any
		for _, n := range sortedKeys(counts, func(k key) bool { return k.node == h.ID }, func(k key) string { return k.query }) {
			queries = append(queries, object{{"query_name", n}, {"count", counts[key{h.ID, n}]}})
		}
		if len(queries) > 0 {
			out = append(out, object{{"hostname", h.Name}, {"host_identifier", h.Identifier}, {"queries", queries}})
		}
	}
	if out == nil {
		return ok(message, nil)
	}
	return ok(message, out)
}

func sortedKeys[K comparable](m map[K]int, keep func(K) bool, name func(K) string) []string {
	var out []string
	for k := range m {
		if keep(k) {
			out = append(out, name(k))
		}
	}
	sort.Strings(out)
	return out
}

func searchRun(s *Server, r *request) reply {
	m, failed := parseConditions(r.args["conditions"], false)
	if failed == crashText {
		return crash()
	}
	if failed != "" {
		return fail(failed)
	}
	return s.hunt(r, m, "Successfully fetched the data through the payload given", false)
}

func huntIndicators(s *Server, r *request) reply {
	return s.hunt(r, equals(r.str("type"), parts(r.str("indicators"))), "Successfully fetched the results through the hunt", true)
}

func huntUpload(s *Server, r *request) reply {
	return s.hunt(r, equals(r.str("type"), fileLines(r)), "Successfully fetched the results through the hunt", true)
}

// activityCount answers 29.
func activityCount(s *Server, r *request) reply {
	h := s.hostArg(r)
	if h == nil {
		return fail("Please pass one of node id or host identifier!")
	}
	x := s.find(question{node: h.ID, removed: true})
	counts := map[string]int{}
	for k := range x.len() {
		_, query := s.data.Results.KeyAt(x.at(k))
		counts[query]++
	}
	out := []any{}
	for _, n := range sortedKeys(counts, func(string) bool { return true }, func(n string) string { return n }) {
		out = append(out, object{{"name", n}, {"count", counts[n]}})
	}
	return ok("Successfully fetched the count of schedule query results count of host identifier passed", out)
}

// recentActivity answers 30.
func recentActivity(s *Server, r *request) reply {
	h := s.hostArg(r)
	if h == nil {
		return fail("Please pass correct host identifier or node id to get the results")
	}
	if strings.ContainsRune(r.str("query_name")+r.str("searchterm")+r.str("column_value"), '\'') {
		return crash() // the SQL it is pasted into breaks
	}
	q := question{node: h.ID, query: r.str("query_name")}
	total := s.find(q).len()
	if r.has("column_name") && r.has("column_value") {
		q.column, q.values = r.str("column_name"), parts(r.str("column_value"))
	}
	categorized := s.find(q).len()
	q.term = r.str("searchterm")
	x := s.find(q)
	idx, _ := s.pageOf(x, r.num("start", 0), r.num("limit", 10))
	b := []byte(`{"status": "success", "message": "Successfully fetched the count of schedule query results count of host identifier passed", "data": {"count": `)
	b = strconv.AppendInt(b, int64(x.len()), 10)
	b = append(b, `, "total_count": `...)
	b = strconv.AppendInt(b, int64(total), 10)
	b = append(b, `, "categorized_count": `...)
	b = strconv.AppendInt(b, int64(categorized), 10)
	b = append(b, `, "results": [`...)
	for i, k := range idx {
		if i > 0 {
			b = append(b, ", "...)
		}
		res := s.data.Results.At(k)
		id := res.ID
		if s.offsets() {
			id = 0
		}
		b = appendShort(b, id, &res, layoutRecent)
	}
	return reply{raw: append(b, "]}}\n"...)}
}

// purge answers 16, which later editions removed.
func purge(s *Server, r *request) reply {
	if s.opt.Edition != CE2 && s.opt.Edition != Enterprise {
		return status(http.StatusGone, "This api has been removed, Please check the REST API documentation for more information about the new APIs")
	}
	before := s.now().Add(-time.Duration(r.num("days_of_data", 0)) * 24 * time.Hour)
	n := s.find(question{to: before, removed: true}).len()
	s.mu.Lock()
	s.st.Purged = before
	s.cache = resultCache{}
	s.mu.Unlock()
	return ok("Query result data is deleted successfully", n)
}
