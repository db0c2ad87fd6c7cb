package gene

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/backends/gene/wire"
	"github.com/edrctl/edrctl/internal/model"
)

// Responding on this backend is giving an endpoint a command, and an endpoint
// has one slot for it: no history, no cancel, and the next command replaces
// the one before (docs/wire/gene.md 5). Before each the endpoint is confirmed, and
// its answer compared, as older managers give commands to the wrong one.

// ownWait is how long a command waits for one of ours in the same slot.
const ownWait = 20 * time.Second

// maxWindow is the longest wait before a command's slot is read back.
const maxWindow = 2 * time.Second

// skew is how far the manager's clock may be off when a command is looked up
// that another run has sent.
const skew = 2 * time.Minute

// Verbs lists what can be changed.
func (d *Driver) Verbs() []backends.VerbSpec {
	return []backends.VerbSpec{
		{Verb: backends.VerbRun, Needs: []string{"host", "command"}, Takes: []string{"timeout"},
			How: "gives the agent the command, each word quoted so that it arrives as it is; no shell"},
		{Verb: backends.VerbScript, Needs: []string{"host", "script"}, Takes: []string{"timeout"},
			How: "hands a PowerShell script over on the command line (the manager drops only files of its own disk)"},
		{Verb: backends.VerbKill, Needs: []string{"host", "pid"}, Takes: []string{"path", "timeout"},
			How: "with the path: PowerShell on the endpoint compares and ends it; without: terminate, or taskkill on older agents"},
		{Verb: backends.VerbDeleteFile, Needs: []string{"host", "path"}, Takes: []string{"timeout"},
			How: "PowerShell on the endpoint deletes this one file"},
		{Verb: backends.VerbIsolate, Needs: []string{"host"}, Inverse: backends.VerbRelease,
			How: "gives the agent its own command contain"},
		{Verb: backends.VerbRelease, Needs: []string{"host"}, Inverse: backends.VerbIsolate,
			How: "gives the agent its own command uncontain"},
		{Verb: backends.VerbCarve, Needs: []string{"host", "path"}, Takes: []string{"timeout"},
			How: "gives the agent a harmless command that brings the file back with it"},
		{Verb: backends.VerbCancel, Needs: []string{"host", "action"}, Sync: true,
			How: "puts a harmless command in the slot, as long as the agent has not picked the other one up"},
		{Verb: backends.VerbHostAdd, Takes: []string{"group", "status", "criticality"}, Sync: true,
			How: "makes an endpoint; the manager chooses its UUID and key"},
		{Verb: backends.VerbHostTag, Needs: []string{"host", "tags"}, Sync: true,
			How: "sets the endpoint's group (v1.8.0-beta.2 and later)"},
		{Verb: backends.VerbHostEdit, Needs: []string{"host", "group|status|criticality"}, Sync: true,
			How: "sets group, status (v1.8.0-beta.2 and later) or criticality (beta.3 and later)"},
		{Verb: backends.VerbHostDelete, Needs: []string{"host"}, Sync: true,
			How: "deletes the endpoint; its logs and files stay on the manager's disk"},
		{Verb: backends.VerbCall, Sync: true,
			How: "sends one operation of the manager's own API, after the guards of that operation"},
	}
}

// onHost tells the verbs that are commands in an endpoint's slot.
func onHost(verb string) bool {
	switch verb {
	case backends.VerbRun, backends.VerbScript, backends.VerbKill, backends.VerbDeleteFile,
		backends.VerbIsolate, backends.VerbRelease, backends.VerbCarve, backends.VerbCancel:
		return true
	}
	return false
}

func cannot(verb string) string {
	switch verb {
	case backends.VerbRun:
		return "cannot run the command"
	case backends.VerbScript:
		return "cannot run the script"
	case backends.VerbKill:
		return "cannot end the process"
	case backends.VerbDeleteFile:
		return "cannot delete the file"
	case backends.VerbIsolate:
		return "cannot isolate the endpoint"
	case backends.VerbRelease:
		return "cannot release the endpoint"
	case backends.VerbCarve:
		return "cannot collect the file"
	case backends.VerbCancel:
		return "cannot cancel the command"
	case backends.VerbHostAdd:
		return "cannot add the endpoint"
	case backends.VerbHostTag:
		return "cannot change the endpoint's group"
	case backends.VerbHostEdit:
		return "cannot change the endpoint"
	case backends.VerbHostDelete:
		return "cannot delete the endpoint"
	}
	return "cannot do " + verb
}

// Preview reads the endpoint and its slot, and says what would be sent.
func (d *Driver) Preview(ctx context.Context, c backends.Change) (backends.Preview, error) {
	what := cannot(c.Verb)
	switch {
	case c.Verb == backends.VerbCall:
		return d.previewCall(ctx, cannotCall(c), c)
	case !onHost(c.Verb):
		return d.previewHost(ctx, what, c)
	}
	return d.previewCommand(ctx, what, c)
}

func (d *Driver) previewCommand(ctx context.Context, what string, c backends.Change) (backends.Preview, error) {
	var pv backends.Preview
	ep, err := d.confirm(ctx, what, c.Host)
	if err != nil {
		return pv, err
	}
	o, err := buildCommand(what, c, ep)
	if err != nil {
		return pv, err
	}
	s, err := d.slot(ctx, ep.UUID, nil)
	if err != nil {
		return pv, d.fail("cannot read the endpoint's command", err)
	}
	pv.Requests = []string{d.c.Describe(postCommand(ep.UUID, o.body))}
	pv.Summary, pv.Warnings = o.summary, o.warnings
	pending := ""
	if s != nil && !bool(s.Completed) {
		pending = s.UUID
	}
	d.session.locked(func() { d.session.shown[ep.UUID] = pending })
	if c.Verb == backends.VerbCancel {
		_, _, id, ok := actionParts(c.ActionID)
		switch {
		case !ok:
			return pv, backends.Invalid(what, fmt.Sprintf("%q is not a command of this manager", c.ActionID))
		case s == nil || s.UUID != id:
			pv.Nothing = "the command is not in the endpoint's slot any more"
		case bool(s.Completed):
			pv.Nothing = "the command is over"
		case bool(s.Sent):
			e := backends.Unsupported(Name, what, "the agent has picked it up; a process it started can be ended with respond kill")
			e.Why = "the agent has picked it up, and nothing calls it back"
			return pv, e
		}
		return pv, nil
	}
	if pending != "" {
		// In the summary, so that one that comes after it was shown is seen.
		pv.Summary += ", in the place of " + s.Title()
	}
	switch {
	case pending != "" && bool(s.Sent):
		pv.Warnings = append(pv.Warnings, fmt.Sprintf("it replaces %s, which the agent is running: its result will be lost", s.Title()))
	case pending != "":
		pv.Warnings = append(pv.Warnings, fmt.Sprintf("it replaces %s, which the agent has not picked up: that will never run", s.Title()))
	case s != nil && len(s.Fetch) > 0:
		pv.Warnings = append(pv.Warnings, fmt.Sprintf("it replaces %s, which is over: files it collected that were not downloaded are lost", s.Title()))
	}
	h := d.host(ep)
	if h.Online != nil && !*h.Online {
		seen := "the agent has never been seen since the manager started"
		if !h.LastSeen.IsZero() {
			seen = "the agent was last seen " + h.LastSeen.UTC().Format(time.RFC3339)
		}
		pv.NotReady = seen + ": the command would wait, and run whenever it comes back"
	}
	spec, _ := backends.VerbOf(d, c.Verb)
	pv.Reversible, pv.Inverse = spec.Inverse != "", spec.Inverse
	return pv, nil
}

// Apply confirms the endpoint, sends the change once and compares the answer.
func (d *Driver) Apply(ctx context.Context, c backends.Change, update func(*model.Action)) (*model.Action, error) {
	what := cannot(c.Verb)
	act := &model.Action{Verb: c.Verb, Host: c.Host, State: model.ActionSent, RequestedAt: model.At(d.now()), Details: map[string]string{}}
	notify := func() {
		if update != nil {
			copied := *act
			update(&copied)
		}
	}
	var err error
	switch {
	case c.Verb == backends.VerbCall:
		err = d.applyCall(ctx, cannotCall(c), c, act, notify)
	case onHost(c.Verb):
		err = d.applyCommand(ctx, what, c, act, notify)
	default:
		err = d.applyHost(ctx, what, c, act, notify)
	}
	if err != nil {
		act.State, act.Error = model.ActionFailed, err.Error()
		if backends.KindOf(err) == backends.KindAmbiguous {
			act.State = model.ActionAmbiguous
		}
		return act, err
	}
	notify()
	return act, nil
}

func (d *Driver) applyCommand(ctx context.Context, what string, c backends.Change, act *model.Action, notify func()) error {
	ep, err := d.confirm(ctx, what, c.Host)
	if err != nil {
		return err
	}
	o, err := buildCommand(what, c, ep)
	if err != nil {
		return err
	}
	last, looked, err := d.clearSlot(ctx, what, c, ep)
	if err != nil {
		return err
	}
	d.session.locked(func() { d.session.before[o.key(ep.UUID)] = last })
	notify()
	did := wire.QuoteCommand(o.words) + " may run there"
	got, err := d.actOn(ctx, what, did, ep, postCommand(ep.UUID, o.body))
	if err != nil {
		if got.Posted != nil {
			act.Details["given_to"], act.Details["given_to_name"], act.Details["command"] = got.UUID, got.Hostname, got.Posted.UUID
		}
		return err
	}
	s := got.Posted
	if s == nil || !wire.IsUUID(s.UUID) {
		return ambiguous(what, "the answer holds no command")
	}
	if !s.Runs(o.words) || !s.Fetches(o.body.Fetch) {
		act.Details["command"] = s.UUID
		return &backends.Error{
			What: what + ": THE MANAGER UNDERSTOOD ANOTHER COMMAND",
			Why:  fmt.Sprintf("meant was %s, and it took %s, which may run on %s. Nothing more was sent", wire.QuoteCommand(o.words), wire.QuoteCommand(s.Words()), nameOf(ep)),
			Hint: "look at the endpoint at once: edrctl respond run, or carve get",
		}
	}
	d.session.locked(func() {
		d.session.sent[s.UUID] = &sentCommand{endpoint: ep, verb: c.Verb, fetch: len(o.body.Fetch) > 0}
	})
	if c.Verb == backends.VerbCancel {
		act.State, act.FinishedAt = model.ActionDone, model.At(d.now())
		act.Details["note"] = "a moment before, the agent had not picked the command up"
		return nil
	}
	if err := d.fillAction(act, ep.UUID, c.Verb, s); err != nil {
		return err
	}
	d.readBack(ctx, act, ep, s, time.Since(looked))
	return nil
}

// readBack looks whether the command is still in the slot that it was put in.
// Whoever looked at the slot before our POST, and saw it free, puts their own
// in afterwards; that takes them about as long as it took us (window), so the
// slot is read when that time has passed. When it cannot be read, the command
// is what the manager answered.
func (d *Driver) readBack(ctx context.Context, act *model.Action, ep endpoint, sent *wire.Command, window time.Duration) {
	select {
	case <-ctx.Done():
		return
	case <-time.After(min(window, maxWindow)):
	}
	s, err := d.slot(ctx, ep.UUID, nil)
	if err != nil || s == nil || s.UUID == sent.UUID {
		return
	}
	act.State, act.NativeState, act.Error = model.ActionExpired, "replaced", replacedBy(s)
}

func replacedBy(s *wire.Command) string {
	return fmt.Sprintf("%s has replaced it in the endpoint's only slot: whether it ran is not known", s.Title())
}

// clearSlot makes sure that what a new command replaces is what was shown, or is
// over; files of ours in the slot that were not downloaded yet are kept. last
// is the command that the slot holds, looked when that was asked.
func (d *Driver) clearSlot(ctx context.Context, what string, c backends.Change, ep endpoint) (last string, looked time.Time, err error) {
	for end := time.Now().Add(c.Within(ownWait)); ; {
		files, looked := slotFiles{}, time.Now()
		s, err := d.slot(ctx, ep.UUID, files.sink(d))
		if err != nil {
			return "", looked, d.fail(what+": nothing was sent: cannot read the endpoint's command", err)
		}
		if s == nil {
			if c.Verb == backends.VerbCancel {
				return "", looked, errPickedUp(what)
			}
			return "", looked, nil
		}
		if c.Verb == backends.VerbCancel {
			if _, _, id, ok := actionParts(c.ActionID); !ok || s.UUID != id || bool(s.Completed) || bool(s.Sent) {
				return "", looked, errPickedUp(what)
			}
			return s.UUID, looked, nil
		}
		if s.Completed {
			return s.UUID, looked, d.cacheFiles(what, ep, s, files)
		}
		var shown string
		var mine *sentCommand
		d.session.locked(func() { shown, mine = d.session.shown[ep.UUID], d.session.sent[s.UUID] })
		if shown == s.UUID {
			return s.UUID, looked, nil // its replacement was shown, and agreed to
		}
		if mine == nil || time.Now().After(end) {
			e := &backends.Error{
				Kind: backends.KindRefused, What: what + ": nothing was sent",
				Why:  fmt.Sprintf("the only slot of %s holds %s, which is not over and would be replaced", nameOf(ep), s.Title()),
				Hint: "run it again to see what it replaces",
			}
			if mine != nil {
				e.Hint = "give one command after the other: wait for the one before with --wait"
			}
			return "", looked, e
		}
		t := time.NewTimer(300 * time.Millisecond)
		select {
		case <-ctx.Done():
			t.Stop()
			return "", looked, fmt.Errorf("%s: nothing was sent: %w", what, ctx.Err())
		case <-t.C:
		}
	}
}

func errPickedUp(what string) error {
	return &backends.Error{Kind: backends.KindRefused, What: what + ": nothing was sent", Why: "the agent has picked it up, or it is over, since it was looked at"}
}

// An action's id is endpoint/verb/command.
func actionID(uuid, verb, command string) string { return uuid + "/" + verb + "/" + command }

func actionParts(id string) (uuid, verb, command string, ok bool) {
	p := strings.Split(id, "/")
	if len(p) != 3 || !wire.IsUUID(p[0]) || !wire.IsUUID(p[2]) {
		return "", "", "", false
	}
	return p[0], p[1], p[2], true
}

// fillAction takes over what the slot says of an action.
func (d *Driver) fillAction(act *model.Action, uuid, verb string, s *wire.Command) error {
	act.ID = actionID(uuid, verb, s.UUID)
	if act.Details == nil {
		act.Details = map[string]string{}
	}
	var failed []string
	act.Files = nil
	for path, f := range s.Fetch {
		if f.Error != "" {
			failed = append(failed, f.Error)
		} else if f.UUID != "" {
			act.Files = append(act.Files, fetchID(uuid, s.UUID, f.UUID))
		}
		if len(s.Fetch) == 1 {
			act.Target = &model.ActionTarget{Path: path}
		}
	}
	slices.Sort(act.Files)
	slices.Sort(failed)
	switch {
	case !bool(s.Sent) && !bool(s.Completed):
		act.State, act.NativeState = model.ActionQueued, "not picked up yet"
		return nil
	case !bool(s.Completed):
		act.State, act.NativeState = model.ActionRunning, "sent to the agent"
		return nil
	}
	return fillResult(act, verb, s, failed)
}

// fillResult takes over how a command ended; failed are the files that the
// agent could not collect.
func fillResult(act *model.Action, verb string, s *wire.Command, failed []string) error {
	var err error
	if act.Stdout, err = wire.DecodeOutput(s.Stdout); err == nil {
		act.Stderr, err = wire.DecodeOutput(s.Stderr)
	}
	if err != nil {
		return backends.Malformed("", "the output of the command is not base64")
	}
	if act.Stdout == "" && len(s.JSON) > 0 && string(s.JSON) != "null" {
		act.Stdout = string(s.JSON)
	}
	act.State, act.NativeState, act.Error = model.ActionDone, "completed", ""
	code, ended := wire.ExitCode(s.Error)
	// The agent's own commands are not programs, and have no exit code.
	program := verb != backends.VerbIsolate && verb != backends.VerbRelease && (len(s.JSON) == 0 || string(s.JSON) == "null")
	switch {
	case s.Error == "" && program:
		act.ExitCode = model.Ptr[int64](0)
	case ended:
		act.ExitCode = &code
	}
	switch {
	case verb == backends.VerbCarve && len(failed) > 0:
		act.State, act.Error = model.ActionFailed, strings.Join(failed, "; ")
	case verb == backends.VerbCarve:
		act.Stdout, act.Stderr, act.ExitCode = "", "", nil // of the harmless command
	case s.Error != "" && !(ended && (verb == backends.VerbRun || verb == backends.VerbScript)):
		act.State, act.Error = model.ActionFailed, "the agent says: "+s.Error
		if line, _, _ := strings.Cut(strings.TrimSpace(act.Stderr), "\n"); line != "" {
			act.Error += ": " + strings.TrimSpace(line)
		}
	}
	if t, ok := wire.ParseTime(s.SentTime); ok {
		act.Details["picked_up"] = t.UTC().Format(time.RFC3339)
	}
	return nil
}

// Action reads how a command is doing. The manager keeps nothing but the
// slot: a command that was replaced has no result any more.
func (d *Driver) Action(ctx context.Context, id string) (*model.Action, error) {
	const what = "cannot read the action"
	uuid, verb, command, ok := actionParts(id)
	if !ok {
		return nil, backends.Invalid(what, fmt.Sprintf("%q is not a command of this manager", id))
	}
	s, err := d.slot(ctx, uuid, nil)
	if err != nil {
		return nil, d.fail(what, err)
	}
	var mine *sentCommand
	var ended *model.Action
	d.session.locked(func() { mine, ended = d.session.sent[command], d.session.ended[command] })
	act := &model.Action{Verb: verb, Host: &model.Host{Origin: model.Origin{ID: uuid}}}
	if mine != nil {
		act.Host = d.host(mine.endpoint)
	}
	if s != nil && s.UUID == command {
		if err := d.fillAction(act, uuid, verb, s); err != nil {
			return nil, d.fail(what, err)
		}
		if act.State.Final() {
			copied := *act
			d.session.locked(func() { d.session.ended[command] = &copied })
		}
		return act, nil
	}
	if ended != nil {
		copied := *ended
		return &copied, nil
	}
	// Somebody else's command, none, or another endpoint's: which?
	if _, err := d.confirm(ctx, what, &model.Host{Origin: model.Origin{ID: uuid}}); err != nil {
		return nil, err
	}
	why := "the manager has no command of this endpoint any more (it was restarted): whether it ran is not known"
	if s != nil {
		why = replacedBy(s)
	}
	if mine == nil {
		return nil, &backends.Error{What: what, Why: why}
	}
	act.ID, act.State, act.NativeState, act.Error = id, model.ActionExpired, "replaced", why
	return act, nil
}

// FindAction looks, by reading only, whether a command whose answer was lost
// is in the slot. Each POST makes a new id, so a slot that holds what it held
// before was not reached.
func (d *Driver) FindAction(ctx context.Context, c backends.Change, sent time.Time) (*model.Action, error) {
	const what = "cannot look up what became of it"
	switch {
	case c.Verb == backends.VerbCall:
		return d.findCall(ctx, what, c)
	case !onHost(c.Verb):
		return d.findHost(ctx, what, c)
	}
	ep, err := d.confirm(ctx, what, c.Host)
	if err != nil {
		return nil, err
	}
	o, err := buildCommand(what, c, ep)
	if err != nil {
		return nil, err
	}
	s, err := d.slot(ctx, ep.UUID, nil)
	if err != nil {
		return nil, d.fail(what, err)
	}
	if s == nil || !s.Runs(o.words) || !s.Fetches(o.body.Fetch) {
		return nil, nil
	}
	before, known := "", false
	d.session.locked(func() { before, known = d.session.before[o.key(ep.UUID)] })
	if known && before == s.UUID {
		return nil, nil
	}
	if at, ok := wire.ParseTime(s.SentTime); !known && ok && at.Before(sent.Add(-skew)) {
		return nil, nil // the same command, of an earlier day
	}
	d.session.locked(func() {
		d.session.sent[s.UUID] = &sentCommand{endpoint: ep, verb: c.Verb, fetch: len(o.body.Fetch) > 0}
	})
	act := &model.Action{Verb: c.Verb, Host: c.Host, RequestedAt: model.At(sent)}
	if c.Verb == backends.VerbCancel {
		act.State = model.ActionDone
		return act, nil
	}
	if err := d.fillAction(act, ep.UUID, c.Verb, s); err != nil {
		return nil, d.fail(what, err)
	}
	return act, nil
}

// key names this command on an endpoint.
func (o agentCommand) key(uuid string) string {
	return uuid + "\x00" + o.body.Line + "\x00" + strings.Join(o.body.Fetch, "\x00")
}

// What the driver can change, held by the compiler.
var (
	_ backends.Changer      = (*Driver)(nil)
	_ backends.ActionPoller = (*Driver)(nil)
	_ backends.ActionFinder = (*Driver)(nil)
)
