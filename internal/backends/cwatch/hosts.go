package cwatch

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/client"
	"github.com/edrctl/edrctl/internal/model"
)

// Hosts lists the endpoints: one answer without pages. device_name is left
// to the evaluator, for how the server compares it is unproved.
func (d *Driver) Hosts(ctx context.Context, q backends.Query) (backends.Listing[*model.Host], error) {
	call := client.Call{Path: "/endpoint"}
	return backends.Listing[*model.Host]{
		Plan: backends.Plan{
			Requests: []string{d.client.Describe(call)}, Residual: q.Filter,
			Notes: []string{"cWatch tells neither addresses nor when an endpoint was last seen"},
		},
		Seq: func(yield func(*model.Host, error) bool) {
			err := d.eachHost(ctx, call, q.Raw, func(h *model.Host) error {
				if !yield(h, nil) {
					return errStopped
				}
				return nil
			})
			if err != nil && !errors.Is(err, errStopped) {
				yield(nil, backends.FromClient("cannot list hosts", err))
			}
		},
	}, nil
}

// Host reads one endpoint by its id.
func (d *Driver) Host(ctx context.Context, id string, raw bool) (*model.Host, error) {
	found, err := d.hostsByID(ctx, []string{id}, raw)
	if err != nil {
		return nil, backends.FromClient("cannot read the host", err)
	}
	for _, h := range found {
		if h.ID == id {
			return h, nil
		}
	}
	return nil, backends.NotFound("host", id)
}

// eachHost gives every endpoint of an answer once.
func (d *Driver) eachHost(ctx context.Context, call client.Call, raw bool, each func(*model.Host) error) error {
	var r reader
	seen := map[string]bool{}
	return d.elements(ctx, call, "endpoints", func(b []byte) error {
		h, err := r.endpointHost(b, raw)
		if err != nil {
			return errRow("endpoint")
		}
		if h.ID != "" && seen[h.ID] {
			return nil
		}
		seen[h.ID] = true
		return each(h)
	})
}

// hostChunk bounds the URL of a lookup of many ids.
const hostChunk = 50

// hostsByID reads endpoints by id, in the order of ids; what the server does
// not know is left out. Ids that are not numbers cannot be asked for and are
// looked for in the whole list.
func (d *Driver) hostsByID(ctx context.Context, ids []string, raw bool) ([]*model.Host, error) {
	known := map[string]*model.Host{}
	read := func(query url.Values) error {
		return d.eachHost(ctx, client.Call{Path: "/endpoint", Query: query}, raw, func(h *model.Host) error {
			known[h.ID] = h
			return nil
		})
	}
	numeric := !slices.ContainsFunc(ids, func(id string) bool { return id == "" || strings.Trim(id, "0123456789") != "" })
	if !numeric {
		if err := read(nil); err != nil {
			return nil, err
		}
	} else {
		for chunk := range slices.Chunk(ids, hostChunk) {
			// How a list is written is not documented: csv, and repeated
			// keys when that is refused (docs/wire/cwatch.md 2).
			err := read(url.Values{"endpointIDs": {strings.Join(chunk, ",")}})
			var status *client.StatusError
			if len(chunk) > 1 && errors.As(err, &status) && status.Code == http.StatusBadRequest {
				err = read(url.Values{"endpointIDs": chunk})
			}
			if err != nil {
				return nil, err
			}
		}
	}
	var out []*model.Host
	for _, id := range ids {
		if h := known[id]; h != nil {
			out = append(out, h)
		}
	}
	return out, nil
}
