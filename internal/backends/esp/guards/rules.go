package guards

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/backends/esp/reply"
	"github.com/edrctl/edrctl/internal/backends/esp/rules"
	"github.com/edrctl/edrctl/internal/backends/esp/wire"
	"github.com/edrctl/edrctl/internal/lazyregexp"
	"github.com/edrctl/edrctl/internal/model"
	"github.com/edrctl/edrctl/internal/shellquote"
)

// ruleMembers are what 61 takes, in the order they are shown; all that are
// left out of a request are reset.
var ruleMembers = []string{
	"name", "description", "severity", "status", "type", "tactics", "technique_id", "alerters", "platform", "alert_description", "recon_queries", "conditions",
}

var techniqueID = lazyregexp.New(`^T1\d{3}$`)

// tacticNames are the words of ATT&CK the server knows (§15).
var tacticNames = []string{
	"initial-access", "execution", "persistence", "privilege-escalation", "defense-evasion", "credential-access", "discovery", "lateral-movement",
	"collection", "command-and-control", "exfiltration", "impact",
}

// checkRuleArgs refuses what 61 and 62 take and cannot use.
func (g *Call) checkRuleArgs() error {
	for _, name := range []string{"tactics", "technique_id", "alerters"} {
		if g.has(name) {
			g.args[name] = strings.Join(csvList(g.text(name)), ",") // blanks are refused by the server
		}
	}
	if g.has("name") && strings.TrimSpace(g.text("name")) == "" {
		return g.invalid("the name is empty")
	}
	for _, id := range csvList(g.text("technique_id")) {
		if !techniqueID.MatchString(id) {
			e := g.invalid("technique_id: the server takes no %q", id)
			if base, _, sub := strings.Cut(id, "."); sub && techniqueID.MatchString(base) {
				e.Hint = "it knows no sub-techniques: write " + base
			} else {
				e.Hint = "it is written T1059"
			}
			return e
		}
	}
	for _, t := range csvList(g.text("tactics")) {
		if !slices.Contains(tacticNames, t) {
			e := g.invalid("tactics: %q is none", t)
			e.Hint = "one of " + strings.Join(tacticNames, " ")
			return e
		}
	}
	for _, a := range csvList(g.text("alerters")) {
		if !slices.Contains([]string{"debug", "rsyslog", "email"}, a) {
			e := g.invalid("alerters: %q is none", a)
			e.Hint = "one of debug rsyslog email; debug is always there"
			return e
		}
	}
	if g.has("conditions") {
		checked, warnings, err := rules.Check(g.args["conditions"])
		if err != nil {
			return rules.RefusalError(g.What, err)
		}
		g.args["conditions"] = checked
		for _, w := range warnings {
			g.warn("%s", w)
		}
	}
	if g.text("severity") != "" && g.text("platform") != "" && !slices.Contains([]string{"all", "windows", "linux", "darwin"}, g.text("platform")) {
		return g.invalid("platform: %q is none of all windows linux darwin", g.text("platform"))
	}
	return nil
}

// ruleNamed finds a rule by its exact name (59 looks for parts of names).
func (g *Call) ruleNamed(ctx context.Context, name string) (id string, err error) {
	err = g.list(ctx, "rules.list", map[string]any{"searchterm": name}, func(v []byte) error {
		var w wire.Rule
		if err := json.Unmarshal(v, &w); err != nil {
			return reply.Malformed(g.What, err)
		}
		if string(w.Name) == name {
			id = string(w.ID)
		}
		return nil
	})
	return id, err
}

func guardRuleAdd(ctx context.Context, g *Call) error {
	g.drop("id", "updated_at", "alerts_count")
	switch {
	case strings.TrimSpace(g.text("name")) == "":
		return g.invalid("a rule needs a name")
	case !g.has("conditions"):
		e := g.invalid("a rule needs conditions")
		e.Hint = rules.GroupHint
		return e
	}
	if err := g.checkRuleArgs(); err != nil {
		return err
	}
	name := g.text("name")
	id, err := g.ruleNamed(ctx, name)
	if err != nil {
		return err
	}
	if id != "" {
		e := g.invalid("rule %s is called %q already", id, name)
		e.Hint = shellquote.Join("edrctl rules update", id) + " changes it"
		return e
	}
	g.Preview.Summary = "adds the rule " + oneLine(name) + ", severity " + wire.FirstOf(g.text("severity"), "INFO") + ", " + strings.ToLower(wire.FirstOf(g.text("status"), "ACTIVE"))
	g.Done = func(ctx context.Context) (bool, error) {
		id, err := g.ruleNamed(ctx, name)
		return id != "", err
	}
	return nil
}

// ruleNow reads a rule as the call would have to be written to keep it.
func (g *Call) ruleNow(ctx context.Context) (now map[string]any, basis string, err error) {
	a, err := g.read(ctx, "rules.get", map[string]any{"rule_id": g.args["rule_id"]})
	if err != nil {
		return nil, "", err
	}
	row, err := wire.Members(a.Data)
	if err != nil {
		return nil, "", reply.Malformed(g.What, err)
	}
	now = map[string]any{}
	for _, name := range ruleMembers {
		v, told := row[name]
		if !told || v == nil {
			continue
		}
		switch name {
		case "tactics", "alerters":
			if now[name], err = csvText(v); err != nil {
				return nil, "", g.invalid("%s: %v", name, err)
			}
		default:
			now[name] = v
		}
	}
	delete(row, "alerts_count")
	return now, canonical(row), nil
}

func guardRuleSet(ctx context.Context, g *Call) error {
	g.drop("id", "updated_at", "alerts_count")
	if !g.has("rule_id") {
		return g.invalid("rule_id is missing")
	}
	if err := g.checkRuleArgs(); err != nil {
		return err
	}
	now, found, err := g.ruleNow(ctx)
	if err != nil {
		return err
	}
	given := map[string]any{}
	for _, name := range ruleMembers {
		if g.has(name) {
			given[name] = g.args[name]
			continue
		}
		if v, is := now[name]; is {
			g.args[name] = v
		}
	}
	if len(given) == 0 {
		e := g.invalid("it changes nothing: no member of the rule is given")
		e.Hint = "for example severity, status, conditions"
		return e
	}
	if !g.has("recon_queries") {
		g.warn("the server does not tell a rule's recon_queries: they are reset unless they are given")
	}
	if !g.has("conditions") {
		return g.invalid("the server tells no conditions of the rule, and it takes none without")
	}
	if _, isNew := given["conditions"]; !isNew {
		// What is there may be one of those that never fire: it is kept, and told.
		if _, _, err := rules.Check(now["conditions"]); err != nil {
			g.warn("the rule as it is cannot work: %v", err)
		}
	}
	list := changes(ruleMembers, now, g.args)
	if len(list) == 0 {
		g.Preview.Nothing = "the rule is so already"
	}
	g.Preview.Summary = "changes rule " + g.text("rule_id") + " " + oneLine(now["name"]) + ": " + strings.Join(list, "; ")
	g.Basis, g.Found = func(ctx context.Context) (string, error) {
		_, b, err := g.ruleNow(ctx)
		return b, err
	}, found
	g.warn("%s", between)
	wanted := g.args
	g.Done = func(ctx context.Context) (bool, error) {
		now, _, err := g.ruleNow(ctx)
		if err != nil {
			return false, err
		}
		return len(changes(without(ruleMembers, "recon_queries", "alerters", "conditions"), now, wanted)) == 0 && sameConditions(now["conditions"], wanted["conditions"]), nil
	}
	return nil
}

// sameConditions compares what is evaluated of conditions.
func sameConditions(a, b any) bool {
	strip := func(v any) string {
		var walk func(v any) any
		walk = func(v any) any {
			switch t := v.(type) {
			case map[string]any:
				out := map[string]any{}
				for k, e := range t {
					if !slices.Contains([]string{"id", "type", "input", "valid"}, k) {
						out[k] = walk(e)
					}
				}
				return out
			case []any:
				out := make([]any, len(t))
				for i := range t {
					out[i] = walk(t[i])
				}
				return out
			}
			return v
		}
		return canonical(walk(v))
	}
	return strip(a) == strip(b)
}

func without(list []string, drop ...string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(s string) bool { return slices.Contains(drop, s) })
}

// guardResolve: without resolve the call opens alerts again (§17.90).
func guardResolve(_ context.Context, g *Call) error {
	ids, _ := g.args["alert_ids"].([]any)
	if len(ids) == 0 {
		return g.invalid("alert_ids names no alert")
	}
	for _, id := range ids {
		if s := backends.Text(id); !wire.IsNumber(s) {
			return g.invalid("alert_ids: %q is not a number of an alert", s)
		}
	}
	g.args["alert_ids"] = numbers(ids)
	if !g.has("resolve") {
		e := g.invalid("without resolve the server opens the alerts again")
		e.Hint = "say resolve true or false"
		return e
	}
	open := g.text("resolve") != "true"
	word := "resolves"
	if open {
		word = "opens again"
		g.warn("what verdict the alerts have is lost")
	} else if !g.has("verdict") && g.server.Setting("edition") != wire.EditionCE2 {
		g.warn("editions since 3.5 refuse it without a verdict")
	}
	g.Preview.Summary = word + " " + model.Amount(len(ids), "alert", "alerts")
	g.Done = func(ctx context.Context) (bool, error) {
		for _, id := range ids {
			a, err := g.server.Alert(ctx, backends.Text(id), false)
			if err != nil {
				return false, err
			}
			if a.StatusNative == "" {
				return false, errors.New("the alert tells no status")
			}
			if strings.EqualFold(a.StatusNative, "OPEN") != open {
				return false, nil
			}
		}
		return true, nil
	}
	return nil
}

// numbers makes JSON numbers of what may have been given as text.
func numbers(list []any) []any {
	out := make([]any, len(list))
	for i, v := range list {
		out[i] = json.Number(backends.Text(v))
	}
	return out
}
