package gene

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/backends/gene/wire"
	"github.com/edrctl/edrctl/internal/client"
	"github.com/edrctl/edrctl/internal/client/flex"
	"github.com/edrctl/edrctl/internal/model"
)

// Endpoints are added, changed and deleted under the same guard as commands:
// confirmed before, compared after (traps 1 and 2).

// editBody is the body of POST /endpoints/{uuid}. Empty strings change
// nothing, so group and status cannot be cleared (docs/wire/gene.md 4).
type editBody struct {
	Status      string `json:"status,omitempty"`
	Group       string `json:"group,omitempty"`
	Criticality *int   `json:"criticality,omitempty"`
}

func (e editBody) empty() bool { return e == editBody{} }

func (e editBody) describe() string {
	var s []string
	if e.Group != "" {
		s = append(s, "group "+strconv.Quote(e.Group))
	}
	if e.Status != "" {
		s = append(s, "status "+strconv.Quote(e.Status))
	}
	if e.Criticality != nil {
		s = append(s, "criticality "+strconv.Itoa(*e.Criticality))
	}
	return strings.Join(s, ", ")
}

// appliedTo tells whether an endpoint is so already.
func (e editBody) appliedTo(ep endpoint) bool {
	return (e.Group == "" || ep.Group != nil && *ep.Group == e.Group) && (e.Status == "" || ep.Status == e.Status) &&
		(e.Criticality == nil || ep.Criticality != nil && *ep.Criticality == flex.Int(*e.Criticality))
}

// edit reads what a change wants of an endpoint's fields.
func edit(what string, c backends.Change) (editBody, error) {
	var e editBody
	if c.Verb == backends.VerbHostTag {
		if len(c.Tags) != 1 || strings.TrimSpace(c.Tags[0]) == "" {
			return e, backends.Invalid(what, "an endpoint of this backend is in one group: give one tag")
		}
		e.Group = c.Tags[0]
		return e, writable(what, e.Group)
	}
	for name, v := range c.Params {
		switch name {
		case "group":
			e.Group = v
		case "status":
			e.Status = v
		case "criticality":
			n, err := strconv.Atoi(v)
			if err != nil || n < 0 || n > 10 {
				return e, backends.Invalid(what, fmt.Sprintf("criticality is a number from 0 to 10, not %q", v))
			}
			e.Criticality = &n
		default:
			return e, backends.Invalid(what, fmt.Sprintf("it takes group, status and criticality, not %q", name))
		}
	}
	if c.Verb == backends.VerbHostEdit && e.empty() {
		return e, backends.Invalid(what, "say what to set: group, status or criticality; none can be made empty")
	}
	return e, writable(what, e.Group, e.Status)
}

// editable refuses what this version of the manager does not have. learn has
// run: the list was read.
func (d *Driver) editable(what string, e editBody) error {
	switch f := d.flavour(); {
	case e.empty():
		return nil
	case !f.json:
		return backends.Unsupported(Name, what, "group, status and criticality need a manager of v1.8.0-beta.2 or later")
	case e.Criticality != nil && !f.criticality:
		return backends.Unsupported(Name, what, "criticality needs a manager of v1.8.0-beta.3 or later")
	}
	return nil
}

func putEndpoint() client.Call { return client.Call{Method: http.MethodPut, Path: "/endpoints"} }

func postEndpoint(uuid string, e editBody) client.Call {
	return client.Call{Method: http.MethodPost, Path: "/endpoints/" + uuid, JSON: e}
}

func deleteEndpoint(uuid string) client.Call {
	return client.Call{Method: http.MethodDelete, Path: "/endpoints/" + uuid}
}

func (d *Driver) previewHost(ctx context.Context, what string, c backends.Change) (backends.Preview, error) {
	var pv backends.Preview
	switch c.Verb {
	case backends.VerbHostAdd:
		e, err := edit(what, c)
		if err != nil {
			return pv, err
		}
		list, err := d.endpoints(ctx, false)
		if err != nil {
			return pv, d.fail("cannot list endpoints", err)
		}
		if err := d.editable(what, e); err != nil {
			return pv, err
		}
		pv.Requests = []string{d.c.Describe(putEndpoint())}
		pv.Summary = "adds an endpoint; the manager chooses its UUID and key"
		if !e.empty() {
			pv.Requests = append(pv.Requests, d.c.Describe(postEndpoint("…", e)))
			pv.Summary += "; then sets " + e.describe()
		}
		if c.Host != nil && c.Host.Name != "" {
			pv.Warnings = append(pv.Warnings, "the manager takes no name: the endpoint gets its host's when the agent first connects")
		}
		if v, err := d.version(ctx, list); err == nil && v == "v1.7.0" {
			pv.Warnings = append(pv.Warnings, "this manager forgets the endpoint when it is restarted: write UUID and key into its configuration file")
		}
		return pv, nil
	case backends.VerbHostTag, backends.VerbHostEdit:
		e, err := edit(what, c)
		if err != nil {
			return pv, err
		}
		ep, err := d.confirm(ctx, what, c.Host)
		if err != nil {
			return pv, err
		}
		if err := d.editable(what, e); err != nil {
			return pv, err
		}
		pv.Requests = []string{d.c.Describe(postEndpoint(ep.UUID, e))}
		pv.Summary = "sets " + e.describe()
		if e.Group != "" && ep.Group != nil && *ep.Group != "" {
			pv.Summary += ", in the place of group " + strconv.Quote(*ep.Group)
		}
		if e.appliedTo(ep) {
			pv.Nothing = "it has " + e.describe() + " already"
		}
		if e.Group != "" || e.Status != "" {
			pv.Warnings = append(pv.Warnings, "group and status can be changed, but not be taken away again")
		}
		return pv, nil
	case backends.VerbHostDelete:
		ep, err := d.confirm(ctx, what, c.Host)
		if err != nil {
			return pv, err
		}
		pv.Requests = []string{d.c.Describe(deleteEndpoint(ep.UUID))}
		pv.Summary = "deletes the endpoint and its key: its agent is refused from then on"
		if breaks, err := d.breaksIndex(ctx, ep); err != nil {
			return pv, d.fail("cannot list endpoints", err)
		} else if breaks {
			pv.Warnings = append(pv.Warnings, breaksText)
		}
		return pv, nil
	}
	return pv, backends.Unsupported(Name, what, "")
}

func (d *Driver) applyHost(ctx context.Context, what string, c backends.Change, act *model.Action, notify func()) error {
	switch c.Verb {
	case backends.VerbHostAdd:
		return d.addHost(ctx, what, c, act, notify)
	case backends.VerbHostTag, backends.VerbHostEdit:
		e, err := edit(what, c)
		if err != nil {
			return err
		}
		ep, err := d.confirm(ctx, what, c.Host)
		if err != nil {
			return err
		}
		if err := d.editable(what, e); err != nil {
			return err
		}
		notify()
		got, err := d.actOn(ctx, what, "that has "+e.describe()+" now", ep, postEndpoint(ep.UUID, e))
		if err != nil {
			return d.misdirectedDetails(act, ep, got, err)
		}
		if !e.appliedTo(got.endpoint) {
			return &backends.Error{What: what, Why: "the manager took the request, but the endpoint has not " + e.describe()}
		}
		if ep.Group != nil {
			act.Details["former_group"] = *ep.Group
		}
		act.Host = d.host(got.endpoint)
	case backends.VerbHostDelete:
		ep, err := d.confirm(ctx, what, c.Host)
		if err != nil {
			return err
		}
		breaks, err := d.breaksIndex(ctx, ep)
		if err != nil {
			return d.fail(what+": nothing was sent: cannot list endpoints", err)
		}
		notify()
		got, err := d.actOn(ctx, what, "that is deleted", ep, deleteEndpoint(ep.UUID))
		if err != nil {
			return d.misdirectedDetails(act, ep, got, err)
		}
		act.Host = d.host(ep)
		if breaks {
			act.Details["note"] = breaksText
			d.warn(breaksText)
		}
	default:
		return backends.Unsupported(Name, what, "")
	}
	act.State, act.FinishedAt = model.ActionDone, model.At(d.now())
	return nil
}

// addHost makes an endpoint. Its key is in the action once; the journal
// and every log have it masked, as the redactor knows it.
func (d *Driver) addHost(ctx context.Context, what string, c backends.Change, act *model.Action, notify func()) error {
	e, err := edit(what, c)
	if err != nil {
		return err
	}
	list, err := d.endpoints(ctx, false)
	if err != nil {
		return d.fail(what+": nothing was sent: cannot list endpoints", err)
	}
	if err := d.editable(what, e); err != nil {
		return err
	}
	var there []string
	for _, ep := range list {
		there = append(there, ep.UUID)
	}
	d.session.locked(func() { d.session.hostsBefore[wantedName(c)] = there })
	notify()
	raw, err := d.act(ctx, what, putEndpoint())
	if err != nil {
		return err
	}
	var made endpoint
	if json.Unmarshal(raw, &made) != nil || !wire.IsUUID(made.UUID) || slices.Contains(there, made.UUID) {
		return ambiguous(what, "the answer holds no new endpoint")
	}
	key := made.Key
	d.sanitize(&made, raw, false)
	d.added(act, c, made, key)
	if e.empty() {
		act.State, act.FinishedAt = model.ActionDone, model.At(d.now())
		return nil
	}
	notify()
	const half = "the endpoint was added, but its settings were not made"
	ep, err := d.confirm(ctx, half, act.Host)
	if err != nil {
		return err
	}
	got, err := d.actOn(ctx, half, "that has "+e.describe()+" now", ep, postEndpoint(made.UUID, e))
	if err != nil {
		return d.misdirectedDetails(act, ep, got, err)
	}
	act.State, act.FinishedAt = model.ActionDone, model.At(d.now())
	return nil
}

func (d *Driver) added(act *model.Action, c backends.Change, made endpoint, key string) {
	act.Host = &model.Host{Origin: model.Origin{ID: made.UUID}, Name: wantedName(c)}
	if act.Host.Name == "" {
		act.Host.Name = made.UUID
	}
	act.Details["endpoint"] = made.UUID
	if key != "" {
		act.Details["key"] = key
	}
}

func wantedName(c backends.Change) string {
	if c.Host == nil {
		return ""
	}
	return c.Host.Name
}

// findHost looks up by reading what became of a change of the endpoints.
func (d *Driver) findHost(ctx context.Context, what string, c backends.Change) (*model.Action, error) {
	list, err := d.endpoints(ctx, false)
	if err != nil {
		return nil, d.fail(what, err)
	}
	act := &model.Action{Verb: c.Verb, Host: c.Host, State: model.ActionDone, FinishedAt: model.At(d.now()), Details: map[string]string{}}
	find := func(uuid string) int {
		return slices.IndexFunc(list, func(ep endpoint) bool { return ep.UUID == uuid })
	}
	switch c.Verb {
	case backends.VerbHostDelete:
		if c.Host == nil || find(c.Host.ID) >= 0 {
			return nil, nil
		}
		return act, nil
	case backends.VerbHostTag, backends.VerbHostEdit:
		e, err := edit(what, c)
		if err != nil {
			return nil, err
		}
		if c.Host == nil {
			return nil, nil
		}
		if i := find(c.Host.ID); i >= 0 && e.appliedTo(list[i]) {
			act.Host = d.host(list[i])
			return act, nil
		}
		return nil, nil
	case backends.VerbHostAdd:
		var there []string
		known := false
		d.session.locked(func() { there, known = d.session.hostsBefore[wantedName(c)] })
		if !known {
			return nil, &backends.Error{What: what, Why: "which endpoints there were before is not known: look for one without a name in the list"}
		}
		list = slices.DeleteFunc(list, func(ep endpoint) bool { return slices.Contains(there, ep.UUID) })
		switch len(list) {
		case 0:
			return nil, nil
		case 1:
		default:
			return nil, &backends.Error{What: what, Why: fmt.Sprintf("%d endpoints were added meanwhile: look at the list", len(list))}
		}
		var doc json.RawMessage
		err := d.serialised(ctx, func() error {
			_, err := d.get(ctx, "/endpoints/"+list[0].UUID, url.Values{"showkey": {"true"}}, &doc)
			return err
		})
		var made endpoint
		if err != nil || json.Unmarshal(doc, &made) != nil || made.UUID != list[0].UUID {
			d.added(act, c, list[0], "") // its key can be read another time
			return act, nil
		}
		key := made.Key
		d.sanitize(&made, doc, false)
		d.added(act, c, made, key)
		return act, nil
	}
	return nil, nil
}
