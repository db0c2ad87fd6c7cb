package carbonblack

import (
	"context"
	"crypto/rand"
	"encoding/base32"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode/utf16"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/client"
	"github.com/edrctl/edrctl/internal/model"
)

// maxOutput is how much of a command's output is taken into the action; more
// stays a file to download.
const maxOutput = 4 << 20

// livePlan is a change as commands of live response.
type livePlan struct {
	summary  string
	warnings []string
	limit    time.Duration
	kill     bool             // the process list is read first
	upload   *backends.Script // put on the device first
	put      string           // where
	main     order
	fetch    string   // file collected after main: output, or the dump
	after    []string // files deleted on the device at the end
}

// token is a part of a file name that nobody guesses.
func token() string {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails
	return strings.ToLower(base32.StdEncoding.EncodeToString(b[:]))[:12]
}

// onWindows tells whether a host's paths are of Windows; it is what most are.
func onWindows(h *model.Host, path string) bool {
	if h != nil && h.OS != nil && h.OS.Platform != "" {
		return h.OS.Platform == "windows"
	}
	return !strings.HasPrefix(path, "/")
}

// tempFile names a file of ours on a device, as the vendor's client does.
func tempFile(windows bool, name, ext string) string {
	if windows {
		return `c:\windows\temp\cblr.` + name + ext
	}
	return "/tmp/cblr." + name + ext
}

// planLive turns a change into commands; name is the random part of files it makes.
func planLive(c backends.Change, name string) (*livePlan, error) {
	what := whatOf(c.Verb)
	windows := onWindows(c.Host, c.Path)
	p := &livePlan{limit: commandTime}
	switch c.Verb {
	case backends.VerbKill:
		if c.PID <= 0 {
			return nil, backends.Invalid(what, fmt.Sprintf("%d is no pid", c.PID))
		}
		p.kill, p.limit, p.main = true, killTime, order{Name: cmdKill, Object: c.PID}
		p.summary = fmt.Sprintf("kills process %d, if it is there and its path is %s", c.PID, c.Path)
		if c.Path == "" {
			p.summary = fmt.Sprintf("kills process %d, whatever it is by then", c.PID)
			p.warnings = append(p.warnings, "without a path nothing tells whether the pid is still the process that was meant")
		}
	case backends.VerbDeleteFile:
		p.main = order{Name: cmdDeleteFile, Object: c.Path}
		p.summary = "deletes " + c.Path
	case backends.VerbCarve:
		o := order{Name: cmdGetFile, Object: c.Path}
		var err error
		if o.Offset, err = numberParam(what, c, paramOffset); err != nil {
			return nil, err
		}
		if o.GetCount, err = numberParam(what, c, paramCount); err != nil {
			return nil, err
		}
		p.main, p.limit = o, getFileTime
		p.summary = "collects " + c.Path
	case backends.VerbMemdump:
		tmp := tempFile(windows, name, ".tmp")
		p.main, p.limit = order{Name: cmdMemdump, Object: tmp, Compress: true}, memdumpTime
		p.fetch = tmp + ".zip" // where a compressed dump is (§9.5)
		p.after = []string{p.fetch}
		p.summary = "dumps the whole memory to " + p.fetch + ", collects it and deletes it there"
		p.warnings = append(p.warnings, "the disk of the device needs room for its memory, and the sensor time to upload it")
	case backends.VerbRun, backends.VerbScript:
		args := c.Command
		if c.Verb == backends.VerbScript {
			if c.Script == nil || len(c.Script.Content) == 0 {
				return nil, backends.Invalid(what, "the script is empty")
			}
			ext := extension(c.Script.Name)
			p.upload, p.put = c.Script, tempFile(windows, name, ext)
			var err error
			if args, err = interpreter(what, windows, ext, p.put); err != nil {
				return nil, err
			}
			args = append(args, c.Command...)
			p.after = append(p.after, p.put)
		}
		line, err := commandLine(windows, args)
		if err != nil {
			return nil, backends.Invalid(what, err.Error())
		}
		p.fetch = tempFile(windows, name, ".tmp")
		p.after = append(p.after, p.fetch)
		p.main = order{Name: cmdRun, Object: line, Wait: true, OutputFile: p.fetch, WorkingDirectory: c.Params[paramDirectory]}
		p.summary = "runs " + line
		if p.upload != nil {
			p.summary = fmt.Sprintf("puts %s (%d bytes) on the device and runs %s", c.Script.Name, len(c.Script.Content), line)
		}
	}
	if text, ok := p.main.Object.(string); ok && strings.ContainsRune(text, 0) {
		return nil, backends.Invalid(what, "there is a NUL in it")
	}
	if c.Timeout > 0 {
		p.limit = c.Timeout
	}
	return p, nil
}

// extension is the end of a file's name, in lower case; of an odd one nothing.
func extension(name string) string {
	name = strings.ToLower(model.BaseName(name))
	i := strings.LastIndexByte(name, '.')
	if i < 0 || len(name)-i > 8 || strings.Trim(name[i+1:], "abcdefghijklmnopqrstuvwxyz0123456789") != "" {
		return ""
	}
	return name[i:]
}

func numberParam(what string, c backends.Change, name string) (*int64, error) {
	v := c.Params[name]
	if v == "" {
		return nil, nil
	}
	n, err := strconv.ParseInt(v, 10, 64)
	if err != nil || n < 0 {
		return nil, backends.Invalid(what, fmt.Sprintf("%s %q is no number of bytes", name, v))
	}
	return &n, nil
}

// interpreter is how a script of an extension is started.
func interpreter(what string, windows bool, ext, file string) ([]string, error) {
	if !windows {
		switch ext {
		case ".py":
			return []string{"/usr/bin/env", "python3", file}, nil
		case ".bash":
			return []string{"/bin/bash", file}, nil
		}
		return []string{"/bin/sh", file}, nil
	}
	switch ext {
	case ".ps1":
		return []string{"powershell.exe", "-NoProfile", "-NonInteractive", "-ExecutionPolicy", "Bypass", "-File", file}, nil
	case ".bat", ".cmd":
		return []string{"cmd.exe", "/c", file}, nil
	case ".vbs", ".js", ".wsf":
		return []string{"cscript.exe", "//nologo", file}, nil
	case ".exe":
		return []string{file}, nil
	}
	return nil, backends.Invalid(what, fmt.Sprintf("nothing on Windows runs a script that ends in %q: .ps1 .bat .cmd .vbs .js .wsf .exe do", ext))
}

// commandLine writes arguments as the one line that create process takes, so
// that the program's own parser gives them back as they were: the rules of
// CommandLineToArgvW on Windows, of the shell elsewhere.
func commandLine(windows bool, args []string) (string, error) {
	if len(args) == 0 || strings.TrimSpace(args[0]) == "" {
		return "", errors.New("the command is empty")
	}
	quoted := make([]string, len(args))
	for i, a := range args {
		if strings.ContainsRune(a, 0) {
			return "", errors.New("there is a NUL in the command")
		}
		if windows {
			quoted[i] = quoteWindows(a)
		} else {
			quoted[i] = quoteShell(a)
		}
	}
	return strings.Join(quoted, " "), nil
}

func quoteWindows(s string) string {
	if s != "" && !strings.ContainsAny(s, " \t\r\n\v\"") {
		return s
	}
	var b strings.Builder
	b.WriteByte('"')
	slashes := 0
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			slashes++
		case '"':
			// Backslashes before a quote count double; the quote needs one more.
			b.WriteString(strings.Repeat(`\`, slashes+1))
			slashes = 0
		default:
			slashes = 0
		}
		b.WriteByte(s[i])
	}
	b.WriteString(strings.Repeat(`\`, slashes))
	b.WriteByte('"')
	return b.String()
}

func quoteShell(s string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_./=:,@%+", r)
	}
	if s != "" && strings.TrimFunc(s, plain) == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// calls are the requests inside the session, for a preview.
func (p *livePlan) calls(session string) []client.Call {
	var out []client.Call
	issue := func(o order) {
		o.SessionID = session
		out = append(out, client.Call{Method: http.MethodPost, Path: apiBase + "/cblr/session/" + session + "/command", JSON: o})
	}
	if p.upload != nil {
		out = append(out, uploadCall(session, p.upload))
		issue(order{Name: cmdPutFile, Object: p.put, FileID: unknownYet})
	}
	if p.kill {
		issue(order{Name: cmdProcesses})
	}
	issue(p.main)
	if p.fetch != "" {
		issue(order{Name: cmdGetFile, Object: p.fetch})
	}
	for _, f := range p.after {
		issue(order{Name: cmdDeleteFile, Object: f})
	}
	return out
}

func uploadCall(session string, s *backends.Script) client.Call {
	return client.Call{Method: http.MethodPost, Path: apiBase + "/cblr/session/" + session + "/file",
		Parts: []client.Part{{Name: "file", FileName: model.BaseName(s.Name), Body: s.Content}}}
}

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
	t.say("opening a live response session")
	if err := t.open(ctx); err != nil {
		return err
	}
	defer func() { t.s.release(ctx) }()
	if err := t.prepare(ctx); err != nil {
		if backends.KindOf(err) == backends.KindAmbiguous {
			d.lost.keep(c, &lostChange{before: "it ended before the change itself was sent (" + err.Error() + ")"})
		}
		t.cleanUp(ctx)
		return err
	}
	return t.finish(ctx, t.carryOut(ctx))
}

func (t *liveTask) say(native string) {
	t.act.NativeState = native
	t.update(snapshot(t.act))
}

// open takes a session. That its answer was lost says that the change was not sent.
func (t *liveTask) open(ctx context.Context) error {
	var err error
	t.s, t.reused, err = t.d.session(ctx, t.what, t.device, t.c.Within(checkInTime))
	if err != nil {
		if backends.KindOf(err) == backends.KindAmbiguous {
			t.d.lost.keep(t.c, &lostChange{before: "the live response session could not be opened; if the server has opened it, it ends by itself"})
		}
		return err
	}
	t.act.Details[detailSession] = t.s.id
	return nil
}

// first does what comes first in a session. When the session was used before
// and has ended meanwhile, a new one is opened: the server said that the
// command was not taken (§9.2).
func (t *liveTask) first(ctx context.Context, do func() error) error {
	err := do()
	if !errors.Is(err, errGone) || !t.reused {
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
		return t.first(ctx, func() error { return t.checkProcess(ctx) })
	case t.upload != nil:
		return t.first(ctx, func() error { return t.putScript(ctx) })
	}
	return nil
}

// checkProcess reads the process list: the pid must be there, and be what was
// meant. Pids are used again.
func (t *liveTask) checkProcess(ctx context.Context) error {
	t.say("reading the process list")
	w, err := t.s.do(ctx, t.what, order{Name: cmdProcesses}, t.c.Within(commandTime))
	if err != nil {
		return err
	}
	for _, p := range w.Processes {
		if !p.PID.set || p.PID.n != t.c.PID {
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
		if p.CreateTime.n > 0 {
			t.act.Details["process_started"] = time.Unix(p.CreateTime.n, 0).UTC().Format(time.RFC3339)
		}
		return nil
	}
	return &backends.Error{Kind: backends.KindNotFound, What: t.what, Why: fmt.Sprintf("no process with pid %d is running on the device: nothing was killed", t.c.PID)}
}

// samePath tells whether a path of the process list is the one that was
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
	t.say("uploading the script")
	call := uploadCall(t.s.id, t.upload)
	call.Path = apiBase + sessionPath(t.s.id) + "/file"
	var f wireFile
	if err := t.d.actCall(ctx, t.what, routeLive, call, &f); err != nil {
		if backends.KindOf(err) == backends.KindNotFound {
			t.s.lose()
			return &backends.Error{Kind: backends.KindUnavailable, What: t.what, Why: "the live response session has ended: nothing was sent to the device", Err: errGone}
		}
		return err
	}
	if !f.ID.set {
		return backends.Malformed(t.what, "the upload got no id")
	}
	_, err := t.s.do(ctx, t.what, order{Name: cmdPutFile, Object: t.put, FileID: f.ID.n}, t.c.Within(commandTime))
	return err
}

// errStillRuns is a command that the device had not ended when the wait was
// over. Its session stays open for whoever asks how it ended.
var errStillRuns = errors.New("the command still runs")

// carryOut sends the change itself, once, and follows it to its end.
func (t *liveTask) carryOut(ctx context.Context) error {
	var w *wireCommand
	issue := func() (err error) {
		w, err = t.s.issue(ctx, t.what, t.main)
		return err
	}
	var err error
	if t.kill || t.upload != nil {
		err = issue() // the session was used just now
	} else {
		err = t.first(ctx, issue)
	}
	if err != nil {
		if backends.KindOf(err) == backends.KindAmbiguous && t.s != nil && t.act.Details[detailSession] == t.s.id {
			t.d.lost.keepIn(t.s, t.c, &lostChange{order: t.main, command: -1, act: snapshot(t.act)})
		}
		return err
	}
	t.act.ID = liveActionID(t.s.id, w.ID.n)
	w, err = t.s.follow(ctx, t.what, w, t.c.Within(t.limit), func(w *wireCommand) {
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
			t.d.lost.keepIn(t.s, t.c, &lostChange{order: t.main, command: w.ID.n, act: snapshot(t.act)})
		}
		if ctx.Err() == nil && t.c.WaitOver() && w.Status != "" {
			t.s.leave(w.ID.n)
			return errStillRuns
		}
		return err
	}
	if t.act.State != model.ActionDone {
		return &backends.Error{Kind: backends.KindOther, What: t.what, Why: t.act.Error}
	}
	if t.main.Name == cmdGetFile {
		return t.collect(w)
	}
	if w.PID.set {
		t.act.Details["pid"] = number(w.PID)
	}
	return nil
}

// collect makes the file of a get file command a carve.
func (t *liveTask) collect(w *wireCommand) error {
	if !w.FileID.set {
		return backends.Malformed(t.what, "the command completed without a file")
	}
	id := carveID(t.s.id, w.ID.n, w.FileID.n)
	t.s.collected(number(w.FileID))
	t.act.Files = append(t.act.Files, id)
	return nil
}

// finish fetches what the change left on the device, and cleans up there.
// What was done stays done when this fails; it is said.
func (t *liveTask) finish(ctx context.Context, err error) error {
	if errors.Is(err, errStillRuns) || backends.KindOf(err) == backends.KindAmbiguous {
		if len(t.after) > 0 {
			t.act.Details["left_on_device"] = strings.Join(t.after, " ") // it may be in use
		}
		if errors.Is(err, errStillRuns) {
			t.act.State = model.ActionRunning // its id tells how it ends
			return nil
		}
		return err
	}
	done := t.act.State
	switch {
	case t.fetch == "" || errors.Is(err, errGone) || t.act.ID == "":
	case t.main.Name == cmdRun && err == nil:
		t.act.State = model.ActionRunning
		t.say("fetching the output")
		if ferr := t.output(ctx); ferr != nil {
			t.act.Details["output"] = "could not be fetched: " + ferr.Error()
		}
	case t.main.Name == cmdMemdump && err == nil:
		t.act.State = model.ActionRunning
		t.say("collecting the dump")
		var w *wireCommand
		if w, err = t.s.do(ctx, t.what, order{Name: cmdGetFile, Object: t.fetch}, t.c.Within(getFileTime+t.limit)); err == nil {
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
		w, err := t.s.do(ctx, t.what, order{Name: cmdDeleteFile, Object: f}, commandTime)
		if err != nil && (w == nil || !noSuchFile(w)) {
			left = append(left, f)
		}
	}
	if len(left) > 0 {
		t.act.Details["left_on_device"] = strings.Join(left, " ")
		t.d.warn(fmt.Sprintf("%s was left on device %d: it could not be deleted there", strings.Join(left, " and "), t.device))
	}
}

func noSuchFile(w *wireCommand) bool {
	code := uint32(w.ResultCode.n) // an HRESULT is 32 bits, whatever its sign
	return code == 0x80070002 || code == 0x80070003
}

// output fetches what a command wrote.
func (t *liveTask) output(ctx context.Context) error {
	w, err := t.s.do(ctx, t.what, order{Name: cmdGetFile, Object: t.fetch}, t.c.Within(getFileTime))
	if err != nil {
		if w != nil && noSuchFile(w) {
			return nil // it wrote nothing
		}
		return err
	}
	if !w.FileID.set {
		return errors.New("the server gave no file")
	}
	info, err := t.d.fileInfo(ctx, t.what, t.s.id, w.FileID.n)
	if err != nil {
		return err
	}
	if info.Size.n > maxOutput {
		t.act.Details["output"] = fmt.Sprintf("%d bytes: too much to show, it is kept as a file", info.Size.n)
		return t.collect(w)
	}
	reply, err := t.d.client.Do(ctx, contentCall(t.s.id, w.FileID.n, maxOutput))
	if err != nil {
		return t.d.explain(ctx, t.what, routeLive, false, err)
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
