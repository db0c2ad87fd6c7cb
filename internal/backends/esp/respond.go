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
	"github.com/edrctl/edrctl/internal/backends/esp/reply"
	"github.com/edrctl/edrctl/internal/backends/esp/response"
	"github.com/edrctl/edrctl/internal/backends/esp/wire"
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
func (d *Driver) act(ctx context.Context, what string, o order) (*reply.Answer, error) {
	return d.session.send(ctx, what, o.path, o.call())
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
	community := slices.Contains([]string{wire.EditionCE2, wire.EditionCE3, wire.EditionCE4}, d.o.Settings["edition"])
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
		p.Requests = append(p.Requests, d.session.describeCall(o.path, o.call()))
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
		act.NativeState = wire.Short(a.Message)
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
	a, err := d.session.ask(ctx, what, "/response/status", client.Call{Method: http.MethodPost, JSON: wire.HostRequest{HostIdentifier: h.ID}, Reads: true})
	if err != nil {
		return "", d.explain(err)
	}
	switch {
	case !wire.IsTrue(a.Top["endpointOnline"]):
		return "the host is offline: ESP keeps the command until it is back", nil
	case !wire.IsTrue(a.Top["responseEnabled"]):
		return "response actions are switched off in the host's agent", nil
	}
	a, err = d.session.ask(ctx, what, "/response/status/all", client.Call{})
	if err != nil {
		return "", d.explain(err)
	}
	degraded := false
	if wire.KindOf(a.Data) == '[' {
		err = wire.EachElement(a.Data, func(v []byte) error {
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
			return "", reply.Malformed(what, err)
		}
	}
	if degraded {
		return "the host's agent is degraded", nil
	}
	return "", nil
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

func blockOrder(c backends.Change, r response.Rule) order {
	r.Action, r.Actuator, r.Target, r.Group = "contain", c.Host.ID, "ip_connection", response.RuleGroup
	if r.Protocol == "" {
		r.Protocol = response.ProtocolAny
	}
	return order{http.MethodPost, "/response/add", r}
}

func deleteRules(c backends.Change, names []string) (out []order) {
	for _, n := range names {
		out = append(out, order{http.MethodPost, "/response/add", response.DeleteRule{Action: "delete", Actuator: c.Host.ID, Target: "ip_connection", Name: n}})
	}
	return out
}

// ruleNames are the rules a change adds, for whoever takes it back.
func ruleNames(orders []order) (names []string) {
	for _, o := range orders {
		if r, ok := o.body.(response.Rule); ok {
			names = append(names, r.Name)
		}
	}
	return names
}

var responseVerbs = []verb{
	{
		VerbSpec: backends.VerbSpec{
			Verb: backends.VerbKill, Needs: []string{"host", "pid"}, Takes: []string{"path"},
			How: "stops the process by pid and, where the path is given, name (OpenC2 stop process)",
		},
		enterprise: true, took: tookCommand,
		orders: func(_ *Driver, c backends.Change) ([]order, error) {
			if c.PID <= 0 {
				return nil, response.Invalid("it needs the pid")
			}
			return []order{{http.MethodPost, "/response/add", response.StopProcess{Action: "stop", Actuator: c.Host.ID, Target: "process", Name: model.BaseName(c.Path), PID: strconv.FormatInt(c.PID, 10)}}}, nil
		},
		look: lookKill,
	},
	{
		VerbSpec: backends.VerbSpec{
			Verb: backends.VerbDeleteFile, Needs: []string{"host", "path"}, Takes: []string{"md5"},
			How: "deletes the file (OpenC2 delete file); with its MD5 only when that fits",
		},
		enterprise: true, took: tookCommand,
		orders: func(_ *Driver, c backends.Change) ([]order, error) {
			sum := strings.ToLower(c.Params["md5"])
			switch {
			case c.Path == "" || strings.ContainsAny(c.Path, "\r\n\x00"):
				return nil, response.Invalid("it needs the full path of the file")
			case sum != "" && (len(sum) != 32 || !wire.IsHex(sum)):
				return nil, response.Invalid("md5 is no MD5")
			}
			return []order{{http.MethodPost, "/response/add", response.DeleteFile{Action: "delete", Actuator: c.Host.ID, Target: "file", FileName: c.Path, FileHash: sum}}}, nil
		},
		look: func(_ context.Context, _ *Driver, c backends.Change, p *backends.Preview) error {
			p.Summary = "deletes " + c.Path
			return nil
		},
	},
	{
		VerbSpec: backends.VerbSpec{
			Verb: backends.VerbIsolate, Needs: []string{"host"}, Inverse: backends.VerbRelease,
			How: "adds two rules to the Windows firewall that block everything, in and out",
		},
		enterprise: true, windows: true, took: tookCommand,
		orders: func(_ *Driver, c backends.Change) ([]order, error) {
			// In before out: the agent fetches the second with the first in force.
			return []order{blockOrder(c, response.Rule{Name: response.RuleIsolate + "-in", Direction: response.DirectionIn}), blockOrder(c, response.Rule{Name: response.RuleIsolate + "-out", Direction: response.DirectionOut})}, nil
		},
		look: func(_ context.Context, _ *Driver, _ backends.Change, p *backends.Preview) error {
			p.Summary = "blocks all connections of the host, in and out"
			p.Warnings = append(p.Warnings, "the vendor does not say that the agent's own connection is spared: if it is not, release needs access to the host itself (rules "+response.RuleIsolate+"-in and -out of the Windows firewall)")
			return nil
		},
	},
	{
		VerbSpec: backends.VerbSpec{
			Verb: backends.VerbRelease, Needs: []string{"host"}, Inverse: backends.VerbIsolate,
			How: "removes the two rules isolate added to the Windows firewall",
		},
		enterprise: true, windows: true, took: tookCommand,
		orders: func(_ *Driver, c backends.Change) ([]order, error) {
			names := response.UndoneRules(c)
			if names == nil {
				names = []string{response.RuleIsolate + "-in", response.RuleIsolate + "-out"}
			}
			return deleteRules(c, names), nil
		},
		look: func(_ context.Context, _ *Driver, _ backends.Change, p *backends.Preview) error {
			p.Summary = "lets the host talk again: removes the rules that block everything"
			return nil
		},
	},
	{
		VerbSpec: backends.VerbSpec{
			Verb: backends.VerbBlock, Needs: []string{"host", "address|program"}, Takes: []string{"port", "address", "program", "direction", "protocol"}, Inverse: backends.VerbUnblock,
			How: "adds a rule to the Windows firewall for an address (or range) or a program: direction out (default), in or both; protocol any (default), tcp or udp",
		},
		enterprise: true, windows: true, took: tookCommand,
		orders: func(_ *Driver, c backends.Change) ([]order, error) {
			rules, err := response.BlockRules(c)
			var out []order
			for _, r := range rules {
				out = append(out, blockOrder(c, r))
			}
			return out, err
		},
		look: func(_ context.Context, _ *Driver, c backends.Change, p *backends.Preview) error {
			p.Summary = "blocks " + response.RuleObject(c)
			return nil
		},
	},
	{
		VerbSpec: backends.VerbSpec{
			Verb: backends.VerbUnblock, Needs: []string{"host", "address|program"}, Takes: []string{"port", "address", "program", "direction", "protocol"}, Inverse: backends.VerbBlock,
			How: "removes the rule block added to the Windows firewall, found by its name",
		},
		enterprise: true, windows: true, took: tookCommand,
		orders: func(_ *Driver, c backends.Change) ([]order, error) {
			names := response.UndoneRules(c)
			if names == nil {
				rules, err := response.BlockRules(c)
				if err != nil {
					return nil, err
				}
				for _, r := range rules {
					names = append(names, r.Name)
				}
			}
			return deleteRules(c, names), nil
		},
		look: func(_ context.Context, _ *Driver, c backends.Change, p *backends.Preview) error {
			p.Summary = "unblocks " + response.RuleObject(c)
			return nil
		},
	},
	{
		VerbSpec: backends.VerbSpec{
			Verb: backends.VerbRun, Needs: []string{"host", "command"},
			How: "runs the command as a live response script (batch on Windows, shell elsewhere) and reads its output from the socket",
		},
		enterprise: true, took: tookCommand, after: followOutput,
		orders: func(_ *Driver, c backends.Change) ([]order, error) {
			kind, content, err := response.CommandScript(c)
			if err != nil {
				return nil, err
			}
			return []order{{http.MethodPost, "/response/live_response", response.Script{
				HostIdentifier: c.Host.ID, Content: content, FileType: kind, File: model.Ptr(""), SaveScript: "false",
			}}}, nil
		},
		look: func(_ context.Context, _ *Driver, c backends.Change, p *backends.Preview) error {
			p.Summary = "runs " + strings.Join(c.Command, " ")
			return nil
		},
	},
	{
		VerbSpec: backends.VerbSpec{
			Verb: backends.VerbScript, Needs: []string{"host", "script"}, Takes: []string{"file_type", "params", "save"},
			How: "runs the script; its type follows the name's ending (.bat .cmd .ps1 .sh) unless file_type says another number; save=true keeps it on the server",
		},
		enterprise: true, took: tookCommand,
		orders: func(_ *Driver, c backends.Change) ([]order, error) {
			req, err := response.ScriptOf(c)
			return []order{{http.MethodPost, "/response/custom-action", req}}, err
		},
		look: func(_ context.Context, _ *Driver, c backends.Change, p *backends.Preview) error {
			p.Summary = "runs the script " + c.Script.Name
			return nil
		},
		after: learnCommand,
	},
	{
		VerbSpec: backends.VerbSpec{
			Verb: backends.VerbScan, Needs: []string{"host", "scan"}, Takes: []string{"path"},
			How: "starts a scan of Windows Defender: quick, full, or custom with a path",
		},
		enterprise: true, windows: true, took: tookCommand,
		orders: func(_ *Driver, c backends.Change) ([]order, error) {
			kind, known := map[string]int{"quick": 1, "full": 2, "custom": 3}[c.Scan]
			switch {
			case !known:
				return nil, response.Invalid("a scan is quick, full or custom")
			case kind == 3 && c.Path == "":
				return nil, response.Invalid("a custom scan needs the path")
			case kind != 3 && c.Path != "":
				return nil, response.Invalid("only a custom scan takes a path")
			}
			return []order{{http.MethodPost, "/defender-management/scan-now", response.Scan{HostIdentifier: c.Host.ID, ScanType: kind, FilePath: c.Path}}}, nil
		},
		look: func(_ context.Context, _ *Driver, c backends.Change, p *backends.Preview) error {
			p.Summary = strings.TrimSpace("starts a " + c.Scan + " scan of Windows Defender " + c.Path)
			return nil
		},
		after: learnCommand,
	},
	{
		VerbSpec:   backends.VerbSpec{Verb: backends.VerbRestartAgent, Needs: []string{"host"}, How: "restarts the agent on the host"},
		enterprise: true, took: tookCommand,
		orders: func(_ *Driver, c backends.Change) ([]order, error) {
			return []order{{http.MethodPost, "/response/restart-agent", wire.HostRequest{HostIdentifier: c.Host.ID}}}, nil
		},
		after: learnCommand,
	},
	{
		VerbSpec:   backends.VerbSpec{Verb: backends.VerbCancel, Needs: []string{"action"}, Sync: true, How: "asks the server to cancel a command that has not run yet"},
		enterprise: true,
		orders: func(_ *Driver, c backends.Change) ([]order, error) {
			ids := response.CommandIDs(c)
			if ids == nil {
				return nil, response.Invalid("ESP cancels response commands only, and " + strconv.Quote(c.ActionID) + " is none")
			}
			var out []order
			for _, id := range ids {
				out = append(out, order{http.MethodPost, "/response/cancel", response.Cancel{CommandID: id}})
			}
			return out, nil
		},
		look: lookCancel,
		find: func(ctx context.Context, d *Driver, c backends.Change, _ time.Time) (*model.Action, error) {
			a, err := d.Action(ctx, c.ActionID)
			if err != nil || !strings.HasPrefix(a.NativeState, "cancel") {
				return nil, err
			}
			return d.done(a.NativeState), nil
		},
	},
	{
		VerbSpec:   backends.VerbSpec{Verb: backends.VerbActionDelete, Needs: []string{"action"}, Sync: true, How: "permanently deletes the record of an action; it undoes nothing"},
		enterprise: true,
		orders: func(_ *Driver, c backends.Change) ([]order, error) {
			id := c.ActionID
			if !response.IsActionNumber(id) && c.Undo != nil {
				id = c.Undo.Details["openc2_id"]
			}
			if !response.IsActionNumber(id) {
				return nil, response.Invalid("it needs the number of the action (openc2_id), which respond get shows")
			}
			return []order{{http.MethodDelete, "/response/" + id + "/delete", nil}}, nil
		},
		look: func(ctx context.Context, d *Driver, c backends.Change, p *backends.Preview) error {
			a, err := d.Action(ctx, c.ActionID)
			if err == nil {
				p.Summary = "deletes the record of " + a.Verb + " (" + a.NativeState + ")"
				if !a.State.Final() {
					p.Warnings = append(p.Warnings, "it has not ended: deleting the record does not cancel it")
				}
			}
			return err
		},
		find: func(ctx context.Context, d *Driver, c backends.Change, _ time.Time) (*model.Action, error) {
			_, err := d.Action(ctx, c.ActionID)
			if backends.KindOf(err) == backends.KindNotFound {
				return d.done("the record is gone"), nil
			}
			return nil, err
		},
	},
}
