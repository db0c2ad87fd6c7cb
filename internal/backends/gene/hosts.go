package gene

import (
	"context"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/backends/gene/wire"
	"github.com/edrctl/edrctl/internal/client"
	"github.com/edrctl/edrctl/internal/model"
)

// Hosts lists the endpoints, by name. The report score and the number of
// alerts come from the reports; a manager that cannot give those is not an error.
func (d *Driver) Hosts(ctx context.Context, q backends.Query) (backends.Listing[*model.Host], error) {
	const what = "cannot list hosts"
	plan := backends.Plan{
		Requests: []string{d.c.Describe(client.Call{Path: "/endpoints"}), d.c.Describe(client.Call{Path: "/endpoints/reports"})},
		Residual: q.Filter,
	}
	return backends.Listing[*model.Host]{Plan: plan, Seq: func(yield func(*model.Host, error) bool) {
		list, err := d.endpoints(ctx, q.Raw)
		if err != nil {
			yield(nil, d.fail(what, err))
			return
		}
		reports, err := d.reports(ctx)
		if err != nil {
			if ctx.Err() != nil {
				yield(nil, d.fail(what, err))
				return
			}
			d.warn("the reports could not be read, report_score and alert_count are missing: " + err.Error())
		}
		for _, ep := range list {
			h := d.host(ep)
			withReport(h, reports[ep.UUID])
			if !yield(h, nil) {
				return
			}
		}
	}}, nil
}

func withReport(h *model.Host, r *wire.Report) {
	if r == nil {
		return
	}
	h.ReportScore = model.Ptr(float64(r.Score))
	h.AlertCount = model.Ptr(int(r.AlertCount))
}

// Host reads one endpoint by its UUID, or by its name when only one has it.
func (d *Driver) Host(ctx context.Context, id string, raw bool) (*model.Host, error) {
	what := "cannot read host " + id
	ep, err := d.endpoint(ctx, id, raw)
	if err != nil {
		return nil, d.fail(what, err)
	}
	h := d.host(ep)
	var r *wire.Report
	err = d.serialised(ctx, func() error {
		_, err := d.get(ctx, "/endpoints/"+ep.UUID+"/report", nil, &r)
		return err
	})
	switch {
	case err == nil && r != nil && r.Identifier != ep.UUID:
		d.warnIndex(ep.UUID, r.Identifier)
	case err == nil:
		withReport(h, r)
	case ctx.Err() != nil:
		return nil, d.fail(what, err)
	default:
		d.warn("the report of " + ep.UUID + " could not be read: " + err.Error())
	}
	return h, nil
}
