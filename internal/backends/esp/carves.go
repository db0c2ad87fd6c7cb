package esp

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/model"
)

// Carves lists the carves (43), newest first. The id of a carve is its
// session_id, which download and delete take.
func (d *Driver) Carves(ctx context.Context, q backends.Query) (backends.Listing[*model.Carve], error) {
	const what = "cannot list carves"
	limit := listPage
	req := listRequest{Start: new(int), Limit: &limit}
	l := backends.Listing[*model.Carve]{Plan: backends.Plan{
		Requests: []string{d.describe(http.MethodPost, "/carves", req) + " …"}, Residual: q.Filter,
	}}
	l.Seq = func(yield func(*model.Carve, error) bool) {
		seen, stopped := map[string]bool{}, false
		err := offsetPages(ctx, what, listPage, func(ctx context.Context, start, limit int) (*page, error) {
			r := req
			r.Start, r.Limit = &start, &limit
			return d.askPage(ctx, what, "/carves", r)
		}, func(v []byte) (bool, error) {
			c, err := d.carve(ctx, what, v)
			if err != nil {
				return false, err
			}
			if seen[c.ID] || !q.Since.IsZero() && c.Created.Before(q.Since) || !q.Until.IsZero() && !c.Created.Before(q.Until) {
				return true, nil
			}
			seen[c.ID] = true
			if q.Raw {
				c.Raw = append(json.RawMessage(nil), v...)
			}
			stopped = !yield(c, nil)
			return !stopped, nil
		})
		if err != nil && !stopped {
			yield(nil, err)
		}
	}
	return l, nil
}

func (d *Driver) carve(ctx context.Context, what string, v []byte) (*model.Carve, error) {
	var w wireCarve
	if err := json.Unmarshal(v, &w); err != nil {
		return nil, malformed(what, err)
	}
	c := &model.Carve{Size: int64(w.Size), Name: string(w.Archive), Created: parseTime(string(w.CreatedAt)), State: carveState(string(w.Status))}
	c.ID = firstOf(string(w.SessionID), string(w.ID))
	if c.ID == "" {
		return nil, backends.Malformed(what, "a carve without a session id")
	}
	if c.State == model.CarveComplete {
		c.Progress = model.Ptr(1.0)
	}
	h, err := d.hostOf(ctx, what, string(w.NodeID), string(w.Hostname))
	if err != nil {
		return nil, err
	}
	c.Host = h
	return c, nil
}

// carveState reads the server's constants; it has no failed state (§12).
func carveState(s string) model.CarveState {
	switch strings.ToUpper(s) {
	case "COMPLETED":
		return model.CarveComplete
	case "IN PROGRESS", "BUILDING":
		return model.CarveRunning
	}
	return model.CarveRequested
}
