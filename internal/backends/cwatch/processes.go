package cwatch

import (
	"context"
	"errors"
	"net/url"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/client"
	"github.com/edrctl/edrctl/internal/filter"
	"github.com/edrctl/edrctl/internal/model"
)

// Processes lists processes: one answer without pages or times. Whole SHA-1
// hashes go to the server; how it compares texts is unproved, so they stay
// here.
func (d *Driver) Processes(ctx context.Context, q backends.Query) (backends.Listing[*model.Process], error) {
	const what = "cannot list processes"
	var l backends.Listing[*model.Process]
	if q.Native != "" {
		return l, backends.Unsupported(product, "a query of its own for processes", "use the filters; --query works with events list")
	}
	var hashes []string
	pushed, nothing := false, false
	l.Plan.Residual = q.Filter.Split(func(t filter.Term) bool {
		if t.Field != filter.Hash || pushed || len(t.Any) > maxQueries {
			return false
		}
		for _, p := range t.Any {
			sum, whole := wholeHash(p)
			if !whole {
				hashes = nil
				return false
			}
			if len(sum) == 40 {
				hashes = append(hashes, sum)
			}
		}
		pushed, nothing = true, len(hashes) == 0
		return true
	})
	l.Plan.Notes = []string{"cWatch's processes carry no time, parent or command line, and its list has no pages: the time window does not apply, and the server may cut the list without saying so"}
	if nothing {
		l.Plan.Notes = append(l.Plan.Notes, "cWatch knows SHA-1 hashes only")
		l.Seq = func(func(*model.Process, error) bool) {}
		return l, nil
	}
	calls := []client.Call{{Path: "/process"}}
	if pushed {
		calls = nil
		for _, sum := range hashes {
			calls = append(calls, client.Call{Path: "/process", Query: url.Values{"process_hash": {sum}}})
		}
	}
	for _, c := range calls {
		l.Plan.Requests = append(l.Plan.Requests, d.client.Describe(c))
	}
	l.Seq = func(yield func(*model.Process, error) bool) {
		var r reader
		seen := map[string]bool{}
		for _, call := range calls {
			err := d.elements(ctx, call, "", func(b []byte) error {
				p, err := r.run(b, q.Raw)
				if err != nil {
					return errRow("process")
				}
				if seen[p.ID] {
					return nil
				}
				seen[p.ID] = true
				if !yield(p, nil) {
					return errStopped
				}
				return nil
			})
			if errors.Is(err, errStopped) {
				return
			}
			if err != nil {
				yield(nil, backends.FromClient(what, err))
				return
			}
		}
	}
	return l, nil
}
