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
		p.Requests = append(p.Requests, d.session.DescribeCall(o.path, o.call()))
	}
	if v.enterprise && slices.Contains(v.Needs, "host") {
		if p.NotReady, err = d.notReady(ctx, response.What(c), c.Host); err != nil {
			return p, err
		}
	}
	if v.preview != nil {
		if err := v.preview(ctx, d, c, &p); err != nil {
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
	response.SetDetail(act, "rules", strings.Join(ruleNames(orders), ","))
	for i, o := range orders {
		a, err := d.act(ctx, response.What(c), o)
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
				response.SetDetail(act, "taken", strconv.Itoa(i)+" of "+strconv.Itoa(len(orders)))
			}
			if v.enterprise {
				err = d.explainUnsupported(err)
			}
			err = withVerdictHint(err)
			act.Error = err.Error()
			return act, err
		}
		act.NativeState = wire.Short(a.Message)
		if v.readAnswer != nil {
			v.readAnswer(d, a, act)
		}
	}
	// Success is what the server answers for what it did not do, too: done is
	// what a look shows (v.after, v.find).
	act.State = model.ActionSent
	update(act)
	if v.follow != nil {
		if err := v.follow(ctx, d, c, act, update); err != nil {
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
		return nil, backends.Unsupported("ESP", response.What(c), "")
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

// notReady tells why a host cannot take response actions now (104, 111); ""
// when it can. A server without the routes is Unsupported.
func (d *Driver) notReady(ctx context.Context, what string, h *model.Host) (string, error) {
	a, err := d.session.Ask(ctx, what, "/response/status", client.Call{Method: http.MethodPost, JSON: wire.HostRequest{HostIdentifier: h.ID}, Reads: true})
	if err != nil {
		return "", d.explainUnsupported(err)
	}
	switch {
	case !wire.IsTrue(a.Top["endpointOnline"]):
		return "the host is offline: ESP keeps the command until it is back", nil
	case !wire.IsTrue(a.Top["responseEnabled"]):
		return "response actions are switched off in the host's agent", nil
	}
	a, err = d.session.Ask(ctx, what, "/response/status/all", client.Call{})
	if err != nil {
		return "", d.explainUnsupported(err)
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
		enterprise: true, readAnswer: readCommandIDs,
		orders: func(_ *Driver, c backends.Change) ([]order, error) {
			if c.PID <= 0 {
				return nil, response.Invalid("it needs the pid")
			}
			return []order{{http.MethodPost, "/response/add", response.StopProcess{Action: "stop", Actuator: c.Host.ID, Target: "process", Name: model.BaseName(c.Path), PID: strconv.FormatInt(c.PID, 10)}}}, nil
		},
		preview: previewKill,
	},
	{
		VerbSpec: backends.VerbSpec{
			Verb: backends.VerbDeleteFile, Needs: []string{"host", "path"}, Takes: []string{"md5"},
			How: "deletes the file (OpenC2 delete file); with its MD5 only when that fits",
		},
		enterprise: true, readAnswer: readCommandIDs,
		orders: func(_ *Driver, c backends.Change) ([]order, error) {
			sum := strings.ToLower(c.Params["md5"])
			switch {
			case c.Path == "" || strings.ContainsAny(c.Path, "\r\n\x00"):
				return nil, response.Invalid("it needs the full path of the file")
			case sum != "" && (len(sum) != 32 || !wire.IsHex(sum)):
				return nil, response.Invalid("md5 is not an MD5")
			}
			return []order{{http.MethodPost, "/response/add", response.DeleteFile{Action: "delete", Actuator: c.Host.ID, Target: "file", FileName: c.Path, FileHash: sum}}}, nil
		},
		preview: func(_ context.Context, _ *Driver, c backends.Change, p *backends.Preview) error {
			p.Summary = "deletes " + c.Path
			return nil
		},
	},
	{
		VerbSpec: backends.VerbSpec{
			Verb: backends.VerbIsolate, Needs: []string{"host"}, Inverse: backends.VerbRelease,
			How: "adds two rules to the Windows firewall that block everything, in and out",
		},
		enterprise: true, windows: true, readAnswer: readCommandIDs,
		orders: func(_ *Driver, c backends.Change) ([]order, error) {
			// In before out: the agent fetches the second with the first in force.
			return []order{blockOrder(c, response.Rule{Name: response.RuleIsolate + "-in", Direction: response.DirectionIn}), blockOrder(c, response.Rule{Name: response.RuleIsolate + "-out", Direction: response.DirectionOut})}, nil
		},
		preview: func(_ context.Context, _ *Driver, _ backends.Change, p *backends.Preview) error {
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
		enterprise: true, windows: true, readAnswer: readCommandIDs,
		orders: func(_ *Driver, c backends.Change) ([]order, error) {
			names := response.UndoneRules(c)
			if names == nil {
				names = []string{response.RuleIsolate + "-in", response.RuleIsolate + "-out"}
			}
			return deleteRules(c, names), nil
		},
		preview: func(_ context.Context, _ *Driver, _ backends.Change, p *backends.Preview) error {
			p.Summary = "lets the host talk again: removes the rules that block everything"
			return nil
		},
	},
	{
		VerbSpec: backends.VerbSpec{
			Verb: backends.VerbBlock, Needs: []string{"host", "address|program"}, Takes: []string{"port", "address", "program", "direction", "protocol"}, Inverse: backends.VerbUnblock,
			How: "adds a rule to the Windows firewall for an address (or range) or a program: direction out (default), in or both; protocol any (default), tcp or udp",
		},
		enterprise: true, windows: true, readAnswer: readCommandIDs,
		orders: func(_ *Driver, c backends.Change) ([]order, error) {
			rules, err := response.BlockRules(c)
			var out []order
			for _, r := range rules {
				out = append(out, blockOrder(c, r))
			}
			return out, err
		},
		preview: func(_ context.Context, _ *Driver, c backends.Change, p *backends.Preview) error {
			p.Summary = "blocks " + response.RuleObject(c)
			return nil
		},
	},
	{
		VerbSpec: backends.VerbSpec{
			Verb: backends.VerbUnblock, Needs: []string{"host", "address|program"}, Takes: []string{"port", "address", "program", "direction", "protocol"}, Inverse: backends.VerbBlock,
			How: "removes the rule block added to the Windows firewall, found by its name",
		},
		enterprise: true, windows: true, readAnswer: readCommandIDs,
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
		preview: func(_ context.Context, _ *Driver, c backends.Change, p *backends.Preview) error {
			p.Summary = "unblocks " + response.RuleObject(c)
			return nil
		},
	},
	{
		VerbSpec: backends.VerbSpec{
			Verb: backends.VerbRun, Needs: []string{"host", "command"},
			How: "runs the command as a live response script (batch on Windows, shell elsewhere) and reads its output from the socket",
		},
		enterprise: true, readAnswer: readCommandIDs, follow: followOutput,
		orders: func(_ *Driver, c backends.Change) ([]order, error) {
			kind, content, err := response.CommandScript(c)
			if err != nil {
				return nil, err
			}
			return []order{{http.MethodPost, "/response/live_response", response.Script{
				HostIdentifier: c.Host.ID, Content: content, FileType: kind, File: model.Ptr(""), SaveScript: "false",
			}}}, nil
		},
		preview: func(_ context.Context, _ *Driver, c backends.Change, p *backends.Preview) error {
			p.Summary = "runs " + strings.Join(c.Command, " ")
			return nil
		},
	},
	{
		VerbSpec: backends.VerbSpec{
			Verb: backends.VerbScript, Needs: []string{"host", "script"}, Takes: []string{"file_type", "params", "save"},
			How: "runs the script; its type follows the name's ending (.bat .cmd .ps1 .sh) unless file_type says another number; save=true keeps it on the server",
		},
		enterprise: true, readAnswer: readCommandIDs,
		orders: func(_ *Driver, c backends.Change) ([]order, error) {
			req, err := response.ScriptOf(c)
			return []order{{http.MethodPost, "/response/custom-action", req}}, err
		},
		preview: func(_ context.Context, _ *Driver, c backends.Change, p *backends.Preview) error {
			p.Summary = "runs the script " + c.Script.Name
			return nil
		},
		follow: findCommandID,
	},
	{
		VerbSpec: backends.VerbSpec{
			Verb: backends.VerbScan, Needs: []string{"host", "scan"}, Takes: []string{"path"},
			How: "starts a scan of Windows Defender: quick, full, or custom with a path",
		},
		enterprise: true, windows: true, readAnswer: readCommandIDs,
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
		preview: func(_ context.Context, _ *Driver, c backends.Change, p *backends.Preview) error {
			p.Summary = strings.TrimSpace("starts a " + c.Scan + " scan of Windows Defender " + c.Path)
			return nil
		},
		follow: findCommandID,
	},
	{
		VerbSpec:   backends.VerbSpec{Verb: backends.VerbRestartAgent, Needs: []string{"host"}, How: "restarts the agent on the host"},
		enterprise: true, readAnswer: readCommandIDs,
		orders: func(_ *Driver, c backends.Change) ([]order, error) {
			return []order{{http.MethodPost, "/response/restart-agent", wire.HostRequest{HostIdentifier: c.Host.ID}}}, nil
		},
		follow: findCommandID,
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
		preview: previewCancel,
		find: func(ctx context.Context, d *Driver, c backends.Change, _ time.Time) (*model.Action, error) {
			a, err := d.Action(ctx, c.ActionID)
			if err != nil || !strings.HasPrefix(a.NativeState, "cancel") {
				return nil, err
			}
			return d.doneAction(a.NativeState), nil
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
		preview: func(ctx context.Context, d *Driver, c backends.Change, p *backends.Preview) error {
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
				return d.doneAction("the record is gone"), nil
			}
			return nil, err
		},
	},
}
