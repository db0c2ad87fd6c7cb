package esp

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/backends/esp/reply"
	"github.com/edrctl/edrctl/internal/backends/esp/response"
	"github.com/edrctl/edrctl/internal/backends/esp/rules"
	"github.com/edrctl/edrctl/internal/backends/esp/wire"
	"github.com/edrctl/edrctl/internal/client"
	"github.com/edrctl/edrctl/internal/client/flex"
	"github.com/edrctl/edrctl/internal/model"
)

// actionPage is how many actions a page of 100 and 101 has.
const actionPage = 100

// command is one host's part of an action, as 101 and 103 tell it.
func (d *Driver) command(ctx context.Context, what string, v []byte, openc2 string, raw bool) (*model.Action, error) {
	var w response.Record
	if wire.KindOf(v) != '{' {
		return nil, backends.Malformed(what, "the answer carries no command")
	}
	if err := json.Unmarshal(v, &w); err != nil {
		return nil, reply.Malformed(what, err)
	}
	a := &model.Action{RequestedAt: parseTime(string(w.CreatedAt)), Stdout: response.OutputText(string(w.Data))}
	a.ID = wire.FirstOf(string(w.CommandID), openc2)
	a.Verb, a.Target = w.Verb()
	a.State, a.NativeState, a.Error = response.CommandState(string(w.Status), string(w.Message))
	if a.State.Final() {
		a.FinishedAt = parseTime(string(w.UpdatedAt))
	}
	response.SetDetail(a, "openc2_id", openc2)
	response.SetDetail(a, "command_id", string(w.CommandID))
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
	case response.IsActionNumber(id):
		list, err := d.commandsOf(ctx, what, id, false)
		if err != nil {
			return nil, d.explainUnsupported(err)
		}
		if len(list) == 0 {
			return nil, backends.NotFound("action", id)
		}
		a := combine(list)
		a.ID = id
		return a, nil
	case response.IsCommandID(id):
		a, err := d.session.Ask(ctx, what, "/response/"+id, client.Call{})
		if err != nil {
			if backends.KindOf(err) == backends.KindOther && wire.ContainsAny(strings.ToLower(err.Error()), "no command", "not exist", "no response") {
				return nil, backends.NotFound("action", id)
			}
			return nil, d.explainUnsupported(err)
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
		if !response.IsActionNumber(one) && !response.IsCommandID(one) {
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
		a.Error = wire.FirstOf(a.Error, b.Error)
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
	err = reply.OffsetPages(ctx, what, actionPage, func(ctx context.Context, start, limit int) (*reply.Page, error) {
		return d.session.AskPage(ctx, what, "/response/view", wire.ViewRequest{Start: start, Limit: limit, OpenC2ID: n})
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
		d.session.Describe(http.MethodPost, "/response", wire.ListRequest{Start: new(int), Limit: &limit}) + " …",
		d.session.Describe(http.MethodPost, "/response/view", wire.ViewRequest{Start: 0, Limit: limit, OpenC2ID: 0}) + " …",
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
		err := d.eachAction(ctx, what, func(w *response.Record, v []byte) (bool, error) {
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
			give(pairs.pending)
		}
		if err != nil && !stopped {
			yield(nil, d.explainUnsupported(err))
		}
	}
	return l, nil
}

// rulePairs makes one action of the two rules edrctl adds, or removes, for
// both directions, as they were asked for. Actions come newest first.
type rulePairs struct{ pending *model.Action }

// take gives what is ready when a comes next.
func (p *rulePairs) take(a *model.Action) []*model.Action {
	before := p.pending
	p.pending = nil
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
		p.pending = a
		return out
	}
	return append(out, a)
}

// ruleBase is the name of one of edrctl's rules without its direction.
func ruleBase(a *model.Action) string {
	if a.Target == nil || !strings.HasPrefix(a.Target.Name, response.RuleGroup+"-") {
		return ""
	}
	return strings.TrimSuffix(strings.TrimSuffix(a.Target.Name, "-in"), "-out")
}

func (d *Driver) eachAction(ctx context.Context, what string, each func(w *response.Record, v []byte) (bool, error)) error {
	return reply.OffsetPages(ctx, what, actionPage, func(ctx context.Context, start, limit int) (*reply.Page, error) {
		return d.session.AskPage(ctx, what, "/response", wire.ListRequest{Start: &start, Limit: &limit})
	}, func(v []byte) (bool, error) {
		var w response.Record
		if err := json.Unmarshal(v, &w); err != nil {
			return false, reply.Malformed(what, err)
		}
		if !response.IsActionNumber(string(w.ID)) {
			return false, backends.Malformed(what, "an action without a number")
		}
		return each(&w, v)
	})
}

// findResponse looks for the commands of a change among those the server
// keeps, made since it was sent, on its host, with its content.
func findResponse(ctx context.Context, d *Driver, c backends.Change, sent time.Time) (*model.Action, error) {
	what := response.What(c)
	_, orders, err := d.verbOf(c)
	if err != nil || c.Host == nil {
		return nil, err
	}
	found := make([]*model.Action, len(orders))
	err = d.eachAction(ctx, what, func(w *response.Record, _ []byte) (bool, error) {
		if t := parseTime(string(w.CreatedAt)); !t.IsZero() && t.Before(sent.Add(-clockSlack)) {
			return false, nil
		}
		for i, o := range orders {
			if !w.Matches(o.body) {
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
		return nil, d.explainUnsupported(err)
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

// followFor is how long the output of a command is read from the socket; its
// state can be asked for afterwards.
const followFor = time.Minute

// maxOutput bounds what is kept of a command's output.
const maxOutput = 16 << 20

// followOutput reads the output of a live response as it comes (§10.5).
// Whatever happens here, the command was sent and can be polled.
func followOutput(ctx context.Context, d *Driver, c backends.Change, act *model.Action, update func(*model.Action)) error {
	if !response.IsCommandID(act.ID) {
		return findCommandID(ctx, d, c, act, update)
	}
	limit := followFor
	if c.Timeout > 0 {
		limit = min(c.Timeout, 10*time.Minute)
	}
	if c.Queue {
		limit = min(limit, 5*time.Second) // it may not be online at all
	}
	sctx, cancel := context.WithTimeout(ctx, c.Within(limit))
	defer cancel()
	var out strings.Builder
	s := socket{d: d, paths: outputPaths, first: act.ID, second: `{"command_id":"` + act.ID + `"}`, pong: true}
	err := s.listen(sctx, func(msg []byte) (bool, error) {
		var f struct {
			Status  flex.String `json:"status"`
			Data    flex.String `json:"data"`
			Message flex.String `json:"message"`
		}
		if err := json.Unmarshal(msg, &f); err != nil {
			return false, reply.Malformed(response.What(c), err)
		}
		if text := response.OutputText(string(f.Data)); text != "" && out.Len()+len(text) <= maxOutput {
			out.WriteString(text)
		}
		state, native, failed := response.CommandState(string(f.Status), string(f.Message))
		act.State, act.NativeState, act.Error, act.Stdout = state, native, failed, out.String()
		if state.Final() {
			act.FinishedAt = model.At(d.o.Clock())
		}
		update(act)
		return !state.Final(), nil
	})
	var be *backends.Error
	if errors.As(err, &be) && be.Kind == backends.KindMalformed {
		response.SetDetail(act, "output", "the socket sent something else than promised; respond get reads it again")
	}
	if act.State == model.ActionDone && act.Stdout == "" {
		// A socket that was opened late may have nothing left to tell.
		if u, err := d.Action(ctx, act.ID); err == nil {
			act.Stdout = u.Stdout
		}
	}
	return nil
}

// previewKill compares the pid with the last process the server saw under it.
func previewKill(ctx context.Context, d *Driver, c backends.Change, p *backends.Preview) error {
	p.Summary = strings.TrimSpace("stops process " + strconv.FormatInt(c.PID, 10) + " " + c.Path)
	list, err := d.startedBy(ctx, response.What(c), c.Host.ID, rules.AnyOf(rules.Cond("pid", "equal", strconv.FormatInt(c.PID, 10))))
	if err != nil {
		return err
	}
	var last *model.Process
	for _, s := range list {
		if last == nil || s.Started.After(last.Started.Time) {
			last = s
		}
	}
	switch {
	case last == nil:
		p.Warnings = append(p.Warnings, "the server saw no process start under this pid: what runs there now is not known")
	case c.Path != "" && last.Path != "" && !strings.EqualFold(last.Path, c.Path):
		return &backends.Error{Kind: backends.KindInvalid, What: response.What(c), Why: "the last process the server saw under pid " + strconv.FormatInt(c.PID, 10) + " is " + last.Path + ", not " + c.Path}
	case c.Path == "":
		p.Summary = strings.TrimSpace(p.Summary + " " + last.Path)
		p.Warnings = append(p.Warnings, "without the path only the pid is compared; the last process seen under it started "+last.Started.String())
	}
	return nil
}

// readCommandIDs reads the ids of a command: openc2_id is the action on all its
// hosts, command_id that on one.
func readCommandIDs(_ *Driver, a *reply.Answer, act *model.Action) {
	openc2, command := wire.Scalar(a.Top["openc2_id"]), wire.Scalar(a.Top["command_id"])
	if !response.IsActionNumber(openc2) {
		openc2 = ""
	}
	if !response.IsCommandID(command) {
		command = ""
	}
	id := wire.FirstOf(command, openc2)
	if act.ID != "" && id != "" {
		id = act.ID + "+" + id
	}
	act.ID = wire.FirstOf(id, act.ID)
	response.SetDetail(act, "openc2_id", openc2)
	response.SetDetail(act, "command_id", command)
}

func previewCancel(ctx context.Context, d *Driver, c backends.Change, p *backends.Preview) error {
	a, err := d.Action(ctx, c.ActionID)
	if err != nil {
		return d.explainUnsupported(err)
	}
	p.Summary = "cancels " + a.Verb + " (" + a.NativeState + ")"
	if a.State.Final() {
		p.Nothing = "it has ended already: " + a.NativeState
	}
	return nil
}

// findCommandID finds the id of the command on the one host when the answer
// named only the action, or nothing. Not finding it is not a failure.
func findCommandID(ctx context.Context, d *Driver, c backends.Change, act *model.Action, update func(*model.Action)) error {
	if response.IsCommandID(act.ID) {
		return nil
	}
	if response.IsActionNumber(act.ID) {
		if u, err := d.Action(ctx, act.ID); err == nil && response.IsCommandID(u.Details["command_id"]) {
			act.ID = u.Details["command_id"]
			response.SetDetail(act, "command_id", act.ID)
		}
	} else if u, err := findResponse(ctx, d, c, act.RequestedAt.Time); err == nil && u != nil {
		act.ID, act.State, act.NativeState = u.ID, u.State, u.NativeState
		for k, v := range u.Details {
			response.SetDetail(act, k, v)
		}
	}
	update(act)
	return nil
}
