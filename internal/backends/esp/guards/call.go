// Package guards checks calls of the server's API before they are sent: a
// guard reads what is there, completes the arguments, refuses what cannot
// work, and says what the call would do.
package guards

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/backends/esp/catalog"
	"github.com/edrctl/edrctl/internal/backends/esp/reply"
	"github.com/edrctl/edrctl/internal/client"
	"github.com/edrctl/edrctl/internal/model"
)

// server is what a guard may ask of the server, and what it knows of the
// profile.
type server interface {
	Ask(ctx context.Context, what, path string, c client.Call) (*reply.Answer, error)
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

// Call is a changing call on its way through the guard of its operation:
// a guard reads what is there, completes the arguments, refuses what cannot
// work, and says what the call would do.
type Call struct {
	server  server
	What    string // "cannot call rules.set"
	Op      backends.Operation
	args    map[string]any
	extra   map[string]any // members the document does not know
	Preview backends.Preview

	// Basis reads what the call rests on. When it has changed between the
	// preview and the sending, nothing is sent.
	Basis func(ctx context.Context) (string, error)
	Found string
	// Done tells, by reading only, whether the call has done its work; nil:
	// the server keeps nothing that could be read.
	Done func(ctx context.Context) (bool, error)
	// MustVerify: landed is asked after a success too, because the server says
	// success to what it drops.
	MustVerify bool
	// Missing names the parts that the server dropped although it said success.
	Missing func(ctx context.Context) ([]string, error)
	// After is what has to be done here once the server said success.
	After func(ctx context.Context, act *model.Action)

	Request client.Call // what is sent
}

// guard is bound to an operation, so that `api` and every command over it
// share it.
type guard func(ctx context.Context, g *Call) error

// invalid is a refusal of the call before anything is sent.
func (g *Call) invalid(format string, a ...any) *backends.Error {
	return backends.Invalid(g.What, fmt.Sprintf(format, a...))
}

func (g *Call) warn(format string, a ...any) {
	if w := fmt.Sprintf(format, a...); !slices.Contains(g.Preview.Warnings, w) {
		g.Preview.Warnings = append(g.Preview.Warnings, w)
	}
}

// text gives an argument as text, "" when it was not given.
func (g *Call) text(name string) string { return backends.Text(g.args[name]) }

func (g *Call) has(name string) bool { _, ok := g.args[name]; return ok }

// drop forgets members that come with what the server told and that it does
// not take back.
func (g *Call) drop(names ...string) {
	for _, n := range names {
		delete(g.extra, n)
	}
}

// rename takes a member under the name it has in answers.
func (g *Call) rename(from, to string) {
	if v, ok := g.extra[from]; ok {
		delete(g.extra, from)
		if !g.has(to) && v != nil {
			g.args[to] = v
		}
	}
}

// read asks for what is there now.
func (g *Call) read(ctx context.Context, op string, args map[string]any) (*reply.Answer, error) {
	o, ok := backends.OperationNamed(catalog.Operations(), op)
	if !ok {
		return nil, g.invalid("there is no operation %s", op)
	}
	call, err := Request(backends.Call{Op: o, Args: args}, nil)
	if err != nil {
		return nil, err
	}
	return g.server.Ask(ctx, g.What, call.Path, call)
}

// list reads all records of a listing operation.
func (g *Call) list(ctx context.Context, op string, args map[string]any, each func(v []byte) error) error {
	o, ok := backends.OperationNamed(catalog.Operations(), op)
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

// Prepare makes a call ready: taken apart, guarded, built.
func Prepare(ctx context.Context, s server, c backends.Call) (*Call, error) {
	g := &Call{server: s, What: "cannot call " + c.Label(), Op: c.Op}
	if c.Op.Method == "" || c.Op.Path == "" {
		return nil, backends.Invalid(g.What, "it names no operation")
	}
	s.Redact(c.Secrets()...)
	c, extra, err := catalog.Arguments(c)
	if err != nil {
		return nil, err
	}
	g.args, g.extra = c.Args, extra
	if err := catalog.CheckArgs(g.What, c); err != nil { // before the guard reads them
		return nil, err
	}
	if err := hostArgs(ctx, s, g.What, c); err != nil {
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
			Kind: backends.KindInvalid, What: g.What, Why: "its body is not a JSON object, so it cannot be checked before it is sent",
			Hint: "edrctl api list --search " + c.Op.Name + " shows what it takes",
		}
	}
	if names := keysOf(g.extra); len(names) > 0 {
		g.warn("the vendor's document knows no %s here; the server ignores what it does not know", strings.Join(names, ", "))
	}
	c.Args = g.args
	if g.Request, err = Request(c, g.extra); err != nil {
		return nil, err
	}
	shown, err := Request(c.Masked(), g.extra)
	if err != nil {
		return nil, err
	}
	g.Preview.Requests = []string{s.Describe(c.Op, shown)}
	if g.Preview.Summary == "" {
		g.Preview.Summary = catalog.Summary(c)
	}
	return g, nil
}

// CheckBasis reads again what the call rests on; a call whose basis has
// changed since it was shown is refused.
func (g *Call) CheckBasis(ctx context.Context) error {
	if g.Basis == nil {
		return nil
	}
	now, err := g.Basis(ctx)
	if err != nil {
		return err
	}
	if now != g.Found {
		return &backends.Error{
			Kind: backends.KindRefused, What: g.What, Why: "what it rests on was changed by someone else since it was shown; nothing was sent",
			Hint: "run the command again: it starts from what is there now",
		}
	}
	return nil
}
