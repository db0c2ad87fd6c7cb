package esp

import (
	"context"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/backends/esp/rules"
	"github.com/edrctl/edrctl/internal/model"
)

// Processes lists the processes that started in the window, from the stored
// rows of the process tables (15).
func (d *Driver) Processes(ctx context.Context, q backends.Query) (backends.Listing[*model.Process], error) {
	var none backends.Listing[*model.Process]
	nat, err := rules.ParseQuery(q.Native)
	if err != nil {
		return none, err
	}
	events := q
	events.Limit = 0 // most rows are of other kinds
	s := d.search(events, nat).byDay()
	s.what = "cannot list processes"
	l := backends.Listing[*model.Process]{Plan: s.plan()}
	l.Seq = func(yield func(*model.Process, error) bool) {
		seen := map[string]bool{}
		for r, err := range s.rows(ctx) {
			if err != nil {
				yield(nil, err)
				return
			}
			if kindOfRow(r.Table, r.Action, &r.Cells) != model.KindProcessStart {
				continue
			}
			e := eventOf(r, q.Raw)
			p := e.Process
			if p == nil || p.UID != "" && seen[p.UID] {
				continue
			}
			if p.UID != "" {
				seen[p.UID] = true
			}
			p.Host, p.Raw = e.Host, e.Raw
			if !yield(p, nil) {
				return
			}
		}
	}
	return l, nil
}
