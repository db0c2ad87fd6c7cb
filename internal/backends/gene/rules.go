package gene

import (
	"context"
	"encoding/json"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/backends/gene/wire"
	"github.com/edrctl/edrctl/internal/client"
	"github.com/edrctl/edrctl/internal/filter"
	"github.com/edrctl/edrctl/internal/model"
)

// nameQuery asks for rules by name. The server's parameter is a Go regular
// expression, and a wrong one kills the connection of older managers (traps
// 5 and 17): it is compiled here before it is sent.
func nameQuery(expr string) (url.Values, error) {
	if _, err := regexp.Compile(expr); err != nil {
		return nil, backends.Invalid("the rule name", "it makes no regular expression: "+err.Error())
	}
	return url.Values{"name": {expr}}, nil
}

// ruleQuery narrows the request by the rule filters, as far as names can be
// said as a regular expression; the residual checks again.
func ruleQuery(f filter.Filter) (url.Values, error) {
	terms := f.Get(filter.Rule)
	if len(terms) == 0 {
		return nil, nil
	}
	var any []string
	for _, p := range terms[0].Any {
		expr := regexp.QuoteMeta(p.Text)
		switch p.Mode {
		case filter.Exact:
			expr = "^" + expr + "$"
		case filter.Glob: // in an expression * and ? may be letters
			expr = "^" + strings.NewReplacer(`\*`, ".*", `\?`, ".").Replace(expr) + "$"
		}
		any = append(any, expr)
	}
	return nameQuery("(?is)" + strings.Join(any, "|"))
}

// Rules lists the detection rules by name, filter rules included.
func (d *Driver) Rules(ctx context.Context, q backends.Query) (backends.Listing[*model.Rule], error) {
	query, err := ruleQuery(q.Filter)
	if err != nil {
		return backends.Listing[*model.Rule]{}, err
	}
	plan := backends.Plan{
		Requests: []string{d.c.Describe(client.Call{Path: "/rules", Query: query})},
		Residual: q.Filter,
		Notes:    []string{"on managers up to beta.6 rules that were refused or do not compile are listed until the next reload"},
	}
	return backends.Listing[*model.Rule]{Plan: plan, Seq: func(yield func(*model.Rule, error) bool) {
		list, err := d.rules(ctx, query, q.Raw)
		if err != nil {
			yield(nil, d.fail("cannot list rules", err))
			return
		}
		for _, r := range list {
			if !yield(r, nil) {
				return
			}
		}
	}}, nil
}

// Rule reads one rule by its exact name.
func (d *Driver) Rule(ctx context.Context, id string, raw bool) (*model.Rule, error) {
	query, err := nameQuery("^" + regexp.QuoteMeta(id) + "$")
	if err != nil {
		return nil, err
	}
	list, err := d.rules(ctx, query, raw)
	if err != nil {
		return nil, d.fail("cannot read rule "+id, err)
	}
	for _, r := range list {
		if r.Name == id {
			return r, nil
		}
	}
	return nil, backends.NotFound("rule", id)
}

func (d *Driver) rules(ctx context.Context, query url.Values, raw bool) ([]*model.Rule, error) {
	var docs []json.RawMessage
	if _, err := d.get(ctx, "/rules", query, &docs); err != nil {
		return nil, err
	}
	out := make([]*model.Rule, 0, len(docs))
	for _, doc := range docs {
		var r wire.Rule
		if err := json.Unmarshal(doc, &r); err != nil || string(doc) == "null" {
			return nil, backends.Malformed("", "a rule is not of the promised shape")
		}
		m := normaliseRule(r)
		if raw {
			m.Raw = doc
		}
		out = append(out, m)
	}
	slices.SortStableFunc(out, func(a, b *model.Rule) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}
