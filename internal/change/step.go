package change

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/model"
	"github.com/edrctl/edrctl/internal/ops"
)

// Item is one change that is wanted, on one target.
type Item struct {
	Label   string          `json:"label,omitempty"`   // how the target was named, for messages
	Profile string          `json:"profile,omitempty"` // "" = the target was not found
	Backend string          `json:"backend,omitempty"`
	Change  backends.Change `json:"change"`
	Undoes  string          `json:"undoes,omitempty"`  // id (act-…) of the action it takes back
	Nothing string          `json:"nothing,omitempty"` // why there is nothing to do, when that is known beforehand
	Err     error           `json:"-"`                 // why the target could not be resolved
}

// NewItem is a change on a profile; label is how its target was named.
func NewItem(s *ops.Source, label string, c backends.Change) Item {
	return Item{Label: label, Profile: s.Profile, Backend: s.Backend, Change: c}
}

// Step is an item that was looked at: what it would do, or why it cannot.
type Step struct {
	Item
	Action   string            `json:"action"`              // id of the action it will be: act-…
	ReadOnly bool              `json:"read_only,omitempty"` // the profile may only be read
	Spec     backends.VerbSpec `json:"spec"`
	Preview  backends.Preview  `json:"preview"`
}

// stepJSON is a step with its error as a text.
type stepJSON struct {
	*stepFields
	Error string `json:"error,omitempty"`
}

type stepFields Step

// MarshalJSON writes a step to a file. One that uploads a file cannot be
// written.
func (s *Step) MarshalJSON() ([]byte, error) {
	if c := s.Change.Call; c != nil {
		for name, v := range c.Args {
			if _, file := v.(backends.File); file {
				return nil, fmt.Errorf("%s: the contents of %s cannot be written with the plan", c.Label(), name)
			}
		}
	}
	out := stepJSON{stepFields: (*stepFields)(s)}
	if s.Err != nil {
		out.Error = s.Err.Error()
	}
	return json.Marshal(out)
}

// UnmarshalJSON reads a step from a file. One that could not be done still
// cannot.
func (s *Step) UnmarshalJSON(b []byte) error {
	in := stepJSON{stepFields: (*stepFields)(s)}
	if err := json.Unmarshal(b, &in); err != nil {
		return err
	}
	if in.Error != "" {
		s.Err = errors.New(in.Error)
	}
	return nil
}

// inProfile is an error of the step, with the name of its profile.
func (s *Step) inProfile(err error) error { return &ops.ProfileError{Profile: s.Profile, Err: err} }

// Ref is the reference of the action the step will be.
func (s *Step) Ref() string {
	if s.Profile == "" {
		return s.Action
	}
	return s.Profile + "/" + s.Action
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

// newAction is the action of the step before anything happened.
func (s *Step) newAction() *model.Action {
	act := &model.Action{
		Origin: model.Origin{ID: s.Action, Ref: s.Ref(), Profile: s.Profile, Backend: s.Backend}, Verb: s.Change.Verb, Host: s.Change.Host, Target: actionTarget(s.Change),
		Reversible: s.Preview.Reversible, Inverse: s.Preview.Inverse,
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
	case act.Host != nil && s.Profile != "" && act.Host.ID != "" && act.Host.Ref == "": // just made
		h := *act.Host
		h.Profile, h.Backend, h.Ref = s.Profile, s.Backend, s.Profile+"/"+h.ID
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

// nativeIDKey is where an action keeps the backend's own id.
const nativeIDKey = "native_id"

func nativeID(a *model.Action) string { return a.Details[nativeIDKey] }

// What says what on its host, or of its alert, a change is on, for people;
// without pid and path.
func What(c backends.Change) string {
	switch {
	case c.Call != nil:
		return onWhat(c.Call)
	case c.Address != "" && c.Port != 0:
		return joinAddress(c.Address, c.Port)
	case c.Address != "":
		return c.Address
	case c.Program != "":
		return c.Program
	case len(c.Command) > 0:
		return strings.Join(c.Command, " ")
	case c.Script != nil:
		return c.Script.Name
	case c.Scan != "":
		return strings.TrimSpace(c.Scan + " scan " + c.Path)
	case len(c.Tags) > 0:
		return strings.Join(c.Tags, " ")
	case c.Verdict != "" && c.Verdict != model.VerdictUnknown:
		return string(c.Verdict)
	}
	return ""
}

// onWhat names what a call is on, for people and the journal: the operation
// and the arguments in its path.
func onWhat(c *backends.Call) string {
	parts := []string{c.Label()}
	for _, p := range c.Op.Params {
		if v, ok := c.Args[p.Name]; ok && p.In == "path" && !p.Secret {
			parts = append(parts, backends.Text(v))
		}
	}
	return strings.Join(parts, " ")
}

func joinAddress(address string, port int) string {
	if strings.Contains(address, ":") {
		address = "[" + address + "]"
	}
	return fmt.Sprintf("%s:%d", address, port)
}

func actionTarget(c backends.Change) *model.ActionTarget {
	t := model.ActionTarget{AlertID: c.AlertID, PID: c.PID, Path: c.Path, Address: c.Address, Port: c.Port, Command: strings.Join(c.Command, " ")}
	switch {
	case c.Call != nil:
		t.Name = onWhat(c.Call)
	case c.Script != nil:
		t.Name = c.Script.Name
	case c.Program != "":
		t.Name = c.Program
	case len(c.Tags) > 0:
		t.Name = strings.Join(c.Tags, " ")
	case c.Scan != "":
		t.Name = c.Scan
	}
	if t == (model.ActionTarget{}) {
		return nil
	}
	return &t
}

// addDetail sets a detail on a copy of the map: reports share the old one.
func addDetail(act *model.Action, name, value string) {
	act.Details = maps.Clone(act.Details)
	if act.Details == nil {
		act.Details = map[string]string{}
	}
	act.Details[name] = value
}
