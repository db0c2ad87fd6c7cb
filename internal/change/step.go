package change

import (
	"maps"
	"strings"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/model"
	"github.com/edrctl/edrctl/internal/ops"
)

// Item is one change that is wanted, on one target.
type Item struct {
	Label   string // how the target was named, for messages
	Source  *ops.Source
	Change  backends.Change
	Undoes  string // id (act-…) of the action it takes back
	Err     error  // why the target could not be resolved
	Nothing string // why there is nothing to do, when that is known beforehand
}

// Step is an item that was looked at: what it would do, or why it cannot.
type Step struct {
	Item
	Action  string // id of the action it will be: act-…
	Spec    backends.VerbSpec
	Preview backends.Preview

	driver backends.Changer
}

// Ref is the reference of the action the step will be.
func (s *Step) Ref() string {
	if s.Source == nil {
		return s.Action
	}
	return s.Source.Profile + "/" + s.Action
}

// Name is the target for people: the host's name, else the alert's or other id.
func (s *Step) Name() string {
	c := s.Change
	switch {
	case c.Host != nil && c.Host.Name != "":
		return c.Host.Name
	case c.Host != nil && c.Host.ID != "":
		return c.Host.ID
	case s.Label != "":
		return s.Label
	case c.AlertID != "":
		return c.AlertID
	case c.CarveID != "":
		return c.CarveID
	}
	return c.ActionID
}

// Blocked says why the step will not be sent, "" when it will.
func (s *Step) Blocked() string {
	switch {
	case s.Err != nil:
		return s.Err.Error()
	case s.Preview.Nothing != "":
		return s.Preview.Nothing
	case s.Preview.NotReady != "" && !s.Change.Queue:
		return s.Preview.NotReady
	}
	return ""
}

// blank is the action of a step before anything happened.
func (s *Step) blank() *model.Action {
	act := &model.Action{
		Origin: model.Origin{ID: s.Action, Ref: s.Ref()}, Verb: s.Change.Verb, Host: s.Change.Host, Target: actionTarget(s.Change),
		Reversible: s.Preview.Reversible, Inverse: s.Preview.Inverse,
	}
	if s.Source != nil {
		act.Profile, act.Backend = s.Source.Profile, s.Source.Backend
	}
	if c := s.Change.Call; c != nil && len(c.Makes()) > 0 {
		act.Details = map[string]string{backends.DetailMakes: strings.Join(c.Makes(), "\n")}
	}
	return act
}

// merge takes over what the driver says of the action. Its id is kept as
// native_id; ours stays.
func (s *Step) merge(act, u *model.Action) {
	if u == act {
		return
	}
	native := nativeID(act)
	if u.ID != "" && u.ID != act.ID {
		native = u.ID
	}
	origin, verb, host, target, requested := act.Origin, act.Verb, act.Host, act.Target, act.RequestedAt
	inverse, reversible, details := act.Inverse, act.Reversible, act.Details
	*act = *u
	act.Origin, act.Verb = origin, verb
	switch {
	case host != nil && (host.ID != "" || act.Host == nil || act.Host.ID == ""):
		act.Host = host // freshly read, and stamped
	case act.Host != nil && s.Source != nil && act.Host.ID != "" && act.Host.Ref == "": // just made
		h := *act.Host
		h.Profile, h.Backend, h.Ref = s.Source.Profile, s.Source.Backend, s.Source.Profile+"/"+h.ID
		act.Host = &h
	}
	if act.Target == nil {
		act.Target = target
	}
	if act.RequestedAt.IsZero() {
		act.RequestedAt = requested
	}
	if act.Inverse == "" {
		act.Inverse, act.Reversible = inverse, reversible
	}
	act.Details = maps.Clone(details)
	if act.Details == nil {
		act.Details = map[string]string{}
	}
	maps.Copy(act.Details, u.Details)
	if native != "" {
		act.Details[nativeIDKey] = native
	}
	if len(act.Details) == 0 {
		act.Details = nil
	}
}

func hostKey(h *model.Host) string {
	if h == nil {
		return ""
	}
	if h.ID != "" {
		return h.ID
	}
	return h.Name
}
