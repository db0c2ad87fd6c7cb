package esp

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/client"
	"github.com/edrctl/edrctl/internal/client/flex"
	"github.com/edrctl/edrctl/internal/model"
)

// clockSlack is how far the server's clock may be behind ours when something
// is looked up by when it was made.
const clockSlack = 2 * time.Minute

// actionPage is how many actions a page of 100 and 101 has.
const actionPage = 100

type wireAction struct {
	ID         flex.String     `json:"id"` // openc2_id in 100
	Action     flex.String     `json:"action"`
	Target     flex.String     `json:"target"`
	Command    json.RawMessage `json:"command"`
	ScriptName flex.String     `json:"script_name"`
	CreatedAt  flex.String     `json:"created_at"`
	UpdatedAt  flex.String     `json:"updated_at"`
	Executed   flex.String     `json:"Executed"` // done/total

	// Of the rows of 101 and 103.
	NodeID    flex.String `json:"node_id"`
	CommandID flex.String `json:"command_id"`
	Status    flex.String `json:"status"`
	Message   flex.String `json:"message"`
	Data      flex.String `json:"data"`
	Hostname  flex.String `json:"hostname"`
}

type viewRequest struct {
	Start    int   `json:"start"`
	Limit    int   `json:"limit"`
	OpenC2ID int64 `json:"openc2_id"`
}

// commandState reads the state of a command (§13): what is none of the known
// words is on its way.
func commandState(status, message string) (state model.ActionState, native, failed string) {
	message = short(outputText(message))
	native = strings.TrimSpace(short(status) + " " + message)
	switch strings.ToLower(status) {
	case "success":
		if strings.Contains(message, "_NOT_") || strings.HasSuffix(message, "_DISABLED") {
			return model.ActionFailed, native, message // FILE_NOT_FOUND and its kin
		}
		return model.ActionDone, native, ""
	case "failure":
		return model.ActionFailed, native, firstOf(message, "the host reports a failure without a reason")
	case "cancelled":
		return model.ActionCancelled, native, ""
	case "received", "cancel_initiated":
		return model.ActionRunning, native, ""
	}
	return model.ActionSent, native, ""
}

// outputText drops the words the agents write for no output.
func outputText(s string) string {
	if isNull([]byte(s)) {
		return ""
	}
	return s
}

// openC2 is the stored command of an action.
type openC2 struct {
	action, target string
	fields         map[string]string
}

func readOpenC2(v []byte) (o openC2) {
	if kindOf(v) == '"' {
		v = []byte(scalar(v))
	}
	if kindOf(v) != '{' {
		return o
	}
	_ = eachMember(v, func(name string, v []byte) error {
		switch {
		case name == "action":
			o.action = scalar(v)
		case name == "target" && kindOf(v) == '{':
			return eachMember(v, func(kind string, v []byte) error {
				o.target = kind
				o.fields = map[string]string{}
				if kindOf(v) != '{' {
					return nil
				}
				return eachMember(v, func(name string, v []byte) error {
					if kindOf(v) != '{' && kindOf(v) != '[' {
						o.fields[name] = scalar(v)
					}
					return nil
				})
			})
		}
		return nil
	})
	return o
}

// verbOfAction names what an action of the server does in edrctl's words; one
// of another kind keeps the server's.
func (w *wireAction) verb() (string, *model.ActionTarget) {
	o := readOpenC2(w.Command)
	act, target := firstOf(string(w.Action), o.action), firstOf(string(w.Target), o.target)
	t := &model.ActionTarget{}
	v := strings.TrimSpace(act + " " + target)
	field := func(names ...string) string {
		for _, n := range names {
			if s := outputText(o.fields[n]); s != "" {
				return s
			}
		}
		return ""
	}
	switch act + "/" + target {
	case "stop/process":
		v, t.Name, t.PID = backends.VerbKill, field("name", "process_name"), pidOf(field("pid"))
	case "delete/file":
		v, t.Path = backends.VerbDeleteFile, field("name", "file_name")
	case "contain/ip_connection", "delete/ip_connection":
		v = map[string]string{"contain": backends.VerbBlock, "delete": backends.VerbUnblock}[act]
		t.Name, t.Address = field("rule_name"), field("dst_addr")
		t.Port = portOf(field("dst_port"))
		if strings.HasPrefix(t.Name, ruleIsolate) {
			v = map[string]string{"contain": backends.VerbIsolate, "delete": backends.VerbRelease}[act]
		}
	default:
		switch {
		case strings.Contains(target, "script") || w.ScriptName != "":
			v, t.Name = backends.VerbScript, string(w.ScriptName)
		case act == "restart":
			v = backends.VerbRestartAgent
		case act == "scan":
			v = backends.VerbScan
		}
	}
	if *t == (model.ActionTarget{}) {
		t = nil
	}
	return v, t
}

// command is one host's part of an action, as 101 and 103 tell it.
func (d *Driver) command(ctx context.Context, what string, v []byte, openc2 string, raw bool) (*model.Action, error) {
	var w wireAction
	if kindOf(v) != '{' {
		return nil, backends.Malformed(what, "the answer carries no command")
	}
	if err := json.Unmarshal(v, &w); err != nil {
		return nil, malformed(what, err)
	}
	a := &model.Action{RequestedAt: parseTime(string(w.CreatedAt)), Stdout: outputText(string(w.Data))}
	a.ID = firstOf(string(w.CommandID), openc2)
	a.Verb, a.Target = w.verb()
	a.State, a.NativeState, a.Error = commandState(string(w.Status), string(w.Message))
	if a.State.Final() {
		a.FinishedAt = parseTime(string(w.UpdatedAt))
	}
	detail(a, "openc2_id", openc2)
	detail(a, "command_id", string(w.CommandID))
	if w.NodeID != "" || w.Hostname != "" {
		h, err := d.hostOf(ctx, what, string(w.NodeID), string(w.Hostname))
		if err != nil {
			return nil, err
		}
		a.Host = h
	}
	if raw {
		a.Raw = append(json.RawMessage(nil), v...)
	}
	return a, nil
}

// Action reads how an action is doing: a command on one host by its id (103),
// an action by its number (101), a carve by its query (45) or session (43),
// and several joined by + as one.
func (d *Driver) Action(ctx context.Context, id string) (*model.Action, error) {
	what := "cannot read action " + id
	switch {
	case strings.Contains(id, "+"):
		return d.joined(ctx, id)
	case strings.HasPrefix(id, carveAction):
		return d.pollCarve(ctx, id)
	case strings.HasPrefix(id, sessionAction):
		c, err := d.Carve(ctx, strings.TrimPrefix(id, sessionAction))
		if err != nil {
			return nil, err
		}
		return carveProgress(id, c), nil
	case isOpenC2(id):
		list, err := d.commandsOf(ctx, what, id, false)
		if err != nil {
			return nil, d.explain(err)
		}
		if len(list) == 0 {
			return nil, backends.NotFound("action", id)
		}
		a := combine(list)
		a.ID = id
		return a, nil
	case isCommandID(id):
		a, err := d.ask(ctx, what, "/response/"+id, client.Call{})
		if err != nil {
			if backends.KindOf(err) == backends.KindOther && containsAny(strings.ToLower(err.Error()), "no command", "not exist", "no response") {
				return nil, backends.NotFound("action", id)
			}
			return nil, d.explain(err)
		}
		act, err := d.command(ctx, what, a.Data, "", false)
		if err == nil {
			act.ID = id
		}
		return act, err
	}
	return nil, backends.NotFound("action", id)
}

// joined reads an action that took several commands.
func (d *Driver) joined(ctx context.Context, id string) (*model.Action, error) {
	var list []*model.Action
	for _, one := range strings.Split(id, "+") {
		if !isOpenC2(one) && !isCommandID(one) {
			return nil, backends.NotFound("action", id)
		}
		a, err := d.Action(ctx, one)
		if err != nil {
			return nil, err
		}
		list = append(list, a)
	}
	a := combine(list)
	a.ID = id
	return a, nil
}

// combine makes one action of several commands: it is as far as the one that
// is least far, and failed when one of them is.
func combine(list []*model.Action) *model.Action {
	a := *list[0]
	rank := map[model.ActionState]int{
		model.ActionSent: 5, model.ActionRunning: 4, model.ActionFailed: 3, model.ActionCancelled: 2, model.ActionDone: 1,
	}
	for _, b := range list[1:] {
		if rank[b.State] > rank[a.State] {
			a.State, a.NativeState, a.FinishedAt = b.State, b.NativeState, b.FinishedAt
		}
		a.Error = firstOf(a.Error, b.Error)
		a.Stdout += b.Stdout
	}
	if !a.State.Final() {
		a.FinishedAt = model.Time{}
	}
	return &a
}

// commandsOf reads the commands of an action, one a host (101).
func (d *Driver) commandsOf(ctx context.Context, what, openc2 string, raw bool) ([]*model.Action, error) {
	n, err := strconv.ParseInt(openc2, 10, 64)
	if err != nil {
		return nil, backends.NotFound("action", openc2)
	}
	var out []*model.Action
	err = offsetPages(ctx, what, actionPage, func(ctx context.Context, start, limit int) (*page, error) {
		return d.askPage(ctx, what, "/response/view", viewRequest{start, limit, n})
	}, func(v []byte) (bool, error) {
		a, err := d.command(ctx, what, v, openc2, raw)
		out = append(out, a)
		return err == nil, err
	})
	return out, err
}

// Actions lists the response actions (100), newest first, with a record for
// each host (101).
func (d *Driver) Actions(ctx context.Context, q backends.Query) (backends.Listing[*model.Action], error) {
	const what = "cannot list actions"
	limit := actionPage
	l := backends.Listing[*model.Action]{Plan: backends.Plan{Residual: q.Filter, Requests: []string{
		d.describe(http.MethodPost, "/response", listRequest{Start: new(int), Limit: &limit}) + " …",
		d.describe(http.MethodPost, "/response/view", viewRequest{0, limit, 0}) + " …",
	}}}
	l.Seq = func(yield func(*model.Action, error) bool) {
		seen := map[string]bool{}
		stopped := false
		var pairs rulePairs
		give := func(a *model.Action) bool {
			if a == nil || seen[a.ID] {
				return true
			}
			seen[a.ID] = true
			stopped = !yield(a, nil)
			return !stopped
		}
		err := d.eachAction(ctx, what, func(w *wireAction, v []byte) (bool, error) {
			t := parseTime(string(w.CreatedAt))
			if !q.Since.IsZero() && !t.IsZero() && t.Before(q.Since) {
				return false, nil // newest first
			}
			if !q.Until.IsZero() && !t.Before(q.Until) {
				return true, nil
			}
			list, err := d.commandsOf(ctx, what, string(w.ID), q.Raw)
			if err != nil {
				return false, err
			}
			if len(list) == 0 {
				a, err := d.command(ctx, what, v, string(w.ID), q.Raw)
				if err != nil {
					return false, err
				}
				a.NativeState = string(w.Executed)
				list = append(list, a)
			}
			for _, a := range list {
				if a.Target != nil && a.Target.Name == "" {
					a.Target.Name = string(w.ScriptName)
				}
				for _, a := range pairs.take(a) {
					if !give(a) {
						return false, nil
					}
				}
			}
			return true, nil
		})
		if !stopped {
			give(pairs.held)
		}
		if err != nil && !stopped {
			yield(nil, d.explain(err))
		}
	}
	return l, nil
}

// rulePairs makes one action of the two rules edrctl adds, or removes, for
// both directions, as they were asked for. Actions come newest first.
type rulePairs struct{ held *model.Action }

// take gives what is ready when a comes next.
func (p *rulePairs) take(a *model.Action) []*model.Action {
	before := p.held
	p.held = nil
	name := ruleBase(a)
	if before != nil && name != "" && name == ruleBase(before) && strings.HasSuffix(a.Target.Name, "-in") && before.Verb == a.Verb &&
		a.Host != nil && before.Host != nil && a.Host.ID == before.Host.ID && before.RequestedAt.Sub(a.RequestedAt.Time).Abs() < time.Minute {
		one := combine([]*model.Action{a, before})
		one.ID = a.ID + "+" + before.ID
		t := *a.Target
		t.Name = name
		one.Target = &t
		return []*model.Action{one}
	}
	var out []*model.Action
	if before != nil {
		out = append(out, before)
	}
	if name != "" && strings.HasSuffix(a.Target.Name, "-out") {
		p.held = a
		return out
	}
	return append(out, a)
}

// ruleBase is the name of one of edrctl's rules without its direction.
func ruleBase(a *model.Action) string {
	if a.Target == nil || !strings.HasPrefix(a.Target.Name, ruleGroup+"-") {
		return ""
	}
	return strings.TrimSuffix(strings.TrimSuffix(a.Target.Name, "-in"), "-out")
}

func (d *Driver) eachAction(ctx context.Context, what string, each func(w *wireAction, v []byte) (bool, error)) error {
	return offsetPages(ctx, what, actionPage, func(ctx context.Context, start, limit int) (*page, error) {
		return d.askPage(ctx, what, "/response", listRequest{Start: &start, Limit: &limit})
	}, func(v []byte) (bool, error) {
		var w wireAction
		if err := json.Unmarshal(v, &w); err != nil {
			return false, malformed(what, err)
		}
		if !isOpenC2(string(w.ID)) {
			return false, backends.Malformed(what, "an action without a number")
		}
		return each(&w, v)
	})
}

// findResponse looks for the commands of a change among those the server
// keeps, made since it was sent, on its host, with its content.
func findResponse(ctx context.Context, d *Driver, c backends.Change, sent time.Time) (*model.Action, error) {
	what := whatOf(c)
	_, orders, err := d.verbOf(c)
	if err != nil || c.Host == nil {
		return nil, err
	}
	found := make([]*model.Action, len(orders))
	err = d.eachAction(ctx, what, func(w *wireAction, _ []byte) (bool, error) {
		if t := parseTime(string(w.CreatedAt)); !t.IsZero() && t.Before(sent.Add(-clockSlack)) {
			return false, nil
		}
		for i, o := range orders {
			if !w.is(o.body) {
				continue
			}
			list, err := d.commandsOf(ctx, what, string(w.ID), false)
			if err != nil {
				return false, err
			}
			for _, a := range list {
				if a.Host != nil && strings.EqualFold(a.Host.ID, c.Host.ID) {
					found[i] = a // the oldest since then is the nearest
				}
			}
		}
		return true, nil
	})
	if err != nil {
		return nil, d.explain(err)
	}
	var list []*model.Action
	var ids []string
	for _, a := range found {
		if a != nil {
			list, ids = append(list, a), append(ids, a.ID)
		}
	}
	if len(list) == 0 {
		return nil, nil
	}
	a := combine(list)
	a.ID = strings.Join(ids, "+")
	if len(list) < len(orders) {
		a.Error = "only " + strconv.Itoa(len(list)) + " of " + strconv.Itoa(len(orders)) + " requests reached the server"
		a.State = model.ActionFailed
	}
	return a, nil
}

// is tells whether an action of the server is what a request asked for.
func (w *wireAction) is(body any) bool {
	got := readOpenC2(w.Command)
	act, target := firstOf(string(w.Action), got.action), firstOf(string(w.Target), got.target)
	same := func(value string, names ...string) bool {
		for _, n := range names {
			if v, ok := got.fields[n]; ok {
				return outputText(v) == value
			}
		}
		return value == ""
	}
	switch b := body.(type) {
	case openC2Process:
		return act == b.Action && target == b.Target && same(b.PID, "pid") && same(b.Name, "name", "process_name")
	case openC2File:
		return act == b.Action && target == b.Target && same(b.FileName, "name", "file_name")
	case openC2Rule:
		return act == b.Action && target == b.Target && same(b.Name, "rule_name")
	case openC2RuleDelete:
		return act == b.Action && target == b.Target && same(b.Name, "rule_name")
	case scriptRequest:
		return strings.Contains(target, "script") && (b.ScriptName == "" || string(w.ScriptName) == b.ScriptName || w.ScriptName == "")
	case scanRequest:
		return act == "scan" || strings.Contains(target, "defender")
	case hostRequest:
		return strings.HasPrefix(act, "restart") || strings.Contains(target, "restart")
	}
	return false
}
