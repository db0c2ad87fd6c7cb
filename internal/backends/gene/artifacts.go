package gene

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/backends/gene/wire"
	"github.com/edrctl/edrctl/internal/model"
)

// Carves lists the files agents collected, the newest first; those without a
// date (v1.8.0-beta) come last. An id is endpoint/process GUID/event hash/file
// name. Older managers than v1.8.0-beta keep no artifacts.
func (d *Driver) Carves(ctx context.Context, q backends.Query) (backends.Listing[*model.Carve], error) {
	query := url.Values{}
	if !q.Since.IsZero() {
		query.Set("since", q.Since.UTC().Add(-time.Nanosecond).Format(time.RFC3339Nano))
	}
	plan := backends.Plan{
		Requests: []string{d.describe("/endpoints"), d.ofEach(q.Filter, "artifacts", query)},
		Residual: q.Filter,
	}
	return backends.Listing[*model.Carve]{Plan: plan, Seq: func(yield func(*model.Carve, error) bool) {
		list, err := d.carves(ctx, q, query)
		if err != nil {
			yield(nil, d.fail("cannot list artifacts", err))
			return
		}
		for _, c := range list {
			if !yield(c, nil) {
				return
			}
		}
	}}, nil
}

func (d *Driver) carves(ctx context.Context, q backends.Query, query url.Values) ([]*model.Carve, error) {
	all, err := d.endpoints(ctx, false)
	if err != nil {
		return nil, err
	}
	var out []*model.Carve
	for _, ep := range wanted(all, hostFilter(q.Filter)) {
		var docs []json.RawMessage
		_, err := d.get(ctx, "/endpoints/"+ep.UUID+"/artifacts", query, &docs)
		switch {
		case isStatus(err, http.StatusNotFound):
			return nil, backends.Unsupported(Name, "cannot list artifacts", "this manager is older than v1.8.0-beta; files fetched by a command are in its answer")
		case wire.IsEmptyStore(err):
			continue // no artifact was ever received (trap 12)
		case err != nil:
			return nil, err
		}
		for _, doc := range docs {
			var set wire.Artifact
			if err := json.Unmarshal(doc, &set); err != nil {
				return nil, backends.Malformed("", "an artifact is not of the promised shape")
			}
			for _, f := range set.Files {
				c := carve(d.host(ep), set, f)
				if t := c.Created; !t.IsZero() && (t.Before(q.Since) || !q.Until.IsZero() && !t.Before(q.Until)) {
					continue
				}
				if q.Raw {
					c.Raw = doc
				}
				out = append(out, c)
			}
		}
	}
	slices.SortStableFunc(out, func(a, b *model.Carve) int { return b.Created.Compare(a.Created.Time) })
	return out, nil
}

// carve makes a record of one file. Its address is put together from the
// parts: the server's base-url cannot be trusted (docs/wire/gene.md 9).
func carve(h *model.Host, set wire.Artifact, f wire.ArtifactFile) *model.Carve {
	c := &model.Carve{
		Origin: model.Origin{ID: strings.Join([]string{h.ID, set.ProcessGUID, set.EventHash, f.Name}, "/")},
		Host:   h, Path: f.Name, Name: f.Name, Size: int64(f.Size), State: model.CarveComplete,
	}
	for _, text := range []string{f.Timestamp, set.Update, set.Modification, set.Creation} {
		if t, ok := wire.ParseTime(text); ok {
			c.Created = model.At(t)
			break
		}
	}
	return c
}
