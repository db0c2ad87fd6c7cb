package cwatch

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"maps"
	"strings"
	"time"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/client"
	"github.com/edrctl/edrctl/internal/model"
)

// lists is where the records of an operation's answer are: "" is the answer
// itself, "-" an answer that is one object or anything (docs/wire/cwatch.md 3).
var lists = map[string]string{
	"alerts.list": "items", "endpoints.list": "endpoints", "hash.verdict": "-", "": "-",
}

// Call sends a call that only reads.
func (d *Driver) Call(ctx context.Context, c backends.Call) (*backends.Answer, error) {
	stream, err := d.openCall(ctx, c)
	if err != nil {
		return nil, err
	}
	return backends.AnswerOf(stream), nil
}

func (d *Driver) openCall(ctx context.Context, c backends.Call) (*client.Stream, error) {
	what := "cannot call " + c.Label()
	if c.Op.Mutates {
		return nil, backends.Invalid(what, "it changes something")
	}
	call, err := backends.Build(c)
	if err != nil {
		return nil, err
	}
	stream, err := d.client.Open(ctx, call)
	if err != nil {
		return nil, backends.FromClient(what, err)
	}
	return stream, nil
}

// Items gives the records of a reading call; those of events.search page by
// page, each asked for by the id of the last record (docs/wire/cwatch.md 6). The
// vendor's rule is not proved: a server that continues giving what it gave
// before is an error, never the end of the list.
func (d *Driver) Items(ctx context.Context, c backends.Call) iter.Seq2[json.RawMessage, error] {
	return func(yield func(json.RawMessage, error) bool) {
		if c.Op.Paging != "next_key" {
			d.page(ctx, c, func(item json.RawMessage) bool { return yield(item, nil) }, func(err error) { yield(nil, err) })
			return
		}
		args := maps.Clone(c.Args)
		if args == nil {
			args = map[string]any{}
		}
		c.Args = args
		back := backends.Text(args["is_next"]) == "false"
		seen, used := newRecent(), map[string]bool{}
		for {
			rows, fresh, key, stopped := 0, 0, "", false
			failed := false
			d.page(ctx, c, func(item json.RawMessage) bool {
				var e struct {
					ID string `json:"id"`
				}
				_ = json.Unmarshal(item, &e) // an event without an id ends the paging
				if rows++; !back || rows == 1 {
					key = e.ID
				}
				if e.ID != "" && !seen.add(e.ID) {
					return true
				}
				fresh++
				stopped = !yield(item, nil)
				return !stopped
			}, func(err error) { failed = true; yield(nil, err) })
			switch {
			case failed, stopped, rows == 0:
				return
			case fresh == 0 || key == "" || used[key]:
				if rows >= smallestPage {
					yield(nil, &backends.Error{
						Kind: backends.KindPartial, What: "cannot read the next page", Why: "the server gives the same events again instead of the next ones",
						Hint: "edrctl events list reads by time what cannot be paged",
					})
				}
				return
			}
			used[key] = true
			name, other := "next_key", "prev_key"
			if back {
				name, other = other, name
			}
			delete(args, other)
			args[name], args["is_next"] = key, !back
		}
	}
}

// page reads one answer.
func (d *Driver) page(ctx context.Context, c backends.Call, each func(json.RawMessage) bool, fail func(error)) {
	stream, err := d.openCall(ctx, c)
	if err != nil {
		fail(err)
		return
	}
	defer stream.Body.Close()
	for item, err := range backends.Records(stream.Body, lists[c.Op.Name], nil) {
		if err != nil {
			fail(backends.FromClient("cannot call "+c.Label(), err))
			return
		}
		if !each(item) {
			return
		}
	}
}

// previewCall says what a changing call would send. Calls on one alert are
// held to what closing and dismissing are held to.
func (d *Driver) previewCall(ctx context.Context, c backends.Change) (backends.Preview, error) {
	var pv backends.Preview
	what := "cannot call " + c.Call.Label()
	call, err := backends.Build(*c.Call)
	if err != nil {
		return pv, err
	}
	shown, err := backends.Build(c.Call.Masked())
	if err != nil {
		return pv, err
	}
	pv.Requests = []string{d.client.Describe(shown)}
	pv.Summary = strings.ToLower(c.Call.Op.Summary[:1]) + c.Call.Op.Summary[1:]
	if why := c.Call.Danger(); why != "" {
		pv.Warnings = append(pv.Warnings, why)
	}
	switch c.Call.Op.Name {
	case "alerts.dismiss", "alerts.close", "alerts.report-false-positive":
		id := backends.Text(c.Call.Args["alertID"])
		if _, err := pathID(what, id); err != nil {
			return pv, err
		}
		a, err := d.triaged(ctx, id)
		if err != nil {
			return pv, backends.FromClient(what, err)
		}
		if a.madeUp {
			return pv, refuseMadeUp(what, id)
		}
		pv.Summary += fmt.Sprintf(": %q, now %s", strings.TrimSpace(a.title), a.status)
	case "alerts.create":
		body, err := bodyOf(call)
		if err != nil {
			return pv, err
		}
		_, alerts, err := d.alertBody(body)
		if err != nil {
			return pv, err
		}
		pv.Summary = fmt.Sprintf("creates %d alerts", len(alerts))
	case "alerts.update":
		body, err := bodyOf(call)
		if err != nil {
			return pv, err
		}
		if s := strings.TrimSpace(string(body)); s == "" || s == "{}" || s == "null" {
			return pv, backends.Invalid(what, "neither userVerdict nor status is given: there is nothing to set")
		}
	}
	return pv, nil
}

// bodyOf is the JSON a call is sent with.
func bodyOf(call client.Call) ([]byte, error) {
	if call.Body != nil {
		return call.Body, nil
	}
	return json.Marshal(call.JSON)
}

// applyCall sends a changing call, once.
func (d *Driver) applyCall(ctx context.Context, c backends.Change, update func(*model.Action)) (*model.Action, error) {
	d.triage.forget("")
	return backends.ApplyCall(ctx, c, d.opt.Clock, update, d.client.Do)
}

// findCall reads what became of a call whose answer was lost, for
// those whose work shows in the listing.
func (d *Driver) findCall(ctx context.Context, c backends.Change, sent time.Time) (*model.Action, error) {
	verb := map[string]string{"alerts.dismiss": backends.VerbAlertDismiss, "alerts.close": backends.VerbAlertClose, "alerts.create": backends.VerbAlertCreate}[c.Call.Op.Name]
	if verb == "" {
		return nil, backends.Unsupported(product, "cannot look up what became of "+c.Call.Label(), "look at the alerts before sending it again")
	}
	call, err := backends.Build(*c.Call)
	if err != nil {
		return nil, err
	}
	as := backends.Change{Verb: verb, AlertID: backends.Text(c.Call.Args["alertID"])}
	if verb == backends.VerbAlertCreate {
		if as.Body, err = bodyOf(call); err != nil {
			return nil, err
		}
	}
	act, err := d.FindAction(ctx, as, sent)
	if act != nil {
		act.Verb = backends.VerbCall
	}
	return act, err
}

var _ backends.Caller = (*Driver)(nil)
