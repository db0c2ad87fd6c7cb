package carbonblack

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/backends/carbonblack/catalog"
	"github.com/edrctl/edrctl/internal/backends/carbonblack/wire"
	"github.com/edrctl/edrctl/internal/client"
	"github.com/edrctl/edrctl/internal/model"
)

const product = "Carbon Black v3"

// Details of an action that undoing and looking up need.
const (
	detailFormerID   = "former_policy_id"
	detailFormerName = "former_policy"
	detailPolicyID   = "policy_id"
	detailPolicyName = "policy"
	detailSession    = "session"
)

// Parameters of a change that are this backend's own.
const (
	paramDirectory = "working_directory"  // run
	paramOffset    = "offset"             // carve: first byte
	paramCount     = "get_count"          // carve: how many bytes
	paramPolicy    = backends.ParamPolicy // release: name or id
)

// Verbs is what this API can change. It has no way to triage an alert, to ban
// a hash or to block an address (§4): alerts are closed in the console.
func (d *Driver) Verbs() []backends.VerbSpec {
	const live = "live response: "
	return []backends.VerbSpec{
		{Verb: backends.VerbKill, Needs: []string{"pid"}, Takes: []string{"path"}, Sync: true,
			How: live + "reads the process list, and kills the pid when it has the given path"},
		{Verb: backends.VerbDeleteFile, Needs: []string{"path"}, Sync: true, How: live + "delete file"},
		{Verb: backends.VerbRun, Needs: []string{"command"}, Takes: []string{"timeout", paramDirectory}, Sync: true,
			How: live + "create process with its output in a file, which is fetched and deleted"},
		{Verb: backends.VerbScript, Needs: []string{"script"}, Takes: []string{"timeout", paramDirectory}, Sync: true,
			How: live + "puts the script on the device, runs it, fetches its output and deletes both"},
		{Verb: backends.VerbIsolate, Inverse: backends.VerbRelease, Sync: true, How: "moves the device to the profile's quarantine_policy"},
		{Verb: backends.VerbRelease, Takes: []string{paramPolicy}, Inverse: backends.VerbIsolate, Sync: true,
			How: "moves the device back to the policy it had"},
		{Verb: backends.VerbCarve, Needs: []string{"path"}, Takes: []string{paramOffset, paramCount}, Sync: true, How: live + "get file"},
		{Verb: backends.VerbMemdump, Takes: []string{"timeout"}, Sync: true,
			How: live + "dumps the memory of the device to a file, collects it and deletes it there"},
		{Verb: backends.VerbCarveDelete, Needs: []string{"carve"}, Sync: true, How: "deletes a collected file from the live response session"},
		{Verb: backends.VerbCancel, Needs: []string{"action"}, Sync: true, How: "cancels a live response command"},
		{Verb: backends.VerbCall, Sync: true, How: "sends an operation of API v3 as it is"},
	}
}

// deviceInfo reads one device.
func (d *Driver) deviceInfo(ctx context.Context, what, id string) (*wire.Device, jsontext.Value, error) {
	var doc struct {
		DeviceInfo jsontext.Value `json:"deviceInfo"`
	}
	if _, err := d.get(ctx, what, catalog.RouteDevice, "/device/"+id, nil, &doc); err != nil {
		if backends.KindOf(err) == backends.KindNotFound {
			e := backends.NotFound("host", id)
			e.Err = err
			return nil, nil, e
		}
		return nil, nil, err
	}
	if doc.DeviceInfo.Kind() != '{' {
		return nil, nil, backends.Malformed(what, "the answer has no deviceInfo")
	}
	var dev wire.Device
	if err := wire.Decode(doc.DeviceInfo, &dev); err != nil {
		return nil, nil, backends.Malformed(what, err.Error())
	}
	if wire.Number(dev.DeviceID) != id {
		return nil, nil, backends.Malformed(what, fmt.Sprintf("the server gives device %s where %s was asked for", wire.Number(dev.DeviceID), id))
	}
	return &dev, doc.DeviceInfo, nil
}

// target gives the device a change is on.
func target(what string, c backends.Change) (int64, error) {
	if c.Host == nil {
		return 0, backends.Invalid(what, "no host is given")
	}
	id, err := strconv.ParseInt(c.Host.ID, 10, 64)
	if err != nil || id <= 0 {
		return 0, backends.Invalid(what, fmt.Sprintf("%q is not a device id of Carbon Black", c.Host.ID))
	}
	return id, nil
}

func whatOf(verb string) string {
	switch verb {
	case backends.VerbCarve:
		return "cannot collect the file"
	case backends.VerbMemdump:
		return "cannot dump the memory"
	case backends.VerbCarveDelete:
		return "cannot delete the collected file"
	case backends.VerbDeleteFile:
		return "cannot delete the file"
	case backends.VerbKill:
		return "cannot kill the process"
	case backends.VerbRun:
		return "cannot run the command"
	case backends.VerbScript:
		return "cannot run the script"
	case backends.VerbIsolate:
		return "cannot isolate the device"
	case backends.VerbRelease:
		return "cannot release the device"
	case backends.VerbCancel:
		return "cannot cancel the command"
	}
	return "cannot " + verb
}

func unsupported(verb string) error {
	return backends.Unsupported(product, whatOf(verb), "alerts are triaged in its console; here it can kill, delete-file, run, script, isolate, release and carve")
}

// Preview says what a change would send. It reads the device, and for
// isolation the policies.
func (d *Driver) Preview(ctx context.Context, c backends.Change) (backends.Preview, error) {
	if c.Verb == backends.VerbCall && c.Call != nil {
		return d.previewCall(ctx, c)
	}
	what := whatOf(c.Verb)
	switch c.Verb {
	case backends.VerbIsolate, backends.VerbRelease:
		m, pv, err := d.planMove(ctx, what, c)
		if err == nil && m != nil {
			pv.Requests = []string{d.client.Describe(m.call())}
		}
		return pv, err
	case backends.VerbCarveDelete:
		call, err := deleteCarve(what, c.CarveID)
		if err != nil {
			return backends.Preview{}, err
		}
		return backends.Preview{Requests: []string{d.client.Describe(call)}, Summary: "deletes the collected file from the server's session"}, nil
	case backends.VerbCancel:
		call, err := cancelCall(what, c.ActionID)
		if err != nil {
			return backends.Preview{}, err
		}
		return backends.Preview{Requests: []string{d.client.Describe(call)}, Summary: "cancels the command; what it has done already stays"}, nil
	case backends.VerbKill, backends.VerbDeleteFile, backends.VerbRun, backends.VerbScript, backends.VerbCarve, backends.VerbMemdump:
		return d.previewLive(ctx, what, c)
	}
	return backends.Preview{}, unsupported(c.Verb)
}

// previewLive lists the requests of a live response verb. The ids the server
// will choose are written as "…".
func (d *Driver) previewLive(ctx context.Context, what string, c backends.Change) (backends.Preview, error) {
	var pv backends.Preview
	id, err := target(what, c)
	if err != nil {
		return pv, err
	}
	if _, _, err := d.keyFor(ctx, catalog.RouteLive); err != nil {
		return pv, backends.FromClient(what, err)
	}
	p, err := planLive(c, unknownYet)
	if err != nil {
		return pv, err
	}
	dev, _, err := d.deviceInfo(ctx, what, strconv.FormatInt(id, 10))
	if err != nil {
		return pv, err
	}
	pv.Summary, pv.Warnings = p.summary, p.warnings
	ready, warnings := d.takesLive(dev)
	pv.NotReady = ready
	pv.Warnings = append(pv.Warnings, warnings...)
	show := func(call client.Call) {
		pv.Requests = append(pv.Requests, strings.ReplaceAll(d.client.Describe(call), url.PathEscape(unknownYet), unknownYet))
	}
	show(client.Call{Method: http.MethodPost, Path: catalog.Base + "/cblr/session/" + strconv.FormatInt(id, 10), JSON: wire.OpenSession{SensorID: id}})
	for _, call := range p.calls(unknownYet) {
		show(call)
	}
	show(client.Call{Method: http.MethodPut, Path: catalog.Base + "/cblr/session", JSON: wire.CloseSession{SessionID: unknownYet, Status: "CLOSE"}})
	return pv, nil
}

// takesLive says why a device cannot take live response now (§9.1), "" when it can.
func (d *Driver) takesLive(dev *wire.Device) (notReady string, warnings []string) {
	states := map[string]bool{}
	for _, s := range dev.SensorStates {
		states[strings.ToUpper(s)] = true
	}
	// Other words are seen too (§11.6); only these say that nothing answers.
	if isRemoved(dev) || strings.EqualFold(string(dev.Status), "PENDING") {
		return "the device is " + strings.ToLower(string(dev.Status)), nil
	}
	switch {
	case states["LIVE_RESPONSE_KILLED"]:
		return "live response was permanently switched off on the device (LIVE_RESPONSE_KILLED)", nil
	case states["LIVE_RESPONSE_DISABLED"], len(states) > 0 && !states["LIVE_RESPONSE_ENABLED"]:
		return fmt.Sprintf("live response is not enabled on the device (policy %s)", cmp.Or(string(dev.PolicyName), string(dev.PolicyID))), nil
	case len(states) == 0:
		warnings = append(warnings, "the server does not say whether live response is enabled on the device")
	}
	if why := d.offline(dev); why != "" {
		return why, warnings
	}
	if states["LIVE_RESPONSE_RUNNING"] {
		warnings = append(warnings, "live response is at work on the device: a session of somebody else may be shared")
	}
	return "", warnings
}

// offline says since when a device has not been heard of, "" when it is online (§11.6).
func (d *Driver) offline(dev *wire.Device) string {
	seen := model.FromMillis(dev.LastContact.N)
	switch {
	case seen.IsZero():
		return "the device has never been in contact"
	case d.opt.Clock().Sub(seen.Time) >= onlineWithin:
		return "the device is offline: last contact " + seen.UTC().Format(time.RFC3339)
	}
	return ""
}

// Apply carries a change out. What belongs to live response returns when the
// command has ended on the device.
func (d *Driver) Apply(ctx context.Context, c backends.Change, update func(*model.Action)) (*model.Action, error) {
	if update == nil {
		update = func(*model.Action) {}
	}
	if c.Verb == backends.VerbCall && c.Call != nil {
		return d.applyCall(ctx, c, update)
	}
	what := whatOf(c.Verb)
	act := newAction(c)
	var err error
	switch c.Verb {
	case backends.VerbIsolate, backends.VerbRelease:
		err = d.move(ctx, what, c, act, update)
	case backends.VerbCarveDelete:
		err = d.removeCarve(ctx, what, c, act, update)
	case backends.VerbCancel:
		err = d.cancelCommand(ctx, what, c, act, update)
	case backends.VerbKill, backends.VerbDeleteFile, backends.VerbRun, backends.VerbScript, backends.VerbCarve, backends.VerbMemdump:
		err = d.applyLive(ctx, what, c, act, update)
	default:
		return nil, unsupported(c.Verb)
	}
	switch {
	case backends.KindOf(err) == backends.KindAmbiguous:
		act.State = model.ActionAmbiguous
	case err != nil && act.State != model.ActionCancelled:
		act.State = model.ActionFailed
		if act.ID == "" {
			act.NativeState = "" // of a preparation that is over
		}
	}
	if err != nil && act.Error == "" {
		act.Error = err.Error()
	}
	if act.State.Final() && act.State != model.ActionAmbiguous && act.FinishedAt.IsZero() {
		act.FinishedAt = model.At(d.opt.Clock())
	}
	return act, err
}

func newAction(c backends.Change) *model.Action {
	act := &model.Action{Verb: c.Verb, Host: c.Host, State: model.ActionQueued, Details: map[string]string{}}
	if c.PID != 0 || c.Path != "" || len(c.Command) > 0 || c.Script != nil {
		act.Target = &model.ActionTarget{PID: c.PID, Path: c.Path, Command: strings.Join(c.Command, " ")}
		if c.Script != nil {
			act.Target.Name = c.Script.Name
		}
	}
	switch c.Verb {
	case backends.VerbIsolate:
		act.Reversible, act.Inverse = true, backends.VerbRelease
	case backends.VerbRelease:
		act.Reversible, act.Inverse = true, backends.VerbIsolate
	}
	return act
}

// snapshot is a copy for whoever watches an action that keeps changing.
func snapshot(act *model.Action) *model.Action {
	c := *act
	c.Details = maps.Clone(act.Details)
	return &c
}

// Ids of actions: what the server calls them, and enough to read them again.
const (
	actionLive   = "lr."     // lr.<session>.<command>
	actionPolicy = "policy." // policy.<device>.<policy>
)

func liveActionID(session string, command int64) string {
	return actionLive + session + "." + strconv.FormatInt(command, 10)
}

func parseLiveID(id string) (session string, command int64, ok bool) {
	rest, ok := strings.CutPrefix(id, actionLive)
	if !ok {
		return "", 0, false
	}
	at := strings.LastIndexByte(rest, '.')
	if at <= 0 {
		return "", 0, false
	}
	n, err := strconv.ParseInt(rest[at+1:], 10, 64)
	return rest[:at], n, err == nil && n >= 0 && validSession(rest[:at])
}

// validSession reports whether a text can be a session id in a path.
func validSession(s string) bool {
	if s == "" || len(s) > 200 || strings.Trim(s, ".") == "" {
		return false
	}
	return !strings.ContainsFunc(s, func(r rune) bool {
		return r <= ' ' || r > '~' || strings.ContainsRune(`/\?#%"<>`, r)
	})
}

// Action reads how an action is doing.
func (d *Driver) Action(ctx context.Context, id string) (*model.Action, error) {
	const what = "cannot read the action"
	if device, policy, ok := parseMoveID(id); ok {
		return d.readMove(ctx, what, device, policy)
	}
	session, command, ok := parseLiveID(id)
	if !ok {
		return nil, backends.NotFound("action", id)
	}
	var w wire.Command
	if _, err := d.get(ctx, what, catalog.RouteLive, commandPath(session, command), nil, &w); err != nil {
		if backends.KindOf(err) == backends.KindNotFound {
			e := backends.NotFound("action", id)
			e.Why, e.Err = "its live response session has ended, and the server keeps commands no longer", err
			return nil, e
		}
		return nil, err
	}
	act := commandAction(session, command, &w)
	if act.State.Final() {
		d.releaseResolved(id)
	}
	return act, nil
}

// verbOfCommand is the verb a command was issued for.
var verbOfCommand = map[string]string{
	cmdKill: backends.VerbKill, cmdDeleteFile: backends.VerbDeleteFile, cmdRun: backends.VerbRun,
	cmdGetFile: backends.VerbCarve, cmdMemdump: backends.VerbMemdump,
}

func commandAction(session string, command int64, w *wire.Command) *model.Action {
	act := &model.Action{
		Origin: model.Origin{ID: liveActionID(session, command)}, Verb: verbOfCommand[string(w.Name)],
		NativeState: string(w.Status), Details: map[string]string{detailSession: session},
	}
	if dev := wire.Number(w.SensorID); dev != "" {
		act.Host = &model.Host{Origin: model.Origin{ID: dev}}
	}
	fillAction(act, w)
	return act
}

// fillAction takes over what a command says.
func fillAction(act *model.Action, w *wire.Command) {
	act.State, act.NativeState = commandState(w), string(w.Status)
	if act.State == model.ActionFailed {
		act.Error = w.Failure()
	}
	if w.ReturnCode.Set && act.State == model.ActionDone && string(w.Name) == cmdRun {
		act.ExitCode = model.Ptr(w.ReturnCode.N)
	}
	if string(w.Name) == cmdMemdump && w.PercentDone.Set && !act.State.Final() {
		act.NativeState = fmt.Sprintf("%d%% dumped", w.PercentDone.N)
	}
}

func cancelCall(what, id string) (client.Call, error) {
	session, command, ok := parseLiveID(id)
	if !ok {
		return client.Call{}, backends.Invalid(what, fmt.Sprintf("%q is not a live response command; only those can be cancelled", id))
	}
	return client.Call{Method: http.MethodPut, Path: catalog.Base + commandPath(session, command), JSON: wire.CancelRequest{CmdID: command}}, nil
}

func (d *Driver) cancelCommand(ctx context.Context, what string, c backends.Change, act *model.Action, update func(*model.Action)) error {
	if _, err := cancelCall(what, c.ActionID); err != nil {
		return err
	}
	session, command, _ := parseLiveID(c.ActionID)
	act.ID, act.State, act.RequestedAt = c.ActionID, model.ActionSent, model.At(d.opt.Clock())
	update(snapshot(act))
	if err := d.act(ctx, what, catalog.RouteLive, http.MethodPut, commandPath(session, command), wire.CancelRequest{CmdID: command}, nil); err != nil {
		return err
	}
	act.NativeState = "accepted" // whether it was in time, a look tells
	return nil
}

var (
	_ backends.Changer      = (*Driver)(nil)
	_ backends.ActionPoller = (*Driver)(nil)
	_ backends.ActionFinder = (*Driver)(nil)
	_ backends.Carver       = (*Driver)(nil)
)
