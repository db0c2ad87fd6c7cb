package esp

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"strings"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/backends/esp/reply"
	"github.com/edrctl/edrctl/internal/backends/esp/rules"
	"github.com/edrctl/edrctl/internal/backends/esp/wire"
	"github.com/edrctl/edrctl/internal/client"
	"github.com/edrctl/edrctl/internal/filter"
	"github.com/edrctl/edrctl/internal/model"
)

// Rules lists the rules (59). alerts_count is always true: false is a 500 in
// 3.5.1.
func (d *Driver) Rules(ctx context.Context, q backends.Query) (backends.Listing[*model.Rule], error) {
	const what = "cannot list rules"
	limit := reply.ListPage
	req := wire.ListRequest{Start: new(int), Limit: &limit, AlertsCount: model.Ptr(true), SearchTerm: ruleTerm(q.Filter)}
	l := backends.Listing[*model.Rule]{Plan: backends.Plan{
		Requests: []string{d.session.Describe(http.MethodPost, "/rules", req) + " …"}, Residual: q.Filter,
	}}
	l.Seq = func(yield func(*model.Rule, error) bool) {
		seen, stopped := map[string]bool{}, false
		err := d.eachRule(ctx, what, req, func(r *model.Rule, v []byte) bool {
			if seen[r.ID] {
				return true
			}
			seen[r.ID] = true
			if q.Raw {
				r.Raw = append(json.RawMessage(nil), v...)
			}
			stopped = !yield(r, nil)
			return !stopped
		})
		if err != nil && !stopped {
			yield(nil, err)
		}
	}
	return l, nil
}

// ruleTerm: 59 looks for a substring of the name; --rule also matches the id.
func ruleTerm(f filter.Filter) string { return alertTerm(f) }

func (d *Driver) eachRule(ctx context.Context, what string, req wire.ListRequest, each func(*model.Rule, []byte) bool) error {
	return reply.OffsetPages(ctx, what, reply.ListPage, func(ctx context.Context, start, limit int) (*reply.Page, error) {
		req.Start, req.Limit = &start, &limit
		return d.session.AskPage(ctx, what, "/rules", req)
	}, func(v []byte) (bool, error) {
		r, err := readRule(what, v)
		if err != nil {
			return false, err
		}
		return each(r, v), nil
	})
}

// Rule reads one rule by number (60) or by its exact name.
func (d *Driver) Rule(ctx context.Context, id string, raw bool) (*model.Rule, error) {
	what := "cannot read rule " + id
	if wire.IsNumber(id) {
		a, err := d.session.Ask(ctx, what, "/rules/"+id, client.Call{})
		if err != nil {
			return nil, err
		}
		if wire.KindOf(a.Data) != '{' {
			return nil, backends.Malformed(what, "the answer carries no rule")
		}
		r, err := readRule(what, a.Data)
		if err == nil && raw {
			r.Raw = append(json.RawMessage(nil), a.Data...)
		}
		return r, err
	}
	var found *model.Rule
	limit := reply.ListPage
	req := wire.ListRequest{Start: new(int), Limit: &limit, AlertsCount: model.Ptr(true)}
	err := d.eachRule(ctx, what, req, func(r *model.Rule, v []byte) bool {
		if r.Name != id {
			return true
		}
		found = r
		if raw {
			r.Raw = append(json.RawMessage(nil), v...)
		}
		return false
	})
	if err != nil {
		return nil, err
	}
	if found == nil {
		return nil, backends.NotFound("rule", id)
	}
	return found, nil
}

func readRule(what string, v []byte) (*model.Rule, error) {
	var w wire.Rule
	if err := json.Unmarshal(v, &w); err != nil {
		return nil, reply.Malformed(what, err)
	}
	if w.ID == "" {
		return nil, backends.Malformed(what, "a rule without an id")
	}
	r := &model.Rule{Name: string(w.Name), Description: string(w.Description), Type: string(w.Type)}
	r.ID = string(w.ID)
	if w.Status != "" {
		r.Enabled = model.Ptr(strings.EqualFold(string(w.Status), "ACTIVE"))
	}
	s := model.ScoreLabel(string(w.Severity))
	r.Score, r.Severity = s.Score, s.Severity
	r.Attack = attack(wire.SplitCSV(string(w.TechniqueID)), wire.Strings(w.Tactics))
	var b bytes.Buffer
	if wire.KindOf(w.Conditions) == '{' && json.Compact(&b, w.Conditions) == nil {
		r.Condition = b.String()
	}
	if p := string(w.Platform); p != "" && p != "all" {
		r.Tags = []string{p}
	}
	r.Updated = parseTime(string(w.UpdatedAt))
	return r, nil
}

// attack pairs techniques with tactics. The server keeps two lists without
// saying which belongs to which: one tactic serves all techniques, lists of
// one length go side by side, otherwise the tactics stand alone.
func attack(techniques, tactics []string) []model.Attack {
	var out []model.Attack
	for i, id := range techniques {
		a := model.Attack{Technique: model.Named{ID: id}}
		switch {
		case len(tactics) == 1:
			a.Tactic = tactics[0]
		case len(tactics) == len(techniques):
			a.Tactic = tactics[i]
		}
		out = append(out, a)
	}
	if len(tactics) > 1 && len(tactics) != len(techniques) || len(techniques) == 0 {
		for _, t := range tactics {
			out = append(out, model.Attack{Tactic: t})
		}
	}
	return out
}

func (d *Driver) loadRules(ctx context.Context, what string) error {
	d.rules.mu.Lock()
	defer d.rules.mu.Unlock()
	if d.rules.loaded {
		return nil
	}
	byID := map[string]*model.Rule{}
	err := d.eachRule(ctx, what, wire.ListRequest{AlertsCount: model.Ptr(true)}, func(r *model.Rule, _ []byte) bool {
		byID[r.ID] = r
		return true
	})
	if err != nil {
		return err
	}
	d.rules.byID, d.rules.loaded = byID, true
	return nil
}

func (d *Driver) ruleByID(id string) *model.Rule {
	d.rules.mu.Lock()
	defer d.rules.mu.Unlock()
	return d.rules.byID[id]
}

// ReadRule reads a rule to be tried without the server.
func (d *Driver) ReadRule(rule []byte) (backends.RuleTrial, error) { return rules.ReadTrial(rule) }
