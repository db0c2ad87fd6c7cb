package carbonblack

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf16"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/backends/carbonblack/catalog"
	"github.com/edrctl/edrctl/internal/backends/carbonblack/wire"
	"github.com/edrctl/edrctl/internal/model"
)

// maxOutput is how much of a command's output is taken into the action; more
// stays a file to download.
const maxOutput = 4 << 20

// liveTask is a change at work in a session.
type liveTask struct {
	*livePlan
	d      *Driver
	what   string
	c      backends.Change
	act    *model.Action
	update func(*model.Action)
	device int64
	s      *session
	reused bool
}

// applyLive carries a change out by live response.
func (d *Driver) applyLive(ctx context.Context, what string, c backends.Change, act *model.Action, update func(*model.Action)) error {
	device, err := target(what, c)
	if err != nil {
		return err
	}
	p, err := planLive(c, token())
	if err != nil {
		return err
	}
	t := &liveTask{livePlan: p, d: d, what: what, c: c, act: act, update: update, device: device}
	act.RequestedAt = model.At(d.opt.Clock())
	t.report("opening a live response session")
	if err := t.open(ctx); err != nil {
		return err
	}
	defer func() { t.s.release(ctx) }()
	if err := t.prepare(ctx); err != nil {
		if backends.KindOf(err) == backends.KindAmbiguous {
			d.unresolved.add(c, &unresolvedChange{before: "it ended before the change itself was sent (" + err.Error() + ")"})
		}
		t.cleanUp(ctx)
		return err
	}
	return t.finish(ctx, t.carryOut(ctx))
}

func (t *liveTask) report(native string) {
	t.act.NativeState = native
	t.update(snapshot(t.act))
}

// open takes a session. That its answer was lost says that the change was not sent.
func (t *liveTask) open(ctx context.Context) error {
	var err error
	t.s, t.reused, err = t.d.session(ctx, t.what, t.device, t.c.Within(checkInTime))
	if err != nil {
		if backends.KindOf(err) == backends.KindAmbiguous {
			t.d.unresolved.add(t.c, &unresolvedChange{before: "the live response session could not be opened; if the server has opened it, it ends by itself"})
		}
		return err
	}
	t.act.Details[detailSession] = t.s.id
	return nil
}

// firstInSession does what comes first in a session. When the session was used before
// and has ended meanwhile, a new one is opened: the server said that the
// command was not taken (§9.2).
func (t *liveTask) firstInSession(ctx context.Context, do func() error) error {
	err := do()
	if !errors.Is(err, errSessionEnded) || !t.reused {
		return err
	}
	t.s.release(ctx)
	if err := t.open(ctx); err != nil {
		return err
	}
	t.reused = false
	return do()
}

// prepare does what must be true before the change itself is sent.
func (t *liveTask) prepare(ctx context.Context) error {
	switch {
	case t.kill:
		return t.firstInSession(ctx, func() error { return t.checkProcess(ctx) })
	case t.upload != nil:
		return t.firstInSession(ctx, func() error { return t.putScript(ctx) })
	}
	return nil
}

// checkProcess reads the process list: the pid must be there, and be what was
// meant. Pids are used again.
func (t *liveTask) checkProcess(ctx context.Context) error {
	t.report("reading the process list")
	w, err := t.s.do(ctx, t.what, wire.CommandRequest{Name: cmdProcesses}, t.c.Within(commandTime))
	if err != nil {
		return err
	}
	for _, p := range w.Processes {
		if !p.PID.Set || p.PID.N != t.c.PID {
			continue
		}
		if t.c.Path != "" && !samePath(t.c.Path, string(p.Path), onWindows(t.c.Host, string(p.Path))) {
			return &backends.Error{
				Kind: backends.KindRefused, What: t.what,
				Why:  fmt.Sprintf("pid %d is now %s, not %s: nothing was killed", t.c.PID, p.Path, t.c.Path),
				Hint: "the process that was meant has ended, and its pid was given to another",
			}
		}
		for k, v := range map[string]string{"path": string(p.Path), "command_line": string(p.CommandLine), "user": string(p.UserName)} {
			if v != "" {
				t.act.Details["process_"+k] = v
			}
		}
		if p.CreateTime.N > 0 {
			t.act.Details["process_started"] = time.Unix(p.CreateTime.N, 0).UTC().Format(time.RFC3339)
		}
		return nil
	}
	return &backends.Error{Kind: backends.KindNotFound, What: t.what, Why: fmt.Sprintf("no process with pid %d is running on the device: nothing was killed", t.c.PID)}
}

// samePath reports whether a path of the process list is the one that was
// given. A bare name, on either side, is compared with the other's last part.
func samePath(want, got string, windows bool) bool {
	if windows {
		want, got = strings.ReplaceAll(want, "/", `\`), strings.ReplaceAll(got, "/", `\`)
		want, got = strings.TrimPrefix(want, `\\?\`), strings.TrimPrefix(got, `\\?\`)
	}
	if !strings.ContainsAny(want, `/\`) || !strings.ContainsAny(got, `/\`) {
		want, got = model.BaseName(want), model.BaseName(got)
	}
	if windows {
		return strings.EqualFold(want, got)
	}
	return want == got
}

// putScript uploads the script to the session and from there to the device.
func (t *liveTask) putScript(ctx context.Context) error {
	t.report("uploading the script")
	call := uploadCall(t.s.id, t.upload)
	call.Path = catalog.Base + sessionPath(t.s.id) + "/file"
	var f wire.File
	if err := t.d.actCall(ctx, t.what, catalog.RouteLive, call, &f); err != nil {
		if backends.KindOf(err) == backends.KindNotFound {
			t.s.forget()
			return &backends.Error{Kind: backends.KindUnavailable, What: t.what, Why: "the live response session has ended: nothing was sent to the device", Err: errSessionEnded}
		}
		return err
	}
	if !f.ID.Set {
		return backends.Malformed(t.what, "the upload got no id")
	}
	_, err := t.s.do(ctx, t.what, wire.CommandRequest{Name: cmdPutFile, Object: t.put, FileID: f.ID.N}, t.c.Within(commandTime))
	return err
}

// errStillRunning is a command that the device had not ended when the wait was
// over. Its session stays open for whoever asks how it ended.
var errStillRunning = errors.New("the command still runs")

// carryOut sends the change itself, once, and follows it to its end.
func (t *liveTask) carryOut(ctx context.Context) error {
	var w *wire.Command
	issue := func() (err error) {
		w, err = t.s.issue(ctx, t.what, t.main)
		return err
	}
	var err error
	if t.kill || t.upload != nil {
		err = issue() // the session was used just now
	} else {
		err = t.firstInSession(ctx, issue)
	}
	if err != nil {
		if backends.KindOf(err) == backends.KindAmbiguous && t.s != nil && t.act.Details[detailSession] == t.s.id {
			t.d.unresolved.addWithSession(t.s, t.c, &unresolvedChange{order: t.main, command: -1, act: snapshot(t.act)})
		}
		return err
	}
	t.act.ID = liveActionID(t.s.id, w.ID.N)
	w, err = t.s.follow(ctx, t.what, w, t.c.Within(t.limit), func(w *wire.Command) {
		before, native := t.act.State, t.act.NativeState
		fillAction(t.act, w)
		if t.act.State != before || t.act.NativeState != native {
			if !t.act.State.Final() {
				t.update(snapshot(t.act))
			}
		}
	})
	if err != nil {
		if backends.KindOf(err) == backends.KindAmbiguous {
			t.d.unresolved.addWithSession(t.s, t.c, &unresolvedChange{order: t.main, command: w.ID.N, act: snapshot(t.act)})
		}
		if ctx.Err() == nil && t.c.WaitOver() && w.Status != "" {
			t.s.detach(w.ID.N)
			return errStillRunning
		}
		return err
	}
	if t.act.State != model.ActionDone {
		return &backends.Error{Kind: backends.KindOther, What: t.what, Why: t.act.Error}
	}
	if t.main.Name == cmdGetFile {
		return t.collect(w)
	}
	if w.PID.Set {
		t.act.Details["pid"] = wire.Number(w.PID)
	}
	return nil
}

// collect makes the file of a get file command a carve.
func (t *liveTask) collect(w *wire.Command) error {
	if !w.FileID.Set {
		return backends.Malformed(t.what, "the command completed without a file")
	}
	id := carveID(t.s.id, w.ID.N, w.FileID.N)
	t.s.collected(wire.Number(w.FileID))
	t.act.Files = append(t.act.Files, id)
	return nil
}

// finish fetches what the change left on the device, and cleans up there.
// What was done stays done when this fails; it is reported.
func (t *liveTask) finish(ctx context.Context, err error) error {
	if errors.Is(err, errStillRunning) || backends.KindOf(err) == backends.KindAmbiguous {
		if len(t.after) > 0 {
			t.act.Details["left_on_device"] = strings.Join(t.after, " ") // it may be in use
		}
		if errors.Is(err, errStillRunning) {
			t.act.State = model.ActionRunning // its id tells how it ends
			return nil
		}
		return err
	}
	done := t.act.State
	switch {
	case t.fetch == "" || errors.Is(err, errSessionEnded) || t.act.ID == "":
	case t.main.Name == cmdRun && err == nil:
		t.act.State = model.ActionRunning
		t.report("fetching the output")
		if ferr := t.output(ctx); ferr != nil {
			t.act.Details["output"] = "could not be fetched: " + ferr.Error()
		}
	case t.main.Name == cmdMemdump && err == nil:
		t.act.State = model.ActionRunning
		t.report("collecting the dump")
		var w *wire.Command
		if w, err = t.s.do(ctx, t.what, wire.CommandRequest{Name: cmdGetFile, Object: t.fetch}, t.c.Within(getFileTime+t.limit)); err == nil {
			err = t.collect(w)
		} else if backends.KindOf(err) == backends.KindAmbiguous {
			err = &backends.Error{Kind: backends.KindPartial, What: t.what, Why: "the memory was dumped, and collecting it failed: " + err.Error()}
		}
	}
	if err == nil {
		t.act.State = done
	}
	t.cleanUp(ctx)
	if err == nil {
		t.act.NativeState = "complete"
	}
	return err
}

// cleanUp deletes our files on the device, also when the caller is gone.
func (t *liveTask) cleanUp(ctx context.Context) {
	if t.s == nil || len(t.after) == 0 {
		return
	}
	var cancel context.CancelFunc
	if ctx.Err() != nil {
		ctx, cancel = context.WithTimeout(context.WithoutCancel(ctx), closeTime)
	} else {
		ctx, cancel = context.WithTimeout(ctx, t.c.Within(commandTime))
	}
	defer cancel()
	var left []string
	for _, f := range t.after {
		w, err := t.s.do(ctx, t.what, wire.CommandRequest{Name: cmdDeleteFile, Object: f}, commandTime)
		if err != nil && (w == nil || !noSuchFile(w)) {
			left = append(left, f)
		}
	}
	if len(left) > 0 {
		t.act.Details["left_on_device"] = strings.Join(left, " ")
		t.d.warn(fmt.Sprintf("%s was left on device %d: it could not be deleted there", strings.Join(left, " and "), t.device))
	}
}

func noSuchFile(w *wire.Command) bool {
	code := uint32(w.ResultCode.N) // an HRESULT is 32 bits, whatever its sign
	return code == 0x80070002 || code == 0x80070003
}

// output fetches what a command wrote.
func (t *liveTask) output(ctx context.Context) error {
	w, err := t.s.do(ctx, t.what, wire.CommandRequest{Name: cmdGetFile, Object: t.fetch}, t.c.Within(getFileTime))
	if err != nil {
		if w != nil && noSuchFile(w) {
			return nil // it wrote nothing
		}
		return err
	}
	if !w.FileID.Set {
		return errors.New("the server gave no file")
	}
	info, err := t.d.fileInfo(ctx, t.what, t.s.id, w.FileID.N)
	if err != nil {
		return err
	}
	if info.Size.N > maxOutput {
		t.act.Details["output"] = fmt.Sprintf("%d bytes: too much to show, it is kept as a file", info.Size.N)
		return t.collect(w)
	}
	reply, err := t.d.client.Do(ctx, contentCall(t.s.id, w.FileID.N, maxOutput))
	if err != nil {
		return t.d.explain(ctx, t.what, catalog.RouteLive, false, err)
	}
	t.act.Stdout = readable(reply.Body)
	return nil
}

// readable is the output of a program as text: UTF-16 when it says so, else
// UTF-8 with what is not that replaced.
func readable(b []byte) string {
	if len(b) >= 2 && (b[0] == 0xff && b[1] == 0xfe || b[0] == 0xfe && b[1] == 0xff) {
		little := b[0] == 0xff
		units := make([]uint16, 0, len(b)/2)
		for i := 2; i+1 < len(b); i += 2 {
			u := uint16(b[i])<<8 | uint16(b[i+1])
			if little {
				u = uint16(b[i+1])<<8 | uint16(b[i])
			}
			units = append(units, u)
		}
		return string(utf16.Decode(units))
	}
	return strings.ToValidUTF8(strings.TrimPrefix(string(b), "\ufeff"), "\ufffd")
}
