package esp

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/client"
	"github.com/edrctl/edrctl/internal/client/flex"
	"github.com/edrctl/edrctl/internal/model"
)

// order is one changing request. It is sent once, whatever happens.
type order struct {
	method, path string
	body         any
}

func (o order) call() client.Call { return client.Call{Method: o.method, JSON: o.body, Acts: true} }

// act sends an order.
func (d *Driver) act(ctx context.Context, what string, o order) (*answer, error) {
	return d.send(ctx, what, o.path, o.call())
}

// send sends a changing call, once. An answer that cannot be read leaves open
// what became of it.
func (d *Driver) send(ctx context.Context, what, path string, call client.Call) (*answer, error) {
	call.Acts = true
	rep, err := d.do(ctx, what, path, call)
	if err != nil {
		return nil, err
	}
	a, err := parseAnswer(what, rep)
	var be *backends.Error
	switch {
	case !errors.As(err, &be):
	case be.Kind == backends.KindMalformed:
		return nil, &backends.Error{Kind: backends.KindAmbiguous, What: what, Why: be.Why + ": the request may have been carried out", Err: err}
	case strings.Contains(strings.ToLower(be.Why), "no active node"):
		be.Kind, be.Hint = backends.KindUnavailable, "no host asked for is online, and ESP keeps no query for later"
	}
	return a, err
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
	took func(d *Driver, a *answer, act *model.Action)
	// after follows what was sent, when all was taken.
	after func(ctx context.Context, d *Driver, c backends.Change, act *model.Action, update func(*model.Action)) error
	// find looks up what became of it; nil: among the response actions.
	find func(ctx context.Context, d *Driver, c backends.Change, sent time.Time) (*model.Action, error)
}

// verbs is everything, in the order it is shown.
var verbs []verb

func init() {
	verbs = slices.Concat(triageVerbs, hostVerbs, carveVerbs, responseVerbs)
	for i := range verbs { // looked up among the response actions, by default
		if verbs[i].find == nil {
			verbs[i].find = findResponse
		}
	}
}

// Verbs gives what the server can change. Whether an edition has the response
// routes is found out by the preview, unless the profile names the edition.
func (d *Driver) Verbs() []backends.VerbSpec {
	community := slices.Contains([]string{EditionCE2, EditionCE3, EditionCE4}, d.o.Settings["edition"])
	var out []backends.VerbSpec
	for _, v := range verbs {
		if !v.enterprise || !community {
			out = append(out, v.VerbSpec)
		}
	}
	return append(out, callSpec)
}

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
		return "cannot " + c.Verb + " on " + firstOf(c.Host.Name, c.Host.ID)
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

// wrong is a value of a change the server cannot take.
func wrong(why string) error { return &backends.Error{Kind: backends.KindInvalid, Why: why} }

// Preview tells what a change would send and do, by reading only.
func (d *Driver) Preview(ctx context.Context, c backends.Change) (backends.Preview, error) {
	if c.Verb == backends.VerbCall {
		return d.previewCall(ctx, c)
	}
	v, orders, err := d.verbOf(c)
	if err != nil {
		return backends.Preview{}, err
	}
	p := backends.Preview{Inverse: v.Inverse, Reversible: v.Inverse != ""}
	for _, o := range orders {
		p.Requests = append(p.Requests, d.describeCall(o.path, o.call()))
	}
	if v.enterprise && slices.Contains(v.Needs, "host") {
		if p.NotReady, err = d.notReady(ctx, whatOf(c), c.Host); err != nil {
			return p, err
		}
	}
	if v.look != nil {
		if err := v.look(ctx, d, c, &p); err != nil {
			return p, err
		}
	}
	if p.Summary == "" {
		p.Summary = v.How
	}
	return p, nil
}

// Apply sends a change: each of its requests once, in order, none after one
// that failed.
func (d *Driver) Apply(ctx context.Context, c backends.Change, update func(*model.Action)) (*model.Action, error) {
	if update == nil {
		update = func(*model.Action) {}
	}
	if c.Verb == backends.VerbCall {
		return d.applyCall(ctx, c, update)
	}
	act := &model.Action{Verb: c.Verb, Host: c.Host}
	v, orders, err := d.verbOf(c)
	if err != nil {
		act.State, act.Error = model.ActionFailed, err.Error()
		return act, err
	}
	act.Inverse, act.Reversible = v.Inverse, v.Inverse != ""
	act.RequestedAt = model.At(d.o.Clock())
	detail(act, "rules", strings.Join(ruleNames(orders), ","))
	for i, o := range orders {
		a, err := d.act(ctx, whatOf(c), o)
		if err != nil {
			act.State = model.ActionFailed
			if backends.KindOf(err) == backends.KindAmbiguous {
				act.State = model.ActionAmbiguous
			}
			if i > 0 {
				var be *backends.Error
				if errors.As(err, &be) {
					be.Why += "; " + strconv.Itoa(i) + " of " + strconv.Itoa(len(orders)) + " requests had been taken"
				}
				detail(act, "taken", strconv.Itoa(i)+" of "+strconv.Itoa(len(orders)))
			}
			if v.enterprise {
				err = d.explain(err)
			}
			err = askVerdict(err)
			act.Error = err.Error()
			return act, err
		}
		act.NativeState = short(a.Message)
		if v.took != nil {
			v.took(d, a, act)
		}
	}
	// Success is what the server answers for what it did not do, too: done is
	// what a look shows (v.after, v.find).
	act.State = model.ActionSent
	update(act)
	if v.after != nil {
		if err := v.after(ctx, d, c, act, update); err != nil {
			if act.Error == "" {
				act.Error = err.Error()
			}
			return act, err
		}
	}
	return act, nil
}

// FindAction looks up, by reading only, what became of a change whose answer
// was lost.
func (d *Driver) FindAction(ctx context.Context, c backends.Change, sent time.Time) (*model.Action, error) {
	if c.Verb == backends.VerbCall {
		return d.findCall(ctx, c)
	}
	v := verbNamed(c.Verb)
	if v == nil {
		return nil, backends.Unsupported("ESP", whatOf(c), "")
	}
	act, err := v.find(ctx, d, c, sent)
	if act != nil {
		act.Verb = c.Verb
		if act.Host == nil {
			act.Host = c.Host
		}
		act.Inverse, act.Reversible = v.Inverse, v.Inverse != ""
	}
	return act, err
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

// notReady tells why a host cannot take response actions now (104, 111); ""
// when it can. A server without the routes is Unsupported.
func (d *Driver) notReady(ctx context.Context, what string, h *model.Host) (string, error) {
	a, err := d.ask(ctx, what, "/response/status", client.Call{Method: http.MethodPost, JSON: hostRequest{HostIdentifier: h.ID}, Reads: true})
	if err != nil {
		return "", d.explain(err)
	}
	switch {
	case !flag(a.Top["endpointOnline"]):
		return "the host is offline: ESP keeps the command until it is back", nil
	case !flag(a.Top["responseEnabled"]):
		return "response actions are switched off in the host's agent", nil
	}
	a, err = d.ask(ctx, what, "/response/status/all", client.Call{})
	if err != nil {
		return "", d.explain(err)
	}
	degraded := false
	if kindOf(a.Data) == '[' {
		err = eachElement(a.Data, func(v []byte) error {
			var w struct {
				ID       flex.String `json:"hostIdentifier"`
				Degraded flex.Bool   `json:"host_degraded"`
			}
			if err := json.Unmarshal(v, &w); err != nil {
				return err
			}
			if strings.EqualFold(string(w.ID), h.ID) {
				degraded = bool(w.Degraded)
			}
			return nil
		})
		if err != nil {
			return "", malformed(what, err)
		}
	}
	if degraded {
		return "the host's agent is degraded", nil
	}
	return "", nil
}

func flag(v []byte) bool {
	s := strings.ToLower(scalar(v))
	return s == "true" || s == "1"
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
