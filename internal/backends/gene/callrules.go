package gene

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/backends/gene/wire"
	"github.com/edrctl/edrctl/internal/client"
	"github.com/edrctl/edrctl/internal/generule"
)

// storedRules reads the rules of these names as the manager keeps them. Each
// name is compiled, anchored and quoted: a wrong regular expression kills the
// connection of older managers (trap 17).
func (d *Driver) storedRules(ctx context.Context, names []string) (map[string]json.RawMessage, error) {
	out := map[string]json.RawMessage{}
	for from := 0; from < len(names); from += 20 {
		var quoted []string
		for _, n := range names[from:min(from+20, len(names))] {
			quoted = append(quoted, regexp.QuoteMeta(n))
		}
		query, err := nameQuery("^(?:" + strings.Join(quoted, "|") + ")$")
		if err != nil {
			return nil, err
		}
		var docs []json.RawMessage
		if _, err := d.get(ctx, "/rules", query, &docs); err != nil {
			return nil, err
		}
		for _, doc := range docs {
			var r wire.Rule
			if err := json.Unmarshal(doc, &r); err != nil {
				return nil, backends.Malformed("", "a rule is not of the promised shape")
			}
			if slices.Contains(names, r.Name) {
				out[r.Name] = doc
			}
		}
	}
	return out, nil
}

// planRules is rules.add. Rules are checked here with the whole of the
// language: what an older manager refuses it shows all the same, and a later
// save writes it to its disk, after which nothing reloads (traps 14 and 20).
func (d *Driver) planRules(ctx context.Context, what string, c backends.Call) (*callPlan, error) {
	parsed, err := generule.Parse(bodyText(c, "rules"))
	if err != nil {
		return nil, backends.Invalid(what, err.Error())
	}
	update, activate := isTrue(c.Args["update"]), isTrue(c.Args["activate"])
	dia, err := d.dialect(ctx)
	if err != nil {
		return nil, err
	}
	p := &callPlan{}
	rules, problems := convertRules(parsed, dia, p)
	if len(problems) > 0 {
		e := backends.Invalid(what+": nothing was sent", strings.Join(problems, "; "))
		e.Hint = "edrctl rules test -f FILE says the same without a manager"
		return nil, e
	}
	return d.planConverted(ctx, what, p, rules, update, activate)
}

// convertedRules are rules in the dialect of a manager.
type convertedRules struct {
	dialect dialect
	names   []string
	bodies  [][]byte
}

// convertRules writes rules in a dialect; p gets the warnings about them.
func convertRules(parsed []*generule.Parsed, dia dialect, p *callPlan) (_ convertedRules, problems []string) {
	var names []string
	var bodies [][]byte
	for i, r := range parsed {
		name := r.Name
		if name == "" {
			name = fmt.Sprintf("number %d", i+1)
		}
		for _, e := range r.Errors {
			problems = append(problems, "rule "+name+": "+e)
		}
		if len(r.Errors) > 0 {
			continue
		}
		convert := r.To1
		if dia.schema2 {
			convert = r.To2
		}
		converted, notes, err := convert()
		if err != nil {
			problems = append(problems, "rule "+name+": this manager takes schema "+map[bool]string{true: "2", false: "1"}[dia.schema2]+", and "+err.Error())
			continue
		}
		for _, w := range append(slices.Clone(r.Warnings), notes...) {
			p.warnings = append(p.warnings, "rule "+name+": "+w)
		}
		if len(r.Actions) > 0 && !dia.actions {
			p.warnings = append(p.warnings, "rule "+name+": this manager has no Actions: they are left out")
		}
		names = append(names, r.Name)
		bodies = append(bodies, converted.JSON(dia.actions))
	}
	return convertedRules{dia, names, bodies}, problems
}

// planConverted compares rules with what the manager has, and plans the rest.
func (d *Driver) planConverted(ctx context.Context, what string, p *callPlan, rules convertedRules, update, activate bool) (*callPlan, error) {
	dia, names, bodies := rules.dialect, rules.names, rules.bodies
	stored, err := d.storedRules(ctx, names)
	if err != nil {
		return nil, err
	}
	var there, missing []string
	same := true
	for i, n := range names {
		doc, ok := stored[n]
		if ok {
			there = append(there, n)
		} else {
			missing = append(missing, n)
		}
		same = same && ok && sameRule(doc, bodies[i], dia)
	}
	switch {
	case same && len(there) == len(names):
		p.nothing = "the manager has " + ruleWord(names) + " exactly so"
		return p, nil
	case !update && len(there) > 0:
		e := backends.Invalid(what+": nothing was sent", "the manager has "+ruleWord(there)+" already, and would show the refused one under that name")
		e.Hint = "edrctl rules update -f FILE replaces it"
		return nil, e
	case update && activate && len(missing) > 0:
		p.warnings = append(p.warnings, ruleWord(missing)+" is not there yet, and is added")
	}
	rules.steps(p, update, activate)
	return p, nil
}

// steps adds what must be sent, in its order, to a plan.
func (rules convertedRules) steps(p *callPlan, update, activate bool) {
	dia, names, bodies := rules.dialect, rules.names, rules.bodies
	query := wire.QueryOf()
	if update {
		query.Set("update", "true")
	}
	req := client.Call{Method: http.MethodPost, Path: "/rules", Query: query, ContentType: "application/json"}
	verb := "adds "
	if update {
		verb = "replaces "
	}
	step := callStep{does: verb + ruleWord(names)}
	if dia.array {
		req.Body = append(append([]byte("["), bytes.Join(bodies, []byte(","))...), ']')
		step.req, step.does = req, step.does+": live and kept at once"
		p.steps = []callStep{step}
		p.warnings = append(p.warnings, "the manager empties all reports")
		p.check = func(data json.RawMessage) error { return keptRules(data, names) }
		p.summarise()
		return
	}
	req.Body = bytes.Join(bodies, []byte("\n"))
	step.req = req
	step.recovery = "edrctl api rules.reload forgets what was refused; do not save before it"
	p.steps = []callStep{step}
	switch {
	case activate && update:
		p.steps = append(p.steps, reloadStep("the rules are on the manager's disk and not in use"))
	case activate:
		p.steps = append(p.steps, saveStep(), reloadStep("the rules are on the manager's disk and in use there; agents do not get them yet"))
	case update:
		p.warnings = append(p.warnings, "the rules are written to the manager's disk, and used only after rules.reload")
	default:
		p.warnings = append(p.warnings, "agents get the rules only after rules.save and then rules.reload; a reload without a save forgets them")
	}
	if activate {
		p.warnings = append(p.warnings, "the reload empties all reports")
	}
	p.summarise()
}

func saveStep() callStep {
	return callStep{
		req: client.Call{Path: "/rules/save", Acts: true}, does: "saves the rules on the manager's disk",
		recovery: "the rules are in use on the manager, and forgotten at its next reload: edrctl rules save, then edrctl rules reload",
	}
}

func reloadStep(state string) callStep {
	return callStep{req: client.Call{Path: "/rules/reload", Acts: true}, does: "reloads the engine", recovery: state + ": edrctl rules reload tries again"}
}

func ruleWord(names []string) string {
	if len(names) == 1 {
		return "rule " + names[0]
	}
	shown := names
	more := ""
	if len(shown) > 5 {
		shown, more = shown[:5], ", …"
	}
	return fmt.Sprintf("%d rules (%s%s)", len(names), strings.Join(shown, ", "), more)
}

// sameRule compares a rule as it is kept with one that would be sent.
func sameRule(stored, body []byte, dia dialect) bool {
	a, err := generule.Parse(stored)
	if err != nil || len(a) != 1 || len(a[0].Errors) > 0 {
		return false
	}
	b, err := generule.Parse(body)
	if err != nil || len(b) != 1 {
		return false
	}
	x, y := a[0].Rule, b[0].Rule
	x.Meta.Criticality, y.Meta.Criticality = min(x.Meta.Criticality, 10), min(y.Meta.Criticality, 10)
	if x.Version() != y.Version() {
		return false
	}
	return bytes.Equal(x.JSON(dia.actions), y.JSON(dia.actions))
}

// keptRules compares the answer of a newer manager with what was sent.
func keptRules(data json.RawMessage, names []string) error {
	var got []wire.Rule
	if err := json.Unmarshal(data, &got); err != nil {
		return ambiguous("", "the answer holds no rules")
	}
	var have []string
	for _, r := range got {
		have = append(have, r.Name)
	}
	for _, n := range names {
		if !slices.Contains(have, n) {
			return &backends.Error{What: "the manager took the request", Why: "but does not say that it keeps rule " + n}
		}
	}
	return nil
}

// planRuleDelete is rules.delete: a rule that is deleted and then saved before
// a reload is there again, so nothing but a reload follows.
func (d *Driver) planRuleDelete(ctx context.Context, what string, c backends.Call) (*callPlan, error) {
	name := backends.Text(c.Args["name"])
	if name == "" {
		return nil, backends.Invalid(what, "the name of the rule is empty")
	}
	dia, err := d.dialect(ctx)
	if err != nil {
		return nil, err
	}
	stored, err := d.storedRules(ctx, []string{name})
	if err != nil {
		return nil, err
	}
	p := &callPlan{}
	if stored[name] == nil {
		if dia.array {
			return nil, backends.NotFound("rule", name)
		}
		// Disabled rules are invisible there, and can be deleted all the same.
		p.warnings = append(p.warnings, "the manager does not list rule "+name+": it is disabled, or not there")
	}
	req := client.Call{Method: http.MethodDelete, Path: "/rules", Query: wire.QueryOf("name", name)}
	p.steps = []callStep{{req: req, does: "deletes rule " + name}}
	switch {
	case dia.array:
		p.warnings = append(p.warnings, "the manager empties all reports")
		p.check = func(data json.RawMessage) error {
			if string(bytes.TrimSpace(data)) == "[]" {
				return backends.NotFound("rule", name)
			}
			return nil
		}
	case isTrue(c.Args["activate"]):
		p.steps = append(p.steps, reloadStep("the rule is off the manager's disk, and still in use"))
		p.warnings = append(p.warnings, "the reload empties all reports")
	default:
		p.warnings = append(p.warnings, "the rule is in use until rules.reload; rules.save before that brings it back")
	}
	p.summarise()
	return p, nil
}

// planSave is rules.save: it writes everything the manager shows, also what
// it refused, after which no reload works.
func (d *Driver) planSave(ctx context.Context, what string, _ backends.Call) (*callPlan, error) {
	dia, err := d.dialect(ctx)
	if err != nil {
		return nil, err
	}
	if dia.array {
		return nil, &backends.Error{Kind: backends.KindUnsupported, What: what, Why: "this manager keeps every change of the rules at once", Hint: "nothing needs to be saved"}
	}
	bad, err := d.brokenRules(ctx, dia)
	if err != nil {
		return nil, err
	}
	if len(bad) > 0 {
		e := backends.Invalid(what+": nothing was sent", "the manager shows rules that it refused, and would write them to its disk, after which it cannot reload: "+strings.Join(bad, "; "))
		e.Hint = "edrctl rules reload forgets them; then add and save the others again"
		return nil, e
	}
	p := &callPlan{steps: []callStep{saveStep()}}
	p.warnings = []string{"a rule that was deleted and not reloaded since is written again: reload first"}
	p.summarise()
	return p, nil
}

// brokenRules finds rules among those shown that no engine would take.
func (d *Driver) brokenRules(ctx context.Context, dia dialect) ([]string, error) {
	var docs []json.RawMessage
	if _, err := d.get(ctx, "/rules", nil, &docs); err != nil {
		return nil, err
	}
	var bad []string
	for _, doc := range docs {
		list, err := generule.Parse(doc)
		if err != nil {
			return nil, backends.Malformed("", "a rule is not of the promised shape")
		}
		for _, r := range list {
			switch {
			case r.Name == "":
				// Taken under the empty name: odd, but it loads.
			case len(r.Errors) > 0:
				bad = append(bad, r.Name+": "+r.Errors[0])
			case dia.schema2 && r.Version() != 2:
				bad = append(bad, r.Name+": it is of schema 1")
			}
		}
	}
	return bad, nil
}

// planReload is rules.reload: what was added and not saved is forgotten.
func (d *Driver) planReload(ctx context.Context, what string, _ backends.Call) (*callPlan, error) {
	dia, err := d.dialect(ctx)
	if err != nil {
		return nil, err
	}
	if dia.array {
		return nil, &backends.Error{Kind: backends.KindUnsupported, What: what, Why: "this manager uses every change of the rules at once", Hint: "nothing needs to be reloaded"}
	}
	p := &callPlan{steps: []callStep{reloadStep("the manager continues with the rules it had")}}
	p.warnings = []string{"rules that were added and not saved are forgotten", "all reports are emptied"}
	p.summarise()
	return p, nil
}
