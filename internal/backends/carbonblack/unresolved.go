package carbonblack

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/backends/carbonblack/catalog"
	"github.com/edrctl/edrctl/internal/backends/carbonblack/wire"
	"github.com/edrctl/edrctl/internal/model"
)

// A change whose answer was lost is looked up by reading only: the list of
// commands of its session, which is kept open for it.

// unresolvedChange is what is known of one.
type unresolvedChange struct {
	before  string // it ended before the change itself was sent: why
	s       *session
	order   wire.CommandRequest
	command int64 // -1: not known
	act     *model.Action
}

type unresolvedChanges struct {
	mu sync.Mutex
	m  map[string]*unresolvedChange
}

func changeKey(c backends.Change) string {
	host := ""
	if c.Host != nil {
		host = c.Host.ID
	}
	script := ""
	if c.Script != nil {
		script = c.Script.Name
	}
	return fmt.Sprintf("%s\x00%s\x00%d\x00%s\x00%q\x00%s\x00%v", c.Verb, host, c.PID, c.Path, c.Command, script, c.Params)
}

func (l *unresolvedChanges) add(c backends.Change, pending *unresolvedChange) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.m == nil {
		l.m = map[string]*unresolvedChange{}
	}
	l.m[changeKey(c)] = pending
}

// addWithSession keeps the session of an unresolved change open.
func (l *unresolvedChanges) addWithSession(s *session, c backends.Change, pending *unresolvedChange) {
	s.retain()
	pending.s = s
	l.add(c, pending)
}

func (l *unresolvedChanges) take(c backends.Change) *unresolvedChange {
	l.mu.Lock()
	defer l.mu.Unlock()
	pending := l.m[changeKey(c)]
	delete(l.m, changeKey(c))
	return pending
}

// releaseResolved lets go of the session of an unresolved change that has ended.
func (d *Driver) releaseResolved(actionID string) {
	d.unresolved.mu.Lock()
	var s *session
	for k, l := range d.unresolved.m {
		if l.s != nil && l.command >= 0 && liveActionID(l.s.id, l.command) == actionID {
			s = l.s
			s.ended(l.command)
			delete(d.unresolved.m, k)
		}
	}
	d.unresolved.mu.Unlock()
	if s != nil {
		s.release(context.Background())
	}
}

// findTime bounds a lookup whose caller set no end.
const findTime = 20 * time.Second

// FindAction looks up what became of a change whose answer was lost.
func (d *Driver) FindAction(ctx context.Context, c backends.Change, sent time.Time) (*model.Action, error) {
	switch c.Verb {
	case backends.VerbCall:
		if c.Call != nil {
			return d.findCall(ctx, c, sent)
		}
	case backends.VerbIsolate, backends.VerbRelease:
		return d.findMove(ctx, c)
	case backends.VerbCarveDelete:
		return d.findDeletedCarve(ctx, c)
	case backends.VerbCancel:
		return d.findCancelled(ctx, c)
	}
	limit := findTime
	if end, ok := ctx.Deadline(); ok {
		limit = min(limit, max(time.Until(end)*3/4, 10*time.Millisecond))
	}
	pending := d.unresolved.take(c)
	switch {
	case pending == nil:
		return d.findElsewhere(ctx, c, sent, limit)
	case pending.before != "":
		return &model.Action{Verb: c.Verb, Host: c.Host, State: model.ActionFailed, Error: "it was not sent: " + pending.before}, nil
	}
	act, ended, err := d.findIn(ctx, pending, limit)
	if !ended && err == nil && act != nil {
		d.unresolved.add(c, pending) // it continues: Action follows it in the same session
		return act, nil
	}
	pending.s.release(context.WithoutCancel(ctx))
	return act, err
}

const whatFind = "cannot look the change up"

// findIn looks a command up in its session. ended reports that nothing more
// will come of it.
func (d *Driver) findIn(ctx context.Context, pending *unresolvedChange, limit time.Duration) (act *model.Action, ended bool, err error) {
	w := &wire.Command{ID: wire.Int{N: pending.command, Set: true}}
	if pending.command < 0 {
		all, err := getList[wire.Command](ctx, d, whatFind, sessionPath(pending.s.id)+"/command", "commands")
		if err != nil {
			return nil, true, err
		}
		found := matching(all, pending.order, time.Time{})
		if found == nil {
			return nil, true, nil // the session has no such command: it never arrived
		}
		w, pending.command = found, found.ID.N
	}
	act = pending.act
	act.ID, act.Details[detailSession] = liveActionID(pending.s.id, pending.command), pending.s.id
	w, err = d.followCommand(ctx, whatFind, pending.s.id, w, limit, nil)
	fillAction(act, w)
	if err != nil {
		if ctx.Err() == nil && !act.State.Final() && backends.KindOf(err) == backends.KindAmbiguous && w.Status != "" {
			return act, false, nil
		}
		return nil, true, err
	}
	if act.State == model.ActionDone && pending.order.Name == cmdGetFile && w.FileID.Set {
		pending.s.collected(wire.Number(w.FileID))
		act.Files = []string{carveID(pending.s.id, pending.command, w.FileID.N)}
	}
	if pending.order.OutputFile != "" {
		act.Details["left_on_device"] = pending.order.OutputFile
	}
	return act, true, nil
}

// matching is the newest command that an order may have become.
func matching(all []wire.Command, o wire.CommandRequest, since time.Time) *wire.Command {
	var found *wire.Command
	for i := range all {
		w := &all[i]
		if !w.ID.Set || !strings.EqualFold(string(w.Name), o.Name) || w.Operand() != strings.TrimSpace(fmt.Sprint(o.Object)) {
			continue
		}
		if !since.IsZero() && w.CreateTime.N > 0 && time.UnixMilli(w.CreateTime.N).Before(since) {
			continue
		}
		if found == nil || w.ID.N > found.ID.N {
			found = w
		}
	}
	return found
}

// findElsewhere looks a change of another run up: in the sessions the server
// still has for the device.
func (d *Driver) findElsewhere(ctx context.Context, c backends.Change, sent time.Time, limit time.Duration) (*model.Action, error) {
	id, err := target(whatFind, c)
	if err != nil {
		return nil, err
	}
	p, err := planLive(c, unknownYet)
	if err != nil {
		return nil, nil //nolint:nilerr // what cannot be sent was not
	}
	sessions, err := getList[wire.Session](ctx, d, whatFind, "/cblr/session", "sessions")
	if err != nil {
		e := *asError(err)
		e.What, e.Why = whatFind, "this server does not list its live response sessions: "+err.Error()
		return nil, &e
	}
	// The clocks of two machines: a minute is allowed for.
	since := sent.Add(-time.Minute)
	for _, s := range sessions {
		if s.SensorID.N != id || !validSession(string(s.ID)) {
			continue
		}
		all, err := getList[wire.Command](ctx, d, whatFind, sessionPath(string(s.ID))+"/command", "commands")
		if err != nil {
			return nil, err
		}
		var w *wire.Command
		if c.Verb == backends.VerbMemdump || c.Verb == backends.VerbScript {
			// Its file has a random name: the newest of its kind since then.
			all = slices.DeleteFunc(all, func(w wire.Command) bool {
				return !strings.HasPrefix(w.Operand(), strings.SplitN(fmt.Sprint(p.main.Object), unknownYet, 2)[0])
			})
			for i := range all {
				all[i].Object = wire.Text(fmt.Sprint(p.main.Object))
			}
		}
		if w = matching(all, p.main, since); w == nil {
			continue
		}
		file := w.FileID
		w, err = d.followCommand(ctx, whatFind, string(s.ID), w, limit, nil)
		if err != nil && backends.KindOf(err) != backends.KindAmbiguous {
			return nil, err
		}
		act := commandAction(string(s.ID), w.ID.N, w)
		act.Verb, act.Host = c.Verb, c.Host
		if f := cmp.Or(w.FileID, file); act.State == model.ActionDone && p.main.Name == cmdGetFile && f.Set {
			act.Files = []string{carveID(string(s.ID), w.ID.N, f.N)}
		}
		return act, nil
	}
	return nil, nil
}

func asError(err error) *backends.Error {
	var e *backends.Error
	if errors.As(backends.FromClient(whatFind, err), &e) {
		return e
	}
	return &backends.Error{Why: err.Error(), Err: err}
}

// findDeletedCarve reports whether a collected file is gone from its session.
func (d *Driver) findDeletedCarve(ctx context.Context, c backends.Change) (*model.Action, error) {
	session, _, file, ok := parseCarveID(c.CarveID)
	if !ok {
		return nil, backends.Invalid(whatFind, "the collected file is not known")
	}
	_, err := d.get(ctx, whatFind, catalog.RouteLive, filePath(session, file), nil, nil)
	if backends.KindOf(err) == backends.KindNotFound {
		return &model.Action{Verb: c.Verb, State: model.ActionDone, NativeState: "it is gone"}, nil
	}
	return nil, err
}

// findCancelled reports whether a command was cancelled.
func (d *Driver) findCancelled(ctx context.Context, c backends.Change) (*model.Action, error) {
	act, err := d.Action(ctx, c.ActionID)
	if err != nil || !act.State.Final() {
		return nil, err
	}
	found := &model.Action{Origin: act.Origin, Verb: c.Verb, Host: act.Host, State: model.ActionDone, NativeState: act.NativeState}
	if act.State != model.ActionCancelled {
		found.State, found.Error = model.ActionFailed, "the command ended before it was cancelled: "+string(act.State)
	}
	return found, nil
}
