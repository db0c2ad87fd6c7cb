package cwatch

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/client"
	"github.com/edrctl/edrctl/internal/model"
)

// Alert triage is all cWatch's API can change (docs/wire/cwatch.md 0). Answers
// have no body: that a request was answered with 2xx is all the server says,
// so the listing is read before (does the alert exist, does the server know
// it by this id) and after. PUT /alert names no alert and is never sent.

// Verbs lists what can be changed. There is no way back: no route reopens.
func (d *Driver) Verbs() []backends.VerbSpec {
	return []backends.VerbSpec{
		{
			Verb: backends.VerbAlertClose, Needs: []string{"alert"}, Takes: []string{"verdict", "comment"}, Sync: true,
			How: "closes the alert, with verdict and comment as feedback; nothing reopens it",
		},
		{
			Verb: backends.VerbAlertDismiss, Needs: []string{"alert"}, Takes: []string{"verdict", "comment"}, Sync: true,
			How: "permanently dismisses the alert; with the verdict false positive it is reported as one first",
		},
		{
			Verb: backends.VerbAlertCreate, Needs: []string{"body"}, Sync: true,
			How: "adds an alert as given in the body: timestamp, endpointID, alertName, data …",
		},
		{Verb: backends.VerbCall, Sync: true, How: "sends an operation of the server's API as it is"},
	}
}

// step is one request of a change.
type step struct {
	call client.Call
	// unless: not sent when the listing shows already what it is to bring about.
	unless bool
}

// steps are the requests of a change, in their order; nothing is asked.
func (d *Driver) steps(c backends.Change) ([]step, error) {
	what := cannot(c.Verb)
	put := func(path string, q url.Values) client.Call {
		return client.Call{Method: http.MethodPut, Path: path, Query: q}
	}
	if c.Verb == backends.VerbAlertCreate {
		body, _, err := d.alertBody(c.Body)
		if err != nil {
			return nil, err
		}
		return []step{{call: client.Call{Method: http.MethodPost, Path: "/alert", Body: body, ContentType: "application/json"}}}, nil
	}
	if _, ok := backends.VerbOf(d, c.Verb); !ok || c.Verb == backends.VerbCall {
		return nil, backends.Unsupported(product, what, "cWatch's API can close, dismiss and create alerts; it cannot reopen one, and acts on no host")
	}
	id, err := pathID(what, c.AlertID)
	if err != nil {
		return nil, err
	}
	opinion := url.Values{}
	switch c.Verdict {
	case model.VerdictTruePositive:
		opinion.Set("userVerdict", "true")
	case model.VerdictFalsePositive:
		opinion.Set("userVerdict", "false")
	case "", model.VerdictUnknown:
	default:
		return nil, backends.Invalid(what, fmt.Sprintf("%q is not a verdict", c.Verdict))
	}
	if c.Comment != "" {
		opinion.Set("feedback", c.Comment)
	}
	if c.Verb == backends.VerbAlertClose {
		return []step{{call: put("/alert/"+id+"/close", opinion)}}, nil
	}
	dismiss := step{call: put("/alert/dismiss/"+id, nil)}
	switch c.Verdict {
	case model.VerdictFalsePositive:
		dismiss.unless = true
		return []step{{call: put("/alert/"+id+"/report-false-positive", opinion)}, dismiss}, nil
	case model.VerdictTruePositive:
		e := backends.Invalid(what, "cWatch's dismiss takes no verdict but false positive")
		e.Hint = "close the alert with the verdict true positive"
		return nil, e
	}
	return []step{dismiss}, nil
}

func cannot(verb string) string {
	switch verb {
	case backends.VerbAlertClose:
		return "cannot close the alert"
	case backends.VerbAlertDismiss:
		return "cannot dismiss the alert"
	case backends.VerbAlertReopen:
		return "cannot reopen the alert"
	case backends.VerbAlertCreate:
		return "cannot create the alert"
	}
	return "cannot do " + verb
}

// pathID writes an alert id into a path. The routes put the verb before or
// after the id, so an id that reads like a verb would name another alert.
func pathID(what, id string) (string, error) {
	switch {
	case id == "":
		return "", backends.Invalid(what, "no alert is named")
	case id == "." || id == ".." || id == "dismiss" || id == "close" || id == "report-false-positive",
		strings.ContainsFunc(id, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return "", backends.Invalid(what, fmt.Sprintf("the id %q cannot be written into cWatch's paths without meaning something else", id))
	}
	return url.PathEscape(id), nil
}

// refuseMadeUp is the error for an alert whose id is ours, not the server's.
func refuseMadeUp(what, id string) error {
	return &backends.Error{
		Kind: backends.KindUnsupported, What: what + " " + id, Why: "the server lists this alert without an id, and the one shown was made up from endpoint, time and content",
		Hint: "the server has no route that takes anything but its own id: close it in the product's console",
	}
}

// Preview reads the alert and says what would be sent.
func (d *Driver) Preview(ctx context.Context, c backends.Change) (backends.Preview, error) {
	if c.Verb == backends.VerbCall && c.Call != nil {
		return d.previewCall(ctx, c)
	}
	var pv backends.Preview
	steps, err := d.steps(c)
	if err != nil {
		return pv, err
	}
	for _, s := range steps {
		pv.Requests = append(pv.Requests, d.client.Describe(s.call))
	}
	what := cannot(c.Verb)
	if c.Verb == backends.VerbAlertCreate {
		return d.previewCreate(ctx, c, pv)
	}
	a, err := d.triaged(ctx, c.AlertID)
	if err != nil {
		return pv, backends.FromClient(what, err)
	}
	if a.madeUp {
		return pv, refuseMadeUp(what, c.AlertID)
	}
	title := strings.TrimSpace(a.title)
	if title == "" {
		title = c.AlertID
	}
	switch c.Verb {
	case backends.VerbAlertClose:
		pv.Summary = fmt.Sprintf("closes the alert %q, now %s", title, a.status)
		if c.Verdict != "" && c.Verdict != model.VerdictUnknown {
			pv.Summary += ", as " + strings.ReplaceAll(string(c.Verdict), "_", " ")
		}
	case backends.VerbAlertDismiss:
		pv.Summary = fmt.Sprintf("dismisses the alert %q, now %s", title, a.status)
		if len(steps) > 1 {
			pv.Summary = fmt.Sprintf("reports the alert %q, now %s, as a false positive and dismisses it", title, a.status)
			pv.Warnings = append(pv.Warnings, "the second request is sent only when the first has not dismissed the alert")
		} else if c.Comment != "" {
			pv.Warnings = append(pv.Warnings, "cWatch's dismiss takes no comment: it is in the journal only")
		}
	}
	if a.shows(c) {
		pv.Nothing = "the alert is " + string(a.status) + " already"
	}
	return pv, nil
}

// Apply sends each request once. The answer has no body, so it is done only
// when the listing shows it; until then it is sent.
func (d *Driver) Apply(ctx context.Context, c backends.Change, update func(*model.Action)) (*model.Action, error) {
	if c.Verb == backends.VerbCall && c.Call != nil {
		return d.applyCall(ctx, c, update)
	}
	what := cannot(c.Verb)
	steps, err := d.steps(c)
	if err != nil {
		return nil, err
	}
	var since time.Time
	if c.Verb != backends.VerbAlertCreate {
		a, err := d.triaged(ctx, c.AlertID)
		switch {
		case err != nil:
			return nil, backends.FromClient(what, err)
		case a.madeUp:
			return nil, refuseMadeUp(what, c.AlertID)
		}
		since = a.time
	}
	act := &model.Action{Verb: c.Verb, State: model.ActionSent, RequestedAt: model.At(d.opt.Clock()), Details: map[string]string{}}
	if c.AlertID != "" {
		act.Target = &model.ActionTarget{AlertID: c.AlertID}
	}
	report := func() {
		if update != nil {
			copied := *act
			update(&copied)
		}
	}
	report()
	for i, s := range steps {
		if s.unless {
			if done, err := d.listingShows(ctx, c, since, act); err == nil && done {
				act.Details["left out"] = d.client.Describe(s.call) + ": the alert was dismissed already"
				continue
			}
		}
		d.triage.forget(c.AlertID)
		if err := d.send(ctx, s.call); err != nil {
			err = backends.FromClient(what, err)
			act.State = model.ActionFailed
			if backends.KindOf(err) == backends.KindAmbiguous {
				act.State = model.ActionAmbiguous
			}
			if i > 0 {
				act.Details["done before"] = d.client.Describe(steps[0].call)
			}
			act.Error = err.Error()
			report()
			return act, err
		}
	}
	switch d.confirm(ctx, c, since, act) {
	case listed:
		act.State, act.FinishedAt = model.ActionDone, model.At(d.opt.Clock())
		act.Details["read back"] = "the listing shows it"
	case notListed:
		act.Details["read back"] = "accepted, but the listing does not show it yet"
	default:
		act.Details["read back"] = "accepted; the listing could not be read"
	}
	report()
	return act, nil
}

// send sends one changing request.
func (d *Driver) send(ctx context.Context, call client.Call) error {
	_, err := d.client.Do(ctx, call)
	return err
}

type confirmation uint8

const (
	unconfirmed confirmation = iota
	notListed
	listed
)

// confirmDelays is how long a server may take to list what it has accepted.
var confirmDelays = []time.Duration{0, 300 * time.Millisecond, time.Second}

// confirm reads whether the listing shows a change.
func (d *Driver) confirm(ctx context.Context, c backends.Change, since time.Time, act *model.Action) confirmation {
	out := unconfirmed
	for _, wait := range confirmDelays {
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return out
		}
		done, err := d.listingShows(ctx, c, since, act)
		switch {
		case err != nil:
			return out
		case done:
			return listed
		}
		out = notListed
	}
	return out
}

// listingShows reads the listing once. An alert that was made has its id from there.
func (d *Driver) listingShows(ctx context.Context, c backends.Change, since time.Time, act *model.Action) (bool, error) {
	if c.Verb == backends.VerbAlertCreate {
		_, wanted, err := d.alertBody(c.Body)
		if err != nil {
			return false, err
		}
		ids, err := d.listedOf(ctx, wanted)
		if err != nil || len(ids) < len(wanted) {
			return false, err
		}
		act.Target = &model.ActionTarget{AlertID: ids[0], Name: wanted[0].name}
		if len(ids) > 1 {
			act.Target.Name, act.Details["alerts"] = "", strings.Join(ids, " ")
		}
		return true, nil
	}
	if since.IsZero() {
		a, err := d.triaged(ctx, c.AlertID)
		return err == nil && a.shows(c), err
	}
	all, err := d.readTriage(ctx, since.Add(-time.Second))
	if err != nil {
		return false, err
	}
	a, ok := all[c.AlertID]
	return ok && a.shows(c), nil
}

// FindAction reads whether a change whose answer was lost was
// carried out: its preview has made sure that it was not true before.
func (d *Driver) FindAction(ctx context.Context, c backends.Change, sent time.Time) (*model.Action, error) {
	if c.Verb == backends.VerbCall && c.Call != nil {
		return d.findCall(ctx, c, sent)
	}
	d.triage.forget("")
	act := &model.Action{
		Verb: c.Verb, State: model.ActionDone, RequestedAt: model.At(sent), FinishedAt: model.At(d.opt.Clock()),
		Details: map[string]string{"read back": "the listing shows it"},
	}
	if c.AlertID != "" {
		act.Target = &model.ActionTarget{AlertID: c.AlertID}
	}
	done, err := d.listingShows(ctx, c, time.Time{}, act)
	if err != nil {
		return nil, backends.FromClient("cannot look up what became of it", err)
	}
	if !done {
		return nil, nil
	}
	return act, nil
}

// triagedAlert is what triage needs to know of an alert.
type triagedAlert struct {
	stale   bool // changed since it was read
	madeUp  bool
	time    time.Time
	title   string
	status  model.Status
	verdict model.Verdict
}

// shows reports whether the alert is as the change wants it. A server that
// does not distinguish dismissed from closed says closed, and one that was dismissed
// and is closed stays dismissed: what counts is that it is off the list.
func (a triagedAlert) shows(c backends.Change) bool {
	verdict := c.Verdict == "" || c.Verdict == model.VerdictUnknown || a.verdict == c.Verdict
	return verdict && (a.status == model.StatusClosed || a.status == model.StatusDismissed)
}

// triageFresh is how long a reading serves the previews of one command: fifty
// alerts are looked up with two requests instead of a hundred.
const triageFresh = 20 * time.Second

// triageCache holds the last reading of all alerts.
type triageCache struct {
	mu    sync.Mutex
	at    time.Time
	since time.Time
	all   map[string]triagedAlert
}

// forget drops an alert that changed, so that it is read again; "" all.
func (t *triageCache) forget(id string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if id == "" {
		t.all = nil
	} else if _, ok := t.all[id]; ok {
		t.all[id] = triagedAlert{stale: true}
	}
}

// triaged looks an alert up, first near, then far.
func (d *Driver) triaged(ctx context.Context, id string) (triagedAlert, error) {
	t := &d.triage
	t.mu.Lock()
	defer t.mu.Unlock()
	now := d.opt.Clock()
	for _, back := range [...]time.Duration{lookBackNear, lookBackFar} {
		since := now.Add(-back)
		if t.all == nil || now.Sub(t.at) > triageFresh || t.since.After(since.Add(triageFresh)) || t.all[id].stale {
			all, err := d.readTriage(ctx, since)
			if err != nil {
				return triagedAlert{}, err
			}
			t.all, t.at, t.since = all, now, since
		}
		if a, ok := t.all[id]; ok {
			return a, nil
		}
	}
	e := backends.NotFound("alert", id)
	e.Hint = "cWatch has no lookup by id: its alerts of the last 400 days were searched"
	return triagedAlert{}, e
}

// maxTriage is how many alerts are held for looking their state up.
const maxTriage = 250_000

// readTriage reads all alerts since a time.
func (d *Driver) readTriage(ctx context.Context, since time.Time) (map[string]triagedAlert, error) {
	ask := d.alertCalls(since, scorePush{lo: 0, hi: 10}, nil)
	all := map[string]triagedAlert{}
	active := false // a "dismissed" alert that is active: the filter has no effect
	read := func(call client.Call, each func(id string, a triagedAlert)) error {
		var r reader
		return d.elements(ctx, call, "items", func(b []byte) error {
			a, madeUp, err := r.alert(b, false)
			if err != nil {
				return errRow("alert")
			}
			if len(all) >= maxTriage {
				return &backends.Error{Kind: backends.KindPartial, Why: fmt.Sprintf("more than %d alerts in one answer", maxTriage)}
			}
			each(a.ID, triagedAlert{false, madeUp, a.Time.Time, strings.Clone(a.Title), a.Status, a.Verdict})
			return nil
		})
	}
	if err := read(*ask.all, func(id string, a triagedAlert) { all[id] = a }); err != nil {
		return nil, err
	}
	dismissed := map[string]triagedAlert{}
	err := read(*ask.dismissed, func(id string, a triagedAlert) {
		active = active || a.status == model.StatusOpen
		dismissed[id] = a
	})
	var status *client.StatusError
	if errors.As(err, &status) && status.Code == http.StatusBadRequest {
		return all, nil // this server does not know the filter
	}
	if err != nil {
		return nil, err
	}
	for id, a := range dismissed {
		if !active {
			a.status = model.StatusDismissed
		}
		all[id] = a
	}
	return all, nil
}
