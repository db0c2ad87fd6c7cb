package fake

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/edrctl/edrctl/internal/lazyregexp"
)

func rawJSON(s, def string) json.RawMessage {
	if !json.Valid([]byte(s)) || s == "" {
		return json.RawMessage(def)
	}
	return json.RawMessage(s)
}

func list(v []string) []string {
	if v == nil {
		return []string{}
	}
	return v
}

func (s *Server) ruleRow(r Rule) object {
	status, typ, platform := r.Status, r.Type, r.Platform
	if status == "" {
		status = "ACTIVE"
	}
	if typ == "" {
		typ = "DEFAULT"
	}
	if platform == "" {
		platform = "all"
	}
	alerters := r.Alerters
	if alerters == nil {
		alerters = []string{"debug"}
	}
	o := object{{"id", r.ID}, {"alerters", alerters}, {"conditions", rawJSON(r.Conditions, `{}`)}, {"description", r.Description}, {"name", r.Name}, {"severity", r.Severity}}
	modern := s.opt.Edition == CE3 || s.opt.Edition == CE4
	if modern {
		o = append(o, member{"platform", platform})
	}
	o = append(o, object{{"status", status}, {"updated_at", isoTime(r.Updated)}, {"type", typ}, {"tactics", list(r.Tactics)}, {"technique_id", r.TechniqueID}}...)
	if modern {
		o = append(o, member{"alert_description", r.AlertDescription})
	}
	return o
}

func rulesList(s *Server, r *request) reply {
	if !r.boolean("alerts_count", true) && s.opt.Edition == CE3 {
		return crash()
	}
	s.mu.Lock()
	all := slices.Clone(s.st.Rules)
	s.mu.Unlock()
	var match []Rule
	for _, x := range all {
		if t := r.str("searchterm"); t == "" || ilike(t, x.Name) {
			match = append(match, x)
		}
	}
	from, to := r.slice(len(match), len(match), true)
	rows := []any{}
	for _, x := range match[from:to] {
		rows = append(rows, append(s.ruleRow(x), member{"alerts_count", s.alertCount(func(a *Alert) bool { return a.RuleID == x.ID })}))
	}
	data := object{{"count", len(match)}, {"total_count", len(all)}, {"results", rows}}
	if s.opt.Edition == CE3 || s.opt.Edition == CE4 {
		data = append(data, member{"total_alerts", s.alertCount(func(a *Alert) bool { return a.RuleID > 0 })})
	}
	return ok("Successfully fetched the rules info", data)
}

func ruleGet(s *Server, r *request) reply {
	x := s.ruleByID(r.intPath("rule_id"))
	if x == nil {
		return fail("Rule with this id does not exist")
	}
	return ok("Successfully fetched the rules info", s.ruleRow(*x))
}

func (r *request) intPath(name string) int {
	n := 0
	for _, c := range r.path[name] {
		if c < '0' || c > '9' || n > 1<<30 {
			return 0
		}
		n = n*10 + int(c-'0')
	}
	return n
}

var technique = lazyregexp.New(`^T1\d{3}$`)

// ruleOperators are what rules take next to the search (§14).
var ruleOperators = []string{"equal", "not_equal", "begins_with", "not_begins_with", "contains", "not_contains", "ends_with", "not_ends_with",
	"is_empty", "is_not_empty", "less", "less_or_equal", "greater", "greater_or_equal", "matches_regex", "not_matches_regex",
	"matches_wildcard", "not_matches_wildcard", "is_ascii", "matches_phish_tank"}

func checkRule(v json.RawMessage, depth int) string {
	var g struct {
		Condition *string           `json:"condition"`
		Rules     []json.RawMessage `json:"rules"`
	}
	if json.Unmarshal(v, &g) != nil || g.Rules == nil || depth > 32 {
		return "'rules'"
	}
	if len(g.Rules) == 0 {
		return "A group contains no rules"
	}
	if g.Condition == nil || !strings.EqualFold(*g.Condition, "and") && !strings.EqualFold(*g.Condition, "or") {
		return "Unknown condition: " + argText(v)
	}
	for _, r := range g.Rules {
		var leaf map[string]json.RawMessage
		if json.Unmarshal(r, &leaf) != nil {
			return "'operator'"
		}
		if _, nested := leaf["rules"]; nested {
			if why := checkRule(r, depth+1); why != "" {
				return why
			}
			continue
		}
		op, sent := leaf["operator"]
		if !sent {
			return "'operator'"
		}
		value, sent := leaf["value"]
		if !sent {
			return "'value'"
		}
		if name := strings.TrimPrefix(argText(op), "column_"); !slices.Contains(ruleOperators, name) {
			return "Unsupported operator: " + argText(op)
		}
		if string(value) == `""` {
			return "Value should be provided!"
		}
	}
	return ""
}

// ruleFrom reads the arguments of 61 and 62; what is left out is empty.
func (s *Server) ruleFrom(r *request) (Rule, string) {
	x := Rule{Name: r.str("name"), Description: r.str("description"), Severity: r.str("severity"), Status: r.str("status"), Type: r.str("type"),
		Tactics: parts(r.str("tactics")), TechniqueID: r.str("technique_id"), Platform: r.str("platform"), Conditions: string(r.args["conditions"]), Updated: s.now(), AlertDescription: r.boolean("alert_description", false)}
	for _, id := range strings.Split(x.TechniqueID, ",") {
		if x.TechniqueID != "" && !technique.MatchString(id) {
			return x, "Technique id(s) provided is invalid, please provide valid technique id"
		}
	}
	if why := checkRule(r.args["conditions"], 0); why != "" {
		return x, why
	}
	x.Alerters = []string{"debug"}
	for _, a := range parts(r.str("alerters")) {
		if a != "debug" {
			x.Alerters = append(x.Alerters, a)
		}
	}
	return x, ""
}

func ruleAdd(s *Server, r *request) reply {
	x, why := s.ruleFrom(r)
	s.mu.Lock()
	defer s.mu.Unlock()
	top := 0
	for _, y := range s.st.Rules {
		if y.Name == x.Name {
			return fail("Rule with the name " + x.Name + " already exists!")
		}
		top = max(top, y.ID)
	}
	if why != "" {
		return fail(why)
	}
	if x.Severity == "" {
		x.Severity = "INFO"
	}
	x.ID = s.st.next("rule", top)
	s.st.Rules = append(s.st.Rules, x)
	return reply{json: object{{"status", "success"}, {"message", "Rule is added successfully"}, {"rule_id", x.ID}}}
}

func ruleSet(s *Server, r *request) reply {
	id := r.intPath("rule_id")
	old := s.ruleByID(id)
	if old == nil {
		return fail("Rule with this id does not exist")
	}
	x, why := s.ruleFrom(r)
	if why != "" {
		return fail(why)
	}
	x.ID = id
	if x.Status == "" {
		x.Status = old.Status // the only one that is kept
	}
	s.mu.Lock()
	for i := range s.st.Rules {
		switch {
		case s.st.Rules[i].ID == id:
			s.st.Rules[i] = x
		case s.st.Rules[i].Name == x.Name:
			s.mu.Unlock()
			return fail("Rule with the name " + x.Name + " already exists!")
		}
	}
	s.mu.Unlock()
	return ok("Successfully modified the rules info", s.ruleRow(x))
}

// ruleTactics asks MITRE on the internet; there is none here.
func ruleTactics(*Server, *request) reply { return crash() }
