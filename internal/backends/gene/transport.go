package gene

import (
	"context"
	"encoding/json"
	"net/url"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/backends/gene/wire"
	"github.com/edrctl/edrctl/internal/client"
)

// get reads a small document into data; a null there leaves it as it was.
func (d *Driver) get(ctx context.Context, path string, q url.Values, data any) (*client.Reply, error) {
	reply, err := d.c.Do(ctx, client.Call{Path: path, Query: q})
	if err != nil {
		return nil, err
	}
	raw, err := wire.DecodeEnvelope(reply.Body)
	if err != nil {
		return reply, err
	}
	if len(raw) == 0 || string(raw) == "null" {
		return reply, nil
	}
	if err := json.Unmarshal(raw, data); err != nil {
		return reply, backends.Malformed("", "data of the answer is not of the promised shape")
	}
	return reply, nil
}
