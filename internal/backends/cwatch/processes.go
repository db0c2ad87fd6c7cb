package cwatch

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"strings"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/backends/cwatch/rules"
	"github.com/edrctl/edrctl/internal/client"
	"github.com/edrctl/edrctl/internal/filter"
	"github.com/edrctl/edrctl/internal/model"
)

// Processes lists processes: one answer without pages or times. Whole SHA-1
// hashes go to the server and are compared again here, as texts are.
func (d *Driver) Processes(ctx context.Context, q backends.Query) (backends.Listing[*model.Process], error) {
	var l backends.Listing[*model.Process]
	if q.Native != "" {
		return l, backends.Unsupported(product, "a query of its own for processes", "use the filters; --query works with events list")
	}
	l.Plan.Residual = q.Filter
	var hashes []string
	pushed := false
	for _, t := range q.Filter.Get(filter.Hash) {
		if !pushed && askableHash(t) {
			pushed, hashes = true, rules.HashesOf(t)
		}
	}
	l.Plan.Notes = []string{"cWatch's processes carry no time, parent or command line, and its list has no pages: the time window does not apply, and the server may cut the list without saying so"}
	if pushed && len(hashes) == 0 {
		l.Plan.Residual = filter.Filter{}
		l.Plan.Notes = append(l.Plan.Notes, "cWatch knows SHA-1 hashes only")
		l.Seq = func(func(*model.Process, error) bool) {}
		return l, nil
	}
	calls, capital := []client.Call{{Path: "/process"}}, []client.Call(nil)
	if pushed {
		calls = processCalls(hashes)
		capital = processCalls(upper(hashes))
		l.Plan.Notes = append(l.Plan.Notes, noteCapitals)
	}
	for _, c := range calls {
		l.Plan.Requests = append(l.Plan.Requests, d.client.Describe(c))
	}
	l.Seq = func(yield func(*model.Process, error) bool) {
		if found, more := d.eachProcess(ctx, calls, q.Raw, yield); !found && more {
			d.eachProcess(ctx, capital, q.Raw, yield)
		}
	}
	return l, nil
}

// askableHash reports whether every pattern of a term is a whole hash, and they
// are few.
func askableHash(t filter.Term) bool {
	return len(t.Any) <= rules.MaxQueries && !slices.ContainsFunc(t.Any, func(p filter.Pattern) bool { _, whole := rules.FullHash(p); return !whole })
}

func upper(sums []string) (out []string) {
	for _, s := range sums {
		out = append(out, strings.ToUpper(s))
	}
	return out
}

func processCalls(sums []string) (out []client.Call) {
	for _, s := range sums {
		out = append(out, client.Call{Path: "/process", Query: url.Values{"process_hash": {s}}})
	}
	return out
}

// eachProcess gives the processes of some calls, each once. found reports that
// there was one, more that others are still wanted.
func (d *Driver) eachProcess(ctx context.Context, calls []client.Call, raw bool, yield func(*model.Process, error) bool) (found, more bool) {
	var r reader
	seen := map[string]bool{}
	for _, call := range calls {
		err := d.elements(ctx, call, "", func(b []byte) error {
			p, err := r.run(b, raw)
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
			return true, false
		}
		if err != nil {
			yield(nil, backends.FromClient("cannot list processes", err))
			return len(seen) > 0, false
		}
	}
	return len(seen) > 0, true
}
