package fake

import (
	"net/http"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/edrctl/edrctl/internal/faults"
)

// now gives what an alert is at this moment.
func (s *Server) alertState(a *Alert) alertNow {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n, changed := s.st.Alerts[a.ID]; changed {
		return n
	}
	st := a.Status
	if st == "" {
		st = "OPEN"
	}
	return alertNow{Status: st, Verdict: a.Verdict, Updated: a.Time}
}

// visible gives the alerts raised up to now, newest first.
func (s *Server) visible(keep func(*Alert) bool) []*Alert {
	var out []*Alert
	for i := range s.data.Alerts {
		a := &s.data.Alerts[i]
		if !s.raised(a) || s.alive(s.host(a.NodeID)) == nil || keep != nil && !keep(a) {
			continue
		}
		out = append(out, a)
	}
	sort.SliceStable(out, func(i, j int) bool {
		if !out[i].Time.Equal(out[j].Time) {
			return out[i].Time.After(out[j].Time)
		}
		return out[i].ID > out[j].ID
	})
	return out
}

// raised tells whether an alert is on the server by now.
func (s *Server) raised(a *Alert) bool {
	name := ""
	if h := s.host(a.NodeID); h != nil {
		name = h.Name
	}
	return !a.Time.Add(s.opt.Conduct.Lag(name)).After(s.now())
}

// resolveMeanwhile is the colleague who resolves the first page of many while
// the next one is asked for.
func (s *Server) resolveMeanwhile(page []*Alert) {
	if !s.opt.Conduct.Moves(faults.PagesResolve) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.moved {
		return
	}
	s.moved = true
	for _, a := range page {
		s.st.Alerts[a.ID] = alertNow{Status: "RESOLVED", Verdict: "FALSE POSITIVE", Updated: s.opt.Now().UTC()}
	}
}

func (s *Server) alertCount(keep func(*Alert) bool) int {
	n := 0
	for i := range s.data.Alerts {
		a := &s.data.Alerts[i]
		if s.raised(a) && keep(a) && s.alertState(a).Status != "RESOLVED" {
			n++
		}
	}
	return n
}

func (s *Server) alertByID(id string) *Alert {
	n, err := strconv.Atoi(id)
	if err != nil {
		return nil
	}
	for i := range s.data.Alerts {
		if a := &s.data.Alerts[i]; a.ID == n && s.raised(a) {
			return a
		}
	}
	return nil
}

func orNull(text string) any {
	if text == "" {
		return nil
	}
	return text
}

func (s *Server) ruleByID(id int) *Rule {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.st.Rules {
		if s.st.Rules[i].ID == id {
			r := s.st.Rules[i]
			return &r
		}
	}
	return nil
}

func (s *Server) alertRow(a *Alert, counts bool) object {
	st := s.alertState(a)
	var ruleID any
	if a.RuleID > 0 {
		ruleID = a.RuleID
	}
	created := dayFirst(a.Time)
	if s.opt.Edition == CE2 || s.opt.Edition == Enterprise {
		created = spaceTime(a.Time)
	}
	o := object{{"id", a.ID}}
	modern := s.opt.Edition == CE3 || s.opt.Edition == CE4
	if modern {
		o = append(o, member{"query_name", a.QueryName})
	}
	o = append(o, object{{"rule_id", ruleID}, {"node_id", a.NodeID}, {"severity", orNull(a.Severity)}, {"type", a.Type}}...)
	if modern {
		o = append(o, object{{"recon_queries", "null"}, {"result_log_uid", s.uuidOf(a)}}...)
	}
	o = append(o, object{{"source", a.Source}, {"status", st.Status}}...)
	if modern {
		o = append(o, object{{"verdict", orNull(st.Verdict)}, {"comment", orNull(st.Comment)}}...)
	}
	o = append(o, member{"created_at", created})
	if modern {
		o = append(o, member{"updated_at", dayFirst(st.Updated)})
	}
	if counts {
		o = append(o, member{"aggregated_events_count", len(a.Events)})
	}
	name := ""
	if h := s.host(a.NodeID); h != nil {
		name = h.Name
	}
	o = append(o, object{{"alerted_entry", a.Entry}, {"hostname", name}}...)
	if r := s.ruleByID(a.RuleID); r != nil {
		o = append(o, member{"rule", object{{"name", r.Name}, {"id", r.ID}}})
	} else if !modern {
		o = append(o, member{"rule", nil})
	}
	return o
}

func (s *Server) uuidOf(a *Alert) string {
	if len(a.Events) > 0 {
		if r, found := s.resultByID(a.Events[0]); found {
			return r.UUID
		}
	}
	return ""
}

// resultByID finds a stored row.
func (s *Server) resultByID(id int64) (Result, bool) {
	res := s.data.Results
	if res == nil {
		return Result{}, false
	}
	i := sort.Search(res.Len(), func(i int) bool { return res.At(i).ID >= id })
	if i == res.Len() {
		return Result{}, false
	}
	r := res.At(i)
	return r, r.ID == id
}

var sources = []string{"virustotal", "rule", "ibmxforce", "alienvault", "ioc"}

func alertsList(s *Server, r *request) reply {
	from, to, good := window(r, time.Time{})
	if !good {
		return badDate()
	}
	resolved := r.boolean("resolved", false)
	node, rule := 0, r.num("rule_id", 0)
	if ident := r.str("host_identifier"); ident != "" {
		h := s.hostByIdentifier(ident)
		if h == nil {
			return fail("No Host present for the host identifier given!")
		}
		node = h.ID
	}
	if q := r.str("query_name"); q != "" && !s.hasQuery(q) {
		return fail("No Query present for the query name given!")
	}
	if r.has("rule_id") && s.ruleByID(rule) == nil {
		return fail("No Rule present for the rule id given!")
	}
	ids := r.list("event_ids")
	term, source := strings.ToLower(r.str("searchterm")), r.str("source")
	total, match := 0, []*Alert(nil)
	for _, a := range s.visible(nil) {
		if (s.alertState(a).Status == "RESOLVED") != resolved || source != "" && a.Source != source ||
			node != 0 && a.NodeID != node || rule != 0 && a.RuleID != rule || r.str("query_name") != "" && a.QueryName != r.str("query_name") {
			continue
		}
		total++
		if !resolved && !from.IsZero() && (a.Time.Before(from) || a.Time.After(to)) {
			continue
		}
		if len(ids) > 0 && !slices.Contains(ids, strconv.Itoa(a.ID)) || term != "" && !s.alertMatches(a, term, source == "rule") {
			continue
		}
		match = append(match, a)
	}
	lo, hi := r.slice(len(match), 10, false)
	rows := []any{}
	for _, a := range match[lo:hi] {
		rows = append(rows, s.alertRow(a, r.boolean("events_count", true)))
	}
	if !resolved && hi < len(match) {
		s.resolveMeanwhile(match[lo:hi])
	}
	return ok("Data is fetched successfully", object{{"count", len(match)}, {"total_count", total}, {"results", rows}})
}

func (s *Server) hasQuery(name string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.ContainsFunc(s.st.Queries, func(q Query) bool { return q.Name == name })
}

// alertMatches is the searchterm of 89: severity and host names; the rule
// name only when source "rule" was sent.
func (s *Server) alertMatches(a *Alert, term string, ruleNames bool) bool {
	text := a.Severity
	if h := s.host(a.NodeID); h != nil && ilike(term, h.Name) {
		return true
	}
	if r := s.ruleByID(a.RuleID); ruleNames && r != nil && ilike(term, r.Name) {
		return true
	}
	return ilike(term, text)
}

func alertsResolve(s *Server, r *request) reply {
	resolve := r.boolean("resolve", false)
	modern := s.opt.Edition == CE3 || s.opt.Edition == CE4
	if resolve && modern && !r.has("verdict") {
		return nested(http.StatusBadRequest, "please provide user verdict is alert true positive or false postive")
	}
	for _, id := range r.list("alert_ids") {
		a := s.alertByID(id)
		if a == nil {
			continue // unknown ids are success all the same
		}
		n := s.alertState(a)
		n.Updated = s.now()
		if resolve {
			n.Status = "RESOLVED"
			if modern {
				n.Verdict, n.Comment = "FALSE POSITIVE", r.str("comment")
				if r.boolean("verdict", false) {
					n.Verdict = "TRUE POSITIVE"
				}
			}
		} else {
			n.Status, n.Verdict, n.Comment = "OPEN", "", ""
		}
		s.mu.Lock()
		s.st.Alerts[a.ID] = n
		s.mu.Unlock()
	}
	return ok("Alerts status is changed successfully", nil)
}

func alertGet(s *Server, r *request) reply {
	a := s.alertByID(r.path["alert_id"])
	if a == nil {
		return failNull("No Alerts present for the alert id given")
	}
	st := s.alertState(a)
	var ruleID any
	if a.RuleID > 0 {
		ruleID = a.RuleID
	}
	h := s.host(a.NodeID)
	o := object{{"query_name", a.QueryName}, {"message", a.Entry}, {"node_id", a.NodeID}, {"rule_id", ruleID}, {"severity", orNull(a.Severity)},
		{"created_at", spaceTime(a.Time)}, {"type", a.Type}, {"source", a.Source}, {"recon_queries", "null"}, {"status", st.Status}, {"source_data", object{}}}
	if h != nil {
		o = append(o, object{{"hostname", h.Name}, {"platform", h.Platform}}...)
	}
	if rule := s.ruleByID(a.RuleID); rule != nil && (s.opt.Edition == CE3 || s.opt.Edition == CE4) {
		o = append(o, member{"rule", object{{"name", rule.Name}, {"id", rule.ID}}})
	}
	return ok("Successfully fetched the Alerts data", o)
}

func alertsCount(s *Server, r *request) reply {
	from, to, good := window(r, time.Time{})
	if !good {
		return badDate()
	}
	resolved, host := r.boolean("resolved", false), s.hostByIdentifier(r.str("host_identifier"))
	counts := map[string]int{}
	for _, a := range s.visible(nil) {
		if (s.alertState(a).Status == "RESOLVED") == resolved && (host == nil || a.NodeID == host.ID) &&
			(!r.has("rule_id") || a.RuleID == r.num("rule_id", 0)) && (from.IsZero() || !a.Time.Before(from) && !a.Time.After(to)) {
			counts[a.Source]++
		}
	}
	out := []any{}
	for _, name := range sources {
		out = append(out, object{{"name", name}, {"count", counts[name]}})
	}
	return ok("Data is fetched successfully", object{{"alert_source", out}})
}

func alertsGraph(s *Server, r *request) reply {
	from, to, good := window(r, time.Time{})
	if !good {
		return badDate()
	}
	out := []any{}
	for _, a := range s.visible(func(a *Alert) bool { return a.Source == r.str("source") }) {
		if s.alertState(a).Status == "RESOLVED" || !from.IsZero() && (a.Time.Before(from) || a.Time.After(to)) {
			continue
		}
		class := map[string]string{"WARNING": "green-m", "CRITICAL": "yellow"}[a.Severity]
		out = append(out, object{{"start", float64(a.Time.UnixMicro()) / 1000}, {"content", ""}, {"event_id", a.ID}, {"className", class}})
	}
	return ok("Data is fetched successfully", out)
}

// alertEvents answers 94: the host's events within 30 s of the alerted one.
func alertEvents(s *Server, r *request) reply {
	a := s.alertByID(r.path["alert_id"])
	if a == nil {
		return fail("No Alert present for the alert id given")
	}
	when, hasTime := entryTime(a.Entry)
	var groups any
	if hasTime {
		x := s.find(question{node: a.NodeID, from: when.Add(-30 * time.Second), to: when.Add(30*time.Second + time.Second - 1)})
		by := map[string][]any{}
		for k := range x.len() {
			res := s.data.Results.At(x.at(k))
			if !strings.Contains(res.Name, "_events") {
				continue
			}
			by[res.Name] = append(by[res.Name], append(slices.Clone(res.Columns), KV{"date", res.Time.UTC().Format("Mon Jan _2 15:04:05 2006") + " UTC"}))
		}
		list := []any{}
		for _, name := range sortedNames(by) {
			list = append(list, object{{"name", name}, {"data", by[name]}})
		}
		groups = list
	}
	return ok("Successfully fetched the Alert's events data", object{{"schedule_query_data_list_obj", groups}, {"system_state_data_list", s.stateQueries(a.NodeID)}})
}

func sortedNames[V any](m map[string]V) []string {
	var out []string
	for k := range m {
		out = append(out, k)
	}
	sort.Strings(out)
	return out
}

func entryTime(c Columns) (time.Time, bool) {
	v, _ := c.Get("time")
	n, err := strconv.ParseInt(v, 10, 64)
	return time.Unix(n, 0).UTC(), err == nil
}

// stateQueries names the queries of a host that are not events.
func (s *Server) stateQueries(node int) []string {
	out := []string{}
	x := s.find(question{node: node, removed: true})
	for k := range x.len() {
		if _, name := s.data.Results.KeyAt(x.at(k)); !strings.Contains(name, "_events") && !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	return out
}

func alertState(s *Server, r *request) reply {
	a := s.alertByID(r.path["alert_id"])
	if a == nil {
		return fail("No Alert present for the alert id given")
	}
	out := []any{}
	for _, n := range s.stateQueries(a.NodeID) {
		out = append(out, object{{"query_name", n}, {"count", s.find(question{node: a.NodeID, query: n, removed: true}).len()}})
	}
	return ok("Successfully fetched the Alerted host state", out)
}

// alertedEvents answers 95. The ids of its rows count alerted events.
func alertedEvents(s *Server, r *request) reply {
	a := s.alertByID(r.path["alert_id"])
	if a == nil {
		return fail("No Alert present for the alert id given")
	}
	if strings.ContainsRune(r.str("query_name")+r.str("searchterm")+r.str("column_value"), '\'') {
		return crash()
	}
	type numbered struct {
		n int64
		r Result
	}
	by := map[string][]numbered{}
	for i, id := range a.Events {
		if res, found := s.resultByID(id); found {
			by[res.Name] = append(by[res.Name], numbered{int64(i + 1), res})
		}
	}
	const message = "Successfully fetched the Alert's events data"
	name := r.str("query_name")
	if name == "" {
		out := []any{}
		for _, n := range sortedNames(by) {
			out = append(out, object{{"query_name", n}, {"count", len(by[n])}})
		}
		return ok(message, out)
	}
	rows := by[name]
	slices.Reverse(rows)
	total := len(rows)
	rows = slices.DeleteFunc(rows, func(x numbered) bool {
		return !anyCell(x.r.Columns, strings.ToLower(r.str("searchterm"))) || r.has("column_value") && !oneOf(x.r.Columns, r.str("column_name"), parts(r.str("column_value")))
	})
	from, to := r.slice(len(rows), 10, false)
	b := []byte(`{"status": "success", "message": "` + message + `", "data": {"total_count": `)
	b = strconv.AppendInt(b, int64(total), 10)
	b = append(b, `, "count": `...)
	b = strconv.AppendInt(b, int64(len(rows)), 10)
	b = append(b, `, "results": [`...)
	for i, x := range rows[from:to] {
		if i > 0 {
			b = append(b, ", "...)
		}
		b = appendShort(b, x.n, &x.r, layoutEvents)
	}
	return reply{raw: append(b, "]}}\n"...)}
}
