package gene

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/backends/gene/wire"
	"github.com/edrctl/edrctl/internal/client"
	"github.com/edrctl/edrctl/internal/model"
)

// confirm reads an endpoint before something is sent to it: it must be in
// the list, which is the truth, and the lookup by UUID must answer for it
// and no other (traps 1 and 2). Any difference is an error, and nothing may
// be sent. showkey is always set, as beta.2 forgets the key without it
// (trap 3); the key is masked.
func (d *Driver) confirm(ctx context.Context, what string, h *model.Host) (endpoint, error) {
	if h == nil || h.ID == "" {
		return endpoint{}, backends.Invalid(what, "no endpoint is named")
	}
	list, err := d.endpoints(ctx, false)
	if err != nil {
		return endpoint{}, d.fail(what, err)
	}
	i := slices.IndexFunc(list, func(ep endpoint) bool { return ep.UUID == h.ID })
	if i < 0 {
		e := backends.NotFound("endpoint", h.ID)
		e.Hint = "the manager does not list it; nothing was sent"
		return endpoint{}, e
	}
	listed := list[i]
	if h.Name != "" && listed.Hostname != "" && !strings.EqualFold(h.Name, listed.Hostname) && !strings.EqualFold(h.Name, h.ID) {
		return endpoint{}, &backends.Error{
			What: what + ": nothing was sent", Why: fmt.Sprintf("endpoint %s was %s and is %s now", h.ID, h.Name, listed.Hostname),
			Hint: "look at the list again: edrctl hosts list",
		}
	}
	var doc json.RawMessage
	err = d.serialised(ctx, func() error {
		_, err := d.get(ctx, "/endpoints/"+listed.UUID, url.Values{"showkey": {"true"}}, &doc)
		return err
	})
	var one endpoint
	switch {
	case ctx.Err() != nil:
		return endpoint{}, ctx.Err()
	case isAnswer(err):
		return endpoint{}, d.wrongIndex(what, listed, endpoint{})
	case isCut(err):
		e := d.wrongIndex(what, listed, endpoint{})
		e.Kind, e.Err = backends.KindUnavailable, err
		e.Why = "the manager lists it, but gives no answer when asked for it: the connection is bad, or its index is wrong since an endpoint was deleted"
		return endpoint{}, e
	case err != nil:
		return endpoint{}, d.fail(what, err)
	case doc == nil:
		return endpoint{}, d.wrongIndex(what, listed, endpoint{})
	}
	if err := json.Unmarshal(doc, &one); err != nil {
		return endpoint{}, d.fail(what, backends.Malformed("", "the endpoint is not of the promised shape"))
	}
	d.sanitize(&one, doc, false)
	if one.UUID != listed.UUID {
		return endpoint{}, d.wrongIndex(what, listed, one)
	}
	return one, nil
}

const restartHint = "restart the manager before anything is sent: until then what is meant for one endpoint reaches another"

// wrongIndex is the alarm of trap 1 before anything was sent.
func (d *Driver) wrongIndex(what string, asked, got endpoint) *backends.Error {
	return &backends.Error{
		What: what + ": nothing was sent",
		Why:  fmt.Sprintf("asked for %s the manager answers for %s: its index is wrong since an endpoint was deleted", nameOf(asked), nameOf(got)),
		Hint: restartHint,
	}
}

// misdirected is the alarm after something was sent: the answer is of another
// endpoint than the one asked for.
func misdirected(what, did string, asked, got endpoint) *backends.Error {
	e := &backends.Error{
		What: what + ": THE MANAGER ACTED ON ANOTHER ENDPOINT",
		Why:  fmt.Sprintf("it was sent for %s, and the manager took it for %s: %s. Nothing more was sent", nameOf(asked), nameOf(got), did),
		Hint: "look at " + nameOf(got) + " at once; " + restartHint,
	}
	if got.UUID == "" {
		e.Hint = "the manager took it for an endpoint that does not exist: " + restartHint
	}
	return e
}

// answered is the endpoint in the answer to a change.
type answered struct {
	endpoint
	Posted *wire.Command `json:"command"`
}

// actOn sends a change of one endpoint and compares who answered.
func (d *Driver) actOn(ctx context.Context, what, did string, ep endpoint, call client.Call) (answered, error) {
	raw, err := d.act(ctx, what, call)
	if err != nil {
		return answered{}, err
	}
	var got answered
	if len(raw) == 0 || string(raw) == "null" || json.Unmarshal(raw, &got) != nil {
		return got, ambiguous(what, "the answer holds no endpoint")
	}
	d.sanitize(&got.endpoint, raw, false)
	if got.UUID != ep.UUID {
		err := misdirected(what, did, ep, got.endpoint)
		d.warn(err.Error())
		return got, err
	}
	return got, nil
}

// breaksIndex tells whether deleting an endpoint leaves the manager's index
// wrong (trap 1): up to beta.6, unless it is the last one made.
func (d *Driver) breaksIndex(ctx context.Context, ep endpoint) (bool, error) {
	if d.flavour().systemInfo {
		return false, nil
	}
	var list []struct {
		UUID string `json:"uuid"`
	}
	err := d.serialised(ctx, func() error {
		_, err := d.get(ctx, "/endpoints", nil, &list)
		return err
	})
	return err == nil && len(list) > 0 && list[len(list)-1].UUID != ep.UUID, err
}

const breaksText = "this version of the manager afterwards answers for the wrong endpoints, and refuses agents, until it is restarted: restart it right after"

// confirmed reads the endpoint of a call with the guard of every change on
// one: in the list, and answering for itself (traps 1 and 2).
func (d *Driver) confirmed(ctx context.Context, what string, c *backends.Call) (endpoint, error) {
	ep, err := d.lookUp(ctx, what, backends.Text(c.Args["uuid"]))
	if err != nil {
		return endpoint{}, err
	}
	c.Args["uuid"] = ep.UUID
	return d.confirm(ctx, what, &model.Host{Origin: model.Origin{ID: ep.UUID}, Name: ep.Hostname})
}

// ofEndpoint compares who answered a change (trap 1).
func (d *Driver) ofEndpoint(what, did string, ep endpoint) func(json.RawMessage) error {
	return func(data json.RawMessage) error {
		var got answered
		if len(data) == 0 || string(data) == "null" || json.Unmarshal(data, &got) != nil {
			return ambiguous(what, "the answer holds no endpoint")
		}
		d.redactor.Add(got.Key)
		if got.UUID != ep.UUID {
			err := misdirected(what, did, ep, got.endpoint)
			d.warn(err.Error())
			return err
		}
		return nil
	}
}

func (d *Driver) misdirectedDetails(act *model.Action, ep endpoint, got answered, err error) error {
	if got.UUID != ep.UUID && (got.UUID != "" || got.Hostname != "") {
		act.Details["given_to"], act.Details["given_to_name"] = got.UUID, got.Hostname
	}
	return err
}
