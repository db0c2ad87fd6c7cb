package gene

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"strings"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/backends/gene/wire"
	"github.com/edrctl/edrctl/internal/client/flex"
	"github.com/edrctl/edrctl/internal/model"
)

// reports reads what the manager thinks of every endpoint. Entries are nil
// for endpoints without an alert since the manager started.
func (d *Driver) reports(ctx context.Context) (map[string]*wire.Report, error) {
	var docs map[string]json.RawMessage
	err := d.serialised(ctx, func() error {
		_, err := d.get(ctx, "/endpoints/reports", nil, &docs)
		return err
	})
	all := make(map[string]*wire.Report, len(docs))
	for uuid, doc := range docs {
		var r *wire.Report
		if json.Unmarshal(doc, &r) == nil && r != nil && r.Identifier == uuid {
			all[uuid] = r
		}
	}
	return all, err
}

// Reports gives the reports of all endpoints, or of one (UUID or name), the
// highest report score first. The score is unbounded and relative to the
// manager's other endpoints: it is not an alert score.
func (d *Driver) Reports(ctx context.Context, host string, q backends.Query) (backends.Listing[*model.Report], error) {
	const what = "cannot read reports"
	plan := backends.Plan{
		Requests: []string{d.describe("/endpoints"), d.describe("/endpoints/reports")},
		Residual: q.Filter,
		Notes:    []string{"the manager forgets its reports when it restarts and when rules change; the time window does not apply"},
	}
	if host != "" {
		plan.Requests[1] = d.describe("/endpoints/…/report")
	}
	return backends.Listing[*model.Report]{Plan: plan, Seq: func(yield func(*model.Report, error) bool) {
		list, err := d.reportList(ctx, host, q.Raw)
		if err != nil {
			yield(nil, d.fail(what, err))
			return
		}
		for _, r := range list {
			if !yield(r, nil) {
				return
			}
		}
	}}, nil
}

func (d *Driver) reportList(ctx context.Context, host string, raw bool) ([]*model.Report, error) {
	docs := map[string]json.RawMessage{}
	var list []endpoint
	if host != "" {
		ep, err := d.endpoint(ctx, host, false)
		if err != nil {
			return nil, err
		}
		list = []endpoint{ep}
		var doc json.RawMessage
		err = d.serialised(ctx, func() error {
			_, err := d.get(ctx, "/endpoints/"+ep.UUID+"/report", nil, &doc)
			return err
		})
		if err != nil {
			return nil, err
		}
		docs[ep.UUID] = doc
	} else {
		var err error
		if list, err = d.endpoints(ctx, false); err != nil {
			return nil, err
		}
		err = d.serialised(ctx, func() error {
			_, err := d.get(ctx, "/endpoints/reports", nil, &docs)
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	var out []*model.Report
	for _, ep := range list {
		doc := docs[ep.UUID]
		if len(doc) == 0 || string(doc) == "null" {
			continue
		}
		var r wire.Report
		if err := json.Unmarshal(doc, &r); err != nil {
			return nil, backends.Malformed("", "a report is not of the promised shape")
		}
		if r.Identifier != ep.UUID {
			d.warnIndex(ep.UUID, r.Identifier)
			return nil, backends.Malformed("", "the manager gave the report of another endpoint")
		}
		m := d.report(ep, r)
		if raw {
			m.Raw = wire.WithoutSecrets(doc)
		}
		out = append(out, m)
	}
	slices.SortStableFunc(out, func(a, b *model.Report) int { return cmp.Compare(b.Score, a.Score) })
	return out, nil
}

func (d *Driver) report(ep endpoint, r wire.Report) *model.Report {
	ep.raw = nil
	m := &model.Report{
		Origin: model.Origin{ID: ep.UUID}, Host: d.host(ep),
		Score: float64(r.Score), AlertCount: int(r.AlertCount),
	}
	if t, ok := wire.ParseTime(r.Start); ok {
		m.Start = model.At(t)
	}
	if t, ok := wire.ParseTime(r.Stop); ok {
		m.End = model.At(t)
	}
	for name, value := range r.CountBySignature {
		var n flex.Int
		if json.Unmarshal(value, &n) == nil {
			m.Signatures = append(m.Signatures, model.Count{Value: name, Count: int(n)})
		}
	}
	slices.SortFunc(m.Signatures, func(a, b model.Count) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), strings.Compare(a.Value, b.Value))
	})
	for _, id := range r.Techniques {
		m.Attack = append(m.Attack, model.Attack{Technique: model.Named{ID: id}})
	}
	// The manager lists tactics without saying which technique serves them.
	for _, tactic := range r.Tactics {
		m.Attack = append(m.Attack, model.Attack{Tactic: tactic})
	}
	return m
}
