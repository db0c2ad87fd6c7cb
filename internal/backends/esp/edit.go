package esp

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/backends/esp/response"
	"github.com/edrctl/edrctl/internal/backends/esp/wire"
	"github.com/edrctl/edrctl/internal/client"
	"github.com/edrctl/edrctl/internal/model"
)

// resolveRequest is 90. 3.5.1 wants a verdict with a resolution, editions
// before know none: it is sent when the user gave one.
type resolveRequest struct {
	Resolve  bool    `json:"resolve"`
	AlertIDs []int64 `json:"alert_ids"`
	Verdict  *bool   `json:"verdict,omitempty"`
	Comment  string  `json:"comment,omitempty"`
}

var triageVerbs = []verb{
	{
		VerbSpec: backends.VerbSpec{
			Verb: backends.VerbAlertClose, Needs: []string{"alert"}, Takes: []string{"verdict", "comment"}, Inverse: backends.VerbAlertReopen, Sync: true,
			How: "resolves the alert; editions since 3.5 want a verdict",
		},
		orders: func(_ *Driver, c backends.Change) ([]order, error) { return resolveOrder(c, true) },
		preview: func(ctx context.Context, d *Driver, c backends.Change, p *backends.Preview) error {
			return d.previewAlert(ctx, c, p, model.StatusClosed)
		},
		find: func(ctx context.Context, d *Driver, c backends.Change, _ time.Time) (*model.Action, error) {
			return d.findAlert(ctx, c, model.StatusClosed)
		},
	},
	{
		VerbSpec: backends.VerbSpec{
			Verb: backends.VerbAlertReopen, Needs: []string{"alert"}, Inverse: backends.VerbAlertClose, Sync: true,
			How: "opens the resolved alert again (admin only); its verdict is lost",
		},
		orders: func(_ *Driver, c backends.Change) ([]order, error) { return resolveOrder(c, false) },
		preview: func(ctx context.Context, d *Driver, c backends.Change, p *backends.Preview) error {
			return d.previewAlert(ctx, c, p, model.StatusOpen)
		},
		find: func(ctx context.Context, d *Driver, c backends.Change, _ time.Time) (*model.Action, error) {
			return d.findAlert(ctx, c, model.StatusOpen)
		},
	},
}

func resolveOrder(c backends.Change, resolve bool) ([]order, error) {
	id, err := strconv.ParseInt(c.AlertID, 10, 64)
	if err != nil || !wire.IsNumber(c.AlertID) {
		return nil, &backends.Error{Kind: backends.KindNotFound, What: "no alert " + c.AlertID, Why: "alert ids of ESP are numbers"}
	}
	req := resolveRequest{Resolve: resolve, AlertIDs: []int64{id}}
	if resolve {
		req.Comment = c.Comment
		switch c.Verdict {
		case model.VerdictTruePositive:
			req.Verdict = model.Ptr(true)
		case model.VerdictFalsePositive:
			req.Verdict = model.Ptr(false)
		case "", model.VerdictUnknown:
		default:
			return nil, response.Invalid("the verdict " + strconv.Quote(string(c.Verdict)) + " is neither true_positive nor false_positive")
		}
	}
	return []order{{http.MethodPut, "/alerts", req}}, nil
}

// previewAlert reads the alert: the server would take the number of one that
// does not exist without a word.
func (d *Driver) previewAlert(ctx context.Context, c backends.Change, p *backends.Preview, want model.Status) error {
	a, err := d.Alert(ctx, c.AlertID, false)
	if err != nil {
		return err
	}
	p.Summary = "opens alert " + c.AlertID + " again: " + wire.Short(a.Title)
	if want == model.StatusClosed {
		p.Summary = "resolves alert " + c.AlertID + ": " + wire.Short(a.Title)
		if e := d.o.Settings["edition"]; (e == wire.EditionCE3 || e == wire.EditionCE4) && (c.Verdict == "" || c.Verdict == model.VerdictUnknown) {
			return &backends.Error{Kind: backends.KindInvalid, What: response.What(c), Why: "this edition wants a verdict", Hint: verdictHint}
		}
	}
	if a.Status == want && !(want == model.StatusClosed && c.Verdict != "" && c.Verdict != model.VerdictUnknown && c.Verdict != a.Verdict) {
		p.Nothing = "it is " + string(want) + " already"
	}
	return nil
}

const verdictHint = "say --verdict true-positive or --verdict false-positive"

// findAlert tells whether the alert is as it was wanted: success is what the
// server answers for alerts it does not have, too.
func (d *Driver) findAlert(ctx context.Context, c backends.Change, want model.Status) (*model.Action, error) {
	a, err := d.Alert(ctx, c.AlertID, false)
	if err != nil || a.Status != want {
		return nil, err
	}
	return d.doneAction(a.StatusNative), nil
}

// withVerdictHint explains the refusal of a resolution without a verdict.
func withVerdictHint(err error) error {
	var be *backends.Error
	if errors.As(err, &be) && be.Kind == backends.KindInvalid && strings.Contains(be.Why, "verdict") {
		be.Hint = verdictHint
	}
	return err
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
		preview: func(ctx context.Context, d *Driver, c backends.Change, p *backends.Preview) error {
			return d.previewTags(ctx, c, p, true)
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
		preview: func(ctx context.Context, d *Driver, c backends.Change, p *backends.Preview) error {
			return d.previewTags(ctx, c, p, false)
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
		preview: func(ctx context.Context, d *Driver, c backends.Change, p *backends.Preview) error {
			removed, known, err := d.isRemoved(ctx, response.What(c), c.Host)
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
		preview: func(ctx context.Context, d *Driver, c backends.Change, p *backends.Preview) error {
			removed, known, err := d.isRemoved(ctx, response.What(c), c.Host)
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
			How: "permanently deletes the host and all its data; its agent may enrol again (admin only)",
		},
		orders: func(_ *Driver, c backends.Change) ([]order, error) {
			return []order{{http.MethodDelete, hostPath(c, "/delete"), nil}}, nil
		},
		preview: func(_ context.Context, _ *Driver, _ backends.Change, p *backends.Preview) error {
			p.Warnings = append(p.Warnings, "alerts, results and carves of the host are deleted with it; host.remove only hides it")
			return nil
		},
		find: func(ctx context.Context, d *Driver, c backends.Change, _ time.Time) (*model.Action, error) {
			_, err := d.Host(ctx, c.Host.ID, false)
			if backends.KindOf(err) == backends.KindNotFound {
				return d.doneAction("the host is gone"), nil
			}
			return nil, err
		},
	},
}

func tagOrders(c backends.Change, method string) ([]order, error) {
	var out []order
	for _, t := range c.Tags {
		if strings.TrimSpace(t) == "" {
			return nil, response.Invalid("a tag is empty")
		}
		if !wire.Has(seenTags(out), t) {
			out = append(out, order{method, hostPath(c, "/tags"), wire.TagRequest{Tag: t}})
		}
	}
	if len(out) == 0 {
		return nil, response.Invalid("it names no tag")
	}
	return out, nil
}

func seenTags(list []order) (out []string) {
	for _, o := range list {
		out = append(out, o.body.(wire.TagRequest).Tag)
	}
	return out
}

// hostTags reads the tags of a host (31): a list, or a csv text.
func (d *Driver) hostTags(ctx context.Context, what string, h *model.Host) ([]string, error) {
	a, err := d.session.Ask(ctx, what, "/hosts/"+url.PathEscape(h.ID)+"/tags", client.Call{})
	if err != nil {
		return nil, err
	}
	return wire.Strings(a.Data), nil
}

func (d *Driver) previewTags(ctx context.Context, c backends.Change, p *backends.Preview, add bool) error {
	now, err := d.hostTags(ctx, response.What(c), c.Host)
	if err != nil {
		return err
	}
	var odd []string
	for _, t := range c.Tags {
		if wire.Has(now, t) == add {
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
	now, err := d.hostTags(ctx, response.What(c), c.Host)
	if err != nil {
		return nil, err
	}
	for _, t := range c.Tags {
		if wire.Has(now, t) != add {
			return nil, nil
		}
	}
	return d.doneAction("tags: " + strings.Join(now, ", ")), nil
}

func (d *Driver) findRemoved(ctx context.Context, c backends.Change, want bool) (*model.Action, error) {
	removed, known, err := d.isRemoved(ctx, response.What(c), c.Host)
	if err != nil || !known || removed != want {
		return nil, err
	}
	if removed {
		return d.doneAction("the host is removed"), nil
	}
	return d.doneAction("the host is enabled"), nil
}
