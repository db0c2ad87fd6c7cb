package tui

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/edrctl/edrctl/internal/change"
	"github.com/edrctl/edrctl/internal/model"
	"github.com/edrctl/edrctl/internal/ops"
)

// Actor is how the screen changes something: the one path of internal/ops.
// Every call is made from a command.
type Actor interface {
	// Can tells whether a profile can be asked for a verb, and how.
	Can(profile, verb string) (how string, err error)
	// Plan looks at what a verb would do to records, by reading only.
	Plan(ctx context.Context, o Order) (*change.Plan, error)
	// Execute carries an approved plan out. It is never called twice for one.
	Execute(ctx context.Context, p *change.Plan, run change.Run) *change.Result
	// Actions lists what was done, newest first.
	Actions(ctx context.Context, since time.Time) ([]*model.Action, []ops.Outcome, error)
	// History is what the journal of this machine knows was done about an
	// alert, newest first. It asks no backend.
	History(ctx context.Context, a *model.Alert) ([]*model.Action, error)
	// InForce lists what is still isolated or blocked, oldest first.
	InForce(ctx context.Context) ([]*change.InForce, error)
	// Fetch brings a collected file here, and checks it.
	Fetch(ctx context.Context, ref string, o change.Fetch) (*change.Fetched, error)
	// Check checks a saved file against its manifest.
	Check(ctx context.Context, path string) (*change.Checked, error)
}

// Order is what is wanted: a verb on records.
type Order struct {
	Verb    string
	Records []model.Record
	Params  Params
}

// Params is what a verb takes besides its target, as it was checked by the
// form. What is zero was not given.
type Params struct {
	PID       int64
	Path      string
	Command   []string
	Script    string // a local file
	Arguments string // of the script
	Address   string
	Port      int
	Program   string
	Scan      string // quick full custom
	Tags      []string
	Verdict   model.Verdict
	For       time.Duration // how long it may run on the host
	More      map[string]string
}

// The verbs the screen knows, as the driver contract names them; undo, cancel
// and deleting a record are of the journal, and fetching and checking change
// no backend.
const (
	verbClose, verbDismiss, verbReopen    = "alert.close", "alert.dismiss", "alert.reopen"
	verbIsolate, verbRelease              = "isolate", "release"
	verbKill, verbDelete, verbCarve       = "kill", "delete-file", "carve"
	verbRun, verbScript                   = "run", "script"
	verbBlock, verbUnblock                = "block", "unblock"
	verbScan, verbRestart, verbMemdump    = "scan", "restart-agent", "memdump"
	verbTag, verbUntag, verbEdit          = "host.tag", "host.untag", "host.edit"
	verbRemove, verbEnable, verbForget    = "host.remove", "host.enable", "host.delete"
	verbUndo, verbCancel, verbRecord      = "undo", "cancel", "action.delete"
	verbCarveDelete, verbFetch, verbCheck = "carve.delete", "fetch", "check"
)

// acts is the Actor over ops.
type acts struct{ a *change.Actor }

// NewActor gives the action path as the screen uses it.
func NewActor(a *change.Actor) Actor { return acts{a} }

func (x acts) Can(profile, verb string) (string, error) {
	switch verb {
	case verbUndo:
		return "takes the action back", nil
	case verbFetch:
		return "checked, read-only, never over another file", nil
	case verbCheck:
		return "against its manifest", nil
	}
	return change.CanChange(x.a.Fleet, profile, verb)
}

func (x acts) Plan(ctx context.Context, o Order) (*change.Plan, error) {
	items, named, err := x.items(ctx, o)
	if err != nil {
		return nil, err
	}
	if len(items) == 0 {
		return nil, errors.New("there is nothing to do it to")
	}
	p := x.a.Plan(ctx, items)
	p.Refuse(named...)
	return p, ctx.Err()
}

// items are the changes of an order, and the names of what a backend may not
// take.
func (x acts) items(ctx context.Context, o Order) (items []change.Item, named []string, err error) {
	var blank change.Item
	base := blank.Change
	base.Verb = o.Verb
	refs := make([]string, len(o.Records))
	for i, r := range o.Records {
		refs[i] = refOf(r)
	}
	p := o.Params
	switch o.Verb {
	case verbUndo:
		return x.a.UndoItems(ctx, refs), nil, nil
	case verbCancel:
		return x.a.CancelItems(ctx, refs), nil, nil
	case verbRecord:
		return x.a.RecordItems(ctx, refs, o.Verb), nil, nil
	case verbCarveDelete:
		return change.CarveItems(x.a.Fleet, refs, base), nil, nil
	case verbClose, verbDismiss, verbReopen:
		if base.Verdict = p.Verdict; p.Verdict != "" {
			named = append(named, "verdict")
		}
		return change.AlertItems(x.a.Fleet, refs, base), named, nil
	}
	base.PID, base.Path, base.Command, base.Address, base.Port, base.Program = p.PID, p.Path, p.Command, p.Address, p.Port, p.Program
	base.Scan, base.Tags, base.Timeout, base.Params = p.Scan, p.Tags, p.For, p.More
	if p.For > 0 {
		named = append(named, "timeout")
	}
	for k := range p.More {
		named = append(named, k)
	}
	if o.Verb == verbScript {
		if base.Script, err = change.ReadScript(p.Script); err != nil {
			return nil, nil, err
		}
		if p.Arguments != "" {
			base.Params = map[string]string{"params": p.Arguments}
			named = append(named, "params")
		}
	}
	seen := map[string]bool{}
	for _, r := range o.Records {
		one, host := base, hostRef(r)
		fromRecord(&one.PID, &one.Path, o.Verb, r)
		key := fmt.Sprint(host, "\x00", one.PID, "\x00", one.Path)
		if seen[key] {
			continue
		}
		seen[key] = true
		list, err := change.HostItems(ctx, x.a.Fleet, []string{host}, one)
		if err != nil {
			return nil, nil, err
		}
		if o.Verb == verbDelete && p.Path == "" && change.SystemPath(one.Path) {
			for i := range list {
				list[i].Err = errors.New("it is the operating system's own; choose it alone and write the path out if you mean it")
			}
		}
		items = append(items, list...)
	}
	return items, named, nil
}

// fromRecord takes pid and path from the process of a record where the order
// names none.
func fromRecord(pid *int64, path *string, verb string, r model.Record) {
	p := processOf(r)
	if p == nil {
		return
	}
	switch verb {
	case verbKill:
		if *pid == 0 {
			*pid, *path = p.PID, cmp.Or(*path, p.Path)
		}
	case verbDelete, verbCarve:
		*path = cmp.Or(*path, p.Path)
	}
}

func (x acts) Execute(ctx context.Context, p *change.Plan, run change.Run) *change.Result {
	return x.a.Execute(ctx, p, run)
}

func (x acts) Actions(ctx context.Context, since time.Time) ([]*model.Action, []ops.Outcome, error) {
	list, outcomes, _, err := x.a.Actions(ctx, change.ActionQuery{Since: since, Limit: listCap})
	return list, outcomes, err
}

func (x acts) History(_ context.Context, a *model.Alert) ([]*model.Action, error) {
	entries, err := x.a.Ledger.Entries()
	if err != nil || a.ID == "" {
		return nil, err
	}
	var out []*model.Action
	for _, e := range slices.Backward(entries) {
		if e.Profile != a.Profile {
			continue
		}
		if act := e.Action(); act.Target != nil && act.Target.AlertID == a.ID {
			out = append(out, act)
		}
	}
	return out, nil
}

func (x acts) InForce(context.Context) ([]*change.InForce, error) { return x.a.Ledger.InForce(false) }

func (x acts) Fetch(ctx context.Context, ref string, o change.Fetch) (*change.Fetched, error) {
	return x.a.Fetch(ctx, ref, o)
}

func (x acts) Check(ctx context.Context, path string) (*change.Checked, error) {
	return change.Check(ctx, path)
}

// hostRef names the host of a record for a lookup in its own profile.
func hostRef(r model.Record) string {
	h := hostOf(r)
	if h == nil {
		return ""
	}
	if h.Ref != "" {
		return h.Ref
	}
	if p := r.GetOrigin().Profile; p != "" {
		return p + "/" + cmp.Or(h.ID, h.Name)
	}
	return cmp.Or(h.ID, h.Name)
}

// noActor is a session in which nothing can be changed: a replay.
type noActor struct{}

var errNoActing = errors.New("acting is off here")

func (noActor) Can(string, string) (string, error)                { return "", errNoActing }
func (noActor) Plan(context.Context, Order) (*change.Plan, error) { return nil, errNoActing }
func (noActor) Execute(context.Context, *change.Plan, change.Run) *change.Result {
	return &change.Result{}
}
func (noActor) Actions(context.Context, time.Time) ([]*model.Action, []ops.Outcome, error) {
	return nil, nil, nil
}
func (noActor) History(context.Context, *model.Alert) ([]*model.Action, error) {
	return nil, errNoActing
}
func (noActor) InForce(context.Context) ([]*change.InForce, error) { return nil, nil }
func (noActor) Fetch(context.Context, string, change.Fetch) (*change.Fetched, error) {
	return nil, errNoActing
}
func (noActor) Check(ctx context.Context, path string) (*change.Checked, error) {
	return change.Check(ctx, path)
}
