package tui

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/edrctl/edrctl/internal/model"
	"github.com/edrctl/edrctl/internal/ops"
)

// Actor is how the screen changes something: the one path of internal/ops.
// Every call is made from a command.
type Actor interface {
	// Can tells whether a profile can be asked for a verb, and how.
	Can(profile, verb string) (how string, err error)
	// Plan looks at what a verb would do to records, by reading only.
	Plan(ctx context.Context, o Order) (*ops.Plan, error)
	// Execute carries an approved plan out. It is never called twice for one.
	Execute(ctx context.Context, p *ops.Plan, run ops.Run) *ops.Result
	// Actions lists what was done, newest first.
	Actions(ctx context.Context, since time.Time) ([]*model.Action, []ops.Outcome, error)
}

// Order is what is wanted: a verb on records.
type Order struct {
	Verb    string
	Records []model.Record
}

// The verbs the screen knows, as the driver contract names them; undo and
// cancel are of the journal.
const (
	verbClose, verbDismiss, verbReopen = "alert.close", "alert.dismiss", "alert.reopen"
	verbIsolate, verbRelease           = "isolate", "release"
	verbKill, verbDelete, verbCarve    = "kill", "delete-file", "carve"
	verbScan, verbRestart              = "scan", "restart-agent"
	verbUndo, verbCancel               = "undo", "cancel"
)

// acts is the Actor over ops.
type acts struct{ a *ops.Acts }

// NewActor gives the action path as the screen uses it.
func NewActor(a *ops.Acts) Actor { return acts{a} }

func (x acts) Can(profile, verb string) (string, error) {
	if verb == verbUndo {
		return "takes the action back", nil
	}
	return x.a.Fleet.CanChange(profile, verb)
}

func (x acts) Plan(ctx context.Context, o Order) (*ops.Plan, error) {
	var items []ops.Item
	var blank ops.Item
	base := blank.Change
	base.Verb = o.Verb
	switch o.Verb {
	case verbUndo, verbCancel:
		var refs []string
		for _, r := range o.Records {
			refs = append(refs, refOf(r))
		}
		if o.Verb == verbUndo {
			items = x.a.UndoItems(ctx, refs)
		} else {
			items = x.a.CancelItems(ctx, refs)
		}
	case verbClose, verbDismiss, verbReopen:
		var refs []string
		for _, r := range o.Records {
			refs = append(refs, refOf(r))
		}
		items = x.a.Fleet.AlertItems(refs, base)
	default:
		seen := map[string]bool{}
		for _, r := range o.Records {
			host := hostRef(r)
			one := base
			key := host
			switch o.Verb {
			case verbKill, verbDelete, verbCarve:
				if p := processOf(r); p != nil {
					one.Path = p.Path
					if o.Verb == verbKill {
						one.PID = p.PID
					}
				}
				key += "\x00" + one.Path + "\x00" + time.Duration(one.PID).String()
			case verbScan:
				one.Scan = "quick"
			}
			if seen[key] {
				continue
			}
			seen[key] = true
			list, err := x.a.Fleet.HostItems(ctx, []string{host}, one)
			if err != nil {
				return nil, err
			}
			items = append(items, list...)
		}
	}
	if len(items) == 0 {
		return nil, errors.New("there is nothing to do it to")
	}
	return x.a.Plan(ctx, items), ctx.Err()
}

func (x acts) Execute(ctx context.Context, p *ops.Plan, run ops.Run) *ops.Result {
	return x.a.Execute(ctx, p, run)
}

func (x acts) Actions(ctx context.Context, since time.Time) ([]*model.Action, []ops.Outcome, error) {
	list, outcomes, _, err := x.a.Actions(ctx, ops.ActionQuery{Since: since, Limit: listCap})
	return list, outcomes, err
}

// hostRef names the host of a record for a look-up in its own profile.
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

func (noActor) Can(string, string) (string, error)                      { return "", errNoActing }
func (noActor) Plan(context.Context, Order) (*ops.Plan, error)          { return nil, errNoActing }
func (noActor) Execute(context.Context, *ops.Plan, ops.Run) *ops.Result { return &ops.Result{} }
func (noActor) Actions(context.Context, time.Time) ([]*model.Action, []ops.Outcome, error) {
	return nil, nil, nil
}

// choice is one line of the action menu.
type choice struct {
	key, verb string
	label     string
	how       string
	off       string // why it cannot be done now
	danger    bool   // it takes something away at once
	records   []model.Record
}

// choices are what could be done to records, the impossible with its reason.
// It may build drivers, so it is made in a command.
func choices(a Actor, records []model.Record, profiles []Profile) []choice {
	if len(records) == 0 {
		return nil
	}
	var alerts, hosts, procs, actions []model.Record
	for _, r := range records {
		switch r.(type) {
		case *model.Alert:
			alerts = append(alerts, r)
		case *model.Action:
			actions = append(actions, r)
		}
		if h := hostOf(r); h != nil && hostName(h) != "" {
			if _, isAction := r.(*model.Action); !isAction {
				hosts = append(hosts, r)
				if p := processOf(r); p != nil && (p.PID > 0 || p.Path != "") {
					procs = append(procs, r)
				}
			}
		}
	}
	var out []choice
	add := func(key, verb, label string, danger bool, on []model.Record, none string) {
		c := choice{key: key, verb: verb, label: label, danger: danger, records: on}
		if len(on) == 0 {
			c.off = none
		}
		asked := map[string]bool{}
		for _, r := range on {
			p := r.GetOrigin().Profile
			if p == "" || asked[p] {
				continue
			}
			asked[p] = true
			how, err := a.Can(p, verb)
			if err != nil {
				c.off = reason(err)
				if len(asked) == 1 && !sameProfile(on) {
					continue
				}
				break
			}
			c.how, c.off = how, ""
		}
		out = append(out, c)
	}
	if len(actions) > 0 {
		add("u", verbUndo, "undo", false, slices.DeleteFunc(slices.Clone(actions), func(r model.Record) bool {
			return !r.(*model.Action).Reversible && r.(*model.Action).Inverse == ""
		}), "it cannot be undone")
		add("c", verbCancel, "cancel", false, slices.DeleteFunc(slices.Clone(actions), func(r model.Record) bool {
			return r.(*model.Action).State.Final()
		}), "it is over")
		return out
	}
	if len(alerts) > 0 {
		add("c", verbClose, "close", false, alerts, "no alert")
		add("d", verbDismiss, "dismiss as false positive", false, alerts, "no alert")
		add("o", verbReopen, "reopen", false, alerts, "no alert")
	}
	add("i", verbIsolate, "isolate from the network", true, hosts, "no host is named")
	add("r", verbRelease, "release from isolation", false, hosts, "no host is named")
	add("s", verbScan, "scan the host", false, hosts, "no host is named")
	add("k", verbKill, "kill the process", true, procs, "no process is named")
	add("D", verbDelete, "delete the file of the process", true, procs, "no file is named")
	add("g", verbCarve, "get the file of the process", false, procs, "no file is named")
	_ = profiles
	return out
}

func sameProfile(list []model.Record) bool {
	for _, r := range list {
		if r.GetOrigin().Profile != list[0].GetOrigin().Profile {
			return false
		}
	}
	return true
}

// reason is an error as short as a menu has room for.
func reason(err error) string {
	s := err.Error()
	var p *ops.ProfileError
	if errors.As(err, &p) {
		s = p.Err.Error()
	}
	if i := strings.LastIndex(s, ": "); i >= 0 && (ops.Unable(err) || strings.HasPrefix(s, "nothing was sent")) {
		s = s[i+2:]
	}
	return s
}
