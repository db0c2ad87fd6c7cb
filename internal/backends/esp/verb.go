package esp

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/backends/esp/reply"
	"github.com/edrctl/edrctl/internal/backends/esp/wire"
	"github.com/edrctl/edrctl/internal/client"
	"github.com/edrctl/edrctl/internal/model"
)

// order is one changing request. It is sent once, whatever happens.
type order struct {
	method, path string
	body         any
}

func (o order) call() client.Call { return client.Call{Method: o.method, JSON: o.body, Acts: true} }

// act sends an order.
func (d *Driver) act(ctx context.Context, what string, o order) (*reply.Answer, error) {
	return d.session.Send(ctx, what, o.path, o.call())
}

// verb is one thing ESP can change: what is sent for it, what is read before,
// and what the answers mean.
type verb struct {
	backends.VerbSpec
	enterprise bool // needs the response routes 100-120
	windows    bool // works on Windows agents only
	orders     func(d *Driver, c backends.Change) ([]order, error)
	// look fills in the preview by reading only.
	look func(ctx context.Context, d *Driver, c backends.Change, p *backends.Preview) error
	// took reads the answer of each order into the action; nil: it says nothing.
	took func(d *Driver, a *reply.Answer, act *model.Action)
	// after follows what was sent, when all was taken.
	after func(ctx context.Context, d *Driver, c backends.Change, act *model.Action, update func(*model.Action)) error
	// find looks up what became of it; nil: among the response actions.
	find func(ctx context.Context, d *Driver, c backends.Change, sent time.Time) (*model.Action, error)
}

// verbs is everything, in the order it is shown; respond.go fills it.
var verbs []verb

func verbNamed(name string) *verb {
	for i := range verbs {
		if verbs[i].Verb == name {
			return &verbs[i]
		}
	}
	return nil
}

func whatOf(c backends.Change) string {
	switch noun, v, ok := strings.Cut(c.Verb, "."); {
	case ok && c.AlertID != "":
		return "cannot " + v + " alert " + c.AlertID
	case ok:
		return "cannot " + v + " " + noun
	}
	if c.Host != nil {
		return "cannot " + c.Verb + " on " + wire.FirstOf(c.Host.Name, c.Host.ID)
	}
	return "cannot " + c.Verb
}

func (d *Driver) verbOf(c backends.Change) (*verb, []order, error) {
	what := whatOf(c)
	v := verbNamed(c.Verb)
	if v == nil {
		return nil, nil, backends.Unsupported("ESP", what, "")
	}
	needsHost := slices.Contains(v.Needs, "host")
	switch {
	case needsHost && (c.Host == nil || c.Host.ID == ""):
		return nil, nil, backends.Invalid(what, "the host is missing")
	case needsHost && strings.ContainsAny(c.Host.ID, ",\r\n"):
		// A comma would make it a list of hosts.
		return nil, nil, backends.Invalid(what, "the host's identifier is none")
	case v.windows && c.Host.OS != nil && c.Host.OS.Platform != "" && c.Host.OS.Platform != "windows":
		return nil, nil, &backends.Error{Kind: backends.KindUnsupported, What: what, Why: "ESP does it on Windows only, and this host is " + c.Host.OS.Platform}
	}
	orders, err := v.orders(d, c)
	if err != nil {
		var be *backends.Error
		if errors.As(err, &be) && be.What == "" {
			be.What = what
		}
		return nil, nil, err
	}
	return v, orders, nil
}

func detail(act *model.Action, name, value string) {
	if value == "" {
		return
	}
	if act.Details == nil {
		act.Details = map[string]string{}
	}
	act.Details[name] = value
}

// done is the action of a change found to have happened.
func (d *Driver) done(native string) *model.Action {
	return &model.Action{State: model.ActionDone, NativeState: native, FinishedAt: model.At(d.o.Clock())}
}

// explain says what an edition without response routes can do instead.
func (d *Driver) explain(err error) error {
	var be *backends.Error
	if errors.As(err, &be) && be.Kind == backends.KindUnsupported {
		be.Why = "this edition of ESP has no response actions"
		var can []string
		for _, v := range verbs {
			if !v.enterprise {
				can = append(can, v.Verb)
			}
		}
		be.Hint = "it can do: " + strings.Join(can, ", ") + ", and live queries"
	}
	return err
}

// clockSlack is how far the server's clock may be behind ours when something
// is looked up by when it was made.
const clockSlack = 2 * time.Minute
