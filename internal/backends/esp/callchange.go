package esp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/client"
	"github.com/edrctl/edrctl/internal/model"
	"github.com/edrctl/edrctl/internal/shellquote"
)

// callSpec is the change that any operation of the catalogue is.
var callSpec = backends.VerbSpec{
	Verb: backends.VerbCall, Sync: true,
	How: "calls an operation of the server's own API, behind the guards of that operation",
}

// server is what a guard may ask of the server, and what it knows of the
// profile.
type server interface {
	Ask(ctx context.Context, what, path string, c client.Call) (*answer, error)
	Items(ctx context.Context, c backends.Call) iter.Seq2[json.RawMessage, error]
	Alert(ctx context.Context, id string, raw bool) (*model.Alert, error)
	Carve(ctx context.Context, id string) (*model.Carve, error)
	Host(ctx context.Context, id string, raw bool) (*model.Host, error)
	ListHosts(ctx context.Context, what string) ([]*model.Host, error)
	FindHost(ctx context.Context, what, name string, removed bool) (id string, n int, err error)
	HostRemoved(ctx context.Context, what string, h *model.Host) (removed, known bool, err error)

	// Verify reports whether a password is that of the profile's user.
	Verify(ctx context.Context, password string) (bool, error)
	// EndSession drops the session that is kept here.
	EndSession(ctx context.Context)
	Redact(secrets ...string)
	Describe(op backends.Operation, c client.Call) string

	Setting(name string) string
	Profile() string
	Now() time.Time
}

// guarded is a changing call on its way through the guard of its operation:
// a guard reads what is there, completes the arguments, refuses what cannot
// work, and says what the call would do.
type guarded struct {
	server server
	what   string // "cannot call rules.set"
	op     backends.Operation
	args   map[string]any
	extra  map[string]any // members the document does not know
	p      backends.Preview

	// basis reads what the call rests on. When it has changed between the
	// preview and the sending, nothing is sent.
	basis func(ctx context.Context) (string, error)
	found string
	// landed tells, by reading only, whether the call has done its work; nil:
	// the server keeps nothing that could be read.
	landed func(ctx context.Context) (bool, error)
	// verify: landed is asked after a success too, because the server says
	// success to what it drops.
	verify bool
	// missing names the parts that the server dropped although it said success.
	missing func(ctx context.Context) ([]string, error)
	// after is what has to be done here once the server said success.
	after func(ctx context.Context, act *model.Action)

	call client.Call // what is sent
}

// guard is bound to an operation, so that `api` and every command over it
// share it.
type guard func(ctx context.Context, g *guarded) error

// invalid is a refusal of the call before anything is sent.
func (g *guarded) invalid(format string, a ...any) *backends.Error {
	return backends.Invalid(g.what, fmt.Sprintf(format, a...))
}

func (g *guarded) warn(format string, a ...any) {
	if w := fmt.Sprintf(format, a...); !slices.Contains(g.p.Warnings, w) {
		g.p.Warnings = append(g.p.Warnings, w)
	}
}

// text gives an argument as text, "" when it was not given.
func (g *guarded) text(name string) string { return backends.Text(g.args[name]) }

func (g *guarded) has(name string) bool { _, ok := g.args[name]; return ok }

// drop forgets members that come with what the server told and that it does
// not take back.
func (g *guarded) drop(names ...string) {
	for _, n := range names {
		delete(g.extra, n)
	}
}

// rename takes a member under the name it has in answers.
func (g *guarded) rename(from, to string) {
	if v, ok := g.extra[from]; ok {
		delete(g.extra, from)
		if !g.has(to) && v != nil {
			g.args[to] = v
		}
	}
}

// read asks for what is there now.
func (g *guarded) read(ctx context.Context, op string, args map[string]any) (*answer, error) {
	o, ok := backends.OperationNamed(Catalog(), op)
	if !ok {
		return nil, g.invalid("there is no operation %s", op)
	}
	call, err := request(backends.Call{Op: o, Args: args}, nil)
	if err != nil {
		return nil, err
	}
	return g.server.Ask(ctx, g.what, call.Path, call)
}

// list reads all records of a listing operation.
func (g *guarded) list(ctx context.Context, op string, args map[string]any, each func(v []byte) error) error {
	o, ok := backends.OperationNamed(Catalog(), op)
	if !ok {
		return g.invalid("there is no operation %s", op)
	}
	for v, err := range g.server.Items(ctx, backends.Call{Op: o, Args: args}) {
		if err == nil {
			err = each(v)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// prepare makes a call ready: taken apart, guarded, built.
func prepare(ctx context.Context, s server, c backends.Call) (*guarded, error) {
	g := &guarded{server: s, what: "cannot call " + c.Label(), op: c.Op}
	if c.Op.Method == "" || c.Op.Path == "" {
		return nil, backends.Invalid(g.what, "it names no operation")
	}
	s.Redact(c.Secrets()...)
	c, extra, err := fold(c)
	if err != nil {
		return nil, err
	}
	g.args, g.extra = c.Args, extra
	if err := checkArgs(g.what, c); err != nil { // before the guard reads them
		return nil, err
	}
	if err := hostArgs(ctx, s, g.what, c); err != nil {
		return nil, err
	}
	if why := c.Danger(); why != "" {
		g.warn("%s", why)
	}
	if f := guards[c.Op.Name]; f != nil && c.Body == nil {
		if err := f(ctx, g); err != nil {
			return nil, err
		}
	} else if f != nil {
		return nil, &backends.Error{
			Kind: backends.KindInvalid, What: g.what, Why: "its body is no JSON object, so it cannot be checked before it is sent",
			Hint: "edrctl api list --search " + c.Op.Name + " shows what it takes",
		}
	}
	if names := keysOf(g.extra); len(names) > 0 {
		g.warn("the vendor's document knows no %s here; the server ignores what it does not know", strings.Join(names, ", "))
	}
	c.Args = g.args
	if g.call, err = request(c, g.extra); err != nil {
		return nil, err
	}
	shown, err := request(c.Masked(), g.extra)
	if err != nil {
		return nil, err
	}
	g.p.Requests = []string{s.Describe(c.Op, shown)}
	if g.p.Summary == "" {
		g.p.Summary = summaryOf(c)
	}
	return g, nil
}

// checkArgs brings the arguments to the types of their parameters. What is
// required is there, and there is none the operation does not have.
func checkArgs(what string, c backends.Call) error {
	for _, name := range slices.Sorted(maps.Keys(c.Args)) {
		if _, known := c.Op.Param(name); !known && c.Op.Name != "" {
			return backends.Invalid(what, "there is no parameter "+name)
		}
	}
	for _, p := range c.Op.Params {
		v, given := c.Args[p.Name]
		if !given {
			if p.Required && p.Default == "" && c.Body == nil {
				return backends.Invalid(what, p.Name+" is missing")
			}
			continue
		}
		value, err := p.Value(v)
		if err != nil {
			return backends.Invalid(what, p.Name+": "+err.Error())
		}
		c.Args[p.Name] = value
	}
	return nil
}

func summaryOf(c backends.Call) string {
	s := firstOf(c.Op.Summary, c.Label())
	for _, p := range c.Op.Params {
		if v, ok := c.Args[p.Name]; ok && p.In == "path" && !p.Secret {
			s += " " + backends.Text(v)
		}
	}
	return s
}

// keep remembers what a preview found, so that Apply sends what was shown.
func (d *Driver) keep(c *backends.Call, g *guarded) {
	d.callMu.Lock()
	defer d.callMu.Unlock()
	if d.calls == nil || len(d.calls) > 256 {
		d.calls = map[*backends.Call]*guarded{}
	}
	d.calls[c] = g
}

func (d *Driver) kept(c *backends.Call) *guarded {
	d.callMu.Lock()
	defer d.callMu.Unlock()
	return d.calls[c]
}

func (d *Driver) previewCall(ctx context.Context, c backends.Change) (backends.Preview, error) {
	if c.Call == nil {
		return backends.Preview{}, backends.Invalid("cannot call", "it names no operation")
	}
	g, err := prepare(ctx, callServer{d}, *c.Call)
	if err != nil {
		return backends.Preview{}, enterpriseOnly(c.Call.Op, err)
	}
	d.keep(c.Call, g)
	return g.p, nil
}

// applyCall sends what the preview showed, once.
func (d *Driver) applyCall(ctx context.Context, c backends.Change, update func(*model.Action)) (*model.Action, error) {
	act := &model.Action{Verb: c.Verb, Host: c.Host, RequestedAt: model.At(d.o.Clock())}
	fail := func(err error) (*model.Action, error) {
		act.State, act.Error = model.ActionFailed, err.Error()
		if backends.KindOf(err) == backends.KindAmbiguous {
			act.State = model.ActionAmbiguous
		}
		return act, err
	}
	if c.Call == nil {
		return fail(backends.Invalid("cannot call", "it names no operation"))
	}
	g := d.kept(c.Call)
	if g == nil {
		var err error
		if g, err = prepare(ctx, callServer{d}, *c.Call); err != nil {
			return fail(enterpriseOnly(c.Call.Op, err))
		}
		d.keep(c.Call, g)
	}
	if g.p.Nothing != "" {
		act.State, act.NativeState, act.FinishedAt = model.ActionDone, g.p.Nothing, model.At(d.o.Clock())
		update(act)
		return act, nil
	}
	if g.basis != nil {
		now, err := g.basis(ctx)
		if err != nil {
			return fail(err)
		}
		if now != g.found {
			return fail(&backends.Error{
				Kind: backends.KindRefused, What: g.what, Why: "what it rests on was changed by someone else since it was shown; nothing was sent",
				Hint: "run the command again: it starts from what is there now",
			})
		}
	}
	a, err := d.sendGuarded(ctx, g)
	if err != nil {
		return fail(enterpriseOnly(g.op, askVerdict(err)))
	}
	act.NativeState, act.Answer = short(a.Message), answerOf(a)
	act.State, act.FinishedAt = model.ActionDone, model.At(d.o.Clock())
	if strings.HasPrefix(g.op.Name, "response.") || strings.HasPrefix(g.op.Name, "defender.") {
		// The call is over; what it started goes on, and is read by these ids.
		var started model.Action
		tookCommand(d, a, &started)
		act.Details = started.Details
		if started.ID != "" {
			detail(act, "note", shellquote.Join("edrctl respond get", d.o.Profile+"/"+started.ID)+" tells what the hosts say")
		}
	}
	if g.after != nil {
		g.after(ctx, act)
	}
	if g.missing != nil {
		switch lost, err := g.missing(ctx); {
		case err != nil:
			act.NativeState += "; it could not be read back: " + short(err.Error())
		case len(lost) > 0:
			return fail(&backends.Error{
				Kind: backends.KindOther, What: g.what, Why: "the server says success and left out " + some(lost),
				Hint: "it drops a query whose SQL it cannot read; the others are there",
			})
		}
	}
	if g.landed != nil {
		switch done, err := g.landed(ctx); {
		case err == nil && done:
		case err == nil && g.verify:
			return fail(&backends.Error{Kind: backends.KindOther, What: g.what, Why: "the server says success, and what it keeps now is not what was sent"})
		default:
			act.State = model.ActionAmbiguous
			return act, unseen(act, g.what, err)
		}
	}
	update(act)
	return act, nil
}

// unseen is the error of a change whose effect was not seen; err is why it
// could not be read, nil when it was and does not show.
func unseen(act *model.Action, what string, err error) error {
	e := &backends.Error{Kind: backends.KindAmbiguous, What: what, Why: "the server says success, and what it shows now is unchanged", Err: err}
	if err != nil {
		e.Why = "the server says success, and the effect could not be read: " + short(err.Error())
	}
	act.Error = e.Error()
	return e
}

func (d *Driver) sendGuarded(ctx context.Context, g *guarded) (*answer, error) {
	if outsideBase(g.op) {
		rep, err := d.c.Do(context.WithValue(ctx, noToken{}, true), g.call)
		if err != nil {
			return nil, fromClient(g.what, err)
		}
		return &answer{Body: rep.Body, Header: rep.Header}, nil
	}
	return d.send(ctx, g.what, g.call.Path, g.call)
}

// findCall tells what became of a call whose answer was lost.
func (d *Driver) findCall(ctx context.Context, c backends.Change) (*model.Action, error) {
	if c.Call == nil {
		return nil, backends.Unsupported("ESP", "looking up what became of a call", "list what it was about")
	}
	g := d.kept(c.Call)
	if g == nil {
		// Previewed by another run: what is wanted is found out anew.
		var err error
		if g, err = prepare(ctx, callServer{d}, *c.Call); err != nil {
			return nil, err
		}
	}
	if g.landed == nil {
		return nil, &backends.Error{Kind: backends.KindUnsupported, What: "cannot look up what became of " + c.Call.Label(), Why: "the server keeps nothing of it that could be read"}
	}
	done, err := g.landed(ctx)
	if err != nil || !done {
		return nil, err
	}
	return d.done("it has been done: the server shows what was wanted"), nil
}

// enterpriseOnly says what an edition without a route can do instead.
func enterpriseOnly(op backends.Operation, err error) error {
	var be *backends.Error
	if errors.As(err, &be) && be.Kind == backends.KindUnsupported && op.Since == EditionEnterprise && strings.Contains(be.Why, "does not have the route") {
		be.Why = "this edition of ESP does not have " + op.Method + " " + op.Path
		be.Hint = "response actions, Defender and alert graphs exist in the enterprise edition only"
	}
	return err
}
