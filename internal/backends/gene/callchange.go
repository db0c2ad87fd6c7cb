package gene

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/backends/gene/catalog"
	"github.com/edrctl/edrctl/internal/backends/gene/wire"
	"github.com/edrctl/edrctl/internal/model"
)

// planners make the plan of the operations that need more than to be sent.
var planners = map[string]func(*Driver, context.Context, string, backends.Call) (*callPlan, error){
	"rules.add": (*Driver).planRules, "rules.delete": (*Driver).planRuleDelete,
	"rules.save": (*Driver).planSave, "rules.reload": (*Driver).planReload,
	"iocs.add": (*Driver).planIOCs, "iocs.delete": (*Driver).planIOCDelete,
	"users.create": (*Driver).planUserAdd, "users.add": (*Driver).planUserAdd,
	"users.update": (*Driver).planUserUpdate, "users.delete": (*Driver).planUserDelete,
	"config.set": (*Driver).planConfigSet, "config.delete": (*Driver).planConfigDelete,
	"sysmon.config.set": (*Driver).planSysmonSet, "sysmon.config.delete": (*Driver).planStoredDelete,
	"sysmon.binary.set": (*Driver).planToolSet, "osqueryi.binary.set": (*Driver).planToolSet,
	"sysmon.binary.delete": (*Driver).planStoredDelete, "osqueryi.binary.delete": (*Driver).planStoredDelete,
	"endpoints.create": (*Driver).planEndpointAdd, "endpoints.update": (*Driver).planEndpointUpdate,
	"endpoints.delete": (*Driver).planEndpointDelete, "command.send": (*Driver).planCommand,
	"reports.delete": (*Driver).planReportDelete,
}

// planCall reads what must be known, and makes the plan of a call.
func (d *Driver) planCall(ctx context.Context, what string, call *backends.Call) (*callPlan, error) {
	if call == nil {
		return nil, backends.Invalid(what, "no call is given")
	}
	c := *call
	c.Args = cloned(c.Args)
	if _, err := backends.Build(c); err != nil {
		return nil, err
	}
	plan := planners[c.Op.Name]
	if plan == nil {
		plan = (*Driver).planPlain
	}
	p, err := plan(d, ctx, what, c)
	if err != nil {
		return nil, d.callFailed(what, c.Op, err)
	}
	if why := c.Danger(); why != "" && p.nothing == "" {
		p.warnings = append(p.warnings, why)
	}
	return p, nil
}

// planPlain sends a call as it is: of operations no trap is known of, and of
// those in no catalogue.
func (d *Driver) planPlain(_ context.Context, _ string, c backends.Call) (*callPlan, error) {
	return onePlan(c, "sends it")
}

// previewCall says what a call would send.
func (d *Driver) previewCall(ctx context.Context, what string, c backends.Change) (backends.Preview, error) {
	p, err := d.planCall(ctx, what, c.Call)
	if err != nil {
		return backends.Preview{}, err
	}
	shown := d.described(p.requests())
	d.session.locked(func() { d.session.shownPlans[callKey(c.Call)] = strings.Join(shown, "\n") })
	return backends.Preview{Requests: shown, Summary: p.summary, Warnings: p.warnings, Nothing: p.nothing}, nil
}

// callKey tells calls of one run apart.
func callKey(c *backends.Call) string {
	b, _ := json.Marshal(c.Args) // arguments are JSON values and files
	return c.Label() + "\x00" + string(b) + "\x00" + string(c.Body) + "\x00" + c.Query.Encode()
}

// applyCall sends the requests of a call, one after the other, as they were
// shown; after the first that fails nothing more is sent.
func (d *Driver) applyCall(ctx context.Context, what string, c backends.Change, act *model.Action, notify func()) error {
	p, err := d.planCall(ctx, what, c.Call)
	if err != nil {
		return err
	}
	if p.nothing != "" {
		act.State, act.FinishedAt, act.Details["note"] = model.ActionDone, model.At(d.now()), p.nothing
		return nil
	}
	shown, now := "", strings.Join(d.described(p.requests()), "\n")
	d.session.locked(func() { shown = d.session.shownPlans[callKey(c.Call)] })
	if shown != "" && shown != now {
		return &backends.Error{
			Kind: backends.KindRefused, What: what + ": nothing was sent", Why: "what the manager keeps has changed since this was shown",
			Hint: "run it again to see what it would do now",
		}
	}
	notify()
	for i, s := range p.steps {
		reply, err := d.c.Do(ctx, s.req)
		var data json.RawMessage
		if err == nil {
			data, err = wire.DecodeEnvelope(reply.Body)
			if err != nil && !isAnswer(err) {
				err = ambiguous(what, err.Error())
			}
		}
		if err == nil && i == 0 {
			act.Answer = wire.FirstEnvelope(reply.Body)
			if p.check != nil {
				err = p.check(data)
			}
		}
		if err != nil {
			err = d.callFailed(what, c.Call.Op, err)
			if len(p.steps) > 1 {
				err = p.failedAt(i, err)
			}
			return err
		}
		act.Details[fmt.Sprintf("step %d", i+1)] = s.req.Method + " " + s.req.Path + ": " + s.does
	}
	if len(p.steps) == 1 {
		delete(act.Details, "step 1")
	}
	if p.note != "" {
		act.Details["note"] = p.note
	}
	act.State, act.FinishedAt = model.ActionDone, model.At(d.now())
	return nil
}

// findCall looks up by reading what became of a call whose answer was lost.
func (d *Driver) findCall(ctx context.Context, what string, c backends.Change) (*model.Action, error) {
	newKey := c.Call != nil && isTrue(c.Call.Args["newkey"])
	if !catalog.Findable(callOp(c)) || newKey {
		return nil, &backends.Error{What: what, Why: "nothing the manager shows tells whether this was carried out"}
	}
	p, err := d.planCall(ctx, what, c.Call)
	there := err == nil && p.nothing != ""
	switch {
	case backends.KindOf(err) == backends.KindNotFound && c.Call.Op.Method == http.MethodDelete:
		there = true
	case err != nil && strings.HasPrefix(c.Call.Op.Name, "users.") && strings.HasSuffix(err.Error(), " already"):
		return nil, &backends.Error{What: what, Why: "there is such a user now: edrctl users update --newkey gives a key that is known"}
	case err != nil:
		return nil, err
	}
	switch {
	case !there:
		return nil, nil
	case isTrue(c.Call.Args["activate"]) && !d.live():
		return nil, &backends.Error{What: what, Why: "the manager shows the change, but what should have followed (save, reload) was not sent: edrctl rules save, then edrctl rules reload"}
	}
	return &model.Action{
		Verb: c.Verb, State: model.ActionDone, FinishedAt: model.At(d.now()), Details: map[string]string{"note": "a look at the manager shows that it was carried out"},
	}, nil
}

// live tells whether changes of the rules take effect without save and reload.
func (d *Driver) live() bool {
	r := d.flavour().rules
	return r != nil && r.array
}

func cannotCall(c backends.Change) string {
	if c.Call == nil {
		return "cannot call"
	}
	return "cannot call " + c.Call.Label()
}

func callOp(c backends.Change) string {
	if c.Call == nil {
		return ""
	}
	return c.Call.Op.Name
}
