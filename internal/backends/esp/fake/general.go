package fake

import (
	"bytes"
	"encoding/base64"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"net/http"
	"path"
	"sort"
	"strconv"
	"strings"
	"time"
)

func keysGet(s *Server, _ *request) reply {
	s.mu.Lock()
	defer s.mu.Unlock()
	data := object{}
	if k := s.st.APIKeys["IBMxForceKey"]; k != "" {
		data = append(data, member{"ibmxforce", object{{"key", k}, {"pass", s.st.APIKeys["IBMxForcePass"]}}})
	}
	if k := s.st.APIKeys["vt_key"]; k != "" {
		data = append(data, member{"virustotal", object{{"key", k}}})
	}
	if k := s.st.APIKeys["otx_key"]; k != "" {
		data = append(data, member{"alienvault", object{{"key", k}}})
	}
	if len(data) == 0 {
		return ok("Threat Intel Keys are fetched successfully", nil)
	}
	return ok("Threat Intel Keys are fetched successfully", data)
}

func keysSet(s *Server, r *request) reply {
	if (r.str("IBMxForceKey") == "") != (r.str("IBMxForcePass") == "") {
		return reply{json: object{{"status", "failure"}, {"message", object{{"ibmxforce", "Both IBMxForceKey and IBMxForcePass are required!"}}}}}
	}
	s.mu.Lock()
	for _, k := range []string{"vt_key", "IBMxForceKey", "IBMxForcePass", "otx_key"} {
		if r.has(k) {
			s.st.APIKeys[k] = r.str(k)
		}
	}
	s.mu.Unlock()
	rep := keysGet(s, r)
	if e, is := rep.json.(envelope); is {
		e.Message = "Threat Intel keys are updated successfully"
		rep.json = e
	}
	return rep
}

func enginesGet(s *Server, _ *request) reply {
	s.mu.Lock()
	defer s.mu.Unlock()
	engines := object{}
	for _, n := range sortedNames(s.st.Engines) {
		engines = append(engines, member{n, object{{"status", s.st.Engines[n]}}})
	}
	return ok("virus total av engines are fetched successfully", object{{"min_match_count", s.st.MinMatch}, {"av_engines", engines}})
}

func enginesSet(s *Server, r *request) reply {
	if len(r.args) == 0 {
		return status(http.StatusBadRequest, "Please provide valid payload")
	}
	s.mu.Lock()
	s.st.MinMatch = r.num("min_match_count", s.st.MinMatch)
	s.mu.Unlock()
	var engines map[string]struct{ Status bool }
	if json.Unmarshal(r.args["av_engines"], &engines) != nil {
		return crash() // the numbers are stored all the same
	}
	s.mu.Lock()
	for n, e := range engines {
		s.st.Engines[n] = e.Status
	}
	s.mu.Unlock()
	return ok("successfully updated av engines", nil)
}

func settingsGet(s *Server, _ *request) reply {
	s.mu.Lock()
	defer s.mu.Unlock()
	data := object{}
	for _, n := range []string{"purge_data_duration", "alert_aggregation_duration"} {
		var v any = s.st.Settings[n]
		if s.opt.Edition == CE2 || s.opt.Edition == Enterprise {
			v, _ = strconv.Atoi(s.st.Settings[n])
		}
		data = append(data, member{n, v})
	}
	if s.opt.Edition == CE3 || s.opt.Edition == CE4 {
		data = append(data, object{{"sso_enable", "false"}, {"sso_configuration", object{}}}...)
	}
	return ok("Platform settings are fetched successfully", data)
}

func settingsSet(s *Server, r *request) reply {
	set := false
	s.mu.Lock()
	for _, n := range []string{"purge_data_duration", "alert_aggregation_duration", "sso_enable"} {
		if r.has(n) {
			s.st.Settings[n], set = r.str(n), true
		}
	}
	s.mu.Unlock()
	if !set {
		return fail("Please pass at least one of the settings to update")
	}
	return ok("Platform settings are updated successfully", nil)
}

// severities counts open alerts per source and severity.
func (s *Server) severities(keep func(*Alert) bool) object {
	out := object{}
	for _, src := range []string{"ioc", "rule", "virustotal", "ibmxforce", "alienvault"} {
		o := object{}
		total := 0
		for _, sev := range []string{"INFO", "LOW", "WARNING", "CRITICAL"} {
			n := s.alertCount(func(a *Alert) bool { return a.Source == src && a.Severity == sev && (keep == nil || keep(a)) })
			o, total = append(o, member{sev, n}), total+n
		}
		out = append(out, member{src, append(o, member{"TOTAL", total})})
	}
	return out
}

func dashboard(s *Server, _ *request) reply {
	rules, hosts, queries := map[string]int{}, map[string]int{}, map[string]int{}
	for _, a := range s.visible(func(a *Alert) bool { return s.alertState(a).Status != "RESOLVED" }) {
		if r := s.ruleByID(a.RuleID); r != nil {
			rules[r.Name]++
		}
		if h := s.host(a.NodeID); h != nil {
			hosts[h.Identifier]++
		}
		queries[a.QueryName]++
	}
	top := func(m map[string]int, name string) []any {
		names := sortedNames(m)
		sort.SliceStable(names, func(i, j int) bool { return m[names[i]] > m[names[j]] })
		out := []any{}
		for _, n := range names[:min(len(names), 5)] {
			out = append(out, object{{name, n}, {"count", m[n]}})
		}
		return out
	}
	online, platforms := 0, map[string]int{}
	all := s.enabledHosts(true)
	for _, h := range all {
		if s.isActive(h) {
			online++
		}
		platforms[h.Platform]++
	}
	plat := []any{}
	for _, n := range sortedNames(platforms) {
		plat = append(plat, object{{"os_name", n}, {"count", platforms[n]}})
	}
	s.mu.Lock()
	purge := s.st.Settings["purge_data_duration"]
	s.mu.Unlock()
	return ok("Data is fetched successfully", object{
		{"alert_data", object{{"top_five", object{{"rule", top(rules, "rule_name")}, {"hosts", top(hosts, "host_identifier")}, {"query", top(queries, "query_name")}}}, {"source", s.severities(nil)}}},
		{"purge_duration", purge},
		{"distribution_and_status", object{{"hosts_platform_count", plat}, {"hosts_status_count", object{{"online", online}, {"offline", len(all) - online}}}}},
	})
}

func hostDistribution(s *Server, r *request) reply {
	h := s.hostRef(r.path["host"])
	if h == nil {
		return noHost()
	}
	of := func(a *Alert) bool { return a.NodeID == h.ID }
	counts := map[string]int{}
	for _, a := range s.visible(of) {
		if rule := s.ruleByID(a.RuleID); rule != nil && s.alertState(a).Status != "RESOLVED" {
			counts[rule.Name]++
		}
	}
	rules := []any{}
	for _, n := range sortedNames(counts) {
		rules = append(rules, object{{"name", n}, {"count", counts[n]}})
	}
	return ok("Alerts distribution details are fetched for the host", object{{"sources", s.severities(of)}, {"rules", rules}})
}

func emailGet(s *Server, _ *request) reply {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.st.Email == nil {
		return ok("Successfully fetched the email configuration", nil)
	}
	return ok("Successfully fetched the email configuration", s.st.Email)
}

func emailSet(s *Server, r *request) reply {
	if strings.HasPrefix(r.str("smtpAddress"), "127.") || r.str("smtpAddress") == "localhost" {
		return fail("Please check the smtp settings and credentials provided and also provider's additional security verifications needed")
	}
	data := object{{"emailRecipients", splitCSV(r.str("emailRecipients"))}, {"email", r.str("email")}, {"smtpAddress", r.str("smtpAddress")},
		{"password", base64.StdEncoding.EncodeToString([]byte(r.str("password"))) + "\n"}, {"smtpPort", r.num("smtpPort", 25)},
		{"use_ssl", r.boolean("use_ssl", false)}, {"use_tls", r.boolean("use_tls", false)}}
	b, err := json.Marshal(data)
	if err != nil {
		return crash()
	}
	s.mu.Lock()
	s.st.Email = b
	s.mu.Unlock()
	return ok("Successfully updated the details", data)
}

func emailTest(_ *Server, r *request) reply {
	if strings.HasPrefix(r.str("smtpAddress"), "127.") || r.str("smtpAddress") == "localhost" {
		return fail("Please check the smtp settings and credentials provided and also complete the provider's additional security verifications needed")
	}
	return ok("A Test mail is sent to the recipients successfully", nil)
}

func splitCSV(s string) []string {
	out := trimmed(s)
	if out == nil {
		return []string{}
	}
	return out
}

func trimmed(s string) []string {
	var out []string
	for _, p := range strings.Split(s, ",") {
		if p = strings.TrimSpace(p); p != "" {
			out = append(out, p)
		}
	}
	return out
}

// The CSV exports (§8).

func csvReply(name string, rows [][]string) reply {
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	w.UseCRLF = true
	for _, r := range rows {
		_ = w.Write(r)
	}
	w.Flush()
	return reply{raw: b.Bytes(), ctype: "text/csv; charset=utf-8", header: http.Header{"Content-Disposition": {"attachment; filename=" + name}}}
}

// columnsCSV writes rows as the result exports do: the header is the union of
// all keys, a row is only as long as the header was when it was written.
func columnsCSV(name string, rows []Columns) reply {
	var header []string
	at := map[string]int{}
	var lines [][]string
	for _, c := range rows {
		for _, kv := range c {
			if _, known := at[kv.K]; !known {
				at[kv.K] = len(header)
				header = append(header, kv.K)
			}
		}
		line := make([]string, len(header))
		for _, kv := range c {
			line[at[kv.K]] = kv.V
		}
		lines = append(lines, line)
	}
	if len(lines) == 0 {
		return reply{raw: []byte("\r\n"), ctype: "text/csv; charset=utf-8", header: http.Header{"Content-Disposition": {"attachment; filename=" + name}}}
	}
	return csvReply(name, append([][]string{header}, lines...))
}

func (s *Server) rowsOf(q question) []Columns {
	x := s.find(q)
	out := make([]Columns, 0, x.len())
	for k := range x.len() {
		out = append(out, s.data.Results.At(x.at(k)).Columns)
	}
	return out
}

const unpack = "too many values to unpack (expected 1)"

func huntExport(s *Server, r *request) reply {
	if s.opt.Edition == CE3 {
		return fail(unpack)
	}
	h := s.hostByIdentifier(r.str("host_identifier"))
	if h == nil {
		return fail("Please provide correct host identifier!")
	}
	return columnsCSV("hunt_query_results.csv", s.rowsOf(question{node: h.ID, query: r.str("query_name"), cond: equals(r.str("type"), fileLines(r)), removed: true}))
}

func indicatorExport(s *Server, r *request) reply {
	if s.opt.Edition == CE3 {
		return fail("Unable to export results for given indicators - " + unpack)
	}
	from, to, good := window(r, s.now())
	if !good {
		return badDate()
	}
	q := question{query: r.str("query_name"), from: from, to: to, cond: equals(r.str("indicator_type"), fileLines(r)), removed: true}
	if h := s.hostByIdentifier(r.str("host_identifier")); h != nil {
		q.node = h.ID
	}
	return columnsCSV("indicators.csv", s.rowsOf(q))
}

func resultsExport(s *Server, r *request) reply {
	h := s.hostByIdentifier(r.str("host_identifier"))
	if h == nil {
		return fail("Results can't be retrieved for the Payload given! May be data is empty")
	}
	rows := s.rowsOf(question{node: h.ID, query: r.str("query_name"), removed: true})
	switch {
	case len(rows) == 0:
		return fail("Results can't be retrieved for the Payload given! May be data is empty")
	case s.opt.Edition == CE3:
		return crash()
	}
	return columnsCSV(r.str("query_name")+".csv", rows)
}

func hostSearchExport(s *Server, r *request) reply {
	h := s.hostArg(r)
	if h == nil {
		return fail("At least one of host identifier or node id is required!")
	}
	q := question{node: h.ID, query: r.str("query_name"), removed: true}
	if r.has("conditions") {
		m, failed := parseConditions(r.args["conditions"], true)
		if failed == crashText {
			return crash()
		}
		if failed != "" {
			return fail(failed)
		}
		q.cond = m
	}
	if r.has("column_value") {
		q.column, q.values = r.str("column_name"), splitCSV(r.str("column_value"))
	}
	rows := s.rowsOf(q)
	if len(rows) == 0 {
		return fail("There are no matching results for the payload given")
	}
	return columnsCSV("results.csv", rows)
}

// pyList is a list as Python prints it.
func pyList(list []string) string {
	q := make([]string, len(list))
	for i, s := range list {
		q[i] = "'" + s + "'"
	}
	return "[" + strings.Join(q, ", ") + "]"
}

func hostsExport(s *Server, _ *request) reply {
	old := s.opt.Edition == CE2 || s.opt.Edition == Enterprise
	rows := [][]string{{"ID", "Host Name", "Host Identifier", "State", "Health", "Alerts Count", "Operating System", "Last IP", "Tags", "Platform"}}
	if old {
		rows = [][]string{{"Host_Identifier", "os", "last_ip", "tags", "id", "health", "platform"}}
	}
	for _, h := range s.enabledHosts(true) {
		n := s.alertCount(func(a *Alert) bool { return a.NodeID == h.ID })
		tags := pyList(s.hostTags(h.ID))
		if old {
			health := "True"
			if n > 0 {
				health = "False"
			}
			rows = append(rows, []string{h.Name, h.OSName, h.LastIP, tags, strconv.Itoa(h.ID), health, h.Platform})
			continue
		}
		state, health := "offline", "Safe"
		if s.isActive(h) {
			state = "online"
		}
		if n > 0 {
			health = "Unsafe"
		}
		rows = append(rows, []string{strconv.Itoa(h.ID), h.Name, h.Identifier, state, health, strconv.Itoa(n), h.OSName, h.LastIP, tags, h.Platform})
	}
	return csvReply("nodes.csv", rows)
}

func pyDict(c Columns) string {
	parts := make([]string, len(c))
	for i, kv := range c {
		parts[i] = "'" + kv.K + "': '" + strings.ReplaceAll(kv.V, `\`, `\\`) + "'"
	}
	return "{" + strings.Join(parts, ", ") + "}"
}

func alertsExport(s *Server, r *request) reply {
	from, to, good := window(r, time.Time{})
	if !good {
		return badDate()
	}
	rows := [][]string{{"query_name", "alerted_entry", "node", "severity", "type", "created_at", "updated_at", "result_log_uid", "source", "status", "verdict", "comment", "rule"}}
	host := s.hostByIdentifier(r.str("host_identifier"))
	for _, a := range s.visible(func(a *Alert) bool { return a.Source == r.str("source") }) {
		st := s.alertState(a)
		if st.Status == "RESOLVED" || host != nil && a.NodeID != host.ID || !from.IsZero() && (a.Time.Before(from) || a.Time.After(to)) {
			continue
		}
		node, rule := "", ""
		if h := s.host(a.NodeID); h != nil {
			node = fmt.Sprintf("{'id': %d, 'display_name': '%s', 'host_identifier': '%s'}", h.ID, h.Name, h.Identifier)
		}
		if x := s.ruleByID(a.RuleID); x != nil {
			rule = fmt.Sprintf("{'name': '%s', 'id': %d}", x.Name, x.ID)
		}
		rows = append(rows, []string{a.QueryName, pyDict(a.Entry), node, a.Severity, a.Type, spaceTime(a.Time), spaceTime(st.Updated), s.uuidOf(a), a.Source, st.Status, st.Verdict, st.Comment, rule})
	}
	if len(rows) == 1 {
		return fail("Data couldn't find for the alert source given!")
	}
	return csvReply("alerts_"+r.str("source")+".csv", rows)
}

func alertedEventsExport(s *Server, r *request) reply {
	a := s.alertByID(r.path["alert_id"])
	if a == nil {
		return fail("No Alert present for the alert id given")
	}
	var rows []Columns
	for _, id := range a.Events {
		if res, found := s.resultByID(id); found && res.Name == r.str("query_name") && anyCell(res.Columns, strings.ToLower(r.str("searchterm"))) {
			rows = append(rows, res.Columns)
		}
	}
	if len(rows) == 0 {
		return fail("There are no matching results for the payload given")
	}
	return columnsCSV("alerted_events.csv", rows)
}

// statusLogsExport answers 38: a task whose file is announced by a WebSocket.
func statusLogsExport(s *Server, r *request) reply {
	h := s.hostArg(r)
	if h == nil {
		return crash()
	}
	rows := [][]string{{"line", "message", "severity", "filename", "created", "version"}}
	for _, l := range s.data.Logs {
		if l.NodeID == h.ID {
			rows = append(rows, []string{strconv.Itoa(l.Line), l.Message, strconv.Itoa(l.Severity), l.Filename, fmt.Sprint(isoTime(l.Created)), l.Version})
		}
	}
	s.mu.Lock()
	n := s.st.next("task", 0)
	task := fmt.Sprintf("929e5634-2d21-4f3a-923d-%012d", n)
	if len(rows) > 1 {
		file := fmt.Sprintf("status_log/status_log_%d_%s.csv", h.ID, s.now().Format("2006-01-02_15:04:05.000000"))
		s.st.Files["task:"+task] = file
		s.st.Files[file] = string(csvReply("", rows).raw)
	}
	s.mu.Unlock()
	return reply{json: object{{"status", "Success"}, {"message", "Downloading will be completed in sometime"}, {"task_id", task}}}
}

// download answers /downloads/…, which asks for no token.
func (s *Server) download(name string) reply {
	s.count("downloads.get")
	s.mu.Lock()
	body, known := s.st.Files[path.Clean(name)]
	s.mu.Unlock()
	if !known || strings.HasPrefix(name, "task:") {
		return reply{code: http.StatusNotFound, ctype: "text/html", raw: []byte("<html>\r\n<head><title>404 Not Found</title></head>\r\n<body>\r\n<center><h1>404 Not Found</h1></center>\r\n<hr><center>nginx/1.22.1</center>\r\n</body>\r\n</html>\r\n")}
	}
	return reply{raw: []byte(body), ctype: "application/octet-stream"}
}
