package esp

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/client"
	"github.com/edrctl/edrctl/internal/model"
)

type tagRequest struct {
	Tag string `json:"tag"`
}

func hostPath(c backends.Change, rest string) string {
	return "/hosts/" + url.PathEscape(c.Host.ID) + rest
}

var hostVerbs = []verb{
	{
		VerbSpec: backends.VerbSpec{
			Verb: backends.VerbHostTag, Needs: []string{"host", "tags"}, Inverse: backends.VerbHostUntag, Sync: true,
			How: "tags the host, one request a tag; a tag that does not exist is made (admin only)",
		},
		orders: func(_ *Driver, c backends.Change) ([]order, error) { return tagOrders(c, http.MethodPost) },
		look: func(ctx context.Context, d *Driver, c backends.Change, p *backends.Preview) error {
			return d.lookTags(ctx, c, p, true)
		},
		find: func(ctx context.Context, d *Driver, c backends.Change, _ time.Time) (*model.Action, error) {
			return d.findTags(ctx, c, true)
		},
	},
	{
		VerbSpec: backends.VerbSpec{
			Verb: backends.VerbHostUntag, Needs: []string{"host", "tags"}, Inverse: backends.VerbHostTag, Sync: true,
			How: "takes tags off the host, one request a tag (admin only)",
		},
		orders: func(_ *Driver, c backends.Change) ([]order, error) { return tagOrders(c, http.MethodDelete) },
		look: func(ctx context.Context, d *Driver, c backends.Change, p *backends.Preview) error {
			return d.lookTags(ctx, c, p, false)
		},
		find: func(ctx context.Context, d *Driver, c backends.Change, _ time.Time) (*model.Action, error) {
			return d.findTags(ctx, c, false)
		},
	},
	{
		VerbSpec: backends.VerbSpec{
			Verb: backends.VerbHostRemove, Needs: []string{"host"}, Inverse: backends.VerbHostEnable, Sync: true,
			How: "removes the host: it stays in the database, disappears from the lists and is no longer served (admin only)",
		},
		orders: func(_ *Driver, c backends.Change) ([]order, error) {
			return []order{{http.MethodPut, hostPath(c, "/delete"), nil}}, nil
		},
		look: func(ctx context.Context, d *Driver, c backends.Change, p *backends.Preview) error {
			removed, known, err := d.isRemoved(ctx, whatOf(c), c.Host)
			if err == nil && known && removed {
				p.Nothing = "it is removed already"
			}
			return err
		},
		find: func(ctx context.Context, d *Driver, c backends.Change, _ time.Time) (*model.Action, error) {
			return d.findRemoved(ctx, c, true)
		},
	},
	{
		VerbSpec: backends.VerbSpec{
			Verb: backends.VerbHostEnable, Needs: []string{"host"}, Inverse: backends.VerbHostRemove, Sync: true,
			How: "takes a removed host back (admin only)",
		},
		orders: func(_ *Driver, c backends.Change) ([]order, error) {
			return []order{{http.MethodPut, hostPath(c, "/enable"), nil}}, nil
		},
		look: func(ctx context.Context, d *Driver, c backends.Change, p *backends.Preview) error {
			removed, known, err := d.isRemoved(ctx, whatOf(c), c.Host)
			if err == nil && known && !removed {
				p.Nothing = "it is not removed"
			}
			return err
		},
		find: func(ctx context.Context, d *Driver, c backends.Change, _ time.Time) (*model.Action, error) {
			return d.findRemoved(ctx, c, false)
		},
	},
	{
		VerbSpec: backends.VerbSpec{
			Verb: backends.VerbHostDelete, Needs: []string{"host"}, Sync: true,
			How: "deletes the host and all its data for good; its agent may enrol again (admin only)",
		},
		orders: func(_ *Driver, c backends.Change) ([]order, error) {
			return []order{{http.MethodDelete, hostPath(c, "/delete"), nil}}, nil
		},
		look: func(_ context.Context, _ *Driver, _ backends.Change, p *backends.Preview) error {
			p.Warnings = append(p.Warnings, "alerts, results and carves of the host are deleted with it; host.remove only hides it")
			return nil
		},
		find: func(ctx context.Context, d *Driver, c backends.Change, _ time.Time) (*model.Action, error) {
			_, err := d.Host(ctx, c.Host.ID, false)
			if backends.KindOf(err) == backends.KindNotFound {
				return d.done("the host is gone"), nil
			}
			return nil, err
		},
	},
}

func tagOrders(c backends.Change, method string) ([]order, error) {
	var out []order
	for _, t := range c.Tags {
		if strings.TrimSpace(t) == "" {
			return nil, wrong("a tag is empty")
		}
		if !has(seenTags(out), t) {
			out = append(out, order{method, hostPath(c, "/tags"), tagRequest{t}})
		}
	}
	if len(out) == 0 {
		return nil, wrong("it names no tag")
	}
	return out, nil
}

func seenTags(list []order) (out []string) {
	for _, o := range list {
		out = append(out, o.body.(tagRequest).Tag)
	}
	return out
}

// hostTags reads the tags of a host (31): a list, or a csv text.
func (d *Driver) hostTags(ctx context.Context, what string, h *model.Host) ([]string, error) {
	a, err := d.ask(ctx, what, "/hosts/"+url.PathEscape(h.ID)+"/tags", client.Call{})
	if err != nil {
		return nil, err
	}
	return texts(a.Data), nil
}

func (d *Driver) lookTags(ctx context.Context, c backends.Change, p *backends.Preview, add bool) error {
	now, err := d.hostTags(ctx, whatOf(c), c.Host)
	if err != nil {
		return err
	}
	var odd []string
	for _, t := range c.Tags {
		if has(now, t) == add {
			odd = append(odd, t)
		}
	}
	word := "has no tag "
	if add {
		word = "has the tag "
	}
	switch {
	case len(odd) == len(c.Tags):
		p.Nothing = "it " + word + strings.Join(odd, ", ") + " already"
		if !add {
			p.Nothing = "it " + word + strings.Join(odd, ", ")
		}
	case len(odd) > 0:
		p.Warnings = append(p.Warnings, "the host "+word+strings.Join(odd, ", ")+": the server may refuse that one")
	}
	p.Summary = "takes " + strings.Join(c.Tags, ", ") + " off the host"
	if add {
		p.Summary = "tags the host with " + strings.Join(c.Tags, ", ")
	}
	return nil
}

func (d *Driver) findTags(ctx context.Context, c backends.Change, add bool) (*model.Action, error) {
	now, err := d.hostTags(ctx, whatOf(c), c.Host)
	if err != nil {
		return nil, err
	}
	for _, t := range c.Tags {
		if has(now, t) != add {
			return nil, nil
		}
	}
	return d.done("tags: " + strings.Join(now, ", ")), nil
}

// isRemoved tells in which of the two lists a host stands (22); known is
// false when in none.
func (d *Driver) isRemoved(ctx context.Context, what string, h *model.Host) (removed, known bool, err error) {
	for _, enabled := range []bool{true, false} {
		found, err := d.listed(ctx, what, h, listRequest{Enabled: &enabled})
		if err != nil {
			return false, false, err
		}
		if found != nil {
			return !enabled, true, nil
		}
	}
	return false, false, nil
}

// listed finds a host in the list of hosts (22), which alone tells whether it
// is online; nil when it is not there.
func (d *Driver) listed(ctx context.Context, what string, h *model.Host, req listRequest) (*model.Host, error) {
	req.SearchTerm = h.Name
	if h.Name == h.ID || strings.ContainsAny(h.Name, `%_\'`) {
		req.SearchTerm = ""
	}
	var found *model.Host
	err := d.eachHost(ctx, what, req, func(w *wireHost, _ []byte) (bool, error) {
		if m := req.host(w); m.ID == h.ID {
			found = m
		}
		return found == nil, nil
	})
	return found, err
}

func (d *Driver) findRemoved(ctx context.Context, c backends.Change, want bool) (*model.Action, error) {
	removed, known, err := d.isRemoved(ctx, whatOf(c), c.Host)
	if err != nil || !known || removed != want {
		return nil, err
	}
	if removed {
		return d.done("the host is removed"), nil
	}
	return d.done("the host is enabled"), nil
}
